/* SPDX-License-Identifier: PostgreSQL */
#include "pam_rig.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NEED(x)                                              \
	do {                                                 \
		if (!(x)) {                                  \
			fprintf(stderr, "failed: %s\n", #x); \
			abort();                             \
		}                                            \
	} while (0)

/* ---- The log, in the C library's place ------------------------------------ */

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static char log_text[65536];
static size_t log_len;

/* Without <syslog.h>, which may make macros of these names. */
void vsyslog(int priority, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));
void syslog(int priority, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void __vsyslog_chk(int priority, int flag, const char *fmt, va_list ap)
	__attribute__((format(printf, 3, 0)));
void __syslog_chk(int priority, int flag, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

void vsyslog(int priority, const char *fmt, va_list ap)
{
	int n;

	(void)priority;
	pthread_mutex_lock(&log_lock);
	n = vsnprintf(log_text + log_len, sizeof(log_text) - log_len, fmt, ap);
	if (n > 0 && log_len + (size_t)n + 2 < sizeof(log_text)) {
		log_len += (size_t)n;
		log_text[log_len++] = '\n';
		log_text[log_len] = '\0';
	}
	pthread_mutex_unlock(&log_lock);
}

void syslog(int priority, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsyslog(priority, fmt, ap);
	va_end(ap);
}

void __vsyslog_chk(int priority, int flag, const char *fmt, va_list ap)
{
	(void)flag;
	vsyslog(priority, fmt, ap);
}

void __syslog_chk(int priority, int flag, const char *fmt, ...)
{
	va_list ap;

	(void)flag;
	va_start(ap, fmt);
	vsyslog(priority, fmt, ap);
	va_end(ap);
}

const char *pam_rig_log(void)
{
	return log_text;
}

void pam_rig_log_clear(void)
{
	log_len = 0;
	log_text[0] = '\0';
}

/* libpam tells the kernel's audit of each login, and libaudit reads files of
 * /proc for that: here there is no audit, as in a kernel without it. */
int audit_open(void);

int audit_open(void)
{
	errno = EPROTONOSUPPORT;
	return -1;
}

/* ---- The agent ------------------------------------------------------------- */

static int64_t result_for(const struct pam_rig *r, const char *user,
			  const char *password)
{
	static const struct {
		const char *user;
		int64_t result;
	} special[] = { { "denied", WIRE_RESULT_DENIED },
			{ "limited", WIRE_RESULT_LIMITED },
			{ "ambiguous", WIRE_RESULT_AMBIGUOUS },
			{ "away", WIRE_RESULT_UNAVAILABLE },
			{ "late", WIRE_RESULT_TIMEOUT },
			{ "malformed", WIRE_RESULT_BAD_REQUEST } };

	for (size_t i = 0; i < sizeof(special) / sizeof(*special); i++)
		if (strcmp(special[i].user, user) == 0)
			return special[i].result;
	if (strcmp(user, "sap") != 0)
		return WIRE_RESULT_NOT_FOUND;
	if (r->seen.operation != WIRE_VERIFY)
		return WIRE_RESULT_OK;
	if (strcmp(password, PAM_RIG_CURRENT) == 0)
		return WIRE_RESULT_OK;
	if (strcmp(password, PAM_RIG_PREVIOUS) == 0)
		return WIRE_RESULT_OK_PREVIOUS;
	return WIRE_RESULT_MISMATCH;
}

static size_t answer(void *arg, const unsigned char *request, size_t n,
		     unsigned char *reply, size_t size)
{
	char password[WIRE_SECRET_MAX + 1];
	struct pam_rig *r = arg;
	struct pam_rig_seen seen = { 0 };
	struct wire_message m;
	struct wire_out out;
	int64_t result;
	size_t len = 0;

	NEED(wire_parse(request, n, false, &m, NULL) == STATUS_OK);
	seen.operation = m.operation;
	wire_text(&m, WIRE_TAG_USER, seen.user, sizeof(seen.user));
	wire_text(&m, WIRE_TAG_REALM, seen.realm, sizeof(seen.realm));
	wire_text(&m, WIRE_TAG_RHOST, seen.rhost, sizeof(seen.rhost));
	wire_text(&m, WIRE_TAG_SERVICE, seen.service, sizeof(seen.service));
	seen.no_grace = wire_number(&m, WIRE_TAG_NO_GRACE, 0);
	wire_find(&m, WIRE_TAG_PASSWORD, &seen.password_len);
	wire_text(&m, WIRE_TAG_PASSWORD, password, sizeof(password));
	r->seen = seen;
	if (m.operation == WIRE_ROTATE)
		r->seen_rotate++;
	result = m.operation == WIRE_VERSION ?
			 WIRE_RESULT_OK :
			 result_for(r, seen.user, password);
	wire_begin(&out, reply, size, m.operation | WIRE_REPLY);
	wire_put_number(&out, WIRE_TAG_RESULT, result);
	if (result == WIRE_RESULT_OK_PREVIOUS && r->grace_until != 0)
		wire_put_number(&out, WIRE_TAG_GRACE_UNTIL, r->grace_until);
	NEED(wire_end(&out, &len) == STATUS_OK);
	return len;
}

void pam_rig_agent(struct pam_rig *r, const struct fake_agent_options *o)
{
	fake_agent_stop(r->agent);
	r->agent = o ? fake_agent_start(o) : NULL;
}

struct pam_rig *pam_rig_start(void)
{
	struct pam_rig *r = calloc(1, sizeof(*r));
	const struct fake_agent_options o = { .act = FAKE_AGENT_ANSWER,
					      .answer = answer,
					      .arg = r,
					      .for_all = true };

	NEED(r);
	snprintf(r->folder, sizeof(r->folder), "/tmp/pam_rig.XXXXXX");
	NEED(mkdtemp(r->folder));
	r->grace_until = (int64_t)(time(NULL) + 3600) * 1000000;
	r->agent = fake_agent_start(&o);
	pam_rig_alone(r, "");
	pam_rig_service(r, "other",
			"auth required pam_deny.so\n"
			"account required pam_deny.so\n"
			"password required pam_deny.so\n"
			"session required pam_deny.so\n");
	pam_rig_log_clear();
	return r;
}

void pam_rig_stop(struct pam_rig *r)
{
	struct dirent *e;
	char path[400];
	DIR *dir;

	fake_agent_stop(r->agent);
	dir = opendir(r->folder);
	while (dir != NULL && (e = readdir(dir)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", r->folder, e->d_name);
		unlink(path);
	}
	if (dir != NULL)
		closedir(dir);
	rmdir(r->folder);
	free(r);
}

/* ---- Services and handles -------------------------------------------------- */

void pam_rig_service(const struct pam_rig *r, const char *name,
		     const char *lines)
{
	char path[200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", r->folder, name);
	f = fopen(path, "w");
	NEED(f);
	for (; *lines != '\0'; lines++) {
		if (lines[0] == '%' && lines[1] == 'M') {
			fputs(MODULE, f);
			lines++;
		} else if (lines[0] == '%' && lines[1] == 'S') {
			fprintf(f, "socket=%s",
				r->agent ? fake_agent_path(r->agent) :
					   "/tmp/pam_rig-not-there/agent.sock");
			lines++;
		} else {
			fputc(*lines, f);
		}
	}
	fputc('\n', f);
	fclose(f);
}

void pam_rig_alone(const struct pam_rig *r, const char *options)
{
	char lines[4096];

	snprintf(lines, sizeof(lines),
		 "auth required %%M %%S %s\naccount required %%M %%S %s\n"
		 "password required %%M %%S %s\nsession required %%M %%S %s\n",
		 options, options, options, options);
	pam_rig_service(r, "alone", lines);
}

static int converse(int n, const struct pam_message **m,
		    struct pam_response **ret, void *arg)
{
	struct pam_response *replies = calloc((size_t)n, sizeof(*replies));
	struct pam_rig_talk *t = arg;

	NEED(replies);
	for (int i = 0; i < n; i++) {
		if (m[i]->msg_style == PAM_PROMPT_ECHO_OFF) {
			t->prompts++;
			if (t->password)
				replies[i].resp = strdup(t->password);
		} else {
			t->others++;
			snprintf(t->text, sizeof(t->text), "%s", m[i]->msg);
		}
	}
	if (t->rc != PAM_SUCCESS) {
		for (int i = 0; i < n; i++)
			free(replies[i].resp);
		free(replies);
		return t->rc;
	}
	*ret = replies;
	return PAM_SUCCESS;
}

pam_handle_t *pam_rig_handle(const struct pam_rig *r, const char *service,
			     const char *user, struct pam_rig_talk *talk)
{
	const struct pam_conv conv = { converse, talk };
	pam_handle_t *h = NULL;

	NEED(pam_start_confdir(service, user, &conv, r->folder, &h) ==
	     PAM_SUCCESS);
	return h;
}

int pam_rig_auth(const struct pam_rig *r, const char *user,
		 const char *password)
{
	struct pam_rig_talk talk = { .password = password };
	pam_handle_t *h = pam_rig_handle(r, "alone", user, &talk);
	int rc = pam_authenticate(h, 0);

	pam_end(h, rc);
	return rc;
}
