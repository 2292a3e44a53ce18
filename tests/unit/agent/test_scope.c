/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines with protocol and ports: whose decision a flow waits for, and what a peer that calls gets. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/agent/peers.h"

#define INBOUND IKE_HANDLE_INBOUND

/* The last message of each kind. */
struct world {
	struct oe_peers *ps;
	struct conf conf;
	struct policy *policy;
	uint64_t now;
	struct dns_lookup lookup;
	struct ike_connect connect;
	struct ike_accept accept;
	struct ike_authorize authorize;
	struct xfrm_sa in, out;
	struct xfrm_sa_id deleted;
	struct xfrm_decide decide;
	struct ike_moved moved;
	struct ike_rekey rekey;
	struct ike_close closed;
	unsigned int lookups, connects, authorizes, decides;
};

static void on_send(void *arg, enum oe_service to, uint16_t type, const void *fixed,
	size_t fixed_len, const void *tail, size_t tail_len)
{
	struct world *w = arg;
	const struct {
		uint16_t type;
		void *at;
		unsigned int *count;
	} kinds[] = {{DNS_REQ_LOOKUP, &w->lookup, &w->lookups},
		{IKE_REQ_CONNECT, &w->connect, &w->connects}, {IKE_REQ_ACCEPT, &w->accept, NULL},
		{IKE_REQ_AUTHORIZE, &w->authorize, &w->authorizes}, {XFRM_REQ_SA_IN, &w->in, NULL},
		{XFRM_REQ_SA_OUT, &w->out, NULL}, {XFRM_REQ_SA_DELETE, &w->deleted, NULL},
		{XFRM_REQ_DECIDE, &w->decide, &w->decides}, {IKE_REQ_MOVED, &w->moved, NULL},
		{IKE_REQ_REKEY, &w->rekey, NULL}, {IKE_REQ_CLOSE, &w->closed, NULL}};

	(void)to, (void)tail, (void)tail_len;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (kinds[i].type != type)
			continue;
		memcpy(kinds[i].at, fixed, fixed_len);
		if (kinds[i].count)
			++*kinds[i].count;
	}
}

/* private_or_clear lines, and private ones. */
static struct world *world(const char *p_o_c, const char *private)
{
	struct world *w = calloc(1, sizeof(*w));
	struct oe_effects fx = {.arg = w, .send = on_send};

	w->policy = rules("private-or-clear", p_o_c);
	add_rules(w->policy, "private", private);
	w->now = 1000 * SECOND;
	w->ps = peers_new(&fx, &w->conf, w->policy, w->now);
	return w;
}

static void end(struct world *w)
{
	oe_peers_free(w->ps);
	policy_free(w->policy);
	free(w);
}

static struct pair pair_of(struct scope scope)
{
	struct pair p = {.scope = scope};

	addr_parse("198.18.0.1", &p.local);
	addr_parse("198.18.0.2", &p.remote);
	return p;
}

static struct scope tcp(uint16_t sport, uint16_t dport)
{
	return (struct scope){.proto = IPPROTO_TCP, .sport = sport, .dport = dport};
}

static const struct oe_peer *peer(const struct world *w, struct scope scope)
{
	struct pair pair = pair_of(scope);

	return oe_peers_find(w->ps, &pair);
}

static void event(struct world *w, uint16_t type, const void *fixed)
{
	peers_event(w->ps, type, fixed, w->now);
}

static void trap(struct world *w, struct scope flow)
{
	struct xfrm_trapped t = {.pair = pair_of((struct scope){0}),
		.proto = flow.proto,
		.held = 1,
		.sport = flow.sport,
		.dport = flow.dport};

	event(w, XFRM_EV_TRAPPED, &t);
}

static void answer(struct world *w, enum dns_class class)
{
	struct dns_answer a = {.id = w->lookup.id, .class = (uint8_t) class, .ttl = 300};
	struct dns_key k = {.algorithm = 4, .spki_len = 44};

	a.n_keys = class == DNS_KEYS;
	assert_int_equal(oe_peers_event(w->ps, DNS_EV_ANSWER, &a, (const uint8_t *)&k,
				 a.n_keys * sizeof(k), w->now),
		0);
}

static void come_up(struct world *w, uint32_t handle, uint32_t spi)
{
	struct ike_child c = {.handle = handle,
		.spi_in = spi,
		.spi_out = spi + 1,
		.cipher = IKE_ESP_AES_GCM_16,
		.key_bits = 256,
		.both = 1};
	struct ike_up up = {
		.handle = handle, .auth_peer = IKE_AUTH_SIGNATURE, .auth_self = IKE_AUTH_SIGNATURE};

	peers_child(w->ps, &c, true, w->now);
	peers_child(w->ps, &c, false, w->now);
	event(w, IKE_EV_UP, &up);
}

static void expect_scope(const struct scope *s, struct scope want)
{
	assert_true(scope_equal(s, &want));
}

/* Two lines for one address: two decisions, two exchanges, two pairs of SAs. */
static void test_two_lines(void **arg)
{
	struct world *w = world("198.18.0.0/16 tcp 0 443\n", "198.18.0.0/16 udp 0 53\n");
	const struct scope dns = {.proto = IPPROTO_UDP, .dport = 53};
	uint32_t first;

	(void)arg;
	trap(w, tcp(5000, 443));
	assert_int_equal(w->lookups, 1);
	answer(w, DNS_KEYS);
	expect_scope(&w->connect.pair.scope, tcp(0, 443));
	expect_scope(&w->connect.packet, tcp(5000, 443));
	first = w->connect.handle;
	trap(w, (struct scope){IPPROTO_UDP, {0}, 6000, 53});
	assert_int_equal(w->lookups, 2);
	expect_scope(&peer(w, dns)->packet, (struct scope){IPPROTO_UDP, {0}, 6000, 53});
	answer(w, DNS_DENIED);
	/* no exchange comes of it, and none later is for that packet */
	expect_scope(&peer(w, dns)->packet, (struct scope){0});
	expect_scope(&peer(w, tcp(0, 443))->packet, (struct scope){0});
	/* each says what its line says */
	expect_scope(&w->decide.pair.scope, dns);
	assert_int_equal(w->decide.verdict, XFRM_VERDICT_BLOCK);
	assert_int_equal(peer(w, dns)->state, OE_BLOCKED);
	assert_int_equal(peer(w, tcp(0, 443))->state, OE_NEGOTIATING);
	come_up(w, first, 0x1000);
	assert_int_equal(peer(w, tcp(0, 443))->state, OE_PRIVATE);
	assert_int_equal(peer(w, dns)->state, OE_BLOCKED);
	expect_scope(&w->in.pair.scope, tcp(0, 443));
	expect_scope(&w->out.pair.scope, tcp(0, 443));
	assert_int_equal(w->out.rule.dport, 443);
	assert_int_equal(w->out.require_out, 0);
	/* another flow of the line does not begin anew; a host's whole is no line's here */
	assert_int_equal(w->connects, 1);
	assert_null(peer(w, (struct scope){0}));
	oe_peers_down(w->ps, &w->out.pair.remote, w->now);
	assert_int_equal(peer(w, tcp(0, 443))->state, OE_IDLE);
	assert_int_equal(peer(w, dns)->state, OE_IDLE);
	end(w);
}

/* ---- the peer calls */

static void call(struct world *w, uint32_t handle)
{
	struct ike_inbound in = {.handle = handle, .remote_port = 500};

	in.pair = pair_of((struct scope){0});
	w->accept.answer = 99;
	event(w, IKE_EV_INBOUND, &in);
}

static void identity(struct world *w, uint32_t handle, const struct ike_wish *wishes, size_t n)
{
	struct ike_identity id = {.handle = handle,
		.id_type = 1,
		.id_len = 4,
		.id = {198, 18, 0, 2},
		.n_wishes = (uint8_t)n};

	memcpy(id.wishes, wishes, n * sizeof(*wishes));
	w->authorizes = 0;
	event(w, IKE_EV_IDENTITY, &id);
	answer(w, DNS_KEYS);
	assert_int_equal(w->authorizes, 1);
	assert_int_equal(w->authorize.n_keys, 1);
}

static const struct ike_wish everything = {0, 0, 0, 65535, 0, 65535};

static void test_whole_host(void **arg)
{
	struct world *w = world("198.18.0.0/16\n", "");

	(void)arg;
	call(w, INBOUND | 1);
	assert_int_equal(w->accept.answer, 1);
	identity(w, INBOUND | 1, &everything, 1);
	assert_int_equal(w->authorize.no_scope, 0);
	expect_scope(&w->authorize.scope, (struct scope){0});
	come_up(w, INBOUND | 1, 0x1000);
	assert_int_equal(peer(w, (struct scope){0})->state, OE_PRIVATE);
	end(w);
}

/* A peer wants a part of what our line has: it gets it, and the rest of the line is decided apart. */
static void test_part(void **arg)
{
	static const struct ike_wish wish = {6, 0, 443, 443, 0, 65535};
	struct world *w = world("198.18.0.0/16\n", "");
	struct oe_peers_stats s;

	(void)arg;
	call(w, INBOUND | 1);
	identity(w, INBOUND | 1, &wish, 1);
	expect_scope(&w->authorize.scope, tcp(443, 0));
	come_up(w, INBOUND | 1, 0x1000);
	assert_int_equal(peer(w, tcp(443, 0))->state, OE_PRIVATE);
	/* what was there before it said what it wants is gone */
	assert_null(peer(w, (struct scope){0}));
	/* the SA is one of the rule, and needs a policy of its own before the rest's */
	assert_int_equal(w->out.rule.proto, 0);
	assert_int_equal(w->out.require_out, 1);
	trap(w, tcp(5000, 80));
	assert_int_equal(peer(w, (struct scope){0})->state, OE_RESOLVING);
	answer(w, DNS_DENIED);
	expect_scope(&w->decide.pair.scope, (struct scope){0});
	assert_int_equal(w->decide.verdict, XFRM_VERDICT_CLEAR);
	assert_int_equal(peer(w, tcp(443, 0))->state, OE_PRIVATE);
	/* the kernel has lost the part's SA: the part is made anew */
	trap(w, tcp(443, 5000));
	expect_scope(&w->connect.pair.scope, tcp(443, 0));
	oe_peers_get_stats(w->ps, &s);
	assert_int_equal(s.peers, 2);
	end(w);
}

/* It wants more than any line has: it is offered the line. */
static void test_narrowed(void **arg)
{
	struct world *w = world("", "198.18.0.0/16 tcp 0 443\n");

	(void)arg;
	call(w, INBOUND | 1);
	assert_int_equal(w->accept.answer, 1);
	identity(w, INBOUND | 1, &everything, 1);
	expect_scope(&w->authorize.scope, tcp(0, 443));
	come_up(w, INBOUND | 1, 0x1000);
	assert_int_equal(peer(w, tcp(0, 443))->state, OE_PRIVATE);
	assert_int_equal(w->out.require_out, 0);
	/* and again, while it has that: a peer that wants all or nothing would spoil it with each try */
	call(w, INBOUND | 2);
	identity(w, INBOUND | 2, &everything, 1);
	assert_int_equal(w->authorize.no_scope, 1);
	/* but what is all that it asks for may replace the old, which it has lost perhaps */
	call(w, INBOUND | 3);
	identity(w, INBOUND | 3, &(struct ike_wish){6, 0, 0, 65535, 443, 443}, 1);
	assert_int_equal(w->authorize.no_scope, 0);
	end(w);
}

static void test_nothing_to_have(void **arg)
{
	static const struct ike_wish wishes[] = {
		{6, 0, 0, 65535, 80, 80}, {17, 0, 0, 65535, 0, 65535}};
	struct world *w = world("", "198.18.0.0/16 tcp 0 443\n");

	(void)arg;
	call(w, INBOUND | 1);
	identity(w, INBOUND | 1, wishes, 2);
	assert_int_equal(w->authorize.no_scope, 1);
	/* none at all */
	call(w, INBOUND | 2);
	w->authorizes = 0;
	identity(w, INBOUND | 2, wishes, 0);
	assert_int_equal(w->authorize.no_scope, 1);
	/* the second wish will do where the first will not */
	add_rules(w->policy, "private", "198.18.0.0/16 udp 0 0\n");
	call(w, INBOUND | 3);
	identity(w, INBOUND | 3, wishes, 2);
	assert_int_equal(w->authorize.no_scope, 0);
	assert_int_equal(w->authorize.scope.proto, IPPROTO_UDP);
	end(w);
}

/* First the packet that made the peer call, then all that it would have: it gets the widest that our rules
 * let it have with that packet in it (RFC 7296 section 2.9). */
static void test_packet_first(void **arg)
{
	static const struct ike_wish flow = {6, 0, 443, 443, 5000, 5000};
	static const struct ike_wish wishes[] = {
		{6, 0, 443, 443, 5000, 5000}, {6, 0, 443, 443, 0, 65535},
		{6, 0, 0, 65535, 5000, 5000}, {0, 0, 0, 65535, 0, 65535}};
	struct world *w = world("198.18.0.0/16\n", "");

	(void)arg;
	call(w, INBOUND | 1);
	identity(w, INBOUND | 1, wishes, 4);
	assert_int_equal(w->authorize.no_scope, 0);
	expect_scope(&w->authorize.scope, (struct scope){0});
	end(w);

	/* the whole is more than the line */
	w = world("", "198.18.0.0/16 tcp 443 0\n");
	call(w, INBOUND | 1);
	identity(w, INBOUND | 1, wishes, 4);
	expect_scope(&w->authorize.scope, tcp(443, 0));
	end(w);

	/* of two lines it is the packet's, not the most specific */
	w = world("198.18.0.0/16 tcp 443 0\n", "198.18.0.0/16 tcp 22 0\n198.18.0.0/24 tcp 80 0\n");
	call(w, INBOUND | 1);
	identity(w, INBOUND | 1, wishes, 4);
	expect_scope(&w->authorize.scope, tcp(443, 0));
	end(w);

	/* the packet is all that it asks for */
	w = world("198.18.0.0/16\n", "");
	call(w, INBOUND | 1);
	identity(w, INBOUND | 1, &flow, 1);
	expect_scope(&w->authorize.scope, tcp(443, 5000));
	end(w);

	/* our rules have nothing for the packet: anything of the rest */
	w = world("", "198.18.0.0/16 udp 0 53\n");
	call(w, INBOUND | 1);
	identity(w, INBOUND | 1, wishes, 4);
	assert_int_equal(w->authorize.no_scope, 0);
	assert_int_equal(w->authorize.scope.dport, 53);
	end(w);
}

static void test_no_line(void **arg)
{
	struct world *w = world("", "198.19.0.0/16 tcp 0 443\n");

	(void)arg;
	call(w, INBOUND | 1);
	assert_int_equal(w->accept.answer, 0);
	end(w);
}

/* A stranger names port after port: what that makes us remember is bounded. */
static void test_many_wishes(void **arg)
{
	struct world *w = world("198.18.0.0/16\n", "");
	struct ike_failed f = {.code = IKE_FAIL_PEER_KEY};
	struct oe_peers_stats s;

	(void)arg;
	for (uint16_t port = 1; port < 200; port++) {
		struct ike_wish wish = {6, 0, port, port, 0, 65535};

		call(w, INBOUND | port);
		identity(w, INBOUND | port, &wish, 1);
		f.handle = INBOUND | port;
		event(w, IKE_EV_FAILED, &f);
	}
	oe_peers_get_stats(w->ps, &s);
	assert_true(s.peers <= 17);
	assert_int_equal(w->authorize.no_scope, 1);
	end(w);
}

/* ---- a reload */

static void reload(struct world *w, const char *lines)
{
	struct policy *old = w->policy;

	w->policy = policy_new();
	add_rules(w->policy, "private", lines);
	oe_peers_configure(w->ps, &w->conf, w->policy, w->now);
	policy_free(old);
}

static void test_reload(void **arg)
{
	struct world *w = world("198.18.0.0/16 tcp 0 443\n", "");

	(void)arg;
	trap(w, tcp(0, 443));
	answer(w, DNS_KEYS);
	come_up(w, w->connect.handle, 0x1000);
	reload(w, "198.18.0.0/16 tcp 0 443\n198.18.0.0/16\n");
	assert_int_equal(peer(w, tcp(0, 443))->state, OE_PRIVATE);
	assert_int_equal(peer(w, tcp(0, 443))->rule->group, POL_PRIVATE);
	/* its line goes: the SAs are not of the line that is left */
	reload(w, "198.18.0.0/16\n");
	assert_int_equal(peer(w, tcp(0, 443))->state, OE_IDLE);
	assert_int_equal(w->deleted.last, 0);
	assert_int_equal(w->deleted.inbound, 1);
	end(w);
}

static void test_adopted(void **arg)
{
	struct world *w = world("198.18.0.0/16 tcp 0 443\n", "");
	struct xfrm_adopted a = {.spi = 0x1000, .inbound = 1};

	(void)arg;
	a.pair = pair_of(tcp(0, 443));
	event(w, XFRM_EV_ADOPTED, &a);
	a.inbound = 0;
	event(w, XFRM_EV_ADOPTED, &a);
	assert_int_equal(peer(w, tcp(0, 443))->state, OE_PRIVATE);
	assert_null(peer(w, (struct scope){0}));
	end(w);
}

/* ---- a NAT with another address */

static void come_up_from(struct world *w, uint32_t handle, uint32_t spi, uint16_t port, bool proved)
{
	struct ike_child c = {.handle = handle,
		.spi_in = spi,
		.spi_out = spi + 1,
		.cipher = IKE_ESP_AES_GCM_16,
		.key_bits = 256,
		.both = 1,
		.encap_local = 4500,
		.encap_remote = port};
	struct ike_up up = {.handle = handle, .auth_self = IKE_AUTH_SIGNATURE};
	uint8_t key[36] = {1};

	up.auth_peer = proved ? IKE_AUTH_SIGNATURE : IKE_AUTH_NONE;
	assert_int_equal(oe_peers_event(w->ps, IKE_EV_CHILD_IN, &c, key, sizeof(key), w->now), 0);
	assert_int_equal(oe_peers_event(w->ps, IKE_EV_CHILD_OUT, &c, key, sizeof(key), w->now), 0);
	event(w, IKE_EV_UP, &up);
}

static struct world *natted(bool proved)
{
	struct world *w = world("198.18.0.0/16\n", "");

	call(w, INBOUND | 1);
	if (proved) {
		identity(w, INBOUND | 1, &everything, 1);
	} else {
		struct ike_identity id = {.handle = INBOUND | 1,
			.id_type = 13,
			.null_auth = 1,
			.n_wishes = 1,
			.remote_port = 5000,
			.wishes = {everything}};

		event(w, IKE_EV_IDENTITY, &id);
		answer(w, DNS_DENIED);
	}
	come_up_from(w, INBOUND | 1, 0x1000, 5000, proved);
	return w;
}

/* ESP of an anonymous peer comes from another address: the SAs follow, as what they carry does. */
static void test_address_moves(void **arg)
{
	struct world *w = natted(false);
	struct xfrm_mapped m = {.spi = 0x1000, .encap_was = 5000, .encap_remote = 6000};
	struct pair to = pair_of((struct scope){0});

	(void)arg;
	m.pair = to;
	to.remote.b[3] = 3;
	m.remote = to.remote;
	event(w, XFRM_EV_MAPPED, &m);
	assert_int_equal(peer(w, (struct scope){0})->state, OE_IDLE);
	assert_null(peer(w, (struct scope){0})->sas);
	assert_int_equal(oe_peers_find(w->ps, &to)->state, OE_PRIVATE);
	assert_int_equal(w->moved.remote.b[3], 3);
	assert_int_equal(w->moved.remote_port, 6000);
	assert_int_equal(w->rekey.spi, 0x1000);
	/* the old ones leave the kernel, the inbound one later */
	assert_int_equal(w->deleted.spi, 0x1000);
	assert_int_equal(w->deleted.pair.remote.b[3], 2);
	assert_true(w->deleted.grace > 0);
	/* and the new ones have the new address */
	come_up_from(w, INBOUND | 1, 0x2000, 6000, false);
	assert_int_equal(w->out.pair.remote.b[3], 3);
	assert_int_equal(w->out.encap_remote, 6000);
	/* DNS is asked whether somebody else speaks for that address */
	assert_true(addr_equal(&w->lookup.addr, &to.remote));
	answer(w, DNS_DENIED);
	assert_int_equal(w->closed.handle, 0);
	end(w);
}

/* Where the peer only seemed to speak from nothing is sent by an SA, and it is taken back when it speaks from
 * where it is. */
static void test_address_returns(void **arg)
{
	struct world *w = natted(false);
	struct ike_moved m = {.handle = INBOUND | 1, .remote_port = 6000};
	struct pair was = pair_of((struct scope){0}), to = was;

	(void)arg;
	to.remote.b[3] = 3;
	m.remote = to.remote;
	memset(&w->out, 0, sizeof(w->out));
	event(w, IKE_EV_MOVED, &m);
	answer(w, DNS_DENIED);
	assert_int_equal(oe_peers_find(w->ps, &to)->state, OE_PRIVATE);
	assert_null(oe_peers_find(w->ps, &to)->sas->children);
	assert_int_equal(w->rekey.spi, 0x1000);
	assert_int_equal(w->out.spi, 0);
	m.remote = was.remote;
	m.remote_port = 5000;
	event(w, IKE_EV_MOVED, &m);
	answer(w, DNS_DENIED);
	assert_int_equal(w->closed.handle, 0);
	assert_null(oe_peers_find(w->ps, &to)->sas);
	assert_int_equal(oe_peers_find(w->ps, &to)->state, OE_IDLE);
	come_up_from(w, INBOUND | 1, 0x2000, 5000, false);
	assert_int_equal(oe_peers_find(w->ps, &was)->state, OE_PRIVATE);
	assert_int_equal(w->out.pair.remote.b[3], 2);
	assert_int_equal(w->out.encap_remote, 5000);
	end(w);
}

/* Who can forge an address gets none of which anything is known: clear, private, or with a key. */
static void test_address_of_another(void **arg)
{
	struct xfrm_mapped m = {.spi = 0x1000, .encap_was = 5000, .encap_remote = 6000};
	struct xfrm_trapped t = {.proto = IPPROTO_TCP, .held = 1, .dport = 80};
	struct world *w = natted(false);
	struct pair to = pair_of((struct scope){0});

	(void)arg;
	m.pair = t.pair = to;
	to.remote.b[3] = t.pair.remote.b[3] = 3;
	m.remote = to.remote;
	event(w, XFRM_EV_TRAPPED, &t);
	answer(w, DNS_DENIED);
	assert_int_equal(oe_peers_find(w->ps, &to)->state, OE_CLEAR);
	event(w, XFRM_EV_MAPPED, &m);
	assert_int_equal(oe_peers_find(w->ps, &to)->state, OE_CLEAR);
	assert_int_equal(w->closed.handle, INBOUND | 1);
	end(w);

	w = natted(false);
	event(w, XFRM_EV_MAPPED, &m);
	assert_int_equal(w->closed.handle, 0);
	answer(w, DNS_KEYS);
	assert_int_equal(w->closed.handle, INBOUND | 1);
	end(w);
}

/* One that its address has proved is not the same at another. */
static void test_address_proves(void **arg)
{
	struct world *w = natted(true);
	struct ike_moved m = {.handle = INBOUND | 1, .remote_port = 6000};
	struct pair to = pair_of((struct scope){0});

	(void)arg;
	to.remote.b[3] = 3;
	m.remote = to.remote;
	event(w, IKE_EV_MOVED, &m);
	assert_null(oe_peers_find(w->ps, &to));
	assert_int_equal(w->closed.handle, INBOUND | 1);
	end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_lines),
		cmocka_unit_test(test_whole_host),
		cmocka_unit_test(test_part),
		cmocka_unit_test(test_narrowed),
		cmocka_unit_test(test_nothing_to_have),
		cmocka_unit_test(test_packet_first),
		cmocka_unit_test(test_no_line),
		cmocka_unit_test(test_many_wishes),
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_adopted),
		cmocka_unit_test(test_address_moves),
		cmocka_unit_test(test_address_returns),
		cmocka_unit_test(test_address_of_another),
		cmocka_unit_test(test_address_proves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
