/* program_gen.h: a program under generation and the pieces that generators share. Only for programs.c and program_*.c.
 *
 * Activations are [1, C, 1, T], T = B*S; heads are [B, h, S, HD]. With grouped queries q is seen as [B, KV, R*S, HD], so that a
 * matmul with k or v copies neither, and dk and dv sum over the group by themselves. SPDX-License-Identifier: MIT */
#ifndef ANETUI_MODEL_PROGRAM_GEN_H
#define ANETUI_MODEL_PROGRAM_GEN_H

#include "model/programs.h"

struct gen {
	struct mil_builder b;
	struct program *p;
	const struct model_config *c;
	enum mil_dialect dialect;
	int64_t B, S, T, D, H, KV, HD, F, R; /* R = H / KV */
	int64_t Q, K;                        /* H * HD, KV * HD */
	int64_t rows, N, conv_in;            /* the extras: of the vocabulary, tokens of a block, program_shape.conv_in */
	int separate, dynamic;
	int precise;                         /* and no qk_norm */
	struct mb_value input[8];            /* of a dynamic program */
	int extra;                           /* inputs beside the packed one that stand in input[1..] already */
	struct mb_value weight[PROGRAM_WEIGHTS];
	struct mb_value output[4];
	int noutput;
	int overflow;                        /* a table was too small: program_build refuses */
};

struct gen_channel {
	const char *name;
	int64_t count;
};

/* An input surface of these channels, in this order, [1, sum, 1, last]. */
struct mb_value gen_surface(struct gen *g, const char *surface, const struct gen_channel *c, int n, int64_t last);
/* One of its channel groups (a slice, or the surface itself). */
struct mb_value gen_channel_of(struct gen *g, struct mb_value surface, const char *name);
/* An output surface: the values side by side along the channels. */
struct mb_value gen_pack(struct gen *g, const char *surface, const char *const *names, const struct mb_value *v, int n);
/* An output surface of one value, called as the value is. */
void gen_output(struct gen *g, const char *name, struct mb_value v);

/* Inputs of a dynamic program, [1, channels, 1, count] each, and its beginning. Packed: all side by side in the columns of one
 * surface "x"; separate: the weights, which come last, are surfaces of their own. */
struct gen_column {
	const char *name;
	int64_t count;
	int weight;
};
void gen_begin_packed(struct gen *g, int64_t channels, const struct gen_column *c, int n);
struct mb_value gen_column_of(struct gen *g, const char *name);

/* A weight file; asked for twice, it is the same value. */
struct mb_value gen_weight(struct gen *g, const char *name, struct mil_type type);
/* A number: written into the text when fp16 holds it exactly, else a weight file of one element. */
struct mb_value gen_number(struct gen *g, const char *name, double v);

struct mb_value gen_conv(struct gen *g, const char *name, struct mb_value x, const char *weight, int64_t out);
/* w [1, C, 1, out] as a matrix [1, 1, C, out]; x [1, C, 1, T], w a matrix: x^T w as [1, 1, T, out]; that turned back into
 * [1, out, 1, T]. */
struct mb_value gen_matrix(struct gen *g, struct mb_value w);
struct mb_value gen_product(struct gen *g, struct mb_value x, struct mb_value w);
struct mb_value gen_unproduct(struct gen *g, const char *name, struct mb_value y);
/* alpha * x, or x itself when alpha is 1. */
struct mb_value gen_alpha(struct gen *g, const char *name, struct mb_value x);
/* 1 / sqrt(mean over channels of x^2 + eps), [1, 1, 1, T] */
struct mb_value gen_inverse_rms(struct gen *g, struct mb_value x);
/* w * x / sqrt(mean over channels of x^2 + eps) */
struct mb_value gen_norm(struct gen *g, const char *name, struct mb_value x, const char *weight);
struct mb_value gen_norm_by(struct gen *g, const char *name, struct mb_value x, struct mb_value w);
/* qk_norm: a dynamic program's input of the weights of the norms of q and k; before gen_begin_packed. Others have them as weights. */
struct mb_value gen_head_norms(struct gen *g);
/* qk_norm: every head of x [1, heads*HD, 1, T] through the norm with that weight (rmsq or rmsk); else x. */
struct mb_value gen_head_norm(struct gen *g, const char *name, struct mb_value x, int64_t heads, const char *weight);
/* Its gradient: d of the norm's output, raw its input -> of the input; *dw [1, HD, 1, T] of the weight, summed over heads, not over tokens. */
struct mb_value gen_head_norm_back(struct gen *g, const char *name, struct mb_value d, struct mb_value raw, int64_t heads, const char *weight,
				   const char *dw_name, struct mb_value *dw);
/* r (u - xhat mean(u xhat)) of xhat = r x and u = w dy, along channels: every step of it is of the size of its operands. */
struct mb_value gen_norm_slope(struct gen *g, const char *name, struct mb_value xhat, struct mb_value r, struct mb_value u);
/* [1, heads*HD, 1, T], turned by the position's angle, or back. */
struct mb_value gen_rope(struct gen *g, const char *name, struct mb_value x, int64_t heads, int inverse);
/* [1, heads*HD, 1, T] to [B, KV, S, HD] (heads == KV) or [B, KV, R*S, HD], and back. */
struct mb_value gen_heads(struct gen *g, const char *name, struct mb_value x, int64_t heads);
struct mb_value gen_unheads(struct gen *g, const char *name, struct mb_value x, int64_t heads);
/* q [1, Q, 1, T] and k [1, K, 1, T]; precise: and what fp16 does not hold of them. */
struct gen_qk {
	struct mb_value q, k, q_low, k_low;
};
/* q and k as the products gave them, through their norms and turned; precise: with what low.q and low.k hold of them. */
struct gen_qk gen_turned(struct gen *g, struct mb_value q_raw, struct mb_value k_raw, const struct gen_qk *low);
/* Those of an input surface; its channels q, k, v and what stands between, from c[n] on: how many there are then. */
struct gen_qk gen_qk_of(struct gen *g, struct mb_value surface);
int gen_qkv_channels(const struct gen *g, struct gen_channel *c, int n);
/* softmax(q k^T / sqrt(HD) + mask): [B, KV, R*S, S] */
struct mb_value gen_probs(struct gen *g, const struct gen_qk *x);
/* Causal attention, v like k: [1, Q, 1, T]. */
struct mb_value gen_attention(struct gen *g, const struct gen_qk *x, struct mb_value v);
/* Its gradient up to the scores, which are made again: da like q -> the outputs dv, ps = [probs | dp]. */
void gen_scores_back(struct gen *g, const struct gen_qk *x, struct mb_value v, struct mb_value da);
/* program_precise.c. W x - y of y = fp16(W x), x [1, C, 1, T]: W a weight [out, C], or a matrix [1, 1, C, out]; `minus` the weight -I. */
struct mb_value gen_conv_low(struct gen *g, const char *name, struct mb_value x, struct mb_value y, const char *weight, const char *minus);
struct mb_value gen_product_low(struct gen *g, const char *name, struct mb_value x, struct mb_value y, struct mb_value w, const char *minus);
/* x + low turned as by gen_rope, in the same two parts. */
void gen_rope_low(struct gen *g, const char *name, const char *low_name, struct mb_value *x, struct mb_value *low, int64_t heads);
/* (q + q_low) (k + k_low)^T less about the largest of each row: [B, KV, R*S, S] */
struct mb_value gen_scores_low(struct gen *g, struct mb_value q, struct mb_value k, struct mb_value q_low, struct mb_value k_low);
/* [B, KV, R*S, S] to [1, B*H*S, 1, S], and back. */
struct mb_value gen_score_tap(struct gen *g, const char *name, struct mb_value x);
struct mb_value gen_score_view(struct gen *g, const char *name, struct mb_value x);

void gen_fwd_attn(struct gen *g);
void gen_fwd_ffn(struct gen *g);
void gen_ffn_bwd(struct gen *g);
void gen_sdpa_bwd1(struct gen *g);
void gen_sdpa_bwd2(struct gen *g);
void gen_qkv_bwd(struct gen *g);
void gen_dyn_sdpa_fwd(struct gen *g);
void gen_dyn_wo_fwd(struct gen *g);
void gen_dyn_ffn(struct gen *g);
void gen_dyn_w2t_bwd(struct gen *g);
void gen_dyn_w13t_bwd(struct gen *g);
void gen_dyn_wot_bwd(struct gen *g);
void gen_dyn_sdpa_bwd1(struct gen *g);
void gen_dyn_q_bwd(struct gen *g);
void gen_dyn_kv_bwd(struct gen *g);
void gen_final_norm(struct gen *g);
void gen_classifier(struct gen *g);
void gen_softmax(struct gen *g);
void gen_classifier_bwd(struct gen *g);
void gen_norm_bwd(struct gen *g);

#endif
