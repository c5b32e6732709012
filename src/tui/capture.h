/* capture.h: what libraries print while the screen is open: standard output and error become a pipe whose lines go to the log.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TUI_CAPTURE_H
#define ANETUI_TUI_CAPTURE_H

#include "base/err.h"

/* Descriptors of the terminal that were behind 1 and 2 stay open beside: *out and *err_fd. 0 or ERR_IO. */
int capture_begin(int *out, int *err_fd, struct err *e);
/* Readable when something was printed; never blocks. */
int capture_fd(void);
/* Hands every whole line that is there to `line`; 1 when there was one. */
int capture_read(void (*line)(void *ctx, const char *text), void *ctx);
/* 1 and 2 are the terminal's again for a moment, so that exec() finds them where they were; everything that was printed goes to `line`. */
void capture_pause(void (*line)(void *ctx, const char *text), void *ctx);
void capture_resume(void);
/* Puts 1 and 2 back (to /dev/null when `gone`), and prints to 2 what was not read yet. */
void capture_end(int gone);

#endif
