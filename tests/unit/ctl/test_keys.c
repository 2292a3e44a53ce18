/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `oectl key rollover` by hand, step by step, with a double of the daemon that says what DNS has; and
 * `oectl check` on a host without a daemon.
 */
#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl/check.h"

#define NAME "1.113.0.203.in-addr.arpa."

static char dir[] = "/tmp/test_oectl_keys.XXXXXX";

/* What the double says, shared with its process. */
static struct {
	char dns[2][64]; /* fingerprints at every name */
	char signs[64];
	unsigned int reloads;
} * daemon_says;

static json_t *answer_to(const char *command)
{
	json_t *list = json_array();

	if (!strcmp(command, "resolve")) {
		for (size_t i = 0; i < 2; i++)
			if (daemon_says->dns[i][0])
				json_array_append_new(list,
					json_pack("{s:s}", "fingerprint", daemon_says->dns[i]));
		return json_pack("{s:b, s:s, s:o}", "ok", 1, "class",
			json_array_size(list) ? "KEYS" : "DENIED", "keys", list);
	}
	if (!strcmp(command, "status")) {
		json_array_append_new(list,
			json_pack("{s:s, s:b}", "fingerprint", daemon_says->signs, "signs", 1));
		return json_pack("{s:b, s:o, s:[{s:s, s:s}]}", "ok", 1, "keys", list, "records",
			"name", NAME, "state", "matches");
	}
	json_decref(list);
	daemon_says->reloads += !strcmp(command, "reload");
	return json_pack("{s:b}", "ok", 1);
}

static void serve(int listener)
{
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		FILE *in = fd >= 0 ? fdopen(fd, "r") : NULL, *f = in ? fdopen(dup(fd), "w") : NULL;
		char line[1000];
		json_t *request, *answer;

		if (!f || !fgets(line, sizeof(line), in))
			_exit(1);
		request = json_loads(line, 0, NULL);
		answer = answer_to(json_string_value(json_object_get(request, "command")));
		json_dumpf(answer, f, JSON_COMPACT);
		fputc('\n', f);
		json_decref(answer);
		json_decref(request);
		fclose(f);
		fclose(in);
	}
}

static pid_t start_daemon(void)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	pid_t pid;

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/control.sock", dir);
	assert_int_equal(bind(listener, (const struct sockaddr *)&sun, sizeof(sun)), 0);
	assert_int_equal(listen(listener, 5), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve(listener);
	}
	close(listener);
	return pid;
}

static void stop_daemon(pid_t pid)
{
	char path[100];

	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	snprintf(path, sizeof(path), "%s/control.sock", dir);
	unlink(path);
}

/* Lines are wrapped, and columns padded: a blank for all of that. */
static void squeeze(char *text)
{
	char *to = text;

	for (const char *p = text; *p; p++) {
		char c = *p;

		if (c == '\n')
			c = ' ';
		if (c != ' ' || to == text || to[-1] != ' ')
			*to++ = c;
	}
	*to = '\0';
}

/* Runs the words of line and expects that status, and text in what is said. */
static void says(const char *line, int status, const char *text)
{
	char copy[400], *argv[20] = {copy}, *save = NULL, *out = NULL;
	size_t len;
	FILE *f = open_memstream(&out, &len);
	int argc = 0, got;

	snprintf(copy, sizeof(copy), "oectl %s", line);
	for (char *s = strtok_r(copy, " ", &save); s; s = strtok_r(NULL, " ", &save))
		argv[argc++] = s;
	got = oectl_main(argc, argv, f, f);
	fclose(f);
	squeeze(out);
	if (got != status || !strstr(out, text))
		fail_msg("%s: status %d, '%s' instead of '%s'", line, got, out, text);
	free(out);
}

static bool exists(const char *name)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/keys/%s", dir, name);
	return access(path, F_OK) == 0;
}

static void move(const char *from, const char *to)
{
	char a[200], b[200];

	snprintf(a, sizeof(a), "%s/keys/%s", dir, from);
	snprintf(b, sizeof(b), "%s/keys/%s", dir, to);
	assert_int_equal(rename(a, b), 0);
}

static void fingerprint(const char *file, char ret[static 64])
{
	char path[200];
	struct keytool_public pub;
	EVP_PKEY *key;

	snprintf(path, sizeof(path), "%s/keys/%s", dir, file);
	assert_int_equal(keytool_load(path, &key), 0);
	assert_int_equal(keytool_public(key, &pub), 0);
	EVP_PKEY_free(key);
	strcpy(ret, pub.fingerprint);
}

/* ---- rollover */

static void test_by_hand(void **state)
{
	char old[64], new[64], text[100];
	pid_t pid = start_daemon();

	(void)state;
	says("key rollover", OECTL_OK, "no rollover is under way");
	says("key rollover continue", OECTL_NO, "to begin: oectl key rollover start");
	says("key rollover abort", OECTL_NO, "no rollover is under way");
	says("key rollover onwards", OECTL_USAGE, "write start, continue or abort");
	fingerprint("ed25519.pem", old);
	strcpy(daemon_says->dns[0], old);
	strcpy(daemon_says->signs, old);

	/* where the daemon has found the key; the record to add comes behind the one in use */
	says("key rollover start", OECTL_OK,
		"Add these records and keep the old ones: " NAME " 3600 IN IPSECKEY 20 0 4 . ");
	assert_true(exists("ed25519.new.pem"));
	fingerprint("ed25519.new.pem", new);
	says("key rollover start", OECTL_NO, "a rollover is under way");
	says("key rollover continue", OECTL_OK, "DNS has not got it yet");
	says("key show", OECTL_OK, "(new: does not sign yet");

	strcpy(daemon_says->dns[1], new);
	says("key rollover continue", OECTL_OK, "others may know the old record alone");
	assert_int_equal(daemon_says->reloads, 1); /* the signer is to hold both */
	says("key rollover continue", OECTL_OK, "others may know the old record alone");
	assert_true(exists("ed25519.new.pem"));

	/* a crash between the two renames */
	move("ed25519.pem", "ed25519.old.pem");
	strcpy(daemon_says->signs, new);
	says("key rollover continue --force", OECTL_OK, "Remove these records");
	fingerprint("ed25519.pem", text);
	assert_string_equal(text, new);
	assert_true(exists("ed25519.old.pem"));
	says("key rollover abort", OECTL_NO, "it is too late");
	says("key rollover continue", OECTL_OK, "Remove these records");
	daemon_says->dns[0][0] = '\0';
	says("key rollover continue", OECTL_OK, "The rollover is complete");
	assert_false(exists("ed25519.old.pem"));
	assert_false(exists("rollover.json"));
	assert_true(exists("ed25519.pem"));
	stop_daemon(pid);
}

/* Without --force nothing is switched that DNS has not got, whatever the clock says. */
static void test_not_seen(void **state)
{
	char path[200], text[4000], *at;
	pid_t pid = start_daemon();
	size_t n;
	FILE *f;

	(void)state;
	fingerprint("ed25519.pem", daemon_says->dns[0]);
	says("key rollover start 203.0.113.1", OECTL_OK, "Add these records");
	fingerprint("ed25519.new.pem", daemon_says->dns[1]);
	says("key rollover continue", OECTL_OK, "others may know the old record alone");
	/* long ago */
	snprintf(path, sizeof(path), "%s/keys/rollover.json", dir);
	f = fopen(path, "r+");
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	at = strstr(text, "\"published\": 1");
	assert_non_null(at);
	at[strlen("\"published\": ")] = '0';
	memmove(at + strlen("\"published\": "), at + strlen("\"published\": 0"),
		strlen(at + strlen("\"published\": 0")) + 1);
	f = freopen(path, "w", f);
	fputs(text, f);
	fclose(f);
	daemon_says->dns[1][0] = '\0';
	says("key rollover continue", OECTL_NO, "the new key is not seen at " NAME);
	assert_true(exists("ed25519.new.pem"));
	stop_daemon(pid);
	says("key rollover continue", OECTL_NO, "the daemon does not run");
	says("key rollover abort", OECTL_OK, "Remove these records where they are published");
	assert_false(exists("ed25519.new.pem"));
	assert_false(exists("rollover.json"));
	says("key rollover start", OECTL_NO, "the daemon does not run, so it is not known where");
}

static void test_publish(void **state)
{
	char path[200], line[300], text[300];
	FILE *f;

	(void)state;
	says("key publish 203.0.113.1", OECTL_NO, "name the file of a TSIG key with --update-key");
	says("key publish --server ns.example.org 203.0.113.1", OECTL_USAGE, "is no name server");
	snprintf(path, sizeof(path), "%s/update.key", dir);
	f = fopen(path, "w");
	fputs("key a { algorithm hmac-md5; };", f);
	fclose(f);
	chmod(path, 0644);
	snprintf(line, sizeof(line), "key publish 203.0.113.1 --update-key %s", path);
	says(line, OECTL_NO, "is open to others; chmod 600 it");
	chmod(path, 0600);
	snprintf(text, sizeof(text), "oectl: %s:1: the algorithm is unknown or too weak", path);
	says(line, OECTL_NO, text);
	f = fopen(path, "w");
	fputs("key a { algorithm hmac-sha256; secret "
	      "\"AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=\"; };",
		f);
	fclose(f);
	says(line, OECTL_NO,
		NAME ": its zone is not found: there is no name server at that address");
	unlink(path);
}

/* ---- check */

static void test_find_port(void **state)
{
	static const char udp[] = "   sl  local_address rem_address   st tx_queue rx_queue tr "
				  "tm->when retrnsmt   uid  "
				  "timeout inode ref pointer drops\n"
				  "  352: 00000000:1194 00000000:0000 07 00000000:00000000 "
				  "00:00000000 00000000     0        0 "
				  "23456 2 0000000000000000 0\n"
				  "  353: 3600007F:01F4 00000000:0000 07 00000000:00000000 "
				  "00:00000000 00000000     0        0 "
				  "34567 2 0000000000000000 0\n";
	static const char udp6[] = "head\n 1: 00000000000000000000000000000000:1194 "
				   "00000000000000000000000000000000:0000 07 00000000:00000000 "
				   "00:00000000 00000000 0 0 77 2 0 0\n";

	(void)state;
	assert_int_equal(check_find_port(udp, 4500), 23456);
	assert_int_equal(check_find_port(udp, 500), 34567);
	assert_int_equal(check_find_port(udp, 53), 0);
	assert_int_equal(check_find_port(udp6, 4500), 77);
	assert_int_equal(check_find_port("", 500), 0);
	assert_int_equal(check_find_port("head\n", 500), 0);
	assert_int_equal(check_find_port("head\n garbage\n", 500), 0);
}

/* A socket of ours is found to be ours. */
static void test_find_owner(void **state)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0), pid = 0;
	char title[64];
	struct stat st;

	(void)state;
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(check_find_owner(st.st_ino, title, sizeof(title), &pid));
	assert_int_equal(pid, getpid());
	close(fd);
	assert_false(check_find_owner(st.st_ino, title, sizeof(title), &pid));
}

/* Faults of the files are found, each with its line; the whole says no. */
static void test_check(void **state)
{
	char path[200];
	FILE *f;

	(void)state;
	snprintf(path, sizeof(path), "%s/policies", dir);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/policies/private", dir);
	f = fopen(path, "w");
	fputs("192.0.2.0/24\nsomething odd\n", f);
	fclose(f);
	says("check", OECTL_NO, "policies/private:2: ");
	says("check", OECTL_NO, "ok key Ed25519 SHA256:");
	says("check", OECTL_NO, "warn oed does not run");
	says("check --json", OECTL_NO, "{\"ok\":false,\"warnings\":");
	says("check --json", OECTL_NO, "\"name\":\"policies\",\"state\":\"fail\"");
	unlink(path);
	snprintf(path, sizeof(path), "%s/keys/ed25519.pem", dir);
	chmod(path, 0640);
	says("check", OECTL_NO, "readable by others than its owner; chmod 600 it");
	chmod(path, 0600);
}

static int set_up(void **state)
{
	char path[100];
	FILE *f;

	(void)state;
	daemon_says = mmap(NULL, sizeof(*daemon_says), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (daemon_says == MAP_FAILED || !mkdtemp(dir))
		return -1;
	setenv("OED_RUNDIR", dir, 1);
	setenv("OED_CONFDIR", dir, 1);
	snprintf(path, sizeof(path), "%s/oed.conf", dir);
	f = fopen(path, "w");
	/* nobody is there, and that is known at once */
	fputs("[dns]\nforwarders = 127.0.0.1\nport = 9\n", f);
	fclose(f);
	says("key generate", OECTL_OK, "New Ed25519 key");
	return 0;
}

static int tear_down(void **state)
{
	static const char *const left[] = {"keys/ed25519.pem", "keys", "policies", "oed.conf", ""};
	char path[200];

	(void)state;
	for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, left[i]);
		if (remove(path) < 0)
			return -1;
	}
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_hand),
		cmocka_unit_test(test_not_seen),
		cmocka_unit_test(test_publish),
		cmocka_unit_test(test_find_port),
		cmocka_unit_test(test_find_owner),
		cmocka_unit_test(test_check),
	};

	return cmocka_run_group_tests_name("oectl keys", tests, set_up, tear_down);
}
