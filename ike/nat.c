/* SPDX-License-Identifier: BSD-2-Clause */
/* NAT detection, RFC 7296 section 2.23: SHA-1 of SPIs, address and port. It authenticates nothing:
 * the notifies are covered by AUTH later, as part of the IKE_SA_INIT messages. */
#include <string.h>

#include "ike/crypto.h"
#include "ike/exchange.h"

#define NAT_HASH_LEN 20

static void nat_hash(uint64_t spi_i, uint64_t spi_r, const struct addr *addr, uint16_t port,
	uint8_t ret[static NAT_HASH_LEN])
{
	uint8_t buf[8 + 8 + 16 + 2];
	struct wire_writer w = wire_writer(buf, sizeof(buf));

	wire_put_u64(&w, spi_i);
	wire_put_u64(&w, spi_r);
	wire_put(&w, addr->b, addr_size(addr));
	wire_put_u16(&w, port);
	/* without SHA-1 (a FIPS provider) both ends see a NAT and encapsulate: safe */
	if (ike_hash(IKE_MD_SHA1, (struct ike_bytes){buf, w.pos}, ret) < 0)
		memset(ret, 0, NAT_HASH_LEN);
}

void nat_build(struct ike_builder *b, const struct ike_path *path, uint64_t spi_i, uint64_t spi_r)
{
	uint8_t hash[NAT_HASH_LEN];

	nat_hash(spi_i, spi_r, &path->pair.local, path->local_port, hash);
	ike_build_notify(b, IKE_N_NAT_DETECTION_SOURCE_IP, hash, sizeof(hash));
	nat_hash(spi_i, spi_r, &path->pair.remote, path->remote_port, hash);
	ike_build_notify(b, IKE_N_NAT_DETECTION_DESTINATION_IP, hash, sizeof(hash));
}

/* Whether there are notifies of the type and none is the hash. There may be several sources: a peer
 * that does not know which of its addresses it sends from names them all. */
static bool differs(const struct ike_payloads *p, uint16_t type, const uint8_t *hash)
{
	bool any = false;

	for (size_t i = 0; i < p->n_notify; i++) {
		const struct ike_notify *n = &p->notify[i];

		if (n->type != type)
			continue;
		if (n->data.len == NAT_HASH_LEN && !memcmp(n->data.p, hash, NAT_HASH_LEN))
			return false;
		any = true;
	}
	return any;
}

void nat_detect(const struct ike_payloads *p, const struct ike_path *path, uint64_t spi_i,
	uint64_t spi_r, bool *ret_self, bool *ret_peer)
{
	uint8_t hash[NAT_HASH_LEN];

	nat_hash(spi_i, spi_r, &path->pair.remote, path->remote_port, hash);
	*ret_peer = differs(p, IKE_N_NAT_DETECTION_SOURCE_IP, hash);
	nat_hash(spi_i, spi_r, &path->pair.local, path->local_port, hash);
	*ret_self = differs(p, IKE_N_NAT_DETECTION_DESTINATION_IP, hash);
}
