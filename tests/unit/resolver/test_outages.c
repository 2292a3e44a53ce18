/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The resolver service when DNS is down, slow, comes and goes, or is another one in the middle of 200
 * lookups: each lookup gets one answer, of the class that is true of the path and never one about the
 * zone, and nothing is left over. Under ASan the service's end looks for leaks, too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/service.h"
#include "resolver/lookup.h"
#include "tests/unit/resolver/rig.h"

#define MANY 200

static uint32_t many[MANY];

/* Names of the same zone, all with a key; on nobody's budget. */
static void ask(unsigned int i)
{
	char addr[16];

	snprintf(addr, sizeof(addr), "198.18.2.%u", i);
	many[i] = rig_ask_for(DNS_FROM_HOST, DNS_ASK_REVERSE, addr, NULL);
}

static void ask_many(void)
{
	for (unsigned int i = 0; i < MANY; i++)
		ask(i);
}

static unsigned int n_answered(void)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < MANY; i++)
		n += rig.answers[many[i]].times;
	return n;
}

/* Waits for all; each has one answer, either the key or that DNS does not work. Returns how many have
 * the key. */
static unsigned int await_many(unsigned int ms)
{
	uint64_t end = service_now() + ms * UINT64_C(1000);
	unsigned int keys = 0;

	while (n_answered() < MANY && service_now() < end)
		rig_run(20);
	/* an answer too many would come now */
	rig_run(200);
	for (unsigned int i = 0; i < MANY; i++) {
		const struct rig_answer *r = &rig.answers[many[i]];

		if (r->times != 1)
			fail_msg("lookup %u has %u answers", i, r->times);
		if (r->a.class != DNS_FAILED && r->a.class != DNS_UNAVAILABLE)
			rig_assert_class(r, DNS_KEYS);
		keys += r->a.class == DNS_KEYS;
	}
	return keys;
}

/* All as it should be again, and nothing left of what was. */
static void works_again(unsigned int fds)
{
	rig_settle_behind_proxy();
	ask_many();
	assert_int_equal(await_many(5000), MANY);
	/* libunbound gives its sockets back one by one */
	rig_run(1000);
	if (rig_fds() > fds + 2)
		fail_msg("%u descriptors, before there were %u", rig_fds(), fds);
}

/* ---- slow, and now and then */

/* Every answer takes 2 s. That is not "DNSSEC unavailable", nor wrong of any zone; it takes as long as
 * it takes, and what was learnt meanwhile is not lost. */
static void slow(void **state)
{
	struct dns_config c = rig_settings(rig.proxy_port);
	unsigned int fds, ready, keys;

	(void)state;
	rig_settle_behind_proxy();
	REVERSE("198.18.2.200");
	fds = rig_fds();
	rig.proxy->delay_ms = 2000;
	ask_many();
	rig_run(1500);
	assert_int_equal(n_answered(), 0);
	/* all, but for a machine that is slow itself */
	keys = await_many(11000);
	assert_in_range(keys, MANY * 3 / 4, MANY);
	/* from nothing: a probe takes three round trips, the chain of a name eight or so */
	rig_configure(&c);
	if (!rig.ready.dnssec)
		rig_await_ready(15000);
	assert_int_equal(rig.ready.dnssec, 1);
	ready = rig.n_ready;
	keys = 0;
	for (int round = 0; round < 4 && keys < MANY; round++) {
		ask_many();
		keys = await_many(11000);
	}
	assert_int_equal(keys, MANY);
	assert_int_equal(rig.n_ready, ready);
	works_again(fds);
}

/* DNS is there for a moment and away for a moment, while lookups come. */
static void flapping(void **state)
{
	unsigned int fds, keys;

	(void)state;
	rig_settle_behind_proxy();
	REVERSE("198.18.2.200");
	fds = rig_fds();
	for (unsigned int i = 0; i < MANY; i++) {
		rig.proxy->drop_all = i / 20 % 2 == 0;
		ask(i);
		rig_run(30);
	}
	rig.proxy->drop_all = false;
	keys = await_many(11000);
	print_message("# flapping: %u of %u have the key\n", keys, MANY);
	assert_in_range(keys, MANY / 2, MANY);
	works_again(fds);
}

/* It goes away under 200 lookups, and comes back. */
static void down(void **state)
{
	unsigned int fds, keys;

	(void)state;
	rig_settle_behind_proxy();
	REVERSE("198.18.2.200");
	fds = rig_fds();
	for (unsigned int i = 0; i < MANY; i++) {
		rig.proxy->drop_all = i >= MANY / 2;
		ask(i);
		if (i == MANY / 2 - 1)
			rig_run(1000);
	}
	keys = await_many(11000);
	assert_int_equal(keys, MANY / 2);
	for (unsigned int i = MANY / 2; i < MANY; i++) {
		rig_assert_class(&rig.answers[many[i]], DNS_FAILED);
		assert_string_equal(rig.answers[many[i]].a.why, "no answer");
	}
	works_again(fds);
}

/* More wait than may: the rest is refused at once, and nobody who waits loses his place. */
static void full(void **state)
{
	uint32_t first = 0, last = 0;

	(void)state;
	rig_settle_behind_proxy();
	rig.proxy->drop_all = true;
	for (unsigned int i = 0; i < LOOKUP_MAX + 8; i++) {
		last = rig_ask_for(DNS_FROM_HOST, DNS_ASK_REVERSE, "198.18.2.7", NULL);
		first = i ? first : last;
	}
	rig_assert_class(rig_await(last, 5000), DNS_LIMITED);
	assert_string_equal(rig.answers[last].a.why, "too many lookups wait");
	for (uint32_t id = first; id < first + LOOKUP_MAX; id++)
		assert_int_equal(rig.answers[id].times, 0);
	rig_run(1200);
	assert_int_equal(rig.stats.limited_full, 8);
	rig_settle();
	for (uint32_t id = first; id < first + LOOKUP_MAX; id++)
		rig_assert_class(rig_await(id, 5000), DNS_KEYS);
}

/* ---- another path */

/* Forwarders change while 200 questions are on their way to one that swallows them. */
static void new_settings_midway(void **state)
{
	(void)state;
	rig_settle_behind_proxy();
	rig.proxy->drop_all = true;
	ask_many();
	rig_run(200);
	assert_int_equal(n_answered(), 0);
	rig_settle();
	assert_int_equal(await_many(3000), MANY);
}

/* They change again and again: to one that works, one that takes its time, one where nobody is. */
static void settings_again_and_again(void **state)
{
	uint16_t ports[] = {rig.nsd_port, rig.proxy_port, 9};
	unsigned int fds, keys;

	(void)state;
	rig_settle_behind_proxy();
	REVERSE("198.18.2.200");
	fds = rig_fds();
	rig.proxy->delay_ms = 50;
	for (unsigned int i = 0; i < MANY; i++) {
		struct dns_config c = rig_settings(ports[i / 10 % 3]);

		if (i % 10 == 0)
			rig_send_config(&c);
		ask(i);
		rig_run(20);
	}
	/* the last one works; who answers its READY is not asked for by number here */
	rig_run(3000);
	keys = await_many(5000);
	print_message("# settings again and again: %u of %u have the key\n", keys, MANY);
	assert_in_range(keys, MANY / 2, MANY);
	for (unsigned int i = 0; i < MANY; i++)
		if (rig.answers[many[i]].a.class != DNS_KEYS)
			rig_assert_class(&rig.answers[many[i]], DNS_UNAVAILABLE);
	works_again(fds);
}

/* ---- when DNS does not work */

/* Zones fail one after another, but not DNS: a new context takes over and nobody notices. */
static void failing_zones(void **state)
{
	unsigned int ready;
	uint32_t slow, before;

	(void)state;
	rig_settle_behind_proxy();
	ready = rig.n_ready;
	/* the next probe is not made before */
	rig_run(10200);
	REVERSE("198.18.0.1");
	slow = rig_ask(DNS_ASK_REVERSE, "198.18.2.39", NULL);
	rig_run(50);
	before = rig.proxy->queries;
	rig_assert_class(REVERSE("198.19.5.1"), DNS_BOGUS);
	rig_assert_class(REVERSE("198.19.5.9"), DNS_BOGUS);
	rig_assert_class(REVERSE("198.19.5.10"), DNS_BOGUS);
	rig_run(100);
	/* the slow one was asked again, of the new context */
	assert_true(rig.proxy->queries > before);
	rig_assert_class(rig_await(slow, 2000), DNS_KEYS);
	/* whose cache is empty */
	assert_int_equal(REVERSE("198.18.0.1")->a.cached, 0);
	assert_int_equal(rig.answers[slow].times, 1);
	assert_int_equal(rig.n_ready, ready);
}

static void no_dnssec(void **state)
{
	struct dns_config c = rig_settings(rig.proxy_port);
	const struct rig_answer *r;

	(void)state;
	rig.proxy->strip_dnssec = true;
	rig_configure(&c);
	assert_int_equal(rig.ready.error, 0);
	assert_int_equal(rig.ready.dnssec, 0);
	assert_true(rig.ready.why[0] != '\0');
	r = REVERSE("198.18.0.1");
	rig_assert_class(r, DNS_UNAVAILABLE);
	assert_string_equal(r->a.why, rig.ready.why);
	/* and it finds out by itself when it is back */
	rig.proxy->strip_dnssec = false;
	rig_await_ready(8000);
	assert_int_equal(rig.ready.dnssec, 1);
	rig_assert_class(REVERSE("198.18.0.1"), DNS_KEYS);
}

static void nobody_there(void **state)
{
	struct dns_config c = rig_settings(rig.proxy_port);
	uint32_t early;

	(void)state;
	rig.proxy->drop_all = true;
	early = rig_ask(DNS_ASK_REVERSE, "198.18.0.77", NULL);
	rig_configure(&c);
	assert_int_equal(rig.ready.dnssec, 0);
	assert_non_null(strstr(rig.ready.why, "127.0.0.1"));
	rig_assert_class(rig_await(early, 1000), DNS_UNAVAILABLE);
	rig_settle();
}

/* Some names get no answer: each fails at its deadline, asked or still in line. Then nothing at all gets an answer, and the resolver finds that out. */
static void black_hole(void **state)
{
	enum { LOTS = 600 };
	static uint32_t ids[LOTS];
	unsigned int early = 0, late = 0;
	uint64_t started;
	uint32_t last;

	(void)state;
	rig_settle_behind_proxy();
	started = service_now();
	REVERSE("198.18.0.1");
	for (unsigned int i = 0; i < LOTS; i++) {
		char name[64];

		if (i == 500)
			rig_assert_class(REVERSE("198.18.0.3"), DNS_KEYS);
		snprintf(name, sizeof(name), "%u.3.%u.18.198.in-addr.arpa", i % 250, 3 + i / 250);
		ids[i] = rig_ask(DNS_ASK_NAME, name, NULL);
	}
	rig_run(1000);
	for (unsigned int i = 0; i < LOTS; i++)
		early += rig.answers[ids[i]].times;
	assert_int_equal(early, 0);
	last = rig_ask(DNS_ASK_NAME, "0.3.3.18.198.in-addr.arpa", NULL);
	rig.proxy->drop_all = true;
	for (unsigned int i = 0; i < LOTS; i++) {
		const struct rig_answer *r = rig_await(ids[i], 12000);

		rig_assert_class(r, DNS_FAILED);
		late += !strcmp(r->a.why, "no answer");
		assert_in_range(r->a.took_us, 9900000, 11000000);
	}
	assert_int_equal(late, LOTS);
	rig_await_ready(30000);
	assert_int_equal(rig.ready.dnssec, 0);
	rig_await(last, 1);
	rig.proxy->drop_all = false;
	rig_await_ready(8000);
	assert_int_equal(rig.ready.dnssec, 1);
	rig_assert_class(REVERSE("198.18.0.2"), DNS_KEYS);
	print_message("# black hole: %lu ms\n", (service_now() - started) / 1000);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(slow),
		cmocka_unit_test(flapping),
		cmocka_unit_test(down),
		cmocka_unit_test(full),
		cmocka_unit_test(new_settings_midway),
		cmocka_unit_test(settings_again_and_again),
		cmocka_unit_test(failing_zones),
		cmocka_unit_test(no_dnssec),
		cmocka_unit_test(nobody_there),
		cmocka_unit_test(black_hole),
	};

	return cmocka_run_group_tests(tests, rig_up, rig_down);
}
