/* SPDX-License-Identifier: PostgreSQL */
/*
 * A module for the server of the integration tests: hands a role's new password
 * to a control plane before the transaction that sets it commits, as Neon's
 * compute does (its pgxn/neon/neon_ddl_handler.c), and lets the transaction fail
 * when that says no.  The control plane is the test, at the socket
 * "control.sock" in the data directory; without it, or for a superuser, nothing
 * happens.
 *
 * One line each way: "ROLE PASSWORD"; "200", or "CODE BODY" for a refusal, or
 * "0" to end the session there and then.
 *
 * With a file "no_nologin" or "no_null" there, ALTER ROLE ... NOLOGIN or PASSWORD
 * NULL is refused at once, with the SQLSTATE that the file has.  As there, neither
 * is told to the control plane.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "access/xact.h"
#include "commands/defrem.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "tcop/utility.h"

PG_MODULE_MAGIC;

void _PG_init(void);

static ProcessUtility_hook_type next_utility;
static char change[1024]; /* "" when there is none */

static void refuse_by(const char *file)
{
	char s[5];
	int fd = open(file, O_RDONLY);

	if (fd < 0)
		return;
	if (read(fd, s, 5) != 5)
		memcpy(s, "XX000", 5);
	close(fd);
	ereport(ERROR, (errcode(MAKE_SQLSTATE(s[0], s[1], s[2], s[3], s[4])),
			errmsg("this service does not allow that")));
}

static void note_change(AlterRoleStmt *s)
{
	ListCell *cell;

	foreach (cell, s->options) {
		DefElem *e = lfirst(cell);

		if (strcmp(e->defname, "canlogin") == 0 && !defGetBoolean(e))
			refuse_by("no_nologin");
		if (strcmp(e->defname, "password") == 0 && e->arg == NULL)
			refuse_by("no_null");
		if (strcmp(e->defname, "password") == 0 && e->arg != NULL)
			snprintf(change, sizeof(change), "%s %s\n",
				 s->role->rolename, defGetString(e));
	}
}

static void utility(PlannedStmt *statement, const char *query, bool read_only,
		    ProcessUtilityContext context, ParamListInfo parameters,
		    QueryEnvironment *environment, DestReceiver *receiver,
		    QueryCompletion *completion)
{
	Node *parsed = statement->utilityStmt;

	if (IsA(parsed, AlterRoleStmt) && !superuser())
		note_change((AlterRoleStmt *)parsed);
	(next_utility != NULL ? next_utility : standard_ProcessUtility)(
		statement, query, read_only, context, parameters, environment,
		receiver, completion);
}

/* The control plane's line; false when there is none. */
static bool ask(char *answer, size_t size)
{
	struct sockaddr_un where = { .sun_family = AF_UNIX,
				     .sun_path = "control.sock" };
	size_t n = 0;
	ssize_t got;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (fd < 0 ||
	    connect(fd, (struct sockaddr *)&where, sizeof(where)) != 0 ||
	    write(fd, change, strlen(change)) < 0) {
		close(fd);
		return false;
	}
	while (n + 1 < size && (got = read(fd, answer + n, size - n - 1)) > 0)
		n += got;
	close(fd);
	answer[n] = '\0';
	return n > 0;
}

static void at_end(XactEvent event, void *arg)
{
	char answer[512];

	if (event != XACT_EVENT_PRE_COMMIT) {
		change[0] = '\0';
		return;
	}
	if (change[0] == '\0' || !ask(answer, sizeof(answer)))
		return;
	change[0] = '\0';
	if (atoi(answer) == 0)
		ereport(FATAL, (errmsg("the compute went away")));
	if (atoi(answer) != 200)
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR),
				errmsg("Received HTTP code %d from control "
				       "plane: %s",
				       atoi(answer), answer + 4)));
}

void _PG_init(void)
{
	next_utility = ProcessUtility_hook;
	ProcessUtility_hook = utility;
	RegisterXactCallback(at_end, NULL);
}
