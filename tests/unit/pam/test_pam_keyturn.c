/* SPDX-License-Identifier: PostgreSQL */
/* pam_keyturn.so through libpam: exact codes, a yes only from the agent's yes,
 * and nothing done to the process that it must not do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "pam_rig.h"
#include "tests/unit/base/child.h"

/* ---- Helpers --------------------------------------------------------------- */

static int set_up(void **state)
{
	*state = pam_rig_start();
	return 0;
}

static int tear_down(void **state)
{
	pam_rig_stop(*state);
	return 0;
}

#define assert_pam(expression, code)                                          \
	do {                                                                  \
		int got_ = (expression);                                      \
		if (got_ != (code))                                           \
			print_error("%s: %d, %s\nlog: %s", #expression, got_, \
				    pam_strerror(NULL, got_), pam_rig_log()); \
		assert_int_equal(got_, code);                                 \
	} while (0)

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int64_t wall_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static unsigned open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static char *repeated(char c, size_t n)
{
	char *s = malloc(n + 1);

	assert_non_null(s);
	for (size_t i = 0; i < n; i++)
		s[i] = c;
	s[n] = '\0';
	return s;
}

/* ---- Codes ----------------------------------------------------------------- */

static void the_current_password_is_let_in(void **state)
{
	struct pam_rig_talk talk = { .password = PAM_RIG_CURRENT };
	struct pam_rig *r = *state;
	pam_handle_t *h = pam_rig_handle(r, "alone", "sap", &talk);

	assert_pam(pam_authenticate(h, 0), PAM_SUCCESS);
	assert_pam(pam_setcred(h, PAM_ESTABLISH_CRED), PAM_SUCCESS);
	assert_pam(pam_acct_mgmt(h, 0), PAM_SUCCESS);
	assert_int_equal(talk.prompts, 1);
	assert_int_equal(talk.others, 0);
	assert_string_equal(r->seen.user, "sap");
	assert_string_equal(r->seen.service, "alone");
	assert_string_equal(r->seen.rhost, "");
	assert_string_equal(r->seen.realm, "");
	pam_end(h, PAM_SUCCESS);
}

static void every_answer_has_its_code(void **state)
{
	static const struct {
		const char *user;
		int code;
	} rows[] = {
		{ "sap", PAM_AUTH_ERR },
		{ "nobody-we-know", PAM_USER_UNKNOWN },
		{ "ambiguous", PAM_USER_UNKNOWN },
		{ "denied", PAM_PERM_DENIED },
		{ "away", PAM_AUTHINFO_UNAVAIL },
		{ "late", PAM_AUTHINFO_UNAVAIL },
		{ "malformed", PAM_SYSTEM_ERR },
		{ "limited", PAM_MAXTRIES },
	};
	struct pam_rig *r = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_pam(pam_rig_auth(r, rows[i].user, "wrong"),
			   rows[i].code);
}

/* A stack in which only PAM_IGNORE of the module leads to success. */
static int ignored(struct pam_rig *r, const char *options, const char *user)
{
	struct pam_rig_talk talk = { .password = "wrong" };
	char lines[512];
	pam_handle_t *h;
	int rc;

	snprintf(lines, sizeof(lines),
		 "auth [ignore=1 success=die default=die] %%M %%S %s\n"
		 "auth requisite pam_deny.so\nauth required pam_permit.so\n",
		 options);
	pam_rig_service(r, "ignored", lines);
	h = pam_rig_handle(r, "ignored", user, &talk);
	rc = pam_authenticate(h, 0);
	pam_end(h, rc);
	return rc;
}

static void nothing_is_ignored_unless_an_option_says_so(void **state)
{
	struct pam_rig *r = *state;

	assert_pam(ignored(r, "", "nobody-we-know"), PAM_USER_UNKNOWN);
	assert_pam(ignored(r, "ignore_unavail", "nobody-we-know"),
		   PAM_USER_UNKNOWN);
	assert_pam(ignored(r, "ignore_unknown_role", "nobody-we-know"),
		   PAM_SUCCESS);
	assert_pam(ignored(r, "", "away"), PAM_AUTHINFO_UNAVAIL);
	assert_pam(ignored(r, "ignore_unknown_role", "away"),
		   PAM_AUTHINFO_UNAVAIL);
	assert_pam(ignored(r, "ignore_unavail", "away"), PAM_SUCCESS);
	assert_pam(ignored(r, "ignore_unavail", "late"), PAM_SUCCESS);
}

static void no_option_makes_an_error_pass(void **state)
{
	static const struct {
		const char *user;
		int code;
	} rows[] = {
		{ "sap", PAM_AUTH_ERR },      { "denied", PAM_PERM_DENIED },
		{ "limited", PAM_MAXTRIES },  { "malformed", PAM_SYSTEM_ERR },
		{ "a\nb", PAM_USER_UNKNOWN }, { "ambiguous", PAM_USER_UNKNOWN },
	};
	static const char *const garbage[] = { "KT\x01", "HTTP/1.1 200 OK\r\n",
					       "KT\x01\x83\xff\xff\xff\xff" };
	const char *both = "ignore_unknown_role ignore_unavail";
	struct pam_rig *r = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_pam(ignored(r, both, rows[i].user), rows[i].code);
	for (size_t i = 0; i < sizeof(garbage) / sizeof(*garbage); i++) {
		pam_rig_agent(r, &(struct fake_agent_options){
					 .act = FAKE_AGENT_ANSWER_CLOSE,
					 .bytes = garbage[i],
					 .n = strlen(garbage[i]) });
		assert_pam(ignored(r, both, "sap"), PAM_AUTHINFO_UNAVAIL);
	}
	/* What listens there could be anybody. */
	chmod(fake_agent_folder(r->agent), 0777);
	assert_pam(ignored(r, both, "sap"), PAM_AUTHINFO_UNAVAIL);
}

/* ---- Grace ----------------------------------------------------------------- */

static void the_previous_password_is_let_in_within_its_grace(void **state)
{
	struct pam_rig_talk talk = { .password = PAM_RIG_PREVIOUS };
	struct pam_rig *r = *state;
	pam_handle_t *h = pam_rig_handle(r, "alone", "sap", &talk);

	assert_pam(pam_authenticate(h, 0), PAM_SUCCESS);
	assert_pam(pam_acct_mgmt(h, 0), PAM_SUCCESS);
	assert_int_equal(r->seen.no_grace, 0);
	assert_non_null(strstr(pam_rig_log(), "previous password"));
	pam_end(h, PAM_SUCCESS);
}

static void grace_no_refuses_it_even_if_the_agent_would_not(void **state)
{
	struct pam_rig *r = *state;

	pam_rig_alone(r, "grace=no");
	assert_pam(pam_rig_auth(r, "sap", PAM_RIG_PREVIOUS), PAM_AUTH_ERR);
	assert_int_equal(r->seen.no_grace, 1);
	assert_pam(pam_rig_auth(r, "sap", PAM_RIG_CURRENT), PAM_SUCCESS);
}

static void a_grace_without_an_end_is_no_grace(void **state)
{
	struct pam_rig *r = *state;

	r->grace_until = 0;
	assert_pam(pam_rig_auth(r, "sap", PAM_RIG_PREVIOUS), PAM_AUTH_ERR);
	r->grace_until = wall_us() - 1000000;
	assert_pam(pam_rig_auth(r, "sap", PAM_RIG_PREVIOUS), PAM_AUTH_ERR);
}

static void a_grace_that_ends_between_the_phases_is_over(void **state)
{
	struct pam_rig_talk talk = { .password = PAM_RIG_PREVIOUS };
	struct pam_rig *r = *state;
	pam_handle_t *h = pam_rig_handle(r, "alone", "sap", &talk);

	r->grace_until = wall_us() + 1500000;
	assert_pam(pam_authenticate(h, 0), PAM_SUCCESS);
	assert_pam(pam_acct_mgmt(h, 0), PAM_SUCCESS);
	while (wall_us() <= r->grace_until)
		usleep(10000);
	assert_pam(pam_acct_mgmt(h, 0), PAM_AUTHTOK_EXPIRED);
	pam_end(h, PAM_SUCCESS);
}

/* ---- account --------------------------------------------------------------- */

static void account_without_our_auth_is_refused(void **state)
{
	struct pam_rig_talk talk = { .password = PAM_RIG_CURRENT };
	struct pam_rig *r = *state;
	pam_handle_t *h = pam_rig_handle(r, "alone", "sap", &talk);

	assert_pam(pam_acct_mgmt(h, 0), PAM_SERVICE_ERR);
	pam_end(h, PAM_SERVICE_ERR);
}

static void account_repeats_a_failure(void **state)
{
	struct pam_rig_talk talk = { .password = "wrong" };
	struct pam_rig *r = *state;
	pam_handle_t *h = pam_rig_handle(r, "alone", "sap", &talk);

	assert_pam(pam_authenticate(h, 0), PAM_AUTH_ERR);
	assert_pam(pam_acct_mgmt(h, 0), PAM_AUTH_ERR);
	pam_end(h, PAM_AUTH_ERR);
}

static void a_failed_attempt_forgets_an_earlier_success(void **state)
{
	struct pam_rig_talk talk = { .password = PAM_RIG_CURRENT };
	struct pam_rig *r = *state;
	pam_handle_t *h = pam_rig_handle(r, "alone", "sap", &talk);

	assert_pam(pam_authenticate(h, 0), PAM_SUCCESS);
	talk.rc = PAM_CONV_ERR;
	assert_pam(pam_authenticate(h, 0), PAM_CONV_ERR);
	assert_pam(pam_acct_mgmt(h, 0), PAM_SERVICE_ERR);
	pam_end(h, PAM_SERVICE_ERR);
}

static void account_of_another_user_is_refused(void **state)
{
	struct pam_rig_talk talk = { .password = PAM_RIG_CURRENT };
	struct pam_rig *r = *state;
	pam_handle_t *h = pam_rig_handle(r, "alone", "sap", &talk);

	assert_pam(pam_authenticate(h, 0), PAM_SUCCESS);
	assert_pam(pam_set_item(h, PAM_USER, "erp"), PAM_SUCCESS);
	assert_pam(pam_acct_mgmt(h, 0), PAM_SERVICE_ERR);
	pam_end(h, PAM_SERVICE_ERR);
}

static void account_of_another_realm_is_refused(void **state)
{
	struct pam_rig_talk talk = { .password = PAM_RIG_CURRENT };
	struct pam_rig *r = *state;
	pam_handle_t *h;

	pam_rig_service(r, "realms",
			"auth required %M %S realm=main\n"
			"account required %M %S realm=other\n");
	h = pam_rig_handle(r, "realms", "sap", &talk);
	assert_pam(pam_authenticate(h, 0), PAM_SUCCESS);
	assert_string_equal(r->seen.realm, "main");
	assert_pam(pam_acct_mgmt(h, 0), PAM_SERVICE_ERR);
	pam_end(h, PAM_SERVICE_ERR);
}

/* ---- Options --------------------------------------------------------------- */

static void a_mistaken_option_lets_nobody_in(void **state)
{
	static const char *const mistakes[] = {
		"timeot=100",
		"timeout",
		"timeout=",
		"timeout=0",
		"timeout=10001",
		"timeout=1s",
		"timeout=-1",
		"grace",
		"grace=maybe",
		"debug=yes",
		"socket=",
		"socket=agent.sock",
		"realm=",
		"conf=keyturn",
		"conf=/nonexistent/file",
		"fail_delay=99999999999",
		"forward_pass",
		"nullok",
		"Debug",
		"ignore_unknown_user",
		"realm=12345678901234567890123456789012345678901",
	};
	struct pam_rig *r = *state;

	for (size_t i = 0; i < sizeof(mistakes) / sizeof(*mistakes); i++) {
		pam_rig_log_clear();
		pam_rig_alone(r, mistakes[i]);
		assert_pam(pam_rig_auth(r, "sap", PAM_RIG_CURRENT),
			   PAM_SERVICE_ERR);
		assert_non_null(strstr(pam_rig_log(), mistakes[i]));
	}
	assert_int_equal(fake_agent_connections(r->agent), 0);
}

static void a_mistaken_option_fails_every_phase(void **state)
{
	struct pam_rig_talk talk = { .password = PAM_RIG_CURRENT };
	struct pam_rig *r = *state;
	pam_handle_t *h;

	pam_rig_service(r, "mistaken",
			"auth required %M %S\naccount required %M %S oops\n"
			"password required %M %S oops\n"
			"session required %M %S oops\n");
	h = pam_rig_handle(r, "mistaken", "sap", &talk);
	assert_pam(pam_authenticate(h, 0), PAM_SUCCESS);
	assert_pam(pam_acct_mgmt(h, 0), PAM_SERVICE_ERR);
	assert_pam(pam_chauthtok(h, 0), PAM_SERVICE_ERR);
	assert_pam(pam_open_session(h, 0), PAM_SERVICE_ERR);
	assert_pam(pam_close_session(h, 0), PAM_SERVICE_ERR);
	pam_end(h, PAM_SERVICE_ERR);
}

static void all_options_together_are_understood(void **state)
{
	struct pam_rig *r = *state;

	pam_rig_alone(r, "debug quiet timeout=5000 try_first_pass "
			 "ignore_unknown_role ignore_unavail grace=yes "
			 "realm=main fail_delay=0");
	assert_pam(pam_rig_auth(r, "sap", PAM_RIG_CURRENT), PAM_SUCCESS);
	assert_string_equal(r->seen.realm, "main");
}

/* conf=FILE with this content and mode. */
static const char *conf(struct pam_rig *r, const char *content, mode_t mode)
{
	static char option[200];
	FILE *f;

	snprintf(option, sizeof(option), "conf=%s/options", r->folder);
	f = fopen(option + 5, "w");
	assert_non_null(f);
	fputs(content, f);
	fclose(f);
	chmod(option + 5, mode);
	return option;
}

static void conf_gives_options_and_the_stack_overrides_them(void **state)
{
	char options[300];
	struct pam_rig *r = *state;

	pam_rig_alone(r, conf(r,
			      "# of the database host\n\n"
			      "  realm = main \n\tgrace=no\nquiet\n",
			      0644));
	assert_pam(pam_rig_auth(r, "sap", PAM_RIG_CURRENT), PAM_SUCCESS);
	assert_string_equal(r->seen.realm, "main");
	assert_int_equal(r->seen.no_grace, 1);
	snprintf(options, sizeof(options), "grace=yes %s realm=other",
		 conf(r, "grace=no\nrealm=main", 0600));
	pam_rig_alone(r, options);
	assert_pam(pam_rig_auth(r, "sap", PAM_RIG_CURRENT), PAM_SUCCESS);
	assert_string_equal(r->seen.realm, "other");
	assert_int_equal(r->seen.no_grace, 0);
}

static void a_conf_that_is_not_to_be_trusted_lets_nobody_in(void **state)
{
	static const char *const contents[] = { "oops\n", "use_first_pass\n",
						"conf=/etc/passwd\n",
						"grace = maybe\n", "=\n" };
	struct pam_rig *r = *state;
	char link[200], *longer;

	for (size_t i = 0; i < sizeof(contents) / sizeof(*contents); i++) {
		pam_rig_alone(r, conf(r, contents[i], 0600));
		assert_pam(pam_rig_auth(r, "sap", PAM_RIG_CURRENT),
			   PAM_SERVICE_ERR);
	}
	pam_rig_alone(r, conf(r, "quiet\n", 0620));
	assert_pam(pam_rig_auth(r, "sap", PAM_RIG_CURRENT), PAM_SERVICE_ERR);
	pam_rig_alone(r, conf(r, "quiet\n", 0602));
	assert_pam(pam_rig_auth(r, "sap", PAM_RIG_CURRENT), PAM_SERVICE_ERR);
	longer = repeated('#', 5000);
	pam_rig_alone(r, conf(r, longer, 0600));
	free(longer);
	assert_pam(pam_rig_auth(r, "sap", PAM_RIG_CURRENT), PAM_SERVICE_ERR);
	conf(r, "quiet\n", 0600);
	snprintf(link, sizeof(link), "conf=%s/link", r->folder);
	assert_int_equal(symlink("options", link + 5), 0);
	pam_rig_alone(r, link);
	assert_pam(pam_rig_auth(r, "sap", PAM_RIG_CURRENT), PAM_SERVICE_ERR);
	/* A FIFO would make every login wait for a writer. */
	unlink(link + 5);
	assert_int_equal(mkfifo(link + 5, 0600), 0);
	assert_pam(pam_rig_auth(r, "sap", PAM_RIG_CURRENT), PAM_SERVICE_ERR);
}

static unsigned delays, delay_us;

static void count_delay(int rc, unsigned us, void *arg)
{
	(void)rc;
	(void)arg;
	delays++;
	delay_us = us;
}

static void a_failure_is_delayed_only_when_asked_for(void **state)
{
	union {
		void (*function)(int, unsigned, void *);
		const void *item;
	} delay = { .function = count_delay };
	static const char *const options[] = { "", "fail_delay=200" };
	struct pam_rig *r = *state;

	for (size_t i = 0; i < 2; i++) {
		struct pam_rig_talk talk = { .password = "wrong" };
		pam_handle_t *h;

		pam_rig_alone(r, options[i]);
		h = pam_rig_handle(r, "alone", "sap", &talk);
		pam_set_item(h, PAM_FAIL_DELAY, delay.item);
		delays = delay_us = 0;
		assert_pam(pam_authenticate(h, 0), PAM_AUTH_ERR);
		if (i == 0)
			assert_int_equal(delay_us, 0);
		else /* libpam makes it 50 to 150 % */
			assert_in_range(delay_us, 100000, 300000);
		pam_end(h, PAM_AUTH_ERR);
	}
}

static void use_first_pass_never_asks(void **state)
{
	struct pam_rig_talk talk = { .password = PAM_RIG_CURRENT };
	struct pam_rig *r = *state;
	pam_handle_t *h;

	pam_rig_alone(r, "use_first_pass");
	h = pam_rig_handle(r, "alone", "sap", &talk);
	assert_pam(pam_authenticate(h, 0), PAM_AUTH_ERR);
	assert_int_equal(talk.prompts, 0);
	assert_int_equal(fake_agent_connections(r->agent), 0);
	pam_end(h, PAM_AUTH_ERR);
}

static void a_password_typed_for_another_module_is_used(void **state)
{
	static const char *const options[] = { "use_first_pass",
					       "try_first_pass", "" };
	struct pam_rig *r = *state;

	for (size_t i = 0; i < 3; i++) {
		struct pam_rig_talk talk = { .password = PAM_RIG_CURRENT };
		char lines[256];
		pam_handle_t *h;

		snprintf(lines, sizeof(lines),
			 "auth optional %%M %%S realm=first\n"
			 "auth required %%M %%S %s\n",
			 options[i]);
		pam_rig_service(r, "two", lines);
		h = pam_rig_handle(r, "two", "sap", &talk);
		assert_pam(pam_authenticate(h, 0), PAM_SUCCESS);
		assert_int_equal(talk.prompts, 1);
		pam_end(h, PAM_SUCCESS);
	}
}

/* ---- Names and passwords ---------------------------------------------------- */

static void what_cannot_be_our_password_never_reaches_the_agent(void **state)
{
	struct pam_rig *r = *state;
	static const char *const odd[] = {
		"",	   "two\nlines", PAM_RIG_CURRENT "\n", "tab\tbed",
		"del\x7f", "latin\xe9",	 "overlong\xc0\x80"
	};
	static const size_t lengths[] = { 513, 1000, 65535 };

	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++)
		assert_pam(pam_rig_auth(r, "sap", odd[i]), PAM_AUTH_ERR);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		char *password = repeated('p', lengths[i]);

		assert_pam(pam_rig_auth(r, "sap", password), PAM_AUTH_ERR);
		free(password);
	}
	/* C1 controls are UTF-8, and the wire refuses them. */
	assert_pam(pam_rig_auth(r, "sap", "c1\xc2\x9b"), PAM_AUTH_ERR);
	assert_int_equal(fake_agent_connections(r->agent), 0);
}

static void a_password_of_512_bytes_is_asked_about(void **state)
{
	char *password = repeated('p', 512);
	struct pam_rig *r = *state;

	assert_pam(pam_rig_auth(r, "sap", password), PAM_AUTH_ERR);
	assert_int_equal(r->seen.password_len, 512);
	free(password);
}

static int reply_with_nul(int n, const struct pam_message **m,
			  struct pam_response **ret, void *arg)
{
	static const char bytes[] = "Current\0-password.4711";

	(void)m;
	(void)arg;
	*ret = calloc((size_t)n, sizeof(**ret));
	(*ret)[0].resp = malloc(sizeof(bytes));
	memcpy((*ret)[0].resp, bytes, sizeof(bytes));
	return PAM_SUCCESS;
}

static void a_password_ends_at_a_nul_and_so_is_another_one(void **state)
{
	const struct pam_conv conv = { reply_with_nul, NULL };
	struct pam_rig *r = *state;
	pam_handle_t *h = NULL;

	assert_pam(pam_start_confdir("alone", "sap", &conv, r->folder, &h),
		   PAM_SUCCESS);
	assert_pam(pam_authenticate(h, 0), PAM_AUTH_ERR);
	assert_int_equal(r->seen.password_len, 7);
	pam_end(h, PAM_AUTH_ERR);
}

static void what_cannot_be_a_role_never_reaches_the_agent(void **state)
{
	struct pam_rig *r = *state;
	static const char *const odd[] = { "sap\n", "s\x1b[31map", "\xff",
					   "c1\xc2\x85" };
	char *longest = repeated('r', 255), *longer = repeated('r', 256);
	char *huge = repeated('r', 65536);

	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++)
		assert_pam(pam_rig_auth(r, odd[i], PAM_RIG_CURRENT),
			   PAM_USER_UNKNOWN);
	assert_pam(pam_rig_auth(r, huge, PAM_RIG_CURRENT), PAM_USER_UNKNOWN);
	assert_pam(pam_rig_auth(r, longer, PAM_RIG_CURRENT), PAM_USER_UNKNOWN);
	assert_int_equal(fake_agent_connections(r->agent), 0);
	assert_pam(pam_rig_auth(r, longest, PAM_RIG_CURRENT), PAM_USER_UNKNOWN);
	assert_int_equal(fake_agent_connections(r->agent), 1);
	free(longest);
	free(longer);
	free(huge);
}

static void where_a_login_comes_from_is_passed_on_and_made_harmless(
	void **state)
{
	struct pam_rig_talk talk = { .password = "wrong" };
	char *longer = repeated('h', 5000);
	struct pam_rig *r = *state;
	pam_handle_t *h = pam_rig_handle(r, "alone", "sap", &talk);

	pam_set_item(h, PAM_RHOST, "192.0.2.7");
	assert_pam(pam_authenticate(h, 0), PAM_AUTH_ERR);
	assert_string_equal(r->seen.rhost, "192.0.2.7");
	/* A PTR record is the attacker's to write. */
	pam_set_item(h, PAM_RHOST, "evil\nrole root: done");
	pam_rig_log_clear();
	assert_pam(pam_authenticate(h, 0), PAM_AUTH_ERR);
	assert_string_equal(r->seen.rhost, "evil\\x0arole root: done");
	assert_null(strstr(pam_rig_log(), "evil\n"));
	pam_set_item(h, PAM_RHOST, longer);
	assert_pam(pam_authenticate(h, 0), PAM_AUTH_ERR);
	assert_int_equal(strlen(r->seen.rhost), 255);
	pam_end(h, PAM_AUTH_ERR);
	free(longer);
}

static void the_users_name_is_never_changed(void **state)
{
	static const char *const users[] = { "sap", "ghost", "denied" };
	struct pam_rig *r = *state;

	for (size_t i = 0; i < 3; i++) {
		struct pam_rig_talk talk = { .password = PAM_RIG_CURRENT };
		pam_handle_t *h = pam_rig_handle(r, "alone", users[i], &talk);
		const void *user = NULL;

		pam_authenticate(h, 0);
		pam_acct_mgmt(h, 0);
		pam_chauthtok(h, 0);
		pam_get_item(h, PAM_USER, &user);
		assert_string_equal(user, users[i]);
		pam_end(h, PAM_SUCCESS);
	}
}

static void no_password_and_no_unknown_name_is_logged(void **state)
{
	static const char *const users[] = { "sap", "Typed-into-the-name",
					     "denied", "away" };
	static const char *const passwords[] = { PAM_RIG_CURRENT,
						 PAM_RIG_PREVIOUS,
						 "Wrong-password.1" };
	struct pam_rig *r = *state;

	pam_rig_alone(r, "debug");
	for (size_t i = 0; i < 12; i++)
		pam_rig_auth(r, users[i / 3], passwords[i % 3]);
	pam_rig_agent(r, NULL);
	pam_rig_alone(r, "debug");
	pam_rig_auth(r, "sap", PAM_RIG_CURRENT);
	assert_true(strlen(pam_rig_log()) > 100);
	for (size_t i = 0; i < 3; i++)
		assert_null(strstr(pam_rig_log(), passwords[i]));
	assert_null(strstr(pam_rig_log(), users[1]));
}

static void a_name_that_may_be_no_roles_is_not_logged(void **state)
{
	struct pam_rig *r = *state;

	pam_rig_auth(r, "denied", "wrong");
	pam_rig_auth(r, "malformed", "wrong");
	assert_non_null(strstr(pam_rig_log(), "not permitted"));
	assert_non_null(strstr(pam_rig_log(), "request is malformed"));
	assert_null(strstr(pam_rig_log(), "role denied"));
	assert_null(strstr(pam_rig_log(), "role malformed"));
}

static void quiet_says_nothing_of_unknown_roles(void **state)
{
	struct pam_rig *r = *state;

	pam_rig_alone(r, "quiet");
	pam_rig_auth(r, "ghost", "wrong");
	assert_string_equal(pam_rig_log(), "");
	pam_rig_alone(r, "");
	pam_rig_auth(r, "ghost", "wrong");
	assert_non_null(strstr(pam_rig_log(), "no such role"));
}

static void a_silent_caller_is_told_nothing(void **state)
{
	struct pam_rig_talk talk = { .password = "wrong" };
	struct pam_rig *r = *state;
	pam_handle_t *h = pam_rig_handle(r, "alone", "sap", &talk);

	assert_pam(pam_authenticate(h, PAM_SILENT), PAM_AUTH_ERR);
	assert_pam(pam_acct_mgmt(h, PAM_SILENT), PAM_AUTH_ERR);
	assert_pam(pam_chauthtok(h, PAM_SILENT), PAM_SUCCESS);
	assert_int_equal(talk.others, 0);
	assert_int_equal(talk.prompts, 1);
	pam_end(h, PAM_AUTH_ERR);
}

/* ---- Agents that misbehave --------------------------------------------------- */

static void an_absent_agent_closes_the_door(void **state)
{
	struct pam_rig *r = *state;
	int64_t begun = now_ms();

	pam_rig_agent(r, NULL);
	pam_rig_alone(r, "timeout=5000");
	assert_pam(pam_rig_auth(r, "sap", PAM_RIG_CURRENT),
		   PAM_AUTHINFO_UNAVAIL);
	assert_true(now_ms() - begun < 2500);
	assert_pam(ignored(r, "ignore_unknown_role", "sap"),
		   PAM_AUTHINFO_UNAVAIL);
	assert_pam(ignored(r, "ignore_unavail", "sap"), PAM_SUCCESS);
}

static void a_hung_agent_costs_the_timeout(void **state)
{
	static const enum fake_agent_act acts[] = { FAKE_AGENT_HANG,
						    FAKE_AGENT_DEAF };
	struct pam_rig *r = *state;

	for (size_t i = 0; i < 2; i++) {
		int64_t begun;

		pam_rig_agent(r,
			      &(struct fake_agent_options){ .act = acts[i] });
		pam_rig_alone(r, "timeout=300");
		begun = now_ms();
		assert_pam(pam_rig_auth(r, "sap", PAM_RIG_CURRENT),
			   PAM_AUTHINFO_UNAVAIL);
		assert_in_range(now_ms() - begun, 300, 599);
		assert_pam(ignored(r, "timeout=100", "sap"),
			   PAM_AUTHINFO_UNAVAIL);
		assert_pam(ignored(r, "timeout=100 ignore_unavail", "sap"),
			   PAM_SUCCESS);
	}
}

/* A plain yes, as the agent would write it. */
static size_t yes(unsigned char *buf, size_t size, unsigned operation)
{
	struct wire_out out;
	size_t n = 0;

	wire_begin(&out, buf, size, operation | WIRE_REPLY);
	wire_put_number(&out, WIRE_TAG_RESULT, WIRE_RESULT_OK);
	assert_int_equal(wire_end(&out, &n), STATUS_OK);
	return n;
}

static void a_yes_that_is_not_whole_is_no_yes(void **state)
{
	struct pam_rig *r = *state;
	unsigned char bytes[64];
	size_t n = yes(bytes, sizeof(bytes), WIRE_VERIFY);

	for (size_t i = 0; i < n; i++) {
		pam_rig_agent(r, &(struct fake_agent_options){
					 .act = FAKE_AGENT_ANSWER_CLOSE,
					 .bytes = bytes,
					 .n = i });
		pam_rig_alone(r, "");
		assert_pam(pam_rig_auth(r, "sap", "any"), PAM_AUTHINFO_UNAVAIL);
	}
	/* The same bytes, whole. */
	pam_rig_agent(r, &(struct fake_agent_options){ .act = FAKE_AGENT_ANSWER,
						       .bytes = bytes,
						       .n = n });
	pam_rig_alone(r, "");
	assert_pam(pam_rig_auth(r, "sap", "any"), PAM_SUCCESS);
}

static void a_yes_with_a_false_length_is_no_yes(void **state)
{
	struct pam_rig *r = *state;
	unsigned char bytes[64] = { 0 };
	size_t n = yes(bytes, sizeof(bytes), WIRE_VERIFY);
	unsigned char right = bytes[7];

	for (unsigned length = 0; length < 256; length += 5) {
		if (length == right)
			continue;
		bytes[7] = (unsigned char)length;
		pam_rig_agent(r, &(struct fake_agent_options){
					 .act = FAKE_AGENT_ANSWER_CLOSE,
					 .bytes = bytes,
					 .n = n });
		pam_rig_alone(r, "");
		assert_pam(pam_rig_auth(r, "sap", "any"), PAM_AUTHINFO_UNAVAIL);
	}
}

static void a_yes_to_another_question_is_no_yes(void **state)
{
	static const unsigned operations[] = { WIRE_VERSION, WIRE_GET,
					       WIRE_ROTATE };
	struct pam_rig *r = *state;
	unsigned char bytes[64];

	for (size_t i = 0; i < 3; i++) {
		size_t n = yes(bytes, sizeof(bytes), operations[i]);

		pam_rig_agent(r, &(struct fake_agent_options){
					 .act = FAKE_AGENT_ANSWER,
					 .bytes = bytes,
					 .n = n });
		pam_rig_alone(r, "");
		assert_pam(pam_rig_auth(r, "sap", "any"), PAM_AUTHINFO_UNAVAIL);
	}
}

static void a_dripping_agent_costs_the_timeout(void **state)
{
	struct pam_rig *r = *state;
	unsigned char bytes[64] = { 0 };
	int64_t begun;

	yes(bytes, sizeof(bytes), WIRE_VERIFY);
	bytes[7] = 50; /* 20 ms each */
	pam_rig_agent(r, &(struct fake_agent_options){ .act = FAKE_AGENT_DRIP,
						       .bytes = bytes,
						       .n = 58 });
	pam_rig_alone(r, "timeout=300");
	begun = now_ms();
	assert_pam(pam_rig_auth(r, "sap", "any"), PAM_AUTHINFO_UNAVAIL);
	assert_in_range(now_ms() - begun, 300, 599);
}

/* ---- The process around it --------------------------------------------------- */

static void a_failing_conversation_is_passed_on(void **state)
{
	struct pam_rig_talk talk = { .rc = PAM_CONV_ERR };
	struct pam_rig *r = *state;
	pam_handle_t *h = pam_rig_handle(r, "alone", "sap", &talk);

	assert_pam(pam_authenticate(h, 0), PAM_CONV_ERR);
	talk.rc = PAM_SUCCESS; /* and no answer */
	assert_true(pam_authenticate(h, 0) != PAM_SUCCESS);
	assert_int_equal(fake_agent_connections(r->agent), 0);
	pam_end(h, PAM_CONV_ERR);
}

static jmp_buf out_of_here;

static int jump_out(int n, const struct pam_message **m,
		    struct pam_response **ret, void *arg)
{
	(void)n;
	(void)m;
	(void)ret;
	(void)arg;
	longjmp(out_of_here, 1);
}

/* As PostgreSQL does for an empty password: ereport(ERROR), and no pam_end(). */
static bool jumps_out(pam_handle_t *h)
{
	if (setjmp(out_of_here) != 0)
		return true;
	pam_authenticate(h, 0);
	return false;
}

static int leave_by_longjmp(void *arg)
{
	const struct pam_conv conv = { jump_out, NULL };
	struct pam_rig *r = arg;
	unsigned before;

	CHILD_CHECK(pam_rig_auth(r, "sap", PAM_RIG_CURRENT) == PAM_SUCCESS);
	before = open_descriptors();
	for (unsigned i = 0; i < 50; i++) {
		pam_handle_t *h = NULL;

		CHILD_CHECK(pam_start_confdir("alone", "sap", &conv, r->folder,
					      &h) == PAM_SUCCESS);
		CHILD_CHECK(jumps_out(h));
		CHILD_CHECK(pam_rig_auth(r, "sap", PAM_RIG_CURRENT) ==
			    PAM_SUCCESS);
	}
	CHILD_CHECK(open_descriptors() == before);
	return 0;
}

static void the_conversation_may_never_come_back(void **state)
{
	assert_int_equal(child_run(leave_by_longjmp, *state), 0);
}

static int never_end(void *arg)
{
	struct pam_rig *r = arg;
	struct pam_rig_talk talk = { .password = PAM_RIG_CURRENT };
	unsigned before = 0;
	int i;

	for (i = 0; i < 100; i++) {
		pam_handle_t *h = pam_rig_handle(r, "alone", "sap", &talk);

		CHILD_CHECK(pam_authenticate(h, 0) == PAM_SUCCESS);
		CHILD_CHECK(pam_acct_mgmt(h, 0) == PAM_SUCCESS);
		if (i == 0)
			before = open_descriptors();
	}
	CHILD_CHECK(open_descriptors() == before);
	return 0;
}

static void a_handle_that_is_never_ended_keeps_nothing_open(void **state)
{
	assert_int_equal(child_run(never_end, *state), 0);
}

static void *authenticate_in_a_thread(void *arg)
{
	static const struct {
		const char *user;
		const char *password;
		int code;
	} rows[] = { { "sap", PAM_RIG_CURRENT, PAM_SUCCESS },
		     { "sap", "wrong", PAM_AUTH_ERR },
		     { "ghost", "wrong", PAM_USER_UNKNOWN },
		     { "denied", "wrong", PAM_PERM_DENIED } };
	const struct pam_rig *r = arg;

	for (size_t i = 0; i < 20; i++)
		if (pam_rig_auth(r, rows[i % 4].user, rows[i % 4].password) !=
		    rows[i % 4].code)
			return "wrong";
	return NULL;
}

static void fifty_threads_get_their_own_answers(void **state)
{
	struct pam_rig *r = *state;
	pthread_t threads[50];
	void *wrong;

	pam_rig_alone(r, "timeout=10000");
	for (size_t i = 0; i < 50; i++)
		assert_int_equal(pthread_create(&threads[i], NULL,
						authenticate_in_a_thread, r),
				 0);
	for (size_t i = 0; i < 50; i++) {
		pthread_join(threads[i], &wrong);
		assert_null(wrong);
	}
}

struct forked {
	struct pam_rig *r;
	pam_handle_t *h;
};

static int go_on_in_a_child(void *arg)
{
	struct forked *f = arg;

	CHILD_CHECK(pam_acct_mgmt(f->h, 0) == PAM_SUCCESS);
	CHILD_CHECK(pam_authenticate(f->h, 0) == PAM_SUCCESS);
	CHILD_CHECK(pam_rig_auth(f->r, "sap", "wrong") == PAM_AUTH_ERR);
	return 0;
}

static void a_fork_between_the_phases_does_not_matter(void **state)
{
	struct pam_rig_talk talk = { .password = PAM_RIG_CURRENT };
	struct forked f = { .r = *state };

	f.h = pam_rig_handle(f.r, "alone", "sap", &talk);
	assert_pam(pam_authenticate(f.h, 0), PAM_SUCCESS);
	assert_int_equal(child_run(go_on_in_a_child, &f), 0);
	assert_pam(pam_acct_mgmt(f.h, 0), PAM_SUCCESS);
	pam_end(f.h, PAM_SUCCESS);
}

static int without_standard_descriptors(void *arg)
{
	struct pam_rig_talk talk = { .password = PAM_RIG_CURRENT };
	struct pam_rig *r = arg;
	pam_handle_t *h;

	for (int fd = 0; fd < 3; fd++)
		close(fd);
	h = pam_rig_handle(r, "alone", "sap", &talk);
	CHILD_CHECK(pam_authenticate(h, 0) == PAM_SUCCESS);
	CHILD_CHECK(pam_acct_mgmt(h, 0) == PAM_SUCCESS);
	for (int fd = 0; fd < 3; fd++)
		CHILD_CHECK(fcntl(fd, F_GETFD) < 0);
	return 0;
}

static void closed_standard_descriptors_stay_closed(void **state)
{
	assert_int_equal(child_run(without_standard_descriptors, *state), 0);
}

static int with_many_descriptors(void *arg)
{
	struct rlimit limit;

	CHILD_CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = limit.rlim_max < 4096 ? limit.rlim_max : 4096;
	CHILD_CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	for (unsigned i = 0; i < 2000; i++)
		CHILD_CHECK(open("/dev/null", O_RDONLY) >= 0);
	CHILD_CHECK(pam_rig_auth(arg, "sap", PAM_RIG_CURRENT) == PAM_SUCCESS);
	return 0;
}

static void two_thousand_open_files_do_not_matter(void **state)
{
	assert_int_equal(child_run(with_many_descriptors, *state), 0);
}

static void do_nothing(int sig)
{
	(void)sig;
}

static int in_a_storm(void *arg)
{
	struct sigaction sa = { .sa_handler = do_nothing };
	struct itimerval t = { { 0, 1000 }, { 0, 1000 } };

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &t, NULL);
	for (int i = 0; i < 100; i++)
		CHILD_CHECK(pam_rig_auth(arg, "sap", PAM_RIG_CURRENT) ==
			    PAM_SUCCESS);
	return 0;
}

static int hang_in_a_storm(void *arg)
{
	struct sigaction sa = { .sa_handler = do_nothing };
	struct itimerval t = { { 0, 1000 }, { 0, 1000 } };
	int64_t begun = now_ms(), passed;

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &t, NULL);
	CHILD_CHECK(pam_rig_auth(arg, "sap", PAM_RIG_CURRENT) ==
		    PAM_AUTHINFO_UNAVAIL);
	passed = now_ms() - begun;
	CHILD_CHECK(passed >= 300 && passed < 600);
	return 0;
}

static void a_storm_of_signals_changes_nothing(void **state)
{
	struct pam_rig *r = *state;

	assert_int_equal(child_run(in_a_storm, r), 0);
	pam_rig_agent(r,
		      &(struct fake_agent_options){ .act = FAKE_AGENT_HANG });
	pam_rig_alone(r, "timeout=300");
	assert_int_equal(child_run(hang_in_a_storm, r), 0);
}

static int compare_dispositions(void *arg)
{
	struct sigaction before[65], after;
	sigset_t mask_before, mask_after;

	pthread_sigmask(SIG_SETMASK, NULL, &mask_before);
	for (int i = 1; i < 65; i++)
		if (sigaction(i, NULL, &before[i]) < 0)
			before[i].sa_handler = SIG_ERR;
	CHILD_CHECK(pam_rig_auth(arg, "sap", PAM_RIG_CURRENT) == PAM_SUCCESS);
	CHILD_CHECK(pam_rig_auth(arg, "sap", "wrong") == PAM_AUTH_ERR);
	pthread_sigmask(SIG_SETMASK, NULL, &mask_after);
	for (int i = 1; i < 65; i++) {
		CHILD_CHECK(sigismember(&mask_before, i) ==
			    sigismember(&mask_after, i));
		CHILD_CHECK(sigaction(i, NULL, &after) < 0 ||
			    after.sa_handler == before[i].sa_handler);
	}
	return 0;
}

static void signals_are_left_alone(void **state)
{
	assert_int_equal(child_run(compare_dispositions, *state), 0);
}

/* The process dies of a system call of the list. */
static bool forbid(const unsigned *numbers, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct sock_filter code[] = {
			BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
				 offsetof(struct seccomp_data, nr)),
			BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, numbers[i], 0, 1),
			BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
			BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		};
		struct sock_fprog program = { 4, code };

		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
		    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
			return false;
	}
	return true;
}

static int authenticate_confined(void *arg)
{
	static const unsigned numbers[] = {
#ifdef SYS_open
		SYS_open,
#endif
#ifdef SYS_fork
		SYS_fork,
#endif
#ifdef SYS_vfork
		SYS_vfork,
#endif
#ifdef SYS_alarm
		SYS_alarm,
#endif
#ifdef SYS_select
		SYS_select,
#endif
		SYS_openat,	    SYS_clone,	  SYS_clone3,
		SYS_execve,	    SYS_kill,	  SYS_tgkill,
		SYS_rt_sigaction,   SYS_pselect6, SYS_rt_sigprocmask,
		SYS_setitimer,	    SYS_setuid,	  SYS_setresuid,
		SYS_setfsuid,	    SYS_umask,	  SYS_nanosleep,
		SYS_clock_nanosleep
	};
	struct pam_rig_talk talk = { .password = PAM_RIG_CURRENT };
	struct pam_rig *r = arg;
	pam_handle_t *h = pam_rig_handle(r, "alone", "sap", &talk);
	pam_handle_t *wrong = pam_rig_handle(r, "alone", "sap", &talk);
	pam_handle_t *ghost = pam_rig_handle(r, "alone", "ghost", &talk);

	CHILD_CHECK(forbid(numbers, sizeof(numbers) / sizeof(*numbers)));
	CHILD_CHECK(pam_authenticate(h, 0) == PAM_SUCCESS);
	CHILD_CHECK(pam_acct_mgmt(h, 0) == PAM_SUCCESS);
	talk.password = "wrong";
	CHILD_CHECK(pam_authenticate(wrong, 0) == PAM_AUTH_ERR);
	CHILD_CHECK(pam_authenticate(ghost, 0) == PAM_USER_UNKNOWN);
	return 0;
}

/* No file, no child, no signal, no change of user, no sleep: in auth and
 * account the kernel would end the process. */
static void authentication_does_with_few_system_calls(void **state)
{
	assert_int_equal(child_run(authenticate_confined, *state), 0);
}

/* ---- password ---------------------------------------------------------------- */

static void chauthtok_asks_for_a_rotation_and_says_so(void **state)
{
	struct pam_rig_talk talk = { .password = PAM_RIG_CURRENT };
	struct pam_rig *r = *state;
	pam_handle_t *h;

	pam_rig_alone(r, "realm=main");
	h = pam_rig_handle(r, "alone", "sap", &talk);
	assert_pam(pam_chauthtok(h, 0), PAM_SUCCESS);
	assert_int_equal(r->seen_rotate, 1);
	assert_int_equal(r->seen.operation, WIRE_ROTATE);
	assert_string_equal(r->seen.user, "sap");
	assert_string_equal(r->seen.realm, "main");
	/* No password is asked for, and none goes to the agent. */
	assert_int_equal(talk.prompts, 0);
	assert_int_equal(r->seen.password_len, 0);
	assert_int_equal(talk.others, 1);
	assert_non_null(strstr(talk.text, "sap"));
	pam_end(h, PAM_SUCCESS);
}

static void chauthtok_that_is_refused_has_its_code(void **state)
{
	static const struct {
		const char *user;
		int code;
	} rows[] = { { "ghost", PAM_USER_UNKNOWN },
		     { "denied", PAM_PERM_DENIED },
		     { "away", PAM_AUTHINFO_UNAVAIL },
		     { "limited", PAM_MAXTRIES } };
	struct pam_rig *r = *state;

	for (size_t i = 0; i < 4; i++) {
		struct pam_rig_talk talk = { 0 };
		pam_handle_t *h =
			pam_rig_handle(r, "alone", rows[i].user, &talk);

		assert_pam(pam_chauthtok(h, 0), rows[i].code);
		assert_int_equal(talk.others, 0);
		pam_end(h, rows[i].code);
	}
}

static void chauthtok_without_an_agent_may_be_tried_again(void **state)
{
	struct pam_rig_talk talk = { 0 };
	struct pam_rig *r = *state;
	pam_handle_t *h;

	pam_rig_agent(r, NULL);
	pam_rig_alone(r, "");
	h = pam_rig_handle(r, "alone", "sap", &talk);
	assert_pam(pam_chauthtok(h, 0), PAM_TRY_AGAIN);
	pam_end(h, PAM_TRY_AGAIN);
}

static void chauthtok_of_what_expired_rotates_nothing(void **state)
{
	struct pam_rig_talk talk = { 0 };
	struct pam_rig *r = *state;
	pam_handle_t *h = pam_rig_handle(r, "alone", "sap", &talk);

	assert_pam(pam_chauthtok(h, PAM_CHANGE_EXPIRED_AUTHTOK), PAM_SUCCESS);
	assert_int_equal(r->seen_rotate, 0);
	assert_int_equal(fake_agent_connections(r->agent), 0);
	pam_end(h, PAM_SUCCESS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_current_password_is_let_in),
		TEST(every_answer_has_its_code),
		TEST(nothing_is_ignored_unless_an_option_says_so),
		TEST(no_option_makes_an_error_pass),
		TEST(the_previous_password_is_let_in_within_its_grace),
		TEST(grace_no_refuses_it_even_if_the_agent_would_not),
		TEST(a_grace_without_an_end_is_no_grace),
		TEST(a_grace_that_ends_between_the_phases_is_over),
		TEST(account_without_our_auth_is_refused),
		TEST(account_repeats_a_failure),
		TEST(a_failed_attempt_forgets_an_earlier_success),
		TEST(account_of_another_user_is_refused),
		TEST(account_of_another_realm_is_refused),
		TEST(a_mistaken_option_lets_nobody_in),
		TEST(a_mistaken_option_fails_every_phase),
		TEST(all_options_together_are_understood),
		TEST(conf_gives_options_and_the_stack_overrides_them),
		TEST(a_conf_that_is_not_to_be_trusted_lets_nobody_in),
		TEST(a_failure_is_delayed_only_when_asked_for),
		TEST(use_first_pass_never_asks),
		TEST(a_password_typed_for_another_module_is_used),
		TEST(what_cannot_be_our_password_never_reaches_the_agent),
		TEST(a_password_of_512_bytes_is_asked_about),
		TEST(a_password_ends_at_a_nul_and_so_is_another_one),
		TEST(what_cannot_be_a_role_never_reaches_the_agent),
		TEST(where_a_login_comes_from_is_passed_on_and_made_harmless),
		TEST(the_users_name_is_never_changed),
		TEST(no_password_and_no_unknown_name_is_logged),
		TEST(a_name_that_may_be_no_roles_is_not_logged),
		TEST(quiet_says_nothing_of_unknown_roles),
		TEST(a_silent_caller_is_told_nothing),
		TEST(an_absent_agent_closes_the_door),
		TEST(a_hung_agent_costs_the_timeout),
		TEST(a_yes_that_is_not_whole_is_no_yes),
		TEST(a_yes_with_a_false_length_is_no_yes),
		TEST(a_yes_to_another_question_is_no_yes),
		TEST(a_dripping_agent_costs_the_timeout),
		TEST(a_failing_conversation_is_passed_on),
		TEST(the_conversation_may_never_come_back),
		TEST(a_handle_that_is_never_ended_keeps_nothing_open),
		TEST(fifty_threads_get_their_own_answers),
		TEST(a_fork_between_the_phases_does_not_matter),
		TEST(closed_standard_descriptors_stay_closed),
		TEST(two_thousand_open_files_do_not_matter),
		TEST(a_storm_of_signals_changes_nothing),
		TEST(signals_are_left_alone),
		TEST(authentication_does_with_few_system_calls),
		TEST(chauthtok_asks_for_a_rotation_and_says_so),
		TEST(chauthtok_that_is_refused_has_its_code),
		TEST(chauthtok_without_an_agent_may_be_tried_again),
		TEST(chauthtok_of_what_expired_rotates_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
