/* test_screen_commands.c: commands that live on the screen, in a terminal with the real program ($ANETUI): watch, on, alias, record, what starts by itself.
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
#include "support/see.h"

enum { LONG = SEE_LONG };

static void watching(void **s)
{
	(void)s;
	struct term *t = see_start_small(100, 30, "train");
	see(t, "raw ");
	term_type(t, ":watch 0.3 kernels\r");
	see(t, " watch 0.3 kernels");
	see(t, "unaccounted");
	/* It is kept fresh: a kernel's figures change. */
	char before[8192];
	snprintf(before, sizeof before, "%s", strstr(term_screen(t), "unaccounted"));
	for (int i = 0; i < 10 * LONG && !strncmp(before, strstr(term_screen(t), "unaccounted") ? strstr(term_screen(t), "unaccounted") : before, 60); i++)
		term_run(t, 0.1);
	assert_non_null(strstr(term_screen(t), "unaccounted"));
	assert_true(strncmp(before, strstr(term_screen(t), "unaccounted"), 60) != 0);
	/* A short answer in between does not end it, a long one does. */
	term_type(t, ":get clip\r");
	see(t, "unaccounted");
	term_run(t, 0.8);
	see(t, " watch 0.3 kernels");
	term_type(t, "\033");
	see_gone(t, "unaccounted");
	see(t, "watch: ended");
	term_type(t, ":watch\r");
	see(t, "nothing is watched");
	/* What was ended before its answer was closed is no reason to end the next one. */
	term_type(t, ":watch 0.3 kernels\r");
	see(t, "unaccounted");
	term_type(t, ":watch off\r");
	term_run(t, 0.5);
	term_type(t, "\033");
	see_gone(t, "unaccounted");
	term_type(t, ":watch 0.3 kernels\r");
	see(t, "unaccounted");
	term_type(t, ":help lr\r");
	see(t, "lr.warmup");
	term_run(t, 1);
	see(t, "lr.warmup");
	term_type(t, "\033");
	see_gone(t, "lr.warmup");
	see_leave(t);
}

static void rules_and_names(void **s)
{
	(void)s;
	struct term *t = see_start_small(100, 30, "get seed");
	see(t, "1337");
	term_type(t, ":alias go step\r:on done get adam.beta2\r");
	term_type(t, ":go 2\r");
	see(t, "on done: get adam.beta2");
	see(t, "0.95");
	/* The hint says what an alias is. */
	term_type(t, ":go");
	see(t, "= step");
	term_type(t, "\033");
	see_gone(t, "= step");
	see_leave(t);
}

/* A press and its release, on what must first be drawn. */
static void click(struct term *t, const char *text, int right)
{
	see(t, text);
	const char *screen = term_screen(t), *at = strstr(screen, text), *line = at;
	char keys[64];
	int y = 1, x = right + 1;
	assert_non_null(at);
	for (const char *c = screen; c < at; c++)
		y += *c == '\n';
	while (line > screen && line[-1] != '\n')
		line--;
	for (; line < at; line++)
		x += ((unsigned char)*line & 0xc0) != 0x80;
	snprintf(keys, sizeof keys, "\033[<0;%d;%dM\033[<0;%d;%dm", x, y, x, y);
	term_type(t, keys);
}

/* A script's word to who looks on stands in the bottom line, too, until a command is typed: it is more than a line of the log. */
static void what_a_script_says(void **s)
{
	(void)s;
	const char *const words[] = {"-e", "say Look here.", "-e", "set clip 0.5", "-e", "zoom loss", NULL};
	struct term *t = see_start(100, 30, words);
	see_gone(t, "6 log");
	see(t, "Look here.");
	term_type(t, ":get clip\r");
	see(t, "0.5");
	see_gone(t, "Look here.");
	term_free(t);
}

/* All settings on the screen: by keys, by mouse, as a command; each change is a `set`. */
static void settings(void **s)
{
	(void)s;
	struct term *t = see_start_small(100, 30, "get adam.beta2");
	see(t, "0.95");
	term_type(t, "\033OQ");
	see(t, "< 256 >");
	see(t, "* batch                2 "); /* the preset's */
	/* Right: a press each, also when they come faster than answers. */
	term_type(t, "jjjjjjjj\033[C\033[C\033[C");
	see(t, "* clip               < 1.3 >");
	see(t, "from the next step on; set by you");
	term_type(t, "u");
	see(t, "< 1.2 >");
	term_type(t, "d");
	see(t, "  clip               < 1 >");
	/* Enter: a word goes on to the next, a number is typed, and what is wrong is said. */
	term_type(t, "\r");
	see(t, ":set clip 1 ");
	term_type(t, "\177-3\r");
	see(t, "clip: -3: must be 0 to 1e+09");
	see(t, "< 1 >");
	term_type(t, "j\r");
	see(t, "nan                < skip >");
	/* Filter, as in help. */
	term_type(t, "/beta2\r");
	see(t, "adam.beta2         < 0.95 >");
	see(t, "/beta2");
	see_gone(t, "adam.eps");
	term_type(t, "l");
	see(t, "< 0.98 >");
	click(t, "< 0.98 >", 0);
	see(t, "< 0.95 >");
	/* q closes it and leaves nothing. */
	term_type(t, "q");
	see_gone(t, "adam.beta2         <");
	see(t, "1 loss");
	term_type(t, ":settings sample.\r");
	see(t, "sample.temperature < 0.5 >");
	see_gone(t, "adam.eps");
	click(t, "sample.top_p", 0);
	see(t, "sample.top_p       < 0.95 >");
	click(t, "sample.top_p", 2);
	see(t, ":set sample.top_p 0.95");
	term_type(t, "\003\003");
	see(t, "sample.top_p       < 0.95 >");
	term_type(t, "\033");
	see_gone(t, "sample.top_p");
	/* What was done stands in the log, as typed lines do. */
	term_type(t, "6");
	see(t, "set: adam.beta2 0.98 -> 0.95");
	see_leave(t);
}

static void recording(void **s)
{
	(void)s;
	char line[256];
	unlink("typed.cmd");
	struct term *t = see_start_small(100, 30, "train");
	see(t, "raw ");
	term_type(t, ":record typed.cmd\r:lr 2e-4\r");
	see(t, "0.0002");
	term_type(t, ":pause\r");
	see(t, "PAUSED");
	see_leave(t);
	FILE *f = fopen("typed.cmd", "r");
	assert_non_null(f);
	unsigned long long step = 0;
	int lr = 0, waits = 0;
	while (fgets(line, sizeof line, f)) {
		waits += sscanf(line, "wait step %llu", &step) == 1;
		lr += !strcmp(line, "lr 2e-4\n") && waits == 1;
	}
	fclose(f);
	unlink("typed.cmd");
	assert_int_equal(lr, 1);
	assert_true(waits >= 1 && waits <= 2 && step > 0);
}

/* Choices of the device leave the demo alone; what makes a model or trains says itself what begins. */
static void what_starts_by_itself(void **s)
{
	(void)s;
	static const char *const words[] = {"-e", "device sim", "-e", "set batch 1", NULL};
	static const char *const own[] = {"-e", "device sim", "-e", "new demo layers=1 dim=32 hidden=64 heads=2 kv_heads=2", NULL};
	struct term *t = see_start(100, 30, words);
	see(t, "TRAIN");
	see(t, "sim");
	see_leave(t);
	t = see_start(100, 30, own);
	see(t, "PAUSED");
	term_run(t, 1);
	see(t, "PAUSED");
	see_leave(t);
}

/* Somebody's first ten minutes, by what the screen itself says: what goes on, another learning rate, a sample, the slowest kernel, saving, leaving, coming back. */
static void a_newcomers_path(void **s)
{
	(void)s;
	static const char *const first[] = {"--run", "newcomer", NULL}, *const again[] = {"--run", "newcomer", "--resume", NULL};
	struct term *t = see_start(110, 32, first);
	see(t, "TRAIN");
	see(t, "demo");
	see(t, "1 loss");
	see(t, "F1 help");
	see(t, ": command");
	see(t, "q quit");
	see(t, "raw ");
	/* The help that the last line names; the commands that it names in turn. */
	term_type(t, "?");
	see(t, "leave: asks whether to save");
	term_type(t, "\033");
	see_gone(t, "leave: asks whether to save");
	term_type(t, ":help\r");
	see(t, "the learning rate: now, and its schedule");
	term_type(t, "\033");
	see_gone(t, "and its schedule");
	/* The hint behind the cursor says what it is now. */
	term_type(t, ":lr ");
	see(t, "cosine");
	term_type(t, "1e-3\r");
	see(t, "0.002 -> 0.001");
	term_type(t, ":sample 20 Once there\r");
	see(t, "Once there");
	term_type(t, ":kernels\r");
	see(t, "share");
	see(t, "unaccounted");
	term_type(t, "\033");
	see_gone(t, "unaccounted");
	term_type(t, ":ckpt\r");
	see(t, "checkpoint: newcomer/step-");
	term_type(t, "q");
	see(t, "save and quit");
	term_type(t, "s");
	int status = term_wait_end(t, LONG);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	see(t, "saved");
	term_free(t);
	t = see_start(110, 32, again);
	see(t, "TRAIN");
	see(t, "0.002 -> 0.001");
	term_type(t, ":get lr.max\r");
	see(t, "lr.max 0.001");
	see_leave(t);
}

static int has(const char *path)
{
	return !access(path, F_OK);
}

/* A run, its terminal lost, found again in another one, ended there, and shown once more from its record. */
static void a_run_that_outlives_its_terminal(void **s)
{
	(void)s;
	static const char *const first[] = {"--on-hup", "go-on", "--run", "lost", "-e", "new demo layers=1 dim=32 hidden=64 heads=2 kv_heads=2", "-e", "train", NULL};
	static const char *const second[] = {"attach", "lost", NULL};
	static const char *const record[] = {"--replay", "lost", NULL};
	struct term *t = see_start(100, 30, first), *a;
	see(t, "raw ");
	a = see_start(100, 30, second);
	see(a, "attached");
	see(a, "TRAIN");
	see(a, "classifier"); /* its kernels are seen here */
	term_hang_up(t);
	term_type(a, ":get adam.beta2\r");
	see(a, "0.95");
	term_type(a, ":lr 2.5e-4\r");
	see(a, "-> 0.00025");
	/* Leaving the view leaves the run. */
	term_type(a, "q");
	assert_true(WIFEXITED(term_wait_end(a, LONG)));
	term_free(a);
	a = see_start(100, 30, second);
	see(a, "TRAIN");
	see(a, "-> 0.00025"); /* the mark on the curve, out of the record */
	term_type(a, ":quit run\r");
	int status = term_wait_end(a, LONG);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	term_free(a);
	for (int i = 0; i < 20 * LONG && has("lost/attach.sock"); i++)
		usleep(50000);
	assert_false(has("lost/attach.sock"));
	term_free(t);
	t = see_start(100, 30, record);
	see(t, "REPLAY 1x");
	term_type(t, "+");
	see(t, "2x");
	term_type(t, "--");
	see(t, "0.5x");
	for (int i = 0; i < 60; i++)
		term_type(t, "\033OC");
	see(t, "100 %");
	see(t, "-> 0.00025");
	for (int i = 0; i < 60; i++)
		term_type(t, "\033OD");
	see(t, "step 0");
	see_gone(t, "-> 0.00025");
	term_type(t, " ");
	see(t, "paused");
	term_type(t, ":lr 1\r");
	see(t, "nothing is trained here");
	term_type(t, "q");
	status = term_wait_end(t, LONG);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	term_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		see_test(watching), see_test(rules_and_names), see_test(what_a_script_says), see_test(settings), see_test(recording), see_test(what_starts_by_itself),
		see_test(a_run_that_outlives_its_terminal), see_test(a_newcomers_path),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
