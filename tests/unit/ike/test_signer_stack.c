/* SPDX-License-Identifier: BSD-2-Clause */
/* What the signer leaves on its stack: nothing of its answer, which is SK_d and more with a PPK. It runs
 * here in a thread whose stack is ours to look at, between doubles of the service's frame and of the
 * channel. */
#include "ike/signer.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/service.h"
#include "ike/keymat.h"
#include "ike/suite.h"

#define STACK_SIZE (1u << 20)
#define KEYS 96 /* SK_d, SK_pi and SK_pr of a prf of 32 bytes */
#define PIECE 16

static const struct service *signer;
static void *state;
static struct signer_done answer;
static uint8_t tail[IKE_SIG_MAX];
static size_t tail_len;
static size_t left;       /* pieces of the answer, on the stack */
static bool seen_request; /* it was that stack */

struct asked {
	uint8_t *stack;
	uint8_t keys[KEYS];
};

int service_main(const struct service *service)
{
	signer = service;
	return 0;
}

void msg_send(struct msg_channel *ch, uint16_t type, const void *fixed, size_t fixed_len,
	const void *bytes, size_t len)
{
	(void)ch;
	if (type != SIGNER_EV_DONE)
		return;
	assert_int_equal(fixed_len, sizeof(answer));
	assert_true(len <= sizeof(tail));
	memcpy(&answer, fixed, fixed_len);
	memcpy(tail, bytes, len);
	tail_len = len;
}

/* Whether what is there; a stack has places that a sanitizer lets nobody read. */
__attribute__((no_sanitize("address"), noinline)) static bool holds(
	const volatile uint8_t *p, size_t len, const uint8_t *what, size_t what_len)
{
	for (size_t at = 0; at + what_len <= len; at++) {
		size_t i = 0;

		while (i < what_len && p[at + i] == what[i])
			i++;
		if (i == what_len)
			return true;
	}
	return false;
}

/* Else the locals are elsewhere, with some compilers. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_stack_use_after_return=0";
}

static void *ask(void *arg)
{
	struct asked *asked = arg;
	struct signer_sign req = {
		.id = 1, .scheme = IKE_SIGN_PPK, .prf = IKE_PRF_HMAC_SHA2_256, .secret = "ppk"};

	/* the first time the linker still looks for functions, and saves registers on the stack */
	signer->on_message(state, SIGNER_REQ_SIGN, &req, asked->keys, KEYS);
	for (size_t i = 0; i < KEYS; i++)
		asked->keys[i] = (uint8_t)i;
	signer->on_message(state, SIGNER_REQ_SIGN, &req, asked->keys, KEYS);
	/* before the thread's end goes over it */
	for (size_t at = 0; at < KEYS; at += PIECE)
		left += holds(asked->stack, STACK_SIZE, tail + at, PIECE);
	seen_request = holds(asked->stack, STACK_SIZE, (const uint8_t *)&req, sizeof(req));
	return NULL;
}

static void start(char dir[static 30])
{
	char path[60];
	FILE *f;

	strcpy(dir, "/tmp/oed-signer-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/keys", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/keys/ppk.psk", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs("a secret of some length\n", f) >= 0);
	fclose(f);
	assert_int_equal(chmod(path, 0600), 0);
	setenv("OED_CONFDIR", dir, 1);
	assert_int_equal(signer_service_main(), 0);
	assert_int_equal(signer->open(NULL, &state), 0);
	assert_int_equal(signer->start(state, NULL, NULL), 0);
}

static void test_ppk(void **arg)
{
	struct asked asked = {.stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)};
	char dir[30], command[60];
	pthread_attr_t attr;
	pthread_t thread;

	(void)arg;
	assert_true(asked.stack != MAP_FAILED);
	start(dir);
	assert_int_equal(pthread_attr_init(&attr), 0);
	assert_int_equal(pthread_attr_setstack(&attr, asked.stack, STACK_SIZE), 0);
	assert_int_equal(pthread_create(&thread, &attr, ask, &asked), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(answer.error, 0);
	assert_int_equal(tail_len, KEYS);
	assert_true(seen_request);
	assert_int_equal(left, 0);
	(signer->stop)(state); /* cmocka 2 has a macro of that name */
	pthread_attr_destroy(&attr);
	munmap(asked.stack, STACK_SIZE);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ppk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
