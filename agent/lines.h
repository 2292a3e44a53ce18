/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The lines of an INI file, cleaned for inih: it tells neither the line of a key nor more than the
 * first fault, and what it takes for a comment or a continuation was decided when it was built. So
 * lines are counted here, comments and indentation taken away, and what is wrong with a line as such
 * is said.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define LINES_FILE_MAX (1u << 20)
#define LINES_BYTES 1000 /* of a line without comment; inih may have room for 197 only */

struct lines {
	const char *text; /* what is left; the caller's */
	size_t left;
	uint32_t number; /* of the line that came last, from 1 */
};

enum lines_kind {
	LINES_END,
	LINES_EMPTY,
	LINES_SECTION, /* begins with [ */
	LINES_SETTING, /* KEY = VALUE */
	LINES_FAULT,   /* ret_why says what is wrong and what would be right */
};

/* A byte order mark is passed over. */
struct lines lines_of(const char *text, size_t len);
/* The next line in str[cap], without its end; "" for EMPTY and FAULT. */
enum lines_kind lines_next(struct lines *l, char *str, size_t cap, char *ret_why, size_t why_cap);
/* A whole file in *ret_text, to be freed; a NUL stands behind it. Returns 0 or -errno; -EFBIG beyond
 * LINES_FILE_MAX. */
int lines_read_file(const char *path, char **ret_text, size_t *ret_len);
