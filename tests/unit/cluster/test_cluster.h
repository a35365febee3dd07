/* SPDX-License-Identifier: PostgreSQL */
/* What the tests of the PostgreSQL driver share: one server, see with-postgres. */
#ifndef KEYTURN_TEST_CLUSTER_H
#define KEYTURN_TEST_CLUSTER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/now.h"
#include "cluster/postgres/postgres.h"
#include "crypto/entropy.h"
#include "pg/pg.h"

#define PASSWORD "aLong-Enough_Password.0123456789"
#define WRONG	 "another-Wrong_Password.987654321"
#define OLD	 "the-Old_Password.of-this-role"
#define NEXT	 "the-Next_Password.0123456789-abc"

extern const char *host, *port, *ca, *passfile, *folder, *log_path;
extern struct pg *super;	/* the test's own superuser session */
extern struct cluster *cluster; /* admin: the superuser */
extern struct cluster *limited; /* admin: CREATEROLE, not superuser */

/* By subject; the last one has no name. */
extern const struct CMUnitTest test_cluster_activity[];
extern const struct CMUnitTest test_cluster_claim[];
extern const struct CMUnitTest test_cluster_change[];
extern const struct CMUnitTest test_cluster_login[];
extern const struct CMUnitTest test_cluster_hostile[];
extern const struct CMUnitTest test_cluster_preflight[];
extern const struct CMUnitTest test_cluster_pair[];
extern const struct CMUnitTest test_cluster_pair_clear[];
extern const struct CMUnitTest test_cluster_pair_check[];

/* Not of a server that was built without. */
bool has_tls(void);
struct secret *secret_of(const char *text);
void conninfo_for(const char *user, const char *dbname, char *buf, size_t n);
struct pg *superuser_session(void);
const char *run_on(struct pg *pg, const char *text);
void sql(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
const char *ask(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
struct cluster *open_cluster(const char *user, const char *admin_passfile,
			     int64_t lock_timeout_us, int64_t claim_max_us);
struct cluster_session *session(struct cluster *t);
void uuid(char *buf);
enum status claim(struct cluster *t, struct cluster_session *s,
		  const char *role, bool takeover, char *ret_claim,
		  struct cluster_marker *ret, struct reason *why);
void must_claim(struct cluster *t, struct cluster_session *s, const char *role,
		char *ret_claim, struct cluster_marker *ret);
enum cluster_login login_as(struct cluster *t, const char *role,
			    const char *password);
/* A session of a consumer's, whose password is PASSWORD. */
struct pg *consumer_of(const char *role, const char *application);
enum status apply(struct cluster *t, struct cluster_session *s,
		  const char *role, const char *claim_id, const char *password,
		  char *ret_version, struct reason *why);
void rotate(struct cluster *t, const char *role, const char *password);
void new_role(const char *name);
/* An owner, NOLOGIN, and its members NAME_a and NAME_b with the password OLD, as
 * docs/operators.md has them made. */
void new_pair(const char *name);
void must_claim_pair(struct cluster *t, struct cluster_session *s,
		     const char *role, char *ret_claim,
		     struct cluster_marker *ret);
void let_rotate(const char *admin, const char *role);
void backend_of(struct cluster_session *s, const char *role, char *pid);
void write_file(const char *path, mode_t mode, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int set_up(void **state);
int tear_down(void **state);

#endif
