/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `oectl explain`: why traffic with an address is as it is. First the outcome in a sentence, then
 * what led to it in the order in which it happened, then the traffic, then what to do about it.
 */
#include <stdlib.h>
#include <string.h>

#include "ctl/oectl.h"

/* Steps that lie further apart belong to another story: its clock begins anew, so that the steps of
 * a rekey, hours after the first packet, still show their milliseconds. */
#define STORY_GAP_MS 10000.0
#define TIME_COLUMNS 12
#define STEP_COLUMNS_MAX 12

/* The chain may come in any order; the story is told from the oldest step on. Stable. */
static json_t *oldest_first(const json_t *chain)
{
	json_t *sorted = json_array(), *step;
	size_t i;

	json_array_foreach(chain, i, step) {
		size_t at = json_array_size(sorted);

		while (at > 0 && oectl_num(json_array_get(sorted, at - 1), "ago_ms", 0) <
			oectl_num(step, "ago_ms", 0))
			at--;
		json_array_insert(sorted, at, step);
	}
	return sorted;
}

static int step_width(const json_t *chain)
{
	const json_t *step;
	size_t width = 4, i;

	json_array_foreach(chain, i, step) {
		size_t len = strlen(oectl_str(step, "step", "?"));

		width = len > width ? len : width;
	}
	return width > STEP_COLUMNS_MAX ? STEP_COLUMNS_MAX : (int)width;
}

/* "      0.0 ms  policy  text", relative to the first step of its story. */
static void tell_step(FILE *out, const json_t *step, double since_first, int width)
{
	char at[OECTL_TEXT_LEN], signed_at[OECTL_TEXT_LEN + 1];
	int column = TIME_COLUMNS + 2 + width + 2;

	snprintf(signed_at, sizeof(signed_at), "%s%s", since_first > 0 ? "+" : "",
		oectl_ms(since_first, at));
	fprintf(out, "%*s  %-*s  ", TIME_COLUMNS, signed_at, width, oectl_str(step, "step", "?"));
	oectl_wrap(out, column, oectl_str(step, "text", ""));
}

static void tell_chain(FILE *out, const json_t *chain)
{
	json_t *sorted = oldest_first(chain), *step;
	double first = 0, last = 0;
	int width = step_width(chain);
	char ago[OECTL_TEXT_LEN];
	size_t i;

	json_array_foreach(sorted, i, step) {
		double at = oectl_num(step, "ago_ms", 0);

		if (i == 0 || last - at > STORY_GAP_MS) {
			first = at;
			fprintf(out, "\n  %s ago\n", oectl_ms(at, ago));
		}
		tell_step(out, step, first - at, width);
		last = at;
	}
	json_decref(sorted);
}

static void tell_state(FILE *out, const json_t *p)
{
	double left = oectl_num(p, "until_s", -1);
	char since[OECTL_TEXT_LEN], until[OECTL_TEXT_LEN];
	const char *reason = oectl_str(p, "reason", "");

	oectl_fieldf(out, "state", "%s%s%s%s since %s%s%s", oectl_str(p, "state", "?"),
		*reason ? " (" : "", reason, *reason ? ")" : "",
		oectl_seconds(oectl_num(p, "since_s", 0), since), left < 0 ? "" : ", for another ",
		left < 0 ? "" : oectl_seconds(left, until));
}

static void tell_policy(FILE *out, const json_t *policy)
{
	if (json_is_object(policy))
		oectl_fieldf(out, "policy", "%s, by %s at %s:%.0f", oectl_str(policy, "group", "?"),
			oectl_str(policy, "selector", "?"), oectl_str(policy, "file", "?"),
			oectl_num(policy, "line", 0));
	else
		oectl_field(out, "policy", "no line covers this address: it is in clear");
}

/* One line a name, in the order in which they are used. */
static void tell_hints(FILE *out, const json_t *hints)
{
	char left[OECTL_TEXT_LEN];
	const json_t *h;
	size_t i;

	json_array_foreach(hints, i, h) {
		const char *state = oectl_str(h, "state", "?");

		oectl_fieldf(out, i ? "" : "hints", "%s, from %s, for another %s%s",
			oectl_str(h, "name", "?"), oectl_str(h, "from", "?"),
			oectl_seconds(oectl_num(h, "left_s", 0), left),
			!strcmp(state, "rests")	? "; left alone for a while, it led to nothing"
			: !strcmp(state, "spare") ? "; used if those above lead to nothing"
						  : "");
	}
}

static void tell_counters(FILE *out, const json_t *c, bool private)
{
	double in = oectl_num(c, "in_packets", 0), sent = oectl_num(c, "out_packets", 0);
	char in_bytes[OECTL_TEXT_LEN], out_bytes[OECTL_TEXT_LEN];

	/* zeros mean something only where there should be more */
	if (!json_is_object(c) || (!private && in == 0 && sent == 0))
		return;
	fputc('\n', out);
	oectl_fieldf(out, "in ESP", "received %.0f packet%s, %s; sent %.0f packet%s, %s", in,
		in == 1 ? "" : "s", oectl_bytes(oectl_num(c, "in_bytes", 0), in_bytes), sent,
		sent == 1 ? "" : "s", oectl_bytes(oectl_num(c, "out_bytes", 0), out_bytes));
}

/* Who it proved to be, where that is more than its address says. */
static void tell_identity(FILE *out, const json_t *p)
{
	const char *id = oectl_str(p, "peer_id", "");

	if (!strcmp(oectl_str(p, "state", ""), "PRIVATE") && *id && *id != '(' &&
		strcmp(id, oectl_str(p, "remote", "")) != 0)
		oectl_field(out, "identity", id);
}

static void tell_peer(FILE *out, const json_t *p, const json_t *policy, const json_t *hints)
{
	const char *advice = oectl_str(p, "advice", ""), *summary = oectl_str(p, "summary", "");

	if (*summary)
		oectl_wrap(out, 0, summary);
	else
		fprintf(out, "%s is %s.\n", oectl_str(p, "remote", "?"),
			oectl_str(p, "state", "?"));
	fputc('\n', out);
	oectl_fieldf(out, "between", "%s and %s", oectl_str(p, "local", "?"),
		oectl_str(p, "remote", "?"));
	if (strcmp(oectl_str(p, "traffic", "all"), "all") != 0)
		oectl_field(out, "traffic", oectl_str(p, "traffic", ""));
	tell_state(out, p);
	tell_identity(out, p);
	tell_policy(out, json_object_get(p, "policy") ? json_object_get(p, "policy") : policy);
	if (*oectl_str(p, "esp", ""))
		oectl_field(out, "esp", oectl_str(p, "esp", ""));
	tell_hints(out, hints);
	tell_chain(out, json_object_get(p, "chain"));
	tell_counters(out, json_object_get(p, "counters"),
		!strcmp(oectl_str(p, "state", ""), "PRIVATE"));
	if (*advice) {
		fputc('\n', out);
		oectl_field(out, "to do", advice);
	}
}

void oectl_render_explain(FILE *out, const json_t *a)
{
	const json_t *peers = json_object_get(a, "peers"), *policy = json_object_get(a, "policy"),
		     *p;
	size_t i;

	if (!json_array_size(peers)) {
		fprintf(out, "%s: nothing was sent there and nothing came from there.\n\n",
			oectl_str(a, "address", "?"));
		tell_policy(out, policy);
		tell_hints(out, json_object_get(a, "hints"));
		if (*oectl_str(a, "advice", ""))
			oectl_field(out, "to do", oectl_str(a, "advice", ""));
		return;
	}
	json_array_foreach(peers, i, p) {
		if (i)
			fputs("\n", out);
		tell_peer(out, p, policy, json_object_get(a, "hints"));
	}
}
