/* plain_out.h: what the engine says, as lines: answers and samples to standard output, the rest to standard error. Used by plain.c only.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_REPL_PLAIN_OUT_H
#define ANETUI_REPL_PLAIN_OUT_H

#include "engine.h"

struct plain_out;
struct plain_out *plain_out_new(struct engine *g, struct err *e);
void plain_out_free(struct plain_out *o);
/* For a restarted process: what is held back, and whether anything is printed. */
void plain_out_hand_over(const struct plain_out *o, struct handover *h);
int plain_out_take_over(struct plain_out *o, const struct handover *h, struct err *e);
void plain_out_event(struct plain_out *o, const struct engine_event *ev);
void plain_out_text(struct plain_out *o, const char *s);                     /* an answer */
void plain_out_line(struct plain_out *o, const char *where, const char *s);  /* a message: "where: s" on standard error */
void plain_out_progress(struct plain_out *o);                                /* what is being prepared, once in a while */
void plain_out_command_done(struct plain_out *o);                            /* the step line that was held back */
/* -1 once standard output takes nothing more (told once, unless its reader just went away). */
int plain_out_flush(struct plain_out *o);
void plain_out_mute(struct plain_out *o);                                    /* the terminal is gone: print nothing more, and mind nothing */
/* Taken anew at each call, in the same place. */
const struct engine_snapshot *plain_out_snapshot(struct plain_out *o);

/* "3e-4", "1.25e-3", "0": how learning rates are written. */
char *plain_rate(char buf[32], double v);

#endif
