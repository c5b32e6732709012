/* picture.c: the looks of theme.def without a terminal: 256 colours on the ground that the theme is for.
 * SPDX-License-Identifier: MIT */
#include "tui/picture.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

/* The cells of row y from x on that look alike: where they end. Blanks look like any text without a ground of its own. */
static int run_end(const struct cell *row, int w, int x)
{
	int a = row[x].attr;
	while (x < w && row[x].attr == a)
		x++;
	return x;
}

static void put_char(struct str *out, const struct cell *c, int xml)
{
	char b[4];
	if (!c->width)
		return;
	if (xml && (c->ch == '<' || c->ch == '&' || c->ch == '>'))
		str_puts(out, c->ch == '<' ? "&lt;" : c->ch == '&' ? "&amp;" : "&gt;");
	else
		str_add(out, b, (size_t)utf8_encode(c->ch, b));
	if (c->mark)
		str_add(out, b, (size_t)utf8_encode(c->mark, b));
}

/* xterm's palette: 16 named ones, a cube of 6 x 6 x 6, 24 greys. */
static unsigned rgb(int c)
{
	static const unsigned named[16] = {0x000000, 0xcd3131, 0x0dbc79, 0xe5e510, 0x2472c8, 0xbc3fbc, 0x11a8cd, 0xe5e5e5,
					   0x666666, 0xf14c4c, 0x23d18b, 0xf5f543, 0x3b8eea, 0xd670d6, 0x29b8db, 0xffffff};
	if (c < 16)
		return named[MAX(c, 0)];
	if (c >= 232)
		return 0x010101u * (unsigned)(8 + 10 * (c - 232));
	unsigned v[3], k = (unsigned)c - 16, all = 0;
	for (int i = 2; i >= 0; i--, k /= 6)
		v[i] = k % 6 ? 55 + 40 * (k % 6) : 0;
	for (int i = 0; i < 3; i++)
		all = all << 8 | v[i];
	return all;
}

/* --- SVG --- */

/* In tenths of a unit, so that no number needs a locale. */
enum { CELL_W = 84, CELL_H = 180, BASE = 140, EDGE = 100 };

static void place(struct str *out, const char *name, int tenths)
{
	str_printf(out, " %s=\"%d.%d\"", name, tenths / 10, tenths % 10);
}

static int is_blank(const struct cell *row, int from, int to)
{
	for (int x = from; x < to; x++)
		if (row[x].ch != ' ' && row[x].width)
			return 0;
	return 1;
}

/* What a terminal with this theme has behind and before everything. */
struct paper { unsigned ground, ink; };

static struct paper paper_of(int theme)
{
	static const struct paper dark = {0x16181c, 0xd8d8d8}, light = {0xfbfbf8, 0x202020};
	return strcmp(theme_name(theme), "light") ? dark : light;
}

static void svg_run(struct str *out, const struct cell *row, int from, int to, int y, int theme)
{
	struct paper paper = paper_of(theme);
	struct look look = theme_look(theme, (enum attr)row[from].attr), *l = &look;
	const char *flags = theme_is_mono(theme) ? l->mono : l->flags;
	if (theme_is_mono(theme))
		l->fg256 = l->bg256 = -1;
	unsigned ink = l->fg256 >= 0 ? rgb(l->fg256) : paper.ink, ground = l->bg256 >= 0 ? rgb(l->bg256) : paper.ground;
	/* Turned over: the ground in the colour of text. */
	if (strchr(flags, 'r')) {
		unsigned keep = ink;
		ink = ground;
		ground = keep;
	}
	if (ground != paper.ground) {
		str_puts(out, "<rect");
		place(out, "x", EDGE + from * CELL_W);
		place(out, "y", EDGE + y * CELL_H);
		place(out, "width", (to - from) * CELL_W);
		place(out, "height", CELL_H);
		str_printf(out, " fill=\"#%06x\"/>", ground);
	}
	if (is_blank(row, from, to))
		return;
	while (row[from].ch == ' ')
		from++;
	while (row[to - 1].ch == ' ')
		to--;
	str_puts(out, "<text");
	place(out, "x", EDGE + from * CELL_W);
	place(out, "y", EDGE + y * CELL_H + BASE);
	/* Whatever font draws braille and lines: a run is as wide as its cells. */
	place(out, "textLength", (to - from) * CELL_W);
	str_printf(out, " fill=\"#%06x\"%s>", ink, strchr(flags, 'b') ? " font-weight=\"bold\"" : "");
	for (int x = from; x < to; x++)
		put_char(out, &row[x], 1);
	str_puts(out, "</text>");
}

void picture_svg(const struct grid *g, int theme, struct str *out)
{
	int w = g->w * CELL_W + 2 * EDGE, h = g->h * CELL_H + 2 * EDGE;
	str_printf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"DejaVu Sans Mono, Menlo, Consolas, monospace\" font-size=\"14\">\n", (w + 9) / 10, (h + 9) / 10);
	str_puts(out, "<style>text{white-space:pre}</style>\n<rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"#");
	str_printf(out, "%06x\"/>\n", paper_of(theme).ground);
	for (int y = 0; y < g->h; y++) {
		const struct cell *row = g->cell + (size_t)y * (size_t)g->w;
		for (int x = 0, end; x < g->w; x = end) {
			end = run_end(row, g->w, x);
			svg_run(out, row, x, end, y, theme);
		}
		str_putc(out, '\n');
	}
	str_puts(out, "</svg>\n");
}

/* --- ANSI --- */

void picture_ansi(const struct grid *g, int theme, struct str *out)
{
	for (int y = 0; y < g->h; y++) {
		const struct cell *row = g->cell + (size_t)y * (size_t)g->w;
		for (int x = 0, end; x < g->w; x = end) {
			const struct look look = theme_look(theme, (enum attr)row[x].attr), *l = &look;
			int mono = theme_is_mono(theme);
			end = run_end(row, g->w, x);
			str_puts(out, "\033[0");
			if (l->fg256 >= 0 && !mono)
				str_printf(out, ";38;5;%d", l->fg256);
			if (l->bg256 >= 0 && !mono)
				str_printf(out, ";48;5;%d", l->bg256);
			for (const char *f = mono ? l->mono : l->flags; *f; f++)
				str_printf(out, ";%d", *f == 'b' ? 1 : *f == 'd' ? 2 : *f == 'u' ? 4 : 7);
			str_putc(out, 'm');
			for (int k = x; k < end; k++)
				put_char(out, &row[k], 0);
		}
		str_puts(out, "\033[0m\n");
	}
}

void picture_make(const struct grid *g, int theme, const char *path, struct str *out)
{
	const char *dot = strrchr(path, '.');
	if (dot && !strcmp(dot, ".svg"))
		picture_svg(g, theme, out);
	else if (dot && (!strcmp(dot, ".ans") || !strcmp(dot, ".ansi")))
		picture_ansi(g, theme, out);
	else
		grid_dump(g, out);
}
