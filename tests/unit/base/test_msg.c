/* SPDX-License-Identifier: BSD-2-Clause */
/* Channels: well-formed messages arrive whole and in order, ill-formed ones end the channel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/heap.h"
#include "base/log.h"
#include "base/msg.h"

struct ping {
	uint32_t n;
	uint32_t pad;
	uint64_t aligned;
};

enum { PING = 1, TAIL = 2, UNITS = 3 };

static const struct msg_spec specs[] = {
	{PING, "ping", sizeof(struct ping), 0, 0},
	{TAIL, "tail", sizeof(struct ping), MSG_MAX - sizeof(struct ping), 1},
	{UNITS, "units", 0, 64, 16},
};

struct end {
	struct event_base *base;
	struct msg_channel *ch;
	uint32_t got, closed;
	size_t tail;
	int error;
	bool free_on_message;
};

static void on_message(void *arg, uint16_t type, const void *fixed, const uint8_t *tail, size_t len)
{
	struct end *e = arg;

	(void)tail;
	if (type == PING || type == TAIL) {
		const struct ping *p = fixed;

		assert_int_equal((uintptr_t)fixed % 8, 0);
		assert_int_equal(p->n, e->got);
		assert_true(p->aligned == UINT64_C(0x1122334455667788));
	}
	for (size_t i = 0; i < len; i++)
		assert_int_equal(tail[i], 0x5a);
	e->got++;
	e->tail += len;
	if (e->free_on_message) {
		msg_channel_free(e->ch);
		e->ch = NULL;
	}
}

static void on_closed(void *arg, int error)
{
	struct end *e = arg;

	e->closed++;
	e->error = error;
}

static void open_pair(struct end *e, int *ret_fd)
{
	int fds[2];

	memset(e, 0, sizeof(*e));
	assert_int_equal(msg_pair(fds), 0);
	e->base = event_base_new();
	e->ch = msg_channel_new(e->base, fds[0], specs, 3, on_message, on_closed, e);
	*ret_fd = fds[1];
}

static void turn(struct end *e)
{
	for (int i = 0; i < 50; i++)
		event_base_loop(e->base, EVLOOP_NONBLOCK);
}

static void close_pair(struct end *e, int fd)
{
	msg_channel_free(e->ch);
	if (fd >= 0)
		close(fd);
	event_base_free(e->base);
}

/* Far more than the sockets hold, before anybody reads: all of it comes, in order. */
static void test_order(void **arg)
{
	static uint8_t bytes[40000];
	struct msg_channel *other;
	struct end a, b = {0};
	int fd;

	(void)arg;
	memset(bytes, 0x5a, sizeof(bytes));
	open_pair(&a, &fd);
	b.base = a.base;
	other = msg_channel_new(a.base, fd, specs, 3, on_message, on_closed, &b);
	for (uint32_t i = 0; i < 200; i++) {
		struct ping p = {.n = i, .aligned = UINT64_C(0x1122334455667788)};

		if (i % 2)
			msg_send_struct(a.ch, PING, &p);
		else
			msg_send(a.ch, TAIL, &p, sizeof(p), bytes, sizeof(bytes));
	}
	for (int i = 0; i < 1000 && b.got < 200; i++)
		turn(&a);
	assert_int_equal(b.got, 200);
	assert_int_equal(b.tail, 100 * sizeof(bytes));
	assert_int_equal(a.closed + b.closed, 0);
	msg_channel_free(a.ch);
	a.ch = NULL;
	turn(&a);
	assert_int_equal(b.closed, 1);
	assert_int_equal(b.error, 0);
	msg_channel_free(other);
	close_pair(&a, -1);
}

static void test_longest(void **arg)
{
	static uint8_t bytes[MSG_MAX];
	struct ping p = {.aligned = UINT64_C(0x1122334455667788)};
	struct msg_channel *other;
	struct end a, b = {0};
	int fd;

	(void)arg;
	memset(bytes, 0x5a, sizeof(bytes));
	open_pair(&a, &fd);
	other = msg_channel_new(a.base, fd, specs, 3, on_message, on_closed, &b);
	msg_send(a.ch, TAIL, &p, sizeof(p), bytes, sizeof(bytes) - sizeof(p));
	turn(&a);
	assert_int_equal(b.got, 1);
	assert_int_equal(b.tail, sizeof(bytes) - sizeof(p));
	msg_channel_free(other);
	close_pair(&a, -1);
}

struct raw {
	uint16_t type;
	uint16_t pad;
	uint32_t length;
	uint8_t body[200];
};

static void test_ill_formed(void **arg)
{
	static const struct {
		uint16_t type;
		uint32_t length;
		size_t sent; /* body bytes */
	} bad[] = {
		{9, 0, 0},                               /* unknown */
		{PING, 15, 15},                          /* short */
		{PING, 17, 17},                          /* a tail that it has not */
		{PING, 16, 17},                          /* lengths that disagree */
		{PING, 0xffffffff, 16}, {UNITS, 15, 15}, /* not a multiple */
		{UNITS, 80, 80},                         /* too many */
	};

	(void)arg;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct raw r = {.type = bad[i].type, .length = bad[i].length};
		struct end e;
		int fd;

		open_pair(&e, &fd);
		assert_true(send(fd, &r, 8 + bad[i].sent, 0) > 0);
		turn(&e);
		assert_int_equal(e.got, 0);
		assert_int_equal(e.closed, 1);
		assert_int_equal(e.error, -EBADMSG);
		close_pair(&e, fd);
	}
	/* shorter than a header */
	for (size_t len = 1; len < 8; len++) {
		struct raw r = {.type = PING};
		struct end e;
		int fd;

		open_pair(&e, &fd);
		assert_true(send(fd, &r, len, 0) > 0);
		turn(&e);
		assert_int_equal(e.error, -EBADMSG);
		close_pair(&e, fd);
	}
}

static void test_free_inside(void **arg)
{
	struct raw r = {.type = UNITS, .length = 0};
	struct end e;
	int fd;

	(void)arg;
	open_pair(&e, &fd);
	e.free_on_message = true;
	assert_true(send(fd, &r, 8, 0) > 0);
	assert_true(send(fd, &r, 8, 0) > 0);
	turn(&e);
	assert_int_equal(e.got, 1);
	assert_int_equal(e.closed, 0);
	close_pair(&e, fd);
}

/* What is sent in one turn is one packet, and each message in it is aligned. */
static void test_together(void **arg)
{
	struct ping p = {.aligned = UINT64_C(0x1122334455667788)};
	uint8_t packet[4096], bytes[3] = {0x5a, 0x5a, 0x5a};
	struct end a, b;
	int fd, other;
	ssize_t n;

	(void)arg;
	open_pair(&a, &fd);
	for (p.n = 0; p.n < 5; p.n++)
		msg_send(a.ch, TAIL, &p, sizeof(p), bytes, p.n % 4);
	assert_int_equal(recv(fd, packet, sizeof(packet), MSG_DONTWAIT), -1);
	turn(&a);
	n = recv(fd, packet, sizeof(packet), MSG_DONTWAIT);
	assert_int_equal(n, 32 + 3 * 32 + 24);
	assert_int_equal(recv(fd, packet + n, sizeof(packet) - (size_t)n, MSG_DONTWAIT), -1);
	close_pair(&a, fd);

	open_pair(&b, &other);
	assert_int_equal(send(other, packet, (size_t)n, 0), n);
	turn(&b);
	assert_int_equal(b.got, 5);
	assert_int_equal(b.closed, 0);
	close_pair(&b, other);
	/* cut anywhere: never more than what is whole */
	for (size_t cut = 1; cut < (size_t)n; cut++) {
		open_pair(&b, &other);
		assert_true(send(other, packet, cut, 0) > 0);
		turn(&b);
		assert_in_range(b.got, 0, cut / 24);
		assert_int_equal(b.error, b.closed ? -EBADMSG : 0);
		close_pair(&b, other);
	}
}

/* What is said last arrives though the channel goes in the same turn. */
static void test_farewell(void **arg)
{
	uint8_t packet[64];
	struct end a;
	int fd;

	(void)arg;
	open_pair(&a, &fd);
	msg_send(a.ch, UNITS, NULL, 0, NULL, 0);
	msg_channel_free(a.ch);
	a.ch = NULL;
	assert_int_equal(recv(fd, packet, sizeof(packet), MSG_DONTWAIT), 8);
	assert_int_equal(recv(fd, packet, sizeof(packet), MSG_DONTWAIT), 0);
	close_pair(&a, fd);
}

static void test_heap(void **arg)
{
	struct heap_node nodes[300] = {0};
	struct heap h = {0};
	uint64_t seed = 7, before = 0;
	size_t left = 300;

	(void)arg;
	for (int round = 0; round < 5; round++)
		for (size_t i = 0; i < 300; i++) {
			seed = seed * 6364136223846793005u + 1;
			heap_set(&h, &nodes[i], seed >> 40);
		}
	for (size_t i = 0; i < 300; i += 3) {
		heap_remove(&h, &nodes[i]);
		heap_remove(&h, &nodes[i]);
		left--;
	}
	while (heap_first(&h)) {
		struct heap_node *n = heap_first(&h);

		assert_true(n->due >= before);
		before = n->due;
		heap_remove(&h, n);
		left--;
	}
	assert_int_equal(left, 0);
	heap_free(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_ill_formed),
		cmocka_unit_test(test_free_inside),
		cmocka_unit_test(test_together),
		cmocka_unit_test(test_farewell),
		cmocka_unit_test(test_heap),
	};

	/* what is ill-formed on purpose need not be read */
	log_init("test", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
