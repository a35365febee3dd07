# SPDX-License-Identifier: PostgreSQL
noinst_LIBRARIES += libaws.a
libaws_a_SOURCES = \
	src/aws/aws_call.c src/aws/aws_call.h \
	src/aws/aws_providers.c src/aws/aws_providers.h \
	src/aws/aws_credentials.c src/aws/aws_credentials.h \
	src/aws/aws_endpoint.c src/aws/aws_endpoint.h \
	src/aws/aws_environment.c src/aws/aws_environment.h \
	src/aws/aws_key.c src/aws/aws_key.h \
	src/aws/aws_metadata.c src/aws/aws_metadata.h \
	src/aws/aws_process.c src/aws/aws_process.h \
	src/aws/aws_profile.c src/aws/aws_profile.h \
	src/aws/aws_sts.c src/aws/aws_sts.h
