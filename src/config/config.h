/* SPDX-License-Identifier: PostgreSQL */
/*
 * The configuration: INI files read with libinih, every setting a row of
 * settings.def.  Secrets are never settings.  Unknown sections and keys,
 * duplicate sections and keys, bad values and over-long lines are errors with
 * file and line.  Immutable after loading, so threads may share it.
 */
#ifndef KEYTURN_CONFIG_H
#define KEYTURN_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/reason.h"
#include "base/text.h"

#define CONFIG_DEFAULT_PATH "/etc/keyturn/keyturn.conf"
#define CONFIG_NAME_MAX	    40 /* a section's name: [A-Za-z0-9._-], 1 to 40 */

enum config_section {
#define SECTION(section, named, help) CONFIG_SECTION_##section,
#define SETTING(section, key, type, def, min, max, need, words, for_types, help)
#include "config/settings.def"
#undef SECTION
#undef SETTING
	CONFIG_SECTION_COUNT
};

enum config_key {
#define SECTION(section, named, help)
#define SETTING(section, key, type, def, min, max, need, words, for_types, \
		help)                                                      \
	CONFIG_##section##_##key,
#include "config/settings.def"
#undef SECTION
#undef SETTING
	CONFIG_KEY_COUNT
};

struct config;
struct config_group; /* one section of the files, e.g. [role sap] */

/*
 * Read path, then "conf.d/" beside it: every *.conf in byte order.  A file
 * must be a regular file not writable by group or others; STATUS_CONFIG with
 * "FILE:LINE: sentence" otherwise.  Values, references between sections and
 * what excludes each other are checked here.  [keyturn], [agent] and
 * [store local] exist by default.
 */
enum status config_load(const char *path, struct config **ret_config,
			struct reason *why);
void config_free(struct config *c);

/* Groups of a section in file order; index from 0 to config_count() - 1. */
size_t config_count(const struct config *c, enum config_section section);
const struct config_group *config_at(const struct config *c,
				     enum config_section section, size_t i);
/* By name (binary search); NULL when there is none.  name "" for [keyturn]
 * and [agent], which always exist. */
const struct config_group *config_find(const struct config *c,
				       enum config_section section,
				       const char *name);

const char *config_name(const struct config_group *g);
/* "FILE:LINE" of the section header, "default" for one not in a file. */
const char *config_where(const struct config_group *g);

/* The value or the default, "" without either.  The key must be of g's section
 * and of the getter's type (asserted); config_string() reads every type that has
 * no getter of its own. */
const char *config_string(const struct config_group *g, enum config_key k);
int64_t config_int(const struct config_group *g, enum config_key k);
int64_t config_duration_us(const struct config_group *g, enum config_key k);
bool config_bool(const struct config_group *g, enum config_key k);
bool config_is_set(const struct config_group *g, enum config_key k);

/* Of a [role NAME]: its name in PostgreSQL (rolname, of a pair the owner, or the
 * section's name), and whether two login roles take turns. */
const char *config_rolname(const struct config_group *role);
bool config_is_pair(const struct config_group *role);
/* Is a [cluster NAME] a gateway, where logins have two passwords for a while? */
bool config_is_gateway(const struct config_group *cluster);
/* Of a [role NAME]: is its cluster one? */
bool config_is_at_gateway(const struct config_group *role);
/* LIST: values in file order. */
size_t config_list_n(const struct config_group *g, enum config_key k);
const char *config_list_at(const struct config_group *g, enum config_key k,
			   size_t i);
/* "FILE:LINE" of one of them. */
const char *config_list_origin(const struct config_group *g, enum config_key k,
			       size_t i);
/* "FILE:LINE" of the value, or "default". */
const char *config_origin(const struct config_group *g, enum config_key k);

/* Effective settings with their origin, as text or JSON. */
void config_show(const struct config *c, bool json, struct text *t);

/* Generated documents: the reference as text, as Markdown, as man page body
 * (mdoc or man macros), and the commented sample file for `keyturn init`. */
enum config_document {
	CONFIG_DOCUMENT_TEXT,
	CONFIG_DOCUMENT_MARKDOWN,
	CONFIG_DOCUMENT_MAN,
	CONFIG_DOCUMENT_SAMPLE
};
void config_reference(enum config_document kind, struct text *t);

/* The sample for `keyturn init` with these files instead of the defaults; all
 * four are absolute paths. */
struct config_sample {
	const char *ledger;
	const char *audit_key;
	const char *store_path;
	const char *store_key;
};
void config_reference_sample(const struct config_sample *files, struct text *t);

#endif
