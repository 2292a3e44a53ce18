/* SPDX-License-Identifier: BSD-2-Clause */
#include "xfrm/hook.h"

#include <arpa/inet.h>
#include <cap-ng.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sandbox.h"
#include "xfrm/netlink.h"

#define TABLE "oed"
#define REMOVE 'r'
#define TEXT_MAX 96

#define STR2(x) #x
#define STR(x) STR2(x)
/* The mark bits as text: XFRM_MARK_RELEASED, XFRM_MARK_RESOLVER, both, and the rest. */
#define BIT "0x40000000"
#define DNS_BIT "0x20000000"
#define BITS "0x60000000"
#define NOT_BITS "0x9fffffff"
_Static_assert(XFRM_MARK_RELEASED == 0x40000000u, "the text above says the same");
_Static_assert(XFRM_MARK_RESOLVER == 0x20000000u, "the text above says the same");

/*
 * Before connection tracking (-300 is raw): two held packets of one flow must not clash there. The
 * chain before that marks what the resolver sends to name servers, which routes it anew, past the
 * trap; and remembers whom it asked, from which port, so that the answer is marked as well. The last
 * chain takes the marks away again when the packet has its route; a filter chain does not route it
 * once more. The resolver's uid goes in.
 */
static const char nft_rules[] =
	"add table inet " TABLE "\n"
	"delete table inet " TABLE "\n"
	"table inet " TABLE " {\n"
	"	set asked4 {\n"
	"		type ipv4_addr . inet_proto . inet_service\n"
	"		flags dynamic,timeout; timeout 30s; size 65536\n"
	"	}\n"
	"	set asked6 {\n"
	"		type ipv6_addr . inet_proto . inet_service\n"
	"		flags dynamic,timeout; timeout 30s; size 65536\n"
	"	}\n"
	"	chain ask {\n"
	"		type route hook output priority -310; policy accept;\n"
	"		meta skuid != %u accept\n"
	"		meta l4proto != { tcp, udp } accept\n"
	"		th dport != 53 accept\n"
	"		update @asked4 { ip daddr . meta l4proto . th sport }\n"
	"		update @asked6 { ip6 daddr . meta l4proto . th sport }\n"
	"		meta mark set meta mark | " DNS_BIT "\n"
	"	}\n"
	"	chain answered {\n"
	"		type filter hook prerouting priority -310; policy accept;\n"
	"		meta l4proto != { tcp, udp } accept\n"
	"		th sport != 53 accept\n"
	"		ip saddr . meta l4proto . th dport @asked4 meta mark set meta mark "
	"| " DNS_BIT "\n"
	"		ip6 saddr . meta l4proto . th dport @asked6 meta mark set meta mark "
	"| " DNS_BIT "\n"
	"	}\n"
	"	chain hold {\n"
	"		type filter hook output priority -300; policy accept;\n"
	"		oifname != \"lo\" accept\n"
	"		fib daddr type local accept\n"
	"		meta mark & " BITS " != 0 accept\n"
	"		queue num " STR(
		XFRM_QUEUE) "\n"
			    "	}\n"
			    "	chain unmark {\n"
			    "		type filter hook output priority 50; policy accept;\n"
			    "		meta mark & " BITS
			    " != 0 meta mark set meta mark & " NOT_BITS "\n"
			    "	}\n"
			    "}\n";

/* The same for iptables-legacy, where a table's place is fixed: raw comes first, and mangle is the
 * one that routes anew. Who was asked is remembered by address only. The hold comes last: without it
 * nothing has a mark to take away. */
#define HOLD_MATCH "-o lo -m addrtype ! --dst-type LOCAL -m mark ! --mark " BIT "/" BIT
#define HOLD_TARGET "-j NFQUEUE --queue-num " STR(XFRM_QUEUE)
#define UNMARK_RULE "-m mark ! --mark 0x0/" BITS " -j MARK --set-xmark 0x0/" BITS
#define DNS_OUT(proto) "-p " proto " --dport 53 -m owner --uid-owner %u "
#define DNS_IN(proto) \
	"-p " proto " --sport 53 -m recent --name oed --rcheck --rsource --seconds 30 "
#define DNS_SEEN "-m recent --name oed --set --rdest "
#define DNS_MARK "-j MARK --or-mark " DNS_BIT

/* each: add or delete (-I, -D), then what follows */
#define DNS_RULES(op)                                                                           \
	"*mangle\n" op " OUTPUT " DNS_OUT("udp") DNS_MARK "\n" op " OUTPUT " DNS_OUT("tcp")     \
		DNS_MARK "\n" op " OUTPUT " DNS_OUT("udp") DNS_SEEN                             \
		"\n" op " OUTPUT " DNS_OUT("tcp") DNS_SEEN "\n" op " PREROUTING " DNS_IN("udp") \
			DNS_MARK "\n" op " PREROUTING " DNS_IN("tcp") DNS_MARK                  \
		"\nCOMMIT\n"                                                                    \
		"*raw\n" op                                                                     \
		" OUTPUT " DNS_OUT("udp") "-j ACCEPT\n" op                                      \
					  " OUTPUT " DNS_OUT("tcp") "-j ACCEPT\nCOMMIT\n"

static const char iptables_install_rules[] =
	"*security\n-I OUTPUT " UNMARK_RULE "\nCOMMIT\n"
	"*raw\n-I OUTPUT " HOLD_MATCH " " HOLD_TARGET "\nCOMMIT\n";
static const char iptables_remove_rules[] =
	"*raw\n-D OUTPUT " HOLD_MATCH " " HOLD_TARGET "\nCOMMIT\n"
	"*security\n-D OUTPUT " UNMARK_RULE "\nCOMMIT\n";
/* in front of the hold; a host without owner or recent matches has no full recursion behind traps,
 * and nothing else is lost */
static const char iptables_install_dns[] = DNS_RULES("-I");
static const char iptables_remove_dns[] = DNS_RULES("-D");
#define DNS_RULES_UIDS 6

static const struct family {
	const char *tool;
	const char *restore;
} families[] = {
	{"iptables-legacy", "iptables-legacy-restore"},
	{"ip6tables-legacy", "ip6tables-legacy-restore"},
};

struct hook {
	enum xfrm_hold kind;
	char why[sizeof(((struct xfrm_ready *)0)->why)];
	int nft;    /* socket that removes the table, -1 */
	int helper; /* socket to the helper, -1 */
};

/* ---- running a tool */

static int text_file(const char *text)
{
	int fd = memfd_create("oed", MFD_CLOEXEC);
	size_t len = strlen(text);

	if (fd >= 0 && (write(fd, text, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET) != 0)) {
		close(fd);
		return -1;
	}
	return fd;
}

static void first_line(int fd, char why[static TEXT_MAX])
{
	char text[2 * TEXT_MAX];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	const char *from, *error;
	size_t i = 0;

	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	/* nft names the place in our own text first */
	error = strstr(text, "Error: ");
	from = error ? error + strlen("Error: ") : text;
	for (; from[i] && i < TEXT_MAX - 1; i++)
		why[i] = from[i] >= ' ' && from[i] <= '~' ? from[i] : '?';
	why[i] = '\0';
}

/* Runs argv with input on its stdin; what it says first on stderr comes in why. Returns whether it
 * succeeded. */
static bool run(const char *const argv[], const char *input, char why[static TEXT_MAX])
{
	int in = text_file(input), err = text_file(""), status = -1;
	pid_t pid = in >= 0 && err >= 0 ? fork() : -1;

	why[0] = '\0';
	if (pid == 0) {
		dup2(in, STDIN_FILENO);
		dup2(err, STDOUT_FILENO);
		dup2(err, STDERR_FILENO);
		/* the agent's channel among them */
		close_range(STDERR_FILENO + 1, ~0u, 0);
		signal(SIGPIPE, SIG_DFL);
		clearenv();
		setenv("PATH", "/usr/sbin:/sbin:/usr/bin:/bin", 1);
		execvp(argv[0], (char *const *)(uintptr_t)argv);
		dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
		_exit(127);
	}
	if (pid > 0) {
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		first_line(err, why);
	}
	if (in >= 0)
		close(in);
	if (err >= 0)
		close(err);
	return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* ---- iptables-legacy */

static bool iptables_restore(const struct family *f, const char *rules, char why[static TEXT_MAX])
{
	const char *const argv[] = {f->restore, "-w", "--noflush", NULL};

	return run(argv, rules, why);
}

/* The rules about the resolver's packets, with its uid put in; without it there are none. */
static bool iptables_dns(const struct family *f, bool install, char why[static TEXT_MAX])
{
	char text[sizeof(iptables_install_dns) + DNS_RULES_UIDS * 12];
	uint32_t uid, gid;

	if (sandbox_lookup(SANDBOX_USER_DNS, &uid, &gid) < 0)
		return false;
	snprintf(text, sizeof(text), install ? iptables_install_dns : iptables_remove_dns, uid, uid,
		uid, uid, uid, uid);
	return iptables_restore(f, text, why);
}

/* dns_why says why the resolver's packets are trapped as anybody's; "" where they are not. */
static bool iptables_install(
	const struct family *f, char why[static TEXT_MAX], char dns_why[static TEXT_MAX])
{
	/* is it there already, from a predecessor that was killed? */
	const char *const check[] = {f->tool, "-w", "-t", "raw", "-C", "OUTPUT", "-o", "lo", "-m",
		"addrtype", "!", "--dst-type", "LOCAL", "-m", "mark", "!", "--mark", BIT "/" BIT,
		"-j", "NFQUEUE", "--queue-num", STR(XFRM_QUEUE), NULL};

	if (run(check, "", why))
		return true;
	if (!iptables_restore(f, iptables_install_rules, why))
		return false;
	if (!iptables_dns(f, true, dns_why))
		log_warn("%s: %s: what the resolver asks the root servers and others is trapped; "
			 "the kernel needs xt_owner and xt_recent for full recursion",
			f->tool, dns_why);
	return true;
}

static void iptables_remove(void)
{
	char ignored[TEXT_MAX];

	for (size_t i = 0; i < 2; i++) {
		iptables_dns(&families[i], false, ignored);
		iptables_restore(&families[i], iptables_remove_rules, ignored);
	}
}

_Noreturn static void helper_main(int fd)
{
	char word = 0;

	/* only the socket: not the agent's channel, not our kernel sockets */
	if (dup2(fd, STDERR_FILENO + 1) < 0)
		_exit(1);
	close_range(STDERR_FILENO + 2, ~0u, 0);
	prctl(PR_SET_NAME, "oed-unhook");
	/* the word comes from us, not from who stops the unit */
	signal(SIGTERM, SIG_IGN);
	capng_clear(CAPNG_SELECT_BOTH);
	/* the tool opens a raw socket */
	capng_updatev(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET,
		CAP_NET_ADMIN, CAP_NET_RAW, -1);
	if (capng_apply(CAPNG_SELECT_BOTH) < 0)
		_exit(1);
	while (read(STDERR_FILENO + 1, &word, 1) < 0 && errno == EINTR)
		;
	if (word == REMOVE)
		iptables_remove();
	_exit(0);
}

static int helper_start(void)
{
	int fds[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -1;
	pid = fork();
	if (pid == 0)
		helper_main(fds[1]);
	close(fds[1]);
	if (pid < 0) {
		close(fds[0]);
		return -1;
	}
	return fds[0];
}

/* ---- both */

struct hook *hook_open(void)
{
	static const char *const nft[] = {"nft", "-f", "-", NULL};
	static const unsigned int no_groups[] = {0};
	struct hook *hook = calloc(1, sizeof(*hook));
	char nft_why[TEXT_MAX], v4_why[TEXT_MAX], v6_why[TEXT_MAX], dns_why[TEXT_MAX] = "";
	char rules[sizeof(nft_rules) + 12];
	/* a uid that nobody has */
	uint32_t uid = UINT32_MAX - 1, gid;

	if (!hook)
		return NULL;
	hook->nft = hook->helper = -1;
	sandbox_lookup(SANDBOX_USER_DNS, &uid, &gid);
	snprintf(rules, sizeof(rules), nft_rules, uid);
	if (run(nft, rules, nft_why)) {
		hook->kind = XFRM_HOLD_NFT;
		hook->nft = nl_listen(NETLINK_NETFILTER, no_groups);
		return hook;
	}
	if (!iptables_install(&families[0], v4_why, dns_why)) {
		hook->kind = XFRM_HOLD_NONE;
		snprintf(hook->why, sizeof(hook->why), "nftables: %.50s; iptables: %.50s", nft_why,
			v4_why);
		return hook;
	}
	hook->kind = XFRM_HOLD_IPTABLES;
	hook->helper = helper_start();
	if (!iptables_install(&families[1], v6_why, dns_why))
		snprintf(hook->why, sizeof(hook->why), "no hold for IPv6: %.100s", v6_why);
	else if (dns_why[0])
		snprintf(hook->why, sizeof(hook->why),
			"nftables: %.40s; full recursion is trapped: %.40s", nft_why, dns_why);
	else
		snprintf(hook->why, sizeof(hook->why), "nftables: %s", nft_why);
	return hook;
}

void hook_close(struct hook *hook)
{
	if (!hook)
		return;
	if (hook->nft >= 0)
		close(hook->nft);
	if (hook->helper >= 0)
		close(hook->helper);
	free(hook);
}

enum xfrm_hold hook_kind(const struct hook *hook)
{
	return hook ? hook->kind : XFRM_HOLD_NONE;
}

const char *hook_why(const struct hook *hook)
{
	return hook ? hook->why : "out of memory";
}

static struct nlmsghdr *nft_message(
	uint8_t *at, uint16_t type, uint16_t flags, uint8_t family, uint16_t res_id, uint32_t seq)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(at);
	struct nfgenmsg *g = mnl_nlmsg_put_extra_header(nlh, sizeof(*g));

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = seq;
	g->nfgen_family = family;
	g->version = NFNETLINK_V0;
	g->res_id = htons(res_id);
	return nlh;
}

static void on_ack(void *arg, const struct nlmsghdr *nlh)
{
	struct nlmsgerr e;

	if (nlh->nlmsg_type == NLMSG_ERROR && nl_payload(nlh, &e, sizeof(e)))
		*(int *)arg = e.error;
}

/* linux/netfilter/nfnetlink.h: changes to tables come in a batch. */
static int nft_remove(int fd)
{
	_Alignas(NLMSG_ALIGNTO) uint8_t buf[512], answer[4096];
	struct nlmsghdr *nlh;
	size_t len;
	int error = -EIO, r;

	nlh = nft_message(buf, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES, 1);
	len = nlh->nlmsg_len;
	nlh = nft_message(buf + len, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELTABLE, NLM_F_ACK,
		NFPROTO_INET, 0, 2);
	mnl_attr_put_strz_check(nlh, 128, NFTA_TABLE_NAME, TABLE);
	len += nlh->nlmsg_len;
	nlh = nft_message(buf + len, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES, 3);
	len += nlh->nlmsg_len;
	if (send(fd, buf, len, 0) < 0)
		return -errno;
	r = nl_read(fd, answer, sizeof(answer), on_ack, &error);
	return r < 0 ? r : error;
}

void hook_remove(struct hook *hook)
{
	char word = REMOVE;
	int r = 0;

	switch (hook_kind(hook)) {
	case XFRM_HOLD_NFT:
		r = nft_remove(hook->nft);
		break;
	case XFRM_HOLD_IPTABLES:
		if (write(hook->helper, &word, 1) != 1)
			r = -errno;
		/* it closes its end when it is done */
		else if (read(hook->helper, &word, 1) < 0)
			r = -errno;
		break;
	case XFRM_HOLD_NONE:
		return;
	}
	if (r < 0)
		log_warn("the firewall rule of the hold stays behind: %s", strerror(-r));
	hook->kind = XFRM_HOLD_NONE;
}
