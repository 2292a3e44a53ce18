/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The agent: the hub.
 *
 * Objects: struct agent owns the settings, the policy, the peers' core, four services' channels and
 * the control socket. Events: messages of the services, which are told apart here and handed to the
 * core (peer.c) or, where they concern a service as a whole, dealt with here; signals; commands
 * (control.c); one timer, set to the core's next deadline. The agent is unprivileged: whoever must
 * be started with privilege is asked of the monitor.
 *
 * The way of a packet through this file: XFRM_EV_TRAPPED goes to the core, which sends
 * DNS_REQ_LOOKUP; DNS_EV_ANSWER goes to the core, which sends IKE_REQ_CONNECT; IKE_EV_SIGN goes to
 * the signer and its signature back; IKE_EV_CHILD_OUT goes to the core, which sends
 * XFRM_REQ_SA_OUT, which releases the packet. The figure in doc/design.md is this.
 *
 * Start: the kernel's rules are sent as soon as the xfrm service is there; what they trap is held
 * until the others are. Stop: rules that let traffic fall back to clear become allow rules, what is
 * private or blocked stays closed, SAs go on. Death: nothing changes in the kernel.
 */
#include "agent/agent.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>

#include "agent/control.h"
#include "agent/own.h"
#include "agent/watch.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "base/service.h"
#include "resolver/listener.h"

#define RULES_PER_MESSAGE ((MSG_MAX - sizeof(struct xfrm_rules)) / sizeof(struct xfrm_rule))
#define STOP_GRACE_S 2
/* The kernel's allow policies outlive an agent that died by this. */
#define CLEAR_LIFETIME_S 120
#define EXIT_CONFIG 78
#define ERRNO_MAX 4095 /* include/linux/err.h */

void agent_send(struct agent *a, enum oe_service to, uint16_t type, const void *fixed,
	size_t fixed_len, const void *tail, size_t tail_len)
{
	if (a->service[to].channel)
		msg_send(a->service[to].channel, type, fixed, fixed_len, tail, tail_len);
}

static void core_send(void *arg, enum oe_service to, uint16_t type, const void *fixed,
	size_t fixed_len, const void *tail, size_t tail_len)
{
	agent_send(arg, to, type, fixed, fixed_len, tail, tail_len);
}

static void core_journal(void *arg, const struct oe_peer *p, const struct journal_entry *e)
{
	struct agent *a = arg;

	control_trace(a->control, p, e);
}

static void on_stuck(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	services_kill(arg, "it owes an answer for too long");
}

/* From inside the core: the service goes with the next turn of the loop. */
static void core_stuck(void *arg, enum oe_service service)
{
	static const struct timeval now;
	struct agent *a = arg;

	if (event_base_once(a->base, -1, EV_TIMEOUT, on_stuck, &a->service[service], &now) < 0)
		log_error("out of memory");
}

static void core_hinted(void *arg, uint32_t tag, const struct dns_answer *answer, size_t taken)
{
	struct agent *a = arg;

	control_hinted(a->control, tag, answer, taken);
}

void agent_arm(struct agent *a)
{
	uint64_t now = service_now(), due = oe_peers_timers(a->peers, now);
	struct timeval tv;

	if (due == a->due)
		return;
	a->due = due;
	if (due == UINT64_MAX) {
		evtimer_del(a->timer);
		return;
	}
	due = due > now ? due - now : 0;
	tv.tv_sec = (time_t)(due / 1000000);
	tv.tv_usec = (suseconds_t)(due % 1000000);
	evtimer_add(a->timer, &tv);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct agent *a = arg;

	(void)fd, (void)what;
	a->due = UINT64_MAX;
	agent_arm(a);
}

/* ---- settings to the services */

static enum xfrm_action action_of(enum pol_group group, bool stopping)
{
	switch (group) {
	case POL_BLOCK:
		return XFRM_ACTION_BLOCK;
	case POL_CLEAR:
	case POL_CLEAR_OR_PRIVATE:
		return XFRM_ACTION_ALLOW;
	case POL_PRIVATE_OR_CLEAR:
		return stopping ? XFRM_ACTION_ALLOW : XFRM_ACTION_TRAP;
	case POL_PRIVATE:
		return XFRM_ACTION_GUARD;
	case POL_N_GROUPS:
		break;
	}
	return XFRM_ACTION_BLOCK;
}

struct private_rules {
	struct xfrm_rule *rules;
	size_t n, cap;
};

/* What an established SA needs to go on without its trap: a template for just this peer. */
static void add_private(void *arg, const struct oe_peer *p)
{
	struct private_rules *list = arg;
	struct xfrm_rule r = {.remote = prefix_host(&p->pair.remote), .action = XFRM_ACTION_TRAP};

	if (p->state != OE_PRIVATE || !p->rule || p->rule->group == POL_PRIVATE ||
		list->n == list->cap)
		return;
	r.rank = p->rule->rank;
	list->rules[list->n++] = r;
}

static void send_rules(struct agent *a, bool stopping)
{
	size_t n = policy_count(a->policy), cap = n;
	struct private_rules list = {0};
	struct oe_peers_stats stats;
	struct xfrm_rule *rules;

	oe_peers_get_stats(a->peers, &stats);
	if (stopping)
		cap += stats.state[OE_PRIVATE];
	rules = calloc(cap + 1, sizeof(*rules));
	if (!rules) {
		log_error("out of memory");
		abort();
	}
	for (size_t i = 0; i < n; i++) {
		const struct pol_rule *r = policy_rule(a->policy, i);

		rules[i] = (struct xfrm_rule){.remote = r->remote,
			.rank = r->rank,
			.action = (uint8_t)action_of(r->group, stopping),
			.proto = r->proto,
			.sport = r->sport,
			.dport = r->dport};
	}
	if (stopping) {
		list = (struct private_rules){.rules = rules + n, .cap = stats.state[OE_PRIVATE]};
		oe_peers_each(a->peers, add_private, &list);
		n += list.n;
	}
	for (size_t at = 0; at == 0 || at < n; at += RULES_PER_MESSAGE) {
		size_t count = n - at < RULES_PER_MESSAGE ? n - at : RULES_PER_MESSAGE;
		struct xfrm_rules m = {.first = at == 0, .last = at + count == n};

		agent_send(a, OE_XFRM, XFRM_REQ_RULES, &m, sizeof(m), rules + at,
			count * sizeof(*rules));
	}
	free(rules);
}

static void send_exempt(struct agent *a)
{
	struct xfrm_exempt list[2 * DNS_FORWARDERS_MAX] = {0};
	struct xfrm_exempt_list m = {0};

	for (size_t i = 0; i < DNS_FORWARDERS_MAX && a->conf.dns_forwarders[i].family; i++) {
		static const uint8_t protos[] = {IPPROTO_UDP, IPPROTO_TCP};

		for (size_t k = 0; k < 2; k++)
			list[m.count++] = (struct xfrm_exempt){.remote = a->conf.dns_forwarders[i],
				.port = a->conf.dns_port,
				.proto = protos[k]};
	}
	agent_send(a, OE_XFRM, XFRM_REQ_EXEMPT, &m, sizeof(m), list, m.count * sizeof(list[0]));
}

static void configure_xfrm(struct agent *a)
{
	struct xfrm_config c = {.hold = a->conf.hold_enable,
		.hold_max = a->conf.hold_packets,
		.hold_peer_max = a->conf.hold_packets_per_peer,
		.clear_lifetime = CLEAR_LIFETIME_S};

	agent_send(a, OE_XFRM, XFRM_REQ_CONFIG, &c, sizeof(c), NULL, 0);
	/* before the rules: the resolver is not to be trapped for a moment */
	send_exempt(a);
	send_rules(a, false);
}

/* Changes when one of these files does. */
static uint64_t stamp_file(uint64_t h, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return h * UINT64_C(1099511628211) + 1;
	h = (h ^ st.st_ino) * UINT64_C(1099511628211);
	h = (h ^ (uint64_t)st.st_size) * UINT64_C(1099511628211);
	h = (h ^ (uint64_t)st.st_mtim.tv_sec) * UINT64_C(1099511628211);
	return (h ^ (uint64_t)st.st_mtim.tv_nsec) * UINT64_C(1099511628211);
}

static uint64_t stamp_dns_files(const struct conf *c)
{
	uint64_t h = 0;

	h = stamp_file(h, *c->dns_trust_anchor_file ? c->dns_trust_anchor_file : DNS_ANCHOR_FILE);
	h = stamp_file(h, c->dns_extra_anchor_file);
	return stamp_file(h, *c->dns_root_hints_file ? c->dns_root_hints_file : DNS_HINTS_FILE);
}

static void configure_resolver(struct agent *a)
{
	struct dns_config c = {.forwarder_port = a->conf.dns_port,
		.options = (a->conf.dns_unblock_lan_zones ? DNS_OPT_UNBLOCK_LAN : 0) |
			   (a->conf.dns_fallback ? DNS_OPT_FALLBACK : 0) |
			   (a->conf.dns_track_root ? DNS_OPT_TRACK_ROOT : 0)};

	memcpy(c.forwarders, a->conf.dns_forwarders, sizeof(c.forwarders));
	snprintf(c.anchor_file, sizeof(c.anchor_file), "%s", a->conf.dns_trust_anchor_file);
	snprintf(c.extra_anchors, sizeof(c.extra_anchors), "%s", a->conf.dns_extra_anchor_file);
	snprintf(c.root_hints, sizeof(c.root_hints), "%s", a->conf.dns_root_hints_file);
	a->dns_files = stamp_dns_files(&a->conf);
	agent_send(a, OE_RESOLVER, DNS_REQ_CONFIG, &c, sizeof(c), NULL, 0);
}

static void send_own_keys(struct agent *a)
{
	struct ike_own_keys m = {.count = a->signer.count, .standby = a->signer.standby};

	/* without a key it does not outlive us, but the ike service */
	memcpy(m.qcd_secret, a->signer.count ? a->signer.qcd_secret : a->qcd_secret,
		sizeof(m.qcd_secret));
	agent_send(
		a, OE_IKE, IKE_REQ_OWN_KEYS, &m, sizeof(m), a->keys, m.count * sizeof(a->keys[0]));
}

static void configure_ike(struct agent *a)
{
	struct ike_config c = {.retransmit_ms = a->conf.ike_retransmit_ms,
		.retransmits = a->conf.ike_retransmits,
		.init_timeout_ms = a->conf.ike_init_timeout_ms,
		.half_open_max = a->conf.ike_half_open_max,
		.cookie_above = a->conf.ike_cookie_above,
		.liveness_s = a->conf.ike_liveness_s,
		.rekey_s = a->conf.ike_lifetime_s,
		.post_quantum = a->conf.ike_post_quantum};

	snprintf(c.id_fqdn, sizeof(c.id_fqdn), "%s", a->conf.ike_identity);
	agent_send(a, OE_IKE, IKE_REQ_CONFIG, &c, sizeof(c), NULL, 0);
	send_own_keys(a);
}

void agent_configure(struct agent *a, struct agent_service *s)
{
	switch (s->id) {
	case OE_XFRM:
		a->n_locals = 0;
		oe_peers_locals(a->peers, a->locals, 0);
		configure_xfrm(a);
		break;
	case OE_RESOLVER:
		configure_resolver(a);
		break;
	case OE_IKE:
		configure_ike(a);
		break;
	case OE_SIGNER: /* read its keys by itself */
	case OE_LISTENER:
	case OE_N_SERVICES:
		break;
	}
}

static void log_line(void *arg, const char *text)
{
	(void)arg;
	log_warn("%s", text);
}

static void check_secret(
	const struct agent *a, const struct manual_peer *p, uint32_t line, const char *name)
{
	for (size_t k = 0; k < a->n_secrets; k++)
		if (!strcmp(a->secrets[k], name))
			return;
	log_warn("%s:%u: there is no secret '%s'; write it into %s/keys/%s.psk, mode 600", p->file,
		line, name, a->confdir, name);
}

/* One line for each secret of a peer that is not there. */
static void check_secrets(const struct agent *a)
{
	for (size_t i = 0; i < manual_count(a->manual); i++) {
		const struct manual_peer *p = manual_at(a->manual, i);

		if (p->auth == MANUAL_PSK)
			check_secret(a, p, p->secret_line, p->secret);
		if (*p->ppk)
			check_secret(a, p, p->ppk_line, p->ppk);
	}
}

static int on_secrets(
	struct agent *a, const struct signer_secrets *m, const uint8_t *tail, size_t len)
{
	if (m->count > SIGNER_SECRETS_MAX || len != m->count * sizeof(a->secrets[0]))
		return -EBADMSG;
	for (size_t i = 0; i < m->count; i++)
		if (!memchr(tail + i * IKE_NAME_MAX, 0, IKE_NAME_MAX))
			return -EBADMSG;
	if (len)
		memcpy(a->secrets, tail, len);
	a->n_secrets = m->count;
	check_secrets(a);
	return 0;
}

static int on_signer_ready(
	struct agent *a, const struct signer_ready *r, const uint8_t *tail, size_t len)
{
	struct ike_pubkey keys[AGENT_KEYS_MAX] = {0};

	if (len != r->count * sizeof(a->keys[0]) || r->count > AGENT_KEYS_MAX ||
		!memchr(r->why, 0, sizeof(r->why)))
		return -EBADMSG;
	if (len)
		memcpy(keys, tail, len);
	for (size_t i = 0; i < r->count; i++)
		if (keys[i].len == 0 || keys[i].len > IKE_SPKI_MAX)
			return -EBADMSG;
	signs_find_keys(a, keys, r->count);
	a->signer = *r;
	memcpy(a->keys, keys, sizeof(keys));
	own_changed(a->own);
	oe_peers_own_key(a->peers, r->count > 0);
	send_own_keys(a);
	if (!r->count)
		log_info("no key of our own: anonymous (make one with 'oectl key generate')");
	manual_check_keys(a->manual, a->keys, r->count, log_line, NULL);
	services_ready(&a->service[OE_SIGNER]);
	signs_ask(a);
	return 0;
}

/* ---- messages */

static void on_local(struct agent *a, const struct xfrm_local *l)
{
	size_t i;

	own_changed(a->own);
	for (i = 0; i < a->n_locals && !addr_equal(&a->locals[i], &l->addr); i++)
		;
	if (l->up && i == a->n_locals && i < AGENT_LOCALS_MAX)
		a->locals[a->n_locals++] = l->addr;
	else if (!l->up && i < a->n_locals)
		a->locals[i] = a->locals[--a->n_locals];
	else
		return;
	oe_peers_locals(a->peers, a->locals, a->n_locals);
	if (!l->up)
		oe_peers_local_gone(a->peers, &l->addr, service_now());
	/* this may be another network, with another view of DNS */
	oe_peers_flush_ranges(a->peers);
}

/* systemd-resolved may come later than we, and go: said once. */
static int on_listener_ready(struct agent *a, const struct listener_ready *r)
{
	if (r->error > 0 || r->error < -ERRNO_MAX)
		return -EBADMSG;
	if (r->error && r->error != a->listener_error)
		log_warn("oed.conf, [dns] resolved-monitor: " LISTENER_SOCKET ": %s; is "
			 "systemd-resolved running, version 252 or later?", strerror(-r->error));
	else if (!r->error && a->listener_error)
		log_info("systemd-resolved is listened to");
	a->listener_error = r->error;
	services_ready(&a->service[OE_LISTENER]);
	return 0;
}

/* Local applications were given these addresses. */
static int on_name(struct agent *a, const struct listener_name *n)
{
	struct oe_hint hint = {.name = n->name,
		.claims = n->addrs,
		.n_claims = n->n_addrs,
		.from = HINT_RESOLVED};

	if (!memchr(n->name, 0, sizeof(n->name)) || !n->n_addrs || n->n_addrs > DNS_ADDRS_MAX)
		return -EBADMSG;
	for (size_t i = 0; i < n->n_addrs; i++)
		if (!addr_valid(&n->addrs[i]))
			return -EBADMSG;
	a->names_heard++;
	for (size_t i = 0; i < n->n_addrs; i++)
		oe_peers_warm(a->peers, &n->addrs[i], service_now());
	if (a->conf.dns_resolved_monitor == CONF_RESOLVED_HINTS)
		oe_peers_hint(a->peers, &hint, service_now());
	return 0;
}

/* Nothing of a message is kept before it is known to be good: status shows what is kept. */
static int service_ready(struct agent *a, struct agent_service *s, uint16_t type, const void *fixed)
{
	const struct xfrm_ready *xfrm = fixed;
	const struct dns_ready *dns = fixed;
	const struct ike_ready *ike = fixed;
	bool back = false;

	switch (type) {
	case XFRM_EV_READY:
		if (!memchr(xfrm->why, 0, sizeof(xfrm->why)) || xfrm->hold > XFRM_HOLD_IPTABLES)
			return -EBADMSG;
		a->xfrm = *xfrm;
		if (a->xfrm.hold == XFRM_HOLD_NONE && a->conf.hold_enable)
			log_warn("first packets cannot be held and will be lost: %s", a->xfrm.why);
		break;
	case DNS_EV_READY:
		if (!memchr(dns->why, 0, sizeof(dns->why)) || dns->path > DNS_PATH_RECURSION)
			return -EBADMSG;
		own_changed(a->own);
		back = dns->dnssec && !a->dns.dnssec;
		if (dns->path != a->dns.path)
			oe_peers_flush_ranges(a->peers);
		a->dns = *dns;
		break;
	case IKE_EV_READY:
		if (!memchr(ike->why, 0, sizeof(ike->why)))
			return -EBADMSG;
		a->ike = *ike;
		if (a->ike.why[0])
			log_warn("IKE: %s", a->ike.why);
		break;
	}
	services_ready(s);
	if (back)
		oe_peers_dns_back(a->peers, service_now());
	return 0;
}

void agent_message(struct agent *a, struct agent_service *s, uint16_t type, const void *fixed,
	const uint8_t *tail, size_t tail_len)
{
	int r = 0;

	switch (type) {
	case XFRM_EV_READY:
	case DNS_EV_READY:
	case IKE_EV_READY:
		r = service_ready(a, s, type, fixed);
		break;
	case SIGNER_EV_READY:
		r = on_signer_ready(a, fixed, tail, tail_len);
		break;
	case LISTENER_EV_READY:
		r = on_listener_ready(a, fixed);
		break;
	case LISTENER_EV_NAME:
		r = on_name(a, fixed);
		break;
	case SIGNER_EV_SECRETS:
		r = on_secrets(a, fixed, tail, tail_len);
		break;
	case SIGNER_EV_DONE:
		signs_done(a, fixed, tail, tail_len);
		break;
	case IKE_EV_SIGN:
		signs_add(a, fixed, tail, tail_len);
		break;
	case IKE_EV_STATS:
		a->ike_stats = *(const struct ike_stats *)fixed;
		break;
	case XFRM_EV_LOCAL:
		if (addr_valid(&((const struct xfrm_local *)fixed)->addr))
			on_local(a, fixed);
		else
			r = -EBADMSG;
		break;
	case XFRM_EV_COUNTERS:
		if (((const struct xfrm_counters *)fixed)->tag == OE_COUNTERS_TAG)
			r = oe_peers_event(a->peers, type, fixed, NULL, 0, service_now());
		else
			control_counters(a->control, fixed);
		break;
	case DNS_EV_STATS:
		a->dns_stats = *(const struct dns_stats *)fixed;
		break;
	case DNS_EV_ANSWER:
		if (own_answer(a->own, fixed, tail, tail_len) ||
			control_answer(a->control, fixed, tail, tail_len))
			break;
		/* fall through */
	default:
		r = oe_peers_event(a->peers, type, fixed, tail, tail_len, service_now());
		break;
	}
	if (r < 0)
		services_kill(s, "a message that cannot be");
	else
		agent_arm(a);
}

/* ---- settings */

static struct policy *load_policy(struct agent *a, void (*on_error)(void *arg, const char *text),
	void *arg, size_t *ret_refused)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/policies", a->confdir);
	return policy_load(path, on_error, arg, ret_refused);
}

static bool dns_same(const struct conf *a, const struct conf *b)
{
	return !memcmp(a->dns_forwarders, b->dns_forwarders, sizeof(a->dns_forwarders)) &&
	       a->dns_port == b->dns_port &&
	       a->dns_unblock_lan_zones == b->dns_unblock_lan_zones &&
	       a->dns_fallback == b->dns_fallback && a->dns_track_root == b->dns_track_root &&
	       !strcmp(a->dns_trust_anchor_file, b->dns_trust_anchor_file) &&
	       !strcmp(a->dns_extra_anchor_file, b->dns_extra_anchor_file) &&
	       !strcmp(a->dns_root_hints_file, b->dns_root_hints_file);
}

void agent_forwarders_changed(struct agent *a)
{
	struct conf conf = a->conf;

	conf_system_forwarders(conf.dns_forwarders, NULL);
	if (dns_same(&a->conf, &conf))
		return;
	log_info("the system's resolvers have changed");
	memcpy(a->conf.dns_forwarders, conf.dns_forwarders, sizeof(conf.dns_forwarders));
	/* before anything is asked there */
	send_exempt(a);
	oe_peers_flush_ranges(a->peers);
	configure_resolver(a);
}

size_t agent_reload(struct agent *a, void (*on_error)(void *arg, const char *text), void *arg)
{
	struct policy *old = a->policy;
	struct manual *old_manual = a->manual;
	struct conf conf = a->conf;
	size_t refused = 0, manual_refused;

	if (conf_load(a->confdir, on_error, arg, &conf) < 0)
		refused++;
	a->policy = load_policy(a, on_error, arg, &a->policy_refused);
	refused += a->policy_refused;
	a->manual = manual_load(a->confdir, old_manual, on_error, arg, &manual_refused);
	refused += manual_refused;
	bool same = dns_same(&a->conf, &conf);

	a->conf = conf;
	services_log_level(a);
	oe_peers_configure(a->peers, &a->conf, a->policy, service_now());
	policy_free(old);
	oe_peers_manual(a->peers, a->manual, service_now());
	manual_free(old_manual);
	configure_xfrm(a);
	/* what was refused may be mended */
	if (!same || a->dns.error || a->dns_files != stamp_dns_files(&a->conf)) {
		oe_peers_flush_ranges(a->peers);
		configure_resolver(a);
	}
	configure_ike(a);
	/* keys and secrets that came or went: a new signer reads them */
	services_renew(&a->service[OE_SIGNER]);
	services_optional(a);
	watch_arm(a->watch);
	own_changed(a->own);
	agent_arm(a);
	log_info("reloaded: %zu rules, %zu lines refused", policy_count(a->policy), refused);
	return refused;
}

/* ---- signals, start and stop */

static void on_hup(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	agent_reload(arg, log_line, NULL);
}

static void on_stop_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	event_base_loopbreak(((struct agent *)arg)->base);
}

static void on_term(evutil_socket_t fd, short what, void *arg)
{
	struct xfrm_stop stop = {.keep = 1};
	struct agent *a = arg;

	(void)fd, (void)what;
	if (a->stopping)
		return;
	log_info("stopping: what is private stays closed, SAs go on");
	send_rules(a, true);
	agent_send(a, OE_XFRM, XFRM_REQ_STOP, &stop, sizeof(stop), NULL, 0);
	a->stopping = true;
	/* time for the kernel's part; the service ends by itself then */
	evtimer_add(a->stop_timer, &(struct timeval){.tv_sec = STOP_GRACE_S});
}

static const char *const agent_syscalls[] = {
	"openat",
	"getdents64",
	"readlink", /* the configuration, on reload */
	"socket",
	"bind",
	"listen",
	"accept4",
	"accept",
	"unlink",
	"chmod",
	"fchmod", /* control.sock */
	"setsockopt",
	"connect",
	"getsockname", /* oectl up: which of our addresses the route is from */
	"ioctl", /* libevent asks a client's socket how much there is to read */
	"inotify_init1",
	"inotify_add_watch",
	"inotify_rm_watch", /* the system's resolvers */
	NULL,
};

static int start(struct agent *a)
{
	struct oe_effects fx = {.arg = a, .send = core_send, .journal = core_journal,
		.stuck = core_stuck, .hinted = core_hinted};
	static const struct sandbox sandbox = {.user = "_oed", .syscalls = agent_syscalls};

	size_t manual_refused;

	a->confdir = getenv("OED_CONFDIR");
	a->rundir = getenv("OED_RUNDIR");
	if (!a->confdir || !a->rundir)
		return -EINVAL;
	a->started = service_now();
	a->due = UINT64_MAX;
	if (getrandom(a->qcd_secret, sizeof(a->qcd_secret), 0) != sizeof(a->qcd_secret) ||
		getrandom(fx.seed, sizeof(fx.seed), 0) != sizeof(fx.seed))
		return -EIO;
	a->base = event_base_new();
	if (!a->base || sandbox_enter(&sandbox) < 0)
		return -EPERM;
	conf_defaults(&a->conf);
	if (conf_load(a->confdir, log_line, NULL, &a->conf) < 0) {
		log_error("the configuration has mistakes; nothing was started");
		return -EINVAL;
	}
	services_log_level(a);
	a->policy = load_policy(a, log_line, NULL, &a->policy_refused);
	log_info("%zu rules, %zu lines refused", policy_count(a->policy), a->policy_refused);
	a->manual = manual_load(a->confdir, NULL, log_line, NULL, &manual_refused);
	if (manual_count(a->manual) || manual_refused)
		log_info("%zu peers configured by hand, %zu lines refused",
			manual_count(a->manual), manual_refused);
	a->peers = oe_peers_new(&fx, &a->conf, a->policy);
	oe_peers_manual(a->peers, a->manual, service_now());
	a->timer = evtimer_new(a->base, on_timer, a);
	a->stop_timer = evtimer_new(a->base, on_stop_timer, a);
	a->term = evsignal_new(a->base, SIGTERM, on_term, a);
	a->hup = evsignal_new(a->base, SIGHUP, on_hup, a);
	if (!a->timer || !a->stop_timer || !a->term || !a->hup)
		return -ENOMEM;
	event_add(a->term, NULL);
	event_add(a->hup, NULL);
	/* the monitor passes the terminal's Ctrl-C on as SIGTERM */
	signal(SIGINT, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	a->control = control_new(a);
	if (!a->control)
		return -EIO;
	a->watch = watch_new(a);
	a->own = own_new(a);
	return services_start(a);
}

static void finish(struct agent *a)
{
	control_free(a->control);
	watch_free(a->watch);
	own_free(a->own);
	services_stop(a);
	oe_peers_free(a->peers);
	signs_forget(a);
	policy_free(a->policy);
	manual_free(a->manual);
	struct event *events[] = {a->timer, a->stop_timer, a->term, a->hup};

	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		if (events[i])
			event_free(events[i]);
	if (a->base)
		event_base_free(a->base);
}

int agent_main(void)
{
	enum log_level level = LOG_LEVEL_INFO;
	const char *text = getenv("OED_LOG_LEVEL");
	static struct agent a;
	int r;

	if (text && log_level_parse(text, &level))
		a.log_least = level;
	log_init("oed", level);
	prctl(PR_SET_NAME, "oed");
	r = start(&a);
	if (r == 0)
		event_base_dispatch(a.base);
	a.stopping = true;
	finish(&a);
	return r == -EINVAL ? EXIT_CONFIG : r < 0 ? 1 : 0;
}
