/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's packet queue, NFQUEUE (linux/netfilter/nfnetlink_queue.h). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct queue;

/* A packet in the queue, its first len bytes. */
typedef void (*queue_fn)(void *arg, uint32_t id, uint32_t mark, const uint8_t *data, size_t len);

/* Binds queue number, copying capture bytes of each packet. Returns 0 or -errno: -EBUSY where
 * another process has it. */
int queue_open(uint16_t number, uint32_t capture, struct queue **ret);
/* Accepts NULL. The kernel drops what waits. */
void queue_close(struct queue *q);
int queue_fd(const struct queue *q);
/* Reads all that is there. */
void queue_read(struct queue *q, queue_fn fn, void *arg);
/* payload, where not NULL, replaces the packet; it has the packet's length. */
void queue_verdict(struct queue *q, uint32_t id, bool accept, uint32_t mark, const uint8_t *payload,
	size_t len);
