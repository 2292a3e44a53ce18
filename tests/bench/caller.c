/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The benchmark's caller: many peers in one process, which call one responder and watch what that
 * costs its processes. It is oed's own IKE core as initiator, each peer an address of its own
 * (198.19.0.0/16 is local here as a whole), with the signer's and the kernel's part played at once.
 *
 * A round: every peer makes an IKE SA with its first child, `outstanding` at a time; the watched
 * processes' CPU time is taken before and after, and so is the floor (floor.h), so that both meet the
 * same machine. Then all is deleted, outside of what is measured. The first round is cold: the
 * responder has to ask DNS for each peer. In those that follow it still knows their keys.
 */
#include <errno.h>
#include <getopt.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/service.h"
#include "ike/core.h"
#include "ike/digsig.h"
#include "ike/keymat.h"
#include "ike/signer.h"
#include "ike/suite.h"
#include "ike/udp.h"
#include "tests/bench/floor.h"
#include "tests/bench/watch.h"

#define SECOND_US 1000000
#define SECRET "bench" /* of --kind psk: its name, and the file DIR/bench.psk */
#define POOL 16        /* key pairs for all peers: as many as tests/bench/peers makes */
#define ROUNDS_MAX 64
#define CLOSES 32 /* at a time; so many that no socket overflows */
#define CLOSE_EVERY_US 10000
#define SETTLE_US 500000
#define ROUND_LIMIT_S 300
#define FLOOR_RUNS 100

/* An answer to the core that may not be given from within its effect. */
struct answer {
	struct answer *next;
	uint16_t type; /* enum ike_req */
	union {
		struct ike_installed installed;
		struct ike_signed sig;
	};
	size_t sig_len;
	uint8_t bytes[IKE_SIG_MAX];
};

struct round {
	double cpu[WATCH_MAX]; /* microseconds of a handshake */
	double all, floor;
};

struct caller {
	struct event_base *base;
	struct event *timer;
	struct ike_core *core;
	struct udp *udp;
	struct answer *answers, **answers_end;
	/* what is asked for */
	const char *keys, *kind;
	struct addr remote;
	unsigned int net, count, outstanding, rounds;
	bool anonymous, mean, verbose;
	struct watch watch;
	struct floor *floor;
	EVP_PKEY *pool[POOL];
	struct ike_pubkey responder;
	char secret[256]; /* "": by keys */
	/* the round */
	unsigned int next, up, failed;
	bool calling;
	struct round round[ROUNDS_MAX];
};

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("caller: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

/* ---- keys */

static EVP_PKEY *read_key(const char *dir, const char *name)
{
	char path[4096];
	EVP_PKEY *key;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s.pem", dir, name);
	f = fopen(path, "r");
	key = f ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : NULL;
	if (!key)
		die("%s: no private key", path);
	fclose(f);
	return key;
}

static struct ike_pubkey public_of(EVP_PKEY *key)
{
	struct ike_pubkey pub = {0};
	uint8_t *p = pub.spki;
	int len = i2d_PUBKEY(key, NULL);

	if (len <= 0 || len > IKE_SPKI_MAX || i2d_PUBKEY(key, &p) != len)
		die("a key cannot be encoded");
	pub.len = (uint16_t)len;
	return pub;
}

static void load_secret(struct caller *c)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/" SECRET ".psk", c->keys);
	f = fopen(path, "r");
	if (!f || !fgets(c->secret, sizeof(c->secret), f))
		die("%s: no secret", path);
	c->secret[strcspn(c->secret, "\n")] = '\0';
	fclose(f);
	c->floor = floor_new(NULL, NULL);
}

static void load_keys(struct caller *c)
{
	char name[64];
	EVP_PKEY *own;

	snprintf(name, sizeof(name), "%s-responder", c->kind);
	own = read_key(c->keys, name);
	c->responder = public_of(own);
	for (int i = 0; i < POOL && !c->anonymous; i++) {
		snprintf(name, sizeof(name), "%s-%d", c->kind, i);
		c->pool[i] = read_key(c->keys, name);
	}
	c->floor = floor_new(own, c->pool[0]);
}

/* ---- the core's world */

static int do_send(void *arg, const struct ike_path *path, const void *data, size_t len)
{
	struct caller *c = arg;

	return udp_send(c->udp, path, data, len);
}

static void do_random(void *arg, void *buf, size_t len)
{
	(void)arg;
	if (RAND_bytes(buf, (int)len) != 1)
		die("no random numbers");
}

static struct answer *new_answer(struct caller *c, uint16_t type)
{
	struct answer *a = calloc(1, sizeof(*a));

	if (!a)
		die("out of memory");
	a->type = type;
	*c->answers_end = a;
	c->answers_end = &a->next;
	return a;
}

static void sign(
	struct caller *c, struct answer *a, const struct ike_sign *s, struct ike_bytes octets)
{
	const struct ike_prf *prf;
	int r;

	a->sig.handle = s->handle;
	a->sig_len = sizeof(a->bytes);
	if (s->scheme == IKE_SIGN_PSK) {
		prf = ike_prf_find(s->prf);
		a->sig_len = prf->len;
		r = ike_auth_shared(prf, c->secret, strlen(c->secret), octets, a->bytes);
	} else {
		r = ike_digsig_sign(c->pool[(s->handle - 1) % POOL], (enum ike_scheme)s->scheme,
			octets, a->bytes, &a->sig_len);
	}
	if (r < 0)
		die("cannot sign");
}

static void do_event(void *arg, uint16_t type, const void *fixed, size_t fixed_len,
	const void *tail, size_t tail_len)
{
	const struct ike_failed *failed = fixed;
	const struct ike_child *child = fixed;
	struct caller *c = arg;
	struct answer *a;

	(void)fixed_len;
	switch ((enum ike_ev)type) {
	case IKE_EV_CHILD_IN:
		a = new_answer(c, IKE_REQ_INSTALLED);
		a->installed =
			(struct ike_installed){.handle = child->handle, .spi = child->spi_in};
		break;
	case IKE_EV_SIGN:
		sign(c, new_answer(c, IKE_REQ_SIGNED), fixed, (struct ike_bytes){tail, tail_len});
		break;
	case IKE_EV_UP:
		c->up++;
		break;
	case IKE_EV_FAILED:
		if (!c->failed++)
			fprintf(stderr, "caller: %s: %s\n",
				ike_failure_name((enum ike_failure)failed->code), failed->why);
		break;
	case IKE_EV_READY:
	case IKE_EV_INBOUND:
	case IKE_EV_IDENTITY:
	case IKE_EV_CHILD_OUT:
	case IKE_EV_CHILD_GONE:
	case IKE_EV_DOWN:
	case IKE_EV_NOTE:
	case IKE_EV_STATS:
	case IKE_EV_DOUBT:
	case IKE_EV_MOVED:
	case IKE_EV_REKEYED:
	case IKE_EV_STALE:
	case IKE_EV_IDLE:
	case IKE_EV_CERTIFICATE:
		break;
	}
}

static void request(
	struct caller *c, uint16_t type, const void *fixed, const void *tail, size_t len)
{
	if (ike_core_request(c->core, type, fixed, tail, len, service_now()) < 0)
		die("the core refuses message %#x", type);
}

static void connect_next(struct caller *c)
{
	unsigned int i = c->next++;
	uint8_t local[4] = {198, 19, (uint8_t)(c->net + i / 256), (uint8_t)i};
	struct ike_connect m = {.handle = i + 1,
		.pair = {.local = addr_from_v4(local), .remote = c->remote},
		.allow = c->anonymous ? IKE_ALLOW_ANONYMOUS_SELF : 0,
		.n_keys = !*c->secret};

	if (*c->secret)
		memcpy(m.terms.psk, SECRET, sizeof(SECRET));
	request(c, IKE_REQ_CONNECT, &m, &c->responder, m.n_keys * sizeof(c->responder));
}

/* After each call of the core: what it asked for, the next peers, and its timer. */
static void go_on(struct caller *c)
{
	uint64_t now, due;

	while (c->answers) {
		struct answer *a = c->answers;

		c->answers = a->next;
		if (!c->answers)
			c->answers_end = &c->answers;
		if (a->type == IKE_REQ_SIGNED)
			request(c, a->type, &a->sig, a->bytes, a->sig_len);
		else
			request(c, a->type, &a->installed, NULL, 0);
		free(a);
	}
	while (c->next < c->count && c->next - c->up - c->failed < c->outstanding)
		connect_next(c);
	if (c->calling && c->up + c->failed == c->count)
		event_base_loopbreak(c->base);
	now = service_now();
	due = ike_core_timers(c->core, now);
	due = due == UINT64_MAX ? SECOND_US : due > now ? due - now : 0;
	event_add(c->timer, &(struct timeval){.tv_sec = (time_t)(due / SECOND_US),
				    .tv_usec = (suseconds_t)(due % SECOND_US)});
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	go_on(arg);
}

static void on_datagram(void *arg, const struct ike_path *path, uint8_t *data, size_t len)
{
	struct caller *c = arg;

	ike_core_datagram(c->core, path, data, len, service_now());
	go_on(c);
}

/* ---- rounds */

static void on_late(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	event_base_loopbreak(arg);
}

/* Lets the core work for a while. */
static void run_for(struct caller *c, unsigned long us)
{
	struct timeval tv = {(time_t)(us / SECOND_US), (suseconds_t)(us % SECOND_US)};

	event_base_once(c->base, -1, EV_TIMEOUT, on_late, c->base, &tv);
	event_base_dispatch(c->base);
}

/* All peers, once. Those that failed are not many and known by name; a round of failures is none. */
static void call_all(struct caller *c)
{
	struct event *late = evtimer_new(c->base, on_late, c->base);

	c->next = c->up = c->failed = 0;
	c->calling = true;
	event_add(late, &(struct timeval){.tv_sec = ROUND_LIMIT_S});
	go_on(c);
	event_base_dispatch(c->base);
	event_free(late);
	c->calling = false;
	if (c->up < c->count)
		die("%u of %u peers have no SA (%u failed)", c->count - c->up, c->count, c->failed);
}

static void close_all(struct caller *c)
{
	unsigned int n = c->next;

	for (unsigned int i = 1; i <= n; i++) {
		struct ike_close m = {.handle = i};

		request(c, IKE_REQ_CLOSE, &m, NULL, 0);
		if (i % CLOSES == 0)
			run_for(c, CLOSE_EVERY_US);
	}
	run_for(c, SETTLE_US);
}

static void measure_round(struct caller *c, struct round *ret)
{
	double before[WATCH_MAX], after[WATCH_MAX];
	double floor = floor_measure(c->floor, FLOOR_RUNS);

	watch_cpu(&c->watch, before);
	call_all(c);
	watch_cpu(&c->watch, after);
	*ret = (struct round){.floor = (floor + floor_measure(c->floor, FLOOR_RUNS)) / 2};
	for (size_t i = 0; i < c->watch.n; i++) {
		ret->cpu[i] = (after[i] - before[i]) / c->count;
		ret->all += ret->cpu[i];
	}
}

static void print_round(const struct caller *c, const char *what, const struct round *r)
{
	fprintf(stderr, "%-10s %-5s %7.1f us, floor %6.1f, ratio %5.2f:", c->kind, what, r->all,
		r->floor, r->all / r->floor);
	for (size_t i = 0; i < c->watch.n; i++)
		fprintf(stderr, " %s %.1f", c->watch.process[i].name, r->cpu[i]);
	fputc('\n', stderr);
}

static int by_ratio(const void *a, const void *b)
{
	const struct round *x = a, *y = b;
	double d = x->all / x->floor - y->all / y->floor;

	return d < 0 ? -1 : d > 0;
}

/* All rounds as one: where the kernel counts CPU time in ticks only many together mean something. */
static void take_mean(struct caller *c, struct round *ret)
{
	*ret = (struct round){0};
	for (unsigned int i = 0; i < c->rounds; i++) {
		for (size_t k = 0; k < c->watch.n; k++)
			ret->cpu[k] += c->round[i].cpu[k] / c->rounds;
		ret->all += c->round[i].all / c->rounds;
		ret->floor += c->round[i].floor / c->rounds;
	}
}

/* The cold round, then the others: told is the one with the median ratio, or their mean. */
static void handshakes(struct caller *c)
{
	struct round cold, told;

	measure_round(c, &cold);
	if (c->verbose)
		print_round(c, "cold", &cold);
	for (unsigned int i = 0; i < c->rounds; i++) {
		close_all(c);
		measure_round(c, &c->round[i]);
		if (c->verbose)
			print_round(c, "warm", &c->round[i]);
	}
	close_all(c);
	qsort(c->round, c->rounds, sizeof(c->round[0]), by_ratio);
	told = c->round[c->rounds / 2];
	if (c->mean)
		take_mean(c, &told);
	printf("cold_ms=%.3f cpu_ms=%.3f floor_ms=%.3f ratio=%.2f", cold.all / 1e3, told.all / 1e3,
		told.floor / 1e3, told.all / told.floor);
	for (size_t i = 0; i < c->watch.n; i++)
		printf(" %s_us=%.1f", c->watch.process[i].name, told.cpu[i]);
	putchar('\n');
}

/* What the peers cost that are there at one time. Some come and go before: what a process needs
 * for its first peer is not a peer's. */
static void memory(struct caller *c)
{
	double before[WATCH_MAX], after[WATCH_MAX], all = 0;
	unsigned int count = c->count;

	c->count = c->outstanding;
	call_all(c);
	close_all(c);
	c->count = count;
	watch_memory(&c->watch, before);
	call_all(c);
	run_for(c, SETTLE_US);
	watch_memory(&c->watch, after);
	for (size_t i = 0; i < c->watch.n; i++)
		all += (after[i] - before[i]) / count;
	printf("bytes_per_peer=%.0f", all);
	for (size_t i = 0; i < c->watch.n; i++)
		printf(" %s_bytes=%.0f", c->watch.process[i].name, (after[i] - before[i]) / count);
	putchar('\n');
}

static void start(struct caller *c)
{
	struct ike_effects effects = {
		.arg = c, .send = do_send, .event = do_event, .random = do_random};
	/* patient: what is sent twice would be counted twice */
	struct ike_config config = {.retransmit_ms = 2000,
		.retransmits = 6,
		.init_timeout_ms = 20000,
		.half_open_max = 1000,
		.cookie_above = 1000};
	struct ike_own_keys own = {.count = !c->anonymous && !*c->secret};
	struct ike_pubkey pub = {0};

	c->answers_end = &c->answers;
	c->base = event_base_new();
	if (!c->base || udp_open(&c->udp) < 0 || ike_suite_init() < 0)
		die("cannot start");
	c->core = ike_core_new(&effects);
	c->timer = event_new(c->base, -1, 0, on_timer, c);
	udp_start(c->udp, c->base, on_datagram, NULL, c);
	request(c, IKE_REQ_CONFIG, &config, NULL, 0);
	if (own.count)
		pub = public_of(c->pool[0]); /* only its kind matters: it signs with each peer's */
	request(c, IKE_REQ_OWN_KEYS, &own, &pub, own.count * sizeof(pub));
}

static void finish(struct caller *c)
{
	ike_core_free(c->core);
	udp_free(c->udp);
	event_free(c->timer);
	event_base_free(c->base);
	floor_free(c->floor);
}

static void usage(void)
{
	fputs("usage: caller --keys DIR --kind NAME --remote ADDRESS --watch 'NAME=PID ...'\n"
	      "              [--net N] [--count N] [--outstanding N] [--rounds N]\n"
	      "              [--anonymous] [--memory] [--mean] [--verbose]\n"
	      "Peer i is 198.19.(N + i / 256).(i % 256) and signs with DIR/NAME-(i % 16).pem; kind "
	      "psk:\n"
	      "all share the secret in DIR/" SECRET ".psk.\n",
		stderr);
	exit(2);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"keys", required_argument, NULL, 'k'},
		{"kind", required_argument, NULL, 't'},
		{"remote", required_argument, NULL, 'r'},
		{"watch", required_argument, NULL, 'w'},
		{"net", required_argument, NULL, 'n'},
		{"count", required_argument, NULL, 'c'},
		{"outstanding", required_argument, NULL, 'o'},
		{"rounds", required_argument, NULL, 'R'},
		{"anonymous", no_argument, NULL, 'a'},
		{"memory", no_argument, NULL, 'm'},
		{"mean", no_argument, NULL, 'M'},
		{"verbose", no_argument, NULL, 'v'},
		{NULL, 0, NULL, 0},
	};
	static struct caller c = {.count = 500, .outstanding = 16, .rounds = 5};
	bool of_memory = false;
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (o) {
		case 'k':
			c.keys = optarg;
			break;
		case 't':
			c.kind = optarg;
			break;
		case 'r':
			if (addr_parse(optarg, &c.remote) < 0)
				die("'%s' is no address", optarg);
			break;
		case 'w':
			c.watch = watch_parse(optarg);
			break;
		case 'n':
			c.net = (unsigned int)atoi(optarg);
			break;
		case 'c':
			c.count = (unsigned int)atoi(optarg);
			break;
		case 'o':
			c.outstanding = (unsigned int)atoi(optarg);
			break;
		case 'R':
			c.rounds = (unsigned int)atoi(optarg);
			break;
		case 'a':
			c.anonymous = true;
			break;
		case 'm':
			of_memory = true;
			break;
		case 'M':
			c.mean = true;
			break;
		case 'v':
			c.verbose = true;
			break;
		default:
			usage();
		}
	}
	if (optind < argc || !c.keys || !c.kind || !c.remote.family || !c.watch.n || !c.count ||
		!c.outstanding || c.count > 16384 || !c.rounds || c.rounds > ROUNDS_MAX)
		usage();
	log_init("caller", LOG_LEVEL_ERROR);
	if (!strcmp(c.kind, "psk"))
		load_secret(&c);
	else
		load_keys(&c);
	start(&c);
	if (of_memory)
		memory(&c);
	else
		handshakes(&c);
	finish(&c);
	return 0;
}
