/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of the core's enumerations. */
#include "agent/peer.h"

const char *oe_service_name(enum oe_service service)
{
	switch (service) {
	case OE_XFRM:
		return "xfrm";
	case OE_RESOLVER:
		return "resolver";
	case OE_IKE:
		return "ike";
	case OE_SIGNER:
		return "signer";
	case OE_LISTENER:
		return "listener";
	case OE_N_SERVICES:
		break;
	}
	return "?";
}

const char *oe_state_name(enum oe_state state)
{
	static const char *const names[OE_N_STATES] = {[OE_IDLE] = "IDLE",
		[OE_RESOLVING] = "RESOLVING",
		[OE_NEGOTIATING] = "NEGOTIATING",
		[OE_PRIVATE] = "PRIVATE",
		[OE_CLEAR] = "CLEAR",
		[OE_BLOCKED] = "BLOCKED"};

	return state < OE_N_STATES ? names[state] : "?";
}

static const struct {
	const char *name;
	const char *text;
} reasons[OE_N_REASONS] = {
	[OE_WHY_NONE] = {"NONE", "no packet asks for it"},
	[OE_WHY_TRAFFIC] = {"TRAFFIC", "a packet wants to go there"},
	[OE_WHY_PEER_ASKED] = {"PEER_ASKED", "the peer asks for encryption"},
	[OE_WHY_KEY] = {"KEY", "the peer publishes a key"},
	[OE_WHY_DENIED] = {"NO_KEY", "DNS proves that the peer publishes no key"},
	[OE_WHY_UNUSABLE] = {"NO_USABLE_KEY", "the peer publishes no key that can be used"},
	[OE_WHY_INSECURE] = {"INSECURE",
		"the peer's zone is not signed, so no key of it is believed"},
	[OE_WHY_BOGUS] = {"BOGUS", "DNSSEC validation of the peer's record failed"},
	[OE_WHY_DNS_FAILED] = {"DNS_FAILED", "DNS gave no answer"},
	[OE_WHY_DNS_TIMEOUT] = {"DNS_TIMEOUT", "DNS did not answer in time"},
	[OE_WHY_DNS_UNAVAILABLE] = {"DNSSEC_UNAVAILABLE", "DNSSEC is not available to this host"},
	[OE_WHY_IKE_FAILED] = {"IKE_FAILED", "the peer publishes a key, but no SA could be made"},
	[OE_WHY_DOWNGRADED] = {"DOWNGRADED", "the peer publishes a key, but no SA could be made, "
					     "and the rule lets it go in clear"},
	[OE_WHY_MUTUAL] = {"AUTHENTICATED", "both sides proved their keys"},
	[OE_WHY_PEER_PROVED] = {"PEER_AUTHENTICATED", "the peer proved its key, we are anonymous"},
	[OE_WHY_SELF_PROVED] = {"SELF_AUTHENTICATED", "we proved our key, the peer is anonymous"},
	[OE_WHY_ANONYMOUS] = {"ANONYMOUS", "encrypted, but nobody proved anything"},
	[OE_WHY_ADOPTED] = {"ADOPTED", "by SAs that stood in the kernel when oed came back"},
	[OE_WHY_CLOSED] = {"CLOSED", "the SA ended; the next packet makes a new one"},
	[OE_WHY_LIMIT] = {"LIMIT", "too many peers or lookups at once"},
	[OE_WHY_COMMAND] = {"COMMAND", "an administrator said so"},
	[OE_WHY_POLICY] = {"POLICY", "the policy changed"},
	[OE_WHY_ANON_WEAKER] = {"ANON_WEAKER",
		"an anonymous exchange may not replace an authenticated one"},
	[OE_WHY_ID_MISMATCH] = {"ID_MISMATCH",
		"the identity does not belong to the peer's address"},
	[OE_WHY_KEY_GONE] = {"KEY_GONE", "DNS has withdrawn the key that proved the peer"},
	[OE_WHY_NAME_ONLY] = {"NAME_ONLY",
		"it proves a name only, for it comes through a NAT; private "
		"wants the address proved (or trust-names = yes)"},
	[OE_WHY_SHARED_NAT] = {"SHARED_NAT", "another host behind the same address has an SA: "
					     "their traffic could not be told apart"},
	[OE_WHY_NO_KEYS] = {"NO_PROOF", "no published key could prove the peer, and it may not be "
					"anonymous"},
};

const char *oe_reason_name(enum oe_reason reason)
{
	return reason < OE_N_REASONS ? reasons[reason].name : "?";
}

const char *oe_reason_text(enum oe_reason reason)
{
	return reason < OE_N_REASONS ? reasons[reason].text : "?";
}
