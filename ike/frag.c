/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages under SK in pieces that need no IP fragments (RFC 7383).
 *
 * A message of ours that was sealed, for the request that is out and for the reply that is kept, is
 * a run of whole IKE messages: one with SK, or all fragments in order. Each says its length, so
 * nothing else need be kept. To send it again in smaller pieces (section 2.5.2) it is opened with
 * our own key: that is rare, and costs no memory while it does not happen.
 *
 * Of the peer one request and one response at a time are put together again. Only what is authentic
 * is kept, within a limit for each message and one for all.
 */
#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "ike/exchange.h"

#define FRAGMENTS_MAX 64
/* Of the parts of all messages that are not complete. */
#define PARTS_BYTES_MAX (16u << 20)
/* For the rest of a message; a sender has given up by then. */
#define PATIENCE (30 * SECOND)

#define EXCHANGE_AT 18 /* in the IKE header */
#define LENGTH_AT 24
#define NUMBERS_LEN 4
#define UDP_LEN 8

/* The longest IP datagrams: what any IPv6 link takes; and for tunnels and old links (2.5.1). */
static const uint16_t sizes[] = {1280, 576};
#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

struct ike_parts {
	uint32_t msgid;
	uint8_t exchange;
	uint8_t first;    /* the type of the first payload inside */
	uint8_t sk_flags; /* of the first fragment */
	uint16_t total;
	uint16_t have;
	size_t longest; /* IKE message that brought one */
	size_t bytes;
	struct blob part[];
};

/* ---- sending */

/* The longest IKE message in an IP datagram of sizes[size]. */
static size_t room_of(const struct ike_sa *sa, size_t size)
{
	size_t ip = addr_size(&sa->peer->pair.local) == 4 ? 20 : 40;
	size_t marker = sa->local_port == IKE_PORT_NATT ? 4 : 0;

	return sizes[size] - ip - UDP_LEN - marker;
}

static size_t message_room(const struct ike_sa *sa)
{
	return room_of(sa, sa->frag_size);
}

static const struct ike_aead *own_key(const struct ike_sa *sa, uint8_t exchange)
{
	return mix_key(sa, exchange, sa->initiator);
}

static void append(struct blob *to, const uint8_t *p, size_t len)
{
	uint8_t *all = ike_alloc(to->len + len);

	if (to->len)
		memcpy(all, to->p, to->len);
	if (len)
		memcpy(all + to->len, p, len);
	len += to->len;
	blob_free(to);
	*to = (struct blob){all, len};
}

/* Seals plain, what is to be in SK and begins with payload first, in fragments. */
static int write_fragments(struct ike_sa *sa, const struct ike_header *h, uint8_t first,
	struct ike_bytes plain, struct blob *ret)
{
	const struct ike_aead *key = own_key(sa, h->exchange);
	size_t head = IKE_HEADER_LEN + IKE_GENERIC_LEN + NUMBERS_LEN + ike_sk_overhead(key);
	size_t chunk = message_room(sa) - head;
	size_t total = (plain.len + chunk - 1) / chunk;
	struct blob all = {0};
	uint8_t buf[1280];

	if (total > UINT16_MAX)
		return -EMSGSIZE;
	for (size_t i = 0; i < total; i++) {
		size_t at = i * chunk, n = plain.len - at < chunk ? plain.len - at : chunk, len;
		struct ike_builder b = ike_build(buf, sizeof(buf), h);
		int r;

		ike_build_skf(&b, i ? IKE_PL_NONE : first, (uint16_t)(i + 1), (uint16_t)total,
			key->encr->iv_len);
		wire_put(&b.w, plain.p + at, n);
		r = ike_sk_seal(&b, key, sa->iv++, &len);
		if (r < 0) {
			blob_free(&all);
			return r;
		}
		append(&all, buf, len);
	}
	sa_note(sa, IKE_NOTE_FRAGMENTED, total);
	*ret = all;
	return 0;
}

struct blob frag_seal(struct ike_sa *sa, struct ike_builder *b)
{
	const struct ike_aead *key = own_key(sa, b->w.data[EXCHANGE_AT]);
	size_t text = b->sk_at + IKE_GENERIC_LEN + key->encr->iv_len, len;
	struct blob ret = {0};
	int r = -EMSGSIZE;

	if (b->w.bad) {
		/* below */
	} else if (sa->fragments && b->w.pos + ike_sk_overhead(key) > message_room(sa)) {
		struct ike_header h = {.spi_i = sa->spi_i, .spi_r = sa->spi_r};
		struct wire_reader w = wire_reader(b->w.data, b->w.pos);

		wire_skip(&w, EXCHANGE_AT);
		h.exchange = wire_u8(&w);
		h.flags = wire_u8(&w);
		h.msgid = wire_u32(&w);
		r = write_fragments(sa, &h, b->w.data[b->sk_at],
			(struct ike_bytes){b->w.data + text, b->w.pos - text}, &ret);
	} else {
		r = ike_sk_seal(b, key, sa->iv++, &len);
		if (r == 0)
			ret = blob_copy(b->w.data, len);
	}
	if (r < 0) /* our own bug or OpenSSL's */
		log_error("cannot seal a message: %s", strerror(-r));
	return ret;
}

bool frag_next(const struct blob *run, size_t *at, struct ike_bytes *ret)
{
	struct wire_reader r = wire_reader(run->p, run->len);
	uint32_t len;

	wire_skip(&r, *at + LENGTH_AT);
	len = wire_u32(&r);
	if (r.bad || len < IKE_HEADER_LEN || len > run->len - *at)
		return false;
	*ret = (struct ike_bytes){run->p + *at, len};
	*at += len;
	return true;
}

/* Opens one message that we sealed ourselves and appends what is inside. */
static bool open_own(struct ike_sa *sa, struct ike_bytes message, struct ike_header *h,
	uint8_t *first, struct blob *plain)
{
	struct blob copy = blob_copy(message.p, message.len);
	struct ike_payloads outer;
	struct ike_bytes inside;
	bool good = ike_header_parse(copy.p, copy.len, h) == IKE_PARSE_OK &&
		    ike_payloads_parse(h->next, copy.p + IKE_HEADER_LEN, copy.len - IKE_HEADER_LEN,
			    false, &outer) == IKE_PARSE_OK &&
		    outer.sk.p;

	if (good && h->next == IKE_PL_SKF) {
		outer.sk.p += NUMBERS_LEN;
		outer.sk.len -= NUMBERS_LEN;
	}
	if (good &&
		ike_sk_open(own_key(sa, h->exchange), copy.p, copy.len, &outer.sk, &inside) == 0) {
		if (outer.sk_next)
			*first = outer.sk_next;
		append(plain, inside.p, inside.len);
	} else {
		good = false;
	}
	blob_free(&copy);
	return good;
}

bool frag_shrink(struct ike_sa *sa, struct blob *run)
{
	struct blob plain = {0}, smaller = {0};
	struct ike_bytes message;
	struct ike_header h = {0};
	uint8_t first = IKE_PL_NONE;
	bool good = true, any = false;
	size_t at = 0;

	/* all but the last fragment are as long as may be; a message that is short enough stays */
	if (!sa->fragments || !sa->keyed || sa->frag_size + 1u >= SIZES ||
		!frag_next(run, &at, &message))
		return false;
	sa->frag_size++;
	if (message.len <= message_room(sa))
		return false;
	for (at = 0; good && frag_next(run, &at, &message); any = true)
		good = open_own(sa, message, &h, &first, &plain);
	if (good && any)
		good = write_fragments(sa, &h, first, blob_bytes(&plain), &smaller) == 0;
	blob_free(&plain);
	if (!good || !any)
		return false;
	blob_free(run);
	*run = smaller;
	return true;
}

/* ---- receiving */

void frag_forget(struct ike_sa *sa, bool response)
{
	struct ike_parts *q = sa->parts[response];

	if (!q)
		return;
	for (uint16_t i = 0; i < q->total; i++)
		blob_free(&q->part[i]);
	sa->core->parts_bytes -= q->bytes;
	free(q);
	sa->parts[response] = NULL;
	if (!sa->parts[!response] && sa->state != SA_GONE)
		sa_set_timer(sa, SA_TIMER_FRAGMENTS, NEVER);
}

static struct ike_parts *new_parts(struct ike_sa *sa, const struct ike_header *h, uint16_t total)
{
	struct ike_parts *q = ike_alloc(sizeof(*q) + total * sizeof(q->part[0]));
	bool response = h->flags & IKE_FLAG_RESPONSE;

	q->msgid = h->msgid;
	q->exchange = h->exchange;
	q->total = total;
	q->bytes = sizeof(*q) + total * sizeof(q->part[0]);
	sa->core->parts_bytes += q->bytes;
	sa->parts[response] = q;
	sa_set_timer(sa, SA_TIMER_FRAGMENTS, sa->core->now + PATIENCE);
	return q;
}

/* The tests that come before decryption (section 2.6). q: what there is of the message, or NULL. */
static enum ike_parse check_numbers(const struct message *m, const struct ike_parts *q,
	uint16_t number, uint16_t total, bool *ret_repeated)
{
	*ret_repeated = false;
	if (!number || !total || number > total || total > FRAGMENTS_MAX)
		return IKE_PARSE_FRAGMENT;
	/* only the first one says what is inside (2.5) */
	if (number > 1 && m->outer.sk_next != IKE_PL_NONE)
		return IKE_PARSE_FRAGMENT;
	if (!q)
		return IKE_PARSE_OK;
	if (total < q->total || m->h.exchange != q->exchange)
		return IKE_PARSE_FRAGMENT;
	*ret_repeated = total == q->total && q->part[number - 1].p;
	return IKE_PARSE_OK;
}

/* All parts in a row; the queue goes. */
static struct blob merge(struct ike_sa *sa, bool response)
{
	struct ike_parts *q = sa->parts[response];
	struct blob all = {0};
	size_t at = 0;

	for (uint16_t i = 0; i < q->total; i++)
		all.len += q->part[i].len;
	all.p = ike_alloc(all.len ? all.len : 1);
	for (uint16_t i = 0; i < q->total; i++) {
		memcpy(all.p + at, q->part[i].p, q->part[i].len);
		at += q->part[i].len;
	}
	sa_note(sa, IKE_NOTE_REASSEMBLED, q->total);
	/* an answer need not be longer than what came through (2.5.1) */
	while (!response && q->total > 1 && sa->frag_size + 1u < SIZES &&
		q->longest <= room_of(sa, sa->frag_size + 1u))
		sa->frag_size++;
	frag_forget(sa, response);
	return all;
}

static enum ike_parse open_fragment(struct ike_sa *sa, struct message *m, struct ike_bytes *ret)
{
	const struct ike_aead *key = mix_key(sa, m->h.exchange, !sa->initiator);
	struct ike_bytes sk = {m->outer.sk.p + NUMBERS_LEN, m->outer.sk.len - NUMBERS_LEN};

	return ike_sk_open(key, m->data, m->len, &sk, ret) < 0 ? IKE_PARSE_DECRYPT : IKE_PARSE_OK;
}

static void keep(struct ike_sa *sa, struct message *m, uint16_t number, uint16_t total,
	struct ike_bytes text)
{
	bool response = m->h.flags & IKE_FLAG_RESPONSE;
	struct ike_parts *q = sa->parts[response];

	if (q && total > q->total) {
		frag_forget(sa, response);
		q = NULL;
	}
	if (!q)
		q = new_parts(sa, &m->h, total);
	if (q->bytes + text.len > AUTH_MESSAGE_MAX ||
		sa->core->parts_bytes + text.len > PARTS_BYTES_MAX) {
		core_count(sa->core, IKE_STAT_FRAGMENT_LIMIT);
		frag_forget(sa, response);
		return;
	}
	q->part[number - 1] = blob_copy(text.p, text.len);
	q->have++;
	q->bytes += text.len;
	sa->core->parts_bytes += text.len;
	if (m->len > q->longest)
		q->longest = m->len;
	if (number == 1) {
		q->first = m->outer.sk_next;
		q->sk_flags = m->outer.sk_flags;
	}
}

enum ike_parse frag_take(struct ike_sa *sa, struct message *m, bool repeated, struct blob *ret)
{
	bool response = m->h.flags & IKE_FLAG_RESPONSE, known;
	struct wire_reader r = wire_reader(m->outer.sk.p, m->outer.sk.len);
	uint16_t number = wire_u16(&r), total = wire_u16(&r);
	struct ike_parts *q = sa->parts[response];
	enum ike_parse cause;
	struct ike_bytes text;

	if (!sa->fragments)
		return IKE_PARSE_UNEXPECTED;
	if (q && q->msgid != m->h.msgid) {
		frag_forget(sa, response);
		q = NULL;
	}
	cause = r.bad ? IKE_PARSE_ENCRYPTED : check_numbers(m, q, number, total, &known);
	if (cause != IKE_PARSE_OK)
		return cause;
	/* of a request that was answered only the first one asks for the answer again (2.6.1) */
	if (known || (repeated && number != 1)) {
		core_count(sa->core, IKE_STAT_REPEATED);
		return IKE_PARSE_OK;
	}
	cause = open_fragment(sa, m, &text);
	if (cause != IKE_PARSE_OK)
		return cause;
	if (repeated) {
		*ret = blob_copy(NULL, 0);
		return IKE_PARSE_OK;
	}
	keep(sa, m, number, total, text);
	OPENSSL_cleanse((void *)(uintptr_t)text.p, text.len);
	q = sa->parts[response];
	if (q && q->have == q->total) {
		m->first = q->first;
		m->sk_flags = q->sk_flags;
		*ret = merge(sa, response);
	}
	return IKE_PARSE_OK;
}
