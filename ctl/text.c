/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading JSON leniently, and setting text for a terminal of 80 columns. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/oectl.h"

#define LABEL_COLUMN 2
#define FIELD_COLUMN 12

/* ---- JSON */

/* Peers and DNS have a say in some of these strings; no escape sequence of theirs may reach a
 * terminal. The C1 controls are U+0080 to U+009F, in UTF-8 0xc2 and that byte. */
static void clean_string(json_t *string)
{
	char *copy = strdup(json_string_value(string));

	if (!copy)
		return;
	for (char *p = copy; *p; p++) {
		unsigned char c = (unsigned char)*p, next = (unsigned char)p[1];

		if (c < ' ' || c == 0x7f)
			*p = '?';
		else if (c == 0xc2 && next >= 0x80 && next < 0xa0)
			p[0] = p[1] = '?';
	}
	json_string_set(string, copy);
	free(copy);
}

void oectl_clean(json_t *answer)
{
	const char *name;
	json_t *value;
	size_t i;

	if (json_is_string(answer)) {
		clean_string(answer);
	} else if (json_is_array(answer)) {
		json_array_foreach(answer, i, value)
			oectl_clean(value);
	} else if (json_is_object(answer)) {
		json_object_foreach(answer, name, value)
			oectl_clean(value);
	}
}

const char *oectl_str(const json_t *object, const char *name, const char *otherwise)
{
	const char *s = json_string_value(json_object_get(object, name));

	return s ? s : otherwise;
}

double oectl_num(const json_t *object, const char *name, double otherwise)
{
	const json_t *v = json_object_get(object, name);

	return json_is_number(v) ? json_number_value(v) : otherwise;
}

bool oectl_bool(const json_t *object, const char *name)
{
	const json_t *v = json_object_get(object, name);

	return json_is_true(v) || (json_is_integer(v) && json_integer_value(v) != 0);
}

/* ---- quantities */

const char *oectl_ms(double ms, char buf[static OECTL_TEXT_LEN])
{
	if (ms < 100)
		snprintf(buf, OECTL_TEXT_LEN, "%.1f ms", ms);
	else if (ms < 999.5)
		snprintf(buf, OECTL_TEXT_LEN, "%.0f ms", ms);
	else if (ms < 59950)
		snprintf(buf, OECTL_TEXT_LEN, "%.1f s", ms / 1000);
	else
		oectl_seconds(ms / 1000, buf);
	return buf;
}

const char *oectl_seconds(double s, char buf[static OECTL_TEXT_LEN])
{
	uint64_t n = s < 0 ? 0 : s < 1e12 ? (uint64_t)(s + 0.5) : UINT64_C(1000000000000);
	static const struct {
		uint64_t unit, part;
		const char *name, *part_name;
	} scales[] = {
		{86400, 3600, "d", "h"},
		{3600, 60, "h", "min"},
		{60, 1, "min", "s"},
	};

	for (size_t i = 0; i < sizeof(scales) / sizeof(scales[0]); i++) {
		uint64_t rest = n % scales[i].unit / scales[i].part;

		if (n < scales[i].unit)
			continue;
		if (rest)
			snprintf(buf, OECTL_TEXT_LEN, "%llu %s %llu %s",
				(unsigned long long)(n / scales[i].unit), scales[i].name,
				(unsigned long long)rest, scales[i].part_name);
		else
			snprintf(buf, OECTL_TEXT_LEN, "%llu %s",
				(unsigned long long)(n / scales[i].unit), scales[i].name);
		return buf;
	}
	snprintf(buf, OECTL_TEXT_LEN, "%llu s", (unsigned long long)n);
	return buf;
}

const char *oectl_bytes(double n, char buf[static OECTL_TEXT_LEN])
{
	static const char *const units[] = {"kB", "MB", "GB", "TB"};
	size_t i = 0;

	if (n < 1000) {
		snprintf(buf, OECTL_TEXT_LEN, "%.0f byte%s", n, n == 1 ? "" : "s");
		return buf;
	}
	for (n /= 1000; n >= 999.95 && i < 3; i++)
		n /= 1000;
	snprintf(buf, OECTL_TEXT_LEN, "%.1f %s", n, units[i]);
	return buf;
}

/* ---- setting */

/* Bytes that take a column: all but the further ones of a UTF-8 character. */
static int columns(const char *s, size_t len)
{
	int n = 0;

	for (size_t i = 0; i < len; i++)
		n += ((unsigned char)s[i] & 0xc0) != 0x80;
	return n;
}

void oectl_wrap(FILE *out, int column, const char *text)
{
	int at = column;
	bool first = true;

	while (*(text += strspn(text, " "))) {
		size_t len = strcspn(text, " ");
		int width = columns(text, len);

		if (!first && at + 1 + width > OECTL_WIDTH) {
			fprintf(out, "\n%*s", column, "");
			at = column;
		} else if (!first) {
			fputc(' ', out);
			at++;
		}
		fwrite(text, 1, len, out);
		at += width;
		text += len;
		first = false;
	}
	fputc('\n', out);
}

void oectl_field(FILE *out, const char *label, const char *text)
{
	fprintf(out, "%*s%-*s", LABEL_COLUMN, "", FIELD_COLUMN - LABEL_COLUMN, label);
	oectl_wrap(out, FIELD_COLUMN, text);
}

void oectl_fieldf(FILE *out, const char *label, const char *fmt, ...)
{
	char text[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	oectl_field(out, label, text);
}

static void table_row(FILE *out, size_t n, const char *const *cells, const int *widths)
{
	size_t last = n;

	while (last > 0 && !*cells[last - 1])
		last--;
	for (size_t i = 0; i < last; i++) {
		int width = columns(cells[i], strlen(cells[i]));

		fprintf(out, "%s%*s", cells[i], i + 1 < last ? widths[i] - width + 2 : 0, "");
	}
	fputc('\n', out);
}

void oectl_table(FILE *out, size_t n_columns, const char *const *header, const json_t *rows)
{
	const char **cells = calloc(n_columns, sizeof(*cells));
	int *widths = calloc(n_columns, sizeof(*widths));
	const json_t *row;
	size_t i;

	if (!cells || !widths)
		abort();
	for (size_t c = 0; c < n_columns; c++)
		widths[c] = columns(header[c], strlen(header[c]));
	json_array_foreach(rows, i, row) {
		for (size_t c = 0; c < n_columns; c++) {
			const char *s = json_string_value(json_array_get(row, c));
			int width = s ? columns(s, strlen(s)) : 0;

			widths[c] = width > widths[c] ? width : widths[c];
		}
	}
	table_row(out, n_columns, header, widths);
	json_array_foreach(rows, i, row) {
		for (size_t c = 0; c < n_columns; c++) {
			const char *s = json_string_value(json_array_get(row, c));

			cells[c] = s ? s : "";
		}
		table_row(out, n_columns, cells, widths);
	}
	free(cells);
	free(widths);
}
