/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A UDP proxy before a DNS server that holds back some of its answers.
 *
 *   dnsdelay LISTEN SERVER FILE
 *
 * LISTEN and SERVER are addresses, port 53. Each line of FILE is "NAME MILLISECONDS": the answer to a
 * question for this very name leaves that long after the question came. All else passes at once.
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

#define NAME_MAX_LEN 256
#define SLOTS 1024 /* questions under way; their DNS id towards the server is the slot's index */

static struct rule {
	char name[NAME_MAX_LEN];
	int64_t delay_us;
} rules[1024];
static size_t n_rules;

static struct slot {
	bool used;
	uint8_t id[2];
	struct sockaddr_storage client;
	socklen_t client_len;
	int64_t due;   /* earliest moment for the answer */
	size_t length; /* of the answer, 0: not here yet */
	uint8_t answer[4096];
} slots[SLOTS];

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void load(const char *path)
{
	FILE *f = fopen(path, "r");
	long long ms;

	if (!f)
		err(1, "%s", path);
	while (n_rules < sizeof(rules) / sizeof(rules[0]) &&
		fscanf(f, "%255s %lld", rules[n_rules].name, &ms) == 2)
		rules[n_rules++].delay_us = ms * 1000;
	fclose(f);
}

/* RFC 1035 section 4.1.2; a question's name is never compressed. "" where it is malformed. */
static void question_name(const uint8_t *query, size_t len, char name[NAME_MAX_LEN])
{
	size_t at = 12, out = 0;

	while (at < len && query[at] > 0 && query[at] < 64) {
		size_t label = query[at];

		if (at + 1 + label > len || out + label + 2 > NAME_MAX_LEN)
			break;
		memcpy(name + out, query + at + 1, label);
		out += label;
		name[out++] = '.';
		at += 1 + label;
	}
	name[out] = '\0';
}

static int64_t delay_of(const uint8_t *query, size_t len)
{
	char name[NAME_MAX_LEN];

	question_name(query, len, name);
	for (size_t i = 0; i < n_rules; i++)
		if (strcasecmp(rules[i].name, name) == 0)
			return rules[i].delay_us;
	return 0;
}

static int open_socket(const char *address, bool server)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(53)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(53)};
	bool v4 = inet_pton(AF_INET, address, &in.sin_addr) == 1;
	struct sockaddr *sa = v4 ? (struct sockaddr *)&in : (struct sockaddr *)&in6;
	socklen_t len = v4 ? sizeof(in) : sizeof(in6);

	if (!v4 && inet_pton(AF_INET6, address, &in6.sin6_addr) != 1)
		errx(2, "not an address: %s", address);
	int fd = socket(sa->sa_family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	if (fd < 0 || (server ? connect(fd, sa, len) : bind(fd, sa, len)) < 0)
		err(1, "%s", address);
	return fd;
}

static void take_question(int client, int server)
{
	struct slot s = {.client_len = sizeof(s.client)};
	uint8_t query[4096];
	static size_t next;
	ssize_t len = recvfrom(
		client, query, sizeof(query), 0, (struct sockaddr *)&s.client, &s.client_len);

	if (len < 12)
		return;
	for (size_t i = 0; i < SLOTS && slots[next].used; i++)
		next = (next + 1) % SLOTS;
	if (slots[next].used)
		errx(1, "more than %d questions at once", SLOTS);
	s.used = true;
	memcpy(s.id, query, 2);
	s.due = now() + delay_of(query, (size_t)len);
	slots[next] = s;
	query[0] = (uint8_t)(next >> 8);
	query[1] = (uint8_t)next;
	if (send(server, query, (size_t)len, 0) < 0)
		warn("send");
	next = (next + 1) % SLOTS;
}

static void take_answer(int server)
{
	uint8_t answer[sizeof(slots[0].answer)];
	ssize_t len = recv(server, answer, sizeof(answer), 0);
	size_t i = len < 12 ? SLOTS : (size_t)answer[0] << 8 | answer[1];

	if (i >= SLOTS || !slots[i].used)
		return;
	memcpy(slots[i].answer, answer, (size_t)len);
	memcpy(slots[i].answer, slots[i].id, 2);
	slots[i].length = (size_t)len;
}

/* Sends the answers that are due; returns milliseconds to the next, -1 for none. */
static int give_answers(int client)
{
	int64_t t = now(), next = -1;

	for (size_t i = 0; i < SLOTS; i++) {
		struct slot *s = &slots[i];

		if (!s->used || s->length == 0)
			continue;
		if (s->due > t) {
			if (next < 0 || s->due < next)
				next = s->due;
			continue;
		}
		if (sendto(client, s->answer, s->length, 0, (struct sockaddr *)&s->client,
			    s->client_len) < 0)
			warn("sendto");
		s->used = false;
	}
	return next < 0 ? -1 : (int)((next - t + 999) / 1000);
}

int main(int argc, char **argv)
{
	if (argc != 4)
		errx(2, "usage: dnsdelay LISTEN SERVER FILE");
	load(argv[3]);
	struct pollfd fds[2] = {
		{.fd = open_socket(argv[1], false), .events = POLLIN},
		{.fd = open_socket(argv[2], true), .events = POLLIN},
	};

	for (;;) {
		if (poll(fds, 2, give_answers(fds[0].fd)) < 0)
			err(1, "poll");
		if (fds[0].revents)
			take_question(fds[0].fd, fds[1].fd);
		if (fds[1].revents)
			take_answer(fds[1].fd);
	}
}
