/* SPDX-License-Identifier: BSD-2-Clause */
/* One host: the real agent and IKE core, and the channels between them and the models. */
#include "tests/sim/sim.h"

#include <errno.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "ike/digsig.h"
#include "ike/sa.h"

#define TAIL(len) (((len) + 15) & ~(size_t)15)

EVP_PKEY *host_key(int which)
{
	static EVP_PKEY *keys[3];

	if (!keys[which])
		keys[which] = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	if (!keys[which])
		abort();
	return keys[which];
}

static size_t spki(EVP_PKEY *key, uint8_t ret[static IKE_SPKI_MAX])
{
	unsigned char *p = ret;
	int len = i2d_PUBKEY(key, NULL);

	if (len <= 0 || len > IKE_SPKI_MAX)
		abort();
	i2d_PUBKEY(key, &p);
	return (size_t)len;
}

struct pair host_pair(const struct host *h)
{
	return (struct pair){.local = h->addr, .remote = net_peer_addr(h->s, h->index)};
}

/* ---- services */

static void answer_dns(struct host *h, const struct dns_lookup *q)
{
	struct host *other = &h->s->host[!h->index];
	struct dns_answer a = {.id = q->id, .class = other->dns_class, .ttl = 300, .took_us = 100};
	struct dns_key key = {.algorithm = 4, .bits = 256, .gateway_type = 0, .precedence = 10};

	if (h->dns_fails) {
		a.class = DNS_FAILED;
		a.ttl = 1;
	}
	if (a.class == DNS_KEYS) {
		a.n_keys = 1;
		a.addr_matches = 1;
		key.spki_len = (uint16_t)spki(other->published, key.spki);
	}
	memcpy(a.name, q->name, sizeof(a.name));
	host_send(h, CH_AGENT_XFRM, DNS_EV_ANSWER, &a, sizeof(a), &key, a.n_keys * sizeof(key));
}

static void answer_late(struct sim *s, struct task *t)
{
	if (s->host[t->host].agent)
		answer_dns(&s->host[t->host], (const void *)t->data);
}

static void on_lookup(struct host *h, const struct dns_lookup *q)
{
	struct sim *s = h->s;
	struct task *t;

	if (h->dns_slow_us && !h->dns_ready_at)
		h->dns_ready_at = s->now + h->dns_slow_us;
	if (h->dns_ready_at <= s->now) {
		answer_dns(h, q);
		return;
	}
	t = sim_task(s, answer_late, sizeof(*q));
	t->host = h->index;
	memcpy(t->data, q, sizeof(*q));
	sim_at(s, t, h->dns_ready_at);
}

/* The signer's own checks are in test_signer.c; here it signs what it is given. */
static void sign(struct host *h, const struct ike_sign *s, const uint8_t *octets, size_t len)
{
	struct ike_signed done = {.handle = s->handle, .error = h->sign_error};
	uint8_t sig[IKE_SIG_MAX];
	size_t sig_len = sizeof(sig);
	int r = 0;

	if (!done.error && (s->scheme == IKE_SIGN_PSK || s->scheme == IKE_SIGN_PPK))
		r = hand_prove(h, s, (struct ike_bytes){octets, len}, sig, &sig_len);
	else if (!done.error)
		r = ike_digsig_sign(h->own, (enum ike_scheme)s->scheme,
			(struct ike_bytes){octets, len}, sig, &sig_len);
	if (r < 0)
		sim_fail(h->s, "host %c cannot sign", "AB"[h->index]);
	host_send(h, CH_IKE, IKE_REQ_SIGNED, &done, sizeof(done), sig, done.error ? 0 : sig_len);
}

/* ---- channels */

static void to_agent(
	struct host *h, const struct task *t, const uint8_t *tail, size_t tail_len)
{
	int r;

	if (t->type == IKE_EV_SIGN) {
		host_send(h, CH_SIGNER, t->type, t->data, t->fixed_len, tail, tail_len);
		return;
	}
	if (t->type == IKE_EV_READY || t->type == IKE_EV_STATS)
		return;
	r = oe_peers_event(h->agent, t->type, t->data, tail, tail_len, h->s->now);
	if (r < 0)
		sim_fail(h->s, "host %c: its agent refuses message %#x: %s", "AB"[h->index],
			t->type, strerror(-r));
}

static void to_ike(struct host *h, const struct task *t, const uint8_t *tail, size_t tail_len)
{
	int r;

	if (!h->ike)
		return;
	r = ike_core_request(h->ike, t->type, t->data, tail, tail_len, h->s->now);
	if (r < 0)
		sim_fail(h->s, "host %c: its IKE core refuses message %#x: %s", "AB"[h->index],
			t->type, strerror(-r));
	h->ike_due = ike_core_timers(h->ike, h->s->now);
}

static void deliver(struct sim *s, struct task *t)
{
	struct host *h = &s->host[t->host];
	const uint8_t *tail = t->data + TAIL(t->fixed_len);
	size_t tail_len = t->len > TAIL(t->fixed_len) ? t->len - TAIL(t->fixed_len) : 0;

	if (!h->agent || t->generation != h->channel[t->channel].generation)
		return;
	trace_message(s, t->host, (enum channel)t->channel, t->type, t->data);
	switch ((enum channel)t->channel) {
	case CH_IKE:
		to_ike(h, t, tail, tail_len);
		break;
	case CH_XFRM:
		kernel_request(h, t->type, t->data, tail, tail_len);
		break;
	case CH_DNS:
		if (t->type == DNS_REQ_LOOKUP)
			on_lookup(h, (const void *)t->data);
		break;
	case CH_SIGNER:
		sign(h, (const void *)t->data, tail, tail_len);
		break;
	case CH_AGENT_IKE:
	case CH_AGENT_XFRM:
		to_agent(h, t, tail, tail_len);
		break;
	case CHANNELS:
		break;
	}
	if (h->agent)
		h->agent_due = oe_peers_timers(h->agent, s->now);
}

void host_send(struct host *h, enum channel channel, uint16_t type, const void *fixed,
	size_t fixed_len, const void *tail, size_t tail_len)
{
	struct channel_state *c = &h->channel[channel];
	struct sim *s = h->s;
	struct task *t = sim_task(s, deliver, TAIL(fixed_len) + tail_len);
	uint64_t due = s->now + 20 + sim_random(s, 200) + sim_random(s, c->slow_us);

	t->host = h->index;
	t->channel = (uint8_t)channel;
	t->type = type;
	t->generation = c->generation;
	t->fixed_len = fixed_len;
	memcpy(t->data, fixed, fixed_len);
	if (tail_len)
		memcpy(t->data + TAIL(fixed_len), tail, tail_len);
	if (due <= c->last)
		due = c->last + 1;
	c->last = due;
	sim_at(s, t, due);
}

static void agent_sends(void *arg, enum oe_service to, uint16_t type, const void *fixed,
	size_t fixed_len, const void *tail, size_t tail_len)
{
	static const enum channel channels[OE_N_SERVICES] = {
		[OE_XFRM] = CH_XFRM,
		[OE_RESOLVER] = CH_DNS,
		[OE_IKE] = CH_IKE,
		[OE_SIGNER] = CH_SIGNER,
	};

	host_send(arg, channels[to], type, fixed, fixed_len, tail, tail_len);
}

static void on_end(struct host *h, const struct ike_failed *f)
{
	/* what the other side does not know yet, it may still send by */
	if (f->code != IKE_FAIL_CLOSED && f->code != IKE_FAIL_DELETED &&
		f->code != IKE_FAIL_REPLACED)
		sim_excuse(h->s, 60 * SEC);
}

static void ike_says(void *arg, uint16_t type, const void *fixed, size_t fixed_len,
	const void *tail, size_t tail_len)
{
	struct host *h = arg;

	switch (type) {
	case IKE_EV_UP:
		h->handshakes++;
		h->s->stats.handshakes++;
		hand_up(h, ((const struct ike_up *)fixed)->handle);
		break;
	case IKE_EV_NOTE:
		hand_noted(h, fixed);
		break;
	case IKE_EV_REKEYED:
		h->s->stats.rekeyed++;
		break;
	case IKE_EV_CHILD_OUT:
		hand_child_out(h, ((const struct ike_child *)fixed)->handle);
		break;
	case IKE_EV_CHILD_IN:
		h->s->stats.children += ((const struct ike_child *)fixed)->replaces != 0;
		break;
	case IKE_EV_CHILD_GONE:
		kernel_note_gone(h, ((const struct ike_child_gone *)fixed)->spi_in);
		break;
	case IKE_EV_FAILED:
		h->s->stats.failed++;
		on_end(h, fixed);
		break;
	case IKE_EV_DOWN:
		h->s->stats.downs++;
		kernel_note_ended(h);
		on_end(h, fixed);
		break;
	default:
		break;
	}
	host_send(h, CH_AGENT_IKE, type, fixed, fixed_len, tail, tail_len);
}

static void ike_random(void *arg, void *buf, size_t len)
{
	struct host *h = arg;
	uint8_t *p = buf;

	for (size_t i = 0; i < len; i++) {
		uint64_t z = h->random += UINT64_C(0x9e3779b97f4a7c15);

		z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
		p[i] = (uint8_t)(z ^ z >> 31);
	}
}

void host_datagram(struct host *h, const struct ike_path *path, uint8_t *data, size_t len)
{
	if (!h->ike)
		return;
	ike_core_datagram(h->ike, path, data, len, h->s->now);
	h->ike_due = ike_core_timers(h->ike, h->s->now);
}

void host_timers(struct host *h)
{
	if (h->agent && h->agent_due <= h->s->now)
		h->agent_due = oe_peers_timers(h->agent, h->s->now);
	if (h->ike && h->ike_due <= h->s->now)
		h->ike_due = ike_core_timers(h->ike, h->s->now);
}

/* ---- life */

static void tear_down(struct host *h, enum channel channel)
{
	h->channel[channel].generation++;
}

void host_own_keys(struct host *h)
{
	struct ike_own_keys own = {.count = h->own != NULL};
	struct ike_pubkey key = {0};

	if (!h->ike)
		return;
	if (h->remembers)
		memset(own.qcd_secret, 'A' + h->index, sizeof(own.qcd_secret));
	if (h->own)
		key.len = (uint16_t)spki(h->own, key.spki);
	host_send(h, CH_IKE, IKE_REQ_OWN_KEYS, &own, sizeof(own), &key, own.count * sizeof(key));
}

static void configure_ike(struct host *h)
{
	const struct conf *c = &h->conf;
	struct ike_config config = {.retransmit_ms = c->ike_retransmit_ms,
		.retransmits = c->ike_retransmits,
		.init_timeout_ms = c->ike_init_timeout_ms,
		.half_open_max = c->ike_half_open_max,
		.cookie_above = c->ike_cookie_above,
		.liveness_s = c->ike_liveness_s,
		.rekey_s = c->ike_lifetime_s};

	memcpy(config.id_fqdn, c->ike_identity, sizeof(config.id_fqdn));
	host_send(h, CH_IKE, IKE_REQ_CONFIG, &config, sizeof(config), NULL, 0);
	host_own_keys(h);
}

/* Whatever OpenSSL has: by a classical group, which RFC 9370 allows. */
static const struct ike_profile *profile_of(const struct host *h)
{
	static const struct ike_ke *addke[2];
	static struct ike_profile mixed;

	addke[0] = ike_ke_find(IKE_KE_ECP_256);
	mixed = ike_profile_default;
	mixed.addke = addke;
	return h->mixes ? &mixed : &ike_profile_default;
}

void host_ike_starts(struct host *h)
{
	struct ike_effects fx = {
		.arg = h, .send = net_send, .event = ike_says, .random = ike_random};

	if (h->ike || !h->agent)
		return;
	h->ike = ike_core_new(&fx);
	h->ike->profile = profile_of(h);
	h->ike_due = h->s->now;
	configure_ike(h);
	oe_peers_service(h->agent, OE_IKE, true, h->s->now);
	h->agent_due = oe_peers_timers(h->agent, h->s->now);
}

void host_ike_dies(struct host *h)
{
	if (!h->ike)
		return;
	ike_core_free(h->ike);
	h->ike = NULL;
	memset(h->with_ppk, 0, sizeof(h->with_ppk)); /* handles begin anew */
	h->ike_due = UINT64_MAX;
	tear_down(h, CH_IKE);
	tear_down(h, CH_AGENT_IKE);
	tear_down(h, CH_SIGNER);
	if (!h->agent)
		return;
	oe_peers_service(h->agent, OE_IKE, false, h->s->now);
	h->agent_due = oe_peers_timers(h->agent, h->s->now);
}

void host_start(struct host *h)
{
	struct oe_effects fx = {.arg = h, .send = agent_sends};

	h->agent = oe_peers_new(&fx, &h->conf, h->policy);
	oe_peers_own_key(h->agent, h->own != NULL);
	hand_load(h);
	for (int i = 0; i < OE_N_SERVICES; i++)
		if (i != OE_IKE)
			oe_peers_service(h->agent, (enum oe_service)i, true, h->s->now);
	kernel_adopted(h);
	host_ike_starts(h);
}

void host_stop(struct host *h)
{
	oe_peers_free(h->agent);
	h->agent = NULL;
	h->agent_due = UINT64_MAX;
	host_ike_dies(h);
	for (int i = 0; i < CHANNELS; i++)
		tear_down(h, (enum channel)i);
}
