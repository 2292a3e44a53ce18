/* SPDX-License-Identifier: BSD-2-Clause */
#include "xfrm/stat.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* 29 lines of up to 48 characters in Linux 6.12. */
#define FILE_MAX 8192

static const struct {
	const char *name;
	size_t offset;
} lines[] = {
	{"XfrmOutNoStates", offsetof(struct xfrm_counters, out_no_states)},
	{"XfrmOutPolBlock", offsetof(struct xfrm_counters, out_pol_block)},
	{"XfrmInNoStates", offsetof(struct xfrm_counters, in_no_states)},
	{"XfrmInTmplMismatch", offsetof(struct xfrm_counters, in_tmpl_mismatch)},
	{"XfrmInPolBlock", offsetof(struct xfrm_counters, in_pol_block)},
	{"XfrmInStateProtoError", offsetof(struct xfrm_counters, in_state_proto_error)},
};

int stat_open(void)
{
	int fd = open("/proc/net/xfrm_stat", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

void stat_parse(const char *text, struct xfrm_counters *ret)
{
	while (*text) {
		size_t name = strcspn(text, " \t\n");

		for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
			if (strlen(lines[i].name) == name && !memcmp(text, lines[i].name, name)) {
				uint64_t value = strtoull(text + name, NULL, 10);

				memcpy((char *)ret + lines[i].offset, &value, sizeof(value));
			}
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
}

void stat_read(int fd, struct xfrm_counters *ret)
{
	char text[FILE_MAX];
	ssize_t n = fd < 0 ? 0 : pread(fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	stat_parse(text, ret);
}
