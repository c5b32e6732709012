/* engine_replay.c: the record of a run read back for the screen: its curve, validations and marks, in bounded memory. Changes nothing.
 *
 * A run may have gone back (load, a crash before the next checkpoint): of each step the last line counts, and what came after it in the
 * branch that was left is forgotten. A long curve is thinned while it is read, so that it fits into the event ring and half of it is not lost.
 * SPDX-License-Identifier: MIT */
#include "engine_impl.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"

/* Together they leave room in the event ring. */
enum { CURVE_MAX = 4096, EVALS_MAX = 512, MARKS_MAX = 128 };

struct curve {
	struct engine_event ev[CURVE_MAX + 1];
	uint64_t weight[CURVE_MAX + 1]; /* steps since the one before */
	size_t n;
	uint64_t stride, skipped;       /* every so many steps one is kept; skipped since the last kept one */
};

struct record {
	uint64_t upto, step;            /* the latest step that was read */
	struct curve curve;
	struct engine_event eval[EVALS_MAX], mark[MARKS_MAX], last;
	size_t neval, nmark;
};

static double number_or_nan(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);
	return json_is_number(v) ? json_number_value(v) : NAN;
}

/* --- keeping --- */

/* Steps from `step` on belong to a branch that was left. */
static void go_back(struct record *r, uint64_t step)
{
	struct curve *c = &r->curve;
	while (c->n && c->ev[c->n - 1].obs.step >= step)
		c->n--;
	while (r->neval && r->eval[r->neval - 1].obs.step >= step)
		r->neval--;
	while (r->nmark && r->mark[r->nmark - 1].obs.step >= step)
		r->nmark--;
	c->skipped = 0;
	r->last = c->n ? c->ev[c->n - 1] : (struct engine_event){0};
}

/* The second of two neighbours stays: it is the later one. */
static void thin_curve(struct curve *c)
{
	for (size_t i = 0; i < c->n / 2; i++) {
		double gap = c->ev[2 * i].obs.gap;
		c->ev[i] = c->ev[2 * i + 1];
		c->ev[i].obs.gap += gap;
		c->weight[i] = c->weight[2 * i] + c->weight[2 * i + 1];
	}
	c->n /= 2;
	c->stride *= 2;
}

static void keep_step(struct curve *c, const struct engine_event *ev)
{
	c->ev[c->n] = *ev;
	c->weight[c->n++] = c->skipped + 1;
	c->skipped = 0;
}

/* The lower of two neighbours stays, so the best one always does. */
static void keep_eval(struct record *r, const struct engine_event *ev)
{
	if (r->neval == EVALS_MAX) {
		for (size_t i = 0; i < EVALS_MAX / 2; i++)
			r->eval[i] = r->eval[2 * i + (r->eval[2 * i + 1].obs.val <= r->eval[2 * i].obs.val)];
		r->neval /= 2;
	}
	r->eval[r->neval++] = *ev;
}

static void keep_mark(struct record *r, const struct engine_event *ev)
{
	if (r->nmark == MARKS_MAX)
		memmove(r->mark, r->mark + 1, --r->nmark * sizeof *r->mark);
	r->mark[r->nmark++] = *ev;
}

/* --- reading --- */

static struct engine_event begin(enum engine_event_kind kind, const json_t *o, uint64_t step)
{
	struct engine_event ev = {.kind = kind, .past = 1, .obs = {.step = step, .t = number_or_nan(o, "t")}};
	struct step_obs *b = &ev.obs;
	b->loss = b->grad_norm = b->lr = b->ms = b->micro_ms = b->watts = b->joules = b->val = b->bpb = NAN;
	return ev;
}

static void read_step(struct record *r, const json_t *o, uint64_t step)
{
	struct curve *c = &r->curve;
	struct engine_event ev = begin(EV_STEP, o, step);
	struct step_obs *b = &ev.obs;
	b->tokens = (uint64_t)json_integer_value(json_object_get(o, "tokens"));
	b->loss = number_or_nan(o, "loss");
	b->grad_norm = number_or_nan(o, "grad_norm");
	b->lr = number_or_nan(o, "lr");
	b->ms = number_or_nan(o, "ms");
	b->micro_ms = number_or_nan(o, "micro_ms");
	b->gap = fmax(number_or_nan(o, "gap"), 0);
	b->watts = number_or_nan(o, "watts");
	r->last = ev;
	if (c->n == CURVE_MAX)
		thin_curve(c);
	if (c->skipped + 1 >= c->stride || b->gap > 0)
		keep_step(c, &ev);
	else
		c->skipped++;
}

static void read_eval(struct record *r, const json_t *o, uint64_t step)
{
	struct engine_event ev = begin(EV_EVAL, o, step);
	ev.obs.val = number_or_nan(o, "loss");
	ev.obs.bpb = number_or_nan(o, "bits_per_byte");
	keep_eval(r, &ev);
}

static void value_text(const json_t *v, char *out, size_t n)
{
	if (json_is_number(v))
		snprintf(out, n, "%.9g", json_number_value(v));
	else
		snprintf(out, n, "%s", json_is_string(v) ? json_string_value(v) : "?");
}

static void read_mark(struct record *r, const json_t *o, uint64_t step)
{
	struct engine_event ev = begin(EV_MARK, o, step);
	const char *key = json_string_value(json_object_get(o, "key"));
	char old[200], new[200];
	value_text(json_object_get(o, "old"), old, sizeof old);
	value_text(json_object_get(o, "new"), new, sizeof new);
	snprintf(ev.text, sizeof ev.text, "%.60s %s -> %s", key ? key : "?", old, new);
	keep_mark(r, &ev);
}

static void read_line(struct record *r, const char *s, size_t n)
{
	json_t *o = json_loadb(s, n, 0, NULL);
	const char *kind = json_string_value(json_object_get(o, "event"));
	double at = number_or_nan(o, "step");
	/* A `ckpt` line tells when its file was whole, and the step that is in it: that may be an earlier one, but nobody went back. */
	if (kind && at >= 0 && at <= (double)r->upto && strcmp(kind, "ckpt")) {
		uint64_t step = (uint64_t)at;
		int is_step = !strcmp(kind, "step");
		if (step < r->step || (is_step && step == r->step))
			go_back(r, is_step ? step : step + 1);
		r->step = step;
		if (is_step)
			read_step(r, o, step);
		else if (!strcmp(kind, "eval"))
			read_eval(r, o, step);
		else if (!strcmp(kind, "set"))
			read_mark(r, o, step);
	}
	json_decref(o);
}

/* --- telling --- */

static void tell(struct worker *w, struct record *r)
{
	struct curve *c = &r->curve;
	if (c->skipped && r->last.obs.step)
		keep_step(c, &r->last); /* the curve ends where the run does */
	for (size_t i = 0; i < c->n; i++) {
		c->ev[i].obs.ms *= (double)c->weight[i];
		worker_emit(w, &c->ev[i], 0);
	}
	for (size_t i = 0; i < r->neval; i++)
		worker_emit(w, &r->eval[i], 0);
	for (size_t i = 0; i < r->nmark; i++)
		worker_emit(w, &r->mark[i], 0);
	if (r->last.obs.step)
		w->last = r->last.obs;
	if (r->neval) {
		w->last.val = r->eval[r->neval - 1].obs.val;
		w->last.bpb = r->eval[r->neval - 1].obs.bpb;
	}
}

void worker_replay(struct worker *w, uint64_t upto)
{
	char path[1100];
	struct file_map m;
	struct record *r = mem_zalloc(1, sizeof *r);
	snprintf(path, sizeof path, "%s/metrics.jsonl", w->run.dir);
	if (!r || file_map(&m, path, "metrics", NULL)) {
		free(r);
		return;
	}
	r->upto = upto;
	r->curve.stride = 1;
	const char *s = (const char *)m.data, *end = s ? s + m.size : NULL;
	while (s && s < end) {
		const char *nl = memchr(s, '\n', (size_t)(end - s));
		read_line(r, s, (size_t)((nl ? nl : end) - s));
		s = nl ? nl + 1 : end;
	}
	file_unmap(&m);
	tell(w, r);
	free(r);
}
