/* ref.c: runs a program op by op, every value whole and in double. The ops are in ref_math.c, ref_nn.c and ref_layout.c.
 * SPDX-License-Identifier: MIT */
#include "device/ref.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fp16.h"
#include "base/mem.h"
#include "device/ref_ops.h"
#include "mil/number.h"

const struct ref_tensor *ref_in(const struct ref_call *c, const char *name)
{
	int v = mil_arg(c->op, name);
	return v < 0 ? NULL : &c->value[v];
}

struct ref_tensor *ref_out(const struct ref_call *c, int i)
{
	return &c->value[c->op->result[i]];
}

void ref_coords(const struct mil_type *t, int64_t flat, int64_t *at)
{
	for (int i = t->rank - 1; i >= 0; i--) {
		at[i] = flat % t->dim[i];
		flat /= t->dim[i];
	}
}

int64_t ref_flat(const struct mil_type *t, const int64_t *at)
{
	int64_t flat = 0;
	for (int i = 0; i < t->rank; i++)
		flat = flat * t->dim[i] + at[i];
	return flat;
}

double ref_stretched(const struct ref_tensor *x, int rank, const int64_t *at)
{
	int64_t here[MIL_MAX_RANK];
	for (int i = 0; i < x->type.rank; i++)
		here[i] = x->type.dim[i] == 1 ? 0 : at[rank - x->type.rank + i];
	return x->v[ref_flat(&x->type, here)];
}

static ref_fn *fn_of(enum mil_opcode code)
{
	static ref_fn *const fn[MIL_NOP] = {
		[MIL_OP_CONV] = ref_conv, [MIL_OP_MATMUL] = ref_matmul, [MIL_OP_LINEAR] = ref_linear,
		[MIL_OP_ADD] = ref_binary, [MIL_OP_SUB] = ref_binary, [MIL_OP_MUL] = ref_binary,
		[MIL_OP_REAL_DIV] = ref_binary, [MIL_OP_POW] = ref_binary,
		[MIL_OP_SIGMOID] = ref_unary, [MIL_OP_SILU] = ref_unary, [MIL_OP_RELU] = ref_unary, [MIL_OP_TANH] = ref_unary,
		[MIL_OP_EXP] = ref_unary, [MIL_OP_LOG] = ref_unary, [MIL_OP_SQRT] = ref_unary, [MIL_OP_RSQRT] = ref_unary,
		[MIL_OP_GELU] = ref_unary, [MIL_OP_SOFTMAX] = ref_softmax, [MIL_OP_LAYER_NORM] = ref_layer_norm,
		[MIL_OP_SDPA] = ref_sdpa,
		[MIL_OP_REDUCE_SUM] = ref_reduce, [MIL_OP_REDUCE_MEAN] = ref_reduce, [MIL_OP_REDUCE_MAX] = ref_reduce,
		[MIL_OP_RESHAPE] = ref_reshape, [MIL_OP_TRANSPOSE] = ref_transpose, [MIL_OP_CONCAT] = ref_concat,
		[MIL_OP_SPLIT] = ref_split, [MIL_OP_SLICE_BY_SIZE] = ref_slice, [MIL_OP_SLICE_BY_INDEX] = ref_slice,
		[MIL_OP_TILE] = ref_tile, [MIL_OP_SELECT] = ref_select, [MIL_OP_GATHER] = ref_gather,
		[MIL_OP_CAST] = ref_cast, [MIL_OP_QUANTIZE] = ref_quantize, [MIL_OP_DEQUANTIZE] = ref_dequantize,
		[MIL_OP_CONSTEXPR_AFFINE_DEQUANTIZE] = ref_dequantize,
	};
	return fn[code];
}

/* Makes a value of its dtype: fp16 rounded when asked for, integers wrapped. */
static void settle(struct ref_tensor *t, int round_fp16)
{
	int64_t n = mil_count(&t->type);
	for (int64_t i = 0; i < n; i++) {
		double v = t->v[i];
		switch (t->type.dtype) {
		case MIL_FP16:
			if (round_fp16)
				t->v[i] = (double)fp16_to_f32(mil_fp16_from_double(v));
			break;
		case MIL_INT32: t->v[i] = (int32_t)(uint32_t)(int64_t)v; break;
		case MIL_INT16: t->v[i] = (int16_t)(uint16_t)(int64_t)v; break;
		case MIL_UINT16: t->v[i] = (uint16_t)(int64_t)v; break;
		case MIL_INT8: t->v[i] = (int8_t)(uint8_t)(int64_t)v; break;
		case MIL_UINT8: t->v[i] = (uint8_t)(int64_t)v; break;
		case MIL_BOOL: t->v[i] = v != 0; break;
		default: break;
		}
	}
}

static int load_weight(struct ref_tensor *t, const struct mil_value *v, const struct dev_weight *w, int nw, struct err *e)
{
	char want[96], have[96];
	int k = 0;
	while (k < nw && !dev_weight_is(&w[k], v))
		k++;
	if (k == nw)
		return err_set(e, ERR_DEVICE, "ref: %s: no such weight was given (line %d of the program)", v->konst->blob, v->line);
	w += k;
	/* Sizes of 1 may be there or not: [O, I] stands for [O, I, 1, 1]. */
	int64_t stride[MIL_MAX_RANK] = {0}, at[MIL_MAX_RANK];
	struct mil_type wt = {.dtype = w->dtype, .rank = w->rank};
	int ok = 1, j = 0;
	for (int i = 0; i < w->rank; i++)
		wt.dim[i] = w->dim[i];
	for (int i = 0; ok && i < t->type.rank; i++) {
		if (t->type.dim[i] == 1)
			continue;
		while (j < w->rank && w->dim[j] == 1)
			j++;
		ok = j < w->rank && w->dim[j] == t->type.dim[i];
		stride[i] = ok ? w->stride[j++] : 0;
	}
	while (j < w->rank && w->dim[j] == 1)
		j++;
	if (!ok || j < w->rank)
		return err_set(e, ERR_DEVICE, "ref: %s: given as %s, the program wants %s", w->path, mil_type_text(have, &wt),
			       mil_type_text(want, &t->type));
	int64_t n = mil_count(&t->type);
	for (int64_t i = 0; i < n; i++) {
		int64_t from = 0;
		ref_coords(&t->type, i, at);
		for (int d = 0; d < t->type.rank; d++)
			from += at[d] * stride[d];
		t->v[i] = mil_number_load(w->data, w->dtype, from);
	}
	return 0;
}

static int make_values(struct ref_tensor *value, const struct mil_graph *g, const struct dev_weight *w, int nw, int round_fp16,
		       struct err *e)
{
	for (int i = 0; i < g->nvalue; i++) {
		const struct mil_value *v = &g->value[i];
		value[i].type = v->type;
		if (v->type.dtype == MIL_STRING)
			continue;
		size_t n = (size_t)mil_count(&v->type);
		if (!(value[i].v = mem_zalloc(n, sizeof(double))))
			return err_nomem(e, "ref", n * sizeof(double));
		int r = v->konst && v->konst->blob ? load_weight(&value[i], v, w, nw, e) : 0;
		if (r)
			return r;
		for (size_t k = 0; k < n && mil_is_literal(v); k++)
			value[i].v[k] = mil_const_at(v, (int64_t)k);
		if (v->konst)
			settle(&value[i], round_fp16);
	}
	return 0;
}

static int run_ops(struct ref_tensor *value, const struct mil_graph *g, int round_fp16, struct err *e)
{
	for (int i = 0; i < g->nop; i++) {
		struct ref_call c = {g, &g->op[i], value, e};
		int r = fn_of(g->op[i].code)(&c);
		if (r)
			return r;
		for (int k = 0; k < g->op[i].nresult; k++)
			settle(&value[g->op[i].result[k]], round_fp16);
	}
	return 0;
}

int ref_run(const struct mil_graph *g, const struct dev_weight *w, int nw, const double *const *inputs, double **outputs,
	    int round_fp16, struct err *e)
{
	struct ref_tensor *value = mem_zalloc((size_t)g->nvalue, sizeof *value);
	if (!value)
		return err_nomem(e, "ref", (unsigned long long)g->nvalue * sizeof *value);
	int r = make_values(value, g, w, nw, round_fp16, e);
	for (int i = 0; !r && i < g->ninput; i++) {
		struct ref_tensor *t = &value[g->input[i]];
		memcpy(t->v, inputs[i], (size_t)mil_count(&t->type) * sizeof(double));
		settle(t, round_fp16);
	}
	if (!r)
		r = run_ops(value, g, round_fp16, e);
	for (int i = 0; i < g->noutput; i++) {
		outputs[i] = r ? NULL : value[g->output[i]].v;
		if (!r)
			value[g->output[i]].v = NULL; /* handed over: an output stands in the list once */
	}
	for (int i = 0; i < g->nvalue; i++)
		free(value[i].v);
	free(value);
	return r;
}
