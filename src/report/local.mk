# SPDX-License-Identifier: PostgreSQL
noinst_LIBRARIES += libreport.a
libreport_a_SOURCES = \
	src/report/report.c src/report/report.h \
	src/report/report_notice.c src/report/report_notice.h \
	src/report/report_adoption.c src/report/report_adoption.h \
	src/report/report_trail.c src/report/report_trail.h \
	src/report/report_uses.c src/report/report_uses.h
