/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/journal.h"

#include <stdlib.h>

#include "base/log.h"

/* What a handshake writes, with the question to DNS: of a peer that calls, of one that is called. */
static const uint32_t rooms[] = {10, 16, JOURNAL_MAX};

static uint32_t next_room(uint32_t room)
{
	size_t i = 0;

	while (rooms[i] <= room)
		i++;
	return rooms[i];
}

void journal_add(struct journal *j, const struct journal_entry *e)
{
	if (j->written == j->room && j->room < JOURNAL_MAX) {
		j->room = next_room(j->room);
		j->ring = realloc(j->ring, j->room * sizeof(*j->ring));
		if (!j->ring) {
			log_error("out of memory");
			abort();
		}
	}
	j->ring[j->written++ % j->room] = *e;
}

void journal_free(struct journal *j)
{
	free(j->ring);
	*j = (struct journal){0};
}

size_t journal_count(const struct journal *j)
{
	return j->written < JOURNAL_MAX ? j->written : JOURNAL_MAX;
}

const struct journal_entry *journal_at(const struct journal *j, size_t i)
{
	size_t first = j->written < JOURNAL_MAX ? 0 : j->written % JOURNAL_MAX;

	return &j->ring[(first + i) % JOURNAL_MAX];
}

const char *journal_step_name(enum journal_step step)
{
	switch (step) {
	case JOURNAL_TRAPPED:
		return "trapped";
	case JOURNAL_RULE:
	case JOURNAL_POLICY:
		return "policy";
	case JOURNAL_LOOKUP:
	case JOURNAL_ANSWER:
	case JOURNAL_KNOWN:
	case JOURNAL_RANGE:
	case JOURNAL_KEPT:
	case JOURNAL_HINT:
	case JOURNAL_KEY_GONE:
	case JOURNAL_HOLD_LIMIT:
		return "dns";
	case JOURNAL_MANUAL:
		return "peers.d";
	case JOURNAL_CONNECT:
	case JOURNAL_INBOUND:
	case JOURNAL_IDENTITY:
	case JOURNAL_AUTHORIZED:
	case JOURNAL_REFUSED:
	case JOURNAL_IKE:
	case JOURNAL_UP:
	case JOURNAL_REKEYED:
	case JOURNAL_FAILED:
	case JOURNAL_DOWN:
	case JOURNAL_DOUBT:
	case JOURNAL_MOVED:
	case JOURNAL_TRANSLATED:
	case JOURNAL_CERTIFICATE:
		return "ike";
	case JOURNAL_SA_IN:
	case JOURNAL_SA_OUT:
	case JOURNAL_KERNEL:
	case JOURNAL_EXPIRED:
	case JOURNAL_ADOPTED:
	case JOURNAL_STRAY:
		return "kernel";
	case JOURNAL_RELEASED:
		return "released";
	case JOURNAL_STATE:
		return "state";
	case JOURNAL_RETRY:
		return "retry";
	case JOURNAL_LOST:
		return "oed";
	case JOURNAL_COMMAND:
		return "command";
	}
	return "?";
}
