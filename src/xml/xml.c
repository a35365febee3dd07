/* SPDX-License-Identifier: PostgreSQL */
/* Texts by path out of an XML document.  Must never expand an entity, nor leave
 * a text in memory that is given back unwiped. */
#include "xml/xml.h"

#include <expat.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PATH_SIZE 512

/* --- memory that is wiped -------------------------------------------------- */

static void *limited_malloc(size_t n)
{
	return n <= XML_BYTES_MAX * 16 ? malloc(n) : NULL;
}

static void *limited_realloc(void *p, size_t n)
{
	return n <= XML_BYTES_MAX * 16 ? secret_wipe_realloc(p, n) : NULL;
}

/* --- the walk ---------------------------------------------------------------- */

struct walk {
	XML_Parser parser;
	struct xml_wanted *wanted;
	size_t n_wanted;
	char path[PATH_SIZE]; /* of the open element */
	size_t depth;
	struct xml_wanted *open; /* whose text is read now */
	size_t open_depth;
	enum status failed;
	const char *fault;
};

static void fail_walk(struct walk *w, enum status s, const char *fault)
{
	if (w->failed == STATUS_OK) {
		w->failed = s;
		w->fault = fault;
	}
	XML_StopParser(w->parser, XML_FALSE);
}

static void look_up(struct walk *w)
{
	for (size_t i = 0; i < w->n_wanted; i++) {
		struct xml_wanted *x = &w->wanted[i];

		if (strcmp(x->path, w->path) != 0)
			continue;
		if (x->found) {
			fail_walk(w, STATUS_ERROR, "says something twice");
		} else if (secret_new(x->max, &x->found) != STATUS_OK) {
			fail_walk(w, STATUS_NO_MEMORY, "needs locked memory");
		} else {
			w->open = x;
			w->open_depth = w->depth;
		}
		return;
	}
}

static void XMLCALL on_start(void *arg, const XML_Char *name,
			     const XML_Char **attributes)
{
	struct walk *w = arg;
	const char *colon = strchr(name, ':');
	size_t at = strlen(w->path);

	(void)attributes;
	if (colon)
		name = colon + 1;
	if (++w->depth > XML_DEPTH_MAX ||
	    at + 1 + strlen(name) >= sizeof(w->path)) {
		fail_walk(w, STATUS_ERROR, "is nested too deeply");
		return;
	}
	if (at > 0)
		w->path[at++] = '/';
	memcpy(w->path + at, name, strlen(name) + 1);
	if (!w->open)
		look_up(w);
}

static void XMLCALL on_end(void *arg, const XML_Char *name)
{
	struct walk *w = arg;
	char *slash = strrchr(w->path, '/');

	(void)name;
	if (w->open && w->open_depth == w->depth)
		w->open = NULL;
	w->depth--;
	if (slash)
		*slash = '\0';
	else
		w->path[0] = '\0';
}

static void XMLCALL on_text(void *arg, const XML_Char *s, int n)
{
	struct walk *w = arg;

	if (w->open && w->open_depth == w->depth &&
	    secret_append(w->open->found, s, (size_t)n) != STATUS_OK)
		fail_walk(w, STATUS_LIMIT, "has a value that is too long");
}

static void XMLCALL on_doctype(void *arg, const XML_Char *name,
			       const XML_Char *system, const XML_Char *public,
			       int has_subset)
{
	(void)name, (void)system, (void)public, (void)has_subset;
	fail_walk(arg, STATUS_ERROR, "has a document type, which is refused");
}

enum status xml_collect(const char *bytes, size_t n, const char *what,
			struct xml_wanted *wanted, size_t n_wanted,
			struct reason *why)
{
	static const XML_Memory_Handling_Suite memory = { limited_malloc,
							  limited_realloc,
							  secret_wipe_free };
	struct walk w = { .wanted = wanted,
			  .n_wanted = n_wanted,
			  .failed = STATUS_OK };
	enum XML_Status parsed;

	if (n > XML_BYTES_MAX)
		return reason_set(why, STATUS_ERROR,
				  "%s is longer than %zu bytes", what,
				  XML_BYTES_MAX);
	w.parser = XML_ParserCreate_MM("UTF-8", &memory, NULL);
	if (!w.parser)
		return reason_no_memory(why);
	XML_SetUserData(w.parser, &w);
	XML_SetElementHandler(w.parser, on_start, on_end);
	XML_SetCharacterDataHandler(w.parser, on_text);
	XML_SetStartDoctypeDeclHandler(w.parser, on_doctype);
	parsed = XML_Parse(w.parser, bytes, (int)n, XML_TRUE);
	if (w.failed != STATUS_OK)
		reason_set(why, w.failed, "%s %s", what, w.fault);
	else if (parsed != XML_STATUS_OK)
		w.failed = reason_set(
			why, STATUS_ERROR, "%s is not well-formed XML: %s",
			what, XML_ErrorString(XML_GetErrorCode(w.parser)));
	XML_ParserFree(w.parser);
	return w.failed;
}
