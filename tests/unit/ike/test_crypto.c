/* SPDX-License-Identifier: BSD-2-Clause */
#include "ike/crypto.h"

#include <errno.h>

#include "tests/unit/ike/hex.h"

static struct ike_bytes bytes(const struct hex *h)
{
	return (struct ike_bytes){.p = h->b, .len = h->len};
}

/* RFC 4231: HMAC-SHA-256, -384, -512 of test cases 1, 2, 4 and 7 (a key longer than the block). */
static void test_prf(void **state)
{
	static const struct {
		const char *key, *data, *sha256, *sha384, *sha512;
	} cases[] = {
		{"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
			"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
			"afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59c"
			"faea9ea9076ede7f4af152e8b2fa9cb6",
			"87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
			"daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854"},
		{"4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
			"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
			"af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e"
			"8e2240ca5e69e2c78b3239ecfab21649",
			"164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
			"9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
		{"0102030405060708090a0b0c0d0e0f10111213141516171819",
			"cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"
			"cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
			"82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
			"3e8a69b7783c25851933ab6290af6ca77a9981480850009cc5577c6e1f573b4e"
			"6801dd23c4a7d679ccf8a386c674cffb",
			"b0ba465637458c6990e5a8c5f61d4af7e576d97ff94b872de76f8050361ee3db"
			"a91ca5c11aa25eb4d679275cc5788063a5f19741120c4f2de2adebeb10a298dd"},
	};
	const uint16_t ids[] = {
		IKE_PRF_HMAC_SHA2_256, IKE_PRF_HMAC_SHA2_384, IKE_PRF_HMAC_SHA2_512};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *want[] = {cases[i].sha256, cases[i].sha384, cases[i].sha512};
		struct hex key = hex(cases[i].key), data = hex(cases[i].data);

		for (size_t j = 0; j < 3; j++) {
			const struct ike_prf *prf = ike_prf_find(ids[j]);
			uint8_t out[IKE_PRF_MAX];
			/* in one part, and in three with an empty one */
			struct ike_bytes whole = bytes(&data);
			struct ike_bytes parts[] = {
				{data.b, 1}, {NULL, 0}, {data.b + 1, data.len - 1}};

			assert_int_equal(ike_prf(prf, key.b, key.len, &whole, 1, out), 0);
			assert_hex(out, prf->len, want[j]);
			memset(out, 0, sizeof(out));
			assert_int_equal(ike_prf(prf, key.b, key.len, parts, 3, out), 0);
			assert_hex(out, prf->len, want[j]);
		}
	}
}

/* SP 800-135 validation vectors, IKEv2 with SHA-256: prf+ over more than four rounds. */
static void test_prf_plus(void **state)
{
	const struct ike_prf *prf = ike_prf_find(IKE_PRF_HMAC_SHA2_256);
	struct hex skeyseed =
		hex("5f00d1bd2c58ec224b1e6b71fa0f19a1faa7a193952c444411b47c1a9d8ba6fe");
	struct hex seed =
		hex("3f302be1abcb28e1 8c332ee006064c9b 40dac39e1e1a8640 8619a1cf9a6e4c07");
	struct hex dkm = hex("0b137d669b0947d7d026d593f0305ad401ff0c471357d695778a9c7f4b4869ec"
			     "e98aca531188d16041b3bb936d2dbb3b4993a6e768a809160de45d0283f273a6"
			     "cdf6854379e31be72b8d3d1fa990cf9c5b015ca9f918a7df6253c958114a09d4"
			     "e1c19bdcd4db14b29d98db1a74ad405c588662c14a04d0d36aa4ab55e90f8986"
			     "d12d4aad");
	struct ike_bytes parts[] = {{seed.b, 8}, {seed.b + 8, 24}};
	uint8_t out[255 * 32 + 1];

	(void)state;
	for (size_t len = 1; len <= dkm.len; len++) {
		memset(out, 0xee, sizeof(out));
		assert_int_equal(
			ike_prf_plus(prf, skeyseed.b, skeyseed.len, parts, 2, out, len), 0);
		assert_memory_equal(out, dkm.b, len);
		assert_int_equal(out[len], 0xee);
	}
	/* the round number is one byte */
	assert_int_equal(ike_prf_plus(prf, skeyseed.b, skeyseed.len, parts, 2, out, 255 * 32), 0);
	assert_int_equal(
		ike_prf_plus(prf, skeyseed.b, skeyseed.len, parts, 2, out, 255 * 32 + 1), -EINVAL);
}

/* prf+ of SHA-512 as RFC 7296 2.13 writes it, round by round. */
static void test_prf_plus_by_hand(void **state)
{
	const struct ike_prf *prf = ike_prf_find(IKE_PRF_HMAC_SHA2_512);
	struct hex key = hex("000102030405"), seed = hex("a0a1a2a3");
	uint8_t t1[64], t2[64], t3[64], out[150];
	uint8_t one = 1, two = 2, three = 3;
	struct ike_bytes s = bytes(&seed);

	(void)state;
	assert_int_equal(ike_prf(prf, key.b, 6, (struct ike_bytes[]){s, {&one, 1}}, 2, t1), 0);
	assert_int_equal(
		ike_prf(prf, key.b, 6, (struct ike_bytes[]){{t1, 64}, s, {&two, 1}}, 3, t2), 0);
	assert_int_equal(
		ike_prf(prf, key.b, 6, (struct ike_bytes[]){{t2, 64}, s, {&three, 1}}, 3, t3), 0);
	assert_int_equal(ike_prf_plus(prf, key.b, 6, &s, 1, out, sizeof(out)), 0);
	assert_memory_equal(out, t1, 64);
	assert_memory_equal(out + 64, t2, 64);
	assert_memory_equal(out + 128, t3, sizeof(out) - 128);
}

struct aead_case {
	uint16_t id, bits;
	const char *key, *salt, *iv, *aad, *plain, *cipher, *icv;
};

/* GCM specification test cases 4 and 16 (with AAD); RFC 7634 appendix A. */
static const struct aead_case aead_cases[] = {
	{IKE_ENCR_AES_GCM_16, 128, "feffe9928665731c6d6a8f9467308308", "cafebabe",
		"facedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
		"d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
		"1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
		"42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
		"21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
		"5bc94fbc3221a5db94fae95ae7121a47"},
	{IKE_ENCR_AES_GCM_16, 256,
		"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabe",
		"facedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
		"d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
		"1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
		"522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
		"8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
		"76fc6ece0f4e1768cddf8853bb2d551b"},
	{IKE_ENCR_CHACHA20_POLY1305, 0,
		"808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f", "a0a1a2a3",
		"1011121314151617", "0102030400000005",
		"45000054a6f200004001e778c6336405c000020508005b7a3a080000553bec10"
		"0007362708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223"
		"2425262728292a2b2c2d2e2f303132333435363701020204",
		"24039428b97f417e3c13753a4f05087b67c352e6a7fab1b982d466ef407ae5c6"
		"14ee8099d52844eb61aa95dfab4c02f72aa71e7c4c4f64c9befe2facc638e8f3"
		"cbec163fac469b502773f6fb94e664da9165b82829f641e0",
		"76aaa8266b7fb0f7b11b369907e1ad43"},
};

static struct ike_aead aead_key(const struct aead_case *c)
{
	struct ike_aead k = {.encr = ike_encr_find(c->id, c->bits)};
	struct hex key = hex(c->key), salt = hex(c->salt);

	assert_non_null(k.encr);
	assert_int_equal(key.len, k.encr->key_len);
	memcpy(k.key, key.b, key.len);
	memcpy(k.key + key.len, salt.b, salt.len);
	return k;
}

static void test_aead(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(aead_cases) / sizeof(*aead_cases); i++) {
		const struct aead_case *c = &aead_cases[i];
		struct ike_aead k = aead_key(c);
		struct hex iv = hex(c->iv), aad = hex(c->aad), text = hex(c->plain), cipher;
		uint8_t icv[16];

		assert_int_equal(ike_aead_seal(&k, iv.b, aad.b, aad.len, text.b, text.len, icv), 0);
		assert_hex(text.b, text.len, c->cipher);
		assert_hex(icv, sizeof(icv), c->icv);
		cipher = text;
		assert_int_equal(ike_aead_open(&k, iv.b, aad.b, aad.len, text.b, text.len, icv), 0);
		assert_hex(text.b, text.len, c->plain);
		/* a changed bit in any of them */
		text = cipher;
		text.b[3] ^= 1;
		assert_int_equal(
			ike_aead_open(&k, iv.b, aad.b, aad.len, text.b, text.len, icv), -EBADMSG);
		text = cipher;
		aad.b[0] ^= 0x80;
		assert_int_equal(
			ike_aead_open(&k, iv.b, aad.b, aad.len, text.b, text.len, icv), -EBADMSG);
		aad.b[0] ^= 0x80;
		icv[15] ^= 1;
		assert_int_equal(
			ike_aead_open(&k, iv.b, aad.b, aad.len, text.b, text.len, icv), -EBADMSG);
	}
}

/* RFC 7634 appendix B: an INFORMATIONAL request with N(SET_WINDOW_SIZE). */
static const char rfc7634_message[] = "c0c1c2c3c4c5c6c7 d0d1d2d3d4d5d6d7 2e202500 00000009 00000045"
				      "29000029 1011121314151617 6103 94701f8d017f7c129248 89"
				      "6b71bfe252 36efd7cdc67066 906315b2";

static struct ike_aead rfc7634_key(void)
{
	return aead_key(&aead_cases[2]);
}

static void test_sk_seal(void **state)
{
	struct ike_aead k = rfc7634_key();
	struct ike_header h = {.spi_i = 0xc0c1c2c3c4c5c6c7,
		.spi_r = 0xd0d1d2d3d4d5d6d7,
		.exchange = IKE_EXCH_INFORMATIONAL,
		.msgid = 9};
	uint8_t buf[128], window[] = {0, 0, 0, 10};
	struct ike_builder b = ike_build(buf, sizeof(buf), &h);
	size_t len;

	(void)state;
	ike_build_sk(&b, k.encr->iv_len);
	ike_build_notify(&b, IKE_N_SET_WINDOW_SIZE, window, sizeof(window));
	assert_int_equal(ike_sk_seal(&b, &k, 0x1011121314151617, &len), 0);
	assert_hex(buf, len, rfc7634_message);
	/* too little room, however little */
	for (size_t cap = 0; cap < len; cap++) {
		b = ike_build(buf, cap, &h);
		ike_build_sk(&b, k.encr->iv_len);
		ike_build_notify(&b, IKE_N_SET_WINDOW_SIZE, window, sizeof(window));
		assert_int_equal(ike_sk_seal(&b, &k, 0x1011121314151617, &len), -EMSGSIZE);
	}
}

static int open_message(struct hex *msg, const struct ike_aead *k, struct ike_payloads *inner)
{
	struct ike_header h;
	struct ike_payloads outer;
	struct ike_bytes plain;
	int error;

	if (ike_header_parse(msg->b, msg->len, &h) != IKE_PARSE_OK)
		return -EPROTO;
	if (ike_payloads_parse(h.next, msg->b + IKE_HEADER_LEN, msg->len - IKE_HEADER_LEN, false,
		    &outer) != IKE_PARSE_OK ||
		!outer.sk.p)
		return -EPROTO;
	error = ike_sk_open(k, msg->b, msg->len, &outer.sk, &plain);
	if (error)
		return error;
	return ike_payloads_parse(outer.sk_next, plain.p, plain.len, true, inner) == IKE_PARSE_OK
		       ? 0
		       : -EPROTO;
}

static void test_sk_open(void **state)
{
	struct ike_aead k = rfc7634_key();
	struct hex msg = hex(rfc7634_message), copy = msg;
	struct ike_payloads inner;
	const struct ike_notify *n;

	(void)state;
	assert_int_equal(open_message(&copy, &k, &inner), 0);
	assert_int_equal(inner.n_notify, 1);
	n = ike_notify_find(&inner, IKE_N_SET_WINDOW_SIZE);
	assert_non_null(n);
	assert_hex(n->data.p, n->data.len, "0000000a");
	/* every bit of the message is authenticated */
	for (size_t i = 0; i < 8 * msg.len; i++) {
		copy = msg;
		copy.b[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_int_not_equal(open_message(&copy, &k, &inner), 0);
	}
}

/* Padding of any length is taken (RFC 7634 section 3), beyond the text it is not. */
static void test_sk_padding(void **state)
{
	struct ike_aead k = rfc7634_key();

	(void)state;
	for (unsigned int pad = 0; pad <= 21; pad++) {
		struct ike_header h = {.spi_i = 1, .exchange = IKE_EXCH_INFORMATIONAL};
		uint8_t buf[256], *text;
		struct ike_builder b = ike_build(buf, sizeof(buf), &h);
		struct ike_bytes sk, plain;
		size_t len;

		ike_build_sk(&b, 8);
		text = wire_reserve(&b.w, 20);
		assert_non_null(text);
		memset(text, 0xaa, 20);
		/* the pad length byte that seal appends becomes padding of 20 others */
		assert_int_equal(ike_sk_seal(&b, &k, pad, &len), 0);
		sk = (struct ike_bytes){.p = buf + 32, .len = len - 32};
		assert_int_equal(
			ike_aead_open(&k, buf + 32, buf, 32, buf + 40, 21, buf + len - 16), 0);
		buf[40 + 20] = (uint8_t)pad;
		assert_int_equal(
			ike_aead_seal(&k, buf + 32, buf, 32, buf + 40, 21, buf + len - 16), 0);
		if (pad <= 20) {
			assert_int_equal(ike_sk_open(&k, buf, len, &sk, &plain), 0);
			assert_int_equal(plain.len, 20 - pad);
		} else {
			assert_int_equal(ike_sk_open(&k, buf, len, &sk, &plain), -EBADMSG);
		}
	}
}

/* Too short for IV, pad length and ICV. */
static void test_sk_short(void **state)
{
	struct ike_aead k = rfc7634_key();
	uint8_t buf[32 + 25] = {0};
	struct ike_bytes plain;

	(void)state;
	for (size_t n = 0; n < 25; n++) {
		struct ike_bytes sk = {.p = buf + 32, .len = n};

		assert_int_equal(ike_sk_open(&k, buf, 32 + n, &sk, &plain), -EBADMSG);
	}
}

struct kex_case {
	uint16_t group;
	const char *priv_a, *pub_a, *priv_b, *pub_b, *shared;
};

/* RFC 7748 6.1, RFC 8031 appendix A, RFC 5903 8.1. */
static const struct kex_case kex_cases[] = {
	{IKE_KE_CURVE25519, "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
		"8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
		"5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
		"de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
		"4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"},
	{IKE_KE_CURVE25519, "701fb4308655b476b6789b7325f9ea8cddd16a58533ff6d9e60009464a5f9d54",
		"48d5ddd4061257ba166fa3f9bbdb74f1a4e81c089384fa77f790709f0dfbc766",
		"0854645253290d60ddadd0e030bacd9e5501efdc220755a1e978f1b839a05648",
		"0be7c1f5aad87d7e448662673298a443478b859745179eaf564c79c0ef6eee25",
		"c74950607a12327f3204d94b6825bfb068b7f8319a9e3708ed3d43ce8130c950"},
	{IKE_KE_ECP_256, "c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433",
		"dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c3772581180"
		"5271a0461cdb8252d61f1c456fa3e59ab1f45b33accf5f58389e0577b8990bb3",
		"c6ef9c5d78ae012a011164acb397ce2088685d8f06bf9be0b283ab46476bee53",
		"d12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf63"
		"56fbf3ca366cc23e8157854c13c58d6aac23f046ada30f8353e74f33039872ab",
		"d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de"},
};

static void check_kex(const struct kex_case *c, const char *priv, const char *pub, const char *peer)
{
	const struct ike_ke *ke = ike_ke_find(c->group);
	struct hex p = hex(priv), q = hex(peer);
	struct ike_secret secret;
	struct ike_kex *kex;

	assert_int_equal(ike_kex_from_private(ke, p.b, p.len, &kex), 0);
	assert_ptr_equal(ike_kex_ke(kex), ke);
	assert_hex(ike_kex_public(kex), ke->public_len, pub);
	assert_int_equal(ike_kex_derive(kex, q.b, q.len, &secret), 0);
	assert_hex(secret.b, secret.len, c->shared);
	/* another length */
	assert_int_equal(ike_kex_derive(kex, q.b, q.len - 1, &secret), -EBADMSG);
	assert_int_equal(ike_kex_derive(kex, q.b, q.len + 1, &secret), -EBADMSG);
	assert_int_equal(ike_kex_derive(kex, q.b, 0, &secret), -EBADMSG);
	ike_kex_free(kex);
}

static void test_kex_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(kex_cases) / sizeof(*kex_cases); i++) {
		const struct kex_case *c = &kex_cases[i];

		check_kex(c, c->priv_a, c->pub_a, c->pub_b);
		check_kex(c, c->priv_b, c->pub_b, c->pub_a);
	}
}

static void test_kex_fresh(void **state)
{
	const struct ike_ke *const *groups = ike_profile_default.ke;

	(void)state;
	for (size_t i = 0; groups[i]; i++) {
		struct ike_kex *a, *b;
		struct ike_secret s, t;

		assert_int_equal(ike_kex_new(groups[i], &a), 0);
		assert_int_equal(ike_kex_new(groups[i], &b), 0);
		assert_memory_not_equal(
			ike_kex_public(a), ike_kex_public(b), groups[i]->public_len);
		assert_int_equal(
			ike_kex_derive(a, ike_kex_public(b), groups[i]->public_len, &s), 0);
		assert_int_equal(
			ike_kex_derive(b, ike_kex_public(a), groups[i]->public_len, &t), 0);
		assert_int_equal(s.len, groups[i]->shared_len);
		assert_int_equal(t.len, s.len);
		assert_memory_equal(s.b, t.b, s.len);
		ike_kex_free(a);
		ike_kex_free(b);
	}
	ike_kex_free(NULL);
}

/* RFC 8031 section 2 and RFC 7748 section 6.1: points of small order give zero. */
static void test_x25519_small_order(void **state)
{
	static const char *const points[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
	};
	struct ike_kex *kex;

	(void)state;
	assert_int_equal(ike_kex_new(ike_ke_find(IKE_KE_CURVE25519), &kex), 0);
	for (size_t i = 0; i < sizeof(points) / sizeof(*points); i++) {
		struct hex p = hex(points[i]);
		struct ike_secret s = {.len = 77};

		assert_int_equal(ike_kex_derive(kex, p.b, p.len, &s), -EBADMSG);
		assert_int_equal(s.len, 77); /* untouched */
	}
	ike_kex_free(kex);
}

/* RFC 6989 2.3: off the curve, out of range, zero. */
static void test_p256_bad_points(void **state)
{
	static const char *const points[] = {
		/* the point of RFC 5903 with another y */
		"dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c3772581180"
		"5271a0461cdb8252d61f1c456fa3e59ab1f45b33accf5f58389e0577b8990bb4",
		"0000000000000000000000000000000000000000000000000000000000000000"
		"0000000000000000000000000000000000000000000000000000000000000000",
		/* x = p */
		"ffffffff00000001000000000000000000000000ffffffffffffffffffffffff"
		"5271a0461cdb8252d61f1c456fa3e59ab1f45b33accf5f58389e0577b8990bb3",
		"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
		"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	};
	struct ike_kex *kex;

	(void)state;
	assert_int_equal(ike_kex_new(ike_ke_find(IKE_KE_ECP_256), &kex), 0);
	for (size_t i = 0; i < sizeof(points) / sizeof(*points); i++) {
		struct hex p = hex(points[i]);
		struct ike_secret s = {.len = 77};

		assert_int_equal(ike_kex_derive(kex, p.b, p.len, &s), -EBADMSG);
		assert_int_equal(s.len, 77);
	}
	ike_kex_free(kex);
}

static void test_suites(void **state)
{
	struct ike_suite s = {ike_encr_find(IKE_ENCR_AES_GCM_16, 256),
		ike_prf_find(IKE_PRF_HMAC_SHA2_512), ike_ke_find(IKE_KE_CURVE25519)};
	char text[64];

	(void)state;
	assert_int_equal(ike_suite_init(), 0);
	assert_string_equal(ike_suite_format(&s, text, sizeof(text)),
		"AES-GCM-16-256 / PRF-HMAC-SHA2-512 / Curve25519");
	assert_null(ike_encr_find(IKE_ENCR_AES_GCM_16, 0)); /* its key length must be said */
	assert_null(ike_encr_find(IKE_ENCR_AES_GCM_16, 192));
	assert_null(ike_encr_find(IKE_ENCR_CHACHA20_POLY1305, 256)); /* its must not */
	assert_null(ike_encr_find(12, 256));                         /* AES-CBC */
	assert_null(ike_prf_find(2));                                /* HMAC-SHA1 */
	assert_null(ike_ke_find(2));
	assert_true(ike_profile_has_ke(&ike_profile_default, IKE_KE_ECP_256));
	assert_false(ike_profile_has_ke(&ike_profile_default, IKE_KE_NONE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prf),
		cmocka_unit_test(test_prf_plus),
		cmocka_unit_test(test_prf_plus_by_hand),
		cmocka_unit_test(test_aead),
		cmocka_unit_test(test_sk_seal),
		cmocka_unit_test(test_sk_open),
		cmocka_unit_test(test_sk_padding),
		cmocka_unit_test(test_sk_short),
		cmocka_unit_test(test_kex_vectors),
		cmocka_unit_test(test_kex_fresh),
		cmocka_unit_test(test_x25519_small_order),
		cmocka_unit_test(test_p256_bad_points),
		cmocka_unit_test(test_suites),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
