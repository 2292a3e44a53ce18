/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/agent/peers.h"

#include <string.h>

void refused(void *arg, const char *text)
{
	(void)arg;
	fail_msg("%s", text);
}

void add_rules(struct policy *p, const char *group, const char *lines)
{
	enum pol_group g;
	size_t bad;

	assert_true(pol_group_parse(group, &g));
	policy_parse(p, g, group, lines, strlen(lines), refused, NULL, &bad);
}

struct policy *rules(const char *group, const char *lines)
{
	struct policy *p = policy_new();

	add_rules(p, group, lines);
	return p;
}

struct oe_peers *peers_new(const struct oe_effects *fx, struct conf *conf,
	const struct policy *policy, uint64_t now)
{
	struct oe_peers *ps;

	conf_defaults(conf);
	ps = oe_peers_new(fx, conf, policy);
	oe_peers_own_key(ps, true);
	for (int i = 0; i < OE_N_SERVICES; i++)
		oe_peers_service(ps, (enum oe_service)i, true, now);
	return ps;
}

void peers_event(struct oe_peers *ps, uint16_t type, const void *fixed, uint64_t now)
{
	assert_int_equal(oe_peers_event(ps, type, fixed, NULL, 0, now), 0);
}

void peers_child(struct oe_peers *ps, const struct ike_child *c, bool inbound, uint64_t now)
{
	uint8_t key[36] = {1};

	assert_int_equal(oe_peers_event(ps, inbound ? IKE_EV_CHILD_IN : IKE_EV_CHILD_OUT, c, key,
				 sizeof(key), now),
		0);
}

void peers_advance(struct oe_peers *ps, uint64_t *now, uint64_t us)
{
	uint64_t until = *now + us, due;

	while ((due = oe_peers_timers(ps, *now)) <= until)
		*now = due;
	*now = until;
	oe_peers_timers(ps, *now);
}
