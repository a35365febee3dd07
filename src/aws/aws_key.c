/* SPDX-License-Identifier: PostgreSQL */
/* AWS credentials as they are carried around; must never keep a part of them
 * that is not checked. */
#include "aws/aws_key.h"

#include <ctype.h>
#include <string.h>

#include "base/now.h"
#include "base/text.h"

void aws_key_clear(struct aws_key *k)
{
	secret_free(k->secret);
	secret_free(k->token);
	*k = (struct aws_key){ .id = "" };
}

enum status aws_key_copy(const struct aws_key *k, struct aws_key *ret,
			 struct reason *why)
{
	struct aws_key made = *k;
	enum status s;

	made.secret = made.token = NULL;
	s = secret_copy(k->secret, &made.secret);
	if (s == STATUS_OK && k->token)
		s = secret_copy(k->token, &made.token);
	if (s != STATUS_OK) {
		aws_key_clear(&made);
		return reason_set(why, s, "no locked memory for a secret");
	}
	*ret = made;
	return STATUS_OK;
}

/* It becomes part of a header. */
static bool is_id(const struct secret *id)
{
	size_t n = id ? secret_len(id) : 0;

	if (n < 1 || n >= AWS_KEY_ID_SIZE)
		return false;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)secret_bytes(id)[i];

		if (c >= 0x80 || (!isalnum(c) && c != '_' && c != '-'))
			return false;
	}
	return true;
}

static bool is_plain(const struct secret *s)
{
	return secret_len(s) > 0 &&
	       !text_has_control(secret_bytes(s), secret_len(s));
}

enum status aws_key_make(const char *origin, const struct secret *id,
			 struct secret *secret, struct secret *token,
			 const char *expires, struct aws_key *ret,
			 struct reason *why)
{
	struct aws_key made = { .secret = secret, .token = token };
	enum status s = STATUS_OK;

	if (token && secret_len(token) == 0) {
		secret_free(token);
		made.token = NULL;
	}
	if (!is_id(id) || !secret || !is_plain(secret))
		s = reason_set(why, STATUS_CONFIG,
			       "%s gives no usable access key id and secret "
			       "access key",
			       origin);
	else if (made.token && !is_plain(made.token))
		s = reason_set(why, STATUS_CONFIG,
			       "%s gives a session token with control "
			       "characters",
			       origin);
	else if (expires && *expires &&
		 now_parse_foreign(expires, &made.expires_us) != 0)
		s = reason_set(why, STATUS_CONFIG,
			       "%s gives an expiration that is not a time",
			       origin);
	if (s != STATUS_OK) {
		aws_key_clear(&made);
		return s;
	}
	text_copy(made.id, sizeof(made.id), secret_bytes(id));
	*ret = made;
	return STATUS_OK;
}
