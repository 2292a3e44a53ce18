/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A whole IKE SA, and more of them, fed a sequence: the input is a program that connects and closes,
 * lets time pass, loses, doubles, changes and makes datagrams, and lets agents fail. The first byte
 * is the setting; then each operation is a byte and what it needs. See README.md.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/ike_world.h"

#define OPERATIONS_MAX 200 /* of one input, to bound its time */

enum op {
	OP_RUN,
	OP_STEP,
	OP_CONNECT,
	OP_CLOSE,
	OP_PROBE,
	OP_SLEEP,
	OP_REFUSED,
	OP_REBIND,
	OP_DROP,
	OP_DOUBLE,
	OP_DELAY,
	OP_OVERWRITE,
	OP_REPLACE,
	OP_INJECT,
	OP_INJECT_RAW,
	OP_AGENT_DROP,
	OP_AGENT_FAILS,
	OP_SPLIT,
	OP_FRAGMENT,
	OP_REKEY,
	OP_USED,
	OP_RESTART,
	OP_INVALID_SPI,
	OP_PPK,
	OPS,
};
#define OPS_ROOM 32 /* so that seeds mean the same when there are more */

/* A length and as many bytes, or what is left of them. */
static struct ike_bytes take_bytes(struct wire_reader *r)
{
	size_t len = wire_u16(r);

	if (len > wire_left(r))
		len = wire_left(r);
	return (struct ike_bytes){wire_bytes(r, len), len};
}

static void do_overwrite(struct fuzz_world *w, struct wire_reader *r, uint8_t n)
{
	size_t at = wire_u16(r);
	uint8_t cut = wire_u8(r);

	fuzz_overwrite(w, n >> 1, at, take_bytes(r), cut, n & 1);
}

static void do_inject(struct fuzz_world *w, struct wire_reader *r, uint8_t how, bool fragment)
{
	struct fuzz_message m = {.exchange = (uint8_t)(34 + wire_u8(r) % 12),
		.response = how & 2,
		.skip = (int8_t)((how >> 4) - 2)};

	if (fragment) {
		m.number = wire_u8(r);
		m.total = wire_u8(r);
	}
	m.first = wire_u8(r);
	m.chain = take_bytes(r);
	fuzz_inject(w, how & 1, &m);
}

static void do_op(struct fuzz_world *w, struct wire_reader *r)
{
	uint8_t op = wire_u8(r) % OPS_ROOM, v = wire_u8(r);
	int host = v & 1;

	switch ((enum op)op) {
	case OP_RUN:
		fuzz_world_run(w, v * (uint64_t)v); /* to 65 s */
		break;
	case OP_STEP:
		for (v = v % 8; v < 8 && fuzz_world_step(w); v++)
			;
		break;
	case OP_CONNECT:
		fuzz_connect(w, host);
		break;
	case OP_CLOSE:
		fuzz_close(w, host, v & 2);
		break;
	case OP_PROBE:
		fuzz_probe(w, host);
		break;
	case OP_SLEEP:
		fuzz_sleep(w, v * (uint64_t)v * 10); /* to 650 s */
		break;
	case OP_REFUSED:
		fuzz_refused(w, host);
		break;
	case OP_REBIND:
		fuzz_rebind(w, v);
		break;
	case OP_DROP:
		fuzz_drop(w, v);
		break;
	case OP_DOUBLE:
		fuzz_double(w, v);
		break;
	case OP_DELAY:
		fuzz_delay(w, v);
		break;
	case OP_OVERWRITE:
		do_overwrite(w, r, v);
		break;
	case OP_REPLACE:
		fuzz_replace(w, v, wire_u8(r), take_bytes(r));
		break;
	case OP_INJECT:
	case OP_FRAGMENT:
		do_inject(w, r, v, op == OP_FRAGMENT);
		break;
	case OP_SPLIT:
		fuzz_split(w, v >> 4, v & 15);
		break;
	case OP_INJECT_RAW:
		fuzz_inject_raw(w, host, take_bytes(r), v & 2);
		break;
	case OP_AGENT_DROP:
		fuzz_agent_drop(w, host);
		break;
	case OP_AGENT_FAILS:
		fuzz_agent_fails(w, host);
		break;
	case OP_REKEY:
		fuzz_rekey(w, host, v & 2, v >> 2);
		break;
	case OP_USED:
		fuzz_used(w, host, v >> 2);
		break;
	case OP_RESTART:
		fuzz_restart(w, host);
		break;
	case OP_INVALID_SPI:
		fuzz_invalid_spi(w, host, wire_u32(r));
		break;
	case OP_PPK:
		fuzz_ppk(w, host, (enum fuzz_ppk)((v >> 1 & 3) % 3), v & 64, v & 128);
		break;
	case OPS:
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct wire_reader r = wire_reader(data, len);
	uint8_t how = wire_u8(&r);
	struct fuzz_setup setup = {.proof = how & 64 ? FUZZ_X509 : how & 3,
		.nat = how & 4,
		.cookies = how & 8,
		.liveness = how & 16,
		.rekey = how & 32,
		.addke = how & 128};
	struct fuzz_world *w = fuzz_world_new(&setup);

	for (int i = 0; i < OPERATIONS_MAX && wire_left(&r); i++)
		do_op(w, &r);
	fuzz_world_end(w);
	return 0;
}
