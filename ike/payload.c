/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading IKEv2 messages. See payload.h; what builds them is in build.c. */
#include "ike/payload.h"

#include <string.h>

/* Payloads of one chain that we are willing to walk, known or not. */
#define CHAIN_MAX 96
#define CRITICAL 0x80

enum ike_parse ike_header_parse(const void *data, size_t len, struct ike_header *ret)
{
	struct wire_reader r = wire_reader(data, len);
	struct ike_header h = {
		.spi_i = wire_u64(&r),
	};

	h.spi_r = wire_u64(&r);
	h.next = wire_u8(&r);
	h.version = wire_u8(&r);
	h.exchange = wire_u8(&r);
	h.flags = wire_u8(&r);
	h.msgid = wire_u32(&r);
	h.length = wire_u32(&r);
	if (r.bad)
		return IKE_PARSE_SHORT;
	/* a minor version other than 0 is ours to ignore (RFC 7296 2.5) */
	if (h.version >> 4 != 2) {
		*ret = h;
		return IKE_PARSE_VERSION;
	}
	if (h.length != len)
		return IKE_PARSE_LENGTH;
	/* but for N(INVALID_SPI) outside of any IKE SA (RFC 7296 1.5) */
	if (!h.spi_i && (h.spi_r || h.exchange != IKE_EXCH_INFORMATIONAL))
		return IKE_PARSE_HEADER;
	*ret = h;
	return IKE_PARSE_OK;
}

static bool known(uint8_t type)
{
	return (type >= IKE_PL_SA && type <= IKE_PL_EAP) || type == IKE_PL_SKF;
}

/* Those that may come more than once. */
static bool repeatable(uint8_t type)
{
	return type == IKE_PL_NOTIFY || type == IKE_PL_DELETE || type == IKE_PL_VENDOR ||
	       type == IKE_PL_CERT || type == IKE_PL_CERTREQ;
}

static struct ike_bytes rest(struct wire_reader *r)
{
	size_t len = wire_left(r);

	return (struct ike_bytes){.p = wire_bytes(r, len), .len = len};
}

static enum ike_parse take_id(struct wire_reader *r, struct ike_bytes body, struct ike_id *ret)
{
	ret->type = wire_u8(r);
	wire_skip(r, 3);
	if (r->bad)
		return IKE_PARSE_PAYLOAD;
	ret->data = rest(r);
	ret->body = body;
	return IKE_PARSE_OK;
}

static enum ike_parse take_notify(struct wire_reader *r, struct ike_payloads *p)
{
	struct ike_notify n = {0};

	if (p->n_notify == IKE_NOTIFIES_MAX)
		return IKE_PARSE_TOO_MANY;
	n.protocol = wire_u8(r);
	n.spi.len = wire_u8(r);
	n.type = wire_u16(r);
	n.spi.p = wire_bytes(r, n.spi.len);
	if (r->bad)
		return IKE_PARSE_PAYLOAD;
	n.data = rest(r);
	p->notify[p->n_notify++] = n;
	return IKE_PARSE_OK;
}

static enum ike_parse take_delete(struct wire_reader *r, struct ike_payloads *p)
{
	struct ike_delete d = {0};

	if (p->n_delete == IKE_DELETES_MAX)
		return IKE_PARSE_TOO_MANY;
	d.protocol = wire_u8(r);
	d.spi_size = wire_u8(r);
	d.count = wire_u16(r);
	if (r->bad || wire_left(r) != (size_t)d.spi_size * d.count)
		return IKE_PARSE_PAYLOAD;
	d.spis = rest(r);
	p->delete[p->n_delete++] = d;
	return IKE_PARSE_OK;
}

/* Those of another encoding, and those past what a chain has, are counted only. */
static enum ike_parse take_cert(struct wire_reader *r, struct ike_payloads *p)
{
	uint8_t encoding = wire_u8(r);

	if (r->bad)
		return IKE_PARSE_PAYLOAD;
	if (encoding == IKE_CERT_X509 && p->n_cert < IKE_PEER_CERTS_MAX)
		p->cert[p->n_cert++] = rest(r);
	return IKE_PARSE_OK;
}

/* The fields of one payload whose body r stands before. */
static enum ike_parse take(uint8_t type, struct ike_bytes body, struct ike_payloads *p)
{
	struct wire_reader r = wire_reader(body.p, body.len);

	switch (type) {
	case IKE_PL_SA:
		p->sa = body;
		break;
	case IKE_PL_KE:
		p->ke_group = wire_u16(&r);
		wire_skip(&r, 2);
		p->ke = rest(&r);
		break;
	case IKE_PL_IDI:
		return take_id(&r, body, &p->idi);
	case IKE_PL_IDR:
		return take_id(&r, body, &p->idr);
	case IKE_PL_CERT:
		return take_cert(&r, p);
	case IKE_PL_AUTH:
		p->auth_method = wire_u8(&r);
		wire_skip(&r, 3);
		p->auth = rest(&r);
		break;
	case IKE_PL_NONCE:
		if (body.len < IKE_NONCE_MIN || body.len > IKE_NONCE_MAX)
			return IKE_PARSE_NONCE;
		p->nonce = body;
		break;
	case IKE_PL_NOTIFY:
		return take_notify(&r, p);
	case IKE_PL_DELETE:
		return take_delete(&r, p);
	case IKE_PL_TSI:
		p->tsi = body;
		break;
	case IKE_PL_TSR:
		p->tsr = body;
		break;
	default: /* CERTREQ, V, CP, EAP: counted, nothing in them concerns us */
		break;
	}
	return r.bad ? IKE_PARSE_PAYLOAD : IKE_PARSE_OK;
}

enum ike_parse ike_payloads_parse(
	uint8_t first, const void *data, size_t len, bool inner, struct ike_payloads *ret)
{
	struct wire_reader r = wire_reader(data, len);
	unsigned int walked = 0;
	uint8_t type = first;

	*ret = (struct ike_payloads){0};
	while (type != IKE_PL_NONE) {
		uint8_t next = wire_u8(&r);
		uint8_t flags = wire_u8(&r);
		uint16_t size = wire_u16(&r);
		struct ike_bytes body = {.len = size - (size_t)IKE_GENERIC_LEN};
		enum ike_parse cause;

		if (r.bad || size < IKE_GENERIC_LEN)
			return IKE_PARSE_TRUNCATED;
		body.p = wire_bytes(&r, body.len);
		if (!body.p)
			return IKE_PARSE_TRUNCATED;
		if (++walked > CHAIN_MAX)
			return IKE_PARSE_TOO_MANY;
		if (!known(type)) {
			if (flags & CRITICAL) {
				ret->critical = type;
				return IKE_PARSE_CRITICAL;
			}
			type = next;
			continue;
		}
		if (ret->count[type - IKE_PL_FIRST]++ && !repeatable(type))
			return IKE_PARSE_DUPLICATE;
		if (type == IKE_PL_SK || type == IKE_PL_SKF) {
			/* the last one; its next payload is the first inside (RFC 7296 3.14) */
			if (inner || wire_left(&r))
				return IKE_PARSE_ENCRYPTED;
			ret->sk_next = next;
			ret->sk_flags = flags;
			ret->sk = body;
			return IKE_PARSE_OK;
		}
		cause = take(type, body, ret);
		if (cause != IKE_PARSE_OK)
			return cause;
		type = next;
	}
	return wire_left(&r) ? IKE_PARSE_TRAILING : IKE_PARSE_OK;
}

unsigned int ike_payloads_count(const struct ike_payloads *p, enum ike_payload type)
{
	return known((uint8_t)type) ? p->count[type - IKE_PL_FIRST] : 0;
}

const struct ike_notify *ike_notify_find(const struct ike_payloads *p, uint16_t type)
{
	for (size_t i = 0; i < p->n_notify; i++)
		if (p->notify[i].type == type)
			return &p->notify[i];
	return NULL;
}

const struct ike_notify *ike_notify_error(const struct ike_payloads *p)
{
	for (size_t i = 0; i < p->n_notify; i++)
		if (p->notify[i].type < IKE_N_STATUS)
			return &p->notify[i];
	return NULL;
}

/* ---- traffic selectors */

enum ts_type {
	TS_IPV4_ADDR_RANGE = 7,
	TS_IPV6_ADDR_RANGE = 8,
};

static struct addr take_addr(struct wire_reader *r, uint8_t type)
{
	uint8_t b[16];

	wire_copy(r, b, type == TS_IPV4_ADDR_RANGE ? 4 : 16);
	return type == TS_IPV4_ADDR_RANGE ? addr_from_v4(b) : addr_from_v6(b);
}

enum ike_parse ike_ts_parse(struct ike_bytes body, struct ike_ts *ret, size_t max, size_t *ret_n)
{
	struct wire_reader r = wire_reader(body.p, body.len);
	unsigned int count = wire_u8(&r);
	size_t n = 0;

	wire_skip(&r, 3);
	if (r.bad || !count)
		return IKE_PARSE_SELECTOR;
	while (count--) {
		uint8_t type = wire_u8(&r);
		uint8_t proto = wire_u8(&r);
		uint16_t size = wire_u16(&r);
		struct ike_ts ts = {.proto = proto};
		struct wire_reader s;

		if (r.bad || size < 4)
			return IKE_PARSE_SELECTOR;
		s = wire_sub(&r, size - 4u);
		if (r.bad)
			return IKE_PARSE_SELECTOR;
		if (type != TS_IPV4_ADDR_RANGE && type != TS_IPV6_ADDR_RANGE)
			continue; /* security labels and the like */
		ts.port_first = wire_u16(&s);
		ts.port_last = wire_u16(&s);
		ts.first = take_addr(&s, type);
		ts.last = take_addr(&s, type);
		if (s.bad || wire_left(&s) || addr_compare(&ts.first, &ts.last) > 0)
			return IKE_PARSE_SELECTOR;
		if (n < max)
			ret[n++] = ts;
	}
	if (wire_left(&r))
		return IKE_PARSE_SELECTOR;
	*ret_n = n;
	return IKE_PARSE_OK;
}

bool ike_ts_covers(const struct ike_ts *a, const struct ike_ts *b)
{
	return (!a->proto || a->proto == b->proto) && b->port_first <= b->port_last &&
	       a->port_first <= b->port_first &&
	       b->port_last <= a->port_last && a->first.family == b->first.family &&
	       addr_compare(&a->first, &b->first) <= 0 && addr_compare(&b->last, &a->last) <= 0;
}

struct ike_ts ike_ts_host(const struct addr *host)
{
	return (struct ike_ts){.port_last = UINT16_MAX, .first = *host, .last = *host};
}
