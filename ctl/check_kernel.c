/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether the kernel has ESP with our ciphers, and a queue in which packets can be held. It is tried in
 * a network namespace of its own, where nothing of this host's traffic can be touched.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/xfrm.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ctl/check.h"

#define MAX_KEY 36
#define TEST_QUEUE 7
/* The ciphers test themselves when they are first used. */
#define CHILD_S 30

enum trial {
	TRIAL_NAMESPACE,
	TRIAL_GCM4,
	TRIAL_GCM6,
	TRIAL_CHACHA,
	TRIAL_QUEUE,
	N_TRIALS,
};

/* Sends m and reads the acknowledgement. Returns 0 or -errno. */
static int talk(int bus, struct nlmsghdr *m)
{
	struct mnl_socket *nl = mnl_socket_open(bus);
	char buf[1024]; /* what an error echoes is no longer than a request */
	ssize_t n;
	int r = 0;

	if (!nl)
		return -errno;
	m->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ||
		mnl_socket_sendto(nl, m, m->nlmsg_len) < 0 ||
		(n = mnl_socket_recvfrom(nl, buf, sizeof(buf))) < 0 ||
		mnl_cb_run(buf, (size_t)n, 0, mnl_socket_get_portid(nl), NULL, NULL) < 0)
		r = -errno;
	mnl_socket_close(nl);
	return r;
}

static int try_esp(uint16_t family, uint32_t spi, const char *cipher, unsigned int key_bytes)
{
	char buf[1024] = {0};
	struct nlmsghdr *m = mnl_nlmsg_put_header(buf);
	struct xfrm_usersa_info *sa = mnl_nlmsg_put_extra_header(m, sizeof(*sa));
	struct xfrm_algo_aead head = {.alg_key_len = key_bytes * 8, .alg_icv_len = 128};
	uint8_t aead[sizeof(head) + MAX_KEY];

	m->nlmsg_type = XFRM_MSG_NEWSA;
	m->nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
	sa->family = family;
	sa->saddr.a4 = sa->id.daddr.a4 = htonl(0x7f000001);
	sa->id.spi = htonl(spi);
	sa->id.proto = IPPROTO_ESP;
	sa->mode = XFRM_MODE_TRANSPORT;
	sa->lft.hard_byte_limit = sa->lft.hard_packet_limit = XFRM_INF;
	sa->lft.soft_byte_limit = sa->lft.soft_packet_limit = XFRM_INF;
	strcpy(head.alg_name, cipher);
	memcpy(aead, &head, sizeof(head));
	for (unsigned int i = 0; i < key_bytes; i++)
		aead[sizeof(head) + i] = (uint8_t)i;
	mnl_attr_put(m, XFRMA_ALG_AEAD, (uint16_t)(sizeof(head) + key_bytes), aead);
	return talk(NETLINK_XFRM, m);
}

static int try_queue(void)
{
	struct nfqnl_msg_config_cmd cmd = {.command = NFQNL_CFG_CMD_BIND};
	char buf[256] = {0};
	struct nlmsghdr *m = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *g = mnl_nlmsg_put_extra_header(m, sizeof(*g));

	m->nlmsg_type = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_CONFIG;
	g->version = NFNETLINK_V0;
	g->res_id = htons(TEST_QUEUE);
	mnl_attr_put(m, NFQA_CFG_CMD, sizeof(cmd), &cmd);
	return talk(NETLINK_NETFILTER, m);
}

/* In a child: that namespace goes with it. */
static void try_all(int result[static N_TRIALS])
{
	result[TRIAL_NAMESPACE] = unshare(CLONE_NEWNET) < 0 ? -errno : 0;
	if (result[TRIAL_NAMESPACE])
		return;
	result[TRIAL_GCM4] = try_esp(AF_INET, 0x1001, "rfc4106(gcm(aes))", 36);
	result[TRIAL_GCM6] = try_esp(AF_INET6, 0x1002, "rfc4106(gcm(aes))", 36);
	result[TRIAL_CHACHA] = try_esp(AF_INET, 0x1003, "rfc7539esp(chacha20,poly1305)", 36);
	result[TRIAL_QUEUE] = try_queue();
}

/* Returns false where the child said nothing. */
static bool run_child(int result[static N_TRIALS])
{
	size_t size = N_TRIALS * sizeof(*result);
	int fds[2], status;
	ssize_t n;
	pid_t pid;

	if (pipe(fds) < 0)
		return false;
	pid = fork();
	if (pid == 0) {
		alarm(CHILD_S);
		try_all(result);
		n = write(fds[1], result, size);
		_exit(n == (ssize_t)size ? 0 : 1);
	}
	close(fds[1]);
	n = pid > 0 ? read(fds[0], result, size) : -1;
	close(fds[0]);
	if (pid > 0)
		waitpid(pid, &status, 0);
	return n == (ssize_t)size;
}

/* ESP for one family. */
static bool say_esp(struct check *c, const char *name, int error)
{
	if (!error)
		return true;
	if (error == -EPROTONOSUPPORT || error == -EAFNOSUPPORT)
		check_say(c, CHECK_FAIL, name,
			"modprobe -a xfrm_user esp4 esp6, or a kernel with "
			"CONFIG_XFRM_USER and CONFIG_INET_ESP",
			"the kernel has no ESP (%s)", strerror(-error));
	else
		check_say(c, CHECK_FAIL, name,
			"a kernel with CONFIG_CRYPTO_GCM and CONFIG_CRYPTO_AES",
			"the kernel refuses ESP with AES-GCM: %s", strerror(-error));
	return false;
}

void check_kernel(struct check *c)
{
	int result[N_TRIALS] = {0};
	bool v4, v6;

	fflush(c->ctl->out);
	if (!run_child(result)) {
		check_say(c, CHECK_WARN, "kernel", NULL, "could not be tried");
		return;
	}
	if (result[TRIAL_NAMESPACE]) {
		check_say(c, CHECK_WARN, "kernel",
			result[TRIAL_NAMESPACE] == -EPERM ? "run this as root" : NULL,
			"not tried, for want of a network namespace of its own: %s",
			strerror(-result[TRIAL_NAMESPACE]));
		return;
	}
	v4 = say_esp(c, "ESP IPv4", result[TRIAL_GCM4]);
	v6 = say_esp(c, "ESP IPv6", result[TRIAL_GCM6]);
	if (v4 && v6) {
		if (result[TRIAL_CHACHA])
			check_say(c, CHECK_WARN, "ESP",
				"a kernel with CONFIG_CRYPTO_CHACHA20POLY1305",
				"with AES-GCM for IPv4 and IPv6; ChaCha20-Poly1305 is refused: %s",
				strerror(-result[TRIAL_CHACHA]));
		else
			check_say(c, CHECK_OK, "ESP", NULL,
				"with AES-GCM and ChaCha20-Poly1305, for IPv4 and IPv6");
	}
	if (!result[TRIAL_QUEUE])
		check_say(c, CHECK_OK, "NFQUEUE", NULL, "is there");
	else
		check_say(c, c->conf.hold_enable ? CHECK_WARN : CHECK_OK, "NFQUEUE",
			"modprobe nfnetlink_queue, or a kernel with CONFIG_NETFILTER_NETLINK_QUEUE",
			"is not there (%s): the first packet to a new peer is lost and sent again",
			strerror(-result[TRIAL_QUEUE]));
}
