/* SPDX-License-Identifier: BSD-2-Clause */
/* Makes those seeds of the agent's target that are the life of a peer: agent_seeds FOLDER. To be run when
 * messages have changed; what it wrote stands in tests/fuzz/seeds/agent, and tests/fuzz/reach says what
 * each must lead to. */
#include <stdio.h>
#include <string.h>

#include "agent/peer.h"
#include "base/wire.h"
#include "ike/signer.h"
#include "tests/fuzz/fuzz.h"

#define SERVICES OE_LISTENER /* as in agent.c, and so are the kinds of steps */
enum { EVENT, RAW, DIED, LINE, TIME = 6, SETTING };

static const char *folder;
static uint8_t seed[1 << 14];
static struct wire_writer w;

static void put(uint8_t what, uint8_t which, const void *bytes, size_t len)
{
	wire_put_u8(&w, what);
	wire_put_u8(&w, which);
	wire_put_u16(&w, (uint16_t)len);
	wire_put(&w, bytes, len);
}

/* The event's place in the service's table is its distance from the first. */
static void event(enum oe_service from, uint16_t type, uint16_t first, const void *fixed, size_t len)
{
	put(EVENT, (uint8_t)((type - first) * SERVICES + from), fixed, len);
}

#define XFRM(type, ptr) event(OE_XFRM, type, XFRM_EV_READY, ptr, sizeof(*(ptr)))
#define IKE(type, ptr) event(OE_IKE, type, IKE_EV_READY, ptr, sizeof(*(ptr)))

static void line(const char *text)
{
	put(LINE, 0, text, strlen(text));
}

static struct pair pair(void)
{
	static const uint8_t local[4] = {198, 18, 1, 10}, remote[4] = {198, 18, 2, 20};

	return (struct pair){.local = addr_from_v4(local), .remote = addr_from_v4(remote)};
}

/* The n-th explain of a seed, from one: it waits for the kernel's counters. */
static void explain(uint32_t n)
{
	struct xfrm_counters counters = {.tag = n, .pair = pair(), .sas_in = 1, .in_packets = 2};

	line("{\"command\":\"explain\",\"address\":\"198.18.2.20\"}");
	XFRM(XFRM_EV_COUNTERS, &counters);
}

/* ---- parts of a life */

static void services(void)
{
	struct xfrm_ready xfrm = {.hold = XFRM_HOLD_NFT};
	struct dns_ready dns = {.dnssec = 1};
	struct ike_ready ike = {.ipv4 = 1, .ipv6 = 1};
	struct signer_ready signer = {0};
	struct xfrm_local local = {.addr = pair().local, .up = 1};

	XFRM(XFRM_EV_READY, &xfrm);
	event(OE_RESOLVER, DNS_EV_READY, DNS_EV_READY, &dns, sizeof(dns));
	IKE(IKE_EV_READY, &ike);
	event(OE_SIGNER, SIGNER_EV_READY, SIGNER_EV_READY, &signer, sizeof(signer));
	XFRM(XFRM_EV_LOCAL, &local);
}

static struct xfrm_trapped packet(void)
{
	return (struct xfrm_trapped){.pair = pair(), .proto = 6, .held = 1, .dport = 443};
}

static void trapped(void)
{
	struct xfrm_trapped t = packet();

	XFRM(XFRM_EV_TRAPPED, &t);
}

static void answered(enum dns_class class)
{
	struct {
		struct dns_answer a;
		struct dns_key key;
	} m = {.a = {.id = 1, .class = (uint8_t) class, .ttl = 300, .n_keys = class == DNS_KEYS},
		.key = {.algorithm = 4, .spki_len = 44, .spki = {0x30, 42}}};

	strcpy(m.a.name, "20.2.18.198.in-addr.arpa.");
	event(OE_RESOLVER, DNS_EV_ANSWER, DNS_EV_READY, &m,
		sizeof(m.a) + m.a.n_keys * sizeof(m.key));
}

/* SAs of an exchange that we began, and that the kernel has taken. */
static void child(uint16_t type, uint32_t spi_out, uint32_t tag)
{
	struct {
		struct ike_child c;
		uint8_t key[36];
	} m = {.c = {.handle = 1,
		       .spi_in = 0x12345,
		       .spi_out = spi_out,
		       .cipher = IKE_ESP_AES_GCM_16,
		       .key_bits = 256,
		       .esn = 1},
		.key = {1}};
	struct xfrm_done done = {.tag = tag, .released = 1};

	event(OE_IKE, type, IKE_EV_READY, &m, sizeof(m));
	XFRM(XFRM_EV_DONE, &done);
}

static void private(void)
{
	struct ike_up up = {.handle = 1, .initiator = 1, .auth_peer = IKE_AUTH_SIGNATURE};

	trapped();
	answered(DNS_KEYS);
	child(IKE_EV_CHILD_IN, 0, 1);
	child(IKE_EV_CHILD_OUT, 0x23456, 2);
	strcpy(up.suite, "AES-GCM-16-256");
	IKE(IKE_EV_UP, &up);
}

/* ---- seeds */

static void begin(void)
{
	w = wire_writer(seed, sizeof(seed));
	services();
}

static void end(const char *name)
{
	char path[4096];
	FILE *f;

	expect(!w.bad);
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "w");
	expect(f && fwrite(seed, 1, w.pos, f) == w.pos && fclose(f) == 0);
}

static void decided(void)
{
	struct ike_failed failed = {.handle = 1, .code = IKE_FAIL_NO_ANSWER};

	begin();
	trapped();
	answered(DNS_DENIED);
	explain(1);
	end("denied");
	begin();
	trapped();
	answered(DNS_KEYS);
	IKE(IKE_EV_FAILED, &failed);
	explain(1);
	put(TIME, 100, NULL, 0);
	line("{\"command\":\"forget\",\"address\":\"198.18.2.20\"}");
	end("failed");
}

static void encrypted(void)
{
	struct xfrm_expire expire = {.pair = pair(), .spi = 0x12345, .inbound = 1, .hard = 1};
	struct ike_failed down = {.handle = 1, .code = IKE_FAIL_DEAD};

	begin();
	private();
	explain(1);
	IKE(IKE_EV_DOWN, &down);
	line("{\"command\":\"peers\"}");
	line("{\"command\":\"down\",\"address\":\"198.18.2.20\"}");
	put(TIME, 50, NULL, 0);
	explain(2);
	end("private");
	begin();
	private();
	put(LINE, 1, "{\"command\":\"trace\"}", 19);
	XFRM(XFRM_EV_EXPIRE, &expire);
	put(TIME, 80, NULL, 0);
	explain(1);
	end("expire");
	begin();
	private();
	put(DIED, OE_IKE, NULL, 0);
	put(DIED, OE_XFRM, NULL, 0);
	line("{\"command\":\"status\"}");
	services();
	explain(1);
	end("died");
}

/* The peer calls: the core asks whether we want to hear it. */
static void others(void)
{
	struct ike_inbound in = {
		.handle = IKE_HANDLE_INBOUND, .pair = pair(), .remote_port = 500};
	struct ike_identity id = {.handle = IKE_HANDLE_INBOUND, .id_type = 13};
	struct xfrm_adopted adopted = {.pair = pair(), .spi = 0x12345, .inbound = 1};

	begin();
	IKE(IKE_EV_INBOUND, &in);
	IKE(IKE_EV_IDENTITY, &id);
	answered(DNS_DENIED);
	put(TIME, 60, NULL, 0);
	explain(1);
	end("inbound");
	begin();
	XFRM(XFRM_EV_ADOPTED, &adopted);
	adopted.inbound = 0;
	adopted.spi++;
	XFRM(XFRM_EV_ADOPTED, &adopted);
	explain(1);
	put(SETTING, POL_PRIVATE, NULL, 0);
	line("{\"command\":\"peers\"}");
	end("adopted");
}

/* As base/msg.c puts them into one packet. */
static void two_in_one(void)
{
	static const struct {
		uint16_t type, pad;
		uint32_t length;
	} local_head = {.type = XFRM_EV_LOCAL, .length = sizeof(struct xfrm_local)},
	  trapped_head = {.type = XFRM_EV_TRAPPED, .length = sizeof(struct xfrm_trapped)};
	struct xfrm_local local = {.addr = pair().local, .up = 1};
	struct xfrm_trapped t = packet();
	uint8_t packet[256] = {0};
	size_t at = sizeof(local_head) + sizeof(local);

	memcpy(packet, &local_head, sizeof(local_head));
	memcpy(packet + sizeof(local_head), &local, sizeof(local));
	at = (at + 15) / 16 * 16;
	memcpy(packet + at, &trapped_head, sizeof(trapped_head));
	memcpy(packet + at + sizeof(trapped_head), &t, sizeof(t));
	begin();
	put(RAW, OE_XFRM, packet, at + sizeof(trapped_head) + sizeof(t));
	line("{\"command\":\"peers\"}");
	end("two-in-one");
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: agent_seeds FOLDER\n");
		return 2;
	}
	folder = argv[1];
	decided();
	encrypted();
	others();
	two_in_one();
	return 0;
}
