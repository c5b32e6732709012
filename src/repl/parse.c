/* parse.c: a line into a command and its words. Looks at no file and no engine.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "repl/shell.h"
#include "repl/words.h"

const char *words_begin(const char *line, int *keep_going)
{
	*keep_going = 0;
	for (int colon = 0;; line++) {
		if (*line == ':' && !colon)
			colon = 1;
		else if (*line == '-' && !*keep_going)
			*keep_going = 1;
		else if (!word_blank(*line))
			return line;
	}
}

/* One character inside quotes, escapes taken off: \" \\ \n \t; any other backslash is itself. */
static const char *quoted_char(const char *p, char *c)
{
	if (*p == '\\' && p[1] && strchr("\"\\nt", p[1])) {
		p++;
		*c = *p == 'n' ? '\n' : *p == 't' ? '\t' : *p;
	} else {
		*c = *p;
	}
	return p + 1;
}

const char *words_next(const char *p, char *out, size_t n, int *open)
{
	size_t k = 0;
	int quote = 0;
	while (word_blank(*p))
		p++;
	while (*p && (quote || !word_blank(*p))) {
		char c = *p;
		if (c == '"') {
			quote = !quote;
			p++;
			continue;
		}
		if (quote)
			p = quoted_char(p, &c);
		else
			p++;
		if (k + 1 < n)
			out[k++] = c;
	}
	out[k] = 0;
	*open = quote;
	return p;
}

int words_need_quotes(const char *w)
{
	return !*w || strpbrk(w, " \t\"\n\r") != NULL;
}

int words_kind_count(const struct command_row *row)
{
	int n = 0;
	for (const char *k = row->kinds; *k; n++) {
		k += strcspn(k, " ");
		k += strspn(k, " ");
	}
	return n;
}

const char *words_kind(const struct command_row *row, int i, size_t *len)
{
	const char *k = row->kinds, *last = NULL;
	for (; *k && i >= 0; i--) {
		last = k;
		*len = strcspn(k, " ");
		k += *len;
		k += strspn(k, " ");
	}
	return last;
}

int words_before_rest(const struct command_row *row)
{
	return row->max == COMMAND_REST ? words_kind_count(row) - 1 : -1;
}

/* Exact name first, then prefixes: the id, -1 for none, -2 for several. Where all go on from the shortest one (set, settings), that is meant. */
static int find(const char *name)
{
	size_t n = strlen(name);
	int id = -1;
	for (int i = 0; i < CMD_N; i++) {
		const char *s = command_row(i)->name;
		if (!strcmp(s, name))
			return i;
		if (n && !strncmp(s, name, n) && (id < 0 || strlen(s) < strlen(command_row(id)->name)))
			id = i;
	}
	for (int i = 0; id >= 0 && i < CMD_N; i++)
		if (!strncmp(command_row(i)->name, name, n) && strncmp(command_row(i)->name, command_row(id)->name, strlen(command_row(id)->name)))
			return -2;
	return id;
}

int words_command(const char *name)
{
	int id = find(name);
	return id < 0 ? -1 : id;
}

static int fail_ambiguous(const char *name, struct err *e)
{
	struct str list = {0};
	size_t n = strlen(name);
	for (int i = 0; i < CMD_N; i++)
		if (!strncmp(command_row(i)->name, name, n))
			str_printf(&list, "%s%s", list.len ? ", " : "", command_row(i)->name);
	int rc = err_set(e, ERR_USAGE, "command: %s: could be %s", name, list.s ? list.s : "several");
	str_done(&list);
	return rc;
}

/* At most 40 bytes of what was typed go into a message, cut between characters. */
static int clip(const char *s)
{
	size_t n = strlen(s);
	if (n <= 40)
		return (int)n;
	for (n = 40; n > 36 && ((unsigned char)s[n] & 0xC0) == 0x80; n--)
		;
	return (int)n;
}

/* The command for a word of other programs, or -1. */
static int known_elsewhere(const char *name)
{
	static const struct { const char *word; int id; } others[] = {
#define OTHER(word, COMMAND) {word, CMD_##COMMAND},
#include "repl/others.def"
#undef OTHER
	};
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (!strcmp(others[i].word, name))
			return others[i].id;
	return -1;
}

static int fail_unknown(const char *name, struct err *e)
{
	int other = known_elsewhere(name), best = MAX(other, 0), best_d = 1000;
	for (int i = 0; other < 0 && i < CMD_N; i++) {
		/* Among equally near ones the one that begins alike. */
		int d = 2 * str_distance(command_row(i)->name, name) - (command_row(i)->name[0] == name[0]);
		if (d < best_d) {
			best_d = d;
			best = i;
		}
	}
	return err_set(e, ERR_USAGE, "command: %.*s: no such command (did you mean %s? `help` lists them)", clip(name), name,
		       command_row(best)->name);
}

static int fail_count(const struct command_row *row, const char *why, const char *word, struct err *e)
{
	return err_set(e, ERR_USAGE, "%s: %s%.*s (usage: %s%s%s)", row->name, why, clip(word), word, row->name, *row->args ? " " : "",
		       row->args);
}

/* The rest of a line is text for people and models: whole characters. File names may be any bytes. */
static int check_text(const struct command_row *row, const char *s, struct err *e)
{
	size_t n = strlen(s);
	for (size_t i = 0; i < n;) {
		uint32_t cp;
		int k = utf8_decode(s + i, n - i, &cp);
		if (k < 0)
			return err_set(e, ERR_USAGE, "%s: byte %zu of the text is no UTF-8", row->name, i + 1);
		i += (size_t)k;
	}
	return 0;
}

/* The words after the name, from `at`, into p->buf. */
static int split_args(struct parsed *p, const struct command_row *row, const char *at, struct err *e)
{
	int rest = words_before_rest(row), open = 0;
	size_t used = 0;
	for (;;) {
		const char *word = at;
		while (word_blank(*word))
			word++;
		if (!*word)
			return 0;
		if (p->argc == SHELL_ARGS)
			return err_set(e, ERR_USAGE, "%s: more than %d words", row->name, (int)SHELL_ARGS);
		p->argv[p->argc] = p->buf + used;
		if (p->argc++ == rest) {
			/* One blank separates; further ones belong to the text. */
			strcpy(p->buf + used, at + 1);
			return check_text(row, at + 1, e);
		}
		at = words_next(word, p->buf + used, sizeof p->buf - used, &open);
		if (open)
			return err_set(e, ERR_USAGE, "%s: %.*s: quote not closed", row->name, clip(word), word);
		used += strlen(p->buf + used) + 1;
	}
}

int shell_parse(struct parsed *p, const char *line, struct err *e)
{
	char text[sizeof p->buf], name[sizeof p->buf];
	int open;
	p->id = -1;
	p->keep_going = p->argc = 0;
	size_t n = strlen(line);
	while (n && (line[n - 1] == '\n' || line[n - 1] == '\r'))
		n--;
	if (n >= sizeof text)
		return err_set(e, ERR_USAGE, "line: %zu bytes: at most %zu", n, sizeof text - 1);
	memcpy(text, line, n);
	text[n] = 0;

	const char *at = words_begin(text, &p->keep_going);
	if (!*at || *at == '#')
		return 0;
	const char *word = at;
	at = words_next(at, name, sizeof name, &open);
	if (open)
		return err_set(e, ERR_USAGE, "command: %.*s: quote not closed", clip(word), word);
	if (!*name)
		return err_set(e, ERR_USAGE, "command: \"\": an empty name (`help` lists them)");
	int id = find(name);
	if (id == -2)
		return fail_ambiguous(name, e);
	if (id < 0)
		return fail_unknown(name, e);
	const struct command_row *row = command_row(id);
	int rc = split_args(p, row, at, e);
	if (rc)
		return rc;
	if (p->argc < row->min)
		return fail_count(row, "too few words", "", e);
	if (row->max >= 0 && p->argc > row->max)
		return fail_count(row, "one word too many: ", p->argv[row->max], e);
	p->id = id;
	return 0;
}

void shell_join(struct str *line, int n, const char *const *words)
{
	int id = n ? words_command(words[0]) : -1;
	int rest = id < 0 ? -1 : words_before_rest(command_row(id));
	for (int i = 0; i < n; i++) {
		if (i)
			str_putc(line, ' ');
		if ((rest >= 0 && i > rest) || !words_need_quotes(words[i])) {
			str_puts(line, words[i]);
			continue;
		}
		str_putc(line, '"');
		for (const char *c = words[i]; *c; c++) {
			if (*c == '"' || *c == '\\')
				str_putc(line, '\\');
			if (*c == '\n')
				str_puts(line, "\\n");
			else
				str_putc(line, *c);
		}
		str_putc(line, '"');
	}
}
