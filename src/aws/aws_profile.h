/* SPDX-License-Identifier: PostgreSQL */
/*
 * AWS's shared files, ~/.aws/config and ~/.aws/credentials.  Their dialect is
 * AWS's own (sections "profile NAME", settings nested under an empty one,
 * values that are secrets), which is why they are read here and not by the INI
 * parser of keyturn's configuration.
 */
#ifndef KEYTURN_AWS_PROFILE_H
#define KEYTURN_AWS_PROFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/reason.h"
#include "base/secret.h"

enum store_aws_file { AWS_FILE_CONFIG, AWS_FILE_CREDENTIALS };

struct aws_profile; /* both files, as they were when they were read */

/* A missing file is an empty one; STATUS_CONFIG when one cannot be read or has
 * more than 64 KiB. */
enum status aws_profile_read(struct aws_profile **ret, struct reason *why);
void aws_profile_free(struct aws_profile *p);

/* Is there such a profile in either file? */
bool aws_profile_exists(const struct aws_profile *p, const char *name);

/* A setting that is no secret, from the credentials file or else from the
 * config file.  False when it is not set or does not fit; dst is "" then. */
bool aws_profile_text(const struct aws_profile *p, const char *name,
		      const char *key, char *dst, size_t size);

/* From "[services SERVICES]", the setting `key` nested under `service`. */
bool aws_profile_service(const struct aws_profile *p, const char *services,
			 const char *service, const char *key, char *dst,
			 size_t size);

/*
 * A secret of one of the files; the caller's.  STATUS_NOT_FOUND when it is not
 * set; STATUS_CONFIG when the file may be read by group or others.
 */
enum status aws_profile_secret(const struct aws_profile *p,
			       enum store_aws_file file, const char *name,
			       const char *key, struct secret **ret,
			       struct reason *why);

#endif
