/* theme.h: names of the looks that panes draw with, made from theme.def. No colours here: screen.c turns them into what the terminal has.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TUI_THEME_H
#define ANETUI_TUI_THEME_H

enum attr {
#define THEME(NAME, fg256, bg256, fg16, bg16, fg8, flags, mono) ATTR_##NAME,
#include "tui/theme.def"
#undef THEME
	ATTR_N
};

#endif
