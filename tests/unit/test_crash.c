/* test_crash.c: a save that is cut at every system call, and one in which every call fails: what was announced is there, what is there is whole.
 *
 * The calls of base/save and of the run folder go through a layer of our own (in the place of the C library's) that counts them, fails or shortens the N-th, or ends the
 * process there. A process that ends can take with it what a power cut would: bytes that were not synced (gone, or zero), names whose folder was not synced.
 * That these checks can fail is checked, too: with fsync, rename, sync of the folder or the sums switched off they must. SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "support/testdata.h"
#include "support/tiny.h"
#include "support/train_rig.h"
#include "train/run.h"

#ifdef __linux__
#include <sys/syscall.h>

/* --- the layer ----------------------------------------------------------------------------------------------------- */

#define DIR_RUN "crash-run"
#define DIR_OLD "crash-old"

enum { LOSE_NOTHING = 0, LOSE_DATA = 1, LOSE_NAMES = 2, ZERO_DATA = 4 };
enum mutation { MUTATE_NOTHING, NO_FSYNC, NO_RENAME, NO_DIRSYNC, NO_CRC };
enum { CALLS_MAX = 1024, FAULT_KILL = -1, FAULT_SHORT = -2, FILES_MAX = 64, NAMES_MAX = 64 };

/* A file that was opened for writing: what of it is on the disk. */
struct seen_file { int fd, keep; off_t synced; };
/* A change of a name that is not on the disk yet. */
struct seen_name { enum { NAME_MADE, NAME_MOVED, NAME_GONE } what; char path[200], from[200], old[40]; };

/* What the process that dies has told us: the newest steps that were saved, and its calls: which of them write. */
static struct told { int step, best; long calls; unsigned char writes[CALLS_MAX]; } *told;

static struct {
	int on, fault, forever, lose;
	long count, at;
	enum mutation mutation;
	struct seen_file file[FILES_MAX];
	struct seen_name name[NAMES_MAX];
	int nfile, nname, nold, dir_fd;
} io = {.dir_fd = -1};

static long raw_open(const char *path, int flags) { return syscall(SYS_openat, AT_FDCWD, path, flags, 0666); }

static void lose_names(void)
{
	for (int i = io.nname - 1; i >= 0; i--) {
		const struct seen_name *n = &io.name[i];
		if (n->what == NAME_MADE)
			syscall(SYS_unlinkat, AT_FDCWD, n->path, 0);
		if (n->what == NAME_MOVED)
			syscall(SYS_renameat2, AT_FDCWD, n->path, AT_FDCWD, n->from, 0);
		if (n->old[0])
			syscall(SYS_linkat, AT_FDCWD, n->old, AT_FDCWD, n->path, 0);
	}
}

static void lose_data(int zero)
{
	static const char zeros[4096];
	for (int i = 0; i < io.nfile; i++) {
		struct seen_file *f = &io.file[i];
		struct stat st;
		if (fstat(f->keep, &st) || st.st_size <= f->synced)
			continue;
		for (off_t at = f->synced; zero && at < st.st_size; at += (off_t)sizeof zeros)
			syscall(SYS_pwrite64, f->keep, zeros, MIN(sizeof zeros, (size_t)(st.st_size - at)), at);
		if (!zero && ftruncate(f->keep, f->synced))
			_exit(3);
	}
}

static void power_cut(void)
{
	if (io.lose & LOSE_NAMES)
		lose_names();
	if (io.lose & (LOSE_DATA | ZERO_DATA))
		lose_data(io.lose & ZERO_DATA);
}

/* At every call that matters: 0, or how it is to fail. */
static int boundary(int writes)
{
	if (io.on && io.count + 1 < CALLS_MAX)
		told->writes[io.count + 1] = (unsigned char)writes;
	if (!io.on || ++io.count < io.at || (io.count > io.at && !io.forever))
		return 0;
	if (io.fault == FAULT_KILL) {
		power_cut();
		_exit(7);
	}
	if (io.fault == EINTR && (io.count - io.at) % 2) /* no call is interrupted for ever */
		return 0;
	return io.fault;
}

static struct seen_file *written(int fd)
{
	for (int i = 0; io.on && i < io.nfile; i++)
		if (io.file[i].fd == fd)
			return &io.file[i];
	return NULL;
}

static struct seen_name *note_name(int what, const char *path, const char *from)
{
	if (io.nname >= NAMES_MAX)
		_exit(3);
	struct seen_name *n = &io.name[io.nname++];
	*n = (struct seen_name){.what = what};
	snprintf(n->path, sizeof n->path, "%s", path);
	snprintf(n->from, sizeof n->from, "%s", from);
	return n;
}

/* What is called `path` now, for the case that it must come back. */
static void keep_old(struct seen_name *n)
{
	snprintf(n->old, sizeof n->old, DIR_OLD "/%d", io.nold++);
	if (syscall(SYS_linkat, AT_FDCWD, n->path, AT_FDCWD, n->old, 0))
		n->old[0] = 0;
}

/* Without rename the file itself is written to. */
static const char *place(const char *path, char *buf, size_t n)
{
	const char *t = strstr(path, ".tmp-");
	if (io.mutation != NO_RENAME || !t)
		return path;
	snprintf(buf, n, "%.*s", (int)(t - path), path);
	return buf;
}

int open(const char *path, int flags, ...)
{
	char other[200];
	int ours = io.on && !strncmp(path, DIR_RUN, strlen(DIR_RUN)), writes = (flags & O_ACCMODE) != O_RDONLY;
	int fault = ours && (writes || flags & O_DIRECTORY) ? boundary(0) : 0;
	if (fault > 0) {
		errno = fault;
		return -1;
	}
	if (ours && writes && io.mutation == NO_RENAME)
		flags = (flags & ~O_EXCL) | O_TRUNC;
	int fd = (int)raw_open(place(path, other, sizeof other), flags);
	if (ours && flags & O_DIRECTORY && !writes && fd >= 0)
		io.dir_fd = fd;
	if (!ours || !writes || fd < 0)
		return fd;
	if (io.nfile >= FILES_MAX)
		_exit(3);
	io.file[io.nfile++] = (struct seen_file){.fd = fd, .keep = (int)syscall(SYS_dup, fd)};
	if (io.mutation != NO_RENAME)
		note_name(NAME_MADE, path, "");
	return fd;
}

ssize_t write(int fd, const void *data, size_t n)
{
	int fault = written(fd) ? boundary(1) : 0;
	if (fault == FAULT_SHORT)
		n = n > 1 ? n / 2 : n;
	if (fault <= 0)
		return syscall(SYS_write, fd, data, n);
	errno = fault;
	return -1;
}

int fsync(int fd)
{
	struct seen_file *f = written(fd);
	int dir = io.on && fd == io.dir_fd, fault = f || dir ? boundary(0) : 0;
	if (fault > 0) {
		errno = fault;
		return -1;
	}
	struct stat st;
	if (f && io.mutation != NO_FSYNC && !fstat(f->keep, &st))
		f->synced = st.st_size;
	if (dir && io.mutation != NO_DIRSYNC)
		io.nname = 0;
	return 0; /* the disk of this machine has nothing to do with it */
}

int close(int fd)
{
	struct seen_file *f = written(fd);
	int fault = f ? boundary(0) : 0;
	if (f)
		f->fd = -1;
	if (io.on && fd == io.dir_fd)
		io.dir_fd = -1;
	int rc = (int)syscall(SYS_close, fd);
	if (fault > 0) {
		errno = fault;
		return -1;
	}
	return rc;
}

int rename(const char *from, const char *to)
{
	int fault = io.on ? boundary(0) : 0;
	if (fault > 0) {
		errno = fault;
		return -1;
	}
	if (io.on && io.mutation == NO_RENAME)
		return 0;
	if (io.on)
		keep_old(note_name(NAME_MOVED, to, from));
	return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int unlink(const char *path)
{
	int fault = io.on ? boundary(0) : 0;
	if (fault > 0) {
		errno = fault;
		return -1;
	}
	if (io.on && io.mutation != NO_RENAME)
		keep_old(note_name(NAME_GONE, path, ""));
	return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

/* The linker puts these in the place of base/crc32c's. */
uint32_t __real_crc32c(uint32_t crc, const void *data, size_t n);
uint32_t __real_crc32c_join(uint32_t a, uint32_t b, uint64_t bytes);
uint32_t __wrap_crc32c(uint32_t crc, const void *data, size_t n);
uint32_t __wrap_crc32c_join(uint32_t a, uint32_t b, uint64_t bytes);
uint32_t __wrap_crc32c(uint32_t crc, const void *data, size_t n) { return io.mutation == NO_CRC ? 0 : __real_crc32c(crc, data, n); }
uint32_t __wrap_crc32c_join(uint32_t a, uint32_t b, uint64_t bytes) { return io.mutation == NO_CRC ? 0 : __real_crc32c_join(a, b, bytes); }

/* --- a run that saves ------------------------------------------------------------------------------------------------- */

static const struct tiny shape = {.dim = 8, .hidden = 16, .layers = 1, .heads = 1, .kv_heads = 1, .head_dim = 8, .vocab = 20, .tied = 1, .alpha = 1, .batch = 1, .seq = 8};
static struct params *model;
static struct train_state now;

static int save_as(const char *name, int step, struct err *e)
{
	char path[100];
	for (size_t i = 0; i < model->total; i++)
		model->w[i] = model->m[i] = model->v[i] = (float)step;
	now.step = (uint64_t)step;
	snprintf(path, sizeof path, DIR_RUN "/%s", name);
	return ckpt_save(path, model, &now, NULL, NULL, e);
}

static void numbered(char name[32], int step) { snprintf(name, 32, "step-%08d.ckpt", step); }

/* Steps 2 and 3 and the best, as the engine does it; a failure does not end it. 1: a message is not one line. */
static int go_on(int keep)
{
	struct run r = {.lock_fd = -1, .metrics_fd = -1};
	int bad = 0;
	snprintf(r.dir, sizeof r.dir, DIR_RUN);
	for (int step = 2; step <= 3; step++) {
		struct err e = {0};
		char name[32], path[100];
		numbered(name, step);
		snprintf(path, sizeof path, DIR_RUN "/%s", name);
		if (!save_as(name, step, &e)) {
			told->step = step;
			run_rotate(&r, keep, 0, path, &e);
		} else {
			bad |= !e.msg[0] || strchr(e.msg, '\n') != NULL;
		}
		if (step == 2 && !save_as("best.ckpt", step, &e))
			told->best = step;
	}
	return bad;
}

/* The run as it is before: step 1 and a best of step 1. */
static void begin_run(void)
{
	struct err e;
	char name[32];
	enum mutation m = io.mutation;
	io.on = 0;
	io.mutation = m == NO_CRC ? NO_CRC : MUTATE_NOTHING;
	scratch_empty(DIR_RUN);
	scratch_empty(DIR_OLD);
	mkdir(DIR_RUN, 0777);
	mkdir(DIR_OLD, 0777);
	numbered(name, 1);
	must(save_as(name, 1, &e), &e);
	must(save_as("best.ckpt", 1, &e), &e);
	told->step = told->best = 1;
	io.mutation = m;
}

/* A process that goes on with the run and comes to `fault` at call `at`; its exit status. */
static int child(long at, int fault, int forever, int lose, int keep)
{
	begin_run();
	pid_t pid = fork();
	int status;
	if (!pid) {
		io.on = 1;
		io.count = 0;
		io.at = at;
		io.fault = fault;
		io.forever = forever;
		io.lose = lose;
		int bad = go_on(keep);
		told->calls = io.count;
		power_cut();
		_exit(bad ? 4 : 0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		fail_msg("fork: %s", strerror(errno));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/* Every number is the step's: 0, or what is wrong. */
static const char *mixed(const struct params *p, uint64_t step)
{
	for (int i = 0; i < p->n; i++)
		for (size_t k = p->table[i].offset; k < p->table[i].offset + p->table[i].count; k++)
			if (p->w[k] != (float)step || p->m[k] != (float)step || p->v[k] != (float)step)
				return "holds other numbers than its step's";
	return NULL;
}

static const char *look(void)
{
	char path[200];
	struct run_loaded l = {0};
	struct err e;
	if (run_load_newest(DIR_RUN, path, sizeof path, NULL, &l, &e))
		return "no checkpoint is left";
	const char *bad = l.state.step < (uint64_t)told->step ? "older than what was announced" : mixed(l.params, l.state.step);
	params_free(l.params);
	struct params *p = NULL;
	struct tokenizer *t = NULL;
	if (bad)
		return bad;
	if (ckpt_load(DIR_RUN "/best.ckpt", &p, &l.state, &t, &e))
		return "best.ckpt is gone";
	bad = l.state.step < (uint64_t)told->best ? "best.ckpt: older than what was announced" : mixed(p, l.state.step);
	params_free(p);
	return bad;
}

/* Of the writes in the middle of a file every sixteenth, unless all is wanted; every other call always. */
static int wanted(long at)
{
	static int all = -1;
	all = all < 0 ? getenv("ANETUI_SOAK") != NULL : all;
	return all || at % 16 == 0 || at + 1 >= CALLS_MAX || !told->writes[at] || !told->writes[at - 1] || !told->writes[at + 1];
}

static const int cuts[] = {LOSE_NOTHING, LOSE_DATA, ZERO_DATA, LOSE_NAMES, LOSE_DATA | LOSE_NAMES, ZERO_DATA | LOSE_NAMES};

/* Ends the process at every call, loses what may be lost; the first thing that is wrong, or NULL. *cases: how many. */
static const char *cut_everywhere(int *cases, char where[100])
{
	child(0, 0, 0, LOSE_NOTHING, 1);
	long calls = told->calls;
	for (size_t c = 0; c < sizeof cuts / sizeof *cuts; c++)
		for (long at = 1; at <= calls + 1; at++) {
			if (!wanted(at))
				continue;
			int status = child(at, FAULT_KILL, 0, cuts[c], 1 + (int)(at % 2));
			const char *bad = status == 7 || status == 0 ? look() : "ended with another status";
			snprintf(where, 100, "cut %d at call %ld of %ld, status %d", cuts[c], at, calls, status);
			++*cases;
			if (bad)
				return bad;
		}
	return NULL;
}

static const char *fail_everywhere(int *cases, char where[100])
{
	static const int faults[] = {EIO, ENOSPC, EINTR, FAULT_SHORT};
	child(0, 0, 0, LOSE_NOTHING, 1);
	long calls = told->calls;
	for (size_t f = 0; f < sizeof faults / sizeof *faults; f++)
		for (int forever = 0; forever <= 1; forever++)
			for (long at = 1; at <= calls; at++) {
				if (!wanted(at) || (!getenv("ANETUI_SOAK") && ((size_t)(at + forever) + f) % 2)) /* half of them, unless all is wanted */
					continue;
				++*cases;
				/* ... and at the end the power goes. */
				int status = child(at, faults[f], forever, (*cases % 2) ? LOSE_DATA | LOSE_NAMES : LOSE_NOTHING, 1);
				const char *bad = status == 4 ? "a failure without its one line" : status ? "ended with another status" : look();
				if (!bad && faults[f] <= 0 && told->step != 3)
					bad = "short writes are no failure";
				snprintf(where, 100, "fault %d at call %ld, %s, status %d", faults[f], at, forever ? "from then on" : "once", status);
				if (bad)
					return bad;
			}
	return NULL;
}

static int begin(void **unused)
{
	(void)unused;
	told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	model = tiny_params(&shape, 1, 1);
	settings_init(&now.settings);
	return told == MAP_FAILED;
}

static int end(void **unused)
{
	(void)unused;
	params_free(model);
	return munmap(told, sizeof *told);
}

/* --- the tests ----------------------------------------------------------------------------------------------------------- */

static void old_or_new_at_every_call(void **unused)
{
	(void)unused;
	int cases = 0;
	char where[100] = "";
	const char *bad = cut_everywhere(&cases, where);
	if (bad)
		fail_msg("%s: %s", where, bad);
	print_message("# %d cuts\n", cases);
	assert_true(cases > 150);
}

static void every_call_may_fail(void **unused)
{
	(void)unused;
	int cases = 0;
	char where[100] = "";
	const char *bad = fail_everywhere(&cases, where);
	if (bad)
		fail_msg("%s: %s", where, bad);
	print_message("# %d failures\n", cases);
	assert_true(cases > 150);
}

/* Bits that the disk gives back otherwise: the sums see them, and the older checkpoint is taken. */
static const char *rot(int *cases)
{
	struct stat st;
	begin_run();
	struct err e;
	must(save_as("step-00000002.ckpt", 2, &e), &e);
	if (stat(DIR_RUN "/step-00000002.ckpt", &st))
		return "no file";
	for (off_t at = st.st_size / 2; at < st.st_size - 200; at += 397, ++*cases) {
		int fd = open(DIR_RUN "/step-00000002.ckpt", O_RDWR);
		unsigned char c, d;
		if (pread(fd, &c, 1, at) != 1)
			return "can not be read";
		d = c ^ 0x10;
		if (pwrite(fd, &d, 1, at) != 1)
			return "can not be written";
		told->step = 1;
		const char *bad = look();
		if (pwrite(fd, &c, 1, at) != 1 || close(fd))
			return "can not be written";
		if (bad)
			return bad;
	}
	return NULL;
}

/* A crash test that can not fail proves nothing. */
static void these_tests_can_fail(void **unused)
{
	(void)unused;
	char where[100] = "";
	int cases = 0;
	for (enum mutation m = NO_FSYNC; m <= NO_DIRSYNC; m++) {
		io.mutation = m;
		const char *bad = cut_everywhere(&cases, where);
		io.mutation = MUTATE_NOTHING;
		if (!bad)
			fail_msg("mutation %d was not seen", (int)m);
		print_message("# mutation %d: %s: %s\n", (int)m, where, bad);
	}
	assert_null(rot(&cases));
	io.mutation = NO_CRC;
	const char *bad = rot(&cases);
	io.mutation = MUTATE_NOTHING;
	assert_non_null(bad);
	print_message("# without sums: %s\n", bad);
}

#endif

int main(void)
{
#ifdef __linux__
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(old_or_new_at_every_call), cmocka_unit_test(every_call_may_fail), cmocka_unit_test(these_tests_can_fail),
	};
	return cmocka_run_group_tests(tests, begin, end);
#else
	printf("1..1\nok 1 # SKIP needs Linux' calls\n");
	return 0;
#endif
}
