/* engine_sample.c: `sample`, and the short samples that come by themselves. Its random state is its own: training goes on as if nobody had sampled.
 * SPDX-License-Identifier: MIT */
#include "engine_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/trace.h"
#include "base/utf8.h"
#include "sample/stream.h"

enum { AUTO_TOKENS = 80, AUTO_SLOWER_AFTER = 6, AUTO_MAX_SECONDS = 60, AUTO_DOUBLINGS = 10 };

struct sampling {
	struct worker *w;
	uint32_t id;
	struct stream stream; /* whole characters, the stop text */
	struct str text;      /* all of it, for the record */
};

static void sample_event(struct worker *w, enum engine_event_kind kind, uint32_t id, const char *s, size_t n)
{
	struct engine_event ev = {.kind = kind, .id = id, .obs = {.step = w->state.step}};
	do {
		size_t k = utf8_chunk(s, n, sizeof ev.text - 1);
		memcpy(ev.text, s, k);
		ev.text[k] = 0;
		worker_emit(w, &ev, id != 0 || kind != EV_SAMPLE);
		ev.kind = EV_SAMPLE;
		s += k;
		n -= k;
	} while (n);
}

static void show(struct sampling *g, const char *s, size_t n)
{
	if (!n)
		return;
	str_add(&g->text, s, n);
	sample_event(g->w, EV_SAMPLE, g->id, s, n);
}

/* One more piece: shows what has become whole. 1: the stop text has come. */
static int take_piece(struct sampling *g, const char *piece, size_t n, struct err *e)
{
	const char *out;
	size_t nout;
	int rc = stream_put(&g->stream, piece, n, &out, &nout, e);
	if (rc >= 0)
		show(g, out, nout);
	return rc;
}

static uint64_t sample_seed(struct worker *w)
{
	uint64_t seed = (uint64_t)w->settings.num[SET_SAMPLE_SEED];
	uint64_t n = w->state.sample_count++;
	return seed ? seed : rng_mix((uint64_t)w->settings.num[SET_SEED], 0x73616d70u + n);
}

static struct sampler_settings how(const struct worker *w)
{
	const double *v = w->settings.num;
	return (struct sampler_settings){(float)v[SET_SAMPLE_TEMPERATURE], (int)v[SET_SAMPLE_TOP_K], (float)v[SET_SAMPLE_TOP_P],
					 (float)v[SET_SAMPLE_MIN_P], (float)v[SET_SAMPLE_REPEAT]};
}

/* The ids that come first: the start token where texts have one, or stand in for an empty prompt, and the prompt's. */
static int prompt_ids(struct worker *w, const char *prompt, struct ids *ids, struct err *e)
{
	const struct tokenizer_info *t = tokenizer_info(w->tok);
	int first = t->add_bos ? t->bos : *prompt ? -1 : t->separator;
	if (first >= 0) {
		ids->id = malloc(sizeof *ids->id);
		if (!ids->id)
			return err_nomem(e, "sample", sizeof *ids->id);
		ids->id[0] = first;
		ids->n = ids->cap = 1;
	}
	int rc = tokenizer_encode(w->tok, prompt, strlen(prompt), TOKENIZE_START, ids, e);
	if (!rc && !ids->n)
		rc = err_set(e, ERR_STATE, "sample: a prompt is needed (this tokenizer has no start token)");
	return rc;
}

/* vocab.compact: ids that never occur in the data have had no gradient as rows of the classifier: what it says of them is not to be sampled. */
static void mask_inactive(const struct worker *w, float *logits)
{
	for (int v = 0; w->active.n && v < w->active.vocab; v++)
		if (w->active.at[v] < 0)
			logits[v] = -INFINITY;
}

static int generate(struct worker *w, struct sampling *g, struct sampler *s, const struct ids *ids, uint64_t n, struct err *e)
{
	const struct tokenizer_info *t = tokenizer_info(w->tok);
	float *logits;
	uint64_t begin = clock_ns();
	int rc = decoder_next(w->decoder, ids->id, (int)ids->n, &logits, &w->g->cancel, e);
	trace_span(TRACE_SAMPLE, "prefill", begin, clock_ns(), TRACE_NONE);
	int prev = ids->id[ids->n - 1];
	for (uint64_t i = 0; i < n && !rc; i++) {
		if (settings_int(&w->settings, SET_VOCAB_COMPACT))
			mask_inactive(w, logits);
		int id = sampler_pick(s, logits, t->vocab), slides = decoder_slides(w->decoder);
		if (id < 0)
			return err_set(e, ERR_STATE, "sample: the model's output is not finite (load an older checkpoint)");
		size_t len = 2;
		/* One text has ended, the next begins: as between two documents. */
		const char *piece = tokenizer_is_end(w->tok, id) ? "\n\n" : tokenizer_piece(w->tok, prev, id, &len);
		int stopped = take_piece(g, piece, len, e);
		if (stopped)
			return stopped < 0 ? stopped : 0;
		prev = id;
		begin = clock_ns();
		if (i + 1 < n)
			rc = decoder_next(w->decoder, &id, 1, &logits, &w->g->cancel, e);
		trace_span(TRACE_SAMPLE, "decode", begin, clock_ns(), (int64_t)i + 1);
		if (decoder_slides(w->decoder) != slides)
			worker_log(w, LOG_INFO, "sample: the context is full: its first half was let go");
		if (worker_cancelled(w))
			rc = err_set(e, ERR_CANCEL, "sample: interrupted");
		worker_publish(w, 0);
	}
	return rc;
}

static void record_sample(struct worker *w, const char *prompt, const struct str *text)
{
	struct str f = {0}, all = {0};
	str_puts(&all, prompt);
	str_add(&all, text->s ? text->s : "", text->len);
	str_puts(&f, "\"text\":");
	str_json(&f, all.s ? all.s : "", all.len);
	worker_event(w, "sample", "%s", f.s ? f.s : "");
	str_done(&all);
	str_done(&f);
}

/* sample.int8: the copy is made anew only where the weights may have changed. */
static int need_copy(struct worker *w, struct err *e)
{
	int on = settings_int(&w->settings, SET_SAMPLE_INT8);
	uint64_t begin = clock_ns();
	if (on && w->decoder_copied)
		return 0;
	int rc = decoder_int8(w->decoder, on, e);
	w->decoder_copied = on && !rc;
	if (w->decoder_copied)
		trace_span(TRACE_SAMPLE, "8-bit copy", begin, clock_ns(), TRACE_NONE);
	return rc;
}

/* The decoder for the weights that are asked for. It keeps places of weights: another one is made where those have moved. */
static int need_decoder(struct worker *w, struct err *e)
{
	const struct params *p = worker_weights(w);
	if (w->decoder && w->decoder_weights != p->w) {
		decoder_free(w->decoder);
		w->decoder = NULL;
	}
	if (!w->decoder) {
		w->decoder_copied = 0;
		if (!(w->decoder = decoder_new(p, w->pool, e)))
			return e->code;
	}
	w->decoder_weights = p->w;
	return need_copy(w, e);
}

static int sample(struct worker *w, uint32_t id, uint64_t n, const char *prompt, struct err *e)
{
	int rc = worker_machine(w, e);
	if (!rc && !w->tok)
		rc = worker_need_data(w, e); /* trains the tokenizer */
	if (!rc)
		rc = worker_need_model(w, e);
	if (!rc)
		rc = worker_need_active(w, e);
	if (!rc && !w->tok)
		rc = err_set(e, ERR_STATE, "sample: no tokenizer (new ... tokenizer=FILE)");
	if (!rc)
		rc = need_decoder(w, e);
	if (rc)
		return rc;
	struct sampling g = {.w = w, .id = id};
	struct sampler_settings set = how(w);
	struct sampler s = {0};
	struct ids ids = {0};
	uint64_t t0 = clock_ns();
	rc = prompt_ids(w, prompt, &ids, e);
	if (!rc)
		rc = sampler_init(&s, &set, w->params->config.vocab, sample_seed(w), e);
	for (size_t i = 0; !rc && i < ids.n; i++)
		sampler_note(&s, ids.id[i]);
	if (!rc)
		rc = stream_init(&g.stream, w->settings.text[SET_SAMPLE_STOP], e);
	if (!rc) {
		const char *rest;
		size_t nrest;
		decoder_reset(w->decoder);
		worker_state(w, ENGINE_SAMPLING, NULL);
		sample_event(w, EV_SAMPLE_BEGIN, id, prompt, strlen(prompt));
		rc = generate(w, &g, &s, &ids, n, e);
		if (!stream_end(&g.stream, &rest, &nrest, NULL))
			show(&g, rest, nrest);
		trace_span(TRACE_SAMPLE, "sample", t0, clock_ns(), TRACE_NONE);
		double sec = (double)(clock_ns() - t0) / 1e9;
		char line[96];
		snprintf(line, sizeof line, "step %llu, %.2f s%s", (unsigned long long)w->state.step, sec, w->decoder_copied ? ", int8" : "");
		sample_event(w, EV_SAMPLE_END, id, line, strlen(line));
		record_sample(w, prompt, &g.text);
		worker_state(w, w->training ? ENGINE_TRAINING : ENGINE_PAUSED, NULL);
	}
	ids_done(&ids);
	sampler_done(&s);
	stream_done(&g.stream);
	str_done(&g.text);
	return rc;
}

int cmd_sample(struct worker *w, int argc, char **argv, struct err *e)
{
	double n;
	if (str_number(argv[0], &n) || !(n >= 1 && n <= 1e6) || n != floor(n))
		return err_set(e, ERR_RANGE, "sample: %.40s: must be 1 to 1000000 tokens (sample 200 Once upon a time)", argv[0]);
	return sample(w, w->cmd_id, (uint64_t)n, argc > 1 ? argv[1] : "", e);
}

/* What the user has not asked for comes less and less often. */
static double auto_period(const struct worker *w)
{
	double every = w->settings.num[SET_SAMPLE_EVERY];
	int doublings = w->settings.set[SET_SAMPLE_EVERY] ? 0 : MIN(w->auto_samples / AUTO_SLOWER_AFTER, AUTO_DOUBLINGS);
	return MAX(every, MIN(every * (1 << doublings), AUTO_MAX_SECONDS));
}

/* A short sample by itself every sample.every seconds while training. */
void worker_auto_sample(struct worker *w)
{
	double every = w->settings.num[SET_SAMPLE_EVERY];
	uint64_t now = clock_ns();
	if (!w->training || every <= 0 || !w->tok || (w->trainer && trainer_begun(w->trainer)))
		return;
	if (!w->next_sample_ns)
		w->next_sample_ns = now + (uint64_t)(every * 1e9);
	if (now < w->next_sample_ns)
		return;
	struct err e = {0};
	int rc = sample(w, 0, AUTO_TOKENS, "", &e);
	if (rc && rc != ERR_CANCEL)
		worker_log(w, LOG_WARN, "%s", e.msg);
	w->auto_samples++;
	w->next_sample_ns = clock_ns() + (uint64_t)(auto_period(w) * 1e9);
}
