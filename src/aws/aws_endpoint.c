/* SPDX-License-Identifier: PostgreSQL */
/* Addresses of AWS.  Must never let a name out of a file or a variable become
 * anything but a host. */
#include "aws/aws_endpoint.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "aws/aws_environment.h"
#include "base/text.h"
#include "http/http.h"

/* Does Secrets Manager have IPv6 at its usual name, and no other for it? */
enum usual { USUAL_IS_FOUR, USUAL_IS_DUAL, USUAL_IS_DUAL_BUT_FIPS };

/* By the beginning of the region's name; the last one fits all.  From botocore's
 * partitions and endpoint rules, which the tests compare with. */
static const struct {
	const char *prefix;
	const char *suffix;
	const char *dual;
	enum usual usual;
} partitions[] = {
	{ "cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn",
	  USUAL_IS_DUAL_BUT_FIPS },
	{ "eusc-", "amazonaws.eu", "api.amazonwebservices.eu", USUAL_IS_FOUR },
	{ "us-isob-", "sc2s.sgov.gov", "api.aws.scloud", USUAL_IS_FOUR },
	{ "us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov", USUAL_IS_FOUR },
	{ "us-iso-", "c2s.ic.gov", "api.aws.ic.gov", USUAL_IS_FOUR },
	{ "eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk",
	  USUAL_IS_FOUR },
	{ "", "amazonaws.com", "api.aws", USUAL_IS_DUAL },
};

enum status aws_endpoint_check_region(const char *region, struct reason *why)
{
	size_t n = strlen(region);

	if (n >= 2 && n < AWS_REGION_SIZE &&
	    strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-") == n &&
	    region[0] != '-' && region[n - 1] != '-')
		return STATUS_OK;
	return reason_set(why, STATUS_CONFIG,
			  "\"%s\" is not an AWS region; they look like "
			  "eu-central-1",
			  region);
}

/* STS in GovCloud is FIPS at its usual name. */
static const char *fips_part(const struct aws_endpoint_query *q)
{
	if (!q->fips || (strcmp(q->service, "sts") == 0 && !q->dualstack &&
			 strncmp(q->region, "us-gov-", 7) == 0))
		return "";
	return "-fips";
}

static void make_name(const struct aws_endpoint_query *q,
		      struct aws_endpoint *ret)
{
	bool dual = q->dualstack;
	size_t i = 0;

	while (strncmp(q->region, partitions[i].prefix,
		       strlen(partitions[i].prefix)) != 0)
		i++;
	if (strcmp(q->service, "secretsmanager") == 0 &&
	    (partitions[i].usual == USUAL_IS_DUAL ||
	     (partitions[i].usual == USUAL_IS_DUAL_BUT_FIPS && !q->fips)))
		dual = false;
	snprintf(ret->host, sizeof(ret->host), "%s%s.%s.%s", q->service,
		 fips_part(q), q->region,
		 dual ? partitions[i].dual : partitions[i].suffix);
	snprintf(ret->url, sizeof(ret->url), "https://%.*s/",
		 (int)sizeof(ret->url) - 16, ret->host);
}

static enum status take_address(const char *url, const char *origin,
				struct aws_endpoint *ret, struct reason *why)
{
	struct http_url u;
	enum status s = http_url_parse(url, &u, why);
	bool usual, six;

	if (s != STATUS_OK)
		return reason_wrap(why, s, "%s", origin);
	if (strcmp(u.path, "/") != 0 && u.path[0])
		return reason_set(why, STATUS_CONFIG,
				  "%s: an endpoint of AWS has no path", origin);
	if (!u.tls && !http_url_is_loopback(&u))
		return reason_set(why, STATUS_CONFIG,
				  "%s: http is for loopback only: use https",
				  origin);
	usual = u.port == (u.tls ? 443u : 80u);
	six = strchr(u.host, ':') != NULL;
	if (usual)
		snprintf(ret->host, sizeof(ret->host), six ? "[%s]" : "%s",
			 u.host);
	else
		snprintf(ret->host, sizeof(ret->host),
			 six ? "[%s]:%u" : "%s:%u", u.host, u.port);
	snprintf(ret->url, sizeof(ret->url), "%s://%.*s/",
		 u.tls ? "https" : "http", (int)sizeof(ret->url) - 16,
		 ret->host);
	return STATUS_OK;
}

/* An address that somebody configured, and where; false when no one did. */
static bool find_override(const struct aws_endpoint_query *q,
			  const struct aws_profile *files, const char *profile,
			  char url[AWS_ENDPOINT_SIZE], const char **ret_origin)
{
	char services[128];
	const char *set = q->given;

	*ret_origin = "endpoint";
	if (!set || !*set) {
		if (aws_environment_is_true(
			    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"))
			return false;
		set = aws_environment_get(*ret_origin = q->variable);
	}
	if (!set)
		set = aws_environment_get(*ret_origin = "AWS_ENDPOINT_URL");
	/* One that is too long is cut, and then it is no address. */
	if (set) {
		snprintf(url, AWS_ENDPOINT_SIZE, "%s", set);
		return true;
	}
	*ret_origin = "endpoint_url of the AWS profile";
	return (aws_profile_text(files, profile, "services", services,
				 sizeof(services)) &&
		aws_profile_service(files, services, q->section, "endpoint_url",
				    url, AWS_ENDPOINT_SIZE)) ||
	       aws_profile_text(files, profile, "endpoint_url", url,
				AWS_ENDPOINT_SIZE);
}

static bool is_wanted(bool set, const char *variable, const char *key,
		      const struct aws_profile *files, const char *profile)
{
	char value[16];

	if (set || aws_environment_get(variable))
		return set || aws_environment_is_true(variable);
	return aws_profile_text(files, profile, key, value, sizeof(value)) &&
	       strcasecmp(value, "true") == 0;
}

enum status aws_endpoint_find(const struct aws_endpoint_query *given,
			      const struct aws_profile *files,
			      const char *profile, struct aws_endpoint *ret,
			      struct reason *why)
{
	struct aws_endpoint_query q = *given;
	char url[AWS_ENDPOINT_SIZE];
	const char *origin;

	q.fips = is_wanted(q.fips, "AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint",
			   files, profile);
	q.dualstack = is_wanted(q.dualstack, "AWS_USE_DUALSTACK_ENDPOINT",
				"use_dualstack_endpoint", files, profile);
	if (!find_override(&q, files, profile, url, &origin)) {
		make_name(&q, ret);
		return STATUS_OK;
	}
	if (q.fips || q.dualstack)
		return reason_set(why, STATUS_CONFIG,
				  "%s: an address of its own and %s exclude "
				  "each other",
				  origin, q.fips ? "fips" : "dualstack");
	return take_address(url, origin, ret, why);
}
