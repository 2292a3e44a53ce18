/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Traffic that is never trapped: what the network needs before there can be a decision (neighbour
 * discovery, DHCP, multicast), what never leaves the host, and the forwarders the agent names.
 * Without these a trap for everything stops the host (doc/kernel.md, section 4).
 */
#pragma once

#include "xfrm/addrs.h"
#include "xfrm/spd.h"

/* Wants the exemptions in the picture that is open in spd. */
void exempt_want(struct spd *spd, const struct own *own, size_t n_own,
	const struct xfrm_exempt *list, size_t n_list);
