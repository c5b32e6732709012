/* upstream.c: maderix/ANE's static and dynamic kernels written again as far as the clock looks: inputs, outputs, weights, products and cuts of
 * packed surfaces. Element-wise ops that cost nothing there (norms, RoPE, sigmoid) are left out, so these texts train nothing.
 * SPDX-License-Identifier: MIT */
#include "support/upstream.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/mem.h"
#include "mil/build.h"

const struct upstream_model upstream_stories = {.D = 768, .F = 2048, .L = 12, .H = 12, .KV = 12, .HD = 64, .S = 256, .V = 32000};
const struct upstream_model upstream_stories_compact = {.D = 768, .F = 2048, .L = 12, .H = 12, .KV = 12, .HD = 64, .S = 256, .V = 9205};
const struct upstream_model upstream_qwen = {.D = 1024, .F = 3072, .L = 28, .H = 16, .KV = 8, .HD = 128, .S = 256, .V = 9205};

/* A program under construction: up to seven inputs, up to eight values for its one output. */
struct kernel_text {
	struct mil_builder b;
	const struct upstream_model *m;
	int separate, begun, nin, nout;
	struct mb_value in[8], out[8];
	int64_t at; /* where the next weight begins in the packed input */
};

static struct mb_value input(struct kernel_text *k, const char *name, int64_t channels, int64_t last)
{
	return k->in[k->nin++] = (struct mb_value){name, mb_t4(MIL_FP16, 1, channels, 1, last)};
}

static void begin(struct kernel_text *k)
{
	mb_begin(&k->b, MIL_BARE, k->in, k->nin);
}

static struct mb_value weight(struct kernel_text *k, const char *name, int64_t out, int64_t in)
{
	return mb_blob(&k->b, name, name, mb_t4(MIL_FP16, out, in, 1, 1));
}

static struct mb_value conv(struct kernel_text *k, struct mb_value x, const char *name, int64_t out)
{
	return mb_conv1x1(&k->b, NULL, x, weight(k, name, out, x.type.dim[1]));
}

static struct mb_value rows(struct kernel_text *k, struct mb_value x, int64_t from, int64_t n)
{
	return mb_slice(&k->b, NULL, x, (int64_t[]){0, from, 0, 0}, (int64_t[]){1, n, 1, x.type.dim[3]});
}

static struct mb_value heads(struct kernel_text *k, struct mb_value x)
{
	const struct upstream_model *m = k->m;
	x = mb_reshape(&k->b, NULL, x, 4, (int64_t[]){1, x.type.dim[1] / m->HD, m->HD, m->S});
	return mb_transpose(&k->b, NULL, x, (int64_t[]){0, 1, 3, 2});
}

static struct mb_value unheads(struct kernel_text *k, struct mb_value x)
{
	int64_t n = x.type.dim[1] * x.type.dim[3];
	x = mb_transpose(&k->b, NULL, x, (int64_t[]){0, 1, 3, 2});
	return mb_reshape(&k->b, NULL, x, 4, (int64_t[]){1, n, 1, k->m->S});
}

static void output(struct kernel_text *k, struct mb_value v)
{
	k->out[k->nout++] = v;
}

static struct mb_value probs_of(struct kernel_text *k, struct mb_value q, struct mb_value key)
{
	struct mb_value mask = mb_blob(&k->b, "mask", "mask", mb_t4(MIL_FP16, 1, 1, k->m->S, k->m->S));
	struct mb_value s = mb_matmul(&k->b, NULL, q, key, 0, 1);
	return mb_softmax(&k->b, NULL, mb_binary(&k->b, "add", NULL, s, mask), -1);
}

static struct mb_value flat(struct kernel_text *k, struct mb_value x)
{
	return mb_reshape(&k->b, NULL, x, 4, (int64_t[]){1, k->m->H * k->m->S, 1, k->m->S});
}

/* --- the static pipeline --- */

static void fwd_attn(struct kernel_text *k)
{
	int64_t D = k->m->D;
	struct mb_value x = input(k, "x", D, k->m->S);
	begin(k);
	struct mb_value xn = mb_binary(&k->b, "mul", NULL, x, mb_blob(&k->b, "rms", "rms", mb_t4(MIL_FP16, 1, D, 1, 1)));
	struct mb_value q = conv(k, xn, "wq", D), key = conv(k, xn, "wk", D), v = conv(k, xn, "wv", D);
	struct mb_value a = unheads(k, mb_matmul(&k->b, NULL, probs_of(k, heads(k, q), heads(k, key)), heads(k, v), 0, 0));
	output(k, conv(k, a, "wo", D));
	output(k, q), output(k, key), output(k, v), output(k, a), output(k, xn);
}

static void fwd_ffn(struct kernel_text *k)
{
	struct mb_value x = input(k, "x", k->m->D, k->m->S);
	begin(k);
	struct mb_value xn = mb_binary(&k->b, "mul", NULL, x, mb_blob(&k->b, "rms", "rms", mb_t4(MIL_FP16, 1, k->m->D, 1, 1)));
	struct mb_value h1 = conv(k, xn, "w1", k->m->F), h3 = conv(k, xn, "w3", k->m->F), gate = mb_binary(&k->b, "mul", NULL, h1, h3);
	output(k, conv(k, gate, "w2", k->m->D));
	output(k, h1), output(k, h3), output(k, gate), output(k, xn);
}

static void ffn_bwd(struct kernel_text *k)
{
	int64_t D = k->m->D, F = k->m->F;
	struct mb_value x = input(k, "x", D + 2 * F, k->m->S);
	begin(k);
	struct mb_value d = conv(k, rows(k, x, 0, D), "w2t", F);
	struct mb_value dh1 = mb_binary(&k->b, "mul", NULL, d, rows(k, x, D, F)), dh3 = mb_binary(&k->b, "mul", NULL, d, rows(k, x, D + F, F));
	output(k, mb_binary(&k->b, "add", NULL, conv(k, dh1, "w1t", D), conv(k, dh3, "w3t", D)));
	output(k, dh1), output(k, dh3);
}

/* What both pipelines do with da: dv, probs, dp. */
static void scores_back(struct kernel_text *k, struct mb_value x, struct mb_value da)
{
	int64_t Q = k->m->H * k->m->HD;
	struct mb_value q = heads(k, rows(k, x, 0, Q)), key = heads(k, rows(k, x, Q, Q)), v = heads(k, rows(k, x, 2 * Q, Q));
	struct mb_value p = probs_of(k, q, key);
	da = heads(k, da);
	output(k, unheads(k, mb_matmul(&k->b, NULL, p, da, 1, 0)));
	output(k, flat(k, p));
	output(k, flat(k, mb_matmul(&k->b, NULL, da, v, 0, 1)));
}

static void sdpa_bwd1(struct kernel_text *k)
{
	int64_t D = k->m->D;
	struct mb_value x = input(k, "x", 4 * D, k->m->S);
	begin(k);
	scores_back(k, x, conv(k, rows(k, x, 3 * D, D), "wot", D));
}

static void sdpa_bwd2(struct kernel_text *k)
{
	int64_t Q = k->m->H * k->m->HD, SC = k->m->H * k->m->S;
	struct mb_value x = input(k, "x", 2 * SC + 2 * Q, k->m->S);
	begin(k);
	struct mb_value p = rows(k, x, 0, SC), ds = mb_binary(&k->b, "mul", NULL, p, rows(k, x, SC, SC));
	ds = mb_reshape(&k->b, NULL, ds, 4, (int64_t[]){1, k->m->H, k->m->S, k->m->S});
	output(k, unheads(k, mb_matmul(&k->b, NULL, ds, heads(k, rows(k, x, 2 * SC + Q, Q)), 0, 0)));
	output(k, unheads(k, mb_matmul(&k->b, NULL, ds, heads(k, rows(k, x, 2 * SC, Q)), 1, 0)));
}

static void qkv_bwd(struct kernel_text *k)
{
	int64_t D = k->m->D;
	struct mb_value x = input(k, "x", 3 * D, k->m->S);
	begin(k);
	struct mb_value a = conv(k, rows(k, x, 0, D), "wqt", D), b = conv(k, rows(k, x, D, D), "wkt", D);
	output(k, mb_binary(&k->b, "add", NULL, mb_binary(&k->b, "add", NULL, a, b), conv(k, rows(k, x, 2 * D, D), "wvt", D)));
}

/* --- the dynamic pipeline --- */

/* nact activations of S columns and then weights of the given widths, in one surface or in several. */
static void packed(struct kernel_text *k, int64_t channels, int nact, const int64_t *width, int nw)
{
	static const char *const names[] = {"w0", "w1", "w2"};
	int64_t last = nact * k->m->S;
	for (int i = 0; i < nw && !k->separate; i++)
		last += width[i];
	input(k, "x", channels, last);
	for (int i = 0; i < nw && k->separate; i++)
		input(k, names[i], channels, width[i]);
	begin(k);
	k->at = nact * k->m->S;
}

static struct mb_value columns(struct kernel_text *k, int64_t from, int64_t n)
{
	struct mb_value x = k->in[0];
	if (from || n != x.type.dim[3])
		x = mb_slice(&k->b, NULL, x, (int64_t[]){0, 0, 0, from}, (int64_t[]){1, x.type.dim[1], 1, n});
	return mb_reshape(&k->b, NULL, x, 4, (int64_t[]){1, 1, x.type.dim[1], n});
}

static struct mb_value next_weight(struct kernel_text *k, int i, int64_t width)
{
	if (k->separate)
		return mb_reshape(&k->b, NULL, k->in[1 + i], 4, (int64_t[]){1, 1, k->in[0].type.dim[1], width});
	struct mb_value w = columns(k, k->at, width);
	k->at += width;
	return w;
}

/* Activations [1, C, 1, S] times a weight [1, 1, C, n]: [1, n, 1, S]. */
static struct mb_value times(struct kernel_text *k, struct mb_value act, struct mb_value w)
{
	struct mb_value y = mb_matmul(&k->b, NULL, mb_transpose(&k->b, NULL, act, (int64_t[]){0, 1, 3, 2}), w, 0, 0);
	y = mb_transpose(&k->b, NULL, y, (int64_t[]){0, 1, 3, 2});
	return mb_reshape(&k->b, NULL, y, 4, (int64_t[]){1, y.type.dim[2], 1, k->m->S});
}

/* One activation, one weight: woFwd, ffnBwdW2t, wotBwd, qBwd. */
static void one_product(struct kernel_text *k, int64_t in, int64_t out)
{
	packed(k, in, 1, &out, 1);
	output(k, times(k, columns(k, 0, k->m->S), next_weight(k, 0, out)));
}

/* Two activations with a weight each, added: ffnBwdW13t, kvBwd. */
static void two_products(struct kernel_text *k, int64_t in, int64_t out)
{
	packed(k, in, 2, (int64_t[]){out, out}, 2);
	struct mb_value a = times(k, columns(k, 0, k->m->S), next_weight(k, 0, out));
	output(k, mb_binary(&k->b, "add", NULL, a, times(k, columns(k, k->m->S, k->m->S), next_weight(k, 1, out))));
}

static struct mb_value tiled(struct kernel_text *k, struct mb_value x)
{
	struct mb_value all[8];
	int n = (int)(k->m->H / k->m->KV);
	for (int i = 0; i < n; i++)
		all[i] = x;
	return n > 1 ? mb_concat(&k->b, NULL, all, n, 1) : x;
}

static void dyn_sdpa_fwd(struct kernel_text *k)
{
	int64_t Q = k->m->H * k->m->HD, KV = k->m->KV * k->m->HD;
	packed(k, k->m->D, 1, (int64_t[]){Q, KV, KV}, 3);
	struct mb_value act = columns(k, 0, k->m->S);
	struct mb_value q = times(k, act, next_weight(k, 0, Q)), key = times(k, act, next_weight(k, 1, KV)), v = times(k, act, next_weight(k, 2, KV));
	struct mb_value p = probs_of(k, heads(k, q), tiled(k, heads(k, key)));
	output(k, unheads(k, mb_matmul(&k->b, NULL, p, tiled(k, heads(k, v)), 0, 0)));
	output(k, q), output(k, key), output(k, v);
	output(k, mb_reshape(&k->b, NULL, act, 4, (int64_t[]){1, k->m->D, 1, k->m->S}));
}

static void dyn_wo_fwd(struct kernel_text *k)
{
	one_product(k, k->m->H * k->m->HD, k->m->D);
}

/* W2 lies there as it is stored, [D, F], and is turned. */
static void dyn_ffn(struct kernel_text *k)
{
	int64_t D = k->m->D, F = k->m->F, S = k->m->S;
	packed(k, D, 2, (int64_t[]){F, F, F}, 3);
	struct mb_value act = columns(k, 0, S);
	struct mb_value h1 = times(k, act, next_weight(k, 0, F)), h3 = times(k, act, next_weight(k, 1, F)), gate = mb_binary(&k->b, "mul", NULL, h1, h3);
	struct mb_value w2 = mb_transpose(&k->b, NULL, next_weight(k, 2, F), (int64_t[]){0, 1, 3, 2});
	struct mb_value y = times(k, mb_reshape(&k->b, NULL, gate, 4, (int64_t[]){1, 1, F, S}), w2);
	struct mb_value x2 = mb_reshape(&k->b, NULL, columns(k, S, S), 4, (int64_t[]){1, D, 1, S});
	output(k, mb_binary(&k->b, "add", NULL, x2, y));
	output(k, h1), output(k, h3), output(k, gate);
}

static void dyn_w2t(struct kernel_text *k)
{
	one_product(k, k->m->D, k->m->F);
}

static void dyn_w13t(struct kernel_text *k)
{
	two_products(k, k->m->F, k->m->D);
}

static void dyn_wot(struct kernel_text *k)
{
	one_product(k, k->m->D, k->m->H * k->m->HD);
}

static void dyn_sdpa_bwd1(struct kernel_text *k)
{
	int64_t Q = k->m->H * k->m->HD;
	struct mb_value x = input(k, "x", 4 * Q, k->m->S);
	begin(k);
	scores_back(k, x, rows(k, x, 3 * Q, Q));
}

static void dyn_q_bwd(struct kernel_text *k)
{
	one_product(k, k->m->H * k->m->HD, k->m->D);
}

static void dyn_kv_bwd(struct kernel_text *k)
{
	two_products(k, k->m->KV * k->m->HD, k->m->D);
}

/* --- adding up --- */

static const struct { const char *name; void (*build)(struct kernel_text *); int dynamic, backward; } kernels[] = {
	{"fwdAttn", fwd_attn, 0, 0},      {"fwdFFN", fwd_ffn, 0, 0},         {"ffnBwd", ffn_bwd, 0, 1},     {"sdpaBwd1", sdpa_bwd1, 0, 1},
	{"sdpaBwd2", sdpa_bwd2, 0, 1},    {"qkvBwd", qkv_bwd, 0, 1},         {"sdpaFwd", dyn_sdpa_fwd, 1, 0}, {"woFwd", dyn_wo_fwd, 1, 0},
	{"ffnFused", dyn_ffn, 1, 0},      {"ffnBwdW2t", dyn_w2t, 1, 1},      {"ffnBwdW13t", dyn_w13t, 1, 1}, {"wotBwd", dyn_wot, 1, 1},
	{"sdpaBwd1", dyn_sdpa_bwd1, 1, 1}, {"sdpaBwd2", sdpa_bwd2, 1, 1},    {"qBwd", dyn_q_bwd, 1, 1},     {"kvBwd", dyn_kv_bwd, 1, 1},
};

static double kernel_ns(const struct chip *chip, size_t i, int separate, const struct upstream_model *m)
{
	struct kernel_text k = {.m = m, .separate = separate};
	struct str text = {0};
	struct mil_graph *g = NULL;
	struct err e = {0};
	struct cost c;
	kernels[i].build(&k);
	struct mb_value out = k.nout > 1 ? mb_concat(&k.b, "out", k.out, k.nout, 1) : k.out[0];
	if (mb_end(&k.b, &out, 1, &text, &e) || mil_parse(&g, text.s, text.len, &e))
		fail_msg("%s: %s", kernels[i].name, e.msg);
	cost_of_graph(&c, chip, g);
	mil_free(g);
	str_done(&text);
	mb_done(&k.b);
	return c.ns;
}

/* The loops of one core, in bytes read and written an element of the main sequence: a conversion between fp32 and a surface is 6, a copy 8, a
 * sum of two 12; norms count what they read and write once, since their rows stay in the cache. */
static void static_host(struct step_work *w, const struct upstream_model *m)
{
	double D = (double)m->D, F = (double)m->F, S = (double)m->S, scores = (double)m->H * S, layers = (double)m->L * S;
	/* in: layer input kept, two surfaces written, five taps of D and three of F read, two residuals */
	w->pass_forward = layers * ((8 + 12 + 30 + 24) * D + 18 * F);
	/* the loss turns a new matrix twice and goes over it six times in between; first touch of new memory counts once more each way */
	w->pass_forward += (double)m->V * S * (16 + 44 + 16);
	/* dy copied and written; taps copied from surface to surface; results read; operands of nine weight gradients copied; two norms; residuals */
	w->pass_backward = layers * ((8 + 6 + 6 + 16 + 4 + 12 + 12 + 8 + 16 + 12 + 6 + 8 + 18 + 32 + 12 + 6 + 4 + 12 + 12) * D + (8 + 12 + 24) * F + 8 * scores);
}

static void dynamic_host(struct step_work *w, const struct upstream_model *m)
{
	double D = (double)m->D, F = (double)m->F, S = (double)m->S, scores = (double)m->H * S, layers = (double)m->L * S;
	double Q = (double)(m->H * m->HD), K = (double)(m->KV * m->HD);
	/* layer input and norm kept, norms, residual here; Q twice in and out of surfaces, K and V read */
	w->pass_forward = layers * ((8 + 8 + 8 + 6 + 6 + 12 + 8 + 12 + 6) * D + 24 * Q + 12 * K + 18 * F);
	/* the loss gathers and scatters columns: a cache line an element, each way */
	w->pass_forward += (double)m->V * S * (128 + 44);
	/* as in the static pipeline, and the feed-forward's derivative (28), RoPE back, k and v tiled and their gradients summed are the host's */
	w->pass_backward = layers * (146 * D + 114 * Q + 52 * K + (6 + 12 + 28 + 24) * F + 8 * scores);
}

void upstream_work(struct step_work *w, const struct chip *chip, enum upstream_pipeline p, const struct upstream_model *m)
{
	double D = (double)m->D, F = (double)m->F, S = (double)m->S, L = (double)m->L, V = (double)m->V, Q = (double)(m->H * m->HD), K = (double)(m->KV * m->HD);
	double matrices = L * (2 * D * Q + 2 * D * K + 3 * D * F);
	*w = (struct step_work){.product = 2 * V * D * S, .product_bytes = 4 * V * (D + S), .beside = 2 * S * (matrices + V * D), .beside_bytes = 8 * (matrices + V * D)};
	for (size_t i = 0; i < ARRAY_LEN(kernels); i++) {
		if (kernels[i].dynamic != (p != UPSTREAM_STATIC))
			continue;
		*(kernels[i].backward ? &w->device_backward_ns : &w->device_forward_ns) += L * kernel_ns(chip, i, p == UPSTREAM_SEPARATE, m);
	}
	if (p == UPSTREAM_STATIC)
		static_host(w, m);
	else
		dynamic_host(w, m);
}
