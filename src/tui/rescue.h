/* rescue.h: the terminal as it was, on every way out, also through a crash. No curses.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TUI_RESCUE_H
#define ANETUI_TUI_RESCUE_H

/* Remembers the modes of the terminal `fd`; 0 or -1. Before curses changes them. */
int rescue_remember(int fd);
/* From now on a fatal signal in any thread (SEGV, BUS, ILL, FPE, ABRT) and exit() write `reset` to the terminal and give it its modes back.
 * err_fd is where the last words go. The text is copied; at most 512 bytes. */
void rescue_arm(const char *reset, int err_fd);
/* The screen was closed in order: nothing more to do. */
void rescue_disarm(void);
/* Gives the modes back now (for suspending). */
void rescue_modes(void);
/* A pipe whose unread end a crash should pour out (library output that was caught), or -1. */
void rescue_drain(int fd);

#endif
