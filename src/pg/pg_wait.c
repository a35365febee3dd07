/* SPDX-License-Identifier: PostgreSQL */
/*
 * Waits for a session's peer, for no longer than a deadline on the boot clock.
 * Must never wait without one.
 */
#include "pg/pg_wait.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/now.h"

int pg_wait(int fd, bool write, int64_t deadline)
{
	struct pollfd p = { .fd = fd,
			    .events = write ? POLLIN | POLLOUT : POLLIN };
	int64_t left;
	int n;

	for (;;) {
		left = deadline - now_boot(now_system());
		if (left <= 0)
			return 0;
		/* Rounded up, so that the last millisecond does not spin. */
		left = left / 1000 + 1;
		n = poll(&p, 1, left > 60000 ? 60000 : (int)left);
		if (n > 0)
			return 1;
		if (n < 0 && errno != EINTR)
			return -1;
	}
}

bool pg_wait_flush(struct pg *pg, int64_t deadline)
{
	int left;

	while ((left = PQflush(pg->conn)) == 1) {
		if (pg_wait(PQsocket(pg->conn), true, deadline) <= 0)
			return false;
		/* The server may be stuck writing to us: read as well. */
		if (PQconsumeInput(pg->conn) == 0)
			return false;
	}
	return left == 0;
}

bool pg_wait_result(struct pg *pg, int64_t deadline, PGresult **ret)
{
	while (PQisBusy(pg->conn) == 1) {
		if (pg_wait(PQsocket(pg->conn), false, deadline) <= 0)
			return false;
		if (PQconsumeInput(pg->conn) == 0 &&
		    PQstatus(pg->conn) == CONNECTION_BAD &&
		    PQisBusy(pg->conn) == 1)
			return false;
	}
	*ret = PQgetResult(pg->conn);
	return true;
}

bool pg_wait_succeeded(const PGresult *r)
{
	ExecStatusType s = PQresultStatus(r);

	return s == PGRES_COMMAND_OK || s == PGRES_TUPLES_OK;
}

void pg_wait_note_error(struct pg *pg, const PGresult *r,
			char sqlstate[PG_SQLSTATE_SIZE])
{
	const char *code = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);

	if (code == NULL || strlen(code) != PG_SQLSTATE_SIZE - 1)
		return;
	memcpy(sqlstate, code, PG_SQLSTATE_SIZE);
	pg->hint = pg_hint_of(code, text != NULL ? text : "");
}

bool pg_wait_collect(struct pg *pg, int64_t deadline, PGresult **ret_kept,
		     char sqlstate[PG_SQLSTATE_SIZE])
{
	PGresult *r;

	for (;;) {
		if (!pg_wait_result(pg, deadline, &r))
			return false;
		if (r == NULL)
			return true;
		if (pg_wait_succeeded(r) && *ret_kept == NULL) {
			*ret_kept = r;
			continue;
		}
		if (sqlstate[0] == '\0')
			pg_wait_note_error(pg, r, sqlstate);
		PQclear(r);
	}
}
