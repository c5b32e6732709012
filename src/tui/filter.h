/* filter.h: the text after `/`: what the focused pane leaves out. Changes the view, draws nothing.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TUI_FILTER_H
#define ANETUI_TUI_FILTER_H

#include <wchar.h>

#include "tui/view.h"

/* For the open answer, else the settings screen, else kernels or the log by the focus (other panes have nothing to leave out: then the log). */
void filter_begin(struct view *v);
/* A key while it is typed: a character (0: none) and its name. */
void filter_key(struct view *v, wchar_t c, const char *name);
/* The text that is being typed or in force. */
const char *filter_text(const struct view *v, enum filtering what);
/* 1: `text` has the filter in it, letters of either case; an empty one is in every text. */
int filter_passes(const char *text, size_t n, const char *filter);

#endif
