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

	run->service->on_message(run->state, type, fixed, tail, tail_len);
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

int service_main(const struct service *service)
{
	struct running run = {.service = service};
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
	if (!run.base) {
		log_error("no event loop");
		return 1;
	}
	r = service->open ? service->open(run.base, &run.state) : 0;
	if (r == 0)
		r = sandbox_enter(&service->sandbox);
	if (r < 0)
		return 1;
	run.agent = msg_channel_new(run.base, SERVICE_FD, service->specs, service->n_specs,
		on_message, on_closed, &run);
	if (service->start(run.state, run.base, run.agent) == 0)
		event_base_dispatch(run.base);
	else
		run.status = 1;
	service->stop(run.state);
	msg_channel_free(run.agent);
	event_base_free(run.base);
	return run.status;
}
