/* pass.c: forward and backward through the layers: which program runs when, and the host work between. Compiles nothing.
 *
 * Backward of layer l, dy standing over y: ffnBwd; dW2 dW1 dW3; the norm's backward plus dy gives dx2, written over x2; dWo; sdpaBwd1, sdpaBwd2;
 * dWq dWk dWv; qkvBwd; the norm's backward plus dx2 gives the dy of the layer below, written over that layer's y, which nobody needs
 * any more. SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "model/host.h"
#include "model/model_state.h"

int model_cancelled(const struct model *m, struct err *e)
{
	if (m->cancel && atomic_load_explicit(m->cancel, memory_order_relaxed))
		return err_set(e, ERR_CANCEL, "interrupted");
	return 0;
}

static void copy_tensors(struct model *m, const struct call *c, int outputs)
{
	uint64_t t0 = clock_ns();
	for (int i = 0; i < c->n; i++) {
		const struct call_tensor *s = &c->tensor[i];
		if (s->is_output != outputs)
			continue;
		float *window = surface_window(s->surface, 0, s->channels, outputs ? SURFACE_READ : SURFACE_WRITE);
		size_t bytes = (size_t)s->channels * (size_t)s->cols * sizeof(float);
		memcpy(outputs ? s->host : window, outputs ? window : s->host, bytes);
		surface_release(s->surface);
	}
	timing_add(m->timing, m->row[ROW_COPY], clock_ns() - t0, 0);
}

/* Entries that no sum in fp16 can pass: what is stored is the largest number, or infinity. 32752 = 2^15 - 16. */
enum { FP16_TOP = 0x46ffe000 };

/* Looks at what a device that computes in fp16 gave back. */
static void look(struct model *m, const struct call *c, int layer, enum program_id id)
{
	struct model_seen *s = &m->seen;
	int forward = id <= PROGRAM_FWD_FFN;
	for (int i = 0; i < c->n; i++) {
		const struct call_tensor *t = &c->tensor[i];
		if (!t->is_output)
			continue;
		size_t n = (size_t)t->channels * (size_t)t->cols;
		struct host_scan seen = host_scan(m->pool, t->host, n);
		if (seen.top >= FP16_TOP && !s->overflow) {
			s->overflow = forward ? OVERFLOW_FORWARD : OVERFLOW_BACKWARD;
			snprintf(s->where, sizeof s->where, "%.20s of layer %d", program_name(id), layer);
		}
		s->entries += t->is_gradient ? n : 0;
		s->zeros += t->is_gradient ? seen.zeros : 0;
	}
}

const struct model_seen *model_seen(const struct model *m)
{
	return &m->seen;
}

static int run(struct model *m, int layer, enum program_id id, struct err *e)
{
	const struct call *c = &m->layer[layer].call[id];
	const struct binding_perf *perf = binding_perf(c->binding);
	int own = !device_caps(m->device)->host_memory;
	int r = model_cancelled(m, e);
	if (r)
		return r;
	if (own)
		copy_tensors(m, c, 0);
	uint64_t before = perf->ns;
	if ((r = binding_run(c->binding, e)))
		return err_prefix(e, "%s: layer %d", program_name(id), layer), r;
	timing_add(m->timing, m->program_row[id], perf->ns - before, perf->flops);
	if (own)
		copy_tensors(m, c, 1);
	if (device_caps(m->device)->fp16) {
		uint64_t t0 = clock_ns();
		look(m, c, layer, id);
		timing_add(m->timing, m->row[ROW_COPY], clock_ns() - t0, 0);
	}
	return 0;
}

/* --- forward --- */

static int forward(struct model *m, const int *x, struct err *e)
{
	uint64_t t0 = clock_ns();
	host_embed(m->pool, m->x0, params_w(m->p, PARAM_EMBED, -1), x, m->T, m->c->dim);
	timing_add(m->timing, m->row[ROW_EMBED], clock_ns() - t0, 0);
	for (int l = 0; l < m->c->layers; l++) {
		int r = run(m, l, PROGRAM_FWD_ATTN, e);
		if (r || (r = run(m, l, PROGRAM_FWD_FFN, e)))
			return r;
	}
	return 0;
}

/* --- backward --- */

/* dW[out, in] += scale * grad[out, T] * input[in, T]^T for one matrix. */
static uint64_t weight_grad(struct model *m, enum param_kind kind, int layer, float scale, const float *grad, const float *input)
{
	const struct param *t = params_find(m->p, kind, layer);
	return dw_add(m->dw, t->dim[0], t->dim[1], m->T, scale, grad, input, m->p->g + t->offset);
}

/* out = norm's backward + res, for the norm `kind` of a layer; x is overwritten when out is x. */
static void norm_back(struct model *m, enum param_kind kind, int layer, float *out, const float *dn, const float *x,
		      const float *res)
{
	uint64_t t0 = clock_ns();
	host_norm_back(m->pool, out, params_g(m->p, kind, layer), dn, x, params_w(m->p, kind, layer), res, m->norm_part, m->T,
		       m->c->dim, m->c->norm_eps);
	timing_add(m->timing, m->row[ROW_NORM_BWD], clock_ns() - t0, 0);
}

static int ffn_backward(struct model *m, int l, struct scratch *s, struct err *e)
{
	int r = run(m, l, PROGRAM_FFN_BWD, e);
	if (r)
		return r;
	float *dy = ffn_tap(m, l, "y"), *x2 = attn_tap(m, l, "x2"), *xnorm = ffn_tap(m, l, "x2norm");
	weight_grad(m, PARAM_W2, l, m->c->alpha, dy, ffn_tap(m, l, "gate"));
	weight_grad(m, PARAM_W1, l, 1, layer_tap(m, s->ffn_grad, PROGRAM_FFN_BWD, "dh1"), xnorm);
	s->ticket = weight_grad(m, PARAM_W3, l, 1, layer_tap(m, s->ffn_grad, PROGRAM_FFN_BWD, "dh3"), xnorm);
	norm_back(m, PARAM_NORM_FFN, l, x2, layer_tap(m, s->ffn_grad, PROGRAM_FFN_BWD, "dx2norm"), x2, dy);
	return 0;
}

/* Where qkvBwd finds the gradient of q, k or v. */
static const float *qkv_tap(const struct model *m, const struct scratch *s, const char *name)
{
	return s->qkv_grad + (size_t)program_channel(&m->program[PROGRAM_QKV_BWD], "x", name)->offset * (size_t)m->T;
}

/* dq dk dv lie one after the other; where the three matrices do too (no padding between them), one product makes all. */
static uint64_t qkv_weight_grads(struct model *m, int l, const struct scratch *s, const float *xnorm)
{
	const struct param *q = params_find(m->p, PARAM_WQ, l), *k = params_find(m->p, PARAM_WK, l);
	const struct param *v = params_find(m->p, PARAM_WV, l);
	if (q->offset + q->count == k->offset && k->offset + k->count == v->offset)
		return dw_add(m->dw, q->dim[0] + k->dim[0] + v->dim[0], q->dim[1], m->T, 1, qkv_tap(m, s, "dq"), xnorm,
			      m->p->g + q->offset);
	weight_grad(m, PARAM_WQ, l, 1, qkv_tap(m, s, "dq"), xnorm);
	weight_grad(m, PARAM_WK, l, 1, qkv_tap(m, s, "dk"), xnorm);
	return weight_grad(m, PARAM_WV, l, 1, qkv_tap(m, s, "dv"), xnorm);
}

static int attn_backward(struct model *m, int l, struct scratch *s, struct err *e)
{
	float *dx2 = attn_tap(m, l, "x2"), *xnorm = attn_tap(m, l, "xnorm");
	float *below = l ? ffn_tap(m, l - 1, "y") : m->x0;
	weight_grad(m, PARAM_WO, l, m->c->alpha, dx2, attn_tap(m, l, "attn"));
	int r = run(m, l, PROGRAM_SDPA_BWD1, e);
	if (r || (r = run(m, l, PROGRAM_SDPA_BWD2, e)))
		return r;
	s->ticket = qkv_weight_grads(m, l, s, xnorm);
	if ((r = run(m, l, PROGRAM_QKV_BWD, e)))
		return r;
	norm_back(m, PARAM_NORM_ATT, l, below, m->dnorm, below, dx2);
	return 0;
}

static int backward(struct model *m, const int *x, struct err *e)
{
	for (int l = m->c->layers; l-- > 0;) {
		struct scratch *s = &m->set[l % m->nset];
		dw_wait(m->dw, s->ticket);
		int r = ffn_backward(m, l, s, e);
		if (r || (r = attn_backward(m, l, s, e)))
			return r;
	}
	dw_wait_all(m->dw);
	uint64_t t0 = clock_ns();
	host_embed_back(m->pool, params_g(m->p, PARAM_EMBED, -1), m->x0, x, m->T, m->c->dim);
	timing_add(m->timing, m->row[ROW_EMBED_BWD], clock_ns() - t0, 0);
	return 0;
}

/* --- the door --- */

static int check_ids(const struct model *m, const int *x, const int *y, struct err *e)
{
	for (int t = 0; t < m->T; t++)
		if (x[t] < 0 || x[t] >= m->c->vocab || y[t] < -1 || y[t] >= m->c->vocab)
			return err_set(e, ERR_RANGE, "model: token %d: ids %d and %d: outside the vocabulary of %d", t, x[t], y[t],
				       m->c->vocab);
	for (int t = 0; m->active && t < m->T; t++)
		if (y[t] >= 0 && m->active->at[y[t]] < 0)
			return err_set(e, ERR_RANGE, "model: token %d: target %d: not among the %d rows of the classifier (set vocab.compact off)",
				       t, y[t], m->rows);
	return 0;
}

int model_loss(struct model *m, const int *x, const int *y, double *loss, struct err *e)
{
	int r = check_ids(m, x, y, e);
	if (r || (r = forward(m, x, e)))
		return r;
	return head_run(m, y, 1, 0, loss, e);
}

int model_micro_step(struct model *m, const int *x, const int *y, float scale, double *loss, struct err *e)
{
	if (!m->train)
		return err_set(e, ERR_STATE, "model: %s: was made without gradients", m->c->name);
	int r = check_ids(m, x, y, e);
	if (r)
		return r;
	timing_micro_begin(m->timing);
	m->seen = (struct model_seen){0};
	if (!(r = forward(m, x, e)) && !(r = head_run(m, y, scale, 1, loss, e)))
		r = backward(m, x, e);
	dw_wait_all(m->dw); /* after a failure too: nobody may write gradients once this has returned */
	timing_micro_end(m->timing);
	return r;
}
