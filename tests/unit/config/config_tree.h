/* SPDX-License-Identifier: PostgreSQL */
/* A folder with configuration files for one test. */
#ifndef KEYTURN_TESTS_CONFIG_TREE_H
#define KEYTURN_TESTS_CONFIG_TREE_H

#include "config/config.h"

/* cmocka's setup and teardown; the state is not used. */
int config_tree_setup(void **state);
int config_tree_teardown(void **state);

/* The path of "keyturn.conf" in the folder, or of another file. */
const char *config_tree_path(const char *name);

void config_tree_write(const char *name, const char *bytes, size_t n);

/* Write keyturn.conf and load it; the test fails when it is refused.  Freed
 * by the teardown. */
const struct config *config_tree_load(const char *text);

/* Load what was written; the test fails unless it is refused with STATUS_CONFIG
 * and exactly this sentence, in which "@" stands for the folder. */
void config_tree_refused(const char *sentence);

/* The same for text in keyturn.conf; sentence follows "@/keyturn.conf:". */
void config_tree_bad(const char *text, const char *sentence);

#endif
