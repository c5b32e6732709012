/* test_terminal.c: the real program ($ANETUI) in a terminal, as a user meets it: typing, history, completion, sizes, suspending, and every way out.
 * No test waits longer than it must: each waits for what should appear, and fails only after a generous time.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "support/see.h"

enum { LONG = SEE_LONG };

static int same_modes(const struct termios *a, const struct termios *b)
{
	return a->c_lflag == b->c_lflag && a->c_iflag == b->c_iflag && a->c_oflag == b->c_oflag && a->c_cflag == b->c_cflag;
}

static const char *not_restored(struct term *t)
{
	struct termios now;
	term_modes(t, &now);
	return !same_modes(&now, term_first_modes(t)) ? "the terminal's modes are not what they were"
	     : term_alternate(t)                      ? "the alternate screen is still on"
	     : !term_cursor_shown(t)                  ? "the cursor is still hidden"
	     : term_mouse_on(t)                       ? "the mouse is still reported"
	     : term_paste_on(t)                       ? "bracketed paste is still on"
						      : NULL;
}

/* The terminal has to be as it was. That the program stopped or ended may be known before its last bytes have come. */
static void is_restored(struct term *t)
{
	for (int i = 0; i < 10 * LONG && not_restored(t); i++)
		term_run(t, 0.1);
	if (not_restored(t))
		fail_msg("%s:\n%s", not_restored(t), term_screen(t));
}

/* Each start draws. STARTS=400 on a busy machine is the long form of it. */
static void test_starts(void **s)
{
	(void)s;
	const char *many = getenv("STARTS");
	for (int i = 0, n = many ? atoi(many) : 5; i < n; i++) {
		struct term *t = see_start_small(80, 24, i % 2 ? "train" : "get seed");
		see(t, i % 2 ? "raw " : "1337");
		term_type(t, i % 2 ? "qq" : "qs");
		assert_true(WIFEXITED(term_wait_end(t, LONG)));
		is_restored(t);
		term_free(t);
	}
}

static void test_session(void **s)
{
	(void)s;
	struct term *t = see_start_small(80, 24, "train");
	see(t, "TRAIN");
	see(t, "1 loss");
	/* A command: typed, hinted, run, marked on the curve. */
	term_type(t, ":");
	see(t, "Enter run");
	term_type(t, "lr ");
	see(t, "[RATE]");
	term_type(t, "1e-4\r");
	see(t, "0.0001");
	/* Editing: a letter is taken back, the cursor moves. */
	term_type(t, ":get sexd");
	see(t, ":get sexd");
	term_type(t, "\033[D\177e");
	see(t, ":get seed");
	term_type(t, "\r");
	see(t, "1337");
	/* History. */
	term_type(t, ":");
	term_type(t, "\033[A");
	see(t, ":get seed");
	term_type(t, "\033[A");
	see(t, ":lr 1e-4");
	/* ^C clears the line; in an empty one it leaves. */
	term_type(t, "\003");
	see_gone(t, ":lr 1e-4");
	term_type(t, "\003");
	see_gone(t, "Enter run");
	/* Searching back. */
	term_type(t, ":\022see");
	see(t, "get seed");
	term_type(t, "\033");
	term_type(t, "\033");
	see_gone(t, "Enter run");
	/* Completion: one candidate is put in, several are listed. */
	term_type(t, ":kern\t");
	see(t, ":kernels ");
	term_type(t, "\003s\t");
	see(t, "set       ");
	see(t, "settings");
	term_type(t, "\033");
	/* A long answer opens over the panes and is closed. */
	see(t, "press :");
	term_type(t, ":help\r");
	see(t, "Esc closes");
	term_type(t, "q");
	see_gone(t, "Esc closes");
	/* Leaving. */
	term_type(t, "q");
	see(t, "save and quit");
	term_type(t, "\033");
	see_gone(t, "save and quit");
	see(t, "TRAIN");
	term_type(t, "qs");
	int status = term_wait_end(t, LONG);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		fail_msg("ended with %x:\n%s", (unsigned)status, term_screen(t));
	see(t, "saved (anetui --resume goes on)");
	is_restored(t);
	term_free(t);
}

static void test_sizes(void **s)
{
	(void)s;
	struct term *t = see_start_small(120, 40, "train");
	static const struct { int w, h; } sizes[] = {{40, 10}, {20, 3}, {5, 2}, {1, 1}, {300, 100}, {1, 40}, {200, 1}, {80, 24}};
	see(t, "6 log");
	term_type(t, ":sample 5 abc");
	see(t, ":sample 5 abc");
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		int x, y;
		term_resize(t, sizes[i].w, sizes[i].h);
		term_run(t, 0.3);
		assert_int_equal(term_wait_end(t, 0), -1);
		term_cursor(t, &x, &y);
		assert_true(x >= 0 && x < sizes[i].w && y >= 0 && y < sizes[i].h);
	}
	see(t, ":sample 5 abc");
	see(t, "1 loss");
	see(t, "6 log");
	/* Still alive at one cell: q and s work blindly. */
	term_type(t, "\033");
	see_gone(t, ":sample 5");
	term_resize(t, 1, 1);
	term_run(t, 0.3);
	term_type(t, "q");
	term_run(t, 0.3);
	term_type(t, "s");
	int status = term_wait_end(t, LONG);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	term_free(t);
}

/* Steps of the record that have a gap and no speed; *slow: the same, but with one. */
static int count_gaps(const char *dir, int *slow)
{
	char path[64], line[1024];
	int n = 0;
	*slow = 0;
	snprintf(path, sizeof path, "%s/metrics.jsonl", dir);
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof line, f)) {
		int gap = strstr(line, "\"gap\":") != NULL, none = strstr(line, "\"ms\":null,\"micro_ms\":null") != NULL;
		n += gap && none;
		*slow += gap != none && strstr(line, "\"event\":\"step\"");
	}
	fclose(f);
	return n;
}

/* Each stop is a gap of one step in the record, whatever it came in the middle of. */
static void see_gaps(struct term *t, const char *dir, int want)
{
	int n, wrong;
	for (int i = 0; (n = count_gaps(dir, &wrong)) < want && i < 10 * LONG; i++)
		term_run(t, 0.1);
	assert_int_equal(n, want);
	assert_int_equal(wrong, 0);
}

static void test_suspend(void **s)
{
	char dir[32];
	snprintf(dir, sizeof dir, "suspend-%d", (int)getpid());
	char *argv[] = {see_program(), "--no-rc", "--run", dir, "-e", "new demo layers=1 dim=32 hidden=64 heads=2 kv_heads=2", "-e", "train", NULL};
	(void)s;
	struct term *t = term_start(80, 24, argv, see_env);
	assert_non_null(t);
	see(t, "raw ");
	for (int round = 0; round < 2; round++) {
		if (round)
			term_signal(t, SIGTSTP);
		else
			term_type(t, "\032");
		if (!term_wait_stopped(t, LONG))
			fail_msg("round %d: it does not stop:\n%s", round, term_screen(t));
		is_restored(t);
		term_continue(t);
		see(t, "TRAIN");
		see(t, "going on");
		assert_true(term_alternate(t));
		see_gaps(t, dir, round + 1);
	}
	/* Stopped in a way that cannot be caught: it draws itself anew. */
	term_signal(t, SIGSTOP);
	assert_true(term_wait_stopped(t, LONG));
	term_continue(t);
	term_type(t, ":get seed");
	see(t, ":get seed");
	see_gaps(t, dir, 3);
	term_free(t);
}

/* Lines that move up or down by one are scrolled. Where the terminal has one place for a saved cursor that must not touch what the shell left there. */
static void test_scrolling(void **s)
{
	(void)s;
	struct term *t = see_start_small(80, 24, "get seed");
	int x, y;
	see(t, "1337");
	term_type(t, "6");
	for (int i = 0; i < 30; i++) {
		char line[32], shown[32];
		snprintf(line, sizeof line, ":lr 0.%d1\r", i + 1);
		snprintf(shown, sizeof shown, "-> 0.%d1", i + 1);
		term_type(t, line);
		see(t, shown);
	}
	for (int i = 0; i < 20; i++) {
		term_type(t, i % 4 < 2 ? "k" : "j");
		term_run(t, 0.15);
	}
	term_type(t, "qq");
	int status = term_wait_end(t, LONG);
	assert_true(WIFEXITED(status));
	is_restored(t);
	assert_false(term_saved_cursor(t));
	term_cursor(t, &x, &y);
	assert_in_range(y, 0, 2);
	term_free(t);
}

enum whom { PROCESS, WORKER };

static void end_by(int sig, int train, enum whom whom)
{
	struct term *t = see_start_small(80, 24, train ? "train" : "get seed");
	/* With a first step the run has its folder. */
	see(t, train ? "raw " : "1337");
	if (whom == PROCESS || !term_signal_thread(t, sig))
		term_signal(t, sig);
	int status = term_wait_end(t, LONG);
	if (status < 0 || !WIFSIGNALED(status) || WTERMSIG(status) != sig)
		fail_msg("after signal %d: status %x\n%s", sig, (unsigned)status, term_screen(t));
	is_restored(t);
	if (sig == SIGTERM)
		see(t, "saved");
	term_free(t);
}

static void test_sigterm(void **s)
{
	(void)s;
	end_by(SIGTERM, 1, PROCESS);
}

static void test_sigint(void **s)
{
	(void)s;
	end_by(SIGINT, 0, PROCESS);
}

enum { HELD_RUN_BYTES = 4 << 20 };

static size_t read_file(const char *path, char *bytes)
{
	FILE *f = fopen(path, "re");
	size_t n = f ? fread(bytes, 1, HELD_RUN_BYTES, f) : 0;
	if (f)
		fclose(f);
	return n;
}

static void make_file(const char *path)
{
	FILE *f = fopen(path, "we");
	assert_true(f && !fclose(f));
}

/* A run that goes on from step 1 to step 2, on a disk that stands still before `call` of the next save. */
static struct term *start_held(const char *library, const char *call)
{
	char preload[1100], hold[32];
	char *env[] = {see_env[0], see_env[1], see_env[2], see_env[3], see_env[4], preload, hold, "DISK_GATE=gate", "ASAN_OPTIONS=verify_asan_link_order=0", NULL};
	char *argv[] = {see_program(), "--no-rc", "--run", "held", "--resume", "-e", "train 1", NULL};
	snprintf(preload, sizeof preload, "LD_PRELOAD=%s", library);
	snprintf(hold, sizeof hold, "DISK_HOLD=%s", call);
	struct term *t = term_start(80, 24, argv, env);
	assert_non_null(t);
	see(t, "2/2");
	return t;
}

static void wait_held(struct term *t)
{
	for (int i = 0; i < 10 * LONG && access("gate/at", F_OK); i++)
		term_run(t, 0.1);
	assert_int_equal(access("gate/at", F_OK), 0);
}

/* The end of it, by ^C. */
static void ended_held(struct term *t, const char *words, const char *old, size_t size)
{
	static char now[HELD_RUN_BYTES];
	int status = term_wait_end(t, LONG);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGINT)
		fail_msg("ended with %x:\n%s", (unsigned)status, term_screen(t));
	is_restored(t);
	see(t, words);
	assert_null(strstr(term_screen(t), "saved (anetui"));
	term_free(t);
	assert_int_equal(access("held/step-00000002.ckpt", F_OK), -1);
	assert_int_equal(read_file("held/step-00000001.ckpt", now), size);
	assert_memory_equal(now, old, size);
}

/* The last save stands before a disk that hangs: ^C gives it up, one more ends over it. */
static void test_last_save_given_up(void **s)
{
	(void)s;
	static char old[HELD_RUN_BYTES];
	char library[1000], make[1200];
	snprintf(library, sizeof library, "%s/tests/libdisk.so", getenv("ANETUI_OUT") ? getenv("ANETUI_OUT") : "");
	if (access(library, F_OK)) {
		print_message("skipped: needs a library between the program and the disk (Linux)\n");
		skip();
	}
	snprintf(make, sizeof make, "rm -rf held gate; mkdir gate; '%s' --plain --no-rc --run held -e 'new demo layers=1 dim=32 hidden=64 heads=2 kv_heads=2' -e 'train 1' >held.log 2>&1 </dev/null", see_program());
	assert_int_equal(system(make), 0);
	size_t size = read_file("held/step-00000001.ckpt", old);
	assert_in_range(size, 1, HELD_RUN_BYTES - 1);
	struct term *t = start_held(library, "write");
	term_type(t, "qs");
	see(t, "^C gives the save up");
	wait_held(t);
	term_type(t, "\003");
	see(t, "the last save is given up; ^C once more ends at once");
	make_file("gate/go");
	ended_held(t, "step-00000002.ckpt: given up, not saved (older checkpoints", old, size);
	/* The same by signals, and nobody lets the disk go on. */
	assert_int_equal(unlink("gate/go"), 0);
	assert_int_equal(unlink("gate/at"), 0);
	t = start_held(library, "fsync");
	term_signal(t, SIGINT);
	see(t, "^C gives the save up");
	wait_held(t);
	term_signal(t, SIGINT);
	see(t, "^C once more ends at once");
	term_signal(t, SIGINT);
	ended_held(t, "ended at once: the last save was not waited for", old, size);
}

/* The picture is gone, all is saved, and the history still has to get into its file, which somebody holds: an interrupt takes neither that nor the status away. */
static void test_interrupt_at_the_end(void **s)
{
	(void)s;
	char state[1000], dir[1024], path[1100], line[64] = "";
	if (!getcwd(state, sizeof state - 10))
		skip();
	strcat(state, "/end");
	snprintf(dir, sizeof dir, "XDG_STATE_HOME=%s", state);
	snprintf(path, sizeof path, "%s/anetui/history", state);
	char *env[] = {see_env[0], see_env[1], see_env[2], see_env[3], see_env[4], dir, NULL};
	char *argv[] = {see_program(), "--no-rc", "-e", "new demo layers=1 dim=32 hidden=64 heads=2 kv_heads=2", "-e", "train 1", NULL};
	struct term *t = term_start(80, 24, argv, env);
	assert_non_null(t);
	see(t, "raw ");
	term_type(t, ":get adam.beta2\r");
	see(t, "0.95");
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0 && !flock(fd, LOCK_EX));
	term_type(t, "qs");
	see(t, "saved (anetui");
	term_signal(t, SIGINT);
	term_run(t, 0.1);
	close(fd);
	int status = term_wait_end(t, LONG);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	is_restored(t);
	term_free(t);
	FILE *f = fopen(path, "r");
	assert_true(f && fgets(line, sizeof line, f));
	fclose(f);
	assert_string_equal(line, "get adam.beta2\n");
}

static void test_sighup(void **s)
{
	(void)s;
	end_by(SIGHUP, 1, PROCESS);
}

/* The connection is lost: with --on-hup checkpoint,continue training goes on without a screen, until it is told to end. */
static void test_hang_up(void **s)
{
	(void)s;
	for (int go_on = 0; go_on < 2; go_on++) {
		char *argv[] = {see_program(), "--no-rc", "--on-hup", go_on ? "checkpoint,continue" : "checkpoint", "-e",
			"new demo layers=1 dim=32 hidden=64 heads=2 kv_heads=2", "-e", "train", NULL};
		struct term *t = term_start(80, 24, argv, see_env);
		assert_non_null(t);
		see(t, "raw ");
		term_hang_up(t);
		int status = term_wait_end(t, go_on ? 1 : LONG);
		if (go_on) {
			assert_int_equal(status, -1);
			term_signal(t, SIGTERM);
			status = term_wait_end(t, LONG);
		}
		assert_true(status >= 0 && WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), go_on ? SIGTERM : SIGHUP);
		term_free(t);
	}
}

static void test_crash(void **s)
{
	(void)s;
#if defined(__SANITIZE_ADDRESS__)
	print_message("skipped: the sanitizer has its own ideas about crashes\n");
	skip();
#endif
	static const int sigs[] = {SIGSEGV, SIGABRT, SIGFPE};
	for (size_t i = 0; i < ARRAY_LEN(sigs); i++)
		end_by(sigs[i], i == 0, PROCESS);
	/* In the worker, which has all other signals blocked. */
	end_by(SIGSEGV, 1, WORKER);
}

/* A click in the curve sets the cursor, on a word of the help line it presses that key, on a pane it gives it the focus; the wheel zooms. M leaves the mouse to the terminal. */
static void test_mouse(void **s)
{
	(void)s;
	struct term *t = see_start_small(80, 24, "train");
	see(t, "raw ");
	assert_true(term_mouse_on(t));
	/* Early in the curve, right of the widest labels. */
	term_type(t, "\033[<0;14;5M\033[<0;14;5m");
	see(t, "@");
	term_type(t, "\033");
	see_gone(t, "@");
	term_type(t, "\033[<64;20;5M");
	see(t, "last ");
	term_type(t, "0");
	see_gone(t, "last ");
	term_type(t, "\033[<0;3;23M\033[<0;3;23m");
	see(t, "Esc closes");
	term_type(t, "\033");
	see_gone(t, "Esc closes");
	term_type(t, "M");
	see(t, "mouse off");
	assert_false(term_mouse_on(t));
	term_type(t, "M");
	see(t, "mouse on");
	assert_true(term_mouse_on(t));
	/* At the prompt no click is typed. */
	term_type(t, ":get\033[<0;14;5M seed");
	see(t, ":get seed");
	term_type(t, "\003");
	see_gone(t, ":get seed");
	term_type(t, "\003");
	see_gone(t, "Enter run");
	term_type(t, "qs");
	assert_true(WIFEXITED(term_wait_end(t, LONG)));
	is_restored(t);
	term_free(t);
}

/* Colours by key and by command; panes by key and by mouse. */
static void test_looks(void **s)
{
	(void)s;
	struct term *t = see_start_small(120, 40, "get seed");
	see(t, "1337");
	term_type(t, "t");
	see(t, "theme light:");
	term_type(t, ":theme cb\r:theme\r");
	see(t, "theme cb: colour-blind safe");
	term_type(t, ":theme purple\r");
	see(t, "must be");
	/* The loss pane, which has the focus, gets two columns more: its corner moves from column 83 to 85. */
	term_type(t, ">");
	see(t, "┓┌─ 2 now ───────────────── demo ─┐");
	term_type(t, "<");
	see(t, "┓┌─ 2 now ─────────────────── demo ─┐");
	/* Curses makes one thing of a press and what follows it at once. */
	term_type(t, "\033[<0;84;6M");
	term_run(t, 0.3);
	term_type(t, "\033[<32;70;6M");
	term_run(t, 0.3);
	term_type(t, "\033[<0;70;6m");
	see(t, "2 now ────────────────────────────");
	term_type(t, "B");
	see_gone(t, "2 now");
	see(t, "loss");
	term_type(t, ":layout auto\r");
	see(t, "2 now");
	term_type(t, "qq");
	assert_true(WIFEXITED(term_wait_end(t, LONG)));
	term_free(t);
}

/* Enter in the kernels pane: how the chosen program went, and its text with types. */
static void test_kernel_text(void **s)
{
	(void)s;
	struct term *t = see_start_small(100, 32, "get seed");
	see(t, "1337");
	term_type(t, ":train 3\r");
	see(t, "ms/micro");
	term_type(t, "4");
	see(t, "once a step");
	term_type(t, "/ffnb\r");
	see_gone(t, "classifier");
	term_type(t, "\r");
	see(t, "kernel ffnBwd");
	see(t, "a program: the device runs it");
	see(t, "tensor<fp");
	term_type(t, "\033");
	see_gone(t, "tensor<fp");
	term_type(t, "qq");
	assert_true(WIFEXITED(term_wait_end(t, LONG)));
	term_free(t);
}

/* Keys as other terminals send them than the one whose name stands in TERM. */
static void test_other_terminals(void **s)
{
	(void)s;
	struct term *t = see_start_small(80, 24, "get seed");
	see(t, "1337");
	term_type(t, "\033[11~");
	see(t, "this help");
	term_type(t, "\033[4~");
	see_gone(t, "this help");
	see(t, "Esc closes");
	term_type(t, "\033[1~");
	see(t, "this help");
	term_type(t, "\033");
	see_gone(t, "Esc closes");
	term_type(t, "\033[12~");
	see(t, "by itself");
	term_free(t);
}

/* Pasted text runs nothing, whatever it holds. */
static void test_paste(void **s)
{
	(void)s;
	struct term *t = see_start_small(80, 24, "get seed");
	see(t, "1337");
	term_type(t, "\033[200~get batch\rq\nquit now\n\033[201~");
	see(t, ":get batch q quit now");
	term_type(t, "\003");
	see_gone(t, ":get batch");
	term_type(t, "\003");
	see_gone(t, "Enter run");
	assert_int_equal(term_wait_end(t, 0), -1);
	term_free(t);
}

static void test_unicode(void **s)
{
	(void)s;
	struct term *t = see_start_small(80, 24, "get seed");
	int x, y;
	see(t, "1337");
	term_type(t, ":sample 3 吾輩は猫 é");
	see(t, ":sample 3 吾輩は猫 é");
	term_cursor(t, &x, &y);
	assert_int_equal(y, 23);
	assert_int_equal(x, 1 + 9 + 8 + 2);
	term_type(t, "\177\177\177");
	see(t, ":sample 3 吾輩は\n");
	term_cursor(t, &x, &y);
	assert_int_equal(x, 1 + 9 + 6);
	term_free(t);
}

/* NO_COLOR: no byte of colour is sent. ANETUI_GLYPHS=ascii: no glyph beyond it. */
static void test_plain_looks(void **s)
{
	(void)s;
	static char *env[] = {"TERM=xterm-256color", "LC_ALL=C.UTF-8", "NO_COLOR=1", "ANETUI_GLYPHS=ascii", NULL};
	char *argv[] = {see_program(), "--no-rc", "-e", "new demo layers=1 dim=32 hidden=64 heads=2 kv_heads=2", NULL};
	struct term *t = term_start(80, 24, argv, env);
	assert_non_null(t);
	see(t, "== 1 loss =");
	for (const char *c = term_screen(t); *c; c++)
		assert_true((unsigned char)*c < 128);
	term_free(t);
}

/* A terminal with sixteen colours: no others are sent, the bright ones are, what is dim is dimmed by it, and in the contrast theme nothing is. */
static void test_sixteen_colours(void **s)
{
	(void)s;
	static const char entry[] = "anetui-16|sixteen colours, use=xterm,\n\tcolors#16, pairs#256, op=\\E[39;49m,\n"
		"\tsetab=\\E[%?%p1%{8}%<%t%p1%{40}%+%e%p1%{92}%+%;%dm, setaf=\\E[%?%p1%{8}%<%t%p1%{30}%+%e%p1%{82}%+%;%dm,\n";
	char dir[1100] = "TERMINFO=";
	char *argv[] = {see_program(), "--no-rc", "-e", "new demo layers=1 dim=32 hidden=64 heads=2 kv_heads=2", NULL};
	char *env[] = {"TERM=anetui-16", "LC_ALL=C.UTF-8", "NO_COLOR=", "ANETUI_GLYPHS=", "ANETUI_THEME=dark", dir, NULL};
	FILE *f = fopen("sixteen.ti", "w");
	if (!f || !getcwd(dir + 9, sizeof dir - 9))
		skip();
	fputs(entry, f);
	fclose(f);
	if (system("tic -x -o . sixteen.ti 2>/dev/null")) {
		print_message("skipped: needs tic\n");
		skip();
	}
	struct term *t = term_start(100, 30, argv, env);
	assert_non_null(t);
	see(t, "press : for");
	assert_int_equal(term_count(t, 0, "\033[38;") + term_count(t, 0, "\033[48;"), 0);
	assert_true(term_count(t, 0, "\033[96m") > 0);
	assert_true(term_count(t, 0, "\033[2m") + term_count(t, 0, ";2m") > 0);
	term_type(t, ":theme contrast\r");
	term_run(t, 0.3);
	unsigned long mark = term_bytes(t);
	term_type(t, ":say finis\r");
	see(t, "finis\n");
	term_type(t, "r6");
	see_gone(t, "1 loss");
	assert_int_equal(term_count(t, mark, "\033[2m") + term_count(t, mark, ";2m"), 0);
	term_free(t);
}

/* An unknown terminal and a dumb one are no place for a screen: it says so or goes on without. */
static void test_no_screen(void **s)
{
	(void)s;
	static char *env[] = {"TERM=no-such-terminal", NULL};
	char *argv[] = {see_program(), "--no-rc", "-e", "get seed", NULL};
	struct term *t = term_start(80, 24, argv, env);
	assert_non_null(t);
	int status = term_wait_end(t, LONG);
	assert_true(status >= 0 && WIFEXITED(status));
	assert_false(term_alternate(t));
	term_free(t);
}

int main(void)
{
	setlocale(LC_CTYPE, "C.UTF-8");
	cmocka_set_test_filter(getenv("ONLY_TEST")); /* test_mouse: that one alone */
	const struct CMUnitTest tests[] = {
		see_test(test_starts), see_test(test_session), see_test(test_sizes), see_test(test_suspend), see_test(test_scrolling), see_test(test_sigterm),
		see_test(test_sigint), see_test(test_interrupt_at_the_end), see_test(test_last_save_given_up), see_test(test_sighup), see_test(test_hang_up), see_test(test_crash), see_test(test_paste), see_test(test_mouse), see_test(test_looks), see_test(test_kernel_text), see_test(test_other_terminals),
		see_test(test_unicode), see_test(test_plain_looks), see_test(test_sixteen_colours), see_test(test_no_screen),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
