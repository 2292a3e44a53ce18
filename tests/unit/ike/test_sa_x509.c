/* SPDX-License-Identifier: BSD-2-Clause */
/* IKE SAs by certificates, whole: two cores in one process. What a certificate must be is tested in
 * test_cert.c; here that each side of an exchange asks for it, and what comes of it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ike/cert.h"
#include "ike/sa.h"
#include "tests/unit/ike/certs.h"
#include "tests/unit/ike/test_sa_world.h"

/* Each host's key. */
static const enum test_key own_key[HOSTS] = {KEY_ED25519, KEY_P256};
static const char *const ips[HOSTS] = {"IP:198.18.1.10", "IP:198.18.2.20"};

static X509 *new_root(void)
{
	struct cert_spec spec = {.key = world_key(KEY_P384), .cn = "Root", .ca = true};

	return cert_make(&spec);
}

/* A certificate of host i as spec says, by the root. */
static X509 *host_cert(X509 *root, int i, const struct cert_spec *spec)
{
	struct cert_spec s = *spec;

	s.key = s.key ? s.key : world_key(own_key[i]);
	s.cn = i ? "b" : "a";
	s.issuer = root;
	s.issuer_key = world_key(KEY_P384);
	s.san = s.san ? s.san : ips[i];
	return cert_make(&s);
}

/* What a host trusts, and shows. */
static void set_certs(struct host *h, X509 *ca, X509 *own)
{
	h->certs_len = cert_put(h->certs, 0, ca);
	h->certs_len = cert_put(h->certs, h->certs_len, own);
	h->terms.n_cas = h->terms.n_own = 1;
	assert_int_equal(ike_cert_key_hash(ca, h->ca_hashes), 0);
}

static void set_id(struct host *h, bool self, uint8_t type, const void *id, size_t len)
{
	struct ike_terms *t = &h->terms;

	memcpy(self ? t->self_id : t->peer_id, id, len);
	*(self ? &t->self_type : &t->peer_type) = type;
	*(self ? &t->self_len : &t->peer_len) = (uint16_t)len;
}

/* Both trust one root, and expect the other's address. */
static struct world *world_x509(const struct cert_spec *a, const struct cert_spec *b)
{
	static const struct cert_spec usual;
	const struct cert_spec *specs[HOSTS] = {a ? a : &usual, b ? b : &usual};
	struct world *w = world_new();
	X509 *root = new_root();

	for (int i = 0; i < HOSTS; i++) {
		struct host *h = &w->host[i];
		X509 *cert = host_cert(root, i, specs[i]);

		h->own[0] = world_key(own_key[i]);
		h->n_own = 1;
		host_own_keys(h);
		set_certs(h, root, cert);
		set_id(h, false, IKE_ID_IPV4_ADDR, w->host[!i].addr.b, 4);
		X509_free(cert);
	}
	X509_free(root);
	return w;
}

static void assert_x509(const struct world *w)
{
	for (int i = 0; i < HOSTS; i++) {
		assert_int_equal(w->host[i].up.auth_peer, IKE_AUTH_SIGNATURE);
		assert_int_equal(w->host[i].up.auth_self, IKE_AUTH_SIGNATURE);
		assert_int_equal(w->host[i].certificates, 1);
		assert_string_equal(w->host[i].certificate.ca, "O=Test, CN=Root");
		assert_int_equal(w->host[i].certificate.until, WORLD_EPOCH + 300 * DAY);
	}
	assert_string_equal(w->host[A].certificate.subject, "O=Test, CN=b");
	assert_string_equal(w->host[B].certificate.subject, "O=Test, CN=a");
}

/* The one side refuses, the other one hears of it. */
static void assert_refused_by(struct world *w, int host, enum ike_failure code, const char *why)
{
	world_try(w);
	assert_string_equal(w->host[host].failed.why, why);
	assert_failed(&w->host[host], code, IKE_N_AUTHENTICATION_FAILED);
	if (host == A) /* B was up until it was told */
		assert_int_equal(w->host[B].downs, w->host[B].ups);
	else
		assert_failed(&w->host[A], IKE_FAIL_SELF_REFUSED, IKE_N_AUTHENTICATION_FAILED);
	assert_int_equal(w->host[host].certificates, 0);
	assert_empty(w);
}

/* Counts CERT and CERTREQ as they pass. */
static enum fate count_requests(struct world *w, struct packet *p)
{
	unsigned int *n = w->tamper_arg;
	struct ike_payloads payloads;
	struct ike_header h;

	if (ike_header_parse(p->data, p->len, &h) == IKE_PARSE_OK &&
		ike_payloads_parse(h.next, p->data + IKE_HEADER_LEN, p->len - IKE_HEADER_LEN, false,
			&payloads) == IKE_PARSE_OK)
		*n += ike_payloads_count(&payloads, IKE_PL_CERTREQ);
	return PASS;
}

static void good(void **state)
{
	struct world *w = world_x509(NULL, NULL);
	unsigned int requests = 0;

	(void)state;
	w->tamper = count_requests;
	w->tamper_arg = &requests;
	world_try(w);
	assert_x509(w);
	assert_string_equal(w->host[B].up.peer_id, "198.18.1.10");
	assert_private(w, 1);
	/* the responder asks in IKE_SA_INIT, in clear; the initiator in IKE_AUTH */
	assert_int_equal(requests, 1);
	world_free(w);
}

/* The keys that DNS, or anybody, gives besides are of no use. */
static void not_by_keys(void **state)
{
	struct world *w = world_x509(NULL, NULL);

	(void)state;
	for (int i = 0; i < HOSTS; i++) {
		w->host[i].peer[0] = world_key(own_key[!i]);
		w->host[i].n_peer = 1;
	}
	w->host[B].terms.n_cas = w->host[B].terms.n_own = 0;
	w->host[B].certs_len = 0;
	world_try(w);
	assert_failed(&w->host[A], IKE_FAIL_CERTIFICATE, IKE_N_AUTHENTICATION_FAILED);
	assert_string_equal(w->host[A].failed.why, "the peer sends no certificate");
	assert_empty(w);
}

/* All types of keys, also by methods 9 to 11. */
static void key_types(void **state)
{
	(void)state;
	for (int old = 0; old < 2; old++)
		for (enum test_key k = old ? KEY_P256 : KEY_ED25519;
			k < (old ? KEY_ED448 : KEY_TYPES); k++) {
			struct cert_spec spec = {.key = world_key(k)};
			struct world *w = world_x509(&spec, &spec);

			for (int i = 0; i < HOSTS; i++) {
				/* it is the one that the certificate is for, not the best one */
				w->host[i].own[0] = world_key(KEY_ED25519_B);
				w->host[i].own[1] = world_key(k);
				w->host[i].n_own = 2;
				host_own_keys(&w->host[i]);
				if (old)
					w->host[i].core->hashes = 0;
			}
			world_try(w);
			assert_x509(w);
			assert_private(w, 1);
			world_free(w);
		}
}

static enum fate one_lost(struct world *w, struct packet *p)
{
	return p->number == w->tamper_n ? DROP : PASS;
}

static void loss(void **state)
{
	(void)state;
	for (unsigned int lost = 0; lost < 4; lost++) {
		struct world *w = world_x509(NULL, NULL);

		w->tamper = one_lost;
		w->tamper_n = lost;
		world_try(w);
		assert_x509(w);
		assert_private(w, 1);
		world_free(w);
	}
}

/* ---- what is refused */

static void expired(void **state)
{
	struct cert_spec late = {.to = -DAY};

	(void)state;
	assert_refused_by(world_x509(&late, NULL), B, IKE_FAIL_CERTIFICATE,
		"the peer's certificate (O=Test, CN=a) expired on 2026-11-20");
	assert_refused_by(world_x509(NULL, &late), A, IKE_FAIL_CERTIFICATE,
		"the peer's certificate (O=Test, CN=b) expired on 2026-11-20");
}

/* By the clock of the host that looks. */
static void clock_wrong(void **state)
{
	struct world *w = world_x509(NULL, NULL);

	(void)state;
	w->host[B].clock_error = -40 * DAY;
	assert_refused_by(w, B, IKE_FAIL_CERTIFICATE,
		"a CA's certificate (O=Test, CN=Root) is not valid before 2026-10-22; is the clock "
		"of this host right?");
}

static void other_ca(void **state)
{
	struct world *w = world_x509(NULL, NULL);
	struct cert_spec spec = {.key = world_key(KEY_P521), .cn = "Other", .ca = true};
	static const struct cert_spec usual;
	X509 *other = cert_make(&spec), *root = new_root(), *own = host_cert(root, B, &usual);

	(void)state;
	set_certs(&w->host[B], other, own);
	assert_refused_by(w, B, IKE_FAIL_CERTIFICATE,
		"the peer's certificate (O=Test, CN=a) is by O=Test, CN=Root, which is no CA "
		"configured for it");
	X509_free(other);
	X509_free(root);
	X509_free(own);
}

/* A good certificate, of somebody else. */
static void other_name(void **state)
{
	struct cert_spec spec = {.san = "IP:198.18.9.9"};
	struct world *w = world_x509(&spec, NULL);

	(void)state;
	/* it claims what its certificate says */
	set_id(&w->host[A], true, IKE_ID_IPV4_ADDR, "\xc6\x12\x09\x09", 4);
	assert_refused_by(w, B, IKE_FAIL_PEER_ID,
		"the name does not match: 198.18.1.10 is not in the peer's certificate (O=Test, "
		"CN=a)");
	/* or what it does not */
	w = world_x509(&spec, NULL);
	set_id(&w->host[A], true, IKE_ID_IPV4_ADDR, "\xc6\x12\x01\x0a", 4);
	assert_refused_by(w, B, IKE_FAIL_PEER_ID,
		"the peer claims to be 198.18.1.10, which is not in its certificate (O=Test, "
		"CN=a)");
	/* any name will do, but a name it must be */
	w = world_x509(&spec, NULL);
	w->host[B].terms.peer_type = 0;
	w->host[B].terms.peer_len = 0;
	set_id(&w->host[A], true, IKE_ID_FQDN, "a.example.org", 13);
	assert_refused_by(w, B, IKE_FAIL_PEER_ID,
		"the peer claims to be a.example.org, which is not in its certificate (O=Test, "
		"CN=a)");
}

/* The certificate of a host whose key it does not have: a certificate is public. */
static void other_key(void **state)
{
	struct world *w = world_x509(NULL, NULL);

	(void)state;
	/* it is not there, and A knows: nothing leaves */
	w->host[A].own[0] = world_key(KEY_ED25519_B);
	host_own_keys(&w->host[A]);
	world_try(w);
	assert_failed(&w->host[A], IKE_FAIL_NO_SCHEME, 0);
	assert_string_equal(w->host[A].failed.why,
		"the key that our certificate is for is not in the directory keys");
	assert_empty(w);
	/* it is not there, and its core does not know: a signature by another one */
	w = world_x509(NULL, NULL);
	world_run(w, 1);
	w->host[A].own[0] = world_key(KEY_ED25519_B);
	assert_refused_by(w, B, IKE_FAIL_PEER_KEY,
		"the peer's signature is not by the key of its certificate");
}

/* IKE_AUTH requests of A with other payloads. */
struct edit {
	unsigned int certs; /* how often each CERT stands there */
	uint8_t encoding;   /* 0: as it is */
	size_t cut;
	bool empty; /* nothing in it but the encoding */
	uint8_t method;
};

static void edit_auth(void *arg, uint8_t type, struct ike_bytes body, struct ike_builder *b)
{
	const struct edit *e = arg;
	uint8_t copy[IKE_CERT_MAX + 1];

	if (type == IKE_PL_NONE)
		return;
	assert_true(body.len <= sizeof(copy));
	memcpy(copy, body.p, body.len);
	if (type == IKE_PL_AUTH && e->method)
		copy[0] = e->method;
	if (type != IKE_PL_CERT) {
		ike_build_raw(b, (enum ike_payload)type, copy, body.len);
		return;
	}
	if (e->encoding)
		copy[0] = e->encoding;
	for (unsigned int i = 0; i < e->certs; i++)
		ike_build_raw(b, IKE_PL_CERT, copy, e->empty ? 1 : body.len - e->cut);
}

static enum fate edit_request(struct world *w, struct packet *p)
{
	if (p->to == B && p->data[18] == IKE_EXCH_AUTH)
		world_edit(w, p, edit_auth, w->tamper_arg);
	return PASS;
}

static void payloads(void **state)
{
	static const struct {
		struct edit edit;
		enum ike_failure code; /* 0: none */
		const char *why;
	} cases[] = {
		{{.certs = 2}, 0, ""},
		{{.certs = 8}, 0, ""},
		{{.certs = 9}, IKE_FAIL_CERTIFICATE, "the peer sends 9 certificates, more than 8"},
		{{.certs = 40}, IKE_FAIL_CERTIFICATE,
			"the peer sends 40 certificates, more than 8"},
		{{.certs = 0}, IKE_FAIL_CERTIFICATE, "the peer sends no certificate"},
		{{.certs = 1, .encoding = 12}, IKE_FAIL_CERTIFICATE,
			"the peer sends its certificate in a form that we do not take"},
		{{.certs = 1, .cut = 3}, IKE_FAIL_CERTIFICATE,
			"the peer's certificate cannot be read"},
		{{.certs = 1, .method = IKE_METHOD_NULL}, IKE_FAIL_PEER_KEY,
			"the peer does not prove itself by a certificate"},
		{{.certs = 1, .method = IKE_METHOD_PSK}, IKE_FAIL_PEER_KEY,
			"the peer does not prove itself by a certificate"},
		{{.certs = 1, .method = IKE_METHOD_RSA}, IKE_FAIL_PEER_KEY,
			"the peer signs by an algorithm we do not take"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct edit edit = cases[i].edit;
		struct world *w = world_x509(NULL, NULL);

		w->tamper = edit_request;
		w->tamper_arg = &edit;
		if (cases[i].code) {
			assert_refused_by(w, B, cases[i].code, cases[i].why);
			continue;
		}
		world_try(w);
		assert_x509(w);
		world_free(w);
	}
}

/* More than a message may have: it does not parse. */
static void payloads_200(void **state)
{
	struct edit edit = {.certs = 200, .empty = true};
	struct world *w = world_x509(NULL, NULL);

	(void)state;
	w->tamper = edit_request;
	w->tamper_arg = &edit;
	world_try(w);
	assert_failed(&w->host[B], IKE_FAIL_PROTOCOL, IKE_N_INVALID_SYNTAX);
	assert_failed(&w->host[A], IKE_FAIL_PROTOCOL, IKE_N_INVALID_SYNTAX);
	assert_empty(w);
}

/* ---- who we say we are */

static void self_id(void **state)
{
	/* the address stands in it; or does not, and then a name; or there is no name at all */
	static const struct {
		const char *san;
		const char *claim;
	} cases[] = {
		{"DNS:a.example.org,IP:198.18.1.10", "198.18.1.10"},
		{"email:u@example.org,DNS:a.example.org,IP:198.18.7.7", "a.example.org"},
		{"email:u@example.org", "u@example.org"},
		{"URI:http://a.example.org", "O=Test, CN=a"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cert_spec spec = {.san = cases[i].san};
		struct world *w = world_x509(&spec, NULL);

		w->host[B].terms.peer_type = 0;
		w->host[B].terms.peer_len = 0;
		world_try(w);
		assert_x509(w);
		assert_string_equal(w->host[B].up.peer_id, cases[i].claim);
		world_free(w);
	}
}

/* The name of the whole host, as oed.conf has it, where the certificate has it too. */
static void self_id_config(void **state)
{
	struct cert_spec spec = {.san = "DNS:a.example.org,DNS:a2.example.org,IP:198.18.1.10"};
	struct world *w = world_x509(&spec, NULL);
	struct ike_config c = world_config();

	(void)state;
	strcpy(c.id_fqdn, "a2.example.org");
	host_config(&w->host[A], &c);
	world_try(w);
	assert_x509(w); /* B wants the address, and finds it */
	assert_string_equal(w->host[B].up.peer_id, "a2.example.org");
	world_free(w);
}

/* ---- the end of its time */

static void lapse(void **state)
{
	struct cert_spec soon = {.to = 3 * 3600 + 1800};
	struct world *w = world_x509(&soon, NULL);

	(void)state;
	world_try(w);
	assert_private(w, 1);
	world_run(w, 3 * 3600 * SEC);
	assert_int_equal(w->host[B].stales, 0);
	assert_private(w, 1);
	/* half an hour later a new IKE SA is asked for; none comes */
	world_run(w, (1800 - 60 + 5) * SEC);
	assert_int_equal(w->host[B].stales, 1);
	assert_private(w, 1);
	world_run(w, 10 * SEC);
	assert_int_equal(w->host[B].downs, 1);
	assert_int_equal(w->host[B].down.code, IKE_FAIL_EXPIRED);
	assert_int_equal(w->host[A].down.code, IKE_FAIL_DELETED);
	assert_empty(w);
}

/* With another certificate the new IKE SA is up in time, and takes the old one's place. */
static void renew(void **state)
{
	struct cert_spec soon = {.to = 3600};
	static const struct cert_spec usual;
	struct world *w = world_x509(&soon, NULL);
	X509 *root = new_root(), *again = host_cert(root, A, &usual);

	(void)state;
	world_try(w);
	set_certs(&w->host[A], root, again);
	world_run(w, (3600 - 60 + 1) * SEC);
	assert_int_equal(w->host[B].stales, 1);
	host_connect(&w->host[B]);
	world_run(w, 60 * SEC);
	assert_int_equal(w->host[B].ups, 2);
	assert_int_equal(w->host[B].certificate.until, WORLD_EPOCH + 300 * DAY);
	assert_private(w, 1);
	world_run(w, 24 * 3600 * SEC);
	assert_int_equal(w->host[B].stales, 1);
	assert_private(w, 1);
	X509_free(root);
	X509_free(again);
	world_free(w);
}

/* The IKE SA was rekeyed meanwhile: its heir ends as it would have. */
static void lapse_rekeyed(void **state)
{
	struct cert_spec soon = {.to = 3600};
	struct world *w = world_x509(&soon, NULL);
	struct ike_rekey q;

	(void)state;
	world_try(w);
	q = (struct ike_rekey){.handle = w->host[B].up.handle};
	host_send(&w->host[B], IKE_REQ_REKEY, &q, sizeof(q));
	world_run(w, 60 * SEC);
	assert_int_equal(w->host[B].rekeys, 1);
	world_run(w, 3600 * SEC);
	assert_int_equal(w->host[B].stales, 1);
	assert_int_equal(w->host[B].down.code, IKE_FAIL_EXPIRED);
	assert_empty(w);
}

/* ---- the agent's messages */

static void bad_terms(void **state)
{
	struct world *w = world_x509(NULL, NULL);
	struct host *h = &w->host[A];
	struct ike_connect c = {.handle = 1,
		.pair.local = h->addr,
		.pair.remote = w->host[B].addr,
		.terms = h->terms};
	struct ike_accept a = {.answer = 1, .n_cas = 2};

#define CONNECT(len) ike_core_request(h->core, IKE_REQ_CONNECT, &c, h->certs, (len), w->now)
	(void)state;
	for (size_t len = 0; len < h->certs_len; len += 7)
		assert_int_equal(CONNECT(len), -EBADMSG);
	c.terms.n_own = 0; /* more than is announced */
	assert_int_equal(CONNECT(h->certs_len), -EBADMSG);
	c.terms.n_cas = IKE_CAS_MAX + 1;
	assert_int_equal(CONNECT(h->certs_len), -EBADMSG);
	c.terms.n_cas = 0;
	c.terms.n_own = 1;
	assert_int_equal(CONNECT(h->certs_len), -EBADMSG);
	assert_int_equal(
		ike_core_request(h->core, IKE_REQ_ACCEPT, &a, h->certs, 20, w->now), -EBADMSG);
	a.n_cas = IKE_CAS_MAX + 1;
	assert_int_equal(
		ike_core_request(h->core, IKE_REQ_ACCEPT, &a, h->certs, 9 * 20, w->now), -EBADMSG);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good),
		cmocka_unit_test(not_by_keys),
		cmocka_unit_test(key_types),
		cmocka_unit_test(loss),
		cmocka_unit_test(expired),
		cmocka_unit_test(clock_wrong),
		cmocka_unit_test(other_ca),
		cmocka_unit_test(other_name),
		cmocka_unit_test(other_key),
		cmocka_unit_test(payloads),
		cmocka_unit_test(payloads_200),
		cmocka_unit_test(self_id),
		cmocka_unit_test(self_id_config),
		cmocka_unit_test(lapse),
		cmocka_unit_test(renew),
		cmocka_unit_test(lapse_rekeyed),
		cmocka_unit_test(bad_terms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
