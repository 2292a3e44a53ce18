/* SPDX-License-Identifier: BSD-2-Clause */
/* Name servers in oed.conf, and those that the system has. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/conf.h"

int conf_server_parse(const char *text, struct conf_server *ret)
{
	struct conf_server s = {.port = 53};
	const char *hash = strchr(text, '#');
	char address[ADDR_STRLEN];
	size_t len = hash ? (size_t)(hash - text) : strlen(text);
	unsigned long port;
	char *end;

	if (len >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, len);
	address[len] = '\0';
	if (addr_parse(address, &s.addr) < 0 || addr_is_any(&s.addr) ||
		addr_is_multicast(&s.addr))
		return -EINVAL;
	if (hash) {
		port = strtoul(hash + 1, &end, 10);
		if (hash[1] < '0' || hash[1] > '9' || *end || port < 1 || port > 65535)
			return -EINVAL;
		s.port = (uint16_t)port;
	}
	*ret = s;
	return 0;
}

size_t conf_nameservers(const char *path, struct addr ret[static DNS_FORWARDERS_MAX])
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t cap = 0, n = 0;

	memset(ret, 0, DNS_FORWARDERS_MAX * sizeof(*ret));
	if (!f)
		return 0;
	while (n < DNS_FORWARDERS_MAX && getline(&line, &cap, f) > 0) {
		char *save = NULL, *word = strtok_r(line, " \t\r\n", &save);

		if (!word || strcmp(word, "nameserver") != 0)
			continue;
		word = strtok_r(NULL, " \t\r\n", &save);
		if (word && !addr_parse(word, &ret[n]))
			n++;
	}
	free(line);
	fclose(f);
	return n;
}

/* 127.0.0.53, and .54 of later versions. */
static bool is_resolved_stub(const struct addr *a)
{
	static const uint8_t stub[] = {127, 0, 0};

	return a->family == AF_INET && !memcmp(a->b, stub, 3) && (a->b[3] == 53 || a->b[3] == 54);
}

size_t conf_system_forwarders(struct addr ret[static DNS_FORWARDERS_MAX], const char **ret_file)
{
	struct addr behind[DNS_FORWARDERS_MAX];
	const char *file = CONF_RESOLV_CONF;
	size_t n = conf_nameservers(file, ret), n_behind;

	if (n > 0 && is_resolved_stub(&ret[0])) {
		n_behind = conf_nameservers(CONF_RESOLVED_CONF, behind);
		if (n_behind) {
			memcpy(ret, behind, sizeof(behind));
			n = n_behind;
			file = CONF_RESOLVED_CONF;
		}
	}
	if (ret_file)
		*ret_file = file;
	return n;
}
