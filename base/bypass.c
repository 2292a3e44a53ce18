/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/bypass.h"

#include <errno.h>
#include <linux/xfrm.h>
#include <netinet/in.h>
#include <stdint.h>

/* linux/in.h and linux/in6.h, which have them, clash with netinet/in.h */
#ifndef IP_XFRM_POLICY
#define IP_XFRM_POLICY 17
#endif
#ifndef IPV6_XFRM_POLICY
#define IPV6_XFRM_POLICY 35
#endif

int bypass_policies(int fd, sa_family_t family, int direction)
{
	int level = family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
	int option = family == AF_INET ? IP_XFRM_POLICY : IPV6_XFRM_POLICY;
	struct xfrm_userpolicy_info policy = {.sel.family = family,
		.dir = (uint8_t)direction,
		.action = XFRM_POLICY_ALLOW,
		.lft = {.soft_byte_limit = XFRM_INF,
			.hard_byte_limit = XFRM_INF,
			.soft_packet_limit = XFRM_INF,
			.hard_packet_limit = XFRM_INF}};

	return setsockopt(fd, level, option, &policy, sizeof(policy)) < 0 ? -errno : 0;
}
