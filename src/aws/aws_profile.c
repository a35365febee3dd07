/* SPDX-License-Identifier: PostgreSQL */
/* Finds settings in AWS's shared files.  Must never copy what they hold out of
 * struct secret, but for settings that are none. */
#include "aws/aws_profile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aws/aws_environment.h"
#include "base/ini.h"

#define PATH_SIZE 1100
#define NAME_SIZE 256

struct file {
	char path[PATH_SIZE];
	struct secret *content; /* NULL: there is no such file */
	bool shared;		/* group or others may read it */
	const char *variable;	/* that names it, or NULL */
};

struct aws_profile {
	struct file files[2]; /* by enum store_aws_file */
};

/* As in AWS's own clients, but for other variables than HOME. */
static enum status expand_path(const char *variable, const char *set,
			       char path[PATH_SIZE], struct reason *why)
{
	static const char *const prefixes[] = { "~/", "$HOME/", "${HOME}/" };
	const char *home = aws_environment_get("HOME");
	size_t skip = 0;
	int n;

	for (size_t i = 0; i < 3 && skip == 0; i++)
		if (strncmp(set, prefixes[i], strlen(prefixes[i])) == 0)
			skip = strlen(prefixes[i]);
	if ((skip == 0 && (set[0] == '~' || strchr(set, '$'))) ||
	    strchr(set + skip, '$') || (skip > 0 && !home))
		return reason_set(
			why, STATUS_CONFIG,
			"%s is %s, of which keyturn knows only ~/ and "
			"$HOME, and those when HOME is set; write the "
			"whole path",
			variable, set);
	n = skip == 0 ? snprintf(path, PATH_SIZE, "%s", set) :
			snprintf(path, PATH_SIZE, "%s/%s", home, set + skip);
	if (n < 0 || n >= PATH_SIZE)
		return reason_set(why, STATUS_CONFIG,
				  "the path in %s is too long", variable);
	return STATUS_OK;
}

static enum status find_path(struct file *f, const char *variable,
			     const char *beside_home, struct reason *why)
{
	const char *set = aws_environment_get(variable);
	const char *home = aws_environment_get("HOME");
	int n;

	f->path[0] = '\0';
	f->variable = set ? variable : NULL;
	if (set)
		return expand_path(variable, set, f->path, why);
	if (!home)
		return STATUS_OK;
	n = snprintf(f->path, PATH_SIZE, "%s/%s", home, beside_home);
	if (n < 0 || n >= PATH_SIZE)
		return reason_set(why, STATUS_CONFIG,
				  "the path in HOME is too long");
	return STATUS_OK;
}

static enum status read_file(struct file *f, struct reason *why)
{
	static const char *const keys[] = {
		"aws_access_key_id",	   "aws_secret_access_key",
		"aws_session_token",	   "role_arn",
		"source_profile",	   "credential_source",
		"credential_process",	   "external_id",
		"web_identity_token_file", "region",
	};
	struct stat st;
	enum status s;
	int fd;

	if (!f->path[0])
		return STATUS_OK;
	fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR) && !f->variable)
		return STATUS_OK;
	if (fd < 0 || fstat(fd, &st) != 0 ||
	    (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode))) {
		s = reason_set(why, STATUS_CONFIG, "%s%s%s cannot be read: %s",
			       f->path, f->variable ? ", of " : "",
			       f->variable ? f->variable : "",
			       fd < 0 ? strerror(errno) : "no regular file");
		goto out;
	}
	/* Linked to /dev/null by who wants none. */
	s = STATUS_OK;
	if (S_ISCHR(st.st_mode))
		goto out;
	f->shared = (st.st_mode & 077) != 0;
	s = secret_read_fd(fd, SECRET_CAP_MAX, &f->content);
	if (s != STATUS_OK)
		s = reason_set(why, STATUS_CONFIG,
			       "%s cannot be read, or has more than %d bytes",
			       f->path, SECRET_CAP_MAX);
	if (s == STATUS_OK)
		s = ini_check(f->content, f->path, why);
	if (s == STATUS_OK)
		s = ini_check_continued(f->content, f->path, keys,
					sizeof(keys) / sizeof(keys[0]), why);
out:
	if (fd >= 0)
		close(fd);
	return s;
}

enum status aws_profile_read(struct aws_profile **ret, struct reason *why)
{
	struct aws_profile *p = calloc(1, sizeof(*p));
	enum status s;

	if (!p)
		return reason_no_memory(why);
	s = find_path(&p->files[AWS_FILE_CONFIG], "AWS_CONFIG_FILE",
		      ".aws/config", why);
	if (s == STATUS_OK)
		s = find_path(&p->files[AWS_FILE_CREDENTIALS],
			      "AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials",
			      why);
	for (int i = 0; i < 2 && s == STATUS_OK; i++)
		s = read_file(&p->files[i], why);
	if (s == STATUS_OK)
		*ret = p;
	else
		aws_profile_free(p);
	return s;
}

void aws_profile_free(struct aws_profile *p)
{
	if (!p)
		return;
	for (int i = 0; i < 2; i++)
		secret_free(p->files[i].content);
	free(p);
}

/* --- looking for a line -------------------------------------------------- */

/* The next word of a section's header, as shlex.split() takes it; *s moves
 * behind it.  False behind the last, and for an open quote. */
static bool take_word(struct ini_part *s, char *dst, size_t size)
{
	char quote = '\0';
	size_t n = 0;

	while (s->n > 0 && (*s->s == ' ' || *s->s == '\t'))
		s->s++, s->n--;
	if (s->n == 0)
		return false;
	for (; s->n > 0; s->s++, s->n--) {
		char c = *s->s;

		if (quote == '\0' && (c == ' ' || c == '\t'))
			break;
		if (c == quote) {
			quote = '\0';
			continue;
		}
		if (quote == '\0' && (c == '\'' || c == '"')) {
			quote = c;
			continue;
		}
		if (c == '\\' && quote != '\'' && s->n > 1 &&
		    (quote == '\0' || s->s[1] == '"' || s->s[1] == '\\')) {
			s->s++, s->n--;
			c = *s->s;
		}
		if (n + 1 >= size)
			return false;
		dst[n++] = c;
	}
	dst[n] = '\0';
	return quote == '\0';
}

/* "profile  sap" is kind "profile" and name "sap"; without a kind the header is
 * the name as it stands. */
static bool is_section(struct ini_part header, const char *kind,
		       const char *name)
{
	char word[NAME_SIZE], rest[NAME_SIZE];
	size_t k = strlen(kind);

	if (k == 0)
		return ini_is(header, name);
	return header.n > k && memcmp(header.s, kind, k) == 0 &&
	       take_word(&header, word, sizeof(word)) &&
	       take_word(&header, word, sizeof(word)) &&
	       !take_word(&header, rest, sizeof(rest)) && header.n == 0 &&
	       strcmp(word, name) == 0;
}

/* The profile's section: in the config file [profile NAME], or [default]. */
static bool is_profile(enum store_aws_file file, struct ini_part header,
		       const char *name)
{
	if (file == AWS_FILE_CREDENTIALS)
		return ini_is(header, name);
	return is_section(header, "profile", name) ||
	       (strcmp(name, "default") == 0 && ini_is(header, name));
}

/* Of two sections of one profile, [default] and [profile default], the later is
 * the profile; what is in [DEFAULT] is set in all. */
static bool find_in(const struct aws_profile *p, enum store_aws_file file,
		    const char *name, const char *key,
		    struct ini_part *ret_value)
{
	const struct secret *content = p->files[file].content;
	struct ini_part usual = { NULL, 0 }, value = { NULL, 0 };
	bool inside = false, there = false, has_usual = false, has = false;
	struct ini_item item;
	struct ini i;

	if (!content)
		return false;
	i = ini_begin(secret_bytes(content), secret_len(content));
	while (ini_next(&i, &item)) {
		if (item.key.n == 0) {
			inside = is_profile(file, item.section, name);
			there = there || inside;
			has = has && !inside;
		} else if (key && ini_is_key(item.key, key)) {
			if (inside) {
				value = item.value;
				has = true;
			} else if (ini_is(item.section, "DEFAULT")) {
				usual = item.value;
				has_usual = true;
			}
		}
	}
	*ret_value = has ? value : usual;
	return there && (!key || has || has_usual);
}

bool aws_profile_exists(const struct aws_profile *p, const char *name)
{
	struct ini_part unused;

	return find_in(p, AWS_FILE_CREDENTIALS, name, NULL, &unused) ||
	       find_in(p, AWS_FILE_CONFIG, name, NULL, &unused);
}

static bool copy_value(struct ini_part value, char *dst, size_t size)
{
	if (value.n == 0 || value.n >= size || memchr(value.s, '\0', value.n))
		return false;
	memcpy(dst, value.s, value.n);
	dst[value.n] = '\0';
	return true;
}

bool aws_profile_text(const struct aws_profile *p, const char *name,
		      const char *key, char *dst, size_t size)
{
	struct ini_part value = { NULL, 0 };

	dst[0] = '\0';
	if (find_in(p, AWS_FILE_CREDENTIALS, name, key, &value))
		return copy_value(value, dst, size);
	return find_in(p, AWS_FILE_CONFIG, name, key, &value) &&
	       copy_value(value, dst, size);
}

bool aws_profile_service(const struct aws_profile *p, const char *services,
			 const char *service, const char *key, char *dst,
			 size_t size)
{
	const struct secret *content = p->files[AWS_FILE_CONFIG].content;
	struct ini_part more = { NULL, 0 }, k, v, value = { NULL, 0 };
	struct ini_item item;
	struct ini i;

	dst[0] = '\0';
	if (!content)
		return false;
	i = ini_begin(secret_bytes(content), secret_len(content));
	while (ini_next(&i, &item))
		if (is_section(item.section, "services", services) &&
		    ini_is_key(item.key, service) && item.value.n == 0)
			more = item.more;
	while (ini_nested(&more, &k, &v))
		if (ini_is(k, key))
			value = v;
	return copy_value(value, dst, size);
}

enum status aws_profile_secret(const struct aws_profile *p,
			       enum store_aws_file file, const char *name,
			       const char *key, struct secret **ret,
			       struct reason *why)
{
	const struct file *f = &p->files[file];
	struct ini_part value = { NULL, 0 };
	enum status s;

	if (!find_in(p, file, name, key, &value) || value.n == 0)
		return STATUS_NOT_FOUND;
	if (f->shared)
		return reason_set(
			why, STATUS_CONFIG,
			"%s holds an AWS key and may be read by group "
			"or others: chmod 600 %s",
			f->path, f->path);
	s = secret_from(value.s, value.n, ret);
	return s == STATUS_OK ?
		       s :
		       reason_set(why, s, "no locked memory for a secret");
}
