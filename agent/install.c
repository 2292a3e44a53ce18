/* SPDX-License-Identifier: BSD-2-Clause */
/* What the peers' core asks of the kernel, and what comes back. */
#include "agent/peer_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Packets; RFC 4303 section 3.4.3 asks for at least 32, and reordering on multi-queue hosts for
 * more. */
#define REPLAY_WINDOW 256
/* An inbound SA lives this much longer than its outbound twin: packets of the peer under way. */
#define INBOUND_GRACE_S 60

static struct xfrm_rule kernel_rule(const struct oe_peer *p)
{
	const struct pol_rule *r = p->rule;
	struct xfrm_rule k = {.remote = prefix_host(&p->pair.remote)};

	if (!r)
		return k;
	return (struct xfrm_rule){.remote = r->remote,
		.rank = r->rank,
		.proto = r->proto,
		.sport = r->sport,
		.dport = r->dport};
}

static struct oe_install *request(
	struct oe_peers *ps, const struct oe_peer *p, enum install_kind kind)
{
	struct oe_install *i = oe_must(calloc(1, sizeof(*i)));

	do {
		i->tag = ++ps->next_tag;
	} while (!i->tag);
	i->kind = kind;
	i->pair = p->pair;
	HASH_ADD(hh, ps->installs, tag, sizeof(i->tag), i);
	return i;
}

static bool kernel_cipher(const struct oe_sa *sa, uint8_t *ret_cipher, size_t *ret_key_len)
{
	static const struct {
		uint16_t cipher, integ;
		uint8_t kernel;
		uint8_t behind; /* the key: salt (RFC 4106, RFC 7634) or HMAC key (RFC 4868) */
	} table[] = {
		{IKE_ESP_AES_GCM_16, 0, XFRM_CIPHER_AES_GCM_16, 4},
		{IKE_ESP_CHACHA20_POLY1305, 0, XFRM_CIPHER_CHACHA20_POLY1305, 4},
		{IKE_ESP_AES_CBC, IKE_AUTH_HMAC_SHA2_256_128, XFRM_CIPHER_AES_CBC_SHA2_256, 32},
		{IKE_ESP_AES_CBC, IKE_AUTH_HMAC_SHA2_384_192, XFRM_CIPHER_AES_CBC_SHA2_384, 48},
		{IKE_ESP_AES_CBC, IKE_AUTH_HMAC_SHA2_512_256, XFRM_CIPHER_AES_CBC_SHA2_512, 64},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (table[i].cipher != sa->cipher || table[i].integ != sa->integ)
			continue;
		*ret_cipher = table[i].kernel;
		*ret_key_len = sa->key_bits / 8u + table[i].behind;
		return true;
	}
	return false;
}

int install_sa(struct oe_peers *ps, struct oe_sa *sa, bool inbound, uint32_t spi,
	const uint8_t *key, size_t key_len)
{
	struct xfrm_sa req = {.pair = sa->peer->pair,
		.spi = spi,
		.esn = sa->esn != 0,
		.replay_window = inbound ? REPLAY_WINDOW : 0,
		.encap_local = sa->encap_local,
		.encap_remote = sa->encap_remote,
		.rule = kernel_rule(sa->peer)};
	uint32_t life = ps->conf->ike_sa_lifetime_s;
	struct oe_install *i;
	size_t want;

	/* RFC 4303 section 2.1: SPIs below 256 are reserved */
	if (!kernel_cipher(sa, &req.cipher, &want) || key_len != want || spi < 256)
		return -EBADMSG;
	/* soft on the outbound one only: it starts the renegotiation once */
	req.require_out = !inbound && peer_group(sa->peer) == POL_CLEAR_OR_PRIVATE;
	req.soft_seconds = inbound ? 0 : life - life / 10;
	req.hard_seconds = inbound ? life + INBOUND_GRACE_S : life;
	i = request(ps, sa->peer, inbound ? INSTALL_IN : INSTALL_OUT);
	i->handle = sa->handle;
	i->spi = spi;
	req.tag = i->tag;
	ps->fx.send(ps->fx.arg, OE_XFRM, inbound ? XFRM_REQ_SA_IN : XFRM_REQ_SA_OUT, &req,
		sizeof(req), key, key_len);
	return 0;
}

void install_delete(struct oe_peers *ps, struct oe_sa *sa, uint32_t spi, bool inbound)
{
	struct xfrm_sa_id id = {.pair = sa->peer->pair, .spi = spi, .inbound = inbound};

	if (inbound)
		stray_expect(ps, spi);
	/* the pair's policies came with the outbound SA and go with the last one */
	id.last = !inbound;
	for (const struct oe_sa *s = sa->peer->sas; s; s = s->next)
		if (s != sa && s->spi_out)
			id.last = 0;
	ps->fx.send(ps->fx.arg, OE_XFRM, XFRM_REQ_SA_DELETE, &id, sizeof(id), NULL, 0);
}

void install_decide(struct oe_peers *ps, struct oe_peer *p, enum xfrm_verdict verdict)
{
	struct xfrm_decide d = {
		.pair = p->pair, .rule = kernel_rule(p), .verdict = (uint8_t)verdict};
	struct oe_install *i = request(ps, p, INSTALL_DECISION);

	i->state = p->state;
	d.tag = i->tag;
	ps->fx.send(ps->fx.arg, OE_XFRM, XFRM_REQ_DECIDE, &d, sizeof(d), NULL, 0);
}

static void installed(struct oe_peers *ps, uint32_t handle, uint32_t spi, int error)
{
	struct ike_installed m = {.handle = handle, .spi = spi, .error = error};

	ps->fx.send(ps->fx.arg, OE_IKE, IKE_REQ_INSTALLED, &m, sizeof(m), NULL, 0);
}

/* Tells ike, for which the two directions of a responder's SA are one. */
static void answer_ike(struct oe_peers *ps, const struct oe_install *i, int error)
{
	struct oe_sa *sa = peer_sa_find(ps, i->handle);
	struct ike_close c = {.handle = i->handle};

	if (!sa)
		return;
	if (i->kind == INSTALL_IN && (sa->initiator || error))
		installed(ps, i->handle, i->spi, error);
	else if (i->kind == INSTALL_OUT && !sa->initiator)
		installed(ps, i->handle, sa->spi_in, error);
	else if (i->kind == INSTALL_OUT && error)
		ps->fx.send(ps->fx.arg, OE_IKE, IKE_REQ_CLOSE, &c, sizeof(c), NULL, 0);
}

static void outcome(struct oe_peers *ps, const struct oe_install *i, const struct xfrm_done *d)
{
	struct oe_peer *p = peer_find(ps, &i->pair);

	answer_ike(ps, i, d->error);
	if (!p)
		return;
	if (d->error)
		peer_note(ps, p, JOURNAL_KERNEL, i->kind, (unsigned int)-d->error, i->spi);
	if (d->released) {
		p->released += d->released;
		p->held_us = d->held_us;
		peer_note(ps, p, JOURNAL_RELEASED,
			i->kind == INSTALL_OUT ? (unsigned int)OE_PRIVATE : i->state, d->released,
			d->held_us);
	}
}

void install_done(struct oe_peers *ps, const struct xfrm_done *d)
{
	struct oe_install *i;

	HASH_FIND(hh, ps->installs, &d->tag, sizeof(d->tag), i);
	if (!i)
		return;
	HASH_DEL(ps->installs, i);
	outcome(ps, i, d);
	free(i);
}

void install_lost(struct oe_peers *ps)
{
	struct xfrm_done d = {.error = -EPIPE};
	struct oe_install *i, *next;

	HASH_ITER(hh, ps->installs, i, next) {
		HASH_DEL(ps->installs, i);
		outcome(ps, i, &d);
		free(i);
	}
}

void install_expire(struct oe_peers *ps, const struct xfrm_expire *e)
{
	struct oe_peer *p = peer_find(ps, &e->pair);
	struct oe_sa *sa;

	for (sa = p ? p->sas : NULL; sa; sa = sa->next)
		if ((e->inbound ? sa->spi_in : sa->spi_out) == e->spi)
			break;
	if (!sa)
		return;
	peer_note(ps, p, JOURNAL_EXPIRED, e->hard, e->inbound, e->spi);
	if (!e->hard) {
		if (peer_end_withdrawn(ps, p))
			return;
		if (!negotiate_busy(p)) {
			peer_look_up(ps, p, true);
		} else if (p->state == OE_PRIVATE) { /* should that fail, it is done then */
			p->retry = 1;
			peer_state(ps, p, OE_PRIVATE, (enum oe_reason)p->reason, RENEW_US);
		}
		return;
	}
	if (sa->handle) {
		struct ike_close c = {.handle = sa->handle};

		ps->fx.send(ps->fx.arg, OE_IKE, IKE_REQ_CLOSE, &c, sizeof(c), NULL, 0);
		return;
	}
	peer_sa_remove(ps, sa);
	if (!p->sas && p->state == OE_PRIVATE)
		peer_idle(ps, p, OE_WHY_CLOSED);
}

void install_adopted(struct oe_peers *ps, const struct xfrm_adopted *a)
{
	struct oe_peer *p = peer_get(ps, &a->pair, 0, 0, 0);
	struct oe_sa *sa;

	if (!p)
		return;
	/* a pair of SAs is one: the first that lacks this direction */
	for (sa = p->sas; sa; sa = sa->next)
		if (!sa->handle && !(a->inbound ? sa->spi_in : sa->spi_out))
			break;
	if (!sa)
		sa = peer_sa_new(ps, p, 0, true);
	sa->up = 1;
	*(a->inbound ? &sa->spi_in : &sa->spi_out) = a->spi;
	peer_note(ps, p, JOURNAL_ADOPTED, 0, a->inbound, a->spi);
	if (!p->rule || p->rule->group <= POL_CLEAR) {
		peer_sa_remove(ps, sa);
		return;
	}
	/* nobody speaks IKE for it any more: a new SA is made, soon and not all at once */
	if (p->state != OE_PRIVATE && sa->spi_out)
		negotiate_renew(ps, p);
	else if (p->state == OE_PRIVATE) /* told late: it is tidied up */
		peer_state(ps, p, OE_PRIVATE, (enum oe_reason)p->reason, RENEW_US);
}
