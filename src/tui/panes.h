/* panes.h: what stands in each pane, and the whole frame. They read the view and draw cells; the only thing they write back is how far a pane can scroll.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TUI_PANES_H
#define ANETUI_TUI_PANES_H

#include "tui/cells.h"
#include "tui/keys.h"
#include "tui/view.h"

/* The whole screen, the cursor's place included. g has the size that it is drawn for; *l is filled. */
void frame_draw(struct grid *g, struct view *v, struct layout *l);

/* Contents; r is the inside of the pane. `note` is what its title line says at the right. */
enum { NOTE = 192 };
void pane_loss(struct grid *g, struct view *v, struct rect r, int roomy);
void pane_loss_note(const struct view *v, int values, int room, char note[NOTE]);
void pane_curves(struct grid *g, struct view *v, struct rect outer, int boxed);
/* What was at the cursor's step, in the place of the pane of now. */
void pane_at(struct grid *g, struct view *v, struct rect r);
void pane_now(struct grid *g, struct view *v, struct rect r);
void pane_power(struct grid *g, struct view *v, struct rect r);
void pane_kernels(struct grid *g, struct view *v, struct rect r);
void pane_kernels_note(const struct view *v, int room, char note[NOTE]);
void pane_sample(struct grid *g, struct view *v, struct rect r);
void pane_sample_note(const struct view *v, char note[NOTE]);
void pane_log_note(const struct view *v, int room, char note[NOTE]);
void pane_log(struct grid *g, struct view *v, struct rect r);
void pane_big(struct grid *g, struct view *v, struct rect r);
void pane_answer(struct grid *g, struct view *v, const struct layout *l);
void pane_settings(struct grid *g, struct view *v, const struct layout *l);
/* The few lines of the tiny layout. */
void pane_lines(struct grid *g, struct view *v, struct rect r);

void bar_state(struct grid *g, struct view *v, struct rect r, enum layout_kind kind);
void bar_help(struct grid *g, struct view *v, struct rect r);
/* The key whose word stands in that column of the screen; KEYS_NONE: none. */
enum key_action bar_help_at(const struct view *v, struct rect r, int x);
void bar_prompt(struct grid *g, struct view *v, const struct layout *l);

/* A frame (boxed) or a title line. */
void draw_frame(struct grid *g, struct rect r, const char *title, const char *note, int focused, int boxed, enum glyphs gl);
/* 1: the y axis of the loss is logarithmic now: as chosen, or by itself when the curve spans much. */
int view_log_y(const struct view *v);
/* Says what to do where there is nothing to draw yet. */
void draw_nothing(struct grid *g, const struct view *v, struct rect r);

#endif
