/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * oed.conf. One table says of each key where it stands, of what kind it is and what bounds it has;
 * the messages are made from it.
 * What a line is, is in lines.c.
 */
#include "agent/conf.h"

#include <errno.h>
#include <ini.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/lines.h"
#include "ike/suite.h"

#define HOUR_MS 3600000u
#define WEEK_S 604800u
#define DNS_OVER_TLS 853

enum section {
	SECTION_OED,
	SECTION_DNS,
	SECTION_IKE,
	SECTION_HOLD,
	SECTION_CONTROL,
	SECTION_GROUP,
	SECTION_NONE,    /* before the first */
	SECTION_REFUSED, /* one message is enough: its keys are passed over */
};

static const char *const section_names[] = {
	[SECTION_OED] = "oed",
	[SECTION_DNS] = "dns",
	[SECTION_IKE] = "ike",
	[SECTION_HOLD] = "hold",
	[SECTION_CONTROL] = "control",
	[SECTION_GROUP] = "group",
};

enum kind {
	KIND_YES_NO,       /* bool */
	KIND_PORT,         /* uint16_t, 1..65535 */
	KIND_NUMBER,       /* uint32_t, min..max */
	KIND_MS,           /* uint32_t milliseconds, min..max */
	KIND_S,            /* uint32_t seconds, min..max */
	KIND_LEVEL,        /* uint8_t, enum log_level */
	KIND_FORWARDERS,   /* dns_forwarders and dns_forwarders_from */
	KIND_FILE,         /* char[CONF_TEXT_MAX], absolute */
	KIND_IDENTITY,     /* char[CONF_TEXT_MAX] */
	KIND_UNIX_GROUP,   /* char[CONF_GROUP_MAX] */
	KIND_DOWNGRADE,    /* bool; not allow for private */
	KIND_RESOLVED,     /* uint8_t, enum conf_resolved */
	KIND_ANONYMOUS,    /* uint8_t, enum conf_anonymous */
	KIND_POST_QUANTUM, /* uint8_t, enum ike_post_quantum */
	KIND_SERVER,       /* struct conf_server */
};

static const struct key {
	enum section section;
	const char *name;
	enum kind kind;
	size_t at; /* in struct conf, for SECTION_GROUP in struct conf_group */
	uint32_t min;
	uint32_t max;
} keys[] = {
#define AT(member) offsetof(struct conf, member)
#define AT_GROUP(member) offsetof(struct conf_group, member)
	{SECTION_OED, "log-level", KIND_LEVEL, AT(log_level), 0, 0},

	{SECTION_DNS, "forwarders", KIND_FORWARDERS, AT(dns_forwarders), 0, 0},
	{SECTION_DNS, "port", KIND_PORT, AT(dns_port), 1, 65535},
	{SECTION_DNS, "trust-anchor-file", KIND_FILE, AT(dns_trust_anchor_file), 0, 0},
	{SECTION_DNS, "extra-anchor-file", KIND_FILE, AT(dns_extra_anchor_file), 0, 0},
	{SECTION_DNS, "root-hints-file", KIND_FILE, AT(dns_root_hints_file), 0, 0},
	{SECTION_DNS, "track-root-key", KIND_YES_NO, AT(dns_track_root), 0, 0},
	{SECTION_DNS, "recursion-fallback", KIND_YES_NO, AT(dns_fallback), 0, 0},
	{SECTION_DNS, "unblock-lan-zones", KIND_YES_NO, AT(dns_unblock_lan_zones), 0, 0},
	{SECTION_DNS, "resolved-monitor", KIND_RESOLVED, AT(dns_resolved_monitor), 0, 0},
	{SECTION_DNS, "hold-limit", KIND_MS, AT(dns_hold_limit_ms), 10, 60000},
	{SECTION_DNS, "negative-ttl-min", KIND_S, AT(dns_negative_ttl_min_s), 1, 86400},
	{SECTION_DNS, "negative-ttl-max", KIND_S, AT(dns_negative_ttl_max_s), 1, WEEK_S},
	{SECTION_DNS, "update-key", KIND_FILE, AT(dns_update_key), 0, 0},
	{SECTION_DNS, "update-server", KIND_SERVER, AT(dns_update_server), 0, 0},

	{SECTION_IKE, "identity", KIND_IDENTITY, AT(ike_identity), 0, 0},
	{SECTION_IKE, "post-quantum", KIND_POST_QUANTUM, AT(ike_post_quantum), 0, 0},
	{SECTION_IKE, "retransmit", KIND_MS, AT(ike_retransmit_ms), 50, 60000},
	{SECTION_IKE, "retransmits", KIND_NUMBER, AT(ike_retransmits), 1, 20},
	{SECTION_IKE, "init-timeout", KIND_MS, AT(ike_init_timeout_ms), 100, 600000},
	{SECTION_IKE, "connect-limit", KIND_MS, AT(ike_connect_limit_ms), 100, 600000},
	{SECTION_IKE, "half-open-max", KIND_NUMBER, AT(ike_half_open_max), 1, 1000000},
	{SECTION_IKE, "cookie-above", KIND_NUMBER, AT(ike_cookie_above), 0, 1000000},
	{SECTION_IKE, "liveness", KIND_S, AT(ike_liveness_s), 0, 86400},
	{SECTION_IKE, "sa-lifetime", KIND_S, AT(ike_sa_lifetime_s), 10, WEEK_S},
	{SECTION_IKE, "ike-lifetime", KIND_S, AT(ike_lifetime_s), 10, WEEK_S},

	{SECTION_HOLD, "enable", KIND_YES_NO, AT(hold_enable), 0, 0},
	{SECTION_HOLD, "packets", KIND_NUMBER, AT(hold_packets), 1, 65536},
	{SECTION_HOLD, "packets-per-peer", KIND_NUMBER, AT(hold_packets_per_peer), 1, 65536},

	{SECTION_CONTROL, "group", KIND_UNIX_GROUP, AT(control_group), 0, 0},
	{SECTION_CONTROL, "hint-group", KIND_UNIX_GROUP, AT(control_hint_group), 0, 0},

	{SECTION_GROUP, "downgrade", KIND_DOWNGRADE, AT_GROUP(downgrade_refuse), 0, 0},
	{SECTION_GROUP, "anonymous", KIND_ANONYMOUS, AT_GROUP(anonymous), 0, 0},
	{SECTION_GROUP, "retry-after", KIND_S, AT_GROUP(retry_after_s), 1, 86400},
	{SECTION_GROUP, "retry-max", KIND_S, AT_GROUP(retry_max_s), 1, WEEK_S},
	{SECTION_GROUP, "insecure-keys", KIND_YES_NO, AT_GROUP(insecure_keys), 0, 0},
	{SECTION_GROUP, "trust-names", KIND_YES_NO, AT_GROUP(trust_names), 0, 0},
#undef AT
#undef AT_GROUP
};

#define N_KEYS (sizeof(keys) / sizeof(keys[0]))
/* A key may stand once in each scope: its own section, or that of one group. */
#define SCOPE_GLOBAL POL_N_GROUPS

/* One file being read. */
struct load {
	const char *name;
	conf_error_fn on_error;
	void *arg;
	bool failed;
	uint32_t line; /* that faults are about; 0: the file */
	enum section section;
	enum pol_group group; /* for SECTION_GROUP */
	struct conf conf;
	uint32_t seen[POL_N_GROUPS + 1][N_KEYS]; /* the line of a key, 0: not given */
};

void conf_defaults(struct conf *ret)
{
	static const struct conf_group group = {
		.anonymous = CONF_ANON_NEVER,
		.retry_after_s = 60,
		.retry_max_s = 3600,
	};

	*ret = (struct conf){
		.log_level = LOG_LEVEL_INFO,
		.dns_forwarders_from = CONF_FWD_NONE,
		.dns_port = 53,
		.dns_fallback = true,
		.dns_hold_limit_ms = 2000,
		.dns_negative_ttl_min_s = 60,
		.dns_negative_ttl_max_s = 3600,
		.ike_post_quantum = IKE_PQ_PREFER,
		.ike_retransmit_ms = 250,
		.ike_retransmits = 6,
		.ike_init_timeout_ms = 2000,
		.ike_connect_limit_ms = 5000,
		.ike_half_open_max = 1000,
		.ike_cookie_above = 100,
		.ike_liveness_s = 30,
		.ike_sa_lifetime_s = 8 * 3600,
		.ike_lifetime_s = 24 * 3600,
		.hold_enable = true,
		.hold_packets = 4096,
		.hold_packets_per_peer = 64,
		.control_group = "oed",
	};
	for (int g = 0; g < POL_N_GROUPS; g++)
		ret->group[g] = group;
	ret->group[POL_CLEAR_OR_PRIVATE].anonymous = CONF_ANON_ACCEPT;
	ret->group[POL_PRIVATE_OR_CLEAR].anonymous = CONF_ANON_ACCEPT;
	ret->group[POL_PRIVATE].downgrade_refuse = true;
	/* blocked traffic waits for each of these tries */
	ret->group[POL_PRIVATE].retry_after_s = 2;
}

__attribute__((format(printf, 2, 3))) static void fault(struct load *l, const char *fmt, ...)
{
	char what[700], text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	l->failed = true;
	if (!l->on_error)
		return;
	if (l->line)
		snprintf(text, sizeof(text), "%s:%u: %s", l->name, l->line, what);
	else
		snprintf(text, sizeof(text), "%s: %s", l->name, what);
	l->on_error(l->arg, text);
}

/* ---- values */

/* As short as it can be said without a fraction. */
static const char *format_ms(uint64_t ms, char buf[static 24])
{
	if (ms >= HOUR_MS && ms % HOUR_MS == 0)
		snprintf(buf, 24, "%uh", (unsigned int)(ms / HOUR_MS));
	else if (ms >= 60000 && ms % 60000 == 0)
		snprintf(buf, 24, "%um", (unsigned int)(ms / 60000));
	else if (ms % 1000 == 0)
		snprintf(buf, 24, "%us", (unsigned int)(ms / 1000));
	else
		snprintf(buf, 24, "%ums", (unsigned int)ms);
	return buf;
}

/* Digits, then what follows them in *ret_rest; false for none, or more than nine of them. */
static bool parse_digits(const char *text, uint32_t *ret, const char **ret_rest)
{
	size_t n = strspn(text, "0123456789");

	if (n == 0 || n > 9)
		return false;
	*ret = (uint32_t)strtoul(text, NULL, 10);
	*ret_rest = text + n;
	return true;
}

/* "500ms", "2s", "10m", "1h", in units of unit_ms milliseconds; a bare 0 needs no unit. */
static void set_duration(
	struct load *l, const struct key *k, const char *value, uint32_t unit_ms, uint32_t *ret)
{
	static const struct {
		const char *name;
		uint32_t ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", HOUR_MS}};
	char min[24], max[24];
	const char *rest;
	uint64_t ms = UINT64_MAX;
	uint32_t n;

	if (parse_digits(value, &n, &rest)) {
		rest += strspn(rest, " \t");
		if (n == 0 && !*rest)
			ms = 0;
		for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
			if (!strcmp(rest, units[i].name))
				ms = (uint64_t)n * units[i].ms;
	}
	if (ms == UINT64_MAX || ms % unit_ms || ms / unit_ms < k->min || ms / unit_ms > k->max) {
		fault(l, "%s: '%s' is no duration for it; write %s of %s to %s, such as %s",
			k->name, value, unit_ms == 1 ? "one" : "whole seconds",
			format_ms((uint64_t)k->min * unit_ms, min),
			format_ms((uint64_t)k->max * unit_ms, max), unit_ms == 1 ? "500ms" : "10m");
		return;
	}
	*ret = (uint32_t)(ms / unit_ms);
}

static bool get_number(struct load *l, const struct key *k, const char *value, uint32_t *ret)
{
	const char *rest;
	uint32_t n;

	if (!parse_digits(value, &n, &rest) || *rest || n < k->min || n > k->max) {
		fault(l, "%s: '%s' is no number for it; write %u to %u", k->name, value, k->min,
			k->max);
		return false;
	}
	*ret = n;
	return true;
}

/* The index of value in words (NULL-ended), which are also what the message offers; -1 after it. */
static int get_word(
	struct load *l, const struct key *k, const char *value, const char *const *words)
{
	char offer[128] = "";
	size_t used = 0;

	for (int i = 0; words[i]; i++) {
		if (!strcmp(words[i], value))
			return i;
		used += (size_t)snprintf(offer + used, sizeof(offer) - used, "%s%s",
			i == 0         ? ""
			: words[i + 1] ? ", "
				       : " or ",
			words[i]);
	}
	fault(l, "%s: '%s' is unknown; write %s", k->name, value, offer);
	return -1;
}

static void set_bool(struct load *l, const struct key *k, const char *value,
	const char *const words[static 3], bool *ret)
{
	int i = get_word(l, k, value, words);

	if (i >= 0)
		*ret = i == 1;
}

static void set_text(struct load *l, const struct key *k, const char *value, char *ret, size_t size)
{
	if (strlen(value) >= size)
		fault(l, "%s: %zu bytes; write at most %zu", k->name, strlen(value), size - 1);
	else
		strcpy(ret, value);
}

static void set_post_quantum(struct load *l, const struct key *k, const char *value, uint8_t *ret)
{
	/* in the order of enum ike_post_quantum */
	static const char *const words[] = {"prefer", "require", "off", NULL};
	int i = get_word(l, k, value, words);

	if (i == IKE_PQ_REQUIRE && !ike_has_post_quantum())
		fault(l,
			"%s: OpenSSL has no ML-KEM-768 here, 3.5 is the first that has; write "
			"prefer",
			k->name);
	else if (i >= 0)
		*ret = (uint8_t)i;
}

static void set_forwarders(struct load *l, const char *value)
{
	struct addr found[DNS_FORWARDERS_MAX] = {0};
	char copy[LINES_BYTES + 1], *save = NULL;
	size_t n = 0;

	snprintf(copy, sizeof(copy), "%s", value);
	if (!strcmp(value, "system")) {
		memcpy(l->conf.dns_forwarders, found, sizeof(found));
		l->conf.dns_forwarders_from = CONF_FWD_SYSTEM;
		return;
	}
	if (!strcmp(value, "none")) {
		memcpy(l->conf.dns_forwarders, found, sizeof(found));
		l->conf.dns_forwarders_from = CONF_FWD_NONE;
		return;
	}
	for (char *s = strtok_r(copy, " \t,", &save); s; s = strtok_r(NULL, " \t,", &save)) {
		struct addr a;

		if (strstr(s, "://") || strchr(s, '#') || strchr(s, '@')) {
			fault(l,
				"forwarders: '%s' asks for encrypted DNS or a port, and this "
				"libunbound would send it in clear; write the address of a "
				"resolver on this host that encrypts (unbound, systemd-resolved, "
				"stubby), and its port as port = NUMBER",
				s);
			return;
		}
		if (addr_parse(s, &a) < 0 || addr_is_any(&a) || addr_is_multicast(&a)) {
			fault(l,
				"forwarders: '%s' is no resolver's address; write addresses such "
				"as 192.0.2.53 2001:db8::53, system, or none for full recursion",
				s);
			return;
		}
		if (n == DNS_FORWARDERS_MAX) {
			fault(l, "forwarders: more than %d addresses; write the best %d",
				DNS_FORWARDERS_MAX, DNS_FORWARDERS_MAX);
			return;
		}
		found[n++] = a;
	}
	if (n == 0) {
		fault(l, "forwarders: nothing there; write addresses, or none for full recursion, "
			 "or delete the line for those of /etc/resolv.conf");
		return;
	}
	memcpy(l->conf.dns_forwarders, found, sizeof(found));
	l->conf.dns_forwarders_from = CONF_FWD_CONFIGURED;
}

/* Letters, digits, hyphens and underscores in labels of 1 to 63 (RFC 1035 section 2.3.4). */
static bool is_domain_name(const char *s)
{
	static const char allowed[] =
		"-_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t label = 0;

	if (strlen(s) > 253)
		return false;
	for (; *s; s++) {
		if (*s == '.') {
			if (label == 0)
				return false;
			label = 0;
		} else if (!strchr(allowed, *s) || ++label > 63) {
			return false;
		}
	}
	return label > 0;
}

static void set_identity(struct load *l, const struct key *k, const char *value)
{
	char name[CONF_TEXT_MAX];
	size_t len = strlen(value);
	struct addr a;

	if (!strcmp(value, "address")) {
		l->conf.ike_identity[0] = '\0';
		return;
	}
	if (!addr_parse(value, &a)) {
		fault(l,
			"%s: '%s' is an address; write address, which stands for the local one of "
			"each exchange",
			k->name, value);
		return;
	}
	if (len > 0 && value[len - 1] == '.')
		len--;
	snprintf(name, sizeof(name), "%.*s", (int)len, value);
	if (len >= sizeof(name) || !is_domain_name(name)) {
		fault(l,
			"%s: '%s' is no domain name; write address, or a name such as "
			"host.example.org that has an IPSECKEY record",
			k->name, value);
		return;
	}
	strcpy(l->conf.ike_identity, name);
}

static void set_value(struct load *l, const struct key *k, const char *value)
{
	static const char *const yes_no[] = {"no", "yes", NULL};
	static const char *const downgrade[] = {"allow", "refuse", NULL};
	static const char *const resolved[] = {"no", "yes", "hints", NULL};
	static const char *const anonymous[] = {"never", "accept", "initiate", NULL};
	static const char *const levels[] = {"error", "warn", "info", "debug", NULL};
	char *base =
		k->section == SECTION_GROUP ? (char *)&l->conf.group[l->group] : (char *)&l->conf;
	void *at = base + k->at;
	uint32_t n;
	int i;

	switch (k->kind) {
	case KIND_YES_NO:
		set_bool(l, k, value, yes_no, at);
		break;
	case KIND_PORT:
		if (!get_number(l, k, value, &n))
			break;
		if (n == DNS_OVER_TLS)
			fault(l,
				"%s: %u is that of encrypted DNS (RFC 7858), which this "
				"libunbound cannot speak; write another",
				k->name, n);
		else
			*(uint16_t *)at = (uint16_t)n;
		break;
	case KIND_NUMBER:
		get_number(l, k, value, at);
		break;
	case KIND_MS:
		set_duration(l, k, value, 1, at);
		break;
	case KIND_S:
		set_duration(l, k, value, 1000, at);
		break;
	case KIND_LEVEL:
		/* in the order of enum log_level */
		i = get_word(l, k, value, levels);
		if (i >= 0)
			*(uint8_t *)at = (uint8_t)i;
		break;
	case KIND_FORWARDERS:
		set_forwarders(l, value);
		break;
	case KIND_FILE:
		if (*value && *value != '/')
			fault(l, "%s: '%s' is not absolute; write a path that begins with /",
				k->name, value);
		else
			set_text(l, k, value, at, CONF_TEXT_MAX);
		break;
	case KIND_IDENTITY:
		set_identity(l, k, value);
		break;
	case KIND_UNIX_GROUP:
		set_text(l, k, value, at, CONF_GROUP_MAX);
		break;
	case KIND_DOWNGRADE:
		if (l->group == POL_PRIVATE && !strcmp(value, "allow"))
			fault(l,
				"%s: the group private is never in clear; write refuse, or move "
				"the lines of policies/private to policies/private-or-clear",
				k->name);
		else
			set_bool(l, k, value, downgrade, at);
		break;
	case KIND_RESOLVED:
		i = get_word(l, k, value, resolved);
		if (i >= 0)
			*(uint8_t *)at = (uint8_t)i;
		break;
	case KIND_ANONYMOUS:
		i = get_word(l, k, value, anonymous);
		if (i >= 0)
			*(uint8_t *)at = (uint8_t)i;
		break;
	case KIND_POST_QUANTUM:
		set_post_quantum(l, k, value, at);
		break;
	case KIND_SERVER:
		if (conf_server_parse(value, at) < 0)
			fault(l,
				"%s: '%s' is no name server; write an address such as 192.0.2.53, "
				"or "
				"with a port 192.0.2.53#5353",
				k->name, value);
		break;
	}
}

/* ---- lines */

static void unknown_key(struct load *l, const char *name)
{
	char offer[400] = "";
	size_t used = 0;

	for (size_t i = 0; i < N_KEYS; i++)
		if (keys[i].section == l->section && used < sizeof(offer))
			used += (size_t)snprintf(offer + used, sizeof(offer) - used, "%s%s",
				used ? ", " : "", keys[i].name);
	fault(l, "no key '%s' in [%s]; write one of %s", name, section_names[l->section], offer);
}

/* inih's handler for one `name = value`. Always 1: what is wrong has been told. */
static int on_key(void *user, const char *section, const char *name, const char *value)
{
	struct load *l = user;
	uint32_t *seen;

	(void)section; /* on_section() has seen the whole */
	if (l->section == SECTION_REFUSED)
		return 1;
	for (size_t i = 0; i < N_KEYS; i++) {
		if (keys[i].section != l->section || strcmp(keys[i].name, name) != 0)
			continue;
		seen = &l->seen[l->section == SECTION_GROUP ? (int)l->group : SCOPE_GLOBAL][i];
		if (*seen) {
			fault(l, "%s stands in line %u already; delete one of the two", name,
				*seen);
			return 1;
		}
		*seen = l->line;
		set_value(l, &keys[i], value ? value : "");
		return 1;
	}
	unknown_key(l, name);
	return 1;
}

/* line is "[...": enters the section, or SECTION_REFUSED after a message. */
static void enter_section(struct load *l, const char *line)
{
	size_t len = strlen(line);
	char name[64];

	l->section = SECTION_REFUSED;
	if (line[len - 1] != ']' || len - 2 >= sizeof(name)) {
		fault(l, "'%.60s' is no section; write [NAME]", line);
		return;
	}
	snprintf(name, sizeof(name), "%.*s", (int)(len - 2), line + 1);
	if (!strncmp(name, "group ", 6)) {
		const char *group = name + 6 + strspn(name + 6, " ");

		if (pol_group_parse(group, &l->group))
			l->section = SECTION_GROUP;
		else
			fault(l,
				"no group '%s'; write [group NAME] with private, private-or-clear, "
				"clear-or-private, clear or block",
				group);
		return;
	}
	for (int s = 0; s < SECTION_GROUP; s++)
		if (!strcmp(section_names[s], name))
			l->section = (enum section)s;
	if (l->section == SECTION_REFUSED)
		fault(l,
			"no section [%s]; write one of [oed], [dns], [ike], [hold], [control] or "
			"[group NAME]",
			name);
}

static void on_section(void *arg, const char *line)
{
	enter_section(arg, line);
}

static bool on_setting(void *arg, const char *line)
{
	struct load *l = arg;

	if (l->section == SECTION_NONE) {
		fault(l, "'%s' stands before any section; write [oed], [dns], ... above it", line);
		l->section = SECTION_REFUSED;
		return false;
	}
	return true;
}

static void on_fault(void *arg, const char *why)
{
	fault(arg, "%s", why);
}

/* ---- the whole */

/* low must not be above high. A default gives way to what was given. */
static void check_order(struct load *l, int scope, const char *low, uint32_t *low_value,
	const char *high, uint32_t *high_value)
{
	uint32_t low_line = 0, high_line = 0;

	if (*low_value <= *high_value)
		return;
	for (size_t i = 0; i < N_KEYS; i++) {
		if (!strcmp(keys[i].name, low))
			low_line = l->seen[scope][i];
		else if (!strcmp(keys[i].name, high))
			high_line = l->seen[scope][i];
	}
	if (!low_line) {
		*low_value = *high_value;
	} else if (!high_line) {
		*high_value = *low_value;
	} else {
		l->line = low_line > high_line ? low_line : high_line;
		fault(l, "%s is above %s (line %u); write a smaller %s or a larger %s", low, high,
			low_line > high_line ? high_line : low_line, low, high);
	}
}

static void check_all(struct load *l)
{
	struct conf *c = &l->conf;

	check_order(l, SCOPE_GLOBAL, "negative-ttl-min", &c->dns_negative_ttl_min_s,
		"negative-ttl-max", &c->dns_negative_ttl_max_s);
	check_order(l, SCOPE_GLOBAL, "cookie-above", &c->ike_cookie_above, "half-open-max",
		&c->ike_half_open_max);
	check_order(l, SCOPE_GLOBAL, "packets-per-peer", &c->hold_packets_per_peer, "packets",
		&c->hold_packets);
	for (int g = 0; g < POL_N_GROUPS; g++)
		check_order(l, g, "retry-after", &c->group[g].retry_after_s, "retry-max",
			&c->group[g].retry_max_s);
}

/* Reads text into l->conf. */
static void parse(struct load *l, const char *text, size_t len)
{
	struct lines_sink sink = {.arg = l,
		.line = &l->line,
		.section = on_section,
		.setting = on_setting,
		.fault = on_fault,
		.key = on_key};

	l->section = SECTION_NONE;
	conf_defaults(&l->conf);
	if (lines_parse(text, len, &sink) < 0)
		fault(l, "out of memory");
	check_all(l);
}

int conf_parse(const char *name, const char *text, size_t len, conf_error_fn on_error, void *arg,
	struct conf *ret)
{
	struct load l = {.name = name, .on_error = on_error, .arg = arg};

	parse(&l, text, len);
	if (l.failed)
		return -EINVAL;
	*ret = l.conf;
	return 0;
}

int conf_load(const char *dir, conf_error_fn on_error, void *arg, struct conf *ret)
{
	struct load l = {.on_error = on_error, .arg = arg};
	char path[PATH_MAX], *text = NULL;
	size_t len = 0;
	int error;

	snprintf(path, sizeof(path), "%s/oed.conf", dir);
	l.name = path;
	error = lines_read_file(path, &text, &len);
	if (error && error != -ENOENT) {
		fault(&l, "cannot be read (%s); make it a file that oed can read (mode 0644)",
			strerror(-error));
		return -EINVAL;
	}
	parse(&l, text ? text : "", len);
	free(text);
	if (l.failed)
		return -EINVAL;
	for (size_t i = 0; i < N_KEYS; i++)
		if (keys[i].kind == KIND_FORWARDERS && !l.seen[SCOPE_GLOBAL][i])
			l.conf.dns_forwarders_from = CONF_FWD_SYSTEM;
	if (l.conf.dns_forwarders_from == CONF_FWD_SYSTEM) {
		conf_system_forwarders(l.conf.dns_forwarders, NULL);
		l.conf.dns_port = 53;
	}
	*ret = l.conf;
	return 0;
}
