/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IKE SAs as the agent sees them: whom to call, whom to answer, with which keys a peer may prove
 * itself, and what the outcome means. The protocol itself is in ike/.
 */
#include "agent/peer_priv.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Exchanges one peer may have at a time: ours, its, and what each of them replaces. */
#define SAS_MAX 6
/* Packets under way by an old SA still arrive so long after a new one is up. */
#define TIDY_US (5 * SECOND)
/* RFC 7296 section 3.5 */
#define ID_IPV4_ADDR 1
#define ID_FQDN 2
#define ID_IPV6_ADDR 5
#define ID_NULL 13 /* RFC 7619 section 2.2 */

struct oe_sa *peer_sa_new(struct oe_peers *ps, struct oe_peer *p, uint32_t handle, bool initiator)
{
	struct oe_sa *sa = oe_must(calloc(1, sizeof(*sa)));

	sa->peer = p;
	sa->handle = handle;
	sa->initiator = initiator;
	sa->since = ps->now;
	sa->next = p->sas;
	p->sas = sa;
	if (handle)
		table_add(&ps->by_handle, sa);
	return sa;
}

void peer_sa_remove(struct oe_peers *ps, struct oe_sa *sa)
{
	struct oe_sa **at = &sa->peer->sas;

	while (*at != sa)
		at = &(*at)->next;
	*at = sa->next;
	if (sa->handle)
		table_remove(&ps->by_handle, sa);
	if (sa->lookup)
		peer_drop_lookup(ps, sa->lookup);
	while (sa->children)
		peer_child_remove(ps, sa, sa->children);
	free(sa->claims);
	free(sa);
}

void peer_sa_move(struct oe_sa *sa, struct oe_peer *p)
{
	struct oe_sa **at = &sa->peer->sas;

	while (*at != sa)
		at = &(*at)->next;
	*at = sa->next;
	sa->peer = p;
	sa->next = p->sas;
	p->sas = sa;
}

struct oe_sa *peer_sa_find(const struct oe_peers *ps, uint32_t handle)
{
	return table_find(&ps->by_handle, &handle);
}

bool negotiate_busy(const struct oe_peer *p)
{
	for (const struct oe_sa *sa = p->sas; sa; sa = sa->next)
		if (sa->handle && !sa->up)
			return true;
	return false;
}

/* Those without an IKE SA must not stand in the way of a new one. */
static size_t count_sas(const struct oe_peer *p)
{
	size_t n = 0;

	for (const struct oe_sa *sa = p->sas; sa; sa = sa->next)
		n += sa->handle != 0;
	return n;
}

/* A hint's key makes nothing worse: where a peer without a key would do, this one does without it. */
static bool anonymous_too(const struct oe_peers *ps, const struct oe_peer *p)
{
	return p->by_hint && !peer_hint_trusted(ps, p) &&
	       peer_conf(ps, p)->anonymous == CONF_ANON_INITIATE;
}

/* A new SA is wanted by a private peer, and may come of the exchange that runs. */
static void look_again(struct oe_peers *ps, struct oe_peer *p)
{
	p->retry = 1;
	peer_state(ps, p, OE_PRIVATE, (enum oe_reason)p->reason, RENEW_US);
}

void negotiate_connect(struct oe_peers *ps, struct oe_peer *p)
{
	struct ike_pubkey keys[IKE_KEYS_MAX];
	struct ike_connect c = {.pair = p->pair, .packet = p->packet};

	if (p->state == OE_RESOLVING)
		peer_state(ps, p, OE_NEGOTIATING, OE_WHY_KEY,
			ps->conf->ike_connect_limit_ms * UINT64_C(1000));
	/* where the ike service is away the peer waits for it, up to connect-limit */
	if (negotiate_busy(p) || !ps->up[OE_IKE]) {
		if (negotiate_busy(p) && p->state == OE_PRIVATE)
			look_again(ps, p);
		return;
	}
	if (count_sas(p) >= SAS_MAX) {
		peer_fall_back(ps, p, OE_WHY_LIMIT, 0);
		return;
	}
	do {
		c.handle = ++ps->next_handle & ~IKE_HANDLE_INBOUND;
	} while (!c.handle || peer_sa_find(ps, c.handle));
	c.n_keys = (uint32_t)proofs_keys(p, keys);
	if (p->manual)
		manual_terms(p->manual, &p->pair.remote, &c.terms);
	else if (!c.n_keys || anonymous_too(ps, p))
		c.allow |= IKE_ALLOW_ANONYMOUS_PEER;
	if (!ps->have_key && !p->manual)
		c.allow |= IKE_ALLOW_ANONYMOUS_SELF;
	peer_sa_new(ps, p, c.handle, true);
	ps->stats.connects++;
	ps->stats.by_hint += p->by_hint;
	peer_note(ps, p, JOURNAL_CONNECT, !ps->have_key && !*c.terms.psk, c.n_keys, c.handle);
	p->packet = (struct scope){0};
	proofs_send(ps, p, IKE_REQ_CONNECT, &c, sizeof(c), keys, c.n_keys);
}

/* ---- the peer calls */

static int on_inbound(struct oe_peers *ps, const struct ike_inbound *in)
{
	struct ike_accept answer = {.handle = in->handle};
	const uint8_t *hashes = NULL;
	struct oe_peer *p = NULL;

	if (!(in->handle & IKE_HANDLE_INBOUND) || peer_sa_find(ps, in->handle) ||
		!pair_valid(&in->pair))
		return -EBADMSG;
	ps->stats.inbound++;
	/* which of its traffic it means it says with its identity */
	if (policy_may_encrypt(ps->policy, &in->pair.remote))
		p = peer_get(ps, &in->pair);
	if (p && count_sas(p) < SAS_MAX) {
		answer.answer = 1;
		peer_sa_new(ps, p, in->handle, false);
		if (p->state == OE_IDLE)
			p->rule = policy_lookup(ps->policy, &in->pair.remote, 0, 0, 0);
		peer_note(ps, p, JOURNAL_INBOUND, 0, in->remote_port, in->handle);
		/* the answer is wanted when the peer says who it is, a round trip from now */
		peer_look_up(ps, p, false);
	}
	if (answer.answer && p->manual)
		answer.ppk = *p->manual->ppk != '\0';
	if (answer.answer && p->manual)
		hashes = certs_hashes(p->manual->certs, &answer.n_cas);
	ps->fx.send(ps->fx.arg, OE_IKE, IKE_REQ_ACCEPT, &answer, sizeof(answer), hashes,
		answer.n_cas * (size_t)IKE_CA_HASH_LEN);
	return 0;
}

static void authorize(struct oe_peers *ps, struct oe_sa *sa, uint32_t allow,
	const struct ike_pubkey *keys, size_t n)
{
	struct ike_authorize a = {.handle = sa->handle,
		.allow = allow,
		.n_keys = (uint32_t)n,
		.scope = sa->peer->pair.scope,
		.no_scope = sa->no_scope};

	if (sa->peer->manual)
		manual_terms(sa->peer->manual, &sa->peer->pair.remote, &a.terms);
	else if (!ps->have_key)
		a.allow |= IKE_ALLOW_ANONYMOUS_SELF;
	peer_note(ps, sa->peer, JOURNAL_AUTHORIZED, a.allow, (unsigned int)n, sa->handle);
	proofs_send(ps, sa->peer, IKE_REQ_AUTHORIZE, &a, sizeof(a), keys, n);
}

static void refuse(struct oe_peers *ps, struct oe_sa *sa, enum oe_reason why)
{
	struct ike_authorize a = {.handle = sa->handle};

	peer_note(ps, sa->peer, JOURNAL_REFUSED, why, 0, sa->handle);
	ps->fx.send(ps->fx.arg, OE_IKE, IKE_REQ_AUTHORIZE, &a, sizeof(a), NULL, 0);
}

static void refuse_without_key(struct oe_peers *ps, struct oe_sa *sa, enum dns_class class)
{
	refuse(ps, sa, peer_says_nothing(class) ? peer_dns_reason(class) : OE_WHY_NO_KEYS);
}

static bool known(const struct oe_peers *ps, const struct oe_peer *p)
{
	return p->dns_known && p->dns_until > ps->now;
}

/* A peer that proves nothing: RFC 7619, as far as the group lets it. */
static void judge_anonymous(struct oe_peers *ps, struct oe_sa *sa)
{
	const struct oe_peer *p = sa->peer;

	for (const struct oe_sa *s = p->sas; s; s = s->next)
		if (s->up && s->auth_peer != IKE_AUTH_NONE) {
			refuse(ps, sa, OE_WHY_ANON_WEAKER);
			return;
		}
	/* who publishes a key can prove itself: somebody else may be speaking here */
	if (ps->conf->group[peer_group(p)].anonymous == CONF_ANON_NEVER ||
		(p->dns_known && p->dns_class == DNS_KEYS) || peer_hint_trusted(ps, p)) {
		refuse(ps, sa, OE_WHY_NO_KEYS);
		return;
	}
	authorize(ps, sa, IKE_ALLOW_ANONYMOUS_PEER, NULL, 0);
}

/* The answer to it is known to the resolver; what was missing is known to us. */
static void ask_name_again(struct oe_peers *ps, struct oe_sa *sa)
{
	char *name = sa->claims;

	sa->claims = NULL;
	peer_look_up_name(ps, sa, name);
	free(name);
}

/* The reverse lookup of the peer's address is answered. */
static void judge(struct oe_peers *ps, struct oe_sa *sa, enum dns_class class)
{
	struct ike_pubkey keys[IKE_KEYS_MAX];
	size_t n = proofs_keys(sa->peer, keys);

	sa->waits = 0;
	if (sa->claims)
		ask_name_again(ps, sa);
	else if (sa->null_auth)
		judge_anonymous(ps, sa);
	else if (n)
		authorize(ps, sa, 0, keys, n);
	else
		refuse_without_key(ps, sa, class);
}

void negotiate_answered(struct oe_peers *ps, struct oe_peer *p, enum dns_class class)
{
	for (struct oe_sa *sa = p->sas; sa; sa = sa->next) {
		nat_answered(ps, sa);
		if (sa->waits)
			judge(ps, sa, class);
	}
}

void negotiate_unanswered(struct oe_peers *ps, struct oe_peer *p, struct oe_sa *sa)
{
	if (sa) {
		refuse(ps, sa, OE_WHY_DNS_TIMEOUT);
		/* libunbound finishes it, so that the next attempt finds it known */
		peer_drop_lookup(ps, sa->lookup);
		sa->lookup = 0;
		return;
	}
	for (sa = p->sas; sa; sa = sa->next) {
		if (!sa->waits)
			continue;
		/* what is asked for anew may be good still */
		if (known(ps, p)) {
			judge(ps, sa, (enum dns_class)p->dns_class);
			continue;
		}
		sa->waits = 0;
		p->late = 1;
		refuse(ps, sa, OE_WHY_DNS_TIMEOUT);
	}
}

/* Whether a name may be proved whose addresses do not hold the peer's; if not, that was said, or waits. */
static bool roams(struct oe_peers *ps, struct oe_sa *sa, const char *name)
{
	enum oe_reason why;

	if (translated_waits(ps, sa)) {
		peer_text(&sa->claims, name);
		sa->waits = 1;
		peer_bound_verdict(ps, sa->peer);
		return false;
	}
	why = translated_refusal(ps, sa);
	if (why != OE_WHY_NONE) {
		refuse(ps, sa, why);
		return false;
	}
	sa->translated = 1;
	peer_note(ps, sa->peer, JOURNAL_TRANSLATED, 0, 0, sa->handle);
	return true;
}

void negotiate_name_answered(struct oe_peers *ps, struct oe_sa *sa, const struct dns_answer *a,
	const struct dns_key *keys)
{
	struct ike_pubkey out[IKE_KEYS_MAX] = {0};
	size_t n = 0;

	if (a->class != DNS_KEYS) {
		refuse_without_key(ps, sa, (enum dns_class)a->class);
		return;
	}
	if (!a->addr_matches && !roams(ps, sa, a->name))
		return;
	for (size_t i = 0; i < a->n_keys && n < IKE_KEYS_MAX; i++) {
		if (keys[i].fault != DNS_KEY_OK)
			continue;
		out[n].len = keys[i].spki_len;
		memcpy(out[n++].spki, keys[i].spki, keys[i].spki_len);
	}
	sa->by_name = 1;
	authorize(ps, sa, 0, out, n);
}

/* A host name as DNS has them; nothing else is asked for. */
static bool plausible_name(const uint8_t *id, size_t len)
{
	if (len == 0 || len >= DNS_NAME_MAX - 1 || !memchr(id, '.', len))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum(id[i]) && id[i] != '-' && id[i] != '.' && id[i] != '_')
			return false;
	return true;
}

static uint64_t hash_id(const struct ike_identity *id)
{
	uint64_t h = UINT64_C(14695981039346656037) ^ id->id_type; /* FNV-1a */

	for (size_t i = 0; i < id->id_len; i++)
		h = (h ^ id->id[i]) * UINT64_C(1099511628211);
	return h ? h : 1;
}

static int on_identity(struct oe_peers *ps, const struct ike_identity *id)
{
	struct oe_sa *sa = peer_sa_find(ps, id->handle);
	struct ike_pubkey keys[IKE_KEYS_MAX];
	const struct addr *remote;
	char name[DNS_NAME_MAX];
	struct oe_peer *p;

	if (id->id_len > IKE_ID_MAX || id->n_wishes > IKE_WISHES_MAX)
		return -EBADMSG;
	if (!sa || sa->initiator)
		return 0; /* closed while it was under way */
	/* said once: a second lookup would outlive what it is for */
	if (sa->lookup || sa->waits)
		return -EBADMSG;
	peer_take_wishes(ps, sa, id);
	p = sa->peer;
	remote = &p->pair.remote;
	sa->null_auth = id->null_auth != 0;
	sa->nat = id->nat != 0;
	sa->id_hash = hash_id(id);
	peer_note(ps, p, JOURNAL_IDENTITY, id->id_type, sa->null_auth, sa->handle);
	if (nat_is_shared(ps, sa, id)) {
		refuse(ps, sa, OE_WHY_SHARED_NAT);
		return 0;
	}
	if (p->manual) { /* the ike service compares the identity with the terms */
		authorize(ps, sa, 0, keys, proofs_keys(p, keys));
		return 0;
	}
	if (id->id_type == ID_FQDN && !sa->null_auth) {
		if (!plausible_name(id->id, id->id_len)) {
			refuse(ps, sa, OE_WHY_ID_MISMATCH);
			return 0;
		}
		memcpy(name, id->id, id->id_len);
		name[id->id_len] = '\0';
		peer_look_up_name(ps, sa, name);
		return 0;
	}
	if (!sa->null_auth && ((id->id_type != ID_IPV4_ADDR && id->id_type != ID_IPV6_ADDR) ||
				      id->id_len != addr_size(remote) ||
				      memcmp(id->id, remote->b, id->id_len) != 0)) {
		refuse(ps, sa, OE_WHY_ID_MISMATCH);
		return 0;
	}
	if (known(ps, p) && !p->lookup &&
		(p->by_hint || !peer_hint(ps, p, (enum dns_class)p->dns_class))) {
		judge(ps, sa, (enum dns_class)p->dns_class);
		return 0;
	}
	sa->waits = 1;
	peer_look_up(ps, p, false);
	if (sa->waits)
		peer_bound_verdict(ps, p);
	return 0;
}

/* ---- up */

static enum oe_reason proved(const struct oe_sa *sa)
{
	bool peer = sa->auth_peer != IKE_AUTH_NONE, self = sa->auth_self != IKE_AUTH_NONE;

	return peer   ? self ? OE_WHY_MUTUAL : OE_WHY_PEER_PROVED
	       : self ? OE_WHY_SELF_PROVED
		      : OE_WHY_ANONYMOUS;
}

/* NULL where there are more than any ike service of ours can name. */
static const char *keep_suite(struct oe_peers *ps, const char *text)
{
	struct oe_suite *s = ps->suites;

	while (s && strcmp(s->text, text) != 0)
		s = s->next;
	if (!s && ps->n_suites < SUITES_MAX) {
		s = oe_must(calloc(1, sizeof(*s)));
		snprintf(s->text, sizeof(s->text), "%s", text);
		s->next = ps->suites;
		ps->suites = s;
		ps->n_suites++;
	}
	return s ? s->text : NULL;
}

static int on_up(struct oe_peers *ps, const struct ike_up *u)
{
	struct oe_sa *sa = peer_sa_find(ps, u->handle);
	struct oe_peer *p;

	if (!memchr(u->suite, 0, sizeof(u->suite)) || !memchr(u->esp, 0, sizeof(u->esp)) ||
		!memchr(u->peer_id, 0, sizeof(u->peer_id)) || u->auth_peer > IKE_AUTH_PSK ||
		u->auth_self > IKE_AUTH_PSK)
		return -EBADMSG;
	if (!sa)
		return 0;
	p = sa->peer;
	sa->up = 1;
	p->key_gone = 0;
	sa->auth_peer = u->auth_peer;
	sa->auth_self = u->auth_self;
	sa->by_hint = p->by_hint && u->auth_peer == IKE_AUTH_SIGNATURE && !sa->by_name;
	p->tries = 0;
	p->retry = 0;
	p->wants = 0;
	peer_text(&p->ike_why, NULL);
	peer_text(&p->peer_id, u->peer_id);
	p->suite = keep_suite(ps, u->suite);
	proofs_keep(p, sa, u->key);
	peer_note(ps, p, JOURNAL_UP, u->auth_peer | u->auth_self << 4, u->took_ms, sa->handle);
	/* the timer closes what this SA has replaced */
	peer_state(ps, p, OE_PRIVATE, proved(sa), TIDY_US);
	return 0;
}

/* SAs without an IKE SA are replaced by any that has one; of two of these the ike service takes care. */
void negotiate_tidy(struct oe_peers *ps, struct oe_peer *p)
{
	struct oe_sa *sa, *next;
	bool any = false;

	for (sa = p->sas; sa; sa = sa->next)
		any = any || (sa->handle && sa->up);
	for (sa = p->sas; sa; sa = next) {
		next = sa->next;
		/* what the peer answers to one without inbound half is lost */
		if (!sa->handle && (any || !sa->children->spi_in))
			peer_sa_remove(ps, sa);
	}
}

void negotiate_anew(struct oe_peers *ps, struct oe_peer *p)
{
	if (!negotiate_busy(p)) {
		peer_look_up(ps, p, true);
	} else if (p->state == OE_PRIVATE) {
		look_again(ps, p);
	}
}

static int on_rekeyed(struct oe_peers *ps, const struct ike_rekeyed *r)
{
	struct oe_sa *sa = peer_sa_find(ps, r->handle);

	if (!memchr(r->suite, 0, sizeof(r->suite)) || r->initiator > 1)
		return -EBADMSG;
	if (!sa)
		return 0;
	peer_note(ps, sa->peer, JOURNAL_REKEYED, r->initiator, 0, r->handle);
	sa->peer->suite = keep_suite(ps, r->suite);
	return 0;
}

/* The peer does not rekey: a whole new IKE SA, beside which the ike service closes this one. */
static void on_stale(struct oe_peers *ps, const struct ike_stale *s)
{
	struct oe_sa *sa = peer_sa_find(ps, s->handle);

	if (sa && sa->up)
		negotiate_anew(ps, sa->peer);
}

/* ---- the end */

static bool has_child(const struct oe_peer *p)
{
	for (const struct oe_sa *sa = p->sas; sa; sa = sa->next)
		if (peer_sa_out(sa) && (sa->up || !sa->handle))
			return true;
	return false;
}

static bool has_ike(const struct oe_peer *p)
{
	for (const struct oe_sa *sa = p->sas; sa; sa = sa->next)
		if (sa->handle && sa->up)
			return true;
	return false;
}

/* A private peer has lost its last child SA. */
static void bereft(struct oe_peers *ps, struct oe_peer *p)
{
	if (negotiate_busy(p)) /* a new one is on its way */
		peer_state(ps, p, OE_NEGOTIATING, OE_WHY_CLOSED,
			ps->conf->ike_connect_limit_ms * UINT64_C(1000));
	else
		peer_idle(ps, p, OE_WHY_CLOSED);
}

void negotiate_check(struct oe_peers *ps, struct oe_peer *p)
{
	if (p->state == OE_PRIVATE && !has_child(p))
		bereft(ps, p);
}

/* A packet of ours had waited for the peer's exchange instead of ours. */
static void begin_ourselves(struct oe_peers *ps, struct oe_peer *p)
{
	uint64_t until = p->since + ps->conf->dns_hold_limit_ms * UINT64_C(1000);

	peer_look_up(ps, p, true);
	/* DNS was what the exchange failed for: there is no more time for it than ever */
	if (p->state == OE_NEGOTIATING && p->lookup)
		peer_state(
			ps, p, OE_RESOLVING, OE_WHY_TRAFFIC, until > ps->now ? until - ps->now : 1);
}

static void after_failure(struct oe_peers *ps, struct oe_peer *p, bool was_initiator)
{
	if (p->state == OE_PRIVATE && !has_child(p)) {
		bereft(ps, p);
		return;
	}
	/* a private one has no other reason to try again */
	if (negotiate_busy(p) && p->state != OE_PRIVATE)
		return;
	switch ((enum oe_state)p->state) {
	case OE_NEGOTIATING:
		if (was_initiator)
			peer_fall_back(ps, p, OE_WHY_IKE_FAILED, 0);
		else
			begin_ourselves(ps, p);
		return;
	case OE_CLEAR:
	case OE_BLOCKED:
		if (was_initiator)
			peer_fall_back(ps, p, OE_WHY_IKE_FAILED, 0);
		return;
	case OE_PRIVATE:
		if (!was_initiator)
			return;
		peer_fall_back(ps, p, OE_WHY_IKE_FAILED, 0);
		stray_call_back(ps, p);
		return;
	case OE_IDLE:
	case OE_RESOLVING:
	case OE_N_STATES:
		return;
	}
}

static int on_end(struct oe_peers *ps, const struct ike_failed *f, bool was_up)
{
	struct oe_sa *sa = peer_sa_find(ps, f->handle);
	struct oe_peer *p;
	bool initiator;

	if (!memchr(f->why, 0, sizeof(f->why)) || f->code == 0 || f->code > IKE_FAIL_EXPIRED)
		return -EBADMSG;
	if (!sa)
		return 0;
	p = sa->peer;
	initiator = sa->initiator;
	/* one of two that was not needed is no trouble */
	if (f->code != IKE_FAIL_REPLACED)
		peer_text(&p->ike_why, f->why);
	peer_note(ps, p, was_up ? JOURNAL_DOWN : JOURNAL_FAILED, f->code, f->notify, f->handle);
	peer_sa_remove(ps, sa);
	if (!was_up)
		after_failure(ps, p, initiator);
	else if (p->state == OE_PRIVATE && !has_child(p))
		bereft(ps, p);
	else if (p->state == OE_PRIVATE && !has_ike(p))
		negotiate_renew(ps, p);
	/* before the next packet comes, or the peer's own plaintext */
	if (was_up && f->code == IKE_FAIL_RESTARTED && !p->sas)
		peer_look_up(ps, p, true);
	return 0;
}

void negotiate_close(struct oe_peers *ps, struct oe_peer *p, bool silent)
{
	struct oe_sa *sa, *next;

	for (sa = p->sas; sa; sa = next) {
		struct ike_close c = {.handle = sa->handle, .silent = silent};

		next = sa->next;
		if (sa->handle)
			ps->fx.send(ps->fx.arg, OE_IKE, IKE_REQ_CLOSE, &c, sizeof(c), NULL, 0);
		/* the handle's FAILED or DOWN finds nothing then, which is what it means */
		peer_sa_remove(ps, sa);
	}
}

void negotiate_renew(struct oe_peers *ps, struct oe_peer *p)
{
	p->retry = 1;
	peer_state(ps, p, OE_PRIVATE, OE_WHY_ADOPTED,
		SECOND + (uint64_t)(p->pair.remote.b[3] ^ p->pair.remote.b[15]) * (SECOND / 25));
}

void negotiate_ike_lost(struct oe_peers *ps)
{
	struct oe_peer *p;
	size_t at = 0;

	while ((p = table_next(&ps->by_pair, &at))) {
		struct oe_sa *sa, *next;
		bool orphans = false;

		if (p->sas)
			peer_note(ps, p, JOURNAL_LOST, OE_IKE, 0, 0);
		for (sa = p->sas; sa; sa = next) {
			next = sa->next;
			if ((sa->handle && !sa->up) || !sa->children) {
				peer_sa_remove(ps, sa);
				continue;
			}
			if (sa->handle)
				table_remove(&ps->by_handle, sa);
			sa->handle = 0;
			orphans = true;
		}
		if (p->state == OE_PRIVATE && !orphans)
			peer_idle(ps, p, OE_WHY_CLOSED);
		if (orphans && p->state == OE_PRIVATE)
			negotiate_renew(ps, p);
	}
}

void negotiate_ike_back(struct oe_peers *ps)
{
	struct oe_peer *p;
	size_t at = 0;

	while ((p = table_next(&ps->by_pair, &at))) {
		struct oe_sa *sa = p->sas;

		while (sa && sa->handle)
			sa = sa->next;
		if (p->state == OE_NEGOTIATING && !negotiate_busy(p))
			peer_look_up(ps, p, true);
		else if (p->state == OE_PRIVATE && sa) /* what was due meanwhile led nowhere */
			negotiate_renew(ps, p);
	}
}

void negotiate_drop_orphans(struct oe_peers *ps, struct oe_peer *p)
{
	struct oe_sa *sa, *next;

	for (sa = p->sas; sa; sa = next) {
		next = sa->next;
		if (!sa->handle)
			peer_sa_remove(ps, sa);
	}
}

/* The peer may have lost the SA: a new one beside it, which takes its place when it is up. */
static void on_doubt(struct oe_peers *ps, const struct ike_doubt *d)
{
	struct oe_sa *sa = peer_sa_find(ps, d->handle);

	if (!sa || !sa->up)
		return;
	ps->stats.doubts++;
	peer_note(ps, sa->peer, JOURNAL_DOUBT, 0, 0, sa->handle);
	if (!negotiate_busy(sa->peer))
		peer_look_up(ps, sa->peer, true);
}

int negotiate_event(
	struct oe_peers *ps, uint16_t type, const void *fixed, const uint8_t *tail, size_t tail_len)
{
	const struct ike_note *note = fixed;
	const struct ike_moved *moved = fixed;
	struct oe_sa *sa;

	switch (type) {
	case IKE_EV_INBOUND:
		return on_inbound(ps, fixed);
	case IKE_EV_IDENTITY:
		return on_identity(ps, fixed);
	case IKE_EV_CHILD_IN:
		return child_came_in(ps, fixed, tail, tail_len);
	case IKE_EV_CHILD_OUT:
		return child_came_out(ps, fixed, tail, tail_len);
	case IKE_EV_CHILD_GONE:
		child_went(ps, fixed);
		return 0;
	case IKE_EV_DOUBT:
		on_doubt(ps, fixed);
		return 0;
	case IKE_EV_MOVED:
		sa = peer_sa_find(ps, moved->handle);
		if (sa && sa->up)
			nat_moved(ps, sa, &moved->remote, moved->remote_port, true);
		return 0;
	case IKE_EV_CERTIFICATE:
		return proofs_certificate(ps, fixed);
	case IKE_EV_UP:
		return on_up(ps, fixed);
	case IKE_EV_FAILED:
		return on_end(ps, fixed, false);
	case IKE_EV_DOWN:
		return on_end(ps, fixed, true);
	case IKE_EV_REKEYED:
		return on_rekeyed(ps, fixed);
	case IKE_EV_STALE:
		on_stale(ps, fixed);
		return 0;
	case IKE_EV_IDLE:
		install_ask_traffic(ps, ((const struct ike_idle *)fixed)->handle);
		return 0;
	case IKE_EV_NOTE:
		sa = peer_sa_find(ps, note->handle);
		if (sa)
			peer_note(ps, sa->peer, JOURNAL_IKE, note->code, 0, note->arg);
		return 0;
	default:
		return -EBADMSG;
	}
}
