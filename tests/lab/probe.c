/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Traffic for the lab, and its measure. One small program, because starting one costs a guest more
 * than what is measured.
 *
 *   probe serve PORT                    echo server, TCP and UDP, IPv4 and IPv6; says "ready"
 *   probe sink ADDR PORT                takes UDP there and never answers; until killed
 *   probe connect PORT TIMEOUT ADDR...  TCP connections to all addresses at once; one line each
 *   probe udp PORT TIMEOUT COUNT ADDR...  COUNT datagrams to each address at once; one line each
 *
 * The lines of connect are "ADDR MICROSECONDS RETRANSMITS ECHO": from connect() to established, how
 * often the kernel sent something again (RFC 9293 SYN retransmissions included), and microseconds
 * from connect() to the answer to what was then written. A failure is "ADDR - ERROR" and exit status
 * 1. The lines of udp are "ADDR ANSWERED MICROSECONDS", the time that of the first answer or "-".
 * TIMEOUT in milliseconds.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PEERS_MAX 1024

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static long number(const char *text, long max)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (*text == '\0' || *end != '\0' || n < 1 || n > max)
		errx(2, "not a number from 1 to %ld: %s", max, text);
	return n;
}

static socklen_t parse(const char *text, uint16_t port, struct sockaddr_storage *ret)
{
	struct sockaddr_in *in = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;

	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		return sizeof(*in);
	}
	if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		return sizeof(*in6);
	}
	errx(2, "not an address: %s", text);
}

/* ---- serve */

/* Answers must leave from the address that was asked, so the sockets tell it (IPV6_PKTINFO, which
 * carries mapped IPv4 addresses too). */
static void echo_datagram(int fd)
{
	char data[2048], control[256];
	struct sockaddr_storage from;
	struct iovec iov = {data, sizeof(data)};
	struct msghdr m = {
		.msg_name = &from,
		.msg_namelen = sizeof(from),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(fd, &m, 0);

	if (n < 0)
		return;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO)
			((struct in6_pktinfo *)CMSG_DATA(c))->ipi6_ifindex = 0;
	iov.iov_len = (size_t)n;
	if (sendmsg(fd, &m, 0) < 0)
		warn("sendmsg");
}

static void serve(uint16_t port)
{
	static struct pollfd fds[PEERS_MAX + 2];
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	size_t n = 2;
	int one = 1, zero = 0, room = 4 << 20; /* for what comes from hundreds at once */

	fds[0].fd = socket(AF_INET6, SOCK_STREAM, 0);
	fds[1].fd = socket(AF_INET6, SOCK_DGRAM, 0);
	setsockopt(fds[0].fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fds[1].fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one, sizeof(one));
	setsockopt(fds[1].fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	for (int i = 0; i < 2; i++) {
		setsockopt(fds[i].fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
		if (bind(fds[i].fd, (struct sockaddr *)&any, sizeof(any)) < 0)
			err(1, "bind to port %u", port);
		fds[i].events = POLLIN;
	}
	if (listen(fds[0].fd, PEERS_MAX) < 0)
		err(1, "listen");
	puts("ready");
	fflush(stdout);
	for (;;) {
		char data[2048];

		if (poll(fds, n, -1) < 0)
			err(1, "poll");
		for (size_t i = n; i-- > 2;) {
			if (!fds[i].revents)
				continue;
			ssize_t got = read(fds[i].fd, data, sizeof(data));
			if (got <= 0 || write(fds[i].fd, data, (size_t)got) != got) {
				close(fds[i].fd);
				fds[i] = fds[--n];
			}
		}
		if (fds[1].revents)
			echo_datagram(fds[1].fd);
		if (fds[0].revents && n < PEERS_MAX + 2) {
			int fd = accept(fds[0].fd, NULL, NULL);

			if (fd >= 0)
				fds[n++] = (struct pollfd){.fd = fd, .events = POLLIN};
		}
	}
}

/* Without the socket the kernel would answer: port unreachable. */
static void sink(const char *name, uint16_t port)
{
	struct sockaddr_storage at;
	socklen_t len = parse(name, port, &at);
	int fd = socket(at.ss_family, SOCK_DGRAM, 0);
	char data[2048];

	if (bind(fd, (struct sockaddr *)&at, len) < 0)
		err(1, "bind to %s port %u", name, port);
	for (;;)
		if (read(fd, data, sizeof(data)) < 0)
			err(1, "read");
}

/* ---- connect */

struct peer {
	const char *name;
	int fd;
	int64_t started;
	int64_t connected; /* microseconds since started, 0 not yet */
	int64_t answered;
	long count; /* udp: answers */
	int error;  /* errno */
};

static int retransmits(int fd)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return -1;
	return (int)info.tcpi_total_retrans;
}

/* The socket of p is ready. Returns false when there is nothing more to wait for. */
static bool connect_step(struct peer *p)
{
	char data[64];
	socklen_t len = sizeof(p->error);

	if (!p->connected) {
		if (getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &p->error, &len) < 0)
			p->error = errno;
		if (p->error)
			return false;
		p->connected = now() - p->started;
		if (write(p->fd, "hello\n", 6) != 6)
			p->error = errno;
		return p->error == 0;
	}
	ssize_t n = read(p->fd, data, sizeof(data));
	if (n != 6)
		p->error = n < 0 ? errno : EPROTO;
	else
		p->answered = now() - p->started;
	return false;
}

static int connect_all(uint16_t port, int64_t timeout_us, struct peer *peers, size_t n)
{
	struct pollfd fds[PEERS_MAX];
	int64_t deadline = now() + timeout_us;
	size_t waiting = 0;
	int status = 0;

	for (size_t i = 0; i < n; i++) {
		struct sockaddr_storage to;
		socklen_t len = parse(peers[i].name, port, &to);

		peers[i].fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
		fds[i] = (struct pollfd){.fd = peers[i].fd, .events = POLLOUT};
		peers[i].started = now();
		if (connect(peers[i].fd, (struct sockaddr *)&to, len) == 0 ||
			errno == EINPROGRESS) {
			waiting++;
			continue;
		}
		peers[i].error = errno;
		fds[i].fd = -1;
	}
	while (waiting > 0) {
		int64_t left = deadline - now();

		if (left <= 0 || poll(fds, n, (int)(left / 1000) + 1) <= 0)
			break;
		for (size_t i = 0; i < n; i++) {
			if (!fds[i].revents)
				continue;
			fds[i].events = POLLIN;
			if (!connect_step(&peers[i])) {
				fds[i].fd = -1;
				waiting--;
			}
		}
	}
	for (size_t i = 0; i < n; i++) {
		const struct peer *p = &peers[i];

		if (p->answered) {
			printf("%s %lld %d %lld\n", p->name, (long long)p->connected,
				retransmits(p->fd), (long long)p->answered);
			continue;
		}
		printf("%s - %s\n", p->name, strerror(p->error ? p->error : ETIMEDOUT));
		status = 1;
	}
	return status;
}

/* ---- udp */

static int udp_all(uint16_t port, int64_t timeout_us, long count, struct peer *peers, size_t n)
{
	struct pollfd fds[PEERS_MAX];
	int64_t deadline = now() + timeout_us;
	long waiting = count * (long)n;

	for (size_t i = 0; i < n; i++) {
		struct sockaddr_storage to;
		socklen_t len = parse(peers[i].name, port, &to);

		peers[i].fd = socket(to.ss_family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
		fds[i] = (struct pollfd){.fd = peers[i].fd, .events = POLLIN};
		peers[i].started = now();
		if (connect(peers[i].fd, (struct sockaddr *)&to, len) < 0)
			warn("%s", peers[i].name);
		for (long k = 0; k < count; k++)
			if (write(peers[i].fd, "hello\n", 6) != 6)
				warn("%s", peers[i].name);
	}
	while (waiting > 0) {
		int64_t left = deadline - now();
		char data[64];

		if (left <= 0 || poll(fds, n, (int)(left / 1000) + 1) <= 0)
			break;
		for (size_t i = 0; i < n; i++) {
			if (!fds[i].revents || read(fds[i].fd, data, sizeof(data)) != 6)
				continue;
			if (peers[i].count++ == 0)
				peers[i].answered = now() - peers[i].started;
			waiting--;
		}
	}
	for (size_t i = 0; i < n; i++) {
		if (peers[i].count > 0)
			printf("%s %ld %lld\n", peers[i].name, peers[i].count,
				(long long)peers[i].answered);
		else
			printf("%s 0 -\n", peers[i].name);
	}
	return waiting > 0;
}

int main(int argc, char **argv)
{
	static struct peer peers[PEERS_MAX];
	bool udp = argc > 1 && strcmp(argv[1], "udp") == 0;
	int first = udp ? 5 : 4;

	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		serve((uint16_t)number(argv[2], 65535));
	if (argc == 4 && strcmp(argv[1], "sink") == 0)
		sink(argv[2], (uint16_t)number(argv[3], 65535));
	if (argc <= first || (!udp && strcmp(argv[1], "connect") != 0))
		errx(2, "see the head of probe.c");
	if (argc - first > PEERS_MAX)
		errx(2, "more than %d addresses", PEERS_MAX);

	uint16_t port = (uint16_t)number(argv[2], 65535);
	int64_t timeout_us = number(argv[3], 600000) * 1000;
	for (int i = first; i < argc; i++)
		peers[i - first].name = argv[i];
	if (udp)
		return udp_all(
			port, timeout_us, number(argv[4], 1000), peers, (size_t)(argc - first));
	return connect_all(port, timeout_us, peers, (size_t)(argc - first));
}
