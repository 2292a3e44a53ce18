/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bounded cursors over network-order bytes, with a sticky error: after the first access out of
 * bounds every read gives zero and every write does nothing, so a parser checks `bad` once, at the
 * point where it starts to believe what it read. Nobody casts a packet buffer to a struct.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wire_reader {
	const uint8_t *data;
	size_t len; /* bytes in data */
	size_t pos; /* <= len */
	bool bad;   /* something was asked for that is not there */
};

struct wire_writer {
	uint8_t *data;
	size_t cap;
	size_t pos; /* bytes written, <= cap */
	bool bad;   /* something did not fit */
};

struct wire_reader wire_reader(const void *data, size_t len);
/* Bytes not yet read; 0 once bad. */
size_t wire_left(const struct wire_reader *r);
uint8_t wire_u8(struct wire_reader *r);
uint16_t wire_u16(struct wire_reader *r);
uint32_t wire_u32(struct wire_reader *r);
uint64_t wire_u64(struct wire_reader *r);
/* The next len bytes, owned by the buffer; NULL (and bad) where there are fewer. */
const uint8_t *wire_bytes(struct wire_reader *r, size_t len);
/* Copies len bytes out; zeroes dst where there are fewer. */
void wire_copy(struct wire_reader *r, void *dst, size_t len);
void wire_skip(struct wire_reader *r, size_t len);
/* A reader over just the next len bytes, which r then stands behind; an empty bad one on
 * overrun. */
struct wire_reader wire_sub(struct wire_reader *r, size_t len);

struct wire_writer wire_writer(void *data, size_t cap);
void wire_put_u8(struct wire_writer *w, uint8_t v);
void wire_put_u16(struct wire_writer *w, uint16_t v);
void wire_put_u32(struct wire_writer *w, uint32_t v);
void wire_put_u64(struct wire_writer *w, uint64_t v);
void wire_put(struct wire_writer *w, const void *src, size_t len);
/* Room for len bytes that the caller fills; NULL (and bad) where they do not fit. */
uint8_t *wire_reserve(struct wire_writer *w, size_t len);
/* Overwrites a 16-bit or 32-bit field written before, such as a length known only at the end. */
void wire_patch_u8(struct wire_writer *w, size_t at, uint8_t v);
void wire_patch_u16(struct wire_writer *w, size_t at, uint16_t v);
void wire_patch_u32(struct wire_writer *w, size_t at, uint32_t v);
