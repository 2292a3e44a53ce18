/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The firewall rule that puts trapped packets, and only those, in our queue: a packet caught by a
 * trap has a blackhole route whose device is lo though its destination is not local
 * (doc/kernel.md, section 2).
 *
 * By nftables (a table of our own), else by iptables-legacy. The tools are run by root before the
 * sandbox. An nftables table is removed by one netlink message; iptables-legacy can only be undone
 * by its tool, so a helper process waits for the word: root, but confined to CAP_NET_ADMIN and
 * CAP_NET_RAW, and it reads one byte from us and nothing else.
 */
#pragma once

#include <stddef.h>

#include "xfrm/xfrm.h"

struct hook;

/* Installs the rule in place of what a predecessor left. Never fails: where there is no way the
 * kind is XFRM_HOLD_NONE. */
struct hook *hook_open(void);
/* Accepts NULL. The rule stays: without a listener it drops, as the trap does. */
void hook_close(struct hook *hook);
enum xfrm_hold hook_kind(const struct hook *hook);
/* Why it is not nftables; "" where it is. */
const char *hook_why(const struct hook *hook);
/* Removes the rule; works inside the sandbox. */
void hook_remove(struct hook *hook);
