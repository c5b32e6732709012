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

void series_add(struct series *s, const struct step_obs *o)
{
	if (!s->stride)
		series_reset(s);
	struct bucket *b = bucket_for(s, o->step);
	b->last = MAX(b->last, o->step);
	stat_add(&b->loss, o->loss);
	b->bad += !isfinite(o->loss);
	stat_add(&b->grad, o->grad_norm);
	if (s->tokens && o->tokens > s->tokens && o->ms > 0)
		stat_add(&b->rate, (double)(o->tokens - s->tokens) * 1000 / o->ms);
	s->tokens = o->tokens;
	s->step = MAX(s->step, o->step);
	b->lr = (float)o->lr;
	b->watts = (float)o->watts;
	for (int k = 0; k < SERIES_EMAS; k++) {
		double d = (double)series_decay[k];
		if (isfinite(o->loss)) {
			/* Divided by the sum of its weights, the average is unbiased from the first step on. */
			s->ema_sum[k] = d * s->ema_sum[k] + (1 - d) * o->loss;
			s->ema_weight[k] = d * s->ema_weight[k] + (1 - d);
		}
		b->ema[k] = series_ema(s, k);
	}
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
