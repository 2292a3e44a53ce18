/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing IKEv2 messages. See payload.h; what reads them is in payload.c. */
#include "ike/payload.h"

#include <assert.h>
#include <errno.h>

enum {
	NEXT_AT = 16, /* in the header */
	LENGTH_AT = 24,
	SIZE_AT = 2, /* in the generic payload header */
};

struct ike_builder ike_build(void *buf, size_t cap, const struct ike_header *hdr)
{
	struct ike_builder b = {.w = wire_writer(buf, cap), .next_at = NEXT_AT};

	wire_put_u64(&b.w, hdr->spi_i);
	wire_put_u64(&b.w, hdr->spi_r);
	wire_put_u8(&b.w, IKE_PL_NONE);
	wire_put_u8(&b.w, 0x20);
	wire_put_u8(&b.w, hdr->exchange);
	wire_put_u8(&b.w, hdr->flags);
	wire_put_u32(&b.w, hdr->msgid);
	wire_put_u32(&b.w, 0);
	return b;
}

void ike_build_open(struct ike_builder *b, enum ike_payload type)
{
	assert(!b->open);
	b->open = true;
	wire_patch_u8(&b->w, b->next_at, (uint8_t)type);
	b->payload_at = b->next_at = b->w.pos;
	wire_put_u8(&b->w, IKE_PL_NONE);
	wire_put_u8(&b->w, 0);
	wire_put_u16(&b->w, 0);
}

void ike_build_close(struct ike_builder *b)
{
	size_t size = b->w.pos - b->payload_at;

	assert(b->open);
	b->open = false;
	if (size > UINT16_MAX)
		b->w.bad = true;
	wire_patch_u16(&b->w, b->payload_at + SIZE_AT, (uint16_t)size);
}

void ike_build_raw(struct ike_builder *b, enum ike_payload type, const void *body, size_t len)
{
	ike_build_open(b, type);
	wire_put(&b->w, body, len);
	ike_build_close(b);
}

void ike_build_ke(struct ike_builder *b, uint16_t group, const void *pub, size_t len)
{
	ike_build_open(b, IKE_PL_KE);
	wire_put_u16(&b->w, group);
	wire_put_u16(&b->w, 0);
	wire_put(&b->w, pub, len);
	ike_build_close(b);
}

void ike_build_nonce(struct ike_builder *b, const void *nonce, size_t len)
{
	ike_build_raw(b, IKE_PL_NONCE, nonce, len);
}

/* ID and AUTH: one byte that says the kind, three reserved. */
static void build_kind(
	struct ike_builder *b, enum ike_payload type, uint8_t kind, const void *data, size_t len)
{
	ike_build_open(b, type);
	wire_put_u32(&b->w, (uint32_t)kind << 24);
	wire_put(&b->w, data, len);
	ike_build_close(b);
}

void ike_build_id(struct ike_builder *b, enum ike_payload type, enum ike_id_type id_type,
	const void *data, size_t len)
{
	build_kind(b, type, (uint8_t)id_type, data, len);
}

void ike_build_auth(
	struct ike_builder *b, enum ike_auth_method method, const void *data, size_t len)
{
	build_kind(b, IKE_PL_AUTH, (uint8_t)method, data, len);
}

void ike_build_cert(struct ike_builder *b, enum ike_payload type, struct ike_bytes data)
{
	ike_build_open(b, type);
	wire_put_u8(&b->w, IKE_CERT_X509);
	wire_put(&b->w, data.p, data.len);
	ike_build_close(b);
}

void ike_build_notify(struct ike_builder *b, uint16_t type, const void *data, size_t len)
{
	ike_build_open(b, IKE_PL_NOTIFY);
	wire_put_u8(&b->w, IKE_PROTO_NONE);
	wire_put_u8(&b->w, 0);
	wire_put_u16(&b->w, type);
	wire_put(&b->w, data, len);
	ike_build_close(b);
}

void ike_build_notify_esp(struct ike_builder *b, uint16_t type, uint32_t spi)
{
	ike_build_open(b, IKE_PL_NOTIFY);
	wire_put_u8(&b->w, IKE_PROTO_ESP);
	wire_put_u8(&b->w, 4);
	wire_put_u16(&b->w, type);
	wire_put_u32(&b->w, spi);
	ike_build_close(b);
}

void ike_build_delete_ike(struct ike_builder *b)
{
	ike_build_open(b, IKE_PL_DELETE);
	wire_put_u8(&b->w, IKE_PROTO_IKE);
	wire_put_u8(&b->w, 0);
	wire_put_u16(&b->w, 0);
	ike_build_close(b);
}

void ike_build_delete_esp(struct ike_builder *b, const uint32_t *spis, size_t n)
{
	if (n > UINT16_MAX)
		b->w.bad = true;
	ike_build_open(b, IKE_PL_DELETE);
	wire_put_u8(&b->w, IKE_PROTO_ESP);
	wire_put_u8(&b->w, 4);
	wire_put_u16(&b->w, (uint16_t)n);
	for (size_t i = 0; i < n; i++)
		wire_put_u32(&b->w, spis[i]);
	ike_build_close(b);
}

void ike_build_ts(struct ike_builder *b, enum ike_payload type, const struct ike_ts *ts, size_t n)
{
	assert(n > 0 && n <= UINT8_MAX);
	ike_build_open(b, type);
	wire_put_u32(&b->w, (uint32_t)n << 24);
	for (size_t i = 0; i < n; i++) {
		size_t size = addr_size(&ts[i].first);

		wire_put_u8(&b->w, size == 4 ? 7 : 8); /* TS_IPV4_ADDR_RANGE, TS_IPV6_ADDR_RANGE */
		wire_put_u8(&b->w, ts[i].proto);
		wire_put_u16(&b->w, (uint16_t)(8 + 2 * size));
		wire_put_u16(&b->w, ts[i].port_first);
		wire_put_u16(&b->w, ts[i].port_last);
		wire_put(&b->w, ts[i].first.b, size);
		wire_put(&b->w, ts[i].last.b, size);
	}
	ike_build_close(b);
}

void ike_build_sk(struct ike_builder *b, size_t iv_len)
{
	assert(!b->sk);
	ike_build_open(b, IKE_PL_SK);
	b->sk_at = b->payload_at;
	b->sk_head = IKE_GENERIC_LEN;
	b->sk = true;
	b->open = false; /* closed by ike_sk_seal(); the payloads inside come in between */
	(void)wire_reserve(&b->w, iv_len);
}

void ike_build_skf(
	struct ike_builder *b, uint8_t first, uint16_t number, uint16_t total, size_t iv_len)
{
	assert(!b->sk);
	ike_build_open(b, IKE_PL_SKF);
	wire_patch_u8(&b->w, b->payload_at, first);
	b->sk_at = b->payload_at;
	b->sk_head = IKE_GENERIC_LEN + 4;
	b->sk = true;
	b->open = false;
	wire_put_u16(&b->w, number);
	wire_put_u16(&b->w, total);
	(void)wire_reserve(&b->w, iv_len);
}

int ike_build_end(struct ike_builder *b, size_t *ret_len)
{
	assert(!b->open && !b->sk);
	wire_patch_u32(&b->w, LENGTH_AT, (uint32_t)b->w.pos);
	if (b->w.bad)
		return -EMSGSIZE;
	*ret_len = b->w.pos;
	return 0;
}
