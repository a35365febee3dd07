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

#define PATH_SIZE 1100

struct file {
	char path[PATH_SIZE];
	struct secret *content; /* NULL: there is no such file */
	bool shared;		/* group or others may read it */
};

struct aws_profile {
	struct file files[2]; /* by enum store_aws_file */
};

static enum status find_path(const char *variable, const char *beside_home,
			     char path[PATH_SIZE], struct reason *why)
{
	const char *set = aws_environment_get(variable);
	const char *home = aws_environment_get("HOME");
	int n;

	path[0] = '\0';
	if (set)
		n = snprintf(path, PATH_SIZE, "%s", set);
	else if (home)
		n = snprintf(path, PATH_SIZE, "%s/%s", home, beside_home);
	else
		return STATUS_OK;
	if (n < 0 || n >= PATH_SIZE)
		return reason_set(why, STATUS_CONFIG,
				  "the path in %s is too long", variable);
	return STATUS_OK;
}

static enum status read_file(struct file *f, struct reason *why)
{
	struct stat st;
	enum status s;
	int fd;

	if (!f->path[0])
		return STATUS_OK;
	fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return STATUS_OK;
	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		s = reason_set(why, STATUS_CONFIG, "%s cannot be read: %s",
			       f->path,
			       fd < 0 ? strerror(errno) : "no regular file");
		goto out;
	}
	f->shared = (st.st_mode & 077) != 0;
	s = secret_read_fd(fd, SECRET_CAP_MAX, &f->content);
	if (s != STATUS_OK)
		s = reason_set(why, STATUS_CONFIG,
			       "%s cannot be read, or has more than %d bytes",
			       f->path, SECRET_CAP_MAX);
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
		return reason_set(why, STATUS_NO_MEMORY, "out of memory");
	s = find_path("AWS_CONFIG_FILE", ".aws/config",
		      p->files[STORE_AWS_FILE_CONFIG].path, why);
	if (s == STATUS_OK)
		s = find_path("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials",
			      p->files[STORE_AWS_FILE_CREDENTIALS].path, why);
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

/* A piece of the file; it is never copied while it is looked at. */
struct span {
	const char *p;
	size_t n;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct span trim(struct span s)
{
	while (s.n > 0 && is_blank(s.p[0]))
		s.p++, s.n--;
	while (s.n > 0 && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

static bool is(struct span s, const char *word)
{
	return s.n == strlen(word) && memcmp(s.p, word, s.n) == 0;
}

static bool next_line(struct span *rest, struct span *ret_line)
{
	const char *end;

	if (rest->n == 0)
		return false;
	end = memchr(rest->p, '\n', rest->n);
	ret_line->p = rest->p;
	ret_line->n = end ? (size_t)(end - rest->p) : rest->n;
	rest->p += ret_line->n + (end ? 1 : 0);
	rest->n -= ret_line->n + (end ? 1 : 0);
	return true;
}

/* "[profile  sap]" is kind "profile" and name "sap"; "[default]" has no kind. */
static bool is_section(struct span line, const char *kind, const char *name)
{
	size_t k = strlen(kind);
	struct span s;

	line = trim(line);
	if (line.n < 2 || line.p[line.n - 1] != ']')
		return false;
	s = trim((struct span){ line.p + 1, line.n - 2 });
	if (k > 0) {
		if (s.n <= k || memcmp(s.p, kind, k) != 0 || !is_blank(s.p[k]))
			return false;
		s = trim((struct span){ s.p + k, s.n - k });
		if (s.n > 2 && s.p[0] == '"' && s.p[s.n - 1] == '"')
			s = (struct span){ s.p + 1, s.n - 2 };
	}
	return is(s, name);
}

static bool split(struct span line, struct span *ret_key,
		  struct span *ret_value)
{
	const char *eq = memchr(line.p, '=', line.n);

	if (!eq)
		return false;
	*ret_key = trim((struct span){ line.p, (size_t)(eq - line.p) });
	*ret_value = trim(
		(struct span){ eq + 1, line.n - (size_t)(eq - line.p) - 1 });
	return true;
}

/* What is sought: [KIND NAME] KEY, or [KIND NAME] UNDER / KEY. */
struct sought {
	const char *kind;
	const char *name;
	const char *under; /* NULL: not nested */
	const char *key;   /* NULL: the section itself */
};

static bool find(const struct file *f, const struct sought *w,
		 struct span *ret_value)
{
	struct span rest, line, key, value;
	bool inside = false, under = false, found = false, nested;

	if (!f->content)
		return false;
	rest = (struct span){ secret_bytes(f->content),
			      secret_len(f->content) };
	while (next_line(&rest, &line)) {
		nested = line.n > 0 && is_blank(line.p[0]);
		line = trim(line);
		if (line.n == 0 || line.p[0] == '#' || line.p[0] == ';')
			continue;
		if (!nested && line.p[0] == '[') {
			inside = is_section(line, w->kind, w->name);
			under = false;
			found |= inside && !w->key;
			continue;
		}
		if (!inside || !w->key || !split(line, &key, &value))
			continue;
		if (!nested)
			under = w->under && is(key, w->under);
		if ((w->under ? nested && under : !nested) && is(key, w->key)) {
			*ret_value = value;
			found = true;
		}
	}
	return found;
}

/* [default], and in the config file [profile NAME]. */
static bool find_in(const struct aws_profile *p, enum store_aws_file file,
		    const char *name, const char *key, struct span *ret_value)
{
	struct sought w = { "", name, NULL, key };

	if (file == STORE_AWS_FILE_CONFIG) {
		w.kind = "profile";
		if (find(&p->files[file], &w, ret_value))
			return true;
		if (strcmp(name, "default") != 0)
			return false;
		w.kind = "";
	}
	return find(&p->files[file], &w, ret_value);
}

bool aws_profile_exists(const struct aws_profile *p, const char *name)
{
	struct span unused;

	return find_in(p, STORE_AWS_FILE_CREDENTIALS, name, NULL, &unused) ||
	       find_in(p, STORE_AWS_FILE_CONFIG, name, NULL, &unused);
}

static bool copy(struct span value, char *dst, size_t size)
{
	if (value.n == 0 || value.n >= size || memchr(value.p, '\0', value.n))
		return false;
	memcpy(dst, value.p, value.n);
	dst[value.n] = '\0';
	return true;
}

bool aws_profile_text(const struct aws_profile *p, const char *name,
		      const char *key, char *dst, size_t size)
{
	struct span value = { NULL, 0 };

	dst[0] = '\0';
	if (find_in(p, STORE_AWS_FILE_CREDENTIALS, name, key, &value))
		return copy(value, dst, size);
	return find_in(p, STORE_AWS_FILE_CONFIG, name, key, &value) &&
	       copy(value, dst, size);
}

bool aws_profile_service(const struct aws_profile *p, const char *services,
			 const char *service, const char *key, char *dst,
			 size_t size)
{
	const struct sought w = { "services", services, service, key };
	struct span value = { NULL, 0 };

	dst[0] = '\0';
	return find(&p->files[STORE_AWS_FILE_CONFIG], &w, &value) &&
	       copy(value, dst, size);
}

enum status aws_profile_secret(const struct aws_profile *p,
			       enum store_aws_file file, const char *name,
			       const char *key, struct secret **ret,
			       struct reason *why)
{
	const struct file *f = &p->files[file];
	struct span value = { NULL, 0 };
	struct secret *made = NULL;
	enum status s;

	if (!find_in(p, file, name, key, &value) || value.n == 0)
		return STATUS_NOT_FOUND;
	if (f->shared)
		return reason_set(
			why, STATUS_CONFIG,
			"%s holds an AWS key and may be read by group "
			"or others: chmod 600 %s",
			f->path, f->path);
	s = secret_new(value.n, &made);
	if (s == STATUS_OK)
		s = secret_set(made, value.p, value.n);
	if (s != STATUS_OK) {
		secret_free(made);
		return reason_set(why, s, "no locked memory for a secret");
	}
	*ret = made;
	return STATUS_OK;
}
