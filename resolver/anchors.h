/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Trust anchors: DS and DNSKEY records in files, of the root and of a site's own zones; and the
 * root's key as RFC 5011 keeps it up to date, in a file of our own.
 */
#pragma once

#include <unbound.h>

#include "resolver/resolver.h"

/* The root's key in there is out of date, and what config names is not: it is begun anew when
 * anchors are added next. */
void anchors_forget(const char *state);
/* Gives ub the anchors that config names. state: a folder that we may write to, or NULL; a fault of
 * what is in there is logged and mended, or done without. Returns 0, or -errno with a line for the
 * admin. */
int anchors_add(struct ub_ctx *ub, const struct dns_config *config, const char *state,
	char ret_why[static DNS_WHY_MAX]);
