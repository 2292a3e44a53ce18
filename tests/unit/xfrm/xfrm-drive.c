/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Plays the agent to real xfrm services in two network namespaces, `a` and `b`, made by
 * xfrm-drive.sh, and looks at what packets do. Run as root in a guest; prints TAP.
 *
 * Host a is the one under test; b is everybody else: it has 192.0.2.2, 2001:db8::2, and answers for
 * 10.0.0.0/8 and 2001:db8:10::/48.
 */
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
#include "xfrm/xfrm.h"

#define PORT 80
#define N(a) (sizeof(a) / sizeof((a)[0]))

/* One service and what it said. */
struct host {
	const char *netns;
	pid_t pid;
	struct msg_channel *ch;
	bool closed;
	bool ready;
	struct xfrm_ready hello;
	unsigned int locals_up, locals_down, adopted, expired_soft, expired_hard;
	struct xfrm_trapped trapped[4096];
	size_t n_trapped;
	struct xfrm_done done[4096];
	size_t n_done;
	struct xfrm_counters counters;
	bool counted;
	struct xfrm_traffic traffic;
	bool trafficked;
};

static struct event_base *base;
static struct host a = {.netns = "a"}, b = {.netns = "b"};
static unsigned int test, failed;
static uint32_t tag = 1;
static int family = AF_INET;

static uint64_t now_us(void)
{
	return service_now();
}

__attribute__((format(printf, 2, 3))) static void ok(bool good, const char *fmt, ...)
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

static void enter_netns(const char *name)
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

static void spawn(struct host *h)
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

static void reap(struct host *h)
{
	msg_channel_free(h->ch);
	h->ch = NULL;
	waitpid(h->pid, NULL, 0);
}

/* Runs the loop for ms, or until *flag. */
static void pump(unsigned int ms, const bool *flag)
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

static struct addr address(const char *text)
{
	struct addr addr;

	if (addr_parse(text, &addr) < 0)
		exit(2);
	return addr;
}

static struct addr me(void)
{
	return address(family == AF_INET ? "192.0.2.1" : "2001:db8::1");
}

static struct addr other(void)
{
	return address(family == AF_INET ? "192.0.2.2" : "2001:db8::2");
}

/* The n-th of many strangers. */
static struct addr stranger(unsigned int n)
{
	struct addr addr = address(family == AF_INET ? "10.0.0.0" : "2001:db8:10::");
	size_t last = addr_size(&addr) - 1;

	addr.b[last] = (uint8_t)n;
	addr.b[last - 1] = (uint8_t)(n >> 8);
	return addr;
}

static struct pair pair_with(struct addr remote)
{
	return (struct pair){.local = me(), .remote = remote};
}

static struct xfrm_rule rule(const char *remote, uint8_t action, uint32_t rank)
{
	struct xfrm_rule r = {.rank = rank, .action = action};

	if (prefix_parse(remote, &r.remote, NULL) < 0)
		exit(2);
	return r;
}

static void config(struct host *h, uint32_t lifetime)
{
	struct xfrm_config c = {
		.hold = 1, .hold_max = 4096, .hold_peer_max = 64, .clear_lifetime = lifetime};

	msg_send_struct(h->ch, XFRM_REQ_CONFIG, &c);
	pump(60000, &h->ready);
}

static int rules(struct host *h, const struct xfrm_rule *list, size_t n)
{
	struct xfrm_rules head = {.first = 1, .last = 1, .tag = tag++};

	msg_send(h->ch, XFRM_REQ_RULES, &head, sizeof(head), list, n * sizeof(*list));
	return wait_done(h, head.tag)->error;
}

static const struct xfrm_done *decide(
	struct host *h, struct pair pair, uint8_t verdict, uint32_t rank)
{
	struct xfrm_decide d = {.tag = tag++, .pair = pair, .verdict = verdict, .rule.rank = rank};

	msg_send_struct(h->ch, XFRM_REQ_DECIDE, &d);
	return wait_done(h, d.tag);
}

/* 1: the first packets by what is installed are to be told. */
static uint8_t tell_use;

static const struct xfrm_done *install(struct host *h, struct pair pair, bool inbound, uint32_t spi,
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

static struct xfrm_traffic traffic(struct host *h, struct pair pair)
{
	struct xfrm_traffic_req req = {.pair = pair};

	h->trafficked = false;
	msg_send_struct(h->ch, XFRM_REQ_TRAFFIC, &req);
	pump(2000, &h->trafficked);
	return h->traffic;
}

static struct xfrm_counters counters(struct host *h, struct pair pair)
{
	struct xfrm_counters_req req = {.tag = tag++, .pair = pair};

	h->counted = false;
	msg_send_struct(h->ch, XFRM_REQ_COUNTERS, &req);
	pump(2000, &h->counted);
	return h->counters;
}

static void stop(struct host *h, uint8_t keep)
{
	msg_send_struct(h->ch, XFRM_REQ_STOP, &((struct xfrm_stop){.keep = keep}));
	pump(8000, &h->closed);
	reap(h);
}

/* ---- traffic of host a's applications */

static int start(struct addr to, uint16_t port, int type)
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

/* Milliseconds until connected; -1 where not within ms, *ret_error tells a refusal. */
static double connected(int fd, uint64_t since, unsigned int ms, int *ret_error)
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

static unsigned int retransmits(int fd)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len);
	return info.tcpi_total_retrans;
}

/* The question about the remote that tells of a held packet; on a slow machine one about its
 * ACQUIRE may come before. */
static const struct xfrm_trapped *trapped(struct host *h, struct addr remote, unsigned int ms)
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

static void serve(void)
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

/* What arrived at b since the last call: IP packets to strangers or `other` that are not ESP, and
 * the MSS of the last SYN among them. */
static unsigned int plaintext(unsigned int *ret_mss)
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

/* ---- the tests */

static const char *everybody(void)
{
	return family == AF_INET ? "0.0.0.0/0" : "::/0";
}

static void test_clear(void)
{
	struct xfrm_rule trap = rule(everybody(), XFRM_ACTION_TRAP, 10);
	uint64_t t0;
	int fd, error, replies = 0;
	unsigned int mss = 0;
	double ms;
	const struct xfrm_trapped *ev;
	const struct xfrm_done *d;
	char byte;

	ok(rules(&a, &trap, 1) == 0, "rules are written");
	plaintext(NULL);
	t0 = now_us();
	fd = start(stranger(1), PORT, SOCK_STREAM);
	ev = trapped(&a, stranger(1), 1000);
	ok(ev && ev->held && ev->proto == IPPROTO_TCP && ev->dport == PORT && ev->sport,
		"a connect is trapped with its ports after %.1f ms",
		(double)(now_us() - t0) / 1000);
	ok(plaintext(NULL) == 0, "nothing left before the decision");
	d = decide(&a, pair_with(stranger(1)), XFRM_VERDICT_CLEAR, 10);
	ok(d->error == 0 && d->released == 1, "clear releases one packet (error %d, held %u us)",
		d->error, d->held_us);
	ms = connected(fd, t0, 3000, &error);
	ok(ms >= 0 && !error && ms < 500 && retransmits(fd) == 0,
		"connected after %.1f ms, %u retransmits", ms, retransmits(fd));
	plaintext(&mss);
	ok(mss == (family == AF_INET ? 1460 : 1440), "the SYN offers MSS %u", mss);
	close(fd);
	fd = start(stranger(2), PORT, SOCK_DGRAM);
	for (int i = 0; i < 3; i++)
		if (send(fd, "x", 1, 0) < 0)
			perror("send");
	ev = trapped(&a, stranger(2), 1000);
	d = decide(&a, pair_with(stranger(2)), XFRM_VERDICT_CLEAR, 10);
	pump(200, NULL);
	while (recv(fd, &byte, 1, 0) > 0)
		replies++;
	ok(ev && d->released == 3 && replies == 3, "3 datagrams held, %d answered", replies);
	close(fd);
	decide(&a, pair_with(stranger(2)), XFRM_VERDICT_FORGET, 10);
	d = decide(&a, pair_with(stranger(1)), XFRM_VERDICT_FORGET, 10);
	a.n_trapped = 0;
	fd = start(stranger(1), PORT, SOCK_STREAM);
	ok(d->error == 0 && trapped(&a, stranger(1), 1000), "trapped again when forgotten");
	d = decide(&a, pair_with(stranger(1)), XFRM_VERDICT_DROP, 10);
	ok(d->released == 1, "dropped");
	close(fd);
}

static void test_private(uint8_t cipher, uint8_t esn, const char *what)
{
	struct pair ab = {.local = me(), .remote = other()},
		    ba = {.local = other(), .remote = me()};
	uint64_t t0 = now_us();
	struct xfrm_counters c;
	struct xfrm_traffic t;
	struct xfrm_sa_id id;
	static uint32_t spi = 0x1000;
	bool first = spi == 0x1000;
	int fd, error;
	double ms;

	spi += 16;
	a.n_trapped = b.n_trapped = 0;
	plaintext(NULL);
	fd = start(other(), PORT, SOCK_STREAM);
	trapped(&a, other(), 1000);
	b.expired_soft = 0;
	tell_use = 1;
	error = install(&b, ba, true, spi + 1, cipher, esn, 0)->error;
	tell_use = 0;
	ok(!error && !install(&a, ab, true, spi, cipher, esn, 0)->error &&
			!install(&b, ba, false, spi, cipher, esn, 0)->error,
		"%s: SAs in", what);
	error = install(&a, ab, false, spi + 1, cipher, esn, 0)->error;
	ok(error == 0, "%s: SA out, %d", what, error);
	ms = connected(fd, t0, 3000, &error);
	ok(ms >= 0 && !error && retransmits(fd) == 0, "%s: connected after %.1f ms, %u retransmits",
		what, ms, retransmits(fd));
	ok(plaintext(NULL) <= 4, "%s: decapsulated only", what);
	c = counters(&a, ab);
	ok(c.sas_in == 1 && c.sas_out == 1 && c.out_packets >= 2 && c.in_packets >= 1,
		"%s: %llu packets out, %llu in by ESP", what, (unsigned long long)c.out_packets,
		(unsigned long long)c.in_packets);
	ok(b.expired_soft == 1, "%s: told %u times that packets come", what, b.expired_soft);
	t = traffic(&a, ab);
	ok(t.in && t.out, "%s: traffic both ways", what);
	t = traffic(&a, ab);
	ok(!t.in && !t.out, "%s: none since", what);
	close(fd);
	pump(50, NULL);
	/* b forgets, and answers in clear: a must not listen */
	id = (struct xfrm_sa_id){.pair = ba, .spi = spi, .last = 1};
	msg_send_struct(b.ch, XFRM_REQ_SA_DELETE, &id);
	decide(&b, ba, XFRM_VERDICT_CLEAR, 10);
	id = (struct xfrm_sa_id){.pair = ba, .spi = spi + 1, .inbound = 1};
	c = counters(&a, ab);
	fd = start(other(), PORT, SOCK_DGRAM);
	if (send(fd, "x", 1, 0) < 0)
		perror("send");
	pump(100, NULL);
	ok(recv(fd, &error, 1, 0) < 0 && counters(&a, ab).in_tmpl_mismatch > c.in_tmpl_mismatch,
		"%s: plaintext of a private peer is dropped", what);
	close(fd);
	msg_send_struct(b.ch, XFRM_REQ_SA_DELETE, &id);
	decide(&b, ba, XFRM_VERDICT_FORGET, 10);
	msg_send_struct(a.ch, XFRM_REQ_SA_DELETE,
		&((struct xfrm_sa_id){.pair = ab, .spi = spi, .inbound = 1, .grace = first}));
	msg_send_struct(a.ch, XFRM_REQ_SA_DELETE,
		&((struct xfrm_sa_id){.pair = ab, .spi = spi + 1, .last = 1}));
	decide(&a, ab, XFRM_VERDICT_FORGET, 10);
	if (first) {
		ok(counters(&a, ab).sas_in == 1, "%s: with a grace it is still there", what);
		pump(2500, NULL);
	}
	ok(counters(&a, ab).sas_in == 0, "%s: gone", what);
}

static void test_block(uint8_t action, const char *what)
{
	struct xfrm_rule r = rule(everybody(), action, 10);
	const struct xfrm_done *d;
	int fd, error = 0;
	uint64_t t0;
	double ms;

	ok(rules(&a, &r, 1) == 0, "%s: rules", what);
	a.n_trapped = 0;
	t0 = now_us();
	fd = start(stranger(30 + action), PORT, SOCK_STREAM);
	trapped(&a, stranger(30 + action), 1000);
	d = decide(&a, pair_with(stranger(30 + action)), XFRM_VERDICT_BLOCK, 10);
	ms = connected(fd, t0, 3000, &error);
	ok(d->error == 0 && ms >= 0 && ms < 300 && error,
		"%s: a blocked connect fails after %.1f ms: %s", what, ms, strerror(error));
	close(fd);
	fd = start(stranger(30 + action), PORT, SOCK_STREAM);
	ok(fd == -EPERM || fd == -EACCES, "%s: the next one at once: %s", what, strerror(-fd));
	if (fd >= 0)
		close(fd);
	fd = start(stranger(40 + action), PORT, SOCK_DGRAM);
	if (fd >= 0 && send(fd, "x", 1, 0) < 0)
		perror("send");
	trapped(&a, stranger(40 + action), 1000);
	decide(&a, pair_with(stranger(40 + action)), XFRM_VERDICT_BLOCK, 10);
	pump(50, NULL);
	error = 0;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){sizeof(error)});
	ok(error != 0, "%s: a blocked datagram: %s", what, strerror(error));
	close(fd);
	for (unsigned int i = 0; i < 2; i++)
		decide(&a, pair_with(stranger(30 + 10 * i + action)), XFRM_VERDICT_FORGET, 10);
}

/* Many at once, each decided after a time of its own. */
static void test_many(unsigned int first, unsigned int n, int type)
{
	struct xfrm_rule trap = rule(everybody(), XFRM_ACTION_TRAP, 10);
	int *fd = calloc(n, sizeof(*fd));
	double *over = calloc(n, sizeof(*over)), worst = 0;
	uint64_t *due = calloc(n, sizeof(*due)), t0;
	bool *decided = calloc(n, sizeof(*decided)), *got = calloc(n, sizeof(*got));
	unsigned int left = n, resent = 0, answers = 0;
	char byte;

	rules(&a, &trap, 1);
	a.n_trapped = 0;
	t0 = now_us();
	for (unsigned int i = 0; i < n; i++) {
		fd[i] = start(stranger(first + i), PORT, type);
		due[i] = t0 + 5000 + 495000ull * ((i * 7) % n) / n;
		if (type == SOCK_DGRAM)
			for (int k = 0; k < 3; k++)
				if (send(fd[i], "x", 1, 0) < 0)
					perror("send");
	}
	while (left && now_us() < t0 + 3000000) {
		for (unsigned int i = 0; i < n; i++) {
			int error;

			if (!decided[i] && now_us() >= due[i]) {
				struct xfrm_decide d = {.tag = 0,
					.pair = pair_with(stranger(first + i)),
					.verdict = XFRM_VERDICT_CLEAR,
					.rule.rank = 10};

				msg_send_struct(a.ch, XFRM_REQ_DECIDE, &d);
				decided[i] = true;
			}
			if (got[i] || !decided[i])
				continue;
			if (type == SOCK_STREAM)
				got[i] = connected(fd[i], 0, 0, &error) >= 0 ||
					 retransmits(fd[i]) || connected(fd[i], 0, 1, &error) >= 0;
			else
				got[i] = recv(fd[i], &byte, 1, 0) > 0;
			if (got[i]) {
				left--;
				over[i] = (double)(now_us() - due[i]) / 1000;
				worst = over[i] > worst ? over[i] : worst;
			}
		}
		pump(1, NULL);
	}
	pump(100, NULL);
	for (unsigned int i = 0; i < n; i++) {
		if (type == SOCK_STREAM)
			resent += retransmits(fd[i]);
		answers += got[i];
		while (type == SOCK_DGRAM && recv(fd[i], &byte, 1, 0) > 0)
			answers++;
		close(fd[i]);
		decide(&a, pair_with(stranger(first + i)), XFRM_VERDICT_FORGET, 10);
	}
	if (type == SOCK_STREAM)
		ok(left == 0 && resent == 0,
			"%u connects at once: %u left, %u retransmits, worst %.1f ms", n, left,
			resent, worst);
	else
		ok(answers == 3 * n, "%u peers at once: %u of %u datagrams answered, worst %.1f ms",
			n, answers, 3 * n, worst);
	free(fd);
	free(over);
	free(due);
	free(decided);
	free(got);
}

static size_t policies_of_a(char *buf, size_t cap)
{
	FILE *f = popen("ip -n a xfrm policy | sort", "r");
	size_t n = f ? fread(buf, 1, cap - 1, f) : 0;

	buf[n] = '\0';
	if (f)
		pclose(f);
	return n;
}

static int shell(const char *command)
{
	return system(command);
}

static void test_difference(void)
{
	char host_text[ADDR_STRLEN + 8];
	struct addr peer = stranger(7);
	struct xfrm_rule set[3] = {rule(everybody(), XFRM_ACTION_TRAP, 10)};
	static char before[1 << 20], after[1 << 20];

	snprintf(host_text, sizeof(host_text), "%s", addr_str(&peer));
	set[1] = rule(host_text, XFRM_ACTION_GUARD, 0);
	set[2] = rule(
		family == AF_INET ? "172.16.0.0/12" : "2001:db8:99::/48", XFRM_ACTION_BLOCK, 5);
	rules(&a, set, 3);
	policies_of_a(before, sizeof(before));
	/* same set, same policies: their indices and times of writing are in the text */
	shell("ip -n a -s xfrm policy | sed 's/ use .*//' | sort > /tmp/policies.1");
	rules(&a, set, 3);
	shell("ip -n a -s xfrm policy | sed 's/ use .*//' | sort > /tmp/policies.2");
	ok(shell("cmp -s /tmp/policies.1 /tmp/policies.2") == 0 && strstr(before, "action block"),
		"the same rules again touch nothing");
	decide(&a, pair_with(peer), XFRM_VERDICT_BLOCK, 0);
	policies_of_a(after, sizeof(after));
	ok(strcmp(before, after) != 0, "a decision in place of a host's own rule");
	decide(&a, pair_with(peer), XFRM_VERDICT_FORGET, 0);
	policies_of_a(after, sizeof(after));
	ok(strcmp(before, after) == 0, "the rule's own policies come back");
	rules(&a, set, 1);
	policies_of_a(after, sizeof(after));
	ok(!strstr(after, host_text), "rules that went are away");
}

static void test_addresses(void)
{
	const char *add = family == AF_INET ? "ip -n a addr add 192.0.2.77/24 dev va"
					    : "ip -n a addr add 2001:db8::77/64 dev va";
	const char *del = family == AF_INET ? "ip -n a addr del 192.0.2.77/24 dev va"
					    : "ip -n a addr del 2001:db8::77/64 dev va";
	static char text[1 << 20];
	unsigned int up = a.locals_up, down = a.locals_down;
	bool there;

	shell(add);
	pump(family == AF_INET ? 200 : 2500, NULL);
	policies_of_a(text, sizeof(text));
	there = strstr(text, family == AF_INET ? "src 192.0.2.77/32" : "src 2001:db8::77/128");
	ok(a.locals_up == up + 1 && there, "a new address is told and has the rules");
	shell(del);
	pump(200, NULL);
	policies_of_a(text, sizeof(text));
	there = strstr(text, family == AF_INET ? "192.0.2.77" : "2001:db8::77");
	ok(a.locals_down == down + 1 && !there, "one that went has none");
}

static void test_expire(void)
{
	struct pair ab = {.local = me(), .remote = stranger(99)};

	install(&a, ab, true, 0x9990, XFRM_CIPHER_AES_GCM_16, 1, 1);
	ok(install(&a, ab, true, 0x9990, XFRM_CIPHER_AES_GCM_16, 1, 1)->error == -EEXIST,
		"an SA is not written twice");
	pump(3500, NULL);
	ok(a.expired_soft >= 1 && a.expired_hard >= 1, "soft and hard expiry are told");
	a.expired_soft = a.expired_hard = 0;
}

static void test_lifetime(void)
{
	struct xfrm_rule trap = rule(everybody(), XFRM_ACTION_TRAP, 10);
	static char text[1 << 20];
	char host_text[ADDR_STRLEN + 4];
	struct addr peer = stranger(120);

	rules(&a, &trap, 1);
	snprintf(host_text, sizeof(host_text), "dst %s/", addr_str(&peer));
	decide(&a, pair_with(peer), XFRM_VERDICT_CLEAR, 10);
	pump(7000, NULL);
	policies_of_a(text, sizeof(text));
	ok(strstr(text, host_text), "a clear decision outlives its lifetime while we live");
	decide(&a, pair_with(peer), XFRM_VERDICT_FORGET, 10);
}

static void test_kill(void)
{
	struct xfrm_rule guard = rule(everybody(), XFRM_ACTION_GUARD, 10);
	struct pair ab = {.local = me(), .remote = other()};
	static char before[1 << 20], after[1 << 20];
	int fd, udp, error;
	uint64_t t0;
	double ms;

	rules(&a, &guard, 1);
	install(&a, ab, true, 0x7771, XFRM_CIPHER_AES_GCM_16, 1, 0);
	install(&a, ab, false, 0x7772, XFRM_CIPHER_AES_GCM_16, 1, 0);
	policies_of_a(before, sizeof(before));
	plaintext(NULL);
	udp = start(stranger(200), PORT, SOCK_DGRAM);
	if (send(udp, "x", 1, 0) < 0)
		perror("send");
	pump(50, NULL);
	kill(a.pid, SIGKILL);
	reap(&a);
	fd = start(stranger(201), PORT, SOCK_STREAM);
	for (int i = 0; i < 5; i++) {
		if (send(udp, "x", 1, 0) < 0)
			perror("send");
		pump(100, NULL);
	}
	ok(plaintext(NULL) == 0, "after kill -9 the guard is closed");
	t0 = now_us();
	spawn(&a);
	config(&a, 6);
	ok(a.ready && a.adopted == 2, "the next one adopts %u SAs after %.0f ms", a.adopted,
		(double)(now_us() - t0) / 1000);
	ok(plaintext(NULL) == 0, "nothing left meanwhile");
	rules(&a, &guard, 1);
	policies_of_a(after, sizeof(after));
	ok(strcmp(before, after) == 0, "the policies are as before");
	ok(trapped(&a, stranger(201), 4000) != NULL, "what waited is asked for");
	decide(&a, pair_with(stranger(201)), XFRM_VERDICT_CLEAR, 10);
	ms = connected(fd, now_us(), 8000, &error);
	/* the guard of the rule still refuses the answers of one that is said to be clear */
	ok(ms < 0 || error, "the inbound guard stands");
	close(fd);
	close(udp);
	msg_send_struct(a.ch, XFRM_REQ_SA_DELETE,
		&((struct xfrm_sa_id){.pair = ab, .spi = 0x7771, .inbound = 1}));
	msg_send_struct(a.ch, XFRM_REQ_SA_DELETE,
		&((struct xfrm_sa_id){.pair = ab, .spi = 0x7772, .last = 1}));
	decide(&a, pair_with(stranger(201)), XFRM_VERDICT_FORGET, 10);
}

static void test_refusals(void)
{
	struct pair bad = {.local = stranger(1), .remote = other()};
	struct pair group = pair_with(address(family == AF_INET ? "224.0.0.1" : "ff02::1"));

	ok(decide(&a, bad, XFRM_VERDICT_CLEAR, 1)->error == -EADDRNOTAVAIL,
		"an address that is not ours is refused");
	ok(decide(&a, group, XFRM_VERDICT_CLEAR, 1)->error == -EINVAL, "a group is refused");
	ok(install(&a, pair_with(other()), true, 255, XFRM_CIPHER_AES_GCM_16, 0, 0)->error ==
			-EINVAL,
		"a reserved SPI is refused");
}

int main(void)
{
	static const int families[] = {AF_INET, AF_INET6};
	struct xfrm_rule both[2];
	uint64_t t0;

	setenv("OED_UID_BASE", "64900", 0);
	log_init("drive", LOG_LEVEL_INFO);
	signal(SIGPIPE, SIG_IGN);
	base = event_base_new();
	serve();
	t0 = now_us();
	spawn(&a);
	config(&a, 6);
	spawn(&b);
	config(&b, 0);
	ok(a.ready && b.ready, "services are up after %.0f ms, hold %u (%s)",
		(double)(now_us() - t0) / 1000, a.hello.hold, a.hello.why);
	ok(a.hello.hold != XFRM_HOLD_NONE, "there is a hold");
	ok(a.locals_up == 2, "%u local addresses told", a.locals_up);
	family = AF_INET;
	both[0] = rule("192.0.2.1/32", XFRM_ACTION_TRAP, 10);
	both[1] = rule("2001:db8::1/128", XFRM_ACTION_TRAP, 10);
	rules(&b, both, 2);
	for (size_t i = 0; i < N(families); i++) {
		family = families[i];
		test_refusals();
		test_clear();
		test_private(XFRM_CIPHER_AES_GCM_16, 1, "GCM, ESN");
		test_private(XFRM_CIPHER_CHACHA20_POLY1305, 0, "ChaCha");
		test_private(XFRM_CIPHER_CHACHA20_POLY1305, 1, "ChaCha, ESN");
		test_private(XFRM_CIPHER_AES_CBC_SHA2_256, 0, "CBC, SHA2-256");
		test_private(XFRM_CIPHER_AES_CBC_SHA2_384, 1, "CBC, SHA2-384, ESN");
		test_private(XFRM_CIPHER_AES_CBC_SHA2_512, 1, "CBC, SHA2-512, ESN");
		test_block(XFRM_ACTION_TRAP, "trap");
		test_block(XFRM_ACTION_GUARD, "guard");
		test_many(300, 20, SOCK_STREAM);
		test_many(330, 20, SOCK_DGRAM);
		test_difference();
		test_addresses();
		test_expire();
		test_lifetime();
		test_kill();
	}
	stop(&a, 0);
	stop(&b, 0);
	enter_netns("a");
	ok(shell("test -z \"$(ip xfrm policy)$(ip xfrm state)\"") == 0,
		"no policy and no SA stays");
	ok(shell("! nft list table inet oed >/dev/null 2>&1 && "
		 "! iptables-legacy -t raw -S 2>/dev/null | grep -q NFQUEUE && "
		 "! ip6tables-legacy -t raw -S 2>/dev/null | grep -q NFQUEUE") == 0,
		"the hook is gone");
	printf("1..%u\n", test);
	return failed != 0;
}
