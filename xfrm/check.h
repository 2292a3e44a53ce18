/* SPDX-License-Identifier: BSD-2-Clause */
/* The ranges of all that the agent may ask: its lengths were checked by base/msg.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "xfrm/xfrm.h"

bool check_config(const struct xfrm_config *config);
bool check_rule(const struct xfrm_rule *rule);
bool check_exempt(const struct xfrm_exempt *exempt);
/* Single hosts of one family that may speak to each other. Whether local is ours the caller
 * sees. */
bool check_pair(const struct pair *pair);
bool check_sa(const struct xfrm_sa *sa, bool inbound, size_t key_len);
bool check_sa_id(const struct xfrm_sa_id *id);
bool check_decide(const struct xfrm_decide *decide);
