/* SPDX-License-Identifier: BSD-2-Clause */
/* What happens in a schedule, line by line. */
#include "tests/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ike/names.h"
#include "ike/exchange.h"

/* The payloads in SK, opened with the sender's own key where its SA is still there. */
static void list_inner(const struct sim *s, int from, const uint8_t *data, size_t len,
	const struct ike_header *h, char *buf, size_t cap)
{
	uint64_t spi = h->flags & IKE_FLAG_INITIATOR ? h->spi_i : h->spi_r;
	const struct ike_core *core = s->host[from].ike;
	struct ike_payloads outer, inner;
	struct ike_sa *sa = NULL;
	struct ike_bytes chain;
	uint8_t *copy;

	if (core)
		sa = core_find_sa(core, spi);
	copy = malloc(len);
	memcpy(copy, data, len);
	if (sa && sa->keyed &&
		ike_payloads_parse(h->next, copy + IKE_HEADER_LEN, len - IKE_HEADER_LEN, false,
			&outer) == IKE_PARSE_OK &&
		outer.sk.p &&
		ike_sk_open(sa->initiator ? &sa->ei : &sa->er, copy, len, &outer.sk, &chain) == 0 &&
		ike_payloads_parse(outer.sk_next, chain.p, chain.len, true, &inner) ==
			IKE_PARSE_OK) {
		size_t n = 0;

		for (size_t i = 0; i < inner.n_notify && n < cap; i++)
			n += (size_t)snprintf(
				buf + n, cap - n, " N(%s)", ike_notify_name(inner.notify[i].type));
		for (size_t i = 0; i < inner.n_delete && n < cap; i++) {
			const struct ike_delete *d = &inner.delete[i];

			n += (size_t)snprintf(buf + n, cap - n, " D(%s",
				d->protocol == IKE_PROTO_IKE ? "IKE" : "ESP");
			for (size_t j = 0; j + 4 <= d->spis.len && n < cap; j += 4)
				n += (size_t)snprintf(buf + n, cap - n, " %02x%02x%02x%02x",
					d->spis.p[j], d->spis.p[j + 1], d->spis.p[j + 2],
					d->spis.p[j + 3]);
			if (n < cap)
				n += (size_t)snprintf(buf + n, cap - n, ")");
		}
	}
	free(copy);
}

void trace_datagram(const struct sim *s, int from, const struct ike_path *path, const uint8_t *data,
	size_t len, const char *fate)
{
	size_t marker =
		path->local_port == IKE_PORT_NATT || path->remote_port == IKE_PORT_NATT ? 4 : 0;
	int at = *fate == 'a' ? !from : from;
	char inner[200] = "";
	struct ike_header h;

	if (!s->trace)
		return;
	if (len <= marker || ike_header_parse(data + marker, len - marker, &h) != IKE_PARSE_OK) {
		sim_trace(s, at, "%zu bytes, %s", len, fate);
		return;
	}
	if (h.exchange != IKE_EXCH_SA_INIT)
		list_inner(s, from, data + marker, len - marker, &h, inner, sizeof(inner));
	sim_trace(s, at, "%s %s %u of %016llx%s, %s (%u -> %u)", ike_exchange_name(h.exchange),
		h.flags & IKE_FLAG_RESPONSE ? "response" : "request", h.msgid,
		(unsigned long long)h.spi_i, inner, fate, path->local_port, path->remote_port);
}

static const char *name(uint16_t type)
{
	static const struct {
		uint16_t type;
		const char *name;
	} requests[] = {
		{IKE_REQ_CONFIG, "ike CONFIG"},
		{IKE_REQ_OWN_KEYS, "ike OWN_KEYS"},
		{IKE_REQ_CONNECT, "ike CONNECT"},
		{IKE_REQ_ACCEPT, "ike ACCEPT"},
		{IKE_REQ_AUTHORIZE, "ike AUTHORIZE"},
		{IKE_REQ_SIGNED, "ike SIGNED"},
		{IKE_REQ_INSTALLED, "ike INSTALLED"},
		{IKE_REQ_CLOSE, "ike CLOSE"},
		{IKE_REQ_PROBE, "ike PROBE"},
		{XFRM_REQ_SA_IN, "xfrm SA_IN"},
		{XFRM_REQ_SA_OUT, "xfrm SA_OUT"},
		{XFRM_REQ_SA_DELETE, "xfrm SA_DELETE"},
		{XFRM_REQ_DECIDE, "xfrm DECIDE"},
		{XFRM_EV_DONE, "xfrm DONE"},
		{XFRM_EV_TRAPPED, "xfrm TRAPPED"},
		{XFRM_EV_EXPIRE, "xfrm EXPIRE"},
		{XFRM_EV_ADOPTED, "xfrm ADOPTED"},
		{XFRM_REQ_MOVE, "xfrm MOVE"},
		{XFRM_EV_MAPPED, "xfrm MAPPED"},
		{IKE_REQ_MOVED, "ike MOVED"},
		{XFRM_EV_STRAY, "xfrm STRAY"},
		{IKE_REQ_INVALID_SPI, "ike INVALID_SPI"},
		{DNS_REQ_LOOKUP, "dns LOOKUP"},
		{DNS_REQ_CANCEL, "dns CANCEL"},
		{DNS_EV_ANSWER, "dns ANSWER"},
	};
	static char number[16];

	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		if (requests[i].type == type)
			return requests[i].name;
	for (size_t i = 0; i < ike_n_events; i++)
		if (ike_events[i].type == type)
			return ike_events[i].name;
	snprintf(number, sizeof(number), "%#x", type);
	return number;
}

void trace_message(
	const struct sim *s, int host, enum channel channel, uint16_t type, const void *fixed)
{
	char text[320] = "";

	if (!s->trace || type == IKE_EV_STATS)
		return;
	switch (type) {
	case IKE_EV_FAILED:
	case IKE_EV_DOWN: {
		const struct ike_failed *f = fixed;

		snprintf(text, sizeof(text), " %s: %s", ike_failure_name((enum ike_failure)f->code),
			f->why);
		break;
	}
	case IKE_EV_CHILD_IN:
	case IKE_EV_CHILD_OUT: {
		const struct ike_child *c = fixed;

		snprintf(text, sizeof(text), " in %08x out %08x", c->spi_in, c->spi_out);
		break;
	}
	case IKE_EV_CHILD_GONE: {
		const struct ike_child_gone *c = fixed;

		snprintf(text, sizeof(text), " in %08x out %08x", c->spi_in, c->spi_out);
		break;
	}
	case XFRM_REQ_SA_IN:
	case XFRM_REQ_SA_OUT:
		snprintf(text, sizeof(text), " %08x", ((const struct xfrm_sa *)fixed)->spi);
		break;
	case XFRM_REQ_SA_DELETE: {
		const struct xfrm_sa_id *d = fixed;

		snprintf(text, sizeof(text), " %08x %s%s", d->spi, d->inbound ? "in" : "out",
			d->last ? ", the last" : "");
		break;
	}
	case XFRM_REQ_DECIDE:
		snprintf(text, sizeof(text), " %u", ((const struct xfrm_decide *)fixed)->verdict);
		break;
	case DNS_EV_ANSWER:
		snprintf(text, sizeof(text), " %s",
			dns_class_name((enum dns_class)((const struct dns_answer *)fixed)->class));
		break;
	default:
		break;
	}
	if (type >= IKE_REQ_CONFIG && type != IKE_REQ_CONFIG && type != IKE_REQ_OWN_KEYS &&
		type != IKE_EV_READY)
		/* each of these begins with the handle */
		sim_trace(s, host, "  %s %08x%s", name(type), *(const uint32_t *)fixed, text);
	else
		sim_trace(s, host, "  %s%s", name(type), text);
	(void)channel;
}

static void tell_peer(void *arg, const struct oe_peer *p)
{
	const struct host *h = arg;
	const struct sim *s = h->s;

	sim_trace(s, h->index, "  the agent: %s, %s, for %.1f s, due in %.1f s; %s %s lookup %u",
		oe_state_name((enum oe_state)p->state), oe_reason_name((enum oe_reason)p->reason),
		(double)(s->now - p->since) / 1e6,
		p->until ? ((double)p->until - (double)s->now) / 1e6 : 0.0,
		p->retry ? "retry" : "-", p->wants ? "wants" : "-", p->lookup);
	for (const struct oe_sa *sa = p->sas; sa; sa = sa->next)
		for (const struct oe_child *c = sa->children; c; c = c->next)
			sim_trace(s, h->index, "    SA %08x %s %s in %08x out %08x", sa->handle,
				sa->initiator ? "ours" : "theirs", sa->up ? "up" : "rising",
				c->spi_in, c->spi_out);
}

void trace_hosts(const struct sim *s)
{
	if (!s->trace)
		return;
	for (int i = 0; i < HOSTS; i++) {
		const struct host *h = &s->host[i];

		sim_trace(s, i, "%s, traffic %s", h->ike ? "ike runs" : "ike is down",
			h->traffic ? "on" : "off");
		if (h->agent)
			oe_peers_each(h->agent, tell_peer, (void *)(uintptr_t)h);
		for (int k = 0; k < SIM_SAS_MAX; k++) {
			const struct kernel_sa *sa = &h->kernel.sas[k];

			if (sa->used)
				sim_trace(s, i, "  kernel: %s %08x", sa->inbound ? "in" : "out",
					sa->spi);
		}
		sim_trace(s, i, "  kernel: verdict %u, %u held", h->kernel.verdict, h->kernel.held);
	}
}
