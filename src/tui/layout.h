/* layout.h: where everything stands on a screen of w x h cells. Pure arithmetic: no drawing, no state.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TUI_LAYOUT_H
#define ANETUI_TUI_LAYOUT_H

#include "tui/cells.h"

/* In the order of their numbers on the screen, which are also the zoom keys (1 = loss). */
enum pane { PANE_LOSS, PANE_NOW, PANE_POWER, PANE_KERNELS, PANE_SAMPLE, PANE_LOG, PANE_CURVES, PANE_BIG, PANE_N };

/* AUTO takes the richest arrangement that is comfortable; a named one is taken where it fits, else the next smaller. BARE is status line and prompt. */
enum layout_kind {
	LAYOUT_AUTO,
#define LAYOUT(KIND, name, w, h, min_w, min_h, narrow, boxed, tree, narrow_tree) LAYOUT_##KIND,
#include "tui/layout.def"
#undef LAYOUT
	LAYOUT_BARE
};

/* The boundary between two parts, which can be moved. */
enum { SPLITS = 8 };
struct layout_split {
	int upright;                 /* 1: a column, between parts side by side; 0: a row */
	int at;                      /* of the first cell of the later part */
	struct rect span;            /* of both parts */
	unsigned before, after;      /* the panes in them, one bit each */
};

/* Cells by which the boundaries of each arrangement were moved. */
struct layout_moves { short by[LAYOUT_BARE + 1][SPLITS]; };

struct layout {
	enum layout_kind kind;
	int boxed;                   /* panes have a frame all around (wide, tall); else one title line (strips) or none (tiny) */
	struct rect state, help, prompt;  /* one line each; h == 0: not shown */
	struct rect body;            /* everything between: answers open over its lower part */
	struct rect pane[PANE_N];    /* with frame or title; w == 0: not shown */
	struct rect lines;           /* tiny: a few lines of text below the plot */
	int nsplit;
	struct layout_split split[SPLITS];
};

/* zoom: a pane that takes the whole body, or -1. w, h >= 1. moves may be NULL; what they ask for beyond what there is room for is left undone. */
void layout_make(struct layout *l, int w, int h, enum layout_kind wish, int zoom, const struct layout_moves *moves);
/* The boundary in that cell of the screen; -1: none. */
int layout_split_at(const struct layout *l, int x, int y);
/* The nearest boundary that makes the pane wider (or higher), and in *sign which way it is to be moved for that; -1: none. */
int layout_split_of(const struct layout *l, enum pane p, int upright, int *sign);
/* What remains of a pane for its contents. */
struct rect layout_inside(const struct layout *l, enum pane p);

/* By name, for `layout` and `zoom`; -1: unknown. Prefixes are not taken. */
int layout_find(const char *name);
int layout_find_pane(const char *name);
const char *layout_name(enum layout_kind k);
const char *layout_pane_name(enum pane p);

#endif
