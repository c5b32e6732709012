/* engine_model.c: what stands behind `new`, `data`, `tokenize` and `device`: the machine, the model, its tokenizer and its data.
 * SPDX-License-Identifier: MIT */
#include "engine_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/save.h"
#include "device/gemm.h"
#include "io/llama2c.h"

/* Ids of a tokenizer that we train ourselves for a text, unless the model has fewer. */
enum { AUTO_VOCAB = 2048 };

/* --- the machine ------------------------------------------------------------------------------------------------ */

static void drop_trainer(struct worker *w)
{
	trainer_free(w->trainer);
	w->trainer = NULL;
}

int worker_machine(struct worker *w, struct err *e)
{
	int asked = settings_int(&w->settings, SET_THREADS), want = asked ? asked : pool_cpus();
	if (w->pool && w->dev && (asked == w->pool_asked || want == pool_threads(w->pool))) {
		w->pool_asked = asked;
		return 0;
	}
	/* Everything that was made with the old pool goes; the weights stay. */
	drop_trainer(w);
	decoder_free(w->decoder);
	w->decoder = NULL;
	device_close(w->dev);
	w->dev = NULL;
	pool_free(w->pool);
	w->pool = pool_new(want, e);
	if (!w->pool && want > 1) {
		worker_log(w, LOG_WARN, "threads: %d could not be started, going on with 1", want);
		w->pool = pool_new(1, e);
	}
	if (!w->pool)
		return ERR_IO;
	w->pool_asked = asked;
	w->dev = device_open("cpu", w->pool, e);
	if (!w->dev)
		return ERR_DEVICE;
	const struct blas_info *b = blas_open();
	snprintf(w->state.blas, sizeof w->state.blas, "%.40s, %.24s, %d threads", b->library, b->kernels, pool_threads(w->pool));
	return 0;
}

int cmd_device(struct worker *w, int argc, char **argv, struct err *e)
{
	if (argc && strcmp(argv[0], "cpu")) {
		if (!strcmp(argv[0], "sim") || !strcmp(argv[0], "ane"))
			return err_set(e, ERR_STATE, "device: %s: comes with later work (cpu is in use)", argv[0]);
		return err_set(e, ERR_USAGE, "device: %s: no such device (cpu, sim, ane)", argv[0]);
	}
	int rc = worker_machine(w, e);
	if (rc)
		return rc;
	const struct blas_info *b = blas_open();
	double gflops = b->gflops > 0 ? b->gflops : blas_measure(w->pool);
	worker_say(w, "cpu: %s\n", device_caps(w->dev)->about);
	worker_say(w, "BLAS: %s, %s kernels, %d threads, sgemm %.0f GFLOP/s\n", b->library, b->kernels, pool_threads(w->pool), gflops);
	worker_say(w, "%s%s", b->note, b->note[0] ? "\n" : "");
	return 0;
}

/* --- dropping ----------------------------------------------------------------------------------------------------- */

static void drop_data(struct worker *w)
{
	drop_trainer(w);
	if (w->data_open)
		data_close(&w->data);
	w->data_open = 0;
}

void worker_drop_model(struct worker *w)
{
	drop_data(w);
	decoder_free(w->decoder);
	w->decoder = NULL;
	tokenizer_free(w->tok);
	w->tok = NULL;
	w->tok_auto = 0;
	params_free(w->params);
	w->params = NULL;
}

/* --- the tokenizer and the data --------------------------------------------------------------------------------------- */

/* A tokenizer of our own for the text, from the cache when it was trained before. */
static struct tokenizer *auto_tokenizer(struct worker *w, const char *source, struct err *e)
{
	worker_state(w, ENGINE_PREPARING, "learning a tokenizer");
	return data_tokenizer(source, MIN(w->params->config.vocab, AUTO_VOCAB), &w->g->cancel, e);
}

/* Opens `source` into *d with the tokenizer at hand. */
static int open_data(struct worker *w, struct data *d, const char *source, struct err *e)
{
	char doing[96];
	double val = w->settings.num[SET_DATA_VAL];
	snprintf(doing, sizeof doing, "reading %.80s", source);
	worker_state(w, ENGINE_PREPARING, doing);
	int rc = strcmp(source, "builtin") && data_is_shard(source)
		? data_open_shard(d, source, w->params->config.vocab, val, e)
		: data_open_text(d, source, w->tok, val, &w->g->progress, &w->g->cancel, e);
	w->g->progress = -1;
	if (rc)
		return rc;
	uint64_t seq = (uint64_t)settings_int(&w->settings, SET_SEQ);
	if (d->ntrain < seq + 1) {
		rc = err_set(e, ERR_FORMAT, "data: %s: %llu tokens to train on, a sequence needs %llu (set seq N)", source,
			     (unsigned long long)d->ntrain, (unsigned long long)seq + 1);
		data_close(d);
	}
	return rc;
}

static void begin_cursor(struct worker *w)
{
	data_cursor_init(&w->state.cursor, (enum data_order)settings_int(&w->settings, SET_DATA_ORDER),
			 (uint64_t)w->settings.num[SET_SEED]);
}

/* Takes `d` into use. */
static void use_data(struct worker *w, const struct data *d, const char *source)
{
	drop_data(w);
	w->data = *d;
	w->data_open = 1;
	snprintf(w->data_name, sizeof w->data_name, "%s", source);
	snprintf(w->state.data_name, sizeof w->state.data_name, "%s", source);
	w->state.data_hash = d->hash;
	w->evaluated = 0;
}

static int is_shard_source(const char *source)
{
	return strcmp(source, "builtin") && data_is_shard(source);
}

/* Tokenizer and data for `source`; on failure everything stays as it was. */
static int choose_data(struct worker *w, const char *name, struct err *e)
{
	char source[sizeof w->data_name]; /* name may be w->data_name itself */
	if (strlen(name) >= sizeof source)
		return err_set(e, ERR_RANGE, "data: %.60s...: %zu bytes of path, at most %zu", name, strlen(name), sizeof source - 1);
	snprintf(source, sizeof source, "%s", name);
	struct tokenizer *old = w->tok, *fresh = NULL;
	int need = !w->tok || (w->tok_auto && w->state.step == 0 && strcmp(source, w->data_name));
	if (need && !is_shard_source(source)) {
		fresh = auto_tokenizer(w, source, e);
		if (!fresh)
			return e->code ? e->code : ERR_STATE;
		w->tok = fresh;
	}
	struct data d;
	int rc = open_data(w, &d, source, e);
	if (rc) {
		w->tok = old;
		tokenizer_free(fresh);
		return rc;
	}
	use_data(w, &d, source);
	if (fresh) {
		w->tok_auto = 1;
		tokenizer_free(old);
	}
	return 0;
}

int worker_need_data(struct worker *w, struct err *e)
{
	int rc = worker_need_model(w, e);
	if (rc || w->data_open)
		return rc;
	rc = choose_data(w, w->data_name, e);
	if (!rc && w->state.step == 0)
		begin_cursor(w);
	return rc;
}

int worker_need_trainer(struct worker *w, struct err *e)
{
	int rc = worker_machine(w, e);
	if (!rc)
		rc = worker_need_data(w, e);
	if (rc || w->trainer)
		return rc;
	if (!w->dev)
		return err_set(e, ERR_DEVICE, "train: no device is open");
	worker_state(w, ENGINE_PREPARING, "compiling programs");
	struct trainer_parts parts = {w->dev, w->pool, w->params, &w->data, &w->settings, &w->state, &w->timing, &w->g->cancel};
	w->trainer = trainer_new(&parts, e);
	return w->trainer ? 0 : e->code;
}

/* --- new -------------------------------------------------------------------------------------------------------------------- */

static void preset_defaults(struct worker *w, const struct model_config *c)
{
	struct settings *s = &w->settings;
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

static struct params *params_from_preset(const char *name, int argc, char **argv, uint64_t seed, struct err *e)
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
	if (model_config_check(&c, e))
		return NULL;
	struct params *p = params_new(&c, e);
	if (p)
		params_init(p, seed);
	return p;
}

static struct params *params_from_file(const char *path, int argc, char **argv, struct err *e)
{
	for (int i = 0; i < argc; i++)
		if (strncmp(argv[i], "tokenizer=", 10)) {
			err_set(e, ERR_USAGE, "new: %s: a file's shape can not be changed (only tokenizer=FILE)", argv[i]);
			return NULL;
		}
	if (file_is_dir(path) == 1) {
		err_set(e, ERR_FORMAT, "new: %s: is a folder (model folders come with later work; a llama2.c file is needed)", path);
		return NULL;
	}
	return llama2c_load(path, e);
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
	char blas[sizeof w->state.blas];
	memcpy(blas, w->state.blas, sizeof blas);
	memset(&w->state, 0, sizeof w->state);
	memcpy(w->state.blas, blas, sizeof blas);
	w->state.best_loss = NAN;
	w->last = (struct step_obs){.loss = NAN, .watts = NAN, .joules = NAN, .val = NAN, .bpb = NAN};
	w->ema_step_ms = 0;
	w->target = 0;
	w->saved = w->evaluated = w->started = 0;
	w->auto_samples = 0;
	w->next_sample_ns = 0;
	w->nundo = 0;
	timing_reset(&w->timing);
	begin_cursor(w);
}

int worker_new(struct worker *w, int argc, char **argv, struct err *e)
{
	const char *what = argv[0], *tokfile = word_value(argc - 1, argv + 1, "tokenizer=");
	int from_file = looks_like_file(what);
	struct tokenizer *tok = NULL;
	if (tokfile && !(tok = tokenizer_load(tokfile, e)))
		return e->code;
	struct params *p = from_file ? params_from_file(what, argc - 1, argv + 1, e)
		: params_from_preset(what, argc - 1, argv + 1, (uint64_t)w->settings.num[SET_SEED], e);
	if (p && tok && tokenizer_info(tok)->vocab > p->config.vocab) {
		err_set(e, ERR_FORMAT, "tokenizer: %s: %d ids, the model has %d", tokfile, tokenizer_info(tok)->vocab, p->config.vocab);
		params_free(p);
		p = NULL;
	}
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
	preset_defaults(w, &p->config);
	fresh_state(w);
	remember_line(w, "new", argc, argv);
	w->new_seed = (uint64_t)w->settings.num[SET_SEED];
	w->data_chosen = 1;
	struct engine_event ev = {.kind = EV_RESET};
	worker_emit(w, &ev, 1);
	char n[16];
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

/* --- data, tokenize ----------------------------------------------------------------------------------------------------------- */

static void data_line(const struct worker *w, char *out, size_t n)
{
	const struct data *d = &w->data;
	char a[16], b[16], tok[120] = "";
	if (w->tok)
		snprintf(tok, sizeof tok, "; tokenizer: %.80s, %d ids", tokenizer_info(w->tok)->name, tokenizer_info(w->tok)->vocab);
	if (w->data_open)
		snprintf(out, n, "data: %s: %s tokens to train on, %s held out%s", w->data_name, str_si(a, (double)d->ntrain),
			 str_si(b, (double)(d->ntoken - d->ntrain)), tok);
	else
		snprintf(out, n, "data: %s (not opened yet)", w->data_name);
}

int cmd_data(struct worker *w, int argc, char **argv, struct err *e)
{
	char line[EVENT_TEXT];
	if (!argc) {
		data_line(w, line, sizeof line);
		worker_say(w, "%s\n", line);
		return 0;
	}
	for (int i = 1; i < argc; i++)
		if (strncmp(argv[i], "order=", 6) && strncmp(argv[i], "val=", 4))
			return err_set(e, ERR_USAGE, "data: %s: order=... or val=... wanted", argv[i]);
	const char *order = word_value(argc - 1, argv + 1, "order="), *val = word_value(argc - 1, argv + 1, "val=");
	double num;
	char text[SETTING_TEXT_MAX], old[256], old_order[SETTING_TEXT_MAX], old_val[SETTING_TEXT_MAX];
	if ((order && setting_parse(SET_DATA_ORDER, order, &num, text, e)) || (val && setting_parse(SET_DATA_VAL, val, &num, text, e)))
		return e->code;
	int rc = worker_need_model(w, e);
	if (rc)
		return rc;
	struct settings before = w->settings;
	if (order)
		settings_set(&w->settings, SET_DATA_ORDER, order, NULL);
	if (val)
		settings_set(&w->settings, SET_DATA_VAL, val, NULL);
	snprintf(old, sizeof old, "%s", w->data_name);
	rc = choose_data(w, argv[0], e);
	if (rc) {
		w->settings = before;
		return rc;
	}
	begin_cursor(w);
	w->data_chosen = 1;
	if (order)
		worker_apply_change(w, SET_DATA_ORDER, setting_text(&before, SET_DATA_ORDER, old_order));
	if (val)
		worker_apply_change(w, SET_DATA_VAL, setting_text(&before, SET_DATA_VAL, old_val));
	script_command(w, "data", argv[0]);
	/* A loss on other text is another scale: what was best on the old one is no longer to be beaten. */
	w->state.best_loss = NAN;
	w->state.best_step = 0;
	struct engine_event mark = {.kind = EV_MARK, .obs = {.step = w->state.step, .t = run_seconds(&w->run)}};
	snprintf(mark.text, sizeof mark.text, "data %.150s -> %.150s", old, argv[0]);
	if (w->state.step)
		worker_emit(w, &mark, 1);
	if (run_is_open(&w->run)) {
		struct str f = {0};
		str_puts(&f, "\"key\":\"data\",\"old\":");
		str_json(&f, old, strlen(old));
		str_puts(&f, ",\"new\":");
		str_json(&f, argv[0], strlen(argv[0]));
		worker_event(w, "set", "%s", f.s ? f.s : "");
		str_done(&f);
	}
	data_line(w, line, sizeof line);
	worker_log(w, LOG_INFO, "%s", line);
	return 0;
}

int cmd_tokenize(struct worker *w, int argc, char **argv, struct err *e)
{
	(void)argc;
	uint64_t n = 0;
	char doing[96];
	int rc = worker_need_model(w, e);
	if (!rc && !w->tok)
		rc = worker_need_data(w, e);
	if (!rc && !w->tok)
		rc = err_set(e, ERR_STATE, "tokenize: no tokenizer (new ... tokenizer=FILE)");
	if (rc)
		return rc;
	snprintf(doing, sizeof doing, "encoding %.80s", argv[0]);
	worker_state(w, ENGINE_PREPARING, doing);
	rc = data_tokenize(argv[0], w->tok, argv[1], &n, &w->g->progress, &w->g->cancel, e);
	if (!rc)
		worker_say(w, "%s: %llu tokens\n", argv[1], (unsigned long long)n);
	return rc;
}
