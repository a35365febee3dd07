/* SPDX-License-Identifier: PostgreSQL */
/*
 * Whether a file could be replaced, found out without replacing it.  Must never
 * leave anything behind: so a folder that lets files in and not out is noticed
 * before there is a temporary one.
 */
#include "base/file_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* CAP_FOWNER: what another owns in a sticky folder may be replaced. */
static bool may_replace_others(void)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3,
						 0 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &head, data) != 0)
		return geteuid() == 0;
	return data[CAP_TO_INDEX(CAP_FOWNER)].effective &
	       CAP_TO_MASK(CAP_FOWNER);
}

static enum status check_flags(const struct statx *x, const char *what,
			       const char *path, struct reason *why)
{
	bool immutable = x->stx_attributes & STATX_ATTR_IMMUTABLE;

	if (!immutable && !(x->stx_attributes & STATX_ATTR_APPEND))
		return STATUS_OK;
	return reason_set(why, STATUS_REFUSED,
			  "%s%s is %s, so that no file can be put in place "
			  "there; chattr -%c it",
			  what, path, immutable ? "immutable" : "append-only",
			  immutable ? 'i' : 'a');
}

enum status file_try_rename(int folder, const char *path, const char *name,
			    struct reason *why)
{
	struct statx in, file;
	enum status s;

	if (statx(folder, "", AT_EMPTY_PATH, STATX_UID | STATX_MODE, &in) != 0)
		return file_error(why, "look at the folder of", path);
	s = check_flags(&in, "the folder of ", path, why);
	if (s != STATUS_OK)
		return s;
	if (statx(folder, name, AT_SYMLINK_NOFOLLOW, STATX_UID, &file) != 0)
		return errno == ENOENT ? STATUS_OK :
					 file_error(why, "look at", path);
	s = check_flags(&file, "", path, why);
	if (s != STATUS_OK)
		return s;
	if (file.stx_attributes & STATX_ATTR_MOUNT_ROOT)
		return reason_set(why, STATUS_REFUSED,
				  "%s is a mount point, which cannot be "
				  "replaced; mount the folder that it lies in, "
				  "not the file alone",
				  path);
	if ((in.stx_mode & S_ISVTX) && file.stx_uid != geteuid() &&
	    in.stx_uid != geteuid() && !may_replace_others())
		return reason_set(why, STATUS_REFUSED,
				  "%s belongs to user %u, and its folder lets "
				  "only that user replace it (sticky bit)",
				  path, (unsigned)file.stx_uid);
	return STATUS_OK;
}
