/* setlist.h: the list behind the settings screen: which rows are shown, which is chosen, what a press to the left or right makes of a value. Draws nothing, changes no setting.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TUI_SETLIST_H
#define ANETUI_TUI_SETLIST_H

#include "tui/view.h"

/* The settings that pass the filter (in name or help), in the order of their table; returns how many. */
int setlist_make(const struct view *v, int list[SET_N]);
/* Opens it with what has `filter` in it (NULL: all); a filter that is a key chooses that one. */
void setlist_open(struct view *v, const char *filter);
void setlist_close(struct view *v);
/* 1: it is open and nothing lies over it, so keys are its own. */
static inline int setlist_on_top(const struct view *v) { return v->setlist.open && !v->answer.open; }
/* The choice goes by so many rows of the list, and stays at its ends. */
void setlist_move(struct view *v, int by);
/* After the filter has changed: what is chosen has to be in the list. */
void setlist_settle(struct view *v);

/* 1: `value` is not what the table has. */
int setlist_differs(const struct settings *s, enum setting_id id);
/* The table's own value, as `set` would take it. */
char *setlist_default(enum setting_id id, char buf[SETTING_TEXT_MAX]);
/* What may stand there: "0 to 10", "constant cosine linear wsd". */
char *setlist_range(enum setting_id id, char buf[SETTING_TEXT_MAX]);
/* When a change counts, in words. */
const char *setlist_when(enum setting_id id);
/* The value `by` presses further (to the left: negative), as `set` would take it. 0: there is none (an end, or text). Choices go round. */
int setlist_step(enum setting_id id, const char *value, int by, char out[SETTING_TEXT_MAX]);

#endif
