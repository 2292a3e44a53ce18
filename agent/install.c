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
/* What the peer sent by an SA that was replaced may still arrive so long. */
#define UNDER_WAY_S 5

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

static bool kernel_cipher(const struct oe_child *sa, uint8_t *ret_cipher, size_t *ret_key_len)
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

/* Both hosts have the same lifetimes mostly, and an SPI of its own each. */
static uint32_t soft_seconds(uint32_t life, uint32_t spi)
{
	return life / 10 * 7 + life % 10 * 7 / 10 + (life >= 10 ? spi % (life / 10 + 1) : 0);
}

int install_sa(struct oe_peers *ps, struct oe_sa *sa, const struct oe_child *c, bool inbound,
	const uint8_t *key, size_t key_len)
{
	uint32_t spi = inbound ? c->spi_in : c->spi_out;
	uint32_t life = ps->conf->ike_sa_lifetime_s;
	struct xfrm_sa req = {.pair = sa->peer->pair,
		.spi = spi,
		.esn = c->esn != 0,
		.replay_window = inbound ? REPLAY_WINDOW : 0,
		.encap_local = c->encap_local,
		.encap_remote = c->encap_remote,
		.rule = kernel_rule(sa->peer)};
	struct oe_install *i;
	size_t want;

	/* RFC 4303 section 2.1: SPIs below 256 are reserved */
	if (!kernel_cipher(c, &req.cipher, &want) || key_len != want || spi < 256)
		return -EBADMSG;
	req.require_out = !inbound && (peer_group(sa->peer) == POL_CLEAR_OR_PRIVATE ||
					      peer_is_part(sa->peer));
	req.tell_use = inbound && c->tell_use;
	/* soft on the outbound one only: it starts the rekeying once */
	req.soft_seconds = inbound ? 0 : soft_seconds(life, c->spi_in);
	req.hard_seconds = inbound ? life + INBOUND_GRACE_S : life;
	i = request(ps, sa->peer, inbound ? INSTALL_IN : INSTALL_OUT);
	i->handle = sa->handle;
	i->spi = spi;
	i->child = c->spi_in;
	req.tag = i->tag;
	ps->fx.send(ps->fx.arg, OE_XFRM, inbound ? XFRM_REQ_SA_IN : XFRM_REQ_SA_OUT, &req,
		sizeof(req), key, key_len);
	return 0;
}

void install_delete(struct oe_peers *ps, const struct oe_sa *sa, uint32_t spi, bool inbound)
{
	struct xfrm_sa_id id = {.pair = sa->peer->pair, .spi = spi, .inbound = inbound};
	bool others = false;

	if (inbound)
		stray_expect(ps, spi);
	for (const struct oe_sa *s = sa->peer->sas; s; s = s->next)
		others = others || peer_sa_out(s);
	/* the pair's policies came with the outbound SA and go with the last one */
	if (inbound)
		id.grace = others ? UNDER_WAY_S : 0;
	else
		id.last = !others;
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

/* Tells ike; where it announced both directions at once, one answer is for both. */
static void answer_ike(struct oe_peers *ps, const struct oe_install *i, int error)
{
	struct oe_sa *sa = peer_sa_find(ps, i->handle);
	const struct oe_child *c = sa ? sa->children : NULL;

	while (c && c->spi_in != i->child)
		c = c->next;
	if (!c)
		return;
	if (i->kind == INSTALL_OUT || (i->kind == INSTALL_IN && (!c->both || error)))
		installed(ps, i->handle, i->child, error);
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

/* By the IKE SA where there is one, by a new exchange else. */
static void on_soft(struct oe_peers *ps, struct oe_sa *sa, const struct oe_child *c, bool inbound)
{
	struct ike_rekey rekey = {.handle = sa->handle, .spi = c->spi_in};
	struct ike_used used = {.handle = sa->handle, .spi = c->spi_in};

	struct oe_peer *p = sa->peer;

	if (inbound) { /* see tell_use of struct xfrm_sa */
		if (sa->handle)
			ps->fx.send(ps->fx.arg, OE_IKE, IKE_REQ_USED, &used, sizeof(used), NULL, 0);
		return;
	}
	if (peer_end_withdrawn(ps, p))
		return;
	if (sa->handle && sa->up)
		ps->fx.send(ps->fx.arg, OE_IKE, IKE_REQ_REKEY, &rekey, sizeof(rekey), NULL, 0);
	else
		negotiate_anew(ps, p);
}

static void on_hard(struct oe_peers *ps, struct oe_peer *p, struct oe_sa *sa)
{
	struct ike_close c = {.handle = sa->handle};

	if (sa->handle) {
		ps->fx.send(ps->fx.arg, OE_IKE, IKE_REQ_CLOSE, &c, sizeof(c), NULL, 0);
		return;
	}
	peer_sa_remove(ps, sa);
	if (!p->sas && p->state == OE_PRIVATE)
		peer_idle(ps, p, OE_WHY_CLOSED);
}

void install_expire(struct oe_peers *ps, const struct xfrm_expire *e)
{
	struct oe_peer *p = peer_find(ps, &e->pair);

	for (struct oe_sa *sa = p ? p->sas : NULL; sa; sa = sa->next)
		for (struct oe_child *c = sa->children; c; c = c->next) {
			if ((e->inbound ? c->spi_in : c->spi_out) != e->spi)
				continue;
			if (e->hard || !e->inbound)
				peer_note(ps, p, JOURNAL_EXPIRED, e->hard, e->inbound, e->spi);
			if (e->hard)
				on_hard(ps, p, sa);
			else
				on_soft(ps, sa, c, e->inbound);
			return;
		}
}

void install_ask_traffic(struct oe_peers *ps, uint32_t handle)
{
	const struct oe_sa *sa = peer_sa_find(ps, handle);
	struct xfrm_traffic_req q;

	if (!sa)
		return;
	q = (struct xfrm_traffic_req){.pair = sa->peer->pair};
	ps->fx.send(ps->fx.arg, OE_XFRM, XFRM_REQ_TRAFFIC, &q, sizeof(q), NULL, 0);
}

void install_traffic(struct oe_peers *ps, const struct xfrm_traffic *t)
{
	struct oe_peer *p = peer_find(ps, &t->pair);
	struct ike_traffic m = {.in = t->in != 0, .out = t->out != 0};

	for (const struct oe_sa *sa = p ? p->sas : NULL; sa; sa = sa->next) {
		m.handle = sa->handle;
		if (sa->handle && sa->up)
			ps->fx.send(ps->fx.arg, OE_IKE, IKE_REQ_TRAFFIC, &m, sizeof(m), NULL, 0);
	}
}

void install_adopted(struct oe_peers *ps, const struct xfrm_adopted *a)
{
	struct oe_peer *p = peer_get(ps, &a->pair);
	struct oe_sa *sa;

	if (!p)
		return;
	/* a pair of SAs is one: the first that lacks this direction */
	for (sa = p->sas; sa; sa = sa->next)
		if (!sa->handle && !(a->inbound ? sa->children->spi_in : sa->children->spi_out))
			break;
	if (!sa) {
		sa = peer_sa_new(ps, p, 0, true);
		sa->children = oe_must(calloc(1, sizeof(*sa->children)));
	}
	sa->up = 1;
	sa->remote_port = a->encap_remote;
	*(a->inbound ? &sa->children->spi_in : &sa->children->spi_out) = a->spi;
	peer_note(ps, p, JOURNAL_ADOPTED, 0, a->inbound, a->spi);
	if (!p->rule || p->rule->group <= POL_CLEAR) {
		peer_sa_remove(ps, sa);
		return;
	}
	/* nobody speaks IKE for it any more: a new SA is made, soon and not all at once */
	if (p->state != OE_PRIVATE && sa->children->spi_out)
		negotiate_renew(ps, p);
	else if (p->state == OE_PRIVATE) /* told late: it is tidied up */
		peer_state(ps, p, OE_PRIVATE, (enum oe_reason)p->reason, RENEW_US);
}
