/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A peer that calls itself by a name and comes through a NAT: the name's addresses are not the one that
 * it comes from, and cannot be (doc/design.md).
 *
 * Nobody can claim another's name: IKE_AUTH is signed, and only keys that DNSSEC proves to be the name's
 * are taken. But anybody has a name of his own, and anybody can say that he comes through a NAT. What he
 * must not get by that is somebody else's address:
 *
 *   - an address that publishes a key is spoken for by that key, so nothing else will do there. That
 *     must be known: where DNS does not say that it has none, it may have one;
 *   - while another name, or key, has an SA there, a second one does not take its place;
 *   - `private` means that we know whose the address is, and a name does not tell, unless trust-names
 *     says that names are enough.
 *
 * What is left are addresses that are in clear or anonymous otherwise: somebody who can read and answer
 * for them needs no name for it.
 */
#include "agent/peer_priv.h"

bool translated_waits(const struct oe_peers *ps, const struct oe_sa *sa)
{
	const struct oe_peer *p = sa->peer;

	return sa->nat && p->lookup && !(p->dns_known && p->dns_until > ps->now);
}

/* Another identity was proved by this peer; it is asked whether it lives. */
static bool is_anothers(struct oe_peers *ps, const struct oe_peer *p, const struct oe_sa *sa)
{
	for (const struct oe_sa *s = p->sas; s; s = s->next) {
		struct ike_probe probe = {.handle = s->handle};

		if (s == sa || !s->up || s->auth_peer == IKE_AUTH_NONE || s->id_hash == sa->id_hash)
			continue;
		if (s->handle)
			ps->fx.send(
				ps->fx.arg, OE_IKE, IKE_REQ_PROBE, &probe, sizeof(probe), NULL, 0);
		return true;
	}
	return false;
}

/* The same of the address, whatever traffic it was for. */
static bool taken(struct oe_peers *ps, const struct oe_sa *sa)
{
	for (struct oe_peer *p = peer_first(ps, &sa->peer->pair); p; p = peer_next(ps, p))
		if (is_anothers(ps, p, sa))
			return true;
	return false;
}

enum oe_reason translated_refusal(struct oe_peers *ps, const struct oe_sa *sa)
{
	const struct oe_peer *p = sa->peer;
	enum dns_class class = (enum dns_class)p->dns_class;

	if (!sa->nat)
		return OE_WHY_ID_MISMATCH;
	if (!p->dns_known || p->dns_until <= ps->now)
		return OE_WHY_DNS_FAILED;
	if (peer_says_nothing(class))
		return peer_dns_reason(class);
	/* an insecure key counts where it is believed */
	if (class == DNS_KEYS || peer_hint_trusted(ps, p) ||
		(class == DNS_INSECURE_KEYS && peer_conf(ps, p)->insecure_keys))
		return OE_WHY_ID_MISMATCH;
	if (peer_group(p) == POL_PRIVATE && !peer_conf(ps, p)->trust_names)
		return OE_WHY_NAME_ONLY;
	return taken(ps, sa) ? OE_WHY_SHARED_NAT : OE_WHY_NONE;
}
