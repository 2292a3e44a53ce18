/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The xfrm service: the one process that touches the kernel's policies, SAs, packet queue and
 * addresses. It decides nothing. It holds CAP_NET_ADMIN, reads bytes of strangers only as held
 * packets (packet.c) and otherwise believes the kernel; every request of the agent is checked
 * again.
 *
 * Objects, and who owns them:
 *   spd.c     what policies should stand and do stand: rules, exemptions, decisions. Pure.
 *   sad.c     our SAs, the larval states that ACQUIREs leave behind.
 *   hold.c    pairs that wait, with their held packets; recently decided ones. Pure.
 *   addrs.c   this host's addresses; exempt.c what is never trapped.
 *   stray.c   ESP that no SA of ours is for.
 *   hook.c    the firewall rule in front of the queue; queue.c the queue.
 *   netlink.c batches of requests, event sockets; policy_nl.c policies as messages.
 * What the agent says is in request.c, what the kernel says in event.c, both act on the whole by
 * state.c; here are root's part, the frame and the end.
 *
 * Event sources: the agent's channel; the XFRM groups ACQUIRE and EXPIRE; the packet queue; the
 * address groups of rtnetlink; a timer of one second, and one of two milliseconds while an ACQUIRE
 * waits for its packet.
 *
 * The order of things is what keeps a `private` peer's traffic inside:
 *   - open: event groups, then the queue, then the hook, and only then a look at what the kernel
 * has. What a predecessor left stands until the agent has given the whole set of rules; then the
 *     difference is written, new policies before removals.
 *   - a decision is one batch; its answers are read (they are there when sendto() returns); only
 * then held packets get their verdict: ACCEPT with our mark bit, upon which the kernel routes anew.
 *   - the end: nothing is undone unless the agent says so. Traps and guards outlive us.
 *
 * References: linux/xfrm.h and net/xfrm/xfrm_user.c of Linux 6.1; RFC 4301 section 4.4 (SPD, SAD),
 * RFC 4303 (ESP), RFC 4106, RFC 7634, RFC 3948.
 */
#include "xfrm/xfrm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/xfrm.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/service.h"
#include "xfrm/stat.h"
#include "xfrm/xfrm_priv.h"

void *xfrm_grow(void *array, size_t n, size_t size)
{
	void *p = realloc(array, n * size);

	if (!p) {
		log_error("out of memory");
		abort();
	}
	return p;
}

/* A trapped packet must be dropped by the kernel (1, the default) and not put in its own queue,
 * where one undecided peer makes all others wait (doc/kernel.md, section 3). */
static void set_larval_drop(void)
{
	static const char path[] = "/proc/sys/net/core/xfrm_larval_drop";
	int fd = open(path, O_RDWR | O_CLOEXEC);
	char value = '1';

	if (fd < 0)
		return;
	if (read(fd, &value, 1) == 1 && value != '1' && pwrite(fd, "1\n", 2, 0) != 2)
		log_warn("%s is not 1 and cannot be set: packets of peers will wait for each other",
			path);
	close(fd);
}

/* Loads and tests the kernel's ciphers beside the rest of the start, so that no packet waits for
 * it: in a network namespace of its own, as the load would hold this one's policies, and in a
 * process that nobody waits for. */
static void warm_up(void)
{
	pid_t pid = fork();
	struct nl *nl;

	if (pid > 0)
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	if (pid != 0)
		return;
	if (fork() == 0) {
		close_range(STDERR_FILENO + 1, ~0u, 0);
		prctl(PR_SET_NAME, "oed-warm-up");
		if (unshare(CLONE_NEWNET) == 0 && nl_open(NETLINK_XFRM, &nl) == 0)
			sad_warm_up(nl);
	}
	_exit(0);
}

static void open_raw(struct xfrm *x)
{
	x->raw[0] = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	x->raw[1] = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (x->raw[0] < 0)
		log_warn("no raw socket (%s): blocked connections will time out", strerror(errno));
}

static void xfrm_free(struct xfrm *x)
{
	for (size_t i = 0; i < N(x->events); i++)
		if (x->events[i])
			event_free(x->events[i]);
	hold_free(x->hold);
	spd_free(x->spd);
	sad_free(x->sad);
	queue_close(x->queue);
	stray_close(x->stray);
	hook_close(x->hook);
	addrs_close(x->addrs);
	nl_close(x->nl);
	for (int i = 0; i < 2; i++)
		if (x->raw[i] >= 0)
			close(x->raw[i]);
	if (x->watch >= 0)
		close(x->watch);
	if (x->stat >= 0)
		close(x->stat);
	free(x->rules.rule);
	free(x->next.rule);
	free(x->exempt);
	free(x->changes.local);
	free(x->found);
	free(x);
}

/* Root's part: whatever needs modules, files or tools. */
static int open_kernel(struct xfrm *x)
{
	static const unsigned int groups[] = {
		XFRMNLGRP_ACQUIRE, XFRMNLGRP_EXPIRE, XFRMNLGRP_MAPPING, 0};
	int r;

	r = nl_open(NETLINK_XFRM, &x->nl);
	if (r >= 0)
		r = x->watch = nl_listen(NETLINK_XFRM, groups);
	if (r < 0) {
		log_error("no XFRM in this kernel (%s): try 'modprobe xfrm_user'", strerror(-r));
		return r;
	}
	r = addrs_open(&x->addrs, xfrm_on_local, x);
	if (r < 0) {
		log_error("cannot read this host's addresses: %s", strerror(-r));
		return r;
	}
	set_larval_drop();
	warm_up();
	r = queue_open(XFRM_QUEUE, HOLD_CAPTURE, &x->queue);
	if (r < 0)
		log_warn("no packet queue (%s), first packets will be lost: try 'modprobe "
			 "nfnetlink_queue'",
			strerror(-r));
	else
		x->hook = hook_open();
	if (x->queue && hook_kind(x->hook) == XFRM_HOLD_NONE)
		log_warn("no way to the packet queue, first packets will be lost: %s",
			hook_why(x->hook));
	x->stat = stat_open();
	x->stray = stray_open();
	open_raw(x);
	return 0;
}

static int xfrm_open(struct event_base *base, void **ret_state)
{
	struct xfrm *x = calloc(1, sizeof(*x));
	int r;

	if (!x)
		return -ENOMEM;
	x->base = base;
	x->watch = x->stat = x->raw[0] = x->raw[1] = -1;
	r = open_kernel(x);
	if (r < 0) {
		xfrm_free(x);
		return r;
	}
	x->spd = spd_new();
	x->sad = sad_new();
	x->hold = hold_new(&xfrm_hold_effects, x);
	*ret_state = x;
	return 0;
}

static int xfrm_start(void *state, struct event_base *base, struct msg_channel *agent)
{
	struct xfrm *x = state;
	int r;

	(void)base;
	x->agent = agent;
	r = xfrm_adopt(x);
	if (r < 0) {
		log_error("reading the kernel's policies: %s", strerror(-r));
		return r;
	}
	xfrm_listen(x);
	return 0;
}

static void xfrm_stop(void *state)
{
	xfrm_free(state);
}

/* ---- the frame */

static const struct msg_spec requests[] = {
	{XFRM_REQ_CONFIG, "CONFIG", sizeof(struct xfrm_config), 0, 0},
	{XFRM_REQ_RULES, "RULES", sizeof(struct xfrm_rules), MSG_MAX - sizeof(struct xfrm_rules),
		sizeof(struct xfrm_rule)},
	{XFRM_REQ_EXEMPT, "EXEMPT", sizeof(struct xfrm_exempt_list),
		MSG_MAX - sizeof(struct xfrm_exempt_list), sizeof(struct xfrm_exempt)},
	{XFRM_REQ_SA_IN, "SA_IN", sizeof(struct xfrm_sa), XFRM_KEY_MAX, 1},
	{XFRM_REQ_SA_OUT, "SA_OUT", sizeof(struct xfrm_sa), XFRM_KEY_MAX, 1},
	{XFRM_REQ_SA_DELETE, "SA_DELETE", sizeof(struct xfrm_sa_id), 0, 0},
	{XFRM_REQ_DECIDE, "DECIDE", sizeof(struct xfrm_decide), 0, 0},
	{XFRM_REQ_COUNTERS, "COUNTERS", sizeof(struct xfrm_counters_req), 0, 0},
	{XFRM_REQ_MOVE, "MOVE", sizeof(struct xfrm_move), 0, 0},
	{XFRM_REQ_STOP, "STOP", sizeof(struct xfrm_stop), 0, 0},
	{XFRM_REQ_TRAFFIC, "TRAFFIC", sizeof(struct xfrm_traffic_req), 0, 0},
};

const struct msg_spec xfrm_events[] = {
	{XFRM_EV_READY, "READY", sizeof(struct xfrm_ready), 0, 0},
	{XFRM_EV_LOCAL, "LOCAL", sizeof(struct xfrm_local), 0, 0},
	{XFRM_EV_TRAPPED, "TRAPPED", sizeof(struct xfrm_trapped), 0, 0},
	{XFRM_EV_DONE, "DONE", sizeof(struct xfrm_done), 0, 0},
	{XFRM_EV_EXPIRE, "EXPIRE", sizeof(struct xfrm_expire), 0, 0},
	{XFRM_EV_ADOPTED, "ADOPTED", sizeof(struct xfrm_adopted), 0, 0},
	{XFRM_EV_COUNTERS, "COUNTERS", sizeof(struct xfrm_counters), 0, 0},
	{XFRM_EV_STRAY, "STRAY", sizeof(struct xfrm_stray), 0, 0},
	{XFRM_EV_MAPPED, "MAPPED", sizeof(struct xfrm_mapped), 0, 0},
	{XFRM_EV_TRAFFIC, "TRAFFIC", sizeof(struct xfrm_traffic), 0, 0},
};
const size_t xfrm_n_events = N(xfrm_events);

/* All sockets and files are open. Those of stray.c change their address and their filter. */
static const char *const syscalls[] = {"bind", "setsockopt", NULL};

static const struct service service = {
	.name = "xfrm",
	/* policies, SAs, the queue's verdicts and the table of the hook: all by netlink */
	.sandbox = {.user = "_oed-xfrm", .caps = SANDBOX_CAP(CAP_NET_ADMIN), .syscalls = syscalls},
	.specs = requests,
	.n_specs = N(requests),
	.open = xfrm_open,
	.start = xfrm_start,
	.on_message = xfrm_on_request,
	.stop = xfrm_stop,
};

int xfrm_service_main(void)
{
	return service_main(&service);
}
