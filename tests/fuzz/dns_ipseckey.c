/* SPDX-License-Identifier: BSD-2-Clause */
/* The rdata of one IPSECKEY record. The first byte is the family of the address looked up: 0 none. */
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <string.h>
#include <sys/socket.h>

#include "ike/digsig.h"
#include "resolver/ipseckey.h"
#include "tests/fuzz/fuzz.h"

/* What is taken for a key is one, and so the ike service and OpenSSL see it. */
static void check_key(const struct dns_key *key)
{
	const unsigned char *p = key->spki;
	enum ike_key_type type;
	EVP_PKEY *pkey;

	expect(key->spki_len > 0 && key->spki_len <= sizeof(key->spki));
	pkey = d2i_PUBKEY(NULL, &p, key->spki_len);
	expect(pkey && p == key->spki + key->spki_len);
	expect(EVP_PKEY_get_bits(pkey) > 0);
	EVP_PKEY_free(pkey);
	(void)ike_spki_type(key->spki, key->spki_len, &type);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct addr v4 = {.family = AF_INET, .b = {192, 0, 2, 1}};
	static const struct addr v6 = {.family = AF_INET6, .b = {0x20, 1, 0x0d, 0xb8}};
	struct addr looked_up = {0};
	struct ipseckey parts;
	struct dns_key key;
	uint8_t *rdata;

	if (!len)
		return 0;
	if (data[0] & 1)
		looked_up = data[0] & 2 ? v6 : v4;
	rdata = fuzz_copy(data + 1, len - 1);
	if (ipseckey_parse(rdata, len - 1, &parts) == DNS_KEY_OK)
		expect(parts.key_len <= len - 1 && parts.gateway_type <= 3);
	if (ipseckey_read(rdata, len - 1, &looked_up, &key) == DNS_KEY_OK)
		check_key(&key);
	else
		expect(key.fault != DNS_KEY_OK && !key.spki_len);
	free(rdata);
	return 0;
}
