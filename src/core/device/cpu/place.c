/* place.c: decides where values are written: straight into a concat's slice or an output surface. Makes no steps.
 *
 * Backwards from the outputs: a reader that gathers its parts (output, concat) asks the part's maker to write there; the
 * wish passes through reshapes and transposes by turning them round. Who cannot be asked (inputs, constants, slices,
 * values that already have a home) is copied later. SPDX-License-Identifier: MIT */
#include "device/cpu/plan.h"

#include "base/mem.h"

/* Asks for `v` to be written at `want` (of v's dims). 1: its maker will. */
static int push(struct plan *p, int v, const struct view *want)
{
	struct value *val = &p->value[v];
	if (val->has_home || val->konst || val->node < 0)
		return 0;
	const struct node *n = &p->node[val->node];
	struct view inner;
	if (n->kind != NODE_VIEW) {
		val->home = *want;
		return val->has_home = 1;
	}
	const struct value *x = &p->value[n->in[0]];
	if (n->how == HOW_TRANSPOSE) {
		int back[VIEW_RANK];
		for (int i = 0; i < val->rank; i++)
			back[n->perm[i]] = i;
		view_transpose(&inner, want, back);
		return push(p, n->in[0], &inner);
	}
	if (n->how == HOW_RESHAPE && !view_reshape(&inner, want, x->rank, x->dim) && push(p, n->in[0], &inner))
		return 1;
	if (n->how == HOW_RESHAPE) {
		/* Should the reshape need a copy, it can go there at once. */
		val->home = *want;
		val->has_home = 1;
	}
	return 0;
}

static void place_concat(struct plan *p, const struct node *n)
{
	struct value *v = &p->value[n->out];
	if (n->konst)
		return;
	if (!v->has_home) {
		view_rows(&v->home, plan_buf(p, BUF_SCRATCH, 0), v->rank, v->dim);
		p->buf[v->home.buf].count = view_count(&v->home);
		v->has_home = 1;
	}
	int64_t at = 0;
	for (int i = 0; i < n->nin; i++) {
		struct view part = v->home;
		int64_t size = p->value[n->in[i]].dim[n->axis];
		view_slice(&part, n->axis, at, size, 1);
		push(p, n->in[i], &part);
		at += size;
	}
}

/* The maker of a chain of reshapes and transposes that ends in v, or -1. */
static int maker(const struct plan *p, int v)
{
	for (;;) {
		const struct value *val = &p->value[v];
		if (val->has_home || val->konst || val->node < 0)
			return -1;
		const struct node *n = &p->node[val->node];
		if (n->kind != NODE_VIEW)
			return v;
		if (n->how != HOW_RESHAPE && n->how != HOW_TRANSPOSE)
			return -1;
		v = n->in[0];
	}
}

/* Would the chain from `from` (row-major) to v be all views? */
static int is_free(const struct plan *p, int from, int v, struct view *out)
{
	if (v == from) {
		view_rows(out, 0, p->value[v].rank, p->value[v].dim);
		return 1;
	}
	const struct node *n = &p->node[p->value[v].node];
	struct view in;
	if (!is_free(p, from, n->in[0], &in))
		return 0;
	if (n->how == HOW_TRANSPOSE)
		view_transpose(out, &in, n->perm);
	else if (view_reshape(out, &in, p->value[v].rank, p->value[v].dim))
		return 0;
	return 1;
}

/* A reshape that strides cannot express (attention's heads back to channels) costs nothing when its maker writes in the
 * order that the reshape wants. */
static void place_reshape(struct plan *p, const struct node *n)
{
	struct view v;
	int from = maker(p, n->out);
	if (from < 0)
		return;
	/* Free as long as the maker writes row-major: a loop could choose otherwise, so it is told. */
	struct value *val = is_free(p, from, n->out, &v) ? &p->value[from] : &p->value[n->out];
	int b = plan_buf(p, BUF_SCRATCH, 0);
	view_rows(&v, b, val->rank, val->dim);
	p->buf[b].count = view_count(&v);
	push(p, (int)(val - p->value), &v);
}

int plan_place(struct plan *p)
{
	for (int i = 0; i < p->noutput; i++) {
		struct value *v = &p->value[p->output[i]];
		struct view whole;
		int b = plan_buf(p, BUF_OUTPUT, 0);
		if (p->failed)
			break;
		view_rows(&whole, b, v->rank, v->dim);
		p->buf[b].index = i;
		p->buf[b].count = view_count(&whole);
		push(p, p->output[i], &whole);
	}
	for (int i = p->nnode - 1; i >= 0 && !p->failed; i--) {
		const struct node *n = &p->node[i];
		if (n->live && n->kind == NODE_CONCAT)
			place_concat(p, n);
		else if (n->live && n->kind == NODE_VIEW && n->how == HOW_RESHAPE)
			place_reshape(p, n);
	}
	return p->failed ? err_nomem(p->err, "cpu: plan", 1 << 20) : 0;
}
