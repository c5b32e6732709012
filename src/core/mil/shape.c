/* shape.c: normal forms of axes, paddings and slices, and the work an op asks for. Judges no program: check_shapes.c does.
 * SPDX-License-Identifier: MIT */
#include "mil/shape.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

int mil_axis(int rank, int64_t axis)
{
	if (axis < -(int64_t)rank || axis >= rank)
		return -1;
	return (int)(axis < 0 ? axis + rank : axis);
}

int mil_axes(const struct mil_graph *g, const struct mil_op *op, const char *name, int rank, int axis[MIL_MAX_RANK])
{
	int64_t v[MIL_MAX_RANK * 2];
	int n = mil_arg_ints(g, op, name, v), seen = 0;
	if (n > rank)
		return -1;
	for (int i = 0; i < n; i++) {
		axis[i] = mil_axis(rank, v[i]);
		if (axis[i] < 0 || (seen >> axis[i] & 1))
			return -1;
		seen |= 1 << axis[i];
	}
	return n;
}

int mil_broadcast(struct mil_type *out, const struct mil_type *a, const struct mil_type *b)
{
	struct mil_type t = {.dtype = a->dtype, .rank = MAX(a->rank, b->rank)};
	for (int i = 1; i <= t.rank; i++) { /* i-th from the right */
		int64_t da = i <= a->rank ? a->dim[a->rank - i] : 1, db = i <= b->rank ? b->dim[b->rank - i] : 1;
		if (da != db && da != 1 && db != 1)
			return -1;
		t.dim[t.rank - i] = da == 1 ? db : da;
	}
	*out = t;
	return 0;
}

int mil_opset_number(const struct mil_graph *g)
{
	/* The name stands in a program: its number may be of any length. */
	if (!strncmp(g->opset, "ios", 3))
		return (int)MIN(strtoul(g->opset + 3, NULL, 10), 1000ul);
	if (!strncmp(g->opset, "CoreML", 6))
		return (int)MIN(strtoul(g->opset + 6, NULL, 10), 1000ul) + 10;
	return 18;
}

/* "same": as many outputs as input / stride, rounded up; the odd element of padding goes after, with same_lower before. */
static void same_padding(struct mil_conv_shape *s, int i, int lower)
{
	int64_t want = (s->in[i] + s->stride[i] - 1) / s->stride[i];
	int64_t reach = (s->kernel[i] - 1) * s->dilation[i] + 1;
	int64_t total = MAX(0, (want - 1) * s->stride[i] + reach - s->in[i]);
	s->before[i] = lower ? total - total / 2 : total / 2;
	s->after[i] = total - s->before[i];
}

const char *mil_conv_geometry(const struct mil_graph *g, const struct mil_op *op, struct mil_conv_shape *s)
{
	const struct mil_type *x = &g->value[mil_arg(op, "x")].type, *w = &g->value[mil_arg(op, "weight")].type;
	const char *pad_type = mil_arg_str(g, op, "pad_type", "valid");
	int64_t stride[MIL_MAX_RANK * 2], dilation[MIL_MAX_RANK * 2], pad[MIL_MAX_RANK * 2];
	*s = (struct mil_conv_shape){.nd = x->rank - 2, .groups = mil_arg_int(g, op, "groups", 1)};
	if (mil_arg_ints(g, op, "strides", stride) != s->nd)
		return "strides needs one number for each spatial dimension";
	if (mil_arg_ints(g, op, "dilations", dilation) != s->nd)
		return "dilations needs one number for each spatial dimension";
	if (mil_arg_ints(g, op, "pad", pad) != s->nd * 2)
		return "pad needs two numbers (before, after) for each spatial dimension";
	for (int i = 0; i < s->nd; i++) {
		s->in[i] = x->dim[2 + i];
		s->kernel[i] = w->dim[2 + i];
		s->stride[i] = stride[i];
		s->dilation[i] = dilation[i];
		if (stride[i] < 1 || dilation[i] < 1)
			return "strides and dilations must be at least 1";
		if (pad[2 * i] < 0 || pad[2 * i + 1] < 0)
			return "pad must not be negative";
		if (!strcmp(pad_type, "custom")) {
			s->before[i] = pad[2 * i];
			s->after[i] = pad[2 * i + 1];
		} else if (!strcmp(pad_type, "same") || !strcmp(pad_type, "same_lower")) {
			same_padding(s, i, pad_type[4] != 0);
		} else if (strcmp(pad_type, "valid")) {
			return "pad_type must be valid, same, same_lower or custom";
		}
		int64_t room = s->in[i] + s->before[i] + s->after[i] - (s->kernel[i] - 1) * s->dilation[i] - 1;
		if (room < 0)
			return "the kernel is larger than the padded input";
		s->out[i] = room / s->stride[i] + 1;
	}
	return NULL;
}

static int slice_by_size(const struct mil_graph *g, const struct mil_op *op, struct mil_slice_shape *s,
			 const struct mil_type *x)
{
	int64_t begin[MIL_MAX_RANK * 2], size[MIL_MAX_RANK * 2];
	mil_arg_ints(g, op, "begin", begin);
	mil_arg_ints(g, op, "size", size);
	for (int i = 0; i < x->rank; i++) {
		int64_t b = begin[i] < 0 ? begin[i] + x->dim[i] : begin[i];
		int64_t n = size[i] == -1 ? x->dim[i] - b : size[i];
		if (b < 0 || n < 1 || b + n > x->dim[i])
			return i + 1;
		s->begin[i] = b;
		s->stride[i] = 1;
		s->count[i] = n;
	}
	return 0;
}

static int64_t clamp(int64_t v, int64_t lo, int64_t hi)
{
	return v < lo ? lo : v > hi ? hi : v;
}

/* One dimension of x[begin:end:stride] as Python reads it; `open` has bit 0 when begin is masked, bit 1 when end is. */
static int slice_range(int64_t d, int64_t begin, int64_t end, int64_t stride, int open, int64_t *first, int64_t *count)
{
	if (stride == 0)
		return -1;
	int64_t lo = stride > 0 ? 0 : -1, hi = stride > 0 ? d : d - 1;
	begin = open & 1 ? (stride > 0 ? lo : hi) : clamp(begin < 0 ? begin + d : begin, lo, hi);
	end = open & 2 ? (stride > 0 ? hi : lo) : clamp(end < 0 ? end + d : end, lo, hi);
	int64_t span = stride > 0 ? end - begin : begin - end, step = llabs(stride);
	*first = begin;
	*count = span <= 0 ? 0 : (span + step - 1) / step;
	return *count ? 0 : -1;
}

static int slice_by_index(const struct mil_graph *g, const struct mil_op *op, struct mil_slice_shape *s,
			  const struct mil_type *x)
{
	int64_t begin[MIL_MAX_RANK * 2], end[MIL_MAX_RANK * 2], stride[MIL_MAX_RANK * 2];
	int64_t open_begin[MIL_MAX_RANK * 2], open_end[MIL_MAX_RANK * 2], squeeze[MIL_MAX_RANK * 2];
	mil_arg_ints(g, op, "begin", begin);
	mil_arg_ints(g, op, "end", end);
	mil_arg_ints(g, op, "stride", stride);
	mil_arg_ints(g, op, "begin_mask", open_begin);
	mil_arg_ints(g, op, "end_mask", open_end);
	mil_arg_ints(g, op, "squeeze_mask", squeeze);
	for (int i = 0; i < x->rank; i++) {
		if (squeeze[i]) { /* x[begin]: end and stride have no say */
			int64_t b = open_begin[i] ? 0 : begin[i] < 0 ? begin[i] + x->dim[i] : begin[i];
			if (b < 0 || b >= x->dim[i])
				return i + 1;
			s->begin[i] = b;
			s->stride[i] = s->count[i] = s->squeeze[i] = 1;
			continue;
		}
		s->stride[i] = stride[i];
		if (slice_range(x->dim[i], begin[i], end[i], stride[i], (open_begin[i] != 0) | (open_end[i] != 0) << 1, &s->begin[i],
				&s->count[i]))
			return i + 1;
	}
	return 0;
}

int mil_slice_geometry(const struct mil_graph *g, const struct mil_op *op, struct mil_slice_shape *s)
{
	const struct mil_type *x = &g->value[mil_arg(op, "x")].type;
	*s = (struct mil_slice_shape){.rank = x->rank};
	return op->code == MIL_OP_SLICE_BY_SIZE ? slice_by_size(g, op, s, x) : slice_by_index(g, op, s, x);
}

/* --- work --- */

static int64_t arg_dim(const struct mil_graph *g, const struct mil_op *op, const char *name, int from_end)
{
	const struct mil_type *t = &g->value[mil_arg(op, name)].type;
	return t->rank < from_end ? 1 : t->dim[t->rank - from_end];
}

double mil_op_flops(const struct mil_graph *g, const struct mil_op *op)
{
	double out = (double)mil_count(&g->value[op->result[0]].type);
	const struct mil_type *t;
	switch (op->code) {
	case MIL_OP_CONV:
		t = &g->value[mil_arg(op, "weight")].type;
		return 2 * out * (double)mil_count(t) / (double)t->dim[0];
	case MIL_OP_MATMUL:
		t = &g->value[mil_arg(op, "x")].type;
		return 2 * out * (double)arg_dim(g, op, "x", t->rank > 1 && mil_arg_bool(g, op, "transpose_x", 0) ? 2 : 1);
	case MIL_OP_LINEAR:
		return 2 * out * (double)arg_dim(g, op, "x", 1);
	case MIL_OP_SDPA: {
		double scores = out / (double)arg_dim(g, op, "value", 1) * (double)arg_dim(g, op, "key", 2);
		return 2 * scores * (double)(arg_dim(g, op, "query", 1) + arg_dim(g, op, "value", 1));
	}
	default: return 0;
	}
}
