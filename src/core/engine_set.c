/* engine_set.c: `set`, `get`, `lr` and `undo`: live changes, each recorded, each reversible.
 * SPDX-License-Identifier: MIT */
#include "engine_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "train/optim.h"

static void remember(struct worker *w, enum setting_id id)
{
	if (w->nundo == UNDO_MAX) {
		memmove(w->undo, w->undo + 1, (UNDO_MAX - 1) * sizeof *w->undo);
		w->nundo--;
	}
	struct undo_entry *u = &w->undo[w->nundo++];
	u->id = id;
	u->num = w->settings.num[id];
	memcpy(u->text, w->settings.text[id], sizeof u->text);
	u->was_set = w->settings.set[id];
}

/* What must be seen to beyond the value itself. */
static int consequences(struct worker *w, enum setting_id id, struct err *e)
{
	if (id == SET_THREADS)
		return worker_machine(w, e);
	if (id == SET_NICE)
		return worker_nice(w, e);
	if (id == SET_SAMPLE_EVERY)
		w->next_sample_ns = 0;
	if (id == SET_VOCAB_COMPACT) { /* a loss over other rows is another scale */
		w->state.best_loss = NAN;
		w->state.best_step = 0;
		w->state.patience_loss = 0;
		w->state.patience_used = 0;
	}
	return 0;
}

static int legal_here(const struct worker *w, enum setting_id id, double num, struct err *e)
{
	if (id == SET_SEQ && w->params && num > w->params->config.context)
		return err_set(e, ERR_RANGE, "seq: %.0f: the model's context is %d tokens", num, w->params->config.context);
	if (id == SET_SEQ && w->data_open && num > (double)data_longest(&w->data))
		return err_set(e, ERR_RANGE, "seq: %.0f: the data has %llu tokens to train on", num, (unsigned long long)w->data.ntrain);
	if ((id == SET_SEQ || id == SET_BATCH) && w->params) {
		int batch = id == SET_BATCH ? (int)num : settings_int(&w->settings, SET_BATCH);
		int seq = id == SET_SEQ ? (int)num : settings_int(&w->settings, SET_SEQ);
		struct model_options o = trainer_options(&w->settings);
		uint64_t need = model_bytes(&w->params->config, batch, seq, worker_rows(w), &o), have = mem_available();
		char a[16], b[16];
		if (have && need > have)
			return err_set(e, ERR_RANGE, "%s: %.0f: activations need %s, there are %s (smaller batch or seq, larger accum)",
				       setting_row(id)->key, num, str_bytes(a, need), str_bytes(b, have));
	}
	return 0;
}

static int change(struct worker *w, enum setting_id id, const char *value, struct err *e)
{
	char old[SETTING_TEXT_MAX], text[SETTING_TEXT_MAX];
	double num;
	if (setting_parse(id, value, &num, text, e) || legal_here(w, id, num, e) || worker_check_patterns(w, id, text, e))
		return e->code;
	setting_text(&w->settings, id, old);
	if (num == w->settings.num[id] && !strcmp(text, w->settings.text[id])) {
		w->settings.set[id] = 1;
		return 0;
	}
	remember(w, id);
	int rc = settings_set(&w->settings, id, value, e);
	if (!rc)
		rc = consequences(w, id, e);
	if (rc) {
		struct undo_entry *u = &w->undo[--w->nundo];
		w->settings.num[id] = u->num;
		memcpy(w->settings.text[id], u->text, sizeof u->text);
		w->settings.set[id] = u->was_set;
		return rc;
	}
	worker_apply_change(w, id, old);
	return 0;
}

/* In the log, not as an answer: what is asked for alone goes to standard output, and a sample must stand there by itself. */
static void say_change(struct worker *w, enum setting_id id, const char *old)
{
	char now[SETTING_TEXT_MAX], from[40] = "";
	const struct setting_row *r = setting_row(id);
	if (w->training && r->when != SETTING_NOW)
		snprintf(from, sizeof from, " from step %llu on", (unsigned long long)worker_next_step(w) + 1);
	worker_log(w, LOG_INFO, "set: %s %s -> %s%s", r->key, old, setting_text(&w->settings, id, now), from);
}

int worker_set(struct worker *w, enum setting_id id, const char *value, struct err *e)
{
	char old[SETTING_TEXT_MAX];
	setting_text(&w->settings, id, old);
	int rc = change(w, id, value, e);
	if (!rc)
		say_change(w, id, old);
	return rc;
}

static int cmd_get_one(struct worker *w, enum setting_id id)
{
	char v[SETTING_TEXT_MAX];
	worker_say(w, "%s %s\n", setting_row(id)->key, setting_text(&w->settings, id, v));
	return 0;
}

int cmd_set(struct worker *w, int argc, char **argv, struct err *e)
{
	int id = setting_find(argv[0], e);
	if (id < 0)
		return id;
	if (argc == 1)
		return cmd_get_one(w, (enum setting_id)id);
	return worker_set(w, (enum setting_id)id, argv[1], e);
}

int cmd_get(struct worker *w, int argc, char **argv, struct err *e)
{
	char v[SETTING_TEXT_MAX];
	if (argc) {
		int id = setting_find(argv[0], e);
		return id < 0 ? id : cmd_get_one(w, (enum setting_id)id);
	}
	for (int i = 0; i < SET_N; i++) {
		const struct setting_row *r = setting_row((enum setting_id)i);
		worker_say(w, "%-20s %-14s %s%s\n", r->key, setting_text(&w->settings, (enum setting_id)i, v), w->settings.set[i] ? "* " : "  ", r->help);
	}
	return 0;
}

static void say_lr(struct worker *w)
{
	const struct settings *s = &w->settings;
	char shape[SETTING_TEXT_MAX];
	worker_say(w, "lr %.9g at step %llu: %s, max %.9g, min %.9g of it, warmup %d, steps %d\n", optim_lr(s, w->state.step),
		   (unsigned long long)w->state.step, setting_text(s, SET_LR_SHAPE, shape), s->num[SET_LR_MAX], s->num[SET_LR_MIN],
		   settings_int(s, SET_LR_WARMUP), settings_int(s, SET_LR_STEPS));
}

/* Which key does this word of `lr` mean, and with which value? */
static int lr_word(const char *word, int first, enum setting_id *id, const char **value, struct err *e)
{
	static const struct { const char *prefix; enum setting_id id; } keys[] = {
		{"max=", SET_LR_MAX}, {"min=", SET_LR_MIN}, {"warmup=", SET_LR_WARMUP}, {"steps=", SET_LR_STEPS}, {"shape=", SET_LR_SHAPE},
	};
	double num;
	char text[SETTING_TEXT_MAX];
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (!strncmp(word, keys[i].prefix, strlen(keys[i].prefix))) {
			*id = keys[i].id;
			*value = word + strlen(keys[i].prefix);
			return setting_parse(*id, *value, &num, text, e);
		}
	*value = word;
	*id = SET_LR_SHAPE;
	if (!setting_parse(SET_LR_SHAPE, word, &num, text, NULL))
		return 0;
	*id = SET_LR_MAX;
	if (first || !str_number(word, &num))
		return setting_parse(SET_LR_MAX, word, &num, text, e);
	return err_set(e, ERR_USAGE, "lr: %s: wanted a rate, constant, cosine, linear, wsd, max=, min=, warmup= or steps=", word);
}

int cmd_lr(struct worker *w, int argc, char **argv, struct err *e)
{
	enum setting_id id;
	const char *value;
	for (int i = 0; i < argc; i++) /* all are looked at before any takes effect */
		if (lr_word(argv[i], i == 0, &id, &value, e))
			return e->code;
	for (int i = 0; i < argc; i++) {
		lr_word(argv[i], i == 0, &id, &value, e);
		int rc = worker_set(w, id, value, e);
		if (rc)
			return rc;
	}
	if (!argc)
		say_lr(w);
	return 0;
}

int cmd_pipeline(struct worker *w, int argc, char **argv, struct err *e)
{
	static const char inputs[] = "inputs=";
	const char *kind = argc > 1 && !strncmp(argv[1], inputs, sizeof inputs - 1) ? argv[1] + sizeof inputs - 1 : NULL;
	double num = 0, ignored;
	char text[SETTING_TEXT_MAX];
	if (argc > 1 && !kind)
		return err_set(e, ERR_USAGE, "pipeline: %s: wanted inputs=packed or inputs=separate", argv[1]);
	if (argc && (setting_parse(SET_PIPELINE, argv[0], &num, text, e) || (kind && setting_parse(SET_PIPELINE_INPUTS, kind, &ignored, text, e))))
		return e->code;
	if (kind && strcmp(argv[0], "dynamic"))
		return err_set(e, ERR_USAGE, "pipeline: %s: only the dynamic programs have weights as inputs", argv[1]);
	if (!argc) {
		worker_say(w, "%s\n", worker_pipeline(w));
		return 0;
	}
	int rc = kind ? worker_set(w, SET_PIPELINE_INPUTS, kind, e) : 0;
	int same = kind && settings_int(&w->settings, SET_PIPELINE) == (int)num;
	return rc || same ? rc : worker_set(w, SET_PIPELINE, argv[0], e);
}

int cmd_undo(struct worker *w, int argc, char **argv, struct err *e)
{
	(void)argc;
	(void)argv;
	if (!w->nundo)
		return err_set(e, ERR_STATE, "undo: nothing to take back");
	struct undo_entry u = w->undo[w->nundo - 1];
	char old[SETTING_TEXT_MAX];
	setting_text(&w->settings, u.id, old);
	struct settings before = w->settings;
	w->settings.num[u.id] = u.num;
	memcpy(w->settings.text[u.id], u.text, sizeof u.text);
	w->settings.set[u.id] = u.was_set;
	int rc = consequences(w, u.id, e);
	if (rc == ERR_STATE) { /* refused: as it was, and the way back stays */
		w->settings = before;
		return rc;
	}
	w->nundo--;
	worker_apply_change(w, u.id, old);
	say_change(w, u.id, old);
	return rc;
}
