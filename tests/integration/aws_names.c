/* SPDX-License-Identifier: PostgreSQL */
/*
 * For tests: the host of a service of AWS, without any configuration.
 * Lines "SERVICE REGION FIPS DUALSTACK" (0 or 1) on standard input, one host for
 * each on standard output.
 */
#include <stdio.h>

#include "aws/aws_endpoint.h"

int main(void)
{
	struct aws_profile *files = NULL;
	char service[32], region[64];
	int fips, dual;

	if (aws_profile_read(&files, NULL) != STATUS_OK)
		return 1;
	while (scanf("%31s %63s %d %d", service, region, &fips, &dual) == 4) {
		const struct aws_endpoint_query q = {
			.service = service,
			.variable = "AWS_ENDPOINT_URL_TEST",
			.section = "test",
			.region = region,
			.fips = fips != 0,
			.dualstack = dual != 0,
		};
		struct aws_endpoint e;

		if (aws_endpoint_check_region(region, NULL) != STATUS_OK ||
		    aws_endpoint_find(&q, files, "default", &e, NULL) !=
			    STATUS_OK)
			return 2;
		printf("%s\n", e.host);
	}
	aws_profile_free(files);
	return 0;
}
