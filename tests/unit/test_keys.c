/* test_keys.c: every row of keys.def and of commands.def in the real program ($ANETUI), in a terminal: each key does what its help says, each command is reached.
 *
 * The tables here are walked beside theirs: a new row without its check fails. A check tells what changes; that it does not hold before the key is looked at first, so none can
 * pass by itself. SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "support/term.h"
#include "tui/keys.h"
#include "engine.h"

enum { LONG = 60, LINES = 60 };

static char *env[] = {"TERM=xterm-256color", "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "NO_COLOR=", "ANETUI_GLYPHS=", "ANETUI_THEME=dark", NULL};

/* --- what is looked at --- */

enum look {
	SEEN,      /* text appears */
	GONE,      /* text goes away */
	ROW,       /* the line in which text stands: moved by least .. most */
	COLUMN,    /* the same for its column */
	NUMBER,    /* the whole number that follows text: changed by least .. most */
	CHANGED,   /* the number that follows text, in thousandths: another one */
	MOUSE,     /* whether the terminal reports its mouse */
	STOPPED,   /* the program is suspended */
	SENT,      /* these bytes were sent to the terminal, least .. most times */
};

/* base: as everything stands at first; setup (typed, until `ready` is seen) leads to where the key counts; then is typed behind it; back leads to the base again. */
struct check {
	enum key_action action;
	int which;                 /* the key's place in its row; -1: each of them */
	const char *setup, *ready;
	const char *then;
	enum look look;
	const char *text;
	int least, most;
	const char *back;
};

#define ANY (-1)
#define MANY 100000
static const struct check checks[] = {
	{KEYS_HELP, ANY, "", "", "", SEEN, "this help", 0, 0, "\033"},
	{KEYS_SETTINGS, ANY, "", "", "", SEEN, "by itself", 0, 0, "\033"},
	{KEYS_SETTINGS, ANY, "\033OQ", "by itself", "", GONE, "by itself", 0, 0, ""},
	{KEYS_COMMAND, ANY, "", "", "", SEEN, "Enter run   Tab complete", 0, 0, "\033"},
	{KEYS_QUIT, ANY, "", "", "", SEEN, "Leave?  s: save and quit", 0, 0, "\033"},
	{KEYS_PAUSE, ANY, "", "", "", SEEN, "TRAIN", 0, 0, "p"},
	{KEYS_PAUSE, ANY, "p", "TRAIN", "", SEEN, "PAUSED", 0, 0, ""},
	{KEYS_FREEZE, ANY, "", "", "", SEEN, "FROZEN", 0, 0, " "},
	{KEYS_NEXT, ANY, "", "", "", SEEN, "┏━ 2 now", 0, 0, "\033[Z"},
	{KEYS_PREV, ANY, "", "", "", SEEN, "┏━ 6 log", 0, 0, "\t"},
	{KEYS_OPEN, ANY, "", "", "", GONE, "2 now", 0, 0, "z"},
	{KEYS_OPEN, ANY, "4/ffnb\r", "/ffnb", "", SEEN, "tensor<fp", 0, 0, "\033/\0334"},
	{KEYS_ZOOM, ANY, "", "", "", GONE, "2 now", 0, 0, "z"},
	{KEYS_ZOOM, ANY, "z", "", "", SEEN, "2 now", 0, 0, ""},
	{KEYS_PANE, 0, "", "", "", GONE, "2 now", 0, 0, "1"},
	{KEYS_PANE, 1, "", "", "", GONE, "1 loss", 0, 0, "2"},
	{KEYS_PANE, 2, "", "", "", GONE, "1 loss", 0, 0, "3"},
	{KEYS_PANE, 3, "", "", "", GONE, "1 loss", 0, 0, "4"},
	{KEYS_PANE, 4, "", "", "", GONE, "1 loss", 0, 0, "5"},
	{KEYS_PANE, 5, "", "", "", GONE, "1 loss", 0, 0, "6"},
	{KEYS_PANE, 6, "", "", "", SEEN, "7 lr", 0, 0, "7"},
	{KEYS_PANE, 7, "", "", "", SEEN, "8 big", 0, 0, "8"},
	{KEYS_NARROWER, ANY, "", "", "", COLUMN, "2 now", -2, -2, ">"},
	{KEYS_WIDER, ANY, "", "", "", COLUMN, "2 now", 2, 2, "<"},
	{KEYS_SHORTER, ANY, "", "", "", ROW, "4 kernels", -1, -1, "}"},
	{KEYS_HIGHER, ANY, "", "", "", ROW, "4 kernels", 1, 1, "{"},
	{KEYS_THEME, ANY, "", "", "", SEEN, "theme light:", 0, 0, "tttt"},
	{KEYS_THEME, ANY, "", "", "", SENT, "38;5;25m", 1, MANY, "tttt"}, /* blue, of that theme alone */
	{KEYS_STAGE, ANY, "", "", "", GONE, "2 now", 0, 0, "B"},
	{KEYS_LEFT, ANY, "", "", "", SEEN, "cursor 200", 0, 0, "\033"},
	{KEYS_LEFT, ANY, "h", "cursor 200", "", NUMBER, "cursor ", -8, -1, "\033"},
	{KEYS_RIGHT, ANY, "hH", "cursor 1", "", NUMBER, "cursor ", 1, 8, "\033"},
	{KEYS_FAR_LEFT, ANY, "h", "cursor 200", "", NUMBER, "cursor ", -80, -10, "\033"},
	{KEYS_FAR_RIGHT, ANY, "hHHH", "cursor 1", "", NUMBER, "cursor ", 10, 80, "\033"},
	{KEYS_NEARER, ANY, "", "", "", SEEN, "last 100", 0, 0, "0"},
	{KEYS_FARTHER, ANY, "++", "last 50", "", SEEN, "last 100", 0, 0, "0"},
	{KEYS_WHOLE, ANY, "+", "last 100", "", SEEN, "whole run", 0, 0, ""},
	{KEYS_WINDOW, ANY, "", "", "", SEEN, "last ", 0, 0, "w"},
	{KEYS_WINDOW, ANY, "w", "last ", "", SEEN, "whole run", 0, 0, ""},
	{KEYS_LOG_Y, ANY, "", "", "", SEEN, "y:log", 0, 0, "y"},
	{KEYS_AXIS, ANY, "", "", "", SEEN, "x:tokens", 0, 0, ""}, /* back: which others there are depends on the machine */
	{KEYS_SMOOTH, ANY, "", "", "", SEEN, "smoothing 0.", 0, 0, "mmmm"},
	{KEYS_EARLIER, ANY, "+", "last 100", "", SEEN, "100 to 200", 0, 0, "0"},
	{KEYS_LATER, ANY, "+,", "100 to 200", "", SEEN, "last 100", 0, 0, "0"},
	{KEYS_MOUSE, ANY, "", "", "", MOUSE, "mouse off", 0, 0, "M"},
	{KEYS_SORT, ANY, "4", "once a step", "", SEEN, "kernels by name", 0, 0, "sssss4"},
	{KEYS_TURN, ANY, "4s/bwd\r", "/bwd", "", ROW, "ffnBwd", 3, 3, "Ssssss/\0334"},
	{KEYS_FILTER, ANY, "", "", "", SEEN, "Enter keeps it, Esc shows all", 0, 0, "\033"},
	{KEYS_FILTER, ANY, "4", "once a step", "ffnbwd\r", GONE, "classifier", 0, 0, "/\0334"},
	{KEYS_FILTER, ANY, "6", "line 60", "line 33\r", GONE, "line 60", 0, 0, "/\0336"},
	{KEYS_FILTER, ANY, "?", "this help", "wheel\r", GONE, "this help", 0, 0, "\033"},
	{KEYS_BASE, ANY, "", "", "", SEEN, "compared with step 200", 0, 0, "b"},
	{KEYS_BASE, ANY, "b", "compared with step 200", "", SEEN, "no baseline", 0, 0, ""},
	{KEYS_UP, ANY, "6", "line 60", "", SEEN, "1 back, End follows", 0, 0, "j6"},
	{KEYS_UP, ANY, "4s/bwd\rjj", "/bwd", "\r", SEEN, "kernel ffnBwd", 0, 0, "\033sssss/\0334"},
	{KEYS_DOWN, ANY, "6kk", "2 back, End follows", "", SEEN, "1 back, End follows", 0, 0, "j6"},
	{KEYS_DOWN, ANY, "4s/bwd\r", "/bwd", "\r", SEEN, "kernel ffnBwd", 0, 0, "\033sssss/\0334"},
	{KEYS_PAGE_UP, ANY, "6k", "1 back, End follows", "", GONE, "line 45", 0, 0, "G6"},
	{KEYS_PAGE_DOWN, ANY, "6g", "model: demo", "", GONE, "line 10", 0, 0, "G6"},
	{KEYS_TOP, ANY, "6", "line 60", "", SEEN, "model: demo", 0, 0, "G6"},
	{KEYS_END, ANY, "6g", "back, End follows", "", SEEN, "line 60", 0, 0, "6"},
	{KEYS_UNDO, ANY, ":set clip 3\r", "clip 3", "", SEEN, "set: clip 3 -> 1", 0, 0, ""},
	{KEYS_DEFAULT, ANY, "\033OQ/clip\r\033[C", "< 1.1 >", "", SEEN, "< 1 >", 0, 0, "\033"},
	{KEYS_OLDER, ANY, "", "", "", SEEN, "[ 1/2 ]", 0, 0, "]"},
	{KEYS_NEWER, ANY, "[", "[ 1/2 ]", "", SEEN, "[ 2/2 ]", 0, 0, ""},
	{KEYS_CANCEL, ANY, "", "", "", SEEN, "Leave?  s: save and quit", 0, 0, "\033"},
	{KEYS_CANCEL, ANY, "p", "TRAIN", "", SEEN, "PAUSED", 0, 0, ""},
	{KEYS_CLOSE, ANY, "?", "this help", "", GONE, "this help", 0, 0, ""},
	{KEYS_CLOSE, ANY, "h", "cursor 200", "", GONE, "cursor 200", 0, 0, ""},
	{KEYS_CLOSE, ANY, " ", "FROZEN", "", GONE, "FROZEN", 0, 0, ""},
	{KEYS_CLOSE, ANY, "1", "", "", SEEN, "2 now", 0, 0, ""},
	{KEYS_SUSPEND, ANY, "", "", "", STOPPED, "", 0, 0, ""},
	{KEYS_REDRAW, ANY, "", "", "", SENT, "\033[2J", 1, MANY, ""},
};

/* These train on, so they have a program of their own: the others count steps. */
static int trains(const struct check *c)
{
	return c->action == KEYS_PAUSE || (c->action == KEYS_CANCEL && c->setup[0] == 'p');
}

/* --- typing --- */

static void bytes_of(const char *name, char out[8])
{
	static const struct { const char *name, *bytes; } named[] = {{"F1", "\033OP"}, {"F2", "\033OQ"}, {"Space", " "}, {"Tab", "\t"}, {"S-Tab", "\033[Z"}, {"Enter", "\r"}, {"Esc", "\033"},
		{"Up", "\033OA"}, {"Down", "\033OB"}, {"Right", "\033OC"}, {"Left", "\033OD"}, {"Home", "\033OH"}, {"End", "\033OF"}, {"PgUp", "\033[5~"}, {"PgDn", "\033[6~"}};
	snprintf(out, 8, "%s", strlen(name) == 1 ? name : "");
	if (name[0] == '^' && name[1])
		snprintf(out, 8, "%c", name[1] & 31);
	for (size_t i = 0; i < ARRAY_LEN(named); i++)
		if (!strcmp(named[i].name, name))
			snprintf(out, 8, "%s", named[i].bytes);
	if (!out[0])
		fail_msg("the key %s: this test does not know what it sends", name);
}

/* An escape at the end, or before a letter, is a key by itself: what follows has to wait. */
static void type(struct term *t, const char *keys)
{
	char part[128];
	while (*keys) {
		size_t n = strcspn(keys + 1, "\033") + 1;
		int alone = keys[0] == 27 && keys[1] != 'O' && keys[1] != '[';
		n = alone ? 1 : n;
		snprintf(part, sizeof part, "%.*s", (int)n, keys);
		term_type(t, part);
		keys += n;
		if (alone)
			term_run(t, 0.1);
	}
}

static void see(struct term *t, const char *text, const char *about)
{
	if (*text && !term_wait(t, text, LONG))
		fail_msg("%s: \"%s\" does not appear:\n%s%s", about, text, term_screen(t), term_about(t));
}

/* --- looking --- */

static const char *place(struct term *t, const char *text, int *x, int *y)
{
	const char *s = term_screen(t), *at = strstr(s, text);
	*x = *y = 0;
	for (const char *c = s; at && c < at; c++) {
		*x = *c == '\n' ? 0 : *x + (((unsigned char)*c & 0xc0) != 0x80);
		*y += *c == '\n';
	}
	return at;
}

/* What the look sees now, as a number. */
static int measure(struct term *t, const struct check *c, unsigned long from)
{
	int x, y;
	const char *at = place(t, c->text, &x, &y);
	switch (c->look) {
	case SEEN: return at != NULL;
	case GONE: return at == NULL;
	case ROW: return at ? y : -2 * MANY;
	case COLUMN: return at ? x : -2 * MANY;
	case NUMBER: return at && isdigit((unsigned char)at[strlen(c->text)]) ? atoi(at + strlen(c->text)) : -2 * MANY;
	case CHANGED: return at ? (int)(1000 * atof(at + strlen(c->text))) : -2 * MANY;
	case MOUSE: return at && !term_mouse_on(t);
	case STOPPED: return term_wait_stopped(t, 0);
	case SENT: return term_count(t, from, c->text);
	}
	return 0;
}

static int holds(const struct check *c, int before, int now)
{
	int by = now - before;
	if (c->look == SEEN || c->look == GONE || c->look == MOUSE || c->look == STOPPED)
		return now;
	if (c->look == CHANGED)
		return by != 0;
	return now > -MANY && by >= c->least && by <= c->most;
}

static void run_check(struct term *t, const struct check *c, const char *name)
{
	char bytes[8], about[128];
	snprintf(about, sizeof about, "key %s (%.60s)", name, key_row(c->action)->help);
	bytes_of(name, bytes);
	type(t, c->setup);
	see(t, c->ready, about);
	term_run(t, *c->setup ? 0.1 : 0.02);
	unsigned long from = term_bytes(t);
	int before = measure(t, c, from), now = before;
	if (before < -MANY || holds(c, before, before))
		fail_msg("%s: holds before it is pressed, or can not be looked at:\n%s", about, term_screen(t));
	type(t, bytes);
	type(t, c->then);
	for (int i = 0; i < LONG * 20 && !holds(c, before, now = measure(t, c, from)); i++)
		term_run(t, 0.05);
	if (!holds(c, before, now))
		fail_msg("%s: does not do that (was %d, is %d):\n%s%s", about, before, now, term_screen(t), term_about(t));
	if (c->look == STOPPED)
		term_continue(t);
	type(t, c->back);
}

/* --- the program --- */

static struct term *start(int w, int h, const char *script)
{
	char *argv[] = {getenv("ANETUI"), "--no-rc", "-e", "new demo layers=1 dim=32 hidden=64 heads=2 kv_heads=2", "-x", "keys.cmd", NULL};
	if (!argv[0] || access(argv[0], X_OK)) {
		print_message("skipped: needs the program (ANETUI)\n");
		skip();
	}
	FILE *f = fopen("keys.cmd", "w");
	assert_non_null(f);
	fputs(script, f);
	fclose(f);
	struct term *t = term_start(w, h, argv, env);
	assert_non_null(t);
	return t;
}

static struct term *start_trained(void)
{
	char script[4096] = "set sample.every 0\ntrain 200\nsample 5 Once\nsample 5 Twice\n";
	for (int i = 1; i <= LINES; i++) {
		size_t n = strlen(script);
		snprintf(script + n, sizeof script - n, "say line %d\n", i);
	}
	struct term *t = start(120, 40, script);
	see(t, "line 60", "start");
	see(t, "PAUSED", "start");
	see(t, "[ 2/2 ]", "start");
	return t;
}

/* As everything stands when no key has been pressed. */
static void is_base(struct term *t, const char *about)
{
	static const char *const there[] = {"┏━ 1 loss", "2 now", "4 kernels", "6 log", "PAUSED", "whole run"};
	for (size_t i = 0; i < ARRAY_LEN(there); i++)
		see(t, there[i], about);
	/* A message stays until the next one, and would be taken for it. */
	type(t, "\033");
}

static void test_keys(void **s)
{
	(void)s;
	struct term *counting = start_trained(), *training = start_trained();
	for (int a = 1; a < KEYS_N; a++) {
		const struct key_row *row = key_row((enum key_action)a);
		char keys[64], about[64], *save = NULL;
		int which = 0;
		snprintf(keys, sizeof keys, "%s", row->keys);
		for (char *k = strtok_r(keys, " ", &save); k; k = strtok_r(NULL, " ", &save), which++) {
			int found = 0;
			snprintf(about, sizeof about, "before or after key %s", k);
			for (size_t i = 0; i < ARRAY_LEN(checks); i++)
				if (checks[i].action == (enum key_action)a && (checks[i].which == ANY || checks[i].which == which)) {
					struct term *t = trains(&checks[i]) ? training : counting;
					found = 1;
					run_check(t, &checks[i], k);
					if (a == KEYS_AXIS) /* round to the steps */
						for (int n = 0; n < 4 && !strstr(term_screen(t), "x:step"); n++) {
							type(t, k);
							term_run(t, 0.3);
						}
					if (checks[i].look == STOPPED)
						see(t, "going on", about);
					/* No zoom, the focus where it was. */
					if (strchr("456", checks[i].setup[0] ? checks[i].setup[0] : '1') || a == KEYS_PANE)
						type(t, "\033" "11");
					is_base(t, about);
				}
			if (!found)
				fail_msg("keys.def: %s (%s) has no check in this test", row->keys, k);
		}
	}
	for (int i = 0; i < 2; i++) {
		struct term *t = i ? training : counting;
		type(t, "qq");
		assert_true(WIFEXITED(term_wait_end(t, LONG)));
		term_free(t);
	}
}

/* --- commands --- */

/* What tells that a command without words was done; long answers have its name as their title. Those that need words say so themselves. */
static const char *const answers[CMD_N] = {
	[CMD_DATA] = "data: builtin:", [CMD_FREEZE] = "frozen: 0 of", [CMD_INFO] = "┏━ info", [CMD_DEVICE] = "┏━ device", [CMD_PIPELINE] = "static: weights stand", [CMD_TRAIN] = "TRAIN",
	[CMD_PAUSE] = "PAUSED", [CMD_STEP] = "step ", [CMD_LR] = "cosine, max", [CMD_GET] = "┏━ get", [CMD_UNDO] = "undo: nothing to take back", [CMD_EVAL] = "◆val ",
	[CMD_KERNELS] = "┏━ kernels", [CMD_REPORT] = "┏━ report", [CMD_POWER] = "┏━ power", [CMD_TRACE] = "trace: nothing is being recorded", [CMD_BENCH] = "bench: nosuch: no such",
	[CMD_GRADCHECK] = "┏━ gradcheck", [CMD_WATCH] = "nothing is watched", [CMD_REPLAY] = "replay: nothing is replayed", [CMD_REF] = "ref off", [CMD_CKPT] = "checkpoint: runs/",
	[CMD_RUNS] = "last written", [CMD_RECORD] = "nothing is recorded", [CMD_HELP] = "┏━ help", [CMD_ALIAS] = "no alias (", [CMD_ON] = "no rule (", [CMD_LAYOUT] = "layout auto (drawn",
	[CMD_THEME] = "theme dark:", [CMD_ZOOM] = "2 now", [CMD_SETTINGS] = "┏━ settings", [CMD_QUIT] = "saved",
};

/* Its hint names its words behind the cursor, and Enter does it: what tells so is not there before. */
static void run_command(struct term *t, enum command_id id)
{
	const struct command_row *row = command_row(id);
	const struct check c = {.look = id == CMD_ZOOM ? GONE : id == CMD_STEP ? NUMBER : id == CMD_EVAL ? CHANGED : SEEN, .least = 1, .most = MANY, .text = answers[id]};
	char line[96], want[96], about[96], hint[24];
	snprintf(about, sizeof about, "command %s", row->name);
	snprintf(line, sizeof line, ":%s%s", row->name, *row->args ? " " : "");
	snprintf(hint, sizeof hint, "%s", row->args);
	hint[strcspn(hint, " |")] = 0;
	snprintf(want, sizeof want, "%s: too few words", row->name);
	struct check few = {.look = SEEN, .text = want};
	const struct check *k = row->min ? &few : &c;
	if (!k->text)
		fail_msg("commands.def: %s has no answer in this test", row->name);
	type(t, line);
	see(t, line, about);
	see(t, hint, about);
	if (id == CMD_BENCH)
		type(t, "nosuch"); /* all of it takes a minute */
	int before = measure(t, k, 0), now = before;
	if (before < -MANY || holds(k, before, before))
		fail_msg("%s: holds before it is run:\n%s", about, term_screen(t));
	type(t, "\r");
	for (int i = 0; i < LONG * 20 && !holds(k, before, now = measure(t, k, 0)); i++)
		term_run(t, 0.05);
	if (!holds(k, before, now))
		fail_msg("%s: does not answer:\n%s%s", about, term_screen(t), term_about(t));
}

static void test_commands(void **s)
{
	(void)s;
	struct term *t = start_trained();
	for (int i = 0; i < CMD_N; i++) {
		if (i == CMD_QUIT)
			continue;
		run_command(t, (enum command_id)i);
		/* Nothing of it is left to be taken for the next one's. Training goes on until `pause`, the row behind it. */
		type(t, i == CMD_ZOOM ? ":zoom off\r" : "\033");
		if (i != CMD_TRAIN)
			see(t, "PAUSED", command_row((enum command_id)i)->name);
		type(t, ":say 1\r:say 2\r:say 3\r\033");
	}
	run_command(t, CMD_QUIT);
	assert_int_equal(term_wait_end(t, LONG), 0);
	term_free(t);
}

/* --- sizes --- */

/* `:`, ^C and `q` also where nothing of it can be seen. */
static void test_sizes(void **s)
{
	(void)s;
	static const struct { int w, h; } sizes[] = {{1, 1}, {20, 3}, {40, 10}, {80, 24}, {120, 40}, {200, 60}};
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		char about[32], file[32], line[64];
		struct term *t = start(80, 24, "set sample.every 0\ntrain\n");
		snprintf(about, sizeof about, "%dx%d", sizes[i].w, sizes[i].h);
		see(t, "raw ", about);
		term_resize(t, sizes[i].w, sizes[i].h);
		term_run(t, 0.3);
		/* The command line: what it writes is there. */
		snprintf(file, sizeof file, "screen-%zu.txt", i);
		snprintf(line, sizeof line, ":screen %s\r", file);
		type(t, line);
		for (int k = 0; k < LONG * 20 && access(file, R_OK); k++)
			term_run(t, 0.05);
		if (access(file, R_OK))
			fail_msg("%s: the command line does nothing:\n%s", about, term_screen(t));
		/* ^C: training rests. A wider screen tells. */
		type(t, "\003");
		term_run(t, 0.2);
		term_resize(t, 80, 24);
		see(t, "PAUSED", about);
		/* q, and what it asks for. */
		term_resize(t, sizes[i].w, sizes[i].h);
		term_run(t, 0.3);
		type(t, "q\033q");
		term_run(t, 0.2);
		assert_int_equal(term_wait_end(t, 0), -1);
		type(t, "q");
		assert_int_equal(term_wait_end(t, LONG), 0);
		assert_false(term_alternate(t));
		term_free(t);
	}
}

int main(void)
{
	cmocka_set_test_filter(getenv("ONLY_TEST"));
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_keys), cmocka_unit_test(test_commands), cmocka_unit_test(test_sizes)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
