/* SPDX-License-Identifier: BSD-2-Clause */
/* INFORMATIONAL: deletes, liveness, and the farewells of an SA (RFC 7296 sections 1.4, 1.4.1, 2.4,
 * 2.21.2). */
#include <string.h>

#include "ike/exchange.h"

/* Our inbound SPIs that one DELETE of the peer's can answer for. */
#define DELETED_MAX 16

/* An error that ends the SA without DELETE. */
static bool is_fatal(uint16_t notify)
{
	return notify == IKE_N_AUTHENTICATION_FAILED || notify == IKE_N_INVALID_SYNTAX ||
	       notify == IKE_N_UNSUPPORTED_CRITICAL_PAYLOAD;
}

/* The children whose outbound SPIs the peer names: both halves go. Returns how many SPIs of ours
 * belong into the answer. */
static size_t delete_children(
	struct ike_sa *sa, const struct ike_delete *d, uint32_t *ret_spis, size_t n)
{
	struct wire_reader r = wire_reader(d->spis.p, d->spis.len);

	if (d->protocol != IKE_PROTO_ESP || d->spi_size != 4)
		return n;
	while (wire_left(&r) && n < DELETED_MAX) {
		struct child *child = child_find_out(sa, wire_u32(&r));

		if (!child)
			continue;
		ret_spis[n++] = child->spi_in;
		child_gone(sa, child);
	}
	return n;
}

static bool deletes_ike(const struct ike_payloads *p)
{
	for (size_t i = 0; i < p->n_delete; i++)
		if (p->delete[i].protocol == IKE_PROTO_IKE)
			return true;
	return false;
}

void info_on_request(struct ike_sa *sa, const struct message *m)
{
	const struct ike_notify *error = ike_notify_error(&m->inner);
	bool gone = deletes_ike(&m->inner), fatal = error && is_fatal(error->type);
	struct ike_builder b;
	uint32_t spis[DELETED_MAX];
	size_t n = 0;

	/* the children of an IKE SA that goes need no answer (1.4.1) */
	for (size_t i = 0; i < m->inner.n_delete && !gone && !fatal; i++)
		n = delete_children(sa, &m->inner.delete[i], spis, n);
	crash_on_protected(sa, &m->inner);
	b = sa_build(sa, IKE_EXCH_INFORMATIONAL, true);
	if (n)
		ike_build_delete_esp(&b, spis, n);
	sa_send_reply(sa, &b);
	if (!gone && !fatal)
		return;
	if (sa->ended) {
		/* both deleted at once: the request of ours needs no response any more */
		sa_set_timer(sa, SA_TIMER_RETRANSMIT, NEVER);
		sa_set_state(sa, SA_LINGER);
	} else if (fatal) {
		sa_end(sa,
			error->type == IKE_N_AUTHENTICATION_FAILED ? IKE_FAIL_SELF_REFUSED
								   : IKE_FAIL_PROTOCOL,
			error->type, FAREWELL_LINGER, "the peer ended it with %s",
			ike_notify_name(error->type));
	} else {
		sa_end(sa, IKE_FAIL_DELETED, 0, FAREWELL_LINGER, "deleted by the peer");
	}
}

void info_on_response(struct ike_sa *sa, const struct message *m)
{
	uint64_t took = sa->core->now - sa->request.sent_at;
	const struct ike_notify *error = ike_notify_error(&m->inner);
	bool probe = sa->probing;

	sa_request_done(sa);
	if (sa->state == SA_DELETING && !probe) {
		sa_set_state(sa, SA_GONE);
		return;
	}
	if (probe && sa->state == SA_UP)
		sa_note(sa, IKE_NOTE_LIVENESS, took);
	if (error && is_fatal(error->type) && !sa->ended) {
		sa_end(sa, IKE_FAIL_PROTOCOL, error->type, FAREWELL_NONE,
			"the peer answers INFORMATIONAL with %s", ike_notify_name(error->type));
		return;
	}
	info_pump(sa);
}

void info_pump(struct ike_sa *sa)
{
	struct ike_builder b;

	if (sa->state == SA_GONE || sa->request.tries || !sa->keyed)
		return;
	if (sa->want_auth_failed) {
		b = sa_build(sa, IKE_EXCH_INFORMATIONAL, false);
		ike_build_notify(&b, IKE_N_AUTHENTICATION_FAILED, NULL, 0);
	} else if (sa->want_delete) {
		b = sa_build(sa, IKE_EXCH_INFORMATIONAL, false);
		ike_build_delete_ike(&b);
	} else if (sa->want_probe && sa->state == SA_UP) {
		b = sa_build(sa, IKE_EXCH_INFORMATIONAL, false);
		sa->probing = true;
	} else {
		return;
	}
	sa->want_auth_failed = sa->want_delete = sa->want_probe = false;
	sa_send_request(sa, &b, IKE_EXCH_INFORMATIONAL);
}
