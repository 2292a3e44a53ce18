/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/msg.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

#define QUEUE_MAX (64u << 20)
/* What is sent in one turn of the loop goes in one packet, up to this size: a system call and a
 * wake-up cost more than most messages. One packet is read in a turn, so that one busy service does
 * not starve the others. */
#define PACKET_ROOM 16384

/* Before each message on the wire. */
struct header {
	uint16_t type;
	uint16_t pad;
	uint32_t length; /* of fixed part and tail */
};

/* Messages that leave together. Each but the first begins at a multiple of ALIGN, after zeros. */
#define ALIGN 16
struct packet {
	struct packet *next;
	size_t len, room;
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
	struct packet *head, *last;
	struct packet *spare; /* wiped; of PACKET_ROOM, or NULL */
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

static size_t aligned(size_t len)
{
	return (len + ALIGN - 1) / ALIGN * ALIGN;
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

/* The message at buf, of len bytes at most, which go to the packet's end. Returns its own length with
 * the zeros behind it; 0 when the channel is dead or gone afterwards. */
static size_t deliver(struct msg_channel *ch, uint8_t *buf, size_t len)
{
	const struct msg_spec *spec = NULL;
	struct header h = {0};
	bool freed = false;
	uint8_t *body = buf + sizeof(h);
	size_t size, tail;

	if (len >= sizeof(h)) {
		memcpy(&h, buf, sizeof(h));
		spec = find_spec(ch, h.type);
	}
	size = sizeof(h) + h.length;
	if (!spec || size > len || (size < len && aligned(size) + sizeof(h) > len) ||
		h.length < spec->fixed || h.length - spec->fixed > spec->tail_max ||
		(spec->tail_unit > 1 && (h.length - spec->fixed) % spec->tail_unit)) {
		log_error("ill-formed message: type %#x (%s), %zu bytes", h.type,
			spec ? spec->name : "unknown", len);
		die(ch, -EBADMSG);
		return 0;
	}
	tail = h.length - spec->fixed;
	ch->freed = &freed;
	ch->on_message(ch->arg, h.type, body, body + spec->fixed, tail);
	if (freed)
		return 0;
	ch->freed = NULL;
	return ch->dead ? 0 : aligned(size);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	/* the header is 8 bytes, so that the fixed part behind it is aligned as this is */
	_Alignas(ALIGN) static uint8_t space[8 + sizeof(struct header) + MSG_MAX];
	uint8_t *buf = space + 8;
	struct msg_channel *ch = arg;
	ssize_t n = recv(fd, buf, sizeof(space) - 8, MSG_TRUNC);
	size_t at = 0, len = (size_t)n, took;

	_Static_assert(sizeof(struct header) == 8, "keeps the fixed part aligned");
	(void)what;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || len > sizeof(space) - 8) {
		/* an empty packet reads like the end, and none of ours is empty */
		die(ch, n == 0 ? 0 : n < 0 ? errno == ECONNRESET ? 0 : -errno : -EBADMSG);
		return;
	}
	do {
		took = deliver(ch, buf + at, len - at);
		at += took;
	} while (took && at < len);
	OPENSSL_cleanse(buf, len);
}

static void queue_pop(struct msg_channel *ch)
{
	struct packet *p = ch->head;

	ch->head = p->next;
	if (!ch->head)
		ch->last = NULL;
	ch->queued -= p->len;
	OPENSSL_cleanse(p->data, p->len);
	if (ch->spare || p->room != PACKET_ROOM)
		free(p);
	else
		ch->spare = p;
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct msg_channel *ch = arg;

	(void)what;
	while (ch->head && !ch->dead) {
		if (send(fd, ch->head->data, ch->head->len, MSG_NOSIGNAL) >= 0) {
			queue_pop(ch);
		} else if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS) {
			event_add(ch->writable, NULL);
			return;
		} else {
			die(ch, errno == EPIPE || errno == ECONNRESET ? 0 : -errno);
			return;
		}
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
	on_writable(ch->fd, EV_WRITE, ch); /* what was said in this turn */
	while (ch->head)
		queue_pop(ch);
	free(ch->spare);
	event_free(ch->readable);
	event_free(ch->writable);
	event_free(ch->closing);
	close(ch->fd);
	free(ch);
}

/* Where the next message of size bytes goes; the packet is as long as with it then. */
static uint8_t *reserve(struct msg_channel *ch, size_t size)
{
	struct packet *p = ch->last;
	size_t at = p ? aligned(p->len) : 0;

	if (!p || at + size > p->room) {
		size_t room = size > PACKET_ROOM ? size : PACKET_ROOM;

		if (room == PACKET_ROOM && ch->spare) {
			p = ch->spare;
			ch->spare = NULL;
		} else {
			p = must(malloc(sizeof(*p) + room));
		}
		p->next = NULL;
		p->len = at = 0;
		p->room = room;
		if (ch->last)
			ch->last->next = p;
		else
			ch->head = p;
		ch->last = p;
	}
	memset(p->data + p->len, 0, at - p->len);
	ch->queued += at + size - p->len;
	p->len = at + size;
	return p->data + at;
}

void msg_send(struct msg_channel *ch, uint16_t type, const void *fixed, size_t fixed_len,
	const void *tail, size_t tail_len)
{
	struct header h = {.type = type, .length = (uint32_t)(fixed_len + tail_len)};
	uint8_t *p;

	assert(fixed_len + tail_len <= MSG_MAX);
	if (!ch || ch->dead)
		return;
	if (ch->queued > QUEUE_MAX) {
		die(ch, -ENOBUFS);
		return;
	}
	if (!ch->head) /* at the end of this turn, after the events that have happened */
		event_active(ch->writable, EV_WRITE, 0);
	p = reserve(ch, sizeof(h) + h.length);
	memcpy(p, &h, sizeof(h));
	if (fixed_len)
		memcpy(p + sizeof(h), fixed, fixed_len);
	if (tail_len)
		memcpy(p + sizeof(h) + fixed_len, tail, tail_len);
}

int msg_pair(int ret_fds[static 2])
{
	/* room for several of the largest packets; the kernel doubles it */
	int size = 4 * MSG_MAX, fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	for (int i = 0; i < 2; i++) {
		setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
		ret_fds[i] = fds[i];
	}
	return 0;
}
