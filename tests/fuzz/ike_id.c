/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who a peer says it is and what it proves that with: the first byte says what the rest is. Public keys are
 * compared with OpenSSL's view of them.
 */
#include <openssl/err.h>
#include <openssl/x509.h>
#include <string.h>

#include "ike/digsig.h"
#include "ike/names.h"
#include "ike/spki.h"
#include "tests/fuzz/fuzz.h"

enum what {
	WHAT_KEY,       /* a SubjectPublicKeyInfo */
	WHAT_SIGNATURE, /* a key's number (and 64: methods 9 to 11, not 14), and the data of AUTH */
	WHAT_ID,        /* an ID payload's type, and its data */
	WHATS,
};

static void read_key(const uint8_t *der, size_t len)
{
	const unsigned char *p = der;
	EVP_PKEY *ours = ike_spki_read(der, len), *theirs = d2i_PUBKEY(NULL, &p, (long)len);
	enum ike_key_type type;

	if (theirs && (p != der + len || len > IKE_SPKI_MAX)) {
		EVP_PKEY_free(theirs);
		theirs = NULL;
	}
	expect(!ours == !theirs);
	if (ours) {
		expect(EVP_PKEY_eq(ours, theirs) == 1);
		if (ike_key_type(ours, &type) == 0)
			expect(ike_spki_type(der, len, &type) == 0);
	}
	EVP_PKEY_free(ours);
	EVP_PKEY_free(theirs);
	ERR_clear_error();
}

/* Keys of the types that sign quickly; their public part. */
static struct ike_pubkey key_of(unsigned int n)
{
	static const char *const curves[] = {NULL, "P-256", "P-384"};
	static struct ike_pubkey keys[3];
	struct ike_pubkey *key = &keys[n % 3];
	unsigned char *p = key->spki;

	if (!key->len) {
		EVP_PKEY *pkey;

		fuzz_seed(n);
		pkey = n % 3 ? EVP_PKEY_Q_keygen(NULL, NULL, "EC", curves[n % 3])
			     : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
		expect(pkey != NULL);
		key->len = (uint16_t)i2d_PUBKEY(pkey, &p);
		EVP_PKEY_free(pkey);
	}
	return *key;
}

static void read_signature(uint8_t n, struct ike_bytes auth)
{
	static const uint8_t octets[] = "no one has signed this";
	struct ike_pubkey key = key_of(n);
	struct ike_digsig d;

	if ((n & 64 ? ike_ecdsa_parse((uint8_t)(8 + (n >> 2 & 7)), auth, &d)
		    : ike_digsig_parse(auth, &d)) < 0)
		return;
	expect(d.sig.p >= auth.p && d.sig.p + d.sig.len == auth.p + auth.len);
	expect(strcmp(ike_scheme_name(d.scheme), "?") != 0);
	expect(ike_digsig_verify(
		       key.spki, key.len, &d, (struct ike_bytes){octets, sizeof(octets)}) < 0);
}

/* What is shown is printable and whole, or cut. */
static void read_id(uint8_t type, const uint8_t *data, size_t len)
{
	char text[IKE_ID_MAX], *few;

	ike_id_format(type, data, len, text, sizeof(text));
	expect(memchr(text, 0, sizeof(text)) != NULL);
	for (const char *p = text; *p; p++)
		expect(*p >= ' ' && *p <= '~');
	for (size_t cap = 1; cap < 40; cap++) {
		few = malloc(cap);
		expect(few && ike_id_format(type, data, len, few, cap) == few);
		expect(strlen(few) < cap);
		free(few);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *copy;

	if (len < 2)
		return 0;
	copy = fuzz_copy(data + 2, len - 2);
	switch ((enum what)(data[0] % WHATS)) {
	case WHAT_KEY:
		read_key(copy, len - 2);
		break;
	case WHAT_SIGNATURE:
		read_signature(data[1], (struct ike_bytes){copy, len - 2});
		break;
	case WHAT_ID:
		read_id(data[1], copy, len - 2);
		break;
	case WHATS:
		break;
	}
	free(copy);
	return 0;
}
