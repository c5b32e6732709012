/* history.h: the lines that were typed, and the file that keeps them. No editor, no terminal.
 *
 * The file is plain UTF-8, one line each, the oldest first, mode 0600. libedit's own format and its loading and saving are not used: loading writes past its buffer
 * for an entry of exactly 1,024 bytes, saving takes a full disk for success, and the last session to end would win. SPDX-License-Identifier: MIT */
#ifndef ANETUI_REPL_HISTORY_H
#define ANETUI_REPL_HISTORY_H

#include "base/err.h"
#include "base/handover.h"

enum { HISTORY_LINES = 1000, HISTORY_LINE_MAX = 1000 };  /* lines kept; bytes from which on a line is not kept */

struct history;

/* Reads the file; one that is missing, or lines in it that are no text, are no error. path NULL: nothing is kept. NULL only without memory. */
struct history *history_open(const char *path, struct err *e);
void history_close(struct history *h);   /* does not save */
/* For a restarted process: all lines, and which of them are not in the file yet. */
void history_hand_over(const struct history *h, struct handover *to);
struct history *history_take_over(const char *path, const struct handover *from, struct err *e);
int history_count(const struct history *h);
const char *history_line(const struct history *h, int i);   /* 0 is the oldest */
/* 1: kept; 0: not, as it is empty, begins with a blank, repeats the latest, or is too long. */
int history_add(struct history *h, const char *line);
/* Adds this session's lines to what the file holds by now, and replaces it whole. On failure the old file stays. */
int history_save(struct history *h, struct err *e);

#endif
