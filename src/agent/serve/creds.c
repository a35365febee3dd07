/* SPDX-License-Identifier: PostgreSQL */
/*
 * systemd's LoadCredential= (facts: consumers.md section 4.1).  The manager
 * binds its end to "\0HEX/unit/UNIT/ID", connects, and reads to the end; there
 * is no way to refuse but to send nothing.  The name is the peer's own word,
 * which counts because the peer is root; must never be read from another.
 *
 * ID is ROLE.password, ROLE.pgpass or ROLE.json; ROLE alone is the password,
 * as people expect of LoadCredential=ROLE:...
 */
#include "agent/serve/creds.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/log.h"
#include "base/text.h"
#include "format/format.h"

/* A unit may wait while it starts; then it starts without. */
#define WAIT_US (20 * NOW_SECOND)

#define NO_COPY "the agent has no usable copy of this secret right now"

char *agent_serve_creds_name(int fd)
{
	struct sockaddr_un at = { .sun_family = AF_UNSPEC };
	socklen_t n = sizeof(at);
	size_t len;

	if (getpeername(fd, (struct sockaddr *)&at, &n) != 0 ||
	    at.sun_family != AF_UNIX ||
	    n <= offsetof(struct sockaddr_un, sun_path) + 1 || n > sizeof(at) ||
	    at.sun_path[0] != '\0')
		return NULL;
	len = n - offsetof(struct sockaddr_un, sun_path) - 1;
	if (memchr(at.sun_path + 1, '\0', len) ||
	    text_has_control(at.sun_path + 1, len) ||
	    !text_is_utf8(at.sun_path + 1, len))
		return NULL;
	return strndup(at.sun_path + 1, len);
}

static bool read_kind(const char *suffix, enum format_kind *ret)
{
	static const struct {
		const char *suffix;
		enum format_kind kind;
	} kinds[] = { { ".password", FORMAT_RAW },
		      { ".pgpass", FORMAT_PGPASS },
		      { ".json", FORMAT_JSON } };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (strcmp(suffix, kinds[i].suffix) != 0)
			continue;
		*ret = kinds[i].kind;
		return true;
	}
	return false;
}

/* "adf9d86b6eda275e/unit/app.service/sap.password" */
bool agent_serve_creds_read(const char *name,
			    struct agent_serve_creds_wanted *w)
{
	size_t digits = strspn(name, "0123456789abcdef");
	const char *unit, *id;
	size_t n;

	if (strlen(name) >= AGENT_SERVE_CREDS_NAME_SIZE || digits < 1 ||
	    digits > 16 || strncmp(name + digits, "/unit/", 6) != 0)
		return false;
	unit = name + digits + 6;
	id = strchr(unit, '/');
	if (!id || id == unit || strchr(id + 1, '/'))
		return false;
	n = strlen(id + 1);
	if (n == 0)
		return false;
	memcpy(w->unit, unit, (size_t)(id - unit));
	w->unit[id - unit] = '\0';
	memcpy(w->id, id + 1, n + 1);
	return true;
}

/* Whose secret, and in which form.  A role may have a dot in its own name. */
static struct agent_role *find_role(struct agent *a,
				    struct agent_serve_creds_wanted *w,
				    enum format_kind *ret_kind,
				    const char **ret_why)
{
	char *dot = strrchr(w->id, '.');
	struct agent_role *role = NULL;

	*ret_why = "there is no such role";
	if (dot && dot != w->id) {
		bool known = read_kind(dot, ret_kind);

		*dot = '\0';
		role = agent_access_groups_find(a->groups, w->id);
		*dot = '.';
		if (role && !known)
			*ret_why = "it ends in no form that there is; write "
				   "the role alone or with .password, .pgpass "
				   "or .json";
		if (role && known)
			return role;
	}
	*ret_kind = FORMAT_RAW;
	return agent_access_groups_find(a->groups, w->id);
}

static enum agent_outcome render_credential(struct agent *a,
					    const struct agent_role *role,
					    enum format_kind kind,
					    size_t *ret_len)
{
	const struct agent_secret *s = role->secret;
	const struct agent_access_groups_place to =
		agent_access_groups_place(role);
	const struct format_credential credential = {
		.host = to.host,
		.port = to.port,
		.dbname = to.dbname,
		.username = s->current.username[0] ? s->current.username :
						     role->rolname,
		.version = s->current.id,
		.sslmode = role->sslmode,
		.password = s->password,
	};
	struct secret *bytes = NULL;
	struct reason why = { "" };

	if (format_render(kind, &credential, &bytes, &why) != STATUS_OK ||
	    secret_len(bytes) > secret_cap(a->outbox)) {
		log_line(LOG_LEVEL_ERROR, "credential of role %s: %s",
			 role->name, why.text);
		secret_free(bytes);
		return AGENT_CLOSE;
	}
	*ret_len = secret_len(bytes);
	memcpy(secret_buffer(a->outbox), secret_bytes(bytes), *ret_len);
	secret_free(bytes);
	return AGENT_REPLY_AND_CLOSE;
}

static enum agent_outcome refuse_unit(const struct agent_serve_client *c,
				      const char *why)
{
	log_line(LOG_LEVEL_WARN, "no credential for %s: %s",
		 c->credential ? c->credential : "a peer without a name", why);
	return AGENT_CLOSE;
}

enum agent_outcome agent_serve_creds(struct agent *a,
				     struct agent_serve_client *c,
				     size_t *ret_len)
{
	struct agent_call k = { .a = a, .c = c, .now_us = now_boot(a->now) };
	struct agent_secret *s;
	enum agent_outcome outcome;
	enum format_kind kind;
	char unit[160];
	struct agent_serve_creds_wanted w;
	const char *why;
	int64_t stale;

	if (c->peer.uid != 0 || !c->credential ||
	    !agent_serve_creds_read(c->credential, &w))
		return refuse_unit(c, "that is not how systemd asks");
	k.role = find_role(a, &w, &kind, &why);
	if (!k.role)
		return refuse_unit(c, why);
	s = k.role->secret;
	if (!s || !agent_access_groups_unit(k.role, w.unit))
		return refuse_unit(c, "the unit is not among the role's units");
	switch (agent_cache_look(a->cache, s, &stale)) {
	case AGENT_CACHE_COMING:
	case AGENT_CACHE_NOTHING:
		if (!agent_serve_call_wait(&k, WAIT_US))
			return refuse_unit(c, NO_COPY);
		if (!c->asked)
			agent_cache_press(a->cache, s, AGENT_CACHE_PRESS_US);
		else
			agent_cache_soon(a->cache, s, WAIT_US / 4);
		c->asked = true;
		return AGENT_PARK;
	case AGENT_CACHE_FRESH:
	case AGENT_CACHE_STALE:
		break;
	}
	if (!s->password) {
		if (!s->failed && agent_serve_call_wait(&k, WAIT_US))
			return AGENT_PARK; /* the role's first units */
		return refuse_unit(c, NO_COPY);
	}
	text_escape(unit, sizeof(unit), w.unit, strlen(w.unit));
	outcome = agent_serve_call_record_handout(&k, "CREDENTIAL", stale > 0,
						  unit);
	if (outcome == AGENT_CLOSE)
		return refuse_unit(c, "the hand-out cannot be recorded");
	return outcome == AGENT_PARK ?
		       outcome :
		       render_credential(a, k.role, kind, ret_len);
}
