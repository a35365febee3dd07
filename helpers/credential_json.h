/* SPDX-License-Identifier: PostgreSQL */
/* A few strings out of one JSON object, as docker and Bazel send it.  No
 * allocation; checks the whole document (RFC 8259). */
#ifndef KEYTURN_CREDENTIAL_JSON_H
#define KEYTURN_CREDENTIAL_JSON_H

#include <stdbool.h>
#include <stddef.h>

struct credential_json {
	const char *name; /* a member of the outermost object */
	char *to;	  /* "" when it is absent */
	size_t size;
};

/*
 * NULL, or what is wrong with the document: also a wanted member that is there
 * twice, is no string, holds a NUL or does not fit.  Other members are checked
 * and ignored.
 */
const char *credential_json_read(const char *bytes, size_t n,
				 const struct credential_json *wanted,
				 size_t n_wanted);

#endif
