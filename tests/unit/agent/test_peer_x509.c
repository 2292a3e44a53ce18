/* SPDX-License-Identifier: BSD-2-Clause */
/* A peer that proves itself by certificates, as the agent sees it: what goes along to the ike
 * service, what it tells of it, and what an expiry does. */
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/explain.h"
#include "tests/unit/agent/peer_world.h"
#include "tests/unit/ike/certs.h"

#define AGE (3650 * DAY)

static char dir[] = "/tmp/oed-x509-XXXXXX";

static void write_cert(const char *name, X509 *cert)
{
	char path[100];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_true(f && PEM_write_X509(f, cert));
	fclose(f);
}

/* Host 2 is one. With no files, nobody can prove to be it. */
static struct manual *by_hand(const char *ca, size_t faults)
{
	struct manual *m = manual_new();
	char text[200];

	snprintf(text, sizeof(text),
		"[peer x]\naddress = 198.18.0.2\nauth = x509\nca = %s\ncertificate = own.pem\n",
		ca);
	assert_int_equal(
		manual_parse(m, NULL, dir, "x.conf", text, strlen(text), NULL, NULL), faults);
	assert_int_equal(manual_count(m), 1);
	return m;
}

static int begin(void **arg)
{
	struct cert_spec ca = {.cn = "CA", .ca = true, .from = -AGE, .to = 10 * AGE};
	struct cert_spec own = {.cn = "host", .from = -AGE, .to = 10 * AGE};

	(void)arg;
	if (!mkdtemp(dir))
		return -1;
	ca.key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	own.key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	own.issuer = cert_make(&ca);
	own.issuer_key = ca.key;
	X509 *cert = cert_make(&own);

	write_cert("ca.pem", own.issuer);
	write_cert("own.pem", cert);
	X509_free(own.issuer);
	X509_free(cert);
	EVP_PKEY_free(ca.key);
	EVP_PKEY_free(own.key);
	return 0;
}

static int finish(void **arg)
{
	char command[100];

	(void)arg;
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

/* Whether the journal of host 2 has a line with the text. */
static bool told(const struct world *w, const char *text)
{
	const struct pair pair = pair_of(2);
	const struct oe_peer *p = oe_peers_find(w->ps, &pair);
	char line[EXPLAIN_TEXT_MAX];

	for (size_t i = 0; i < journal_count(&p->journal); i++)
		if (strstr(explain_entry(p, journal_at(&p->journal, i), line), text))
			return true;
	return false;
}

static void certificate(struct world *w, uint32_t handle)
{
	struct ike_certificate c = {.handle = handle,
		.until = 1795219200, /* 2026-11-21 */
		.subject = "O=Test, CN=b",
		.ca = "O=Test, CN=CA"};

	event(w, IKE_EV_CERTIFICATE, &c);
}

static void test_exchange(void **arg)
{
	struct world *w = world("private");
	struct manual *m = by_hand("ca.pem", 0);
	struct ike_inbound in = {.handle = IKE_HANDLE_INBOUND | 1, .pair = pair_of(2)};
	struct ike_identity id = {.handle = in.handle, .id_type = 2, .id_len = 4, .id = "name"};
	const struct sent *s;
	size_t len;

	(void)arg;
	assert_non_null(certs_tail(manual_at(m, 0)->certs, &len));
	oe_peers_manual(w->ps, m, w->now);
	trap(w, 2);
	assert_false(was_sent(w, DNS_REQ_LOOKUP));
	s = last(w, IKE_REQ_CONNECT);
	assert_int_equal(s->m.connect.terms.n_cas, 1);
	assert_int_equal(s->m.connect.terms.n_own, 1);
	assert_int_equal(s->m.connect.allow, 0);
	assert_int_equal(s->m.connect.n_keys, 0);
	assert_int_equal(s->tail_len, len);
	assert_true(told(w, "which must prove a certificate of a CA in ca.pem"));
	certificate(w, s->m.connect.handle);
	come_up(w, s->m.connect.handle, 0x1000);
	assert_int_equal(state(w, 2), OE_PRIVATE);
	assert_true(
		told(w, "the peer's certificate is good (O=Test, CN=b), of the CA (O=Test, CN=CA), "
			"valid until 2026-11-21"));
	assert_true(told(w, "the peer proved its certificate"));
	/* it calls us: CERTREQ goes with the first answer */
	event(w, IKE_EV_INBOUND, &in);
	s = last(w, IKE_REQ_ACCEPT);
	assert_int_equal(s->m.accept.n_cas, 1);
	assert_int_equal(s->tail_len, IKE_CA_HASH_LEN);
	event(w, IKE_EV_IDENTITY, &id);
	s = last(w, IKE_REQ_AUTHORIZE);
	assert_int_equal(s->m.authorize.terms.n_cas, 1);
	assert_int_equal(s->tail_len, len);
	/* another host is not asked for one */
	in = (struct ike_inbound){.handle = IKE_HANDLE_INBOUND | 2, .pair = pair_of(3)};
	event(w, IKE_EV_INBOUND, &in);
	assert_int_equal(last(w, IKE_REQ_ACCEPT)->m.accept.n_cas, 0);
	end(w);
	manual_free(m);
}

/* The peer is one by hand all the same: no key of DNS, and no anonymous one, takes its place. */
static void test_no_files(void **arg)
{
	struct world *w = world("private-or-clear");
	struct manual *m = by_hand("none.pem", 1);
	const struct ike_connect *c;

	(void)arg;
	oe_peers_manual(w->ps, m, w->now);
	trap(w, 2);
	assert_false(was_sent(w, DNS_REQ_LOOKUP));
	c = &last(w, IKE_REQ_CONNECT)->m.connect;
	assert_int_equal(c->allow, 0);
	assert_int_equal(c->n_keys, 0);
	assert_int_equal(c->terms.n_cas, 0);
	assert_int_equal(last(w, IKE_REQ_CONNECT)->tail_len, 0);
	end(w);
	manual_free(m);
}

/* STALE begins anew while the old SA serves; where that fails the next packet waits again. */
static void test_expired(void **arg)
{
	struct world *w = world("private");
	struct manual *m = by_hand("ca.pem", 0);
	struct ike_stale stale;
	uint32_t handle;

	(void)arg;
	oe_peers_manual(w->ps, m, w->now);
	trap(w, 2);
	stale = (struct ike_stale){.handle = last(w, IKE_REQ_CONNECT)->m.connect.handle};
	certificate(w, stale.handle);
	come_up(w, stale.handle, 0x1000);
	w->n = 0;
	event(w, IKE_EV_STALE, &stale);
	handle = last(w, IKE_REQ_CONNECT)->m.connect.handle;
	assert_int_not_equal(handle, stale.handle);
	fail_ike(w, handle, IKE_FAIL_CERTIFICATE, IKE_EV_FAILED);
	assert_int_equal(state(w, 2), OE_PRIVATE);
	fail_ike(w, stale.handle, IKE_FAIL_EXPIRED, IKE_EV_DOWN);
	assert_int_not_equal(state(w, 2), OE_PRIVATE);
	assert_true(told(w, "EXPIRED"));
	trap(w, 2);
	assert_int_equal(state(w, 2), OE_NEGOTIATING);
	end(w);
	manual_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exchange),
		cmocka_unit_test(test_no_files),
		cmocka_unit_test(test_expired),
	};

	return cmocka_run_group_tests(tests, begin, finish);
}
