/* SPDX-License-Identifier: BSD-2-Clause */
/* oectl's command line: which command it is, its request, and what becomes of the answer. */
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/oectl.h"
#include "base/addr.h"
#include "policy/policy.h"
#include "resolver/resolver.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

enum options {
	OPT_TYPE = 1 << 0,
	OPT_DIR = 1 << 1,
	OPT_NAME = 1 << 2,
	OPT_PRECEDENCE = 1 << 3,
	OPT_TTL = 1 << 4,
	OPT_GENERIC = 1 << 5,
	OPT_UPDATE = 1 << 6, /* --update-key, --server */
	OPT_FORCE = 1 << 7,
	OPT_WAIT = 1 << 8,
};

/* A command line taken apart. */
struct call {
	struct oectl ctl;
	const struct command *command;
	unsigned int options; /* those of `key` that were given */
	char *const *args;
	size_t n_args;
	int status; /* enum oectl_exit, of the answer */
	bool streaming;
};

/* What args of the daemon's commands are. */
enum args {
	ARGS_NONE,
	ARGS_ADDRESS,
	ARGS_NAME,  /* an address or a domain name */
	ARGS_HINT,  /* NAME [ADDRESS ...] */
	ARGS_FLOW,  /* ADDRESS [PROTO [SPORT] DPORT] */
	ARGS_LOCAL, /* no request: call.command->local runs it */
};

struct command {
	const char *words[2]; /* the second may be NULL */
	enum args args;
	size_t min, max; /* arguments */
	const char *usage;
	const char *help;
	oectl_render_fn render;
	int (*local)(const struct call *c);
	unsigned int options;
};

static int run_generate(const struct call *c)
{
	return oectl_key_generate(&c->ctl);
}

static int run_show(const struct call *c)
{
	return oectl_key_show(&c->ctl);
}

static int run_ipseckey(const struct call *c)
{
	return oectl_key_ipseckey(&c->ctl, c->args, c->n_args);
}

static int run_publish(const struct call *c)
{
	return oectl_key_publish(&c->ctl, c->args, c->n_args);
}

static int run_rollover(const struct call *c)
{
	return oectl_key_rollover(&c->ctl, c->args, c->n_args);
}

static int run_check(const struct call *c)
{
	return oectl_check(&c->ctl);
}

static const struct command commands[] = {
	{{"status", NULL}, ARGS_NONE, 0, 0, "", "the daemon as a whole", oectl_render_status, NULL,
		0},
	{{"peers", NULL}, ARGS_NONE, 0, 0, "", "every peer and its state", oectl_render_peers, NULL,
		0},
	{{"explain", NULL}, ARGS_FLOW, 1, 4, " ADDRESS [PROTO [SPORT] DPORT]",
		"why traffic with it is as it is", oectl_render_explain, NULL, 0},
	{{"resolve", NULL}, ARGS_NAME, 1, 1, " ADDRESS|NAME",
		"the key that DNS has, and whether it is believed", oectl_render_resolve, NULL, 0},
	{{"policy", "test"}, ARGS_FLOW, 1, 4, " ADDRESS [PROTO [SPORT] DPORT]",
		"which line of the policy applies", oectl_render_policy_test, NULL, 0},
	{{"policy", "show"}, ARGS_NONE, 0, 0, "", "all lines, most specific first",
		oectl_render_policy_show, NULL, 0},
	{{"hint", NULL}, ARGS_HINT, 1, 1 + DNS_ADDRS_MAX, " NAME [ADDRESS ...]",
		"look for the key of NAME's addresses under NAME, too", oectl_render_hint, NULL, 0},
	{{"up", NULL}, ARGS_FLOW, 1, 4, " ADDRESS [PROTO [SPORT] DPORT]",
		"look it up and negotiate now", oectl_render_text, NULL, 0},
	{{"down", NULL}, ARGS_ADDRESS, 1, 1, " ADDRESS", "end its SAs", oectl_render_text, NULL, 0},
	{{"forget", NULL}, ARGS_ADDRESS, 1, 1, " ADDRESS", "forget what was decided",
		oectl_render_text, NULL, 0},
	{{"reload", NULL}, ARGS_NONE, 0, 0, "", "read oed.conf and the policies again",
		oectl_render_reload, NULL, 0},
	{{"trace", NULL}, ARGS_NONE, 0, 0, "", "what happens, as it happens",
		oectl_render_trace_line, NULL, 0},
	{{"stats", NULL}, ARGS_NONE, 0, 0, "", "all counters", oectl_render_stats, NULL, 0},
	{{"key", "generate"}, ARGS_LOCAL, 0, 0, " [--type T] [--name NAME]",
		"make a key for this host", NULL, run_generate, OPT_TYPE | OPT_NAME | OPT_DIR},
	{{"key", "show"}, ARGS_LOCAL, 0, 0, "", "the keys of this host", NULL, run_show, OPT_DIR},
	{{"key", "ipseckey"}, ARGS_LOCAL, 0, SIZE_MAX, " [ADDRESS|NAME ...]",
		"the records to publish", NULL, run_ipseckey,
		OPT_DIR | OPT_PRECEDENCE | OPT_TTL | OPT_GENERIC},
	{{"key", "publish"}, ARGS_LOCAL, 0, SIZE_MAX, " [ADDRESS|NAME ...]",
		"put them into DNS, by an update", NULL, run_publish,
		OPT_DIR | OPT_PRECEDENCE | OPT_TTL | OPT_UPDATE},
	{{"key", "rollover"}, ARGS_LOCAL, 0, SIZE_MAX, " [start|continue|abort]",
		"replace the key, step by step; alone: where that stands", NULL, run_rollover,
		OPT_DIR | OPT_TYPE | OPT_NAME | OPT_PRECEDENCE | OPT_TTL | OPT_UPDATE | OPT_FORCE |
			OPT_WAIT},
	{{"check", NULL}, ARGS_LOCAL, 0, 0, "", "whether all that oed needs of this host is there",
		NULL, run_check, OPT_DIR},
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void help(FILE *out)
{
	fputs("Usage: oectl [-r RUNDIR] [--json] COMMAND\n\n", out);
	for (size_t i = 0; i < N_COMMANDS; i++) {
		const struct command *c = &commands[i];
		int n = fprintf(out, "  %s%s%s%s", c->words[0], c->words[1] ? " " : "",
			c->words[1] ? c->words[1] : "", c->usage);

		fprintf(out, "%*s", n < 38 ? 38 - n : 2, "");
		oectl_wrap(out, 38, c->help);
	}
	fputs("\nOptions\n"
	      "  -r, --run DIR       where the daemon's control.sock is\n"
	      "  -j, --json          the answer as one line of JSON\n"
	      "  -V, --version\n"
	      "  -h, --help\n"
	      "Options of key and check\n"
	      "  --dir DIR           the configuration directory, with keys/ in it\n"
	      "  --type TYPE         ed25519 (default), ed448, ecdsa-p256, ecdsa-p384,\n"
	      "                      rsa-2048, rsa-3072, rsa-4096\n"
	      "  --name NAME         of the file keys/NAME.pem; default: the type\n"
	      "  --precedence N      of the record, 0 to 255, lower first (default 10)\n"
	      "  --ttl SECONDS       of the record (default 3600)\n"
	      "  --generic           the record for servers that do not know IPSECKEY\n",
		out);
}

__attribute__((format(printf, 2, 3))) static int usage(const struct call *c, const char *fmt, ...)
{
	va_list ap;

	fputs("oectl: ", c->ctl.err);
	va_start(ap, fmt);
	vfprintf(c->ctl.err, fmt, ap);
	va_end(ap);
	fputs("; oectl --help shows all\n", c->ctl.err);
	return OECTL_USAGE;
}

/* ---- the answer */

/* Returns OECTL_OK, or OECTL_NO where the daemon said so or nothing that could be understood. */
static int show_answer(struct call *c, const char *line, size_t len)
{
	json_error_t error;
	json_t *answer = json_loadb(line, len, 0, &error);
	int status = OECTL_OK;

	if (!json_is_object(answer)) {
		fprintf(c->ctl.err,
			"oectl: the daemon's answer is no JSON (%s); is it of this version?\n",
			answer ? "no object" : error.text);
		status = OECTL_NO;
	} else if (json_object_get(answer, "ok") && !oectl_bool(answer, "ok")) {
		status = OECTL_NO;
	}
	if (answer && c->ctl.json) {
		fprintf(c->ctl.out, "%.*s\n", (int)len, line);
	} else if (status == OECTL_OK) {
		oectl_clean(answer);
		/* the first line of a stream only says that it begins */
		if (!c->streaming || !json_object_get(answer, "ok"))
			c->command->render(c->ctl.out, answer);
	} else if (json_is_object(answer)) {
		oectl_clean(answer);
		fprintf(c->ctl.err, "oectl: %s\n",
			oectl_str(answer, "error", "the daemon refused"));
		oectl_render_errors(c->ctl.err, answer);
	}
	fflush(c->ctl.out);
	json_decref(answer);
	return status;
}

static bool on_line(void *arg, const char *line, size_t len)
{
	struct call *c = arg;

	c->status = show_answer(c, line, len);
	return c->streaming && c->status == OECTL_OK;
}

/* ---- the request */

static int add_hint(const struct call *c, json_t *request)
{
	json_t *list = json_array();
	struct addr a;

	json_object_set_new(request, "name", json_string(c->args[0]));
	json_object_set_new(request, "addresses", list);
	if (!json_object_get(request, "name"))
		return usage(c, "NAME is not UTF-8");
	for (size_t i = 1; i < c->n_args; i++) {
		if (addr_parse(c->args[i], &a) < 0)
			return usage(c, "'%.60s' is no address; write those of NAME, or none",
				c->args[i]);
		json_array_append_new(list, json_string(addr_str(&a)));
	}
	return OECTL_OK;
}

static int add_port(const struct call *c, json_t *request, const char *name, const char *text)
{
	char *end;
	unsigned long port = strtoul(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end || port > 65535)
		return usage(c, "'%s' is no port; write a number of 0 to 65535", text);
	json_object_set_new(request, name, json_integer((json_int_t)port));
	return OECTL_OK;
}

/* Adds the arguments; returns OECTL_OK or OECTL_USAGE after a message. */
static int add_args(const struct call *c, json_t *request)
{
	struct addr a;
	uint8_t proto;

	if (c->command->args == ARGS_NONE)
		return OECTL_OK;
	if (c->command->args == ARGS_NAME) {
		json_object_set_new(request, "name", json_string(c->args[0]));
		return OECTL_OK;
	}
	if (c->command->args == ARGS_HINT)
		return add_hint(c, request);
	if (addr_parse(c->args[0], &a) < 0)
		return usage(c, "'%s' is no address; write one such as 192.0.2.1 or 2001:db8::1",
			c->args[0]);
	json_object_set_new(request, "address", json_string(addr_str(&a)));
	if (c->n_args == 1)
		return OECTL_OK;
	if (c->n_args < 3 || !pol_proto_parse(c->args[1], &proto))
		return usage(c,
			"write ADDRESS alone, or with a protocol and a port such as tcp 22, "
			"or with both ports such as tcp 0 22");
	json_object_set_new(request, "proto", json_integer(proto));
	if (c->n_args == 3)
		return add_port(c, request, "port", c->args[2]);
	if (add_port(c, request, "sport", c->args[2]) != OECTL_OK)
		return OECTL_USAGE;
	return add_port(c, request, "port", c->args[3]);
}

static int ask(struct call *c)
{
	const struct command *cmd = c->command;
	json_t *request = json_object();
	char words[40];
	int status;

	snprintf(words, sizeof(words), "%s%s%s", cmd->words[0], cmd->words[1] ? " " : "",
		cmd->words[1] ? cmd->words[1] : "");
	json_object_set_new(request, "command", json_string(words));
	c->streaming = cmd->render == oectl_render_trace_line;
	status = add_args(c, request);
	if (status == OECTL_OK)
		status = oectl_exchange(&c->ctl, request, on_line, c);
	json_decref(request);
	return status == OECTL_OK ? c->status : status;
}

/* ---- the command line */

static bool option_number(const char *text, unsigned long max, unsigned long *ret)
{
	char *end;

	*ret = strtoul(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end && *ret <= max;
}

/* Takes the options. Returns OECTL_OK, OECTL_USAGE after a message, or -1: done already. */
static int parse_options(struct call *c, int argc, char **argv)
{
	static const struct option longs[] = {
		{"run", required_argument, NULL, 'r'},
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{"type", required_argument, NULL, 't'},
		{"dir", required_argument, NULL, 'd'},
		{"name", required_argument, NULL, 'n'},
		{"precedence", required_argument, NULL, 'p'},
		{"ttl", required_argument, NULL, 'l'},
		{"generic", no_argument, NULL, 'g'},
		{"update-key", required_argument, NULL, 'u'},
		{"server", required_argument, NULL, 's'},
		{"force", no_argument, NULL, 'f'},
		{"wait", no_argument, NULL, 'w'},
		{NULL, 0, NULL, 0},
	};
	unsigned long n;
	int o;

	optind = 0; /* GNU: begin anew */
	opterr = 0;
	while ((o = getopt_long(argc, argv, ":r:jhV", longs, NULL)) >= 0) {
		switch (o) {
		case 'r':
			c->ctl.rundir = optarg;
			break;
		case 'j':
			c->ctl.json = true;
			break;
		case 'h':
			help(c->ctl.out);
			return -1;
		case 'V':
			fprintf(c->ctl.out, "oectl %s\n", PACKAGE_VERSION);
			return -1;
		case 't':
			c->ctl.type = optarg;
			c->options |= OPT_TYPE;
			break;
		case 'd':
			c->ctl.confdir = optarg;
			c->options |= OPT_DIR;
			break;
		case 'n':
			c->ctl.name = optarg;
			c->options |= OPT_NAME;
			break;
		case 'p':
			if (!option_number(optarg, 255, &n))
				return usage(c, "--precedence '%s'; write 0 to 255", optarg);
			c->ctl.precedence = (uint8_t)n;
			c->options |= OPT_PRECEDENCE;
			break;
		case 'l':
			if (!option_number(optarg, 0x7fffffff, &n) || !n)
				return usage(c, "--ttl '%s'; write seconds", optarg);
			c->ctl.ttl = (uint32_t)n;
			c->options |= OPT_TTL;
			break;
		case 'g':
			c->ctl.generic = true;
			c->options |= OPT_GENERIC;
			break;
		case 'u':
			c->ctl.update_key = optarg;
			c->options |= OPT_UPDATE;
			break;
		case 's':
			c->ctl.server = optarg;
			c->options |= OPT_UPDATE;
			break;
		case 'f':
			c->ctl.force = true;
			c->options |= OPT_FORCE;
			break;
		case 'w':
			c->ctl.wait = true;
			c->options |= OPT_WAIT;
			break;
		case ':':
			return usage(c, "%s needs a value", argv[optind - 1]);
		default:
			return usage(c, "no option %s", argv[optind - 1]);
		}
	}
	return OECTL_OK;
}

/* Finds the command of the words and leaves its arguments in c. */
static int parse_command(struct call *c, char *const *words, size_t n)
{
	bool first_known = false;

	if (n == 0)
		return usage(c, "no command; write one such as oectl status");
	for (size_t i = 0; i < N_COMMANDS && !c->command; i++) {
		const char *const *w = commands[i].words;
		size_t n_words = w[1] ? 2 : 1;

		if (strcmp(w[0], words[0]) != 0)
			continue;
		first_known = true;
		if (n_words == 2 && (n < 2 || strcmp(w[1], words[1]) != 0))
			continue;
		c->command = &commands[i];
		c->args = words + n_words;
		c->n_args = n - n_words;
	}
	if (!c->command)
		return first_known ? usage(c, "what of '%s'?", words[0])
				   : usage(c, "no command '%s'", words[0]);
	if (c->n_args < c->command->min || c->n_args > c->command->max)
		return usage(c, "write oectl %s%s%s%s", c->command->words[0],
			c->command->words[1] ? " " : "",
			c->command->words[1] ? c->command->words[1] : "", c->command->usage);
	if (c->options & ~c->command->options)
		return usage(c, "an option that this command does not take");
	return OECTL_OK;
}

int oectl_main(int argc, char **argv, FILE *out, FILE *err)
{
	const char *rundir = getenv("OED_RUNDIR"), *confdir = getenv("OED_CONFDIR");
	struct call c = {
		.ctl =
			{
				.rundir = rundir ? rundir : OED_RUNDIR,
				.confdir = confdir ? confdir : OED_SYSCONFDIR,
				.out = out,
				.err = err,
				.precedence = 10,
			},
	};
	int status = parse_options(&c, argc, argv);

	if (status == OECTL_OK)
		status = parse_command(&c, argv + optind, (size_t)(argc - optind));
	if (status != OECTL_OK)
		return status < 0 ? OECTL_OK : status;
	return c.command->local ? c.command->local(&c) : ask(&c);
}
