/* test_soak.c: random keys, clicks and sizes at the real program ($ANETUI) in a terminal: it lives, answers, and leaves the terminal as it was.
 * SOAK=100000 with the program of BUILD=asan is the long form (make soak-screen).
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "support/term.h"

enum { LONG = 60, BATCH = 25 };

static uint32_t state;

static uint32_t any(uint32_t n)
{
	state = state * 1664525u + 1013904223u;
	return (state >> 8) % n;
}

/* What ends the program on purpose is left out: q, and s and Enter, which say yes where ^C has asked; ^Z. So no command is run. */
static void random_key(char *out, size_t n, int w, int h)
{
	static const char *const named[] = {"\033[A", "\033[B", "\033[C", "\033[D", "\033[5~", "\033[6~", "\033[H", "\033[F", "\t", "\033[Z", "\033OP", " ", "\014", "\033"};
	static const char letters[] = "?pymxhlHL+-=0w,.SbtB<>{}/zMkjgG[]r12345678";
	switch (any(10)) {
	case 0: case 1: case 2:
		snprintf(out, n, "%s", named[any(ARRAY_LEN(named))]);
		break;
	case 3:
		/* The words of the help line can be clicked, quit among them: clicks stay to the right of it. */
		if (w > 50)
			snprintf(out, n, "\033[<0;%d;%dM", 46 + (int)any((uint32_t)w - 45), 1 + (int)any((uint32_t)h));
		else
			snprintf(out, n, "\033[<%d;%d;%dM", 64 + (int)any(2), 1 + (int)any((uint32_t)w), 1 + (int)any((uint32_t)h));
		break;
	case 4:
		snprintf(out, n, ":%c%c\003\003", 'a' + (char)any(15), 'a' + (char)any(15));
		break;
	default:
		snprintf(out, n, "%c", letters[any(sizeof letters - 1)]);
	}
}

static void test_random(void **s)
{
	(void)s;
	static char *env[] = {"TERM=xterm-256color", "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "NO_COLOR=", "ANETUI_GLYPHS=", NULL};
	char *argv[] = {getenv("ANETUI"), "--no-rc", "-e", "new demo layers=1 dim=32 hidden=64 heads=2 kv_heads=2", "-e", "train 30", NULL}, key[32], keys[BATCH * 32];
	const char *long_form = getenv("SOAK"), *seed = getenv("SEED");
	int n = long_form ? atoi(long_form) : 500, w = 120, h = 40;
	if (!argv[0] || access(argv[0], X_OK)) {
		print_message("skipped: needs the program (ANETUI)\n");
		skip();
	}
	state = seed ? (uint32_t)atoi(seed) : 1;
	struct term *t = term_start(w, h, argv, env);
	assert_non_null(t);
	assert_true(term_wait(t, "30/30", LONG));
	for (int i = 0; i < n; i += BATCH) {
		keys[0] = 0;
		for (int k = 0; k < BATCH; k++) {
			random_key(key, sizeof key, w, h);
			strcat(keys, key);
		}
		term_type(t, keys);
		if (any(3) == 0) {
			w = 1 + (int)any(any(2) ? 30 : 220);
			h = 1 + (int)any(any(2) ? 12 : 70);
			term_resize(t, w, h);
		}
		int status = term_wait_end(t, 0.02);
		if (status != -1)
			fail_msg("after %d keys it ended with %x; the last were:\n%s\n%s", i + BATCH, (unsigned)status, keys, term_screen(t));
	}
	/* It still answers. */
	term_resize(t, 80, 24);
	term_type(t, "\033");
	term_run(t, 0.3);
	term_type(t, "\033");
	term_run(t, 0.3);
	term_type(t, "\033");
	term_run(t, 0.3);
	term_type(t, ":get seed\r");
	if (!term_wait(t, "1337", LONG))
		fail_msg("no answer:\n%s", term_screen(t));
	term_type(t, "q");
	term_run(t, 0.3);
	term_type(t, "q");
	term_run(t, 0.3);
	term_type(t, "q");
	assert_true(WIFEXITED(term_wait_end(t, LONG)));
	assert_false(term_alternate(t));
	term_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_random)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
