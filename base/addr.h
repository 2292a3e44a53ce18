/* SPDX-License-Identifier: BSD-2-Clause */
/* IP addresses, address pairs and prefixes of both families, as values that may cross a channel. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define ADDR_STRLEN INET6_ADDRSTRLEN
#define PREFIX_STRLEN (ADDR_STRLEN + 4)
/* "f.f.f.….ip6.arpa." with its NUL: 32 nibbles of two characters and the suffix. */
#define ADDR_REVERSE_LEN 80

/* An IPv4 (b[0..3], the rest zero) or IPv6 address in network order. All zero = no address. */
struct addr {
	uint8_t family; /* AF_INET or AF_INET6 (0: none) */
	uint8_t pad[3];
	uint8_t b[16];
};

/* Which traffic between two hosts: what a policy line with a protocol names. proto 0: all of it,
 * and the ports are 0 then. Ports in host order, 0 any. */
struct scope {
	uint8_t proto;
	uint8_t pad[3];
	uint16_t sport; /* ours */
	uint16_t dport; /* the remote's */
};

/* A peer's identity for us: one of our addresses and one of its, both of one family, and which of
 * the traffic between them is meant. */
struct pair {
	struct addr local;
	struct addr remote;
	struct scope scope;
};
/* The part of it that two hosts have in common, whatever the traffic. */
#define PAIR_HOSTS_LEN offsetof(struct pair, scope)

struct prefix {
	struct addr addr; /* host bits are zero */
	uint8_t len;      /* 0..32 or 0..128 */
	uint8_t pad[3];
};

/* 4 or 16; 0 where the family is neither. */
size_t addr_size(const struct addr *a);
/* 32 or 128. */
unsigned int addr_bits(const struct addr *a);
/* Whether a came over a channel well-formed: known family, unused bytes zero. */
bool addr_valid(const struct addr *a);
/* Whether both are valid addresses of one family, and the scope can be. */
bool pair_valid(const struct pair *p);
bool addr_equal(const struct addr *a, const struct addr *b);
bool pair_equal(const struct pair *a, const struct pair *b);
/* The same two hosts. */
bool pair_same_hosts(const struct pair *a, const struct pair *b);
/* The two hosts with all their traffic. */
struct pair pair_hosts(const struct pair *p);
bool scope_equal(const struct scope *a, const struct scope *b);
/* Whether all of b is in a; b may be a packet's protocol and ports. */
bool scope_covers(const struct scope *a, const struct scope *b);
/* How much it names: 0 nothing, 1 a protocol, 2 our port, 3 the remote's, 4 both. Two different
 * scopes of one level have no packet in common. */
#define SCOPE_LEVELS 5
unsigned int scope_level(const struct scope *s);
/* The same seen from the other host. */
struct scope scope_swap(const struct scope *s);
#define SCOPE_STRLEN 24
/* "", "tcp 0 443" as a policy line has it. Returns buf. */
const char *scope_format(const struct scope *s, char buf[static SCOPE_STRLEN]);
/* Total order: family, then bytes. */
int addr_compare(const struct addr *a, const struct addr *b);
/* ::, 0.0.0.0 */
bool addr_is_any(const struct addr *a);
bool addr_is_loopback(const struct addr *a);
/* fe80::/10, 169.254/16 */
bool addr_is_link_local(const struct addr *a);
/* Multicast, and 255.255.255.255. */
bool addr_is_multicast(const struct addr *a);

struct addr addr_from_v4(const void *four_bytes);
struct addr addr_from_v6(const void *sixteen_bytes);
/* Numeric text only. Returns 0, or -EINVAL and leaves *ret alone. */
int addr_parse(const char *text, struct addr *ret);
/* Returns buf. */
const char *addr_format(const struct addr *a, char buf[static ADDR_STRLEN]);
/* Text in one of eight rotating static buffers: for log and message lines only. */
const char *addr_str(const struct addr *a);
/* Returns the length for bind() and sendto(). port in host order. */
socklen_t addr_to_sockaddr(const struct addr *a, uint16_t port, struct sockaddr_storage *ret);
/* A v4-mapped IPv6 address becomes IPv4. ret_port (host order) may be NULL. -EAFNOSUPPORT. */
int addr_from_sockaddr(const struct sockaddr *sa, struct addr *ret, uint16_t *ret_port);
/* The name below in-addr.arpa. or ip6.arpa. with the closing dot (RFC 1035 3.5, RFC 3596 2.5). */
const char *addr_reverse_name(const struct addr *a, char buf[static ADDR_REVERSE_LEN]);

bool prefix_valid(const struct prefix *p);
bool prefix_equal(const struct prefix *a, const struct prefix *b);
bool prefix_contains(const struct prefix *p, const struct addr *a);
/* "10.0.0.0/8", or a bare address for a single host. Host bits are cleared; *ret_had_host_bits
 * (may be NULL) tells whether there were any. Returns 0 or -EINVAL, *ret untouched then. */
int prefix_parse(const char *text, struct prefix *ret, bool *ret_had_host_bits);
/* The single host a. */
struct prefix prefix_host(const struct addr *a);
const char *prefix_format(const struct prefix *p, char buf[static PREFIX_STRLEN]);
