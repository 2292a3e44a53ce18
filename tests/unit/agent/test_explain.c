/* SPDX-License-Identifier: BSD-2-Clause */
/* Every record of the journal has words, whatever its fields hold, and the whole chain is there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "agent/explain.h"
#include "base/log.h"

#define SECOND UINT64_C(1000000)

static void refused(void *arg, const char *text)
{
	(void)arg;
	fail_msg("%s", text);
}

static struct policy *one_rule(const struct pol_rule **ret)
{
	struct policy *p = policy_new();
	struct addr a;
	size_t bad;

	policy_parse(p, POL_PRIVATE, "policies/private", "\n198.18.0.0/16 tcp 0 443\n", 25, refused,
		NULL, &bad);
	assert_int_equal(addr_parse("198.18.2.1", &a), 0);
	*ret = policy_lookup(p, &a, IPPROTO_TCP, 0, 443);
	assert_non_null(*ret);
	return p;
}

static struct oe_peer some_peer(const struct pol_rule *rule)
{
	struct oe_peer p = {.rule = rule, .state = OE_BLOCKED, .reason = OE_WHY_BOGUS};

	assert_int_equal(addr_parse("198.18.1.1", &p.pair.local), 0);
	assert_int_equal(addr_parse("198.18.2.1", &p.pair.remote), 0);
	return p;
}

static void test_every_record(void **arg)
{
	static const uint32_t args[] = {0, 1, 2, 500, 0xffffffff};
	const struct pol_rule *rule;
	struct policy *policy = one_rule(&rule);
	struct oe_peer p = some_peer(rule);
	char text[EXPLAIN_TEXT_MAX];
	char why[] = "a reason";

	(void)arg;
	for (int with = 0; with < 2; with++) {
		p.suite = p.dns_why = p.ike_why = with ? why : NULL;
		p.proof = with ? (const uint8_t *)why : NULL; /* not even a key */
		p.proof_len = with ? sizeof(why) : 0;
		for (unsigned int step = 0; step <= JOURNAL_COMMAND; step++)
			for (unsigned int code = 0; code < 256; code++)
				for (size_t i = 0; i < 5; i++) {
					struct journal_entry e = {.step = (uint8_t)step,
						.code = (uint8_t)code,
						.n = (uint16_t)args[i],
						.arg = args[4 - i]};

					memset(text, 0, sizeof(text));
					explain_entry(&p, &e, text);
					assert_true(strlen(text) > 0);
					assert_string_not_equal(journal_step_name(e.step), "?");
				}
	}
	policy_free(policy);
}

/* The key of RFC 8410 section 10.1. */
static void test_proof(void **arg)
{
	uint8_t spki[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
		0x19, 0xbf, 0x44, 0x09, 0x69, 0x84, 0xcd, 0xfe, 0x85, 0x41, 0xba, 0xc1, 0x67, 0xdc,
		0x3b, 0x96, 0xc8, 0x50, 0x86, 0xaa, 0x30, 0xb6, 0xb6, 0xcb, 0x0c, 0x5c, 0x38, 0xad,
		0x70, 0x31, 0x66, 0xe1};
	struct journal_entry e = {.step = JOURNAL_UP, .code = IKE_AUTH_SIGNATURE};
	const struct pol_rule *rule;
	struct policy *policy = one_rule(&rule);
	struct oe_peer p = some_peer(rule);
	char text[EXPLAIN_TEXT_MAX];

	(void)arg;
	p.proof = spki;
	p.proof_len = sizeof(spki);
	explain_entry(&p, &e, text);
	assert_non_null(strstr(text, "the peer proved its key (Ed25519 SHA256:"));
	policy_free(policy);
}

/* Each outcome of DNS has words of its own, with the reason behind them. */
static void test_every_class(void **arg)
{
	static const char *const words[DNS_N_CLASSES] = {[DNS_KEYS] = "secure",
		[DNS_DENIED] = "proves that there is no", [DNS_UNUSABLE] = "no key in it is usable",
		[DNS_INSECURE] = "not signed, and holds no key",
		[DNS_INSECURE_KEYS] = "not believed", [DNS_BOGUS] = "validation failed",
		[DNS_FAILED] = "no answer", [DNS_UNAVAILABLE] = "does not get through",
		[DNS_LIMITED] = "a limit of this host"};
	const struct pol_rule *rule;
	struct policy *policy = one_rule(&rule);
	struct oe_peer p = some_peer(rule);
	char text[EXPLAIN_TEXT_MAX], why[] = "it is so";

	(void)arg;
	p.dns_why = why;
	for (unsigned int class = 0; class < DNS_N_CLASSES; class++) {
		struct journal_entry e = {.step = JOURNAL_ANSWER, .code = (uint8_t)class, .n = 1};

		p.dns_class = (uint8_t)class;
		explain_entry(&p, &e, text);
		if (!strstr(text, words[class]))
			fail_msg("%s: '%s'", dns_class_name((enum dns_class)class), text);
		if (class == DNS_BOGUS || class == DNS_FAILED || class == DNS_UNAVAILABLE)
			assert_non_null(strstr(text, why));
	}
	policy_free(policy);
}

/* A text as long as a peer or a zone can make it stays inside its buffer. */
static void test_long_texts(void **arg)
{
	const struct pol_rule *rule;
	struct policy *policy = one_rule(&rule);
	struct oe_peer p = some_peer(rule);
	char text[EXPLAIN_TEXT_MAX], longest[1000];
	struct journal_entry e = {.step = JOURNAL_ANSWER, .code = DNS_BOGUS};

	(void)arg;
	memset(longest, 'x', sizeof(longest));
	longest[999] = '\0';
	p.dns_class = DNS_BOGUS;
	p.suite = p.dns_why = p.ike_why = longest;
	explain_entry(&p, &e, text);
	assert_int_equal(strlen(text), EXPLAIN_TEXT_MAX - 1);
	e = (struct journal_entry){.step = JOURNAL_UP, .code = 0x11};
	explain_entry(&p, &e, text);
	assert_int_equal(strlen(text), EXPLAIN_TEXT_MAX - 1);
	policy_free(policy);
}

static void test_chain(void **arg)
{
	const struct pol_rule *rule;
	struct policy *policy = one_rule(&rule);
	struct oe_peer p = some_peer(rule);
	json_t *o, *chain, *first;

	(void)arg;
	/* more than fit: the oldest go */
	for (uint32_t i = 0; i < JOURNAL_MAX + 5; i++) {
		struct journal_entry e = {.at = (100 + i) * SECOND,
			.step = JOURNAL_IKE,
			.code = IKE_NOTE_RETRANSMIT,
			.arg = i};

		journal_add(&p.journal, &e);
	}
	o = explain_peer(&p, 200 * SECOND);
	chain = json_object_get(o, "chain");
	assert_int_equal(json_array_size(chain), JOURNAL_MAX);
	first = json_array_get(chain, 0);
	assert_string_equal(json_string_value(json_object_get(first, "text")),
		"no answer yet: sent again, try 5");
	assert_true(json_real_value(json_object_get(first, "ago_ms")) == 95000.0);
	assert_string_equal(json_string_value(json_object_get(o, "state")), "BLOCKED");
	assert_string_equal(json_string_value(json_object_get(o, "reason")), "BOGUS");
	assert_string_equal(json_string_value(json_object_get(o, "group")), "private");
	assert_non_null(strstr(json_string_value(json_object_get(o, "summary")), "198.18.2.1"));
	assert_true(strlen(json_string_value(json_object_get(o, "advice"))) > 20);
	json_decref(o);
	journal_free(&p.journal);
	policy_free(policy);
}

static void test_names(void **arg)
{
	(void)arg;
	for (int i = 0; i < OE_N_REASONS; i++) {
		assert_non_null(oe_reason_name((enum oe_reason)i));
		assert_non_null(oe_reason_text((enum oe_reason)i));
		for (int k = 0; k < i; k++)
			assert_string_not_equal(oe_reason_name((enum oe_reason)i),
				oe_reason_name((enum oe_reason)k));
	}
	for (int i = 0; i < OE_N_STATES; i++)
		assert_string_not_equal(oe_state_name((enum oe_state)i), "?");
	for (int i = 0; i < POL_N_GROUPS; i++)
		assert_string_not_equal(explain_group((enum pol_group)i), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_record),
		cmocka_unit_test(test_proof),
		cmocka_unit_test(test_every_class),
		cmocka_unit_test(test_long_texts),
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
