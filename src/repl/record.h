/* record.h: the file of `record`: commands that were given, with the steps at which they were, so that `-x FILE` does them again. Runs nothing.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_REPL_RECORD_H
#define ANETUI_REPL_RECORD_H

#include <stdint.h>

#include "base/err.h"
#include "engine.h"

struct record;

/* A new file, or one that such a record began: what follows is added. Anything else is refused. `step`: up to here the file has come (a restart); 0. */
struct record *record_open(const char *path, uint64_t step, struct err *e);
void record_close(struct record *r);
const char *record_path(const struct record *r);
uint64_t record_step(const struct record *r);
/* Adds a command that was accepted. While a model trains the step comes first (`wait step N`), and `train` without a number, `pause` and `wait` need no line: waiting trains. */
int record_line(struct record *r, const char *line, int command, int words, const struct engine_snapshot *now, struct err *e);
/* The last step, so that doing it again ends where it ended. */
int record_end(struct record *r, const struct engine_snapshot *now, struct err *e);

#endif
