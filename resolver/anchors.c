/* SPDX-License-Identifier: BSD-2-Clause */
#include "resolver/anchors.h"

#include <errno.h>
#include <fcntl.h>
#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "resolver/answer.h"

#define ANCHOR_FILE_MAX (256 * 1024)
#define TRACKED "root.key"

static int anchor_error(char why[static DNS_WHY_MAX], const char *file, int error)
{
	char text[DNS_WHY_MAX + 256];

	switch (error) {
	case -ENOENT:
		snprintf(text, sizeof(text),
			"%s: no such file: install dns-root-data, or set another trust anchor file",
			file);
		break;
	case -EACCES:
		snprintf(text, sizeof(text),
			"%s: not readable for the resolver's user: make the file readable for all "
			"(chmod a+r) and its folders passable",
			file);
		break;
	default:
		snprintf(text, sizeof(text), "%s: %s", file, strerror(-error));
	}
	answer_quote(text, why);
	return error;
}

/* Returns 1 for an anchor (given to ub, if there is one), 0 for a record that is none, or -errno. */
static int add_anchor(struct ub_ctx *ub, const ldns_rr *rr)
{
	char *text;
	int r;

	if (ldns_rr_get_class(rr) != LDNS_RR_CLASS_IN ||
		(ldns_rr_get_type(rr) != LDNS_RR_TYPE_DS &&
			ldns_rr_get_type(rr) != LDNS_RR_TYPE_DNSKEY))
		return 0;
	if (!ub)
		return 1;
	text = ldns_rr2str(rr);
	r = text ? ub_ctx_add_ta(ub, text) : UB_NOMEM;
	free(text);
	return r == 0 ? 1 : -EINVAL;
}

/* The records are read here, not by libunbound, which would do it at the first question and say no
 * more than "initialization failure". */
static int read_anchors(struct ub_ctx *ub, FILE *f, const char *file, char why[static DNS_WHY_MAX])
{
	uint32_t ttl = 3600;
	ldns_rdf *origin = NULL, *prev = NULL;
	int line = 1, count = 0, r = 0;
	const char *fault = NULL;

	while (!fault && !feof(f) && !ferror(f)) {
		ldns_rr *rr = NULL;
		int before = line;
		ldns_status s = ldns_rr_new_frm_fp_l(&rr, f, &ttl, &origin, &prev, &line);

		if (s == LDNS_STATUS_SYNTAX_EMPTY || s == LDNS_STATUS_SYNTAX_TTL ||
			s == LDNS_STATUS_SYNTAX_ORIGIN)
			continue;
		r = s == LDNS_STATUS_OK ? add_anchor(ub, rr) : -EINVAL;
		if (s == LDNS_STATUS_OK)
			ldns_rr_free(rr);
		if (r == 0)
			fault = "neither a DS nor a DNSKEY record";
		else if (r < 0)
			fault = "not a DS or DNSKEY record in zone file form";
		else
			count++;
		if (fault)
			/* line is the one behind */
			snprintf(why, DNS_WHY_MAX, "%.180s:%d: %s", file,
				line > before ? line - 1 : line, fault);
	}
	ldns_rdf_deep_free(origin);
	ldns_rdf_deep_free(prev);
	if (!fault && !count)
		snprintf(why, DNS_WHY_MAX, "%.180s: no DS or DNSKEY record in it", file);
	return fault || !count ? -EINVAL : 0;
}

/* ub may be NULL: the file is only checked. */
static int add_file(struct ub_ctx *ub, const char *file, char why[static DNS_WHY_MAX])
{
	struct stat st;
	FILE *f;
	int fd, r;

	/* a FIFO there must not stop us */
	fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return anchor_error(why, file, -errno);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > ANCHOR_FILE_MAX) {
		close(fd);
		snprintf(why, DNS_WHY_MAX, "%.180s: not a plain file of at most %d KiB", file,
			ANCHOR_FILE_MAX / 1024);
		return -EINVAL;
	}
	f = fdopen(fd, "r");
	if (!f) {
		close(fd);
		return -ENOMEM;
	}
	r = read_anchors(ub, f, file, why);
	fclose(f);
	return r;
}

/* ---- RFC 5011 */

/* Begins the tracked file anew, with what the admin trusts. */
static int seed(const char *from, const char *to)
{
	char temp[300];
	int in, out, r = 0;
	uint8_t buf[4096];
	ssize_t n;

	snprintf(temp, sizeof(temp), "%s.new", to);
	in = open(from, O_RDONLY | O_CLOEXEC);
	if (in < 0)
		return -errno;
	out = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (out < 0)
		r = -errno;
	while (r == 0 && (n = read(in, buf, sizeof(buf))) != 0)
		if (n < 0 || write(out, buf, (size_t)n) != n)
			r = -EIO;
	if (r == 0 && fsync(out) < 0)
		r = -errno;
	close(in);
	if (out >= 0)
		close(out);
	if (r == 0 && rename(temp, to) < 0)
		r = -errno;
	return r;
}

/* libunbound reads the tracked file at the first question, and gives up all where it is spoilt: so
 * it is checked here. Returns 0, or -errno: the admin's file serves alone. */
static int add_tracked(struct ub_ctx *ub, const char *from, const char *state)
{
	char file[280], why[DNS_WHY_MAX];
	int r;

	snprintf(file, sizeof(file), "%s/" TRACKED, state);
	if (add_file(NULL, file, why) < 0) {
		if (access(file, F_OK) == 0)
			log_warn("%s; it is begun anew with %s", why, from);
		r = seed(from, file);
		if (r < 0) {
			log_warn("%s: %s; the root's key is not kept up to date, %s is used as it "
				 "is",
				file, strerror(-r), from);
			return r;
		}
	}
	return ub_ctx_add_ta_autr(ub, file) == 0 ? 0 : -EINVAL;
}

void anchors_forget(const char *state)
{
	char file[280];

	snprintf(file, sizeof(file), "%s/" TRACKED, state);
	log_warn("%s: the root's key in it is out of date; it is begun anew", file);
	if (unlink(file) < 0)
		log_warn("%s: %s", file, strerror(errno));
}

int anchors_add(struct ub_ctx *ub, const struct dns_config *config, const char *state,
	char ret_why[static DNS_WHY_MAX])
{
	const char *file = config->anchor_file[0] ? config->anchor_file : DNS_ANCHOR_FILE;
	bool track = config->options & DNS_OPT_TRACK_ROOT;
	int r;

	if (track && !state)
		log_warn("no state folder: the root's key is not kept up to date");
	/* a fault in the admin's file is told in any case */
	r = add_file(track && state ? NULL : ub, file, ret_why);
	if (r == 0 && track && state && add_tracked(ub, file, state) < 0)
		r = add_file(ub, file, ret_why);
	if (r == 0 && config->extra_anchors[0])
		r = add_file(ub, config->extra_anchors, ret_why);
	return r;
}
