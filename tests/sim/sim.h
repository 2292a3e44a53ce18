/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two whole hosts in one process, in virtual time. Of each the agent's core (agent/peer.h) and the
 * IKE core (ike/core.h) are the real ones; kernel, resolver and signer are models, and so are the
 * channels between them and the network. One number, the seed, decides everything that happens.
 *
 * Everything that takes time is a task in one heap. Each channel delivers in the order of sending,
 * late by as much as the schedule says; each datagram goes its own way.
 */
#pragma once

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/peer.h"
#include "base/heap.h"
#include "ike/core.h"
#include "ike/payload.h"

#define MS UINT64_C(1000)
#define SEC UINT64_C(1000000)
#define SIM_SAS_MAX 64

enum { A, B, HOSTS };

enum channel {
	CH_IKE,        /* agent to ike */
	CH_XFRM,       /* agent to xfrm */
	CH_DNS,        /* agent to resolver, the answer's way included */
	CH_SIGNER,     /* agent to signer, the same */
	CH_AGENT_IKE,  /* events of ike */
	CH_AGENT_XFRM, /* events of xfrm */
	CHANNELS,
};

/* How a schedule is meant. */
enum temper {
	GENTLE,  /* nothing happens that could excuse the loss of one packet of traffic */
	HARSH,   /* whatever can go wrong */
	NATTED,  /* harsh, and A is behind a NAT */
	HOPELESS, /* the keys in DNS are wrong: no SA can come up */
	TEMPERS,
};

struct sim;

/* A thing that happens at node.due. */
struct task {
	struct heap_node node;
	struct task *prev, *next; /* of all */
	void (*run)(struct sim *s, struct task *t);
	int host;            /* whom it happens to */
	uint8_t channel;     /* enum channel, of messages */
	uint8_t fate;        /* of datagrams: for the trace */
	uint16_t type;       /* of messages */
	uint32_t generation; /* of the channel; another one now: it was torn down meanwhile */
	uint32_t spi;
	struct ike_path path;
	size_t fixed_len, len;        /* fixed part, and all with the tail behind it */
	_Alignas(16) uint8_t data[]; /* the tail begins at the next multiple of 16 */
};

struct kernel_sa {
	bool used, inbound;
	uint32_t spi;
	uint64_t order; /* the outbound SA of the highest order is the one that is used */
	uint16_t encap_remote;
	uint64_t until;  /* deleted, but taking what comes until then; 0: not deleted */
	uint64_t gone_at; /* when the IKE core gave it up, */
	bool ended;      /* and with it the IKE SA */
	bool tell_use;   /* the second packet is to be told */
	uint32_t packets, asked; /* in all, and when TRAFFIC asked last */
	uint8_t key[XFRM_KEY_MAX];
	size_t key_len;
};

struct kernel {
	struct kernel_sa sas[SIM_SAS_MAX];
	uint8_t verdict; /* enum xfrm_verdict: CLEAR and BLOCK stand, anything else is the trap */
	bool required;   /* inbound traffic must come by an SA */
	unsigned int held;
	uint64_t trapped_at, stray_at, mapped_at;
	uint64_t held_at, held_us; /* since when packets are held; the longest that any was */
	int error; /* every SA is refused by it; 0: none */
};

/* What a host's peers.d says of a PPK with the other (RFC 8784). */
struct terms {
	bool ppk, required;
	uint8_t id, secret; /* which of two */
};

struct channel_state {
	uint32_t generation;
	uint32_t slow_us; /* at most so late; 0: as fast as ever */
	uint64_t last;    /* when the last message arrives */
};

struct host {
	struct sim *s;
	int index;
	struct addr addr;
	uint64_t random; /* of its core's */
	struct conf conf;
	bool mixes; /* has an additional key exchange (RFC 9370) */
	struct policy *policy;
	struct oe_peers *agent;
	struct ike_core *ike; /* NULL while it is down */
	struct kernel kernel;
	struct channel_state channel[CHANNELS];
	uint64_t agent_due, ike_due;
	EVP_PKEY *own, *published; /* NULL: anonymous; what DNS says about it */
	uint8_t dns_class;
	bool remembers; /* has a secret that outlives it (RFC 6290) */
	bool traffic;   /* its programs send */
	bool busy;      /* its processes are slow */
	bool dns_fails; /* for now */
	uint64_t dns_slow_us;  /* the first answer takes so long, and later ones wait for it */
	uint64_t dns_ready_at; /* when it is there; 0: nobody has asked */
	int sign_error;
	struct terms terms, meant; /* in force; when the trouble is over */
	struct manual *manual;     /* NULL: nothing by hand */
	uint32_t with_ppk[16];     /* handles, each in its place: its keys have a PPK in them */
	bool ppk;                  /* so have those of the last handshake */
	unsigned int handshakes;
};

struct net {
	uint32_t loss, twice, late; /* per mille */
	uint32_t min_us, max_us, late_us;
	bool cut[HOSTS]; /* nothing leaves it */
};

/* What happens to one datagram, and to so many behind it. */
struct fault {
	enum { LOST, TWICE, LATE } kind;
	unsigned int first; /* counted from 1; 0: none */
	unsigned int count;
	uint64_t late_us;
};

struct sim_stats {
	uint64_t handshakes, rekeyed, children, datagrams, lost, esp, esp_dropped, failed, downs;
};

struct sim {
	uint64_t seed, rng;
	enum temper temper;
	uint64_t now;
	uint64_t excused; /* until then traffic may be lost by what has happened */
	uint64_t order;
	struct heap tasks;
	struct task *all;
	struct host host[HOSTS];
	struct net net;
	bool nat;
	bool by_hand, psk; /* the hosts know each other by hand; by a secret, else by keys */
	uint16_t nat_port[2];  /* A's 500 and 4500 as B sees them */
	bool nat_open[2];      /* A has sent from there since the mapping changed */
	struct ike_path kept_path[HOSTS][8]; /* datagrams that may be replayed; by receiver */
	uint8_t *kept[HOSTS][8];
	size_t kept_len[HOSTS][8];
	unsigned int n_kept[HOSTS];
	struct fault fault;
	bool over; /* the trouble */
	bool trace;
	bool ended; /* a check failed */
	char why[256];
	struct sim_stats stats;
};

/* ---- sim.c: time, chance and failure */

struct sim *sim_new(uint64_t seed, bool trace);
void sim_free(struct sim *s);
/* Until that time, or until a check fails. */
void sim_run(struct sim *s, uint64_t until);
/* A number below n; 0 for 0. */
uint32_t sim_random(struct sim *s, uint32_t n);
bool sim_chance(struct sim *s, uint32_t per_mille);
/* Zeroed, with room for len bytes; to be given to sim_at() by its maker. */
struct task *sim_task(struct sim *s, void (*run)(struct sim *, struct task *), size_t len);
void sim_at(struct sim *s, struct task *t, uint64_t due);
/* Something was done that may cost traffic within so long. */
void sim_excuse(struct sim *s, uint64_t us);
void sim_add_stats(struct sim_stats *sum, const struct sim_stats *of);
/* The schedule has failed. The first reason stands. */
__attribute__((format(printf, 2, 3))) void sim_fail(struct sim *s, const char *fmt, ...);
__attribute__((format(printf, 3, 4))) void sim_trace(
	const struct sim *s, int host, const char *fmt, ...);

/* ---- net.c */

int net_send(void *arg, const struct ike_path *path, const void *data, size_t len);
/* An ESP packet by that SA. */
void net_send_esp(struct sim *s, int from, const struct kernel_sa *sa);
void net_send_plain(struct sim *s, int from);
/* A's NAT forgets its mappings. */
void net_rebind(struct sim *s);
/* A datagram of old comes again. */
void net_replay(struct sim *s, int to);
/* The other's address as this host knows it. */
struct addr net_peer_addr(const struct sim *s, int host);

/* ---- kernel.c */

/* As after a boot. */
void kernel_reset(struct host *h);
void kernel_request(struct host *h, uint16_t type, const void *fixed, const uint8_t *tail,
	size_t tail_len);
/* A program sends a packet. */
void kernel_output(struct host *h);
/* Ports of the UDP that it came in, 0 where it did not. */
void kernel_input_esp(struct host *h, uint32_t spi, const uint8_t *key, size_t len,
	uint16_t local_port, uint16_t remote_port);
void kernel_input_plain(struct host *h);
/* A new xfrm service takes over: decisions that it did not make go, SAs stay and are told. */
void kernel_adopted(struct host *h);
/* One SA's time is over; hard: it goes. */
void kernel_expire(struct host *h, bool hard);
unsigned int kernel_count(const struct host *h, bool inbound);
/* The IKE core gives up the child, alone; ends the IKE SA of those that it has given up just
 * now. */
void kernel_note_gone(struct host *h, uint32_t spi_in);
void kernel_note_ended(struct host *h);
/* The SA that traffic leaves by, NULL for none. */
const struct kernel_sa *kernel_newest(const struct host *h);
const struct kernel_sa *kernel_find(const struct host *h, bool inbound, uint32_t spi);

/* ---- host.c */

void host_start(struct host *h);
/* The processes end; what is under way between them is lost. */
void host_stop(struct host *h);
/* The ike service dies, and starts anew. */
void host_ike_dies(struct host *h);
void host_ike_starts(struct host *h);
void host_send(struct host *h, enum channel channel, uint16_t type, const void *fixed,
	size_t fixed_len, const void *tail, size_t tail_len);
void host_datagram(struct host *h, const struct ike_path *path, uint8_t *data, size_t len);
/* Does what is due. */
void host_timers(struct host *h);
struct pair host_pair(const struct host *h);
/* A key of the process: 0 and 1 the hosts', 2 a stranger's. */
EVP_PKEY *host_key(int which);

/* The agent tells its ike service the host's keys, as at each reload of them. */
void host_own_keys(struct host *h);

/* ---- hand.c */

/* Both hosts know each other by hand; in a hopeless world so that no SA can come up. */
void hand_draw(struct sim *s);
/* The terms become the agent's, where they stand in the schedule at all. */
void hand_load(struct host *h);
void hand_reload(struct host *h);
/* Whether what they make of the keys has a PPK in it. */
bool hand_uses_ppk(const struct sim *s);
/* NOTE, CHILD_OUT and UP of a handshake. */
void hand_noted(struct host *h, const struct ike_note *note);
void hand_child_out(struct host *h, uint32_t handle);
void hand_up(struct host *h, uint32_t handle);
/* The signer's answer where a secret is asked for: 0 or -errno. */
int hand_prove(const struct host *h, const struct ike_sign *s, struct ike_bytes octets,
	uint8_t *ret, size_t *ret_len);

/* ---- trace.c */

void trace_datagram(const struct sim *s, int from, const struct ike_path *path, const uint8_t *data,
	size_t len, const char *fate);
void trace_message(const struct sim *s, int host, enum channel channel, uint16_t type,
	const void *fixed);

/* What both hosts think and hold. */
void trace_hosts(const struct sim *s);

/* ---- judge.c */

/* Stops all faults. */
void judge_make_good(struct sim *s);
/* That there is one working pair of SAs, and that it stays. */
void judge_settled(struct sim *s);
/* That no SA came up. */
void judge_hopeless(struct sim *s);
/* Ends the SAs from one side, waits, and looks for what is left. */
void judge_end(struct sim *s);

/* ---- schedule.c */

/* A policy of one group for the other host. */
void schedule_policy(struct host *h, enum pol_group group);
/* Programs of both hosts begin to send, where traffic is on. */
void schedule_traffic(struct sim *s);

/* Plays one schedule. Returns true where all is well, else why. */
bool schedule_play(uint64_t seed, bool trace, struct sim_stats *stats, char why[static 256]);

/* Asks for the newest IKE SA or its child anew. */
void schedule_rekey(struct host *h, bool ike);

/* ---- story.c */

/* What the two hosts do, one after the other, while one fault happens. */
enum story {
	STORY_ONE,    /* A begins */
	STORY_BOTH,   /* both do */
	STORY_RENEW,  /* A begins; either renews */
	STORY_CROSS,  /* A begins; both renew at once */
	STORY_IKE,    /* each rekeys the IKE SA */
	STORY_IKE_CROSS, /* both do at once */
	STORY_MIXED,  /* one rekeys the IKE SA while the other renews the child */
	STORY_PPK,      /* both do, and have a PPK that neither requires */
	STORY_SLOW_DNS, /* A begins, its DNS is slower than its patience, B answers */
	STORIES,
};

const char *story_name(enum story story);
/* Returns true where all is well, else why. stats: of this play alone. */
bool story_play(enum story story, const struct fault *fault, bool trace, struct sim_stats *stats,
	char why[static 256]);
