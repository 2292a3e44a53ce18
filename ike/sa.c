/* SPDX-License-Identifier: BSD-2-Clause */
/* The life of one IKE SA: birth, states and timers, the end. */
#include "ike/exchange.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "ike/names.h"

#define HALF_OPEN_LIFE (30 * SECOND) /* of a peer's attempt, from its first message */
#define AGENT_PATIENCE (10 * SECOND) /* with signer and kernel */
#define LINGER (10 * SECOND)
#define KEEPALIVE_EVERY (20 * SECOND) /* RFC 3948 4 */
/* The peer, who rekeyed the IKE SA, has so long to delete the old one. */
#define REKEYED_LIFE (30 * SECOND)

/* ---- timers */

void sa_set_timer(struct ike_sa *sa, enum sa_timer timer, uint64_t due)
{
	uint64_t first = NEVER;

	sa->due[timer] = due;
	for (int i = 0; i < SA_TIMERS; i++)
		if (sa->due[i] < first)
			first = sa->due[i];
	if (first == NEVER)
		heap_remove(&sa->core->timers, &sa->timer);
	else if (!sa->timer.place || sa->timer.due != first)
		heap_set(&sa->core->timers, &sa->timer, first);
}

static void arm_liveness(struct ike_sa *sa)
{
	uint32_t s = sa->core->config.liveness_s;

	if (sa->state == SA_UP)
		sa_set_timer(sa, SA_TIMER_LIVENESS,
			s && !sa->ended ? sa->heard_at + s * SECOND : NEVER);
}

/* At 80 to 90 % of the life, so that both hosts do not begin at one time (RFC 7296 2.8.1). */
static void arm_rekey(struct ike_sa *sa)
{
	uint64_t life = sa->core->config.rekey_s * SECOND;
	uint32_t jitter = core_random(sa->core, sa->core->config.rekey_s * 100 + 1);

	sa->expiring = false;
	sa_set_timer(sa, SA_TIMER_REKEY,
		life ? sa->core->now + life / 10 * 8 + jitter * UINT64_C(1000) : NEVER);
}

/* ---- birth and death */

static struct ike_peer *get_peer(struct ike_core *core, const struct pair *pair)
{
	struct ike_peer *peer = core_peer(core, pair);

	if (!peer) {
		peer = ike_alloc(sizeof(*peer));
		peer->pair = pair_hosts(pair);
		table_add(&core->by_pair, peer);
	}
	peer->refs++;
	return peer;
}

static void put_peer(struct ike_sa *sa)
{
	if (--sa->peer->refs)
		return;
	table_remove(&sa->core->by_pair, sa->peer);
	free(sa->peer);
}

bool sa_may_follow(const struct ike_sa *sa, const struct pair *pair)
{
	return sa->state == SA_UP && !sa->ended && sa->nat_peer && !sa->nat_self &&
	       pair_valid(pair) && addr_equal(&pair->local, &sa->peer->pair.local);
}

void sa_follow(struct ike_sa *sa, const struct pair *pair)
{
	struct ike_peer *peer = get_peer(sa->core, pair);

	DL_DELETE2(sa->peer->sas, sa, peer_prev, peer_next);
	put_peer(sa);
	sa->peer = peer;
	DL_APPEND2(peer->sas, sa, peer_prev, peer_next);
}

uint64_t sa_new_spi(struct ike_core *core)
{
	uint64_t spi;

	do
		core->fx.random(core->fx.arg, &spi, sizeof(spi));
	while (!spi || core_find_sa(core, spi));
	return spi;
}

uint64_t sa_own_spi(const struct ike_sa *sa)
{
	return sa->initiator ? sa->spi_i : sa->spi_r;
}

/* What every SA has. */
static struct ike_sa *make_sa(
	struct ike_core *core, const struct ike_path *path, uint64_t spi, bool initiator)
{
	struct ike_sa *sa = ike_alloc(sizeof(*sa));

	sa->core = core;
	sa->initiator = initiator;
	sa->local_port = path->local_port;
	sa->remote_port = path->remote_port;
	sa->created = sa->heard_at = core->now;
	for (int i = 0; i < SA_TIMERS; i++)
		sa->due[i] = NEVER;
	sa->peer = get_peer(core, &path->pair);
	DL_APPEND2(sa->peer->sas, sa, peer_prev, peer_next);
	*(initiator ? &sa->spi_i : &sa->spi_r) = spi;
	table_add(&core->by_spi, sa);
	return sa;
}

struct ike_sa *sa_new(
	struct ike_core *core, const struct ike_path *path, uint32_t handle, bool initiator)
{
	struct ike_sa *sa = make_sa(core, path, sa_new_spi(core), initiator);

	sa->hs = ike_alloc(sizeof(*sa->hs));
	sa->hs->sa = sa;
	sa->handle = handle;
	table_add(&core->by_handle, sa);
	sa->half_open = !initiator;
	core->stats.half_open += sa->half_open;
	return sa;
}

struct ike_sa *sa_new_again(struct ike_sa *old, const struct ike_path *path)
{
	table_remove(&old->core->by_handle, old);
	old->ended = true;
	return sa_new(old->core, path, old->handle, old->initiator);
}

struct ike_sa *sa_new_heir(const struct ike_sa *old, uint64_t own, uint64_t peers, bool initiator)
{
	struct ike_path path = sa_path(old);
	struct ike_sa *sa = make_sa(old->core, &path, own, initiator);

	*(initiator ? &sa->spi_r : &sa->spi_i) = peers;
	sa->origin = old->origin;
	sa->created = old->created;
	sa->up_at = old->up_at;
	sa->scope = old->scope;
	sa->nat_self = old->nat_self;
	sa->nat_peer = old->nat_peer;
	sa->authenticated = old->authenticated;
	sa->first_host = old->first_host;
	sa->strength = old->strength;
	sa->fragments = old->fragments;
	sa->frag_size = old->frag_size;
	sa->cert_until = old->cert_until;
	sa->ended = true; /* until it is given the handle */
	return sa;
}

void sa_inherit(struct ike_sa *sa, struct ike_sa *old)
{
	struct ike_core *core = sa->core;

	table_remove(&core->by_handle, old);
	old->ended = true;
	sa->handle = old->handle;
	sa->ended = false;
	sa->parent = 0;
	table_add(&core->by_handle, sa);
	DL_CONCAT(sa->children, old->children);
	old->children = NULL;
	/* what waits for the answer to a probe waits for one to a probe of the new SA's */
	sa->want_probe |= old->want_probe || old->probing;
	sa->switching = old->switching;
	sa->overdue = old->overdue;
	sa->closing = old->closing;
	sa->want_delete |= old->closing;
	sa->lapsed = old->lapsed;
	old->want_probe = old->want_rekey = false;
	sa_set_timer(sa, SA_TIMER_SWITCH, old->due[SA_TIMER_SWITCH]);
	sa_set_timer(sa, SA_TIMER_TWIN, old->due[SA_TIMER_TWIN]);
	sa_set_timer(sa, SA_TIMER_CERT, old->due[SA_TIMER_CERT]);
	for (int i = SA_TIMER_KEEPALIVE; i < SA_TIMERS; i++)
		sa_set_timer(old, (enum sa_timer)i, NEVER);
	arm_rekey(sa);
	arm_liveness(sa);
}

static void free_keys(struct handshake *hs)
{
	for (uint32_t i = 0; i < hs->n_keys; i++)
		free(hs->keys[i]);
	hs->n_keys = 0;
}

void sa_keys_set(struct handshake *hs, const uint8_t *tail, uint32_t n_keys)
{
	free_keys(hs);
	for (uint32_t i = 0; i < n_keys; i++) {
		struct ike_pubkey key;

		memcpy(&key, tail + i * sizeof(key), sizeof(key));
		hs->keys[i] = ike_alloc(sizeof(*hs->keys[i]) + key.len);
		hs->keys[i]->len = key.len;
		memcpy(hs->keys[i]->der, key.spki, key.len);
	}
	hs->n_keys = n_keys;
}

static void free_handshake(struct ike_sa *sa)
{
	struct handshake *hs = sa->hs;

	if (!hs)
		return;
	if (hs->init_key.spi_i)
		table_remove(&sa->core->by_init, hs);
	ike_kex_free(hs->kex);
	blob_free(&hs->init_i);
	blob_free(&hs->init_r);
	blob_free(&hs->auth_message);
	blob_free(&hs->certs);
	blob_free(&hs->before_secrets);
	free_keys(hs);
	OPENSSL_cleanse(hs, sizeof(*hs));
	free(hs);
	sa->hs = NULL;
}

static void forget_handle(struct ike_sa *sa)
{
	if (sa->ended)
		return;
	sa->ended = true;
	table_remove(&sa->core->by_handle, sa);
}

/* Out of all tables, on the list of what core.c frees. */
static void bury(struct ike_sa *sa)
{
	struct ike_core *core = sa->core;

	heap_remove(&core->timers, &sa->timer);
	forget_handle(sa);
	table_remove(&core->by_spi, sa);
	DL_DELETE2(sa->peer->sas, sa, peer_prev, peer_next);
	core->stats.half_open -= sa->half_open;
	sa->half_open = false;
	free_handshake(sa);
	create_abandon(sa);
	sa->peer_next = core->gone;
	core->gone = sa;
}

void sa_free(struct ike_sa *sa)
{
	while (sa->children)
		child_free(sa, sa->children);
	put_peer(sa);
	frag_forget(sa, false);
	frag_forget(sa, true);
	blob_free(&sa->request.bytes);
	blob_free(&sa->reply);
	blob_free(&sa->secrets);
	OPENSSL_cleanse(sa, sizeof(*sa));
	free(sa);
}

/* ---- states */

static const char *const state_names[] = {
	[SA_I_INIT] = "I_INIT",
	[SA_I_MIX] = "I_MIX",
	[SA_I_PPK] = "I_PPK",
	[SA_I_SIGN] = "I_SIGN",
	[SA_I_AUTH] = "I_AUTH",
	[SA_I_VERIFY] = "I_VERIFY",
	[SA_I_INSTALL] = "I_INSTALL",
	[SA_R_ACCEPT] = "R_ACCEPT",
	[SA_R_MIX] = "R_MIX",
	[SA_R_INIT] = "R_INIT",
	[SA_R_AUTHORIZE] = "R_AUTHORIZE",
	[SA_R_PPK] = "R_PPK",
	[SA_R_VERIFY] = "R_VERIFY",
	[SA_R_SIGN] = "R_SIGN",
	[SA_R_INSTALL] = "R_INSTALL",
	[SA_UP] = "UP",
	[SA_REKEYED] = "REKEYED",
	[SA_DELETING] = "DELETING",
	[SA_LINGER] = "LINGER",
	[SA_GONE] = "GONE",
};

static uint64_t deadline(const struct ike_sa *sa, enum sa_state state)
{
	uint64_t now = sa->core->now;

	switch (state) {
	case SA_I_INIT:
		return now + sa->core->config.init_timeout_ms * UINT64_C(1000);
	case SA_I_PPK:
	case SA_I_SIGN:
	case SA_I_VERIFY:
	case SA_I_INSTALL:
		return now + AGENT_PATIENCE;
	case SA_R_ACCEPT:
	case SA_R_MIX:
	case SA_R_INIT:
	case SA_R_AUTHORIZE:
	case SA_R_PPK:
	case SA_R_VERIFY:
	case SA_R_SIGN:
	case SA_R_INSTALL:
		return sa->created + HALF_OPEN_LIFE;
	case SA_UP:
		return sa->reply.len ? now + REPLY_LIFE : NEVER;
	case SA_REKEYED:
		return now + REKEYED_LIFE;
	case SA_LINGER:
		return now + LINGER;
	case SA_I_MIX:
	case SA_I_AUTH:
	case SA_DELETING:
	case SA_GONE:
		break;
	}
	return NEVER; /* retransmission ends it */
}

void sa_set_state(struct ike_sa *sa, enum sa_state state)
{
	struct ike_core *core = sa->core;

	if (sa->state == SA_GONE)
		return;
	log_debug("%s: %s -> %s", addr_str(&sa->peer->pair.remote), state_names[sa->state],
		state_names[state]);
	core->stats.established -= sa->state == SA_UP;
	core->stats.established += state == SA_UP;
	core_stats_changed(core);
	if (state == SA_UP) {
		core->stats.half_open -= sa->half_open;
		sa->half_open = false;
	}
	sa->state = (uint8_t)state;
	if (state == SA_GONE) {
		bury(sa);
		return;
	}
	sa_set_timer(sa, SA_TIMER_DEADLINE, deadline(sa, state));
	if (state == SA_UP && sa->nat_self)
		sa_set_timer(sa, SA_TIMER_KEEPALIVE, core->now + KEEPALIVE_EVERY);
	if (state == SA_LINGER)
		sa_set_timer(sa, SA_TIMER_RETRANSMIT, NEVER);
	if (state == SA_REKEYED || state == SA_DELETING || state == SA_LINGER)
		for (int i = SA_TIMER_KEEPALIVE; i < SA_TIMERS; i++)
			sa_set_timer(sa, (enum sa_timer)i, NEVER);
	arm_liveness(sa);
}

void sa_give_up(struct ike_sa *sa)
{
	if (sa->closing) {
		sa_end(sa, IKE_FAIL_REPLACED, 0, FAREWELL_NONE,
			"another SA with the peer took its place");
		return;
	}
	if (sa->state == SA_I_INIT && !sa->hs->heard)
		sa_end(sa, IKE_FAIL_NO_ANSWER, 0, FAREWELL_NONE,
			"no answer to %u IKE_SA_INIT requests", sa->request.tries);
	else
		sa_end(sa, IKE_FAIL_DEAD, 0, FAREWELL_NONE,
			"the peer answers no more (%s, %u tries)",
			ike_exchange_name(sa->request.exchange), sa->request.tries);
}

static void on_deadline(struct ike_sa *sa)
{
	struct doubt *doubt = sa->hs ? &sa->hs->doubt : NULL;

	switch ((enum sa_state)sa->state) {
	case SA_I_INIT:
		if (doubt->code)
			sa_end(sa, doubt->code, doubt->notify, FAREWELL_NONE, "%s", doubt->why);
		else if (!sa->hs->heard)
			sa_give_up(sa);
		return; /* who was heard is given all retransmissions */
	case SA_I_VERIFY:
		sa_end(sa, IKE_FAIL_SIGNER, 0, FAREWELL_DELETE, "no word of the signer in time");
		return;
	case SA_I_PPK:
	case SA_I_SIGN:
	case SA_R_PPK:
	case SA_R_VERIFY:
	case SA_R_SIGN:
		sa_end(sa, IKE_FAIL_SIGNER, 0, FAREWELL_NONE, "no signature in time");
		return;
	case SA_I_INSTALL:
		sa_end(sa, IKE_FAIL_INSTALL, 0, FAREWELL_DELETE,
			"the SA was not installed in time");
		return;
	case SA_R_INSTALL:
		sa_end(sa, IKE_FAIL_INSTALL, 0, FAREWELL_NONE, "the SA was not installed in time");
		return;
	case SA_R_ACCEPT:
	case SA_R_AUTHORIZE:
		sa_end(sa, IKE_FAIL_BUSY, 0, FAREWELL_NONE, "no decision about the peer in time");
		return;
	case SA_R_MIX:
		sa_end(sa, IKE_FAIL_DEAD, 0, FAREWELL_NONE,
			"the peer did not go on with IKE_INTERMEDIATE");
		return;
	case SA_R_INIT:
		sa_end(sa, IKE_FAIL_DEAD, 0, FAREWELL_NONE, "the peer did not go on with IKE_AUTH");
		return;
	case SA_UP:
		/* one that did not come to replace its parent, which ended */
		if (sa->parent) {
			sa_set_state(sa, SA_GONE);
		} else if (followup_waits(sa)) {
			followup_forget(sa);
			sa_set_timer(sa, SA_TIMER_DEADLINE, sa->core->now + REPLY_LIFE);
			info_pump(sa);
		} else {
			blob_free(&sa->reply);
		}
		return;
	case SA_REKEYED:
		sa->want_delete = true;
		sa_set_state(sa, SA_DELETING);
		info_pump(sa);
		return;
	case SA_LINGER:
		sa_set_state(sa, SA_GONE);
		return;
	case SA_I_MIX:
	case SA_I_AUTH:
	case SA_DELETING:
	case SA_GONE:
		return;
	}
}

/* Nothing of IKE came for long, but ESP may have: the agent knows (RFC 7296 2.4). */
static void ask_traffic(struct ike_sa *sa)
{
	struct ike_idle idle = {.handle = sa->handle};

	core_event_struct(sa->core, IKE_EV_IDLE, &idle);
	sa->heard_at = sa->core->now;
	arm_liveness(sa);
}

static void on_rekey_timer(struct ike_sa *sa)
{
	uint64_t rest = sa->core->config.rekey_s * SECOND / 10;

	if (sa->expiring) {
		sa_end(sa, IKE_FAIL_CLOSED, 0, FAREWELL_DELETE,
			"its life was over and it could not be rekeyed");
		return;
	}
	sa->expiring = sa->want_rekey = true;
	sa_set_timer(sa, SA_TIMER_REKEY, sa->core->now + (rest ? rest : SECOND));
	info_pump(sa);
}

static void on_one_timer(struct ike_sa *sa, enum sa_timer timer)
{
	struct ike_path path;

	switch (timer) {
	case SA_TIMER_RETRANSMIT:
		sa_retransmit(sa);
		return;
	case SA_TIMER_DEADLINE:
		on_deadline(sa);
		return;
	case SA_TIMER_ANSWER:
		sa_send_kept(sa);
		return;
	case SA_TIMER_KEEPALIVE:
		/* one byte without marker, unlike all else on this port */
		path = sa_path(sa);
		sa->core->fx.send(sa->core->fx.arg, &path, "\xff", 1);
		sa_set_timer(sa, timer, sa->core->now + KEEPALIVE_EVERY);
		return;
	case SA_TIMER_FRAGMENTS:
		frag_forget(sa, false);
		frag_forget(sa, true);
		return;
	case SA_TIMER_LIVENESS:
		ask_traffic(sa);
		return;
	case SA_TIMER_REKEY:
		on_rekey_timer(sa);
		return;
	case SA_TIMER_RETRY:
		info_pump(sa);
		return;
	case SA_TIMER_SWITCH:
		create_on_switch(sa);
		return;
	case SA_TIMER_TWIN:
		sa->overdue = true;
		twin_on_timer(sa);
		return;
	case SA_TIMER_CERT:
		x509_on_timer(sa);
		return;
	case SA_TIMERS:
		return;
	}
}

void sa_on_timer(struct ike_sa *sa)
{
	for (int i = 0; i < SA_TIMERS && sa->state != SA_GONE; i++) {
		if (sa->due[i] > sa->core->now)
			continue;
		sa_set_timer(sa, (enum sa_timer)i, NEVER);
		on_one_timer(sa, (enum sa_timer)i);
	}
}

void sa_note(struct ike_sa *sa, enum ike_note_code code, uint64_t arg)
{
	struct ike_note note = {.handle = sa->handle,
		.code = code,
		.arg = arg > UINT32_MAX ? UINT32_MAX : (uint32_t)arg};

	if (!sa->ended)
		core_event_struct(sa->core, IKE_EV_NOTE, &note);
}

/* ---- up, and the end */

static const char *esp_name(const struct child *child, char *buf, size_t cap)
{
	snprintf(buf, cap, "%s%s%s%s", child->encr->name, child->integ ? " / " : "",
		child->integ ? child->integ->name : "", child->esn ? " ESN" : "");
	return buf;
}

void sa_up(struct ike_sa *sa)
{
	struct handshake *hs = sa->hs;
	uint64_t took = (sa->core->now - sa->created) / 1000;
	struct ike_up up = {
		.handle = sa->handle,
		.initiator = sa->initiator,
		.auth_peer = hs->auth_peer,
		.auth_self = hs->auth_self,
		.key = hs->peer_key,
		.nat_peer = sa->nat_peer,
		.nat_self = sa->nat_self,
		.took_ms = took > UINT16_MAX ? UINT16_MAX : (uint16_t)took,
		.spi_i = sa->spi_i,
		.spi_r = sa->spi_r,
	};

	ike_suite_format(&hs->suite, up.suite, sizeof(up.suite));
	esp_name(hs->chosen, up.esp, sizeof(up.esp));
	memcpy(up.peer_id, hs->peer_id, sizeof(up.peer_id));
	sa->authenticated = hs->auth_peer != IKE_AUTH_NONE;
	sa->strength = (hs->auth_peer != IKE_AUTH_NONE) + (hs->auth_self != IKE_AUTH_NONE);
	sa->origin = sa->spi_i;
	sa->first_host = sa->initiator;
	sa->ke = hs->suite.ke;
	sa->addke = hs->suite.addke ? (uint8_t)hs->suite.addke->id : 0;
	sa->cert_until = hs->cert_until;
	sa->up_at = sa->heard_at = sa->core->now;
	child_up(sa, hs->chosen);
	free_handshake(sa);
	sa_set_state(sa, SA_UP);
	arm_rekey(sa);
	x509_arm(sa);
	core_event_struct(sa->core, IKE_EV_UP, &up);
}

void sa_end(struct ike_sa *sa, enum ike_failure code, uint16_t notify, enum sa_farewell farewell,
	const char *fmt, ...)
{
	struct ike_failed failed = {.handle = sa->handle, .code = (uint8_t)code, .notify = notify};
	bool was_up = sa->up_at != 0;
	va_list ap;

	if (sa->state == SA_GONE || sa->ended)
		return;
	va_start(ap, fmt);
	vsnprintf(failed.why, sizeof(failed.why), fmt, ap);
	va_end(ap);
	create_abandon(sa);
	child_gone_all(sa);
	forget_handle(sa);
	log_debug(
		"%s: %s: %s", addr_str(&sa->peer->pair.remote), ike_failure_name(code), failed.why);
	core_event_struct(sa->core, was_up ? IKE_EV_DOWN : IKE_EV_FAILED, &failed);
	if (farewell != FAREWELL_NONE)
		info_release(sa);
	switch (farewell) {
	case FAREWELL_NONE:
		sa_set_state(sa, SA_GONE);
		return;
	case FAREWELL_LINGER:
		sa_set_state(sa, SA_LINGER);
		return;
	case FAREWELL_DELETE:
		sa->want_delete = true;
		break;
	case FAREWELL_AUTH_FAILED:
		sa->want_auth_failed = true;
		break;
	}
	sa_set_state(sa, SA_DELETING);
	info_pump(sa);
}

/* ---- keys */

void sa_keymat(const struct ike_sa *sa, struct ike_keymat *ret)
{
	const struct blob *b = &sa->secrets;

	*ret = (struct ike_keymat){.prf = sa->prf};
	memcpy(ret->d, b->p + b->len - sa->prf->len, sa->prf->len);
}

void sa_set_keys(struct ike_sa *sa, const struct ike_keymat *k)
{
	size_t len = ike_aead_key_len(k->encr, k->integ);
	struct blob b = {.len = 2 * len + k->prf->len};

	b.p = ike_alloc(b.len);
	memcpy(b.p, k->i, len);
	memcpy(b.p + len, k->r, len);
	memcpy(b.p + 2 * len, k->d, k->prf->len);
	blob_free(&sa->secrets);
	sa->secrets = b;
	sa->prf = k->prf;
	sa->ei = (struct ike_aead){.encr = k->encr, .integ = k->integ, .key = b.p};
	sa->er = (struct ike_aead){.encr = k->encr, .integ = k->integ, .key = b.p + len};
	sa->keyed = true;
}
