/* SPDX-License-Identifier: BSD-2-Clause */
/* oed.conf: what is taken is within the ranges that agent/conf.h promises. */
#include <string.h>

#include "agent/conf.h"
#include "tests/fuzz/fuzz.h"

static size_t errors;

static void on_error(void *arg, const char *text)
{
	(void)arg;
	expect(strlen(text) > 0 && strchr(text, '\n') == NULL);
	errors++;
}

static void check(const struct conf *c)
{
	expect(c->log_level <= LOG_LEVEL_DEBUG && c->dns_port);
	expect(memchr(c->ike_identity, 0, sizeof(c->ike_identity)) != NULL);
	expect(memchr(c->control_group, 0, sizeof(c->control_group)) != NULL);
	expect(memchr(c->control_hint_group, 0, sizeof(c->control_hint_group)) != NULL);
	expect(c->dns_resolved_monitor <= CONF_RESOLVED_HINTS);
	expect(memchr(c->dns_trust_anchor_file, 0, sizeof(c->dns_trust_anchor_file)) != NULL);
	expect(c->ike_retransmits >= 1 && c->ike_retransmits <= 20);
	expect(c->ike_cookie_above <= c->ike_half_open_max && c->ike_half_open_max <= 1000000);
	expect(c->hold_packets_per_peer <= c->hold_packets && c->hold_packets <= 65536);
	expect(c->dns_negative_ttl_min_s <= c->dns_negative_ttl_max_s);
	for (int i = 0; i < POL_N_GROUPS; i++)
		expect(c->group[i].retry_after_s <= c->group[i].retry_max_s &&
			c->group[i].anonymous <= CONF_ANON_INITIATE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = (char *)fuzz_copy(data, len);
	struct conf c;

	errors = 0;
	if (conf_parse("oed.conf", text, len, on_error, NULL, &c) == 0) {
		expect(!errors);
		check(&c);
	} else {
		expect(errors > 0);
	}
	free(text);
	return 0;
}
