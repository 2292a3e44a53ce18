/* SPDX-License-Identifier: BSD-2-Clause */
#include "ctl/rollover.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FORMAT 1
#define PATH_LEN 4200
#define FILE_MAX 65536

static const char *const step_names[] = {
	[ROLLOVER_NONE] = "none",
	[ROLLOVER_MADE] = "made",
	[ROLLOVER_PUBLISHED] = "published",
	[ROLLOVER_SWITCHED] = "switched",
	[ROLLOVER_REMOVED] = "removed",
};

/* ---- the order of things */

uint64_t rollover_due(const struct rollover *r)
{
	uint32_t ttl = r->ttl < ROLLOVER_TTL_MIN ? ROLLOVER_TTL_MIN : r->ttl;

	return r->step >= ROLLOVER_PUBLISHED ? r->published + ttl + ROLLOVER_MARGIN : 0;
}

enum rollover_action rollover_next(const struct rollover *r, uint64_t now)
{
	switch (r->step) {
	case ROLLOVER_NONE:
		return ROLLOVER_DO_NOTHING;
	case ROLLOVER_MADE:
		return ROLLOVER_DO_PUBLISH;
	case ROLLOVER_PUBLISHED:
		return now < rollover_due(r) ? ROLLOVER_DO_WAIT : ROLLOVER_DO_SWITCH;
	case ROLLOVER_SWITCHED:
		return ROLLOVER_DO_REMOVE;
	case ROLLOVER_REMOVED:
		break;
	}
	return ROLLOVER_DO_FINISH;
}

int rollover_advance(struct rollover *r, enum rollover_step to, uint64_t now)
{
	if (to != r->step + 1)
		return -EINVAL;
	switch (to) {
	case ROLLOVER_NONE:
		return -EINVAL;
	case ROLLOVER_MADE:
		r->started = now;
		break;
	case ROLLOVER_PUBLISHED:
		r->published = now;
		break;
	case ROLLOVER_SWITCHED:
		r->switched = now;
		break;
	case ROLLOVER_REMOVED:
		break;
	}
	r->step = to;
	return 0;
}

bool rollover_can_abort(const struct rollover *r)
{
	return r->step == ROLLOVER_MADE || r->step == ROLLOVER_PUBLISHED;
}

const char *rollover_step_text(const struct rollover *r)
{
	switch (r->step) {
	case ROLLOVER_NONE:
		return "no rollover is under way";
	case ROLLOVER_MADE:
		return "the new key is made, its records are not yet known to be published; the "
		       "old "
		       "key signs";
	case ROLLOVER_PUBLISHED:
		return "both keys are published; the old key signs";
	case ROLLOVER_SWITCHED:
		return "both keys are published; the new key signs";
	case ROLLOVER_REMOVED:
		break;
	}
	return "the new key signs, the old one is no longer published";
}

/* ---- as a file */

char *rollover_format(const struct rollover *r)
{
	json_t *owners = json_array(), *o;
	char *text;

	for (size_t i = 0; i < r->n_owners; i++)
		json_array_append_new(owners, json_string(r->owner[i]));
	o = json_pack("{s:i, s:s, s:b, s:i, s:I, s:I, s:I, s:I, s:s, s:s, s:s, s:o}", "format",
		FORMAT, "step", step_names[r->step], "by-hand", (int)r->by_hand, "precedence",
		(int)r->precedence, "ttl", (json_int_t)r->ttl, "started", (json_int_t)r->started,
		"published", (json_int_t)r->published, "switched", (json_int_t)r->switched, "name",
		r->name, "old-key", r->old_key, "new-key", r->new_key, "owners", owners);
	text = json_dumps(o, JSON_INDENT(1));
	json_decref(o);
	return text;
}

static bool get_text(const json_t *o, const char *name, char *ret, size_t size)
{
	const char *s = json_string_value(json_object_get(o, name));

	if (!s || !*s || strlen(s) >= size)
		return false;
	strcpy(ret, s);
	return true;
}

static bool get_number(const json_t *o, const char *name, json_int_t max, uint64_t *ret)
{
	const json_t *v = json_object_get(o, name);

	if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > max)
		return false;
	*ret = (uint64_t)json_integer_value(v);
	return true;
}

static bool get_owners(const json_t *o, struct rollover *r)
{
	const json_t *owners = json_object_get(o, "owners"), *v;
	size_t i;

	if (!json_array_size(owners) || json_array_size(owners) > ROLLOVER_OWNERS_MAX)
		return false;
	json_array_foreach(owners, i, v) {
		const char *s = json_string_value(v);

		if (!s || strlen(s) >= sizeof(r->owner[0]))
			return false;
		strcpy(r->owner[i], s);
	}
	r->n_owners = json_array_size(owners);
	return true;
}

static bool get_all(const json_t *o, struct rollover *r)
{
	const char *step = json_string_value(json_object_get(o, "step"));
	uint64_t format, precedence, ttl;

	for (int i = ROLLOVER_MADE; step && i <= ROLLOVER_REMOVED; i++)
		if (!strcmp(step, step_names[i]))
			r->step = (enum rollover_step)i;
	r->by_hand = json_is_true(json_object_get(o, "by-hand"));
	if (!r->step || !get_number(o, "format", FORMAT, &format) || format != FORMAT ||
		!get_number(o, "precedence", 255, &precedence) ||
		!get_number(o, "ttl", UINT32_MAX, &ttl) ||
		!get_number(o, "started", INT64_MAX, &r->started) ||
		!get_number(o, "published", INT64_MAX / 2, &r->published) ||
		!get_number(o, "switched", INT64_MAX, &r->switched) ||
		!get_text(o, "name", r->name, sizeof(r->name)) || strchr(r->name, '/') ||
		!get_text(o, "old-key", r->old_key, sizeof(r->old_key)) ||
		!get_text(o, "new-key", r->new_key, sizeof(r->new_key)) || !get_owners(o, r))
		return false;
	r->precedence = (uint8_t)precedence;
	r->ttl = (uint32_t)ttl;
	return true;
}

int rollover_parse(const char *text, struct rollover *ret)
{
	json_t *o = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	struct rollover r = {0};
	bool good = get_all(o, &r);

	json_decref(o);
	if (!good)
		return -EBADMSG;
	*ret = r;
	return 0;
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600), error = 0;
	size_t len = strlen(text);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, text, len);
	if (n < 0)
		error = -errno;
	else if ((size_t)n < len)
		error = -ENOSPC;
	else if (fsync(fd) < 0)
		error = -errno;
	if (close(fd) < 0 && !error)
		error = -errno;
	return error;
}

int rollover_save(const char *dir, const struct rollover *r)
{
	char path[PATH_LEN], temporary[PATH_LEN + 8], *text;
	int error, fd;

	if ((size_t)snprintf(path, sizeof(path), "%s/rollover.json", dir) >= sizeof(path))
		return -ENAMETOOLONG;
	snprintf(temporary, sizeof(temporary), "%s.part", path);
	if (r->step == ROLLOVER_NONE) {
		if (unlink(path) < 0 && errno != ENOENT)
			return -errno;
	} else {
		text = rollover_format(r);
		error = text ? write_file(temporary, text) : -ENOMEM;
		free(text);
		if (error)
			return error;
		if (rename(temporary, path) < 0)
			return -errno;
	}
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	error = fsync(fd) < 0 ? -errno : 0;
	close(fd);
	return error;
}

int rollover_load(const char *dir, struct rollover *ret)
{
	char path[PATH_LEN], *text;
	int error = 0;
	size_t n;
	FILE *f;

	if ((size_t)snprintf(path, sizeof(path), "%s/rollover.json", dir) >= sizeof(path))
		return -ENAMETOOLONG;
	f = fopen(path, "re");
	if (!f && errno != ENOENT)
		return -errno;
	if (!f) {
		*ret = (struct rollover){0};
		return 0;
	}
	text = calloc(1, FILE_MAX + 1);
	n = text ? fread(text, 1, FILE_MAX, f) : 0;
	if (!text)
		error = -ENOMEM;
	else if (ferror(f))
		error = -EIO;
	else if (n == FILE_MAX)
		error = -EBADMSG;
	fclose(f);
	if (!error)
		error = rollover_parse(text, ret);
	free(text);
	return error;
}
