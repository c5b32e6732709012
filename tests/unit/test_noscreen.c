/* test_noscreen.c: the way without a screen, against a fake engine of this file: what goes to which output, exit statuses, signals.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <locale.h>
#include <math.h>
#if defined(__APPLE__)
#include <util.h>
#else
#include <pty.h>
#endif
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "repl/plain.h"
#include "repl/plain_out.h"
#include "repl/wake.h"

/* --- the fake: answers at once, but `train` without a number, which waits for an interrupt --- */

static struct engine_event queue[512];
static int nqueue, at_queue;
static uint32_t ids, endless;
static int steps;
static struct str seen; /* what arrived */

static void say(enum engine_event_kind kind, uint32_t id, int code, const char *text)
{
	struct engine_event *ev = &queue[nqueue++];
	assert_true(nqueue <= (int)ARRAY_LEN(queue));
	memset(ev, 0, sizeof *ev);
	ev->kind = kind;
	ev->id = id;
	ev->code = code;
	ev->obs.watts = NAN;
	snprintf(ev->text, sizeof ev->text, "%s", text);
	wake_engine(NULL);
}

static void fake_train(int n)
{
	for (int i = 0; i < n; i++) {
		say(EV_STEP, 0, 0, "");
		struct step_obs *o = &queue[nqueue - 1].obs;
		o->step = (uint64_t)++steps;
		o->loss = 5.1234;
		o->lr = 3e-4;
		o->ms = 24.4;
	}
}

struct engine *engine_start(const struct engine_options *o, struct err *e)
{
	(void)o;
	(void)e;
	return (struct engine *)queue;
}
void engine_free(struct engine *g) { (void)g; }
uint32_t engine_next_id(struct engine *g)
{
	(void)g;
	return ++ids;
}
void engine_snapshot(struct engine *g, struct engine_snapshot *out)
{
	(void)g;
	memset(out, 0, sizeof *out);
	settings_init(&out->settings);
	out->step = (uint64_t)steps;
	out->target = 40;
	out->tokens_per_s = 41234;
}
int engine_event(struct engine *g, struct engine_event *ev)
{
	(void)g;
	if (at_queue == nqueue) {
		at_queue = nqueue = 0;
		return 0;
	}
	*ev = queue[at_queue++];
	return 1;
}
int engine_hand_over(struct engine *g, struct handover *h, struct err *e)
{
	(void)g;
	(void)h;
	return err_set(e, ERR_STATE, "this engine restarts nothing");
}
int engine_go_on(struct engine *g, const char *why, struct err *e)
{
	(void)g;
	(void)why;
	(void)e;
	return 0;
}
void engine_give_up(struct engine *g)
{
	(void)g;
	str_puts(&seen, "give up;");
}
void engine_cancel(struct engine *g)
{
	(void)g;
	str_puts(&seen, "cancel;");
	if (endless)
		say(EV_DONE, endless, 0, "");
	endless = 0;
}
int engine_send(struct engine *g, const struct engine_cmd *c, struct err *e)
{
	(void)g;
	(void)e;
	switch (c->op) {
	case CMD_TRAIN:
		fake_train(c->argc ? atoi(c->words) : 1);
		if (c->argc)
			break;
		endless = c->id;
		return 0;
	case CMD_SAMPLE:
		say(EV_LOG, 0, 0, "a line of the log");
		say(EV_SAMPLE_BEGIN, c->id, 0, c->argc > 1 ? c->words + strlen(c->words) + 1 : "");
		say(EV_SAMPLE, c->id, 0, " there was a ł");
		say(EV_SAMPLE, 0, 0, "not\nasked for");
		say(EV_SAMPLE, c->id, 0, "ion.\n");
		say(EV_SAMPLE_END, c->id, 0, "2 tokens");
		say(EV_SAMPLE_END, 0, 0, "1 token");
		break;
	case CMD_INFO:
		say(EV_TEXT, c->id, 0, "two lines, ");
		say(EV_TEXT, c->id, 0, "the first\nand the second\n");
		break;
	case CMD_SET:
		say(EV_DONE, c->id, ERR_USAGE, "set: clpi: no such key (did you mean clip?)");
		return 0;
	case CMD_LR: /* the log tells it already */
		say(EV_MARK, 0, 0, "lr.max 0.0006 -> 0.0003");
		break;
	case CMD_LOAD:
		say(EV_DONE, c->id, ERR_IO, "load: x: No such file or directory");
		return 0;
	case CMD_CKPT:
		str_puts(&seen, "ckpt;");
		say(EV_LOG, 0, 0, "checkpoint: somewhere");
		queue[nqueue - 1].level = LOG_WARN;
		break;
	case CMD_STOP_SAVE:
	case CMD_STOP_NOW:
		str_printf(&seen, "%s %s;", c->op == CMD_STOP_SAVE ? "save" : "now", c->argc ? c->words : "");
		if (getenv("FAKE_DISK_FULL")) {
			say(EV_DONE, c->id, ERR_IO, "ckpt: runs/demo: No space left on device");
			say(EV_STOPPED, 0, 0, "");
			return 0;
		}
		say(EV_DONE, c->id, 0, "");
		say(EV_STOPPED, 0, 0, "");
		return 0;
	}
	say(EV_DONE, c->id, 0, "");
	return 0;
}

/* --- running it --- */

static char dir[] = "/tmp/anetui-test-XXXXXX";
static char out[20000], err[20000], did[2000];

static void read_into(const char *path, char *text, size_t room)
{
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(text, 1, room - 1, f) : 0;
	text[n] = 0;
	if (f)
		fclose(f);
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void child(const char *out_path, const struct script *s, int input, enum on_hup on_hup)
{
	struct err e;
	const struct plain_options o = {.script = s, .read_input = input, .on_hup = on_hup};
	alarm(60); /* nothing of us stays when a test fails */
	if (!freopen("in", "r", stdin) || !freopen(out_path, "w", stdout) || !freopen("err", "w", stderr) || wake_open(&e))
		_exit(99);
	setvbuf(stderr, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	int status = plain_run(NULL, &o);
	fflush(NULL);
	write_file("did", seen.s ? seen.s : "");
	_exit(status);
}

/* The status of a session with these script lines and this standard input (NULL: not read). */
static int session(const struct script *s, const char *input)
{
	static const struct script none;
	int status;
	write_file("in", input ? input : "");
	fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		child("out", s ? s : &none, input != NULL, ON_HUP_EXIT);
	waitpid(pid, &status, 0);
	read_into("out", out, sizeof out);
	read_into("err", err, sizeof err);
	read_into("did", did, sizeof did);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int make_dir(void **state)
{
	(void)state;
	setlocale(LC_CTYPE, "C.UTF-8");
	return mkdtemp(dir) && !chdir(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char cmd[100];
	(void)state;
	snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
	return chdir("/") || system(cmd);
}

static void answers_and_samples_go_out(void **state)
{
	(void)state;
	assert_int_equal(session(NULL, "info\nsample 2 Once\nsample 2\nhelp clip\n# nothing\n\n:quit\ninfo\n"), 0);
	static const char want[] = "two lines, the first\nand the second\nOnce there was a łion.\n\n there was a łion.\n\nset clip VALUE\n";
	assert_int_equal(strncmp(out, want, sizeof want - 1), 0);
	assert_null(strstr(out + sizeof want, "two lines"));
	assert_string_equal(err, "a line of the log\nsample: not asked for\na line of the log\nsample: not asked for\n");
	assert_string_equal(did, "save quit;");
}

static void steps_are_told_now_and_then(void **state)
{
	(void)state;
	assert_int_equal(session(NULL, "train 40\nlr 3e-4\nckpt"), 0);
	assert_string_equal(out, "");
	/* The first one at once, the last one at the end, none between within a second. */
	assert_string_equal(err, "step 1/40 loss 5.123 lr 3e-4 41.2k tok/s 24 ms\nstep 40/40 loss 5.123 lr 3e-4 41.2k tok/s 24 ms\nwarning: checkpoint: somewhere\n");
	assert_string_equal(did, "ckpt;save quit;");
}

static void failures_end_the_script(void **state)
{
	(void)state;
	assert_int_equal(session(NULL, "info\nload x\ninfo\n"), 1);
	assert_string_equal(err, "stdin:2: load: x: No such file or directory\n");
	assert_string_equal(out, "two lines, the first\nand the second\n");
	assert_string_equal(did, "save error;");
	assert_int_equal(session(NULL, "set clpi 1\n"), 2);
	assert_string_equal(err, "stdin:1: set: clpi: no such key (did you mean clip?)\n");
	assert_int_equal(session(NULL, "\n\nqick\n"), 2);
	assert_non_null(strstr(err, "stdin:3: command: qick: no such command (did you mean"));
	assert_int_equal(session(NULL, "rerun x\n"), 1);
	assert_string_equal(err, "stdin:1: rerun: a run is executed again by a program of its own: anetui rerun x\n");
	assert_int_equal(session(NULL, "layout wide\n"), 1);
	/* A line with a minus sign may fail. */
	assert_int_equal(session(NULL, "-load x\n- qick\n-rerun a\ninfo\n"), 0);
	assert_non_null(strstr(err, "stdin:1: load: x"));
	assert_non_null(strstr(err, "stdin:2: command: qick"));
	assert_string_equal(out, "two lines, the first\nand the second\n");
	/* The end, without and with saving. */
	assert_int_equal(session(NULL, "quit now\n"), 0);
	assert_string_equal(did, "now quit;");
	assert_int_equal(session(NULL, ""), 0);
	assert_string_equal(did, "save quit;");
	setenv("FAKE_DISK_FULL", "1", 1);
	assert_int_equal(session(NULL, "train 1\n"), 1);
	assert_non_null(strstr(err, "ckpt: runs/demo: No space left on device\n"));
	unsetenv("FAKE_DISK_FULL");
}

static void scripts_come_first(void **state)
{
	(void)state;
	struct script s = {0};
	struct err e;
	write_file("a.cmd", "\xef\xbb\xbf# comment\r\ninfo\r\n\n  load x\ninfo");
	assert_int_equal(script_add(&s, "sample 1 A", "", &e), 0);
	assert_int_equal(session(&s, NULL), 0);
	assert_string_equal(out, "A there was a łion.\n\n");
	assert_int_equal(script_add_file(&s, "a.cmd", &e), 0);
	assert_int_equal(s.n, 6);
	assert_int_equal(session(&s, "info\n"), 1);
	assert_non_null(strstr(err, "\na.cmd:4: load: x: No such file or directory\n"));
	assert_string_equal(out, "A there was a łion.\n\ntwo lines, the first\nand the second\n");
	script_done(&s);
	/* Only then standard input; not after quit. */
	assert_int_equal(script_add(&s, "help nan", "", &e), 0);
	assert_int_equal(session(&s, "info\n"), 0);
	assert_int_equal(strncmp(out, "set nan", 7), 0);
	assert_non_null(strstr(out, "two lines"));
	assert_int_equal(script_add(&s, "quit", "", &e), 0);
	assert_int_equal(session(&s, "info\n"), 0);
	assert_null(strstr(out, "two lines"));
	script_done(&s);
	assert_int_equal(script_add(&s, "trin", "", &e), 0);
	assert_int_equal(session(&s, NULL), 2);
	assert_int_equal(strncmp(err, "command: trin: no such command", 30), 0);
	script_done(&s);

	assert_int_equal(script_add_file(&s, "nowhere.cmd", &e), ERR_IO);
	assert_non_null(strstr(e.msg, "script: nowhere.cmd: No such file"));
	FILE *f = fopen("zero.cmd", "w");
	fwrite("info\nin\0fo\n", 1, 11, f);
	fclose(f);
	assert_int_equal(script_add_file(&s, "zero.cmd", &e), ERR_FORMAT);
	assert_non_null(strstr(e.msg, "zero.cmd:2: a zero byte"));
	script_done(&s);
}

static void long_input_is_read_whole(void **state)
{
	(void)state;
	static char text[200000];
	size_t k = 0;
	for (int i = 0; i < 3000; i++)
		k += (size_t)sprintf(text + k, "# a comment of some length, number %d\n", i);
	sprintf(text + k, "info");
	assert_int_equal(session(NULL, text), 0);
	assert_string_equal(out, "two lines, the first\nand the second\n");
	memset(text, 'x', 5000);
	text[5000] = 0;
	assert_int_equal(session(NULL, text), 2);
	assert_string_equal(err, "stdin:1: line: 5000 bytes: at most 4095\n");
}

static void nobody_reads(void **state)
{
	(void)state;
	struct script s = {0};
	struct err e;
	int status, ends[2];
	assert_int_equal(script_add(&s, "info", "", &e) || script_add(&s, "train 1", "", &e), 0);
	if (!access("/dev/full", W_OK)) {
		fflush(NULL);
		pid_t pid = fork();
		if (!pid)
			child("/dev/full", &s, 0, ON_HUP_EXIT);
		waitpid(pid, &status, 0);
		read_into("err", err, sizeof err);
		read_into("did", did, sizeof did);
		assert_int_equal(WEXITSTATUS(status), 1);
		assert_string_equal(err, "anetui: standard output: No space left on device\n");
		assert_string_equal(did, "cancel;save error;");
	}
	/* A pipe whose reader is gone: the same without a word. */
	assert_int_equal(pipe(ends), 0);
	fflush(NULL);
	pid_t pid = fork();
	if (!pid) {
		dup2(ends[1], 1);
		close(ends[0]);
		close(ends[1]);
		const struct plain_options o = {.script = &s};
		signal(SIGPIPE, SIG_IGN);
		if (!freopen("err", "w", stderr) || wake_open(&e))
			_exit(99);
		status = plain_run(NULL, &o);
		fflush(stderr);
		write_file("did", seen.s);
		_exit(status);
	}
	close(ends[0]);
	close(ends[1]);
	waitpid(pid, &status, 0);
	read_into("err", err, sizeof err);
	read_into("did", did, sizeof did);
	assert_int_equal(WEXITSTATUS(status), 1);
	assert_string_equal(err, "");
	assert_string_equal(did, "cancel;save error;");
	script_done(&s);
}

/* Starts a session that trains until interrupted, and waits until it does. */
static pid_t endless_session(const char *input, enum on_hup on_hup)
{
	static const struct script none;
	struct timespec ms10 = {0, 10000000};
	write_file("in", input);
	unlink("err");
	fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		child("out", &none, 1, on_hup);
	for (int i = 0; i < 1000; i++) {
		read_into("err", err, sizeof err);
		if (strstr(err, "step "))
			return pid;
		nanosleep(&ms10, NULL);
	}
	fail_msg("it never began");
	return pid;
}

static int end_of(pid_t pid)
{
	int status;
	waitpid(pid, &status, 0);
	read_into("out", out, sizeof out);
	read_into("err", err, sizeof err);
	read_into("did", did, sizeof did);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void signals_end_it(void **state)
{
	(void)state;
	/* SIGINT ends what runs; the script goes on, as this is how such a `train` ends. */
	pid_t pid = endless_session("train\ninfo\n", ON_HUP_EXIT);
	kill(pid, SIGINT);
	assert_int_equal(end_of(pid), 0);
	assert_string_equal(did, "cancel;save quit;");
	assert_non_null(strstr(out, "two lines"));
	pid = endless_session("train\ninfo\n", ON_HUP_EXIT);
	kill(pid, SIGTERM);
	assert_int_equal(end_of(pid), 128 + SIGTERM);
	assert_string_equal(did, "cancel;save SIGTERM;");
	assert_string_equal(out, "");
	pid = endless_session("train\ninfo\n", ON_HUP_EXIT);
	kill(pid, SIGHUP);
	assert_int_equal(end_of(pid), 128 + SIGHUP);
	assert_string_equal(did, "cancel;save SIGHUP;");
}

static void a_lost_terminal_may_be_survived(void **state)
{
	(void)state;
	struct timespec ms10 = {0, 10000000};
	pid_t pid = endless_session("train\ninfo\n", ON_HUP_CONTINUE);
	kill(pid, SIGHUP);
	for (int i = 0; i < 50; i++) /* signals of different kinds may overtake each other */
		nanosleep(&ms10, NULL);
	kill(pid, SIGINT);
	assert_int_equal(end_of(pid), 0);
	assert_string_equal(did, "ckpt;cancel;save quit;");
	assert_string_equal(out, "");
}

/* Reads what the prompt prints until `want` is there; what comes behind it is kept for the next time. */
static int read_until(int fd, const char *want)
{
	static char text[20000];
	static size_t n;
	char *at;
	text[n] = 0;
	while (!(at = strstr(text, want))) {
		ssize_t k = n < sizeof text - 1 ? read(fd, text + n, sizeof text - 1 - n) : -1;
		if (k <= 0)
			return -1;
		n += (size_t)k;
		text[n] = 0;
	}
	at += strlen(want);
	n -= (size_t)(at - text);
	memmove(text, at, n);
	return 0;
}

static void type(int fd, const char *keys)
{
	assert_int_equal(write(fd, keys, strlen(keys)), strlen(keys));
}

/* The prompt on a terminal of its own: a failed line is told, Tab completes, ^C clears, Up brings back, ^D saves and ends. */
static void the_prompt_works(void **state)
{
	(void)state;
	static const struct script none;
	struct err e;
	int master, status = -1;
	write_file("steer-\033]0;no\007[31ma\xc2\x9b" "31mb\nc\xff\xfe" "d", "x");
	write_file("steer-z", "x");
	fflush(NULL);
	pid_t pid = forkpty(&master, NULL, NULL, NULL);
	assert_true(pid >= 0);
	if (!pid) {
		const struct plain_options o = {.script = &none, .read_input = 1, .history = "history"};
		setenv("TERM", "dumb", 1);
		alarm(60);
		if (wake_open(&e))
			_exit(99);
		status = plain_run(NULL, &o);
		write_file("did", seen.s ? seen.s : "");
		_exit(status);
	}
	assert_int_equal(read_until(master, "anetui> "), 0);
	type(master, "qick\r");
	assert_int_equal(read_until(master, "no such command"), 0);
	assert_int_equal(read_until(master, "anetui> "), 0);
	/* A zero byte is no key: what comes after it means what it always does. */
	assert_int_equal(write(master, "", 1), 1);
	/* ^C throws away what was typed and not read yet, at whatever moment it comes. */
	for (int i = 0; i < 300; i++) {
		type(master, "wrong");
		type(master, "\003");
		assert_int_equal(read_until(master, "\nanetui> "), 0); /* at the beginning of a line: not the same prompt drawn again */
	}
	type(master, "inf\t\r");
	assert_int_equal(read_until(master, "and the second"), 0);
	assert_int_equal(read_until(master, "anetui> "), 0);
	assert_int_equal(write(master, "", 1), 1);
	type(master, "\020\r");
	assert_int_equal(read_until(master, "and the second"), 0);
	assert_int_equal(read_until(master, "anetui> "), 0);
	/* Names of files that Tab lists steer no terminal. */
	type(master, "data steer\t");
	assert_int_equal(read_until(master, "steer-?]0;no?[31ma??31mb?c??d\"  steer-z"), 0);
	assert_int_equal(read_until(master, "anetui> "), 0);
	type(master, "\025");
	type(master, "train\r");
	assert_int_equal(read_until(master, "step 1"), 0);
	type(master, "\003");
	assert_int_equal(read_until(master, "anetui> "), 0);
	/* Typed before the editor has switched the terminal over, ^D is swallowed: as often as it takes. */
	for (int i = 0; i < 900 && waitpid(pid, &status, WNOHANG) == 0; i++) {
		struct timespec ms100 = {0, 100000000};
		type(master, "\004");
		nanosleep(&ms100, NULL);
	}
	close(master);
	read_into("did", did, sizeof did);
	assert_int_equal(status, 0);
	assert_string_equal(did, "cancel;save quit;");
	read_into("history", out, sizeof out);
	assert_string_equal(out, "qick\ninfo\ntrain\n");
}

static void rates_are_short(void **state)
{
	(void)state;
	static const struct { double v; const char *text; } cases[] = {
		{3e-4, "3e-4"}, {6e-4, "6e-4"}, {1.25e-3, "1.25e-3"}, {1, "1e0"}, {0, "0"}, {1.239e-12, "1.24e-12"}, {10, "1e1"}, {-1, "-1"}, {9.999e-5, "1e-4"},
	};
	char buf[32];
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_string_equal(plain_rate(buf, cases[i].v), cases[i].text);
	assert_string_equal(plain_rate(buf, NAN), "nan");
	assert_string_equal(plain_rate(buf, INFINITY), "inf");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_and_samples_go_out),
		cmocka_unit_test(steps_are_told_now_and_then),
		cmocka_unit_test(failures_end_the_script),
		cmocka_unit_test(scripts_come_first),
		cmocka_unit_test(long_input_is_read_whole),
		cmocka_unit_test(nobody_reads),
		cmocka_unit_test(signals_end_it),
		cmocka_unit_test(a_lost_terminal_may_be_survived),
		cmocka_unit_test(the_prompt_works),
		cmocka_unit_test(rates_are_short),
	};
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
