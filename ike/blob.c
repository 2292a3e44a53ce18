/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory of the core's. */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "ike/exchange.h"

void *ike_alloc(size_t size)
{
	void *p = calloc(1, size);

	if (!p) {
		log_error("out of memory");
		abort();
	}
	return p;
}

struct blob blob_copy(const void *p, size_t len)
{
	struct blob b = {.p = ike_alloc(len ? len : 1), .len = len};

	if (len)
		memcpy(b.p, p, len);
	return b;
}

void blob_free(struct blob *b)
{
	if (b->p)
		OPENSSL_cleanse(b->p, b->len);
	free(b->p);
	*b = (struct blob){0};
}
