# SPDX-License-Identifier: PostgreSQL
# For a superuser to run; keyturn itself never does.
dist_pkgdata_DATA += sql/login_event.sql
