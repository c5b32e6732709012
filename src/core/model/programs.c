/* programs.c: which programs there are, their tables, and the pieces they share: norm, RoPE, heads, scores. No layer maths of
 * its own: program_forward.c, program_backward.c and program_dynamic.c put the pieces together. SPDX-License-Identifier: MIT */
#include "model/programs.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fp16.h"
#include "base/mem.h"
#include "model/program_gen.h"

static const struct {
	const char *name, *about;
	void (*generate)(struct gen *g);
} rows[PROGRAM_N] = {
	[PROGRAM_FWD_ATTN] = {"fwdAttn", "norm, q k v, RoPE, causal attention, Wo, residual", gen_fwd_attn},
	[PROGRAM_FWD_FFN] = {"fwdFFN", "norm, SwiGLU feed-forward, residual", gen_fwd_ffn},
	[PROGRAM_FFN_BWD] = {"ffnBwd", "gradient of the feed-forward: of the norm's output, dh1, dh3", gen_ffn_bwd},
	[PROGRAM_SDPA_BWD1] = {"sdpaBwd1", "gradient through Wo: dv, and the score taps probs and dp", gen_sdpa_bwd1},
	[PROGRAM_SDPA_BWD2] = {"sdpaBwd2", "gradient of the scores: dq and dk, rotated back", gen_sdpa_bwd2},
	[PROGRAM_QKV_BWD] = {"qkvBwd", "gradient through Wq, Wk, Wv: of the norm's output", gen_qkv_bwd},
	[PROGRAM_DYN_SDPA_FWD] = {"sdpaFwd", "q k v, RoPE, causal attention", gen_dyn_sdpa_fwd},
	[PROGRAM_DYN_WO_FWD] = {"woFwd", "Wo", gen_dyn_wo_fwd},
	[PROGRAM_DYN_FFN] = {"ffnFused", "SwiGLU feed-forward, residual", gen_dyn_ffn},
	[PROGRAM_DYN_W2T_BWD] = {"ffnBwdW2t", "gradient through W2", gen_dyn_w2t_bwd},
	[PROGRAM_DYN_W13T_BWD] = {"ffnBwdW13t", "gradient through W1 and W3: of the norm's output", gen_dyn_w13t_bwd},
	[PROGRAM_DYN_WOT_BWD] = {"wotBwd", "gradient through Wo", gen_dyn_wot_bwd},
	[PROGRAM_DYN_SDPA_BWD1] = {"sdpaBwd1", "gradient of attention: dv, and the score taps probs and dp", gen_dyn_sdpa_bwd1},
	[PROGRAM_DYN_SDPA_BWD2] = {"sdpaBwd2", "gradient of the scores: dq and dk, rotated back", gen_sdpa_bwd2},
	[PROGRAM_DYN_Q_BWD] = {"qBwd", "gradient through Wq: its part of the norm's output", gen_dyn_q_bwd},
	[PROGRAM_DYN_KV_BWD] = {"kvBwd", "gradient through Wk and Wv: the rest", gen_dyn_kv_bwd},
	[PROGRAM_FINAL_NORM] = {"finalNorm", "extras: the norm before the classifier", gen_final_norm},
	[PROGRAM_CLASSIFIER] = {"classifier", "extras: logits", gen_classifier},
	[PROGRAM_SOFTMAX] = {"softmax", "extras: softmax over the vocabulary", gen_softmax},
	[PROGRAM_CLASSIFIER_BWD] = {"classifierBwd", "extras: gradient through the classifier", gen_classifier_bwd},
	[PROGRAM_NORM_BWD] = {"normBwd", "extras: gradient through a norm", gen_norm_bwd},
};

const char *program_name(enum program_id id)
{
	return rows[id].name;
}

const char *program_about(enum program_id id)
{
	return rows[id].about;
}

int program_by_name(const char *name, enum program_id like)
{
	int found = -1;
	for (int i = 0; i < PROGRAM_N; i++)
		if (!strcmp(rows[i].name, name) && (found < 0 || (i < PROGRAM_STATIC_N) == (like < PROGRAM_STATIC_N)))
			found = i;
	return found;
}

/* --- what a program takes and gives --- */

static struct program_channel *add_group(struct gen *g, const char *surface, const char *name, int axis, int64_t offset, int64_t count)
{
	static struct program_channel none; /* written to when there is no room */
	if (g->p->nchannel == PROGRAM_CHANNELS || offset + count > INT_MAX) {
		g->overflow = 1;
		return &none;
	}
	struct program_channel *c = &g->p->channel[g->p->nchannel++];
	c->axis = axis;
	snprintf(c->name, sizeof c->name, "%s", name);
	snprintf(c->surface, sizeof c->surface, "%s", surface);
	c->offset = (int)offset;
	c->count = (int)count;
	return c;
}

static void add_channel(struct gen *g, const char *surface, const char *name, int64_t offset, int64_t count)
{
	add_group(g, surface, name, 1, offset, count);
}

struct mb_value gen_surface(struct gen *g, const char *surface, const struct gen_channel *c, int n, int64_t last)
{
	int64_t total = 0;
	for (int i = 0; i < n; i++) {
		add_channel(g, surface, c[i].name, total, c[i].count);
		total += c[i].count;
	}
	return (struct mb_value){surface, mb_t4(MIL_FP16, 1, total, 1, last)};
}

struct mb_value gen_channel_of(struct gen *g, struct mb_value surface, const char *name)
{
	const struct program_channel *c = program_channel(g->p, surface.name, name);
	if (!c) {
		g->overflow = 1;
		return surface;
	}
	if (c->count == surface.type.dim[1])
		return surface;
	return mb_slice(&g->b, name, surface, (int64_t[]){0, c->offset, 0, 0},
			(int64_t[]){1, c->count, 1, surface.type.dim[3]});
}

struct mb_value gen_pack(struct gen *g, const char *surface, const char *const *names, const struct mb_value *v, int n)
{
	int64_t total = 0;
	for (int i = 0; i < n; i++) {
		add_channel(g, surface, names[i], total, v[i].type.dim[1]);
		total += v[i].type.dim[1];
	}
	return mb_concat(&g->b, surface, v, n, 1);
}

void gen_output(struct gen *g, const char *name, struct mb_value v)
{
	add_channel(g, v.name, name, 0, v.type.dim[1]);
	g->output[g->noutput++] = v;
}

void gen_begin_packed(struct gen *g, int64_t channels, const struct gen_column *c, int n)
{
	int64_t at = 0;
	int k = g->extra;
	for (int i = 0; i < n; i++) {
		int own = g->separate && c[i].weight;
		struct program_channel *p = add_group(g, own ? c[i].name : "x", c[i].name, 3, own ? 0 : at, c[i].count);
		p->weight = c[i].weight;
		at += own ? 0 : c[i].count;
		if (own)
			g->input[++k] = (struct mb_value){c[i].name, mb_t4(MIL_FP16, 1, channels, 1, c[i].count)};
	}
	g->input[0] = (struct mb_value){"x", mb_t4(MIL_FP16, 1, channels, 1, at)};
	mb_begin(&g->b, g->dialect, g->input, k + 1);
}

struct mb_value gen_column_of(struct gen *g, const char *name)
{
	const struct program_channel *c = program_channel(g->p, "x", name);
	struct mb_value x = g->input[0];
	for (size_t i = 1; !c && i < ARRAY_LEN(g->input); i++)
		if (g->input[i].name && !strcmp(g->input[i].name, name))
			return g->input[i];
	if (!c) {
		g->overflow = 1;
		return x;
	}
	if (c->count == x.type.dim[3])
		return x;
	return mb_slice(&g->b, name, x, (int64_t[]){0, 0, 0, c->offset}, (int64_t[]){1, x.type.dim[1], 1, c->count});
}

struct mb_value gen_weight(struct gen *g, const char *name, struct mil_type type)
{
	for (int i = 0; i < g->p->nweight; i++)
		if (!strcmp(g->p->weight[i], name))
			return g->weight[i];
	if (g->p->nweight == PROGRAM_WEIGHTS) {
		g->overflow = 1;
		return g->weight[0];
	}
	int i = g->p->nweight++;
	snprintf(g->p->weight[i], sizeof g->p->weight[i], "%s", name);
	g->p->weight_type[i] = type;
	return g->weight[i] = mb_blob(&g->b, name, name, type);
}

struct mb_value gen_number(struct gen *g, const char *name, double v)
{
	if (fp16_round((float)v) == (float)v)
		return mb_const_float(&g->b, v);
	return gen_weight(g, name, mb_t4(MIL_FP16, 1, 1, 1, 1));
}

/* --- pieces --- */

struct mb_value gen_conv(struct gen *g, const char *name, struct mb_value x, const char *weight, int64_t out)
{
	return mb_conv1x1(&g->b, name, x, gen_weight(g, weight, mb_t4(MIL_FP16, out, x.type.dim[1], 1, 1)));
}

struct mb_value gen_matrix(struct gen *g, struct mb_value w)
{
	return mb_reshape(&g->b, NULL, w, 4, (int64_t[]){1, 1, w.type.dim[1], w.type.dim[3]});
}

struct mb_value gen_product(struct gen *g, struct mb_value x, struct mb_value w)
{
	struct mb_value act = mb_transpose(&g->b, NULL, gen_matrix(g, x), (int64_t[]){0, 1, 3, 2});
	return mb_matmul(&g->b, NULL, act, w, 0, 0);
}

struct mb_value gen_unproduct(struct gen *g, const char *name, struct mb_value y)
{
	struct mb_value t = mb_transpose(&g->b, NULL, y, (int64_t[]){0, 1, 3, 2});
	return mb_reshape(&g->b, name, t, 4, (int64_t[]){1, t.type.dim[2], 1, t.type.dim[3]});
}

struct mb_value gen_alpha(struct gen *g, const char *name, struct mb_value x)
{
	if (g->c->alpha == 1)
		return x;
	return mb_binary(&g->b, "mul", name, x, gen_number(g, "alpha", g->c->alpha));
}

struct mb_value gen_inverse_rms(struct gen *g, struct mb_value x)
{
	struct mil_builder *b = &g->b;
	struct mb_value square = mb_binary(b, "mul", "square", x, x);
	struct mb_value mean = mb_reduce(b, "reduce_mean", "mean", square, 1);
	struct mb_value safe = mb_binary(b, "add", "mean_eps", mean, gen_number(g, "eps", g->c->norm_eps));
	return mb_binary(b, "pow", "rrms", safe, mb_const_float(b, -0.5));
}

struct mb_value gen_norm_by(struct gen *g, const char *name, struct mb_value x, struct mb_value w)
{
	struct mb_value scaled = mb_binary(&g->b, "mul", "xhat", x, gen_inverse_rms(g, x));
	return mb_binary(&g->b, "mul", name, scaled, w);
}

struct mb_value gen_norm(struct gen *g, const char *name, struct mb_value x, const char *weight)
{
	return gen_norm_by(g, name, x, gen_weight(g, weight, mb_t4(MIL_FP16, 1, x.type.dim[1], 1, 1)));
}

/* Pairs stand in an axis of their own, so that turning them is four products over whole rows of tokens and no transpose:
 * interleaved [heads, HD/2, 2, T], half-split [heads, 2, HD/2, T]. */
struct mb_value gen_rope(struct gen *g, const char *name, struct mb_value x, int64_t heads, int inverse)
{
	struct mil_builder *b = &g->b;
	int64_t half = g->HD / 2, T = g->T;
	int axis = g->c->rope == ROPE_INTERLEAVED ? 2 : 1;
	int64_t pairs[4] = {heads, axis == 2 ? half : 2, axis == 2 ? 2 : half, T};
	int64_t one[4] = {heads, axis == 2 ? half : 1, axis == 2 ? 1 : half, T}, begin[4] = {0, 0, 0, 0};
	struct mil_type table = mb_t4(MIL_FP16, 1, one[1], one[2], T);
	struct mb_value co = gen_weight(g, "rope_cos", table), si = gen_weight(g, "rope_sin", table);
	struct mb_value v = mb_reshape(b, NULL, x, 4, pairs);
	struct mb_value even = mb_slice(b, NULL, v, begin, one);
	begin[axis] = 1;
	struct mb_value odd = mb_slice(b, NULL, v, begin, one);
	struct mb_value ec = mb_binary(b, "mul", NULL, even, co), os = mb_binary(b, "mul", NULL, odd, si);
	struct mb_value oc = mb_binary(b, "mul", NULL, odd, co), es = mb_binary(b, "mul", NULL, even, si);
	struct mb_value turned[2] = {
		mb_binary(b, inverse ? "add" : "sub", NULL, ec, os),
		mb_binary(b, inverse ? "sub" : "add", NULL, oc, es),
	};
	struct mb_value both = mb_concat(b, NULL, turned, 2, axis);
	return mb_reshape(b, name, both, 4, (int64_t[]){1, x.type.dim[1], 1, T});
}

/* --- norms of q and k: heads [heads, HD, 1, T], so that each is a norm over channels --- */

struct mb_value gen_head_norms(struct gen *g)
{
	static const char *const names[] = {"rmsq", "rmsk"};
	for (int i = 0; i < 2; i++)
		add_group(g, "norms", names[i], 3, i * g->HD, g->HD)->weight = 1;
	return g->input[++g->extra] = (struct mb_value){"norms", mb_t4(MIL_FP16, 1, 1, 1, 2 * g->HD)};
}

static struct mb_value head_weight(struct gen *g, const char *name)
{
	const struct program_channel *c = program_channel(g->p, "norms", name);
	if (!c)
		return gen_weight(g, name, mb_t4(MIL_FP16, 1, g->HD, 1, 1));
	struct mb_value norms = {"norms", mb_t4(MIL_FP16, 1, 1, 1, 2 * g->HD)};
	struct mb_value row = mb_slice(&g->b, name, norms, (int64_t[]){0, 0, 0, c->offset}, (int64_t[]){1, 1, 1, c->count});
	return mb_reshape(&g->b, NULL, row, 4, (int64_t[]){1, g->HD, 1, 1});
}

static struct mb_value each_head(struct gen *g, struct mb_value x, int64_t heads)
{
	return mb_reshape(&g->b, NULL, x, 4, (int64_t[]){heads, g->HD, 1, g->T});
}

static struct mb_value side_by_side(struct gen *g, const char *name, struct mb_value x, int64_t heads)
{
	return mb_reshape(&g->b, name, x, 4, (int64_t[]){1, heads * g->HD, 1, g->T});
}

struct mb_value gen_head_norm(struct gen *g, const char *name, struct mb_value x, int64_t heads, const char *weight)
{
	if (!g->c->qk_norm)
		return x;
	return side_by_side(g, name, gen_norm_by(g, NULL, each_head(g, x, heads), head_weight(g, weight)), heads);
}

struct mb_value gen_norm_slope(struct gen *g, const char *name, struct mb_value xhat, struct mb_value r, struct mb_value u)
{
	struct mil_builder *b = &g->b;
	struct mb_value mean = mb_reduce(b, "reduce_mean", "along", mb_binary(b, "mul", "u_xhat", u, xhat), 1);
	struct mb_value rest = mb_binary(b, "sub", "rest", u, mb_binary(b, "mul", "back", xhat, mean));
	return mb_binary(b, "mul", name, rest, r);
}

struct mb_value gen_head_norm_back(struct gen *g, const char *name, struct mb_value d, struct mb_value raw, int64_t heads, const char *weight,
				   const char *dw_name, struct mb_value *dw)
{
	struct mil_builder *b = &g->b;
	raw = each_head(g, raw, heads);
	d = each_head(g, d, heads);
	struct mb_value r = gen_inverse_rms(g, raw), xhat = mb_binary(b, "mul", "xhat", raw, r);
	struct mb_value u = mb_binary(b, "mul", "u", d, head_weight(g, weight));
	struct mb_value part = mb_reshape(b, NULL, mb_binary(b, "mul", "d_xhat", d, xhat), 4, (int64_t[]){1, heads, g->HD, g->T});
	part = heads > 1 ? mb_reduce(b, "reduce_sum", NULL, part, 1) : part;
	*dw = mb_reshape(b, dw_name, part, 4, (int64_t[]){1, g->HD, 1, g->T});
	return side_by_side(g, name, gen_norm_slope(g, NULL, xhat, r, u), heads);
}

struct mb_value gen_heads(struct gen *g, const char *name, struct mb_value x, int64_t heads)
{
	struct mil_builder *b = &g->b;
	struct mb_value v;
	int64_t width = x.type.dim[1] / heads;
	if (g->B == 1) {
		v = mb_reshape(b, NULL, x, 4, (int64_t[]){1, heads, width, g->S});
		v = mb_transpose(b, name, v, (int64_t[]){0, 1, 3, 2});
	} else {
		v = mb_reshape(b, NULL, x, 4, (int64_t[]){heads, width, g->B, g->S});
		v = mb_transpose(b, name, v, (int64_t[]){2, 0, 3, 1});
	}
	if (heads == g->KV)
		return v;
	/* Head h = kv * R + r: the R query heads of a key head lie one after the other and are seen as one longer sequence. */
	return mb_reshape(b, NULL, v, 4, (int64_t[]){g->B, g->KV, g->R * g->S, width});
}

struct mb_value gen_unheads(struct gen *g, const char *name, struct mb_value x, int64_t heads)
{
	struct mil_builder *b = &g->b;
	if (heads != g->KV)
		x = mb_reshape(b, NULL, x, 4, (int64_t[]){g->B, heads, g->S, g->HD});
	if (g->B == 1)
		x = mb_transpose(b, NULL, x, (int64_t[]){0, 1, 3, 2});
	else
		x = mb_transpose(b, NULL, x, (int64_t[]){1, 3, 0, 2});
	return mb_reshape(b, name, x, 4, (int64_t[]){1, heads * g->HD, 1, g->T});
}

struct gen_qk gen_turned(struct gen *g, struct mb_value q_raw, struct mb_value k_raw, const struct gen_qk *low)
{
	struct gen_qk x = {.q = q_raw, .k = k_raw, .q_low = low->q, .k_low = low->k};
	if (g->precise) {
		gen_rope_low(g, "q", "q_low", &x.q, &x.q_low, g->H);
		gen_rope_low(g, "k", "k_low", &x.k, &x.k_low, g->KV);
		return x;
	}
	x.q = gen_rope(g, "q", gen_head_norm(g, "q_norm", q_raw, g->H, "rmsq"), g->H, 0);
	x.k = gen_rope(g, "k", gen_head_norm(g, "k_norm", k_raw, g->KV, "rmsk"), g->KV, 0);
	return x;
}

struct gen_qk gen_qk_of(struct gen *g, struct mb_value surface)
{
	struct gen_qk x = {.q = gen_channel_of(g, surface, "q"), .k = gen_channel_of(g, surface, "k")};
	if (g->precise) {
		x.q_low = gen_channel_of(g, surface, "q_low");
		x.k_low = gen_channel_of(g, surface, "k_low");
	}
	return x;
}

int gen_qkv_channels(const struct gen *g, struct gen_channel *c, int n)
{
	c[n++] = (struct gen_channel){"q", g->Q};
	c[n++] = (struct gen_channel){"k", g->K};
	if (g->precise) {
		c[n++] = (struct gen_channel){"q_low", g->Q};
		c[n++] = (struct gen_channel){"k_low", g->K};
	}
	c[n++] = (struct gen_channel){"v", g->K};
	return n;
}

static struct mb_value scores_of(struct gen *g, const struct gen_qk *x)
{
	if (g->precise)
		return gen_scores_low(g, x->q, x->k, x->q_low, x->k_low);
	return mb_matmul(&g->b, "scores", gen_heads(g, "q_heads", x->q, g->H), gen_heads(g, "k_heads", x->k, g->KV), 0, 1);
}

struct mb_value gen_probs(struct gen *g, const struct gen_qk *x)
{
	struct mil_builder *b = &g->b;
	struct mb_value scores = scores_of(g, x);
	struct mb_value mask = gen_weight(g, "mask", mb_t4(MIL_FP16, 1, 1, g->R * g->S, g->S));
	struct mb_value scaled = mb_binary(b, "mul", "scaled", scores, gen_number(g, "scale", 1 / sqrt((double)g->HD)));
	struct mb_value masked = mb_binary(b, "add", "masked", scaled, mask);
	return mb_softmax(b, "probs", masked, -1);
}

struct mb_value gen_attention(struct gen *g, const struct gen_qk *x, struct mb_value v)
{
	struct mb_value probs = gen_probs(g, x);
	return gen_unheads(g, "attn", mb_matmul(&g->b, "attn_heads", probs, gen_heads(g, "v_heads", v, g->KV), 0, 0), g->H);
}

void gen_scores_back(struct gen *g, const struct gen_qk *x, struct mb_value v, struct mb_value da)
{
	struct mil_builder *b = &g->b;
	v = gen_heads(g, "v_heads", v, g->KV);
	da = gen_heads(g, "da_heads", da, g->H);
	struct mb_value probs = gen_probs(g, x);
	struct mb_value dv = gen_unheads(g, "dv", mb_matmul(b, "dv_heads", probs, da, 1, 0), g->KV);
	struct mb_value dp = mb_matmul(b, "dp_heads", da, v, 0, 1);
	static const char *const names[] = {"probs", "dp"};
	struct mb_value taps[] = {gen_score_tap(g, NULL, probs), gen_score_tap(g, NULL, dp)};
	gen_output(g, "dv", dv);
	g->output[g->noutput++] = gen_pack(g, "ps", names, taps, ARRAY_LEN(names));
}

struct mb_value gen_score_tap(struct gen *g, const char *name, struct mb_value x)
{
	return mb_reshape(&g->b, name, x, 4, (int64_t[]){1, g->B * g->H * g->S, 1, g->S});
}

struct mb_value gen_score_view(struct gen *g, const char *name, struct mb_value x)
{
	return mb_reshape(&g->b, name, x, 4, (int64_t[]){g->B, g->KV, g->R * g->S, g->S});
}

/* --- the door --- */

static int check_shape(const struct model_config *c, int batch, int seq, struct err *e)
{
	int r = model_config_check(c, e);
	if (r)
		return r;
	if (batch < 1 || seq < 1)
		return err_set(e, ERR_RANGE, "programs: batch %d, seq %d: must be at least 1", batch, seq);
	/* The longest axis of any surface: the two score taps. */
	if (2.0 * batch * c->heads * seq > INT_MAX || (double)batch * seq * 64 > INT_MAX)
		return err_set(e, ERR_RANGE, "programs: batch %d, seq %d: too large for one program (choose a smaller batch)", batch,
			       seq);
	return 0;
}

int program_build(struct program *p, enum program_id id, const struct model_config *c, const struct program_shape *shape,
		  enum mil_dialect dialect, struct err *e)
{
	int batch = shape->batch, seq = shape->seq;
	*p = (struct program){.id = id, .name = rows[id].name};
	int r = check_shape(c, batch, seq, e);
	if (r)
		return r;
	struct gen *g = mem_zalloc(1, sizeof *g);
	if (!g)
		return err_nomem(e, "program generator", sizeof *g);
	*g = (struct gen){.p = p, .c = c, .dialect = dialect, .B = batch, .S = seq, .T = (int64_t)batch * seq, .D = c->dim,
			  .H = c->heads, .KV = c->kv_heads, .HD = c->head_dim, .F = c->hidden, .R = c->heads / c->kv_heads,
			  .Q = model_q_dim(c), .K = model_kv_dim(c), .separate = shape->separate, .dynamic = shape->dynamic,
			  .rows = shape->rows ? shape->rows : c->vocab, .N = shape->tokens ? shape->tokens : (int64_t)batch * seq,
			  .conv_in = shape->conv_in, .precise = shape->precise && !c->qk_norm};
	rows[id].generate(g);
	r = mb_end(&g->b, g->output, g->noutput, &p->text, e);
	if (!r && g->overflow)
		r = err_set(e, ERR_RANGE, "programs: %s: tables are too small for it", p->name);
	mb_done(&g->b);
	free(g);
	if (r)
		program_done(p);
	return r;
}

void program_done(struct program *p)
{
	str_done(&p->text);
	p->nchannel = p->nweight = 0;
}

const struct program_channel *program_channel(const struct program *p, const char *surface, const char *name)
{
	for (int i = 0; i < p->nchannel; i++)
		if (!strcmp(p->channel[i].surface, surface) && !strcmp(p->channel[i].name, name))
			return &p->channel[i];
	return NULL;
}
