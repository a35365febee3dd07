/* SPDX-License-Identifier: PostgreSQL */
/*
 * Brings a file of a consumer in step with a secret.  It must never leave half
 * a file, an older password over a newer one, or a readable one for others.
 */
#include "sink/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "sink/sink_edit.h"
#include "sink/sink_file.h"
#include "sink/sink_signal.h"

/* How often a change by somebody without our lock is tolerated. */
#define SINK_ATTEMPTS 3

/* A delivery, or the withdrawal of a role when there is none. */
struct change {
	const struct sink_delivery *delivery;
	const char *role;
	bool trial; /* all of it but the rename */
};

static bool is_in_step(const struct sink_file *f, const struct file_owner *o,
		       const struct secret *old, const struct secret *new)
{
	return f->exists && f->stat.st_uid == o->uid &&
	       (o->gid == (gid_t)-1 || f->stat.st_gid == o->gid) &&
	       (f->stat.st_mode & 07777) == o->mode && secret_equal(old, new);
}

/* Read, edit and write once.  *ret_again: somebody else changed it in between,
 * and nothing was written. */
static enum status try_change(struct sink_file *f, const struct sink *s,
			      const struct change *c, bool *ret_changed,
			      bool *ret_again, struct reason *why)
{
	struct secret *old = NULL, *new = NULL;
	struct file_owner owner;
	enum status st;

	*ret_again = false;
	st = sink_file_read(f, &old, why);
	*ret_again = st == STATUS_CONFLICT;
	if (st != STATUS_OK)
		goto out;
	if (c->delivery == NULL)
		st = sink_edit_remove(s, old, c->role, &new, why);
	else
		st = sink_edit_put(s, old, c->delivery, &new, why);
	if (st != STATUS_OK)
		goto out;
	/* Nothing of the role is there: its mode is not ours to mend. */
	if (c->delivery == NULL && secret_equal(old, new))
		goto out;
	st = sink_file_owner(f, s, &owner, why);
	if (st != STATUS_OK || is_in_step(f, &owner, old, new))
		goto out;
	if (!sink_file_unchanged(f)) {
		*ret_again = true;
		st = reason_set(why, STATUS_CONFLICT,
				"sink %s: somebody else keeps changing it",
				s->path);
		goto out;
	}
	st = (c->trial ? file_try_at :
			 file_replace_at)(f->folder, s->path, secret_bytes(new),
					  secret_len(new), &owner, why);
	if (st == STATUS_OK)
		*ret_changed = !c->trial;
	else
		st = reason_wrap(why, st, "sink");
out:
	secret_free(old);
	secret_free(new);
	return st;
}

static enum status change_file(const struct sink *s, const struct change *c,
			       bool *ret_changed, struct reason *why)
{
	struct sink_file f;
	bool changed = false, again = true;
	enum status st;

	if (s->kind == SINK_PGPASS && s->mode != SINK_MODE_KEEP &&
	    (s->mode & ~(mode_t)0600) != 0)
		return reason_set(why, STATUS_CONFIG,
				  "sink %s: libpq ignores a pgpass file with "
				  "mode %04o; use 0600",
				  s->path, (unsigned)s->mode);
	st = sink_file_open(&f, s, why);
	for (int i = 0; st == STATUS_OK && i < SINK_ATTEMPTS && again; i++) {
		st = try_change(&f, s, c, &changed, &again, why);
		if (again && i + 1 < SINK_ATTEMPTS)
			st = STATUS_OK;
	}
	sink_file_close(&f);
	if (st == STATUS_OK)
		*ret_changed = changed;
	return st;
}

enum status sink_deliver(const struct sink *s, const struct sink_delivery *d,
			 bool *ret_changed, struct reason *why)
{
	const struct change c = { .delivery = d, .role = d->role };
	enum status st = change_file(s, &c, ret_changed, why);

	if (st != STATUS_OK || s->pidfile[0] == '\0')
		return st;
	st = sink_signal_send(s->pidfile, why);
	return st == STATUS_OK ? st :
				 reason_wrap(why, st,
					     "sink %s has the password, but "
					     "its reader was not told",
					     s->path);
}

enum status sink_try(const struct sink *s, const struct sink_delivery *d,
		     struct reason *why)
{
	struct sink_delivery any = *d;
	const struct change c = { .delivery = &any,
				  .role = d->role,
				  .trial = true };
	bool changed = false;

	enum status st;

	any.overrule = true;
	st = change_file(s, &c, &changed, why);
	if (st == STATUS_OK && s->pidfile[0] != '\0')
		st = sink_signal_try(s->pidfile, why);
	return st;
}

enum status sink_look(const struct sink *s, const char *role,
		      struct sink_held *ret_held, struct reason *why)
{
	struct sink_held none = { .found = false };
	struct secret *content = NULL;
	struct stat st;
	enum status done;
	int fd = open(s->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC |
				       O_NOCTTY);

	if (fd < 0 && errno == ENOENT) {
		*ret_held = none;
		return STATUS_OK;
	}
	if (fd < 0)
		return reason_set(
			why, errno == ELOOP ? STATUS_REFUSED : STATUS_DENIED,
			"sink %s: cannot read it: %s", s->path,
			strerror(errno));
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		done = reason_set(why, STATUS_REFUSED,
				  "sink %s: it is not a regular file", s->path);
	else if (st.st_size == 0) {
		*ret_held = none;
		done = STATUS_OK;
	} else {
		done = secret_read_fd(fd, SECRET_CAP_MAX, &content);
		if (done != STATUS_OK)
			reason_set(why, done, "sink %s: cannot read it",
				   s->path);
		else
			done = sink_edit_look(s, content, role, ret_held, why);
	}
	close(fd);
	secret_free(content);
	return done;
}

enum status sink_withdraw(const struct sink *s, const char *role,
			  bool *ret_changed, struct reason *why)
{
	const struct change c = { .role = role };

	return change_file(s, &c, ret_changed, why);
}
