/* SPDX-License-Identifier: PostgreSQL */
/*
 * A module for the server of the integration tests: refuses passwords, as a
 * company's own rules would, by PostgreSQL's check_password_hook.  Each five
 * bytes of the file "refuse" in the data directory are the SQLSTATE of one
 * refusal, taken from the end; 00000 only gives a notice, 28PLN and 28VAL are
 * credcheck's 28000 for a verifier and for a missing VALID UNTIL.
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "commands/user.h"
#include "fmgr.h"

PG_MODULE_MAGIC;

void _PG_init(void);

static bool take_one(char state[5])
{
	int fd = open("refuse", O_RDWR);
	off_t end;
	bool taken;

	if (fd < 0)
		return false;
	end = lseek(fd, 0, SEEK_END) - 5;
	taken = end >= 0 && pread(fd, state, 5, end) == 5 &&
		ftruncate(fd, end) == 0;
	close(fd);
	return taken;
}

static void check(const char *username, const char *shadow_pass,
		  PasswordType type, Datum validuntil, bool validuntil_null)
{
	char s[5];

	if (!take_one(s))
		return;
	if (memcmp(s, "00000", 5) == 0)
		ereport(NOTICE, (errmsg("the rules here dislike it")));
	else if (memcmp(s, "28PLN", 5) == 0)
		ereport(ERROR,
			(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
			 errmsg("password type is not a plain text")));
	else if (memcmp(s, "28VAL", 5) == 0)
		ereport(ERROR,
			(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
			 errmsg("require a VALID UNTIL option with a date "
				"older than 30 days")));
	else
		ereport(ERROR,
			(errcode(MAKE_SQLSTATE(s[0], s[1], s[2], s[3], s[4])),
			 errmsg("the rules here refuse it")));
}

void _PG_init(void)
{
	check_password_hook = check;
}
