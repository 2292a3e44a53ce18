/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control socket RUNDIR/control.sock: one JSON object a line each way. Root may do all, others
 * whom the socket's mode lets in may read. RUNDIR/hint/control.sock, where [control] hint-group
 * lets in whom it is for, takes hints and nothing else.
 */
#pragma once

#include <stdbool.h>

#include "agent/agent.h"

#define CONTROL_HINTS "hint" /* the folder */

/* NULL after a logged line. */
struct control *control_new(struct agent *a);
/* Accepts NULL. */
void control_free(struct control *c);
/* The counters asked for by explain. */
void control_counters(struct control *c, const struct xfrm_counters *counters);
/* Whether the answer was to a question of ours (`oectl resolve`). */
bool control_answer(struct control *c, const struct dns_answer *a, const uint8_t *keys, size_t len);
/* The outcome of a hint. Accepts NULL. */
void control_hinted(
	struct control *c, uint32_t tag, const struct dns_answer *a, size_t taken);
/* Something happened to a peer: for those who trace. Accepts NULL. */
void control_trace(struct control *c, const struct oe_peer *p, const struct journal_entry *e);
