/* SPDX-License-Identifier: BSD-2-Clause */
/* A host's kernel and xfrm service: SAs, what was decided about the other host, held packets. It
 * also judges: a packet that was sent by an SA and finds none on the other side is a failure, unless
 * something happened that excuses it. */
#include "tests/sim/sim.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>

void kernel_reset(struct host *h)
{
	OPENSSL_cleanse(&h->kernel, sizeof(h->kernel));
	h->kernel.verdict = XFRM_VERDICT_FORGET;
}

static bool stands(const struct host *h, const struct kernel_sa *sa)
{
	return sa->used && (!sa->until || sa->until > h->s->now);
}

static struct kernel_sa *find(struct kernel *k, bool inbound, uint32_t spi)
{
	for (int i = 0; i < SIM_SAS_MAX; i++)
		if (k->sas[i].used && k->sas[i].inbound == inbound && k->sas[i].spi == spi)
			return &k->sas[i];
	return NULL;
}

const struct kernel_sa *kernel_find(const struct host *h, bool inbound, uint32_t spi)
{
	for (int i = 0; i < SIM_SAS_MAX; i++) {
		const struct kernel_sa *sa = &h->kernel.sas[i];

		if (stands(h, sa) && sa->inbound == inbound && sa->spi == spi)
			return sa;
	}
	return NULL;
}

const struct kernel_sa *kernel_newest(const struct host *h)
{
	const struct kernel_sa *ret = NULL;

	for (int i = 0; i < SIM_SAS_MAX; i++) {
		const struct kernel_sa *sa = &h->kernel.sas[i];

		if (sa->used && !sa->inbound && (!ret || sa->order > ret->order))
			ret = sa;
	}
	return ret;
}

unsigned int kernel_count(const struct host *h, bool inbound)
{
	unsigned int n = 0;

	for (int i = 0; i < SIM_SAS_MAX; i++)
		n += h->kernel.sas[i].used && !h->kernel.sas[i].until &&
		     h->kernel.sas[i].inbound == inbound;
	return n;
}

/* ---- requests of the agent */

static void done(struct host *h, uint32_t tag, int error, unsigned int released)
{
	struct xfrm_done d = {.tag = tag, .error = error, .released = released};

	host_send(h, CH_AGENT_XFRM, XFRM_EV_DONE, &d, sizeof(d), NULL, 0);
}

static unsigned int release(struct host *h, bool send)
{
	unsigned int n = h->kernel.held;
	uint64_t us = n ? h->s->now - h->kernel.held_at : 0;

	if (us > h->kernel.held_us)
		h->kernel.held_us = us;
	h->kernel.held = 0;
	for (unsigned int i = 0; send && i < n; i++)
		kernel_output(h);
	return n;
}

static int add(
	struct host *h, const struct xfrm_sa *x, bool inbound, const uint8_t *key, size_t len)
{
	struct kernel *k = &h->kernel;

	if (k->error)
		return k->error;
	if (find(k, inbound, x->spi)) {
		sim_fail(h->s, "host %c: SA %08x stands already", "AB"[h->index], x -> spi);
		return -EEXIST;
	}
	for (int i = 0; i < SIM_SAS_MAX; i++) {
		if (stands(h, &k->sas[i]))
			continue;
		k->sas[i] = (struct kernel_sa){.used = true,
			.inbound = inbound,
			.tell_use = x->tell_use,
			.spi = x->spi,
			.order = ++h->s->order,
			.encap_remote = x->encap_remote,
			.key_len = len};
		memcpy(k->sas[i].key, key, len);
		return 0;
	}
	sim_fail(h->s, "host %c: more than %d SAs", "AB"[h->index], SIM_SAS_MAX);
	return -ENOMEM;
}

static void on_sa_in(struct host *h, const struct xfrm_sa *x, const uint8_t *key, size_t len)
{
	done(h, x->tag, add(h, x, true, key, len), 0);
}

static void on_sa_out(struct host *h, const struct xfrm_sa *x, const uint8_t *key, size_t len)
{
	int r = add(h, x, false, key, len);
	unsigned int released = 0;

	if (r == 0) {
		h->kernel.verdict = XFRM_VERDICT_FORGET;
		h->kernel.required = true;
		released = release(h, true);
	}
	done(h, x->tag, r, released);
}

static void on_delete(struct host *h, const struct xfrm_sa_id *id)
{
	struct kernel_sa *sa = find(&h->kernel, id->inbound, id->spi);

	if (sa && id->grace)
		sa->until = h->s->now + id->grace * SEC;
	else if (sa)
		OPENSSL_cleanse(sa, sizeof(*sa));
	if (id->last) {
		h->kernel.required = false;
		h->kernel.verdict = XFRM_VERDICT_FORGET;
	}
}

static void on_decide(struct host *h, const struct xfrm_decide *d)
{
	unsigned int released = 0;

	if (d->verdict == XFRM_VERDICT_CLEAR && h->policy &&
		policy_rule(h->policy, 0)->group == POL_PRIVATE)
		sim_fail(h->s, "host %c: a private peer is in clear", "AB"[h->index]);
	h->kernel.verdict = d->verdict;
	if (d->verdict == XFRM_VERDICT_DROP)
		h->kernel.held = 0;
	else
		released = release(h, d->verdict == XFRM_VERDICT_CLEAR);
	done(h, d->tag, 0, released);
}

static void on_move(struct host *h, const struct xfrm_move *m)
{
	for (int i = 0; i < SIM_SAS_MAX; i++)
		if (h->kernel.sas[i].encap_remote)
			h->kernel.sas[i].encap_remote = m->encap_remote;
}

static void on_traffic(struct host *h)
{
	struct xfrm_traffic t = {.pair = host_pair(h)};

	for (int i = 0; i < SIM_SAS_MAX; i++) {
		struct kernel_sa *sa = &h->kernel.sas[i];

		if (!stands(h, sa) || sa->packets == sa->asked)
			continue;
		*(sa->inbound ? &t.in : &t.out) = 1;
		sa->asked = sa->packets;
	}
	host_send(h, CH_AGENT_XFRM, XFRM_EV_TRAFFIC, &t, sizeof(t), NULL, 0);
}

void kernel_request(
	struct host *h, uint16_t type, const void *fixed, const uint8_t *tail, size_t tail_len)
{
	switch ((enum xfrm_req)type) {
	case XFRM_REQ_SA_IN:
		on_sa_in(h, fixed, tail, tail_len);
		break;
	case XFRM_REQ_SA_OUT:
		on_sa_out(h, fixed, tail, tail_len);
		break;
	case XFRM_REQ_SA_DELETE:
		on_delete(h, fixed);
		break;
	case XFRM_REQ_DECIDE:
		on_decide(h, fixed);
		break;
	case XFRM_REQ_MOVE:
		on_move(h, fixed);
		break;
	case XFRM_REQ_TRAFFIC:
		on_traffic(h);
		break;
	case XFRM_REQ_CONFIG:
	case XFRM_REQ_RULES:
	case XFRM_REQ_EXEMPT:
	case XFRM_REQ_COUNTERS:
	case XFRM_REQ_STOP:
		break;
	}
	/* the moment at which a mistake would cost a packet */
	for (int i = 0; i < HOSTS; i++)
		if (h->s->host[i].traffic && kernel_newest(&h->s->host[i]))
			kernel_output(&h->s->host[i]);
}

/* ---- what the kernel tells */

void kernel_adopted(struct host *h)
{
	h->kernel.verdict = XFRM_VERDICT_FORGET;
	h->kernel.held = 0;
	h->kernel.required = kernel_count(h, false) > 0;
	for (int i = 0; i < SIM_SAS_MAX; i++) {
		const struct kernel_sa *sa = &h->kernel.sas[i];
		struct xfrm_adopted a = {.pair = host_pair(h),
			.spi = sa->spi,
			.encap_remote = sa->encap_remote,
			.inbound = sa->inbound};

		if (stands(h, sa))
			host_send(h, CH_AGENT_XFRM, XFRM_EV_ADOPTED, &a, sizeof(a), NULL, 0);
	}
}

void kernel_expire(struct host *h, bool hard)
{
	struct kernel_sa *sa;
	struct xfrm_expire e = {.pair = host_pair(h), .hard = hard};

	sa = &h->kernel.sas[sim_random(h->s, SIM_SAS_MAX)];
	for (int i = 0; i < SIM_SAS_MAX && (!sa->used || (!hard && sa->inbound)); i++)
		sa = &h->kernel.sas[i];
	/* soft limits stand on outbound SAs only */
	if (!stands(h, sa) || (!hard && sa->inbound))
		return;
	e.spi = sa->spi;
	e.inbound = sa->inbound;
	sim_trace(h->s, h->index, "%s limit of SA %08x", hard ? "hard" : "soft", sa->spi);
	if (hard)
		*sa = (struct kernel_sa){0};
	host_send(h, CH_AGENT_XFRM, XFRM_EV_EXPIRE, &e, sizeof(e), NULL, 0);
}

static void trap(struct host *h)
{
	struct xfrm_trapped t = {.pair = host_pair(h),
		.proto = 17,
		.held = 1,
		.sport = 4000,
		.dport = 7,
		.length = 64};
	struct kernel *k = &h->kernel;

	if (!k->held)
		k->held_at = h->s->now;
	if (k->held < 4)
		k->held++;
	else if (h->s->now < k->trapped_at + SEC)
		return;
	k->trapped_at = h->s->now;
	host_send(h, CH_AGENT_XFRM, XFRM_EV_TRAPPED, &t, sizeof(t), NULL, 0);
}

/* ---- traffic */

void kernel_note_gone(struct host *h, uint32_t spi_in)
{
	struct kernel_sa *sa = find(&h->kernel, true, spi_in);

	if (sa)
		sa->gone_at = h->s->now;
}

void kernel_note_ended(struct host *h)
{
	for (int i = 0; i < SIM_SAS_MAX; i++)
		if (h->kernel.sas[i].gone_at == h->s->now)
			h->kernel.sas[i].ended = true;
}

/* The other host may have given up its inbound SA, but for the grace in which it takes what is under way:
 * not every peer has one, and such a peer loses what is sent now. Where the whole IKE SA has ended another
 * serves, and the grace is needed: its end is answered at once. */
static void must_be_wanted(const struct host *h, const struct kernel_sa *sa)
{
	const struct host *other = &h->s->host[!h->index];
	const struct kernel_sa *in = kernel_find(other, true, sa->spi);

	if (in && in->until && !in->ended && h->s->now >= h->s->excused)
		sim_fail(h->s, "host %c sends by SA %08x, which host %c has deleted", "AB"[h->index],
			sa->spi, "AB"[!h->index]);
}

void kernel_output(struct host *h)
{
	const struct kernel_sa *sa = kernel_newest(h);

	if (sa) {
		must_be_wanted(h, sa);
		find(&h->kernel, false, sa->spi)->packets++;
		h->s->stats.esp++;
		net_send_esp(h->s, h->index, sa);
	} else if (h->kernel.verdict == XFRM_VERDICT_CLEAR) {
		net_send_plain(h->s, h->index);
	} else if (h->kernel.verdict != XFRM_VERDICT_BLOCK) {
		trap(h);
	}
}

/* The kernel tells each packet's; the service, what is new. */
static void mapped(struct host *h, const struct kernel_sa *sa, uint16_t remote_port)
{
	struct xfrm_mapped e = {.pair = host_pair(h),
		.spi = sa->spi,
		.encap_was = sa->encap_remote,
		.encap_remote = remote_port};

	if (remote_port == sa->encap_remote || h->s->now < h->kernel.mapped_at)
		return;
	h->kernel.mapped_at = h->s->now + SEC / 3;
	host_send(h, CH_AGENT_XFRM, XFRM_EV_MAPPED, &e, sizeof(e), NULL, 0);
}

static void stray(struct host *h, uint32_t spi, uint16_t local_port, uint16_t remote_port)
{
	struct xfrm_stray e = {.pair = host_pair(h),
		.spi = spi,
		.encap_local = local_port,
		.encap_remote = remote_port};

	if (h->s->now < h->kernel.stray_at)
		return;
	h->kernel.stray_at = h->s->now + SEC / 3;
	host_send(h, CH_AGENT_XFRM, XFRM_EV_STRAY, &e, sizeof(e), NULL, 0);
}

/* The kernel looks at the limit before it counts. */
static void count_input(struct host *h, struct kernel_sa *sa)
{
	struct xfrm_expire e = {.pair = host_pair(h), .spi = sa->spi, .inbound = 1};

	if (sa->packets++ != 1 || !sa->tell_use)
		return;
	host_send(h, CH_AGENT_XFRM, XFRM_EV_EXPIRE, &e, sizeof(e), NULL, 0);
}

void kernel_input_esp(struct host *h, uint32_t spi, const uint8_t *key, size_t len,
	uint16_t local_port, uint16_t remote_port)
{
	const struct kernel_sa *sa = kernel_find(h, true, spi);

	if (sa && sa->key_len == len && memcmp(sa->key, key, len) == 0) {
		mapped(h, sa, remote_port);
		count_input(h, find(&h->kernel, true, spi));
		return;
	}
	h->s->stats.esp_dropped++;
	sim_trace(h->s, h->index, "ESP %08x is dropped: %s", spi, sa ? "another key" : "no SA");
	if (sa)
		sim_fail(h->s, "host %c has another key for SA %08x", "AB"[h->index], spi);
	else if (h->s->now >= h->s->excused)
		sim_fail(h->s, "host %c drops a packet by SA %08x, and nothing excuses it",
			"AB"[h->index], spi);
	if (!sa)
		stray(h, spi, local_port, remote_port);
}

void kernel_input_plain(struct host *h)
{
	if (h->kernel.required)
		sim_trace(h->s, h->index, "a packet in clear is dropped");
}
