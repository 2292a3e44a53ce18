/* SPDX-License-Identifier: BSD-2-Clause */
/* Makes the seeds of the IKE targets from true messages of two hosts: ike_seeds FOLDER. To be run when
 * messages have changed; what it wrote stands in tests/fuzz/seeds. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "ike/cert.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/ike_ca.h"
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

static const char *const proofs[FUZZ_PROOFS] = {"null", "ed25519", "mixed", "psk", "x509"};

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
	/* where nobody asks for certificates they say nothing new */
	for (uint8_t s = 0; s < 9 && strcmp(proof, "x509") != 0; s++) {
		snprintf(name, sizeof(name), "%s-%d-in-%d", proof, n, s);
		write_seed("ike_sk", name,
			HEAD(s,
				(uint8_t)((h.exchange == 37 ? 0 : h.exchange == 36) |
					  (strcmp(proof, "ppk") == 0) << 2),
				first),
			chain);
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

static void handshake(int proof, const char *name, enum fuzz_ppk ppk)
{
	struct fuzz_setup setup = {.proof = (uint8_t)proof};
	struct fuzz_world *w = fuzz_world_new(&setup);

	for (int i = 0; i < FUZZ_HOSTS; i++)
		fuzz_ppk(w, i, ppk, false, false);
	fuzz_connect(w, FUZZ_A);
	for (unsigned int n = 1; n <= 4; n++) {
		fuzz_world_run_to(w, n);
		dump(w, name, (int)n);
	}
	fuzz_world_run(w, 100);
	fuzz_probe(w, FUZZ_B);
	fuzz_world_step(w);
	dump(w, name, 5);
	for (int i = 0; i < 4; i++) {
		fuzz_world_run(w, 100);
		fuzz_rekey(w, i & 1, i & 2, 0);
		fuzz_world_step(w);
		dump(w, name, 7 + 2 * i);
		fuzz_world_step(w);
		dump(w, name, 8 + 2 * i);
	}
	fuzz_world_run(w, 100);
	fuzz_close(w, FUZZ_A, false);
	fuzz_world_step(w);
	dump(w, name, 6);
	fuzz_world_end(w);
}

static void write_tbs(const char *name, struct ike_bytes head, X509 *cert)
{
	uint8_t body[4096], *p;
	int len = i2d_re_X509_tbs(cert, NULL);

	expect(len > 0 && head.len + (size_t)len <= sizeof(body));
	memcpy(body, head.p, head.len);
	p = body + head.len;
	i2d_re_X509_tbs(cert, &p);
	write_seed("ike_cert", name, body, 1,
		(struct ike_bytes){body + 1, head.len - 1 + (size_t)len});
	X509_free(cert);
}

/* As in ike_cert.c: 0 a chain, 1 a host's, 2 a CA's, 3 names. */
static void certificates(void)
{
	static const char *const names[] = {"DNS:a.example", "IP:198.18.1.10", "email:u@example",
		"DNS:a.example,DNS:b.example,IP:2001:2::1,URI:http://a.example"};
	static const uint8_t claim[] = {1, 2, 9, 'a', '.', 'e', 'x', 'a', 'm', 'p', 'l', 'e'};
	static const uint8_t ca[] = {2};
	struct ike_bytes root = fuzz_ca_root();
	uint8_t chain[4096], dn[64], *p;
	size_t at = 0;
	char name[32];
	X509 *cert;
	int len;

	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(name, sizeof(name), "host-%u", i);
		write_tbs(name, (struct ike_bytes){claim, sizeof(claim)},
			fuzz_ca_make("a", FUZZ_CA_HOST, "root", FUZZ_CA_ROOT, names[i], 86400));
	}
	write_tbs("expired", (struct ike_bytes){claim, sizeof(claim)},
		fuzz_ca_make("a", FUZZ_CA_HOST, "root", FUZZ_CA_ROOT, names[0], -86400));
	write_tbs("ca", (struct ike_bytes){ca, 1},
		fuzz_ca_make("sub", FUZZ_CA_SUB, "root", FUZZ_CA_ROOT, NULL, 86400));
	write_tbs("no-ca", (struct ike_bytes){ca, 1},
		fuzz_ca_make("sub", FUZZ_CA_SUB, "root", FUZZ_CA_ROOT, names[0], 86400));
	for (int i = 0; i < 2; i++) {
		cert = i ? fuzz_ca_make("sub", FUZZ_CA_SUB, "root", FUZZ_CA_ROOT, NULL, 86400)
			 : fuzz_ca_make("a", FUZZ_CA_HOST, "sub", FUZZ_CA_SUB, names[3], 86400);
		len = i2d_X509(cert, NULL);
		chain[at++] = (uint8_t)(len >> 8);
		chain[at++] = (uint8_t)len;
		p = chain + at;
		at += (size_t)i2d_X509(cert, &p);
		X509_free(cert);
	}
	write_seed("ike_cert", "chain", HEAD(0), (struct ike_bytes){chain, at});
	cert = ike_cert_read(root);
	p = dn;
	len = i2d_X509_NAME(X509_get_subject_name(cert), &p);
	memcpy(dn + len, dn, (size_t)len);
	write_seed("ike_cert", "names", HEAD(3, (uint8_t)len),
		(struct ike_bytes){dn, 2 * (size_t)len});
	X509_free(cert);
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
	/* by certificates; then until B's has expired, and A has not had another one */
	write_seed("ike_sa", "x509", HEAD(64, 2, 0, 0, 40, 4, 0, 0, 20, 19, 1, 0, 20, 3, 1), none);
	write_seed(
		"ike_sa", "x509-loss", HEAD(64, 2, 0, 1, 7, 8, 0, 0, 60, 9, 0, 6, 0, 0, 100), none);
	write_seed("ike_sa", "both", HEAD(1, 2, 0, 2, 1, 0, 40, 3, 0, 3, 1, 0, 80), none);
	write_seed("ike_sa", "again", HEAD(1, 2, 0, 0, 20, 2, 0, 0, 20, 2, 1, 0, 20), none);
	write_seed("ike_sa", "split", HEAD(1, 2, 0, 1, 2, 17, 3, 10, 0, 0, 40), none);
	write_seed("ike_sa", "loss", HEAD(1, 2, 0, 1, 7, 8, 0, 0, 60, 9, 0, 6, 0, 0, 100), none);
	/* 19 rekey, 20 used: one after the other, both at once, lost, with the SA's own timers */
	for (uint8_t v = 0; v < 4; v++) {
		char name[32];

		snprintf(name, sizeof(name), "rekey-%d", v);
		write_seed("ike_sa", name,
			HEAD(v, 2, 0, 0, 20, 19, v, 0, 20, 20, 0, 20, 1, 0, 20, 19, v ^ 2, 0, 80),
			none);
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
			HEAD(0, 2, 0, 0, 20, 21, host, 4, !host, 0, 40, 22, host, 1, 2, 3, 4, 0,
				80),
			none);
		snprintf(name, sizeof(name), "restart-again-%d", host);
		write_seed("ike_sa", name,
			HEAD(1, 2, 0, 0, 20, 21, host, 2, host, 0, 40, 3, !host, 0, 80), none);
		snprintf(name, sizeof(name), "unknown-esp-%d", host);
		write_seed("ike_sa", name, HEAD(0, 2, 0, 0, 20, 22, host, 1, 2, 3, 4, 0, 40, 0, 80),
			none);
	}
	/* 23 a PPK: A's and B's, twice the number of enum fuzz_ppk; 64 another identity, 128 another secret.
	 * Then a child and the IKE SA are rekeyed; in the last ones the answer to IKE_AUTH is lost, and the
	 * PPK goes while the signer is asked for it */
	for (uint8_t a = 0; a < 3; a++)
		for (uint8_t b = 0; b < 3; b++) {
			char name[32];

			snprintf(name, sizeof(name), "ppk-%d-%d", a, b);
			write_seed("ike_sa", name,
				HEAD((uint8_t)((a + b) & 3), 23, (uint8_t)(a << 1), 23,
					(uint8_t)(b << 1 | 1), 2, 0, 0, 40, 19, 2, 0, 20, 19, 1, 0,
					20, 3, 1),
				none);
		}
	write_seed("ike_sa", "ppk-identity", HEAD(1, 23, 2, 23, 2 | 64 | 1, 2, 0, 0, 40, 3, 1), none);
	write_seed("ike_sa", "ppk-secret", HEAD(1, 23, 2, 23, 2 | 128 | 1, 2, 0, 0, 40, 3, 1), none);
	write_seed("ike_sa", "ppk-both-loss",
		HEAD(1, 23, 2, 23, 3, 2, 0, 2, 1, 1, 1, 8, 0, 0, 60, 9, 0, 0, 100), none);
	write_seed("ike_sa", "ppk-gone",
		HEAD(1, 23, 4, 23, 5, 2, 0, 1, 1, 23, 0, 23, 1, 0, 40, 2, 1, 0, 40), none);
	for (uint8_t where = 0; where < 4; where++) {
		char name[32];

		snprintf(name, sizeof(name), "split-%d", where);
		write_seed("ike_frag", name, HEAD((uint8_t)(where | 3 << 4)), none);
		snprintf(name, sizeof(name), "mixed-%d", where);
		write_seed("ike_frag", name,
			HEAD((uint8_t)(where | 2 << 4), 1, 3, 0, 0, 0, 1, 7, 2, 2, 1, 0, 0, 0),
			none);
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
		handshake(proof, proofs[proof], FUZZ_PPK_NONE);
	handshake(FUZZ_NULL, "ppk", FUZZ_PPK_OPTIONAL);
	programs();
	certificates();
	return 0;
}
