/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * peers: 100,000 peers in the agent's core, in virtual time, as TAP. Their packets are trapped over
 * some minutes; resolver, ike and xfrm are models that answer late, differently, or never. What a
 * decision costs must not grow with their number, and in the end nothing may be left.
 *
 *   peers [--peers N]
 */
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/peer.h"
#include "base/heap.h"
#include "base/log.h"

#define MS UINT64_C(1000)
#define SEC UINT64_C(1000000)
#define PEERS 100000
#define PEERS_END 131000      /* 198.18.0.0/15 has no more */
#define TRAPS_FOR (400 * SEC) /* an idle peer is remembered for ten minutes */
#define BUCKETS 10
/* Caches are colder among more peers: a list walked would cost thousands of times more. */
#define FLAT 8

enum kind { TRAP, ANSWER, RISE, DONE, DOWN, SOFT, KINDS };

struct job {
	struct heap_node node;
	uint8_t kind; /* enum kind */
	struct pair pair;
	uint32_t id; /* of the lookup, handle, tag */
};

struct world {
	struct oe_peers *ps;
	struct conf conf;
	struct policy *policy;
	struct heap jobs;
	uint64_t now, rng;
	uint32_t n, arrived;
	int64_t kernel_sas;
	uint32_t next_spi;
	uint64_t *cost[BUCKETS]; /* nanoseconds of CPU of a trap and of the answer to its lookup */
	size_t n_cost[BUCKETS];
	unsigned int refused; /* messages that the core did not take */
};

static uint32_t chance(struct world *w, uint32_t n)
{
	uint64_t z = w->rng += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t)(z >> 33) % n;
}

static void job(struct world *w, enum kind kind, const struct pair *pair, uint32_t id, uint64_t in)
{
	struct job *j = calloc(1, sizeof(*j));

	if (!j)
		abort();
	j->kind = (uint8_t)kind;
	j->pair = *pair;
	j->id = id;
	heap_set(&w->jobs, &j->node, w->now + in);
}

static struct pair pair_of(uint32_t host)
{
	uint8_t local[4] = {198, 51, 100, 1}, remote[4] = {198, (uint8_t)(18 + (host >> 16)),
						      (uint8_t)(host >> 8), (uint8_t)host};

	return (struct pair){.local = addr_from_v4(local), .remote = addr_from_v4(remote)};
}

/* ---- the services */

static void on_send(void *arg, enum oe_service to, uint16_t type, const void *fixed,
	size_t fixed_len, const void *tail, size_t tail_len)
{
	static const struct pair nobody;
	struct world *w = arg;

	(void)to, (void)fixed_len, (void)tail, (void)tail_len;
	switch (type) {
	case DNS_REQ_LOOKUP: {
		const struct dns_lookup *q = fixed;

		if (chance(w, 200)) /* else never */
			job(w, ANSWER, &(struct pair){.remote = q->addr}, q->id,
				MS + chance(w, chance(w, 10) ? 50 * MS : 5 * SEC));
		break;
	}
	case IKE_REQ_CONNECT: {
		const struct ike_connect *c = fixed;

		job(w, RISE, &c->pair, c->handle, 5 * MS + chance(w, 200 * MS));
		break;
	}
	case IKE_REQ_CLOSE:
		job(w, DOWN, &nobody, ((const struct ike_close *)fixed)->handle, MS);
		break;
	case XFRM_REQ_SA_IN:
	case XFRM_REQ_SA_OUT:
		w->kernel_sas++;
		job(w, DONE, &nobody, ((const struct xfrm_sa *)fixed)->tag, MS);
		break;
	case XFRM_REQ_SA_DELETE:
		w->kernel_sas--;
		break;
	case XFRM_REQ_DECIDE:
		job(w, DONE, &nobody, ((const struct xfrm_decide *)fixed)->tag, MS);
		break;
	default:
		break;
	}
}

static void tell(struct world *w, uint16_t type, const void *fixed, const void *tail, size_t len)
{
	if (oe_peers_event(w->ps, type, fixed, tail, len, w->now) < 0)
		w->refused++;
}

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The same, measured. */
static void tell_timed(
	struct world *w, uint16_t type, const void *fixed, const void *tail, size_t len)
{
	size_t b = (size_t)w->arrived * BUCKETS / (w->n + 1);
	uint64_t start = cpu_ns();

	tell(w, type, fixed, tail, len);
	if (w->n_cost[b] < w->n)
		w->cost[b][w->n_cost[b]++] = cpu_ns() - start;
}

static void answer(struct world *w, const struct job *j)
{
	static const enum dns_class classes[] = {DNS_KEYS, DNS_KEYS, DNS_KEYS, DNS_DENIED,
		DNS_DENIED, DNS_INSECURE, DNS_FAILED, DNS_BOGUS};
	/* the core hands keys on, it does not read them */
	struct dns_key key = {.algorithm = 4, .bits = 256, .spki_len = 44, .spki = {0x30, 42}};
	struct dns_answer a = {.id = j->id,
		.class = classes[chance(w, sizeof(classes) / sizeof(classes[0]))],
		.ttl = 60 + chance(w, 3600)};

	a.n_keys = a.class == DNS_KEYS;
	tell_timed(w, DNS_EV_ANSWER, &a, &key, a.n_keys * sizeof(key));
}

static void child(struct world *w, uint32_t handle, uint32_t spi_in, uint32_t spi_out, bool in)
{
	struct ike_child c = {.handle = handle,
		.spi_in = spi_in,
		.spi_out = spi_out,
		.cipher = IKE_ESP_AES_GCM_16,
		.key_bits = 256,
		.esn = 1};
	uint8_t key[36] = {1};

	tell(w, in ? IKE_EV_CHILD_IN : IKE_EV_CHILD_OUT, &c, key, sizeof(key));
}

/* One attempt in eight fails; one SA in four ends soon, one is renewed. */
static void rise(struct world *w, const struct job *j)
{
	struct ike_failed failed = {.handle = j->id, .code = IKE_FAIL_NO_ANSWER};
	struct ike_up up = {.handle = j->id,
		.initiator = 1,
		.auth_peer = IKE_AUTH_SIGNATURE,
		.auth_self = IKE_AUTH_SIGNATURE};
	uint32_t spi = w->next_spi += 2;

	if (chance(w, 8) == 0) {
		tell(w, IKE_EV_FAILED, &failed, NULL, 0);
		return;
	}
	child(w, j->id, spi, 0, true);
	child(w, j->id, spi, spi + 1, false);
	tell(w, IKE_EV_UP, &up, NULL, 0);
	if (chance(w, 4) == 0)
		job(w, DOWN, &j->pair, j->id, SEC + chance(w, 100 * SEC));
	else if (chance(w, 4) == 0)
		job(w, SOFT, &j->pair, spi + 1, 10 * SEC + chance(w, 200 * SEC));
}

static struct job *take(struct world *w, struct heap_node *first)
{
	heap_remove(&w->jobs, first);
	return (struct job *)((uintptr_t)first - offsetof(struct job, node));
}

static void run_job(struct world *w, const struct job *j)
{
	struct xfrm_trapped trapped = {.pair = j->pair, .proto = 6, .held = 1, .dport = 443};
	struct xfrm_done done = {.tag = j->id};
	struct xfrm_expire soft = {.pair = j->pair, .spi = j->id};
	struct ike_failed down = {.handle = j->id, .code = IKE_FAIL_DELETED};

	switch ((enum kind)j->kind) {
	case TRAP:
		w->arrived++;
		tell_timed(w, XFRM_EV_TRAPPED, &trapped, NULL, 0);
		break;
	case ANSWER:
		answer(w, j);
		break;
	case RISE:
		rise(w, j);
		break;
	case DONE:
		tell(w, XFRM_EV_DONE, &done, NULL, 0);
		break;
	case DOWN:
		tell(w, IKE_EV_DOWN, &down, NULL, 0);
		break;
	case SOFT:
		tell(w, XFRM_EV_EXPIRE, &soft, NULL, 0);
		break;
	case KINDS:
		break;
	}
}

/* ---- the run */

static void run(struct world *w, uint64_t until)
{
	uint64_t core = oe_peers_timers(w->ps, w->now);

	for (;;) {
		struct heap_node *first = heap_first(&w->jobs);
		uint64_t due = first && first->due < core ? first->due : core;
		struct job *j;

		if (due > until)
			break;
		if (due > w->now)
			w->now = due;
		if (first && first->due <= w->now) {
			j = take(w, first);
			run_job(w, j);
			free(j);
		}
		core = oe_peers_timers(w->ps, w->now);
	}
	w->now = until;
}

static void tear_down(struct world *w)
{
	struct heap_node *first;

	while ((first = heap_first(&w->jobs)))
		free(take(w, first));
	heap_free(&w->jobs);
	for (int b = 0; b < BUCKETS; b++)
		free(w->cost[b]);
	oe_peers_free(w->ps);
	policy_free(w->policy);
}

static void set_up(struct world *w, uint32_t n)
{
	static const char line[] = "198.18.0.0/15\n";
	struct oe_effects fx = {.arg = w, .send = on_send};
	size_t refused;

	*w = (struct world){.now = 1000 * SEC, .rng = 7, .n = n, .next_spi = 0x1000};
	conf_defaults(&w->conf);
	w->policy = policy_new();
	policy_parse(w->policy, POL_PRIVATE_OR_CLEAR, "peers", line, sizeof(line) - 1, NULL, NULL,
		&refused);
	w->ps = oe_peers_new(&fx, &w->conf, w->policy);
	oe_peers_own_key(w->ps, true);
	for (int i = 0; i < OE_N_SERVICES; i++)
		oe_peers_service(w->ps, (enum oe_service)i, true, w->now);
	for (int b = 0; b < BUCKETS; b++) {
		w->cost[b] = calloc(n, sizeof(*w->cost[b]));
		if (!w->cost[b])
			abort();
	}
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t median(struct world *w, int b)
{
	qsort(w->cost[b], w->n_cost[b], sizeof(*w->cost[b]), compare);
	return w->n_cost[b] ? w->cost[b][w->n_cost[b] / 2] : 0;
}

static int said(int number, bool good, const char *what)
{
	printf("%sok %d - %s\n", good ? "" : "not ", number, what);
	return !good;
}

static int play(uint32_t n)
{
	struct oe_peers_stats stats;
	struct world w;
	uint64_t early, late;
	struct addr local;
	size_t before, with;
	int bad = 0;

	printf("1..5\n");
	set_up(&w, n);
	before = mallinfo2().uordblks;
	for (uint32_t i = 0; i < n; i++) {
		struct pair pair = pair_of(i + 2);

		job(&w, TRAP, &pair, 0, (uint64_t)i * TRAPS_FOR / n);
	}
	run(&w, w.now + TRAPS_FOR + 10 * SEC);
	oe_peers_get_stats(w.ps, &stats);
	with = mallinfo2().uordblks;
	printf("# %u peers: %u private, %u clear, %u blocked, %u idle; %zu bytes each\n",
		stats.peers, stats.state[OE_PRIVATE], stats.state[OE_CLEAR],
		stats.state[OE_BLOCKED], stats.state[OE_IDLE],
		(with - before) / (stats.peers ? stats.peers : 1));
	bad |= said(1, stats.peers == n && w.arrived == n && w.refused == 0, "all peers are known");
	bad |= said(2, stats.state[OE_RESOLVING] + stats.state[OE_NEGOTIATING] < n / 50,
		"all but the last are decided");
	early = median(&w, 1);
	late = median(&w, BUCKETS - 1);
	printf("# CPU of one step of a decision: %llu ns among few, %llu ns among all\n",
		(unsigned long long)early, (unsigned long long)late);
	bad |= said(3, late <= FLAT * early, "a decision costs the same among few and among all");

	local = pair_of(0).local;
	oe_peers_local_gone(w.ps, &local, w.now);
	run(&w, w.now + 100 * SEC);
	oe_peers_get_stats(w.ps, &stats);
	bad |= said(4, stats.peers == 0 && w.kernel_sas == 0,
		"nothing is left when the address is gone");
	bad |= said(5, mallinfo2().uordblks < before + (1 << 20), "nor any memory");
	tear_down(&w);
	return bad;
}

int main(int argc, char **argv)
{
	unsigned long n = PEERS;

	if (argc == 3 && strcmp(argv[1], "--peers") == 0)
		n = strtoul(argv[2], NULL, 10);
	if (argc == 2 || n < BUCKETS || n > PEERS_END) {
		fprintf(stderr, "usage: peers [--peers %d..%d]\n", BUCKETS, PEERS_END);
		return 2;
	}
	log_init("peers", LOG_LEVEL_ERROR);
	return play((uint32_t)n);
}
