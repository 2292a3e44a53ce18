/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A datagram through all parsers of ike/, without any state. The first byte says what the rest is:
 * 0 a message; else the type of the first payload of what came out of SK.
 */
#include "ike/digsig.h"
#include "ike/ike.h"
#include "ike/names.h"
#include "ike/payload.h"
#include "ike/proposal.h"
#include "ike/table.h"
#include "tests/fuzz/fuzz.h"

static void read_selectors(struct ike_bytes body)
{
	struct ike_ts ts[IKE_TS_MAX];
	size_t n;

	if (!body.p || ike_ts_parse(body, ts, IKE_TS_MAX, &n) != IKE_PARSE_OK)
		return;
	expect(n <= IKE_TS_MAX);
	for (size_t i = 0; i < n; i++) {
		expect(addr_valid(&ts[i].first) && addr_valid(&ts[i].last));
		for (size_t j = 0; j < n; j++)
			if (ike_ts_covers(&ts[i], &ts[j]) && ike_ts_covers(&ts[j], &ts[i]))
				expect(addr_equal(&ts[i].first, &ts[j].first));
	}
}

static void read_proposals(const struct ike_payloads *p)
{
	struct ike_offer o;
	struct ike_choice_ike i;
	struct ike_choice_esp e;

	if (!p->sa.p || ike_offer_parse(p->sa, &o) != IKE_PARSE_OK)
		return;
	for (int rekey = 0; rekey < 2; rekey++) {
		if (!ike_choose_ike(&o, &ike_profile_default, p->ke_group, rekey, &i))
			expect(i.suite.encr && i.suite.prf && i.suite.ke && !rekey == !i.spi);
		/* what is accepted as an answer would be chosen as an offer */
		if (!ike_accept_ike(&o, &ike_profile_default, rekey, &i))
			expect(!ike_choose_ike(&o, &ike_profile_default, 0, rekey, &i));
	}
	if (!ike_choose_esp(&o, &ike_profile_default, p->ke_group, &e))
		expect(e.encr && e.spi >= 256);
	if (!ike_accept_esp(&o, &ike_profile_default, NULL, 3, &e))
		expect(e.number >= 1 && e.number <= 3 && !e.ke);
}

static void read_payloads(const struct ike_payloads *p)
{
	const struct ike_notify *hashes = ike_notify_find(p, IKE_N_SIGNATURE_HASH_ALGORITHMS);
	struct ike_digsig d;
	char id[32];

	read_proposals(p);
	read_selectors(p->tsi);
	read_selectors(p->tsr);
	if (p->idi.body.p)
		(void)ike_id_format(p->idi.type, p->idi.data.p, p->idi.data.len, id, sizeof(id));
	if (p->auth.p && !ike_digsig_parse(p->auth, &d))
		expect(d.sig.len > 0 && d.sig.len < p->auth.len);
	if (hashes)
		expect(!(ike_hashes_parse(hashes->data) & ~IKE_HASHES_ALL));
	for (size_t i = 0; i < p->n_delete; i++)
		expect(p->delete[i].spis.len == (size_t)p->delete[i].count * p->delete[i].spi_size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct ike_header h;
	struct ike_payloads outer, inner = {0};
	enum ike_kind kind;
	uint8_t type;

	if (!len)
		return 0;
	if (data[0]) {
		if (ike_payloads_parse(data[0], data + 1, len - 1, true, &inner) == IKE_PARSE_OK)
			read_payloads(&inner);
		return 0;
	}
	if (ike_header_parse(data + 1, len - 1, &h) != IKE_PARSE_OK ||
		ike_payloads_parse(h.next, data + 1 + IKE_HEADER_LEN, len - 1 - IKE_HEADER_LEN,
			false, &outer) != IKE_PARSE_OK)
		return 0;
	read_payloads(&outer);
	(void)ike_table_check_outer(h.exchange, &outer);
	if (ike_kind_of(h.exchange, &inner, &kind))
		(void)ike_table_check(kind, h.flags & IKE_FLAG_RESPONSE, &outer,
			outer.sk.p ? &inner : NULL, &type);
	return 0;
}
