/* frame.c: the whole screen from the view: frames, panes, bars, the open answer. Draws into cells only.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tui/aim.h"
#include "tui/fmt.h"
#include "tui/panes.h"

static void title_line(struct grid *g, struct rect r, int x, int end, const char *title, const char *note, int focused)
{
	int tw = text_width(title) + 2, nw = text_width(note) + 2;
	if (tw <= end - x)
		grid_printf(g, r, x, 0, focused ? ATTR_FOCUS : ATTR_TITLE, " %s ", title);
	if (*note && nw <= end - x - tw - 1)
		grid_printf(g, r, end - nw, 0, ATTR_NOTE, " %s ", note);
}

void draw_frame(struct grid *g, struct rect r, const char *title, const char *note, int focused, int boxed, enum glyphs gl)
{
	const struct glyph_set *s = glyph_set(gl);
	enum attr a = focused ? ATTR_FOCUS : ATTR_BORDER;
	uint32_t h = focused ? s->fh : s->h, v = focused ? s->fv : s->v;
	for (int x = 0; x < r.w; x++) {
		grid_put(g, r, x, 0, a, h);
		if (boxed)
			grid_put(g, r, x, r.h - 1, a, h);
	}
	if (boxed) {
		for (int y = 1; y < r.h - 1; y++) {
			grid_put(g, r, 0, y, a, v);
			grid_put(g, r, r.w - 1, y, a, v);
		}
		grid_put(g, r, 0, 0, a, focused ? s->ftl : s->tl);
		grid_put(g, r, r.w - 1, 0, a, focused ? s->ftr : s->tr);
		grid_put(g, r, 0, r.h - 1, a, focused ? s->fbl : s->bl);
		grid_put(g, r, r.w - 1, r.h - 1, a, focused ? s->fbr : s->br);
	}
	title_line(g, r, 2, r.w - 2, title, note, focused);
}

void draw_nothing(struct grid *g, const struct view *v, struct rect r)
{
	const struct data *d = view_data(v);
	const char *text = "waiting for the first step";
	if (!d->have_snap || d->snap.state == ENGINE_EMPTY)
		text = r.w >= 40 ? "no model yet:  :new demo  then  :train" : ":new demo, :train";
	else if (d->snap.state == ENGINE_PREPARING)
		text = d->snap.doing[0] ? d->snap.doing : "preparing";
	else if (d->snap.state == ENGINE_PAUSED)
		text = r.w >= 40 ? "paused before the first step:  p or :train" : "p: train";
	int w = text_width(text), y = r.h / 2;
	grid_text(g, r, MAX((r.w - w) / 2, 0), y, ATTR_NOTE, text);
	if (d->have_snap && d->snap.state == ENGINE_PREPARING && d->snap.progress >= 0 && r.h >= 3) {
		int bw = MIN(r.w - 2, 40);
		for (int x = 0; x < bw; x++)
			grid_put(g, r, (r.w - bw) / 2 + x, y + 1, ATTR_BORDER, v->glyphs == GLYPHS_ASCII ? '.' : 0x2591);
		draw_bar(g, r, (r.w - bw) / 2, y + 1, bw, (double)d->snap.progress, ATTR_BAR, v->glyphs);
	}
}

static void pane_note(struct view *v, enum pane p, const struct layout *l, char note[NOTE])
{
	const struct data *d = view_data(v);
	note[0] = 0;
	switch (p) {
	case PANE_LOSS: pane_loss_note(v, !l->boxed, l->pane[p].w - 16, note); break;
	case PANE_NOW:
		if (aim_bucket(v)) {
			char at[FMT];
			snprintf(note, NOTE, l->pane[p].w >= 30 ? "at step %s" : "@%s", fmt_group(at, v->cursor));
			break;
		}
		snprintf(note, NOTE, "%s", l->pane[p].w >= 30 ? d->snap.config.name : ""); break;
	case PANE_POWER:
		for (int i = 0; i < d->snap.power.n && !note[0]; i++)
			if (d->snap.power.source[i].state == POWER_OK)
				snprintf(note, NOTE, "%s", d->snap.power.source[i].kind);
		break;
	case PANE_KERNELS: pane_kernels_note(v, l->pane[p].w - 18, note); break;
	case PANE_SAMPLE: pane_sample_note(v, note); break;
	case PANE_LOG: pane_log_note(v, l->pane[p].w - 20, note); break;
	case PANE_CURVES: case PANE_BIG: case PANE_N: break;
	}
}

static void draw_pane(struct grid *g, struct view *v, const struct layout *l, enum pane p)
{
	struct rect in = layout_inside(l, p);
	char title[32], note[NOTE];
	if (p == PANE_CURVES) {
		pane_curves(g, v, l->pane[p], l->boxed);
		return;
	}
	switch (p) {
	case PANE_LOSS: pane_loss(g, v, in, l->boxed); break;
	case PANE_NOW: pane_now(g, v, in); break;
	case PANE_POWER: pane_power(g, v, in); break;
	case PANE_KERNELS: pane_kernels(g, v, in); break;
	case PANE_SAMPLE: pane_sample(g, v, in); break;
	case PANE_LOG: pane_log(g, v, in); break;
	case PANE_BIG: pane_big(g, v, in); break;
	case PANE_CURVES: case PANE_N: break;
	}
	/* Behind it: its note tells what the drawing has measured. */
	if ((l->kind != LAYOUT_TINY && p != PANE_BIG) || l->boxed) {
		snprintf(title, sizeof title, "%d %s", (int)p + 1, layout_pane_name(p));
		pane_note(v, p, l, note);
		draw_frame(g, l->pane[p], title, note, v->focus == (int)p || v->zoom == (int)p, l->boxed, v->glyphs);
	}
}

void frame_draw(struct grid *g, struct view *v, struct layout *l)
{
	layout_make(l, g->w, g->h, v->layout, v->zoom, &v->moves);
	v->place.at.w = 0;
	grid_clear(g);
	bar_state(g, v, l->state, l->kind);
	for (int p = 0; p < PANE_N; p++)
		if (l->pane[p].w)
			draw_pane(g, v, l, (enum pane)p);
	if (l->lines.h)
		pane_lines(g, v, l->lines);
	pane_settings(g, v, l);
	pane_answer(g, v, l);
	bar_help(g, v, l->help);
	bar_prompt(g, v, l);
}
