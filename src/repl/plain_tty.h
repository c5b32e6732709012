/* plain_tty.h: a prompt on the terminal itself, for terminals that can do no more. Used by plain.c only, while nothing runs.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_REPL_PLAIN_TTY_H
#define ANETUI_REPL_PLAIN_TTY_H

#include "engine.h"

struct agenda;
struct plain_tty;
enum plain_tty_result { PLAIN_TTY_LINE, PLAIN_TTY_GIVEN_UP, PLAIN_TTY_END };

/* idle is called when the wake pipe has something while one waits for a key; 1: the line is given up. NULL when libedit cannot be had. */
struct plain_tty *plain_tty_new(const char *history, const struct engine_snapshot *snap, const struct agenda *agenda, int (*idle)(void *), void *ctx);
/* Writes the history; a restart comes between two lines. */
void plain_tty_save(struct plain_tty *t);
void plain_tty_free(struct plain_tty *t);   /* writes the history */
/* Waits for a line. PLAIN_TTY_GIVEN_UP: idle wanted so. */
enum plain_tty_result plain_tty_line(struct plain_tty *t);
const char *plain_tty_text(const struct plain_tty *t);

#endif
