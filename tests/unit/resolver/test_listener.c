/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The listener: what it reads in systemd-resolved's messages, of which some are recorded ones; and the
 * real service against a double that speaks the protocol over a socket.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/service.h"
#include "resolver/listener.h"
#include "resolver/varlink.h"

#define RR(type, name, address)                                            \
	"{\"rr\":{\"key\":{\"class\":1,\"type\":" type ",\"name\":\"" name \
	"\"},\"address\":" address "},\"raw\":\"B2V4YW1wbGU\",\"ifindex\":2}"
#define RESULT(question, answer)                                                               \
	"{\"parameters\":{\"state\":\"success\",\"question\":" question ",\"answer\":[" answer \
	"]},\"continues\":true}"
#define CNAME(owner, name) \
	"{\"rr\":{\"key\":{\"class\":1,\"type\":5,\"name\":\"" owner "\"},\"name\":\"" name "\"}}"
#define RECORDED                                                                                   \
	"{\"parameters\":{\"state\":\"success\",\"question\":[{\"class\":1,\"type\":1,\"name\":"   \
	"\"hinted.lab\"}],\"answer\":[{\"rr\":{\"key\":{\"class\":1,\"type\":1,\"name\":\"hinted." \
	"lab\"}"                                                                                   \
	",\"address\":[198,18,70,1]},\"raw\":\"BmhpbnRlZANsYWIAAAEAAQAADhAABMYSRgE=\","            \
	"\"ifindex\":3},"                                                                          \
	"{\"rr\":{\"key\":{\"class\":1,\"type\":2,\"name\":\"lab\"},\"name\":\"ns.lab\"},\"raw\":" \
	"\"A2xhYgAAAgABAAAOEAAIAm5zA2xhYgA=\",\"ifindex\":3},{\"rr\":{\"key\":{\"class\":1,"       \
	"\"type\":1,"                                                                              \
	"\"name\":\"ns.lab\"},\"address\":[198,18,53,53]},\"raw\":"                                \
	"\"Am5zA2xhYgAAAQABAAAOEAAExhI1NQ==\","                                                    \
	"\"ifindex\":3}]},\"continues\":true}"
#define ASKED(name) "[{\"class\":1,\"type\":1,\"name\":\"" name "\"}]"
#define V4 "[198,18,0,1]"
#define V6 "[32,1,0,2,0,0,0,0,0,0,0,0,0,0,0,1]"

/* ---- one message */

static void messages(void **state)
{
	static const struct {
		const char *text;
		int r;
		const char *name, *addrs;
	} table[] = {
		{"{\"parameters\":{\"ready\":true},\"continues\":true}", 0, NULL, NULL},
		{RESULT(ASKED("host.example"), RR("1", "host.example", V4)), 1, "host.example",
			"198.18.0.1 "},
		{RESULT(ASKED("host.example"), RR("28", "host.example", V6)), 1, "host.example",
			"2001:2::1 "},
		/* as recorded of the proxy stub, which tells no question */
		{RESULT("null", RR("1", "example.com", "[93,184,216,34]")), 1, "example.com",
			"93.184.216.34 "},
		/* as recorded of 252: the name servers' addresses are no answer */
		{RECORDED, 1, "hinted.lab", "198.18.70.1 "},
		/* CNAMEs: the name that was asked for, and the address at their end */
		{RESULT(ASKED("www.example"),
			 CNAME("alias.example", "host.example") "," CNAME(
				 "WWW.example", "alias.example") "," RR("1", "Host.Example",
				 V4) "," RR("1", "www.example.other", V4)),
			1, "www.example", "198.18.0.1 "},
		{RESULT(ASKED("a.example"), CNAME("a.example", "b.example") "," CNAME("b.example",
						    "a.example") "," RR("1", "c.example", V4)),
			0, NULL, NULL},
		{RESULT(ASKED("a.example"), RR("1", "b.example", V4)), 0, NULL, NULL},
		{RESULT(ASKED("a.example"), RR("1", "a.example", V4) "," RR("28", "a.example", V6)),
			1, "a.example", "198.18.0.1 2001:2::1 "},
		/* nothing in it for us */
		{RESULT(ASKED("a.example"), ""), 0, NULL, NULL},
		{RESULT(ASKED("a.example"), RR("45", "a.example", V4)), 0, NULL, NULL},
		{"{\"parameters\":{\"state\":\"rcode-failure\",\"rcode\":3,\"question\":" ASKED(
			 "a.example") "},\"continues\":true}",
			0, NULL, NULL},
		{"{\"parameters\":{\"state\":\"dnssec-failed\",\"answer\":[" RR(
			 "1", "a.example", V4) "]}}",
			0, NULL, NULL},
		/* what cannot be */
		{RESULT(ASKED("a.example"), RR("1", "a.example", "[1,2,3]")), 0, NULL, NULL},
		{RESULT(ASKED("a.example"), RR("1", "a.example", "[1,2,3,4,5]")), 0, NULL, NULL},
		{RESULT(ASKED("a.example"), RR("1", "a.example", "[1,2,3,256]")), 0, NULL, NULL},
		{RESULT(ASKED("a.example"), RR("1", "a.example", "[1,2,3,-1]")), 0, NULL, NULL},
		{RESULT(ASKED("a.example"), RR("1", "a.example", "[1,2,3,\"4\"]")), 0, NULL, NULL},
		{RESULT(ASKED("a.example"), RR("1", "a.example", V6)), 0, NULL, NULL},
		{RESULT(ASKED("a.example"), RR("28", "a.example", V4)), 0, NULL, NULL},
		{RESULT(ASKED("a.example"), RR("1", "a.example", "\"198.18.0.1\"")), 0, NULL, NULL},
		{RESULT(ASKED(""), RR("1", "", V4)), 0, NULL, NULL},
		{RESULT("7", "7"), 0, NULL, NULL},
		{"{\"parameters\":7}", 0, NULL, NULL},
		{"{}", 0, NULL, NULL},
		{"[]", -EBADMSG, NULL, NULL},
		{"", -EBADMSG, NULL, NULL},
		{"{\"parameters\":", -EBADMSG, NULL, NULL},
		{"\xff\xfe", -EBADMSG, NULL, NULL},
		{"{\"error\":\"org.varlink.service.MethodNotFound\",\"parameters\":{}}", -EPERM,
			NULL, NULL},
	};
	char addrs[200], text[ADDR_STRLEN];

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct listener_name n = {.n_addrs = 99};

		assert_int_equal(
			varlink_read(table[i].text, strlen(table[i].text), &n), table[i].r);
		if (table[i].r <= 0) {
			assert_int_equal(n.n_addrs, 99);
			continue;
		}
		assert_string_equal(n.name, table[i].name);
		addrs[0] = '\0';
		for (size_t k = 0; k < n.n_addrs; k++) {
			strcat(addrs, addr_format(&n.addrs[k], text));
			strcat(addrs, " ");
		}
		assert_string_equal(addrs, table[i].addrs);
	}
}

static void bounds(void **state)
{
	static char text[VARLINK_MAX];
	struct listener_name n;
	char name[300];
	size_t at;

	(void)state;
	/* more addresses than are taken */
	at = (size_t)snprintf(text, sizeof(text),
		"{\"parameters\":{\"state\":\"success\",\"question\":" ASKED(
			"a.b") ",\"answer\":[");
	for (int i = 0; i < 500; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at,
			"%s{\"rr\":{\"key\":{\"class\":1,\"type\":1,\"name\":\"a.b\"},\"address\":"
			"[10,0,%d,%d]}}",
			i ? "," : "", i >> 8, i & 255);
	at += (size_t)snprintf(text + at, sizeof(text) - at, "]}}");
	assert_int_equal(varlink_read(text, at, &n), 1);
	assert_int_equal(n.n_addrs, DNS_ADDRS_MAX);
	/* a name that is too long for one */
	memset(name, 'a', sizeof(name));
	name[256] = '\0';
	at = (size_t)snprintf(text, sizeof(text),
		"{\"parameters\":{\"state\":\"success\",\"question\":[{\"name\":\"%s\"}],"
		"\"answer\":[" RR("1", "a.b", V4) "]}}",
		name);
	assert_int_equal(varlink_read(text, at, &n), 0);
	/* depth */
	memset(text, '[', sizeof(text));
	assert_int_equal(varlink_read(text, sizeof(text), &n), -EBADMSG);
}

/* ---- the stream */

struct heard {
	unsigned int n;
	size_t len[8];
	int r;
};

static int hear(void *arg, const char *text, size_t len)
{
	struct heard *h = arg;

	(void)text;
	h->len[h->n++ % 8] = len;
	return h->r;
}

static void stream(void **state)
{
	static char big[VARLINK_MAX + 2];
	struct varlink_stream s = {0};
	struct heard h = {0};

	(void)state;
	assert_int_equal(varlink_feed(&s, "ab", 2, hear, &h), 0);
	assert_int_equal(varlink_feed(&s, "c\0\0defg\0h", 9, hear, &h), 0);
	assert_int_equal(h.n, 3);
	assert_int_equal(h.len[0], 3);
	assert_int_equal(h.len[1], 0);
	assert_int_equal(h.len[2], 4);
	assert_int_equal(varlink_feed(&s, "", 1, hear, &h), 0);
	assert_int_equal(h.len[3], 1);
	/* the longest one, and one byte more, of which nothing is taken */
	memset(big, 'x', sizeof(big));
	assert_int_equal(varlink_feed(&s, big, VARLINK_MAX, hear, &h), 0);
	assert_int_equal(varlink_feed(&s, "", 1, hear, &h), 0);
	assert_int_equal(h.n, 5);
	assert_int_equal(h.len[4], VARLINK_MAX);
	for (int i = 0; i < 100; i++)
		assert_int_equal(varlink_feed(&s, big, VARLINK_MAX + 1, hear, &h), 0);
	assert_int_equal(varlink_feed(&s, "\0ok", 4, hear, &h), 0);
	assert_int_equal(h.n, 6);
	assert_int_equal(h.len[5], 2);
	/* who has enough */
	h.r = -EPERM;
	assert_int_equal(varlink_feed(&s, "a\0b\0", 4, hear, &h), -EPERM);
	assert_int_equal(h.n, 7);
	varlink_free(&s);
}

/* ---- the service */

static char folder[] = "/tmp/oed-listener.XXXXXX", path[64];
static struct event_base *base;
static struct msg_channel *channel;
static pid_t pid;
static struct listener_name name;
static unsigned int n_names, n_ready;
static int ready_error;
static bool closed;

static void on_event(void *arg, uint16_t type, const void *fixed, const uint8_t *tail, size_t len)
{
	(void)arg, (void)tail, (void)len;
	if (type == LISTENER_EV_READY) {
		ready_error = ((const struct listener_ready *)fixed)->error;
		n_ready++;
	} else {
		name = *(const struct listener_name *)fixed;
		n_names++;
	}
}

static void on_closed(void *arg, int error)
{
	(void)arg;
	assert_int_equal(error, 0);
	closed = true;
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
}

/* One turn of the loop, 10 ms at most. */
static void turn(void)
{
	struct event *wake = evtimer_new(base, on_wake, NULL);

	evtimer_add(wake, &(struct timeval){.tv_usec = 10000});
	event_base_loop(base, EVLOOP_ONCE);
	event_free(wake);
}

/* A double of systemd-resolved; returns its socket. */
static int double_up(void)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(sun.sun_path, path);
	unlink(path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	assert_int_equal(listen(fd, 4), 0);
	return fd;
}

static void service_up(void)
{
	int fds[2];

	n_names = n_ready = 0;
	closed = false;
	assert_int_equal(msg_pair(fds), 0);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		setenv("OED_UID_BASE", "64900", 0); /* where the package's user is not there */
		setenv("OED_RESOLVED_SOCKET", path, 1);
		dup2(fds[1], SERVICE_FD);
		for (int fd = SERVICE_FD + 1; fd < 64; fd++)
			close(fd);
		exit(listener_service_main());
	}
	assert_true(pid > 0);
	close(fds[1]);
	base = event_base_new();
	channel = msg_channel_new(
		base, fds[0], listener_events, listener_n_events, on_event, on_closed, NULL);
}

/* Returns its exit status. */
static int service_down(void)
{
	int status;

	msg_channel_free(channel);
	event_base_free(base);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void await(const unsigned int *counter, unsigned int n)
{
	for (int i = 0; i < 500 && *counter < n && !closed; i++)
		turn();
	assert_true(*counter >= n);
}

static void tell(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text) + 1, MSG_NOSIGNAL), strlen(text) + 1);
}

static void listens(void **state)
{
	int server = double_up(), fd;
	char request[200] = "";

	(void)state;
	service_up();
	fd = accept(server, NULL, NULL);
	assert_true(fd >= 0);
	/* what systemd's own resolvectl monitor sends */
	assert_int_equal(recv(fd, request, sizeof(VARLINK_SUBSCRIBE), MSG_WAITALL),
		sizeof(VARLINK_SUBSCRIBE));
	assert_string_equal(request, "{\"method\":\"io.systemd.Resolve.Monitor."
				     "SubscribeQueryResults\",\"parameters\":{},\"more\":true}");
	await(&n_ready, 1);
	assert_int_equal(ready_error, 0);
	tell(fd, "{\"parameters\":{\"ready\":true},\"continues\":true}");
	tell(fd, "this is no JSON");
	tell(fd, RESULT(ASKED("host.example"), RR("1", "host.example", V4)));
	await(&n_names, 1);
	assert_string_equal(name.name, "host.example");
	assert_int_equal(name.n_addrs, 1);
	assert_string_equal(addr_str(&name.addrs[0]), "198.18.0.1");
	/* a flood: what is over the rate is dropped, and the service lives */
	for (int i = 0; i < 5000; i++)
		tell(fd, RESULT(ASKED("flood.example"), RR("1", "flood.example", V4)));
	tell(fd, RESULT("null", ""));
	for (int i = 0; i < 100; i++)
		turn();
	assert_in_range(n_names, LISTENER_BURST / 2, LISTENER_BURST + 5 * LISTENER_RATE);
	sleep(1);
	tell(fd, RESULT(ASKED("after.example"), RR("1", "after.example", V4)));
	await(&n_names, n_names + 1);
	assert_string_equal(name.name, "after.example");
	/* with systemd-resolved's end it ends */
	close(fd);
	for (int i = 0; i < 300 && !closed; i++)
		turn();
	assert_true(closed);
	assert_int_equal(service_down(), 0);
	close(server);
}

static void nobody_there(void **state)
{
	(void)state;
	unlink(path);
	service_up();
	await(&n_ready, 1);
	assert_int_equal(ready_error, -ENOENT);
	/* it stays a while; the agent's end is its own */
	for (int i = 0; i < 20; i++)
		turn();
	assert_false(closed);
	assert_int_equal(service_down(), 0);
}

static int set_up(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/monitor", folder);
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		/* first, while the JSON library has not begun here: what it needs for that, the
		 * service must give it before its sandbox */
		cmocka_unit_test(listens),
		cmocka_unit_test(nobody_there),
		cmocka_unit_test(messages),
		cmocka_unit_test(bounds),
		cmocka_unit_test(stream),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
