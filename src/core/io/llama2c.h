/* llama2c.h: model files of llama2.c, v0 (no magic) and v1. Reading only; v2 and writing come later.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_IO_LLAMA2C_H
#define ANETUI_IO_LLAMA2C_H

#include "base/err.h"
#include "model/params.h"

/* Does the file look like one (v1's magic, or a v0 header whose sizes make exactly the file's length)? For telling kinds apart. */
int llama2c_probe(const char *path);
/* Reads header and weights into new params. Every size is checked against the file before anything is allocated. Config: interleaved RoPE,
 * theta 10000, eps 1e-5, context = the file's seq_len, name = the file's base name without its ending. */
struct params *llama2c_load(const char *path, struct err *e);

#endif
