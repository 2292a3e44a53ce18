/* SPDX-License-Identifier: BSD-2-Clause */
#include "ike/crypto.h"

#include <errno.h>
#include <openssl/evp.h>

#include "ike/ike.h"
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
	static uint8_t room[IKE_AEAD_KEY_MAX];
	struct ike_aead k = {.encr = ike_encr_find(c->id, c->bits), .key = room};
	struct hex key = hex(c->key), salt = hex(c->salt);

	assert_non_null(k.encr);
	assert_int_equal(key.len, k.encr->key_len);
	memcpy(room, key.b, key.len);
	memcpy(room + key.len, salt.b, salt.len);
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

/* ---- CBC with HMAC */

static const struct cbc_case {
	uint16_t bits, integ;
	const char *hash;
	size_t key_len, icv_len; /* of the HMAC, RFC 4868 2.6 */
} cbc_cases[] = {
	{128, IKE_INTEG_HMAC_SHA2_256_128, "SHA256", 32, 16},
	{256, IKE_INTEG_HMAC_SHA2_256_128, "SHA256", 32, 16},
	{256, IKE_INTEG_HMAC_SHA2_384_192, "SHA384", 48, 24},
	{256, IKE_INTEG_HMAC_SHA2_512_256, "SHA512", 64, 32},
};

static struct ike_aead cbc_key(const struct cbc_case *c)
{
	static uint8_t room[IKE_AEAD_KEY_MAX];
	struct ike_aead k = {.encr = ike_encr_find(IKE_ENCR_AES_CBC, c->bits),
		.integ = ike_integ_find(c->integ),
		.key = room};

	assert_non_null(k.encr);
	assert_non_null(k.integ);
	for (size_t i = 0; i < sizeof(room); i++)
		room[i] = (uint8_t)(7 * i + 1);
	return k;
}

static size_t cbc_seal(const struct ike_aead *k, size_t data, uint64_t iv, struct hex *ret)
{
	struct ike_header h = {.spi_i = 1, .spi_r = 2, .exchange = IKE_EXCH_INFORMATIONAL};
	struct ike_builder b = ike_build(ret->b, sizeof(ret->b), &h);
	uint8_t filling[64];

	memset(filling, 0x5a, sizeof(filling));
	ike_build_sk(&b, k->encr->iv_len);
	ike_build_notify(&b, IKE_N_SET_WINDOW_SIZE, filling, data);
	assert_int_equal(ike_sk_seal(&b, k, iv, &ret->len), 0);
	return 8 + data; /* of text */
}

/* RFC 7296 3.14 and RFC 3602, taken apart by OpenSSL's one-shot functions. */
static void test_cbc(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cbc_cases) / sizeof(*cbc_cases); i++)
		for (size_t data = 0; data < 34; data++) {
			const struct cbc_case *c = &cbc_cases[i];
			struct ike_aead k = cbc_key(c);
			const EVP_CIPHER *aes =
				c->bits == 128 ? EVP_aes_128_cbc() : EVP_aes_256_cbc();
			EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
			uint8_t mac[64], plain[128];
			struct ike_payloads inner;
			struct hex msg;
			size_t text = cbc_seal(&k, data, 5, &msg), cipher;
			int n;

			cipher = msg.len - 32 - 16 - c->icv_len;
			assert_int_equal(cipher, (text + 1 + 15) / 16 * 16);
			assert_non_null(EVP_Q_mac(NULL, "HMAC", NULL, c->hash, NULL,
				k.key + c->bits / 8, c->key_len, msg.b, msg.len - c->icv_len, mac,
				sizeof(mac), NULL));
			assert_memory_equal(mac, msg.b + msg.len - c->icv_len, c->icv_len);
			assert_true(EVP_DecryptInit_ex(ctx, aes, NULL, k.key, msg.b + 32));
			EVP_CIPHER_CTX_set_padding(ctx, 0);
			assert_true(EVP_DecryptUpdate(ctx, plain, &n, msg.b + 48, (int)cipher));
			assert_int_equal(n, cipher);
			assert_int_equal(plain[cipher - 1], cipher - 1 - text);
			assert_memory_equal(plain, "\0\0", 2);
			assert_int_equal(plain[3], text);
			EVP_CIPHER_CTX_free(ctx);
			assert_int_equal(open_message(&msg, &k, &inner), 0);
			assert_int_equal(inner.n_notify, 1);
			assert_int_equal(inner.notify[0].data.len, data);
		}
}

static void test_cbc_changed(void **state)
{
	struct ike_aead k = cbc_key(&cbc_cases[1]);
	struct hex msg, copy, other;
	struct ike_payloads inner;

	(void)state;
	cbc_seal(&k, 4, 1, &msg);
	for (size_t i = 0; i < 8 * msg.len; i++) {
		copy = msg;
		copy.b[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_int_not_equal(open_message(&copy, &k, &inner), 0);
	}
	for (size_t cut = 1; cut < msg.len - 32; cut++) {
		struct ike_bytes sk = {msg.b + 32, msg.len - 32 - cut}, plain;

		copy = msg;
		sk.p = copy.b + 32;
		assert_int_equal(ike_sk_open(&k, copy.b, msg.len - cut, &sk, &plain), -EBADMSG);
	}
	/* the IV does not show the counter, and is another one each time */
	cbc_seal(&k, 4, 2, &other);
	assert_memory_not_equal(msg.b + 32, other.b + 32, 8);
	assert_memory_not_equal(msg.b + 40, other.b + 40, 8);
	/* little room */
	for (size_t cap = 0; cap < msg.len; cap++) {
		struct ike_header h = {.spi_i = 1};
		struct ike_builder b = ike_build(copy.b, cap, &h);
		uint8_t data[4] = {0};
		size_t len;

		ike_build_sk(&b, k.encr->iv_len);
		ike_build_notify(&b, IKE_N_SET_WINDOW_SIZE, data, sizeof(data));
		assert_int_equal(ike_sk_seal(&b, &k, 1, &len), -EMSGSIZE);
	}
}

struct kex_case {
	uint16_t group;
	const char *priv_a, *pub_a, *priv_b, *pub_b, *shared;
};

/* RFC 7748 6.1, RFC 8031 appendix A, RFC 5903 8.1 to 8.3. */
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
	{IKE_KE_ECP_384,
		"099f3c7034d4a2c699884d73a375a67f7624ef7c6b3c0f160647b67414dce655"
		"e35b538041e649ee3faef896783ab194",
		"667842d7d180ac2cde6f74f37551f55755c7645c20ef73e31634fe72b4c55ee6"
		"de3ac808acb4bdb4c88732aee95f41aa9482ed1fc0eeb9cafc4984625ccfc23f"
		"65032149e0e144ada024181535a0f38eeb9fcff3c2c947dae69b4c634573a81c",
		"41cb0779b4bdb85d47846725fbec3c9430fab46cc8dc5060855cc9bda0aa2942"
		"e0308312916b8ed2960e4bd55a7448fc",
		"e558dbef53eecde3d3fccfc1aea08a89a987475d12fd950d83cfa41732bc509d"
		"0d1ac43a0336def96fda41d0774a3571dcfbec7aacf3196472169e838430367f"
		"66eebe3c6e70c416dd5f0c68759dd1fff83fa40142209dff5eaad96db9e6386c",
		"11187331c279962d93d604243fd592cb9d0a926f422e47187521287e7156c5c4"
		"d603135569b9e9d09cf5d4a270f59746"},
	{IKE_KE_ECP_521,
		"0037ade9319a89f4dabdb3ef411aaccca5123c61acab57b5393dce47608172a0"
		"95aa85a30fe1c2952c6771d937ba9777f5957b2639bab072462f68c27a57382d"
		"4a52",
		"0015417e84dbf28c0ad3c278713349dc7df153c897a1891bd98bab4357c9ecbe"
		"e1e3bf42e00b8e380aeae57c2d107564941885942af5a7f4601723c4195d176c"
		"ed3e017cae20b6641d2eeb695786d8c946146239d099e18e1d5a514c739d7cb4"
		"a10ad8a788015ac405d7799dc75e7b7d5b6cf2261a6a7f1507438bf01beb6ca3"
		"926f9582",
		"0145ba99a847af43793fdd0e872e7cdfa16be30fdc780f97bccc3f078380201e"
		"9c677d600b343757a3bdbf2a3163e4c2f869cca7458aa4a4effc311f5cb15168"
		"5eb9",
		"00d0b3975ac4b799f5bea16d5e13e9af971d5e9b984c9f39728b5e5739735a21"
		"9b97c356436adc6e95bb0352f6be64a6c2912d4ef2d0433ced2b6171640012d9"
		"460f015c68226383956e3bd066e797b623c27ce0eac2f551a10c2c724d985207"
		"7b87220b6536c5c408a1d2aebb8e86d678ae49cb57091f4732296579ab44fcd1"
		"7f0fc56a",
		"01144c7d79ae6956bc8edb8e7c787c4521cb086fa64407f97894e5e6b2d79b04"
		"d1427e73ca4baa240a34786859810c06b3c715a3a8cc3151f2bee417996d19f3"
		"ddea"},
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
	static const uint16_t ids[] = {IKE_KE_CURVE25519, IKE_KE_ECP_256, IKE_KE_ECP_384,
		IKE_KE_ECP_521, IKE_KE_MODP_2048, 0};
	const struct ike_ke *groups[6] = {0};

	(void)state;
	for (size_t i = 0; ids[i]; i++)
		assert_non_null(groups[i] = ike_ke_find(ids[i]));
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

/* RFC 3526 section 3, to the last bytes: the modulus p of MODP-2048. */
static struct hex modp_2048(void)
{
	return hex("ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74"
		   "020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f1437"
		   "4fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed"
		   "ee386bfb5a899fa5ae9f24117c4b1fe649286651ece45b3dc2007cb8a163bf05"
		   "98da48361c55d39a69163fa8fd24cf5f83655d23dca3ad961c62f356208552bb"
		   "9ed529077096966d670c354e4abc9804f1746c08ca18217c32905e462e36ce3b"
		   "e39e772c180e86039b2783a2ec07a28fb5c55df06f4c52c9de2bcbf695581718"
		   "3995497cea956ae515d2261898fa051015728e5a8aacaa68ffffffffffffffff");
}

/* RFC 6989 2.1: 1 < r < p - 1. */
static void test_modp_bad_values(void **state)
{
	struct hex zero = {.len = 256}, one = zero, two = zero, p = modp_2048(), q = p, r = p;
	struct ike_secret s = {.len = 77};
	struct ike_kex *kex;

	(void)state;
	one.b[255] = 1;
	two.b[255] = 2;
	q.b[255]--;    /* p - 1 */
	r.b[255] -= 2; /* p - 2 */
	assert_int_equal(ike_kex_new(ike_ke_find(IKE_KE_MODP_2048), &kex), 0);
	assert_int_equal(ike_kex_derive(kex, zero.b, 256, &s), -EBADMSG);
	assert_int_equal(ike_kex_derive(kex, one.b, 256, &s), -EBADMSG);
	assert_int_equal(ike_kex_derive(kex, q.b, 256, &s), -EBADMSG);
	assert_int_equal(ike_kex_derive(kex, p.b, 256, &s), -EBADMSG);
	memset(p.b, 0xff, 256);
	assert_int_equal(ike_kex_derive(kex, p.b, 256, &s), -EBADMSG);
	assert_int_equal(ike_kex_derive(kex, two.b, 255, &s), -EBADMSG);
	assert_int_equal(s.len, 77); /* untouched */
	assert_int_equal(ike_kex_derive(kex, two.b, 256, &s), 0);
	assert_int_equal(ike_kex_derive(kex, r.b, 256, &s), 0);
	assert_int_equal(s.len, 256);
	ike_kex_free(kex);
}

/* RFC 7296 2.14: g^ir has the length of the modulus, also where it begins with zeros. One in 256
 * does. */
static void test_modp_padded(void **state)
{
	const struct ike_ke *ke = ike_ke_find(IKE_KE_MODP_2048);
	struct ike_kex *a, *b;
	bool short_one = false;

	(void)state;
	assert_int_equal(ike_kex_new(ke, &a), 0);
	for (int i = 0; i < 5000 && !short_one; i++) {
		struct ike_secret s, t;

		assert_int_equal(ike_kex_new(ke, &b), 0);
		assert_int_equal(ike_kex_derive(a, ike_kex_public(b), 256, &s), 0);
		assert_int_equal(s.len, 256);
		short_one = s.b[0] == 0;
		if (short_one) {
			assert_int_equal(ike_kex_derive(b, ike_kex_public(a), 256, &t), 0);
			assert_memory_equal(s.b, t.b, 256);
		}
		ike_kex_free(b);
	}
	assert_true(short_one);
	ike_kex_free(a);
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

/* The responder's half of an additional key exchange, by a group that is no KEM. */
static void test_kex_answer(void **state)
{
	const struct ike_ke *ke = ike_ke_find(IKE_KE_ECP_256);
	struct ike_secret ours, theirs;
	struct ike_kex *a, *b;

	(void)state;
	assert_int_equal(ike_kex_new(ke, &a), 0);
	assert_int_equal(ike_kex_public_len(a), 64);
	assert_int_equal(ike_kex_answer(ke, ike_kex_public(a), 63, &b, &theirs), -EBADMSG);
	assert_int_equal(ike_kex_answer(ke, ike_kex_public(a), 64, &b, &theirs), 0);
	assert_int_equal(ike_kex_derive(a, ike_kex_public(b), ike_kex_public_len(b), &ours), 0);
	assert_int_equal(ours.len, 32);
	assert_memory_equal(ours.b, theirs.b, 32);
	ike_kex_free(a);
	ike_kex_free(b);
}

/* Where OpenSSL has it, which is from 3.5 on. */
static void test_ml_kem(void **state)
{
	const struct ike_ke *ke = ike_ke_find(IKE_KE_ML_KEM_768);
	bool has = OpenSSL_version_num() >= 0x30500000;
	uint8_t public[IKE_KE_PUBLIC_MAX], cipher[IKE_KE_PUBLIC_MAX];
	struct ike_secret ours, theirs;
	struct ike_kex *a, *b;

	(void)state;
	assert_int_equal(ike_has_post_quantum(), has);
	assert_int_equal(ike_kex_new(ke, &a), has ? 0 : -EIO);
	memset(public, 0xff, sizeof(public)); /* coefficients that are no residues */
	assert_int_equal(ike_kex_answer(ke, public, sizeof(public), &b, &theirs), -EBADMSG);
	if (!has)
		return;
	assert_int_equal(ike_kex_public_len(a), 1184);
	memcpy(public, ike_kex_public(a), 1184);
	assert_int_equal(ike_kex_answer(ke, public, 1183, &b, &theirs), -EBADMSG);
	assert_int_equal(ike_kex_answer(ke, public, 1184, &b, &theirs), 0);
	assert_int_equal(ike_kex_public_len(b), 1088);
	memcpy(cipher, ike_kex_public(b), 1088);
	assert_int_equal(ike_kex_derive(a, cipher, 1087, &ours), -EBADMSG);
	assert_int_equal(ike_kex_derive(a, cipher, 1088, &ours), 0);
	assert_int_equal(ours.len, 32);
	assert_memory_equal(ours.b, theirs.b, 32);
	/* changed on the way: another secret, and no error */
	cipher[0] ^= 1;
	assert_int_equal(ike_kex_derive(a, cipher, 1088, &ours), 0);
	assert_memory_not_equal(ours.b, theirs.b, 32);
	ike_kex_free(a);
	ike_kex_free(b);
}

static void test_suites(void **state)
{
	struct ike_suite s = {ike_encr_find(IKE_ENCR_AES_GCM_16, 256),
		ike_prf_find(IKE_PRF_HMAC_SHA2_512), ike_ke_find(IKE_KE_CURVE25519), NULL, NULL};
	char text[IKE_SUITE_MAX];

	(void)state;
	assert_int_equal(ike_suite_init(), 0);
	assert_string_equal(ike_suite_format(&s, text, sizeof(text)),
		"AES-GCM-16-256 / PRF-HMAC-SHA2-512 / Curve25519");
	assert_null(ike_encr_find(IKE_ENCR_AES_GCM_16, 0)); /* its key length must be said */
	assert_null(ike_encr_find(IKE_ENCR_AES_GCM_16, 192));
	assert_null(ike_encr_find(IKE_ENCR_CHACHA20_POLY1305, 256)); /* its must not */
	assert_null(ike_prf_find(2));                                /* HMAC-SHA1 */
	for (uint16_t id = 1; id <= 9; id++)
		assert_null(ike_integ_find(id)); /* MD5, SHA-1, DES, KPDK, XCBC, GMAC */
	for (uint16_t id = 1; id <= 5; id++)
		assert_null(ike_ke_find(id)); /* MODP-768 to 1536 (RFC 8247 section 2.4) */
	for (uint16_t id = 22; id <= 27; id++)
		assert_null(ike_ke_find(id)); /* small subgroups, small curves */
	for (uint16_t id = 1; id <= 11; id++)
		assert_null(ike_encr_find(id, 0)); /* DES to NULL */
	assert_true(ike_profile_has_ke(&ike_profile_default, IKE_KE_ECP_256));
	assert_false(ike_profile_has_ke(&ike_profile_default, IKE_KE_NONE));
	assert_false(ike_profile_has_ke(&ike_profile_default, IKE_KE_MODP_2048));
	/* the longest name fits */
	s = (struct ike_suite){ike_encr_find(IKE_ENCR_AES_CBC, 256),
		ike_prf_find(IKE_PRF_HMAC_SHA2_512), ike_ke_find(IKE_KE_CURVE25519),
		ike_integ_find(IKE_INTEG_HMAC_SHA2_512_256), ike_ke_find(IKE_KE_ML_KEM_768)};
	assert_string_equal(ike_suite_format(&s, text, sizeof(text)),
		"AES-CBC-256 / HMAC-SHA2-512-256 / PRF-HMAC-SHA2-512 / Curve25519 + ML-KEM-768");
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
		cmocka_unit_test(test_cbc),
		cmocka_unit_test(test_cbc_changed),
		cmocka_unit_test(test_modp_bad_values),
		cmocka_unit_test(test_modp_padded),
		cmocka_unit_test(test_kex_fresh),
		cmocka_unit_test(test_x25519_small_order),
		cmocka_unit_test(test_p256_bad_points),
		cmocka_unit_test(test_kex_answer),
		cmocka_unit_test(test_ml_kem),
		cmocka_unit_test(test_suites),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
