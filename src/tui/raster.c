/* raster.c: dots into glyphs.
 * SPDX-License-Identifier: MIT */
#include "tui/raster.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static const struct glyph_set sets[] = {
	[GLYPHS_ASCII] = {'-', '|', '+', '+', '+', '+', '=', '|', '+', '+', '+', '+', '|', '+', ':', '^', 'o', '*', '^', 'x', '|', '@',
		">", "=", "*", "-", "...", "->"},
	[GLYPHS_BLOCK] = {0x2500, 0x2502, 0x250c, 0x2510, 0x2514, 0x2518, 0x2550, 0x2551, 0x2554, 0x2557, 0x255a, 0x255d, 0x2524, 0x2514, ':', 0x25b2, 'o', '*', 0x25b2, 'x', 0x2502, '@',
		"►", "=", "*", "─", "...", "→"},
	[GLYPHS_BRAILLE] = {0x2500, 0x2502, 0x250c, 0x2510, 0x2514, 0x2518, 0x2501, 0x2503, 0x250f, 0x2513, 0x2517, 0x251b, 0x2524, 0x2514, 0x2506, 0x25b4, 0x25c6, 0x25c8, 0x25b2, 0x00d7, 0x2502, 0x253c,
		"▶", "❚❚", "●", "─", "…", "→"},
};

const struct glyph_set *glyph_set(enum glyphs g)
{
	return &sets[g];
}

int glyphs_find(const char *name)
{
	static const char *const names[] = {"ascii", "block", "braille"};
	for (int i = 0; i < 3; i++)
		if (!strcmp(names[i], name))
			return i;
	return -1;
}

int raster_init(struct raster *r, int w, int h, enum glyphs g)
{
	*r = (struct raster){.w = MAX(w, 0), .h = MAX(h, 0), .glyphs = g};
	r->sx = g == GLYPHS_BRAILLE ? 2 : 1;
	r->sy = g == GLYPHS_BRAILLE ? 4 : g == GLYPHS_BLOCK ? 2 : 1;
	size_t n = (size_t)r->w * (size_t)r->h + 1;
	int rc = 0;
	for (int l = 0; l < RASTER_LAYERS; l++) {
		r->bits[l] = mem_zalloc(n, 1);
		rc = r->bits[l] ? rc : -1;
	}
	return rc;
}

void raster_done(struct raster *r)
{
	for (int l = 0; l < RASTER_LAYERS; l++) {
		free(r->bits[l]);
		r->bits[l] = NULL;
	}
}

void raster_dot(struct raster *r, enum raster_layer l, int x, int y)
{
	/* Unicode numbers the left column 1 2 3 7 from the top, the right one 4 5 6 8. */
	static const uint8_t braille[4][2] = {{1, 8}, {2, 16}, {4, 32}, {64, 128}};
	if (x < 0 || y < 0 || x >= r->w * r->sx || y >= r->h * r->sy)
		return;
	uint8_t bit = r->glyphs == GLYPHS_BRAILLE ? braille[y % 4][x % 2] : (uint8_t)(1 << y % r->sy);
	r->bits[l][(size_t)(y / r->sy) * (size_t)r->w + (size_t)(x / r->sx)] |= bit;
}

static uint32_t raster_glyph(const struct raster *r, enum raster_layer l, uint8_t bits)
{
	switch (r->glyphs) {
	case GLYPHS_BRAILLE: return 0x2800u + bits;
	case GLYPHS_BLOCK: return l == RASTER_RAW ? 0x2591 : l == RASTER_REF ? '~' : bits == 1 ? 0x2580 : bits == 2 ? 0x2584 : 0x2588;
	default: return l == RASTER_RAW ? '.' : l == RASTER_REF ? '~' : '#';
	}
}

void raster_draw(const struct raster *r, struct grid *g, struct rect at, enum attr raw, enum attr line)
{
	for (int y = 0; y < r->h; y++)
		for (int x = 0; x < r->w; x++) {
			size_t i = (size_t)y * (size_t)r->w + (size_t)x;
			/* Where the line runs it runs alone: it stays readable in the thickest cloud of raw dots. */
			if (r->bits[RASTER_LINE][i])
				grid_put(g, at, x, y, line, raster_glyph(r, RASTER_LINE, r->bits[RASTER_LINE][i]));
			else if (r->bits[RASTER_RAW][i])
				grid_put(g, at, x, y, raw, raster_glyph(r, RASTER_RAW, r->bits[RASTER_RAW][i]));
			else if (r->bits[RASTER_REF][i])
				grid_put(g, at, x, y, ATTR_REF, raster_glyph(r, RASTER_REF, r->bits[RASTER_REF][i]));
		}
}

void draw_bar(struct grid *g, struct rect r, int x, int y, int width, double value, enum attr a, enum glyphs gl)
{
	if (!(value > 0) || width < 1)
		return;
	int eighths = (int)lround(fmin(value, 1) * width * 8);
	for (int i = 0; i < width && eighths > 0; i++, eighths -= 8) {
		uint32_t ch = eighths >= 8 ? 0x2588 : 0x2590u - (uint32_t)eighths;
		if (gl != GLYPHS_BRAILLE)
			ch = eighths < 4 ? 0 : gl == GLYPHS_ASCII ? '#' : eighths >= 8 ? 0x2588 : 0x258c;
		if (ch)
			grid_put(g, r, x + i, y, a, ch);
	}
}

void draw_spark(struct grid *g, struct rect r, const float *v, int n, double lo, double hi, enum attr a, enum glyphs gl)
{
	struct raster ras;
	if (r.w < 1 || r.h < 1 || !(hi > lo))
		return;
	if (!raster_init(&ras, r.w, r.h, gl)) {
		int cols = r.w * ras.sx, rows = r.h * ras.sy, from = MAX(n - cols, 0), last = -1;
		for (int i = from; i < n; i++) {
			int x = cols - (n - i), y;
			if (!isfinite(v[i])) {
				last = -1;
				continue;
			}
			y = (int)lround((1 - fmin(fmax((v[i] - lo) / (hi - lo), 0), 1)) * (rows - 1));
			/* One row high: filled, four steps of a line would say nothing. */
			if (r.h == 1)
				last = rows - 1;
			int a0 = last < 0 ? y : MIN(last, y), a1 = last < 0 ? y : MAX(last, y);
			for (int k = a0; k <= a1; k++)
				if (last < 0 || k != last || y == last || r.h == 1)
					raster_dot(&ras, RASTER_LINE, x, k);
			last = y;
		}
		raster_draw(&ras, g, r, a, a);
	}
	raster_done(&ras);
}
