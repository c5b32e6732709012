/* words.h: the words of a command line, shared by parser, completion and hints. Only for src/repl; knows no engine state.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_REPL_WORDS_H
#define ANETUI_REPL_WORDS_H

#include "engine.h"

static inline int word_blank(char c) { return c == ' ' || c == '\t'; }

/* Past leading blanks, one colon and one '-' (then *keep_going is 1). */
const char *words_begin(const char *line, int *keep_going);
/* Reads one word at p (blanks before it are skipped): quotes are taken off. Returns where it ends. *open is 1 when a quote was not closed.
 * out gets at most n - 1 bytes. */
const char *words_next(const char *p, char *out, size_t n, int *open);
/* Does the word need quotes to be read back as one? */
int words_need_quotes(const char *w);

/* Row of a name or of a unique prefix of one: its id, or -1. */
int words_command(const char *name);
/* Number of words in a kinds column, and the one for argument i (the last one repeats): *len bytes at the returned place; NULL when there are none. */
int words_kind_count(const struct command_row *row);
const char *words_kind(const struct command_row *row, int i, size_t *len);
/* How many words stand before the rest of the line; -1 when the command takes no rest. */
int words_before_rest(const struct command_row *row);

#endif
