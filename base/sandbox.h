/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Leaving privilege behind: own user and group, no supplementary groups, a capability set, no new
 * privileges, not dumpable, and a seccomp allow-list. In this order, before a process touches
 * foreign bytes.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SANDBOX_NO_CAP 0
/* Who asks DNS; others know its packets by that. */
#define SANDBOX_USER_DNS "_oed-dns"

struct sandbox {
	const char *user; /* "_oed-net"; looked up by name, see sandbox_lookup() */
	uint64_t caps;    /* bit set of CAP_*, kept as permitted and effective; all else is
	                     dropped */
	/* system calls beyond those that every process of ours needs; ends with NULL. The reason for
	 * each stands beside it in the table. */
	const char *const *syscalls;
};

#define SANDBOX_CAP(c) (UINT64_C(1) << (c))

/* The uid and gid of user. Where it does not exist and OED_UID_BASE is set in the environment (the
 * lab: OED_UID_BASE=64900), a number above that base, fixed per name. Returns 0, or -ENOENT after
 * one clear line on what to do. */
int sandbox_lookup(const char *user, uint32_t *ret_uid, uint32_t *ret_gid);
/* Returns 0 or -errno with a logged line. When not run as root (tests) the user and capabilities
 * stay as they are and only seccomp is entered. */
int sandbox_enter(const struct sandbox *s);
