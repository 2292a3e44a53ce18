/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers in plain words; `explain` has a file of its own. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ctl/oectl.h"

/* A text member with no more than white space is as good as none. */
static const char *text_or_null(const json_t *object, const char *name)
{
	const char *s = oectl_str(object, name, "");

	return s[strspn(s, " ")] ? s : NULL;
}

/* The members of an array of strings, in one text. */
static const char *join(const json_t *array, const char *separator, char *buf, size_t size)
{
	size_t used = 0, i;
	const json_t *v;

	buf[0] = '\0';
	json_array_foreach(array, i, v) {
		const char *s = json_string_value(v);

		if (s && used < size)
			used += (size_t)snprintf(
				buf + used, size - used, "%s%s", used ? separator : "", s);
	}
	return buf;
}

/* IPSECKEY's algorithm, given as IANA's number or as a word. */
static const char *algorithm(const json_t *key)
{
	switch ((int)oectl_num(key, "algorithm", -1)) {
	case 2:
		return "RSA";
	case 3:
		return "ECDSA";
	case 4:
		return "EdDSA";
	}
	return oectl_str(key, "algorithm", "unknown algorithm");
}

/* "RSA 2048 bits", or "RSA-2048" where the algorithm says its size already. */
static const char *key_kind(const json_t *key, char buf[static 64])
{
	const char *name = algorithm(key);
	double bits = oectl_num(key, "bits", 0);

	if (bits <= 0 || strpbrk(name, "0123456789"))
		snprintf(buf, 64, "%s", name);
	else
		snprintf(buf, 64, "%s %.0f bits", name, bits);
	return buf;
}

/* ---- status */

static void status_hold(FILE *out, const json_t *a)
{
	const char *hold = oectl_str(a, "hold", "?"), *why = text_or_null(a, "hold_why");

	if (!strcmp(hold, "none"))
		oectl_fieldf(out, "hold",
			"off: the first packet to a new peer is lost and sent again by "
			"its protocol%s%s%s",
			why ? " (" : "", why ? why : "", why ? ")" : "");
	else
		oectl_fieldf(out, "hold", "first packets wait for the decision, by %s%s%s%s",
			!strcmp(hold, "nft") ? "nftables" : hold, why ? " (" : "", why ? why : "",
			why ? ")" : "");
}

static void status_network(FILE *out, const json_t *a)
{
	bool v4 = oectl_bool(a, "ipv4"), v6 = oectl_bool(a, "ipv6");
	const char *why = text_or_null(a, "dns_why"), *ike_why = text_or_null(a, "ike_why");
	bool instead = !strcmp(oectl_str(a, "dns_path", ""), "recursion");
	char list[600];

	join(json_object_get(a, "forwarders"), " ", list, sizeof(list));
	instead = instead && list[0];
	oectl_fieldf(out, "dns", "%s%s%s%s%s",
		oectl_bool(a, "dnssec") ? "DNSSEC validates, "
					: "DNSSEC DOES NOT GET THROUGH, no key can be believed, ",
		instead   ? "asking the root servers instead of "
		: list[0] ? "asking "
			  : "full recursion",
		list, why ? ": " : "", why ? why : "");
	oectl_fieldf(out, "ike", "%s%s%s",
		v4 && v6 ? "IPv4 and IPv6"
		: v4     ? "IPv4 only"
		: v6     ? "IPv6 only"
			 : "NO SOCKET IS OPEN",
		ike_why ? ": " : "", ike_why ? ike_why : "");
	join(json_object_get(a, "local"), " ", list, sizeof(list));
	oectl_field(out, "addresses", list[0] ? list : "none");
}

static const char *record_words(const char *state)
{
	static const char *const words[][2] = {
		{"matches", "published, DNSSEC secure"},
		{"differs", "ANOTHER KEY IS PUBLISHED: peers will refuse ours"},
		{"absent", "not published: 'oectl key ipseckey' prints the record"},
		{"unsigned", "the zone is not signed: nobody can believe a key there"},
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(words[i][0], state))
			return words[i][1];
	return "not known";
}

static void status_records(FILE *out, const json_t *a)
{
	const json_t *records = json_object_get(a, "records"), *r;
	size_t i;

	json_array_foreach(records, i, r) {
		const char *why = text_or_null(r, "why");
		double others = oectl_num(r, "others", 0);
		char more[64] = "";

		if (others > 0)
			snprintf(more, sizeof(more), "; %.0f other key%s there", others,
				others == 1 ? "" : "s");
		oectl_fieldf(out, i ? "" : "records", "%s %s%s%s%s", oectl_str(r, "name", "?"),
			record_words(oectl_str(r, "state", "")), more, why ? ": " : "",
			why ? why : "");
	}
}

static void status_keys(FILE *out, const json_t *a)
{
	const json_t *keys = json_object_get(a, "keys"), *key;
	const char *why = text_or_null(a, "keys_why");
	char kind[64];
	size_t i;

	if (!json_array_size(keys))
		oectl_field(out, "keys", "none: we are anonymous. oectl key generate makes one");
	json_array_foreach(keys, i, key)
		oectl_fieldf(out, i ? "" : "keys", "%s %s%s", key_kind(key, kind),
			oectl_str(key, "fingerprint", ""),
			json_is_false(json_object_get(key, "signs"))
				? " (does not sign: see oectl key rollover)"
				: "");
	if (why)
		oectl_fieldf(out, "", "A KEY WAS REFUSED: %s", why);
}

static void status_policy(FILE *out, const json_t *a)
{
	const json_t *policy = json_object_get(a, "policy");
	double rules = oectl_num(policy, "rules", 0), refused = oectl_num(policy, "refused", 0);

	oectl_fieldf(out, "policy", "%.0f rule%s%s", rules, rules == 1 ? "" : "s",
		rules == 0 ? ": everything is in clear" : "");
	if (refused > 0)
		oectl_fieldf(out, "", "%.0f LINE%s REFUSED: oectl reload says which and why",
			refused, refused == 1 ? "" : "S");
}

static void status_peers(FILE *out, const json_t *a)
{
	static const char *const states[] = {
		"private", "clear", "blocked", "negotiating", "resolving", "trapped", "idle"};
	const json_t *peers = json_object_get(a, "peers");
	char list[300] = "";
	size_t used = 0;

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		double n = oectl_num(peers, states[i], 0);

		if (n > 0 && used < sizeof(list))
			used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%.0f %s",
				used ? ", " : "", n, states[i]);
	}
	oectl_field(out, "peers", used ? list : "none yet");
}

static void status_services(FILE *out, const json_t *a)
{
	const json_t *services = json_object_get(a, "services"), *s;
	char up[OECTL_TEXT_LEN], again[40];
	size_t i;

	json_array_foreach(services, i, s) {
		double restarts = oectl_num(s, "restarts", 0), pid = oectl_num(s, "pid", 0);

		again[0] = '\0';
		if (restarts > 0)
			snprintf(again, sizeof(again), ", restarted %.0f time%s", restarts,
				restarts == 1 ? "" : "s");
		if (pid <= 0)
			oectl_fieldf(out, i ? "" : "services",
				"%s NOT RUNNING; journalctl -u oed says why",
				oectl_str(s, "name", "?"));
		else
			oectl_fieldf(out, i ? "" : "services", "%s: pid %.0f, %s %s%s",
				oectl_str(s, "name", "?"), pid,
				json_is_false(json_object_get(s, "ready")) ? "STARTING since"
									   : "up",
				oectl_seconds(oectl_num(s, "up_s", 0), up), again);
	}
}

void oectl_render_status(FILE *out, const json_t *a)
{
	char up[OECTL_TEXT_LEN];

	fprintf(out, "oed %s, up %s\n", oectl_str(a, "version", "?"),
		oectl_seconds(oectl_num(a, "uptime_s", 0), up));
	status_peers(out, a);
	status_policy(out, a);
	status_hold(out, a);
	status_network(out, a);
	status_keys(out, a);
	status_records(out, a);
	status_services(out, a);
}

/* ---- tables */

void oectl_render_peers(FILE *out, const json_t *a)
{
	static const char *const header[] = {
		"REMOTE", "TRAFFIC", "STATE", "REASON", "GROUP", "SINCE", "LEFT", "ESP", "LOCAL"};
	const json_t *peers = json_object_get(a, "peers"), *p;
	json_t *rows = json_array();
	size_t i;

	json_array_foreach(peers, i, p) {
		char since[OECTL_TEXT_LEN], until[OECTL_TEXT_LEN];
		double left = oectl_num(p, "until_s", -1);

		oectl_seconds(oectl_num(p, "since_s", 0), since);
		json_array_append_new(
			rows, json_pack("[s,s,s,s,s,s,s,s,s]", oectl_str(p, "remote", "?"),
				      oectl_str(p, "traffic", "all"), oectl_str(p, "state", "?"),
				      oectl_str(p, "reason", "-"), oectl_str(p, "group", "-"),
				      since, left < 0 ? "-" : oectl_seconds(left, until),
				      oectl_str(p, "esp", "-"), oectl_str(p, "local", "?")));
	}
	if (json_array_size(rows))
		oectl_table(out, sizeof(header) / sizeof(header[0]), header, rows);
	else
		fputs("No peers: nothing was trapped yet and nobody has asked.\n", out);
	json_decref(rows);
}

void oectl_render_policy_show(FILE *out, const json_t *a)
{
	static const char *const header[] = {"SELECTOR", "GROUP", "FROM"};
	const json_t *rules = json_object_get(a, "rules"), *r;
	json_t *rows = json_array();
	size_t i;

	json_array_foreach(rules, i, r) {
		char from[4200];

		snprintf(from, sizeof(from), "%s:%.0f", oectl_str(r, "file", "?"),
			oectl_num(r, "line", 0));
		json_array_append_new(rows, json_pack("[s,s,s]", oectl_str(r, "selector", "?"),
						    oectl_str(r, "group", "?"), from));
	}
	if (json_array_size(rows))
		oectl_table(out, sizeof(header) / sizeof(header[0]), header, rows);
	else
		fputs("No rules: everything is in clear.\n", out);
	json_decref(rows);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void oectl_render_stats(FILE *out, const json_t *a)
{
	json_t *counters = json_object_get(a, "counters"), *value;
	size_t n = json_object_size(counters), i = 0;
	const char **names = calloc(n + 1, sizeof(*names)), *name;
	int width = 0;

	if (!names)
		abort();
	json_object_foreach(counters, name, value) {
		names[i++] = name;
		width = (int)strlen(name) > width ? (int)strlen(name) : width;
	}
	qsort(names, n, sizeof(*names), by_name);
	for (i = 0; i < n; i++)
		fprintf(out, "%-*s  %.0f\n", width, names[i], oectl_num(counters, names[i], 0));
	free(names);
}

/* ---- one thing */

void oectl_render_hint(FILE *out, const json_t *a)
{
	const json_t *list = json_object_get(a, "addresses"), *item;
	char left[OECTL_TEXT_LEN];
	size_t i;

	if (!json_array_size(list)) {
		oectl_render_text(out, a);
		return;
	}
	fprintf(out, "%s:", oectl_str(a, "name", "?"));
	json_array_foreach(list, i, item)
		fprintf(out, " %s", json_is_string(item) ? json_string_value(item) : "?");
	fprintf(out, ", for %s\n", oectl_seconds(oectl_num(a, "ttl", 0), left));
}

void oectl_render_text(FILE *out, const json_t *a)
{
	oectl_wrap(out, 0, oectl_str(a, "text", "done"));
}

void oectl_render_errors(FILE *out, const json_t *a)
{
	const json_t *errors = json_object_get(a, "errors"), *e;
	size_t i;

	json_array_foreach(errors, i, e)
		fprintf(out, "  %s\n", json_string_value(e) ? json_string_value(e) : "?");
}

void oectl_render_reload(FILE *out, const json_t *a)
{
	oectl_render_text(out, a);
	oectl_render_errors(out, a);
}

void oectl_render_policy_test(FILE *out, const json_t *a)
{
	const char *file = text_or_null(a, "file"), *meaning = text_or_null(a, "meaning");

	fprintf(out, "%s: %s\n", oectl_str(a, "address", "?"),
		file ? oectl_str(a, "group", "?") : "no rule");
	if (file)
		oectl_fieldf(out, "because", "%s:%.0f says %s", file, oectl_num(a, "line", 0),
			oectl_str(a, "selector", "?"));
	if (meaning)
		oectl_field(out, "meaning", meaning);
}

static const char *class_text(const char *class)
{
	static const char *const texts[][2] = {
		{"KEYS", "signed and valid, with a key to use"},
		{"DENIED", "DNSSEC proves that there is no key"},
		{"UNUSABLE", "signed and valid, but no key of it can be used"},
		{"INSECURE", "no key, and the zone is not signed"},
		{"INSECURE_KEYS", "a key, but the zone is not signed: not believed"},
		{"BOGUS", "DNSSEC validation failed"},
		{"FAILED", "no answer"},
		{"UNAVAILABLE", "DNSSEC does not get through: nothing can be said"},
		{"LIMITED", "not asked: too many lookups"},
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (!strcmp(texts[i][0], class))
			return texts[i][1];
	return "";
}

void oectl_render_resolve(FILE *out, const json_t *a)
{
	const json_t *keys = json_object_get(a, "keys"), *key;
	const char *name = oectl_str(a, "name", "?"), *class = oectl_str(a, "class", "?");
	const char *canonical = oectl_str(a, "canonical", ""), *why = text_or_null(a, "why");
	char took[OECTL_TEXT_LEN], ttl[OECTL_TEXT_LEN], label[32], kind[64];
	size_t i;

	fprintf(out, "%s IPSECKEY\n", name);
	if (*canonical && strcmp(canonical, name) != 0)
		oectl_field(out, "alias of", canonical);
	oectl_fieldf(out, "answer", "%s%s%s", class, class_text(class)[0] ? ": " : "",
		class_text(class));
	if (text_or_null(a, "broke"))
		oectl_fieldf(out, "broken at", "%s", oectl_str(a, "broke", ""));
	if (why)
		oectl_field(out, "why", why);
	if (oectl_num(a, "left_out", 0) > 0)
		oectl_fieldf(out, "left out", "%.0f more records, not looked at",
			oectl_num(a, "left_out", 0));
	oectl_fieldf(out, "believed", "for %s; the answer took %s",
		oectl_seconds(oectl_num(a, "ttl", 0), ttl),
		oectl_ms(oectl_num(a, "took_us", 0) / 1000, took));
	json_array_foreach(keys, i, key) {
		const char *fault = text_or_null(key, "fault");
		const char *gateway = text_or_null(key, "gateway");
		bool usable = oectl_bool(key, "usable");

		if (gateway && (!strcmp(gateway, ".") || !strcmp(gateway, "none")))
			gateway = NULL;
		snprintf(label, sizeof(label), "key %zu", i + 1);
		oectl_fieldf(out, label, "%s, precedence %.0f, %s%s%s%s", key_kind(key, kind),
			oectl_num(key, "precedence", 0), gateway ? "gateway " : "no gateway",
			gateway ? gateway : "", usable ? "" : ", NOT USABLE: ",
			usable  ? ""
			: fault ? fault
				: "no reason given");
		if (text_or_null(key, "fingerprint"))
			oectl_field(out, "", oectl_str(key, "fingerprint", ""));
	}
}

/* ---- trace */

/* Event times: "time" in seconds since 1970, or "ago_ms", or "time" in the daemon's own words. */
static void event_clock(const json_t *event, char *buf, size_t size)
{
	struct timespec now;
	char clock[16];
	struct tm tm;
	double at;
	time_t s;

	clock_gettime(CLOCK_REALTIME, &now);
	at = (double)now.tv_sec + (double)now.tv_nsec / 1e9 - oectl_num(event, "ago_ms", 0) / 1000;
	at = oectl_num(event, "time", at) + 0.0005;
	s = (time_t)at;
	if (!localtime_r(&s, &tm) || !strftime(clock, sizeof(clock), "%H:%M:%S", &tm))
		strcpy(clock, "?");
	snprintf(buf, size, "%s.%03d", clock, (int)((at - (double)s) * 1000));
}

void oectl_render_trace_line(FILE *out, const json_t *event)
{
	char clock[32];

	event_clock(event, clock, sizeof(clock));
	fprintf(out, "%s  %-15s  %-9s %s\n", oectl_str(event, "time", clock),
		oectl_str(event, "remote", "-"), oectl_str(event, "step", "?"),
		oectl_str(event, "text", ""));
}
