/* SPDX-License-Identifier: PostgreSQL */
/*
 * Who we are for a Databricks workspace: settings before DATABRICKS_*
 * variables before a profile, as in its own clients (sdk-go config/config.go).
 * Must never choose between two ways that are both configured.
 */
#include "token/databricks/common.h"

#include <stdio.h>
#include <string.h>

#include "base/secret_source.h"
#include "base/text.h"
#include "token/databricks/profile.h"
#include "token/token_environment.h"

#define HOST_MAX 250

static const char *const auth_names[TOKEN_DATABRICKS_AUTHS] = {
	[TOKEN_DATABRICKS_M2M] = "oauth-m2m",
	[TOKEN_DATABRICKS_PAT] = "pat",
	[TOKEN_DATABRICKS_FILE_OIDC] = "file-oidc",
	[TOKEN_DATABRICKS_ENV_OIDC] = "env-oidc",
	[TOKEN_DATABRICKS_GITHUB_OIDC] = "github-oidc",
};

/* What is being merged. */
struct merge {
	const struct token_databricks_options *o;
	struct token_databricks_login *l;
	struct secret *file; /* NULL: no profile is read */
	struct reason *why;
};

static enum status refuse_settings(const struct merge *m, const char *sentence)
{
	return reason_set(m->why, STATUS_CONFIG, "[token %s]: %s", m->o->name,
			  sentence);
}

/* One attribute: the setting, the variable, the profile's key. */
static enum status merge_text(const struct merge *m, const char *setting,
			      const char *variable, const char *key, char *dst,
			      size_t size)
{
	const char *value = setting;

	if (!value || !*value)
		value = token_environment_get(variable);
	if (value && text_copy(dst, size, value) != STATUS_OK)
		return reason_set(m->why, STATUS_CONFIG,
				  "[token %s]: %s is too long", m->o->name,
				  variable);
	if (!value && m->file)
		token_databricks_profile_text(m->file, m->l->profile, key, dst,
					      size);
	return STATUS_OK;
}

/* A secret attribute is only looked for; it is read when it is needed. */
static bool merge_secret(const struct merge *m, const char *setting,
			 const char *variable, const char *key,
			 struct token_databricks_origin *ret)
{
	struct secret *found = NULL;

	ret->variable = variable;
	if (setting && *setting)
		return text_copy(ret->from, sizeof(ret->from), setting) ==
		       STATUS_OK;
	if (token_environment_get(variable)) {
		text_copy(ret->from, sizeof(ret->from), "environment");
		return true;
	}
	if (!m->file ||
	    token_databricks_profile_secret(m->file, m->l->profile, key,
					    &found) != STATUS_OK)
		return false;
	secret_free(found);
	ret->profile = true;
	return true;
}

enum status token_databricks_settings_secret(
	const struct token_databricks_login *l,
	const struct token_databricks_origin *from, const char *key,
	bool is_private, struct secret **ret, struct reason *why)
{
	struct secret *file = NULL;
	enum status s;

	if (!from->profile)
		return secret_source_read(from->from, from->variable,
					  is_private, ret, why);
	s = token_databricks_profile_read(&file, why);
	if (s == STATUS_OK)
		s = token_databricks_profile_secret(file, l->profile, key, ret);
	if (s == STATUS_NOT_FOUND)
		s = reason_set(why, STATUS_CONFIG,
			       "the profile %s has no %s any more", l->profile,
			       key);
	secret_free(file);
	return s;
}

/* ---- the profile ---------------------------------------------------------- */

/* As in the vendor's clients: a file is read when a profile is named, or when
 * nothing else says where or who. */
static bool wants_profile(const struct token_databricks_options *o)
{
	static const char *const variables[] = { "DATABRICKS_HOST",
						 "DATABRICKS_TOKEN",
						 "DATABRICKS_CLIENT_ID" };

	if (*o->profile || token_environment_get("DATABRICKS_CONFIG_PROFILE"))
		return true;
	if (*o->workspace || *o->client_id || *o->token_from)
		return false;
	for (size_t i = 0; i < 3; i++)
		if (token_environment_get(variables[i]))
			return false;
	return true;
}

static enum status open_profile(struct merge *m)
{
	const char *named = m->o->profile;
	char *to = m->l->profile;
	enum status s;

	if (!wants_profile(m->o))
		return STATUS_OK;
	if (!*named)
		named = token_environment_get("DATABRICKS_CONFIG_PROFILE");
	s = token_databricks_profile_read(&m->file, m->why);
	if (s == STATUS_NOT_FOUND && !named)
		return STATUS_OK;
	if (s != STATUS_OK)
		return reason_wrap(m->why, STATUS_CONFIG, "[token %s]",
				   m->o->name);
	if (!named)
		token_databricks_profile_default(m->file, to,
						 sizeof(m->l->profile));
	else if (text_copy(to, sizeof(m->l->profile), named) != STATUS_OK)
		return refuse_settings(m,
				       "the name of the profile is too long");
	if (token_databricks_profile_has(m->file, to))
		return STATUS_OK;
	if (named)
		return reason_set(m->why, STATUS_CONFIG,
				  "[token %s]: there is no profile %s in "
				  "~/.databrickscfg",
				  m->o->name, to);
	secret_free(m->file);
	m->file = NULL;
	return STATUS_OK;
}

/* ---- the host -------------------------------------------------------------- */

static bool is_account(const char *host)
{
	return strncmp(host, "accounts.", 9) == 0 ||
	       strncmp(host, "accounts-dod.", 13) == 0;
}

/* "?o=123", "?w=123" or "?workspace_id=123" of a browser's address, or of one
 * that the SDKs take, is the workspace's id. */
static void lift_id(const struct merge *m, const char *path)
{
	static const char *const names[] = { "o=", "w=", "workspace_id=" };
	const char *query = strchr(path, '?'), *id;
	size_t n;

	for (; query && m->l->workspace_id[0] == '\0';
	     query = strchr(query + 1, '&'))
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			n = strlen(names[i]);
			if (strncmp(query + 1, names[i], n) != 0)
				continue;
			id = query + 1 + n;
			n = strspn(id, "0123456789");
			if (n > 0 && n < sizeof(m->l->workspace_id)) {
				memcpy(m->l->workspace_id, id, n);
				m->l->workspace_id[n] = '\0';
			}
		}
}

static enum status merge_host(struct merge *m)
{
	char given[TOKEN_WEB_URL_SIZE] = "", address[TOKEN_WEB_URL_SIZE + 16];
	struct http_url u;
	enum status s;
	bool v6, usual;

	s = merge_text(m, m->o->workspace, "DATABRICKS_HOST", "host", given,
		       sizeof(given));
	if (s != STATUS_OK)
		return s;
	if (!given[0])
		return refuse_settings(
			m, "where is the workspace? Set workspace, or "
			   "DATABRICKS_HOST, or a profile");
	snprintf(address, sizeof(address), "%s%s",
		 strstr(given, "://") ? "" : "https://", given);
	s = http_url_parse(address, &u, m->why);
	if (s == STATUS_OK && strlen(u.host) > HOST_MAX)
		s = reason_set(m->why, STATUS_CONFIG, "the name is too long");
	if (s != STATUS_OK)
		return reason_wrap(m->why, s, "[token %s]: workspace",
				   m->o->name);
	if (is_account(u.host))
		return refuse_settings(
			m, "that is the account's address; a token of "
			   "the account does not serve a workspace: give "
			   "the workspace's own");
	if (!u.tls && !http_url_is_loopback(&u))
		return refuse_settings(m,
				       "the address of a workspace begins with "
				       "https://");
	lift_id(m, u.path);
	v6 = strchr(u.host, ':') != NULL;
	usual = u.port == (u.tls ? 443U : 80U);
	snprintf(m->l->host, sizeof(m->l->host), "%s://%s%s%s",
		 u.tls ? "https" : "http", v6 ? "[" : "", u.host,
		 v6 ? "]" : "");
	if (!usual)
		snprintf(m->l->host + strlen(m->l->host),
			 sizeof(m->l->host) - strlen(m->l->host), ":%u",
			 u.port);
	return STATUS_OK;
}

/* ---- the method ------------------------------------------------------------ */

/* What the vendor's clients would take as configured; those that are not ours
 * count, because they make the others ambiguous. */
struct found {
	bool secret; /* a client secret */
	bool token;  /* a PAT */
	bool file, variable, github, basic, azure, cli;
};

static enum status find_ways(struct merge *m, struct found *f)
{
	char word[TOKEN_DATABRICKS_WORD_SIZE] = "";
	enum status s;

	s = merge_text(m, m->o->client_id, "DATABRICKS_CLIENT_ID", "client_id",
		       m->l->client_id, sizeof(m->l->client_id));
	if (s == STATUS_OK)
		s = merge_text(m, NULL, "DATABRICKS_USERNAME", "username", word,
			       sizeof(word));
	if (s == STATUS_OK)
		s = merge_text(m, NULL, "DATABRICKS_OIDC_TOKEN_ENV",
			       "oidc_token_env", m->l->token_variable,
			       sizeof(m->l->token_variable));
	if (s != STATUS_OK)
		return s;
	if (!m->l->token_variable[0])
		text_copy(m->l->token_variable, sizeof(m->l->token_variable),
			  "DATABRICKS_OIDC_TOKEN");
	f->secret = merge_secret(m, m->o->client_secret_from,
				 "DATABRICKS_CLIENT_SECRET", "client_secret",
				 &m->l->secret);
	f->basic = word[0] != '\0';
	f->variable = token_environment_get(m->l->token_variable) != NULL;
	f->github = token_environment_get("ACTIONS_ID_TOKEN_REQUEST_URL") &&
		    token_environment_get("ACTIONS_ID_TOKEN_REQUEST_TOKEN");
	f->azure = token_environment_get("ARM_CLIENT_SECRET") ||
		   token_environment_get("ARM_USE_MSI");
	return STATUS_OK;
}

static enum status find_file(struct merge *m, struct found *f)
{
	struct token_databricks_origin *t = &m->l->token;
	enum status s;

	if (*m->o->token_from) {
		f->file = true;
		return text_copy(t->from, sizeof(t->from), m->o->token_from);
	}
	s = merge_text(m, NULL, "DATABRICKS_OIDC_TOKEN_FILEPATH",
		       "oidc_token_filepath", t->from, sizeof(t->from));
	f->file = t->from[0] != '\0';
	return s;
}

/* The setting decides; without it exactly one way may be there. */
static enum status choose_way(struct merge *m, const struct found *f,
			      const char *auth, int *ret)
{
	const struct {
		const char *name;
		bool there;
		int auth; /* -1: not ours */
	} ways[] = {
		{ "pat", f->token, TOKEN_DATABRICKS_PAT },
		{ "basic", f->basic, -1 },
		{ "oauth-m2m", f->secret && m->l->client_id[0],
		  TOKEN_DATABRICKS_M2M },
		{ "github-oidc", f->github && !f->secret && !f->token,
		  TOKEN_DATABRICKS_GITHUB_OIDC },
		{ "env-oidc", f->variable, TOKEN_DATABRICKS_ENV_OIDC },
		{ "file-oidc", f->file, TOKEN_DATABRICKS_FILE_OIDC },
		{ "azure", f->azure, -1 },
	};
	int chosen = -1;

	for (int i = 0; *auth && i < TOKEN_DATABRICKS_AUTHS; i++)
		if (strcmp(auth, auth_names[i]) == 0) {
			*ret = i;
			return STATUS_OK;
		}
	if (*auth)
		return reason_set(m->why, STATUS_CONFIG,
				  "[token %s]: there is no auth = %s",
				  m->o->name, auth);
	for (int i = 0; i < (int)(sizeof(ways) / sizeof(ways[0])); i++) {
		if (!ways[i].there)
			continue;
		if (chosen >= 0)
			return reason_set(
				m->why, STATUS_CONFIG,
				"[token %s]: more than one authorization "
				"method configured: %s and %s; set auth to "
				"the one that is meant",
				m->o->name, ways[chosen].name, ways[i].name);
		chosen = i;
	}
	if (chosen < 0)
		return refuse_settings(
			m, "no way to log in is configured: set auth, "
			   "and client_id with client_secret_file, or "
			   "token_file");
	if (ways[chosen].auth < 0)
		return reason_set(m->why, STATUS_CONFIG,
				  "[token %s]: the authorization method %s "
				  "is not known here; a service principal's "
				  "oauth-m2m works on every cloud",
				  m->o->name, ways[chosen].name);
	*ret = ways[chosen].auth;
	return STATUS_OK;
}

/* What the chosen way needs, and where its token is. */
static enum status complete_way(struct merge *m, const struct found *f)
{
	struct token_databricks_login *l = m->l;

	switch (l->auth) {
	case TOKEN_DATABRICKS_M2M:
		if (!l->client_id[0] || !f->secret)
			return refuse_settings(m,
					       "oauth-m2m needs client_id and "
					       "client_secret_file");
		return STATUS_OK;
	case TOKEN_DATABRICKS_PAT:
		if (*m->o->token_from) {
			l->token.variable = "DATABRICKS_TOKEN";
			return STATUS_OK;
		}
		l->token.from[0] = '\0';
		if (!merge_secret(m, NULL, "DATABRICKS_TOKEN", "token",
				  &l->token))
			return refuse_settings(m, "pat needs token_file");
		return STATUS_OK;
	case TOKEN_DATABRICKS_FILE_OIDC:
		return f->file ?
			       STATUS_OK :
			       refuse_settings(m, "file-oidc needs token_file");
	case TOKEN_DATABRICKS_ENV_OIDC:
		/* Only what is named as the vendor's variables are. */
		if (strncmp(l->token_variable, "DATABRICKS_", 11) != 0)
			return refuse_settings(
				m, "DATABRICKS_OIDC_TOKEN_ENV must name "
				   "a variable DATABRICKS_...");
		l->token.variable = l->token_variable;
		return text_copy(l->token.from, sizeof(l->token.from),
				 "environment");
	case TOKEN_DATABRICKS_GITHUB_OIDC:
		return f->github ?
			       STATUS_OK :
			       refuse_settings(m, "github-oidc needs the job's "
						  "permission id-token: write");
	case TOKEN_DATABRICKS_AUTHS:
		break;
	}
	return STATUS_ERROR;
}

static enum status merge_auth(struct merge *m)
{
	char auth[TOKEN_DATABRICKS_WORD_SIZE] = "";
	struct token_databricks_origin pat = { .variable = NULL };
	struct found f = { .secret = false };
	int chosen = 0;
	enum status s;

	s = merge_text(m, m->o->auth, "DATABRICKS_AUTH_TYPE", "auth_type", auth,
		       sizeof(auth));
	if (s == STATUS_OK && *m->o->token_from && !auth[0])
		return refuse_settings(
			m, "token_file needs auth = pat or file-oidc");
	if (s == STATUS_OK)
		s = find_ways(m, &f);
	f.token = merge_secret(m, NULL, "DATABRICKS_TOKEN", "token", &pat);
	if (s == STATUS_OK)
		s = find_file(m, &f);
	if (s == STATUS_OK)
		s = choose_way(m, &f, auth, &chosen);
	if (s != STATUS_OK)
		return s;
	m->l->auth = (enum token_databricks_auth)chosen;
	return complete_way(m, &f);
}

enum status token_databricks_settings(const struct token_databricks_options *o,
				      struct token_databricks_login *ret,
				      struct reason *why)
{
	struct merge m = { .o = o, .l = ret, .why = why };
	enum status s;

	*ret = (struct token_databricks_login){ .bearer = NULL };
	s = open_profile(&m);
	if (s == STATUS_OK)
		s = merge_text(&m, o->workspace_id, "DATABRICKS_WORKSPACE_ID",
			       "workspace_id", ret->workspace_id,
			       sizeof(ret->workspace_id));
	if (s == STATUS_OK)
		s = merge_text(&m, NULL, "DATABRICKS_ACCOUNT_ID", "account_id",
			       ret->account_id, sizeof(ret->account_id));
	if (s == STATUS_OK)
		s = merge_text(&m, o->audience, "DATABRICKS_TOKEN_AUDIENCE",
			       "audience", ret->audience,
			       sizeof(ret->audience));
	if (s == STATUS_OK)
		s = merge_host(&m);
	if (s == STATUS_OK)
		s = merge_auth(&m);
	secret_free(m.file);
	return s;
}
