/* fatal.h: the last words of a program that a signal ends. Saves nothing: what was announced is on the disk.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_REPL_FATAL_H
#define ANETUI_REPL_FATAL_H

#include <stddef.h>

/* All n bytes, or as many as go. For signal handlers. */
void fatal_put(int fd, const char *s, size_t n);
/* One line to `fd`. SIGBUS at an address that belongs to a file (Linux): names it, for then another program has cut it or its disk fails. For signal handlers. */
void fatal_say(int fd, int sig, const void *address);
/* From now on SIGBUS, in any thread, says so on standard error before it ends the process. The screen has its own (tui/rescue.h). */
void fatal_arm(void);

#endif
