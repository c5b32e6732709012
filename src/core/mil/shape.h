/* shape.h: the arguments of a checked op in normal form (axes counted from 0, paddings worked out, slices as begin, stride,
 * count), for the checker and for whoever runs the op. SPDX-License-Identifier: MIT */
#ifndef ANETUI_MIL_SHAPE_H
#define ANETUI_MIL_SHAPE_H

#include "mil/mil.h"

/* 0..rank-1 for an axis that may be negative, or -1 when it is outside. */
int mil_axis(int rank, int64_t axis);
/* The axes of argument `name` (all when it is left out), each 0..rank-1 and none twice, in the order given: how many,
 * or -1 when one is outside or given twice. */
int mil_axes(const struct mil_graph *g, const struct mil_op *op, const char *name, int rank, int axis[MIL_MAX_RANK]);
/* The common shape of a and b, right-aligned, 1 stretching; the dtype is a's. 0, or -1 when they do not fit. */
int mil_broadcast(struct mil_type *out, const struct mil_type *a, const struct mil_type *b);
/* 15 for "ios15", 18 for "ios18" and "CoreML8"; 18 for anything else. */
int mil_opset_number(const struct mil_graph *g);

/* conv: out = (in + before + after - (kernel - 1) * dilation - 1) / stride + 1, per spatial dimension. */
struct mil_conv_shape {
	int nd; /* spatial dimensions, 1..3 */
	int64_t groups, in[3], kernel[3], stride[3], dilation[3], before[3], after[3], out[3];
};
/* NULL, or what is wrong (a static string); the caller has checked kinds and ranks of the arguments. */
const char *mil_conv_geometry(const struct mil_graph *g, const struct mil_op *op, struct mil_conv_shape *s);

/* slice_by_size and slice_by_index: out[i] = x[begin + i * stride], i < count; squeezed dimensions (count 1) are dropped
 * from the result's type. */
struct mil_slice_shape {
	int rank; /* of x */
	int64_t begin[MIL_MAX_RANK], stride[MIL_MAX_RANK], count[MIL_MAX_RANK];
	int squeeze[MIL_MAX_RANK];
};
/* 0, or the number of the first dimension + 1 whose range is empty, outside, or has stride 0. */
int mil_slice_geometry(const struct mil_graph *g, const struct mil_op *op, struct mil_slice_shape *s);

#endif
