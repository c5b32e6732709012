/* print.h: a graph back to program text, in either dialect. Comments, labels of constants and foreign attributes are not in a graph.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_MIL_PRINT_H
#define ANETUI_MIL_PRINT_H

#include "base/str.h"
#include "mil/build.h"
#include "mil/mil.h"

/* Appends the text. What the generators (build.h) wrote comes out byte for byte when the dialect is the same; any other program as
 * one that means the same. Memory failure is in text->failed. */
void mil_print(struct str *text, const struct mil_graph *g, enum mil_dialect dialect);

#endif
