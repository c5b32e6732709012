/* bad.h: what an error message says of numbers that are not finite: the first tensor, and the data. Decides nothing. SPDX-License-Identifier: MIT */
#ifndef ANETUI_TRAIN_BAD_H
#define ANETUI_TRAIN_BAD_H

#include <stddef.h>

#include "model/model.h"
#include "text/data.h"

struct bad_look {
	const struct params *params, *trained; /* the same, but with adapters */
	const struct model *model;
	const struct data_cursor *cursor;      /* after the batch */
	int batch, seq, micro, accum;          /* of the micro-step that was the last one: the micro-th of accum, from 1 on */
	int update;                            /* the row of trained's table whose update is not finite; -1: it did not come so far */
};

/* "; first bad tensor: h1 of layer 3, token 17 of sequence 2; data: random, sequences 84 and 85 of epoch 0 (micro-step 2 of 4)". What is looked at, in this order: weights,
 * moments, activations of the latest micro-step, gradients from the end of the model to its beginning (as they are made), the update. */
void bad_text(char *out, size_t n, const struct bad_look *l);

#endif
