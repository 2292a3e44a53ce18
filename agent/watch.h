/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Watches the files in which the system says which resolvers it uses (conf_system_forwarders()),
 * and tells the agent when they may say something else. Does nothing where oed.conf names the
 * forwarders itself.
 */
#pragma once

struct agent;
struct watch;

/* NULL where the kernel has no inotify: a reload then does it. */
struct watch *watch_new(struct agent *a);
/* Accepts NULL. */
void watch_free(struct watch *w);
/* After a reload: what is to be watched may have changed. Accepts NULL. */
void watch_arm(struct watch *w);
