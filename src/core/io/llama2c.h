/* llama2c.h: model files of llama2.c: v0 (no magic), v1 (fp32), v2 (int8). Its tokenizer files are text/tokenizer.h's.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_IO_LLAMA2C_H
#define ANETUI_IO_LLAMA2C_H

#include "base/err.h"
#include "io/model_file.h"
#include "model/params.h"

/* Does the file look like one (the magic of v1 and v2, or a v0 header whose sizes make exactly the file's length)? For telling kinds apart. */
int llama2c_probe(const char *path);
/* Reads header and weights into new params. Every size is checked against the file before anything is allocated. Config: interleaved RoPE,
 * theta 10000, eps 1e-5, context = the file's seq_len, name = the file's base name without its ending. v2: each weight is its int8 times its group's scale. */
struct params *llama2c_load(const char *path, struct err *e);
/* Writes version 0, 1 or 2. v2 holds q = round(w / s), s = max |w| / 127 of each group; groups have 64 weights, halved until dim is a multiple of them.
 * Refused: what the format has no place for (QK-norm, a head_dim of its own, another theta or eps, residual scales). */
int llama2c_save(const struct model_source *s, const char *path, int version, struct str *report, struct err *e);

/* --- for the files of this format --- */

#define LLAMA2C_MAGIC 0x616b3432u /* "24ka" on disk */
enum { LLAMA2C_V0_HEADER = 28, LLAMA2C_HEADER = 256, LLAMA2C_SHARED = 36, LLAMA2C_GROUP = 37, LLAMA2C_GROUP_MAX = 64 };
/* What follows the header, in order: enum param_kind (those of layers once a layer), or one of these. */
enum { LLAMA2C_ANGLES = -1, /* cosines and sines, [context, head_dim / 2] each: zeros are written, nothing is read */
       LLAMA2C_END = -2 };
const int *llama2c_order(int version);

#endif
