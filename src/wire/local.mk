# SPDX-License-Identifier: PostgreSQL
noinst_HEADERS += src/wire/wire.def src/wire/wire.h src/wire/wire_client.h
