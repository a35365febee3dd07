/* SPDX-License-Identifier: PostgreSQL */
/* The system calls of the agent; must never let a program be started that the
 * configuration does not need. */
#include "agent/agent_sandbox.h"

#include "config.h"

#if defined(__SANITIZE_ADDRESS__)
#define WITHOUT_SANDBOX 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITHOUT_SANDBOX 1
#endif
#endif
#if !defined(HAVE_SECCOMP)
#define WITHOUT_SANDBOX 1
#endif

#ifdef WITHOUT_SANDBOX

enum status agent_sandbox_enter(bool programs, struct reason *why)
{
	(void)programs;
	(void)why;
	return STATUS_OK;
}

#else

#include <errno.h>
#include <seccomp.h>
#include <string.h>

/* Names that this architecture or kernel does not have are passed over. */
static const char *const wanted[] = {
	/* memory and threads */
	"brk", "mmap", "mmap2", "munmap", "mremap", "mprotect", "madvise",
	"mlock", "mlock2", "munlock", "memfd_create", "memfd_secret", "clone",
	"clone3", "futex", "futex_time64", "futex_waitv", "set_robust_list",
	"get_robust_list", "rseq", "set_tid_address", "arch_prctl",
	"membarrier", "exit", "exit_group", "sched_yield", "sched_getaffinity",
	"restart_syscall",
	/* signals */
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait",
	"sigaltstack", "signalfd4", "tgkill", "kill",
	/* time */
	"clock_gettime", "clock_gettime64", "clock_getres", "clock_nanosleep",
	"clock_nanosleep_time64", "nanosleep", "gettimeofday", "time",
	"timerfd_create", "timerfd_settime",
	/* who we are */
	"getpid", "gettid", "getppid", "getuid", "geteuid", "getgid", "getegid",
	"getgroups", "getresuid", "getresgid", "getrandom", "getcpu", "uname",
	"sysinfo", "prctl", "prlimit64", "getrlimit", "ugetrlimit", "setrlimit",
	"getrusage", "times", "capget",
	/* files */
	"open", "openat", "openat2", "close", "close_range", "read", "write",
	"readv", "writev", "pread64", "pwrite64", "lseek", "_llseek", "fsync",
	"fdatasync", "sync_file_range", "ftruncate", "ftruncate64", "fallocate",
	"stat", "lstat", "fstat", "stat64", "lstat64", "fstat64", "newfstatat",
	"fstatat64", "statx", "statfs", "fstatfs", "access", "faccessat",
	"faccessat2", "readlink", "readlinkat", "getdents64", "getcwd", "fcntl",
	"fcntl64", "flock", "fadvise64", "mkdir", "mkdirat", "rename",
	"renameat", "renameat2", "link", "linkat", "unlink", "unlinkat",
	"chmod", "fchmod", "fchmodat", "fchown", "fchownat", "umask",
	"utimensat", "dup", "dup2", "dup3", "pipe", "pipe2", "ioctl",
	"eventfd2", "inotify_init1", "inotify_add_watch", "inotify_rm_watch",
	/* sockets and waiting */
	"socket", "socketpair", "bind", "connect", "listen", "accept",
	"accept4", "shutdown", "getsockopt", "setsockopt", "getsockname",
	"getpeername", "send", "sendto", "sendmsg", "sendmmsg", "recv",
	"recvfrom", "recvmsg", "recvmmsg", "recvmmsg_time64", "socketcall",
	"poll", "ppoll", "ppoll_time64", "select", "_newselect", "pselect6",
	"pselect6_time64", "epoll_create1", "epoll_ctl", "epoll_wait",
	"epoll_pwait", "epoll_pwait2"
};

/* What intruders do first. */
static const char *const forbidden[] = {
	/* other programs and processes */
	"execve", "execveat", "ptrace", "process_vm_readv", "process_vm_writev",
	"pidfd_getfd", "kcmp",
	/* the kernel's own */
	"bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "keyctl",
	"add_key", "request_key", "init_module", "finit_module",
	"delete_module", "kexec_load", "kexec_file_load",
	/* other file systems and namespaces */
	"mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree",
	"fsopen", "setns", "unshare", "open_by_handle_at",
	/* another user */
	"setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid",
	"setgroups", "setfsuid", "setfsgid", "personality",
	/* the machine */
	"acct", "swapon", "swapoff", "reboot", "iopl", "ioperm"
};

static int add_rule(scmp_filter_ctx ctx, uint32_t action, const char *name)
{
	int number = seccomp_syscall_resolve_name(name);
	int error;

	if (number == __NR_SCMP_ERROR)
		return 0;
	error = seccomp_rule_add(ctx, action, number, 0);
	/* There is one already; or not on this architecture. */
	return error == -EEXIST || error == -EDOM ? 0 : error;
}

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static int add_rules(scmp_filter_ctx ctx, bool programs)
{
	int error = 0;

	for (size_t i = 0; !programs && i < COUNT(wanted) && error == 0; i++)
		error = add_rule(ctx, SCMP_ACT_ALLOW, wanted[i]);
	for (size_t i = 0; i < COUNT(forbidden) && error == 0; i++) {
		if (programs && strcmp(forbidden[i], "execve") == 0)
			continue;
		error = add_rule(ctx, SCMP_ACT_KILL_PROCESS, forbidden[i]);
	}
	return error;
}

enum status agent_sandbox_enter(bool programs, struct reason *why)
{
	/* A program inherits the filter, and no one knows what it has a use
	 * for. */
	scmp_filter_ctx ctx = seccomp_init(programs ? SCMP_ACT_ALLOW :
						      SCMP_ACT_ERRNO(ENOSYS));
	int error = ctx ? add_rules(ctx, programs) : -ENOMEM;

	if (error == 0)
		error = seccomp_load(ctx);
	seccomp_release(ctx);
	if (error == 0)
		return STATUS_OK;
	return reason_set(why, STATUS_ERROR,
			  "the system call filter cannot be set: %s",
			  strerror(-error));
}

#endif
