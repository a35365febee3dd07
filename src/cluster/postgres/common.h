/* SPDX-License-Identifier: PostgreSQL */
/*
 * What the files of this driver share: the cluster, its sessions, and statements
 * with the cluster's time limits.
 *
 * SQL here names schemas for relations and functions.  Operators and types are
 * found in pg_catalog alone, because pg_connect() fixes search_path to ''.
 */
#ifndef KEYTURN_CLUSTER_POSTGRES_COMMON_H
#define KEYTURN_CLUSTER_POSTGRES_COMMON_H

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

/* Who of `me` may change the password of `r`: until 15 CREATEROLE on all but
 * superusers and replication roles; from 16 CREATEROLE with ADMIN OPTION on the
 * role.  A superuser always. */
#define CLUSTER_MAY_15 \
	"me.rolcreaterole AND NOT r.rolsuper AND NOT r.rolreplication"
#define CLUSTER_MAY_16                                                    \
	"me.rolcreaterole AND NOT r.rolsuper AND pg_catalog.pg_has_role(" \
	"me.oid, r.oid, 'MEMBER WITH ADMIN OPTION')"

#define CLUSTER_SENTENCE_SIZE	 384
#define CLUSTER_STAMP_SIZE	 48
#define CLUSTER_FAULT_SIZE	 96
#define CLUSTER_BRANCH_SIZE	 192
#define CLUSTER_MARKER_NAME_SIZE 160 /* quoted schema, dot, table */

/* How long the server's own limits may overrun before we call it lost. */
#define CLUSTER_MARGIN_US (5 * NOW_SECOND)

/* Servers close sessions that idle for long; ours do not wait for that. */
#define CLUSTER_IDLE_LIFE_US (300 * NOW_SECOND)

/* What the marker table looked like when the session was opened. */
enum cluster_marker_state {
	CLUSTER_MARKER_MISSING,
	CLUSTER_MARKER_READY,
	CLUSTER_MARKER_UNTRUSTED /* others could run code in it, or write
				   to it: marker_fault */
};

struct marker_ops;

struct cluster_session {
	struct pg *pg;
	struct cluster_session *next; /* in the idle list */
	int64_t idle_since;
	char backend_start[CLUSTER_STAMP_SIZE];
	char sync_commit[16]; /* what an apply commits with */
	unsigned iterations;  /* of a new verifier */
	bool sees_authid;     /* may read rolpassword */
	bool standbys;	      /* a commit waits for synchronous ones */
	bool pooled;	      /* a pooler is between us and the server */
	bool wrapper;	      /* has the function that sends in clear */
	bool broken;	      /* a transaction may be open: never reuse */
	bool wide;	      /* the claim's row can name a member of a pair */
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
	struct cluster cluster; /* first: the two pointers are one */
	struct cluster_postgres_options o;
	const struct marker_ops *marker;
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
	struct cluster_findings *remembered; /* looked up before, or NULL */
	int64_t remembered_until;
};

struct cluster_postgres *cluster_postgres_of(struct cluster *t);

/* A role name that SQL will take whole: 1 to 63 bytes of UTF-8. */
enum status cluster_postgres_check_name(const char *role, struct reason *why);

/* pg_run() with the cluster's statement timeout and a margin. */
enum status cluster_postgres_run(struct cluster_postgres *p,
				 struct cluster_session *s, struct pg_query *q,
				 struct reason *why);

#endif
