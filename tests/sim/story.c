/* SPDX-License-Identifier: BSD-2-Clause */
/* Fixed stories on a good network, in which each datagram in turn meets a fault. Not one packet of
 * traffic may be lost by it. */
#include "tests/sim/sim.h"

#include <string.h>

static const char *const names[STORIES] = {
	[STORY_ONE] = "one side begins",
	[STORY_BOTH] = "both begin at once",
	[STORY_RENEW] = "each side renews",
	[STORY_CROSS] = "both renew at once",
	[STORY_IKE] = "each side rekeys the IKE SA",
	[STORY_IKE_CROSS] = "both rekey the IKE SA at once",
	[STORY_MIXED] = "the IKE SA and its child are rekeyed at once",
	[STORY_PPK] = "both begin at once, with a PPK",
	[STORY_SLOW_DNS] = "one side's DNS is slow",
};

const char *story_name(enum story story)
{
	return names[story];
}

static void set_up(struct sim *s)
{
	for (int i = 0; i < HOSTS; i++) {
		struct host *h = &s->host[i];

		conf_defaults(&h->conf);
		h->conf.ike_liveness_s = 30;
		h->conf.group[POL_PRIVATE_OR_CLEAR].retry_after_s = 2;
		h->conf.group[POL_PRIVATE_OR_CLEAR].retry_max_s = 20;
		h->own = h->published = host_key(i);
		h->dns_class = DNS_KEYS;
		h->terms = h->meant = (struct terms){.ppk = s->by_hand};
		schedule_policy(h, POL_PRIVATE_OR_CLEAR);
		host_start(h);
	}
}

/* A's DNS takes longer than its packets are held; it goes in clear. What B answers is trapped, B calls,
 * and A cannot say yet who it is: B must not have to wait for that as long as A's DNS takes. */
static void tell_slow_dns(struct sim *s)
{
	const struct host *a = &s->host[A], *b = &s->host[B];
	uint64_t start = s->now;

	sim_run(s, start + 3 * SEC);
	if (a->kernel.verdict != XFRM_VERDICT_CLEAR)
		sim_fail(s, "A still waits for DNS");
	s->host[B].traffic = true;
	sim_run(s, start + 7 * SEC);
	if (!s->fault.first && b->kernel.verdict != XFRM_VERDICT_CLEAR)
		sim_fail(s, "B waits for A's DNS");
	sim_run(s, start + 60 * SEC);
	if (!s->fault.first && b->kernel.held_us > 3 * SEC)
		sim_fail(s, "a packet of B's waited %u ms", (unsigned int)(b->kernel.held_us / MS));
	if (!a->handshakes)
		sim_fail(s, "A's DNS has answered, and nothing came of it");
}

static void tell(struct sim *s, enum story story)
{
	if (story == STORY_SLOW_DNS) {
		tell_slow_dns(s);
		return;
	}
	sim_run(s, s->now + 15 * SEC);
	switch (story) {
	case STORY_ONE:
	case STORY_BOTH:
	case STORY_PPK:
	case STORY_SLOW_DNS:
		break;
	case STORY_RENEW:
		for (int i = 0; i < HOSTS; i++) {
			kernel_expire(&s->host[i], false);
			sim_run(s, s->now + 30 * SEC);
		}
		break;
	case STORY_CROSS:
		kernel_expire(&s->host[A], false);
		kernel_expire(&s->host[B], false);
		sim_run(s, s->now + 30 * SEC);
		break;
	case STORY_IKE:
		for (int i = 0; i < HOSTS; i++) {
			schedule_rekey(&s->host[i], true);
			sim_run(s, s->now + 30 * SEC);
		}
		break;
	case STORY_IKE_CROSS:
		schedule_rekey(&s->host[A], true);
		schedule_rekey(&s->host[B], true);
		sim_run(s, s->now + 30 * SEC);
		break;
	case STORY_MIXED:
		schedule_rekey(&s->host[A], true);
		schedule_rekey(&s->host[B], false);
		sim_run(s, s->now + 30 * SEC);
		break;
	case STORIES:
		break;
	}
}

bool story_play(enum story story, const struct fault *fault, bool trace, struct sim_stats *stats,
	char why[static 256])
{
	struct sim *s = sim_new(1, trace);
	bool good;

	s->temper = GENTLE;
	s->fault = *fault;
	s->by_hand = story == STORY_PPK;
	set_up(s);
	s->host[A].dns_slow_us = story == STORY_SLOW_DNS ? 9 * SEC : 0;
	s->host[A].traffic = true;
	s->host[B].traffic = story == STORY_BOTH || story == STORY_PPK;
	schedule_traffic(s);
	tell(s, story);
	s->host[B].traffic = true;
	judge_settled(s);
	judge_end(s);
	good = !s->ended;
	memcpy(why, s->why, sizeof(s->why));
	*stats = s->stats;
	sim_free(s);
	return good;
}
