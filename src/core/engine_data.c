/* engine_data.c: what stands behind `data` and `tokenize`: the tokenizer and the data that a model trains on. Formats are in text/.
 * SPDX-License-Identifier: MIT */
#include "engine_impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

/* Ids of a tokenizer that we train ourselves for a text, unless the model has fewer. */
enum { AUTO_VOCAB = 2048 };

/* --- opening ------------------------------------------------------------------------------------------------------ */

void worker_drop_data(struct worker *w)
{
	worker_drop_trainer(w);
	if (w->data_open)
		data_close(&w->data);
	w->data_open = 0;
	active_done(&w->active);
}

int worker_need_active(struct worker *w, struct err *e)
{
	if (!settings_int(&w->settings, SET_VOCAB_COMPACT))
		return 0;
	int rc = worker_need_data(w, e);
	return rc || w->active.n ? rc : compact_rows(&w->active, &w->data, w->params->config.vocab, e);
}

int worker_rows(const struct worker *w)
{
	int compact = settings_int(&w->settings, SET_VOCAB_COMPACT);
	return compact && w->active.n ? w->active.n : w->params->config.vocab;
}

double worker_flops(const struct worker *w)
{
	struct model_config c = w->params->config;
	c.vocab = worker_rows(w); /* the work is that of a model with so many */
	return model_flops(&c, settings_int(&w->settings, SET_BATCH), settings_int(&w->settings, SET_SEQ));
}

void worker_begin_cursor(struct worker *w)
{
	data_cursor_init(&w->state.cursor, (enum data_order)settings_int(&w->settings, SET_DATA_ORDER),
			 (uint64_t)w->settings.num[SET_SEED]);
}

static int is_shard_source(const char *source)
{
	return strcmp(source, "builtin") && data_is_shard(source);
}

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
	int rc = is_shard_source(source) ? data_open_shard(d, source, w->params->config.vocab, val, e)
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

/* Takes `d` into use. */
static void use_data(struct worker *w, const struct data *d, const char *source)
{
	worker_drop_data(w);
	w->data = *d;
	w->data_open = 1;
	snprintf(w->data_name, sizeof w->data_name, "%s", source);
	snprintf(w->state.data_name, sizeof w->state.data_name, "%s", source);
	w->state.data_hash = d->hash;
	w->evaluated = 0;
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
		snprintf(w->tok_source, sizeof w->tok_source, "%s", source);
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
		worker_begin_cursor(w);
	return rc;
}

/* --- data --------------------------------------------------------------------------------------------------------- */

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

/* order=... and val=... among the words behind the name: into the settings. */
static int take_words(struct settings *s, int argc, char **argv, struct err *e)
{
	for (int i = 0; i < argc; i++) {
		int rc;
		if (!strncmp(argv[i], "order=", 6))
			rc = settings_set(s, SET_DATA_ORDER, argv[i] + 6, e);
		else if (!strncmp(argv[i], "val=", 4))
			rc = settings_set(s, SET_DATA_VAL, argv[i] + 4, e);
		else
			rc = err_set(e, ERR_USAGE, "data: %s: order=... or val=... wanted", argv[i]);
		if (rc)
			return rc;
	}
	return 0;
}

/* In the record, on the curve and in settings.cmd: the two settings, then the data. */
static void tell_change(struct worker *w, const struct settings *before, const char *old)
{
	static const enum setting_id own[] = {SET_DATA_ORDER, SET_DATA_VAL};
	char text[SETTING_TEXT_MAX];
	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		if (w->settings.num[own[i]] != before->num[own[i]])
			worker_apply_change(w, own[i], setting_text(before, own[i], text));
	script_command(w, "data", w->data_name);
	struct engine_event mark = {.kind = EV_MARK, .obs = {.step = w->state.step, .t = run_seconds(&w->run)}};
	snprintf(mark.text, sizeof mark.text, "data %.200s -> %.200s", old, w->data_name);
	if (w->state.step)
		worker_emit(w, &mark, 1);
	struct str f = {0};
	str_puts(&f, "\"key\":\"data\",\"old\":");
	str_json(&f, old, strlen(old));
	str_puts(&f, ",\"new\":");
	str_json(&f, w->data_name, strlen(w->data_name));
	worker_event(w, "set", "%s", f.s ? f.s : "");
	str_done(&f);
}

int cmd_data(struct worker *w, int argc, char **argv, struct err *e)
{
	char line[EVENT_TEXT], old[sizeof w->data_name];
	if (!argc) {
		data_line(w, line, sizeof line);
		worker_say(w, "%s\n", line);
		return 0;
	}
	struct settings before = w->settings; /* first a trial: nothing is made for words that are wrong */
	int rc = take_words(&before, argc - 1, argv + 1, e);
	if (!rc)
		rc = worker_need_model(w, e);
	if (rc)
		return rc;
	before = w->settings;
	take_words(&w->settings, argc - 1, argv + 1, e);
	snprintf(old, sizeof old, "%s", w->data_name);
	rc = choose_data(w, argv[0], e);
	if (rc) {
		w->settings = before;
		return rc;
	}
	worker_begin_cursor(w);
	w->data_chosen = 1;
	/* A loss on other text is another scale: what was best on the old one is no longer to be beaten. */
	w->state.best_loss = NAN;
	w->state.best_step = 0;
	tell_change(w, &before, old);
	data_line(w, line, sizeof line);
	worker_log(w, LOG_INFO, "%s", line);
	return 0;
}

/* --- tokenize ------------------------------------------------------------------------------------------------------- */

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
