/* SPDX-License-Identifier: BSD-2-Clause */
/* What systemd-resolved says, in pieces: what is taken of it is within what resolver/listener.h
 * promises. The first byte is the length of a piece. */
#include <string.h>

#include "resolver/varlink.h"
#include "tests/fuzz/fuzz.h"

static int on_text(void *arg, const char *text, size_t len)
{
	struct listener_name n;
	int r;

	(void)arg;
	expect(len <= VARLINK_MAX);
	r = varlink_read(text, len, &n);
	expect(r <= 1);
	if (r <= 0)
		return 0;
	expect(n.name[0] && memchr(n.name, 0, sizeof(n.name)) != NULL);
	expect(n.n_addrs >= 1 && n.n_addrs <= DNS_ADDRS_MAX);
	for (size_t i = 0; i < n.n_addrs; i++)
		expect(addr_valid(&n.addrs[i]));
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct varlink_stream s = {0};
	size_t piece;

	if (!len)
		return 0;
	piece = data[0] ? data[0] : 256;
	for (size_t at = 1; at < len; at += piece) {
		size_t n = len - at < piece ? len - at : piece;
		char *copy = (char *)fuzz_copy(data + at, n);

		expect(varlink_feed(&s, copy, n, on_text, NULL) == 0);
		free(copy);
	}
	varlink_free(&s);
	return 0;
}
