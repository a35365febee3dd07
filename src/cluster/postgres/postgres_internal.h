/* SPDX-License-Identifier: PostgreSQL */
/*
 * What the files of the PostgreSQL backend share; nobody else includes it.
 *
 * SQL here names schemas for relations and functions.  Operators and types are
 * found in pg_catalog alone, because pg_connect() fixes search_path to ''.
 */
#ifndef KEYTURN_TARGET_POSTGRES_INTERNAL_H
#define KEYTURN_TARGET_POSTGRES_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/text.h"
#include "cluster/postgres/postgres.h"
#include "pg/pg.h"

/* Roles that a service itself needs, their passwords are not a partner's: by the
 * role that tells the service, as LIKE has it.  Elsewhere the names are free. */
#define CLUSTER_SERVICE_ROLES                                                 \
	"(VALUES ('rdsadmin', 'rdsadmin'), ('rdsadmin', 'rds\\_superuser'), " \
	"('rdsadmin', 'rds\\_replication'), ('rdsadmin', 'rds\\_password'), " \
	"('rdsadmin', 'rdsproxyadmin'), ('rdsadmin', 'rdstopmgr'), "          \
	"('cloudsqladmin', 'cloudsqladmin'), "                                \
	"('cloudsqladmin', 'cloudsqlsuperuser'), "                            \
	"('cloudsqladmin', 'cloudsqlagent'), "                                \
	"('cloudsqladmin', 'cloudsqlreplica'), "                              \
	"('azuresu', 'azuresu'), ('azuresu', 'azure\\_pg\\_admin'), "         \
	"('azuresu', 'azure\\_superuser'), ('azuresu', 'replication'), "      \
	"('neon_superuser', 'cloud\\_admin'), "                               \
	"('neon_superuser', 'neon\\_superuser'), "                            \
	"('databricks_superuser', 'cloud\\_admin'), "                         \
	"('databricks_superuser', 'databricks\\_superuser'), "                \
	"('databricks_superuser', 'databricks\\_control\\_plane'), "          \
	"('databricks_superuser', 'databricks\\_gateway'), "                  \
	"('databricks_superuser', 'databricks\\_monitor'), "                  \
	"('databricks_superuser', 'databricks\\_reader\\_%')) v(sign, name) " \
	"JOIN pg_catalog.pg_roles g ON g.rolname = v.sign"

#define CLUSTER_FINDINGS_MAX	 48
#define CLUSTER_SENTENCE_SIZE	 384
#define CLUSTER_STAMP_SIZE	 48
#define CLUSTER_FAULT_SIZE	 96
#define CLUSTER_BRANCH_SIZE	 192
#define CLUSTER_IDLE_MAX	 32
#define CLUSTER_MARKER_NAME_SIZE 160 /* quoted schema, dot, table */

/* How long the server's own limits may overrun before we call it lost. */
#define CLUSTER_MARGIN_US (5 * NOW_SECOND)

struct cluster_finding {
	enum cluster_severity severity;
	const char *topic;
	char sentence[CLUSTER_SENTENCE_SIZE];
};

struct cluster_findings {
	struct cluster_finding rows[CLUSTER_FINDINGS_MAX];
	size_t n;
	bool failed;
};

/* What the marker table looked like when the session was opened. */
enum cluster_marker_state {
	CLUSTER_MARKER_MISSING,
	CLUSTER_MARKER_READY,
	CLUSTER_MARKER_UNTRUSTED /* somebody else could run code in it, or write
				   to it: marker_fault */
};

/*
 * Is the role `r` of pg_roles none of us?  A group is trusted when we are in it
 * and beside us only administrators are; not by membership alone, since who
 * makes a role is a member of it from PostgreSQL 16 on.
 */
#define CLUSTER_STRANGER_SQL                                            \
	"NOT (r.rolsuper OR r.rolname IN (current_user, session_user) " \
	"OR (pg_catalog.pg_has_role(r.oid, 'MEMBER') AND NOT EXISTS ("  \
	"SELECT FROM pg_catalog.pg_roles x WHERE x.rolcanlogin "        \
	"AND NOT x.rolsuper AND NOT x.rolcreaterole "                   \
	"AND x.rolname NOT IN (current_user, session_user) "            \
	"AND pg_catalog.pg_has_role(x.oid, r.oid, 'MEMBER')))) "

/* The end of a query for the strangers in an access list `a`; PUBLIC is one. */
#define CLUSTER_STRANGERS_SQL                                            \
	" a LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee WHERE " \
	"(r.oid IS NULL OR " CLUSTER_STRANGER_SQL ")"

/*
 * NULL without the schema $1, 'missing' without the table, 'ready', or a word of
 * cluster_postgres_marker_prepare.c for what is wrong with it, a blank and a name.
 * Whatever a table runs when it is written to runs as keyturn's administrator:
 * only an ordinary table as we make it is used.
 */
#define CLUSTER_MARKER_STATE_SQL                                                           \
	"(SELECT coalesce((SELECT 'owner ' || r.rolname FROM "                             \
	"pg_catalog.pg_roles r WHERE r.oid IN (n.nspowner, c.relowner) "                   \
	"AND " CLUSTER_STRANGER_SQL "LIMIT 1), "                                           \
	"(SELECT 'create ' || coalesce(r.rolname, 'PUBLIC') FROM "                         \
	"pg_catalog.aclexplode(n.nspacl)" CLUSTER_STRANGERS_SQL                            \
	" AND a.privilege_type = 'CREATE' LIMIT 1), "                                      \
	"CASE WHEN c.oid IS NULL THEN 'missing' "                                          \
	"WHEN c.relkind <> 'r' THEN 'kind' END, "                                          \
	"(SELECT 'grant ' || coalesce(r.rolname, 'PUBLIC') FROM "                          \
	"pg_catalog.aclexplode(c.relacl)" CLUSTER_STRANGERS_SQL " LIMIT 1), "              \
	"(SELECT 'grant ' || coalesce(r.rolname, 'PUBLIC') FROM "                          \
	"pg_catalog.pg_attribute t, pg_catalog.aclexplode(t.attacl)" CLUSTER_STRANGERS_SQL \
	" AND t.attrelid = c.oid LIMIT 1), "                                               \
	"(SELECT 'trigger ' || t.tgname FROM pg_catalog.pg_trigger t "                     \
	"WHERE t.tgrelid = c.oid AND NOT t.tgisinternal LIMIT 1), "                        \
	"(SELECT 'rule ' || w.rulename FROM pg_catalog.pg_rewrite w "                      \
	"WHERE w.ev_class = c.oid LIMIT 1), "                                              \
	"CASE WHEN c.relrowsecurity OR c.relforcerowsecurity "                             \
	"THEN 'policy' "                                                                   \
	"WHEN EXISTS (SELECT FROM pg_catalog.pg_inherits i "                               \
	"WHERE c.oid IN (i.inhparent, i.inhrelid)) "                                       \
	"OR EXISTS (SELECT FROM pg_catalog.pg_trigger t "                                  \
	"WHERE t.tgrelid = c.oid) "                                                        \
	"OR EXISTS (SELECT FROM pg_catalog.pg_constraint k "                               \
	"WHERE k.conrelid = c.oid AND k.contype NOT IN ('p', 'n')) "                       \
	"OR EXISTS (SELECT FROM pg_catalog.pg_attrdef d "                                  \
	"WHERE d.adrelid = c.oid "                                                         \
	"AND pg_catalog.pg_get_expr(d.adbin, d.adrelid) <> '0') "                          \
	"OR EXISTS (SELECT FROM pg_catalog.pg_index i "                                    \
	"WHERE i.indrelid = c.oid AND NOT i.indisprimary) "                                \
	"OR EXISTS (SELECT FROM pg_catalog.pg_attribute t "                                \
	"JOIN pg_catalog.pg_type y ON y.oid = t.atttypid "                                 \
	"JOIN pg_catalog.pg_namespace ny ON ny.oid = y.typnamespace "                      \
	"WHERE t.attrelid = c.oid AND ny.nspname <> 'pg_catalog') "                        \
	"THEN 'shape' END, 'ready') "                                                      \
	"FROM pg_catalog.pg_namespace n LEFT JOIN pg_catalog.pg_class c "                  \
	"ON c.relnamespace = n.oid AND c.relname = 'marker' "                              \
	"WHERE n.nspname = $1::pg_catalog.name)"

struct cluster_session {
	struct pg *pg;
	struct cluster_session *next; /* in the idle list */
	int64_t idle_since;
	char backend_start[CLUSTER_STAMP_SIZE];
	char sync_commit[16]; /* what an apply commits with */
	unsigned iterations;  /* of a new verifier */
	bool sees_authid;     /* may read rolpassword */
	bool standbys;	      /* a commit waits for synchronous ones */
	bool pooled;	      /* somebody sits between us and the server */
	bool wrapper;	      /* has the function that sends in clear */
	bool broken;	      /* a transaction may be open: never reuse */
	enum cluster_marker_state marker_state;
	char marker_fault[CLUSTER_FAULT_SIZE]; /* UNTRUSTED: word and name */
	char marker[CLUSTER_MARKER_NAME_SIZE]; /* "schema".marker */
	char branch[CLUSTER_BRANCH_SIZE];      /* "" when not known */
	char schema[CLUSTER_NAME_SIZE];	       /* of the marker */
	char live[RANDOM_UUID_SIZE];  /* SELF: what logged in, or was applied
					since; "" when not in the store */
	char claim[RANDOM_UUID_SIZE]; /* "" when none is held */
	char claim_oid[16];
	int64_t epoch; /* without a marker: of this claim */
};

struct cluster_postgres {
	struct cluster target; /* first: the two pointers are one */
	struct cluster_postgres_options o;
	char *name;
	char *admin_passfile;
	char *prove_dbname;
	char *marker_schema;
	char *dbname;
	char *host; /* what consumers are told */
	char *port;
	char *branch;
	unsigned char way[32];	/* hash of all connection strings */
	struct pg_info **infos; /* [0] is the admin's */
	size_t n_infos;
	atomic_bool plain; /* AUTO: the server has refused a verifier */
	atomic_uint lift;  /* PG_LIFT_*: limits that ended a session of ours */

	pthread_mutex_t lock; /* of what follows */
	struct cluster_session *idle;
	size_t n_idle;
	struct pg_place primary; /* of several hosts; "" port: not known yet */
	struct cluster_findings *cluster; /* remembered, or NULL */
	int64_t cluster_until;
};

struct cluster_postgres *cluster_postgres_of(struct cluster *t);

/* ---- cluster_postgres_told.c ---- */

/* What consumers are told of a connection string's host and hostaddr, each of
 * which may be a list: the host, or the address where there is none, as libpq
 * looks up passwords.  *ret_host is the caller's to free. */
enum status cluster_postgres_told_host(const char *host, const char *hostaddr,
				       char **ret_host);

/* The one port of all hosts; the list when they differ.  To free as well. */
enum status cluster_postgres_told_port(const char *ports, char **ret_port);

/* ---- cluster_postgres.c ---- */

/* A role name that SQL will take whole: 1 to 63 bytes of UTF-8. */
enum status cluster_postgres_check_name(const char *role, struct reason *why);

/* pg_run with the cluster's statement timeout and a margin. */
enum status cluster_postgres_run(struct cluster_postgres *p,
				 struct cluster_session *s, const char *sql,
				 int n_params, const char *const *params,
				 struct pg_result **ret_result,
				 char ret_sqlstate[PG_SQLSTATE_SIZE],
				 struct reason *why);

/* ---- sessions (cluster_postgres_session.c) ---- */

enum status cluster_postgres_session_open(struct cluster *t,
					  struct cluster_session **ret,
					  struct reason *why);
enum status cluster_postgres_session_open_as(
	struct cluster *t, const char *role,
	const struct cluster_candidate *candidates, size_t n,
	struct cluster_session **ret, struct reason *why);
void cluster_postgres_session_release(struct cluster *t,
				      struct cluster_session *s, bool clean);
/* A plain connection as the admin, to the admin's database or another. */
enum status cluster_postgres_session_connect(struct cluster_postgres *p,
					     const char *dbname,
					     struct pg **ret_pg,
					     struct reason *why);
void cluster_postgres_session_drop_idle(struct cluster_postgres *p);
/* After a 42501: says which object of the catalog we may not use, if one. */
void cluster_postgres_session_denied(struct cluster_postgres *p,
				     struct cluster_session *s,
				     struct reason *why);
/* pg_connect(), waiting for up to wake_timeout for what wakes up. */
enum status cluster_postgres_session_awake(struct cluster_postgres *p,
					   const struct pg_login *login,
					   struct pg **ret_pg,
					   struct pg_login_report *ret_report,
					   struct reason *why);

/* Close idle sessions that are dead, or whose claim could not be given up:
 * while they live, they hold it. */
void cluster_postgres_session_sweep(struct cluster_postgres *p);

enum status cluster_postgres_preflight(struct cluster *t,
				       struct cluster_session *s,
				       const char *role,
				       cluster_finding_fn *finding, void *arg,
				       struct reason *why);

/* The marker table (cluster_postgres_marker_prepare.c), the claim (cluster_postgres_marker_claim.c)
 * and what is seen of both (cluster_postgres_marker.c). */
enum status cluster_postgres_marker_prepare(struct cluster_postgres *p,
					    struct cluster_session *s,
					    struct reason *why);
/* Take what CLUSTER_MARKER_STATE_SQL gave over into the session. */
void cluster_postgres_marker_prepare_note(struct cluster_session *s,
					  const char *state);
/* What makes the marker table untrusted, and how to mend it. */
void cluster_postgres_marker_prepare_fault(const struct cluster_session *s,
					   char *ret, size_t size);
enum status cluster_postgres_marker_claim(struct cluster *t,
					  struct cluster_session *s,
					  const char *role, const char *claim,
					  bool takeover, int64_t floor,
					  struct cluster_marker *ret,
					  struct reason *why);
enum status cluster_postgres_marker_look(struct cluster *t,
					 struct cluster_session *s,
					 const char *role,
					 struct cluster_marker *ret,
					 struct reason *why);
enum status cluster_postgres_marker_inspect(struct cluster *t,
					    struct cluster_session *s,
					    const char *role,
					    struct cluster_marker *ret,
					    struct reason *why);
/* Was the role of this name renamed?  *ret is then its new name. */
bool cluster_postgres_marker_row_new_name(struct cluster_postgres *p,
					  struct cluster_session *s,
					  const char *role,
					  char ret[CLUSTER_NAME_SIZE]);
/* The fence of an apply where there is no marker: a select list, and what it
 * counts (cluster_postgres_marker_none.c). */
void cluster_postgres_marker_none_fence_sql(struct text *t);
void cluster_postgres_marker_none_held_sql(struct text *t);
/* Say, without waiting, that the session's claim is over. */
void cluster_postgres_marker_end(struct cluster_session *s);

/* ---- passwords in clear (cluster_postgres_plain.c) ---- */

/* What a session calls with a role and a password; it gives "" or a SQLSTATE. */
#define CLUSTER_PLAIN_CALL "SELECT pg_temp.keyturn_alter_role($1, $2)"
/* What it gives instead of a SQLSTATE that many refusals share. */
#define CLUSTER_PLAIN_VALID_UNTIL "KT002"

/* Is the password of this cluster's roles sent in clear now? */
bool cluster_postgres_plain_wanted(struct cluster_postgres *p);
/* The server has refused a verifier. */
void cluster_postgres_plain_note(struct cluster_postgres *p);

/*
 * May it be sent in clear on this session, and can it?  STATUS_REFUSED with the
 * setting that would write it to a log, or without verified TLS.
 */
enum status cluster_postgres_plain_ready(struct cluster_postgres *p,
					 struct cluster_session *s,
					 struct reason *why);

enum status cluster_postgres_apply(struct cluster *t, struct cluster_session *s,
				   const char *role, const char *claim,
				   const char *version,
				   const struct secret *password,
				   bool *ret_alone, struct reason *why);

/* Certificates (cluster_postgres_certificates.c). */
enum status cluster_postgres_certificates_show(struct cluster *t,
					       enum cluster_chain_form form,
					       struct text *ret,
					       struct reason *why);
/* What expires soon. */
typedef void cluster_chain_finding_fn(void *arg, const char *sentence);
void cluster_postgres_certificates_check(struct cluster_postgres *p,
					 const struct cluster_session *s,
					 cluster_chain_finding_fn *finding,
					 void *arg);

/* Makes a role (cluster_postgres_role.c). */
enum status cluster_postgres_role_create(struct cluster *t,
					 const struct cluster_role_spec *spec,
					 struct reason *why);

enum status cluster_postgres_prove(struct cluster *t,
				   const struct cluster_who *who,
				   const struct secret *password,
				   enum cluster_proof kind,
				   enum cluster_login *ret_login,
				   struct reason *why);
enum status cluster_postgres_prove_way(struct cluster *t,
				       const struct cluster_who *who,
				       char ret_way[CLUSTER_WAY_SIZE]);

/* Evidence of one attempt (rotation-safety.md section 2.4). */
enum cluster_login cluster_postgres_prove_classify(
	const struct pg_login_report *r);

#endif
