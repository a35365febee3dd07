/* SPDX-License-Identifier: PostgreSQL */
/* The links of AWS's chain.  Must never go on to the next link when one that is
 * configured fails: another identity would be used than the one that was meant. */
#include "aws/aws_providers.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "aws/aws_environment.h"
#include "aws/aws_metadata.h"
#include "aws/aws_process.h"
#include "aws/aws_sts.h"
#include "base/text.h"
#include "json/json_doc.h"

#define VALUE_SIZE	2048
#define ROLES_MAX	5 /* source_profile of source_profile ... */
#define IDENTITY_MAX	20000
#define SESSION		"keyturn"
#define PROCESS_TIMEOUT (30 * NOW_SECOND)

/* --- the links ------------------------------------------------------------- */

/* What a link is asked for; depth counts the roles on the way. */
struct question {
	struct aws_providers *c;
	const char *profile;
	int depth;
};

/* STATUS_NOT_FOUND from a link: it is not configured, ask the next one. */
typedef enum status link_fn(const struct question *q, struct aws_key *ret,
			    struct reason *why);

static bool has_setting(const struct question *q, const char *key)
{
	char unused[VALUE_SIZE];

	return aws_profile_text(q->c->files, q->profile, key, unused,
				sizeof(unused));
}

/* The profile's setting in buf, or else what is usual. */
static const char *setting_or(const struct question *q, const char *key,
			      char *buf, size_t size, const char *usual)
{
	return aws_profile_text(q->c->files, q->profile, key, buf, size) ?
		       buf :
		       usual;
}

static enum status from_text(const char *text, struct secret **ret)
{
	return text ? secret_from(text, strlen(text), ret) : STATUS_OK;
}

static enum status from_environment(const struct question *q,
				    struct aws_key *ret, struct reason *why)
{
	const char *id_text = aws_environment_get("AWS_ACCESS_KEY_ID");
	const char *secret_text = aws_environment_get("AWS_SECRET_ACCESS_KEY");
	const char *ends = aws_environment_get("AWS_CREDENTIAL_EXPIRATION");
	struct secret *id = NULL, *secret = NULL, *token = NULL;
	enum status s;

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
		s = aws_key_make("the environment", id, secret, token, ends,
				 ret, why);
	} else {
		secret_free(secret);
		secret_free(token);
		reason_set(why, s, "no locked memory for a secret");
	}
	secret_free(id);
	/* No one renews it for a process that runs. */
	if (s == STATUS_OK && ret->expires_us &&
	    ret->expires_us <= now_wall(q->c->wire->now)) {
		aws_key_clear(ret);
		s = reason_set(why, STATUS_CONFIG,
			       "the AWS key of the environment has ended "
			       "(AWS_CREDENTIAL_EXPIRATION %s)",
			       ends);
	}
	return s;
}

static enum status from_file(const struct question *q, enum store_aws_file file,
			     struct aws_key *ret, struct reason *why)
{
	const struct aws_profile *f = q->c->files;
	struct secret *id = NULL, *secret = NULL, *token = NULL;
	char origin[AWS_PROVIDERS_PROFILE_SIZE + 32];
	enum status s;

	s = aws_profile_secret(f, file, q->profile, "aws_access_key_id", &id,
			       why);
	if (s != STATUS_OK)
		return s;
	s = aws_profile_secret(f, file, q->profile, "aws_secret_access_key",
			       &secret, why);
	if (s == STATUS_OK || s == STATUS_NOT_FOUND)
		s = aws_profile_secret(f, file, q->profile, "aws_session_token",
				       &token, why);
	snprintf(origin, sizeof(origin), "the AWS profile %s", q->profile);
	if (s == STATUS_OK || s == STATUS_NOT_FOUND)
		s = aws_key_make(origin, id, secret, token, NULL, ret, why);
	else
		secret_free(secret);
	secret_free(id);
	return s;
}

static enum status from_credentials_file(const struct question *q,
					 struct aws_key *ret,
					 struct reason *why)
{
	return from_file(q, AWS_FILE_CREDENTIALS, ret, why);
}

static enum status from_config_file(const struct question *q,
				    struct aws_key *ret, struct reason *why)
{
	return from_file(q, AWS_FILE_CONFIG, ret, why);
}

/* Version must be 1: another one means something that we do not know. */
static enum status parse_process(const struct secret *output,
				 struct aws_key *ret, struct reason *why)
{
	struct json_doc *d = NULL;
	int64_t version = 0;
	bool first;

	if (json_doc_parse(secret_bytes(output), secret_len(output), "", &d,
			   NULL) != STATUS_OK)
		return reason_set(why, STATUS_CONFIG,
				  "credential_process gives no JSON object");
	first = json_doc_int(json_doc_get(d, "Version"), &version) &&
		version == 1;
	json_doc_free(d);
	if (!first)
		return reason_set(why, STATUS_CONFIG,
				  "credential_process does not give what AWS "
				  "calls Version 1");
	return aws_metadata_parse(secret_bytes(output), secret_len(output),
				  "credential_process", "SessionToken", ret,
				  why);
}

static enum status from_process(const struct question *q, struct aws_key *ret,
				struct reason *why)
{
	char command[VALUE_SIZE];
	struct secret *output = NULL;
	enum status s;

	if (!setting_or(q, "credential_process", command, sizeof(command),
			NULL))
		return STATUS_NOT_FOUND;
	s = aws_process_run(command, PROCESS_TIMEOUT, q->c->wire->now, &output,
			    why);
	if (s == STATUS_OK)
		s = parse_process(output, ret, why);
	secret_free(output);
	return s == STATUS_NOT_FOUND ? STATUS_CONFIG : s;
}

static enum status from_container(const struct question *q, struct aws_key *ret,
				  struct reason *why)
{
	if (!aws_metadata_has_container())
		return STATUS_NOT_FOUND;
	return aws_metadata_container(q->c->wire, ret, why);
}

static enum status from_instance(const struct question *q, struct aws_key *ret,
				 struct reason *why)
{
	return aws_metadata_instance(q->c->wire, q->c->files, q->profile, ret,
				     why);
}

/* --- roles ----------------------------------------------------------------- */

static enum status find_sts(struct aws_providers *c, struct aws_endpoint *ret,
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

/* The token file is read again at each renewal: Kubernetes replaces it. */
static enum status from_identity(const struct question *q, struct aws_key *ret,
				 struct reason *why)
{
	char file_set[VALUE_SIZE], arn_set[VALUE_SIZE], name_set[128];
	const char *file = aws_environment_get("AWS_WEB_IDENTITY_TOKEN_FILE");
	const char *arn = aws_environment_get("AWS_ROLE_ARN");
	const char *name = aws_environment_get("AWS_ROLE_SESSION_NAME");
	struct secret *token = NULL;
	struct aws_endpoint sts;
	enum status s;

	if (!file || !arn || q->c->explicit) {
		file = setting_or(q, "web_identity_token_file", file_set,
				  sizeof(file_set), NULL);
		arn = setting_or(q, "role_arn", arn_set, sizeof(arn_set), NULL);
		name = setting_or(q, "role_session_name", name_set,
				  sizeof(name_set), NULL);
	}
	if (!file)
		return STATUS_NOT_FOUND;
	if (!arn)
		return reason_set(why, STATUS_CONFIG,
				  "a web identity needs a token file and a "
				  "role_arn");
	s = find_sts(q->c, &sts, why);
	if (s == STATUS_OK)
		s = read_identity(file, &token, why);
	const struct aws_sts_request rq = {
		.to = &sts,
		.region = q->c->region,
		.identity = token,
		.arn = arn,
		.session = name ? name : SESSION,
	};
	if (s == STATUS_OK)
		s = aws_sts_assume(q->c->wire, &rq, ret, why);
	secret_free(token);
	return s == STATUS_NOT_FOUND ? STATUS_CONFIG : s;
}

/* What others get from IAM Identity Center or a sign-in is asked for there; to
 * go on would be another identity. */
static enum status refuse_elsewhere(const char *profile, const char *how,
				    struct reason *why)
{
	return reason_set(why, STATUS_CONFIG,
			  "AWS profile %s gets its credentials by %s, which "
			  "works only through another profile with "
			  "credential_process = aws configure "
			  "export-credentials --profile %s --format process",
			  profile, how, profile);
}

static enum status from_sso(const struct question *q, struct aws_key *ret,
			    struct reason *why)
{
	(void)ret;
	if (!has_setting(q, "sso_account_id") &&
	    !has_setting(q, "sso_role_name"))
		return STATUS_NOT_FOUND;
	return refuse_elsewhere(q->profile, "IAM Identity Center (sso_...)",
				why);
}

static enum status from_login(const struct question *q, struct aws_key *ret,
			      struct reason *why)
{
	(void)ret;
	if (!has_setting(q, "login_session"))
		return STATUS_NOT_FOUND;
	return refuse_elsewhere(q->profile, "aws login (login_session)", why);
}

/* Behind the links of a profile: one that was named is the only one asked. */
static enum status from_no_other(const struct question *q, struct aws_key *ret,
				 struct reason *why)
{
	(void)ret;
	if (!q->c->named)
		return STATUS_NOT_FOUND;
	return reason_set(why, STATUS_CONFIG,
			  "AWS profile %s, which was named, has no credentials "
			  "in ~/.aws/config or ~/.aws/credentials; no other "
			  "identity is used in its place: complete it, or name "
			  "no profile (profile, AWS_PROFILE)",
			  q->profile);
}

static link_fn from_role;

/* The links of a profile begin at ROLE, those of its own keys at OWN. */
enum { ROLE = 0, OWN = 2, BEHIND = 7 };
static link_fn *const links[] = {
	from_role,	from_identity, from_sso,	 from_credentials_file,
	from_login,	from_process,  from_config_file, from_no_other,
	from_container, from_instance,
};
#define N_LINKS (sizeof(links) / sizeof(links[0]))

static enum status try_links(const struct question *q, size_t from, size_t to,
			     struct aws_key *ret, struct reason *why)
{
	enum status s = STATUS_NOT_FOUND;

	for (; from < to && s == STATUS_NOT_FOUND; from++)
		s = links[from](q, ret, why);
	return s;
}

static enum status source_key(const struct question *q, const char *source,
			      const char *from, struct aws_key *ret,
			      struct reason *why)
{
	const struct question next = { q->c, source, q->depth + 1 };
	struct reason said = { "" };
	enum status s;

	if (strcmp(from, "Environment") == 0)
		s = from_environment(q, ret, why);
	else if (strcmp(from, "EcsContainer") == 0)
		s = from_container(q, ret, why);
	else if (strcmp(from, "Ec2InstanceMetadata") == 0)
		s = from_instance(q, ret, &said);
	else if (*from)
		return reason_set(why, STATUS_CONFIG,
				  "AWS profile %s: credential_source must be "
				  "Environment, EcsContainer or "
				  "Ec2InstanceMetadata",
				  q->profile);
	else if (q->depth >= ROLES_MAX)
		return reason_set(why, STATUS_CONFIG,
				  "AWS profile %s: more than %d roles on the "
				  "way, or a circle of source_profile",
				  q->profile, ROLES_MAX);
	else
		/* A profile that names itself means its own keys. */
		s = try_links(&next,
			      strcmp(source, q->profile) == 0 ? OWN : ROLE,
			      BEHIND, ret, why);
	if (s == STATUS_NOT_FOUND)
		s = reason_set(why, STATUS_CONFIG,
			       "AWS profile %s: its source %s has no "
			       "credentials%s%s",
			       q->profile, *from ? from : source,
			       said.text[0] ? ": " : "", said.text);
	else if (s != STATUS_OK && said.text[0])
		reason_set(why, s, "%s", said.text);
	return s;
}

static enum status from_role(const struct question *q, struct aws_key *ret,
			     struct reason *why)
{
	char arn[VALUE_SIZE], source[AWS_PROVIDERS_PROFILE_SIZE], from[32];
	char external[VALUE_SIZE], name[128], duration[16];
	struct aws_key key = { .id = "" };
	struct aws_endpoint sts;
	enum status s;

	if (!setting_or(q, "role_arn", arn, sizeof(arn), NULL) ||
	    has_setting(q, "web_identity_token_file"))
		return STATUS_NOT_FOUND;
	if (has_setting(q, "mfa_serial"))
		return reason_set(why, STATUS_CONFIG,
				  "AWS profile %s: its role asks for a "
				  "person's one-time code (mfa_serial), which "
				  "keyturn cannot give; use a role that does "
				  "not, or credential_process",
				  q->profile);
	setting_or(q, "source_profile", source, sizeof(source), NULL);
	setting_or(q, "credential_source", from, sizeof(from), NULL);
	if (!*source == !*from)
		return reason_set(why, STATUS_CONFIG,
				  "AWS profile %s: role_arn needs a "
				  "source_profile or a credential_source, and "
				  "not both",
				  q->profile);
	const struct aws_sts_request rq = {
		.to = &sts,
		.region = q->c->region,
		.key = &key,
		.arn = arn,
		.session = setting_or(q, "role_session_name", name,
				      sizeof(name), SESSION),
		.external_id = setting_or(q, "external_id", external,
					  sizeof(external), NULL),
		.duration = setting_or(q, "duration_seconds", duration,
				       sizeof(duration), NULL),
	};
	s = find_sts(q->c, &sts, why);
	if (s == STATUS_OK)
		s = source_key(q, source, from, &key, why);
	if (s == STATUS_OK)
		s = aws_sts_assume(q->c->wire, &rq, ret, why);
	aws_key_clear(&key);
	return s;
}

/* --- the chain ------------------------------------------------------------- */

enum status aws_providers_obtain(struct aws_providers *c, struct aws_key *ret,
				 struct reason *why)
{
	const struct question q = { c, c->profile, 0 };
	struct reason said = { "" };
	enum status s = STATUS_NOT_FOUND;

	if (!c->explicit)
		s = from_environment(&q, ret, &said);
	if (s == STATUS_NOT_FOUND)
		s = try_links(&q, ROLE, N_LINKS, ret, &said);
	/* The instance is the last that was asked. */
	if (s == STATUS_NOT_FOUND)
		return reason_set(why, STATUS_CONFIG,
				  "there are no AWS credentials: none in the "
				  "environment, in profile %s or from a "
				  "container, nor from the instance: %s",
				  c->profile, said.text);
	return s == STATUS_OK ? s : reason_set(why, s, "%s", said.text);
}
