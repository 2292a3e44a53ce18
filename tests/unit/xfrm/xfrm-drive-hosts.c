/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/xfrm/xfrm-drive.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/service.h"

struct event_base *base;
struct host a = {.netns = "a"}, b = {.netns = "b"};
unsigned int test, failed;
int family = AF_INET;
static uint32_t tag = 1;

uint64_t now_us(void)
{
	return service_now();
}

void ok(bool good, const char *fmt, ...)
{
	va_list ap;

	printf("%sok %u - %s ", good ? "" : "not ", ++test, family == AF_INET ? "IPv4" : "IPv6");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
	failed += !good;
}

void enter_netns(const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0) {
		perror(path);
		exit(2);
	}
	close(fd);
}

static void on_event(void *arg, uint16_t type, const void *fixed, const uint8_t *tail, size_t len)
{
	struct host *h = arg;
	const struct xfrm_expire *expire;

	(void)tail, (void)len;
	switch ((enum xfrm_ev)type) {
	case XFRM_EV_READY:
		memcpy(&h->hello, fixed, sizeof(h->hello));
		h->ready = true;
		break;
	case XFRM_EV_LOCAL:
		*(((const struct xfrm_local *)fixed)->up ? &h->locals_up : &h->locals_down) += 1;
		break;
	case XFRM_EV_TRAPPED:
		if (h->n_trapped < N(h->trapped))
			memcpy(&h->trapped[h->n_trapped++], fixed, sizeof(h->trapped[0]));
		break;
	case XFRM_EV_DONE:
		if (h->n_done < N(h->done))
			memcpy(&h->done[h->n_done++], fixed, sizeof(h->done[0]));
		break;
	case XFRM_EV_EXPIRE:
		expire = fixed;
		*(expire->hard ? &h->expired_hard : &h->expired_soft) += 1;
		break;
	case XFRM_EV_ADOPTED:
		h->adopted++;
		break;
	case XFRM_EV_STRAY:
	case XFRM_EV_MAPPED:
		break;
	case XFRM_EV_COUNTERS:
		memcpy(&h->counters, fixed, sizeof(h->counters));
		h->counted = true;
		break;
	case XFRM_EV_TRAFFIC:
		memcpy(&h->traffic, fixed, sizeof(h->traffic));
		h->trafficked = true;
		break;
	}
}

static void on_closed(void *arg, int error)
{
	struct host *h = arg;

	(void)error;
	h->closed = true;
}

void spawn(struct host *h)
{
	const char *netns = h->netns;
	int fds[2];

	if (msg_pair(fds) < 0)
		exit(2);
	fflush(stdout);
	h->pid = fork();
	if (h->pid == 0) {
		event_reinit(base);
		enter_netns(netns);
		if (fds[1] != SERVICE_FD)
			dup2(fds[1], SERVICE_FD);
		close_range(SERVICE_FD + 1, ~0u, 0);
		fcntl(SERVICE_FD, F_SETFD, 0);
		_exit(xfrm_service_main());
	}
	close(fds[1]);
	*h = (struct host){.netns = netns, .pid = h->pid};
	h->ch = msg_channel_new(base, fds[0], xfrm_events, xfrm_n_events, on_event, on_closed, h);
}

void reap(struct host *h)
{
	msg_channel_free(h->ch);
	h->ch = NULL;
	waitpid(h->pid, NULL, 0);
}

void pump(unsigned int ms, const bool *flag)
{
	uint64_t end = now_us() + 1000ull * ms;

	while (now_us() < end && !(flag && *flag)) {
		struct timeval tick = {.tv_usec = 500};

		event_base_loopexit(base, &tick);
		event_base_dispatch(base);
	}
}

static const struct xfrm_done *wait_done(struct host *h, uint32_t t)
{
	static const struct xfrm_done none = {.error = -ETIMEDOUT};
	uint64_t end = now_us() + 5000000;

	while (now_us() < end && !h->closed) {
		for (size_t i = 0; i < h->n_done; i++)
			if (h->done[i].tag == t)
				return &h->done[i];
		pump(1, NULL);
	}
	return &none;
}

/* ---- requests */

struct addr address(const char *text)
{
	struct addr addr;

	if (addr_parse(text, &addr) < 0)
		exit(2);
	return addr;
}

struct addr me(void)
{
	return address(family == AF_INET ? "192.0.2.1" : "2001:db8::1");
}

struct addr other(void)
{
	return address(family == AF_INET ? "192.0.2.2" : "2001:db8::2");
}

struct addr stranger(unsigned int n)
{
	struct addr addr = address(family == AF_INET ? "10.0.0.0" : "2001:db8:10::");
	size_t last = addr_size(&addr) - 1;

	addr.b[last] = (uint8_t)n;
	addr.b[last - 1] = (uint8_t)(n >> 8);
	return addr;
}

struct pair pair_with(struct addr remote)
{
	return (struct pair){.local = me(), .remote = remote};
}

struct xfrm_rule rule(const char *remote, uint8_t action, uint32_t rank)
{
	struct xfrm_rule r = {.rank = rank, .action = action};

	if (prefix_parse(remote, &r.remote, NULL) < 0)
		exit(2);
	return r;
}

void config(struct host *h, uint32_t lifetime)
{
	struct xfrm_config c = {
		.hold = 1, .hold_max = 4096, .hold_peer_max = 64, .clear_lifetime = lifetime};

	msg_send_struct(h->ch, XFRM_REQ_CONFIG, &c);
	pump(60000, &h->ready);
}

int rules(struct host *h, const struct xfrm_rule *list, size_t n)
{
	struct xfrm_rules head = {.first = 1, .last = 1, .tag = tag++};

	msg_send(h->ch, XFRM_REQ_RULES, &head, sizeof(head), list, n * sizeof(*list));
	return wait_done(h, head.tag)->error;
}

const struct xfrm_done *decide(struct host *h, struct pair pair, uint8_t verdict, uint32_t rank)
{
	struct xfrm_decide d = {.tag = tag++, .pair = pair, .verdict = verdict, .rule.rank = rank};

	msg_send_struct(h->ch, XFRM_REQ_DECIDE, &d);
	return wait_done(h, d.tag);
}

/* 1: the first packets by what is installed are to be told. */
uint8_t tell_use;

const struct xfrm_done *install(struct host *h, struct pair pair, bool inbound, uint32_t spi,
	uint8_t cipher, uint8_t esn, uint32_t soft)
{
	/* a key of 32 bytes, and the salt or the HMAC's key */
	static const size_t lengths[] = {
		[XFRM_CIPHER_AES_GCM_16] = 36,
		[XFRM_CIPHER_CHACHA20_POLY1305] = 36,
		[XFRM_CIPHER_AES_CBC_SHA2_256] = 64,
		[XFRM_CIPHER_AES_CBC_SHA2_384] = 80,
		[XFRM_CIPHER_AES_CBC_SHA2_512] = 96,
	};
	uint8_t key[XFRM_KEY_MAX];
	struct xfrm_sa sa = {
		.tag = tag++,
		.pair = pair,
		.spi = spi,
		.cipher = cipher,
		.esn = esn,
		.replay_window = esn ? 256 : 32,
		.tell_use = tell_use,
		.soft_seconds = soft,
		.hard_seconds = soft ? soft + 1 : 0,
		.rule.rank = 10,
	};

	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(i * 7 + spi);
	msg_send(h->ch, inbound ? XFRM_REQ_SA_IN : XFRM_REQ_SA_OUT, &sa, sizeof(sa), key,
		lengths[cipher]);
	return wait_done(h, sa.tag);
}

struct xfrm_traffic traffic(struct host *h, struct pair pair)
{
	struct xfrm_traffic_req req = {.pair = pair};

	h->trafficked = false;
	msg_send_struct(h->ch, XFRM_REQ_TRAFFIC, &req);
	pump(2000, &h->trafficked);
	return h->traffic;
}

struct xfrm_counters counters(struct host *h, struct pair pair)
{
	struct xfrm_counters_req req = {.tag = tag++, .pair = pair};

	h->counted = false;
	msg_send_struct(h->ch, XFRM_REQ_COUNTERS, &req);
	pump(2000, &h->counted);
	return h->counters;
}

void stop(struct host *h, uint8_t keep)
{
	msg_send_struct(h->ch, XFRM_REQ_STOP, &((struct xfrm_stop){.keep = keep}));
	pump(8000, &h->closed);
	reap(h);
}

/* ---- traffic of host a's applications */

int start(struct addr to, uint16_t port, int type)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(&to, port, &ss);
	struct sockaddr_storage from;
	struct addr local = me();
	socklen_t from_len = addr_to_sockaddr(&local, 0, &from);
	int fd;

	enter_netns("a");
	fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (bind(fd, (struct sockaddr *)&from, from_len) < 0 ||
		(connect(fd, (struct sockaddr *)&ss, len) < 0 && errno != EINPROGRESS)) {
		int err = errno;

		close(fd);
		return -err;
	}
	return fd;
}

double connected(int fd, uint64_t since, unsigned int ms, int *ret_error)
{
	uint64_t end = now_us() + 1000ull * ms;

	*ret_error = 0;
	while (fd >= 0 && now_us() < end) {
		struct tcp_info info;
		socklen_t len = sizeof(info);
		int error = 0;
		socklen_t error_len = sizeof(error);

		getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_len);
		if (error) {
			*ret_error = error;
			return (double)(now_us() - since) / 1000;
		}
		if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
			info.tcpi_state == TCP_ESTABLISHED)
			return (double)(now_us() - since) / 1000;
		pump(1, NULL);
	}
	return -1;
}

unsigned int retransmits(int fd)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len);
	return info.tcpi_total_retrans;
}

const struct xfrm_trapped *trapped(struct host *h, struct addr remote, unsigned int ms)
{
	uint64_t end = now_us() + 1000ull * ms;

	do {
		for (size_t i = 0; i < h->n_trapped; i++)
			if (h->trapped[i].held && addr_equal(&h->trapped[i].pair.remote, &remote))
				return &h->trapped[i];
		pump(1, NULL);
	} while (now_us() < end);
	return NULL;
}

/* ---- host b */

static int echo_fd[2] = {-1, -1}, wire_fd = -1;

static void on_echo(evutil_socket_t fd, short what, void *arg)
{
	char data[2048], control[256];
	struct sockaddr_storage ss;
	struct iovec iov = {.iov_base = data, .iov_len = sizeof(data)};
	struct msghdr m = {.msg_name = &ss,
		.msg_namelen = sizeof(ss),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};
	ssize_t n;

	(void)what, (void)arg;
	while ((n = recvmsg(fd, &m, 0)) >= 0) {
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
			/* by the route, not the interface it came by */
			if (c->cmsg_level == IPPROTO_IPV6)
				((struct in6_pktinfo *)(void *)CMSG_DATA(c))->ipi6_ifindex = 0;
			else
				((struct in_pktinfo *)(void *)CMSG_DATA(c))->ipi_ifindex = 0;
		iov.iov_len = (size_t)n;
		sendmsg(fd, &m, 0);
		iov.iov_len = sizeof(data);
		m.msg_namelen = sizeof(ss);
		m.msg_controllen = sizeof(control);
	}
}

void serve(void)
{
	static const int families[] = {AF_INET, AF_INET6};
	int one = 1;

	enter_netns("b");
	for (int i = 0; i < 2; i++) {
		struct sockaddr_storage ss = {.ss_family = (sa_family_t)families[i]};
		socklen_t len = i ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
		int fd = socket(families[i], SOCK_STREAM | SOCK_CLOEXEC, 0);

		/* the port is at the same place in both */
		((struct sockaddr_in *)(void *)&ss)->sin_port = htons(PORT);
		if (i)
			setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
		if (bind(fd, (struct sockaddr *)&ss, len) < 0 || listen(fd, 4096) < 0)
			exit(2);
		fd = socket(families[i], SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (i)
			setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
		setsockopt(fd, i ? IPPROTO_IPV6 : IPPROTO_IP, i ? IPV6_RECVPKTINFO : IP_PKTINFO,
			&one, sizeof(one));
		if (bind(fd, (struct sockaddr *)&ss, len) < 0)
			exit(2);
		echo_fd[i] = fd;
		event_add(event_new(base, fd, EV_READ | EV_PERSIST, on_echo, NULL), NULL);
	}
	wire_fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETH_P_ALL));
}

unsigned int plaintext(unsigned int *ret_mss)
{
	uint8_t p[2048];
	struct sockaddr_ll from;
	socklen_t len = sizeof(from);
	unsigned int n = 0;
	ssize_t got;

	while ((got = recvfrom(wire_fd, p, sizeof(p), 0, (struct sockaddr *)&from, &len)) > 0) {
		bool v4 = p[0] >> 4 == 4;
		size_t tcp = v4 ? 20 : 40;
		uint8_t proto = v4 ? p[9] : p[6];

		len = sizeof(from);
		if (from.sll_pkttype != PACKET_HOST || got < 40)
			continue;
		if (!v4 && p[0] >> 4 != 6)
			continue;
		if (proto != IPPROTO_TCP && proto != IPPROTO_UDP)
			continue;
		n++;
		if (ret_mss && proto == IPPROTO_TCP && got >= (ssize_t)tcp + 24 &&
			(p[tcp + 13] & 2) && p[tcp + 20] == 2)
			*ret_mss = (unsigned int)(p[tcp + 22] << 8 | p[tcp + 23]);
	}
	return n;
}
