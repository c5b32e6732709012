/* model_file.h: the one door to model files of every format: told apart by contents, read into params, written from them. Formats are in formats.def.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_IO_MODEL_FILE_H
#define ANETUI_IO_MODEL_FILE_H

#include "base/err.h"
#include "base/str.h"
#include "model/params.h"
#include "text/tokenizer.h"

struct model_import {
	struct params *params;
	struct tokenizer *tok; /* that the file or folder brings along; NULL: none */
	const char *format;    /* its name in the table */
};

/* What is written: the shape and the table of `params`, with the floats of `w` (laid out as params->w; weights, or an average of them). */
struct model_source {
	const struct params *params;
	const float *w;
	const struct tokenizer *tok; /* may be NULL */
};

/* Reads a file or folder of any format. The caller owns what it gets. */
int model_file_load(struct model_import *out, const char *path, struct err *e);
/* Writes `path` in a format. What is there already is replaced only when it is of the same format; else refused. Lines on what the format
 * could not say, and what was written, are added to `report`. ERR_USAGE: no such format, the message names all. */
int model_file_save(const char *format, const char *path, const struct model_source *s, struct str *report, struct err *e);
/* The i-th format: its name, and help; NULL behind the last. */
const char *model_format(int i, const char **help);

/* --- for the formats --- */

typedef int model_save_fn(const struct model_source *s, const char *path, int variant, struct str *report, struct err *e);

/* The floats of one tensor as a file with RoPE layout `want` has them: q and k (rows of each head) and their norms change places where the model has the
 * other layout: half-split row i of a head is interleaved row 2i, row i + HD/2 is 2i + 1. Returns the weights in place, or `scratch` [t->count]. */
const float *model_source_tensor(const struct model_source *s, const struct param *t, enum rope_layout want, float *scratch);
/* The largest tensor's floats: the scratch that the above needs. */
size_t model_source_scratch(const struct model_source *s);
/* Is every weight finite? ERR_STATE naming the first tensor that is not: nothing is written then. */
int model_source_finite(const struct model_source *s, const char *path, struct err *e);
/* Do the numbers of a file or folder make a model? ERR_FORMAT: its path and what is wrong. */
int model_file_config(const struct model_config *c, const char *path, struct err *e);
/* A file's or folder's last name ("model" when nothing is left). */
void model_file_name(char *out, size_t n, const char *path);

#endif
