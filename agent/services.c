/* SPDX-License-Identifier: BSD-2-Clause */
/* The services' processes as the agent has them: asked of the monitor, watched, started again. */
#include "agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/monitor.h"
#include "base/log.h"
#include "base/service.h"
#include "resolver/listener.h"

/* A service that lived so long has not died young. */
#define HEALTHY_US UINT64_C(10000000)
#define DELAY_MAX_MS 5000

static void ask(struct agent_service *s)
{
	struct monitor_msg m = {.type = MONITOR_START, .service = (uint8_t)s->id};

	monitor_send(s->agent->monitor, &m, -1);
}

bool services_wanted(const struct agent *a, enum oe_service id)
{
	return id != OE_LISTENER || a->conf.dns_resolved_monitor != CONF_RESOLVED_NO;
}

static void on_restart(evutil_socket_t fd, short what, void *arg)
{
	struct agent_service *s = arg;

	(void)fd, (void)what;
	if (services_wanted(s->agent, s->id))
		ask(s);
}

static void away(struct agent_service *s)
{
	struct timeval tv = {0};
	unsigned int ms = 0;

	if (!s->channel)
		return;
	msg_channel_free(s->channel);
	s->channel = NULL;
	s->pid = 0;
	if (s->ready)
		oe_peers_service(s->agent->peers, s->id, false, service_now());
	s->ready = false;
	if (s->agent->stopping)
		return;
	s->restarts++;
	s->fast = service_now() - s->since > HEALTHY_US ? 0 : s->fast + 1;
	/* at once the first time: packets are waiting */
	if (s->fast > 1)
		ms = s->fast > 8 ? DELAY_MAX_MS : 50u << (s->fast - 2);
	if (ms > DELAY_MAX_MS)
		ms = DELAY_MAX_MS;
	tv.tv_sec = ms / 1000;
	tv.tv_usec = (ms % 1000) * 1000;
	evtimer_add(s->restart, &tv);
	agent_arm(s->agent);
}

void services_kill(struct agent_service *s, const char *why)
{
	if (s->id == OE_LISTENER) /* ends with systemd-resolved's end */
		log_debug("service %s: %s; starting it again", oe_service_name(s->id), why);
	else
		log_error("service %s: %s; starting it again", oe_service_name(s->id), why);
	away(s);
}

void services_renew(struct agent_service *s)
{
	s->since = 0; /* not a death, so not one too many */
	away(s);
}

static void on_closed(void *arg, int error)
{
	struct agent_service *s = arg;

	if (s->agent->stopping) {
		if (s->id == OE_XFRM) /* it has done the last of its work */
			event_base_loopbreak(s->agent->base);
		return;
	}
	services_kill(s, error == 0          ? "it has ended"
			 : error == -EBADMSG ? "ill-formed message"
					     : strerror(-error));
}

static void on_message(
	void *arg, uint16_t type, const void *fixed, const uint8_t *tail, size_t tail_len)
{
	struct agent_service *s = arg;

	agent_message(s->agent, s, type, fixed, tail, tail_len);
}

void services_ready(struct agent_service *s)
{
	struct agent *a = s->agent;
	struct monitor_msg up = {.type = MONITOR_UP};

	if (!s->ready) {
		s->ready = true;
		oe_peers_service(a->peers, s->id, true, service_now());
	}
	s->was_ready = true;
	for (size_t i = 0; i < OE_N_SERVICES; i++)
		if (!a->service[i].was_ready && i != OE_LISTENER)
			return;
	if (a->told_ready)
		return;
	a->told_ready = true;
	log_info("ready");
	monitor_send(a->monitor, &up, -1);
}

static enum log_level wanted_level(const struct agent *a)
{
	enum log_level conf = (enum log_level)a->conf.log_level;

	return conf > a->log_least ? conf : a->log_least;
}

static void send_log_level(const struct agent *a, struct agent_service *s)
{
	struct service_log_level m = {.level = wanted_level(a)};

	if (s->channel)
		msg_send_struct(s->channel, SERVICE_LOG_LEVEL, &m);
}

void services_log_level(struct agent *a)
{
	log_set_level(wanted_level(a));
	for (size_t i = 0; i < OE_N_SERVICES; i++)
		send_log_level(a, &a->service[i]);
}

static void started(struct agent *a, const struct monitor_msg *m, int fd)
{
	static const struct {
		const struct msg_spec *specs;
		const size_t *n;
	} tables[] = {
		[OE_XFRM] = {xfrm_events, &xfrm_n_events},
		[OE_RESOLVER] = {dns_events, &dns_n_events},
		[OE_IKE] = {ike_events, &ike_n_events},
		[OE_SIGNER] = {signer_events, &signer_n_events},
		[OE_LISTENER] = {listener_events, &listener_n_events},
	};
	struct agent_service *s = &a->service[m->service];

	if (fd < 0) {
		log_error("service %s cannot be started: %s", oe_service_name(s->id),
			strerror(-m->value));
		evtimer_add(s->restart, &(struct timeval){.tv_sec = 1});
		return;
	}
	/* a second answer to two questions: the later process is the one that lives */
	msg_channel_free(s->channel);
	s->pid = m->value;
	s->since = service_now();
	s->channel = msg_channel_new(
		a->base, fd, tables[s->id].specs, *tables[s->id].n, on_message, on_closed, s);
	send_log_level(a, s);
	agent_configure(a, s);
}

static void on_monitor(evutil_socket_t fd, short what, void *arg)
{
	struct agent *a = arg;
	struct monitor_msg m;
	int sock = -1;
	int r = monitor_recv(fd, &m, &sock);

	(void)what;
	if (r == -EAGAIN || r == -EINTR)
		return;
	if (r < 0) {
		/* nobody could start a service again: end, and let systemd start all of us */
		log_error("the monitor is gone: %s", strerror(-r));
		event_base_loopbreak(a->base);
		return;
	}
	if (m.type == MONITOR_STARTED && m.service < OE_N_SERVICES) {
		started(a, &m, sock);
		return;
	}
	if (sock >= 0)
		close(sock);
	if (m.type == MONITOR_EXITED && m.service < OE_N_SERVICES && WIFSIGNALED(m.value))
		log_error("service %s died of signal %d", oe_service_name(m.service),
			WTERMSIG(m.value));
}

int services_start(struct agent *a)
{
	a->monitor = MONITOR_FD;
	fcntl(a->monitor, F_SETFL, O_NONBLOCK);
	fcntl(a->monitor, F_SETFD, FD_CLOEXEC);
	a->monitor_event = event_new(a->base, a->monitor, EV_READ | EV_PERSIST, on_monitor, a);
	if (!a->monitor_event || event_add(a->monitor_event, NULL) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < OE_N_SERVICES; i++) {
		struct agent_service *s = &a->service[i];

		s->agent = a;
		s->id = (enum oe_service)i;
		s->restart = evtimer_new(a->base, on_restart, s);
		if (!s->restart)
			return -ENOMEM;
		if (services_wanted(a, s->id))
			ask(s);
	}
	return 0;
}

void services_optional(struct agent *a)
{
	struct agent_service *s = &a->service[OE_LISTENER];

	if (!s->channel)
		evtimer_add(s->restart, &(struct timeval){0});
	else if (!services_wanted(a, s->id))
		services_renew(s);
}

void services_stop(struct agent *a)
{
	for (size_t i = 0; i < OE_N_SERVICES; i++) {
		msg_channel_free(a->service[i].channel);
		a->service[i].channel = NULL;
		if (a->service[i].restart)
			event_free(a->service[i].restart);
	}
	if (a->monitor_event)
		event_free(a->monitor_event);
}
