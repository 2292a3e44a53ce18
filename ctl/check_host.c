/* SPDX-License-Identifier: BSD-2-Clause */
/* `oectl check`: what of this host stands beside oed or against it: ports, clock, users, sysctls. */
#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "ctl/check.h"

/* ---- files of /proc */

/* A small file, to be freed; NULL where it cannot be read. */
static char *read_file(const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t cap = 0;

	if (!f)
		return NULL;
	if (getdelim(&text, &cap, '\0', f) < 0) {
		free(text);
		text = NULL;
	}
	fclose(f);
	return text;
}

static long read_number(const char *path, long otherwise)
{
	char *text = read_file(path);
	long n = text ? strtol(text, NULL, 10) : otherwise;

	free(text);
	return n;
}

/* ---- sysctls */

static void check_interfaces(
	struct check *c, const char *family, const char *name, const char *harm)
{
	struct if_nameindex *all = if_nameindex();

	for (const struct if_nameindex *i = all; i && i->if_index; i++) {
		char path[128], remedy[160];

		if (!strcmp(i->if_name, "lo")) /* is so by default, and right */
			continue;
		snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", family, i->if_name,
			name);
		if (read_number(path, 0) <= 0)
			continue;
		snprintf(remedy, sizeof(remedy), "echo 0 >%s, and in /etc/sysctl.d", path);
		check_say(c, CHECK_FAIL, i->if_name, remedy, "%s is set for %s: %s", name, family,
			harm);
	}
	if_freenameindex(all);
}

void check_sysctls(struct check *c)
{
	if (read_number("/proc/sys/net/core/xfrm_larval_drop", 1) == 0)
		check_say(c, CHECK_WARN, "sysctl", "sysctl -w net.core.xfrm_larval_drop=1",
			"net.core.xfrm_larval_drop is 0: the kernel queues trapped packets itself, "
			"which "
			"delays those of other peers");
	check_interfaces(c, "ipv4", "disable_xfrm", "nothing is encrypted there");
	check_interfaces(c, "ipv4", "disable_policy", "plaintext is accepted there");
	check_interfaces(c, "ipv6", "disable_policy", "plaintext is accepted there");
}

/* ---- clock */

void check_clock(struct check *c)
{
	static const char remedy[] =
		"timedatectl set-ntp true, or install a time service such as chrony";
	struct timex t = {0};
	struct stat st;
	char now[40];
	time_t at = time(NULL);
	struct tm tm;

	if (!gmtime_r(&at, &tm) || !strftime(now, sizeof(now), "%F %T UTC", &tm))
		strcpy(now, "?");
	if (stat("/proc/self/exe", &st) == 0 && at < st.st_mtime)
		check_say(c, CHECK_FAIL, "clock", remedy,
			"%s is before this program was made: no DNSSEC signature will be valid",
			now);
	else if (adjtimex(&t) < 0 || (t.status & STA_UNSYNC))
		check_say(c, CHECK_WARN, "clock", remedy,
			"%s, and nothing keeps it right: DNSSEC signatures and updates of DNS need "
			"it",
			now);
	else
		check_say(c, CHECK_OK, "clock", NULL, "%s, synchronised", now);
}

/* ---- users */

void check_users(struct check *c)
{
	static const char *const users[] = {
		"_oed", "_oed-dns", "_oed-ike", "_oed-sign", "_oed-xfrm"};
	char missing[80] = "";

	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++)
		if (!getpwnam(users[i]))
			snprintf(missing + strlen(missing), sizeof(missing) - strlen(missing),
				" %s", users[i]);
	if (missing[0])
		check_say(c, getenv("OED_UID_BASE") ? CHECK_OK : CHECK_FAIL, "users",
			"systemd-sysusers (contrib/systemd/oed.sysusers)", "there is no user%s",
			missing);
	else
		check_say(c, CHECK_OK, "users", NULL, "each service has its own");
}

/* ---- ports */

unsigned long check_find_port(const char *table, uint16_t port)
{
	for (const char *line = strchr(table, '\n'); line; line = strchr(line + 1, '\n')) {
		char local[40], remote[40];
		unsigned long inode;

		/* sl local rem st tx:rx tr:when retrnsmt uid timeout inode */
		if (sscanf(line, " %*u: %39s %39s %*s %*s %*s %*s %*s %*s %lu", local, remote,
			    &inode) == 3 &&
			strchr(local, ':') && strtoul(strchr(local, ':') + 1, NULL, 16) == port)
			return inode;
	}
	return 0;
}

static bool has_socket(const char *pid, const char *wanted)
{
	char dir[300], path[600], link[64];
	const struct dirent *e;
	bool found = false;
	DIR *d;

	snprintf(dir, sizeof(dir), "/proc/%s/fd", pid);
	d = opendir(dir);
	while (d && !found && (e = readdir(d))) {
		ssize_t n;

		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		n = readlink(path, link, sizeof(link) - 1);
		link[n > 0 ? n : 0] = '\0';
		found = !strcmp(link, wanted);
	}
	if (d)
		closedir(d);
	return found;
}

static void read_title(const char *pid, char *ret, size_t size)
{
	char path[300], *text;

	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	text = read_file(path);
	if (text)
		text[strcspn(text, "\n")] = '\0';
	snprintf(ret, size, "%s", text ? text : "?");
	free(text);
}

bool check_find_owner(unsigned long inode, char *ret_title, size_t size, int *ret_pid)
{
	DIR *d = opendir("/proc");
	const struct dirent *e;
	char wanted[64];
	bool found = false;

	snprintf(wanted, sizeof(wanted), "socket:[%lu]", inode);
	while (d && !found && (e = readdir(d))) {
		if (e->d_name[0] < '1' || e->d_name[0] > '9' || !has_socket(e->d_name, wanted))
			continue;
		*ret_pid = atoi(e->d_name);
		read_title(e->d_name, ret_title, size);
		found = true;
	}
	if (d)
		closedir(d);
	return found;
}

/* Who has the port in one family, if not oed. Returns whether it can be had. */
static bool check_port(struct check *c, const char *file, uint16_t port)
{
	char *table = read_file(file), title[64], remedy[160];
	unsigned long inode = table ? check_find_port(table, port) : 0;
	int pid;

	free(table);
	if (!inode)
		return true;
	if (!check_find_owner(inode, title, sizeof(title), &pid)) {
		check_say(c, CHECK_FAIL, "ports", "run this as root to see whose it is",
			"UDP port %u is taken", port);
		return false;
	}
	if (!strncmp(title, "oed", 3))
		return true;
	snprintf(remedy, sizeof(remedy),
		"end it: systemctl status %d names its unit, then systemctl disable --now", pid);
	check_say(c, CHECK_FAIL, "ports", remedy, "UDP port %u is taken by %s (pid %d)", port,
		title, pid);
	return false;
}

static bool check_others(struct check *c)
{
	static const char *const known[] = {"charon", "charon-systemd", "pluto", "iked", "racoon"};
	DIR *d = opendir("/proc");
	const struct dirent *e;
	bool none = true;

	while (d && (e = readdir(d))) {
		char title[64];

		if (e->d_name[0] < '1' || e->d_name[0] > '9')
			continue;
		read_title(e->d_name, title, sizeof(title));
		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
			if (strcmp(title, known[i]) != 0)
				continue;
			check_say(c, CHECK_WARN, "others", "let one of the two keep the host",
				"another IKE daemon runs here: %s (pid %s)", title, e->d_name);
			none = false;
		}
	}
	if (d)
		closedir(d);
	return none;
}

void check_ports(struct check *c)
{
	static const char *const files[] = {"/proc/self/net/udp", "/proc/self/net/udp6"};
	static const uint16_t ports[] = {500, 4500};
	bool good = true;

	for (size_t i = 0; i < 2; i++)
		for (size_t j = 0; j < 2; j++)
			good = check_port(c, files[i], ports[j]) && good;
	if (good)
		check_say(c, CHECK_OK, "ports", NULL, "UDP 500 and 4500 are %s",
			c->status ? "oed's" : "free");
	if (check_others(c))
		check_say(c, CHECK_OK, "others", NULL, "no other IKE daemon runs");
}
