/* hint.c: what stands dimmed behind the cursor: the arguments that are left, and how things are now. Makes text only.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "repl/agenda.h"
#include "repl/help.h"
#include "repl/shell.h"
#include "repl/words.h"

/* The words typed so far, the command's name first. */
struct typed {
	int n;
	char word[3][SETTING_TEXT_MAX];  /* the first ones; n counts all */
	int finished;                    /* a blank stands behind the last one */
};

static void read_typed(struct typed *t, const char *line)
{
	char word[4096];
	int open, keep;
	const char *at = words_begin(line, &keep);
	memset(t, 0, sizeof *t);
	for (;;) {
		while (word_blank(*at))
			at++;
		if (!*at)
			break;
		at = words_next(at, word, sizeof word, &open);
		if (t->n < 3)
			snprintf(t->word[t->n], sizeof t->word[0], "%.63s", word);
		t->n++;
		t->finished = !open && word_blank(*at);
	}
}

/* One item of a usage line: "[a b]" is one, "SECONDS" is one. Returns its length. */
static size_t usage_item(const char *a)
{
	size_t n = 0;
	int depth = 0;
	for (; a[n] && (depth || a[n] != ' '); n++)
		depth += (a[n] == '[') - (a[n] == ']');
	return n;
}

/* Of "list | show NAME | run FILE" the part that begins with the first argument; the whole when there are no such parts. */
static const char *usage_part(const char *args, const char *first, size_t *len)
{
	const char *bar, *a = args;
	*len = strlen(args);
	if (!strstr(args, " | "))
		return args;
	while (a) {
		bar = strstr(a, " | ");
		size_t n = bar ? (size_t)(bar - a) : strlen(a), k = strcspn(a, " <");
		if (k == strlen(first) && !memcmp(a, first, k)) {
			*len = n;
			return a;
		}
		a = bar ? bar + 3 : NULL;
	}
	*len = 0;
	return args;
}

/* The usage line without its first `given` items. */
static void usage_left(const struct command_row *row, const char *first, int given, char *out, size_t n)
{
	size_t len = strlen(row->args);
	const char *a = given ? usage_part(row->args, first, &len) : row->args, *end = a + len;
	for (; given > 0 && a < end; given--) {
		size_t k = usage_item(a);
		/* "[KEY=VALUE...]" may come again and again. */
		if (k > 4 && !memcmp(a + k - 4, "...]", 4))
			break;
		a += k;
		a += *a == ' ';
	}
	snprintf(out, n, "%.*s", a < end ? (int)(end - a) : 0, a);
}

static void key_now(int key, const struct engine_snapshot *snap, struct str *out)
{
	const struct setting_row *r = setting_row(key);
	char value[SETTING_TEXT_MAX];
	if (snap) {
		setting_text(&snap->settings, key, value);
		str_printf(out, "now %s, ", *value ? value : "empty");
	}
	help_key_range(out, r);
	if (r->kind != SETTING_CHOICE && *r->unit)
		str_printf(out, " %s", r->unit);
}

static void lr_now(const struct engine_snapshot *snap, struct str *out)
{
	char max[SETTING_TEXT_MAX], shape[SETTING_TEXT_MAX];
	setting_text(&snap->settings, SET_LR_MAX, max);
	setting_text(&snap->settings, SET_LR_SHAPE, shape);
	/* Between warm-up and the end of the schedule the rate is not the highest one. */
	if (snap->lr_now > 0 && !(fabs(snap->lr_now - snap->settings.num[SET_LR_MAX]) <= 1e-3 * snap->lr_now))
		str_printf(out, "now %.3g of %s, %s", snap->lr_now, max, shape);
	else
		str_printf(out, "now %s, %s", max, shape);
}

/* How the thing that a command is about stands at present; nothing where there is no such thing. */
static void command_now(int id, const struct engine_snapshot *snap, struct str *out)
{
	switch (id) {
	case CMD_LR:
		lr_now(snap, out);
		break;
	case CMD_NEW:
		if (snap->config.layers)
			str_printf(out, "now %s", snap->config.name);
		break;
	case CMD_DATA:
		if (*snap->data_name)
			str_printf(out, "now %s", snap->data_name);
		break;
	case CMD_DEVICE:
		if (*snap->device)
			str_printf(out, "now %s", snap->device);
		break;
	case CMD_TRAIN:
	case CMD_STEP:
	case CMD_WAIT:
		if (snap->config.layers)
			str_printf(out, "now at step %llu", (unsigned long long)snap->step);
		break;
	case CMD_CKPT:
	case CMD_LOAD:
		if (snap->ckpt_age >= 0 && *snap->run_dir)
			str_printf(out, "latest: step %llu", (unsigned long long)snap->ckpt_step);
		break;
	}
}

/* The rules of an event, or what it is. */
static void event_now(int id, const struct typed *t, struct str *out)
{
	int h = id == CMD_ON && t->n == 2 && t->finished ? happening_find(t->word[1]) : -1;
	if (h >= 0)
		str_printf(out, "when %s  ", happening_row((enum happening)h)->help);
}

static void hint_into(const struct typed *t, const struct engine_snapshot *snap, struct str *out)
{
	char left[256];
	int id = words_command(t->word[0]);
	if (id < 0 || (!t->finished && t->n == 1 && strcmp(command_row(id)->name, t->word[0])))
		return;
	const struct command_row *row = command_row(id);
	int given = t->n - 1, key = -1;
	if ((id == CMD_SET || id == CMD_GET) && (given > 1 || (given == 1 && t->finished)))
		key = setting_find(t->word[1], NULL);
	if (key >= 0) {
		key_now(key, snap, out);
		return;
	}
	/* While a word is being typed the hint shows what comes after it. */
	if (given == 0 && snap)
		command_now(id, snap, out);
	event_now(id, t, out);
	usage_left(row, t->word[1], given, left, sizeof left);
	if (*left)
		str_printf(out, "%s%s", out->len ? "  " : "", left);
	if (row->where == COMMAND_LATER)
		str_printf(out, "%s(comes with later work)", out->len ? "  " : "");
}

/* Where in `watch 2 COMMAND ...`, `on EVENT COMMAND ...` the inner line begins, once it has; NULL: nowhere. */
static const char *inner_line(const char *line)
{
	char word[4096];
	int open, keep;
	const char *at = words_next(words_begin(line, &keep), word, sizeof word, &open);
	int id = words_command(word);
	if (id != CMD_WATCH && id != CMD_ON && id != CMD_ALIAS)
		return NULL;
	at = words_next(at, word, sizeof word, &open);
	while (word_blank(*at))
		at++;
	return *at ? at : NULL;
}

void shell_hint(const char *line, const struct engine_snapshot *snap, const struct agenda *agenda, char *out, size_t n)
{
	struct typed t;
	struct str s = {0};
	const char *inner = inner_line(line), *alias;
	if (!n)
		return;
	out[0] = 0;
	read_typed(&t, inner ? inner : line);
	if (!t.n || t.word[0][0] == '#')
		return;
	if (t.n == 1 && (alias = agenda_alias_command(agenda, t.word[0])))
		str_printf(&s, "= %s", alias);
	else
		hint_into(&t, snap, &s);
	if (s.len && !s.failed)
		snprintf(out, n, "%s%s", t.finished ? "" : " ", s.s);
	str_done(&s);
}
