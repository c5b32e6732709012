/* head.c: final norm, classifier, cross-entropy and their gradients, in blocks of tokens so that the logits stay bounded.
 * SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/mem.h"
#include "device/gemm.h"
#include "model/host.h"
#include "model/model_state.h"

int head_block(int rows, int tokens)
{
	int64_t n = (64 << 20) / (4 * (int64_t)rows) / 16 * 16;
	return (int)MIN(MAX(n, 16), tokens);
}

void head_gather(struct model *m)
{
	if (m->active)
		active_gather(m->pool, m->table, m->p->w + params_head(m->p)->offset, m->active, m->c->dim);
}

/* dxf[:, t0..] = W^T dlogits^T. Summed over slices of the vocabulary: with all of it as one sum, panels of both operands fall out of
 * the cache (112 GFLOP/s instead of 220 for V = 32000 on two AVX-512 cores). */
static void back_to_hidden(struct model *m, const float *w, int t0, int n)
{
	enum { SLICE = 2048 };
	int64_t D = m->c->dim, V = m->rows, T = m->T;
	for (int64_t v = 0; v < V; v += SLICE)
		gemm(m->pool, 1, 1, D, n, MIN(SLICE, V - v), 1, w + v * D, D, m->logits + v, V, v > 0, m->dxf + t0, T);
}

/* Tokens [t0, t0 + n): logits[n, V] = xf W^T, losses; with grad dxf = W^T dlogits^T and dW += dlogits^T xf. */
static void head_rows(struct model *m, const int *y, int t0, int n, float each, int grad)
{
	const struct param *head = params_head(m->p);
	const float *w = m->active ? m->table : m->p->w + head->offset, *xf = m->xf + (size_t)t0 * (size_t)m->c->dim;
	int64_t D = m->c->dim, V = m->rows;
	float *g = m->active ? m->table_grad : m->p->g + head->offset;
	double flops = 2.0 * (double)D * (double)V * n;
	uint64_t t[4];
	t[0] = clock_ns();
	gemm(m->pool, 0, 1, n, V, D, 1, xf, D, w, D, 0, m->logits, V);
	t[1] = clock_ns();
	host_cross_entropy(m->pool, m->loss + t0, m->logits, y + t0, n, (int)V, each, grad);
	t[2] = clock_ns();
	if (grad) {
		back_to_hidden(m, w, t0, n);
		gemm(m->pool, 1, 0, V, D, n, 1, m->logits, V, xf, D, !m->active || t0 > 0, g, D);
	}
	t[3] = clock_ns();
	timing_add(m->timing, m->row[ROW_CLASSIFIER], t[1] - t[0] + t[3] - t[2], grad ? 3 * flops : flops);
	timing_add(m->timing, m->row[ROW_LOSS], t[2] - t[1], 0);
}

/* Targets as rows of the classifier. */
static const int *head_targets(struct model *m, const int *y)
{
	if (!m->active)
		return y;
	for (int t = 0; t < m->T; t++)
		m->target[t] = y[t] < 0 ? -1 : m->active->at[y[t]];
	return m->target;
}

int head_run(struct model *m, const int *y, float scale, int grad, double *loss, struct err *e)
{
	int D = m->c->dim, T = m->T, last = m->c->layers - 1, valid = 0;
	float *out = m->layer[last].place[PLACE_Y];
	const float *w = params_w(m->p, PARAM_NORM_OUT, -1);
	uint64_t t0 = clock_ns();
	host_norm(m->pool, m->xf, out, w, T, D, m->c->norm_eps);
	timing_add(m->timing, m->row[ROW_NORM], clock_ns() - t0, 0);
	for (int t = 0; t < T; t++)
		valid += y[t] >= 0;
	float each = valid ? scale / (float)valid : 0;
	y = head_targets(m, y);
	for (int t = 0; t < T; t += m->logit_rows) {
		int r = model_cancelled(m, e);
		if (r)
			return r;
		head_rows(m, y, t, MIN(m->logit_rows, T - t), each, grad);
	}
	double sum = 0;
	for (int t = 0; t < T; t++)
		sum += m->loss[t];
	*loss = valid ? sum / valid : 0;
	if (grad && m->active) {
		t0 = clock_ns();
		active_scatter_add(m->pool, m->p->g + params_head(m->p)->offset, m->table_grad, m->active, D);
		timing_add(m->timing, m->row[ROW_ROWS], clock_ns() - t0, 0);
	}
	if (grad) {
		t0 = clock_ns();
		host_norm_back(m->pool, out, params_g(m->p, PARAM_NORM_OUT, -1), m->dxf, out, w, NULL, m->norm_part, T, D,
			       m->c->norm_eps);
		timing_add(m->timing, m->row[ROW_NORM_BWD], clock_ns() - t0, 0);
	}
	return 0;
}
