/* program_precise.c: q, k and the scores to more digits than fp16 has (qk.precise): pieces only, in the place of those in programs.c.
 *
 * What a product's wide sums knew and its fp16 result does not is made by a second product, W x - fp16(W x), and carried on as q_low and k_low
 * beside q and k. Whole numbers and the rest go through RoPE apart, with tables cut in two, so that the large products and their sum are exact.
 * Scores are one product [q | q | q_low] [k | k_low | k]^T, less each row's largest: what softmax keeps is near 0, where fp16 is fine.
 * Everything counts on each op being rounded by itself, in the order that is written. SPDX-License-Identifier: MIT */
#include <math.h>

#include "base/mem.h"
#include "model/program_gen.h"

/* Added and taken off again it leaves the nearest whole number: fp16's step between 1024 and 2048 is 1. Beyond 512 digits are lost, no more. */
static const double to_whole = 1536;

static struct mb_value minus_one(struct gen *g, const char *name, int64_t n)
{
	return gen_weight(g, name, mb_t4(MIL_FP16, 1, 1, n, n));
}

struct mb_value gen_conv_low(struct gen *g, const char *name, struct mb_value x, struct mb_value y, const char *weight, const char *minus)
{
	struct mil_builder *b = &g->b;
	int64_t in = x.type.dim[1], out = y.type.dim[1];
	struct mb_value w = mb_reshape(b, NULL, gen_weight(g, weight, mb_t4(MIL_FP16, out, in, 1, 1)), 4, (int64_t[]){1, 1, out, in});
	struct mb_value both = mb_concat(b, NULL, (struct mb_value[]){w, minus_one(g, minus, out)}, 2, 3);
	struct mb_value xy = gen_matrix(g, mb_concat(b, NULL, (struct mb_value[]){x, y}, 2, 1));
	return mb_reshape(b, name, mb_matmul(b, NULL, both, xy, 0, 0), 4, (int64_t[]){1, out, 1, g->T});
}

struct mb_value gen_product_low(struct gen *g, const char *name, struct mb_value x, struct mb_value y, struct mb_value w, const char *minus)
{
	struct mil_builder *b = &g->b;
	int64_t out = y.type.dim[1];
	struct mb_value both = mb_concat(b, NULL, (struct mb_value[]){w, minus_one(g, minus, out)}, 2, 2);
	struct mb_value xy = gen_matrix(g, mb_concat(b, NULL, (struct mb_value[]){x, y}, 2, 1));
	return mb_reshape(b, name, mb_matmul(b, NULL, both, xy, 1, 0), 4, (int64_t[]){1, out, 1, g->T});
}

/* --- RoPE --- */

struct tables {
	struct mb_value co, si;
};

/* v[0] co - v[1] si, v[1] co + v[0] si */
static void turn(struct gen *g, struct mb_value out[2], const struct mb_value v[2], const struct tables *t)
{
	struct mil_builder *b = &g->b;
	struct mb_value ec = mb_binary(b, "mul", NULL, v[0], t->co), os = mb_binary(b, "mul", NULL, v[1], t->si);
	struct mb_value oc = mb_binary(b, "mul", NULL, v[1], t->co), es = mb_binary(b, "mul", NULL, v[0], t->si);
	out[0] = mb_binary(b, "sub", NULL, ec, os);
	out[1] = mb_binary(b, "add", NULL, oc, es);
}

static void halves(struct gen *g, struct mb_value out[2], struct mb_value v, int axis)
{
	int64_t begin[4] = {0, 0, 0, 0}, one[4];
	for (int a = 0; a < 4; a++)
		one[a] = a == axis ? 1 : v.type.dim[a];
	for (int i = 0; i < 2; i++) {
		begin[axis] = i;
		out[i] = mb_slice(&g->b, NULL, v, begin, one);
	}
}

void gen_rope_low(struct gen *g, const char *name, const char *low_name, struct mb_value *x, struct mb_value *low, int64_t heads)
{
	struct mil_builder *b = &g->b;
	int64_t half = g->HD / 2;
	int axis = g->c->rope == ROPE_INTERLEAVED ? 2 : 1;
	const int64_t pairs[4] = {heads, axis == 2 ? half : 2, axis == 2 ? 2 : half, g->T}, flat[4] = {1, x->type.dim[1], 1, g->T};
	const struct mil_type type = mb_t4(MIL_FP16, 1, axis == 2 ? half : 1, axis == 2 ? 1 : half, g->T);
	const struct tables coarse = {gen_weight(g, "cos_coarse", type), gen_weight(g, "sin_coarse", type)};
	const struct tables fine = {gen_weight(g, "cos_fine", type), gen_weight(g, "sin_fine", type)};
	struct mb_value v = mb_reshape(b, NULL, *x, 4, pairs), c = mb_const_float(b, to_whole);
	struct mb_value whole = mb_binary(b, "sub", NULL, mb_binary(b, "add", NULL, v, c), c);
	struct mb_value rest = mb_binary(b, "add", NULL, mb_binary(b, "sub", NULL, v, whole), mb_reshape(b, NULL, *low, 4, pairs));
	struct mb_value part[2], large[2], small[2], finer[2];
	halves(g, part, whole, axis);
	turn(g, large, part, &coarse);
	halves(g, part, rest, axis);
	turn(g, small, part, &coarse);
	halves(g, part, v, axis);
	turn(g, finer, part, &fine);
	for (int i = 0; i < 2; i++)
		small[i] = mb_binary(b, "add", NULL, small[i], finer[i]);
	struct mb_value l = mb_concat(b, NULL, large, 2, axis), s = mb_concat(b, NULL, small, 2, axis);
	struct mb_value sum = mb_binary(b, "add", NULL, l, s);
	struct mb_value lost = mb_binary(b, "sub", NULL, s, mb_binary(b, "sub", NULL, sum, l));
	*x = mb_reshape(b, name, sum, 4, flat);
	*low = mb_reshape(b, low_name, lost, 4, flat);
}

/* --- scores --- */

/* Heads [., S, sum of widths] of values [1, heads * width, 1, T], side by side within each head. */
static struct mb_value heads_of(struct gen *g, const char *name, const struct mb_value *x, int n, int64_t heads)
{
	struct mil_builder *b = &g->b;
	struct mb_value v[4];
	for (int i = 0; i < n; i++)
		v[i] = mb_reshape(b, NULL, x[i], 4, (int64_t[]){heads, x[i].type.dim[1] / heads, 1, g->T});
	struct mb_value all = mb_concat(b, NULL, v, n, 1);
	return gen_heads(g, name, mb_reshape(b, NULL, all, 4, (int64_t[]){1, heads * all.type.dim[1], 1, g->T}), heads);
}

struct mb_value gen_scores_low(struct gen *g, struct mb_value q, struct mb_value k, struct mb_value q_low, struct mb_value k_low)
{
	struct mil_builder *b = &g->b;
	const int64_t pad = program_score_pad(g->c);
	struct mb_value mask = gen_weight(g, "mask", mb_t4(MIL_FP16, 1, 1, g->R * g->S, g->S));
	struct mb_value about = mb_matmul(b, "about", gen_heads(g, NULL, q, g->H), gen_heads(g, NULL, k, g->KV), 0, 1);
	struct mb_value top = mb_reduce(b, "reduce_max", "top", mb_binary(b, "add", NULL, about, mask), 3);
	struct mb_value less = gen_weight(g, "less", mb_t4(MIL_FP16, 1, g->KV * pad, 1, g->T));
	struct mb_value qs = heads_of(g, NULL, (struct mb_value[]){q, q, q_low}, 3, g->H);
	struct mb_value ks = heads_of(g, NULL, (struct mb_value[]){k, k_low, k, less}, 4, g->KV);
	struct mb_value columns[3] = {qs, top};
	if (pad > 1) /* whatever: it meets zeros */
		columns[2] = mb_slice(b, NULL, qs, (int64_t[]){0, 0, 0, 0}, (int64_t[]){g->B, g->KV, g->R * g->S, pad - 1});
	return mb_matmul(b, "scores", mb_concat(b, NULL, columns, pad > 1 ? 3 : 2, 3), ks, 0, 1);
}
