/* test_blas_choice.c: which library and how many threads, with stand-in libraries whose rates the test sets: no clock decides here. And the file in which it is remembered.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/pool.h"
#include "blas/standin.h"
#include "device/blas.h"
#include "device/blas_choice.h"

/* Two copies of the stand-in are two libraries. */
static char one[512], two[512];
static char folder[64];
static double builtin_gflops;
static int asked, disturbed_after; /* rates asked for; of them until somebody else computes (0: nobody) */

static void *exported(const char *lib, const char *name)
{
	void *h = dlopen(lib, RTLD_LAZY | RTLD_LOCAL), *p = h ? dlsym(h, name) : NULL;
	assert_non_null(p);
	return p;
}

static void speed(const char *lib, const double *by_threads, int n)
{
	double *v = exported(lib, "standin_gflops");
	for (int i = 1; i <= n; i++)
		v[i] = by_threads[i - 1];
}

static double rate(void *ctx, const struct blas *b, int threads, uint64_t ns)
{
	char path[512];
	float c[4] = {0};
	(void)ctx;
	asked++;
	assert_true(ns > 0 && ns <= BLAS_CHOICE_NS);
	if (!b->sgemm)
		return builtin_gflops;
	b->sgemm(CBLAS_ROW_MAJOR, CBLAS_NO_TRANS, CBLAS_NO_TRANS, 2, 2, 2, 1, c, 2, c, 2, 0, c, 2);
	assert_true(c[0] == STANDIN_MARK);
	blas_file(b, path, sizeof path);
	return ((double *)exported(path, "standin_gflops"))[threads];
}

static int disturbed(void *ctx)
{
	(void)ctx;
	return disturbed_after && asked >= disturbed_after;
}

static const char *names[4];

static struct blas_choice_how how(int cpus)
{
	asked = disturbed_after = 0;
	return (struct blas_choice_how){.names = names, .folder = folder, .cpus = cpus, .rate = rate, .disturbed = disturbed};
}

static struct blas_choice choose(const struct blas_choice_how *h, char *note)
{
	struct blas_choice c;
	char none[400];
	blas_choose(&c, h, note ? note : none, sizeof none);
	if (!note)
		assert_string_equal(none, "");
	return c;
}

static void forget(void)
{
	DIR *d = opendir(folder);
	for (struct dirent *f; d && (f = readdir(d));) {
		char path[512];
		snprintf(path, sizeof path, "%s/%.200s", folder, f->d_name);
		unlink(path);
	}
	if (d)
		closedir(d);
}

static void memory_file(char *path, size_t n)
{
	DIR *d = opendir(folder);
	int found = 0;
	for (struct dirent *f; d && (f = readdir(d));)
		if (f->d_name[0] != '.') {
			snprintf(path, n, "%s/%.200s", folder, f->d_name);
			found++;
		}
	assert_int_equal(found, 1);
	closedir(d);
}

static void copy_file(const char *from, const char *to)
{
	struct str s = {0};
	FILE *f;
	assert_int_equal(file_read(&s, from, "copy", 1 << 24, NULL), 0);
	assert_non_null(f = fopen(to, "w"));
	assert_int_equal(fwrite(s.s, 1, s.len, f), s.len);
	fclose(f);
	str_done(&s);
}

/* --- which library --- */

static void test_library(void **state)
{
	(void)state;
	struct blas_choice_how h = how(1);
	h.folder = NULL;
	names[0] = one, names[1] = "libno-such-library.so.9", names[2] = two, names[3] = NULL;
	builtin_gflops = 50;
	speed(one, (double[]){100}, 1);
	/* Later ones must be faster by more than a tenth: else the digits of a run would change by noise. */
	static const struct { double two, builtin; int want; } row[] = {
		{90, 50, 0}, {105, 50, 0}, {109, 109, 0}, {112, 50, 2}, {112, 120, 2}, {112, 130, 3}, {60, 111, 3}, {0, 0, 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		speed(two, &row[i].two, 1);
		builtin_gflops = row[i].builtin;
		struct blas_choice c = choose(&h, NULL);
		assert_int_equal(c.nlib, 4);
		assert_int_equal(c.lib, row[i].want);
		assert_string_equal(c.tried[1].library, "");
		assert_true(c.tried[0].gflops == 100 && c.tried[2].gflops == row[i].two && c.tried[3].gflops == row[i].builtin);
		assert_true(!c.remembered && c.threads == 1 && c.ncount == 1);
	}
	/* No library, and one under two names. */
	builtin_gflops = 5;
	names[0] = "libno-such-library.so.9", names[1] = NULL;
	struct blas_choice c = choose(&h, NULL);
	assert_string_equal(c.tried[c.lib].name, BLAS_BUILTIN);
	names[0] = one, names[1] = one, names[2] = NULL;
	assert_int_equal(choose(&h, NULL).nlib, 2);
	/* Asked for by name, a library is taken however slow it is; the built-in product where it does not open. */
	h.asked_for = 1;
	builtin_gflops = 1e9;
	names[0] = one, names[1] = NULL;
	c = choose(&h, NULL);
	assert_string_equal(c.tried[c.lib].name, one);
	names[0] = "libno-such-library.so.9";
	c = choose(&h, NULL);
	assert_string_equal(c.tried[c.lib].name, BLAS_BUILTIN);
}

/* --- how many threads --- */

static void test_threads(void **state)
{
	(void)state;
	static const struct { int cpus; double rate[8]; int want; } row[] = {
		{1, {100}, 1},
		{2, {100, 195}, 2},
		{2, {100, 101}, 1},                                      /* one processor in truth */
		{2, {100, 106}, 2},
		{2, {100, 60}, 1},
		{4, {100, 200, 201, 202}, 2},                            /* hyperthreads */
		{4, {100, 200, 300, 390}, 4},
		{4, {100, 200, 300, 290}, 3},                            /* one fewer leaves room for the others */
		{8, {100, 190, 0, 380, 0, 0, 700, 640}, 7},
		{8, {100, 190, 0, 390, 0, 0, 380, 360}, 4},
	};
	names[0] = one, names[1] = NULL;
	builtin_gflops = 1;
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct blas_choice_how h = how(row[i].cpus);
		h.folder = NULL;
		speed(one, row[i].rate, row[i].cpus);
		struct blas_choice c = choose(&h, NULL);
		assert_int_equal(c.threads, row[i].want);
		assert_true(c.ncount >= 1 && c.ncount <= BLAS_COUNTS && c.count[0].threads == c.cpus);
		for (int k = 0; k < c.ncount; k++)
			assert_true(c.count[k].gflops == row[i].rate[c.count[k].threads - 1]);
	}
	/* Many: few are tried, 1 and all among them. */
	struct blas_choice_how h = how(60);
	double many[60];
	for (int i = 0; i < 60; i++)
		many[i] = 10 * (i + 1);
	speed(one, many, 60);
	h.folder = NULL;
	struct blas_choice c = choose(&h, NULL);
	assert_true(c.threads == 59 && c.ncount <= BLAS_COUNTS && c.count[c.ncount - 1].threads == 1);
}

static void test_busy(void **state)
{
	(void)state;
	names[0] = one, names[1] = two, names[2] = NULL;
	speed(one, (double[]){100, 101}, 2);
	speed(two, (double[]){100, 200}, 2);
	builtin_gflops = 1;
	forget();
	/* Others compute: all processors, and the first library unless it is far behind. */
	struct blas_choice_how h = how(2);
	h.busy = 1;
	struct blas_choice c = choose(&h, NULL);
	assert_true(c.busy && c.threads == 2 && c.lib == 0);
	/* They still do: it stays. They no longer do: it is measured anew. */
	h = how(2);
	h.busy = 1;
	c = choose(&h, NULL);
	assert_true(c.remembered && asked == 0);
	h = how(2);
	c = choose(&h, NULL);
	assert_true(!c.remembered && !c.busy && c.lib == 1 && c.threads == 2);
	/* Seen only while measuring. */
	forget();
	h = how(2);
	disturbed_after = 1;
	c = choose(&h, NULL);
	assert_true(c.busy && c.threads == 2 && c.lib == 0);
	speed(two, (double[]){300, 300}, 2);
	forget();
	h = how(2);
	disturbed_after = 1;
	assert_int_equal(choose(&h, NULL).lib, 1);
}

/* --- remembering --- */

static int measured_again(const struct blas_choice_how *h)
{
	asked = 0;
	struct blas_choice c = choose(h, NULL);
	assert_int_equal(c.remembered, asked == 0);
	return asked > 0;
}

static void test_remembered(void **state)
{
	(void)state;
	struct blas_choice_how h = how(2);
	names[0] = one, names[1] = "./later.so", names[2] = NULL;
	speed(one, (double[]){100, 190}, 2);
	builtin_gflops = 20;
	forget();
	unlink("later.so");
	struct blas_choice first = choose(&h, NULL), again;
	assert_true(asked > 0 && !first.remembered);
	asked = 0;
	again = choose(&h, NULL);
	assert_true(asked == 0 && again.remembered);
	again.remembered = 0;
	assert_memory_equal(&first, &again, sizeof first);
	/* Another count of processors has a file of its own; neither is lost. */
	struct blas_choice_how other = how(1);
	assert_true(measured_again(&other) && !measured_again(&other) && !measured_again(&h));
	/* A library comes, is replaced, goes. */
	copy_file(two, "later.so");
	assert_true(measured_again(&h) && !measured_again(&h));
	struct stat st;
	assert_int_equal(stat("later.so", &st), 0);
	struct timespec old[2] = {{.tv_sec = st.st_mtime - 100}, {.tv_sec = st.st_mtime - 100}};
	assert_int_equal(utimensat(AT_FDCWD, "later.so", old, 0), 0);
	assert_true(measured_again(&h) && !measured_again(&h));
	unlink("later.so");
	assert_true(measured_again(&h));
}

/* Replaces the first `from` of the file by `to`. */
static void edit(const char *path, const char *from, const char *to)
{
	struct str s = {0}, out = {0};
	assert_int_equal(file_read(&s, path, "edit", 1 << 20, NULL), 0);
	char *at = strstr(s.s, from);
	if (!at)
		fail_msg("%s is not in %s", from, s.s);
	str_add(&out, s.s, (size_t)(at - s.s));
	str_puts(&out, to);
	str_puts(&out, at + strlen(from));
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fwrite(out.s, 1, out.len, f);
	fclose(f);
	str_done(&s);
	str_done(&out);
}

static void expect_anew(const struct blas_choice_how *h, int told)
{
	char note[400];
	asked = 0;
	struct blas_choice c = choose(h, note);
	assert_true(asked > 0 && !c.remembered && c.threads == 2 && c.lib == 0);
	assert_null(strchr(note, '\n'));
	if (told)
		assert_non_null(strstr(note, ": measured anew"));
	else
		assert_string_equal(note, "");
	asked = 0;
	assert_true(choose(h, NULL).remembered && !asked); /* it was written over */
}

static void test_bad_file(void **state)
{
	(void)state;
	struct blas_choice_how h = how(2);
	char path[512];
	names[0] = one, names[1] = NULL;
	speed(one, (double[]){100, 190}, 2);
	builtin_gflops = 20;
	forget();
	choose(&h, NULL);
	memory_file(path, sizeof path);
	struct str whole = {0};
	assert_int_equal(file_read(&whole, path, "test", 1 << 20, NULL), 0);
	/* Cut anywhere but before its last line break. */
	for (size_t n = 0; n < whole.len - 1; n += n < 40 ? 1 : 37) {
		assert_int_equal(truncate(path, (off_t)n), 0);
		expect_anew(&h, 1);
	}
	static const struct { const char *from, *to; int told; } row[] = {
		{"\"version\":\"", "\"version\":\"other than ", 0},
		{"\"form\":1", "\"form\":2", 0},
		{"\"form\":1", "\"form\":\"1\"", 1},
		{"\"processor\":\"", "\"processor\":\"other than ", 0},
		{"\"processor\":\"", "\"processor\":\"zero \\u0000 byte", 1},
		{"\"gflops\":", "\"gflops\":-", 1},
		{"\"gflops\":", "\"gflops\":\"x\",\"x\":", 1},
		{"\"bytes\":", "\"bytes\":-", 1},
		{"\"bytes\":", "\"bytes\":9", 0},
		{"\"mtime\":", "\"mtime\":1", 0},
		{"\"threads\":2", "\"threads\":3", 1},
		{"\"threads\":2}\n", "\"threads\":9999999999}\n", 1},
		{"\"cpus\":2", "\"cpus\":0", 1},
		{"\"cpus\":2", "\"cpus\":1", 1},
		{"\"library\":0", "\"library\":7", 1},
		{"\"library\":0", "\"library\":-1", 1},
		{"\"libraries\":[", "\"libraries\":[{},", 1},
		{"\"libraries\":[", "\"libraries\":[],\"x\":[", 1},
		{"\"counts\":[", "\"counts\":{},\"x\":[", 1},
		{"\"counts\":[", "\"counts\":[1,", 1},
		{"\"busy\":false", "\"busy\":0", 1},
		{"{", "[{", 1},
		{"{", "", 1},
	};
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		edit(path, row[i].from, row[i].to);
		expect_anew(&h, row[i].told);
	}
	/* A library that nobody would have tried is not opened because a file remembers it. */
	char from[600], to[600];
	snprintf(from, sizeof from, "\"name\":\"%s\"", one);
	snprintf(to, sizeof to, "\"name\":\"%s\"", two);
	edit(path, from, to);
	expect_anew(&h, 0);
	/* A folder in its place can be neither read nor written. */
	char note[400];
	unlink(path);
	assert_int_equal(mkdir(path, 0755), 0);
	struct blas_choice c = choose(&h, note);
	assert_true(!c.remembered && c.threads == 2 && note[0]);
	rmdir(path);
	h.folder = "no/such/folder";
	c = choose(&h, note);
	assert_true(!c.remembered && c.threads == 2 && strstr(note, "not remembered"));
	str_done(&whole);
}

/* --- in use --- */

static void test_text(void **state)
{
	(void)state;
	struct str s = {0};
	struct blas_choice_how h = how(2);
	h.folder = NULL;
	names[0] = one, names[1] = NULL;
	speed(one, (double[]){100, 190}, 2);
	builtin_gflops = 20;
	struct blas_choice c = choose(&h, NULL);
	blas_choice_text(&c, &s);
	assert_string_equal(s.s, "standin-1.so 190, built-in 20 GFLOP/s on 2 threads, 100 on 1 (measured at this start)");
	str_clear(&s);
	blas_choice_json(&c, &s);
	assert_string_equal(s.s, "{\"libraries\":{\"standin-1.so\":190,\"built-in\":20},\"threads\":{\"2\":190,\"1\":100},\"cpus\":2,\"measured\":\"now\",\"busy\":false}");
	str_clear(&s);
	blas_choice_text(&(struct blas_choice){0}, &s);
	assert_int_equal(s.len, 0);
	str_done(&s);
}

/* The products of this process go through what was chosen; what comes later changes nothing. Last: it can be done once in a process. */
static void test_in_use(void **state)
{
	(void)state;
	struct blas_choice_how h = how(1);
	h.folder = NULL;
	names[0] = two, names[1] = NULL;
	speed(two, (double[]){1e6}, 1);
	builtin_gflops = 20;
	struct blas_choice c = choose(&h, NULL);
	blas_choose_again(&c);
	assert_string_equal(blas_open()->library, "standin-2.so");
	int *calls = exported(two, "standin_calls"), before = *calls;
	float x[64] = {0};
	gemm(NULL, 0, 0, 8, 8, 8, 1, x, 8, x, 8, 0, x, 8);
	assert_int_equal(*calls, before + 1);
	assert_true(x[0] == STANDIN_MARK);
	names[0] = one;
	c = choose(&h, NULL);
	blas_choose_again(&c);
	assert_string_equal(blas_open()->library, "standin-2.so");
	/* Real rates of real products; that they are plausible is `bench`'s business. */
	assert_true(blas_rate(blas_get(), 2, 1000000) > 0);
	assert_true(*calls > before + 8);
}

int main(int argc, char **argv)
{
	(void)argc;
	char lib[400];
	const char *slash = strrchr(argv[0], '/');
	snprintf(lib, sizeof lib, "%.*slibblas-standin.so", slash ? (int)(slash + 1 - argv[0]) : 0, argv[0]);
	strcpy(folder, "choice-memory");
	if (mkdir(folder, 0755) && file_is_dir(folder) != 1)
		return 1;
	snprintf(one, sizeof one, "./standin-1.so");
	snprintf(two, sizeof two, "./standin-2.so");
	copy_file(lib, one);
	copy_file(lib, two);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_library), cmocka_unit_test(test_threads), cmocka_unit_test(test_busy), cmocka_unit_test(test_remembered),
		cmocka_unit_test(test_bad_file), cmocka_unit_test(test_text), cmocka_unit_test(test_in_use),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
