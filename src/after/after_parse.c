/* SPDX-License-Identifier: PostgreSQL */
/*
 * Reads the setting "after".  Must never accept a secret in it, nor a name that
 * another program would take for an option or for several things.
 */
#include <stdlib.h>
#include <string.h>

#include "after/after_internal.h"
#include "base/duration.h"
#include "base/now.h"
#include "base/text.h"

#define SETTING_MAX 1024
#define TIMEOUT_MAX (600 * NOW_SECOND)
#define UNIT_MAX    255
#define SUFFIX	    ".service"
#define BLANKS	    " \t\n" /* a setting may go on on the next line */

/* Between blanks, in quotes as libpq has them: 'it''s' is not one, 'it\'s' is.
 * *at moves behind it; NULL at the end.  The word ends with a NUL. */
static char *next_word(char **at)
{
	char *word = *at + strspn(*at, BLANKS);
	bool quoted = false;
	char *p;

	for (p = word; *p != '\0' && (quoted || strchr(BLANKS, *p) == NULL);
	     p++)
		if (*p == '\\' && p[1] != '\0')
			p++;
		else if (*p == '\'')
			quoted = !quoted;
	*at = *p != '\0' ? p + 1 : p;
	*p = '\0';
	return *word != '\0' ? word : NULL;
}

/* The value of KEY=VALUE, or NULL when it is another key. */
static const char *value_of(const char *word, const char *key)
{
	size_t n = strlen(key);

	return strncmp(word, key, n) == 0 && word[n] == '=' ? word + n + 1 :
							      NULL;
}

static enum status take_timeout(struct after *a, const char *value,
				struct reason *why)
{
	int64_t us = 0;
	enum status st = duration_parse(value, &us, why);

	if (st != STATUS_OK)
		return reason_wrap(why, st, "after: timeout");
	if (us < NOW_SECOND || us > TIMEOUT_MAX)
		return reason_set(why, STATUS_CONFIG,
				  "after: timeout is from 1s to 10m, and %s is "
				  "not",
				  value);
	a->timeout_us = us;
	return STATUS_OK;
}

static enum status take_path(const char *what, const char *path, char *ret,
			     size_t size, struct reason *why)
{
	if (path[0] == '/' && path[1] != '\0' &&
	    !text_has_control(path, strlen(path)) &&
	    strchr(path, '\'') == NULL &&
	    text_copy(ret, size, path) == STATUS_OK)
		return STATUS_OK;
	return reason_set(why, STATUS_CONFIG,
			  "after: %s \"%s\" is not the absolute path of a "
			  "file, without blanks and quotes",
			  what, path);
}

/* ---- systemd ----------------------------------------------------------------- */

/* systemd.unit(5); a template without an instance is no unit. */
static bool is_unit(const char *s)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789:_.\\@-";
	size_t n = strlen(s), end = sizeof(SUFFIX) - 1;

	return n > end && n <= UNIT_MAX && strspn(s, allowed) == n &&
	       s[0] != '-' && s[0] != '.' && s[0] != '@' &&
	       s[n - end - 1] != '@' && strcmp(s + n - end, SUFFIX) == 0;
}

static enum status parse_unit(struct after *a, char *rest, struct reason *why)
{
	char *word = next_word(&rest);
	enum status st = STATUS_OK;
	const char *v;

	if (word == NULL || !is_unit(word))
		return reason_set(why, STATUS_CONFIG,
				  "after: \"%s\" is not the name of a service "
				  "of systemd's, as in app" SUFFIX,
				  word != NULL ? word : "");
	if (after_systemd_is_ours(word))
		return reason_set(why, STATUS_CONFIG,
				  "after: %s is keyturnd itself, which would "
				  "end while it waits for that; it needs no "
				  "telling",
				  word);
	text_copy(a->target, sizeof(a->target), word);
	while (st == STATUS_OK && (word = next_word(&rest)) != NULL) {
		v = value_of(word, "timeout");
		st = v != NULL ? take_timeout(a, v, why) :
				 reason_set(why, STATUS_CONFIG,
					    "after: \"%s\" is not known; "
					    "behind the unit may stand "
					    "timeout=30s",
					    word);
	}
	return st;
}

/* ---- signal ------------------------------------------------------------------- */

static enum status parse_signal(struct after *a, char *rest, struct reason *why)
{
	const char *number = next_word(&rest), *path = next_word(&rest);
	const char *more = next_word(&rest);
	enum status st;

	if (number == NULL || strcmp(number, "HUP") != 0)
		return reason_set(why, STATUS_CONFIG,
				  "after: \"%s\" is not a signal that can be "
				  "sent; write signal HUP PIDFILE",
				  number != NULL ? number : "");
	st = take_path("pidfile", path != NULL ? path : "", a->target,
		       sizeof(a->target), why);
	if (st == STATUS_OK && more != NULL)
		st = reason_set(why, STATUS_CONFIG,
				"after: \"%s\" is one word too many; a signal "
				"has a pidfile and nothing else",
				more);
	return st;
}

/* ---- pgbouncer-admin ---------------------------------------------------------- */

/* What cannot be right here, though libpq knows it; the rest is refused by
 * pg_info_parse(). */
static enum status refuse_keyword(const char *word, struct reason *why)
{
	const char *v;

	if (strstr(word, "://") != NULL)
		return reason_set(why, STATUS_CONFIG,
				  "after: write where PgBouncer's console is "
				  "as host=HOST port=PORT user=USER, not as a "
				  "URI");
	if (value_of(word, "password") != NULL)
		return reason_set(why, STATUS_CONFIG,
				  "after: holds a password; secrets are never "
				  "settings, they are files: use "
				  "passfile=PATH");
	v = value_of(word, "dbname");
	if (v != NULL && strcmp(v, "pgbouncer") != 0)
		return reason_set(why, STATUS_CONFIG,
				  "after: dbname=%s is not PgBouncer's "
				  "console, which is the database pgbouncer; "
				  "leave it out, and name the database for the "
				  "login with prove=",
				  v);
	if (strchr(word, '=') == NULL || word[0] == '=' ||
	    text_has_control(word, strlen(word)))
		return reason_set(why, STATUS_CONFIG,
				  "after: \"%s\" is not KEYWORD=VALUE, without "
				  "blanks",
				  word);
	return STATUS_OK;
}

static enum status take_name(const char *keyword, const char *value, char *ret,
			     size_t size, struct reason *why)
{
	if (*value != '\0' && strpbrk(value, "'\"") == NULL &&
	    strcmp(value, "pgbouncer") != 0 &&
	    !text_has_control(value, strlen(value)) &&
	    text_copy(ret, size, value) == STATUS_OK)
		return STATUS_OK;
	return reason_set(why, STATUS_CONFIG,
			  "after: %s=%s is not a name of 1 to %zu bytes, "
			  "without blanks and quotes, and not pgbouncer",
			  keyword, value, size - 1);
}

/* One of our own words: true, and how it went. */
static bool take_own(struct after *a, const char *word, enum status *ret,
		     struct reason *why)
{
	const char *v;

	if ((v = value_of(word, "timeout")) != NULL)
		*ret = take_timeout(a, v, why);
	else if ((v = value_of(word, "passfile")) != NULL)
		*ret = take_path("passfile", v, a->passfile,
				 sizeof(a->passfile), why);
	else if ((v = value_of(word, "prove_user")) != NULL)
		*ret = take_name("prove_user", v, a->prove_user,
				 sizeof(a->prove_user), why);
	else if ((v = value_of(word, "prove")) == NULL)
		return false;
	else if (strcmp(v, "no") == 0)
		a->prove_no = true;
	else
		*ret = take_name("prove", v, a->prove, sizeof(a->prove), why);
	return true;
}

/* What two words say together. */
static enum status check_console(struct after *a, struct reason *why)
{
	const char *port = pg_info_get(a->console, "port");

	if (pg_info_get(a->console, "user")[0] == '\0')
		return reason_set(why, STATUS_CONFIG,
				  "after: user=USER is missing, one of "
				  "PgBouncer's admin_users");
	if (pg_info_lists_hosts(a->console))
		return reason_set(why, STATUS_CONFIG,
				  "after: names several hosts or ports; each "
				  "PgBouncer is a step of its own");
	if (a->prove_no && (a->prove[0] != '\0' || a->prove_user[0] != '\0'))
		return reason_set(why, STATUS_CONFIG,
				  "after: prove=no, and where to prove it, "
				  "exclude each other");
	if (a->prove_user[0] != '\0' && a->prove[0] == '\0')
		return reason_set(why, STATUS_CONFIG,
				  "after: prove_user=%s needs prove=DATABASE, "
				  "where it logs in",
				  a->prove_user);
	text_copy(a->port, sizeof(a->port), port);
	return STATUS_OK;
}

static enum status parse_console(struct after *a, char *rest, bool insecure,
				 struct reason *why)
{
	/* The first of two words that are the same does not count for libpq. */
	struct text conninfo = text_make(SETTING_MAX + 64);
	enum status st = STATUS_OK;
	char *word;

	text_add(&conninfo, "port=6432 dbname=pgbouncer");
	while (st == STATUS_OK && (word = next_word(&rest)) != NULL) {
		if (take_own(a, word, &st, why))
			continue;
		st = refuse_keyword(word, why);
		text_add(&conninfo, " ");
		text_add(&conninfo, word);
	}
	if (st == STATUS_OK && text_status(&conninfo) != STATUS_OK)
		st = reason_no_memory(why);
	if (st == STATUS_OK) {
		st = pg_info_parse(text_str(&conninfo), insecure, &a->console,
				   why);
		if (st != STATUS_OK)
			reason_wrap(why, st, "after");
	}
	text_free(&conninfo);
	return st == STATUS_OK ? check_console(a, why) : st;
}

/* ---- a step ------------------------------------------------------------------- */

static const struct {
	const char *word;
	enum after_kind kind;
} kinds[] = {
	{ "pgbouncer-admin", AFTER_PGBOUNCER },
	{ "systemd-reload", AFTER_RELOAD },
	{ "systemd-restart", AFTER_RESTART },
	{ "signal", AFTER_SIGNAL },
};

static const char *word_of(enum after_kind kind)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (kinds[i].kind == kind)
			return kinds[i].word;
	return "";
}

static enum status parse_kind(struct after *a, const char *word,
			      struct reason *why)
{
	for (size_t i = 0; word != NULL && i < sizeof(kinds) / sizeof(*kinds);
	     i++)
		if (strcmp(word, kinds[i].word) == 0) {
			a->kind = kinds[i].kind;
			return STATUS_OK;
		}
	return reason_set(why, STATUS_CONFIG,
			  "after: \"%s\" is not known; write pgbouncer-admin "
			  "host=HOST port=PORT user=USER, systemd-reload UNIT, "
			  "systemd-restart UNIT or signal HUP PIDFILE",
			  word != NULL ? word : "");
}

static enum status name_step(struct after *a, struct reason *why)
{
	struct text t = text_make(2 * SETTING_MAX);
	const char *host;
	enum status st;

	text_add(&t, word_of(a->kind));
	if (a->kind == AFTER_PGBOUNCER) {
		host = pg_info_get(a->console, "host");
		if (host[0] == '\0')
			host = pg_info_get(a->console, "hostaddr");
		text_printf(&t, " %s port %s",
			    host[0] != '\0' ? host : "local socket", a->port);
	} else
		text_printf(&t, "%s %s", a->kind == AFTER_SIGNAL ? " HUP" : "",
			    a->target);
	st = text_dup(text_str(&t), &a->name);
	text_free(&t);
	return st == STATUS_OK ? st : reason_no_memory(why);
}

static enum status parse_step(struct after *a, char *rest, bool insecure,
			      struct reason *why)
{
	enum status st = parse_kind(a, next_word(&rest), why);

	if (st != STATUS_OK)
		return st;
	if (a->kind == AFTER_PGBOUNCER)
		st = parse_console(a, rest, insecure, why);
	else if (a->kind == AFTER_SIGNAL)
		st = parse_signal(a, rest, why);
	else
		st = parse_unit(a, rest, why);
	return st == STATUS_OK ? name_step(a, why) : st;
}

enum status after_parse(const char *value, bool insecure, struct after **ret,
			struct reason *why)
{
	struct after *a = calloc(1, sizeof(*a));
	char *copy = NULL;
	enum status st = STATUS_NO_MEMORY;

	if (a == NULL || text_dup(value, &copy) != STATUS_OK) {
		reason_no_memory(why);
		goto out;
	}
	a->timeout_us = AFTER_TIMEOUT_US;
	if (strlen(value) > SETTING_MAX)
		st = reason_set(why, STATUS_CONFIG,
				"after: longer than %d bytes", SETTING_MAX);
	else
		st = parse_step(a, copy, insecure, why);
	if (st == STATUS_OK) {
		*ret = a;
		a = NULL;
	}
out:
	free(copy);
	after_free(a);
	return st;
}
