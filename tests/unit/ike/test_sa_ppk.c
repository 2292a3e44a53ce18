/* SPDX-License-Identifier: BSD-2-Clause */
/* Post-quantum preshared keys (RFC 8784) between two cores: every row of its table 1, in both
 * roles, by signature, shared secret and NULL; and beside an additional key exchange. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "ike/exchange.h"
#include "tests/unit/ike/test_sa_world.h"

#define SECRET "thirty-two bytes that both know."

enum how { NONE, OPTIONAL, REQUIRED };

static void give(struct host *h, enum how how, const char *secret, const char *id)
{
	if (how == NONE)
		return;
	h->ppk = secret;
	strcpy(h->terms.ppk, "q");
	h->terms.ppk_required = how == REQUIRED;
	h->terms.ppk_id_len = (uint8_t)strlen(id);
	memcpy(h->terms.ppk_id, id, strlen(id));
}

enum auth { KEYS, PSK, ANONYMOUS, AUTHS };

static struct world *world_auth(enum auth auth)
{
	struct world *w = auth == KEYS ? world_ed25519() : world_new();

	for (int i = 0; i < HOSTS; i++)
		if (auth == PSK) {
			w->host[i].psk = "correct horse battery staple";
			strcpy(w->host[i].terms.psk, "office");
		} else if (auth == ANONYMOUS) {
			w->host[i].allow = IKE_ALLOW_ANONYMOUS_PEER | IKE_ALLOW_ANONYMOUS_SELF;
		}
	return w;
}

static void assert_noted(const struct host *h, bool any, bool used)
{
	assert_int_equal(h->notes[IKE_NOTE_PPK], any);
	assert_int_equal(h->note_args[IKE_NOTE_PPK], used);
}

/* All that two hosts can want of each other. */
static void matrix(void **state)
{
	(void)state;
	for (enum auth auth = KEYS; auth < AUTHS; auth++)
		for (enum how a = NONE; a <= REQUIRED; a++)
			for (enum how b = NONE; b <= REQUIRED; b++) {
				struct world *w = world_auth(auth);
				bool up = (a != REQUIRED || b != NONE) &&
					  (a != NONE || b != REQUIRED);

				give(&w->host[A], a, SECRET, "id");
				give(&w->host[B], b, SECRET, "id");
				w->flowing = true;
				world_try(w);
				if (!up) {
					assert_int_equal(w->host[A].ups + w->host[B].ups, 0);
					assert_int_equal(w->host[A].fails, 1);
					assert_nothing(w);
					assert_empty(w);
					continue;
				}
				assert_private(w, 1);
				for (int i = 0; i < HOSTS; i++)
					assert_noted(&w->host[i], a && b, a && b);
				world_free(w);
			}
}

static enum fate lose_auth(struct world *w, struct packet *p)
{
	struct ike_header h;

	(void)w;
	assert_int_equal(ike_header_parse(p->data, p->len, &h), IKE_PARSE_OK);
	return h.exchange == IKE_EXCH_AUTH ? DROP : PASS;
}

/* SK_d = prf+ (PPK, SK_d'), and it is not done again when the IKE SA is rekeyed. */
static void keys(void **state)
{
	struct world *w = world_ed25519();
	struct host *a = &w->host[A];
	struct ike_rekey q = {0};
	uint8_t plain[IKE_PRF_MAX], want[IKE_PRF_MAX];
	struct ike_bytes in = {plain, 0};
	struct ike_sa *sa;

	(void)state;
	for (int i = 0; i < HOSTS; i++)
		give(&w->host[i], REQUIRED, SECRET, "id");
	w->tamper = lose_auth;
	host_connect(a);
	world_run(w, 10 * MS);
	sa = world_main_sa(a);
	assert_int_equal(sa->state, SA_I_AUTH);
	assert_true(sa->hs->ppk);
	memcpy(plain, sa->hs->ppk_keys[0], sizeof(plain)); /* those without it */
	w->tamper = NULL;
	in.len = sa->prf->len;
	assert_int_equal(ike_prf_plus(sa->prf, SECRET, strlen(SECRET), &in, 1, want, in.len), 0);
	world_run(w, SEC);
	assert_private(w, 1);
	for (int i = 0; i < HOSTS; i++) {
		struct ike_keymat k;

		sa_keymat(world_main_sa(&w->host[i]), &k);
		assert_memory_equal(k.d, want, in.len);
	}
	q.handle = a->up.handle;
	host_send(a, IKE_REQ_REKEY, &q, sizeof(q));
	world_run(w, SEC);
	assert_int_equal(a->rekeys, 1);
	assert_int_equal(a->notes[IKE_NOTE_PPK], 1);
	assert_private(w, 1);
	world_free(w);
}

/* Another secret by the same identity. Where it is optional for the responder, too: it has one
 * by that name, so it does not take NO_PPK_AUTH. */
static void other_secret(void **state)
{
	(void)state;
	for (enum auth auth = KEYS; auth < AUTHS; auth++)
		for (enum how how = OPTIONAL; how <= REQUIRED; how++) {
			struct world *w = world_auth(auth);

			give(&w->host[A], how, SECRET, "id");
			give(&w->host[B], how, "another secret of two who talk..", "id");
			world_try(w);
			assert_failed(&w->host[B], IKE_FAIL_PPK, IKE_N_AUTHENTICATION_FAILED);
			assert_non_null(strstr(w->host[B].failed.why, "PPK"));
			assert_failed(
				&w->host[A], IKE_FAIL_SELF_REFUSED, IKE_N_AUTHENTICATION_FAILED);
			assert_non_null(strstr(w->host[A].failed.why, "PPK"));
			assert_nothing(w);
			assert_empty(w);
		}
}

/* Another identity: both must be content without it. */
static void other_identity(void **state)
{
	(void)state;
	for (enum auth auth = KEYS; auth < AUTHS; auth++)
		for (enum how a = OPTIONAL; a <= REQUIRED; a++)
			for (enum how b = OPTIONAL; b <= REQUIRED; b++) {
				struct world *w = world_auth(auth);

				give(&w->host[A], a, SECRET, "id");
				give(&w->host[B], b, SECRET, "di");
				w->flowing = true;
				world_try(w);
				if (a == OPTIONAL && b == OPTIONAL) {
					assert_private(w, 1);
					for (int i = 0; i < HOSTS; i++)
						assert_noted(&w->host[i], true, false);
					world_free(w);
					continue;
				}
				assert_failed(
					&w->host[B], IKE_FAIL_PPK, IKE_N_AUTHENTICATION_FAILED);
				assert_failed(&w->host[A], IKE_FAIL_SELF_REFUSED,
					IKE_N_AUTHENTICATION_FAILED);
				assert_empty(w);
			}
}

/* The signer has not got what the terms name. */
static void no_secret(void **state)
{
	(void)state;
	for (int i = 0; i < HOSTS; i++) {
		struct world *w = world_ed25519();

		give(&w->host[A], REQUIRED, SECRET, "id");
		give(&w->host[B], REQUIRED, SECRET, "id");
		w->host[i].ppk = NULL;
		world_try(w);
		assert_int_equal(w->host[i].failed.code, IKE_FAIL_SIGNER);
		if (i == A)
			assert_non_null(
				strstr(w->host[A].failed.why, "there is no file keys/q.psk"));
		assert_nothing(w);
		assert_empty(w);
	}
}

/* An answer without PPK_IDENTITY to who requires it, or a request without. */
static void drop_identity(void *arg, uint8_t type, struct ike_bytes body, struct ike_builder *b)
{
	(void)arg;
	if (type && (type != IKE_PL_NOTIFY || memcmp(body.p + 2, "\x40\x34", 2) != 0))
		ike_build_raw(b, (enum ike_payload)type, body.p, body.len);
}

static enum fate nameless(struct world *w, struct packet *p)
{
	struct ike_header h;

	assert_int_equal(ike_header_parse(p->data, p->len, &h), IKE_PARSE_OK);
	if (h.exchange == IKE_EXCH_AUTH && p->to == (int)w->tamper_n)
		world_edit(w, p, drop_identity, NULL);
	return PASS;
}

static void no_identity(void **state)
{
	(void)state;
	for (int to = 0; to < HOSTS; to++) {
		struct world *w = world_ed25519();

		give(&w->host[A], REQUIRED, SECRET, "id");
		give(&w->host[B], REQUIRED, SECRET, "id");
		w->tamper = nameless;
		w->tamper_n = (unsigned int)to;
		world_try(w);
		assert_int_equal(w->host[to].failed.code, IKE_FAIL_PPK);
		assert_nothing(w);
		assert_empty(w);
	}
}

/* The keys of IKE_INTERMEDIATE get it, once. */
static void with_addke(void **state)
{
	const struct ike_ke *addke[] = {ike_ke_find(IKE_KE_ECP_256), NULL};
	struct ike_profile mixed = ike_profile_default;

	(void)state;
	mixed.addke = addke;
	for (enum how how = OPTIONAL; how <= REQUIRED; how++) {
		struct world *w = world_ed25519();

		for (int i = 0; i < HOSTS; i++) {
			give(&w->host[i], how, SECRET, "id");
			w->host[i].core->profile = &mixed;
		}
		world_try(w);
		assert_private(w, 1);
		assert_noted(&w->host[A], true, true);
		assert_int_equal(w->host[A].notes[IKE_NOTE_ADDKE_SENT], 1);
		world_free(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matrix),
		cmocka_unit_test(keys),
		cmocka_unit_test(other_secret),
		cmocka_unit_test(other_identity),
		cmocka_unit_test(no_secret),
		cmocka_unit_test(no_identity),
		cmocka_unit_test(with_addke),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
