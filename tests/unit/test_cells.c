/* test_cells.c: text into cells: widths, wide characters at borders, what must never reach a terminal, wrapping.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "tui/cells.h"

static void dump_is(const struct grid *g, const char *want)
{
	struct str s = {0};
	grid_dump(g, &s);
	assert_string_equal(s.s, want);
	str_done(&s);
}

static void test_plain(void **s)
{
	(void)s;
	struct grid g = {0};
	assert_int_equal(grid_resize(&g, 6, 2), 0);
	struct rect all = {0, 0, 6, 2};
	assert_int_equal(grid_text(&g, all, 1, 0, ATTR_TEXT, "abc"), 4);
	assert_int_equal(grid_text(&g, all, 4, 1, ATTR_TEXT, "wxyz"), 8);
	grid_text(&g, all, -2, 1, ATTR_TEXT, "xyz");
	grid_text(&g, all, 0, 5, ATTR_TEXT, "nowhere");
	dump_is(&g, " abc\nz   wx\n");
	grid_done(&g);
}

static void test_wide(void **s)
{
	(void)s;
	struct grid g = {0};
	assert_int_equal(grid_resize(&g, 6, 1), 0);
	struct rect all = {0, 0, 6, 1}, left = {0, 0, 3, 1}, right = {3, 0, 3, 1};
	assert_int_equal(grid_text(&g, all, 0, 0, ATTR_TEXT, "漢字é"), 5);
	dump_is(&g, "漢字é\n");
	/* Half a character is a blank: at the border of a pane, and where one is written over. */
	grid_clear(&g);
	grid_text(&g, left, 0, 0, ATTR_TEXT, "日本");
	dump_is(&g, "日\n");
	grid_clear(&g);
	grid_text(&g, all, 0, 0, ATTR_TEXT, "日本語");
	grid_text(&g, right, 0, 0, ATTR_TEXT, "x");
	dump_is(&g, "日 x語\n");
	grid_put(&g, all, 0, 0, ATTR_TEXT, 'a');
	dump_is(&g, "a  x語\n");
	for (int i = 0; i < 6; i++)
		if (g.cell[i].width == 2)
			assert_int_equal(g.cell[i + 1].width, 0);
	grid_clear(&g);
	grid_text(&g, right, -1, 0, ATTR_TEXT, "漢b");
	dump_is(&g, "    b\n");
	grid_done(&g);
}

static void test_combining(void **s)
{
	(void)s;
	struct grid g = {0};
	assert_int_equal(grid_resize(&g, 4, 1), 0);
	struct rect all = {0, 0, 4, 1};
	/* e and a combining acute; a second mark and a mark without a letter are dropped. */
	assert_int_equal(grid_text(&g, all, 0, 0, ATTR_TEXT, "\xcc\x81" "e\xcc\x81\xcc\x80z"), 2);
	dump_is(&g, "e\xcc\x81z\n");
	grid_done(&g);
}

static void test_never_raw(void **s)
{
	(void)s;
	struct grid g = {0};
	assert_int_equal(grid_resize(&g, 20, 1), 0);
	struct rect all = {0, 0, 20, 1};
	grid_text(&g, all, 0, 0, ATTR_TEXT, "a\x1b[31mb\x1b]0;title\x07" "c\x1b[2J\rd\x07\x7f\tz\xc2\x9b" "5m");
	dump_is(&g, "abcd z5m\n");
	grid_clear(&g);
	grid_text(&g, all, 0, 0, ATTR_TEXT, "x\xff\xc3y\x1b");
	dump_is(&g, "x\xef\xbf\xbd\xef\xbf\xbdy\n");
	grid_clear(&g);
	/* Right-to-left override and zero width joiner. */
	grid_text(&g, all, 0, 0, ATTR_TEXT, "a\xe2\x80\xae" "b\xe2\x80\x8d" "c");
	dump_is(&g, "abc\n");
	grid_done(&g);
}

/* Random bytes: only printable cells, rows consistent. */
static void test_random(void **s)
{
	(void)s;
	struct grid g = {0};
	assert_int_equal(grid_resize(&g, 40, 3), 0);
	uint32_t x = 7;
	for (int round = 0; round < 2000; round++) {
		char buf[60];
		for (size_t i = 0; i < sizeof buf; i++) {
			x = x * 1664525u + 1013904223u;
			buf[i] = (char)(x >> 24);
		}
		struct rect r = {(int)(x >> 3 & 31) - 5, (int)(x >> 8 & 3) - 1, (int)(x >> 11 & 31), 2};
		grid_textn(&g, r, (int)(x >> 17 & 15) - 8, (int)(x & 1), ATTR_TEXT, buf, sizeof buf);
		for (int i = 0; i < 120; i++) {
			const struct cell *c = &g.cell[i];
			assert_true(c->width <= 2 && (c->width == 0 || c->ch >= 32));
			if (c->width == 2)
				assert_true(i % 40 < 39 && c[1].width == 0);
			if (c->width == 0)
				assert_true(i % 40 > 0 && c[-1].width == 2);
		}
	}
	grid_done(&g);
}

static void wrap_is(const char *text, int width, const char *want)
{
	struct str out = {0};
	size_t n = strlen(text), show;
	int lines = 0;
	for (size_t at = 0; at < n; lines++) {
		size_t used = text_wrap(text + at, n - at, width, &show);
		assert_true(used > 0 && used <= n - at && show <= used);
		str_add(&out, text + at, show);
		str_putc(&out, '|');
		at += used;
	}
	assert_string_equal(out.s ? out.s : "", want);
	assert_int_equal(lines, text_lines(text, n, width));
	str_done(&out);
}

static void test_wrap(void **s)
{
	(void)s;
	wrap_is("one two three", 7, "one two|three|");
	wrap_is("one two three", 8, "one two|three|");
	wrap_is("abcdefgh", 3, "abc|def|gh|");
	wrap_is("a\n\nb", 5, "a||b|");
	wrap_is("吾輩は猫である", 5, "吾輩|は猫|であ|る|");
	wrap_is("漢", 1, "漢|");
	wrap_is("", 5, "");
	wrap_is("ab cd", 2, "ab|cd|");
}

static void test_bad_size(void **s)
{
	(void)s;
	struct grid g = {0};
	assert_int_equal(grid_resize(&g, 0, -3), 0);
	assert_int_equal(g.w, 1);
	assert_int_equal(g.h, 1);
	grid_text(&g, (struct rect){-5, -5, 3, 3}, 0, 0, ATTR_TEXT, "x");
	grid_text(&g, (struct rect){0, 0, 1, 1}, 0, 0, ATTR_TEXT, "漢");
	dump_is(&g, "\n");
	grid_done(&g);
}

int main(void)
{
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		setlocale(LC_CTYPE, "en_US.UTF-8");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain), cmocka_unit_test(test_wide), cmocka_unit_test(test_combining), cmocka_unit_test(test_never_raw),
		cmocka_unit_test(test_random), cmocka_unit_test(test_wrap), cmocka_unit_test(test_bad_size),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
