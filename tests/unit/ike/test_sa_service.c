/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The service itself with its sockets and its sandbox, and the sockets alone, each in a network
 * namespace of its own where only the loopback lives. The service talks to itself: 127.0.0.1 is one
 * host, 127.0.0.2 the other.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on
#include <openssl/x509.h>

#include "base/msg.h"
#include "base/service.h"
#include "ike/digsig.h"
#include "ike/ike.h"
#include "ike/udp.h"

/* A network without anything but lo, up. Root, or a user namespace where we are. */
static bool enter_namespace(void)
{
	struct ifreq ifr = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	int flags = CLONE_NEWNET | (geteuid() ? CLONE_NEWUSER : 0), fd;
	bool ok;

	if (unshare(flags) < 0) {
		perror("unshare");
		return false;
	}
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	ok = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &ifr) == 0;
	close(fd);
	return ok;
}

static struct addr parse(const char *text)
{
	struct addr a;

	if (addr_parse(text, &a) < 0)
		abort();
	return a;
}

/* ---- the service */

struct agent {
	struct event_base *base;
	struct msg_channel *ch;
	EVP_PKEY *key;
	struct ike_pubkey pub;
	struct ike_ready ready;
	unsigned int ups, downs, fails;
	struct ike_child in[2], out[2]; /* by role: 0 who called */
	uint8_t key_in[2][64], key_out[2][64];
	int closed;
};

static void on_child(
	struct agent *a, bool inbound, const struct ike_child *c, const uint8_t *key, size_t len)
{
	int role = c->handle & IKE_HANDLE_INBOUND ? 1 : 0;
	struct ike_installed done = {.handle = c->handle, .spi = c->spi_in};

	assert_true(len <= 64);
	if (inbound) {
		a->in[role] = *c;
		memcpy(a->key_in[role], key, len);
		msg_send_struct(a->ch, IKE_REQ_INSTALLED, &done);
	} else {
		a->out[role] = *c;
		memcpy(a->key_out[role], key, len);
	}
}

static void on_event(
	void *arg, uint16_t type, const void *fixed, const uint8_t *tail, size_t tail_len)
{
	struct agent *a = arg;
	struct ike_accept accept = {.answer = 1};
	struct ike_authorize authorize = {.n_keys = 1};
	struct ike_signed done = {0};
	uint8_t sig[IKE_SIG_MAX];
	size_t sig_len = sizeof(sig);

	switch ((enum ike_ev)type) {
	case IKE_EV_READY:
		memcpy(&a->ready, fixed, sizeof(a->ready));
		event_base_loopbreak(a->base);
		break;
	case IKE_EV_INBOUND:
		accept.handle = ((const struct ike_inbound *)fixed)->handle;
		msg_send_struct(a->ch, IKE_REQ_ACCEPT, &accept);
		break;
	case IKE_EV_IDENTITY:
		authorize.handle = ((const struct ike_identity *)fixed)->handle;
		msg_send(a->ch, IKE_REQ_AUTHORIZE, &authorize, sizeof(authorize), &a->pub,
			sizeof(a->pub));
		break;
	case IKE_EV_SIGN:
		done.handle = ((const struct ike_sign *)fixed)->handle;
		assert_int_equal(ike_digsig_sign(a->key, IKE_SIGN_EDDSA,
					 (struct ike_bytes){tail, tail_len}, sig, &sig_len),
			0);
		msg_send(a->ch, IKE_REQ_SIGNED, &done, sizeof(done), sig, sig_len);
		break;
	case IKE_EV_CHILD_IN:
		on_child(a, true, fixed, tail, tail_len);
		break;
	case IKE_EV_CHILD_OUT:
		on_child(a, false, fixed, tail, tail_len);
		break;
	case IKE_EV_UP:
		if (++a->ups == 2)
			event_base_loopbreak(a->base);
		break;
	case IKE_EV_DOWN:
		if (++a->downs == 2)
			event_base_loopbreak(a->base);
		break;
	case IKE_EV_FAILED:
		print_error("failed: %s\n", ((const struct ike_failed *)fixed)->why);
		a->fails++;
		event_base_loopbreak(a->base);
		break;
	case IKE_EV_CHILD_GONE:
	case IKE_EV_NOTE:
	case IKE_EV_STATS:
	case IKE_EV_DOUBT:
	case IKE_EV_MOVED:
	case IKE_EV_REKEYED:
	case IKE_EV_STALE:
	case IKE_EV_IDLE:
	case IKE_EV_CERTIFICATE:
		break;
	}
}

static void on_closed(void *arg, int error)
{
	struct agent *a = arg;

	a->closed = error ? error : 1;
	event_base_loopbreak(a->base);
}

static pid_t start_service(int *ret_fd)
{
	int fds[2];
	pid_t pid;

	assert_int_equal(msg_pair(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(fds[0]);
		if (fds[1] != SERVICE_FD) {
			dup2(fds[1], SERVICE_FD);
			close(fds[1]);
		}
		setenv("OED_UID_BASE", "64900", 0);
		_exit(enter_namespace() ? ike_service_main() : 99);
	}
	close(fds[1]);
	*ret_fd = fds[0];
	return pid;
}

/* Runs the loop until an event breaks it; a test never waits longer than this. */
static void wait_for(struct agent *a)
{
	struct timeval limit = {.tv_sec = 10};

	event_base_loopexit(a->base, &limit);
	event_base_dispatch(a->base);
}

static void make_key(struct agent *a)
{
	unsigned char *der = NULL;
	int len;

	a->key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	assert_non_null(a->key);
	len = i2d_PUBKEY(a->key, &der);
	assert_true(len > 0);
	a->pub.len = (uint16_t)len;
	memcpy(a->pub.spki, der, (size_t)len);
	OPENSSL_free(der);
}

static void service(void **state)
{
	struct agent a = {.base = event_base_new()};
	struct ike_config config = {.retransmit_ms = 500,
		.retransmits = 4,
		.init_timeout_ms = 5000,
		.half_open_max = 100,
		.cookie_above = 50};
	struct ike_own_keys own = {.count = 1};
	struct ike_connect c = {.handle = 7,
		.n_keys = 1,
		.pair = {.local = parse("127.0.0.1"), .remote = parse("127.0.0.2")}};
	struct ike_close close_it = {.handle = 7};
	int fd, status;
	pid_t pid = start_service(&fd);

	(void)state;
	make_key(&a);
	a.ch = msg_channel_new(a.base, fd, ike_events, ike_n_events, on_event, on_closed, &a);
	msg_send_struct(a.ch, IKE_REQ_CONFIG, &config);
	wait_for(&a);
	assert_int_equal(a.ready.ipv4, 1);
	msg_send(a.ch, IKE_REQ_OWN_KEYS, &own, sizeof(own), &a.pub, sizeof(a.pub));
	msg_send(a.ch, IKE_REQ_CONNECT, &c, sizeof(c), &a.pub, sizeof(a.pub));
	wait_for(&a);
	assert_int_equal(a.fails, 0);
	assert_int_equal(a.ups, 2);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(a.out[i].spi_out, a.in[!i].spi_in);
		assert_memory_equal(a.key_out[i], a.key_in[!i], 36);
	}
	msg_send_struct(a.ch, IKE_REQ_CLOSE, &close_it);
	wait_for(&a);
	assert_int_equal(a.downs, 2);
	assert_int_equal(a.closed, 0);
	/* the agent goes: so does the service, in good order */
	msg_channel_free(a.ch);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	EVP_PKEY_free(a.key);
	event_base_free(a.base);
}

/* An agent that asks nonsense is not served. */
static void nonsense(void **state)
{
	struct agent a = {.base = event_base_new()};
	struct ike_config config = {0};
	int fd, status;
	pid_t pid = start_service(&fd);

	(void)state;
	a.ch = msg_channel_new(a.base, fd, ike_events, ike_n_events, on_event, on_closed, &a);
	msg_send_struct(a.ch, IKE_REQ_CONFIG, &config);
	wait_for(&a);
	assert_int_not_equal(a.closed, 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	msg_channel_free(a.ch);
	event_base_free(a.base);
}

/* ---- the sockets */

struct ear {
	struct event_base *base;
	struct ike_path path;
	uint8_t data[2048];
	size_t len;
	unsigned int datagrams, refusals;
	struct pair refused;
};

static void on_datagram(void *arg, const struct ike_path *path, uint8_t *data, size_t len)
{
	struct ear *e = arg;

	e->datagrams++;
	e->path = *path;
	e->len = len;
	memcpy(e->data, data, len < sizeof(e->data) ? len : sizeof(e->data));
	event_base_loopbreak(e->base);
}

static void on_refused(void *arg, const struct pair *pair)
{
	struct ear *e = arg;

	e->refusals++;
	e->refused = *pair;
	event_base_loopbreak(e->base);
}

#define CHECK(what)                                                        \
	do {                                                               \
		if (!(what)) {                                             \
			fprintf(stderr, "line %d: %s\n", __LINE__, #what); \
			_exit(1);                                          \
		}                                                          \
	} while (0)

static void turn(struct ear *e)
{
	struct timeval limit = {.tv_sec = 5};

	event_base_loopexit(e->base, &limit);
	event_base_dispatch(e->base);
}

static void check_family(struct udp *u, struct ear *e, const char *local, const char *remote)
{
	static const uint16_t ports[] = {IKE_PORT, IKE_PORT_NATT};
	struct ike_path path = {.pair = {.local = parse(local), .remote = parse(remote)}};
	uint8_t data[1500];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = i < 4 ? 0 : (uint8_t)i;
	for (int i = 0; i < 2; i++) {
		unsigned int before = e->datagrams;

		path.local_port = ports[i];
		path.remote_port = ports[!i];
		CHECK(udp_send(u, &path, data, sizeof(data)) == 0);
		turn(e);
		CHECK(e->datagrams == before + 1);
		CHECK(e->len == sizeof(data) && !memcmp(e->data, data, sizeof(data)));
		/* the receiver sees our address as the remote one, whatever it was sent from */
		CHECK(addr_equal(&e->path.pair.remote, &path.pair.local));
		CHECK(addr_equal(&e->path.pair.local, &path.pair.remote));
		CHECK(e->path.remote_port == path.local_port);
		CHECK(e->path.local_port == path.remote_port);
	}
	/* nobody listens on port 9; the kernel tells sockets with UDP_ENCAP nothing of it */
	path.local_port = IKE_PORT;
	path.remote_port = 9;
	CHECK(udp_send(u, &path, data, 100) == 0);
	e->refusals = 0;
	turn(e);
	CHECK(e->refusals == 1);
	CHECK(pair_equal(&e->refused, &path.pair));
	/* and the next datagram is not taken for refused */
	path.remote_port = ports[0];
	CHECK(udp_send(u, &path, data, 100) == 0);
	turn(e);
	CHECK(e->len == 100);
}

static int check_sockets(void)
{
	struct ear e = {.base = event_base_new()};
	struct udp *u, *second;

	CHECK(udp_open(&u) == 0);
	CHECK(udp_has(u, AF_INET));
	udp_start(u, e.base, on_datagram, on_refused, &e);
	check_family(u, &e, "127.0.0.5", "127.0.0.6");
	CHECK(udp_has(u, AF_INET6));
	check_family(u, &e, "::1", "::1");
	/* the ports are taken: a second one says so */
	CHECK(udp_open(&second) < 0);
	udp_free(u);
	event_base_free(e.base);
	return 0;
}

static void sockets(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(enter_namespace() ? check_sockets() : 99);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sockets),
		cmocka_unit_test(service),
		cmocka_unit_test(nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
