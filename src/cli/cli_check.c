/* SPDX-License-Identifier: PostgreSQL */
/* check: looks for everything that would stop a rotation; one line each, with
 * how to mend it.  Must never change a role, a version or a sink. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/now.h"
#include "cli/cli.h"
#include "cluster/cluster_tools.h"
#include "jobs/adoption.h"
#include "jobs/due.h"
#include "jobs/follow.h"
#include "jobs/sink_refresh.h"
#include "open/open_schedule.h"
#include "report/report.h"
#include "report/report_adoption.h"
#include "rotation/runner_deliver.h"
#include "rotation/runner_session.h"

struct check {
	struct cli *cli;
	const char *role; /* "" for what concerns all */
	size_t fails, warns, frozen;
	size_t outliving, undelivered; /* fails that stop no rotation */
	enum status worst;	       /* of the failures */
	struct {
		const char *name;
		bool away; /* it is not asked again */
	} stores[64];	   /* looked at already */
	size_t n_stores;
	struct login *logins; /* looked at already */
	size_t n_logins;
};

/* Whom a role's rotations concern, however its cluster is called. */
struct login {
	const char *role;
	char rolname[CLUSTER_NAME_SIZE];
	const char *cluster;
	char server[CLUSTER_SERVER_SIZE];
};

enum level { OK, NOTE, WARN, FAIL };

static void say(struct check *k, enum level level, const char *topic,
		const char *fmt, ...) __attribute__((format(printf, 4, 5)));
static void refuse(struct check *k, const char *topic, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void say(struct check *k, enum level level, const char *topic,
		const char *fmt, ...)
{
	static const char *const names[] = { "ok", "note", "warn", "fail" };
	struct text t = text_make(4096);
	char sentence[2048];
	va_list args;

	va_start(args, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, args);
	va_end(args);
	k->fails += level == FAIL;
	k->warns += level == WARN;
	if (k->cli->o.quiet && level < WARN)
		return;
	if (k->cli->o.json) {
		text_add(&t, "{");
		text_add_member(&t, "role", k->role);
		text_add_member(&t, "topic", topic);
		text_add_member(&t, "severity", names[level]);
		text_add_member(&t, "sentence", sentence);
		text_add(&t, "}\n");
	} else
		text_printf(&t, "%-4s  %s%s%s: %s\n", names[level],
			    *k->role ? k->role : "", *k->role ? ": " : "",
			    topic, sentence);
	fwrite(text_str(&t), 1, t.len, stdout);
	text_free(&t);
}

/* A failed call: its sentence, and its status for the exit code. */
static void failed(struct check *k, const char *topic, enum status s,
		   const struct reason *why)
{
	say(k, FAIL, topic, "%s",
	    why->text[0] ? why->text : status_sentence(s));
	if (k->worst == STATUS_OK)
		k->worst = s;
	else if (k->worst != s)
		k->worst = STATUS_REFUSED;
}

/* What stops a rotation and is no call's failure. */
static void refuse(struct check *k, const char *topic, const char *fmt, ...)
{
	char sentence[2 * REASON_MAX];
	struct reason why;
	va_list args;

	va_start(args, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, args);
	va_end(args);
	failed(k, topic, reason_set(&why, STATUS_REFUSED, "%s", sentence),
	       &why);
}

static void finding(void *arg, enum cluster_severity severity,
		    const char *topic, const char *sentence)
{
	struct check *k = arg;

	if (severity == CLUSTER_FAIL && k->worst != STATUS_REFUSED)
		k->worst = STATUS_REFUSED;
	say(k,
	    severity == CLUSTER_FAIL ? FAIL :
	    severity == CLUSTER_WARN ? WARN :
				       NOTE,
	    topic, "%s", sentence);
}

/* ---- what concerns all roles ---- */

static void check_ledger(struct check *k)
{
	struct ledger *l = k->cli->ledger;
	struct reason why;
	enum status s;

	/* A durable write: there is room, and it is ours to write. */
	s = ledger_fact_remember(l, LEDGER_FACT_CHECK, "", "written", 1, &why);
	if (s == STATUS_OK)
		say(k, OK, "ledger", "can be written");
	else
		failed(k, "ledger", s, &why);
}

static void check_audit(struct check *k)
{
	struct audit_verdict v = { .events = 0 };
	struct ledger *l = k->cli->ledger;
	struct reason why;
	enum status s;

	s = l->ops->trail->verify(l, &v, &why);
	if (s == STATUS_OK)
		say(k, OK, "audit", "%lld events and %lld checkpoints verify",
		    (long long)v.events, (long long)v.checkpoints);
	else
		failed(k, "audit", s, &why);
}

/* False when the store is away: who asks it again waits again. */
static bool check_store(struct check *k, const char *name, struct store *store)
{
	char topic[64];
	struct reason why;
	int64_t begun;
	enum status s;
	size_t i;

	for (i = 0; i < k->n_stores; i++)
		if (strcmp(k->stores[i].name, name) == 0)
			return !k->stores[i].away;
	snprintf(topic, sizeof(topic), "store %s", name);
	begun = now_boot(now_system());
	s = store->ops->canary(store, &why);
	if (s == STATUS_STORE_UNAVAILABLE)
		open_store_failed(k->cli->opened, name,
				  now_boot(now_system()) - begun, &why);
	if (i < sizeof(k->stores) / sizeof(k->stores[0])) {
		k->stores[i].name = name;
		k->stores[i].away = s == STATUS_STORE_UNAVAILABLE;
		k->n_stores++;
	}
	/* AWS has no canary but its credentials (store_aws.h). */
	if (s == STATUS_OK)
		say(k, OK, topic, "%s",
		    strcmp(store->ops->type, "aws") == 0 ?
			    "there are credentials; what they may do shows in "
			    "each role's secret" :
			    "a canary was written, read and deleted");
	else
		failed(k, topic, s, &why);
	return s != STATUS_STORE_UNAVAILABLE;
}

/* ---- one role ---- */

/* Secrets Manager keeps about 100 versions and purges none within 24 hours; a
 * role that is rotated more often than every 14.4 minutes cannot be rotated at
 * all after a day.  For `every` the configuration says so itself. */
#define AWS_SHORTEST (15 * 60 * NOW_SECOND)

static void check_quota(struct check *k, const struct config_group *role,
			const struct schedule *schedule)
{
	const struct config_group *store =
		config_find(open_config(k->cli->opened), CONFIG_SECTION_store,
			    config_string(role, CONFIG_role_store));

	if (store &&
	    strcmp(config_string(store, CONFIG_store_type), "aws") == 0 &&
	    schedule_shortest_us(schedule, now_wall(now_system())) <
		    AWS_SHORTEST)
		refuse(k, "schedule",
		       "comes due more often than every 15 minutes: AWS keeps "
		       "100 versions for 24 hours, and then refuses new ones");
}

/* Against max_life of the policy.  It stops no rotation. */
static void check_life(struct check *k, const struct config_group *role,
		       const struct schedule *schedule)
{
	int64_t now = now_wall(now_system());
	const struct schedule_life l = open_schedule_life(
		open_config(k->cli->opened), role, schedule, now);
	struct ledger_role known;
	char age[32], max[32];
	struct reason why;
	enum status s;

	if (l.max_us == 0)
		return;
	s = schedule_life_judge(&l, &why);
	say(k, s == STATUS_OK ? OK : FAIL, "life", "%s", why.text);
	k->outliving += s != STATUS_OK;
	if (open_remembered(k->cli->opened, k->cli->ledger, role, &known,
			    &why) == STATUS_OK &&
	    known.rotated_us > 0 && now - known.rotated_us > l.max_us)
		say(k, WARN, "life",
		    "the present password is %s old, and max_life of the policy "
		    "is %s: keyturn rotate %s",
		    now_age(now - known.rotated_us, age),
		    now_age(l.max_us, max), k->role);
}

/* What puts the next rotation off, and whether the password gets too old by it. */
static void check_hold(struct check *k, const struct config_group *role,
		       const struct schedule *schedule,
		       const struct ledger_role *known)
{
	int64_t now = now_wall(now_system()), most;
	char at[NOW_STAMP_SIZE], age[32], max[32];
	struct hold h;
	struct reason why;

	if (hold_look(k->cli->engine, role, known, schedule, now, &h, &why) !=
		    STATUS_OK ||
	    h.turn.due_us == 0 || !(h.turn.postponed || h.turn.blackout_us))
		return;
	now_stamp(h.turn.at_us, at);
	say(k, NOTE, "schedule", "the next rotation waits until %s: %s%s%s%s",
	    at, h.turn.postponed ? "it is postponed by " : "",
	    h.turn.postponed ? h.who : "",
	    h.turn.postponed && h.turn.blackout_us ? ", and then " : "",
	    h.turn.blackout_us ? h.turn.blackout : "");
	most = open_schedule_life(open_config(k->cli->opened), role, schedule,
				  now)
		       .max_us;
	if (most > 0 && h.turn.at_us - known->rotated_us > most)
		say(k, WARN, "life",
		    "the present password will be %s old then, and max_life of "
		    "the policy is %s: keyturn rotate %s --now --reason TEXT",
		    now_age(h.turn.at_us - known->rotated_us, age),
		    now_age(most, max), k->role);
}

static void check_schedule(struct check *k, const struct config_group *role)
{
	struct schedule *schedule = NULL;
	struct ledger_role known;
	char stamp[NOW_STAMP_SIZE];
	int64_t next;
	struct reason why;
	enum status s;

	if (open_engine_schedule(k->cli->engine, role, &schedule, &why) !=
		    STATUS_OK ||
	    !schedule) {
		say(k, NOTE, "schedule", "none: rotated by command only");
		check_life(k, role, NULL);
		return;
	}
	check_quota(k, role, schedule);
	check_life(k, role, schedule);
	s = open_remembered(k->cli->opened, k->cli->ledger, role, &known, &why);
	if (s == STATUS_STORE_UNAVAILABLE)
		say(k, NOTE, "schedule",
		    "not known until the store answers: the ledger does not "
		    "know this role");
	else if (s != STATUS_OK)
		say(k, NOTE, "schedule",
		    "not taken over yet: rotate or import it by name");
	else if ((next = report_next_due(schedule, &known)) == 0)
		say(k, WARN, "schedule",
		    "never comes due; mend the expression");
	else {
		say(k, OK, "schedule", "next due %s", now_stamp(next, stamp));
		check_hold(k, role, schedule, &known);
	}
	schedule_free(schedule);
}

/* What the store would refuse a rotation of this role for. */
static void check_secret(struct check *k, const struct runner_job *j)
{
	struct reason why;
	enum status s = j->store->ops->ready(j->store, j->role, &why);

	if (s == STATUS_OK)
		say(k, OK, "secret", "the store can take a new version of it");
	else
		failed(k, "secret", s, &why);
}

static void check_sink(struct check *k, const struct runner_job *j,
		       const struct sink *sink)
{
	struct reason why;
	enum status s = runner_deliver_could(j, sink, &why);

	if (s == STATUS_OK)
		say(k, OK, "sink", "%s: can be replaced", sink->path);
	else
		failed(k, "sink", s, &why);
}

/* What a run tries before it changes anything: does the store's CURRENT log in,
 * or is a made-up password (id NULL) refused as a password? */
static void check_login(struct check *k, const struct runner_job *j,
			const char *id, bool pending, bool marked)
{
	struct store_entry entry = { .password = NULL };
	enum engine_event ev;
	struct reason why;
	enum status s = STATUS_OK;

	if (id)
		s = j->store->ops->fetch(j->store, j->role, id, &entry, &why);
	if (s != STATUS_OK) {
		failed(k, "drift", s, &why);
		return;
	}
	reason_clear(&why);
	ev = runner_try(open_engine_env(k->cli->engine), j,
			id ? entry.username : "", entry.password, &why);
	secret_free(entry.password);
	if (ev == ENGINE_ON_OK && id)
		say(k, OK, "drift", "%s",
		    j->cluster->gateway ?
			    "the store's current password logs in at each "
			    "gateway" :
		    marked ? "marker and store agree, and the password logs "
			     "in" :
			     "the password logs in, and the next rotation "
			     "notes it in the marker");
	else if (ev == ENGINE_ON_OK && !j->no_control)
		say(k, OK, "login",
		    "a password is asked for, and a made-up one is refused");
	else if (ev == ENGINE_ON_OK)
		say(k, NOTE, "login",
		    "not tried: control = no, and the role has no password of "
		    "keyturn's yet");
	else if (ev != ENGINE_ON_WRONG)
		failed(k, "login", STATUS_REFUSED, &why);
	else if (pending && j->cluster->doubts)
		say(k, WARN, "drift",
		    "the store's current password does not log in, and a "
		    "commit that failed may have made the staged one live; "
		    "keyturn recover applies that again");
	else if (j->cluster->gateway)
		refuse(k, "drift",
		       "the store's current password does not log in: %s; look "
		       "whether keyturn-agent answers there, and reads this "
		       "store",
		       why.text);
	else
		refuse(k, "drift",
		       "the store's current password does not log in (%s): it "
		       "was changed, or pg_hba.conf wants more than a "
		       "password. Changed: keyturn import ROLE takes the "
		       "present one over, or keyturn rotate --emergency ROLE "
		       "replaces it",
		       why.text);
}

/* A date that no rotation moves: does it come before the next one? */
static void check_expiry(struct check *k, const struct runner_job *j,
			 int64_t expires_us)
{
	const struct config_group *role = config_find(
		open_config(k->cli->opened), CONFIG_SECTION_role, j->role);
	struct schedule *schedule = NULL;
	struct ledger_role known;
	char text[24];
	int64_t next = 0;
	struct reason why;

	if (!role)
		return;
	snprintf(text, sizeof(text), "%lld", (long long)expires_us);
	(void)ledger_fact_remember(k->cli->ledger, LEDGER_FACT_EXPIRES, j->role,
				   text, 0, NULL);
	if (open_engine_schedule(k->cli->engine, role, &schedule, &why) ==
		    STATUS_OK &&
	    schedule &&
	    open_remembered(k->cli->opened, k->cli->ledger, role, &known,
			    &why) == STATUS_OK)
		next = report_next_due(schedule, &known);
	schedule_free(schedule);
	if (!report_ends_early(expires_us, next, now_wall(now_system())))
		return;
	report_ending(expires_us, next, j->rolname, &why);
	say(k, WARN, "expiry", "%s", why.text);
}

static void check_drift(struct check *k, const struct runner_job *j,
			struct cluster_session *session)
{
	const struct store_version *current, *live;
	struct cluster_marker marker;
	struct store_state state;
	struct reason why;
	enum status s;

	s = j->cluster->ops->look(j->cluster, session, j->rolname, &marker,
				  &why);
	if (s == STATUS_OK)
		s = j->store->ops->describe(j->store, j->role, &state, &why);
	/* Only the whole state may say that a version is unknown. */
	if (s == STATUS_OK && state.remembered &&
	    !store_find_id(&state, marker.live_version))
		s = j->store->ops->describe(j->store, j->role, &state, &why);
	if (s != STATUS_OK) {
		failed(k, "drift", s, &why);
		return;
	}
	check_expiry(k, j, marker.expires_us);
	current = store_find_label(&state, STORE_LABEL_CURRENT);
	live = store_find_id(&state, marker.live_version);
	if (!marker.live_version[0] && !current) {
		say(k, NOTE, "drift", "new to keyturn: nothing to compare");
		check_login(k, j, NULL, false, false);
	} else if (marker.branched && live)
		refuse(k, "branch",
		       "this is another branch than the marker was written on, "
		       "and the secret is that one's; give the branch a [role] "
		       "section of its own, with rolname");
	else if (marker.branched)
		say(k, NOTE, "branch",
		    "the role came with a branch of the database, and has the "
		    "password that it had there; rotate it here");
	else if (marker.renamed && current && !live) {
		say(k, NOTE, "drift",
		    "the role was renamed, made again or moved to another "
		    "server since its last rotation: a login decides");
		check_login(k, j, current->id, false, false);
	} else if ((marker.renamed && !live) || marker.foreign)
		refuse(k, "drift", "%s",
		       marker.renamed && !live ?
			       "the role was renamed, or dropped and created "
			       "again; keyturn import or keyturn rotate "
			       "--emergency" :
		       marker.none ?
			       "somebody took the password away; keyturn "
			       "rotate --emergency sets a new one" :
			       "the password was changed by somebody else; "
			       "keyturn import or keyturn rotate --emergency");
	else if (marker.live_version[0] && !live && state.note[0])
		refuse(k, "drift", "%s", state.note);
	else if (marker.live_version[0] && !live)
		refuse(k, "drift",
		       "the live version %s is not in the store; keyturn "
		       "rotate --emergency replaces the password",
		       marker.live_version);
	else if (live && live != current)
		say(k, WARN, "drift", "%s",
		    live->label == STORE_LABEL_PENDING ?
			    "a rotation was interrupted after it was applied; "
			    "keyturn recover finishes it" :
			    "an older version is live: the database was "
			    "restored; keyturn recover re-points and rotates");
	else if (current)
		check_login(k, j, current->id,
			    store_find_label(&state, STORE_LABEL_PENDING) !=
				    NULL,
			    marker.live_version[0] != '\0');
}

/* What is known of the server that answered. */
static const char *verified(const struct cluster *t)
{
	if (strchr("/@", t->host[0])) /* or none */
		return "reachable over a local socket, writable";
	if (strcmp(t->sslmode, "verify-full") == 0)
		return "reachable, writable; the certificate's chain and host "
		       "name are verified";
	if (strcmp(t->sslmode, "verify-ca") == 0)
		return "reachable, writable; the certificate's chain is "
		       "verified, its host name is not (sslmode=verify-ca)";
	return "reachable, writable; no certificate is verified, so it may be "
	       "another server (sslmode under verify-ca)";
}

/* Is it the login of another section as well, under another cluster's name?  Only
 * the server knows whether two names of hosts are one. */
static void check_twin(struct check *k, const struct runner_job *j)
{
	struct login *l = k->logins;

	for (size_t i = 0; i < k->n_logins; i++, l++) {
		if (strcmp(l->rolname, j->rolname) != 0 ||
		    strcmp(l->cluster, j->cluster->name) == 0 ||
		    !l->server[0] || strcmp(l->server, j->cluster->server) != 0)
			continue;
		refuse(k, "cluster",
		       "it is the login of [role %s] too: [cluster %s] and "
		       "[cluster %s] are one server (system_identifier %.*s), "
		       "and each rotation would end the other's password; "
		       "remove one of the sections",
		       l->role, l->cluster, j->cluster->name,
		       (int)strcspn(l->server, " "), l->server);
		return;
	}
	l = realloc(k->logins, (k->n_logins + 1) * sizeof(*l));
	if (!l)
		return;
	k->logins = l;
	l += k->n_logins++;
	l->role = j->role;
	l->cluster = j->cluster->name;
	text_copy(l->rolname, sizeof(l->rolname), j->rolname);
	text_copy(l->server, sizeof(l->server), j->cluster->server);
}

/* Of a pair: its members, of which the owner's sessions are none. */
static enum status sees_all(const struct runner_job *j, struct reason *why)
{
	struct cluster *t = j->cluster;
	enum status s;

	if (!j->pair)
		return t->tools->sees(t, j->rolname, why);
	s = t->tools->sees(t, j->pair->members[0], why);
	return s == STATUS_OK ? t->tools->sees(t, j->pair->members[1], why) : s;
}

/* Can it be seen who uses the role?  No rotation depends on it. */
static void check_adoption(struct check *k, const struct runner_job *j)
{
	const struct config *c = open_config(k->cli->opened);
	const struct config_group *role =
		config_find(c, CONFIG_SECTION_role, j->role);
	bool expected = role && config_is_set(role, CONFIG_role_consumers);
	struct reason why;
	enum status s;

	if (!role || !adoption_wanted(config_find(c, CONFIG_SECTION_cluster,
						  j->cluster->name))) {
		if (expected)
			say(k, NOTE, "adoption",
			    "sessions are not looked at here (sample, "
			    "wake_timeout, admin = self): of its consumers only "
			    "those are seen whom keyturn adoption --agent tells "
			    "of");
		return;
	}
	s = sees_all(j, &why);
	if (s == STATUS_REFUSED)
		say(k, expected ? WARN : NOTE, "adoption", "%s", why.text);
	else if (s == STATUS_OK && expected)
		say(k, OK, "adoption",
		    "sessions of its consumers are seen, but for those that "
		    "are shorter than keyturnd's poll");
}

/* Whom no one has seen yet may not exist, and is waited for in vain. */
static void check_unseen(struct check *k, const struct config_group *role)
{
	struct ledger *l = k->cli->ledger;
	struct report_adoption *a = NULL;
	struct text t = text_make(4096);
	struct reason why;
	enum status s = STATUS_NO_MEMORY;

	if (report_adoption_new(k->role, "",
				config_string(role, CONFIG_role_consumers),
				&a) == STATUS_OK)
		s = l->ops->adoption->each(l, k->role, report_adoption_add, a,
					   &why);
	if (s == STATUS_OK)
		report_adoption_unseen(a, &t);
	if (t.len > 0)
		say(k, WARN, "retire",
		    "never seen yet, and until then retire = auto ends no old "
		    "password:%s; see keyturn adoption",
		    text_str(&t));
	report_adoption_free(a);
	text_free(&t);
}

/* Can the old password ever end by itself? */
static void check_retire(struct check *k, const struct runner_job *j)
{
	const struct config *c = open_config(k->cli->opened);
	const struct config_group *role =
		config_find(c, CONFIG_SECTION_role, j->role);
	struct due d = { .retire = SCHEDULE_RETIRE_NOTHING };
	struct reason why;

	if (!j->pair || !role ||
	    strcmp(config_string(role, CONFIG_role_retire), "auto") != 0)
		return;
	if (!adoption_wanted(
		    config_find(c, CONFIG_SECTION_cluster, j->cluster->name))) {
		say(k, WARN, "retire",
		    "retire = auto will never end an old password, and so no "
		    "rotation follows: keyturnd does not look at sessions here "
		    "(sample, wake_timeout)");
		return;
	}
	check_unseen(k, role);
	if (due_look(k->cli->engine, role, now_wall(now_system()), &d, &why) !=
	    STATUS_OK)
		failed(k, "retire", STATUS_ERROR, &why);
	else if (d.retire == SCHEDULE_RETIRE_BLIND)
		say(k, WARN, "retire", "%s", d.retire_why.text);
	else if (d.retire != SCHEDULE_RETIRE_NOTHING)
		say(k, NOTE, "retire", "%s", d.retire_why.text);
}

/* A hand-off that no one can see the end of, or that locks the partner out. */
static void check_handoff(struct check *k, const struct runner_job *j)
{
	const struct config_group *role =
		config_find(k->cli->config, CONFIG_SECTION_role, j->role);

	if (!role ||
	    strcmp(config_string(role, CONFIG_role_handoff), "manual") != 0)
		return;
	if (!j->pair && !j->cluster->gateway)
		say(k, WARN, "handoff",
		    "handoff = manual with one login role: from each rotation "
		    "on its partner is locked out until it has typed the new "
		    "password in; strategy = alternating keeps the old one "
		    "valid");
	if (!config_is_set(role, CONFIG_role_consumers))
		say(k, WARN, "handoff",
		    "handoff = manual without consumers: who the partner is is "
		    "not known, so only keyturn handoff confirm ends a "
		    "hand-off");
}

/* What keyturn calls good beside CURRENT, the gateways' agents must, too; and what
 * it saw become CURRENT is in the store. */
static void check_overlap(struct check *k, const struct runner_job *j,
			  const struct store_state *state)
{
	const struct store_version *previous =
		store_find_label(state, STORE_LABEL_PREVIOUS);
	struct store_entry entry = { .password = NULL };
	struct ledger_role known;
	struct reason why;

	if (k->cli->ledger->ops->roles->get(k->cli->ledger, j->role, &known,
					    NULL) != STATUS_OK)
		return;
	if (known.version[0] && !state->remembered &&
	    !store_find_id(state, known.version)) {
		refuse(k, "drift",
		       "version %s, which was current, is not in the store: it "
		       "was rolled back, and the partner may have a password "
		       "that no gateway takes; keyturn rotate makes a new one, "
		       "which is to be handed out",
		       known.version);
		return;
	}
	if (!previous ||
	    now_wall(now_system()) >= known.rotated_us + j->grace_us)
		return;
	if (j->store->ops->fetch(j->store, j->role, previous->id, &entry,
				 &why) != STATUS_OK)
		return;
	reason_clear(&why);
	if (runner_try(open_engine_env(k->cli->engine), j, entry.username,
		       entry.password, &why) == ENGINE_ON_OK)
		say(k, OK, "grace",
		    "the password before logs in at each gateway, too");
	else
		refuse(k, "grace",
		       "the password before should be good beside the current "
		       "one: %s; is grace in the agent.conf of that gateway as "
		       "long as here?",
		       why.text);
	secret_free(entry.password);
}

/* A gateway has no marker to compare with: the store says what should log in. */
static void check_gateway(struct check *k, const struct runner_job *j,
			  bool stored)
{
	const struct store_version *current;
	struct store_state state;
	size_t fails = k->fails;
	enum status worst = k->worst;
	struct reason why;
	enum status s = j->cluster->ops->preflight(j->cluster, NULL, j->rolname,
						   NULL, finding, k, &why);

	if (s != STATUS_OK && k->fails == fails)
		failed(k, "gateway", s, &why);
	/* One that is away is a finding, and a rotation ends with this. */
	else if (s != STATUS_OK && (worst == STATUS_OK || worst == s))
		k->worst = s;
	if (s != STATUS_OK)
		return;
	say(k, OK, "gateway", "%u of %u reachable, each with TLS",
	    j->cluster->endpoints, j->cluster->endpoints);
	if (!stored)
		return;
	s = j->store->ops->describe(j->store, j->role, &state, &why);
	if (s != STATUS_OK) {
		failed(k, "drift", s, &why);
		return;
	}
	current = store_find_label(&state, STORE_LABEL_CURRENT);
	if (!current)
		say(k, NOTE, "drift", "new to keyturn: nothing to compare");
	check_login(k, j, current ? current->id : NULL, false, true);
	check_overlap(k, j, &state);
	check_handoff(k, j);
}

/* stored: the store can be asked what should be live. */
static void check_cluster(struct check *k, const struct runner_job *j,
			  bool stored)
{
	struct cluster_session *session = NULL;
	size_t fails = k->fails;
	struct reason why;
	enum status s;

	if (j->cluster->gateway) {
		check_gateway(k, j, stored);
		return;
	}
	s = runner_session_open(j, &session, NULL, &why);
	if (s != STATUS_OK) {
		failed(k, "cluster", s, &why);
		return;
	}
	say(k, OK, "cluster", "%s", verified(j->cluster));
	s = j->cluster->ops->preflight(j->cluster, session, j->rolname, j->pair,
				       finding, k, &why);
	check_twin(k, j);
	if (s == STATUS_OK) {
		say(k, OK, "preflight", "the role can be rotated");
		if (stored)
			check_drift(k, j, session);
	} else if (k->fails == fails)
		failed(k, "preflight", s, &why);
	j->cluster->ops->release(j->cluster, session, s == STATUS_OK);
	if (s == STATUS_OK) {
		check_adoption(k, j);
		check_retire(k, j);
		check_handoff(k, j);
	}
}

/* ---- what follows a password ---- */

static void check_step(void *arg, const struct follow_outcome *o)
{
	struct check *k = arg;

	if (!o->behind)
		return;
	say(k, WARN, o->step,
	    "does not have the current password: %s; keyturn recover runs it "
	    "now",
	    o->detail);
}

/* What its program may do is for who answers for this host to see. */
static void check_ready(void *arg, const char *step, enum status s,
			const char *sentence)
{
	struct check *k = arg;

	say(k, s == STATUS_OK ? OK : FAIL, step, "%s%s",
	    s == STATUS_OK ? "" : "cannot be run: ", sentence);
	k->undelivered += s != STATUS_OK;
}

/* What earlier runs and people left. */
static void check_known(struct check *k, const struct config_group *role)
{
	struct ledger_role known;

	if (open_remembered(k->cli->opened, k->cli->ledger, role, &known,
			    NULL) != STATUS_OK)
		return;
	if (known.frozen) {
		say(k, WARN, "frozen", "%s", known.frozen_reason);
		k->frozen++;
	}
	if (known.learnt)
		say(k, WARN, "ledger",
		    "does not know this role, and the store does: unless it "
		    "was frozen, keyturn recover takes it on; until then "
		    "--due and keyturnd leave it alone");
	if (schedule_ahead(known.rotated_us, now_wall(now_system())))
		say(k, WARN, "clock",
		    "the role was last rotated at a time that is to come: a "
		    "clock was or is wrong; it counts as due");
	if (known.undelivered_us)
		say(k, WARN, "sinks",
		    "a sink does not have the current password; keyturn "
		    "recover delivers it again");
	follow_look(k->cli->engine, role, known.version, check_step, k, NULL);
}

static void check_role(struct check *k, const struct config_group *role)
{
	struct open_engine_job j;
	struct reason why;
	enum status s;
	bool stored;

	k->role = config_name(role);
	s = open_engine_job(k->cli->engine, k->role, &j, &why);
	if (s != STATUS_OK)
		failed(k, "configuration", s, &why);
	else {
		say(k, OK, "policy",
		    "passwords of %u characters, %.1f bits of entropy",
		    j.policy.length, policy_bits(&j.policy));
		stored = check_store(k, config_string(role, CONFIG_role_store),
				     j.job.store);
		if (stored)
			check_secret(k, &j.job);
		check_schedule(k, role);
		for (size_t i = 0; i < j.job.n_sinks; i++)
			check_sink(k, &j.job, &j.sinks[i]);
		follow_check(k->cli->engine, role, check_ready, k);
		check_cluster(k, &j.job, stored);
	}
	check_known(k, role);
	open_engine_job_free(&j);
}

/* ---- tokens ---- */

/* A mint is the only proof that minting works; what no one got runs out. */
static void token_finding(void *arg, enum token_severity severity,
			  const char *topic, const char *sentence)
{
	if (severity == TOKEN_FAIL)
		refuse(arg, topic, "%s", sentence);
	else
		say(arg, severity == TOKEN_WARN ? WARN : NOTE, topic, "%s",
		    sentence);
}

/* What the issuer knows of the clusters whose administrator is this token. */
static void check_around(struct check *k, const struct config_group *token,
			 struct token_cache *cache)
{
	const struct config *c = open_config(k->cli->opened);
	char admin[CONFIG_NAME_MAX + 8];

	if (strcmp(config_string(token, CONFIG_token_type), "aws-rds") == 0)
		token_cache_look(cache, "", token_finding, k, NULL);
	snprintf(admin, sizeof(admin), "token:%s", config_name(token));
	for (size_t i = 0; i < config_count(c, CONFIG_SECTION_cluster); i++) {
		const struct config_group *g =
			config_at(c, CONFIG_SECTION_cluster, i);
		struct cluster *cluster = NULL;
		struct reason why = { "" };
		enum status s;

		if (strcmp(config_string(g, CONFIG_cluster_admin), admin) != 0)
			continue;
		s = open_engine_cluster(k->cli->engine, config_name(g),
					&cluster, &why);
		if (s == STATUS_OK)
			s = token_cache_look(cache, cluster->host,
					     token_finding, k, &why);
		/* The database may be in order all the same. */
		if (s != STATUS_OK)
			say(k, WARN, "workspace", "%s", why.text);
	}
}

static void check_token(struct check *k, const struct config_group *g)
{
	struct token t = { .secret = NULL };
	struct token_cache *cache = NULL;
	char topic[64], life[32];
	struct reason why = { "" };
	enum status s;

	snprintf(topic, sizeof(topic), "token %s", config_name(g));
	s = open_token(k->cli->opened, config_name(g), &cache, &why);
	if (s == STATUS_OK)
		s = token_cache_get(
			cache, config_duration_us(g, CONFIG_token_min_life), &t,
			&why);
	if (s != STATUS_OK) {
		failed(k, topic, s, &why);
		return;
	}
	say(k, OK, topic,
	    "minted one for the user %.128s that lives %s; it opens %.200s",
	    t.user, now_age(t.expires_us - now_wall(now_system()), life),
	    t.scope);
	token_free(&t);
	check_around(k, g, cache);
}

static void check_file(void *arg, const struct sink_refresh_outcome *o)
{
	struct reason why = { "" };
	struct check *k = arg;
	char topic[64];

	snprintf(topic, sizeof(topic), "sink %s", o->sink);
	if (o->step) {
		say(k, o->status == STATUS_OK ? OK : FAIL, topic, "%s: %s%s",
		    o->step,
		    o->status == STATUS_OK ? "" : "cannot be run: ", o->detail);
		k->undelivered += o->status != STATUS_OK;
		return;
	}
	text_copy(why.text, sizeof(why.text), o->detail);
	if (o->status == STATUS_OK)
		say(k, OK, topic, "can be delivered to");
	else
		failed(k, topic, o->status, &why);
}

static void check_tokens(struct check *k)
{
	const struct sink_refresh_options o = { .opened = k->cli->opened };
	struct config *c = k->cli->config;
	struct sink_refresh *r = NULL;
	struct reason why = { "" };
	enum status s;

	for (size_t i = 0; i < config_count(c, CONFIG_SECTION_token); i++)
		check_token(k, config_at(c, CONFIG_SECTION_token, i));
	s = sink_refresh_new(&o, &r, &why);
	if (s == STATUS_OK)
		sink_refresh_ready(r, check_file, k);
	else
		failed(k, "sink", s, &why);
	sink_refresh_free(r);
}

enum status cli_check(struct cli *c)
{
	const struct config_group **roles = NULL;
	struct check k = { .cli = c, .role = "", .worst = STATUS_OK };
	size_t n = 0;
	enum status s;

	s = cli_open_ledger(c, OPEN_LEDGER_AGAIN);
	if (s == STATUS_OK)
		s = cli_open_workshop(c);
	if (s == STATUS_OK)
		s = cli_roles(c, &roles, &n);
	if (s != STATUS_OK)
		goto out;
	say(&k, OK, "configuration", "%s", c->o.config);
	check_ledger(&k);
	check_audit(&k);
	if (n == 0)
		say(&k, NOTE, "roles", "no [role] is configured");
	for (size_t i = 0; i < n; i++)
		check_role(&k, roles[i]);
	if (c->n_args == 0)
		check_tokens(&k);
	k.fails -= k.outliving + k.undelivered;
	if (k.fails) {
		s = k.worst == STATUS_OK ? STATUS_REFUSED : k.worst;
		reason_set(&c->why, s, "%zu finding%s a rotation", k.fails,
			   k.fails == 1 ? " stops" : "s stop");
	} else if (k.frozen)
		s = reason_set(&c->why, STATUS_FROZEN,
			       "%zu frozen role%s not rotated", k.frozen,
			       k.frozen == 1 ? " is" : "s are");
	else if (k.outliving)
		s = reason_set(
			&c->why, STATUS_REFUSED,
			"the passwords of %zu role%s may live longer than "
			"max_life",
			k.outliving, k.outliving == 1 ? "" : "s");
	else if (k.undelivered)
		s = reason_set(&c->why, STATUS_UNDELIVERED,
			       "%zu step%s after a rotation cannot be done",
			       k.undelivered, k.undelivered == 1 ? "" : "s");
	if (fflush(stdout) != 0)
		s = reason_set(&c->why, STATUS_ERROR,
			       "cannot write to standard output");
out:
	free(k.logins);
	free(roles);
	return s;
}
