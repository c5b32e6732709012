/* ref_math.c: element-wise ops, products and reductions of the reference.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "device/ref_ops.h"
#include "mil/shape.h"

/* --- element-wise --- */

static double sigmoid(double x)
{
	return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

static double gelu(double x, const char *mode)
{
	const double pi = 3.14159265358979323846;
	if (!strcmp(mode, "TANH_APPROXIMATION"))
		return 0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x * x * x)));
	if (!strcmp(mode, "SIGMOID_APPROXIMATION"))
		return x * sigmoid(1.702 * x);
	return 0.5 * x * (1 + erf(x / sqrt(2)));
}

int ref_unary(const struct ref_call *c)
{
	const struct ref_tensor *x = ref_in(c, "x");
	double *y = ref_out(c, 0)->v;
	const char *mode = mil_arg_str(c->g, c->op, "mode", "EXACT");
	double log_eps = mil_arg_float(c->g, c->op, "epsilon", 1e-45), rsqrt_eps = mil_arg_float(c->g, c->op, "epsilon", 1e-12);
	for (int64_t i = 0; i < mil_count(&x->type); i++) {
		double v = x->v[i];
		switch (c->op->code) {
		case MIL_OP_SIGMOID: y[i] = sigmoid(v); break;
		case MIL_OP_SILU: y[i] = v * sigmoid(v); break;
		case MIL_OP_RELU: y[i] = v < 0 ? 0 : v; break;
		case MIL_OP_TANH: y[i] = tanh(v); break;
		case MIL_OP_EXP: y[i] = exp(v); break;
		case MIL_OP_LOG: y[i] = log(v + log_eps); break;
		case MIL_OP_SQRT: y[i] = sqrt(v); break;
		case MIL_OP_RSQRT: y[i] = 1 / sqrt(v + rsqrt_eps); break;
		default: y[i] = gelu(v, mode); break;
		}
	}
	return 0;
}

/* 64-bit integers, as unsigned: the low 32 bits of a product are right, and nothing overflows in the sense of C. */
static double int_binary(enum mil_opcode code, double x, double y)
{
	uint64_t a = (uint64_t)(int64_t)x, b = (uint64_t)(int64_t)y;
	uint64_t r = code == MIL_OP_ADD ? a + b : code == MIL_OP_SUB ? a - b : a * b;
	return (int32_t)(uint32_t)r;
}

int ref_binary(const struct ref_call *c)
{
	const struct ref_tensor *x = ref_in(c, "x"), *y = ref_in(c, "y");
	struct ref_tensor *o = ref_out(c, 0);
	int64_t at[MIL_MAX_RANK];
	for (int64_t i = 0; i < mil_count(&o->type); i++) {
		ref_coords(&o->type, i, at);
		double a = ref_stretched(x, o->type.rank, at), b = ref_stretched(y, o->type.rank, at);
		if (o->type.dtype == MIL_INT32) {
			o->v[i] = int_binary(c->op->code, a, b);
			continue;
		}
		switch (c->op->code) {
		case MIL_OP_ADD: o->v[i] = a + b; break;
		case MIL_OP_SUB: o->v[i] = a - b; break;
		case MIL_OP_MUL: o->v[i] = a * b; break;
		case MIL_OP_REAL_DIV: o->v[i] = a / b; break;
		default: o->v[i] = pow(a, b); break;
		}
	}
	return 0;
}

int ref_select(const struct ref_call *c)
{
	struct ref_tensor *o = ref_out(c, 0);
	int64_t at[MIL_MAX_RANK];
	for (int64_t i = 0; i < mil_count(&o->type); i++) {
		ref_coords(&o->type, i, at);
		int yes = ref_stretched(ref_in(c, "cond"), o->type.rank, at) != 0;
		o->v[i] = ref_stretched(ref_in(c, yes ? "a" : "b"), o->type.rank, at);
	}
	return 0;
}

/* --- products --- */

/* Sum over k of x[.., m, k] * y[.., k, n] at the place `at` of the result; a vector has no m, no n. */
int ref_matmul(const struct ref_call *c)
{
	const struct ref_tensor *x = ref_in(c, "x"), *y = ref_in(c, "y");
	struct ref_tensor *o = ref_out(c, 0);
	int tx = mil_arg_bool(c->g, c->op, "transpose_x", 0), ty = mil_arg_bool(c->g, c->op, "transpose_y", 0);
	int rx = x->type.rank, ry = y->type.rank, has_m = rx > 1, has_n = ry > 1, batch = o->type.rank - has_m - has_n;
	int64_t depth = rx == 1 ? x->type.dim[0] : x->type.dim[tx ? rx - 2 : rx - 1];
	int64_t at[MIL_MAX_RANK], ax[MIL_MAX_RANK + 2], ay[MIL_MAX_RANK + 2];
	for (int64_t i = 0; i < mil_count(&o->type); i++) {
		ref_coords(&o->type, i, at);
		int64_t m = has_m ? at[batch] : 0, n = has_n ? at[batch + has_m] : 0;
		double sum = 0;
		uint64_t isum = 0;
		for (int64_t k = 0; k < depth; k++) {
			for (int b = 0; b < batch; b++)
				ax[b] = ay[b] = at[b];
			ax[batch] = tx ? k : m;
			ax[batch + 1] = tx ? m : k;
			ay[batch] = ty ? n : k;
			ay[batch + 1] = ty ? k : n;
			double a = rx == 1 ? x->v[k] : ref_stretched(x, batch + 2, ax);
			double b = ry == 1 ? y->v[k] : ref_stretched(y, batch + 2, ay);
			sum += a * b;
			if (o->type.dtype == MIL_INT32)
				isum += (uint64_t)(int64_t)a * (uint64_t)(int64_t)b;
		}
		o->v[i] = o->type.dtype == MIL_INT32 ? (double)(int32_t)(uint32_t)isum : sum;
	}
	return 0;
}

/* y[.., o] = sum of x[.., i] * weight[o, i] + bias[o] */
int ref_linear(const struct ref_call *c)
{
	const struct ref_tensor *x = ref_in(c, "x"), *w = ref_in(c, "weight"), *bias = ref_in(c, "bias");
	struct ref_tensor *o = ref_out(c, 0);
	int64_t nout = w->type.dim[0], nin = w->type.dim[1], rows = mil_count(&x->type) / nin;
	for (int64_t r = 0; r < rows; r++)
		for (int64_t j = 0; j < nout; j++) {
			double sum = bias ? bias->v[j] : 0;
			for (int64_t k = 0; k < nin; k++)
				sum += x->v[r * nin + k] * w->v[j * nin + k];
			o->v[r * nout + j] = sum;
		}
	return 0;
}

/* --- reductions --- */

int ref_reduce(const struct ref_call *c)
{
	const struct ref_tensor *x = ref_in(c, "x");
	struct ref_tensor *o = ref_out(c, 0);
	int axis[MIL_MAX_RANK], n = mil_axes(c->g, c->op, "axes", x->type.rank, axis);
	struct mil_type kept = x->type; /* the result as keep_dims would have it: the elements are in the same order */
	int64_t at[MIL_MAX_RANK], total = mil_count(&x->type), count = mil_count(&o->type);
	for (int i = 0; i < n; i++)
		kept.dim[axis[i]] = 1;
	for (int64_t i = 0; i < count; i++)
		o->v[i] = c->op->code == MIL_OP_REDUCE_MAX ? -INFINITY : 0;
	for (int64_t i = 0; i < total; i++) {
		ref_coords(&x->type, i, at);
		for (int k = 0; k < n; k++)
			at[axis[k]] = 0;
		double *to = &o->v[ref_flat(&kept, at)], v = x->v[i];
		if (c->op->code != MIL_OP_REDUCE_MAX)
			*to += v;
		else if (v > *to || isnan(v))
			*to = isnan(*to) ? *to : v;
	}
	for (int64_t i = 0; c->op->code == MIL_OP_REDUCE_MEAN && i < count; i++)
		o->v[i] /= (double)(total / count);
	return 0;
}
