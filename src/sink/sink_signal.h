/* SPDX-License-Identifier: PostgreSQL */
/* SIGHUP for the reader of a file that has changed. */
#ifndef KEYTURN_SINK_SIGNAL_H
#define KEYTURN_SINK_SIGNAL_H

#include "base/reason.h"

/*
 * Send SIGHUP to the process whose number is in pidfile.  STATUS_NOT_FOUND: no
 * such file or process.  STATUS_REFUSED: the file's owner is neither root nor
 * who the process runs as, and could have named anybody's; or the process does
 * not handle SIGHUP, which would end it, so that its number was somebody else's
 * when the file was written.
 */
enum status sink_signal_send(const char *pidfile, struct reason *why);

/* Could it be sent?  Statuses as above, and nothing is sent. */
enum status sink_signal_try(const char *pidfile, struct reason *why);

#endif
