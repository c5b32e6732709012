/* see.c: a user who starts the program, looks, and leaves. No test waits longer than it must: each waits for what should appear, and fails only after a generous time.
 * SPDX-License-Identifier: MIT */
#include "support/see.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

char *see_env[6] = {"TERM=xterm-256color", "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "NO_COLOR=", "ANETUI_GLYPHS=", NULL};

char *see_program(void)
{
	char *p = getenv("ANETUI");
	if (!p || access(p, X_OK)) {
		print_message("skipped: needs the program (ANETUI)\n");
		skip();
	}
	return p;
}

struct term *see_start(int w, int h, const char *const *word)
{
	char *argv[28] = {see_program(), "--no-rc"};
	for (int i = 0; word[i]; i++) {
		assert_in_range(i, 0, 23);
		argv[i + 2] = (char *)(uintptr_t)word[i];
	}
	struct term *t = term_start(w, h, argv, see_env);
	assert_non_null(t);
	return t;
}

struct term *see_start_small(int w, int h, const char *command)
{
	const char *const words[] = {"-e", "new demo layers=1 dim=32 hidden=64 heads=2 kv_heads=2", "-e", command, NULL};
	return see_start(w, h, words);
}

void see(struct term *t, const char *text)
{
	if (term_wait(t, text, SEE_LONG))
		return;
	print_message("%s", term_about(t));
	fail_msg("\"%s\" does not appear:\n%s", text, term_screen(t));
}

void see_gone(struct term *t, const char *text)
{
	if (term_wait_gone(t, text, SEE_LONG))
		return;
	print_message("%s", term_about(t));
	fail_msg("\"%s\" stays:\n%s", text, term_screen(t));
}

void see_leave(struct term *t)
{
	term_type(t, "q");
	see(t, "Leave?");
	term_type(t, "q");
	assert_true(WIFEXITED(term_wait_end(t, SEE_LONG)));
	term_free(t);
}

int see_end_all(void **state)
{
	(void)state;
	term_free_all();
	return 0;
}
