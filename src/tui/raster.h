/* raster.h: dots finer than cells: braille 2x4, half blocks 1x2, ASCII 1x1; three layers: the line over the raw dots over another run's line. No axes, no data.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TUI_RASTER_H
#define ANETUI_TUI_RASTER_H

#include "tui/cells.h"

/* What a terminal can show; every drawn glyph beside plain text is chosen by this. */
enum glyphs { GLYPHS_ASCII, GLYPHS_BLOCK, GLYPHS_BRAILLE };

/* The pieces that panes are made of. */
struct glyph_set {
	uint32_t h, v, tl, tr, bl, br;        /* frame */
	uint32_t fh, fv, ftl, ftr, fbl, fbr;  /* frame of the focused pane */
	uint32_t tick, corner, mark, ckpt, val, best, spike, bad, cursor, cross;
	const char *play, *halt, *busy, *dash, *dots, *arrow;
};
const struct glyph_set *glyph_set(enum glyphs g);
/* "braille", "block", "ascii"; -1: unknown. */
int glyphs_find(const char *name);

enum raster_layer { RASTER_REF, RASTER_RAW, RASTER_LINE, RASTER_LAYERS };

struct raster {
	int w, h;         /* cells */
	int sx, sy;       /* dots of a cell */
	enum glyphs glyphs;
	uint8_t *bits[RASTER_LAYERS]; /* [h][w] a layer */
};

/* 0, or -1 when memory is out; raster_done in both cases. */
int raster_init(struct raster *r, int w, int h, enum glyphs g);
void raster_done(struct raster *r);
/* x in [0, w*sx), y in [0, h*sy) from the top; others are ignored. */
void raster_dot(struct raster *r, enum raster_layer l, int x, int y);
void raster_draw(const struct raster *r, struct grid *g, struct rect at, enum attr raw, enum attr line);

/* A bar of `value` in 0..1 over `width` cells, by eighths where the glyphs allow. */
void draw_bar(struct grid *g, struct rect r, int x, int y, int width, double value, enum attr a, enum glyphs gl);
/* The last values of v[n] (NAN: a gap) as a curve over rect `r`, from `lo` to `hi`. */
void draw_spark(struct grid *g, struct rect r, const float *v, int n, double lo, double hi, enum attr a, enum glyphs gl);

#endif
