/* theme.h: names of the looks that panes draw with, and the themes, made from theme.def. No colours are set here: screen.c turns them into what the terminal has.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TUI_THEME_H
#define ANETUI_TUI_THEME_H

enum attr {
#define LOOK(NAME, fg256, bg256, fg16, bg16, fg8, flags, mono) ATTR_##NAME,
#define THEME(name, help)
#define OVER(NAME, fg256, bg256, fg16, bg16, fg8, flags)
#include "tui/theme.def"
#undef LOOK
#undef THEME
#undef OVER
	ATTR_N
};

/* dark, which is not named in the table, and those that are. */
enum { THEMES = 1
#define LOOK(NAME, fg256, bg256, fg16, bg16, fg8, flags, mono)
#define THEME(name, help) + 1
#define OVER(NAME, fg256, bg256, fg16, bg16, fg8, flags)
#include "tui/theme.def"
#undef LOOK
#undef THEME
#undef OVER
};

struct look { int fg256, bg256, fg16, bg16, fg8; const char *flags, *mono; };

/* What a look becomes in a theme. */
struct look theme_look(int theme, enum attr a);
/* 1: the theme has no colours. */
int theme_is_mono(int theme);
int theme_find(const char *name);   /* -1: there is none of that name */
const char *theme_name(int theme);
const char *theme_help(int theme);
/* The theme to begin with: the one that is wished for, else by what a terminal tells of its ground in COLORFGBG ("0;15" is a light one). Both may be NULL. */
int theme_wish(const char *name, const char *colorfgbg);
/* One of the 256 colours as 0xRRGGBB. */
unsigned theme_rgb(int colour);

#endif
