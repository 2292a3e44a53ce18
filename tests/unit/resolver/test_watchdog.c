/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The resolver service when libunbound goes round in circles: it ends by itself. ub_resolve_event() of
 * this program stands in for the library's, and never returns.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unbound-event.h>
#include <unbound.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/service.h"
#include "resolver/resolver.h"

int ub_resolve_event(struct ub_ctx *ctx, const char *name, int type, int class, void *arg,
	ub_event_callback_type callback, int *id)
{
	volatile unsigned int turns = 0;

	(void)ctx, (void)name, (void)type, (void)class, (void)arg, (void)callback, (void)id;
	for (;;)
		turns++;
}

static pid_t start(int *ret_sock)
{
	int fds[2];
	pid_t pid;

	assert_int_equal(msg_pair(fds), 0);
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		setenv("OED_UID_BASE", "64900", 0);
		dup2(fds[1], SERVICE_FD);
		for (int fd = SERVICE_FD + 1; fd < 64; fd++)
			close(fd);
		exit(dns_service_main());
	}
	close(fds[1]);
	*ret_sock = fds[0];
	return pid;
}

static void on_event(void *arg, uint16_t type, const void *fixed, const uint8_t *tail, size_t len)
{
	(void)arg, (void)fixed, (void)tail, (void)len;
	fail_msg("event %#x", type);
}

static void on_closed(void *arg, int error)
{
	(void)error;
	event_base_loopbreak(arg);
}

/* The probe of the first configuration is the first question. */
static void endless(void **state)
{
	struct dns_config c = {.forwarder_port = 53};
	struct event_base *base = event_base_new();
	struct msg_channel *service;
	struct rusage used;
	int sock, status = 0;
	pid_t pid = start(&sock);
	double cpu;

	(void)state;
	addr_parse("127.0.0.1", &c.forwarders[0]);
	service = msg_channel_new(base, sock, dns_events, dns_n_events, on_event, on_closed, base);
	msg_send_struct(service, DNS_REQ_CONFIG, &c);
	/* on a machine that does other things as well CPU time comes slowly */
	event_base_loopexit(base, &(struct timeval){.tv_sec = 60});
	event_base_dispatch(base);
	msg_channel_free(service);
	event_base_free(base);
	if (waitpid(pid, &status, WNOHANG) == 0) {
		usleep(100000);
		if (waitpid(pid, &status, WNOHANG) == 0) {
			kill(pid, SIGKILL);
			fail_msg("the service still goes round");
		}
	}
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGPROF);
	getrusage(RUSAGE_CHILDREN, &used);
	cpu = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
	      (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
	if (cpu < 2 || cpu > 8)
		fail_msg("it ended after %.1f s of CPU time", cpu);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(endless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
