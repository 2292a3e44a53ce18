/* SPDX-License-Identifier: BSD-2-Clause */
/* Hosts that know each other by hand (peers.d): by a shared secret or by keys, and with a PPK (RFC 8784)
 * that the other may have or not. Their signer's secrets are here. */
#include "tests/sim/sim.h"

#include <errno.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "ike/crypto.h"
#include "ike/keymat.h"

#define OFFICE "that both have" /* for auth = psk */

static const char *const ppks[] = {"a secret of both", "a secret of one"};

static bool same(const struct terms *a, const struct terms *b)
{
	return a->ppk && b->ppk && a->id == b->id;
}

/* RFC 8784 section 3, table 1; and secrets that differ are found by AUTH. */
static bool can(const struct terms *a, const struct terms *b)
{
	if (same(a, b))
		return a->secret == b->secret;
	return !(a->ppk && a->required) && !(b->ppk && b->required);
}

bool hand_uses_ppk(const struct sim *s)
{
	return same(&s->host[A].terms, &s->host[B].terms);
}

static struct terms draw(struct sim *s)
{
	return (struct terms){.ppk = sim_chance(s, 850),
		.required = sim_chance(s, 500),
		.id = sim_chance(s, 200),
		.secret = sim_chance(s, 200)};
}

void hand_draw(struct sim *s)
{
	struct terms t[HOSTS];

	s->by_hand = true;
	s->psk = sim_chance(s, 500);
	do
		for (int i = 0; i < HOSTS; i++)
			t[i] = draw(s);
	while (can(&t[A], &t[B]) == (s->temper == HOPELESS));
	for (int i = 0; i < HOSTS; i++)
		s->host[i].terms = s->host[i].meant = t[i];
}

/* As an admin would write it; the other's key as `oectl key show` has it. */
static size_t text_of(const struct host *h, char *ret, size_t cap)
{
	unsigned char der[IKE_SPKI_MAX], *p = der, key[2 * IKE_SPKI_MAX] = "";
	const struct terms *t = &h->terms;
	char ppk[100] = "";
	int len = i2d_PUBKEY(host_key(!h->index), &p);

	EVP_EncodeBlock(key, der, len);
	if (t->ppk)
		snprintf(ppk, sizeof(ppk), "ppk = q\nppk-id = %c\nppk-required = %s\n", "xy"[t->id],
			t -> required ? "yes" : "no");
	return (size_t)snprintf(ret, cap,
		"[peer other]\naddress = 198.18.0.0/16\npeer-identity = any\n%s%s\n%s",
		h->s->psk ? "auth = psk\nsecret = office" : "auth = key\nkey = ",
		h->s->psk ? "" : (const char *)key, ppk);
}

static void on_fault(void *arg, const char *text)
{
	struct host *h = arg;

	sim_fail(h->s, "host %c: %s", "AB"[h->index], text);
}

void hand_load(struct host *h)
{
	struct manual *old = h->manual;
	char text[1000];
	size_t len;

	if (!h->s->by_hand)
		return;
	len = text_of(h, text, sizeof(text));
	h->manual = manual_new();
	manual_parse(h->manual, old, NULL, "sim", text, len, on_fault, h);
	if (h->agent) {
		oe_peers_manual(h->agent, h->manual, h->s->now);
		h->agent_due = oe_peers_timers(h->agent, h->s->now);
	}
	manual_free(old);
}

/* The keys and peers.d are read again; of these something may have changed for a while. */
void hand_reload(struct host *h)
{
	struct sim *s = h->s;

	h->terms = s->temper == GENTLE || s->temper == HOPELESS || s->over || sim_chance(s, 300)
			   ? h->meant
			   : draw(s);
	sim_trace(s, h->index, "reloads: PPK %s, identity %c, secret %u",
		!h->terms.ppk       ? "none"
		: h->terms.required ? "required"
				    : "optional",
		"xy"[h->terms.id], h -> terms.secret);
	host_own_keys(h);
	hand_load(h);
}

/* ---- handshakes */

/* The handles of both directions are counted from one. */
static uint32_t *place(struct host *h, uint32_t handle)
{
	return &h->with_ppk[(handle ^ handle >> 28) % 16];
}

void hand_noted(struct host *h, const struct ike_note *note)
{
	if (note->code == IKE_NOTE_PPK)
		*place(h, note->handle) = note->arg ? note->handle : 0;
}

/* An initiator that requires no PPK cannot know the child's keys before the answer, and what goes by them
 * may come before that. */
void hand_child_out(struct host *h, uint32_t handle)
{
	const struct terms *other = &h->s->host[!h->index].terms;

	if ((handle & IKE_HANDLE_INBOUND) && h->s->by_hand && other->ppk && !other->required)
		sim_excuse(h->s, 10 * SEC);
}

void hand_up(struct host *h, uint32_t handle)
{
	h->ppk = *place(h, handle) == handle;
}

/* ---- the signer */

static int mix(const struct host *h, const struct ike_prf *prf, struct ike_bytes keys, uint8_t *ret)
{
	const char *ppk = ppks[h->terms.secret];
	int error = 0;

	if (keys.len != 3u * prf->len)
		return -EINVAL;
	for (size_t at = 0; !error && at < keys.len; at += prf->len) {
		struct ike_bytes key = {keys.p + at, prf->len};

		error = ike_prf_plus(prf, ppk, strlen(ppk), &key, 1, ret + at, prf->len);
	}
	return error;
}

int hand_prove(const struct host *h, const struct ike_sign *s, struct ike_bytes octets,
	uint8_t *ret, size_t *ret_len)
{
	const struct ike_prf *prf = ike_prf_find(s->prf);
	bool ppk = s->scheme == IKE_SIGN_PPK;

	if (!prf || strcmp(s->secret, ppk ? "q" : "office") != 0)
		return -ENOENT;
	*ret_len = ppk ? octets.len : prf->len;
	return ppk ? mix(h, prf, octets, ret)
		   : ike_auth_shared(prf, OFFICE, strlen(OFFICE), octets, ret);
}
