/* check_layout.c: type and shape rules of the ops that move elements (reshape ... gather) or convert them (cast, quantize ...).
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/mem.h"
#include "mil/check.h"
#include "mil/shape.h"

/* --- moving --- */

/* Vector argument `arg`, when given, has n elements. */
static int want_length(const struct mil_check *c, const char *arg, int64_t n)
{
	const struct mil_type *t = mil_check_type(c, arg);
	if (!t || t->dim[0] == n)
		return 0;
	return mil_bad(c, arg, "needs %lld elements, has %lld", (long long)n, (long long)t->dim[0]);
}

/* What a 0 in `shape` copies: up to ios16 the size at the same place; from ios17 on places count from the right and
 * one that x does not have is 1. */
static int64_t copied_size(const struct mil_check *c, const struct mil_type *x, int64_t rank, int64_t i)
{
	int64_t from = mil_opset_number(c->g) < 17 ? (rank == x->rank ? i : -1) : x->rank - (rank - i);
	if (from >= 0 && from < x->rank)
		return x->dim[from];
	return mil_opset_number(c->g) < 17 ? -1 : 1;
}

int mil_rule_reshape(struct mil_check *c)
{
	const struct mil_type *x = mil_check_type(c, "x");
	int64_t shape[MIL_MAX_RANK * 2], n = mil_check_type(c, "shape")->dim[0], known = 1, total = mil_count(x);
	struct mil_type *o = &c->out[0];
	int infer = -1;
	char a[96], b[96];
	if (n > MIL_MAX_RANK)
		return mil_bad(c, "shape", "%lld dimensions (at most %d)", (long long)n, MIL_MAX_RANK);
	mil_arg_ints(c->g, c->op, "shape", shape);
	*o = (struct mil_type){.dtype = x->dtype, .rank = (int)n};
	for (int i = 0; i < n; i++) {
		if (shape[i] == -1 && infer < 0) {
			infer = i;
			o->dim[i] = 1;
			continue;
		}
		o->dim[i] = shape[i] ? shape[i] : copied_size(c, x, n, i);
		if (o->dim[i] < 1)
			return mil_bad(c, "shape", shape[i] == -1 ? "only one -1 may stand in it" : "%lld has no meaning here", (long long)shape[i]);
		if (__builtin_mul_overflow(known, o->dim[i], &known))
			return mil_bad(c, "shape", "too many elements");
	}
	if (infer >= 0 && total % known == 0)
		o->dim[infer] = total / known;
	if (infer >= 0 ? total % known != 0 : total != known) {
		if (infer >= 0)
			return mil_bad(c, "shape", "%lld elements of %s cannot be shared out by %lld", (long long)total, mil_type_text(a, x),
				       (long long)known);
		return mil_bad(c, "shape", "%s has %lld elements, x %s has %lld", mil_type_text(b, o), (long long)known,
			       mil_type_text(a, x), (long long)total);
	}
	return 0;
}

int mil_rule_transpose(struct mil_check *c)
{
	const struct mil_type *x = mil_check_type(c, "x");
	int perm[MIL_MAX_RANK], r = want_length(c, "perm", x->rank);
	if (r)
		return r;
	if (mil_axes(c->g, c->op, "perm", x->rank, perm) < 0)
		return mil_bad(c, "perm", "must name each of the %d dimensions once", x->rank);
	c->out[0] = *x;
	for (int i = 0; i < x->rank; i++)
		c->out[0].dim[i] = x->dim[perm[i]];
	return 0;
}

int mil_rule_concat(struct mil_check *c)
{
	const struct mil_arg *a = mil_arg_tuple(c->op, "values");
	const struct mil_type *first = &c->g->value[a->value[0]].type;
	int64_t given = mil_arg_int(c->g, c->op, "axis", 0);
	int axis = mil_axis(first->rank, given), interleave = mil_arg_bool(c->g, c->op, "interleave", 0);
	char x[96], y[96];
	if (axis < 0)
		return mil_bad(c, "axis", "%lld is outside %d dimensions", (long long)given, first->rank);
	c->out[0] = *first;
	for (int i = 1; i < a->n; i++) {
		const struct mil_type *t = &c->g->value[a->value[i]].type;
		struct mil_type same = *t;
		if (!interleave && axis < t->rank)
			same.dim[axis] = first->dim[axis];
		if (!mil_same_type(&same, first))
			return mil_bad(c, "values", "part %d is %s, part 0 is %s: %s", i, mil_type_text(y, t), mil_type_text(x, first),
				       interleave ? "with interleave all must be equal" : "only the size along axis may differ");
		c->out[0].dim[axis] += t->dim[axis];
	}
	return 0;
}

static int split_sizes(struct mil_check *c, const struct mil_type *x, int axis)
{
	const struct mil_value *v = &c->g->value[mil_arg(c->op, "split_sizes")];
	int64_t n = v->type.dim[0], sum = 0;
	if (mil_check_type(c, "num_splits") && mil_arg_int(c->g, c->op, "num_splits", 0) != n)
		return mil_bad(c, "num_splits", "differs from the number of split_sizes, %lld", (long long)n);
	for (int64_t i = 0; i < n; i++) {
		int64_t size = (int64_t)mil_const_at(v, i);
		if (size < 1)
			return mil_bad(c, "split_sizes", "%lld: sizes must be positive", (long long)size);
		sum += size;
		if (i < c->ndecl) {
			c->out[i] = *x;
			c->out[i].dim[axis] = size;
		}
	}
	c->nout = (int)n;
	return sum == x->dim[axis] ? 0 : mil_bad(c, "split_sizes", "make %lld together, x has %lld along axis %d", (long long)sum,
						 (long long)x->dim[axis], axis);
}

int mil_rule_split(struct mil_check *c)
{
	const struct mil_type *x = mil_check_type(c, "x");
	int64_t given = mil_arg_int(c->g, c->op, "axis", 0), n = mil_arg_int(c->g, c->op, "num_splits", 0);
	int axis = mil_axis(x->rank, given);
	if (axis < 0)
		return mil_bad(c, "axis", "%lld is outside %d dimensions", (long long)given, x->rank);
	if (mil_check_type(c, "split_sizes"))
		return split_sizes(c, x, axis);
	if (!mil_check_type(c, "num_splits"))
		return mil_bad(c, NULL, "num_splits or split_sizes is missing");
	if (n < 1 || x->dim[axis] % n)
		return mil_bad(c, "num_splits", "%lld equal parts cannot be made of %lld", (long long)n, (long long)x->dim[axis]);
	c->nout = (int)n;
	for (int i = 0; i < MIN(c->nout, c->ndecl); i++) {
		c->out[i] = *x;
		c->out[i].dim[axis] /= n;
	}
	return 0;
}

int mil_rule_slice(struct mil_check *c)
{
	static const char *const vectors[] = {"begin", "size", "end", "stride", "begin_mask", "end_mask", "squeeze_mask"};
	const struct mil_type *x = mil_check_type(c, "x");
	struct mil_slice_shape s;
	char a[96];
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		int r = want_length(c, vectors[i], x->rank);
		if (r)
			return r;
	}
	int bad = mil_slice_geometry(c->g, c->op, &s);
	if (bad)
		return mil_bad(c, NULL, "dimension %d of x %s: the range is empty or outside", bad - 1, mil_type_text(a, x));
	struct mil_type *o = &c->out[0];
	*o = (struct mil_type){.dtype = x->dtype};
	for (int i = 0; i < x->rank; i++)
		if (!s.squeeze[i])
			o->dim[o->rank++] = s.count[i];
	return 0;
}

int mil_rule_tile(struct mil_check *c)
{
	const struct mil_type *x = mil_check_type(c, "x");
	int64_t reps[MIL_MAX_RANK * 2];
	int r = want_length(c, "reps", x->rank);
	if (r)
		return r;
	mil_arg_ints(c->g, c->op, "reps", reps);
	c->out[0] = *x;
	for (int i = 0; i < x->rank; i++) {
		if (reps[i] < 1)
			return mil_bad(c, "reps", "%lld: must be at least 1", (long long)reps[i]);
		c->out[0].dim[i] *= reps[i]; /* both below 2^31; the product of all is checked later */
	}
	return 0;
}

static int is_index(enum mil_dtype d)
{
	return d == MIL_INT32 || d == MIL_INT16 || d == MIL_UINT16 || d == MIL_INT8 || d == MIL_UINT8;
}

/* x[D], indices[N] -> D[:axis] + N[batch_dims:] + D[axis + 1:] */
int mil_rule_gather(struct mil_check *c)
{
	const struct mil_type *x = mil_check_type(c, "x"), *n = mil_check_type(c, "indices");
	int64_t given = mil_arg_int(c->g, c->op, "axis", 0), batch = mil_arg_int(c->g, c->op, "batch_dims", 0);
	int axis = mil_axis(x->rank, given);
	char a[96];
	if (!is_index(n->dtype))
		return mil_bad(c, "indices", "must be integers, is %s", mil_type_text(a, n));
	if (axis < 0)
		return mil_bad(c, "axis", "%lld is outside %d dimensions", (long long)given, x->rank);
	if (batch < 0 || batch > axis || batch > n->rank)
		return mil_bad(c, "batch_dims", "%lld must not pass axis %d nor the %d dimensions of indices", (long long)batch, axis, n->rank);
	for (int i = 0; i < batch; i++)
		if (x->dim[i] != n->dim[i])
			return mil_bad(c, "indices", "dimension %d is %lld, that of x is %lld", i, (long long)n->dim[i], (long long)x->dim[i]);
	if (x->rank - 1 + n->rank - batch > MIL_MAX_RANK)
		return mil_bad(c, NULL, "the result has more than %d dimensions", MIL_MAX_RANK);
	struct mil_type *o = &c->out[0];
	*o = (struct mil_type){.dtype = x->dtype};
	for (int i = 0; i < axis; i++)
		o->dim[o->rank++] = x->dim[i];
	for (int i = (int)batch; i < n->rank; i++)
		o->dim[o->rank++] = n->dim[i];
	for (int i = axis + 1; i < x->rank; i++)
		o->dim[o->rank++] = x->dim[i];
	return 0;
}

/* --- converting --- */

int mil_rule_cast(struct mil_check *c)
{
	static const enum mil_dtype to[] = {MIL_FP16, MIL_FP32, MIL_INT32, MIL_BOOL, MIL_INT8, MIL_UINT8, MIL_INT16, MIL_UINT16};
	const char *name = mil_arg_str(c->g, c->op, "dtype", "");
	for (size_t i = 0; i < ARRAY_LEN(to); i++) {
		if (strcmp(name, mil_dtype_name(to[i])))
			continue;
		c->out[0] = *mil_check_type(c, "x");
		c->out[0].dtype = to[i];
		return 0;
	}
	return mil_bad(c, "dtype", "\"%.40s\" is none of fp16, fp32, int32, bool, int8, uint8, int16, uint16", name);
}

static int is_quantized(enum mil_dtype d)
{
	return d == MIL_INT8 || d == MIL_UINT8;
}

/* scale: a float scalar, or a vector along axis of x; zero_point: the same shape, of dtype `q`. */
static int check_scale(const struct mil_check *c, const struct mil_type *x, enum mil_dtype q)
{
	const struct mil_type *s = mil_check_type(c, "scale"), *z = mil_check_type(c, "zero_point");
	const struct mil_value *v = &c->g->value[mil_arg(c->op, "scale")];
	int64_t given = mil_arg_int(c->g, c->op, "axis", 0);
	int axis = mil_axis(x->rank, given), has_axis = mil_check_type(c, "axis") != NULL;
	char a[96];
	if (s->dtype != MIL_FP16 && s->dtype != MIL_FP32)
		return mil_bad(c, "scale", "must be fp16 or fp32, is %s", mil_type_text(a, s));
	if (s->rank > 1)
		return mil_bad(c, "scale", "must be a scalar or a vector along axis, is %s", mil_type_text(a, s));
	if (axis < 0 && (has_axis || s->rank))
		return mil_bad(c, has_axis ? "axis" : NULL, "axis %lld is outside %d dimensions", (long long)given, x->rank);
	if (s->rank && !has_axis)
		return mil_bad(c, "scale", "a vector needs the argument axis");
	if (s->rank && s->dim[0] != x->dim[axis])
		return mil_bad(c, "scale", "%s for %lld along axis %d", mil_type_text(a, s), (long long)x->dim[axis], axis);
	if (z && (z->dtype != q || z->rank != s->rank || (s->rank && z->dim[0] != s->dim[0])))
		return mil_bad(c, "zero_point", "must be %s of the shape of scale, is %s", mil_dtype_name(q), mil_type_text(a, z));
	for (int64_t i = 0; mil_is_literal(v) && i < mil_count(s); i++)
		if (mil_const_at(v, i) == 0)
			return mil_bad(c, "scale", "is 0 (element %lld)", (long long)i);
	return 0;
}

int mil_rule_quantize(struct mil_check *c)
{
	const struct mil_type *x = mil_check_type(c, "input");
	const char *name = mil_arg_str(c->g, c->op, "output_dtype", "");
	char a[96];
	c->out[0] = *x;
	if (!strcmp(name, "int8"))
		c->out[0].dtype = MIL_INT8;
	else if (!strcmp(name, "uint8"))
		c->out[0].dtype = MIL_UINT8;
	else
		return mil_bad(c, "output_dtype", "\"%.40s\" is neither int8 nor uint8", name);
	if (mil_check_type(c, "scale")->dtype != x->dtype)
		return mil_bad(c, "scale", "must have the dtype of input %s", mil_type_text(a, x));
	return check_scale(c, x, c->out[0].dtype);
}

static int dequantize(struct mil_check *c, const char *arg)
{
	const struct mil_type *x = mil_check_type(c, arg);
	char a[96];
	if (!is_quantized(x->dtype))
		return mil_bad(c, arg, "must be int8 or uint8, is %s", mil_type_text(a, x));
	c->out[0] = *x;
	c->out[0].dtype = mil_check_type(c, "scale")->dtype;
	return check_scale(c, x, x->dtype);
}

int mil_rule_dequantize(struct mil_check *c)
{
	return dequantize(c, "input");
}

int mil_rule_constexpr_dequantize(struct mil_check *c)
{
	return dequantize(c, "quantized_data");
}
