/* lower_ops.c: the ops that become more than one node: convolutions, attention, normalisation, slices, quantization.
 * SPDX-License-Identifier: MIT */
#include "device/cpu/lower.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static const struct mil_type *result_type(const struct lower *l, int i)
{
	return &l->g->value[l->op->result[i]].type;
}

static int64_t product(const int64_t *d, int n)
{
	int64_t r = 1;
	for (int i = 0; i < n; i++)
		r *= d[i];
	return r;
}

static int axis_of(int64_t axis, int rank)
{
	return (int)(axis < 0 ? axis + rank : axis);
}

/* x + b, b [C] stretched along `axis` of x. */
static int add_along(struct plan *p, int x, int b, int axis)
{
	int64_t dim[VIEW_RANK];
	int rank = p->value[x].rank;
	for (int i = 0; i < rank; i++)
		dim[i] = i == axis ? p->value[x].dim[i] : 1;
	return low_binary(p, EW_ADD, x, low_reshape(p, b, rank, dim));
}

/* --- products --- */

static struct im2col_shape conv_shape(const struct lower *l, const struct value *x, const struct value *w)
{
	struct im2col_shape s = {.nspatial = x->rank - 2, .groups = mil_arg_int(l->g, l->op, "groups", 1)};
	int64_t step[MIL_MAX_RANK * 2], far[MIL_MAX_RANK * 2], pad[MIL_MAX_RANK * 2];
	int ns = mil_arg_ints(l->g, l->op, "strides", step), nd = mil_arg_ints(l->g, l->op, "dilations", far);
	int np = mil_arg_ints(l->g, l->op, "pad", pad);
	const char *type = mil_arg_str(l->g, l->op, "pad_type", "valid");
	for (int i = 0; i < s.nspatial; i++) {
		s.kernel[i] = w->dim[2 + i];
		s.stride[i] = i < ns ? step[i] : 1;
		s.dilation[i] = i < nd ? far[i] : 1;
		s.out[i] = result_type(l, 0)->dim[2 + i];
		int64_t reach = (s.kernel[i] - 1) * s.dilation[i] + 1;
		int64_t total = MAX(0, (s.out[i] - 1) * s.stride[i] + reach - x->dim[2 + i]);
		s.before[i] = !strcmp(type, "custom") ? (2 * i < np ? pad[2 * i] : 0)
			: !strcmp(type, "same") ? total / 2 : !strcmp(type, "same_lower") ? total - total / 2 : 0;
	}
	return s;
}

static int is_pointwise(const struct im2col_shape *s, const struct value *x)
{
	for (int i = 0; i < s->nspatial; i++)
		if (s->kernel[i] != 1 || s->stride[i] != 1 || s->before[i] || s->out[i] != x->dim[2 + i])
			return 0;
	return 1;
}

/* x [N, C, d..] to [N, C, K.., out..]. */
static int im2col(struct plan *p, int x, const struct im2col_shape *s)
{
	int64_t dim[VIEW_RANK] = {p->value[x].dim[0], p->value[x].dim[1]};
	for (int i = 0; i < s->nspatial; i++) {
		dim[2 + i] = s->kernel[i];
		dim[2 + s->nspatial + i] = s->out[i];
	}
	struct node *n = plan_node(p, NODE_IM2COL, 1);
	n->slot[0] = x;
	n->conv = *s;
	n->konst = p->value[x].konst;
	int v = plan_value(p, 2 + 2 * s->nspatial, dim);
	if (p->failed)
		return 0;
	n->out = v;
	p->value[v].node = p->nnode - 1;
	p->value[v].konst = n->konst;
	return v;
}

/* y[N, G, O/G, out] = w[1, G, O/G, I/G * K] cols[N, G, I/G * K, out] */
void low_conv(const struct lower *l)
{
	struct plan *p = l->p;
	int x = low_arg(l, "x"), w = low_arg(l, "weight"), bias = low_arg(l, "bias");
	struct value xv = p->value[x], wv = p->value[w];
	struct im2col_shape s = conv_shape(l, &xv, &wv);
	const struct mil_type *t = result_type(l, 0);
	int64_t k = product(wv.dim + 1, wv.rank - 1);
	if (!is_pointwise(&s, &xv))
		x = im2col(p, x, &s);
	x = low_reshape(p, x, 4, (int64_t[]){xv.dim[0], s.groups, k, product(s.out, s.nspatial)});
	w = low_reshape(p, w, 4, (int64_t[]){1, s.groups, wv.dim[0] / s.groups, k});
	int y = low_reshape(p, low_gemm(p, w, x), t->rank, t->dim);
	low_result(l, 0, bias < 0 ? y : add_along(p, y, bias, 1));
}

void low_matmul(const struct lower *l)
{
	struct plan *p = l->p;
	int x = low_arg(l, "x"), y = low_arg(l, "y");
	const struct mil_type *t = result_type(l, 0);
	if (p->value[x].rank == 1)
		x = low_reshape(p, x, 2, (int64_t[]){1, p->value[x].dim[0]});
	else if (mil_arg_bool(l->g, l->op, "transpose_x", 0))
		x = low_swap(p, x);
	if (p->value[y].rank == 1)
		y = low_reshape(p, y, 2, (int64_t[]){p->value[y].dim[0], 1});
	else if (mil_arg_bool(l->g, l->op, "transpose_y", 0))
		y = low_swap(p, y);
	int r = low_gemm(p, x, y);
	low_result(l, 0, p->value[r].rank == t->rank ? r : low_reshape(p, r, t->rank, t->dim));
}

void low_linear(const struct lower *l)
{
	struct plan *p = l->p;
	int x = low_arg(l, "x"), w = low_swap(p, low_arg(l, "weight")), bias = low_arg(l, "bias");
	const struct mil_type *t = result_type(l, 0);
	int64_t in = p->value[w].dim[0], rows = product(p->value[x].dim, p->value[x].rank) / in;
	int y = low_gemm(p, low_reshape(p, x, 2, (int64_t[]){rows, in}), w);
	y = low_reshape(p, y, t->rank, t->dim);
	low_result(l, 0, bias < 0 ? y : add_along(p, y, bias, t->rank - 1));
}

/* softmax(q k^T / sqrt(E) + mask) v; a bool mask keeps where it is true. */
void low_sdpa(const struct lower *l)
{
	struct plan *p = l->p;
	int q = low_arg(l, "query"), k = low_arg(l, "key"), v = low_arg(l, "value"), m = low_arg(l, "attn_mask");
	double e = (double)p->value[q].dim[p->value[q].rank - 1];
	int s = low_gemm(p, q, low_swap(p, k));
	s = low_binary(p, EW_MUL, s, low_number(p, (float)(1 / sqrt(e))));
	if (m >= 0 && l->g->value[mil_arg(l->op, "attn_mask")].type.dtype == MIL_BOOL)
		s = low_select(p, m, s, low_number(p, -INFINITY));
	else if (m >= 0)
		s = low_binary(p, EW_ADD, s, m);
	low_result(l, 0, low_gemm(p, low_softmax(p, s, p->value[s].rank - 1), v));
}

/* --- reductions --- */

static int axes_of(const struct lower *l, int rank, int *axes)
{
	int64_t a[MIL_MAX_RANK * 2];
	int n = mil_arg(l->op, "axes") < 0 ? 0 : mil_arg_ints(l->g, l->op, "axes", a);
	for (int i = 0; i < n; i++)
		axes[i] = axis_of(a[i], rank);
	for (int i = 0; !n && i < rank; i++)
		axes[i] = i;
	return n ? n : rank;
}

/* The last axis first: the long rows shrink before the others are walked over. */
static int reduce_axes(struct plan *p, enum reduce_op op, int x, const int *axes, int n)
{
	for (int a = p->value[x].rank - 1; a >= 0; a--)
		for (int i = 0; i < n; i++)
			if (axes[i] == a && p->value[x].dim[a] > 1)
				x = low_reduce(p, op, x, a);
	return x;
}

static double axes_count(const struct plan *p, int x, const int *axes, int n)
{
	double c = 1;
	for (int i = 0; i < n; i++)
		c *= (double)p->value[x].dim[axes[i]];
	return c;
}

void low_reduction(const struct lower *l, enum reduce_op op, int mean)
{
	struct plan *p = l->p;
	int x = low_arg(l, "x"), axes[VIEW_RANK], n = axes_of(l, p->value[x].rank, axes);
	const struct mil_type *t = result_type(l, 0);
	double count = axes_count(p, x, axes, n);
	int first = p->nnode;
	x = reduce_axes(p, op, x, axes, n);
	for (int i = first; i < p->nnode && op == REDUCE_SUM; i++)
		p->node[i].narrow = p->numerics.sum;
	if (mean)
		x = low_binary(p, EW_MUL, x, low_number(p, (float)(1 / count)));
	low_result(l, 0, p->value[x].rank == t->rank ? x : low_reshape(p, x, t->rank, t->dim));
}

/* (x - mean) / sqrt(mean((x - mean)^2) + eps) * gamma + beta */
void low_layer_norm(const struct lower *l)
{
	struct plan *p = l->p;
	int x = low_arg(l, "x"), rank = p->value[x].rank, axes[VIEW_RANK], n = axes_of(l, rank, axes);
	int gamma = low_arg(l, "gamma"), beta = low_arg(l, "beta");
	int over = low_number(p, (float)(1 / axes_count(p, x, axes, n)));
	int d = low_binary(p, EW_SUB, x, low_binary(p, EW_MUL, reduce_axes(p, REDUCE_SUM, x, axes, n), over));
	int var = low_binary(p, EW_MUL, reduce_axes(p, REDUCE_SUM, low_unary(p, EW_SQUARE, d, 0, 0), axes, n), over);
	int y = low_binary(p, EW_MUL, d, low_unary(p, EW_RSQRT, var, low_float(l, "epsilon", 1e-5), 0));
	int64_t dim[VIEW_RANK];
	for (int a = 0; a < rank; a++)
		dim[a] = 1;
	for (int i = 0; i < n; i++)
		dim[axes[i]] = p->value[x].dim[axes[i]];
	if (gamma >= 0)
		y = low_binary(p, EW_MUL, y, low_reshape(p, gamma, rank, dim));
	if (beta >= 0)
		y = low_binary(p, EW_ADD, y, low_reshape(p, beta, rank, dim));
	low_result(l, 0, y);
}

/* --- views --- */

void low_slice_by_size(const struct lower *l)
{
	int x = low_arg(l, "x");
	int64_t begin[MIL_MAX_RANK * 2];
	int n = mil_arg_ints(l->g, l->op, "begin", begin);
	const struct mil_type *t = result_type(l, 0);
	for (int a = 0; a < n; a++) {
		int64_t d = l->p->value[x].dim[a];
		if (t->dim[a] != d)
			x = low_slice(l->p, x, a, begin[a] < 0 ? begin[a] + d : begin[a], t->dim[a], 1);
	}
	low_result(l, 0, x);
}

static int mask_at(const struct lower *l, const char *name, int a)
{
	int v = mil_arg(l->op, name);
	return v >= 0 && mil_const_at(&l->g->value[v], a) != 0;
}

/* The rules of Python's slices; the result's type tells how many elements are left. */
void low_slice_by_index(const struct lower *l)
{
	struct plan *p = l->p;
	int x = low_arg(l, "x"), rank = p->value[x].rank, out = 0;
	int64_t begin[MIL_MAX_RANK * 2], step[MIL_MAX_RANK * 2];
	const struct mil_type *t = result_type(l, 0);
	mil_arg_ints(l->g, l->op, "begin", begin);
	int nstep = mil_arg_ints(l->g, l->op, "stride", step);
	for (int a = 0; a < rank; a++) {
		int64_t d = p->value[x].dim[a], s = a < nstep ? step[a] : 1, b = begin[a] < 0 ? begin[a] + d : begin[a];
		if (mask_at(l, "begin_mask", a))
			b = s < 0 ? d - 1 : 0;
		b = MAX(0, MIN(b, d - 1));
		if (mask_at(l, "squeeze_mask", a))
			x = low_slice(p, x, a, b, 1, 1);
		else
			x = low_slice(p, x, a, b, t->dim[out++], s);
	}
	low_result(l, 0, t->rank == rank ? x : low_reshape(p, x, t->rank, t->dim));
}

void low_split(const struct lower *l)
{
	int x = low_arg(l, "x");
	int axis = axis_of(mil_arg_int(l->g, l->op, "axis", 0), l->p->value[x].rank);
	int64_t at = 0;
	for (int i = 0; i < l->op->nresult; i++) {
		int64_t n = result_type(l, i)->dim[axis];
		low_result(l, i, low_slice(l->p, x, axis, at, n, 1));
		at += n;
	}
}

/* [d] seen as [1, d], stretched to [r, d], read as [r d]. */
void low_tile(const struct lower *l)
{
	struct plan *p = l->p;
	int x = low_arg(l, "x"), rank = p->value[x].rank, n = 0;
	int64_t reps[MIL_MAX_RANK * 2], one[VIEW_RANK], many[VIEW_RANK];
	mil_arg_ints(l->g, l->op, "reps", reps);
	const struct mil_type *t = result_type(l, 0);
	for (int a = 0; a < rank; a++) {
		one[n] = 1;
		many[n++] = reps[a];
		one[n] = many[n] = p->value[x].dim[a];
		n++;
	}
	x = low_broadcast(p, low_reshape(p, x, n, one), n, many);
	low_result(l, 0, low_reshape(p, x, t->rank, t->dim));
}

/* Interleaved: the parts stand side by side in a new axis behind `axis`, which then melts into it. */
void low_concat_op(const struct lower *l)
{
	struct plan *p = l->p;
	const struct mil_arg *values = mil_arg_tuple(l->op, "values");
	int *x = mem_zalloc((size_t)MAX(values->n, 1), sizeof *x);
	if (!x) {
		p->failed = 1;
		return;
	}
	const struct mil_type *t = result_type(l, 0);
	int axis = axis_of(mil_arg_int(l->g, l->op, "axis", 0), t->rank);
	int weave = mil_arg_bool(l->g, l->op, "interleave", 0) && values->n > 1;
	for (int i = 0; i < values->n; i++) {
		x[i] = l->value[values->value[i]];
		if (!weave)
			continue;
		const struct value *v = &p->value[x[i]];
		int64_t dim[VIEW_RANK];
		for (int a = 0; a <= v->rank; a++)
			dim[a] = a <= axis ? v->dim[a] : a == axis + 1 ? 1 : v->dim[a - 1];
		x[i] = low_reshape(p, x[i], v->rank + 1, dim);
	}
	int y = values->n == 1 ? x[0] : low_concat(p, x, values->n, axis + weave);
	low_result(l, 0, weave ? low_reshape(p, y, t->rank, t->dim) : y);
	free(x);
}

void low_gather(const struct lower *l)
{
	struct plan *p = l->p;
	int x = low_arg(l, "x"), index = low_arg(l, "indices");
	const struct mil_type *t = result_type(l, 0);
	struct node *n = plan_node(p, NODE_GATHER, 2);
	n->axis = axis_of(mil_arg_int(l->g, l->op, "axis", 0), p->value[x].rank);
	n->batch_dims = (int)mil_arg_int(l->g, l->op, "batch_dims", 0);
	n->slot[0] = x;
	n->slot[1] = index;
	n->konst = p->value[x].konst && p->value[index].konst;
	int v = plan_value(p, t->rank, t->dim);
	if (p->failed)
		return;
	n->out = v;
	p->value[v].node = p->nnode - 1;
	p->value[v].konst = n->konst;
	low_result(l, 0, v);
}

/* --- numbers --- */

static int clip_to(struct plan *p, int x, enum mil_dtype d)
{
	switch (d) {
	case MIL_INT8: return low_unary(p, EW_CLIP, x, -128, 127);
	case MIL_UINT8: return low_unary(p, EW_CLIP, x, 0, 255);
	case MIL_INT16: return low_unary(p, EW_CLIP, x, -32768, 32767);
	case MIL_UINT16: return low_unary(p, EW_CLIP, x, 0, 65535);
	case MIL_UINT32: return low_unary(p, EW_CLIP, x, 0, 4294967295.0);
	default: return low_unary(p, EW_CLIP, x, -2147483648.0, 2147483647.0);
	}
}

/* Every tensor is kept as fp32: only what changes the value is done. */
void low_cast(const struct lower *l)
{
	struct plan *p = l->p;
	int x = low_arg(l, "x");
	enum mil_dtype from = l->g->value[mil_arg(l->op, "x")].type.dtype, to = result_type(l, 0)->dtype;
	int whole = from != MIL_FP16 && from != MIL_FP32;
	if (to == MIL_BOOL && from != MIL_BOOL)
		x = low_unary(p, EW_BOOL, x, 0, 0);
	else if (to != MIL_FP16 && to != MIL_FP32 && from != to && from != MIL_BOOL)
		x = clip_to(p, whole ? x : low_unary(p, EW_TRUNC, x, 0, 0), to);
	else if (p->numerics.op && whole && from != MIL_BOOL && (to == MIL_FP16 || to == MIL_FP32))
		x = low_unary(p, EW_MOV, x, 0, 0);
	low_result(l, 0, x);
}

/* A number as it is, a vector along `axis` of x. */
static int along_axis(const struct lower *l, int x, const char *name)
{
	int s = low_arg(l, name);
	if (s < 0 || l->p->value[s].rank == 0)
		return s;
	int64_t dim[VIEW_RANK];
	int rank = l->p->value[x].rank, axis = axis_of(mil_arg_int(l->g, l->op, "axis", 0), rank);
	int64_t n = product(l->p->value[s].dim, l->p->value[s].rank);
	for (int a = 0; a < rank; a++)
		dim[a] = a == axis && n != 1 ? l->p->value[x].dim[a] : 1;
	return low_reshape(l->p, s, rank, dim);
}

/* clip(round(x / scale) + zero_point) */
void low_quantize(const struct lower *l)
{
	struct plan *p = l->p;
	int x = low_arg(l, "input"), zero = along_axis(l, x, "zero_point");
	int y = low_unary(p, EW_ROUND, low_binary(p, EW_DIV, x, along_axis(l, x, "scale")), 0, 0);
	if (zero >= 0)
		y = low_binary(p, EW_ADD, y, zero);
	low_result(l, 0, clip_to(p, y, result_type(l, 0)->dtype));
}

/* (x - zero_point) scale */
void low_dequantize(const struct lower *l, const char *input)
{
	int x = low_arg(l, input), zero = along_axis(l, x, "zero_point"), scale = along_axis(l, x, "scale");
	if (zero >= 0)
		x = low_binary(l->p, EW_SUB, x, zero);
	low_result(l, 0, low_binary(l->p, EW_MUL, x, scale));
}
