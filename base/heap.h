/* SPDX-License-Identifier: BSD-2-Clause */
/* A min-heap of deadlines whose nodes live inside the objects that wait: timers for 100,000 of them
 * cost one pointer each. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed: not in a heap. */
struct heap_node {
	uint64_t due;  /* microseconds, any clock */
	size_t place;  /* 1 + index in the heap; 0: in none */
};

/* Zeroed: empty. */
struct heap {
	struct heap_node **nodes;
	size_t count;
	size_t cap;
};

/* Puts node at due, or moves it there. Fatal when out of memory. */
void heap_set(struct heap *h, struct heap_node *node, uint64_t due);
/* Takes node out; no harm where it is not in. */
void heap_remove(struct heap *h, struct heap_node *node);
/* The node that is due first, NULL when empty. */
struct heap_node *heap_first(const struct heap *h);
/* Frees the heap, not the nodes. */
void heap_free(struct heap *h);
