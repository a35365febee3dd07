# SPDX-License-Identifier: PostgreSQL
noinst_LIBRARIES += libsink.a
libsink_a_SOURCES = \
	src/sink/sink.c src/sink/sink.h \
	src/sink/sink_edit.c src/sink/sink_edit.h \
	src/sink/sink_file.c src/sink/sink_file.h \
	src/sink/sink_ini.c src/sink/sink_ini.h \
	src/sink/sink_line.c src/sink/sink_line.h \
	src/sink/sink_parse.c \
	src/sink/sink_signal.c src/sink/sink_signal.h
