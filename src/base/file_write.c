/* SPDX-License-Identifier: PostgreSQL */
/* Writes all of it; must never leave a copy behind. */
#include "base/file.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/file_internal.h"

bool file_write_all(int fd, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;

	while (n > 0) {
		ssize_t done = write(fd, p, n);

		if (done < 0 && errno != EINTR)
			return false;
		if (done > 0) {
			p += done;
			n -= (size_t)done;
		}
	}
	return true;
}

bool file_write_secret(int fd, const void *bytes, size_t n)
{
	unsigned char bounce[FILE_BOUNCE_BYTES];
	const unsigned char *p = bytes;
	bool fine = true;
	size_t part;
	int error;

	for (; n > 0 && fine; p += part, n -= part) {
		part = n < sizeof(bounce) ? n : sizeof(bounce);
		memcpy(bounce, p, part);
		fine = file_write_all(fd, bounce, part);
	}
	error = errno;
	secret_wipe(bounce, sizeof(bounce));
	errno = error;
	return fine;
}
