/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sockets whose packets no policy of the host touches: the kernel asks a socket's own policies
 * before all others (net/xfrm/xfrm_policy.c: xfrm_sk_policy_lookup()).
 */
#pragma once

#include <sys/socket.h>

/* What the socket receives (XFRM_POLICY_IN) or sends (XFRM_POLICY_OUT) is never trapped, demanded
 * encrypted or dropped. Needs CAP_NET_ADMIN. Returns 0 or -errno; -ENOPROTOOPT of a kernel without
 * XFRM. */
int bypass_policies(int fd, sa_family_t family, int direction);
