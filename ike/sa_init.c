/* SPDX-License-Identifier: BSD-2-Clause */
/* IKE_SA_INIT, both roles (RFC 7296 sections 1.2, 2.6, 2.7, 2.10, 2.14, 2.21.1). Nothing here is
 * authenticated yet: a response that is no good is doubted, not believed. */
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "ike/names.h"
#include "ike/exchange.h"
#include "ike/table.h"

/* How long a bad answer waits for a good one that it may have overtaken. */
#define GRACE (300 * SECOND / 1000)
/* Rounds that a peer, or who forges it, can make us go. */
#define COOKIES_MAX 4
#define INVALID_KES_MAX 2

static struct ike_bytes nonce_i(const struct handshake *hs)
{
	return (struct ike_bytes){hs->ni, hs->ni_len};
}

static struct ike_bytes nonce_r(const struct handshake *hs)
{
	return (struct ike_bytes){hs->nr, hs->nr_len};
}

static void take_nonce(const struct ike_payloads *p, uint8_t *nonce, uint16_t *len)
{
	memcpy(nonce, p->nonce.p, p->nonce.len);
	*len = (uint16_t)p->nonce.len;
}

static uint32_t take_hashes(const struct ike_payloads *p)
{
	const struct ike_notify *n = ike_notify_find(p, IKE_N_SIGNATURE_HASH_ALGORITHMS);

	return n ? ike_hashes_parse(n->data) : 0;
}

void init_set_keys(struct ike_sa *sa, const struct ike_keymat *k)
{
	struct handshake *hs = sa->hs;

	sa_set_keys(sa, k);
	memcpy(hs->sk_pi, k->pi, sizeof(hs->sk_pi));
	memcpy(hs->sk_pr, k->pr, sizeof(hs->sk_pr));
}

/* Computes all keys of the SA from the peer's KE data. Both nonces and SPIs are known. Returns 0,
 * -EBADMSG where the peer's value is no good, -EIO. */
static int derive(struct ike_sa *sa, struct ike_bytes ke)
{
	struct handshake *hs = sa->hs;
	struct ike_secret shared;
	struct ike_keymat k;
	int r = ike_kex_derive(hs->kex, ke.p, ke.len, &shared);

	if (r < 0)
		return r;
	r = ike_keymat_initial(
		&hs->suite, &shared, nonce_i(hs), nonce_r(hs), sa->spi_i, sa->spi_r, &k);
	ike_secret_wipe(&shared);
	if (r < 0)
		return r;
	init_set_keys(sa, &k);
	ike_keymat_wipe(&k);
	ike_kex_free(hs->kex);
	hs->kex = NULL;
	return 0;
}

static bool has_addke(const struct ike_profile *profile)
{
	return profile->addke && profile->addke[0];
}

static void put_common(struct ike_builder *b, const struct ike_sa *sa, struct ike_bytes nonce)
{
	const struct ike_ke *ke = ike_kex_ke(sa->hs->kex);
	struct ike_path path = sa_path(sa);

	ike_build_ke(b, ke->id, ike_kex_public(sa->hs->kex), ke->public_len);
	ike_build_nonce(b, nonce.p, nonce.len);
	nat_build(b, &path, sa->spi_i, sa->spi_r);
	if (sa->core->hashes)
		ike_build_hashes(b, sa->core->hashes);
	if (sa->initiator || sa->fragments)
		ike_build_notify(b, IKE_N_FRAGMENTATION_SUPPORTED, NULL, 0);
	if (sa->initiator ? has_addke(sa->core->profile) : sa->hs->suite.addke != NULL)
		ike_build_notify(b, IKE_N_INTERMEDIATE_EXCHANGE_SUPPORTED, NULL, 0);
	if (sa->initiator ? *sa->hs->terms.ppk != '\0' : sa->hs->use_ppk)
		ike_build_notify(b, IKE_N_USE_PPK, NULL, 0);
}

/* ---- initiator */

/* Sends the request, or sends it again with what the peer asked for. The nonce stays (2.6). */
static void send_init(struct ike_sa *sa)
{
	struct ike_core *core = sa->core;
	struct handshake *hs = sa->hs;
	const struct ike_ke *ke = ike_kex_ke(hs->kex);
	struct ike_header h = {
		.spi_i = sa->spi_i, .exchange = IKE_EXCH_SA_INIT, .flags = IKE_FLAG_INITIATOR};
	struct ike_builder b = ike_build(core->build, sizeof(core->build), &h);
	size_t len;

	if (hs->cookie_len)
		ike_build_notify(&b, IKE_N_COOKIE, hs->cookie, hs->cookie_len);
	ike_build_offer_ike(&b, core->profile, ke->id, 0);
	put_common(&b, sa, nonce_i(hs));
	if (ike_build_end(&b, &len) < 0) {
		log_error("the IKE_SA_INIT request does not fit its buffer");
		return;
	}
	sa_note(sa, IKE_NOTE_INIT_SENT, ke->id);
	sa_send_request_clear(sa, core->build, len, IKE_EXCH_SA_INIT);
}

static bool new_kex(struct ike_sa *sa, const struct ike_ke *ke)
{
	struct ike_kex *kex;

	if (ike_kex_new(ke, &kex) < 0) {
		log_error("cannot make a %s key", ke->name);
		return false;
	}
	ike_kex_free(sa->hs->kex);
	sa->hs->kex = kex;
	return true;
}

void init_start(struct ike_sa *sa)
{
	struct ike_core *core = sa->core;
	struct handshake *hs = sa->hs;

	if (!proof_possible(hs)) {
		sa_end(sa, IKE_FAIL_NOT_AUTHORIZED, 0, FAREWELL_NONE,
			"there is no key that could prove the peer");
		return;
	}
	if (core->profile->addke_needed && !has_addke(core->profile)) {
		sa_end(sa, IKE_FAIL_NO_PROPOSAL, 0, FAREWELL_NONE,
			"a post-quantum key exchange is required, and this OpenSSL has none");
		return;
	}
	hs->ni_len = NONCE_LEN;
	core->fx.random(core->fx.arg, hs->ni, NONCE_LEN);
	if (!new_kex(sa, core->profile->ke[0])) {
		sa_end(sa, IKE_FAIL_BUSY, 0, FAREWELL_NONE, "OpenSSL makes no key");
		return;
	}
	sa_set_state(sa, SA_I_INIT);
	send_init(sa);
}

bool init_may_again(const struct ike_sa *sa)
{
	return sa->hs && !sa->ended && sa->initiator && sa->keyed && sa->request.tries &&
	       !sa->hs->again;
}

void init_again(struct ike_sa *sa)
{
	struct ike_path path = {
		.pair = sa->peer->pair, .local_port = IKE_PORT, .remote_port = IKE_PORT};
	struct handshake *was = sa->hs, *hs;
	struct ike_sa *again;

	child_gone_all(sa);
	again = sa_new_again(sa, &path);
	hs = again->hs;
	/* what the agent said */
	hs->allow = was->allow;
	hs->terms = was->terms;
	hs->certs = was->certs;
	hs->n_keys = was->n_keys;
	memcpy(hs->keys, was->keys, sizeof(hs->keys));
	was->certs = (struct blob){0};
	was->n_keys = 0;
	hs->again = true;
	sa_set_state(sa, SA_GONE);
	init_start(again);
}

void init_doubt(struct ike_sa *sa, enum ike_failure code, uint16_t notify, const char *fmt, ...)
{
	uint64_t grace = code == IKE_FAIL_NETWORK ? 0 : GRACE;
	struct doubt *doubt;
	va_list ap;

	/* the first one stands */
	if (sa->state != SA_I_INIT || sa->hs->doubt.code)
		return;
	doubt = &sa->hs->doubt;
	doubt->code = (uint8_t)code;
	doubt->notify = notify;
	va_start(ap, fmt);
	vsnprintf(doubt->why, sizeof(doubt->why), fmt, ap);
	va_end(ap);
	sa_set_timer(sa, SA_TIMER_DEADLINE, sa->core->now + grace);
}

/* The peer lives: silence alone ends the attempt no more before all retransmissions. */
static void heard(struct ike_sa *sa)
{
	sa->hs->heard = true;
	if (!sa->hs->doubt.code)
		sa_set_timer(sa, SA_TIMER_DEADLINE, NEVER);
}

static void on_cookie(struct ike_sa *sa, struct ike_bytes cookie)
{
	struct handshake *hs = sa->hs;

	if (!cookie.len || cookie.len > COOKIE_MAX || hs->cookies >= COOKIES_MAX) {
		core_count(sa->core, IKE_STAT_ERRORS);
		return;
	}
	hs->cookies++;
	hs->cookie_len = (uint8_t)cookie.len;
	memcpy(hs->cookie, cookie.p, cookie.len);
	heard(sa);
	sa_note(sa, IKE_NOTE_COOKIE, hs->cookies);
	send_init(sa);
}

static void on_invalid_ke(struct ike_sa *sa, struct ike_bytes data)
{
	struct wire_reader r = wire_reader(data.p, data.len);
	uint16_t group = wire_u16(&r);
	struct handshake *hs = sa->hs;
	const struct ike_ke *ke = ike_ke_find(group);

	if (r.bad || !ke || !ike_profile_has_ke(sa->core->profile, group)) {
		init_doubt(sa, IKE_FAIL_NO_PROPOSAL, IKE_N_INVALID_KE_PAYLOAD,
			"the peer wants key exchange group %u, which was not offered", group);
		return;
	}
	if (ke == ike_kex_ke(hs->kex) || hs->invalid_kes >= INVALID_KES_MAX) {
		core_count(sa->core, IKE_STAT_ERRORS);
		return;
	}
	hs->invalid_kes++;
	heard(sa);
	sa_note(sa, IKE_NOTE_INVALID_KE, group);
	if (new_kex(sa, ke))
		send_init(sa);
}

static void on_error(struct ike_sa *sa, const struct ike_notify *n)
{
	core_count(sa->core, IKE_STAT_ERRORS);
	heard(sa);
	if (n->type != IKE_N_NO_PROPOSAL_CHOSEN)
		init_doubt(sa, IKE_FAIL_PROTOCOL, n->type, "the peer answers IKE_SA_INIT with %s",
			ike_notify_name(n->type));
	else
		init_doubt(sa, IKE_FAIL_NO_PROPOSAL, n->type,
			"the peer answers IKE_SA_INIT with %s%s", ike_notify_name(n->type),
			sa->core->profile->addke_needed
				? ": a post-quantum key exchange is required here"
				: "");
}

/* Checks a good response; NULL, or what is wrong with it. */
static const char *check_response(
	struct ike_sa *sa, const struct ike_header *h, const struct ike_payloads *p)
{
	const struct ike_ke *ke = ike_kex_ke(sa->hs->kex);
	struct ike_choice_ike choice;
	struct ike_offer offer;

	if (!h->spi_r)
		return "its SPI is zero";
	if (ike_offer_parse(p->sa, &offer) != IKE_PARSE_OK)
		return "its SA payload is malformed";
	if (ike_accept_ike(&offer, sa->core->profile, false, &choice) < 0)
		return "it chose algorithms that were not offered";
	if (choice.suite.ke != ke || p->ke_group != ke->id)
		return "its key exchange group is not the one that was sent";
	/* RFC 9370 2.2.1 */
	if (choice.suite.addke && !ike_notify_find(p, IKE_N_INTERMEDIATE_EXCHANGE_SUPPORTED))
		return "it chose an additional key exchange without IKE_INTERMEDIATE";
	sa->hs->use_ppk = *sa->hs->terms.ppk && ike_notify_find(p, IKE_N_USE_PPK);
	if (*sa->hs->terms.ppk && sa->hs->terms.ppk_required && !sa->hs->use_ppk)
		return "it uses no PPK, and one is required";
	sa->hs->suite = choice.suite;
	return NULL;
}

static void on_good(struct ike_sa *sa, const struct ike_path *path, const struct ike_header *h,
	const struct ike_payloads *p, struct ike_bytes message)
{
	struct handshake *hs = sa->hs;
	const char *wrong = check_response(sa, h, p);
	uint64_t took = sa->core->now - sa->request.sent_at;

	if (!wrong) {
		take_nonce(p, hs->nr, &hs->nr_len);
		sa->spi_r = h->spi_r;
		if (derive(sa, p->ke) < 0)
			wrong = "its key exchange value is no good";
	}
	if (wrong) {
		sa->spi_r = 0;
		core_count(sa->core, IKE_STAT_ERRORS);
		init_doubt(sa, IKE_FAIL_PROTOCOL, 0, "the peer's IKE_SA_INIT response: %s", wrong);
		return;
	}
	hs->init_i = sa->request.bytes;
	sa->request.bytes = (struct blob){0};
	hs->init_r = blob_copy(message.p, message.len);
	hs->peer_hashes = take_hashes(p);
	sa->fragments = ike_notify_find(p, IKE_N_FRAGMENTATION_SUPPORTED);
	nat_detect(p, path, sa->spi_i, sa->spi_r, &sa->nat_self, &sa->nat_peer);
	sa_request_done(sa);
	sa->heard_at = sa->core->now;
	sa_note(sa, IKE_NOTE_INIT_ANSWERED, took);
	if (sa->nat_self || sa->nat_peer) {
		sa_note(sa, IKE_NOTE_NAT, (sa->nat_self ? 1u : 0) | (sa->nat_peer ? 2u : 0));
		sa->local_port = sa->remote_port = IKE_PORT_NATT;
	}
	if (hs->suite.addke)
		mix_start(sa);
	else
		auth_start(sa);
}

void init_on_response(struct ike_sa *sa, const struct ike_path *path, const struct ike_header *h,
	const uint8_t *data, size_t len)
{
	struct ike_core *core = sa->core;
	const struct ike_notify *n;
	enum ike_parse cause;
	struct ike_payloads p;

	if (sa->state != SA_I_INIT || h->msgid) {
		core_count(core, IKE_STAT_MESSAGE_ID);
		return;
	}
	cause = len > INIT_MESSAGE_MAX ? IKE_PARSE_LENGTH
				       : ike_payloads_parse(h->next, data + IKE_HEADER_LEN,
						 len - IKE_HEADER_LEN, false, &p);
	if (cause == IKE_PARSE_OK)
		cause = ike_table_check(IKE_KIND_SA_INIT, true, &p, NULL, NULL);
	if (cause != IKE_PARSE_OK) {
		core_count(core, cause);
		init_doubt(sa, IKE_FAIL_PROTOCOL, 0, "the peer's IKE_SA_INIT response: %s",
			ike_parse_name(cause));
		return;
	}
	n = ike_notify_find(&p, IKE_N_COOKIE);
	if (n) {
		on_cookie(sa, n->data);
		return;
	}
	n = ike_notify_find(&p, IKE_N_INVALID_KE_PAYLOAD);
	if (n) {
		on_invalid_ke(sa, n->data);
		return;
	}
	n = ike_notify_error(&p);
	if (n)
		on_error(sa, n);
	else
		on_good(sa, path, h, &p, (struct ike_bytes){data, len});
}

/* ---- responder */

static struct init_key make_key(const struct ike_path *path, uint64_t spi_i)
{
	return (struct init_key){
		.spi_i = spi_i, .pair = path->pair, .remote_port = path->remote_port};
}

/* The request belongs to an SA that exists: a repetition is answered as before, all else ignored.
 */
static void on_repeated(struct handshake *hs, const uint8_t *data, size_t len)
{
	struct ike_core *core = hs->sa->core;

	if (hs->init_i.len != len || memcmp(hs->init_i.p, data, len)) {
		core_count(core, IKE_STAT_MESSAGE_ID);
		return;
	}
	core_count(core, IKE_STAT_REPEATED);
	if (hs->init_r.len)
		sa_transmit(hs->sa, &hs->init_r);
}

/* A request that comes late, when its SA is past the handshake: nobody waits for an answer. */
static bool is_stale(struct ike_core *core, const struct ike_path *path, const struct ike_header *h)
{
	const struct ike_peer *peer = core_peer(core, &path->pair);
	const struct ike_sa *sa;

	if (!peer)
		return false;
	DL_FOREACH2(peer->sas, sa, peer_next) {
		if (!sa->initiator && !sa->hs && sa->spi_i == h->spi_i)
			return true;
	}
	return false;
}

/* What we take. Without IKE_INTERMEDIATE there is no additional key exchange (RFC 9370 2.2.1). */
static int choose_of(const struct ike_core *core, const struct ike_payloads *p,
	const struct ike_offer *offer, struct ike_choice_ike *ret)
{
	struct ike_profile mine = *core->profile;

	if (!ike_notify_find(p, IKE_N_INTERMEDIATE_EXCHANGE_SUPPORTED))
		mine.addke = NULL;
	return ike_choose_ike(offer, &mine, p->ke_group, false, ret);
}

/* Chooses the suite; where there is none, or not with the KE that came, the answer costs no state.
 */
static bool choose(struct ike_core *core, const struct ike_path *path, const struct ike_header *h,
	const struct ike_payloads *p, struct ike_suite *ret)
{
	struct ike_choice_ike choice;
	struct ike_offer offer;

	if (ike_offer_parse(p->sa, &offer) != IKE_PARSE_OK) {
		core_count(core, IKE_PARSE_PROPOSAL);
		return false;
	}
	if (choose_of(core, p, &offer, &choice) < 0) {
		core_count(core, IKE_STAT_NO_PROPOSAL);
		cookie_answer(core, path, h, IKE_N_NO_PROPOSAL_CHOSEN, NULL, 0);
		return false;
	}
	if (choice.suite.ke->id != p->ke_group) {
		uint8_t group[2] = {
			(uint8_t)(choice.suite.ke->id >> 8), (uint8_t)choice.suite.ke->id};

		core_count(core, IKE_STAT_INVALID_KE);
		cookie_answer(core, path, h, IKE_N_INVALID_KE_PAYLOAD, group, sizeof(group));
		return false;
	}
	*ret = choice.suite;
	return true;
}

static uint32_t new_handle(struct ike_core *core)
{
	uint32_t handle;

	do
		handle = core->next_handle++ | IKE_HANDLE_INBOUND;
	while (table_find(&core->by_handle, &handle));
	return handle;
}

static void admit(struct ike_core *core, const struct ike_path *path, const struct ike_header *h,
	const uint8_t *data, size_t len, const struct ike_suite *suite)
{
	struct ike_sa *sa = sa_new(core, path, new_handle(core), false);
	struct handshake *hs = sa->hs;
	struct ike_inbound inbound = {
		.handle = sa->handle, .pair = path->pair, .remote_port = path->remote_port};

	sa->spi_i = h->spi_i;
	hs->suite = *suite;
	hs->init_i = blob_copy(data, len);
	hs->init_key = make_key(path, h->spi_i);
	table_add(&core->by_init, hs);
	sa_set_state(sa, SA_R_ACCEPT);
	core_event_struct(core, IKE_EV_INBOUND, &inbound);
}

void init_on_request(struct ike_core *core, const struct ike_path *path, const struct ike_header *h,
	const uint8_t *data, size_t len)
{
	struct init_key key = make_key(path, h->spi_i);
	struct handshake *known = table_find(&core->by_init, &key);
	struct ike_payloads p;
	struct ike_suite suite;
	enum ike_parse cause;

	if (known) {
		on_repeated(known, data, len);
		return;
	}
	if (is_stale(core, path, h)) {
		core_count(core, IKE_STAT_REPEATED);
		return;
	}
	cause = len > INIT_MESSAGE_MAX ? IKE_PARSE_LENGTH
				       : ike_payloads_parse(h->next, data + IKE_HEADER_LEN,
						 len - IKE_HEADER_LEN, false, &p);
	if (cause == IKE_PARSE_CRITICAL && cookie_spare(core))
		cookie_answer(core, path, h, IKE_N_UNSUPPORTED_CRITICAL_PAYLOAD, &p.critical, 1);
	if (cause == IKE_PARSE_OK)
		cause = ike_table_check(IKE_KIND_SA_INIT, false, &p, NULL, NULL);
	if (cause != IKE_PARSE_OK) {
		core_count(core, cause);
		log_debug("%s: IKE_SA_INIT request: %s", addr_str(&path->pair.remote),
			ike_parse_name(cause));
		return;
	}
	if (core->stats.half_open >= core->config.half_open_max) {
		core_count(core, IKE_STAT_HALF_OPEN);
		return;
	}
	if (cookie_check(core, path, h, &p) && choose(core, path, h, &p, &suite))
		admit(core, path, h, data, len, &suite);
}

static void send_response(
	struct ike_sa *sa, const struct ike_choice_ike *choice, struct ike_bytes ca_hashes)
{
	struct ike_core *core = sa->core;
	struct handshake *hs = sa->hs;
	struct ike_header h = {.spi_i = sa->spi_i,
		.spi_r = sa->spi_r,
		.exchange = IKE_EXCH_SA_INIT,
		.flags = IKE_FLAG_RESPONSE};
	struct ike_builder b = ike_build(core->build, sizeof(core->build), &h);
	size_t len;

	ike_build_chosen_ike(&b, choice, 0);
	put_common(&b, sa, nonce_r(hs));
	x509_request(&b, ca_hashes);
	if (ike_build_end(&b, &len) < 0) {
		log_error("the IKE_SA_INIT response does not fit its buffer");
		return;
	}
	hs->init_r = blob_copy(core->build, len);
}

/* The request was checked when it came; parsed again, it gives the same. */
void init_accept(struct ike_sa *sa, struct ike_bytes ca_hashes, bool ppk)
{
	struct ike_core *core = sa->core;
	struct handshake *hs = sa->hs;
	struct ike_bytes message = blob_bytes(&hs->init_i);
	struct ike_path path = sa_path(sa);
	struct ike_choice_ike choice;
	struct ike_offer offer;
	struct ike_payloads p;
	struct ike_header h;
	int r;

	if (ike_header_parse(message.p, message.len, &h) != IKE_PARSE_OK ||
		ike_payloads_parse(h.next, message.p + IKE_HEADER_LEN, message.len - IKE_HEADER_LEN,
			false, &p) != IKE_PARSE_OK ||
		ike_offer_parse(p.sa, &offer) != IKE_PARSE_OK ||
		choose_of(core, &p, &offer, &choice) < 0 ||
		!new_kex(sa, hs->suite.ke)) {
		sa_end(sa, IKE_FAIL_BUSY, 0, FAREWELL_NONE, "OpenSSL makes no key");
		return;
	}
	take_nonce(&p, hs->ni, &hs->ni_len);
	hs->nr_len = NONCE_LEN;
	core->fx.random(core->fx.arg, hs->nr, NONCE_LEN);
	hs->peer_hashes = take_hashes(&p);
	hs->use_ppk = ppk && ike_notify_find(&p, IKE_N_USE_PPK);
	sa->fragments = ike_notify_find(&p, IKE_N_FRAGMENTATION_SUPPORTED);
	nat_detect(&p, &path, sa->spi_i, 0, &sa->nat_self, &sa->nat_peer);
	send_response(sa, &choice, ca_hashes);
	r = derive(sa, p.ke);
	if (r < 0 || !hs->init_r.len) {
		sa_end(sa, IKE_FAIL_PROTOCOL, 0, FAREWELL_NONE,
			"the peer's key exchange value is no good");
		return;
	}
	if (sa->nat_self || sa->nat_peer)
		sa_note(sa, IKE_NOTE_NAT, (sa->nat_self ? 1u : 0) | (sa->nat_peer ? 2u : 0));
	sa->next_in = 1;
	sa_set_state(sa, hs->suite.addke ? SA_R_MIX : SA_R_INIT);
	sa_transmit(sa, &hs->init_r);
}
