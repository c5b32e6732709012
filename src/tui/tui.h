/* tui.h: the screen, as main sees it: can it be had, and run it. Everything else in this folder is its own business.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TUI_TUI_H
#define ANETUI_TUI_TUI_H

#include "engine.h"
#include "repl/options.h"
#include "repl/script.h"

struct tui_options {
	const struct script *script;  /* worked off first, one line after the other; a failure ends it, the screen stays. NULL: none */
	int autostart;                /* 1: train when the script is through; without a model make the demo first */
	enum on_hup on_hup;
	const char *history;          /* file of the prompt's history, or NULL */
	const struct handover *from;  /* what the process before this one has left, or NULL */
};

/* 0 when standard input and output are a terminal that can move its cursor; else ERR_STATE with the reason (then --plain is the way). */
int tui_usable(struct err *e);

/* 1: the process before this one had the screen. */
int tui_handed_over(const struct handover *from);
/* At once after a restart: whatever ends the program before tui_run leaves the terminal as the first process found it. */
void tui_guard(const struct handover *from);

/* When the device compiles no more in this process, a new one takes its place, and nobody sees it but by a line of the log.
 * Runs until the user leaves, a signal ends it or the engine does; what is unsaved is saved unless the user said otherwise, and the worker has ended
 * then (the caller frees the engine). The engine was started with wake_engine; wake_open came before. The terminal is left as it was found.
 * Returns the exit status: 0; 1 after an error, which is printed; 128 + N after signal N: the caller raises it again. */
int tui_run(struct engine *g, const struct tui_options *o);

#endif
