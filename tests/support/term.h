/* term.h: a program in a terminal that is no window: libvterm shows what a user would see. For tests of the real program.
 * SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_TERM_H
#define TESTS_SUPPORT_TERM_H

#include <sys/types.h>
#include <termios.h>

struct term;

/* Starts argv[0] on a terminal of w x h cells, in a process group of its own below a little shell that takes the terminal back when it stops or ends.
 * env: "NAME=VALUE" words, NULL at the end, added to ours. NULL when no terminal can be had. */
struct term *term_start(int w, int h, char *const argv[], char *const env[]);
/* Kills what still runs. NULL is allowed. */
void term_free(struct term *t);
/* All that are there. */
void term_free_all(void);

/* Keys as bytes. */
void term_type(struct term *t, const char *bytes);
void term_resize(struct term *t, int w, int h);
/* Reads what the program writes until the screen holds `text` (1), or until it has been silent and `seconds` are over (0). */
int term_wait(struct term *t, const char *text, double seconds);
int term_wait_gone(struct term *t, const char *text, double seconds);
/* Just reads for that long. */
void term_run(struct term *t, double seconds);
/* The screen as text, lines without blanks at their end; valid until the next call. */
const char *term_screen(struct term *t);
int term_alternate(const struct term *t);     /* 1: the alternate screen is on */
int term_cursor_shown(const struct term *t);
int term_mouse_on(const struct term *t);      /* 1: the terminal was told to report its mouse, and not told to stop */
int term_paste_on(const struct term *t);      /* 1: bracketed paste was switched on and not off again */
int term_saved_cursor(const struct term *t);  /* 1: the cursor was saved by itself, without going to the other screen */
void term_cursor(struct term *t, int *x, int *y);
void term_modes(struct term *t, struct termios *out);
const struct termios *term_first_modes(const struct term *t); /* as they were before the program began */
unsigned long term_bytes(const struct term *t); /* that the program wrote so far */
/* How often these bytes stand in what it wrote, from byte `from` on. */
int term_count(const struct term *t, unsigned long from, const char *bytes);

/* What is known of the program and its place on the terminal, for the message of a test that fails; valid until the next call. */
const char *term_about(struct term *t);
pid_t term_program(const struct term *t);
/* Closes the terminal under the program, as a lost connection does. Nothing can be read after it. */
void term_hang_up(struct term *t);
void term_signal(struct term *t, int sig);     /* to the program */
/* To a thread of the program that is not its first (Linux); 0 when there is none. */
int term_signal_thread(struct term *t, int sig);
/* After the program was stopped: 1 within the seconds. term_continue gives it the terminal again, as `fg` does. */
int term_wait_stopped(struct term *t, double seconds);
void term_continue(struct term *t);
/* Waits for the program's end: its status as waitpid gives it, or -1 after the seconds. */
int term_wait_end(struct term *t, double seconds);

#endif
