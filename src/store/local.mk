# SPDX-License-Identifier: PostgreSQL
noinst_LIBRARIES += libstore.a
libstore_a_SOURCES = \
	src/store/store.c src/store/store.h \
	src/store/store_entry.c src/store/store_entry.h \
	src/store/store_memory.c src/store/store_memory.h \
	src/store/store_refuse.c src/store/store_refuse.h \
	src/store/store_versions.c src/store/store_versions.h
libstore_a_SOURCES += \
	src/store/local/local.c src/store/local/local.h \
	src/store/local/canary.c \
	src/store/local/common.c src/store/local/common.h \
	src/store/local/key.c \
	src/store/local/label.c \
	src/store/local/read.c \
	src/store/local/rows.c \
	src/store/local/seal.c \
	src/store/local/stage.c
libstore_a_SOURCES += \
	src/store/aws/aws.c src/store/aws/aws.h \
	src/store/aws/api.c src/store/aws/api.h \
	src/store/aws/ask.c \
	src/store/aws/common.h \
	src/store/aws/content.c src/store/aws/content.h \
	src/store/aws/known.c src/store/aws/known.h \
	src/store/aws/label.c \
	src/store/aws/read.c \
	src/store/aws/stage.c \
	src/store/aws/state.c src/store/aws/state.h \
	src/store/aws/tag.c
libstore_a_SOURCES += \
	src/store/vault/vault.c src/store/vault/vault.h \
	src/store/vault/auth.c \
	src/store/vault/call.c src/store/vault/call.h \
	src/store/vault/common.h \
	src/store/vault/known.c \
	src/store/vault/kv.c src/store/vault/kv.h \
	src/store/vault/label.c \
	src/store/vault/mount.c \
	src/store/vault/path.c src/store/vault/path.h \
	src/store/vault/ready.c \
	src/store/vault/stage.c \
	src/store/vault/view.c src/store/vault/view.h \
	src/store/vault/wrap.c
