/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/service.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "base/log.h"

static const struct msg_spec common_specs[] = {
	{SERVICE_LOG_LEVEL, "LOG_LEVEL", sizeof(struct service_log_level), 0, 0},
};
#define N_COMMON (sizeof(common_specs) / sizeof(common_specs[0]))

struct running {
	const struct service *service;
	struct event_base *base;
	struct msg_channel *agent;
	void *state;
	int status;
};

uint64_t service_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void on_message(
	void *arg, uint16_t type, const void *fixed, const uint8_t *tail, size_t tail_len)
{
	struct running *run = arg;
	struct service_log_level log;

	if (type != SERVICE_LOG_LEVEL) {
		run->service->on_message(run->state, type, fixed, tail, tail_len);
		return;
	}
	memcpy(&log, fixed, sizeof(log));
	if (log.level <= LOG_LEVEL_DEBUG)
		log_set_level((enum log_level)log.level);
}

static void on_closed(void *arg, int error)
{
	struct running *run = arg;

	if (error) {
		log_error("channel to the agent: %s", strerror(-error));
		run->status = 1;
	}
	event_base_loopbreak(run->base);
}

/* What the service accepts, and what all do. */
static struct msg_spec *all_specs(const struct service *service)
{
	struct msg_spec *specs = calloc(service->n_specs + N_COMMON, sizeof(*specs));

	if (!specs)
		return NULL;
	memcpy(specs, service->specs, service->n_specs * sizeof(*specs));
	memcpy(specs + service->n_specs, common_specs, sizeof(common_specs));
	return specs;
}

int service_main(const struct service *service)
{
	struct running run = {.service = service};
	struct msg_spec *specs = all_specs(service);
	enum log_level level = LOG_LEVEL_INFO;
	static char title[32];
	const char *text = getenv("OED_LOG_LEVEL");
	int r;

	snprintf(title, sizeof(title), "oed: %s", service->name);
	if (text)
		log_level_parse(text, &level);
	log_init(title, level);
	snprintf(title, sizeof(title), "oed-%s", service->name);
	prctl(PR_SET_NAME, title);
	snprintf(title, sizeof(title), "oed: %s", service->name);
	/* the monitor's Ctrl-C is not ours: we end when the agent closes the channel */
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	run.base = event_base_new();
	if (!run.base || !specs) {
		log_error("no event loop");
		return 1;
	}
	r = service->open ? service->open(run.base, &run.state) : 0;
	if (r == 0)
		r = sandbox_enter(&service->sandbox);
	if (r < 0)
		return 1;
	run.agent = msg_channel_new(run.base, SERVICE_FD, specs, service->n_specs + N_COMMON,
		on_message, on_closed, &run);
	if (service->start(run.state, run.base, run.agent) == 0)
		event_base_dispatch(run.base);
	else
		run.status = 1;
	service->stop(run.state);
	msg_channel_free(run.agent);
	event_base_free(run.base);
	free(specs);
	return run.status;
}
