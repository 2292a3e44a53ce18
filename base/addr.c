/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t addr_size(const struct addr *a)
{
	return a->family == AF_INET ? 4 : a->family == AF_INET6 ? 16 : 0;
}

unsigned int addr_bits(const struct addr *a)
{
	return 8 * (unsigned int)addr_size(a);
}

bool addr_valid(const struct addr *a)
{
	static const uint8_t zero[12];

	if (a->pad[0] || a->pad[1] || a->pad[2])
		return false;
	if (a->family == AF_INET)
		return memcmp(a->b + 4, zero, sizeof(zero)) == 0;
	return a->family == AF_INET6;
}

bool pair_valid(const struct pair *p)
{
	const struct scope *s = &p->scope;

	return addr_valid(&p->local) && addr_valid(&p->remote) &&
	       p->local.family == p->remote.family && !s->pad[0] && !s->pad[1] && !s->pad[2] &&
	       (s->proto || (!s->sport && !s->dport));
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
	return addr_compare(a, b) == 0;
}

bool pair_equal(const struct pair *a, const struct pair *b)
{
	return pair_same_hosts(a, b) && scope_equal(&a->scope, &b->scope);
}

bool pair_same_hosts(const struct pair *a, const struct pair *b)
{
	return addr_equal(&a->local, &b->local) && addr_equal(&a->remote, &b->remote);
}

struct pair pair_hosts(const struct pair *p)
{
	return (struct pair){.local = p->local, .remote = p->remote};
}

/* ---- scopes */

bool scope_equal(const struct scope *a, const struct scope *b)
{
	return a->proto == b->proto && a->sport == b->sport && a->dport == b->dport;
}

bool scope_covers(const struct scope *a, const struct scope *b)
{
	return (!a->proto || a->proto == b->proto) && (!a->sport || a->sport == b->sport) &&
	       (!a->dport || a->dport == b->dport);
}

unsigned int scope_level(const struct scope *s)
{
	if (!s->proto)
		return 0;
	return 1 + (s->sport ? 1u : 0) + (s->dport ? 2u : 0);
}

struct scope scope_swap(const struct scope *s)
{
	return (struct scope){.proto = s->proto, .sport = s->dport, .dport = s->sport};
}

const char *scope_format(const struct scope *s, char buf[static SCOPE_STRLEN])
{
	static const struct {
		uint8_t proto;
		const char *name;
	} names[] = {{IPPROTO_TCP, "tcp"}, {IPPROTO_UDP, "udp"}, {IPPROTO_ICMP, "icmp"},
		{IPPROTO_ICMPV6, "ipv6-icmp"}, {IPPROTO_SCTP, "sctp"}};
	char number[4];
	const char *name = number;

	snprintf(number, sizeof(number), "%u", s->proto);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].proto == s->proto)
			name = names[i].name;
	if (s->proto)
		snprintf(buf, SCOPE_STRLEN, "%s %u %u", name, s->sport, s->dport);
	else
		buf[0] = '\0';
	return buf;
}

/* ---- addresses */

int addr_compare(const struct addr *a, const struct addr *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->b, b->b, sizeof(a->b));
}

bool addr_is_any(const struct addr *a)
{
	static const uint8_t zero[16];

	return memcmp(a->b, zero, sizeof(zero)) == 0;
}

bool addr_is_loopback(const struct addr *a)
{
	static const uint8_t one[16] = {[15] = 1};

	if (a->family == AF_INET)
		return a->b[0] == 127;
	return a->family == AF_INET6 && memcmp(a->b, one, sizeof(one)) == 0;
}

bool addr_is_link_local(const struct addr *a)
{
	if (a->family == AF_INET)
		return a->b[0] == 169 && a->b[1] == 254;
	return a->family == AF_INET6 && a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

bool addr_is_multicast(const struct addr *a)
{
	if (a->family == AF_INET)
		return (a->b[0] & 0xf0) == 0xe0 || (a->b[0] & a->b[1] & a->b[2] & a->b[3]) == 0xff;
	return a->family == AF_INET6 && a->b[0] == 0xff;
}

struct addr addr_from_v4(const void *four_bytes)
{
	struct addr a = {.family = AF_INET};

	memcpy(a.b, four_bytes, 4);
	return a;
}

struct addr addr_from_v6(const void *sixteen_bytes)
{
	struct addr a = {.family = AF_INET6};

	memcpy(a.b, sixteen_bytes, 16);
	return a;
}

int addr_parse(const char *text, struct addr *ret)
{
	struct addr a = {.family = AF_INET};

	if (inet_pton(AF_INET, text, a.b) != 1) {
		a.family = AF_INET6;
		if (inet_pton(AF_INET6, text, a.b) != 1)
			return -EINVAL;
	}
	*ret = a;
	return 0;
}

const char *addr_format(const struct addr *a, char buf[static ADDR_STRLEN])
{
	if (!addr_size(a) || !inet_ntop(a->family, a->b, buf, ADDR_STRLEN))
		snprintf(buf, ADDR_STRLEN, "none");
	return buf;
}

const char *addr_str(const struct addr *a)
{
	static char buf[8][ADDR_STRLEN];
	static unsigned int next;

	return addr_format(a, buf[next++ % 8]);
}

socklen_t addr_to_sockaddr(const struct addr *a, uint16_t port, struct sockaddr_storage *ret)
{
	*ret = (struct sockaddr_storage){0};
	if (a->family == AF_INET) {
		struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(port)};

		memcpy(&sin.sin_addr, a->b, 4);
		memcpy(ret, &sin, sizeof(sin));
		return sizeof(sin);
	}
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

	memcpy(&sin6.sin6_addr, a->b, 16);
	memcpy(ret, &sin6, sizeof(sin6));
	return sizeof(sin6);
}

int addr_from_sockaddr(const struct sockaddr *sa, struct addr *ret, uint16_t *ret_port)
{
	uint16_t port;

	if (sa->sa_family == AF_INET) {
		struct sockaddr_in sin;

		memcpy(&sin, sa, sizeof(sin));
		*ret = addr_from_v4(&sin.sin_addr);
		port = ntohs(sin.sin_port);
	} else if (sa->sa_family == AF_INET6) {
		struct sockaddr_in6 sin6;

		memcpy(&sin6, sa, sizeof(sin6));
		if (IN6_IS_ADDR_V4MAPPED(&sin6.sin6_addr))
			*ret = addr_from_v4(sin6.sin6_addr.s6_addr + 12);
		else
			*ret = addr_from_v6(&sin6.sin6_addr);
		port = ntohs(sin6.sin6_port);
	} else {
		return -EAFNOSUPPORT;
	}
	if (ret_port)
		*ret_port = port;
	return 0;
}

const char *addr_reverse_name(const struct addr *a, char buf[static ADDR_REVERSE_LEN])
{
	static const char hex[] = "0123456789abcdef";
	char *p = buf;

	if (a->family == AF_INET) {
		snprintf(buf, ADDR_REVERSE_LEN, "%u.%u.%u.%u.in-addr.arpa.", a->b[3], a->b[2],
			a->b[1], a->b[0]);
		return buf;
	}
	for (int i = 15; i >= 0; i--) {
		*p++ = hex[a->b[i] & 15];
		*p++ = '.';
		*p++ = hex[a->b[i] >> 4];
		*p++ = '.';
	}
	snprintf(p, ADDR_REVERSE_LEN - 64, "ip6.arpa.");
	return buf;
}

/* Clears the bits of a behind the first len; tells whether one of them was set. */
static bool clear_host_bits(struct addr *a, unsigned int len)
{
	bool had = false;

	for (unsigned int i = 0; i < addr_size(a); i++) {
		unsigned int keep = len <= 8 * i ? 0 : len - 8 * i >= 8 ? 8 : len - 8 * i;
		uint8_t mask = (uint8_t)(0xff00u >> keep);

		had |= (a->b[i] & (uint8_t)~mask) != 0;
		a->b[i] &= mask;
	}
	return had;
}

bool prefix_valid(const struct prefix *p)
{
	struct addr a = p->addr;

	return addr_valid(&a) && p->len <= addr_bits(&a) && !clear_host_bits(&a, p->len);
}

bool prefix_equal(const struct prefix *a, const struct prefix *b)
{
	return a->len == b->len && addr_equal(&a->addr, &b->addr);
}

bool prefix_contains(const struct prefix *p, const struct addr *a)
{
	struct addr masked = *a;

	if (p->addr.family != a->family)
		return false;
	clear_host_bits(&masked, p->len);
	return addr_equal(&masked, &p->addr);
}

int prefix_parse(const char *text, struct prefix *ret, bool *ret_had_host_bits)
{
	char copy[PREFIX_STRLEN];
	struct prefix p = {0};
	unsigned long len;
	char *slash, *end;
	bool had;

	if (strlen(text) >= sizeof(copy))
		return -EINVAL;
	strcpy(copy, text);
	slash = strchr(copy, '/');
	if (slash)
		*slash = '\0';
	if (addr_parse(copy, &p.addr) < 0)
		return -EINVAL;
	len = addr_bits(&p.addr);
	if (slash) {
		/* strtoul() would take a sign or a space */
		if (slash[1] < '0' || slash[1] > '9')
			return -EINVAL;
		len = strtoul(slash + 1, &end, 10);
		if (*end || len > addr_bits(&p.addr))
			return -EINVAL;
	}
	p.len = (uint8_t)len;
	had = clear_host_bits(&p.addr, p.len);
	if (ret_had_host_bits)
		*ret_had_host_bits = had;
	*ret = p;
	return 0;
}

struct prefix prefix_host(const struct addr *a)
{
	return (struct prefix){.addr = *a, .len = (uint8_t)addr_bits(a)};
}

const char *prefix_format(const struct prefix *p, char buf[static PREFIX_STRLEN])
{
	char text[ADDR_STRLEN];

	snprintf(buf, PREFIX_STRLEN, "%s/%u", addr_format(&p->addr, text), p->len);
	return buf;
}
