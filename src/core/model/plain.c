/* plain.c: the whole model in double precision and straight loops, forward beside backward. No speed.
 *
 * Token-major here: activations are [T, C] row by row, one sequence at a time. Formulas: RMSNorm (Zhang, Sennrich 2019), RoPE
 * (Su et al. 2021), SwiGLU (Shazeer 2020), grouped queries (Ainslie et al. 2023), norms of q and k (Qwen3; Henry et al. 2020). `d` before a name is d(loss)/d(name).
 * SPDX-License-Identifier: MIT */
#include "model/plain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* What the forward pass of one layer leaves for the backward pass. T = tokens of the sequence. */
struct layer_acts {
	double *x;           /* [T, D] input */
	double *n1;          /* [T, D] its norm */
	double *q, *k, *v;   /* [T, H*HD], [T, KV*HD], [T, KV*HD]; q and k after RoPE */
	double *q_raw, *k_raw; /* qk_norm: before the norm of each head; else q and k */
	double *probs;       /* [H, T, T] */
	double *attn;        /* [T, H*HD] heads side by side, before Wo */
	double *x2;          /* [T, D] after attention */
	double *n2;          /* [T, D] its norm */
	double *h1, *h3;     /* [T, F] */
	double *gate;        /* [T, F] silu(h1) * h3 */
};

struct plain {
	const struct params *p;
	const struct model_config *c;
	const double *w;
	double *g;
	int T;
	struct layer_acts *layer;
	double *y, *n, *logits; /* [T, D] last output, [T, D] its norm, [T, V] */
	double *memory;
};

static const double *weight(const struct plain *s, enum param_kind kind, int layer)
{
	return s->w + params_find(s->p, kind, layer)->offset;
}

static double *grad(const struct plain *s, enum param_kind kind, int layer)
{
	return s->g + params_find(s->p, kind, layer)->offset;
}

/* --- one operation, forward beside backward; backward adds to its outputs --- */

/* out[t, o] = sum_i w[o, i] x[t, i] */
static void linear(double *out, const double *x, const double *w, int T, int O, int I)
{
	for (int t = 0; t < T; t++)
		for (int o = 0; o < O; o++) {
			double sum = 0;
			for (int i = 0; i < I; i++)
				sum += w[(size_t)o * I + i] * x[(size_t)t * I + i];
			out[(size_t)t * O + o] = sum;
		}
}

static void linear_back(double *dx, double *dw, const double *dout, const double *x, const double *w, int T, int O, int I)
{
	for (int t = 0; t < T; t++)
		for (int o = 0; o < O; o++) {
			double d = dout[(size_t)t * O + o];
			for (int i = 0; i < I; i++) {
				dx[(size_t)t * I + i] += d * w[(size_t)o * I + i];
				dw[(size_t)o * I + i] += d * x[(size_t)t * I + i];
			}
		}
}

static double norm_scale(const double *x, int D, double eps)
{
	double ss = 0;
	for (int i = 0; i < D; i++)
		ss += x[i] * x[i];
	return 1 / sqrt(ss / D + eps);
}

/* out = w * x / sqrt(mean(x^2) + eps) for each token */
static void rmsnorm(double *out, const double *x, const double *w, int T, int D, double eps)
{
	for (int t = 0; t < T; t++, x += D, out += D) {
		double r = norm_scale(x, D, eps);
		for (int i = 0; i < D; i++)
			out[i] = w[i] * x[i] * r;
	}
}

/* With u = dout * w: dx = r * (u - x * sum(u * x) * r^2 / D), dw = sum over tokens of dout * x * r. */
static void rmsnorm_back(double *dx, double *dw, const double *dout, const double *x, const double *w, int T, int D, double eps)
{
	for (int t = 0; t < T; t++, x += D, dx += D, dout += D) {
		double r = norm_scale(x, D, eps), dot = 0;
		for (int i = 0; i < D; i++)
			dot += dout[i] * w[i] * x[i];
		for (int i = 0; i < D; i++) {
			dx[i] += r * (dout[i] * w[i] - x[i] * dot * r * r / D);
			dw[i] += dout[i] * x[i] * r;
		}
	}
}

/* Turns the pairs of every head by +angle (forward) or -angle (backward), in place. x: [T, heads * HD]. */
static void rope(double *x, const struct model_config *c, int T, int heads, double sign)
{
	int HD = c->head_dim, half = HD / 2;
	for (int t = 0; t < T; t++)
		for (int h = 0; h < heads; h++)
			for (int i = 0; i < half; i++) {
				double *v = x + ((size_t)t * heads + h) * HD;
				double *a = c->rope == ROPE_INTERLEAVED ? v + 2 * i : v + i;
				double *b = c->rope == ROPE_INTERLEAVED ? v + 2 * i + 1 : v + i + half;
				double angle = t * pow((double)c->rope_theta, -2.0 * i / HD);
				double co = cos(angle), si = sign * sin(angle), a0 = *a, b0 = *b;
				*a = a0 * co - b0 * si;
				*b = b0 * co + a0 * si;
			}
}

static double dot(const double *a, const double *b, int n)
{
	double sum = 0;
	for (int i = 0; i < n; i++)
		sum += a[i] * b[i];
	return sum;
}

/* Softmax of one row of scores over keys 0..t; the rest of the row is 0. */
static void softmax_row(double *row, int t, int T)
{
	double max = row[0], sum = 0;
	for (int u = 1; u <= t; u++)
		max = fmax(max, row[u]);
	for (int u = 0; u <= t; u++)
		sum += row[u] = exp(row[u] - max);
	for (int u = 0; u < T; u++)
		row[u] = u <= t ? row[u] / sum : 0;
}

static void attention(struct layer_acts *a, const struct model_config *c, int T)
{
	int HD = c->head_dim, H = c->heads, KV = c->kv_heads;
	double scale = 1 / sqrt((double)HD);
	memset(a->attn, 0, (size_t)T * H * HD * sizeof(double));
	for (int h = 0; h < H; h++)
		for (int t = 0; t < T; t++) {
			int kv = h / (H / KV);
			double *row = a->probs + ((size_t)h * T + t) * T;
			for (int u = 0; u <= t; u++)
				row[u] = scale * dot(a->q + ((size_t)t * H + h) * HD, a->k + ((size_t)u * KV + kv) * HD, HD);
			softmax_row(row, t, T);
			for (int u = 0; u <= t; u++)
				for (int i = 0; i < HD; i++)
					a->attn[((size_t)t * H + h) * HD + i] += row[u] * a->v[((size_t)u * KV + kv) * HD + i];
		}
}

/* ds = p * (dp - sum(p * dp)) / sqrt(HD) */
static void attention_back(double *dq, double *dk, double *dv, const double *dattn, const struct layer_acts *a,
			   const struct model_config *c, int T)
{
	int HD = c->head_dim, H = c->heads, KV = c->kv_heads;
	double scale = 1 / sqrt((double)HD);
	for (int h = 0; h < H; h++)
		for (int t = 0; t < T; t++) {
			int kv = h / (H / KV);
			const double *row = a->probs + ((size_t)h * T + t) * T;
			size_t qi = ((size_t)t * H + h) * HD;
			double sum = 0;
			for (int u = 0; u <= t; u++)
				sum += row[u] * dot(dattn + qi, a->v + ((size_t)u * KV + kv) * HD, HD);
			for (int u = 0; u <= t; u++) {
				size_t ki = ((size_t)u * KV + kv) * HD;
				double ds = scale * row[u] * (dot(dattn + qi, a->v + ki, HD) - sum);
				for (int i = 0; i < HD; i++) {
					dv[ki + i] += row[u] * dattn[qi + i];
					dq[qi + i] += ds * a->k[ki + i];
					dk[ki + i] += ds * a->q[qi + i];
				}
			}
		}
}

static double sigmoid(double x)
{
	return 1 / (1 + exp(-x));
}

static void swiglu(double *gate, const double *h1, const double *h3, size_t n)
{
	for (size_t i = 0; i < n; i++)
		gate[i] = h1[i] * sigmoid(h1[i]) * h3[i];
}

static void swiglu_back(double *dh1, double *dh3, const double *dgate, const double *h1, const double *h3, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		double s = sigmoid(h1[i]);
		dh1[i] += dgate[i] * h3[i] * s * (1 + h1[i] * (1 - s));
		dh3[i] += dgate[i] * h1[i] * s;
	}
}

static void add_scaled(double *out, const double *x, double a, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] += a * x[i];
}

/* --- one layer --- */

/* out [T, D] receives the layer's output. */
static void layer_forward(struct plain *s, int l, double *out)
{
	const struct model_config *c = s->c;
	struct layer_acts *a = &s->layer[l];
	int T = s->T, D = c->dim, Q = model_q_dim(c), KV = model_kv_dim(c), F = c->hidden;
	size_t TD = (size_t)T * D;
	rmsnorm(a->n1, a->x, weight(s, PARAM_NORM_ATT, l), T, D, c->norm_eps);
	linear(a->q_raw, a->n1, weight(s, PARAM_WQ, l), T, Q, D);
	linear(a->k_raw, a->n1, weight(s, PARAM_WK, l), T, KV, D);
	linear(a->v, a->n1, weight(s, PARAM_WV, l), T, KV, D);
	if (c->qk_norm) {
		rmsnorm(a->q, a->q_raw, weight(s, PARAM_NORM_Q, l), T * c->heads, c->head_dim, c->norm_eps);
		rmsnorm(a->k, a->k_raw, weight(s, PARAM_NORM_K, l), T * c->kv_heads, c->head_dim, c->norm_eps);
	}
	rope(a->q, c, T, c->heads, 1);
	rope(a->k, c, T, c->kv_heads, 1);
	attention(a, c, T);
	linear(out, a->attn, weight(s, PARAM_WO, l), T, D, Q);
	memcpy(a->x2, a->x, TD * sizeof(double));
	add_scaled(a->x2, out, c->alpha, TD);
	rmsnorm(a->n2, a->x2, weight(s, PARAM_NORM_FFN, l), T, D, c->norm_eps);
	linear(a->h1, a->n2, weight(s, PARAM_W1, l), T, F, D);
	linear(a->h3, a->n2, weight(s, PARAM_W3, l), T, F, D);
	swiglu(a->gate, a->h1, a->h3, (size_t)T * F);
	linear(out, a->gate, weight(s, PARAM_W2, l), T, D, F);
	for (size_t i = 0; i < TD; i++)
		out[i] = a->x2[i] + c->alpha * out[i];
}

/* Scratch of the backward pass, zeroed by the caller where it is added to. */
struct back {
	double *dx;           /* [T, D] in: of the layer's output, out: of its input */
	double *branch;       /* [T, D] alpha * dx */
	double *dn;           /* [T, D] */
	double *dgate, *dh1, *dh3;
	double *dattn, *dq, *dk, *dv;
	double *draw;         /* qk_norm: [T, H*HD] of q, then of k, before the norm */
};

static void ffn_back(struct plain *s, int l, struct back *b)
{
	const struct model_config *c = s->c;
	struct layer_acts *a = &s->layer[l];
	int T = s->T, D = c->dim, F = c->hidden;
	size_t TD = (size_t)T * D, TF = (size_t)T * F;
	memset(b->branch, 0, TD * sizeof(double));
	add_scaled(b->branch, b->dx, c->alpha, TD);
	memset(b->dgate, 0, TF * sizeof(double));
	memset(b->dh1, 0, TF * sizeof(double));
	memset(b->dh3, 0, TF * sizeof(double));
	memset(b->dn, 0, TD * sizeof(double));
	linear_back(b->dgate, grad(s, PARAM_W2, l), b->branch, a->gate, weight(s, PARAM_W2, l), T, D, F);
	swiglu_back(b->dh1, b->dh3, b->dgate, a->h1, a->h3, TF);
	linear_back(b->dn, grad(s, PARAM_W1, l), b->dh1, a->n2, weight(s, PARAM_W1, l), T, F, D);
	linear_back(b->dn, grad(s, PARAM_W3, l), b->dh3, a->n2, weight(s, PARAM_W3, l), T, F, D);
	rmsnorm_back(b->dx, grad(s, PARAM_NORM_FFN, l), b->dn, a->x2, weight(s, PARAM_NORM_FFN, l), T, D, c->norm_eps);
}

/* d [T, heads*HD]: in of the norm's output, out of its input. */
static void head_norm_back(struct plain *s, enum param_kind kind, int l, double *d, double *scratch, const double *raw, int heads)
{
	size_t n = (size_t)s->T * heads * s->c->head_dim;
	memset(scratch, 0, n * sizeof(double));
	rmsnorm_back(scratch, grad(s, kind, l), d, raw, weight(s, kind, l), s->T * heads, s->c->head_dim, s->c->norm_eps);
	memcpy(d, scratch, n * sizeof(double));
}

static void attention_layer_back(struct plain *s, int l, struct back *b)
{
	const struct model_config *c = s->c;
	struct layer_acts *a = &s->layer[l];
	int T = s->T, D = c->dim, Q = model_q_dim(c), KV = model_kv_dim(c);
	size_t TD = (size_t)T * D;
	memset(b->branch, 0, TD * sizeof(double));
	add_scaled(b->branch, b->dx, c->alpha, TD);
	memset(b->dattn, 0, (size_t)T * Q * sizeof(double));
	memset(b->dq, 0, (size_t)T * Q * sizeof(double));
	memset(b->dk, 0, (size_t)T * KV * sizeof(double));
	memset(b->dv, 0, (size_t)T * KV * sizeof(double));
	memset(b->dn, 0, TD * sizeof(double));
	linear_back(b->dattn, grad(s, PARAM_WO, l), b->branch, a->attn, weight(s, PARAM_WO, l), T, D, Q);
	attention_back(b->dq, b->dk, b->dv, b->dattn, a, c, T);
	rope(b->dq, c, T, c->heads, -1);
	rope(b->dk, c, T, c->kv_heads, -1);
	if (c->qk_norm) {
		head_norm_back(s, PARAM_NORM_Q, l, b->dq, b->draw, a->q_raw, c->heads);
		head_norm_back(s, PARAM_NORM_K, l, b->dk, b->draw, a->k_raw, c->kv_heads);
	}
	linear_back(b->dn, grad(s, PARAM_WQ, l), b->dq, a->n1, weight(s, PARAM_WQ, l), T, Q, D);
	linear_back(b->dn, grad(s, PARAM_WK, l), b->dk, a->n1, weight(s, PARAM_WK, l), T, KV, D);
	linear_back(b->dn, grad(s, PARAM_WV, l), b->dv, a->n1, weight(s, PARAM_WV, l), T, KV, D);
	rmsnorm_back(b->dx, grad(s, PARAM_NORM_ATT, l), b->dn, a->x, weight(s, PARAM_NORM_ATT, l), T, D, c->norm_eps);
}

/* --- one sequence --- */

static void forward(struct plain *s, const int *x)
{
	const struct model_config *c = s->c;
	const double *embed = weight(s, PARAM_EMBED, -1);
	for (int t = 0; t < s->T; t++)
		memcpy(s->layer[0].x + (size_t)t * c->dim, embed + (size_t)x[t] * c->dim, (size_t)c->dim * sizeof(double));
	for (int l = 0; l < c->layers; l++)
		layer_forward(s, l, l + 1 < c->layers ? s->layer[l + 1].x : s->y);
	rmsnorm(s->n, s->y, weight(s, PARAM_NORM_OUT, -1), s->T, c->dim, c->norm_eps);
	linear(s->logits, s->n, s->w + params_head(s->p)->offset, s->T, c->vocab, c->dim);
}

/* Sum of -log softmax(logits)[target]; the logits become their own gradient, (softmax - onehot) * weight. */
static double cross_entropy(double *logits, const int *y, int T, int V, double each)
{
	double loss = 0;
	for (int t = 0; t < T; t++, logits += V) {
		double max = logits[0], sum = 0;
		for (int v = 1; v < V; v++)
			max = fmax(max, logits[v]);
		for (int v = 0; v < V; v++)
			sum += exp(logits[v] - max);
		if (y[t] >= 0)
			loss += max + log(sum) - logits[y[t]];
		for (int v = 0; v < V; v++)
			logits[v] = y[t] < 0 ? 0 : each * (exp(logits[v] - max) / sum - (v == y[t]));
	}
	return loss;
}

static void backward(struct plain *s, const int *x, struct back *b)
{
	const struct model_config *c = s->c;
	const struct param *head = params_head(s->p);
	size_t TD = (size_t)s->T * c->dim;
	memset(b->dn, 0, TD * sizeof(double));
	memset(b->dx, 0, TD * sizeof(double));
	linear_back(b->dn, s->g + head->offset, s->logits, s->n, s->w + head->offset, s->T, c->vocab, c->dim);
	rmsnorm_back(b->dx, grad(s, PARAM_NORM_OUT, -1), b->dn, s->y, weight(s, PARAM_NORM_OUT, -1), s->T, c->dim, c->norm_eps);
	for (int l = c->layers; l-- > 0;) {
		ffn_back(s, l, b);
		attention_layer_back(s, l, b);
	}
	for (int t = 0; t < s->T; t++)
		add_scaled(grad(s, PARAM_EMBED, -1) + (size_t)x[t] * c->dim, b->dx + (size_t)t * c->dim, 1, (size_t)c->dim);
}

/* --- memory: one block, cut up --- */

static double *cut(double **at, size_t n)
{
	double *r = *at;
	*at += n;
	return r;
}

static size_t doubles_needed(const struct model_config *c, size_t T)
{
	size_t D = (size_t)c->dim, Q = (size_t)model_q_dim(c), KV = (size_t)model_kv_dim(c), F = (size_t)c->hidden;
	size_t layer = T * (4 * D + 2 * Q + 2 * KV + 3 * F) + (size_t)c->heads * T * T;
	size_t tail = T * (2 * D + (size_t)c->vocab), back = T * (3 * D + 3 * F + 2 * Q + 2 * KV);
	if (c->qk_norm) {
		layer += T * (Q + KV);
		back += T * Q;
	}
	return layer * (size_t)c->layers + tail + back;
}

static void cut_memory(struct plain *s, struct back *b)
{
	const struct model_config *c = s->c;
	size_t T = (size_t)s->T, D = T * (size_t)c->dim, Q = T * (size_t)model_q_dim(c), KV = T * (size_t)model_kv_dim(c);
	size_t F = T * (size_t)c->hidden;
	double *m = s->memory;
	for (int l = 0; l < c->layers; l++) {
		struct layer_acts *a = &s->layer[l];
		*a = (struct layer_acts){
			.x = cut(&m, D), .n1 = cut(&m, D), .q = cut(&m, Q), .k = cut(&m, KV), .v = cut(&m, KV),
			.probs = cut(&m, (size_t)c->heads * T * T), .attn = cut(&m, Q), .x2 = cut(&m, D), .n2 = cut(&m, D),
			.h1 = cut(&m, F), .h3 = cut(&m, F), .gate = cut(&m, F),
		};
		a->q_raw = c->qk_norm ? cut(&m, Q) : a->q;
		a->k_raw = c->qk_norm ? cut(&m, KV) : a->k;
	}
	s->y = cut(&m, D);
	s->n = cut(&m, D);
	s->logits = cut(&m, T * (size_t)c->vocab);
	*b = (struct back){
		.dx = cut(&m, D), .branch = cut(&m, D), .dn = cut(&m, D), .dgate = cut(&m, F), .dh1 = cut(&m, F), .dh3 = cut(&m, F),
		.dattn = cut(&m, Q), .dq = cut(&m, Q), .dk = cut(&m, KV), .dv = cut(&m, KV),
	};
	if (c->qk_norm)
		b->draw = cut(&m, Q);
}

int plain_loss(const struct params *p, const double *w, double *g, const int *x, const int *y, int batch, int seq,
	       double *loss, double *logits, struct err *e)
{
	const struct model_config *c = &p->config;
	struct plain s = {.p = p, .c = c, .w = w, .g = g, .T = seq};
	struct back b;
	size_t need = doubles_needed(c, (size_t)seq);
	double valid = 0, sum = 0;
	s.layer = mem_zalloc((size_t)c->layers, sizeof *s.layer);
	s.memory = mem_zalloc(need, sizeof(double));
	if (!s.layer || !s.memory) {
		free(s.layer);
		free(s.memory);
		return err_nomem(e, "plain reference", need * sizeof(double));
	}
	cut_memory(&s, &b);
	for (int t = 0; t < batch * seq; t++)
		valid += y[t] >= 0;
	for (int i = 0; i < batch; i++) {
		forward(&s, x + (size_t)i * seq);
		if (logits)
			memcpy(logits + (size_t)i * seq * c->vocab, s.logits, (size_t)seq * c->vocab * sizeof(double));
		sum += cross_entropy(s.logits, y + (size_t)i * seq, seq, c->vocab, valid > 0 ? 1 / valid : 0);
		if (g)
			backward(&s, x + (size_t)i * seq, &b);
	}
	*loss = valid > 0 ? sum / valid : 0;
	free(s.layer);
	free(s.memory);
	return 0;
}
