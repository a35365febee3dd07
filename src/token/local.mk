# SPDX-License-Identifier: PostgreSQL
noinst_LIBRARIES += libtoken.a
libtoken_a_SOURCES = \
	src/token/token.c src/token/token.h \
	src/token/token_aws_rds.c src/token/token_aws_rds.h \
	src/token/token_azure.c src/token/token_azure.h \
	src/token/token_cache.c \
	src/token/token_databricks.c src/token/token_databricks.h \
	src/token/token_databricks_find.c \
	src/token/token_databricks_internal.h \
	src/token/token_databricks_login.c src/token/token_databricks_look.c \
	src/token/token_databricks_profile.c \
	src/token/token_databricks_profile.h \
	src/token/token_databricks_settings.c \
	src/token/token_environment.c src/token/token_environment.h \
	src/token/token_gcp.c src/token/token_gcp.h \
	src/token/token_web.c src/token/token_web.h
