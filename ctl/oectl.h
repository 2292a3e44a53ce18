/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * oectl's own parts; nothing of the daemon. The command line (cmd.c), the control socket
 * (socket.c), answers in plain words (render.c, explain.c), keys (key.c).
 *
 * The control protocol: RUNDIR/control.sock, SOCK_STREAM, one JSON object per line. One request:
 *   {"command": "status" | "peers" | "policy show" | "reload" | "trace" | "stats"}
 *   {"command": "forget" | "down", "address": "192.0.2.1"}
 *   {"command": "resolve", "name": "192.0.2.1" or "host.example.org."}
 *   {"command": "hint", "name": "host.example.org", "addresses": ["192.0.2.1"]} (addresses may be
 *   missing; also by RUNDIR/hint/control.sock, which takes nothing else)
 *   {"command": "explain" | "up" | "policy test", "address": "192.0.2.1", "proto": 6, "sport": 0,
 *    "port": 22}
 * (proto and the ports are optional) and one answer, {"ok": true, ...} or {"ok": false, "error":
 * "..."}; after the answer to "trace" one object for each event until the client closes.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum oectl_exit {
	OECTL_OK = 0,
	OECTL_NO = 1,          /* the daemon, or the file system, said no */
	OECTL_USAGE = 2,
	OECTL_UNREACHABLE = 3, /* no daemon at the socket */
};

struct oectl {
	const char *rundir;
	const char *confdir;
	bool json;
	FILE *out;
	FILE *err;
	/* options of `key` */
	const char *type; /* NULL: not given */
	const char *name; /* the same */
	uint32_t ttl; /* 0: not given */
	uint8_t precedence;
	bool generic;
	const char *update_key; /* a file; NULL: that of oed.conf */
	const char *server;     /* that takes updates; NULL: that of oed.conf, or the zone's
	                           primary */
	bool force;
	bool wait;
};

/* The whole program: returns an enum oectl_exit. Not reentrant (getopt). */
int oectl_main(int argc, char **argv, FILE *out, FILE *err);

/* ---- socket.c */

/* Called for each line of the answer without its newline; false ends the exchange. */
typedef bool (*oectl_line_fn)(void *arg, const char *line, size_t len);
/* Sends request to RUNDIR/control.sock and reads lines until on_line ends it or the daemon closes.
 * Returns OECTL_OK, or OECTL_UNREACHABLE after one line on ctl->err that says what to do. */
int oectl_exchange(
	const struct oectl *ctl, const json_t *request, oectl_line_fn on_line, void *arg);

/* ---- render.c: answers with "ok": true in plain words. A field that is missing or of
 * another type is left out or shown as "?": an older or newer daemon is still readable. */

typedef void (*oectl_render_fn)(FILE *out, const json_t *answer);
void oectl_render_status(FILE *out, const json_t *answer);
void oectl_render_peers(FILE *out, const json_t *answer);
void oectl_render_explain(FILE *out, const json_t *answer); /* explain.c */
void oectl_render_resolve(FILE *out, const json_t *answer);
void oectl_render_policy_test(FILE *out, const json_t *answer);
void oectl_render_policy_show(FILE *out, const json_t *answer);
void oectl_render_hint(FILE *out, const json_t *answer);
void oectl_render_text(FILE *out, const json_t *answer);
void oectl_render_reload(FILE *out, const json_t *answer);
/* The lines of "errors", which a refusal may have, too. */
void oectl_render_errors(FILE *out, const json_t *answer);
void oectl_render_stats(FILE *out, const json_t *answer);
void oectl_render_trace_line(FILE *out, const json_t *event);

/* ---- key.c: local, without the daemon. Return an enum oectl_exit. */

int oectl_key_generate(const struct oectl *ctl);
int oectl_key_show(const struct oectl *ctl);
/* owners: addresses or domain names; none: the addresses of this host. */
int oectl_key_ipseckey(const struct oectl *ctl, char *const *owners, size_t n_owners);

/* ---- key_publish.c, key_rollover.c, check.c: the like. */

/* owners as above, and without any the name of oed.conf's `identity`, too. */
int oectl_key_publish(const struct oectl *ctl, char *const *owners, size_t n_owners);
/* words: none, or "start" and owners, "continue", "abort". */
int oectl_key_rollover(const struct oectl *ctl, char *const *words, size_t n_words);
int oectl_check(const struct oectl *ctl);

/* ---- text.c */

#define OECTL_WIDTH 80
#define OECTL_TEXT_LEN 32

/* Makes every string of an answer fit for a terminal: control characters become '?'. */
void oectl_clean(json_t *answer);
/* A member that is a string; otherwise where it is missing or another type. */
const char *oectl_str(const json_t *object, const char *name, const char *otherwise);
/* A member that is a number; otherwise where it is missing. */
double oectl_num(const json_t *object, const char *name, double otherwise);
bool oectl_bool(const json_t *object, const char *name);
/* "350 ms", "12.3 s", "2 min 5 s", "3 h 12 min", "5 d 2 h". Return buf. */
const char *oectl_ms(double ms, char buf[static OECTL_TEXT_LEN]);
const char *oectl_seconds(double s, char buf[static OECTL_TEXT_LEN]);
/* "980 bytes", "1.4 kB", "2.0 MB" */
const char *oectl_bytes(double n, char buf[static OECTL_TEXT_LEN]);
/* Prints text from column `column` on, its further lines indented to there, and a newline. */
void oectl_wrap(FILE *out, int column, const char *text);
/* "  label    text", wrapped; label may be "". */
void oectl_field(FILE *out, const char *label, const char *text);
/* As oectl_field(), text by printf. */
__attribute__((format(printf, 3, 4))) void oectl_fieldf(
	FILE *out, const char *label, const char *fmt, ...);
/* Rows of cells as an aligned table; rows and header are arrays of n_columns strings. The last
 * column and trailing blanks are not padded. */
void oectl_table(FILE *out, size_t n_columns, const char *const *header, const json_t *rows);
