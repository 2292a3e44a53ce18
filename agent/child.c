/* SPDX-License-Identifier: BSD-2-Clause */
/* Child SAs as the ike service announces them: each is known by its inbound SPI, and while one is
 * rekeyed an IKE SA has several. */
#include "agent/peer_priv.h"

#include <errno.h>
#include <stdlib.h>

uint32_t peer_sa_out(const struct oe_sa *sa)
{
	for (const struct oe_child *c = sa->children; c; c = c->next)
		if (c->spi_out)
			return c->spi_out;
	return 0;
}

void peer_child_remove(struct oe_peers *ps, struct oe_sa *sa, struct oe_child *c)
{
	struct oe_child **at = &sa->children;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	if (c->spi_out)
		install_delete(ps, sa, c->spi_out, false);
	if (c->spi_in)
		install_delete(ps, sa, c->spi_in, true);
	free(c);
}

static struct oe_child *find_child(const struct oe_sa *sa, uint32_t spi_in)
{
	struct oe_child *c = sa->children;

	while (c && c->spi_in != spi_in)
		c = c->next;
	return c;
}

/* We may know of a move of the peer's before the ike service does. */
static void take_ports(struct oe_sa *sa, struct oe_child *c, const struct ike_child *e)
{
	if (!sa->remote_port)
		sa->remote_port = e->encap_remote;
	c->encap_local = e->encap_local;
	c->encap_remote = e->encap_remote ? sa->remote_port : 0;
}

static struct oe_child *new_child(struct oe_sa *sa, const struct ike_child *e)
{
	struct oe_child *c = oe_must(calloc(1, sizeof(*c)));

	c->next = sa->children;
	sa->children = c;
	c->spi_in = e->spi_in;
	c->cipher = e->cipher;
	c->key_bits = e->key_bits;
	c->integ = e->integ;
	c->esn = e->esn;
	take_ports(sa, c, e);
	c->both = e->both;
	c->tell_use = e->spi_out && !e->both;
	return c;
}

int child_came_in(struct oe_peers *ps, const struct ike_child *e, const uint8_t *key,
	size_t key_len)
{
	struct oe_sa *sa = peer_sa_find(ps, e->handle);

	if (!e->spi_in || (sa && find_child(sa, e->spi_in)))
		return -EBADMSG;
	if (!sa)
		return 0;
	peer_note(ps, sa->peer, JOURNAL_SA_IN, e->spi_out == 0, e->key_bits, e->spi_in);
	return install_sa(ps, sa, new_child(sa, e), true, key, key_len);
}

int child_came_out(struct oe_peers *ps, const struct ike_child *e, const uint8_t *key,
	size_t key_len)
{
	struct oe_sa *sa = peer_sa_find(ps, e->handle);
	struct oe_child *c = sa ? find_child(sa, e->spi_in) : NULL;

	if (!sa)
		return 0;
	if (!c || c->spi_out || !e->spi_out)
		return -EBADMSG;
	peer_note(ps, sa->peer, JOURNAL_SA_OUT, 0, c->key_bits, e->spi_out);
	c->spi_out = e->spi_out;
	take_ports(sa, c, e);
	return install_sa(ps, sa, c, false, key, key_len);
}

/* The ike service ends an IKE SA that has none left. */
void child_went(struct oe_peers *ps, const struct ike_child_gone *g)
{
	struct oe_sa *sa = peer_sa_find(ps, g->handle);
	struct oe_child *c = sa ? sa->children : NULL;

	while (c && (g->spi_in ? c->spi_in != g->spi_in : c->spi_out != g->spi_out))
		c = c->next;
	if (c && g->spi_in) {
		peer_child_remove(ps, sa, c);
	} else if (c && c->spi_out) {
		c->spi_out = 0;
		install_delete(ps, sa, g->spi_out, false);
	}
}
