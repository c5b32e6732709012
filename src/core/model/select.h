/* select.h: tensors chosen by name: the patterns of `freeze` and `lora.targets`. Changes nothing.
 *
 * A list of patterns, separated by blanks or commas, chooses what any of them matches. `*` stands for any text, dots included, `?` for one character, `2-5`
 * for a number in that range. A pattern may begin at any part of the Hugging Face name and may leave out ".weight" at its end: "q_proj", "mlp.*", "layers.0-3.*",
 * "embed*" and "model.layers.0.self_attn.q_proj.weight" are all understood. SPDX-License-Identifier: MIT */
#ifndef ANETUI_MODEL_SELECT_H
#define ANETUI_MODEL_SELECT_H

#include "model/params.h"

int select_name(const char *patterns, const char *name);
/* Sets hit[i] to 1 for each row of the table that is chosen, else to 0 (p->n of them); returns how many were. */
int select_rows(const struct params *p, const char *patterns, unsigned char *hit);
/* ERR_USAGE when one of the patterns matches nothing: "WHAT: PATTERN: no tensor has such a name (...)". matrices: only tensors of two dimensions count. */
int select_check(const struct params *p, const char *patterns, int matrices, const char *what, struct err *e);

#endif
