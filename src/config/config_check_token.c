/* SPDX-License-Identifier: PostgreSQL */
/* Checks the sections of tokens; must never accept a setting that has no
 * effect, which is a mistake that nobody would see. */
#include "config/config_check_token.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/now.h"
#include "config/config_grant.h"

/* "FILE:LINE: [token lake] key: sentence". */
static enum status refuse(struct reason *why, const struct config_group *g,
			  const struct config_value *v, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static enum status refuse(struct reason *why, const struct config_group *g,
			  const struct config_value *v, const char *fmt, ...)
{
	char sentence[REASON_MAX], title[CONFIG_TITLE_SIZE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, ap);
	va_end(ap);
	config_model_title(g, title);
	return reason_set(why, STATUS_CONFIG, "%s: %s%s%s%s %s",
			  v ? v->origin : g->where, title, v ? " " : "",
			  v ? config_model_row(v->key)->key : "", v ? ":" : "",
			  sentence);
}

/* Is the word in a list that spaces divide? */
static bool is_one_of(const char *word, const char *words)
{
	size_t n = strlen(word);

	for (const char *p = words; n && (p = strstr(p, word)); p += n)
		if ((p == words || p[-1] == ' ') &&
		    (p[n] == '\0' || p[n] == ' '))
			return true;
	return false;
}

static const char *text_of(const struct config_group *g, enum config_key k)
{
	const struct config_value *v = config_model_value(g, k);

	return v ? v->text : "";
}

static enum status check_keys(const struct config_group *g, const char *type,
			      struct reason *why)
{
	static const struct {
		enum config_key key;
		const char *types;
	} known[] = {
		{ CONFIG_token_workspace, "databricks" },
		{ CONFIG_token_workspace_id, "databricks" },
		{ CONFIG_token_endpoint, "databricks" },
		{ CONFIG_token_instance, "databricks" },
		{ CONFIG_token_ttl, "databricks" },
		{ CONFIG_token_auth, "databricks azure gcp" },
		{ CONFIG_token_client_id, "databricks azure" },
		{ CONFIG_token_client_secret_file, "databricks azure" },
		{ CONFIG_token_token_file, "databricks" },
		{ CONFIG_token_key_file, "gcp" },
		{ CONFIG_token_profile, "databricks aws-rds" },
		{ CONFIG_token_audience, "databricks" },
		{ CONFIG_token_region, "aws-rds" },
		{ CONFIG_token_tenant, "azure" },
		{ CONFIG_token_resource, "azure" },
	};

	for (const struct config_value *v = g->first; v; v = v->next)
		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			if (v->key == known[i].key &&
			    strcmp(v->text, config_model_row(v->key)->def) !=
				    0 &&
			    !is_one_of(type, known[i].types))
				return refuse(why, g, v,
					      "has no effect in a token of "
					      "type %s",
					      type);
	return STATUS_OK;
}

static enum status check_auth(const struct config_group *g, const char *type,
			      struct reason *why)
{
	static const char *const words[][2] = {
		{ "databricks",
		  "oauth-m2m pat file-oidc env-oidc github-oidc" },
		{ "azure", "client-secret managed-identity" },
		{ "gcp", "metadata key" },
	};
	const struct config_value *v = config_model_value(g, CONFIG_token_auth);

	for (size_t i = 0; v && i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(type, words[i][0]) == 0 &&
		    !is_one_of(v->text, words[i][1]))
			return refuse(why, g, v, "must be one of %s",
				      words[i][1]);
	return STATUS_OK;
}

/* A secret in a setting would be a path that does not begin with a slash. */
static enum status check_files(const struct config_group *g, struct reason *why)
{
	const struct {
		enum config_key key;
		bool environment;
	} files[] = {
		{ CONFIG_token_client_secret_file, true },
		{ CONFIG_token_token_file, false },
		{ CONFIG_token_key_file, false },
	};

	for (size_t i = 0; i < 3; i++) {
		const struct config_value *v =
			config_model_value(g, files[i].key);

		if (!v || v->text[0] == '/' ||
		    strncmp(v->text, "credential:", 11) == 0 ||
		    (files[i].environment &&
		     strcmp(v->text, "environment") == 0))
			continue;
		return refuse(why, g, v,
			      "must be an absolute path or credential:NAME; "
			      "secrets are never settings");
	}
	return STATUS_OK;
}

/* Letters, digits, "-" and "."; no dot at either end. */
static bool is_host_name(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && s[0] != '.' && s[n - 1] != '.' && !strstr(s, "..") &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			 "0123456789-.") == n;
}

static enum status check_needs(const struct config_group *g, const char *type,
			       struct reason *why)
{
	const struct config_value *ttl =
		config_model_value(g, CONFIG_token_ttl);
	bool rds = strcmp(type, "aws-rds") == 0;

	if (rds && !*text_of(g, CONFIG_token_host))
		return refuse(why, g, NULL,
			      "needs host, which the token is for");
	if (rds && !is_host_name(text_of(g, CONFIG_token_host)))
		return refuse(why, g, config_model_value(g, CONFIG_token_host),
			      "must be the host's name alone, which is signed "
			      "as it stands: no scheme, port, path or dot at "
			      "the end");
	if ((rds || strcmp(type, "azure") == 0) &&
	    !*text_of(g, CONFIG_token_user))
		return refuse(why, g, NULL, "needs user");
	if (ttl && ttl->number > 0 && ttl->number < 300 * NOW_SECOND)
		return refuse(why, g, ttl, "must be 5m to 1h, or 0s");
	if (*text_of(g, CONFIG_token_endpoint) &&
	    *text_of(g, CONFIG_token_instance))
		return refuse(why, g,
			      config_model_value(g, CONFIG_token_instance),
			      "is of Lakebase Provisioned and endpoint of "
			      "Autoscaling; set one of them");
	return STATUS_OK;
}

static enum status check_grants(const struct config_group *g,
				struct reason *why)
{
	static const enum config_key keys[] = { CONFIG_token_readers,
						CONFIG_token_listers };
	struct reason detail = { { 0 } };
	struct config_grant grant;
	enum status s;

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		const char *at = text_of(g, keys[i]);

		do
			s = config_grant_next(&at, &grant, &detail);
		while (s == STATUS_OK);
		if (s != STATUS_NOT_FOUND)
			return refuse(why, g, config_model_value(g, keys[i]),
				      "%s", detail.text);
	}
	return STATUS_OK;
}

/* What consumers are told. */
static enum status check_told(const struct config_group *g,
			      enum config_key port_key,
			      enum config_key sslmode_key, struct reason *why)
{
	const char *port = text_of(g, port_key);
	const char *mode = text_of(g, sslmode_key);
	long n = strtol(port, NULL, 10);

	if (*port && (port[strspn(port, "0123456789")] || n < 1 || n > 65535))
		return refuse(why, g, config_model_value(g, port_key),
			      "%s is out of range, 1 to 65535", port);
	if (*mode && !is_one_of(mode, "disable allow prefer require verify-ca "
				      "verify-full"))
		return refuse(why, g, config_model_value(g, sslmode_key),
			      "\"%s\" is none of disable, allow, prefer, "
			      "require, verify-ca, verify-full",
			      mode);
	return STATUS_OK;
}

enum status config_check_token(const struct config_group *g, struct reason *why)
{
	const char *type = text_of(g, CONFIG_token_type);
	enum status s;

	if (!is_one_of(type, "databricks aws-rds azure gcp"))
		return refuse(why, g, config_model_value(g, CONFIG_token_type),
			      "must be databricks, aws-rds, azure or gcp");
	s = check_keys(g, type, why);
	if (s == STATUS_OK)
		s = check_auth(g, type, why);
	if (s == STATUS_OK)
		s = check_files(g, why);
	if (s == STATUS_OK)
		s = check_needs(g, type, why);
	if (s == STATUS_OK)
		s = check_grants(g, why);
	if (s == STATUS_OK)
		s = check_told(g, CONFIG_token_port, CONFIG_token_sslmode, why);
	return s;
}

enum status config_check_token_sink(const struct config *c,
				    const struct config_group *g,
				    struct reason *why)
{
	const struct config_value *v = config_model_value(g, CONFIG_sink_token);

	if (v && !config_find(c, CONFIG_SECTION_token, v->text))
		return refuse(why, g, v, "there is no [token %s]", v->text);
	return check_told(g, CONFIG_sink_port, CONFIG_sink_sslmode, why);
}
