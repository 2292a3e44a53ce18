/* SPDX-License-Identifier: BSD-2-Clause */
/* Why things are as they are, in plain words: the journal and the state of peers as JSON. */
#pragma once

#include <jansson.h>
#include <stddef.h>

#include "agent/peer.h"

#define EXPLAIN_TEXT_MAX 320

/* What a record of the journal says. peer is its owner. Returns buf. */
const char *explain_entry(const struct oe_peer *peer, const struct journal_entry *e,
	char buf[static EXPLAIN_TEXT_MAX]);
/* One object of the answer to "explain": state, summary, chain, advice; counters are null. now as
 * in service_now(). New reference. */
json_t *explain_peer(const struct oe_peer *peer, uint64_t now);
/* One object of the answer to "peers". New reference. */
json_t *explain_row(const struct oe_peer *peer, uint64_t now);
/* "private-or-clear 10.0.0.0/8 tcp any 443" without the group: the selector as in the file. */
/* A line of the policy; JSON null where there is none. */
json_t *explain_rule(const struct pol_rule *rule);
const char *explain_selector(const struct pol_rule *rule, char buf[static EXPLAIN_TEXT_MAX]);
/* What a group means, in one sentence. */
const char *explain_group(enum pol_group group);
