/* SPDX-License-Identifier: BSD-2-Clause */
/* oed.conf: every key, every kind of fault with its line and remedy, defaults, resolv.conf. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/crypto.h>

#include "agent/conf.h"
#include "ike/suite.h"

struct heard {
	size_t n;
	char text[8][600];
};

static void hear(void *arg, const char *text)
{
	struct heard *h = arg;

	if (h->n < 8)
		snprintf(h->text[h->n], sizeof(h->text[0]), "%s", text);
	h->n++;
}

static struct conf good(const char *text)
{
	struct heard h = {0};
	struct conf c;

	if (conf_parse("oed.conf", text, strlen(text), hear, &h, &c) < 0)
		fail_msg("%s", h.text[0]);
	assert_int_equal(h.n, 0);
	return c;
}

static void test_defaults(void **state)
{
	const struct conf c = good("");

	(void)state;
	assert_int_equal(c.log_level, LOG_LEVEL_INFO);
	assert_int_equal(c.dns_forwarders_from, CONF_FWD_NONE);
	assert_int_equal(c.dns_forwarders[0].family, 0);
	assert_int_equal(c.dns_port, 53);
	assert_string_equal(c.dns_trust_anchor_file, "");
	assert_false(c.dns_unblock_lan_zones);
	assert_int_equal(c.dns_hold_limit_ms, 2000);
	assert_int_equal(c.dns_negative_ttl_min_s, 60);
	assert_int_equal(c.dns_negative_ttl_max_s, 3600);
	assert_string_equal(c.ike_identity, "");
	assert_int_equal(c.ike_retransmit_ms, 250);
	assert_int_equal(c.ike_retransmits, 6);
	assert_int_equal(c.ike_init_timeout_ms, 2000);
	assert_int_equal(c.ike_connect_limit_ms, 5000);
	assert_int_equal(c.ike_half_open_max, 1000);
	assert_int_equal(c.ike_cookie_above, 100);
	assert_int_equal(c.ike_liveness_s, 30);
	assert_int_equal(c.ike_sa_lifetime_s, 28800);
	assert_int_equal(c.ike_lifetime_s, 86400);
	assert_true(c.hold_enable);
	assert_int_equal(c.hold_packets, 4096);
	assert_int_equal(c.hold_packets_per_peer, 64);
	assert_string_equal(c.control_group, "oed");
	for (int g = 0; g < POL_N_GROUPS; g++) {
		assert_int_equal(c.group[g].downgrade_refuse, g == POL_PRIVATE);
		assert_int_equal(c.group[g].anonymous,
			g == POL_PRIVATE_OR_CLEAR || g == POL_CLEAR_OR_PRIVATE ? CONF_ANON_ACCEPT
									       : CONF_ANON_NEVER);
		assert_int_equal(c.group[g].retry_after_s, g == POL_PRIVATE ? 2 : 60);
		assert_int_equal(c.group[g].retry_max_s, 3600);
		assert_false(c.group[g].insecure_keys);
	}
}

static void test_every_key(void **state)
{
	const struct conf c = good("\xef\xbb\xbf# comment\r\n"
				   "[oed]\r\n"
				   "log-level = debug\r\n"
				   "\n"
				   "[dns]\n"
				   "  forwarders = 192.0.2.53 2001:db8::53   # two\n"
				   "port=5353\n"
				   "trust-anchor-file = /etc/oed/root.key\n"
				   "unblock-lan-zones = yes\n"
				   "resolved-monitor = hints\n"
				   "\thold-limit = 500ms ; short\n"
				   "negative-ttl-min = 5m\n"
				   "negative-ttl-max = 2h\n"
				   "update-key = /etc/oed/update.key\n"
				   "update-server = 2001:db8::54#5353\n"
				   "[ike]\n"
				   "identity = Host-1.example.org.\n"
				   "post-quantum = off\n"
				   "retransmit = 1s\n"
				   "retransmits = 7\n"
				   "init-timeout = 3s\n"
				   "connect-limit = 1m\n"
				   "half-open-max = 50\n"
				   "cookie-above = 0\n"
				   "liveness = 30s\n"
				   "sa-lifetime = 24h\n"
				   "[hold]\n"
				   "packets = 100\n"
				   "packets-per-peer = 10\n"
				   "enable = no\n"
				   "[control]\n"
				   "group = adm\n"
				   "hint-group = unbound\n"
				   "[group private]\n"
				   "downgrade = refuse\n"
				   "anonymous = accept\n"
				   "[group private-or-clear]\n"
				   "downgrade = refuse\n"
				   "anonymous = initiate\n"
				   "retry-after = 10s\n"
				   "retry-max = 10m\n"
				   "insecure-keys = yes\n"
				   "trust-names = yes\n"
				   "[group clear-or-private]\n"
				   "anonymous = never\n"
				   "[oed]\n" /* a section may be entered again */
				   "# the end, without a line end");

	(void)state;
	assert_int_equal(c.log_level, LOG_LEVEL_DEBUG);
	assert_string_equal(c.dns_update_key, "/etc/oed/update.key");
	assert_string_equal(addr_str(&c.dns_update_server.addr), "2001:db8::54");
	assert_int_equal(c.dns_update_server.port, 5353);
	assert_int_equal(c.dns_forwarders_from, CONF_FWD_CONFIGURED);
	assert_string_equal(addr_str(&c.dns_forwarders[0]), "192.0.2.53");
	assert_string_equal(addr_str(&c.dns_forwarders[1]), "2001:db8::53");
	assert_int_equal(c.dns_forwarders[2].family, 0);
	assert_int_equal(c.dns_port, 5353);
	assert_string_equal(c.dns_trust_anchor_file, "/etc/oed/root.key");
	assert_true(c.dns_unblock_lan_zones);
	assert_int_equal(c.dns_hold_limit_ms, 500);
	assert_int_equal(c.dns_negative_ttl_min_s, 300);
	assert_int_equal(c.dns_negative_ttl_max_s, 7200);
	assert_string_equal(c.ike_identity, "Host-1.example.org");
	assert_int_equal(c.ike_post_quantum, IKE_PQ_OFF);
	assert_int_equal(c.ike_retransmit_ms, 1000);
	assert_int_equal(c.ike_retransmits, 7);
	assert_int_equal(c.ike_init_timeout_ms, 3000);
	assert_int_equal(c.ike_connect_limit_ms, 60000);
	assert_int_equal(c.ike_half_open_max, 50);
	assert_int_equal(c.ike_cookie_above, 0);
	assert_int_equal(c.ike_liveness_s, 30);
	assert_int_equal(c.ike_sa_lifetime_s, 86400);
	assert_int_equal(c.hold_packets, 100);
	assert_int_equal(c.hold_packets_per_peer, 10);
	assert_false(c.hold_enable);
	assert_string_equal(c.control_group, "adm");
	assert_string_equal(c.control_hint_group, "unbound");
	assert_int_equal(c.dns_resolved_monitor, CONF_RESOLVED_HINTS);
	assert_true(c.group[POL_PRIVATE_OR_CLEAR].trust_names);
	assert_false(c.group[POL_PRIVATE].trust_names);
	assert_int_equal(c.group[POL_PRIVATE].anonymous, CONF_ANON_ACCEPT);
	assert_true(c.group[POL_PRIVATE].downgrade_refuse);
	assert_int_equal(c.group[POL_CLEAR_OR_PRIVATE].anonymous, CONF_ANON_NEVER);
	assert_true(c.group[POL_PRIVATE_OR_CLEAR].downgrade_refuse);
	assert_int_equal(c.group[POL_PRIVATE_OR_CLEAR].anonymous, CONF_ANON_INITIATE);
	assert_int_equal(c.group[POL_PRIVATE_OR_CLEAR].retry_after_s, 10);
	assert_int_equal(c.group[POL_PRIVATE_OR_CLEAR].retry_max_s, 600);
	assert_true(c.group[POL_PRIVATE_OR_CLEAR].insecure_keys);
	assert_int_equal(c.group[POL_CLEAR].retry_after_s, 60);
}

static void test_special_values(void **state)
{
	struct conf c;

	(void)state;
	c = good("[dns]\nforwarders = none\ntrust-anchor-file =\n[ike]\nidentity = address\n"
		 "liveness = 0\n[control]\ngroup =\n");
	assert_int_equal(c.dns_forwarders_from, CONF_FWD_NONE);
	assert_string_equal(c.dns_trust_anchor_file, "");
	assert_string_equal(c.ike_identity, "");
	assert_int_equal(c.ike_liveness_s, 0);
	assert_string_equal(c.control_group, "");
	/* a default gives way to what stands in the file */
	c = good("[hold]\npackets = 10\n[ike]\ncookie-above = 5000\n[group clear]\nretry-after = "
		 "2h\n");
	assert_int_equal(c.hold_packets_per_peer, 10);
	assert_int_equal(c.ike_half_open_max, 5000);
	assert_int_equal(c.group[POL_CLEAR].retry_max_s, 7200);
	assert_int_equal(c.group[POL_PRIVATE].retry_max_s, 3600);
}

/* Refused where it could never be had: OpenSSL before 3.5. */
static void test_post_quantum(void **state)
{
	static const char text[] = "[ike]\npost-quantum = require\n";
	bool has = OpenSSL_version_num() >= 0x30500000;
	struct heard h = {0};
	struct conf c = {0};

	(void)state;
	assert_int_equal(conf_parse("f", text, sizeof(text) - 1, hear, &h, &c), has ? 0 : -EINVAL);
	assert_int_equal(c.ike_post_quantum, has ? IKE_PQ_REQUIRE : 0);
	assert_int_equal(h.n, !has);
	if (!has)
		assert_string_equal(h.text[0], "f:2: post-quantum: OpenSSL has no ML-KEM-768 here, "
					       "3.5 is the first that has; write prefer");
}

static void test_faults(void **state)
{
	static const struct {
		const char *text, *said;
	} bad[] = {
		{"[oed]\nlog-level = loud",
			"2: log-level: 'loud' is unknown; write error, warn, info or debug"},
		{"[oed]\nloglevel = info", "2: no key 'loglevel' in [oed]; write one of log-level"},
		{"[hold]\nx=1", "2: no key 'x' in [hold]; write one of enable, packets, "
				"packets-per-peer"},
		{"\n[dsn]\nport = 53\nx = y",
			"2: no section [dsn]; write one of [oed], [dns], [ike], "
			"[hold], [control] or [group NAME]"},
		{"[group]\ndowngrade = allow", "1: no section [group]; write one of [oed]"},
		{"[group public]", "1: no group 'public'; write [group NAME] with private, "
				   "private-or-clear, clear-or-private, clear or block"},
		{"[dns\nport = 53", "1: '[dns' is no section; write [NAME]"},
		{"[dns]x\nport = 53", "1: '[dns]x' is no section; write [NAME]"},
		{"[", "1: '[' is no section; write [NAME]"},
		{"[]", "1: no section []; write one of"},
		{"port = 53\nport = 54",
			"1: 'port = 53' stands before any section; write [oed], [dns], "
			"... above it"},
		{"[dns]\nport 53",
			"2: 'port 53' is neither a section nor a setting; write [SECTION] or KEY = "
			"VALUE"},
		{"[dns]\n= 53", "2: '= 53' is neither a section nor a setting"},
		{"[dns]\nport = 53\n\nport = 53",
			"4: port stands in line 2 already; delete one of the two"},
		{"[dns]\nport = 0", "2: port: '0' is no number for it; write 1 to 65535"},
		{"[dns]\nport = 65536", "2: port: '65536' is no number for it; write 1 to 65535"},
		{"[dns]\nport = 53x", "2: port: '53x' is no number"},
		{"[dns]\nport = -1", "2: port: '-1' is no number"},
		{"[dns]\nport =", "2: port: '' is no number"},
		{"[ike]\nretransmits = 99999999999999",
			"2: retransmits: '99999999999999' is no number "
			"for it; write 1 to 20"},
		{"[dns]\nunblock-lan-zones = true",
			"2: unblock-lan-zones: 'true' is unknown; write no or yes"},
		{"[dns]\nhold-limit = 2",
			"2: hold-limit: '2' is no duration for it; write one of 10ms "
			"to 1m, such as 500ms"},
		{"[dns]\nresolved-monitor = on",
			"2: resolved-monitor: 'on' is unknown; write no, yes or hints"},
		{"[dns]\nhold-limit = 2 sec", "2: hold-limit: '2 sec' is no duration"},
		{"[dns]\nhold-limit = 9ms",
			"2: hold-limit: '9ms' is no duration for it; write one of 10ms to 1m"},
		{"[dns]\nhold-limit = 999999999h", "2: hold-limit: '999999999h' is no duration"},
		{"[ike]\nsa-lifetime = 9s",
			"2: sa-lifetime: '9s' is no duration for it; write whole "
			"seconds of 10s to 168h, such as 10m"},
		{"[ike]\nsa-lifetime = 60500ms",
			"2: sa-lifetime: '60500ms' is no duration for it; write "
			"whole seconds"},
		{"[ike]\nsa-lifetime = 0", "2: sa-lifetime: '0' is no duration"},
		{"[ike]\nsa-lifetime = -1h", "2: sa-lifetime: '-1h' is no duration"},
		{"[dns]\nupdate-key = update.key", "2: update-key: 'update.key' is not absolute"},
		{"[dns]\nupdate-server = ns.example.org",
			"2: update-server: 'ns.example.org' is no name server; write an address"},
		{"[dns]\nupdate-server = 192.0.2.1#0",
			"2: update-server: '192.0.2.1#0' is no name"},
		{"[dns]\nupdate-server = 192.0.2.1#65536",
			"2: update-server: '192.0.2.1#65536' is no"},
		{"[dns]\nupdate-server = 0.0.0.0", "2: update-server: '0.0.0.0' is no name server"},
		{"[dns]\nforwarders =", "2: forwarders: nothing there; write addresses, or none"},
		{"[dns]\nforwarders = ns.example.org",
			"2: forwarders: 'ns.example.org' is no resolver's address; write addresses "
			"such as 192.0.2.53 2001:db8::53, system, or none for full recursion"},
		{"[dns]\nforwarders = 9.9.9.9@853#dns.example.net",
			"2: forwarders: '9.9.9.9@853#dns.example.net' asks for encrypted DNS"},
		{"[dns]\nforwarders = 192.0.2.1 tls://192.0.2.2",
			"2: forwarders: 'tls://192.0.2.2' asks for encrypted DNS or a port"},
		{"[dns]\nport = 853", "2: port: 853 is that of encrypted DNS (RFC 7858), which"},
		{"[dns]\nforwarders = 192.0.2.1 0.0.0.0",
			"2: forwarders: '0.0.0.0' is no resolver's"},
		{"[dns]\nforwarders = 1.1.1.1 1.1.1.2 1.1.1.3 1.1.1.4 1.1.1.5 1.1.1.6 1.1.1.7 "
		 "1.1.1.8 1.1.1.9",
			"2: forwarders: more than 8 addresses; write the best 8"},
		{"[dns]\ntrust-anchor-file = root.key",
			"2: trust-anchor-file: 'root.key' is not "
			"absolute; write a path that begins with /"},
		{"[ike]\nidentity = 192.0.2.1",
			"2: identity: '192.0.2.1' is an address; write address"},
		{"[ike]\nidentity = host_1..example",
			"2: identity: 'host_1..example' is no domain name; "
			"write address, or a name such as host.example.org"},
		{"[ike]\npost-quantum = yes",
			"2: post-quantum: 'yes' is unknown; write prefer, require or off"},
		{"[ike]\nidentity =", "2: identity: '' is no domain name; write"},
		{"[ike]\nidentity = me@example.org",
			"2: identity: 'me@example.org' is no domain name"},
		{"[control]\ngroup = abcdefghijklmnopqrstuvwxyz0123456789",
			"2: group: 36 bytes; write at most 32"},
		{"[group private]\ndowngrade = allow",
			"2: downgrade: the group private is never in "
			"clear; write refuse, or move the lines of policies/private to "
			"policies/private-or-clear"},
		{"[group clear]\ndowngrade = maybe",
			"2: downgrade: 'maybe' is unknown; write allow or refuse"},
		{"[group clear]\nanonymous = yes",
			"2: anonymous: 'yes' is unknown; write never, accept or initiate"},
		{"[dns]\nnegative-ttl-min = 2h\nnegative-ttl-max = 1h",
			"3: negative-ttl-min is above "
			"negative-ttl-max (line 2); write a smaller negative-ttl-min or a larger "
			"negative-ttl-max"},
		{"[ike]\nhalf-open-max = 10\ncookie-above = 11",
			"3: cookie-above is above half-open-max (line 2)"},
		{"[group private]\nretry-max = 5s\nretry-after = 6s",
			"3: retry-after is above retry-max (line 2)"},
		{"[oed]\nlog-level = d\xc3\xa9"
		 "bug",
			"2: byte 0xc3 is no plain text; write ASCII"},
	};
	const struct conf before = good("[dns]\nport = 77\n");

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct conf c = before;
		struct heard h = {0};
		char said[400];

		assert_int_equal(conf_parse("/etc/oed/oed.conf", bad[i].text, strlen(bad[i].text),
					 hear, &h, &c),
			-EINVAL);
		snprintf(said, sizeof(said), "/etc/oed/oed.conf:%s", bad[i].said);
		if (strncmp(h.text[0], said, strlen(said)) != 0)
			fail_msg("said '%s', not '%s'", h.text[0], said);
		assert_int_equal(h.n, 1);
		/* what worked goes on */
		assert_memory_equal(&c, &before, sizeof(c));
	}
}

/* Every fault is told, not only the first, and each with its own line. */
static void test_several_faults(void **state)
{
	static const char text[] =
		"[oed]\nlog-level = x\n[nope]\na = b\nc = d\n[ike]\nretransmits = 0\n"
		"what\nliveness = 5s\n\0\n";
	struct heard h = {0};
	struct conf c = good("");

	(void)state;
	assert_int_equal(conf_parse("f", text, sizeof(text) - 1, hear, &h, &c), -EINVAL);
	assert_int_equal(h.n, 5);
	assert_memory_equal(h.text[0], "f:2: ", 5);
	assert_memory_equal(h.text[1], "f:3: ", 5);
	assert_memory_equal(h.text[2], "f:7: ", 5);
	assert_memory_equal(h.text[3], "f:8: ", 5);
	assert_memory_equal(h.text[4], "f:10: byte 0x00 is no plain text", 20);
	/* nobody has to listen */
	assert_int_equal(conf_parse("f", text, sizeof(text) - 1, NULL, NULL, &c), -EINVAL);
}

/* A line longer than inih's buffer is not taken for two; a long comment is no fault. */
static void test_long_lines(void **state)
{
	char text[6000];
	struct heard h = {0};
	struct conf c = good("");
	size_t len;

	(void)state;
	len = (size_t)snprintf(text, sizeof(text), "[dns]\n#");
	memset(text + len, 'x', 5000);
	len += 5000;
	len += (size_t)snprintf(text + len, sizeof(text) - len, "\nport = 54 #%0500d\n", 0);
	assert_int_equal(conf_parse("f", text, len, hear, &h, &c), 0);
	assert_int_equal(c.dns_port, 54);

	len = (size_t)snprintf(text, sizeof(text), "[dns]\ntrust-anchor-file = /");
	memset(text + len, 'x', 4000);
	len += 4000;
	len += (size_t)snprintf(text + len, sizeof(text) - len, "\nport = 55x\n");
	assert_int_equal(conf_parse("f", text, len, hear, &h, &c), -EINVAL);
	assert_int_equal(h.n, 2);
	assert_memory_equal(h.text[0], "f:2: a line of 4021 bytes; write at most ", 41);
	assert_memory_equal(h.text[1], "f:3: port: '55x'", 16);
}

static void test_random(void **state)
{
	static const char *const words[] = {"[dns]", "[ike]", "[group private]", "\n", "\n", "\n",
		"=", "port", "identity", "liveness", "1", "s", "ms", " ", "#", ";", "\xff", "[",
		"]", ":", "\r", "forwarders", "::1", ",", "0", "h"};
	char text[2000];

	(void)state;
	srand(2);
	for (int round = 0; round < 20000; round++) {
		size_t len = 0, n = (size_t)rand() % 60;
		struct conf c;

		for (size_t i = 0; i < n; i++)
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s",
				words[(size_t)rand() % (sizeof(words) / sizeof(words[0]))]);
		if (round % 3 == 0 && len)
			text[(size_t)rand() % len] = '\0';
		if (conf_parse("f", text, len, NULL, NULL, &c) == 0)
			assert_int_not_equal(c.dns_port, 0);
	}
}

static void put_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void test_load(void **state)
{
	char dir[] = "/tmp/test_conf.XXXXXX", path[100], said[200];
	struct addr system[DNS_FORWARDERS_MAX];
	size_t n_system = conf_nameservers("/etc/resolv.conf", system);
	struct heard h = {0};
	struct conf c;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/oed.conf", dir);

	/* no file: the defaults, and the system's resolvers */
	memset(&c, 0xff, sizeof(c));
	assert_int_equal(conf_load(dir, hear, &h, &c), 0);
	assert_int_equal(c.ike_retransmits, 6);
	assert_int_equal(c.dns_forwarders_from, n_system ? CONF_FWD_SYSTEM : CONF_FWD_NONE);
	assert_memory_equal(c.dns_forwarders, system, sizeof(system));

	put_file(path, "[dns]\nforwarders = none\n[ike]\nretransmits = 3\n");
	assert_int_equal(conf_load(dir, hear, &h, &c), 0);
	assert_int_equal(c.ike_retransmits, 3);
	assert_int_equal(c.dns_forwarders_from, CONF_FWD_NONE);
	assert_int_equal(h.n, 0);

	put_file(path, "[ike]\nretransmits = many\n");
	assert_int_equal(conf_load(dir, hear, &h, &c), -EINVAL);
	snprintf(said, sizeof(said), "%s:2: retransmits: 'many' is no number for it; write 1 to 20",
		path);
	assert_int_equal(h.n, 1);
	assert_string_equal(h.text[0], said);
	assert_int_equal(c.ike_retransmits, 3);

	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(conf_load(dir, hear, &h, &c), -EINVAL);
	snprintf(said, sizeof(said),
		"%s: cannot be read (Is a directory); make it a file that oed can "
		"read (mode 0644)",
		path);
	assert_string_equal(h.text[1], said);
	assert_int_equal(c.ike_retransmits, 3);
	rmdir(path);
	rmdir(dir);
}

static void test_nameservers(void **state)
{
	char path[] = "/tmp/test_conf.XXXXXX";
	struct addr a[DNS_FORWARDERS_MAX];
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	put_file(path,
		"# nameserver 1.1.1.1\nsearch example.org\nnameserver 192.0.2.53\n"
		"nameserver\nnameserver fe80::1%eth0\n  nameserver\t2001:db8::53 # trailing\n"
		"nameservers 192.0.2.54\noptions edns0\nnameserver 192.0.2.55");
	assert_int_equal(conf_nameservers(path, a), 3);
	assert_string_equal(addr_str(&a[0]), "192.0.2.53");
	assert_string_equal(addr_str(&a[1]), "2001:db8::53");
	assert_string_equal(addr_str(&a[2]), "192.0.2.55");
	assert_int_equal(a[3].family, 0);
	put_file(path,
		"nameserver 1.1.1.1\nnameserver 1.1.1.2\nnameserver 1.1.1.3\nnameserver 1.1.1.4\n"
		"nameserver 1.1.1.5\nnameserver 1.1.1.6\nnameserver 1.1.1.7\nnameserver 1.1.1.8\n"
		"nameserver 1.1.1.9\n");
	assert_int_equal(conf_nameservers(path, a), DNS_FORWARDERS_MAX);
	unlink(path);
	assert_int_equal(conf_nameservers(path, a), 0);
	assert_int_equal(a[0].family, 0);
}

/* A file of the source tree; a missing one is a failure. To be freed. */
static char *source_file(const char *name, size_t *ret_len)
{
	const char *top = getenv("srcdir"); /* automake's, of the top */
	char path[1000], *text = calloc(1, 65536);
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", top ? top : ".", name);
	f = fopen(path, "r");
	if (!f)
		fail_msg("%s: %s", path, strerror(errno));
	*ret_len = fread(text, 1, 65535, f);
	fclose(f);
	return text;
}

/* The sample says what the defaults are: it must parse as it is shipped, and with each setting put
 * in force, to the very same. */
static void test_sample(void **state)
{
	const struct conf want = good("");
	struct heard h = {0};
	struct conf c;
	size_t len, settings = 0;
	char *text = source_file("contrib/conf/oed.conf", &len), *p = text;

	(void)state;
	memset(&c, 0, sizeof(c));
	assert_int_equal(conf_parse("oed.conf", text, len, hear, &h, &c), 0);
	assert_memory_equal(&c, &want, sizeof(c));
	/* "#KEY = VALUE", while a remark has a blank behind its '#' */
	while ((p = strstr(p, "\n#"))) {
		p += 2;
		if (*p >= 'a' && *p <= 'z' && strncmp(p, "forwarders", 10) != 0) {
			p[-1] = ' ';
			settings++;
		}
	}
	assert_int_equal(settings, 36);
	if (conf_parse("oed.conf", text, len, hear, &h, &c) < 0)
		fail_msg("%s", h.text[0]);
	assert_memory_equal(&c, &want, sizeof(c));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_every_key),
		cmocka_unit_test(test_special_values),
		cmocka_unit_test(test_post_quantum),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_several_faults),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_nameservers),
		cmocka_unit_test(test_sample),
	};

	return cmocka_run_group_tests_name("conf", tests, NULL, NULL);
}
