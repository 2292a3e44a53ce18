/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exchanges with other implementations, recorded with our ephemeral private key (kat/): from it and
 * the messages everything is computed again. Every message must decrypt, and the proof of either
 * side must be good, and good for nothing else.
 *
 * A recording is text: `#` comments; `role initiator` or `responder`, which is ours; `suite`, as
 * ike_suite_format() has it; then names of values, each followed by indented lines of hex: `private`
 * (our key of the exchange), `ours` and `theirs` (public keys, DER; without them that side is
 * anonymous, or shows a certificate of the `ca`, DER, that was good at `when`, seconds since 1970), and
 * the datagrams `out` and `in` without non-ESP marker, in order, repetitions left
 * out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ike/cert.h"
#include "ike/crypto.h"
#include "ike/digsig.h"
#include "ike/keymat.h"
#include "ike/payload.h"
#include "ike/proposal.h"
#include "ike/suite.h"

#define MESSAGES_MAX 16
#define VALUE_MAX 4096

struct value {
	char name[12];
	uint8_t b[VALUE_MAX];
	size_t len;
};

struct recording {
	bool initiator;
	char suite_name[80];
	struct value priv, ours, theirs, ca;
	long long when;
	struct value messages[MESSAGES_MAX];
	size_t n_messages;
	/* computed */
	struct ike_suite suite;
	struct ike_keymat keys;
	const struct value *init_i, *init_r; /* messages whose keys count */
	struct ike_payloads pi, pr;
	unsigned int sealed, proofs;
};

/* ---- the file */

static struct value *new_value(struct recording *r, const char *name)
{
	struct value *v;

	if (strcmp(name, "private") == 0) {
		v = &r->priv;
	} else if (strcmp(name, "ours") == 0) {
		v = &r->ours;
	} else if (strcmp(name, "theirs") == 0) {
		v = &r->theirs;
	} else if (strcmp(name, "ca") == 0) {
		v = &r->ca;
	} else {
		assert_true(strcmp(name, "in") == 0 || strcmp(name, "out") == 0);
		assert_true(r->n_messages < MESSAGES_MAX);
		v = &r->messages[r->n_messages++];
	}
	snprintf(v->name, sizeof(v->name), "%s", name);
	return v;
}

static void add_hex(struct value *v, const char *text)
{
	unsigned int byte;

	for (; sscanf(text, "%2x", &byte) == 1; text += 2) {
		assert_true(v->len < sizeof(v->b));
		v->b[v->len++] = (uint8_t)byte;
	}
	assert_int_equal(*text, '\n');
}

static struct recording *load(const char *name)
{
	const char *top = getenv("srcdir");
	struct recording *r = calloc(1, sizeof(*r));
	struct value *v = NULL;
	char path[400], line[200], word[12];
	FILE *f;

	assert_non_null(r);
	snprintf(path, sizeof(path), "%s/tests/unit/ike/kat/%s.txt", top ? top : ".", name);
	f = fopen(path, "r");
	if (!f)
		fail_msg("%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		if (line[0] == '#')
			continue;
		if (line[0] == '\t') {
			assert_non_null(v);
			add_hex(v, line + 1);
		} else if (sscanf(line, "role %11s", word) == 1) {
			r->initiator = strcmp(word, "initiator") == 0;
		} else if (sscanf(line, "when %lld", &r->when) == 1) {
			continue;
		} else if (sscanf(line, "suite %79[^\n]", r->suite_name) != 1) {
			assert_int_equal(sscanf(line, "%11s", word), 1);
			v = new_value(r, word);
		}
	}
	fclose(f);
	return r;
}

/* ---- keys */

static bool is_ours(const struct value *m)
{
	return m->name[0] == 'o';
}

static struct ike_header header(const struct value *m)
{
	struct ike_header h;

	assert_int_equal(ike_header_parse(m->b, m->len, &h), IKE_PARSE_OK);
	return h;
}

static void clear_payloads(const struct value *m, struct ike_payloads *ret)
{
	struct ike_header h = header(m);

	assert_int_equal(ike_payloads_parse(h.next, m->b + IKE_HEADER_LEN, m->len - IKE_HEADER_LEN,
				 false, ret),
		IKE_PARSE_OK);
}

/* The last request and response: those before asked for a cookie or another group. */
static void find_init(struct recording *r)
{
	for (size_t i = 0; i < r->n_messages; i++) {
		struct ike_header h = header(&r->messages[i]);

		if (h.exchange != IKE_EXCH_SA_INIT)
			continue;
		if (h.flags & IKE_FLAG_RESPONSE)
			r->init_r = &r->messages[i];
		else
			r->init_i = &r->messages[i];
	}
	assert_non_null(r->init_i);
	assert_non_null(r->init_r);
	assert_int_equal(is_ours(r->init_i), r->initiator);
	clear_payloads(r->init_i, &r->pi);
	clear_payloads(r->init_r, &r->pr);
}

static void derive(struct recording *r)
{
	const struct ike_payloads *ours = r->initiator ? &r->pi : &r->pr;
	const struct ike_payloads *theirs = r->initiator ? &r->pr : &r->pi;
	struct ike_header h = header(r->init_r);
	struct ike_choice_ike choice;
	struct ike_secret shared;
	struct ike_offer offer;
	struct ike_kex *kex;
	char name[80];

	assert_int_equal(ike_offer_parse(r->initiator ? r->pr.sa : r->pi.sa, &offer), IKE_PARSE_OK);
	if (r->initiator)
		assert_int_equal(ike_accept_ike(&offer, &ike_profile_default, false, &choice), 0);
	else
		assert_int_equal(ike_choose_ike(&offer, &ike_profile_default, r->pi.ke_group, false,
					 &choice),
			0);
	r->suite = choice.suite;
	ike_suite_format(&r->suite, name, sizeof(name));
	assert_string_equal(name, r->suite_name);
	assert_int_equal(ike_kex_from_private(r->suite.ke, r->priv.b, r->priv.len, &kex), 0);
	assert_int_equal(ours->ke.len, r->suite.ke->public_len);
	assert_memory_equal(ike_kex_public(kex), ours->ke.p, ours->ke.len);
	assert_int_equal(ike_kex_derive(kex, theirs->ke.p, theirs->ke.len, &shared), 0);
	ike_kex_free(kex);
	assert_int_equal(ike_keymat_initial(&r->suite, &shared, r->pi.nonce, r->pr.nonce, h.spi_i,
				 h.spi_r, &r->keys),
		0);
	ike_secret_wipe(&shared);
}

/* ---- proofs */

static int verify(const struct recording *r, const struct value *spki, bool of_initiator,
	const struct ike_payloads *p, struct ike_bytes octets)
{
	const uint8_t *sk_p = of_initiator ? r->keys.pi : r->keys.pr;
	struct ike_digsig sig;

	if (!spki->len) {
		assert_int_equal(p->auth_method, IKE_METHOD_NULL);
		return ike_auth_shared_verify(r->keys.prf, sk_p, r->keys.prf->len, octets, p->auth);
	}
	assert_int_equal(p->auth_method, IKE_METHOD_DIGSIG);
	assert_int_equal(ike_digsig_parse(p->auth, &sig), 0);
	return ike_digsig_verify(spki->b, spki->len, &sig, octets);
}

/* The key of the certificate that the side shows; it is good for who the side says it is, and then
 * only. */
static void take_certificate(struct recording *r, struct value *ret, const struct ike_payloads *p,
	const struct ike_id *id)
{
	struct ike_bytes ca = {r->ca.b, r->ca.len};
	struct ike_cert_case c = {
		.cas = &ca, .n_cas = 1, .certs = p->cert, .n_certs = p->n_cert, .now = r->when};
	struct ike_cert_proof proof;
	char why[IKE_WHY_MAX];

	assert_int_equal(ike_cert_verify(&c, &proof, why), 0);
	assert_true(ike_cert_carries(proof.cert, id->type, id->data));
	X509_free(proof.cert);
	memcpy(ret->b, proof.key.spki, proof.key.len);
	ret->len = proof.key.len;
	c.now = proof.until;
	assert_int_equal(ike_cert_verify(&c, &proof, why), -EKEYREJECTED);
}

static void check_proof(struct recording *r, const struct value *m, const struct ike_payloads *p)
{
	bool of_initiator = is_ours(m) == r->initiator;
	const struct value *init = of_initiator ? r->init_i : r->init_r;
	struct value *spki = is_ours(m) ? &r->ours : &r->theirs;
	const struct value *other = is_ours(m) ? &r->theirs : &r->ours;
	const struct ike_id *id = of_initiator ? &p->idi : &p->idr;
	uint8_t octets[VALUE_MAX + 400];
	size_t len;

	if (r->ca.len)
		take_certificate(r, spki, p, id);
	assert_int_equal(ike_auth_octets(r->keys.prf, of_initiator ? r->keys.pi : r->keys.pr,
				 (struct ike_bytes){init->b, init->len},
				 of_initiator ? r->pr.nonce : r->pi.nonce, id->body, octets,
				 sizeof(octets), &len),
		0);
	assert_int_equal(verify(r, spki, of_initiator, p, (struct ike_bytes){octets, len}), 0);
	if (spki->len && other->len)
		assert_int_not_equal(
			verify(r, other, of_initiator, p, (struct ike_bytes){octets, len}), 0);
	octets[len / 2] ^= 1;
	assert_int_equal(
		verify(r, spki, of_initiator, p, (struct ike_bytes){octets, len}), -EKEYREJECTED);
	r->proofs++;
}

/* ---- what is sealed */

/* One message, or the next fragment of one (RFC 7383), which is joined to those before. Returns
 * whether it is whole. */
static bool unseal(
	struct recording *r, const struct value *m, struct value *ret, uint8_t *ret_first)
{
	bool of_initiator = is_ours(m) == r->initiator;
	struct ike_aead key = ike_keymat_aead(&r->keys, of_initiator);
	struct ike_aead other = ike_keymat_aead(&r->keys, !of_initiator);
	struct ike_payloads outer;
	struct ike_bytes chain, sk;
	struct value copy = *m;
	bool whole = true;

	clear_payloads(&copy, &outer);
	sk = outer.sk;
	if (ike_payloads_count(&outer, IKE_PL_SKF)) {
		uint16_t number = (uint16_t)(sk.p[0] << 8 | sk.p[1]);
		uint16_t total = (uint16_t)(sk.p[2] << 8 | sk.p[3]);

		whole = number == total;
		sk = (struct ike_bytes){sk.p + 4, sk.len - 4};
		if (number == 1)
			*ret_first = outer.sk_next;
	} else {
		ret->len = 0;
		*ret_first = outer.sk_next;
	}
	assert_int_equal(ike_sk_open(&key, copy.b, copy.len, &sk, &chain), 0);
	assert_true(ret->len + chain.len <= sizeof(ret->b));
	memcpy(ret->b + ret->len, chain.p, chain.len);
	ret->len += chain.len;
	r->sealed++;
	/* not by the other direction's key */
	copy = *m;
	assert_int_not_equal(ike_sk_open(&other, copy.b, copy.len, &sk, &chain), 0);
	return whole;
}

static void play(const char *name, unsigned int sealed, unsigned int proofs)
{
	struct recording *r = load(name);
	struct value inner = {0};
	struct ike_payloads p;
	uint8_t first = 0;

	find_init(r);
	derive(r);
	for (size_t i = 0; i < r->n_messages; i++) {
		const struct value *m = &r->messages[i];
		struct ike_header h = header(m);

		if (h.exchange == IKE_EXCH_SA_INIT || !unseal(r, m, &inner, &first))
			continue;
		assert_int_equal(
			ike_payloads_parse(first, inner.b, inner.len, true, &p), IKE_PARSE_OK);
		if (p.auth.p)
			check_proof(r, m, &p);
		inner.len = 0;
	}
	assert_int_equal(r->sealed, sealed);
	assert_int_equal(r->proofs, proofs);
	ike_keymat_wipe(&r->keys);
	free(r);
}

/* Messages under SK, fragments counted each; AUTH payloads. */
#define RECORDING(function, file, sealed, proofs) \
	static void function(void **state)        \
	{                                         \
		(void)state;                      \
		play(file, sealed, proofs);       \
	}

RECORDING(strongswan_ed25519_i, "strongswan-ed25519-initiator", 4, 2)
RECORDING(strongswan_ed25519_r, "strongswan-ed25519-responder", 2, 2)
RECORDING(strongswan_rsa_r, "strongswan-rsa-2048-responder", 2, 2)
RECORDING(strongswan_ecdsa_i, "strongswan-ecdsa-p256-initiator", 4, 2)
RECORDING(strongswan_x509_i, "strongswan-x509-initiator", 9, 2)
RECORDING(strongswan_x509_r, "strongswan-x509-responder", 9, 2)
RECORDING(libreswan_rsa_i, "libreswan-rsa-initiator", 2, 2)
RECORDING(libreswan_rsa_r, "libreswan-rsa-responder", 5, 2)
RECORDING(libreswan_null_i, "libreswan-null-initiator", 2, 2)
RECORDING(libreswan_null_r, "libreswan-null-responder", 4, 2)
RECORDING(openiked_rsa_r, "openiked-rsa-2048-responder", 2, 2)
RECORDING(openiked_ecdsa_r, "openiked-ecdsa-p256-responder", 2, 2)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strongswan_ed25519_i),
		cmocka_unit_test(strongswan_ed25519_r),
		cmocka_unit_test(strongswan_rsa_r),
		cmocka_unit_test(strongswan_ecdsa_i),
		cmocka_unit_test(strongswan_x509_i),
		cmocka_unit_test(strongswan_x509_r),
		cmocka_unit_test(libreswan_rsa_i),
		cmocka_unit_test(libreswan_rsa_r),
		cmocka_unit_test(libreswan_null_i),
		cmocka_unit_test(libreswan_null_r),
		cmocka_unit_test(openiked_rsa_r),
		cmocka_unit_test(openiked_ecdsa_r),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
