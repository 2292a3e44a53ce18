/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One message with any payloads inside SK, in each situation in which one is taken. The first byte
 * is the situation, the second the exchange and, above its two bits, whether both have a PPK; the third
 * is the type of the first payload; the rest is the chain.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/ike_world.h"

enum situation {
	AUTH_REQUEST,   /* B waits for it */
	AUTH_RESPONSE,  /* A waits for it */
	REQUEST_TO_B,   /* both are up; B is the responder */
	REQUEST_TO_A,
	PROBE_RESPONSE, /* A's empty INFORMATIONAL is out */
	CLOSE_RESPONSE, /* A's DELETE is out */
	REKEY_CHILD_RESPONSE, /* A's CREATE_CHILD_SA is out */
	REKEY_IKE_RESPONSE,
	COLLISION, /* the same, and a request comes */
	SITUATIONS,
};

static void inject(struct fuzz_world *w, enum situation s, uint8_t exchange, uint8_t first,
	struct ike_bytes chain)
{
	struct fuzz_message m = {.exchange = exchange, .first = first, .chain = chain};

	fuzz_connect(w, FUZZ_A);
	switch (s) {
	case AUTH_REQUEST:
		fuzz_world_run_to(w, 3);
		fuzz_replace(w, 0, first, chain);
		return;
	case AUTH_RESPONSE:
		fuzz_world_run_to(w, 4);
		fuzz_replace(w, 0, first, chain);
		return;
	case REQUEST_TO_B:
	case REQUEST_TO_A:
		fuzz_world_run(w, 100);
		fuzz_inject(w, s == REQUEST_TO_B ? FUZZ_B : FUZZ_A, &m);
		return;
	case PROBE_RESPONSE:
	case CLOSE_RESPONSE:
		fuzz_world_run(w, 100);
		if (s == PROBE_RESPONSE)
			fuzz_probe(w, FUZZ_A);
		else
			fuzz_close(w, FUZZ_A, false);
		fuzz_world_step(w);
		fuzz_drop(w, 0);
		m.response = true;
		fuzz_inject(w, FUZZ_A, &m);
		return;
	case REKEY_CHILD_RESPONSE:
	case REKEY_IKE_RESPONSE:
	case COLLISION:
		fuzz_world_run(w, 100);
		fuzz_rekey(w, FUZZ_A, exchange & 1 || s == REKEY_CHILD_RESPONSE, 0);
		fuzz_world_step(w);
		m.exchange = IKE_EXCH_CREATE_CHILD;
		m.response = s != COLLISION;
		if (m.response)
			fuzz_drop(w, 0);
		fuzz_inject(w, FUZZ_A, &m);
		return;
	case SITUATIONS:
		return;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint8_t exchanges[] = {
		IKE_EXCH_INFORMATIONAL, IKE_EXCH_CREATE_CHILD, IKE_EXCH_AUTH, 43};
	struct fuzz_setup setup = {.proof = FUZZ_NULL};
	struct fuzz_world *w;

	if (len < 3)
		return 0;
	w = fuzz_world_new(&setup);
	for (int i = 0; i < FUZZ_HOSTS; i++)
		fuzz_ppk(w, i, (enum fuzz_ppk)((data[1] >> 2) % 3), false, false);
	inject(w, (enum situation)(data[0] % SITUATIONS), exchanges[data[1] % 4], data[2],
		(struct ike_bytes){data + 3, len - 3});
	fuzz_world_end(w);
	return 0;
}
