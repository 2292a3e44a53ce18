/* SPDX-License-Identifier: BSD-2-Clause */
#include "xfrm/queue.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "xfrm/netlink.h"

/* In the kernel; what is held here is limited by the configuration. */
#define QUEUE_LENGTH 65536
#define CONFIG_MAX 256

struct queue {
	int fd;
	uint16_t number;
	queue_fn fn;
	void *arg;
	_Alignas(NLMSG_ALIGNTO) uint8_t received[64 * 1024];
};

static struct nlmsghdr *message(struct queue *q, void *buf, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *g;

	nlh->nlmsg_type = (uint16_t)(NFNL_SUBSYS_QUEUE << 8 | type);
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	g = mnl_nlmsg_put_extra_header(nlh, sizeof(*g));
	g->nfgen_family = AF_UNSPEC;
	g->version = NFNETLINK_V0;
	g->res_id = htons(q->number);
	return nlh;
}

static void on_ack(void *arg, const struct nlmsghdr *nlh)
{
	struct nlmsgerr e;

	if (nlh->nlmsg_type == NLMSG_ERROR && nl_payload(nlh, &e, sizeof(e)))
		*(int *)arg = e.error;
}

static int configure(struct queue *q, const struct nlmsghdr *nlh)
{
	int error = -EIO; /* no answer at all */
	int r;

	if (send(q->fd, nlh, nlh->nlmsg_len, 0) < 0)
		return -errno;
	r = nl_read(q->fd, q->received, sizeof(q->received), on_ack, &error);
	return r < 0 ? r : error;
}

static int bind_queue(struct queue *q, uint32_t capture)
{
	_Alignas(NLMSG_ALIGNTO) uint8_t buf[CONFIG_MAX];
	struct nfqnl_msg_config_cmd cmd = {.command = NFQNL_CFG_CMD_BIND};
	struct nfqnl_msg_config_params params = {
		.copy_range = htonl(capture),
		.copy_mode = NFQNL_COPY_PACKET,
	};
	uint32_t length = htonl(QUEUE_LENGTH);
	/* segments of a large send stay together; checksums that the card would do stay undone */
	uint32_t gso = htonl(NFQA_CFG_F_GSO);
	struct nlmsghdr *nlh = message(q, buf, NFQNL_MSG_CONFIG, NLM_F_ACK);
	int r;

	mnl_attr_put_check(nlh, sizeof(buf), NFQA_CFG_CMD, sizeof(cmd), &cmd);
	r = configure(q, nlh);
	if (r < 0)
		return r;
	nlh = message(q, buf, NFQNL_MSG_CONFIG, NLM_F_ACK);
	mnl_attr_put_check(nlh, sizeof(buf), NFQA_CFG_PARAMS, sizeof(params), &params);
	mnl_attr_put_check(nlh, sizeof(buf), NFQA_CFG_QUEUE_MAXLEN, sizeof(length), &length);
	mnl_attr_put_check(nlh, sizeof(buf), NFQA_CFG_FLAGS, sizeof(gso), &gso);
	mnl_attr_put_check(nlh, sizeof(buf), NFQA_CFG_MASK, sizeof(gso), &gso);
	return configure(q, nlh);
}

int queue_open(uint16_t number, uint32_t capture, struct queue **ret)
{
	static const unsigned int no_groups[] = {0};
	struct queue *q = calloc(1, sizeof(*q));
	int r;

	if (!q)
		return -ENOMEM;
	q->number = number;
	q->fd = nl_listen(NETLINK_NETFILTER, no_groups);
	if (q->fd < 0) {
		r = q->fd;
		free(q);
		return r;
	}
	r = bind_queue(q, capture);
	if (r < 0) {
		queue_close(q);
		return r;
	}
	*ret = q;
	return 0;
}

void queue_close(struct queue *q)
{
	if (!q)
		return;
	close(q->fd);
	free(q);
}

int queue_fd(const struct queue *q)
{
	return q->fd;
}

static void on_message(void *arg, const struct nlmsghdr *nlh)
{
	struct queue *q = arg;
	struct nfqnl_msg_packet_hdr header;
	struct nfgenmsg g;
	bool headed = false;
	uint32_t mark = 0;
	const uint8_t *data = NULL;
	const struct nlattr *attr;
	size_t len = 0;

	if (nlh->nlmsg_type != (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET) ||
		!nl_payload(nlh, &g, sizeof(g)))
		return;
	mnl_attr_for_each (attr, nlh, sizeof(g)) {
		switch (mnl_attr_get_type(attr)) {
		case NFQA_PACKET_HDR:
			headed = nl_attr_copy(attr, &header, sizeof(header));
			break;
		case NFQA_MARK:
			nl_attr_copy(attr, &mark, sizeof(mark));
			break;
		case NFQA_PAYLOAD:
			data = mnl_attr_get_payload(attr);
			len = mnl_attr_get_payload_len(attr);
			break;
		}
	}
	if (headed && data)
		q->fn(q->arg, ntohl(header.packet_id), ntohl(mark), data, len);
	else if (headed)
		queue_verdict(q, ntohl(header.packet_id), false, 0, NULL, 0);
}

void queue_read(struct queue *q, queue_fn fn, void *arg)
{
	int r;

	q->fn = fn;
	q->arg = arg;
	r = nl_read(q->fd, q->received, sizeof(q->received), on_message, q);
	/* the kernel dropped packets that did not fit the socket: their senders try again */
	if (r == -ENOBUFS)
		log_limited("packet queue overran: trapped packets were lost");
	else if (r < 0)
		log_limited("packet queue: %s", strerror(-r));
}

void queue_verdict(struct queue *q, uint32_t id, bool accept, uint32_t mark, const uint8_t *payload,
	size_t len)
{
	_Alignas(NLMSG_ALIGNTO) uint8_t buf[CONFIG_MAX + 4096];
	struct nlmsghdr *nlh = message(q, buf, NFQNL_MSG_VERDICT, 0);
	struct nfqnl_msg_verdict_hdr verdict = {
		.verdict = htonl(accept ? NF_ACCEPT : NF_DROP),
		.id = htonl(id),
	};
	uint32_t mark_be = htonl(mark);
	bool fits =
		mnl_attr_put_check(nlh, sizeof(buf), NFQA_VERDICT_HDR, sizeof(verdict), &verdict);

	if (accept)
		fits = fits &&
		       mnl_attr_put_check(nlh, sizeof(buf), NFQA_MARK, sizeof(mark_be), &mark_be);
	if (payload)
		fits = fits && mnl_attr_put_check(nlh, sizeof(buf), NFQA_PAYLOAD, len, payload);
	if (!fits || send(q->fd, nlh, nlh->nlmsg_len, 0) < 0)
		log_limited("verdict on a held packet: %s", fits ? strerror(errno) : "too long");
}
