/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Traffic selectors: one host on each side, with the protocol and the ports of the policy line that the
 * SA is for (RFC 7296 sections 2.9, 2.23.1, 3.13).
 *
 * As initiator we take the whole of what we asked for or nothing: a part of it would leave the rest of the
 * line's traffic in a state that no line speaks of. As responder we give what the agent says, which lies
 * within the peer's wish and within one of our lines.
 */
#include "ike/exchange.h"

/* One side's selectors. */
struct side {
	struct ike_ts own; /* what the SA is for */
	struct ike_ts ts[IKE_TS_MAX];
	size_t n;
};

static struct ike_ts one_host(const struct addr *host, uint8_t proto, uint16_t port)
{
	struct ike_ts ts = ike_ts_host(host);

	ts.proto = proto;
	if (port)
		ts.port_first = ts.port_last = port;
	return ts;
}

static struct ike_ts local_ts(const struct ike_sa *sa)
{
	return one_host(&sa->peer->pair.local, sa->scope.proto, sa->scope.sport);
}

static struct ike_ts remote_ts(const struct ike_sa *sa)
{
	return one_host(&sa->peer->pair.remote, sa->scope.proto, sa->scope.dport);
}

/* nat: the address of a single host stands for the one that it has here (2.23.1); protocol and ports
 * are as they were. Returns false where the body is malformed. */
static bool read_side(struct ike_bytes body, const struct ike_ts *own, bool nat, struct side *ret)
{
	ret->own = *own;
	ret->n = 0;
	if (!body.p || ike_ts_parse(body, ret->ts, IKE_TS_MAX, &ret->n) != IKE_PARSE_OK)
		return false;
	for (size_t i = 0; nat && i < ret->n; i++) {
		struct ike_ts *ts = &ret->ts[i];

		if (addr_equal(&ts->first, &ts->last) && ts->first.family == own->first.family)
			ts->first = ts->last = own->first;
	}
	return true;
}

/* ours: we began the exchange, so that TSi is our side. */
static bool read_sides(const struct ike_sa *sa, const struct ike_payloads *p, bool ours,
	struct side *local, struct side *remote)
{
	struct ike_ts here = local_ts(sa), there = remote_ts(sa);

	return read_side(ours ? p->tsi : p->tsr, &here, sa->nat_self, local) &&
	       read_side(ours ? p->tsr : p->tsi, &there, sa->nat_peer, remote);
}

void selector_build(const struct ike_sa *sa, struct ike_builder *b, bool ours)
{
	struct ike_ts local[2] = {local_ts(sa)}, remote[2] = {remote_ts(sa)};
	size_t n = 1;

	/* 2.9: the packet that we ask for comes first, so that a peer that narrows keeps it */
	if (ours && sa->hs && sa->hs->packet.proto && !scope_equal(&sa->hs->packet, &sa->scope)) {
		const struct scope *packet = &sa->hs->packet;

		local[1] = local[0];
		remote[1] = remote[0];
		local[0] = one_host(&sa->peer->pair.local, packet->proto, packet->sport);
		remote[0] = one_host(&sa->peer->pair.remote, packet->proto, packet->dport);
		n = 2;
	}
	ike_build_ts(b, IKE_PL_TSI, ours ? local : remote, n);
	ike_build_ts(b, IKE_PL_TSR, ours ? remote : local, n);
}

/* ---- responder */

static bool holds_own(const struct side *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (ike_ts_covers(&s->ts[i], &s->own))
			return true;
	return false;
}

bool selector_asked(const struct ike_sa *sa, const struct ike_payloads *p)
{
	struct side local, remote;

	return read_sides(sa, p, false, &local, &remote) && holds_own(&local) && holds_own(&remote);
}

static bool has_host(const struct ike_ts *ts, const struct addr *host)
{
	return ts->first.family == host->family && addr_compare(&ts->first, host) <= 0 &&
	       addr_compare(host, &ts->last) <= 0;
}

size_t selector_wishes(
	const struct ike_sa *sa, const struct ike_payloads *p, struct ike_wish ret[IKE_WISHES_MAX])
{
	const struct pair *pair = &sa->peer->pair;
	struct side local, remote;
	size_t n = 0;

	if (!read_sides(sa, p, false, &local, &remote))
		return 0;
	for (size_t i = 0; i < remote.n * local.n && n < IKE_WISHES_MAX; i++) {
		const struct ike_ts *r = &remote.ts[i / local.n], *l = &local.ts[i % local.n];

		if (!has_host(l, &pair->local) || !has_host(r, &pair->remote) ||
			(l->proto && r->proto && l->proto != r->proto) ||
			l->port_first > l->port_last || r->port_first > r->port_last)
			continue;
		ret[n++] = (struct ike_wish){.proto = l->proto ? l->proto : r->proto,
			.sport_first = l->port_first,
			.sport_last = l->port_last,
			.dport_first = r->port_first,
			.dport_last = r->port_last};
	}
	return n;
}

/* ---- initiator */

enum fit {
	FIT_SAME,
	FIT_NARROWER,
	FIT_WIDER,
	FIT_OTHER,
};

static enum fit fit_one(const struct ike_ts *own, const struct ike_ts *ts)
{
	bool wide = ike_ts_covers(ts, own), narrow = ike_ts_covers(own, ts);

	return wide && narrow ? FIT_SAME : wide ? FIT_WIDER : narrow ? FIT_NARROWER : FIT_OTHER;
}

/* Of all selectors of a side together: parts beside the whole add nothing. */
static enum fit fit(const struct side *s)
{
	enum fit all = s->n ? FIT_NARROWER : FIT_OTHER;

	for (size_t i = 0; i < s->n; i++) {
		enum fit one = fit_one(&s->own, &s->ts[i]);

		if (one > FIT_NARROWER)
			return one;
		if (one == FIT_SAME)
			all = FIT_SAME;
	}
	return all;
}

bool selector_granted(const struct ike_sa *sa, const struct ike_payloads *p, struct refusal *ret)
{
	static const char *const why[] = {
		[FIT_NARROWER] = "the peer narrows the traffic selectors to a part of the line's "
				 "traffic: a line with that protocol and port would get an SA",
		[FIT_WIDER] = "the peer answers with traffic selectors wider than those asked for",
		[FIT_OTHER] = "the peer answers with traffic selectors that do not hold the packet",
	};
	struct side local, remote;
	enum fit l, r;

	*ret = (struct refusal){
		.code = IKE_FAIL_PROTOCOL, .why = "the peer's traffic selectors are malformed"};
	if (!read_sides(sa, p, true, &local, &remote))
		return false;
	l = fit(&local);
	r = fit(&remote);
	if (l == FIT_SAME && r == FIT_SAME)
		return true;
	*ret = (struct refusal){.code = IKE_FAIL_SELECTORS, .why = why[l > r ? l : r]};
	return false;
}
