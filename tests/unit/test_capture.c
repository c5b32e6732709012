/* test_capture.c: what libraries print while the screen is open becomes lines; afterwards 1 and 2 are what they were.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "tui/capture.h"

static void take(void *ctx, const char *text)
{
	str_printf(ctx, "[%s]", text);
}

static void test_lines(void **s)
{
	(void)s;
	struct stat before, after;
	struct str got = {0};
	struct err e = {0};
	int out, err_fd;
	assert_int_equal(fstat(1, &before), 0);
	assert_int_equal(capture_begin(&out, &err_fd, &e), 0);
	fprintf(stderr, "one\ntwo\nhal");
	assert_int_equal(capture_read(take, &got), 1);
	assert_int_equal(capture_read(take, &got), 0);
	printf("f line\n");
	fflush(stdout);
	assert_int_equal(capture_read(take, &got), 1);
	capture_end(0);
	assert_string_equal(got.s, "[one][two][half line]");
	assert_int_equal(fstat(1, &after), 0);
	assert_true(before.st_ino == after.st_ino && before.st_dev == after.st_dev);
	assert_int_equal(capture_fd(), -1);
	str_done(&got);
}

/* More than a pipe holds, and nobody reads: the writer goes on, and a line without an end comes in pieces. */
static void test_flood(void **s)
{
	(void)s;
	struct str got = {0};
	struct err e = {0};
	int out, err_fd;
	char block[1000];
	memset(block, 'x', sizeof block);
	assert_int_equal(capture_begin(&out, &err_fd, &e), 0);
	for (int i = 0; i < 1000; i++)
		if (write(2, block, sizeof block) < 0)
			break;
	assert_int_equal(capture_read(take, &got), 1);
	assert_true(got.len > 10000);
	/* The rest of the piece goes to the real standard error at the end: finish it so that it is no part of the test's lines. */
	if (write(1, "\n", 1) != 1)
		fail();
	capture_read(take, &got);
	capture_end(0);
	str_done(&got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines), cmocka_unit_test(test_flood)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
