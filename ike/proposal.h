/* SPDX-License-Identifier: BSD-2-Clause */
/* The SA payload (RFC 7296 3.3): what a peer offers, what we choose of it, what we offer, and
 * whether an answer keeps to it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ike/payload.h"
#include "ike/suite.h"

/* Proposals and transforms beyond these are not looked at; a proposal cut so is never chosen. */
#define IKE_PROPOSALS_MAX 16
#define IKE_TRANSFORMS_MAX 256

struct ike_transform {
	uint8_t type; /* enum ike_transform_type, or unknown */
	bool usable;  /* false: an attribute that we do not know */
	uint16_t id;
	uint16_t key_bits; /* 0: no key length attribute */
};

struct ike_proposal {
	uint8_t number;   /* 1.. */
	uint8_t protocol; /* enum ike_protocol */
	uint8_t spi_len;  /* 0, 4 or 8; another makes the proposal unusable */
	bool usable;
	uint64_t spi;   /* host order */
	uint16_t first; /* transforms[first .. first + count - 1] of the offer */
	uint16_t count;
};

/* About 2 KB: for the stack, not for an SA. */
struct ike_offer {
	size_t n_proposals;
	size_t n_transforms;
	struct ike_proposal proposals[IKE_PROPOSALS_MAX];
	struct ike_transform transforms[IKE_TRANSFORMS_MAX];
};

/* An SA payload's body. Returns IKE_PARSE_OK or IKE_PARSE_PROPOSAL (*ret is undefined then). */
enum ike_parse ike_offer_parse(struct ike_bytes body, struct ike_offer *ret);

/* The additional key exchange of a proposal (RFC 9370 2.2.1). We do one at most, of whatever
 * type. */
struct ike_addke {
	const struct ike_ke *ke; /* NULL: none */
	uint8_t type;            /* IKE_TYPE_ADDKE1.. */
	uint8_t none;            /* bit i: NONE is chosen for IKE_TYPE_ADDKE1 + i, and stands in the
	                            answer */
};

/* One proposal with one transform of each type, as chosen or accepted. */
struct ike_choice_ike {
	struct ike_suite suite;
	struct ike_addke addke; /* of which suite.addke is a copy */
	uint8_t number;  /* of the proposal */
	bool integ_none; /* INTEG NONE stood in the offer and stands in the answer */
	uint64_t spi;    /* rekeying: the other side's new IKE SPI; else 0 */
};

struct ike_choice_esp {
	const struct ike_encr *encr;
	const struct ike_integ *integ; /* NULL with an AEAD */
	const struct ike_ke *ke; /* NULL: none */
	struct ike_addke addke;  /* only with ke */
	bool esn;
	bool integ_none;
	bool ke_none;   /* KE NONE stood in the offer and stands in the answer */
	uint8_t number; /* 1 is the first */
	uint32_t spi;   /* the other side's, host order */
};

/* Responder. Our order of preference decides, what the profile has as an answer only coming last,
 * except that the group whose KE payload came along wins where we would offer it ourselves (no
 * extra round trip). ke_sent: that group. Where *ret's group is another one, answer
 * INVALID_KE_PAYLOAD. A proposal with an additional key exchange of the profile goes before one
 * without. rekey: an 8-byte SPI must stand in the proposal,
 * otherwise none. Returns 0, or -ENOENT: NO_PROPOSAL_CHOSEN. */
int ike_choose_ike(const struct ike_offer *offer, const struct ike_profile *mine, uint16_t ke_sent,
	bool rekey, struct ike_choice_ike *ret);
/* The same for ESP. ke_sent 0: no KE payload (as in IKE_AUTH), then only proposals without KE or
 * with KE NONE will do. An SPI below 256 makes a proposal unusable. */
int ike_choose_esp(const struct ike_offer *offer, const struct ike_profile *mine, uint16_t ke_sent,
	struct ike_choice_esp *ret);
/* Append the SA payload of the answer. spi: ours (for IKE 0 unless rekeying). */
void ike_build_chosen_ike(struct ike_builder *b, const struct ike_choice_ike *c, uint64_t spi);
void ike_build_chosen_esp(struct ike_builder *b, const struct ike_choice_esp *c, uint32_t spi);

/* Initiator: append our SA payload. IKE: one proposal, and before it, where the profile has
 * additional key exchanges, one with these: who does not know RFC 9370 skips that. spi 0 unless
 * rekeying. Groups in the profile's order, but group first (the one in the KE payload) leads; 0: as
 * in the profile. */
void ike_build_offer_ike(
	struct ike_builder *b, const struct ike_profile *mine, uint16_t first, uint64_t spi);
/* n_spis 1: one proposal with all ciphers. n_spis == number of ciphers in mine->esp: one proposal
 * for each, with its own SPI (so that each inbound SA can stand before the answer). ke: group for
 * PFS, or NULL. */
void ike_build_offer_esp(struct ike_builder *b, const struct ike_profile *mine,
	const struct ike_ke *ke, const uint32_t *spis, size_t n_spis);
/* Checks the answer to such an offer: exactly one proposal, of ours, with one transform for each
 * type offered. Returns 0 or -EPROTO. For ESP ret->number - 1 is the index of the SPI it took. */
int ike_accept_ike(const struct ike_offer *answer, const struct ike_profile *mine, bool rekey,
	struct ike_choice_ike *ret);
int ike_accept_esp(const struct ike_offer *answer, const struct ike_profile *mine,
	const struct ike_ke *ke, size_t n_spis, struct ike_choice_esp *ret);
