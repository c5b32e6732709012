/* see.h: the real program ($ANETUI) in a terminal, for tests that are its user: starts it, waits for what should appear, leaves. The terminal itself is term.h's.
 * SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_SEE_H
#define TESTS_SUPPORT_SEE_H

#include "support/term.h"

/* Seconds that nothing takes: who has waited so long fails. */
enum { SEE_LONG = 60 };

/* A test whose programs end with it, also when it fails. After cmocka.h. */
#define see_test(f) cmocka_unit_test_teardown(f, see_end_all)
int see_end_all(void **state);

/* "NAME=VALUE" words, NULL at the end: a terminal with 256 colours, UTF-8, nothing else said of looks. */
extern char *see_env[6];
/* Its path; without one the test is skipped. */
char *see_program(void);
/* The program with these words (NULL at the end, 24 at most) behind --no-rc. */
struct term *see_start(int w, int h, const char *const *word);
/* A model so small that a step takes a moment, and this command; nothing starts by itself. */
struct term *see_start_small(int w, int h, const char *command);
/* Fail the test with the screen as it stands. */
void see(struct term *t, const char *text);
void see_gone(struct term *t, const char *text);
/* Quits without saving, and frees t. */
void see_leave(struct term *t);

#endif
