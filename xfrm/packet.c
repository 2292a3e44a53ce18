/* SPDX-License-Identifier: BSD-2-Clause */
#include "xfrm/packet.h"

#include <errno.h>
#include <string.h>

#include "base/wire.h"

#define IP4_HEADER 20
#define IP6_HEADER 40
#define TCP_HEADER 20
#define ICMP_HEADER 8

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10
#define TCP_OPT_END 0
#define TCP_OPT_NOP 1
#define TCP_OPT_MSS 2

#define ICMP_UNREACHABLE 3
#define ICMP_PROHIBITED 13
#define ICMP6_UNREACHABLE 1
#define ICMP6_PROHIBITED 1

/* RFC 8200 section 4: headers that may stand before the transport's. */
#define MAX_EXTENSIONS 8

/* ---- reading */

static void parse_transport(struct packet *p, struct wire_reader *r)
{
	uint8_t type, flags;

	switch (p->proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
		p->sport = wire_u16(r);
		p->dport = wire_u16(r);
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		type = wire_u8(r);
		/* only an echo request is a question of ours (RFC 1122 3.2.2, RFC 4443 2.4 e) */
		p->answerable = !r->bad && type == (p->proto == IPPROTO_ICMP ? 8 : 128);
		break;
	}
	if (p->proto == IPPROTO_TCP) {
		wire_skip(r, 9);
		flags = wire_u8(r);
		p->syn = flags & TCP_SYN;
		/* RFC 9293 3.10.7.1: no RST for a RST */
		p->answerable = !r->bad && !(flags & TCP_RST);
	}
}

static int parse_v4(struct packet *p, struct wire_reader *r)
{
	uint8_t src[4], dst[4];
	uint8_t words = wire_u8(r) & 0x0f;
	uint16_t fragment;

	wire_skip(r, 1);
	p->length = wire_u16(r);
	wire_skip(r, 2);
	fragment = wire_u16(r) & 0x1fff;
	wire_skip(r, 1);
	p->proto = wire_u8(r);
	wire_skip(r, 2);
	wire_copy(r, src, sizeof(src));
	wire_copy(r, dst, sizeof(dst));
	if (r->bad || words < IP4_HEADER / 4 || p->length < words * 4u)
		return -EBADMSG;
	wire_skip(r, words * 4u - IP4_HEADER);
	p->pair.local = addr_from_v4(src);
	p->pair.remote = addr_from_v4(dst);
	p->answerable = fragment == 0;
	p->transport = r->pos;
	if (p->answerable)
		parse_transport(p, r);
	return 0;
}

/* Steps over the extension headers; false where the transport header is not in this packet. */
static bool skip_extensions(struct wire_reader *r, uint8_t *next)
{
	for (int i = 0; i < MAX_EXTENSIONS; i++) {
		uint8_t here = *next, units;

		if (here != IPPROTO_HOPOPTS && here != IPPROTO_ROUTING && here != IPPROTO_DSTOPTS &&
			here != IPPROTO_FRAGMENT)
			return true;
		*next = wire_u8(r);
		units = wire_u8(r);
		if (here == IPPROTO_FRAGMENT) {
			uint16_t offset = wire_u16(r) & 0xfff8;

			wire_skip(r, 4);
			if (offset)
				return false;
		} else {
			wire_skip(r, 6 + 8u * units);
		}
		if (r->bad)
			return false;
	}
	return false;
}

static int parse_v6(struct packet *p, struct wire_reader *r)
{
	uint8_t src[16], dst[16], next;

	wire_skip(r, 4);
	p->length = IP6_HEADER + wire_u16(r);
	next = wire_u8(r);
	wire_skip(r, 1);
	wire_copy(r, src, sizeof(src));
	wire_copy(r, dst, sizeof(dst));
	if (r->bad)
		return -EBADMSG;
	p->pair.local = addr_from_v6(src);
	p->pair.remote = addr_from_v6(dst);
	if (!skip_extensions(r, &next))
		return 0;
	p->proto = next;
	p->answerable = true;
	p->transport = r->pos;
	parse_transport(p, r);
	return 0;
}

int packet_parse(const uint8_t *data, size_t len, struct packet *ret)
{
	struct wire_reader r = wire_reader(data, len);
	struct packet p = {0};
	int err = -EBADMSG;

	if (len && data[0] >> 4 == 4)
		err = parse_v4(&p, &r);
	else if (len && data[0] >> 4 == 6)
		err = parse_v6(&p, &r);
	if (err < 0)
		return err;
	*ret = p;
	return 0;
}

/* ---- checksums, RFC 1071 */

static uint32_t sum(const uint8_t *data, size_t len, uint32_t acc)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		acc += (uint32_t)data[i] << 8 | data[i + 1];
	if (len & 1)
		acc += (uint32_t)data[len - 1] << 8;
	while (acc >> 16)
		acc = (acc & 0xffff) + (acc >> 16);
	return acc;
}

static uint16_t checksum(const uint8_t *data, size_t len, uint32_t acc)
{
	return (uint16_t)~sum(data, len, acc);
}

/* RFC 9293 3.1, RFC 8200 8.1. */
static uint32_t pseudo_header(const struct addr *a, const struct addr *b, uint8_t proto, size_t len)
{
	uint32_t acc = sum(a->b, addr_size(a), proto);

	acc = sum(b->b, addr_size(b), acc);
	return acc + (uint32_t)(len >> 16) + (uint32_t)(len & 0xffff);
}

static void put_u16(uint8_t *at, uint16_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

/* ---- MSS */

uint16_t packet_mss(uint8_t family, uint32_t mtu, bool esp, bool encap)
{
	uint32_t ip = family == AF_INET ? IP4_HEADER : IP6_HEADER, room;

	if (mtu < (family == AF_INET ? 576u : 1280u))
		mtu = family == AF_INET ? 576 : 1280;
	room = mtu - ip;
	if (encap)
		room -= 8; /* RFC 3948 2.1 */
	if (esp)
		/* RFC 4303 2: SPI and sequence, IV and ICV; padding to 4, its length, the next
		 * header */
		room = ((room - 8 - 8 - 16) & ~3u) - 2;
	room -= TCP_HEADER;
	return room > UINT16_MAX ? UINT16_MAX : (uint16_t)room;
}

bool packet_clamp_mss(uint8_t *data, size_t len, uint16_t mss)
{
	struct packet p;
	uint8_t *tcp;
	size_t header, tcp_len;
	bool lowered = false;

	if (packet_parse(data, len, &p) < 0 || !p.syn || p.length != len)
		return false;
	tcp = data + p.transport;
	tcp_len = len - p.transport;
	header = (tcp[12] >> 4) * 4u; /* a SYN has at least 14 bytes at hand */
	if (header < TCP_HEADER || header > tcp_len)
		return false;
	for (size_t i = TCP_HEADER; i < header && tcp[i] != TCP_OPT_END;) {
		size_t left = header - i;

		if (tcp[i] == TCP_OPT_NOP) {
			i++;
			continue;
		}
		if (left < 2 || tcp[i + 1] < 2 || tcp[i + 1] > left)
			break;
		if (tcp[i] == TCP_OPT_MSS && tcp[i + 1] == 4 &&
			(tcp[i + 2] << 8 | tcp[i + 3]) > mss) {
			put_u16(tcp + i + 2, mss);
			lowered = true;
		}
		i += tcp[i + 1];
	}
	if (!lowered)
		return false;
	/* as a whole: what stands there may be the partial sum for the card to finish */
	put_u16(tcp + 16, 0);
	put_u16(tcp + 16,
		checksum(tcp, tcp_len,
			pseudo_header(&p.pair.local, &p.pair.remote, IPPROTO_TCP, tcp_len)));
	return true;
}

/* ---- answers */

static void put_ip4(struct wire_writer *w, const struct addr *src, const struct addr *dst,
	uint8_t proto, size_t payload)
{
	size_t at = w->pos;

	wire_put_u8(w, 0x45);
	wire_put_u8(w, 0);
	wire_put_u16(w, (uint16_t)(IP4_HEADER + payload));
	wire_put_u32(w, 0x00004000); /* no fragments */
	wire_put_u8(w, 64);
	wire_put_u8(w, proto);
	wire_put_u16(w, 0);
	wire_put(w, src->b, 4);
	wire_put(w, dst->b, 4);
	if (!w->bad)
		put_u16(w->data + at + 10, checksum(w->data + at, IP4_HEADER, 0));
}

static void put_ip6(struct wire_writer *w, const struct addr *src, const struct addr *dst,
	uint8_t proto, size_t payload)
{
	wire_put_u32(w, 0x60000000);
	wire_put_u16(w, (uint16_t)payload);
	wire_put_u8(w, proto);
	wire_put_u8(w, 64);
	wire_put(w, src->b, 16);
	wire_put(w, dst->b, 16);
}

/* RFC 9293 3.10.7.1: acceptable to the connection that sent the segment. */
static size_t answer_rst(const struct packet *p, const uint8_t *data, size_t len, uint8_t *out)
{
	struct wire_reader r = wire_reader(data, len);
	struct wire_writer w = wire_writer(out, PACKET_ANSWER_MAX);
	uint32_t seq, ack, segment;
	uint8_t offset, flags;

	wire_skip(&r, p->transport + 4);
	seq = wire_u32(&r);
	ack = wire_u32(&r);
	offset = wire_u8(&r);
	flags = wire_u8(&r);
	if (r.bad || p->length < p->transport + (offset >> 4) * 4u)
		return 0;
	segment = p->length - (uint32_t)p->transport - (offset >> 4) * 4u;
	segment += (flags & TCP_SYN) / TCP_SYN + (flags & TCP_FIN) / TCP_FIN;
	put_ip4(&w, &p->pair.remote, &p->pair.local, IPPROTO_TCP, TCP_HEADER);
	wire_put_u16(&w, p->dport);
	wire_put_u16(&w, p->sport);
	wire_put_u32(&w, flags & TCP_ACK ? ack : 0);
	wire_put_u32(&w, flags & TCP_ACK ? 0 : seq + segment);
	wire_put_u8(&w, TCP_HEADER / 4 << 4);
	wire_put_u8(&w, flags & TCP_ACK ? TCP_RST : TCP_RST | TCP_ACK);
	wire_put_u16(&w, 0);
	wire_put_u32(&w, 0); /* checksum, urgent */
	put_u16(out + IP4_HEADER + 16,
		checksum(out + IP4_HEADER, TCP_HEADER,
			pseudo_header(&p->pair.remote, &p->pair.local, IPPROTO_TCP, TCP_HEADER)));
	return w.pos;
}

static size_t answer_icmp(const struct packet *p, const uint8_t *data, size_t len, uint8_t *out)
{
	bool v4 = p->pair.local.family == AF_INET;
	const struct addr *self = &p->pair.local;
	struct wire_writer w = wire_writer(out, PACKET_ANSWER_MAX);
	size_t header = v4 ? IP4_HEADER : IP6_HEADER,
	       room = PACKET_ANSWER_MAX - header - ICMP_HEADER;
	size_t quoted = len < room ? len : room, icmp = ICMP_HEADER + quoted;

	if (v4)
		put_ip4(&w, self, self, IPPROTO_ICMP, icmp);
	else
		put_ip6(&w, self, self, IPPROTO_ICMPV6, icmp);
	wire_put_u8(&w, v4 ? ICMP_UNREACHABLE : ICMP6_UNREACHABLE);
	wire_put_u8(&w, v4 ? ICMP_PROHIBITED : ICMP6_PROHIBITED);
	wire_put_u16(&w, 0);
	wire_put_u32(&w, 0);
	wire_put(&w, data, quoted);
	if (w.bad)
		return 0;
	put_u16(out + header + 2,
		checksum(out + header, icmp,
			v4 ? 0 : pseudo_header(self, self, IPPROTO_ICMPV6, icmp)));
	return w.pos;
}

size_t packet_answer(const struct packet *p, const uint8_t *data, size_t len,
	uint8_t ret[static PACKET_ANSWER_MAX])
{
	if (!p->answerable)
		return 0;
	if (p->proto == IPPROTO_TCP && p->pair.local.family == AF_INET)
		return answer_rst(p, data, len, ret);
	return answer_icmp(p, data, len, ret);
}
