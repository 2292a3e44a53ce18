/* SPDX-License-Identifier: BSD-2-Clause */
/* One line of a group's file: `CIDR [proto sport dport]`, Libreswan's grammar. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "policy/policy_priv.h"

#define FIELDS_MAX 4
#define FIELD_MAX 64 /* with its NUL; the longest CIDR has 50 */
#define USAGE "write ADDRESS[/LENGTH] alone, or ADDRESS[/LENGTH] PROTOCOL SPORT DPORT"

#define PROTO_ICMP 1
#define PROTO_ESP 50
#define PROTO_AH 51
#define PROTO_ICMPV6 58

/* A table of our own: what a line means must not depend on the machine's /etc/protocols. */
static const struct proto {
	const char *name;
	uint8_t number;
	bool ports;
} protos[] = {
	{"tcp", 6, true},
	{"udp", 17, true},
	{"icmp", PROTO_ICMP, false},
	{"ipv6-icmp", PROTO_ICMPV6, false},
	{"icmpv6", PROTO_ICMPV6, false},
	{"icmp6", PROTO_ICMPV6, false},
	{"sctp", 132, true},
	{"dccp", 33, true},
	{"udplite", 136, true},
	{"igmp", 2, false},
	{"ipip", 4, false},
	{"ipv6", 41, false},
	{"gre", 47, false},
	{"esp", PROTO_ESP, false},
	{"ah", PROTO_AH, false},
	{"ospf", 89, false},
	{"pim", 103, false},
	{"vrrp", 112, false},
	{"l2tp", 115, false},
};

static bool is_space(char c)
{
	/* a carriage return is the end of a line written elsewhere */
	return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

/* Cuts the line before its comment into fields. Returns how many there are, which may be more than
 * were stored. A field that is too long is cut and made unreadable. */
static size_t split(const char *line, size_t len, char fields[FIELDS_MAX][FIELD_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < len && line[i] != '#';) {
		size_t used = 0;

		if (is_space(line[i])) {
			i++;
			continue;
		}
		for (; i < len && line[i] != '#' && !is_space(line[i]); i++) {
			if (n >= FIELDS_MAX)
				continue;
			/* fit to be quoted in a message, and then no part of any valid field */
			if (used == FIELD_MAX - 1)
				fields[n][used - 1] = '?';
			else
				fields[n][used++] = line[i] > ' ' && line[i] < 0x7f ? line[i] : '?';
		}
		if (n < FIELDS_MAX)
			fields[n][used] = '\0';
		n++;
	}
	return n;
}

/* Decimal digits only, 0..max. */
static bool parse_number(const char *text, unsigned int max, unsigned int *ret)
{
	unsigned int v = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		v = v * 10 + (unsigned int)(*text - '0');
		if (v > max)
			return false;
	}
	*ret = v;
	return true;
}

static const struct proto *find_proto(const char *name, unsigned int number)
{
	for (size_t i = 0; i < sizeof(protos) / sizeof(protos[0]); i++)
		if (name ? !strcasecmp(protos[i].name, name) : protos[i].number == number)
			return &protos[i];
	return NULL;
}

bool pol_proto_parse(const char *text, uint8_t *ret)
{
	const struct proto *p;
	unsigned int number;

	if (!parse_number(text, 255, &number)) {
		p = find_proto(text, 0);
		number = p ? p->number : 0;
	}
	if (number == 0 || number == PROTO_ESP || number == PROTO_AH)
		return false;
	*ret = (uint8_t)number;
	return true;
}

static bool parse_proto(const char *text, struct pol_rule *r, bool *ret_ports, char *what)
{
	const struct proto *p;
	unsigned int number;

	if (!pol_proto_parse(text, &r->proto)) {
		p = find_proto(text, 0);
		if (parse_number(text, 255, &number) && number == 0)
			snprintf(what, POL_WHAT_MAX, "protocol 0 says nothing; write the address "
				"alone for all protocols");
		else if (p || parse_number(text, 255, &number))
			snprintf(what, POL_WHAT_MAX, "'%s' is IPsec itself and cannot be selected; "
				"write the address alone for all protocols", text);
		else
			snprintf(what, POL_WHAT_MAX,
				"'%s' is no protocol; write tcp, udp, icmp or a "
				"number of 1 to 255",
				text);
		return false;
	}
	if (r->proto == PROTO_ICMP && r->remote.addr.family == AF_INET6) {
		snprintf(what, POL_WHAT_MAX, "'%s' is IPv4's; write ipv6-icmp for an IPv6 address",
			text);
		return false;
	}
	if (r->proto == PROTO_ICMPV6 && r->remote.addr.family == AF_INET) {
		snprintf(
			what, POL_WHAT_MAX, "'%s' is IPv6's; write icmp for an IPv4 address", text);
		return false;
	}
	p = find_proto(NULL, r->proto);
	*ret_ports = p && p->ports;
	return true;
}

static bool parse_port(const char *text, const char *which, uint16_t *ret, char *what)
{
	unsigned int port;

	if (!parse_number(text, 65535, &port)) {
		snprintf(what, POL_WHAT_MAX,
			"'%s' is no %s port; write a number of 1 to 65535, or 0 for any",
			text, which);
		return false;
	}
	*ret = (uint16_t)port;
	return true;
}

enum pol_line pol_parse_line(const char *line, size_t len, struct pol_rule *ret,
	char what[static POL_WHAT_MAX])
{
	char fields[FIELDS_MAX][FIELD_MAX], text[PREFIX_STRLEN];
	struct pol_rule r = {0};
	size_t n = split(line, len, fields);
	bool host_bits, ports;

	if (n == 0)
		return POL_LINE_EMPTY;
	if (prefix_parse(fields[0], &r.remote, &host_bits) < 0) {
		snprintf(what, POL_WHAT_MAX, "'%s' is no address or prefix; write one such as "
			"192.0.2.1, 10.0.0.0/8 or 2001:db8::/32", fields[0]);
		return POL_LINE_BAD;
	}
	if (n != 1 && n != 4) {
		snprintf(what, POL_WHAT_MAX, "%zu fields; " USAGE ", such as '%s tcp 0 22'", n,
			fields[0]);
		return POL_LINE_BAD;
	}
	if (n == 4) {
		if (!parse_proto(fields[1], &r, &ports, what) ||
			!parse_port(fields[2], "source", &r.sport, what) ||
			!parse_port(fields[3], "destination", &r.dport, what))
			return POL_LINE_BAD;
		if (!ports && (r.sport || r.dport)) {
			snprintf(what, POL_WHAT_MAX,
				"protocol '%s' has no ports; write '%s %s 0 0'", fields[1],
				fields[0], fields[1]);
			return POL_LINE_BAD;
		}
	}
	*ret = r;
	if (!host_bits)
		return POL_LINE_RULE;
	snprintf(what, POL_WHAT_MAX, "'%s' has bits behind its prefix; taken as %s, write that",
		fields[0], prefix_format(&r.remote, text));
	return POL_LINE_NOTE;
}
