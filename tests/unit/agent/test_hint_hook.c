/* SPDX-License-Identifier: BSD-2-Clause */
/* contrib/unbound/oed-hint: what it hands on of what it is called with, and what it refuses, in one
 * line. A double stands in for oectl and tells its arguments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEY "10 0 4 . dGhpcyBpcyBub3QgYSBrZXk="
#define RUN "--run /nowhere/hint hint "

static char folder[] = "/tmp/oed-hook.XXXXXX", out[PATH_MAX], err[PATH_MAX];

static int set_up(void **state)
{
	char path[PATH_MAX], env[2 * PATH_MAX];
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/oectl", folder);
	snprintf(out, sizeof(out), "%s/out", folder);
	snprintf(err, sizeof(err), "%s/err", folder);
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "#!/bin/sh\necho \"$*\" >%s\n", out);
	fclose(f);
	chmod(path, 0755);
	snprintf(env, sizeof(env), "%s:%s", folder, getenv("PATH"));
	setenv("PATH", env, 1);
	setenv("OED_RUNDIR", "/nowhere", 1);
	return 0;
}

static int tear_down(void **state)
{
	char path[PATH_MAX];

	(void)state;
	snprintf(path, sizeof(path), "%s/oectl", folder);
	unlink(path);
	unlink(err);
	unlink(out);
	return rmdir(folder);
}

/* The file's text; "" where there is none. Counts its lines. */
static const char *text(const char *path, size_t *ret_lines)
{
	static char buf[4096];
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(buf, 1, sizeof(buf) - 1, f) : 0;

	if (f)
		fclose(f);
	buf[n] = '\0';
	*ret_lines = 0;
	for (size_t i = 0; i < n; i++)
		*ret_lines += buf[i] == '\n';
	return buf;
}

/* Calls the hook; argv[0] is set here. Returns its exit status. */
static int call(const char **argv)
{
	static char path[PATH_MAX];
	const char *top = getenv("srcdir");
	int status;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/contrib/unbound/oed-hint", top ? top : ".");
	argv[0] = path;
	unlink(out);
	unlink(err);
	pid = fork();
	if (pid == 0) {
		if (!freopen(err, "w", stderr))
			_exit(126);
		execv(path, (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* told: what oectl gets; NULL: nothing, and one line says why. */
static void check(const char *name, const char *ttl, const char *addrs, const char *keys,
	const char *told)
{
	const char *argv[] = {NULL, name, ttl, addrs, keys, NULL};
	char want[1024];
	size_t lines;

	if (!told) {
		assert_int_equal(call(argv), 1);
		assert_int_not_equal(access(out, F_OK), 0);
		text(err, &lines);
		assert_int_equal(lines, 1);
		return;
	}
	assert_int_equal(call(argv), 0);
	snprintf(want, sizeof(want), RUN "%s\n", told);
	assert_string_equal(text(out, &lines), want);
}

static void test_taken(void **state)
{
	size_t lines;

	(void)state;
	check("host.example.", "300", "192.0.2.1", KEY, "host.example. 192.0.2.1");
	check("a_b-c.example", "0", "2001:db8::1 2001:db8::2", KEY " 10 3 2 gw.example. AwEA",
		"a_b-c.example 2001:db8::1 2001:db8::2");
	/* sixteen are told, and that there are more */
	check("h.example.", "1", "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18", KEY,
		"h.example. 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16");
	text(err, &lines);
	assert_int_equal(lines, 1);
}

static void test_garbage(void **state)
{
	static const struct {
		const char *name, *ttl, *addrs, *keys;
	} table[] = {
		{"", "1", "192.0.2.1", KEY},
		{"-r", "1", "192.0.2.1", KEY},
		{".", "1", "192.0.2.1", KEY},
		{"a b.example", "1", "192.0.2.1", KEY},
		{"$(id).example", "1", "192.0.2.1", KEY},
		{"a.example;id", "1", "192.0.2.1", KEY},
		{"a\n.example", "1", "192.0.2.1", KEY},
		{"\xc3\xa9.example", "1", "192.0.2.1", KEY},
		{"a.example", "", "192.0.2.1", KEY},
		{"a.example", "-1", "192.0.2.1", KEY},
		{"a.example", "1s", "192.0.2.1", KEY},
		{"a.example", "1", "", KEY},
		{"a.example", "1", "   ", KEY},
		{"a.example", "1", "192.0.2.1;id", KEY},
		{"a.example", "1", "--json", KEY},
		{"a.example", "1", "*", KEY},
		{"a.example", "1", "192.0.2.1", ""},
		{"a.example", "1", "192.0.2.1", "`id`"},
		{"a.example", "1", "192.0.2.1", "\x01\x02"},
	};
	char longest[400];

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		check(table[i].name, table[i].ttl, table[i].addrs, table[i].keys, NULL);
	memset(longest, 'a', sizeof(longest));
	longest[255] = '\0';
	check(longest, "1", "192.0.2.1", KEY, NULL);
}

static void test_too_many(void **state)
{
	enum { N = 100000 };
	static const char *argv[N + 2];
	const char *none[] = {NULL, NULL};
	size_t lines;

	(void)state;
	for (size_t i = 1; i <= N; i++)
		argv[i] = "192.0.2.1";
	assert_int_equal(call(argv), 1);
	text(err, &lines);
	assert_int_equal(lines, 1);
	assert_int_not_equal(access(out, F_OK), 0);
	assert_int_equal(call(none), 1);
	text(err, &lines);
	assert_int_equal(lines, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_taken),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_too_many),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
