/* program_dynamic.c: the text of the programs whose weights are inputs, compiled once for all layers. Layouts follow maderix/ANE's
 * dynamic pipeline, but for keys and values: they are neither tiled nor summed on the host, q is seen grouped (program_gen.h).
 * SPDX-License-Identifier: MIT */
#include "base/mem.h"
#include "model/program_gen.h"

static struct mb_value matrix(struct gen *g, const char *name)
{
	return gen_matrix(g, gen_column_of(g, name));
}

static struct mb_value product(struct gen *g, const char *name, const char *x, const char *w)
{
	return gen_unproduct(g, name, gen_product(g, gen_column_of(g, x), matrix(g, w)));
}

/* One matrix: x [C, T], w [C, out] -> name [out, T]. */
static void one_product(struct gen *g, int64_t channels, const char *x, const char *w, int64_t out, const char *name, int scaled)
{
	gen_begin_packed(g, channels, (struct gen_column[]){{x, g->T, 0}, {w, out, 1}}, 2);
	struct mb_value act = gen_column_of(g, x);
	struct mb_value y = gen_product(g, scaled ? gen_alpha(g, NULL, act) : act, matrix(g, w));
	gen_output(g, name, gen_unproduct(g, name, y));
}

/* Two matrices [C, D] with an input each: their sum. */
static void two_products(struct gen *g, int64_t channels, const char *const *x, const char *const *w, const char *name)
{
	gen_begin_packed(g, channels, (struct gen_column[]){{x[0], g->T, 0}, {x[1], g->T, 0}, {w[0], g->D, 1}, {w[1], g->D, 1}}, 4);
	struct mb_value a = gen_product(g, gen_column_of(g, x[0]), matrix(g, w[0]));
	struct mb_value b = gen_product(g, gen_column_of(g, x[1]), matrix(g, w[1]));
	gen_output(g, name, gen_unproduct(g, name, mb_binary(&g->b, "add", NULL, a, b)));
}

/* xnorm -> [attn | q | k | v], q and k turned; qk_norm: [q_raw | k_raw] stand behind attn; precise: [q_low | k_low] before v. */
void gen_dyn_sdpa_fwd(struct gen *g)
{
	struct gen_column c[] = {{"xnorm", g->T, 0}, {"wqt", g->Q, 1}, {"wkt", g->K, 1}, {"wvt", g->K, 1}};
	if (g->c->qk_norm)
		gen_head_norms(g);
	gen_begin_packed(g, g->D, c, ARRAY_LEN(c));
	struct mb_value q_raw = product(g, "q_raw", "xnorm", "wqt"), k_raw = product(g, "k_raw", "xnorm", "wkt");
	struct gen_qk low = {.q = {0}}, qk;
	if (g->precise) {
		struct mb_value x = gen_column_of(g, "xnorm");
		low.q = gen_product_low(g, "q_raw_low", x, q_raw, matrix(g, "wqt"), "minus_q");
		low.k = gen_product_low(g, "k_raw_low", x, k_raw, matrix(g, "wkt"), "minus_k");
	}
	qk = gen_turned(g, q_raw, k_raw, &low);
	struct mb_value v = product(g, "v", "xnorm", "wvt");
	struct mb_value attn = gen_attention(g, &qk, v);
	static const char *const plain[] = {"attn", "q", "k", "v"}, *const raw[] = {"attn", "q_raw", "k_raw", "q", "k", "v"};
	static const char *const lows[] = {"attn", "q", "k", "q_low", "k_low", "v"};
	if (g->c->qk_norm)
		g->output[g->noutput++] = gen_pack(g, "out", raw, (struct mb_value[]){attn, q_raw, k_raw, qk.q, qk.k, v}, ARRAY_LEN(raw));
	else if (g->precise)
		g->output[g->noutput++] = gen_pack(g, "out", lows, (struct mb_value[]){attn, qk.q, qk.k, qk.q_low, qk.k_low, v}, ARRAY_LEN(lows));
	else
		g->output[g->noutput++] = gen_pack(g, "out", plain, (struct mb_value[]){attn, qk.q, qk.k, v}, ARRAY_LEN(plain));
}

void gen_dyn_wo_fwd(struct gen *g)
{
	one_product(g, g->Q, "attn", "wot", g->D, "o", 0);
}

/* x2norm, x2 -> [y | h1 | h3 | gate]. W2 stands in the columns as it is stored, [D, F]. */
void gen_dyn_ffn(struct gen *g)
{
	struct mil_builder *b = &g->b;
	struct gen_column c[] = {{"x2norm", g->T, 0}, {"x2", g->T, 0}, {"w1t", g->F, 1}, {"w3t", g->F, 1}, {"w2", g->F, 1}};
	gen_begin_packed(g, g->D, c, ARRAY_LEN(c));
	struct mb_value h1 = product(g, "h1", "x2norm", "w1t"), h3 = product(g, "h3", "x2norm", "w3t");
	struct mb_value silu = mb_binary(b, "mul", "silu", h1, mb_unary(b, "sigmoid", "sig", h1));
	struct mb_value gate = mb_binary(b, "mul", "gate", silu, h3);
	struct mb_value w2t = mb_transpose(b, NULL, matrix(g, "w2"), (int64_t[]){0, 1, 3, 2});
	struct mb_value f = gen_alpha(g, "ffn_scaled", gen_unproduct(g, "ffn", gen_product(g, gate, w2t)));
	struct mb_value y = mb_binary(b, "add", "y", gen_column_of(g, "x2"), f);
	static const char *const names[] = {"y", "h1", "h3", "gate"};
	g->output[g->noutput++] = gen_pack(g, "out", names, (struct mb_value[]){y, h1, h3, gate}, ARRAY_LEN(names));
}

/* dgate = W2^T (alpha dy) */
void gen_dyn_w2t_bwd(struct gen *g)
{
	one_product(g, g->D, "dy", "w2", g->F, "dgate", 1);
}

void gen_dyn_w13t_bwd(struct gen *g)
{
	static const char *const x[] = {"dh1", "dh3"}, *const w[] = {"w1", "w3"};
	two_products(g, g->F, x, w, "dx2norm");
}

/* da = Wo^T (alpha dx2) */
void gen_dyn_wot_bwd(struct gen *g)
{
	one_product(g, g->D, "dx2", "wo", g->Q, "da", 1);
}

/* [q | k | v | da], precise: [q_low | k_low] before v -> dv, [probs | dp] */
void gen_dyn_sdpa_bwd1(struct gen *g)
{
	struct gen_channel c[6];
	int n = gen_qkv_channels(g, c, 0);
	c[n++] = (struct gen_channel){"da", g->Q};
	struct mb_value in = gen_surface(g, "x", c, n, g->T);
	mb_begin(&g->b, g->dialect, &in, 1);
	struct gen_qk qk = gen_qk_of(g, in);
	struct mb_value v = gen_channel_of(g, in, "v");
	gen_scores_back(g, &qk, v, gen_channel_of(g, in, "da"));
}

void gen_dyn_q_bwd(struct gen *g)
{
	one_product(g, g->Q, "dq", "wq", g->D, "dxq", 0);
}

void gen_dyn_kv_bwd(struct gen *g)
{
	static const char *const x[] = {"dk", "dv"}, *const w[] = {"wk", "wv"};
	two_products(g, g->K, x, w, "dxkv");
}
