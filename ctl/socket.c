/* SPDX-License-Identifier: BSD-2-Clause */
/* One request to the daemon's control socket, and the lines it answers. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ctl/oectl.h"

/* Against a daemon gone mad; a hundred thousand peers have 40 MB. */
#define LINE_MAX_BYTES (256u << 20)

static int unreachable(const struct oectl *ctl, const char *path, int error)
{
	const char *remedy = "is oed running? systemctl status oed";

	if (error == EACCES || error == EPERM)
		remedy = "run this as root, as a member of the group oed to read only, or of "
			 "hint-group (oed.conf) to give hints";
	else if (error == ECONNREFUSED)
		remedy = "oed has ended without a farewell: systemctl restart oed, and journalctl "
			 "-u oed for why";
	else if (error == ENAMETOOLONG)
		remedy = "choose a shorter run directory with -r";
	fprintf(ctl->err, "oectl: %s: %s; %s\n", path, strerror(error), remedy);
	return OECTL_UNREACHABLE;
}

/* Returns the socket or -errno. */
static int open_socket(const char *path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd, error;

	if (strlen(path) >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	strcpy(sun.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) == 0)
		return fd;
	error = errno;
	close(fd);
	return -error;
}

static int send_request(int fd, const json_t *request)
{
	char *text = json_dumps(request, JSON_COMPACT);
	size_t len, done = 0;
	int error = text ? 0 : -ENOMEM;

	len = text ? strlen(text) : 0;
	if (text)
		text[len++] = '\n'; /* in place of the NUL */
	while (!error && done < len) {
		ssize_t n = send(fd, text + done, len - done, MSG_NOSIGNAL);

		if (n >= 0)
			done += (size_t)n;
		else if (errno != EINTR)
			error = -errno;
	}
	free(text);
	return error;
}

/* Lines until on_line has enough or the daemon closes. *ret_lines counts them. Returns 0 or
 * -errno. */
static int receive(int fd, oectl_line_fn on_line, void *arg, size_t *ret_lines)
{
	size_t len = 0, cap = 65536, lines = 0;
	char *buf = malloc(cap), *nl;
	int error = buf ? 0 : -ENOMEM;
	bool more = true;

	while (!error && more) {
		ssize_t n;

		if (len == cap) {
			char *bigger = cap < LINE_MAX_BYTES ? realloc(buf, cap * 2) : NULL;

			if (!bigger) {
				error = -EMSGSIZE;
				break;
			}
			buf = bigger;
			cap *= 2;
		}
		n = recv(fd, buf + len, cap - len, 0);
		if (n < 0 && errno != EINTR)
			error = -errno;
		if (n == 0)
			break;
		if (n < 0)
			continue;
		/* what was there before has no newline */
		nl = memchr(buf + len, '\n', (size_t)n);
		len += (size_t)n;
		while (more && nl) {
			size_t used = (size_t)(nl - buf) + 1;

			lines++;
			more = on_line(arg, buf, used - 1);
			memmove(buf, buf + used, len - used);
			len -= used;
			nl = memchr(buf, '\n', len);
		}
	}
	free(buf);
	*ret_lines = lines;
	return error;
}

int oectl_exchange(const struct oectl *ctl, const json_t *request, oectl_line_fn on_line, void *arg)
{
	char path[PATH_MAX];
	size_t lines = 0;
	int fd, error;

	snprintf(path, sizeof(path), "%s/control.sock", ctl->rundir);
	fd = open_socket(path);
	if (fd < 0)
		return unreachable(ctl, path, -fd);
	error = send_request(fd, request);
	/* a daemon that refuses us may have answered and closed before it read */
	if (!error || error == -EPIPE)
		error = receive(fd, on_line, arg, &lines);
	close(fd);
	if (error && error != -ECONNRESET)
		return unreachable(ctl, path, -error);
	if (!lines) {
		fprintf(ctl->err, "oectl: %s: the daemon closed without an answer; look for why: "
			"journalctl -u oed\n", path);
		return OECTL_UNREACHABLE;
	}
	return OECTL_OK;
}
