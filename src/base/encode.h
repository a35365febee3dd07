/* SPDX-License-Identifier: PostgreSQL */
/* Hex, base64 and percent-encoding.  Not constant time: the verifier and the
 * sealed blobs it is used for are not secret against timing on one's own host. */
#ifndef KEYTURN_ENCODE_H
#define KEYTURN_ENCODE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

/* Bytes needed for base64 of n bytes with the NUL. */
#define ENCODE_BASE64_SIZE(n) ((((n) + 2) / 3) * 4 + 1)

/* Lower-case hex; dst has 2 * n + 1 bytes. */
void encode_hex(const void *src, size_t n, char *dst);

/* Exactly n bytes from 2 * n hex digits; STATUS_ERROR otherwise. */
enum status encode_unhex(const char *src, void *dst, size_t n);

/* RFC 4648 section 4 with padding; dst has ENCODE_BASE64_SIZE(n) bytes. */
void encode_base64(const void *src, size_t n, char *dst);

/* Is s a UUID in the 8-4-4-4-12 lower-case form? */
bool encode_is_uuid(const char *s);

/* RFC 3986 unreserved kept, everything else %XX; dst has 3 * n + 1 bytes. */
void encode_percent(const char *src, size_t n, char *dst);

#endif
