/* test_save.c: the save protocol: whole file or old file, whatever fails. SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <fcntl.h>
#include <sys/syscall.h>
#endif

#include "base/file.h"
#include "base/save.h"

/* A fresh folder each; TAP runs begin in an empty one, by hand the leftovers are the current folder's. */
static const char *folder(const char *name)
{
	struct err e;
	char cmd[200];
	snprintf(cmd, sizeof cmd, "rm -rf '%s'", name);
	assert_int_equal(system(cmd), 0);
	assert_int_equal(file_mkdirs(name, &e), 0);
	return name;
}

static int entries(const char *dir)
{
	int n = 0;
	struct dirent *x;
	DIR *d = opendir(dir);
	assert_non_null(d);
	while ((x = readdir(d)))
		n += x->d_name[0] != '.' || (strcmp(x->d_name, ".") && strcmp(x->d_name, ".."));
	closedir(d);
	return n;
}

static void expect_text(const char *path, const void *want, size_t n)
{
	struct str s = {0};
	struct err e;
	assert_int_equal(file_read(&s, path, "test", 1 << 24, &e), 0);
	assert_int_equal(s.len, n);
	assert_memory_equal(s.s, want, n);
	str_done(&s);
}

static void replaces(void **state)
{
	(void)state;
	struct err e;
	folder("a");
	assert_int_equal(save_file("a/x", "old", 3, &e), 0);
	expect_text("a/x", "old", 3);
	assert_int_equal(save_file("a/x", "newer", 5, &e), 0);
	expect_text("a/x", "newer", 5);
	assert_int_equal(save_file("a/x", "", 0, &e), 0);
	expect_text("a/x", "", 0);
	assert_int_equal(entries("a"), 1);
	assert_int_equal(save_file("plain-name", "1", 1, &e), 0); /* no slash: the current folder */
	unlink("plain-name");
}

/* --- what reaches the disk, and in which order --- */

#ifdef __linux__
static char trace[16];

static void note(char what)
{
	size_t n = strlen(trace);
	if (n + 1 < sizeof trace)
		trace[n] = what;
}

/* In place of the C library's. */
int fsync(int fd)
{
	struct stat st;
	note(!fstat(fd, &st) && S_ISDIR(st.st_mode) ? 'd' : 'f');
	return (int)syscall(SYS_fsync, fd);
}

int rename(const char *from, const char *to)
{
	note('r');
	return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

/* A power cut must find the old file or the new one: the bytes first, then the name, then the folder that holds it. */
static void on_the_disk_in_order(void **state)
{
	(void)state;
	struct err e;
	folder("a");
	memset(trace, 0, sizeof trace);
	assert_int_equal(save_file("a/x", "new", 3, &e), 0);
	assert_string_equal(trace, "frd");
}
#endif

static void pieces(void **state)
{
	(void)state;
	struct err e;
	struct save s;
	struct stat st;
	folder("a");
	assert_int_equal(save_file("a/x", "old", 3, &e), 0);
	assert_int_equal(save_begin(&s, "a/x", 10, &e), 0);
	assert_int_equal(save_write(&s, "01234", 5, &e), 0);
	assert_int_equal(save_write(&s, "56789", 5, &e), 0);
	assert_int_equal(save_sync(&s, &e), 0);
	expect_text(save_temp(&s), "0123456789", 10);
	expect_text("a/x", "old", 3); /* nothing counts before the commit */
	assert_int_equal(save_write(&s, "x", 1, &e), ERR_STATE);
	assert_int_equal(save_commit(&s, &e), 0);
	expect_text("a/x", "0123456789", 10);
	assert_int_equal(stat(save_temp(&s), &st), -1);
	save_abort(&s);
	save_abort(&s);
	expect_text("a/x", "0123456789", 10);
	assert_int_equal(save_commit(&s, &e), ERR_STATE);
}

static void aborted(void **state)
{
	(void)state;
	struct err e;
	struct save s;
	folder("a");
	assert_int_equal(save_file("a/x", "old", 3, &e), 0);
	assert_int_equal(save_begin(&s, "a/x", 0, &e), 0);
	assert_int_equal(save_write(&s, "half", 4, &e), 0);
	assert_int_equal(entries("a"), 2);
	save_abort(&s);
	assert_int_equal(entries("a"), 1);
	expect_text("a/x", "old", 3);
}

/* A real limit of the system, at many sizes around the one that would be enough. */
static void disk_full(void **state)
{
	(void)state;
	enum { SIZE = 50000 };
	static unsigned char data[SIZE];
	static const rlim_t limits[] = {0, 1, 7, 511, 512, 4095, 4096, 4097, 8192, 16384, 40000, SIZE - 1, SIZE, SIZE + 1};
	struct rlimit old, now;
	struct err e;
	for (size_t i = 0; i < SIZE; i++)
		data[i] = (unsigned char)(i * 7 + i / 251);
	folder("full");
	assert_int_equal(save_file("full/x", "the old one", 11, &e), 0);
	void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
		now = old;
		now.rlim_cur = limits[i];
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &now), 0);
		int rc = save_file("full/x", data, SIZE, &e);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
		assert_int_equal(entries("full"), 1);
		if (limits[i] >= SIZE) {
			assert_int_equal(rc, 0);
			expect_text("full/x", data, SIZE);
			continue;
		}
		char want[200];
		snprintf(want, sizeof want, "disk: full/x: %s (old file kept)", strerror(EFBIG));
		assert_int_equal(rc, ERR_IO);
		assert_string_equal(e.msg, want);
		expect_text("full/x", "the old one", 11);
	}
	signal(SIGXFSZ, before);
}

static void too_large(void **state)
{
	(void)state;
	struct err e;
	struct save s;
	folder("a");
	assert_int_equal(save_begin(&s, "a/x", 1ull << 60, &e), ERR_IO);
	assert_non_null(strstr(e.msg, "disk: a/x: "));
	assert_non_null(strstr(e.msg, " needed, "));
	assert_non_null(strstr(e.msg, " free"));
	save_abort(&s);
	assert_int_equal(entries("a"), 0);
}

static void bad_places(void **state)
{
	(void)state;
	struct err e;
	char lng[5000];
	folder("a");
	assert_int_equal(save_file("a/no/x", "1", 1, &e), ERR_IO);
	assert_string_equal(e.msg, "disk: a/no: No such file or directory");
	assert_int_equal(file_mkdirs("a/dir", &e), 0);
	assert_int_equal(save_file("a/dir", "1", 1, &e), ERR_STATE);
	assert_string_equal(e.msg, "disk: a/dir: exists and is no file");
	memset(lng, 'x', sizeof lng - 1);
	lng[sizeof lng - 1] = 0;
	assert_int_equal(save_file(lng, "1", 1, &e), ERR_RANGE);
	lng[300] = 0;
	assert_int_equal(save_file(lng, "1", 1, &e), ERR_IO); /* the name alone is too long for the system */
	assert_non_null(strstr(e.msg, strerror(ENAMETOOLONG)));
	if (geteuid()) {
		chmod("a", 0500);
		assert_int_equal(save_file("a/x", "1", 1, &e), ERR_IO);
		assert_string_equal(e.msg, "disk: a/x: Permission denied");
		chmod("a", 0700);
	}
}

static void modes(void **state)
{
	(void)state;
	static const struct { mode_t mask, want; } row[] = {{022, 0644}, {077, 0600}, {002, 0664}};
	struct err e;
	folder("a");
	for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
		struct stat st;
		mode_t before = umask(row[i].mask);
		int rc = save_file("a/x", "1", 1, &e);
		umask(before);
		assert_int_equal(rc, 0);
		assert_int_equal(stat("a/x", &st), 0);
		assert_int_equal(st.st_mode & 0777, row[i].want);
	}
}

/* A process that was killed left its temp file: it is neither used nor in the way. */
static void stale_temp(void **state)
{
	(void)state;
	struct err e;
	struct save s;
	char stale[4200];
	folder("a");
	assert_int_equal(save_begin(&s, "a/x", 0, &e), 0);
	snprintf(stale, sizeof stale, "%s", save_temp(&s));
	save_abort(&s);
	FILE *f = fopen(stale, "w");
	assert_non_null(f);
	fputs("garbage", f);
	fclose(f);
	assert_int_equal(save_file("a/x", "good", 4, &e), 0);
	expect_text("a/x", "good", 4);
	expect_text(stale, "garbage", 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replaces), cmocka_unit_test(pieces), cmocka_unit_test(aborted), cmocka_unit_test(disk_full),
		cmocka_unit_test(too_large), cmocka_unit_test(bad_places), cmocka_unit_test(modes), cmocka_unit_test(stale_temp),
#ifdef __linux__
		cmocka_unit_test(on_the_disk_in_order),
#endif
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
