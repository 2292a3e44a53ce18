/* SPDX-License-Identifier: BSD-2-Clause */
/* What an IKE SA sends: its one request, until that is answered, and its replies, as often as they
 * are asked for (RFC 7296 sections 2.1 to 2.3). */
#include "ike/exchange.h"

#include <errno.h>
#include <string.h>

#include "ike/names.h"

#define FOLLOWUP_LIFE (20 * SECOND)  /* RFC 9370 2.2.4: 5 to 20 seconds */
#define RETRANSMIT_MAX (30 * SECOND) /* the longest interval */
#define SHRINK_AFTER 3               /* tries of a message, then it goes in smaller pieces */

struct ike_path sa_path(const struct ike_sa *sa)
{
	return (struct ike_path){.pair = sa->peer->pair,
		.local_port = sa->local_port,
		.remote_port = sa->remote_port};
}

static int transmit(struct ike_sa *sa, const struct blob *run, const struct ike_path *path)
{
	struct ike_bytes message;
	size_t at = 0;
	int r = 0;

	while (r == 0 && frag_next(run, &at, &message))
		r = core_send(sa->core, path, message);
	return r;
}

/* Errors of the kernel are like a datagram lost on the way, except where there is no way at all and
 * nobody has been heard: then the agent need not wait. */
int sa_transmit(struct ike_sa *sa, const struct blob *run)
{
	struct ike_path path = sa_path(sa);
	int r = transmit(sa, run, &path);

	if (sa->state == SA_I_INIT &&
		(r == -ENETUNREACH || r == -EHOSTUNREACH || r == -EACCES || r == -EADDRNOTAVAIL ||
			r == -EAFNOSUPPORT || r == -EPERM))
		init_doubt(sa, IKE_FAIL_NETWORK, 0, "cannot send: %s", strerror(-r));
	return r;
}

struct ike_builder sa_build(struct ike_sa *sa, uint8_t exchange, bool response)
{
	struct ike_core *core = sa->core;
	struct ike_header h = {.spi_i = sa->spi_i,
		.spi_r = sa->spi_r,
		.exchange = exchange,
		.flags = (uint8_t)((sa->initiator ? IKE_FLAG_INITIATOR : 0) |
				   (response ? IKE_FLAG_RESPONSE : 0)),
		.msgid = response ? sa->next_in : sa->next_out};
	struct ike_builder b = ike_build(core->build, sizeof(core->build), &h);

	ike_build_sk(&b, sa->ei.encr->iv_len);
	return b;
}

/* When the request goes out again: doubled each time, up to a quarter later by chance, so that many
 * that began together do not stay together. */
static uint64_t next_try(struct ike_sa *sa)
{
	uint64_t wait = sa->core->config.retransmit_ms * UINT64_C(1000);

	if (crash_haste(sa))
		return sa->core->now + crash_haste(sa);
	for (int i = 1; i < sa->request.tries && wait < RETRANSMIT_MAX; i++)
		wait *= 2;
	if (wait > RETRANSMIT_MAX)
		wait = RETRANSMIT_MAX;
	return sa->core->now + wait + core_random(sa->core, (uint32_t)(wait / 4) + 1);
}

void sa_retransmit(struct ike_sa *sa)
{
	crash_on_silence(sa);
	if (sa->state == SA_GONE)
		return;
	if (!crash_haste(sa) && sa->request.tries > sa->core->config.retransmits) {
		if (sa->ended)
			sa_set_state(sa, SA_GONE);
		else if (!twin_insists(sa))
			sa_give_up(sa);
		if (sa->ended)
			return;
		sa->request.tries = 1;
	}
	sa_note(sa, IKE_NOTE_RETRANSMIT, sa->request.tries);
	/* with smaller pieces the tries begin anew (RFC 7383 section 2.5.2) */
	if (sa->request.tries == SHRINK_AFTER && frag_shrink(sa, &sa->request.bytes))
		sa->request.tries = 0;
	sa->request.tries++;
	sa_set_timer(sa, SA_TIMER_RETRANSMIT, next_try(sa));
	sa_transmit(sa, &sa->request.bytes);
}

static void send_request(struct ike_sa *sa, struct blob run, uint8_t exchange)
{
	blob_free(&sa->request.bytes);
	sa->request = (struct request){
		.bytes = run, .sent_at = sa->core->now, .exchange = exchange, .tries = 1};
	sa_set_timer(sa, SA_TIMER_RETRANSMIT, next_try(sa));
	sa_transmit(sa, &sa->request.bytes);
}

void sa_send_request(struct ike_sa *sa, struct ike_builder *b, uint8_t exchange)
{
	send_request(sa, frag_seal(sa, b), exchange);
}

void sa_send_request_clear(struct ike_sa *sa, const void *data, size_t len, uint8_t exchange)
{
	send_request(sa, blob_copy(data, len), exchange);
}

void sa_request_done(struct ike_sa *sa)
{
	blob_free(&sa->request.bytes);
	sa->request = (struct request){0};
	sa->probing = sa->parting = false;
	sa->next_out++;
	sa_set_timer(sa, SA_TIMER_RETRANSMIT, NEVER);
}

void sa_keep_reply(struct ike_sa *sa, struct ike_builder *b)
{
	blob_free(&sa->reply);
	sa->reply = frag_seal(sa, b);
	sa->repeats = 0;
	if (sa->state == SA_UP)
		sa_set_timer(sa, SA_TIMER_DEADLINE,
			sa->core->now + (followup_waits(sa) ? FOLLOWUP_LIFE : REPLY_LIFE));
}

void sa_send_kept(struct ike_sa *sa)
{
	sa->answering = 0;
	sa->next_in++;
	sa_transmit(sa, &sa->reply);
}

void sa_send_reply(struct ike_sa *sa, struct ike_builder *b)
{
	sa_keep_reply(sa, b);
	sa_send_kept(sa);
}

void sa_repeat_reply(struct ike_sa *sa, const struct ike_path *path)
{
	/* it may be the answer that does not get through (RFC 7383 section 2.4) */
	if (++sa->repeats == SHRINK_AFTER)
		frag_shrink(sa, &sa->reply);
	(void)transmit(sa, &sa->reply, path);
}
