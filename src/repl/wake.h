/* wake.h: the pipe that ends a wait: the engine's worker and signal handlers write to it, one loop reads. One for the process.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_REPL_WAKE_H
#define ANETUI_REPL_WAKE_H

#include <signal.h>

#include "base/err.h"

/* Before any thread is started. */
int wake_open(struct err *e);
void wake_engine(void *unused);   /* for engine_options.wake */
/* From now on the signal is one byte in the pipe; reads and waits it comes into end with EINTR. */
void wake_on_signal(int sig);
/* The same, but reads and writes go on; waits end all the same. For who writes through stdio, which takes EINTR for a broken file. */
void wake_on_signal_restart(int sig);
int wake_fd(void);                /* readable when there is something to look at; never blocks */
/* Empties the pipe; adds the signals that came to *got and returns 1 when there were any. */
int wake_read(sigset_t *got);
/* Waits for the pipe, and for `fd` unless it is -1. Returns 1 when fd can be read, 0 for anything else (also ms gone; ms < 0: no limit). Not poll: it knows no terminals on macOS. */
int wake_wait(int fd, int ms);

#endif
