/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages under SK: integrity, window, syntax; then the exchange they belong to (RFC 7296 sections
 * 2.1 to 2.3, 2.5, 2.21.2, 2.21.3, 3.14). */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "ike/names.h"
#include "ike/exchange.h"
#include "ike/table.h"

#define STATE(s) (1u << (s))

/* One entry per exchange: who works it, and in which states its requests are taken. Responses need
 * no states: they are taken when their request is out. */
struct exchange {
	uint8_t type; /* enum ike_exchange */
	uint32_t states;
	void (*on_request)(struct ike_sa *sa, const struct message *m);
	void (*on_response)(struct ike_sa *sa, const struct message *m);
};

static const struct exchange exchanges[] = {
	{IKE_EXCH_INTERMEDIATE, STATE(SA_R_MIX), mix_on_request, mix_on_response},
	{IKE_EXCH_AUTH, STATE(SA_R_INIT), auth_on_request, auth_on_response},
	{IKE_EXCH_INFORMATIONAL, STATE(SA_UP) | STATE(SA_REKEYED) | STATE(SA_DELETING),
		info_on_request, info_on_response},
	{IKE_EXCH_CREATE_CHILD, STATE(SA_UP) | STATE(SA_REKEYED) | STATE(SA_DELETING),
		create_on_request, create_on_response},
	{IKE_EXCH_FOLLOWUP_KE, STATE(SA_UP) | STATE(SA_REKEYED) | STATE(SA_DELETING),
		followup_on_request, create_on_response},
};

static const struct exchange *find_exchange(uint8_t type)
{
	for (size_t i = 0; i < sizeof(exchanges) / sizeof(exchanges[0]); i++)
		if (exchanges[i].type == type)
			return &exchanges[i];
	return NULL;
}

/* A message that is authentic and new: whoever sent it is behind this address and port now, and so is
 * its ESP (RFC 7296 2.23). One that is repeated moves nothing. Somebody on the way may still have sent on a
 * new one from where he likes; then our requests go there, until the peer's next new message. To another
 * address no ESP goes before the answer to one of these has come, for an SA in the kernel has its addresses
 * for good and the children are made anew there: that is the check of the way back, of which 2.23 asks
 * nothing and RFC 4555 has its COOKIE2. */
static void on_authentic(struct ike_sa *sa, const struct ike_path *path)
{
	struct ike_moved moved = {.handle = sa->handle, .remote_port = path->remote_port};
	bool elsewhere = !pair_same_hosts(&path->pair, &sa->peer->pair);

	if (elsewhere) {
		moved.remote = path->pair.remote;
		sa_follow(sa, &path->pair);
	}
	if (sa->state == SA_UP && sa->nat_peer && !sa->ended &&
		(elsewhere || path->remote_port != sa->remote_port))
		core_event_struct(sa->core, IKE_EV_MOVED, &moved);
	sa->heard_at = sa->core->now;
	crash_on_heard(sa);
	sa->local_port = path->local_port;
	sa->remote_port = path->remote_port;
	if (sa->state == SA_UP && sa->core->config.liveness_s && !sa->ended)
		sa_set_timer(
			sa, SA_TIMER_LIVENESS, sa->heard_at + sa->core->config.liveness_s * SECOND);
}

/* RFC 7296 2.21.3: a malformed request gets its error, which ends the SA on both sides. */
static void refuse(struct ike_sa *sa, const struct message *m, enum ike_parse cause)
{
	bool critical = cause == IKE_PARSE_CRITICAL;
	uint16_t notify = critical ? IKE_N_UNSUPPORTED_CRITICAL_PAYLOAD : IKE_N_INVALID_SYNTAX;
	struct ike_builder b = sa_build(sa, m->h.exchange, true);

	ike_build_notify(&b, notify, &m->inner.critical, critical ? 1 : 0);
	sa_send_reply(sa, &b);
	/* after IKE_AUTH a payload that is not understood harms nobody (2.5) */
	if (!critical || !sa->up_at)
		sa_end(sa, IKE_FAIL_PROTOCOL, notify, FAREWELL_LINGER, "the peer's %s request: %s",
			ike_exchange_name(m->h.exchange), ike_parse_name(cause));
}

static void on_request(
	struct ike_sa *sa, const struct exchange *ex, const struct message *m, enum ike_parse cause)
{
	if (!(ex->states & STATE(sa->state))) {
		core_count(sa->core, IKE_STAT_EXCHANGE);
		return;
	}
	on_authentic(sa, m->path);
	if (cause != IKE_PARSE_OK) {
		core_count(sa->core, cause);
		refuse(sa, m, cause);
		return;
	}
	sa->answering = ex->type;
	/* what the peer goes on with it wants to keep; that it deletes it says the contrary */
	if (sa->parent && !info_deletes_ike(&m->inner))
		rekey_settle(sa);
	ex->on_request(sa, m);
}

static void on_response(
	struct ike_sa *sa, const struct exchange *ex, const struct message *m, enum ike_parse cause)
{
	on_authentic(sa, m->path);
	if (cause != IKE_PARSE_OK) {
		core_count(sa->core, cause);
		sa_request_done(sa);
		/* 2.21: no error message to a response; the state is cleaned up */
		if (sa->ended)
			sa_set_state(sa, SA_GONE);
		else
			sa_end(sa, IKE_FAIL_PROTOCOL, 0, FAREWELL_DELETE,
				"the peer's %s response: %s", ike_exchange_name(m->h.exchange),
				ike_parse_name(cause));
		return;
	}
	if (sa->state == SA_DELETING && ex->type != IKE_EXCH_INFORMATIONAL) {
		/* ended while this was under way: now the window is open for the farewell */
		sa_request_done(sa);
		info_pump(sa);
		return;
	}
	ex->on_response(sa, m);
}

/* Whether the message ID is one that we wait for; counts the others. */
static bool in_window(struct ike_sa *sa, const struct ike_header *h)
{
	if (h->flags & IKE_FLAG_RESPONSE) {
		if (sa->request.tries && h->msgid == sa->next_out &&
			h->exchange == sa->request.exchange)
			return true;
	} else if (h->msgid == sa->next_in) {
		if (!sa->answering)
			return true;
		core_count(sa->core, IKE_STAT_REPEATED);
		return false;
	} else if (h->msgid + 1 == sa->next_in && sa->reply.len && !sa->answering) {
		return true;
	}
	core_count(sa->core, IKE_STAT_MESSAGE_ID);
	return false;
}

/* Decrypts what is in SK, or adds a fragment to others. *ret_whole: there is a message to be looked
 * at, of which *ret_merged owns what came in fragments. */
static enum ike_parse decrypt(struct ike_sa *sa, struct message *m, bool repeated,
	struct blob *ret_merged, bool *ret_whole)
{
	const struct ike_aead *key = mix_key(sa, m->h.exchange, !sa->initiator);
	enum ike_parse cause = ike_payloads_parse(
		m->h.next, m->data + IKE_HEADER_LEN, m->len - IKE_HEADER_LEN, false, &m->outer);

	if (cause == IKE_PARSE_OK)
		cause = ike_table_check_outer(m->h.exchange, &m->outer);
	if (cause != IKE_PARSE_OK)
		return cause;
	m->first = m->outer.sk_next;
	m->sk_flags = m->outer.sk_flags;
	if (ike_payloads_count(&m->outer, IKE_PL_SKF)) {
		cause = frag_take(sa, m, repeated, ret_merged);
		m->chain = blob_bytes(ret_merged);
		*ret_whole = ret_merged->p;
		return cause;
	}
	*ret_whole = true;
	return ike_sk_open(key, m->data, m->len, &m->outer.sk, &m->chain) < 0 ? IKE_PARSE_DECRYPT
									      : IKE_PARSE_OK;
}

/* Returns false where there is no whole message, or none that is authentic: then it never was.
 * *ret_cause: what is wrong with one that is. */
static bool open_message(struct ike_sa *sa, struct message *m, bool repeated,
	struct blob *ret_merged, enum ike_parse *ret_cause)
{
	bool whole = false;
	enum ike_parse cause = decrypt(sa, m, repeated, ret_merged, &whole);
	enum ike_kind kind;

	if (cause != IKE_PARSE_OK) {
		core_count(sa->core, cause);
		log_debug("%s: %s: dropped: %s", addr_str(&m->path->pair.remote),
			ike_exchange_name(m->h.exchange), ike_parse_name(cause));
		return false;
	}
	if (!whole || repeated)
		return whole;
	cause = ike_payloads_parse(m->first, m->chain.p, m->chain.len, true, &m->inner);
	if (cause == IKE_PARSE_OK && ike_kind_of(m->h.exchange, &m->inner, &kind))
		cause = ike_table_check(
			kind, m->h.flags & IKE_FLAG_RESPONSE, &m->outer, &m->inner, NULL);
	*ret_cause = cause;
	return true;
}

void exchange_on_message(struct ike_sa *sa, const struct ike_path *path, const struct ike_header *h,
	uint8_t *data, size_t len)
{
	const struct exchange *ex = find_exchange(h->exchange);
	bool response = h->flags & IKE_FLAG_RESPONSE;
	bool repeated = !response && h->msgid != sa->next_in;
	struct message m = {.path = path, .h = *h, .data = data, .len = len};
	struct blob merged = {0};
	enum ike_parse cause = IKE_PARSE_OK;

	if (!ex || !sa->keyed) {
		core_count(sa->core, IKE_STAT_EXCHANGE);
		return;
	}
	if (!in_window(sa, h) || !open_message(sa, &m, repeated, &merged, &cause))
		return;
	frag_forget(sa, response);
	if (response) {
		on_response(sa, ex, &m, cause);
	} else if (!repeated) {
		on_request(sa, ex, &m, cause);
	} else {
		/* authentic, so that no stranger can make us repeat it */
		core_count(sa->core, IKE_STAT_REPEATED);
		create_on_repeated(sa);
		sa_repeat_reply(sa, path);
	}
	blob_free(&merged);
}
