/* SPDX-License-Identifier: BSD-2-Clause */
/* What peers.c (all of them), peer.c (traffic, decisions), lookups.c (DNS), negotiate.c (IKE) and
 * install.c (the kernel) share. */
#pragma once

#include <uthash.h>

#include "agent/peer.h"
#include "agent/ranges.h"
#include "base/table.h"

#define SECOND UINT64_C(1000000)
/* The core's lookups; ids above are of others in the agent. */
#define OE_LOOKUP_IDS UINT32_C(0x3fffffff)
/* An exchange that is under way may make a renewal needless: it is looked at again after this. */
#define RENEW_US (5 * SECOND)

/* Inbound SAs that were just deleted, whose packets under way are expected. */
#define OE_DELETED 64

/* A question to the resolver that is under way. */
struct oe_lookup {
	UT_hash_handle hh; /* by id */
	uint32_t id;
	struct oe_peer *peer; /* NULL: a hint itself, or an address that is warmed up */
	struct oe_sa *sa; /* the IKE SA whose FQDN identity is looked up; NULL: for the peer's
	                     key */
	struct oe_hint_ask *hint; /* of DNS_ASK_HINT; owned */
	uint8_t question; /* enum dns_question */
	uint8_t origin;   /* enum dns_origin */
	struct addr addr; /* that it is about; of DNS_ASK_HINT none */
	uint64_t asked;   /* when it was made, or asked of a new resolver */
	struct heap_node verdict; /* when an exchange of the peer's stops waiting for it */
	char name[DNS_NAME_MAX];
};

/* Who gave a hint, and what he said. */
struct oe_hint_ask {
	uint32_t tag;
	uint8_t from; /* enum hint_from */
	uint8_t n_claims;
	struct addr claims[DNS_ADDRS_MAX]; /* that were put into the table unproved */
};

/* Names that were no hints, by hash; one takes another's place. */
#define OE_NO_HINTS 256

enum install_kind { INSTALL_IN, INSTALL_OUT, INSTALL_DECISION };

/* A request to the kernel that is under way. The peer may be gone when the answer comes. */
struct oe_install {
	UT_hash_handle hh; /* by tag */
	uint32_t tag;
	enum install_kind kind;
	struct pair pair;
	uint32_t handle;
	uint32_t spi;
	uint32_t child; /* its inbound SPI */
	uint8_t state; /* INSTALL_DECISION: enum oe_state */
};

/* Texts that many peers share, each kept once. */
#define SUITES_MAX 256
struct oe_suite {
	struct oe_suite *next;
	char text[sizeof(((struct ike_up *)0)->suite)];
};

struct oe_peers {
	struct oe_effects fx;
	const struct conf *conf;
	const struct policy *policy;
	const struct manual *manual;
	struct table by_pair;   /* peers, by their hosts: one for each scope */
	struct table by_handle; /* their IKE SAs that have one */
	struct oe_lookup *lookups;
	struct oe_install *installs;
	struct heap timers;
	struct heap refreshes; /* of keys, by peer */
	struct heap verdicts;  /* on exchanges of peers', by lookup */
	struct ranges *ranges;
	struct hints *hints;
	uint32_t n_hints_asked; /* lookups without a peer */
	const struct addr *locals; /* the agent's */
	size_t n_locals;
	struct {
		uint64_t hash, until;
	} no_hints[OE_NO_HINTS];
	struct oe_suite *suites;
	unsigned int n_suites;
	uint64_t now;
	uint64_t stray_second; /* see stray.c */
	uint32_t stray_lookups;
	struct {
		uint32_t spi;
		uint64_t until;
	} deleted[OE_DELETED]; /* inbound SPIs, the last ones */
	uint32_t n_deleted;
	uint32_t next_handle, next_lookup, next_tag;
	bool have_key;
	bool up[OE_N_SERVICES];
	uint64_t resolver_since; /* when the resolver came, went, or was last found stuck */
	struct oe_peers_stats stats;
};

/* ---- peer.c */

/* The peer, made where it is new (state IDLE, rule looked up for its scope); NULL at the limit. */
struct oe_peer *peer_get(struct oe_peers *ps, const struct pair *pair);
struct oe_peer *peer_find(const struct oe_peers *ps, const struct pair *pair);
/* The first peer with these hosts, whatever its scope, and the next; NULL behind the last. */
struct oe_peer *peer_first(const struct oe_peers *ps, const struct pair *hosts);
struct oe_peer *peer_next(const struct oe_peers *ps, const struct oe_peer *p);
void peer_note(struct oe_peers *ps, struct oe_peer *p, enum journal_step step, unsigned int code,
	unsigned int n, uint32_t arg);
/* The only place where a peer's state changes: sets the timer, tells the kernel, writes the
 * journal. for_us 0: until something happens. */
void peer_state(struct oe_peers *ps, struct oe_peer *p, enum oe_state state, enum oe_reason reason,
	uint64_t for_us);
/* Ends what is left of a peer that holds nothing: IDLE, and forgotten after a while. */
void peer_idle(struct oe_peers *ps, struct oe_peer *p, enum oe_reason reason);
/* Frees it with its SAs and lookups. */
void peer_free(struct oe_peers *ps, struct oe_peer *p);
/* A packet for the peer waits. */
void peer_trapped(struct oe_peers *ps, const struct xfrm_trapped *t);
/* What the rule says when no SA can be had, for this reason; seconds 0: the group's back-off. */
void peer_fall_back(struct oe_peers *ps, struct oe_peer *p, enum oe_reason reason, uint32_t seconds);
/* Whether its scope is less than that of its rule, of whose rest another peer decides. */
bool peer_is_part(const struct oe_peer *p);
/* The group of the peer's rule; CLEAR where there is none. */
enum pol_group peer_group(const struct oe_peer *p);
const struct conf_group *peer_conf(const struct oe_peers *ps, const struct oe_peer *p);
/* Replaces a text the peer owns by a bounded copy; "" and NULL remove it. */
void peer_text(char **at, const char *text);
/* On running out of memory: says so and ends. */
void *oe_must(void *p);

/* ---- lookups.c */

/* Asks DNS for the peer's key, or takes the answer that is still fresh or true for its whole
 * neighbourhood; then negotiates if wanted. */
void peer_look_up(struct oe_peers *ps, struct oe_peer *p, bool wants);
/* Asks for the name that an initiator claims for itself, on behalf of its exchange. */
void peer_look_up_name(struct oe_peers *ps, struct oe_sa *sa, const char *name);
/* Ends a lookup that nobody waits for any more. */
void peer_drop_lookup(struct oe_peers *ps, uint32_t id);
/* All of a peer that goes. */
void peer_drop_lookups(struct oe_peers *ps, struct oe_peer *p);
/* Returns 0, or -EBADMSG for an answer that cannot be. */
int peer_answer(struct oe_peers *ps, const struct dns_answer *a, const uint8_t *tail, size_t tail_len);
/* The same, for what the resolver tells of a range. */
int peer_range(struct oe_peers *ps, const struct dns_range *r);
/* An exchange of p's waits for its reverse lookup: from now on for hold-limit at most. */
void peer_bound_verdict(struct oe_peers *ps, const struct oe_peer *p);
/* Does what is due: keys are refreshed, exchanges waited long enough, the resolver is stuck.
 * Returns when it wants to be called next, UINT64_MAX never. */
uint64_t peer_lookups_due(struct oe_peers *ps);
/* A new resolver is asked all that the one before has not answered. */
void peer_ask_again(struct oe_peers *ps);
/* The answer to the question whether there was traffic since a key was asked for. */
void peer_counters(struct oe_peers *ps, const struct xfrm_counters *c);
/* Where DNS has withdrawn the key by which the peer was proved, its SAs are ended instead of
 * renewed: to be called where one would be. Returns whether it did. */
bool peer_end_withdrawn(struct oe_peers *ps, struct oe_peer *p);
/* A question, not sent yet; p may be NULL. */
struct oe_lookup *peer_lookup_new(struct oe_peers *ps, struct oe_peer *p,
	enum dns_question question, enum dns_origin origin);
void peer_lookup_send(struct oe_peers *ps, const struct oe_lookup *l);
/* The keys of the name p->hint become the peer's; none are left. */
void peer_hint_keys(struct oe_peer *p, const struct dns_key *keys, size_t n);
void peer_hint_drop(struct oe_peers *ps, struct oe_peer *p);
/* An answer that says nothing about keys. */
bool peer_says_nothing(enum dns_class class);
/* The reason that goes with an answer without a key. */
enum oe_reason peer_dns_reason(enum dns_class class);

/* ---- hinted.c */

/* The name to look for where the reverse lookup's answer is of that class; NULL none. */
const struct hint *peer_hint(const struct oe_peers *ps, const struct oe_peer *p, enum dns_class class);
/* Asks for its key, as p->lookup. Returns false where there is none. */
bool peer_ask_hint(struct oe_peers *ps, struct oe_peer *p, enum dns_class class,
	enum dns_origin origin);
enum peer_hint_answer {
	PEER_HINT_COUNTS, /* the peer has the name's keys */
	PEER_HINT_NEXT,   /* it is used no more, or not soon: another may do */
};
enum peer_hint_answer peer_hint_answered(struct oe_peers *ps, struct oe_peer *p, const char *name,
	const struct dns_answer *a, const struct dns_key *keys);
/* The name's key led to no SA. */
void peer_hint_failed(struct oe_peers *ps, struct oe_peer *p);
/* Its key is as good as one of the address: trust-names. */
bool peer_hint_trusted(const struct oe_peers *ps, const struct oe_peer *p);
/* What it has by a hint is not enough under that rule. */
bool peer_hint_forbidden(const struct oe_peers *ps, const struct oe_peer *p,
	const struct pol_rule *rule);
/* The answer to DNS_ASK_HINT. */
void hint_answered(struct oe_peers *ps, const struct oe_hint_ask *ask, const char *name,
	const struct dns_answer *a, const struct dns_key *keys);

/* ---- stray.c */

/* ESP of an SA that we do not have, or somebody's forgery. */
/* An inbound SA is being deleted: what still comes by it is no news. */
void stray_expect(struct oe_peers *ps, uint32_t spi);
void stray_came(struct oe_peers *ps, const struct xfrm_stray *s);
/* Some time later: the peer has not made a new SA by itself. */
void stray_due(struct oe_peers *ps, struct oe_peer *p);
/* A peer does not answer when it is called for what has no IKE SA any more. There may be a NAT
 * before it: it is told of these SAs, so that it asks and calls us. */
void stray_call_back(struct oe_peers *ps, const struct oe_peer *p);

/* ---- negotiate.c */

void negotiate_connect(struct oe_peers *ps, struct oe_peer *p);
/* An exchange with the peer runs, of either side. */
bool negotiate_busy(const struct oe_peer *p);
/* The answer to the reverse lookup is there, of this class: exchanges that wait for it go on. */
void negotiate_answered(struct oe_peers *ps, struct oe_peer *p, enum dns_class class);
/* It is not there within hold-limit: exchanges that wait for it are refused, so that the peer need
 * not wait longer; sa alone, where it is the lookup of a name. */
void negotiate_unanswered(struct oe_peers *ps, struct oe_peer *p, struct oe_sa *sa);
/* The answer to the lookup of a name as which sa claims to act. */
void negotiate_name_answered(struct oe_peers *ps, struct oe_sa *sa, const struct dns_answer *a,
	const struct dns_key *keys);
int negotiate_event(struct oe_peers *ps, uint16_t type, const void *fixed, const uint8_t *tail,
	size_t tail_len);
/* Asks for the end of all SAs of the peer. */
void negotiate_close(struct oe_peers *ps, struct oe_peer *p, bool silent);
/* A whole new IKE SA, now or after the exchange that runs. */
void negotiate_anew(struct oe_peers *ps, struct oe_peer *p);
/* A peer that has lost its last SA is private no more. */
void negotiate_check(struct oe_peers *ps, struct oe_peer *p);
/* Ends the SAs without an IKE SA where there is one with it, and halves of pairs. */
void negotiate_tidy(struct oe_peers *ps, struct oe_peer *p);
/* The SAs that no IKE SA stands behind serve on; a new one is made in the next seconds, spread so
 * that many peers do not come at once. */
void negotiate_renew(struct oe_peers *ps, struct oe_peer *p);
/* Removes them from the kernel. */
void negotiate_drop_orphans(struct oe_peers *ps, struct oe_peer *p);
void negotiate_ike_lost(struct oe_peers *ps);
void negotiate_ike_back(struct oe_peers *ps);
struct oe_sa *peer_sa_new(struct oe_peers *ps, struct oe_peer *p, uint32_t handle, bool initiator);
/* It is p's from now on. Before it has children. */
void peer_sa_move(struct oe_sa *sa, struct oe_peer *p);
/* NULL where the handle is unknown. */
struct oe_sa *peer_sa_find(const struct oe_peers *ps, uint32_t handle);
/* Frees it, with its SAs in the kernel. */
void peer_sa_remove(struct oe_peers *ps, struct oe_sa *sa);

/* ---- proofs.c */

/* The keys that may prove the peer. Returns how many. */
size_t proofs_keys(const struct oe_peer *p, struct ike_pubkey ret[static IKE_KEYS_MAX]);
/* The keys of that length, to be packed; one reference. */
struct oe_keys *proofs_new(size_t len);
/* Gives a reference back; accepts NULL. */
void proofs_drop(struct oe_keys *keys);
/* CONNECT or AUTHORIZE with those keys, and the certificates of its terms. */
void proofs_send(struct oe_peers *ps, const struct oe_peer *p, uint16_t type, const void *fixed,
	size_t fixed_len, const struct ike_pubkey *keys, size_t n);
/* Which of the keys it was. An identity by name was proved by keys that are not the address's. */
void proofs_keep(struct oe_peer *p, const struct oe_sa *sa, unsigned int key);
/* IKE_EV_CERTIFICATE. Returns 0 or -EBADMSG. */
int proofs_certificate(struct oe_peers *ps, const struct ike_certificate *c);

/* ---- nat.c */

/* Whether another host speaks for the address already: two behind one NAT have one address and, for
 * transport mode, one pair of selectors (RFC 7296 section 2.23.1), so what belongs to the one would
 * go to the other. One host that calls anew comes from where it was, or proves the same name. The
 * SA that stands in the way is asked whether it lives. */
bool nat_is_shared(struct oe_peers *ps, const struct oe_sa *sa, const struct ike_identity *id);
/* The NAT before the peer gave it another port, or address (family 0: the same). told: by ike, else
 * by the kernel. */
void nat_moved(struct oe_peers *ps, struct oe_sa *sa, const struct addr *remote, uint16_t port,
	bool told);
/* The kernel says from where the peer's ESP comes now. */
void nat_mapped(struct oe_peers *ps, const struct xfrm_mapped *m);

/* What DNS says of an address to which an SA has moved is there. */
void nat_answered(struct oe_peers *ps, struct oe_sa *sa);

/* ---- wishes.c */

/* The rules may let the peer have other traffic than that of the host as a whole: then the exchange
 * is another peer's of ours. Where they let it have nothing it is told so when it has proved
 * itself. */
void peer_take_wishes(struct oe_peers *ps, struct oe_sa *sa, const struct ike_identity *id);

/* ---- child.c */

/* The outbound SPI by which the SA sends; 0 none. */
uint32_t peer_sa_out(const struct oe_sa *sa);
/* Frees the child, with its SAs in the kernel. */
void peer_child_remove(struct oe_peers *ps, struct oe_sa *sa, struct oe_child *c);
/* The ike service's CHILD_IN, CHILD_OUT and CHILD_GONE. The first two return -EBADMSG for what
 * cannot be. */
int child_came_in(struct oe_peers *ps, const struct ike_child *e, const uint8_t *key, size_t key_len);
int child_came_out(struct oe_peers *ps, const struct ike_child *e, const uint8_t *key, size_t key_len);
void child_went(struct oe_peers *ps, const struct ike_child_gone *g);

/* ---- install.c */

int install_sa(struct oe_peers *ps, struct oe_sa *sa, const struct oe_child *c, bool inbound,
	const uint8_t *key, size_t key_len);
/* The child no longer counts when this is called. */
void install_delete(struct oe_peers *ps, const struct oe_sa *sa, uint32_t spi, bool inbound);
void install_decide(struct oe_peers *ps, struct oe_peer *p, enum xfrm_verdict verdict);
void install_done(struct oe_peers *ps, const struct xfrm_done *d);
void install_expire(struct oe_peers *ps, const struct xfrm_expire *e);
/* Nothing was heard by IKE: the kernel is asked whether packets came. */
void install_ask_traffic(struct oe_peers *ps, uint32_t handle);
void install_traffic(struct oe_peers *ps, const struct xfrm_traffic *t);
void install_adopted(struct oe_peers *ps, const struct xfrm_adopted *a);
/* The service died: what was under way has failed. */
void install_lost(struct oe_peers *ps);

/* ---- translated.c: an identity by name, whose addresses do not hold the peer's */

/* Whether it can be judged only when the peer's reverse lookup is answered. */
bool translated_waits(const struct oe_peers *ps, const struct oe_sa *sa);
/* Why it is not taken; OE_WHY_NONE: it is. */
enum oe_reason translated_refusal(struct oe_peers *ps, const struct oe_sa *sa);
