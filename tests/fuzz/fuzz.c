/* SPDX-License-Identifier: BSD-2-Clause */
/* In place of base/log.c, too: what the code says is formatted, so that the sanitizers see what it
 * reads, and shown only where FUZZ_LOG is in the environment. */
#include "tests/fuzz/fuzz.h"

#define OPENSSL_SUPPRESS_DEPRECATED /* RAND_set_rand_method() has no handier successor */
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

_Noreturn void fuzz_finding(const char *what, const char *file, int line)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
	abort();
}

/* ---- log */

__attribute__((format(printf, 1, 0))) static void say(const char *fmt, va_list ap)
{
	char line[4096];

	vsnprintf(line, sizeof(line), fmt, ap);
	if (getenv("FUZZ_LOG"))
		fprintf(stderr, "%s\n", line);
}

#define LOG_FUNCTION(name)               \
	void name(const char *fmt, ...)  \
	{                                \
		va_list ap;              \
                                         \
		va_start(ap, fmt);       \
		say(fmt, ap);            \
		va_end(ap);              \
	}

LOG_FUNCTION(log_error)
LOG_FUNCTION(log_warn)
LOG_FUNCTION(log_info)
LOG_FUNCTION(log_debug_line)
LOG_FUNCTION(log_limited)

void log_init(const char *name, enum log_level level)
{
	(void)name, (void)level;
}

void log_set_level(enum log_level level)
{
	(void)level;
}

enum log_level log_level(void)
{
	return LOG_LEVEL_DEBUG;
}

bool log_level_parse(const char *text, enum log_level *ret)
{
	static const char *const names[] = {"error", "warn", "info", "debug"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(text, names[i]) == 0) {
			*ret = (enum log_level)i;
			return true;
		}
	return false;
}

/* ---- randomness */

static uint64_t state;

void fuzz_seed(uint64_t seed)
{
	state = seed;
}

/* splitmix64 */
void fuzz_random(void *buf, size_t len)
{
	uint8_t *p = buf;

	for (size_t i = 0; i < len; i++) {
		uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);

		z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
		z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
		p[i] = (uint8_t)(z ^ z >> 31);
	}
}

static int rand_bytes(unsigned char *buf, int len)
{
	fuzz_random(buf, (size_t)len);
	return 1;
}

static int rand_status(void)
{
	return 1;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const RAND_METHOD method = {
		.bytes = rand_bytes, .pseudorand = rand_bytes, .status = rand_status};

	(void)argc, (void)argv;
	/* its clean-up at exit makes what it then leaks */
	expect(OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL) == 1);
	expect(RAND_set_rand_method(&method) == 1);
	return 0;
}

uint8_t *fuzz_copy(const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	expect(copy != NULL);
	if (len)
		memcpy(copy, data, len);
	return copy;
}
