/* complete.c: what the word before the cursor could become. Reads tables and folders, never changes anything, knows no terminal.
 * SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/mem.h"
#include "model/programs.h"
#include "repl/agenda.h"
#include "repl/shell.h"
#include "repl/words.h"

enum { WORD_MAX = 128, WORDS_MAX = 64 };

/* The word being completed: head is kept as it is ("tokenizer="), tail is matched. */
struct wanted {
	struct completion *out;
	const struct engine_snapshot *snap;
	const struct agenda *agenda;
	const struct command_row *row;
	char before[1024];   /* the word before this one */
	char word[1024];
	int quoted;          /* the user opened a quote */
	int arg;             /* index of the argument */
	int sorted;          /* keep candidates in order of name */
};

static void add_at(struct completion *c, int at, const char *word)
{
	int last = MIN(c->n, WORDS_MAX - 1);
	memmove(c->word[at + 1], c->word[at], (size_t)(last - at) * WORD_MAX);
	snprintf(c->word[at], WORD_MAX, "%s", word);
	c->n = last + 1;
}

static void add_word(struct wanted *w, const char *word)
{
	struct completion *c = w->out;
	int at = c->n;
	for (int i = 0; i < c->n; i++)
		if (!strcmp(c->word[i], word))
			return;
	if (w->sorted)
		while (at > 0 && strcmp(word, c->word[at - 1]) < 0)
			at--;
	if (strlen(word) >= WORD_MAX || c->n == WORDS_MAX)
		c->more++;
	if (strlen(word) < WORD_MAX && at < WORDS_MAX)
		add_at(c, at, word);
}

/* Adds head + tail when it begins with what was typed; in quotes when it has to be. A folder's quote stays open. */
static void add(struct wanted *w, const char *head, const char *tail, size_t n)
{
	char plain[2048], quoted[2080];
	snprintf(plain, sizeof plain, "%s%.*s", head, (int)n, tail);
	if (strncmp(plain, w->word, strlen(w->word)))
		return;
	size_t len = strlen(plain);
	if (!w->quoted && (!len || !words_need_quotes(plain))) {
		add_word(w, plain);
		return;
	}
	size_t k = 0;
	quoted[k++] = '"';
	for (size_t i = 0; i < len && k < sizeof quoted - 4; i++) {
		if (plain[i] == '"' || plain[i] == '\\')
			quoted[k++] = '\\';
		quoted[k++] = plain[i];
	}
	if (len && plain[len - 1] != '/')
		quoted[k++] = '"';
	quoted[k] = 0;
	add_word(w, quoted);
}

static void add_all(struct wanted *w, const char *word)
{
	add(w, "", word, strlen(word));
}

/* Is it a file that this kind of argument takes? suffix NULL: any. */
static int wanted_file(const char *name, const char *base, const char *suffix, int dir)
{
	size_t n = strlen(name), m = suffix ? strlen(suffix) : 0;
	if (strncmp(name, base, strlen(base)) || (*name == '.' && *base != '.') || !strcmp(name, ".") || !strcmp(name, ".."))
		return 0;
	return !suffix || dir || (n > m && !strcmp(name + n - m, suffix));
}

/* Files and folders that begin like `path`; each candidate is head + the path. */
static void add_files(struct wanted *w, const char *head, const char *path, const char *suffix, int only_dirs)
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	char dir[1024], full[2048];
	snprintf(dir, sizeof dir, "%.*s", (int)(base - path), path);
	DIR *d = opendir(*dir ? dir : ".");
	struct dirent *f;
	if (!d)
		return;
	w->sorted = 1;
	while ((f = readdir(d))) {
		if (!wanted_file(f->d_name, base, suffix, 1))
			continue;
		snprintf(full, sizeof full, "%s%s", dir, f->d_name);
		int is_dir = file_is_dir(full) == 1;
		if ((only_dirs && !is_dir) || !wanted_file(f->d_name, base, suffix, is_dir))
			continue;
		if (is_dir && !only_dirs)
			snprintf(full, sizeof full, "%s%s/", dir, f->d_name);
		add(w, head, full, strlen(full));
	}
	closedir(d);
}

static void add_commands(struct wanted *w)
{
	for (int i = 0; i < CMD_N; i++)
		add_all(w, command_row(i)->name);
}

static void add_aliases(struct wanted *w)
{
	const char *name;
	for (int i = 0; (name = agenda_alias_name(w->agenda, i)); i++)
		add_all(w, name);
}

static void add_keys(struct wanted *w)
{
	for (int i = 0; i < SET_N; i++)
		add_all(w, setting_row(i)->key);
}

/* What a key may be: its choices, or on and off. */
static void add_key_values(struct wanted *w, const char *key)
{
	int id = setting_find(key, NULL);
	if (id < 0)
		return;
	const struct setting_row *r = setting_row(id);
	if (r->kind == SETTING_COUNT) {
		add_all(w, "auto");
	} else if (r->kind == SETTING_AUTO) {
		add_all(w, "auto");
		add_all(w, "off");
	} else if (r->kind == SETTING_BOOL) {
		add_all(w, "off");
		add_all(w, "on");
	} else if (r->kind == SETTING_CHOICE) {
		for (const char *c = r->unit; *c;) {
			size_t n = strcspn(c, " ");
			add(w, "", c, n);
			c += n + (c[n] == ' ');
		}
	}
}

static void add_presets(struct wanted *w)
{
	const char *const *names = model_preset_names(NULL);
	for (; names && *names; names++)
		add_all(w, *names);
}

/* Checkpoints of the open run by name, and files when a path was begun. */
static void add_ckpts(struct wanted *w)
{
	struct completion files = {0};
	char path[300];
	if (strchr(w->word, '/') || !w->snap || !*w->snap->run_dir) {
		add_files(w, "", w->word, ".ckpt", 0);
		return;
	}
	struct wanted in = {.out = &files};
	int n = snprintf(path, sizeof path, "%s/", w->snap->run_dir);
	snprintf(in.word, sizeof in.word, "%s", path);
	add_files(&in, "", path, ".ckpt", 0);
	for (int i = 0; i < files.n; i++) {
		const char *name = files.word[i] + n;
		size_t len = strlen(name);
		if (files.word[i][0] != '"' && len > 5 && name[len - 1] != '/')
			add(w, "", name, len - 5);
	}
}

static void add_choices(struct wanted *w, const char *list, size_t n)
{
	for (const char *c = list, *end = list + n; c < end;) {
		size_t len = strcspn(c, ", ");
		if (c + len > end)
			len = (size_t)(end - c);
		add(w, "", c, len);
		c += len + 1;
	}
}

static int kind_is(const char *kind, size_t n, const char *name)
{
	return n == strlen(name) && !memcmp(kind, name, n);
}

static void add_kind(struct wanted *w, const char *kind, size_t n)
{
	if (n > 7 && !memcmp(kind, "choice:", 7))
		add_choices(w, kind + 7, n - 7);
	else if (kind_is(kind, n, "command")) {
		add_commands(w);
		if (strstr(w->row->args, "KEY"))
			add_keys(w);
	} else if (kind_is(kind, n, "key"))
		add_keys(w);
	else if (kind_is(kind, n, "alias"))
		add_aliases(w);
	else if (kind_is(kind, n, "event"))
		for (int i = 0; i < HAPPENING_N; i++)
			add_all(w, happening_row((enum happening)i)->name);
	else if (kind_is(kind, n, "preset"))
		add_presets(w);
	else if (kind_is(kind, n, "run"))
		add_files(w, "", *w->word ? w->word : "runs/", NULL, 1);
	else if (kind_is(kind, n, "ckpt"))
		add_ckpts(w);
	else if (kind_is(kind, n, "program"))
		for (int i = 0; i < PROGRAM_N; i++)
			add_all(w, program_name(i));
	else if (kind_is(kind, n, "path"))
		add_files(w, "", w->word, NULL, 0);
	else if (kind_is(kind, n, "text") && w->row->min == 1 && !strncmp(w->row->kinds, "key ", 4))
		add_key_values(w, w->before);
}

/* Lower-case words that the usage line offers beside files: "FILE|builtin". */
static void add_literals(struct wanted *w)
{
	const char *a = w->row->args;
	if (strstr(a, " | "))
		return;
	for (int i = 0; i < w->arg && *a; i++) {
		a += strcspn(a, " ");
		a += strspn(a, " ");
	}
	while (*a && *a != ' ') {
		size_t n = strspn(a, "abcdefghijklmnopqrstuvwxyz");
		if (n && (!a[n] || strchr("|] ", a[n])))
			add(w, "", a, n);
		a += strcspn(a, "| ");
		a += *a == '|';
	}
}

/* Is NAME=VALUE one with a file as its value? All of `mil run` are. */
static int takes_file(const struct wanted *w)
{
	return w->row == command_row(CMD_MIL) || !strncmp(w->word, "tokenizer=", 10);
}

static void add_argument(struct wanted *w)
{
	size_t n = 0;
	const char *kind = words_kind(w->row, w->arg, &n);
	const char *eq = strchr(w->word, '=');
	if (!kind)
		return;
	const char *end = kind + n;
	while (kind < end) {
		size_t len = strcspn(kind, "| ");
		add_kind(w, kind, len);
		kind += len + 1;
	}
	add_literals(w);
	/* An argument in brackets may be left out: `lr cosine`. */
	if (w->arg == 0 && *w->row->args == '[' && words_kind_count(w->row) > 1 && !strncmp(w->row->kinds, "num ", 4)) {
		kind = words_kind(w->row, 1, &n);
		add_kind(w, kind, n);
	}
	if (eq && takes_file(w)) {
		char head[1024];
		snprintf(head, sizeof head, "%.*s", (int)(eq + 1 - w->word), w->word);
		w->out->n = 0;
		add_files(w, head, eq + 1, NULL, 0);
	}
}

/* `watch 2 COMMAND ...`: from the rest on it is a line of its own. */
static int is_inner_line(const struct wanted *w)
{
	size_t n = 0;
	const char *kind = w->row ? words_kind(w->row, w->arg, &n) : NULL;
	return kind && w->row->max == COMMAND_REST && w->arg == words_before_rest(w->row) && kind_is(kind, n, "command");
}

/* Candidates for the word that ends at `text`'s end, which lies `base` bytes behind the line's beginning. */
static void complete_line(struct wanted *w, const char *text, size_t base)
{
	int open, keep;
	const char *at = words_begin(text, &keep);
	for (w->arg = -1, w->row = NULL;; w->arg++) {
		while (word_blank(*at))
			at++;
		if (is_inner_line(w)) {
			complete_line(w, at, base + (size_t)(at - text));
			/* The rest may also be `off`, but only whole. */
			if (w->arg < 0)
				add_all(w, "off");
			return;
		}
		w->out->from = base + (size_t)(at - text);
		w->quoted = *at == '"';
		at = words_next(at, w->word, sizeof w->word, &open);
		if (!*at)
			break;
		if (w->arg < 0) {
			int id = words_command(w->word);
			if (id < 0)
				return;
			w->row = command_row(id);
		}
		memcpy(w->before, w->word, sizeof w->before);
	}
	if (w->arg >= 0) {
		add_argument(w);
		return;
	}
	add_commands(w);
	add_aliases(w);
}

void shell_complete(const char *line, size_t cursor, const struct engine_snapshot *snap, const struct agenda *agenda, struct completion *out)
{
	char text[4096];
	struct wanted w = {.out = out, .snap = snap, .agenda = agenda};
	out->n = out->more = 0;
	out->from = cursor;
	size_t len = strnlen(line, sizeof text);
	if (cursor > len || cursor >= sizeof text)
		return;
	memcpy(text, line, cursor);
	text[cursor] = 0;
	complete_line(&w, text, 0);
}

size_t shell_complete_text(const struct completion *c, char *out, size_t n)
{
	if (!n)
		return 0;
	out[0] = 0;
	if (!c->n)
		return 0;
	size_t len = strlen(c->word[0]);
	if (c->n == 1 && !c->more) {
		char last = len ? c->word[0][len - 1] : 0;
		snprintf(out, n, "%s%s", c->word[0], last == '/' || last == '=' ? "" : " ");
		return strlen(out);
	}
	for (int i = 1; i < c->n; i++) {
		size_t k = 0;
		while (k < len && c->word[i][k] == c->word[0][k])
			k++;
		len = k;
	}
	/* Never half a character. */
	while (len && ((unsigned char)c->word[0][len] & 0xC0) == 0x80)
		len--;
	snprintf(out, n, "%.*s", (int)len, c->word[0]);
	return strlen(out);
}
