/* SPDX-License-Identifier: BSD-2-Clause */
/* What a stranger is answered before it costs us any memory: cookies (RFC 7296 section 2.6) and
 * unprotected errors (2.21.1, 2.21.4). */
#include <openssl/crypto.h>
#include <string.h>

#include "ike/exchange.h"

#define COOKIE_LEN 32
/* Cookies stay on for a while after the rush, so that an initiator with two requests on their way,
 * one with the cookie and one without, does not get a response to the wrong one. */
#define COOKIE_CALM (10 * SECOND)
/* Answers in one second to what is not even a good request. */
#define UNPROTECTED_MAX 100

/* HMAC(secret, Ni | address | SPIi), after the example of 2.6. */
static bool make_cookie(const uint8_t secret[static 32], const struct ike_path *path,
	const struct ike_header *h, const struct ike_payloads *p, uint8_t ret[static COOKIE_LEN])
{
	const struct ike_prf *prf = ike_prf_find(IKE_PRF_HMAC_SHA2_256);
	uint8_t fixed[16 + 2 + 8];
	struct wire_writer w = wire_writer(fixed, sizeof(fixed));

	wire_put(&w, path->pair.remote.b, sizeof(path->pair.remote.b));
	wire_put_u16(&w, path->remote_port);
	wire_put_u64(&w, h->spi_i);

	struct ike_bytes parts[] = {p->nonce, {fixed, w.pos}};

	_Static_assert(COOKIE_LEN == 32, "the whole of HMAC-SHA2-256");
	return prf && ike_prf(prf, secret, 32, parts, 2, ret) == 0;
}

bool cookie_check(struct ike_core *core, const struct ike_path *path, const struct ike_header *h,
	const struct ike_payloads *p)
{
	const struct ike_notify *n = ike_notify_find(p, IKE_N_COOKIE);
	uint8_t cookie[COOKIE_LEN];

	if (core->stats.half_open > core->config.cookie_above)
		core->cookie_until = core->now + COOKIE_CALM;
	if (core->now >= core->cookie_until)
		return true;
	for (int i = 0; n && n->data.len == COOKIE_LEN && i < 2; i++)
		if (make_cookie(core->cookie_secret[i], path, h, p, cookie) &&
			!CRYPTO_memcmp(cookie, n->data.p, COOKIE_LEN))
			return true;
	core_count(core, IKE_STAT_COOKIE);
	if (make_cookie(core->cookie_secret[0], path, h, p, cookie))
		cookie_answer(core, path, h, IKE_N_COOKIE, cookie, sizeof(cookie));
	return false;
}

bool cookie_spare(struct ike_core *core)
{
	if (core->unprotected_second != core->now / SECOND) {
		core->unprotected_second = core->now / SECOND;
		core->unprotected_count = 0;
	}
	return core->unprotected_count++ < UNPROTECTED_MAX;
}

void cookie_answer(struct ike_core *core, const struct ike_path *path, const struct ike_header *h,
	uint16_t notify, const void *data, size_t len)
{
	struct ike_header answer = {.spi_i = h->spi_i,
		.spi_r = h->spi_r,
		.exchange = h->exchange,
		.flags = IKE_FLAG_RESPONSE,
		.msgid = h->msgid};
	struct ike_builder b;
	size_t n;

	if (!(h->flags & IKE_FLAG_INITIATOR))
		answer.flags |= IKE_FLAG_INITIATOR;
	b = ike_build(core->build, sizeof(core->build), &answer);
	ike_build_notify(&b, notify, data, len);
	if (ike_build_end(&b, &n) == 0)
		core_send(core, path, (struct ike_bytes){core->build, n});
}
