/* SPDX-License-Identifier: BSD-2-Clause */
#include "ike/proposal.h"

#include <errno.h>
#include <stdlib.h>

#include "ike/ike.h"
#include "tests/unit/ike/hex.h"

/* A transform as a peer writes it; key 0: no attribute. */
struct tf {
	uint8_t type;
	uint16_t id;
	uint16_t key;
};

#define ENCR(id, key)                  \
	{                              \
		IKE_TYPE_ENCR, id, key \
	}
#define PRF(id)                     \
	{                           \
		IKE_TYPE_PRF, id, 0 \
	}
#define INTEG(id)                     \
	{                             \
		IKE_TYPE_INTEG, id, 0 \
	}
#define KE(id)                     \
	{                          \
		IKE_TYPE_KE, id, 0 \
	}
#define ESN(id)                     \
	{                           \
		IKE_TYPE_ESN, id, 0 \
	}

struct sa {
	uint8_t buf[4000];
	size_t len;
	size_t n;
	size_t last_at;
};

/* Appends a proposal to an SA payload's body; written without the code under test. */
static void add(struct sa *sa, uint8_t protocol, const char *spi, const struct tf *tfs, size_t n)
{
	struct wire_writer w = wire_writer(sa->buf, sizeof(sa->buf));
	struct hex s = hex(spi);
	size_t at = sa->len;

	w.pos = at;
	if (sa->n++)
		sa->buf[sa->last_at] = 2;
	wire_put_u32(&w, 0);
	wire_put_u8(&w, (uint8_t)sa->n);
	wire_put_u8(&w, protocol);
	wire_put_u8(&w, (uint8_t)s.len);
	wire_put_u8(&w, (uint8_t)n);
	wire_put(&w, s.b, s.len);
	for (size_t i = 0; i < n; i++) {
		wire_put_u8(&w, i + 1 < n ? 3 : 0);
		wire_put_u8(&w, 0);
		wire_put_u16(&w, tfs[i].key ? 12 : 8);
		wire_put_u8(&w, tfs[i].type);
		wire_put_u8(&w, 0);
		wire_put_u16(&w, tfs[i].id);
		if (tfs[i].key) {
			wire_put_u16(&w, 0x800e);
			wire_put_u16(&w, tfs[i].key);
		}
	}
	wire_patch_u16(&w, at + 2, (uint16_t)(w.pos - at));
	assert_false(w.bad);
	sa->len = w.pos;
	sa->last_at = at;
}

#define ADD(sa, protocol, spi, ...)                        \
	add(sa, protocol, spi, (struct tf[]){__VA_ARGS__}, \
		sizeof((struct tf[]){__VA_ARGS__}) / sizeof(struct tf))

static struct ike_offer parsed(const struct sa *sa)
{
	struct ike_offer o;
	struct ike_bytes body = {sa->buf, sa->len};

	assert_int_equal(ike_offer_parse(body, &o), IKE_PARSE_OK);
	assert_int_equal(o.n_proposals, sa->n);
	return o;
}

static void assert_suite(const struct ike_suite *s, const char *want)
{
	char text[IKE_SUITE_MAX];

	assert_string_equal(ike_suite_format(s, text, sizeof(text)), want);
}

/* strongSwan's default: proposals with integrity first, AEAD second. */
static struct sa strongswan_ike(void)
{
	struct sa sa = {0};

	ADD(&sa, IKE_PROTO_IKE, "", ENCR(12, 128), ENCR(12, 192), ENCR(12, 256), ENCR(23, 128),
		ENCR(23, 192), ENCR(23, 256), ENCR(13, 128), ENCR(13, 192), ENCR(13, 256),
		{1, 3, 0}, INTEG(12), INTEG(13), INTEG(14), INTEG(5), INTEG(2), PRF(5), PRF(6),
		PRF(7), PRF(4), PRF(8), PRF(2), KE(19), KE(20), KE(21), KE(28), KE(29), KE(30),
		KE(31), KE(32), KE(15), KE(16), KE(17), KE(18), KE(14));
	ADD(&sa, IKE_PROTO_IKE, "", {1, 28, 0}, ENCR(20, 128), ENCR(20, 192), ENCR(20, 256),
		ENCR(19, 128), ENCR(19, 192), ENCR(19, 256), ENCR(16, 128), ENCR(16, 256), PRF(5),
		PRF(6), PRF(7), PRF(4), PRF(8), PRF(2), KE(19), KE(20), KE(21), KE(28), KE(29),
		KE(30), KE(31), KE(32), KE(15), KE(16), KE(17), KE(18), KE(14));
	return sa;
}

static void test_strongswan(void **state)
{
	struct sa sa = strongswan_ike();
	struct ike_offer o = parsed(&sa);
	struct ike_choice_ike c;

	(void)state;
	/* the KE payload that it sent is taken as it is */
	assert_int_equal(ike_choose_ike(&o, &ike_profile_default, 19, false, &c), 0);
	assert_int_equal(c.number, 2);
	assert_false(c.integ_none);
	assert_suite(&c.suite, "AES-GCM-16-256 / PRF-HMAC-SHA2-512 / ECP-256");
	assert_int_equal(ike_choose_ike(&o, &ike_profile_default, 21, false, &c), 0);
	assert_int_equal(c.suite.ke->id, IKE_KE_ECP_521);
	/* one of a group that we do not have, or do not offer: ask for our first */
	assert_int_equal(ike_choose_ike(&o, &ike_profile_default, 15, false, &c), 0);
	assert_int_equal(c.suite.ke->id, IKE_KE_CURVE25519);
	assert_int_equal(ike_choose_ike(&o, &ike_profile_default, 14, false, &c), 0);
	assert_int_equal(c.suite.ke->id, IKE_KE_CURVE25519);

	/* its ESP: each proposal with an SPI */
	struct sa esp = {0};
	struct ike_choice_esp e;

	ADD(&esp, IKE_PROTO_ESP, "c1234567", ENCR(12, 128), ENCR(12, 256), INTEG(12), INTEG(2),
		ESN(0));
	ADD(&esp, IKE_PROTO_ESP, "c1234568", ENCR(20, 128), ENCR(20, 256), ESN(0));
	o = parsed(&esp);
	assert_int_equal(ike_choose_esp(&o, &ike_profile_default, 0, &e), 0);
	assert_int_equal(e.number, 2);
	assert_int_equal(e.spi, 0xc1234568);
	assert_string_equal(e.encr->name, "AES-GCM-16-256");
	assert_false(e.esn);
	assert_null(e.ke);
}

/* Libreswan 4.10: four proposals, KE starts with MODP-2048. */
static void test_libreswan(void **state)
{
	struct sa sa = {0}, esp = {0};
	struct ike_offer o;
	struct ike_choice_ike c;
	struct ike_choice_esp e;

	(void)state;
#define GROUPS KE(14), KE(15), KE(16), KE(18), KE(19), KE(20), KE(21), KE(31)
	ADD(&sa, IKE_PROTO_IKE, "", ENCR(20, 256), PRF(7), PRF(5), GROUPS);
	ADD(&sa, IKE_PROTO_IKE, "", ENCR(20, 128), PRF(7), PRF(5), GROUPS);
	ADD(&sa, IKE_PROTO_IKE, "", ENCR(12, 256), PRF(7), PRF(5), INTEG(14), INTEG(12), GROUPS);
	ADD(&sa, IKE_PROTO_IKE, "", ENCR(12, 128), PRF(7), PRF(5), INTEG(14), INTEG(12), GROUPS);
	o = parsed(&sa);
	assert_int_equal(ike_choose_ike(&o, &ike_profile_default, 14, false, &c), 0);
	assert_int_equal(c.number, 1);
	assert_suite(&c.suite, "AES-GCM-16-256 / PRF-HMAC-SHA2-512 / Curve25519");
	ADD(&esp, IKE_PROTO_ESP, "0a0b0c0d", ENCR(20, 256), ESN(1), ESN(0));
	ADD(&esp, IKE_PROTO_ESP, "0a0b0c0d", ENCR(20, 128), ESN(1), ESN(0));
	ADD(&esp, IKE_PROTO_ESP, "0a0b0c0d", ENCR(12, 256), INTEG(14), INTEG(12), ESN(1), ESN(0));
	o = parsed(&esp);
	assert_int_equal(ike_choose_esp(&o, &ike_profile_default, 0, &e), 0);
	assert_int_equal(e.number, 1);
	assert_true(e.esn);
	assert_int_equal(e.spi, 0x0a0b0c0d);
}

/* OpenIKED on Linux: IKE with AEAD, but ESP without. */
static void test_openiked(void **state)
{
	struct sa sa = {0}, esp = {0};
	struct ike_offer o;
	struct ike_choice_ike c;
	struct ike_choice_esp e;

	(void)state;
	ADD(&sa, IKE_PROTO_IKE, "", ENCR(20, 128), ENCR(20, 256), PRF(5), PRF(6), PRF(7), PRF(2),
		KE(31), KE(21), KE(20), KE(19), KE(16), KE(14), KE(5), KE(2));
	ADD(&sa, IKE_PROTO_IKE, "", ENCR(12, 256), ENCR(12, 192), ENCR(12, 128), PRF(5), PRF(2),
		INTEG(12), INTEG(2), KE(31), KE(14));
	o = parsed(&sa);
	assert_int_equal(ike_choose_ike(&o, &ike_profile_default, 31, false, &c), 0);
	assert_int_equal(c.number, 1);
	assert_suite(&c.suite, "AES-GCM-16-256 / PRF-HMAC-SHA2-512 / Curve25519");
	ADD(&esp, IKE_PROTO_ESP, "11223344", ENCR(12, 256), ENCR(12, 128), INTEG(12), INTEG(2),
		ESN(1), ESN(0));
	o = parsed(&esp);
	assert_int_equal(ike_choose_esp(&o, &ike_profile_default, 0, &e), 0);
	assert_string_equal(e.encr->name, "AES-CBC-256");
	assert_string_equal(e.integ->name, "HMAC-SHA2-256-128");
	assert_true(e.esn);
	/* but we do not offer it */
	assert_int_equal(
		ike_accept_esp(&o, &ike_profile_default, NULL, 1, &e), -EPROTO);
}

/* What is for answers comes last, in every respect, and the strongest of it first. */
static void test_answer_only(void **state)
{
	struct sa sa = {0}, esp = {0}, weak = {0}, old = {0};
	struct ike_choice_ike c;
	struct ike_choice_esp e;
	struct ike_builder b;
	struct ike_header h = {0};
	struct ike_offer o;
	uint8_t buf[512];

	(void)state;
	ADD(&sa, IKE_PROTO_IKE, "", ENCR(12, 128), ENCR(12, 256), PRF(5), INTEG(12), INTEG(14),
		KE(14));
	o = parsed(&sa);
	assert_int_equal(ike_choose_ike(&o, &ike_profile_default, 14, false, &c), 0);
	assert_suite(&c.suite, "AES-CBC-256 / HMAC-SHA2-512-256 / PRF-HMAC-SHA2-256 / MODP-2048");
	assert_false(c.integ_none);
	/* our answer says so, and is an answer to nothing that we offered */
	b = ike_build(buf, sizeof(buf), &h);
	ike_build_chosen_ike(&b, &c, 0);
	assert_hex(buf + 28 + 4, b.w.pos - 28 - 4,
		"0000002c 01010004 0300000c 0100000c 800e0100 03000008 02000005"
		"03000008 0300000e 00000008 0400000e");
	assert_int_equal(ike_offer_parse((struct ike_bytes){buf + 32, b.w.pos - 32}, &o),
		IKE_PARSE_OK);
	assert_int_equal(ike_accept_ike(&o, &ike_profile_default, false, &c), -EPROTO);
	/* an AEAD in a later proposal wins */
	ADD(&sa, IKE_PROTO_IKE, "", ENCR(20, 128), PRF(5), KE(14));
	o = parsed(&sa);
	assert_int_equal(ike_choose_ike(&o, &ike_profile_default, 14, false, &c), 0);
	assert_suite(&c.suite, "AES-GCM-16-128 / PRF-HMAC-SHA2-256 / MODP-2048");

	ADD(&esp, IKE_PROTO_ESP, "01020304", ENCR(12, 128), INTEG(13), ESN(0));
	o = parsed(&esp);
	assert_int_equal(ike_choose_esp(&o, &ike_profile_default, 0, &e), 0);
	b = ike_build(buf, sizeof(buf), &h);
	ike_build_chosen_esp(&b, &e, 0x0a0b0c0d);
	assert_hex(buf + 28 + 4, b.w.pos - 28 - 4,
		"00000028 01030403 0a0b0c0d 0300000c 0100000c 800e0080 03000008 0300000d"
		"00000008 05000000");
	/* no integrity, one of SHA-1, NONE: no */
	ADD(&weak, IKE_PROTO_ESP, "01020304", ENCR(12, 256), ESN(0));
	ADD(&weak, IKE_PROTO_ESP, "01020304", ENCR(12, 256), INTEG(2), ESN(0));
	ADD(&weak, IKE_PROTO_ESP, "01020304", ENCR(12, 256), INTEG(0), ESN(0));
	ADD(&weak, IKE_PROTO_ESP, "01020304", ENCR(12, 192), INTEG(12), ESN(0));
	ADD(&weak, IKE_PROTO_ESP, "01020304", ENCR(3, 0), INTEG(12), ESN(0));
	o = parsed(&weak);
	assert_int_equal(ike_choose_esp(&o, &ike_profile_default, 0, &e), -ENOENT);
	ADD(&old, IKE_PROTO_IKE, "", ENCR(12, 256), INTEG(12), PRF(5), KE(2), KE(5), KE(22), KE(15),
		KE(16));
	o = parsed(&old);
	assert_int_equal(ike_choose_ike(&o, &ike_profile_default, 2, false, &c), -ENOENT);
}

/* What makes a proposal unusable leaves its siblings alone (RFC 7296 3.3.6). */
static void test_unusable(void **state)
{
	static const struct {
		const char *why;
		uint8_t protocol;
		const char *spi;
		struct tf tfs[6];
		size_t n;
	} bad[] = {
		{"ESP", IKE_PROTO_ESP, "", {ENCR(20, 256), PRF(7), KE(31)}, 3},
		{"an SPI", IKE_PROTO_IKE, "0102030405060708", {ENCR(20, 256), PRF(7), KE(31)}, 3},
		{"SPI of odd length", IKE_PROTO_IKE, "010203", {ENCR(20, 256), PRF(7), KE(31)}, 3},
		{"unknown type", IKE_PROTO_IKE, "", {ENCR(20, 256), PRF(7), KE(31), {6, 35, 0}}, 4},
		{"type 0", IKE_PROTO_IKE, "", {ENCR(20, 256), PRF(7), KE(31), {0, 1, 0}}, 4},
		{"type 255", IKE_PROTO_IKE, "", {ENCR(20, 256), PRF(7), KE(31), {255, 1, 0}}, 4},
		{"ESN in IKE", IKE_PROTO_IKE, "", {ENCR(20, 256), PRF(7), KE(31), ESN(0)}, 4},
		{"integrity wanted", IKE_PROTO_IKE, "", {ENCR(20, 256), PRF(7), KE(31), INTEG(12)},
			4},
		{"CBC without integrity", IKE_PROTO_IKE, "", {ENCR(12, 256), PRF(7), KE(31)}, 3},
		{"no PRF", IKE_PROTO_IKE, "", {ENCR(20, 256), KE(31)}, 2},
		{"no KE", IKE_PROTO_IKE, "", {ENCR(20, 256), PRF(7)}, 2},
		{"KE NONE", IKE_PROTO_IKE, "", {ENCR(20, 256), PRF(7), KE(0)}, 3},
		{"no cipher", IKE_PROTO_IKE, "", {PRF(7), KE(31)}, 2},
		{"no key length", IKE_PROTO_IKE, "", {{1, 20, 0}, PRF(7), KE(31)}, 3},
		{"key length on ChaCha20", IKE_PROTO_IKE, "", {ENCR(28, 256), PRF(7), KE(31)}, 3},
		{"nothing", IKE_PROTO_IKE, "", {ENCR(0, 0)}, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct sa sa = {0};
		struct ike_offer o;
		struct ike_choice_ike c;

		add(&sa, bad[i].protocol, bad[i].spi, bad[i].tfs, bad[i].n);
		o = parsed(&sa);
		if (ike_choose_ike(&o, &ike_profile_default, 31, false, &c) != -ENOENT)
			fail_msg("chosen: %s", bad[i].why);
		ADD(&sa, IKE_PROTO_IKE, "", ENCR(20, 128), PRF(5), KE(19));
		o = parsed(&sa);
		assert_int_equal(ike_choose_ike(&o, &ike_profile_default, 31, false, &c), 0);
		assert_int_equal(c.number, 2);
		assert_suite(&c.suite, "AES-GCM-16-128 / PRF-HMAC-SHA2-256 / ECP-256");
	}
}

static void test_unusable_esp(void **state)
{
	static const struct {
		const char *why;
		uint8_t protocol;
		const char *spi;
		struct tf tfs[6];
		size_t n;
	} bad[] = {
		{"AH", IKE_PROTO_AH, "01020304", {ENCR(20, 256), ESN(0)}, 2},
		{"no SPI", IKE_PROTO_ESP, "", {ENCR(20, 256), ESN(0)}, 2},
		{"reserved SPI", IKE_PROTO_ESP, "000000ff", {ENCR(20, 256), ESN(0)}, 2},
		{"long SPI", IKE_PROTO_ESP, "0102030405060708", {ENCR(20, 256), ESN(0)}, 2},
		{"no ESN", IKE_PROTO_ESP, "01020304", {ENCR(20, 256)}, 1},
		{"ESN 2", IKE_PROTO_ESP, "01020304", {ENCR(20, 256), ESN(2)}, 2},
		{"PRF", IKE_PROTO_ESP, "01020304", {ENCR(20, 256), ESN(0), PRF(7)}, 3},
		{"KE in IKE_AUTH", IKE_PROTO_ESP, "01020304", {ENCR(20, 256), ESN(0), KE(31)}, 3},
		{"integrity", IKE_PROTO_ESP, "01020304", {ENCR(20, 256), ESN(0), INTEG(12)}, 3},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct sa sa = {0};
		struct ike_offer o;
		struct ike_choice_esp c;

		add(&sa, bad[i].protocol, bad[i].spi, bad[i].tfs, bad[i].n);
		o = parsed(&sa);
		if (ike_choose_esp(&o, &ike_profile_default, 0, &c) != -ENOENT)
			fail_msg("chosen: %s", bad[i].why);
		ADD(&sa, IKE_PROTO_ESP, "00000100", {1, 28, 0}, ESN(1));
		o = parsed(&sa);
		assert_int_equal(ike_choose_esp(&o, &ike_profile_default, 0, &c), 0);
		assert_int_equal(c.number, 2);
		assert_int_equal(c.spi, 256);
		assert_true(c.esn);
	}
}

/* An attribute that we do not know takes out its transform only. */
static void test_attributes(void **state)
{
	static const char *const texts[] = {
		/* AES-GCM 256 with another TV attribute; AES-GCM 128; PRF; KE */
		"0000003c 01010005 03000010 01000014 800e0100 80630001 0300000c 01000014 800e0080"
		"03000008 02000005 03000008 0400001f 00000008 02000007",
		/* with a TLV one */
		"00000040 01010005 03000014 01000014 800e0100 00630004 aaaaaaaa 0300000c 01000014"
		"800e0080 03000008 02000005 03000008 0400001f 00000008 02000007",
		/* with the key length twice */
		"0000003c 01010005 03000010 01000014 800e0100 800e0100 0300000c 01000014 800e0080"
		"03000008 02000005 03000008 0400001f 00000008 02000007",
		/* with a key length of zero, as AES-GCM and as ChaCha20 */
		"00000038 01010005 0300000c 0100001c 800e0000 0300000c 01000014 800e0080"
		"03000008 02000005 03000008 0400001f 00000008 02000007",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct hex h = hex(texts[i]);
		struct ike_bytes body = {h.b, h.len};
		struct ike_offer o;
		struct ike_choice_ike c;

		assert_int_equal(ike_offer_parse(body, &o), IKE_PARSE_OK);
		assert_int_equal(ike_choose_ike(&o, &ike_profile_default, 31, false, &c), 0);
		assert_suite(&c.suite, "AES-GCM-16-128 / PRF-HMAC-SHA2-512 / Curve25519");
	}
}

/* INTEG NONE beside an AEAD (RFC 5282 section 8), KE NONE: taken, and repeated in the answer. */
static void test_none(void **state)
{
	struct sa sa = {0}, esp = {0};
	struct ike_offer o;
	struct ike_choice_ike c;
	struct ike_choice_esp e;
	uint8_t buf[200];
	struct ike_builder b;
	struct ike_header h = {.spi_i = 1};

	(void)state;
	ADD(&sa, IKE_PROTO_IKE, "", ENCR(20, 256), PRF(7), INTEG(0), KE(31));
	o = parsed(&sa);
	assert_int_equal(ike_choose_ike(&o, &ike_profile_default, 31, false, &c), 0);
	assert_true(c.integ_none);
	b = ike_build(buf, sizeof(buf), &h);
	ike_build_chosen_ike(&b, &c, 0);
	assert_hex(buf + 32, b.w.pos - 32,
		"0000002c 01010004 0300000c 01000014 800e0100 03000008 02000007 03000008 03000000"
		"00000008 0400001f");
	ADD(&esp, IKE_PROTO_ESP, "01020304", ENCR(20, 256), INTEG(0), KE(0), KE(31), ESN(0));
	o = parsed(&esp);
	assert_int_equal(ike_choose_esp(&o, &ike_profile_default, 0, &e), 0);
	assert_true(e.integ_none && e.ke_none && !e.ke);
	b = ike_build(buf, sizeof(buf), &h);
	ike_build_chosen_esp(&b, &e, 0xa1a2a3a4);
	assert_hex(buf + 32, b.w.pos - 32,
		"00000030 01030404 a1a2a3a4 0300000c 01000014 800e0100 03000008 03000000 03000008"
		"04000000 00000008 05000000");
	/* with a KE payload the group comes before NONE */
	assert_int_equal(ike_choose_esp(&o, &ike_profile_default, 31, &e), 0);
	assert_true(!e.ke_none && e.ke && e.ke->id == 31);
}

static struct ike_offer reparsed(const struct ike_builder *b)
{
	struct ike_payloads p;
	struct ike_offer o;

	assert_false(b->w.bad);
	assert_int_equal(ike_payloads_parse(IKE_PL_SA, b->w.data + IKE_HEADER_LEN,
				 b->w.pos - IKE_HEADER_LEN, true, &p),
		IKE_PARSE_OK);
	assert_int_equal(ike_offer_parse(p.sa, &o), IKE_PARSE_OK);
	return o;
}

/* We with ourselves: offer, choice, answer, acceptance. */
static void test_ike_both_ends(void **state)
{
	uint8_t one[400], two[400];
	struct ike_header h = {.spi_i = 1};

	(void)state;
	for (unsigned int rekey = 0; rekey < 2; rekey++)
		for (unsigned int i = 0; i < 2; i++) {
			uint16_t group = i ? IKE_KE_ECP_256 : IKE_KE_CURVE25519;
			struct ike_builder b = ike_build(one, sizeof(one), &h);
			struct ike_offer o;
			struct ike_choice_ike c, d;

			ike_build_offer_ike(&b, &ike_profile_default, group, rekey ? 0xaabb : 0);
			o = reparsed(&b);
			assert_int_equal(o.n_proposals, 1);
			assert_int_equal(
				ike_choose_ike(&o, &ike_profile_default, group, rekey, &c), 0);
			assert_int_equal(
				ike_choose_ike(&o, &ike_profile_default, group, !rekey, &d),
				-ENOENT);
			assert_int_equal(c.suite.ke->id, group);
			assert_true(c.spi == (rekey ? 0xaabb : 0));
			b = ike_build(two, sizeof(two), &h);
			ike_build_chosen_ike(&b, &c, rekey ? 0xccdd : 0);
			o = reparsed(&b);
			assert_int_equal(ike_accept_ike(&o, &ike_profile_default, rekey, &d), 0);
			assert_memory_equal(&c.suite, &d.suite, sizeof(c.suite));
			assert_true(d.spi == (rekey ? 0xccdd : 0));
			assert_int_equal(
				ike_accept_ike(&o, &ike_profile_default, !rekey, &d), -EPROTO);
		}
}

static void test_esp_both_ends(void **state)
{
	static const uint32_t spis[] = {0x1001, 0x1002, 0x1003};
	uint8_t one[400], two[400];
	struct ike_header h = {.spi_i = 1};
	const struct ike_ke *x25519 = ike_ke_find(IKE_KE_CURVE25519);

	(void)state;
	for (size_t n = 1; n <= 3; n += 2)
		for (unsigned int pfs = 0; pfs < 2; pfs++) {
			const struct ike_ke *ke = pfs ? x25519 : NULL;
			struct ike_builder b = ike_build(one, sizeof(one), &h);
			struct ike_offer o;
			struct ike_choice_esp c, d;

			ike_build_offer_esp(&b, &ike_profile_default, ke, spis, n);
			o = reparsed(&b);
			assert_int_equal(o.n_proposals, n);
			for (size_t i = 0; i < n; i++)
				assert_true(o.proposals[i].spi == spis[i]);
			/* the responder takes what it likes: here the second, if there is one */
			if (n == 3)
				o.proposals[0].usable = false;
			assert_int_equal(
				ike_choose_esp(&o, &ike_profile_default, pfs ? 31 : 0, &c), 0);
			assert_int_equal(c.number, n == 3 ? 2 : 1);
			assert_ptr_equal(c.ke, ke);
			assert_true(c.esn);
			b = ike_build(two, sizeof(two), &h);
			ike_build_chosen_esp(&b, &c, 0x2001);
			o = reparsed(&b);
			assert_int_equal(ike_accept_esp(&o, &ike_profile_default, ke, n, &d), 0);
			assert_int_equal(d.number, c.number);
			assert_ptr_equal(d.encr, c.encr);
			assert_int_equal(d.spi, 0x2001);
			/* with or without PFS as offered, not otherwise */
			assert_int_equal(ike_accept_esp(&o, &ike_profile_default,
						 pfs ? NULL : x25519, n, &d),
				-EPROTO);
		}
}

/* Answers that do not keep to the offer. */
static void test_bad_answers(void **state)
{
	static const struct {
		const char *why;
		struct tf tfs[6];
		size_t n;
	} ike[] =
		{
			{"two ciphers", {ENCR(20, 256), ENCR(20, 128), PRF(7), KE(31)}, 4},
			{"two groups", {ENCR(20, 256), PRF(7), KE(31), KE(19)}, 4},
			{"not offered cipher", {ENCR(12, 256), PRF(7), KE(31), INTEG(12)}, 4},
			{"not offered key length", {ENCR(20, 192), PRF(7), KE(31)}, 3},
			{"not offered group", {ENCR(20, 256), PRF(7), KE(14)}, 3},
			{"no group", {ENCR(20, 256), PRF(7)}, 2},
			{"integrity", {ENCR(20, 256), PRF(7), KE(31), INTEG(12)}, 4},
		},
	  esp[] = {
		  {"another cipher than the proposal's", {ENCR(20, 128), ESN(0)}, 2},
		  {"both ESN", {ENCR(20, 256), ESN(0), ESN(1)}, 3},
		  {"no ESN", {ENCR(20, 256)}, 1},
		  {"a group", {ENCR(20, 256), ESN(0), KE(31)}, 3},
	  };
	struct ike_choice_ike c;
	struct ike_choice_esp e;
	struct ike_offer o;

	(void)state;
	for (size_t i = 0; i < sizeof(ike) / sizeof(*ike); i++) {
		struct sa sa = {0};

		add(&sa, IKE_PROTO_IKE, "", ike[i].tfs, ike[i].n);
		o = parsed(&sa);
		if (ike_accept_ike(&o, &ike_profile_default, false, &c) != -EPROTO)
			fail_msg("accepted: %s", ike[i].why);
	}
	for (size_t i = 0; i < sizeof(esp) / sizeof(*esp); i++) {
		struct sa sa = {0};

		add(&sa, IKE_PROTO_ESP, "01020304", esp[i].tfs, esp[i].n);
		o = parsed(&sa);
		if (ike_accept_esp(&o, &ike_profile_default, NULL, 3, &e) != -EPROTO)
			fail_msg("accepted: %s", esp[i].why);
	}
	/* the right one, under the right and under wrong numbers, alone and with a second */
	struct sa sa = {0};

	ADD(&sa, IKE_PROTO_IKE, "", ENCR(20, 256), PRF(7), KE(31));
	o = parsed(&sa);
	assert_int_equal(ike_accept_ike(&o, &ike_profile_default, false, &c), 0);
	o.proposals[0].number = 2;
	assert_int_equal(ike_accept_ike(&o, &ike_profile_default, false, &c), -EPROTO);
	ADD(&sa, IKE_PROTO_IKE, "", ENCR(20, 256), PRF(7), KE(31));
	o = parsed(&sa);
	assert_int_equal(ike_accept_ike(&o, &ike_profile_default, false, &c), -EPROTO);
	sa = (struct sa){0};
	ADD(&sa, IKE_PROTO_ESP, "01020304", ENCR(20, 256), ESN(1));
	o = parsed(&sa);
	assert_int_equal(ike_accept_esp(&o, &ike_profile_default, NULL, 3, &e), 0);
	for (unsigned int n = 0; n < 256; n++) {
		o.proposals[0].number = (uint8_t)n;
		assert_int_equal(ike_accept_esp(&o, &ike_profile_default, NULL, 3, &e),
			n == 1 ? 0 : -EPROTO);
	}
	o.n_proposals = 0;
	assert_int_equal(ike_accept_esp(&o, &ike_profile_default, NULL, 3, &e), -EPROTO);
}

/* Every cut of an SA payload is malformed; no change of a byte reads out of bounds. */
static void test_malformed(void **state)
{
	struct sa sa = strongswan_ike();
	struct ike_choice_ike c;
	struct ike_offer o;

	(void)state;
	for (size_t len = 0; len < sa.len; len++) {
		uint8_t *copy = malloc(len ? len : 1);
		struct ike_bytes body = {copy, len};

		assert_non_null(copy);
		memcpy(copy, sa.buf, len);
		assert_int_equal(ike_offer_parse(body, &o), IKE_PARSE_PROPOSAL);
		free(copy);
	}
	for (size_t i = 0; i < sa.len; i++)
		for (unsigned int v = 0; v < 256; v++) {
			uint8_t *copy = malloc(sa.len);
			struct ike_bytes body = {copy, sa.len};

			assert_non_null(copy);
			memcpy(copy, sa.buf, sa.len);
			copy[i] = (uint8_t)v;
			if (ike_offer_parse(body, &o) == IKE_PARSE_OK)
				(void)ike_choose_ike(&o, &ike_profile_default, 31, false, &c);
			free(copy);
		}
	sa.buf[sa.len] = 0;
	assert_int_equal(
		ike_offer_parse((struct ike_bytes){sa.buf, sa.len + 1}, &o), IKE_PARSE_PROPOSAL);
}

/* More proposals and transforms than are kept: read to the end, the surplus never chosen. */
static void test_limits(void **state)
{
	struct sa sa = {0};
	struct tf many[100] = {ENCR(20, 256), PRF(7), KE(31)};
	struct ike_choice_ike c;
	struct ike_offer o;

	(void)state;
	for (size_t i = 3; i < 100; i++)
		many[i] = (struct tf)KE((uint16_t)(1000 + i));
	add(&sa, IKE_PROTO_IKE, "0102", many, 100);
	add(&sa, IKE_PROTO_IKE, "0102", many, 100);
	add(&sa, IKE_PROTO_IKE, "", many, 100);
	o = parsed(&sa);
	assert_int_equal(o.n_transforms, IKE_TRANSFORMS_MAX);
	/* the third one is cut, though what it needs was kept */
	assert_int_equal(ike_choose_ike(&o, &ike_profile_default, 31, false, &c), -ENOENT);
	sa = (struct sa){0};
	for (size_t i = 0; i < IKE_PROPOSALS_MAX + 3; i++)
		ADD(&sa, IKE_PROTO_IKE, "", ENCR(12, 192), PRF(7), KE(31), INTEG(12));
	assert_int_equal(ike_offer_parse((struct ike_bytes){sa.buf, sa.len}, &o), IKE_PARSE_OK);
	assert_int_equal(o.n_proposals, IKE_PROPOSALS_MAX);
	assert_int_equal(ike_choose_ike(&o, &ike_profile_default, 31, false, &c), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strongswan),
		cmocka_unit_test(test_libreswan),
		cmocka_unit_test(test_openiked),
		cmocka_unit_test(test_answer_only),
		cmocka_unit_test(test_unusable),
		cmocka_unit_test(test_unusable_esp),
		cmocka_unit_test(test_attributes),
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_ike_both_ends),
		cmocka_unit_test(test_esp_both_ends),
		cmocka_unit_test(test_bad_answers),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
