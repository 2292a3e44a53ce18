/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/resolver/rig.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/service.h"

struct rig rig;

static struct event_base *base;
static struct msg_channel *service;
static struct event *tick;
static pid_t service_pid, proxy_pid, nsd_pid;
static uint32_t next_id;

/* ---- sockets and processes */

static struct sockaddr_in loopback(uint16_t port)
{
	return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int bound_socket(int type, uint16_t *port)
{
	struct sockaddr_in sin = loopback(*port);
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, type, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&sin, len) < 0) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	getsockname(fd, (struct sockaddr *)&sin, &len);
	*port = ntohs(sin.sin_port);
	return fd;
}

/* A port that is free for UDP and TCP. */
static uint16_t free_port(void)
{
	for (int i = 0; i < 100; i++) {
		uint16_t port = 0;
		int tcp = bound_socket(SOCK_STREAM, &port);
		int udp = bound_socket(SOCK_DGRAM, &port);

		close(tcp);
		if (udp >= 0) {
			close(udp);
			return port;
		}
	}
	fail_msg("no free port");
	return 0;
}

static pid_t spawn(void)
{
	pid_t parent = getpid(), pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
	}
	assert_true(pid >= 0);
	return pid;
}

/* ---- the proxy */

struct passing {
	struct sockaddr_in client;
	uint16_t id;
	unsigned int delay; /* ms */
};

static struct passing passing[UINT16_MAX + 1];
static int proxy_down, proxy_up;

struct late {
	struct sockaddr_in client;
	size_t len;
	uint8_t data[];
};

unsigned int rig_delay(unsigned int n)
{
	return n % 20 * 25;
}

static void deliver(evutil_socket_t fd, short what, void *arg)
{
	struct late *l = arg;

	(void)fd, (void)what;
	sendto(proxy_down, l->data, l->len, 0, (struct sockaddr *)&l->client, sizeof(l->client));
	free(l);
}

static void on_upstream(evutil_socket_t fd, short what, void *arg)
{
	uint8_t buf[65536];
	ssize_t n = recv(fd, buf, sizeof(buf), 0);
	const struct passing *p;
	struct timeval tv;
	struct late *l;

	(void)what;
	if (n < 12)
		return;
	p = &passing[buf[0] << 8 | buf[1]];
	l = malloc(sizeof(*l) + (size_t)n);
	l->client = p->client;
	l->len = (size_t)n;
	memcpy(l->data, buf, l->len);
	l->data[0] = (uint8_t)(p->id >> 8);
	l->data[1] = (uint8_t)p->id;
	tv = (struct timeval){p->delay / 1000, p->delay % 1000 * 1000};
	event_base_once(arg, -1, EV_TIMEOUT, deliver, l, &tv);
}

/* A label that is a number; anything else is 1000. */
static unsigned int label_number(const uint8_t **p)
{
	char text[64] = "";
	char *end;
	unsigned long n;

	memcpy(text, *p + 1, **p & 63);
	*p += 1 + (**p & 63);
	n = strtoul(text, &end, 10);
	return *text && !*end && n < 256 ? (unsigned int)n : 1000;
}

static void on_query(evutil_socket_t fd, short what, void *arg)
{
	static uint16_t next;
	struct sockaddr_in client;
	socklen_t len = sizeof(client);
	uint8_t buf[4096] = {0};
	ssize_t n = recvfrom(fd, buf, sizeof(buf) - 256, 0, (struct sockaddr *)&client, &len);
	const uint8_t *p = buf + 12;
	unsigned int first, second;

	(void)what, (void)arg;
	if (n < 17 || rig.proxy->drop_all)
		return;
	rig.proxy->all++;
	first = *p ? label_number(&p) : 1000;
	second = *p ? label_number(&p) : 1000;
	while (*p)
		p += 1 + *p;
	if (p[2] == ANSWER_TYPE_IPSECKEY) {
		rig.proxy->queries++;
		if (second == 3)
			return;
	}
	/* DO is the top bit of the flags in the OPT record behind the question (RFC 6891) */
	if (rig.proxy->strip_dnssec)
		buf[p + 5 + 7 - buf] &= 0x7f;
	next++;
	passing[next] = (struct passing){.client = client,
		.id = (uint16_t)(buf[0] << 8 | buf[1]),
		.delay = rig.proxy->delay_ms + (second == 2 ? rig_delay(first) : 0)};
	buf[0] = (uint8_t)(next >> 8);
	buf[1] = (uint8_t)next;
	send(proxy_up, buf, (size_t)n, 0);
}

static void run_proxy(void)
{
	struct event_base *b = event_base_new();
	struct sockaddr_in upstream = loopback(rig.nsd_port);

	proxy_up = socket(AF_INET, SOCK_DGRAM, 0);
	if (connect(proxy_up, (struct sockaddr *)&upstream, sizeof(upstream)) < 0)
		_exit(1);
	event_add(event_new(b, proxy_down, EV_READ | EV_PERSIST, on_query, b), NULL);
	event_add(event_new(b, proxy_up, EV_READ | EV_PERSIST, on_upstream, b), NULL);
	event_base_dispatch(b);
	_exit(1);
}

static void start_proxy(void)
{
	rig.proxy = mmap(NULL, sizeof(*rig.proxy), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(rig.proxy != MAP_FAILED);
	proxy_down = bound_socket(SOCK_DGRAM, &rig.proxy_port);
	assert_true(proxy_down >= 0);
	proxy_pid = spawn();
	if (proxy_pid == 0)
		run_proxy();
	close(proxy_down);
}

/* ---- nsd */

static void start_nsd(void)
{
	const char *srcdir = getenv("srcdir"), *zones = getenv("OED_RIG_ZONES");
	char command[256], conf[96];

	strcpy(rig.dir, "/tmp/oed-test-dns-XXXXXX");
	assert_non_null(mkdtemp(rig.dir));
	/* the service's user must reach the trust anchor */
	chmod(rig.dir, 0755);
	rig.nsd_port = free_port();
	snprintf(command, sizeof(command), "%s/%s %s %u >&2", srcdir ? srcdir : ".",
		zones ? zones : "tests/unit/resolver/mkzones.sh", rig.dir, rig.nsd_port);
	if (system(command) != 0)
		fail_msg("%s failed: install ldnsutils, openssl", command);
	snprintf(conf, sizeof(conf), "%s/nsd.conf", rig.dir);
	nsd_pid = spawn();
	if (nsd_pid == 0) {
		char path[4096];

		/* where Debian has it, or where contrib/setup put it */
		snprintf(path, sizeof(path), "%s:/usr/sbin", getenv("PATH"));
		setenv("PATH", path, 1);
		execlp("nsd", "nsd", "-d", "-c", conf, NULL);
		_exit(127);
	}
	for (int i = 0; i < 100; i++) {
		struct sockaddr_in sin = loopback(rig.nsd_port);
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		int r = connect(fd, (struct sockaddr *)&sin, sizeof(sin));

		close(fd);
		if (r == 0)
			return;
		if (waitpid(nsd_pid, NULL, WNOHANG) == nsd_pid)
			break;
		usleep(50000);
	}
	fail_msg("nsd does not answer: install nsd; its log is %s/nsd.log", rig.dir);
}

/* ---- the service */

static void on_event(void *arg, uint16_t type, const void *fixed, const uint8_t *tail, size_t len)
{
	const struct dns_answer *a = fixed;
	struct rig_answer *slot;

	(void)arg;
	if (type == DNS_EV_READY) {
		rig.ready = *(const struct dns_ready *)fixed;
		rig.n_ready++;
		return;
	}
	if (type == DNS_EV_RANGE) {
		rig.range = *(const struct dns_range *)fixed;
		rig.n_ranges++;
		return;
	}
	if (type == DNS_EV_STATS) {
		rig.stats = *(const struct dns_stats *)fixed;
		return;
	}
	assert_true(a->id < RIG_IDS);
	assert_int_equal(len, a->n_keys * sizeof(struct dns_key));
	slot = &rig.answers[a->id];
	slot->times++;
	slot->at = service_now();
	slot->a = *a;
	if (len)
		memcpy(slot->keys, tail, len);
}

static void on_closed(void *arg, int error)
{
	(void)arg, (void)error;
	rig.closed = true;
}

static void start_service(void)
{
	char state[96];
	int fds[2];

	snprintf(state, sizeof(state), "%s/state", rig.dir);
	mkdir(state, 0755);
	setenv("OED_STATEDIR", state, 1);

	assert_int_equal(msg_pair(fds), 0);
	service_pid = spawn();
	if (service_pid == 0) {
		/* where the package's user is not there */
		setenv("OED_UID_BASE", "64900", 0);
		dup2(fds[1], SERVICE_FD);
		for (int fd = SERVICE_FD + 1; fd < 64; fd++)
			close(fd);
		exit(dns_service_main());
	}
	close(fds[1]);
	base = event_base_new();
	service = msg_channel_new(
		base, fds[0], dns_events, dns_n_events, on_event, on_closed, NULL);
}

/* ---- for the tests */

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
}

/* One turn of the loop, 10 ms at most. */
static void turn(void)
{
	if (rig.closed)
		fail_msg("the service is gone");
	event_base_loop(base, EVLOOP_ONCE);
}

void rig_run(unsigned int ms)
{
	uint64_t end = service_now() + ms * UINT64_C(1000);

	while (service_now() < end)
		turn();
}

static void await(const unsigned int *what, unsigned int value, unsigned int ms)
{
	uint64_t end = service_now() + ms * UINT64_C(1000);

	while (*what < value && service_now() < end)
		turn();
}

int rig_up(void **state)
{
	(void)state;
	start_nsd();
	start_proxy();
	start_service();
	tick = event_new(base, -1, EV_PERSIST, on_tick, NULL);
	event_add(tick, &(struct timeval){.tv_usec = 10000});
	return 0;
}

/* Also after a rig_up() that failed half-way. */
static int end(pid_t pid, int sig)
{
	int status = 0;

	if (pid <= 0)
		return 0;
	if (sig)
		kill(pid, sig);
	waitpid(pid, &status, 0);
	return status;
}

int rig_down(void **state)
{
	char command[96];
	int status;

	(void)state;
	msg_channel_free(service);
	if (tick)
		event_free(tick);
	if (base)
		event_base_free(base);
	/* by itself, as its channel is closed */
	status = end(service_pid, 0);
	if (status != 0)
		print_error("the service ended with status %#x\n", (unsigned int)status);
	end(proxy_pid, SIGKILL);
	end(nsd_pid, SIGTERM);
	snprintf(command, sizeof(command), "rm -rf %s", rig.dir);
	return system(command) == 0 ? status : -1;
}

struct dns_config rig_settings(uint16_t port)
{
	struct dns_config c = {.forwarder_port = port};

	addr_parse("127.0.0.1", &c.forwarders[0]);
	snprintf(c.anchor_file, sizeof(c.anchor_file), "%s/root.key", rig.dir);
	return c;
}

void rig_await_ready(unsigned int ms)
{
	unsigned int before = rig.n_ready;

	await(&rig.n_ready, before + 1, ms);
	assert_int_equal(rig.n_ready, before + 1);
}

void rig_send_config(const struct dns_config *config)
{
	msg_send_struct(service, DNS_REQ_CONFIG, config);
}

void rig_configure(const struct dns_config *config)
{
	rig_send_config(config);
	rig_await_ready(12000);
}

uint32_t rig_ask(enum dns_question question, const char *text, const char *addr)
{
	return rig_ask_for(DNS_FROM_TRAFFIC, question, text, addr);
}

uint32_t rig_ask_for(
	enum dns_origin origin, enum dns_question question, const char *text, const char *addr)
{
	struct dns_lookup q = {
		.id = next_id++, .question = (uint8_t)question, .origin = (uint8_t)origin};

	assert_true(q.id < RIG_IDS);
	if (question == DNS_ASK_REVERSE)
		addr = text;
	else
		snprintf(q.name, sizeof(q.name), "%s", text);
	if (addr)
		assert_int_equal(addr_parse(addr, &q.addr), 0);
	msg_send_struct(service, DNS_REQ_LOOKUP, &q);
	return q.id;
}

void rig_cancel(uint32_t id)
{
	struct dns_cancel c = {.id = id};

	msg_send_struct(service, DNS_REQ_CANCEL, &c);
}

const struct rig_answer *rig_await(uint32_t id, unsigned int ms)
{
	await(&rig.answers[id].times, 1, ms);
	if (rig.answers[id].times != 1)
		fail_msg("lookup %u: %u answers after %u ms", id, rig.answers[id].times, ms);
	return &rig.answers[id];
}

const struct rig_answer *rig_lookup(enum dns_question question, const char *text, const char *addr)
{
	return rig_await(rig_ask(question, text, addr), 3000);
}

void rig_assert_class(const struct rig_answer *r, enum dns_class class)
{
	if (r->a.class != class)
		fail_msg("%s: %s instead of %s (%s)", r->a.name, dns_class_name(r->a.class),
			dns_class_name(class), r->a.why);
	/* never a character that a terminal or a log would mind */
	assert_non_null(memchr(r->a.why, '\0', sizeof(r->a.why)));
	for (const char *p = r->a.why; *p; p++)
		assert_true(*p >= 0x20 && *p < 0x7f && *p != '"' && *p != '\\');
}

void rig_settle(void)
{
	struct dns_config c = rig_settings(rig.nsd_port);

	rig.proxy->drop_all = rig.proxy->strip_dnssec = false;
	rig.proxy->delay_ms = 0;
	rig_configure(&c);
	assert_int_equal(rig.ready.error, 0);
	assert_string_equal(rig.ready.why, "");
	assert_int_equal(rig.ready.dnssec, 1);
}

void rig_settle_behind_proxy(void)
{
	struct dns_config c = rig_settings(rig.proxy_port);

	rig.proxy->drop_all = rig.proxy->strip_dnssec = false;
	rig.proxy->delay_ms = 0;
	rig_configure(&c);
	assert_int_equal(rig.ready.dnssec, 1);
}

unsigned int rig_fds(void)
{
	char path[64];
	unsigned int n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", service_pid);
	d = opendir(path);
	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

uint64_t rig_memory(void)
{
	char path[64];
	unsigned long size, resident = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/statm", service_pid);
	f = fopen(path, "r");
	if (!f || fscanf(f, "%lu %lu", &size, &resident) != 2)
		resident = 0;
	if (f)
		fclose(f);
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t rig_cpu(void)
{
	char path[64];
	unsigned long ran = 0;
	FILE *f;

	/* ns; finer than the ticks of /proc/PID/stat */
	snprintf(path, sizeof(path), "/proc/%d/schedstat", service_pid);
	f = fopen(path, "r");
	if (!f || fscanf(f, "%lu", &ran) != 1)
		ran = 0;
	if (f)
		fclose(f);
	return ran / 1000;
}
