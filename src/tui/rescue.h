/* rescue.h: the terminal as it was, on every way out, also through a crash. No curses.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TUI_RESCUE_H
#define ANETUI_TUI_RESCUE_H

#include "base/handover.h"

/* Remembers the modes of the terminal `fd`; 0 or -1. Before curses changes them. */
int rescue_remember(int fd);
/* From now on a fatal signal in any thread (SEGV, BUS, ILL, FPE, ABRT) and exit() write `reset` to the terminal and give it its modes back.
 * err_fd is where the last words go. The text is copied; at most 512 bytes. */
void rescue_arm(const char *reset, int err_fd);
/* For a restarted process: modes and reset text, and the guard with them, at the terminal behind descriptor 1. rescue_remember keeps those modes then. */
void rescue_hand_over(struct handover *h);
void rescue_take_over(const struct handover *h);
/* The screen was closed in order: nothing more to do. */
void rescue_disarm(void);
/* Gives the modes back now (for suspending). */
void rescue_modes(void);
/* A pipe whose unread end a crash should pour out (library output that was caught), or -1. */
void rescue_drain(int fd);

#endif
