/* SPDX-License-Identifier: BSD-2-Clause */
/* The network between the hosts: late, lossy, and perhaps with a NAT before A. */
#include "tests/sim/sim.h"

#include <stdlib.h>
#include <string.h>

#define NAT_ADDR "198.18.9.9"

static struct addr nat_addr(void)
{
	struct addr a;

	if (addr_parse(NAT_ADDR, &a) < 0)
		abort();
	return a;
}

struct addr net_peer_addr(const struct sim *s, int host)
{
	return s->nat && host == B ? nat_addr() : s->host[!host].addr;
}

void net_rebind(struct sim *s)
{
	for (int i = 0; i < 2; i++) {
		s->nat_port[i] = (uint16_t)(s->nat_port[i] + 1);
		s->nat_open[i] = false;
	}
	sim_trace(s, HOSTS, "the NAT forgets: ports %u and %u", s->nat_port[0], s->nat_port[1]);
}

/* What the receiver sees of a datagram from a path of the sender's; false where the NAT does not let
 * it through. */
static bool translate(struct sim *s, int from, const struct ike_path *path, struct ike_path *ret)
{
	*ret = (struct ike_path){.pair.local = path->pair.remote,
		.pair.remote = path->pair.local,
		.local_port = path->remote_port,
		.remote_port = path->local_port};
	if (!s->nat)
		return true;
	if (from == A) {
		int i = path->local_port == IKE_PORT_NATT;

		s->nat_open[i] = true;
		ret->pair.remote = nat_addr();
		ret->remote_port = s->nat_port[i];
		return true;
	}
	for (int i = 0; i < 2; i++)
		if (s->nat_open[i] && path->remote_port == s->nat_port[i]) {
			ret->pair.local = s->host[A].addr;
			ret->local_port = i ? IKE_PORT_NATT : IKE_PORT;
			return true;
		}
	return false;
}

static uint64_t delay(struct sim *s)
{
	const struct net *n = &s->net;
	uint64_t us = n->min_us + sim_random(s, n->max_us - n->min_us + 1);

	if (n->late && sim_chance(s, n->late))
		us += sim_random(s, n->late_us);
	return us;
}

static void arrive(struct sim *s, struct task *t)
{
	trace_datagram(s, !t->host, &t->path, t->data, t->len, "arrives");
	host_datagram(&s->host[t->host], &t->path, t->data, t->len);
}

static void post(struct sim *s, int to, const struct ike_path *path, const void *data, size_t len,
	uint64_t us)
{
	struct task *t = sim_task(s, arrive, len);

	t->host = to;
	t->path = *path;
	memcpy(t->data, data, len);
	sim_at(s, t, s->now + us);
}

static void keep(struct sim *s, int to, const struct ike_path *path, const void *data, size_t len)
{
	unsigned int i = s->n_kept[to]++ % 8;

	free(s->kept[to][i]);
	s->kept[to][i] = malloc(len);
	if (!s->kept[to][i])
		abort();
	memcpy(s->kept[to][i], data, len);
	s->kept_len[to][i] = len;
	s->kept_path[to][i] = *path;
}

void net_replay(struct sim *s, int to)
{
	unsigned int n = s->n_kept[to] < 8 ? s->n_kept[to] : 8, i = sim_random(s, n);

	if (!n)
		return;
	sim_trace(s, to, "an old datagram comes again");
	post(s, to, &s->kept_path[to][i], s->kept[to][i], s->kept_len[to][i], delay(s));
}

static bool chosen(const struct sim *s, size_t len, int kind)
{
	const struct fault *f = &s->fault;

	/* keepalives do not count */
	return f->first && len > 1 && (int)f->kind == kind && s->stats.datagrams >= f->first &&
	       s->stats.datagrams < f->first + f->count;
}

int net_send(void *arg, const struct ike_path *path, const void *data, size_t len)
{
	struct host *h = arg;
	struct sim *s = h->s;
	struct ike_path seen;
	const char *fate = "sent";

	if (len > 1)
		s->stats.datagrams++;
	if (!translate(s, h->index, path, &seen))
		fate = "has no way through the NAT";
	else if (s->net.cut[h->index] || sim_chance(s, s->net.loss) || chosen(s, len, LOST))
		fate = "lost";
	trace_datagram(s, h->index, path, data, len, fate);
	if (*fate != 's') {
		s->stats.lost++;
		return 0;
	}
	if (len > 1)
		keep(s, !h->index, &seen, data, len);
	post(s, !h->index, &seen, data, len,
		delay(s) + (chosen(s, len, LATE) ? s->fault.late_us : 0));
	if (sim_chance(s, s->net.twice) || chosen(s, len, TWICE))
		post(s, !h->index, &seen, data, len, delay(s));
	return 0;
}

/* ---- traffic */

static void arrive_esp(struct sim *s, struct task *t)
{
	kernel_input_esp(&s->host[t->host], t->spi, t->data, t->len, t->path.local_port,
		t->path.remote_port);
}

static void arrive_plain(struct sim *s, struct task *t)
{
	kernel_input_plain(&s->host[t->host]);
}

/* Loss in the network is nobody's fault and not simulated; delay is, but only such as a network has
 * that keeps most packets in order. */
static uint64_t traffic_delay(struct sim *s)
{
	return s->net.min_us + sim_random(s, s->net.max_us - s->net.min_us + 1);
}

void net_send_esp(struct sim *s, int from, const struct kernel_sa *sa)
{
	struct task *t;

	if (s->net.cut[from])
		return;
	if (s->nat && from == B && sa->encap_remote != s->nat_port[1])
		return;
	if (s->nat && from == A)
		s->nat_open[1] = true;
	t = sim_task(s, arrive_esp, sa->key_len);
	t->host = !from;
	t->spi = sa->spi;
	if (sa->encap_remote) {
		t->path.local_port = IKE_PORT_NATT;
		t->path.remote_port = s->nat && from == A ? s->nat_port[1] : IKE_PORT_NATT;
	}
	memcpy(t->data, sa->key, sa->key_len);
	sim_at(s, t, s->now + traffic_delay(s));
}

void net_send_plain(struct sim *s, int from)
{
	struct task *t;

	if (s->net.cut[from] || (s->nat && from == B))
		return;
	t = sim_task(s, arrive_plain, 0);
	t->host = !from;
	sim_at(s, t, s->now + traffic_delay(s));
}
