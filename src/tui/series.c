/* series.c: adding and thinning. The moving average is computed on every step, before anything is merged.
 * SPDX-License-Identifier: MIT */
#include "tui/series.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

const float series_decay[SERIES_EMAS] = {0.8f, 0.95f, 0.99f};

void series_reset(struct series *s)
{
	memset(s, 0, sizeof *s);
	s->stride = 1;
	s->best.loss = NAN;
	s->joules_raw = NAN;
}

static void stat_add(struct spread *t, double v)
{
	if (!isfinite(v))
		return;
	t->min = t->n ? fminf(t->min, (float)v) : (float)v;
	t->max = t->n ? fmaxf(t->max, (float)v) : (float)v;
	t->sum += v;
	t->n++;
}

static void stat_merge(struct spread *a, const struct spread *b)
{
	if (!b->n)
		return;
	a->min = a->n ? fminf(a->min, b->min) : b->min;
	a->max = a->n ? fmaxf(a->max, b->max) : b->max;
	a->sum += b->sum;
	a->n += b->n;
}

/* Two neighbours become one; the later one's running values stay. */
static void halve(struct series *s)
{
	for (int i = 0; i < s->n / 2; i++) {
		struct bucket a = s->b[2 * i], *b = &s->b[2 * i + 1];
		stat_merge(&a.loss, &b->loss);
		stat_merge(&a.grad, &b->grad);
		stat_merge(&a.rate, &b->rate);
		memcpy(a.ema, b->ema, sizeof a.ema);
		a.lr = b->lr;
		a.watts = b->watts;
		a.last = b->last;
		a.bad += b->bad;
		a.cut |= b->cut;
		a.t = b->t;
		a.joules = b->joules;
		a.tokens = b->tokens;
		s->b[i] = a;
	}
	s->n /= 2;
	s->stride *= 2;
	s->fill = s->stride;
}

static struct bucket *bucket_for(struct series *s, uint64_t step)
{
	if (s->n && (s->fill < s->stride || step <= s->step)) {
		s->fill++;
		return &s->b[s->n - 1];
	}
	if (s->n == SERIES_CAP)
		halve(s);
	struct bucket *b = &s->b[s->n++];
	*b = (struct bucket){.first = step, .last = step, .lr = NAN, .watts = NAN};
	s->fill = 1;
	return b;
}

/* The engine counts energy since it was started; a record has only watts. */
static void add_energy(struct series *s, const struct step_obs *o)
{
	if (isfinite(o->joules) && isfinite(s->joules_raw) && o->joules >= s->joules_raw)
		s->joules += o->joules - s->joules_raw;
	else if (isfinite(o->watts) && o->ms > 0)
		s->joules += o->watts * o->ms / 1000;
	s->joules_raw = o->joules;
}

static void fill(struct bucket *b, const struct series *s, const struct step_obs *o, double rate)
{
	b->last = MAX(b->last, o->step);
	stat_add(&b->loss, o->loss);
	b->bad += !isfinite(o->loss);
	stat_add(&b->grad, o->grad_norm);
	stat_add(&b->rate, rate);
	b->lr = (float)o->lr;
	b->watts = (float)o->watts;
	b->t = o->t;
	b->tokens = o->tokens;
	b->joules = s->joules;
	b->cut |= o->gap > 0;
	for (int k = 0; k < SERIES_EMAS; k++)
		b->ema[k] = series_ema(s, k);
}

static struct bucket *tail_bucket(struct series *s, uint64_t step, int again)
{
	if (again && s->ntail)
		return &s->tail[s->ntail - 1];
	if (s->ntail == SERIES_TAIL) {
		memmove(s->tail, s->tail + SERIES_TAIL / 2, sizeof s->tail / 2);
		s->ntail = SERIES_TAIL / 2;
	}
	struct bucket *b = &s->tail[s->ntail++];
	*b = (struct bucket){.first = step, .last = step};
	return b;
}

void series_add(struct series *s, const struct step_obs *o)
{
	double rate = NAN;
	if (!s->stride)
		series_reset(s);
	/* What was suspended begins a bucket of its own: the gap stands where it was. */
	int cut = o->gap > 0;
	if (cut && s->n && s->fill < s->stride)
		s->fill = s->stride;
	int again = s->n && o->step <= s->step;
	struct bucket *b = bucket_for(s, o->step), *tail = tail_bucket(s, o->step, again);
	/* A step of a thinned record stands for those that were left out before it. */
	if (s->ntail > 1 && !again)
		tail->first = s->step + 1;
	if (s->tokens && o->tokens > s->tokens && o->ms > 0 && !cut)
		rate = (double)(o->tokens - s->tokens) * 1000 / o->ms;
	s->tokens = o->tokens;
	s->step = MAX(s->step, o->step);
	add_energy(s, o);
	for (int k = 0; k < SERIES_EMAS; k++) {
		double d = (double)series_decay[k];
		if (isfinite(o->loss)) {
			/* Divided by the sum of its weights, the average is unbiased from the first step on. */
			s->ema_sum[k] = d * s->ema_sum[k] + (1 - d) * o->loss;
			s->ema_weight[k] = d * s->ema_weight[k] + (1 - d);
		}
	}
	fill(b, s, o, rate);
	fill(tail, s, o, rate);
}

void series_eval(struct series *s, uint64_t step, double loss, double bpb)
{
	if (!s->stride)
		series_reset(s);
	if (s->nval == SERIES_VALS) {
		/* Of two neighbours the lower one stays, so the best one always does. */
		for (int i = 0; i < SERIES_VALS / 2; i++)
			s->val[i] = s->val[2 * i + 1].loss <= s->val[2 * i].loss ? s->val[2 * i + 1] : s->val[2 * i];
		s->nval = SERIES_VALS / 2;
	}
	struct val_point v = {step, (float)loss, (float)bpb};
	s->val[s->nval++] = v;
	if (isfinite(loss) && !(s->best.loss <= v.loss))
		s->best = v;
}

void series_mark(struct series *s, uint64_t step, enum mark_kind kind, const char *text)
{
	if (s->nmark == SERIES_MARKS) {
		/* The oldest checkpoint goes first: a changed setting is worth more. */
		int out = 0;
		while (out < SERIES_MARKS - 1 && s->mark[out].kind != MARK_CKPT)
			out++;
		if (s->mark[out].kind != MARK_CKPT)
			out = 0;
		memmove(&s->mark[out], &s->mark[out + 1], (size_t)(SERIES_MARKS - 1 - out) * sizeof s->mark[0]);
		s->nmark--;
	}
	struct mark *m = &s->mark[s->nmark++];
	*m = (struct mark){.step = step, .kind = kind};
	snprintf(m->text, sizeof m->text, "%.*s", (int)sizeof m->text - 1, text);
}

float series_ema(const struct series *s, int which)
{
	return s->ema_weight[which] > 0 ? (float)(s->ema_sum[which] / s->ema_weight[which]) : NAN;
}

float series_last_val(const struct series *s)
{
	return s->nval ? s->val[s->nval - 1].loss : NAN;
}

/* --- reading --- */

double series_x_of(const struct bucket *b, enum series_x x)
{
	switch (x) {
	case X_TOKENS: return (double)b->tokens;
	case X_TIME: return b->t;
	case X_JOULES: return b->joules;
	case X_STEP: case X_N: break;
	}
	return (double)b->last;
}

/* The first of b[n] that ends at `step` or later; n: none does. */
static int find(const struct bucket *b, int n, uint64_t step)
{
	int lo = 0, hi = n;
	while (lo < hi) {
		int mid = (lo + hi) / 2;
		if (b[mid].last < step)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const struct bucket *series_since(const struct series *s, uint64_t from, int *n)
{
	int fine = s->ntail && (from >= s->tail[0].first || s->tail[0].first <= s->b[0].first);
	*n = fine ? s->ntail : s->n;
	return fine ? s->tail : s->b;
}

/* Two digits of it: what lies ahead must not move with every step. */
static double rounded(double v)
{
	if (!(v > 0))
		return 0;
	double p = pow(10, floor(log10(v)) - 1);
	return round(v / p) * p;
}

double series_x_at(const struct series *s, enum series_x x, uint64_t step)
{
	if (x == X_STEP || !s->n)
		return (double)step;
	int n;
	const struct bucket *b = series_since(s, step, &n);
	int i = find(b, n, step);
	if (i == n) {
		const struct bucket *last = &b[n - 1], *before = &b[MAX(n - 64, 0)];
		double per = last->last > before->last ? (series_x_of(last, x) - series_x_of(before, x)) / (double)(last->last - before->last) : 1;
		return series_x_of(last, x) + rounded(per) * (double)(step - last->last);
	}
	if (!i || b[i].last == step)
		return series_x_of(&b[i], x);
	double a = series_x_of(&b[i - 1], x), part = (double)(step - b[i - 1].last) / (double)(b[i].last - b[i - 1].last);
	return a + (series_x_of(&b[i], x) - a) * part;
}

const struct bucket *series_at(const struct series *s, uint64_t step)
{
	int n;
	const struct bucket *b = series_since(s, step, &n);
	return n ? &b[MIN(find(b, n, step), n - 1)] : NULL;
}

const struct val_point *series_val_at(const struct series *s, uint64_t step)
{
	const struct val_point *best = NULL;
	for (int i = 0; i < s->nval; i++)
		if (s->val[i].step <= step && (!best || s->val[i].step >= best->step))
			best = &s->val[i];
	return best;
}

const struct mark *series_mark_at(const struct series *s, enum mark_kind kind, uint64_t step)
{
	const struct mark *best = NULL;
	for (int i = 0; i < s->nmark; i++)
		if (s->mark[i].kind == kind && s->mark[i].step <= step && (!best || s->mark[i].step >= best->step))
			best = &s->mark[i];
	return best;
}
