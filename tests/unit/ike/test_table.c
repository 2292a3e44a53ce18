/* SPDX-License-Identifier: BSD-2-Clause */
#include "ike/table.h"

#include "tests/unit/ike/hex.h"

/* A message is written as a string of payload letters, clear ones, then '{' and those in SK:
 * S sa, K ke, N nonce, I idi, R idr, C cert, Q certreq, A auth, i tsi, r tsr, D delete, P cp, E
 * eap, V vendor, F skf, n status notify, e error notify, c cookie, y rekey_sa. */
static uint8_t type_of(char letter)
{
	static const char letters[] = "SKIRCQANnDVir{PE";
	static const uint8_t types[] = {IKE_PL_SA, IKE_PL_KE, IKE_PL_IDI, IKE_PL_IDR, IKE_PL_CERT,
		IKE_PL_CERTREQ, IKE_PL_AUTH, IKE_PL_NONCE, IKE_PL_NOTIFY, IKE_PL_DELETE,
		IKE_PL_VENDOR, IKE_PL_TSI, IKE_PL_TSR, IKE_PL_SK, IKE_PL_CP, IKE_PL_EAP};

	if (letter == 'e' || letter == 'c' || letter == 'y')
		return IKE_PL_NOTIFY;
	if (letter == 'F')
		return IKE_PL_SKF;
	assert_non_null(strchr(letters, letter));
	return types[strchr(letters, letter) - letters];
}

static void payload(struct ike_builder *b, char letter)
{
	static const uint8_t some[32];

	switch (letter) {
	case 'n':
		ike_build_notify(b, IKE_N_INITIAL_CONTACT, NULL, 0);
		break;
	case 'e':
		ike_build_notify(b, IKE_N_NO_PROPOSAL_CHOSEN, NULL, 0);
		break;
	case 'c':
		ike_build_notify(b, IKE_N_COOKIE, some, 8);
		break;
	case 'y':
		ike_build_notify_esp(b, IKE_N_REKEY_SA, 0x1234);
		break;
	case 'D':
		ike_build_delete_ike(b);
		break;
	default:
		ike_build_raw(b, (enum ike_payload)type_of(letter), some, sizeof(some));
		break;
	}
}

struct message {
	uint8_t buf[2000];
	struct ike_payloads outer;
	struct ike_payloads inner;
	bool encrypted;
};

/* The payloads as the parser sees them; the inside of SK is not encrypted here. */
static void make(struct message *m, const char *text)
{
	const char *brace = strchr(text, '{');
	struct ike_header h = {.spi_i = 1};
	struct ike_builder b = ike_build(m->buf, sizeof(m->buf), &h);
	size_t clear;

	m->encrypted = brace;
	for (; *text && *text != '{'; text++)
		payload(&b, *text);
	clear = b.w.pos;
	if (brace) {
		ike_build_open(&b, IKE_PL_SK);
		ike_build_close(&b);
		clear = b.w.pos;
		b.next_at = 16; /* a second chain begins in the header: its type is read below */
		text++;
	}
	assert_int_equal(ike_payloads_parse(m->buf[16], m->buf + IKE_HEADER_LEN,
				 clear - IKE_HEADER_LEN, false, &m->outer),
		IKE_PARSE_OK);
	m->buf[16] = 0;
	for (; *text; text++)
		payload(&b, *text);
	if (brace)
		assert_int_equal(ike_payloads_parse(m->buf[16], m->buf + clear, b.w.pos - clear,
					 true, &m->inner),
			IKE_PARSE_OK);
}

static void check(
	const char *text, enum ike_kind kind, bool response, enum ike_parse want, uint8_t want_type)
{
	struct message m;
	uint8_t type = 0;
	enum ike_parse cause;

	make(&m, text);
	cause = ike_table_check(kind, response, &m.outer, m.encrypted ? &m.inner : NULL, &type);
	if (cause != want || type != want_type)
		fail_msg("%s: cause %d type %u, not %d %u", text, cause, type, want, want_type);
}

#define OK(kind, response, text) check(text, kind, response, IKE_PARSE_OK, 0)
#define MISSING(kind, response, text, letter) \
	check(text, kind, response, IKE_PARSE_MISSING, type_of(letter))
#define UNEXPECTED(kind, response, text, letter) \
	check(text, kind, response, IKE_PARSE_UNEXPECTED, type_of(letter))

static void test_sa_init(void **state)
{
	(void)state;
	OK(IKE_KIND_SA_INIT, false, "SKN");
	OK(IKE_KIND_SA_INIT, false, "cSKNnnnVV");
	OK(IKE_KIND_SA_INIT, true, "SKNnnQV");
	OK(IKE_KIND_SA_INIT, true, "c");
	OK(IKE_KIND_SA_INIT, true, "e");
	OK(IKE_KIND_SA_INIT, true, "Vne");
	MISSING(IKE_KIND_SA_INIT, false, "SK", 'N');
	MISSING(IKE_KIND_SA_INIT, false, "SN", 'K');
	MISSING(IKE_KIND_SA_INIT, false, "KN", 'S');
	MISSING(IKE_KIND_SA_INIT, false, "", 'S');
	MISSING(IKE_KIND_SA_INIT, false, "e", 'S'); /* a request cannot be a refusal */
	MISSING(IKE_KIND_SA_INIT, true, "n", 'S');
	UNEXPECTED(IKE_KIND_SA_INIT, false, "SKNQ", 'Q');
	UNEXPECTED(IKE_KIND_SA_INIT, false, "SKNI", 'I');
	UNEXPECTED(IKE_KIND_SA_INIT, false, "SKNA", 'A');
	UNEXPECTED(IKE_KIND_SA_INIT, false, "SKND", 'D');
	UNEXPECTED(IKE_KIND_SA_INIT, false, "SKN{n", '{');
	UNEXPECTED(IKE_KIND_SA_INIT, true, "eA", 'A');
}

static void test_auth(void **state)
{
	(void)state;
	OK(IKE_KIND_AUTH, false, "{IASir");
	OK(IKE_KIND_AUTH, false, "{ICCnQQRAPSirnnV");
	OK(IKE_KIND_AUTH, true, "{RASir");
	OK(IKE_KIND_AUTH, true, "{RCAPSirn");
	OK(IKE_KIND_AUTH, true, "{RAe"); /* the child failed */
	OK(IKE_KIND_AUTH, true, "{e");   /* AUTHENTICATION_FAILED */
	MISSING(IKE_KIND_AUTH, true, "{Re", 'A');
	MISSING(IKE_KIND_AUTH, true, "{Ae", 'R');
	MISSING(IKE_KIND_AUTH, true, "{RASi", 'r');
	MISSING(IKE_KIND_AUTH, false, "{ISir", 'A'); /* wants EAP */
	MISSING(IKE_KIND_AUTH, false, "{ASir", 'I');
	MISSING(IKE_KIND_AUTH, false, "{IA", 'S');
	MISSING(IKE_KIND_AUTH, false, "IASir", '{'); /* in clear */
	MISSING(IKE_KIND_AUTH, false, "", '{');
	UNEXPECTED(IKE_KIND_AUTH, false, "I{ASir", '{'); /* partly in clear */
	UNEXPECTED(IKE_KIND_AUTH, false, "n{IASir", '{');
	UNEXPECTED(IKE_KIND_AUTH, false, "{IASirK", 'K');
	UNEXPECTED(IKE_KIND_AUTH, false, "{IASirD", 'D');
	UNEXPECTED(IKE_KIND_AUTH, false, "{IASirE", 'E');
	UNEXPECTED(IKE_KIND_AUTH, true, "{IRASir", 'I');
}

static void test_informational(void **state)
{
	(void)state;
	OK(IKE_KIND_INFORMATIONAL, false, "{");
	OK(IKE_KIND_INFORMATIONAL, false, "{DDDn");
	OK(IKE_KIND_INFORMATIONAL, true, "{");
	OK(IKE_KIND_INFORMATIONAL, true, "{e");
	OK(IKE_KIND_INFORMATIONAL, true, "{DnP");
	MISSING(IKE_KIND_INFORMATIONAL, false, "D", '{');
	UNEXPECTED(IKE_KIND_INFORMATIONAL, false, "{S", 'S');
	UNEXPECTED(IKE_KIND_INFORMATIONAL, true, "{eA", 'A');
	UNEXPECTED(IKE_KIND_INFORMATIONAL, false, "D{", '{');
}

static void test_create_child(void **state)
{
	(void)state;
	for (int response = 0; response < 2; response++) {
		OK(IKE_KIND_REKEY_IKE, response, "{SNK");
		OK(IKE_KIND_REKEY_CHILD, response, "{ySNKir");
		OK(IKE_KIND_REKEY_CHILD, response, "{ySNirn");
		OK(IKE_KIND_NEW_CHILD, response, "{SNir");
		OK(IKE_KIND_NEW_CHILD, response, "{PSNKirn");
		MISSING(IKE_KIND_REKEY_IKE, response, "{SN", 'K');
		MISSING(IKE_KIND_REKEY_CHILD, response, "{ySir", 'N');
		MISSING(IKE_KIND_NEW_CHILD, response, "{SNi", 'r');
		UNEXPECTED(IKE_KIND_REKEY_IKE, response, "{SNKir", 'i');
		UNEXPECTED(IKE_KIND_NEW_CHILD, response, "{SNirA", 'A');
		UNEXPECTED(IKE_KIND_REKEY_CHILD, response, "{SNirP", 'P');
	}
	OK(IKE_KIND_REKEY_IKE, true, "{e");
	OK(IKE_KIND_NEW_CHILD, true, "{e");
	MISSING(IKE_KIND_NEW_CHILD, true, "{n", 'S');
}

static void test_key_exchanges(void **state)
{
	static const enum ike_kind kinds[] = {IKE_KIND_INTERMEDIATE, IKE_KIND_FOLLOWUP_KE};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		for (int response = 0; response < 2; response++) {
			OK(kinds[i], response, "{K");
			OK(kinds[i], response, "{nKV");
			MISSING(kinds[i], response, "{n", 'K');
			MISSING(kinds[i], response, "K", '{');
			UNEXPECTED(kinds[i], response, "K{", '{');
			UNEXPECTED(kinds[i], response, "{KN", 'N');
			UNEXPECTED(kinds[i], response, "{KA", 'A');
		}
		OK(kinds[i], true, "{e");
		MISSING(kinds[i], false, "{e", 'K');
	}
}

static void test_kinds(void **state)
{
	static const struct {
		uint8_t exchange;
		const char *text;
		enum ike_kind kind;
	} cases[] = {
		{34, "SKN", IKE_KIND_SA_INIT},
		{35, "{IASir", IKE_KIND_AUTH},
		{37, "{", IKE_KIND_INFORMATIONAL},
		{36, "{SNK", IKE_KIND_REKEY_IKE},
		{36, "{ySNir", IKE_KIND_REKEY_CHILD},
		{36, "{SNir", IKE_KIND_NEW_CHILD},
		{36, "{", IKE_KIND_REKEY_IKE},
		{43, "{K", IKE_KIND_INTERMEDIATE},
		{44, "{Kn", IKE_KIND_FOLLOWUP_KE},
	};
	struct message m;
	enum ike_kind kind;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		make(&m, cases[i].text);
		assert_true(ike_kind_of(cases[i].exchange, m.encrypted ? &m.inner : NULL, &kind));
		assert_int_equal(kind, cases[i].kind);
	}
	assert_false(ike_kind_of(33, NULL, &kind));
	assert_false(ike_kind_of(38, NULL, &kind));
}

/* The look before decryption. */
static void test_outer(void **state)
{
	static const struct {
		uint8_t exchange;
		const char *text;
		enum ike_parse want;
	} cases[] = {
		{34, "SKNnVcQ", IKE_PARSE_OK},
		{34, "{", IKE_PARSE_UNEXPECTED},
		{34, "SKNI", IKE_PARSE_UNEXPECTED},
		{35, "{", IKE_PARSE_OK},
		{36, "{", IKE_PARSE_OK},
		{37, "{", IKE_PARSE_OK},
		{35, "F", IKE_PARSE_OK},
		{35, "", IKE_PARSE_MISSING},
		{37, "n", IKE_PARSE_MISSING},
		{37, "n{", IKE_PARSE_UNEXPECTED},
		{37, "V{", IKE_PARSE_UNEXPECTED},
		{35, "I{", IKE_PARSE_UNEXPECTED},
	};
	struct message m;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		make(&m, cases[i].text);
		assert_int_equal(ike_table_check_outer(cases[i].exchange, &m.outer), cases[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sa_init),
		cmocka_unit_test(test_auth),
		cmocka_unit_test(test_informational),
		cmocka_unit_test(test_create_child),
		cmocka_unit_test(test_key_exchanges),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_outer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
