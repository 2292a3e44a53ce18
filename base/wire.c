/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/wire.h"

#include <string.h>

struct wire_reader wire_reader(const void *data, size_t len)
{
	return (struct wire_reader){.data = data, .len = len};
}

size_t wire_left(const struct wire_reader *r)
{
	return r->bad ? 0 : r->len - r->pos;
}

const uint8_t *wire_bytes(struct wire_reader *r, size_t len)
{
	static const uint8_t nothing;
	const uint8_t *p;

	if (r->bad || len > r->len - r->pos) {
		r->bad = true;
		return NULL;
	}
	/* an empty buffer may be NULL, and NULL says "not there" */
	p = r->data ? r->data + r->pos : &nothing;
	r->pos += len;
	return p;
}

static uint64_t get(struct wire_reader *r, size_t len)
{
	const uint8_t *p = wire_bytes(r, len);
	uint64_t v = 0;

	for (size_t i = 0; p && i < len; i++)
		v = v << 8 | p[i];
	return v;
}

uint8_t wire_u8(struct wire_reader *r)
{
	return (uint8_t)get(r, 1);
}

uint16_t wire_u16(struct wire_reader *r)
{
	return (uint16_t)get(r, 2);
}

uint32_t wire_u32(struct wire_reader *r)
{
	return (uint32_t)get(r, 4);
}

uint64_t wire_u64(struct wire_reader *r)
{
	return get(r, 8);
}

void wire_copy(struct wire_reader *r, void *dst, size_t len)
{
	const uint8_t *p = wire_bytes(r, len);

	if (!len)
		return;
	if (p)
		memcpy(dst, p, len);
	else
		memset(dst, 0, len);
}

void wire_skip(struct wire_reader *r, size_t len)
{
	(void)wire_bytes(r, len);
}

struct wire_reader wire_sub(struct wire_reader *r, size_t len)
{
	const uint8_t *p = wire_bytes(r, len);

	if (!p)
		return (struct wire_reader){.bad = true};
	return wire_reader(p, len);
}

struct wire_writer wire_writer(void *data, size_t cap)
{
	return (struct wire_writer){.data = data, .cap = cap};
}

uint8_t *wire_reserve(struct wire_writer *w, size_t len)
{
	uint8_t *p;

	if (w->bad || len > w->cap - w->pos) {
		w->bad = true;
		return NULL;
	}
	p = w->data + w->pos;
	w->pos += len;
	return p;
}

static void put_at(uint8_t *p, uint64_t v, size_t len)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(v >> (8 * (len - 1 - i)));
}

static void put(struct wire_writer *w, uint64_t v, size_t len)
{
	uint8_t *p = wire_reserve(w, len);

	if (p)
		put_at(p, v, len);
}

void wire_put_u8(struct wire_writer *w, uint8_t v)
{
	put(w, v, 1);
}

void wire_put_u16(struct wire_writer *w, uint16_t v)
{
	put(w, v, 2);
}

void wire_put_u32(struct wire_writer *w, uint32_t v)
{
	put(w, v, 4);
}

void wire_put_u64(struct wire_writer *w, uint64_t v)
{
	put(w, v, 8);
}

void wire_put(struct wire_writer *w, const void *src, size_t len)
{
	uint8_t *p = wire_reserve(w, len);

	if (p && len)
		memcpy(p, src, len);
}

static void patch(struct wire_writer *w, size_t at, uint64_t v, size_t len)
{
	if (w->bad || at > w->pos || len > w->pos - at)
		w->bad = true;
	else
		put_at(w->data + at, v, len);
}

void wire_patch_u8(struct wire_writer *w, size_t at, uint8_t v)
{
	patch(w, at, v, 1);
}

void wire_patch_u16(struct wire_writer *w, size_t at, uint16_t v)
{
	patch(w, at, v, 2);
}

void wire_patch_u32(struct wire_writer *w, size_t at, uint32_t v)
{
	patch(w, at, v, 4);
}
