/* SPDX-License-Identifier: PostgreSQL */
/* Two login roles in turn: the marker's row, and each kind of change. */
#include "cluster/cluster_tools.h"
#include "test_cluster.h"

/* One session with a claim, and what it does. */
struct turn {
	struct cluster *t;
	struct cluster_session *s;
	const char *role;
	char claim[RANDOM_UUID_SIZE];
	struct cluster_marker m; /* as of the claim or the last look */
	struct reason why;
};

static void begin(struct turn *k, struct cluster *t, const char *role)
{
	*k = (struct turn){ .t = t, .s = session(t), .role = role };
	must_claim_pair(t, k->s, role, k->claim, &k->m);
}

static void end(struct turn *k)
{
	k->t->ops->release(k->t, k->s, true);
}

static void look(struct turn *k)
{
	if (k->t->ops->look(k->t, k->s, k->role, &k->m, &k->why) != STATUS_OK)
		fail_msg("%s", k->why.text);
}

static enum status change(struct turn *k, enum cluster_change_kind kind,
			  const char *suffix, const char *version,
			  const char *password)
{
	struct secret *p = password != NULL ? secret_of(password) : NULL;
	char member[CLUSTER_NAME_SIZE];
	const struct cluster_change c = { .kind = kind,
					  .role = k->role,
					  .member = suffix ? member : NULL,
					  .claim = k->claim,
					  .version = version,
					  .password = p };
	bool alone = false;
	enum status st;

	snprintf(member, sizeof(member), "%s%s", k->role, suffix ? suffix : "");
	reason_clear(&k->why);
	st = k->t->ops->apply(k->t, k->s, &c, &alone, &k->why);
	secret_free(p);
	return st;
}

static void must(struct turn *k, enum cluster_change_kind kind,
		 const char *suffix, const char *version, const char *password)
{
	if (change(k, kind, suffix, version, password) != STATUS_OK)
		fail_msg("%s", k->why.text);
	look(k);
}

/* A new password for the member; ret_version: of it. */
static void turn_to(struct turn *k, const char *suffix, const char *password,
		    char *ret_version)
{
	uuid(ret_version);
	must(k, CLUSTER_CHANGE_PASSWORD, suffix, ret_version, password);
}

/* Who is active, the live version and the one before. */
static void is(const struct turn *k, const char *active, const char *live,
	       const char *previous)
{
	char name[CLUSTER_NAME_SIZE] = "";

	if (active[0] != '\0')
		snprintf(name, sizeof(name), "%s%s", k->role, active);
	assert_string_equal(k->m.active, name);
	assert_string_equal(k->m.live_version, live);
	assert_string_equal(k->m.previous_version, previous);
	assert_false(k->m.foreign);
}

static bool can(const struct turn *k, const char *suffix)
{
	return ask("SELECT rolcanlogin FROM pg_roles WHERE rolname = '%s%s'",
		   k->role, suffix)[0] == 't';
}

static enum cluster_login login(const struct turn *k, const char *suffix,
				const char *password)
{
	char name[CLUSTER_NAME_SIZE];

	snprintf(name, sizeof(name), "%s%s", k->role, suffix);
	return login_as(k->t, name, password);
}

/* ---- a life ---- */

static void live_a_life(struct cluster *t, const char *role)
{
	char one[RANDOM_UUID_SIZE], two[RANDOM_UUID_SIZE];
	struct turn k;

	new_pair(role);
	sql("ALTER ROLE %s_a NOLOGIN", role);
	begin(&k, t, role);
	is(&k, "", "", "");
	turn_to(&k, "_a", PASSWORD, one);
	is(&k, "_a", one, "");
	assert_int_equal(login(&k, "_a", PASSWORD), CLUSTER_LOGIN_RIGHT);
	assert_true(can(&k, "_a"));
	turn_to(&k, "_b", NEXT, two);
	is(&k, "_b", two, one);
	assert_int_equal(k.m.retired_us, 0);
	/* The other stays as it was. */
	assert_int_equal(login(&k, "_a", PASSWORD), CLUSTER_LOGIN_RIGHT);
	assert_true(can(&k, "_a"));
	assert_int_equal(login(&k, "_b", NEXT), CLUSTER_LOGIN_RIGHT);
	must(&k, CLUSTER_CHANGE_NOLOGIN, "_a", NULL, NULL);
	is(&k, "_b", two, one);
	assert_true(k.m.retired_us > 1600000000 * NOW_SECOND);
	assert_false(can(&k, "_a"));
	assert_int_equal(login(&k, "_a", PASSWORD), CLUSTER_LOGIN_RIGHT);
	/* One statement undoes it. */
	must(&k, CLUSTER_CHANGE_REVERT, "_a", one, NULL);
	is(&k, "_a", one, two);
	assert_int_equal(k.m.retired_us, 0);
	assert_true(can(&k, "_a") && can(&k, "_b"));
	assert_non_null(strstr(k.m.previous, "_b"));
	must(&k, CLUSTER_CHANGE_NOLOGIN, "_b", NULL, NULL);
	must(&k, CLUSTER_CHANGE_CLEAR, "_b", NULL, NULL);
	is(&k, "_a", one, "");
	assert_true(k.m.previous[0] == '\0' && k.m.retired_us == 0);
	assert_string_equal(ask("SELECT rolpassword FROM pg_authid "
				"WHERE rolname = '%s_b'",
				role),
			    "");
	assert_int_equal(login(&k, "_b", NEXT), CLUSTER_LOGIN_WRONG);
	assert_int_equal(login(&k, "_a", PASSWORD), CLUSTER_LOGIN_RIGHT);
	/* Also where passwords are not to be seen. */
	sql("DROP ROLE %s_a", role);
	look(&k);
	assert_true(k.m.foreign && k.m.active[0] == '\0');
	end(&k);
}

static void members_take_turns(void **state)
{
	(void)state;
	live_a_life(cluster, "turn");
	live_a_life(limited, "limited_turn");
}

static void the_same_member_again_keeps_the_one_before(void **state)
{
	char one[RANDOM_UUID_SIZE], two[RANDOM_UUID_SIZE];
	char three[RANDOM_UUID_SIZE];
	int64_t retired;
	struct turn k;

	(void)state;
	new_pair("again");
	begin(&k, cluster, "again");
	turn_to(&k, "_a", PASSWORD, one);
	turn_to(&k, "_b", NEXT, two);
	must(&k, CLUSTER_CHANGE_NOLOGIN, "_a", NULL, NULL);
	retired = k.m.retired_us;
	turn_to(&k, "_b", PASSWORD, three);
	is(&k, "_b", three, one);
	assert_true(k.m.retired_us == retired && !can(&k, "_a"));
	/* Its turn: what was retired is so no more. */
	turn_to(&k, "_a", NEXT, one);
	is(&k, "_a", one, three);
	assert_int_equal(k.m.retired_us, 0);
	end(&k);
}

static void a_login_role_is_adopted_as_the_owner(void **state)
{
	char zero[RANDOM_UUID_SIZE], one[RANDOM_UUID_SIZE];
	char two[RANDOM_UUID_SIZE];
	struct turn k;

	(void)state;
	new_pair("adopted");
	sql("ALTER ROLE adopted LOGIN PASSWORD '" OLD "'");
	begin(&k, cluster, "adopted");
	uuid(zero);
	must(&k, CLUSTER_CHANGE_MARKER, NULL, zero, NULL);
	is(&k, "", zero, "");
	turn_to(&k, "_a", PASSWORD, one);
	is(&k, "_a", one, zero);
	assert_string_equal(k.m.previous, "adopted");
	must(&k, CLUSTER_CHANGE_NOLOGIN, "", NULL, NULL);
	assert_true(k.m.retired_us != 0 && !can(&k, ""));
	must(&k, CLUSTER_CHANGE_REVERT, "", zero, NULL);
	is(&k, "", zero, one);
	assert_true(can(&k, ""));
	assert_int_equal(login(&k, "", OLD), CLUSTER_LOGIN_RIGHT);
	must(&k, CLUSTER_CHANGE_REVERT, "_a", one, NULL);
	must(&k, CLUSTER_CHANGE_NOLOGIN, "", NULL, NULL);
	must(&k, CLUSTER_CHANGE_CLEAR, "", NULL, NULL);
	is(&k, "_a", one, "");
	assert_int_equal(login(&k, "", OLD), CLUSTER_LOGIN_WRONG);
	/* When the pair becomes one role again it is its turn once more. */
	turn_to(&k, "", NEXT, two);
	is(&k, "", two, one);
	assert_true(can(&k, ""));
	assert_int_equal(login(&k, "", NEXT), CLUSTER_LOGIN_RIGHT);
	assert_int_equal(login(&k, "_a", PASSWORD), CLUSTER_LOGIN_RIGHT);
	must(&k, CLUSTER_CHANGE_NOLOGIN, "_a", NULL, NULL);
	end(&k);
}

static void the_marker_alone_names_a_member(void **state)
{
	char one[RANDOM_UUID_SIZE], two[RANDOM_UUID_SIZE];
	struct turn k;

	(void)state;
	new_pair("named");
	begin(&k, cluster, "named");
	uuid(one);
	must(&k, CLUSTER_CHANGE_MARKER, "_b", one, NULL);
	is(&k, "_b", one, "");
	assert_int_equal(login(&k, "_b", OLD), CLUSTER_LOGIN_RIGHT);
	turn_to(&k, "_a", PASSWORD, two);
	is(&k, "_a", two, one);
	/* No login role is both. */
	must(&k, CLUSTER_CHANGE_MARKER, "_b", one, NULL);
	is(&k, "_b", one, "");
	assert_int_equal(change(&k, CLUSTER_CHANGE_REVERT, "_b", one, NULL),
			 STATUS_REFUSED);
	end(&k);
}

static void a_pair_that_becomes_a_single_role_again_is_one(void **state)
{
	char one[RANDOM_UUID_SIZE], two[RANDOM_UUID_SIZE];
	struct turn k;

	(void)state;
	new_pair("unpaired");
	begin(&k, cluster, "unpaired");
	turn_to(&k, "_a", PASSWORD, one);
	end(&k);
	sql("ALTER ROLE unpaired LOGIN");
	k.s = session(cluster);
	must_claim(cluster, k.s, "unpaired", k.claim, &k.m);
	is(&k, "_a", one, "");
	assert_int_equal(apply(cluster, k.s, "unpaired", k.claim, NEXT, two,
			       &k.why),
			 STATUS_OK);
	look(&k);
	is(&k, "", two, one);
	assert_int_equal(login(&k, "", NEXT), CLUSTER_LOGIN_RIGHT);
	end(&k);
}

/* Is it called sealed?  And is it the only one? */
static bool sealed(const struct turn *k, const char *suffix)
{
	char names[CLUSTER_MEMBERS][CLUSTER_NAME_SIZE];
	struct cluster_pair pair = { { names[0], names[1] } };
	struct cluster_member m[CLUSTER_MEMBERS + 1];
	struct reason why;
	unsigned n = 0;
	bool it = false;

	snprintf(names[0], sizeof(names[0]), "%s_a", k->role);
	snprintf(names[1], sizeof(names[1]), "%s_b", k->role);
	if (k->t->ops->peek(k->t, k->s, k->role, &pair, m, &why) != STATUS_OK)
		fail_msg("%s", why.text);
	for (size_t i = 0; i <= CLUSTER_MEMBERS; i++) {
		n += m[i].sealed;
		it = it || (m[i].sealed &&
			    strcmp(m[i].name + strlen(k->role), suffix) == 0);
	}
	return it && n == 1;
}

/* NOLOGIN, or PASSWORD NULL, was refused: a password of nobody's instead. */
static void seal_a_member(struct cluster *t, const char *role)
{
	char one[RANDOM_UUID_SIZE], two[RANDOM_UUID_SIZE];
	char three[RANDOM_UUID_SIZE];
	struct turn k;

	new_pair(role);
	begin(&k, t, role);
	turn_to(&k, "_a", PASSWORD, one);
	turn_to(&k, "_b", NEXT, two);
	uuid(three);
	must(&k, CLUSTER_CHANGE_NOLOGIN, "_a", three, OLD);
	is(&k, "_b", two, "");
	assert_true(k.m.previous[0] == '\0' && k.m.retired_us == 0);
	assert_true(can(&k, "_a") && sealed(&k, "_a"));
	assert_int_equal(login(&k, "_a", PASSWORD), CLUSTER_LOGIN_WRONG);
	assert_int_equal(login(&k, "_b", NEXT), CLUSTER_LOGIN_RIGHT);
	/* There is no way back. */
	assert_int_equal(change(&k, CLUSTER_CHANGE_REVERT, "_a", one, NULL),
			 STATUS_REFUSED);
	assert_int_equal(change(&k, CLUSTER_CHANGE_NOLOGIN, "_b", three, OLD),
			 STATUS_REFUSED);
	/* Both may be, and whose turn it is again is not. */
	turn_to(&k, "", NEXT, one);
	must(&k, CLUSTER_CHANGE_NOLOGIN, "_b", three, OLD);
	assert_false(sealed(&k, "_a") || sealed(&k, "_b"));
	turn_to(&k, "_a", PASSWORD, two);
	assert_true(sealed(&k, "_b"));
	must(&k, CLUSTER_CHANGE_NOLOGIN, "_b", NULL, NULL);
	assert_false(sealed(&k, "_b") || can(&k, "_b"));
	/* The password before, of who may not log in. */
	is(&k, "_a", two, one);
	assert_int_equal(change(&k, CLUSTER_CHANGE_CLEAR, "", three, OLD),
			 STATUS_REFUSED);
	must(&k, CLUSTER_CHANGE_NOLOGIN, "", NULL, NULL);
	must(&k, CLUSTER_CHANGE_CLEAR, "", three, OLD);
	is(&k, "_a", two, "");
	assert_false(can(&k, "") || sealed(&k, ""));
	assert_int_equal(login(&k, "", NEXT), CLUSTER_LOGIN_WRONG);
	end(&k);
}

static void a_member_that_keeps_login_is_sealed(void **state)
{
	(void)state;
	seal_a_member(cluster, "sealed");
	seal_a_member(limited, "limited_sealed");
}

/* ---- the fence ---- */

/* All that a change may touch, as one string. */
static void picture(const char *role, char *ret, size_t n)
{
	snprintf(ret, n, "%s",
		 ask("SELECT string_agg(concat_ws('/', rolname, rolcanlogin, "
		     "md5(rolpassword)), ' ' ORDER BY rolname) || (SELECT "
		     "concat_ws('/', live_version, active_oid, "
		     "previous_version, previous_oid, retired_at, sealed, "
		     "applied_at, "
		     "fingerprint) FROM keyturn.marker WHERE role_name = '%s') "
		     "FROM pg_authid WHERE rolname IN ('%s', '%s_a', '%s_b')",
		     role, role, role, role));
}

static void another_claim_in_between_refuses_each_kind(void **state)
{
	char one[RANDOM_UUID_SIZE], two[RANDOM_UUID_SIZE];
	char three[RANDOM_UUID_SIZE], before[1024], after[1024];
	struct turn k, other;

	(void)state;
	new_pair("fenced");
	begin(&k, cluster, "fenced");
	turn_to(&k, "_a", PASSWORD, one);
	turn_to(&k, "_b", NEXT, two);
	uuid(three);
	for (int kind = CLUSTER_CHANGE_PASSWORD; kind <= CLUSTER_CHANGE_CLEAR;
	     kind++) {
		bool sets = kind == CLUSTER_CHANGE_PASSWORD;

		if (kind == CLUSTER_CHANGE_CLEAR)
			sql("ALTER ROLE fenced_a NOLOGIN");
		/* What takes a claim leaves the old session alive. */
		sql("UPDATE keyturn.marker SET claim = "
		    "'00000000-0000-4000-8000-000000000000' "
		    "WHERE role_name = 'fenced'");
		picture("fenced", before, sizeof(before));
		assert_int_equal(change(&k, (enum cluster_change_kind)kind,
					"_a",
					kind == CLUSTER_CHANGE_REVERT ? one :
					kind <= CLUSTER_CHANGE_RENEW  ? three :
									NULL,
					sets ? PASSWORD : NULL),
				 STATUS_CONFLICT);
		assert_non_null(strstr(k.why.text, "another claim"));
		picture("fenced", after, sizeof(after));
		assert_string_equal(before, after);
		sql("UPDATE keyturn.marker SET claim = '%s' "
		    "WHERE role_name = 'fenced'",
		    k.claim);
	}
	/* A session that made no claim, or lost it, changes nothing either. */
	other = k;
	other.s = session(cluster);
	assert_int_equal(change(&other, CLUSTER_CHANGE_NOLOGIN, "_a", NULL,
				NULL),
			 STATUS_CONFLICT);
	end(&other);
	must(&k, CLUSTER_CHANGE_NOLOGIN, "_a", NULL, NULL);
	end(&k);
}

/* Nothing has changed, and the sentence has this word. */
static void refused(struct turn *k, enum cluster_change_kind kind,
		    const char *suffix, const char *version, const char *word)
{
	char before[1024], after[1024];

	picture(k->role, before, sizeof(before));
	assert_int_equal(change(k, kind, suffix, version, NULL),
			 STATUS_REFUSED);
	if (strstr(k->why.text, word) == NULL)
		fail_msg("%s", k->why.text);
	picture(k->role, after, sizeof(after));
	assert_string_equal(before, after);
}

/* Who is active keeps password, time and the one before. */
static void a_password_gets_another_version(void **state)
{
	static const char others[] =
		"SELECT md5((to_jsonb(m) - 'live_version')::text) FROM "
		"keyturn.marker m WHERE role_name = 'renewed'";
	char one[RANDOM_UUID_SIZE], two[RANDOM_UUID_SIZE];
	char three[RANDOM_UUID_SIZE], before[1024], after[1024];
	struct turn k;

	(void)state;
	new_pair("renewed");
	begin(&k, cluster, "renewed");
	turn_to(&k, "_a", PASSWORD, one);
	turn_to(&k, "_b", NEXT, two);
	uuid(three);
	snprintf(before, sizeof(before), "%s", ask("%s", others));
	must(&k, CLUSTER_CHANGE_RENEW, "_b", three, NULL);
	snprintf(after, sizeof(after), "%s", ask("%s", others));
	assert_string_equal(before, after);
	is(&k, "_b", three, one);
	must(&k, CLUSTER_CHANGE_NOLOGIN, "_a", NULL, NULL);
	must(&k, CLUSTER_CHANGE_REVERT, "_a", one, NULL);
	is(&k, "_a", one, three);
	end(&k);
}

static void what_the_row_does_not_allow_is_refused(void **state)
{
	char one[RANDOM_UUID_SIZE], two[RANDOM_UUID_SIZE];
	struct turn k;

	(void)state;
	new_pair("strict");
	begin(&k, cluster, "strict");
	turn_to(&k, "_a", PASSWORD, one);
	turn_to(&k, "_b", NEXT, two);
	refused(&k, CLUSTER_CHANGE_NOLOGIN, "_b", NULL, "keeps its login");
	refused(&k, CLUSTER_CHANGE_CLEAR, "_b", NULL, "keeps its login");
	refused(&k, CLUSTER_CHANGE_CLEAR, "_a", NULL, "can log in");
	refused(&k, CLUSTER_CHANGE_REVERT, "_a", two, "not the previous");
	refused(&k, CLUSTER_CHANGE_REVERT, "_b", one, "not the previous");
	refused(&k, CLUSTER_CHANGE_REVERT, "", one, "not the previous");
	refused(&k, CLUSTER_CHANGE_RENEW, "_a", two, "not that of");
	refused(&k, CLUSTER_CHANGE_RENEW, "", two, "not that of");
	/* NOLOGIN by hand keeps the active one from nothing here. */
	sql("ALTER ROLE strict_b NOLOGIN");
	refused(&k, CLUSTER_CHANGE_CLEAR, "_b", NULL, "keeps its login");
	assert_int_equal(change(&k, CLUSTER_CHANGE_NOLOGIN, "_none", NULL,
				NULL),
			 STATUS_NOT_FOUND);
	assert_int_equal(change(&k, CLUSTER_CHANGE_PASSWORD, "_none", one,
				PASSWORD),
			 STATUS_NOT_FOUND);
	/* A password that is not there any more cannot be live again. */
	sql("ALTER ROLE strict_a PASSWORD NULL");
	refused(&k, CLUSTER_CHANGE_REVERT, "_a", one, "no password");
	sql("ALTER ROLE strict RENAME TO strict_other");
	assert_int_equal(change(&k, CLUSTER_CHANGE_PASSWORD, "_a", one,
				PASSWORD),
			 STATUS_NOT_FOUND);
	sql("ALTER ROLE strict_other RENAME TO strict");
	end(&k);
}

static void incomplete_changes_are_errors(void **state)
{
	char one[RANDOM_UUID_SIZE];
	struct turn k;

	(void)state;
	new_pair("partial");
	begin(&k, cluster, "partial");
	uuid(one);
	assert_int_equal(change(&k, CLUSTER_CHANGE_PASSWORD, "_a", one, NULL),
			 STATUS_ERROR);
	assert_int_equal(change(&k, CLUSTER_CHANGE_MARKER, "_a", one, NEXT),
			 STATUS_ERROR);
	assert_int_equal(change(&k, CLUSTER_CHANGE_REVERT, "_a", NULL, NULL),
			 STATUS_ERROR);
	assert_int_equal(change(&k, CLUSTER_CHANGE_NOLOGIN, NULL, NULL, NULL),
			 STATUS_ERROR);
	assert_int_equal(change(&k, CLUSTER_CHANGE_NOLOGIN, "_\n", NULL, NULL),
			 STATUS_REFUSED);
	assert_true(can(&k, "_a"));
	end(&k);
}

/* ---- what is seen ---- */

static void the_active_members_password_is_the_one_that_is_compared(
	void **state)
{
	char one[RANDOM_UUID_SIZE], two[RANDOM_UUID_SIZE];
	struct turn k;

	(void)state;
	new_pair("seen");
	sql("ALTER ROLE seen PASSWORD '" OLD "' VALID UNTIL '2001-01-01'");
	begin(&k, cluster, "seen");
	turn_to(&k, "_a", PASSWORD, one);
	turn_to(&k, "_b", NEXT, two);
	assert_true(k.m.expires_us == 0 && !k.m.none);
	sql("ALTER ROLE seen_a PASSWORD 'by-hand-0123456789'");
	look(&k);
	is(&k, "_b", two, one);
	/* Live again, it is what it is now; a login tells whether it is right. */
	must(&k, CLUSTER_CHANGE_REVERT, "_a", one, NULL);
	is(&k, "_a", one, two);
	sql("ALTER ROLE seen_a PASSWORD 'again-by-hand-0123456789'");
	assert_int_equal(cluster->ops->inspect(cluster, k.s, "seen", &k.m,
					       &k.why),
			 STATUS_OK);
	assert_true(k.m.foreign);
	assert_non_null(strstr(k.why.text, "seen_a was changed by hand"));
	sql("ALTER ROLE seen_a PASSWORD NULL");
	look(&k);
	assert_true(k.m.none && k.m.foreign);
	sql("ALTER ROLE seen_a RENAME TO seen_c");
	sql("ALTER ROLE seen_c VALID UNTIL '2040-01-01'");
	look(&k);
	assert_string_equal(k.m.active, "seen_c");
	assert_true(k.m.expires_us > 2200000000 * NOW_SECOND);
	sql("DROP ROLE seen_c");
	assert_int_equal(cluster->ops->inspect(cluster, k.s, "seen", &k.m,
					       &k.why),
			 STATUS_OK);
	assert_true(k.m.foreign && !k.m.none);
	assert_string_equal(k.m.active, "");
	assert_non_null(strstr(k.why.text, "dropped"));
	end(&k);
}

static void a_restored_database_is_what_it_was(void **state)
{
	char one[RANDOM_UUID_SIZE], two[RANDOM_UUID_SIZE];
	char three[RANDOM_UUID_SIZE];
	struct turn k;

	(void)state;
	new_pair("restored");
	begin(&k, cluster, "restored");
	turn_to(&k, "_a", PASSWORD, one);
	turn_to(&k, "_b", NEXT, two);
	must(&k, CLUSTER_CHANGE_NOLOGIN, "_a", NULL, NULL);
	sql("CREATE TABLE public.saved AS SELECT * FROM keyturn.marker "
	    "WHERE role_name = 'restored'");
	sql("CREATE TABLE public.saved_roles AS SELECT rolname, rolcanlogin, "
	    "rolpassword FROM pg_authid WHERE rolname LIKE 'restored%%'");
	turn_to(&k, "_a", NEXT, three);
	must(&k, CLUSTER_CHANGE_NOLOGIN, "_b", NULL, NULL);
	must(&k, CLUSTER_CHANGE_CLEAR, "_b", NULL, NULL);
	/* The row alone goes back: the passwords are others than it says. */
	sql("DELETE FROM keyturn.marker WHERE role_name = 'restored'");
	sql("INSERT INTO keyturn.marker SELECT * FROM public.saved");
	look(&k);
	assert_string_equal(k.m.active, "restored_b");
	assert_string_equal(k.m.live_version, two);
	assert_true(k.m.foreign);
	sql("UPDATE pg_authid a SET rolpassword = r.rolpassword, rolcanlogin = "
	    "r.rolcanlogin FROM public.saved_roles r "
	    "WHERE r.rolname = a.rolname");
	must_claim_pair(cluster, k.s, "restored", k.claim, &k.m);
	is(&k, "_b", two, one);
	assert_true(k.m.retired_us != 0);
	must(&k, CLUSTER_CHANGE_REVERT, "_a", one, NULL);
	is(&k, "_a", one, two);
	assert_int_equal(login(&k, "_a", PASSWORD), CLUSTER_LOGIN_RIGHT);
	end(&k);
	sql("DROP TABLE public.saved, public.saved_roles");
}

/* ---- a table of an older version ---- */

#define OLD_TABLE                                                   \
	"CREATE TABLE %s.marker (role_oid oid PRIMARY KEY, "        \
	"role_name name NOT NULL, live_version uuid, claim uuid, "  \
	"epoch bigint NOT NULL DEFAULT 0, claim_pid int, "          \
	"claim_backend_start timestamptz, claimed_at timestamptz, " \
	"applied_at timestamptz, fingerprint text, branch text)"

static struct cluster *open_in(const char *schema, const char *user,
			       const char *file, enum cluster_send send)
{
	char conninfo[1024];
	struct cluster_postgres_options o = { .name = "elsewhere",
					      .conninfo = conninfo,
					      .admin_passfile = file,
					      .marker_schema = schema,
					      .send = send };
	struct cluster *t = NULL;
	struct reason why = { "" };

	conninfo_for(user, "postgres", conninfo, sizeof(conninfo));
	if (cluster_postgres_open(&o, &t, &why) != STATUS_OK)
		fail_msg("%s", why.text);
	return t;
}

static int columns(const char *schema)
{
	return atoi(ask("SELECT count(*) FROM pg_attribute WHERE attnum > 0 "
			"AND attrelid = '%s.marker'::regclass",
			schema));
}

static void an_older_table_is_widened_by_the_first_pair(void **state)
{
	struct cluster *t;
	char one[RANDOM_UUID_SIZE], version[RANDOM_UUID_SIZE];
	struct turn k, single;

	(void)state;
	sql("CREATE SCHEMA older");
	sql(OLD_TABLE, "older");
	t = open_in("older", "postgres", passfile, CLUSTER_SEND_SCRAM);
	new_role("older_single");
	new_pair("older_pair");
	single = (struct turn){ .t = t, .role = "older_single" };
	rotate(t, "older_single", PASSWORD);
	assert_int_equal(columns("older"), 11);
	/* A claim that was made before, of a role by itself, goes on. */
	single.s = session(t);
	must_claim(t, single.s, "older_single", single.claim, &single.m);
	assert_string_equal(single.m.active, "");
	begin(&k, t, "older_pair");
	assert_int_equal(columns("older"), 16);
	turn_to(&k, "_a", PASSWORD, one);
	is(&k, "_a", one, "");
	assert_int_equal(apply(t, single.s, "older_single", single.claim, NEXT,
			       version, &single.why),
			 STATUS_OK);
	look(&single);
	is(&single, "", version, "");
	/* Of a role by itself it changes no member. */
	assert_int_equal(change(&single, CLUSTER_CHANGE_NOLOGIN, "", NULL,
				NULL),
			 STATUS_ERROR);
	end(&single);
	rotate(t, "older_single", PASSWORD);
	assert_int_equal(login(&single, "", PASSWORD), CLUSTER_LOGIN_RIGHT);
	/* Of pairs, before any was sealed. */
	end(&k);
	sql("ALTER TABLE older.marker DROP COLUMN sealed");
	begin(&k, t, "older_pair");
	is(&k, "_a", one, "");
	turn_to(&k, "_b", PASSWORD, version);
	assert_false(sealed(&k, "_a"));
	end(&k);
	t->ops->close(t);
	sql("DROP SCHEMA older CASCADE");
}

static void an_older_table_of_another_owner_names_the_sql(void **state)
{
	static const char begin_sql[] = "ALTER TABLE";
	char file[600], one[RANDOM_UUID_SIZE];
	struct cluster_claim c = { .role = "lent_pair",
				   .claim = one,
				   .pair = true };
	struct cluster_marker m;
	struct reason why = { "" };
	struct cluster_session *s;
	struct cluster *t;

	(void)state;
	snprintf(file, sizeof(file), "%s/admin", folder);
	sql("CREATE SCHEMA lent");
	sql(OLD_TABLE, "lent");
	sql("GRANT USAGE ON SCHEMA lent TO keyturn_admin");
	sql("GRANT SELECT, INSERT, UPDATE ON lent.marker TO keyturn_admin");
	new_pair("lent_pair");
	t = open_in("lent", "keyturn_admin", file, CLUSTER_SEND_SCRAM);
	s = session(t);
	uuid(one);
	assert_int_equal(t->ops->claim(t, s, &c, &m, &why), STATUS_REFUSED);
	assert_non_null(strstr(why.text, begin_sql));
	sql("%s", strstr(why.text, begin_sql));
	uuid(one);
	assert_int_equal(t->ops->claim(t, s, &c, &m, &why), STATUS_OK);
	t->ops->release(t, s, true);
	t->ops->close(t);
	sql("DROP SCHEMA lent CASCADE");
}

/* ---- other ways ---- */

static void a_members_password_may_go_in_clear(void **state)
{
	char one[RANDOM_UUID_SIZE], two[RANDOM_UUID_SIZE], file[600];
	struct cluster *t[2];
	struct turn k;

	(void)state;
	snprintf(file, sizeof(file), "%s/admin", folder);
	sql("ALTER ROLE postgres SET log_statement = 'none'");
	sql("ALTER ROLE keyturn_admin SET log_statement = 'none'");
	t[0] = open_in("clear", "postgres", passfile, CLUSTER_SEND_PLAIN);
	t[1] = open_in("clear_limited", "keyturn_admin", file,
		       CLUSTER_SEND_PLAIN);
	for (int i = 0; i < 2; i++) {
		new_pair("clear_pair");
		sql("ALTER ROLE clear_pair_a NOLOGIN");
		begin(&k, t[i], "clear_pair");
		turn_to(&k, "_a", PASSWORD, one);
		is(&k, "_a", one, "");
		assert_true(can(&k, "_a"));
		assert_int_equal(login(&k, "_a", PASSWORD),
				 CLUSTER_LOGIN_RIGHT);
		turn_to(&k, "_b", NEXT, two);
		is(&k, "_b", two, one);
		must(&k, CLUSTER_CHANGE_NOLOGIN, "_a", NULL, NULL);
		must(&k, CLUSTER_CHANGE_CLEAR, "_a", NULL, NULL);
		is(&k, "_b", two, "");
		if (i == 0) {
			sql("ALTER ROLE clear_pair_b PASSWORD 'by-hand-01234'");
			look(&k);
			assert_true(k.m.foreign);
		}
		end(&k);
		t[i]->ops->close(t[i]);
	}
	sql("ALTER ROLE postgres RESET log_statement");
	sql("ALTER ROLE keyturn_admin RESET log_statement");
	sql("DROP SCHEMA clear, clear_limited CASCADE");
}

static void *apply_thread(void *arg)
{
	struct turn *k = arg;
	static enum status st;

	st = change(k, CLUSTER_CHANGE_NOLOGIN, "_a", NULL, NULL);
	return &st;
}

static void a_session_that_is_lost_on_the_way_has_changed_nothing(void **state)
{
	char one[RANDOM_UUID_SIZE], two[RANDOM_UUID_SIZE];
	struct pg *blocker = superuser_session();
	pthread_t thread;
	void *st = NULL;
	struct turn k;

	(void)state;
	new_pair("lost");
	begin(&k, cluster, "lost");
	turn_to(&k, "_a", PASSWORD, one);
	turn_to(&k, "_b", NEXT, two);
	run_on(blocker, "BEGIN");
	run_on(blocker, "ALTER ROLE lost_a CONNECTION LIMIT 7");
	assert_int_equal(pthread_create(&thread, NULL, apply_thread, &k), 0);
	while (atoi(ask("SELECT count(*) FROM pg_stat_activity WHERE "
			"wait_event_type = 'Lock' AND query LIKE "
			"'ALTER ROLE \"lost_a\" NOLOGIN%%'")) == 0)
		now_sleep(now_system(), NOW_SECOND / 50);
	ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
	    "wait_event_type = 'Lock' AND query LIKE "
	    "'ALTER ROLE \"lost_a\" NOLOGIN%%'");
	pthread_join(thread, &st);
	run_on(blocker, "ROLLBACK");
	assert_true(*(enum status *)st != STATUS_OK);
	cluster->ops->release(cluster, k.s, false);
	assert_true(can(&k, "_a"));
	begin(&k, cluster, "lost");
	is(&k, "_b", two, one);
	assert_int_equal(k.m.retired_us, 0);
	must(&k, CLUSTER_CHANGE_NOLOGIN, "_a", NULL, NULL);
	end(&k);
	pg_close(blocker);
}

/* ---- who uses it ---- */

static enum status list(void *arg, const struct cluster_seen *s)
{
	struct text *t = arg;

	assert_true(s->pair);
	text_printf(t, "%s %s %s;", s->login, s->application,
		    s->hidden	    ? "hidden" :
		    s->beside	    ? "beside" :
		    s->after_us < 0 ? "old" :
				      "new");
	/* Which password it has. */
	text_printf(t, "%s\n", s->version);
	return STATUS_OK;
}

static const struct cluster_pair watched_names = { { "watched_a",
						     "watched_b" } };

static struct cluster_watched watch(struct cluster *t, char *ret, size_t size)
{
	struct cluster_watched w[] = {
		{ .owner = "no \"such\\ role", .pair = &watched_names },
		{ .owner = "watched", .pair = &watched_names },
	};
	struct text seen = text_make(2000);
	struct reason why = { "" };

	if (t->tools->sessions(t, w, 2, list, &seen, &why) != STATUS_OK)
		fail_msg("%s", why.text);
	assert_false(w[0].found);
	text_copy(ret, size, text_str(&seen));
	text_free(&seen);
	return w[1];
}

static void the_member_of_a_session_tells_its_password(void **state)
{
	char one[RANDOM_UUID_SIZE], two[RANDOM_UUID_SIZE], want[400];
	char seen[2000];
	struct cluster_watched w;
	struct pg *old, *new;
	struct turn k;

	(void)state;
	new_pair("watched");
	begin(&k, cluster, "watched");
	w = watch(cluster, seen, sizeof(seen));
	assert_false(w.found); /* it was never rotated */
	turn_to(&k, "_a", PASSWORD, one);
	old = consumer_of("watched_a", "etl");
	w = watch(cluster, seen, sizeof(seen));
	snprintf(want, sizeof(want), "watched_a etl new;%s\n", one);
	assert_string_equal(seen, want);
	assert_true(w.found && w.visible && w.may_login && !w.kept);
	assert_int_equal(w.sessions, 0);
	assert_int_equal(w.retired_us, -1);
	assert_string_equal(w.version, one);
	turn_to(&k, "_b", PASSWORD, two);
	new = consumer_of("watched_b", "keyturn prove");
	w = watch(cluster, seen, sizeof(seen));
	snprintf(want, sizeof(want), "watched_a etl beside;%s\n", one);
	assert_string_equal(seen, want);
	assert_true(w.may_login && w.kept);
	assert_int_equal(w.sessions, 1);
	assert_string_equal(w.version, two);
	must(&k, CLUSTER_CHANGE_NOLOGIN, "_a", NULL, NULL);
	w = watch(cluster, seen, sizeof(seen));
	assert_true(!w.may_login && w.kept && w.retired_us >= 0);
	assert_int_equal(w.sessions, 1);
	pg_close(old);
	/* What calls itself ours is counted there all the same. */
	old = consumer_of("watched_b", "etl");
	sql("ALTER ROLE watched_a LOGIN");
	pg_close(new);
	new = consumer_of("watched_a", "keyturn");
	w = watch(cluster, seen, sizeof(seen));
	snprintf(want, sizeof(want), "watched_b etl new;%s\n", two);
	assert_string_equal(seen, want);
	assert_true(w.may_login && w.kept);
	assert_int_equal(w.sessions, 1);
	pg_close(old);
	pg_close(new);
	sql("ALTER ROLE watched_a NOLOGIN");
	must(&k, CLUSTER_CHANGE_CLEAR, "_a", NULL, NULL);
	w = watch(cluster, seen, sizeof(seen));
	assert_true(w.found && !w.may_login && !w.kept);
	end(&k);
}

static void without_the_right_a_pair_is_not_called_visible(void **state)
{
	char one[RANDOM_UUID_SIZE], two[RANDOM_UUID_SIZE], seen[2000];
	struct cluster_watched w;
	struct turn k;
	struct pg *pg;

	(void)state;
	new_pair("watched");
	begin(&k, limited, "watched");
	turn_to(&k, "_a", PASSWORD, one);
	turn_to(&k, "_b", PASSWORD, two);
	end(&k);
	pg = consumer_of("watched_a", "etl");
	w = watch(limited, seen, sizeof(seen));
	assert_non_null(strstr(seen, "watched_a "));
	assert_non_null(strstr(seen, " hidden;"));
	assert_false(w.visible);
	assert_int_equal(w.sessions, 1);
	sql(atoi(ask("SHOW server_version_num")) >= 160000 ?
		    "GRANT watched_a TO keyturn_admin WITH INHERIT TRUE" :
		    "GRANT watched_a TO keyturn_admin");
	w = watch(limited, seen, sizeof(seen));
	/* watched_b is the active one: nobody waits for it to be quiet. */
	assert_true(w.visible);
	pg_close(pg);
}

const struct CMUnitTest test_cluster_pair[] = {
	cmocka_unit_test(members_take_turns),
	cmocka_unit_test(the_same_member_again_keeps_the_one_before),
	cmocka_unit_test(a_login_role_is_adopted_as_the_owner),
	cmocka_unit_test(the_marker_alone_names_a_member),
	cmocka_unit_test(a_pair_that_becomes_a_single_role_again_is_one),
	cmocka_unit_test(a_member_that_keeps_login_is_sealed),
	cmocka_unit_test(another_claim_in_between_refuses_each_kind),
	cmocka_unit_test(a_password_gets_another_version),
	cmocka_unit_test(what_the_row_does_not_allow_is_refused),
	cmocka_unit_test(incomplete_changes_are_errors),
	cmocka_unit_test(
		the_active_members_password_is_the_one_that_is_compared),
	cmocka_unit_test(a_restored_database_is_what_it_was),
	cmocka_unit_test(an_older_table_is_widened_by_the_first_pair),
	cmocka_unit_test(an_older_table_of_another_owner_names_the_sql),
	cmocka_unit_test(a_session_that_is_lost_on_the_way_has_changed_nothing),
	cmocka_unit_test(the_member_of_a_session_tells_its_password),
	cmocka_unit_test(without_the_right_a_pair_is_not_called_visible),
	{ .name = NULL },
};

/* Which wants TLS. */
const struct CMUnitTest test_cluster_pair_clear[] = {
	cmocka_unit_test(a_members_password_may_go_in_clear),
	{ .name = NULL },
};
