/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A key's replacement in virtual time: whoever looks at any second, and keeps what was found for as long
 * as its TTL lets (or oed's own bounds), can verify what the host signs with at every later second.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl/rollover.h"

#define START UINT64_C(1700000000)

enum { OLD = 1, NEW = 2 };

/* What DNS has and what the host signs with, second by second. */
struct history {
	size_t n;
	uint8_t *published; /* OLD | NEW */
	uint8_t *signs;
};

static struct rollover begun(uint32_t ttl)
{
	struct rollover r = {.ttl = ttl,
		.precedence = 10,
		.name = "ed25519",
		.old_key = "SHA256:o",
		.new_key = "SHA256:n",
		.n_owners = 1,
		.owner = {"1.113.0.203.in-addr.arpa."}};

	assert_int_equal(rollover_advance(&r, ROLLOVER_MADE, START), 0);
	return r;
}

/* Plays it to the end: the admin (or cron) comes every `pace` seconds and does what is next, once. A
 * change of DNS takes `lag` seconds to be everywhere. */
static struct history play(uint32_t ttl, uint64_t pace, uint64_t lag, uint64_t seconds)
{
	struct rollover r = begun(ttl);
	struct history h = {
		.n = seconds, .published = calloc(seconds, 1), .signs = calloc(seconds, 1)};
	uint8_t published = OLD, signs = OLD;
	uint64_t change_at = UINT64_MAX;
	uint8_t change_to = 0;

	for (uint64_t t = 0; t < seconds; t++) {
		if (t >= change_at) {
			published = change_to;
			change_at = UINT64_MAX;
		}
		if (t % pace == 0) {
			switch (rollover_next(&r, START + t)) {
			case ROLLOVER_DO_PUBLISH:
				change_to = OLD | NEW;
				change_at = t + lag;
				rollover_advance(&r, ROLLOVER_PUBLISHED, START + t);
				break;
			case ROLLOVER_DO_SWITCH:
				signs = NEW;
				rollover_advance(&r, ROLLOVER_SWITCHED, START + t);
				break;
			case ROLLOVER_DO_REMOVE:
				change_to = NEW;
				change_at = t + lag;
				rollover_advance(&r, ROLLOVER_REMOVED, START + t);
				break;
			case ROLLOVER_DO_FINISH:
				r.step = ROLLOVER_NONE;
				break;
			case ROLLOVER_DO_NOTHING:
			case ROLLOVER_DO_WAIT:
				break;
			}
		}
		h.published[t] = published;
		h.signs[t] = signs;
	}
	assert_int_equal(r.step, ROLLOVER_NONE);
	assert_int_equal(published, NEW);
	assert_int_equal(signs, NEW);
	return h;
}

static void nobody_is_left_out(const struct history *h, uint64_t kept)
{
	for (uint64_t looked = 0; looked < h->n; looked++)
		for (uint64_t t = looked; t < h->n && t <= looked + kept; t++)
			if (!(h->published[looked] & h->signs[t]))
				fail_msg("who looked at second %lu cannot verify us at %lu",
					(unsigned long)looked, (unsigned long)t);
}

static void test_nobody_is_left_out(void **state)
{
	static const uint32_t ttls[] = {1, 59, 60, 61, 300, 3600};
	static const uint64_t paces[] = {1, 7, 100, 1000};
	static const uint64_t lags[] = {0, 1, ROLLOVER_MARGIN};

	(void)state;
	for (size_t i = 0; i < sizeof(ttls) / sizeof(ttls[0]); i++)
		for (size_t j = 0; j < sizeof(paces) / sizeof(paces[0]); j++)
			for (size_t k = 0; k < sizeof(lags) / sizeof(lags[0]); k++) {
				/* oed's own bound, where the TTL is short */
				uint64_t kept = ttls[i] < 60 ? 60 : ttls[i];
				struct history h = play(
					ttls[i], paces[j], lags[k], 3 * kept + 6 * paces[j] + 200);

				nobody_is_left_out(&h, kept - 1);
				free(h.published);
				free(h.signs);
			}
}

/* It waits as long as is needed, and not much longer. */
static void test_due(void **state)
{
	struct rollover r = begun(3600);

	(void)state;
	assert_int_equal(rollover_due(&r), 0);
	assert_int_equal(rollover_next(&r, START), ROLLOVER_DO_PUBLISH);
	rollover_advance(&r, ROLLOVER_PUBLISHED, START + 5);
	assert_int_equal(rollover_due(&r), START + 5 + 3600 + ROLLOVER_MARGIN);
	assert_int_equal(rollover_next(&r, rollover_due(&r) - 1), ROLLOVER_DO_WAIT);
	assert_int_equal(rollover_next(&r, rollover_due(&r)), ROLLOVER_DO_SWITCH);
	/* a clock that was put back waits; nothing is done too early */
	assert_int_equal(rollover_next(&r, START - 100000), ROLLOVER_DO_WAIT);
}

/* Steps are done one after the other; it can be taken back until the new key is shown. */
static void test_order(void **state)
{
	struct rollover r = {0};

	(void)state;
	assert_int_equal(rollover_next(&r, START), ROLLOVER_DO_NOTHING);
	assert_false(rollover_can_abort(&r));
	assert_int_equal(rollover_advance(&r, ROLLOVER_PUBLISHED, START), -EINVAL);
	assert_int_equal(rollover_advance(&r, ROLLOVER_MADE, START), 0);
	assert_true(rollover_can_abort(&r));
	assert_int_equal(rollover_advance(&r, ROLLOVER_SWITCHED, START), -EINVAL);
	assert_int_equal(rollover_advance(&r, ROLLOVER_MADE, START), -EINVAL);
	assert_int_equal(rollover_advance(&r, ROLLOVER_PUBLISHED, START), 0);
	assert_true(rollover_can_abort(&r));
	assert_int_equal(rollover_advance(&r, ROLLOVER_SWITCHED, START), 0);
	assert_false(rollover_can_abort(&r));
	assert_int_equal(rollover_next(&r, START), ROLLOVER_DO_REMOVE);
	assert_int_equal(rollover_advance(&r, ROLLOVER_REMOVED, START), 0);
	assert_int_equal(rollover_next(&r, START), ROLLOVER_DO_FINISH);
	assert_int_equal(rollover_advance(&r, ROLLOVER_NONE, START), -EINVAL);
}

/* ---- the file */

static void test_text(void **state)
{
	struct rollover r = begun(300), back = {0};
	char *text;

	(void)state;
	r.by_hand = true;
	for (int step = ROLLOVER_MADE; step <= ROLLOVER_REMOVED; step++) {
		r.step = (enum rollover_step)step;
		text = rollover_format(&r);
		assert_int_equal(rollover_parse(text, &back), 0);
		assert_memory_equal(&back, &r, sizeof(r));
		free(text);
	}
}

static void replaced(const char *from, const char *to)
{
	struct rollover r = begun(300), back = {.ttl = 7};
	char *text = rollover_format(&r), *at = strstr(text, from), changed[4000];

	assert_non_null(at);
	snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(at - text), text, to,
		at + strlen(from));
	assert_int_equal(rollover_parse(changed, &back), -EBADMSG);
	assert_int_equal(back.ttl, 7);
	free(text);
}

static void test_bad_text(void **state)
{
	struct rollover r;

	(void)state;
	assert_int_equal(rollover_parse("", &r), -EBADMSG);
	assert_int_equal(rollover_parse("[]", &r), -EBADMSG);
	assert_int_equal(rollover_parse("{}", &r), -EBADMSG);
	replaced("\"made\"", "\"none\"");
	replaced("\"made\"", "\"done\"");
	replaced("\"made\"", "2");
	replaced("\"format\": 1", "\"format\": 2");
	replaced("\"ttl\": 300", "\"ttl\": -1");
	replaced("\"ttl\": 300", "\"ttl\": 4294967296");
	replaced("\"precedence\": 10", "\"precedence\": 256");
	replaced("\"ed25519\"", "\"../ed25519\"");
	replaced("\"SHA256:n\"", "\"\"");
	replaced("\"1.113.0.203.in-addr.arpa.\"", "");
	replaced("\"1.113.0.203.in-addr.arpa.\"", "3");
}

static void test_file(void **state)
{
	char dir[] = "/tmp/test_rollover.XXXXXX", path[100];
	struct rollover r = begun(300), back = {.ttl = 7};
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/rollover.json", dir);
	assert_int_equal(rollover_load(dir, &back), 0);
	assert_int_equal(back.step, ROLLOVER_NONE);
	assert_int_equal(rollover_save(dir, &r), 0);
	r.step = ROLLOVER_SWITCHED;
	assert_int_equal(rollover_save(dir, &r), 0);
	assert_int_equal(rollover_load(dir, &back), 0);
	assert_memory_equal(&back, &r, sizeof(r));
	f = fopen(path, "w");
	fputs("{\"step\":", f);
	fclose(f);
	assert_int_equal(rollover_load(dir, &back), -EBADMSG);
	r.step = ROLLOVER_NONE;
	assert_int_equal(rollover_save(dir, &r), 0);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(rollover_save(dir, &r), 0);
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(rollover_save(dir, &r), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody_is_left_out),
		cmocka_unit_test(test_due),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_bad_text),
		cmocka_unit_test(test_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
