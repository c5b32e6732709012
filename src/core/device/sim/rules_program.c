/* rules_program.c: for each rule about ops, programs and values: is it broken here, and by which figure. Says nothing to anybody.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "device/sim/cost.h"
#include "device/sim/rules_impl.h"
#include "mil/shape.h"

static int breaks(struct rules_look *l, long long figure, const char *unit)
{
	snprintf(l->what, sizeof l->what, "%lld %s", figure, unit);
	return 1;
}

/* --- arguments --- */

static const struct mil_type *type_of(const struct rules_look *l, const char *arg)
{
	int v = mil_arg(l->op, arg);
	return v < 0 ? NULL : &l->g->value[v].type;
}

/* Known when the program is compiled. */
static int is_constant(const struct rules_look *l, int v)
{
	while (l->g->value[v].op >= 0) {
		const struct mil_op *op = &l->g->op[l->g->value[v].op];
		if (op->code == MIL_OP_CONSTEXPR_AFFINE_DEQUANTIZE)
			return 1;
		if (op->code != MIL_OP_RESHAPE && op->code != MIL_OP_TRANSPOSE)
			return 0;
		v = mil_arg(op, "x");
	}
	return l->g->value[v].konst != NULL;
}

static const struct mil_op *maker(const struct rules_look *l, const char *arg)
{
	int v = mil_arg(l->op, arg);
	return v < 0 || l->g->value[v].op < 0 ? NULL : &l->g->op[l->g->value[v].op];
}

static int64_t at_end(const struct mil_type *t, int from_end)
{
	return t && t->rank >= from_end ? t->dim[t->rank - from_end] : 1;
}

/* --- single ops --- */

/* The opset an op appeared in; 15 was the first. */
static int opset_of(enum mil_opcode c)
{
	switch (c) {
	case MIL_OP_SDPA: return 18;
	case MIL_OP_QUANTIZE:
	case MIL_OP_DEQUANTIZE: return 17;
	case MIL_OP_CONSTEXPR_AFFINE_DEQUANTIZE: return 16;
	default: return 15;
	}
}

static int too_new(struct rules_look *l)
{
	int needs = opset_of(l->op->code);
	if (needs <= mil_opset_number(l->g))
		return 0;
	snprintf(l->what, sizeof l->what, "needs ios%d, the function says %.40s", needs, l->g->opset);
	return 1;
}

static int wide_conv(struct rules_look *l, int64_t width, int64_t height)
{
	const struct mil_type *w = type_of(l, "weight");
	int64_t kw = w && w->rank > 2 ? at_end(w, 1) : 1, kh = w && w->rank > 3 ? at_end(w, 2) : 1;
	if (l->op->code != MIL_OP_CONV || (kw <= width && kh <= height))
		return 0;
	snprintf(l->what, sizeof l->what, "%lld wide and %lld high", (long long)kw, (long long)kh);
	return 1;
}

static int long_attention(struct rules_look *l)
{
	int64_t q = at_end(type_of(l, "query"), 2), k = at_end(type_of(l, "key"), 2);
	return l->op->code == MIL_OP_SDPA && (k > 2048 || MIN(q, k) >= 512) ? breaks(l, (long long)k, "keys") : 0;
}

/* Is one side of a mul a literal 0, and the other a reduction? */
static int zero_of_reduction(const struct rules_look *l)
{
	static const char *const side[] = {"x", "y"};
	for (int i = 0; i < 2 && l->op->code == MIL_OP_MUL; i++) {
		int v = mil_arg(l->op, side[i]);
		const struct mil_op *other = maker(l, side[1 - i]);
		if (mil_is_literal(&l->g->value[v]) && mil_count(&l->g->value[v].type) == 1 && mil_const_at(&l->g->value[v], 0) == 0 && other &&
		    (other->code == MIL_OP_REDUCE_SUM || other->code == MIL_OP_REDUCE_MEAN || other->code == MIL_OP_REDUCE_MAX))
			return 1;
	}
	return 0;
}

static int leaves_out(struct rules_look *l)
{
	static const struct { enum mil_opcode code; const char *arg; } wanted[] = {
		{MIL_OP_GELU, "mode"}, {MIL_OP_LOG, "epsilon"}, {MIL_OP_RSQRT, "epsilon"}, {MIL_OP_CONCAT, "interleave"},
	};
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
		if (l->op->code == wanted[i].code && mil_arg(l->op, wanted[i].arg) < 0) {
			snprintf(l->what, sizeof l->what, "%s= is left out", wanted[i].arg);
			return 1;
		}
	return 0;
}

static int is_slice(enum mil_opcode c)
{
	return c == MIL_OP_SLICE_BY_SIZE || c == MIL_OP_SLICE_BY_INDEX;
}

static int slices_inside(struct rules_look *l)
{
	struct mil_slice_shape s;
	if (!is_slice(l->op->code) || mil_slice_geometry(l->g, l->op, &s) || !s.rank)
		return 0;
	return s.begin[s.rank - 1] > 0 ? breaks(l, (long long)s.begin[s.rank - 1], "is where it begins") : 0;
}

static int odd_inner(struct rules_look *l)
{
	const struct mil_type *x = type_of(l, "x");
	if (l->op->code != MIL_OP_MATMUL || !x || !x->rank)
		return 0;
	int64_t inner = at_end(x, x->rank > 1 && mil_arg_bool(l->g, l->op, "transpose_x", 0) ? 2 : 1);
	return inner % 32 ? breaks(l, (long long)inner, "along the inner axis") : 0;
}

static int near_notch(struct rules_look *l)
{
	int64_t off = cost_notch(l->g, l->op);
	return off >= 0 && off < COST_NOTCH_WIDTH ? breaks(l, (long long)off, "bytes from it") : 0;
}

static int inline_bool(const struct rules_look *l)
{
	static const char *const args[] = {"transpose_x", "transpose_y"};
	for (int i = 0; i < 2 && l->op->code == MIL_OP_MATMUL; i++) {
		int v = mil_arg(l->op, args[i]);
		if (v >= 0 && !l->g->value[v].name[0])
			return 1;
	}
	return 0;
}

static int odd_softmax(struct rules_look *l)
{
	const struct mil_type *x = type_of(l, "x");
	if (l->op->code != MIL_OP_SOFTMAX || !x || !x->rank)
		return 0;
	int axis = mil_axis(x->rank, mil_arg_int(l->g, l->op, "axis", -1));
	int64_t n = axis < 0 ? 1 : x->dim[axis];
	return n & (n - 1) ? breaks(l, (long long)n, "along the axis") : 0;
}

static int is_float(enum mil_dtype d)
{
	return d == MIL_FP16 || d == MIL_FP32;
}

int rules_breaks_op(struct rules_look *l, enum rule_id id)
{
	const struct mil_op *op = l->op;
	const struct mil_type *weight = type_of(l, "weight"), *x = type_of(l, "x");
	switch (id) {
	case RULE_CAST_INT: return op->code == MIL_OP_CAST && x && is_float(x->dtype) && l->g->value[op->result[0]].type.dtype == MIL_INT32;
	case RULE_GATHER: return op->code == MIL_OP_GATHER && !is_constant(l, mil_arg(op, "indices"));
	case RULE_OPSET: return too_new(l);
	case RULE_CONV_INPUTS: return op->code == MIL_OP_CONV && x->dim[1] > CHIP_CONV_IN ? breaks(l, (long long)x->dim[1], "input channels") : 0;
	case RULE_CONV_WIDTH_OLD: return wide_conv(l, 13, 29);
	case RULE_CONV_WIDTH: return wide_conv(l, 16, 32);
	case RULE_CONV_WEIGHT: return op->code == MIL_OP_CONV && weight && !is_constant(l, mil_arg(op, "weight"));
	case RULE_SDPA_MASK: return op->code == MIL_OP_SDPA && mil_arg(op, "attn_mask") >= 0;
	case RULE_SDPA_LONG: return long_attention(l);
	case RULE_TILE: return op->code == MIL_OP_TILE;
	case RULE_MUL_ZERO: return zero_of_reduction(l);
	case RULE_EXPLICIT: return leaves_out(l);
	case RULE_SLICE_GAIN: return slices_inside(l);
	case RULE_INNER_32: return odd_inner(l);
	case RULE_NOTCH: return near_notch(l);
	case RULE_CONV_BIAS: return op->code == MIL_OP_CONV && mil_arg(op, "bias") >= 0;
	case RULE_CONCAT: return op->code == MIL_OP_CONCAT;
	case RULE_GELU: return op->code == MIL_OP_GELU || op->code == MIL_OP_RSQRT;
	case RULE_INLINE_BOOL: return inline_bool(l);
	case RULE_REDUCE_MEAN: return op->code == MIL_OP_REDUCE_MEAN;
	case RULE_SOFTMAX_2: return odd_softmax(l);
	default: return 0;
	}
}

/* --- whole programs --- */

static int only_views(const struct mil_graph *g)
{
	for (int i = 0; i < g->nop; i++)
		if (g->op[i].code != MIL_OP_RESHAPE && g->op[i].code != MIL_OP_TILE && !is_slice(g->op[i].code))
			return 0;
	return g->nop > 0;
}

/* Tensors in weight files that are named once each. */
static int weight_files(const struct mil_graph *g)
{
	int n = 0;
	for (int i = 0; i < g->nvalue; i++)
		n += g->value[i].konst && g->value[i].konst->blob;
	return n;
}

int rules_breaks_program(struct rules_look *l, enum rule_id id)
{
	const struct mil_graph *g = l->g;
	switch (id) {
	case RULE_ONLY_VIEWS: return only_views(g);
	case RULE_DIALECT: return !l->o->pad && !g->verbose; /* who pads for the caller also writes the form that the chip takes */
	case RULE_WEIGHTS_16: return weight_files(g) > 16 ? breaks(l, weight_files(g), "weight files") : 0;
	case RULE_ONE_INPUT: return g->ninput > 1 ? breaks(l, g->ninput, "inputs") : 0;
	default: return 0;
	}
}

/* --- values: [N, C, W], [N, C, H, W] or [N, C, D, H, W]; of two axes the first counts as channels --- */

static int over(struct rules_look *l, int64_t limit, int from, int to)
{
	for (int i = MAX(from, 0); i < to; i++)
		if (l->value->type.dim[i] > limit)
			return breaks(l, (long long)l->value->type.dim[i], "along one axis");
	return 0;
}

int rules_breaks_value(struct rules_look *l, enum rule_id id)
{
	const struct mil_type *t = &l->value->type;
	int channel = t->rank > 2 ? 1 : t->rank - 2;
	switch (id) {
	case RULE_SIDE: return over(l, l->o->chip->side, channel + 1, t->rank);
	case RULE_CHANNELS: return over(l, CHIP_CHANNELS, 0, MIN(channel + 1, t->rank));
	case RULE_INT_IO: return l->is_io && t->dtype == MIL_INT32;
	case RULE_FP32_IO_OLD:
	case RULE_FP32_IO: return l->is_io && t->dtype == MIL_FP32;
	case RULE_BOOL_IO: return l->is_io && t->dtype == MIL_BOOL;
	case RULE_LAST_32: return l->is_io && t->rank > 0 && t->dim[t->rank - 1] < 32 ? breaks(l, (long long)t->dim[t->rank - 1], "along it") : 0;
	default: return 0;
	}
}
