# SPDX-License-Identifier: PostgreSQL
noinst_LIBRARIES += libtoken.a
libtoken_a_SOURCES = \
	src/token/token.c src/token/token.h \
	src/token/token_aws_rds.c src/token/token_aws_rds.h \
	src/token/token_azure.c src/token/token_azure.h \
	src/token/token_cache.c \
	src/token/databricks/databricks.c src/token/databricks/databricks.h \
	src/token/databricks/common.h \
	src/token/databricks/find.c \
	src/token/databricks/login.c \
	src/token/databricks/look.c \
	src/token/databricks/profile.c src/token/databricks/profile.h \
	src/token/databricks/settings.c \
	src/token/token_environment.c src/token/token_environment.h \
	src/token/token_gcp.c src/token/token_gcp.h \
	src/token/token_web.c src/token/token_web.h
