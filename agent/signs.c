/* SPDX-License-Identifier: BSD-2-Clause */
/* What the ike service wants to be signed: passed on to the signer, and kept until that has answered, so
 * that a new signer can be asked. */
#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "agent/agent.h"
#include "base/log.h"

#define SIGNS_MAX 4096

struct agent_sign {
	UT_hash_handle hh; /* by id */
	struct ike_sign request;
	uint32_t id;
	size_t len;
	uint8_t octets[];
};

/* Of a PPK the octets are SK_d, SK_pi and SK_pr. */
static void drop(struct agent *a, struct agent_sign *s)
{
	HASH_DEL(a->signs, s);
	OPENSSL_cleanse(s->octets, s->len);
	free(s);
}

static void ask_signer(struct agent *a, const struct agent_sign *s)
{
	struct signer_sign m = {.id = s->id,
		.key = s->request.key,
		.scheme = s->request.scheme,
		.prf = s->request.prf};

	memcpy(m.secret, s->request.secret, sizeof(m.secret));
	agent_send(a, OE_SIGNER, SIGNER_REQ_SIGN, &m, sizeof(m), s->octets, s->len);
}

void signs_add(struct agent *a, const struct ike_sign *request, const uint8_t *octets, size_t len)
{
	struct ike_signed failed = {.handle = request->handle, .error = -EBUSY};
	struct agent_sign *s;

	if (HASH_COUNT(a->signs) >= SIGNS_MAX) {
		agent_send(a, OE_IKE, IKE_REQ_SIGNED, &failed, sizeof(failed), NULL, 0);
		return;
	}
	s = calloc(1, sizeof(*s) + len);
	if (!s) {
		log_error("out of memory");
		abort();
	}
	s->id = ++a->next_sign;
	s->request = *request;
	s->len = len;
	if (len)
		memcpy(s->octets, octets, len);
	HASH_ADD(hh, a->signs, id, sizeof(s->id), s);
	if (a->service[OE_SIGNER].ready)
		ask_signer(a, s);
}

void signs_done(struct agent *a, const struct signer_done *done, const uint8_t *sig, size_t len)
{
	struct ike_signed m = {.error = done->error};
	struct agent_sign *s;

	HASH_FIND(hh, a->signs, &done->id, sizeof(done->id), s);
	if (!s)
		return;
	m.handle = s->request.handle;
	agent_send(a, OE_IKE, IKE_REQ_SIGNED, &m, sizeof(m), sig, len);
	drop(a, s);
}

void signs_forget(struct agent *a)
{
	struct agent_sign *s, *next;

	HASH_ITER(hh, a->signs, s, next)
		drop(a, s);
}

void signs_find_keys(struct agent *a, const struct ike_pubkey *keys, size_t n)
{
	struct agent_sign *s, *next;

	HASH_ITER(hh, a->signs, s, next) {
		struct ike_signed gone = {.handle = s->request.handle, .error = -ENOENT};
		const struct ike_pubkey *meant;
		size_t i = 0;

		/* a secret is asked for by its name */
		if (s->request.scheme == IKE_SIGN_PSK || s->request.scheme == IKE_SIGN_PPK ||
			s->request.key >= a->signer.count)
			continue;
		meant = &a->keys[s->request.key];
		while (i < n && (keys[i].len != meant->len ||
					memcmp(keys[i].spki, meant->spki, meant->len) != 0))
			i++;
		s->request.key = (uint8_t)i;
		if (i < n)
			continue;
		agent_send(a, OE_IKE, IKE_REQ_SIGNED, &gone, sizeof(gone), NULL, 0);
		drop(a, s);
	}
}

void signs_ask(struct agent *a)
{
	struct agent_sign *s, *next;

	HASH_ITER(hh, a->signs, s, next)
		ask_signer(a, s);
}
