/* SPDX-License-Identifier: PostgreSQL */
/* Addresses of AWS.  Must never let a name out of a file or a variable become
 * anything but a host. */
#include "aws/aws_endpoint.h"

#include <stdio.h>
#include <string.h>

#include "aws/aws_environment.h"
#include "base/text.h"
#include "http/http.h"

/* By the beginning of the region's name; the last one fits all. */
static const struct {
	const char *prefix;
	const char *suffix;
	const char *dual;
} partitions[] = {
	{ "cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn" },
	{ "eusc-", "amazonaws.eu", "api.amazonwebservices.eu" },
	{ "us-isob-", "sc2s.sgov.gov", NULL },
	{ "us-isof-", "csp.hci.ic.gov", NULL },
	{ "us-iso-", "c2s.ic.gov", NULL },
	{ "eu-isoe-", "cloud.adc-e.uk", NULL },
	{ "", "amazonaws.com", "api.aws" },
};

enum status aws_endpoint_check_region(const char *region, struct reason *why)
{
	size_t n = strlen(region);

	if (n >= 2 && n < AWS_REGION_SIZE &&
	    strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-") == n &&
	    region[0] != '-' && region[n - 1] != '-')
		return STATUS_OK;
	return reason_set(why, STATUS_CONFIG,
			  "\"%s\" is no AWS region; they look like "
			  "eu-central-1",
			  region);
}

static enum status make_name(const struct aws_endpoint_query *q,
			     struct aws_endpoint *ret, struct reason *why)
{
	size_t i = 0;

	while (strncmp(q->region, partitions[i].prefix,
		       strlen(partitions[i].prefix)) != 0)
		i++;
	if (q->dualstack && !partitions[i].dual)
		return reason_set(why, STATUS_CONFIG,
				  "region %s has no dual-stack names",
				  q->region);
	snprintf(ret->host, sizeof(ret->host), "%s%s.%s.%s", q->service,
		 q->fips ? "-fips" : "", q->region,
		 q->dualstack ? partitions[i].dual : partitions[i].suffix);
	snprintf(ret->url, sizeof(ret->url), "https://%.*s/",
		 (int)sizeof(ret->url) - 16, ret->host);
	return STATUS_OK;
}

static enum status take(const char *url, const char *origin,
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

enum status aws_endpoint_find(const struct aws_endpoint_query *q,
			      const struct aws_profile *files,
			      const char *profile, struct aws_endpoint *ret,
			      struct reason *why)
{
	char url[AWS_ENDPOINT_SIZE], services[128];
	const char *set;

	if (q->given && *q->given)
		return take(q->given, "endpoint", ret, why);
	if (aws_environment_is_true("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"))
		return make_name(q, ret, why);
	if ((set = aws_environment_get(q->variable)) != NULL)
		return take(set, q->variable, ret, why);
	if ((set = aws_environment_get("AWS_ENDPOINT_URL")) != NULL)
		return take(set, "AWS_ENDPOINT_URL", ret, why);
	if (aws_profile_text(files, profile, "services", services,
			     sizeof(services)) &&
	    aws_profile_service(files, services, q->section, "endpoint_url",
				url, sizeof(url)))
		return take(url, "endpoint_url of the AWS profile", ret, why);
	if (aws_profile_text(files, profile, "endpoint_url", url, sizeof(url)))
		return take(url, "endpoint_url of the AWS profile", ret, why);
	return make_name(q, ret, why);
}
