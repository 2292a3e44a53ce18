/* SPDX-License-Identifier: BSD-2-Clause */
/* Peers that an admin has configured by hand: shared secrets, identities; and the old ECDSA methods,
 * which such peers may know alone. Two cores in one process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "ike/names.h"
#include "ike/sa.h"
#include "tests/unit/ike/test_sa_world.h"

/* Both hosts know a secret by one name, and no key. */
static struct world *world_psk(const char *a, const char *b)
{
	struct world *w = world_new();

	w->host[A].psk = a;
	w->host[B].psk = b;
	for (int i = 0; i < HOSTS; i++)
		strcpy(w->host[i].terms.psk, "office");
	return w;
}

static void assert_psk(const struct world *w)
{
	for (int i = 0; i < HOSTS; i++) {
		assert_int_equal(w->host[i].up.auth_peer, IKE_AUTH_PSK);
		assert_int_equal(w->host[i].up.auth_self, IKE_AUTH_PSK);
	}
}

static void psk(void **state)
{
	struct world *w = world_psk("correct horse battery staple", "correct horse battery staple");

	(void)state;
	world_try(w);
	assert_psk(w);
	assert_private(w, 1);
	world_free(w);
}

/* Keys that both have besides change nothing: the terms are by the secret. */
static void psk_not_keys(void **state)
{
	struct world *w = world_ed25519();

	(void)state;
	for (int i = 0; i < HOSTS; i++) {
		strcpy(w->host[i].terms.psk, "office");
		w->host[i].psk = "correct horse battery staple";
	}
	world_try(w);
	assert_psk(w);
	assert_private(w, 1);
	world_free(w);
}

static void psk_wrong(void **state)
{
	struct world *w = world_psk("correct horse battery staple", "correct horse battery stable");

	(void)state;
	world_try(w);
	assert_failed(&w->host[A], IKE_FAIL_SELF_REFUSED, IKE_N_AUTHENTICATION_FAILED);
	assert_failed(&w->host[B], IKE_FAIL_PEER_KEY, IKE_N_AUTHENTICATION_FAILED);
	assert_empty(w);
}

/* The responder would let anybody in, but is not who the initiator wants. */
static void psk_wrong_responder(void **state)
{
	struct world *w = world_ed25519();

	(void)state;
	strcpy(w->host[A].terms.psk, "office");
	w->host[A].psk = "correct horse battery staple";
	world_try(w);
	assert_failed(&w->host[A], IKE_FAIL_SELF_REFUSED, IKE_N_AUTHENTICATION_FAILED);
	assert_int_equal(w->host[B].ups, 0);
	assert_empty(w);
}

/* Signatures where the secret is wanted. */
static void psk_wanted(void **state)
{
	struct world *w = world_ed25519();

	(void)state;
	strcpy(w->host[B].terms.psk, "office");
	w->host[B].psk = "correct horse battery staple";
	world_try(w);
	assert_failed(&w->host[B], IKE_FAIL_PEER_KEY, IKE_N_AUTHENTICATION_FAILED);
	assert_int_equal(w->host[A].ups, 0);
	assert_empty(w);
}

/* No such file. Nothing goes out, or a refusal. */
static void psk_missing(void **state)
{
	struct world *w = world_psk(NULL, "correct horse battery staple");

	(void)state;
	world_try(w);
	assert_failed(&w->host[A], IKE_FAIL_SIGNER, 0);
	assert_string_equal(w->host[A].failed.why, "there is no file keys/office.psk");
	world_run(w, 60 * SEC);
	assert_empty(w);
	w = world_psk("correct horse battery staple", NULL);
	world_try(w);
	assert_failed(&w->host[A], IKE_FAIL_SELF_REFUSED, IKE_N_AUTHENTICATION_FAILED);
	assert_failed(&w->host[B], IKE_FAIL_SIGNER, IKE_N_AUTHENTICATION_FAILED);
	assert_empty(w);
}

/* The secret goes away between our AUTH and the peer's: the peer, which is up, is told. */
static enum fate forget_secret(struct world *w, struct packet *p)
{
	if (p->to == A && p->data[18] == IKE_EXCH_AUTH)
		w->host[A].psk = NULL;
	return PASS;
}

static void psk_gone(void **state)
{
	struct world *w = world_psk("correct horse battery staple", "correct horse battery staple");

	(void)state;
	w->tamper = forget_secret;
	world_try(w);
	assert_failed(&w->host[A], IKE_FAIL_SIGNER, 0);
	assert_int_equal(w->host[B].ups, 1);
	assert_int_equal(w->host[B].downs, 1);
	assert_empty(w);
}

/* Every message lost once, and every one twice on the way. */
static enum fate one_lost(struct world *w, struct packet *p)
{
	return p->number == w->tamper_n ? DROP : PASS;
}

static enum fate all_twice(struct world *w, struct packet *p)
{
	(void)w, (void)p;
	return TWICE;
}

static void psk_loss(void **state)
{
	(void)state;
	for (unsigned int lost = 0; lost < 5; lost++) {
		struct world *w = world_psk("0123456789abcdef", "0123456789abcdef");

		w->tamper = lost < 4 ? one_lost : all_twice;
		w->tamper_n = lost;
		world_try(w);
		assert_psk(w);
		assert_private(w, 1);
		world_free(w);
	}
}

/* ---- identities */

static void set_id(struct host *h, bool self, uint8_t type, const void *id, size_t len)
{
	struct ike_terms *t = &h->terms;

	memcpy(self ? t->self_id : t->peer_id, id, len);
	*(self ? &t->self_type : &t->peer_type) = type;
	*(self ? &t->self_len : &t->peer_len) = (uint16_t)len;
}

static void ids(void **state)
{
	struct world *w = world_psk("0123456789abcdef", "0123456789abcdef");

	(void)state;
	set_id(&w->host[A], true, IKE_ID_FQDN, "a.example.org", 13);
	set_id(&w->host[B], false, IKE_ID_FQDN, "A.Example.ORG", 13);
	set_id(&w->host[B], true, IKE_ID_RFC822_ADDR, "b@example.org", 13);
	set_id(&w->host[A], false, IKE_ID_RFC822_ADDR, "b@example.org", 13);
	world_try(w);
	assert_psk(w);
	assert_string_equal(w->host[B].up.peer_id, "a.example.org");
	assert_string_equal(w->host[A].up.peer_id, "b@example.org");
	world_free(w);
}

/* Another one, a longer one, another type: of the initiator and of the responder; by a secret and by
 * keys. */
static void ids_wrong(void **state)
{
	static const struct {
		uint8_t type;
		const char *id;
	} claims[] = {
		{IKE_ID_FQDN, "b.example.org"},
		{IKE_ID_FQDN, "a.example.org.evil.example"},
		{IKE_ID_FQDN, "a.example.or"},
		{IKE_ID_RFC822_ADDR, "a.example.org"},
		{IKE_ID_KEY_ID, "a.example.org"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++)
		for (int liar = 0; liar < HOSTS; liar++)
			for (int keys = 0; keys < 2; keys++) {
				struct world *w =
					keys ? world_ed25519()
					     : world_psk("0123456789abcdef", "0123456789abcdef");
				struct host *h = &w->host[!liar];

				set_id(&w->host[liar], true, claims[i].type, claims[i].id,
					strlen(claims[i].id));
				set_id(h, false, IKE_ID_FQDN, "a.example.org", 13);
				world_try(w);
				assert_failed(h, IKE_FAIL_PEER_ID, IKE_N_AUTHENTICATION_FAILED);
				assert_int_equal(h->ups, 0);
				assert_empty(w);
			}
}

/* An identity of a key-id is compared byte by byte. */
static void id_bytes(void **state)
{
	struct world *w = world_psk("0123456789abcdef", "0123456789abcdef");

	(void)state;
	set_id(&w->host[A], true, IKE_ID_KEY_ID, "\x00\x01Key", 5);
	set_id(&w->host[B], false, IKE_ID_KEY_ID, "\x00\x01key", 5);
	world_try(w);
	assert_failed(&w->host[B], IKE_FAIL_PEER_ID, IKE_N_AUTHENTICATION_FAILED);
	assert_empty(w);
}

/* ---- RFC 4754 */

/* Messages of IKE_SA_INIT lose their announcement of hashes, before AUTH covers them: so both sides
 * see a peer that knows no RFC 7427. */
static struct world *world_old(enum test_key a, enum test_key b)
{
	struct world *w = world_new();

	world_keys(w, a, b);
	for (int i = 0; i < HOSTS; i++)
		w->host[i].core->hashes = 0;
	return w;
}

static enum fate see_method(struct world *w, struct packet *p)
{
	struct ike_sa *sa = world_sender(w, p);
	uint8_t *methods = w->tamper_arg;

	if (p->data[18] == IKE_EXCH_AUTH && sa && sa->hs)
		methods[p->to] = sa->hs->own_type;
	return PASS;
}

static void old_ecdsa(void **state)
{
	static const struct {
		enum test_key key;
		enum ike_key_type type;
	} keys[] = {{KEY_P256, IKE_KEY_P256}, {KEY_P384, IKE_KEY_P384}, {KEY_P521, IKE_KEY_P521}};

	(void)state;
	for (size_t i = 0; i < 9; i++) {
		struct world *w = world_old(keys[i / 3].key, keys[i % 3].key);
		uint8_t types[HOSTS] = {0};

		w->tamper = see_method;
		w->tamper_arg = types;
		world_try(w);
		assert_int_equal(w->host[A].up.auth_peer, IKE_AUTH_SIGNATURE);
		assert_int_equal(w->host[B].up.auth_peer, IKE_AUTH_SIGNATURE);
		assert_int_equal(types[B], keys[i / 3].type);
		assert_private(w, 1);
		world_free(w);
	}
}

/* Another key than the one that is known. */
static void old_ecdsa_wrong(void **state)
{
	struct world *w = world_old(KEY_P256, KEY_P384);

	(void)state;
	w->host[B].peer[0] = world_key(KEY_P384);
	world_try(w);
	assert_failed(&w->host[A], IKE_FAIL_SELF_REFUSED, IKE_N_AUTHENTICATION_FAILED);
	assert_failed(&w->host[B], IKE_FAIL_PEER_KEY, IKE_N_AUTHENTICATION_FAILED);
	assert_empty(w);
}

/* RSA and EdDSA have no way without hashes: method 1 is with SHA-1, and not there. */
static void old_rsa(void **state)
{
	static const enum test_key keys[] = {KEY_RSA, KEY_ED25519, KEY_ED448};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct world *w = world_old(keys[i], keys[i]);

		world_try(w);
		assert_failed(&w->host[A], IKE_FAIL_NO_SCHEME, 0);
		world_run(w, 60 * SEC);
		assert_empty(w);
	}
}

static void new_keys(void **state)
{
	struct world *w = world_new();

	(void)state;
	world_keys(w, KEY_P521, KEY_ED448);
	world_try(w);
	assert_int_equal(w->host[A].up.auth_peer, IKE_AUTH_SIGNATURE);
	assert_int_equal(w->host[B].up.auth_peer, IKE_AUTH_SIGNATURE);
	assert_private(w, 1);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(psk),
		cmocka_unit_test(psk_not_keys),
		cmocka_unit_test(psk_wrong),
		cmocka_unit_test(psk_wrong_responder),
		cmocka_unit_test(psk_wanted),
		cmocka_unit_test(psk_missing),
		cmocka_unit_test(psk_gone),
		cmocka_unit_test(psk_loss),
		cmocka_unit_test(ids),
		cmocka_unit_test(ids_wrong),
		cmocka_unit_test(id_bytes),
		cmocka_unit_test(old_ecdsa),
		cmocka_unit_test(old_ecdsa_wrong),
		cmocka_unit_test(old_rsa),
		cmocka_unit_test(new_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
