/* SPDX-License-Identifier: BSD-2-Clause */
/* The questions that must be answered well when the trouble is over: is there one working pair of
 * SAs, does it stay, and is nothing left when one side has ended it? */
#include "tests/sim/sim.h"

#include <string.h>

#include "ike/exchange.h"

#define SETTLE (300 * SEC) /* a peer that died unseen is found by liveness, then back-off */
#define STEADY (60 * SEC)
#define FAREWELL (100 * SEC) /* all repetitions of a DELETE, and of what was before it */
#define QUIET (3000 * SEC) /* an idle peer is remembered for ten minutes */

void judge_make_good(struct sim *s)
{
	sim_trace(s, HOSTS, "all is good from here on");
	s->over = true;
	s->net = (struct net){.min_us = MS, .max_us = 10 * MS};
	for (int i = 0; i < HOSTS; i++) {
		struct host *h = &s->host[i];

		h->sign_error = h->kernel.error = 0;
		h->dns_fails = false;
		for (int c = 0; c < CHANNELS; c++)
			h->channel[c].slow_us = 0;
	}
	if (!s->host[A].traffic && !s->host[B].traffic)
		s->host[A].traffic = true;
}

/* ---- the questions */

/* NULL where traffic of both sides passes by one pair of SAs, else what is wrong. */
static const char *judge(const struct sim *s)
{
	for (int i = 0; i < HOSTS; i++) {
		const struct host *h = &s->host[i], *other = &s->host[!i];
		const struct kernel_sa *out = kernel_newest(h), *in;

		if (!h->ike || !h->agent)
			return "a service is down";
		if (!out)
			return "a host has no outbound SA";
		if (kernel_count(h, true) > 1 || kernel_count(h, false) > 1)
			return "a host has more than one SA in a direction";
		in = kernel_find(other, true, out->spi);
		if (!in)
			return "an outbound SA has no inbound one on the other side";
		if (in->key_len != out->key_len || memcmp(in->key, out->key, in->key_len))
			return "the two ends of an SA have different keys";
		if (s->nat && i == B && out->encap_remote != s->nat_port[1])
			return "B sends to a port that the NAT has forgotten";
		if (s->by_hand && h->ppk != hand_uses_ppk(s))
			return "a host does not use the PPK as it was told";
	}
	return NULL;
}

static const char *settle(struct sim *s)
{
	uint64_t until = s->now + SETTLE;
	const char *wrong = judge(s);

	while (!s->ended && wrong && s->now < until) {
		sim_run(s, s->now + 5 * SEC);
		wrong = judge(s);
	}
	return wrong;
}

void judge_settled(struct sim *s)
{
	const char *wrong = settle(s);

	if (wrong)
		sim_fail(s, "not settled: %s", wrong);
	if (s->temper != GENTLE)
		s->excused = s->now + 5 * SEC;
	sim_run(s, s->now + STEADY);
	/* a life may be over just now, or one side finds that the other has lost its IKE SA */
	wrong = settle(s);
	if (wrong)
		sim_fail(s, "settled, and not for long: %s", wrong);
}

void judge_hopeless(struct sim *s)
{
	sim_run(s, s->now + STEADY);
	for (int i = 0; i < HOSTS; i++)
		if (kernel_newest(&s->host[i]) || s->host[i].handshakes)
			sim_fail(s, "host %c has an SA with a peer whose key is wrong", "AB"[i]);
}

static void count_peer(void *arg, const struct oe_peer *p)
{
	(void)p;
	++*(unsigned int *)arg;
}

static void must_be_empty(struct sim *s)
{
	for (int i = 0; i < HOSTS && !s->ended; i++) {
		const struct host *h = &s->host[i];
		const struct ike_core *c = h->ike;
		unsigned int peers = 0;

		oe_peers_each(h->agent, count_peer, &peers);
		if (kernel_count(h, true) || kernel_count(h, false))
			sim_fail(s, "host %c: SAs are left in the kernel", "AB"[i]);
		else if (!core_is_empty(c) || c->stats.half_open || c->stats.established)
			sim_fail(s, "host %c: something is left in the IKE core", "AB"[i]);
		else if (peers)
			sim_fail(s, "host %c: the agent holds %u peers", "AB"[i], peers);
	}
}

static void forget(struct sim *s, struct host *h)
{
	struct pair pair = host_pair(h);

	sim_trace(s, h->index, "oectl forget");
	oe_peers_forget(h->agent, &pair.remote, s->now);
	h->agent_due = oe_peers_timers(h->agent, s->now);
}

/* One side ends it. Where there was no fault the other has nothing left either; else it may hold
 * something that the first has long lost, and ends that. */
void judge_end(struct sim *s)
{
	int first = s->nat ? A : (int)sim_random(s, HOSTS);

	s->host[A].traffic = s->host[B].traffic = false;
	s->excused = UINT64_MAX;
	forget(s, &s->host[first]);
	sim_run(s, s->now + 5 * SEC);
	if (kernel_newest(&s->host[first]))
		sim_fail(s, "host %c: what was forgotten is back", "AB"[first]);
	sim_run(s, s->now + FAREWELL);
	if (s->temper == GENTLE && kernel_newest(&s->host[!first]))
		sim_fail(s, "host %c: has not heard of the end", "AB"[!first]);
	forget(s, &s->host[!first]);
	sim_run(s, s->now + QUIET);
	must_be_empty(s);
}
