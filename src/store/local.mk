# SPDX-License-Identifier: PostgreSQL
noinst_LIBRARIES += libstore.a
libstore_a_SOURCES = \
	src/store/store.c \
	src/store/store.h \
	src/store/store_entry.c \
	src/store/store_entry.h \
	src/store/store_local.c \
	src/store/store_local.h \
	src/store/store_local_canary.c \
	src/store/store_local_internal.h \
	src/store/store_local_key.c \
	src/store/store_local_label.c \
	src/store/store_local_read.c \
	src/store/store_local_rows.c \
	src/store/store_local_seal.c \
	src/store/store_local_stage.c
libstore_a_SOURCES += src/store/store_key.c src/store/store_key.h
libstore_a_SOURCES += \
	src/store/store_aws.c src/store/store_aws.h \
	src/store/store_aws_internal.h \
	src/store/store_aws_ask.c src/store/store_aws_label.c \
	src/store/store_aws_read.c src/store/store_aws_stage.c \
	src/store/store_aws_tag.c \
	src/store/store_aws_api.c src/store/store_aws_api.h \
	src/store/store_aws_content.c src/store/store_aws_content.h \
	src/store/store_aws_known.c src/store/store_aws_known.h \
	src/store/store_aws_state.c src/store/store_aws_state.h
libstore_a_SOURCES += \
	src/store/store_vault.c src/store/store_vault.h \
	src/store/store_vault_auth.c \
	src/store/store_vault_call.c \
	src/store/store_vault_internal.h \
	src/store/store_vault_known.c \
	src/store/store_vault_kv.c \
	src/store/store_vault_label.c \
	src/store/store_vault_mount.c \
	src/store/store_vault_path.c \
	src/store/store_vault_ready.c \
	src/store/store_vault_source.c \
	src/store/store_vault_stage.c \
	src/store/store_vault_view.c
