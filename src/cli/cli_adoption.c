/* SPDX-License-Identifier: PostgreSQL */
/* adoption: which consumers were seen with the present password of roles. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/now.h"
#include "cli/cli.h"
#include "handoff/handoff_refusal.h"
#include "jobs/adoption.h"
#include "jobs/grace.h"
#include "jobs/heard.h"
#include "jobs/role_lock.h"
#include "report/report_adoption.h"
#include "report/report_trail.h"

#define OUTPUT_MAX   ((size_t)64 << 20)
#define LINE_BYTES   ((size_t)1 << 20)
#define LOCK_US	     (5 * NOW_SECOND)
#define GATEWAYS_MAX 32 /* that are shown of a role */

/* ---- looking now --------------------------------------------------------------- */

/* A cluster that is not there hides no other.  *ret_worst: what the last one of
 * those ended with, else STATUS_OK. */
static enum status look_now(struct cli *c, enum status *ret_worst)
{
	struct adoption *a = NULL;
	struct adoption_look look;
	enum status s = adoption_new(c->engine, &a, &c->why);

	for (size_t i = 0; s == STATUS_OK && i < adoption_count(a); i++) {
		s = adoption_look(a, i, &look, &c->why);
		if (s == STATUS_CLUSTER_UNAVAILABLE || s == STATUS_REFUSED) {
			log_line(LOG_LEVEL_WARN, "%s", c->why.text);
			*ret_worst = s;
			s = STATUS_OK;
			continue;
		}
		if (s != STATUS_OK)
			break;
		if (look.hidden > 0)
			log_line(LOG_LEVEL_WARN,
				 "cluster %s: where %lld sessions come from is "
				 "not shown to keyturn's admin; keyturn check "
				 "says which right it lacks",
				 adoption_cluster(a, i),
				 (long long)look.hidden);
		if (look.unheard.text[0]) {
			log_line(LOG_LEVEL_WARN, "%s", look.unheard.text);
			c->why = look.unheard;
			*ret_worst = STATUS_CLUSTER_UNAVAILABLE;
		}
		if (look.logins.text[0])
			log_line(LOG_LEVEL_WARN, "%s", look.logins.text);
	}
	adoption_free(a);
	return s;
}

/* ---- an agent's audit ------------------------------------------------------------ */

static enum status read_lines(struct cli *c, FILE *f, struct report_trail *t)
{
	char *line = malloc(LINE_BYTES);
	unsigned long n = 0;
	enum status s = line ? STATUS_OK : reason_no_memory(&c->why);

	while (s == STATUS_OK && fgets(line, LINE_BYTES, f)) {
		n++;
		line[strcspn(line, "\n")] = '\0';
		s = report_trail_add(t, line, &c->why);
		if (s == STATUS_CORRUPT)
			s = reason_set(&c->why, STATUS_USAGE,
				       "--agent %s: line %lu is not a line of "
				       "keyturn audit export",
				       c->o.agent, n);
	}
	if (s == STATUS_OK && ferror(f))
		s = reason_set(&c->why, STATUS_ERROR, "--agent %s: %s",
			       c->o.agent, strerror(errno));
	free(line);
	return s;
}

/* What is remembered of a role that is not ours would stay for ever. */
static enum status remember_trail(struct cli *c, const struct report_trail *t)
{
	size_t n = 0;
	const struct ledger_sighting *s = report_trail_sightings(t, &n);
	enum status st = STATUS_OK;

	for (size_t i = 0; i < n && st == STATUS_OK; i++)
		if (config_find(c->config, CONFIG_SECTION_role, s[i].role))
			st = c->ledger->ops->adoption->see(c->ledger, &s[i], 1,
							   &c->why);
	return st;
}

/* The hand-offs by a person, in the order of their roles. */
struct handoffs {
	struct handoff *all;
	size_t n;
};

static struct handoff *find_handoff(const struct handoffs *of, const char *role)
{
	for (size_t i = 0; i < of->n; i++)
		if (strcmp(of->all[i].role, role) == 0)
			return &of->all[i];
	return NULL;
}

static int64_t refusals_since(const void *arg, const char *role)
{
	const struct handoff *h = find_handoff(arg, role);

	return h ? handoff_refusal_since(h) : INT64_MAX;
}

static enum status load_handoffs(struct cli *c, struct handoffs *ret)
{
	size_t n = config_count(c->config, CONFIG_SECTION_role);
	enum status s = STATUS_OK;

	ret->n = 0;
	ret->all = calloc(n + 1, sizeof(*ret->all));
	if (!ret->all)
		return reason_no_memory(&c->why);
	for (size_t i = 0; i < n && s == STATUS_OK; i++) {
		struct handoff *h = &ret->all[ret->n];

		s = handoff_load(c->ledger,
				 config_at(c->config, CONFIG_SECTION_role, i),
				 now_wall(now_system()), h, &c->why);
		ret->n += s == STATUS_OK && h->manual && h->version[0];
	}
	return s;
}

static enum status add_refusals(struct cli *c, struct handoff *h,
				const struct report_trail *t)
{
	size_t n = 0;
	const struct report_refusal *r = report_trail_refusals(t, &n);
	enum status s = STATUS_OK;

	for (size_t i = 0; i < n && s == STATUS_OK; i++) {
		struct handoff_refusal add = { .source = "verify",
					       .count = r[i].count,
					       .first_us = r[i].first_us,
					       .last_us = r[i].last_us };

		if (strcmp(r[i].role, h->role) != 0)
			continue;
		text_cut(add.address, sizeof(add.address), r[i].host);
		text_cut(add.password, sizeof(add.password), r[i].label);
		s = handoff_refusal_add(c->ledger, h, &add, true, &c->why);
	}
	return s;
}

/* What a log has shown meanwhile is not written over. */
static enum status remember_refusals(struct cli *c, const struct handoffs *of,
				     const struct report_trail *t)
{
	enum status s = STATUS_OK;

	for (size_t i = 0; i < of->n && s == STATUS_OK; i++) {
		const char *role = of->all[i].role;
		struct handoff h;
		int lock = -1;

		s = role_lock_take(c->opened, role, LOCK_US, &lock, &c->why);
		if (s == STATUS_OK)
			s = handoff_load(c->ledger,
					 config_find(c->config,
						     CONFIG_SECTION_role, role),
					 now_wall(now_system()), &h, &c->why);
		if (s == STATUS_OK)
			s = add_refusals(c, &h, t);
		role_lock_end(lock);
	}
	return s;
}

static enum status take_agent(struct cli *c)
{
	struct handoffs of = { .n = 0 };
	bool standard = strcmp(c->o.agent, "-") == 0;
	FILE *f = standard ? stdin : fopen(c->o.agent, "re");
	struct report_trail *t = NULL;
	enum status s;

	if (!f)
		return reason_set(&c->why, STATUS_USAGE, "--agent %s: %s",
				  c->o.agent, strerror(errno));
	s = report_trail_new(&t);
	if (s == STATUS_OK) {
		report_trail_since(t, refusals_since, &of);
		s = load_handoffs(c, &of);
	} else {
		s = reason_no_memory(&c->why);
	}
	if (s == STATUS_OK)
		s = read_lines(c, f, t);
	if (s == STATUS_OK)
		s = remember_trail(c, t);
	if (s == STATUS_OK)
		s = remember_refusals(c, &of, t);
	report_trail_free(t);
	free(of.all);
	if (!standard)
		fclose(f);
	return s;
}

/* ---- showing ---------------------------------------------------------------------- */

static enum status load(struct cli *c, const struct config_group *role,
			struct ledger_role *known, struct report_adoption **ret)
{
	struct ledger *l = c->ledger;
	enum status s =
		l->ops->roles->get(l, config_name(role), known, &c->why);

	if (s != STATUS_OK && s != STATUS_NOT_FOUND)
		return s;
	if (report_adoption_new(config_name(role), known->version,
				config_string(role, CONFIG_role_consumers),
				ret) != STATUS_OK)
		return reason_no_memory(&c->why);
	if (config_is_pair(role))
		report_adoption_since(*ret, known->rotated_us);
	s = l->ops->adoption->each(l, config_name(role), report_adoption_add,
				   *ret, &c->why);
	return s == STATUS_NO_MEMORY ? reason_no_memory(&c->why) : s;
}

struct gateways {
	struct heard heard[GATEWAYS_MAX];
	struct report_adoption_gateway shown[GATEWAYS_MAX];
	size_t n;
};

static void recall_gateways(const struct cli *c, const char *cluster,
			    int64_t now_us, struct gateways *ret)
{
	for (ret->n = 0; ret->n < GATEWAYS_MAX; ret->n++) {
		struct heard *h = &ret->heard[ret->n];

		if (heard_recall(c->ledger, cluster, ret->n, now_us, h, NULL) !=
		    STATUS_OK)
			break;
		ret->shown[ret->n] = (struct report_adoption_gateway){
			h->gateway, h->from_us, h->last_us
		};
	}
}

static void show(const struct cli *c, const struct config_group *role,
		 const struct ledger_role *known,
		 const struct report_adoption *a, struct text *t)
{
	int64_t now_us = now_wall(now_system());
	struct gateways gateways = { .n = 0 };
	const struct config_group *cluster =
		config_find(c->config, CONFIG_SECTION_cluster,
			    config_string(role, CONFIG_role_cluster));

	recall_gateways(c, config_name(cluster), now_us, &gateways);
	const struct report_adoption_context x = {
		.rolname = open_rolname(role),
		.rotated_us = known->rotated_us,
		.poll_us =
			adoption_wanted(cluster) ?
				config_duration_us(
					config_find(c->config,
						    CONFIG_SECTION_keyturn, ""),
					CONFIG_keyturn_poll) :
				0,
		.now_us = now_us,
		.grace_us = grace_until(c->engine, role, known, now_us),
		.gateways = config_is_at_gateway(role) ? gateways.shown : NULL,
		.n_gateways = gateways.n,
		.gap_us = adoption_gap_us(c->config),
	};

	if (!c->o.json) {
		report_adoption_text(a, &x, t);
		return;
	}
	text_add(t, t->len ? ",\n " : "[");
	report_adoption_json(a, &x, t);
}

/* What a person confirms by putting it there. */
static enum status learn(struct cli *c, const struct config_group *role,
			 const struct report_adoption *a, int64_t since_us,
			 struct text *t)
{
	size_t before = t->len;

	report_adoption_learn(a, since_us, t);
	if (t->len == before)
		return reason_set(
			&c->why, STATUS_NOT_FOUND,
			"role %s: no consumer was seen logging in, so "
			"there is nothing to learn yet",
			config_name(role));
	if (!c->o.quiet)
		fprintf(stderr,
			"keyturn: who was seen logging in as %s. It counts "
			"once it is in [role %s]: take out what should not "
			"be there, add what was not seen\n",
			config_name(role), config_name(role));
	return STATUS_OK;
}

static enum status adoption_of(struct cli *c, const struct config_group *role,
			       int64_t since_us, struct text *t)
{
	struct report_adoption *a = NULL;
	struct ledger_role known;
	enum status s;

	s = load(c, role, &known, &a);
	if (s == STATUS_OK && c->o.learn)
		s = learn(c, role, a, since_us, t);
	else if (s == STATUS_OK)
		show(c, role, &known, a, t);
	report_adoption_free(a);
	return s;
}

static enum status check_usage(struct cli *c)
{
	if (c->o.learn && (c->n_args != 1 || c->o.json))
		return reason_set(&c->why, STATUS_USAGE,
				  "adoption --learn takes one role name, and "
				  "no --json");
	if (*c->o.since && !c->o.learn)
		return reason_set(&c->why, STATUS_USAGE,
				  "adoption takes --since with --learn only");
	return STATUS_OK;
}

enum status cli_adoption(struct cli *c)
{
	const struct config_group **roles = NULL;
	bool writes = c->o.look || *c->o.agent;
	struct text t = text_make(OUTPUT_MAX);
	int64_t since_us = 0;
	size_t n = 0;
	enum status s = check_usage(c), worst = STATUS_OK;

	if (s == STATUS_OK)
		s = cli_since(c, &since_us);
	if (s == STATUS_OK)
		s = cli_open_ledger(c, writes ? OPEN_LEDGER_WRITE :
						OPEN_LEDGER_READ);
	if (s == STATUS_OK)
		s = cli_open_workshop(c);
	if (s == STATUS_OK)
		s = cli_roles(c, &roles, &n);
	if (s == STATUS_OK && c->o.look)
		s = look_now(c, &worst);
	if (s == STATUS_OK && *c->o.agent)
		s = take_agent(c);
	if (s == STATUS_OK && writes)
		cli_handoff_watch(c);
	for (size_t i = 0; i < n && s == STATUS_OK; i++)
		s = adoption_of(c, roles[i], since_us, &t);
	if (c->o.json)
		text_add(&t, t.len ? "]\n" : "[]\n");
	if (s == STATUS_OK)
		s = cli_print(c, &t);
	free(roles);
	text_free(&t);
	return s == STATUS_OK ? worst : s;
}
