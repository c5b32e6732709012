/* engine_data.c: what stands behind `data`, `tokenize` and `detokenize`: the tokenizer and the data that a model trains on. Formats are in text/.
 * SPDX-License-Identifier: MIT */
#include "engine_impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"

/* Ids of a tokenizer that we train ourselves for a text, unless the model has fewer. */
enum { AUTO_VOCAB = 2048 };

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

/* Who says how wide the ids are says that they are ids. */
static int is_shard_source(const struct worker *w, const char *source)
{
	return strcmp(source, "builtin") && ((w->data_width && file_is_dir(source) != 1) || data_is_shard(source));
}

/* A tokenizer of our own for the text, from the cache when it was trained before. */
static struct tokenizer *auto_tokenizer(struct worker *w, const char *source, struct err *e)
{
	worker_state(w, ENGINE_PREPARING, "learning a tokenizer");
	return data_tokenizer(source, MIN(w->params->config.vocab, AUTO_VOCAB), &w->g->cancel, e);
}

/* --- how data are opened ---
 * The settings of now say it; what was opened stays so in the checkpoint (state.data_how), so that a run goes on with the same split whatever was set since. */

struct how {
	double val;
	int own, width;
};

static struct how how_now(const struct worker *w, int shard)
{
	const struct settings *s = &w->settings;
	int given = s->set[SET_DATA_VAL], sequential = settings_int(s, SET_DATA_ORDER) == DATA_SEQUENTIAL;
	struct how h = {s->num[SET_DATA_VAL], !given, w->data_width};
	/* Who reads ids in their order means all of them, as they stand. */
	if (shard && sequential && !given)
		h.val = 0;
	return h;
}

static void how_text(const struct how *h, char *out, size_t n)
{
	snprintf(out, n, "val=%.17g own=%d width=%d", h->val, h->own, h->width);
}

/* That of the checkpoint, when there is one. */
static struct how how_open(const struct worker *w, int shard)
{
	struct how h;
	if (sscanf(w->state.data_how, "val=%lf own=%d width=%d", &h.val, &h.own, &h.width) == 3)
		return h;
	return how_now(w, shard);
}

int worker_data_val(const struct worker *w, double *val)
{
	int shard = is_shard_source(w, w->data_name);
	struct how now = how_now(w, shard), open = how_open(w, shard);
	*val = open.val;
	return open.val != now.val || open.own != now.own;
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

static int open_shard(struct worker *w, struct data *d, const char *source, const struct how *h, struct err *e)
{
	const struct tokenizer_info *t = w->tok ? tokenizer_info(w->tok) : NULL;
	struct data_how how = {.vocab = w->params->config.vocab, .val = h->val, .own_split = h->own, .width = h->width,
			       .tokenizer_hash = t ? t->hash : w->state.step ? w->state.tokenizer_hash : 0, .tokenizer = t ? t->name : NULL,
			       .work = {w->pool, &w->g->progress, &w->g->cancel}};
	return data_open_tokens(d, source, &how, e);
}

/* Opens `source` into *d with the tokenizer at hand. */
static int open_data(struct worker *w, struct data *d, const char *source, const struct how *h, struct err *e)
{
	char doing[96];
	snprintf(doing, sizeof doing, "reading %.80s", source);
	worker_state(w, ENGINE_PREPARING, doing);
	struct data_work work = {w->pool, &w->g->progress, &w->g->cancel};
	int rc = is_shard_source(w, source) ? open_shard(w, d, source, h, e)
					 : data_open_source(d, source, w->tok, h->val, &work, e);
	w->g->progress = -1;
	if (rc)
		return rc;
	uint64_t seq = (uint64_t)settings_int(&w->settings, SET_SEQ);
	if (data_longest(d) < seq) {
		rc = err_set(e, ERR_FORMAT, "data: %s: %llu tokens to train on%s, a sequence needs %llu (set seq N)", source,
			     (unsigned long long)(d->nfile > 1 ? data_longest(d) + 1 : d->ntrain), d->nfile > 1 ? " in the longest file" : "", (unsigned long long)seq + 1);
		data_close(d);
	}
	return rc;
}

/* Takes `d` into use. */
static void use_data(struct worker *w, const struct data *d, const char *source, const struct how *h)
{
	worker_drop_data(w);
	w->data = *d;
	w->data_open = 1;
	w->data_width = h->width;
	snprintf(w->data_name, sizeof w->data_name, "%s", source);
	snprintf(w->state.data_name, sizeof w->state.data_name, "%s", source);
	w->state.data_hash = d->hash;
	how_text(h, w->state.data_how, sizeof w->state.data_how);
	uint64_t made_with = w->tok ? tokenizer_info(w->tok)->hash : d->tokenizer_hash;
	if (made_with)
		w->state.tokenizer_hash = made_with;
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
	int shard = is_shard_source(w, source);
	if (need && !shard) {
		fresh = auto_tokenizer(w, source, e);
		if (!fresh)
			return err_code_or(e, ERR_STATE);
		w->tok = fresh;
	}
	struct data d;
	struct how h = how_open(w, shard);
	int rc = open_data(w, &d, source, &h, e);
	if (rc) {
		w->tok = old;
		tokenizer_free(fresh);
		return rc;
	}
	use_data(w, &d, source, &h);
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
		snprintf(out, n, "data: %s: %s tokens to train on, %s held out%s%s%s", w->data_name, str_si(a, (double)d->ntrain),
			 str_si(b, (double)(d->ntoken - d->ntrain)), *d->about ? "; " : "", d->about, tok);
	else
		snprintf(out, n, "data: %s (not opened yet)", w->data_name);
}

/* order=..., val=... and width=... among the words behind the name: into the settings, and *width. */
static int take_words(struct settings *s, int *width, int argc, char **argv, struct err *e)
{
	*width = 0;
	for (int i = 0; i < argc; i++) {
		int rc = 0;
		if (!strncmp(argv[i], "order=", 6))
			rc = settings_set(s, SET_DATA_ORDER, argv[i] + 6, e);
		else if (!strncmp(argv[i], "val=", 4))
			rc = settings_set(s, SET_DATA_VAL, argv[i] + 4, e);
		else if (!strcmp(argv[i], "width=2") || !strcmp(argv[i], "width=4"))
			*width = argv[i][6] - '0';
		else
			rc = err_set(e, ERR_USAGE, "data: %s: order=..., val=... or width=2|4 wanted", argv[i]);
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
	script_data(w);
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
	char how[sizeof w->state.data_how];
	int width, old_width;
	int rc = take_words(&before, &width, argc - 1, argv + 1, e);
	if (!rc)
		rc = worker_need_model(w, e);
	if (rc)
		return rc;
	before = w->settings;
	old_width = w->data_width;
	take_words(&w->settings, &w->data_width, argc - 1, argv + 1, e);
	snprintf(old, sizeof old, "%s", w->data_name);
	memcpy(how, w->state.data_how, sizeof how);
	w->state.data_how[0] = 0; /* the settings of now are what counts */
	rc = choose_data(w, argv[0], e);
	if (rc) {
		w->settings = before;
		w->data_width = old_width;
		memcpy(w->state.data_how, how, sizeof how);
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
	if (is_shard_source(w, argv[0]) && !w->settings.set[SET_DATA_VAL] && w->data.ntrain == w->data.ntoken)
		worker_log(w, LOG_INFO, "data: %s: read as it stands from its first id, nothing is held out (val=FRACTION would hold a tail out)", w->data_name);
	return 0;
}

/* --- tokenize, detokenize ------------------------------------------------------------------------------------------ */

/* A tokenizer is there, and what is done stands on the screen. */
static int begin_convert(struct worker *w, const char *what, const char *doing, const char *path, struct err *e)
{
	char line[96];
	int rc = worker_need_model(w, e);
	if (!rc && !w->tok)
		rc = worker_need_data(w, e);
	if (!rc && !w->tok)
		rc = err_set(e, ERR_STATE, "%s: no tokenizer (new ... tokenizer=FILE)", what);
	if (rc)
		return rc;
	snprintf(line, sizeof line, "%s %.80s", doing, path);
	worker_state(w, ENGINE_PREPARING, line);
	return 0;
}

int cmd_tokenize(struct worker *w, int argc, char **argv, struct err *e)
{
	(void)argc;
	struct data_work work = {w->pool, &w->g->progress, &w->g->cancel};
	struct data_made made;
	char size[16];
	int rc = begin_convert(w, "tokenize", "encoding", argv[0], e);
	if (!rc)
		rc = data_tokenize(argv[0], w->tok, argv[1], &work, &made, e);
	if (rc)
		return rc;
	worker_say(w, "%s: %llu tokens of %d bytes, %s of text, %.2f bytes a token\n", argv[1], (unsigned long long)made.ntoken, made.width, str_bytes(size, made.bytes),
		   (double)made.bytes / (double)made.ntoken);
	if (made.nval)
		worker_say(w, "%s: the last %llu are of files called validation%s\n", argv[1], (unsigned long long)made.nval,
			   strlen(argv[1]) > 4 && !strcmp(argv[1] + strlen(argv[1]) - 4, ".tok") ? ", and it says so" : " (a .tok file would tell)");
	return 0;
}

int cmd_detokenize(struct worker *w, int argc, char **argv, struct err *e)
{
	struct data_work work = {w->pool, &w->g->progress, &w->g->cancel};
	struct data_made made;
	char size[16];
	int width = argc < 3 ? 0 : !strcmp(argv[2], "width=2") ? 2 : !strcmp(argv[2], "width=4") ? 4 : -1;
	if (width < 0)
		return err_set(e, ERR_USAGE, "detokenize: %s: width=2 or width=4 wanted", argv[2]);
	int rc = begin_convert(w, "detokenize", "decoding", argv[0], e);
	if (!rc)
		rc = data_detokenize(argv[0], w->tok, argv[1], width, &work, &made, e);
	if (!rc)
		worker_say(w, "%s: %s of text from %llu tokens\n", argv[1], str_bytes(size, made.bytes), (unsigned long long)made.ntoken);
	return rc;
}
