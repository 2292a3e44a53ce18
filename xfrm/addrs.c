/* SPDX-License-Identifier: BSD-2-Clause */
#include "xfrm/addrs.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "xfrm/netlink.h"

struct addrs {
	struct nl *nl;
	int fd;
	addrs_fn fn;
	void *arg;
	struct own *list;
	bool *seen; /* beside list: met in the dump being read */
	size_t n;
	size_t cap;
	bool changed;
	_Alignas(NLMSG_ALIGNTO) uint8_t received[32 * 1024];
};

bool own_may_be_local(const struct own *own)
{
	const struct addr *a = &own->addr;

	return !addr_is_loopback(a) && !addr_is_link_local(a) && !addr_is_any(a) &&
	       !addr_is_multicast(a);
}

bool addrs_is_local(const struct addrs *a, const struct addr *addr)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->list[i].usable && own_may_be_local(&a->list[i]) &&
			addr_equal(&a->list[i].addr, addr))
			return true;
	return false;
}

/* ---- the list */

static size_t find(const struct addrs *a, const struct own *own)
{
	size_t i;

	for (i = 0; i < a->n; i++)
		if (a->list[i].ifindex == own->ifindex && addr_equal(&a->list[i].addr, &own->addr))
			break;
	return i;
}

static void add(struct addrs *a, const struct own *own)
{
	size_t i = find(a, own);

	if (i == a->n) {
		if (a->n == a->cap) {
			a->cap = a->cap ? 2 * a->cap : 16;
			a->list = realloc(a->list, a->cap * sizeof(*a->list));
			a->seen = realloc(a->seen, a->cap * sizeof(*a->seen));
			if (!a->list || !a->seen) {
				log_error("out of memory");
				abort();
			}
		}
		a->n++;
		a->changed = true;
	} else {
		a->changed |= a->list[i].usable != own->usable ||
			      !addr_equal(&a->list[i].broadcast, &own->broadcast);
	}
	a->list[i] = *own;
	a->seen[i] = true;
}

static void remove_at(struct addrs *a, size_t i)
{
	if (i == a->n)
		return;
	a->n--;
	a->list[i] = a->list[a->n];
	a->seen[i] = a->seen[a->n];
	a->changed = true;
}

static void get_addr(uint8_t family, const struct nlattr *attr, struct addr *ret)
{
	uint8_t bytes[16];

	if (!nl_attr_copy(attr, bytes, family == AF_INET ? 4 : 16))
		return;
	*ret = family == AF_INET ? addr_from_v4(bytes) : addr_from_v6(bytes);
}

static bool parse_own(const struct nlmsghdr *nlh, struct own *ret)
{
	struct ifaddrmsg msg;
	struct addr address = {0}, local = {0}, broadcast = {0};
	const struct nlattr *attr;
	uint32_t flags;

	if (!nl_payload(nlh, &msg, sizeof(msg)) ||
		(msg.ifa_family != AF_INET && msg.ifa_family != AF_INET6))
		return false;
	flags = msg.ifa_flags;
	mnl_attr_for_each (attr, nlh, sizeof(msg)) {
		switch (mnl_attr_get_type(attr)) {
		case IFA_ADDRESS:
			get_addr(msg.ifa_family, attr, &address);
			break;
		case IFA_LOCAL: /* where it differs from IFA_ADDRESS, that is the other end's */
			get_addr(msg.ifa_family, attr, &local);
			break;
		case IFA_BROADCAST:
			get_addr(msg.ifa_family, attr, &broadcast);
			break;
		case IFA_FLAGS:
			nl_attr_copy(attr, &flags, sizeof(flags));
			break;
		}
	}
	*ret = (struct own){
		.ifindex = (int)msg.ifa_index,
		.addr = local.family ? local : address,
		.broadcast = broadcast,
		/* RFC 4862 5.4, RFC 4429 for the optimistic */
		.usable = !(flags & IFA_F_DADFAILED) &&
			  (!(flags & IFA_F_TENTATIVE) || (flags & IFA_F_OPTIMISTIC)),
	};
	return ret->addr.family != 0;
}

static void on_message(void *arg, const struct nlmsghdr *nlh)
{
	struct addrs *a = arg;
	struct own own;

	if (nlh->nlmsg_type == RTM_NEWADDR && parse_own(nlh, &own))
		add(a, &own);
	else if (nlh->nlmsg_type == RTM_DELADDR && parse_own(nlh, &own))
		remove_at(a, find(a, &own));
}

static int dump(struct addrs *a)
{
	struct ifaddrmsg all = {.ifa_family = AF_UNSPEC};
	int r = -EINTR;

	for (int tries = 0; r == -EINTR && tries < 5; tries++) {
		if (a->n)
			memset(a->seen, 0, a->n * sizeof(*a->seen));
		r = nl_query(a->nl, RTM_GETADDR, NLM_F_DUMP, &all, sizeof(all), on_message, a);
	}
	if (r < 0)
		return r;
	for (size_t i = a->n; i-- > 0;)
		if (!a->seen[i])
			remove_at(a, i);
	return 0;
}

int addrs_open(struct addrs **ret, addrs_fn fn, void *arg)
{
	static const unsigned int groups[] = {RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, 0};
	struct addrs *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return -ENOMEM;
	a->fn = fn;
	a->arg = arg;
	/* first the events, then the dump: nothing falls between */
	r = a->fd = nl_listen(NETLINK_ROUTE, groups);
	if (r >= 0)
		r = nl_open(NETLINK_ROUTE, &a->nl);
	if (r >= 0)
		r = dump(a);
	if (r < 0) {
		addrs_close(a);
		return r;
	}
	*ret = a;
	return 0;
}

void addrs_close(struct addrs *a)
{
	if (!a)
		return;
	if (a->fd >= 0)
		close(a->fd);
	nl_close(a->nl);
	free(a->list);
	free(a->seen);
	free(a);
}

int addrs_fd(const struct addrs *a)
{
	return a->fd;
}

const struct own *addrs_list(const struct addrs *a, size_t *ret_n)
{
	*ret_n = a->n;
	return a->list;
}

/* The usable local addresses, each once. */
static size_t snapshot(const struct addrs *a, struct addr **ret)
{
	struct addr *set = calloc(a->n + 1, sizeof(*set));
	size_t n = 0;

	if (!set) {
		log_error("out of memory");
		abort();
	}
	for (size_t i = 0; i < a->n; i++) {
		bool dup = false;

		for (size_t j = 0; j < n; j++)
			dup |= addr_equal(&set[j], &a->list[i].addr);
		if (!dup && addrs_is_local(a, &a->list[i].addr))
			set[n++] = a->list[i].addr;
	}
	*ret = set;
	return n;
}

static bool contains(const struct addr *set, size_t n, const struct addr *addr)
{
	for (size_t i = 0; i < n; i++)
		if (addr_equal(&set[i], addr))
			return true;
	return false;
}

bool addrs_read(struct addrs *a)
{
	struct addr *before, *after;
	size_t n_before = snapshot(a, &before), n_after;
	int r;

	a->changed = false;
	r = nl_read(a->fd, a->received, sizeof(a->received), on_message, a);
	if (r == -ENOBUFS)
		r = dump(a);
	if (r < 0)
		log_limited("reading the host's addresses: %s", strerror(-r));
	n_after = snapshot(a, &after);
	for (size_t i = 0; i < n_before; i++)
		if (!contains(after, n_after, &before[i]))
			a->fn(a->arg, &before[i], false);
	for (size_t i = 0; i < n_after; i++)
		if (!contains(before, n_before, &after[i]))
			a->fn(a->arg, &after[i], true);
	free(before);
	free(after);
	return a->changed;
}

/* ---- MTU */

struct route {
	uint32_t ifindex;
	uint32_t mtu;
};

static void on_route(void *arg, const struct nlmsghdr *nlh)
{
	struct route *route = arg;
	const struct nlattr *attr, *metric;
	struct rtmsg msg;

	if (nlh->nlmsg_type != RTM_NEWROUTE || !nl_payload(nlh, &msg, sizeof(msg)))
		return;
	mnl_attr_for_each (attr, nlh, sizeof(msg)) {
		if (mnl_attr_get_type(attr) == RTA_OIF)
			nl_attr_copy(attr, &route->ifindex, sizeof(route->ifindex));
		if (mnl_attr_get_type(attr) != RTA_METRICS)
			continue;
		mnl_attr_for_each_nested (metric, attr)
			if (mnl_attr_get_type(metric) == RTAX_MTU)
				nl_attr_copy(metric, &route->mtu, sizeof(route->mtu));
	}
}

static void on_link(void *arg, const struct nlmsghdr *nlh)
{
	struct ifinfomsg msg;
	const struct nlattr *attr;

	if (nlh->nlmsg_type != RTM_NEWLINK || !nl_payload(nlh, &msg, sizeof(msg)))
		return;
	mnl_attr_for_each (attr, nlh, sizeof(msg))
		if (mnl_attr_get_type(attr) == IFLA_MTU)
			nl_attr_copy(attr, arg, sizeof(uint32_t));
}

uint32_t addrs_mtu(struct addrs *a, const struct pair *pair)
{
	size_t size = addr_size(&pair->remote), len;
	struct {
		struct rtmsg rtm;
		struct nlattr dst;
		uint8_t bytes[16];
	} ask = {
		.rtm = {.rtm_family = pair->remote.family, .rtm_dst_len = (uint8_t)(8 * size)},
		.dst = {.nla_len = (uint16_t)(sizeof(struct nlattr) + size), .nla_type = RTA_DST},
	};
	struct ifinfomsg link = {.ifi_family = AF_UNSPEC};
	struct route route = {0};
	uint32_t mtu = 0;

	memcpy(ask.bytes, pair->remote.b, size);
	len = sizeof(ask) - sizeof(ask.bytes) + size;
	if (nl_query(a->nl, RTM_GETROUTE, 0, &ask, len, on_route, &route) < 0 || !route.ifindex)
		return 0;
	link.ifi_index = (int)route.ifindex;
	if (nl_query(a->nl, RTM_GETLINK, 0, &link, sizeof(link), on_link, &mtu) < 0)
		return route.mtu;
	return route.mtu && route.mtu < mtu ? route.mtu : mtu;
}
