/* SPDX-License-Identifier: PostgreSQL */
/* Turns what a server shows into sightings.  Must never take a login from before
 * a password was changed for one with the new password. */
#include "jobs/adoption.h"

#include <stdlib.h>
#include <string.h>

#include "base/consumer.h"
#include "base/now.h"
#include "cluster/cluster_tools.h"
#include "jobs/heard.h"
#include "schedule/schedule_retire.h"

#define AGAIN	      (3600 * NOW_SECOND)
#define POLLS_OF_GAP  3
#define POLLS_OF_NOTE 20
#define DATABASES_MAX 16
#define BATCH	      256
#define GATEWAYS_MAX  32
#define RUNS_MAX      64 /* of a role, that are looked at for a version */

/*
 * A login counts when it came later than the change was committed, and what the
 * marker has is when it was sent.  A step that took longer than it should was
 * never seen to be over, so that no one knows its end; ten minutes are longer
 * than any statement may take.
 */
#define LONGEST (600 * NOW_SECOND)

struct login {
	const char *rolname;
	const char *role;
	bool pair;			/* it is one of a pair's */
	char version[RANDOM_UUID_SIZE]; /* that `change_us` is of, or "" */
	int64_t change_us;
};

struct database {
	const char *name;
	int64_t not_before; /* boot clock; 0: it is installed, or not known */
};

/* Two members, and their owner. */
struct pair {
	char members[CLUSTER_MEMBERS][CLUSTER_NAME_SIZE];
	struct cluster_pair names;
	const char *role; /* the [role NAME] */
	bool automatic;	  /* it is retired by itself */
};

struct place {
	const char *name;     /* the [cluster NAME] */
	struct login *logins; /* by rolname */
	size_t n_logins;
	struct pair *pairs;
	struct cluster_watched *watched; /* one a pair */
	size_t n_pairs;
	struct database databases[DATABASES_MAX];
	size_t n_databases;
	int64_t heard_us[GATEWAYS_MAX]; /* wall clock: when the agent of a
					   gateway last told all, 0: never */
};

struct adoption {
	struct open_engine *engine;
	struct ledger *ledger;
	struct place *places;
	size_t n;
	bool stays; /* who looks remembers, and looks again */
};

/* ---- who is looked at -------------------------------------------------------- */

bool adoption_wanted(const struct config_group *cluster)
{
	const char *sample = config_string(cluster, CONFIG_cluster_sample);

	if (strcmp(config_string(cluster, CONFIG_cluster_admin), "self") == 0)
		return false;
	/* Who uses a gateway is for its agents to tell. */
	if (config_is_gateway(cluster))
		return config_list_n(cluster, CONFIG_cluster_agent) > 0 &&
		       strcmp(sample, "no") != 0;
	/* A server that scales to zero would never sleep. */
	if (strcmp(sample, "auto") == 0)
		return config_duration_us(cluster,
					  CONFIG_cluster_wake_timeout) == 0;
	return strcmp(sample, "yes") == 0;
}

int64_t adoption_gap_us(const struct config *c)
{
	return POLLS_OF_GAP *
	       config_duration_us(config_find(c, CONFIG_SECTION_keyturn, ""),
				  CONFIG_keyturn_poll);
}

int64_t adoption_noted_us(const struct config *c)
{
	return adoption_gap_us(c) / POLLS_OF_GAP * POLLS_OF_NOTE;
}

void adoption_stay(struct adoption *a)
{
	a->stays = true;
}

static void add_database(struct place *p, const char *name)
{
	for (size_t i = 0; i < p->n_databases; i++)
		if (strcmp(p->databases[i].name, name) == 0)
			return;
	if (p->n_databases < DATABASES_MAX)
		p->databases[p->n_databases++].name = name;
}

static int by_rolname(const void *a, const void *b)
{
	const struct login *x = a, *y = b;

	return strcmp(x->rolname, y->rolname);
}

static void add_login(struct place *p, const char *rolname,
		      const struct config_group *role)
{
	p->logins[p->n_logins++] = (struct login){
		.rolname = rolname,
		.role = config_name(role),
		.pair = config_is_pair(role),
	};
}

static void add_pair(struct place *p, const struct config_group *role)
{
	struct pair *x = &p->pairs[p->n_pairs];

	x->role = config_name(role);
	x->automatic =
		strcmp(config_string(role, CONFIG_role_retire), "auto") == 0;
	open_engine_members(role, x->members);
	for (size_t i = 0; i < CLUSTER_MEMBERS; i++) {
		x->names.members[i] = x->members[i];
		add_login(p, x->members[i], role);
	}
	p->watched[p->n_pairs++] =
		(struct cluster_watched){ .owner = open_rolname(role),
					  .pair = &x->names };
}

static enum status make_room(struct place *p, size_t n)
{
	p->logins = calloc((CLUSTER_MEMBERS + 1) * n + 1, sizeof(*p->logins));
	p->pairs = calloc(n + 1, sizeof(*p->pairs));
	p->watched = calloc(n + 1, sizeof(*p->watched));
	return p->logins && p->pairs && p->watched ? STATUS_OK :
						     STATUS_NO_MEMORY;
}

static void free_place(struct place *p)
{
	free(p->logins);
	free(p->pairs);
	free(p->watched);
}

/* Has a cluster roles?  Then they are in *p. */
static enum status fill_place(const struct config *c,
			      const struct config_group *cluster,
			      struct place *p)
{
	size_t n = config_count(c, CONFIG_SECTION_role);
	enum status s;

	*p = (struct place){ .name = config_name(cluster) };
	s = make_room(p, n);
	if (s != STATUS_OK)
		return s;
	add_database(p, CLUSTER_OWN_DATABASE);
	add_database(p, config_string(cluster, CONFIG_cluster_dbname));
	for (size_t i = 0; i < n; i++) {
		const struct config_group *role =
			config_at(c, CONFIG_SECTION_role, i);

		if (strcmp(config_string(role, CONFIG_role_cluster), p->name) !=
		    0)
			continue;
		add_login(p, open_rolname(role), role);
		if (config_is_pair(role))
			add_pair(p, role);
		add_database(p, config_string(role, CONFIG_role_dbname));
	}
	qsort(p->logins, p->n_logins, sizeof(*p->logins), by_rolname);
	return STATUS_OK;
}

enum status adoption_new(struct open_engine *w, struct adoption **ret,
			 struct reason *why)
{
	const struct config *c = open_config(open_engine_opened(w));
	size_t n = config_count(c, CONFIG_SECTION_cluster);
	struct adoption *a = calloc(1, sizeof(*a));
	enum status s = STATUS_OK;

	if (!a)
		return reason_no_memory(why);
	a->engine = w;
	a->ledger = open_engine_ledger(w);
	a->places = calloc(n + 1, sizeof(*a->places));
	if (!a->places)
		s = STATUS_NO_MEMORY;
	for (size_t i = 0; i < n && s == STATUS_OK; i++) {
		const struct config_group *g =
			config_at(c, CONFIG_SECTION_cluster, i);

		if (!adoption_wanted(g))
			continue;
		s = fill_place(c, g, &a->places[a->n]);
		if (s == STATUS_OK && a->places[a->n].n_logins > 0)
			a->n++;
		else
			free_place(&a->places[a->n]);
	}
	if (s != STATUS_OK) {
		adoption_free(a);
		return reason_no_memory(why);
	}
	*ret = a;
	return STATUS_OK;
}

void adoption_free(struct adoption *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->n; i++)
		free_place(&a->places[i]);
	free(a->places);
	free(a);
}

size_t adoption_count(const struct adoption *a)
{
	return a->n;
}

const char *adoption_cluster(const struct adoption *a, size_t i)
{
	return a->places[i].name;
}

/* ---- how long the change took ------------------------------------------------ */

struct change {
	const char *version;
	unsigned looked;
	int64_t us; /* -1: it is not known */
};

static enum status find_change(void *arg, const struct ledger_run *run)
{
	struct change *c = arg;
	const char *steps = run->steps;
	char name[LEDGER_STEP_SIZE];
	int64_t us;

	if (++c->looked > RUNS_MAX)
		return STATUS_LIMIT;
	if (strcmp(run->version, c->version) != 0)
		return STATUS_OK;
	while (ledger_steps_next(&steps, name, &us))
		if (strcmp(name, "apply") == 0 || strcmp(name, "adopt") == 0 ||
		    strcmp(name, "revert") == 0)
			c->us = (c->us < 0 ? 0 : c->us) + us;
	return c->us < 0 ? STATUS_OK : STATUS_LIMIT;
}

/* From the time in the marker until the change was seen to be committed. */
static int64_t change_of(struct adoption *a, struct login *l,
			 const char *version)
{
	struct change c = { .version = version, .us = -1 };

	if (strcmp(l->version, version) == 0)
		return l->change_us;
	a->ledger->ops->runs->history(a->ledger, l->role, 0, find_change, &c,
				      NULL);
	if (c.us < 0) /* the run is not closed yet, or another ledger's */
		return LONGEST;
	text_copy(l->version, sizeof(l->version), version);
	l->change_us = c.us;
	return c.us;
}

/* ---- a look ------------------------------------------------------------------- */

struct look {
	struct adoption *a;
	struct place *place;
	enum ledger_source source;
	int64_t now_us; /* wall clock */
	struct ledger_sighting *batch;
	size_t n;
	size_t n_heard; /* gateways; so the number of the one that tells now */
	struct adoption_look *ret;
	struct reason *why;
};

static enum status flush(struct look *k)
{
	size_t n = k->n;

	k->n = 0;
	return k->a->ledger->ops->adoption->see(k->a->ledger, k->batch, n,
						k->why);
}

/* A clock of the server's that went back is no reason for a time to come. */
static int64_t ago(const struct look *k, int64_t us)
{
	return us > 0 ? k->now_us - us : k->now_us;
}

static enum status take_seen(void *arg, const struct cluster_seen *seen)
{
	struct look *k = arg;
	const struct login key = { .rolname = seen->login };
	struct login *l = bsearch(&key, k->place->logins, k->place->n_logins,
				  sizeof(key), by_rolname);
	struct ledger_sighting *s = &k->batch[k->n];
	bool told = k->source == LEDGER_SOURCE_LOGIN;

	/* The row of a pair's marker is its owner's, who is not the one that
	 * logs in with the live version. */
	if (!l || (!told && l->pair != seen->pair))
		return STATUS_OK;
	if (seen->hidden) {
		k->ret->hidden += seen->count;
		return STATUS_OK;
	}
	*s = (struct ledger_sighting){
		.source = k->source,
		.first_us = told ? ago(k, seen->first_ago_us) : k->now_us,
		.last_us = told ? ago(k, seen->last_ago_us) : k->now_us,
		.count = told ? seen->count : 1,
		.total = told,
	};
	text_copy(s->role, sizeof(s->role), l->role);
	text_copy(s->login, sizeof(s->login), seen->login);
	if (seen->beside ||
	    (seen->after_us > 0 &&
	     seen->after_us >= change_of(k->a, l, seen->version)))
		text_copy(s->version, sizeof(s->version), seen->version);
	consumer_name(seen->address[0] ? seen->address : CONSUMER_LOCAL,
		      seen->application, "", s->consumer);
	k->ret->seen++;
	k->n++;
	return k->n < BATCH ? STATUS_OK : flush(k);
}

/* ---- gateways ------------------------------------------------------------------ */

/* The clocks of two hosts differ by less while a reply is on its way. */
#define SLACK (10 * NOW_SECOND)

/* What this process remembered with its last look is not written again. */
static bool is_news(const struct look *k, const struct cluster_seen *seen)
{
	int64_t before =
		k->n_heard < GATEWAYS_MAX ? k->place->heard_us[k->n_heard] : 0;

	return !k->a->stays || before > k->now_us ||
	       ago(k, seen->last_ago_us) >= before - SLACK;
}

/* An agent may serve roles of others, also of the same name. */
static enum status take_use(void *arg, const struct cluster_seen *seen)
{
	struct look *k = arg;
	const struct login key = { .rolname = seen->login };
	struct login *l = bsearch(&key, k->place->logins, k->place->n_logins,
				  sizeof(key), by_rolname);
	struct ledger_sighting *s = &k->batch[k->n];

	if (!l || strcmp(l->role, seen->role) != 0)
		return STATUS_OK;
	k->ret->seen++;
	if (!is_news(k, seen))
		return STATUS_OK;
	*s = (struct ledger_sighting){
		.source = LEDGER_SOURCE_VERIFY,
		.first_us = ago(k, seen->first_ago_us),
		.last_us = ago(k, seen->last_ago_us),
		.count = seen->count,
		.total = true,
	};
	text_copy(s->role, sizeof(s->role), l->role);
	text_copy(s->login, sizeof(s->login), seen->login);
	text_copy(s->version, sizeof(s->version), seen->version);
	consumer_name(seen->address[0] ? seen->address : CONSUMER_LOCAL,
		      seen->application, "", s->consumer);
	consumer_add_via(s->consumer, seen->gateway);
	k->n++;
	return k->n < BATCH ? STATUS_OK : flush(k);
}

/* What it told is in the ledger before that it did. */
static enum status take_heard(void *arg, const struct cluster_heard *h)
{
	struct look *k = arg;
	enum status s = flush(k);

	if (s != STATUS_OK)
		return s;
	if (!h->answered) {
		struct reason others = k->ret->unheard;

		reason_set(&k->ret->unheard, STATUS_CLUSTER_UNAVAILABLE,
			   "%s%s%s", others.text, others.text[0] ? "; " : "",
			   h->why);
	}
	s = heard_note(k->a->ledger, k->place->name, k->n_heard, h, k->now_us,
		       k->why);
	if (s == STATUS_OK && h->answered && k->n_heard < GATEWAYS_MAX)
		k->place->heard_us[k->n_heard] = k->now_us;
	k->n_heard++;
	return s;
}

static enum status look_at_gateways(struct look *k, struct cluster *cluster)
{
	enum status s =
		cluster->tools->uses(cluster, take_use, take_heard, k, k->why);

	if (s == STATUS_OK)
		heard_end(k->a->ledger, k->place->name, k->n_heard, k->now_us);
	return s;
}

/* ---- pairs --------------------------------------------------------------------- */

/* Nothing is there that could be ended, and that was known, also to who asks since
 * the last run. */
static bool is_at_rest(struct look *k, const char *role,
		       const struct schedule_retire_seen *now,
		       const struct schedule_retire_seen *before)
{
	struct ledger *l = k->a->ledger;
	struct ledger_role known;

	if (l->ops->roles->get(l, role, &known, NULL) != STATUS_OK ||
	    known.last_run_us >= before->taken_us)
		return false;
	return !now->may_login && !now->kept && !before->may_login &&
	       !before->kept && strcmp(now->version, before->version) == 0 &&
	       now->taken_us >= before->taken_us &&
	       now->taken_us - before->taken_us < AGAIN;
}

static const struct config *config_of(const struct adoption *a)
{
	return open_config(open_engine_opened(a->engine));
}

static enum status note_pair(struct adoption *a, const char *role,
			     const struct schedule_retire_seen *now,
			     struct reason *why)
{
	struct text t = text_make(LEDGER_TEXT_SIZE - 1);
	enum status s;

	schedule_retire_write(now, &t);
	s = text_status(&t);
	if (s == STATUS_OK)
		s = ledger_fact_remember(a->ledger, LEDGER_FACT_LOOKED, role,
					 text_str(&t), now->taken_us, why);
	text_free(&t);
	return s;
}

/* A run asks for what was seen after it, and others whether anybody looks. */
static bool is_to_be_noted(struct look *k, const char *role,
			   const struct schedule_retire_seen *now,
			   const struct schedule_retire_seen *noted)
{
	struct ledger *l = k->a->ledger;
	struct ledger_role known;

	return !k->a->stays || schedule_retire_is_news(now, noted) ||
	       now->taken_us < noted->taken_us ||
	       now->taken_us - noted->taken_us >=
		       adoption_noted_us(config_of(k->a)) ||
	       l->ops->roles->get(l, role, &known, NULL) != STATUS_OK ||
	       known.last_run_us >= noted->taken_us;
}

/* What was seen and not noted, for who looks next. */
void adoption_note(struct adoption *a)
{
	struct schedule_retire_seen last, noted;
	char line[LEDGER_TEXT_SIZE];

	for (size_t i = 0; i < a->n; i++)
		for (size_t p = 0; p < a->places[i].n_pairs; p++) {
			const char *role = a->places[i].pairs[p].role;

			if (!open_engine_looks_last(
				    open_engine_looks(a->engine), role, &last))
				continue;
			noted.taken_us = 0;
			if (ledger_fact_recall(a->ledger, LEDGER_FACT_LOOKED,
					       role, last.taken_us, line,
					       NULL) == STATUS_OK)
				schedule_retire_read(line, &noted);
			if (noted.taken_us < last.taken_us)
				(void)note_pair(a, role, &last, NULL);
		}
}

static enum status remember_pair(struct look *k, const struct pair *pair,
				 const struct cluster_watched *w)
{
	struct open_engine_looks *looks = open_engine_looks(k->a->engine);
	struct schedule_retire_seen noted = { .taken_us = 0 }, before, last,
				    now = { .taken_us = k->now_us,
					    .live_us = w->live_us,
					    .sessions = w->sessions,
					    .may_login = w->may_login,
					    .visible = w->visible,
					    .kept = w->kept,
					    .retired_us = w->retired_us };
	char line[LEDGER_TEXT_SIZE];
	enum status s;

	text_copy(now.version, sizeof(now.version), w->version);
	text_copy(now.admin, sizeof(now.admin), w->admin);
	s = ledger_fact_recall(k->a->ledger, LEDGER_FACT_LOOKED, pair->role,
			       k->now_us, line, k->why);
	if (s == STATUS_OK)
		schedule_retire_read(line, &noted);
	else if (s != STATUS_NOT_FOUND)
		return s;
	if (is_at_rest(k, pair->role, &now, &noted))
		return STATUS_OK;
	before = noted;
	if (k->a->stays && open_engine_looks_last(looks, pair->role, &last) &&
	    last.taken_us > noted.taken_us)
		before = last;
	schedule_retire_add(&now, &before, adoption_gap_us(config_of(k->a)));
	if (k->a->stays)
		open_engine_looks_keep(looks, pair->role, &now);
	if (!is_to_be_noted(k, pair->role, &now, &noted))
		return STATUS_OK;
	return note_pair(k->a, pair->role, &now, k->why);
}

static enum status remember_pairs(struct look *k)
{
	struct place *p = k->place;
	enum status s = STATUS_OK;

	for (size_t i = 0; i < p->n_pairs && s == STATUS_OK; i++)
		if (p->pairs[i].automatic && p->watched[i].found)
			s = remember_pair(k, &p->pairs[i], &p->watched[i]);
	return s;
}

static enum status look_at_logins(struct look *k, struct cluster *cluster,
				  struct database *d)
{
	int64_t now = now_boot(now_system());
	struct reason why;
	enum status s;

	if (d->not_before > now)
		return STATUS_OK;
	reason_clear(&why);
	k->source = LEDGER_SOURCE_LOGIN;
	s = cluster->tools->logins(cluster, d->name, take_seen, k, &why);
	if (s == STATUS_OK) {
		d->not_before = 0;
		return flush(k);
	}
	k->n = 0;
	if (s == STATUS_LEDGER_UNAVAILABLE || s == STATUS_AUDIT_BROKEN ||
	    s == STATUS_NO_MEMORY)
		return s;
	/* Not there, or not for us: few have it, and none is owed it. */
	d->not_before = now + AGAIN;
	if (s != STATUS_NOT_FOUND)
		k->ret->logins = why;
	return STATUS_OK;
}

static enum status look_at_server(struct look *k, struct cluster *cluster)
{
	struct place *p = k->place;
	enum status s = cluster->tools->sessions(
		cluster, p->watched, p->n_pairs, take_seen, k, k->why);

	if (s == STATUS_OK)
		s = flush(k);
	if (s == STATUS_OK)
		s = remember_pairs(k);
	for (size_t d = 0; d < p->n_databases && s == STATUS_OK; d++)
		s = look_at_logins(k, cluster, &p->databases[d]);
	/* Nothing was rotated there yet. */
	return s == STATUS_NOT_FOUND ? STATUS_OK : s;
}

enum status adoption_look(struct adoption *a, size_t i,
			  struct adoption_look *ret, struct reason *why)
{
	struct place *p = &a->places[i];
	struct look k = { .a = a,
			  .place = p,
			  .source = LEDGER_SOURCE_SESSION,
			  .now_us = now_wall(now_system()),
			  .ret = ret,
			  .why = why };
	struct cluster *cluster = NULL;
	enum status s;

	*ret = (struct adoption_look){ .seen = 0 };
	k.batch = calloc(BATCH, sizeof(*k.batch));
	if (!k.batch)
		return reason_no_memory(why);
	s = open_engine_cluster(a->engine, p->name, &cluster, why);
	if (s == STATUS_OK)
		s = cluster->tools->uses ? look_at_gateways(&k, cluster) :
					   look_at_server(&k, cluster);
	free(k.batch);
	return s;
}
