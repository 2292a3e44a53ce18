/* SPDX-License-Identifier: BSD-2-Clause */
#include "xfrm/check.h"

#include "xfrm/sad.h"

#define HOLD_MAX 1000000
/* linux/xfrm.h, XFRMA_REPLAY_ESN_MAX */
#define WINDOW_MAX 4096
#define SPI_MIN 256 /* RFC 4303 section 2.1 */

bool check_config(const struct xfrm_config *config)
{
	return config->hold <= 1 && config->hold_max > 0 && config->hold_max <= HOLD_MAX &&
	       config->hold_peer_max > 0 && config->hold_peer_max <= HOLD_MAX;
}

/* Which traffic of a pair a rule is about. */
static bool check_selector(const struct xfrm_rule *rule)
{
	return rule->rank <= XFRM_RANK_MAX && (rule->proto || (!rule->sport && !rule->dport)) &&
	       !rule->pad[0] && !rule->pad[1];
}

bool check_rule(const struct xfrm_rule *rule)
{
	return rule->action <= XFRM_ACTION_BLOCK && prefix_valid(&rule->remote) &&
	       check_selector(rule);
}

bool check_exempt(const struct xfrm_exempt *exempt)
{
	return addr_valid(&exempt->remote) && !addr_is_any(&exempt->remote) && exempt->port &&
	       (exempt->proto == IPPROTO_UDP || exempt->proto == IPPROTO_TCP);
}

static bool check_host(const struct addr *a)
{
	return !addr_is_any(a) && !addr_is_multicast(a) && !addr_is_loopback(a);
}

bool check_pair(const struct pair *pair)
{
	return pair_valid(pair) && check_host(&pair->local) && check_host(&pair->remote) &&
	       !addr_equal(&pair->local, &pair->remote);
}

/* A decision is about no more than its rule. */
static bool check_scope(const struct pair *pair, const struct xfrm_rule *rule)
{
	struct scope of_rule = {.proto = rule->proto, .sport = rule->sport, .dport = rule->dport};

	return scope_covers(&of_rule, &pair->scope);
}

bool check_sa(const struct xfrm_sa *sa, bool inbound, size_t key_len)
{
	return check_pair(&sa->pair) && sa->spi >= SPI_MIN && sa->esn <= 1 &&
	       sa->require_out <= 1 && sa->tell_use <= inbound &&
	       sa->replay_window <= WINDOW_MAX &&
	       sad_key_fits((enum xfrm_cipher)sa->cipher, key_len) &&
	       !sa->encap_local == !sa->encap_remote &&
	       (!sa->hard_seconds || sa->soft_seconds <= sa->hard_seconds) &&
	       check_selector(&sa->rule) && check_scope(&sa->pair, &sa->rule);
}

bool check_sa_id(const struct xfrm_sa_id *id)
{
	return check_pair(&id->pair) && id->spi >= SPI_MIN && id->inbound <= 1 && id->last <= 1 &&
	       (id->inbound || !id->grace);
}

bool check_decide(const struct xfrm_decide *decide)
{
	return check_pair(&decide->pair) && check_selector(&decide->rule) &&
	       check_scope(&decide->pair, &decide->rule) &&
	       decide->verdict <= XFRM_VERDICT_FORGET;
}
