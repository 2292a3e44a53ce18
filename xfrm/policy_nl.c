/* SPDX-License-Identifier: BSD-2-Clause */
#include "xfrm/policy_nl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/xfrm.h>
#include <string.h>

#define PORT_MASK 0xffff

static void put_selector(struct xfrm_selector *sel, const struct spd_key *key)
{
	sel->family = key->family;
	sel->proto = key->proto;
	memcpy(&sel->saddr, key->src, sizeof(sel->saddr));
	memcpy(&sel->daddr, key->dst, sizeof(sel->daddr));
	sel->prefixlen_s = key->src_len;
	sel->prefixlen_d = key->dst_len;
	sel->sport = htons(key->sport);
	sel->sport_mask = htons(key->sport ? PORT_MASK : 0);
	sel->dport = htons(key->dport);
	sel->dport_mask = htons(key->dport ? PORT_MASK : 0);
}

/* A mark belongs to a policy's identity. */
static void put_mark(struct nl *nl, const struct spd_key *key)
{
	struct xfrm_mark mark = {.v = XFRM_MARK_RESOLVER, .m = XFRM_MARK_RESOLVER};

	if (key->resolver)
		nl_attr(nl, XFRMA_MARK, &mark, sizeof(mark));
}

static void put_policy(
	struct nl *nl, const struct spd_key *key, const struct spd_value *value, uint32_t lifetime)
{
	struct xfrm_userpolicy_info p = {
		.priority = value->priority,
		.dir = key->dir,
		.action = value->kind == SPD_BLOCK ? XFRM_POLICY_BLOCK : XFRM_POLICY_ALLOW,
		.share = XFRM_SHARE_ANY,
	};
	struct xfrm_user_tmpl tmpl = {
		.id.proto = IPPROTO_ESP,
		.family = key->family,
		.reqid = XFRM_REQID + value->level,
		.mode = XFRM_MODE_TRANSPORT,
		.share = XFRM_SHARE_ANY,
		.aalgos = UINT32_MAX,
		.ealgos = UINT32_MAX,
		.calgos = UINT32_MAX,
	};

	put_selector(&p.sel, key);
	p.lft.soft_byte_limit = p.lft.hard_byte_limit = XFRM_INF;
	p.lft.soft_packet_limit = p.lft.hard_packet_limit = XFRM_INF;
	if (value->mortal)
		p.lft.hard_add_expires_seconds = lifetime;
	nl_begin(nl, XFRM_MSG_UPDPOLICY, 0, &p, sizeof(p));
	put_mark(nl, key);
	if (value->kind == SPD_REQUIRED)
		nl_attr(nl, XFRMA_TMPL, &tmpl, sizeof(tmpl));
}

void policy_put(struct nl *nl, const struct spd_key *key, const struct spd_value *value,
	uint32_t lifetime, nl_done_fn done, void *arg)
{
	if (value->kind == SPD_NONE) {
		struct xfrm_userpolicy_id id = {.dir = key->dir};

		put_selector(&id.sel, key);
		nl_begin(nl, XFRM_MSG_DELPOLICY, 0, &id, sizeof(id));
		put_mark(nl, key);
	} else {
		put_policy(nl, key, value, lifetime);
	}
	nl_end(nl, done, arg);
}

bool policy_is_ours(uint32_t priority)
{
	return priority >= XFRM_PRIO_EXEMPT &&
	       priority <= XFRM_PRIO_RULES + XFRM_PRIO_STEP * XFRM_RANK_MAX;
}

/* A port we can have written: all of it counts, or nothing. */
static bool get_port(uint16_t port, uint16_t mask, uint16_t *ret)
{
	*ret = ntohs(port);
	return (mask == 0 && port == 0) || (ntohs(mask) == PORT_MASK && port != 0);
}

static bool get_selector(const struct xfrm_selector *sel, struct spd_key *key)
{
	key->family = (uint8_t)sel->family;
	key->proto = sel->proto;
	key->src_len = sel->prefixlen_s;
	key->dst_len = sel->prefixlen_d;
	memcpy(key->src, &sel->saddr, sizeof(key->src));
	memcpy(key->dst, &sel->daddr, sizeof(key->dst));
	if (sel->family == AF_INET) {
		memset(key->src + 4, 0, 12);
		memset(key->dst + 4, 0, 12);
	}
	return (sel->family == AF_INET || sel->family == AF_INET6) && !sel->ifindex && !sel->user &&
	       get_port(sel->sport, sel->sport_mask, &key->sport) &&
	       get_port(sel->dport, sel->dport_mask, &key->dport);
}

static bool our_template(const struct xfrm_user_tmpl *t, uint16_t family)
{
	static const xfrm_address_t any;

	return t->id.proto == IPPROTO_ESP && t->reqid - XFRM_REQID < SCOPE_LEVELS &&
	       t->family == family && t->mode == XFRM_MODE_TRANSPORT && !t->optional &&
	       !memcmp(&t->saddr, &any, sizeof(any)) && !memcmp(&t->id.daddr, &any, sizeof(any));
}

/* The kind, by the attributes, with the template's level, and in key whose packets it is for; SPD_NONE
 * for a policy that differs in its identity (another mark, an interface id, another type) and so is not
 * one of ours. */
static enum spd_kind get_kind(const struct nlmsghdr *nlh, size_t header,
	const struct xfrm_userpolicy_info *p, struct spd_key *key, uint8_t *ret_level)
{
	enum spd_kind kind = p->action == XFRM_POLICY_BLOCK ? SPD_BLOCK : SPD_ALLOW;
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, header) {
		switch (mnl_attr_get_type(attr)) {
		case XFRMA_TMPL: {
			struct xfrm_user_tmpl t;
			bool one = mnl_attr_get_payload_len(attr) < 2 * sizeof(t) &&
				   nl_attr_copy(attr, &t, sizeof(t));

			kind = one && our_template(&t, p->sel.family) ? SPD_REQUIRED : SPD_OTHER;
			*ret_level = kind == SPD_REQUIRED ? (uint8_t)(t.reqid - XFRM_REQID) : 0;
			break;
		}
		case XFRMA_POLICY_TYPE: {
			uint8_t type;

			if (nl_attr_copy(attr, &type, 1) && type != XFRM_POLICY_TYPE_MAIN)
				return SPD_NONE;
			break;
		}
		case XFRMA_MARK: {
			struct xfrm_mark mark;

			if (!nl_attr_copy(attr, &mark, sizeof(mark)) || (!mark.v && !mark.m))
				break;
			if (mark.v != XFRM_MARK_RESOLVER || mark.m != XFRM_MARK_RESOLVER)
				return SPD_NONE;
			key->resolver = 1;
			break;
		}
		case XFRMA_IF_ID:
			return SPD_NONE;
		}
	}
	return kind;
}

bool policy_parse_message(const struct nlmsghdr *nlh, struct spd_key *ret_key,
	struct spd_value *ret_value, bool *ret_hard)
{
	struct spd_key key = {0};
	struct spd_value value = {0};
	/* an expiry begins with the policy */
	struct xfrm_user_polexpire e = {0};
	size_t header = nlh->nlmsg_type == XFRM_MSG_POLEXPIRE ? sizeof(e) : sizeof(e.pol);

	if (!nl_payload(nlh, &e, header) || !policy_is_ours(e.pol.priority) ||
		e.pol.dir > XFRM_POLICY_OUT || !get_selector(&e.pol.sel, &key))
		return false;
	key.dir = e.pol.dir;
	value.priority = e.pol.priority;
	value.kind = (uint8_t)get_kind(nlh, header, &e.pol, &key, &value.level);
	value.mortal = e.pol.lft.hard_add_expires_seconds != 0;
	if (value.kind == SPD_NONE)
		return false;
	*ret_key = key;
	*ret_value = value;
	if (ret_hard)
		*ret_hard = e.hard != 0;
	return true;
}

struct dump {
	policy_fn fn;
	void *arg;
};

static void on_policy(void *arg, const struct nlmsghdr *nlh)
{
	struct dump *dump = arg;
	struct spd_key key;
	struct spd_value value;

	if (nlh->nlmsg_type == XFRM_MSG_NEWPOLICY && policy_parse_message(nlh, &key, &value, NULL))
		dump->fn(dump->arg, &key, &value);
}

int policy_dump(struct nl *nl, policy_fn fn, void *arg)
{
	struct xfrm_userpolicy_id id = {0};
	struct dump dump = {.fn = fn, .arg = arg};
	int r;

	/* what was seen twice is told twice, which does no harm */
	for (int tries = 0; tries < 5; tries++) {
		r = nl_query(nl, XFRM_MSG_GETPOLICY, NLM_F_DUMP, &id, sizeof(id), on_policy, &dump);
		if (r != -EINTR)
			break;
	}
	return r;
}
