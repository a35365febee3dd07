/* SPDX-License-Identifier: PostgreSQL */
/*
 * The documents that are made from settings.def.  Must not name a
 * setting, except in the examples of the sample file, which a test loads.
 */
#include "config/config.h"

#include <stdio.h>
#include <string.h>

#include "base/words.h"
#include "config/config_model.h"

#define WIDTH	 78
#define HELP_MAX 4096

/* How a file is written; one paragraph each. */
static const char *const rules[] = {
	"A file consists of sections, \"[keyturn]\" or \"[role NAME]\", and of "
	"settings, \"key = value\". Both begin at the beginning of the line. "
	"NAME has 1 to 40 letters, digits, '.', '_' and '-'.",
	"A line that begins with ';' or '#' is a comment, and so is the rest "
	"of a line from a ';' that follows a space. A '#' inside a value is "
	"part of it.",
	"A value may be put in double quotes, which keep spaces at its ends. "
	"Inside them \\\" stands for a quote, \\\\ for a backslash and \\; for "
	"a semicolon that must not start a comment.",
	"A line that is not a comment has at most 198 bytes. A list, and a "
	"text that may have 1024 bytes or more, may go on on the next line, "
	"indented; the parts are joined by one space.",
	"A list is given as several lines with the same key. Any other key "
	"given twice, a section given twice in all files, an unknown key or "
	"section, and a bad value are errors that name file and line.",
	"A duration is a number and one unit: 90s, 15m, 36h, 30d, 2w. A switch "
	"is yes, on, true, or no, off, false.",
	"Files are UTF-8 without control characters, and not writable by group "
	"or others. Secrets are never settings: a setting names the file that "
	"holds one.",
};

/* What the sample shows for settings whose default is no good example.  A
 * newline is written as a continuation. */
static const struct {
	enum config_key key;
	const char *value;
} examples[] = {
	{ CONFIG_cluster_conninfo,
	  "host=db.example.com dbname=postgres user=keyturn\n"
	  "sslmode=verify-full sslrootcert=/etc/ssl/certs/ca-certificates.crt" },
	{ CONFIG_cluster_admin_passfile, "/etc/keyturn/main.pgpass" },
	{ CONFIG_policy_length, "32" },
	{ CONFIG_policy_symbols, "-_." },
	{ CONFIG_role_cluster, "main" },
	{ CONFIG_role_store, "local" },
	{ CONFIG_role_policy, "partner" },
	{ CONFIG_role_strategy, "single" },
	{ CONFIG_role_schedule, "0 3 * * sun" },
	{ CONFIG_role_sink, "pgpass /home/sapjob/.pgpass owner=sapjob" },
	{ CONFIG_hook_events, "failed frozen restored alarm" },
	{ CONFIG_hook_command, "/usr/local/bin/page" },
	{ CONFIG_delivery_command, "/usr/local/libexec/keyturn/cpi" },
	{ CONFIG_delivery_user, "keyturn-cpi" },
	{ CONFIG_role_readers, "user:sapjob group:partners" },
	{ CONFIG_token_type, "databricks" },
	{ CONFIG_token_workspace, "https://dbc-a1b2.cloud.databricks.com" },
	{ CONFIG_token_endpoint,
	  "projects/p/branches/production/endpoints/primary" },
	{ CONFIG_token_client_id, "6f1d2c1e-0000-4000-8000-0123456789ab" },
	{ CONFIG_token_client_secret_file, "/etc/keyturn/lake.secret" },
	{ CONFIG_sink_token, "lake" },
	{ CONFIG_sink_file, "pgpass /home/app/.pgpass owner=app" },
};

static const char *const example_names[CONFIG_SECTION_COUNT] = {
	[CONFIG_SECTION_keyturn] = "",
	[CONFIG_SECTION_agent] = "",
	[CONFIG_SECTION_store] = "local",
	[CONFIG_SECTION_cluster] = "main",
	[CONFIG_SECTION_hook] = "pager",
	[CONFIG_SECTION_delivery] = "cpi",
	[CONFIG_SECTION_policy] = "partner",
	[CONFIG_SECTION_role] = "sap_engagement",
	[CONFIG_SECTION_token] = "lake",
	[CONFIG_SECTION_sink] = "app",
};

/* Paragraph s, broken at spaces, each line behind prefix. */
static void add_wrapped(struct text *t, const char *prefix, const char *s)
{
	size_t room = WIDTH - strlen(prefix), n;

	while (*s) {
		n = strlen(s);
		if (n > room) {
			n = room;
			while (n > 0 && s[n] != ' ')
				n--;
			if (n == 0)
				n = strcspn(s, " ");
		}
		text_add(t, prefix);
		text_add_bytes(t, s, n);
		text_add_char(t, '\n');
		s += n;
		s += strspn(s, " ");
	}
}

/* Seconds in the largest unit that holds them whole. */
static void print_seconds(char *buf, size_t size, int64_t seconds)
{
	static const struct {
		int64_t seconds;
		char name;
	} units[] = {
		{ 604800, 'w' }, { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }
	};

	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (seconds > 0 && seconds % units[i].seconds == 0) {
			snprintf(buf, size, "%lld%c",
				 (long long)(seconds / units[i].seconds),
				 units[i].name);
			return;
		}
	}
	snprintf(buf, size, "%llds", (long long)seconds);
}

/* "databricks: oauth-m2m or pat; gcp: metadata or key", or words of no type. */
static void add_words(const struct config_row *row, const char *last,
		      struct text *t)
{
	char words[CONFIG_WORDS_SIZE], type[CONFIG_WORDS_SIZE];
	const char *at = row->for_types, *separator = "", *w;
	size_t n;

	if (!strstr(row->words, ": ")) {
		words_join(row->words, last, t);
		return;
	}
	while ((w = words_next(&at, &n)) != NULL) {
		snprintf(type, sizeof(type), "%.*s", (int)n, w);
		text_printf(t, "%s%s: ", separator, type);
		words_join(config_model_words(row, type, words), last, t);
		separator = "; ";
	}
}

/* "number, 1 to 64": what the value must be. */
static void add_limits(const struct config_row *row, struct text *t)
{
	char low[24], high[24];

	switch (row->type) {
	case CONFIG_TYPE_STRING:
		text_printf(t, "text, at most %lld bytes", (long long)row->max);
		break;
	case CONFIG_TYPE_PATH:
		text_add(t, "absolute path");
		break;
	case CONFIG_TYPE_LIST:
		text_printf(t, "list of texts, at most %lld bytes each",
			    (long long)row->max);
		break;
	case CONFIG_TYPE_BOOL:
		text_add(t, "yes or no");
		break;
	case CONFIG_TYPE_INT:
		text_printf(t, "number, %lld to %lld", (long long)row->min,
			    (long long)row->max);
		break;
	case CONFIG_TYPE_PORT:
		text_printf(t, "number, 1 to %d", CONFIG_PORT_MAX);
		break;
	case CONFIG_TYPE_DURATION:
		print_seconds(low, sizeof(low), row->min);
		print_seconds(high, sizeof(high), row->max);
		text_printf(t, "duration, %s to %s", low, high);
		break;
	case CONFIG_TYPE_INTERVAL:
		text_add(t, "duration, more than 0s");
		break;
	case CONFIG_TYPE_NAME:
		text_printf(t, "the NAME of a [%s NAME]", row->words);
		break;
	case CONFIG_TYPE_ENUM:
	case CONFIG_TYPE_SOURCE:
		add_words(row, " or ", t);
		break;
	case CONFIG_TYPE_SET:
	case CONFIG_TYPE_GRANTS:
		text_add(t, "any of ");
		add_words(row, " and ", t);
		text_add(t, ", divided by spaces");
		break;
	}
}

/* The help, behind the types that the setting is for: "vault, aws: ...". */
static void add_help(const struct config_row *row, struct text *t)
{
	words_join(row->for_types, ", ", t);
	text_printf(t, "%s%s", *row->for_types ? ": " : "", row->help);
}

static void text_setting(const struct config_row *row, const char *help,
			 struct text *t)
{
	struct text head = text_make(HELP_MAX);

	text_printf(&head, "%s (", row->key);
	add_limits(row, &head);
	if (*row->def)
		text_printf(&head, "; default %s", row->def);
	text_printf(&head, "%s)", row->required ? "; required" : "");
	add_wrapped(t, "  ", text_str(&head));
	add_wrapped(t, "      ", help);
	text_free(&head);
}

/* '|' would end a table's cell. */
static void markdown_cell(struct text *t, const char *s)
{
	for (; *s; s++) {
		if (*s == '|' || *s == '<' || *s == '*')
			text_add_char(t, '\\');
		text_add_char(t, *s);
	}
}

static void markdown_setting(const struct config_row *row, const char *help,
			     struct text *t)
{
	text_printf(t, "| `%s` | ", row->key);
	add_limits(row, t);
	text_add(t, " | ");
	if (row->required)
		text_add(t, "required");
	else if (*row->def)
		text_printf(t, "`%s`", row->def);
	text_add(t, " | ");
	markdown_cell(t, help);
	text_add(t, " |\n");
}

/* Text lines of roff: a new sentence on a new line, a backslash as \e, and no
 * line that begins with a control character. */
static void man_lines(struct text *t, const char *s)
{
	bool start = true;

	for (; *s; s++) {
		if (start && (*s == '.' || *s == '\''))
			text_add(t, "\\&");
		start = false;
		if (*s == '\\') {
			text_add(t, "\\e");
		} else if (s[0] == ' ' && (s[-1] == '.' || s[-1] == ':') &&
			   s[-2] != '.') {
			text_add_char(t, s[-1] == '.' ? '\n' : ' ');
			start = s[-1] == '.';
		} else {
			text_add_char(t, *s);
		}
	}
	text_add_char(t, '\n');
}

static void man_setting(const struct config_row *row, const char *help,
			struct text *t)
{
	text_printf(t, ".It Cm %s\n", row->key);
	man_lines(t, help);
	text_add(t, ".Pp\n");
	text_add(t, "Type: ");
	add_limits(row, t);
	text_add(t, ".\n");
	if (row->required)
		text_add(t, "Required.\n");
	if (*row->def) {
		text_add(t, "Default:\n");
		text_printf(t, ".Ql %s .\n", row->def);
	}
}

static void section_head(enum config_document kind, enum config_section section,
			 struct text *t)
{
	const struct config_kind *k = config_model_kind(section);
	const char *name = k->named ? " NAME" : "";

	switch (kind) {
	case CONFIG_DOCUMENT_TEXT:
		text_printf(t, "\n[%s%s]\n", k->word, name);
		add_wrapped(t, "  ", k->help);
		break;
	case CONFIG_DOCUMENT_MARKDOWN:
		text_printf(t, "\n## [%s%s]\n\n%s\n\n", k->word, name, k->help);
		text_add(t, "| setting | value | default | meaning |\n");
		text_add(t, "| --- | --- | --- | --- |\n");
		break;
	case CONFIG_DOCUMENT_MAN:
		text_printf(t, ".Ss [%s%s]\n", k->word, name);
		man_lines(t, k->help);
		text_add(t, ".Bl -tag -width Ds\n");
		break;
	case CONFIG_DOCUMENT_SAMPLE:
		break;
	}
}

static void add_rules(enum config_document kind, struct text *t)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
		if (kind == CONFIG_DOCUMENT_MAN) {
			if (i > 0)
				text_add(t, ".Pp\n");
			man_lines(t, rules[i]);
			continue;
		}
		if (i > 0)
			text_add_char(t, '\n');
		add_wrapped(t, "", rules[i]);
	}
}

static void add_settings(enum config_document kind, enum config_section section,
			 struct text *t)
{
	for (int k = 0; k < CONFIG_KEY_COUNT; k++) {
		const struct config_row *row =
			config_model_row((enum config_key)k);

		struct text help = text_make(HELP_MAX);

		if (row->section != section)
			continue;
		add_help(row, &help);
		if (kind == CONFIG_DOCUMENT_TEXT)
			text_setting(row, text_str(&help), t);
		else if (kind == CONFIG_DOCUMENT_MARKDOWN)
			markdown_setting(row, text_str(&help), t);
		else
			man_setting(row, text_str(&help), t);
		text_free(&help);
	}
}

/* `value` with its newlines as continuations behind prefix. */
static void sample_value(const char *prefix, const char *key, const char *value,
			 struct text *t)
{
	text_printf(t, "%s%s = ", prefix, key);
	for (; *value; value++) {
		if (*value == '\n')
			text_printf(t, "\n%s\t", prefix);
		else
			text_add_char(t, *value);
	}
	text_add_char(t, '\n');
}

static const char *example_of(enum config_key k)
{
	for (size_t i = 0; i < sizeof(examples) / sizeof(*examples); i++) {
		if (examples[i].key == k)
			return examples[i].value;
	}
	return NULL;
}

/* The value that the sample sets for real, or NULL. */
static const char *live_of(const struct config_sample *files, enum config_key k)
{
	switch (k) {
	case CONFIG_keyturn_ledger:
		return files->ledger;
	case CONFIG_keyturn_audit_key:
		return files->audit_key;
	case CONFIG_store_type:
		return config_model_row(k)->def;
	case CONFIG_store_path:
		return files->store_path;
	case CONFIG_store_key:
		return files->store_key;
	default:
		return NULL;
	}
}

/* Everything of [keyturn] and [store local]; of the others what the example
 * needs, because the whole is in the manual. */
static void sample_section(const struct config_sample *files,
			   enum config_section section, struct text *t)
{
	const struct config_kind *kind = config_model_kind(section);
	bool live = section == CONFIG_SECTION_keyturn ||
		    section == CONFIG_SECTION_store;
	struct text help = text_make(HELP_MAX);
	const char *value;

	text_add_char(t, '\n');
	add_wrapped(t, "# ", kind->help);
	text_printf(t, "%s[%s%s%s]\n", live ? "" : ";", kind->word,
		    kind->named ? " " : "", example_names[section]);
	for (int i = 0; i < CONFIG_KEY_COUNT; i++) {
		enum config_key k = (enum config_key)i;
		const struct config_row *row = config_model_row(k);

		value = live_of(files, k);
		if (!value)
			value = example_of(k);
		if (!value && live && *row->def)
			value = row->def;
		if (row->section != section || !value ||
		    (section == CONFIG_SECTION_store &&
		     !config_model_applies(row, "local")))
			continue;
		text_reset(&help);
		add_help(row, &help);
		add_wrapped(t, "# ", text_str(&help));
		sample_value(live_of(files, k) ? "" : ";", row->key, value, t);
	}
	text_free(&help);
}

void config_reference_sample(const struct config_sample *files, struct text *t)
{
	text_add(t, "# The configuration of keyturn.  Lines that begin with "
		    "';' show defaults or an\n# example; take the ';' away to "
		    "use them.  All settings: keyturn.conf(5), or\n# \"keyturn "
		    "config reference\".  More files may stand in conf.d/ "
		    "beside this one.\n");
	for (int k = 0; k < CONFIG_SECTION_COUNT; k++)
		sample_section(files, (enum config_section)k, t);
}

void config_reference(enum config_document kind, struct text *t)
{
	if (kind == CONFIG_DOCUMENT_SAMPLE) {
		const struct config_sample files = {
			config_model_row(CONFIG_keyturn_ledger)->def,
			config_model_row(CONFIG_keyturn_audit_key)->def,
			config_model_row(CONFIG_store_path)->def,
			config_model_row(CONFIG_store_key)->def,
		};

		config_reference_sample(&files, t);
		return;
	}
	add_rules(kind, t);
	for (int k = 0; k < CONFIG_SECTION_COUNT; k++) {
		section_head(kind, (enum config_section)k, t);
		add_settings(kind, (enum config_section)k, t);
		if (kind == CONFIG_DOCUMENT_MAN)
			text_add(t, ".El\n");
	}
}
