/* SPDX-License-Identifier: BSD-2-Clause */
/* Floods from strangers: no memory past the half-open limit, no line in the log, all counted by cause,
 * and who proves its address by a cookie is served meanwhile (RFC 7296 section 2.6). */
#include <fcntl.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "base/log.h"
#include "ike/exchange.h"
#include "tests/unit/ike/test_sa_world.h"

#define FLOOD 20000

static uint64_t seed = 1;

static uint32_t dice(void)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(seed >> 33);
}

static struct ike_path stranger(struct world *w)
{
	struct ike_path path = {.pair.local = w->host[B].addr, .local_port = IKE_PORT};

	assert_int_equal(addr_parse("198.18.0.0", &path.pair.remote), 0);
	path.pair.remote.b[2] = (uint8_t)(100 + dice() % 100);
	path.pair.remote.b[3] = (uint8_t)dice();
	path.remote_port = (uint16_t)(1024 + dice() % 60000);
	return path;
}

/* What A would send first. */
static uint8_t *first_message;
static size_t first_len;

static enum fate keep_first(struct world *w, struct packet *p)
{
	(void)w;
	if (!first_message) {
		first_message = malloc(p->len);
		memcpy(first_message, p->data, p->len);
		first_len = p->len;
	}
	return DROP;
}

static struct world *flood_world(uint32_t half_open_max, uint32_t cookie_above)
{
	struct world *w = world_ed25519();
	struct ike_config c = world_config();

	c.half_open_max = half_open_max;
	c.cookie_above = cookie_above;
	host_config(&w->host[B], &c);
	w->tamper = keep_first;
	host_connect(&w->host[A]);
	world_run(w, 30 * SEC);
	assert_non_null(first_message);
	w->host[A].fails = 0;
	return w;
}

static enum fate none_to_strangers(struct world *w, struct packet *p)
{
	return addr_equal(&p->path.pair.local, &w->host[A].addr) || p->to == B ? PASS : DROP;
}

static void end(struct world *w)
{
	free(first_message);
	first_message = NULL;
	world_free(w);
}

/* A good request from an address that is not the sender's, each with an SPI of its own. */
static void spoofed(struct world *w, unsigned int n)
{
	static uint8_t message[8192];

	for (unsigned int i = 0; i < n; i++) {
		struct ike_path path = stranger(w);
		uint32_t spi = dice();

		memcpy(message, first_message, first_len);
		memcpy(message, &spi, sizeof(spi));
		ike_core_datagram(w->host[B].core, &path, message, first_len, w->now);
		if (i % 64 == 0)
			world_run(w, 1);
	}
}

static void half_open_bound(void **state)
{
	struct world *w = flood_world(50, 1000000);
	struct host *b = &w->host[B];

	(void)state;
	w->tamper = none_to_strangers;
	spoofed(w, 3000);
	assert_true(b->core->stats.half_open <= 50);
	assert_true(table_count(&b->core->by_spi) <= 50);
	assert_true(b->core->stats.count[IKE_STAT_HALF_OPEN] > 2000);
	world_run(w, 60 * SEC);
	assert_int_equal(b->core->stats.half_open, 0);
	end(w);
}

/* With cookies nothing is kept for who does not come back with one; the real peer does. */
static void cookies_under_load(void **state)
{
	struct world *w = flood_world(1000, 20);
	struct host *a = &w->host[A], *b = &w->host[B];
	size_t before;

	(void)state;
	w->tamper = none_to_strangers;
	spoofed(w, 500);
	assert_true(b->core->stats.half_open <= 21);
	before = mallinfo2().uordblks;
	spoofed(w, FLOOD);
	assert_true(mallinfo2().uordblks <= before + 65536);
	assert_true(b->core->stats.count[IKE_STAT_COOKIE] >= FLOOD);
	assert_true(b->core->stats.half_open <= 21);
	/* in the middle of it */
	host_connect(a);
	for (int i = 0; i < 100 && !a->ups; i++) {
		spoofed(w, 20);
		world_run(w, MS);
	}
	assert_int_equal(a->ups, 1);
	assert_int_equal(b->ups, 1);
	assert_int_equal(a->notes[IKE_NOTE_COOKIE], 1);
	assert_private(w, 1);
	end(w);
}

/* Junk, from anywhere, of any length and any first bytes: all is counted, nothing kept, no line above
 * debug. */
static void junk(void **state)
{
	struct world *w = flood_world(50, 20);
	struct host *b = &w->host[B];
	char log[] = "/tmp/oed-flood-XXXXXX";
	int fd = mkstemp(log), saved = dup(STDERR_FILENO);
	enum log_level level = log_level();
	uint64_t received, causes = 0;
	uint8_t *data = malloc(4096);
	struct stat st;
	size_t memory;

	(void)state;
	assert_true(fd >= 0 && saved >= 0);
	w->tamper = none_to_strangers;
	world_run(w, SEC);
	log_set_level(LOG_LEVEL_INFO);
	assert_true(dup2(fd, STDERR_FILENO) >= 0);
	received = b->core->stats.count[IKE_STAT_RECEIVED];
	for (unsigned int i = 0; i < IKE_STAT_N; i++)
		causes += i == IKE_STAT_RECEIVED ? 0 : b->core->stats.count[i];
	memory = mallinfo2().uordblks;
	for (unsigned int i = 0; i < FLOOD; i++) {
		struct ike_path path = stranger(w);
		size_t len = dice() % (i % 4 ? 120 : 4096);

		for (size_t k = 0; k < len; k++)
			data[k] = (uint8_t)dice();
		if (len >= 28 && i % 2) { /* a header that is nearly good */
			data[17] = 0x20;
			data[18] = (uint8_t)(34 + dice() % 4);
			data[19] = (uint8_t)(dice() % 2 ? 0x08 : 0x28);
			data[24] = data[25] = 0;
			data[26] = (uint8_t)(len >> 8);
			data[27] = (uint8_t)len;
		}
		path.local_port = i % 3 ? IKE_PORT : IKE_PORT_NATT;
		ike_core_datagram(b->core, &path, data, len, w->now);
		if (i % 64 == 0)
			world_run(w, MS);
	}
	world_run(w, 60 * SEC);
	dup2(saved, STDERR_FILENO);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(b->core->stats.count[IKE_STAT_RECEIVED] - received, FLOOD);
	for (unsigned int i = 0; i < IKE_STAT_N; i++)
		causes -= i == IKE_STAT_RECEIVED ? 0 : b->core->stats.count[i];
	assert_true(-causes >= FLOOD); /* each under a cause at least */
	assert_true(mallinfo2().uordblks <= memory + 65536);
	assert_int_equal(table_count(&b->core->by_spi), 0);
	assert_int_equal(table_count(&b->core->by_pair), 0);
	log_set_level(level);
	close(saved);
	close(fd);
	unlink(log);
	free(data);
	end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(half_open_bound),
		cmocka_unit_test(cookies_under_load),
		cmocka_unit_test(junk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
