/* pass.c: forward and backward through the model, and running one program. The order within a layer is pass_static.c's and
 * pass_dynamic.c's. Compiles nothing. SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "model/extras.h"
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
		for (int k = 0; k < s->npiece; k++)
			if (!s->piece[k].weight)
				surface_put(s->surface, s->piece[k].begin, s->piece[k].count, s->piece[k].host, s->piece[k].stride);
		if (!s->host)
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
	int forward = !program_is_backward(id);
	for (int i = 0; i < c->n; i++) {
		const struct call_tensor *t = &c->tensor[i];
		if (!t->is_output)
			continue;
		size_t n = (size_t)t->channels * (size_t)t->cols;
		struct host_scan seen = host_scan(m->pool, t->host, n);
		if (seen.top >= FP16_TOP && !s->overflow) {
			s->overflow = forward ? OVERFLOW_FORWARD : OVERFLOW_BACKWARD;
			if (layer < 0)
				snprintf(s->where, sizeof s->where, "%.20s", program_name(id));
			else
				snprintf(s->where, sizeof s->where, "%.18s of layer %d", program_name(id), layer);
		}
		s->entries += t->is_gradient ? n : 0;
		s->zeros += t->is_gradient ? seen.zeros : 0;
	}
}

const struct model_seen *model_seen(const struct model *m)
{
	return &m->seen;
}

int pass_call(struct model *m, const struct call *c, enum program_id id, int layer, struct err *e)
{
	const struct binding_perf *perf = binding_perf(c->binding);
	int own = !device_caps(m->device)->host_memory;
	int r = model_cancelled(m, e);
	if (r)
		return r;
	if (own)
		copy_tensors(m, c, 0);
	uint64_t before = perf->ns;
	if ((r = binding_run(c->binding, e)))
		return layer < 0 ? err_prefix(e, "%s", program_name(id)) : err_prefix(e, "%s: layer %d", program_name(id), layer), r;
	timing_add_layer(m->timing, m->program_row[id], perf->ns - before, perf->flops, layer);
	timing_chip(m->timing, m->program_row[id], perf->model_ns);
	if (own)
		copy_tensors(m, c, 1);
	if (device_caps(m->device)->fp16) {
		uint64_t t0 = clock_ns();
		look(m, c, layer, id);
		timing_add(m->timing, m->row[ROW_COPY], clock_ns() - t0, 0);
	}
	return 0;
}

int pass_run(struct model *m, int layer, enum program_id id, struct err *e)
{
	return pass_call(m, &m->layer[layer].call[id], id, layer, e);
}

/* --- forward --- */

static int layer_forward(struct model *m, int l, struct err *e)
{
	return m->o.pipeline == PIPELINE_DYNAMIC ? dynamic_forward(m, l, e) : static_forward(m, l, e);
}

/* recompute: what stands between layer l and the one above moves to or from where it is kept. */
static void keep(struct model *m, int l, int back)
{
	float *y = m->layer[l].place[PLACE_Y], *kept = m->layer[l + 1].input;
	uint64_t t0 = clock_ns();
	memcpy(back ? y : kept, back ? kept : y, (size_t)m->T * (size_t)m->c->dim * sizeof *y);
	timing_add(m->timing, m->row[ROW_KEEP], clock_ns() - t0, 0);
}

static int forward(struct model *m, const int *x, struct err *e)
{
	uint64_t t0 = clock_ns();
	host_embed(m->pool, m->x0, params_w(m->p, PARAM_EMBED, -1), x, m->T, m->c->dim);
	timing_add(m->timing, m->row[ROW_EMBED], clock_ns() - t0, 0);
	for (int l = 0; l < m->c->layers; l++) {
		int r = layer_forward(m, l, e);
		if (r)
			return r;
		if (m->recompute && l + 1 < m->c->layers)
			keep(m, l, 0);
	}
	return 0;
}

/* --- backward --- */

uint64_t pass_weight_grad(struct model *m, enum param_kind kind, int layer, float scale, const float *grad, const float *input)
{
	const struct param *t = params_find(m->p, kind, layer);
	if (t->frozen)
		return dw_latest(m->dw);
	return dw_add(m->dw, t->dim[0], t->dim[1], m->T, scale, grad, input, m->p->g + t->offset);
}

int pass_norm_back(struct model *m, enum param_kind kind, int layer, float *out, const float *dn, const float *x, const float *res,
		   struct err *e)
{
	if (m->extras)
		return extras_norm_back(m, kind, layer, out, dn, x, res, e);
	uint64_t t0 = clock_ns();
	host_norm_back(m->pool, out, params_g(m->p, kind, layer), dn, x, params_w(m->p, kind, layer), res, m->norm_part, m->T,
		       m->c->dim, m->c->norm_eps);
	timing_add(m->timing, m->row[ROW_NORM_BWD], clock_ns() - t0, 0);
	return 0;
}

/* dq dk dv lie one after the other; where the three matrices do too (no padding between them), one product makes all. */
uint64_t pass_qkv_grads(struct model *m, int l)
{
	const struct param *q = params_find(m->p, PARAM_WQ, l), *k = params_find(m->p, PARAM_WK, l);
	const struct param *v = params_find(m->p, PARAM_WV, l);
	float *const *at = m->layer[l].place;
	if (q->offset + q->count == k->offset && k->offset + k->count == v->offset && !q->frozen && !k->frozen && !v->frozen)
		return dw_add(m->dw, q->dim[0] + k->dim[0] + v->dim[0], q->dim[1], m->T, 1, at[PLACE_DQ], at[PLACE_XNORM], m->p->g + q->offset);
	pass_weight_grad(m, PARAM_WQ, l, 1, at[PLACE_DQ], at[PLACE_XNORM]);
	pass_weight_grad(m, PARAM_WK, l, 1, at[PLACE_DK], at[PLACE_XNORM]);
	return pass_weight_grad(m, PARAM_WV, l, 1, at[PLACE_DV], at[PLACE_XNORM]);
}

void pass_head_norm_grads(struct model *m, int l)
{
	if (!m->c->qk_norm)
		return;
	uint64_t t0 = clock_ns();
	host_add_rows(m->pool, params_g(m->p, PARAM_NORM_Q, l), m->layer[l].place[PLACE_DQNORM], m->T, m->c->head_dim);
	host_add_rows(m->pool, params_g(m->p, PARAM_NORM_K, l), m->layer[l].place[PLACE_DKNORM], m->T, m->c->head_dim);
	timing_add(m->timing, m->row[ROW_NORM_BWD], clock_ns() - t0, 0);
}

/* recompute: layer l's taps as its forward pass left them, and dy, which was kept over the input of the layer above, over y. The taps of the
 * last layers are still there. */
static int restore(struct model *m, int l, struct err *e)
{
	int r = l < m->c->layers - m->nset ? layer_forward(m, l, e) : 0;
	if (!r && l + 1 < m->c->layers)
		keep(m, l, 1);
	return r;
}

/* A norm's sum over tokens costs next to nothing beside dx: it is made all the same. */
static void clear_frozen_norms(struct model *m)
{
	for (int i = 0; i < m->p->n; i++) {
		const struct param *t = &m->p->table[i];
		if (t->frozen && t->rank == 1)
			memset(m->p->g + t->offset, 0, t->count * sizeof(float));
	}
}

/* The lowest layer that a gradient has to reach: below it all is frozen. */
static int lowest(const struct model *m)
{
	int l = m->c->layers;
	if (!params_find(m->p, PARAM_EMBED, -1)->frozen)
		return 0;
	for (int i = 0; i < m->p->n; i++)
		if (m->p->table[i].layer >= 0 && !m->p->table[i].frozen)
			l = MIN(l, m->p->table[i].layer);
	return l;
}

static int backward(struct model *m, const int *x, struct err *e)
{
	for (int l = m->c->layers, end = lowest(m); l-- > end;) {
		dw_wait(m->dw, m->ticket[l % m->nset]);
		int r = m->recompute ? restore(m, l, e) : 0;
		if (!r)
			r = m->o.pipeline == PIPELINE_DYNAMIC ? dynamic_backward(m, l, e) : static_backward(m, l, e);
		if (r)
			return r;
	}
	dw_wait_all(m->dw);
	head_finish(m);
	clear_frozen_norms(m);
	if (params_find(m->p, PARAM_EMBED, -1)->frozen)
		return 0;
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
	r = forward(m, x, e);
	r = r ? r : head_run(m, y, scale, 1, loss, e);
	if (!r && !isfinite(*loss)) {
		model_find_bad(m, &m->seen);
	} else if (!r) {
		timing_micro_turn(m->timing);
		r = backward(m, x, e);
	}
	dw_wait_all(m->dw); /* after a failure too: nobody may write gradients once this has returned */
	timing_micro_end(m->timing);
	return r;
}
