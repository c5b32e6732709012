/* program_forward.c: the text of fwdAttn and fwdFFN. Outputs are packed so that the backward programs take a window of them.
 * SPDX-License-Identifier: MIT */
#include "base/mem.h"
#include "model/program_gen.h"

/* x -> [x2 | q | k | v | attn | xnorm], qk_norm: and [q_raw | k_raw]: with dx2 written over x2 the first four are sdpaBwd1's input.
 * Precise: [q_low | k_low] before v. */
void gen_fwd_attn(struct gen *g)
{
	struct mil_builder *b = &g->b;
	struct mb_value x = gen_surface(g, "x", (struct gen_channel[]){{"x", g->D}}, 1, g->T);
	mb_begin(b, g->dialect, &x, 1);
	struct mb_value xnorm = gen_norm(g, "xnorm", x, "rms1");
	struct mb_value q_raw = gen_conv(g, "q_raw", xnorm, "wq", g->Q), k_raw = gen_conv(g, "k_raw", xnorm, "wk", g->K);
	struct gen_qk low = {.q = {0}}, qk;
	if (g->precise) {
		low.q = gen_conv_low(g, "q_raw_low", xnorm, q_raw, "wq", "minus_q");
		low.k = gen_conv_low(g, "k_raw_low", xnorm, k_raw, "wk", "minus_k");
	}
	qk = gen_turned(g, q_raw, k_raw, &low);
	struct mb_value v = gen_conv(g, "v", xnorm, "wv", g->K);
	struct mb_value attn = gen_attention(g, &qk, v);
	struct mb_value o = gen_alpha(g, "o_scaled", gen_conv(g, "o", attn, "wo", g->D));
	struct mb_value x2 = mb_binary(b, "add", "x2", x, o);
	static const char *const names[] = {"x2", "q", "k", "v", "attn", "xnorm", "q_raw", "k_raw"};
	static const char *const lows[] = {"x2", "q", "k", "q_low", "k_low", "v", "attn", "xnorm"};
	struct mb_value all[] = {x2, qk.q, qk.k, v, attn, xnorm, q_raw, k_raw};
	struct mb_value more[] = {x2, qk.q, qk.k, qk.q_low, qk.k_low, v, attn, xnorm};
	g->output[g->noutput++] = g->precise ? gen_pack(g, "out", lows, more, 8) : gen_pack(g, "out", names, all, g->c->qk_norm ? 8 : 6);
}

/* x2 -> [y | h1 | h3 | gate | x2norm]: with dy written over y the first three are ffnBwd's input. */
void gen_fwd_ffn(struct gen *g)
{
	struct mil_builder *b = &g->b;
	struct mb_value x = gen_surface(g, "x", (struct gen_channel[]){{"x2", g->D}}, 1, g->T);
	mb_begin(b, g->dialect, &x, 1);
	struct mb_value x2norm = gen_norm(g, "x2norm", x, "rms2");
	struct mb_value h1 = gen_conv(g, "h1", x2norm, "w1", g->F), h3 = gen_conv(g, "h3", x2norm, "w3", g->F);
	struct mb_value silu = mb_binary(b, "mul", "silu", h1, mb_unary(b, "sigmoid", "sig", h1));
	struct mb_value gate = mb_binary(b, "mul", "gate", silu, h3);
	struct mb_value f = gen_alpha(g, "ffn_scaled", gen_conv(g, "ffn", gate, "w2", g->D));
	struct mb_value y = mb_binary(b, "add", "y", x, f);
	static const char *const names[] = {"y", "h1", "h3", "gate", "x2norm"};
	g->output[g->noutput++] = gen_pack(g, "out", names, (struct mb_value[]){y, h1, h3, gate, x2norm}, ARRAY_LEN(names));
}
