/* aim.c: moving the cursor and the window over the steps. Draws nothing.
 * SPDX-License-Identifier: MIT */
#include "tui/aim.h"

#include <stdio.h>

#include "base/mem.h"
#include "tui/fmt.h"

/* Fewer steps than these are not worth a screen. */
enum { SPAN_MIN = 16, RECENT_MIN = 200 };

static const struct series *series(const struct view *v)
{
	return &view_data(v)->series;
}

static void shown(const struct view *v, uint64_t *from, uint64_t *to)
{
	struct plot p = {.span = v->span, .to = v->to};
	plot_range(series(v), &p, from, to);
}

const struct bucket *aim_bucket(const struct view *v)
{
	return v->cursor_on ? series_at(series(v), v->cursor) : NULL;
}

void aim_off(struct view *v)
{
	v->cursor_on = 0;
}

/* A cursor that has left the shown part takes it along. */
static void follow(struct view *v)
{
	uint64_t from, to;
	shown(v, &from, &to);
	if (!v->span || (v->cursor >= from && v->cursor <= to))
		return;
	uint64_t end = v->cursor + v->span / 2;
	v->to = MAX(end, v->span);
}

void aim_to(struct view *v, uint64_t step)
{
	const struct series *s = series(v);
	if (!s->n)
		return;
	v->cursor = MIN(MAX(step, s->b[0].first), s->step);
	v->cursor_on = 1;
	follow(v);
}

void aim_move(struct view *v, int columns)
{
	const struct series *s = series(v);
	const struct bucket *at = aim_bucket(v);
	if (!s->n)
		return;
	if (!at) {
		uint64_t from, to;
		shown(v, &from, &to);
		aim_to(v, MIN(s->step, to));
		return;
	}
	uint64_t now = MIN(MAX(v->cursor, at->first), at->last), next = now;
	if (v->place.at.w)
		next = plot_step_of(&v->place, s, plot_column_of(&v->place, s, now) + columns);
	/* Where a column holds less than a step, or the edge is reached: the neighbour. */
	if (columns < 0 && next >= now)
		next = at->first > 0 ? at->first - 1 : 0;
	if (columns > 0 && next <= now)
		next = at->last + 1;
	aim_to(v, next);
}

int aim_at(struct view *v, int x, int y)
{
	struct rect r = v->place.at;
	if (!r.w || x < r.x || y < r.y || x >= r.x + r.w || y >= r.y + r.h || !series(v)->n)
		return 0;
	aim_to(v, plot_step_of(&v->place, series(v), x - r.x));
	return 1;
}

void aim_zoom(struct view *v, int in)
{
	const struct series *s = series(v);
	uint64_t from, to;
	if (!s->n)
		return;
	uint64_t all = s->step - s->b[0].first + 1;
	shown(v, &from, &to);
	uint64_t now = v->span ? v->span : all;
	if (in) {
		v->span = MAX(now / 2, SPAN_MIN);
		if (v->cursor_on)
			v->to = MAX(v->cursor + v->span / 2, v->span);
		else if (v->to)
			v->to = MAX(to - (now - v->span) / 2, v->span);
	} else if (v->span) {
		v->span *= 2;
		v->to = v->to ? v->to + v->span / 4 : 0;
		if (v->span >= all)
			v->span = v->to = 0;
	}
	/* What shows the latest step goes on showing it. */
	if (v->to > s->step)
		v->to = 0;
}

void aim_pan(struct view *v, int quarters)
{
	const struct series *s = series(v);
	uint64_t from, to, by = v->span / 4;
	if (!v->span || !s->n)
		return;
	shown(v, &from, &to);
	if (quarters > 0 && (!v->to || to + by > s->step))
		v->to = 0;
	else if (quarters > 0)
		v->to = to + by;
	else
		v->to = MAX(to > by ? to - by : 0, s->b[0].first + v->span);
}

void aim_window(struct view *v)
{
	const struct series *s = series(v);
	uint64_t all = s->n ? s->step - s->b[0].first + 1 : 0;
	/* A tenth of the run, as a round number. */
	uint64_t recent = RECENT_MIN;
	for (uint64_t k = 0; recent * 10 < all; k++)
		recent = k % 3 == 1 ? recent / 2 * 5 : recent * 2;
	v->span = v->span ? 0 : recent;
	v->to = 0;
}

void aim_axis(struct view *v)
{
	const struct series *s = series(v);
	const struct bucket *last = s->n ? &s->b[s->n - 1] : NULL;
	do
		v->x = (enum series_x)((v->x + 1) % X_N);
	while (v->x != X_STEP && !(last && series_x_of(last, v->x) > series_x_of(&s->b[0], v->x)));
}

int aim_sample(const struct view *v)
{
	const struct data *d = view_data(v);
	const struct bucket *b = aim_bucket(v);
	int back = v->sample_back;
	if (!b)
		return back;
	for (back = 0; data_sample(d, back + 1) && data_sample(d, back)->step > v->cursor; back++)
		;
	return back;
}

void aim_words(const struct view *v, char *buf, size_t n)
{
	char a[FMT], b[FMT];
	if (!v->span)
		snprintf(buf, n, "whole run");
	else if (!v->to)
		snprintf(buf, n, "last %s", fmt_group(a, v->span));
	else
		snprintf(buf, n, "%s to %s", fmt_group(a, v->to > v->span ? v->to - v->span : 0), fmt_group(b, v->to));
}
