/* SPDX-License-Identifier: BSD-2-Clause */
#include "ctl/dnsask.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define UDP_MAX 512 /* RFC 1035 section 2.3.4: what every server takes */
#define UDP_TRIES 3
#define ALIASES_MAX 16

uint16_t dnsask_id(void)
{
	uint16_t id = 0;

	while (getrandom(&id, sizeof(id), 0) != sizeof(id))
		;
	return id;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Waits until fd is ready. Returns 0, -ETIMEDOUT or -errno. */
static int wait_for(int fd, short events, int64_t until)
{
	struct pollfd p = {.fd = fd, .events = events};

	for (;;) {
		int64_t left = until - now_ms();
		int n = left > 0 ? poll(&p, 1, (int)left) : 0;

		if (n > 0)
			return 0;
		if (n == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

/* A connected socket takes nothing from others. Returns it or -errno. */
static int connect_to(const struct dns_server *server, int type, int64_t until)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(&server->addr, server->port, &ss);
	int fd = socket(ss.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), error = 0;
	socklen_t error_len = sizeof(error);

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&ss, len) < 0) {
		error = errno == EINPROGRESS ? wait_for(fd, POLLOUT, until) : -errno;
		if (!error && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_len) == 0)
			error = -error;
	}
	if (!error)
		return fd;
	close(fd);
	return error;
}

static bool answers(const uint8_t *message, const struct dns_reply *reply)
{
	struct wire_reader q = wire_reader(message, DNSMSG_HEAD),
			   a = wire_reader(reply->b, reply->len);
	struct dns_head asked = dns_head_read(&q), got = dns_head_read(&a);

	return !a.bad && got.id == asked.id && (got.flags & DNS_FLAG_QR) &&
	       (got.flags & DNS_OPCODE_MASK) == (asked.flags & DNS_OPCODE_MASK);
}

static bool truncated(const struct dns_reply *reply)
{
	return reply->b[2] & DNS_FLAG_TC >> 8;
}

static int by_udp(
	const struct dns_server *server, const uint8_t *message, size_t len, struct dns_reply *ret)
{
	int fd = connect_to(server, SOCK_DGRAM, now_ms()), error = -ETIMEDOUT;

	if (fd < 0)
		return fd;
	for (int i = 0; i < UDP_TRIES && error == -ETIMEDOUT; i++) {
		int64_t until = now_ms() + DNSASK_UDP_MS / UDP_TRIES;

		if (send(fd, message, len, 0) < 0)
			error = -errno;
		while (error == -ETIMEDOUT && wait_for(fd, POLLIN, until) == 0) {
			ssize_t n = recv(fd, ret->b, sizeof(ret->b), 0);

			ret->len = n > 0 ? (size_t)n : 0;
			if (n < 0 && errno != EAGAIN && errno != EINTR)
				error = -errno;
			else if (n > 0 && answers(message, ret))
				error = 0;
		}
	}
	close(fd);
	return error;
}

static int send_all(int fd, const uint8_t *p, size_t len, int64_t until)
{
	while (len) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
		int error;

		if (n >= 0) {
			p += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) {
			error = wait_for(fd, POLLOUT, until);
			if (error)
				return error;
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}

static int receive_all(int fd, uint8_t *p, size_t len, int64_t until)
{
	while (len) {
		int error = wait_for(fd, POLLIN, until);
		ssize_t n;

		if (error)
			return error;
		n = recv(fd, p, len, 0);
		if (n == 0)
			return -ECONNRESET;
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		} else if (errno != EAGAIN && errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}

static int by_tcp(
	const struct dns_server *server, const uint8_t *message, size_t len, struct dns_reply *ret)
{
	uint8_t framed[2 + DNSMSG_MAX] = {(uint8_t)(len >> 8), (uint8_t)len};
	int64_t until = now_ms() + DNSASK_TCP_MS;
	int fd = connect_to(server, SOCK_STREAM, until), error;
	uint8_t size[2];

	if (fd < 0)
		return fd;
	memcpy(framed + 2, message, len);
	error = send_all(fd, framed, len + 2, until);
	if (!error)
		error = receive_all(fd, size, sizeof(size), until);
	if (!error) {
		ret->len = (size_t)(size[0] << 8 | size[1]);
		error = receive_all(fd, ret->b, ret->len, until);
	}
	close(fd);
	if (!error && !answers(message, ret))
		error = -EBADMSG;
	return error;
}

int dnsask(
	const struct dns_server *server, const uint8_t *message, size_t len, struct dns_reply *ret)
{
	int error = -EMSGSIZE;

	if (len < DNSMSG_HEAD || len > DNSMSG_MAX)
		return -EINVAL;
	if (len <= UDP_MAX)
		error = by_udp(server, message, len, ret);
	if (!error && !truncated(ret))
		return 0;
	return by_tcp(server, message, len, ret);
}

int dnsask_any(const struct dns_server *servers, size_t n, const struct dname *name, uint16_t type,
	bool dnssec, struct dns_reply *ret)
{
	uint8_t question[UDP_MAX];
	int error = -EPROTO;

	for (size_t i = 0; i < n; i++) {
		struct wire_writer w = wire_writer(question, sizeof(question));
		unsigned int rcode;

		dns_question_put(&w, dnsask_id(), name, type, dnssec);
		error = dnsask(&servers[i], question, w.pos, ret);
		rcode = error ? 0 : ret->b[3] & DNS_RCODE_MASK;
		if (!error && (rcode == DNS_RCODE_NOERROR || rcode == DNS_RCODE_NXDOMAIN))
			return 0;
		if (!error)
			error = -EPROTO;
	}
	return error;
}

/* ---- zones */

/* The record of that type and owner in one section; r stands at its begin, count are its records. */
static bool find_rr(struct wire_reader r, unsigned int count, const struct dname *owner,
	uint16_t type, struct dns_rr *ret)
{
	for (unsigned int i = 0; i < count; i++) {
		struct dns_rr rr = dns_rr_read(&r);

		if (r.bad)
			return false;
		if (rr.type == type && rr.class == DNS_CLASS_IN &&
			(owner ? dname_equal(&rr.owner, owner) : true)) {
			*ret = rr;
			return true;
		}
	}
	return false;
}

/* The name that rr's rdata begins with. */
static bool rdata_name(const uint8_t *message, const struct dns_rr *rr, struct dname *ret)
{
	struct wire_reader r = wire_reader(message, rr->rdata_at + rr->rdata_len);

	wire_skip(&r, rr->rdata_at);
	*ret = dname_read(&r);
	return !r.bad;
}

int dnsask_read_zone(
	const uint8_t *message, size_t len, const struct dname *name, struct dns_zone *ret)
{
	struct dns_zone zone = {.name = *name};
	struct dns_head head;
	struct wire_reader answer = dns_answers(message, len, &head), authority;
	struct dns_rr rr;
	int aliases = 0;

	if (answer.bad)
		return -ENOENT;
	while (aliases <= ALIASES_MAX &&
		find_rr(answer, head.count[1], &zone.name, DNS_TYPE_CNAME, &rr)) {
		if (!rdata_name(message, &rr, &zone.name))
			return -ENOENT;
		aliases++;
	}
	if (aliases > ALIASES_MAX)
		return -ELOOP;
	authority = answer;
	for (unsigned int i = 0; i < head.count[1]; i++)
		dns_rr_read(&authority);
	if (!find_rr(answer, head.count[1], &zone.name, DNS_TYPE_SOA, &rr) &&
		!find_rr(authority, head.count[2], NULL, DNS_TYPE_SOA, &rr)) {
		ret->name = zone.name;
		return aliases ? -EAGAIN : -ENOENT;
	}
	zone.zone = rr.owner;
	if (!dname_within(&zone.name, &zone.zone)) {
		/* the SOA of the alias's zone, not of its target's */
		ret->name = zone.name;
		return aliases ? -EAGAIN : -ENOENT;
	}
	if (!rdata_name(message, &rr, &zone.primary))
		return -ENOENT;
	*ret = zone;
	return 0;
}

int dnsask_zone(
	const struct dns_server *servers, size_t n, const struct dname *name, struct dns_zone *ret)
{
	static struct dns_reply reply;
	struct dns_zone zone = {.name = *name};
	int error = -EAGAIN;

	for (int i = 0; i < ALIASES_MAX && error == -EAGAIN; i++) {
		struct dname asked = zone.name;

		error = dnsask_any(servers, n, &asked, DNS_TYPE_SOA, false, &reply);
		if (!error)
			error = dnsask_read_zone(reply.b, reply.len, &asked, &zone);
	}
	if (!error)
		*ret = zone;
	return error == -EAGAIN ? -ELOOP : error;
}

size_t dnsask_addresses(const struct dns_server *servers, size_t n, const struct dname *host,
	struct addr *ret, size_t max)
{
	static const uint16_t types[] = {DNS_TYPE_A, DNS_TYPE_AAAA};
	static struct dns_reply reply;
	size_t found = 0;

	for (size_t t = 0; t < 2; t++) {
		struct dns_head head;
		struct wire_reader r;

		if (dnsask_any(servers, n, host, types[t], false, &reply) < 0)
			continue;
		r = dns_answers(reply.b, reply.len, &head);
		for (unsigned int i = 0; i < head.count[1] && found < max; i++) {
			struct dns_rr rr = dns_rr_read(&r);
			const uint8_t *b = reply.b + rr.rdata_at;

			if (r.bad)
				break;
			if (rr.type == types[t] && rr.rdata_len == (t ? 16 : 4))
				ret[found++] = t ? addr_from_v6(b) : addr_from_v4(b);
		}
	}
	return found;
}
