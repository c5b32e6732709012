/* layout.c: the arrangements, from three columns down to nothing. Draws nothing.
 * SPDX-License-Identifier: MIT */
#include "tui/layout.h"

#include <string.h>

#include "base/mem.h"

static const char *const kind_names[] = {"auto", "wide", "tall", "strips", "tiny", "bare"};
static const char *const pane_names[PANE_N] = {"loss", "now", "power", "kernels", "sample", "log", "curves"};

/* From these sizes on an arrangement is taken by itself, and the smallest at which it can be had by name. */
static const struct { int w, h, min_w, min_h; } sizes[] = {
	[LAYOUT_WIDE] = {150, 44, 120, 36},
	[LAYOUT_TALL] = {100, 32, 84, 28},
	[LAYOUT_STRIPS] = {60, 18, 50, 16},
	[LAYOUT_TINY] = {16, 3, 8, 3},
};

static enum layout_kind choose(int w, int h, enum layout_kind wish)
{
	for (enum layout_kind k = wish == LAYOUT_AUTO ? LAYOUT_WIDE : wish; k < LAYOUT_BARE; k++) {
		int by_name = k == wish;
		if (w >= (by_name ? sizes[k].min_w : sizes[k].w) && h >= (by_name ? sizes[k].min_h : sizes[k].h))
			return k;
	}
	return LAYOUT_BARE;
}

/* Three columns: loss, now and power, with the extra curves below those; kernels and sample; log. */
static void make_wide(struct layout *l)
{
	struct rect b = l->body;
	int top = b.h * 33 / 57, mid = b.h * 17 / 57, log = b.h - top - mid;
	int right = MAX(b.w * 72 / 200, 66), left = b.w - right, half = right / 2;
	int now = MAX(top * 15 / 33, 10);
	l->pane[PANE_LOSS] = (struct rect){b.x, b.y, left, top};
	l->pane[PANE_NOW] = (struct rect){b.x + left, b.y, half, now};
	l->pane[PANE_POWER] = (struct rect){b.x + left + half, b.y, right - half, now};
	l->pane[PANE_CURVES] = (struct rect){b.x + left, b.y + now, right, top - now};
	l->pane[PANE_KERNELS] = (struct rect){b.x, b.y + top, b.w / 2, mid};
	l->pane[PANE_SAMPLE] = (struct rect){b.x + b.w / 2, b.y + top, b.w - b.w / 2, mid};
	l->pane[PANE_LOG] = (struct rect){b.x, b.y + top + mid, b.w, log};
}

/* Two columns: loss beside now and power; kernels beside sample; log. */
static void make_tall(struct layout *l)
{
	struct rect b = l->body;
	int log = MAX(b.h * 5 / 37, 5), mid = MAX(b.h * 11 / 37, 8), top = b.h - log - mid;
	int right = b.w * 3 / 10, left;
	right = MIN(MAX(right, 34), 44);
	left = b.w - right;
	int now = (top + 1) / 2;
	l->pane[PANE_LOSS] = (struct rect){b.x, b.y, left, top};
	l->pane[PANE_NOW] = (struct rect){b.x + left, b.y, right, now};
	l->pane[PANE_POWER] = (struct rect){b.x + left, b.y + now, right, top - now};
	l->pane[PANE_KERNELS] = (struct rect){b.x, b.y + top, b.w / 2, mid};
	l->pane[PANE_SAMPLE] = (struct rect){b.x + b.w / 2, b.y + top, b.w - b.w / 2, mid};
	l->pane[PANE_LOG] = (struct rect){b.x, b.y + top + mid, b.w, log};
}

/* Four strips with a title line each: loss; kernels, now and power side by side; sample; log. A column stays free between neighbours. */
static void make_strips(struct layout *l)
{
	struct rect b = l->body;
	int log = MAX(b.h * 4 / 21, 3), sample = MAX(b.h * 4 / 21, 3), mid = MAX(b.h * 5 / 21, 4);
	int top = b.h - log - sample - mid, y = b.y;
	l->pane[PANE_LOSS] = (struct rect){b.x, y, b.w, top};
	y += top;
	int three = b.w >= 72, kernels = three ? b.w * 29 / 80 : b.w / 2;
	int now = three ? b.w * 25 / 80 : 0;
	l->pane[PANE_KERNELS] = (struct rect){b.x, y, kernels, mid};
	if (three)
		l->pane[PANE_NOW] = (struct rect){b.x + kernels + 1, y, now, mid};
	int px = kernels + 1 + (three ? now + 1 : 0);
	l->pane[PANE_POWER] = (struct rect){b.x + px, y, b.w - px, mid};
	y += mid;
	l->pane[PANE_SAMPLE] = (struct rect){b.x, y, b.w, sample};
	l->pane[PANE_LOG] = (struct rect){b.x, y + sample, b.w, log};
}

/* One plot and up to three lines of text. */
static void make_tiny(struct layout *l)
{
	struct rect b = l->body;
	int lines = b.h >= 7 ? 3 : b.h >= 5 ? 2 : b.h >= 3 ? 1 : 0;
	l->pane[PANE_LOSS] = (struct rect){b.x, b.y, b.w, b.h - lines};
	if (lines)
		l->lines = (struct rect){b.x, b.y + b.h - lines, b.w, lines};
}

void layout_make(struct layout *l, int w, int h, enum layout_kind wish, int zoom)
{
	*l = (struct layout){.kind = choose(w, h, wish)};
	l->boxed = l->kind == LAYOUT_WIDE || l->kind == LAYOUT_TALL;
	int help = l->kind <= LAYOUT_STRIPS && h >= 8, prompt = h >= 2;
	l->state = (struct rect){0, 0, w, 1};
	if (prompt)
		l->prompt = (struct rect){0, h - 1, w, 1};
	if (help)
		l->help = (struct rect){0, h - 2, w, 1};
	if (h > 2)
		l->body = (struct rect){0, 1, w, h - 2 - help};
	if (l->kind == LAYOUT_BARE || !l->body.h)
		return;
	if (zoom >= 0 && zoom < PANE_N) {
		l->boxed = l->boxed || (l->body.w >= 24 && l->body.h >= 6);
		l->pane[zoom] = l->body;
		return;
	}
	switch (l->kind) {
	case LAYOUT_WIDE: make_wide(l); break;
	case LAYOUT_TALL: make_tall(l); break;
	case LAYOUT_STRIPS: make_strips(l); break;
	default: make_tiny(l); break;
	}
}

struct rect layout_inside(const struct layout *l, enum pane p)
{
	struct rect r = l->pane[p];
	if (!r.w)
		return r;
	if (l->boxed)
		return (struct rect){r.x + 2, r.y + 1, MAX(r.w - 4, 0), MAX(r.h - 2, 0)};
	if (l->kind == LAYOUT_TINY)
		return r;
	return (struct rect){r.x, r.y + 1, r.w, MAX(r.h - 1, 0)};
}

static int find(const char *const *names, int n, const char *name)
{
	for (int i = 0; i < n; i++)
		if (!strcmp(names[i], name))
			return i;
	return -1;
}

int layout_find(const char *name)
{
	return find(kind_names, LAYOUT_BARE, name);
}

int layout_find_pane(const char *name)
{
	return find(pane_names, PANE_N, name);
}

const char *layout_name(enum layout_kind k)
{
	return kind_names[k];
}

const char *layout_pane_name(enum pane p)
{
	return pane_names[p];
}
