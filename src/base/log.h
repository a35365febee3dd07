/* SPDX-License-Identifier: PostgreSQL */
/* The programs' log: one line a message on standard error.  Library code does
 * not log; it returns its reason.  Never given a secret. */
#ifndef KEYTURN_LOG_H
#define KEYTURN_LOG_H

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

/* Messages above level are dropped.  Default LOG_LEVEL_INFO. */
void log_set_level(enum log_level level);

/* program is the name put before each message ("keyturn"). */
void log_set_program(const char *program);

/* One line, thread-safe, control characters escaped, cut at 2 KiB.  When
 * JOURNAL_STREAM names our standard error, the line starts with systemd's "<N>"
 * priority instead of a word.  Keeps errno. */
void log_line(enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
