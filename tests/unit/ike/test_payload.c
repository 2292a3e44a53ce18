/* SPDX-License-Identifier: BSD-2-Clause */
#include "ike/payload.h"

#include <errno.h>
#include <stdlib.h>

#include "ike/ike.h"
#include "ike/names.h"
#include "tests/unit/ike/hex.h"

static const struct ike_header request = {
	.spi_i = 0x1122334455667788,
	.exchange = IKE_EXCH_SA_INIT,
	.flags = IKE_FLAG_INITIATOR,
};

static enum ike_parse parse(
	const uint8_t *buf, size_t len, struct ike_header *h, struct ike_payloads *p)
{
	enum ike_parse cause = ike_header_parse(buf, len, h);

	return cause != IKE_PARSE_OK ? cause
				     : ike_payloads_parse(h->next, buf + IKE_HEADER_LEN,
					       len - IKE_HEADER_LEN, false, p);
}

/* One of everything that may be repeated or not, as no exchange has it. */
static size_t everything(uint8_t *buf, size_t cap)
{
	struct ike_builder b = ike_build(buf, cap, &request);
	struct ike_ts ts[2] = {
		{.proto = 6, .port_first = 80, .port_last = 80}, {.port_last = UINT16_MAX}};
	uint32_t spis[] = {0x01020304, 0xfffefdfc};
	size_t len;

	assert_int_equal(addr_parse("198.18.0.1", &ts[0].first), 0);
	assert_int_equal(addr_parse("198.18.0.9", &ts[0].last), 0);
	assert_int_equal(addr_parse("2001:2::1", &ts[1].first), 0);
	ts[1].last = ts[1].first;
	ike_build_raw(&b, IKE_PL_SA, "proposals", 9);
	ike_build_ke(&b, 31, "0123456789abcdef", 16);
	ike_build_nonce(&b, "nonce nonce nonce", 17);
	ike_build_id(&b, IKE_PL_IDI, IKE_ID_FQDN, "a.example", 9);
	ike_build_id(&b, IKE_PL_IDR, IKE_ID_NULL, NULL, 0);
	ike_build_raw(&b, IKE_PL_CERT, "\4x", 2);
	ike_build_raw(&b, IKE_PL_CERTREQ, "\4y", 2);
	ike_build_raw(&b, IKE_PL_CERTREQ, "\4z", 2);
	ike_build_auth(&b, IKE_METHOD_NULL, "auth", 4);
	ike_build_notify(&b, IKE_N_COOKIE, "cookie", 6);
	ike_build_notify_esp(&b, IKE_N_REKEY_SA, 0xa1b2c3d4);
	ike_build_notify(&b, IKE_N_TS_UNACCEPTABLE, NULL, 0);
	ike_build_delete_esp(&b, spis, 2);
	ike_build_delete_ike(&b);
	ike_build_raw(&b, IKE_PL_VENDOR, "Opportunistic IPsec", 19);
	ike_build_ts(&b, IKE_PL_TSI, ts, 2);
	ike_build_ts(&b, IKE_PL_TSR, ts + 1, 1);
	assert_int_equal(ike_build_end(&b, &len), 0);
	return len;
}

#define assert_bytes(bytes, text)                                  \
	do {                                                       \
		assert_int_equal((bytes).len, strlen(text));       \
		assert_memory_equal((bytes).p, text, (bytes).len); \
	} while (0)

static bool covers_host(const struct ike_ts *ts, const struct addr *host)
{
	struct ike_ts whole = ike_ts_host(host);

	return ike_ts_covers(ts, &whole);
}

static bool is_host(const struct ike_ts *ts, const struct addr *host)
{
	struct ike_ts whole = ike_ts_host(host);

	return covers_host(ts, host) && ike_ts_covers(&whole, ts);
}

static void test_round_trip(void **state)
{
	uint8_t buf[1000];
	size_t len = everything(buf, sizeof(buf)), n;
	struct ike_header h;
	struct ike_payloads p;
	struct ike_ts ts[IKE_TS_MAX];

	(void)state;
	assert_int_equal(parse(buf, len, &h, &p), IKE_PARSE_OK);
	assert_true(h.spi_i == request.spi_i && h.spi_r == 0);
	assert_int_equal(h.version, 0x20);
	assert_int_equal(h.exchange, IKE_EXCH_SA_INIT);
	assert_int_equal(h.flags, IKE_FLAG_INITIATOR);
	assert_int_equal(h.length, len);
	assert_bytes(p.sa, "proposals");
	assert_int_equal(p.ke_group, 31);
	assert_bytes(p.ke, "0123456789abcdef");
	assert_bytes(p.nonce, "nonce nonce nonce");
	assert_int_equal(p.idi.type, IKE_ID_FQDN);
	assert_bytes(p.idi.data, "a.example");
	assert_hex(p.idi.body.p, p.idi.body.len, "02000000 612e6578616d706c65");
	assert_int_equal(p.idr.type, IKE_ID_NULL);
	assert_int_equal(p.idr.data.len, 0);
	assert_hex(p.idr.body.p, p.idr.body.len, "0d000000");
	assert_int_equal(p.auth_method, IKE_METHOD_NULL);
	assert_bytes(p.auth, "auth");
	assert_int_equal(p.n_notify, 3);
	assert_bytes(ike_notify_find(&p, IKE_N_COOKIE)->data, "cookie");
	assert_hex(p.notify[1].spi.p, p.notify[1].spi.len, "a1b2c3d4");
	assert_int_equal(p.notify[1].protocol, IKE_PROTO_ESP);
	assert_ptr_equal(ike_notify_error(&p), &p.notify[2]);
	assert_null(ike_notify_find(&p, IKE_N_INITIAL_CONTACT));
	assert_int_equal(p.n_delete, 2);
	assert_int_equal(p.delete[0].count, 2);
	assert_hex(p.delete[0].spis.p, p.delete[0].spis.len, "01020304 fffefdfc");
	assert_int_equal(p.delete[1].protocol, IKE_PROTO_IKE);
	assert_int_equal(p.delete[1].spis.len, 0);
	assert_int_equal(ike_payloads_count(&p, IKE_PL_CERTREQ), 2);
	assert_int_equal(ike_payloads_count(&p, IKE_PL_VENDOR), 1);
	assert_int_equal(ike_payloads_count(&p, IKE_PL_SK), 0);
	assert_int_equal(ike_payloads_count(&p, IKE_PL_NONE), 0);
	assert_int_equal(ike_ts_parse(p.tsi, ts, IKE_TS_MAX, &n), IKE_PARSE_OK);
	assert_int_equal(n, 2);
	assert_int_equal(ts[0].proto, 6);
	assert_int_equal(ts[0].port_last, 80);
	assert_string_equal(addr_str(&ts[0].last), "198.18.0.9");
	assert_string_equal(addr_str(&ts[1].first), "2001:2::1");
	assert_true(is_host(&ts[1], &ts[1].first));
	assert_false(is_host(&ts[0], &ts[0].first));
}

/* Bytes in a heap block of exactly len, so that ASan sees a read past it. */
static enum ike_parse parse_exact(const uint8_t *buf, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	struct ike_header h;
	struct ike_payloads p;
	struct ike_ts ts[IKE_TS_MAX];
	enum ike_parse cause;
	size_t n;

	assert_non_null(copy);
	if (len)
		memcpy(copy, buf, len);
	cause = parse(copy, len, &h, &p);
	if (cause == IKE_PARSE_OK) {
		if (p.tsi.p)
			(void)ike_ts_parse(p.tsi, ts, IKE_TS_MAX, &n);
		if (p.tsr.p)
			(void)ike_ts_parse(p.tsr, ts, 1, &n);
	}
	free(copy);
	return cause;
}

static void set_length(uint8_t *buf, size_t len)
{
	buf[24] = 0;
	buf[25] = 0;
	buf[26] = (uint8_t)(len >> 8);
	buf[27] = (uint8_t)len;
}

static void test_truncated(void **state)
{
	uint8_t buf[1000];
	size_t len = everything(buf, sizeof(buf));

	(void)state;
	for (size_t n = 0; n < len; n++) {
		enum ike_parse cause = parse_exact(buf, n);

		assert_int_equal(cause, n < IKE_HEADER_LEN ? IKE_PARSE_SHORT : IKE_PARSE_LENGTH);
	}
	/* and with a header that says so */
	for (size_t n = IKE_HEADER_LEN; n < len; n++) {
		set_length(buf, n);
		assert_int_equal(parse_exact(buf, n), IKE_PARSE_TRUNCATED);
	}
}

/* Each byte set to each of some values, and 200 000 random changes: only ASan can fail here, and
 * the unchanged message must still be read at the end. */
static void test_flipped(void **state)
{
	static const uint8_t values[] = {0, 1, 3, 4, 33, 40, 41, 46, 53, 99, 127, 128, 254, 255};
	uint8_t buf[1000], copy[1000];
	size_t len = everything(buf, sizeof(buf));
	uint32_t rnd = 1;

	(void)state;
	for (size_t i = 0; i < len; i++)
		for (size_t j = 0; j < sizeof(values); j++) {
			memcpy(copy, buf, len);
			copy[i] = values[j];
			(void)parse_exact(copy, len);
		}
	for (unsigned int i = 0; i < 200000; i++) {
		memcpy(copy, buf, len);
		for (unsigned int j = 0; j < 1 + i % 4; j++) {
			rnd = rnd * 1664525 + 1013904223;
			copy[IKE_HEADER_LEN + (rnd >> 8) % (len - IKE_HEADER_LEN)] =
				(uint8_t)(rnd >> 24);
		}
		(void)parse_exact(copy, len);
	}
	assert_int_equal(parse_exact(buf, len), IKE_PARSE_OK);
}

static void test_header(void **state)
{
	uint8_t buf[64];
	struct ike_builder b = ike_build(buf, sizeof(buf), &request);
	struct ike_header h;
	size_t len;

	(void)state;
	assert_int_equal(ike_build_end(&b, &len), 0);
	assert_int_equal(len, IKE_HEADER_LEN);
	assert_int_equal(ike_header_parse(buf, len, &h), IKE_PARSE_OK);
	buf[17] = 0x21; /* a minor version is not ours to judge */
	assert_int_equal(ike_header_parse(buf, len, &h), IKE_PARSE_OK);
	buf[17] = 0x30;
	h = (struct ike_header){0};
	assert_int_equal(ike_header_parse(buf, len, &h), IKE_PARSE_VERSION);
	assert_true(h.spi_i == request.spi_i);
	buf[17] = 0x10;
	assert_int_equal(ike_header_parse(buf, len, &h), IKE_PARSE_VERSION);
	buf[17] = 0x20;
	assert_int_equal(ike_header_parse(buf, len + 1, &h), IKE_PARSE_LENGTH);
	memset(buf, 0, 8);
	assert_int_equal(ike_header_parse(buf, len, &h), IKE_PARSE_HEADER);
}

static enum ike_parse chain(uint8_t first, const char *text, bool inner, struct ike_payloads *p)
{
	static struct hex h;

	h = hex(text);
	return ike_payloads_parse(first, h.b, h.len, inner, p);
}

static void test_chain(void **state)
{
	struct ike_payloads p;

	(void)state;
	assert_int_equal(chain(0, "", true, &p), IKE_PARSE_OK);
	assert_int_equal(chain(0, "00", true, &p), IKE_PARSE_TRAILING);
	assert_int_equal(chain(41, "", true, &p), IKE_PARSE_TRUNCATED);
	/* generic header with a length below its own */
	assert_int_equal(chain(43, "00000003", true, &p), IKE_PARSE_TRUNCATED);
	assert_int_equal(chain(43, "00000004", true, &p), IKE_PARSE_OK);
	/* unknown types: skipped, reported where critical */
	assert_int_equal(chain(99, "2b000006aaaa 00000004", true, &p), IKE_PARSE_OK);
	assert_int_equal(ike_payloads_count(&p, IKE_PL_VENDOR), 1);
	assert_int_equal(chain(99, "2b800006aaaa 00000004", true, &p), IKE_PARSE_CRITICAL);
	assert_int_equal(p.critical, 99);
	assert_int_equal(chain(1, "00800004", true, &p), IKE_PARSE_CRITICAL);
	/* the critical bit on a known one says nothing (RFC 7296 2.5) */
	assert_int_equal(chain(43, "00800004", true, &p), IKE_PARSE_OK);
	/* two SAs, two nonces, two TSi */
	assert_int_equal(chain(33, "21000005aa 00000005aa", true, &p), IKE_PARSE_DUPLICATE);
	assert_int_equal(chain(44, "2c000005aa 00000005aa", true, &p), IKE_PARSE_DUPLICATE);
	/* fields that do not fit */
	assert_int_equal(chain(34, "00000007 001f00", true, &p), IKE_PARSE_PAYLOAD);
	assert_int_equal(chain(35, "00000007 010000", true, &p), IKE_PARSE_PAYLOAD);
	assert_int_equal(chain(39, "00000007 0d0000", true, &p), IKE_PARSE_PAYLOAD);
	assert_int_equal(chain(41, "00000007 000040", true, &p), IKE_PARSE_PAYLOAD);
	assert_int_equal(chain(41, "00000008 01044001", true, &p), IKE_PARSE_PAYLOAD);
	assert_int_equal(chain(42, "0000000c 03040002 01020304", true, &p), IKE_PARSE_PAYLOAD);
	assert_int_equal(chain(42, "0000000c 03040000 01020304", true, &p), IKE_PARSE_PAYLOAD);
	assert_int_equal(
		chain(40, "00000013 000102030405060708090a0b0c0d0e", true, &p), IKE_PARSE_NONCE);
}

static void test_nonce_length(void **state)
{
	uint8_t body[4 + 257] = {0};
	struct ike_payloads p;

	(void)state;
	for (size_t len = 0; len <= 257; len++) {
		body[2] = (uint8_t)((4 + len) >> 8);
		body[3] = (uint8_t)(4 + len);
		assert_int_equal(ike_payloads_parse(IKE_PL_NONCE, body, 4 + len, false, &p),
			len < 16 || len > 256 ? IKE_PARSE_NONCE : IKE_PARSE_OK);
	}
}

static void test_encrypted(void **state)
{
	struct ike_payloads p;

	(void)state;
	assert_int_equal(chain(46, "23000006abcd", false, &p), IKE_PARSE_OK);
	assert_int_equal(p.sk_next, IKE_PL_IDI);
	assert_hex(p.sk.p, p.sk.len, "abcd");
	assert_int_equal(chain(46, "00000004", false, &p), IKE_PARSE_OK);
	assert_non_null(p.sk.p);
	assert_int_equal(p.sk.len, 0);
	/* fragments are seen (RFC 7383) */
	assert_int_equal(chain(53, "23000008 00010002", false, &p), IKE_PARSE_OK);
	assert_int_equal(ike_payloads_count(&p, IKE_PL_SKF), 1);
	/* not the last one, or within another */
	assert_int_equal(chain(46, "23000006abcd 00", false, &p), IKE_PARSE_ENCRYPTED);
	assert_int_equal(chain(46, "00000006abcd", true, &p), IKE_PARSE_ENCRYPTED);
	assert_int_equal(chain(53, "00000006abcd", true, &p), IKE_PARSE_ENCRYPTED);
}

/* As many as the view holds, and one more. */
static void test_too_many(void **state)
{
	static const struct {
		uint8_t type;
		uint8_t size;
		unsigned int max;
	} kinds[] = {{IKE_PL_NOTIFY, 8, IKE_NOTIFIES_MAX}, {IKE_PL_DELETE, 8, IKE_DELETES_MAX},
		{IKE_PL_VENDOR, 4, 96}, {200, 4, 96}};

	(void)state;
	for (size_t k = 0; k < sizeof(kinds) / sizeof(*kinds); k++)
		for (unsigned int n = kinds[k].max; n <= kinds[k].max + 1; n++) {
			uint8_t data[100 * 8] = {0};
			size_t len = 0;
			struct ike_payloads p;

			for (unsigned int i = 0; i < n; i++) {
				data[len] = i + 1 < n ? kinds[k].type : 0;
				data[len + 3] = kinds[k].size;
				len += kinds[k].size;
			}
			assert_int_equal(ike_payloads_parse(kinds[k].type, data, len, true, &p),
				n > kinds[k].max ? IKE_PARSE_TOO_MANY : IKE_PARSE_OK);
		}
}

static enum ike_parse ts_text(const char *text, struct ike_ts *ts, size_t max, size_t *n)
{
	struct hex h = hex(text);
	struct ike_bytes body = {h.b, h.len};

	return ike_ts_parse(body, ts, max, n);
}

static void test_selectors(void **state)
{
	static const char one[] = "01000000 07000010 0000ffff c6120001 c6120001";
	struct ike_ts ts[2];
	struct addr a, b;
	size_t n = 9;

	(void)state;
	assert_int_equal(ts_text(one, ts, 2, &n), IKE_PARSE_OK);
	assert_int_equal(n, 1);
	a = addr_from_v4("\xc6\x12\x00\x01");
	b = addr_from_v4("\xc6\x12\x00\x02");
	assert_true(is_host(&ts[0], &a));
	assert_true(covers_host(&ts[0], &a));
	assert_false(covers_host(&ts[0], &b));
	/* a range around it, a protocol, some ports */
	assert_int_equal(ts_text("01000000 07000010 0000ffff c6120000 c61200ff", ts, 2, &n), 0);
	assert_true(covers_host(&ts[0], &a) && covers_host(&ts[0], &b));
	assert_false(is_host(&ts[0], &a));
	assert_int_equal(ts_text("01000000 07060010 0000ffff c6120000 c61200ff", ts, 2, &n), 0);
	assert_false(covers_host(&ts[0], &a));
	assert_int_equal(ts_text("01000000 07000010 00000050 c6120000 c61200ff", ts, 2, &n), 0);
	assert_false(covers_host(&ts[0], &a));
	/* an unknown type is left out (here a security label) */
	assert_int_equal(ts_text("02000000 0a000008 01020304 07000010 0000ffff c6120001 c6120001",
				 ts, 2, &n),
		IKE_PARSE_OK);
	assert_int_equal(n, 1);
	/* more than there is room for */
	assert_int_equal(ts_text("02000000 07000010 0000ffff c6120001 c6120001"
				 "07000010 0000ffff c6120002 c6120002",
				 ts, 1, &n),
		IKE_PARSE_OK);
	assert_int_equal(n, 1);
	/* malformed: none, more said than there, less, wrong size, backwards, cut */
	n = 9;
	assert_int_equal(ts_text("00000000", ts, 2, &n), IKE_PARSE_SELECTOR);
	assert_int_equal(ts_text("02000000 07000010 0000ffff c6120001 c6120001", ts, 2, &n),
		IKE_PARSE_SELECTOR);
	assert_int_equal(ts_text("01000000 07000010 0000ffff c6120001 c6120001 00", ts, 2, &n),
		IKE_PARSE_SELECTOR);
	assert_int_equal(ts_text("01000000 08000010 0000ffff c6120001 c6120001", ts, 2, &n),
		IKE_PARSE_SELECTOR);
	assert_int_equal(
		ts_text("01000000 07000014 0000ffff c6120001 c6120001 00000000", ts, 2, &n),
		IKE_PARSE_SELECTOR);
	assert_int_equal(ts_text("01000000 07000010 0000ffff c6120002 c6120001", ts, 2, &n),
		IKE_PARSE_SELECTOR);
	assert_int_equal(ts_text("01000000 0a000003 0000", ts, 2, &n), IKE_PARSE_SELECTOR);
	assert_int_equal(n, 9); /* untouched */
	for (size_t len = 0; len < 20; len++) {
		struct hex h = hex(one);
		struct ike_bytes body = {h.b, len};

		assert_int_equal(ike_ts_parse(body, ts, 2, &n), IKE_PARSE_SELECTOR);
	}
	a = addr_from_v6("\x20\x01\x00\x02\0\0\0\0\0\0\0\0\0\0\0\1");
	ts[0] = ike_ts_host(&a);
	assert_true(is_host(&ts[0], &a));
	assert_false(covers_host(&ts[0], &b));
}

/* A message that does not fit its buffer is refused at the end, whatever the room. */
static void test_no_room(void **state)
{
	uint8_t buf[1000];
	size_t len = everything(buf, sizeof(buf));

	(void)state;
	for (size_t cap = 0; cap < len; cap++) {
		uint8_t *small = malloc(cap ? cap : 1);
		struct ike_builder b = ike_build(small, cap, &request);
		struct ike_ts ts = {.first.family = AF_INET, .last.family = AF_INET};
		size_t ret = 7;

		ike_build_raw(&b, IKE_PL_SA, buf, 300);
		ike_build_notify_esp(&b, IKE_N_REKEY_SA, 1);
		ike_build_ts(&b, IKE_PL_TSI, &ts, 1);
		if (cap < IKE_HEADER_LEN + 304 + 12 + 24) {
			assert_int_equal(ike_build_end(&b, &ret), -EMSGSIZE);
			assert_int_equal(ret, 7);
		} else {
			assert_int_equal(ike_build_end(&b, &ret), 0);
		}
		free(small);
	}
}

static void test_names(void **state)
{
	char id[40];

	(void)state;
	assert_string_equal(ike_notify_name(IKE_N_NO_PROPOSAL_CHOSEN), "NO_PROPOSAL_CHOSEN");
	assert_string_equal(ike_notify_name(IKE_N_INITIAL_CONTACT), "INITIAL_CONTACT");
	assert_string_equal(ike_notify_name(12345), "notify 12345");
	assert_string_equal(ike_exchange_name(34), "IKE_SA_INIT");
	assert_string_equal(ike_exchange_name(99), "exchange 99");
	assert_string_equal(ike_payload_name(46), "SK");
	assert_string_equal(ike_payload_name(1), "payload 1");
	assert_string_equal(ike_method_name(14), "digital signature");
	for (int i = 0; i < IKE_PARSE_N; i++)
		for (int j = 0; j < i; j++)
			assert_string_not_equal(ike_parse_name((enum ike_parse)i),
				ike_parse_name((enum ike_parse)j));
	assert_string_equal(ike_id_format(1, "\xc6\x12\0\1", 4, id, sizeof(id)), "198.18.0.1");
	assert_string_equal(
		ike_id_format(5, "\x20\1\0\2\0\0\0\0\0\0\0\0\0\0\0\1", 16, id, sizeof(id)),
		"2001:2::1");
	assert_string_equal(ike_id_format(1, "abc", 3, id, sizeof(id)), "type 1 616263");
	assert_string_equal(ike_id_format(2, "a\nb\x7f.\xc3", 6, id, sizeof(id)), "a?b?.?");
	assert_string_equal(ike_id_format(2, "a.example", 9, id, 4), "a.e");
	assert_string_equal(ike_id_format(13, "", 0, id, sizeof(id)), "(anonymous)");
	assert_string_equal(
		ike_id_format(9, "\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01y", 14, id,
			sizeof(id)),
		"CN=y");
	assert_string_equal(
		ike_id_format(9, "\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01y", 13, id,
			sizeof(id)),
		"type 9 300c310a300806035504030c01");
	assert_string_equal(ike_id_format(9, "\x30\x00", 2, id, sizeof(id)), "type 9 3000");
	assert_string_equal(ike_id_format(9, "\x30\x00", 2, id, 10), "type 9 30");
	assert_string_equal(ike_id_format(9, "\x30\x00", 2, id, 9), "type 9 ");
	assert_string_equal(ike_id_format(9, "\x30\x00", 2, id, 3), "ty");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_flipped),
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_nonce_length),
		cmocka_unit_test(test_encrypted),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_selectors),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
