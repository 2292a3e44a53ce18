/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Plays the agent to real xfrm services in two network namespaces, `a` and `b`, made by
 * xfrm-drive.sh, and looks at what packets do. Run as root in a guest; prints TAP.
 *
 * Host a is the one under test; b is everybody else: it has 192.0.2.2, 2001:db8::2, and answers for
 * 10.0.0.0/8 and 2001:db8:10::/48.
 */
#include "tests/unit/xfrm/xfrm-drive.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/service.h"

static const char *everybody(void)
{
	return family == AF_INET ? "0.0.0.0/0" : "::/0";
}

static void test_clear(void)
{
	struct xfrm_rule trap = rule(everybody(), XFRM_ACTION_TRAP, 10);
	uint64_t t0;
	int fd, error, replies = 0;
	unsigned int mss = 0;
	double ms;
	const struct xfrm_trapped *ev;
	const struct xfrm_done *d;
	char byte;

	ok(rules(&a, &trap, 1) == 0, "rules are written");
	plaintext(NULL);
	t0 = now_us();
	fd = start(stranger(1), PORT, SOCK_STREAM);
	ev = trapped(&a, stranger(1), 1000);
	ok(ev && ev->held && ev->proto == IPPROTO_TCP && ev->dport == PORT && ev->sport,
		"a connect is trapped with its ports after %.1f ms",
		(double)(now_us() - t0) / 1000);
	ok(plaintext(NULL) == 0, "nothing left before the decision");
	d = decide(&a, pair_with(stranger(1)), XFRM_VERDICT_CLEAR, 10);
	ok(d->error == 0 && d->released == 1, "clear releases one packet (error %d, held %u us)",
		d->error, d->held_us);
	ms = connected(fd, t0, 3000, &error);
	ok(ms >= 0 && !error && ms < 500 && retransmits(fd) == 0,
		"connected after %.1f ms, %u retransmits", ms, retransmits(fd));
	plaintext(&mss);
	ok(mss == (family == AF_INET ? 1460 : 1440), "the SYN offers MSS %u", mss);
	close(fd);
	fd = start(stranger(2), PORT, SOCK_DGRAM);
	for (int i = 0; i < 3; i++)
		if (send(fd, "x", 1, 0) < 0)
			perror("send");
	ev = trapped(&a, stranger(2), 1000);
	d = decide(&a, pair_with(stranger(2)), XFRM_VERDICT_CLEAR, 10);
	pump(200, NULL);
	while (recv(fd, &byte, 1, 0) > 0)
		replies++;
	ok(ev && d->released == 3 && replies == 3, "3 datagrams held, %d answered", replies);
	close(fd);
	decide(&a, pair_with(stranger(2)), XFRM_VERDICT_FORGET, 10);
	d = decide(&a, pair_with(stranger(1)), XFRM_VERDICT_FORGET, 10);
	a.n_trapped = 0;
	fd = start(stranger(1), PORT, SOCK_STREAM);
	ok(d->error == 0 && trapped(&a, stranger(1), 1000), "trapped again when forgotten");
	d = decide(&a, pair_with(stranger(1)), XFRM_VERDICT_DROP, 10);
	ok(d->released == 1, "dropped");
	close(fd);
}

static void test_private(uint8_t cipher, uint8_t esn, const char *what)
{
	struct pair ab = {.local = me(), .remote = other()},
		    ba = {.local = other(), .remote = me()};
	uint64_t t0 = now_us();
	struct xfrm_counters c;
	struct xfrm_traffic t;
	struct xfrm_sa_id id;
	static uint32_t spi = 0x1000;
	bool first = spi == 0x1000;
	int fd, error;
	double ms;

	spi += 16;
	a.n_trapped = b.n_trapped = 0;
	plaintext(NULL);
	fd = start(other(), PORT, SOCK_STREAM);
	trapped(&a, other(), 1000);
	b.expired_soft = 0;
	tell_use = 1;
	error = install(&b, ba, true, spi + 1, cipher, esn, 0)->error;
	tell_use = 0;
	ok(!error && !install(&a, ab, true, spi, cipher, esn, 0)->error &&
			!install(&b, ba, false, spi, cipher, esn, 0)->error,
		"%s: SAs in", what);
	error = install(&a, ab, false, spi + 1, cipher, esn, 0)->error;
	ok(error == 0, "%s: SA out, %d", what, error);
	ms = connected(fd, t0, 3000, &error);
	ok(ms >= 0 && !error && retransmits(fd) == 0, "%s: connected after %.1f ms, %u retransmits",
		what, ms, retransmits(fd));
	ok(plaintext(NULL) <= 4, "%s: decapsulated only", what);
	c = counters(&a, ab);
	ok(c.sas_in == 1 && c.sas_out == 1 && c.out_packets >= 2 && c.in_packets >= 1,
		"%s: %llu packets out, %llu in by ESP", what, (unsigned long long)c.out_packets,
		(unsigned long long)c.in_packets);
	ok(b.expired_soft == 1, "%s: told %u times that packets come", what, b.expired_soft);
	t = traffic(&a, ab);
	ok(t.in && t.out, "%s: traffic both ways", what);
	t = traffic(&a, ab);
	ok(!t.in && !t.out, "%s: none since", what);
	close(fd);
	pump(50, NULL);
	/* b forgets, and answers in clear: a must not listen */
	id = (struct xfrm_sa_id){.pair = ba, .spi = spi, .last = 1};
	msg_send_struct(b.ch, XFRM_REQ_SA_DELETE, &id);
	decide(&b, ba, XFRM_VERDICT_CLEAR, 10);
	id = (struct xfrm_sa_id){.pair = ba, .spi = spi + 1, .inbound = 1};
	c = counters(&a, ab);
	fd = start(other(), PORT, SOCK_DGRAM);
	if (send(fd, "x", 1, 0) < 0)
		perror("send");
	pump(100, NULL);
	ok(recv(fd, &error, 1, 0) < 0 && counters(&a, ab).in_tmpl_mismatch > c.in_tmpl_mismatch,
		"%s: plaintext of a private peer is dropped", what);
	close(fd);
	msg_send_struct(b.ch, XFRM_REQ_SA_DELETE, &id);
	decide(&b, ba, XFRM_VERDICT_FORGET, 10);
	msg_send_struct(a.ch, XFRM_REQ_SA_DELETE,
		&((struct xfrm_sa_id){.pair = ab, .spi = spi, .inbound = 1, .grace = first}));
	msg_send_struct(a.ch, XFRM_REQ_SA_DELETE,
		&((struct xfrm_sa_id){.pair = ab, .spi = spi + 1, .last = 1}));
	decide(&a, ab, XFRM_VERDICT_FORGET, 10);
	if (first) {
		ok(counters(&a, ab).sas_in == 1, "%s: with a grace it is still there", what);
		pump(2500, NULL);
	}
	ok(counters(&a, ab).sas_in == 0, "%s: gone", what);
}

static void test_block(uint8_t action, const char *what)
{
	struct xfrm_rule r = rule(everybody(), action, 10);
	const struct xfrm_done *d;
	int fd, error = 0;
	uint64_t t0;
	double ms;

	ok(rules(&a, &r, 1) == 0, "%s: rules", what);
	a.n_trapped = 0;
	t0 = now_us();
	fd = start(stranger(30 + action), PORT, SOCK_STREAM);
	trapped(&a, stranger(30 + action), 1000);
	d = decide(&a, pair_with(stranger(30 + action)), XFRM_VERDICT_BLOCK, 10);
	ms = connected(fd, t0, 3000, &error);
	ok(d->error == 0 && ms >= 0 && ms < 300 && error,
		"%s: a blocked connect fails after %.1f ms: %s", what, ms, strerror(error));
	close(fd);
	fd = start(stranger(30 + action), PORT, SOCK_STREAM);
	ok(fd == -EPERM || fd == -EACCES, "%s: the next one at once: %s", what, strerror(-fd));
	if (fd >= 0)
		close(fd);
	fd = start(stranger(40 + action), PORT, SOCK_DGRAM);
	if (fd >= 0 && send(fd, "x", 1, 0) < 0)
		perror("send");
	trapped(&a, stranger(40 + action), 1000);
	decide(&a, pair_with(stranger(40 + action)), XFRM_VERDICT_BLOCK, 10);
	pump(50, NULL);
	error = 0;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){sizeof(error)});
	ok(error != 0, "%s: a blocked datagram: %s", what, strerror(error));
	close(fd);
	for (unsigned int i = 0; i < 2; i++)
		decide(&a, pair_with(stranger(30 + 10 * i + action)), XFRM_VERDICT_FORGET, 10);
}

/* Many at once, each decided after a time of its own. */
static void test_many(unsigned int first, unsigned int n, int type)
{
	struct xfrm_rule trap = rule(everybody(), XFRM_ACTION_TRAP, 10);
	int *fd = calloc(n, sizeof(*fd));
	double *over = calloc(n, sizeof(*over)), worst = 0;
	uint64_t *due = calloc(n, sizeof(*due)), t0;
	bool *decided = calloc(n, sizeof(*decided)), *got = calloc(n, sizeof(*got));
	unsigned int left = n, resent = 0, answers = 0;
	char byte;

	rules(&a, &trap, 1);
	a.n_trapped = 0;
	t0 = now_us();
	for (unsigned int i = 0; i < n; i++) {
		fd[i] = start(stranger(first + i), PORT, type);
		due[i] = t0 + 5000 + 495000ull * ((i * 7) % n) / n;
		if (type == SOCK_DGRAM)
			for (int k = 0; k < 3; k++)
				if (send(fd[i], "x", 1, 0) < 0)
					perror("send");
	}
	while (left && now_us() < t0 + 3000000) {
		for (unsigned int i = 0; i < n; i++) {
			int error;

			if (!decided[i] && now_us() >= due[i]) {
				struct xfrm_decide d = {.tag = 0,
					.pair = pair_with(stranger(first + i)),
					.verdict = XFRM_VERDICT_CLEAR,
					.rule.rank = 10};

				msg_send_struct(a.ch, XFRM_REQ_DECIDE, &d);
				decided[i] = true;
			}
			if (got[i] || !decided[i])
				continue;
			if (type == SOCK_STREAM)
				got[i] = connected(fd[i], 0, 0, &error) >= 0 ||
					 retransmits(fd[i]) || connected(fd[i], 0, 1, &error) >= 0;
			else
				got[i] = recv(fd[i], &byte, 1, 0) > 0;
			if (got[i]) {
				left--;
				over[i] = (double)(now_us() - due[i]) / 1000;
				worst = over[i] > worst ? over[i] : worst;
			}
		}
		pump(1, NULL);
	}
	pump(100, NULL);
	for (unsigned int i = 0; i < n; i++) {
		if (type == SOCK_STREAM)
			resent += retransmits(fd[i]);
		answers += got[i];
		while (type == SOCK_DGRAM && recv(fd[i], &byte, 1, 0) > 0)
			answers++;
		close(fd[i]);
		decide(&a, pair_with(stranger(first + i)), XFRM_VERDICT_FORGET, 10);
	}
	if (type == SOCK_STREAM)
		ok(left == 0 && resent == 0,
			"%u connects at once: %u left, %u retransmits, worst %.1f ms", n, left,
			resent, worst);
	else
		ok(answers == 3 * n, "%u peers at once: %u of %u datagrams answered, worst %.1f ms",
			n, answers, 3 * n, worst);
	free(fd);
	free(over);
	free(due);
	free(decided);
	free(got);
}

static size_t policies_of_a(char *buf, size_t cap)
{
	FILE *f = popen("ip -n a xfrm policy | sort", "r");
	size_t n = f ? fread(buf, 1, cap - 1, f) : 0;

	buf[n] = '\0';
	if (f)
		pclose(f);
	return n;
}

static int shell(const char *command)
{
	return system(command);
}

static void test_difference(void)
{
	char host_text[ADDR_STRLEN + 8];
	struct addr peer = stranger(7);
	struct xfrm_rule set[3] = {rule(everybody(), XFRM_ACTION_TRAP, 10)};
	static char before[1 << 20], after[1 << 20];

	snprintf(host_text, sizeof(host_text), "%s", addr_str(&peer));
	set[1] = rule(host_text, XFRM_ACTION_GUARD, 0);
	set[2] = rule(
		family == AF_INET ? "172.16.0.0/12" : "2001:db8:99::/48", XFRM_ACTION_BLOCK, 5);
	rules(&a, set, 3);
	policies_of_a(before, sizeof(before));
	/* same set, same policies: their indices and times of writing are in the text */
	shell("ip -n a -s xfrm policy | sed 's/ use .*//' | sort > /tmp/policies.1");
	rules(&a, set, 3);
	shell("ip -n a -s xfrm policy | sed 's/ use .*//' | sort > /tmp/policies.2");
	ok(shell("cmp -s /tmp/policies.1 /tmp/policies.2") == 0 && strstr(before, "action block"),
		"the same rules again touch nothing");
	decide(&a, pair_with(peer), XFRM_VERDICT_BLOCK, 0);
	policies_of_a(after, sizeof(after));
	ok(strcmp(before, after) != 0, "a decision in place of a host's own rule");
	decide(&a, pair_with(peer), XFRM_VERDICT_FORGET, 0);
	policies_of_a(after, sizeof(after));
	ok(strcmp(before, after) == 0, "the rule's own policies come back");
	rules(&a, set, 1);
	policies_of_a(after, sizeof(after));
	ok(!strstr(after, host_text), "rules that went are away");
}

static void test_addresses(void)
{
	const char *add = family == AF_INET ? "ip -n a addr add 192.0.2.77/24 dev va"
					    : "ip -n a addr add 2001:db8::77/64 dev va";
	const char *del = family == AF_INET ? "ip -n a addr del 192.0.2.77/24 dev va"
					    : "ip -n a addr del 2001:db8::77/64 dev va";
	static char text[1 << 20];
	unsigned int up = a.locals_up, down = a.locals_down;
	bool there;

	shell(add);
	pump(family == AF_INET ? 200 : 2500, NULL);
	policies_of_a(text, sizeof(text));
	there = strstr(text, family == AF_INET ? "src 192.0.2.77/32" : "src 2001:db8::77/128");
	ok(a.locals_up == up + 1 && there, "a new address is told and has the rules");
	shell(del);
	pump(200, NULL);
	policies_of_a(text, sizeof(text));
	there = strstr(text, family == AF_INET ? "192.0.2.77" : "2001:db8::77");
	ok(a.locals_down == down + 1 && !there, "one that went has none");
}

static void test_expire(void)
{
	struct pair ab = {.local = me(), .remote = stranger(99)};

	install(&a, ab, true, 0x9990, XFRM_CIPHER_AES_GCM_16, 1, 1);
	ok(install(&a, ab, true, 0x9990, XFRM_CIPHER_AES_GCM_16, 1, 1)->error == -EEXIST,
		"an SA is not written twice");
	pump(3500, NULL);
	ok(a.expired_soft >= 1 && a.expired_hard >= 1, "soft and hard expiry are told");
	a.expired_soft = a.expired_hard = 0;
}

static void test_lifetime(void)
{
	struct xfrm_rule trap = rule(everybody(), XFRM_ACTION_TRAP, 10);
	static char text[1 << 20];
	char host_text[ADDR_STRLEN + 4];
	struct addr peer = stranger(120);

	rules(&a, &trap, 1);
	snprintf(host_text, sizeof(host_text), "dst %s/", addr_str(&peer));
	decide(&a, pair_with(peer), XFRM_VERDICT_CLEAR, 10);
	pump(7000, NULL);
	policies_of_a(text, sizeof(text));
	ok(strstr(text, host_text), "a clear decision outlives its lifetime while we live");
	decide(&a, pair_with(peer), XFRM_VERDICT_FORGET, 10);
}

static void test_kill(void)
{
	struct xfrm_rule guard = rule(everybody(), XFRM_ACTION_GUARD, 10);
	struct pair ab = {.local = me(), .remote = other()};
	static char before[1 << 20], after[1 << 20];
	int fd, udp, error;
	uint64_t t0;
	double ms;

	rules(&a, &guard, 1);
	install(&a, ab, true, 0x7771, XFRM_CIPHER_AES_GCM_16, 1, 0);
	install(&a, ab, false, 0x7772, XFRM_CIPHER_AES_GCM_16, 1, 0);
	policies_of_a(before, sizeof(before));
	plaintext(NULL);
	udp = start(stranger(200), PORT, SOCK_DGRAM);
	if (send(udp, "x", 1, 0) < 0)
		perror("send");
	pump(50, NULL);
	kill(a.pid, SIGKILL);
	reap(&a);
	fd = start(stranger(201), PORT, SOCK_STREAM);
	for (int i = 0; i < 5; i++) {
		if (send(udp, "x", 1, 0) < 0)
			perror("send");
		pump(100, NULL);
	}
	ok(plaintext(NULL) == 0, "after kill -9 the guard is closed");
	t0 = now_us();
	spawn(&a);
	config(&a, 6);
	ok(a.ready && a.adopted == 2, "the next one adopts %u SAs after %.0f ms", a.adopted,
		(double)(now_us() - t0) / 1000);
	ok(plaintext(NULL) == 0, "nothing left meanwhile");
	rules(&a, &guard, 1);
	policies_of_a(after, sizeof(after));
	ok(strcmp(before, after) == 0, "the policies are as before");
	ok(trapped(&a, stranger(201), 4000) != NULL, "what waited is asked for");
	decide(&a, pair_with(stranger(201)), XFRM_VERDICT_CLEAR, 10);
	ms = connected(fd, now_us(), 8000, &error);
	/* the guard of the rule still refuses the answers of one that is said to be clear */
	ok(ms < 0 || error, "the inbound guard stands");
	close(fd);
	close(udp);
	msg_send_struct(a.ch, XFRM_REQ_SA_DELETE,
		&((struct xfrm_sa_id){.pair = ab, .spi = 0x7771, .inbound = 1}));
	msg_send_struct(a.ch, XFRM_REQ_SA_DELETE,
		&((struct xfrm_sa_id){.pair = ab, .spi = 0x7772, .last = 1}));
	decide(&a, pair_with(stranger(201)), XFRM_VERDICT_FORGET, 10);
}

static void test_refusals(void)
{
	struct pair bad = {.local = stranger(1), .remote = other()};
	struct pair group = pair_with(address(family == AF_INET ? "224.0.0.1" : "ff02::1"));

	ok(decide(&a, bad, XFRM_VERDICT_CLEAR, 1)->error == -EADDRNOTAVAIL,
		"an address that is not ours is refused");
	ok(decide(&a, group, XFRM_VERDICT_CLEAR, 1)->error == -EINVAL, "a group is refused");
	ok(install(&a, pair_with(other()), true, 255, XFRM_CIPHER_AES_GCM_16, 0, 0)->error ==
			-EINVAL,
		"a reserved SPI is refused");
}

/* Of the family that the argument names, or both. */
int main(int argc, char **argv)
{
	static const int families[] = {AF_INET, AF_INET6};
	const char *only = argc > 1 ? argv[1] : "";
	struct xfrm_rule both[2];
	uint64_t t0;

	setenv("OED_UID_BASE", "64900", 0);
	log_init("drive", LOG_LEVEL_INFO);
	signal(SIGPIPE, SIG_IGN);
	base = event_base_new();
	serve();
	t0 = now_us();
	spawn(&a);
	config(&a, 6);
	spawn(&b);
	config(&b, 0);
	ok(a.ready && b.ready, "services are up after %.0f ms, hold %u (%s)",
		(double)(now_us() - t0) / 1000, a.hello.hold, a.hello.why);
	ok(a.hello.hold != XFRM_HOLD_NONE, "there is a hold");
	ok(a.locals_up == 2, "%u local addresses told", a.locals_up);
	family = AF_INET;
	both[0] = rule("192.0.2.1/32", XFRM_ACTION_TRAP, 10);
	both[1] = rule("2001:db8::1/128", XFRM_ACTION_TRAP, 10);
	rules(&b, both, 2);
	for (size_t i = 0; i < N(families); i++) {
		family = families[i];
		if (!strcmp(only, family == AF_INET ? "ipv6" : "ipv4"))
			continue;
		test_refusals();
		test_clear();
		test_private(XFRM_CIPHER_AES_GCM_16, 1, "GCM, ESN");
		test_private(XFRM_CIPHER_CHACHA20_POLY1305, 0, "ChaCha");
		test_private(XFRM_CIPHER_CHACHA20_POLY1305, 1, "ChaCha, ESN");
		test_private(XFRM_CIPHER_AES_CBC_SHA2_256, 0, "CBC, SHA2-256");
		test_private(XFRM_CIPHER_AES_CBC_SHA2_384, 1, "CBC, SHA2-384, ESN");
		test_private(XFRM_CIPHER_AES_CBC_SHA2_512, 1, "CBC, SHA2-512, ESN");
		test_block(XFRM_ACTION_TRAP, "trap");
		test_block(XFRM_ACTION_GUARD, "guard");
		test_many(300, 20, SOCK_STREAM);
		test_many(330, 20, SOCK_DGRAM);
		test_difference();
		test_addresses();
		test_expire();
		test_lifetime();
		test_kill();
	}
	stop(&a, 0);
	stop(&b, 0);
	enter_netns("a");
	ok(shell("test -z \"$(ip xfrm policy)$(ip xfrm state)\"") == 0,
		"no policy and no SA stays");
	ok(shell("! nft list table inet oed >/dev/null 2>&1 && "
		 "! iptables-legacy -t raw -S 2>/dev/null | grep -q NFQUEUE && "
		 "! ip6tables-legacy -t raw -S 2>/dev/null | grep -q NFQUEUE") == 0,
		"the hook is gone");
	printf("1..%u\n", test);
	return failed != 0;
}
