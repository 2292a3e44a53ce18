/* SPDX-License-Identifier: BSD-2-Clause */
/* The fuzzer's hand on the wire between the two hosts of ike_world.c. */
#include "tests/fuzz/ike_world_priv.h"

#include <string.h>

#include "ike/exchange.h"
#include "tests/fuzz/fuzz.h"

void fuzz_drop(struct fuzz_world *w, unsigned int n)
{
	if (w->n_packets)
		world_forget(w, n % w->n_packets);
}

void fuzz_double(struct fuzz_world *w, unsigned int n)
{
	const struct packet *p = &w->packets[w->n_packets ? n % w->n_packets : 0];

	if (w->n_packets)
		world_post(w, p->to, &p->path, p->data, p->len, p->due + 3 * MS);
}

void fuzz_delay(struct fuzz_world *w, unsigned int n)
{
	if (w->n_packets)
		w->packets[n % w->n_packets].due += 3 * LATENCY;
}

static void put_length(uint8_t *data, size_t len)
{
	struct wire_writer w = wire_writer(data, len);

	w.pos = len;
	if (len >= IKE_HEADER_LEN)
		wire_patch_u32(&w, 24, (uint32_t)len);
}

void fuzz_overwrite(struct fuzz_world *w, unsigned int n, size_t at, struct ike_bytes with,
	size_t cut, bool right_length)
{
	struct packet *p = &w->packets[w->n_packets ? n % w->n_packets : 0];
	size_t skip = w->n_packets ? world_marker(&p->path) : 0;

	if (!w->n_packets || p->len <= skip)
		return;
	at = skip + at % (p->len - skip);
	p->len -= cut % (p->len - at);
	if (with.len > p->len - at)
		with.len = p->len - at;
	if (with.len)
		memcpy(p->data + at, with.p, with.len);
	if (right_length)
		put_length(p->data + skip, p->len - skip);
}

static const struct ike_aead *transparent(void)
{
	static struct ike_aead gcm;

	gcm.encr = ike_encr_find(IKE_ENCR_AES_GCM_16, 256);
	return &gcm;
}

/* m as a message with this header, which says all but what is inside. */
static struct ike_bytes enclose(struct fuzz_world *w, const struct ike_header *hdr, size_t skip,
	const struct fuzz_message *m)
{
	const struct ike_aead *key = transparent();
	struct ike_builder b;
	size_t len;

	memset(w->build, 0, skip);
	b = ike_build(w->build + skip, sizeof(w->build) - skip, hdr);
	if (m->total) {
		ike_build_skf(&b, m->first, m->number, m->total, key->encr->iv_len);
	} else {
		ike_build_sk(&b, key->encr->iv_len);
		wire_patch_u8(&b.w, b.sk_at, m->first);
	}
	wire_put(&b.w, m->chain.p, m->chain.len);
	if (ike_sk_seal(&b, key, w->sent, &len) < 0)
		return (struct ike_bytes){0};
	return (struct ike_bytes){w->build, skip + len};
}

const uint8_t *fuzz_packet(const struct fuzz_world *w, unsigned int n, size_t *ret_len)
{
	const struct packet *p = &w->packets[w->n_packets ? n % w->n_packets : 0];
	size_t skip = w->n_packets ? world_marker(&p->path) : 0;

	if (!w->n_packets || p->len < skip)
		return NULL;
	*ret_len = p->len - skip;
	return p->data + skip;
}

struct ike_bytes fuzz_chain(
	const struct fuzz_world *w, unsigned int n, struct ike_header *ret, uint8_t *ret_first)
{
	struct ike_payloads outer;
	struct ike_bytes chain = {0};
	size_t len;
	const uint8_t *data = fuzz_packet(w, n, &len);

	/* encryption is the identity, so nothing is changed in place */
	if (data && ike_header_parse(data, len, ret) == IKE_PARSE_OK && ret->next == IKE_PL_SK &&
		ike_payloads_parse(ret->next, data + IKE_HEADER_LEN, len - IKE_HEADER_LEN, false,
			&outer) == IKE_PARSE_OK &&
		ike_sk_open(transparent(), (uint8_t *)(uintptr_t)data, len, &outer.sk, &chain) == 0)
		*ret_first = outer.sk_next;
	return chain;
}

void fuzz_replace(struct fuzz_world *w, unsigned int n, uint8_t first, struct ike_bytes chain)
{
	struct packet *p = &w->packets[w->n_packets ? n % w->n_packets : 0];
	struct fuzz_message m = {.first = first, .chain = chain};
	struct ike_bytes message;
	struct ike_header hdr;
	size_t len;
	const uint8_t *data = fuzz_packet(w, n, &len);

	if (!data || ike_header_parse(data, len, &hdr) != IKE_PARSE_OK)
		return;
	message = enclose(w, &hdr, world_marker(&p->path), &m);
	free(p->data);
	p->data = fuzz_copy(message.p, message.len);
	p->len = message.len;
}

void fuzz_split(struct fuzz_world *w, unsigned int n, unsigned int parts)
{
	struct fuzz_message m = {.total = (uint16_t)parts};
	struct ike_header hdr;
	uint8_t first;
	struct ike_bytes all = fuzz_chain(w, n, &hdr, &first);
	struct packet *p = &w->packets[w->n_packets ? n % w->n_packets : 0];
	size_t at = 0;

	if (!all.len || !parts)
		return;
	for (m.number = 1; m.number <= parts; m.number++) {
		struct ike_bytes message;

		m.first = m.number == 1 ? first : IKE_PL_NONE;
		m.chain = (struct ike_bytes){all.p + at, all.len * m.number / parts - at};
		at += m.chain.len;
		message = enclose(w, &hdr, world_marker(&p->path), &m);
		world_post(w, p->to, &p->path, message.p, message.len, p->due);
	}
	fuzz_drop(w, n);
}

void fuzz_inject(struct fuzz_world *w, int host, const struct fuzz_message *m)
{
	const struct flow *from = &w->host[!host].flow, *to = &w->host[host].flow;
	struct ike_path path = world_path_to(w, host);
	/* who has said nothing yet would be the other's opposite */
	bool initiator = from->seen ? from->initiator : !to->initiator;
	struct ike_header hdr = {.spi_i = w->spi_i,
		.spi_r = w->spi_r,
		.exchange = m->exchange,
		.flags = (uint8_t)((initiator ? IKE_FLAG_INITIATOR : 0) |
				   (m->response ? IKE_FLAG_RESPONSE : 0)),
		.msgid = m->response              ? to->request.msgid
			 : from->request.exchange ? from->request.msgid + 1
						  : 0};
	struct ike_bytes message;

	hdr.msgid += (uint32_t)(int32_t)m->skip;
	message = enclose(w, &hdr, world_marker(&path), m);
	world_post(w, host, &path, message.p, message.len, w->now);
}

void fuzz_inject_raw(struct fuzz_world *w, int host, struct ike_bytes data, bool spis)
{
	struct ike_path path = world_path_to(w, host);
	size_t skip = world_marker(&path), len = data.len;
	struct wire_writer out;

	if (len > sizeof(w->build) - skip)
		return;
	memset(w->build, 0, skip);
	if (len)
		memcpy(w->build + skip, data.p, len);
	if (spis && len >= IKE_HEADER_LEN) {
		out = wire_writer(w->build + skip, len);
		wire_put_u64(&out, w->spi_i);
		wire_put_u64(&out, w->spi_r);
		put_length(w->build + skip, len);
	}
	world_post(w, host, &path, w->build, skip + len, w->now);
}
