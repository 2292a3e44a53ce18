/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `oectl check`: whether this host has all that oed needs, a line for each thing with its remedy. What
 * the daemon knows is asked of it; where it does not run as much as can be is found out without.
 */
#include "ctl/check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "agent/manual.h"
#include "ctl/key_publish.h"
#include "ctl/rollover.h"
#include "policy/policy.h"

#define TEXT_MAX 1200
#define TEXT_COLUMN 17
/* A rollover that nobody goes on with for so long is forgotten, not slow. */
#define FORGOTTEN_S 86400

void check_say(struct check *c, enum check_state state, const char *name, const char *remedy,
	const char *fmt, ...)
{
	static const char *const words[] = {
		[CHECK_OK] = "ok", [CHECK_WARN] = "warn", [CHECK_FAIL] = "fail"};
	static const char *const shown[] = {
		[CHECK_OK] = "ok", [CHECK_WARN] = "warn", [CHECK_FAIL] = "FAIL"};
	char text[TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	c->warned += state == CHECK_WARN;
	c->failed += state == CHECK_FAIL;
	if (state == CHECK_OK)
		remedy = NULL;
	if (c->ctl->json) {
		json_array_append_new(
			c->list, json_pack("{s:s, s:s, s:s, s:s?}", "name", name, "state",
					 words[state], "text", text, "remedy", remedy));
		return;
	}
	fprintf(c->ctl->out, "%-4s  %-10s ", shown[state], name);
	oectl_wrap(c->ctl->out, TEXT_COLUMN, text);
	if (remedy) {
		fprintf(c->ctl->out, "%*s", TEXT_COLUMN, "");
		oectl_wrap(c->ctl->out, TEXT_COLUMN, remedy);
	}
}

/* ---- configuration */

struct faults {
	struct check *c;
	const char *name;
};

static void say_fault(void *arg, const char *text)
{
	const struct faults *f = arg;

	check_say(f->c, CHECK_FAIL, f->name, NULL, "%s", text);
}

static void check_conf(struct check *c)
{
	struct faults f = {.c = c, .name = "oed.conf"};
	size_t refused, before = c->failed;
	struct policy *policy;
	struct manual *manual;
	char path[PATH_MAX];

	conf_defaults(&c->conf);
	conf_load(c->ctl->confdir, say_fault, &f, &c->conf);
	f.name = "policies";
	snprintf(path, sizeof(path), "%s/policies", c->ctl->confdir);
	policy = policy_load(path, say_fault, &f, &refused);
	f.name = "peers.d";
	manual = manual_load(c->ctl->confdir, NULL, say_fault, &f, &refused);
	if (c->failed == before && !policy_count(policy))
		check_say(c, CHECK_WARN, "policies",
			"write prefixes into policies/private-or-clear",
			"there is no rule: all traffic is in clear");
	else if (c->failed == before)
		check_say(c, CHECK_OK, "policies", NULL, "%zu rule%s, no mistake in %s",
			policy_count(policy), policy_count(policy) == 1 ? "" : "s",
			c->ctl->confdir);
	policy_free(policy);
	manual_free(manual);
}

/* ---- keys */

static void check_rollover(struct check *c, const char *dir)
{
	struct rollover *r = calloc(1, sizeof(*r));
	int error = r ? rollover_load(dir, r) : -ENOMEM;
	uint64_t now = (uint64_t)time(NULL), due;

	due = error ? 0 : rollover_due(r);
	if (error)
		check_say(c, CHECK_WARN, "rollover", NULL, "%s/rollover.json: %s", dir,
			error == -EBADMSG ? "is damaged" : strerror(-error));
	else if (r->step && rollover_next(r, now) == ROLLOVER_DO_WAIT)
		check_say(c, CHECK_OK, "rollover", NULL, "%s; the rest is to wait",
			rollover_step_text(r));
	else if (r->step)
		check_say(c, CHECK_WARN, "rollover", "oectl key rollover continue",
			due && now > due + FORGOTTEN_S ? "forgotten: %s" : "%s, and it can go on",
			rollover_step_text(r));
	free(r);
}

static void check_keys(struct check *c)
{
	struct oectl_key *keys = NULL;
	char dir[PATH_MAX - 128];
	int n = oectl_read_keys(c->ctl, &keys), good = 0;
	struct stat st;

	snprintf(dir, sizeof(dir), "%s/keys", c->ctl->confdir);
	for (int i = 0; i < n; i++) {
		if (keys[i].fault)
			check_say(
				c, CHECK_FAIL, "key", NULL, "%s: %s", keys[i].path, keys[i].fault);
		else if (keys[i].role == OECTL_KEY_CURRENT)
			check_say(c, CHECK_OK, "key", NULL, "%s", oectl_key_str(&keys[i].pub));
		good += !keys[i].fault;
	}
	if (n == -EACCES)
		check_say(c, CHECK_WARN, "key", "run this as root", "%s cannot be read", dir);
	else if (n <= 0)
		check_say(c, CHECK_WARN, "key", "oectl key generate, and publish it",
			"there is none: this host is anonymous, and nobody can verify it");
	if (stat(dir, &st) == 0 && ((st.st_mode & 022) || st.st_uid != 0))
		check_say(c, CHECK_FAIL, "key", "chown root and chmod 700 it",
			"%s can be written by others than root: the signer does not read it", dir);
	if (good)
		check_rollover(c, dir);
	free(keys);
}

/* ---- the daemon */

static void check_daemon(struct check *c)
{
	const json_t *services = json_object_get(c->status, "services"), *s;
	const char *hold = oectl_str(c->status, "hold", "none");
	bool v4 = oectl_bool(c->status, "ipv4"), v6 = oectl_bool(c->status, "ipv6"), good = true;
	size_t i;

	if (!c->status) {
		check_say(c, CHECK_WARN, "oed",
			"systemctl enable --now oed; journalctl -u oed says why it "
			"does not run",
			"does not run, or does not answer here");
		return;
	}
	json_array_foreach(services, i, s) {
		double restarts = oectl_num(s, "restarts", 0);

		if (!oectl_bool(s, "ready")) {
			check_say(c, CHECK_FAIL, "oed", "journalctl -u oed says why",
				"its service %s is not ready", oectl_str(s, "name", "?"));
			good = false;
		} else if (restarts > 3) {
			check_say(c, CHECK_WARN, "oed", "journalctl -u oed says why",
				"its service %s was started again %.0f times",
				oectl_str(s, "name", "?"), restarts);
			good = false;
		}
	}
	if (good)
		check_say(c, CHECK_OK, "oed", NULL, "runs, with all its services");
	if (v4 && v6)
		check_say(c, CHECK_OK, "IKE", NULL, "listens on IPv4 and IPv6");
	else
		check_say(c, v4 || v6 ? CHECK_WARN : CHECK_FAIL, "IKE", "see 'ports' below",
			"listens on %s: %s",
			v4   ? "IPv4 only"
			: v6 ? "IPv6 only"
			     : "nothing",
			oectl_str(c->status, "ike_why", ""));
	if (!strcmp(hold, "none"))
		check_say(c, c->conf.hold_enable ? CHECK_WARN : CHECK_OK, "hold",
			"nftables with nft_queue, or iptables-legacy with xt_NFQUEUE",
			"first packets are lost and sent again by their protocol: %s",
			oectl_str(c->status, "hold_why", "switched off in oed.conf"));
	else
		check_say(c, CHECK_OK, "hold", NULL, "first packets wait for the decision, by %s",
			strcmp(hold, "nft") ? hold : "nftables");
}

/* ---- DNS */

static bool has_signatures(const struct dns_reply *reply)
{
	struct dns_head head;
	struct wire_reader r = dns_answers(reply->b, reply->len, &head);

	for (unsigned int i = 0; i < head.count[1] && !r.bad; i++)
		if (dns_rr_read(&r).type == DNS_TYPE_RRSIG && !r.bad)
			return true;
	return false;
}

/* Whether a forwarder passes DNSSEC records on, without the daemon's validation. */
static void check_forwarder(
	struct check *c, const struct dns_server *server, struct dns_reply *reply)
{
	static const struct dname root = {.len = 1};
	int error = dnsask_any(server, 1, &root, DNS_TYPE_DNSKEY, true, reply);
	char text[ADDR_STRLEN];

	addr_format(&server->addr, text);
	if (!error && has_signatures(reply))
		check_say(c, CHECK_OK, "DNSSEC", NULL, "%s passes it on", text);
	else
		check_say(c, CHECK_WARN, "DNSSEC",
			"name a resolver that does as forwarders in oed.conf, or "
			"none for full recursion",
			"%s %s%s", text,
			error == -ETIMEDOUT ? "does not answer"
			: error             ? "does not answer as it should"
					    : "does not pass it on",
			c->conf.dns_fallback ? ": the root servers will be asked instead" : "");
}

/* Our records as a resolver has them; only the daemon can tell whether they are to be believed. */
static void check_record(struct check *c, const char *owner, const struct dns_server *servers,
	size_t n, const struct oectl_key *keys, int n_keys, struct dns_reply *reply)
{
	struct update_rrset *set = calloc(1, sizeof(*set));
	struct dname name;
	bool ours = false;
	int error;

	if (!set || dname_parse(owner, &name) < 0) {
		free(set);
		return;
	}
	error = dnsask_any(servers, n, &name, DNS_TYPE_IPSECKEY, true, reply);
	if (!error)
		error = update_read(reply->b, reply->len, &name, set);
	for (size_t i = 0; !error && i < set->n; i++)
		for (int k = 0; k < n_keys; k++)
			ours = ours || (keys[k].role == OECTL_KEY_CURRENT &&
					       update_is_key(&set->record[i], &keys[k].pub));
	if (error == -ENOENT)
		check_say(c, CHECK_WARN, "record",
			"oectl key publish, or by hand what 'oectl key "
			"ipseckey' prints",
			"%s has none", owner);
	else if (error)
		check_say(c, CHECK_WARN, "record", NULL, "%s: DNS does not answer", owner);
	else if (ours)
		check_say(c, CHECK_OK, "record", NULL, "%s has our key%s", owner,
			reply->b[3] & DNS_FLAG_AD
				? ""
				: ", whether it is believed is seen when oed runs");
	else
		check_say(c, CHECK_FAIL, "record", "oectl key publish",
			"%s has another key: peers will refuse ours", owner);
	free(set);
}

static void check_dns_alone(struct check *c)
{
	struct dns_server servers[DNSASK_SERVERS_MAX];
	struct dns_reply *reply = malloc(sizeof(*reply));
	struct oectl_key *keys = NULL;
	char names[OECTL_OWNERS_MAX + 1][256];
	size_t n = oectl_resolvers(&c->conf, servers), n_names;
	int n_keys;

	if (!reply)
		abort();
	if (!c->conf.dns_forwarders[0].family)
		check_say(c, CHECK_OK, "DNSSEC", NULL, "by full recursion, tried when oed runs");
	for (size_t i = 0; c->conf.dns_forwarders[0].family && i < n; i++)
		check_forwarder(c, &servers[i], reply);
	n_keys = oectl_read_keys(c->ctl, &keys);
	n_names = n && n_keys > 0 ? oectl_local_owners(names) : 0;
	if (n_names && c->conf.ike_identity[0])
		oectl_owner_name(c->conf.ike_identity, names[n_names++]);
	for (size_t i = 0; i < n_names; i++)
		check_record(c, names[i], servers, n, keys, n_keys, reply);
	free(keys);
	free(reply);
}

static void check_record_of(struct check *c, const json_t *r)
{
	static const struct {
		const char *state;
		enum check_state how;
		const char *text, *remedy;
	} table[] = {
		{"matches", CHECK_OK, "has our key, DNSSEC secure", NULL},
		{"differs", CHECK_FAIL, "has another key: peers will refuse ours",
			"oectl key publish"},
		{"absent", CHECK_WARN, "has no key: nobody can verify this host by it",
			"oectl key publish, or by hand what 'oectl key ipseckey' prints"},
		{"unsigned", CHECK_WARN,
			"is in a zone that is not signed: nobody can believe a key there",
			"have the zone signed with DNSSEC, and its DS published by the parent"},
	};
	const char *state = oectl_str(r, "state", "");

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (!strcmp(state, table[i].state)) {
			check_say(c, table[i].how, "record", table[i].remedy, "%s %s",
				oectl_str(r, "name", "?"), table[i].text);
			return;
		}
	check_say(c, CHECK_WARN, "record", "oectl resolve says why", "%s is not known yet%s%s",
		oectl_str(r, "name", "?"), oectl_str(r, "why", "")[0] ? ": " : "",
		oectl_str(r, "why", ""));
}

static void check_dns(struct check *c)
{
	const json_t *r;
	size_t i;

	if (!c->status) {
		check_dns_alone(c);
		return;
	}
	if (oectl_bool(c->status, "dnssec"))
		check_say(c, CHECK_OK, "DNSSEC", NULL, "validates, %s%s%s",
			strcmp(oectl_str(c->status, "dns_path", ""), "recursion")
				? "by the forwarders"
				: "by full recursion",
			oectl_str(c->status, "dns_why", "")[0] ? ": " : "",
			oectl_str(c->status, "dns_why", ""));
	else
		check_say(c, CHECK_FAIL, "DNSSEC",
			"name a resolver that passes it on as forwarders in "
			"oed.conf, or none for full recursion",
			"does not get through, so no key can be believed: %s",
			oectl_str(c->status, "dns_why", ""));
	json_array_foreach(json_object_get(c->status, "records"), i, r)
		check_record_of(c, r);
}

/* ---- the command */

int oectl_check(const struct oectl *ctl)
{
	struct check c = {.ctl = ctl, .list = json_array()};

	c.status = oectl_daemon(ctl, "status", NULL);
	if (c.status && !oectl_bool(c.status, "ok")) {
		json_decref(c.status);
		c.status = NULL;
	}
	check_conf(&c);
	check_keys(&c);
	check_daemon(&c);
	check_kernel(&c);
	check_sysctls(&c);
	check_ports(&c);
	check_clock(&c);
	check_users(&c);
	check_dns(&c);
	if (ctl->json)
		oectl_say_json(
			ctl, json_pack("{s:b, s:i, s:i, s:O}", "ok", !c.failed, "warnings",
				     (int)c.warned, "failures", (int)c.failed, "checks", c.list));
	else
		fprintf(ctl->out, "%zu failure%s, %zu warning%s\n", c.failed,
			c.failed == 1 ? "" : "s", c.warned, c.warned == 1 ? "" : "s");
	json_decref(c.status);
	json_decref(c.list);
	return c.failed ? OECTL_NO : OECTL_OK;
}
