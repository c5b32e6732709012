/* program_backward.c: the text of the four backward programs. Norms, residuals and weight gradients are the host's.
 * SPDX-License-Identifier: MIT */
#include <math.h>

#include "base/mem.h"
#include "model/program_gen.h"

/* [dy | h1 | h3] -> [dx2norm | dh1 | dh3].
 * With s = sigmoid(h1), dg = W2^T (alpha dy): dh3 = dg h1 s, dh1 = dg h3 s (1 + h1 (1 - s)), dx2norm = W1^T dh1 + W3^T dh3. */
void gen_ffn_bwd(struct gen *g)
{
	struct mil_builder *b = &g->b;
	struct mb_value in = gen_surface(g, "x", (struct gen_channel[]){{"dy", g->D}, {"h1", g->F}, {"h3", g->F}}, 3, g->T);
	mb_begin(b, g->dialect, &in, 1);
	struct mb_value dy = gen_channel_of(g, in, "dy"), h1 = gen_channel_of(g, in, "h1"), h3 = gen_channel_of(g, in, "h3");
	struct mb_value dgate = gen_conv(g, "dgate", gen_alpha(g, "dffn", dy), "w2t", g->F);
	struct mb_value one = mb_const_float(b, 1);
	struct mb_value sig = mb_unary(b, "sigmoid", "sig", h1);
	struct mb_value silu = mb_binary(b, "mul", "silu", h1, sig);
	struct mb_value rest = mb_binary(b, "mul", "rest", h1, mb_binary(b, "sub", "not_sig", one, sig));
	struct mb_value slope = mb_binary(b, "mul", "slope", sig, mb_binary(b, "add", "one_rest", rest, one));
	struct mb_value dh1 = mb_binary(b, "mul", "dh1", mb_binary(b, "mul", "dg_h3", dgate, h3), slope);
	struct mb_value dh3 = mb_binary(b, "mul", "dh3", dgate, silu);
	struct mb_value dx = mb_binary(b, "add", "dx", gen_conv(g, "dx1", dh1, "w1t", g->D), gen_conv(g, "dx3", dh3, "w3t", g->D));
	static const char *const names[] = {"dx2norm", "dh1", "dh3"};
	g->output[g->noutput++] = gen_pack(g, "out", names, (struct mb_value[]){dx, dh1, dh3}, ARRAY_LEN(names));
}

/* [dx2 | q | k | v], precise: [q_low | k_low] before v -> dv, [probs | dp]: da = Wo^T (alpha dx2), dv = probs^T da, dp = da v^T. The scores are made again. */
void gen_sdpa_bwd1(struct gen *g)
{
	struct mil_builder *b = &g->b;
	struct gen_channel c[6] = {{"dx2", g->D}};
	int n = gen_qkv_channels(g, c, 1);
	struct mb_value in = gen_surface(g, "x", c, n, g->T);
	mb_begin(b, g->dialect, &in, 1);
	struct mb_value dx2 = gen_channel_of(g, in, "dx2");
	struct gen_qk qk = gen_qk_of(g, in);
	struct mb_value v = gen_channel_of(g, in, "v");
	struct mb_value da = gen_conv(g, "da", gen_alpha(g, "do", dx2), "wot", g->Q);
	gen_scores_back(g, &qk, v, da);
}

/* raw = [q_raw | k_raw]; d: of the outputs of the norms of q and k, becomes that of their inputs. dn = [dqnorm | dknorm] comes out too. */
static void head_norms_back(struct gen *g, struct mb_value raw, struct mb_value d[2])
{
	static const char *const names[] = {"dqnorm", "dknorm"};
	struct mb_value dw[2];
	d[0] = gen_head_norm_back(g, "dq", d[0], gen_channel_of(g, raw, "q_raw"), g->H, "rmsq", "dqnorm", &dw[0]);
	d[1] = gen_head_norm_back(g, "dk", d[1], gen_channel_of(g, raw, "k_raw"), g->KV, "rmsk", "dknorm", &dw[1]);
	g->output[g->noutput++] = gen_pack(g, "dn", names, dw, ARRAY_LEN(names));
}

/* qk = [q | k], ps = [probs | dp] -> [dq | dk]: ds = probs (dp - sum(probs dp)) / sqrt(HD), dq = ds k, dk = ds^T q, both turned
 * back by RoPE's angle; qk_norm: then through the norms. */
void gen_sdpa_bwd2(struct gen *g)
{
	struct mil_builder *b = &g->b;
	int64_t rows = g->B * g->H * g->S;
	int norms = g->c->qk_norm, n = 2;
	struct mb_value in[4] = {
		gen_surface(g, "qk", (struct gen_channel[]){{"q", g->Q}, {"k", g->K}}, 2, g->T),
		gen_surface(g, "ps", (struct gen_channel[]){{"probs", rows}, {"dp", rows}}, 2, g->S),
	};
	if (norms)
		in[n++] = gen_surface(g, "raw", (struct gen_channel[]){{"q_raw", g->Q}, {"k_raw", g->K}}, 2, g->T);
	if (norms && g->p->id >= PROGRAM_STATIC_N)
		in[n++] = gen_head_norms(g);
	mb_begin(b, g->dialect, in, n);
	struct mb_value q = gen_heads(g, "q_heads", gen_channel_of(g, in[0], "q"), g->H);
	struct mb_value k = gen_heads(g, "k_heads", gen_channel_of(g, in[0], "k"), g->KV);
	struct mb_value probs = gen_score_view(g, NULL, gen_channel_of(g, in[1], "probs"));
	struct mb_value dp = gen_score_view(g, NULL, gen_channel_of(g, in[1], "dp"));
	struct mb_value sum = mb_reduce(b, "reduce_sum", "sum", mb_binary(b, "mul", "pdp", probs, dp), 3);
	struct mb_value ds = mb_binary(b, "mul", "ds_raw", probs, mb_binary(b, "sub", "centred", dp, sum));
	ds = mb_binary(b, "mul", "ds", ds, gen_number(g, "scale", 1 / sqrt((double)g->HD)));
	struct mb_value dq = gen_unheads(g, NULL, mb_matmul(b, "dq_heads", ds, k, 0, 0), g->H);
	struct mb_value dk = gen_unheads(g, NULL, mb_matmul(b, "dk_heads", ds, q, 1, 0), g->KV);
	struct mb_value turned[] = {gen_rope(g, norms ? "dq_turned" : "dq", dq, g->H, 1), gen_rope(g, norms ? "dk_turned" : "dk", dk, g->KV, 1)};
	if (norms)
		head_norms_back(g, in[2], turned);
	static const char *const names[] = {"dq", "dk"};
	g->output[g->noutput++] = gen_pack(g, "out", names, turned, ARRAY_LEN(names));
}

/* [dq | dk | dv] -> dxnorm: Wq^T dq + Wk^T dk + Wv^T dv. */
void gen_qkv_bwd(struct gen *g)
{
	struct mil_builder *b = &g->b;
	struct gen_channel c[] = {{"dq", g->Q}, {"dk", g->K}, {"dv", g->K}};
	struct mb_value in = gen_surface(g, "x", c, ARRAY_LEN(c), g->T);
	mb_begin(b, g->dialect, &in, 1);
	struct mb_value q = gen_conv(g, "dxq", gen_channel_of(g, in, "dq"), "wqt", g->D);
	struct mb_value k = gen_conv(g, "dxk", gen_channel_of(g, in, "dk"), "wkt", g->D);
	struct mb_value v = gen_conv(g, "dxv", gen_channel_of(g, in, "dv"), "wvt", g->D);
	struct mb_value dx = mb_binary(b, "add", "dxnorm", mb_binary(b, "add", "dxqk", q, k), v);
	gen_output(g, "dxnorm", dx);
}
