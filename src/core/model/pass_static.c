/* pass_static.c: one layer forward and backward with the static programs: which runs when, and the host work between.
 *
 * Backward, dy standing over y: ffnBwd; dW2 dW1 dW3; the norm's backward plus dy gives dx2, written over x2; dWo; sdpaBwd1, sdpaBwd2;
 * dWq dWk dWv; qkvBwd; the norm's backward plus dx2 gives the dy of the layer below, written over that layer's y, which nobody needs
 * any more. SPDX-License-Identifier: MIT */
#include "model/model_state.h"

int static_forward(struct model *m, int l, struct err *e)
{
	int r = pass_run(m, l, PROGRAM_FWD_ATTN, e);
	return r ? r : pass_run(m, l, PROGRAM_FWD_FFN, e);
}

static int ffn_backward(struct model *m, int l, struct err *e)
{
	float *const *at = m->layer[l].place;
	int r = pass_run(m, l, PROGRAM_FFN_BWD, e);
	if (r)
		return r;
	pass_weight_grad(m, PARAM_W2, l, m->c->alpha, at[PLACE_Y], at[PLACE_GATE]);
	pass_weight_grad(m, PARAM_W1, l, 1, at[PLACE_DH1], at[PLACE_X2NORM]);
	m->ticket[l % m->nset] = pass_weight_grad(m, PARAM_W3, l, 1, at[PLACE_DH3], at[PLACE_X2NORM]);
	return pass_norm_back(m, PARAM_NORM_FFN, l, at[PLACE_X2], at[PLACE_DX2NORM], at[PLACE_X2], at[PLACE_Y], e);
}

int static_backward(struct model *m, int l, struct err *e)
{
	float *const *at = m->layer[l].place, *below = layer_input(m, l);
	int r = ffn_backward(m, l, e);
	if (r)
		return r;
	pass_weight_grad(m, PARAM_WO, l, m->c->alpha, at[PLACE_X2], at[PLACE_ATTN]);
	if ((r = pass_run(m, l, PROGRAM_SDPA_BWD1, e)) || (r = pass_run(m, l, PROGRAM_SDPA_BWD2, e)))
		return r;
	pass_head_norm_grads(m, l);
	m->ticket[l % m->nset] = pass_qkv_grads(m, l);
	if ((r = pass_run(m, l, PROGRAM_QKV_BWD, e)))
		return r;
	return pass_norm_back(m, PARAM_NORM_ATT, l, below, at[PLACE_DXNORM], below, at[PLACE_X2], e);
}
