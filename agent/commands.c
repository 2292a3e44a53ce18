/* SPDX-License-Identifier: BSD-2-Clause */
/* The commands of the control socket. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/control_priv.h"
#include "agent/explain.h"
#include "agent/keytool.h"
#include "agent/own.h"
#include "base/log.h"
#include "base/service.h"

/* Peers whose counters one explain asks the kernel for. */
#define COUNTERS_MAX 16
#define COUNTERS_TIMEOUT_S 1
#define LOOKUP_TIMEOUT_S 15
/* The core's lookups count up from 1; ours have this bit. */
#define LOOKUP_BIT 0x80000000u
#define ERRORS_MAX 100

static void *must(void *p)
{
	if (!p) {
		log_error("out of memory");
		abort();
	}
	return p;
}

/* ---- questions that wait for a service */

void question_free(struct question *q)
{
	struct question **at = &q->control->questions;

	while (*at != q)
		at = &(*at)->next;
	*at = q->next;
	event_free(q->timeout);
	json_decref(q->answer);
	free(q);
}

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
	struct question *q = arg;

	(void)fd, (void)what;
	if (q->client && q->answer) /* explain, without the counters that did not come */
		client_send(q->client, json_incref(q->answer));
	else if (q->client)
		client_error(q->client, "no answer from the resolver in time");
	question_free(q);
}

struct question *question_new(struct client *c, int seconds)
{
	struct question *q = must(calloc(1, sizeof(*q)));

	q->control = c->control;
	q->client = c;
	q->timeout = must(evtimer_new(c->control->agent->base, on_timeout, q));
	evtimer_add(q->timeout, &(struct timeval){.tv_sec = seconds});
	q->next = c->control->questions;
	c->control->questions = q;
	return q;
}

/* ---- status, peers, stats */

static void dns_counters(const struct agent *a, json_t *o)
{
	const struct dns_stats *s = &a->dns_stats;
	const struct {
		const char *name;
		uint64_t value;
	} dns[] = {{"dns-lookups", s->lookups}, {"dns-questions", s->asked},
		{"dns-from-cache", s->at_once}, {"dns-joined", s->joined},
		{"dns-no-answer-in-time", s->deadline}, {"dns-limited-full", s->limited_full},
		{"dns-limited-rate", s->limited_rate},
		{"dns-limited-strangers", s->limited_strangers}, {"dns-probes", s->probes}};
	char name[40];

	for (size_t i = 0; i < sizeof(dns) / sizeof(dns[0]); i++)
		json_object_set_new(o, dns[i].name, json_integer((json_int_t)dns[i].value));
	for (int i = 0; i < DNS_N_CLASSES; i++) {
		snprintf(name, sizeof(name), "dns-class-%s", dns_class_name((enum dns_class)i));
		for (char *p = name; *p; p++)
			*p = (char)(*p == '_' ? '-' : *p >= 'A' && *p <= 'Z' ? *p | 0x20 : *p);
		json_object_set_new(o, name, json_integer((json_int_t)s->class[i]));
	}
}

static json_t *counters_json(const struct agent *a)
{
	json_t *o = json_object();
	struct oe_peers_stats s;

	oe_peers_get_stats(a->peers, &s);
	const struct {
		const char *name;
		uint64_t value;
	} own[] = {{"trapped", s.trapped}, {"lookups", s.lookups}, {"ike-initiated", s.connects},
		{"ike-inbound", s.inbound}, {"became-private", s.went_private},
		{"became-clear", s.went_clear}, {"became-blocked", s.went_blocked},
		{"downgraded", s.downgraded}, {"over-limit", s.refused_limit},
		{"decided-by-range", s.by_range}, {"ranges-known", s.ranges},
		{"keys-refreshed", s.refreshed}, {"hints-known", s.hints},
		{"hints-taken", s.hints_taken}, {"hints-refused", s.hints_refused},
		{"hints-over-limit", s.hints_over_limit}, {"hints-used", s.by_hint},
		{"lookups-ahead", s.warmed}, {"names-heard", a->names_heard},
		{"stray-esp", s.strays}, {"doubts", s.doubts},
		{"ike-half-open", a->ike_stats.half_open},
		{"ike-established", a->ike_stats.established}};

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		json_object_set_new(o, own[i].name, json_integer((json_int_t)own[i].value));
	for (unsigned int i = 0; i < IKE_STATS_MAX && ike_stats_name(i); i++) {
		char name[80];

		snprintf(name, sizeof(name), "ike-%s%s", ike_stats_is_drop(i) ? "dropped-" : "",
			ike_stats_name(i));
		json_object_set_new(o, name, json_integer((json_int_t)a->ike_stats.count[i]));
	}
	dns_counters(a, o);
	return o;
}

static json_t *services_json(const struct agent *a, uint64_t now)
{
	json_t *list = json_array();

	for (size_t i = 0; i < OE_N_SERVICES; i++) {
		const struct agent_service *s = &a->service[i];

		if (!services_wanted(a, (enum oe_service)i))
			continue;
		json_array_append_new(
			list, json_pack("{s:s, s:I, s:b, s:I, s:I}", "name",
				      oe_service_name((enum oe_service)i), "pid",
				      (json_int_t)s->pid, "ready", (int)s->ready, "up_s",
				      (json_int_t)(s->channel ? (now - s->since) / 1000000 : 0),
				      "restarts", (json_int_t)s->restarts));
	}
	return list;
}

static json_t *keys_json(const struct agent *a)
{
	json_t *list = json_array();

	for (size_t i = 0; i < a->signer.count; i++) {
		struct keytool_public k;

		if (keytool_public_from_spki(a->keys[i].spki, a->keys[i].len, &k) == 0)
			json_array_append_new(
				list, json_pack("{s:s, s:i, s:s, s:b}", "algorithm", k.name, "bits",
					      (int)k.bits, "fingerprint", k.fingerprint, "signs",
					      !(a->signer.standby >> i & 1)));
	}
	return list;
}

static json_t *addresses_json(const struct addr *list, size_t n)
{
	char text[ADDR_STRLEN];
	json_t *array = json_array();

	for (size_t i = 0; i < n && list[i].family; i++)
		json_array_append_new(array, json_string(addr_format(&list[i], text)));
	return array;
}

static json_t *records_json(const struct agent *a)
{
	json_t *list = json_array();
	const struct own_record *r;
	size_t n;

	r = own_records(a->own, &n);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:i, s:s}", "name", r[i].name, "state",
				      own_state_name((enum own_state)r[i].state), "others",
				      (int)r[i].others, "why", r[i].why));
	return list;
}

static void cmd_status(struct client *c, const json_t *request)
{
	static const char *const holds[] = {[XFRM_HOLD_NONE] = "none",
		[XFRM_HOLD_NFT] = "nft",
		[XFRM_HOLD_IPTABLES] = "iptables"};
	static const char *const paths[] = {[DNS_PATH_NONE] = "none",
		[DNS_PATH_FORWARDERS] = "forwarders",
		[DNS_PATH_RECURSION] = "recursion"};
	const struct agent *a = c->control->agent;
	uint64_t now = service_now();
	struct oe_peers_stats s;
	json_t *peers = json_object(), *o;

	(void)request;
	oe_peers_get_stats(a->peers, &s);
	for (int i = 0; i < OE_N_STATES; i++) {
		char name[16];

		snprintf(name, sizeof(name), "%s", oe_state_name((enum oe_state)i));
		for (char *p = name; *p; p++)
			*p = (char)(*p | 0x20);
		json_object_set_new(peers, name, json_integer(s.state[i]));
	}
	o = json_pack("{s:b, s:s, s:I, s:s, s:s, s:b, s:s, s:s, s:o, s:b, s:b, s:s, s:o, s:{s:I, "
		      "s:I}, s:o, "
		      "s:o, s:s, s:o, s:o}",
		"ok", 1, "version", PACKAGE_VERSION, "uptime_s",
		(json_int_t)((now - a->started) / 1000000), "hold", holds[a->xfrm.hold], "hold_why",
		a->xfrm.why, "dnssec", (int)a->dns.dnssec, "dns_path", paths[a->dns.path],
		"dns_why", a->dns.why, "forwarders",
		addresses_json(a->conf.dns_forwarders, DNS_FORWARDERS_MAX), "ipv4",
		(int)a->ike.ipv4, "ipv6", (int)a->ike.ipv6, "ike_why", a->ike.why, "services",
		services_json(a, now), "policy", "rules", (json_int_t)policy_count(a->policy),
		"refused", (json_int_t)a->policy_refused, "peers", peers, "keys", keys_json(a),
		"keys_why", a->signer.why, "local", addresses_json(a->locals, a->n_locals),
		"counters", counters_json(a));
	json_object_set_new(o, "records", records_json(a));
	client_send(c, o);
}

static void cmd_stats(struct client *c, const json_t *request)
{
	(void)request;
	client_send(
		c, json_pack("{s:b, s:o}", "ok", 1, "counters", counters_json(c->control->agent)));
}

struct rows {
	json_t *list;
	const struct addr *remote; /* explain: this address only */
	struct scope flow;         /* and what concerns this flow; proto 0: all */
	const struct oe_peer *peer[COUNTERS_MAX];
	size_t n;
	uint64_t now;
};

static void add_peer(void *arg, const struct oe_peer *p)
{
	const struct oe_peer ***end = arg;

	*(*end)++ = p;
}

static int by_address(const void *a, const void *b)
{
	const struct pair *x = &(*(const struct oe_peer *const *)a)->pair;
	const struct pair *y = &(*(const struct oe_peer *const *)b)->pair;
	int r = addr_compare(&x->remote, &y->remote);

	return r ? r : addr_compare(&x->local, &y->local);
}

static void cmd_peers(struct client *c, const json_t *request)
{
	const struct oe_peers *peers = c->control->agent->peers;
	const struct oe_peer **list, **end;
	json_t *rows = json_array();
	struct oe_peers_stats stats;

	(void)request;
	oe_peers_get_stats(peers, &stats);
	list = end = calloc(stats.peers + 1, sizeof(*list));
	if (!list) {
		client_error(c, "out of memory");
		json_decref(rows);
		return;
	}
	oe_peers_each(peers, add_peer, &end);
	qsort(list, (size_t)(end - list), sizeof(*list), by_address);
	for (const struct oe_peer **p = list; p < end; p++)
		json_array_append_new(rows, explain_row(*p, service_now()));
	free(list);
	client_send(c, json_pack("{s:b, s:o}", "ok", 1, "peers", rows));
}

/* ---- explain */

static bool get_address(struct client *c, const json_t *request, struct addr *ret)
{
	const char *text = json_string_value(json_object_get(request, "address"));

	if (text && addr_parse(text, ret) == 0)
		return true;
	client_error(c, "'%s' is not an IPv4 or IPv6 address", text ? text : "");
	return false;
}

static int get_number(const json_t *request, const char *name, json_int_t max, json_int_t *ret)
{
	*ret = json_integer_value(json_object_get(request, name));
	return *ret >= 0 && *ret <= max ? 0 : -1;
}

/* The optional protocol and ports. */
static bool get_flow(struct client *c, const json_t *request, struct scope *ret)
{
	json_int_t proto, sport, dport;

	if (get_number(request, "proto", UINT8_MAX, &proto) < 0 ||
		get_number(request, "sport", UINT16_MAX, &sport) < 0 ||
		get_number(request, "port", UINT16_MAX, &dport) < 0) {
		client_error(c, "a protocol is 0..255, a port 0..65535");
		return false;
	}
	*ret = (struct scope){
		.proto = (uint8_t)proto, .sport = (uint16_t)sport, .dport = (uint16_t)dport};
	return true;
}

static const struct pol_rule *lookup(
	const struct agent *a, const struct addr *remote, const struct scope *flow)
{
	return policy_lookup(a->policy, remote, flow->proto, flow->sport, flow->dport);
}

static void add_explained(void *arg, const struct oe_peer *p)
{
	struct rows *r = arg;

	if (!addr_equal(&p->pair.remote, r->remote) ||
		(r->flow.proto && !scope_covers(&p->pair.scope, &r->flow)))
		return;
	if (json_array_size(r->list) < COUNTERS_MAX) /* rows and peers go in step */
		r->peer[r->n++] = p;
	json_array_append_new(r->list, explain_peer(p, r->now));
}

static void cmd_explain(struct client *c, const json_t *request)
{
	struct rows r = {.list = json_array(), .now = service_now()};
	struct agent *a = c->control->agent;
	char text[ADDR_STRLEN];
	struct question *q;
	struct addr remote;
	json_t *answer;

	if (!get_address(c, request, &remote) || !get_flow(c, request, &r.flow)) {
		json_decref(r.list);
		return;
	}
	r.remote = &remote;
	oe_peers_each(a->peers, add_explained, &r);
	answer = json_pack("{s:b, s:s, s:o, s:o, s:o}", "ok", 1, "address",
		addr_format(&remote, text), "policy", explain_rule(lookup(a, &remote, &r.flow)),
		"peers", r.list, "hints", hints_json(a, &remote));
	if (!r.n || !a->service[OE_XFRM].ready) {
		client_send(c, answer);
		return;
	}
	q = question_new(c, COUNTERS_TIMEOUT_S);
	q->answer = answer;
	q->id = c->control->next_id + 1;
	q->n = q->left = (uint32_t)r.n;
	c->control->next_id += q->n;
	for (uint32_t i = 0; i < q->n; i++) {
		struct xfrm_counters_req m = {.tag = q->id + i, .pair = r.peer[i]->pair};

		agent_send(a, OE_XFRM, XFRM_REQ_COUNTERS, &m, sizeof(m), NULL, 0);
	}
}

void control_counters(struct control *ctl, const struct xfrm_counters *k)
{
	struct question *q = ctl->questions;
	json_t *row;

	while (q && !(q->answer && k->tag - q->id < q->n))
		q = q->next;
	if (!q)
		return;
	row = json_array_get(json_object_get(q->answer, "peers"), k->tag - q->id);
	json_object_set_new(row, "counters",
		json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "in_packets",
			(json_int_t)k->in_packets, "in_bytes", (json_int_t)k->in_bytes,
			"out_packets", (json_int_t)k->out_packets, "out_bytes",
			(json_int_t)k->out_bytes, "sas_in", (json_int_t)k->sas_in, "sas_out",
			(json_int_t)k->sas_out, "held_now", (json_int_t)k->held_now));
	if (--q->left)
		return;
	if (q->client)
		client_send(q->client, json_incref(q->answer));
	question_free(q);
}

/* ---- resolve */

static void cmd_resolve(struct client *c, const json_t *request)
{
	const char *text = json_string_value(json_object_get(request, "name"));
	struct dns_lookup m = {.question = DNS_ASK_REVERSE, .origin = DNS_FROM_HOST};
	struct control *ctl = c->control;
	struct question *q;

	if (!text || !*text || strlen(text) >= sizeof(m.name)) {
		client_error(c, "resolve needs an address or a domain name");
		return;
	}
	if (!ctl->agent->service[OE_RESOLVER].ready) {
		client_error(c, "the resolver is not ready; try again");
		return;
	}
	if (addr_parse(text, &m.addr) < 0) {
		m.question = DNS_ASK_NAME;
		memcpy(m.name, text, strlen(text));
	}
	q = question_new(c, LOOKUP_TIMEOUT_S);
	q->id = m.id = ++ctl->next_id | LOOKUP_BIT;
	agent_send(ctl->agent, OE_RESOLVER, DNS_REQ_LOOKUP, &m, sizeof(m), NULL, 0);
}

static json_t *key_json(const struct dns_key *k)
{
	static const char *const gateways[] = {"none", "IPv4 address", "IPv6 address", "name"};
	struct keytool_public pub = {0};

	if (k->fault == DNS_KEY_OK && k->spki_len <= DNS_SPKI_MAX)
		keytool_public_from_spki(k->spki, k->spki_len, &pub);
	return json_pack("{s:s, s:i, s:i, s:s, s:b, s:s?, s:s?}", "algorithm",
		pub.name[0]         ? pub.name
		: k->algorithm == 2 ? "RSA"
		: k->algorithm == 3 ? "ECDSA"
		: k->algorithm == 4 ? "EdDSA"
				    : "unknown",
		"bits", (int)k->bits, "precedence", (int)k->precedence, "gateway",
		k->gateway_type < 4 ? gateways[k->gateway_type] : "unknown", "usable",
		k->fault == DNS_KEY_OK, "fault",
		k->fault == DNS_KEY_OK ? NULL : dns_key_fault_text((enum dns_key_fault)k->fault),
		"fingerprint", pub.name[0] ? pub.fingerprint : NULL);
}

bool control_answer(
	struct control *ctl, const struct dns_answer *a, const uint8_t *keys, size_t len)
{
	struct question *q = ctl->questions;
	json_t *list;

	if (!(a->id & LOOKUP_BIT))
		return false;
	while (q && (q->answer || q->hint || q->id != a->id))
		q = q->next;
	if (!q)
		return true; /* nobody waits any more */
	list = json_array();
	for (size_t at = 0; at + sizeof(struct dns_key) <= len; at += sizeof(struct dns_key)) {
		struct dns_key k;

		memcpy(&k, keys + at, sizeof(k));
		json_array_append_new(list, key_json(&k));
	}
	if (q->client)
		client_send(q->client,
			json_pack("{s:b, s:s#, s:s#, s:s, s:I, s:I, s:b, s:s#, s:s#, s:I, s:o}",
				"ok", 1, "name", a->name, (int)strnlen(a->name, sizeof(a->name)),
				"canonical", a->canonical,
				(int)strnlen(a->canonical, sizeof(a->canonical)), "class",
				dns_class_name((enum dns_class)a->class), "ttl", (json_int_t)a->ttl,
				"took_us", (json_int_t)a->took_us, "cached", (int)a->cached, "why",
				a->why, (int)strnlen(a->why, sizeof(a->why)), "broke", a->broke,
				(int)strnlen(a->broke, sizeof(a->broke)), "left_out",
				(json_int_t)a->n_left_out, "keys", list));
	else
		json_decref(list);
	question_free(q);
	return true;
}

/* ---- policy */

static void cmd_policy_test(struct client *c, const json_t *request)
{
	const struct pol_rule *r;
	char text[ADDR_STRLEN];
	struct scope flow;
	struct addr remote;
	json_t *o;

	if (!get_address(c, request, &remote) || !get_flow(c, request, &flow))
		return;
	r = lookup(c->control->agent, &remote, &flow);
	o = explain_rule(r);
	if (!r)
		o = json_pack("{s:s}", "group", "none");
	json_object_set_new(o, "ok", json_true());
	json_object_set_new(o, "address", json_string(addr_format(&remote, text)));
	json_object_set_new(o, "meaning",
		json_string(r ? explain_group(r->group)
			      : "no line names it: in clear, nothing is asked"));
	client_send(c, o);
}

static void cmd_policy_show(struct client *c, const json_t *request)
{
	const struct policy *p = c->control->agent->policy;
	json_t *list = json_array();

	(void)request;
	for (size_t i = 0; i < policy_count(p); i++)
		json_array_append_new(list, explain_rule(policy_rule(p, i)));
	client_send(c, json_pack("{s:b, s:o}", "ok", 1, "rules", list));
}

/* ---- commands that change something */

static void say(struct client *c, size_t n, const char *done)
{
	char text[64];

	snprintf(text, sizeof(text), "%s: %zu peer%s", done, n, n == 1 ? "" : "s");
	client_send(c, json_pack("{s:b, s:s}", "ok", 1, "text", text));
}

static void cmd_forget(struct client *c, const json_t *request)
{
	struct agent *a = c->control->agent;
	struct addr remote;

	if (get_address(c, request, &remote))
		say(c, oe_peers_forget(a->peers, &remote, service_now()), "forgotten");
	agent_arm(a);
}

static void cmd_down(struct client *c, const json_t *request)
{
	struct agent *a = c->control->agent;
	struct addr remote;

	if (get_address(c, request, &remote))
		say(c, oe_peers_down(a->peers, &remote, service_now()), "taken down");
	agent_arm(a);
}

/* The address of ours from which packets to remote leave, by the kernel's routes; no packet is sent
 * by connecting a datagram socket. */
static bool source_for(const struct addr *remote, struct addr *ret)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(remote, 500, &ss);
	int fd = socket(remote->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool ok = fd >= 0 && connect(fd, (struct sockaddr *)&ss, len) == 0;

	len = sizeof(ss);
	ok = ok && getsockname(fd, (struct sockaddr *)&ss, &len) == 0 &&
	     addr_from_sockaddr((struct sockaddr *)&ss, ret, NULL) == 0;
	if (fd >= 0)
		close(fd);
	return ok;
}

static void cmd_up(struct client *c, const json_t *request)
{
	struct agent *a = c->control->agent;
	struct pair pair = {0};
	const struct pol_rule *rule;
	struct scope flow;

	if (!get_address(c, request, &pair.remote) || !get_flow(c, request, &flow))
		return;
	if (!source_for(&pair.remote, &pair.local)) {
		client_error(c, "there is no route to %s", addr_str(&pair.remote));
		return;
	}
	rule = lookup(a, &pair.remote, &flow);
	if (rule)
		pair.scope = pol_scope(rule);
	if (oe_peers_up(a->peers, &pair, service_now()) < 0)
		client_error(c,
			"the policy lets nothing be encrypted with %s: see 'oectl policy test'",
			addr_str(&pair.remote));
	else
		client_send(
			c, json_pack("{s:b, s:s}", "ok", 1, "text", "asked; see 'oectl explain'"));
	agent_arm(a);
}

static void add_error(void *arg, const char *text)
{
	log_warn("%s", text);
	if (json_array_size(arg) < ERRORS_MAX)
		json_array_append_new(arg, json_string(text));
}

static void cmd_reload(struct client *c, const json_t *request)
{
	json_t *errors = json_array();
	size_t refused = agent_reload(c->control->agent, add_error, errors);

	(void)request;
	client_send(c, json_pack("{s:b, s:s, s:I, s:o}", "ok", 1, "text", "reloaded", "refused",
			       (json_int_t)refused, "errors", errors));
}

static void cmd_trace(struct client *c, const json_t *request)
{
	(void)request;
	c->tracing = true;
	client_send(c, json_pack("{s:b}", "ok", 1));
}

enum who { ANYBODY, HINTER, ROOT };

static const struct {
	const char *name;
	void (*run)(struct client *c, const json_t *request);
	enum who who;
} commands[] = {
	{"status", cmd_status, ANYBODY},
	{"peers", cmd_peers, ANYBODY},
	{"stats", cmd_stats, ANYBODY},
	{"explain", cmd_explain, ANYBODY},
	{"resolve", cmd_resolve, ROOT}, /* it makes traffic */
	{"policy test", cmd_policy_test, ANYBODY},
	{"policy show", cmd_policy_show, ANYBODY},
	{"trace", cmd_trace, ANYBODY},
	{"hint", cmd_hint, HINTER},
	{"forget", cmd_forget, ROOT},
	{"down", cmd_down, ROOT},
	{"up", cmd_up, ROOT},
	{"reload", cmd_reload, ROOT},
};

static bool may(const struct client *c, enum who who)
{
	if (c->hinter)
		return who == HINTER;
	return who == ANYBODY || c->root;
}

void command_run(struct client *c, const json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "command"));

	for (size_t i = 0; name && i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(name, commands[i].name) != 0)
			continue;
		if (may(c, commands[i].who))
			commands[i].run(c, request);
		else if (c->hinter)
			client_error(c, "this socket is for hints only, not for '%s'", name);
		else
			client_error(c, "only root may do '%s'", name);
		return;
	}
	client_error(c, "there is no command '%s'", name ? name : "");
}
