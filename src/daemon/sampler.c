/* SPDX-License-Identifier: PostgreSQL */
/* Looks who uses the roles; must never say the same trouble at each poll, nor
 * ask a cluster that is away as often as one that answers. */
#include "daemon/sampler.h"

#include <stdlib.h>
#include <string.h>

#include "base/backoff.h"
#include "base/log.h"
#include "base/now.h"
#include "base/thread_loop.h"
#include "jobs/adoption.h"

#define PAUSE_MAX (600 * NOW_SECOND)

/* What was said of a cluster. */
struct sampled {
	unsigned failures;  /* in a row */
	int64_t not_before; /* boot clock */
	bool hidden;	    /* rights were missing */
	struct reason logins;
	struct reason unheard;
};

struct sampler {
	struct generation *generation;
	struct adoption *adoption;
	struct sampled *clusters;
	int64_t poll_us;
	struct thread_loop loop;
};

static void note_failure(struct sampler *p, struct sampled *c,
			 const char *cluster, const struct reason *why)
{
	if (c->failures == 0)
		log_line(LOG_LEVEL_WARN,
			 "cluster %s: who uses its roles is not seen: %s",
			 cluster, why->text);
	c->failures++;
	c->not_before =
		now_boot(now_system()) +
		backoff_us(open_random(), p->poll_us,
			   p->poll_us > PAUSE_MAX ? p->poll_us : PAUSE_MAX,
			   c->failures);
}

static void note_look(struct sampled *c, const char *cluster,
		      const struct adoption_look *look)
{
	if (c->failures > 0)
		log_line(LOG_LEVEL_INFO,
			 "cluster %s: who uses its roles is seen again",
			 cluster);
	if (look->hidden > 0 && !c->hidden)
		log_line(LOG_LEVEL_WARN,
			 "cluster %s: where some sessions come from is not "
			 "shown to keyturn's admin; keyturn check says which "
			 "right it lacks",
			 cluster);
	if (look->logins.text[0] &&
	    strcmp(look->logins.text, c->logins.text) != 0)
		log_line(LOG_LEVEL_WARN, "%s", look->logins.text);
	if (look->unheard.text[0] &&
	    strcmp(look->unheard.text, c->unheard.text) != 0)
		log_line(LOG_LEVEL_WARN, "%s", look->unheard.text);
	else if (!look->unheard.text[0] && c->unheard.text[0])
		log_line(LOG_LEVEL_INFO,
			 "cluster %s: the agents of all gateways answer again",
			 cluster);
	c->unheard = look->unheard;
	c->failures = 0;
	c->not_before = 0;
	c->hidden = look->hidden > 0;
	if (look->logins.text[0])
		c->logins = look->logins;
}

static void look_at(struct sampler *p, size_t i)
{
	struct sampled *c = &p->clusters[i];
	const char *name = adoption_cluster(p->adoption, i);
	struct adoption_look look;
	struct reason why;

	if (c->not_before > now_boot(now_system()))
		return;
	reason_clear(&why);
	if (adoption_look(p->adoption, i, &look, &why) == STATUS_OK)
		note_look(c, name, &look);
	else
		note_failure(p, c, name, &why);
}

static void rest(struct sampler *p)
{
	const struct timespec until = thread_after(p->poll_us);

	pthread_mutex_lock(&p->loop.lock);
	thread_loop_rest(&p->loop, &until);
	pthread_mutex_unlock(&p->loop.lock);
}

static void sample(void *arg)
{
	struct sampler *p = arg;
	size_t n = adoption_count(p->adoption);

	while (thread_loop_goes_on(&p->loop)) {
		for (size_t i = 0; i < n && thread_loop_goes_on(&p->loop); i++)
			look_at(p, i);
		rest(p);
	}
	adoption_note(p->adoption);
}

static enum status start_thread(struct sampler *p, struct reason *why)
{
	int rc = thread_loop_start(&p->loop, sample, p);

	if (rc == 0)
		return STATUS_OK;
	return reason_set(why, STATUS_NO_MEMORY, "no thread: %s", strerror(rc));
}

static void release_sampler(struct sampler *p)
{
	adoption_free(p->adoption);
	generation_drop(p->generation);
	free(p->clusters);
	free(p);
}

enum status sampler_start(struct generation *generation, struct sampler **ret,
			  struct reason *why)
{
	struct sampler *p = calloc(1, sizeof(*p));
	enum status s;

	*ret = NULL;
	if (!p)
		return reason_no_memory(why);
	p->generation = generation;
	p->poll_us = generation_duration_us(generation, CONFIG_keyturn_poll);
	generation_hold(generation);
	s = adoption_new(generation->engine, &p->adoption, why);
	if (s != STATUS_OK || adoption_count(p->adoption) == 0) {
		release_sampler(p);
		return s;
	}
	adoption_stay(p->adoption);
	p->clusters = calloc(adoption_count(p->adoption), sizeof(*p->clusters));
	s = p->clusters ? start_thread(p, why) : reason_no_memory(why);
	if (s != STATUS_OK) {
		release_sampler(p);
		return s;
	}
	*ret = p;
	return STATUS_OK;
}

void sampler_stop(struct sampler *p)
{
	if (p)
		thread_loop_stop(&p->loop);
}

bool sampler_stopped(struct sampler *p)
{
	return !p || thread_loop_stopped(&p->loop);
}

void sampler_free(struct sampler *p)
{
	if (!p)
		return;
	thread_loop_join(&p->loop);
	release_sampler(p);
}
