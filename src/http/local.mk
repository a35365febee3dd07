# SPDX-License-Identifier: PostgreSQL
noinst_LIBRARIES += libhttp.a
libhttp_a_SOURCES = \
	src/http/http.c src/http/http.h \
	src/http/http_call.c \
	src/http/http_internal.h \
	src/http/http_response.c \
	src/http/http_try.c \
	src/http/http_url.c
