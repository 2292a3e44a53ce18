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
	return (struct ike_suite){.encr = ike_encr_find(encr, bits),
		.prf = ike_prf_find(prf),
		.ke = ike_ke_find(IKE_KE_CURVE25519)};
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
		assert_memory_equal(k.i, rest.b, len);
		assert_memory_equal(k.r, rest.b + len, len);
		assert_memory_equal(k.pi, rest.b + 2 * len, pi);
		if (len == 20)
			assert_memory_equal(k.pr, rest.b + 2 * len + 32, 28);
		assert_ptr_equal(k.encr, ike_encr_find(cases[i].encr, cases[i].bits));
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
		ike_keymat_rekey(&old, &to_256, &gir, NULL, bytes(&ni), bytes(&nr), 0x11, 0x22, &k),
		0);
	assert_int_equal(ike_prf_plus(to_256.prf, skeyseed.b, skeyseed.len, seed, 3, want, 168), 0);
	assert_memory_equal(k.d, want, 32);
	assert_memory_equal(k.i, want + 32, 36);
	assert_memory_equal(k.r, want + 68, 36);
	assert_memory_equal(k.pi, want + 104, 32);
	assert_memory_equal(k.pr, want + 136, 32);
	/* SKEYSEED by the old prf, the rest by the new one (RFC 7296 2.18) */
	assert_int_equal(
		ike_keymat_rekey(&old, &to_512, &gir, NULL, bytes(&ni), bytes(&nr), 0x11, 0x22, &k),
		0);
	assert_int_equal(ike_prf_plus(to_512.prf, skeyseed.b, skeyseed.len, seed, 3, want, 232), 0);
	assert_memory_equal(k.d, want, 64);
	assert_memory_equal(k.r, want + 84, 20);
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
	assert_int_equal(ike_keymat_child(&k, ike_encr_find(20, 256), NULL, NULL, NULL, bytes(&ni),
				 bytes(&nr), &c),
		0);
	assert_int_equal(ike_prf_plus(k.prf, d.b, d.len, with + 1, 2, want, 72), 0);
	assert_int_equal(c.len, 36);
	assert_memory_equal(c.i, want, 36);
	assert_memory_equal(c.r, want + 36, 36);
	assert_int_equal(ike_keymat_child(&k, ike_encr_find(20, 128), NULL, &gir, NULL, bytes(&ni),
				 bytes(&nr), &c),
		0);
	assert_int_equal(ike_prf_plus(k.prf, d.b, d.len, with, 3, want, 40), 0);
	assert_int_equal(c.len, 20);
	assert_memory_equal(c.i, want, 20);
	assert_memory_equal(c.r, want + 20, 20);
}

/* RFC 9370 2.2.4: SKEYSEED = prf(SK_d, SK(0) | Ni | Nr | SK(1)), KEYMAT = prf+(SK_d, the same) */
static void test_added(void **state)
{
	struct ike_keymat old = initial(20, 256), k;
	struct ike_secret gir = secret(GIR_NEW), added = secret("1234567890");
	struct ike_suite to = suite(20, 256, IKE_PRF_HMAC_SHA2_256);
	struct hex ni = hex(NI), nr = hex(NR), seed = hex(GIR_NEW NI NR "1234567890");
	struct hex spis = hex("0000000000000011 0000000000000022");
	struct ike_bytes in = bytes(&seed);
	uint8_t skeyseed[32], want[72];
	struct ike_child_keymat c;

	(void)state;
	assert_int_equal(ike_prf(old.prf, old.d, 32, &in, 1, skeyseed), 0);
	assert_int_equal(
		ike_prf_plus(old.prf, skeyseed, 32,
			(struct ike_bytes[]){bytes(&ni), bytes(&nr), bytes(&spis)}, 3, want, 32),
		0);
	assert_int_equal(
		ike_keymat_rekey(&old, &to, &gir, &added, bytes(&ni), bytes(&nr), 0x11, 0x22, &k),
		0);
	assert_memory_equal(k.d, want, 32);
	assert_int_equal(ike_prf_plus(old.prf, old.d, 32, &in, 1, want, 72), 0);
	assert_int_equal(ike_keymat_child(&old, ike_encr_find(20, 256), NULL, &gir, &added,
				 bytes(&ni), bytes(&nr), &c),
		0);
	assert_memory_equal(c.i, want, 36);
	assert_memory_equal(c.r, want + 36, 36);
}

/* RFC 9242 3.3.2, figure 1: the A chunk byte by byte, with both lengths adjusted; then P. */
static void test_int_auth(void **state)
{
	struct ike_keymat k = initial(20, 256);
	struct hex p = hex("0000000c 0013 0000 01020304"); /* a KE payload */
	struct hex a = hex("0102030405060708 1112131415161718 2e 20 2b 08 00000001 0000002c"
			   "22 40 0010");
	struct ike_header h = {.spi_i = 0x0102030405060708,
		.spi_r = 0x1112131415161718,
		.next = IKE_PL_SKF, /* it came in fragments: that does not matter */
		.version = 0x20,
		.exchange = 43,
		.flags = 0x08,
		.msgid = 1,
		.length = 77};
	struct ike_bytes parts[] = {{0}, bytes(&a), bytes(&p)}, none = {0};
	uint8_t want[32], first[32], second[32];

	(void)state;
	assert_int_equal(ike_prf(k.prf, k.pi, 32, parts, 3, want), 0);
	assert_int_equal(ike_int_auth(k.prf, k.pi, none, &h, 34, 0x40, bytes(&p), first), 0);
	assert_memory_equal(first, want, 32);
	/* the second one is over the first, too; in place */
	parts[0] = (struct ike_bytes){want, 32};
	assert_int_equal(ike_prf(k.prf, k.pi, 32, parts, 3, second), 0);
	assert_int_equal(ike_int_auth(k.prf, k.pi, (struct ike_bytes){first, 32}, &h, 34, 0x40,
				 bytes(&p), first),
		0);
	assert_memory_equal(first, second, 32);
	/* an SK payload that is empty has no P */
	a = hex("0102030405060708 1112131415161718 2e 20 2b 20 00000002 00000020 00 00 0004");
	h.flags = 0x20;
	h.msgid = 2;
	parts[1] = bytes(&a);
	assert_int_equal(ike_prf(k.prf, k.pr, 32, parts + 1, 1, want), 0);
	assert_int_equal(ike_int_auth(k.prf, k.pr, none, &h, 0, 0, none, first), 0);
	assert_memory_equal(first, want, 32);
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
		cmocka_unit_test(test_added),
		cmocka_unit_test(test_int_auth),
		cmocka_unit_test(test_octets),
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_long_nonces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
