/* upstream.h: checkpoints of maderix/ANE: a header of 96 bytes, then fp32 tensors with their moments. Weights only: moments are neither read nor made.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_IO_UPSTREAM_H
#define ANETUI_IO_UPSTREAM_H

#include "base/err.h"
#include "io/model_file.h"
#include "model/params.h"

/* Does the file begin with the magic number? */
int upstream_probe(const char *path);
/* Version 2 (static pipelines: every head has its own k and v, no residual scale) or 4 (dynamic: grouped heads, a head size of its own, residuals
 * scaled by 1 / sqrt(2 L)). Config: tied, interleaved RoPE, theta 10000, eps 1e-5, context = the file's seq, name as llama2c_load. */
struct params *upstream_load(const char *path, struct err *e);
/* Writes version 2 or 4, as a run that has made no step yet: moments are zero. Refused: what the version has no place for. */
int upstream_save(const struct model_source *s, const char *path, int version, struct str *report, struct err *e);

#endif
