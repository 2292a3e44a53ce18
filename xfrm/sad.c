/* SPDX-License-Identifier: BSD-2-Clause */
#include "xfrm/sad.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <linux/udp.h>
#include <linux/xfrm.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/log.h"
#include "xfrm/spd.h"

#define uthash_fatal(text) out_of_memory()
static void out_of_memory(void)
{
	log_error("out of memory");
	abort();
}
#include <uthash.h>

/* Outbound SAs have a window too: the kernel wants one with ESN. */
#define WINDOW_MIN 32
#define SALT_LEN 4

static const struct cipher {
	uint8_t id;
	const char *kernel; /* crypto API name */
	uint16_t keys[2];   /* key lengths without the salt; 0 ends */
	uint16_t icv_bits;
	const char *hmac; /* of a cipher that is no AEAD */
	uint16_t behind;  /* what follows the key: the salt, or the HMAC's key */
} ciphers[] = {
	{XFRM_CIPHER_AES_GCM_16, "rfc4106(gcm(aes))", {32, 16}, 128, NULL, SALT_LEN},
	{XFRM_CIPHER_CHACHA20_POLY1305, "rfc7539esp(chacha20,poly1305)", {32, 0}, 128, NULL,
		SALT_LEN},
	/* RFC 4868 section 2.6; the kernel's own truncation of SHA-256 would be 96 bits */
	{XFRM_CIPHER_AES_CBC_SHA2_256, "cbc(aes)", {32, 16}, 128, "hmac(sha256)", 32},
	{XFRM_CIPHER_AES_CBC_SHA2_384, "cbc(aes)", {32, 16}, 192, "hmac(sha384)", 48},
	{XFRM_CIPHER_AES_CBC_SHA2_512, "cbc(aes)", {32, 16}, 256, "hmac(sha512)", 64},
};

struct sa {
	struct sa *next;
	struct scope scope;
	uint32_t spi;
	bool inbound;
	bool seen;        /* by sad_reconcile() */
	uint64_t packets; /* when sad_traffic() looked last */
};

struct sa_pair {
	struct pair pair; /* hosts only */
	struct sa *first;
	UT_hash_handle hh;
};

struct sad {
	struct sa_pair *pairs;
};

struct sad *sad_new(void)
{
	struct sad *sad = calloc(1, sizeof(*sad));

	if (!sad)
		out_of_memory();
	return sad;
}

static void pair_free(struct sad *sad, struct sa_pair *p)
{
	HASH_DEL(sad->pairs, p);
	free(p);
}

void sad_free(struct sad *sad)
{
	struct sa_pair *p, *next;

	if (!sad)
		return;
	HASH_ITER(hh, sad->pairs, p, next) {
		for (struct sa *sa = p->first, *n; sa; sa = n) {
			n = sa->next;
			free(sa);
		}
		pair_free(sad, p);
	}
	free(sad);
}

static const struct cipher *cipher_find(uint8_t id)
{
	for (size_t i = 0; i < sizeof(ciphers) / sizeof(ciphers[0]); i++)
		if (ciphers[i].id == id)
			return &ciphers[i];
	return NULL;
}

bool sad_key_fits(enum xfrm_cipher id, size_t key_len)
{
	const struct cipher *c = cipher_find((uint8_t)id);

	if (!c || key_len <= c->behind)
		return false;
	key_len -= c->behind;
	return key_len == c->keys[0] || (c->keys[1] && key_len == c->keys[1]);
}

/* ---- messages */

static void put_aead(struct nl *nl, const struct cipher *c, const uint8_t *key, size_t key_len)
{
	/* the key follows the fixed part */
	_Alignas(struct xfrm_algo_aead) uint8_t buf[sizeof(struct xfrm_algo_aead) + XFRM_KEY_MAX];
	struct xfrm_algo_aead algo = {
		.alg_key_len = 8 * (unsigned int)key_len,
		.alg_icv_len = c->icv_bits,
	};

	assert(key_len <= XFRM_KEY_MAX);
	snprintf(algo.alg_name, sizeof(algo.alg_name), "%s", c->kernel);
	memcpy(buf, &algo, sizeof(algo));
	memcpy(buf + sizeof(algo), key, key_len);
	nl_attr(nl, XFRMA_ALG_AEAD, buf, sizeof(algo) + key_len);
	OPENSSL_cleanse(buf, sizeof(buf));
}

/* Encryption, and an HMAC whose truncation is said (RFC 4868 section 2.3). */
static void put_cbc(struct nl *nl, const struct cipher *c, const uint8_t *key, size_t key_len)
{
	size_t crypt_len = key_len - c->behind;
	_Alignas(struct xfrm_algo_auth) uint8_t buf[sizeof(struct xfrm_algo_auth) + XFRM_KEY_MAX];
	struct xfrm_algo crypt = {.alg_key_len = 8 * (unsigned int)crypt_len};
	struct xfrm_algo_auth auth = {
		.alg_key_len = 8u * c->behind,
		.alg_trunc_len = c->icv_bits,
	};

	assert(key_len <= XFRM_KEY_MAX);
	snprintf(crypt.alg_name, sizeof(crypt.alg_name), "%s", c->kernel);
	snprintf(auth.alg_name, sizeof(auth.alg_name), "%s", c->hmac);
	memcpy(buf, &crypt, sizeof(crypt));
	memcpy(buf + sizeof(crypt), key, crypt_len);
	nl_attr(nl, XFRMA_ALG_CRYPT, buf, sizeof(crypt) + crypt_len);
	memcpy(buf, &auth, sizeof(auth));
	memcpy(buf + sizeof(auth), key + crypt_len, c->behind);
	nl_attr(nl, XFRMA_ALG_AUTH_TRUNC, buf, sizeof(auth) + c->behind);
	OPENSSL_cleanse(buf, sizeof(buf));
}

static void put_replay(struct nl *nl, uint32_t window)
{
	struct xfrm_replay_state_esn state = {
		.bmp_len = (window + 31) / 32,
		.replay_window = window,
	};
	uint8_t buf[sizeof(state) + XFRMA_REPLAY_ESN_MAX] = {0};

	assert(state.bmp_len * 4 <= XFRMA_REPLAY_ESN_MAX);
	memcpy(buf, &state, sizeof(state));
	nl_attr(nl, XFRMA_REPLAY_ESN_VAL, buf, sizeof(state) + state.bmp_len * 4);
}

static void keep_error(void *arg, int error)
{
	*(int *)arg = error;
}

/* What the SA carries: the kernel sends nothing else by it, and takes nothing else out of it. Outbound the
 * addresses too: where the kernel's hash has them in one chain with SAs of any source it takes one of
 * another local address (xfrm_state_find() of Linux 6.1 compares no more than the remote one there).
 * Inbound not: a peer behind a NAT may come by another. */
static void put_selector(struct xfrm_selector *sel, const struct pair *pair, bool inbound)
{
	struct scope s = inbound ? scope_swap(&pair->scope) : pair->scope;

	if (inbound && !s.proto)
		return;
	sel->family = pair->local.family;
	if (!inbound) {
		memcpy(&sel->saddr, pair->local.b, sizeof(sel->saddr));
		memcpy(&sel->daddr, pair->remote.b, sizeof(sel->daddr));
		sel->prefixlen_s = sel->prefixlen_d = (uint8_t)addr_bits(&pair->local);
	}
	sel->proto = s.proto;
	sel->sport = htons(s.sport);
	sel->sport_mask = s.sport ? UINT16_MAX : 0;
	sel->dport = htons(s.dport);
	sel->dport_mask = s.dport ? UINT16_MAX : 0;
}

void sad_put(struct nl *nl, const struct xfrm_sa *sa, bool inbound, const uint8_t *key,
	size_t key_len, int *ret_error)
{
	const struct addr *src = inbound ? &sa->pair.remote : &sa->pair.local;
	const struct addr *dst = inbound ? &sa->pair.local : &sa->pair.remote;
	uint32_t window = inbound ? sa->replay_window : 0;
	const struct cipher *cipher;
	struct xfrm_usersa_info info = {
		.id = {.spi = htonl(sa->spi), .proto = IPPROTO_ESP},
		.family = src->family,
		.mode = XFRM_MODE_TRANSPORT,
		.reqid = XFRM_REQID + spd_level(&sa->rule),
		.flags = sa->esn ? XFRM_STATE_ESN : 0,
		.lft =
			{
				.soft_byte_limit = XFRM_INF,
				.hard_byte_limit = XFRM_INF,
				/* the kernel compares before it counts: at the second packet */
				.soft_packet_limit = sa->tell_use ? 1 : XFRM_INF,
				.hard_packet_limit = XFRM_INF,
				.soft_add_expires_seconds = sa->soft_seconds,
				.hard_add_expires_seconds = sa->hard_seconds,
			},
	};
	bool wide;

	memcpy(&info.saddr, src->b, sizeof(info.saddr));
	memcpy(&info.id.daddr, dst->b, sizeof(info.id.daddr));
	put_selector(&info.sel, &sa->pair, inbound);
	if (sa->esn && window < WINDOW_MIN)
		window = WINDOW_MIN;
	/* the window stands in one place or the other, never in both */
	wide = sa->esn || window > 32;
	info.replay_window = wide ? 0 : (uint8_t)window;
	nl_begin(nl, XFRM_MSG_NEWSA, 0, &info, sizeof(info));
	cipher = cipher_find(sa->cipher);
	(cipher->hmac ? put_cbc : put_aead)(nl, cipher, key, key_len);
	if (wide)
		put_replay(nl, window);
	if (sa->encap_local) {
		struct xfrm_encap_tmpl encap = {
			.encap_type = UDP_ENCAP_ESPINUDP,
			.encap_sport = htons(inbound ? sa->encap_remote : sa->encap_local),
			.encap_dport = htons(inbound ? sa->encap_local : sa->encap_remote),
		};

		nl_attr(nl, XFRMA_ENCAP, &encap, sizeof(encap));
	}
	nl_end(nl, keep_error, ret_error);
}

static void ignore_error(void *arg, int error)
{
	(void)arg, (void)error;
}

static void put_delete(struct nl *nl, const struct addr *dst, uint32_t spi)
{
	struct xfrm_usersa_id id = {
		.spi = htonl(spi),
		.family = dst->family,
		.proto = IPPROTO_ESP,
	};

	memcpy(&id.daddr, dst->b, sizeof(id.daddr));
	nl_begin(nl, XFRM_MSG_DELSA, 0, &id, sizeof(id));
	/* it may have expired by itself */
	nl_end(nl, ignore_error, NULL);
}

void sad_put_delete(struct nl *nl, const struct pair *pair, uint32_t spi, bool inbound)
{
	put_delete(nl, inbound ? &pair->local : &pair->remote, spi);
}

void sad_put_delete_larval(struct nl *nl, const struct pair *pair, unsigned int level)
{
	struct xfrm_userspi_info info = {
		.info =
			{
				.id.proto = IPPROTO_ESP,
				.family = pair->local.family,
				.mode = XFRM_MODE_TRANSPORT,
				.reqid = XFRM_REQID + level,
			},
	};
	uint32_t spi;

	/* must not be that of an SA to the peer: a random one is not */
	while (getrandom(&spi, sizeof(spi), 0) != sizeof(spi))
		;
	spi |= 0x100;
	info.min = info.max = spi;
	memcpy(&info.info.saddr, pair->local.b, sizeof(info.info.saddr));
	memcpy(&info.info.id.daddr, pair->remote.b, sizeof(info.info.id.daddr));
	nl_begin(nl, XFRM_MSG_ALLOCSPI, 0, &info, sizeof(info));
	nl_end(nl, ignore_error, NULL);
	put_delete(nl, &pair->remote, spi);
}

/* ---- the book: by hosts, for a stray packet has no scope */

static struct sa_pair *find_hosts(const struct sad *sad, const struct pair *pair)
{
	struct sa_pair *p;

	HASH_FIND(hh, sad->pairs, pair, PAIR_HOSTS_LEN, p);
	return p;
}

/* The next SA of the pair from sa on. */
static struct sa *of_pair(struct sa *sa, const struct pair *pair)
{
	while (sa && !scope_equal(&sa->scope, &pair->scope))
		sa = sa->next;
	return sa;
}

static struct sa *first_of(const struct sad *sad, const struct pair *pair)
{
	struct sa_pair *p = find_hosts(sad, pair);

	return p ? of_pair(p->first, pair) : NULL;
}

void sad_added(struct sad *sad, const struct pair *pair, uint32_t spi, bool inbound)
{
	struct sa *sa = calloc(1, sizeof(*sa));
	struct sa_pair *p;

	if (!sa)
		out_of_memory();
	p = find_hosts(sad, pair);
	if (!p) {
		p = calloc(1, sizeof(*p));
		if (!p)
			out_of_memory();
		p->pair = pair_hosts(pair);
		HASH_ADD(hh, sad->pairs, pair, PAIR_HOSTS_LEN, p);
	}
	sa->scope = pair->scope;
	sa->spi = spi;
	sa->inbound = inbound;
	sa->next = p->first;
	p->first = sa;
}

void sad_gone(struct sad *sad, const struct pair *pair, uint32_t spi, bool inbound)
{
	struct sa_pair *p = find_hosts(sad, pair);
	struct sa **at;

	if (!p)
		return;
	for (at = &p->first; *at; at = &(*at)->next)
		if ((*at)->spi == spi && (*at)->inbound == inbound) {
			struct sa *gone = *at;

			*at = gone->next;
			free(gone);
			break;
		}
	if (!p->first)
		pair_free(sad, p);
}

bool sad_has_outbound(const struct sad *sad, const struct pair *pair)
{
	for (struct sa *sa = first_of(sad, pair); sa; sa = of_pair(sa->next, pair))
		if (!sa->inbound)
			return true;
	return false;
}

size_t sad_inbound(const struct sad *sad, uint32_t *ret, size_t max)
{
	size_t n = 0;

	for (const struct sa_pair *p = sad->pairs; p && n <= max; p = p->hh.next)
		for (const struct sa *sa = p->first; sa; sa = sa->next) {
			if (sa->inbound && n < max)
				ret[n] = sa->spi;
			n += sa->inbound;
		}
	return n;
}

bool sad_has_inbound(const struct sad *sad, const struct pair *pair, uint32_t spi)
{
	const struct sa_pair *p = find_hosts(sad, pair);

	for (const struct sa *sa = p ? p->first : NULL; sa; sa = sa->next)
		if (sa->inbound && sa->spi == spi)
			return true;
	return false;
}

struct encap {
	struct xfrm_usersa_info info;
	struct xfrm_encap_tmpl tmpl;
	bool found;
};

static bool read_encap(const struct nlmsghdr *nlh, struct xfrm_encap_tmpl *ret)
{
	const struct nlattr *attr;
	bool found = false;

	mnl_attr_for_each(attr, nlh, sizeof(struct xfrm_usersa_info))
		if (mnl_attr_get_type(attr) == XFRMA_ENCAP)
			found = nl_attr_copy(attr, ret, sizeof(*ret));
	return found;
}

static void on_encap(void *arg, const struct nlmsghdr *nlh)
{
	struct encap *e = arg;

	if (nlh->nlmsg_type == XFRM_MSG_NEWSA && nl_payload(nlh, &e->info, sizeof(e->info)))
		e->found = read_encap(nlh, &e->tmpl);
}

/* Of an SA that stands the kernel takes ports and lifetimes and nothing else, but it wants a whole
 * one: so the key here is any (xfrm_state_update() of Linux 6.1). */
static void put_update(struct nl *nl, struct encap *e, int *ret_error)
{
	const struct cipher *c = cipher_find(XFRM_CIPHER_AES_GCM_16);
	uint8_t key[16 + SALT_LEN] = {0};

	e->info.flags &= (uint8_t)~XFRM_STATE_ESN;
	e->info.replay_window = 0;
	nl_begin(nl, XFRM_MSG_UPDSA, 0, &e->info, sizeof(e->info));
	put_aead(nl, c, key, sizeof(key));
	nl_attr(nl, XFRMA_ENCAP, &e->tmpl, sizeof(e->tmpl));
	nl_end(nl, keep_error, ret_error);
}

int sad_move(const struct sad *sad, struct nl *nl, const struct pair *pair, uint16_t remote_port)
{
	int result = 0;

	for (struct sa *sa = first_of(sad, pair); sa; sa = of_pair(sa->next, pair)) {
		const struct addr *dst = sa->inbound ? &pair->local : &pair->remote;
		struct xfrm_usersa_id id = {
			.spi = htonl(sa->spi), .family = dst->family, .proto = IPPROTO_ESP};
		struct encap e = {.found = false};
		int error = 0, r;

		memcpy(&id.daddr, dst->b, sizeof(id.daddr));
		if (nl_query(nl, XFRM_MSG_GETSA, 0, &id, sizeof(id), on_encap, &e) < 0 || !e.found)
			continue;
		*(sa->inbound ? &e.tmpl.encap_sport : &e.tmpl.encap_dport) = htons(remote_port);
		put_update(nl, &e, &error);
		r = nl_flush(nl);
		if (!result)
			result = r ? r : error;
	}
	return result;
}

static void on_count(void *arg, const struct nlmsghdr *nlh)
{
	sad_parse_message(nlh, arg, NULL);
}

/* One SA as the kernel has it. Returns 0 or -errno. */
static int query(struct nl *nl, const struct pair *pair, const struct sa *sa, struct sad_state *ret)
{
	const struct addr *dst = sa->inbound ? &pair->local : &pair->remote;
	struct xfrm_usersa_id id = {
		.spi = htonl(sa->spi),
		.family = dst->family,
		.proto = IPPROTO_ESP,
	};

	*ret = (struct sad_state){0};
	memcpy(&id.daddr, dst->b, sizeof(id.daddr));
	return nl_query(nl, XFRM_MSG_GETSA, 0, &id, sizeof(id), on_count, ret);
}

void sad_traffic(
	struct sad *sad, struct nl *nl, const struct pair *pair, bool *ret_in, bool *ret_out)
{
	struct sad_state state;

	*ret_in = *ret_out = false;
	for (struct sa *sa = first_of(sad, pair); sa; sa = of_pair(sa->next, pair)) {
		if (query(nl, pair, sa, &state) < 0)
			continue;
		*(sa->inbound ? ret_in : ret_out) |= state.packets != sa->packets;
		sa->packets = state.packets;
	}
}

void sad_count(
	const struct sad *sad, struct nl *nl, const struct pair *pair, struct xfrm_counters *ret)
{
	struct sad_state state;

	for (struct sa *sa = first_of(sad, pair); sa; sa = of_pair(sa->next, pair)) {
		if (query(nl, pair, sa, &state) < 0)
			continue;
		if (sa->inbound) {
			ret->sas_in++;
			ret->in_packets += state.packets;
			ret->in_bytes += state.bytes;
		} else {
			ret->sas_out++;
			ret->out_packets += state.packets;
			ret->out_bytes += state.bytes;
		}
	}
}

/* ---- what the kernel says */

bool sad_is_ours(uint32_t reqid)
{
	return reqid - XFRM_REQID < SCOPE_LEVELS;
}

struct pair sad_pair(const struct sad_state *s, bool inbound)
{
	if (inbound)
		return (struct pair){
			.local = s->dst, .remote = s->src, .scope = scope_swap(&s->scope)};
	return (struct pair){.local = s->src, .remote = s->dst, .scope = s->scope};
}

bool sad_parse_message(const struct nlmsghdr *nlh, struct sad_state *ret, bool *ret_hard)
{
	/* an expiry begins with the state */
	struct xfrm_user_expire e = {0};
	const struct xfrm_usersa_info *info = &e.state;
	bool expiry = nlh->nlmsg_type == XFRM_MSG_EXPIRE;
	struct addr (*from)(const void *);

	if ((!expiry && nlh->nlmsg_type != XFRM_MSG_NEWSA) ||
		!nl_payload(nlh, &e, expiry ? sizeof(e) : sizeof(e.state)))
		return false;
	if (!sad_is_ours(info->reqid) || info->id.proto != IPPROTO_ESP ||
		info->mode != XFRM_MODE_TRANSPORT ||
		(info->family != AF_INET && info->family != AF_INET6))
		return false;
	from = info->family == AF_INET ? addr_from_v4 : addr_from_v6;
	*ret = (struct sad_state){
		.src = from(&info->saddr),
		.dst = from(&info->id.daddr),
		.spi = ntohl(info->id.spi),
		.level = info->reqid - XFRM_REQID,
		.scope = {.proto = info->sel.proto,
			.sport = ntohs(info->sel.sport),
			.dport = ntohs(info->sel.dport)},
		.packets = info->curlft.packets,
		.bytes = info->curlft.bytes,
	};
	if (ret_hard)
		*ret_hard = e.hard != 0;
	return true;
}

struct dump {
	sad_state_fn fn;
	void *arg;
};

static void on_state(void *arg, const struct nlmsghdr *nlh)
{
	struct dump *dump = arg;
	struct xfrm_encap_tmpl encap;
	struct sad_state state;

	if (!sad_parse_message(nlh, &state, NULL))
		return;
	if (read_encap(nlh, &encap)) {
		state.sport = ntohs(encap.encap_sport);
		state.dport = ntohs(encap.encap_dport);
	}
	dump->fn(dump->arg, &state);
}

int sad_dump(struct nl *nl, sad_state_fn fn, void *arg)
{
	struct dump dump = {.fn = fn, .arg = arg};

	/* a dump of SAs has no header, only attributes that narrow it (xfrm_dump_sa()) */
	return nl_query(nl, XFRM_MSG_GETSA, NLM_F_DUMP, NULL, 0, on_state, &dump);
}

static void on_seen(void *arg, const struct sad_state *s)
{
	struct sad *sad = arg;

	for (int inbound = 0; inbound < 2; inbound++) {
		struct pair pair = sad_pair(s, inbound);

		for (struct sa *sa = first_of(sad, &pair); sa; sa = of_pair(sa->next, &pair))
			sa->seen |= sa->spi == s->spi && sa->inbound == inbound;
	}
}

void sad_reconcile(struct sad *sad, struct nl *nl, sad_gone_fn fn, void *arg)
{
	struct sa_pair *p, *next;

	for (p = sad->pairs; p; p = p->hh.next)
		for (struct sa *sa = p->first; sa; sa = sa->next)
			sa->seen = false;
	if (sad_dump(nl, on_seen, sad) < 0)
		return;
	HASH_ITER(hh, sad->pairs, p, next) {
		struct pair pair = p->pair;

		for (struct sa *sa = p->first, *n; sa; sa = n) {
			uint32_t spi = sa->spi;
			bool inbound = sa->inbound;

			n = sa->next;
			pair.scope = sa->scope;
			if (sa->seen)
				continue;
			/* p goes with its last SA, and n is NULL then */
			sad_gone(sad, &pair, spi, inbound);
			fn(arg, &pair, spi, inbound);
		}
	}
}

/* ---- modules */

static int warm_up_one(struct nl *nl, const char *loopback, const struct cipher *c, size_t key_len)
{
	struct xfrm_sa sa = {.cipher = c->id, .esn = 1, .replay_window = WINDOW_MIN};
	uint8_t key[XFRM_KEY_MAX];
	int error = 0, r;

	if (addr_parse(loopback, &sa.pair.local) < 0 ||
		getrandom(key, sizeof(key), 0) != sizeof(key) ||
		getrandom(&sa.spi, sizeof(sa.spi), 0) != sizeof(sa.spi))
		return -EIO;
	sa.pair.remote = sa.pair.local;
	sa.spi |= 0x100;
	sad_put(nl, &sa, true, key, key_len + SALT_LEN, &error);
	put_delete(nl, &sa.pair.local, sa.spi);
	r = nl_flush(nl);
	OPENSSL_cleanse(key, sizeof(key));
	return r < 0 ? r : error;
}

int sad_warm_up(struct nl *nl)
{
	static const struct {
		const char *loopback;
		const char *module;
	} families[] = {{"127.0.0.1", "esp4"}, {"::1", "esp6"}};
	int result = 0;

	for (size_t f = 0; f < 2; f++) {
		size_t works = 0;

		for (size_t i = 0; i < sizeof(ciphers) / sizeof(ciphers[0]); i++)
			for (int k = 0; k < 2 && ciphers[i].keys[k]; k++) {
				/* no peer of our own kind asks for it: loaded by who does */
				if (ciphers[i].hmac)
					continue;

				int r = warm_up_one(
					nl, families[f].loopback, &ciphers[i], ciphers[i].keys[k]);

				if (r < 0 && k == 0)
					log_warn("the kernel has no ESP with %s for %s (%s): try "
						 "'modprobe -a %s %s'",
						ciphers[i].kernel, f ? "IPv6" : "IPv4",
						strerror(-r), families[f].module,
						ciphers[i].id == XFRM_CIPHER_AES_GCM_16
							? "gcm"
							: "chacha20poly1305");
				works += r == 0;
			}
		if (!works)
			result = -EPROTONOSUPPORT;
	}
	return result;
}
