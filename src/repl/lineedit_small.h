/* lineedit_small.h: the small line editor for when libedit cannot be had or was switched off. Used by lineedit.c only.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_REPL_LINEEDIT_SMALL_H
#define ANETUI_REPL_LINEEDIT_SMALL_H

#include <stddef.h>
#include <wchar.h>

#include "repl/history.h"

enum { SMALL_MAX = 4095 };

struct small_editor {
	const struct history *history;
	int at;                       /* line of the history that is shown; history_count: the one being typed */
	int length, cursor;           /* characters */
	wchar_t text[SMALL_MAX + 1];
	wchar_t typed[SMALL_MAX + 1]; /* kept while the history is walked */
};

enum small_result { SMALL_GOES_ON, SMALL_LINE, SMALL_COMPLETE };

void small_init(struct small_editor *s, const struct history *h);
void small_clear(struct small_editor *s);
/* Takes one character or enum lineedit_key. SMALL_LINE: Enter was pressed, the text is whole. */
enum small_result small_key(struct small_editor *s, wchar_t c);
void small_insert(struct small_editor *s, const wchar_t *text);
void small_delete_before(struct small_editor *s, int n);

#endif
