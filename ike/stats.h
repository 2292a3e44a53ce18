/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The slots of struct ike_stats. The first ones are the causes of enum ike_parse (slot 0, "ok", is
 * not a cause: there every datagram is counted); behind them come those that only the core can
 * tell.
 */
#pragma once

#include "ike/ike.h"
#include "ike/payload.h"

enum ike_stat {
	IKE_STAT_RECEIVED = 0,         /* datagrams */
	IKE_STAT_MARKER = IKE_PARSE_N, /* on port 4500 without non-ESP marker, no keepalive */
	IKE_STAT_KEEPALIVE,            /* NAT keepalives (RFC 3948 2.3) */
	IKE_STAT_UNKNOWN_SPI,          /* of no IKE SA of ours */
	IKE_STAT_OTHER_ADDRESS,        /* of an IKE SA of ours, but not from its peer's address */
	IKE_STAT_EXCHANGE,             /* exchange unknown, or not now */
	IKE_STAT_MESSAGE_ID,           /* outside the window of 1 */
	IKE_STAT_REPEATED,             /* a request again: answered from the cache or in work */
	IKE_STAT_HALF_OPEN,            /* half_open_max was reached */
	IKE_STAT_COOKIE,               /* cookies asked for */
	IKE_STAT_NO_PROPOSAL,          /* IKE_SA_INIT requests without a suite of ours */
	IKE_STAT_INVALID_KE,           /* IKE_SA_INIT requests with another group than ours */
	IKE_STAT_ERRORS,               /* unauthenticated error notifies, ICMP port unreachable */
	IKE_STAT_NOT_SENT,             /* datagrams that the kernel did not take */
	IKE_STAT_FRAGMENT_LIMIT,       /* fragments beyond what is kept: the message was dropped */
	IKE_STAT_N,
};

_Static_assert(IKE_STAT_N <= IKE_STATS_MAX, "struct ike_stats has a slot for each");
