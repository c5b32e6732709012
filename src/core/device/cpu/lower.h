/* lower.h: small functions that add nodes to a plan, for lower.c and lower_ops.c.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_DEVICE_CPU_LOWER_H
#define ANETUI_DEVICE_CPU_LOWER_H

#include "device/cpu/plan.h"

/* The op that is being lowered and what its arguments became. */
struct lower {
	struct plan *p;
	const struct mil_graph *g;
	const struct mil_op *op;
	int *value; /* of each MIL value: the plan's, or -1 */
};

/* All return the value that they make. */
int low_number(struct plan *p, float v);
int low_reshape(struct plan *p, int x, int rank, const int64_t *dim);
int low_transpose(struct plan *p, int x, const int *perm);
/* Swaps the last two axes. */
int low_swap(struct plan *p, int x);
int low_slice(struct plan *p, int x, int axis, int64_t begin, int64_t n, int64_t step);
int low_broadcast(struct plan *p, int x, int rank, const int64_t *dim);
int low_unary(struct plan *p, enum ew_op op, int x, double a, double b);
int low_binary(struct plan *p, enum ew_op op, int x, int y);
int low_select(struct plan *p, int c, int x, int y);
/* Axis becomes 1. */
int low_reduce(struct plan *p, enum reduce_op op, int x, int axis);
int low_softmax(struct plan *p, int x, int axis);
int low_gemm(struct plan *p, int x, int y);
/* -1: x is no product whose rows `dim` splits. */
int low_split_rows(struct plan *p, int x, int rank, const int64_t *dim);
int low_concat(struct plan *p, const int *x, int n, int axis);

/* The value of argument `name`, or -1. */
int low_arg(const struct lower *l, const char *name);
void low_result(const struct lower *l, int i, int value);

/* A float argument of the op, as exact as the numbers are. */
double low_float(const struct lower *l, const char *name, double otherwise);

void low_conv(const struct lower *l);
void low_matmul(const struct lower *l);
void low_linear(const struct lower *l);
void low_sdpa(const struct lower *l);
void low_layer_norm(const struct lower *l);
void low_reduction(const struct lower *l, enum reduce_op op, int mean);
void low_slice_by_index(const struct lower *l);
void low_slice_by_size(const struct lower *l);
void low_split(const struct lower *l);
void low_tile(const struct lower *l);
void low_concat_op(const struct lower *l);
void low_quantize(const struct lower *l);
void low_dequantize(const struct lower *l, const char *input);
void low_cast(const struct lower *l);
void low_gather(const struct lower *l);

#endif
