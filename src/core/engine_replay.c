/* engine_replay.c: the record of a run (train/metrics.h reads it) told to the screen: its curve, validations, marks and samples. Changes nothing.
 *
 * A long curve is thinned, so that it fits into the event ring and half of it is not lost.
 * SPDX-License-Identifier: MIT */
#include "engine_impl.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "train/metrics.h"

/* Together they leave room in the event ring. */
enum { CURVE_MAX = 4096, EVALS_MAX = 512, MARKS_MAX = 128, SAMPLES_MAX = 24, SAMPLE_MAX = 8192 };

struct curve {
	struct engine_event ev[CURVE_MAX + 1];
	uint64_t weight[CURVE_MAX + 1]; /* steps since the one before */
	size_t n;
	uint64_t stride, skipped;       /* every so many steps one is kept; skipped since the last kept one */
};

struct record {
	struct curve curve;
	struct engine_event eval[EVALS_MAX], mark[MARKS_MAX], last;
	size_t neval, nmark;
};

/* --- keeping --- */

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

struct engine_event worker_row_event(enum engine_event_kind kind, const struct metrics_row *r, int past)
{
	struct engine_event ev = {.kind = kind, .past = past, .obs = {.step = r->step, .tokens = r->tokens, .t = r->t}};
	struct step_obs *b = &ev.obs;
	b->loss = (double)r->loss;
	b->grad_norm = (double)r->grad_norm;
	b->lr = (double)r->lr;
	b->ms = (double)r->ms;
	b->micro_ms = (double)r->micro_ms;
	b->watts = (double)r->watts;
	b->gap = kind == EV_STEP ? (double)r->gap : 0;
	b->joules = b->val = b->bpb = NAN;
	if (kind == EV_EVAL) {
		b->val = b->loss;
		b->bpb = b->grad_norm;
		b->loss = b->grad_norm = NAN;
	}
	return ev;
}

static void read_step(struct record *r, const struct metrics_row *m)
{
	struct curve *c = &r->curve;
	struct engine_event ev = worker_row_event(EV_STEP, m, 1);
	r->last = ev;
	if (c->n == CURVE_MAX)
		thin_curve(c);
	if (c->skipped + 1 >= c->stride || ev.obs.gap > 0)
		keep_step(c, &ev);
	else
		c->skipped++;
}

static void value_text(const json_t *v, char *out, size_t n)
{
	if (json_is_number(v))
		snprintf(out, n, "%.9g", json_number_value(v));
	else
		snprintf(out, n, "%s", json_is_string(v) ? json_string_value(v) : "?");
}

static void read_mark(struct record *r, const struct metrics_row *m)
{
	struct engine_event ev = worker_row_event(EV_MARK, m, 1);
	json_t *o = m->text ? json_loads(m->text, 0, NULL) : NULL;
	const char *key = json_string_value(json_object_get(o, "key"));
	char old[200], new[200];
	value_text(json_object_get(o, "old"), old, sizeof old);
	value_text(json_object_get(o, "new"), new, sizeof new);
	snprintf(ev.text, sizeof ev.text, "%.60s %s -> %s", key ? key : "?", old, new);
	keep_mark(r, &ev);
	json_decref(o);
}

static void read_row(struct record *r, const struct metrics_row *m)
{
	if (m->kind == METRICS_STEP) {
		read_step(r, m);
	} else if (m->kind == METRICS_EVAL) {
		struct engine_event ev = worker_row_event(EV_EVAL, m, 1);
		keep_eval(r, &ev);
	} else if (m->kind == METRICS_SET) {
		read_mark(r, m);
	}
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

/* Of what is past the end is enough: the screen keeps no more. */
void worker_row_sample(struct worker *w, const struct metrics_row *r, int past)
{
	json_t *o = r->text ? json_loads(r->text, 0, NULL) : NULL;
	const char *text = json_string_value(json_object_get(o, "text"));
	struct engine_event ev = worker_row_event(EV_SAMPLE_BEGIN, r, past);
	size_t n = text ? strlen(text) : 0, at = past && n > SAMPLE_MAX ? n - SAMPLE_MAX : 0;
	while (at && at < n && ((unsigned char)text[at] & 0xc0) == 0x80)
		at++;
	if (text)
		worker_emit(w, &ev, 1);
	for (size_t k; at < n; at += k) {
		struct engine_event piece = {.kind = EV_SAMPLE, .past = past};
		k = utf8_chunk(text + at, n - at, sizeof piece.text - 1);
		memcpy(piece.text, text + at, k);
		worker_emit(w, &piece, 1);
	}
	ev.kind = EV_SAMPLE_END;
	if (text)
		worker_emit(w, &ev, 1);
	json_decref(o);
}

static void tell_samples(struct worker *w, const struct metrics *m, uint64_t upto)
{
	size_t left = 0;
	for (size_t i = 0; i < m->n; i++)
		left += m->row[i].kind == METRICS_SAMPLE && m->row[i].step <= upto;
	for (size_t i = 0; i < m->n; i++)
		if (m->row[i].kind == METRICS_SAMPLE && m->row[i].step <= upto && left-- <= SAMPLES_MAX)
			worker_row_sample(w, &m->row[i], 1);
}

/* What the session before has made beyond the checkpoint that is gone on from. Killed, it had no time to say why. */
static void find_lost(struct worker *w, const struct metrics *m, uint64_t upto)
{
	const char *reason = NULL;
	json_t *stop = NULL;
	w->lost.to = 0;
	for (size_t i = 0; i < m->n; i++) {
		const struct metrics_row *r = &m->row[i];
		if (r->kind == METRICS_STEP && r->step > upto)
			w->lost.to = r->step;
		if (r->kind != METRICS_STOP || i + 1 < m->n || !r->text)
			continue;
		stop = json_loads(r->text, 0, NULL);
		reason = json_string_value(json_object_get(stop, "reason"));
	}
	w->lost.from = upto + 1;
	snprintf(w->lost.why, sizeof w->lost.why, "%s", reason ? reason : "it did not end in order");
	utf8_one_line(w->lost.why);
	json_decref(stop);
}

void worker_replay(struct worker *w, uint64_t upto, int resumed)
{
	struct metrics m;
	struct record *r = mem_zalloc(1, sizeof *r);
	if (r && !metrics_open(&m, w->run.dir, NULL)) {
		r->curve.stride = 1;
		for (size_t i = 0; i < m.n; i++)
			if (m.row[i].step <= upto)
				read_row(r, &m.row[i]);
		tell(w, r);
		if (resumed) {
			tell_samples(w, &m, upto);
			find_lost(w, &m, upto);
		}
	}
	if (r)
		metrics_done(&m);
	free(r);
}
