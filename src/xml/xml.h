/* SPDX-License-Identifier: PostgreSQL */
/*
 * Texts out of a small XML answer of a peer (AWS STS): the only user of expat.
 * A document type declaration is refused, so there are no entities to expand;
 * no byte of the document is ever put into a reason.
 */
#ifndef KEYTURN_XML_H
#define KEYTURN_XML_H

#include <stddef.h>

#include "base/reason.h"
#include "base/secret.h"

#define XML_BYTES_MAX ((size_t)256 * 1024)
#define XML_DEPTH_MAX 32

/* "AssumeRoleResponse/AssumeRoleResult/Credentials/AccessKeyId": names without
 * namespace prefixes, from the root.  `found` stays NULL when there is no such
 * element; the text of an empty one has length 0. */
struct xml_wanted {
	const char *path;
	size_t max;	      /* bytes of text, 1 to SECRET_CAP_MAX */
	struct secret *found; /* the caller's, also after a failure */
};

/*
 * Fill wanted[].found.  STATUS_ERROR: not well-formed, a document type, too
 * deep or too long, a wanted element that occurs twice.  STATUS_LIMIT: a text
 * is longer than its max.  The sentence names `what` ("the answer of STS").
 */
enum status xml_collect(const char *bytes, size_t n, const char *what,
			struct xml_wanted *wanted, size_t n_wanted,
			struct reason *why);

#endif
