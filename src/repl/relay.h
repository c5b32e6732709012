/* relay.h: the side of `anetui attach` that is watched: a thread that gives events and snapshots to whoever is attached, and brings their commands. Decides nothing.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_REPL_RELAY_H
#define ANETUI_REPL_RELAY_H

#include "engine.h"

struct agenda;
struct relay;

/* NULL without memory or threads: then nobody can attach, and that is all. */
struct relay *relay_new(struct engine *g);
void relay_free(struct relay *r);
/* The open run's folder: there the socket is. Empty: none. Called at the start of a process that has a run already; EV_RESET does it afterwards. */
void relay_bind(struct relay *r, const char *run_dir);

/* Every event that the host takes. 1: it was an answer to somebody who is attached: the host leaves it alone. */
int relay_event(struct relay *r, const struct engine_event *ev);
/* The host's turn (the wake pipe said so, or at any time): sends what came; rules of `on` go to `a`. 1: somebody wants the run to end (`quit run`). */
int relay_turn(struct relay *r, struct agenda *a);
/* A line of the host's own log, to all who are attached. */
void relay_log(struct relay *r, int level, const char *text);

#endif
