/* test_restart.c: the real program ($ANETUI) that replaces itself again and again: on a terminal nobody sees it, in a script nothing is lost, and no number changes.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/handover.h"
#include "base/mem.h"
#include "support/term.h"

enum { LONG = 120, STEPS = 55 };

#define MODEL "new demo layers=1 dim=32 hidden=64 heads=2 kv_heads=2"
#define SHAPE "set seq 32", "set batch 1", "set eval.every 10", "set sample.every 0", "set ckpt.every 20"
/* Enough for one round of compiles and not for a second. */
#define CUT "device sim budget=8"
#define WHOLE "device sim budget=100000"

static char *no_env[] = {"TERM=xterm-256color", "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "NO_COLOR=", "ANETUI_GLYPHS=", NULL};

static const char *program(void)
{
	const char *p = getenv("ANETUI");
	if (!p || access(p, X_OK)) {
		print_message("skipped: needs the program (ANETUI)\n");
		skip();
	}
	return p;
}

/* argv for the program: the model, then these lines, NULL at the end. */
static void make_argv(char *argv[40], int plain, const char *run, const char *const *lines)
{
	static const char *const before[] = {MODEL, SHAPE};
	int n = 0;
	argv[n++] = (char *)(uintptr_t)program();
	if (plain)
		argv[n++] = "--plain";
	argv[n++] = "--no-rc";
	argv[n++] = "--run";
	argv[n++] = (char *)(uintptr_t)run;
	for (size_t i = 0; i < ARRAY_LEN(before); i++) {
		argv[n++] = "-e";
		argv[n++] = (char *)(uintptr_t)before[i];
	}
	for (; *lines; lines++) {
		argv[n++] = "-e";
		argv[n++] = (char *)(uintptr_t)*lines;
	}
	argv[n] = NULL;
}

/* Without a screen, to its end: the status. What it says goes to RUN.out and RUN.err. */
static int run_plain(const char *run, const char *const *lines)
{
	char *argv[40], name[64];
	int status = -1;
	make_argv(argv, 1, run, lines);
	pid_t pid = fork();
	if (!pid) {
		static const char *const ends[] = {"in", "out", "err"};
		for (int fd = 0; fd < 3; fd++) {
			snprintf(name, sizeof name, "%s.%s", run, ends[fd]);
			int f = fd ? open(name, O_WRONLY | O_CREAT | O_TRUNC, 0666) : open("/dev/null", O_RDONLY);
			dup2(f, fd);
		}
		execv(argv[0], argv);
		_exit(127);
	}
	assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static char *contents(const char *run, const char *end)
{
	char path[200];
	struct str s = {0};
	struct err e = {0};
	snprintf(path, sizeof path, "%s%s", run, end);
	if (file_read(&s, path, "test", 16 << 20, &e))
		fail_msg("%s", e.msg);
	return s.s ? s.s : mem_strdup("");
}

/* What must be equal of a run's record: step and evaluation lines without their times; returns how many. */
static int numbers(const char *run, struct str *out)
{
	char *all = contents(run, "/metrics.jsonl"), *rest;
	int n = 0;
	for (char *line = strtok_r(all, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		char *step = strstr(line, "\"step\":"), *end = strstr(line, ",\"ms\":");
		if (!strstr(line, "\"event\":\"step\"") && !strstr(line, "\"event\":\"eval\""))
			continue;
		if (end)
			*end = 0;
		str_printf(out, "%s\n", step);
		n++;
	}
	free(all);
	return n;
}

static void same_run(const char *a, const char *b)
{
	struct str x = {0}, y = {0};
	int n = numbers(a, &x);
	numbers(b, &y);
	assert_true(n > 5);
	assert_string_equal(x.s, y.s);
	str_done(&x);
	str_done(&y);
}

/* Weights and moments in the last checkpoint: the tensors, without the words before them. */
static void same_checkpoint(const char *a, const char *b, int step)
{
	char path[100];
	struct file_map x, y;
	struct err e = {0};
	uint64_t nx, ny;
	snprintf(path, sizeof path, "%s/step-%08d.ckpt", a, step);
	assert_int_equal(file_map(&x, path, "test", &e), 0);
	snprintf(path, sizeof path, "%s/step-%08d.ckpt", b, step);
	assert_int_equal(file_map(&y, path, "test", &e), 0);
	memcpy(&nx, x.data, 8);
	memcpy(&ny, y.data, 8);
	size_t n = x.size - 8 - nx - 512; /* the last tensor is a list of checksums, that of the header among them */
	assert_int_equal(x.size - nx, y.size - ny);
	assert_memory_equal(x.data + 8 + nx, y.data + 8 + ny, n);
	file_unmap(&x);
	file_unmap(&y);
}

static void straight(void)
{
	static int once;
	if (!once++)
		assert_int_equal(run_plain("straight", (const char *const[]){WHOLE, "train 55", NULL}), 0);
}

/* --- without a screen --- */

static void scripts_go_on(void **state)
{
	(void)state;
	program();
	straight();
	assert_int_equal(run_plain("script", (const char *const[]){CUT, "train 20", "get seq", "-no such line", "sample 3 A", "train 5", "set clip 1", "train 30",
								   "device", NULL}), 0);
	same_run("straight", "script");
	same_checkpoint("straight", "script", STEPS);
	char *err = contents("script", ".err"), *out = contents("script", ".out");
	assert_non_null(strstr(err, "restart 1: 6 of 8 compiles of this process were used at step 1 (a step takes 5: `set accum 10`"));
	assert_non_null(strstr(err, "restart 50: "));
	assert_null(strstr(strstr(err, "restart 2: "), "set accum"));
	assert_non_null(strstr(err, "no: no such command"));
	assert_non_null(strstr(out, "seq 32\nA"));
	assert_non_null(strstr(out, "compiles: 6 used in this process, 2 left\nrestarts: "));
	free(err);
	free(out);
}

/* A pipe's lines that were read already are not lost, and the first that fails ends it as ever. */
static void pipes_go_on(void **state)
{
	(void)state;
	char line[1200];
	snprintf(line, sizeof line, "printf '%%s\\n' '" MODEL "' 'set seq 32' 'set batch 1' '" CUT "' 'train 3' 'get batch' 'train 2' 'get no' 'get seq' | "
				    "'%s' --plain --no-rc --run pipe >pipe.out 2>pipe.err", program());
	int status = system(line);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 2);
	char *err = contents("pipe", ".err"), *out = contents("pipe", ".out");
	assert_string_equal(out, "batch 1\n");
	assert_non_null(strstr(err, "restart 4: "));
	assert_non_null(strstr(err, "stdin:8: set: no: no such key"));
	assert_non_null(strstr(err, "checkpoint: pipe/step-00000005.ckpt"));
	free(err);
	free(out);
}

/* What a new process could not do either ends with a message, at once. */
static void no_endless_loop(void **state)
{
	(void)state;
	program();
	assert_int_equal(run_plain("narrow", (const char *const[]){"device sim budget=5", "train 2", NULL}), 1);
	char *err = contents("narrow", ".err");
	assert_non_null(strstr(err, "6 compiles needed, the device sim has 5 left in this process, and a new one has no more (`pipeline dynamic`"));
	assert_null(strstr(err, "restart 1"));
	free(err);
	assert_int_equal(run_plain("faulty", (const char *const[]){"device sim budget=8 fail=compile:4", "train 2", NULL}), 1);
	err = contents("faulty", ".err");
	assert_non_null(strstr(err, "ANECCompile() FAILED"));
	free(err);
}

/* Somebody who waits for the lock at every moment never gets it. */
static void the_lock_is_never_free(void **state)
{
	(void)state;
	char *argv[40];
	int status = 0, tries = 0, fd = -1;
	make_argv(argv, 1, "locked", (const char *const[]){CUT, "train 20", NULL});
	pid_t pid = fork();
	if (!pid) {
		int null = open("/dev/null", O_RDWR);
		for (int i = 0; i < 3; i++)
			dup2(null, i);
		execv(argv[0], argv);
		_exit(127);
	}
	for (int i = 0; i < LONG * 100 && access("locked/metrics.jsonl", F_OK); i++)
		usleep(10000);
	assert_true((fd = open("locked/lock", O_RDWR | O_CLOEXEC)) >= 0);
	while (waitpid(pid, &status, WNOHANG) == 0 && flock(fd, LOCK_EX | LOCK_NB)) {
		tries++;
		usleep(200);
	}
	char *log = contents("locked", "/metrics.jsonl");
	assert_true(tries > 10);
	assert_non_null(strstr(log, "\"event\":\"stop\"")); /* it had ended when the lock was had */
	free(log);
	close(fd);
	if (!WIFEXITED(status))
		waitpid(pid, &status, 0);
}

static void foreign_content_is_refused(void **state)
{
	struct err e = {0};
	struct handover *h = handover_new(&e), *r;
	int five = 5, got = 0;
	char text[100000];
	(void)state;
	memset(text, 'x', sizeof text);
	handover_put(h, "five", &five, sizeof five);
	handover_put(h, "text", text, sizeof text);
	handover_put_text(h, "word", "hello");
	handover_put(h, "nothing", NULL, 0);
	int fd = handover_seal(h, &e), copy = dup(fd);
	assert_true(fd > 2 && !(fcntl(fd, F_GETFD) & FD_CLOEXEC));
	handover_unseal(h);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_non_null(r = handover_open(copy, &e));
	assert_int_equal(handover_get(r, "five", &got, sizeof got, &e), 0);
	assert_int_equal(got, 5);
	assert_string_equal(handover_text(r, "word"), "hello");
	assert_string_equal(handover_text(r, "text"), ""); /* no text: no NUL */
	assert_int_equal(handover_get(r, "text", &got, sizeof got, &e), ERR_FORMAT);
	assert_string_equal(e.msg, "restart: text: 100000 bytes, 4 are needed");
	assert_int_equal(handover_get(r, "six", &got, sizeof got, &e), ERR_FORMAT);
	assert_int_equal(handover_take_fd(r, "five", &e), -1); /* a number is no descriptor */
	handover_free(r);
	/* Every byte counts. */
	char byte;
	copy = dup(fd);
	for (int at = 0; at < 400; at += 7) {
		assert_int_equal(pread(fd, &byte, 1, at), 1);
		byte ^= 4;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		if (handover_open(copy, &e))
			fail_msg("byte %d changed: taken", at);
		byte ^= 4;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	}
	assert_int_equal(ftruncate(fd, 100), 0);
	assert_null(handover_open(copy, &e));
	close(copy);
	handover_free(h);
	char line[1200];
	snprintf(line, sizeof line, "ANETUI_RESTART=7 '%s' --plain -e 'get seq' 7<'%s' >foreign.out 2>foreign.err", program(), program());
	int status = system(line);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	char *err = contents("foreign", ".err");
	assert_string_equal(err, "anetui: restart: descriptor 7 is no handover of anetui\n");
	free(err);
}

/* --- on a terminal --- */

static void see(struct term *t, const char *text)
{
	if (!term_wait(t, text, LONG))
		fail_msg("\"%s\" does not appear:\n%s", text, term_screen(t));
}

/* The cursor comes to rest there: while a picture is drawn it is hidden and elsewhere. */
static void see_cursor(struct term *t, int want_x, int want_y)
{
	int x = -1, y = -1;
	for (int i = 0; i < 1000; i++, term_run(t, 0.02)) {
		term_cursor(t, &x, &y);
		if (term_cursor_shown(t) && x == want_x && y == want_y)
			return;
	}
	fail_msg("the cursor is at %d, %d, not at %d, %d:\n%s", x, y, want_x, want_y, term_screen(t));
}

static void nobody_sees_it(void **state)
{
	(void)state;
	char *argv[40];
	struct termios before, after;
	program();
	straight();
	make_argv(argv, 0, "screen", (const char *const[]){CUT, "get seed", NULL});
	struct term *t = term_start(100, 30, argv, no_env);
	assert_non_null(t);
	term_modes(t, &before);
	see(t, "1337");
	/* A line is typed, one from the history is changed, and a layout is chosen, all of it before the first restart. */
	term_type(t, ":zoom log\r");
	see(t, "6 log");
	term_type(t, ":train 55\r");
	see(t, "restart 2:");
	term_type(t, ":\033[A\033[A"); /* back to `zoom log` */
	see(t, ":zoom log");
	term_type(t, "\033[D\033[D\033[D\177\177\177\177\177");
	see(t, ":log");
	see_cursor(t, 1, 29); /* before "log" */
	unsigned long mark = term_bytes(t);
	see(t, "restart 30:");
	see(t, ":log");
	see_cursor(t, 1, 29);
	term_type(t, "get ");
	see(t, ":get log");
	see(t, "restart 50:");
	see(t, ":get log");
	see(t, "PAUSED");
	/* Still the same line and the same place in the history. */
	term_type(t, "\033[B");
	see(t, ":train 55");
	term_type(t, "\003\003");
	/* Not a switch of screens, not a clear one, in all that time. */
	assert_int_equal(term_count(t, mark, "\033[?1049"), 0);
	assert_int_equal(term_count(t, mark, "\033[2J"), 0);
	assert_int_equal(term_count(t, mark, "\033[J"), 0);
	assert_int_equal(term_count(t, 0, "\033[?1049h"), 1);
	assert_true(term_alternate(t));
	/* The first curve is there with the last. */
	term_type(t, ":zoom off\r");
	see(t, "1 loss");
	see(t, "2 now");
	term_type(t, "q");
	see(t, "save");
	term_type(t, "s");
	int status = term_wait_end(t, LONG);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	term_modes(t, &after);
	assert_int_equal(after.c_lflag, before.c_lflag);
	assert_int_equal(after.c_iflag, before.c_iflag);
	assert_int_equal(after.c_oflag, before.c_oflag);
	assert_false(term_alternate(t));
	assert_true(term_cursor_shown(t));
	assert_false(term_paste_on(t));
	term_free(t);
	same_run("straight", "screen");
	same_checkpoint("straight", "screen", STEPS);
}

/* The latest restart that the log tells of. */
static int restarts(struct term *t)
{
	int most = 0, n;
	for (const char *at = term_screen(t); (at = strstr(at, "restart ")); at++)
		if (sscanf(at, "restart %d:", &n) == 1 && n > most)
			most = n;
	return most;
}

static void see_restarts(struct term *t)
{
	int from = restarts(t);
	for (int i = 0; i < LONG * 20 && restarts(t) < from + 3; i++)
		term_run(t, 0.05);
	if (restarts(t) < from + 3)
		fail_msg("no restart after %d:\n%s", from, term_screen(t));
}

/* The settings screen, its filter and what is chosen there; a value goes on from where it was. */
static void settings_stay_open(void **state)
{
	(void)state;
	char *argv[40];
	program();
	make_argv(argv, 0, "settings", (const char *const[]){CUT, "zoom log", "train", NULL});
	struct term *t = term_start(100, 30, argv, no_env);
	assert_non_null(t);
	see(t, "restart 2:");
	term_type(t, "\033OQ/beta2\rl");
	see(t, "adam.beta2         < 0.98 >");
	see_restarts(t);
	see(t, "━ /beta2 ");
	term_type(t, "l");
	see(t, "adam.beta2         < 0.99 >");
	see_restarts(t);
	see(t, "adam.beta2         < 0.99 >");
	/* Half a filter is typed on. */
	term_type(t, "/beta");
	see_restarts(t);
	term_type(t, "1\r");
	see(t, "adam.beta1         < 0.9 >");
	term_type(t, "qqq");
	assert_true(WIFEXITED(term_wait_end(t, LONG)));
	term_free(t);
}

/* The terminal comes back as it was found by the first process, whichever one ends, and however. */
static void every_way_out(void **state)
{
	static const int ways[] = {SIGTERM, SIGSEGV};
	(void)state;
	program();
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		char *argv[40], run[32];
		struct termios before, after;
		snprintf(run, sizeof run, "way-%d", ways[i]);
		make_argv(argv, 0, run, (const char *const[]){CUT, "zoom log", "train", NULL});
		struct term *t = term_start(80, 24, argv, no_env);
		assert_non_null(t);
		term_modes(t, &before);
		see(t, "restart 3:");
		term_signal(t, ways[i]);
		int status = term_wait_end(t, LONG);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == ways[i]);
		term_modes(t, &after);
		assert_int_equal(after.c_lflag, before.c_lflag);
		assert_false(term_alternate(t));
		assert_true(term_cursor_shown(t));
		term_free(t);
	}
}

/* The terminal goes away; what runs goes on, and so do the restarts, without one. */
static void without_its_terminal(void **state)
{
	(void)state;
	char *argv[40];
	program();
	straight();
	make_argv(argv, 0, "alone", (const char *const[]){CUT, "zoom log", "train 55", "quit", NULL});
	int n = 0;
	while (argv[n])
		n++;
	memmove(argv + 2, argv + 1, (size_t)n * sizeof *argv);
	argv[1] = "--on-hup=checkpoint,continue";
	struct term *t = term_start(80, 24, argv, no_env);
	assert_non_null(t);
	see(t, "restart 5:");
	term_hang_up(t);
	char *log = NULL;
	for (int i = 0; i < LONG * 10 && !(log && strstr(log, "\"event\":\"stop\"")); i++) {
		usleep(100000);
		free(log);
		log = contents("alone", "/metrics.jsonl");
	}
	assert_non_null(strstr(log, "\"reason\":\"quit\""));
	free(log);
	term_free(t);
	same_run("straight", "alone");
}

int main(void)
{
	cmocka_set_test_filter(getenv("ONLY_TEST"));
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(foreign_content_is_refused), cmocka_unit_test(scripts_go_on), cmocka_unit_test(pipes_go_on), cmocka_unit_test(no_endless_loop),
		cmocka_unit_test(the_lock_is_never_free), cmocka_unit_test(nobody_sees_it), cmocka_unit_test(settings_stay_open), cmocka_unit_test(every_way_out),
		cmocka_unit_test(without_its_terminal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
