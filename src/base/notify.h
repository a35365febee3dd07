/* SPDX-License-Identifier: PostgreSQL */
/*
 * What a service tells systemd, sd_notify(3): one datagram to NOTIFY_SOCKET,
 * a protocol that is stable and small enough to need no library.
 */
#ifndef KEYTURN_NOTIFY_H
#define KEYTURN_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* Is there somebody to tell? */
bool notify_wanted(void);

/* Send "READY=1", "STATUS=...", several lines with "\n" between.  STATUS_OK
 * also when no one listens; STATUS_ERROR when NOTIFY_SOCKET is there and cannot
 * be reached, which is no reason to stop. */
enum status notify_send(const char *state);
enum status notify_sendf(const char *fmt, ...)
	__attribute__((format(printf, 1, 2)));

/* "STATUS=" and a sentence: control characters, which would end the line, are
 * escaped. */
enum status notify_status(const char *fmt, ...)
	__attribute__((format(printf, 1, 2)));

/* RELOADING=1 with the time it needs (Type=notify-reload); READY=1 ends it. */
enum status notify_reloading(void);

/* FDSTORE=1 under a name ([A-Za-z0-9._-]); the manager keeps n descriptors.
 * STATUS_NOT_FOUND when no one listens. */
enum status notify_store_fds(const char *name, const int *fds, size_t n);
/* FDSTOREREMOVE=1. */
enum status notify_forget_fds(const char *name);

/* How often WATCHDOG=1 is due, half of what the manager allows; 0: never
 * (WATCHDOG_USEC, and WATCHDOG_PID is ours or absent). */
int64_t notify_watchdog_us(void);

#endif
