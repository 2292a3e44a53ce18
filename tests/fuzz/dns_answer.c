/* SPDX-License-Identifier: BSD-2-Clause */
/* A whole DNS answer. The first byte says which address was looked up: 0 none, 1 IPv4, 2 IPv6. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "resolver/answer.h"
#include "tests/fuzz/fuzz.h"

#define NAME "1.0.18.198.in-addr.arpa."

static void read_keys(const uint8_t *packet, size_t len, const struct addr *looked_up)
{
	char name[DNS_NAME_MAX], why[DNS_WHY_MAX];
	struct answer a;

	if (answer_keys(packet, len, NAME, looked_up, &a) < 0)
		return;
	expect(a.n_usable <= DNS_KEYS_MAX && a.n_usable <= a.n_keys && a.n_keys <= ANSWER_KEYS_MAX);
	for (int i = 0; i < a.n_keys; i++) {
		expect((a.keys[i].fault == DNS_KEY_OK) == (i < a.n_usable));
		expect(a.keys[i].spki_len <= sizeof(a.keys[i].spki));
	}
	for (int sec = 0; sec < 3; sec++) {
		uint32_t ttl = answer_ttl(answer_class(a.rcode, sec, &a), a.ttl);

		expect(ttl >= 5 && ttl <= 86400);
	}
	/* the name is text that others may be told, and a name again unless it was cut */
	expect(memchr(a.canonical, 0, sizeof(a.canonical)) != NULL);
	answer_quote(a.canonical, why);
	(void)answer_canonical_name(a.canonical, name);
}

/* The same bytes as the answer to a question for DS, and as libunbound's reason for "bogus". */
static void read_cut(const uint8_t *packet, size_t len)
{
	char why[DNS_WHY_MAX], broke[DNS_NAME_MAX];
	uint32_t ttl = 0;

	expect(answer_cut(packet, len, "18.198.in-addr.arpa.", &ttl) <= ANSWER_CUT_UNKNOWN);
	snprintf(why, sizeof(why), "%.*s", len < sizeof(why) ? (int)len : (int)sizeof(why) - 1,
		(const char *)packet);
	answer_broke_at(why, NAME, broke);
	expect(memchr(broke, 0, sizeof(broke)) != NULL && broke[0]);
	for (const char *p = broke; *p; p++)
		expect(*p > 0x20 && *p < 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct addr addrs[] = {{0}, {.family = AF_INET, .b = {192, 0, 2, 1}},
		{.family = AF_INET6, .b = {0x20, 1, 0x0d, 0xb8}}};
	uint8_t *packet;
	uint32_t ttl;
	bool found;

	if (!len)
		return 0;
	packet = fuzz_copy(data + 1, len - 1);
	read_keys(packet, len - 1, &addrs[data[0] % 3]);
	read_cut(packet, len - 1);
	for (int i = 1; i < 3; i++)
		(void)answer_has_addr(packet, len - 1, NAME, &addrs[i], &found, &ttl);
	free(packet);
	return 0;
}
