/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's counts of refused packets, /proc/net/xfrm_stat (Documentation/networking/xfrm_proc).
 */
#pragma once

#include <stddef.h>

#include "xfrm/xfrm.h"

/* Opens the file, as the sandbox will not let us. Returns the descriptor or -errno. */
int stat_open(void);
/* Fills the fields of *ret that come from the file; fd < 0 leaves them. */
void stat_read(int fd, struct xfrm_counters *ret);
/* The same from text, NUL-terminated. */
void stat_parse(const char *text, struct xfrm_counters *ret);
