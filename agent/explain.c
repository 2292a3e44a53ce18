/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/explain.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/keytool.h"

#define TEXT(...) snprintf(buf, EXPLAIN_TEXT_MAX, __VA_ARGS__)

/* Adds to what TEXT() began; what does not fit is cut off. */
__attribute__((format(printf, 2, 3))) static void more(char *buf, const char *fmt, ...)
{
	size_t n = strlen(buf);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf + n, EXPLAIN_TEXT_MAX - n, fmt, ap);
	va_end(ap);
}

static const char *proto_name(unsigned int proto, char buf[static 16])
{
	switch (proto) {
	case IPPROTO_TCP:
		return "TCP";
	case IPPROTO_UDP:
		return "UDP";
	case IPPROTO_ICMP:
		return "ICMP";
	case IPPROTO_ICMPV6:
		return "ICMPv6";
	default:
		snprintf(buf, 16, "protocol %u", proto);
		return buf;
	}
}

const char *explain_group(enum pol_group group)
{
	switch (group) {
	case POL_BLOCK:
		return "nothing passes";
	case POL_CLEAR:
		return "in clear, no key is looked for";
	case POL_CLEAR_OR_PRIVATE:
		return "in clear until the peer asks for encryption";
	case POL_PRIVATE_OR_CLEAR:
		return "encrypted where the peer publishes a key, else in clear";
	case POL_PRIVATE:
		return "encrypted or not at all";
	case POL_N_GROUPS:
		break;
	}
	return "?";
}

const char *explain_selector(const struct pol_rule *r, char buf[static EXPLAIN_TEXT_MAX])
{
	char prefix[PREFIX_STRLEN], proto[16], sport[16] = "any", dport[16] = "any";

	prefix_format(&r->remote, prefix);
	if (!r->proto) {
		TEXT("%s", prefix);
		return buf;
	}
	if (r->sport)
		snprintf(sport, sizeof(sport), "%u", r->sport);
	if (r->dport)
		snprintf(dport, sizeof(dport), "%u", r->dport);
	TEXT("%s %s, our port %s, its port %s", prefix, proto_name(r->proto, proto), sport, dport);
	return buf;
}

static const char *service_words(unsigned int service)
{
	switch ((enum oe_service)service) {
	case OE_XFRM:
		return "the xfrm service";
	case OE_RESOLVER:
		return "the resolver";
	case OE_IKE:
		return "the ike service";
	case OE_SIGNER:
		return "the signer";
	case OE_LISTENER:
		return "the listener";
	case OE_N_SERVICES:
		break;
	}
	return "a service";
}

static const char *class_words(unsigned int class)
{
	switch ((enum dns_class) class) {
	case DNS_KEYS:
		return "DNSSEC secure";
	case DNS_DENIED:
		return "DNSSEC proves that there is no IPSECKEY";
	case DNS_UNUSABLE:
		return "DNSSEC secure, but no key in it is usable";
	case DNS_INSECURE:
		return "the zone is not signed, and holds no key";
	case DNS_INSECURE_KEYS:
		return "the zone is not signed: its key is not believed";
	case DNS_BOGUS:
		return "BOGUS: DNSSEC validation failed";
	case DNS_FAILED:
		return "no answer";
	case DNS_UNAVAILABLE:
		return "DNSSEC does not get through here";
	case DNS_LIMITED:
		return "not asked: a limit of this host is reached";
	}
	return "?";
}

static void range_text(const struct oe_peer *p, const struct journal_entry *e, char *buf)
{
	struct prefix range = {.addr = p->pair.remote, .len = (uint8_t)e->n};
	char text[PREFIX_STRLEN];

	for (unsigned int bit = range.len; bit < addr_bits(&range.addr); bit++)
		range.addr.b[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
	prefix_format(&range, text);
	if (e->code == DNS_DENIED)
		TEXT("DNSSEC has proved that nothing exists in the reverse zone of %s: not asked "
		     "again",
			text);
	else
		TEXT("DNSSEC has proved that the reverse zone of %s is not signed: not asked again",
			text);
}

static void answer_text(const struct oe_peer *p, const struct journal_entry *e, char *buf)
{
	TEXT("%s", class_words(e->code));
	if (e->code == DNS_KEYS || e->code == DNS_INSECURE_KEYS || e->code == DNS_UNUSABLE)
		more(buf, ", %u key%s", e->n, e->n == 1 ? "" : "s");
	if (e->step == JOURNAL_KNOWN)
		more(buf, " (known from before)");
	else
		more(buf, ", after %.1f ms", e->arg / 1000.0);
	/* the reason is that of the last answer, which is this one where the class agrees */
	if (p->dns_why && e->code == p->dns_class && e->code != DNS_DENIED &&
		e->code != DNS_INSECURE)
		more(buf, ": %s", p->dns_why);
}

static void ike_text(const struct journal_entry *e, char *buf)
{
	switch ((enum ike_note_code)e->code) {
	case IKE_NOTE_INIT_SENT:
		TEXT("IKE_SA_INIT sent, key exchange group %u", e->arg);
		return;
	case IKE_NOTE_INIT_ANSWERED:
		TEXT("IKE_SA_INIT answered after %.1f ms", e->arg / 1000.0);
		return;
	case IKE_NOTE_RETRANSMIT:
		TEXT("no answer yet: sent again, try %u", e->arg);
		return;
	case IKE_NOTE_COOKIE:
		TEXT("the peer asks for a cookie: it is under load");
		return;
	case IKE_NOTE_INVALID_KE:
		TEXT("the peer wants key exchange group %u", e->arg);
		return;
	case IKE_NOTE_AUTH_SENT:
		TEXT("IKE_AUTH sent");
		return;
	case IKE_NOTE_NAT:
		TEXT("NAT before %s: ESP goes in UDP", e->arg == 1   ? "us"
						       : e->arg == 2 ? "the peer"
								     : "both");
		return;
	case IKE_NOTE_LIVENESS:
		TEXT("the peer is alive: it answered after %.1f ms", e->arg / 1000.0);
		return;
	case IKE_NOTE_FRAGMENTED:
		TEXT("a message of ours goes in %u fragments", e->arg);
		return;
	case IKE_NOTE_DOUBT:
		TEXT("somebody says that the peer has lost the SA (%s): the peer is asked",
			ike_notify_name((uint16_t)e->arg));
		return;
	case IKE_NOTE_REASSEMBLED:
		TEXT("a message of the peer came in %u fragments", e->arg);
		return;
	case IKE_NOTE_REKEY_CHILD:
		if (e->arg)
			TEXT("CREATE_CHILD_SA sent: SA %08x is to be made anew", e->arg);
		else
			TEXT("CREATE_CHILD_SA sent, for a new child SA");
		return;
	case IKE_NOTE_REKEY_IKE:
		TEXT("CREATE_CHILD_SA sent: the IKE SA is to be made anew");
		return;
	case IKE_NOTE_REKEY_REFUSED:
		TEXT("the peer does not rekey: %s", ike_notify_name((uint16_t)e->arg));
		return;
	case IKE_NOTE_COLLISION:
		TEXT("both hosts rekeyed at one time: %s stays", e->arg ? "ours" : "the peer's");
		return;
	case IKE_NOTE_PPK:
		TEXT("%s", e->arg ? "a post-quantum preshared key is mixed into the keys (RFC 8784)"
				  : "the peer has not got our post-quantum preshared key: done "
				    "without");
		return;
	case IKE_NOTE_ADDKE_SENT:
		TEXT("additional key exchange begun, group %u", e->arg);
		return;
	case IKE_NOTE_CREATED:
		if (!e->arg)
			TEXT("a new child SA, without a key exchange of its own");
		else
			TEXT("a new child SA, by key exchange group %u", e->arg & 0xffff);
		if (e->arg >> 16)
			more(buf, " and %u", e->arg >> 16);
		return;
	}
	TEXT("note %u", e->code);
}

static bool is_last_end(const struct journal *j, const struct journal_entry *e)
{
	for (size_t i = 0; i < journal_count(j); i++) {
		const struct journal_entry *other = journal_at(j, i);

		if ((other->step == JOURNAL_FAILED || other->step == JOURNAL_DOWN) &&
			other->at > e->at)
			return false;
	}
	return true;
}

/* Of its kind. */
static bool is_last(const struct journal *j, const struct journal_entry *e)
{
	for (size_t i = 0; i < journal_count(j); i++) {
		const struct journal_entry *other = journal_at(j, i);

		if (other->step == e->step && other->at > e->at)
			return false;
	}
	return true;
}

static void end_text(const struct oe_peer *p, const struct journal_entry *e, char *buf)
{
	TEXT("%s", ike_failure_name((enum ike_failure)e->code));
	if (e->n)
		more(buf, " (%s)", ike_notify_name(e->n));
	/* the text kept is that of the last end */
	if (p->ike_why && is_last_end(&p->journal, e))
		more(buf, ": %s", p->ike_why);
}

static void state_text(const struct journal_entry *e, char *buf)
{
	TEXT("%s: %s", oe_state_name((enum oe_state)e->code), oe_reason_text((enum oe_reason)e->n));
	if (e->arg && (e->code == OE_CLEAR || e->code == OE_BLOCKED))
		more(buf, ", for %u s", e->arg);
}

static void released_text(const struct journal_entry *e, char *buf)
{
	const char *how = e->code == OE_PRIVATE ? "went on, encrypted"
			  : e->code == OE_CLEAR ? "went on, in clear"
						: "was dropped";

	if (e->n == 1)
		TEXT("the held packet %s after %.1f ms", how, e->arg / 1000.0);
	else
		TEXT("%u held packets: %s; the first had waited %.1f ms", e->n,
			e->code == OE_PRIVATE ? "sent, encrypted"
			: e->code == OE_CLEAR ? "sent, in clear"
					      : "dropped",
			e->arg / 1000.0);
}

static void kernel_text(const struct journal_entry *e, char *buf)
{
	const char *what = e->code == JOURNAL_INSTALL_IN    ? "the inbound SA"
			   : e->code == JOURNAL_INSTALL_OUT ? "the outbound SA"
							    : "the policy";

	TEXT("the kernel refused %s: %s", what, strerror(e->n));
}

/* Of several names that were tried only the last one is kept. */
static void hint_text(
	const struct oe_peer *p, const struct journal_entry *e, char buf[static EXPLAIN_TEXT_MAX])
{
	bool last = p->hint && (uint32_t)hint_hash(p->hint) == e->arg;
	const char *name = last ? p->hint : "another name";

	switch ((enum journal_hint)e->code) {
	case JOURNAL_HINT_ASKED:
		TEXT("a hint says that the address is %s: asked for its IPSECKEY", name);
		break;
	case JOURNAL_HINT_COUNTS:
		TEXT("the key of %s counts: it is secure, and so is the name's address", name);
		break;
	case JOURNAL_HINT_NO_KEY:
		TEXT("the hint is of no use: of %s, %s", name, class_words(e->n));
		break;
	case JOURNAL_HINT_OTHER:
		TEXT("the hint is of no use: %s does not have this address, or not securely", name);
		break;
	case JOURNAL_HINT_SILENT:
		TEXT("the hint is of no use now: of %s, %s", name, class_words(e->n));
		break;
	case JOURNAL_HINT_FAILED:
		TEXT("the key of %s led to no SA: it is left alone for a while", name);
		break;
	}
}

static const char *keys_words(unsigned int n, char buf[static 40])
{
	if (n == 1)
		return "the key that it publishes";
	snprintf(buf, 40, "one of the %u keys that it publishes", n);
	return buf;
}

static void connect_text(const struct oe_peer *p, const struct journal_entry *e, char *buf)
{
	char words[40], manual[EXPLAIN_TEXT_MAX / 2];

	if (p->manual)
		TEXT("calling the peer, which must prove %s",
			manual_words(p->manual, manual, sizeof(manual)));
	else if (e->n)
		TEXT("calling the peer, which must prove %s", keys_words(e->n, words));
	else
		TEXT("calling the peer, which need not prove anything");
	more(buf, "; we are %s", e->code ? "anonymous" : "authenticated");
}

static void up_text(const struct oe_peer *p, const struct journal_entry *e, char *buf)
{
	bool peer = (e->code & 15) != IKE_AUTH_NONE, self = e->code >> 4 != IKE_AUTH_NONE;
	char manual[EXPLAIN_TEXT_MAX / 2];
	struct keytool_public key;

	TEXT("IKE SA up after %u ms: the peer %s", e->n,
		(e->code & 15) == IKE_AUTH_PSK          ? "proved what it knows"
		: peer && p->manual && p->manual->certs ? "proved its certificate"
		: peer                                  ? "proved its key"
							: "stays anonymous");
	if ((e->code & 15) == IKE_AUTH_PSK && p->manual)
		more(buf, " (%s)", manual_words(p->manual, manual, sizeof(manual)));
	if (peer && p->proof && keytool_public_from_spki(p->proof, p->proof_len, &key) == 0)
		more(buf, " (%s %s)", key.name, key.fingerprint);
	more(buf, ", we %s",
		e->code >> 4 == IKE_AUTH_PSK ? "the same"
		: self                       ? "proved ours"
					     : "stay anonymous");
	if (p->suite)
		more(buf, "; %s", p->suite);
}

const char *explain_entry(
	const struct oe_peer *p, const struct journal_entry *e, char buf[static EXPLAIN_TEXT_MAX])
{
	char name[ADDR_REVERSE_LEN], proto[16], words[40], manual[EXPLAIN_TEXT_MAX / 2];
	const char *file = p->rule ? p->rule->file : "";

	switch ((enum journal_step)e->step) {
	case JOURNAL_TRAPPED:
		if (e->n)
			TEXT("%s to port %u%s", proto_name(e->code, proto), e->n,
				e->arg ? ", the packet is held" : "");
		else
			TEXT("%s%s", proto_name(e->code, proto),
				e->arg ? ", the packet is held" : "");
		break;
	case JOURNAL_RULE:
	case JOURNAL_POLICY:
		TEXT("%s%s: %s (%s:%u)", e->step == JOURNAL_POLICY ? "the rule is now " : "",
			pol_group_name((enum pol_group)e->code),
			explain_group((enum pol_group)e->code), file, e->arg);
		break;
	case JOURNAL_LOOKUP:
		TEXT("asked for IPSECKEY at %s", e->code == DNS_ASK_REVERSE
							 ? addr_reverse_name(&p->pair.remote, name)
							 : "the name that the peer claims");
		break;
	case JOURNAL_ANSWER:
	case JOURNAL_KNOWN:
		answer_text(p, e, buf);
		break;
	case JOURNAL_RANGE:
		range_text(p, e, buf);
		break;
	case JOURNAL_KEPT:
		TEXT("%s; the key of before is secure for %u s more, and is kept",
			class_words(e->code), e->arg);
		break;
	case JOURNAL_HINT:
		hint_text(p, e, buf);
		break;
	case JOURNAL_KEY_GONE:
		TEXT("%s: the key that proved the peer is withdrawn, its SA will not be renewed",
			e->n ? "DNS has other keys now" : class_words(e->code));
		break;
	case JOURNAL_MANUAL:
		TEXT("configured by hand (%s:%u): DNS is not asked",
			p->manual ? p->manual->file : "peers.d", e->arg);
		break;
	case JOURNAL_HOLD_LIMIT:
		TEXT("still no answer after %u ms (hold-limit): not waiting longer", e->arg);
		break;
	case JOURNAL_CONNECT:
		connect_text(p, e, buf);
		break;
	case JOURNAL_INBOUND:
		TEXT("the peer calls, from port %u", e->n);
		break;
	case JOURNAL_IDENTITY:
		TEXT("the peer says who it is: %s%s",
			e->code == 1    ? "its IPv4 address"
			: e->code == 5  ? "its IPv6 address"
			: e->code == 2  ? "a name"
			: e->code == 3  ? "a mail address"
			: e->code == 9  ? "the subject of a certificate"
			: e->code == 13 ? "nobody"
					: "an identity of another kind",
			e->n ? " (NULL authentication)" : "");
		break;
	case JOURNAL_AUTHORIZED:
		if (p->manual)
			TEXT("it must prove %s", manual_words(p->manual, manual, sizeof(manual)));
		else if (e->n)
			TEXT("it may prove itself by %s", keys_words(e->n, words));
		else
			TEXT("it may stay anonymous");
		break;
	case JOURNAL_TRANSLATED:
		TEXT("the name has other addresses: it comes through a NAT, and the NAT's address "
		     "has no "
		     "key of its own");
		break;
	case JOURNAL_REFUSED:
		TEXT("refused: %s", oe_reason_text((enum oe_reason)e->code));
		break;
	case JOURNAL_IKE:
		ike_text(e, buf);
		break;
	case JOURNAL_SA_IN:
		TEXT("inbound SA %08x, %u-bit key%s", e->arg, e->n,
			e->code ? ", installed before the peer agreed" : "");
		break;
	case JOURNAL_SA_OUT:
		TEXT("outbound SA %08x, %u-bit key; inbound packets must be encrypted now", e->arg,
			e->n);
		break;
	case JOURNAL_KERNEL:
		kernel_text(e, buf);
		break;
	case JOURNAL_UP:
		up_text(p, e, buf);
		break;
	case JOURNAL_RELEASED:
		released_text(e, buf);
		break;
	case JOURNAL_FAILED:
	case JOURNAL_DOWN:
		end_text(p, e, buf);
		break;
	case JOURNAL_STATE:
		state_text(e, buf);
		break;
	case JOURNAL_REKEYED:
		TEXT("the IKE SA was rekeyed, by %s", e->code ? "us" : "the peer");
		if (p->suite && is_last(&p->journal, e))
			more(buf, "; %s", p->suite);
		break;
	case JOURNAL_RETRY:
		TEXT("tried %u time%s; again in %u s, in the background", e->n,
			e->n == 1 ? "" : "s", e->arg);
		break;
	case JOURNAL_EXPIRED:
		TEXT("%s SA %08x reached its %s lifetime", e->n ? "inbound" : "outbound", e->arg,
			e->code ? "hard" : "soft");
		break;
	case JOURNAL_ADOPTED:
		TEXT("%s SA %08x was in the kernel at start: kept", e->n ? "inbound" : "outbound",
			e->arg);
		break;
	case JOURNAL_LOST:
		TEXT("%s of this host died and was started again", service_words(e->code));
		break;
	case JOURNAL_COMMAND:
		TEXT("oectl %s", e->code == JOURNAL_UP_CMD     ? "up"
				 : e->code == JOURNAL_DOWN_CMD ? "down"
							       : "forget");
		break;
	case JOURNAL_DOUBT:
		TEXT("the peer seems to have lost the SA and does not answer: a new one is tried "
		     "for");
		break;
	case JOURNAL_MOVED:
		if (e->code == JOURNAL_MOVED_AWAY)
			TEXT("the peer speaks from another address: the NAT before it has a new "
			     "one");
		else if (e->code == JOURNAL_MOVED_HERE)
			TEXT("the NAT before the peer gave it this address, and port %u: its SAs "
			     "follow",
				e->n);
		else
			TEXT("the NAT before the peer gave it port %u, as its %s shows: ESP "
			     "follows",
				e->n, e->code ? "IKE" : "ESP");
		break;
	case JOURNAL_CERTIFICATE:
		TEXT("the peer's certificate is good%s%s", p->certificate ? " " : "",
			p->certificate ? p->certificate : "");
		break;
	case JOURNAL_STRAY:
		TEXT("the peer sends ESP%s of an SA (SPI %08x) that this host does not have",
			e->code ? " in UDP" : "", e->arg);
		break;
	}
	return buf;
}

static bool proved_by_hint(const struct oe_peer *p)
{
	for (const struct oe_sa *sa = p->sas; sa; sa = sa->next)
		if (sa->up && sa->by_hint && p->hint)
			return true;
	return false;
}

static const char *summary(const struct oe_peer *p, char buf[static EXPLAIN_TEXT_MAX])
{
	char remote[ADDR_STRLEN + SCOPE_STRLEN + 4], scope[SCOPE_STRLEN];
	const char *why = oe_reason_text(p->reason);

	snprintf(remote, sizeof(remote), p->pair.scope.proto ? "%s (%s)" : "%s",
		addr_str(&p->pair.remote), scope_format(&p->pair.scope, scope));

	switch ((enum oe_state)p->state) {
	case OE_IDLE:
		TEXT("nothing is decided for %s; its next packet is", remote);
		break;
	case OE_RESOLVING:
		TEXT("packets to %s wait for DNS", remote);
		break;
	case OE_NEGOTIATING:
		TEXT("packets to %s wait for IKE", remote);
		break;
	case OE_PRIVATE:
		if (proved_by_hint(p))
			TEXT("traffic with %s is encrypted: %s; its key is that of %s, by a hint",
				remote, why, p->hint);
		else
			TEXT("traffic with %s is encrypted: %s", remote, why);
		break;
	case OE_CLEAR:
		TEXT("traffic with %s is in clear: %s", remote, why);
		break;
	case OE_BLOCKED:
		TEXT("traffic with %s is blocked: %s", remote, why);
		break;
	case OE_N_STATES:
		break;
	}
	return buf;
}

/* Why the last exchange failed; 0 unknown. */
static unsigned int last_failure(const struct oe_peer *p)
{
	for (size_t i = journal_count(&p->journal); i-- > 0;)
		if (journal_at(&p->journal, i)->step == JOURNAL_FAILED)
			return journal_at(&p->journal, i)->code;
	return 0;
}

/* What the administrator can do about it; "" where nothing is wrong. */
static const char *advice(const struct oe_peer *p)
{
	switch ((enum oe_reason)p->reason) {
	case OE_WHY_DENIED:
		return "The peer's operator can publish its key: 'oectl key ipseckey' there prints "
		       "the "
		       "record.";
	case OE_WHY_UNUSABLE:
		return "'oectl resolve ADDRESS' names what is wrong with each record.";
	case OE_WHY_INSECURE:
		return "The peer's reverse zone must be signed with DNSSEC before a key in it can "
		       "be "
		       "believed.";
	case OE_WHY_BOGUS:
		return "The zone's signatures are wrong, or somebody tampers with DNS: check the "
		       "clock of "
		       "this host, then 'oectl resolve ADDRESS', then tell the zone's operator.";
	case OE_WHY_DNS_FAILED:
	case OE_WHY_DNS_TIMEOUT:
		return "Check that the forwarders in 'oectl status' answer.";
	case OE_WHY_DNS_UNAVAILABLE:
		return "The forwarders do not pass DNSSEC on: set others in oed.conf, [dns] "
		       "forwarders.";
	case OE_WHY_IKE_FAILED:
	case OE_WHY_DOWNGRADED:
		if (last_failure(p) == IKE_FAIL_TUNNEL)
			return "The peer wants a tunnel, which oed does not make: its operator can "
			       "set its connection to transport mode.";
		if (last_failure(p) == IKE_FAIL_SELECTORS)
			return "The two hosts' policies name different traffic: a line with the "
			       "protocol and the ports that both have would get an SA.";
		if (p->manual)
			return "What the two hosts say about each other in peers.d must agree: see "
			       "the ike lines on both; UDP 500 and 4500 must be open.";
		return "The peer publishes a key but no SA could be made: see the ike lines; UDP "
		       "500 and "
		       "4500 must be open on both sides.";
	case OE_WHY_SELF_PROVED:
	case OE_WHY_ANONYMOUS:
		return "Nobody proved who the peer is: an active attacker could be in between.";
	case OE_WHY_LIMIT:
		return "Too many peers wait at once: see 'oectl stats'.";
	default:
		return "";
	}
}

static json_t *seconds_or_null(uint64_t until, uint64_t now)
{
	if (!until || until < now)
		return json_null();
	return json_integer((json_int_t)((until - now) / 1000000));
}

static const char *hmac_text(uint16_t integ)
{
	switch (integ) {
	case IKE_AUTH_HMAC_SHA2_256_128:
		return " HMAC-SHA2-256";
	case IKE_AUTH_HMAC_SHA2_384_192:
		return " HMAC-SHA2-384";
	case IKE_AUTH_HMAC_SHA2_512_256:
		return " HMAC-SHA2-512";
	default:
		return "";
	}
}

static const char *esp_text(const struct oe_peer *p, char buf[static EXPLAIN_TEXT_MAX])
{
	const struct oe_child *sa = NULL;

	for (const struct oe_sa *s = p->sas; s && !sa; s = s->next) {
		sa = s->children;
		while (sa && !sa->spi_out)
			sa = sa->next;
	}
	if (!sa || p->state != OE_PRIVATE)
		return NULL;
	if (!sa->cipher)
		TEXT("adopted");
	else
		TEXT("%s-%u%s%s%s",
			sa->cipher == IKE_ESP_AES_GCM_16 ? "AES-GCM"
			: sa->cipher == IKE_ESP_AES_CBC  ? "AES-CBC"
							 : "ChaCha20-Poly1305",
			sa->key_bits, hmac_text(sa->integ), sa->esn ? " ESN" : "",
			sa->encap_remote ? " in UDP" : "");
	return buf;
}

json_t *explain_rule(const struct pol_rule *r)
{
	char text[EXPLAIN_TEXT_MAX];

	if (!r)
		return json_null();
	return json_pack("{s:s, s:s, s:I, s:s}", "group", pol_group_name(r->group), "file", r->file,
		"line", (json_int_t)r->line, "selector", explain_selector(r, text));
}

json_t *explain_row(const struct oe_peer *p, uint64_t now)
{
	char local[ADDR_STRLEN], remote[ADDR_STRLEN], esp[EXPLAIN_TEXT_MAX], scope[SCOPE_STRLEN];
	const char *e = esp_text(p, esp);

	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:o, s:s?, s:s?}", "local",
		addr_format(&p->pair.local, local), "remote", addr_format(&p->pair.remote, remote),
		"traffic", p->pair.scope.proto ? scope_format(&p->pair.scope, scope) : "all",
		"state", oe_state_name(p->state), "group",
		p->rule ? pol_group_name(p->rule->group) : "none", "reason",
		oe_reason_name(p->reason), "since_s", (json_int_t)((now - p->since) / 1000000),
		"until_s",
		p->state == OE_CLEAR || p->state == OE_BLOCKED ? seconds_or_null(p->until, now)
							       : json_null(),
		"auth", p->state == OE_PRIVATE ? oe_reason_name(p->reason) : NULL, "esp", e);
}

json_t *explain_peer(const struct oe_peer *p, uint64_t now)
{
	char text[EXPLAIN_TEXT_MAX];
	json_t *chain = json_array(), *row = explain_row(p, now);

	for (size_t i = 0; i < journal_count(&p->journal); i++) {
		const struct journal_entry *e = journal_at(&p->journal, i);

		json_array_append_new(chain,
			json_pack("{s:f, s:s, s:s}", "ago_ms", (double)(now - e->at) / 1000.0,
				"step", journal_step_name(e->step), "text",
				explain_entry(p, e, text)));
	}
	json_object_set_new(row, "policy", explain_rule(p->rule));
	json_object_set_new(row, "summary", json_string(summary(p, text)));
	json_object_set_new(row, "chain", chain);
	json_object_set_new(row, "counters", json_null());
	json_object_set_new(row, "advice", json_string(advice(p)));
	json_object_set_new(row, "configured",
		p->manual ? json_sprintf("[peer %s] %s:%u", p->manual->name, p->manual->file,
				    p->manual->line)
			  : json_null());
	json_object_set_new(row, "certificate",
		p->certificate && p->state == OE_PRIVATE ? json_string(p->certificate)
							 : json_null());
	json_object_set_new(row, "peer_id", p->peer_id ? json_string(p->peer_id) : json_null());
	return row;
}
