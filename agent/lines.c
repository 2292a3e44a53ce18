/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/lines.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct lines {
	const char *text; /* what is left */
	size_t left;
	uint32_t number; /* of the line that came last */
	const struct lines_sink *sink;
};

enum lines_kind {
	LINES_END,
	LINES_EMPTY,
	LINES_SECTION,
	LINES_SETTING,
	LINES_FAULT, /* ret_why says what is wrong */
};

/* Takes indentation, comment and line end off line[len], in place of what inih might do. A comment
 * begins the line or stands behind a blank. */
static const char *trim(const char *line, size_t *len)
{
	while (*len && strchr(" \t\r", *line) && *line) {
		line++;
		--*len;
	}
	for (size_t i = 0; i < *len; i++)
		if ((line[i] == '#' || line[i] == ';') &&
			(i == 0 || line[i - 1] == ' ' || line[i - 1] == '\t'))
			*len = i;
	while (*len && strchr(" \t\r", line[*len - 1]) && line[*len - 1])
		--*len;
	return line;
}

/* The next line in str[cap], without its end; "" for EMPTY and FAULT. */
static enum lines_kind next(struct lines *l, char *str, size_t cap, char *ret_why, size_t why_cap)
{
	const char *nl, *line = l->text;
	/* inih wants room for a line end and the NUL, and would take the rest for the next line */
	size_t len, most = cap - 3 < LINES_BYTES ? cap - 3 : LINES_BYTES;

	str[0] = '\0';
	if (!l->left)
		return LINES_END;
	nl = memchr(line, '\n', l->left);
	len = nl ? (size_t)(nl - line) : l->left;
	l->text += len + (nl != NULL);
	l->left -= len + (nl != NULL);
	l->number++;
	line = trim(line, &len);
	for (size_t i = 0; i < len; i++)
		if ((line[i] < ' ' && line[i] != '\t') || line[i] > '~') {
			snprintf(ret_why, why_cap,
				"byte 0x%02x is no plain text; write ASCII (comments may be "
				"anything)",
				(unsigned char)line[i]);
			return LINES_FAULT;
		}
	if (len > most) {
		snprintf(ret_why, why_cap, "a line of %zu bytes; write at most %zu", len, most);
		return LINES_FAULT;
	}
	memcpy(str, line, len);
	str[len] = '\0';
	if (!len)
		return LINES_EMPTY;
	if (*str == '[')
		return LINES_SECTION;
	if (strchr(str, '=') && *str != '=')
		return LINES_SETTING;
	snprintf(ret_why, why_cap,
		"'%s' is neither a section nor a setting; write [SECTION] or KEY = VALUE", str);
	str[0] = '\0';
	return LINES_FAULT;
}

/* inih's reader: the next line, ready to be split, in str[num]; an empty one for what was refused. */
static char *next_line(char *str, int num, void *stream)
{
	struct lines *l = stream;
	const struct lines_sink *to = l->sink;
	char why[LINES_BYTES + 100];
	enum lines_kind kind = next(l, str, (size_t)num, why, sizeof(why));

	*to->line = l->number;
	switch (kind) {
	case LINES_END:
		return NULL;
	case LINES_FAULT:
		to->fault(to->arg, why);
		break;
	case LINES_SECTION:
		to->section(to->arg, str);
		str[0] = '\0';
		break;
	case LINES_SETTING:
		if (!to->setting(to->arg, str))
			str[0] = '\0';
		break;
	case LINES_EMPTY:
		break;
	}
	return strcat(str, "\n");
}

int lines_parse(const char *text, size_t len, const struct lines_sink *sink)
{
	struct lines l = {.text = text, .left = len, .sink = sink};

	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
		l.text += 3;
		l.left -= 3;
	}
	return ini_parse_stream(next_line, &l, sink->key, sink->arg) < 0 ? -ENOMEM : 0;
}

int lines_read_file(const char *path, char **ret_text, size_t *ret_len)
{
	FILE *f = fopen(path, "re");
	int error = 0;
	char *text;
	size_t len;

	if (!f)
		return -errno;
	text = malloc(LINES_FILE_MAX + 1);
	len = text ? fread(text, 1, LINES_FILE_MAX + 1, f) : 0;
	if (!text)
		error = -ENOMEM;
	else if (ferror(f))
		error = -errno;
	else if (len > LINES_FILE_MAX)
		error = -EFBIG;
	fclose(f);
	if (error) {
		free(text);
		return error;
	}
	text[len] = '\0';
	*ret_text = text;
	*ret_len = len;
	return 0;
}
