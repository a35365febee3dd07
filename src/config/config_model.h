/* SPDX-License-Identifier: PostgreSQL */
/*
 * For the files of this folder only: the rows of settings.def and the loaded
 * groups.  Everything loaded lives in one arena, which is freed as a whole; a
 * group holds only the values that were set.
 */
#ifndef KEYTURN_CONFIG_MODEL_H
#define KEYTURN_CONFIG_MODEL_H

#include "config/config.h"

enum config_type {
	CONFIG_TYPE_STRING,
	CONFIG_TYPE_PATH,
	CONFIG_TYPE_DURATION,
	CONFIG_TYPE_INT,
	CONFIG_TYPE_BOOL,
	CONFIG_TYPE_LIST,
	CONFIG_TYPE_INTERVAL,
	CONFIG_TYPE_PORT,
	CONFIG_TYPE_ENUM,
	CONFIG_TYPE_SET,
	CONFIG_TYPE_NAME,
	CONFIG_TYPE_SOURCE,
	CONFIG_TYPE_GRANTS
};

struct config_row {
	enum config_section section;
	const char *key;
	enum config_type type;
	const char *def; /* "" is "not set" */
	int64_t min;
	int64_t max;
	bool required;
	const char *words;     /* as the table has them */
	const char *for_types; /* "": all types of the section */
	const char *help;
};

#define CONFIG_PORT_MAX	  65535
#define CONFIG_WORDS_SIZE 256

struct config_kind {
	const char *word; /* "role" */
	bool named;
	const char *help;
};

/* k is below CONFIG_KEY_COUNT, section below CONFIG_SECTION_COUNT. */
const struct config_row *config_model_row(enum config_key k);
const struct config_kind *config_model_kind(enum config_section section);

/* CONFIG_SECTION_COUNT, or CONFIG_KEY_COUNT, when there is none. */
enum config_section config_model_find_kind(const char *word, size_t n);
enum config_key config_model_find_key(enum config_section section,
				      const char *key);

/* Does the setting apply to this type of its section? */
bool config_model_applies(const struct config_row *row, const char *type);

/* The words that a value of this type of the section may be; "" when there are
 * none.  buf of CONFIG_WORDS_SIZE. */
const char *config_model_words(const struct config_row *row, const char *type,
			       char *buf);

/* May a value of this row be continued on an indented line?  One that can be
 * longer than a line may, but never a path, whose spaces count. */
bool config_model_continues(const struct config_row *row);

/* Is a value of this row kept as a number? */
bool config_model_is_number(const struct config_row *row);

/* Text to number as the row's type says; the range is not checked.  DURATION
 * and INTERVAL in microseconds, BOOL 0 or 1, 0 for the other types. */
enum status config_model_number(const struct config_row *row, const char *text,
				int64_t *ret_number, struct reason *why);

#define CONFIG_ORIGIN_DEFAULT "default" /* of what is in no file */

struct config_value {
	struct config_value *next; /* in file order */
	char *text;
	const char *origin; /* "FILE:LINE" */
	int64_t number;	    /* set by config_check_all() */
	enum config_key key;
};

struct config_group {
	const char *name;
	const char *where;
	enum config_section section;
	bool at_gateway; /* a role's, once it is checked */
	size_t index;	 /* in file order */
	struct config_value *first;
	struct config_value *last;
};

struct config_groups {
	struct config_group **in_order;
	struct config_group **by_name; /* after config_model_sort() */
	size_t n;
	size_t cap;
};

struct config {
	struct config_groups sections[CONFIG_SECTION_COUNT];
	struct config_chunk *arena;
};

struct config *config_model_new(void);
void config_model_free(struct config *c);

/* n bytes, aligned for any object, freed with c; NULL without memory. */
void *config_model_alloc(struct config *c, size_t n);
char *config_model_printf(struct config *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* where is kept, not copied; name is copied.  NULL without memory. */
struct config_group *config_model_add(struct config *c,
				      enum config_section section,
				      const char *name, size_t name_len,
				      const char *where);

/* The first value of k, or NULL. */
const struct config_value *config_model_value(const struct config_group *g,
					      enum config_key k);

/* What the group's setting `type` says, or its default; "" for a section that
 * has no types. */
const char *config_model_type(const struct config_group *g);

/* "[keyturn]" or "[role sap]", for sentences.  buf of CONFIG_TITLE_SIZE. */
#define CONFIG_TITLE_SIZE (CONFIG_NAME_MAX + 16)
const char *config_model_title(const struct config_group *g, char *buf);

/* Build by_name; a section that is there twice is STATUS_CONFIG. */
enum status config_model_sort(struct config *c, struct reason *why);

#endif
