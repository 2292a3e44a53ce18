/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The xfrm service between the agent and a kernel that says anything: messages of the agent come over a
 * true channel with the service's own table, the kernel's through a double of netlink.c. Nothing reaches
 * the kernel that this runs on.
 *
 * The input is a list of {what, which, length, bytes}: see enum what.
 */
#include "xfrm/stray.c" /* to have none of its sockets */
#include "xfrm/xfrm.c"  /* its table of requests, and its end */

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "base/wire.h"
#include "tests/fuzz/fuzz.h"

#define STEPS_MAX 64
#define MESSAGE_MAX 4096

enum what {
	WHAT_REQUEST, /* the bytes are fixed part and tail, zeroes for what is missing */
	WHAT_RAW,     /* a whole packet, as it is */
	WHAT_XFRM,    /* of the XFRM groups: the bytes behind the header */
	WHAT_QUEUE,   /* of NFQUEUE */
	WHAT_PACKET,  /* the same, with a packet made of the bytes */
	WHAT_ROUTE,   /* of rtnetlink */
	WHAT_ANSWER,  /* what the next question to the kernel gets */
	WHAT_ERROR,   /* what the next requests get */
	WHAT_TIME,
	WHATS,
};

static struct {
	uint64_t now;
	int ends[16]; /* the kernel's end of sockets */
	size_t n_ends;
	const struct nlmsghdr *next; /* for nl_read() */
	_Alignas(16) uint8_t answer[MESSAGE_MAX];
	size_t answer_len;
	int error;
} kernel;

/* ---- the doubles */

uint64_t service_now(void)
{
	return kernel.now;
}

int service_main(const struct service *s)
{
	return s == NULL;
}

struct hook *hook_open(void)
{
	return NULL;
}

void hook_close(struct hook *hook)
{
	(void)hook;
}

enum xfrm_hold hook_kind(const struct hook *hook)
{
	(void)hook;
	return XFRM_HOLD_NFT;
}

const char *hook_why(const struct hook *hook)
{
	(void)hook;
	return "";
}

void hook_remove(struct hook *hook)
{
	(void)hook;
}

struct nl {
	uint8_t message[MESSAGE_MAX];
	struct nlmsghdr *current;
	nl_done_fn done[64];
	void *arg[64];
	size_t n;
};

int nl_open(int bus, struct nl **ret)
{
	(void)bus;
	*ret = calloc(1, sizeof(**ret));
	expect(*ret != NULL);
	return 0;
}

void nl_close(struct nl *nl)
{
	free(nl);
}

void nl_begin(struct nl *nl, uint16_t type, uint16_t flags, const void *header, size_t len)
{
	if (nl->n == N(nl->done))
		nl_flush(nl);
	nl->current = mnl_nlmsg_put_header(nl->message);
	nl->current->nlmsg_type = type;
	nl->current->nlmsg_flags = flags;
	memcpy(mnl_nlmsg_put_extra_header(nl->current, len), header, len);
}

void nl_attr(struct nl *nl, uint16_t type, const void *data, size_t len)
{
	expect(mnl_attr_put_check(nl->current, 2048, type, len, data));
}

void nl_end(struct nl *nl, nl_done_fn done, void *arg)
{
	nl->done[nl->n] = done;
	nl->arg[nl->n++] = arg;
}

int nl_flush(struct nl *nl)
{
	int error = kernel.error, r = 0;
	size_t n = nl->n;

	nl->n = 0;
	for (size_t i = 0; i < n; i++) {
		if (nl->done[i])
			nl->done[i](nl->arg[i], error);
		else if (error)
			r = error;
	}
	return r;
}

int nl_query(struct nl *nl, uint16_t type, uint16_t flags, const void *header, size_t len,
	nl_message_fn fn, void *arg)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)kernel.answer;
	int left = (int)kernel.answer_len;

	(void)nl, (void)type, (void)flags, (void)header, (void)len;
	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
		fn(arg, nlh);
	return kernel.error;
}

int nl_listen(int bus, const unsigned int *groups)
{
	int fds[2];

	(void)bus, (void)groups;
	expect(kernel.n_ends < N(kernel.ends));
	expect(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds) == 0);
	kernel.ends[kernel.n_ends++] = fds[0];
	return fds[1];
}

int nl_read(int fd, void *buf, size_t cap, nl_message_fn fn, void *arg)
{
	const struct nlmsghdr *nlh = kernel.next;
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
	} ack = {.h = {.nlmsg_len = sizeof(ack), .nlmsg_type = NLMSG_ERROR}};

	(void)fd, (void)cap, (void)buf;
	kernel.next = NULL;
	fn(arg, nlh ? nlh : &ack.h); /* without anything else: the setup's answer */
	return kernel.error == -ENOBUFS ? -ENOBUFS : 0;
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

/* ---- the world */

struct world {
	struct event_base *base;
	struct xfrm *x;
	int agent; /* the agent's end of the channel */
};

static void on_closed(void *arg, int error)
{
	struct world *w = arg;

	(void)error;
	msg_channel_free(w->x->agent);
	w->x->agent = NULL;
	close(w->agent);
	w->agent = -1;
}

static void on_message(void *arg, uint16_t type, const void *fixed, const uint8_t *tail, size_t len)
{
	struct world *w = arg;

	service.on_message(w->x, type, fixed, tail, len);
}

static void connect_agent(struct world *w)
{
	int fds[2];

	if (w->x->agent)
		return;
	expect(msg_pair(fds) == 0);
	w->agent = fds[0];
	w->x->agent = msg_channel_new(
		w->base, fds[1], service.specs, service.n_specs, on_message, on_closed, w);
}

/* What the service says is as its table promises. Returns the length of the message and of the zeros
 * behind it. */
static size_t check_message(const uint8_t *p, size_t len)
{
	uint16_t type;
	uint32_t length;
	size_t i;

	expect(len >= 8);
	memcpy(&type, p, sizeof(type));
	memcpy(&length, p + 4, sizeof(length));
	for (i = 0; i < xfrm_n_events && xfrm_events[i].type != type; i++)
		;
	expect(i < xfrm_n_events && length == xfrm_events[i].fixed && 8 + length <= len);
	return (8 + length + 15) / 16 * 16;
}

static void hear(struct world *w)
{
	static uint8_t buf[MSG_MAX + 64];
	ssize_t n;

	while (w->agent >= 0 && (n = recv(w->agent, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
		for (size_t at = 0; at < (size_t)n;)
			at += check_message(buf + at, (size_t)n - at);
}

static void loop(struct world *w)
{
	char junk[8192];

	event_base_loop(w->base, EVLOOP_NONBLOCK);
	hear(w);
	for (size_t i = 0; i < kernel.n_ends; i++)
		while (recv(kernel.ends[i], junk, sizeof(junk), MSG_DONTWAIT) > 0)
			;
}

static void tell(struct world *w, uint16_t type, const uint8_t *body, size_t len, size_t claimed)
{
	uint8_t buf[8 + MESSAGE_MAX] = {0};
	uint32_t length = (uint32_t)claimed;

	memcpy(buf, &type, sizeof(type));
	memcpy(buf + 4, &length, sizeof(length));
	if (len)
		memcpy(buf + 8, body, len);
	if (w->agent >= 0)
		(void)!send(w->agent, buf, 8 + claimed, MSG_DONTWAIT | MSG_NOSIGNAL);
	loop(w);
}

static void request(struct world *w, uint8_t which, const uint8_t *bytes, size_t len)
{
	const struct msg_spec *spec = &service.specs[which % service.n_specs];
	size_t tail = len > spec->fixed ? len - spec->fixed : 0;

	if (tail > spec->tail_max)
		tail = spec->tail_max;
	if (spec->tail_unit > 1)
		tail -= tail % spec->tail_unit;
	if (len > spec->fixed + tail)
		len = spec->fixed + tail;
	/* all but the end of the service, which is tried when the input ends */
	if (spec->type != XFRM_REQ_STOP)
		tell(w, spec->type, bytes, len, spec->fixed + tail);
}

/* A message of the kernel, in multiples of four bytes as it sends them. */
static void say(struct world *w, enum what what, uint16_t type, const uint8_t *bytes, size_t len)
{
	_Alignas(16) static uint8_t buf[MESSAGE_MAX + 64];
	size_t whole = sizeof(struct nlmsghdr) + (len & ~(size_t)3);
	struct nlmsghdr *copy, *nlh = (struct nlmsghdr *)buf;

	*nlh = (struct nlmsghdr){.nlmsg_len = (uint32_t)whole, .nlmsg_type = type};
	if (whole > sizeof(*nlh))
		memcpy(buf + sizeof(*nlh), bytes, whole - sizeof(*nlh));
	copy = (struct nlmsghdr *)fuzz_copy(buf, whole);
	kernel.next = copy;
	if (what == WHAT_XFRM) {
		event_active(w->x->events[EV_WATCH], EV_READ, 0);
	} else if (what == WHAT_ROUTE) {
		event_active(w->x->events[EV_ADDRS], EV_READ, 0);
	} else if (w->x->events[EV_QUEUE]) {
		event_active(w->x->events[EV_QUEUE], EV_READ, 0);
	}
	loop(w);
	kernel.next = NULL;
	free(copy);
}

static void say_packet(struct world *w, uint8_t id, const uint8_t *bytes, size_t len)
{
	_Alignas(16) uint8_t buf[MESSAGE_MAX + 256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfqnl_msg_packet_hdr header = {.packet_id = id};
	struct nfgenmsg *g = mnl_nlmsg_put_extra_header(nlh, sizeof(*g));

	memset(g, 0, sizeof(*g));
	mnl_attr_put(nlh, NFQA_PACKET_HDR, sizeof(header), &header);
	mnl_attr_put(nlh, NFQA_PAYLOAD, len, bytes);
	say(w, WHAT_QUEUE, NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET, buf + sizeof(*nlh),
		nlh->nlmsg_len - sizeof(*nlh));
}

static void remember_answer(uint16_t type, const uint8_t *bytes, size_t len)
{
	size_t whole = sizeof(struct nlmsghdr) + (len & ~(size_t)3);
	struct nlmsghdr h = {.nlmsg_len = (uint32_t)whole, .nlmsg_type = type};

	if (whole > sizeof(kernel.answer) - kernel.answer_len)
		kernel.answer_len = 0;
	memcpy(kernel.answer + kernel.answer_len, &h, sizeof(h));
	if (whole > sizeof(h))
		memcpy(kernel.answer + kernel.answer_len + sizeof(h), bytes, whole - sizeof(h));
	kernel.answer_len += whole;
}

static void step(struct world *w, uint8_t what, uint8_t which, const uint8_t *bytes, size_t len)
{
	static const uint16_t types[] = {XFRM_MSG_ACQUIRE, XFRM_MSG_EXPIRE, XFRM_MSG_POLEXPIRE,
		XFRM_MSG_NEWSA, XFRM_MSG_NEWPOLICY, RTM_NEWADDR, RTM_DELADDR, RTM_NEWROUTE,
		RTM_NEWLINK};
	static const int errors[] = {0, -ENOENT, -EEXIST, -ENOBUFS, -EINTR, -ENOMEM, -ESRCH, 0};

	connect_agent(w);
	switch ((enum what)(what % WHATS)) {
	case WHAT_REQUEST:
		request(w, which, bytes, len);
		break;
	case WHAT_RAW:
		(void)!send(w->agent, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		loop(w);
		break;
	case WHAT_XFRM:
		say(w, WHAT_XFRM, types[which % 3], bytes, len);
		break;
	case WHAT_QUEUE:
		say(w, WHAT_QUEUE, NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET, bytes, len);
		break;
	case WHAT_PACKET:
		say_packet(w, which, bytes, len);
		break;
	case WHAT_ROUTE:
		say(w, WHAT_ROUTE, types[5 + which % 2], bytes, len);
		break;
	case WHAT_ANSWER:
		remember_answer(types[which % N(types)], bytes, len);
		break;
	case WHAT_ERROR:
		kernel.error = errors[which % N(errors)];
		break;
	case WHAT_TIME:
		kernel.now += (uint64_t)which * which * 10000;
		event_active(w->x->events[which & 1 ? EV_TICK : EV_ACQUIRE], EV_TIMEOUT, 0);
		loop(w);
		break;
	case WHATS:
		break;
	}
}

static struct world *world_new(void)
{
	struct world *w = calloc(1, sizeof(*w));
	struct xfrm *x = calloc(1, sizeof(*x));

	expect(w && x);
	memset(&kernel, 0, sizeof(kernel));
	kernel.now = 1000000;
	w->base = x->base = event_base_new();
	w->x = x;
	w->agent = x->stat = x->raw[0] = x->raw[1] = -1;
	expect(nl_open(NETLINK_XFRM, &x->nl) == 0);
	x->watch = nl_listen(NETLINK_XFRM, NULL);
	expect(addrs_open(&x->addrs, xfrm_on_local, x) == 0);
	expect(queue_open(XFRM_QUEUE, HOLD_CAPTURE, &x->queue) == 0);
	x->stray = calloc(1, sizeof(*x->stray));
	expect(x->stray != NULL);
	for (size_t i = 0; i < STRAY_SOCKETS; i++)
		x->stray->fd[i] = -1;
	x->spd = spd_new();
	x->sad = sad_new();
	x->hold = hold_new(&xfrm_hold_effects, x);
	connect_agent(w);
	expect(xfrm_adopt(x) == 0);
	xfrm_listen(x);
	return w;
}

static void world_free(struct world *w)
{
	xfrm_remove_all(w->x);
	msg_channel_free(w->x->agent);
	if (w->agent >= 0)
		close(w->agent);
	xfrm_free(w->x);
	for (size_t i = 0; i < kernel.n_ends; i++)
		close(kernel.ends[i]);
	event_base_free(w->base);
	free(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct wire_reader r = wire_reader(data, len);
	struct world *w = world_new();

	for (int i = 0; i < STEPS_MAX && wire_left(&r); i++) {
		uint8_t what = wire_u8(&r), which = wire_u8(&r);
		size_t n = wire_u16(&r);

		if (n > wire_left(&r))
			n = wire_left(&r);
		if (n > MESSAGE_MAX / 2)
			n = MESSAGE_MAX / 2;
		step(w, what, which, wire_bytes(&r, n), n);
	}
	world_free(w);
	return 0;
}
