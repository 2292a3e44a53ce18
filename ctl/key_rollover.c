/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `oectl key rollover`: a new key in place of the old one, without a moment at which somebody who looks
 * this host up, or did so within the TTL, could not verify its proof. What may come when is decided by
 * rollover.c; here it is done. Each step can be done again after a crash at any point of it.
 *
 * The files: NAME.pem signs; NAME.new.pem is the new key until the switch, NAME.old.pem the old one
 * after it. rollover.json beside them is rollover.c's.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "ctl/key_publish.h"
#include "ctl/rollover.h"

#define POLL_S 5
/* The signer is started anew: that takes some milliseconds. */
#define SIGNER_S 10

struct roll {
	const struct oectl *ctl;
	struct oectl_publisher publisher;
	struct rollover r;
	char dir[PATH_MAX - 128];
	struct oectl_key *keys;
	int n_keys;
	int lock; /* the directory: one of us changes it at a time; -1 none */
};

enum { GO_ON = -1 }; /* no exit status: the next step can be done */

static uint64_t now_s(void)
{
	return (uint64_t)time(NULL);
}

/* ---- files */

static const char *file_name(const struct roll *k, const char *role, char buf[static PATH_MAX])
{
	snprintf(buf, PATH_MAX, "%s/%s%s.pem", k->dir, k->r.name, role);
	return buf;
}

static int save(struct roll *k)
{
	int error = rollover_save(k->dir, &k->r);

	return error ? oectl_complain(
			       k->ctl, OECTL_NO, "%s/rollover.json: %s", k->dir, strerror(-error))
		     : GO_ON;
}

static int reach(struct roll *k, enum rollover_step step)
{
	rollover_advance(&k->r, step, now_s());
	return save(k);
}

static const struct keytool_public *find_key(const struct roll *k, const char *fingerprint)
{
	for (int i = 0; i < k->n_keys; i++)
		if (!strcmp(k->keys[i].pub.fingerprint, fingerprint))
			return &k->keys[i].pub;
	return NULL;
}

static int load_keys(struct roll *k)
{
	free(k->keys);
	k->keys = NULL;
	k->n_keys = oectl_read_keys(k->ctl, &k->keys);
	return k->n_keys > 0 ? GO_ON : oectl_no_keys(k->ctl, k->n_keys);
}

/* A rename that may have been done already. Returns 0 or -errno. */
static int move(const char *from, const char *to)
{
	if (rename(from, to) == 0)
		return 0;
	return errno == ENOENT && access(to, F_OK) == 0 ? 0 : -errno;
}

/* Both renames of the switch, or what is left of them. Between the two no file has a current key's name:
 * then all sign, see find_roles() and the signer. */
static int switch_files(struct roll *k)
{
	char old[PATH_MAX], current[PATH_MAX], new[PATH_MAX];
	int error = 0;

	file_name(k, ".old", old);
	file_name(k, "", current);
	file_name(k, ".new", new);
	if (access(new, F_OK) == 0) { /* else it was done */
		if (access(old, F_OK) < 0)
			error = move(current, old);
		if (!error)
			error = move(new, current);
	}
	return error ? oectl_complain(k->ctl, OECTL_NO, "%s: %s", current, strerror(-error))
		     : GO_ON;
}

/* ---- the daemon */

static void reload(const struct roll *k)
{
	json_t *answer = oectl_daemon(k->ctl, "reload", NULL);

	if (!answer && !k->ctl->json)
		fprintf(k->ctl->out,
			"The daemon is not running: it reads the keys when it starts.\n");
	json_decref(answer);
}

/* Whether the daemon finds the key at owner and believes it. why: what it finds instead. */
static bool seen(
	const struct roll *k, const char *owner, const char *fingerprint, char *why, size_t size)
{
	json_t *answer = oectl_daemon(k->ctl, "resolve", owner);
	const json_t *list = json_object_get(answer, "keys"), *v;
	const char *class = oectl_str(answer, "class", "");
	bool found = false;
	size_t i;

	json_array_foreach(list, i, v)
		found = found || !strcmp(oectl_str(v, "fingerprint", ""), fingerprint);
	found = found && !strcmp(class, "KEYS");
	if (!answer)
		snprintf(why, size,
			"the daemon does not run, so nobody can tell whether it is "
			"believed: systemctl start oed");
	else if (!oectl_bool(answer, "ok"))
		snprintf(why, size, "%s", oectl_str(answer, "error", "the daemon refused"));
	else if (!strcmp(class, "KEYS"))
		snprintf(why, size, "DNS has not got it yet (a secondary that lags, a cache)");
	else
		snprintf(why, size, "%s %s", class, oectl_str(answer, "why", ""));
	json_decref(answer);
	return found;
}

/* Whether the daemon signs with the key; where there is none nobody signs. */
static bool signs(const struct roll *k, const char *fingerprint)
{
	for (int i = 0; i < SIGNER_S * 10; i++) {
		json_t *answer = oectl_daemon(k->ctl, "status", NULL);
		const json_t *list = json_object_get(answer, "keys"), *v;
		bool found = !answer;
		size_t j;

		json_array_foreach(list, j, v)
			found = found || (!strcmp(oectl_str(v, "fingerprint", ""), fingerprint) &&
						 oectl_bool(v, "signs"));
		json_decref(answer);
		if (found)
			return true;
		usleep(100000);
	}
	return false;
}

/* ---- steps */

/* With --wait: sleeps, and the step is tried again. */
static int later(const struct roll *k, uint64_t seconds)
{
	if (!k->ctl->wait)
		return OECTL_OK;
	fflush(k->ctl->out);
	sleep((unsigned int)(seconds < POLL_S ? seconds : POLL_S));
	return GO_ON;
}

static void say(const struct roll *k, const char *text)
{
	if (!k->ctl->json)
		oectl_wrap(k->ctl->out, 0, text);
}

/* The records of the key at all names, for an admin who changes the zone by hand. */
static void say_records(
	const struct roll *k, const char *what, const char *fingerprint, unsigned int precedence)
{
	const struct keytool_public *key = find_key(k, fingerprint);
	/* not known of the records there: then what is usual */
	uint32_t ttl = k->ctl->ttl                               ? k->ctl->ttl
		       : k->r.ttl && k->r.ttl < ROLLOVER_TTL_MAX ? k->r.ttl
								 : PUBLISH_TTL;
	char line[KEYTOOL_RECORD_MAX];

	if (k->ctl->json || !key)
		return;
	fprintf(k->ctl->out, "%s\n", what);
	for (size_t i = 0; i < k->r.n_owners; i++)
		fprintf(k->ctl->out, "%s\n",
			keytool_record(key, k->r.owner[i], ttl, (uint8_t)precedence, false, line));
}

static unsigned int behind(const struct roll *k)
{
	const struct oectl_key key = {.role = OECTL_KEY_NEW};

	return oectl_precedence(&key, k->r.precedence);
}

/* Makes the wish true at all names. */
static int update_all(const struct roll *k, const struct publish_wish *wish)
{
	struct publish_result *r = calloc(1, sizeof(*r));
	int status = GO_ON;

	if (!r)
		abort();
	for (size_t i = 0; i < k->r.n_owners && status == GO_ON; i++) {
		struct dname name;

		if (dname_parse(k->r.owner[i], &name) < 0 ||
			publish(&k->publisher.p, &name, wish, r) < 0)
			status = oectl_complain(k->ctl, OECTL_NO,
				"%s: %s. Nothing is lost: 'oectl key rollover continue' tries "
				"again",
				k->r.owner[i], r->why[0] ? r->why : "no domain name");
	}
	free(r);
	return status;
}

static int need_update_key(const struct roll *k)
{
	return oectl_complain(k->ctl, OECTL_NO,
		"the rollover was begun with a key for updates: name its file with --update-key "
		"FILE or "
		"update-key in oed.conf");
}

static int do_publish(struct roll *k)
{
	const struct keytool_public *old = find_key(k, k->r.old_key),
				    *new = find_key(k, k->r.new_key);
	struct publish_wish wish = {.ttl = k->ctl->ttl, .n_want = 2};
	char why[400];
	int status = GO_ON;

	if (!old || !new)
		return oectl_complain(k->ctl, OECTL_NO,
			"%s: a key file of the rollover is gone; "
			"'oectl key rollover abort' ends it",
			k->dir);
	wish.want[0].key = old;
	wish.want[0].precedence = k->r.precedence;
	wish.want[1].key = new;
	wish.want[1].precedence = (uint8_t)behind(k);
	if (!k->r.by_hand && !k->publisher.p.key)
		return need_update_key(k);
	if (!k->r.by_hand)
		status = update_all(k, &wish);
	for (size_t i = 0; k->r.by_hand && i < k->r.n_owners; i++) {
		if (seen(k, k->r.owner[i], k->r.new_key, why, sizeof(why)))
			continue;
		say_records(k, "Add these records and keep the old ones:", k->r.new_key, behind(k));
		if (!k->ctl->json)
			fprintf(k->ctl->out, "Then: oectl key rollover continue\n(%s: %s)\n",
				k->r.owner[i], why);
		return later(k, POLL_S);
	}
	if (status == GO_ON)
		status = reach(k, ROLLOVER_PUBLISHED);
	if (status != GO_ON)
		return status;
	say(k, "Both keys are published.");
	reload(k);
	return GO_ON;
}

static int do_switch(struct roll *k)
{
	char why[400];
	int status;

	for (size_t i = 0; !k->ctl->force && i < k->r.n_owners; i++) {
		if (seen(k, k->r.owner[i], k->r.new_key, why, sizeof(why)))
			continue;
		if (k->ctl->wait && !k->ctl->json)
			fprintf(k->ctl->out, "The new key is not seen at %s: %s\n", k->r.owner[i],
				why);
		if (k->ctl->wait)
			return later(k, POLL_S);
		return oectl_complain(k->ctl, OECTL_NO,
			"the new key is not seen at %s: %s. The old key "
			"signs on (--force goes on all the same)",
			k->r.owner[i], why);
	}
	status = switch_files(k);
	if (status == GO_ON)
		status = reach(k, ROLLOVER_SWITCHED);
	if (status != GO_ON)
		return status;
	reload(k);
	say(k, "This host signs with the new key.");
	return load_keys(k);
}

static int do_remove(struct roll *k)
{
	const struct keytool_public *old = find_key(k, k->r.old_key),
				    *new = find_key(k, k->r.new_key);
	struct publish_wish wish = {.ttl = k->ctl->ttl, .n_want = 1, .n_unwant = old != NULL};
	char why[400];
	int status = GO_ON;

	if (!new)
		return oectl_complain(
			k->ctl, OECTL_NO, "%s/%s.pem is not the new key", k->dir, k->r.name);
	if (!signs(k, k->r.new_key))
		return oectl_complain(k->ctl, OECTL_NO,
			"the daemon does not sign with the new key, so the "
			"old records stay: 'oectl status' says why, systemctl reload oed makes it "
			"look");
	wish.want[0].key = new;
	wish.want[0].precedence = k->r.precedence;
	wish.unwant[0] = old;
	if (!k->r.by_hand && !k->publisher.p.key)
		return need_update_key(k);
	if (!k->r.by_hand)
		status = update_all(k, &wish);
	for (size_t i = 0; k->r.by_hand && i < k->r.n_owners; i++) {
		if (seen(k, k->r.owner[i], k->r.new_key, why, sizeof(why)) &&
			!seen(k, k->r.owner[i], k->r.old_key, why, sizeof(why)))
			continue;
		say_records(k,
			"Remove these records, they are of the old key (whatever their precedence "
			"and TTL):",
			k->r.old_key, k->r.precedence);
		if (!k->ctl->json)
			fprintf(k->ctl->out, "Then: oectl key rollover continue\n");
		return later(k, POLL_S);
	}
	return status == GO_ON ? reach(k, ROLLOVER_REMOVED) : status;
}

static int do_finish(struct roll *k)
{
	char old[PATH_MAX];
	int status;

	if (unlink(file_name(k, ".old", old)) < 0 && errno != ENOENT)
		return oectl_complain(k->ctl, OECTL_NO, "%s: %s", old, strerror(errno));
	k->r.step = ROLLOVER_NONE;
	status = save(k);
	if (status != GO_ON)
		return status;
	reload(k);
	say(k, "The old key is gone from DNS and from this host. The rollover is complete.");
	return OECTL_OK;
}

static void say_when(const struct roll *k)
{
	uint64_t due = rollover_due(&k->r), now = now_s();
	char at[40], left[OECTL_TEXT_LEN], text[300];
	time_t t = (time_t)due;
	struct tm tm;

	if (k->ctl->json || !localtime_r(&t, &tm) || !strftime(at, sizeof(at), "%F %T", &tm))
		return;
	oectl_seconds(due > now ? (double)(due - now) : 0, left);
	snprintf(text, sizeof(text),
		"Until %s (%s) others may know the old record alone, so the old key "
		"signs. Then: oectl key rollover continue",
		at, left);
	oectl_wrap(k->ctl->out, 0, text);
}

/* As far as it goes. Returns an exit status. */
static int run(struct roll *k)
{
	int status = GO_ON;
	bool told = false;

	while (status == GO_ON) {
		enum rollover_action action = rollover_next(&k->r, now_s());

		if (action == ROLLOVER_DO_WAIT && k->ctl->force)
			action = ROLLOVER_DO_SWITCH;
		switch (action) {
		case ROLLOVER_DO_NOTHING:
			return OECTL_OK;
		case ROLLOVER_DO_PUBLISH:
			status = do_publish(k);
			break;
		case ROLLOVER_DO_WAIT:
			if (!told)
				say_when(k);
			told = true;
			status = later(k, rollover_due(&k->r) - now_s());
			break;
		case ROLLOVER_DO_SWITCH:
			status = do_switch(k);
			break;
		case ROLLOVER_DO_REMOVE:
			status = do_remove(k);
			break;
		case ROLLOVER_DO_FINISH:
			status = do_finish(k);
			break;
		}
	}
	return status;
}

/* ---- start */

/* The key to replace: the one that was named, or the only one. */
static int choose_key(struct roll *k, const struct oectl_key **ret)
{
	const struct oectl_key *found = NULL;
	size_t n = 0;

	for (int i = 0; i < k->n_keys; i++) {
		const char *file = strrchr(k->keys[i].path, '/') + 1;
		size_t len = strlen(file) - strlen(".pem");

		if (k->keys[i].role != OECTL_KEY_CURRENT || !k->keys[i].pub.algorithm)
			continue;
		if (k->ctl->name &&
			(strlen(k->ctl->name) != len || strncmp(k->ctl->name, file, len)))
			continue;
		found = &k->keys[i];
		n++;
		snprintf(k->r.name, sizeof(k->r.name), "%.*s", (int)len, file);
		if (len >= sizeof(k->r.name))
			return oectl_complain(k->ctl, OECTL_NO,
				"%s: the name is too long; rename it", found->path);
	}
	if (!n)
		return k->ctl->name
			       ? oectl_complain(k->ctl, OECTL_NO,
					 "no key %s.pem in %s that is in use", k->ctl->name, k->dir)
			       : oectl_no_keys(k->ctl, 0);
	if (n > 1)
		return oectl_complain(k->ctl, OECTL_USAGE,
			"there are %zu keys: say which is to be "
			"replaced with --name NAME ('oectl key show' lists them)",
			n);
	*ret = found;
	return GO_ON;
}

static int add_owner(struct roll *k, const char *name)
{
	if (k->r.n_owners == ROLLOVER_OWNERS_MAX)
		return oectl_complain(
			k->ctl, OECTL_USAGE, "more than %d names", ROLLOVER_OWNERS_MAX);
	snprintf(k->r.owner[k->r.n_owners++], sizeof(k->r.owner[0]), "%s", name);
	return GO_ON;
}

/* The names given, or those at which the daemon has found our key. */
static int choose_owners(struct roll *k, char *const *owners, size_t n)
{
	char names[OECTL_OWNERS_MAX][256];
	const json_t *records, *v;
	int status = GO_ON;
	json_t *answer;
	size_t i;

	if (n) {
		status = oectl_owner_names(k->ctl, owners, n, names, &n);
		if (status != OECTL_OK)
			return status;
		status = GO_ON;
		for (i = 0; i < n && status == GO_ON; i++)
			status = add_owner(k, names[i]);
		return status;
	}
	answer = oectl_daemon(k->ctl, "status", NULL);
	records = json_object_get(answer, "records");
	json_array_foreach(records, i, v)
		if (status == GO_ON && !strcmp(oectl_str(v, "state", ""), "matches") &&
			oectl_owner_name(oectl_str(v, "name", ""), names[0]))
			status = add_owner(k, names[0]);
	json_decref(answer);
	if (status == GO_ON && !k->r.n_owners)
		return oectl_complain(k->ctl, OECTL_NO,
			"%s: name the addresses or names whose records are "
			"to change: oectl key rollover start ADDRESS ...",
			answer ? "the daemon finds our key published nowhere"
			       : "the daemon does not run, so it is not known where the key is "
				 "published");
	return status;
}

/* The TTL and precedence of the old key's records, of the primary. */
static int look_at_owners(struct roll *k, const struct keytool_public *old)
{
	struct publish_result *r = calloc(1, sizeof(*r));
	bool found = false;
	int status = GO_ON;

	if (!r)
		abort();
	for (size_t i = 0; i < k->r.n_owners && status == GO_ON; i++) {
		struct dname name;
		bool here = false;

		if (dname_parse(k->r.owner[i], &name) < 0 ||
			publish_look(&k->publisher.p, &name, r) < 0) {
			if (k->r.by_hand) /* not known: the longest that is believed */
				k->r.ttl = ROLLOVER_TTL_MAX;
			else
				status = oectl_complain(
					k->ctl, OECTL_NO, "%s: %s", k->r.owner[i], r->why);
			continue;
		}
		for (size_t j = 0; j < r->before.n; j++) {
			if (!update_is_key(&r->before.record[j], old))
				continue;
			here = true;
			if (!found)
				k->r.precedence = r->before.record[j].b[0];
			found = true;
		}
		if (!here)
			status = oectl_complain(k->ctl, OECTL_NO,
				"%s has no record of the key in use: "
				"'oectl key publish' makes one, or leave that name out",
				k->r.owner[i]);
		if (r->before.ttl > k->r.ttl)
			k->r.ttl = r->before.ttl;
	}
	free(r);
	return status;
}

/* "RSA-2048" is also the name of a type, but for its case. */
static void type_of(const struct keytool_public *key, char *ret, size_t size)
{
	size_t n = 0;

	for (; n + 1 < size && key->name[n]; n++)
		ret[n] = (char)tolower((unsigned char)key->name[n]);
	ret[n] = '\0';
}

/* One that an interrupted start has left serves as well: nobody has seen it. */
static int make_new_key(struct roll *k, const struct keytool_public *old)
{
	struct oectl_key new = {0};
	char type[sizeof(old->name)];
	int status;

	file_name(k, ".new", new.path);
	for (int i = 0; i < k->n_keys; i++)
		if (!strcmp(k->keys[i].path, new.path) && k->keys[i].pub.algorithm)
			new.pub = k->keys[i].pub;
	if (!new.pub.algorithm) {
		type_of(old, type, sizeof(type));
		status = oectl_make_key(k->ctl, k->ctl->type ? k->ctl->type : type, &new);
		if (status != OECTL_OK)
			return status;
	}
	snprintf(k->r.new_key, sizeof(k->r.new_key), "%s", new.pub.fingerprint);
	if (!k->ctl->json)
		fprintf(k->ctl->out, "New key %s\n", oectl_key_str(&new.pub));
	return GO_ON;
}

static int start(struct roll *k, char *const *owners, size_t n)
{
	const struct oectl_key *old = NULL;
	int status = GO_ON;

	if (k->r.step)
		return oectl_complain(k->ctl, OECTL_NO,
			"a rollover is under way: %s; 'oectl key rollover' "
			"says what is next",
			rollover_step_text(&k->r));
	k->r.by_hand = !k->publisher.p.key;
	k->r.precedence = k->ctl->precedence;
	status = choose_key(k, &old);
	if (status == GO_ON)
		status = choose_owners(k, owners, n);
	if (status == GO_ON)
		status = look_at_owners(k, &old->pub);
	if (status == GO_ON) {
		snprintf(k->r.old_key, sizeof(k->r.old_key), "%s", old->pub.fingerprint);
		status = make_new_key(k, &old->pub);
	}
	if (status == GO_ON)
		status = reach(k, ROLLOVER_MADE);
	if (status == GO_ON)
		status = load_keys(k);
	return status == GO_ON ? run(k) : status;
}

/* ---- the other words */

static int take_back(struct roll *k)
{
	const struct keytool_public *new = find_key(k, k->r.new_key);
	struct publish_wish wish = {.n_unwant = 1, .unwant = {new}};
	char path[PATH_MAX];
	int status = GO_ON;

	if (!k->r.step)
		return oectl_complain(k->ctl, OECTL_NO, "%s", rollover_step_text(&k->r));
	if (!rollover_can_abort(&k->r))
		return oectl_complain(k->ctl, OECTL_NO,
			"it is too late: %s. Go on with 'oectl key rollover "
			"continue'; another rollover can follow",
			rollover_step_text(&k->r));
	if (new && !k->r.by_hand) {
		if (!k->publisher.p.key)
			return need_update_key(k);
		status = update_all(k, &wish);
	} else {
		say_records(k, "Remove these records where they are published:", k->r.new_key,
			behind(k));
	}
	if (status != GO_ON)
		return status;
	if (unlink(file_name(k, ".new", path)) < 0 && errno != ENOENT)
		return oectl_complain(k->ctl, OECTL_NO, "%s: %s", path, strerror(errno));
	k->r.step = ROLLOVER_NONE;
	status = save(k);
	if (status != GO_ON)
		return status;
	reload(k);
	say(k, "The rollover is taken back: the key is the one it was.");
	return OECTL_OK;
}

static void show(const struct roll *k)
{
	const struct keytool_public *old = find_key(k, k->r.old_key),
				    *new = find_key(k, k->r.new_key);
	FILE *out = k->ctl->out;

	oectl_wrap(out, 0, rollover_step_text(&k->r));
	if (!k->r.step) {
		fprintf(out, "To begin: oectl key rollover start\n");
		return;
	}
	if (old)
		oectl_field(out, "old", oectl_key_str(old));
	if (new)
		oectl_field(out, "new", oectl_key_str(new));
	for (size_t i = 0; i < k->r.n_owners; i++)
		oectl_field(out, i ? "" : "names", k->r.owner[i]);
	oectl_field(
		out, "by", k->r.by_hand ? "hand: the records are printed" : "updates of the zone");
	if (rollover_next(&k->r, now_s()) == ROLLOVER_DO_WAIT)
		say_when(k);
	else
		fprintf(out, "Next: oectl key rollover continue\n");
}

/* The one line of --json, after whatever was done. */
static void show_json(const struct roll *k)
{
	char *text = k->r.step ? rollover_format(&k->r) : NULL;
	json_t *o = text ? json_loads(text, 0, NULL) : json_pack("{s:s}", "step", "none");

	free(text);
	json_object_set_new(o, "ok", json_true());
	json_object_set_new(o, "text", json_string(rollover_step_text(&k->r)));
	json_object_set_new(o, "due", json_integer((json_int_t)rollover_due(&k->r)));
	oectl_say_json(k->ctl, o);
}

static int run_word(struct roll *k, char *const *words, size_t n)
{
	const char *word = n ? words[0] : "";

	if (!strcmp(word, "start"))
		return start(k, words + 1, n - 1);
	if (n > 1)
		return oectl_complain(k->ctl, OECTL_USAGE, "only start takes names");
	if (!strcmp(word, "continue"))
		return k->r.step ? run(k)
				 : oectl_complain(k->ctl, OECTL_NO,
					   "%s; to begin: oectl key "
					   "rollover start",
					   rollover_step_text(&k->r));
	if (!strcmp(word, "abort"))
		return take_back(k);
	if (*word)
		return oectl_complain(k->ctl, OECTL_USAGE,
			"what is '%s'? write start, continue or abort, or nothing to see where it "
			"stands",
			word);
	if (!k->ctl->json)
		show(k);
	return OECTL_OK;
}

/* Where there is no such directory there is nothing to do either. */
static bool lock(struct roll *k)
{
	k->lock = open(k->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return k->lock < 0 || flock(k->lock, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
}

int oectl_key_rollover(const struct oectl *ctl, char *const *words, size_t n_words)
{
	struct roll *k = calloc(1, sizeof(*k));
	int status, error;

	if (!k)
		abort();
	k->ctl = ctl;
	k->lock = -1;
	snprintf(k->dir, sizeof(k->dir), "%s/keys", ctl->confdir);
	error = rollover_load(k->dir, &k->r);
	if (error == -EBADMSG)
		status = oectl_complain(ctl, OECTL_NO,
			"%s/rollover.json is damaged; look at 'oectl key show' "
			"and the records in DNS, then delete it",
			k->dir);
	else if (error)
		status = oectl_complain(ctl, OECTL_NO, "%s/rollover.json: %s%s", k->dir,
			strerror(-error), error == -EACCES ? "; run this as root" : "");
	else if (n_words && !lock(k))
		status = oectl_complain(ctl, OECTL_NO, "another 'oectl key rollover' is at work");
	else
		status = oectl_publisher(ctl, &k->publisher);
	if (status == OECTL_OK) {
		status = load_keys(k);
		if (status == GO_ON)
			status = run_word(k, words, n_words);
		if (status == OECTL_OK && ctl->json)
			show_json(k);
	}
	if (k->lock >= 0)
		close(k->lock);
	oectl_publisher_wipe(&k->publisher);
	free(k->keys);
	free(k);
	return status;
}
