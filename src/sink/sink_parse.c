/* SPDX-License-Identifier: PostgreSQL */
/*
 * Reads the setting "sink".  It must never accept one that would put a
 * password where others can read it.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/names.h"
#include "base/text.h"
#include "sink/sink.h"
#include "sink/sink_file.h"

#define SETTING_MAX 8192
#define ID_MAX	    UINT32_C(4294967294)

#define DATABASE_PLAIN                                         \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" \
	"0123456789_.-"

/* Parts of the name that the lock file adds. */
#define NAME_ROOM                                   \
	(NAME_MAX - sizeof(SINK_FILE_LOCK_PREFIX) - \
	 sizeof(SINK_FILE_LOCK_SUFFIX) + 2)

static bool parse_id(const char *s, uint32_t *ret)
{
	uint64_t n = 0;

	if (*s == '\0' || strlen(s) > 10)
		return false;
	for (; *s >= '0' && *s <= '9'; s++)
		n = n * 10 + (uint64_t)(*s - '0');
	if (*s != '\0' || n > ID_MAX)
		return false;
	*ret = (uint32_t)n;
	return true;
}

/* A name before a number: a user may be called 1000.  When that cannot be asked
 * it is no mistake in the configuration. */
static enum status parse_who(const char *name, bool group, uint32_t *ret,
			     struct reason *why)
{
	enum status st = group ? names_group(name, ret, why) :
				 names_user(name, ret, why);

	if (st == STATUS_NOT_FOUND && parse_id(name, ret))
		return STATUS_OK;
	if (st == STATUS_NOT_FOUND)
		st = STATUS_CONFIG;
	return st == STATUS_OK ? st : reason_wrap(why, st, "sink");
}

static enum status parse_mode(const char *value, struct sink *s,
			      struct reason *why)
{
	size_t n = strlen(value);
	mode_t mode = 0;

	if (n < 3 || n > 4 || strspn(value, "01234567") != n)
		return reason_set(why, STATUS_CONFIG,
				  "sink: mode \"%s\" is not octal, as in 0600",
				  value);
	for (; *value != '\0'; value++)
		mode = mode * 8 + (mode_t)(*value - '0');
	if (s->kind == SINK_PGPASS && (mode & ~(mode_t)0600) != 0)
		return reason_set(
			why, STATUS_CONFIG,
			"sink: mode %04o is too open; libpq ignores a "
			"pgpass file that is not 0600 or less",
			(unsigned)mode);
	if ((mode & ~sink_mode_most(s->kind)) != 0 || (mode & 0400) == 0)
		return reason_set(why, STATUS_CONFIG,
				  s->kind == SINK_SERVICE ?
					  "sink: mode %04o does not fit; use "
					  "0600, 0640 or 0644: a service file "
					  "says where passwords are sent to" :
					  "sink: mode %04o does not fit a file "
					  "with a password; use 0600, 0640 or "
					  "0660",
				  (unsigned)mode);
	s->mode = mode;
	return STATUS_OK;
}

/* No blank can be in it: words end there. */
static enum status parse_name(const char *name, struct sink *s,
			      struct reason *why)
{
	if (s->kind != SINK_SERVICE)
		return reason_set(why, STATUS_CONFIG,
				  "sink: name= is the section of a service "
				  "file, and this is not a service file");
	if (*name == '\0' || text_has_control(name, strlen(name)) ||
	    strchr(name, ']') != NULL)
		return reason_set(
			why, STATUS_CONFIG,
			"sink: \"%s\" cannot be the name of a section of "
			"pg_service.conf: it ends at a ] and at the "
			"line's end",
			name);
	if (text_copy(s->service, sizeof(s->service), name) != STATUS_OK)
		return reason_set(why, STATUS_CONFIG,
				  "sink: the section's name has more than %zu "
				  "bytes",
				  sizeof(s->service) - 1);
	return STATUS_OK;
}

/* PgBouncer's own words are no databases, "*" is for those without a line, and a
 * quote would end the name. */
static enum status parse_database(const char *name, struct sink *s,
				  struct reason *why)
{
	if (!sink_has_database(s->kind))
		return reason_set(why, STATUS_CONFIG,
				  "sink: database= is the line of a "
				  "pgbouncer_ini or pgbouncer_databases, and "
				  "this is another kind");
	/* Without quotes, which 1.18 stumbles over. */
	if (s->kind == SINK_PGBOUNCER_DATABASES &&
	    strspn(name, DATABASE_PLAIN) != strlen(name))
		return reason_set(
			why, STATUS_CONFIG,
			"sink: \"%s\" cannot be the name of a "
			"database in a file for PgBouncer 1.18, which "
			"takes letters, digits and _.- there",
			name);
	if (*name == '\0' || strcmp(name, "*") == 0 ||
	    strcmp(name, "pgbouncer") == 0 || strpbrk(name, "'\"") != NULL ||
	    text_has_control(name, strlen(name)) ||
	    text_copy(s->service, sizeof(s->service), name) != STATUS_OK)
		return reason_set(why, STATUS_CONFIG,
				  "sink: \"%s\" cannot be the name of a "
				  "database in [databases]",
				  name);
	return STATUS_OK;
}

static enum status parse_option(const char *word, struct sink *s,
				struct reason *why)
{
	if (strncmp(word, "owner=", 6) == 0)
		return parse_who(word + 6, false, &s->uid, why);
	if (strncmp(word, "group=", 6) == 0)
		return parse_who(word + 6, true, &s->gid, why);
	if (strncmp(word, "mode=", 5) == 0)
		return parse_mode(word + 5, s, why);
	if (strncmp(word, "name=", 5) == 0)
		return parse_name(word + 5, s, why);
	if (strncmp(word, "database=", 9) == 0)
		return parse_database(word + 9, s, why);
	if (strncmp(word, "pidfile=", 8) == 0) {
		if (word[8] == '/' && text_copy(s->pidfile, sizeof(s->pidfile),
						word + 8) == STATUS_OK)
			return STATUS_OK;
		return reason_set(why, STATUS_CONFIG,
				  "sink: pidfile \"%s\" is not the absolute "
				  "path of a file",
				  word + 8);
	}
	return reason_set(why, STATUS_CONFIG,
			  "sink: \"%s\" is not known; options are owner=USER, "
			  "group=GROUP, mode=0600, pidfile=PATH and, of a "
			  "service file, name=SECTION, of a pgbouncer_ini or "
			  "pgbouncer_databases, database=NAME, and a path has "
			  "no spaces",
			  word);
}

static enum status parse_path(const char *path, struct sink *s,
			      struct reason *why)
{
	const char *name = strrchr(path, '/');
	size_t n = strlen(path);

	if (path[0] != '/' || name[1] == '\0' || text_has_control(path, n) ||
	    strstr(path, "/../") != NULL || strstr(path, "/./") != NULL ||
	    strcmp(name, "/..") == 0 || strcmp(name, "/.") == 0)
		return reason_set(why, STATUS_CONFIG,
				  "sink: \"%s\" is not the absolute path of a "
				  "file, without . and ..",
				  path);
	if (strlen(name + 1) > NAME_ROOM ||
	    text_copy(s->path, sizeof(s->path), path) != STATUS_OK)
		return reason_set(why, STATUS_CONFIG,
				  "sink: the path \"%s\" is too long", path);
	return STATUS_OK;
}

static enum status parse_kind(const char *word, struct sink *s,
			      struct reason *why)
{
	if (word != NULL && strcmp(word, "pgpass") == 0)
		s->kind = SINK_PGPASS;
	else if (word != NULL && strcmp(word, "env") == 0)
		s->kind = SINK_ENV;
	else if (word != NULL && strcmp(word, "pgbouncer") == 0)
		s->kind = SINK_PGBOUNCER;
	else if (word != NULL && strcmp(word, "pgbouncer_ini") == 0)
		s->kind = SINK_PGBOUNCER_INI;
	else if (word != NULL && strcmp(word, "pgbouncer_databases") == 0)
		s->kind = SINK_PGBOUNCER_DATABASES;
	else if (word != NULL && strcmp(word, "service") == 0)
		s->kind = SINK_SERVICE;
	else
		return reason_set(why, STATUS_CONFIG,
				  "sink: \"%s\" is not a kind of file; write "
				  "pgpass, env, pgbouncer, pgbouncer_ini, "
				  "pgbouncer_databases or service, then the "
				  "path",
				  word != NULL ? word : "");
	return STATUS_OK;
}

static enum status parse_words(char *rest, struct sink *s, struct reason *why)
{
	char *save = NULL;
	char *word = strtok_r(rest, " \t", &save);
	enum status st = parse_kind(word, s, why);

	if (st != STATUS_OK)
		return st;
	word = strtok_r(NULL, " \t", &save);
	if (word == NULL)
		return reason_set(why, STATUS_CONFIG,
				  "sink: the path of the file is missing");
	st = parse_path(word, s, why);
	while (st == STATUS_OK && (word = strtok_r(NULL, " \t", &save)) != NULL)
		st = parse_option(word, s, why);
	if (st == STATUS_OK && sink_has_database(s->kind) &&
	    s->service[0] == '\0')
		st = reason_set(why, STATUS_CONFIG,
				"sink: a %s needs database=NAME, the line of "
				"[databases] that gets user and password",
				s->kind == SINK_PGBOUNCER_INI ?
					"pgbouncer_ini" :
					"pgbouncer_databases");
	return st;
}

enum status sink_parse(const char *value, struct sink *ret_sink,
		       struct reason *why)
{
	struct sink s = { .uid = (uid_t)-1,
			  .gid = (gid_t)-1,
			  .mode = SINK_MODE_KEEP };
	char *copy = NULL;
	enum status st;

	if (strlen(value) > SETTING_MAX)
		return reason_set(why, STATUS_CONFIG,
				  "sink: longer than %d characters",
				  SETTING_MAX);
	st = text_dup(value, &copy);
	if (st != STATUS_OK)
		return reason_set(why, st, "sink: no memory");
	st = parse_words(copy, &s, why);
	free(copy);
	if (st == STATUS_OK)
		*ret_sink = s;
	return st;
}
