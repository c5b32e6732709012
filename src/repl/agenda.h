/* agenda.h: what the user wants done later: other names for commands, rules of `on`, the command that `watch` repeats, the file that `record` writes.
 * Runs nothing itself: a host asks what is due and runs it. No terminal. SPDX-License-Identifier: MIT */
#ifndef ANETUI_REPL_AGENDA_H
#define ANETUI_REPL_AGENDA_H

#include "base/handover.h"
#include "base/str.h"
#include "engine.h"
#include "repl/record.h"

enum { AGENDA_ALIASES = 64, AGENDA_RULES = 32, AGENDA_LINE = 1024, AGENDA_NAME = 32 };

struct agenda;
struct agenda *agenda_new(struct err *e);
void agenda_free(struct agenda *a);
/* For a restarted process: all of it; the record goes on in the same file. */
void agenda_hand_over(const struct agenda *a, struct handover *h);
int agenda_take_over(struct agenda *a, const struct handover *h, struct err *e);

/* --- the commands; a NULL word lists what there is into `out` --- */
int agenda_alias(struct agenda *a, const char *name, const char *command, struct str *out, struct err *e);
int agenda_on(struct agenda *a, const char *event, const char *command, struct str *out, struct err *e);
int agenda_watch(struct agenda *a, const char *seconds, const char *command, struct str *out, struct err *e);
int agenda_record(struct agenda *a, const char *file, struct str *out, struct err *e);

/* The line with its first word's alias put in, and that one's: 0 (out is a copy when there is none), or ERR_USAGE for a circle or a line too long. */
int agenda_expand(const struct agenda *a, const char *line, char *out, size_t n, struct err *e);
/* Name and command of alias i, in order of name; NULL behind the last. a NULL: none. */
const char *agenda_alias_name(const struct agenda *a, int i);
const char *agenda_alias_command(const struct agenda *a, const char *name);
/* NULL: nothing is recorded. */
struct record *agenda_recorder(struct agenda *a);

/* --- what is due --- */
void agenda_happened(struct agenda *a, enum happening h);
/* What lasts has ended. Until then a new rule for it is due at once. */
void agenda_over(struct agenda *a, enum happening h);
/* Either, when an event of the engine is that. */
void agenda_event(struct agenda *a, const struct engine_event *ev);
/* The next command of a rule whose event has happened, copied to line[AGENDA_LINE]: 1, or 0 when there is none. *event: its name. */
int agenda_next_rule(struct agenda *a, char *line, const char **event);
/* 1, and the line, when it is time for the watched command; from then on it is not due until agenda_watch_done. */
int agenda_watch_due(struct agenda *a, uint64_t now, char *line);
/* What the shell said when it was begun: the id that is waited for, or 0: it was finished at once, or failed, which ends the watch. */
uint32_t agenda_watch_begun(struct agenda *a, int64_t rc);
void agenda_watch_done(struct agenda *a, uint64_t now);
void agenda_watch_end(struct agenda *a);
int agenda_watching(const struct agenda *a);
/* ns (clock_ns) when the watched command is due; UINT64_MAX: nothing is watched, or it runs. */
uint64_t agenda_due_ns(const struct agenda *a);

#endif
