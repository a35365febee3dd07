/* SPDX-License-Identifier: PostgreSQL */
/* The chain, and the key it gave as long as that is good.  Must never go on to
 * the next link when one that is configured fails: another identity would be
 * used than the one that was meant. */
#include "aws/aws_credentials.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aws/aws_environment.h"
#include "aws/aws_metadata.h"
#include "aws/aws_process.h"
#include "aws/aws_sts.h"
#include "base/text.h"
#include "json/doc.h"

#define PROFILE_SIZE 128
#define VALUE_SIZE   2048
#define ROLES_MAX    5 /* source_profile of source_profile ... */
#define IDENTITY_MAX 20000
/* Renewed so long before it ends, or after three quarters of a shorter life. */
#define RENEW_BEFORE (15 * 60 * NOW_SECOND)
/* A failed renewal is not tried again at once while the old key is good. */
#define RENEW_PAUSE	(60 * NOW_SECOND)
#define PROCESS_TIMEOUT (30 * NOW_SECOND)

struct aws_credentials {
	struct aws_call_wire *wire;
	struct aws_profile *files;
	char profile[PROFILE_SIZE];
	bool explicit; /* named in keyturn's own configuration */
	const char *region;
	bool fips;
	bool dualstack;
	pthread_mutex_t lock; /* over what follows, also while renewing */
	struct aws_key key;
	bool have;
	int64_t renew_us; /* wall clock; 0: never */
};

/* --- the links ------------------------------------------------------------- */

/* STATUS_NOT_FOUND from a link: it is not configured, ask the next one. */
typedef enum status link_fn(struct aws_credentials *c, const char *profile,
			    int depth, struct aws_key *ret, struct reason *why);

static enum status from_text(const char *text, struct secret **ret)
{
	enum status s;

	if (!text)
		return STATUS_OK;
	s = secret_new(strlen(text), ret);
	return s == STATUS_OK ? secret_set(*ret, text, strlen(text)) : s;
}

static enum status from_environment(struct aws_credentials *c,
				    const char *profile, int depth,
				    struct aws_key *ret, struct reason *why)
{
	const char *id_text = aws_environment_get("AWS_ACCESS_KEY_ID");
	const char *secret_text = aws_environment_get("AWS_SECRET_ACCESS_KEY");
	struct secret *id = NULL, *secret = NULL, *token = NULL;
	enum status s;

	(void)c, (void)profile, (void)depth;
	if (!id_text)
		return STATUS_NOT_FOUND;
	if (!secret_text)
		return reason_set(why, STATUS_CONFIG,
				  "AWS_ACCESS_KEY_ID is set and "
				  "AWS_SECRET_ACCESS_KEY is not");
	s = from_text(id_text, &id);
	if (s == STATUS_OK)
		s = from_text(secret_text, &secret);
	if (s == STATUS_OK)
		s = from_text(aws_environment_get("AWS_SESSION_TOKEN"), &token);
	if (s == STATUS_OK) {
		s = aws_key_make("the environment", id, secret, token, NULL,
				 ret, why);
	} else {
		secret_free(secret);
		secret_free(token);
		reason_set(why, s, "no locked memory for a secret");
	}
	secret_free(id);
	return s;
}

static enum status from_file(struct aws_credentials *c,
			     enum store_aws_file file, const char *profile,
			     struct aws_key *ret, struct reason *why)
{
	struct secret *id = NULL, *secret = NULL, *token = NULL;
	char origin[PROFILE_SIZE + 32];
	enum status s;

	s = aws_profile_secret(c->files, file, profile, "aws_access_key_id",
			       &id, why);
	if (s != STATUS_OK)
		return s;
	s = aws_profile_secret(c->files, file, profile, "aws_secret_access_key",
			       &secret, why);
	if (s == STATUS_OK || s == STATUS_NOT_FOUND)
		s = aws_profile_secret(c->files, file, profile,
				       "aws_session_token", &token, why);
	snprintf(origin, sizeof(origin), "the AWS profile %s", profile);
	if (s == STATUS_OK || s == STATUS_NOT_FOUND)
		s = aws_key_make(origin, id, secret, token, NULL, ret, why);
	else
		secret_free(secret);
	secret_free(id);
	return s;
}

static enum status from_credentials_file(struct aws_credentials *c,
					 const char *profile, int depth,
					 struct aws_key *ret,
					 struct reason *why)
{
	(void)depth;
	return from_file(c, STORE_AWS_FILE_CREDENTIALS, profile, ret, why);
}

static enum status from_config_file(struct aws_credentials *c,
				    const char *profile, int depth,
				    struct aws_key *ret, struct reason *why)
{
	(void)depth;
	return from_file(c, STORE_AWS_FILE_CONFIG, profile, ret, why);
}

/* Version must be 1: another one means something that we do not know. */
static enum status parse_process(const struct secret *output,
				 struct aws_key *ret, struct reason *why)
{
	struct doc *d = NULL;
	int64_t version = 0;
	bool first;

	if (doc_parse(secret_bytes(output), secret_len(output), "", &d, NULL) !=
	    STATUS_OK)
		return reason_set(why, STATUS_CONFIG,
				  "credential_process gives no JSON object");
	first = doc_int(doc_get(d, "Version"), &version) && version == 1;
	doc_free(d);
	if (!first)
		return reason_set(why, STATUS_CONFIG,
				  "credential_process does not give what AWS "
				  "calls Version 1");
	return aws_metadata_parse(secret_bytes(output), secret_len(output),
				  "credential_process", "SessionToken", ret,
				  why);
}

static enum status from_process(struct aws_credentials *c, const char *profile,
				int depth, struct aws_key *ret,
				struct reason *why)
{
	char command[VALUE_SIZE];
	struct secret *output = NULL;
	enum status s;

	(void)depth;
	if (!aws_profile_text(c->files, profile, "credential_process", command,
			      sizeof(command)))
		return STATUS_NOT_FOUND;
	s = aws_process_run(command, PROCESS_TIMEOUT, c->wire->now, &output,
			    why);
	if (s == STATUS_OK)
		s = parse_process(output, ret, why);
	secret_free(output);
	return s == STATUS_NOT_FOUND ? STATUS_CONFIG : s;
}

static enum status from_container(struct aws_credentials *c,
				  const char *profile, int depth,
				  struct aws_key *ret, struct reason *why)
{
	(void)profile, (void)depth;
	if (!aws_metadata_has_container())
		return STATUS_NOT_FOUND;
	return aws_metadata_container(c->wire, ret, why);
}

static enum status from_instance(struct aws_credentials *c, const char *profile,
				 int depth, struct aws_key *ret,
				 struct reason *why)
{
	(void)profile, (void)depth;
	return aws_metadata_instance(c->wire, ret, why);
}

/* --- roles ----------------------------------------------------------------- */

static enum status find_sts(struct aws_credentials *c, struct aws_endpoint *ret,
			    struct reason *why)
{
	const struct aws_endpoint_query q = {
		.service = "sts",
		.variable = "AWS_ENDPOINT_URL_STS",
		.section = "sts",
		.region = c->region,
		.fips = c->fips,
		.dualstack = c->dualstack,
	};

	if (!c->region)
		return reason_set(why, STATUS_CONFIG,
				  "a role needs a region for AWS STS");
	return aws_endpoint_find(&q, c->files, c->profile, ret, why);
}

static enum status read_identity(const char *path, struct secret **ret,
				 struct reason *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	enum status s = STATUS_CONFIG;

	if (fd >= 0) {
		s = secret_read_fd(fd, IDENTITY_MAX, ret);
		close(fd);
	}
	if (s == STATUS_OK && secret_len(*ret) > 0)
		return s;
	return reason_set(why, STATUS_CONFIG,
			  "the web identity token file %s is empty or cannot "
			  "be read",
			  path);
}

/* The token file is read anew at each renewal: Kubernetes replaces it. */
static enum status from_identity(struct aws_credentials *c, const char *profile,
				 int depth, struct aws_key *ret,
				 struct reason *why)
{
	char file[VALUE_SIZE] = "", arn[VALUE_SIZE] = "", name[128] = "keyturn";
	const char *file_set, *arn_set, *name_set;
	struct secret *token = NULL;
	struct aws_endpoint sts;
	enum status s;

	(void)depth;
	file_set = aws_environment_get("AWS_WEB_IDENTITY_TOKEN_FILE");
	arn_set = aws_environment_get("AWS_ROLE_ARN");
	name_set = aws_environment_get("AWS_ROLE_SESSION_NAME");
	if (file_set && arn_set && !c->explicit) {
		text_copy(file, sizeof(file), file_set);
		text_copy(arn, sizeof(arn), arn_set);
		if (name_set)
			text_copy(name, sizeof(name), name_set);
	} else if (aws_profile_text(c->files, profile,
				    "web_identity_token_file", file,
				    sizeof(file))) {
		aws_profile_text(c->files, profile, "role_arn", arn,
				 sizeof(arn));
		if (!aws_profile_text(c->files, profile, "role_session_name",
				      name, sizeof(name)))
			text_copy(name, sizeof(name), "keyturn");
	} else {
		return STATUS_NOT_FOUND;
	}
	if (!*file || !*arn)
		return reason_set(why, STATUS_CONFIG,
				  "a web identity needs a token file and a "
				  "role_arn");
	const struct aws_sts_role role = { .arn = arn, .session = name };

	s = find_sts(c, &sts, why);
	if (s == STATUS_OK)
		s = read_identity(file, &token, why);
	if (s == STATUS_OK)
		s = aws_sts_assume(c->wire, &sts, c->region, &role, NULL, token,
				   ret, why);
	secret_free(token);
	return s == STATUS_NOT_FOUND ? STATUS_CONFIG : s;
}

static link_fn from_role;

static enum status try_links(struct aws_credentials *c, link_fn *const *links,
			     const char *profile, int depth,
			     struct aws_key *ret, struct reason *why)
{
	enum status s = STATUS_NOT_FOUND;

	for (; *links && s == STATUS_NOT_FOUND; links++)
		s = (*links)(c, profile, depth, ret, why);
	return s;
}

static enum status source_key(struct aws_credentials *c, const char *profile,
			      const char *source, const char *from, int depth,
			      struct aws_key *ret, struct reason *why)
{
	static link_fn *const own[] = { from_credentials_file, from_process,
					from_config_file, NULL };
	static link_fn *const all[] = {
		from_role,    from_identity,	from_credentials_file,
		from_process, from_config_file, NULL
	};
	enum status s;

	if (strcmp(from, "Environment") == 0)
		s = from_environment(c, profile, depth, ret, why);
	else if (strcmp(from, "EcsContainer") == 0)
		s = from_container(c, profile, depth, ret, why);
	else if (strcmp(from, "Ec2InstanceMetadata") == 0)
		s = from_instance(c, profile, depth, ret, why);
	else if (*from)
		return reason_set(why, STATUS_CONFIG,
				  "AWS profile %s: credential_source is none "
				  "of Environment, EcsContainer, "
				  "Ec2InstanceMetadata",
				  profile);
	else if (depth >= ROLES_MAX)
		return reason_set(why, STATUS_CONFIG,
				  "AWS profile %s: more than %d roles on the "
				  "way, or a circle of source_profile",
				  profile, ROLES_MAX);
	else
		/* A profile that names itself means its own keys. */
		s = try_links(c, strcmp(source, profile) == 0 ? own : all,
			      source, depth + 1, ret, why);
	if (s == STATUS_NOT_FOUND)
		s = reason_set(why, STATUS_CONFIG,
			       "AWS profile %s: its source %s has no "
			       "credentials",
			       profile, *from ? from : source);
	return s;
}

static enum status from_role(struct aws_credentials *c, const char *profile,
			     int depth, struct aws_key *ret, struct reason *why)
{
	char arn[VALUE_SIZE], source[PROFILE_SIZE], from[32],
		unused[VALUE_SIZE];
	char external[VALUE_SIZE], name[128], duration[16];
	const struct aws_profile *f = c->files;
	struct aws_key key = { .id = "" };
	struct aws_endpoint sts;
	enum status s;

	if (!aws_profile_text(f, profile, "role_arn", arn, sizeof(arn)) ||
	    aws_profile_text(f, profile, "web_identity_token_file", unused,
			     sizeof(unused)))
		return STATUS_NOT_FOUND;
	aws_profile_text(f, profile, "source_profile", source, sizeof(source));
	aws_profile_text(f, profile, "credential_source", from, sizeof(from));
	if (!*source == !*from)
		return reason_set(why, STATUS_CONFIG,
				  "AWS profile %s: role_arn needs a "
				  "source_profile or a credential_source, and "
				  "not both",
				  profile);
	if (!aws_profile_text(f, profile, "role_session_name", name,
			      sizeof(name)))
		text_copy(name, sizeof(name), "keyturn");
	const struct aws_sts_role role = {
		.arn = arn,
		.session = name,
		.external_id = aws_profile_text(f, profile, "external_id",
						external, sizeof(external)) ?
				       external :
				       NULL,
		.duration = aws_profile_text(f, profile, "duration_seconds",
					     duration, sizeof(duration)) ?
				    duration :
				    NULL,
	};
	s = find_sts(c, &sts, why);
	if (s == STATUS_OK)
		s = source_key(c, profile, source, from, depth, &key, why);
	if (s == STATUS_OK)
		s = aws_sts_assume(c->wire, &sts, c->region, &role, &key, NULL,
				   ret, why);
	aws_key_clear(&key);
	return s;
}

/* --- opening --------------------------------------------------------------- */

static enum status choose_profile(struct aws_credentials *c, const char *given,
				  struct reason *why)
{
	const char *name = given;

	c->explicit = given && *given;
	if (!c->explicit)
		name = aws_environment_get("AWS_PROFILE");
	if (!name || !*name)
		name = aws_environment_get("AWS_DEFAULT_PROFILE");
	if (!name || !*name)
		name = "default";
	if (text_copy(c->profile, sizeof(c->profile), name) != STATUS_OK)
		return reason_set(why, STATUS_CONFIG,
				  "the name of the AWS profile is too long");
	if (strcmp(name, "default") != 0 && !aws_profile_exists(c->files, name))
		return reason_set(why, STATUS_CONFIG,
				  "there is no AWS profile %s in ~/.aws/config "
				  "or ~/.aws/credentials",
				  name);
	return STATUS_OK;
}

enum status aws_credentials_new(const struct aws_credentials_options *o,
				struct aws_credentials **ret,
				struct reason *why)
{
	struct aws_credentials *c = calloc(1, sizeof(*c));
	enum status s;

	if (!c)
		return reason_set(why, STATUS_NO_MEMORY, "out of memory");
	pthread_mutex_init(&c->lock, NULL);
	c->wire = o->wire;
	c->region = o->region;
	c->fips = o->fips;
	c->dualstack = o->dualstack;
	s = aws_profile_read(&c->files, why);
	if (s == STATUS_OK)
		s = choose_profile(c, o->profile, why);
	if (s == STATUS_OK)
		*ret = c;
	else
		aws_credentials_free(c);
	return s;
}

void aws_credentials_free(struct aws_credentials *c)
{
	if (!c)
		return;
	aws_key_clear(&c->key);
	aws_profile_free(c->files);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

const struct aws_profile *aws_credentials_files(const struct aws_credentials *c)
{
	return c->files;
}

const char *aws_credentials_profile(const struct aws_credentials *c)
{
	return c->profile;
}

void aws_credentials_set_region(struct aws_credentials *c, const char *region)
{
	c->region = region;
}

enum status aws_credentials_region(struct aws_credentials *c,
				   char region[AWS_REGION_SIZE],
				   struct reason *why)
{
	const char *set = aws_environment_get("AWS_REGION");

	if (!set)
		set = aws_environment_get("AWS_DEFAULT_REGION");
	if (set) {
		if (text_copy(region, AWS_REGION_SIZE, set) == STATUS_OK)
			return STATUS_OK;
	} else if (aws_profile_text(c->files, c->profile, "region", region,
				    AWS_REGION_SIZE) ||
		   aws_metadata_region(c->wire, region, NULL) == STATUS_OK) {
		return STATUS_OK;
	}
	return reason_set(why, STATUS_CONFIG,
			  "the AWS region is not known: set region, or "
			  "AWS_REGION");
}

/* --- keeping --------------------------------------------------------------- */

static enum status obtain(struct aws_credentials *c, struct aws_key *ret,
			  struct reason *why)
{
	static link_fn *const links[] = { from_role,
					  from_identity,
					  from_credentials_file,
					  from_process,
					  from_config_file,
					  from_container,
					  from_instance,
					  NULL };
	enum status s = STATUS_NOT_FOUND;

	if (!c->explicit)
		s = from_environment(c, c->profile, 0, ret, why);
	if (s == STATUS_NOT_FOUND)
		s = try_links(c, links, c->profile, 0, ret, why);
	if (s == STATUS_NOT_FOUND)
		s = reason_set(why, STATUS_CONFIG,
			       "there are no AWS credentials: none in the "
			       "environment, in profile %s, from a container "
			       "or from the instance",
			       c->profile);
	return s;
}

static void keep(struct aws_credentials *c, struct aws_key *k)
{
	int64_t now = aws_call_now(c->wire), life, before;

	aws_key_clear(&c->key);
	c->key = *k;
	c->have = true;
	c->renew_us = 0;
	if (k->expires_us == 0)
		return;
	life = k->expires_us - now;
	before = life / 4 < RENEW_BEFORE ? life / 4 : RENEW_BEFORE;
	c->renew_us = k->expires_us - before;
}

static enum status renew(struct aws_credentials *c, struct reason *why)
{
	struct aws_key made = { .id = "" };
	int64_t now = aws_call_now(c->wire);
	struct aws_profile *files = NULL;
	enum status s;

	/* The files may have been replaced by whoever renews what is in them. */
	if (c->have && aws_profile_read(&files, NULL) == STATUS_OK) {
		aws_profile_free(c->files);
		c->files = files;
	}
	s = obtain(c, &made, why);
	if (s == STATUS_OK && made.expires_us && made.expires_us <= now) {
		aws_key_clear(&made);
		s = reason_set(why, STATUS_CONFIG,
			       "the AWS credentials have expired already");
	}
	if (s == STATUS_OK) {
		keep(c, &made);
	} else if (c->have && c->key.expires_us > now) {
		c->renew_us = now + RENEW_PAUSE;
		s = STATUS_OK;
	}
	return s;
}

enum status aws_credentials_get(struct aws_credentials *c, struct aws_key *ret,
				struct reason *why)
{
	enum status s = STATUS_OK;
	int64_t now;

	pthread_mutex_lock(&c->lock);
	now = aws_call_now(c->wire);
	if (!c->have || (c->renew_us && now >= c->renew_us))
		s = renew(c, why);
	if (s == STATUS_OK)
		s = aws_key_copy(&c->key, ret, why);
	pthread_mutex_unlock(&c->lock);
	return s;
}

bool aws_credentials_refused(struct aws_credentials *c, const struct aws_key *k)
{
	bool again;

	pthread_mutex_lock(&c->lock);
	/* Another thread may have renewed it meanwhile. */
	again = !c->have || strcmp(c->key.id, k->id) != 0 ||
		c->key.expires_us != k->expires_us;
	if (!again &&
	    !(aws_environment_get("AWS_ACCESS_KEY_ID") && !c->explicit)) {
		c->renew_us = 1; /* long past */
		if (c->key.expires_us)
			c->key.expires_us = 1;
		again = true;
	}
	pthread_mutex_unlock(&c->lock);
	return again;
}
