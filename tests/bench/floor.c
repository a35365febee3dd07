/* SPDX-License-Identifier: PostgreSQL */
/*
 * The floor that keyturn is measured against: libpq alone.  For each role the
 * verifier by libpq, ALTER ROLE, one login with the new password; no store, no
 * ledger, no marker, no proof that can be believed.
 *
 * usage: floor CONNINFO-OF-ADMIN CONNINFO-FOR-LOGIN ROLE-PREFIX COUNT THREADS
 * Prints the seconds it took.
 */
#include <libpq-fe.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *admin_conninfo, *login_conninfo, *prefix;
static int count;
static atomic_int next;

static void die(const char *what, PGconn *c)
{
	fprintf(stderr, "floor: %s: %s", what, c ? PQerrorMessage(c) : "\n");
	exit(1);
}

static void login(const char *role, const char *password)
{
	char conninfo[2048];
	PGconn *c;

	snprintf(conninfo, sizeof(conninfo), "%s user=%s password=%s",
		 login_conninfo, role, password);
	c = PQconnectdb(conninfo);
	if (PQstatus(c) != CONNECTION_OK)
		die("login", c);
	PQfinish(c);
}

static void *work(void *arg)
{
	PGconn *c = PQconnectdb(admin_conninfo);
	char role[80], password[40], sql[512];
	int i;

	(void)arg;
	if (PQstatus(c) != CONNECTION_OK)
		die("admin", c);
	while ((i = atomic_fetch_add(&next, 1)) < count) {
		char *verifier;
		PGresult *r;

		snprintf(role, sizeof(role), "%s%d", prefix, i);
		snprintf(password, sizeof(password), "floor-%ld-%d-password",
			 (long)time(NULL), i);
		verifier = PQencryptPasswordConn(c, password, role,
						 "scram-sha-256");
		if (!verifier)
			die("verifier", c);
		snprintf(sql, sizeof(sql), "ALTER ROLE %s PASSWORD '%s'", role,
			 verifier);
		r = PQexec(c, sql);
		if (PQresultStatus(r) != PGRES_COMMAND_OK)
			die("ALTER ROLE", c);
		PQclear(r);
		PQfreemem(verifier);
		login(role, password);
	}
	PQfinish(c);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[64];
	struct timespec a, b;
	int n;

	if (argc != 6 || (n = (int)strtol(argv[5], NULL, 10)) < 1 || n > 64)
		die("usage: floor ADMIN LOGIN PREFIX COUNT THREADS", NULL);
	admin_conninfo = argv[1];
	login_conninfo = argv[2];
	prefix = argv[3];
	count = (int)strtol(argv[4], NULL, 10);
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < n; i++)
		if (pthread_create(&threads[i], NULL, work, NULL) != 0)
			die("thread", NULL);
	for (int i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("%.6f\n", (double)(b.tv_sec - a.tv_sec) +
				 (double)(b.tv_nsec - a.tv_nsec) / 1e9);
	return 0;
}
