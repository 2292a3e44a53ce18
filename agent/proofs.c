/* SPDX-License-Identifier: BSD-2-Clause */
/* By what a peer may prove itself, for the ike service, and by what it did. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/peer_priv.h"
#include "ike/cert.h"

size_t proofs_keys(const struct oe_peer *p, struct ike_pubkey ret[static IKE_KEYS_MAX])
{
	const uint8_t *at = p->keys;

	memset(ret, 0, IKE_KEYS_MAX * sizeof(*ret));
	if (p->manual) {
		memcpy(ret, p->manual->keys, p->manual->n_keys * sizeof(*ret));
		return p->manual->n_keys;
	}
	for (size_t i = 0; i < p->n_keys; i++) {
		memcpy(&ret[i].len, at, 2);
		memcpy(ret[i].spki, at + 2, ret[i].len);
		at += 2 + ret[i].len;
	}
	return p->n_keys;
}

void proofs_send(struct oe_peers *ps, const struct oe_peer *p, uint16_t type, const void *fixed,
	size_t fixed_len, const struct ike_pubkey *keys, size_t n)
{
	size_t keys_len = n * sizeof(*keys), certs_len = 0;
	const uint8_t *certs = p->manual ? certs_tail(p->manual->certs, &certs_len) : NULL;
	uint8_t *tail = NULL;

	if (!certs_len) {
		ps->fx.send(ps->fx.arg, OE_IKE, type, fixed, fixed_len, keys, keys_len);
		return;
	}
	tail = oe_must(malloc(keys_len + certs_len));
	if (keys_len)
		memcpy(tail, keys, keys_len);
	memcpy(tail + keys_len, certs, certs_len);
	ps->fx.send(ps->fx.arg, OE_IKE, type, fixed, fixed_len, tail, keys_len + certs_len);
	free(tail);
}

void proofs_keep(struct oe_peer *p, const struct oe_sa *sa, unsigned int key)
{
	struct ike_pubkey keys[IKE_KEYS_MAX];

	free(p->proof);
	p->proof = NULL;
	p->proof_len = 0;
	if (sa->auth_peer != IKE_AUTH_SIGNATURE || sa->by_name || key >= proofs_keys(p, keys))
		return;
	p->proof = oe_must(malloc(keys[key].len));
	memcpy(p->proof, keys[key].spki, keys[key].len);
	p->proof_len = keys[key].len;
}

int proofs_certificate(struct oe_peers *ps, const struct ike_certificate *c)
{
	struct oe_sa *sa = peer_sa_find(ps, c->handle);
	char text[sizeof(c->subject) + sizeof(c->ca) + 60], date[IKE_CERT_DATE_MAX];

	if (!memchr(c->subject, 0, sizeof(c->subject)) || !memchr(c->ca, 0, sizeof(c->ca)))
		return -EBADMSG;
	if (!sa)
		return 0;
	snprintf(text, sizeof(text), "(%s), of the CA (%s), valid until %s", c->subject, c->ca,
		ike_cert_date(c->until, date));
	peer_text(&sa->peer->certificate, text);
	peer_note(ps, sa->peer, JOURNAL_CERTIFICATE, 0, 0, sa->handle);
	return 0;
}
