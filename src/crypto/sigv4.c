/* SPDX-License-Identifier: PostgreSQL */
/*
 * AWS Signature Version 4.  Must never keep a secret key, a key derived from
 * it or a session token in memory that is not a struct secret.
 */
#include "crypto/sigv4.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/encode.h"
#include "base/now.h"
#include "base/secret_out.h"
#include "crypto/digest.h"

#define ALGORITHM  "AWS4-HMAC-SHA256"
#define TERMINATOR "aws4_request"
/* stamp's date, region, service, terminator and the slashes between */
#define SCOPE_MAX   256
#define HEX_SIZE    (2 * DIGEST_SIZE + 1)
#define EXPIRES_MAX 604800

const char *sigv4_stamp(int64_t at_us, char buf[SIGV4_STAMP_SIZE])
{
	char stamp[NOW_STAMP_SIZE];

	/* "2026-11-21T11:02:36.123456Z" without the separators. */
	now_stamp(at_us, stamp);
	snprintf(buf, SIGV4_STAMP_SIZE, "%.4s%.2s%.2sT%.2s%.2s%.2sZ", stamp,
		 stamp + 5, stamp + 8, stamp + 11, stamp + 14, stamp + 17);
	return buf;
}

/* --- pieces ---------------------------------------------------------------- */

static bool is_unreserved(unsigned char c)
{
	return (c < 0x80 && isalnum(c)) || strchr("-._~", c);
}

static void put_lower(struct secret_out *o, const char *s)
{
	char c;

	for (; *s; s++) {
		c = (char)tolower((unsigned char)*s);
		secret_out_bytes(o, &c, 1);
	}
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Without blanks at the ends, runs of them inside as one space. */
static void put_trimmed(struct secret_out *o, const char *s)
{
	bool gap = false, any = false;

	for (; *s; s++) {
		if (is_blank(*s)) {
			gap = true;
			continue;
		}
		if (gap && any)
			secret_out_text(o, " ");
		secret_out_bytes(o, s, 1);
		gap = false;
		any = true;
	}
}

/* --- the canonical request ------------------------------------------------- */

/* A header, or a query parameter, and where it stood: qsort is not stable, and
 * values of one name keep their order. */
struct item {
	const struct sigv4_pair *pair;
	size_t at;
};

static int by_header(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	int order = strcasecmp(x->pair->name, y->pair->name);

	return order ? order : (x->at > y->at) - (x->at < y->at);
}

/* What is compared is the encoded form: "%" is below every unreserved
 * character. */
static int compare_encoded(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	unsigned char x = (unsigned char)*a, y = (unsigned char)*b;
	bool plain_x = is_unreserved(x), plain_y = is_unreserved(y);

	if (!x || !y || plain_x == plain_y)
		return (x > y) - (x < y);
	return plain_x ? 1 : -1;
}

static int by_parameter(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	int order = compare_encoded(x->pair->name, y->pair->name);

	return order ? order : compare_encoded(x->pair->value, y->pair->value);
}

static void sort_pairs(const struct sigv4_pair *pairs, size_t n,
		       struct item *items,
		       int (*order)(const void *, const void *))
{
	for (size_t i = 0; i < n; i++)
		items[i] = (struct item){ &pairs[i], i };
	qsort(items, n, sizeof(items[0]), order);
}

static void put_encoded(struct secret_out *o, const char *s)
{
	secret_out_percent(o, s, strlen(s), "");
}

static void put_query(struct secret_out *o, const struct sigv4_pair *query,
		      size_t n)
{
	struct item items[SIGV4_PAIRS_MAX];

	sort_pairs(query, n, items, by_parameter);
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			secret_out_text(o, "&");
		put_encoded(o, items[i].pair->name);
		secret_out_text(o, "=");
		put_encoded(o, items[i].pair->value);
	}
}

static bool same_name(const struct item *items, size_t i)
{
	return i > 0 &&
	       strcasecmp(items[i - 1].pair->name, items[i].pair->name) == 0;
}

static void put_headers(struct secret_out *o, const struct item *items,
			size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (same_name(items, i)) {
			secret_out_text(o, ",");
		} else {
			if (i > 0)
				secret_out_text(o, "\n");
			put_lower(o, items[i].pair->name);
			secret_out_text(o, ":");
		}
		put_trimmed(o, items[i].pair->value);
	}
	secret_out_text(o, "\n");
}

static void put_names(struct secret_out *o, const struct item *items, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (same_name(items, i))
			continue;
		if (i > 0)
			secret_out_text(o, ";");
		put_lower(o, items[i].pair->name);
	}
}

static void put_hash(struct secret_out *o, const void *p, size_t n)
{
	unsigned char hash[DIGEST_SIZE];
	char hex[HEX_SIZE];

	if (o->status == STATUS_OK)
		o->status = digest_sha256(p, n, NULL, 0, hash);
	if (o->status != STATUS_OK)
		return;
	encode_hex(hash, sizeof(hash), hex);
	secret_out_text(o, hex);
}

/* An upper bound for everything the canonical request is made of. */
static size_t canonical_max(const struct sigv4_request *rq)
{
	size_t n = strlen(rq->method) + 3 * strlen(rq->path) + HEX_SIZE + 16;

	for (size_t i = 0; i < rq->n_query; i++)
		n += 3 * (strlen(rq->query[i].name) +
			  strlen(rq->query[i].value)) +
		     2;
	for (size_t i = 0; i < rq->n_headers; i++)
		n += 2 * strlen(rq->headers[i].name) +
		     strlen(rq->headers[i].value) + 4;
	return n;
}

static enum status check_request(const struct sigv4_request *rq,
				 struct reason *why)
{
	bool host = false;

	if (rq->n_query > SIGV4_PAIRS_MAX || rq->n_headers > SIGV4_PAIRS_MAX ||
	    canonical_max(rq) > SECRET_CAP_MAX)
		return reason_set(why, STATUS_LIMIT,
				  "a request to AWS is too large to be signed");
	for (size_t i = 0; i < rq->n_headers; i++)
		if (strcasecmp(rq->headers[i].name, "host") == 0)
			host = true;
	if (!host)
		return reason_set(why, STATUS_USAGE,
				  "a request without a Host cannot be signed");
	return STATUS_OK;
}

/* The names of the signed headers, "host;x-amz-date"; the caller's. */
static enum status signed_names(const struct sigv4_request *rq,
				struct secret **ret_names)
{
	struct item items[SIGV4_PAIRS_MAX];
	struct secret_out o;
	size_t n = 1;

	for (size_t i = 0; i < rq->n_headers; i++)
		n += strlen(rq->headers[i].name) + 1;
	o = secret_out_make(n);
	sort_pairs(rq->headers, rq->n_headers, items, by_header);
	put_names(&o, items, rq->n_headers);
	return secret_out_take(&o, ret_names);
}

enum status sigv4_canonical(const struct sigv4_request *rq,
			    struct secret **ret_canonical, struct reason *why)
{
	struct item items[SIGV4_PAIRS_MAX];
	const char *path = *rq->path ? rq->path : "/";
	struct secret_out o;
	enum status s = check_request(rq, why);

	if (s != STATUS_OK)
		return s;
	o = secret_out_make(canonical_max(rq));
	secret_out_text(&o, rq->method);
	secret_out_text(&o, "\n");
	secret_out_percent(&o, path, strlen(path), "/");
	secret_out_text(&o, "\n");
	put_query(&o, rq->query, rq->n_query);
	secret_out_text(&o, "\n");
	sort_pairs(rq->headers, rq->n_headers, items, by_header);
	put_headers(&o, items, rq->n_headers);
	secret_out_text(&o, "\n");
	put_names(&o, items, rq->n_headers);
	secret_out_text(&o, "\n");
	put_hash(&o, rq->body, rq->body_n);
	s = secret_out_take(&o, ret_canonical);
	return s == STATUS_OK ?
		       s :
		       reason_set(why, s,
				  "a request to AWS could not be prepared for "
				  "its signature");
}

/* --- the signature ---------------------------------------------------------- */

static enum status make_scope(const struct sigv4_scope *scope,
			      const char *stamp, char buf[SCOPE_MAX],
			      struct reason *why)
{
	int n = snprintf(buf, SCOPE_MAX, "%.8s/%s/%s/" TERMINATOR, stamp,
			 scope->region, scope->service);

	if (n < 0 || n >= SCOPE_MAX || !*scope->region || !*scope->service)
		return reason_set(why, STATUS_USAGE,
				  "\"%s\" is not an AWS region", scope->region);
	return STATUS_OK;
}

/* key := HMAC(key, data) */
static enum status derive_next(struct secret *key, const void *data, size_t n)
{
	unsigned char mac[DIGEST_SIZE];
	enum status s = digest_hmac(key, data, n, mac);

	if (s == STATUS_OK)
		s = secret_set(key, mac, sizeof(mac));
	secret_wipe(mac, sizeof(mac));
	return s;
}

/* The chain of HMACs from the secret key to the key of the day's scope. */
static enum status signing_key(const struct secret *secret,
			       const struct sigv4_scope *scope,
			       const char *stamp, struct secret **ret_key)
{
	struct secret_out o =
		secret_out_make(4 + secret_len(secret) + DIGEST_SIZE);
	struct secret *key = NULL;
	enum status s;

	secret_out_text(&o, "AWS4");
	secret_out_secret(&o, secret);
	s = secret_out_take(&o, &key);
	if (s == STATUS_OK)
		s = derive_next(key, stamp, 8);
	if (s == STATUS_OK)
		s = derive_next(key, scope->region, strlen(scope->region));
	if (s == STATUS_OK)
		s = derive_next(key, scope->service, strlen(scope->service));
	if (s == STATUS_OK)
		s = derive_next(key, TERMINATOR, strlen(TERMINATOR));
	if (s == STATUS_OK)
		*ret_key = key;
	else
		secret_free(key);
	return s;
}

static enum status sign_request(const struct sigv4_key *key,
				const struct sigv4_scope *scope,
				const char *stamp, const char *scope_text,
				const struct sigv4_request *rq,
				char ret_hex[HEX_SIZE], struct reason *why)
{
	struct text to_sign = text_make(1024);
	struct secret *canonical = NULL, *k = NULL;
	unsigned char hash[DIGEST_SIZE], mac[DIGEST_SIZE];
	char hex[HEX_SIZE];
	enum status s = sigv4_canonical(rq, &canonical, why);

	if (s != STATUS_OK)
		return s;
	s = digest_sha256(secret_bytes(canonical), secret_len(canonical), NULL,
			  0, hash);
	if (s != STATUS_OK)
		goto out;
	encode_hex(hash, sizeof(hash), hex);
	text_printf(&to_sign, ALGORITHM "\n%s\n%s\n%s", stamp, scope_text, hex);
	s = text_status(&to_sign);
	if (s == STATUS_OK)
		s = signing_key(key->secret, scope, stamp, &k);
	if (s == STATUS_OK)
		s = digest_hmac(k, text_str(&to_sign), to_sign.len, mac);
	if (s == STATUS_OK)
		encode_hex(mac, sizeof(mac), ret_hex);
out:
	if (s != STATUS_OK)
		reason_set(why, s, "a request to AWS could not be signed");
	secret_free(k);
	secret_free(canonical);
	text_free(&to_sign);
	return s;
}

enum status sigv4_authorize(const struct sigv4_key *key,
			    const struct sigv4_scope *scope,
			    const struct sigv4_request *rq, struct text *t,
			    struct reason *why)
{
	struct sigv4_pair headers[SIGV4_PAIRS_MAX];
	struct sigv4_request full = *rq;
	char stamp[SIGV4_STAMP_SIZE], scope_text[SCOPE_MAX], hex[HEX_SIZE];
	struct secret *names = NULL;
	enum status s;

	if (rq->n_headers + 2 > SIGV4_PAIRS_MAX)
		return reason_set(why, STATUS_LIMIT,
				  "a request to AWS has too many headers");
	for (size_t i = 0; i < rq->n_headers; i++)
		headers[i] = rq->headers[i];
	full.headers = headers;
	sigv4_stamp(scope->at_us, stamp);
	headers[full.n_headers++] = (struct sigv4_pair){ "x-amz-date", stamp };
	if (key->token)
		headers[full.n_headers++] =
			(struct sigv4_pair){ "x-amz-security-token",
					     secret_bytes(key->token) };
	s = make_scope(scope, stamp, scope_text, why);
	if (s == STATUS_OK)
		s = sign_request(key, scope, stamp, scope_text, &full, hex,
				 why);
	if (s != STATUS_OK)
		return s;
	s = signed_names(&full, &names);
	if (s != STATUS_OK)
		return reason_set(why, s, "no locked memory for a secret");
	text_printf(t,
		    ALGORITHM " Credential=%s/%s, SignedHeaders=%s, "
			      "Signature=%s",
		    key->id, scope_text, secret_bytes(names), hex);
	secret_free(names);
	s = text_status(t);
	return s == STATUS_OK ? s : reason_no_memory(why);
}

/* The finished query: the canonical one and the signature behind it. */
static enum status finish_query(const struct sigv4_pair *query, size_t n,
				const char *hex, struct secret **ret_query,
				struct reason *why)
{
	struct secret_out o;
	size_t max = 64 + HEX_SIZE;
	enum status s;

	for (size_t i = 0; i < n; i++)
		max += 3 * (strlen(query[i].name) + strlen(query[i].value)) + 2;
	o = secret_out_make(max);
	put_query(&o, query, n);
	secret_out_text(&o, "&X-Amz-Signature=");
	secret_out_text(&o, hex);
	s = secret_out_take(&o, ret_query);
	return s == STATUS_OK ?
		       s :
		       reason_set(why, s, "no locked memory for a secret");
}

enum status sigv4_presign(const struct sigv4_key *key,
			  const struct sigv4_scope *scope,
			  const struct sigv4_request *rq, unsigned expires_s,
			  struct secret **ret_query, struct reason *why)
{
	struct sigv4_pair query[SIGV4_PAIRS_MAX];
	struct sigv4_request full = *rq;
	char stamp[SIGV4_STAMP_SIZE], scope_text[SCOPE_MAX], hex[HEX_SIZE];
	char credential[SCOPE_MAX + 128], expires[16];
	struct secret *names = NULL;
	enum status s;
	int n;

	if (rq->n_query + 6 > SIGV4_PAIRS_MAX || expires_s < 1 ||
	    expires_s > EXPIRES_MAX)
		return reason_set(why, STATUS_USAGE,
				  "a presigned query is good for 1 to %d "
				  "seconds and has few parameters",
				  EXPIRES_MAX);
	sigv4_stamp(scope->at_us, stamp);
	s = make_scope(scope, stamp, scope_text, why);
	if (s != STATUS_OK)
		return s;
	n = snprintf(credential, sizeof(credential), "%s/%s", key->id,
		     scope_text);
	if (n < 0 || (size_t)n >= sizeof(credential))
		return reason_set(why, STATUS_LIMIT,
				  "an AWS access key id is too long");
	s = signed_names(rq, &names);
	if (s != STATUS_OK)
		return reason_set(why, s, "no locked memory for a secret");
	snprintf(expires, sizeof(expires), "%u", expires_s);
	const struct sigv4_pair own[] = {
		{ "X-Amz-Algorithm", ALGORITHM },
		{ "X-Amz-Credential", credential },
		{ "X-Amz-Date", stamp },
		{ "X-Amz-Expires", expires },
		{ "X-Amz-SignedHeaders", secret_bytes(names) },
		{ "X-Amz-Security-Token",
		  key->token ? secret_bytes(key->token) : "" },
	};
	for (size_t i = 0; i < rq->n_query; i++)
		query[i] = rq->query[i];
	for (size_t i = 0; i < (key->token ? 6u : 5u); i++)
		query[full.n_query++] = own[i];
	full.query = query;
	s = sign_request(key, scope, stamp, scope_text, &full, hex, why);
	if (s == STATUS_OK)
		s = finish_query(query, full.n_query, hex, ret_query, why);
	secret_free(names);
	return s;
}
