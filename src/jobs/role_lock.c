/* SPDX-License-Identifier: PostgreSQL */
/* Locks bytes of one file beside the ledger, one byte a role; must never be
 * needed for the safety of a password. */
#include "jobs/role_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define PATH_SIZE 1200
#define PAUSE_US  (20 * 1000)

/* Two roles of one byte would only wait for each other (FNV-1a, 62 bits). */
static off_t byte_of(const char *role)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (; *role; role++)
		h = (h ^ (unsigned char)*role) * UINT64_C(1099511628211);
	return (off_t)(h >> 2);
}

enum status role_lock_take(const struct opened *b, const char *role,
			   int64_t wait_us, int *ret_lock, struct reason *why)
{
	const struct now *now = now_system();
	int64_t until = now_boot(now) + wait_us;
	/* Of the open file, not of the process: threads wait for each other. */
	struct flock lock = { .l_type = F_WRLCK,
			      .l_whence = SEEK_SET,
			      .l_start = byte_of(role),
			      .l_len = 1 };
	char path[PATH_SIZE];
	int fd;

	snprintf(path, sizeof(path), "%s.turns",
		 config_string(config_find(open_config(b),
					   CONFIG_SECTION_keyturn, ""),
			       CONFIG_keyturn_ledger));
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	while (fd >= 0 && fcntl(fd, F_OFD_SETLK, &lock) != 0) {
		if (errno != EAGAIN && errno != EACCES && errno != EINTR) {
			close(fd);
			fd = -1; /* a file system without locks */
		} else if (now_boot(now) >= until) {
			close(fd);
			return reason_set(why, STATUS_BUSY,
					  "role %s: another process of this "
					  "host is working on it",
					  role);
		} else {
			now_sleep(now, PAUSE_US);
		}
	}
	*ret_lock = fd;
	return STATUS_OK;
}

void role_lock_end(int lock)
{
	if (lock >= 0)
		close(lock);
}
