/* SPDX-License-Identifier: PostgreSQL */
/* One line a message to standard error; must never tear a line, let a message
 * forge another one, or be given a secret. */
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

#define LINE_MAX_BYTES 2048
#define PROGRAM_MAX    32

static _Atomic int max_level = LOG_LEVEL_INFO;
static pthread_mutex_t program_lock = PTHREAD_MUTEX_INITIALIZER;
static char program_name[PROGRAM_MAX] = "keyturn";

static const struct {
	const char *word;
	int priority; /* sd-daemon(3) */
} levels[] = {
	[LOG_LEVEL_ERROR] = { "error", 3 },
	[LOG_LEVEL_WARN] = { "warning", 4 },
	[LOG_LEVEL_INFO] = { "info", 6 },
	[LOG_LEVEL_DEBUG] = { "debug", 7 },
};

void log_set_level(enum log_level level)
{
	atomic_store(&max_level, (int)level);
}

void log_set_program(const char *program)
{
	pthread_mutex_lock(&program_lock);
	text_escape(program_name, sizeof(program_name), program,
		    strlen(program));
	pthread_mutex_unlock(&program_lock);
}

/* systemd.exec(5): JOURNAL_STREAM is "device:inode" of the stream, and stays
 * set when standard error was redirected since; then it is not for us. */
static bool to_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char ours[64];
	struct stat st;

	if (stream == NULL || fstat(STDERR_FILENO, &st) != 0)
		return false;
	snprintf(ours, sizeof(ours), "%ju:%ju", (uintmax_t)st.st_dev,
		 (uintmax_t)st.st_ino);
	return strcmp(ours, stream) == 0;
}

static void write_line(const char *line, size_t n)
{
	ssize_t done;

	do
		done = write(STDERR_FILENO, line, n);
	while (done < 0 && errno == EINTR);
	/* A log that cannot be written has nowhere to be reported. */
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char raw[LINE_MAX_BYTES], line[LINE_MAX_BYTES];
	char program[PROGRAM_MAX];
	int saved = errno, head;
	va_list ap;
	size_t n;

	if ((int)level > atomic_load(&max_level))
		return;
	pthread_mutex_lock(&program_lock);
	memcpy(program, program_name, sizeof(program));
	pthread_mutex_unlock(&program_lock);
	if (to_journal())
		head = snprintf(line, sizeof(line),
				"<%d>%s: ", levels[level].priority, program);
	else
		head = snprintf(line, sizeof(line), "%s: %s: ", program,
				levels[level].word);
	errno = saved;
	va_start(ap, fmt);
	if (vsnprintf(raw, sizeof(raw), fmt, ap) < 0)
		raw[0] = '\0';
	va_end(ap);
	/* One byte is kept for the newline. */
	text_escape(line + head, sizeof(line) - (size_t)head - 1, raw,
		    strlen(raw));
	n = strlen(line);
	line[n++] = '\n';
	write_line(line, n);
	errno = saved;
}
