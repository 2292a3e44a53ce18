/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is read in and done to a held packet, as a pure function of its bytes: who speaks to whom,
 * the MSS that a held SYN offers, and the answer to the application whose packet is refused.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

struct packet {
	struct pair pair; /* source: ours, destination: the remote's */
	uint8_t proto;    /* of the transport header; 0 where there is none to be seen */
	bool syn;         /* TCP with SYN: it may carry an MSS */
	bool answerable;  /* no fragment but the first, no ICMP error, no answer of ours */
	uint16_t sport;   /* ours; 0 where the protocol has none */
	uint16_t dport;
	uint32_t length;  /* of the whole packet, by its header */
	size_t transport; /* offset of the transport header */
};

#define PACKET_ANSWER_MAX 256

/* Reads an outbound packet of which the first len bytes are at hand. Returns 0, or -EBADMSG where
 * its addresses cannot be read; ports that are not at hand are 0. */
int packet_parse(const uint8_t *data, size_t len, struct packet *ret);

/* The MSS that fits a path of this MTU (RFC 9293 3.7.1), through transport ESP with an AEAD of 16
 * bytes ICV and 8 bytes IV where esp is set, in UDP where encap is set. */
uint16_t packet_mss(uint8_t family, uint32_t mtu, bool esp, bool encap);
/* Lowers the MSS option of a SYN that is at hand as a whole, and sets its checksum. Returns false
 * where nothing was to be done: the packet is as it was. */
bool packet_clamp_mss(uint8_t *data, size_t len, uint16_t mss);

/* Writes the packet that tells our own application that its packet was refused: for TCP over IPv4 a
 * RST as from the remote (RFC 9293 3.10.7.1), else ICMP "communication administratively prohibited"
 * from ourselves (RFC 1812 5.2.7.1 code 13, RFC 4443 3.1 code 1). Over IPv6 a RST would have to
 * pass the inbound guard, from which a host's IPv4 loopback is free. Returns its length, 0: none.
 * The destination is always p->pair.local. */
size_t packet_answer(const struct packet *p, const uint8_t *data, size_t len,
	uint8_t ret[static PACKET_ANSWER_MAX]);
