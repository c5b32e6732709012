/* lower_nodes.c: adds values and nodes to a plan, one small function for each kind. Knows no MIL op.
 * SPDX-License-Identifier: MIT */
#include "device/cpu/lower.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* --- growing the plan --- */

int plan_buf(struct plan *p, enum buf_kind kind, int64_t count)
{
	if (mem_grow(&p->buf, &p->cbuf, (size_t)p->nbuf + 1, sizeof *p->buf)) {
		p->failed = 1;
		return 0;
	}
	struct buf *b = &p->buf[p->nbuf];
	*b = (struct buf){.kind = kind, .count = count, .first = -1, .last = -1};
	if (kind == BUF_CONST && (mem_check("cpu: a constant of the program", (uint64_t)count * sizeof *b->mem, p->err) ||
				  !(b->mem = pages_cut(p->memory, (size_t)MAX(count, 1), sizeof *b->mem))))
		p->failed = 1;
	return p->nbuf++;
}

int plan_value(struct plan *p, int rank, const int64_t *dim)
{
	if (mem_grow(&p->value, &p->cvalue, (size_t)p->nvalue + 1, sizeof *p->value)) {
		p->failed = 1;
		return 0;
	}
	struct value *v = &p->value[p->nvalue];
	*v = (struct value){.rank = rank, .node = -1};
	for (int i = 0; i < rank; i++)
		v->dim[i] = dim[i];
	return p->nvalue++;
}

struct node *plan_node(struct plan *p, enum node_kind kind, int nin)
{
	if (mem_grow(&p->node, &p->cnode, (size_t)p->nnode + 1, sizeof *p->node)) {
		p->failed = 1;
		return &p->spare;
	}
	struct node *n = &p->node[p->nnode++];
	*n = (struct node){.kind = kind, .nin = nin, .cluster = -1};
	if (nin > 3 && !(n->in = mem_zalloc((size_t)nin, sizeof *n->in))) {
		n->nin = 0;
		p->failed = 1;
	}
	return n;
}

/* `in` of small nodes points into the node itself, which moves when the array grows: ask here. */
static int *node_inputs(struct node *n)
{
	return n->in ? n->in : n->slot;
}

int plan_reads(const struct node *n, int v)
{
	const int *in = n->in ? n->in : n->slot;
	for (int i = 0; i < n->nin; i++)
		if (in[i] == v)
			return 1;
	return 0;
}

/* The value that `n`, the newest node, makes. */
static int makes(struct plan *p, struct node *n, int rank, const int64_t *dim)
{
	int64_t d[VIEW_RANK];
	memcpy(d, dim, (size_t)rank * sizeof *d); /* dim may lie in an array that grows */
	int v = plan_value(p, rank, d), konst = 1;
	if (p->failed)
		return 0;
	for (int i = 0; i < n->nin; i++)
		konst &= p->value[node_inputs(n)[i]].konst;
	n->konst = p->value[v].konst = konst;
	n->out = v;
	p->value[v].node = p->nnode - 1;
	return v;
}

int low_number(struct plan *p, float x)
{
	int b = plan_buf(p, BUF_CONST, 1), v = plan_value(p, 0, NULL);
	if (p->failed)
		return 0;
	p->buf[b].mem[0] = x;
	p->buf[b].shared = 1;
	p->value[v].konst = p->value[v].has_view = p->value[v].has_number = 1;
	p->value[v].number = x;
	view_rows(&p->value[v].view, b, 0, NULL);
	return v;
}

static struct node *view_node(struct plan *p, enum view_how how, int x)
{
	struct node *n = plan_node(p, NODE_VIEW, 1);
	n->how = how;
	n->slot[0] = x;
	return n;
}

int low_reshape(struct plan *p, int x, int rank, const int64_t *dim)
{
	return makes(p, view_node(p, HOW_RESHAPE, x), rank, dim);
}

int low_transpose(struct plan *p, int x, const int *perm)
{
	int64_t dim[VIEW_RANK];
	int rank = p->value[x].rank;
	struct node *n = view_node(p, HOW_TRANSPOSE, x);
	for (int i = 0; i < rank; i++) {
		n->perm[i] = perm[i];
		dim[i] = p->value[x].dim[perm[i]];
	}
	return makes(p, n, rank, dim);
}

int low_swap(struct plan *p, int x)
{
	int perm[VIEW_RANK], rank = p->value[x].rank;
	for (int i = 0; i < rank; i++)
		perm[i] = i;
	perm[rank - 1] = rank - 2;
	perm[rank - 2] = rank - 1;
	return low_transpose(p, x, perm);
}

/* A slice that lies within one of the values that x was put together from is a slice of that one. */
static void look_into_concat(const struct plan *p, int *x, int axis, int64_t *begin, int64_t size)
{
	const struct node *n = p->value[*x].node < 0 ? NULL : &p->node[p->value[*x].node];
	int64_t at = 0;
	if (!n || n->kind != NODE_CONCAT || n->axis != axis)
		return;
	const int *in = n->in ? n->in : n->slot;
	for (int i = 0; i < n->nin; at += p->value[in[i++]].dim[axis])
		if (*begin >= at && *begin + size <= at + p->value[in[i]].dim[axis]) {
			*x = in[i];
			*begin -= at;
			return;
		}
}

/* x rounded by `how`, where that is anything. */
static int pass_through(struct plan *p, int x, unsigned how)
{
	int v = how ? low_unary(p, EW_MOV, x, 0, 0) : x;
	if (how && !p->failed)
		p->node[p->value[v].node].half = how;
	return v;
}

static int slice_of(struct plan *p, int x, int axis, int64_t begin, int64_t size, int64_t step)
{
	int64_t dim[VIEW_RANK];
	int rank = p->value[x].rank;
	if (step == 1)
		look_into_concat(p, &x, axis, &begin, size);
	if (step == 1 && p->value[x].dim[axis] == size)
		return x;
	struct node *n = view_node(p, HOW_SLICE, x);
	n->axis = axis;
	n->begin = begin;
	n->size = size;
	n->step = step;
	memcpy(dim, p->value[x].dim, sizeof dim);
	dim[axis] = size;
	return makes(p, n, rank, dim);
}

int low_slice(struct plan *p, int x, int axis, int64_t begin, int64_t size, int64_t step)
{
	int inside = axis == p->value[x].rank - 1 && begin > 0;
	return pass_through(p, slice_of(p, x, axis, begin, size, step), inside ? p->numerics.slice : 0);
}

int low_broadcast(struct plan *p, int x, int rank, const int64_t *dim)
{
	return makes(p, view_node(p, HOW_BROADCAST, x), rank, dim);
}

int low_unary(struct plan *p, enum ew_op op, int x, double a, double b)
{
	struct node *n = plan_node(p, NODE_EW, 1);
	n->op = op;
	n->p = (float)a;
	n->q = (float)b;
	n->slot[0] = x;
	return makes(p, n, p->value[x].rank, p->value[x].dim);
}

/* The checker has made sure that the shapes fit. */
static int stretch(const struct plan *p, const int *x, int n, int64_t *dim)
{
	int rank = 0;
	for (int i = 0; i < n; i++)
		rank = MAX(rank, p->value[x[i]].rank);
	for (int i = 0; i < rank; i++)
		dim[i] = 1;
	for (int i = 0; i < n; i++) {
		const struct value *v = &p->value[x[i]];
		for (int a = 0; a < v->rank; a++)
			dim[rank - v->rank + a] = MAX(dim[rank - v->rank + a], v->dim[a]);
	}
	return rank;
}

int low_binary(struct plan *p, enum ew_op op, int x, int y)
{
	int64_t dim[VIEW_RANK];
	/* Powers that are an instruction; x^-0.5 of RMSNorm above all. */
	if (op == EW_POW && p->value[y].has_number) {
		float e = p->value[y].number;
		enum ew_op u = e == 2 ? EW_SQUARE : e == 0.5f ? EW_SQRT : e == -0.5f ? EW_RSQRT : e == -1 ? EW_RECIP : EW_NOP;
		if (u != EW_NOP && p->value[y].rank <= p->value[x].rank)
			return low_unary(p, u, x, 0, 0);
	}
	struct node *n = plan_node(p, NODE_EW, 2);
	n->op = op;
	n->slot[0] = x;
	n->slot[1] = y;
	return makes(p, n, stretch(p, n->slot, 2, dim), dim);
}

int low_select(struct plan *p, int c, int x, int y)
{
	int64_t dim[VIEW_RANK];
	struct node *n = plan_node(p, NODE_EW, 3);
	n->op = EW_SELECT;
	n->slot[0] = c;
	n->slot[1] = x;
	n->slot[2] = y;
	return makes(p, n, stretch(p, n->slot, 3, dim), dim);
}

int low_reduce(struct plan *p, enum reduce_op op, int x, int axis)
{
	int64_t dim[VIEW_RANK];
	struct node *n = plan_node(p, NODE_REDUCE, 1);
	n->reduce = op;
	n->axis = axis;
	n->slot[0] = x;
	memcpy(dim, p->value[x].dim, sizeof dim);
	dim[axis] = 1;
	return makes(p, n, p->value[x].rank, dim);
}

/* Along another axis than the last: the parts, so that the loop runs along memory. */
int low_softmax(struct plan *p, int x, int axis)
{
	if (axis == p->value[x].rank - 1) {
		struct node *n = plan_node(p, NODE_SOFTMAX, 1);
		n->slot[0] = x;
		return makes(p, n, p->value[x].rank, p->value[x].dim);
	}
	int e = low_unary(p, EW_EXP, low_binary(p, EW_SUB, x, low_reduce(p, REDUCE_MAX, x, axis)), 0, 0);
	return low_binary(p, EW_DIV, e, low_reduce(p, REDUCE_SUM, e, axis));
}

/* What v looks like when the maker of its chain of views writes row-major; -1 when strides can not say it. */
static int view_from_rows(const struct plan *p, int v, struct view *out)
{
	const struct value *val = &p->value[v];
	const struct node *n = val->node < 0 ? NULL : &p->node[val->node];
	struct view in;
	if (!n || n->kind != NODE_VIEW) {
		view_rows(out, 0, val->rank, val->dim);
		return 0;
	}
	if (view_from_rows(p, n->slot[0], &in))
		return -1;
	switch (n->how) {
	case HOW_RESHAPE: return view_reshape(out, &in, val->rank, val->dim);
	case HOW_BROADCAST: return view_broadcast(out, &in, val->rank, val->dim);
	case HOW_TRANSPOSE: view_transpose(out, &in, n->perm); return 0;
	case HOW_SLICE:
		*out = in;
		view_slice(out, n->axis, n->begin, n->size, n->step);
		return 0;
	}
	return -1;
}

static int plain_gemm(struct plan *p, int x, int y)
{
	int64_t dim[VIEW_RANK];
	x = pass_through(p, x, p->numerics.factor);
	y = pass_through(p, y, p->numerics.factor);
	struct node *n = plan_node(p, NODE_GEMM, 2);
	const struct value *a = &p->value[x], *b = &p->value[y];
	int rank = MAX(a->rank, b->rank);
	n->slot[0] = x;
	n->slot[1] = y;
	for (int i = 0; i < rank - 2; i++) {
		int ai = i - (rank - a->rank), bi = i - (rank - b->rank);
		dim[i] = MAX(ai < 0 ? 1 : a->dim[ai], bi < 0 ? 1 : b->dim[bi]);
	}
	dim[rank - 2] = a->dim[a->rank - 2];
	dim[rank - 1] = b->dim[b->rank - 1];
	return makes(p, n, rank, dim);
}

/* Grouped queries: x[.., R*S, K] made from [.., S, K] by a reshape that would have to copy. As [.., R, S, K] it is a view,
 * and R one more axis of the batch. 0 when x is not of this kind. */
static int ungroup(struct plan *p, int x, int *rank, int64_t *dim)
{
	const struct value *v = &p->value[x];
	const struct node *n = v->node < 0 ? NULL : &p->node[v->node];
	struct view view;
	if (!n || n->kind != NODE_VIEW || n->how != HOW_RESHAPE || v->rank + 1 > MIL_MAX_RANK || !view_from_rows(p, x, &view))
		return 0;
	const struct value *from = &p->value[n->slot[0]];
	if (from->rank < 2 || from->dim[from->rank - 1] != v->dim[v->rank - 1])
		return 0;
	int64_t s = from->dim[from->rank - 2], m = v->dim[v->rank - 2];
	if (m % s || m == s)
		return 0;
	memcpy(dim, v->dim, sizeof v->dim);
	*rank = v->rank + 1;
	dim[v->rank - 2] = m / s;
	dim[v->rank - 1] = s;
	dim[v->rank] = v->dim[v->rank - 1];
	struct view in;
	return !view_from_rows(p, n->slot[0], &in) && !view_reshape(&view, &in, *rank, dim);
}

int low_gemm(struct plan *p, int x, int y)
{
	int64_t dim[VIEW_RANK], ydim[VIEW_RANK];
	int rank, yr = p->value[y].rank;
	if (!ungroup(p, x, &rank, dim))
		return plain_gemm(p, x, y);
	for (int i = 0, k = 0; i <= yr; i++)
		ydim[i] = i == yr - 2 ? 1 : p->value[y].dim[k++];
	int from = p->node[p->value[x].node].slot[0], m = (int)(dim[rank - 3] * dim[rank - 2]);
	int g = plain_gemm(p, low_reshape(p, from, rank, dim), low_reshape(p, y, yr + 1, ydim));
	if (p->failed)
		return 0;
	const struct value *r = &p->value[g];
	memcpy(dim, r->dim, sizeof dim);
	dim[r->rank - 3] = m;
	dim[r->rank - 2] = r->dim[r->rank - 1];
	return low_reshape(p, g, r->rank - 1, dim);
}

/* The other end of grouped queries: the rows R*S of a product are about to be seen as [R, S]. With R in the batch the product
 * writes wherever [R, S] is wanted, transposed too. */
int low_split_rows(struct plan *p, int x, int rank, const int64_t *dim)
{
	enum { LEAST = 16 }; /* rows that make a product worth its call */
	const struct value *v = &p->value[x];
	if (v->node < 0 || p->node[v->node].kind != NODE_GEMM || v->rank < 2 || v->rank + 1 > MIL_MAX_RANK || rank < 2)
		return -1;
	int64_t m = v->dim[v->rank - 2], s = dim[rank - 2], adim[VIEW_RANK], bdim[VIEW_RANK];
	if (dim[rank - 1] != v->dim[v->rank - 1] || s < LEAST || s >= m || m % s)
		return -1;
	struct node n = p->node[v->node];
	struct value a = p->value[n.slot[0]], b = p->value[n.slot[1]];
	memcpy(adim, a.dim, sizeof adim);
	adim[a.rank - 2] = m / s;
	adim[a.rank - 1] = s;
	adim[a.rank] = a.dim[a.rank - 1];
	for (int i = 0, k = 0; i <= b.rank; i++)
		bdim[i] = i == b.rank - 2 ? 1 : b.dim[k++];
	int g = plain_gemm(p, low_reshape(p, n.slot[0], a.rank + 1, adim), low_reshape(p, n.slot[1], b.rank + 1, bdim));
	if (!p->failed)
		p->node[p->value[g].node].half = n.half;
	return low_reshape(p, g, rank, dim);
}

int low_concat(struct plan *p, const int *x, int nx, int axis)
{
	int64_t dim[VIEW_RANK];
	struct node *n = plan_node(p, NODE_CONCAT, nx);
	if (p->failed)
		return 0;
	n->axis = axis;
	memcpy(node_inputs(n), x, (size_t)nx * sizeof *x);
	memcpy(dim, p->value[x[0]].dim, sizeof dim);
	dim[axis] = 0;
	for (int i = 0; i < nx; i++)
		dim[axis] += p->value[x[i]].dim[axis];
	return makes(p, n, p->value[x[0]].rank, dim);
}

/* Marks what the outputs need and counts readers. */
int plan_prune(struct plan *p)
{
	for (int i = 0; i < p->noutput; i++)
		p->value[p->output[i]].nuse++;
	for (int i = p->nnode - 1; i >= 0; i--) {
		struct node *n = &p->node[i];
		n->live = p->value[n->out].nuse > 0;
		for (int k = 0; n->live && k < n->nin; k++)
			p->value[node_inputs(n)[k]].nuse++;
	}
	/* From here on the array does not grow any more. */
	for (int i = 0; i < p->nnode; i++)
		if (!p->node[i].in)
			p->node[i].in = p->node[i].slot;
	return 0;
}
