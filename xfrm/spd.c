/* SPDX-License-Identifier: BSD-2-Clause */
#include "xfrm/spd.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define uthash_fatal(text) out_of_memory()
static void out_of_memory(void)
{
	log_error("out of memory");
	abort();
}
#include <uthash.h>

_Static_assert(
	sizeof(struct spd_key) == 6 + 2 * 2 + 2 * 16, "a key has no padding of the compiler's");

/*
 * One selector: three layers. What the kernel should have is the decision, else the rule; a change
 * is made where that differs from what it has.
 */
struct spd_entry {
	struct spd *spd;
	struct spd_key key;
	struct spd_value rule;
	struct spd_value decision;
	struct spd_value kernel;
	struct spd_value sent; /* handed out, not answered yet */
	uint32_t generation;   /* of the picture that wanted the rule last */
	bool dirty;
	struct spd_entry *next_dirty;
	struct spd_pair *pair; /* where there is a decision */
	struct spd_entry *next_of_pair;
	struct spd_entry *older, *newer; /* mortal ones, by time of writing */
	uint64_t written;
	UT_hash_handle hh;
};

struct spd_pair {
	struct pair pair;
	struct spd_entry *decided;
	UT_hash_handle hh;
};

struct spd {
	struct spd_entry *entries;
	struct spd_pair *pairs;
	struct spd_entry *dirty;
	struct spd_entry *oldest, *newest;
	struct spd_entry
		*anchor[2]; /* IPv4, IPv6: a policy that may be written again at any time */
	uint32_t generation;
	uint64_t now;
	int error;
};

struct spd *spd_new(void)
{
	struct spd *spd = calloc(1, sizeof(*spd));

	if (!spd)
		out_of_memory();
	return spd;
}

void spd_free(struct spd *spd)
{
	struct spd_entry *e, *e_next;
	struct spd_pair *p, *p_next;

	if (!spd)
		return;
	HASH_ITER (hh, spd->entries, e, e_next) {
		HASH_DEL(spd->entries, e);
		free(e);
	}
	HASH_ITER (hh, spd->pairs, p, p_next) {
		HASH_DEL(spd->pairs, p);
		free(p);
	}
	free(spd);
}

static struct spd_value *effective(struct spd_entry *e)
{
	return e->decision.kind != SPD_NONE ? &e->decision : &e->rule;
}

static bool same(const struct spd_value *a, const struct spd_value *b)
{
	return a->kind == b->kind &&
	       (a->kind == SPD_NONE || (a->priority == b->priority && a->mortal == b->mortal &&
					       a->level == b->level));
}

static struct spd_entry *entry_get(struct spd *spd, const struct spd_key *key)
{
	struct spd_entry *e;

	HASH_FIND(hh, spd->entries, key, sizeof(*key), e);
	if (e)
		return e;
	e = calloc(1, sizeof(*e));
	if (!e)
		out_of_memory();
	e->spd = spd;
	e->key = *key;
	HASH_ADD(hh, spd->entries, key, sizeof(e->key), e);
	return e;
}

static void mark(struct spd *spd, struct spd_entry *e)
{
	if (e->dirty)
		return;
	e->dirty = true;
	e->next_dirty = spd->dirty;
	spd->dirty = e;
}

static struct spd_entry **anchor_of(struct spd *spd, const struct spd_entry *e)
{
	return &spd->anchor[e->key.family == AF_INET6];
}

/* ---- the mortal ones, in order of writing */

static void age_remove(struct spd *spd, struct spd_entry *e)
{
	if (e->older)
		e->older->newer = e->newer;
	else if (spd->oldest == e)
		spd->oldest = e->newer;
	if (e->newer)
		e->newer->older = e->older;
	else if (spd->newest == e)
		spd->newest = e->older;
	e->older = e->newer = NULL;
}

static void age_append(struct spd *spd, struct spd_entry *e)
{
	e->written = spd->now;
	e->older = spd->newest;
	if (spd->newest)
		spd->newest->newer = e;
	else
		spd->oldest = e;
	spd->newest = e;
}

/* The only place where the kernel's side changes. */
static void set_kernel(struct spd *spd, struct spd_entry *e, struct spd_value value)
{
	age_remove(spd, e);
	e->kernel = value;
	if (value.kind != SPD_NONE && value.mortal)
		age_append(spd, e);
}

/* Frees what nobody knows any more. */
static void entry_put(struct spd *spd, struct spd_entry *e)
{
	if (e->dirty || e->rule.kind != SPD_NONE || e->decision.kind != SPD_NONE ||
		e->kernel.kind != SPD_NONE)
		return;
	if (*anchor_of(spd, e) == e)
		*anchor_of(spd, e) = NULL;
	HASH_DEL(spd->entries, e);
	free(e);
}

/* ---- the picture of the rules */

void spd_open(struct spd *spd)
{
	spd->generation++;
	spd->anchor[0] = spd->anchor[1] = NULL;
}

static void want(struct spd *spd, const struct spd_key *key, enum spd_kind kind, uint32_t priority,
	unsigned int level)
{
	struct spd_entry *e = entry_get(spd, key);
	struct spd_value value = {
		.priority = priority, .kind = (uint8_t)kind, .level = (uint8_t)level};

	if (e->generation == spd->generation && e->rule.kind != SPD_NONE)
		return;
	e->generation = spd->generation;
	e->rule = value;
	if (!same(effective(e), &e->kernel))
		mark(spd, e);
	if (!*anchor_of(spd, e))
		*anchor_of(spd, e) = e;
}

void spd_want(struct spd *spd, const struct spd_key *key, enum spd_kind kind, uint32_t priority)
{
	want(spd, key, kind, priority, 0);
}

void spd_close(struct spd *spd)
{
	struct spd_entry *e, *next;

	HASH_ITER (hh, spd->entries, e, next) {
		if (e->generation != spd->generation)
			e->rule = (struct spd_value){0};
		if (!same(effective(e), &e->kernel))
			mark(spd, e);
		else
			entry_put(spd, e);
	}
}

static struct scope rule_scope(const struct xfrm_rule *rule)
{
	return (struct scope){.proto = rule->proto, .sport = rule->sport, .dport = rule->dport};
}

unsigned int spd_level(const struct xfrm_rule *rule)
{
	struct scope scope = rule_scope(rule);

	return scope_level(&scope);
}

static struct spd_key key_of(enum spd_dir dir, const struct addr *local,
	const struct prefix *remote, const struct scope *scope)
{
	struct spd_key key = {.dir = (uint8_t)dir, .family = local->family, .proto = scope->proto};
	uint8_t bits = (uint8_t)addr_bits(local);

	if (dir == SPD_OUT) {
		memcpy(key.src, local->b, sizeof(key.src));
		memcpy(key.dst, remote->addr.b, sizeof(key.dst));
		key.src_len = bits;
		key.dst_len = remote->len;
		key.sport = scope->sport;
		key.dport = scope->dport;
	} else {
		memcpy(key.src, remote->addr.b, sizeof(key.src));
		memcpy(key.dst, local->b, sizeof(key.dst));
		key.src_len = remote->len;
		key.dst_len = bits;
		key.sport = scope->dport;
		key.dport = scope->sport;
	}
	return key;
}

void spd_want_rule(
	struct spd *spd, const struct xfrm_rule *rule, const struct addr *local, bool in_allow)
{
	struct scope scope = rule_scope(rule);
	struct spd_key out = key_of(SPD_OUT, local, &rule->remote, &scope);
	struct spd_key in = key_of(SPD_IN, local, &rule->remote, &scope);
	uint32_t priority = XFRM_PRIO_RULES + XFRM_PRIO_STEP * rule->rank;
	unsigned int level = scope_level(&scope);

	switch ((enum xfrm_action)rule->action) {
	case XFRM_ACTION_ALLOW:
		spd_want(spd, &out, SPD_ALLOW, priority);
		if (in_allow)
			spd_want(spd, &in, SPD_ALLOW, priority);
		break;
	case XFRM_ACTION_TRAP:
		want(spd, &out, SPD_REQUIRED, priority, level);
		if (in_allow)
			spd_want(spd, &in, SPD_ALLOW, priority);
		break;
	case XFRM_ACTION_GUARD:
		want(spd, &out, SPD_REQUIRED, priority, level);
		want(spd, &in, SPD_REQUIRED, priority, level);
		break;
	case XFRM_ACTION_BLOCK:
		spd_want(spd, &out, SPD_BLOCK, priority);
		spd_want(spd, &in, SPD_BLOCK, priority);
		break;
	}
}

/* ---- decisions */

struct spd_key spd_pair_key(enum spd_dir dir, const struct pair *pair)
{
	struct prefix remote = prefix_host(&pair->remote);

	return key_of(dir, &pair->local, &remote, &pair->scope);
}

struct pair spd_key_pair(const struct spd_key *key)
{
	bool out = key->dir == SPD_OUT;
	const uint8_t *local = out ? key->src : key->dst;
	const uint8_t *remote = out ? key->dst : key->src;
	struct pair pair = {
		.local.family = key->family,
		.remote.family = key->family,
		.scope = {.proto = key->proto,
			.sport = out ? key->sport : key->dport,
			.dport = out ? key->dport : key->sport},
	};

	memcpy(pair.local.b, local, sizeof(pair.local.b));
	memcpy(pair.remote.b, remote, sizeof(pair.remote.b));
	return pair;
}

/* Links or unlinks the entry with its pair, then takes the value. */
static void set_decision(struct spd *spd, struct spd_entry *e, struct spd_value value)
{
	struct pair pair = spd_key_pair(&e->key);
	struct spd_entry **at;
	struct spd_pair *p;

	if (value.kind != SPD_NONE && !e->pair) {
		HASH_FIND(hh, spd->pairs, &pair, sizeof(pair), p);
		if (!p) {
			p = calloc(1, sizeof(*p));
			if (!p)
				out_of_memory();
			p->pair = pair;
			HASH_ADD(hh, spd->pairs, pair, sizeof(p->pair), p);
		}
		e->pair = p;
		e->next_of_pair = p->decided;
		p->decided = e;
	} else if (value.kind == SPD_NONE && e->pair) {
		p = e->pair;
		for (at = &p->decided; *at != e; at = &(*at)->next_of_pair)
			;
		*at = e->next_of_pair;
		e->pair = NULL;
		e->next_of_pair = NULL;
		if (!p->decided) {
			HASH_DEL(spd->pairs, p);
			free(p);
		}
	}
	e->decision = value;
	if (!same(effective(e), &e->kernel))
		mark(spd, e);
	else
		entry_put(spd, e);
}

void spd_decide(struct spd *spd, enum spd_dir dir, const struct pair *pair,
	const struct xfrm_rule *rule, enum spd_kind kind, bool mortal)
{
	struct spd_key key = spd_pair_key(dir, pair);
	struct spd_value value = {
		/* just before the rule, the narrower the earlier */
		.priority = XFRM_PRIO_RULES + XFRM_PRIO_STEP * rule->rank - 1 -
			    scope_level(&pair->scope),
		.kind = (uint8_t)kind,
		.mortal = mortal,
		.level = kind == SPD_REQUIRED ? (uint8_t)spd_level(rule) : 0,
	};

	set_decision(spd, entry_get(spd, &key), kind == SPD_NONE ? (struct spd_value){0} : value);
}

void spd_undecide(struct spd *spd, enum spd_dir dir, const struct pair *pair)
{
	struct spd_entry *e, *next;
	struct spd_pair *p;

	HASH_FIND(hh, spd->pairs, pair, sizeof(*pair), p);
	for (e = p ? p->decided : NULL; e; e = next) {
		next = e->next_of_pair;
		/* frees p with its last entry, which ends the loop too */
		if (e->key.dir == dir)
			set_decision(spd, e, (struct spd_value){0});
	}
}

void spd_undecide_local(struct spd *spd, const struct addr *local)
{
	struct spd_pair *p, *next;

	HASH_ITER (hh, spd->pairs, p, next) {
		struct pair pair = p->pair;

		if (!addr_equal(&pair.local, local))
			continue;
		spd_undecide(spd, SPD_OUT, &pair);
		spd_undecide(spd, SPD_IN, &pair);
	}
}

/* ---- the kernel's side */

void spd_found(struct spd *spd, const struct spd_key *key, const struct spd_value *value, bool keep)
{
	struct spd_entry *e = entry_get(spd, key);

	set_kernel(spd, e, *value);
	if (keep && value->kind == SPD_REQUIRED && key->dir == SPD_IN)
		set_decision(spd, e, *value);
}

void spd_lost(struct spd *spd, const struct spd_key *key)
{
	struct spd_entry *e;

	HASH_FIND(hh, spd->entries, key, sizeof(*key), e);
	if (!e)
		return;
	set_kernel(spd, e, (struct spd_value){0});
	if (effective(e)->kind != SPD_NONE)
		mark(spd, e);
	else
		entry_put(spd, e);
}

static void hand_out(
	struct spd_entry *e, const struct spd_value *value, spd_change_fn fn, void *arg)
{
	e->sent = *value;
	fn(arg, e, &e->key, &e->sent);
}

void spd_sync(struct spd *spd, uint64_t now, spd_change_fn fn, void *arg)
{
	struct spd_entry *removals = NULL, *list = NULL, *e, *next;
	bool opened[2] = {false, false};

	spd->now = now;
	/* the list grew at its head: back to the order of the asking */
	for (e = spd->dirty; e; e = next) {
		next = e->next_dirty;
		e->next_dirty = list;
		list = e;
	}
	spd->dirty = NULL;
	for (e = list; e; e = next) {
		next = e->next_dirty;
		e->next_dirty = NULL;
		e->dirty = false;
		if (same(effective(e), &e->kernel)) {
			entry_put(spd, e);
		} else if (effective(e)->kind != SPD_NONE) {
			hand_out(e, effective(e), fn, arg);
		} else {
			e->next_dirty = removals;
			removals = e;
		}
	}
	for (e = removals; e; e = next) {
		next = e->next_dirty;
		e->next_dirty = NULL;
		if (e->key.dir == SPD_OUT && e->kernel.kind == SPD_ALLOW)
			opened[e->key.family == AF_INET6] = true;
		hand_out(e, &(struct spd_value){0}, fn, arg);
	}
	for (int i = 0; i < 2; i++)
		if (opened[i] && spd->anchor[i])
			hand_out(spd->anchor[i], effective(spd->anchor[i]), fn, arg);
}

void spd_answer(struct spd_entry *e, int error)
{
	struct spd *spd = e->spd;

	if (e->sent.kind == SPD_NONE && error == -ENOENT)
		error = 0;
	if (error) {
		/* what stands there now is not known: the next round writes it again */
		set_kernel(spd, e, (struct spd_value){.kind = SPD_OTHER});
		mark(spd, e);
		if (!spd->error)
			spd->error = error;
		return;
	}
	set_kernel(spd, e, e->sent);
	entry_put(spd, e);
}

int spd_take_error(struct spd *spd)
{
	int error = spd->error;

	spd->error = 0;
	return error;
}

void spd_rearm(struct spd *spd, uint64_t now, uint64_t deadline, unsigned int max, spd_change_fn fn,
	void *arg)
{
	struct spd_entry *e, *next;

	spd->now = now;
	for (e = spd->oldest; e && max && e->written < deadline; e = next) {
		next = e->newer;
		/* one that is about to change has its change to come */
		if (e->dirty || !same(effective(e), &e->kernel))
			continue;
		max--;
		hand_out(e, effective(e), fn, arg);
	}
}

void spd_clear(struct spd *spd)
{
	struct spd_pair *p, *next;

	HASH_ITER (hh, spd->pairs, p, next) {
		struct pair pair = p->pair;

		spd_undecide(spd, SPD_OUT, &pair);
		spd_undecide(spd, SPD_IN, &pair);
	}
	spd_open(spd);
	spd_close(spd);
}

size_t spd_count(const struct spd *spd)
{
	size_t n = 0;

	for (const struct spd_entry *e = spd->entries; e; e = e->hh.next)
		n += e->kernel.kind != SPD_NONE;
	return n;
}
