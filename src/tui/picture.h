/* picture.h: a grid as a file that shows its colours: ANSI text or SVG. Plain text is grid_dump. SPDX-License-Identifier: MIT */
#ifndef ANETUI_TUI_PICTURE_H
#define ANETUI_TUI_PICTURE_H

#include "tui/cells.h"

/* In the colours of a theme (theme.h), on the ground that it is for. By the name's end: .svg, .ans or .ansi; anything else: text. */
void picture_make(const struct grid *g, int theme, const char *path, struct str *out);
void picture_svg(const struct grid *g, int theme, struct str *out);
void picture_ansi(const struct grid *g, int theme, struct str *out);

#endif
