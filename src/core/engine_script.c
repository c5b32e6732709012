/* engine_script.c: settings.cmd, the commands that make a run again: kept as text while the run lasts, written whole at every change.
 *
 * Settings come first, then `new` with the seed it had, then the data. A change waits for the step at which it was made; the end of the run
 * is one more such wait, so that executing the file trains as far. Where a resumed run had been further, what came after is cut off.
 * SPDX-License-Identifier: MIT */
#include "engine_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"

enum { SCRIPT_MAX = 16 << 20 };

/* A word as the command line reads it: quoted where it must be. */
void script_word(struct str *b, const char *s)
{
	str_putc(b, ' ');
	if (*s && !strpbrk(s, " \t\r\n\"")) {
		str_puts(b, s);
		return;
	}
	str_putc(b, '"');
	for (; *s; s++) {
		if (*s == '\n' || *s == '\t') {
			str_puts(b, *s == '\n' ? "\\n" : "\\t");
			continue;
		}
		if (*s == '"' || *s == '\\')
			str_putc(b, '\\');
		str_putc(b, *s);
	}
	str_putc(b, '"');
}

static void add_set(struct str *b, const struct settings *s, enum setting_id id)
{
	char v[SETTING_TEXT_MAX];
	setting_text(s, id, v);
	/* The text is for people: 9 digits. Here the very number is needed. */
	enum setting_kind kind = setting_row(id)->kind;
	if ((kind == SETTING_FLOAT || (kind == SETTING_AUTO && s->num[id] > SETTING_IS_OFF)) && strtod(v, NULL) != s->num[id])
		snprintf(v, sizeof v, "%.17g", s->num[id]);
	str_printf(b, "set %s", setting_row(id)->key);
	script_word(b, v);
	str_putc(b, '\n');
}

static void add_seed(struct str *b, uint64_t seed)
{
	str_printf(b, "set %s %llu\n", setting_row(SET_SEED)->key, (unsigned long long)seed);
}

static int is_default(const struct settings *s, enum setting_id id)
{
	const struct setting_row *r = setting_row(id);
	return !s->set[id] && s->num[id] == r->def && (!r->def_text || !strcmp(s->text[id], r->def_text));
}

static void script_write(struct worker *w)
{
	struct err e = {0};
	int failed = run_is_open(&w->run) && w->script.s && (worker_find_run(w, &e) || run_settings(&w->run, w->script.s, &e));
	if (failed && !w->script_failed)
		worker_log(w, LOG_ERROR, "%s: training goes on", e.msg);
	w->script_failed = failed;
}

/* What is in use now, opened as it was: the settings can be others by now. */
static void add_data(struct str *b, const struct worker *w)
{
	double val;
	int other = worker_data_val(w, &val);
	str_puts(b, "data");
	script_word(b, w->data_name);
	if (w->data_width)
		str_printf(b, " width=%d", w->data_width);
	if (other)
		str_printf(b, " val=%.17g", val);
	str_putc(b, '\n');
	if (other)
		add_set(b, &w->settings, SET_DATA_VAL);
}

/* Its words stand as they were given: none needs quotes. */
static void add_device(struct str *b, const struct worker *w)
{
	str_printf(b, "device %s\n", w->state.device);
}

/* Weights and data order each have the seed that was set when they were made; the setting may be another by now. */
void script_begin(struct worker *w)
{
	struct str *b = &w->script;
	uint64_t seed = w->new_seed;
	str_clear(b);
	str_puts(b, "# the commands that make this run again\n");
	if (strcmp(w->state.device, "cpu"))
		add_device(b, w);
	for (int i = 0; i < SET_N; i++)
		if (i != SET_SEED && !is_default(&w->settings, (enum setting_id)i))
			add_set(b, &w->settings, (enum setting_id)i);
	if (w->new_line.s && !strncmp(w->new_line.s, "new", 3))
		add_seed(b, seed);
	str_add(b, w->new_line.s ? w->new_line.s : "", w->new_line.len);
	if (w->data_chosen) {
		/* Ids that come from a file can belong to a tokenizer that was learned from another text. */
		if (w->tok_auto && strcmp(w->tok_source, w->data_name)) {
			str_puts(b, "data");
			script_word(b, w->tok_source);
			str_putc(b, '\n');
		}
		if (w->state.cursor.seed != seed)
			add_seed(b, w->state.cursor.seed);
		seed = w->state.cursor.seed;
		add_data(b, w);
	}
	if ((uint64_t)w->settings.num[SET_SEED] != seed)
		add_seed(b, (uint64_t)w->settings.num[SET_SEED]);
	w->script_failed = 0;
	script_write(w);
}

static void add_wait(struct worker *w, uint64_t step)
{
	str_printf(&w->script, "wait step %llu\n", (unsigned long long)step);
}

void script_set(struct worker *w, enum setting_id id)
{
	if (!run_is_open(&w->run))
		return;
	add_wait(w, worker_next_step(w));
	add_set(&w->script, &w->settings, id);
	script_write(w);
}

/* A step that had begun is begun again on the new one: what waits is the number of steps that are done. */
void script_device(struct worker *w)
{
	if (!run_is_open(&w->run))
		return;
	add_wait(w, w->state.step);
	add_device(&w->script, w);
	script_write(w);
}

void script_command(struct worker *w, const char *name, const char *word)
{
	if (!run_is_open(&w->run))
		return;
	add_wait(w, w->state.step);
	str_puts(&w->script, name);
	if (word)
		script_word(&w->script, word);
	str_putc(&w->script, '\n');
	script_write(w);
}

void script_data(struct worker *w)
{
	if (!run_is_open(&w->run))
		return;
	add_wait(w, w->state.step);
	add_data(&w->script, w);
	script_write(w);
}

/* The checkpoint by its name where it lies in this run: the run that is made again writes its own. */
void script_load(struct worker *w, const char *path)
{
	size_t n = strlen(w->run.dir);
	int ours = run_is_open(&w->run) && !strncmp(path, w->run.dir, n) && path[n] == '/' && !strchr(path + n + 1, '/');
	script_command(w, "load", ours ? path + n + 1 : path);
}

/* Which settings and which device a loaded checkpoint brings depends on what the user had chosen before: here they stand as they came out. */
void script_settings(struct worker *w)
{
	if (!run_is_open(&w->run))
		return;
	for (int i = 0; i < SET_N; i++)
		if (setting_row((enum setting_id)i)->when != SETTING_START && i != SET_THREADS && (i != SET_DATA_VAL || w->settings.set[i]))
			add_set(&w->script, &w->settings, (enum setting_id)i);
	add_device(&w->script, w);
	script_write(w);
}

void script_end(struct worker *w)
{
	add_wait(w, w->state.step);
	script_write(w);
}

/* --- resuming --- */

/* Cuts the text before the first wait for a step beyond `step`. 1: what is left leads there; 0: it does not (no model, or steps were gone back). */
static int cut_after(struct str *b, uint64_t step)
{
	int models = 0;
	for (char *line = b->s, *nl; line && *line; line = nl ? nl + 1 : NULL) {
		nl = strchr(line, '\n');
		models += !strncmp(line, "new ", 4) || !strncmp(line, "load ", 5);
		if (models > 1)
			return 0;
		if (strncmp(line, "wait step ", 10) || strtoull(line + 10, NULL, 10) <= step)
			continue;
		b->len = (size_t)(line - b->s);
		*line = 0;
		break;
	}
	return models == 1;
}

void script_resume(struct worker *w, const char *ckpt)
{
	char path[1100];
	struct str old = {0};
	snprintf(path, sizeof path, "%s/settings.cmd", w->run.dir);
	if (file_read(&old, path, "settings.cmd", SCRIPT_MAX, NULL) || (old.s && strlen(old.s) != old.len))
		str_clear(&old);
	int leads = cut_after(&old, w->state.step);
	str_clear(&w->script);
	if (old.s)
		str_add(&w->script, old.s, old.len);
	if (w->script.len && w->script.s[w->script.len - 1] != '\n')
		str_putc(&w->script, '\n');
	str_printf(&w->script, "# resumed at step %llu\n", (unsigned long long)w->state.step);
	if (!leads) {
		str_puts(&w->script, "load");
		script_word(&w->script, ckpt);
		str_putc(&w->script, '\n');
		script_settings(w);
	}
	str_done(&old);
	w->script_failed = 0;
}
