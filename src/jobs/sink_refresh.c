/* SPDX-License-Identifier: PostgreSQL */
/*
 * Keeps files fresh with tokens.  Must never put a token into a file that lives
 * shorter than the one that is there, nor one that is not in the audit.
 */
#include "jobs/sink_refresh.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/now.h"
#include "base/text.h"
#include "crypto/entropy.h"
#include "handout/handout_token.h"
#include "jobs/sink_after.h"
#include "sink/sink.h"
#include "sink/sink_signal.h"

#define MINUTE_US      (INT64_C(60) * NOW_SECOND)
#define MARGIN_MAX_US  (20 * MINUTE_US)
#define AGAIN_US       MINUTE_US
#define TTL_US	       (60 * MINUTE_US)
#define TTL_AWS_RDS_US (15 * MINUTE_US)
#define SINK_PREFIX    "sink:"
#define TRIAL_BYTES    1024 /* about what a token has */

struct file {
	const struct config_group *group;
	const struct config_group *token;
	struct sink sink;
	struct sink_after *after;
	char version[RANDOM_UUID_SIZE]; /* what it holds, or "" */
	char user[TOKEN_USER_SIZE];	/* ... of this one, "": not known */
	char marker[sizeof(SINK_PREFIX) + CONFIG_NAME_MAX];
	int64_t ttl_us; /* of the last token, or what is usual */
	int64_t expires_us;
	int64_t due_us;
	bool forced;  /* due now, whatever it holds */
	bool skipped; /* not among those that were named */
	bool alarm;
	bool signal_due; /* the file changed and its reader was not told */
};

struct sink_refresh {
	struct sink_refresh_options o;
	const struct now *now;
	struct file *files;
	size_t n;
	bool some_named;
};

/* ---- setting up ------------------------------------------------------------- */

/* What a token of a source lives, as long as none was seen: what is in a file
 * tells its end only. */
static int64_t usual_ttl(const struct config_group *token)
{
	int64_t set = config_duration_us(token, CONFIG_token_ttl);

	if (set > 0)
		return set;
	return strcmp(config_string(token, CONFIG_token_type), "aws-rds") == 0 ?
		       TTL_AWS_RDS_US :
		       TTL_US;
}

static const char *or_else(const struct config_group *g, enum config_key k,
			   const char *otherwise)
{
	return config_is_set(g, k) ? config_string(g, k) : otherwise;
}

static enum status set_up(struct sink_refresh *r, const struct config_group *g,
			  struct file *f, struct reason *why)
{
	const struct config *c = open_config(r->o.opened);
	enum status s =
		sink_parse(config_string(g, CONFIG_sink_file), &f->sink, why);

	if (s != STATUS_OK)
		return reason_wrap(why, s, "%s: [sink %s] file",
				   config_where(g), config_name(g));
	if (f->sink.pidfile[0])
		return reason_set(why, STATUS_CONFIG,
				  "%s: [sink %s] file: pidfile is a setting of "
				  "its own here",
				  config_where(g), config_name(g));
	if (f->sink.kind == SINK_SERVICE && !f->sink.service[0])
		text_copy(f->sink.service, sizeof(f->sink.service),
			  config_name(g));
	s = sink_after_new(g, &f->after, why);
	if (s != STATUS_OK)
		return s;
	f->group = g;
	f->token = config_find(c, CONFIG_SECTION_token,
			       config_string(g, CONFIG_sink_token));
	f->ttl_us = usual_ttl(f->token);
	f->forced = r->o.at_once;
	text_copy(f->user, sizeof(f->user),
		  or_else(g, CONFIG_sink_user,
			  config_string(f->token, CONFIG_token_user)));
	snprintf(f->marker, sizeof(f->marker), SINK_PREFIX "%s",
		 config_name(g));
	return STATUS_OK;
}

enum status sink_refresh_new(const struct sink_refresh_options *o,
			     struct sink_refresh **ret, struct reason *why)
{
	const struct config *c = open_config(o->opened);
	struct sink_refresh *r = calloc(1, sizeof(*r));
	enum status s = STATUS_OK;

	if (!r)
		return reason_no_memory(why);
	r->o = *o;
	r->now = now_system();
	r->n = config_count(c, CONFIG_SECTION_sink);
	r->files = calloc(r->n + 1, sizeof(*r->files));
	if (!r->files)
		s = reason_no_memory(why);
	for (size_t i = 0; i < r->n && s == STATUS_OK; i++)
		s = set_up(r, config_at(c, CONFIG_SECTION_sink, i),
			   &r->files[i], why);
	if (s != STATUS_OK) {
		sink_refresh_free(r);
		return s;
	}
	*ret = r;
	return STATUS_OK;
}

void sink_refresh_free(struct sink_refresh *r)
{
	if (!r)
		return;
	for (size_t i = 0; r->files && i < r->n; i++)
		sink_after_free(r->files[i].after);
	free(r->files);
	free(r);
}

size_t sink_refresh_count(const struct sink_refresh *r)
{
	return r->n;
}

static struct file *find_file(struct sink_refresh *r, const char *name)
{
	for (size_t i = 0; i < r->n; i++)
		if (strcmp(config_name(r->files[i].group), name) == 0)
			return &r->files[i];
	return NULL;
}

enum status sink_refresh_only(struct sink_refresh *r, const char *name,
			      struct reason *why)
{
	struct file *one = find_file(r, name);

	if (!one)
		return reason_set(why, STATUS_NOT_FOUND,
				  "there is no [sink %s] in the configuration",
				  name);
	for (size_t i = 0; i < r->n && !r->some_named; i++)
		r->files[i].skipped = true;
	r->some_named = true;
	one->skipped = false;
	return STATUS_OK;
}

/* ---- when --------------------------------------------------------------------- */

/* How long before its end a token is replaced: early enough for no alarm, if
 * its life allows that. */
static int64_t margin(const struct file *f)
{
	int64_t us = f->ttl_us / 2 < MARGIN_MAX_US ? f->ttl_us / 2 :
						     MARGIN_MAX_US;
	int64_t quiet =
		config_duration_us(f->group, CONFIG_sink_min_life) + MINUTE_US;

	return us < quiet && quiet < f->ttl_us * 3 / 4 ? quiet : us;
}

/* Hosts with the same settings do not come at the same time. */
static int64_t jitter(int64_t margin_us)
{
	unsigned part = 0;

	random_below(entropy_openssl(), 256, &part);
	return margin_us / 10 * part / 256;
}

static void plan_file(struct file *f)
{
	int64_t m = margin(f);

	f->due_us = f->expires_us - m - jitter(m);
}

static bool is_alarming(const struct file *f, int64_t now)
{
	return f->expires_us - now <
	       config_duration_us(f->group, CONFIG_sink_min_life);
}

/* What is in the file, which another writer may have refreshed. */
static enum status look_at_file(struct file *f, struct reason *why)
{
	struct sink_held held;
	int64_t expires;
	enum status s = sink_look(&f->sink, f->marker, &held, why);

	if (s != STATUS_OK)
		return s;
	/* An id of ours fits; of anything else there is nothing to tell. */
	if (!held.found || text_copy(f->version, sizeof(f->version),
				     held.version) != STATUS_OK)
		f->version[0] = '\0';
	expires = held.found ? held.epoch * NOW_SECOND : 0;
	if (expires / NOW_SECOND == f->expires_us / NOW_SECOND)
		return STATUS_OK;
	f->expires_us = expires;
	plan_file(f);
	return STATUS_OK;
}

/* ---- one refresh ---------------------------------------------------------------- */

/* Into the file; or, when ret_changed is NULL, only find out whether it would
 * go. */
static enum status deliver_file(const struct file *f, const struct token *t,
				bool *ret_changed, struct reason *why)
{
	struct format_credential c = handout_token_credential(f->token, t);
	const struct sink_delivery d = {
		.role = f->marker,
		.version = t->id,
		.epoch = t->expires_us / NOW_SECOND,
		.credential = &c,
		.overrule = f->forced,
	};

	c.host = or_else(f->group, CONFIG_sink_host, c.host);
	c.port = or_else(f->group, CONFIG_sink_port, c.port);
	c.dbname = or_else(f->group, CONFIG_sink_dbname, c.dbname);
	c.username = or_else(f->group, CONFIG_sink_user, c.username);
	c.sslmode = or_else(f->group, CONFIG_sink_sslmode, c.sslmode);
	if (!ret_changed) {
		enum status s = sink_try(&f->sink, &d, why);

		if (s == STATUS_OK &&
		    config_is_set(f->group, CONFIG_sink_pidfile))
			s = sink_signal_try(config_string(f->group,
							  CONFIG_sink_pidfile),
					    why);
		return s;
	}
	return sink_deliver(&f->sink, &d, ret_changed, why);
}

/* None is minted for it: who gets a token is in the audit. */
static enum status try_deliver(const struct file *f, struct reason *why)
{
	struct token t = { .secret = NULL };
	enum status s = secret_new(TRIAL_BYTES, &t.secret);

	for (size_t i = 0; i < TRIAL_BYTES && s == STATUS_OK; i++)
		s = secret_append(t.secret, "0", 1);
	if (s != STATUS_OK)
		return reason_set(why, s, "no locked memory for a trial");
	snprintf(t.id, sizeof(t.id), "trial");
	snprintf(t.user, sizeof(t.user), "trial");
	s = deliver_file(f, &t, NULL, why);
	token_free(&t);
	return s;
}

/*
 * A token that lives longer than what is there; when it is forced, any.
 * STATUS_NOTHING_DUE: the source works, and gives none that does.
 */
static enum status obtain_token(struct sink_refresh *r, const struct file *f,
				struct token *ret, struct reason *why)
{
	int64_t there = f->expires_us - now_wall(r->now);
	int64_t least = f->forced || there < 0 ? 0 : there + NOW_SECOND;
	struct token_cache *cache = NULL;
	enum status s =
		open_token(r->o.opened, config_name(f->token), &cache, why);

	if (s == STATUS_OK)
		s = token_cache_get(cache, least, ret, why);
	if (s == STATUS_REFUSED && least > 0 &&
	    token_cache_get(cache, 0, ret, NULL) == STATUS_OK) {
		token_free(ret);
		s = STATUS_NOTHING_DUE;
	}
	return s;
}

static enum status tell_reader(struct file *f, struct reason *why)
{
	enum status s;

	if (!f->signal_due)
		return STATUS_OK;
	s = sink_signal_send(config_string(f->group, CONFIG_sink_pidfile), why);
	if (s != STATUS_OK)
		return reason_wrap(why, s,
				   "%s is fresh, but its reader was not told",
				   f->sink.path);
	f->signal_due = false;
	return STATUS_OK;
}

static enum status refresh_file(struct sink_refresh *r, struct file *f,
				bool *ret_changed, struct reason *why)
{
	struct token t = { .secret = NULL };
	char where[sizeof(SINK_PREFIX) + CONFIG_NAME_MAX + 8];
	enum status s = obtain_token(r, f, &t, why);

	if (s == STATUS_NOTHING_DUE)
		return STATUS_OK; /* the alarm says when that is too little */
	snprintf(where, sizeof(where), "sink %s", config_name(f->group));
	if (s == STATUS_OK)
		s = handout_token_record(r->o.ledger, config_name(f->token), &t,
					 where, r->o.actor, why);
	if (s == STATUS_OK)
		s = deliver_file(f, &t, ret_changed, why);
	/* Another writer's is newer: that serves as well. */
	if (s == STATUS_CONFLICT)
		s = look_at_file(f, why);
	else if (s == STATUS_OK) {
		text_copy(f->version, sizeof(f->version), t.id);
		if (!f->user[0])
			text_copy(f->user, sizeof(f->user), t.user);
		f->expires_us = t.expires_us;
		f->ttl_us = t.expires_us - t.issued_us;
		plan_file(f);
	}
	token_free(&t);
	return s;
}

static enum status attempt_file(struct sink_refresh *r, struct file *f,
				bool *ret_changed, struct reason *why)
{
	int64_t now = now_wall(r->now);
	enum status s = STATUS_OK;

	if (f->forced || f->due_us <= now)
		s = refresh_file(r, f, ret_changed, why);
	if (s == STATUS_OK) {
		f->forced = false;
		if (*ret_changed &&
		    config_is_set(f->group, CONFIG_sink_pidfile))
			f->signal_due = true;
		s = tell_reader(f, why);
	}
	now = now_wall(r->now);
	if (s != STATUS_OK || f->due_us < now + NOW_SECOND)
		f->due_us = now + AGAIN_US;
	return s;
}

static struct sink_refresh_outcome outcome(const struct file *f)
{
	return (struct sink_refresh_outcome){
		.sink = config_name(f->group),
		.token = config_name(f->token),
		.path = f->sink.path,
		.detail = "",
		.expires_us = f->expires_us,
		.min_life_us =
			config_duration_us(f->group, CONFIG_sink_min_life),
		.alarm = f->alarm,
		.due_us = f->due_us,
	};
}

static void refresh_one(struct sink_refresh *r, struct file *f,
			sink_refresh_fn *fn, void *arg)
{
	struct reason why = { "" };
	enum status s = look_at_file(f, &why);
	bool changed = false, tried = false, before = f->alarm;
	struct sink_refresh_outcome o;

	/* A damaged file is an attempt that failed. */
	if (s != STATUS_OK && f->due_us <= now_wall(r->now)) {
		f->due_us = now_wall(r->now) + AGAIN_US;
		tried = true;
	} else if (s == STATUS_OK && (f->forced || f->signal_due ||
				      f->due_us <= now_wall(r->now))) {
		s = attempt_file(r, f, &changed, &why);
		tried = true;
	}
	f->alarm = is_alarming(f, now_wall(r->now));
	if (!tried && f->alarm == before)
		return;
	o = outcome(f);
	o.tried = tried;
	o.changed = changed;
	o.status = s;
	o.detail = s == STATUS_OK ? "" : why.text;
	fn(arg, &o);
}

/* ---- what follows ------------------------------------------------------------- */

/* Whom to tell of steps. */
struct told {
	const struct file *file;
	sink_refresh_fn *fn;
	void *arg;
};

static void tell_step(void *arg, const char *step, enum status s,
		      const char *sentence)
{
	const struct told *t = arg;
	struct sink_refresh_outcome o = outcome(t->file);

	o.step = step;
	o.tried = true;
	o.status = s;
	o.detail = sentence;
	t->fn(t->arg, &o);
}

static struct sink_after_place place_of(const struct sink_refresh *r,
					const struct file *f)
{
	return (struct sink_after_place){ .opened = r->o.opened,
					  .ledger = r->o.ledger,
					  .actor = r->o.actor,
					  .marker = f->marker,
					  .version = f->version,
					  .user = f->user };
}

/* Returns when to come again. */
static int64_t run_file(struct sink_refresh *r, struct file *f,
			sink_refresh_fn *fn, void *arg)
{
	struct told t = { f, fn, arg };
	bool at_once = f->forced;
	struct sink_after_place p;
	int64_t next;

	refresh_one(r, f, fn, arg);
	p = place_of(r, f);
	next = sink_after_run(f->after, &p, at_once, tell_step, &t);
	return next < f->due_us ? next : f->due_us;
}

int64_t sink_refresh_run(struct sink_refresh *r, sink_refresh_fn *fn, void *arg)
{
	int64_t next = INT64_MAX, at;

	for (size_t i = 0; i < r->n; i++) {
		if (r->files[i].skipped)
			continue;
		at = run_file(r, &r->files[i], fn, arg);
		if (at < next)
			next = at;
	}
	return next;
}

bool sink_refresh_look(struct sink_refresh *r, sink_refresh_fn *fn, void *arg)
{
	bool alarm = false;

	for (size_t i = 0; i < r->n; i++) {
		struct file *f = &r->files[i];
		struct reason why = { "" };
		enum status s = look_at_file(f, &why);
		struct sink_refresh_outcome o;

		f->alarm = is_alarming(f, now_wall(r->now));
		alarm = alarm || f->alarm;
		o = outcome(f);
		o.status = s;
		if (s == STATUS_OK && r->o.ledger) {
			const struct sink_after_place p = place_of(r, f);

			if (sink_after_look(f->after, &p, &why))
				o.status = STATUS_UNDELIVERED;
		}
		o.detail = o.status == STATUS_OK ? "" : why.text;
		fn(arg, &o);
	}
	return alarm;
}

void sink_refresh_ready(struct sink_refresh *r, sink_refresh_fn *fn, void *arg)
{
	for (size_t i = 0; i < r->n; i++) {
		struct file *f = &r->files[i];
		struct sink_refresh_outcome o = outcome(f);
		struct told t = { f, fn, arg };
		struct reason why = { "" };

		o.status = try_deliver(f, &why);
		o.detail = o.status == STATUS_OK ? "" : why.text;
		fn(arg, &o);
		sink_after_check(f->after, tell_step, &t);
	}
}
