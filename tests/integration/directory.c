/* SPDX-License-Identifier: PostgreSQL */
/*
 * LD_PRELOAD shim of the integration tests: a directory service that knows one
 * user, "somebody".  The file that KEYTURN_DIRECTORY names has his number; while
 * there is no such file, the directory is away.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int getpwnam_r(const char *name, struct passwd *pw, char *buf, size_t size,
	       struct passwd **ret)
{
	int (*real)(const char *, struct passwd *, char *, size_t,
		    struct passwd **) = dlsym(RTLD_NEXT, "getpwnam_r");
	unsigned uid;
	FILE *f;
	int n;

	if (strcmp(name, "somebody") != 0)
		return real(name, pw, buf, size, ret);
	*ret = NULL;
	f = fopen(getenv("KEYTURN_DIRECTORY"), "r");
	if (!f)
		return EIO;
	n = fscanf(f, "%u", &uid);
	fclose(f);
	if (n != 1)
		return 0;
	memset(pw, 0, sizeof(*pw));
	pw->pw_uid = uid;
	*ret = pw;
	return 0;
}
