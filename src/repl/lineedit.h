/* lineedit.h: the line editor: libedit on a private pseudo-terminal, drawn by the caller. No curses, no commands.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_REPL_LINEEDIT_H
#define ANETUI_REPL_LINEEDIT_H

#include <stddef.h>
#include <wchar.h>

#include "base/err.h"
#include "base/handover.h"

struct lineedit;

/* The caller's loop lives inside `next`: it is called whenever the editor wants a character; it draws, waits and returns 1 with *c, or 0 to end lineedit_run. */
struct lineedit_host {
	void *ctx;
	int (*next)(void *ctx, wchar_t *c);
	void (*line)(void *ctx, const char *utf8);  /* Enter: a whole line */
	void (*complete)(void *ctx);                /* Tab: the host reads lineedit_state and calls lineedit_insert or shows candidates */
};

/* history: file path (mode 0600), or NULL for none. from: what another process has handed over, or NULL. To be called after setlocale and before the screen is opened. */
struct lineedit *lineedit_new(const struct lineedit_host *h, const char *history, const struct handover *from, struct err *e);
/* The history, and the keys of the line that is being typed: with them as `from` another editor comes to the same line, cursor, mode, search and place in the
 * history before it asks its host for the first character. */
void lineedit_hand_over(struct lineedit *l, struct handover *to);
void lineedit_free(struct lineedit *l);    /* writes the history (merging what another session added) */
/* Writes the history now; for hosts that want to tell why it failed. */
int lineedit_save(struct lineedit *l, struct err *e);
/* What reading ~/.editrc had to say, or why there is only the small editor without libedit; NULL when all is well. */
const char *lineedit_warning(const struct lineedit *l);
/* 1: vi keys, so that a lone Escape belongs to the editor; 0: it cancels the line (LE_CANCEL). */
int lineedit_is_vi(const struct lineedit *l);
/* Returns when next returned 0. Lines that begin with a blank, repeat the latest, or have 1,000 bytes and more are not kept in the history. */
void lineedit_run(struct lineedit *l);

/* Codes that `next` may return for keys that have no character; bound in every map. */
enum lineedit_key { LE_UP = 0x80, LE_DOWN, LE_LEFT, LE_RIGHT, LE_HOME, LE_END, LE_DELETE, LE_CANCEL };

/* The line as it stands: UTF-8, cursor as a byte offset; `search` is the incremental search prompt ("bck:pat") or empty. */
struct lineedit_view { const char *line; size_t cursor; const char *search; int vi_command; };
void lineedit_state(struct lineedit *l, struct lineedit_view *v);
void lineedit_insert(struct lineedit *l, const char *utf8);
/* Replaces the bytes [from, cursor) by utf8. */
void lineedit_replace(struct lineedit *l, size_t from, const char *utf8);
void lineedit_set(struct lineedit *l, const char *utf8);

#endif
