/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/agent/peer_world.h"

#include <stdlib.h>
#include <string.h>

static void on_send(void *arg, enum oe_service to, uint16_t type, const void *fixed,
	size_t fixed_len, const void *tail, size_t tail_len)
{
	struct world *w = arg;
	struct sent *s = &w->sent[w->n % SENT_MAX];

	(void)to, (void)tail;
	s->type = type;
	s->tail_len = tail_len;
	memset(&s->m, 0, sizeof(s->m));
	assert_true(fixed_len <= sizeof(s->m));
	memcpy(&s->m, fixed, fixed_len);
	w->n++;
	if (w->watch_private && type == XFRM_REQ_DECIDE)
		assert_int_not_equal(s->m.decide.verdict, XFRM_VERDICT_CLEAR);
}

struct world *world(const char *group)
{
	struct world *w = calloc(1, sizeof(*w));
	struct oe_effects fx = {.arg = w, .send = on_send};

	w->policy = rules(group, "198.18.0.0/16\n");
	w->now = 1000 * SECOND;
	w->ps = peers_new(&fx, &w->conf, w->policy, w->now);
	w->n = 0;
	return w;
}

void end(struct world *w)
{
	oe_peers_free(w->ps);
	policy_free(w->policy);
	free(w);
}

struct pair pair_of(unsigned int host)
{
	uint8_t local[4] = {198, 18, 0, 1},
		remote[4] = {198, 18, (uint8_t)(host >> 8), (uint8_t)host};

	return (struct pair){.local = addr_from_v4(local), .remote = addr_from_v4(remote)};
}

const struct sent *last(const struct world *w, uint16_t type)
{
	for (size_t i = w->n; i-- > 0 && w->n - i <= SENT_MAX;)
		if (w->sent[i % SENT_MAX].type == type)
			return &w->sent[i % SENT_MAX];
	fail_msg("no message %#x was sent", type);
	return NULL;
}

bool was_sent(const struct world *w, uint16_t type)
{
	for (size_t i = w->n; i-- > 0 && w->n - i <= SENT_MAX;)
		if (w->sent[i % SENT_MAX].type == type)
			return true;
	return false;
}

void advance(struct world *w, uint64_t us)
{
	peers_advance(w->ps, &w->now, us);
}

void event(struct world *w, uint16_t type, const void *fixed)
{
	peers_event(w->ps, type, fixed, w->now);
}

void trap(struct world *w, unsigned int host)
{
	struct xfrm_trapped t = {
		.pair = pair_of(host), .proto = IPPROTO_TCP, .held = 1, .dport = 443};

	event(w, XFRM_EV_TRAPPED, &t);
}

void answer(struct world *w, uint32_t id, enum dns_class class, uint32_t ttl)
{
	struct dns_answer a = {.id = id, .class = (uint8_t) class, .ttl = ttl};
	struct dns_key k = {.algorithm = 4, .spki_len = 44};

	a.n_keys = class == DNS_KEYS || class == DNS_INSECURE_KEYS;
	assert_int_equal(oe_peers_event(w->ps, DNS_EV_ANSWER, &a, (const uint8_t *)&k,
				 a.n_keys * sizeof(k), w->now),
		0);
}

void answer_last(struct world *w, enum dns_class class, uint32_t ttl)
{
	answer(w, last(w, DNS_REQ_LOOKUP)->m.lookup.id, class, ttl);
}

enum oe_state state(const struct world *w, unsigned int host)
{
	struct pair pair = pair_of(host);
	const struct oe_peer *p = oe_peers_find(w->ps, &pair);

	return p ? p->state : OE_N_STATES;
}

enum oe_reason reason(const struct world *w, unsigned int host)
{
	struct pair pair = pair_of(host);

	return oe_peers_find(w->ps, &pair)->reason;
}

void child(struct world *w, uint32_t handle, bool inbound, uint32_t spi)
{
	struct ike_child c = {.handle = handle,
		.spi_in = inbound ? spi : spi - 1,
		.spi_out = inbound ? 0 : spi,
		.cipher = IKE_ESP_AES_GCM_16,
		.key_bits = 256,
		.esn = 1,
		.both = inbound && (handle & IKE_HANDLE_INBOUND)};

	peers_child(w->ps, &c, inbound, w->now);
}

void anew(struct world *w, uint32_t handle, uint32_t spi, uint32_t old, bool both)
{
	struct ike_child c = {.handle = handle,
		.spi_in = spi,
		.spi_out = spi + 1,
		.cipher = IKE_ESP_AES_GCM_16,
		.key_bits = 256,
		.esn = 1,
		.both = both,
		.replaces = old};

	peers_child(w->ps, &c, true, w->now);
}

void done_last(struct world *w, uint16_t type, int error)
{
	const struct sent *s = last(w, type);
	struct xfrm_done d = {.tag = type == XFRM_REQ_DECIDE ? s->m.decide.tag : s->m.sa.tag,
		.error = error,
		.released = 1,
		.held_us = 5000};

	event(w, XFRM_EV_DONE, &d);
}

void come_up(struct world *w, uint32_t handle, uint32_t spi)
{
	come_up_by(w, handle, spi, IKE_AUTH_SIGNATURE);
}

void come_up_by(struct world *w, uint32_t handle, uint32_t spi, enum ike_auth_kind peer)
{
	struct ike_up up = {
		.handle = handle, .auth_peer = (uint8_t)peer, .auth_self = IKE_AUTH_SIGNATURE};

	child(w, handle, true, spi);
	if (handle & IKE_HANDLE_INBOUND)
		child(w, handle, false, spi + 1);
	done_last(w, XFRM_REQ_SA_IN, 0);
	if (handle & IKE_HANDLE_INBOUND) {
		/* the response leaves when both directions stand, not before */
		assert_int_not_equal(w->sent[(w->n - 1) % SENT_MAX].type, IKE_REQ_INSTALLED);
		done_last(w, XFRM_REQ_SA_OUT, 0);
	}
	assert_int_equal(last(w, IKE_REQ_INSTALLED)->m.installed.error, 0);
	assert_int_equal(last(w, IKE_REQ_INSTALLED)->m.installed.spi, spi);
	if (!(handle & IKE_HANDLE_INBOUND))
		child(w, handle, false, spi + 1);
	event(w, IKE_EV_UP, &up);
	if (!(handle & IKE_HANDLE_INBOUND)) {
		/* the one that came alone is answered for, too */
		assert_int_not_equal(w->sent[(w->n - 1) % SENT_MAX].type, IKE_REQ_INSTALLED);
		done_last(w, XFRM_REQ_SA_OUT, 0);
		assert_int_equal(w->sent[(w->n - 1) % SENT_MAX].type, IKE_REQ_INSTALLED);
		assert_int_equal(last(w, IKE_REQ_INSTALLED)->m.installed.spi, spi);
	}
}

void fail_ike(struct world *w, uint32_t handle, enum ike_failure code, uint16_t type)
{
	struct ike_failed f = {.handle = handle, .code = (uint8_t)code};

	event(w, type, &f);
}

uint32_t inbound(struct world *w, unsigned int host)
{
	static uint32_t next = IKE_HANDLE_INBOUND;
	struct ike_inbound in = {.handle = ++next, .pair = pair_of(host), .remote_port = 500};

	event(w, IKE_EV_INBOUND, &in);
	assert_int_equal(last(w, IKE_REQ_ACCEPT)->m.accept.answer, 1);
	return in.handle;
}

void identity(struct world *w, uint32_t handle, unsigned int host, uint8_t type, bool null_auth)
{
	struct ike_identity id = {.handle = handle, .id_type = type, .null_auth = null_auth};
	struct pair pair = pair_of(host);

	if (type == 1) {
		id.id_len = 4;
		memcpy(id.id, pair.remote.b, 4);
	} else if (type == 2) {
		id.id_len = 14;
		memcpy(id.id, "a.example.test", 14);
	}
	event(w, IKE_EV_IDENTITY, &id);
}

void make_private(struct world *w, unsigned int host, uint32_t spi)
{
	trap(w, host);
	answer_last(w, DNS_KEYS, 300);
	come_up(w, last(w, IKE_REQ_CONNECT)->m.connect.handle, spi);
	assert_int_equal(state(w, host), OE_PRIVATE);
}
