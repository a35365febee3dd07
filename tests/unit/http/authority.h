/* SPDX-License-Identifier: PostgreSQL */
/* For tests: an authority, made now, and certificates under it. */
#ifndef KEYTURN_TEST_AUTHORITY_H
#define KEYTURN_TEST_AUTHORITY_H

/* Writes FOLDER/NAME.crt and FOLDER/NAME.key, self-signed. */
void authority_make(const char *folder, const char *name);

/* Writes FOLDER/NAME.crt and .key, signed by FOLDER/BY.*, for `subject_alt`
 * ("IP:127.0.0.1"), valid until `seconds` from now. */
void authority_issue(const char *folder, const char *by, const char *name,
		     const char *subject_alt, long seconds);

#endif
