/* screen.h: a grid on the terminal, and keys from it: all there is of curses. Knows no pane and no command.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TUI_SCREEN_H
#define ANETUI_TUI_SCREEN_H

#include <wchar.h>

#include "base/err.h"
#include "tui/cells.h"
#include "tui/raster.h"

struct screen;

/* Takes the terminal behind `out` (output) and descriptor 0 (keys) into raw mode and its other screen. LC_CTYPE is set before. shown: another process has done all that, and
 * this is what its terminal shows: not a cell changes. NULL and an error. */
struct screen *screen_open(int out, int err_fd, const struct grid *shown, struct err *e);
/* What the terminal shows. */
const struct grid *screen_shown(const struct screen *s);
/* Leaves everything as it was. dead: the terminal is gone, nothing is written. NULL is allowed. */
void screen_close(struct screen *s, int dead);
/* Why a terminal of this description cannot be used (it knows no cursor movement, nobody knows it), or NULL. */
const char *screen_refuses(void);

/* What fits this terminal and locale: ANETUI_GLYPHS, else ASCII without UTF-8, blocks on the Linux console, else braille. */
enum glyphs screen_glyphs(void);
/* Asks the terminal for its size; at least 1x1. */
void screen_size(struct screen *s, int *w, int *h);
/* Shows the grid (of that size), writing only what changed; returns the nanoseconds that the terminal took. `all`: everything anew. */
uint64_t screen_show(struct screen *s, const struct grid *g, int all);

/* Other colours, by number; everything has to be drawn anew then. Without colours nothing changes. */
void screen_theme(struct screen *s, int theme);
/* Whether the terminal reports its mouse: 1, 0, or -1 to turn it over; returns how it is now. */
int screen_mouse(struct screen *s, int on);

/* Gives the terminal back for a while, and takes it again. */
void screen_leave(struct screen *s);
void screen_return(struct screen *s);

enum screen_key_kind { SCREEN_NONE, SCREEN_CHAR, SCREEN_NAMED, SCREEN_PASTE_BEGIN, SCREEN_PASTE_END, SCREEN_MOUSE };
enum screen_button { SCREEN_PRESS, SCREEN_DRAG, SCREEN_RELEASE, SCREEN_WHEEL_UP, SCREEN_WHEEL_DOWN };
struct screen_key {
	enum screen_key_kind kind;
	wchar_t c;      /* SCREEN_CHAR, also controls (3 is ^C) */
	int alt;        /* with Escape before it */
	int x, y;       /* SCREEN_MOUSE */
	enum screen_button button;
	char name[16];  /* as in keys.def, for both kinds: "F1", "^L", "q", "Space" */
};
/* The next key that has been typed; 0: none. */
int screen_read_key(struct screen *s, struct screen_key *k);

#endif
