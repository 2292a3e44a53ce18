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
#include "xfrm/netlink.h"

#define TABLE "oed"
#define REMOVE 'r'
#define TEXT_MAX 96

#define STR2(x) #x
#define STR(x) STR2(x)
/* The mark bit as text, and its complement: XFRM_MARK_RELEASED. */
#define BIT "0x40000000"
#define NOT_BIT "0xbfffffff"
_Static_assert(XFRM_MARK_RELEASED == 0x40000000u, "the text above says the same");

/*
 * Before connection tracking (-300 is raw): two held packets of one flow must not clash there. The
 * second chain takes the mark away again when the packet has been routed anew; a filter chain does
 * not route it once more.
 */
static const char nft_rules[] =
	"add table inet " TABLE "\n"
	"delete table inet " TABLE "\n"
	"table inet " TABLE " {\n"
	"	chain hold {\n"
	"		type filter hook output priority -300; policy accept;\n"
	"		oifname != \"lo\" accept\n"
	"		fib daddr type local accept\n"
	"		meta mark & " BIT " == " BIT " accept\n"
	"		queue num " STR(
		XFRM_QUEUE) "\n"
			    "	}\n"
			    "	chain unmark {\n"
			    "		type filter hook output priority 50; policy accept;\n"
			    "		meta mark & " BIT " == " BIT
			    " meta mark set meta mark & " NOT_BIT "\n"
			    "	}\n"
			    "}\n";

/* The same for iptables-legacy. The hold comes last: without it nothing has a mark to take away. */
#define HOLD_MATCH "-o lo -m addrtype ! --dst-type LOCAL -m mark ! --mark " BIT "/" BIT
#define HOLD_TARGET "-j NFQUEUE --queue-num " STR(XFRM_QUEUE)
#define UNMARK_RULE "-m mark --mark " BIT "/" BIT " -j MARK --set-xmark 0x0/" BIT

static const char iptables_install_rules[] =
	"*security\n-I OUTPUT " UNMARK_RULE "\nCOMMIT\n"
	"*raw\n-I OUTPUT " HOLD_MATCH " " HOLD_TARGET "\nCOMMIT\n";
static const char iptables_remove_rules[] =
	"*raw\n-D OUTPUT " HOLD_MATCH " " HOLD_TARGET "\nCOMMIT\n"
	"*security\n-D OUTPUT " UNMARK_RULE "\nCOMMIT\n";

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

static bool iptables_install(const struct family *f, char why[static TEXT_MAX])
{
	/* is it there already, from a predecessor that was killed? */
	const char *const check[] = {f->tool, "-w", "-t", "raw", "-C", "OUTPUT", "-o", "lo", "-m",
		"addrtype", "!", "--dst-type", "LOCAL", "-m", "mark", "!", "--mark", BIT "/" BIT,
		"-j", "NFQUEUE", "--queue-num", STR(XFRM_QUEUE), NULL};

	return run(check, "", why) || iptables_restore(f, iptables_install_rules, why);
}

static void iptables_remove(void)
{
	char ignored[TEXT_MAX];

	for (size_t i = 0; i < 2; i++)
		iptables_restore(&families[i], iptables_remove_rules, ignored);
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
	char nft_why[TEXT_MAX], v4_why[TEXT_MAX], v6_why[TEXT_MAX];

	if (!hook)
		return NULL;
	hook->nft = hook->helper = -1;
	if (run(nft, nft_rules, nft_why)) {
		hook->kind = XFRM_HOLD_NFT;
		hook->nft = nl_listen(NETLINK_NETFILTER, no_groups);
		return hook;
	}
	if (!iptables_install(&families[0], v4_why)) {
		hook->kind = XFRM_HOLD_NONE;
		snprintf(hook->why, sizeof(hook->why), "nftables: %.50s; iptables: %.50s", nft_why,
			v4_why);
		return hook;
	}
	hook->kind = XFRM_HOLD_IPTABLES;
	hook->helper = helper_start();
	if (iptables_install(&families[1], v6_why))
		snprintf(hook->why, sizeof(hook->why), "nftables: %s", nft_why);
	else
		snprintf(hook->why, sizeof(hook->why), "no hold for IPv6: %.100s", v6_why);
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
