/* theme.c: looking looks and themes up. SPDX-License-Identifier: MIT */
#include "tui/theme.h"

#include <stdlib.h>
#include <string.h>

static const struct look dark[ATTR_N] = {
#define LOOK(NAME, fg256, bg256, fg16, bg16, fg8, flags, mono) {fg256, bg256, fg16, bg16, fg8, flags, mono},
#define THEME(name, help)
#define OVER(NAME, fg256, bg256, fg16, bg16, fg8, flags)
#include "tui/theme.def"
#undef LOOK
#undef THEME
#undef OVER
};

/* Rows in the order of the table; one with a name begins a theme. */
static const struct { const char *name, *help; enum attr attr; struct look look; } rows[] = {
	{"dark", "for a dark ground", ATTR_N, {0, 0, 0, 0, 0, "", ""}},
#define LOOK(NAME, fg256, bg256, fg16, bg16, fg8, flags, mono)
#define THEME(name, help) {name, help, ATTR_N, {0, 0, 0, 0, 0, "", ""}},
#define OVER(NAME, fg256, bg256, fg16, bg16, fg8, flags) {NULL, NULL, ATTR_##NAME, {fg256, bg256, fg16, bg16, fg8, flags, ""}},
#include "tui/theme.def"
#undef LOOK
#undef THEME
#undef OVER
};
enum { ROWS = sizeof rows / sizeof rows[0] };

static int row_of(int theme)
{
	for (int i = 0; i < ROWS; i++)
		if (rows[i].name && !theme--)
			return i;
	return 0;
}

struct look theme_look(int theme, enum attr a)
{
	struct look l = dark[a];
	for (int i = row_of(theme) + 1; i < ROWS && !rows[i].name; i++)
		if (rows[i].attr == a) {
			l = rows[i].look;
			l.mono = dark[a].mono;
		}
	return l;
}

const char *theme_name(int theme)
{
	return rows[row_of(theme)].name;
}

const char *theme_help(int theme)
{
	return rows[row_of(theme)].help;
}

int theme_is_mono(int theme)
{
	return !strcmp(theme_name(theme), "mono");
}

int theme_find(const char *name)
{
	for (int i = 0; i < THEMES; i++)
		if (!strcmp(theme_name(i), name))
			return i;
	return -1;
}

int theme_wish(const char *name, const char *colorfgbg)
{
	int k = name ? theme_find(name) : -1;
	const char *ground = colorfgbg ? strrchr(colorfgbg, ';') : NULL;
	if (k >= 0)
		return k;
	/* 7 and 15 are the light ones of the 16. */
	if (ground && (!strcmp(ground, ";7") || !strcmp(ground, ";15")))
		return theme_find("light");
	return 0;
}

unsigned theme_rgb(int c)
{
	static const unsigned basic[16] = {0x000000, 0xcd0000, 0x00cd00, 0xcdcd00, 0x0000ee, 0xcd00cd, 0x00cdcd, 0xe5e5e5, 0x7f7f7f, 0xff0000, 0x00ff00, 0xffff00, 0x5c5cff, 0xff00ff, 0x00ffff, 0xffffff};
	static const unsigned level[6] = {0, 95, 135, 175, 215, 255};
	if (c < 16)
		return basic[c < 0 ? 0 : c];
	if (c >= 232)
		return (unsigned)(8 + 10 * (c - 232)) * 0x10101u;
	c -= 16;
	return level[c / 36] << 16 | level[c / 6 % 6] << 8 | level[c % 6];
}
