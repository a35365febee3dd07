/* SPDX-License-Identifier: PostgreSQL */
/*
 * Writes what libpq reads as a pgpass file.  Runs in a child of a process that
 * may have threads, and those small stacks: must never allocate, nor write half
 * a line.
 */
#include "pam/pam_passfile.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/lookup.h"
#include "pam/pam_agent.h"

#define ROLE_SIZE  PAM_PASSFILE_ROLE
#define VALUE_SIZE 256

/* Why a role is not in the file, the worst last. */
enum bad {
	BAD_NONE,
	BAD_NOT_FOR_USER, /* no fault of the agent's */
	BAD_ANSWER,
	BAD_LINE /* a role that the file cannot hold */
};

struct writer {
	const struct pam_passfile_work *work;
	struct timespec begun;
	struct pam_child_report *report;
	unsigned n_later; /* roles that the agent has not at hand */
	enum bad bad;	  /* the first of the worst */
	int bad_code;	  /* PAM_* of a session without a role */
	struct reason bad_why;
	struct pam_answer answer; /* of the last one that is for later */
	struct reason answer_why;
};

/* ---- A line -------------------------------------------------------------- */

/* One value with libpq's two escapes (consumers.md section 3.1). */
static void put_field(struct pam_passfile_memory *m, const char *value,
		      size_t n, char after)
{
	for (size_t i = 0; i < n && m->len + 3 < sizeof(m->text); i++) {
		if (value[i] == ':' || value[i] == '\\')
			m->text[m->len++] = '\\';
		m->text[m->len++] = value[i];
	}
	if (m->len < sizeof(m->text))
		m->text[m->len++] = after;
}

static bool is_any(const char *value)
{
	return strcmp(value, "*") == 0;
}

struct login {
	char hosts[VALUE_SIZE], port[8], dbname[64], user[VALUE_SIZE];
	const char *password;
	size_t n;
};

/* The next host of a list that is not empty, NULL behind the last. */
static char *next_host(char **list)
{
	char *host;

	do
		host = strsep(list, ",");
	while (host != NULL && host[0] == '\0');
	return host;
}

static bool hosts_fit(const struct login *g)
{
	char hosts[VALUE_SIZE], *list = hosts, *host;
	bool some = false;

	memcpy(hosts, g->hosts, sizeof(hosts));
	while ((host = next_host(&list)) != NULL) {
		if (is_any(host) || host[0] == '#' || host[0] == ' ')
			return false;
		some = true;
	}
	/* A line for any host would give the password to any server. */
	return some;
}

/* False for what a pgpass file would say differently. */
static bool read_login(const struct wire_message *m, struct login *ret)
{
	*ret = (struct login){ .n = 0 };
	wire_text(m, WIRE_TAG_HOST, ret->hosts, sizeof(ret->hosts));
	if (!wire_text(m, WIRE_TAG_PORT, ret->port, sizeof(ret->port)))
		snprintf(ret->port, sizeof(ret->port), "5432");
	wire_text(m, WIRE_TAG_DBNAME, ret->dbname, sizeof(ret->dbname));
	if (is_any(ret->dbname))
		return false;
	if (ret->dbname[0] == '\0')
		snprintf(ret->dbname, sizeof(ret->dbname), "*");
	ret->password = wire_find(m, WIRE_TAG_PASSWORD, &ret->n);
	return wire_text(m, WIRE_TAG_USER, ret->user, sizeof(ret->user)) &&
	       !is_any(ret->user) && ret->password && ret->n > 0 &&
	       ret->password[ret->n - 1] != ' ' && hosts_fit(ret);
}

static void put_line(struct pam_passfile_memory *m, const struct login *g,
		     struct lookup_part host)
{
	put_field(m, host.s, host.n, ':');
	put_field(m, g->port, strlen(g->port), ':');
	put_field(m, g->dbname, strlen(g->dbname), ':');
	put_field(m, g->user, strlen(g->user), ':');
	put_field(m, g->password, g->n, '\n');
}

/* An empty host of a list gets no line, since it may be any.  False, and nothing
 * is written, when the line does not fit. */
static bool put_login(struct pam_passfile_memory *m, struct login *g)
{
	char *list = g->hosts, *host;
	struct lookup_part name;
	size_t before = m->len;

	while ((host = next_host(&list)) != NULL)
		for (size_t i = 0; lookup_name(host, i, &name); i++)
			put_line(m, g, name);
	/* The last bytes are kept free, so that a cut can be seen. */
	if (m->len + 4 < sizeof(m->text))
		return true;
	explicit_bzero(&m->text[before], m->len - before);
	m->len = before;
	return false;
}

/* ---- Roles --------------------------------------------------------------- */

static struct pam_answer ask_agent(struct writer *w, struct wire_out *out,
				   void *reply, size_t size,
				   struct wire_message *m, struct reason *why)
{
	const struct pam_options *o = w->work->o;

	return pam_agent_ask(o, out, pam_agent_left(&w->begun, o->timeout_ms),
			     reply, size, m, why);
}

static void note_bad(struct writer *w, enum bad bad, int code,
		     const struct reason *why)
{
	if (bad <= w->bad)
		return;
	w->bad = bad;
	w->bad_code = code == PAM_SUCCESS ? PAM_SESSION_ERR : code;
	w->bad_why = *why;
}

static void note_answer(struct writer *w, const struct pam_answer *a,
			const struct reason *why)
{
	bool not_for_user = a->status == STATUS_OK &&
			    (a->result == WIRE_RESULT_DENIED ||
			     a->result == WIRE_RESULT_NOT_FOUND);

	note_bad(w, not_for_user ? BAD_NOT_FOR_USER : BAD_ANSWER,
		 pam_agent_code(w->work->o, a), why);
}

/* Ask for it; at most wait_ms for what the agent has to get first.  False: it
 * has not got it now. */
static bool add_role(struct writer *w, const char *role, unsigned wait_ms)
{
	struct pam_passfile_memory *mem = w->work->m;
	struct wire_message m = { 0 };
	struct pam_answer a;
	struct reason why;
	struct wire_out out;
	struct login login;
	bool fine;

	wire_begin(&out, mem->request, sizeof(mem->request), WIRE_GET);
	wire_put_text(&out, WIRE_TAG_ROLE, role);
	wire_put_number(&out, WIRE_TAG_WAIT_MS, wait_ms);
	a = ask_agent(w, &out, mem->reply, sizeof(mem->reply), &m, &why);
	if (a.status == STATUS_OK && (a.result == WIRE_RESULT_UNAVAILABLE ||
				      a.result == WIRE_RESULT_TIMEOUT)) {
		w->answer = a;
		w->answer_why = why;
		return false;
	}
	if (a.status != STATUS_OK || a.result != WIRE_RESULT_OK) {
		note_answer(w, &a, &why);
		return true;
	}
	fine = read_login(&m, &login) && put_login(mem, &login);
	explicit_bzero(mem->reply, sizeof(mem->reply));
	explicit_bzero(&login, sizeof(login));
	if (fine) {
		w->report->done++;
		return true;
	}
	reason_set(&why, STATUS_REFUSED,
		   "role %s has no host, or a value that a pgpass file cannot "
		   "hold",
		   role);
	note_bad(w, BAD_LINE, PAM_SESSION_ERR, &why);
	return true;
}

/* One reply of LIST; `after` becomes its last role, or "" when it was the
 * last reply. */
static void add_roles(struct writer *w, char after[ROLE_SIZE])
{
	struct pam_passfile_memory *mem = w->work->m;
	const char *realm = w->work->o->realm;
	struct wire_message m = { 0 }, entry;
	struct pam_answer a;
	struct reason why;
	struct wire_out out;
	char role[ROLE_SIZE], of[41];
	size_t at = 0;

	wire_begin(&out, mem->request, sizeof(mem->request), WIRE_LIST);
	wire_put_text(&out, WIRE_TAG_AFTER, after);
	a = ask_agent(w, &out, mem->list, sizeof(mem->list), &m, &why);
	after[0] = '\0';
	if (a.status != STATUS_OK || a.result != WIRE_RESULT_OK) {
		note_answer(w, &a, &why);
		return;
	}
	while (wire_entry(&m, &at, &entry)) {
		if (!wire_text(&entry, WIRE_TAG_ROLE, role, sizeof(role)))
			continue;
		if (wire_number(&m, WIRE_TAG_MORE, 0) == 1)
			memcpy(after, role, sizeof(role));
		wire_text(&entry, WIRE_TAG_REALM, of, sizeof(of));
		if (realm != NULL && strcmp(realm, of) != 0)
			continue;
		if (w->report->done + w->n_later == PAM_PASSFILE_ROLES) {
			reason_set(&why, STATUS_REFUSED,
				   "the user may list more than %d roles",
				   PAM_PASSFILE_ROLES);
			note_bad(w, BAD_ANSWER, PAM_SESSION_ERR, &why);
			after[0] = '\0';
			break;
		}
		if (!add_role(w, role, 0))
			memcpy(mem->later[w->n_later++], role, sizeof(role));
	}
}

/* A store that does not answer takes its share, and no other role's. */
static void add_later(struct writer *w)
{
	for (unsigned i = 0; i < w->n_later; i++) {
		unsigned left =
			pam_agent_left(&w->begun, w->work->o->timeout_ms);

		if (!add_role(w, w->work->m->later[i], left / (w->n_later - i)))
			note_answer(w, &w->answer, &w->answer_why);
	}
}

static int no_role(struct writer *w)
{
	const struct pam_options *o = w->work->o;
	const struct pam_answer none = { .status = STATUS_OK,
					 .result = WIRE_RESULT_NOT_FOUND };

	if (w->bad > BAD_NOT_FOR_USER) {
		w->report->why = w->bad_why;
		return w->bad_code;
	}
	reason_set(&w->report->why, STATUS_NOT_FOUND,
		   "the user may read no role");
	return pam_agent_code(o, &none);
}

void pam_passfile_write(void *arg, struct pam_child_report *report)
{
	struct writer w = { .work = arg, .report = report };
	char after[ROLE_SIZE] = "";

	clock_gettime(CLOCK_MONOTONIC, &w.begun);
	do
		add_roles(&w, after);
	while (after[0] != '\0');
	add_later(&w);
	report->code = report->done > 0 ? PAM_SUCCESS : no_role(&w);
	if (report->done > 0 && w.bad > BAD_NOT_FOR_USER)
		report->why = w.bad_why;
}
