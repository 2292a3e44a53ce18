/* SPDX-License-Identifier: BSD-2-Clause */
/* A group's file of policies. The first byte is the group; a NUL begins the text of the next. */
#include <string.h>
#include <sys/socket.h>

#include "policy/policy.h"
#include "tests/fuzz/fuzz.h"

static size_t errors;

static void on_error(void *arg, const char *text)
{
	(void)arg;
	expect(strchr(text, '\n') == NULL && strlen(text) > 0);
	errors++;
}

/* A rule is found by an address of its own, or a more specific one is. */
static void check_rules(const struct policy *p)
{
	for (size_t i = 0; i < policy_count(p); i++) {
		const struct pol_rule *r = policy_rule(p, i), *found;

		expect(prefix_valid(&r->remote) && r->group < POL_N_GROUPS);
		expect(i == 0 || policy_rule(p, i - 1)->rank <= r->rank);
		found = policy_lookup(p, &r->remote.addr, r->proto, r->sport, r->dport);
		expect(found && found->rank <= r->rank);
		expect(prefix_contains(&found->remote, &r->remote.addr));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct policy *p = policy_new();
	size_t at = 0;

	while (at < len) {
		enum pol_group group = data[at++] % POL_N_GROUPS;
		const uint8_t *end = memchr(data + at, 0, len - at);
		size_t n = end ? (size_t)(end - data) - at : len - at, refused = 0;
		char *text = (char *)fuzz_copy(data + at, n);

		errors = 0;
		policy_parse(p, group, pol_group_name(group), text, n, on_error, NULL, &refused);
		expect(!refused || errors);
		free(text);
		at += n + 1;
	}
	check_rules(p);
	policy_free(p);
	return 0;
}
