/* pane_at.c: what was at the cursor's step: the pane of now while the cursor is set. Reads the series only.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tui/aim.h"
#include "tui/fmt.h"
#include "tui/panes.h"

enum { ROWS = 14 };
struct at_row { const char *label; char value[48], extra[64]; };

static double mean_of(const struct spread *t)
{
	return t->n ? t->sum / t->n : NAN;
}

static struct at_row *next(struct at_row *list, int *n, const char *label)
{
	list[*n] = (struct at_row){.label = label};
	return &list[(*n)++];
}

/* A value with its step, of something that is not there at every step. */
static void told_at(struct at_row *r, uint64_t step, uint64_t cursor)
{
	char a[FMT];
	if (step == cursor)
		snprintf(r->extra, sizeof r->extra, "here");
	else
		snprintf(r->extra, sizeof r->extra, "@ %s", fmt_group(a, step));
}

static void what_stays(const struct view *v, const struct bucket *b, struct at_row *list, int *n)
{
	const struct data *d = view_data(v);
	const struct mark *c = series_mark_at(&d->series, MARK_CKPT, v->cursor);
	const struct sample *s = data_sample(d, aim_sample(v));
	const struct mark *m = series_mark_at(&d->series, MARK_SETTING, v->cursor);
	char a[FMT];
	struct at_row *r = next(list, n, "sample");
	snprintf(r->value, sizeof r->value, "%s", s ? fmt_group(a, s->step) : "none yet");
	if (s && s->step > v->cursor)
		snprintf(r->extra, sizeof r->extra, "later");
	r = next(list, n, "ckpt");
	snprintf(r->value, sizeof r->value, "%s", c ? fmt_group(a, c->step) : "none before");
	if (c)
		snprintf(r->extra, sizeof r->extra, "%.60s", c->text);
	if (m) {
		r = next(list, n, "change");
		snprintf(r->value, sizeof r->value, "%s", fmt_group(a, m->step));
		snprintf(r->extra, sizeof r->extra, "%.60s", m->text);
	}
	r = next(list, n, "time");
	snprintf(r->value, sizeof r->value, "%s", fmt_time(a, b->t));
	r = next(list, n, "tokens");
	snprintf(r->value, sizeof r->value, "%s", fmt_si(a, (double)b->tokens));
	if (b->joules > 0) {
		r = next(list, n, "energy");
		snprintf(r->value, sizeof r->value, "%s", fmt_joules(a, b->joules));
		snprintf(r->extra, sizeof r->extra, "since the start");
	}
}

static int collect(const struct view *v, struct at_row list[ROWS])
{
	const struct series *s = &view_data(v)->series;
	const struct bucket *b = aim_bucket(v);
	const struct val_point *val = series_val_at(s, v->cursor);
	char a[FMT];
	int n = 0, e = MAX(view_ema(v), 0);
	struct at_row *r = next(list, &n, "loss");
	snprintf(r->value, sizeof r->value, b->loss.n ? "%.4f" : "no number", mean_of(&b->loss));
	snprintf(r->extra, sizeof r->extra, "ema %s", fmt_fixed(a, (double)b->ema[e], 4));
	r = next(list, &n, "val");
	snprintf(r->value, sizeof r->value, "%s", val ? fmt_fixed(a, (double)val->loss, 4) : "none before");
	if (val)
		told_at(r, val->step, v->cursor);
	r = next(list, &n, "lr");
	snprintf(r->value, sizeof r->value, "%s", fmt_lr(a, (double)b->lr));
	r = next(list, &n, "grad");
	snprintf(r->value, sizeof r->value, "%s", fmt_short(a, mean_of(&b->grad)));
	r = next(list, &n, "tok/s");
	snprintf(r->value, sizeof r->value, "%s", fmt_si(a, mean_of(&b->rate)));
	r = next(list, &n, "power");
	snprintf(r->value, sizeof r->value, "%s", fmt_watts(a, (double)b->watts));
	if (!isfinite(b->watts))
		snprintf(r->extra, sizeof r->extra, "not measured");
	what_stays(v, b, list, &n);
	if (b->last > b->first) {
		r = next(list, &n, "mean of");
		snprintf(r->value, sizeof r->value, "%llu steps", (unsigned long long)(b->last - b->first + 1));
	}
	return n;
}

void pane_at(struct grid *g, struct view *v, struct rect r)
{
	struct at_row list[ROWS];
	int n = collect(v, list), x = r.w >= 29 ? 10 : 7;
	for (int y = 0; y < n && y < r.h; y++) {
		grid_text(g, r, 0, y, ATTR_DIM, list[y].label);
		int end = grid_text(g, r, x, y, ATTR_CURSOR, list[y].value), at = r.w >= 29 ? MAX(end + 1, 20) : end + 1;
		if (at + text_width(list[y].extra) <= r.w)
			grid_text(g, r, at, y, ATTR_NOTE, list[y].extra);
	}
}
