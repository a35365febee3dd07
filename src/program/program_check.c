/* SPDX-License-Identifier: PostgreSQL */
/*
 * Who could put another program in a program's place?  Must never pass over a
 * folder or a symbolic link on the way to it.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "program/program.h"

#define LINKS_MAX 40 /* as the kernel has it */

struct walk {
	const char *path; /* as it was asked for */
	uid_t uid;
	char at[PATH_MAX];   /* what was looked at; "" is "/" */
	char rest[PATH_MAX]; /* what is to come, from at */
	int links;
};

static bool is_trusted(const struct walk *w, uid_t owner)
{
	return owner == 0 || owner == geteuid() || owner == w->uid;
}

static const char *name_at(const struct walk *w)
{
	return *w->at ? w->at : "/";
}

static enum status judge(const struct walk *w, const struct stat *st,
			 struct reason *why)
{
	const char *at = name_at(w);
	bool folder = S_ISDIR(st->st_mode);
	const char *what = folder ? "the folder " : "";

	if (!is_trusted(w, st->st_uid))
		return reason_set(why, STATUS_CONFIG,
				  "%s%s belongs to user %lu, who could put "
				  "another program there; it must belong to "
				  "root",
				  what, at, (unsigned long)st->st_uid);
	if (S_ISLNK(st->st_mode) || !(st->st_mode & (S_IWGRP | S_IWOTH)) ||
	    (folder && st->st_mode & S_ISVTX))
		return STATUS_OK;
	return reason_set(why, STATUS_CONFIG,
			  "%s%s can be written by others, who could put "
			  "another program there: chmod go-w %s",
			  what, at, at);
}

static enum status refuse_length(const struct walk *w, struct reason *why)
{
	return reason_set(why, STATUS_CONFIG, "the path %.200s is too long",
			  w->path);
}

/* What the link `at`, whose own folder ends at `folder`, says comes before what is
 * to come. */
static enum status follow(struct walk *w, size_t folder, struct reason *why)
{
	char target[PATH_MAX], rest[PATH_MAX];
	ssize_t n = readlink(w->at, target, sizeof(target) - 1);
	int len;

	if (n < 0)
		return reason_set(why, STATUS_CONFIG, "%s cannot be read: %s",
				  w->at, strerror(errno));
	if (++w->links > LINKS_MAX)
		return reason_set(
			why, STATUS_CONFIG,
			"%.200s leads through too many symbolic links",
			w->path);
	target[n] = '\0';
	len = snprintf(rest, sizeof(rest), "%s/%s", target, w->rest);
	if (len < 0 || (size_t)len >= sizeof(rest))
		return refuse_length(w, why);
	memcpy(w->rest, rest, (size_t)len + 1);
	w->at[target[0] == '/' ? 0 : folder] = '\0';
	return STATUS_OK;
}

/* Look at the next part of the path, of n bytes. */
static enum status descend(struct walk *w, const char *part, size_t n,
			   struct stat *st, struct reason *why)
{
	size_t folder = strlen(w->at);
	enum status s;

	if (n == 2 && memcmp(part, "..", 2) == 0) {
		/* `at` has no link in it: above it is what its name says. */
		w->at[folder > 0 ? (size_t)(strrchr(w->at, '/') - w->at) : 0] =
			'\0';
		n = 0;
	} else if (n == 1 && *part == '.') {
		n = 0;
	} else if (folder + n + 2 > sizeof(w->at)) {
		return refuse_length(w, why);
	} else {
		w->at[folder] = '/';
		memcpy(w->at + folder + 1, part, n);
		w->at[folder + 1 + n] = '\0';
	}
	if (lstat(name_at(w), st) != 0)
		return reason_set(why, STATUS_CONFIG, "%s: %s", name_at(w),
				  errno == ENOENT ? "there is no such file" :
						    strerror(errno));
	s = judge(w, st, why);
	if (s == STATUS_OK && S_ISLNK(st->st_mode))
		s = follow(w, folder, why);
	return s;
}

static enum status walk_path(struct walk *w, struct stat *st,
			     struct reason *why)
{
	char part[PATH_MAX];
	enum status s = descend(w, ".", 1, st, why);

	while (s == STATUS_OK) {
		const char *from = w->rest + strspn(w->rest, "/");
		size_t n = strcspn(from, "/");

		if (n == 0)
			break;
		memcpy(part, from, n);
		memmove(w->rest, from + n, strlen(from + n) + 1);
		s = descend(w, part, n, st, why);
	}
	return s;
}

enum status program_check(const char *path, uid_t uid, struct reason *why)
{
	struct walk *w = calloc(1, sizeof(*w));
	struct stat st;
	enum status s;

	if (!w)
		return reason_no_memory(why);
	w->path = path;
	w->uid = uid;
	if (path[0] != '/')
		s = reason_set(why, STATUS_CONFIG,
			       "%.200s is not an absolute path; no shell looks "
			       "for it",
			       path);
	else if (text_copy(w->rest, sizeof(w->rest), path) != STATUS_OK)
		s = refuse_length(w, why);
	else
		s = walk_path(w, &st, why);
	if (s == STATUS_OK && !S_ISREG(st.st_mode))
		s = reason_set(why, STATUS_CONFIG,
			       "%.200s is not a regular file", path);
	free(w);
	return s;
}
