/* picture.h: a grid as a file that shows its colours: ANSI text or SVG. Plain text is grid_dump. SPDX-License-Identifier: MIT */
#ifndef ANETUI_TUI_PICTURE_H
#define ANETUI_TUI_PICTURE_H

#include "tui/cells.h"

/* By the name's end: .svg, .ans or .ansi; anything else: text. */
void picture_make(const struct grid *g, const char *path, struct str *out);
void picture_svg(const struct grid *g, struct str *out);
void picture_ansi(const struct grid *g, struct str *out);

#endif
