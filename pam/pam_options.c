/* SPDX-License-Identifier: PostgreSQL */
/* Reads the options of the module; must never go on with one that it does not
 * understand, nor with a file that others than root could have written. */
#include "pam/pam_options.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include <security/pam_ext.h>

#include "base/reason.h"
#include "base/text.h"
#include "wire/wire.h"

#define DEFAULT_TIMEOUT_MS 1000

enum kind { KIND_FLAG, KIND_BOOL, KIND_NUMBER, KIND_TEXT, KIND_PATH };
enum where { WHERE_BOTH, WHERE_STACK };

struct row {
	const char *name;
	enum kind kind;
	size_t member;
	size_t least;
	size_t most;
	enum where where;
};

static const struct row rows[] = {
#define PAM_OPTION(name, kind, member, least, most, where)          \
	{ name,	 KIND_##kind, offsetof(struct pam_options, member), \
	  least, most,	      WHERE_##where },
#include "pam/pam_options.def"
#undef PAM_OPTION
};

static const struct row *find_option(const char *word, size_t n)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (strlen(rows[i].name) == n &&
		    memcmp(rows[i].name, word, n) == 0)
			return &rows[i];
	return NULL;
}

/* Decimal digits and nothing else. */
static bool read_number(const char *s, const struct row *r, unsigned *ret)
{
	unsigned v = 0;

	if (*s == '\0' || strlen(s) > 6)
		return false;
	for (; *s != '\0'; s++) {
		if (*s < '0' || *s > '9')
			return false;
		v = v * 10 + (unsigned)(*s - '0');
	}
	if (v < r->least || v > r->most)
		return false;
	*ret = v;
	return true;
}

static bool set_value(const struct row *r, const char *value, void *at)
{
	size_t n;

	switch (r->kind) {
	case KIND_FLAG:
		break;
	case KIND_BOOL:
		*(bool *)at = strcmp(value, "yes") == 0;
		return *(bool *)at || strcmp(value, "no") == 0;
	case KIND_NUMBER:
		return read_number(value, r, at);
	case KIND_TEXT:
	case KIND_PATH:
		n = strlen(value);
		if (n == 0 || n > r->most || text_has_control(value, n) ||
		    !text_is_utf8(value, n))
			return false;
		if (r->kind == KIND_PATH && value[0] != '/')
			return false;
		*(const char **)at = value;
		return true;
	}
	return false;
}

/* One option, "name" or "name=value"; what is wrong with it, or NULL. */
static const char *set_option(struct pam_options *o, const char *word,
			      enum where where)
{
	const char *equals = strchr(word, '=');
	size_t n = equals ? (size_t)(equals - word) : strlen(word);
	const struct row *r = find_option(word, n);
	void *at;

	if (r == NULL)
		return "unknown option";
	if (r->where == WHERE_STACK && where != WHERE_STACK)
		return "only the stack may have the option";
	at = (char *)o + r->member;
	if (r->kind == KIND_FLAG && equals == NULL) {
		*(bool *)at = true;
		return NULL;
	}
	if (equals == NULL)
		return "an option lacks its value";
	return set_value(r, equals + 1, at) ? NULL :
					      "an option has a bad value";
}

static int log_refusal(pam_handle_t *pamh, const struct reason *why)
{
	pam_syslog(pamh, LOG_ERR, "%s; see pam_keyturn(8)", why->text);
	return PAM_SERVICE_ERR;
}

static int refuse_option(pam_handle_t *pamh, const char *fault,
			 const char *word, const char *where)
{
	struct reason why;

	reason_set(&why, STATUS_USAGE, "%s: %s in %s", fault, word, where);
	return log_refusal(pamh, &why);
}

/* ---- The file of conf= --------------------------------------------------- */

/* A regular file of root's, or of who we are (an ordinary user's service), that
 * no one else may write; a link or a device in its place is not opened at
 * all. */
static const char *open_private(const char *path, int *ret_fd)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY |
				    O_NONBLOCK);

	if (fd < 0)
		return errno == ELOOP ? "is a symbolic link" :
					"cannot be opened";
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    (st.st_uid == 0 || st.st_uid == geteuid()) &&
	    (st.st_mode & (S_IWGRP | S_IWOTH)) == 0) {
		*ret_fd = fd;
		return NULL;
	}
	close(fd);
	return "must be a regular file that belongs to root or to the calling "
	       "user and that no other user may write";
}

static const char *read_file(const char *path, char *buf, size_t *ret_len)
{
	const char *fault;
	size_t len = 0;
	ssize_t n;
	int fd;

	fault = open_private(path, &fd);
	if (fault)
		return fault;
	do {
		n = read(fd, buf + len, PAM_OPTIONS_FILE_MAX + 1 - len);
		if (n > 0)
			len += (size_t)n;
	} while ((n > 0 && len <= PAM_OPTIONS_FILE_MAX) ||
		 (n < 0 && errno == EINTR));
	close(fd);
	if (n < 0)
		return "cannot be read";
	if (len > PAM_OPTIONS_FILE_MAX)
		return "is too long";
	if (memchr(buf, '\0', len) != NULL)
		return "holds a NUL";
	*ret_len = len;
	return NULL;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* "name = value" becomes "name=value", in place; a comment becomes "". */
static char *tidy_line(char *line)
{
	char *out = line, *value;
	size_t n;

	while (is_blank(*line))
		line++;
	if (*line == '#') {
		*out = '\0';
		return out;
	}
	value = strchr(line, '=');
	n = value ? (size_t)(value - line) : strlen(line);
	while (n > 0 && is_blank(line[n - 1]))
		n--;
	memmove(out, line, n);
	if (value) {
		size_t m;

		out[n++] = '=';
		for (value++; is_blank(*value); value++)
			;
		m = strlen(value);
		while (m > 0 && is_blank(value[m - 1]))
			m--;
		memmove(out + n, value, m);
		n += m;
	}
	out[n] = '\0';
	return out;
}

static int read_conf(pam_handle_t *pamh, struct pam_options *o)
{
	char *line = o->file, *end;
	const char *fault;
	struct reason why;
	size_t len;

	fault = read_file(o->conf, o->file, &len);
	if (fault) {
		reason_set(&why, STATUS_CONFIG, "conf=%s %s", o->conf, fault);
		return log_refusal(pamh, &why);
	}
	o->file[len] = '\0';
	for (; line != NULL; line = end) {
		end = strchr(line, '\n');
		if (end != NULL)
			*end++ = '\0';
		line = tidy_line(line);
		fault = *line == '\0' ? NULL : set_option(o, line, WHERE_BOTH);
		if (fault)
			return refuse_option(pamh, fault, line, o->conf);
	}
	return PAM_SUCCESS;
}

/* ---- Both ---------------------------------------------------------------- */

int pam_options_read(pam_handle_t *pamh, int argc, const char **argv,
		     struct pam_options *ret)
{
	const char *fault;
	int i, rc;

	*ret = (struct pam_options){ .grace = true,
				     .timeout_ms = DEFAULT_TIMEOUT_MS,
				     .socket = WIRE_AGENT_SOCKET };
	for (i = 0; i < argc; i++)
		if (strncmp(argv[i], "conf=", 5) == 0 &&
		    set_option(ret, argv[i], WHERE_STACK) != NULL)
			return refuse_option(pamh, "an option has a bad value",
					     argv[i], "the stack");
	if (ret->conf != NULL) {
		rc = read_conf(pamh, ret);
		if (rc != PAM_SUCCESS)
			return rc;
	}
	for (i = 0; i < argc; i++) {
		fault = set_option(ret, argv[i], WHERE_STACK);
		if (fault)
			return refuse_option(pamh, fault, argv[i], "the stack");
	}
	return PAM_SUCCESS;
}
