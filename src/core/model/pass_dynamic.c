/* pass_dynamic.c: one layer forward and backward with the dynamic programs, and what they leave to the host: norms, the residual behind
 * attention, SwiGLU's gradient, a sum.
 *
 * Backward, dy standing over y: ffnBwdW2t gives dgate; dh1 and dh3, written over h1 and h3; ffnBwdW13t; the norm's backward plus dy gives
 * dx2, written over x2; wotBwd, sdpaBwd1, sdpaBwd2; qBwd and kvBwd each give a part of the gradient of the norm's output; the norm's
 * backward plus dx2 gives the dy of the layer below. Weight gradients as soon as what they need is there. SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "model/host.h"
#include "model/model_state.h"

/* sum = x + alpha o, out = norm of it; o NULL: of x. */
static void norm(struct model *m, enum param_kind kind, int l, float *sum, float *out, const float *x, const float *o)
{
	uint64_t t0 = clock_ns();
	host_add_norm(m->pool, sum, out, x, o, m->c->alpha, params_w(m->p, kind, l), m->T, m->c->dim, m->c->norm_eps);
	timing_add(m->timing, m->row[ROW_NORM_FWD], clock_ns() - t0, 0);
}

int dynamic_forward(struct model *m, int l, struct err *e)
{
	float *const *at = m->layer[l].place, *in = layer_input(m, l);
	norm(m, PARAM_NORM_ATT, l, NULL, at[PLACE_XNORM], in, NULL);
	int r = pass_run(m, l, PROGRAM_DYN_SDPA_FWD, e);
	if (r || (r = pass_run(m, l, PROGRAM_DYN_WO_FWD, e)))
		return r;
	norm(m, PARAM_NORM_FFN, l, at[PLACE_X2], at[PLACE_X2NORM], in, at[PLACE_O]);
	return pass_run(m, l, PROGRAM_DYN_FFN, e);
}

static int ffn_backward(struct model *m, int l, struct err *e)
{
	float *const *at = m->layer[l].place;
	int r = pass_run(m, l, PROGRAM_DYN_W2T_BWD, e);
	if (r)
		return r;
	pass_weight_grad(m, PARAM_W2, l, m->c->alpha, at[PLACE_Y], at[PLACE_GATE]);
	uint64_t t0 = clock_ns();
	host_swiglu_back(m->pool, at[PLACE_H1], at[PLACE_H3], at[PLACE_DGATE], at[PLACE_H1], at[PLACE_H3],
			 (size_t)m->T * (size_t)m->c->hidden);
	timing_add(m->timing, m->row[ROW_SWIGLU], clock_ns() - t0, 0);
	if ((r = pass_run(m, l, PROGRAM_DYN_W13T_BWD, e)))
		return r;
	pass_weight_grad(m, PARAM_W1, l, 1, at[PLACE_H1], at[PLACE_X2NORM]);
	pass_weight_grad(m, PARAM_W3, l, 1, at[PLACE_H3], at[PLACE_X2NORM]);
	return pass_norm_back(m, PARAM_NORM_FFN, l, at[PLACE_X2], at[PLACE_DX2NORM], at[PLACE_X2], at[PLACE_Y], e);
}

static int attn_backward(struct model *m, int l, struct err *e)
{
	static const enum program_id order[] = {PROGRAM_DYN_WOT_BWD, PROGRAM_DYN_SDPA_BWD1, PROGRAM_DYN_SDPA_BWD2};
	float *const *at = m->layer[l].place;
	pass_weight_grad(m, PARAM_WO, l, m->c->alpha, at[PLACE_X2], at[PLACE_ATTN]);
	for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
		int r = pass_run(m, l, order[i], e);
		if (r)
			return r;
	}
	pass_head_norm_grads(m, l);
	m->ticket[l % m->nset] = pass_qkv_grads(m, l);
	return 0;
}

int dynamic_backward(struct model *m, int l, struct err *e)
{
	float *const *at = m->layer[l].place, *below = layer_input(m, l);
	int r = ffn_backward(m, l, e);
	if (r || (r = attn_backward(m, l, e)) || (r = pass_run(m, l, PROGRAM_DYN_Q_BWD, e)) || (r = pass_run(m, l, PROGRAM_DYN_KV_BWD, e)))
		return r;
	uint64_t t0 = clock_ns();
	host_add(m->pool, at[PLACE_DXNORM], at[PLACE_DXKV], (size_t)m->T * (size_t)m->c->dim);
	timing_add(m->timing, m->row[ROW_NORM_BWD], clock_ns() - t0, 0);
	return pass_norm_back(m, PARAM_NORM_ATT, l, below, at[PLACE_DXNORM], below, at[PLACE_X2], e);
}
