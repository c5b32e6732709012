/* engine_model.c: what stands behind `new`: the model and its trainer. The machine is in engine_device.c, data are in engine_data.c.
 * SPDX-License-Identifier: MIT */
#include "engine_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "io/model_file.h"

void worker_drop_trainer(struct worker *w)
{
	trainer_free(w->trainer);
	w->trainer = NULL;
}

/* --- dropping ----------------------------------------------------------------------------------------------------- */

void worker_drop_model(struct worker *w)
{
	worker_saves_finish(w);
	worker_drop_data(w);
	decoder_free(w->decoder);
	w->decoder = NULL;
	tokenizer_free(w->tok);
	w->tok = NULL;
	w->tok_auto = 0;
	params_free(w->params);
	w->params = NULL;
}

/* --- the trainer --------------------------------------------------------------------------------------------------------- */

int worker_need_trainer(struct worker *w, struct err *e)
{
	int rc = worker_machine(w, e);
	if (!rc)
		rc = worker_need_data(w, e);
	worker_begin_cost(w);
	if (rc || w->trainer)
		return rc;
	if (!w->dev)
		return err_set(e, ERR_DEVICE, "train: no device is open");
	if ((rc = worker_plan_train(w, e)))
		return rc;
	worker_state(w, ENGINE_PREPARING, "compiling programs");
	struct trainer_parts parts = {w->dev, w->pool, w->params, &w->data, &w->settings, &w->state, &w->timing, &w->g->cancel,
				      &w->active, worker_before_change, w};
	w->decoder_copied = 0; /* what is trained is chosen anew: adapters, the average */
	w->trainer = trainer_new(&parts, e);
	worker_device_notes(w);
	return w->trainer ? 0 : e->code;
}

/* --- new -------------------------------------------------------------------------------------------------------------------- */

static void preset_defaults(struct settings *s, const struct model_config *c)
{
	const struct { enum setting_id id; double v; } from[] = {
		{SET_SEQ, c->seq ? c->seq : MIN(c->context, 256)}, {SET_BATCH, c->batch}, {SET_ACCUM, c->accum},
		{SET_LR_MAX, c->lr_max}, {SET_LR_MIN, c->lr_min}, {SET_LR_WARMUP, c->lr_warmup}, {SET_LR_STEPS, c->lr_steps},
		{SET_SAMPLE_TEMPERATURE, c->temperature},
	};
	for (size_t i = 0; i < ARRAY_LEN(from); i++) {
		if (s->set[from[i].id])
			continue;
		s->num[from[i].id] = from[i].v > 0 ? from[i].v : setting_row(from[i].id)->def;
	}
}

/* A preset's name means the preset, whatever lies in this folder (runs and samples are named like it); ./NAME is the file. */
static int looks_like_file(const char *s)
{
	const char *const *names = model_preset_names(NULL);
	for (; names && *names; names++)
		if (!strcmp(*names, s))
			return 0;
	return strchr(s, '/') || strchr(s, '.') || file_is_dir(s) >= 0;
}

/* Random weights are there to be trained: what does not fit then is not made. */
static int fits(const struct worker *w, const struct model_config *c, struct err *e)
{
	struct settings s = w->settings;
	preset_defaults(&s, c);
	return worker_plan_new(w, c, &s, e);
}

static struct params *params_from_preset(const struct worker *w, const char *name, int argc, char **argv, struct err *e)
{
	struct model_config c;
	if (model_preset(&c, name, e))
		return NULL;
	for (int i = 0; i < argc; i++) {
		char key[64];
		const char *eq = strchr(argv[i], '=');
		if (!eq || eq == argv[i] || (size_t)(eq - argv[i]) >= sizeof key) {
			err_set(e, ERR_USAGE, "new: %s: KEY=VALUE wanted", argv[i]);
			return NULL;
		}
		if (!strncmp(argv[i], "tokenizer=", 10))
			continue;
		snprintf(key, sizeof key, "%.*s", (int)(eq - argv[i]), argv[i]);
		if (model_config_set(&c, key, eq + 1, e))
			return NULL;
	}
	if (model_config_check(&c, e) || fits(w, &c, e))
		return NULL;
	struct params *p = params_new(&c, e);
	if (p)
		params_init(p, (uint64_t)w->settings.num[SET_SEED]);
	return p;
}

/* The tokenizer that the file brings along goes to *tok, unless one was given. */
static struct params *params_from_file(const char *path, int argc, char **argv, struct tokenizer **tok, struct err *e)
{
	for (int i = 0; i < argc; i++)
		if (strncmp(argv[i], "tokenizer=", 10)) {
			err_set(e, ERR_USAGE, "new: %s: a file's shape can not be changed (only tokenizer=FILE)", argv[i]);
			return NULL;
		}
	struct model_import in;
	if (model_file_load(&in, path, e))
		return NULL;
	if (in.tok && !*tok)
		*tok = in.tok;
	else
		tokenizer_free(in.tok);
	return in.params;
}

static const char *word_value(int argc, char **argv, const char *key)
{
	size_t n = strlen(key);
	for (int i = 0; i < argc; i++)
		if (!strncmp(argv[i], key, n))
			return argv[i] + n;
	return NULL;
}

static void remember_line(struct worker *w, const char *cmd, int argc, char **argv)
{
	str_clear(&w->new_line);
	str_puts(&w->new_line, cmd);
	for (int i = 0; i < argc; i++)
		script_word(&w->new_line, argv[i]);
	str_putc(&w->new_line, '\n');
}

static void fresh_state(struct worker *w)
{
	struct train_state old = w->state;
	memset(&w->state, 0, sizeof w->state);
	memcpy(w->state.blas, old.blas, sizeof old.blas);
	memcpy(w->state.device, old.device, sizeof old.device);
	w->state.best_loss = NAN;
	w->last = (struct step_obs){.loss = NAN, .watts = NAN, .joules = NAN, .val = NAN, .bpb = NAN};
	w->ema_step_ms = w->loss_scale = 0;
	w->flushed = NAN;
	w->flushed_told = 0;
	w->target = 0;
	w->saved = w->evaluated = w->started = 0;
	w->lost.to = 0;
	w->auto_samples = 0;
	w->next_sample_ns = 0;
	w->nundo = 0;
	w->early[0] = 0;
	worker_reset_timing(w);
	worker_begin_cursor(w);
}

/* A llama2.c tokenizer does not say how many ids it should have: the weights that were trained with it do. A preset, and models of other families, may have more ids than their tokenizer. */
static int tokenizer_fits(const struct tokenizer *tok, const char *path, const struct params *p, int trained, struct err *e)
{
	int have = tokenizer_info(tok)->vocab, want = p->config.vocab;
	if (have > want)
		return err_set(e, ERR_FORMAT, "tokenizer: %s: %d ids, the model has %d", path, have, want);
	if (trained && have < want && tokenizer_info(tok)->kind == TOKENIZER_LLAMA2C)
		return err_set(e, ERR_FORMAT, "tokenizer: %s: %d ids, the model was trained with %d (another model's, or a file cut short?)", path, have, want);
	return 0;
}

/* The tokenizer that a model's folder brings along. One that can not be used is no reason to refuse the model: ids may come from token files. */
static struct tokenizer *folder_tokenizer(struct worker *w, const char *dir, const struct params *p)
{
	struct err e = {0};
	struct tokenizer *tok = tokenizer_in_folder(dir) ? tokenizer_load(dir, &e) : NULL;
	if (tok && tokenizer_fits(tok, dir, p, 1, &e)) {
		tokenizer_free(tok);
		tok = NULL;
	}
	if (e.code)
		worker_log(w, LOG_WARN, "%s (the model has no tokenizer now; tokenizer=FILE gives it one)", e.msg);
	return tok;
}

int worker_new(struct worker *w, int argc, char **argv, struct err *e)
{
	const char *what = argv[0], *tokfile = word_value(argc - 1, argv + 1, "tokenizer=");
	int from_file = looks_like_file(what);
	struct tokenizer *tok = NULL;
	if (tokfile && !(tok = tokenizer_load(tokfile, e)))
		return e->code;
	struct params *p = from_file ? params_from_file(what, argc - 1, argv + 1, &tok, e)
		: params_from_preset(w, what, argc - 1, argv + 1, e);
	if (p && tok && tokenizer_fits(tok, tokfile ? tokfile : what, p, from_file, e)) {
		params_free(p);
		p = NULL;
	}
	if (p && !tok && from_file && file_is_dir(what) == 1)
		tok = folder_tokenizer(w, what, p);
	if (!p || worker_save_unsaved(w, e)) { /* what can not be saved is not dropped either */
		params_free(p);
		tokenizer_free(tok);
		return e->code;
	}
	worker_stop_training(w, ERR_STATE, "train: ended by `new` before the end was reached");
	worker_end_run(w, "new model", 1, e);
	worker_drop_model(w);
	w->params = p;
	w->tok = tok;
	preset_defaults(&w->settings, &p->config);
	fresh_state(w);
	remember_line(w, "new", argc, argv);
	w->new_seed = (uint64_t)w->settings.num[SET_SEED];
	w->data_chosen = 1;
	worker_forget_spikes(w);
	struct engine_event ev = {.kind = EV_RESET};
	worker_emit(w, &ev, 1);
	char n[16];
	if (tokfile && from_file && tokenizer_info(tok)->vocab < p->config.vocab / 2)
		worker_log(w, LOG_WARN, "tokenizer: %s: %d ids, the model has %d (another model's?)", tokfile, tokenizer_info(tok)->vocab, p->config.vocab);
	worker_log(w, LOG_INFO, "model: %s, %s parameters", p->config.name, str_si(n, (double)model_params(&p->config)));
	return 0;
}

int worker_need_model(struct worker *w, struct err *e)
{
	char *argv[] = {"demo"};
	return w->params ? 0 : worker_new(w, 1, argv, e);
}

int cmd_new(struct worker *w, int argc, char **argv, struct err *e)
{
	return worker_new(w, argc, argv, e);
}
