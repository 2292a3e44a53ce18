/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When one side has lost an SA that the other still has (RFC 7296 sections 1.5, 2.4, 2.21.4; RFC
 * 6290).
 *
 * The side that lost it: a protected request of an IKE SA that is not known is answered by
 * N(INVALID_IKE_SPI) with a QCD token, ESP of an unknown SPI by N(INVALID_SPI). The token is an
 * HMAC of both SPIs under a secret that outlives us, so whoever began the IKE SA with us can tell
 * that we are who made it and have it no more.
 *
 * The side that has it: a token that is the one we were given under the IKE SA ends it at once.
 * All else anybody can have sent: it makes us ask, once and with impatience, and if nothing
 * authentic comes the agent is told to begin anew beside the old SA. The old one serves on until
 * its own retransmissions are used up or the new one takes its place. Between IKE_SA_INIT and IKE_AUTH
 * there is nothing that could serve: then we begin anew ourselves, once.
 */
#include <openssl/crypto.h>
#include <string.h>

#include "base/log.h"
#include "ike/crypto.h"
#include "ike/exchange.h"

#define TOKEN_LEN 16 /* the least (RFC 6290 section 5): an answer not longer than its question */
#define TOKEN_MAX 128
#define TOKENS_MAX 4 /* in one message (4.5) */
#define HASTE (100 * SECOND / 1000)
#define HASTY_TRIES 5
/* For one IKE SA, between two doubts about it; for all, hints looked at in one second. */
#define DOUBT_EVERY (10 * SECOND)
#define HINTS_MAX 200

/* ---- the token's maker */

static bool make_token(
	const struct ike_core *core, uint64_t spi_i, uint64_t spi_r, uint8_t ret[static TOKEN_LEN])
{
	const struct ike_prf *prf = ike_prf_find(IKE_PRF_HMAC_SHA2_256);
	uint8_t spis[16], mac[IKE_PRF_MAX];
	struct wire_writer w = wire_writer(spis, sizeof(spis));
	struct ike_bytes part = {spis, sizeof(spis)};

	wire_put_u64(&w, spi_i);
	wire_put_u64(&w, spi_r);
	if (!core->has_qcd_secret || !prf ||
		ike_prf(prf, core->qcd_secret, sizeof(core->qcd_secret), &part, 1, mac) < 0)
		return false;
	memcpy(ret, mac, TOKEN_LEN);
	OPENSSL_cleanse(mac, sizeof(mac));
	return true;
}

/* Its protocol is IKE, unlike that of other notifies without SPI (4.1). */
static void put_token(struct ike_builder *b, const uint8_t token[static TOKEN_LEN])
{
	ike_build_open(b, IKE_PL_NOTIFY);
	wire_put_u8(&b->w, IKE_PROTO_IKE);
	wire_put_u8(&b->w, 0);
	wire_put_u16(&b->w, IKE_N_QUICK_CRASH_DETECTION);
	wire_put(&b->w, token, TOKEN_LEN);
	ike_build_close(b);
}

void crash_put_token(struct ike_sa *sa, struct ike_builder *b)
{
	uint8_t token[TOKEN_LEN];

	if (make_token(sa->core, sa->spi_i, sa->spi_r, token))
		put_token(b, token);
	OPENSSL_cleanse(token, sizeof(token));
}

/* Of an SA, or of one that the peer may have before us: it has answered our rekeying. */
static bool is_known(const struct ike_core *core, uint64_t spi)
{
	const struct create *c;

	DL_FOREACH(core->rekeys, c) {
		if (c->spi == spi)
			return true;
	}
	return core_find_sa(core, spi);
}

void crash_on_unknown(
	struct ike_core *core, const struct ike_path *path, const struct ike_header *h)
{
	bool is_protected = h->next == IKE_PL_SK || h->next == IKE_PL_SKF;
	struct ike_header answer = {.spi_i = h->spi_i,
		.spi_r = h->spi_r,
		.exchange = h->exchange,
		.flags = IKE_FLAG_RESPONSE | (~h->flags & IKE_FLAG_INITIATOR),
		.msgid = h->msgid};
	struct ike_builder b;
	uint8_t token[TOKEN_LEN];
	size_t len;

	/* never for one that lives, from wherever and in whatever role it is asked for (9.2) */
	if (!is_protected || !h->spi_r || !cookie_spare(core) || is_known(core, h->spi_i) ||
		is_known(core, h->spi_r))
		return;
	b = ike_build(core->build, sizeof(core->build), &answer);
	ike_build_notify(&b, IKE_N_INVALID_IKE_SPI, NULL, 0);
	if (make_token(core, h->spi_i, h->spi_r, token))
		put_token(&b, token);
	if (ike_build_end(&b, &len) == 0)
		core_send(core, path, (struct ike_bytes){core->build, len});
}

/* ---- the token's taker */

/* What is kept of a token is as good for comparing, and has one length. */
static bool digest(struct ike_bytes token, uint8_t ret[static QCD_DIGEST_LEN])
{
	return token.len >= TOKEN_LEN && token.len <= TOKEN_MAX &&
	       ike_hash(IKE_MD_SHA2_256, token, ret) == 0;
}

void crash_take_token(struct ike_sa *sa, const struct ike_payloads *p)
{
	const struct ike_notify *n = ike_notify_find(p, IKE_N_QUICK_CRASH_DETECTION);

	if (n && digest(n->data, sa->token))
		sa->has_token = true;
}

static bool has_our_token(const struct ike_sa *sa, const struct ike_payloads *p)
{
	uint8_t seen[QCD_DIGEST_LEN];
	unsigned int looked_at = 0;

	for (size_t i = 0; i < p->n_notify && looked_at < TOKENS_MAX; i++) {
		if (p->notify[i].type != IKE_N_QUICK_CRASH_DETECTION)
			continue;
		looked_at++;
		if (sa->has_token && digest(p->notify[i].data, seen) &&
			!CRYPTO_memcmp(seen, sa->token, sizeof(seen)))
			return true;
	}
	return false;
}

/* ---- doubts */

static bool hint_spare(struct ike_core *core)
{
	if (core->hint_second != core->now / SECOND) {
		core->hint_second = core->now / SECOND;
		core->hint_count = 0;
	}
	return core->hint_count++ < HINTS_MAX;
}

/* Somebody says that the peer has lost the SA. */
static void doubt(struct ike_sa *sa, uint16_t notify)
{
	uint64_t now = sa->core->now;

	if ((sa->state != SA_UP && !init_may_again(sa)) || sa->ended || sa->doubted ||
		(sa->doubted_at && now < sa->doubted_at + DOUBT_EVERY))
		return;
	/* once for a question, or it would never be the last */
	if (sa->request.tries && sa->doubted_at && sa->doubted_at >= sa->request.sent_at)
		return;
	sa->doubted = HASTY_TRIES;
	sa->doubted_at = now;
	sa_note(sa, IKE_NOTE_DOUBT, notify);
	if (sa->request.tries) {
		/* a question is out already */
		if (sa->due[SA_TIMER_RETRANSMIT] > now + HASTE)
			sa_set_timer(sa, SA_TIMER_RETRANSMIT, now + HASTE);
		return;
	}
	sa->want_probe = true;
	info_pump(sa);
}

uint64_t crash_haste(const struct ike_sa *sa)
{
	return sa->doubted ? HASTE : 0;
}

void crash_on_heard(struct ike_sa *sa)
{
	if (sa->doubted && sa->request.tries)
		sa->request.tries = 1;
	sa->doubted = 0;
}

void crash_on_silence(struct ike_sa *sa)
{
	struct ike_doubt ev = {.handle = sa->handle};

	if (!sa->doubted || --sa->doubted)
		return;
	if (init_may_again(sa)) {
		init_again(sa);
		return;
	}
	/* now with the usual patience: a stranger's word ends nothing */
	sa->request.tries = 0;
	/* one that nobody uses ends with its last try, and nothing is wanted in its place */
	if (!sa->ended && !sa->unused)
		core_event_struct(sa->core, IKE_EV_DOUBT, &ev);
}

void crash_on_answer(struct ike_sa *sa, const struct ike_header *h, const uint8_t *data, size_t len)
{
	struct ike_payloads p;

	if (!sa->request.tries || h->msgid != sa->next_out || h->exchange != sa->request.exchange) {
		core_count(sa->core, IKE_STAT_MESSAGE_ID);
		return;
	}
	core_count(sa->core, IKE_STAT_ERRORS);
	if (!hint_spare(sa->core) ||
		ike_payloads_parse(h->next, data + IKE_HEADER_LEN, len - IKE_HEADER_LEN, false,
			&p) != IKE_PARSE_OK ||
		!ike_notify_find(&p, IKE_N_INVALID_IKE_SPI))
		return;
	if (sa->ended)
		sa_set_state(sa, SA_GONE); /* nobody is left to be told of the end */
	else if (has_our_token(sa, &p))
		/* DEAD: nobody uses it, so it is not made anew */
		sa_end(sa, sa->unused ? IKE_FAIL_DEAD : IKE_FAIL_RESTARTED, IKE_N_INVALID_IKE_SPI,
			FAREWELL_NONE,
			"the peer has restarted and lost it (its QCD token says so)");
	else
		doubt(sa, IKE_N_INVALID_IKE_SPI);
}

bool crash_is_hint(const struct ike_header *h)
{
	return h->exchange == IKE_EXCH_INFORMATIONAL && h->next == IKE_PL_NOTIFY &&
	       !(h->flags & IKE_FLAG_RESPONSE);
}

static struct ike_sa *find_by_out(
	const struct ike_core *core, const struct pair *pair, uint32_t spi)
{
	const struct ike_peer *peer = core_peer(core, pair);
	struct ike_sa *sa;

	if (!peer)
		return NULL;
	DL_FOREACH2(peer->sas, sa, peer_next)
	{
		if (sa->state == SA_UP && child_find_out(sa, spi))
			return sa;
	}
	return NULL;
}

static bool named_spi(const struct ike_payloads *p, uint32_t *ret)
{
	const struct ike_notify *n = ike_notify_find(p, IKE_N_INVALID_SPI);
	struct wire_reader r;

	if (!n || n->data.len != sizeof(*ret))
		return false;
	r = wire_reader(n->data.p, n->data.len);
	*ret = wire_u32(&r);
	return true;
}

void crash_on_hint(struct ike_core *core, const struct ike_path *path, const struct ike_header *h,
	const uint8_t *data, size_t len)
{
	struct ike_payloads p;
	struct ike_sa *sa;
	uint32_t spi;

	core_count(core, IKE_STAT_ERRORS);
	if (!hint_spare(core) ||
		ike_payloads_parse(h->next, data + IKE_HEADER_LEN, len - IKE_HEADER_LEN, false,
			&p) != IKE_PARSE_OK ||
		!named_spi(&p, &spi))
		return;
	sa = find_by_out(core, &path->pair, spi);
	if (sa)
		doubt(sa, IKE_N_INVALID_SPI);
}

void crash_on_protected(struct ike_sa *sa, const struct ike_payloads *p)
{
	struct child *child;
	uint32_t spi;

	crash_take_token(sa, p);
	child = named_spi(p, &spi) ? child_find_out(sa, spi) : NULL;
	if (!child)
		return;
	create_succeed(sa, child);
	child_gone(sa, child);
}

/* ---- to a peer that sends ESP of an SA that we do not have */

static void put_invalid(struct ike_builder *b, uint32_t spi)
{
	uint8_t data[4];
	struct wire_writer w = wire_writer(data, sizeof(data));

	wire_put_u32(&w, spi);
	ike_build_notify(b, IKE_N_INVALID_SPI, data, sizeof(data));
}

void crash_put_invalid(struct ike_sa *sa, struct ike_builder *b)
{
	if (sa->want_invalid)
		put_invalid(b, sa->want_invalid);
	sa->want_invalid = 0;
}

/* Under each IKE SA with the peer, of one of which it may have a child that we have not. Not too often, for
 * anybody can send such ESP. Returns whether there is one. */
static bool tell_under_sa(struct ike_core *core, const struct ike_invalid_spi *m)
{
	const struct ike_peer *peer = core_peer(core, &m->pair);
	struct ike_sa *sa, *next;
	bool any = false;

	if (!peer)
		return false;
	DL_FOREACH_SAFE2(peer->sas, sa, next, peer_next)
	{
		if (sa->state != SA_UP || sa->ended || sa->closing)
			continue;
		any = true;
		if (sa->invalid_at && core->now < sa->invalid_at + DOUBT_EVERY)
			continue;
		sa->invalid_at = core->now;
		sa->want_invalid = m->spi;
		info_pump(sa);
	}
	return any;
}

int crash_on_invalid_spi(struct ike_core *core, const struct ike_invalid_spi *m)
{
	struct ike_path path = {
		.pair = m->pair, .local_port = m->local_port, .remote_port = m->remote_port};
	struct ike_header h = {.exchange = IKE_EXCH_INFORMATIONAL, .flags = IKE_FLAG_INITIATOR};
	struct ike_builder b;
	size_t len;

	if (!pair_valid(&m->pair) || !m->remote_port ||
		(m->local_port != IKE_PORT && m->local_port != IKE_PORT_NATT))
		return -1;
	/* one that is on its way to the kernel, or just from there */
	if (table_find(&core->children, &m->spi) || tell_under_sa(core, m))
		return 0;
	/* no IKE SPI means anything here; zero is not liked by all */
	core->fx.random(core->fx.arg, &h.spi_i, sizeof(h.spi_i));
	b = ike_build(core->build, sizeof(core->build), &h);
	put_invalid(&b, m->spi);
	if (ike_build_end(&b, &len) == 0)
		core_send(core, &path, (struct ike_bytes){core->build, len});
	return 0;
}
