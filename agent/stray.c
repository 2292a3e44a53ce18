/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ESP that no SA of this host is for: its sender may have an SA that we had before we lost all. It
 * goes on sending into the void until somebody tells it. We do: N(INVALID_SPI), one datagram, upon
 * which a peer of our kind asks and begins anew. Of others nothing comes; then we begin, where a
 * published key lets us. Anybody can forge such ESP: the datagram is shorter than what it answers,
 * and what more is done is rationed.
 *
 * RFC 7296 section 1.5.
 */
#include "agent/peer_priv.h"

/* The peer's own new exchange is waited for. */
#define PATIENCE_US (SECOND / 2)
/* Packets of a peer that has not heard yet of the end of an SA. */
#define UNDER_WAY_US (5 * SECOND)
/* Lookups in one second for what may be forged. */
#define LOOKUPS_MAX 20

static bool may_look_up(struct oe_peers *ps)
{
	if (ps->stray_second != ps->now / SECOND) {
		ps->stray_second = ps->now / SECOND;
		ps->stray_lookups = 0;
	}
	return ps->stray_lookups++ < LOOKUPS_MAX;
}

/* remote_port: of the UDP that its ESP is in; 0: it is not. */
static void say_invalid(
	struct oe_peers *ps, const struct pair *pair, uint32_t spi, uint16_t remote_port)
{
	struct ike_invalid_spi m = {.pair = *pair,
		.spi = spi,
		.local_port = remote_port ? 4500 : 500,
		.remote_port = remote_port ? remote_port : 500};

	ps->fx.send(ps->fx.arg, OE_IKE, IKE_REQ_INVALID_SPI, &m, sizeof(m), NULL, 0);
}

/* Our kernel has lost an SA that we think it has. Returns whether. */
static bool lost_by_kernel(struct oe_peers *ps, const struct oe_peer *p, uint32_t spi)
{
	for (const struct oe_sa *sa = p->sas; sa; sa = sa->next) {
		struct ike_close c = {.handle = sa->handle};

		const struct oe_child *child = sa->children;

		while (child && child->spi_in != spi)
			child = child->next;
		if (!child || !sa->up || !sa->handle)
			continue;
		ps->fx.send(ps->fx.arg, OE_IKE, IKE_REQ_CLOSE, &c, sizeof(c), NULL, 0);
		return true;
	}
	return false;
}

void stray_expect(struct oe_peers *ps, uint32_t spi)
{
	uint32_t i = ps->n_deleted++ % OE_DELETED;

	ps->deleted[i].spi = spi;
	ps->deleted[i].until = ps->now + UNDER_WAY_US;
}

static bool is_expected(const struct oe_peers *ps, uint32_t spi)
{
	for (size_t i = 0; i < OE_DELETED; i++)
		if (ps->deleted[i].spi == spi && ps->now < ps->deleted[i].until)
			return true;
	return false;
}

static bool is_private(const struct oe_peers *ps, const struct pair *pair)
{
	const struct oe_peer *p = peer_first(ps, pair);

	while (p && p->state != OE_PRIVATE)
		p = peer_next(ps, p);
	return p;
}

void stray_came(struct oe_peers *ps, const struct xfrm_stray *s)
{
	const struct pol_rule *rule = policy_lookup(ps->policy, &s->pair.remote, 0, 0, 0);
	struct oe_peer *p;

	ps->stats.strays++;
	if (!policy_may_encrypt(ps->policy, &s->pair.remote) || !ps->up[OE_IKE] ||
		is_expected(ps, s->spi))
		return;
	/* an exchange that runs may bring it */
	for (p = peer_first(ps, &s->pair); p; p = peer_next(ps, p))
		if (negotiate_busy(p) || lost_by_kernel(ps, p, s->spi))
			return;
	p = peer_find(ps, &s->pair);
	/* to one that is private it is said under its IKE SA: the two disagree about a child SA */
	say_invalid(ps, &s->pair, s->spi, s->encap_local ? s->encap_remote : 0);
	/* for which of its traffic an SA of a rule with ports was, only the peer knows */
	if (!rule || rule->group <= POL_CLEAR || s->encap_local || is_private(ps, &s->pair) ||
		(p && p->state != OE_IDLE) || !may_look_up(ps))
		return;
	p = peer_get(ps, &s->pair);
	if (!p)
		return;
	p->rule = rule;
	p->stray = 1;
	peer_note(ps, p, JOURNAL_STRAY, s->encap_local != 0, 0, s->spi);
	peer_look_up(ps, p, false);
	peer_state(ps, p, OE_IDLE, p->reason, PATIENCE_US);
}

void stray_call_back(struct oe_peers *ps, const struct oe_peer *p)
{
	for (const struct oe_sa *sa = p->sas; sa; sa = sa->next)
		if (!sa->handle && sa->children->spi_in)
			say_invalid(ps, &p->pair, sa->children->spi_in, sa->remote_port);
}

void stray_due(struct oe_peers *ps, struct oe_peer *p)
{
	p->stray = 0;
	if (!p->sas && p->n_keys && p->dns_class == DNS_KEYS)
		peer_look_up(ps, p, true);
}
