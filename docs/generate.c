/* SPDX-License-Identifier: PostgreSQL */
/*
 * Prints the documents that are made from tables: settings.def, commands.def,
 * status.def, states.def, resolve.def and events.def.  Its output is committed;
 * tests/lint/generated compares.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "config/config.h"

/* The manual's date: of the release, not of the build, so that a build can be
 * repeated byte for byte. */
#define MANUAL_DATE  "November 21, 2026"
#define DOCUMENT_MAX ((size_t)1024 * 1024)

struct command {
	const char *name;
	const char *arguments;
	const char *help;
};

struct option {
	const char *command; /* "all": every command takes it */
	const char *name;
	const char *argument;
	const char *help;
};

static const struct command commands[] = {
#define COMMAND(name, arguments, help) { #name, arguments, help },
#include "cli/commands.def"
};

static const struct option options[] = {
#define OPTION(command, name, argument, help) \
	{ #command, #name, argument, help },
#include "cli/commands.def"
};

static const struct {
	const char *name, *help;
} events[] = {
#define EVENT(name, kind, writer, members, sentence, hook) hook
#define HOOK(name, help)				   { #name, help },
#define NO_HOOK
#include "audit/events.def"
#undef EVENT
#undef HOOK
#undef NO_HOOK
};

static const struct {
	const char *writer, *kind, *members, *sentence;
} audit_events[] = {
#define EVENT(name, kind, writer, members, sentence, hook) \
	{ #writer, kind, members, sentence },
#include "audit/events.def"
#undef EVENT
};

struct state {
	const char *name;
	const char *does;
};

struct row {
	const char *from, *event, *guard, *to, *action, *died;
	const char *sentence;
};

/* An event, a guard or an action. */
struct word {
	const char *name;
	const char *meaning;
	const char *status; /* of an event */
};

static const struct state states[] = {
#define STATE(name, audit, effect, does) { #name, does },
#include "rotation/states.def"
};

static const struct word engine_events[] = {
#define EVENT(name, status, meaning) { #name, meaning, #status },
#include "rotation/states.def"
	{ NULL, NULL, NULL }
};

static const struct word guards[] = {
#define GUARD(name, condition, meaning) { #name, meaning, NULL },
#include "rotation/states.def"
	{ NULL, NULL, NULL }
};

static const struct word actions[] = {
#define ACTION(name, change, meaning) { #name, meaning, NULL },
#include "rotation/states.def"
	{ NULL, NULL, NULL }
};

static const struct row rows[] = {
#define ROW(from, event, guard, to, action, died, sentence) \
	{ #from, #event, #guard, #to, #action, #died, sentence },
#include "rotation/states.def"
};

static const struct word verdicts[] = {
#define VERDICT(event, condition, sentence) { #event, sentence, NULL },
#include "rotation/resolve.def"
	{ NULL, NULL, NULL }
};

struct wire_row {
	const char *name;
	int number;
	const char *kind; /* right of an operation, kind of a field */
	long most;	  /* bytes of a field, exit code of a result */
	const char *pam;  /* code of a result */
	const char *help;
};

static const struct wire_row operations[] = {
#define WIRE_OPERATION(name, number, right, help) \
	{ #name, number, #right, 0, "", help },
#include "wire/wire.def"
};

static const struct wire_row fields[] = {
#define WIRE_FIELD(name, number, kind, most, help) \
	{ #name, number, #kind, most, "", help },
#include "wire/wire.def"
};

static const struct wire_row results[] = {
#define WIRE_RESULT(name, number, code, pam, sentence) \
	{ #name, number, "", code, "PAM_" #pam, sentence },
#include "wire/wire.def"
};

#define N_STATES   (sizeof(states) / sizeof(*states))
#define N_ROWS	   (sizeof(rows) / sizeof(*rows))
#define N_COMMANDS (sizeof(commands) / sizeof(*commands))
#define N_OPTIONS  (sizeof(options) / sizeof(*options))

/* C names have '_' where the command line has '-'. */
static void add_name(struct text *t, const char *name, const char *dash)
{
	for (; *name; name++) {
		if (*name == '_')
			text_add(t, dash);
		else
			text_add_char(t, *name);
	}
}

/* roff text lines: a new sentence on a new line. */
static void add_man(struct text *t, const char *s)
{
	bool start = true;

	for (; *s; s++) {
		if (start && (*s == '.' || *s == '\''))
			text_add(t, "\\&");
		start = s[0] == ' ' && s[-1] == '.';
		if (start)
			text_add_char(t, '\n');
		else if (*s == '\\')
			text_add(t, "\\e");
		else
			text_add_char(t, *s);
	}
	text_add_char(t, '\n');
}

static void add_markdown(struct text *t, const char *s)
{
	for (; *s; s++) {
		if (*s == '|' || *s == '<' || *s == '*')
			text_add_char(t, '\\');
		text_add_char(t, *s);
	}
}

/* Several outcomes may share an exit code: all their sentences, once. */
static void add_sentences(struct text *t, int code)
{
	const char *comma = "";

	for (int s = 0; s < STATUS_COUNT; s++) {
		if (status_exit((enum status)s) != code)
			continue;
		text_printf(t, "%s%s", comma, status_sentence((enum status)s));
		comma = ", or ";
	}
}

static bool is_first_of_code(int s)
{
	for (int i = 0; i < s; i++) {
		if (status_exit((enum status)i) == status_exit((enum status)s))
			return false;
	}
	return true;
}

static void man_options(struct text *t, const char *command)
{
	bool any = false;

	for (size_t i = 0; i < N_OPTIONS; i++) {
		if (strcmp(options[i].command, command) != 0)
			continue;
		if (!any)
			text_add(t, ".Bl -tag -width Ds\n");
		any = true;
		text_add(t, ".It Fl Fl ");
		add_name(t, options[i].name, "-");
		if (*options[i].argument)
			text_printf(t, " Ar %s", options[i].argument);
		text_add_char(t, '\n');
		add_man(t, options[i].help);
	}
	if (any)
		text_add(t, ".El\n");
}

static void man_exit_codes(struct text *t)
{
	text_add(t, ".Sh EXIT STATUS\n.Bl -tag -width 00n -compact\n");
	for (int s = 0; s < STATUS_COUNT; s++) {
		if (!is_first_of_code(s))
			continue;
		text_printf(t, ".It %d\n", status_exit((enum status)s));
		add_sentences(t, status_exit((enum status)s));
		text_add(t, "\n");
	}
	text_add(t, ".El\n");
}

static void man1(struct text *t)
{
	text_add(t, ".\\\" SPDX-License-Identifier: PostgreSQL\n"
		    ".\\\" Made by docs/generate from commands.def and "
		    "status.def; change those.\n"
		    ".Dd " MANUAL_DATE "\n.Dt KEYTURN 1\n.Os\n"
		    ".Sh NAME\n.Nm keyturn\n"
		    ".Nd rotate the passwords of PostgreSQL roles\n"
		    ".Sh SYNOPSIS\n.Nm\n.Ar command\n"
		    ".Op Ar option ...\n.Op Ar argument ...\n"
		    ".Sh DESCRIPTION\n.Nm\n"
		    "rotates the passwords of native PostgreSQL roles: it "
		    "makes a password, stores it before it is live, applies "
		    "it, proves it by a login, and hands it out.\n"
		    "Whatever interrupts it, the password that logs in is in "
		    "the store.\n"
		    ".Pp\nEvery command takes these options:\n");
	man_options(t, "all");
	text_add(t, ".Sh COMMANDS\n");
	for (size_t i = 0; i < N_COMMANDS; i++) {
		text_add(t, ".Ss keyturn ");
		add_name(t, commands[i].name, "-");
		if (*commands[i].arguments)
			text_printf(t, " %s", commands[i].arguments);
		text_add(t, "\n");
		add_man(t, commands[i].help);
		man_options(t, commands[i].name);
	}
	text_add(t, ".Sh FILES\n.Bl -tag -width Ds\n"
		    ".It Pa " CONFIG_DEFAULT_PATH "\n"
		    "The configuration, see\n.Xr keyturn.conf 5 .\n.El\n");
	man_exit_codes(t);
	text_add(t, ".Sh SEE ALSO\n.Xr keyturn.conf 5\n");
}

static void man5(struct text *t)
{
	text_add(t, ".\\\" SPDX-License-Identifier: PostgreSQL\n"
		    ".\\\" Made by docs/generate from settings.def; change "
		    "that.\n"
		    ".Dd " MANUAL_DATE "\n.Dt KEYTURN.CONF 5\n.Os\n"
		    ".Sh NAME\n.Nm keyturn.conf\n"
		    ".Nd configuration of keyturn\n"
		    ".Sh DESCRIPTION\n"
		    ".Xr keyturn 1\nreads\n.Pa " CONFIG_DEFAULT_PATH "\n"
		    "and then every\n.Pa *.conf\nin\n.Pa conf.d\n"
		    "beside it, in byte order of their names.\n.Pp\n");
	config_reference(CONFIG_DOCUMENT_MAN, t);
	text_add(t, ".Sh FILES\n.Bl -tag -width Ds\n"
		    ".It Pa " CONFIG_DEFAULT_PATH "\n"
		    "The configuration;\n.Ql keyturn init\n"
		    "writes a sample.\n"
		    ".It Pa /etc/keyturn/conf.d/*.conf\n"
		    "More of it.\n.El\n"
		    ".Sh SEE ALSO\n.Xr keyturn 1\n");
}

/* The auditors' table: it stands in a page that is written by hand. */
static void audit_table(struct text *t)
{
	static const char *const trails[][2] = { { "RUN", "keyturn" },
						 { "KEYTURN", "keyturn" },
						 { "AGENT", "agent" },
						 { "BOTH", "both" } };

	text_add(t, "| kind | in the trail of | what happened | keys besides "
		    "`at` and `kind` |\n| --- | --- | --- | --- |\n");
	for (size_t i = 0; i < sizeof(audit_events) / sizeof(*audit_events);
	     i++) {
		text_printf(t, "| `%s` | ", audit_events[i].kind);
		for (size_t k = 0; k < sizeof(trails) / sizeof(*trails); k++)
			if (strcmp(audit_events[i].writer, trails[k][0]) == 0)
				text_add(t, trails[k][1]);
		text_printf(t, " | %s | `%s` |\n", audit_events[i].sentence,
			    audit_events[i].members);
	}
}

static void man8(struct text *t)
{
	text_add(t,
		 ".\\\" SPDX-License-Identifier: PostgreSQL\n"
		 ".\\\" Made by docs/generate from events.def; change that or "
		 "generate.c.\n"
		 ".Dd " MANUAL_DATE "\n.Dt KEYTURND 8\n.Os\n"
		 ".Sh NAME\n.Nm keyturnd\n"
		 ".Nd rotate the passwords of PostgreSQL roles when they "
		 "are due\n"
		 ".Sh SYNOPSIS\n.Nm\n.Op Fl Fl config Ar FILE\n"
		 ".Nm\n.Fl Fl version | Fl Fl help\n"
		 ".Sh DESCRIPTION\n.Nm\n"
		 "rotates what is due by the configuration that\n"
		 ".Xr keyturn 1\nuses, in the foreground, until it is told "
		 "to stop.\n"
		 "It recovers at its start what was interrupted, pauses "
		 "longer with each failure of a role, tries a cluster or "
		 "store that is away with one role at a time, and waits "
		 "for a ledger that is.\n"
		 "It accepts no client; on its host it tells\n"
		 ".Xr keyturn-agent 8\n"
		 "of new passwords and asks it which rotations the owners "
		 "of roles want.\n"
		 "Messages go to standard error.\n.Pp\n"
		 "Several may run on one configuration, also beside\n"
		 ".Ql keyturn rotate --due .\n"
		 ".Bl -tag -width Ds\n"
		 ".It Fl Fl config Ar FILE\n"
		 "Read\n.Ar FILE\ninstead of\n.Pa " CONFIG_DEFAULT_PATH " .\n"
		 ".It Fl Fl version\nPrint the version.\n"
		 ".It Fl h , Fl Fl help\nPrint a summary.\n.El\n"
		 ".Sh SIGNALS\n.Bl -tag -width SIGTERM\n"
		 ".It Dv SIGHUP\n"
		 "Read the configuration anew.\n"
		 "A wrong one is refused, and the old one stays in force.\n"
		 "Rotations finish under the one that they began with.\n"
		 ".It Dv SIGTERM , SIGINT\n"
		 "Finish what runs, for at most\n.Cm stop_timeout ,\n"
		 "and end.\n"
		 "A second one ends at once.\n"
		 "What did not finish is recovered at the next start.\n"
		 ".El\n"
		 ".Sh HOOKS\n"
		 "What is told to the\n.Cm [hook NAME]\nsections of\n"
		 ".Xr keyturn.conf 5 :\n.Bl -tag -width recovered\n");
	for (size_t i = 0; i < sizeof(events) / sizeof(*events); i++)
		text_printf(t, ".It Cm %s\n%c%s.\n", events[i].name,
			    toupper((unsigned char)events[i].help[0]),
			    events[i].help + 1);
	text_add(t,
		 ".El\n.Sh ENVIRONMENT\n"
		 ".Ev NOTIFY_SOCKET , WATCHDOG_USEC , CREDENTIALS_DIRECTORY\n"
		 "are systemd's; variables that begin with PG are removed.\n"
		 ".Sh FILES\n.Bl -tag -width Ds\n"
		 ".It Pa " CONFIG_DEFAULT_PATH "\n"
		 "The configuration, see\n.Xr keyturn.conf 5 .\n.El\n"
		 ".Sh EXIT STATUS\n.Bl -tag -width 00n -compact\n"
		 ".It 0\nIt was told to stop, and everything had finished.\n"
		 ".It 2\nWrong usage, or the configuration is wrong.\n"
		 ".It 9\nIt was told to stop, and a rotation had not finished "
		 "within\n.Cm stop_timeout .\n.El\n"
		 ".Sh SEE ALSO\n.Xr keyturn 1 ,\n.Xr keyturn.conf 5 ,\n"
		 ".Xr keyturn-agent 8\n");
}

static void markdown_options(struct text *t, const char *command)
{
	bool any = false;

	for (size_t i = 0; i < N_OPTIONS; i++) {
		if (strcmp(options[i].command, command) != 0)
			continue;
		text_add(t,
			 any ? "| `--" :
			       "\n| option | meaning |\n| --- | --- |\n| `--");
		any = true;
		add_name(t, options[i].name, "-");
		if (*options[i].argument)
			text_printf(t, " %s", options[i].argument);
		text_add(t, "` | ");
		add_markdown(t, options[i].help);
		text_add(t, " |\n");
	}
}

static void commands_markdown(struct text *t)
{
	text_add(t, "# Commands\n\nMade by `docs/generate` from "
		    "`src/cli/commands.def` and `src/base/status.def`.\n"
		    "Every command takes these options:\n");
	markdown_options(t, "all");
	for (size_t i = 0; i < N_COMMANDS; i++) {
		text_add(t, "\n## `keyturn ");
		add_name(t, commands[i].name, "-");
		if (*commands[i].arguments)
			text_printf(t, " %s", commands[i].arguments);
		text_add(t, "`\n\n");
		add_markdown(t, commands[i].help);
		text_add_char(t, '\n');
		markdown_options(t, commands[i].name);
	}
	text_add(t, "\n## Exit codes\n\n| code | meaning |\n| --- | --- |\n");
	for (int s = 0; s < STATUS_COUNT; s++) {
		if (!is_first_of_code(s))
			continue;
		text_printf(t, "| %d | ", status_exit((enum status)s));
		add_sentences(t, status_exit((enum status)s));
		text_add(t, " |\n");
	}
}

static void settings_markdown(struct text *t)
{
	text_add(t, "# Settings\n\nMade by `docs/generate` from "
		    "`src/config/settings.def`. keyturn reads\n"
		    "`" CONFIG_DEFAULT_PATH "`, then every `*.conf` in "
		    "`conf.d` beside it, in byte\norder of their names.\n\n");
	config_reference(CONFIG_DOCUMENT_MARKDOWN, t);
}

static bool leads(const struct row *r, const char *from, const char *to)
{
	return strcmp(r->from, from) == 0 && strcmp(r->to, to) == 0;
}

/* An event of several rows between the same states is named once. */
static bool is_first_between(size_t i)
{
	for (size_t j = 0; j < i; j++) {
		if (leads(&rows[j], rows[i].from, rows[i].to) &&
		    strcmp(rows[j].event, rows[i].event) == 0)
			return false;
	}
	return true;
}

static void protocol_edge(struct text *t, const char *from, const char *to)
{
	const char *comma = " : ";

	for (size_t i = 0; i < N_ROWS; i++) {
		if (!leads(&rows[i], from, to) || !is_first_between(i))
			continue;
		if (comma[1] == ':')
			text_printf(t, "    %s --> %s", from, to);
		text_printf(t, "%s%s", comma, rows[i].event);
		comma = ", ";
	}
	if (comma[1] != ':')
		text_add_char(t, '\n');
}

static void protocol_diagram(struct text *t)
{
	text_add(t, "\n## Diagram\n\nThe ways to CLOSE are left out, but for "
		    "that of DELIVER.\n\n```mermaid\nstateDiagram-v2\n"
		    "    [*] --> START\n");
	for (size_t f = 0; f < N_STATES; f++)
		for (size_t to = 0; to < N_STATES; to++)
			if (strcmp(states[to].name, "CLOSE") != 0 ||
			    strcmp(states[f].name, "DELIVER") == 0)
				protocol_edge(t, states[f].name,
					      states[to].name);
	text_add(t, "    ENDED --> [*]\n```\n");
}

static void protocol_rows(struct text *t, const struct state *s)
{
	bool any = false;

	for (size_t i = 0; i < N_ROWS; i++) {
		const struct row *r = &rows[i];

		if (strcmp(r->from, s->name) != 0)
			continue;
		if (!any)
			text_printf(t,
				    "\n### %s\n\n| event | if | then | and | "
				    "if we die there | because |\n"
				    "| --- | --- | --- | --- | --- | --- |\n",
				    s->name);
		any = true;
		text_printf(t, "| %s | %s | %s | %s | %s | ", r->event,
			    strcmp(r->guard, "ALWAYS") ? r->guard : "", r->to,
			    strcmp(r->action, "NONE") ? r->action : "",
			    r->died);
		add_markdown(t, r->sentence);
		text_add(t, " |\n");
	}
}

/* What the rows are made of; the status is how the audit records a step. */
static void protocol_words(struct text *t, const char *title,
			   const struct word *words)
{
	bool events_of = words == engine_events;

	text_printf(t, "\n## %s\n\n| name | %smeaning |\n| --- | %s--- |\n",
		    title, events_of ? "in the audit | " : "",
		    events_of ? "--- | " : "");
	for (; words->name; words++) {
		text_printf(t, "| %s | ", words->name);
		if (events_of)
			text_printf(t, "%s | ", words->status);
		add_markdown(t, words->meaning);
		text_add(t, " |\n");
	}
}

static void protocol_markdown(struct text *t)
{
	text_add(t, "# The rotation protocol\n\nMade by `docs/generate` from "
		    "`src/rotation/states.def`. Entering a state performs\n"
		    "its effect; the outcome of the effect is the event; the "
		    "first row of that state and\nevent whose guard holds is "
		    "taken, and its action changes the memory of the run.\n\n"
		    "## States\n\n"
		    "| state | what it does |\n| --- | --- |\n");
	for (size_t i = 0; i < N_STATES; i++) {
		text_printf(t, "| %s | ", states[i].name);
		add_markdown(t, states[i].does);
		text_add(t, " |\n");
	}
	protocol_words(t, "Events", engine_events);
	protocol_words(t, "Guards", guards);
	protocol_words(t, "Actions", actions);
	protocol_words(t,
		       "What RESOLVE concludes\n\nFrom marker and store, by "
		       "the first row of `src/rotation/resolve.def` that "
		       "holds.",
		       verdicts);
	protocol_diagram(t);
	text_add(t, "\n## Rows\n\nWhat the next run does if this one dies in "
		    "the state that a row leads to, before or\nafter its "
		    "effect:\n\n"
		    "- RESTARTS: nothing is live that was not; it starts over\n"
		    "- RESOLVES: the marker tells whether the new password is "
		    "live\n"
		    "- FINISHES: the new password is live; it is proved and "
		    "promoted\n"
		    "- SETTLED: CURRENT is live; at most files and records are "
		    "brought in step\n\n"
		    "The simulation (`tests/simulation`) walks every row and "
		    "holds it to that.\n");
	for (size_t i = 0; i < N_STATES; i++)
		protocol_rows(t, &states[i]);
}

static void wire_operations(struct text *t)
{
	text_add(t, "## Operations\n\nThe right is what the peer must hold for "
		    "the role; NOBODY needs none, ADMIN goes\nwith "
		    "`admin.sock`.\n\n| number | operation | right | meaning "
		    "|\n| ---: | --- | --- | --- |\n");
	for (size_t i = 0; i < sizeof(operations) / sizeof(*operations); i++) {
		text_printf(t, "| %d | %s | %s | ", operations[i].number,
			    operations[i].name, operations[i].kind);
		add_markdown(t, operations[i].help);
		text_add(t, " |\n");
	}
}

static void wire_fields(struct text *t)
{
	text_add(t, "\n## Fields\n\nTEXT is valid UTF-8 without control "
		    "characters (U+0000 to U+001F, U+007F to\nU+009F). NUMBER "
		    "is decimal, with a minus sign if need be and no zero in "
		    "front,\nfrom -9223372036854775808 to "
		    "9223372036854775807. SECRET is as TEXT. No value is\n"
		    "empty: what is not known is left out.\n\n"
		    "| tag | field | kind | at most | meaning |\n"
		    "| ---: | --- | --- | ---: | --- |\n");
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		text_printf(t, "| %d | %s | %s | %ld | ", fields[i].number,
			    fields[i].name, fields[i].kind, fields[i].most);
		add_markdown(t, fields[i].help);
		text_add(t, " |\n");
	}
}

static void wire_results(struct text *t)
{
	text_add(t, "\n## Results\n\nWith the exit code of "
		    "`keyturn-credential` and the code of "
		    "`pam_keyturn.so`.\n\n"
		    "| number | result | meaning | exit code | PAM |\n"
		    "| ---: | --- | --- | ---: | --- |\n");
	for (size_t i = 0; i < sizeof(results) / sizeof(*results); i++)
		text_printf(t, "| %d | %s | %s | %ld | %s |\n",
			    results[i].number, results[i].name, results[i].help,
			    results[i].most, results[i].pam);
}

static void wire_markdown(struct text *t)
{
	text_add(
		t,
		"# The agent's wire\n\nMade by `docs/generate` from "
		"`src/wire/wire.def`. What `keyturn-credential`,\n"
		"`pam_keyturn.so` and `keyturnd` say to `keyturn-agent`, on a "
		"Unix stream socket.\n\n"
		"A frame is a header of 8 bytes, `KT`, the version (1), the "
		"kind, and the length of\nthe body as a big-endian 32-bit "
		"number; then the body: fields, each one byte of tag,\na "
		"big-endian 16-bit length, and that many bytes. The kind of a "
		"request is its\noperation's number, that of a reply the same "
		"with 128 added. A request has at most\n4096 bytes, a reply "
		"at most 65536, header and all.\n\n"
		"One request at a time on a connection; it must come whole "
		"within a second of its\nfirst byte. An idle connection ends "
		"after half a minute. A bad header ends the\nconnection "
		"without a word; a bad field is answered with BAD_REQUEST, and "
		"then the\nconnection ends. There is one version: an unknown "
		"operation, tag or version is\nrefused, so is a tag given "
		"twice (but for the entries of LIST, TAKE and USES, each\nof which "
		"begins with ROLE), a value over its limit, and any control "
		"character.\n\n"
		"A request names a role by ROLE, or by what a client knows of "
		"a connection: USER, and\nHOST, PORT, DBNAME, REALM as far as "
		"given. The first field of a reply is RESULT. In\na reply of "
		"LIST, TAKE and USES, MORE and SINCE_AGO come before the "
		"entries.\n\n");
	wire_operations(t);
	wire_fields(t);
	wire_results(t);
}

static void sample(struct text *t)
{
	config_reference(CONFIG_DOCUMENT_SAMPLE, t);
}

static const struct {
	const char *argument;
	void (*make)(struct text *t);
} documents[] = {
	{ "settings", settings_markdown },
	{ "man5", man5 },
	{ "man1", man1 },
	{ "man8", man8 },
	{ "commands", commands_markdown },
	{ "sample", sample },
	{ "protocol", protocol_markdown },
	{ "wire", wire_markdown },
	{ "audit", audit_table },
};

int main(int argc, char **argv)
{
	struct text t = text_make(DOCUMENT_MAX);
	int rc = EXIT_FAILURE;

	for (size_t i = 0; i < sizeof(documents) / sizeof(*documents); i++) {
		if (argc != 2 || strcmp(argv[1], documents[i].argument) != 0)
			continue;
		documents[i].make(&t);
		if (text_status(&t) != STATUS_OK) {
			fprintf(stderr, "generate: %s\n",
				status_sentence(text_status(&t)));
			goto out;
		}
		if (fputs(text_str(&t), stdout) < 0 || fflush(stdout) != 0) {
			perror("generate: standard output");
			goto out;
		}
		rc = EXIT_SUCCESS;
		goto out;
	}
	fputs("usage: generate settings|man5|man1|man8|commands|sample|protocol|wire|audit\n",
	      stderr);
out:
	text_free(&t);
	return rc;
}
