/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `oectl key publish`: this host's IPSECKEY records into DNS, by updates that a TSIG key allows.
 *
 * The command does it, as root and once, and not a service: so the secret that may change a zone is
 * never in a process that speaks with strangers.
 */
#include "ctl/key_publish.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

static void say_fault(void *arg, const char *text)
{
	const struct oectl *ctl = arg;

	fprintf(ctl->err, "oectl: %s\n", text);
}

size_t oectl_resolvers(const struct conf *conf, struct dns_server ret[static DNSASK_SERVERS_MAX])
{
	struct addr list[DNS_FORWARDERS_MAX];
	uint16_t port = conf->dns_port;
	size_t n = 0;

	_Static_assert(DNSASK_SERVERS_MAX >= DNS_FORWARDERS_MAX, "there is room for all");
	memcpy(list, conf->dns_forwarders, sizeof(list));
	if (!list[0].family) {
		conf_nameservers(CONF_RESOLV_CONF, list);
		port = 53;
	}
	for (; n < DNS_FORWARDERS_MAX && list[n].family; n++)
		ret[n] = (struct dns_server){.addr = list[n], .port = port};
	return n;
}

int oectl_publisher(const struct oectl *ctl, struct oectl_publisher *ret)
{
	struct oectl_publisher p = {.p.port = 53};
	struct conf_server server;
	char why[TSIG_WHY_MAX];
	const char *file;

	if (conf_load(ctl->confdir, say_fault, (void *)(uintptr_t)ctl, &p.conf) < 0)
		return oectl_complain(ctl, OECTL_NO, "oed.conf has mistakes; nothing was done");
	server = p.conf.dns_update_server;
	if (ctl->server && conf_server_parse(ctl->server, &server) < 0)
		return oectl_complain(ctl, OECTL_USAGE,
			"--server '%s' is no name server; write an address such as 192.0.2.53, or "
			"with "
			"a port 192.0.2.53#5353",
			ctl->server);
	p.p.server = (struct dns_server){.addr = server.addr, .port = server.port};
	p.p.n_resolvers = oectl_resolvers(&p.conf, p.p.resolvers);
	file = ctl->update_key ? ctl->update_key : p.conf.dns_update_key;
	if (*file && tsig_load(file, &p.key, why) < 0)
		return oectl_complain(ctl, OECTL_NO, "%s", why);
	*ret = p;
	if (*file)
		ret->p.key = &ret->key;
	OPENSSL_cleanse(&p.key, sizeof(p.key));
	return OECTL_OK;
}

void oectl_publisher_wipe(struct oectl_publisher *p)
{
	OPENSSL_cleanse(&p->key, sizeof(p->key));
}

void oectl_say_published(const struct oectl *ctl, const char *owner, const struct publish_result *r,
	size_t n_keys, json_t *names)
{
	char name[DNAME_TEXT_MAX], zone[DNAME_TEXT_MAX], server[ADDR_STRLEN] = "";
	size_t others = r->after.n > n_keys ? r->after.n - n_keys : 0;

	name[0] = zone[0] = '\0';
	if (r->zone.name.len) {
		dname_format(&r->zone.name, name);
		dname_format(&r->zone.zone, zone);
	}
	if (r->server.addr.family)
		addr_format(&r->server.addr, server);
	if (ctl->json) {
		json_array_append_new(names,
			json_pack("{s:s, s:b, s:b, s:s, s:s, s:s, s:I, s:I, s:s}", "name", owner,
				"ok", !r->why[0], "changed", (int)r->changed, "canonical", name,
				"zone", zone, "server", server, "ttl", (json_int_t)r->after.ttl,
				"others", (json_int_t)(r->why[0] ? 0 : others), "error", r->why));
		return;
	}
	if (r->why[0]) {
		fflush(ctl->out); /* in the order in which it came */
		fprintf(ctl->err, "oectl: %s: %s\n", owner, r->why);
		return;
	}
	fprintf(ctl->out, "%s %s\n", owner, r->changed ? "published" : "was published already");
	if (strcmp(name, owner) != 0)
		oectl_field(ctl->out, "alias of", name);
	oectl_fieldf(ctl->out, "zone", "%s at %s, TTL %u s", zone, server, r->after.ttl);
	if (others)
		oectl_fieldf(ctl->out, "", "%zu other record%s there, left as %s", others,
			others == 1 ? "" : "s", others == 1 ? "it is" : "they are");
}

/* All keys that are to be found there. Returns how many. */
static size_t wishes(
	const struct oectl *ctl, const struct oectl_key *keys, int n, struct publish_wish *wish)
{
	for (int i = 0; i < n && wish->n_want < PUBLISH_KEYS_MAX; i++) {
		if (keys[i].fault && keys[i].pub.algorithm)
			fprintf(ctl->err, "oectl: %s: %s\n", keys[i].path, keys[i].fault);
		if (!keys[i].pub.algorithm || keys[i].role == OECTL_KEY_OLD)
			continue;
		wish->want[wish->n_want].key = &keys[i].pub;
		wish->want[wish->n_want++].precedence = oectl_precedence(&keys[i], ctl->precedence);
		if (!ctl->json)
			fprintf(ctl->out, "%s\n", oectl_key_str(&keys[i].pub));
	}
	return wish->n_want;
}

static int publish_all(const struct oectl *ctl, const struct publisher *p, char (*names)[256],
	size_t n, const struct publish_wish *wish)
{
	struct publish_result *r = calloc(1, sizeof(*r));
	json_t *list = json_array();
	size_t failed = 0;

	for (size_t i = 0; i < n && r; i++) {
		struct dname name;

		*r = (struct publish_result){0};
		if (dname_parse(names[i], &name) < 0)
			snprintf(r->why, sizeof(r->why), "is no domain name");
		else
			publish(p, &name, wish, r);
		failed += r->why[0] != '\0';
		oectl_say_published(ctl, names[i], r, wish->n_want, list);
	}
	free(r);
	if (ctl->json)
		oectl_say_json(ctl, json_pack("{s:b, s:O}", "ok", !failed, "names", list));
	json_decref(list);
	return failed ? OECTL_NO : OECTL_OK;
}

int oectl_key_publish(const struct oectl *ctl, char *const *owners, size_t n_owners)
{
	char names[OECTL_OWNERS_MAX + 1][256];
	struct oectl_publisher publisher;
	struct publish_wish wish = {.ttl = ctl->ttl};
	struct oectl_key *keys = NULL;
	int n, status = oectl_publisher(ctl, &publisher);
	size_t n_names;

	if (status != OECTL_OK)
		return status;
	if (!publisher.p.key)
		return oectl_complain(ctl, OECTL_NO,
			"no key for updates: name the file of a TSIG key with --update-key FILE or "
			"update-key in oed.conf; 'oectl key ipseckey' prints the records to "
			"publish by "
			"hand");
	status = oectl_owner_names(ctl, owners, n_owners, names, &n_names);
	if (status == OECTL_OK && !n_owners && publisher.conf.ike_identity[0])
		oectl_owner_name(publisher.conf.ike_identity, names[n_names++]);
	if (status == OECTL_OK) {
		n = oectl_read_keys(ctl, &keys);
		if (n <= 0 || !wishes(ctl, keys, n, &wish))
			status = oectl_no_keys(ctl, n);
		else
			status = publish_all(ctl, &publisher.p, names, n_names, &wish);
	}
	free(keys);
	oectl_publisher_wipe(&publisher);
	return status;
}
