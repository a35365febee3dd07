/* SPDX-License-Identifier: PostgreSQL */
/* The marker table: made when it is missing, refused when it is not safe. */
#ifndef KEYTURN_CLUSTER_POSTGRES_MARKER_PREPARE_H
#define KEYTURN_CLUSTER_POSTGRES_MARKER_PREPARE_H

#include "cluster/postgres/common.h"

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
 * NULL without the schema $1, 'missing' without the table, 'ready', or a word
 * for what is wrong with it (see marker_prepare.c), a blank and a name.
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

/* The columns of the row of a pair. */
#define CLUSTER_MARKER_PAIR_SQL(add)                                \
	add "active_oid oid, " add "previous_version uuid, " add    \
	    "previous_oid oid, " add "retired_at timestamptz, " add \
	    "sealed oid[]"
/* ... by name, and how many. */
#define CLUSTER_MARKER_PAIR_NAMES \
	"active_oid,previous_version,previous_oid,retired_at,sealed"
#define CLUSTER_MARKER_PAIR_HAS_SQL                                                       \
	"pg_catalog.count(*) FILTER (WHERE t.attname = ANY ('{" CLUSTER_MARKER_PAIR_NAMES \
	"}'::name[]) AND NOT t.attisdropped)"                                             \
	" = 5"

enum status cluster_postgres_marker_prepare(struct cluster_postgres *p,
					    struct cluster_session *s,
					    struct reason *why);
/*
 * Add what the row of a pair has and tables of older versions lack.  For a
 * session that holds a claim, and no lock.  Safe to run by several at once;
 * older versions go on with the wider table.  STATUS_REFUSED as above.
 */
enum status cluster_postgres_marker_prepare_widen(struct cluster_postgres *p,
						  struct cluster_session *s,
						  struct reason *why);
/* Take what CLUSTER_MARKER_STATE_SQL gave over into the session. */
void cluster_postgres_marker_prepare_note(struct cluster_session *s,
					  const char *state);
/* What makes the marker table untrusted, and how to mend it. */
void cluster_postgres_marker_prepare_fault(const struct cluster_session *s,
					   char *ret, size_t size);
/* STATUS_REFUSED: others own the table or its schema, or can change them. */
enum status cluster_postgres_marker_prepare_untrusted(
	const struct cluster_postgres *p, const struct cluster_session *s,
	struct reason *why);

#endif
