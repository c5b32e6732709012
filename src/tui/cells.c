/* cells.c: cells, their text and its width. Knows no pane.
 * SPDX-License-Identifier: MIT */
#include "tui/cells.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "base/mem.h"
#include "base/utf8.h"

static const struct cell blank = {' ', 0, 1, ATTR_TEXT};

int grid_resize(struct grid *g, int w, int h)
{
	w = MAX(w, 1);
	h = MAX(h, 1);
	if (w != g->w || h != g->h) {
		struct cell *c = mem_zalloc((size_t)w * (size_t)h, sizeof *c);
		if (!c)
			return -1;
		free(g->cell);
		g->cell = c;
		g->w = w;
		g->h = h;
	}
	grid_clear(g);
	return 0;
}

void grid_done(struct grid *g)
{
	free(g->cell);
	*g = (struct grid){0};
}

void grid_clear(struct grid *g)
{
	for (int i = 0; i < g->w * g->h; i++)
		g->cell[i] = blank;
	g->cursor_x = g->cursor_y = -1;
}

void grid_dump(const struct grid *g, struct str *out)
{
	for (int y = 0; y < g->h; y++) {
		const struct cell *row = g->cell + (size_t)y * (size_t)g->w;
		int end = g->w;
		while (end > 0 && row[end - 1].ch == ' ' && row[end - 1].width == 1 && !row[end - 1].mark)
			end--;
		for (int x = 0; x < end; x++) {
			char b[4];
			if (!row[x].width)
				continue;
			str_add(out, b, (size_t)utf8_encode(row[x].ch, b));
			if (row[x].mark)
				str_add(out, b, (size_t)utf8_encode(row[x].mark, b));
		}
		str_putc(out, '\n');
	}
}

/* Where the C library's table is of no use (a locale without these characters): the wide blocks and the combining ones that matter. */
static int fallback_width(uint32_t c)
{
	static const uint32_t wide[][2] = {{0x1100, 0x115f}, {0x2e80, 0x303e}, {0x3041, 0xa4cf}, {0xac00, 0xd7a3}, {0xf900, 0xfaff}, {0xfe30, 0xfe6f},
		{0xff00, 0xff60}, {0xffe0, 0xffe6}, {0x1f300, 0x1f64f}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd}};
	static const uint32_t zero[][2] = {{0x300, 0x36f}, {0x591, 0x5bd}, {0x610, 0x61a}, {0x64b, 0x65f}, {0x93c, 0x93c}, {0x94d, 0x94d}, {0xe31, 0xe31},
		{0xe34, 0xe3a}, {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x20d0, 0x20ff}, {0x3099, 0x309a}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}, {0xe0100, 0xe01ef}};
	for (size_t i = 0; i < ARRAY_LEN(zero); i++)
		if (c >= zero[i][0] && c <= zero[i][1])
			return 0;
	for (size_t i = 0; i < ARRAY_LEN(wide); i++)
		if (c >= wide[i][0] && c <= wide[i][1])
			return 2;
	return 1;
}

int cell_width(uint32_t cp)
{
	if (cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || cp > 0x10ffff)
		return -1;
	if (cp < 0x300)
		return cp == 0xad ? -1 : 1;
	/* Direction marks, joiners and the like would act on the terminal's own line. */
	if ((cp >= 0x200b && cp <= 0x200f) || (cp >= 0x2028 && cp <= 0x202e) || (cp >= 0x2060 && cp <= 0x206f) || cp == 0xfeff || (cp >= 0xfff9 && cp <= 0xfffb))
		return -1;
	int w = wcwidth((wchar_t)cp);
	return w >= 0 ? MIN(w, 2) : fallback_width(cp);
}

/* Bytes of an escape sequence at s: CSI up to its final byte, OSC and the like up to BEL or ST, else ESC alone. */
static size_t escape_length(const char *s, size_t n)
{
	if (n < 2 || !strchr("[]PX^_", s[1]) || !s[1])
		return 1;
	for (size_t i = 2; i < n && i < 512; i++) {
		unsigned char c = (unsigned char)s[i];
		if (s[1] == '[' && c >= 0x40 && c <= 0x7e)
			return i + 1;
		if (s[1] == '[' && (c < 0x20 || c > 0x7e))
			return i;
		if (s[1] != '[' && c == 7)
			return i + 1;
		if (s[1] != '[' && c == '\\' && s[i - 1] == 0x1b)
			return i + 1;
		if (s[1] != '[' && c == '\n')
			return i;
	}
	return 2;
}

int text_next(const char **s, size_t *n, uint32_t *cp)
{
	while (*n) {
		int len = utf8_decode(*s, *n, cp);
		if (len > 0 && *cp == 0x1b) {
			size_t skip = escape_length(*s, *n);
			*s += skip;
			*n -= skip;
			continue;
		}
		if (len < 0) {
			*cp = 0xfffd;
			len = 1;
		}
		*s += len;
		*n -= (size_t)len;
		if (*cp == '\n')
			return 0;
		if (*cp == '\t')
			*cp = ' ';
		int w = cell_width(*cp);
		if (w >= 0)
			return w;
	}
	return -1;
}

int text_width(const char *s)
{
	size_t n = strlen(s);
	uint32_t cp;
	int sum = 0;
	for (int w; (w = text_next(&s, &n, &cp)) >= 0;)
		sum += w;
	return sum;
}

size_t text_wrap(const char *s, size_t n, int width, size_t *show)
{
	const char *p = s, *blank_at = NULL, *after_blank = NULL;
	size_t left = n;
	int col = 0;
	width = MAX(width, 1);
	for (;;) {
		const char *before = p;
		uint32_t cp;
		int w = text_next(&p, &left, &cp);
		if (w < 0 || cp == '\n') {
			*show = (size_t)((w < 0 ? p : before) - s);
			return (size_t)(p - s);
		}
		if (cp == ' ' && col > 0) {
			blank_at = before;
			after_blank = p;
			/* Blanks at the end of a line may stick out: they are not drawn. */
			if (col >= width) {
				*show = (size_t)(before - s);
				return (size_t)(p - s);
			}
		}
		if (col + w > width && before > s) {
			if (blank_at) {
				*show = (size_t)(blank_at - s);
				return (size_t)(after_blank - s);
			}
			*show = (size_t)(before - s);
			return *show;
		}
		col += w;
	}
}

int text_lines(const char *s, size_t n, int width)
{
	int lines = 0;
	while (n) {
		size_t show, used = text_wrap(s, n, width, &show);
		s += used;
		n -= used;
		lines++;
	}
	return lines;
}

static struct rect rect_clip(const struct grid *g, struct rect r)
{
	int x1 = MIN(r.x + r.w, g->w), y1 = MIN(r.y + r.h, g->h);
	struct rect c = {MAX(r.x, 0), MAX(r.y, 0), 0, 0};
	c.w = MAX(x1 - c.x, 0);
	c.h = MAX(y1 - c.y, 0);
	return c;
}

/* A cell is about to be replaced: when it is half of a wide character, the other half becomes a blank. */
static void cell_free(struct grid *g, int x, int y)
{
	struct cell *c = &g->cell[(size_t)y * (size_t)g->w + (size_t)x];
	if (c->width == 2 && x + 1 < g->w)
		c[1] = (struct cell){' ', 0, 1, c->attr};
	if (c->width == 0 && x > 0)
		c[-1] = (struct cell){' ', 0, 1, c->attr};
}

/* Absolute place; the caller has clipped. w is 1 or 2. */
static void cell_set(struct grid *g, int x, int y, enum attr a, uint32_t ch, int w)
{
	struct cell *c = &g->cell[(size_t)y * (size_t)g->w + (size_t)x];
	cell_free(g, x, y);
	*c = (struct cell){ch, 0, (uint8_t)w, (uint8_t)a};
	if (w == 2) {
		cell_free(g, x + 1, y);
		c[1] = (struct cell){0, 0, 0, (uint8_t)a};
	}
}

void grid_put(struct grid *g, struct rect r, int x, int y, enum attr a, uint32_t ch)
{
	struct rect c = rect_clip(g, r);
	int w = cell_width(ch), ax = r.x + x, ay = r.y + y;
	if (w < 1 || ax < c.x || ay < c.y || ax >= c.x + c.w || ay >= c.y + c.h)
		return;
	if (ax + w > c.x + c.w)
		cell_set(g, ax, ay, a, ' ', 1);
	else
		cell_set(g, ax, ay, a, ch, w);
}

int grid_textn(struct grid *g, struct rect r, int x, int y, enum attr a, const char *s, size_t n)
{
	struct rect c = rect_clip(g, r);
	struct cell *last = NULL;
	uint32_t cp;
	int ay = r.y + y, outside = ay < c.y || ay >= c.y + c.h;
	for (int w; (w = text_next(&s, &n, &cp)) >= 0; x += w) {
		int ax = r.x + x;
		if (w == 0) {
			if (last && cp != '\n' && !last->mark)
				last->mark = cp;
			continue;
		}
		last = NULL;
		if (outside || ax < c.x || ax >= c.x + c.w)
			continue;
		grid_put(g, r, x, y, a, cp);
		last = &g->cell[(size_t)ay * (size_t)g->w + (size_t)ax];
	}
	return x;
}

int grid_text(struct grid *g, struct rect r, int x, int y, enum attr a, const char *s)
{
	return grid_textn(g, r, x, y, a, s, strlen(s));
}

int grid_printf(struct grid *g, struct rect r, int x, int y, enum attr a, const char *fmt, ...)
{
	char buf[1024];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(buf, sizeof buf, fmt, ap);
	va_end(ap);
	return grid_text(g, r, x, y, a, buf);
}

void grid_look(struct grid *g, struct rect r, enum attr a)
{
	struct rect c = rect_clip(g, r);
	for (int y = c.y; y < c.y + c.h; y++)
		for (int x = c.x; x < c.x + c.w; x++)
			g->cell[(size_t)y * (size_t)g->w + (size_t)x].attr = (uint8_t)a;
}

void grid_fill(struct grid *g, struct rect r, uint32_t ch, enum attr a)
{
	struct rect c = rect_clip(g, r);
	for (int y = c.y; y < c.y + c.h; y++)
		for (int x = c.x; x < c.x + c.w; x++)
			cell_set(g, x, y, a, ch, 1);
}
