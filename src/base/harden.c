/* SPDX-License-Identifier: PostgreSQL */
/* Closes what would show our memory to others or let the environment choose
 * our credentials; must never let a program go on half hardened. */
#include "base/harden.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"

#define SCRUB_BYTES    (64 * 1024) /* states of a store lie between us and it */
#define NAME_MAX_BYTES 256

extern char **environ;

/* A closed 0, 1 or 2 would be taken by the next file that we open, and a
 * message would be written into it. */
static enum status open_standard_descriptors(struct reason *why)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
		if (fd < 0)
			return reason_set(why, STATUS_ERROR,
					  "cannot open /dev/null: %s",
					  strerror(errno));
	} while (fd <= STDERR_FILENO);
	close(fd);
	return STATUS_OK;
}

static bool unwanted(const char *entry, size_t name_n)
{
	static const char keylog[] = "SSLKEYLOGFILE";

	if (name_n >= 2 && memcmp(entry, "PG", 2) == 0)
		return true;
	return name_n == sizeof(keylog) - 1 &&
	       memcmp(entry, keylog, name_n) == 0;
}

static enum status clean_environment(struct reason *why)
{
	char name[NAME_MAX_BYTES];
	size_t i = 0, n;

	while (environ != NULL && environ[i] != NULL) {
		n = strcspn(environ[i], "=");
		if (!unwanted(environ[i], n)) {
			i++;
			continue;
		}
		if (n >= sizeof(name))
			return reason_set(why, STATUS_ERROR,
					  "an environment variable that begins "
					  "with PG has a name of %zu bytes; "
					  "remove it",
					  n);
		memcpy(name, environ[i], n);
		name[n] = '\0';
		if (unsetenv(name) != 0)
			return reason_set(why, STATUS_ERROR,
					  "cannot remove %s from the "
					  "environment: %s",
					  name, strerror(errno));
		/* unsetenv() moved the rest down: look at i again. */
	}
	return STATUS_OK;
}

static enum status forbid_core(bool for_good, struct reason *why)
{
	struct rlimit core = { 0, 0 };

	if ((!for_good && getrlimit(RLIMIT_CORE, &core) != 0) ||
	    (core.rlim_cur = 0, setrlimit(RLIMIT_CORE, &core) != 0))
		return reason_set(why, STATUS_ERROR,
				  "cannot forbid core files: %s",
				  strerror(errno));
	return STATUS_OK;
}

static enum status harden(bool for_good, struct reason *why)
{
	enum status s;

	/* RLIMIT_CORE alone is not enough: a piped core_pattern ignores it. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return reason_set(why, STATUS_ERROR,
				  "cannot make the process undumpable: %s",
				  strerror(errno));
	s = forbid_core(for_good, why);
	if (s != STATUS_OK)
		return s;
	umask(077);
	s = open_standard_descriptors(why);
	if (s != STATUS_OK)
		return s;
	return clean_environment(why);
}

enum status harden_process(struct reason *why)
{
	/* Older kernels have none. */
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return harden(true, why);
}

enum status harden_before_exec(struct reason *why)
{
	return harden(false, why);
}

#if defined(__x86_64__)
/* String functions keep what they compared in vector registers, and the dynamic
 * linker saves these on the stack when a library calls a function for the first
 * time, at the end of the program too. */
__attribute__((noinline, target("avx512f"))) static void forget_upper(void)
{
	__asm__ volatile("vpxorq %%zmm16, %%zmm16, %%zmm16\n\t"
			 "vpxorq %%zmm17, %%zmm17, %%zmm17\n\t"
			 "vpxorq %%zmm18, %%zmm18, %%zmm18\n\t"
			 "vpxorq %%zmm19, %%zmm19, %%zmm19\n\t"
			 "vpxorq %%zmm20, %%zmm20, %%zmm20\n\t"
			 "vpxorq %%zmm21, %%zmm21, %%zmm21\n\t"
			 "vpxorq %%zmm22, %%zmm22, %%zmm22\n\t"
			 "vpxorq %%zmm23, %%zmm23, %%zmm23\n\t"
			 "vpxorq %%zmm24, %%zmm24, %%zmm24\n\t"
			 "vpxorq %%zmm25, %%zmm25, %%zmm25\n\t"
			 "vpxorq %%zmm26, %%zmm26, %%zmm26\n\t"
			 "vpxorq %%zmm27, %%zmm27, %%zmm27\n\t"
			 "vpxorq %%zmm28, %%zmm28, %%zmm28\n\t"
			 "vpxorq %%zmm29, %%zmm29, %%zmm29\n\t"
			 "vpxorq %%zmm30, %%zmm30, %%zmm30\n\t"
			 "vpxorq %%zmm31, %%zmm31, %%zmm31" ::
				 : "memory");
}

__attribute__((noinline, target("avx"))) static void forget_lower(void)
{
	__asm__ volatile("vzeroall" ::
				 : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4",
				   "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
				   "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
				   "xmm15", "memory");
}

static void forget_registers(void)
{
	if (__builtin_cpu_supports("avx512f"))
		forget_upper();
	if (__builtin_cpu_supports("avx"))
		forget_lower();
}
#else
static void forget_registers(void)
{
}
#endif

__attribute__((noinline)) void harden_scrub_stack(void)
{
	unsigned char dead[SCRUB_BYTES];

	secret_wipe(dead, sizeof(dead));
	forget_registers();
}
