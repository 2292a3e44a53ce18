/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/heap.h"

#include <stdlib.h>

#include "base/log.h"

#define CAP_FIRST 64

static void put(struct heap *h, size_t i, struct heap_node *node)
{
	h->nodes[i] = node;
	node->place = i + 1;
}

static void up(struct heap *h, size_t i)
{
	struct heap_node *node = h->nodes[i];

	for (; i > 0 && h->nodes[(i - 1) / 2]->due > node->due; i = (i - 1) / 2)
		put(h, i, h->nodes[(i - 1) / 2]);
	put(h, i, node);
}

static void down(struct heap *h, size_t i)
{
	struct heap_node *node = h->nodes[i];
	size_t child;

	while ((child = 2 * i + 1) < h->count) {
		if (child + 1 < h->count && h->nodes[child + 1]->due < h->nodes[child]->due)
			child++;
		if (h->nodes[child]->due >= node->due)
			break;
		put(h, i, h->nodes[child]);
		i = child;
	}
	put(h, i, node);
}

/* The node at i may be out of order in either direction. */
static void settle(struct heap *h, size_t i)
{
	struct heap_node *node = h->nodes[i];

	up(h, i);
	down(h, node->place - 1);
}

static void resize(struct heap *h, size_t cap)
{
	struct heap_node **nodes = realloc(h->nodes, cap * sizeof(*nodes));

	if (!nodes) {
		log_error("out of memory");
		abort();
	}
	h->nodes = nodes;
	h->cap = cap;
}

void heap_set(struct heap *h, struct heap_node *node, uint64_t due)
{
	node->due = due;
	if (node->place) {
		settle(h, node->place - 1);
		return;
	}
	if (h->count == h->cap)
		resize(h, h->cap ? 2 * h->cap : CAP_FIRST);
	put(h, h->count++, node);
	up(h, h->count - 1);
}

void heap_remove(struct heap *h, struct heap_node *node)
{
	size_t i = node->place - 1;

	if (!node->place)
		return;
	node->place = 0;
	h->count--;
	if (i < h->count) {
		put(h, i, h->nodes[h->count]);
		settle(h, i);
	}
	/* what thousands of peers took is given back when they are gone */
	if (h->cap > CAP_FIRST && h->count < h->cap / 8)
		resize(h, h->cap / 2);
}

struct heap_node *heap_first(const struct heap *h)
{
	return h->count ? h->nodes[0] : NULL;
}

void heap_free(struct heap *h)
{
	free(h->nodes);
	*h = (struct heap){0};
}
