/* SPDX-License-Identifier: BSD-2-Clause */
/* Test vectors as text: what every unit test of ike/ includes. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct hex {
	size_t len;
	uint8_t b[1200];
};

/* Spaces are skipped. */
static inline struct hex hex(const char *text)
{
	struct hex h = {0};
	unsigned int byte;

	for (; *text; text++) {
		if (*text == ' ')
			continue;
		assert_true(h.len < sizeof(h.b));
		assert_int_equal(sscanf(text, "%2x", &byte), 1);
		h.b[h.len++] = (uint8_t)byte;
		text++;
	}
	return h;
}

#define assert_hex(bytes, length, text)                         \
	do {                                                    \
		struct hex want_ = hex(text);                   \
		assert_int_equal(length, want_.len);            \
		assert_memory_equal(bytes, want_.b, want_.len); \
	} while (0)
