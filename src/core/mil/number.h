/* number.h: the numbers of MIL text as elements of a dtype, each rounded once. Not a general number parser.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_MIL_NUMBER_H
#define ANETUI_MIL_NUMBER_H

#include <stdint.h>

#include "mil/lex.h"
#include "mil/mil.h"

/* The nearest binary16, ties to even, straight from double (by way of float it would be rounded twice). */
uint16_t mil_fp16_from_double(double v);

/* Writes the element that a token (number, true, false, inf, nan) stands for to `dst`, mil_dtype_size(d) bytes.
 * 0, or ERR_FORMAT with the token's line and column. */
int mil_number_store(void *dst, enum mil_dtype d, const struct mil_token *t, struct err *e);

/* Element i of `data` as a number; uint64 and int64 beyond 2^53 are rounded. */
double mil_number_load(const void *data, enum mil_dtype d, int64_t i);

#endif
