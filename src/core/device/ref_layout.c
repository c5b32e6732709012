/* ref_layout.c: the ops of the reference that move elements or convert them.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "device/ref_ops.h"
#include "mil/shape.h"

/* --- moving --- */

int ref_reshape(const struct ref_call *c)
{
	const struct ref_tensor *x = ref_in(c, "x");
	memcpy(ref_out(c, 0)->v, x->v, (size_t)mil_count(&x->type) * sizeof *x->v);
	return 0;
}

int ref_transpose(const struct ref_call *c)
{
	const struct ref_tensor *x = ref_in(c, "x");
	struct ref_tensor *o = ref_out(c, 0);
	int perm[MIL_MAX_RANK];
	int64_t at[MIL_MAX_RANK], from[MIL_MAX_RANK];
	mil_axes(c->g, c->op, "perm", x->type.rank, perm);
	for (int64_t i = 0; i < mil_count(&o->type); i++) {
		ref_coords(&o->type, i, at);
		for (int d = 0; d < x->type.rank; d++)
			from[perm[d]] = at[d];
		o->v[i] = x->v[ref_flat(&x->type, from)];
	}
	return 0;
}

/* Copies x into the result, coordinate `axis` a becoming first + a * step. */
static void put_part(struct ref_tensor *o, const struct ref_tensor *x, int axis, int64_t first, int64_t step)
{
	int64_t at[MIL_MAX_RANK];
	for (int64_t i = 0; i < mil_count(&x->type); i++) {
		ref_coords(&x->type, i, at);
		at[axis] = first + at[axis] * step;
		o->v[ref_flat(&o->type, at)] = x->v[i];
	}
}

int ref_concat(const struct ref_call *c)
{
	const struct mil_arg *a = mil_arg_tuple(c->op, "values");
	struct ref_tensor *o = ref_out(c, 0);
	int axis = mil_axis(o->type.rank, mil_arg_int(c->g, c->op, "axis", 0));
	int interleave = mil_arg_bool(c->g, c->op, "interleave", 0);
	int64_t first = 0;
	for (int i = 0; i < a->n; i++) {
		const struct ref_tensor *x = &c->value[a->value[i]];
		put_part(o, x, axis, interleave ? i : first, interleave ? a->n : 1);
		first += x->type.dim[axis];
	}
	return 0;
}

int ref_split(const struct ref_call *c)
{
	const struct ref_tensor *x = ref_in(c, "x");
	int axis = mil_axis(x->type.rank, mil_arg_int(c->g, c->op, "axis", 0));
	int64_t at[MIL_MAX_RANK], first = 0;
	for (int k = 0; k < c->op->nresult; k++) {
		struct ref_tensor *o = ref_out(c, k);
		for (int64_t i = 0; i < mil_count(&o->type); i++) {
			ref_coords(&o->type, i, at);
			at[axis] += first;
			o->v[i] = x->v[ref_flat(&x->type, at)];
		}
		first += o->type.dim[axis];
	}
	return 0;
}

int ref_slice(const struct ref_call *c)
{
	const struct ref_tensor *x = ref_in(c, "x");
	struct ref_tensor *o = ref_out(c, 0);
	struct mil_slice_shape s;
	struct mil_type whole = {.rank = x->type.rank}; /* the result before dimensions are dropped */
	int64_t at[MIL_MAX_RANK];
	mil_slice_geometry(c->g, c->op, &s);
	for (int i = 0; i < s.rank; i++)
		whole.dim[i] = s.count[i];
	for (int64_t i = 0; i < mil_count(&o->type); i++) {
		ref_coords(&whole, i, at);
		for (int d = 0; d < s.rank; d++)
			at[d] = s.begin[d] + at[d] * s.stride[d];
		o->v[i] = x->v[ref_flat(&x->type, at)];
	}
	return 0;
}

int ref_tile(const struct ref_call *c)
{
	const struct ref_tensor *x = ref_in(c, "x");
	struct ref_tensor *o = ref_out(c, 0);
	int64_t at[MIL_MAX_RANK];
	for (int64_t i = 0; i < mil_count(&o->type); i++) {
		ref_coords(&o->type, i, at);
		for (int d = 0; d < x->type.rank; d++)
			at[d] %= x->type.dim[d];
		o->v[i] = x->v[ref_flat(&x->type, at)];
	}
	return 0;
}

/* out[d0.. , n.. , d2..] = x[d0.. , indices[b.., n..], d2..], b being the first batch_dims of d0. A negative index counts
 * from the end up to ios16. */
int ref_gather(const struct ref_call *c)
{
	const struct ref_tensor *x = ref_in(c, "x"), *n = ref_in(c, "indices");
	struct ref_tensor *o = ref_out(c, 0);
	int axis = mil_axis(x->type.rank, mil_arg_int(c->g, c->op, "axis", 0));
	int batch = (int)mil_arg_int(c->g, c->op, "batch_dims", 0), width = n->type.rank - batch;
	int wraps = mil_opset_number(c->g) < 17;
	int64_t at[MIL_MAX_RANK], from[MIL_MAX_RANK], which[MIL_MAX_RANK], size = x->type.dim[axis];
	for (int64_t i = 0; i < mil_count(&o->type); i++) {
		ref_coords(&o->type, i, at);
		for (int d = 0; d < batch; d++)
			which[d] = at[d];
		for (int d = 0; d < width; d++)
			which[batch + d] = at[axis + d];
		int64_t index = (int64_t)n->v[ref_flat(&n->type, which)], k = index < 0 && wraps ? index + size : index;
		if (k < 0 || k >= size)
			return err_set(c->e, ERR_RANGE, "ref: gather (line %d): index %lld is outside 0 to %lld", c->op->line,
				       (long long)index, (long long)size - 1);
		for (int d = 0; d < x->type.rank; d++)
			from[d] = d < axis ? at[d] : d == axis ? k : at[d - 1 + width];
		o->v[i] = x->v[ref_flat(&x->type, from)];
	}
	return 0;
}

/* --- converting --- */

static double saturate(double v, enum mil_dtype d)
{
	static const struct {
		double lo, hi;
	} range[MIL_NDTYPE] = {
		[MIL_INT8] = {INT8_MIN, INT8_MAX},    [MIL_UINT8] = {0, UINT8_MAX},   [MIL_INT16] = {INT16_MIN, INT16_MAX},
		[MIL_UINT16] = {0, UINT16_MAX},       [MIL_INT32] = {INT32_MIN, INT32_MAX},
	};
	return !(v == v) ? 0 : v < range[d].lo ? range[d].lo : v > range[d].hi ? range[d].hi : v;
}

/* To an integer: towards zero, saturated, NaN to 0. */
int ref_cast(const struct ref_call *c)
{
	const struct ref_tensor *x = ref_in(c, "x");
	struct ref_tensor *o = ref_out(c, 0);
	enum mil_dtype d = o->type.dtype;
	for (int64_t i = 0; i < mil_count(&x->type); i++) {
		if (d == MIL_BOOL)
			o->v[i] = x->v[i] != 0;
		else
			o->v[i] = d == MIL_FP16 || d == MIL_FP32 ? x->v[i] : saturate(trunc(x->v[i]), d);
	}
	return 0;
}

/* The scale (or zero point) that holds for element i of x. */
static double along_axis(const struct ref_call *c, const char *name, const struct mil_type *x, int64_t i, double otherwise)
{
	const struct ref_tensor *t = ref_in(c, name);
	int64_t at[MIL_MAX_RANK];
	if (!t)
		return otherwise;
	if (!t->type.rank)
		return t->v[0];
	ref_coords(x, i, at);
	return t->v[at[mil_axis(x->rank, mil_arg_int(c->g, c->op, "axis", 0))]];
}

/* clip(round(x / scale) + zero_point), halves to even */
int ref_quantize(const struct ref_call *c)
{
	const struct ref_tensor *x = ref_in(c, "input");
	struct ref_tensor *o = ref_out(c, 0);
	for (int64_t i = 0; i < mil_count(&x->type); i++) {
		double q = rint(x->v[i] / along_axis(c, "scale", &x->type, i, 1)) + along_axis(c, "zero_point", &x->type, i, 0);
		o->v[i] = saturate(q, o->type.dtype);
	}
	return 0;
}

/* scale * (q - zero_point); also constexpr_affine_dequantize, which calls its argument otherwise. */
int ref_dequantize(const struct ref_call *c)
{
	const struct ref_tensor *x = ref_in(c, "input");
	struct ref_tensor *o = ref_out(c, 0);
	x = x ? x : ref_in(c, "quantized_data");
	for (int64_t i = 0; i < mil_count(&x->type); i++)
		o->v[i] = along_axis(c, "scale", &x->type, i, 1) * (x->v[i] - along_axis(c, "zero_point", &x->type, i, 0));
	return 0;
}
