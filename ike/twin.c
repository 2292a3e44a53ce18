/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two IKE SAs with one peer: both hosts began at one time, or one began anew. Which of them stays is
 * told by what both know, never by what comes first, so it is the same seen from both sides. It must
 * have proved that it lives before another is closed for it: by an answer to an INFORMATIONAL request,
 * which the peer gives only where its own half is whole. So at no time is there none.
 *
 * The host that began the one that goes closes it. Where it does not in time, for it knows nothing of
 * that or has been started anew, the other one does, but not to one that the peer began later. Nothing is
 * sent by it then; what comes is taken until the peer has answered the DELETE.
 */
#include "base/log.h"
#include "ike/exchange.h"

#define PATIENCE (60 * SECOND)
#define INSIST (60 * SECOND)

/* Those for different traffic are no twins. */
static bool is_twin(const struct ike_sa *sa, const struct ike_sa *other)
{
	return other != sa && scope_equal(&other->scope, &sa->scope);
}

/* It cannot last: the peer would not rekey it, or what proved the peer has expired. */
static bool is_doomed(const struct ike_sa *sa)
{
	return sa->stale || sa->lapsed;
}

/* What cannot last goes; then what is proved less; then the one with the lower first SPI, which both
 * know and neither can choose to its advantage. An order without circles. */
static bool outlives(const struct ike_sa *a, const struct ike_sa *b)
{
	if (is_doomed(a) != is_doomed(b))
		return is_doomed(b);
	if (a->strength != b->strength)
		return a->strength > b->strength;
	return a->origin > b->origin;
}

static bool is_up(const struct ike_sa *sa)
{
	return sa->state == SA_UP && !sa->ended && !sa->closing;
}

static bool may_close(const struct ike_sa *goes, const struct ike_sa *stays)
{
	return goes->first_host || is_doomed(goes) ||
	       (goes->overdue && (stays->first_host || stays->created > goes->created));
}

static void probe(struct ike_sa *sa)
{
	sa->want_probe = true;
	info_pump(sa);
}

static void settle(struct ike_sa *stays, struct ike_sa *goes)
{
	if (may_close(goes, stays))
		probe(stays);
	else if (!goes->overdue)
		sa_set_timer(goes, SA_TIMER_TWIN, goes->core->now + PATIENCE);
	else { /* left by the peer as it is, or one of them is dead */
		probe(goes);
		probe(stays);
	}
}

void twin_on_up(struct ike_sa *sa)
{
	struct ike_sa *other, *next;

	DL_FOREACH_SAFE2(sa->peer->sas, other, next, peer_next)
	{
		if (!is_twin(sa, other) || !is_up(other) || !is_up(sa))
			continue;
		/* what is sent goes by it from now on, but has the peer had our answer? */
		if (!sa->first_host)
			probe(sa);
		if (outlives(sa, other))
			settle(sa, other);
		else
			settle(other, sa);
	}
}

void twin_on_timer(struct ike_sa *sa)
{
	struct ike_sa *other, *next;

	DL_FOREACH_SAFE2(sa->peer->sas, other, next, peer_next)
	{
		if (is_twin(sa, other) && is_up(other) && is_up(sa) && outlives(other, sa))
			settle(other, sa);
	}
}

/* Nothing is sent by it from now on. What comes in is taken until the peer knows. */
static void close_sa(struct ike_sa *sa)
{
	struct child *child;

	sa->closing = sa->want_delete = true;
	DL_FOREACH(sa->children, child) {
		child_mute(sa, child);
	}
	info_pump(sa);
}

void twin_on_alive(struct ike_sa *sa)
{
	struct ike_sa *other, *next;

	DL_FOREACH_SAFE2(sa->peer->sas, other, next, peer_next)
	{
		if (is_twin(sa, other) && is_up(other) && is_up(sa) && outlives(sa, other) &&
			may_close(other, sa))
			close_sa(other);
	}
}

/* As long as the other one is up, which is asked whether it lives: the peer may be sending by this one. */
bool twin_insists(struct ike_sa *sa)
{
	struct ike_sa *other;

	if (!sa->closing || sa->core->now > sa->request.sent_at + INSIST)
		return false;
	DL_FOREACH2(sa->peer->sas, other, peer_next)
	{
		if (!is_twin(other, sa) || !is_up(other))
			continue;
		if (other->heard_at <= sa->request.sent_at)
			probe(other);
		return true;
	}
	return false;
}
