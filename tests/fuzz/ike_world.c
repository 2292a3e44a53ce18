/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/fuzz/ike_world_priv.h"

#include <errno.h>
#include <openssl/x509.h>
#include <string.h>

#include "ike/crypto.h"
#include "ike/digsig.h"
#include "ike/exchange.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/ike_ca.h"

/* ---- keys */

static struct ike_pubkey pubkey_of(int host)
{
	struct ike_pubkey ret = {0};
	unsigned char *p = ret.spki;

	ret.len = (uint16_t)i2d_PUBKEY(fuzz_ca_key(host), &p);
	return ret;
}

/* ---- the agent */

/* An agent with too much to do forgets: its peer's attempt then ends by time. */
static void answer(struct host *h, uint16_t type, const void *fixed, size_t len, const void *tail,
	size_t tail_len)
{
	struct answer *a = &h->answers[h->n_answers];

	if (h->n_answers == ANSWERS_MAX)
		return;
	h->n_answers++;
	expect(len <= sizeof(a->fixed));
	*a = (struct answer){.type = type, .tail_len = tail_len};
	memcpy(a->fixed, fixed, len);
	if (tail_len)
		a->tail = fuzz_copy(tail, tail_len);
}

static bool find(const uint32_t *set, size_t n, uint32_t v, size_t *ret)
{
	for (*ret = 0; *ret < n; ++*ret)
		if (set[*ret] == v)
			return true;
	return false;
}

static void handle_add(struct host *h, uint32_t handle)
{
	size_t at;

	expect(!find(h->handles, HANDLES_MAX, handle, &at));
	expect(find(h->handles, HANDLES_MAX, 0, &at));
	h->handles[at] = handle;
	h->up[at] = false;
	h->last_handle = handle;
}

/* UP comes once; then DOWN, and without it FAILED. */
static void on_up(struct host *h, uint32_t handle)
{
	size_t at;

	expect(find(h->handles, HANDLES_MAX, handle, &at) && !h->up[at]);
	h->up[at] = true;
}

static void on_end(struct host *h, uint32_t handle, bool up)
{
	size_t at;

	expect(find(h->handles, HANDLES_MAX, handle, &at) && h->up[at] == up);
	h->handles[at] = 0;
}

/* What its agent has been told by hand. */
static struct ike_terms terms_of(const struct host *h)
{
	uint8_t proof = h->w->setup.proof;
	struct ike_terms t = {0};

	if (proof == FUZZ_PSK)
		memcpy(t.psk, "secret", sizeof("secret"));
	t.n_cas = t.n_own = proof == FUZZ_X509;
	if (h->ppk == FUZZ_PPK_NONE)
		return t;
	memcpy(t.ppk, "ppk", sizeof("ppk"));
	t.ppk_required = h->ppk == FUZZ_PPK_REQUIRED;
	t.ppk_id_len = 1;
	t.ppk_id[0] = h->other_id ? 'o' : 'i';
	return t;
}

static void put_cert(struct wire_writer *w, struct ike_bytes der)
{
	wire_put_u16(w, (uint16_t)der.len);
	wire_put(w, der.p, der.len);
}

/* CONNECT and AUTHORIZE: behind them is what proves the peer, and with certificates what we show. */
static void answer_proofs(
	struct host *h, uint16_t type, const void *fixed, size_t len, uint32_t n_keys)
{
	uint8_t tail[sizeof(struct ike_pubkey) + 4096];
	struct wire_writer w = wire_writer(tail, sizeof(tail));
	struct ike_pubkey key = pubkey_of(!h->index);
	struct ike_bytes own;
	unsigned char *der = NULL;
	X509 *cert;

	wire_put(&w, &key, n_keys * sizeof(key));
	if (h->w->setup.proof == FUZZ_X509) {
		cert = fuzz_ca_make(h->index ? "b" : "a", h->index, "root", FUZZ_CA_ROOT,
			h->index ? "IP:198.18.2.20" : "DNS:a.example",
			h->index ? 3600 : 365 * 86400);
		own.len = (size_t)i2d_X509(cert, &der);
		own.p = der;
		put_cert(&w, fuzz_ca_root());
		put_cert(&w, own);
		OPENSSL_free(der);
		X509_free(cert);
	}
	expect(!w.bad);
	answer(h, type, fixed, len, tail, w.pos);
}

static void on_identity(struct host *h, const struct ike_identity *i)
{
	struct ike_authorize a = {.handle = i->handle,
		.allow = IKE_ALLOW_ANONYMOUS_PEER | IKE_ALLOW_ANONYMOUS_SELF,
		.n_keys = h->w->host[!h->index].has_key,
		.terms = terms_of(h)};

	expect(i->id_len <= sizeof(i->id));
	answer_proofs(h, IKE_REQ_AUTHORIZE, &a, sizeof(a), a.n_keys);
}

/* SK_d, SK_pi and SK_pr with the PPK in them. */
static void mix(const struct host *h, const struct ike_prf *prf, struct ike_bytes keys, uint8_t *ret)
{
	expect(keys.len == 3u * prf->len);
	for (size_t at = 0; at < keys.len; at += prf->len) {
		struct ike_bytes key = {keys.p + at, prf->len};

		expect(ike_prf_plus(prf, h->other_secret ? "5678" : "1234", 4, &key, 1, ret + at,
			       prf->len) == 0);
	}
}

static void on_sign(struct host *h, const struct ike_sign *s, const uint8_t *octets, size_t len)
{
	struct ike_signed done = {.handle = s->handle};
	uint8_t sig[IKE_SIG_MAX];
	size_t sig_len = sizeof(sig);

	expect(len <= IKE_OCTETS_MAX);
	if (s->scheme == IKE_SIGN_PSK) {
		const struct ike_prf *prf = ike_prf_find(s->prf);

		expect(prf && strcmp(s->secret, "secret") == 0);
		expect(ike_auth_shared(prf, "1234", 4, (struct ike_bytes){octets, len}, sig) == 0);
		answer(h, IKE_REQ_SIGNED, &done, sizeof(done), sig, prf->len);
		return;
	}
	if (s->scheme == IKE_SIGN_PPK) {
		expect(ike_prf_find(s->prf) && strcmp(s->secret, "ppk") == 0);
		mix(h, ike_prf_find(s->prf), (struct ike_bytes){octets, len}, sig);
		answer(h, IKE_REQ_SIGNED, &done, sizeof(done), sig, len);
		return;
	}
	expect(h->has_key && s->key == 0);
	if (ike_digsig_sign(fuzz_ca_key(h->index), (enum ike_scheme)s->scheme,
		    (struct ike_bytes){octets, len}, sig, &sig_len) < 0) {
		done.error = -EIO;
		sig_len = 0;
	}
	answer(h, IKE_REQ_SIGNED, &done, sizeof(done), sig, sig_len);
}

static void on_child_in(struct host *h, const struct ike_child *c)
{
	struct ike_installed done = {.handle = c->handle, .spi = c->spi_in};
	size_t at;

	/* one that was told before comes again with the peer's SPI */
	if (!find(h->children, CHILDREN_MAX, c->spi_in, &at)) {
		expect(find(h->children, CHILDREN_MAX, 0, &at));
		h->children[at] = c->spi_in;
	}
	answer(h, IKE_REQ_INSTALLED, &done, sizeof(done), NULL, 0);
}

/* Where it did not come alone this is one answer too many. */
static void on_child_out(struct host *h, const struct ike_child *c)
{
	struct ike_installed done = {.handle = c->handle, .spi = c->spi_in};

	answer(h, IKE_REQ_INSTALLED, &done, sizeof(done), NULL, 0);
}

/* The kernel saw packets both ways. */
static void on_idle(struct host *h, uint32_t handle)
{
	struct ike_traffic t = {.handle = handle, .in = h->index, .out = 1};

	answer(h, IKE_REQ_TRAFFIC, &t, sizeof(t), NULL, 0);
}

static void on_child_gone(struct host *h, const struct ike_child_gone *g)
{
	size_t at;

	expect(find(h->children, CHILDREN_MAX, g->spi_in, &at));
	h->children[at] = 0;
}

static void on_event(void *arg, uint16_t type, const void *fixed, size_t fixed_len,
	const void *tail, size_t tail_len)
{
	static const uint8_t hash[IKE_CA_HASH_LEN] = {1, 2, 3};
	struct host *h = arg;
	struct ike_accept accept = {.answer = 1,
		.n_cas = h->w->setup.proof == FUZZ_X509,
		.ppk = h->ppk != FUZZ_PPK_NONE};
	uint32_t handle;
	size_t at;

	for (at = 0; at < ike_n_events && ike_events[at].type != type; at++)
		;
	expect(at < ike_n_events && fixed_len == ike_events[at].fixed &&
		tail_len <= ike_events[at].tail_max);
	if (type == IKE_EV_STATS)
		return;
	memcpy(&handle, fixed, sizeof(handle));
	if (type == IKE_EV_INBOUND)
		handle_add(h, handle);
	else
		expect(find(h->handles, HANDLES_MAX, handle, &at));
	switch (type) {
	case IKE_EV_INBOUND:
		accept.handle = handle;
		answer(h, IKE_REQ_ACCEPT, &accept, sizeof(accept), hash,
			accept.n_cas * sizeof(hash));
		break;
	case IKE_EV_IDENTITY:
		on_identity(h, fixed);
		break;
	case IKE_EV_SIGN:
		on_sign(h, fixed, tail, tail_len);
		break;
	case IKE_EV_CHILD_IN:
		on_child_in(h, fixed);
		break;
	case IKE_EV_CHILD_OUT:
		on_child_out(h, fixed);
		break;
	case IKE_EV_CHILD_GONE:
		on_child_gone(h, fixed);
		break;
	case IKE_EV_IDLE:
		on_idle(h, handle);
		break;
	case IKE_EV_UP:
		on_up(h, handle);
		break;
	case IKE_EV_FAILED:
	case IKE_EV_DOWN:
		on_end(h, handle, type == IKE_EV_DOWN);
		break;
	}
}

static int64_t on_wall(void *arg)
{
	const struct host *h = arg;

	return FUZZ_CA_NOW + (int64_t)(h->w->now / SECOND);
}

static void on_random(void *arg, void *buf, size_t len)
{
	(void)arg;
	fuzz_random(buf, len);
}

/* ---- the wire */

void world_post(struct fuzz_world *w, int to, const struct ike_path *path, const void *data,
	size_t len, uint64_t due)
{
	if (w->n_packets < PACKETS_MAX)
		w->packets[w->n_packets++] = (struct packet){.due = due,
			.to = to,
			.path = *path,
			.data = fuzz_copy(data, len),
			.len = len};
}

size_t world_marker(const struct ike_path *path)
{
	return path->local_port == IKE_PORT_NATT ? 4 : 0;
}

/* What a core sends has a header that holds; an answer repeats the SPI that it got, be it 0. */
static void look(struct host *h, const struct ike_path *path, const uint8_t *data, size_t len)
{
	struct fuzz_world *w = h->w;
	enum ike_parse cause;
	struct ike_header hdr;

	if (len == 1 && path->local_port == IKE_PORT_NATT)
		return;
	cause = ike_header_parse(data + world_marker(path), len - world_marker(path), &hdr);
	expect(cause == IKE_PARSE_OK || cause == IKE_PARSE_HEADER);
	if (cause == IKE_PARSE_HEADER)
		return;
	if (hdr.flags & IKE_FLAG_RESPONSE)
		h->flow.response = hdr;
	else
		h->flow.request = hdr;
	h->flow.initiator = hdr.flags & IKE_FLAG_INITIATOR;
	h->flow.seen = true;
	if (hdr.spi_r) {
		w->spi_i = hdr.spi_i;
		w->spi_r = hdr.spi_r;
	}
}

static int on_send(void *arg, const struct ike_path *path, const void *data, size_t len)
{
	struct host *h = arg;
	struct fuzz_world *w = h->w;
	struct ike_path seen = {.pair.local = path->pair.remote,
		.pair.remote = path->pair.local,
		.local_port = path->remote_port,
		.remote_port = path->local_port};

	expect(len <= IKE_DATAGRAM_MAX);
	look(h, path, data, len);
	if (w->setup.nat && h->index == FUZZ_A) {
		seen.pair.remote.b[3]++;
		seen.remote_port = (uint16_t)(seen.remote_port + w->shift);
	} else if (w->setup.nat) {
		seen.pair.local = w->host[FUZZ_A].addr;
		seen.local_port = (uint16_t)(seen.local_port - w->shift);
	}
	w->sent++;
	world_post(w, !h->index, &seen, data, len, w->now + LATENCY);
	return 0;
}

void world_forget(struct fuzz_world *w, size_t at)
{
	free(w->packets[at].data);
	w->n_packets--;
	memmove(w->packets + at, w->packets + at + 1, (w->n_packets - at) * sizeof(w->packets[0]));
}

static void deliver(struct fuzz_world *w, size_t at)
{
	struct packet p = w->packets[at];

	w->packets[at].data = NULL;
	world_forget(w, at);
	ike_core_datagram(w->host[p.to].core, &p.path, p.data, p.len, w->now);
	free(p.data);
}

static bool first_packet(const struct fuzz_world *w, size_t *ret)
{
	*ret = 0;
	for (size_t i = 1; i < w->n_packets; i++)
		if (w->packets[i].due < w->packets[*ret].due)
			*ret = i;
	return w->n_packets > 0;
}

static bool first_answer(struct host *h, struct answer *ret)
{
	if (!h->n_answers)
		return false;
	*ret = h->answers[0];
	memmove(h->answers, h->answers + 1, --h->n_answers * sizeof(h->answers[0]));
	return true;
}

/* After ACCEPT with 0 the core says nothing more of the SA. */
static void refused(struct host *h, const struct ike_accept *a)
{
	size_t at;

	if (!a->answer && find(h->handles, HANDLES_MAX, a->handle, &at))
		h->handles[at] = 0;
}

static bool answer_one(struct fuzz_world *w)
{
	for (int i = 0; i < FUZZ_HOSTS; i++) {
		struct answer a;

		if (!first_answer(&w->host[i], &a))
			continue;
		expect(ike_core_request(
			       w->host[i].core, a.type, a.fixed, a.tail, a.tail_len, w->now) == 0);
		if (a.type == IKE_REQ_ACCEPT)
			refused(&w->host[i], (const struct ike_accept *)a.fixed);
		free(a.tail);
		return true;
	}
	return false;
}

/* Returns when a core wants to be asked again. */
static uint64_t timers(struct fuzz_world *w)
{
	uint64_t next = UINT64_MAX;

	for (int i = 0; i < FUZZ_HOSTS; i++) {
		uint64_t due = ike_core_timers(w->host[i].core, w->now);

		expect(due > w->now); /* else its process would spin */
		expect(w->host[i].core->stats.half_open <= HALF_OPEN_MAX);
		if (due < next)
			next = due;
	}
	return next;
}

bool fuzz_world_step(struct fuzz_world *w)
{
	size_t at;

	if (answer_one(w))
		return true;
	if (!first_packet(w, &at))
		return false;
	if (w->packets[at].due > w->now)
		w->now = w->packets[at].due;
	deliver(w, at);
	timers(w);
	return true;
}

static void run(struct fuzz_world *w, uint64_t end, unsigned int sent)
{
	for (;;) {
		uint64_t next;
		size_t at;
		bool any;

		while (answer_one(w))
			;
		next = timers(w);
		if (w->host[FUZZ_A].n_answers || w->host[FUZZ_B].n_answers)
			continue;
		if (w->sent >= sent)
			return;
		any = first_packet(w, &at);
		if (any && w->packets[at].due < next)
			next = w->packets[at].due;
		if (next > end)
			break;
		if (next > w->now)
			w->now = next;
		if (any && w->packets[at].due <= w->now)
			deliver(w, at);
	}
	w->now = end;
}

void fuzz_world_run(struct fuzz_world *w, uint64_t ms)
{
	run(w, w->now + ms * MS, UINT32_MAX);
}

void fuzz_world_run_to(struct fuzz_world *w, unsigned int n)
{
	run(w, w->now + 5 * SECOND, n);
}

/* ---- what the fuzzer does to the hosts */

void fuzz_connect(struct fuzz_world *w, int host)
{
	struct host *h = &w->host[host];
	struct ike_connect c = {.handle = h->next_handle + 1,
		.allow = IKE_ALLOW_ANONYMOUS_PEER | IKE_ALLOW_ANONYMOUS_SELF,
		.n_keys = w->host[!host].has_key,
		.terms = terms_of(h),
		.pair.local = h->addr,
		.pair.remote = w->host[!host].addr};
	size_t at, n = 0;

	for (at = 0; at < HANDLES_MAX; at++)
		n += h->handles[at] != 0;
	if (n >= HANDLES_MAX / 4 || h->n_answers == ANSWERS_MAX)
		return;
	h->next_handle++;
	if (w->setup.nat && host == FUZZ_B)
		c.pair.remote.b[3]++;
	handle_add(h, c.handle);
	answer_proofs(h, IKE_REQ_CONNECT, &c, sizeof(c), c.n_keys);
}

void fuzz_close(struct fuzz_world *w, int host, bool silent)
{
	struct host *h = &w->host[host];
	struct ike_close c = {.handle = h->last_handle, .silent = silent};

	answer(h, IKE_REQ_CLOSE, &c, sizeof(c), NULL, 0);
}

void fuzz_probe(struct fuzz_world *w, int host)
{
	struct ike_probe p = {.handle = w->host[host].last_handle};

	answer(&w->host[host], IKE_REQ_PROBE, &p, sizeof(p), NULL, 0);
}

/* The n-th child that stands. */
static uint32_t child_of(const struct host *h, unsigned int n)
{
	uint32_t spis[CHILDREN_MAX];
	size_t count = 0;

	for (size_t i = 0; i < CHILDREN_MAX; i++)
		if (h->children[i])
			spis[count++] = h->children[i];
	return count ? spis[n % count] : 0;
}

void fuzz_rekey(struct fuzz_world *w, int host, bool child, unsigned int n)
{
	struct host *h = &w->host[host];
	struct ike_rekey r = {.handle = h->last_handle, .spi = child ? child_of(h, n) : 0};

	answer(h, IKE_REQ_REKEY, &r, sizeof(r), NULL, 0);
}

void fuzz_used(struct fuzz_world *w, int host, unsigned int n)
{
	struct host *h = &w->host[host];
	struct ike_used u = {.handle = h->last_handle, .spi = child_of(h, n)};

	answer(h, IKE_REQ_USED, &u, sizeof(u), NULL, 0);
}

void fuzz_ppk(struct fuzz_world *w, int host, enum fuzz_ppk how, bool other_id, bool other_secret)
{
	struct host *h = &w->host[host];

	h->ppk = how;
	h->other_id = other_id;
	h->other_secret = other_secret;
}

void fuzz_sleep(struct fuzz_world *w, uint64_t ms)
{
	w->now += ms * MS;
	timers(w);
}

struct ike_path world_path_to(const struct fuzz_world *w, int host)
{
	struct ike_path p = {.pair.local = w->host[host].addr,
		.pair.remote = w->host[!host].addr,
		.local_port = w->setup.nat ? IKE_PORT_NATT : IKE_PORT,
		.remote_port = w->setup.nat ? IKE_PORT_NATT : IKE_PORT};

	if (w->setup.nat && host == FUZZ_B) {
		p.pair.remote.b[3]++;
		p.remote_port = (uint16_t)(p.remote_port + w->shift);
	}
	return p;
}

void fuzz_refused(struct fuzz_world *w, int host)
{
	struct ike_path p = world_path_to(w, host);

	ike_core_icmp_refused(w->host[host].core, &p.pair, w->now);
}

void fuzz_rebind(struct fuzz_world *w, uint16_t shift)
{
	w->shift = shift;
}

void fuzz_agent_drop(struct fuzz_world *w, int host)
{
	struct host *h = &w->host[host];
	struct answer a;

	/* only answers are: the settings come first, and of CONNECT the agent waits for the end */
	if (h->n_answers && h->answers[0].type != IKE_REQ_CONNECT &&
		h->answers[0].type != IKE_REQ_CONFIG && h->answers[0].type != IKE_REQ_OWN_KEYS &&
		first_answer(h, &a))
		free(a.tail);
}

void fuzz_agent_fails(struct fuzz_world *w, int host)
{
	struct answer *a = &w->host[host].answers[0];

	if (!w->host[host].n_answers)
		return;
	switch (a->type) {
	case IKE_REQ_ACCEPT:
		((struct ike_accept *)a->fixed)->answer = 0;
		break;
	case IKE_REQ_AUTHORIZE:
		((struct ike_authorize *)a->fixed)->allow = 0;
		break;
	case IKE_REQ_SIGNED:
		((struct ike_signed *)a->fixed)->error = -EIO;
		free(a->tail);
		a->tail = NULL;
		a->tail_len = 0;
		break;
	case IKE_REQ_INSTALLED:
		((struct ike_installed *)a->fixed)->error = -EEXIST;
		break;
	}
}

/* ---- begin and end */

/* A core and what an agent tells a new one. */
static void start(struct host *h)
{
	static const struct ike_ke *addke[2];
	static struct ike_profile mixed;
	const struct fuzz_setup *setup = &h->w->setup;
	struct ike_effects fx = {
		.arg = h, .send = on_send, .event = on_event, .random = on_random, .wall = on_wall};
	struct ike_config c = {.retransmit_ms = 500,
		.retransmits = 4,
		.init_timeout_ms = 5000,
		.half_open_max = HALF_OPEN_MAX,
		.cookie_above = setup->cookies && h->index == FUZZ_B ? 0 : 5,
		.liveness_s = setup->liveness ? 10 : 0,
		.rekey_s = setup->rekey ? 60 + 60 * (uint32_t)h->index : 0};
	struct ike_pubkey key = pubkey_of(h->index);
	struct ike_own_keys own = {.count = h->has_key};

	memset(own.qcd_secret, 7 + h->index, sizeof(own.qcd_secret));
	h->core = ike_core_new(&fx);
	addke[0] = ike_ke_find(IKE_KE_ECP_256);
	mixed = ike_profile_default;
	mixed.addke = addke;
	h->core->profile = setup->addke ? &mixed : &ike_profile_default;
	answer(h, IKE_REQ_CONFIG, &c, sizeof(c), NULL, 0);
	answer(h, IKE_REQ_OWN_KEYS, &own, sizeof(own), &key, own.count * sizeof(key));
}

void fuzz_restart(struct fuzz_world *w, int host)
{
	struct host *h = &w->host[host];
	struct answer a;

	while (first_answer(h, &a))
		free(a.tail);
	ike_core_free(h->core);
	memset(h->handles, 0, sizeof(h->handles));
	memset(h->children, 0, sizeof(h->children));
	start(h);
}

void fuzz_invalid_spi(struct fuzz_world *w, int host, uint32_t spi)
{
	struct ike_path p = world_path_to(w, host);
	struct ike_invalid_spi i = {.pair = p.pair,
		.spi = spi,
		.local_port = p.local_port,
		.remote_port = p.remote_port};

	if (spi >= 256)
		answer(&w->host[host], IKE_REQ_INVALID_SPI, &i, sizeof(i), NULL, 0);
}

struct fuzz_world *fuzz_world_new(const struct fuzz_setup *setup)
{
	static const char *const addrs[FUZZ_HOSTS] = {"198.18.1.10", "198.18.2.20"};
	struct fuzz_world *w = calloc(1, sizeof(*w));

	expect(w != NULL);
	fuzz_seed(1);
	w->now = 1000 * SECOND;
	w->setup = *setup;
	w->shift = 7;
	for (int i = 0; i < FUZZ_HOSTS; i++) {
		struct host *h = &w->host[i];

		h->w = w;
		h->index = i;
		h->has_key = setup->proof == FUZZ_ED25519 || setup->proof == FUZZ_X509 ||
			     (setup->proof == FUZZ_MIXED && i == FUZZ_B);
		expect(addr_parse(addrs[i], &h->addr) == 0);
		start(h);
	}
	while (answer_one(w))
		;
	return w;
}

static void close_all(struct host *h)
{
	for (size_t i = 0; i < HANDLES_MAX; i++) {
		struct ike_close c = {.handle = h->handles[i]};

		if (c.handle)
			expect(ike_core_request(h->core, IKE_REQ_CLOSE, &c, NULL, 0, h->w->now) ==
				0);
	}
}

static void expect_nothing(const struct host *h)
{
	size_t at;

	expect(core_is_empty(h->core));
	expect(!h->core->stats.half_open && !h->core->stats.established);
	for (at = 0; at < HANDLES_MAX; at++)
		expect(!h->handles[at]);
	for (at = 0; at < CHILDREN_MAX; at++)
		expect(!h->children[at]);
}

void fuzz_world_end(struct fuzz_world *w)
{
	/* attempts end by themselves, then what stands is closed */
	run(w, w->now + 60 * SECOND, UINT32_MAX);
	for (int i = 0; i < FUZZ_HOSTS; i++)
		close_all(&w->host[i]);
	run(w, w->now + ALL_OVER, UINT32_MAX);
	for (int i = 0; i < FUZZ_HOSTS; i++) {
		expect_nothing(&w->host[i]);
		ike_core_free(w->host[i].core);
	}
	expect(!w->n_packets);
	free(w);
}
