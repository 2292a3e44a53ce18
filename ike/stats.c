/* SPDX-License-Identifier: BSD-2-Clause */
#include "ike/stats.h"

#include <stddef.h>

#include "ike/names.h"

static const char *const names[IKE_STAT_N] = {
	[IKE_STAT_RECEIVED] = "received",
	[IKE_STAT_MARKER] = "no-marker",
	[IKE_STAT_KEEPALIVE] = "keepalive",
	[IKE_STAT_UNKNOWN_SPI] = "unknown-spi",
	[IKE_STAT_OTHER_ADDRESS] = "other-address",
	[IKE_STAT_EXCHANGE] = "bad-exchange",
	[IKE_STAT_MESSAGE_ID] = "bad-message-id",
	[IKE_STAT_REPEATED] = "repeated",
	[IKE_STAT_HALF_OPEN] = "half-open-limit",
	[IKE_STAT_COOKIE] = "cookie-asked",
	[IKE_STAT_NO_PROPOSAL] = "no-proposal",
	[IKE_STAT_INVALID_KE] = "invalid-ke",
	[IKE_STAT_ERRORS] = "unauthenticated-error",
	[IKE_STAT_NOT_SENT] = "not-sent",
	[IKE_STAT_FRAGMENT_LIMIT] = "fragment-limit",
};

bool ike_stats_is_drop(unsigned int i)
{
	return i != IKE_STAT_RECEIVED && i != IKE_STAT_KEEPALIVE && i != IKE_STAT_REPEATED &&
	       i != IKE_STAT_COOKIE;
}

const char *ike_stats_name(unsigned int i)
{
	if (i >= IKE_STAT_N)
		return NULL;
	return names[i] ? names[i] : ike_parse_name((enum ike_parse)i);
}
