/* SPDX-License-Identifier: BSD-2-Clause */
#include "xfrm/netlink.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* netlink_sendmsg() refuses more than the send buffer, whose usual size is 208 KiB. */
#define BATCH_BYTES (128 * 1024)
#define BATCH_MESSAGES 512
/* An SA with its key and the widest replay window is the longest message. */
#define MESSAGE_MAX 2048
#define RECEIVE_BYTES (64 * 1024)
/* 512 acknowledgements, each counted with its sk_buff. */
#define SOCKET_BUFFER (4 << 20)

struct answer {
	nl_done_fn done;
	void *arg;
	bool open;
};

struct nl {
	int fd;
	uint32_t seq; /* of the first message of the batch */
	unsigned int n;
	size_t len;
	struct nlmsghdr *current;
	int error;        /* the first that nobody took */
	bool interrupted; /* the dump being read is not a consistent one */
	struct answer answers[BATCH_MESSAGES];
	_Alignas(NLMSG_ALIGNTO) uint8_t batch[BATCH_BYTES];
	_Alignas(NLMSG_ALIGNTO) uint8_t received[RECEIVE_BYTES];
};

static void widen(int fd)
{
	int size = SOCKET_BUFFER;

	/* a host where this is refused has the default: fewer, not none */
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
}

static int bound_socket(int bus, int flags)
{
	struct sockaddr_nl me = {.nl_family = AF_NETLINK};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, bus);
	int r;

	if (fd < 0)
		return -errno;
	widen(fd);
	if (bind(fd, (struct sockaddr *)&me, sizeof(me)) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

int nl_open(int bus, struct nl **ret)
{
	struct timeval patience = {.tv_sec = 10};
	int fd = bound_socket(bus, 0), one = 1;
	struct nl *nl;

	if (fd < 0)
		return fd;
	/* no copy of the request in an error: it may hold a key */
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	/* an answer that never comes must not hang the process: the kernel was out of memory */
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	nl = calloc(1, sizeof(*nl));
	if (!nl) {
		close(fd);
		return -ENOMEM;
	}
	nl->fd = fd;
	nl->seq = 1;
	*ret = nl;
	return 0;
}

void nl_close(struct nl *nl)
{
	if (!nl)
		return;
	close(nl->fd);
	OPENSSL_cleanse(nl->batch, nl->len);
	free(nl);
}

static void answered(struct nl *nl, struct answer *a, int error)
{
	if (!a->open)
		return;
	a->open = false;
	if (a->done)
		a->done(a->arg, error);
	else if (error && !nl->error)
		nl->error = error;
}

/* The answers among what was received; returns how many. */
static unsigned int take_answers(struct nl *nl, size_t len)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)nl->received;
	int left = (int)len;
	unsigned int taken = 0;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		struct nlmsgerr e;
		uint32_t index = nlh->nlmsg_seq - nl->seq;

		/* ALLOCSPI also answers with the state */
		if (nlh->nlmsg_type != NLMSG_ERROR || index >= nl->n ||
			!nl_payload(nlh, &e, sizeof(e)))
			continue;
		if (nl->answers[index].open)
			taken++;
		answered(nl, &nl->answers[index], e.error);
	}
	return taken;
}

/* Whether the datagram just received is the kernel's. */
static ssize_t receive(int fd, void *buf, size_t cap, bool *ret_kernel)
{
	struct sockaddr_nl from = {0};
	socklen_t from_len = sizeof(from);
	ssize_t n;

	do
		n = recvfrom(fd, buf, cap, 0, (struct sockaddr *)&from, &from_len);
	while (n < 0 && errno == EINTR);
	*ret_kernel = from_len == sizeof(from) && from.nl_pid == 0;
	return n < 0 ? -errno : n;
}

static int send_to_kernel(int fd, const void *data, size_t len)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	ssize_t n;

	do
		n = sendto(fd, data, len, 0, (struct sockaddr *)&kernel, sizeof(kernel));
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

static void send_batch(struct nl *nl)
{
	unsigned int left = nl->n;
	int r;

	assert(!nl->current);
	if (!left)
		return;
	r = send_to_kernel(nl->fd, nl->batch, nl->len);
	while (!r && left) {
		bool kernel;
		ssize_t n = receive(nl->fd, nl->received, sizeof(nl->received), &kernel);

		if (n < 0)
			r = (int)n;
		else if (kernel)
			left -= take_answers(nl, (size_t)n);
	}
	for (unsigned int i = 0; r && i < nl->n; i++)
		answered(nl, &nl->answers[i], r);
	OPENSSL_cleanse(nl->batch, nl->len);
	nl->seq += nl->n;
	nl->n = 0;
	nl->len = 0;
}

void nl_begin(struct nl *nl, uint16_t type, uint16_t flags, const void *header, size_t len)
{
	if (nl->n == BATCH_MESSAGES || sizeof(nl->batch) - nl->len < MESSAGE_MAX)
		send_batch(nl);
	nl->current = mnl_nlmsg_put_header(nl->batch + nl->len);
	nl->current->nlmsg_type = type;
	nl->current->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	nl->current->nlmsg_seq = nl->seq + nl->n;
	memcpy(mnl_nlmsg_put_extra_header(nl->current, len), header, len);
}

void nl_attr(struct nl *nl, uint16_t type, const void *data, size_t len)
{
	bool fits = mnl_attr_put_check(nl->current, MESSAGE_MAX, type, len, data);

	assert(fits);
	(void)fits;
}

void nl_end(struct nl *nl, nl_done_fn done, void *arg)
{
	nl->answers[nl->n++] = (struct answer){.done = done, .arg = arg, .open = true};
	nl->len += MNL_ALIGN(nl->current->nlmsg_len);
	nl->current = NULL;
}

int nl_flush(struct nl *nl)
{
	int r;

	send_batch(nl);
	r = nl->error;
	nl->error = 0;
	return r;
}

/* Hands on the messages of one datagram; returns 1 where more is to come. */
static int take_query(struct nl *nl, size_t len, uint32_t seq, nl_message_fn fn, void *arg)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)nl->received;
	int left = (int)len;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		if (nlh->nlmsg_seq != seq)
			continue;
		nl->interrupted |= (nlh->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
		if (nlh->nlmsg_type == NLMSG_DONE)
			return nl->interrupted ? -EINTR : 0;
		if (nlh->nlmsg_type == NLMSG_ERROR) {
			struct nlmsgerr e;

			return nl_payload(nlh, &e, sizeof(e)) ? e.error : -EBADMSG;
		}
		fn(arg, nlh);
		if (!(nlh->nlmsg_flags & NLM_F_MULTI))
			return 0;
	}
	return 1;
}

int nl_query(struct nl *nl, uint16_t type, uint16_t flags, const void *header, size_t len,
	nl_message_fn fn, void *arg)
{
	_Alignas(NLMSG_ALIGNTO) uint8_t request[256] = {0};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(request);
	int r;

	assert(!nl->n && len <= sizeof(request) - MNL_NLMSG_HDRLEN);
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = nl->seq++;
	if (len)
		memcpy(mnl_nlmsg_put_extra_header(nlh, len), header, len);
	nl->interrupted = false;
	r = send_to_kernel(nl->fd, request, nlh->nlmsg_len);
	if (!r)
		r = 1;
	while (r == 1) {
		bool kernel;
		ssize_t n = receive(nl->fd, nl->received, sizeof(nl->received), &kernel);

		if (n < 0)
			return (int)n;
		if (kernel)
			r = take_query(nl, (size_t)n, nlh->nlmsg_seq, fn, arg);
		OPENSSL_cleanse(nl->received, (size_t)n);
	}
	return r;
}

int nl_listen(int bus, const unsigned int *groups)
{
	int fd = bound_socket(bus, SOCK_NONBLOCK);

	for (; fd >= 0 && *groups; groups++)
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, groups, sizeof(*groups)) <
			0) {
			int r = -errno;

			close(fd);
			return r;
		}
	return fd;
}

int nl_read(int fd, void *buf, size_t cap, nl_message_fn fn, void *arg)
{
	bool lost = false;

	for (;;) {
		bool kernel;
		ssize_t n = receive(fd, buf, cap, &kernel);
		const struct nlmsghdr *nlh = buf;
		int left = (int)n;

		if (n == -EAGAIN)
			return lost ? -ENOBUFS : 0;
		lost |= n == -ENOBUFS;
		if (n == -ENOBUFS || (n >= 0 && !kernel))
			continue;
		if (n < 0)
			return (int)n;
		for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
			fn(arg, nlh);
	}
}

bool nl_payload(const struct nlmsghdr *nlh, void *ret, size_t len)
{
	if (mnl_nlmsg_get_payload_len(nlh) < len)
		return false;
	memcpy(ret, mnl_nlmsg_get_payload(nlh), len);
	return true;
}

bool nl_attr_copy(const struct nlattr *attr, void *ret, size_t len)
{
	if (mnl_attr_get_payload_len(attr) < len)
		return false;
	memcpy(ret, mnl_attr_get_payload(attr), len);
	return true;
}
