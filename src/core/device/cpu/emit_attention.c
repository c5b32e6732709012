/* emit_attention.c: the steps of attention, forward and back, with where each operand lies. Decides nothing: attention.c has.
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/mem.h"
#include "device/cpu/plan.h"

void plan_emit_attention(struct plan *p, const struct node *n)
{
	const struct view *target = plan_target(p, n->out);
	if (p->failed)
		return;
	struct view to = *target, v[ATT_N] = {*plan_view(p, n->in[0]), *plan_view(p, n->in[1]), *plan_view(p, n->in[2]), n->mask, to};
	struct attention_step s = {.simd = p->simd, .scale = -1, .m = to.dim[to.rank - 2], .ev = to.dim[to.rank - 1],
				   .e = v[ATT_Q].dim[v[ATT_Q].rank - 1], .n = v[ATT_K].dim[v[ATT_K].rank - 1]};
	plan_operand(p, &v[ATT_Q], 0, &s.tq, &s.ldq);
	plan_operand(p, &v[ATT_K], 0, &s.tk, &s.ldk);
	plan_operand(p, &v[ATT_V], 0, &s.tv, &s.ldv);
	if (plan_matrix(&v[ATT_OUT], &s.turned, &s.ldo)) {
		plan_scratch_like(p, &v[ATT_OUT], &to, 0);
		plan_matrix(&v[ATT_OUT], &s.turned, &s.ldo);
	}
	s.mask_row = n->mask.stride[n->mask.rank - 2];
	for (int i = 0; i < to.rank - 2; i++) {
		if (to.dim[i] == 1)
			continue;
		for (int o = 0; o < ATT_N; o++) {
			int a = i - (to.rank - v[o].rank);
			s.stride[o][s.nbatch] = a < 0 || v[o].dim[a] == 1 ? 0 : v[o].stride[a];
		}
		s.batch[s.nbatch++] = to.dim[i];
	}
	struct step *step = plan_step(p, STEP_ATTENTION, 0);
	if (!step)
		return;
	for (int o = 0; o < ATT_N; o++) {
		s.buf[o] = v[o].buf;
		s.off[o] = v[o].off;
		plan_touch(p, 0, &v[o]);
	}
	if (n->nin == 5) {
		s.scale = plan_view(p, n->in[4])->buf;
		s.scale_off = plan_view(p, n->in[4])->off;
		plan_touch(p, 0, plan_view(p, n->in[4]));
	}
	step->u.attention = s;
	p->lane = MAX(p->lane, attention_lane(&s));
	if (!view_same(&v[ATT_OUT], &to))
		plan_copy(p, 0, &to, &v[ATT_OUT]);
}

/* --- the way back --- */

/* Where a value is seen as [b.., groups, rows, cols]; copied when strides can not say it. */
static void seen_as(struct plan *p, struct view *v, int rank, const int64_t *dim)
{
	struct view in = *v;
	if (!view_reshape(v, &in, rank, dim))
		return;
	struct view to;
	plan_scratch_like(p, &to, &in, 0);
	plan_copy(p, 0, &to, &in);
	view_reshape(v, &to, rank, dim);
}

/* Row after row, as the loops over scores want it. */
static void as_rows(struct plan *p, struct view *v, struct scores_operand *o)
{
	struct view to;
	if (!plan_matrix(v, &o->turned, &o->ld) && !o->turned)
		return;
	plan_scratch_like(p, &to, v, 0);
	plan_copy(p, 0, &to, v);
	*v = to;
	plan_matrix(v, &o->turned, &o->ld);
}

/* The same for a result; 1: it goes to scratch first and must be copied on. */
static int made_as(struct plan *p, struct view *v, int rank, const int64_t *dim, int rows, struct scores_operand *o)
{
	struct view to = *v;
	if (!view_reshape(v, &to, rank, dim) && !plan_matrix(v, &o->turned, &o->ld) && !(rows && o->turned))
		return 0;
	view_rows(v, plan_buf(p, BUF_SCRATCH, view_count(&to)), rank, dim);
	plan_matrix(v, &o->turned, &o->ld);
	return 1;
}

static void place_operand(struct scores_operand *o, const struct view *v, const struct view *sum)
{
	int n = 0;
	o->buf = v->buf;
	o->off = v->off;
	o->group = v->dim[v->rank - 3] == 1 ? 0 : v->stride[v->rank - 3];
	for (int i = 0; i < v->rank - 3; i++)
		if (sum->dim[i] > 1)
			o->stride[n++] = v->stride[i];
}

static void whole_dims(int64_t *dim, const struct value *sum, int64_t groups, int64_t rows, int64_t cols)
{
	memcpy(dim, sum->dim, (size_t)(sum->rank - 2) * sizeof *dim);
	dim[sum->rank - 2] = groups;
	dim[sum->rank - 1] = rows;
	dim[sum->rank] = cols;
}

void plan_emit_scores(struct plan *p, const struct node *n)
{
	const struct value *sum = &p->value[n->also];
	int back = n->scores == SCORES_BACK, rank = sum->rank + 1, made = back ? SCORES_OTHER : SCORES_P;
	int64_t dim[VIEW_RANK], R = n->groups, m = n->rows, cols = sum->dim[sum->rank - 2], ev = sum->dim[sum->rank - 1], e = n->inner;
	int64_t shape[SCORES_N][3] = {{R, m, cols}, {R, m, ev}, {1, cols, ev}, {R, m, back ? cols : e}, {1, back ? cols : e, back ? e : cols}, {R, m, back ? e : cols}};
	struct scores_step s = {.simd = p->simd, .how = n->scores, .groups = R, .m = m, .n = cols, .e = e, .ev = ev, .scale = -1};
	struct view v[SCORES_N], to[SCORES_N];
	int copied[SCORES_N] = {0};
	for (int o = 0; o < SCORES_N && !p->failed; o++) {
		int result = o == made || o == SCORES_SUM;
		const struct view *at = o == SCORES_SUM ? plan_target(p, n->also) : o == made ? plan_target(p, n->out) : plan_view(p, n->in[o]);
		if (p->failed)
			return;
		v[o] = to[o] = o == SCORES_OTHER && !back ? n->mask : *at;
		whole_dims(dim, sum, shape[o][0], shape[o][1], shape[o][2]);
		if (result) {
			copied[o] = made_as(p, &v[o], rank, dim, o == SCORES_P, &s.op[o]);
			continue;
		}
		seen_as(p, &v[o], rank, dim);
		if (o == SCORES_OTHER)
			s.op[o].ld = v[o].stride[rank - 2]; /* 0 where all rows have one mask */
		else if (o == SCORES_P || (back && o == SCORES_IN))
			as_rows(p, &v[o], &s.op[o]);
		else
			plan_operand(p, &v[o], 0, &s.op[o].turned, &s.op[o].ld);
	}
	for (int i = 0; i < sum->rank - 2; i++)
		if (sum->dim[i] > 1)
			s.batch[s.nbatch++] = sum->dim[i];
	struct step *step = p->failed ? NULL : plan_step(p, STEP_SCORES, 0);
	if (!step)
		return;
	struct view whole = v[SCORES_SUM];
	for (int o = 0; o < SCORES_N; o++) {
		place_operand(&s.op[o], &v[o], &whole);
		plan_touch(p, 0, &v[o]);
	}
	if (n->nin > SCORES_N) {
		s.scale = plan_view(p, n->in[SCORES_N])->buf;
		s.scale_off = plan_view(p, n->in[SCORES_N])->off;
		plan_touch(p, 0, plan_view(p, n->in[SCORES_N]));
	}
	step->u.scores = s;
	p->lane = MAX(p->lane, scores_lane(&s));
	for (int o = 0; o < SCORES_N; o++)
		if (copied[o]) {
			struct view from;
			view_reshape(&from, &v[o], to[o].rank, to[o].dim);
			plan_copy(p, 0, &to[o], &from);
		}
}
