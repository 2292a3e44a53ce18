/* SPDX-License-Identifier: BSD-2-Clause */
#include "xfrm/exempt.h"

#include <string.h>

#include "base/log.h"

/* ICMPv6 types, RFC 4443 and RFC 4861: 133 router solicitation to 137 redirect. */
#define ND_FIRST 133
#define ND_LAST 137
#define DNS_PORT 53

static void want(struct spd *spd, const struct spd_key *key)
{
	spd_want(spd, key, SPD_ALLOW, XFRM_PRIO_EXEMPT);
}

/* From anywhere to the prefix, or the other way round. */
static void want_prefix(struct spd *spd, enum spd_dir dir, const struct prefix *p, bool source)
{
	struct spd_key key = {.dir = (uint8_t)dir, .family = p->addr.family};

	memcpy(source ? key.src : key.dst, p->addr.b, sizeof(key.dst));
	*(source ? &key.src_len : &key.dst_len) = p->len;
	want(spd, &key);
}

static void want_text(struct spd *spd, enum spd_dir dir, const char *text, bool source)
{
	struct prefix p;

	if (prefix_parse(text, &p, NULL) == 0)
		want_prefix(spd, dir, &p, source);
}

static void want_ports(struct spd *spd, enum spd_dir dir, uint8_t family, uint8_t proto,
	uint16_t sport, uint16_t dport)
{
	struct spd_key key = {
		.dir = (uint8_t)dir,
		.family = family,
		.proto = proto,
		.sport = sport,
		.dport = dport,
	};

	want(spd, &key);
}

/* Queries of the resolver to any name server and the answers to them; the firewall rules of hook.c
 * set the mark. */
static void want_resolver(struct spd *spd)
{
	static const uint8_t families[] = {AF_INET, AF_INET6},
			     protos[] = {IPPROTO_UDP, IPPROTO_TCP};

	for (size_t i = 0; i < 4; i++) {
		struct spd_key key = {.dir = SPD_OUT,
			.family = families[i / 2],
			.proto = protos[i % 2],
			.dport = DNS_PORT,
			.resolver = 1};

		want(spd, &key);
		key.dir = SPD_IN;
		key.dport = 0;
		key.sport = DNS_PORT;
		want(spd, &key);
	}
}

static void want_fixed(struct spd *spd)
{
	/* by destination, in both directions */
	static const char *const destinations[] = {
		"fe80::/10",
		"ff00::/8",
		"::1/128",
		"224.0.0.0/4",
		"255.255.255.255/32",
	};

	for (size_t i = 0; i < sizeof(destinations) / sizeof(destinations[0]); i++) {
		want_text(spd, SPD_OUT, destinations[i], false);
		want_text(spd, SPD_IN, destinations[i], false);
	}
	/* link-local IPv4 (RFC 3927), which is nobody else's either */
	want_text(spd, SPD_OUT, "169.254.0.0/16", false);
	want_text(spd, SPD_IN, "169.254.0.0/16", true);
	want_text(spd, SPD_IN, "fe80::/10", true);
	for (uint16_t type = ND_FIRST; type <= ND_LAST; type++) {
		want_ports(spd, SPD_OUT, AF_INET6, IPPROTO_ICMPV6, type, 0);
		want_ports(spd, SPD_IN, AF_INET6, IPPROTO_ICMPV6, type, 0);
	}
	/* DHCP: RFC 2131 section 4.1, RFC 8415 section 7.2 */
	want_ports(spd, SPD_OUT, AF_INET, IPPROTO_UDP, 68, 67);
	want_ports(spd, SPD_IN, AF_INET, IPPROTO_UDP, 67, 68);
	want_ports(spd, SPD_OUT, AF_INET6, IPPROTO_UDP, 546, 547);
	want_ports(spd, SPD_IN, AF_INET6, IPPROTO_UDP, 547, 546);
	/* path MTU discovery must hear routers: "fragmentation needed", "packet too big" */
	want_ports(spd, SPD_IN, AF_INET, IPPROTO_ICMP, 3, 4);
	want_ports(spd, SPD_IN, AF_INET6, IPPROTO_ICMPV6, 2, 0);
}

void exempt_want(struct spd *spd, const struct own *own, size_t n_own,
	const struct xfrm_exempt *list, size_t n_list)
{
	want_fixed(spd);
	want_resolver(spd);
	for (size_t i = 0; i < n_own; i++) {
		struct prefix p = prefix_host(&own[i].addr);

		/* IPv4 to oneself is free by itself (conf.lo.disable_xfrm), IPv6 is not */
		if (own[i].addr.family == AF_INET6) {
			want_prefix(spd, SPD_OUT, &p, false);
			want_prefix(spd, SPD_IN, &p, true);
		}
		if (own[i].broadcast.family) {
			p = prefix_host(&own[i].broadcast);
			want_prefix(spd, SPD_OUT, &p, false);
			want_prefix(spd, SPD_IN, &p, false);
		}
	}
	for (size_t i = 0; i < n_list; i++) {
		struct xfrm_rule service = {.proto = list[i].proto, .dport = list[i].port};
		struct spd_key key = {
			.dir = SPD_OUT,
			.family = list[i].remote.family,
			.proto = service.proto,
			.dport = service.dport,
			.dst_len = (uint8_t)addr_bits(&list[i].remote),
		};

		memcpy(key.dst, list[i].remote.b, sizeof(key.dst));
		want(spd, &key);
		key = (struct spd_key){
			.dir = SPD_IN,
			.family = list[i].remote.family,
			.proto = service.proto,
			.sport = service.dport,
			.src_len = (uint8_t)addr_bits(&list[i].remote),
		};
		memcpy(key.src, list[i].remote.b, sizeof(key.src));
		want(spd, &key);
	}
}
