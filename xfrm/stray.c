/* SPDX-License-Identifier: BSD-2-Clause */
#include "xfrm/stray.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/xfrm.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bypass.h"
#include "base/log.h"
#include "base/wire.h"

#define PORT_NATT 4500
#define SPI_MIN 256 /* RFC 4303 section 2.1 */
#define HEAD_MAX 96 /* of a packet: IP options, UDP, SPI */
#define READ_MAX 256 /* packets for each arming of a socket */
#define PAIR_EVERY 300000
#define SECOND_MAX 100

struct stray {
	int fd[STRAY_SOCKETS]; /* by enum stray_kind */
	unsigned int left[STRAY_SOCKETS];
	bool armed[STRAY_SOCKETS];
};

static sa_family_t family_of(size_t kind)
{
	return kind >= STRAY_ESP6 ? AF_INET6 : AF_INET;
}

static bool is_udp(size_t kind)
{
	return kind == STRAY_UDP4 || kind == STRAY_UDP6;
}

/* A raw socket gets what comes to the address it is bound to: loopback, and it costs nothing. */
static int bind_to(int fd, sa_family_t family, bool all)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(all ? INADDR_ANY : INADDR_LOOPBACK)};
	struct sockaddr_in6 v6 = {
		.sin6_family = AF_INET6, .sin6_addr = all ? in6addr_any : in6addr_loopback};
	int r = family == AF_INET ? bind(fd, (struct sockaddr *)&v4, sizeof(v4))
				  : bind(fd, (struct sockaddr *)&v6, sizeof(v6));

	return r < 0 ? -errno : 0;
}

static int open_one(size_t kind)
{
	sa_family_t family = family_of(kind);
	int fd = socket(family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
		is_udp(kind) ? IPPROTO_UDP : IPPROTO_ESP);
	int on = 1, small = 64 * 1024;

	if (fd < 0)
		return -1;
	/* rules that close the inbound side are not for what is only looked at */
	if (bind_to(fd, family, false) < 0 || bypass_policies(fd, family, XFRM_POLICY_IN) < 0 ||
		(family == AF_INET6 &&
			setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)) < 0)) {
		close(fd);
		return -1;
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	return fd;
}

struct stray *stray_open(void)
{
	struct stray *s = calloc(1, sizeof(*s));
	size_t missing = 0;

	if (!s) {
		log_error("out of memory");
		abort();
	}
	for (size_t i = 0; i < STRAY_SOCKETS; i++) {
		s->fd[i] = open_one(i);
		missing += s->fd[i] < 0;
	}
	if (missing)
		log_info("%zu of %d raw sockets cannot be had: peers whose SAs were lost are heard "
			 "of later",
			missing, STRAY_SOCKETS);
	return s;
}

void stray_close(struct stray *s)
{
	for (size_t i = 0; s && i < STRAY_SOCKETS; i++)
		if (s->fd[i] >= 0)
			close(s->fd[i]);
	free(s);
}

int stray_fd(const struct stray *s, size_t i)
{
	return s->fd[i];
}

/* ---- the filter, classic BPF: see linux/filter.h */

#define OP(code, k) ((struct sock_filter){(code), 0, 0, (k)})
#define JUMP(code, k, t, f) ((struct sock_filter){(code), (uint8_t)(t), (uint8_t)(f), (k)})

/* Loads the SPI into the accumulator; less than a whole one: the packet is dropped. */
static size_t load_spi(size_t kind, struct sock_filter *ret)
{
	size_t n = 0;
	bool v4 = family_of(kind) == AF_INET;
	uint16_t relative = v4 ? BPF_IND : BPF_ABS;

	if (v4) /* the length of the IP header into the index */
		ret[n++] = OP(BPF_LDX | BPF_B | BPF_MSH, 0);
	if (is_udp(kind)) {
		ret[n++] = OP(BPF_LD | BPF_H | relative, 2);
		ret[n++] = JUMP(BPF_JMP | BPF_JEQ | BPF_K, PORT_NATT, 1, 0);
		ret[n++] = OP(BPF_RET | BPF_K, 0);
	}
	ret[n++] = OP(BPF_LD | BPF_W | relative, is_udp(kind) ? 8 : 0);
	/* the non-ESP marker of IKE, and SPIs that are reserved */
	ret[n++] = JUMP(BPF_JMP | BPF_JGE | BPF_K, SPI_MIN, 1, 0);
	ret[n++] = OP(BPF_RET | BPF_K, 0);
	return n;
}

static void set_filter(int fd, size_t kind, const uint32_t *known, size_t n_known)
{
	struct sock_filter code[16 + STRAY_KNOWN_MAX];
	struct sock_fprog program = {.filter = code};
	size_t n = load_spi(kind, code);

	if (n_known > STRAY_KNOWN_MAX) {
		code[n++] = OP(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_RANDOM));
		code[n++] = JUMP(BPF_JMP | BPF_JSET | BPF_K, 31, 1, 0);
	} else {
		for (size_t i = 0; i < n_known; i++)
			code[n++] = JUMP(BPF_JMP | BPF_JEQ | BPF_K, known[i], n_known - i, 0);
	}
	code[n++] = OP(BPF_RET | BPF_K, HEAD_MAX);
	code[n++] = OP(BPF_RET | BPF_K, 0);
	program.len = (unsigned short)n;
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0)
		log_limited("no filter for stray ESP: %s", strerror(errno));
}

static void set_armed(struct stray *s, size_t i, bool armed)
{
	if (s->armed[i] != armed && bind_to(s->fd[i], family_of(i), armed) == 0)
		s->armed[i] = armed;
}

void stray_arm(struct stray *s, const uint32_t *known, size_t n)
{
	for (size_t i = 0; i < STRAY_SOCKETS; i++) {
		if (s->fd[i] < 0)
			continue;
		s->left[i] = READ_MAX;
		set_filter(s->fd[i], i, known, n);
		set_armed(s, i, true);
	}
}

void stray_disarm(struct stray *s)
{
	for (size_t i = 0; i < STRAY_SOCKETS; i++)
		if (s->fd[i] >= 0)
			set_armed(s, i, false);
}

/* ---- packets */

bool stray_parse(enum stray_kind kind, const uint8_t *data, size_t len, struct stray_packet *ret)
{
	struct wire_reader r = wire_reader(data, len);
	struct stray_packet p = {.pair = ret->pair};

	if (family_of(kind) == AF_INET) {
		size_t header = (wire_u8(&r) & 0xfu) * 4u;
		uint8_t b[4];

		if (header < 20)
			return false;
		wire_skip(&r, 11);
		wire_copy(&r, b, sizeof(b));
		p.pair.remote = addr_from_v4(b);
		wire_copy(&r, b, sizeof(b));
		p.pair.local = addr_from_v4(b);
		wire_skip(&r, header - 20);
	}
	if (is_udp(kind)) {
		p.encap_remote = wire_u16(&r);
		p.encap_local = wire_u16(&r);
		wire_skip(&r, 4);
		if (p.encap_local != PORT_NATT || !p.encap_remote)
			return false;
	}
	p.spi = wire_u32(&r);
	if (r.bad || p.spi < SPI_MIN)
		return false;
	*ret = p;
	return true;
}

/* Of IPv6 the addresses come beside the packet. */
static bool take_addresses(struct msghdr *m, struct pair *ret)
{
	if (addr_from_sockaddr(m->msg_name, &ret->remote, NULL) < 0)
		return false;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			ret->local = addr_from_v6(&info.ipi6_addr);
			return true;
		}
	return false;
}

void stray_read(struct stray *s, size_t i, stray_fn fn, void *arg)
{
	for (;;) {
		struct sockaddr_storage from;
		union {
			struct cmsghdr align;
			char space[CMSG_SPACE(sizeof(struct in6_pktinfo))];
		} control;
		uint8_t head[HEAD_MAX];
		struct iovec iov = {head, sizeof(head)};
		struct msghdr m = {.msg_name = &from,
			.msg_namelen = sizeof(from),
			.msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = &control,
			.msg_controllen = sizeof(control)};
		struct stray_packet p = {0};
		ssize_t n = recvmsg(s->fd[i], &m, MSG_DONTWAIT);

		if (n < 0 && errno != EINTR)
			return;
		if (!s->left[i])
			continue; /* empties the socket */
		if (!--s->left[i])
			set_armed(s, i, false);
		if (n > 0 && (family_of(i) == AF_INET || take_addresses(&m, &p.pair)) &&
			stray_parse((enum stray_kind)i, head, (size_t)n, &p))
			fn(arg, &p);
	}
}

/* ---- limits */

static uint32_t hash_pair(const struct pair *pair)
{
	const uint8_t *b = (const uint8_t *)pair;
	uint32_t h = 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < sizeof(*pair); i++)
		h = (h ^ b[i]) * 16777619u;
	return h;
}

bool stray_allowed(struct stray_limit *l, const struct pair *pair, uint64_t now)
{
	uint32_t hash = hash_pair(pair);
	size_t i = hash % (sizeof(l->recent) / sizeof(l->recent[0]));

	if (l->second != now / 1000000) {
		l->second = now / 1000000;
		l->count = 0;
	}
	if (l->count >= SECOND_MAX || (l->recent[i].at && l->recent[i].pair == hash &&
					      now < l->recent[i].at + PAIR_EVERY))
		return false;
	l->count++;
	l->recent[i].pair = hash;
	l->recent[i].at = now;
	return true;
}
