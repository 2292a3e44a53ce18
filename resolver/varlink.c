/* SPDX-License-Identifier: BSD-2-Clause */
#include "resolver/varlink.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "resolver/answer.h"

#define CLASS_IN 1
#define TYPE_CNAME 5
/* CNAMEs that are followed. */
#define CHAIN_MAX 8

/* ---- one message */

/* An address as systemd writes it: an array of its bytes. */
static bool read_addr(const json_t *list, json_int_t type, struct addr *ret)
{
	size_t n = type == ANSWER_TYPE_A ? 4 : 16, i;
	uint8_t bytes[16];
	const json_t *item;

	if (json_array_size(list) != n)
		return false;
	json_array_foreach(list, i, item) {
		json_int_t v = json_is_integer(item) ? json_integer_value(item) : -1;

		if (v < 0 || v > 255)
			return false;
		bytes[i] = (uint8_t)v;
	}
	*ret = n == 4 ? addr_from_v4(bytes) : addr_from_v6(bytes);
	return true;
}

static bool stands_at(const json_t *rr, const char *name)
{
	const json_t *key = json_object_get(rr, "key");
	const char *owner = json_string_value(json_object_get(key, "name"));

	return json_integer_value(json_object_get(key, "class")) == CLASS_IN && owner &&
	       !strcasecmp(owner, name);
}

static json_int_t type_of(const json_t *rr)
{
	return json_integer_value(json_object_get(json_object_get(rr, "key"), "type"));
}

/* Where the chain of CNAMEs from name goes next; NULL: it ends here. */
static const char *next_name(const json_t *answer, const char *name)
{
	const json_t *item;
	size_t i;

	json_array_foreach(answer, i, item) {
		const json_t *rr = json_object_get(item, "rr");

		if (type_of(rr) == TYPE_CNAME && stands_at(rr, name))
			return json_string_value(json_object_get(rr, "name"));
	}
	return NULL;
}

/* The addresses at name; those of name servers stand in the answer, too. */
static void read_addrs(const json_t *answer, const char *name, struct listener_name *ret)
{
	const json_t *item;
	size_t i;

	json_array_foreach(answer, i, item) {
		const json_t *rr = json_object_get(item, "rr");
		json_int_t type = type_of(rr);

		if ((type != ANSWER_TYPE_A && type != ANSWER_TYPE_AAAA) || !stands_at(rr, name))
			continue;
		if (read_addr(json_object_get(rr, "address"), type, &ret->addrs[ret->n_addrs]) &&
			++ret->n_addrs == DNS_ADDRS_MAX)
			return;
	}
}

/* What was asked for. Of the proxy stub's questions some versions do not tell it: then what is
 * answered first. */
static const char *asked(const json_t *p)
{
	const json_t *question = json_array_get(json_object_get(p, "question"), 0);
	const json_t *first = json_array_get(json_object_get(p, "answer"), 0);

	if (!question)
		question = json_object_get(json_object_get(first, "rr"), "key");
	return json_string_value(json_object_get(question, "name"));
}

static int read_parameters(const json_t *p, struct listener_name *ret)
{
	const char *state = json_string_value(json_object_get(p, "state")), *name = asked(p);
	const json_t *answer = json_object_get(p, "answer");
	const char *next = name;

	if (!state || strcmp(state, "success") != 0 || !name || !*name ||
		strlen(name) >= sizeof(ret->name))
		return 0;
	memcpy(ret->name, name, strlen(name));
	for (int i = 0; next && i < CHAIN_MAX; i++) {
		name = next;
		next = next_name(answer, name);
	}
	read_addrs(answer, name, ret);
	return ret->n_addrs > 0;
}

int varlink_read(const char *text, size_t len, struct listener_name *ret)
{
	json_t *o = json_loadb(text, len, 0, NULL);
	struct listener_name name = {0};
	int r = -EBADMSG;

	if (json_is_string(json_object_get(o, "error")))
		r = -EPERM;
	else if (json_is_object(o))
		r = read_parameters(json_object_get(o, "parameters"), &name);
	json_decref(o);
	if (r > 0)
		*ret = name;
	return r;
}

/* ---- the stream */

static void append(struct varlink_stream *s, const char *piece, size_t len)
{
	if (s->len + len > VARLINK_MAX)
		s->too_long = 1;
	if (s->too_long)
		return;
	if (!s->buf)
		s->buf = malloc(VARLINK_MAX);
	if (!s->buf) {
		log_error("out of memory");
		abort();
	}
	memcpy(s->buf + s->len, piece, len);
	s->len += len;
}

int varlink_feed(struct varlink_stream *s, const char *piece, size_t len,
	int (*fn)(void *arg, const char *text, size_t len), void *arg)
{
	int r = 0;

	while (len && r >= 0) {
		const char *end = memchr(piece, '\0', len);
		size_t n = end ? (size_t)(end - piece) : len;

		append(s, piece, n);
		if (!end)
			break;
		if (!s->too_long)
			r = fn(arg, s->buf ? s->buf : "", s->len);
		s->len = 0;
		s->too_long = 0;
		piece += n + 1;
		len -= n + 1;
	}
	return r < 0 ? r : 0;
}

void varlink_free(struct varlink_stream *s)
{
	free(s->buf);
	*s = (struct varlink_stream){0};
}
