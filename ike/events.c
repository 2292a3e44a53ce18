/* SPDX-License-Identifier: BSD-2-Clause */
/* What the agent needs to read the service's events. */
#include <stddef.h>

#include "ike/ike.h"
#include "ike/suite.h"

/* A cipher key with its salt. */
#define KEY_TAIL IKE_AEAD_KEY_MAX

const struct msg_spec ike_events[] = {
	{IKE_EV_READY, "ike READY", sizeof(struct ike_ready), 0, 0},
	{IKE_EV_INBOUND, "ike INBOUND", sizeof(struct ike_inbound), 0, 0},
	{IKE_EV_IDENTITY, "ike IDENTITY", sizeof(struct ike_identity), 0, 0},
	{IKE_EV_SIGN, "ike SIGN", sizeof(struct ike_sign), IKE_OCTETS_MAX, 0},
	{IKE_EV_CHILD_IN, "ike CHILD_IN", sizeof(struct ike_child), KEY_TAIL, 0},
	{IKE_EV_CHILD_OUT, "ike CHILD_OUT", sizeof(struct ike_child), KEY_TAIL, 0},
	{IKE_EV_CHILD_GONE, "ike CHILD_GONE", sizeof(struct ike_child_gone), 0, 0},
	{IKE_EV_UP, "ike UP", sizeof(struct ike_up), 0, 0},
	{IKE_EV_FAILED, "ike FAILED", sizeof(struct ike_failed), 0, 0},
	{IKE_EV_DOWN, "ike DOWN", sizeof(struct ike_failed), 0, 0},
	{IKE_EV_NOTE, "ike NOTE", sizeof(struct ike_note), 0, 0},
	{IKE_EV_STATS, "ike STATS", sizeof(struct ike_stats), 0, 0},
	{IKE_EV_MOVED, "ike MOVED", sizeof(struct ike_moved), 0, 0},
	{IKE_EV_DOUBT, "ike DOUBT", sizeof(struct ike_doubt), 0, 0},
	{IKE_EV_REKEYED, "ike REKEYED", sizeof(struct ike_rekeyed), 0, 0},
	{IKE_EV_STALE, "ike STALE", sizeof(struct ike_stale), 0, 0},
	{IKE_EV_IDLE, "ike IDLE", sizeof(struct ike_idle), 0, 0},
	{IKE_EV_CERTIFICATE, "ike CERTIFICATE", sizeof(struct ike_certificate), 0, 0},
};
const size_t ike_n_events = sizeof(ike_events) / sizeof(ike_events[0]);

const char *ike_failure_name(enum ike_failure f)
{
	static const char *const names[] = {
		[IKE_FAIL_NO_ANSWER] = "NO_ANSWER",
		[IKE_FAIL_DEAD] = "DEAD",
		[IKE_FAIL_REFUSED] = "REFUSED",
		[IKE_FAIL_NO_PROPOSAL] = "NO_PROPOSAL",
		[IKE_FAIL_PEER_KEY] = "PEER_KEY",
		[IKE_FAIL_PEER_ANONYMOUS] = "PEER_ANONYMOUS",
		[IKE_FAIL_SELF_REFUSED] = "SELF_REFUSED",
		[IKE_FAIL_NO_SCHEME] = "NO_SCHEME",
		[IKE_FAIL_TUNNEL] = "TUNNEL",
		[IKE_FAIL_SELECTORS] = "SELECTORS",
		[IKE_FAIL_CHILD] = "CHILD",
		[IKE_FAIL_INSTALL] = "INSTALL",
		[IKE_FAIL_SIGNER] = "SIGNER",
		[IKE_FAIL_PROTOCOL] = "PROTOCOL",
		[IKE_FAIL_BUSY] = "BUSY",
		[IKE_FAIL_NETWORK] = "NETWORK",
		[IKE_FAIL_NOT_AUTHORIZED] = "NOT_AUTHORIZED",
		[IKE_FAIL_DELETED] = "DELETED",
		[IKE_FAIL_CLOSED] = "CLOSED",
		[IKE_FAIL_REPLACED] = "REPLACED",
		[IKE_FAIL_RESTARTED] = "RESTARTED",
		[IKE_FAIL_PEER_ID] = "PEER_ID",
		[IKE_FAIL_CERTIFICATE] = "CERTIFICATE",
		[IKE_FAIL_PPK] = "PPK",
		[IKE_FAIL_EXPIRED] = "EXPIRED",
	};
	size_t i = (size_t)f;

	return i < sizeof(names) / sizeof(names[0]) && names[i] ? names[i] : "?";
}
