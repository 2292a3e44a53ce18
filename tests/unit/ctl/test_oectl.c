/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * oectl whole: a command line goes in, a server that plays the daemon says what it got and gives a
 * fixed answer, and what oectl prints is compared to the letter.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl/oectl.h"

static char dir[] = "/tmp/test_oectl.XXXXXX";

struct run {
	int status;
	char *out;
	char *err;
	char request[400]; /* what the server read */
};

/* Runs the words of line, which are separated by single spaces. */
static struct run run(const char *line)
{
	char copy[400], *argv[32] = {copy}, *save = NULL;
	struct run r = {0};
	size_t len;
	int argc = 0;
	FILE *out = open_memstream(&r.out, &len), *err = open_memstream(&r.err, &len);

	snprintf(copy, sizeof(copy), "oectl %s", line);
	for (char *s = strtok_r(copy, " ", &save); s; s = strtok_r(NULL, " ", &save))
		argv[argc++] = s;
	r.status = oectl_main(argc, argv, out, err);
	fclose(out);
	fclose(err);
	return r;
}

static void run_free(struct run *r)
{
	free(r->out);
	free(r->err);
}

/* JSON is written with ` for ", which C would make unreadable. */
static char *unquote(const char *text)
{
	char *copy = strdup(text);

	assert_non_null(copy);
	for (char *p = copy; (p = strchr(p, '`'));)
		*p = '"';
	return copy;
}

/* The daemon's part: one client, one line read, answer written in pieces of `piece` bytes. */
static void serve(int listener, int told, const char *answer, size_t piece)
{
	char buf[400];
	size_t len = 0, left = strlen(answer);
	int fd = accept(listener, NULL, NULL);
	ssize_t n;

	while (len < sizeof(buf) && (n = read(fd, buf + len, sizeof(buf) - len)) > 0) {
		len += (size_t)n;
		if (buf[len - 1] == '\n')
			break;
	}
	if (write(told, buf, len) < 0)
		_exit(1);
	for (; left; answer += n, left -= (size_t)n) {
		n = send(fd, answer, left < piece ? left : piece, MSG_NOSIGNAL);
		if (n < 0)
			break;
	}
	_exit(0);
}

static struct run ask(const char *line, const char *answer, size_t piece)
{
	char *json = unquote(answer);
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), told[2], status;
	struct run r;
	pid_t pid;
	ssize_t n;

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/control.sock", dir);
	assert_int_equal(bind(listener, (const struct sockaddr *)&sun, sizeof(sun)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(pipe(told), 0);
	pid = fork();
	if (pid == 0)
		serve(listener, told[1], json, piece);
	assert_true(pid > 0);
	close(listener);
	close(told[1]);
	r = run(line);
	n = read(told[0], r.request, sizeof(r.request) - 1);
	r.request[n > 0 ? n : 0] = '\0';
	close(told[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	unlink(sun.sun_path);
	free(json);
	return r;
}

/* What the command sends and prints when the daemon says yes. */
static void expect(const char *line, const char *request, const char *answer, const char *out)
{
	struct run r = ask(line, answer, 1 << 20);
	char *json = unquote(request), want[400];

	snprintf(want, sizeof(want), "%s\n", json);
	free(json);
	assert_string_equal(r.request, want);
	assert_string_equal(r.err, "");
	assert_string_equal(r.out, out);
	assert_int_equal(r.status, OECTL_OK);
	run_free(&r);
}

/* ---- rendering */

static void test_status(void **state)
{
	(void)state;
	expect("status", "{`command`:`status`}",
		"{`ok`:true,`version`:`0.1.0`,`uptime_s`:90061,`hold`:`nft`,`hold_why`:``,"
		"`dnssec`:true,`dns_why`:``,`forwarders`:[`192.0.2.53`,`2001:db8::53`],"
		"`ipv4`:true,`ipv6`:true,`services`:["
		"{`name`:`xfrm`,`pid`:12,`up_s`:90061,`restarts`:0},"
		"{`name`:`signer`,`pid`:14,`ready`:false,`up_s`:1,`restarts`:0},"
		"{`name`:`resolver`,`pid`:13,`ready`:true,`up_s`:61,`restarts`:2},"
		"{`name`:`ike`,`pid`:0,`up_s`:0,`restarts`:1}],"
		"`policy`:{`rules`:12,`refused`:1},`peers`:{`trapped`:0,`resolving`:1,"
		"`negotiating`:0,`private`:7,`clear`:112,`blocked`:0,`idle`:3},`keys`:["
		"{`algorithm`:`EdDSA`,`bits`:256,`fingerprint`:"
		"`SHA256:snoq3rhOqcCLtLIZvUAEjO7Mmi/TQoIuOl1ihY3AGSc`},"
		"{`algorithm`:`RSA-2048`,`bits`:2048,`fingerprint`:"
		"`SHA256:Chah2BfpeJLdti6/3HCnlmw1Q/L3Tu2gp7kHUyf5Y6Q`}],`keys_why`:``,"
		"`local`:[`198.18.0.1`,`2001:2::1`],`counters`:{`trapped`:12}}\n",
		"oed 0.1.0, up 1 d 1 h\n"
		"  peers     7 private, 112 clear, 1 resolving, 3 idle\n"
		"  policy    12 rules\n"
		"            1 LINE REFUSED: oectl reload says which and why\n"
		"  hold      first packets wait for the decision, by nftables\n"
		"  dns       DNSSEC validates, asking 192.0.2.53 2001:db8::53\n"
		"  ike       IPv4 and IPv6\n"
		"  addresses 198.18.0.1 2001:2::1\n"
		"  keys      EdDSA 256 bits SHA256:snoq3rhOqcCLtLIZvUAEjO7Mmi/TQoIuOl1ihY3AGSc\n"
		"            RSA-2048 SHA256:Chah2BfpeJLdti6/3HCnlmw1Q/L3Tu2gp7kHUyf5Y6Q\n"
		"  services  xfrm: pid 12, up 1 d 1 h\n"
		"            signer: pid 14, STARTING since 1 s\n"
		"            resolver: pid 13, up 1 min 1 s, restarted 2 times\n"
		"            ike NOT RUNNING; journalctl -u oed says why\n");
}

/* All that can be wrong with a daemon is said. */
static void test_status_bad(void **state)
{
	(void)state;
	expect("status", "{`command`:`status`}",
		"{`ok`:true,`version`:`0.1.0`,`uptime_s`:5,`hold`:`none`,`hold_why`:"
		"`neither nftables nor iptables can queue`,`dnssec`:false,`dns_why`:`the root's "
		"DNSKEY is bogus`,`forwarders`:[],`ipv4`:true,`ipv6`:false,`ike_why`:`UDP 500 "
		"is taken`,`services`:[],"
		"`policy`:{`rules`:0,`refused`:0},`peers`:{},`keys`:[],`keys_why`:`a.pem: "
		"no key in it`,`local`:[]}\n",
		"oed 0.1.0, up 5 s\n"
		"  peers     none yet\n"
		"  policy    0 rules: everything is in clear\n"
		"  hold      off: the first packet to a new peer is lost and sent again by its\n"
		"            protocol (neither nftables nor iptables can queue)\n"
		"  dns       DNSSEC DOES NOT GET THROUGH, no key can be believed, full recursion:\n"
		"            the root's DNSKEY is bogus\n"
		"  ike       IPv4 only: UDP 500 is taken\n"
		"  addresses none\n"
		"  keys      none: we are anonymous. oectl key generate makes one\n"
		"            A KEY WAS REFUSED: a.pem: no key in it\n");
}

static void test_peers(void **state)
{
	(void)state;
	expect("peers", "{`command`:`peers`}",
		"{`ok`:true,`peers`:[{`local`:`198.18.0.1`,`remote`:`198.18.0.9`,`state`:"
		"`PRIVATE`,`group`:`private-or-clear`,`reason`:`MUTUAL`,`since_s`:7384,"
		"`until_s`:null,`auth`:`MUTUAL`,`esp`:`AES-GCM-256 ESN`},{`local`:"
		"`2001:2::1`,`remote`:`2001:2::abcd:77`,`traffic`:`tcp 0 "
		"443`,`state`:`CLEAR`,`group`:"
		"`private-or-clear`,`reason`:`DENIED`,`since_s`:3,`until_s`:3597,`auth`:null,"
		"`esp`:null}]}\n",
		"REMOTE           TRAFFIC    STATE    REASON  GROUP             SINCE      LEFT    "
		"     "
		"ESP              LOCAL\n"
		"198.18.0.9       all        PRIVATE  MUTUAL  private-or-clear  2 h 3 min  -       "
		"     "
		"AES-GCM-256 ESN  198.18.0.1\n"
		"2001:2::abcd:77  tcp 0 443  CLEAR    DENIED  private-or-clear  3 s        59 min "
		"57 s  "
		"-                2001:2::1\n");
	expect("peers", "{`command`:`peers`}", "{`ok`:true,`peers`:[]}\n",
		"No peers: nothing was trapped yet and nobody has asked.\n");
}

#define EXPLAIN_PRIVATE                                                                           \
	"{`ok`:true,`address`:`198.18.0.9`,`policy`:{`group`:`private-or-clear`,`file`:"          \
	"`/etc/oed/policies/private-or-clear`,`line`:3,`selector`:`198.18.0.0/15`},`peers`:[{"    \
	"`local`:`198.18.0.1`,`remote`:`198.18.0.9`,`state`:`PRIVATE`,`peer_id`:`host.example."   \
	"org`,`reason`:`MUTUAL`,"                                                                 \
	"`since_s`:7384,`until_s`:null,`esp`:`AES-GCM-256 ESN`,`summary`:`traffic with "          \
	"198.18.0.9 is encrypted: both sides proved who they are by keys that DNSSEC vouches "    \
	"for`,`chain`:["                                                                          \
	"{`ago_ms`:7384012.7,`step`:`trapped`,`text`:`TCP to port 22, the packet is held`},"      \
	"{`ago_ms`:7384012.6,`step`:`policy`,`text`:`private-or-clear: encrypted where the peer " \
	"publishes a key, else in clear (/etc/oed/policies/private-or-clear:3)`},"                \
	"{`ago_ms`:7384012.5,`step`:`dns`,`text`:`asked for IPSECKEY at "                         \
	"9.0.18.198.in-addr.arpa.`},"                                                             \
	"{`ago_ms`:7384007.2,`step`:`dns`,`text`:`DNSSEC secure, 1 key, after 5.3 ms`},"          \
	"{`ago_ms`:7384002.9,`step`:`released`,`text`:`the held packet went on, encrypted`},"     \
	"{`ago_ms`:125003.2,`step`:`ike`,`text`:`the peer is alive`}],"                           \
	"`counters`:{`in_packets`:1,`in_bytes`:84,`out_packets`:1523,`out_bytes`:1423999},"       \
	"`advice`:``}]}\n"

/* Two stories: the first packet, and a sign of life two hours later with a clock of its own. */
static void test_explain_private(void **state)
{
	(void)state;
	expect("explain 198.18.0.9", "{`command`:`explain`,`address`:`198.18.0.9`}",
		EXPLAIN_PRIVATE,
		"traffic with 198.18.0.9 is encrypted: both sides proved who they are by keys\n"
		"that DNSSEC vouches for\n"
		"\n"
		"  between   198.18.0.1 and 198.18.0.9\n"
		"  state     PRIVATE (MUTUAL) since 2 h 3 min\n"
		"  identity  host.example.org\n"
		"  policy    private-or-clear, by 198.18.0.0/15 at\n"
		"            /etc/oed/policies/private-or-clear:3\n"
		"  esp       AES-GCM-256 ESN\n"
		"\n"
		"  2 h 3 min ago\n"
		"      0.0 ms  trapped   TCP to port 22, the packet is held\n"
		"     +0.1 ms  policy    private-or-clear: encrypted where the peer publishes a\n"
		"                        key, else in clear\n"
		"                        (/etc/oed/policies/private-or-clear:3)\n"
		"     +0.2 ms  dns       asked for IPSECKEY at 9.0.18.198.in-addr.arpa.\n"
		"     +5.5 ms  dns       DNSSEC secure, 1 key, after 5.3 ms\n"
		"     +9.8 ms  released  the held packet went on, encrypted\n"
		"\n"
		"  2 min 5 s ago\n"
		"      0.0 ms  ike       the peer is alive\n"
		"\n"
		"  in ESP    received 1 packet, 84 bytes; sent 1523 packets, 1.4 MB\n");
}

/* Blocked, from two of our addresses, with advice; the chain arrives newest first. */
static void test_explain_blocked(void **state)
{
	(void)state;
	expect("explain 2001:2:0::9", "{`command`:`explain`,`address`:`2001:2::9`}",
		"{`ok`:true,`address`:`2001:2::9`,`policy`:{`group`:`private`,"
		"`file`:`/etc/oed/policies/private`,`line`:1,`selector`:`2001:2::/48`},"
		"`peers`:[{`local`:`2001:2::1`,`remote`:`2001:2::9`,`state`:`BLOCKED`,"
		"`reason`:`BOGUS`,`summary`:`traffic "
		"with 2001:2::9 is blocked: DNSSEC validation "
		"failed`,`since_s`:1,`until_s`:59,`chain`:[{`ago_ms`:800,`step`:`state`,"
		"`text`:`BLOCKED`},{`ago_ms`:2950,`step`:`trapped`,`text`:`UDP "
		"to port 53`}],`counters`:null,`advice`:`The zone's signatures are wrong, or "
		"somebody tampers with DNS: check the clock of this "
		"host.`},{`local`:`2001:2::2`,`remote`:`2001:2::9`,`state`:`IDLE`,"
		"`reason`:`NONE`,`summary`:``,`since_s`:0,`until_s`:null,`chain`:[],"
		"`counters`:{`in_packets`:0,`out_packets`:0},`advice`:``}]}\n",
		"traffic with 2001:2::9 is blocked: DNSSEC validation failed\n"
		"\n"
		"  between   2001:2::1 and 2001:2::9\n"
		"  state     BLOCKED (BOGUS) since 1 s, for another 59 s\n"
		"  policy    private, by 2001:2::/48 at /etc/oed/policies/private:1\n"
		"\n"
		"  3.0 s ago\n"
		"      0.0 ms  trapped  UDP to port 53\n"
		"      +2.1 s  state    BLOCKED\n"
		"\n"
		"  to do     The zone's signatures are wrong, or somebody tampers with DNS: check\n"
		"            the clock of this host.\n"
		"\n"
		"2001:2::9 is IDLE.\n"
		"\n"
		"  between   2001:2::2 and 2001:2::9\n"
		"  state     IDLE (NONE) since 0 s\n"
		"  policy    private, by 2001:2::/48 at /etc/oed/policies/private:1\n");
}

static void test_explain_unknown(void **state)
{
	(void)state;
	expect("explain 192.0.2.1", "{`command`:`explain`,`address`:`192.0.2.1`}",
		"{`ok`:true,`address`:`192.0.2.1`,`policy`:null,`peers`:[]}\n",
		"192.0.2.1: nothing was sent there and nothing came from there.\n"
		"\n"
		"  policy    no line covers this address: it is in clear\n");
}

static void test_resolve(void **state)
{
	(void)state;
	expect("resolve 198.18.0.9", "{`command`:`resolve`,`name`:`198.18.0.9`}",
		"{`ok`:true,`name`:`9.0.18.198.in-addr.arpa.`,`canonical`:"
		"`9.0-15.0.18.198.in-addr.arpa.`,`class`:`KEYS`,`ttl`:3590,`took_us`:5312,"
		"`why`:``,`keys`:[{`algorithm`:4,`bits`:256,`precedence`:10,`gateway`:"
		"`none`,`usable`:true,`fault`:``,`fingerprint`:"
		"`SHA256:snoq3rhOqcCLtLIZvUAEjO7Mmi/TQoIuOl1ihY3AGSc`},{`algorithm`:2,`bits`:0,"
		"`precedence`:20,`gateway`:`198.18.0.77`,`usable`:false,`fault`:`gateway is "
		"another host: not followed`,`fingerprint`:null}]}\n",
		"9.0.18.198.in-addr.arpa. IPSECKEY\n"
		"  alias of  9.0-15.0.18.198.in-addr.arpa.\n"
		"  answer    KEYS: signed and valid, with a key to use\n"
		"  believed  for 59 min 50 s; the answer took 5.3 ms\n"
		"  key 1     EdDSA 256 bits, precedence 10, no gateway\n"
		"            SHA256:snoq3rhOqcCLtLIZvUAEjO7Mmi/TQoIuOl1ihY3AGSc\n"
		"  key 2     RSA, precedence 20, gateway 198.18.0.77, NOT USABLE: gateway is\n"
		"            another host: not followed\n");
	expect("resolve host.example.org", "{`command`:`resolve`,`name`:`host.example.org`}",
		"{`ok`:true,`name`:`host.example.org.`,`canonical`:``,`class`:`BOGUS`,"
		"`ttl`:60,`took_us`:250000,`why`:`signature expired`,`keys`:[]}\n",
		"host.example.org. IPSECKEY\n"
		"  answer    BOGUS: DNSSEC validation failed\n"
		"  why       signature expired\n"
		"  believed  for 1 min; the answer took 250 ms\n");
}

static void test_hint(void **state)
{
	(void)state;
	expect("hint host.example.org",
		"{`command`:`hint`,`name`:`host.example.org`,`addresses`:[]}",
		"{`ok`:true,`name`:`host.example.org.`,`addresses`:[`192.0.2.7`,`2001:db8::7`],"
		"`taken`:2,`ttl`:300}\n",
		"host.example.org.: 192.0.2.7 2001:db8::7, for 5 min\n");
	/* as unbound's hook has it, addresses in their canonical form */
	expect("hint host.example.org. 192.0.2.7 2001:DB8:0::7",
		"{`command`:`hint`,`name`:`host.example.org.`,"
		"`addresses`:[`192.0.2.7`,`2001:db8::7`]}",
		"{`ok`:true,`text`:`taken, to be looked up`}\n", "taken, to be looked up\n");
	expect("explain 192.0.2.7", "{`command`:`explain`,`address`:`192.0.2.7`}",
		"{`ok`:true,`address`:`192.0.2.7`,`policy`:null,`peers`:[],`hints`:["
		"{`name`:`a.example.`,`from`:`oectl`,`left_s`:90,`state`:`first`},"
		"{`name`:`b.example.`,`from`:`unbound`,`left_s`:5,`state`:`spare`},"
		"{`name`:`c.example.`,`from`:`unbound`,`left_s`:5,`state`:`rests`}]}\n",
		"192.0.2.7: nothing was sent there and nothing came from there.\n\n"
		"  policy    no line covers this address: it is in clear\n"
		"  hints     a.example., from oectl, for another 1 min 30 s\n"
		"            b.example., from unbound, for another 5 s; used if those above lead\n"
		"            to nothing\n"
		"            c.example., from unbound, for another 5 s; left alone for a while,\n"
		"            it led to nothing\n");
}

static void test_policy(void **state)
{
	(void)state;
	expect("policy test 198.18.0.9 tcp 22",
		"{`command`:`policy test`,`address`:`198.18.0.9`,`proto`:6,`port`:22}",
		"{`ok`:true,`address`:`198.18.0.9`,`group`:`private`,`file`:`/p/private`,"
		"`line`:3,`selector`:`198.18.0.0/15`,`meaning`:`encrypted or not at all`}\n",
		"198.18.0.9: private\n"
		"  because   /p/private:3 says 198.18.0.0/15\n"
		"  meaning   encrypted or not at all\n");
	expect("policy test 198.18.0.9", "{`command`:`policy test`,`address`:`198.18.0.9`}",
		"{`ok`:true,`address`:`198.18.0.9`,`group`:`none`,`file`:null,`line`:0,"
		"`meaning`:`no line names it: in clear`}\n",
		"198.18.0.9: no rule\n"
		"  meaning   no line names it: in clear\n");
	expect("policy show", "{`command`:`policy show`}",
		"{`ok`:true,`rules`:[{`selector`:`198.18.0.9/32`,`group`:`private`,`file`:"
		"`/p/private`,`line`:1},{`selector`:`::/0`,`group`:`clear`,`file`:"
		"`/p/clear`,`line`:13}]}\n",
		"SELECTOR       GROUP    FROM\n"
		"198.18.0.9/32  private  /p/private:1\n"
		"::/0           clear    /p/clear:13\n");
}

static void test_simple(void **state)
{
	(void)state;
	expect("forget 192.0.2.1", "{`command`:`forget`,`address`:`192.0.2.1`}",
		"{`ok`:true,`text`:`forgot 1 peer`}\n", "forgot 1 peer\n");
	expect("up 192.0.2.1", "{`command`:`up`,`address`:`192.0.2.1`}",
		"{`ok`:true,`text`:`asking DNS`}\n", "asking DNS\n");
	expect("down 192.0.2.1", "{`command`:`down`,`address`:`192.0.2.1`}",
		"{`ok`:true,`text`:`ended 2 SAs`}\n", "ended 2 SAs\n");
	expect("reload", "{`command`:`reload`}",
		"{`ok`:true,`text`:`reloaded`,`refused`:1,`errors`:[`private:3: 'x' is no "
		"address`]}\n",
		"reloaded\n  private:3: 'x' is no address\n");
	expect("stats", "{`command`:`stats`}",
		"{`ok`:true,`counters`:{`trapped`:12,`ike.bad-length`:0,`big`:123456789012}}\n",
		"big             123456789012\nike.bad-length  0\ntrapped         12\n");
}

/* A stream in pieces of every small size; escape sequences of others do not reach the terminal. */
static void test_trace(void **state)
{
	static const char answer[] =
		"{`ok`:true}\n"
		"{`time`:1700000000.123,`local`:`198.18.0.1`,`remote`:`198.18.0.9`,`step`:"
		"`dns`,`text`:`asked`}\n"
		"{`time`:`00:00:01`,`local`:`::1`,`remote`:`2001:2::abcd:77`,`step`:"
		"`trapped`,`text`:`a\\u001b[31mb\\u007f\\u009bc\\nd\\u00e9`}\n";

	(void)state;
	setenv("TZ", "UTC", 1);
	for (size_t piece = 1; piece < 40; piece += 6) {
		struct run r = ask("trace", answer, piece);

		assert_string_equal(r.request, "{\"command\":\"trace\"}\n");
		assert_string_equal(r.out, "22:13:20.123  198.18.0.9       dns       asked\n"
					   "00:00:01  2001:2::abcd:77  trapped   a?[31mb?"
					   "?"
					   "?c?d\xc3\xa9\n");
		assert_string_equal(r.err, "");
		assert_int_equal(r.status, OECTL_OK);
		run_free(&r);
	}
}

/* With --json the line is what the daemon wrote, to the byte, and the exit status says the rest. */
static void test_json(void **state)
{
	struct run r = ask("--json status", "{\"ok\": true,  \"x\": [1.50]}\n", 1000);

	(void)state;
	assert_string_equal(r.out, "{\"ok\": true,  \"x\": [1.50]}\n");
	assert_int_equal(r.status, OECTL_OK);
	run_free(&r);
	r = ask("status -j", "{\"ok\":false,\"error\":\"no\"}\n", 1000);
	assert_string_equal(r.out, "{\"ok\":false,\"error\":\"no\"}\n");
	assert_int_equal(r.status, OECTL_NO);
	run_free(&r);
}

/* Many peers: a line longer than any buffer, in odd pieces. */
static void test_long_line(void **state)
{
	const size_t n = 20000;
	char *answer = malloc(n * 120), *p = answer;
	struct run r;
	size_t lines = 0;

	(void)state;
	p += sprintf(p, "{`ok`:true,`peers`:[");
	for (size_t i = 0; i < n; i++)
		p += sprintf(p,
			"%s{`local`:`198.18.0.1`,`remote`:`10.%zu.%zu.%zu`,`state`:"
			"`CLEAR`,`since_s`:1}",
			i ? "," : "", i >> 16, i >> 8 & 255, i & 255);
	strcpy(p, "]}\n");
	r = ask("peers", answer, 9973);
	for (const char *s = r.out; (s = strchr(s, '\n')); s++)
		lines++;
	assert_int_equal(lines, n + 1);
	assert_int_equal(r.status, OECTL_OK);
	run_free(&r);
	free(answer);
}

/* ---- failures */

static void fails(struct run r, int status, const char *err)
{
	assert_string_equal(r.out, "");
	assert_string_equal(r.err, err);
	assert_int_equal(r.status, status);
	run_free(&r);
}

static void test_refused(void **state)
{
	(void)state;
	fails(ask("down 192.0.2.1", "{`ok`:false,`error`:`no peer 192.0.2.1`}\n", 1000), OECTL_NO,
		"oectl: no peer 192.0.2.1\n");
	fails(ask("reload", "{`ok`:false,`error`:`oed.conf is refused`,`errors`:[`a:1: b`]}\n",
		      1000),
		OECTL_NO, "oectl: oed.conf is refused\n  a:1: b\n");
	fails(ask("status", "[]\n", 1000), OECTL_NO,
		"oectl: the daemon's answer is no JSON (no object); is it of this version?\n");
	fails(ask("trace", "{`ok`:false,`error`:`too many`}\n{`step`:`x`}\n", 1000), OECTL_NO,
		"oectl: too many\n");
}

static void test_unreachable(void **state)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	char err[400], line[300];

	(void)state;
	/* nothing there */
	snprintf(err, sizeof(err),
		"oectl: %s/control.sock: No such file or directory; is oed running? "
		"systemctl status oed\n",
		dir);
	fails(run("status"), OECTL_UNREACHABLE, err);
	/* somebody died there */
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/control.sock", dir);
	assert_int_equal(bind(listener, (const struct sockaddr *)&sun, sizeof(sun)), 0);
	close(listener);
	snprintf(err, sizeof(err),
		"oectl: %s/control.sock: Connection refused; oed has ended without a "
		"farewell: systemctl restart oed, and journalctl -u oed for why\n",
		dir);
	fails(run("status"), OECTL_UNREACHABLE, err);
	unlink(sun.sun_path);
	/* somebody is there and says nothing, or not to the end */
	snprintf(err, sizeof(err),
		"oectl: %s/control.sock: the daemon closed without an answer; look "
		"for why: journalctl -u oed\n",
		dir);
	fails(ask("status", "", 1), OECTL_UNREACHABLE, err);
	fails(ask("status", "{\"ok\":true", 100), OECTL_UNREACHABLE, err);
	/* -r wins over the environment */
	snprintf(line, sizeof(line), "-r %s/deeper status", dir);
	snprintf(err, sizeof(err),
		"oectl: %s/deeper/control.sock: No such file or directory; is oed "
		"running? systemctl status oed\n",
		dir);
	fails(run(line), OECTL_UNREACHABLE, err);
	memset(line, 'x', 200);
	memcpy(line, "-r ", 3);
	strcpy(line + 200, " status");
	{
		struct run r = run(line);

		assert_int_equal(r.status, OECTL_UNREACHABLE);
		assert_non_null(strstr(r.err, "choose a shorter run directory with -r\n"));
		run_free(&r);
	}
}

static void test_usage(void **state)
{
	static const struct {
		const char *line, *err;
	} bad[] = {
		{"", "no command; write one such as oectl status"},
		{"stauts", "no command 'stauts'"},
		{"policy", "what of 'policy'?"},
		{"policy tset 1.2.3.4", "what of 'policy'?"},
		{"status now", "write oectl status"},
		{"explain", "write oectl explain ADDRESS [PROTO [SPORT] DPORT]"},
		{"explain host.example.org", "'host.example.org' is no address; write one such as "
					     "192.0.2.1 or 2001:db8::1"},
		{"policy test 1.2.3.4 tcp",
			"write ADDRESS alone, or with a protocol and a port such as tcp 22, or "
			"with both ports such as tcp 0 22"},
		{"policy test 1.2.3.4 esp 0",
			"write ADDRESS alone, or with a protocol and a port such as tcp 22, or "
			"with both ports such as tcp 0 22"},
		{"explain 1.2.3.4 tcp x 22", "'x' is no port; write a number of 0 to 65535"},
		{"policy test 1.2.3.4 tcp ssh", "'ssh' is no port; write a number of 0 to 65535"},
		{"policy test 1.2.3.4 tcp 65536",
			"'65536' is no port; write a number of 0 to 65535"},
		{"hint", "write oectl hint NAME [ADDRESS ...]"},
		{"hint a.example x", "'x' is no address; write those of NAME, or none"},
		{"hint a.example 1::1 1::1 1::1 1::1 1::1 1::1 1::1 1::1 1::1 1::1 1::1 1::1 1::1 "
		 "1::1 1::1 1::1 1::1",
			"write oectl hint NAME [ADDRESS ...]"},
		{"--verbose status", "no option --verbose"},
		{"status -r", "-r needs a value"},
		{"status --ttl 5", "an option that this command does not take"},
		{"key generate --ttl 5", "an option that this command does not take"},
		{"key ipseckey --precedence 256 1.2.3.4", "--precedence '256'; write 0 to 255"},
		{"key ipseckey --ttl x 1.2.3.4", "--ttl 'x'; write seconds"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char err[300];

		snprintf(err, sizeof(err), "oectl: %s; oectl --help shows all\n", bad[i].err);
		fails(run(bad[i].line), OECTL_USAGE, err);
	}
}

static void test_help(void **state)
{
	struct run r = run("--help");

	(void)state;
	assert_int_equal(r.status, OECTL_OK);
	assert_memory_equal(r.out, "Usage: oectl ", 13);
	assert_non_null(strstr(r.out, "\n  explain ADDRESS"));
	/* on 80 columns */
	for (const char *s = r.out, *nl; (nl = strchr(s, '\n')); s = nl + 1)
		assert_in_range(nl - s, 0, 80);
	run_free(&r);
}

/* ---- keys */

static char *in_dir(const char *name)
{
	static char path[200];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void test_key(void **state)
{
	char text[700], fingerprint[60], path[200];
	struct run r;
	struct stat st;

	(void)state;
	snprintf(text, sizeof(text), "oectl: no key in %s/keys; make one: oectl key generate\n",
		dir);
	fails(run("key show"), OECTL_NO, text);
	fails(run("key ipseckey 192.0.2.1"), OECTL_NO, text);

	r = run("key generate");
	assert_int_equal(r.status, OECTL_OK);
	assert_int_equal(sscanf(r.out, "New Ed25519 key %59s\n", fingerprint), 1);
	assert_int_equal(strlen(fingerprint), 50);
	assert_int_equal(stat(in_dir("keys"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(stat(in_dir("keys/ed25519.pem"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	run_free(&r);

	snprintf(text, sizeof(text),
		"oectl: %s/keys/ed25519.pem exists and is not overwritten; peers may "
		"know it. Move it away, or choose another --name\n",
		dir);
	fails(run("key generate"), OECTL_NO, text);
	fails(run("key generate --type rsa-1024"), OECTL_USAGE,
		"oectl: no type 'rsa-1024'; write "
		"ed25519, ed448, ecdsa-p256, ecdsa-p384, rsa-2048, rsa-3072 or rsa-4096\n");
	fails(run("key generate --name ../x"), OECTL_USAGE,
		"oectl: '../x' is no name for a key; write "
		"a word such as ed25519\n");

	r = run("key show");
	snprintf(text, sizeof(text), "Ed25519     %s  %s/keys/ed25519.pem\n", fingerprint, dir);
	assert_string_equal(r.out, text);
	run_free(&r);
	r = run("key show --json");
	snprintf(text, sizeof(text),
		"{\"ok\":true,\"keys\":[{\"file\":\"%s/keys/ed25519.pem\","
		"\"algorithm\":\"EdDSA\",\"name\":\"Ed25519\",\"bits\":256,\"fingerprint\":\"%s\","
		"\"fault\":null,\"role\":\"current\"}]}\n",
		dir, fingerprint);
	assert_string_equal(r.out, text);
	run_free(&r);

	/* one record per name, in one token */
	r = run("key ipseckey 203.0.113.7 2001:db8::1 host.example.org --ttl 60 --precedence 7");
	assert_int_equal(r.status, OECTL_OK);
	assert_memory_equal(r.out, "7.113.0.203.in-addr.arpa. 60 IN IPSECKEY 7 0 4 . ", 49);
	assert_int_equal(strcspn(r.out, "\n"), 49 + 44);
	assert_non_null(
		strstr(r.out, "\n1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2."
			      "ip6.arpa. 60 IN IPSECKEY 7 0 4 . "));
	assert_non_null(strstr(r.out, "\nhost.example.org. 60 IN IPSECKEY 7 0 4 . "));
	run_free(&r);
	r = run("key ipseckey 203.0.113.7 --generic -j");
	snprintf(text, sizeof(text),
		"{\"ok\":true,\"records\":[{\"owner\":\"7.113.0.203.in-addr.arpa.\","
		"\"file\":\"%s/keys/ed25519.pem\",\"line\":\"7.113.0.203.in-addr.arpa. "
		"3600 IN TYPE45 \\\\# 35 0a0004",
		dir);
	assert_memory_equal(r.out, text, strlen(text));
	run_free(&r);
	fails(run("key ipseckey host..example"), OECTL_USAGE,
		"oectl: 'host..example' is neither an "
		"address nor a domain name; write one such as 192.0.2.1 or host.example.org\n");

	/* what the signer would refuse is said */
	snprintf(path, sizeof(path), "%s", in_dir("keys/ed25519.pem"));
	assert_int_equal(chmod(path, 0640), 0);
	r = run("key show");
	assert_non_null(strstr(r.out, "not usable"));
	assert_non_null(
		strstr(r.out, "ed25519.pem: readable by others than its owner; chmod 600 it"));
	run_free(&r);
	unlink(path);
	assert_int_equal(rmdir(in_dir("keys")), 0);
}

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	setenv("OED_RUNDIR", dir, 1);
	setenv("OED_CONFDIR", dir, 1);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_status_bad),
		cmocka_unit_test(test_peers),
		cmocka_unit_test(test_explain_private),
		cmocka_unit_test(test_explain_blocked),
		cmocka_unit_test(test_explain_unknown),
		cmocka_unit_test(test_resolve),
		cmocka_unit_test(test_hint),
		cmocka_unit_test(test_policy),
		cmocka_unit_test(test_simple),
		cmocka_unit_test(test_trace),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_unreachable),
		cmocka_unit_test(test_usage),
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_key),
	};

	return cmocka_run_group_tests_name("oectl", tests, set_up, tear_down);
}
