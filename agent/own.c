/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/own.h"

#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "base/log.h"

/* The core's lookups have neither bit, the control socket's the other one. */
#define OWN_BIT 0x40000000u
#define OTHERS 0x80000000u
/* Addresses and services come one after the other at the start. */
#define SETTLE_S 2
#define AGAIN_S 3600

struct own {
	struct agent *agent;
	struct event *timer;
	uint32_t next_id;
	struct own_record records[OWN_MAX];
	size_t n;
};

const char *own_state_name(enum own_state state)
{
	switch (state) {
	case OWN_UNKNOWN:
		return "unknown";
	case OWN_MATCHES:
		return "matches";
	case OWN_DIFFERS:
		return "differs";
	case OWN_ABSENT:
		return "absent";
	case OWN_UNSIGNED:
		return "unsigned";
	}
	return "?";
}

const struct own_record *own_records(const struct own *o, size_t *ret_n)
{
	*ret_n = o ? o->n : 0;
	return o ? o->records : NULL;
}

/* ---- asking */

static void ask(struct own *o, const struct addr *addr, const char *name)
{
	struct dns_lookup m = {.question = name ? DNS_ASK_NAME : DNS_ASK_REVERSE,
		.origin = DNS_FROM_HOST};
	struct own_record *r, before = {0};
	char reverse[ADDR_REVERSE_LEN];

	if (o->n == OWN_MAX)
		return;
	if (addr) {
		m.addr = *addr;
		addr_reverse_name(addr, reverse);
	} else {
		memccpy(m.name, name, '\0', sizeof(m.name) - 1);
	}
	r = &o->records[o->n++];
	/* what is known stands until the answer comes */
	if (!strcmp(r->name, addr ? reverse : m.name))
		before = *r;
	*r = before;
	if (addr)
		r->addr = *addr;
	memccpy(r->name, addr ? reverse : m.name, '\0', sizeof(r->name) - 1);
	r->lookup = m.id = (++o->next_id & ~(OWN_BIT | OTHERS)) | OWN_BIT;
	agent_send(o->agent, OE_RESOLVER, DNS_REQ_LOOKUP, &m, sizeof(m), NULL, 0);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct own *o = arg;
	struct agent *a = o->agent;

	(void)fd, (void)what;
	o->n = 0;
	evtimer_add(o->timer, &(struct timeval){.tv_sec = AGAIN_S});
	/* without a key there is nothing to publish, and without DNSSEC nothing to learn */
	if (!a->signer.count || !a->dns.dnssec || !a->service[OE_RESOLVER].ready)
		return;
	if (a->conf.ike_identity[0])
		ask(o, NULL, a->conf.ike_identity);
	for (size_t i = 0; i < a->n_locals; i++)
		if (!addr_is_link_local(&a->locals[i]) && !addr_is_loopback(&a->locals[i]))
			ask(o, &a->locals[i], NULL);
}

void own_changed(struct own *o)
{
	if (o)
		evtimer_add(o->timer, &(struct timeval){.tv_sec = SETTLE_S});
}

/* ---- answers */

/* Whether it is a key of ours; *ret_signs: one that we sign with. */
static bool is_ours(const struct agent *a, const struct dns_key *k, bool *ret_signs)
{
	for (size_t i = 0; i < a->signer.count; i++)
		if (k->spki_len == a->keys[i].len &&
			!memcmp(k->spki, a->keys[i].spki, a->keys[i].len)) {
			*ret_signs = !(a->signer.standby >> i & 1);
			return true;
		}
	return false;
}

static enum own_state judge(struct own *o, struct own_record *r, const struct dns_answer *a,
	const uint8_t *keys, size_t len)
{
	bool ours = false;

	r->others = 0;
	for (size_t at = 0; at + sizeof(struct dns_key) <= len; at += sizeof(struct dns_key)) {
		struct dns_key k;
		bool signs;

		memcpy(&k, keys + at, sizeof(k));
		if (k.fault != DNS_KEY_OK || k.spki_len > DNS_SPKI_MAX)
			continue;
		if (!is_ours(o->agent, &k, &signs))
			r->others++;
		else if (signs)
			ours = true;
	}
	switch ((enum dns_class)a->class) {
	case DNS_KEYS:
		return ours ? OWN_MATCHES : OWN_DIFFERS;
	case DNS_UNUSABLE:
		return OWN_DIFFERS;
	case DNS_DENIED:
		return OWN_ABSENT;
	case DNS_INSECURE:
	case DNS_INSECURE_KEYS:
		return OWN_UNSIGNED;
	case DNS_BOGUS:
	case DNS_FAILED:
	case DNS_UNAVAILABLE:
	case DNS_LIMITED:
		break;
	}
	return OWN_UNKNOWN;
}

bool own_answer(struct own *o, const struct dns_answer *a, const uint8_t *keys, size_t len)
{
	struct own_record *r = NULL;
	enum own_state state;

	if ((a->id & (OWN_BIT | OTHERS)) != OWN_BIT)
		return false;
	for (size_t i = 0; o && i < o->n; i++)
		if (o->records[i].lookup == a->id)
			r = &o->records[i];
	if (!r)
		return true; /* asked before something changed */
	r->lookup = 0;
	state = judge(o, r, a, keys, len);
	memset(r->why, 0, sizeof(r->why));
	memccpy(r->why, a->why, '\0', sizeof(r->why) - 1);
	/* others rely on it: said once */
	if (state == OWN_DIFFERS && r->state != OWN_DIFFERS)
		log_warn("%s has an IPSECKEY that is not our key: peers will refuse us "
			 "('oectl key ipseckey' prints the right record)", r->name);
	r->state = (uint8_t)state;
	return true;
}

/* ---- life */

struct own *own_new(struct agent *a)
{
	struct own *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->agent = a;
	o->timer = evtimer_new(a->base, on_timer, o);
	if (!o->timer) {
		free(o);
		return NULL;
	}
	return o;
}

void own_free(struct own *o)
{
	if (!o)
		return;
	event_free(o->timer);
	free(o);
}
