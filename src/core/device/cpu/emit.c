/* emit.c: clusters to steps, in an order that respects who needs whom. Fused loops are built in emit_loop.c, attention in emit_attention.c.
 * SPDX-License-Identifier: MIT */
#include "device/cpu/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { MOST_PRODUCTS = 16 };

struct step *plan_step(struct plan *p, enum step_kind kind, int once)
{
	static const size_t size = sizeof(struct step);
	int *n = once ? &p->nonce : &p->nstep;
	int r = once ? mem_grow(&p->once, &p->conce, (size_t)*n + 1, size)
		     : mem_grow(&p->step, &p->cstep, (size_t)*n + 1, size);
	if (r) {
		p->failed = 1;
		return NULL;
	}
	struct step *s = &(once ? p->once : p->step)[(*n)++];
	memset(s, 0, sizeof *s);
	s->kind = kind;
	return s;
}

/* Call it after the step was added. */
void plan_touch(struct plan *p, int once, const struct view *v)
{
	struct buf *b = &p->buf[v->buf];
	if (once)
		return;
	if (b->first < 0)
		b->first = p->nstep - 1;
	b->last = p->nstep - 1;
}

const struct view *plan_view(struct plan *p, int value)
{
	return &p->value[value].view;
}

static const struct view *fresh(struct plan *p, struct value *v, const struct view *like)
{
	view_rows(&v->view, 0, v->rank, v->dim);
	v->view.buf = plan_buf(p, v->konst ? BUF_CONST : BUF_SCRATCH, view_count(&v->view));
	if (p->failed)
		return NULL;
	int64_t step = 1;
	char used[VIEW_RANK] = {0};
	for (int k = 0; like && k < v->rank; k++) {
		/* The axis with the smallest stride that is left; the later one when equal. */
		int best = -1;
		for (int a = v->rank - 1; a >= 0; a--)
			if (!used[a] && (best < 0 || like->stride[a] < like->stride[best]))
				best = a;
		used[best] = 1;
		v->view.stride[best] = step;
		step *= v->dim[best];
	}
	v->has_view = 1;
	return &v->view;
}

const struct view *plan_target_like(struct plan *p, int value, const struct view *like)
{
	struct value *v = &p->value[value];
	if (v->has_view)
		return &v->view;
	if (!v->has_home)
		return fresh(p, v, like);
	v->view = v->home;
	v->has_view = 1;
	return &v->view;
}

const struct view *plan_target(struct plan *p, int value)
{
	return plan_target_like(p, value, NULL);
}

/* --- products --- */

int plan_matrix(const struct view *v, int *trans, int64_t *ld)
{
	int64_t r = v->dim[v->rank - 2], c = v->dim[v->rank - 1], sr = v->stride[v->rank - 2], sc = v->stride[v->rank - 1];
	if ((sc == 1 || c == 1) && (sr >= c || r == 1)) {
		*trans = 0;
		*ld = r == 1 ? c : sr;
		return 0;
	}
	if ((sr == 1 || r == 1) && (sc >= r || c == 1)) {
		*trans = 1;
		*ld = c == 1 ? r : sc;
		return 0;
	}
	return -1;
}

void plan_scratch_like(struct plan *p, struct view *out, const struct view *v, int konst)
{
	int b = plan_buf(p, konst ? BUF_CONST : BUF_SCRATCH, view_count(v));
	view_rows(out, b, v->rank, v->dim);
}

void plan_operand(struct plan *p, struct view *v, int konst, int *trans, int64_t *ld)
{
	if (!plan_matrix(v, trans, ld))
		return;
	struct view to;
	plan_scratch_like(p, &to, v, konst);
	plan_copy(p, konst, &to, v);
	*v = to;
	plan_matrix(v, trans, ld);
}

static void batch_axes(struct gemm_step *g, const struct view *a, const struct view *b, const struct view *c)
{
	for (int i = 0; i < c->rank - 2; i++) {
		int ai = i - (c->rank - a->rank), bi = i - (c->rank - b->rank);
		if (c->dim[i] == 1)
			continue;
		int n = g->nbatch++;
		g->batch[n] = c->dim[i];
		g->abatch[n] = ai < 0 || a->dim[ai] == 1 ? 0 : a->stride[ai];
		g->bbatch[n] = bi < 0 || b->dim[bi] == 1 ? 0 : b->stride[bi];
		g->cbatch[n] = c->stride[i];
	}
}

/* C in the other order: C^T = B^T A^T. */
static void turn(struct gemm_step *g)
{
	struct gemm_step o = *g;
	g->m = o.n;
	g->n = o.m;
	g->a = o.b;
	g->b = o.a;
	g->aoff = o.boff;
	g->boff = o.aoff;
	g->lda = o.ldb;
	g->ldb = o.lda;
	g->ta = !o.tb;
	g->tb = !o.ta;
	memcpy(g->abatch, o.bbatch, sizeof g->abatch);
	memcpy(g->bbatch, o.abatch, sizeof g->bbatch);
}

/* Products that are ready at the same time are one step. */
struct group {
	struct gemm_group all;
	struct view seen[3 * MOST_PRODUCTS];       /* what they read and write */
	struct view from[MOST_PRODUCTS], to[MOST_PRODUCTS]; /* results that must be copied on */
	int nseen, nback;
};

static void add_gemm(struct plan *p, const struct node *n, struct group *group)
{
	struct view a = *plan_view(p, n->in[0]), b = *plan_view(p, n->in[1]);
	const struct view *target = plan_target(p, n->out);
	if (p->failed)
		return;
	struct gemm_step g = {.m = a.dim[a.rank - 2], .n = b.dim[b.rank - 1], .k = a.dim[a.rank - 1], .half = n->half};
	struct view c = *target, to = *target;
	int turned;
	plan_operand(p, &a, n->konst, &g.ta, &g.lda);
	plan_operand(p, &b, n->konst, &g.tb, &g.ldb);
	if (plan_matrix(&c, &turned, &g.ldc)) {
		plan_scratch_like(p, &c, &to, n->konst);
		plan_matrix(&c, &turned, &g.ldc);
		group->from[group->nback] = c;
		group->to[group->nback++] = to;
	}
	batch_axes(&g, &a, &b, &c);
	g.a = a.buf;
	g.b = b.buf;
	g.c = c.buf;
	g.aoff = a.off;
	g.boff = b.off;
	g.coff = c.off;
	if (turned)
		turn(&g);
	if (gemm_group_add(&group->all, &g))
		p->failed = 1;
	group->seen[group->nseen++] = a;
	group->seen[group->nseen++] = b;
	group->seen[group->nseen++] = c;
}

static void end_group(struct plan *p, struct group *group, int once)
{
	struct step *s = p->failed ? NULL : plan_step(p, STEP_GEMM, once);
	if (!s) {
		step_done(&(struct step){.kind = STEP_GEMM, .u.gemm = group->all});
		return;
	}
	s->u.gemm = group->all;
	for (int i = 0; i < group->nseen; i++)
		plan_touch(p, once, &group->seen[i]);
	for (int i = 0; i < group->nback; i++)
		plan_copy(p, once, &group->to[i], &group->from[i]);
}

/* --- views, concat, the rest --- */

static void emit_view(struct plan *p, const struct node *n)
{
	struct value *v = &p->value[n->out];
	struct view in = *plan_view(p, n->in[0]), to;
	v->has_view = 1;
	switch (n->how) {
	case HOW_TRANSPOSE: view_transpose(&v->view, &in, n->perm); return;
	case HOW_BROADCAST: view_broadcast(&v->view, &in, v->rank, v->dim); return;
	case HOW_SLICE:
		v->view = in;
		view_slice(&v->view, n->axis, n->begin, n->size, n->step);
		return;
	case HOW_RESHAPE: break;
	}
	if (!view_reshape(&v->view, &in, v->rank, v->dim))
		return;
	v->has_view = 0;
	if (v->has_home && view_reshape(&to, &v->home, in.rank, in.dim))
		v->has_home = 0;
	const struct view *target = plan_target(p, n->out);
	if (p->failed)
		return;
	view_reshape(&to, target, in.rank, in.dim);
	plan_copy(p, n->konst, &to, &in);
}

static void emit_concat(struct plan *p, const struct node *n)
{
	const struct view *target = plan_target(p, n->out);
	if (p->failed)
		return;
	struct view whole = *target;
	int64_t at = 0;
	for (int i = 0; i < n->nin; i++) {
		struct view part = whole;
		int64_t size = p->value[n->in[i]].dim[n->axis];
		view_slice(&part, n->axis, at, size, 1);
		if (!view_same(&part, plan_view(p, n->in[i])))
			plan_copy(p, n->konst, &part, plan_view(p, n->in[i]));
		at += size;
	}
}

static void emit_gather(struct plan *p, const struct node *n)
{
	const struct view *target = plan_target(p, n->out);
	struct step *s = plan_step(p, STEP_GATHER, n->konst);
	if (p->failed || !s)
		return;
	s->u.gather = (struct gather_step){*plan_view(p, n->in[0]), *plan_view(p, n->in[1]), *target, n->axis, n->batch_dims};
	plan_touch(p, n->konst, plan_view(p, n->in[0]));
	plan_touch(p, n->konst, plan_view(p, n->in[1]));
	plan_touch(p, n->konst, target);
}

static void emit_im2col(struct plan *p, const struct node *n)
{
	const struct view *target = plan_target(p, n->out);
	struct step *s = plan_step(p, STEP_IM2COL, n->konst);
	if (p->failed || !s)
		return;
	s->u.im2col = (struct im2col_step){*plan_view(p, n->in[0]), *target, n->conv};
	plan_touch(p, n->konst, plan_view(p, n->in[0]));
	plan_touch(p, n->konst, target);
}

/* --- order --- */

static int operands_done(const struct plan *p, const struct node *n)
{
	for (int k = 0; k < n->nin; k++) {
		int maker = p->value[n->in[k]].node, c = maker < 0 ? -1 : p->node[maker].cluster;
		if (c >= 0 && c != n->cluster && !p->cluster[c].done)
			return 0;
	}
	return 1;
}

static int is_ready(const struct plan *p, int cluster)
{
	if (p->cluster[cluster].kind == CLUSTER_ONE)
		return operands_done(p, &p->node[cluster]);
	for (int i = 0; i < p->nnode; i++)
		if (p->node[i].cluster == cluster && !operands_done(p, &p->node[i]))
			return 0;
	return 1;
}

static int is_open(const struct plan *p, int i)
{
	int c = p->node[i].cluster;
	return c >= 0 && !p->cluster[c].done && is_ready(p, c);
}

static int emit_cluster(struct plan *p, int c)
{
	const struct node *n = &p->node[c];
	p->cluster[c].done = 1;
	if (p->cluster[c].kind != CLUSTER_ONE)
		return plan_emit_loop(p, c);
	switch (n->kind) {
	case NODE_VIEW: emit_view(p, n); break;
	case NODE_CONCAT: emit_concat(p, n); break;
	case NODE_GATHER: emit_gather(p, n); break;
	case NODE_IM2COL: emit_im2col(p, n); break;
	case NODE_ATTENTION: plan_emit_attention(p, n); break;
	case NODE_SCORES: plan_emit_scores(p, n); break;
	default: break;
	}
	return 0;
}

/* Views cost nothing and show which products are ready. */
static void emit_views(struct plan *p)
{
	for (int more = 1; more && !p->failed;) {
		more = 0;
		for (int i = 0; i < p->nnode; i++)
			if (p->node[i].kind == NODE_VIEW && is_open(p, i)) {
				emit_cluster(p, p->node[i].cluster);
				more = 1;
			}
	}
}

static int emit_gemms(struct plan *p, int konst)
{
	struct group *group = mem_zalloc(1, sizeof *group);
	int member[MOST_PRODUCTS], n = 0;
	if (!group)
		return err_nomem(p->err, "cpu: plan", sizeof *group);
	emit_views(p);
	for (int i = 0; i < p->nnode && n < MOST_PRODUCTS; i++)
		if (p->node[i].kind == NODE_GEMM && p->node[i].konst == konst && is_open(p, i))
			member[n++] = i;
	for (int k = 0; k < n && !p->failed; k++) {
		add_gemm(p, &p->node[member[k]], group);
		p->cluster[p->node[member[k]].cluster].done = 1;
	}
	end_group(p, group, konst);
	free(group);
	return 0;
}

static void emit_output(struct plan *p, int i)
{
	int b = 0;
	while (p->buf[b].kind != BUF_OUTPUT || p->buf[b].index != i)
		b++;
	const struct value *v = &p->value[p->output[i]];
	struct view whole;
	view_rows(&whole, b, v->rank, v->dim);
	if (!view_same(&whole, &v->view))
		plan_copy(p, 0, &whole, &v->view);
}

int plan_emit(struct plan *p)
{
	int r = 0;
	/* The first that is ready, in the order of the text: its operands are the likeliest to be in a cache. */
	for (int more = 1; more && !r && !p->failed;) {
		more = 0;
		for (int i = 0; i < p->nnode && !r && !p->failed; i++) {
			if (!is_open(p, i))
				continue;
			r = p->node[i].kind == NODE_GEMM ? emit_gemms(p, p->node[i].konst) : emit_cluster(p, p->node[i].cluster);
			more = 1;
		}
	}
	for (int i = 0; i < p->nnode && !r && !p->failed; i++)
		if (p->node[i].live && !p->cluster[p->node[i].cluster].done)
			return err_set(p->err, ERR_DEVICE, "cpu: plan: clusters wait for each other");
	for (int i = 0; i < p->noutput && !r && !p->failed; i++)
		emit_output(p, i);
	return r ? r : p->failed ? err_nomem(p->err, "cpu: plan", 1 << 20) : 0;
}
