/* test_theme.c: themes: every look in every theme, names, what a terminal wishes for, and that what must be told apart is. No terminal.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tui/theme.h"

static void test_table(void **s)
{
	(void)s;
	static const char *const names[] = {"dark", "light", "contrast", "cb", "mono"};
	assert_int_equal(THEMES, 5);
	for (int t = 0; t < THEMES; t++) {
		assert_string_equal(theme_name(t), names[t]);
		assert_int_equal(theme_find(names[t]), t);
		assert_true(*theme_help(t));
		assert_int_equal(theme_is_mono(t), t == 4);
		for (int a = 0; a < ATTR_N; a++) {
			struct look l = theme_look(t, (enum attr)a);
			assert_in_range(l.fg256 + 1, 0, 256);
			assert_in_range(l.bg256 + 1, 0, 256);
			assert_in_range(l.fg16 + 1, 0, 16);
			assert_in_range(l.bg16 + 1, 0, 16);
			assert_in_range(l.fg8 + 1, 0, 8);
			assert_int_equal(strspn(l.flags, "bdru"), strlen(l.flags));
			/* Without colours all themes are the same. */
			assert_string_equal(l.mono, theme_look(0, (enum attr)a).mono);
		}
	}
	assert_int_equal(theme_find("x"), -1);
	assert_int_equal(theme_find(""), -1);
	assert_int_equal(theme_look(1, ATTR_LINE).fg256, 25);
	assert_int_equal(theme_look(3, ATTR_DIM).fg256, theme_look(0, ATTR_DIM).fg256);
}

static int luminance(int colour)
{
	unsigned c = theme_rgb(colour);
	return (int)((c >> 16 & 255) * 299 + (c >> 8 & 255) * 587 + (c & 255) * 114) / 1000;
}

/* What has a colour of its own can be read on its ground; the line stands out from the other run. */
static void test_readable(void **s)
{
	(void)s;
	static const enum attr text[] = {ATTR_GOOD, ATTR_WARN, ATTR_BAD, ATTR_LINE, ATTR_VAL, ATTR_KEY, ATTR_CURSOR, ATTR_NOTE, ATTR_DIM};
	for (int t = 0; t < 4; t++)
		for (size_t i = 0; i < sizeof text / sizeof text[0]; i++) {
			struct look l = theme_look(t, text[i]);
			int ground = l.bg256 >= 0 ? luminance(l.bg256) : t == 1 ? 255 : 0, d = l.fg256 < 0 ? 255 : luminance(l.fg256) - ground;
			if ((d < 0 ? -d : d) < 70)
				fail_msg("theme %s, look %d: %d beside its ground", theme_name(t), (int)text[i], d);
		}
	for (int t = 0; t < 4; t++)
		assert_int_not_equal(theme_look(t, ATTR_LINE).fg256, theme_look(t, ATTR_REF).fg256);
	/* Blue against orange: what is well has more blue than red, what is not the other way round. */
	assert_true((theme_rgb(theme_look(3, ATTR_GOOD).fg256) & 255) > theme_rgb(theme_look(3, ATTR_GOOD).fg256) >> 16);
	assert_true((theme_rgb(theme_look(3, ATTR_BAD).fg256) & 255) < theme_rgb(theme_look(3, ATTR_BAD).fg256) >> 16);
}

static int distance(int fg, int bg, int light)
{
	int ground = bg >= 0 ? luminance(bg) : light ? 255 : 0, d = luminance(fg) - ground;
	return fg < 0 ? 255 : d < 0 ? -d : d;
}

/* The same with 16 colours, for all looks; on a dark ground no text is in the eighth colour, which is the ground itself in some palettes. */
static void test_readable_16(void **s)
{
	(void)s;
	static const enum attr lines[] = {ATTR_BORDER, ATTR_AXIS, ATTR_REF};
	for (int t = 0; t < 4; t++)
		for (int a = 0; a < ATTR_N; a++) {
			struct look l = theme_look(t, (enum attr)a);
			int d = distance(l.fg16, l.bg16, t == 1), line = 0;
			if (d < 75)
				fail_msg("theme %s, look %d, 16 colours: %d beside its ground", theme_name(t), a, d);
			for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
				line |= lines[i] == (enum attr)a;
			if (t != 1 && !line && l.fg16 == 8)
				fail_msg("theme %s, look %d: text in the eighth colour", theme_name(t), a);
		}
}

static void test_wish(void **s)
{
	(void)s;
	assert_int_equal(theme_wish(NULL, NULL), 0);
	assert_int_equal(theme_wish(NULL, "0;15"), 1);
	assert_int_equal(theme_wish(NULL, "0;default;7"), 1);
	assert_int_equal(theme_wish(NULL, "15;0"), 0);
	assert_int_equal(theme_wish("cb", "0;15"), 3);
	assert_int_equal(theme_wish("nonsense", "15"), 0);
	assert_int_equal(theme_rgb(231), 0xffffff);
	assert_int_equal(theme_rgb(16), 0);
	assert_int_equal(theme_rgb(196), 0xff0000);
	assert_int_equal(theme_rgb(255), 0xeeeeee);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_table), cmocka_unit_test(test_readable), cmocka_unit_test(test_readable_16), cmocka_unit_test(test_wish)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
