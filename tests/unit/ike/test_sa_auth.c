/* SPDX-License-Identifier: BSD-2-Clause */
/* IKE_AUTH when something is wrong: keys, identities, signatures, and the child that goes with it. */
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

/* ---- IKE_AUTH */

static void wrong_key_of_initiator(void **state)
{
	struct world *w = world_ed25519();

	(void)state;
	w->host[B].peer[0] = world_key(KEY_RSA);
	world_try(w);
	assert_failed(&w->host[A], IKE_FAIL_SELF_REFUSED, IKE_N_AUTHENTICATION_FAILED);
	assert_failed(&w->host[B], IKE_FAIL_PEER_KEY, IKE_N_AUTHENTICATION_FAILED);
	assert_int_equal(w->sent, 4);
	assert_empty(w);
}

static void wrong_key_of_responder(void **state)
{
	struct world *w = world_ed25519();

	(void)state;
	w->host[A].peer[0] = world_key(KEY_RSA);
	world_try(w);
	assert_failed(&w->host[A], IKE_FAIL_PEER_KEY, IKE_N_AUTHENTICATION_FAILED);
	/* B was up and has been told */
	assert_int_equal(w->host[B].downs, 1);
	assert_int_equal(w->host[B].down.code, IKE_FAIL_SELF_REFUSED);
	assert_empty(w);
}

/* What a peer sees that heeds no AUTHENTICATION_FAILED here, as Libreswan 4.10. */
static void drop_notify(void *arg, uint8_t type, struct ike_bytes body, struct ike_builder *b)
{
	(void)arg;
	if (type && type != IKE_PL_NOTIFY)
		ike_build_raw(b, (enum ike_payload)type, body.p, body.len);
}

static enum fate unheeded(struct world *w, struct packet *p)
{
	struct ike_header h;

	assert_int_equal(ike_header_parse(p->data, p->len, &h), IKE_PARSE_OK);
	if (h.exchange == IKE_EXCH_INFORMATIONAL && !(h.flags & IKE_FLAG_RESPONSE)) {
		world_edit(w, p, drop_notify, NULL);
		w->tamper_n++;
	}
	return PASS;
}

/* Such a responder ends its SA, too. */
static void wrong_key_of_responder_unheeded(void **state)
{
	struct world *w = world_ed25519();

	(void)state;
	w->host[A].peer[0] = world_key(KEY_RSA);
	w->tamper = unheeded;
	world_try(w);
	assert_int_equal(w->tamper_n, 1);
	assert_failed(&w->host[A], IKE_FAIL_PEER_KEY, IKE_N_AUTHENTICATION_FAILED);
	assert_int_equal(w->host[B].downs, 1);
	assert_int_equal(w->host[B].down.code, IKE_FAIL_DELETED);
	assert_nothing(w);
	assert_empty(w);
}

static void no_key_known(void **state)
{
	struct world *w = world_ed25519();

	(void)state;
	w->host[A].n_peer = 0;
	world_try(w);
	assert_failed(&w->host[A], IKE_FAIL_NOT_AUTHORIZED, 0);
	assert_int_equal(w->sent, 0);
	assert_empty(w);
	w = world_ed25519();
	w->host[B].n_peer = 0;
	world_try(w);
	assert_failed(&w->host[A], IKE_FAIL_SELF_REFUSED, IKE_N_AUTHENTICATION_FAILED);
	assert_failed(&w->host[B], IKE_FAIL_NOT_AUTHORIZED, IKE_N_AUTHENTICATION_FAILED);
	assert_empty(w);
}

static void anonymous_where_not_allowed(void **state)
{
	struct world *w = world_ed25519();

	(void)state;
	w->host[A].n_own = 0;
	w->host[A].allow = IKE_ALLOW_ANONYMOUS_SELF;
	host_own_keys(&w->host[A]);
	world_try(w);
	assert_failed(&w->host[A], IKE_FAIL_SELF_REFUSED, IKE_N_AUTHENTICATION_FAILED);
	assert_failed(&w->host[B], IKE_FAIL_PEER_ANONYMOUS, IKE_N_AUTHENTICATION_FAILED);
	assert_empty(w);
	/* the responder has no key; the initiator wants one */
	w = world_ed25519();
	w->host[B].n_own = 0;
	w->host[B].allow = IKE_ALLOW_ANONYMOUS_SELF;
	host_own_keys(&w->host[B]);
	world_try(w);
	assert_failed(&w->host[A], IKE_FAIL_PEER_ANONYMOUS, IKE_N_AUTHENTICATION_FAILED);
	assert_int_equal(w->host[B].downs, 1);
	assert_empty(w);
}

static void no_scheme(void **state)
{
	struct world *w = world_ed25519();

	(void)state;
	w->host[A].n_own = 0;
	host_own_keys(&w->host[A]);
	world_try(w);
	assert_failed(&w->host[A], IKE_FAIL_NO_SCHEME, 0);
	assert_empty(w);
	w = world_ed25519();
	w->host[B].n_own = 0;
	host_own_keys(&w->host[B]);
	world_try(w);
	assert_failed(&w->host[A], IKE_FAIL_SELF_REFUSED, IKE_N_AUTHENTICATION_FAILED);
	assert_failed(&w->host[B], IKE_FAIL_NO_SCHEME, IKE_N_AUTHENTICATION_FAILED);
	assert_empty(w);
}

static void signer_fails(void **state)
{
	struct world *w = world_ed25519();

	(void)state;
	w->host[A].sign_error = -EIO;
	world_try(w);
	assert_failed(&w->host[A], IKE_FAIL_SIGNER, 0);
	assert_empty(w);
	w = world_ed25519();
	w->host[B].sign_error = -EIO;
	world_try(w);
	assert_failed(&w->host[A], IKE_FAIL_SELF_REFUSED, IKE_N_AUTHENTICATION_FAILED);
	assert_failed(&w->host[B], IKE_FAIL_SIGNER, IKE_N_AUTHENTICATION_FAILED);
	assert_empty(w);
}

static void install_fails(void **state)
{
	struct world *w = world_ed25519();

	(void)state;
	w->host[A].preinstall_error = -ENOSYS;
	world_try(w);
	assert_failed(&w->host[A], IKE_FAIL_INSTALL, 0);
	assert_empty(w);
	w = world_ed25519();
	w->host[B].install_error = -ENOSYS;
	world_try(w);
	assert_failed(&w->host[A], IKE_FAIL_CHILD, IKE_N_TEMPORARY_FAILURE);
	assert_failed(&w->host[B], IKE_FAIL_INSTALL, IKE_N_TEMPORARY_FAILURE);
	assert_empty(w);
}

/* B's kernel answers when its signer has long done so. */
static struct world *try_late_kernel(int sign_error, int install_error)
{
	struct world *w = world_ed25519();

	w->host[B].sign_error = sign_error;
	w->host[B].install_error = install_error;
	w->host[B].stalled = true;
	host_connect(&w->host[A]);
	world_run(w, 20 * MS);
	assert_int_equal(w->host[A].ups, 0);
	assert_int_equal(w->host[B].ups, 0);
	host_goes_on(&w->host[B]);
	world_run(w, 100 * SEC);
	return w;
}

/* A responder asks both at a time, and answers when it has heard both. */
static void kernel_after_signer(void **state)
{
	struct world *w = try_late_kernel(0, 0);

	(void)state;
	assert_private(w, 1);
	world_free(w);
	w = try_late_kernel(0, -ENOSYS);
	assert_failed(&w->host[A], IKE_FAIL_CHILD, IKE_N_TEMPORARY_FAILURE);
	assert_failed(&w->host[B], IKE_FAIL_INSTALL, IKE_N_TEMPORARY_FAILURE);
	assert_empty(w);
	/* of what is refused to the peer nothing stays */
	w = try_late_kernel(-EIO, 0);
	assert_failed(&w->host[A], IKE_FAIL_SELF_REFUSED, IKE_N_AUTHENTICATION_FAILED);
	assert_failed(&w->host[B], IKE_FAIL_SIGNER, IKE_N_AUTHENTICATION_FAILED);
	assert_empty(w);
}

/* ---- the child */

static const struct ike_encr *const *esp_list(uint16_t id, uint16_t bits)
{
	static const struct ike_encr *list[2];

	list[0] = ike_encr_find(id, bits);
	assert_non_null(list[0]);
	return list;
}

/* The peer takes another proposal than the one whose SA stands already. */
static void other_proposal(void **state)
{
	struct world *w = world_ed25519();
	struct ike_profile pb = ike_profile_default;

	(void)state;
	pb.esp = esp_list(IKE_ENCR_CHACHA20_POLY1305, 0);
	w->host[B].core->profile = &pb;
	world_try(w);
	assert_string_equal(w->host[A].up.esp, "ChaCha20-Poly1305 ESN");
	assert_private(w, 1);
	world_free(w);
}

/* Leaves only one proposal of an SA payload. */
static void one_proposal(void *arg, uint8_t type, struct ike_bytes body, struct ike_builder *b)
{
	const unsigned int *number = arg;
	uint8_t proposal[100] = {0};
	size_t at = 0, len;

	if (type == IKE_PL_NONE)
		return;
	if (type != IKE_PL_SA) {
		ike_build_raw(b, (enum ike_payload)type, body.p, body.len);
		return;
	}
	while (body.p[at + 4] != *number)
		at += (size_t)(body.p[at + 2] << 8 | body.p[at + 3]);
	len = (size_t)(body.p[at + 2] << 8 | body.p[at + 3]);
	assert_true(len <= sizeof(proposal));
	memcpy(proposal + 1, body.p + at + 1, len - 1); /* and it is the last */
	ike_build_raw(b, IKE_PL_SA, proposal, len);
}

static enum fate offer_one(struct world *w, struct packet *p)
{
	if (p->to == B && p->data[18] == IKE_EXCH_AUTH)
		world_edit(w, p, one_proposal, &w->tamper_n);
	return PASS;
}

static void takes_proposal(unsigned int number, const char *esp)
{
	struct world *w = world_ed25519();

	w->tamper = offer_one;
	w->tamper_n = number;
	world_try(w);
	assert_string_equal(w->host[A].up.esp, esp);
	assert_string_equal(w->host[B].up.esp, esp);
	assert_private(w, 1);
	world_free(w);
}

/* A peer without extended sequence numbers takes the first proposal's twin, one without an AEAD the
 * last. */
static void twin_proposal(void **state)
{
	(void)state;
	takes_proposal(1, "AES-GCM-16-256 ESN");
	takes_proposal(2, "ChaCha20-Poly1305 ESN");
	takes_proposal(3, "AES-GCM-16-128 ESN");
	takes_proposal(4, "AES-GCM-16-256");
	takes_proposal(5, "AES-CBC-256 / HMAC-SHA2-512-256");
}

static void other_proposal_install_fails(void **state)
{
	struct world *w = world_ed25519();
	struct ike_profile pb = ike_profile_default;

	(void)state;
	pb.esp = esp_list(IKE_ENCR_CHACHA20_POLY1305, 0);
	w->host[B].core->profile = &pb;
	w->host[A].install_error = -ENOSYS;
	world_try(w);
	assert_failed(&w->host[A], IKE_FAIL_INSTALL, 0);
	assert_int_equal(w->host[B].downs, 1);
	assert_int_equal(w->host[B].down.code, IKE_FAIL_DELETED);
	assert_empty(w);
}

static void no_esp_proposal(void **state)
{
	struct world *w = world_ed25519();
	struct ike_profile pa = ike_profile_default, pb = ike_profile_default;

	(void)state;
	static const struct ike_encr *aes[2];

	aes[0] = ike_encr_find(IKE_ENCR_AES_GCM_16, 128);
	pa.esp = aes;
	pa.late_esp = NULL;
	pb.esp = esp_list(IKE_ENCR_CHACHA20_POLY1305, 0);
	w->host[A].core->profile = &pa;
	w->host[B].core->profile = &pb;
	world_try(w);
	assert_failed(&w->host[A], IKE_FAIL_CHILD, IKE_N_NO_PROPOSAL_CHOSEN);
	assert_failed(&w->host[B], IKE_FAIL_NO_PROPOSAL, IKE_N_NO_PROPOSAL_CHOSEN);
	assert_empty(w);
}

/* A peer that has nothing but what we only answer with: CBC with each HMAC, each group. */
static void answer_only(void **state)
{
	static const uint16_t groups[] = {IKE_KE_ECP_384, IKE_KE_ECP_521, IKE_KE_MODP_2048};
	static const struct ike_encr *cbc[2];
	static const struct ike_integ *hmac[2];
	static const struct ike_ke *group[2];
	char suite[IKE_SUITE_MAX], esp[64];

	(void)state;
	for (unsigned int i = 0; i < 6; i++) {
		struct world *w = world_ed25519();
		struct ike_profile pa = ike_profile_default;

		cbc[0] = ike_encr_find(IKE_ENCR_AES_CBC, i % 2 ? 128 : 256);
		hmac[0] = ike_integ_find((uint16_t)(IKE_INTEG_HMAC_SHA2_256_128 + i % 3));
		group[0] = ike_ke_find(groups[i / 2]);
		pa.encr = pa.esp = cbc;
		pa.late_esp = NULL;
		pa.integ = hmac;
		pa.ke = group;
		w->host[A].core->profile = &pa;
		world_try(w);
		snprintf(suite, sizeof(suite), "%s / %s / PRF-HMAC-SHA2-512 / %s", cbc[0]->name,
			hmac[0]->name, group[0]->name);
		snprintf(esp, sizeof(esp), "%s / %s ESN", cbc[0]->name, hmac[0]->name);
		assert_string_equal(w->host[A].up.suite, suite);
		assert_string_equal(w->host[B].up.suite, suite);
		assert_string_equal(w->host[B].up.esp, esp);
		assert_private(w, 1);
		world_free(w);
	}
}

/* Libreswan 4.10 begins with MODP-2048 and offers Curve25519: that is asked for. */
static void better_group(void **state)
{
	static const struct ike_ke *groups[3];
	struct world *w = world_ed25519();
	struct ike_profile pa = ike_profile_default;

	(void)state;
	groups[0] = ike_ke_find(IKE_KE_MODP_2048);
	groups[1] = ike_ke_find(IKE_KE_CURVE25519);
	pa.ke = groups;
	w->host[A].core->profile = &pa;
	world_try(w);
	assert_int_equal(w->host[A].notes[IKE_NOTE_INVALID_KE], 1);
	assert_int_equal(w->host[A].note_args[IKE_NOTE_INVALID_KE], IKE_KE_CURVE25519);
	assert_non_null(strstr(w->host[B].up.suite, "Curve25519"));
	assert_private(w, 1);
	world_free(w);
}

/* What an edit leaves out or puts in. */
struct change {
	int to;               /* messages to this host */
	uint8_t drop;         /* payload type left out */
	uint16_t drop_notify; /* notify left out */
	uint16_t add_notify;  /* notify put at the end */
	uint8_t replace;      /* payload type whose body is replaced */
	const void *body;
	size_t len;
};

static void edit(void *arg, uint8_t type, struct ike_bytes body, struct ike_builder *b)
{
	const struct change *c = arg;

	if (type == IKE_PL_NONE) {
		if (c->add_notify)
			ike_build_notify(b, c->add_notify, NULL, 0);
	} else if (type == IKE_PL_NOTIFY && c->drop_notify &&
		   c->drop_notify == (body.p[2] << 8 | body.p[3])) {
		return;
	} else if (type == c->replace) {
		ike_build_raw(b, (enum ike_payload)type, c->body, c->len);
	} else if (type != c->drop) {
		ike_build_raw(b, (enum ike_payload)type, body.p, body.len);
	}
}

static enum fate edit_auth(struct world *w, struct packet *p)
{
	struct change *c = w->tamper_arg;

	if (p->to == c->to && p->data[18] == IKE_EXCH_AUTH)
		world_edit(w, p, edit, c);
	return PASS;
}

static struct world *world_changed(struct change *c)
{
	struct world *w = world_ed25519();

	w->tamper = edit_auth;
	w->tamper_arg = c;
	world_try(w);
	return w;
}

static void tunnel_only(void **state)
{
	struct change c = {.to = A, .drop_notify = IKE_N_USE_TRANSPORT_MODE};
	struct world *w = world_changed(&c);

	(void)state;
	assert_failed(&w->host[A], IKE_FAIL_TUNNEL, 0);
	assert_int_equal(w->host[B].down.code, IKE_FAIL_DELETED);
	assert_empty(w);
	c.to = B;
	w = world_changed(&c);
	assert_failed(&w->host[A], IKE_FAIL_CHILD, IKE_N_NO_PROPOSAL_CHOSEN);
	assert_failed(&w->host[B], IKE_FAIL_TUNNEL, IKE_N_NO_PROPOSAL_CHOSEN);
	assert_empty(w);
}

static void narrowed(void **state)
{
	/* one selector, TCP to port 80 of B: the rest would go in clear or nowhere */
	static const uint8_t ts[] = {
		1, 0, 0, 0, 7, 6, 0, 16, 0, 80, 0, 80, 198, 18, 2, 20, 198, 18, 2, 20};
	/* another host than B */
	static const uint8_t other[] = {
		1, 0, 0, 0, 7, 0, 0, 16, 0, 0, 255, 255, 198, 18, 2, 21, 198, 18, 2, 21};
	/* more than B: a whole network. A responder narrows it, an initiator never offered it. */
	static const uint8_t wide[] = {
		1, 0, 0, 0, 7, 0, 0, 16, 0, 0, 255, 255, 198, 18, 2, 0, 198, 18, 2, 255};
	struct change c = {.to = A, .replace = IKE_PL_TSR, .body = ts, .len = sizeof(ts)};
	struct world *w = world_changed(&c);

	(void)state;
	assert_failed(&w->host[A], IKE_FAIL_SELECTORS, 0);
	assert_empty(w);
	c.body = other;
	w = world_changed(&c);
	assert_failed(&w->host[A], IKE_FAIL_SELECTORS, 0);
	assert_empty(w);
	c.body = wide;
	w = world_changed(&c);
	assert_failed(&w->host[A], IKE_FAIL_SELECTORS, 0);
	assert_empty(w);
	c.to = B;
	w = world_changed(&c);
	assert_int_equal(w->host[A].ups, 1);
	assert_private(w, 1);
	world_free(w);
	c.body = ts;
	w = world_changed(&c);
	assert_failed(&w->host[A], IKE_FAIL_SELECTORS, IKE_N_TS_UNACCEPTABLE);
	assert_failed(&w->host[B], IKE_FAIL_SELECTORS, IKE_N_TS_UNACCEPTABLE);
	assert_empty(w);
}

/* IDr and AUTH are there, but the child failed: the peer is known and told to go. */
static void childless_answer(void **state)
{
	struct change c = {.to = A, .drop = IKE_PL_SA, .add_notify = IKE_N_NO_ADDITIONAL_SAS};
	struct world *w = world_changed(&c);

	(void)state;
	assert_failed(&w->host[A], IKE_FAIL_CHILD, IKE_N_NO_ADDITIONAL_SAS);
	assert_int_equal(w->host[B].down.code, IKE_FAIL_DELETED);
	assert_empty(w);
}

/* A message without something that it needs ends the attempt on both sides. */
static void missing_payloads(void **state)
{
	static const uint8_t types[] = {IKE_PL_IDI, IKE_PL_AUTH, IKE_PL_SA, IKE_PL_TSI, IKE_PL_TSR};

	(void)state;
	for (size_t i = 0; i < sizeof(types); i++) {
		struct change c = {.to = B, .drop = types[i]};
		struct world *w = world_changed(&c);

		assert_failed(&w->host[B], IKE_FAIL_PROTOCOL, IKE_N_INVALID_SYNTAX);
		assert_failed(&w->host[A], IKE_FAIL_PROTOCOL, IKE_N_INVALID_SYNTAX);
		assert_empty(w);
		c.to = A;
		c.drop = types[i] == IKE_PL_IDI ? IKE_PL_IDR : types[i];
		w = world_changed(&c);
		assert_failed(&w->host[A], IKE_FAIL_PROTOCOL, 0);
		assert_int_equal(w->host[B].downs, 1);
		assert_empty(w);
	}
}

/* A signature over other octets: changed identity. */
static void changed_identity(void **state)
{
	static const uint8_t id[] = {IKE_ID_IPV4_ADDR, 0, 0, 0, 198, 18, 1, 99};
	struct change c = {.to = B, .replace = IKE_PL_IDI, .body = id, .len = sizeof(id)};
	struct world *w = world_changed(&c);

	(void)state;
	assert_failed(&w->host[B], IKE_FAIL_PEER_KEY, IKE_N_AUTHENTICATION_FAILED);
	assert_empty(w);
}

/* IKE_SA_INIT was changed on the way: AUTH finds it, anonymous or not. */
static enum fate change_init(struct world *w, struct packet *p)
{
	/* the last hash that the initiator announces, to one that nobody knows */
	if (p->number == 0)
		p->data[p->len - 1] ^= 0x40;
	(void)w;
	return PASS;
}

static void changed_init(void **state)
{
	struct world *w = world_ed25519();

	(void)state;
	w->tamper = change_init;
	world_try(w);
	assert_failed(&w->host[B], IKE_FAIL_PEER_KEY, IKE_N_AUTHENTICATION_FAILED);
	assert_empty(w);
	w = world_new();
	for (int i = 0; i < HOSTS; i++)
		w->host[i].allow = IKE_ALLOW_ANONYMOUS_PEER | IKE_ALLOW_ANONYMOUS_SELF;
	w->tamper = change_init;
	world_try(w);
	assert_failed(&w->host[B], IKE_FAIL_PEER_KEY, IKE_N_AUTHENTICATION_FAILED);
	assert_empty(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_key_of_initiator),
		cmocka_unit_test(wrong_key_of_responder),
		cmocka_unit_test(wrong_key_of_responder_unheeded),
		cmocka_unit_test(no_key_known),
		cmocka_unit_test(anonymous_where_not_allowed),
		cmocka_unit_test(no_scheme),
		cmocka_unit_test(signer_fails),
		cmocka_unit_test(install_fails),
		cmocka_unit_test(kernel_after_signer),
		cmocka_unit_test(other_proposal),
		cmocka_unit_test(twin_proposal),
		cmocka_unit_test(answer_only),
		cmocka_unit_test(better_group),
		cmocka_unit_test(other_proposal_install_fails),
		cmocka_unit_test(no_esp_proposal),
		cmocka_unit_test(tunnel_only),
		cmocka_unit_test(narrowed),
		cmocka_unit_test(childless_answer),
		cmocka_unit_test(missing_payloads),
		cmocka_unit_test(changed_identity),
		cmocka_unit_test(changed_init),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
