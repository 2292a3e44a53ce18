/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets: of ESP without an SA; and held ones, of which each is read, its SYN's MSS lowered, an answer
 * made. They go through hold.c, which gives one verdict at the most on each. The input: for each packet
 * what is done (bits 0 to 2), a byte for it, the length and the bytes.
 */
#include <string.h>

#include "base/wire.h"
#include "tests/fuzz/fuzz.h"
#include "xfrm/hold.h"
#include "xfrm/packet.h"
#include "xfrm/stray.h"

#define PACKETS_MAX 64

struct wait {
	uint8_t verdicts[PACKETS_MAX]; /* by packet id */
	size_t len[PACKETS_MAX];
};

static void on_verdict(
	void *arg, uint32_t id, bool accept, uint32_t mark, const uint8_t *payload, size_t len)
{
	struct wait *w = arg;

	(void)accept, (void)mark;
	expect(id < PACKETS_MAX && w->verdicts[id]++ == 0);
	expect(!payload || len == w->len[id]);
}

static void on_answer(void *arg, const struct addr *to, const uint8_t *data, size_t len)
{
	(void)arg, (void)data;
	expect(addr_valid(to) && len <= PACKET_ANSWER_MAX);
}

static bool on_ours(void *arg, const struct pair *pair)
{
	(void)arg;
	return pair->local.b[0] & 1;
}

static void on_trapped(void *arg, const struct xfrm_trapped *ev)
{
	(void)arg;
	expect(pair_valid(&ev->pair));
}

static uint32_t on_mtu(void *arg, const struct pair *pair)
{
	(void)arg;
	return pair->local.b[1] * 10u;
}

static void read_packet(const uint8_t *data, size_t len, uint16_t mss)
{
	uint8_t answer[PACKET_ANSWER_MAX];
	uint8_t *copy = fuzz_copy(data, len);
	struct packet p, again;

	if (packet_parse(copy, len, &p) == 0) {
		expect(addr_valid(&p.pair.local) && addr_valid(&p.pair.remote));
		expect(packet_answer(&p, copy, len, answer) <= sizeof(answer));
		if (packet_clamp_mss(copy, len, mss)) {
			/* nothing but the MSS has changed, and it is low enough now */
			expect(packet_parse(copy, len, &again) == 0);
			expect(memcmp(&p, &again, sizeof(p)) == 0);
			expect(!packet_clamp_mss(copy, len, mss));
		}
	}
	for (int kind = STRAY_ESP4; kind <= STRAY_UDP6; kind++) {
		struct stray_packet esp = {0};

		if (stray_parse((enum stray_kind)kind, copy, len, &esp))
			expect(esp.spi >= 256 && (kind >= STRAY_ESP6 || pair_valid(&esp.pair)));
	}
	free(copy);
}

static struct scope flow_of(const struct packet *p)
{
	return (struct scope){.proto = p->proto, .sport = p->sport, .dport = p->dport};
}

static void decide(struct hold *h, uint64_t now, uint8_t how, const uint8_t *data, size_t len)
{
	struct hold_decision d = {.outcome = how % (HOLD_DROP + 1), .encap = how & 8};
	struct packet p;

	if (packet_parse(data, len, &p) < 0)
		return;
	d.pair = p.pair;
	if (how & 16)
		d.pair.scope = flow_of(&p);
	if (how & 32)
		hold_forget(h, &d.pair);
	else
		(void)hold_decide(h, now, &d);
}

static void acquire(struct hold *h, uint64_t now, const struct packet *p)
{
	struct scope flow = flow_of(p);

	hold_acquire(h, now, &p->pair, &flow);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_len)
{
	static const struct hold_effects effects = {.verdict = on_verdict,
		.answer = on_answer,
		.ours = on_ours,
		.trapped = on_trapped,
		.mtu = on_mtu};
	struct wire_reader r = wire_reader(input, input_len);
	struct wait w = {0};
	struct hold *h = hold_new(&effects, &w);
	uint64_t now = 1000000;

	hold_limits(h, true, 16, 4);
	for (uint32_t id = 0; id < PACKETS_MAX && wire_left(&r); id++) {
		uint8_t what = wire_u8(&r), how = wire_u8(&r);
		size_t len = wire_u16(&r);
		const uint8_t *data;
		struct packet p;

		if (len > wire_left(&r))
			len = wire_left(&r);
		data = wire_bytes(&r, len);
		read_packet(data, len, (uint16_t)(how * 8));
		w.len[id] = len;
		if (what & 1)
			hold_packet(h, now, id, how, data, len);
		else if (packet_parse(data, len, &p) == 0 && pair_valid(&p.pair))
			acquire(h, now, &p);
		if (what & 2)
			decide(h, now, how, data, len);
		if (what & 4) {
			now += (uint64_t)how * how * 1000;
			hold_tick(h, now);
		}
	}
	hold_tick(h, now + HOLD_AGE_MAX + 1);
	expect(hold_total(h) < PACKETS_MAX + 1);
	hold_free(h);
	return 0;
}
