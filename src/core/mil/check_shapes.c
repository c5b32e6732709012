/* check_shapes.c: type and shape rules of arithmetic, products, reductions and normalisation, one function a family of
 * ops. Ops that only move or convert elements are in check_layout.c.
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/mem.h"
#include "mil/check.h"
#include "mil/shape.h"

static int is_float(const struct mil_type *t)
{
	return t->dtype == MIL_FP16 || t->dtype == MIL_FP32;
}

static int want_float(const struct mil_check *c, const char *arg)
{
	char a[96];
	const struct mil_type *t = mil_check_type(c, arg);
	return !t || is_float(t) ? 0 : mil_bad(c, arg, "must be fp16 or fp32, is %s", mil_type_text(a, t));
}

/* `arg`, when given, has the dtype of `like`. */
static int want_like(const struct mil_check *c, const char *arg, const char *like)
{
	const struct mil_type *a = mil_check_type(c, arg), *b = mil_check_type(c, like);
	if (!a || a->dtype == b->dtype)
		return 0;
	return mil_bad(c, arg, "is %s where %s is %s (cast one of them)", mil_dtype_name(a->dtype), like, mil_dtype_name(b->dtype));
}

static int float_and_like(const struct mil_check *c, const char *arg, const char *like)
{
	int r = want_float(c, like);
	return r ? r : want_like(c, arg, like);
}

static int rule_unary(struct mil_check *c)
{
	int r = float_and_like(c, "epsilon", "x");
	c->out[0] = *mil_check_type(c, "x");
	return r;
}

static int rule_gelu(struct mil_check *c)
{
	const char *mode = mil_arg_str(c->g, c->op, "mode", "EXACT");
	if (strcmp(mode, "EXACT") && strcmp(mode, "TANH_APPROXIMATION") && strcmp(mode, "SIGMOID_APPROXIMATION"))
		return mil_bad(c, "mode", "\"%.40s\" is none of EXACT, TANH_APPROXIMATION, SIGMOID_APPROXIMATION", mode);
	return rule_unary(c);
}

static int rule_binary(struct mil_check *c)
{
	const struct mil_type *x = mil_check_type(c, "x"), *y = mil_check_type(c, "y");
	int ints = c->op->code == MIL_OP_ADD || c->op->code == MIL_OP_SUB || c->op->code == MIL_OP_MUL;
	char a[96], b[96];
	int r = want_like(c, "y", "x");
	if (!r && !(ints && x->dtype == MIL_INT32))
		r = want_float(c, "x");
	if (!r && mil_broadcast(&c->out[0], x, y))
		r = mil_bad(c, "y", "%s does not broadcast with %s", mil_type_text(b, y), mil_type_text(a, x));
	return r;
}

static int rule_select(struct mil_check *c)
{
	const struct mil_type *cond = mil_check_type(c, "cond"), *a = mil_check_type(c, "a"), *b = mil_check_type(c, "b");
	char text[96];
	struct mil_type ab;
	if (cond->dtype != MIL_BOOL)
		return mil_bad(c, "cond", "must be bool, is %s", mil_type_text(text, cond));
	int r = want_like(c, "b", "a");
	if (r)
		return r;
	if (mil_broadcast(&ab, a, b))
		return mil_bad(c, "b", "%s does not broadcast with a", mil_type_text(text, b));
	if (mil_broadcast(&c->out[0], &ab, cond))
		return mil_bad(c, "cond", "%s does not broadcast with a and b", mil_type_text(text, cond));
	return 0;
}

static int rule_matmul(struct mil_check *c)
{
	const struct mil_type *x = mil_check_type(c, "x"), *y = mil_check_type(c, "y");
	int tx = mil_arg_bool(c->g, c->op, "transpose_x", 0), ty = mil_arg_bool(c->g, c->op, "transpose_y", 0);
	char a[96], b[96];
	int r = want_like(c, "y", "x");
	if (!r && x->dtype != MIL_INT32)
		r = want_float(c, "x");
	if (!r && (!x->rank || !y->rank))
		r = mil_bad(c, x->rank ? "y" : "x", "a scalar has no place in a matmul (use mul)");
	if (r)
		return r;
	/* [.., m, k] x [.., k, n]; a vector is a row on the left and a column on the right, and its 1 goes away again. */
	int64_t m = x->rank == 1 ? 1 : x->dim[x->rank - 2 + tx], k = x->rank == 1 ? x->dim[0] : x->dim[x->rank - 1 - tx];
	int64_t n = y->rank == 1 ? 1 : y->dim[y->rank - 1 - ty], k2 = y->rank == 1 ? y->dim[0] : y->dim[y->rank - 2 + ty];
	if (k != k2)
		return mil_bad(c, "y", "inner sizes differ: %s%s x %s%s", mil_type_text(a, x), tx ? " transposed" : "", mil_type_text(b, y),
			       ty ? " transposed" : "");
	struct mil_type bx = *x, by = *y, *o = &c->out[0];
	bx.rank = MAX(x->rank - 2, 0);
	by.rank = MAX(y->rank - 2, 0);
	if (mil_broadcast(o, &bx, &by))
		return mil_bad(c, "y", "batch sizes do not broadcast: %s x %s", mil_type_text(a, x), mil_type_text(b, y));
	if (x->rank > 1)
		o->dim[o->rank++] = m;
	if (y->rank > 1)
		o->dim[o->rank++] = n;
	return 0;
}

/* bias[n], when given. */
static int want_bias(const struct mil_check *c, int64_t n)
{
	const struct mil_type *b = mil_check_type(c, "bias");
	char text[96];
	if (b && (b->rank != 1 || b->dim[0] != n))
		return mil_bad(c, "bias", "must have %lld elements, is %s", (long long)n, mil_type_text(text, b));
	return want_like(c, "bias", "x");
}

static int rule_linear(struct mil_check *c)
{
	const struct mil_type *x = mil_check_type(c, "x"), *w = mil_check_type(c, "weight");
	char a[96], b[96];
	int r = float_and_like(c, "weight", "x");
	if (r)
		return r;
	if (x->rank < 1 || x->rank > 3)
		return mil_bad(c, "x", "must have 1 to 3 dimensions, is %s", mil_type_text(a, x));
	if (w->rank != 2 || w->dim[1] != x->dim[x->rank - 1])
		return mil_bad(c, "weight", "must be [out, %lld] for x %s, is %s", (long long)x->dim[x->rank - 1], mil_type_text(a, x),
			       mil_type_text(b, w));
	c->out[0] = *x;
	c->out[0].dim[x->rank - 1] = w->dim[0];
	return want_bias(c, w->dim[0]);
}

static int rule_conv(struct mil_check *c)
{
	const struct mil_type *x = mil_check_type(c, "x"), *w = mil_check_type(c, "weight");
	int64_t groups = mil_arg_int(c->g, c->op, "groups", 1);
	struct mil_conv_shape s;
	char a[96], b[96];
	int r = float_and_like(c, "weight", "x");
	if (r)
		return r;
	if (x->rank < 3 || x->rank > 5)
		return mil_bad(c, "x", "must be [batch, channels, 1 to 3 spatial sizes], is %s", mil_type_text(a, x));
	if (w->rank != x->rank)
		return mil_bad(c, "weight", "must have as many dimensions as x: %s, x is %s", mil_type_text(b, w), mil_type_text(a, x));
	if (groups < 1 || x->dim[1] % groups || w->dim[0] % groups)
		return mil_bad(c, "groups", "%lld must divide %lld input and %lld output channels", (long long)groups, (long long)x->dim[1],
			       (long long)w->dim[0]);
	if (w->dim[1] != x->dim[1] / groups)
		return mil_bad(c, "weight", "%s has %lld input channels for each group, x %s has %lld", mil_type_text(b, w),
			       (long long)w->dim[1], mil_type_text(a, x), (long long)(x->dim[1] / groups));
	const char *why = mil_conv_geometry(c->g, c->op, &s);
	if (why)
		return mil_bad(c, NULL, "%s", why);
	const struct mil_value *wv = &c->g->value[mil_arg(c->op, "weight")];
	for (int i = 0; i < s.nd; i++)
		if (s.dilation[i] != 1 && !wv->konst && wv->op < 0)
			return mil_bad(c, "dilations", "must be 1 when the weight is no constant");
	c->out[0] = *x;
	c->out[0].dim[1] = w->dim[0];
	for (int i = 0; i < s.nd; i++)
		c->out[0].dim[2 + i] = s.out[i];
	return want_bias(c, w->dim[0]);
}

static int rule_softmax(struct mil_check *c)
{
	const struct mil_type *x = mil_check_type(c, "x");
	int64_t axis = mil_arg_int(c->g, c->op, "axis", -1);
	if (mil_axis(x->rank, axis) < 0)
		return mil_bad(c, "axis", "%lld is outside %d dimensions", (long long)axis, x->rank);
	c->out[0] = *x;
	return want_float(c, "x");
}

static int bad_axes(const struct mil_check *c, int rank)
{
	return mil_bad(c, mil_arg_tuple(c->op, "axes") ? "axes" : NULL, "each axis must be one of %d dimensions, and none given twice",
		       rank);
}

static int rule_reduce(struct mil_check *c)
{
	const struct mil_type *x = mil_check_type(c, "x");
	int axis[MIL_MAX_RANK], n = mil_axes(c->g, c->op, "axes", x->rank, axis), gone[MIL_MAX_RANK] = {0};
	int keep = mil_arg_bool(c->g, c->op, "keep_dims", 0);
	if (n < 0)
		return bad_axes(c, x->rank);
	for (int i = 0; i < n; i++)
		gone[axis[i]] = 1;
	struct mil_type *o = &c->out[0];
	*o = (struct mil_type){.dtype = x->dtype};
	for (int i = 0; i < x->rank; i++)
		if (!gone[i] || keep)
			o->dim[o->rank++] = gone[i] ? 1 : x->dim[i];
	return x->dtype == MIL_INT32 && c->op->code != MIL_OP_REDUCE_MEAN ? 0 : want_float(c, "x");
}

static int want_norm_shape(const struct mil_check *c, const char *arg, const int *axis, int n)
{
	const struct mil_type *x = mil_check_type(c, "x"), *t = mil_check_type(c, arg);
	char text[96];
	int ok = !t || t->rank == n;
	for (int i = 0; t && ok && i < n; i++)
		ok = t->dim[i] == x->dim[axis[i]];
	return ok ? want_like(c, arg, "x") : mil_bad(c, arg, "%s has not the sizes of the normalised axes of x", mil_type_text(text, t));
}

static int rule_layer_norm(struct mil_check *c)
{
	const struct mil_type *x = mil_check_type(c, "x");
	int axis[MIL_MAX_RANK], n = mil_axes(c->g, c->op, "axes", x->rank, axis);
	if (n < 1)
		return bad_axes(c, x->rank);
	for (int i = 1; i < n; i++)
		if (axis[i] < axis[i - 1])
			return mil_bad(c, "axes", "must ascend");
	int r = float_and_like(c, "epsilon", "x");
	if (!r)
		r = want_norm_shape(c, "gamma", axis, n);
	if (!r)
		r = want_norm_shape(c, "beta", axis, n);
	c->out[0] = *x;
	return r;
}

/* query[B.., L, E], key[B.., S, E], value[B.., S, EV] -> [B.., L, EV]; the mask broadcasts to [B.., L, S]. */
static int rule_sdpa(struct mil_check *c)
{
	const struct mil_type *q = mil_check_type(c, "query"), *k = mil_check_type(c, "key"), *v = mil_check_type(c, "value");
	const struct mil_type *mask = mil_check_type(c, "attn_mask");
	char a[96], b[96];
	int r = float_and_like(c, "key", "query"), n = q->rank;
	if (!r)
		r = want_like(c, "value", "query");
	if (r)
		return r;
	if (n < 3 || k->rank != n || v->rank != n)
		return mil_bad(c, NULL, "query, key and value need the same number of dimensions, at least 3 (query is %s)",
			       mil_type_text(a, q));
	for (int i = 0; i < n - 2; i++)
		if (k->dim[i] != q->dim[i] || v->dim[i] != q->dim[i])
			return mil_bad(c, k->dim[i] != q->dim[i] ? "key" : "value", "batch sizes differ from query %s", mil_type_text(a, q));
	if (k->dim[n - 1] != q->dim[n - 1])
		return mil_bad(c, "key", "%s: the last size must be that of query %s", mil_type_text(b, k), mil_type_text(a, q));
	if (k->dim[n - 2] != v->dim[n - 2])
		return mil_bad(c, "value", "%s: as many rows as key %s are needed", mil_type_text(b, v), mil_type_text(a, k));
	c->out[0] = *q;
	c->out[0].dim[n - 1] = v->dim[n - 1];
	if (!mask)
		return 0;
	struct mil_type scores = *q, both;
	scores.dim[n - 1] = k->dim[n - 2];
	if (mask->dtype != MIL_BOOL && (r = want_like(c, "attn_mask", "query")))
		return r;
	if (mil_broadcast(&both, &scores, mask) || !mil_same_type(&both, &scores))
		return mil_bad(c, "attn_mask", "%s does not broadcast to the scores %s", mil_type_text(b, mask), mil_type_text(a, &scores));
	return 0;
}

mil_rule *mil_rule_of(enum mil_opcode code)
{
	static mil_rule *const rule[MIL_NOP] = {
		[MIL_OP_CONV] = rule_conv, [MIL_OP_MATMUL] = rule_matmul, [MIL_OP_LINEAR] = rule_linear,
		[MIL_OP_ADD] = rule_binary, [MIL_OP_SUB] = rule_binary, [MIL_OP_MUL] = rule_binary,
		[MIL_OP_REAL_DIV] = rule_binary, [MIL_OP_POW] = rule_binary,
		[MIL_OP_SIGMOID] = rule_unary, [MIL_OP_SILU] = rule_unary, [MIL_OP_RELU] = rule_unary, [MIL_OP_TANH] = rule_unary,
		[MIL_OP_EXP] = rule_unary, [MIL_OP_LOG] = rule_unary, [MIL_OP_SQRT] = rule_unary, [MIL_OP_RSQRT] = rule_unary,
		[MIL_OP_GELU] = rule_gelu, [MIL_OP_SOFTMAX] = rule_softmax, [MIL_OP_LAYER_NORM] = rule_layer_norm,
		[MIL_OP_SDPA] = rule_sdpa,
		[MIL_OP_REDUCE_SUM] = rule_reduce, [MIL_OP_REDUCE_MEAN] = rule_reduce, [MIL_OP_REDUCE_MAX] = rule_reduce,
		[MIL_OP_RESHAPE] = mil_rule_reshape, [MIL_OP_TRANSPOSE] = mil_rule_transpose, [MIL_OP_CONCAT] = mil_rule_concat,
		[MIL_OP_SPLIT] = mil_rule_split, [MIL_OP_SLICE_BY_SIZE] = mil_rule_slice, [MIL_OP_SLICE_BY_INDEX] = mil_rule_slice,
		[MIL_OP_TILE] = mil_rule_tile, [MIL_OP_SELECT] = rule_select, [MIL_OP_GATHER] = mil_rule_gather,
		[MIL_OP_CAST] = mil_rule_cast, [MIL_OP_QUANTIZE] = mil_rule_quantize, [MIL_OP_DEQUANTIZE] = mil_rule_dequantize,
		[MIL_OP_CONSTEXPR_AFFINE_DEQUANTIZE] = mil_rule_constexpr_dequantize,
	};
	return rule[code];
}
