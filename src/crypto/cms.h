/* SPDX-License-Identifier: PostgreSQL */
/*
 * CMS enveloped data in an S/MIME message (RFC 5652, RFC 8551): AES-256-CBC, and
 * for the key RSAES-OAEP with SHA-256, or ECDH with SHA-256 and AES-256 key wrap.
 * Not signed: who it is from it does not say.
 */
#ifndef KEYTURN_CMS_H
#define KEYTURN_CMS_H

#include "base/reason.h"
#include "base/secret.h"
#include "base/text.h"
#include "crypto/certs.h"

#define CMS_RECIPIENTS_MAX 16
#define CMS_PLAIN_MAX	   8192

struct cms_recipient; /* whom it is for */

/*
 * The one certificate in a PEM file.  STATUS_REFUSED, with what to do: there is
 * none, or more than one, or a private key with it; its time is over, or not yet
 * come, by now_us (wall clock); it is for another use than S/MIME encryption; its
 * key is weak (RSA under 2048 bits, a curve other than P-256, P-384 and P-521) or
 * takes no messages.  Whether somebody vouches for it is not looked at: who names
 * the file has compared its fingerprint.
 */
enum status cms_recipient_load(const char *path, int64_t now_us,
			       struct cms_recipient **ret, struct reason *why);
void cms_recipient_free(struct cms_recipient *r); /* takes NULL */

const char *cms_recipient_fingerprint(const struct cms_recipient *r);
/* Escaped: a certificate's text is a stranger's. */
const char *cms_recipient_subject(const struct cms_recipient *r);

/*
 * Encrypt for all of them.  plain is a MIME entity, with its headers, and CRLF at
 * the ends of lines.  ret gets the message from its first MIME header on.
 */
enum status cms_seal(const struct secret *plain,
		     struct cms_recipient *const *recipients, size_t n,
		     struct text *ret, struct reason *why);

#endif
