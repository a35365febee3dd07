/* SPDX-License-Identifier: PostgreSQL */
/* Content lines; must never read behind the file, nor join what is not folded. */
#include "schedule/schedule_ics_line.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

static const char name_bytes[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "abcdefghijklmnopqrstuvwxyz0123456789-";

/* One line of the file, without its end. */
static enum status add_physical(struct schedule_ics_file *f,
				struct schedule_ics_line *l, size_t *len,
				struct reason *why)
{
	const char *end = memchr(f->at, '\n', (size_t)(f->end - f->at));
	const char *next = end ? end + 1 : f->end;
	size_t n = (size_t)((end ? end : f->end) - f->at);

	if (n > 0 && f->at[n - 1] == '\r')
		n--;
	if (n > SCHEDULE_ICS_LINE - *len)
		return reason_set(why, STATUS_CONFIG,
				  "the line is longer than %d bytes",
				  SCHEDULE_ICS_LINE);
	memcpy(l->bytes + *len, f->at, n);
	*len += n;
	f->at = next;
	f->line++;
	return STATUS_OK;
}

/* A character may be folded in its middle, so that only whole lines are text. */
static enum status check_text(const char *s, size_t n, struct reason *why)
{
	if (!text_is_utf8(s, n))
		return reason_set(why, STATUS_CONFIG,
				  "the line is not in UTF-8");
	for (size_t i = 0; i < n; i++)
		if (s[i] != '\t' && text_control_length(s + i, n - i) > 0)
			return reason_set(why, STATUS_CONFIG,
					  "the line has a control character");
	return STATUS_OK;
}

/* The end of a parameter's value: its quotes may hold what divides. */
static char *skip_value(char *s)
{
	bool quoted = false;

	while (*s && (quoted || (*s != ';' && *s != ':'))) {
		quoted ^= *s == '"';
		s++;
	}
	return quoted ? NULL : s;
}

static const char *unquote(char *s)
{
	size_t n = strlen(s);

	if (n < 2 || s[0] != '"' || s[n - 1] != '"' ||
	    memchr(s + 1, '"', n - 2))
		return s;
	s[n - 1] = '\0';
	return s + 1;
}

/* Behind the ';'; *ret_at is what ended it. */
static bool take_param(struct schedule_ics_line *l, char *s, char **ret_at,
		       char *ret_mark)
{
	size_t n = strspn(s, name_bytes);
	char *end;

	if (n == 0 || s[n] != '=' || l->n_params == SCHEDULE_ICS_PARAMS ||
	    !(end = skip_value(s + n + 1)) || !*end)
		return false;
	*ret_mark = *end;
	*end = '\0';
	s[n] = '\0';
	l->params[l->n_params].name = s;
	l->params[l->n_params].value = unquote(s + n + 1);
	l->n_params++;
	*ret_at = end + 1;
	return true;
}

static enum status take_apart(struct schedule_ics_line *l, struct reason *why)
{
	size_t n = strspn(l->bytes, name_bytes);
	char *at = l->bytes + n + 1, mark = l->bytes[n];
	bool good = n > 0 && (mark == ';' || mark == ':');

	l->bytes[n] = '\0';
	l->name = l->bytes;
	while (good && mark == ';')
		good = take_param(l, at, &at, &mark);
	if (!good)
		return reason_set(why, STATUS_CONFIG,
				  "the line is not NAME:VALUE as in an .ics "
				  "file");
	l->value = at;
	return STATUS_OK;
}

enum status schedule_ics_line_next(struct schedule_ics_file *f,
				   struct schedule_ics_line *ret,
				   struct reason *why)
{
	size_t len = 0;
	enum status s;

	while (f->at < f->end && (*f->at == '\n' || *f->at == '\r'))
		f->line += *f->at++ == '\n';
	if (f->at == f->end)
		return STATUS_NOT_FOUND;
	ret->number = f->line;
	ret->n_params = 0;
	s = add_physical(f, ret, &len, why);
	while (s == STATUS_OK && f->at < f->end &&
	       (*f->at == ' ' || *f->at == '\t')) {
		f->at++;
		s = add_physical(f, ret, &len, why);
	}
	ret->bytes[len] = '\0';
	if (s == STATUS_OK)
		s = check_text(ret->bytes, len, why);
	return s == STATUS_OK ? take_apart(ret, why) : s;
}

const char *schedule_ics_line_param(const struct schedule_ics_line *l,
				    const char *name)
{
	for (size_t i = 0; i < l->n_params; i++)
		if (strcasecmp(l->params[i].name, name) == 0)
			return l->params[i].value;
	return NULL;
}
