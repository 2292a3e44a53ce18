/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IKE SAs whose two sides prove themselves by certificates (RFC 7296 sections 3.6 and 3.7, RFC
 * 4945): what is sent, whether the peer's is good, and the end of its time. An admin has said which
 * CAs may vouch for a peer; the agent has read their certificates and ours, and sends them along.
 *
 * The peer's chain is looked at before its signature: a stranger without a certificate costs us no
 * more than that. A chain expires with the first of its certificates: then a new IKE SA is asked
 * for, in which the peer can show another one, and a little later the old SA ends, whatever came of
 * it.
 */
#include <errno.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "ike/cert.h"
#include "ike/exchange.h"
#include "ike/names.h"

/* For a new IKE SA to come up before an expired one ends. */
#define LAPSE_GRACE (10 * SECOND)
/* The world's clock may be set: it is looked at so often. */
#define LOOK_EVERY (INT64_C(3600))

/* All of a message: the CAs', then ours. Checked when it came. */
static void split(const struct handshake *hs, struct ike_bytes *ret)
{
	(void)ike_certs_split(
		hs->certs.p, hs->certs.len, (uint32_t)hs->terms.n_cas + hs->terms.n_own, ret);
}

bool x509_valid(const struct ike_terms *t, const uint8_t *tail, size_t len)
{
	struct ike_bytes certs[IKE_CAS_MAX + IKE_CHAIN_MAX];
	uint32_t n = (uint32_t)t->n_cas + t->n_own;

	return n <= IKE_CAS_MAX + IKE_CHAIN_MAX && ike_certs_split(tail, len, n, certs) == 0;
}

/* ---- our side */

static X509 *own_cert(const struct handshake *hs)
{
	struct ike_bytes certs[IKE_CAS_MAX + IKE_CHAIN_MAX];

	if (!hs->terms.n_own)
		return NULL;
	split(hs, certs);
	return ike_cert_read(certs[hs->terms.n_cas]);
}

bool x509_own_key(const struct ike_sa *sa, uint32_t *ret)
{
	const struct ike_core *core = sa->core;
	X509 *cert = own_cert(sa->hs);
	uint8_t digest[SHA256_DIGEST_LENGTH];
	struct ike_pubkey key;
	bool found = false;

	if (cert && ike_cert_key(cert, &key) == 0) {
		SHA256(key.spki, key.len, digest);
		for (uint32_t i = 0; i < core->n_own_keys && !found; i++)
			if (core->own_keys[i].usable &&
				!memcmp(core->own_keys[i].digest, digest, sizeof(digest))) {
				*ret = i;
				found = true;
			}
	}
	X509_free(cert);
	return found;
}

void x509_self_id(struct ike_sa *sa)
{
	struct handshake *hs = sa->hs;
	X509 *cert = own_cert(hs);
	struct ike_bytes usual = {hs->self_id + 4, hs->self_id_len - 4u};
	uint8_t id[IKE_ID_MAX], type;
	uint16_t len;

	if (cert && !ike_cert_carries(cert, hs->self_id[0], usual) &&
		ike_cert_identity(cert, &type, id, &len) == 0) {
		hs->self_id[0] = type;
		memcpy(hs->self_id + 4, id, len);
		hs->self_id_len = (uint16_t)(4 + len);
	}
	X509_free(cert);
}

void x509_request(struct ike_builder *b, struct ike_bytes ca_hashes)
{
	if (ca_hashes.len)
		ike_build_cert(b, IKE_PL_CERTREQ, ca_hashes);
}

void x509_build(const struct ike_sa *sa, struct ike_builder *b)
{
	const struct ike_terms *t = &sa->hs->terms;
	struct ike_bytes certs[IKE_CAS_MAX + IKE_CHAIN_MAX];
	uint8_t hashes[IKE_CAS_MAX][IKE_CA_HASH_LEN];
	size_t n = 0;

	split(sa->hs, certs);
	for (uint32_t i = 0; i < t->n_own; i++)
		ike_build_cert(b, IKE_PL_CERT, certs[t->n_cas + i]);
	if (!sa->initiator) /* in IKE_SA_INIT */
		return;
	for (uint32_t i = 0; i < t->n_cas; i++) {
		X509 *ca = ike_cert_read(certs[i]);

		if (ca && ike_cert_key_hash(ca, hashes[n]) == 0)
			n++;
		X509_free(ca);
	}
	x509_request(b, (struct ike_bytes){hashes[0], n * IKE_CA_HASH_LEN});
}

/* ---- the peer's side */

static bool refuse(struct ike_sa *sa, struct refusal *ret, enum ike_failure code)
{
	*ret = (struct refusal){
		.code = code, .notify = IKE_N_AUTHENTICATION_FAILED, .why = sa->core->why};
	return false;
}

/* What it claims must stand in the certificate, and what it must be, too. */
static bool check_identity(struct ike_sa *sa, const struct ike_cert_proof *proof,
	const struct ike_id *id, struct refusal *ret)
{
	const struct ike_terms *t = &sa->hs->terms;
	struct ike_bytes wanted = {t->peer_id, t->peer_len};
	char text[IKE_ID_MAX];

	if (!ike_cert_carries(proof->cert, id->type, id->data)) {
		ike_id_format(id->type, id->data.p, id->data.len, text, sizeof(text));
		snprintf(sa->core->why, sizeof(sa->core->why),
			"the peer claims to be %.50s, which is not in its certificate (%.50s)",
			text, proof->subject);
		return refuse(sa, ret, IKE_FAIL_PEER_ID);
	}
	if (t->peer_type && !ike_cert_carries(proof->cert, t->peer_type, wanted)) {
		ike_id_format(t->peer_type, wanted.p, wanted.len, text, sizeof(text));
		snprintf(sa->core->why, sizeof(sa->core->why),
			"the name does not match: %.48s is not in the peer's certificate (%.48s)",
			text, proof->subject);
		return refuse(sa, ret, IKE_FAIL_PEER_ID);
	}
	return true;
}

bool x509_verify(struct ike_sa *sa, const struct ike_payloads *p, const struct ike_id *id,
	struct ike_certificate *ret_cert, struct ike_pubkey *ret_key, struct refusal *ret)
{
	struct ike_core *core = sa->core;
	struct ike_bytes certs[IKE_CAS_MAX + IKE_CHAIN_MAX];
	struct ike_cert_case c = {.cas = certs,
		.n_cas = sa->hs->terms.n_cas,
		.certs = p->cert,
		.n_certs = p->n_cert,
		.now = core->fx.wall(core->fx.arg)};
	unsigned int sent = ike_payloads_count(p, IKE_PL_CERT);
	struct ike_cert_proof proof;
	char why[IKE_WHY_MAX] = "";
	bool good;

	split(sa->hs, certs);
	if (!sent || !p->n_cert || sent > IKE_PEER_CERTS_MAX) {
		snprintf(core->why, sizeof(core->why),
			!sent ? "the peer sends no certificate"
			: p->n_cert
				? "the peer sends %u certificates, more than %d"
				: "the peer sends its certificate in a form that we do not take",
			sent, IKE_PEER_CERTS_MAX);
		return refuse(sa, ret, IKE_FAIL_CERTIFICATE);
	}
	if (ike_cert_verify(&c, &proof, why) < 0) {
		memcpy(core->why, why, sizeof(core->why));
		return refuse(sa, ret, IKE_FAIL_CERTIFICATE);
	}
	good = check_identity(sa, &proof, id, ret);
	X509_free(proof.cert);
	*ret_cert = (struct ike_certificate){.handle = sa->handle, .until = proof.until};
	memcpy(ret_cert->subject, proof.subject, sizeof(ret_cert->subject));
	memcpy(ret_cert->ca, proof.ca, sizeof(ret_cert->ca));
	*ret_key = proof.key;
	return good;
}

void x509_proved(struct ike_sa *sa, const struct ike_certificate *cert)
{
	/* of a chain that is valid now; from 2106 on it does not matter any more */
	sa->hs->cert_until = cert->until < UINT32_MAX ? (uint32_t)cert->until : UINT32_MAX;
	core_event_struct(sa->core, IKE_EV_CERTIFICATE, cert);
}

/* ---- the end of its time */

void x509_arm(struct ike_sa *sa)
{
	struct ike_core *core = sa->core;
	int64_t left;

	if (!sa->cert_until)
		return;
	left = (int64_t)sa->cert_until - core->fx.wall(core->fx.arg);
	if (left > LOOK_EVERY)
		left = LOOK_EVERY;
	sa_set_timer(sa, SA_TIMER_CERT, core->now + (left > 0 ? (uint64_t)left * SECOND : 0));
}

void x509_on_timer(struct ike_sa *sa)
{
	struct ike_core *core = sa->core;
	struct ike_stale stale = {.handle = sa->handle};

	if (core->fx.wall(core->fx.arg) < (int64_t)sa->cert_until) {
		sa->lapsed = false;
		x509_arm(sa);
	} else if (sa->lapsed) {
		sa_end(sa, IKE_FAIL_EXPIRED, 0, FAREWELL_DELETE,
			"the peer's certificate, or its CA's, has expired");
	} else {
		sa->lapsed = true;
		core_event_struct(core, IKE_EV_STALE, &stale);
		sa_set_timer(sa, SA_TIMER_CERT, core->now + LAPSE_GRACE);
	}
}
