/* test_crash_load.c: going on with a run while the disk fails: every call that reads is refused, interrupted or cut, once and from then on. Saving is test_crash.c's.
 *
 * The linker leads the calls that open and read (open, fstat, stat, statvfs, mmap of a file, pread, opendir, readdir) here; those that can fail in a certain way are counted, and the N-th does. What is
 * wanted: a whole step is loaded and each newer file that was passed over has its reason; or one line; the run's files stay as they are. SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "support/tiny.h"
#include "support/train_rig.h"
#include "train/run.h"

#ifdef __linux__

#define DIR_RUNS "crash-load"
#define DIR_RUN DIR_RUNS "/run"

/* --- the layer ----------------------------------------------------------------------------------------------------- */

enum { FAULT_SHORT = -2, FAULT_END = -3 };

/* What a call does: a signal interrupts those that open and read, and only what is read can be cut. */
enum call { CALL_LOOKS, CALL_OPENS, CALL_READS };

static struct { int on, fault, forever, hit; long count, at; } io;

/* 0, or how this call is to fail. Only those are counted that can fail so. */
static int boundary(enum call c)
{
	if (!io.on || (io.fault == EINTR && c == CALL_LOOKS) || (io.fault < 0 && c != CALL_READS))
		return 0;
	if (++io.count < io.at || (io.count > io.at && !io.forever))
		return 0;
	if (io.fault == EINTR && (io.count - io.at) % 2) /* no call is interrupted for ever */
		return 0;
	io.hit = 1;
	return io.fault;
}

static int refused(enum call c)
{
	int fault = boundary(c);
	if (fault > 0)
		errno = fault;
	return fault > 0;
}

int __real_open(const char *path, int flags, ...);
int __real_fstat(int fd, struct stat *st);
int __real_stat(const char *path, struct stat *st);
int __real_statvfs(const char *path, struct statvfs *v);
ssize_t __real_pread(int fd, void *to, size_t n, off_t at);
struct dirent *__real_readdir(DIR *d);
int __wrap_open(const char *path, int flags, ...);
int __wrap_fsync(int fd);
int __wrap_fstat(int fd, struct stat *st);
int __wrap_stat(const char *path, struct stat *st);
int __wrap_statvfs(const char *path, struct statvfs *v);
ssize_t __wrap_pread(int fd, void *to, size_t n, off_t at);
struct dirent *__wrap_readdir(DIR *d);

int __wrap_open(const char *path, int flags, ...) { return refused(CALL_OPENS) ? -1 : __real_open(path, flags, 0666); }
int __wrap_fsync(int fd)
{
	(void)fd;
	return 0; /* the disk of this machine has nothing to do with it */
}

int __wrap_fstat(int fd, struct stat *st) { return refused(CALL_LOOKS) ? -1 : __real_fstat(fd, st); }
int __wrap_stat(const char *path, struct stat *st) { return refused(CALL_LOOKS) ? -1 : __real_stat(path, st); }
int __wrap_statvfs(const char *path, struct statvfs *v) { return refused(CALL_LOOKS) ? -1 : __real_statvfs(path, v); }
struct dirent *__wrap_readdir(DIR *d) { return refused(CALL_LOOKS) ? NULL : __real_readdir(d); }

/* These two have their place in the other layer (support/nomem) already: in the C library's, then. */
void *mmap(void *at, size_t n, int prot, int flags, int fd, off_t from)
{
	return fd >= 0 && refused(CALL_LOOKS) ? MAP_FAILED : (void *)syscall(SYS_mmap, at, n, prot, flags, fd, from);
}

DIR *opendir(const char *path)
{
	int fd = refused(CALL_LOOKS) ? -1 : __real_open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? NULL : fdopendir(fd);
}

ssize_t __wrap_pread(int fd, void *to, size_t n, off_t at)
{
	int fault = boundary(io.fault == FAULT_SHORT && n < 2 ? CALL_LOOKS : CALL_READS);
	if (fault > 0) {
		errno = fault;
		return -1;
	}
	if (fault == FAULT_END)
		return 0;
	return __real_pread(fd, to, fault == FAULT_SHORT ? n / 2 : n, at);
}

static void arm(int fault, int forever, long at)
{
	io.fault = fault;
	io.forever = forever;
	io.at = at;
	io.count = io.hit = 0;
	io.on = 1;
}

/* --- a run, and how it is gone on with ------------------------------------------------------------------------------ */

static const struct tiny shape = {.dim = 8, .hidden = 16, .layers = 1, .heads = 1, .kv_heads = 1, .head_dim = 8, .vocab = 20, .tied = 1, .alpha = 1, .batch = 1, .seq = 8};
static const char *const files[] = {"metrics.jsonl", "settings.cmd", "best.ckpt", "step-00000001.ckpt", "step-00000002.ckpt", "step-00000003.ckpt", "step-00000009.ckpt"};
enum { FILES = sizeof files / sizeof *files, NEWEST = 3 };
static struct params *model;
static struct train_state now;
static struct str was[FILES];

static int save_as(const char *name, int step, struct err *e)
{
	char path[100];
	for (size_t i = 0; i < model->total; i++)
		model->w[i] = model->m[i] = model->v[i] = (float)step;
	now.step = (uint64_t)step;
	snprintf(path, sizeof path, DIR_RUN "/%s", name);
	return ckpt_save(path, model, &now, NULL, NULL, e);
}

static void put(const char *name, const char *text)
{
	char path[100];
	snprintf(path, sizeof path, DIR_RUN "/%s", name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void read_all(struct str *to)
{
	struct err e;
	for (int i = 0; i < FILES; i++) {
		char path[100];
		snprintf(path, sizeof path, DIR_RUN "/%s", files[i]);
		to[i] = (struct str){0};
		must(file_read(&to[i], path, "test", (size_t)1 << 24, &e), &e);
	}
}

static void forget(struct str *s)
{
	for (int i = 0; i < FILES; i++)
		str_done(&s[i]);
}

/* Steps 1, 2, 3; step 9 is of a branch that was left: only the log tells that it is not the newest. `damaged`: a bit of step 3 is another one. */
static void make_run(int damaged)
{
	struct err e;
	mkdir(DIR_RUNS, 0777);
	mkdir(DIR_RUN, 0777);
	unlink(DIR_RUN "/step-00000004.ckpt");
	put("settings.cmd", "train 3\n");
	for (int i = 2; i < FILES; i++)
		must(save_as(files[i], i == 2 ? 3 : atoi(files[i] + 5), &e), &e);
	put("metrics.jsonl", "{\"t\":1,\"step\":9,\"event\":\"ckpt\",\"file\":\"step-00000009.ckpt\"}\n{\"t\":2,\"step\":1,\"event\":\"ckpt\",\"file\":\"step-00000001.ckpt\"}\n"
		"{\"t\":3,\"step\":2,\"event\":\"ckpt\",\"file\":\"step-00000002.ckpt\"}\n{\"t\":4,\"step\":3,\"event\":\"ckpt\",\"file\":\"step-00000003.ckpt\"}\n");
	FILE *f = damaged ? fopen(DIR_RUN "/step-00000003.ckpt", "r+") : NULL;
	if (f) {
		fseek(f, -2000, SEEK_END);
		int c = fgetc(f);
		fseek(f, -1, SEEK_CUR);
		fputc(c ^ 4, f);
		fclose(f);
	}
	forget(was);
	read_all(was);
}

static int descriptors(void)
{
	int n = 0;
	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

struct outcome { int rc; struct err e; struct str notes; struct run_loaded l; };

/* As the engine resumes: the newest run, its folder, the newest checkpoint in it. */
static void resume(struct outcome *o)
{
	char path[2048], dir[1024] = "";
	struct run r = {.lock_fd = -1, .metrics_fd = -1};
	*o = (struct outcome){0};
	o->rc = run_newest(DIR_RUNS, dir, sizeof dir, &o->e);
	if (!o->rc)
		o->rc = run_open(&r, dir, &o->e);
	if (!o->rc)
		o->rc = run_load_newest(DIR_RUN, path, sizeof path, &o->notes, &o->l, &o->e);
	run_close(&r);
}

static const char *mixed(const struct params *p, uint64_t step)
{
	for (int i = 0; i < p->n; i++)
		for (size_t k = p->table[i].offset; k < p->table[i].offset + p->table[i].count; k++)
			if (p->w[k] != (float)step || p->m[k] != (float)step || p->v[k] != (float)step)
				return "holds other numbers than its step's";
	return NULL;
}

/* A line that names `step`'s file, in the notes or (with `in_error`) in the message. */
static int names(const struct outcome *o, int step, int in_error)
{
	char name[32];
	snprintf(name, sizeof name, "step-%08d.ckpt: ", step);
	return (o->notes.s && strstr(o->notes.s, name)) || (in_error && strstr(o->e.msg, name));
}

static const char *judge(const struct outcome *o, int damaged)
{
	if (o->rc < 0) {
		if (!o->e.msg[0] || strchr(o->e.msg, '\n') || !strstr(o->e.msg, ": " DIR_RUNS))
			return "not one line that names it";
		if (io.fault > 0 && !strstr(o->e.msg, strerror(io.fault)) && !(o->notes.s && strstr(o->notes.s, strerror(io.fault))))
			return "the reason is not told";
		if (o->l.params)
			return "refused, and half of it given";
		return damaged && o->notes.len && !strstr(o->e.msg, "step-00000003.ckpt") ? "the message tells only one of the two" : NULL;
	}
	if (o->l.state.step > NEWEST)
		return "of a branch that was left";
	for (int step = NEWEST; step > (int)o->l.state.step; step--)
		if (!names(o, step, 0))
			return "a newer one was passed over without a reason";
	return damaged && o->l.state.step == NEWEST ? "a damaged one was taken" : mixed(o->l.params, o->l.state.step);
}

static void outcome_done(struct outcome *o)
{
	params_free(o->l.params);
	str_done(&o->notes);
}

static const char *untouched(void)
{
	struct str is[FILES];
	const char *bad = NULL;
	read_all(is);
	for (int i = 0; i < FILES; i++)
		if (is[i].len != was[i].len || memcmp(is[i].s, was[i].s, was[i].len))
			bad = files[i];
	forget(is);
	return bad;
}

static const int faults[] = {EIO, EINTR, ENOMEM, EMFILE, EACCES, FAULT_SHORT, FAULT_END};

/* One case; the number of calls that were made. */
static long one(int fault, int forever, long at, int damaged)
{
	struct outcome o;
	int had = descriptors();
	arm(fault, forever, at);
	resume(&o);
	io.on = 0;
	const char *bad = judge(&o, damaged), *changed = untouched();
	if (!bad && changed)
		bad = "a file of the run was changed";
	if (!bad && descriptors() != had)
		bad = "a descriptor is left";
	/* What passes is no reason to end, nor to take an older one. */
	int passes = !io.hit || fault == FAULT_SHORT || fault == EINTR || !forever;
	if (!bad && passes && (o.rc || o.l.state.step != (uint64_t)(NEWEST - damaged)))
		bad = "nothing has failed for good, and the newest was not taken";
	if (bad)
		fail_msg("fault %d, %s, call %ld: %s\n%d %s\n%s", fault, forever ? "from then on" : "once", at, bad, o.rc, o.e.msg, o.notes.s ? o.notes.s : "");
	outcome_done(&o);
	return io.count;
}

static int everywhere(int damaged)
{
	int cases = 0, every = getenv("ANETUI_SOAK") ? 1 : 2 + 2 * damaged; /* of them, unless all are wanted */
	make_run(damaged);
	for (size_t f = 0; f < sizeof faults / sizeof *faults; f++) {
		long calls = one(faults[f], 0, 0, damaged);
		for (int forever = 0; forever <= 1; forever++)
			for (long at = 1 + ((long)f + forever) % every; at <= calls; at += every, cases++)
				one(faults[f], forever, at, damaged);
	}
	one(0, 0, 0, damaged);
	return cases;
}

/* --- the tests ----------------------------------------------------------------------------------------------------------- */

static void every_read_may_fail(void **unused)
{
	(void)unused;
	int cases = everywhere(0);
	print_message("# %d failures\n", cases);
	assert_true(cases > 400);
}

/* The newest is damaged, and then the disk fails: both are told. */
static void the_second_one_fails_too(void **unused)
{
	(void)unused;
	int cases = everywhere(1);
	print_message("# %d failures\n", cases);
	assert_true(cases > 400);
}

/* A save of step 4 that fails at each of its calls (looking for space, opening, reading back), then loading that fails too: step 3 or 4, or both are told. */
static void a_save_and_then_the_load(void **unused)
{
	(void)unused;
	struct err e;
	int cases = 0;
	make_run(0);
	arm(0, 0, 0);
	must(save_as("step-00000004.ckpt", 4, &e), &e);
	long calls = io.count;
	io.on = 0;
	unlink(DIR_RUN "/step-00000004.ckpt");
	long reads = one(0, 0, 0, 0);
	for (long at = 1; at <= calls; at++)
		for (long then = 1; then <= reads; then += (getenv("ANETUI_SOAK") ? 1 : 7) + (at + then) % 4, cases++) {
			struct outcome o;
			arm(at % 2 ? EIO : ENOMEM, 0, at);
			int saved = !save_as("step-00000004.ckpt", 4, &e);
			arm(EIO, (int)(cases % 2), then);
			if (!saved && (!e.msg[0] || strchr(e.msg, '\n') || !strstr(e.msg, DIR_RUN)))
				fail_msg("a save failed without its line: %s", e.msg);
			resume(&o);
			io.on = 0;
			uint64_t step = o.l.state.step;
			const char *bad = o.rc < 0 ? (o.e.msg[0] && !strchr(o.e.msg, '\n') ? NULL : "no line") : mixed(o.l.params, step);
			if (!o.rc && (step > 4 || (saved && step < 4 && !names(&o, 4, 0)) || (step < 3 && !names(&o, 3, 0))))
				bad = "another step, without a reason";
			if (!bad && untouched())
				bad = "a file of the run was changed";
			if (bad)
				fail_msg("save failed at %ld, load at %ld: %s\n%d %s\n%s", at, then, bad, o.rc, o.e.msg, o.notes.s ? o.notes.s : "");
			outcome_done(&o);
			unlink(DIR_RUN "/step-00000004.ckpt");
		}
	print_message("# %d pairs\n", cases);
	assert_true(cases > 150);
}

static int begin(void **unused)
{
	(void)unused;
	model = tiny_params(&shape, 1, 1);
	settings_init(&now.settings);
	return 0;
}

static int end(void **unused)
{
	(void)unused;
	params_free(model);
	forget(was);
	return 0;
}

#endif

int main(void)
{
#ifdef __linux__
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_read_may_fail), cmocka_unit_test(the_second_one_fails_too), cmocka_unit_test(a_save_and_then_the_load),
	};
	return cmocka_run_group_tests(tests, begin, end);
#else
	printf("1..1\nok 1 # SKIP needs the linker's --wrap\n");
	return 0;
#endif
}
