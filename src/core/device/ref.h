/* ref.h: the plain-loop reference of every op, in double: unoptimised, so that it can be seen to be right. Not a device.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_DEVICE_REF_H
#define ANETUI_DEVICE_REF_H

#include "base/err.h"
#include "device/device.h"
#include "mil/mil.h"

/* Runs a whole program. inputs[i] holds the elements of g->input[i] as doubles, row-major, whatever the dtype (bools as 0
 * and 1); outputs[i] is allocated here in the same form for g->output[i], and each is freed by the caller (free). Weights are
 * found by path; their shape must be that of the constant. With round_fp16, inputs, weights and every op's result of
 * dtype fp16 are rounded to binary16 (inside an op everything stays double); without it fp16 is just a name.
 * Integers wrap at their width; a cast or quantize saturates.
 * Errors: a weight that is missing or of another shape, a gather index outside, memory. Then no output is left allocated. */
int ref_run(const struct mil_graph *g, const struct dev_weight *w, int nw, const double *const *inputs, double **outputs,
	    int round_fp16, struct err *e);

#endif
