/* SPDX-License-Identifier: BSD-2-Clause */
/* Policies as XFRM netlink messages (linux/xfrm.h): to the kernel and back. */
#pragma once

#include "xfrm/netlink.h"
#include "xfrm/spd.h"

/* Adds one message to the batch: create or replace, or remove for SPD_NONE. lifetime: seconds that
 * a mortal policy lives, 0 for ever. */
void policy_put(struct nl *nl, const struct spd_key *key, const struct spd_value *value,
	uint32_t lifetime, nl_done_fn done, void *arg);

typedef void (*policy_fn)(void *arg, const struct spd_key *key, const struct spd_value *value);
/* All policies of the kernel in our priority band. Returns 0 or -errno. */
int policy_dump(struct nl *nl, policy_fn fn, void *arg);
/* Reads XFRM_MSG_NEWPOLICY or XFRM_MSG_POLEXPIRE (then *ret_hard tells the kind of expiry). Returns
 * false where it is not ours or not a policy of our making. */
bool policy_parse_message(const struct nlmsghdr *nlh, struct spd_key *ret_key,
	struct spd_value *ret_value, bool *ret_hard);
/* Whether a policy of this priority is ours. */
bool policy_is_ours(uint32_t priority);
