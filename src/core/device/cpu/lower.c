/* lower.c: MIL ops to the few kinds of nodes that the planner knows. Decides nothing about memory or loops.
 *
 * Everything becomes views, element-wise nodes, reductions of one axis, softmax along the last axis, products, concat, gather
 * and im2col. A 1x1 convolution is a product of reshaped views; attention and layer_norm become their parts, which the
 * later stages fuse again. SPDX-License-Identifier: MIT */
#include "device/cpu/lower.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* --- inputs, constants, weights --- */

int low_arg(const struct lower *l, const char *name)
{
	int v = mil_arg(l->op, name);
	return v < 0 ? -1 : l->value[v];
}

double low_float(const struct lower *l, const char *name, double otherwise)
{
	float v = (float)mil_arg_float(l->g, l->op, name, otherwise);
	if (l->p->numerics.outside)
		l->p->simd->half(&v, &v, 1, l->p->numerics.outside);
	return v;
}

void low_result(const struct lower *l, int i, int value)
{
	l->value[l->op->result[i]] = value;
}

static int source(struct plan *p, const struct mil_type *t, enum buf_kind kind, int index)
{
	int b = plan_buf(p, kind, mil_count(t)), v = plan_value(p, t->rank, t->dim);
	if (p->failed)
		return 0;
	p->buf[b].index = index;
	p->value[v].konst = kind == BUF_CONST;
	p->value[v].has_view = 1;
	view_rows(&p->value[v].view, b, t->rank, t->dim);
	return v;
}

/* One part of an input. */
static int part_source(struct plan *p, const struct mil_type *t, int index)
{
	const struct dev_part *part = &p->part[index];
	int64_t dim[4] = {1, t->dim[1], 1, part->count};
	int b = plan_buf(p, BUF_PART, 0), v = plan_value(p, 4, dim);
	if (p->failed)
		return 0;
	p->buf[b].index = index;
	p->buf[b].reach = (dim[1] - 1) * part->stride[0] + (dim[3] - 1) * part->stride[1] + 1;
	p->value[v].has_view = 1;
	view_rows(&p->value[v].view, b, 4, dim);
	p->value[v].view.stride[1] = part->stride[0];
	p->value[v].view.stride[3] = part->stride[1];
	return v;
}

/* An input: a surface, or its parts side by side; what is sliced out of one part never sees the others (low_slice). */
static int input(struct plan *p, const struct mil_value *m, int index)
{
	int *x = mem_zalloc((size_t)p->npart + 1, sizeof *x), n = 0;
	for (int i = 0; x && i < p->npart; i++)
		if (!strcmp(p->part[i].input, m->name))
			x[n++] = part_source(p, &m->type, i);
	p->failed |= !x;
	int v = p->failed ? 0 : n == 0 ? source(p, &m->type, BUF_INPUT, index) : n == 1 ? x[0] : low_concat(p, x, n, 3);
	free(x);
	return v;
}

static int literal(struct plan *p, const struct mil_value *m)
{
	int v = source(p, &m->type, BUF_CONST, 0);
	if (p->failed)
		return 0;
	struct buf *b = &p->buf[p->value[v].view.buf];
	float *f = b->mem;
	b->shared = 1;
	int64_t n = mil_count(&m->type);
	for (int64_t i = 0; i < n; i++)
		f[i] = (float)mil_const_at(m, i);
	if (p->numerics.outside && (m->type.dtype == MIL_FP16 || m->type.dtype == MIL_FP32))
		p->simd->half(f, f, n, p->numerics.outside);
	if (n == 1) {
		p->value[v].has_number = 1;
		p->value[v].number = f[0];
	}
	return v;
}

/* A copy of the plan's own: what is not fp32 is widened; where weights are frozen they are what they are now. */
static int frozen_weight(struct plan *p, const struct mil_value *m, const struct dev_weight *w)
{
	int v = source(p, &m->type, BUF_CONST, 0);
	if (p->failed)
		return 0;
	struct value *val = &p->value[v];
	const struct frozen *f = plan_freeze(p, m, w, val->view.buf);
	for (int i = 0; f && i < m->type.rank; i++)
		val->view.stride[i] = f->stride[i];
	return v;
}

/* The trainer's memory with the trainer's strides. */
static int live_weight(struct plan *p, const struct mil_value *m, const struct dev_weight *w)
{
	int b = plan_buf(p, BUF_WEIGHT, mil_count(&m->type)), v = plan_value(p, m->type.rank, m->type.dim);
	if (p->failed)
		return 0;
	p->buf[b].mem = (float *)(uintptr_t)w->data; /* only ever read */
	struct value *val = &p->value[v];
	view_rows(&val->view, b, m->type.rank, m->type.dim);
	val->has_view = 1;
	plan_weight_strides(&m->type, w, val->view.stride);
	return v;
}

static int constant(struct plan *p, const struct mil_value *m, const struct dev_weight *w, int nw)
{
	if (m->type.dtype == MIL_STRING)
		return -1;
	if (!m->konst->blob)
		return literal(p, m);
	const struct dev_weight *found = device_weight(w, nw, m, p->err);
	if (!found)
		return -2;
	return found->dtype == MIL_FP32 && !p->numerics.frozen ? live_weight(p, m, found) : frozen_weight(p, m, found);
}

/* --- ops --- */

static int uses(const struct mil_graph *g, int value)
{
	int n = 0;
	for (int i = 0; i < g->noutput; i++)
		n += g->output[i] == value;
	for (int i = 0; i < g->nop; i++)
		for (int a = 0; a < g->op[i].narg; a++)
			for (int k = 0; k < g->op[i].arg[a].n; k++)
				n += g->op[i].arg[a].value[k] == value;
	return n;
}

static void view_op(const struct lower *l)
{
	struct plan *p = l->p;
	int x = low_arg(l, "x");
	const struct mil_type *t = &l->g->value[l->op->result[0]].type;
	if (l->op->code == MIL_OP_RESHAPE) {
		int split = uses(l->g, mil_arg(l->op, "x")) == 1 ? low_split_rows(p, x, t->rank, t->dim) : -1;
		low_result(l, 0, split >= 0 ? split : low_reshape(p, x, t->rank, t->dim));
		return;
	}
	int64_t axes[MIL_MAX_RANK * 2];
	int perm[VIEW_RANK], n = mil_arg_ints(l->g, l->op, "perm", axes);
	for (int i = 0; i < n; i++)
		perm[i] = (int)(axes[i] < 0 ? axes[i] + n : axes[i]);
	low_result(l, 0, low_transpose(p, x, perm));
}

static void gelu(const struct lower *l)
{
	const char *mode = mil_arg_str(l->g, l->op, "mode", "EXACT");
	enum ew_op op = !strcmp(mode, "TANH_APPROXIMATION") ? EW_GELU_TANH
		: !strcmp(mode, "SIGMOID_APPROXIMATION") ? EW_GELU_SIGMOID : EW_GELU;
	low_result(l, 0, low_unary(l->p, op, low_arg(l, "x"), 0, 0));
}

static void softmax(const struct lower *l)
{
	int x = low_arg(l, "x"), rank = l->p->value[x].rank;
	int64_t axis = mil_arg_int(l->g, l->op, "axis", -1);
	low_result(l, 0, low_softmax(l->p, x, (int)(axis < 0 ? axis + rank : axis)));
}

static void binary(const struct lower *l, enum ew_op op)
{
	low_result(l, 0, low_binary(l->p, op, low_arg(l, "x"), low_arg(l, "y")));
}

static void unary(const struct lower *l, enum ew_op op, double a)
{
	low_result(l, 0, low_unary(l->p, op, low_arg(l, "x"), a, 0));
}

static void lower_op(const struct lower *l)
{
	switch (l->op->code) {
	case MIL_OP_CONV: low_conv(l); break;
	case MIL_OP_MATMUL: low_matmul(l); break;
	case MIL_OP_LINEAR: low_linear(l); break;
	case MIL_OP_ADD: binary(l, EW_ADD); break;
	case MIL_OP_SUB: binary(l, EW_SUB); break;
	case MIL_OP_MUL: binary(l, EW_MUL); break;
	case MIL_OP_REAL_DIV: binary(l, EW_DIV); break;
	case MIL_OP_POW: binary(l, EW_POW); break;
	case MIL_OP_SIGMOID: unary(l, EW_SIGMOID, 0); break;
	case MIL_OP_SILU: unary(l, EW_SILU, 0); break;
	case MIL_OP_RELU: unary(l, EW_RELU, 0); break;
	case MIL_OP_TANH: unary(l, EW_TANH, 0); break;
	case MIL_OP_EXP: unary(l, EW_EXP, 0); break;
	case MIL_OP_LOG: unary(l, EW_LOG, low_float(l, "epsilon", 1e-45)); break;
	case MIL_OP_SQRT: unary(l, EW_SQRT, 0); break;
	case MIL_OP_RSQRT: unary(l, EW_RSQRT, low_float(l, "epsilon", 1e-12)); break;
	case MIL_OP_GELU: gelu(l); break;
	case MIL_OP_SOFTMAX: softmax(l); break;
	case MIL_OP_LAYER_NORM: low_layer_norm(l); break;
	case MIL_OP_SDPA: low_sdpa(l); break;
	case MIL_OP_REDUCE_SUM: low_reduction(l, REDUCE_SUM, 0); break;
	case MIL_OP_REDUCE_MEAN: low_reduction(l, REDUCE_SUM, 1); break;
	case MIL_OP_REDUCE_MAX: low_reduction(l, REDUCE_MAX, 0); break;
	case MIL_OP_RESHAPE:
	case MIL_OP_TRANSPOSE: view_op(l); break;
	case MIL_OP_CONCAT: low_concat_op(l); break;
	case MIL_OP_SPLIT: low_split(l); break;
	case MIL_OP_SLICE_BY_SIZE: low_slice_by_size(l); break;
	case MIL_OP_SLICE_BY_INDEX: low_slice_by_index(l); break;
	case MIL_OP_TILE: low_tile(l); break;
	case MIL_OP_SELECT: low_result(l, 0, low_select(l->p, low_arg(l, "cond"), low_arg(l, "a"), low_arg(l, "b"))); break;
	case MIL_OP_GATHER: low_gather(l); break;
	case MIL_OP_CAST: low_cast(l); break;
	case MIL_OP_QUANTIZE: low_quantize(l); break;
	case MIL_OP_DEQUANTIZE: low_dequantize(l, "input"); break;
	case MIL_OP_CONSTEXPR_AFFINE_DEQUANTIZE: low_dequantize(l, "quantized_data"); break;
	case MIL_NOP: break;
	}
}

/* What becomes of an op's result. Ops that hand on what they read have nothing to round. */
static unsigned rounding(const struct numerics *n, enum mil_opcode code)
{
	switch (code) {
	case MIL_OP_CONV:
	case MIL_OP_MATMUL:
	case MIL_OP_LINEAR:
	case MIL_OP_SDPA: return n->product;
	case MIL_OP_LOG: return n->log;
	case MIL_OP_RELU:
	case MIL_OP_SELECT:
	case MIL_OP_REDUCE_MAX: return 0;
	default: return n->op;
	}
}

/* The node that an op ends with, behind views, rounds; `first` is the op's first node. */
static void end_op(const struct lower *l, int first)
{
	struct plan *p = l->p;
	for (int i = 0; i < l->op->nresult && !p->failed; i++) {
		const struct mil_value *m = &l->g->value[l->op->result[i]];
		int v = l->value[l->op->result[i]];
		if (v < 0 || (m->type.dtype != MIL_FP16 && m->type.dtype != MIL_FP32))
			continue;
		while (p->value[v].node >= first && p->node[p->value[v].node].kind == NODE_VIEW)
			v = p->node[p->value[v].node].slot[0];
		struct node *n = p->value[v].node >= first ? &p->node[p->value[v].node] : NULL;
		if (n && (n->kind == NODE_EW || n->kind == NODE_REDUCE || n->kind == NODE_SOFTMAX || n->kind == NODE_GEMM))
			n->half |= rounding(&p->numerics, l->op->code);
	}
}

static int sources(struct lower *l, const struct dev_weight *w, int nw)
{
	const struct mil_graph *g = l->g;
	for (int i = 0; i < g->nvalue; i++) {
		l->value[i] = g->value[i].konst ? constant(l->p, &g->value[i], w, nw) : -1;
		if (l->value[i] == -2)
			return l->p->err ? l->p->err->code : ERR_DEVICE;
	}
	for (int i = 0; i < g->ninput; i++)
		l->value[g->input[i]] = input(l->p, &g->value[g->input[i]], i);
	return 0;
}

int plan_lower(struct plan *p, const struct mil_graph *g, const struct dev_weight *w, int nw)
{
	struct lower l = {.p = p, .g = g};
	l.value = mem_zalloc((size_t)MAX(g->nvalue, 1), sizeof *l.value);
	p->output = mem_zalloc((size_t)MAX(g->noutput, 1), sizeof *p->output);
	if (!l.value || !p->output) {
		free(l.value);
		return err_nomem(p->err, "cpu: plan", sizeof *l.value * (size_t)g->nvalue);
	}
	int r = sources(&l, w, nw);
	for (int i = 0; i < g->nop && !r && !p->failed; i++) {
		int first = p->nnode;
		l.op = &g->op[i];
		lower_op(&l);
		for (int n = first; n < p->nnode; n++) {
			p->node[n].line = l.op->line;
			p->node[n].col = l.op->col;
		}
		end_op(&l, first);
	}
	p->nop = g->nop;
	p->noutput = g->noutput;
	for (int i = 0; i < g->noutput && !r; i++)
		p->output[i] = l.value[g->output[i]];
	free(l.value);
	return r ? r : p->failed ? err_nomem(p->err, "cpu: plan", 1 << 20) : 0;
}
