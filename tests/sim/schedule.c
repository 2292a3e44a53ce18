/* SPDX-License-Identifier: BSD-2-Clause */
/* One schedule: a while of trouble drawn by chance, then a good network, and judgement. */
#include "tests/sim/sim.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- the two hosts */

void schedule_policy(struct host *h, enum pol_group group)
{
	static const char line[] = "198.18.0.0/16\n";
	size_t refused;

	h->policy = policy_new();
	policy_parse(h->policy, group, "sim", line, sizeof(line) - 1, NULL, NULL, &refused);
}

static void set_conf(struct sim *s, struct host *h)
{
	struct conf *c = &h->conf;

	conf_defaults(c);
	c->ike_retransmit_ms = 250 + 250 * sim_random(s, 2);
	c->ike_retransmits = 4 + sim_random(s, 3);
	c->ike_liveness_s = 20 + sim_random(s, 20);
	c->ike_connect_limit_ms = 5000 + sim_random(s, 10000);
	c->ike_lifetime_s = sim_chance(s, 300) ? 120 + sim_random(s, 200) : 86400;
	c->ike_cookie_above = sim_chance(s, 200) ? 0 : 100;
	h->mixes = sim_chance(s, 600);
	h->busy = sim_chance(s, 400);
	for (int g = 0; g < POL_N_GROUPS; g++) {
		c->group[g].retry_after_s = 2;
		c->group[g].retry_max_s = 20;
	}
	if (s->nat)
		snprintf(c->ike_identity, sizeof(c->ike_identity), "%c.example.test",
			"ab"[h->index]);
}

/* Who can prove what: both, B only, nobody. */
static void set_keys(struct sim *s)
{
	uint32_t kind = sim_random(s, s->temper == HOPELESS || s->by_hand ? 6 : 8);

	for (int i = 0; i < HOSTS; i++) {
		struct host *h = &s->host[i];
		bool anonymous = kind == 7 || (kind == 6 && i == A);

		h->remembers = sim_chance(s, 500);
		h->own = anonymous ? NULL : host_key(i);
		h->published = s->temper == HOPELESS && !s->by_hand ? host_key(2) : h->own;
		h->dns_class = anonymous ? DNS_DENIED : DNS_KEYS;
		if (kind >= 6)
			h->conf.group[POL_PRIVATE_OR_CLEAR].anonymous = CONF_ANON_INITIATE;
		schedule_policy(
			h, kind >= 6 || sim_chance(s, 500) ? POL_PRIVATE_OR_CLEAR : POL_PRIVATE);
	}
}

static void set_up(struct sim *s)
{
	static const enum temper tempers[] = {
		GENTLE, GENTLE, HARSH, GENTLE, HARSH, NATTED, GENTLE, HOPELESS};

	s->temper = tempers[s->seed % 8];
	s->nat = s->temper == NATTED;
	for (int i = 0; i < HOSTS; i++)
		set_conf(s, &s->host[i]);
	if (s->seed / 8 % 4 == 0)
		hand_draw(s);
	set_keys(s);
	for (int i = 0; i < HOSTS; i++)
		host_start(&s->host[i]);
}

/* ---- traffic */

static void tick(struct sim *s, struct task *t)
{
	struct host *h = &s->host[t->host];
	struct task *again;

	if (h->traffic)
		kernel_output(h);
	again = sim_task(s, tick, 0);
	again->host = t->host;
	sim_at(s, again, s->now + SEC / 2 + sim_random(s, SEC));
}

void schedule_traffic(struct sim *s)
{
	for (int i = 0; i < HOSTS; i++) {
		struct task *t = sim_task(s, tick, 0);

		t->host = i;
		/* together, now and then: simultaneous initiation */
		sim_at(s, t, s->now + (sim_chance(s, 500) ? 0 : sim_random(s, 20 * MS)));
	}
}

static void start_traffic(struct sim *s)
{
	uint32_t who = sim_random(s, 4); /* A, B, both */

	for (int i = 0; i < HOSTS; i++)
		s->host[i].traffic = who >= 2 || who == (uint32_t)i;
	/* nobody can initiate towards a NAT */
	if (s->nat)
		s->host[A].traffic = true;
	schedule_traffic(s);
}

/* ---- trouble */

static void act_net(struct sim *s, struct host *h)
{
	struct net *n = &s->net;

	(void)h;
	n->loss = sim_chance(s, 600) ? sim_random(s, s->temper == GENTLE ? 150 : 500) : 0;
	n->twice = sim_chance(s, 500) ? sim_random(s, 300) : 0;
	n->late = sim_chance(s, 500) ? sim_random(s, 300) : 0;
	n->late_us = sim_random(s, s->temper == GENTLE ? 4 * SEC : 40 * SEC);
	n->min_us = 100 + sim_random(s, 20 * MS);
	n->max_us = n->min_us + sim_random(s, 50 * MS);
	/* busy hosts, whose processes come later to what the others say than a packet needs to the other
	 * host, yet not than it needs there and back */
	for (int i = 0; i < HOSTS * CHANNELS && s->temper == GENTLE; i++)
		s->host[i % HOSTS].channel[i / HOSTS].slow_us =
			s->host[i % HOSTS].busy ? n->min_us / 4 * 3 : 0;
	sim_trace(s, HOSTS, "network: loss %u, twice %u, late %u by %u us, %u..%u us", n->loss,
		n->twice, n->late, n->late_us, n->min_us, n->max_us);
}

static void act_soft(struct sim *s, struct host *h)
{
	(void)s;
	kernel_expire(h, false);
}

static void act_soft_both(struct sim *s, struct host *h)
{
	(void)h;
	kernel_expire(&s->host[A], false);
	kernel_expire(&s->host[B], false);
}

static void act_up(struct sim *s, struct host *h)
{
	struct pair pair = host_pair(h);

	if (!h->agent)
		return;
	sim_trace(s, h->index, "oectl up");
	oe_peers_up(h->agent, &pair, s->now);
	h->agent_due = oe_peers_timers(h->agent, s->now);
}

static void act_up_both(struct sim *s, struct host *h)
{
	(void)h;
	act_up(s, &s->host[A]);
	act_up(s, &s->host[B]);
}

static void act_replay(struct sim *s, struct host *h)
{
	net_replay(s, h->index);
}

static const struct oe_sa *any_sa(struct sim *s, struct host *h)
{
	struct pair pair = host_pair(h);
	const struct oe_peer *p = h->agent ? oe_peers_find(h->agent, &pair) : NULL;
	const struct oe_sa *sa = p ? p->sas : NULL;

	while (sa && sa->next && sim_chance(s, 500))
		sa = sa->next;
	return sa && sa->handle ? sa : NULL;
}

void schedule_rekey(struct host *h, bool ike)
{
	const struct oe_sa *sa = any_sa(h->s, h);
	struct ike_rekey r;

	if (!sa || !sa->up || !sa->children)
		return;
	r = (struct ike_rekey){.handle = sa->handle, .spi = ike ? 0 : sa->children->spi_in};
	sim_trace(h->s, h->index, "rekeys %s", ike ? "the IKE SA" : "a child");
	host_send(h, CH_IKE, IKE_REQ_REKEY, &r, sizeof(r), NULL, 0);
}

static void act_rekey(struct sim *s, struct host *h)
{
	schedule_rekey(h, sim_chance(s, 500));
}

/* At one time: the same, or a child and its IKE SA (RFC 7296 2.25). */
static void act_rekey_both(struct sim *s, struct host *h)
{
	(void)h;
	for (int i = 0; i < HOSTS; i++)
		schedule_rekey(&s->host[i], sim_chance(s, 500));
}

static void act_probe(struct sim *s, struct host *h)
{
	const struct oe_sa *sa = any_sa(s, h);
	struct ike_probe p = {.handle = sa ? sa->handle : 0};

	if (sa)
		host_send(h, CH_IKE, IKE_REQ_PROBE, &p, sizeof(p), NULL, 0);
}

static void act_icmp(struct sim *s, struct host *h)
{
	struct pair pair = host_pair(h);

	if (!h->ike)
		return;
	ike_core_icmp_refused(h->ike, &pair, s->now);
	h->ike_due = ike_core_timers(h->ike, s->now);
}

static void act_traffic(struct sim *s, struct host *h)
{
	h->traffic = !h->traffic || (s->nat && h->index == A);
}

/* From here on what no packet survives. */

static void act_close(struct sim *s, struct host *h)
{
	const struct oe_sa *sa = any_sa(s, h);
	struct ike_close c = {.handle = sa ? sa->handle : 0, .silent = sim_chance(s, 300)};

	if (sa)
		host_send(h, CH_IKE, IKE_REQ_CLOSE, &c, sizeof(c), NULL, 0);
}

static void act_down(struct sim *s, struct host *h)
{
	struct pair pair = host_pair(h);

	if (!h->agent)
		return;
	sim_trace(s, h->index, "oectl down");
	if (sim_chance(s, 500))
		oe_peers_down(h->agent, &pair.remote, s->now);
	else
		oe_peers_forget(h->agent, &pair.remote, s->now);
	h->agent_due = oe_peers_timers(h->agent, s->now);
}

static void act_hard(struct sim *s, struct host *h)
{
	(void)s;
	kernel_expire(h, true);
}

static void boot(struct sim *s, struct task *t)
{
	if (s->host[t->host].agent)
		return;
	sim_trace(s, t->host, "starts");
	host_start(&s->host[t->host]);
}

/* The daemon ends without a word; half of the times with the whole host. */
static void act_restart(struct sim *s, struct host *h)
{
	struct task *t = sim_task(s, boot, 0);
	bool whole = sim_chance(s, 500);

	sim_trace(s, h->index, whole ? "the host dies" : "the daemon dies");
	host_stop(h);
	if (whole)
		kernel_reset(h);
	t->host = h->index;
	sim_at(s, t, s->now + sim_random(s, sim_chance(s, 500) ? SEC : 60 * SEC));
}

static void ike_again(struct sim *s, struct task *t)
{
	host_ike_starts(&s->host[t->host]);
}

static void act_ike_dies(struct sim *s, struct host *h)
{
	struct task *t = sim_task(s, ike_again, 0);

	sim_trace(s, h->index, "the ike service dies");
	host_ike_dies(h);
	t->host = h->index;
	sim_at(s, t, s->now + sim_random(s, 5 * SEC));
}

static void act_cut(struct sim *s, struct host *h)
{
	h->s->net.cut[h->index] = !h->s->net.cut[h->index];
	sim_trace(s, h->index, "%s", h->s->net.cut[h->index] ? "cut off" : "back");
}

static void act_services(struct sim *s, struct host *h)
{
	h->sign_error = sim_chance(s, 200) ? -EIO : 0;
	h->kernel.error = sim_chance(s, 200) ? -ENOBUFS : 0;
	h->dns_fails = sim_chance(s, 200);
	for (int i = 0; i < CHANNELS; i++)
		h->channel[i].slow_us = sim_chance(s, 250) ? sim_random(s, 15 * SEC) : 0;
	sim_trace(s, h->index, "signer %s, kernel %s, DNS %s, some channels slow",
		h->sign_error ? "fails" : "works", h->kernel.error ? "fails" : "works",
		h->dns_fails ? "fails" : "works");
}

static void act_rebind(struct sim *s, struct host *h)
{
	(void)h;
	if (s->nat)
		net_rebind(s);
}

static void act(struct sim *s, struct task *t)
{
	static void (*const acts[])(struct sim * s, struct host * h) = {/* always */
		act_rekey, act_rekey, act_rekey_both, act_rekey_both, act_rekey_both, act_net,
		act_net, act_soft, act_soft, act_soft_both, act_soft_both, act_up, act_up_both,
		act_replay, act_replay, act_probe, act_icmp, act_traffic,
		/* harsh */
		act_close, act_close, act_down, act_hard, act_restart, act_restart, act_ike_dies,
		act_cut, act_cut, act_services, act_services, act_rebind};
	enum { N_ALL = sizeof(acts) / sizeof(acts[0]), N_GENTLE = 18 };

	(void)t;
	if (s->over)
		return;
	if (s->by_hand && sim_chance(s, 250)) {
		hand_reload(&s->host[sim_random(s, HOSTS)]);
		return;
	}
	acts[sim_random(s, s->temper == GENTLE ? N_GENTLE : N_ALL)](
		s, &s->host[sim_random(s, HOSTS)]);
}

static uint64_t plan_trouble(struct sim *s)
{
	uint64_t length = 10 * SEC + sim_random(s, 120 * SEC);
	unsigned int n = 2 + sim_random(s, 20);

	/* bursts are worse than what is spread evenly */
	for (unsigned int i = 0; i < n;) {
		uint64_t at = s->now + sim_random(s, (uint32_t)length);
		unsigned int burst = 1 + sim_random(s, 4);

		for (; burst && i < n; burst--, i++) {
			sim_at(s, sim_task(s, act, 0), at);
			at += sim_random(s, sim_chance(s, 500) ? 5 * MS : 2 * SEC);
		}
	}
	return s->now + length;
}

bool schedule_play(uint64_t seed, bool trace, struct sim_stats *stats, char why[static 256])
{
	struct sim *s = sim_new(seed, trace);
	bool good;

	set_up(s);
	act_net(s, NULL);
	if (s->temper != GENTLE)
		s->excused = UINT64_MAX;
	start_traffic(s);
	sim_run(s, plan_trouble(s));
	judge_make_good(s);
	/* all that was planned is over: restarts too */
	sim_run(s, s->now + 70 * SEC);
	for (int i = 0; i < HOSTS; i++)
		if (s->by_hand && s->host[i].agent)
			hand_reload(&s->host[i]);
	s->net.cut[A] = s->net.cut[B] = false;
	s->temper == HOPELESS ? judge_hopeless(s) : judge_settled(s);
	judge_end(s);
	good = !s->ended;
	memcpy(why, s->why, sizeof(s->why));
	if (stats)
		sim_add_stats(stats, &s->stats);
	sim_free(s);
	return good;
}
