/* test_soak.c: random keys, clicks and sizes at the real program ($ANETUI) in a terminal: it lives, answers, and leaves the terminal as it was.
 * SOAK=100000 with the program of BUILD=asan is the long form (make soak-screen).
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "support/term.h"

enum { LONG = 300, BATCH = 50 };

static uint32_t state;

static uint32_t any(uint32_t n)
{
	state = state * 1664525u + 1013904223u;
	return (state >> 8) % n;
}

/* Nothing that takes long (bench), nothing that writes outside the folder. */
static const char *const lines[] = {"get", "get seed", "set clip 0.5", "set nosuch 1", "lr 1e-3", "undo", "step", "train 3", "pause", "eval", "sample 5 Once", "kernels", "help", "help lr", "report",
	"settings beta", "settings", "zoom big", "zoom off", "layout stage", "layout auto", "theme cb", "theme", "watch 1 kernels", "watch off", "ckpt", "info", "freeze embed*", "freeze none", "ref off",
	"on done get seed", "on done off", "alias a get", "nonsense", "screen picture.svg", "runs", "record soak.cmd", "record off", "load best", "power", "device", "mil list", "mil show ffnBwd", "replay go",
	"set sample.every 1", "set batch 3", "quit", "quit now"};

static void random_key(char *out, size_t n, int w, int h)
{
	static const char *const named[] = {"\033[A", "\033[B", "\033[C", "\033[D", "\033[5~", "\033[6~", "\033[H", "\033[F", "\t", "\033[Z", "\033OP", "\033OQ", " ", "\014", "\033", "\r", "\003", "\177"};
	static const char letters[] = "?pymxhlHL+-=0w,.SbtB<>{}/zMkjgG[]r12345678sudxyn";
	uint32_t kind = any(400);
	if (kind == 0)
		snprintf(out, n, "q");
	else if (kind < 20)
		snprintf(out, n, ":%s\r", lines[any(ARRAY_LEN(lines) - (any(20) ? 2 : 0))]);
	else if (kind < 40)
		snprintf(out, n, ":%c%c%s", 'a' + (char)any(26), 'a' + (char)any(26), any(2) ? "\t" : "\003\003");
	else if (kind < 80)
		snprintf(out, n, "\033[<%d;%d;%d%c", any(3) ? 0 : any(2) ? 32 : 64 + (int)any(2), 1 + (int)any((uint32_t)w), 1 + (int)any((uint32_t)h), any(4) ? 'M' : 'm');
	else if (kind < 180)
		snprintf(out, n, "%s", named[any(ARRAY_LEN(named))]);
	else
		snprintf(out, n, "%c", letters[any(sizeof letters - 1)]);
}

static struct term *begin(void)
{
	static char *env[] = {"TERM=xterm-256color", "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "NO_COLOR=", "ANETUI_GLYPHS=", NULL};
	char *argv[] = {getenv("ANETUI"), "--no-rc", "-e", "new demo layers=1 dim=32 hidden=64 heads=2 kv_heads=2", "-e", "train 30", NULL};
	struct term *t = term_start(120, 40, argv, env);
	assert_non_null(t);
	if (!term_wait(t, "30/30", LONG))
		fail_msg("it does not begin:\n%s", term_screen(t));
	return t;
}

/* It was left by a key, which is no fault: the terminal is as it was, and the status says that all went well. */
static void left(struct term *t, int status, const char *keys, int n)
{
	/* A ^C behind the key that left it, when the terminal was itself again, is the terminal's: on the screen none makes a signal. */
	int late = WIFSIGNALED(status) && WTERMSIG(status) == SIGINT && !term_alternate(t);
	if (!late && (!WIFEXITED(status) || WEXITSTATUS(status)))
		fail_msg("after %d keys it ended with %x; the last were:\n%s\n%s", n, (unsigned)status, keys, term_screen(t));
	assert_false(term_alternate(t));
	term_free(t);
}

static void random_size(struct term *t, int *w, int *h)
{
	*w = 1 + (int)any(any(2) ? 30 : 220);
	*h = 1 + (int)any(any(2) ? 12 : 70);
	term_resize(t, *w, *h);
}

static void test_random(void **s)
{
	(void)s;
	char key[64], keys[BATCH * 64];
	const char *program = getenv("ANETUI"), *long_form = getenv("SOAK"), *seed = getenv("SEED");
	int n = long_form ? atoi(long_form) : 500, batch = long_form ? BATCH : BATCH / 2, w = 120, h = 40, starts = 1, stops = 0;
	if (!program || access(program, X_OK)) {
		print_message("skipped: needs the program (ANETUI)\n");
		skip();
	}
	state = seed ? (uint32_t)atoi(seed) : 1;
	struct term *t = begin();
	for (int i = 0; i < n; i += batch) {
		keys[0] = 0;
		for (int k = 0; k < batch; k++) {
			random_key(key, sizeof key, w, h);
			strcat(keys, key);
		}
		int stop = any(40) == 0;
		if (stop)
			strcat(keys, "\032");
		term_type(t, keys);
		if (any(3) == 0)
			random_size(t, &w, &h);
		/* What is typed before it has stopped, or before it has its modes again, would be for the terminal: an interrupt, above all. */
		if (stop && term_wait_stopped(t, LONG)) {
			stops++;
			term_continue(t);
			for (int wait = 0; wait < LONG * 20 && !term_alternate(t) && term_wait_end(t, 0) == -1; wait++)
				term_run(t, 0.05);
		} else if (stop && term_wait_end(t, 0) == -1) {
			fail_msg("^Z does not suspend it; the last keys were:\n%s\n%s%s", keys, term_screen(t), term_about(t));
		}
		int status = term_wait_end(t, 0.02);
		if (status != -1) {
			left(t, status, keys, i + batch);
			t = begin();
			w = 120, h = 40;
			starts++;
		}
		if (long_form && i % 5000 == 0)
			print_message("%d keys, begun %d times, suspended %d times\n", i, starts, stops);
	}
	/* It still answers; or it was just being left. */
	term_resize(t, 80, 24);
	for (int i = 0; i < 5; i++) {
		term_type(t, i == 1 ? "\003" : "\033");
		term_run(t, 0.3);
		if (term_wait_stopped(t, 0))
			term_continue(t);
	}
	term_type(t, ":say it answers\r");
	if (!term_wait(t, "it answers", LONG) && term_wait_end(t, 0) == -1)
		fail_msg("no answer:\n%s\n%s", term_screen(t), term_about(t));
	term_type(t, ":quit now\r");
	int status = term_wait_end(t, LONG);
	if (status == -1)
		fail_msg("it does not leave:\n%s\n%s", term_screen(t), term_about(t));
	left(t, status, "", n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_random)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
