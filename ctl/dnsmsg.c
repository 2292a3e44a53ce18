/* SPDX-License-Identifier: BSD-2-Clause */
#include "ctl/dnsmsg.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* RFC 1035 section 4.1.4 */
#define POINTER 0xc0
#define LABEL_MAX 63
/* So far may answers by UDP go without being fragmented. */
#define UDP_SIZE 1232
#define EDNS_DO 0x8000u

/* ---- names */

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

int dname_parse(const char *text, struct dname *ret)
{
	static const char allowed[] = "-_/0123456789abcdefghijklmnopqrstuvwxyz";
	struct dname name = {.len = 1};
	size_t label = 0; /* where its length stands */

	if (!strcmp(text, ".")) {
		*ret = name;
		return 0;
	}
	for (const char *p = text; *p; p++) {
		uint8_t c = lower((uint8_t)*p);

		if (*p == '.') {
			if (!name.b[label])
				return -EINVAL;
			if (!p[1])
				break;
			label = name.len;
			c = 0;
		} else if (!strchr(allowed, c) || ++name.b[label] > LABEL_MAX) {
			return -EINVAL;
		}
		/* the root's zero is to follow */
		if (name.len >= DNAME_MAX - 1)
			return -EINVAL;
		name.b[name.len++] = c;
	}
	if (!name.b[label])
		return -EINVAL;
	name.b[name.len++] = 0;
	*ret = name;
	return 0;
}

const char *dname_format(const struct dname *name, char buf[static DNAME_TEXT_MAX])
{
	char *out = buf;

	for (size_t at = 0; at < name->len && name->b[at]; at += 1u + name->b[at]) {
		for (size_t i = 1; i <= name->b[at]; i++) {
			uint8_t c = name->b[at + i];

			if (c > ' ' && c <= '~' && !strchr(".\\\"();@$", c))
				*out++ = (char)c;
			else
				out += sprintf(out, "\\%03u", c);
		}
		*out++ = '.';
	}
	if (out == buf)
		*out++ = '.';
	*out = '\0';
	return buf;
}

bool dname_equal(const struct dname *a, const struct dname *b)
{
	return a->len == b->len && !memcmp(a->b, b->b, a->len);
}

bool dname_within(const struct dname *name, const struct dname *zone)
{
	size_t at = 0;

	if (!zone->len)
		return false;
	while (at < name->len && name->len - at > zone->len)
		at += 1u + name->b[at];
	return at < name->len && name->len - at == zone->len &&
	       !memcmp(name->b + at, zone->b, zone->len);
}

/* Labels at r, up to a pointer or the root. Returns where the pointer leads, 0 at the root. */
static size_t read_labels(struct wire_reader *r, struct dname *name)
{
	uint8_t len;
	size_t to;

	while (!r->bad && (len = wire_u8(r))) {
		const uint8_t *label;

		if ((len & POINTER) == POINTER) {
			to = (size_t)(len & ~POINTER) << 8 | wire_u8(r);
			r->bad = r->bad || to < DNSMSG_HEAD;
			return to;
		}
		label = len <= LABEL_MAX ? wire_bytes(r, len) : NULL;
		if (!label || name->len + 1u + len >= DNAME_MAX) {
			r->bad = true;
			return 0;
		}
		name->b[name->len++] = len;
		for (size_t i = 0; i < len; i++)
			name->b[name->len++] = lower(label[i]);
	}
	return 0;
}

struct dname dname_read(struct wire_reader *r)
{
	static const struct dname root = {.len = 1};
	size_t start = r->pos, to;
	struct dname name = {0};
	struct wire_reader back;

	to = read_labels(r, &name);
	while (!r->bad && to) {
		/* ever further back: that ends */
		if (to >= start) {
			r->bad = true;
			break;
		}
		back = wire_reader(r->data, start);
		wire_skip(&back, to);
		start = to;
		to = read_labels(&back, &name);
		r->bad = back.bad;
	}
	if (r->bad)
		return root;
	name.b[name.len++] = 0;
	return name;
}

void dname_put(struct wire_writer *w, const struct dname *name)
{
	wire_put(w, name->b, name->len);
}

/* ---- head and records */

struct dns_head dns_head_read(struct wire_reader *r)
{
	struct dns_head head = {.id = wire_u16(r)};

	head.flags = wire_u16(r);
	for (int i = 0; i < 4; i++)
		head.count[i] = wire_u16(r);
	return head;
}

void dns_head_put(struct wire_writer *w, const struct dns_head *head)
{
	wire_put_u16(w, head->id);
	wire_put_u16(w, head->flags);
	for (int i = 0; i < 4; i++)
		wire_put_u16(w, head->count[i]);
}

struct dns_rr dns_rr_read(struct wire_reader *r)
{
	struct dns_rr rr = {.owner = dname_read(r)};

	rr.type = wire_u16(r);
	rr.class = wire_u16(r);
	rr.ttl = wire_u32(r);
	rr.rdata_len = wire_u16(r);
	rr.rdata_at = r->pos;
	wire_skip(r, rr.rdata_len);
	return rr;
}

void dns_rr_put(struct wire_writer *w, const struct dname *owner, uint16_t type, uint16_t class,
	uint32_t ttl, const void *rdata, size_t len)
{
	dname_put(w, owner);
	wire_put_u16(w, type);
	wire_put_u16(w, class);
	wire_put_u32(w, ttl);
	if (len > UINT16_MAX)
		w->bad = true;
	wire_put_u16(w, (uint16_t)len);
	if (len)
		wire_put(w, rdata, len);
}

void dns_question_put(
	struct wire_writer *w, uint16_t id, const struct dname *name, uint16_t type, bool dnssec)
{
	static const struct dname root = {.len = 1};
	struct dns_head head = {.id = id, .flags = DNS_FLAG_RD, .count = {1, 0, 0, dnssec}};

	/* asks a validating resolver to say whether it has validated (RFC 6840 section 5.7) */
	if (dnssec)
		head.flags |= DNS_FLAG_AD;
	dns_head_put(w, &head);
	dname_put(w, name);
	wire_put_u16(w, type);
	wire_put_u16(w, DNS_CLASS_IN);
	if (dnssec)
		dns_rr_put(w, &root, DNS_TYPE_OPT, UDP_SIZE, EDNS_DO, NULL, 0);
}

struct wire_reader dns_answers(const uint8_t *message, size_t len, struct dns_head *ret_head)
{
	struct wire_reader r = wire_reader(message, len);

	*ret_head = dns_head_read(&r);
	for (unsigned int i = 0; i < ret_head->count[0] && !r.bad; i++) {
		dname_read(&r);
		wire_skip(&r, 4);
	}
	return r;
}

const char *dns_rcode_name(unsigned int rcode)
{
	static const char *const names[] = {"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP",
		"REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE"};
	static char other[24];

	if (rcode < sizeof(names) / sizeof(names[0]))
		return names[rcode];
	snprintf(other, sizeof(other), "rcode %u", rcode);
	return other;
}
