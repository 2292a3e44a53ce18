/* SPDX-License-Identifier: BSD-2-Clause */
#include "ctl/publish.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Somebody else's change between our look and our update: so often we look again. */
#define ROUNDS_MAX 3
#define ADDRESSES_MAX 8

/* One name's publication. */
struct work {
	const struct publisher *p;
	struct publish_result *r;
	struct dns_server servers[ADDRESSES_MAX];
	size_t n_servers;
	struct dns_reply reply;
	uint8_t message[DNSMSG_MAX];
};

__attribute__((format(printf, 2, 3))) static int fail(struct work *k, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(k->r->why, sizeof(k->r->why), fmt, ap);
	va_end(ap);
	return -1;
}

static const char *server_str(const struct dns_server *s, char buf[static 64])
{
	char text[ADDR_STRLEN];

	snprintf(
		buf, 64, s->port == 53 ? "%s" : "%s port %u", addr_format(&s->addr, text), s->port);
	return buf;
}

const char *publish_verdict_text(enum tsig_verdict verdict, const struct tsig_key *key,
	uint64_t here, uint64_t there, char buf[static PUBLISH_WHY_MAX])
{
	char name[DNAME_TEXT_MAX];
	int64_t apart = (int64_t)(here - there);

	dname_format(&key->name, name);
	switch (verdict) {
	case TSIG_GOOD:
		return "";
	case TSIG_MISSING:
		return "its answer is not signed, so it may be anybody's: is it a name server that "
		       "knows TSIG?";
	case TSIG_BAD:
		return "its answer is not signed by the key that we share with it: it is not "
		       "believed";
	case TSIG_BADSIG:
		snprintf(buf, PUBLISH_WHY_MAX,
			"BADSIG: it has another secret for the key %.255s: copy the key file anew",
			name);
		return buf;
	case TSIG_BADKEY:
		snprintf(buf, PUBLISH_WHY_MAX,
			"BADKEY: it does not know a key %.255s with %s, or does not let it do this "
			"(knot says the same of both): compare its configuration",
			name, key->algorithm->name);
		return buf;
	case TSIG_STALE:
	case TSIG_BADTIME:
		snprintf(buf, PUBLISH_WHY_MAX,
			"BADTIME: the clocks are apart, ours is %lld s %s: set them (timedatectl "
			"set-ntp true)",
			(long long)(apart < 0 ? -apart : apart), apart < 0 ? "behind" : "ahead");
		return buf;
	case TSIG_BADTRUNC:
		return "BADTRUNC: it wants a longer MAC than the algorithm of the key file gives";
	case TSIG_ERROR:
		break;
	}
	return "it does not accept our signature; its log says why";
}

/* ---- asking the primary */

static const char *network_text(int error)
{
	switch (error) {
	case -ETIMEDOUT:
		return "no answer. Does a firewall or a policy of ours keep it off ('oectl "
		       "explain' "
		       "and that address)?";
	case -ECONNREFUSED:
		return "there is no name server at that address and port";
	case -EBADMSG:
		return "its answer is none";
	}
	return strerror(-error);
}

/* Signs what w holds, sends it to the first server that answers, and verifies the answer in k->reply.
 * Returns 0 for an answer that is proved, whatever its rcode. */
static int exchange(struct work *k, struct wire_writer *w)
{
	const struct tsig_key *key = k->p->key;
	uint64_t here = (uint64_t)time(NULL), there = here;
	char server[64], buf[PUBLISH_WHY_MAX];
	struct tsig_mac mac = {0};
	enum tsig_verdict verdict;
	int error = -EHOSTUNREACH;

	if (w->bad || (key && tsig_sign(w, key, here, &mac) < 0))
		return fail(k, "the update is too large for one message");
	for (size_t i = 0; i < k->n_servers && error; i++) {
		k->r->server = k->servers[i];
		error = dnsask(&k->servers[i], w->data, w->pos, &k->reply);
	}
	server_str(&k->r->server, server);
	if (error)
		return fail(k, "%s: %s", server, network_text(error));
	if (!key)
		return 0;
	verdict = tsig_verify(k->reply.b, k->reply.len, key, &mac, here, &there);
	if (verdict == TSIG_GOOD)
		return 0;
	/* a server without our zone, or without TSIG, may say so in clear */
	if (verdict == TSIG_MISSING && (k->reply.b[3] & DNS_RCODE_MASK))
		return fail(k, "%s: %s: %s", server, dns_rcode_name(k->reply.b[3] & DNS_RCODE_MASK),
			update_rcode_text(k->reply.b[3] & DNS_RCODE_MASK));
	return fail(k, "%s: %s", server, publish_verdict_text(verdict, key, here, there, buf));
}

/* The records as they stand. */
static int look(struct work *k, struct update_rrset *ret)
{
	struct wire_writer w = wire_writer(k->message, sizeof(k->message));
	unsigned int rcode;
	char server[64];

	dns_question_put(&w, dnsask_id(), &k->r->zone.name, DNS_TYPE_IPSECKEY, false);
	if (exchange(k, &w) < 0)
		return -1;
	rcode = k->reply.b[3] & DNS_RCODE_MASK;
	server_str(&k->r->server, server);
	switch (update_read(k->reply.b, k->reply.len, &k->r->zone.name, ret)) {
	case 0:
		return 0;
	case -ENOENT:
		*ret = (struct update_rrset){0};
		return 0;
	case -E2BIG:
		return fail(k,
			"%s: the name has more IPSECKEY records than %d, or larger ones than a "
			"key needs: remove what is old by hand",
			server, UPDATE_RECORDS_MAX);
	case -EIO:
		return fail(k, "%s does not answer for the name: %s: %s", server,
			dns_rcode_name(rcode), update_rcode_text(rcode));
	}
	return fail(k, "%s: its answer cannot be read", server);
}

/* ---- finding it */

static int find_zone(struct work *k, const struct dname *name)
{
	const struct publisher *p = k->p;
	char text[DNAME_TEXT_MAX];
	int error = p->n_resolvers ? dnsask_zone(p->resolvers, p->n_resolvers, name, &k->r->zone)
				   : -EPROTO;

	/* one that is authoritative need not be reachable by way of a resolver */
	if (error && p->server.addr.family)
		error = dnsask_zone(&p->server, 1, name, &k->r->zone);
	if (!error)
		return 0;
	dname_format(name, text);
	switch (error) {
	case -ENOENT:
		return fail(k, "no zone is found for it: no SOA record in the answers");
	case -ELOOP:
		return fail(k, "its aliases (CNAME) do not end");
	case -EPROTO:
		return fail(k, "its zone is not found: no resolver answers; name the server with "
			       "--server, or see /etc/resolv.conf");
	}
	return fail(k, "its zone is not found: %s", network_text(error));
}

static int find_server(struct work *k)
{
	const struct publisher *p = k->p;
	struct addr addrs[ADDRESSES_MAX];
	char primary[DNAME_TEXT_MAX], zone[DNAME_TEXT_MAX];
	size_t n;

	if (p->server.addr.family) {
		k->servers[k->n_servers++] = p->server;
		return 0;
	}
	n = dnsask_addresses(
		p->resolvers, p->n_resolvers, &k->r->zone.primary, addrs, ADDRESSES_MAX);
	for (size_t i = 0; i < n; i++)
		k->servers[k->n_servers++] = (struct dns_server){.addr = addrs[i], .port = p->port};
	if (n)
		return 0;
	return fail(k,
		"the primary of %.200s is %.200s by its SOA record, which has no address: name "
		"the server with --server or update-server",
		dname_format(&k->r->zone.zone, zone), dname_format(&k->r->zone.primary, primary));
}

/* ---- the whole */

static void make_plan(
	const struct publish_wish *wish, const struct update_rrset *seen, struct update_plan *ret)
{
	*ret = (struct update_plan){.ttl = wish->ttl ? wish->ttl
					   : seen->n ? seen->ttl
						     : PUBLISH_TTL};
	for (size_t i = 0; i < wish->n_want; i++)
		update_want(ret, seen, wish->want[i].key, wish->want[i].precedence);
	for (size_t i = 0; i < wish->n_unwant; i++)
		update_unwant(ret, seen, wish->unwant[i]);
}

/* Returns 0 where the server did it, 1 where the records were others than those seen, -1. */
static int send_update(
	struct work *k, const struct update_rrset *seen, const struct update_plan *plan)
{
	struct wire_writer w = wire_writer(k->message, sizeof(k->message));
	unsigned int rcode;
	char server[64];

	update_put(&w, dnsask_id(), &k->r->zone.zone, &k->r->zone.name, seen, plan);
	if (exchange(k, &w) < 0)
		return -1;
	rcode = k->reply.b[3] & DNS_RCODE_MASK;
	fail(k, "%s: %s: %s", server_str(&k->r->server, server), dns_rcode_name(rcode),
		update_rcode_text(rcode));
	switch ((enum dns_rcode)rcode) {
	case DNS_RCODE_NOERROR:
		k->r->why[0] = '\0';
		return 0;
	case DNS_RCODE_NXDOMAIN:
	case DNS_RCODE_YXDOMAIN:
	case DNS_RCODE_YXRRSET:
	case DNS_RCODE_NXRRSET:
		return 1;
	case DNS_RCODE_FORMERR:
	case DNS_RCODE_SERVFAIL:
	case DNS_RCODE_NOTIMP:
	case DNS_RCODE_REFUSED:
	case DNS_RCODE_NOTAUTH:
	case DNS_RCODE_NOTZONE:
		break;
	}
	return -1;
}

static int change(struct work *k, const struct publish_wish *wish)
{
	struct publish_result *r = k->r;
	char server[64];

	for (int round = 0; round < ROUNDS_MAX; round++) {
		static struct update_plan plan;
		int said;

		make_plan(wish, &r->after, &plan);
		if (!plan.n_add && !plan.n_remove) {
			r->why[0] = '\0';
			return 0;
		}
		said = send_update(k, &r->after, &plan);
		/* an answer that was lost made us send twice: what counts is what stands there */
		if (said < 0 || look(k, &r->after) < 0)
			return -1;
		if (update_done(&plan, &r->after)) {
			r->changed = true;
			r->why[0] = '\0';
			return 0;
		}
		if (said == 0)
			return fail(k,
				"%s says that it is done, yet the records are not as wanted: "
				"is there an alias (CNAME) at the name?",
				server_str(&r->server, server));
	}
	return -1;
}

static int begin(struct work *k, const struct dname *name)
{
	if (find_zone(k, name) < 0 || find_server(k) < 0 || look(k, &k->r->before) < 0)
		return -1;
	k->r->after = k->r->before;
	return 0;
}

static int run(const struct publisher *p, const struct dname *name, const struct publish_wish *wish,
	struct publish_result *ret)
{
	struct work *k = calloc(1, sizeof(*k));
	int error;

	*ret = (struct publish_result){0};
	if (!k) {
		snprintf(ret->why, sizeof(ret->why), "out of memory");
		return -1;
	}
	k->p = p;
	k->r = ret;
	error = begin(k, name);
	if (!error && wish)
		error = change(k, wish);
	free(k);
	return error;
}

int publish(const struct publisher *p, const struct dname *name, const struct publish_wish *wish,
	struct publish_result *ret)
{
	return run(p, name, wish, ret);
}

int publish_look(const struct publisher *p, const struct dname *name, struct publish_result *ret)
{
	return run(p, name, NULL, ret);
}
