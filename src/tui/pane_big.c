/* pane_big.c: loss and step in digits that are read from ten metres. Reads the view only.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tui/aim.h"
#include "tui/fmt.h"
#include "tui/panes.h"

/* Five rows of three dots, the top row first, the left dot highest. */
static const struct { char c; unsigned short rows; int w; } font[] = {
	{'0', 075557, 3}, {'1', 026227, 3}, {'2', 071747, 3}, {'3', 071717, 3}, {'4', 055711, 3}, {'5', 074717, 3}, {'6', 074757, 3}, {'7', 071111, 3}, {'8', 075757, 3}, {'9', 075717, 3},
	{'.', 000004, 1}, {'-', 000700, 3}, {' ', 000000, 1}, {'k', 045655, 3}, {'M', 057755, 3}, {'n', 006555, 3}, {'a', 061757, 3}};

static const unsigned short *glyph_of(char c, int *w)
{
	for (size_t i = 0; i < ARRAY_LEN(font); i++)
		if (font[i].c == c) {
			*w = font[i].w;
			return &font[i].rows;
		}
	*w = 1;
	return NULL;
}

/* Dots that the text is wide, a free one between two characters. */
static int dots_wide(const char *s)
{
	int sum = 0, w;
	for (; *s; s++) {
		glyph_of(*s, &w);
		sum += w + 1;
	}
	return MAX(sum - 1, 0);
}

/* A dot is 2k cells wide and k high, which is about square. */
static void draw_big(struct grid *g, struct rect r, int k, enum attr a, const char *s, enum glyphs gl)
{
	uint32_t ch = gl == GLYPHS_ASCII ? '#' : 0x2588;
	int x = 0, w;
	for (; *s; s++, x += w + 1) {
		const unsigned short *rows = glyph_of(*s, &w);
		for (int dy = 0; rows && dy < 5; dy++)
			for (int dx = 0; dx < w; dx++)
				if (*rows >> (3 * (4 - dy) + 2 - dx) & 1)
					grid_fill(g, (struct rect){r.x + (x + dx) * 2 * k, r.y + dy * k, 2 * k, k}, ch, a);
	}
}

/* The largest k at which both stand side by side, a gap of three dots between. */
static int size_for(struct rect r, const char *a, const char *b)
{
	int dots = dots_wide(a) + (*b ? dots_wide(b) + 3 : 0), k = 0;
	while (dots * 2 * (k + 1) <= r.w && 5 * (k + 1) + 1 <= r.h)
		k++;
	return k;
}

void pane_big(struct grid *g, struct view *v, struct rect r)
{
	const struct data *d = view_data(v);
	const struct series *s = &d->series;
	const struct bucket *b = aim_bucket(v);
	double loss = b ? (double)b->ema[MAX(view_ema(v), 0)] : s->n ? (double)series_ema(s, MAX(view_ema(v), 0)) : NAN;
	uint64_t at = b ? v->cursor : d->snap.step;
	char left[FMT], right[FMT], rate[FMT], watts[FMT];
	if (r.w < 1 || r.h < 1)
		return;
	snprintf(left, sizeof left, isfinite(loss) ? loss < 100 ? "%.2f" : "%.0f" : "-", loss);
	snprintf(right, sizeof right, at < 1000000 ? "%.0f" : "%.2fM", at < 1000000 ? (double)at : (double)at / 1e6);
	int k = size_for(r, left, right);
	if (!k) {
		/* No room for digits: as text. */
		grid_printf(g, r, 0, 0, ATTR_VALUE, "loss %s  step %s", left, right);
		return;
	}
	int wide = (dots_wide(left) + dots_wide(right) + 3) * 2 * k, free = MAX(r.w - wide, 0), x1 = free / 3, x2 = x1 + dots_wide(left) * 2 * k + MAX(free / 3, 6 * k);
	int high = 5 * k + 1, y = MAX((r.h - high) / 2, 0);
	x2 = MIN(x2, r.w - dots_wide(right) * 2 * k);
	grid_text(g, r, x1, y, ATTR_DIM, "loss");
	int end = grid_text(g, r, x2, y, b ? ATTR_CURSOR : ATTR_DIM, b ? "step at the cursor" : "step");
	draw_big(g, (struct rect){r.x + x1, r.y + y + 1, r.w - x1, r.h - y - 1}, k, ATTR_LINE, left, v->glyphs);
	draw_big(g, (struct rect){r.x + x2, r.y + y + 1, r.w - x2, r.h - y - 1}, k, b ? ATTR_CURSOR : ATTR_VALUE, right, v->glyphs);
	if (d->have_snap && d->snap.tokens_per_s > 0 && end + 30 <= r.w)
		grid_printf(g, r, end + 4, y, ATTR_DIM, "%s tok/s  %s", fmt_si(rate, d->snap.tokens_per_s), isfinite(d->snap.power.watts) ? fmt_watts(watts, d->snap.power.watts) : "");
}
