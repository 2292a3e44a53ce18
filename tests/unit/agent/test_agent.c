/* SPDX-License-Identifier: BSD-2-Clause */
/* What the agent makes of a service's message beside the peers' core: our addresses, which may be those of
 * another network. */
#include <netinet/in.h>
#include <string.h>

#include "agent/agent.h"
#include "tests/unit/agent/peers.h"

struct rig {
	struct agent a;
	unsigned int n_lookups;
};

static void count_lookups(void *arg, enum oe_service to, uint16_t type, const void *fixed,
	size_t fixed_len, const void *tail, size_t tail_len)
{
	struct rig *r = arg;

	(void)to, (void)fixed, (void)fixed_len, (void)tail, (void)tail_len;
	r->n_lookups += type == DNS_REQ_LOOKUP;
}

static int set_up(void **state)
{
	static struct rig r;
	struct oe_effects fx = {.arg = &r, .send = count_lookups};
	struct agent *a = &r.a;

	memset(&r, 0, sizeof(r));
	a->policy = rules("private-or-clear", "198.18.0.0/15\n");
	a->base = event_base_new();
	a->timer = evtimer_new(a->base, NULL, NULL);
	a->due = UINT64_MAX;
	a->peers = peers_new(&fx, &a->conf, a->policy, 0);
	*state = &r;
	return 0;
}

static int tear_down(void **state)
{
	struct agent *a = &((struct rig *)*state)->a;

	oe_peers_free(a->peers);
	policy_free(a->policy);
	event_free(a->timer);
	event_base_free(a->base);
	return 0;
}

static void tell_range(struct agent *a)
{
	struct dns_range range = {
		.class = DNS_DENIED, .ttl = 300, .zone = "19.198.in-addr.arpa."};

	assert_int_equal(prefix_parse("198.19.0.0/16", &range.prefix, NULL), 0);
	agent_message(a, &a->service[OE_RESOLVER], DNS_EV_RANGE, &range, NULL, 0);
}

static void tell_local(struct agent *a, uint8_t host, bool up)
{
	const uint8_t b[4] = {192, 0, 2, host};
	struct xfrm_local local = {.addr = addr_from_v4(b), .up = up};

	agent_message(a, &a->service[OE_XFRM], XFRM_EV_LOCAL, &local, NULL, 0);
}

/* Whether a peer in the range, which nobody knows yet, is decided without a question. */
static bool range_is_known(struct rig *r)
{
	static uint8_t next;
	const uint8_t local[4] = {198, 18, 0, 1}, remote[4] = {198, 19, 0, ++next};
	struct xfrm_trapped t = {.pair = {.local = addr_from_v4(local),
					 .remote = addr_from_v4(remote)},
		.proto = IPPROTO_TCP,
		.held = 1,
		.dport = 443};
	unsigned int before = r->n_lookups;

	agent_message(&r->a, &r->a.service[OE_XFRM], XFRM_EV_TRAPPED, &t, NULL, 0);
	return r->n_lookups == before;
}

/* What DNS proved of a range was this network's view; an address that comes or goes may mean another. */
static void test_addresses_and_ranges(void **state)
{
	struct rig *r = *state;
	struct agent *a = &r->a;

	tell_range(a);
	assert_true(range_is_known(r));
	tell_local(a, 1, true);
	assert_int_equal(a->n_locals, 1);
	assert_false(range_is_known(r));
	/* nothing new, nothing forgotten */
	tell_range(a);
	tell_local(a, 1, true);
	tell_local(a, 2, false);
	assert_int_equal(a->n_locals, 1);
	assert_true(range_is_known(r));
	tell_local(a, 1, false);
	assert_int_equal(a->n_locals, 0);
	assert_false(range_is_known(r));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_addresses_and_ranges, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
