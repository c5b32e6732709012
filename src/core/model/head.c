/* head.c: final norm, classifier, cross-entropy and their gradients, in blocks of tokens so that the logits stay bounded.
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/trace.h"
#include "device/gemm.h"
#include "model/extras.h"
#include "model/host.h"
#include "model/model_state.h"

/* Slices of equal size, but for the last. */
int head_block(int rows, int tokens)
{
	int64_t most = MAX((80 << 20) / (4 * (int64_t)rows) / 16 * 16, 16), n = (tokens + most - 1) / most;
	return (int)MIN(((tokens + n - 1) / n + 15) / 16 * 16, tokens);
}

const float *head_weights(const struct model *m)
{
	return m->active ? m->table : m->p->w + params_head(m->p)->offset;
}

float *head_grad(const struct model *m)
{
	return m->active ? m->table_grad : m->p->g + params_head(m->p)->offset;
}

void head_gather(struct model *m)
{
	if (m->active)
		active_gather(m->pool, m->table, m->p->w + params_head(m->p)->offset, m->active, m->c->dim);
}

/* dxf[:, t0..] = W^T dlogits^T. Summed over slices of the vocabulary: with all of it as one sum, panels of both operands fall out of
 * the cache (112 GFLOP/s instead of 220 for V = 32000 on two AVX-512 cores). The longer axis stands in the rows of the product: with more
 * tokens than channels it is made as [n, D], over xf which nobody needs any more, and turned (2048 x 128 by 512 tokens: 310 GFLOP/s, not 217). */
static void back_to_hidden(struct model *m, const float *w, float *xf, int t0, int n)
{
	enum { SLICE = 2048 };
	int64_t D = m->c->dim, V = m->rows, T = m->T;
	for (int64_t v = 0; v < V; v += SLICE) {
		int64_t k = MIN(SLICE, V - v);
		if (n > D)
			gemm(m->pool, 0, 0, n, D, k, 1, m->logits + v, V, w + v * D, D, v > 0, xf, D);
		else
			gemm(m->pool, 1, 1, D, n, k, 1, w + v * D, D, m->logits + v, V, v > 0, m->dxf + t0, T);
	}
	if (n > D)
		host_turn(m->pool, m->dxf + t0, xf, n, (int)D, (int)T);
}

/* Tokens [t0, t0 + n): logits[n, V] = xf W^T, losses; with grad dxf = W^T dlogits^T and dW += dlogits^T xf. */
static void head_rows(struct model *m, const int *y, int t0, int n, float each, int grad)
{
	const float *w = head_weights(m);
	float *xf = m->xf + (size_t)t0 * (size_t)m->c->dim;
	int64_t D = m->c->dim, V = m->rows;
	int frozen = params_head(m->p)->frozen;
	double flops = 2.0 * (double)D * (double)V * n;
	uint64_t t[4];
	t[0] = clock_ns();
	gemm(m->pool, 0, 1, n, V, D, 1, xf, D, w, D, 0, m->logits, V);
	t[1] = clock_ns();
	host_cross_entropy(m->pool, m->loss + t0, m->logits, y + t0, n, (int)V, each, grad);
	t[2] = clock_ns();
	if (grad) {
		if (!frozen)
			gemm(m->pool, 1, 0, V, D, n, 1, m->logits, V, xf, D, !m->active || t0 > 0, head_grad(m), D);
		back_to_hidden(m, w, xf, t0, n);
	}
	t[3] = clock_ns();
	timing_count(m->timing, m->row[ROW_CLASSIFIER], t[1] - t[0] + t[3] - t[2], (grad ? 3 - frozen : 1) * flops);
	timing_count(m->timing, m->row[ROW_LOSS], t[2] - t[1], 0);
	trace_span(TRACE_HOST, "classifier", t[0], t[1], TRACE_NONE);
	trace_span(TRACE_HOST, "loss", t[1], t[2], TRACE_NONE);
	if (grad)
		trace_span(TRACE_HOST, "classifier back", t[2], t[3], TRACE_NONE);
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

/* Losses, and with grad m->dxf and the classifier's gradient. */
static int host_head(struct model *m, const int *y, float each, int grad, struct err *e)
{
	uint64_t t0 = clock_ns();
	host_norm(m->pool, m->xf, m->layer[m->c->layers - 1].place[PLACE_Y], params_w(m->p, PARAM_NORM_OUT, -1), m->T, m->c->dim, m->c->norm_eps);
	timing_add(m->timing, m->row[ROW_NORM], clock_ns() - t0, 0);
	for (int t = 0; t < m->T; t += m->logit_rows) {
		int r = model_cancelled(m, e);
		if (r)
			return r;
		head_rows(m, y, t, MIN(m->logit_rows, m->T - t), each, grad);
	}
	return 0;
}

int head_run(struct model *m, const int *y, float scale, int grad, double *loss, struct err *e)
{
	int T = m->T, valid = 0;
	float *out = m->layer[m->c->layers - 1].place[PLACE_Y];
	double sum = 0;
	for (int t = 0; t < T; t++)
		valid += y[t] >= 0;
	float each = valid ? scale / (float)valid : 0;
	y = head_targets(m, y);
	int r = m->extras ? extras_head(m, y, each, grad ? head_grad(m) : NULL, e) : host_head(m, y, each, grad, e);
	if (r)
		return r;
	for (int t = 0; t < T; t++)
		sum += m->loss[t];
	*loss = valid ? sum / valid : 0;
	return grad ? pass_norm_back(m, PARAM_NORM_OUT, -1, out, m->dxf, out, NULL, e) : 0;
}

void head_finish(struct model *m)
{
	const struct param *head = params_head(m->p);
	/* The device's classifier makes its gradient all the same. */
	if (head->frozen && m->extras && !m->active)
		memset(m->p->g + head->offset, 0, head->count * sizeof(float));
	if (!m->active || head->frozen)
		return;
	uint64_t t0 = clock_ns();
	active_scatter_add(m->pool, m->p->g + params_head(m->p)->offset, m->table_grad, m->active, m->c->dim);
	timing_add(m->timing, m->row[ROW_ROWS], clock_ns() - t0, 0);
}
