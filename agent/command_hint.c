/* SPDX-License-Identifier: BSD-2-Clause */
/* The command `hint` of the control socket, its outcome, and what explain says of hints. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/control_priv.h"
#include "base/service.h"

#define HINT_TIMEOUT_S (DNS_DEADLINE_S + 5)

/* ---- what was asked */

/* Returns how many, or -1 after an error was sent. */
static int get_claims(struct client *c, const json_t *list, struct addr ret[static DNS_ADDRS_MAX])
{
	const json_t *item;
	size_t i;

	if (!list)
		return 0;
	if (!json_is_array(list) || json_array_size(list) > DNS_ADDRS_MAX) {
		client_error(c, "addresses: at most %d", DNS_ADDRS_MAX);
		return -1;
	}
	json_array_foreach(list, i, item) {
		const char *text = json_string_value(item);

		if (!text || addr_parse(text, &ret[i]) < 0) {
			client_error(c, "'%.60s' is not an IPv4 or IPv6 address", text ? text : "");
			return -1;
		}
	}
	return (int)json_array_size(list);
}

static void say(struct client *c, const char *text)
{
	client_send(c, json_pack("{s:b, s:s}", "ok", 1, "text", text));
}

void cmd_hint(struct client *c, const json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "name"));
	struct control *ctl = c->control;
	struct addr claims[DNS_ADDRS_MAX];
	int n = get_claims(c, json_object_get(request, "addresses"), claims);
	/* who gives addresses does not wait: the packets that follow do */
	bool waits = n == 0 && !c->hinter;
	struct oe_hint hint = {.name = name ? name : "",
		.claims = claims,
		.n_claims = n > 0 ? (size_t)n : 0,
		.from = waits ? HINT_ADMIN : HINT_UNBOUND};
	struct question *q;
	int r;

	if (n < 0)
		return;
	if (waits && !ctl->agent->service[OE_RESOLVER].ready) {
		client_error(c, "the resolver is not ready; try again");
		return;
	}
	if (waits) {
		ctl->next_id = ctl->next_id + 1 ? ctl->next_id + 1 : 1;
		hint.tag = ctl->next_id;
	}
	r = oe_peers_hint(ctl->agent->peers, &hint, service_now());
	if (r == -EINVAL)
		client_error(c, "'%.60s' is not a host's name; write one such as host.example.org",
			hint.name);
	else if (r == -EBUSY)
		client_error(c, "too many hints are looked up at once; try again");
	else if (r < 0)
		say(c, "known already");
	else if (!waits)
		say(c, "taken, to be looked up");
	if (r == 0 && waits) {
		q = question_new(c, HINT_TIMEOUT_S);
		q->hint = true;
		q->id = hint.tag;
	}
	agent_arm(ctl->agent);
}

/* ---- what came of it */

/* Why there is no use for the answer, of the key or of the addresses. */
static const char *fault(enum dns_class class, bool addresses)
{
	switch (class) {
	case DNS_KEYS:
		return "there is no room for more hints";
	case DNS_DENIED:
		return addresses ? "it has no address" : "it has no IPSECKEY record";
	case DNS_UNUSABLE:
		return "none of its keys can be used";
	case DNS_INSECURE:
	case DNS_INSECURE_KEYS:
		return addresses ? "its addresses are not signed" : "its zone is not signed";
	case DNS_BOGUS:
		return addresses ? "DNSSEC validation of its addresses failed"
				 : "DNSSEC validation of its record failed";
	case DNS_FAILED:
		return addresses ? "DNS gave no answer about its addresses" : "DNS gave no answer";
	case DNS_UNAVAILABLE:
		return "DNSSEC does not get through here";
	case DNS_LIMITED:
		return "too many lookups at once";
	}
	return "?";
}

static void tell(struct client *c, const struct dns_answer *a, size_t taken)
{
	bool key = a->class == DNS_KEYS || (a->class == DNS_UNUSABLE && taken);
	json_t *list = json_array();
	char text[ADDR_STRLEN];

	if (!taken) {
		json_decref(list);
		client_error(c, "%.*s is no hint: %s%s%.*s", (int)sizeof(a->name), a->name,
			fault((enum dns_class)(key ? a->addr_class : a->class), key),
			a->why[0] ? ": " : "", (int)sizeof(a->why), a->why);
		return;
	}
	for (size_t i = 0; i < a->n_addrs; i++)
		json_array_append_new(list, json_string(addr_format(&a->addrs[i], text)));
	client_send(c, json_pack("{s:b, s:s, s:o, s:I, s:I}", "ok", 1, "name", a->name, "addresses",
			       list, "taken", (json_int_t)taken, "ttl", (json_int_t)a->ttl));
}

void control_hinted(struct control *ctl, uint32_t tag, const struct dns_answer *a, size_t taken)
{
	struct question *q = ctl ? ctl->questions : NULL;

	while (q && !(q->hint && q->id == tag))
		q = q->next;
	if (!q)
		return;
	if (q->client)
		tell(q->client, a, taken);
	question_free(q);
}

/* ---- explain */

json_t *hints_json(const struct agent *a, const struct addr *addr)
{
	uint64_t now = service_now();
	const struct hint *list;
	size_t n = oe_peers_hints(a->peers, addr, &list);
	json_t *array = json_array();
	bool used = false;

	for (size_t i = 0; i < n; i++) {
		bool rests = list[i].rests > now;

		if (list[i].until <= now)
			continue;
		json_array_append_new(array,
			json_pack("{s:s, s:s, s:I, s:s}", "name", list[i].name, "from",
				hint_from_name((enum hint_from)list[i].from), "left_s",
				(json_int_t)((list[i].until - now) / 1000000), "state",
				rests ? "rests" : used ? "spare" : "first"));
		used = used || !rests;
	}
	return array;
}
