# SPDX-License-Identifier: PostgreSQL
noinst_LIBRARIES += libconfig.a
libconfig_a_SOURCES = \
	src/config/config.c src/config/config.h \
	src/config/config_check.c src/config/config_check.h \
	src/config/config_conninfo.c src/config/config_conninfo.h \
	src/config/config_gateway.c src/config/config_gateway.h \
	src/config/config_grant.c src/config/config_grant.h \
	src/config/config_load.c \
	src/config/config_model.c src/config/config_model.h \
	src/config/config_read.c src/config/config_read.h \
	src/config/config_refuse.c src/config/config_refuse.h \
	src/config/config_reference.c \
	src/config/config_show.c \
	src/config/settings.def
