/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fragments (RFC 7383). The first byte says where they come: instead of IKE_AUTH's request or
 * response, or as an INFORMATIONAL request or response of an SA that is up; and in how many true ones
 * the message that was under way comes too. Then for each fragment: number, total, how (bit 0: time
 * passes, bits 1 and 2: another message ID, bit 3: SK instead), type of the first payload, length, bytes.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/ike_world.h"

#define FRAGMENTS_MAX 80 /* of one input: more than a message may have */

/* Makes the message that the fragments are for be under way, or its request be out. */
static struct fuzz_message prepare(struct fuzz_world *w, uint8_t where, int *ret_to)
{
	struct fuzz_message m = {.exchange = where & 2 ? IKE_EXCH_INFORMATIONAL : IKE_EXCH_AUTH,
		.response = where & 1};

	*ret_to = where & 1 ? FUZZ_A : FUZZ_B;
	fuzz_connect(w, FUZZ_A);
	if (where & 2) {
		fuzz_world_run(w, 100);
		fuzz_probe(w, FUZZ_A);
		fuzz_world_step(w);
		if (where & 1)
			fuzz_world_step(w); /* delivered, and answered */
	} else {
		fuzz_world_run_to(w, where & 1 ? 4 : 3);
	}
	/* the peer's request that is under way has the next ID already */
	m.skip = where & 1 ? 0 : -1;
	return m;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct wire_reader r = wire_reader(data, len);
	struct fuzz_setup setup = {.proof = FUZZ_NULL};
	uint8_t where = wire_u8(&r);
	struct fuzz_world *w = fuzz_world_new(&setup);
	int to;
	struct fuzz_message base = prepare(w, where, &to);

	if (where >> 4)
		fuzz_split(w, 0, where >> 4);
	else
		fuzz_drop(w, 0);
	for (int i = 0; i < FRAGMENTS_MAX && wire_left(&r); i++) {
		struct fuzz_message m = base;
		uint8_t how;

		m.number = wire_u8(&r);
		m.total = wire_u8(&r);
		how = wire_u8(&r);
		m.first = wire_u8(&r);
		m.chain.len = wire_u16(&r);
		if (m.chain.len > wire_left(&r))
			m.chain.len = wire_left(&r);
		m.chain.p = wire_bytes(&r, m.chain.len);
		m.skip = (int8_t)(m.skip + (how >> 1 & 3));
		if (how & 8)
			m.total = 0;
		fuzz_inject(w, to, &m);
		if (how & 1)
			fuzz_world_run(w, 400);
	}
	fuzz_world_end(w);
	return 0;
}
