/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The why-journal: what happened to a peer, as small records that are put into words only when
 * somebody asks. Each peer keeps the last JOURNAL_MAX of them.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define JOURNAL_MAX 28

/* What the fields of a record mean stands beside each step: code, n, arg. */
/* How a peer behind a NAT moved, and how we know. */
enum journal_moved {
	JOURNAL_MOVED_ESP,  /* its ESP has another port */
	JOURNAL_MOVED_IKE,  /* its IKE has */
	JOURNAL_MOVED_AWAY, /* to another address: this was the old one */
	JOURNAL_MOVED_HERE, /* and this is the new one */
};

enum journal_step {
	JOURNAL_TRAPPED,    /* IP protocol, remote port, 1: a packet is held */
	JOURNAL_RULE,       /* enum pol_group, -, line in the group's file */
	JOURNAL_LOOKUP,     /* enum dns_question */
	JOURNAL_ANSWER,     /* enum dns_class, usable keys, microseconds */
	JOURNAL_KNOWN,      /* the answer is known from before: enum dns_class, usable keys, - */
	JOURNAL_RANGE,      /* true for its whole neighbourhood: enum dns_class, prefix length, - */
	JOURNAL_KEPT,       /* DNS fails, the key of before is kept: enum dns_class, -, seconds
	                       left */
	JOURNAL_KEY_GONE,   /* DNS has another key or none for a proved peer: enum dns_class, keys,
	                       - */
	JOURNAL_HOLD_LIMIT, /* -, -, milliseconds waited for DNS */
	JOURNAL_CONNECT,    /* 1: we are anonymous, keys that may prove the peer, handle */
	JOURNAL_INBOUND,    /* -, remote port, handle */
	JOURNAL_IDENTITY,   /* ID type, 1: NULL authentication, handle */
	JOURNAL_AUTHORIZED, /* enum ike_allow bits, keys, handle */
	JOURNAL_REFUSED,    /* enum oe_reason, -, handle: the peer's exchange was refused */
	JOURNAL_IKE,        /* enum ike_note_code, -, arg of the note */
	JOURNAL_SA_IN,      /* 1: before the peer agreed, key bits, SPI */
	JOURNAL_SA_OUT,     /* -, key bits, SPI */
	JOURNAL_KERNEL,     /* enum journal_install, errno, SPI: the kernel refused */
	JOURNAL_UP,         /* peer's enum ike_auth_kind | ours << 4, milliseconds, handle */
	JOURNAL_RELEASED,   /* enum oe_state, packets, microseconds that the oldest waited */
	JOURNAL_FAILED,     /* enum ike_failure, notify, handle */
	JOURNAL_DOWN,       /* enum ike_failure, notify, handle */
	JOURNAL_STATE,      /* enum oe_state, enum oe_reason, seconds it holds, 0 open */
	JOURNAL_REKEYED,    /* 1: we began it, -, handle: the IKE SA has new keys */
	JOURNAL_RETRY,      /* -, tries so far, seconds to the next */
	JOURNAL_EXPIRED,    /* 1: hard, 1: inbound, SPI */
	JOURNAL_ADOPTED,    /* -, 1: inbound, SPI */
	JOURNAL_LOST,       /* enum oe_service: a service of ours died */
	JOURNAL_POLICY,     /* enum pol_group (new), -, line: the rule changed */
	JOURNAL_MANUAL,     /* enum manual_auth, -, line: no DNS, the peer is configured by hand */
	JOURNAL_COMMAND,    /* enum journal_command: an administrator's word */
	JOURNAL_DOUBT,      /* -, -, handle: the peer seems to have lost the SA */
	JOURNAL_MOVED,      /* enum journal_moved; its port, handle */
	JOURNAL_HINT,       /* enum journal_hint, keys or enum dns_class, hint_hash() of the name */
	JOURNAL_TRANSLATED, /* -, -, handle: the peer's name has other addresses, for it comes
	                       through a NAT */
	JOURNAL_CERTIFICATE, /* -, -, handle: the peer's certificate is good */
	JOURNAL_STRAY,      /* 1: in UDP, -, SPI: ESP came that no SA here is for */
};

enum journal_install { JOURNAL_INSTALL_IN, JOURNAL_INSTALL_OUT, JOURNAL_INSTALL_DECISION };
enum journal_hint {
	JOURNAL_HINT_ASKED,  /* the address has no key: the name's is asked for */
	JOURNAL_HINT_COUNTS, /* keys */
	JOURNAL_HINT_NO_KEY, /* enum dns_class */
	JOURNAL_HINT_OTHER,  /* a key, but this address is not the name's, or not securely */
	JOURNAL_HINT_SILENT, /* enum dns_class: DNS says nothing */
	JOURNAL_HINT_FAILED, /* its key led to no SA */
};
enum journal_command { JOURNAL_UP_CMD, JOURNAL_DOWN_CMD, JOURNAL_FORGET_CMD };

struct journal_entry {
	uint64_t at; /* microseconds, service_now() */
	uint8_t step;
	uint8_t code;
	uint16_t n;
	uint32_t arg;
};

/* A ring; zeroed: empty. Most peers never need all of it: it grows. */
struct journal {
	uint32_t written; /* entries ever */
	uint32_t room;    /* up to JOURNAL_MAX, then it goes round */
	struct journal_entry *ring;
};

/* Fatal when out of memory. */
void journal_add(struct journal *j, const struct journal_entry *e);
/* Empties it. */
void journal_free(struct journal *j);
/* Entries still held. */
size_t journal_count(const struct journal *j);
/* i from 0, the oldest held. */
const struct journal_entry *journal_at(const struct journal *j, size_t i);
/* The first word of a line of the journal: "policy", "dns", "ike" ... */
const char *journal_step_name(enum journal_step step);
