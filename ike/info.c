/* SPDX-License-Identifier: BSD-2-Clause */
/* INFORMATIONAL: deletes, liveness, and the farewells of an SA (RFC 7296 sections 1.4, 1.4.1, 2.4,
 * 2.21.2). */
#include <string.h>

#include "ike/exchange.h"

/* Our inbound SPIs that one DELETE of the peer's can answer for. */
#define DELETED_MAX 16
/* The answer to a DELETE waits no longer for the kernel: the peer must not take us for dead. */
#define SWITCH_PATIENCE (2 * SECOND)

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
		/* both delete it at one time: it is not answered for (1.4.1) */
		if (child->state != CHILD_DELETING)
			ret_spis[n++] = child->spi_in;
		create_succeed(sa, child);
		child_gone(sa, child);
	}
	return n;
}

/* Whether the kernel is about to send by another child, of this SA or of the one that it was rekeyed to. */
static bool is_switching(const struct ike_sa *sa)
{
	const struct ike_sa *main = table_find(&sa->core->by_handle, &sa->handle);
	const struct child *child;

	if (!main)
		return false;
	DL_FOREACH(main->children, child) {
		if (child->out_pending)
			return true;
	}
	return false;
}

void info_release(struct ike_sa *sa)
{
	if (sa->due[SA_TIMER_ANSWER] == NEVER)
		return;
	sa_set_timer(sa, SA_TIMER_ANSWER, NEVER);
	sa_send_kept(sa);
}

void info_on_switched(struct ike_sa *sa)
{
	struct ike_sa *other;

	DL_FOREACH2(sa->peer->sas, other, peer_next)
	{
		if (other->handle == sa->handle && !is_switching(other))
			info_release(other);
	}
}

/* With what the peer has deleted it may drop what comes by it at once, as soon as it is told that we
 * know: so it is told when nothing is sent by that any more. */
static void answer(struct ike_sa *sa, struct ike_builder *b, bool deleted)
{
	if (!deleted || !is_switching(sa)) {
		sa_send_reply(sa, b);
		return;
	}
	sa_keep_reply(sa, b);
	sa_set_timer(sa, SA_TIMER_ANSWER, sa->core->now + SWITCH_PATIENCE);
}

bool info_deletes_ike(const struct ike_payloads *p)
{
	for (size_t i = 0; i < p->n_delete; i++)
		if (p->delete[i].protocol == IKE_PROTO_IKE)
			return true;
	return false;
}

void info_on_request(struct ike_sa *sa, const struct message *m)
{
	const struct ike_notify *error = ike_notify_error(&m->inner);
	bool gone = info_deletes_ike(&m->inner), fatal = error && is_fatal(error->type);
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
	answer(sa, &b, n > 0);
	if (!gone && !fatal) {
		create_check_orphan(sa);
		info_pump(sa);
		return;
	}
	if (gone && !sa->ended)
		rekey_on_delete(sa);
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

/* The peer has deleted what we told it. */
static void children_deleted(struct ike_sa *sa)
{
	struct child *child, *next;

	DL_FOREACH_SAFE(sa->children, child, next) {
		if (child->state != CHILD_DELETING)
			continue;
		create_succeed(sa, child);
		child_gone(sa, child);
	}
}

void info_on_response(struct ike_sa *sa, const struct message *m)
{
	uint64_t took = sa->core->now - sa->request.sent_at;
	const struct ike_notify *error = ike_notify_error(&m->inner);
	bool probe = sa->probing, parting = sa->parting;

	sa_request_done(sa);
	if (parting && !sa->ended) {
		sa_end(sa, IKE_FAIL_REPLACED, 0, FAREWELL_NONE,
			"another SA with the peer took its place");
		return;
	}
	if (parting) {
		if (sa->state == SA_DELETING)
			sa_set_state(sa, SA_GONE);
		return;
	}
	if (probe && sa->state == SA_UP)
		sa_note(sa, IKE_NOTE_LIVENESS, took);
	else
		children_deleted(sa);
	if (error && is_fatal(error->type) && !sa->ended) {
		sa_end(sa, IKE_FAIL_PROTOCOL, error->type, FAREWELL_NONE,
			"the peer answers INFORMATIONAL with %s", ike_notify_name(error->type));
		return;
	}
	if (probe && sa->state == SA_UP) {
		create_on_alive(sa);
		twin_on_alive(sa);
	}
	create_check_orphan(sa);
	info_pump(sa);
}

/* Appends DELETE for the children that are to go. Returns whether there are any. */
static bool put_child_deletes(struct ike_sa *sa, struct ike_builder *b)
{
	uint32_t spis[DELETED_MAX];
	struct child *child;
	size_t n = 0;

	DL_FOREACH(sa->children, child) {
		if (!child->want_delete || child->state == CHILD_OFFERED || n == DELETED_MAX)
			continue;
		child->want_delete = false;
		child->state = CHILD_DELETING;
		spis[n++] = child->spi_in;
	}
	if (n)
		ike_build_delete_esp(b, spis, n);
	return n;
}

void info_pump(struct ike_sa *sa)
{
	struct ike_builder b;

	if (sa->state == SA_GONE || sa->request.tries || !sa->keyed)
		return;
	b = sa_build(sa, IKE_EXCH_INFORMATIONAL, false);
	if (sa->want_auth_failed) {
		ike_build_notify(&b, IKE_N_AUTHENTICATION_FAILED, NULL, 0);
		/* Libreswan 4.10 heeds no error here: it would keep its SAs, and send by them */
		ike_build_delete_ike(&b);
	} else if (sa->want_delete) {
		ike_build_delete_ike(&b);
	} else if (sa->state != SA_UP || put_child_deletes(sa, &b)) {
		if (sa->state != SA_UP)
			return;
		sa_send_request(sa, &b, IKE_EXCH_INFORMATIONAL);
		return;
	} else if (sa->want_probe || sa->want_token || sa->want_invalid) {
		sa->probing = sa->want_probe;
		if (sa->want_token)
			crash_put_token(sa, &b);
		crash_put_invalid(sa, &b);
	} else {
		create_pump(sa);
		return;
	}
	sa->parting = sa->want_auth_failed || sa->want_delete;
	sa->want_auth_failed = sa->want_delete = sa->want_probe = sa->want_token = false;
	sa_send_request(sa, &b, IKE_EXCH_INFORMATIONAL);
}
