/* text.h: pieces of program text that the builder and the printer share.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_MIL_TEXT_H
#define ANETUI_MIL_TEXT_H

#include "base/str.h"
#include "mil/build.h"

void mil_put_type(struct str *out, enum mil_dialect dialect, const struct mil_type *t);
void mil_put_string(struct str *out, enum mil_dialect dialect, const char *s);
/* A number of at most 24 significant bits, exactly. */
void mil_put_float(struct str *out, double v);
/* Up to the parenthesis in which the inputs stand. version and opset may be NULL: those of the dialect. */
void mil_put_head(struct str *out, enum mil_dialect dialect, const char *version, const char *function, const char *opset);

#endif
