/* SPDX-License-Identifier: BSD-2-Clause */
/* Makes the seeds of the IKE targets from true messages of two hosts: ike_seeds FOLDER. To be run when
 * messages have changed; what it wrote stands in tests/fuzz/seeds. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/ike_world.h"

static const char *folder;

static void write_seed(const char *target, const char *name, const uint8_t *head, size_t head_len,
	struct ike_bytes body)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, target);
	(void)mkdir(path, 0777);
	snprintf(path, sizeof(path), "%s/%s/%s", folder, target, name);
	f = fopen(path, "w");
	expect(f && fwrite(head, 1, head_len, f) == head_len &&
		fwrite(body.p ? body.p : head, 1, body.len, f) == body.len && fclose(f) == 0);
}

#define HEAD(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

static const char *const proofs[FUZZ_PROOFS] = {"null", "ed25519", "mixed", "psk"};

/* The first packet under way for all targets that take one. */
static void dump(const struct fuzz_world *w, const char *proof, int n)
{
	struct ike_header h;
	uint8_t first = 0;
	size_t len;
	const uint8_t *data = fuzz_packet(w, 0, &len);
	struct ike_bytes chain = fuzz_chain(w, 0, &h, &first);
	char name[64];

	if (!data)
		return;
	snprintf(name, sizeof(name), "%s-%d", proof, n);
	write_seed("ike_payload", name, HEAD(0), (struct ike_bytes){data, len});
	if (!chain.len)
		return;
	snprintf(name, sizeof(name), "%s-%d-inside", proof, n);
	write_seed("ike_payload", name, HEAD(first), chain);
	snprintf(name, sizeof(name), "%s-%d", proof, n);
	for (uint8_t s = 0; s < 9; s++) {
		snprintf(name, sizeof(name), "%s-%d-in-%d", proof, n, s);
		write_seed("ike_sk", name, HEAD(s, (uint8_t)(h.exchange == 37 ? 0 : h.exchange == 36),
			first), chain);
	}
	snprintf(name, sizeof(name), "%s-%d-inject", proof, n);
	write_seed("ike_sa", name,
		HEAD(0, 2, 0, 0, 10, 13, 0x20, (uint8_t)(h.exchange - 34), first,
			(uint8_t)(chain.len >> 8), (uint8_t)chain.len),
		chain);
	snprintf(name, sizeof(name), "%s-%d-whole", proof, n);
	write_seed("ike_frag", name,
		HEAD(2, 1, 1, 0, first, (uint8_t)(chain.len >> 8), (uint8_t)chain.len), chain);
}

static void handshake(int proof)
{
	struct fuzz_setup setup = {.proof = (uint8_t)proof};
	struct fuzz_world *w = fuzz_world_new(&setup);

	fuzz_connect(w, FUZZ_A);
	for (unsigned int n = 1; n <= 4; n++) {
		fuzz_world_run_to(w, n);
		dump(w, proofs[proof], (int)n);
	}
	fuzz_world_run(w, 100);
	fuzz_probe(w, FUZZ_B);
	fuzz_world_step(w);
	dump(w, proofs[proof], 5);
	for (int i = 0; i < 4; i++) {
		fuzz_world_run(w, 100);
		fuzz_rekey(w, i & 1, i & 2, 0);
		fuzz_world_step(w);
		dump(w, proofs[proof], 7 + 2 * i);
		fuzz_world_step(w);
		dump(w, proofs[proof], 8 + 2 * i);
	}
	fuzz_world_run(w, 100);
	fuzz_close(w, FUZZ_A, false);
	fuzz_world_step(w);
	dump(w, proofs[proof], 6);
	fuzz_world_end(w);
}

static void programs(void)
{
	static const struct ike_bytes none;

	/* operations as in ike_sa.c: 2 connect, 0 run, 3 close, 4 probe, 5 sleep */
	for (uint8_t how = 0; how < 32; how = (uint8_t)(how + 3)) {
		char name[32];

		snprintf(name, sizeof(name), "life-%d", how);
		write_seed("ike_sa", name, HEAD(how, 2, 0, 0, 40, 4, 0, 0, 20, 5, 40, 0, 20, 3, 1),
			none);
	}
	write_seed("ike_sa", "both", HEAD(1, 2, 0, 2, 1, 0, 40, 3, 0, 3, 1, 0, 80), none);
	write_seed("ike_sa", "again", HEAD(1, 2, 0, 0, 20, 2, 0, 0, 20, 2, 1, 0, 20), none);
	write_seed("ike_sa", "split", HEAD(1, 2, 0, 1, 2, 17, 3, 10, 0, 0, 40), none);
	write_seed("ike_sa", "loss", HEAD(1, 2, 0, 1, 7, 8, 0, 0, 60, 9, 0, 6, 0, 0, 100), none);
	/* 19 rekey, 20 used: one after the other, both at once, lost, with the SA's own timers */
	for (uint8_t v = 0; v < 4; v++) {
		char name[32];

		snprintf(name, sizeof(name), "rekey-%d", v);
		write_seed("ike_sa", name,
			HEAD(v, 2, 0, 0, 20, 19, v, 0, 20, 20, 0, 20, 1, 0, 20, 19, v ^ 2, 0, 80), none);
		snprintf(name, sizeof(name), "rekey-collision-%d", v);
		write_seed("ike_sa", name,
			HEAD(0, 2, 0, 0, 20, 19, v & 2, 19, 1 | (v & 1) << 1, 0, 20, 0, 80), none);
		snprintf(name, sizeof(name), "rekey-loss-%d", v);
		write_seed("ike_sa", name,
			HEAD(0, 2, 0, 0, 20, 19, v, 1, 7, 8, 0, 0, 20, 19, v ^ 1, 0, 80), none);
	}
	write_seed("ike_sa", "rekey-life",
		HEAD(32, 2, 0, 0, 20, 0, 250, 0, 250, 0, 250, 5, 50, 0, 20), none);
	/* 21 restart, 22 unknown ESP: the other one asks, sends, or begins anew */
	for (uint8_t host = 0; host < 2; host++) {
		char name[32];

		snprintf(name, sizeof(name), "restart-%d", host);
		write_seed("ike_sa", name,
			HEAD(0, 2, 0, 0, 20, 21, host, 4, !host, 0, 40, 22, host, 1, 2, 3, 4, 0, 80),
			none);
		snprintf(name, sizeof(name), "restart-again-%d", host);
		write_seed("ike_sa", name,
			HEAD(1, 2, 0, 0, 20, 21, host, 2, host, 0, 40, 3, !host, 0, 80), none);
		snprintf(name, sizeof(name), "unknown-esp-%d", host);
		write_seed("ike_sa", name,
			HEAD(0, 2, 0, 0, 20, 22, host, 1, 2, 3, 4, 0, 40, 0, 80), none);
	}
	for (uint8_t where = 0; where < 4; where++) {
		char name[32];

		snprintf(name, sizeof(name), "split-%d", where);
		write_seed("ike_frag", name, HEAD((uint8_t)(where | 3 << 4)), none);
		snprintf(name, sizeof(name), "mixed-%d", where);
		write_seed("ike_frag", name,
			HEAD((uint8_t)(where | 2 << 4), 1, 3, 0, 0, 0, 1, 7, 2, 2, 1, 0, 0, 0), none);
	}
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: ike_seeds FOLDER\n");
		return 2;
	}
	folder = argv[1];
	LLVMFuzzerInitialize(&argc, &argv);
	for (int proof = 0; proof < FUZZ_PROOFS; proof++)
		handshake(proof);
	programs();
	return 0;
}
