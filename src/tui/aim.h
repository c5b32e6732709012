/* aim.h: which steps the curves show, and the one cursor over all panes. Changes the view, draws nothing.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TUI_AIM_H
#define ANETUI_TUI_AIM_H

#include "tui/view.h"

/* By columns of the loss curve; the first move sets the cursor on the latest step. At an edge the curve is shifted. */
void aim_move(struct view *v, int columns);
/* On a place of the screen: 1 when the loss curve is there. */
int aim_at(struct view *v, int x, int y);
void aim_to(struct view *v, uint64_t step);
void aim_off(struct view *v);
/* Twice as near (around the cursor, else the latest stays in sight), or half. */
void aim_zoom(struct view *v, int in);
/* By quarters of what is shown; beyond the latest step the curve follows again. */
void aim_pan(struct view *v, int quarters);
/* The whole run, or the recent part of it. */
void aim_window(struct view *v);
/* From here on for the x axis: what follows `x` that there are numbers for. */
void aim_axis(struct view *v);

/* What the cursor stands on; NULL: there is none, or nothing to stand on. */
const struct bucket *aim_bucket(const struct view *v);
/* The sample that is shown, as data_sample counts: the cursor's, else the chosen one. */
int aim_sample(const struct view *v);
/* "last 2000", "10 340 to 12 340", "whole run". */
void aim_words(const struct view *v, char *buf, size_t n);

#endif
