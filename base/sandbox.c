/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/sandbox.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"

#ifdef __has_feature /* clang's way to say it */
#if __has_feature(address_sanitizer)
#define UNDER_ASAN
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define UNDER_ASAN
#endif

/* Order is the number above OED_UID_BASE. */
static const char *const users[] = {"_oed", "_oed-dns", "_oed-ike", "_oed-sign", "_oed-xfrm",
	"_oed-listen"};

/* What every process of ours does, whatever its trade. */
static const char *const common_syscalls[] = {
	/* the loop */
	"epoll_wait",
	"epoll_pwait",
	"epoll_pwait2",
	"epoll_ctl",
	"epoll_create1",
	"poll",
	"ppoll",
	"select",
	"pselect6",
	"clock_gettime",
	"clock_getres",
	"gettimeofday",
	"time",
	"timerfd_create",
	"timerfd_settime",
	"clock_nanosleep",
	"nanosleep",
	"restart_syscall",
	/* channels, sockets that are open already, log lines */
	"read",
	"readv",
	"write",
	"writev",
	"recvfrom",
	"recvmsg",
	"recvmmsg",
	"sendto",
	"sendmsg",
	"sendmmsg",
	"close",
	"shutdown",
	"fcntl",
	"lseek",
	"pread64",
	"getsockopt",
	"getsockname",
	"eventfd2",
	"pipe2",
	/* memory, which OpenSSL and malloc ask for */
	"brk",
	"mmap",
	"munmap",
	"mremap",
	"mprotect",
	"madvise",
	"futex",
	/* random numbers */
	"getrandom",
	/* signals and the end */
	"rt_sigaction",
	"rt_sigprocmask",
	"rt_sigreturn",
	"sigaltstack",
	"exit",
	"exit_group",
	"getpid",
	"gettid",
	"tgkill",
	"getuid",
	"geteuid",
	"getgid",
	"getegid",
	/* what libc asks at the first use of a thing */
	"fstat",
	"newfstatat",
	"rseq",
	"set_robust_list",
	"sched_getaffinity",
	"sched_yield",
	"uname",
	"sysinfo",
	"getrlimit",
	"prlimit64",
	NULL,
};

int sandbox_lookup(const char *user, uint32_t *ret_uid, uint32_t *ret_gid)
{
	const char *base = getenv("OED_UID_BASE");
	struct passwd *pw;

	errno = 0;
	pw = getpwnam(user);
	if (pw) {
		*ret_uid = pw->pw_uid;
		*ret_gid = pw->pw_gid;
		return 0;
	}
	for (size_t i = 0; base && i < sizeof(users) / sizeof(users[0]); i++)
		if (!strcmp(user, users[i])) {
			unsigned long n = strtoul(base, NULL, 10);

			/* 0 would be root */
			if (n < 1000 || n > 1u << 30)
				break;
			*ret_uid = *ret_gid = (uint32_t)(n + i);
			return 0;
		}
	log_error("there is no user '%s': add it with 'useradd --system --shell /usr/sbin/nologin "
		  "%s', or set OED_UID_BASE to a free range of numbers",
		user, user);
	return -ENOENT;
}

static int change_user(const struct sandbox *s)
{
	uint32_t uid, gid;
	int r = sandbox_lookup(s->user, &uid, &gid);

	if (r < 0)
		return r;
	capng_clear(CAPNG_SELECT_BOTH);
	for (unsigned int c = 0; c < 64; c++)
		if (s->caps & SANDBOX_CAP(c))
			capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, c);
	r = capng_change_id((int)uid, (int)gid, CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING);
	if (r) {
		log_error("cannot become user '%s' (uid %u): libcap-ng error %d", s->user, uid, r);
		return -EPERM;
	}
	return 0;
}

static int add_syscalls(scmp_filter_ctx ctx, const char *const *names)
{
	for (; names && *names; names++) {
		int nr = seccomp_syscall_resolve_name(*names);
		int r;

		/* an architecture without the call has another one in the list */
		if (nr == __NR_SCMP_ERROR)
			continue;
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 0);
		if (r < 0 && r != -EDOM && r != -EEXIST)
			return r;
	}
	return 0;
}

static int enter_seccomp(const struct sandbox *s)
{
#ifdef UNDER_ASAN
	/* the sanitizer's runtime needs calls of its own */
	(void)s, (void)add_syscalls, (void)common_syscalls;
	return 0;
#else
	const char *mode = getenv("OED_SECCOMP");
	scmp_filter_ctx ctx;
	int r;

	if (mode && !strcmp(mode, "off"))
		return 0;
	ctx = seccomp_init(mode && !strcmp(mode, "log") ? SCMP_ACT_LOG : SCMP_ACT_KILL_PROCESS);
	if (!ctx)
		return -ENOMEM;
	r = add_syscalls(ctx, common_syscalls);
	if (!r)
		r = add_syscalls(ctx, s->syscalls);
	if (!r)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	if (r == -EINVAL || r == -ENOSYS || r == -ECANCELED) {
		log_warn("this kernel has no seccomp filter: running without");
		return 0;
	}
	if (r < 0)
		log_error("cannot enter the seccomp filter: %s", strerror(-r));
	return r;
#endif
}

int sandbox_enter(const struct sandbox *s)
{
	int r;

	if (geteuid() == 0) {
		r = change_user(s);
		if (r < 0)
			return r;
	}
	/* keys must not end in a core file, nor in another process of the same user */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
		log_error("cannot give up new privileges: %s", strerror(errno));
		return -errno;
	}
	return enter_seccomp(s);
}
