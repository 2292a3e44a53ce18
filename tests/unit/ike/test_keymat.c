/* SPDX-License-Identifier: BSD-2-Clause */
#include "ike/keymat.h"

#include <errno.h>

#include "tests/unit/ike/hex.h"

/* SP 800-135 validation vector, IKEv2 with SHA-256. */
#define NI "3f302be1abcb28e1"
#define NR "8c332ee006064c9b"
#define GIR "0f4d257d7a58fc4545c7d7a88119eee5d5c9690c5b4c989171d3abbfd99d1d29"
#define GIR_NEW "25f3b12d6f282739256e39bf54eda53b60ffcf379bb7bcc90c27b4c4c578616c"
#define SKEYSEED_REKEY "2d63f6debc92048b4fef3889c4c99ca67d6496e0fac14a2bca9a2d6566ff2398"
#define SK_D "0b137d669b0947d7d026d593f0305ad401ff0c471357d695778a9c7f4b4869ec"
/* the 100 bytes of DKM behind SK_d */
#define DKM_REST                                                           \
	"e98aca531188d16041b3bb936d2dbb3b4993a6e768a809160de45d0283f273a6" \
	"cdf6854379e31be72b8d3d1fa990cf9c5b015ca9f918a7df6253c958114a09d4" \
	"e1c19bdcd4db14b29d98db1a74ad405c588662c14a04d0d36aa4ab55e90f8986d12d4aad"
#define SPI_I 0x40dac39e1e1a8640
#define SPI_R 0x8619a1cf9a6e4c07

static struct ike_bytes bytes(const struct hex *h)
{
	return (struct ike_bytes){.p = h->b, .len = h->len};
}

static struct ike_secret secret(const char *text)
{
	struct hex h = hex(text);
	struct ike_secret s = {.len = (uint16_t)h.len};

	memcpy(s.b, h.b, h.len);
	return s;
}

static struct ike_suite suite(uint16_t encr, uint16_t bits, uint16_t prf)
{
	return (struct ike_suite){ike_encr_find(encr, bits), ike_prf_find(prf), ike_ke_find(31), NULL};
}

static struct ike_keymat initial(uint16_t encr, uint16_t bits)
{
	struct ike_suite s = suite(encr, bits, IKE_PRF_HMAC_SHA2_256);
	struct ike_secret gir = secret(GIR);
	struct hex ni = hex(NI), nr = hex(NR);
	struct ike_keymat k;

	assert_int_equal(ike_keymat_initial(&s, &gir, bytes(&ni), bytes(&nr), SPI_I, SPI_R, &k), 0);
	return k;
}

/* SK_d, SK_ei, SK_er and, as far as the vector goes, SK_pi and SK_pr. */
static void test_initial(void **state)
{
	static const struct {
		uint16_t encr, bits;
		size_t len;
	} cases[] = {{20, 256, 36}, {20, 128, 20}, {28, 0, 36}};
	struct hex rest = hex(DKM_REST);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct ike_keymat k = initial(cases[i].encr, cases[i].bits);
		size_t len = cases[i].len;
		size_t pi = rest.len - 2 * len < 32 ? rest.len - 2 * len : 32;

		assert_hex(k.d, 32, SK_D);
		assert_memory_equal(k.i.key, rest.b, len);
		assert_memory_equal(k.r.key, rest.b + len, len);
		assert_memory_equal(k.pi, rest.b + 2 * len, pi);
		if (len == 20)
			assert_memory_equal(k.pr, rest.b + 2 * len + 32, 28);
		assert_ptr_equal(k.i.encr, ike_encr_find(cases[i].encr, cases[i].bits));
		assert_ptr_equal(k.r.encr, k.i.encr);
	}
}

static void test_rekey(void **state)
{
	struct ike_keymat old = initial(20, 256), k;
	struct ike_secret gir = secret(GIR_NEW);
	struct hex ni = hex(NI), nr = hex(NR), skeyseed = hex(SKEYSEED_REKEY);
	struct hex spis = hex("0000000000000011 0000000000000022");
	struct ike_suite to_256 = suite(28, 0, IKE_PRF_HMAC_SHA2_256);
	struct ike_suite to_512 = suite(20, 128, IKE_PRF_HMAC_SHA2_512);
	struct ike_bytes seed[] = {bytes(&ni), bytes(&nr), bytes(&spis)};
	uint8_t want[3 * 64 + 2 * 36];

	(void)state;
	assert_int_equal(
		ike_keymat_rekey(&old, &to_256, &gir, bytes(&ni), bytes(&nr), 0x11, 0x22, &k), 0);
	assert_int_equal(ike_prf_plus(to_256.prf, skeyseed.b, skeyseed.len, seed, 3, want, 168), 0);
	assert_memory_equal(k.d, want, 32);
	assert_memory_equal(k.i.key, want + 32, 36);
	assert_memory_equal(k.r.key, want + 68, 36);
	assert_memory_equal(k.pi, want + 104, 32);
	assert_memory_equal(k.pr, want + 136, 32);
	/* SKEYSEED by the old prf, the rest by the new one (RFC 7296 2.18) */
	assert_int_equal(
		ike_keymat_rekey(&old, &to_512, &gir, bytes(&ni), bytes(&nr), 0x11, 0x22, &k), 0);
	assert_int_equal(ike_prf_plus(to_512.prf, skeyseed.b, skeyseed.len, seed, 3, want, 232), 0);
	assert_memory_equal(k.d, want, 64);
	assert_memory_equal(k.r.key, want + 84, 20);
	assert_memory_equal(k.pr, want + 168, 64);
}

/* The initiator's key first; with a key exchange of its own in front of the nonces. */
static void test_child(void **state)
{
	struct ike_keymat k = initial(20, 256);
	struct ike_child_keymat c;
	struct ike_secret gir = secret(GIR_NEW);
	struct hex ni = hex(NI), nr = hex(NR), g = hex(GIR_NEW), d = hex(SK_D);
	struct ike_bytes with[] = {bytes(&g), bytes(&ni), bytes(&nr)};
	uint8_t want[72];

	(void)state;
	assert_int_equal(
		ike_keymat_child(&k, ike_encr_find(20, 256), NULL, NULL, bytes(&ni), bytes(&nr), &c), 0);
	assert_int_equal(ike_prf_plus(k.prf, d.b, d.len, with + 1, 2, want, 72), 0);
	assert_int_equal(c.len, 36);
	assert_memory_equal(c.i, want, 36);
	assert_memory_equal(c.r, want + 36, 36);
	assert_int_equal(
		ike_keymat_child(&k, ike_encr_find(20, 128), NULL, &gir, bytes(&ni), bytes(&nr), &c), 0);
	assert_int_equal(ike_prf_plus(k.prf, d.b, d.len, with, 3, want, 40), 0);
	assert_int_equal(c.len, 20);
	assert_memory_equal(c.i, want, 20);
	assert_memory_equal(c.r, want + 20, 20);
}

static void test_octets(void **state)
{
	struct ike_keymat k = initial(20, 256);
	struct hex msg = hex("00010203040506"), nonce = hex(NR), id = hex("02000000616263");
	struct ike_bytes idb = bytes(&id);
	uint8_t buf[7 + 8 + 32], mac[32];
	size_t len = 0;

	(void)state;
	assert_int_equal(ike_auth_octets(k.prf, k.pi, bytes(&msg), bytes(&nonce), idb, buf,
				 sizeof(buf), &len),
		0);
	assert_int_equal(len, sizeof(buf));
	assert_memory_equal(buf, msg.b, 7);
	assert_memory_equal(buf + 7, nonce.b, 8);
	assert_int_equal(ike_prf(k.prf, k.pi, 32, &idb, 1, mac), 0);
	assert_memory_equal(buf + 15, mac, 32);
	for (size_t cap = 0; cap < sizeof(buf); cap++)
		assert_int_equal(ike_auth_octets(k.prf, k.pi, bytes(&msg), bytes(&nonce), idb, buf,
					 cap, &len),
			-EMSGSIZE);
}

/* HMAC(HMAC("secret", "Key Pad for IKEv2"), "octets") with SHA-256, by
 * printf ... | openssl mac -digest SHA256 -macopt key:... HMAC */
static void test_shared(void **state)
{
	const struct ike_prf *prf = ike_prf_find(IKE_PRF_HMAC_SHA2_256);
	struct ike_bytes octets = {(const uint8_t *)"octets", 6};
	uint8_t auth[33];

	(void)state;
	assert_int_equal(ike_auth_shared(prf, "secret", 6, octets, auth), 0);
	assert_hex(auth, 32, "93d6b432e988c4c184f49457ef7ddfef938f1179de4120120d1cc523b368d33b");
	assert_int_equal(
		ike_auth_shared_verify(prf, "secret", 6, octets, (struct ike_bytes){auth, 32}), 0);
	assert_int_equal(
		ike_auth_shared_verify(prf, "secret", 6, octets, (struct ike_bytes){auth, 31}),
		-EKEYREJECTED);
	assert_int_equal(
		ike_auth_shared_verify(prf, "secret", 6, octets, (struct ike_bytes){auth, 33}),
		-EKEYREJECTED);
	assert_int_equal(
		ike_auth_shared_verify(prf, "secret", 5, octets, (struct ike_bytes){auth, 32}),
		-EKEYREJECTED);
	for (size_t i = 0; i < 32; i++) {
		auth[i] ^= 1;
		assert_int_equal(ike_auth_shared_verify(
					 prf, "secret", 6, octets, (struct ike_bytes){auth, 32}),
			-EKEYREJECTED);
		auth[i] ^= 1;
	}
}

/* The longest nonces there are. */
static void test_long_nonces(void **state)
{
	struct ike_suite s = suite(20, 256, IKE_PRF_HMAC_SHA2_512);
	struct ike_secret gir = secret(GIR);
	uint8_t ni[256], nr[256], key[512], skeyseed[64], d[64], spis[16] = {0};
	struct ike_bytes g = {gir.b, gir.len};
	struct ike_keymat k;

	(void)state;
	memset(ni, 0xa5, sizeof(ni));
	memset(nr, 0x5a, sizeof(nr));
	memcpy(key, ni, 256);
	memcpy(key + 256, nr, 256);
	assert_int_equal(ike_keymat_initial(&s, &gir, (struct ike_bytes){ni, 256},
				 (struct ike_bytes){nr, 256}, 0, 0, &k),
		0);
	assert_int_equal(ike_prf(s.prf, key, 512, &g, 1, skeyseed), 0);
	assert_int_equal(ike_prf_plus(s.prf, skeyseed, 64,
				 (struct ike_bytes[]){{key, 512}, {spis, 16}}, 2, d, 64),
		0);
	assert_memory_equal(k.d, d, 64);
	ike_keymat_wipe(&k);
	memset(d, 0, sizeof(d));
	assert_memory_equal(k.d, d, 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_initial),
		cmocka_unit_test(test_rekey),
		cmocka_unit_test(test_child),
		cmocka_unit_test(test_octets),
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_long_nonces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
