# SPDX-License-Identifier: PostgreSQL
noinst_LIBRARIES += libhook.a
libhook_a_SOURCES = \
	src/hook/hook.c src/hook/hook.h \
	src/hook/hook_command.c \
	src/hook/hook_internal.h \
	src/hook/hook_notice.c \
	src/hook/hook_web.c
