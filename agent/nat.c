/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Peers behind a NAT (RFC 7296 sections 2.23, 2.23.1). Where one goes on at another port its SAs follow at
 * once. At another address they are made anew by its IKE SA, whose answer must come from there first; what
 * we are told of, by IKE or by ESP, is authentic and new, but where it came from nobody has signed.
 */
#include "agent/peer_priv.h"

#include <stdlib.h>

/* Until the children are made anew. */
#define UNDER_WAY_S 5

bool nat_is_shared(struct oe_peers *ps, const struct oe_sa *sa, const struct ike_identity *id)
{
	for (const struct oe_sa *s = sa->peer->sas; s; s = s->next) {
		struct ike_probe probe = {.handle = s->handle};

		if (s == sa || !s->up || !s->handle || s->remote_port == id->remote_port ||
			(!sa->null_auth && s->auth_peer != IKE_AUTH_NONE &&
				s->id_hash == sa->id_hash))
			continue;
		ps->fx.send(ps->fx.arg, OE_IKE, IKE_REQ_PROBE, &probe, sizeof(probe), NULL, 0);
		return true;
	}
	return false;
}

static void follow_port(struct oe_peers *ps, struct oe_sa *sa, uint16_t port, bool told)
{
	struct xfrm_move m = {.pair = sa->peer->pair, .encap_remote = port};
	struct ike_moved moved = {.handle = sa->handle, .remote_port = port};

	if (!sa->remote_port || sa->remote_port == port)
		return;
	sa->remote_port = port;
	peer_note(ps, sa->peer, JOURNAL_MOVED, told ? JOURNAL_MOVED_IKE : JOURNAL_MOVED_ESP, port,
		sa->handle);
	ps->fx.send(ps->fx.arg, OE_XFRM, XFRM_REQ_MOVE, &m, sizeof(m), NULL, 0);
	if (!told && sa->handle)
		ps->fx.send(ps->fx.arg, OE_IKE, IKE_REQ_MOVED, &moved, sizeof(moved), NULL, 0);
}

/* ---- another address */

/* Whether the peer may have that address. Who has an SA can send by it from any address that he can forge:
 * so none of which something is known to us, and none that must be private, where what he has proved does
 * not tell whose it is. What he proved holds there, too, unless it was the key of the old address. */
static bool may_move(struct oe_peers *ps, const struct oe_sa *sa, const struct pair *to)
{
	const struct scope *s = &to->scope;
	const struct pol_rule *rule =
		policy_lookup(ps->policy, &to->remote, s->proto, s->sport, s->dport);

	if (!rule || rule->group <= POL_CLEAR || rule->group == POL_PRIVATE || sa->peer->manual ||
		manual_find(ps->manual, &to->remote))
		return false;
	for (const struct oe_peer *p = peer_first(ps, to); p; p = peer_next(ps, p))
		if (p->state != OE_IDLE || p->sas)
			return false;
	return sa->auth_peer == IKE_AUTH_NONE
		       ? ps->conf->group[rule->group].anonymous != CONF_ANON_NEVER
		       : sa->by_name && !sa->by_hint;
}

/* The old children go from the kernel: an SA there has its addresses for good. What is under way by them
 * is still taken. The ike service makes them anew and has nothing more to say of them. */
static void leave(struct oe_peers *ps, struct oe_sa *sa)
{
	struct ike_rekey rekey = {.handle = sa->handle};
	struct xfrm_sa_id in = {.pair = sa->peer->pair, .inbound = 1, .grace = UNDER_WAY_S};
	struct oe_child *c;

	for (c = sa->children; c; c = c->next) {
		rekey.spi = c->spi_in;
		if (c->spi_out)
			ps->fx.send(
				ps->fx.arg, OE_IKE, IKE_REQ_REKEY, &rekey, sizeof(rekey), NULL, 0);
	}
	while ((c = sa->children)) {
		sa->children = c->next;
		if (c->spi_out)
			install_delete(ps, sa, c->spi_out, false);
		in.spi = c->spi_in;
		stray_expect(ps, in.spi);
		ps->fx.send(ps->fx.arg, OE_XFRM, XFRM_REQ_SA_DELETE, &in, sizeof(in), NULL, 0);
		free(c);
	}
}

static void close_sa(struct oe_peers *ps, const struct oe_sa *sa)
{
	struct ike_close close = {.handle = sa->handle};

	ps->fx.send(ps->fx.arg, OE_IKE, IKE_REQ_CLOSE, &close, sizeof(close), NULL, 0);
}

void nat_answered(struct oe_peers *ps, struct oe_sa *sa)
{
	const struct oe_peer *p = sa->peer;

	if (!sa->moved || p->lookup)
		return;
	sa->moved = 0;
	/* an address that publishes a key is spoken for by that key, and it may have one where DNS does not
	 * say that it has none */
	if (!p->dns_known ||
		(p->dns_class != DNS_DENIED && p->dns_class != DNS_UNUSABLE &&
			p->dns_class != DNS_INSECURE && p->dns_class != DNS_INSECURE_KEYS))
		close_sa(ps, sa);
}

static void follow_address(
	struct oe_peers *ps, struct oe_sa *sa, const struct addr *remote, uint16_t port, bool told)
{
	struct ike_moved moved = {.handle = sa->handle, .remote_port = port, .remote = *remote};
	struct pair pair = {
		.local = sa->peer->pair.local, .remote = *remote, .scope = sa->peer->pair.scope};
	struct oe_peer *was = sa->peer, *p = may_move(ps, sa, &pair) ? peer_get(ps, &pair) : NULL;

	peer_note(ps, was, JOURNAL_MOVED, JOURNAL_MOVED_AWAY, port, sa->handle);
	if (!p) {
		/* it begins anew from there, and is judged anew */
		close_sa(ps, sa);
		return;
	}
	if (!told)
		ps->fx.send(ps->fx.arg, OE_IKE, IKE_REQ_MOVED, &moved, sizeof(moved), NULL, 0);
	leave(ps, sa);
	peer_sa_move(sa, p);
	sa->remote_port = port;
	peer_text(&p->peer_id, was->peer_id);
	p->suite = was->suite;
	peer_note(ps, p, JOURNAL_MOVED, JOURNAL_MOVED_HERE, port, sa->handle);
	peer_state(ps, p, OE_PRIVATE, (enum oe_reason)was->reason, 0);
	negotiate_check(ps, was);
	sa->moved = 1;
	peer_look_up(ps, p, false);
	nat_answered(ps, sa);
}

void nat_moved(
	struct oe_peers *ps, struct oe_sa *sa, const struct addr *remote, uint16_t port, bool told)
{
	if (!remote->family || addr_equal(remote, &sa->peer->pair.remote))
		follow_port(ps, sa, port, told);
	else if (sa->remote_port && sa->handle && remote->family == sa->peer->pair.remote.family)
		follow_address(ps, sa, remote, port, told);
}

static bool has_inbound(const struct oe_sa *sa, uint32_t spi)
{
	const struct oe_child *c = sa->children;

	while (c && c->spi_in != spi)
		c = c->next;
	return c;
}

/* One move: it changes the lists. */
static void mapped_address(struct oe_peers *ps, const struct xfrm_mapped *m)
{
	for (struct oe_peer *p = peer_first(ps, &m->pair); p; p = peer_next(ps, p))
		for (struct oe_sa *sa = p->sas; sa; sa = sa->next) {
			if (!sa->up || !has_inbound(sa, m->spi))
				continue;
			nat_moved(ps, sa, &m->remote, m->encap_remote, false);
			return;
		}
}

void nat_mapped(struct oe_peers *ps, const struct xfrm_mapped *m)
{
	if (m->remote.family) {
		mapped_address(ps, m);
		return;
	}
	for (struct oe_peer *p = peer_first(ps, &m->pair); p; p = peer_next(ps, p))
		for (struct oe_sa *sa = p->sas; sa; sa = sa->next)
			if (sa->up && sa->remote_port == m->encap_was)
				follow_port(ps, sa, m->encap_remote, false);
}
