/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/msg.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log.h"

#define QUEUE_MAX (64u << 20)
/* Messages taken in one turn of the loop, so that one busy service does not starve the others. */
#define READ_BURST 64

/* Before each message on the wire. */
struct header {
	uint16_t type;
	uint16_t pad;
	uint32_t length; /* of fixed part and tail */
};

struct queued {
	struct queued *next;
	size_t len;
	uint8_t data[];
};

struct msg_channel {
	int fd;
	struct event *readable;
	struct event *writable;
	struct event *closing; /* tells the owner of an error that a send met */
	const struct msg_spec *specs;
	size_t n_specs;
	msg_fn on_message;
	msg_closed_fn on_closed;
	void *arg;
	struct queued *head, **tail;
	size_t queued;
	int error; /* why it is dead */
	bool dead;
	bool *freed; /* set while a callback runs: tells its caller that the channel went */
};

static void *must(void *p)
{
	if (!p) {
		log_error("out of memory");
		abort();
	}
	return p;
}

static const struct msg_spec *find_spec(const struct msg_channel *ch, uint16_t type)
{
	for (size_t i = 0; i < ch->n_specs; i++)
		if (ch->specs[i].type == type)
			return &ch->specs[i];
	return NULL;
}

/* The owner is told from the loop, never from inside msg_send(). */
static void die(struct msg_channel *ch, int error)
{
	if (ch->dead)
		return;
	ch->dead = true;
	ch->error = error;
	event_del(ch->readable);
	event_del(ch->writable);
	event_active(ch->closing, EV_TIMEOUT, 0);
}

static void on_closing(evutil_socket_t fd, short what, void *arg)
{
	struct msg_channel *ch = arg;

	(void)fd, (void)what;
	ch->on_closed(ch->arg, ch->error);
}

/* Returns false when the channel is dead or gone afterwards. */
static bool deliver(struct msg_channel *ch, uint8_t *buf, size_t len)
{
	const struct msg_spec *spec;
	struct header h;
	bool freed = false;
	uint8_t *body = buf + sizeof(h);
	size_t tail;

	if (len < sizeof(h)) {
		die(ch, -EBADMSG);
		return false;
	}
	memcpy(&h, buf, sizeof(h));
	spec = find_spec(ch, h.type);
	len -= sizeof(h);
	if (!spec || h.length != len || len < spec->fixed || len - spec->fixed > spec->tail_max ||
		(spec->tail_unit > 1 && (len - spec->fixed) % spec->tail_unit)) {
		log_error("ill-formed message: type %#x (%s), %zu bytes", h.type,
			spec ? spec->name : "unknown", len);
		die(ch, -EBADMSG);
		return false;
	}
	tail = len - spec->fixed;
	ch->freed = &freed;
	ch->on_message(ch->arg, h.type, body, body + spec->fixed, tail);
	if (freed)
		return false;
	ch->freed = NULL;
	return !ch->dead;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	/* the header is 8 bytes, so that the fixed part behind it is aligned as this is */
	_Alignas(16) static uint8_t space[8 + sizeof(struct header) + MSG_MAX];
	uint8_t *buf = space + 8;
	struct msg_channel *ch = arg;

	_Static_assert(sizeof(struct header) == 8, "keeps the fixed part aligned");
	(void)what;
	for (int i = 0; i < READ_BURST; i++) {
		ssize_t n = recv(fd, buf, sizeof(space) - 8, MSG_TRUNC);
		bool go_on;

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0 || (size_t)n > sizeof(space) - 8) {
			/* an empty packet reads like the end, and none of ours is empty */
			die(ch, n == 0 ? 0 : n < 0 ? errno == ECONNRESET ? 0 : -errno : -EBADMSG);
			return;
		}
		go_on = deliver(ch, buf, (size_t)n);
		OPENSSL_cleanse(buf, (size_t)n);
		if (!go_on)
			return;
	}
}

static void queue_pop(struct msg_channel *ch)
{
	struct queued *q = ch->head;

	ch->head = q->next;
	if (!ch->head)
		ch->tail = &ch->head;
	ch->queued -= q->len;
	OPENSSL_cleanse(q->data, q->len);
	free(q);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct msg_channel *ch = arg;

	(void)what;
	while (ch->head) {
		if (send(fd, ch->head->data, ch->head->len, MSG_NOSIGNAL) < 0) {
			if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS)
				return;
			die(ch, errno == EPIPE || errno == ECONNRESET ? 0 : -errno);
			return;
		}
		queue_pop(ch);
	}
	event_del(ch->writable);
}

struct msg_channel *msg_channel_new(struct event_base *base, int fd, const struct msg_spec *specs,
	size_t n_specs, msg_fn on_message, msg_closed_fn on_closed, void *arg)
{
	struct msg_channel *ch = must(calloc(1, sizeof(*ch)));

	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	*ch = (struct msg_channel){.fd = fd,
		.specs = specs,
		.n_specs = n_specs,
		.on_message = on_message,
		.on_closed = on_closed,
		.arg = arg};
	ch->tail = &ch->head;
	ch->readable = must(event_new(base, fd, EV_READ | EV_PERSIST, on_readable, ch));
	ch->writable = must(event_new(base, fd, EV_WRITE | EV_PERSIST, on_writable, ch));
	ch->closing = must(event_new(base, -1, 0, on_closing, ch));
	event_add(ch->readable, NULL);
	return ch;
}

void msg_channel_free(struct msg_channel *ch)
{
	if (!ch)
		return;
	if (ch->freed)
		*ch->freed = true;
	while (ch->head)
		queue_pop(ch);
	event_free(ch->readable);
	event_free(ch->writable);
	event_free(ch->closing);
	close(ch->fd);
	free(ch);
}

void msg_send(struct msg_channel *ch, uint16_t type, const void *fixed, size_t fixed_len,
	const void *tail, size_t tail_len)
{
	struct header h = {.type = type, .length = (uint32_t)(fixed_len + tail_len)};
	struct iovec iov[3] = {{&h, sizeof(h)}, {(void *)(uintptr_t)fixed, fixed_len},
		{(void *)(uintptr_t)tail, tail_len}};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = 3};
	struct queued *q;
	uint8_t *p;

	assert(fixed_len + tail_len <= MSG_MAX);
	if (!ch || ch->dead)
		return;
	if (!ch->head) {
		if (sendmsg(ch->fd, &m, MSG_NOSIGNAL) >= 0)
			return;
		if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS) {
			die(ch, errno == EPIPE || errno == ECONNRESET ? 0 : -errno);
			return;
		}
	}
	if (ch->queued > QUEUE_MAX) {
		die(ch, -ENOBUFS);
		return;
	}
	q = must(malloc(sizeof(*q) + sizeof(h) + fixed_len + tail_len));
	q->next = NULL;
	q->len = sizeof(h) + fixed_len + tail_len;
	p = q->data;
	for (size_t i = 0; i < 3; i++) {
		if (iov[i].iov_len)
			memcpy(p, iov[i].iov_base, iov[i].iov_len);
		p += iov[i].iov_len;
	}
	*ch->tail = q;
	ch->tail = &q->next;
	ch->queued += q->len;
	event_add(ch->writable, NULL);
}

int msg_pair(int ret_fds[static 2])
{
	/* room for several of the largest messages; the kernel doubles it */
	int size = 4 * MSG_MAX, fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	for (int i = 0; i < 2; i++) {
		setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
		ret_fds[i] = fds[i];
	}
	return 0;
}
