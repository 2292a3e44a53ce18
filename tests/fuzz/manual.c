/* SPDX-License-Identifier: BSD-2-Clause */
/* A file of peers.d: what is taken is within the ranges of agent/manual.h. */
#include "agent/manual.h"

#include <string.h>

#include "tests/fuzz/fuzz.h"

static size_t errors;

static void on_error(void *arg, const char *text)
{
	(void)arg;
	expect(strlen(text) > 0 && strchr(text, '\n') == NULL);
	errors++;
}

static void check_identity(const struct manual_identity *i)
{
	expect(i->how <= MANUAL_ID_GIVEN && i->len <= sizeof(i->id));
}

static void check(const struct manual *m, const struct manual_peer *p)
{
	struct ike_terms terms;
	char words[200];

	expect(p->auth >= MANUAL_PSK && p->auth <= MANUAL_X509 && !p->certs);
	expect(memchr(p->ca, 0, sizeof(p->ca)) && memchr(p->cert, 0, sizeof(p->cert)));
	expect(p->n_addrs >= 1 && p->n_addrs <= MANUAL_ADDRS_MAX && p->n_keys <= MANUAL_KEYS_MAX);
	expect(memchr(p->name, 0, sizeof(p->name)) && memchr(p->secret, 0, sizeof(p->secret)));
	check_identity(&p->self);
	check_identity(&p->peer);
	for (int i = 0; i < p->n_addrs; i++) {
		expect(prefix_valid(&p->addrs[i]));
		expect(manual_find(m, &p->addrs[i].addr) != NULL);
		manual_terms(p, &p->addrs[i].addr, &terms);
		expect(memchr(terms.psk, 0, sizeof(terms.psk)) && terms.self_len <= IKE_ID_MAX);
	}
	for (int i = 0; i < p->n_keys; i++)
		expect(p->keys[i].len > 0 && p->keys[i].len <= IKE_SPKI_MAX);
	expect(manual_same(p, p));
	expect(manual_words(p, words, sizeof(words)) == words);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct manual *m = manual_new(), *again = manual_new();
	char *text = (char *)fuzz_copy(data, len);
	size_t refused, once;

	errors = 0;
	refused = manual_parse(m, NULL, NULL, "peers.d/a.conf", text, len, on_error, NULL);
	once = errors;
	expect(!refused == !errors);
	for (size_t i = 0; i < manual_count(m); i++)
		check(m, manual_at(m, i));
	/* what is good is so again; what is faulty may keep what it had */
	(void)manual_parse(again, m, NULL, "peers.d/a.conf", text, len, on_error, NULL);
	expect(refused ? errors > once
		       : errors == once && manual_count(again) == manual_count(m));
	for (size_t i = 0; i < manual_count(again); i++)
		check(again, manual_at(again, i));
	manual_free(m);
	manual_free(again);
	free(text);
	return 0;
}
