/* restart.h: the program in the place of itself: exec() of its own file with its own arguments, and being what was started so. What goes on is in the handover.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_REPL_RESTART_H
#define ANETUI_REPL_RESTART_H

#include "base/handover.h"

/* First of all in main: argv stays the caller's and must not change. */
void restart_init(char **argv);
/* What the process before this one has left; NULL without an error: this is a start like any other. */
struct handover *restart_from(struct err *e);
/* Signals wait, through exec() too, until the new process has its handlers: none is lost, none ends the program in between. */
void restart_hold_signals(void);
void restart_release_signals(void);
/* The new process has its handlers: what is blocked is what was before. */
void restart_signals_on(const struct handover *from);
/* Returns only when it failed; the descriptors that were put close on exec again then. */
int restart_exec(struct handover *h, struct err *e);

#endif
