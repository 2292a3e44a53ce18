/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * burst_tell SOCKET FILE: what became of each address of a burst. On stdin, for each, "ADDRESS
 * MILLISECONDS ANSWERED MICROSECONDS": how late its DNS answer came, and how many of DATAGRAMS were
 * answered, the first after how long ("-": none). The rest the agent tells, by its explanation of each,
 * which goes to FILE, too. Prints "KEY=VALUE..." on one line, times in milliseconds as MEDIAN/MOST:
 *
 *   peers, datagrams, lost      lost: not answered
 *   private, clear, other       peers in that state
 *   in_esp, in_clear            peers whose held datagrams went on so
 *   answered                    the first answer, since the datagram was sent
 *   over_dns                    the same without the time for which the DNS answer was held back
 *   dns_late                    an answer is with the agent, since it was due
 *   ike                         from the answer until the IKE SA is up, of those that have one
 *   over_slowest                from the last of these two until the held datagrams went on, if they waited
 *                               for it
 */
#include <err.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define PEERS_MAX 1024
#define DATAGRAMS 3

/* Milliseconds, and how many there are. */
struct series {
	double v[PEERS_MAX];
	size_t n;
};

struct told {
	unsigned int peers, answered, private, clear, in_esp, in_clear;
	struct series first, over_dns, dns_late, ike, over_slowest;
};

static void add(struct series *s, double ms)
{
	s->v[s->n++] = ms;
}

static FILE *open_agent(const char *path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	FILE *f;

	if (strlen(path) >= sizeof(sun.sun_path))
		errx(1, "%s: too long", path);
	strcpy(sun.sun_path, path);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) < 0)
		err(1, "%s", path);
	f = fdopen(fd, "r+");
	if (!f)
		err(1, "%s", path);
	return f;
}

/* The agent's first peer of that address. */
static json_t *explain(FILE *agent, const char *address, FILE *log)
{
	static char line[1 << 20];
	json_t *answer, *peer;

	fprintf(agent, "{\"command\":\"explain\",\"address\":\"%s\"}\n", address);
	fflush(agent);
	if (!fgets(line, sizeof(line), agent))
		errx(1, "%s: no answer of the agent's", address);
	fputs(line, log);
	answer = json_loads(line, 0, NULL);
	peer = json_incref(json_array_get(json_object_get(answer, "peers"), 0));
	json_decref(answer);
	if (!peer)
		errx(1, "%s: no peer of the agent's: %s", address, line);
	return peer;
}

/* Milliseconds ago of the last step of that kind whose text has these words; negative: there is none. */
static double ago(const json_t *peer, const char *kind, const char *words)
{
	const json_t *step;
	double at = -1;
	size_t i;

	json_array_foreach(json_object_get(peer, "chain"), i, step) {
		const char *is = json_string_value(json_object_get(step, "step"));
		const char *text = json_string_value(json_object_get(step, "text"));

		if (is && text && strcmp(is, kind) == 0 && strstr(text, words))
			at = json_number_value(json_object_get(step, "ago_ms"));
	}
	return at;
}

static void take(struct told *t, const json_t *peer, double delay)
{
	const char *state = json_string_value(json_object_get(peer, "state"));
	double trapped = ago(peer, "trapped", ""), dns = ago(peer, "dns", ""),
	       up = ago(peer, "ike", "IKE SA up"), released = ago(peer, "released", ""),
	       slowest = up >= 0 ? up : dns;

	t->private += state && strcmp(state, "PRIVATE") == 0;
	t->clear += state && strcmp(state, "CLEAR") == 0;
	t->in_esp += ago(peer, "released", "encrypted") >= 0;
	t->in_clear += ago(peer, "released", "in clear") >= 0;
	if (trapped >= 0 && dns >= 0)
		add(&t->dns_late, trapped - dns - delay);
	if (dns >= 0 && up >= 0)
		add(&t->ike, dns - up);
	if (released >= 0 && slowest >= released) /* else a limit let them go */
		add(&t->over_slowest, slowest - released);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print(const char *name, struct series *s)
{
	if (!s->n)
		return;
	qsort(s->v, s->n, sizeof(s->v[0]), by_value);
	printf(" %s=%.1f/%.1f", name, s->v[s->n / 2], s->v[s->n - 1]);
}

int main(int argc, char **argv)
{
	static struct told t;
	char address[64], first[32];
	unsigned int delay, answered;
	FILE *agent, *log;

	if (argc != 3)
		errx(2, "usage: burst_tell SOCKET FILE");
	agent = open_agent(argv[1]);
	log = fopen(argv[2], "w");
	if (!log)
		err(1, "%s", argv[2]);
	while (scanf("%63s %u %u %31s", address, &delay, &answered, first) == 4) {
		json_t *peer = explain(agent, address, log);

		if (t.peers++ == PEERS_MAX)
			errx(1, "more than %d addresses", PEERS_MAX);
		t.answered += answered;
		if (answered) {
			add(&t.first, strtod(first, NULL) / 1000);
			add(&t.over_dns, strtod(first, NULL) / 1000 - delay);
		}
		take(&t, peer, delay);
		json_decref(peer);
	}
	fclose(agent);
	fclose(log);
	printf("peers=%u datagrams=%u lost=%u private=%u clear=%u other=%u in_esp=%u in_clear=%u",
		t.peers, t.peers * DATAGRAMS, t.peers * DATAGRAMS - t.answered, t.private, t.clear,
		t.peers - t.private - t.clear, t.in_esp, t.in_clear);
	print("answered", &t.first);
	print("over_dns", &t.over_dns);
	print("dns_late", &t.dns_late);
	print("ike", &t.ike);
	print("over_slowest", &t.over_slowest);
	putchar('\n');
	return 0;
}
