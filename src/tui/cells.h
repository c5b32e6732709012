/* cells.h: a grid of character cells that panes draw into. No curses: screen.c shows a grid, grid_dump writes it as text.
 *
 * Text is UTF-8 from anywhere (a model, a library, a file name): control characters and escape sequences never reach a cell.
 * A wide character takes two cells, the second of width 0; what would be cut in half becomes blanks.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TUI_CELLS_H
#define ANETUI_TUI_CELLS_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "tui/theme.h"

struct rect { int x, y, w, h; };

struct cell {
	uint32_t ch;    /* ' ' when empty */
	uint32_t mark;  /* one combining mark, or 0 */
	uint8_t width;  /* 1, 2, or 0: the right half of a wide character */
	uint8_t attr;   /* enum attr */
};

struct grid {
	int w, h;
	struct cell *cell;       /* [h][w] */
	int cursor_x, cursor_y;  /* -1: hidden */
};

/* Empties the grid and gives it w x h cells (at least 1x1). 0, or -1 when memory is out (the grid is then as before). */
int grid_resize(struct grid *g, int w, int h);
void grid_done(struct grid *g);
void grid_clear(struct grid *g);
/* The grid as text, a line each row, blanks at the end left out. */
void grid_dump(const struct grid *g, struct str *out);

/* All drawing is relative to `r` and clipped to it and the grid. grid_text and grid_printf return the column after the text, also when it was cut. */
void grid_put(struct grid *g, struct rect r, int x, int y, enum attr a, uint32_t ch);
int grid_text(struct grid *g, struct rect r, int x, int y, enum attr a, const char *s);
int grid_textn(struct grid *g, struct rect r, int x, int y, enum attr a, const char *s, size_t n);
int grid_printf(struct grid *g, struct rect r, int x, int y, enum attr a, const char *fmt, ...) __attribute__((format(printf, 6, 7)));
/* Another look for what stands there. */
void grid_look(struct grid *g, struct rect r, enum attr a);
void grid_fill(struct grid *g, struct rect r, uint32_t ch, enum attr a);

/* Columns of a code point: 2, 1, 0 (combining), -1 (nothing to draw: controls, direction marks). */
int cell_width(uint32_t cp);
/* Takes the next character that is drawn off the front of (*s, *n): its code point and width (0 for a combining mark); -1 at the end.
 * Bad UTF-8 becomes U+FFFD, a tab a blank; '\n' is passed on with width 0. */
int text_next(const char **s, size_t *n, uint32_t *cp);
int text_width(const char *s);

/* One screen line off the front of a text, broken at blanks where possible: returns the bytes to go on after, and in *show the bytes to draw. */
size_t text_wrap(const char *s, size_t n, int width, size_t *show);
/* Lines that a text takes. */
int text_lines(const char *s, size_t n, int width);

#endif
