/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * /etc/resolv.conf is replaced (a rename over it) rather than written, and often is a symbolic link
 * to a file of NetworkManager or systemd-resolved: so it is the folders that are watched, those of
 * the link and of what it points to. Who writes it writes more than once as a rule: the files are
 * read when nothing has happened for a moment.
 */
#include "agent/watch.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/log.h"

#define SETTLE_US 200000
#define EVENTS (IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE)

/* Their names are compared without the folder: what else changes there is read in vain, no more. */
static const char *const files[] = {CONF_RESOLV_CONF, CONF_RESOLVED_CONF};

#define N_FILES (sizeof(files) / sizeof(files[0]))
#define N_FOLDERS (2 * N_FILES)

struct watch {
	struct agent *agent;
	int fd;
	int folder[N_FOLDERS]; /* watch descriptors, -1 none */
	struct event *readable;
	struct event *settled;
};

/* The folder of path, in path. */
static const char *cut_to_folder(char *path)
{
	char *slash = strrchr(path, '/');

	if (!slash)
		return NULL;
	slash[slash == path] = '\0';
	return path;
}

static int add(struct watch *w, char *path)
{
	const char *folder = cut_to_folder(path);

	/* a folder that is not there is nobody's resolver */
	return folder ? inotify_add_watch(w->fd, folder, EVENTS) : -1;
}

static bool among(const int folder[static N_FOLDERS], int wd)
{
	for (size_t i = 0; i < N_FOLDERS; i++)
		if (folder[i] == wd)
			return true;
	return false;
}

/* Folders that stay keep their descriptors: to drop one is itself an event. */
void watch_arm(struct watch *w)
{
	int old[N_FOLDERS];
	char path[PATH_MAX];

	if (!w)
		return;
	memcpy(old, w->folder, sizeof(old));
	for (size_t i = 0; i < N_FOLDERS; i++)
		w->folder[i] = -1;
	for (size_t i = 0; i < N_FILES && w->agent->conf.dns_forwarders_from == CONF_FWD_SYSTEM;
		i++) {
		strcpy(path, files[i]);
		w->folder[2 * i] = add(w, path);
		if (realpath(files[i], path))
			w->folder[2 * i + 1] = add(w, path);
	}
	for (size_t i = 0; i < N_FOLDERS; i++)
		if (old[i] >= 0 && !among(w->folder, old[i])) {
			inotify_rm_watch(w->fd, old[i]);
			for (size_t k = i + 1; k < N_FOLDERS; k++)
				old[k] = old[k] == old[i] ? -1 : old[k];
		}
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	_Alignas(struct inotify_event) char buf[4096];
	struct watch *w = arg;

	(void)what;
	/* which it was does not matter, and the queue may have overflowed */
	while (read(fd, buf, sizeof(buf)) > 0)
		;
	evtimer_add(w->settled, &(struct timeval){.tv_usec = SETTLE_US});
}

static void on_settled(evutil_socket_t fd, short what, void *arg)
{
	struct watch *w = arg;

	(void)fd, (void)what;
	/* the link may point elsewhere now */
	watch_arm(w);
	if (w->agent->conf.dns_forwarders_from == CONF_FWD_SYSTEM)
		agent_forwarders_changed(w->agent);
}

struct watch *watch_new(struct agent *a)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->agent = a;
	for (size_t i = 0; i < N_FOLDERS; i++)
		w->folder[i] = -1;
	w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (w->fd < 0) {
		log_warn("no inotify (%s): a reload is needed when the system's resolvers change",
			strerror(errno));
		free(w);
		return NULL;
	}
	w->readable = event_new(a->base, w->fd, EV_READ | EV_PERSIST, on_readable, w);
	w->settled = evtimer_new(a->base, on_settled, w);
	if (!w->readable || !w->settled || event_add(w->readable, NULL) < 0) {
		watch_free(w);
		return NULL;
	}
	watch_arm(w);
	return w;
}

void watch_free(struct watch *w)
{
	if (!w)
		return;
	if (w->readable)
		event_free(w->readable);
	if (w->settled)
		event_free(w->settled);
	close(w->fd);
	free(w);
}
