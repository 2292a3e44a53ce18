/* SPDX-License-Identifier: BSD-2-Clause */
/* By what a peer may prove itself, for the ike service, and by what it did. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/peer_priv.h"
#include "ike/cert.h"

struct oe_keys *proofs_new(size_t len)
{
	struct oe_keys *keys = oe_must(malloc(sizeof(*keys) + len));

	*keys = (struct oe_keys){.refs = 1, .len = (uint32_t)len};
	return keys;
}

void proofs_drop(struct oe_keys *keys)
{
	if (keys && !--keys->refs)
		free(keys);
}

size_t proofs_keys(const struct oe_peer *p, struct ike_pubkey ret[static IKE_KEYS_MAX])
{
	const uint8_t *at = p->keys ? p->keys->packed : NULL;

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

/* A key of somebody else's, as if it were DNS's. */
static struct oe_keys *pack_one(const struct ike_pubkey *key)
{
	struct oe_keys *keys = proofs_new(sizeof(key->len) + key->len);

	memcpy(keys->packed, &key->len, sizeof(key->len));
	memcpy(keys->packed + sizeof(key->len), key->spki, key->len);
	return keys;
}

void proofs_keep(struct oe_peer *p, const struct oe_sa *sa, unsigned int key)
{
	const uint8_t *at;

	proofs_drop(p->proofs);
	p->proofs = NULL;
	p->proof = NULL;
	p->proof_len = 0;
	if (sa->auth_peer != IKE_AUTH_SIGNATURE || sa->by_name ||
		key >= (p->manual ? p->manual->n_keys : p->n_keys))
		return;
	if (p->manual) {
		p->proofs = pack_one(&p->manual->keys[key]);
		key = 0;
	} else {
		p->proofs = p->keys;
		p->proofs->refs++;
	}
	at = p->proofs->packed;
	for (;; at += sizeof(p->proof_len) + p->proof_len) {
		memcpy(&p->proof_len, at, sizeof(p->proof_len));
		if (!key--)
			break;
	}
	p->proof = at + sizeof(p->proof_len);
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
