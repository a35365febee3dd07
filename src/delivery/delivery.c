/* SPDX-License-Identifier: PostgreSQL */
/* Gives a password to one program; must never let what that program says of it
 * get any further. */
#include "delivery/delivery.h"

#include <string.h>
#include <unistd.h>

#include "base/names.h"
#include "base/secret.h"
#include "program/program.h"

/* In what may be kept each piece of a password begins so early that all of it was
 * looked at. */
#define SAID_SIZE (DELIVERY_SAID_MAX + 64)

static const char left_out[] =
	"what it printed is left out: it has the password in it, or a part of "
	"it";

static enum status find_user(const struct delivery *d, struct program *p,
			     struct reason *why)
{
	enum status s = names_user(d->user, &p->uid, why);

	if (s == STATUS_OK)
		s = names_group_of_user(d->user, &p->gid, why);
	if (s != STATUS_OK)
		return reason_wrap(why, STATUS_CONFIG, "user");
	/* setresuid() and we read that as "as it is". */
	if (p->uid == (uid_t)-1)
		return reason_set(why, STATUS_CONFIG,
				  "user %s has the id %lu, which stands for no "
				  "user; give it another",
				  d->user, (unsigned long)p->uid);
	if (p->uid == 0)
		return reason_set(why, STATUS_CONFIG,
				  "user %s is root, who may read and change "
				  "everything; give it a user of its own",
				  d->user);
	if (!program_may_become(p->uid))
		return reason_set(
			why, STATUS_CONFIG,
			"keyturn runs as user %lu, who may not become "
			"%s: run it as root, or give it CAP_SETUID, "
			"CAP_SETGID and CAP_KILL",
			(unsigned long)geteuid(), d->user);
	return STATUS_OK;
}

static enum status prepare(const struct delivery *d, struct program *p,
			   struct reason *why)
{
	enum status s;

	*p = (struct program){ .argv = d->argv,
			       .timeout_us = d->timeout_us,
			       .ends_with_us = true };
	s = find_user(d, p, why);
	if (s == STATUS_OK)
		s = program_check(d->argv[0], p->uid, why);
	return s;
}

enum status delivery_check(const struct delivery *d, struct reason *why)
{
	struct program p;
	enum status s = prepare(d, &p, why);

	if (s == STATUS_OK)
		s = program_try(&p, why);
	return s;
}

void delivery_describe(const struct delivery *d, struct text *t)
{
	struct program p;
	struct reason why;

	text_printf(t,
		    "%s may run as user %s for %lld s, and is given the "
		    "password; it has no shell, no environment, and one group",
		    d->argv[0], d->user,
		    (long long)(d->timeout_us / NOW_SECOND));
	if (find_user(d, &p, &why) == STATUS_OK && p.uid == geteuid())
		text_add(t, "; that user is keyturn's own, so that it may read "
			    "whatever keyturn may");
}

static enum status render_load(const struct delivery *d,
			       const struct delivery_load *l,
			       struct secret **ret, struct reason *why)
{
	const struct format_member extra[] = {
		{ .key = "role", .value = l->role },
		{ .key = "delivery", .value = d->name },
		{ .key = "previous_username", .value = l->previous },
	};
	struct format_credential c = *l->credential;
	struct secret *load = NULL;
	enum status s;

	c.extra = extra;
	c.n_extra = sizeof(extra) / sizeof(*extra);
	s = format_render(FORMAT_JSON, &c, &load, why);
	if (s != STATUS_OK)
		return s;
	/* A shell's `read` wants the end of the line. */
	s = secret_append(load, "\n", 1);
	if (s != STATUS_OK) {
		secret_free(load);
		return reason_set(why, s, "the load of %s is too large",
				  d->name);
	}
	*ret = load;
	return STATUS_OK;
}

/* How it ended is in why already. */
static void add_said(const char *said, struct reason *why)
{
	char ended[REASON_MAX];

	if (!*said)
		return;
	text_cut(ended, sizeof(ended), why->text);
	reason_set(why, STATUS_ERROR, "%.300s: %s", ended, said);
}

enum status delivery_run(const struct delivery *d,
			 const struct delivery_load *l, const struct now *now,
			 char ret_said[DELIVERY_SAID_MAX + 1],
			 struct reason *why)
{
	const struct secret *password = l->credential->password;
	struct secret *load = NULL, *said = NULL;
	struct program p;
	enum status s = prepare(d, &p, why);

	ret_said[0] = '\0';
	if (s == STATUS_OK)
		s = render_load(d, l, &load, why);
	if (s == STATUS_OK) {
		s = secret_new(SAID_SIZE, &said);
		if (s != STATUS_OK)
			reason_set(why, s, "no locked memory for what %s says",
				   d->argv[0]);
	}
	if (s != STATUS_OK)
		goto out;
	p.in = secret_bytes(load);
	p.n = secret_len(load);
	p.said = (char *)secret_buffer(said);
	p.said_size = SAID_SIZE;
	s = program_run(&p, now, NULL, why);
	if (program_said_has(p.said, secret_bytes(password),
			     secret_len(password)))
		text_copy(ret_said, DELIVERY_SAID_MAX + 1, left_out);
	else
		text_cut(ret_said, DELIVERY_SAID_MAX + 1, p.said);
	if (s != STATUS_OK)
		add_said(ret_said, why);
out:
	secret_free(said);
	secret_free(load);
	return s;
}
