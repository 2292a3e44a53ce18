/* SPDX-License-Identifier: BSD-2-Clause */
#include "ike/udp.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <linux/xfrm.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bypass.h"
#include "base/log.h"

/* linux/udp.h has the same structs as netinet/udp.h */
#ifndef UDP_ENCAP
#define UDP_ENCAP 100
#endif
#ifndef UDP_ENCAP_ESPINUDP
#define UDP_ENCAP_ESPINUDP 2
#endif

#define SOCKETS 4
#define READ_BURST 64            /* datagrams taken in one turn of the loop */
#define RECEIVE_BUFFER (4 << 20) /* for bursts of thousands of peers */
#define ERRORS_MAX 32            /* ICMP messages taken in one turn */

struct udp_socket {
	struct udp *udp;
	int fd; /* -1: not there */
	sa_family_t family;
	uint16_t port;
	struct event *readable;
};

struct udp {
	struct udp_socket sockets[SOCKETS];
	udp_datagram_fn on_datagram;
	udp_refused_fn on_refused;
	void *arg;
	char why[IKE_WHY_MAX];
	uint8_t buf[IKE_DATAGRAM_MAX + 1];
};

/* Room for one packet info and one extended error with its address, of either family. */
union control {
	struct cmsghdr align;
	char space[CMSG_SPACE(sizeof(struct in6_pktinfo)) +
		   CMSG_SPACE(sizeof(struct sock_extended_err) + sizeof(struct sockaddr_in6)) + 64];
};

/* ---- opening */

__attribute__((format(printf, 2, 3))) static void lacks(struct udp *u, const char *fmt, ...)
{
	char text[IKE_WHY_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_warn("%s", text);
	if (!*u->why)
		memcpy(u->why, text, sizeof(u->why));
}

static int set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* IKE is never trapped. A kernel without XFRM has no traps either. */
static int bypass(const struct udp_socket *s)
{
	int r = bypass_policies(s->fd, s->family, XFRM_POLICY_OUT);

	return r < 0 ? r : bypass_policies(s->fd, s->family, XFRM_POLICY_IN);
}

static int bind_port(const struct udp_socket *s)
{
	struct sockaddr_storage ss;
	struct addr any = {.family = (uint8_t)s->family};
	socklen_t len = addr_to_sockaddr(&any, s->port, &ss);

	return bind(s->fd, (struct sockaddr *)&ss, len) < 0 ? -errno : 0;
}

/* What the socket cannot do without. */
static int set_needed(const struct udp_socket *s)
{
	bool v4 = s->family == AF_INET;
	int r = v4 ? 0 : set_int(s->fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);

	if (!r)
		r = v4 ? set_int(s->fd, IPPROTO_IP, IP_PKTINFO, 1)
		       : set_int(s->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	if (!r)
		r = v4 ? set_int(s->fd, IPPROTO_IP, IP_RECVERR, 1)
		       : set_int(s->fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
	/* a message longer than the path takes goes in fragments, not nowhere */
	if (!r)
		r = v4 ? set_int(s->fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT)
		       : set_int(s->fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT);
	return r ? r : bind_port(s);
}

static void set_wanted(struct udp *u, const struct udp_socket *s)
{
	const char *family = s->family == AF_INET ? "IPv4" : "IPv6";
	int r = bypass(s);

	if (r < 0)
		lacks(u, "%s: no XFRM bypass for UDP port %u: %s", family, s->port, strerror(-r));
	if (s->port == IKE_PORT_NATT) {
		r = set_int(s->fd, IPPROTO_UDP, UDP_ENCAP, UDP_ENCAP_ESPINUDP);
		if (r < 0)
			lacks(u, "%s: the kernel takes no ESP in UDP: %s", family, strerror(-r));
	}
	if (set_int(s->fd, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER) < 0)
		set_int(s->fd, SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER);
}

static int open_socket(struct udp *u, struct udp_socket *s)
{
	int r;

	s->fd = socket(s->family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP);
	if (s->fd < 0)
		return -errno;
	r = set_needed(s);
	if (r < 0) {
		close(s->fd);
		s->fd = -1;
		return r;
	}
	set_wanted(u, s);
	return 0;
}

static void close_family(struct udp *u, sa_family_t family)
{
	for (int i = 0; i < SOCKETS; i++)
		if (u->sockets[i].family == family && u->sockets[i].fd >= 0) {
			close(u->sockets[i].fd);
			u->sockets[i].fd = -1;
		}
}

/* Both ports of a family, or none. */
static void open_family(struct udp *u, int first, sa_family_t family)
{
	static const uint16_t ports[] = {IKE_PORT, IKE_PORT_NATT};

	for (int i = 0; i < 2; i++)
		u->sockets[first + i] =
			(struct udp_socket){.udp = u, .fd = -1, .family = family, .port = ports[i]};
	for (int i = 0; i < 2; i++) {
		int r = open_socket(u, &u->sockets[first + i]);

		if (r == 0)
			continue;
		if (r == -EADDRINUSE)
			lacks(u, "UDP port %u is in use: is another IKE daemon running?", ports[i]);
		else
			lacks(u, "no %s: UDP port %u: %s", family == AF_INET ? "IPv4" : "IPv6",
				ports[i], strerror(-r));
		close_family(u, family);
		return;
	}
}

int udp_open(struct udp **ret)
{
	struct udp *u = calloc(1, sizeof(*u));

	if (!u)
		return -ENOMEM;
	open_family(u, 0, AF_INET);
	open_family(u, 2, AF_INET6);
	if (!udp_has(u, AF_INET) && !udp_has(u, AF_INET6)) {
		log_error("IKE has no socket: %s", u->why);
		free(u);
		return -EADDRNOTAVAIL;
	}
	*ret = u;
	return 0;
}

void udp_free(struct udp *u)
{
	if (!u)
		return;
	for (int i = 0; i < SOCKETS; i++) {
		if (u->sockets[i].readable)
			event_free(u->sockets[i].readable);
		if (u->sockets[i].fd >= 0)
			close(u->sockets[i].fd);
	}
	free(u);
}

bool udp_has(const struct udp *u, sa_family_t family)
{
	for (int i = 0; i < SOCKETS; i++)
		if (u->sockets[i].family == family && u->sockets[i].fd >= 0)
			return true;
	return false;
}

const char *udp_why(const struct udp *u)
{
	return u->why;
}

/* ---- receiving */

/* The address of ours that a message or an error came to; false where the kernel did not say, or
 * where it is no address to answer from. */
static bool local_address(struct msghdr *m, struct addr *ret)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			*ret = addr_from_v4(&info.ipi_addr);
			/* where they differ it was a broadcast; an error has no second one */
			return !info.ipi_spec_dst.s_addr ||
			       info.ipi_spec_dst.s_addr == info.ipi_addr.s_addr;
		}
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			*ret = addr_from_v6(&info.ipi6_addr);
			return true;
		}
	}
	return false;
}

static bool port_unreachable(struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		bool v4 = c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR;
		bool v6 = c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR;
		struct sock_extended_err e;

		if (!v4 && !v6)
			continue;
		memcpy(&e, CMSG_DATA(c), sizeof(e));
		/* port and protocol unreachable, nothing softer */
		return e.ee_errno == ECONNREFUSED &&
		       e.ee_origin == (v4 ? SO_EE_ORIGIN_ICMP : SO_EE_ORIGIN_ICMP6);
	}
	return false;
}

static void drain_errors(struct udp_socket *s)
{
	struct udp *u = s->udp;

	for (int i = 0; i < ERRORS_MAX; i++) {
		struct sockaddr_storage from;
		union control control;
		uint8_t byte;
		struct iovec iov = {&byte, sizeof(byte)};
		struct msghdr m = {.msg_name = &from,
			.msg_namelen = sizeof(from),
			.msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = &control,
			.msg_controllen = sizeof(control)};
		struct pair pair = {0};

		if (recvmsg(s->fd, &m, MSG_ERRQUEUE) < 0)
			return;
		/* the name is where our datagram was going */
		if (port_unreachable(&m) && local_address(&m, &pair.local) &&
			addr_from_sockaddr((struct sockaddr *)&from, &pair.remote, NULL) == 0 &&
			u->on_refused)
			u->on_refused(u->arg, &pair);
	}
}

/* Unicast between real addresses: anything else we could not answer. */
static bool usable(const struct ike_path *path)
{
	const struct addr *local = &path->pair.local, *remote = &path->pair.remote;

	return pair_valid(&path->pair) && path->remote_port && !addr_is_multicast(local) &&
	       !addr_is_multicast(remote) && !addr_is_any(remote) &&
	       !(remote->family == AF_INET6 && addr_is_link_local(remote));
}

/* One datagram. Returns false when there is none. */
static bool read_one(struct udp_socket *s)
{
	struct udp *u = s->udp;
	struct sockaddr_storage from;
	union control control;
	struct iovec iov = {u->buf, sizeof(u->buf)};
	struct msghdr m = {.msg_name = &from,
		.msg_namelen = sizeof(from),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	struct ike_path path = {.local_port = s->port};
	ssize_t n = recvmsg(s->fd, &m, 0);

	if (n < 0) {
		/* with RECVERR an ICMP message shows up here first; the queue says which */
		if (errno == EAGAIN || errno == EINTR)
			return false;
		drain_errors(s);
		return true;
	}
	if ((m.msg_flags & MSG_TRUNC) || !local_address(&m, &path.pair.local) ||
		addr_from_sockaddr((struct sockaddr *)&from, &path.pair.remote, &path.remote_port) <
			0 ||
		!usable(&path))
		return true;
	u->on_datagram(u->arg, &path, u->buf, (size_t)n);
	return true;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct udp_socket *s = arg;

	(void)fd, (void)what;
	for (int i = 0; i < READ_BURST; i++)
		if (!read_one(s)) {
			/* woken by an error that a sendmsg() has fetched: the queue has it still */
			if (i == 0)
				drain_errors(s);
			return;
		}
}

void udp_start(struct udp *u, struct event_base *base, udp_datagram_fn on_datagram,
	udp_refused_fn on_refused, void *arg)
{
	u->on_datagram = on_datagram;
	u->on_refused = on_refused;
	u->arg = arg;
	for (int i = 0; i < SOCKETS; i++) {
		struct udp_socket *s = &u->sockets[i];

		if (s->fd < 0)
			continue;
		s->readable = event_new(base, s->fd, EV_READ | EV_PERSIST, on_readable, s);
		if (!s->readable || event_add(s->readable, NULL) < 0) {
			log_error("out of memory");
			abort();
		}
	}
}

/* ---- sending */

static struct udp_socket *find_socket(struct udp *u, const struct ike_path *path)
{
	for (int i = 0; i < SOCKETS; i++)
		if (u->sockets[i].family == path->pair.local.family &&
			u->sockets[i].port == path->local_port && u->sockets[i].fd >= 0)
			return &u->sockets[i];
	return NULL;
}

/* The source address, as control data. */
static void set_source(struct msghdr *m, union control *control, const struct addr *local)
{
	struct cmsghdr *c;

	memset(control, 0, sizeof(*control));
	m->msg_control = control;
	if (local->family == AF_INET) {
		struct in_pktinfo info = {0};

		memcpy(&info.ipi_spec_dst, local->b, 4);
		m->msg_controllen = CMSG_SPACE(sizeof(info));
		c = CMSG_FIRSTHDR(m);
		c->cmsg_level = IPPROTO_IP;
		c->cmsg_type = IP_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(info));
		memcpy(CMSG_DATA(c), &info, sizeof(info));
	} else {
		struct in6_pktinfo info = {0};

		memcpy(&info.ipi6_addr, local->b, 16);
		m->msg_controllen = CMSG_SPACE(sizeof(info));
		c = CMSG_FIRSTHDR(m);
		c->cmsg_level = IPPROTO_IPV6;
		c->cmsg_type = IPV6_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(info));
		memcpy(CMSG_DATA(c), &info, sizeof(info));
	}
}

int udp_send(struct udp *u, const struct ike_path *path, const void *data, size_t len)
{
	struct udp_socket *s = find_socket(u, path);
	struct sockaddr_storage to;
	union control control;
	struct iovec iov = {(void *)(uintptr_t)data, len};
	struct msghdr m = {.msg_name = &to, .msg_iov = &iov, .msg_iovlen = 1};

	if (!s)
		return -EAFNOSUPPORT;
	m.msg_namelen = addr_to_sockaddr(&path->pair.remote, path->remote_port, &to);
	set_source(&m, &control, &path->pair.local);
	/* the first try may fetch an ICMP error of another peer's (see ip(7), IP_RECVERR) */
	for (int i = 0; i < 2; i++)
		if (sendmsg(s->fd, &m, MSG_NOSIGNAL) >= 0)
			return 0;
	return -errno;
}
