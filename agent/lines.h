/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The lines of an INI file, cleaned for inih: it tells neither the line of a key nor more than the
 * first fault, and what it takes for a comment or a continuation was decided when it was built. So
 * lines are counted here, comments and indentation taken away, and what is wrong with a line as
 * such is said.
 */
#pragma once

#include <ini.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINES_FILE_MAX (1u << 20)
#define LINES_BYTES 1000 /* of a line without comment; inih may have room for 197 only */

/* What becomes of the lines. */
struct lines_sink {
	void *arg;
	uint32_t *line; /* set to the number of the line, from 1, before each call */
	/* "[...": a section begins, if it is one. */
	void (*section)(void *arg, const char *text);
	/* A KEY = VALUE that is to be split; false: it was refused already. */
	bool (*setting)(void *arg, const char *text);
	/* What is wrong with the line as such, and what would be right. */
	void (*fault)(void *arg, const char *why);
	ini_handler key; /* the two halves; its section is cut at 49 bytes, section() has seen the
	                    whole */
};

/* Reads a file's text, over a byte order mark; a refused line hides no other. Returns 0 or
 * -ENOMEM. */
int lines_parse(const char *text, size_t len, const struct lines_sink *sink);
/* A whole file in *ret_text, to be freed; a NUL stands behind it. Returns 0 or -errno; -EFBIG
 * beyond LINES_FILE_MAX. */
int lines_read_file(const char *path, char **ret_text, size_t *ret_len);
