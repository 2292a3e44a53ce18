/* SPDX-License-Identifier: BSD-2-Clause */
/* What the resolver service says of a name that may serve as a hint: its key and its addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/resolver/rig.h"

static void assert_class(const struct rig_answer *r, enum dns_class class)
{
	if (r->a.class != class)
		fail_msg("%s: %s instead of %s (%s)", r->a.name, dns_class_name(r->a.class),
			dns_class_name(class), r->a.why);
}

static void settle(void)
{
	struct dns_config c = rig_settings(rig.nsd_port);

	rig_configure(&c);
	assert_int_equal(rig.ready.dnssec, 1);
}

static bool has_address(const struct dns_answer *a, const char *text)
{
	struct addr addr;
	bool found = false;

	addr_parse(text, &addr);
	for (size_t i = 0; i < a->n_addrs; i++)
		found |= addr_equal(&a->addrs[i], &addr);
	return found;
}

/* A name's key and its addresses, of both families. */
static void hints(void **state)
{
	static const struct {
		const char *name;
		enum dns_class class, addr_class;
		size_t n;
		const char *first, *last;
	} table[] = {
		{"host.example.", DNS_KEYS, DNS_KEYS, 3, "198.18.0.1", "2001:2::1"},
		{"alias.example.", DNS_KEYS, DNS_KEYS, 3, "198.18.0.1", "2001:2::1"},
		{"half.example.", DNS_KEYS, DNS_KEYS, 1, "198.18.0.41", "198.18.0.41"},
		{"many.example.", DNS_KEYS, DNS_KEYS, 16, NULL, NULL},
		{"own.example.", DNS_UNUSABLE, DNS_KEYS, 1, "198.18.0.42", "198.18.0.42"},
		{"keyonly.example.", DNS_KEYS, DNS_DENIED, 0, NULL, NULL},
		{"stripped.example.", DNS_KEYS, DNS_BOGUS, 0, NULL, NULL},
		{"www.unsigned.example.", DNS_INSECURE_KEYS, DNS_INSECURE, 0, NULL, NULL},
	};

	(void)state;
	settle();
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct rig_answer *r = rig_lookup(DNS_ASK_HINT, table[i].name, NULL);

		assert_class(r, table[i].class);
		assert_int_equal(r->a.addr_class, table[i].addr_class);
		assert_int_equal(r->a.n_addrs, table[i].n);
		assert_true(!table[i].first || has_address(&r->a, table[i].first));
		assert_true(!table[i].last || has_address(&r->a, table[i].last));
		for (size_t k = r->a.n_addrs; k < DNS_ADDRS_MAX; k++)
			assert_int_equal(r->a.addrs[k].family, 0);
	}
	/* where there is no key, the addresses do not matter */
	assert_class(rig_lookup(DNS_ASK_HINT, "bare.example.", NULL), DNS_DENIED);
	/* the key whose gateway is the address itself counts for that address */
	assert_class(rig_lookup(DNS_ASK_FORWARD, "own.example.", "198.18.0.42"), DNS_KEYS);
	assert_class(rig_lookup(DNS_ASK_FORWARD, "own.example.", "198.18.0.1"), DNS_UNUSABLE);
	/* odd bytes, and what is no name */
	assert_class(rig_lookup(DNS_ASK_HINT, "odd\\000\\255 name.example.", NULL), DNS_DENIED);
	assert_class(rig_lookup(DNS_ASK_HINT, "a..example", NULL), DNS_FAILED);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(hints),
	};

	return cmocka_run_group_tests(tests, rig_up, rig_down);
}
