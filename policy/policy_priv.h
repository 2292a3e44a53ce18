/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared by policy.c (the table), parse.c (one line of a group's file) and narrow.c. */
#pragma once

#include "policy/policy.h"

#define POL_WHAT_MAX 256

/* The rules with a protocol, most specific first; NULL behind the last. */
const struct pol_rule *policy_ported(const struct policy *p, size_t i);

enum pol_line {
	POL_LINE_EMPTY, /* blank, or a comment */
	POL_LINE_RULE,
	POL_LINE_NOTE, /* a rule, and what has something to tell */
	POL_LINE_BAD,
};

/* Reads the selector of one line (len bytes, any bytes, no newline) into *ret, whose group, file
 * and line the caller sets. what gets printable ASCII for POL_LINE_NOTE and POL_LINE_BAD; *ret is
 * touched only where there is a rule. */
enum pol_line pol_parse_line(const char *line, size_t len, struct pol_rule *ret,
	char what[static POL_WHAT_MAX]);
