/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What `oectl key publish` and `key rollover` read. The first byte says what it is: 0 a name server's
 * message, 1 a file with a TSIG key, 2 rollover.json.
 */
#include <string.h>

#include "ctl/dnsask.h"
#include "ctl/rollover.h"
#include "ctl/tsig.h"
#include "ctl/update.h"
#include "tests/fuzz/fuzz.h"

static void check_name(const struct dname *name)
{
	char text[DNAME_TEXT_MAX];

	expect(name->len > 0 && name->b[name->len - 1] == 0);
	dname_format(name, text);
	expect(memchr(text, 0, sizeof(text)) != NULL);
	for (const char *p = text; *p; p++)
		expect(*p > ' ' && *p <= '~');
	expect(dname_within(name, &(struct dname){.len = 1}));
}

/* Planned from it, written, and read again: what was there is there, but for what we changed. */
static void replan(const struct update_rrset *seen, const struct dname *name)
{
	static const struct keytool_public key = {.algorithm = KEYTOOL_EDDSA, .field_len = 32};
	static uint8_t buf[DNSMSG_MAX];
	static struct update_plan plan;
	struct wire_writer w = wire_writer(buf, sizeof(buf));
	struct dname zone = {.len = 1};

	memset(&plan, 0, sizeof(plan));
	plan.ttl = 60;
	update_want(&plan, seen, &key, 10);
	for (size_t i = 0; i < plan.n_remove; i++)
		expect(update_is_key(&plan.remove[i], &key));
	update_put(&w, 1, &zone, name, seen, &plan);
	expect(!w.bad || seen->n > 8);
}

static void read_message(const uint8_t *data, size_t len)
{
	static struct update_rrset set;
	struct tsig_key key = {.algorithm = &tsig_algorithms[0], .len = 32};
	struct tsig_mac mac = {.len = 32};
	struct dns_zone zone = {0};
	struct dname name;

	dname_parse("q.lab", &name);
	dname_parse("k.lab", &key.name);
	if (dnsask_read_zone(data, len, &name, &zone) == 0) {
		check_name(&zone.name);
		check_name(&zone.zone);
		check_name(&zone.primary);
		expect(dname_within(&zone.name, &zone.zone));
	}
	if (update_read(data, len, &name, &set) == 0) {
		expect(set.n > 0 && set.n <= UPDATE_RECORDS_MAX);
		replan(&set, &name);
	}
	/* nobody guesses a MAC */
	expect(tsig_verify(data, len, &key, &mac, 1700000000, NULL) != TSIG_GOOD);
}

static void read_key_file(const uint8_t *data, size_t len)
{
	char why[TSIG_WHY_MAX] = "";
	struct tsig_key key;

	if (tsig_parse("f", (const char *)data, len, &key, why) < 0) {
		expect(!strncmp(why, "f:", 2) && memchr(why, 0, sizeof(why)) != NULL);
		return;
	}
	check_name(&key.name);
	expect(key.algorithm && key.len >= 16 && key.len <= sizeof(key.secret));
}

static void read_rollover(const uint8_t *data, size_t len)
{
	struct rollover r, again = {0};
	char *text = malloc(len + 1), *out;

	memcpy(text, data, len);
	text[len] = '\0';
	if (rollover_parse(text, &r) == 0) {
		expect(r.step > ROLLOVER_NONE && r.step <= ROLLOVER_REMOVED && r.n_owners > 0);
		expect(rollover_next(&r, 0) != ROLLOVER_DO_NOTHING);
		out = rollover_format(&r);
		expect(out && rollover_parse(out, &again) == 0 && again.step == r.step &&
			rollover_due(&again) == rollover_due(&r) && again.n_owners == r.n_owners);
		free(out);
	}
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *copy;

	if (!len)
		return 0;
	copy = fuzz_copy(data + 1, len - 1);
	switch (data[0] % 3) {
	case 0:
		read_message(copy, len - 1);
		break;
	case 1:
		read_key_file(copy, len - 1);
		break;
	case 2:
		read_rollover(copy, len - 1);
		break;
	}
	free(copy);
	return 0;
}
