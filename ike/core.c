/* SPDX-License-Identifier: BSD-2-Clause */
/* The tables of all SAs: what comes in finds its SA here. */
#include "ike/core.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "ike/names.h"
#include "ike/exchange.h"

#define COOKIE_SECRET_LIFE (60 * SECOND)
#define STATS_EVERY (2 * SECOND)
/* An SA that nobody uses is probed too, but after so many times `liveness_s` only: what is kept of a
 * dead peer does no harm, but it is not to be kept for ever. */
#define QUIET_MAX 8

/* ---- tables: where the objects have their keys */

static const void *key_spi(const void *object)
{
	const struct ike_sa *sa = object;

	return sa->initiator ? &sa->spi_i : &sa->spi_r;
}

static const void *key_handle(const void *object)
{
	return &((const struct ike_sa *)object)->handle;
}

static const void *key_init(const void *object)
{
	return &((const struct handshake *)object)->init_key;
}

static const void *key_pair(const void *object)
{
	return &((const struct ike_peer *)object)->pair;
}

static const void *key_child(const void *object)
{
	return &((const struct child *)object)->spi_in;
}

static void init_tables(struct ike_core *core)
{
	const uint64_t *seed = core->fx.seed;

	table_init(&core->by_spi, key_spi, sizeof(uint64_t), seed);
	table_init(&core->by_handle, key_handle, sizeof(uint32_t), seed);
	table_init(&core->by_init, key_init, sizeof(struct init_key), seed);
	table_init(&core->by_pair, key_pair, PAIR_HOSTS_LEN, seed);
	table_init(&core->children, key_child, sizeof(uint32_t), seed);
}

static void free_tables(struct ike_core *core)
{
	table_free(&core->by_spi);
	table_free(&core->by_handle);
	table_free(&core->by_init);
	table_free(&core->by_pair);
	table_free(&core->children);
}

/* ---- */

struct ike_core *ike_core_new(const struct ike_effects *effects)
{
	struct ike_core *core = ike_alloc(sizeof(*core));

	core->fx = *effects;
	core->own_profile = ike_profile_default;
	core->profile = &core->own_profile;
	core->hashes = IKE_HASHES_ALL;
	core->config = (struct ike_config){.retransmit_ms = 500,
		.retransmits = 6,
		.init_timeout_ms = 5000,
		.half_open_max = 1000,
		.cookie_above = 100};
	core->next_handle = IKE_HANDLE_INBOUND;
	core->fx.random(core->fx.arg, core->cookie_secret, sizeof(core->cookie_secret));
	core->cookie_rotate = COOKIE_SECRET_LIFE;
	core->stats_due = NEVER;
	init_tables(core);
	return core;
}

/* Frees what ended during the call that the core is about to return from. */
static void reap(struct ike_core *core)
{
	while (core->gone) {
		struct ike_sa *sa = core->gone;

		core->gone = sa->peer_next;
		sa_free(sa);
	}
}

void ike_core_free(struct ike_core *core)
{
	struct ike_sa *sa;
	size_t at = 0;

	if (!core)
		return;
	while ((sa = table_next(&core->by_spi, &at)))
		sa_set_state(sa, SA_GONE);
	reap(core);
	free_tables(core);
	heap_free(&core->timers);
	OPENSSL_cleanse(core, sizeof(*core));
	free(core);
}

bool core_is_empty(const struct ike_core *core)
{
	return !table_count(&core->by_spi) && !table_count(&core->by_handle) &&
	       !table_count(&core->by_init) && !table_count(&core->by_pair) &&
	       !table_count(&core->children) && !core->timers.count && !core->gone;
}

/* ---- effects */

void core_stats_changed(struct ike_core *core)
{
	if (core->stats_due == NEVER)
		core->stats_due = core->now + STATS_EVERY;
}

void core_count(struct ike_core *core, unsigned int stat)
{
	core->stats.count[stat]++;
	core_stats_changed(core);
}

void core_event(struct ike_core *core, uint16_t type, const void *fixed, size_t fixed_len,
	const void *tail, size_t tail_len)
{
	core->fx.event(core->fx.arg, type, fixed, fixed_len, tail, tail_len);
}

uint32_t core_random(struct ike_core *core, uint32_t n)
{
	uint32_t v;

	core->fx.random(core->fx.arg, &v, sizeof(v));
	return n ? v % n : 0;
}

int core_send(struct ike_core *core, const struct ike_path *path, struct ike_bytes message)
{
	size_t marker = path->local_port == IKE_PORT_NATT ? 4 : 0;
	int r;

	if (message.len > sizeof(core->packet) - 4 - marker)
		return -EMSGSIZE;
	memset(core->packet, 0, marker);
	memcpy(core->packet + marker, message.p, message.len);
	r = core->fx.send(core->fx.arg, path, core->packet, marker + message.len);
	if (r < 0)
		core_count(core, IKE_STAT_NOT_SENT);
	return r;
}

struct ike_peer *core_peer(const struct ike_core *core, const struct pair *pair)
{
	return table_find(&core->by_pair, pair);
}

/* ---- datagrams */

static void drop(struct ike_core *core, const struct ike_path *path, unsigned int stat)
{
	core_count(core, stat);
	log_debug("%s port %u: dropped: %s", addr_str(&path->pair.remote), path->remote_port,
		ike_stats_name(stat));
}

struct ike_sa *core_find_sa(const struct ike_core *core, uint64_t spi)
{
	return table_find(&core->by_spi, &spi);
}

/* The SA that a message is for, by the SPI of our choice and the role that its flags claim. */
static struct ike_sa *find_receiver(
	struct ike_core *core, const struct ike_path *path, const struct ike_header *h)
{
	bool from_initiator = h->flags & IKE_FLAG_INITIATOR;
	bool first = h->exchange == IKE_EXCH_SA_INIT;
	struct ike_sa *sa = core_find_sa(core, from_initiator ? h->spi_r : h->spi_i);

	/* the response to IKE_SA_INIT brings the peer's SPI, or none with an error */
	if (!sa || sa->initiator == from_initiator ||
		(!first && (h->spi_i != sa->spi_i || h->spi_r != sa->spi_r))) {
		drop(core, path, IKE_STAT_UNKNOWN_SPI);
		return NULL;
	}
	if (!pair_same_hosts(&path->pair, &sa->peer->pair) &&
		!((h->next == IKE_PL_SK || h->next == IKE_PL_SKF) &&
			sa_may_follow(sa, &path->pair))) {
		drop(core, path, IKE_STAT_OTHER_ADDRESS);
		return NULL;
	}
	return sa;
}

static void on_message(
	struct ike_core *core, const struct ike_path *path, uint8_t *data, size_t len)
{
	struct ike_header h;
	enum ike_parse cause = ike_header_parse(data, len, &h);
	bool response, first;
	struct ike_sa *sa;

	if (cause != IKE_PARSE_OK) {
		drop(core, path, cause);
		/* RFC 7296 2.5: a higher major version is told ours */
		if (cause == IKE_PARSE_VERSION && h.version >> 4 > 2 &&
			!(h.flags & IKE_FLAG_RESPONSE) && cookie_spare(core))
			cookie_answer(core, path, &h, IKE_N_INVALID_MAJOR_VERSION, NULL, 0);
		return;
	}
	response = h.flags & IKE_FLAG_RESPONSE;
	first = h.exchange == IKE_EXCH_SA_INIT;
	if (first && !response) {
		if (!(h.flags & IKE_FLAG_INITIATOR) || h.spi_r || h.msgid)
			drop(core, path, IKE_STAT_EXCHANGE);
		else
			init_on_request(core, path, &h, data, len);
		return;
	}
	if (crash_is_hint(&h)) {
		crash_on_hint(core, path, &h, data, len);
		return;
	}
	sa = find_receiver(core, path, &h);
	if (!sa) {
		if (!response)
			crash_on_unknown(core, path, &h);
		return;
	}
	if (!first && response && h.next == IKE_PL_NOTIFY) {
		crash_on_answer(sa, &h, data, len);
		return;
	}
	if (first)
		init_on_response(sa, path, &h, data, len);
	else
		exchange_on_message(sa, path, &h, data, len);
}

void ike_core_datagram(
	struct ike_core *core, const struct ike_path *path, uint8_t *data, size_t len, uint64_t now)
{
	static const uint8_t marker[4];

	core->now = now;
	core_count(core, IKE_STAT_RECEIVED);
	if (path->local_port == IKE_PORT_NATT) {
		if (len == 1 && data[0] == 0xff) {
			core_count(core, IKE_STAT_KEEPALIVE);
			return;
		}
		if (len < sizeof(marker) || memcmp(data, marker, sizeof(marker))) {
			drop(core, path, IKE_STAT_MARKER);
			return;
		}
		data += sizeof(marker);
		len -= sizeof(marker);
	}
	on_message(core, path, data, len);
	reap(core);
}

void ike_core_icmp_refused(struct ike_core *core, const struct pair *pair, uint64_t now)
{
	struct ike_peer *peer = core_peer(core, pair);
	struct ike_sa *sa;

	core->now = now;
	core_count(core, IKE_STAT_ERRORS);
	if (!peer)
		return;
	DL_FOREACH2(peer->sas, sa, peer_next)
	{
		init_doubt(sa, IKE_FAIL_REFUSED, 0,
			"the peer's host refused UDP port %u: no IKE there", sa->remote_port);
	}
	reap(core);
}

/* ---- the agent */

static struct ike_sa *find_handle(const struct ike_core *core, uint32_t handle)
{
	return table_find(&core->by_handle, &handle);
}

static bool config_valid(const struct ike_config *c)
{
	static const char chars[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
	size_t len = strnlen(c->id_fqdn, sizeof(c->id_fqdn));

	return c->retransmit_ms >= 10 && c->retransmit_ms <= 60000 && c->retransmits >= 1 &&
	       c->retransmits <= 30 && c->init_timeout_ms >= 10 && c->init_timeout_ms <= 600000 &&
	       c->half_open_max <= 1000000 && c->liveness_s <= 86400 && c->rekey_s <= 31 * 86400 &&
	       c->post_quantum <= IKE_PQ_OFF && len < sizeof(c->id_fqdn) &&
	       strspn(c->id_fqdn, chars) == len;
}

static bool keys_valid(const uint8_t *tail, size_t tail_len, uint32_t n, uint32_t max)
{
	if (n > max || tail_len < n * sizeof(struct ike_pubkey))
		return false;
	for (uint32_t i = 0; i < n; i++) {
		struct ike_pubkey key;

		memcpy(&key, tail + i * sizeof(key), sizeof(key));
		if (!key.len || key.len > sizeof(key.spki))
			return false;
	}
	return true;
}

static bool id_valid(uint8_t type, uint16_t len)
{
	return len <= IKE_ID_MAX && (type ? len > 0 : !len);
}

static bool terms_valid(const struct ike_terms *t)
{
	return t->n_cas <= IKE_CAS_MAX && t->n_own <= IKE_CHAIN_MAX && (t->n_cas || !t->n_own) &&
	       memchr(t->psk, 0, sizeof(t->psk)) && memchr(t->ppk, 0, sizeof(t->ppk)) &&
	       t->ppk_required <= 1 && t->ppk_id_len <= IKE_PPK_ID_MAX &&
	       (*t->ppk ? t->ppk_id_len > 0 : !t->ppk_id_len) &&
	       id_valid(t->self_type, t->self_len) && id_valid(t->peer_type, t->peer_len);
}

#define ALLOW_ALL ((uint32_t)(IKE_ALLOW_ANONYMOUS_PEER | IKE_ALLOW_ANONYMOUS_SELF))

/* What CONNECT and AUTHORIZE have in common. */
static bool proofs_valid(const struct ike_terms *t, uint32_t allow, uint32_t n_keys,
	const uint8_t *tail, size_t tail_len)
{
	size_t keys = n_keys * sizeof(struct ike_pubkey);

	return !(allow & ~ALLOW_ALL) && terms_valid(t) &&
	       keys_valid(tail, tail_len, n_keys, IKE_KEYS_MAX) &&
	       x509_valid(t, keys ? tail + keys : tail, tail_len - keys);
}

static void set_proofs(struct ike_sa *sa, const struct ike_terms *t, uint32_t allow,
	uint32_t n_keys, const uint8_t *tail, size_t tail_len)
{
	size_t keys = n_keys * sizeof(struct ike_pubkey);

	sa->hs->allow = allow;
	sa->hs->terms = *t;
	sa_keys_set(sa->hs, tail, n_keys);
	blob_free(&sa->hs->certs);
	sa->hs->certs = blob_copy(keys ? tail + keys : tail, tail_len - keys);
}

static int on_own_keys(
	struct ike_core *core, const struct ike_own_keys *own, const uint8_t *tail, size_t tail_len)
{
	static const uint8_t none[IKE_QCD_SECRET_LEN];

	if (!keys_valid(tail, tail_len, own->count, SIGNER_KEYS_MAX) ||
		tail_len != own->count * sizeof(struct ike_pubkey))
		return -EBADMSG;
	core->n_own_keys = own->count;
	memcpy(core->qcd_secret, own->qcd_secret, sizeof(core->qcd_secret));
	core->has_qcd_secret = CRYPTO_memcmp(own->qcd_secret, none, sizeof(none)) != 0;
	for (uint32_t i = 0; i < own->count; i++) {
		struct own_key *k = &core->own_keys[i];
		struct ike_pubkey key;

		memcpy(&key, tail + i * sizeof(key), sizeof(key));
		k->standby = own->standby >> i & 1;
		k->usable = ike_spki_type(key.spki, key.len, &k->type) == 0;
		SHA256(key.spki, key.len, k->digest);
	}
	return 0;
}

static bool packet_valid(const struct scope *packet, const struct scope *of)
{
	return packet->proto ? scope_covers(of, packet) : !packet->sport && !packet->dport;
}

static int on_connect(
	struct ike_core *core, const struct ike_connect *c, const uint8_t *tail, size_t tail_len)
{
	struct ike_path path = {
		.pair = pair_hosts(&c->pair), .local_port = IKE_PORT, .remote_port = IKE_PORT};
	struct ike_sa *sa;

	if (c->handle >= IKE_HANDLE_INBOUND || find_handle(core, c->handle) ||
		!pair_valid(&c->pair) || !packet_valid(&c->packet, &c->pair.scope) ||
		!proofs_valid(&c->terms, c->allow, c->n_keys, tail, tail_len))
		return -EBADMSG;
	sa = sa_new(core, &path, c->handle, true);
	sa->scope = c->pair.scope;
	sa->hs->packet = c->packet;
	set_proofs(sa, &c->terms, c->allow, c->n_keys, tail, tail_len);
	init_start(sa);
	return 0;
}

static int on_authorize(
	struct ike_core *core, const struct ike_authorize *a, const uint8_t *tail, size_t tail_len)
{
	struct ike_sa *sa = find_handle(core, a->handle);

	if (!proofs_valid(&a->terms, a->allow, a->n_keys, tail, tail_len) || a->no_scope > 1 ||
		(!a->scope.proto && (a->scope.sport || a->scope.dport)))
		return -EBADMSG;
	if (!sa || sa->state != SA_R_AUTHORIZE)
		return 0;
	sa->scope = a->scope;
	sa->hs->no_scope = a->no_scope;
	set_proofs(sa, &a->terms, a->allow, a->n_keys, tail, tail_len);
	auth_authorize(sa);
	return 0;
}

static int on_accept(
	struct ike_core *core, const struct ike_accept *a, const uint8_t *tail, size_t tail_len)
{
	struct ike_sa *sa = find_handle(core, a->handle);

	if (a->answer > 1 || a->ppk > 1 || a->n_cas > IKE_CAS_MAX ||
		tail_len != a->n_cas * (size_t)IKE_CA_HASH_LEN)
		return -EBADMSG;
	if (!sa || sa->state != SA_R_ACCEPT)
		return 0;
	if (a->answer)
		init_accept(sa, (struct ike_bytes){tail, tail_len}, a->ppk);
	else
		sa_set_state(sa, SA_GONE);
	return 0;
}

static int on_signed(
	struct ike_core *core, const struct ike_signed *s, const uint8_t *tail, size_t tail_len)
{
	struct ike_sa *sa = find_handle(core, s->handle);

	if (s->error > 0 || tail_len > IKE_SIG_MAX || (s->error == 0) != (tail_len > 0))
		return -EBADMSG;
	if (sa)
		auth_signed(sa, s->error, tail, tail_len);
	return 0;
}

static int on_installed(struct ike_core *core, const struct ike_installed *i)
{
	struct ike_sa *sa = find_handle(core, i->handle);

	if (i->error > 0)
		return -EBADMSG;
	if (sa)
		auth_installed(sa, i->spi, i->error);
	return 0;
}

static int on_close(struct ike_core *core, const struct ike_close *c)
{
	struct ike_sa *sa = find_handle(core, c->handle);
	bool known; /* the peer may have an SA that it should be told about */

	if (c->silent > 1)
		return -EBADMSG;
	if (!sa)
		return 0;
	known = sa->state == SA_UP || sa->state == SA_I_AUTH || sa->state == SA_I_VERIFY ||
		sa->state == SA_I_INSTALL;
	sa_end(sa, IKE_FAIL_CLOSED, 0, known && !c->silent ? FAREWELL_DELETE : FAREWELL_NONE,
		"closed as asked");
	return 0;
}

static int on_probe(struct ike_core *core, const struct ike_probe *p)
{
	struct ike_sa *sa = find_handle(core, p->handle);

	if (sa && sa->state == SA_UP) {
		sa->want_probe = true;
		info_pump(sa);
	}
	return 0;
}

static int on_moved(struct ike_core *core, const struct ike_moved *m)
{
	struct ike_sa *sa = find_handle(core, m->handle);

	struct pair pair;

	if (!m->remote_port || (m->remote.family && !addr_valid(&m->remote)))
		return -EBADMSG;
	if (!sa || sa->state != SA_UP || !sa->nat_peer)
		return 0;
	pair = sa->peer->pair;
	if (m->remote.family)
		pair.remote = m->remote;
	if (!pair_same_hosts(&pair, &sa->peer->pair)) {
		if (!sa_may_follow(sa, &pair))
			return 0;
		sa_follow(sa, &pair);
	}
	sa->remote_port = m->remote_port;
	return 0;
}

static int on_rekey(struct ike_core *core, const struct ike_rekey *q)
{
	struct ike_sa *sa = find_handle(core, q->handle);
	struct child *child;

	if (!sa || sa->state != SA_UP)
		return 0;
	child = child_find_in(sa, q->spi);
	if (child)
		child->want_rekey = true;
	sa->want_rekey |= !q->spi;
	info_pump(sa);
	return 0;
}

static int on_used(struct ike_core *core, const struct ike_used *u)
{
	struct ike_sa *sa = find_handle(core, u->handle);
	struct child *child = sa ? child_find_in(sa, u->spi) : NULL;

	if (child && sa->state == SA_UP)
		create_used(sa, child);
	return 0;
}

/* The traffic of several is told as one: it does not show which of them lives. */
static bool is_alone(const struct ike_sa *sa)
{
	const struct ike_sa *other;

	DL_FOREACH2(sa->peer->sas, other, peer_next)
	{
		if (other != sa && scope_equal(&other->scope, &sa->scope) &&
			other->state == SA_UP && !other->ended)
			return false;
	}
	return true;
}

static int on_traffic(struct ike_core *core, const struct ike_traffic *t)
{
	struct ike_sa *sa = find_handle(core, t->handle);

	if (t->in > 1 || t->out > 1)
		return -EBADMSG;
	if (!sa || sa->state != SA_UP)
		return 0;
	if (t->in && is_alone(sa)) {
		sa->unused = false;
		sa->quiet = 0;
	} else if (t->in || t->out || ++sa->quiet >= QUIET_MAX) {
		sa->unused = !t->out;
		sa->quiet = 0;
		sa->want_probe = true;
		info_pump(sa);
	}
	return 0;
}

int ike_core_request(struct ike_core *core, uint16_t type, const void *fixed, const uint8_t *tail,
	size_t tail_len, uint64_t now)
{
	int r = -EBADMSG;

	core->now = now;
	switch ((enum ike_req)type) {
	case IKE_REQ_CONFIG:
		if (config_valid(fixed)) {
			memcpy(&core->config, fixed, sizeof(core->config));
			core->own_profile =
				ike_profile_make((enum ike_post_quantum)core->config.post_quantum);
			r = 0;
		}
		break;
	case IKE_REQ_OWN_KEYS:
		r = on_own_keys(core, fixed, tail, tail_len);
		break;
	case IKE_REQ_CONNECT:
		r = on_connect(core, fixed, tail, tail_len);
		break;
	case IKE_REQ_ACCEPT:
		r = on_accept(core, fixed, tail, tail_len);
		break;
	case IKE_REQ_AUTHORIZE:
		r = on_authorize(core, fixed, tail, tail_len);
		break;
	case IKE_REQ_SIGNED:
		r = on_signed(core, fixed, tail, tail_len);
		break;
	case IKE_REQ_INSTALLED:
		r = on_installed(core, fixed);
		break;
	case IKE_REQ_CLOSE:
		r = on_close(core, fixed);
		break;
	case IKE_REQ_PROBE:
		r = on_probe(core, fixed);
		break;
	case IKE_REQ_MOVED:
		r = on_moved(core, fixed);
		break;
	case IKE_REQ_INVALID_SPI:
		r = crash_on_invalid_spi(core, fixed) < 0 ? -EBADMSG : 0;
		break;
	case IKE_REQ_REKEY:
		r = on_rekey(core, fixed);
		break;
	case IKE_REQ_USED:
		r = on_used(core, fixed);
		break;
	case IKE_REQ_TRAFFIC:
		r = on_traffic(core, fixed);
		break;
	}
	reap(core);
	return r;
}

/* ---- time */

static void rotate_secret(struct ike_core *core)
{
	if (core->now < core->cookie_rotate)
		return;
	memcpy(core->cookie_secret[1], core->cookie_secret[0], sizeof(core->cookie_secret[0]));
	core->fx.random(core->fx.arg, core->cookie_secret[0], sizeof(core->cookie_secret[0]));
	core->cookie_rotate = core->now + COOKIE_SECRET_LIFE;
}

static void send_stats(struct ike_core *core)
{
	if (core->now < core->stats_due)
		return;
	core->stats_due = NEVER;
	core_event_struct(core, IKE_EV_STATS, &core->stats);
}

uint64_t ike_core_timers(struct ike_core *core, uint64_t now)
{
	const struct heap_node *first;

	core->now = now;
	rotate_secret(core);
	send_stats(core);
	while ((first = heap_first(&core->timers)) && first->due <= now) {
		struct ike_sa *sa =
			(struct ike_sa *)((uintptr_t)first - offsetof(struct ike_sa, timer));

		sa_on_timer(sa);
	}
	reap(core);
	first = heap_first(&core->timers);
	if (first && first->due < core->stats_due)
		return first->due;
	return core->stats_due;
}
