/* SPDX-License-Identifier: BSD-2-Clause */
/* The groups' files: the grammar, what is said of bad lines, precedence, conflicts, size. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "policy/policy.h"

struct heard {
	size_t n;
	char first[400];
	char last[400];
};

static void hear(void *arg, const char *text)
{
	struct heard *h = arg;

	snprintf(h->n ? h->last : h->first, sizeof(h->last), "%s", text);
	if (!h->n)
		snprintf(h->last, sizeof(h->last), "%s", text);
	h->n++;
}

static size_t add_len(struct policy *p, enum pol_group group, const char *text, size_t len,
	struct heard *h)
{
	size_t refused = 12345;

	*h = (struct heard){0};
	policy_parse(p, group, pol_group_name(group), text, len, hear, h, &refused);
	return refused;
}

/* Lines that must all be taken without a word. */
static void add(struct policy *p, enum pol_group group, const char *text)
{
	struct heard h;

	assert_int_equal(add_len(p, group, text, strlen(text), &h), 0);
	assert_int_equal(h.n, 0);
}

static const struct pol_rule *ask(const struct policy *p, const char *address, uint8_t proto,
	uint16_t sport, uint16_t dport)
{
	struct addr a;

	assert_int_equal(addr_parse(address, &a), 0);
	return policy_lookup(p, &a, proto, sport, dport);
}

static void expect(const struct policy *p, const char *address, uint8_t proto, uint16_t sport,
	uint16_t dport, enum pol_group group, uint32_t line)
{
	const struct pol_rule *r = ask(p, address, proto, sport, dport);

	assert_non_null(r);
	assert_string_equal(pol_group_name(r->group), pol_group_name(group));
	assert_string_equal(r->file, pol_group_name(group));
	assert_int_equal(r->line, line);
}

static void test_empty(void **state)
{
	struct policy *p = policy_new();
	struct heard h;

	(void)state;
	assert_int_equal(policy_count(p), 0);
	assert_null(policy_rule(p, 0));
	assert_null(ask(p, "192.0.2.1", 0, 0, 0));
	assert_null(ask(p, "2001:db8::1", 6, 1, 2));
	assert_null(policy_lookup(p, &(struct addr){0}, 0, 0, 0));
	assert_int_equal(add_len(p, POL_CLEAR, NULL, 0, &h), 0);
	assert_int_equal(h.n, 0);
	add(p, POL_CLEAR, "# nothing\n\n  \t # indented\n\r\n");
	assert_int_equal(policy_count(p), 0);
	policy_free(p);
	policy_free(NULL);
}

/* The longest prefix wins over every group and over every line with ports but of a shorter prefix.
 */
static void test_longest_prefix(void **state)
{
	struct policy *p = policy_new();

	(void)state;
	add(p, POL_BLOCK, "10.1.2.0/24\n2001:db8:1::/48\n");
	add(p, POL_CLEAR, "10.1.2.3\n10.0.0.0/8 tcp 0 22\n2001:db8:1:2::3/128\n");
	add(p, POL_CLEAR_OR_PRIVATE, "10.1.2.0/25\n::/0\n");
	add(p, POL_PRIVATE_OR_CLEAR, "0.0.0.0/0\n2001:db8:1::/49\n");
	add(p, POL_PRIVATE, "10.1.0.0/16\n2001:db8::/32\n");

	expect(p, "10.1.2.3", 0, 0, 0, POL_CLEAR, 1);
	expect(p, "10.1.2.4", 0, 0, 0, POL_CLEAR_OR_PRIVATE, 1);
	expect(p, "10.1.2.200", 0, 0, 0, POL_BLOCK, 1);
	expect(p, "10.1.3.1", 0, 0, 0, POL_PRIVATE, 1);
	expect(p, "10.1.3.1", 6, 999, 22, POL_PRIVATE, 1);
	expect(p, "10.2.3.1", 6, 999, 22, POL_CLEAR, 2);
	expect(p, "10.2.3.1", 0, 0, 0, POL_PRIVATE_OR_CLEAR, 1);
	expect(p, "255.255.255.255", 0, 0, 0, POL_PRIVATE_OR_CLEAR, 1);

	expect(p, "2001:db8:1:2::3", 0, 0, 0, POL_CLEAR, 3);
	expect(p, "2001:db8:1:2::4", 0, 0, 0, POL_PRIVATE_OR_CLEAR, 2);
	expect(p, "2001:db8:1:8000::", 0, 0, 0, POL_BLOCK, 2);
	expect(p, "2001:db8:2::", 0, 0, 0, POL_PRIVATE, 2);
	expect(p, "fe80::1", 0, 0, 0, POL_CLEAR_OR_PRIVATE, 2);
	policy_free(p);
}

/* Every bit of both families is looked at: a rule of each length, only the right side of it. */
static void test_every_length(void **state)
{
	(void)state;
	for (int family = 0; family < 2; family++) {
		const unsigned int bits = family ? 128 : 32;

		for (unsigned int len = 1; len <= bits; len++) {
			struct policy *p = policy_new();
			char text[PREFIX_STRLEN];
			struct addr a = {.family = family ? AF_INET6 : AF_INET};

			memset(a.b, 0xa5, addr_size(&a));
			add(p, POL_PRIVATE, "0.0.0.0/0\n::/0\n");
			snprintf(text, sizeof(text), "%s/%u", addr_str(&a), len);
			/* host bits are likely: one line is said then */
			policy_parse(p, POL_BLOCK, "block", text, strlen(text), NULL, NULL, NULL);
			assert_int_equal(policy_lookup(p, &a, 0, 0, 0)->group, POL_BLOCK);
			a.b[addr_size(&a) - 1] ^= len == bits ? 0 : 1;
			assert_int_equal(policy_lookup(p, &a, 0, 0, 0)->group, POL_BLOCK);
			a.b[(len - 1) / 8] ^= (uint8_t)(0x80u >> ((len - 1) % 8));
			assert_int_equal(policy_lookup(p, &a, 0, 0, 0)->group, POL_PRIVATE);
			policy_free(p);
		}
	}
}

static void test_protocol_and_ports(void **state)
{
	struct policy *p = policy_new();

	(void)state;
	add(p, POL_PRIVATE, "192.0.2.0/24\n"
		"192.0.2.0/24 TCP 0 0\n"
		"192.0.2.0/24 tcp 1000 0\n"
		"192.0.2.0/24 tcp 0 22\n"
		"192.0.2.0/24 6 1000 22\n"
		"192.0.2.0/24 udp 0 53 # queries\n"
		"192.0.2.0/24 icmp 0 0\n"
		"192.0.2.0/24 255 0 0\n"
		"2001:db8::/32\tipv6-icmp\t0\t0\n");
	expect(p, "192.0.2.1", 6, 1000, 22, POL_PRIVATE, 5);
	expect(p, "192.0.2.1", 6, 1001, 22, POL_PRIVATE, 4);
	expect(p, "192.0.2.1", 6, 0, 22, POL_PRIVATE, 4);
	expect(p, "192.0.2.1", 6, 1000, 23, POL_PRIVATE, 3);
	expect(p, "192.0.2.1", 6, 22, 1000, POL_PRIVATE, 2);
	expect(p, "192.0.2.1", 17, 1000, 53, POL_PRIVATE, 6);
	expect(p, "192.0.2.1", 17, 1000, 22, POL_PRIVATE, 1);
	expect(p, "192.0.2.1", 1, 0, 0, POL_PRIVATE, 7);
	expect(p, "192.0.2.1", 255, 0, 0, POL_PRIVATE, 8);
	/* the host as a whole: no line that names a protocol */
	expect(p, "192.0.2.1", 0, 0, 0, POL_PRIVATE, 1);
	expect(p, "192.0.2.1", 0, 1000, 22, POL_PRIVATE, 1);
	assert_null(ask(p, "2001:db8::1", 0, 0, 0));
	expect(p, "2001:db8::1", 58, 0, 0, POL_PRIVATE, 9);
	policy_free(p);
}

/* A port of 0 in the flow is none, and no line that names the other port is passed over for it. */
static void test_port_0(void **state)
{
	struct policy *p = policy_new();

	(void)state;
	add(p, POL_PRIVATE, "192.0.2.0/24 tcp 0 0\n"
		"192.0.2.0/24 tcp 1000 0\n"
		"192.0.2.0/24 tcp 0 22\n");
	expect(p, "192.0.2.1", 6, 1000, 0, POL_PRIVATE, 2);
	expect(p, "192.0.2.1", 6, 0, 22, POL_PRIVATE, 3);
	expect(p, "192.0.2.1", 6, 0, 0, POL_PRIVATE, 1);
	policy_free(p);
}

static void test_bad_lines(void **state)
{
	static const struct {
		const char *line, *said;
	} bad[] = {
		{"10.0.0.0/33",
			"'10.0.0.0/33' is no address or prefix; write one such as 192.0.2.1, "
			"10.0.0.0/8 or 2001:db8::/32"},
		{"10.0.0/8", "'10.0.0/8' is no address or prefix; write one such as 192.0.2.1, "
			     "10.0.0.0/8 or 2001:db8::/32"},
		{"2001:db8::/129", "'2001:db8::/129' is no address"},
		{"10.0.0.0/", "'10.0.0.0/' is no address"},
		{"10.0.0.0/+8", "'10.0.0.0/+8' is no address"},
		{"10.0.0.0/8/8", "'10.0.0.0/8/8' is no address"},
		{"example.org", "'example.org' is no address"},
		{"/8", "'/8' is no address"},
		{"10.0.0.0 /8",
			"2 fields; write ADDRESS[/LENGTH] alone, or ADDRESS[/LENGTH] PROTOCOL "
			"SPORT DPORT, such as '10.0.0.0 tcp 0 22'"},
		{"10.0.0.0/8 tcp 22", "3 fields; write"},
		{"10.0.0.0/8 tcp 0 22 in", "5 fields; write"},
		{"10.0.0.0/8 tcp 0 22 a b c d e f", "10 fields; write"},
		{"10.0.0.0/8 0 0 0", "protocol 0 says nothing; write the address alone"},
		{"10.0.0.0/8 256 0 0",
			"'256' is no protocol; write tcp, udp, icmp or a number of 1 to 255"},
		{"10.0.0.0/8 -6 0 0", "'-6' is no protocol"},
		{"10.0.0.0/8 tcpx 0 0", "'tcpx' is no protocol"},
		{"10.0.0.0/8 esp 0 0", "'esp' is IPsec itself and cannot be selected; write the "
				       "address alone"},
		{"10.0.0.0/8 50 0 0", "'50' is IPsec itself"},
		{"10.0.0.0/8 51 0 0", "'51' is IPsec itself"},
		{"10.0.0.0/8 ipv6-icmp 0 0",
			"'ipv6-icmp' is IPv6's; write icmp for an IPv4 address"},
		{"2001:db8::/32 icmp 0 0", "'icmp' is IPv4's; write ipv6-icmp for an IPv6 address"},
		{"10.0.0.0/8 tcp 65536 0",
			"'65536' is no source port; write a number of 1 to 65535, or 0 for any"},
		{"10.0.0.0/8 tcp 0 ssh",
			"'ssh' is no destination port; write a number of 1 to 65535"},
		{"10.0.0.0/8 tcp 0 1-9", "'1-9' is no destination port"},
		{"10.0.0.0/8 tcp 0 99999999999999999999", "is no destination port"},
		{"10.0.0.0/8 icmp 8 0",
			"protocol 'icmp' has no ports; write '10.0.0.0/8 icmp 0 0'"},
		{"10.0.0.0/8 tcp 0 "
		 "0000000000000000000000000000000000000000000000000000000000000000000000022",
			"is no destination port"},
		{"10.0.0.\xc3\xa9", "'10.0.0.?"
				    "?' is no address"},
		{"\x1b[31m10.0.0.1", "'?[31m10.0.0.1' is no address"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct policy *p = policy_new();
		struct heard h;
		char text[300];

		/* the lines around a bad one are not lost */
		snprintf(text, sizeof(text), "192.0.2.1\n%s\n192.0.2.2\n", bad[i].line);
		assert_int_equal(add_len(p, POL_PRIVATE, text, strlen(text), &h), 1);
		assert_int_equal(h.n, 1);
		assert_memory_equal(h.first, "private:2: ", 11);
		assert_non_null(strstr(h.first, bad[i].said));
		assert_non_null(strstr(h.first, "; write "));
		assert_int_equal(policy_count(p), 2);
		expect(p, "192.0.2.1", 0, 0, 0, POL_PRIVATE, 1);
		expect(p, "192.0.2.2", 0, 0, 0, POL_PRIVATE, 3);
		policy_free(p);
	}
}

static void test_host_bits(void **state)
{
	struct policy *p = policy_new();
	struct heard h;

	(void)state;
	assert_int_equal(add_len(p, POL_PRIVATE, "\n10.1.2.3/8\n", 12, &h), 0);
	assert_int_equal(h.n, 1);
	assert_string_equal(h.first, "private:2: '10.1.2.3/8' has bits behind its prefix; taken as "
		"10.0.0.0/8, write that");
	expect(p, "10.200.0.1", 0, 0, 0, POL_PRIVATE, 2);
	policy_free(p);
}

/* What editors of other systems leave behind, and what no editor does. */
static void test_odd_bytes(void **state)
{
	static const char crlf[] = "\xef\xbb\xbf"
				   "10.0.0.0/8\r\n11.0.0.0/8 tcp 0 22\r\n12.0.0.0/8\r";
	static const char nul[] = "10.0.0.0/8\n1\0.0.0.0/8\n# a\0b\n\0\n11.0.0.0/8";
	struct policy *p = policy_new();
	struct heard h;
	char *text;
	const size_t len = 3000000;

	(void)state;
	assert_int_equal(add_len(p, POL_PRIVATE, crlf, sizeof(crlf) - 1, &h), 0);
	assert_int_equal(h.n, 0);
	assert_int_equal(policy_count(p), 3);
	expect(p, "12.0.0.1", 0, 0, 0, POL_PRIVATE, 3);
	policy_free(p);

	p = policy_new();
	assert_int_equal(add_len(p, POL_PRIVATE, nul, sizeof(nul) - 1, &h), 2);
	assert_string_equal(h.last, "private:4: '?' is no address or prefix; write one such as "
		"192.0.2.1, 10.0.0.0/8 or 2001:db8::/32");
	assert_int_equal(policy_count(p), 2);
	expect(p, "11.0.0.1", 0, 0, 0, POL_PRIVATE, 5);
	policy_free(p);

	/* one line of three million bytes, as a field, as a comment and as fields */
	text = malloc(len);
	assert_non_null(text);
	memset(text, '1', len);
	p = policy_new();
	assert_int_equal(add_len(p, POL_PRIVATE, text, len, &h), 1);
	assert_true(strlen(h.first) < 200);
	text[0] = '#';
	assert_int_equal(add_len(p, POL_PRIVATE, text, len, &h), 0);
	for (size_t i = 0; i < len; i += 2)
		text[i] = ' ';
	assert_int_equal(add_len(p, POL_PRIVATE, text, len, &h), 1);
	assert_int_equal(policy_count(p), 0);
	policy_free(p);
	free(text);
}

/* Random bytes of the grammar's alphabet: no crash (the sanitizers look on), and what was taken
 * obeys the contract. */
static void test_random(void **state)
{
	static const char alphabet[] = "0123456789./:abcdef tcpudp#\n\r\n\n\0\xef";
	struct policy *p = policy_new();
	char text[400];

	(void)state;
	srand(1);
	for (int round = 0; round < 20000; round++) {
		size_t len = (size_t)rand() % sizeof(text);

		for (size_t i = 0; i < len; i++)
			text[i] = alphabet[(size_t)rand() % (sizeof(alphabet) - 1)];
		if (len > 20 && round % 2)
			memcpy(text, "1.2.3.4/", 8);
		policy_parse(p, (enum pol_group)(round % POL_N_GROUPS), "x", text, len, NULL, NULL,
			NULL);
		if (round % 1000 == 0) {
			for (size_t i = 0; i < policy_count(p); i++)
				assert_true(prefix_valid(&policy_rule(p, i)->remote));
			policy_free(p);
			p = policy_new();
		}
	}
	policy_free(p);
}

static void test_conflict(void **state)
{
	struct policy *p = policy_new();
	struct heard h;

	(void)state;
	add(p, POL_CLEAR, "#\n10.0.0.0/8\n10.0.0.0/8 tcp 0 22\n");
	/* the stricter group stays, though it came later, and the loser's line is the one named
	 * first */
	assert_int_equal(add_len(p, POL_PRIVATE, "10.0.0.0/8\n", 11, &h), 1);
	assert_int_equal(h.n, 1);
	assert_string_equal(h.first, "clear:2: 10.0.0.0/8 is also in private:1; the stricter group "
		"private stays, delete one of the two lines");
	expect(p, "10.0.0.1", 0, 0, 0, POL_PRIVATE, 1);
	/* and where it came first */
	assert_int_equal(add_len(p, POL_PRIVATE_OR_CLEAR, "\n\n10.0.0.0/8\n", 13, &h), 1);
	assert_string_equal(h.first,
		"private-or-clear:3: 10.0.0.0/8 is also in private:1; the stricter "
		"group private stays, delete one of the two lines");
	expect(p, "10.0.0.1", 0, 0, 0, POL_PRIVATE, 1);
	assert_int_equal(add_len(p, POL_BLOCK, "10.0.0.0/8", 10, &h), 1);
	expect(p, "10.0.0.1", 0, 0, 0, POL_BLOCK, 1);
	/* other ports are another selector */
	add(p, POL_PRIVATE, "10.0.0.0/8 tcp 0 23\n10.0.0.0/8 tcp 22 0\n10.0.0.0/8 udp 0 22\n");
	expect(p, "10.0.0.1", 6, 0, 22, POL_CLEAR, 3);
	assert_int_equal(policy_count(p), 5);
	policy_free(p);
}

static void test_duplicate(void **state)
{
	struct policy *p = policy_new();

	(void)state;
	add(p, POL_PRIVATE, "10.0.0.0/8\n192.0.2.1\n10.0.0.0/8\n192.0.2.1/32\n"
		"2001:DB8::/32\n2001:db8:0::/32\n");
	assert_int_equal(policy_count(p), 3);
	expect(p, "10.0.0.1", 0, 0, 0, POL_PRIVATE, 1);
	policy_free(p);
}

/* A rank depends on its own selector only, and the list is in its order. */
static void test_rank(void **state)
{
	struct policy *p = policy_new();
	uint32_t before;

	(void)state;
	assert_int_equal(pol_rank(32, 32, 6, 1, 2), 0);
	assert_int_equal(pol_rank(128, 128, 6, 1, 2), 0);
	assert_true(pol_rank(32, 32, 6, 1, 2) < pol_rank(32, 32, 6, 0, 2));
	assert_true(pol_rank(32, 32, 6, 0, 2) < pol_rank(32, 32, 6, 1, 0));
	assert_true(pol_rank(32, 32, 6, 1, 0) < pol_rank(32, 32, 6, 0, 0));
	assert_true(pol_rank(32, 32, 6, 0, 0) < pol_rank(32, 32, 0, 0, 0));
	assert_true(pol_rank(32, 32, 0, 0, 0) < pol_rank(31, 32, 6, 1, 2));
	assert_true(pol_rank(0, 128, 0, 0, 0) < 0x7fff0);

	add(p, POL_PRIVATE, "10.0.0.0/8\n");
	before = ask(p, "10.0.0.1", 0, 0, 0)->rank;
	add(p, POL_CLEAR, "10.0.0.0/9\n0.0.0.0/0\n10.0.0.0/8 tcp 1 1\n10.0.0.0/8 17 0 1\n"
		"9.0.0.0/8\n2001:db8::/104\n10.1.1.1\n");
	assert_int_equal(ask(p, "10.200.0.1", 0, 0, 0)->rank, before);
	assert_int_equal(policy_count(p), 8);
	for (size_t i = 0; i < policy_count(p); i++) {
		const struct pol_rule *r = policy_rule(p, i);

		assert_int_equal(r->rank, pol_rank(r->remote.len, addr_bits(&r->remote.addr),
			r->proto, r->sport, r->dport));
		if (i) {
			const struct pol_rule *q = policy_rule(p, i - 1);

			assert_true(q->rank < r->rank || (q->rank == r->rank &&
				addr_compare(&q->remote.addr, &r->remote.addr) < 0));
		}
	}
	assert_null(policy_rule(p, policy_count(p)));
	policy_free(p);
}

static void test_names(void **state)
{
	enum pol_group g = POL_BLOCK;

	(void)state;
	for (int i = 0; i < POL_N_GROUPS; i++) {
		assert_true(pol_group_parse(pol_group_name((enum pol_group)i), &g));
		assert_int_equal(g, i);
	}
	g = POL_CLEAR;
	assert_false(pol_group_parse("Private", &g));
	assert_false(pol_group_parse("", &g));
	assert_int_equal(g, POL_CLEAR);
}

static void put_file(const char *dir, const char *name, const char *text)
{
	char path[200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void test_load(void **state)
{
	char dir[] = "/tmp/test_policy.XXXXXX", path[200], said[400];
	struct heard h = {0};
	const struct pol_rule *r;
	struct policy *p;
	size_t refused = 7;

	(void)state;
	assert_non_null(mkdtemp(dir));
	/* nothing there at all */
	p = policy_load("/nonexistent", hear, &h, &refused);
	assert_int_equal(refused, 0);
	assert_int_equal(h.n, 0);
	assert_int_equal(policy_count(p), 0);
	policy_free(p);

	put_file(dir, "private", "# all\n192.0.2.0/24\nnonsense\n");
	put_file(dir, "private-or-clear", "0.0.0.0/0");
	put_file(dir, "clear", "");
	p = policy_load(dir, hear, &h, &refused);
	assert_int_equal(refused, 1);
	assert_int_equal(h.n, 1);
	snprintf(said, sizeof(said),
		"%s/private:3: 'nonsense' is no address or prefix; write one such "
		"as 192.0.2.1, 10.0.0.0/8 or 2001:db8::/32",
		dir);
	assert_string_equal(h.first, said);
	r = ask(p, "192.0.2.1", 0, 0, 0);
	snprintf(path, sizeof(path), "%s/private", dir);
	assert_string_equal(r->file, path);
	assert_int_equal(r->line, 2);
	assert_int_equal(ask(p, "192.0.3.1", 0, 0, 0)->group, POL_PRIVATE_OR_CLEAR);
	policy_free(p);

	/* a file that cannot be read is said, and the others load; a fifo does not hang us */
	snprintf(path, sizeof(path), "%s/block", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/clear-or-private", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	h = (struct heard){0};
	p = policy_load(dir, hear, &h, &refused);
	assert_int_equal(refused, 3);
	snprintf(said, sizeof(said),
		"%s/block: cannot be read (Is a directory), so the group block is "
		"empty; make it a file that oed can read (mode 0644)",
		dir);
	assert_string_equal(h.first, said);
	assert_int_equal(policy_count(p), 2);
	policy_free(p);

	unlink(path);
	snprintf(path, sizeof(path), "%s/block", dir);
	rmdir(path);
	for (int g = 0; g < POL_N_GROUPS; g++) {
		snprintf(path, sizeof(path), "%s/%s", dir, pol_group_name((enum pol_group)g));
		unlink(path);
	}
	assert_int_equal(rmdir(dir), 0);
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void test_large(void **state)
{
	const unsigned int lines = 100000, asks = 100000;
	struct policy *p = policy_new();
	size_t len = 0, cap = lines * 50;
	char *text = malloc(cap);
	double t0, t1, t2;
	struct heard h;

	(void)state;
	assert_non_null(text);
	/* ten thousand lines for one prefix among them */
	for (unsigned int i = 0; i < lines; i++)
		len += (size_t)(i % 10 == 0 ? snprintf(text + len, cap - len,
						      "2001:db8::/32 tcp 0 %u\n", i / 10 + 1)
				: i % 2 ? snprintf(text + len, cap - len, "10.%u.%u.%u # host\n",
						  i >> 16, i >> 8 & 255, i & 255)
					: snprintf(text + len, cap - len, "2001:db8:%x:%x::/64\n",
						  i >> 16, i & 0xffff));
	t0 = seconds();
	assert_int_equal(add_len(p, POL_PRIVATE, text, len, &h), 0);
	t1 = seconds();
	assert_int_equal(policy_count(p), lines);
	for (unsigned int i = 0; i < asks; i++) {
		const uint8_t b[4] = {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};
		struct addr a = addr_from_v4(b);

		assert_int_equal(policy_lookup(p, &a, 6, 1, 22) != NULL, i % 10 != 0 && i % 2);
	}
	t2 = seconds();
	assert_int_equal(ask(p, "2001:db8:ffff::1", 6, 5, 9999)->line, 99981);
	print_message("# %u lines: %.0f ms to load, %.2f us a lookup\n", lines, (t1 - t0) * 1e3,
		(t2 - t1) * 1e6 / asks);
	/* loose: this machine may be slow and under a sanitizer */
	assert_true(t1 - t0 < 10);
	policy_free(p);
	free(text);
}

/* ---- wishes of peers */

static const struct pol_rule *wish(const struct policy *p, const char *address, uint8_t proto,
	uint16_t s0, uint16_t s1, uint16_t d0, uint16_t d1, struct scope *ret)
{
	const struct pol_wish w = {proto, s0, s1, d0, d1};
	struct addr a;

	*ret = (struct scope){.proto = 99};
	assert_int_equal(addr_parse(address, &a), 0);
	return policy_narrow(p, &a, &w, ret);
}

#define ALL 0, UINT16_MAX

static void expect_scope(const struct scope *s, uint8_t proto, uint16_t sport, uint16_t dport)
{
	assert_int_equal(s->proto, proto);
	assert_int_equal(s->sport, sport);
	assert_int_equal(s->dport, dport);
}

static void test_narrow(void **state)
{
	struct policy *p = policy_new();
	struct scope s;

	(void)state;
	add(p, POL_PRIVATE, "10.0.0.0/8\n");
	add(p, POL_CLEAR, "10.0.0.0/8 tcp 0 22\n10.2.0.0/16\n");
	add(p, POL_PRIVATE_OR_CLEAR, "0.0.0.0/0 tcp 0 443\n0.0.0.0/0 udp 53 0\n");
	/* a line for the whole host: whatever is asked, but what another line has in clear */
	assert_int_equal(wish(p, "10.1.1.1", 0, ALL, ALL, &s)->group, POL_PRIVATE);
	expect_scope(&s, 0, 0, 0);
	assert_int_equal(wish(p, "10.1.1.1", 6, ALL, 443, 443, &s)->group, POL_PRIVATE);
	expect_scope(&s, 6, 0, 443);
	assert_int_equal(wish(p, "10.1.1.1", 6, 80, 80, 443, 443, &s)->group, POL_PRIVATE);
	expect_scope(&s, 6, 80, 443);
	assert_null(wish(p, "10.1.1.1", 6, ALL, 22, 22, &s));
	/* ranges are neither one port nor all */
	assert_null(wish(p, "10.1.1.1", 6, ALL, 80, 90, &s));
	assert_null(wish(p, "10.1.1.1", 6, 1024, 65535, 443, 443, &s));
	assert_null(wish(p, "10.1.1.1", 0, ALL, 443, 443, &s));
	expect_scope(&s, 99, 0, 0);
	/* lines with ports only: the most specific that lies within */
	assert_int_equal(wish(p, "192.0.2.1", 0, ALL, ALL, &s)->group, POL_PRIVATE_OR_CLEAR);
	expect_scope(&s, 6, 0, 443);
	assert_non_null(wish(p, "192.0.2.1", 17, ALL, ALL, &s));
	expect_scope(&s, 17, 53, 0);
	assert_non_null(wish(p, "192.0.2.1", 17, 53, 53, 999, 999, &s));
	expect_scope(&s, 17, 53, 999);
	assert_non_null(wish(p, "192.0.2.1", 6, ALL, 400, 500, &s));
	expect_scope(&s, 6, 0, 443);
	assert_null(wish(p, "192.0.2.1", 6, ALL, 80, 80, &s));
	assert_null(wish(p, "192.0.2.1", 6, 80, 80, 400, 500, &s));
	/* a longer prefix in clear is before them */
	assert_null(wish(p, "10.2.1.1", 0, ALL, ALL, &s));
	assert_null(wish(p, "2001:db8::1", 0, ALL, ALL, &s));
	policy_free(p);
}

static bool may_encrypt(const struct policy *p, const char *address)
{
	struct addr a;

	assert_int_equal(addr_parse(address, &a), 0);
	return policy_may_encrypt(p, &a);
}

static void test_may_encrypt(void **state)
{
	struct policy *p = policy_new();

	(void)state;
	assert_false(may_encrypt(p, "192.0.2.1"));
	add(p, POL_BLOCK, "0.0.0.0/0 tcp 0 25\n");
	add(p, POL_CLEAR, "0.0.0.0/0\n10.2.0.0/16\n");
	assert_false(may_encrypt(p, "192.0.2.1"));
	add(p, POL_PRIVATE_OR_CLEAR, "0.0.0.0/0 tcp 0 443\n");
	assert_true(may_encrypt(p, "192.0.2.1"));
	assert_false(may_encrypt(p, "10.2.0.1"));
	assert_false(may_encrypt(p, "2001:db8::1"));
	add(p, POL_CLEAR_OR_PRIVATE, "2001:db8::/32\n");
	assert_true(may_encrypt(p, "2001:db8::1"));
	policy_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_longest_prefix),
		cmocka_unit_test(test_every_length),
		cmocka_unit_test(test_protocol_and_ports),
		cmocka_unit_test(test_port_0),
		cmocka_unit_test(test_bad_lines),
		cmocka_unit_test(test_host_bits),
		cmocka_unit_test(test_odd_bytes),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_conflict),
		cmocka_unit_test(test_duplicate),
		cmocka_unit_test(test_rank),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_narrow),
		cmocka_unit_test(test_may_encrypt),
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_large),
	};

	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
