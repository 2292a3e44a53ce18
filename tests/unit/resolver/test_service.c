/* SPDX-License-Identifier: BSD-2-Clause */
/* The resolver service against a real signed tree, over its channel. See rig.h and mkzones.sh; what it
 * does when DNS does not work is in test_outages.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/service.h"
#include "tests/unit/resolver/rig.h"

static void assert_spki(const struct dns_key *key, const char *name)
{
	uint8_t want[DNS_SPKI_MAX];
	char path[128];
	size_t len;
	FILE *f;

	snprintf(path, sizeof(path), "%s/keys/%s.spki", rig.dir, name);
	f = fopen(path, "r");
	assert_non_null(f);
	len = fread(want, 1, sizeof(want), f);
	fclose(f);
	assert_int_equal(key->fault, DNS_KEY_OK);
	assert_int_equal(key->spki_len, len);
	assert_memory_equal(key->spki, want, len);
}

/* ---- settings */

static void refused(const char *anchor, const char *text, mode_t mode, const char *because)
{
	struct dns_config c = rig_settings(rig.nsd_port);
	uint8_t before;
	FILE *f;

	snprintf(c.anchor_file, sizeof(c.anchor_file), "%s/%s", rig.dir, anchor);
	if (text) {
		f = fopen(c.anchor_file, "w");
		assert_non_null(f);
		fputs(text, f);
		fclose(f);
		chmod(c.anchor_file, mode);
	}
	before = rig.ready.dnssec;
	rig_configure(&c);
	assert_true(rig.ready.error < 0);
	assert_int_equal(rig.ready.dnssec, before);
	if (!strstr(rig.ready.why, anchor) || !strstr(rig.ready.why, because))
		fail_msg("'%s' does not name %s and '%s'", rig.ready.why, anchor, because);
}

static void bad_settings(void **state)
{
	const struct rig_answer *r;
	struct dns_config c;
	uint32_t early;

	(void)state;
	/* before any configuration: waits for it */
	early = rig_ask(DNS_ASK_REVERSE, "198.18.0.1", NULL);
	refused("missing.key", NULL, 0, "install dns-root-data");
	rig_assert_class(rig_await(early, 1000), DNS_UNAVAILABLE);
	r = REVERSE("198.18.0.1");
	rig_assert_class(r, DNS_UNAVAILABLE);
	assert_non_null(strstr(r->a.why, "missing.key"));
	refused("empty.key", "; nothing\n", 0644, "no DS or DNSKEY");
	refused("garbage.key", "\n\x01\xff{ hm\n", 0644, ":2: neither a DS nor a DNSKEY");
	refused("binary.key",
		"\x7f"
		"ELF\x02 a b c\n",
		0644, ":1: not a DS or DNSKEY");
	refused("cut.key", ". IN DS 20326 8 2 E06D44\n\n; x\n. IN DS 20326 8\n", 0644, ":4: not a");
	refused("other.key", "example. IN A 192.0.2.1\n", 0644, ":1: neither");
	refused("", NULL, 0, "not a plain file");
	refused("secret.key", ". IN DS 1 8 2 00\n", 0, "not readable");
	c = rig_settings(0);
	rig_configure(&c);
	assert_int_equal(rig.ready.error, -22);
	c = rig_settings(rig.nsd_port);
	c.options = DNS_OPTIONS + 1;
	rig_configure(&c);
	assert_int_equal(rig.ready.error, -22);
	c = rig_settings(rig.nsd_port);
	c.forwarders[1] = addr_from_v4("\0\0\0\0");
	rig_configure(&c);
	assert_int_equal(rig.ready.error, -22);
	rig_settle();
	rig_assert_class(REVERSE("198.18.0.1"), DNS_KEYS);
	/* a wrong one leaves what works */
	refused("missing.key", NULL, 0, "install dns-root-data");
	rig_assert_class(REVERSE("198.18.0.2"), DNS_KEYS);
}

/* A key of another root: nothing validates, but that is no zone's fault. */
static void stale_anchor(void **state)
{
	struct dns_config c = rig_settings(rig.nsd_port);

	(void)state;
	snprintf(c.anchor_file, sizeof(c.anchor_file), "/usr/share/dns/root.key");
	rig_configure(&c);
	assert_int_equal(rig.ready.error, 0);
	assert_int_equal(rig.ready.dnssec, 0);
	assert_non_null(strstr(rig.ready.why, "does not validate"));
	assert_non_null(strstr(rig.ready.why, "/usr/share/dns/root.key is out of date"));
	rig_assert_class(REVERSE("198.18.0.1"), DNS_UNAVAILABLE);
	rig_settle();
}

static void write_file(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", rig.dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void copy_file(const char *from, const char *name)
{
	char text[8192];
	FILE *f = fopen(from, "r");
	size_t n;

	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	write_file(name, text);
}

static bool file_has(const char *name, const char *text)
{
	char path[128], buf[8192];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", rig.dir, name);
	f = fopen(path, "r");
	if (!f)
		return false;
	n = fread(buf, 1, sizeof(buf) - 1, f);
	fclose(f);
	buf[n] = '\0';
	return strstr(buf, text) != NULL;
}

/* The root's key in the state folder (RFC 5011): seeded, kept, and begun anew where it is spoilt. */
static void tracked_key(void **state)
{
	struct dns_config c = rig_settings(rig.nsd_port);

	(void)state;
	c.options = DNS_OPT_TRACK_ROOT;
	rig_configure(&c);
	assert_int_equal(rig.ready.dnssec, 1);
	rig_assert_class(REVERSE("198.18.0.1"), DNS_KEYS);
	/* libunbound has taken it over, and writes when it last looked */
	rig_run(200);
	assert_true(file_has("state/resolver/root.key", "autotrust trust anchor file"));
	rig_configure(&c);
	assert_int_equal(rig.ready.dnssec, 1);
	assert_true(file_has("state/resolver/root.key", "autotrust trust anchor file"));
	write_file("state/resolver/root.key", "\x01\x02 spoilt\n");
	rig_configure(&c);
	assert_int_equal(rig.ready.dnssec, 1);
	rig_assert_class(REVERSE("198.18.0.2"), DNS_KEYS);
	assert_false(file_has("state/resolver/root.key", "spoilt"));
	/* the key of another root, as of a host that slept too long: the admin's file has the right one */
	copy_file("/usr/share/dns/root.key", "state/resolver/root.key");
	rig_configure(&c);
	assert_int_equal(rig.ready.dnssec, 1);
	rig_assert_class(REVERSE("198.18.0.1"), DNS_KEYS);
	rig_configure(&c);
	assert_int_equal(rig.ready.dnssec, 1);
	rig_run(200);
	assert_true(file_has("state/resolver/root.key", "autotrust trust anchor file"));
	/* where neither is right nothing is begun anew */
	snprintf(c.anchor_file, sizeof(c.anchor_file), "/usr/share/dns/root.key");
	copy_file("/usr/share/dns/root.key", "state/resolver/root.key");
	rig_configure(&c);
	assert_int_equal(rig.ready.dnssec, 0);
	assert_true(file_has("state/resolver/root.key", "DNSKEY"));
	rig_settle();
}

/* A site's own anchor makes a zone secure that has no DS above. */
static void extra_anchors(void **state)
{
	struct dns_config c = rig_settings(rig.nsd_port);

	(void)state;
	rig_settle();
	rig_assert_class(REVERSE("198.19.7.1"), DNS_INSECURE_KEYS);
	snprintf(c.extra_anchors, sizeof(c.extra_anchors), "%s/island.key", rig.dir);
	rig_configure(&c);
	assert_int_equal(rig.ready.dnssec, 1);
	rig_assert_class(REVERSE("198.19.7.1"), DNS_KEYS);
	rig_assert_class(REVERSE("198.18.0.1"), DNS_KEYS);
	snprintf(c.extra_anchors, sizeof(c.extra_anchors), "%s/none.key", rig.dir);
	rig_configure(&c);
	assert_true(rig.ready.error < 0);
	assert_non_null(strstr(rig.ready.why, "none.key"));
	rig_settle();
}

/* Where the forwarder strips DNSSEC and the root servers are not to be reached either, both are
 * named; without fallback only the forwarder. (That the fallback works is shown in the lab, where
 * name servers have port 53.) */
static void no_fallback(void **state)
{
	struct dns_config c = rig_settings(rig.proxy_port);

	(void)state;
	rig.proxy->drop_all = false;
	rig.proxy->strip_dnssec = true;
	write_file("root.hints", ". 3600000 NS a.root.\na.root. 3600000 A 127.255.255.254\n");
	snprintf(c.root_hints, sizeof(c.root_hints), "%s/root.hints", rig.dir);
	c.options = DNS_OPT_FALLBACK;
	rig_configure(&c);
	assert_int_equal(rig.ready.dnssec, 0);
	assert_int_equal(rig.ready.path, DNS_PATH_NONE);
	assert_non_null(strstr(rig.ready.why, "through 127.0.0.1"));
	assert_non_null(strstr(rig.ready.why, "the root servers"));
	c.options = 0;
	rig_configure(&c);
	assert_int_equal(rig.ready.dnssec, 0);
	assert_null(strstr(rig.ready.why, "the root servers"));
	snprintf(c.root_hints, sizeof(c.root_hints), "/nonexistent/root.hints");
	c.forwarders[0] = (struct addr){0};
	rig_configure(&c);
	assert_true(rig.ready.error < 0);
	assert_non_null(strstr(rig.ready.why, "/nonexistent/root.hints"));
	rig_settle();
	assert_int_equal(rig.ready.path, DNS_PATH_FORWARDERS);
}

/* ---- outcomes */

static void every_key(void **state)
{
	static const struct {
		const char *addr;
		const char *key;
		uint8_t algorithm;
		uint16_t bits;
	} table[] = {
		{"198.18.0.1", "ed25519", 4, 256},
		{"198.18.0.2", "rsa2048", 2, 2048},
		{"198.18.0.3", "p256", 3, 256},
		{"198.18.0.4", "p384", 3, 384},
		{"198.18.0.5", "ed448", 4, 448},
		{"198.18.0.6", "rsa4096", 2, 4096},
		{"198.18.0.7", "rsa2048", 2, 2048},
		{"198.18.0.8", "ed25519", 4, 256},
		{"198.18.0.10", "ed25519", 4, 256},
		{"198.19.0.1", "ed25519", 4, 256},
		{"2001:2::1", "ed25519", 4, 256},
	};

	(void)state;
	rig_settle();
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct rig_answer *r = REVERSE(table[i].addr);

		rig_assert_class(r, DNS_KEYS);
		assert_int_equal(r->a.n_keys, 1);
		assert_int_equal(r->a.ttl, 7200);
		assert_string_equal(r->a.name, r->a.canonical);
		assert_int_equal(r->keys[0].algorithm, table[i].algorithm);
		assert_int_equal(r->keys[0].bits, table[i].bits);
		assert_int_equal(r->keys[0].precedence, 10);
		assert_spki(&r->keys[0], table[i].key);
		assert_int_equal(r->a.cached, 0);
		r = REVERSE(table[i].addr);
		rig_assert_class(r, DNS_KEYS);
		assert_int_equal(r->a.cached, 1);
	}
}

static void several_keys(void **state)
{
	const struct rig_answer *r = REVERSE("198.18.0.9");

	(void)state;
	rig_assert_class(r, DNS_KEYS);
	assert_int_equal(r->a.n_keys, 3);
	assert_spki(&r->keys[0], "p256");
	assert_spki(&r->keys[1], "ed25519");
	assert_spki(&r->keys[2], "rsa2048");
	r = REVERSE("198.18.0.13");
	rig_assert_class(r, DNS_KEYS);
	assert_int_equal(r->a.n_keys, DNS_KEYS_MAX + 1);
	assert_int_equal(r->a.n_left_out, 4);
	for (int i = 0; i < DNS_KEYS_MAX; i++)
		assert_int_equal(r->keys[i].precedence, 8 + i);
	assert_int_equal(r->keys[DNS_KEYS_MAX].fault, DNS_KEY_LENGTH);
	/* 4 KB: comes by TCP */
	r = REVERSE("198.18.0.14");
	rig_assert_class(r, DNS_KEYS);
	assert_int_equal(r->a.n_keys, 8);
}

static void unusable(void **state)
{
	const struct rig_answer *r;

	(void)state;
	for (int i = 11; i <= 12; i++) {
		char addr[16];

		snprintf(addr, sizeof(addr), "198.18.0.%d", i);
		r = REVERSE(addr);
		rig_assert_class(r, DNS_UNUSABLE);
		assert_int_equal(r->a.n_keys, 1);
		assert_int_equal(r->keys[0].fault, DNS_KEY_GATEWAY_OTHER);
		assert_int_equal(r->keys[0].spki_len, 0);
		assert_int_equal(r->a.ttl, 3600);
	}
}

static void denied(void **state)
{
	static const char *const addrs[] = {"198.18.0.20", "198.18.0.99", "198.18.0.23",
		"198.19.0.20", "198.19.0.99", "2001:2::2", "9.9.9.9"};

	(void)state;
	for (size_t i = 0; i < sizeof(addrs) / sizeof(addrs[0]); i++) {
		const struct rig_answer *r = REVERSE(addrs[i]);

		rig_assert_class(r, DNS_DENIED);
		assert_int_equal(r->a.n_keys, 0);
		assert_true(r->a.ttl >= 60 && r->a.ttl <= 300);
		assert_int_equal(r->a.rcode, strstr(addrs[i], ".20") ? 0 : 3);
	}
}

static void insecure(void **state)
{
	const struct rig_answer *r = REVERSE("198.19.1.1");

	(void)state;
	rig_assert_class(r, DNS_INSECURE_KEYS);
	assert_int_equal(r->a.n_keys, 1);
	assert_int_equal(r->a.ttl, 3600);
	rig_assert_class(REVERSE("198.19.1.20"), DNS_INSECURE);
	rig_assert_class(REVERSE("198.19.1.99"), DNS_INSECURE);
	rig_assert_class(rig_lookup(DNS_ASK_NAME, "www.unsigned.example", NULL), DNS_INSECURE_KEYS);
}

/* Never a key out of these, and the reason names the place. */
static void bogus(void **state)
{
	static const char *const table[][2] = {{"198.19.2.1", "2.19.198.in-addr.arpa."},
		{"198.19.3.1", "3.19.198.in-addr.arpa."}, {"198.19.5.1", "5.19.198.in-addr.arpa."}};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		const struct rig_answer *r = REVERSE(table[i][0]);

		rig_assert_class(r, DNS_BOGUS);
		assert_int_equal(r->a.n_keys, 0);
		assert_int_equal(r->a.ttl, 60);
		if (!strstr(r->a.why, table[i][1]))
			fail_msg("'%s' does not name the zone", r->a.why);
		/* the records of the first are themselves wrong, of the others the zone's keys */
		assert_string_equal(r->a.broke, i ? table[i][1] : r->a.name);
	}
}

/* The names of private ranges are known to be nobody's, unless the site has them. */
static void lan_zones(void **state)
{
	struct dns_config c = rig_settings(rig.proxy_port);

	(void)state;
	rig_settle_behind_proxy();
	rig.proxy->queries = 0;
	rig_assert_class(REVERSE("10.1.2.3"), DNS_INSECURE);
	rig_assert_class(REVERSE("fd00::1"), DNS_INSECURE);
	assert_int_equal(rig.proxy->queries, 0);
	c.options = DNS_OPT_UNBLOCK_LAN;
	rig_configure(&c);
	rig_assert_class(REVERSE("10.1.2.3"), DNS_DENIED);
	rig_assert_class(REVERSE("fd00::1"), DNS_DENIED);
	assert_in_range(rig.proxy->queries, 1, 2);
	rig_settle();
}

/* ---- what one answer tells of others */

static void found_range(
	const char *addr, enum dns_class class, const char *prefix, const char *zone)
{
	char text[PREFIX_STRLEN];
	unsigned int before = rig.n_ranges;
	const struct rig_answer *r = REVERSE(addr);

	if (r->a.class != class && !(class == DNS_INSECURE && r->a.class == DNS_INSECURE_KEYS))
		fail_msg("%s: %s", addr, dns_class_name(r->a.class));
	rig_run(100);
	if (!prefix) {
		if (rig.n_ranges != before)
			fail_msg(
				"%s: %s is no range", addr, prefix_format(&rig.range.prefix, text));
		return;
	}
	if (rig.n_ranges != before + 1)
		fail_msg("%s: %u ranges", addr, rig.n_ranges - before);
	assert_string_equal(prefix_format(&rig.range.prefix, text), prefix);
	assert_int_equal(rig.range.class, class);
	assert_string_equal(rig.range.zone, zone);
	assert_in_range(rig.range.ttl, 60, 300);
}

static void ranges(void **state)
{
	(void)state;
	rig_settle_behind_proxy();
	found_range("198.19.1.1", DNS_INSECURE, "198.19.1.0/24", "1.19.198.in-addr.arpa.");
	found_range("198.19.1.99", DNS_INSECURE, "198.19.1.0/24", "1.19.198.in-addr.arpa.");
	found_range("198.20.7.1", DNS_INSECURE, "198.20.0.0/16", "20.198.in-addr.arpa.");
	found_range("2001:3::1", DNS_INSECURE, "2001:3::/32", "3.0.0.0.1.0.0.2.ip6.arpa.");
	found_range("9.9.9.9", DNS_DENIED, "9.0.0.0/8", "9.in-addr.arpa.");
	found_range("198.21.1.1", DNS_DENIED, "198.21.0.0/16", "21.198.in-addr.arpa.");
	found_range("2002::1", DNS_DENIED, "2002::/16", "2.0.0.2.ip6.arpa.");
	/* other names of the /24 exist, or may */
	found_range("198.18.0.99", DNS_DENIED, NULL, NULL);
	found_range("198.18.0.20", DNS_DENIED, NULL, NULL);
	found_range("198.18.0.23", DNS_DENIED, NULL, NULL);
	/* an opt-out span says nothing of its neighbours, nor does a failure */
	found_range("198.19.6.99", DNS_INSECURE, NULL, NULL);
	found_range("198.19.5.1", DNS_BOGUS, NULL, NULL);
	found_range("198.19.4.1", DNS_FAILED, NULL, NULL);
	/* the DS that judged the answer are in the cache: the walk puts nothing on the wire */
	rig.proxy->all = 0;
	found_range("198.19.1.98", DNS_INSECURE, "198.19.1.0/24", "1.19.198.in-addr.arpa.");
	assert_int_equal(rig.proxy->all, 1);
}

/* Knocking strangers have a budget of their own, and spend only that. */
static void strangers(void **state)
{
	unsigned int limited = 0;
	uint32_t ids[40];

	(void)state;
	rig_settle();
	for (unsigned int i = 0; i < 40; i++) {
		char addr[16];

		snprintf(addr, sizeof(addr), "198.18.2.%u", i);
		ids[i] = rig_ask_for(DNS_FROM_STRANGER, DNS_ASK_REVERSE, addr, NULL);
	}
	for (unsigned int i = 0; i < 40; i++)
		limited += rig_await(ids[i], 2000)->a.class == DNS_LIMITED;
	assert_in_range(limited, 20, 40 - 16);
	assert_non_null(strstr(rig.answers[ids[39]].a.why, "strangers"));
	rig_assert_class(REVERSE("198.18.2.99"), DNS_KEYS);
	rig_run(1200);
	assert_int_equal(rig.stats.limited_strangers, limited);
	assert_int_equal(rig.stats.class[DNS_LIMITED], limited);
}

static void lame(void **state)
{
	const struct rig_answer *r = rig_await(rig_ask(DNS_ASK_REVERSE, "198.19.4.1", NULL), 11000);

	(void)state;
	rig_assert_class(r, DNS_FAILED);
	assert_int_equal(r->a.n_keys, 0);
	assert_int_equal(r->a.ttl, 5);
	assert_true(r->a.why[0] != '\0');
}

static void chains(void **state)
{
	const struct rig_answer *r = REVERSE("198.18.0.21");

	(void)state;
	rig_assert_class(r, DNS_KEYS);
	assert_string_equal(r->a.name, "21.0.18.198.in-addr.arpa.");
	assert_string_equal(r->a.canonical, "21.0/26.0.18.198.in-addr.arpa.");
	r = REVERSE("198.18.0.22");
	rig_assert_class(r, DNS_KEYS);
	assert_string_equal(r->a.canonical, "host.example.");
	r = REVERSE("198.18.0.23");
	rig_assert_class(r, DNS_DENIED);
	assert_string_equal(r->a.canonical, "nothing.example.");
	/* DNAME */
	r = REVERSE("198.18.1.7");
	rig_assert_class(r, DNS_KEYS);
	assert_string_equal(r->a.canonical, "7.rev.example.");
	rig_assert_class(REVERSE("198.18.1.9"), DNS_DENIED);
}

static void names(void **state)
{
	const struct rig_answer *r = rig_lookup(DNS_ASK_NAME, "HOST.example", NULL);
	char longest[DNS_NAME_MAX];

	(void)state;
	rig_assert_class(r, DNS_KEYS);
	assert_string_equal(r->a.name, "host.example.");
	assert_int_equal(r->a.addr_matches, 0);
	rig_assert_class(rig_lookup(DNS_ASK_NAME, "alias.example.", NULL), DNS_KEYS);
	rig_assert_class(rig_lookup(DNS_ASK_NAME, "bare.example.", NULL), DNS_DENIED);
	rig_assert_class(rig_lookup(DNS_ASK_NAME, "odd\\000\\255 name.example.", NULL), DNS_DENIED);
	r = rig_lookup(DNS_ASK_NAME, "a..example", NULL);
	rig_assert_class(r, DNS_FAILED);
	assert_string_equal(r->a.why, "not a domain name");
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	rig_assert_class(rig_lookup(DNS_ASK_NAME, longest, NULL), DNS_FAILED);
}

static void forward(void **state)
{
	static const struct {
		const char *name, *addr;
		enum dns_class class;
		bool matches;
	} table[] = {
		{"host.example.", "198.18.0.1", DNS_KEYS, true},
		{"host.example.", "198.18.0.31", DNS_KEYS, true},
		{"alias.example.", "2001:2::1", DNS_KEYS, true},
		{"host.example.", "198.18.0.2", DNS_KEYS, false},
		{"host.example.", "2001:2::2", DNS_KEYS, false},
		{"keyonly.example.", "198.18.0.1", DNS_KEYS, false},
		{"bare.example.", "198.18.0.1", DNS_DENIED, false},
		{"www.unsigned.example.", "198.18.0.1", DNS_INSECURE_KEYS, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct rig_answer *r =
			rig_lookup(DNS_ASK_FORWARD, table[i].name, table[i].addr);

		rig_assert_class(r, table[i].class);
		/* what is denied need not wait for the address, or may have it already */
		assert_int_equal(r->a.addr_matches, table[i].matches);
	}
	/* a denied address is believed no longer than its denial */
	assert_in_range(
		rig_lookup(DNS_ASK_FORWARD, "keyonly.example.", "198.18.0.1")->a.ttl, 60, 300);
}

/* ---- many at once */

static void mixed_delays(void **state)
{
	uint32_t ids[20];
	uint64_t started;

	(void)state;
	rig_settle_behind_proxy();
	/* the chain down to the zone */
	REVERSE("198.18.0.1");
	started = service_now();
	for (unsigned int i = 0; i < 20; i++) {
		char addr[16];

		snprintf(addr, sizeof(addr), "198.18.2.%u", 19 - i);
		ids[i] = rig_ask(DNS_ASK_REVERSE, addr, NULL);
	}
	for (unsigned int i = 0; i < 20; i++) {
		const struct rig_answer *r = rig_await(ids[i], 3000);
		uint64_t took = r->at - started, delay = rig_delay(19 - i) * UINT64_C(1000);

		rig_assert_class(r, DNS_KEYS);
		/* nobody waits for a slower one; some room for a busy machine */
		if (took + 5000 < delay || took > delay + 250000)
			fail_msg("%s took %lu us at a delay of %lu", r->a.name, took, delay);
	}
}

static void equal_questions(void **state)
{
	uint32_t ids[10];
	uint32_t before = rig.proxy->queries;

	(void)state;
	for (int i = 0; i < 10; i++)
		ids[i] = rig_ask(DNS_ASK_REVERSE, "198.18.2.24", NULL);
	for (int i = 0; i < 10; i++)
		rig_assert_class(rig_await(ids[i], 1000), DNS_KEYS);
	assert_int_equal(rig.proxy->queries, before + 1);
}

static void cancelled(void **state)
{
	uint32_t gone = rig_ask(DNS_ASK_REVERSE, "198.18.2.30", NULL);
	uint32_t stays = rig_ask(DNS_ASK_REVERSE, "198.18.2.30", NULL);

	(void)state;
	rig_cancel(gone);
	rig_cancel(gone);
	rig_assert_class(rig_await(stays, 1000), DNS_KEYS);
	assert_int_equal(rig.answers[gone].times, 0);
	/* nobody waits for the question, and it ends in peace */
	rig_cancel(rig_ask(DNS_ASK_REVERSE, "198.18.2.31", NULL));
	rig_run(400);
}

/* ---- figures: printed, not judged */

static void figures(void **state)
{
	enum { N = 200 };
	uint64_t cpu, began;
	uint64_t took = 0;

	(void)state;
	rig_settle();
	print_message("# first lookup, whole chain: %u us\n", REVERSE("198.18.2.0")->a.took_us);
	cpu = rig_cpu();
	began = service_now();
	for (unsigned int i = 1; i < N; i++) {
		char addr[16];

		snprintf(addr, sizeof(addr), "198.18.2.%u", i);
		took += REVERSE(addr)->a.took_us;
	}
	print_message("# next in a known zone: %lu us each, with the channel %lu us, CPU %lu us\n",
		took / (N - 1), (service_now() - began) / (N - 1), (rig_cpu() - cpu) / (N - 1));
	took = 0;
	cpu = rig_cpu();
	for (unsigned int i = 1; i < N; i++) {
		char addr[16];

		snprintf(addr, sizeof(addr), "198.18.2.%u", i);
		took += REVERSE(addr)->a.took_us;
	}
	print_message(
		"# cached: %lu us each, CPU %lu us\n", took / (N - 1), (rig_cpu() - cpu) / (N - 1));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_settings),
		cmocka_unit_test(stale_anchor),
		cmocka_unit_test(tracked_key),
		cmocka_unit_test(extra_anchors),
		cmocka_unit_test(no_fallback),
		cmocka_unit_test(every_key),
		cmocka_unit_test(several_keys),
		cmocka_unit_test(unusable),
		cmocka_unit_test(denied),
		cmocka_unit_test(insecure),
		cmocka_unit_test(bogus),
		cmocka_unit_test(lan_zones),
		cmocka_unit_test(lame),
		cmocka_unit_test(ranges),
		cmocka_unit_test(strangers),
		cmocka_unit_test(chains),
		cmocka_unit_test(names),
		cmocka_unit_test(forward),
		cmocka_unit_test(mixed_delays),
		cmocka_unit_test(equal_questions),
		cmocka_unit_test(cancelled),
		cmocka_unit_test(figures),
	};

	return cmocka_run_group_tests(tests, rig_up, rig_down);
}
