/* plain.h: anetui without a screen: commands from a script, a pipe or a plain prompt; answers to standard output, progress to standard error. No curses.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_REPL_PLAIN_H
#define ANETUI_REPL_PLAIN_H

#include "engine.h"
#include "repl/options.h"
#include "repl/script.h"

struct plain_options {
	const struct script *script;  /* worked off first, a failure ends it */
	int resumed;                  /* 1: the engine was asked to go on with a run; without one nothing is done (status 1) */
	int read_input;               /* 1: then standard input: a prompt when it is a terminal, else a script */
	enum on_hup on_hup;
	const char *history;          /* file of the prompt's history, or NULL */
	const struct handover *from;  /* what the process before this one has left, or NULL */
};

/* When the device compiles no more in this process, a new one takes its place, and goes on where this one was (o->from).
 * Runs until the script, the input or `quit` ends it, saves what is unsaved and waits for the engine's end (which the caller frees). wake_open comes before.
 * Returns the exit status: 0, 1 a command failed, 2 wrong words; 128 + N after signal N: the caller raises it again. */
int plain_run(struct engine *g, const struct plain_options *o);

#endif
