/* script.h: the lines that are to be run, and where each came from. Runs nothing.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_REPL_SCRIPT_H
#define ANETUI_REPL_SCRIPT_H

#include <stddef.h>

#include "base/err.h"
#include "base/handover.h"

struct script {
	struct script_line {
		char *text;
		char *where;   /* "file:3", or empty for -e, --set and the program's own words */
	} *line;
	int n;
	size_t cap;
};

void script_done(struct script *s);
int script_add(struct script *s, const char *text, const char *where, struct err *e);
/* For a restarted process: the lines as they are, whatever has become of the files. */
void script_hand_over(const struct script *s, struct handover *h);
int script_take_over(struct script *s, const struct handover *h, struct err *e);
/* As script_add; but `rerun RUN` is the commands of that run's settings.cmd, and the question whether the weights are then the recorded ones. ERR_USAGE when there is a
 * command in it that no run records. */
int script_add_command(struct script *s, const char *text, struct err *e);
/* Leaves out the lines from `from` on that are not to be kept. */
void script_filter(struct script *s, int from, int (*keep)(const char *text));
/* Every line of a file. Refuses what is no text. */
int script_add_file(struct script *s, const char *path, struct err *e);

#endif
