/* test_run.c: run folders: names, lock, log, which checkpoints stay and which is the newest. SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utime.h>

#include "base/file.h"
#include "base/save.h"
#include "support/tiny.h"
#include "train/ckpt.h"
#include "train/run.h"

static void clean(void)
{
	assert_int_equal(system("rm -rf runs x"), 0);
}

static void must(int rc, const struct err *e)
{
	if (rc)
		fail_msg("%d: %s", rc, e->msg);
}

static void put(const char *path, const char *text)
{
	struct err e;
	must(save_file(path, text, strlen(text), &e), &e);
}

static void expect_file(const char *path, const char *want)
{
	struct str s = {0};
	struct err e;
	must(file_read(&s, path, "test", 1 << 20, &e), &e);
	assert_string_equal(s.s, want);
	str_done(&s);
}

static int there(const char *path)
{
	return !access(path, F_OK);
}

static void names(void **state)
{
	(void)state;
	struct run r = {0}, r2, r3;
	struct err e;
	clean();
	assert_false(run_is_open(&r));
	run_close(&r);
	must(run_create(&r, "runs/demo/", &e), &e);
	assert_true(run_is_open(&r));
	assert_string_equal(r.dir, "runs/demo");
	must(run_create(&r2, "runs/demo", &e), &e); /* in use */
	assert_string_equal(r2.dir, "runs/demo-2");
	run_close(&r);
	assert_false(run_is_open(&r));
	must(run_create(&r3, "runs/demo", &e), &e); /* free, but holds a run */
	assert_string_equal(r3.dir, "runs/demo-3");
	run_close(&r2);
	run_close(&r3);
	/* An empty folder that the user made is taken; a file of that name is not. */
	must(file_mkdirs("runs/mine", &e), &e);
	put("runs/mine/notes.txt", "hello");
	must(run_create(&r, "runs/mine", &e), &e);
	assert_string_equal(r.dir, "runs/mine");
	run_close(&r);
	put("runs/file", "");
	must(run_create(&r, "runs/file", &e), &e);
	assert_string_equal(r.dir, "runs/file-2");
	run_close(&r);
	assert_int_equal(run_create(&r, "runs/file/below", &e), ERR_IO);
	assert_false(run_is_open(&r));
	assert_int_equal(run_create(&r, "", &e), ERR_RANGE);
}

static void locked(void **state)
{
	(void)state;
	struct run r, mine;
	struct err e;
	int pipes[2];
	clean();
	assert_int_equal(pipe(pipes), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (!child) {
		struct run held;
		char ok = (char)(run_create(&held, "runs/demo", NULL) ? 'n' : 'y');
		if (write(pipes[1], &ok, 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	char ok = 0;
	assert_int_equal(read(pipes[0], &ok, 1), 1);
	assert_int_equal(ok, 'y');
	char want[100];
	snprintf(want, sizeof want, "run: runs/demo: in use by process %ld", (long)child);
	assert_int_equal(run_open(&r, "runs/demo", &e), ERR_STATE);
	assert_string_equal(e.msg, want);
	assert_false(run_is_open(&r));
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
	close(pipes[0]);
	close(pipes[1]);
	/* Dead: its file is there with its number, and locks nothing. */
	assert_true(there("runs/demo/lock"));
	must(run_open(&r, "runs/demo", &e), &e);
	assert_int_equal(run_open(&mine, "runs/demo", &e), ERR_STATE); /* we ourselves count too */
	run_close(&r);
	must(run_open(&r, "runs/demo", &e), &e);
	run_close(&r);
	expect_file("runs/demo/lock", "");
}

static void bad_folders(void **state)
{
	(void)state;
	struct run r;
	struct err e;
	clean();
	assert_int_equal(run_open(&r, "runs/none", &e), ERR_IO);
	assert_string_equal(e.msg, "run: runs/none: no such folder");
	must(file_mkdirs("runs/empty", &e), &e);
	assert_int_equal(run_open(&r, "runs/empty", &e), ERR_STATE);
	assert_string_equal(e.msg, "run: runs/empty: holds no run");
	put("runs/file", "");
	assert_int_equal(run_open(&r, "runs/file", &e), ERR_IO);
	assert_int_equal(run_event(&r, "step", 1, "", &e), ERR_STATE);
	assert_int_equal(run_settings(&r, "x", &e), ERR_STATE);
	assert_true(run_seconds(&r) == 0);
}

static void events(void **state)
{
	(void)state;
	struct run r;
	struct err e;
	struct str s = {0};
	clean();
	must(run_create(&r, "runs/demo", &e), &e);
	must(run_settings(&r, "new demo\nset lr.max 0.001\n", &e), &e);
	must(run_event(&r, "start", 0, NULL, &e), &e);
	must(run_event(&r, "step", 1, "\"loss\":2.5,\"watts\":null", &e), &e);
	/* Flushed: another reader sees them while the run is open. */
	must(file_read(&s, "runs/demo/metrics.jsonl", "test", 1 << 20, &e), &e);
	char *second = strchr(s.s, '\n') + 1;
	assert_int_equal(s.s[s.len - 1], '\n');
	assert_int_equal(strncmp(s.s, "{\"t\":", 5), 0);
	json_t *j = json_loads(second, JSON_DISABLE_EOF_CHECK, NULL);
	assert_non_null(j);
	assert_true(json_is_number(json_object_get(j, "t")));
	assert_int_equal(json_integer_value(json_object_get(j, "step")), 1);
	assert_string_equal(json_string_value(json_object_get(j, "event")), "step");
	assert_true(json_real_value(json_object_get(j, "loss")) == 2.5);
	assert_true(json_is_null(json_object_get(j, "watts")));
	assert_non_null(strstr(second, ",\"step\":1,\"event\":\"step\",\"loss\":2.5,\"watts\":null}\n"));
	json_decref(j);
	str_done(&s);
	run_close(&r);
	expect_file("runs/demo/settings.cmd", "new demo\nset lr.max 0.001\n");
}

static void torn_line(void **state)
{
	(void)state;
	struct run r;
	struct err e;
	static const char whole[] = "{\"t\":1,\"step\":0,\"event\":\"start\"}\n{\"t\":12.5,\"step\":7,\"event\":\"step\",\"loss\":2}\n";
	static const char *const tails[] = {"", "{", "{\"t\":13,\"step\":8,\"ev", "{\"t\":13,\"step\":8,\"event\":\"step\",\"loss\":1}", "\xff\xff"};
	clean();
	must(run_create(&r, "runs/demo", &e), &e);
	run_close(&r);
	for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
		char text[400];
		snprintf(text, sizeof text, "%s%s", whole, tails[i]);
		put("runs/demo/metrics.jsonl", text);
		must(run_open(&r, "runs/demo", &e), &e);
		assert_true(r.t_before == 12.5); /* time goes on from the last whole line */
		assert_true(run_seconds(&r) >= 12.5 && run_seconds(&r) < 200);
		expect_file("runs/demo/metrics.jsonl", whole);
		run_close(&r);
	}
	put("runs/demo/metrics.jsonl", "no newline at all");
	must(run_open(&r, "runs/demo", &e), &e);
	assert_true(r.t_before == 0);
	expect_file("runs/demo/metrics.jsonl", "");
	run_close(&r);
}

static void log_disk_full(void **state)
{
	(void)state;
	struct run r;
	struct err e = {0};
	struct rlimit old, now;
	clean();
	must(run_create(&r, "runs/demo", &e), &e);
	must(run_event(&r, "start", 0, NULL, &e), &e);
	void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
	struct stat before, after;
	assert_int_equal(stat("runs/demo/metrics.jsonl", &before), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	now = old;
	now.rlim_cur = (rlim_t)before.st_size + 10; /* part of a line fits */
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &now), 0);
	int first = run_event(&r, "step", 1, "\"loss\":2,\"more\":1", &e), second = run_event(&r, "step", 2, "\"loss\":2,\"more\":1", NULL);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	signal(SIGXFSZ, handler);
	assert_int_equal(first, ERR_IO);
	assert_non_null(strstr(e.msg, "disk: runs/demo/metrics.jsonl: File too large"));
	assert_int_equal(second, 0); /* said once */
	assert_true(r.failed > 0);
	assert_int_equal(stat("runs/demo/metrics.jsonl", &after), 0);
	assert_int_equal(before.st_size, after.st_size); /* no half line stays */
	must(run_event(&r, "set", 3, NULL, &e), &e); /* a short one finds a last place: no end of the trouble */
	assert_true(r.failed > 0);
	must(run_event(&r, "step", 3, "\"loss\":2,\"more\":1", &e), &e);
	assert_int_equal(r.failed, 0);
	run_close(&r);
}

static void paths(void **state)
{
	(void)state;
	struct run r = {.dir = "runs/demo"};
	char p[200];
	run_ckpt_path(&r, NULL, 400, p, sizeof p);
	assert_string_equal(p, "runs/demo/step-00000400.ckpt");
	run_ckpt_path(&r, NULL, 12345678901, p, sizeof p);
	assert_string_equal(p, "runs/demo/step-12345678901.ckpt");
	run_ckpt_path(&r, "best", 1, p, sizeof p);
	assert_string_equal(p, "runs/demo/best.ckpt");
	run_ckpt_path(&r, "mine.ckpt", 1, p, sizeof p);
	assert_string_equal(p, "runs/demo/mine.ckpt");
	run_ckpt_path(&r, "/tmp/mine", 1, p, sizeof p);
	assert_string_equal(p, "/tmp/mine.ckpt");
}

static const struct tiny shape = {.what = "run", .dim = 4, .hidden = 4, .layers = 1, .heads = 2, .kv_heads = 1, .head_dim = 2,
				  .vocab = 5, .tied = 1, .rope = 0, .alpha = 1, .batch = 1, .seq = 4};

/* Also best.ckpt, written over each time. */
static void save_step_of(struct run *r, const struct tiny *t, uint64_t step, int event, int best)
{
	struct params *p = tiny_params(t, 1, 1);
	struct train_state s = {.step = step};
	struct err e;
	char path[1200], fields[1300];
	settings_init(&s.settings);
	run_ckpt_path(r, NULL, step, path, sizeof path);
	must(ckpt_save(path, p, &s, NULL, NULL, &e), &e);
	snprintf(fields, sizeof fields, "\"file\":\"%s\",\"bytes\":1", strrchr(path, '/') + 1);
	if (event)
		must(run_event(r, "ckpt", step, fields, &e), &e);
	run_ckpt_path(r, "best", step, path, sizeof path);
	if (best)
		must(ckpt_save(path, p, &s, NULL, NULL, &e), &e);
	params_free(p);
}

static void save_step(struct run *r, uint64_t step, int event)
{
	save_step_of(r, &shape, step, event, 0);
}

static void age(const char *path, long seconds)
{
	struct utimbuf t = {.actime = 1700000000 - seconds, .modtime = 1700000000 - seconds};
	assert_int_equal(utime(path, &t), 0);
}

static void rotation(void **state)
{
	(void)state;
	struct run r;
	struct err e;
	clean();
	must(run_create(&r, "runs/demo", &e), &e);
	for (uint64_t step = 100; step <= 500; step += 100)
		save_step(&r, step, 1);
	put("runs/demo/best.ckpt", "b");
	put("runs/demo/mine.ckpt", "m");
	put("runs/demo/step-1.ckpt", "not of our form");
	put("runs/demo/step-00000001.ckpt.bak", "neither");
	must(run_rotate(&r, 3, 0, NULL, &e), &e);
	assert_true(there("runs/demo/best.ckpt") && there("runs/demo/mine.ckpt") && there("runs/demo/step-1.ckpt") &&
		    there("runs/demo/step-00000001.ckpt.bak"));
	assert_false(there("runs/demo/step-00000100.ckpt") || there("runs/demo/step-00000200.ckpt"));
	assert_true(there("runs/demo/step-00000300.ckpt") && there("runs/demo/step-00000500.ckpt"));
	must(run_rotate(&r, 0, 0, NULL, &e), &e); /* one always stays */
	assert_true(there("runs/demo/step-00000500.ckpt"));
	run_close(&r);
}

/* The clock went back, and nobody wrote an event: the file written last stays whatever the order says. */
static void rotation_clock(void **state)
{
	(void)state;
	struct run r;
	struct err e;
	clean();
	must(run_create(&r, "runs/demo", &e), &e);
	for (uint64_t step = 100; step <= 400; step += 100)
		save_step(&r, step, 0);
	age("runs/demo/step-00000100.ckpt", 10);
	age("runs/demo/step-00000200.ckpt", 5);
	age("runs/demo/step-00000300.ckpt", 500);
	age("runs/demo/step-00000400.ckpt", 490);
	must(run_rotate(&r, 1, 0, NULL, &e), &e);
	assert_true(there("runs/demo/step-00000400.ckpt")); /* the newest by number */
	assert_true(there("runs/demo/step-00000200.ckpt")); /* the one written last */
	assert_false(there("runs/demo/step-00000300.ckpt") || there("runs/demo/step-00000100.ckpt"));
	run_close(&r);
}

static void rotation_denied(void **state)
{
	(void)state;
	struct run r;
	struct err e;
	clean();
	must(run_create(&r, "runs/demo", &e), &e);
	for (uint64_t step = 1; step <= 3; step++)
		save_step(&r, step, 1);
	/* Root may delete everything: be nobody for a moment. */
	int root = !geteuid(), rc = 0;
	chmod("runs/demo", root ? 0755 : 0500);
	if (!root || !seteuid(65534))
		rc = run_rotate(&r, 1, 0, NULL, &e);
	if (root)
		assert_int_equal(seteuid(0), 0);
	chmod("runs/demo", 0700);
	assert_int_equal(rc, ERR_IO);
	assert_non_null(strstr(e.msg, "can not be deleted: Permission denied"));
	run_close(&r);
}

/* Found by verifying, and by loading: the same one, with the same notes. */
static void expect_newest(const char *dir, const char *want)
{
	char path[1100] = "";
	struct err e;
	struct str seen = {0}, tried = {0};
	must(run_newest_ckpt(dir, path, sizeof path, &seen, &e), &e);
	assert_string_equal(path, want);
	struct run_loaded l = {0};
	must(run_load_newest(dir, path, sizeof path, &tried, &l, &e), &e);
	assert_string_equal(path, want);
	assert_int_equal(seen.len, tried.len);
	assert_memory_equal(seen.s ? seen.s : "", tried.s ? tried.s : "", seen.len);
	assert_non_null(l.params);
	assert_int_equal(l.state.step, strtoull(strrchr(want, '-') + 1, NULL, 10));
	params_free(l.params);
	tokenizer_free(l.tok);
	str_done(&seen);
	str_done(&tried);
}

static void newest(void **state)
{
	(void)state;
	struct run r;
	struct err e;
	struct str notes = {0};
	char path[1100];
	clean();
	must(run_create(&r, "runs/demo", &e), &e);
	assert_int_equal(run_newest_ckpt("runs/demo", path, sizeof path, NULL, &e), ERR_STATE);
	assert_string_equal(e.msg, "run: runs/demo: no checkpoint to go on from");
	for (uint64_t step = 100; step <= 300; step += 100)
		save_step(&r, step, 1);
	expect_newest("runs/demo", "runs/demo/step-00000300.ckpt");
	/* Damaged ones are passed over, with a word for each. */
	assert_int_equal(truncate("runs/demo/step-00000300.ckpt", 3000), 0);
	put("runs/demo/step-00000200.ckpt", "");
	must(run_newest_ckpt("runs/demo", path, sizeof path, &notes, &e), &e);
	assert_string_equal(path, "runs/demo/step-00000100.ckpt");
	assert_non_null(strstr(notes.s, "ckpt: runs/demo/step-00000300.ckpt: "));
	assert_non_null(strstr(notes.s, "(skipped)\nckpt: runs/demo/step-00000200.ckpt: 0 bytes: too short"));
	str_done(&notes);
	expect_newest("runs/demo", "runs/demo/step-00000100.ckpt");
	/* One step on from there: newer than the damaged ones with higher numbers, and rotation does not take it for the oldest. */
	save_step(&r, 101, 1);
	expect_newest("runs/demo", "runs/demo/step-00000101.ckpt");
	must(run_rotate(&r, 1, 0, NULL, &e), &e);
	expect_newest("runs/demo", "runs/demo/step-00000101.ckpt");
	/* Saved, but the power went before the event: its number tells. */
	save_step(&r, 450, 0);
	expect_newest("runs/demo", "runs/demo/step-00000450.ckpt");
	put("runs/demo/step-00000450.ckpt", "x");
	put("runs/demo/step-00000101.ckpt", "x");
	assert_int_equal(run_newest_ckpt("runs/demo", path, sizeof path, NULL, &e), ERR_STATE);
	assert_non_null(strstr(e.msg, "run: runs/demo: none of its checkpoints is whole (ckpt: runs/demo/step-00000450.ckpt: "));
	struct run_loaded l = {0};
	assert_int_equal(run_load_newest("runs/demo", path, sizeof path, NULL, &l, &e), ERR_STATE);
	assert_non_null(strstr(e.msg, "run: runs/demo: none of its checkpoints is whole (ckpt: runs/demo/step-00000450.ckpt: "));
	assert_null(l.params);
	run_close(&r);
}

/* Large enough that a kill often falls into the writing. */
static const struct tiny larger = {.what = "killed", .dim = 64, .hidden = 128, .layers = 2, .heads = 2, .kv_heads = 1, .head_dim = 32,
				   .vocab = 2000, .tied = 1, .rope = 0, .alpha = 1, .batch = 1, .seq = 4};

/* Saves and tells until it is killed. */
static void save_for_ever(int out)
{
	struct run r;
	uint64_t step = 0;
	if (run_open(&r, "runs/demo", NULL))
		_exit(1);
	for (;;) {
		save_step_of(&r, &larger, ++step, 1, 1);
		run_rotate(&r, 2, 0, NULL, NULL);
		if (write(out, &step, sizeof step) != sizeof step)
			_exit(1);
	}
}

/* Killed at any moment: the run opens, each checkpoint there is whole (none had to be passed over), best.ckpt too, and the newest is no older than
 * the last one told of. */
static void killed(void **state)
{
	(void)state;
	struct err e;
	struct str notes = {0};
	srand(5);
	for (int i = 0; i < 60; i++) {
		struct run r;
		int pipes[2];
		char path[1100];
		clean();
		must(run_create(&r, "runs/demo", &e), &e);
		save_step_of(&r, &shape, 0, 1, 1);
		run_close(&r);
		assert_int_equal(pipe(pipes), 0);
		pid_t child = fork();
		assert_true(child >= 0);
		if (!child)
			save_for_ever(pipes[1]);
		close(pipes[1]);
		usleep((useconds_t)(rand() % 60000));
		kill(child, SIGKILL);
		assert_int_equal(waitpid(child, NULL, 0), child);
		uint64_t told = 0, step = 0;
		while (read(pipes[0], &step, sizeof step) == sizeof step)
			told = step;
		close(pipes[0]);
		must(run_open(&r, "runs/demo", &e), &e);
		must(run_newest_ckpt("runs/demo", path, sizeof path, &notes, &e), &e);
		assert_int_equal(notes.len, 0);
		must(ckpt_verify("runs/demo/best.ckpt", &e), &e);
		step = strtoull(strrchr(path, '-') + 1, NULL, 10);
		if (step < told || step > told + 1)
			fail_msg("newest is %d, told of %d", (int)step, (int)told);
		assert_int_equal(system("ls runs/demo | grep -q tmp-"), 256);
		run_close(&r);
	}
}

/* What a killed process left while saving goes when the run is opened again; nothing else does. */
static void sweeps(void **state)
{
	(void)state;
	struct run r;
	struct err e;
	clean();
	must(run_create(&r, "runs/demo", &e), &e);
	put("runs/demo/step-00000100.ckpt.tmp-123-0", "half");
	put("runs/demo/settings.cmd.tmp-9-0", "half");
	put("runs/demo/my.tmp-file", "mine");
	run_close(&r);
	must(run_open(&r, "runs/demo", &e), &e);
	assert_false(there("runs/demo/step-00000100.ckpt.tmp-123-0") || there("runs/demo/settings.cmd.tmp-9-0"));
	assert_true(there("runs/demo/my.tmp-file"));
	run_close(&r);
}

static void lists(void **state)
{
	(void)state;
	struct run r;
	struct err e;
	struct run_info info[4];
	char path[300];
	clean();
	assert_int_equal(run_list("runs", info, 4, &e), 0);
	assert_int_equal(run_newest("runs", path, sizeof path, &e), ERR_STATE);
	assert_string_equal(e.msg, "run: runs: no run there");
	must(run_create(&r, "runs/a", &e), &e);
	must(run_event(&r, "eval", 0, "\"loss\":4.5,\"bits_per_byte\":2", &e), &e);
	must(run_event(&r, "step", 1, "\"loss\":4", &e), &e);
	must(run_event(&r, "step", 2, "\"loss\":3.5", &e), &e);
	must(run_event(&r, "set", 2, "\"key\":\"clip\"", &e), &e);
	save_step(&r, 2, 1);
	run_close(&r);
	must(run_create(&r, "runs/b", &e), &e);
	run_close(&r);
	must(file_mkdirs("runs/other", &e), &e);
	age("runs/a/metrics.jsonl", 100);
	age("runs/b/metrics.jsonl", 200);
	assert_int_equal(run_list("runs", info, 4, &e), 2);
	assert_string_equal(info[0].dir, "runs/a");
	assert_int_equal(info[0].step, 2);
	assert_true(info[0].loss == 3.5 && info[0].val == 4.5);
	assert_int_equal(info[0].ckpts, 1);
	assert_true(info[0].bytes > 1000);
	assert_int_equal(info[0].mtime, 1699999900);
	assert_string_equal(info[1].dir, "runs/b");
	assert_true(isnan(info[1].loss) && isnan(info[1].val));
	assert_int_equal(run_list("runs", info, 1, &e), 2); /* how many there are, not how many fit */
	must(run_newest("runs", path, sizeof path, &e), &e);
	assert_string_equal(path, "runs/a");
	assert_int_equal(run_newest("runs", path, 3, &e), ERR_RANGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names), cmocka_unit_test(locked), cmocka_unit_test(bad_folders), cmocka_unit_test(events),
		cmocka_unit_test(torn_line), cmocka_unit_test(log_disk_full), cmocka_unit_test(paths), cmocka_unit_test(rotation),
		cmocka_unit_test(rotation_clock), cmocka_unit_test(rotation_denied), cmocka_unit_test(newest), cmocka_unit_test(killed), cmocka_unit_test(sweeps),
		cmocka_unit_test(lists),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
