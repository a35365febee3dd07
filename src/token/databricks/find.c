/* SPDX-License-Identifier: PostgreSQL */
/*
 * The endpoint behind a host's name: the last part of its path is not in that
 * name, so it is found by listing and comparing.  Must never guess.
 */
#include "token/databricks/common.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/encode.h"
#include "base/text.h"

#define PAGES_MAX 200 /* of one search, all lists together */

struct search {
	struct token_web *w;
	struct token_databricks_login *l;
	const char *host;
	unsigned pages;
	bool pooler; /* only a pooler answers at host */
	char found[TOKEN_DATABRICKS_WORD_SIZE];
	struct reason *why;
};

/* What to do with an element of a list; `found` ends the search. */
typedef enum status visit_fn(struct search *s, const struct json_doc *element);

/* A name goes into a path: "projects/p/branches/b". */
static bool is_name(const char *name)
{
	return name && *name && strlen(name) < TOKEN_DATABRICKS_WORD_SIZE &&
	       name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "abcdefghijklmnopqrstuvwxyz"
				 "0123456789-._~/")] == '\0' &&
	       !strstr(name, "..");
}

static bool page_path(const char *path, const char *token, char *ret,
		      size_t size)
{
	char encoded[3 * TOKEN_DATABRICKS_WORD_SIZE + 1] = "";
	int n;

	if (token && strlen(token) >= TOKEN_DATABRICKS_WORD_SIZE)
		return false;
	if (token)
		encode_percent(token, strlen(token), encoded);
	n = snprintf(ret, size, "/api/2.0/postgres/%s%s%s", path,
		     token ? "?page_token=" : "", encoded);
	return n > 0 && (size_t)n < size;
}

/* Every page of one list. */
static enum status walk_list(struct search *s, const char *path,
			     const char *key, visit_fn *visit)
{
	struct token_web_answer a = { .doc = NULL }, next;
	char url[TOKEN_WEB_URL_SIZE];
	const char *token = NULL;
	enum status st;

	do {
		if (s->pages++ >= PAGES_MAX ||
		    !page_path(path, token, url, sizeof(url))) {
			st = reason_set(s->why, STATUS_LIMIT,
					"[token %s]: the workspace has too "
					"many endpoints to look through; set "
					"endpoint",
					s->w->name);
			break;
		}
		st = token_databricks_login_call(s->w, s->l, "GET", url, NULL,
						 &next, s->why);
		token_web_free(&a);
		a = next;
		if (st != STATUS_OK)
			break;
		for (size_t i = 0;
		     i < json_doc_count(json_doc_get(a.doc, key)) &&
		     st == STATUS_OK && !s->found[0];
		     i++)
			st = visit(s, json_doc_at(json_doc_get(a.doc, key), i));
		token = json_doc_text(json_doc_get(a.doc, "next_page_token"));
	} while (st == STATUS_OK && !s->found[0] && token && *token);
	token_web_free(&a);
	return st;
}

bool token_databricks_find_is_host(const struct json_doc *hosts,
				   const char *key, const char *host)
{
	const char *said = json_doc_text(json_doc_get(hosts, key));

	return said && strcasecmp(said, host) == 0;
}

static enum status visit_endpoint(struct search *s,
				  const struct json_doc *endpoint)
{
	const struct json_doc *hosts = json_doc_path(endpoint, "status.hosts");
	const char *name = json_doc_text(json_doc_get(endpoint, "name"));

	if (token_databricks_find_is_host(hosts, "read_write_pooled_host",
					  s->host) ||
	    token_databricks_find_is_host(hosts, "read_only_pooled_host",
					  s->host))
		s->pooler = true;
	else if (is_name(name) &&
		 (token_databricks_find_is_host(hosts, "host", s->host) ||
		  token_databricks_find_is_host(hosts, "read_only_host",
						s->host)))
		text_copy(s->found, sizeof(s->found), name);
	return STATUS_OK;
}

static enum status visit_branch(struct search *s, const struct json_doc *branch)
{
	const char *name = json_doc_text(json_doc_get(branch, "name"));
	char path[TOKEN_DATABRICKS_WORD_SIZE + 16];

	if (!is_name(name))
		return STATUS_OK;
	snprintf(path, sizeof(path), "%s/endpoints", name);
	return walk_list(s, path, "endpoints", visit_endpoint);
}

static enum status visit_project(struct search *s,
				 const struct json_doc *project)
{
	const char *name = json_doc_text(json_doc_get(project, "name"));
	char path[TOKEN_DATABRICKS_WORD_SIZE + 16];

	if (!is_name(name))
		return STATUS_OK;
	snprintf(path, sizeof(path), "%s/branches", name);
	return walk_list(s, path, "branches", visit_branch);
}

enum status token_databricks_find(struct token_web *w,
				  struct token_databricks_login *l,
				  const char *host, char *ret, size_t size,
				  struct reason *why)
{
	struct search s = { .w = w, .l = l, .host = host, .why = why };
	enum status st = walk_list(&s, "projects", "projects", visit_project);

	if (st != STATUS_OK)
		return st;
	if (s.found[0])
		return text_copy(ret, size, s.found);
	if (s.pooler)
		return reason_set(why, STATUS_CONFIG,
				  "[token %s]: %s is a pooler, which takes "
				  "native roles only and no token; give the "
				  "direct host",
				  w->name, host);
	return reason_set(why, STATUS_CONFIG,
			  "[token %s]: no endpoint that %s may see answers at "
			  "%s; set endpoint",
			  w->name,
			  l->client_id[0] ? l->client_id : "this identity",
			  host);
}
