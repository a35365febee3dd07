# SPDX-License-Identifier: PostgreSQL
noinst_HEADERS += src/token/token.h
