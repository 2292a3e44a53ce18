/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's messages as we read them, whole and cut short. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <linux/xfrm.h>

#include "xfrm/policy_nl.h"
#include "xfrm/sad.h"

#define MESSAGE_MAX 1024

static uint8_t *message;
static struct nlmsghdr *nlh;

static int setup(void **state)
{
	(void)state;
	message = calloc(1, MESSAGE_MAX);
	nlh = mnl_nlmsg_put_header(message);
	return message ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	free(message);
	return 0;
}

/* As the kernel tells of a guard of ours: IN, 10.0.0.0/8 port 80 -> 192.0.2.1. */
static struct xfrm_userpolicy_info *put_policy(void)
{
	struct xfrm_userpolicy_info *p = mnl_nlmsg_put_extra_header(nlh, sizeof(*p));

	nlh->nlmsg_type = XFRM_MSG_NEWPOLICY;
	p->sel.family = AF_INET;
	p->sel.saddr.a4 = inet_addr("10.0.0.0");
	p->sel.prefixlen_s = 8;
	p->sel.daddr.a4 = inet_addr("192.0.2.1");
	p->sel.prefixlen_d = 32;
	p->sel.proto = IPPROTO_TCP;
	p->sel.sport = htons(80);
	p->sel.sport_mask = 0xffff;
	p->priority = XFRM_PRIO_RULES + 4;
	p->dir = XFRM_POLICY_IN;
	p->action = XFRM_POLICY_ALLOW;
	return p;
}

static void put_template(uint32_t reqid)
{
	struct xfrm_user_tmpl t = {.id.proto = IPPROTO_ESP,
		.family = AF_INET,
		.reqid = reqid,
		.mode = XFRM_MODE_TRANSPORT};

	mnl_attr_put(nlh, XFRMA_TMPL, sizeof(t), &t);
}

static void test_policy(void **state)
{
	struct xfrm_userpolicy_info *p = put_policy();
	struct spd_value value;
	struct spd_key key;

	(void)state;
	assert_true(policy_parse_message(nlh, &key, &value, NULL));
	assert_int_equal(value.kind, SPD_ALLOW);
	put_template(XFRM_REQID);
	assert_true(policy_parse_message(nlh, &key, &value, NULL));
	assert_int_equal(value.kind, SPD_REQUIRED);
	assert_int_equal(value.priority, XFRM_PRIO_RULES + 4);
	assert_int_equal(key.dir, SPD_IN);
	assert_int_equal(key.sport, 80);
	assert_int_equal(key.src_len, 8);
	assert_int_equal(key.src[0], 10);
	p->lft.hard_add_expires_seconds = 5;
	assert_true(policy_parse_message(nlh, &key, &value, NULL) && value.mortal);
	p->action = XFRM_POLICY_BLOCK;
	/* shapes and owners that are not ours */
	p->sel.sport_mask = htons(0xff00);
	assert_false(policy_parse_message(nlh, &key, &value, NULL));
	p->sel.sport_mask = 0xffff;
	p->sel.ifindex = 3;
	assert_false(policy_parse_message(nlh, &key, &value, NULL));
	p->sel.ifindex = 0;
	p->priority = XFRM_PRIO_EXEMPT - 1;
	assert_false(policy_parse_message(nlh, &key, &value, NULL));
	p->priority = XFRM_PRIO_RULES + XFRM_PRIO_STEP * XFRM_RANK_MAX + 1;
	assert_false(policy_parse_message(nlh, &key, &value, NULL));
	p->priority = XFRM_PRIO_EXEMPT;
	p->dir = XFRM_POLICY_FWD;
	assert_false(policy_parse_message(nlh, &key, &value, NULL));
}

static void test_policy_of_another(void **state)
{
	struct xfrm_mark mark = {.v = 1, .m = 1};
	struct spd_value value;
	struct spd_key key;

	(void)state;
	put_policy();
	put_template(XFRM_REQID + SCOPE_LEVELS);
	assert_true(policy_parse_message(nlh, &key, &value, NULL));
	assert_int_equal(value.kind, SPD_OTHER);
	mnl_attr_put(nlh, XFRMA_MARK, sizeof(mark), &mark);
	assert_false(policy_parse_message(nlh, &key, &value, NULL));
}

static void test_state(void **state)
{
	struct xfrm_user_expire *e = mnl_nlmsg_put_extra_header(nlh, sizeof(*e));
	struct sad_state s;
	bool hard;

	(void)state;
	nlh->nlmsg_type = XFRM_MSG_EXPIRE;
	e->state.family = AF_INET6;
	e->state.reqid = XFRM_REQID;
	e->state.mode = XFRM_MODE_TRANSPORT;
	e->state.id.proto = IPPROTO_ESP;
	e->state.id.spi = htonl(0x12345678);
	e->state.curlft.packets = 9;
	e->state.id.daddr.a6[3] = htonl(2);
	e->hard = 1;
	assert_true(sad_parse_message(nlh, &s, &hard));
	assert_true(hard);
	assert_int_equal(s.spi, 0x12345678);
	assert_int_equal(s.packets, 9);
	assert_int_equal(s.dst.b[15], 2);
	e->state.sel.proto = IPPROTO_TCP;
	e->state.sel.sport = htons(443);
	e->state.reqid += 3;
	assert_true(sad_parse_message(nlh, &s, &hard));
	assert_int_equal(s.level, 3);
	assert_int_equal(sad_pair(&s, true).scope.dport, 443);
	assert_int_equal(sad_pair(&s, false).scope.sport, 443);
	e->state.reqid = XFRM_REQID + SCOPE_LEVELS;
	assert_false(sad_parse_message(nlh, &s, &hard));
	e->state.reqid = XFRM_REQID;
	e->state.mode = XFRM_MODE_TUNNEL;
	assert_false(sad_parse_message(nlh, &s, &hard));
}

/* Cut at every byte, on the heap to its end; libmnl counts messages in multiples of four bytes, as
 * the kernel sends them. */
static void test_truncated(void **state)
{
	static const uint16_t types[] = {
		XFRM_MSG_NEWPOLICY, XFRM_MSG_POLEXPIRE, XFRM_MSG_NEWSA, XFRM_MSG_EXPIRE};
	struct xfrm_mark mark = {0};
	struct spd_value value;
	struct sad_state s;
	struct spd_key key;
	bool hard;

	(void)state;
	put_policy();
	put_template(XFRM_REQID);
	mnl_attr_put(nlh, XFRMA_MARK, sizeof(mark), &mark);
	for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++)
		for (uint32_t len = NLMSG_HDRLEN; len <= nlh->nlmsg_len; len++) {
			struct nlmsghdr *cut = calloc(1, NLMSG_ALIGN(len));

			assert_non_null(cut);
			memcpy(cut, nlh, len);
			cut->nlmsg_len = len;
			cut->nlmsg_type = types[t];
			if (policy_parse_message(cut, &key, &value, &hard))
				assert_true(
					len >= NLMSG_HDRLEN + sizeof(struct xfrm_userpolicy_info));
			if (sad_parse_message(cut, &s, &hard))
				assert_true(len >= NLMSG_HDRLEN + sizeof(struct xfrm_usersa_info));
			free(cut);
		}
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_policy),
		TEST(test_policy_of_another),
		TEST(test_state),
		TEST(test_truncated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
