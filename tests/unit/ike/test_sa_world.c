/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/ike/test_sa_world.h"

#include <assert.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on
#include <openssl/x509.h>

#include "ike/digsig.h"
#include "ike/exchange.h"

#define NAT_ADDR "198.18.9.9"
#define NAT_ADDR_NEW "198.18.9.10"
/* The kernel takes what comes by an SA that is gone so much longer. */
#define GRACE (5 * SEC)

static const size_t fixed_sizes[] = {
	[IKE_REQ_CONFIG - IKE_REQ_CONFIG] = sizeof(struct ike_config),
	[IKE_REQ_OWN_KEYS - IKE_REQ_CONFIG] = sizeof(struct ike_own_keys),
	[IKE_REQ_CONNECT - IKE_REQ_CONFIG] = sizeof(struct ike_connect),
	[IKE_REQ_ACCEPT - IKE_REQ_CONFIG] = sizeof(struct ike_accept),
	[IKE_REQ_AUTHORIZE - IKE_REQ_CONFIG] = sizeof(struct ike_authorize),
	[IKE_REQ_SIGNED - IKE_REQ_CONFIG] = sizeof(struct ike_signed),
	[IKE_REQ_INSTALLED - IKE_REQ_CONFIG] = sizeof(struct ike_installed),
	[IKE_REQ_CLOSE - IKE_REQ_CONFIG] = sizeof(struct ike_close),
	[IKE_REQ_PROBE - IKE_REQ_CONFIG] = sizeof(struct ike_probe),
	[IKE_REQ_MOVED - IKE_REQ_CONFIG] = sizeof(struct ike_moved),
	[IKE_REQ_INVALID_SPI - IKE_REQ_CONFIG] = sizeof(struct ike_invalid_spi),
	[IKE_REQ_REKEY - IKE_REQ_CONFIG] = sizeof(struct ike_rekey),
	[IKE_REQ_USED - IKE_REQ_CONFIG] = sizeof(struct ike_used),
	[IKE_REQ_TRAFFIC - IKE_REQ_CONFIG] = sizeof(struct ike_traffic),
};

/* ---- keys */

EVP_PKEY *world_key(enum test_key type)
{
	static EVP_PKEY *keys[KEY_TYPES];

	if (!keys[type]) {
		switch (type) {
		case KEY_ED25519:
		case KEY_ED25519_B:
			keys[type] = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
			break;
		case KEY_RSA:
			keys[type] = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
			break;
		case KEY_P256:
			keys[type] = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
			break;
		case KEY_P384:
			keys[type] = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384");
			break;
		case KEY_P521:
			keys[type] = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-521");
			break;
		case KEY_ED448:
			keys[type] = EVP_PKEY_Q_keygen(NULL, NULL, "ED448");
			break;
		case KEY_TYPES:
			break;
		}
		assert_non_null(keys[type]);
	}
	return keys[type];
}

static struct ike_pubkey pubkey(EVP_PKEY *key)
{
	struct ike_pubkey ret = {0};
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(key, &der);

	assert_true(len > 0 && len <= IKE_SPKI_MAX);
	memcpy(ret.spki, der, (size_t)len);
	ret.len = (uint16_t)len;
	OPENSSL_free(der);
	return ret;
}

/* ---- the agent */

static struct agent_msg *new_msg(
	uint16_t type, const void *fixed, size_t len, const void *tail, size_t tail_len)
{
	struct agent_msg *m = calloc(1, sizeof(*m));

	assert_true(m && len <= sizeof(m->fixed) && tail_len <= sizeof(m->tail));
	m->type = type;
	memcpy(m->fixed, fixed, len);
	if (tail_len)
		memcpy(m->tail, tail, tail_len);
	m->tail_len = tail_len;
	return m;
}

static void queue(struct host *h, uint16_t type, const void *fixed, size_t len, const void *tail,
	size_t tail_len)
{
	assert_true(h->n_queue < 64);
	h->queue[h->n_queue++] = new_msg(type, fixed, len, tail, tail_len);
}

void host_send(struct host *h, uint16_t type, const void *fixed, size_t len)
{
	assert_int_equal(len, fixed_sizes[type - IKE_REQ_CONFIG]);
	queue(h, type, fixed, len, NULL, 0);
}

static size_t put_keys(EVP_PKEY *const *keys, size_t n, struct ike_pubkey *ret)
{
	for (size_t i = 0; i < n; i++)
		ret[i] = pubkey(keys[i]);
	return n * sizeof(*ret);
}

/* What may prove the peer: keys, then the terms' certificates. */
static void queue_proofs(struct host *h, uint16_t type, const void *fixed, size_t len)
{
	static uint8_t tail[sizeof(((struct agent_msg *)0)->tail)];
	struct ike_pubkey keys[KEYS_MAX];
	size_t keys_len = put_keys(h->peer, h->n_peer, keys);

	memcpy(tail, keys, keys_len);
	memcpy(tail + keys_len, h->certs, h->certs_len);
	queue(h, type, fixed, len, tail, keys_len + h->certs_len);
}

void host_own_keys(struct host *h)
{
	struct ike_own_keys own = {.count = (uint32_t)h->n_own, .standby = h->standby};
	struct ike_pubkey keys[KEYS_MAX];

	memset(own.qcd_secret, h->secret, sizeof(own.qcd_secret));
	queue(h, IKE_REQ_OWN_KEYS, &own, sizeof(own), keys, put_keys(h->own, h->n_own, keys));
}

void host_config(struct host *h, const struct ike_config *c)
{
	host_send(h, IKE_REQ_CONFIG, c, sizeof(*c));
}

uint32_t host_connect(struct host *h)
{
	struct ike_connect c = {.handle = ++h->next_handle,
		.allow = h->allow,
		.n_keys = (uint32_t)h->n_peer,
		.terms = h->terms,
		.pair.local = h->addr,
		.pair.remote = h->w->host[!h->index].addr,
		.pair.scope = h->scope,
		.packet = h->packet};

	if (h->w->nat && h->index == B)
		assert_int_equal(addr_parse(NAT_ADDR, &c.pair.remote), 0);
	queue_proofs(h, IKE_REQ_CONNECT, &c, sizeof(c));
	return c.handle;
}

static void on_identity(struct host *h, const struct ike_identity *i)
{
	struct ike_authorize a = {.handle = i->handle,
		.allow = h->allow,
		.n_keys = (uint32_t)h->n_peer,
		.scope = h->scope,
		.no_scope = h->no_scope,
		.terms = h->terms};

	h->identities++;
	h->identity = *i;
	queue_proofs(h, IKE_REQ_AUTHORIZE, &a, sizeof(a));
}

/* SK_d, SK_pi, SK_pr as RFC 8784 has them. */
static void on_mix(struct host *h, const struct ike_sign *s, const uint8_t *keys, size_t len)
{
	struct ike_signed done = {.handle = s->handle, .error = h->ppk ? h->sign_error : -ENOENT};
	const struct ike_prf *prf = ike_prf_find(s->prf);
	uint8_t mixed[3 * IKE_PRF_MAX];

	assert_string_equal(s->secret, h->terms.ppk);
	assert_int_equal(len, 3 * prf->len);
	for (size_t i = 0; h->ppk && i < 3; i++) {
		struct ike_bytes key = {keys + i * prf->len, prf->len};

		assert_int_equal(ike_prf_plus(prf, h->ppk, strlen(h->ppk), &key, 1,
					 mixed + i * prf->len, prf->len),
			0);
	}
	queue(h, IKE_REQ_SIGNED, &done, sizeof(done), mixed, done.error ? 0 : len);
}

static void on_sign(struct host *h, const struct ike_sign *s, const uint8_t *octets, size_t len)
{
	struct ike_signed done = {.handle = s->handle, .error = h->sign_error};
	uint8_t sig[IKE_SIG_MAX];
	size_t sig_len = sizeof(sig);

	if (s->scheme == IKE_SIGN_PPK) {
		on_mix(h, s, octets, len);
		return;
	}
	if (s->scheme == IKE_SIGN_PSK) {
		const struct ike_prf *prf = ike_prf_find(s->prf);

		assert_string_equal(s->secret, h->terms.psk);
		if (!h->psk)
			done.error = -ENOENT;
		else if (!done.error)
			assert_int_equal(ike_auth_shared(prf, h->psk, strlen(h->psk),
						 (struct ike_bytes){octets, len}, sig),
				0);
		sig_len = prf->len;
		queue(h, IKE_REQ_SIGNED, &done, sizeof(done), sig, done.error ? 0 : sig_len);
		return;
	}
	assert_true(s->key < h->n_own);
	if (!done.error)
		assert_int_equal(ike_digsig_sign(h->own[s->key], (enum ike_scheme)s->scheme,
					 (struct ike_bytes){octets, len}, sig, &sig_len),
			0);
	queue(h, IKE_REQ_SIGNED, &done, sizeof(done), sig, done.error ? 0 : sig_len);
}

/* The kernel: an SPI stands once for each direction. */
static void kernel_add(
	struct host *h, const struct ike_child *c, const uint8_t *key, size_t len, bool inbound)
{
	struct kernel_sa *room = NULL;

	for (size_t i = 0; i < CHILDREN_MAX; i++) {
		struct kernel_sa *k = &h->kernel[i];

		if (!k->used && (!k->gone_at || k->gone_at + GRACE <= h->w->now))
			room = k;
		else if (!k->used)
			continue;
		else if (k->inbound == inbound &&
			 (inbound ? k->child.spi_in == c->spi_in : k->child.spi_out == c->spi_out))
			fail_msg("host %d: SA %08x stands already", h->index, c->spi_in);
	}
	assert_non_null(room);
	*room = (struct kernel_sa){.used = true,
		.inbound = inbound,
		.child = *c,
		.key_len = len,
		.number = ++h->n_added};
	memcpy(room->key, key, len);
}

static void on_child_in(struct host *h, const struct ike_child *c, const uint8_t *key, size_t len)
{
	struct ike_installed done = {.handle = c->handle,
		.spi = c->spi_in,
		.error = c->spi_out ? h->install_error : h->preinstall_error};

	if (c->both)
		h->both = c->spi_in;
	if (!done.error)
		kernel_add(h, c, key, len, true);
	host_send(h, IKE_REQ_INSTALLED, &done, sizeof(done));
}

static void on_child_out(struct host *h, const struct ike_child *c, const uint8_t *key, size_t len)
{
	struct ike_installed done = {
		.handle = c->handle, .spi = c->spi_in, .error = h->out_error};
	bool alone = c->spi_in != h->both;

	if (alone ? !done.error : !h->install_error)
		kernel_add(h, c, key, len, false);
	if (alone)
		host_send(h, IKE_REQ_INSTALLED, &done, sizeof(done));
}

static void on_child_gone(struct host *h, const struct ike_child_gone *g)
{
	for (size_t i = 0; i < CHILDREN_MAX; i++) {
		struct kernel_sa *k = &h->kernel[i];

		if (!k->used || k->child.handle != g->handle ||
			(g->spi_in ? k->child.spi_in != g->spi_in
				   : k->inbound || k->child.spi_out != g->spi_out))
			continue;
		k->used = false;
		k->gone_at = h->w->now;
	}
}

static void to_kernel(
	struct host *h, uint16_t type, const void *fixed, const void *tail, size_t tail_len)
{
	if (type == IKE_EV_CHILD_IN)
		on_child_in(h, fixed, tail, tail_len);
	else if (type == IKE_EV_CHILD_OUT)
		on_child_out(h, fixed, tail, tail_len);
	else
		on_child_gone(h, fixed);
}

static void ask_kernel(struct host *h, uint16_t type, const void *fixed, size_t len,
	const void *tail, size_t tail_len)
{
	if (!h->stalled) {
		to_kernel(h, type, fixed, tail, tail_len);
		return;
	}
	assert_true(h->n_late < 16);
	h->late[h->n_late++] = new_msg(type, fixed, len, tail, tail_len);
}

void host_goes_on(struct host *h)
{
	h->stalled = false;
	for (size_t i = 0; i < h->n_late; i++) {
		to_kernel(h, h->late[i]->type, h->late[i]->fixed, h->late[i]->tail,
			h->late[i]->tail_len);
		free(h->late[i]);
	}
	h->n_late = 0;
}

static void on_note(struct host *h, const struct ike_note *n)
{
	assert_true(n->code < NOTES_MAX);
	h->notes[n->code]++;
	h->note_args[n->code] = n->arg;
}

static void on_event(void *arg, uint16_t type, const void *fixed, size_t fixed_len,
	const void *tail, size_t tail_len)
{
	struct host *h = arg;
	struct ike_accept accept = {
		.answer = !h->ignore, .n_cas = h->terms.n_cas, .ppk = *h->terms.ppk != '\0'};
	struct ike_traffic idle = {.in = h->traffic_in, .out = h->traffic_out};

	if (type == IKE_EV_STATS)
		memcpy(&h->stats, fixed, sizeof(h->stats));
	else if (h->n_events < EVENTS_MAX)
		h->events[h->n_events++] = type;
	if (h->deaf)
		return;
	switch ((enum ike_ev)type) {
	case IKE_EV_READY:
	case IKE_EV_STATS:
		break;
	case IKE_EV_INBOUND:
		h->inbounds++;
		accept.handle = ((const struct ike_inbound *)fixed)->handle;
		queue(h, IKE_REQ_ACCEPT, &accept, sizeof(accept), h->ca_hashes,
			accept.n_cas * (size_t)IKE_CA_HASH_LEN);
		break;
	case IKE_EV_IDENTITY:
		on_identity(h, fixed);
		break;
	case IKE_EV_SIGN:
		on_sign(h, fixed, tail, tail_len);
		break;
	case IKE_EV_CHILD_IN:
	case IKE_EV_CHILD_OUT:
	case IKE_EV_CHILD_GONE:
		ask_kernel(h, type, fixed, fixed_len, tail, tail_len);
		break;
	case IKE_EV_UP:
		h->ups++;
		memcpy(&h->up, fixed, sizeof(h->up));
		break;
	case IKE_EV_FAILED:
		h->fails++;
		memcpy(&h->failed, fixed, sizeof(h->failed));
		break;
	case IKE_EV_DOWN:
		h->downs++;
		memcpy(&h->down, fixed, sizeof(h->down));
		break;
	case IKE_EV_NOTE:
		on_note(h, fixed);
		break;
	case IKE_EV_DOUBT:
		h->doubts++;
		break;
	case IKE_EV_MOVED:
		h->moves++;
		h->moved_to = ((const struct ike_moved *)fixed)->remote_port;
		h->moved_addr = ((const struct ike_moved *)fixed)->remote;
		break;
	case IKE_EV_REKEYED:
		h->rekeys++;
		memcpy(&h->rekeyed, fixed, sizeof(h->rekeyed));
		break;
	case IKE_EV_CERTIFICATE:
		h->certificates++;
		memcpy(&h->certificate, fixed, sizeof(h->certificate));
		break;
	case IKE_EV_STALE:
		h->stales++;
		break;
	case IKE_EV_IDLE:
		h->idles++;
		idle.handle = ((const struct ike_idle *)fixed)->handle;
		host_send(h, IKE_REQ_TRAFFIC, &idle, sizeof(idle));
		break;
	}
}

/* splitmix64: the same bytes in each run */
static void on_random(void *arg, void *buf, size_t len)
{
	struct host *h = arg;
	uint8_t *p = buf;

	for (size_t i = 0; i < len; i++) {
		uint64_t z = h->random += UINT64_C(0x9e3779b97f4a7c15);

		z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
		z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
		p[i] = (uint8_t)(z ^ z >> 31);
	}
}

static int64_t on_wall(void *arg)
{
	const struct host *h = arg;

	return WORLD_EPOCH + (int64_t)(h->w->now / SEC) - 1000 + h->clock_error;
}

/* ---- the network */

static void post(struct world *w, int to, const struct ike_path *path, const void *data, size_t len,
	uint64_t delay)
{
	struct packet *p = &w->packets[w->n_packets++];

	assert_true(w->n_packets <= PACKETS_MAX);
	*p = (struct packet){.due = w->now + delay,
		.to = to,
		.path = *path,
		.data = malloc(len ? len : 1),
		.len = len,
		.number = w->sent++};
	memcpy(p->data, data, len);
}

void world_inject(
	struct world *w, int to, const struct ike_path *path, const void *data, size_t len)
{
	post(w, to, path, data, len, 0);
}

static int on_send(void *arg, const struct ike_path *path, const void *data, size_t len)
{
	struct host *h = arg;
	struct world *w = h->w;
	struct ike_path seen = {.pair.local = path->pair.remote,
		.pair.remote = path->pair.local,
		.local_port = path->remote_port,
		.remote_port = path->local_port};
	struct packet *p;

	if (h->send_error)
		return h->send_error;
	if (w->nat && h->index == A) {
		assert_int_equal(
			addr_parse(w->nat_moved ? NAT_ADDR_NEW : NAT_ADDR, &seen.pair.remote), 0);
		seen.remote_port = (uint16_t)(seen.remote_port + w->nat_shift);
	} else if (w->nat) {
		if (strcmp(addr_str(&path->pair.remote), w->nat_moved ? NAT_ADDR_NEW : NAT_ADDR) != 0)
			return 0;
		seen.pair.local = w->host[A].addr;
		seen.local_port = (uint16_t)(seen.local_port - w->nat_shift);
	}
	post(w, !h->index, &seen, data, len, MS);
	p = &w->packets[w->n_packets - 1];
	if (!w->tamper)
		return 0;
	switch (w->tamper(w, p)) {
	case PASS:
		break;
	case DROP:
		free(p->data);
		w->n_packets--;
		break;
	case TWICE:
		w->sent--;
		post(w, p->to, &p->path, p->data, p->len, 3 * MS);
		break;
	case LATE:
		p->due += 5 * MS;
		break;
	}
	return 0;
}

static struct packet *first_packet(struct world *w)
{
	struct packet *first = NULL;

	for (size_t i = 0; i < w->n_packets; i++)
		if (!first || w->packets[i].due < first->due)
			first = &w->packets[i];
	return first;
}

static void deliver(struct world *w, struct packet *at)
{
	struct packet p = *at;

	w->n_packets--;
	memmove(at, at + 1, (size_t)(w->packets + w->n_packets - at) * sizeof(*at));
	ike_core_datagram(w->host[p.to].core, &p.path, p.data, p.len, w->now);
	free(p.data);
}

static bool flush_agents(struct world *w)
{
	bool any = false;

	for (int i = 0; i < HOSTS; i++) {
		struct host *h = &w->host[i];

		while (h->n_queue) {
			struct agent_msg *m = h->queue[0];

			memmove(h->queue, h->queue + 1, --h->n_queue * sizeof(h->queue[0]));
			assert_int_equal(ike_core_request(h->core, m->type, m->fixed, m->tail,
						 m->tail_len, w->now),
				0);
			free(m);
			any = true;
		}
	}
	return any;
}

/* What either sends, on its newest SA, the other can take in; nobody is without one. */
static void check_flow(const struct world *w)
{
	for (int i = 0; i < HOSTS; i++) {
		const struct kernel_sa *out = host_newest_out(&w->host[i]);
		const struct host *to = &w->host[!i];
		bool taken = false;

		if (!out)
			fail_msg("host %d has nothing to send by", i);
		for (size_t j = 0; j < CHILDREN_MAX; j++) {
			const struct kernel_sa *in = &to->kernel[j];

			taken = taken || (in->inbound && in->child.spi_in == out->child.spi_out &&
						 (in->used || (!w->strict && in->gone_at + GRACE > w->now)));
		}
		if (!taken)
			fail_msg("host %d sends on %08x, the other has not got it", i,
				out->child.spi_out);
	}
}

static void run(struct world *w, uint64_t duration, bool until_up)
{
	uint64_t end = w->now + duration;

	for (;;) {
		uint64_t next = UINT64_MAX;
		struct packet *p;

		while (flush_agents(w))
			;
		for (int i = 0; i < HOSTS; i++) {
			uint64_t due = ike_core_timers(w->host[i].core, w->now);

			assert_true(due > w->now);
			if (due < next)
				next = due;
		}
		w->flows =
			w->flows || (host_newest_out(&w->host[A]) && host_newest_out(&w->host[B]));
		if (w->flowing && w->flows)
			check_flow(w);
		if (w->host[A].n_queue || w->host[B].n_queue)
			continue;
		if (until_up && w->host[A].ups && w->host[B].ups)
			return;
		p = first_packet(w);
		if (p && p->due < next)
			next = p->due;
		if (next > end)
			break;
		if (next > w->now)
			w->now = next;
		if (p && p->due <= w->now)
			deliver(w, p);
	}
	w->now = end;
}

void world_run(struct world *w, uint64_t duration)
{
	run(w, duration, false);
}

void world_run_up(struct world *w, uint64_t duration)
{
	run(w, duration, true);
}

/* ---- looking into messages */

struct ike_sa *world_sender(struct world *w, const struct packet *p)
{
	size_t marker = p->path.local_port == IKE_PORT_NATT ? 4 : 0;
	struct ike_core *core = w->host[!p->to].core;
	struct ike_header h;
	uint64_t spi;

	assert_int_equal(ike_header_parse(p->data + marker, p->len - marker, &h), IKE_PARSE_OK);
	spi = h.flags & IKE_FLAG_INITIATOR ? h.spi_i : h.spi_r;
	return core_find_sa(core, spi);
}

struct ike_sa *world_only_sa(const struct host *h)
{
	size_t at = 0;

	assert_int_equal(table_count(&h->core->by_spi), 1);
	return table_next(&h->core->by_spi, &at);
}

struct ike_sa *world_main_sa(const struct host *h)
{
	size_t at = 0;

	return table_next(&h->core->by_handle, &at);
}

void world_edit(struct world *w, struct packet *p, edit_fn edit, void *arg)
{
	struct ike_sa *sa = world_sender(w, p);
	const struct ike_aead *key = sa->initiator ? &sa->ei : &sa->er;
	uint8_t *plain = malloc(p->len), *out = malloc(IKE_DATAGRAM_MAX);
	struct ike_payloads outer;
	struct ike_bytes chain;
	struct ike_builder b;
	struct ike_header h;
	struct wire_reader r;
	uint8_t type;

	assert_int_not_equal(p->path.local_port, IKE_PORT_NATT);
	memcpy(plain, p->data, p->len);
	assert_int_equal(ike_header_parse(plain, p->len, &h), IKE_PARSE_OK);
	assert_int_equal(ike_payloads_parse(h.next, plain + IKE_HEADER_LEN, p->len - IKE_HEADER_LEN,
				 false, &outer),
		IKE_PARSE_OK);
	assert_int_equal(ike_sk_open(key, plain, p->len, &outer.sk, &chain), 0);
	b = ike_build(out, IKE_DATAGRAM_MAX, &h);
	ike_build_sk(&b, key->encr->iv_len);
	r = wire_reader(chain.p, chain.len);
	for (type = outer.sk_next; type != IKE_PL_NONE;) {
		uint8_t next = wire_u8(&r);
		struct ike_bytes body;

		wire_skip(&r, 1);
		body.len = wire_u16(&r) - 4u;
		body.p = wire_bytes(&r, body.len);
		assert_false(r.bad);
		edit(arg, type, body, &b);
		type = next;
	}
	edit(arg, IKE_PL_NONE, (struct ike_bytes){0}, &b);
	/* an IV that the core will not come to */
	assert_int_equal(ike_sk_seal(&b, key, UINT64_C(1) << 60 | w->sent, &p->len), 0);
	free(p->data);
	free(plain);
	p->data = realloc(out, p->len);
}

/* ---- worlds */

struct ike_config world_config(void)
{
	return (struct ike_config){.retransmit_ms = 500,
		.retransmits = 4,
		.init_timeout_ms = 5000,
		.half_open_max = 100,
		.cookie_above = 50,
		/* messages are counted, and are not to depend on what OpenSSL has */
		.post_quantum = IKE_PQ_OFF};
}

static void new_core(struct host *h)
{
	struct ike_effects fx = {
		.arg = h, .send = on_send, .event = on_event, .random = on_random, .wall = on_wall};
	struct ike_config c = world_config();

	h->core = ike_core_new(&fx);
	host_config(h, &c);
}

struct world *world_new(void)
{
	static const char *const addrs[HOSTS] = {"198.18.1.10", "198.18.2.20"};
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->now = 1000 * SEC;
	for (int i = 0; i < HOSTS; i++) {
		struct host *h = &w->host[i];

		h->w = w;
		h->index = i;
		h->random = 42 + (uint64_t)i;
		assert_int_equal(addr_parse(addrs[i], &h->addr), 0);
		h->secret = (uint8_t)(1 + 16 * i);
		new_core(h);
	}
	return w;
}

static void free_late(struct host *h)
{
	for (size_t i = 0; i < h->n_late; i++)
		free(h->late[i]);
	h->n_late = 0;
}

void host_reboot(struct host *h, bool same_secret)
{
	for (size_t i = 0; i < h->n_queue; i++)
		free(h->queue[i]);
	h->n_queue = 0;
	free_late(h);
	ike_core_free(h->core);
	memset(h->kernel, 0, sizeof(h->kernel));
	h->secret += !same_secret;
	new_core(h);
	host_own_keys(h);
}

void world_free(struct world *w)
{
	for (size_t i = 0; i < w->n_packets; i++)
		free(w->packets[i].data);
	for (int i = 0; i < HOSTS; i++) {
		for (size_t j = 0; j < w->host[i].n_queue; j++)
			free(w->host[i].queue[j]);
		free_late(&w->host[i]);
		ike_core_free(w->host[i].core);
	}
	free(w);
}

void world_keys(struct world *w, enum test_key a, enum test_key b)
{
	struct host *ha = &w->host[A], *hb = &w->host[B];

	ha->own[0] = hb->peer[0] = world_key(a);
	hb->own[0] = ha->peer[0] = world_key(b);
	ha->n_own = ha->n_peer = hb->n_own = hb->n_peer = 1;
	host_own_keys(ha);
	host_own_keys(hb);
}

struct world *world_ed25519(void)
{
	struct world *w = world_new();

	world_keys(w, KEY_ED25519, KEY_ED25519_B);
	return w;
}
