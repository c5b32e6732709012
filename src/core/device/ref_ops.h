/* ref_ops.h: what the parts of the reference share. Internal to ref*.c.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_DEVICE_REF_OPS_H
#define ANETUI_DEVICE_REF_OPS_H

#include "mil/mil.h"

/* A value of the program while it runs: row-major doubles. */
struct ref_tensor {
	struct mil_type type;
	double *v;
};

struct ref_call {
	const struct mil_graph *g;
	const struct mil_op *op;
	struct ref_tensor *value; /* one for each value of the graph */
	struct err *e;
};

/* An argument, or NULL when the text leaves it out; result i. */
const struct ref_tensor *ref_in(const struct ref_call *c, const char *name);
struct ref_tensor *ref_out(const struct ref_call *c, int i);

/* Flat index to coordinates and back. */
void ref_coords(const struct mil_type *t, int64_t flat, int64_t *at);
int64_t ref_flat(const struct mil_type *t, const int64_t *at);
/* The element of x that stands at `at` of a tensor of rank `rank` which x broadcasts to. */
double ref_stretched(const struct ref_tensor *x, int rank, const int64_t *at);

/* Each fills the op's results, which have memory; 0 or an error (gather only). */
typedef int ref_fn(const struct ref_call *c);
ref_fn ref_unary, ref_binary, ref_select, ref_matmul, ref_linear, ref_conv, ref_softmax, ref_reduce, ref_layer_norm, ref_sdpa;
ref_fn ref_reshape, ref_transpose, ref_concat, ref_split, ref_slice, ref_tile, ref_gather, ref_cast, ref_quantize, ref_dequantize;

#endif
