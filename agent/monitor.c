/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Objects: one child for the agent, one for each service. Events: signals by signalfd, messages
 * from the agent. When the agent goes, its services see their channels close and go too; whoever
 * does not within two seconds is killed; then all starts again, with a delay that grows while the
 * agent dies young. The kernel's policies and SAs stay through all of this: nothing leaves in clear
 * for it.
 */
#include "agent/monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "agent/conf.h"
#include "agent/control.h"
#include "agent/peer.h"
#include "base/log.h"
#include "base/msg.h"
#include "base/sandbox.h"
#include "base/service.h"

#define CHILDREN_GRACE_US UINT64_C(2000000)
#define STOP_GRACE_US UINT64_C(10000000)
/* An agent that lived so long has not died young. */
#define HEALTHY_US UINT64_C(10000000)
#define DELAY_MAX_US UINT64_C(5000000)

struct monitor {
	pid_t agent;
	pid_t service[OE_N_SERVICES];
	int sock; /* to the agent; -1 none */
	int signals;
	uint64_t started;    /* the agent */
	uint64_t delay;      /* before it is started again */
	uint64_t restart_at; /* 0: not waiting */
	uint64_t kill_at;    /* 0: nobody is to be killed */
	bool stopping;
	int status;
};

int monitor_send(int sock, const struct monitor_msg *m, int fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct monitor_msg copy = *m;
	struct iovec iov = {&copy, sizeof(copy)};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fd >= 0) {
		struct cmsghdr *c;

		h.msg_control = control.buf;
		h.msg_controllen = sizeof(control.buf);
		c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	return sendmsg(sock, &h, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int monitor_recv(int sock, struct monitor_msg *ret, int *ret_fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct monitor_msg m;
	struct iovec iov = {&m, sizeof(m)};
	struct msghdr h = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf)};
	ssize_t n = recvmsg(sock, &h, MSG_CMSG_CLOEXEC);
	struct cmsghdr *c;

	if (n <= 0)
		return n < 0 ? -errno : -EPIPE;
	*ret_fd = -1;
	c = CMSG_FIRSTHDR(&h);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
		c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(ret_fd, CMSG_DATA(c), sizeof(int));
	if (n != sizeof(m) || h.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		if (*ret_fd >= 0)
			close(*ret_fd);
		return -EBADMSG;
	}
	*ret = m;
	return 0;
}

/* In the child: becomes the binary anew under its title, with sock as its one descriptor. */
_Noreturn static void become(const char *title, int sock)
{
	char *argv[] = {(char *)(uintptr_t)title, NULL};
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* whatever happens to the monitor, nobody stays behind: the agent sees its channel close */
	if (sock == MONITOR_FD)
		fcntl(sock, F_SETFD, 0);
	else if (dup2(sock, MONITOR_FD) < 0)
		_exit(127);
	close_range(MONITOR_FD + 1, ~0u, 0);
	execv("/proc/self/exe", argv);
	_exit(127);
}

static pid_t spawn(const char *title, int *ret_sock)
{
	int pair[2], r = msg_pair(pair);
	pid_t pid;

	if (r < 0)
		return r;
	pid = fork();
	if (pid == 0)
		become(title, pair[1]);
	close(pair[1]);
	if (pid < 0) {
		r = -errno;
		close(pair[0]);
		return r;
	}
	*ret_sock = pair[0];
	return pid;
}

static void start_agent(struct monitor *m)
{
	pid_t pid = spawn("oed", &m->sock);

	m->restart_at = 0;
	m->started = service_now();
	if (pid < 0) {
		log_error("cannot start the agent: %s", strerror(-pid));
		m->restart_at = m->started + DELAY_MAX_US;
		return;
	}
	m->agent = pid;
}

static void start_service(struct monitor *m, unsigned int service)
{
	struct monitor_msg reply = {.type = MONITOR_STARTED, .service = (uint8_t)service};
	char title[32];
	int sock = -1;

	/* the one before does not go though its channel is closed */
	if (m->service[service] > 0)
		kill(m->service[service], SIGKILL);
	snprintf(title, sizeof(title), "oed: %s", oe_service_name((enum oe_service)service));
	reply.value = spawn(title, &sock);
	m->service[service] = reply.value > 0 ? reply.value : 0;
	monitor_send(m->sock, &reply, sock);
	if (sock >= 0)
		close(sock);
}

static void on_agent(struct monitor *m)
{
	struct monitor_msg msg;
	int fd, r = monitor_recv(m->sock, &msg, &fd);

	if (r == -EINTR)
		return;
	if (r == 0 && fd >= 0) {
		close(fd);
		r = -EBADMSG;
	}
	if (r == 0 && msg.type == MONITOR_START && msg.service < OE_N_SERVICES) {
		if (!m->stopping)
			start_service(m, msg.service);
		return;
	}
	if (r == 0 && msg.type == MONITOR_UP) {
		sd_notify(0, "READY=1");
		return;
	}
	if (r != -EPIPE)
		log_error("the agent broke its channel: %s", strerror(r ? -r : EBADMSG));
	close(m->sock);
	m->sock = -1;
	if (m->agent > 0 && r != -EPIPE)
		kill(m->agent, SIGKILL);
}

static bool anybody(const struct monitor *m)
{
	for (size_t i = 0; i < OE_N_SERVICES; i++)
		if (m->service[i] > 0)
			return true;
	return m->agent > 0;
}

static void agent_gone(struct monitor *m, int status)
{
	uint64_t now = service_now();

	m->agent = 0;
	if (m->sock >= 0)
		close(m->sock);
	m->sock = -1;
	m->kill_at = now + CHILDREN_GRACE_US;
	/* 78: it has said what is wrong with its configuration, and trying again helps nobody */
	if (m->stopping || (WIFEXITED(status) && WEXITSTATUS(status) == 78)) {
		m->stopping = true;
		m->status = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
		return;
	}
	m->delay = now - m->started > HEALTHY_US || !m->delay ? 50000 : 2 * m->delay;
	if (m->delay > DELAY_MAX_US)
		m->delay = DELAY_MAX_US;
	m->restart_at = now + m->delay;
	if (WIFSIGNALED(status))
		log_error("the agent died of signal %d; starting it again", WTERMSIG(status));
	else
		log_error("the agent ended with status %d; starting it again", WEXITSTATUS(status));
}

static void reap(struct monitor *m)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == m->agent)
			agent_gone(m, status);
		for (unsigned int i = 0; i < OE_N_SERVICES; i++) {
			struct monitor_msg msg = {
				.type = MONITOR_EXITED, .service = (uint8_t)i, .value = status};

			if (pid != m->service[i])
				continue;
			m->service[i] = 0;
			if (m->sock >= 0)
				monitor_send(m->sock, &msg, -1);
		}
	}
}

static void on_signal(struct monitor *m)
{
	struct signalfd_siginfo si;

	if (read(m->signals, &si, sizeof(si)) != sizeof(si))
		return;
	if (si.ssi_signo == SIGCHLD) {
		reap(m);
	} else if (si.ssi_signo == SIGHUP) {
		if (m->agent > 0)
			kill(m->agent, SIGHUP);
	} else {
		m->stopping = true;
		m->kill_at = service_now() + STOP_GRACE_US;
		if (m->agent > 0)
			kill(m->agent, SIGTERM);
	}
}

static void kill_all(struct monitor *m)
{
	if (m->stopping && m->agent > 0)
		kill(m->agent, SIGKILL);
	for (size_t i = 0; i < OE_N_SERVICES; i++)
		if (m->service[i] > 0)
			kill(m->service[i], SIGKILL);
	m->kill_at = 0;
}

/* One turn: what is due, then what comes. Returns false at the end. */
static bool turn(struct monitor *m)
{
	struct pollfd p[2] = {
		{.fd = m->signals, .events = POLLIN}, {.fd = m->sock, .events = POLLIN}};
	uint64_t now = service_now(), due = UINT64_MAX;
	int timeout = -1;

	if (!anybody(m)) {
		m->kill_at = 0;
		if (m->stopping)
			return false;
		if (m->restart_at && m->restart_at <= now) {
			start_agent(m);
			return true;
		}
	}
	if (m->kill_at && m->kill_at <= now)
		kill_all(m);
	if (m->restart_at)
		due = m->restart_at;
	if (m->kill_at && m->kill_at < due)
		due = m->kill_at;
	if (due != UINT64_MAX)
		timeout = due <= now ? 20 : (int)((due - now) / 1000 + 1);
	if (poll(p, 2, timeout) < 0)
		return errno == EINTR;
	if (p[0].revents)
		on_signal(m);
	if (p[1].revents && m->sock >= 0)
		on_agent(m);
	return true;
}

static void ignore_line(void *arg, const char *text)
{
	(void)arg, (void)text;
}

/* The folder of the socket of hints, which hint-group may enter: made anew, for another may have been
 * let in before. The one around it is root's now, so that nobody is faster. */
static void make_hint_dir(const char *group, uint32_t uid)
{
	char dir[PATH_MAX], sock[PATH_MAX + 32];
	struct group *g;

	snprintf(dir, sizeof(dir), "%s/" CONTROL_HINTS, getenv("OED_RUNDIR"));
	snprintf(sock, sizeof(sock), "%s/control.sock", dir);
	unlink(dir); /* should it be a symbolic link */
	if (lchown(dir, 0, 0) == 0) {
		unlink(sock);
		rmdir(dir);
	}
	if (!*group)
		return;
	g = getgrnam(group);
	if (!g)
		log_warn("oed.conf, [control] hint-group: there is no group '%s': hints are taken "
			 "from root only",
			group);
	else if (mkdir(dir, 0700) < 0 || chown(dir, uid, g->gr_gid) < 0 || chmod(dir, 02750) < 0)
		log_warn("%s: %s: hints are taken from root only", dir, strerror(errno));
}

/* The directory of the control socket: the agent's, and readable by the control group, which a
 * socket made in it inherits by the set-group-ID bit. */
static int make_run_dir(void)
{
	const char *dir = getenv("OED_RUNDIR");
	struct group *g = NULL;
	struct conf conf;
	uint32_t uid, gid;

	if (sandbox_lookup("_oed", &uid, &gid) < 0)
		return -ENOENT;
	conf_defaults(&conf);
	/* the agent names what is wrong with the file */
	conf_load(getenv("OED_CONFDIR"), ignore_line, NULL, &conf);
	if (conf.control_group[0])
		g = getgrnam(conf.control_group);
	if ((mkdir(dir, 0755) == 0 || errno == EEXIST) && chown(dir, 0, 0) == 0) {
		make_hint_dir(conf.control_hint_group, uid);
		if (chown(dir, uid, g ? g->gr_gid : gid) == 0 && chmod(dir, 02755) == 0)
			return 0;
	}
	log_error("%s: %s; the directory must be one that root can make", dir, strerror(errno));
	return -errno;
}

/* What is kept in it, each service keeps in a folder of its own; nothing stands and falls with it. */
static void make_state_dir(void)
{
	const char *dir = getenv("OED_STATEDIR");

	if (dir && mkdir(dir, 0755) < 0 && errno != EEXIST)
		log_warn("%s: %s; nothing is kept over a restart", dir, strerror(errno));
}

int monitor_main(void)
{
	struct monitor m = {.sock = -1};
	enum log_level level = LOG_LEVEL_INFO;
	const char *text = getenv("OED_LOG_LEVEL");
	sigset_t set;

	if (text)
		log_level_parse(text, &level);
	log_init("oed: monitor", level);
	prctl(PR_SET_NAME, "oed-monitor");
	if (geteuid() != 0) {
		log_error("must be started as root; it gives up all it does not need by itself");
		return 1;
	}
	if (make_run_dir() < 0)
		return 1;
	make_state_dir();
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	m.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (m.signals < 0) {
		log_error("signalfd: %s", strerror(errno));
		return 1;
	}
	start_agent(&m);
	while (turn(&m))
		;
	close(m.signals);
	return m.status;
}
