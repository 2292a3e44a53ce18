/* SPDX-License-Identifier: BSD-2-Clause */
#include "ike/names.h"

#include <stdio.h>

#include "ike/cert.h"
#include "ike/ike.h"

struct name {
	uint16_t value;
	const char *name;
};

/* The name of value, or "KIND value" in one of eight buffers used in turn. */
static const char *find(const struct name *names, size_t n, uint16_t value, const char *kind)
{
	static char other[8][24];
	static unsigned int turn;
	char *buf;

	for (size_t i = 0; i < n; i++)
		if (names[i].value == value)
			return names[i].name;
	buf = other[turn++ % 8];
	snprintf(buf, sizeof(other[0]), "%s %u", kind, value);
	return buf;
}

#define FIND(table, value, kind) find(table, sizeof(table) / sizeof(*(table)), value, kind)

const char *ike_exchange_name(uint8_t exchange)
{
	static const struct name names[] = {
		{IKE_EXCH_SA_INIT, "IKE_SA_INIT"},
		{IKE_EXCH_AUTH, "IKE_AUTH"},
		{IKE_EXCH_CREATE_CHILD, "CREATE_CHILD_SA"},
		{IKE_EXCH_INFORMATIONAL, "INFORMATIONAL"},
		{38, "IKE_SESSION_RESUME"}, /* RFC 5723 */
		{IKE_EXCH_INTERMEDIATE, "IKE_INTERMEDIATE"},
		{IKE_EXCH_FOLLOWUP_KE, "IKE_FOLLOWUP_KE"},
	};

	return FIND(names, exchange, "exchange");
}

const char *ike_payload_name(uint8_t type)
{
	static const struct name names[] = {
		{IKE_PL_NONE, "none"},
		{IKE_PL_SA, "SA"},
		{IKE_PL_KE, "KE"},
		{IKE_PL_IDI, "IDi"},
		{IKE_PL_IDR, "IDr"},
		{IKE_PL_CERT, "CERT"},
		{IKE_PL_CERTREQ, "CERTREQ"},
		{IKE_PL_AUTH, "AUTH"},
		{IKE_PL_NONCE, "nonce"},
		{IKE_PL_NOTIFY, "N"},
		{IKE_PL_DELETE, "D"},
		{IKE_PL_VENDOR, "V"},
		{IKE_PL_TSI, "TSi"},
		{IKE_PL_TSR, "TSr"},
		{IKE_PL_SK, "SK"},
		{IKE_PL_CP, "CP"},
		{IKE_PL_EAP, "EAP"},
		{IKE_PL_SKF, "SKF"},
	};

	return FIND(names, type, "payload");
}

const char *ike_method_name(uint8_t method)
{
	static const struct name names[] = {
		{IKE_METHOD_RSA, "RSA with SHA-1"},
		{IKE_METHOD_PSK, "shared key"},
		{3, "DSS"},
		{IKE_METHOD_ECDSA_256, "ECDSA P-256"},
		{IKE_METHOD_ECDSA_384, "ECDSA P-384"},
		{IKE_METHOD_ECDSA_521, "ECDSA P-521"},
		{12, "secure password"},
		{IKE_METHOD_NULL, "NULL"},
		{IKE_METHOD_DIGSIG, "digital signature"},
	};

	return FIND(names, method, "method");
}

const char *ike_notify_name(uint16_t type)
{
	static const struct name names[] = {
		{IKE_N_UNSUPPORTED_CRITICAL_PAYLOAD, "UNSUPPORTED_CRITICAL_PAYLOAD"},
		{IKE_N_INVALID_IKE_SPI, "INVALID_IKE_SPI"},
		{IKE_N_INVALID_MAJOR_VERSION, "INVALID_MAJOR_VERSION"},
		{IKE_N_INVALID_SYNTAX, "INVALID_SYNTAX"},
		{IKE_N_INVALID_MESSAGE_ID, "INVALID_MESSAGE_ID"},
		{IKE_N_INVALID_SPI, "INVALID_SPI"},
		{IKE_N_NO_PROPOSAL_CHOSEN, "NO_PROPOSAL_CHOSEN"},
		{IKE_N_INVALID_KE_PAYLOAD, "INVALID_KE_PAYLOAD"},
		{IKE_N_AUTHENTICATION_FAILED, "AUTHENTICATION_FAILED"},
		{IKE_N_SINGLE_PAIR_REQUIRED, "SINGLE_PAIR_REQUIRED"},
		{IKE_N_NO_ADDITIONAL_SAS, "NO_ADDITIONAL_SAS"},
		{IKE_N_INTERNAL_ADDRESS_FAILURE, "INTERNAL_ADDRESS_FAILURE"},
		{IKE_N_FAILED_CP_REQUIRED, "FAILED_CP_REQUIRED"},
		{IKE_N_TS_UNACCEPTABLE, "TS_UNACCEPTABLE"},
		{IKE_N_INVALID_SELECTORS, "INVALID_SELECTORS"},
		{40, "UNACCEPTABLE_ADDRESSES"}, /* RFC 4555 */
		{41, "UNEXPECTED_NAT_DETECTED"},
		{42, "USE_ASSIGNED_HoA"}, /* RFC 5026 */
		{IKE_N_TEMPORARY_FAILURE, "TEMPORARY_FAILURE"},
		{IKE_N_CHILD_SA_NOT_FOUND, "CHILD_SA_NOT_FOUND"},
		{45, "INVALID_GROUP_ID"},
		{46, "AUTHORIZATION_FAILED"},
		{IKE_N_STATE_NOT_FOUND, "STATE_NOT_FOUND"},
		{IKE_N_INITIAL_CONTACT, "INITIAL_CONTACT"},
		{IKE_N_SET_WINDOW_SIZE, "SET_WINDOW_SIZE"},
		{IKE_N_ADDITIONAL_TS_POSSIBLE, "ADDITIONAL_TS_POSSIBLE"},
		{IKE_N_IPCOMP_SUPPORTED, "IPCOMP_SUPPORTED"},
		{IKE_N_NAT_DETECTION_SOURCE_IP, "NAT_DETECTION_SOURCE_IP"},
		{IKE_N_NAT_DETECTION_DESTINATION_IP, "NAT_DETECTION_DESTINATION_IP"},
		{IKE_N_COOKIE, "COOKIE"},
		{IKE_N_USE_TRANSPORT_MODE, "USE_TRANSPORT_MODE"},
		{IKE_N_HTTP_CERT_LOOKUP_SUPPORTED, "HTTP_CERT_LOOKUP_SUPPORTED"},
		{IKE_N_REKEY_SA, "REKEY_SA"},
		{IKE_N_ESP_TFC_PADDING_NOT_SUPPORTED, "ESP_TFC_PADDING_NOT_SUPPORTED"},
		{IKE_N_NON_FIRST_FRAGMENTS_ALSO, "NON_FIRST_FRAGMENTS_ALSO"},
		{16396, "MOBIKE_SUPPORTED"}, /* RFC 4555 */
		{16397, "ADDITIONAL_IP4_ADDRESS"},
		{16398, "ADDITIONAL_IP6_ADDRESS"},
		{16399, "NO_ADDITIONAL_ADDRESSES"},
		{16400, "UPDATE_SA_ADDRESSES"},
		{16401, "COOKIE2"},
		{16402, "NO_NATS_ALLOWED"},
		{16403, "AUTH_LIFETIME"}, /* RFC 4478 */
		{16404, "MULTIPLE_AUTH_SUPPORTED"}, /* RFC 4739 */
		{16405, "ANOTHER_AUTH_FOLLOWS"},
		{16406, "REDIRECT_SUPPORTED"}, /* RFC 5685 */
		{16407, "REDIRECT"},
		{16408, "REDIRECTED_FROM"},
		{16417, "EAP_ONLY_AUTHENTICATION"}, /* RFC 5998 */
		{IKE_N_CHILDLESS_IKEV2_SUPPORTED, "CHILDLESS_IKEV2_SUPPORTED"},
		{IKE_N_QUICK_CRASH_DETECTION, "QUICK_CRASH_DETECTION"},
		{IKE_N_QUICK_CRASH_DETECTION, "QUICK_CRASH_DETECTION"},
		{16420, "IKEV2_MESSAGE_ID_SYNC_SUPPORTED"}, /* RFC 6311 */
		{16421, "IPSEC_REPLAY_COUNTER_SYNC_SUPPORTED"},
		{16422, "IKEV2_MESSAGE_ID_SYNC"},
		{16423, "IPSEC_REPLAY_COUNTER_SYNC"},
		{IKE_N_FRAGMENTATION_SUPPORTED, "IKEV2_FRAGMENTATION_SUPPORTED"},
		{IKE_N_SIGNATURE_HASH_ALGORITHMS, "SIGNATURE_HASH_ALGORITHMS"},
		{IKE_N_USE_PPK, "USE_PPK"},
		{IKE_N_PPK_IDENTITY, "PPK_IDENTITY"},
		{IKE_N_NO_PPK_AUTH, "NO_PPK_AUTH"},
		{IKE_N_INTERMEDIATE_EXCHANGE_SUPPORTED, "INTERMEDIATE_EXCHANGE_SUPPORTED"},
		{IKE_N_ADDITIONAL_KEY_EXCHANGE, "ADDITIONAL_KEY_EXCHANGE"},
	};

	return FIND(names, type, "notify");
}

const char *ike_parse_name(enum ike_parse cause)
{
	switch (cause) {
	case IKE_PARSE_OK:
		return "ok";
	case IKE_PARSE_SHORT:
		return "short";
	case IKE_PARSE_VERSION:
		return "bad-version";
	case IKE_PARSE_LENGTH:
		return "bad-length";
	case IKE_PARSE_HEADER:
		return "bad-header";
	case IKE_PARSE_TRUNCATED:
		return "truncated";
	case IKE_PARSE_TRAILING:
		return "trailing-bytes";
	case IKE_PARSE_PAYLOAD:
		return "bad-payload";
	case IKE_PARSE_NONCE:
		return "bad-nonce";
	case IKE_PARSE_DUPLICATE:
		return "duplicate-payload";
	case IKE_PARSE_TOO_MANY:
		return "too-many-payloads";
	case IKE_PARSE_CRITICAL:
		return "critical-payload";
	case IKE_PARSE_ENCRYPTED:
		return "bad-encrypted-payload";
	case IKE_PARSE_PROPOSAL:
		return "bad-proposal";
	case IKE_PARSE_SELECTOR:
		return "bad-selector";
	case IKE_PARSE_MISSING:
		return "missing-payload";
	case IKE_PARSE_UNEXPECTED:
		return "unexpected-payload";
	case IKE_PARSE_FRAGMENT:
		return "bad-fragment";
	case IKE_PARSE_DECRYPT:
		return "not-authentic";
	case IKE_PARSE_N:
		break;
	}
	return "unknown";
}

/* Text of a peer's: what is not printable ASCII becomes '?'. */
static void put_text(const uint8_t *data, size_t len, char *buf, size_t cap)
{
	size_t i;

	for (i = 0; i < len && i + 1 < cap; i++)
		buf[i] = data[i] > 0x20 && data[i] < 0x7f ? (char)data[i] : '?';
	buf[i] = '\0';
}

static void put_hex(uint8_t type, const uint8_t *data, size_t len, char *buf, size_t cap)
{
	int n = snprintf(buf, cap, "type %u ", type);

	for (size_t i = 0; i < len && n >= 0 && (size_t)n + 2 < cap; i++)
		n += snprintf(buf + n, cap - (size_t)n, "%02x", data[i]);
}

const char *ike_id_format(uint8_t type, const void *data, size_t len, char *buf, size_t cap)
{
	char text[ADDR_STRLEN], name[IKE_CERT_NAME_MAX];
	struct addr a;

	if (!cap)
		return buf;
	switch (type) {
	case IKE_ID_NULL:
		snprintf(buf, cap, "(anonymous)");
		return buf;
	case IKE_ID_FQDN:
	case IKE_ID_RFC822_ADDR:
		put_text(data, len, buf, cap);
		return buf;
	case IKE_ID_IPV4_ADDR:
		if (len != 4)
			break;
		a = addr_from_v4(data);
		snprintf(buf, cap, "%s", addr_format(&a, text));
		return buf;
	case IKE_ID_IPV6_ADDR:
		if (len != 16)
			break;
		a = addr_from_v6(data);
		snprintf(buf, cap, "%s", addr_format(&a, text));
		return buf;
	case IKE_ID_DER_ASN1_DN:
		if (!ike_dn_format((struct ike_bytes){data, len}, name))
			break;
		snprintf(buf, cap, "%s", name);
		return buf;
	default:
		break;
	}
	put_hex(type, data, len, buf, cap);
	return buf;
}
