/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of rules. One hash over whole selectors (prefix, protocol, ports): a lookup masks the
 * address to each prefix length that occurs, longest first, and there asks for the at most five
 * selectors that could match, most specific first. So it is bound by the lengths of a prefix,
 * whatever the number of rules. The same hash finds the selector that two lines name.
 */
#include "policy/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>

#include "policy/policy_priv.h"

#define FILE_MAX (256u << 20)
#define LENGTHS 129 /* prefix lengths 0..128 */

/* How much of protocol and ports a selector names; the order of precedence. */
enum level {
	LEVEL_BOTH_PORTS,
	LEVEL_DPORT, /* before LEVEL_SPORT, so that no two selectors of one rank meet in a packet */
	LEVEL_SPORT,
	LEVEL_PROTO,
	LEVEL_HOST,
	N_LEVELS,
};

/* The hash's key: no padding. */
struct selector {
	struct prefix remote;
	uint16_t sport;
	uint16_t dport;
	uint8_t proto;
	uint8_t pad[3];
};

struct entry {
	struct pol_rule rule;
	struct selector selector;
	UT_hash_handle hh;
};

struct name {
	struct name *next;
	char text[];
};

struct policy {
	struct entry *table;
	const struct entry **sorted; /* by compare(), all of table */
	const struct entry **ported; /* the same, those with a protocol */
	size_t sorted_max, n_ported;
	struct name *names;          /* of files, for the rules */
	/* how many rules there are of a length and level, so that a lookup skips what cannot be */
	uint32_t count[2][LENGTHS][N_LEVELS];
};

static const char *const group_names[POL_N_GROUPS] = {
	[POL_BLOCK] = "block",
	[POL_CLEAR] = "clear",
	[POL_CLEAR_OR_PRIVATE] = "clear-or-private",
	[POL_PRIVATE_OR_CLEAR] = "private-or-clear",
	[POL_PRIVATE] = "private",
};

/* Which group stays where two name one selector. */
static const uint8_t strictness[POL_N_GROUPS] = {
	[POL_CLEAR] = 0,
	[POL_CLEAR_OR_PRIVATE] = 1,
	[POL_PRIVATE_OR_CLEAR] = 2,
	[POL_PRIVATE] = 3,
	[POL_BLOCK] = 4,
};

const char *pol_group_name(enum pol_group group)
{
	return (unsigned int)group < POL_N_GROUPS ? group_names[group] : "?";
}

bool pol_group_parse(const char *name, enum pol_group *ret)
{
	for (int g = 0; g < POL_N_GROUPS; g++) {
		if (!strcmp(group_names[g], name)) {
			*ret = (enum pol_group)g;
			return true;
		}
	}
	return false;
}

static void *must(void *p)
{
	if (!p) {
		fputs("policy: out of memory\n", stderr);
		abort();
	}
	return p;
}

static enum level level(uint8_t proto, uint16_t sport, uint16_t dport)
{
	if (!proto)
		return LEVEL_HOST;
	if (sport && dport)
		return LEVEL_BOTH_PORTS;
	return dport ? LEVEL_DPORT : sport ? LEVEL_SPORT : LEVEL_PROTO;
}

uint32_t pol_rank(unsigned int prefix_len, unsigned int bits, uint8_t proto, uint16_t sport,
	uint16_t dport)
{
	return (bits - prefix_len) * N_LEVELS + level(proto, sport, dport);
}

struct policy *policy_new(void)
{
	return must(calloc(1, sizeof(struct policy)));
}

void policy_free(struct policy *p)
{
	struct entry *e, *next_entry;

	if (!p)
		return;
	HASH_ITER(hh, p->table, e, next_entry) {
		HASH_DEL(p->table, e);
		free(e);
	}
	for (struct name *n = p->names, *next; n; n = next) {
		next = n->next;
		free(n);
	}
	free(p->sorted);
	free(p->ported);
	free(p);
}

static uint32_t *count_of(struct policy *p, const struct selector *s)
{
	return &p->count[s->remote.addr.family == AF_INET6][s->remote.len]
		[level(s->proto, s->sport, s->dport)];
}

static struct entry *find(const struct policy *p, const struct selector *s)
{
	struct entry *e;

	HASH_FIND(hh, p->table, s, sizeof(*s), e);
	return e;
}

/* ---- lookup */

static const struct pol_rule *lookup_prefix(const struct policy *p, const struct prefix *remote,
	const uint32_t count[static N_LEVELS], uint8_t proto, uint16_t sport, uint16_t dport)
{
	const struct selector flow = {*remote, sport, dport, proto, {0}};

	for (int l = proto ? LEVEL_BOTH_PORTS : LEVEL_HOST; l < N_LEVELS; l++) {
		struct selector s = flow;
		const struct entry *e;

		if (!count[l])
			continue;
		if (l >= LEVEL_SPORT)
			s.dport = 0;
		if (l == LEVEL_DPORT || l >= LEVEL_PROTO)
			s.sport = 0;
		if (l == LEVEL_HOST)
			s.proto = 0;
		/* a port of 0 in the flow is none: it would find what is less specific too early */
		if (level(s.proto, s.sport, s.dport) != (enum level)l)
			continue;
		e = find(p, &s);
		if (e)
			return &e->rule;
	}
	return NULL;
}

const struct pol_rule *policy_lookup(const struct policy *p, const struct addr *remote,
	uint8_t proto, uint16_t sport, uint16_t dport)
{
	unsigned int bits = addr_bits(remote);
	struct prefix prefix = prefix_host(remote);

	if (!addr_valid(remote))
		return NULL;
	for (unsigned int len = bits;; len--) {
		const struct pol_rule *r;

		r = lookup_prefix(p, &prefix, p->count[remote->family == AF_INET6][len], proto,
			sport, dport);
		if (r || len == 0)
			return r;
		/* one bit shorter */
		prefix.addr.b[(len - 1) / 8] &= (uint8_t)~(0x80u >> ((len - 1) % 8));
		prefix.len = (uint8_t)(len - 1);
	}
}

/* ---- the list of all */

static int compare(const void *va, const void *vb)
{
	const struct pol_rule *a = &(*(const struct entry *const *)va)->rule;
	const struct pol_rule *b = &(*(const struct entry *const *)vb)->rule;
	int diff;

	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	diff = addr_compare(&a->remote.addr, &b->remote.addr);
	if (diff)
		return diff;
	if (a->proto != b->proto)
		return a->proto < b->proto ? -1 : 1;
	if (a->dport != b->dport)
		return a->dport < b->dport ? -1 : 1;
	return (a->sport > b->sport) - (a->sport < b->sport);
}

static void sort(struct policy *p)
{
	size_t n = policy_count(p), i = 0;

	if (n > p->sorted_max) {
		p->sorted = must(reallocarray(p->sorted, n, sizeof(*p->sorted)));
		p->sorted_max = n;
	}
	for (const struct entry *e = p->table; e; e = e->hh.next)
		p->sorted[i++] = e;
	if (n)
		qsort(p->sorted, n, sizeof(*p->sorted), compare);
	p->n_ported = 0;
	for (i = 0; i < n; i++)
		p->n_ported += p->sorted[i]->rule.proto != 0;
	free(p->ported);
	p->ported = must(calloc(p->n_ported + 1, sizeof(*p->ported)));
	for (size_t j = i = 0; i < n; i++)
		if (p->sorted[i]->rule.proto)
			p->ported[j++] = p->sorted[i];
}

const struct pol_rule *policy_ported(const struct policy *p, size_t i)
{
	return i < p->n_ported ? &p->ported[i]->rule : NULL;
}

size_t policy_count(const struct policy *p)
{
	return HASH_COUNT(p->table);
}

const struct pol_rule *policy_rule(const struct policy *p, size_t i)
{
	return i < policy_count(p) ? &p->sorted[i]->rule : NULL;
}

/* ---- loading */

/* A group's text being read. */
struct source {
	struct policy *p;
	enum pol_group group;
	const char *file; /* owned by p */
	uint32_t line;
	pol_error_fn on_error;
	void *arg;
	size_t refused;
};

/* A line of file, or a file as a whole where line is 0. */
__attribute__((format(printf, 4, 5))) static void report(const struct source *src, const char *file,
	uint32_t line, const char *fmt, ...)
{
	char *head, *what;
	va_list ap;
	int n;

	if (!src->on_error)
		return;
	va_start(ap, fmt);
	n = vasprintf(&what, fmt, ap);
	va_end(ap);
	must(n < 0 ? NULL : what);
	n = line ? asprintf(&head, "%s:%u: %s", file, line, what)
		 : asprintf(&head, "%s: %s", file, what);
	must(n < 0 ? NULL : head);
	src->on_error(src->arg, head);
	free(head);
	free(what);
}

/* Two groups name one selector: the stricter one stays, wherever it stood. */
static void conflict(struct source *src, struct entry *old, const struct pol_rule *new)
{
	bool new_stays = strictness[new->group] > strictness[old->rule.group];
	struct pol_rule stays = new_stays ? *new : old->rule;
	struct pol_rule goes = new_stays ? old->rule : *new;
	char text[PREFIX_STRLEN];

	report(src, goes.file, goes.line,
		"%s is also in %s:%u; the stricter group %s stays, delete one "
		"of the two lines",
		prefix_format(&new->remote, text), stays.file, stays.line,
		pol_group_name(stays.group));
	src->refused++;
	old->rule = stays;
}

static void add(struct source *src, const struct pol_rule *rule)
{
	const struct selector s = {rule->remote, rule->sport, rule->dport, rule->proto, {0}};
	struct entry *e = find(src->p, &s);

	if (e) {
		if (e->rule.group != rule->group)
			conflict(src, e, rule);
		return; /* said twice in one group: no harm */
	}
	e = must(calloc(1, sizeof(*e)));
	e->rule = *rule;
	e->selector = s;
	HASH_ADD(hh, src->p->table, selector, sizeof(e->selector), e);
	++*count_of(src->p, &s);
}

static void parse_one(struct source *src, const char *line, size_t len)
{
	char what[POL_WHAT_MAX];
	struct pol_rule r;

	switch (pol_parse_line(line, len, &r, what)) {
	case POL_LINE_EMPTY:
		return;
	case POL_LINE_BAD:
		report(src, src->file, src->line, "%s", what);
		src->refused++;
		return;
	case POL_LINE_NOTE:
		report(src, src->file, src->line, "%s", what);
		break;
	case POL_LINE_RULE:
		break;
	}
	r.group = src->group;
	r.rank = pol_rank(r.remote.len, addr_bits(&r.remote.addr), r.proto, r.sport, r.dport);
	r.file = src->file;
	r.line = src->line;
	add(src, &r);
}

static const char *keep_name(struct policy *p, const char *text)
{
	size_t size = strlen(text) + 1;
	struct name *n = must(malloc(sizeof(*n) + size));

	memcpy(n->text, text, size);
	n->next = p->names;
	p->names = n;
	return n->text;
}

static void parse_text(struct source *src, const char *text, size_t len)
{
	const char *end = text + len;

	/* the byte order mark that some editors leave */
	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
		text += 3;
	while (text < end) {
		const char *nl = memchr(text, '\n', (size_t)(end - text));
		const char *stop = nl ? nl : end;

		src->line++;
		parse_one(src, text, (size_t)(stop - text));
		text = stop + (nl != NULL);
	}
}

void policy_parse(struct policy *p, enum pol_group group, const char *name, const char *text,
	size_t len, pol_error_fn on_error, void *arg, size_t *ret_refused)
{
	struct source src = {p, group, keep_name(p, name), 0, on_error, arg, 0};

	if (len)
		parse_text(&src, text, len);
	sort(p);
	if (ret_refused)
		*ret_refused = src.refused;
}

/* The whole of a file; *ret_text is to be freed. Returns 0 or -errno. */
static int read_file(const char *path, char **ret_text, size_t *ret_len)
{
	size_t len = 0, cap = 0;
	char *text = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), error = 0;
	struct stat st;

	if (fd < 0)
		return -errno;
	/* a fifo would hold up the daemon */
	if (fstat(fd, &st) < 0)
		error = -errno;
	else if (!S_ISREG(st.st_mode))
		error = S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	while (!error) {
		ssize_t n;

		if (len == cap) {
			cap = cap ? cap * 2 : 65536;
			text = must(realloc(text, cap));
		}
		n = read(fd, text + len, cap - len);
		if (n < 0 && errno != EINTR)
			error = -errno;
		else if (n > 0 && (len += (size_t)n) > FILE_MAX)
			error = -EFBIG;
		else if (n == 0)
			break;
	}
	close(fd);
	if (error) {
		free(text);
		return error;
	}
	*ret_text = text;
	*ret_len = len;
	return 0;
}

static void load_group(struct source *src, const char *path)
{
	char *text = NULL;
	size_t len = 0;
	int error = read_file(path, &text, &len);

	if (error == -ENOENT)
		return;
	src->file = keep_name(src->p, path);
	if (error) {
		report(src, path, 0,
			"cannot be read (%s), so the group %s is empty; make it a file that "
			"oed can read (mode 0644)",
			strerror(-error), pol_group_name(src->group));
		src->refused++;
		return;
	}
	parse_text(src, text, len);
	free(text);
}

struct policy *policy_load(const char *dir, pol_error_fn on_error, void *arg, size_t *ret_refused)
{
	struct policy *p = policy_new();
	size_t refused = 0;

	for (int g = 0; g < POL_N_GROUPS; g++) {
		struct source src = {p, (enum pol_group)g, NULL, 0, on_error, arg, 0};
		char *path;

		if (asprintf(&path, "%s/%s", dir, group_names[g]) < 0)
			must(NULL);
		load_group(&src, path);
		free(path);
		refused += src.refused;
	}
	sort(p);
	if (ret_refused)
		*ret_refused = refused;
	return p;
}
