/* emit_loop.c: one cluster of element-wise nodes to one fused loop. Decides no fusion.
 *
 * Operands and results become references with strides over the cluster's axes. Axes are put in the order of memory, axes of size
 * 1 go, neighbours that every reference walks through in one stride melt together, and the last one is the row.
 * SPDX-License-Identifier: MIT */
#include "device/cpu/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct loop {
	struct plan *p;
	const struct cluster *c;
	int id, konst;
	struct ew *w;
	int load_value[EW_LOADS], ins_node[EW_INS];
	struct view refs[EW_LOADS + 2 * EW_INS];  /* all of them, stretched to the cluster's dims */
	struct ew_ref *ref[EW_LOADS + 2 * EW_INS]; /* and where each goes */
	int nref, main;                            /* main: the reference whose order of axes is taken */
};

static int inside(const struct loop *l, int value)
{
	int maker = l->p->value[value].node;
	return maker >= 0 && l->p->node[maker].cluster == l->id;
}

static int is_full(const struct loop *l, int value)
{
	const struct value *v = &l->p->value[value];
	return v->rank == l->c->rank && !memcmp(v->dim, l->c->dim, (size_t)v->rank * sizeof *v->dim);
}

/* Read by somebody else, or wanted somewhere. */
static int leaves(const struct loop *l, int value)
{
	const struct value *v = &l->p->value[value];
	if (v->has_home)
		return 1;
	int here = 0;
	for (int i = 0; i < l->p->nnode; i++) {
		const struct node *n = &l->p->node[i];
		for (int k = 0; n->live && n->cluster == l->id && k < n->nin; k++)
			here += n->in[k] == value;
	}
	return here < v->nuse;
}

static int collect(struct loop *l)
{
	struct plan *p = l->p;
	struct ew *w = l->w;
	for (int i = 0; i < p->nnode; i++) {
		const struct node *n = &p->node[i];
		if (n->cluster != l->id)
			continue;
		l->konst = n->konst;
		p->value[n->out].slot = -1;
		if (w->nins == EW_INS)
			return -1;
		l->ins_node[w->nins++] = i;
		for (int k = 0; k < n->nin; k++)
			if (!inside(l, n->in[k]))
				p->value[n->in[k]].slot = -1;
	}
	for (int i = 0; i < w->nins; i++) {
		const struct node *n = &p->node[l->ins_node[i]];
		for (int k = 0; k < n->nin; k++) {
			struct value *v = &p->value[n->in[k]];
			if (inside(l, n->in[k]) || v->slot >= 0)
				continue;
			if (w->nload == EW_LOADS)
				return -1;
			l->load_value[w->nload] = n->in[k];
			v->slot = w->nload++;
		}
	}
	return 0;
}

static void reference(struct loop *l, const struct view *v, struct ew_ref *to)
{
	view_broadcast(&l->refs[l->nref], v, l->c->rank, l->c->dim);
	to->buf = v->buf;
	l->ref[l->nref++] = to;
}

static void set_ins(struct loop *l, int i)
{
	struct plan *p = l->p;
	const struct node *n = &p->node[l->ins_node[i]];
	struct ew_ins *s = &l->w->ins[i];
	*s = (struct ew_ins){.op = n->op, .reduce = n->reduce, .dst = l->w->nload + i, .p = n->p, .q = n->q, .acc = -1,
			      .half = n->half, .narrow = n->narrow};
	for (int k = 0; k < n->nin; k++)
		s->src[k] = p->value[n->in[k]].slot;
	p->value[n->out].slot = s->dst;
	l->w->scalar[s->dst] = !is_full(l, n->out);
	if (n->kind == NODE_SOFTMAX)
		s->kind = INS_SOFTMAX;
	else if (n->kind == NODE_REDUCE && l->c->kind == CLUSTER_COLUMN)
		s->kind = INS_ACC;
	else if (n->kind == NODE_REDUCE)
		s->kind = n->reduce == REDUCE_SUM ? INS_ROW_SUM : INS_ROW_MAX;
	else
		s->kind = n->op == EW_SELECT ? INS_SELECT : n->nin == 2 ? INS_BIN : INS_UN;
	l->w->whole_rows |= s->kind == INS_SOFTMAX || s->kind == INS_ROW_SUM || s->kind == INS_ROW_MAX;
	if (s->kind == INS_ACC) {
		s->acc = l->w->nacc++;
		l->w->acc[s->acc].op = n->reduce;
		l->w->acc[s->acc].half = n->half;
		l->w->acc[s->acc].narrow = n->narrow;
		const struct view *to = plan_target(p, n->out);
		if (to) /* else the plan has failed */
			reference(l, to, &l->w->acc[s->acc].to);
	}
}

/* The first operand that covers all elements: new results are laid out like it. */
static const struct view *pattern(const struct loop *l)
{
	for (int i = 0; i < l->w->nload; i++)
		if (is_full(l, l->load_value[i])) {
			const struct view *v = plan_view(l->p, l->load_value[i]);
			int repeats = 0;
			for (int a = 0; a < v->rank; a++)
				repeats |= v->dim[a] > 1 && v->stride[a] <= 0;
			if (!repeats)
				return v;
		}
	return NULL;
}

static void build(struct loop *l)
{
	struct plan *p = l->p;
	struct ew *w = l->w;
	const struct view *like = l->c->rowop ? NULL : pattern(l);
	l->main = -1;
	for (int i = 0; i < w->nload; i++) {
		if (l->main < 0 && like == plan_view(p, l->load_value[i]))
			l->main = l->nref;
		reference(l, plan_view(p, l->load_value[i]), &w->load[i]);
	}
	for (int i = 0; i < w->nins && !p->failed; i++) {
		set_ins(l, i);
		int v = p->node[l->ins_node[i]].out;
		w->direct[w->ins[i].dst] = -1;
		if (w->ins[i].kind == INS_ACC || !leaves(l, v))
			continue;
		const struct view *to = is_full(l, v) ? plan_target_like(p, v, like) : plan_target(p, v);
		if (p->failed)
			return;
		if (is_full(l, v) && w->nstore == 0)
			l->main = l->nref;
		w->store[w->nstore].slot = w->ins[i].dst;
		reference(l, to, &w->store[w->nstore++].to);
	}
	if (l->main < 0)
		l->main = 0;
}

/* --- axes --- */

static int64_t distance(int64_t stride)
{
	return stride < 0 ? -stride : stride;
}

/* The order in which the axes are walked, without the reduced one; the row last. */
static int order_axes(const struct loop *l, int *axis)
{
	const struct view *m = &l->refs[l->main];
	int n = 0, rank = l->c->rank, free_axes = l->c->rowop ? rank - 1 : rank;
	for (int a = 0; a < free_axes; a++) {
		if (l->c->dim[a] == 1 || a == l->c->axis)
			continue;
		int k = n++;
		for (; k > 0 && distance(m->stride[axis[k - 1]]) < distance(m->stride[a]); k--)
			axis[k] = axis[k - 1];
		axis[k] = a;
	}
	if (l->c->rowop)
		axis[n++] = rank - 1;
	return n;
}

static int melts(const struct loop *l, int outer, int inner)
{
	for (int i = 0; i < l->nref; i++)
		if (l->refs[i].stride[outer] != l->refs[i].stride[inner] * l->c->dim[inner])
			return 0;
	return 1;
}

static void put_axis(const struct loop *l, int64_t dim, int from)
{
	int at = l->w->rank++;
	l->w->dim[at] = dim;
	for (int i = 0; i < l->nref; i++)
		l->ref[i]->stride[at] = from < 0 ? 0 : l->refs[i].stride[from];
}

static void set_axes(struct loop *l)
{
	int axis[VIEW_RANK], n = order_axes(l, axis), kept = 0, last[VIEW_RANK];
	int64_t dim[VIEW_RANK];
	for (int i = 0; i < n; i++) {
		int is_row = l->c->rowop && i == n - 1;
		if (kept && !is_row && melts(l, last[kept - 1], axis[i])) {
			dim[kept - 1] *= l->c->dim[axis[i]];
			last[kept - 1] = axis[i];
			continue;
		}
		dim[kept] = l->c->dim[axis[i]];
		last[kept++] = axis[i];
	}
	for (int i = 0; i < l->nref; i++)
		l->ref[i]->off = l->refs[i].off;
	for (int i = 0; i + 1 < kept; i++)
		put_axis(l, dim[i], last[i]);
	if (l->c->kind == CLUSTER_COLUMN) {
		l->w->column = 1;
		l->w->axis = l->w->rank;
		put_axis(l, l->c->dim[l->c->axis], l->c->axis);
	}
	if (kept)
		put_axis(l, dim[kept - 1], last[kept - 1]);
	else
		put_axis(l, 1, -1);
}

/* --- slots --- */

static void choose_kernels(struct loop *l)
{
	struct ew *w = l->w;
	for (int i = 0; i < w->nins; i++) {
		struct ew_ins *s = &w->ins[i];
		int a = w->scalar[s->src[0]], b = w->scalar[s->src[1]], c = w->scalar[s->src[2]];
		enum simd_form form = a == b ? SIMD_VV : b ? SIMD_VS : SIMD_SV;
		int own = s->half == SIMD_HALF && (s->kind == INS_BIN ? w->simd->bin_half[s->op][form] != NULL
						   : s->kind == INS_UN && w->simd->un_half[s->op] != NULL);
		if (own)
			s->half = 0;
		if (s->kind == INS_BIN)
			s->bin = (own ? w->simd->bin_half : w->simd->bin)[s->op][form];
		else if (s->kind == INS_UN)
			s->un = (own ? w->simd->un_half : w->simd->un)[s->op];
		int all = s->kind == INS_BIN ? a && b : s->kind == INS_UN ? a : s->kind == INS_SELECT && a && b && c;
		s->fill = all && !w->scalar[s->dst];
	}
}

static int last_use(const struct ew *w, int slot)
{
	int last = -1;
	for (int i = 0; i < w->nins; i++)
		for (int k = 0; k < (w->ins[i].kind == INS_SELECT ? 3 : w->ins[i].kind == INS_BIN ? 2 : 1); k++)
			if (w->ins[i].src[k] == slot)
				last = i;
	for (int i = 0; i < w->nstore; i++)
		if (w->store[i].slot == slot)
			last = w->nins;
	return last;
}

/* Rows that lie in memory with stride 1 are used where they are; the others get a tile, reused after the last reader. */
static void choose_tiles(struct ew *w)
{
	int free_at[EW_SLOTS], row = w->rank - 1;
	for (int s = 0; s < w->nslot; s++)
		w->tile[s] = w->direct[s] = -1;
	for (int i = 0; i < w->nload; i++) {
		w->scalar[i] = w->load[i].stride[row] == 0;
		if (w->load[i].stride[row] != 0 && w->load[i].stride[row] != 1) {
			w->tile[i] = w->ntile;
			free_at[w->ntile++] = last_use(w, i);
		}
	}
	for (int i = 0; i < w->nstore; i++)
		if (!w->scalar[w->store[i].slot] && w->store[i].to.stride[row] == 1)
			w->direct[w->store[i].slot] = i;
	for (int i = 0; i < w->nins; i++) {
		int d = w->ins[i].dst, t = 0;
		if (w->scalar[d] || w->direct[d] >= 0 || w->ins[i].kind == INS_ACC)
			continue;
		while (t < w->ntile && free_at[t] > i)
			t++;
		if (t == w->ntile)
			w->ntile++;
		w->tile[d] = t;
		free_at[t] = last_use(w, d);
	}
}

static void touch_all(struct loop *l)
{
	struct view v = {0};
	for (int i = 0; i < l->nref; i++) {
		v.buf = l->ref[i]->buf;
		plan_touch(l->p, l->konst, &v);
	}
}

static int finish(struct loop *l)
{
	struct plan *p = l->p;
	struct ew *w = l->w;
	w->nslot = w->nload + w->nins;
	set_axes(l);
	choose_tiles(w);
	choose_kernels(l);
	ew_finish(w);
	struct step *s = plan_step(p, STEP_EW, l->konst);
	if (!s) {
		free(w);
		return err_nomem(p->err, "cpu: plan", sizeof *s);
	}
	s->u.ew = w;
	if (w->column) {
		int64_t n = w->nacc * w->rows * w->nblock * w->dim[w->rank - 1];
		w->partial = plan_buf(p, l->konst ? BUF_CONST : BUF_SCRATCH, n);
		plan_touch(p, l->konst, &(struct view){.buf = w->partial});
	}
	touch_all(l);
	p->lane = MAX(p->lane, ew_lane(w));
	return 0;
}

int plan_emit_loop(struct plan *p, int cluster)
{
	struct loop *l = mem_zalloc(1, sizeof *l);
	struct ew *w = mem_zalloc(1, sizeof *w);
	if (!l || !w) {
		free(l);
		free(w);
		return err_nomem(p->err, "cpu: plan", sizeof *l + sizeof *w);
	}
	l->p = p;
	l->c = &p->cluster[cluster];
	l->id = cluster;
	l->w = w;
	w->simd = p->simd;
	w->fixed_blocks = p->numerics.op != 0;
	int r = collect(l) ? err_set(p->err, ERR_DEVICE, "cpu: plan: a fused loop has too many operands") : 0;
	if (!r)
		build(l);
	if (r || p->failed)
		free(w);
	else
		r = finish(l);
	free(l);
	return r;
}

/* dst and src have equal dims. */
void plan_copy(struct plan *p, int once, const struct view *dst, const struct view *src)
{
	struct cluster c = {.kind = CLUSTER_EW, .rank = dst->rank, .axis = -1};
	struct loop *l = mem_zalloc(1, sizeof *l);
	struct ew *w = mem_zalloc(1, sizeof *w);
	if (!l || !w) {
		free(l);
		free(w);
		p->failed = 1;
		return;
	}
	memcpy(c.dim, dst->dim, sizeof c.dim);
	l->p = p;
	l->c = &c;
	l->konst = once;
	l->w = w;
	w->simd = p->simd;
	w->nload = w->nins = w->nstore = 1;
	reference(l, src, &w->load[0]);
	w->ins[0] = (struct ew_ins){.kind = INS_UN, .op = EW_MOV, .dst = 1};
	w->store[0].slot = 1;
	reference(l, dst, &w->store[0].to);
	l->main = 1;
	if (finish(l))
		p->failed = 1;
	p->ncopy += !once;
	free(l);
}
