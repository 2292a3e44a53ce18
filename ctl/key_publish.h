/* SPDX-License-Identifier: BSD-2-Clause */
/* What `oectl key publish` and `oectl key rollover` share: whom to ask, by which key
 * (key_publish.c). */
#pragma once

#include "agent/conf.h"
#include "ctl/keys.h"
#include "ctl/publish.h"

/* Who asks and signs, made of the command line and oed.conf. Holds a secret: to be wiped. */
struct oectl_publisher {
	struct publisher p;
	struct tsig_key key;
	struct conf conf;
};

/* Returns OECTL_OK, else a status after a complaint. Without a TSIG key anywhere ret->p.key is
 * NULL: that is no fault. */
int oectl_publisher(const struct oectl *ctl, struct oectl_publisher *ret);
void oectl_publisher_wipe(struct oectl_publisher *p);
/* The resolvers that oed.conf names, else the system's; returns how many. */
size_t oectl_resolvers(const struct conf *conf, struct dns_server ret[static DNSASK_SERVERS_MAX]);
/* What became of a name, in words on ctl->out or ctl->err, or as a member of names (JSON). */
void oectl_say_published(const struct oectl *ctl, const char *owner, const struct publish_result *r,
	size_t n_keys, json_t *names);
