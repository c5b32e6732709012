/* model_memory.c: the host memory of a model: what a layer leaves for its backward pass, scratch, constants. Knows no program's text.
 *
 * Places that stand one after the other in a row without a break are one surface of some program: a program's input is a window of
 * what earlier programs left, with a gradient written over the part that is used up. Without gradients all layers share one set; with
 * `recompute` they share the scratch's sets, one or two, and only what a layer begins with is kept for each.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/pages.h"
#include "model/extras.h"
#include "model/host.h"
#include "model/model_state.h"

/* --- the tables --- */

enum width { WIDE_D, WIDE_Q, WIDE_K, WIDE_F, WIDE_HEAD, WIDE_SCORES };
enum share { LAYER, SET, ALL }; /* whose it is: a layer's, a set of scratch's, of all layers */
/* When it is in use, if not always. Where no product is left in a queue when its phase is over, phases have one place for all that is theirs. */
enum phase { PHASE_ALWAYS, PHASE_FORWARD, PHASE_HEAD, PHASE_FFN, PHASE_ATTN, PHASE_N };

struct place_row {
	const char *name;
	enum place place;
	enum width width;
	enum share share;
	int begins;   /* 1: a surface begins here, on a cache line */
	int backward; /* 1: only where there are gradients */
};

static const struct place_row static_rows[] = {
	{"x2", PLACE_X2, WIDE_D, LAYER, 1, 0}, {"q", PLACE_Q, WIDE_Q, LAYER, 0, 0}, {"k", PLACE_K, WIDE_K, LAYER, 0, 0},
	{"q_low", PLACE_Q_LOW, WIDE_Q, LAYER, 0, 0}, {"k_low", PLACE_K_LOW, WIDE_K, LAYER, 0, 0},
	{"v", PLACE_V, WIDE_K, LAYER, 0, 0}, {"attn", PLACE_ATTN, WIDE_Q, LAYER, 0, 0}, {"xnorm", PLACE_XNORM, WIDE_D, LAYER, 0, 0},
	{"q_raw", PLACE_Q_RAW, WIDE_Q, LAYER, 0, 0}, {"k_raw", PLACE_K_RAW, WIDE_K, LAYER, 0, 0},
	{"y", PLACE_Y, WIDE_D, LAYER, 1, 0}, {"h1", PLACE_H1, WIDE_F, LAYER, 0, 0}, {"h3", PLACE_H3, WIDE_F, LAYER, 0, 0},
	{"gate", PLACE_GATE, WIDE_F, LAYER, 0, 0}, {"x2norm", PLACE_X2NORM, WIDE_D, LAYER, 0, 0},
	{"dx2norm", PLACE_DX2NORM, WIDE_D, SET, 1, 1}, {"dh1", PLACE_DH1, WIDE_F, SET, 0, 1}, {"dh3", PLACE_DH3, WIDE_F, SET, 0, 1},
	{"dq", PLACE_DQ, WIDE_Q, SET, 1, 1}, {"dk", PLACE_DK, WIDE_K, SET, 0, 1}, {"dv", PLACE_DV, WIDE_K, SET, 0, 1},
	{"dxnorm", PLACE_DXNORM, WIDE_D, ALL, 1, 1},
	{"dqnorm", PLACE_DQNORM, WIDE_HEAD, ALL, 1, 1}, {"dknorm", PLACE_DKNORM, WIDE_HEAD, ALL, 0, 1},
	{"probs", PLACE_PROBS, WIDE_SCORES, ALL, 1, 1}, {"dp", PLACE_DP, WIDE_SCORES, ALL, 0, 1},
};

/* dh1 and dh3 are written over h1 and h3. */
static const struct place_row dynamic_rows[] = {
	{"x2", PLACE_X2, WIDE_D, LAYER, 1, 0}, {"xnorm", PLACE_XNORM, WIDE_D, LAYER, 1, 0},
	{"attn", PLACE_ATTN, WIDE_Q, LAYER, 1, 0}, {"q_raw", PLACE_Q_RAW, WIDE_Q, LAYER, 0, 0}, {"k_raw", PLACE_K_RAW, WIDE_K, LAYER, 0, 0},
	{"q", PLACE_Q, WIDE_Q, LAYER, 0, 0}, {"k", PLACE_K, WIDE_K, LAYER, 0, 0},
	{"q_low", PLACE_Q_LOW, WIDE_Q, LAYER, 0, 0}, {"k_low", PLACE_K_LOW, WIDE_K, LAYER, 0, 0},
	{"v", PLACE_V, WIDE_K, LAYER, 0, 0}, {"da", PLACE_DA, WIDE_Q, LAYER, 0, 1},
	{"y", PLACE_Y, WIDE_D, LAYER, 1, 0}, {"h1", PLACE_H1, WIDE_F, LAYER, 0, 0}, {"h3", PLACE_H3, WIDE_F, LAYER, 0, 0},
	{"gate", PLACE_GATE, WIDE_F, LAYER, 0, 0}, {"x2norm", PLACE_X2NORM, WIDE_D, LAYER, 1, 0},
	{"o", PLACE_O, WIDE_D, ALL, 1, 0}, {"dgate", PLACE_DGATE, WIDE_F, ALL, 1, 1}, {"dx2norm", PLACE_DX2NORM, WIDE_D, ALL, 1, 1},
	{"dq", PLACE_DQ, WIDE_Q, SET, 1, 1}, {"dk", PLACE_DK, WIDE_K, SET, 0, 1}, {"dv", PLACE_DV, WIDE_K, SET, 0, 1},
	{"dxq", PLACE_DXNORM, WIDE_D, ALL, 1, 1}, {"dxkv", PLACE_DXKV, WIDE_D, ALL, 1, 1},
	{"dqnorm", PLACE_DQNORM, WIDE_HEAD, ALL, 1, 1}, {"dknorm", PLACE_DKNORM, WIDE_HEAD, ALL, 0, 1},
	{"probs", PLACE_PROBS, WIDE_SCORES, ALL, 1, 1}, {"dp", PLACE_DP, WIDE_SCORES, ALL, 0, 1},
};

static enum phase phase_of(enum place p)
{
	switch (p) {
	case PLACE_O: return PHASE_FORWARD;
	case PLACE_DGATE: case PLACE_DX2NORM: case PLACE_DH1: case PLACE_DH3: return PHASE_FFN;
	case PLACE_DQ: case PLACE_DK: case PLACE_DV: case PLACE_DQNORM: case PLACE_DKNORM:
	case PLACE_DXNORM: case PLACE_DXKV: case PLACE_PROBS: case PLACE_DP: return PHASE_ATTN;
	default: return PHASE_ALWAYS;
	}
}

static int rows_of(enum model_pipeline pipeline, const struct place_row **rows)
{
	*rows = pipeline == PIPELINE_STATIC ? static_rows : dynamic_rows;
	return pipeline == PIPELINE_STATIC ? (int)ARRAY_LEN(static_rows) : (int)ARRAY_LEN(dynamic_rows);
}

float *model_place(const struct model *m, int layer, const char *name)
{
	const struct layer *y = &m->layer[layer];
	const struct place_row *row;
	int n = rows_of(m->o.pipeline, &row);
	if (!strcmp(name, "x"))
		return layer_input(m, layer);
	if (!strcmp(name, "dy"))
		return y->place[PLACE_Y];
	if (!strcmp(name, "dx2"))
		return y->place[PLACE_X2];
	for (int i = 0; i < n; i++)
		if (!strcmp(row[i].name, name))
			return y->place[row[i].place];
	return !strcmp(name, "dh1") ? y->place[PLACE_H1] : !strcmp(name, "dh3") ? y->place[PLACE_H3] : NULL;
}

/* --- sizes --- */

/* Floats; uint64_t because nothing is checked against memory yet. */
static uint64_t width_of(const struct model_config *c, int batch, int seq, enum width w)
{
	uint64_t T = (uint64_t)batch * (uint64_t)seq;
	switch (w) {
	case WIDE_D: return T * (uint64_t)c->dim;
	case WIDE_Q: return T * (uint64_t)model_q_dim(c);
	case WIDE_K: return T * (uint64_t)model_kv_dim(c);
	case WIDE_F: return T * (uint64_t)c->hidden;
	case WIDE_HEAD: return T * (uint64_t)c->head_dim;
	case WIDE_SCORES: return T * (uint64_t)c->heads * (uint64_t)seq;
	}
	return 0;
}

/* What decides how many of a place there are. With one set of scratch nothing overlaps. */
struct counts {
	int layers, sets, train, recompute, qk_norm, precise;
};

static enum share whose(const struct place_row *r, const struct counts *n)
{
	return r->share != LAYER ? r->share : !n->train ? ALL : n->recompute ? SET : LAYER;
}

static int of_head_norms(enum place p)
{
	return p >= PLACE_Q_RAW && p <= PLACE_DKNORM;
}

static int of_precise(enum place p)
{
	return p == PLACE_Q_LOW || p == PLACE_K_LOW;
}

static int copies(const struct place_row *r, const struct counts *n)
{
	if ((r->backward && !n->train) || (of_head_norms(r->place) && !n->qk_norm) || (of_precise(r->place) && !n->precise))
		return 0;
	return whose(r, n) == LAYER ? n->layers : whose(r, n) == SET ? n->sets : 1;
}

/* What is no place: of the head, constants, one of each. */
struct sizes {
	uint64_t dt, logits, table, norm_part, mask, rope;
	uint64_t turn, minus_q, minus_k, less; /* precise, else 0 */
};

static void sizes_of(struct sizes *z, const struct model_config *c, int batch, int seq, int rows, int precise)
{
	uint64_t T = (uint64_t)batch * (uint64_t)seq, S = (uint64_t)seq;
	*z = (struct sizes){
		.dt = width_of(c, batch, seq, WIDE_D), .logits = (uint64_t)head_block(rows, (int)T) * (uint64_t)rows,
		.table = rows < c->vocab ? (uint64_t)rows * (uint64_t)c->dim : 0, .norm_part = host_norm_scratch((int)T, c->dim),
		.mask = (uint64_t)(c->heads / c->kv_heads) * S * S, .rope = T * (uint64_t)c->head_dim / 2,
	};
	if (!precise)
		return;
	z->turn = z->rope;
	z->minus_q = (uint64_t)model_q_dim(c) * (uint64_t)model_q_dim(c);
	z->minus_k = (uint64_t)model_kv_dim(c) * (uint64_t)model_kv_dim(c);
	z->less = T * (uint64_t)c->kv_heads * (uint64_t)program_score_pad(c);
}

static uint64_t total_floats(const struct model_config *c, enum model_pipeline pipeline, int batch, int seq, int rows, const struct counts *many)
{
	struct sizes z;
	const struct place_row *row;
	sizes_of(&z, c, batch, seq, rows, many->precise);
	uint64_t n = z.table + z.mask + 2 * z.rope + z.dt + 16 + 4 * z.turn + z.minus_q + z.minus_k + z.less + (many->precise ? 8 * 16 : 0), phase[PHASE_N] = {0};
	phase[PHASE_HEAD] = z.dt + z.logits + (many->train ? z.dt : 0) + 3 * 16;
	if (many->train)
		n += z.table + z.norm_part;
	if (many->recompute)
		n += (z.dt + 16) * (uint64_t)(many->layers - 1);
	for (int i = rows_of(pipeline, &row); i-- > 0;)
		phase[phase_of(row[i].place)] += (width_of(c, batch, seq, row[i].width) + 16) * (uint64_t)copies(&row[i], many);
	uint64_t most = 0, sum = 0;
	for (int i = PHASE_ALWAYS + 1; i < PHASE_N; i++) {
		most = MAX(most, phase[i]);
		sum += phase[i];
	}
	n += phase[PHASE_ALWAYS] + (many->sets == 1 ? most : sum);
	return n + 64 * 16; /* every part begins on a cache line */
}

uint64_t model_bytes(const struct model_config *c, int batch, int seq, int rows, const struct model_options *o)
{
	static const struct model_options plain = {0};
	if (!o)
		o = &plain;
	if (batch < 1 || seq < 1 || (double)batch * seq > INT32_MAX)
		return UINT64_MAX;
	return model_floats(&(struct device_caps){.host_memory = 1}, c, batch, seq, rows ? rows : c->vocab, o, 1, &(uint64_t){0}) * sizeof(float);
}

uint64_t model_floats(const struct device_caps *caps, const struct model_config *c, int batch, int seq, int rows, const struct model_options *o,
		      int train, uint64_t *head)
{
	struct extras_plan x = {0};
	struct sizes z;
	const struct counts many = {c->layers, caps->overlaps ? SCRATCH_SETS : 1, train, o->recompute && train, c->qk_norm, model_is_precise(caps, c, o)};
	if (o->extras)
		extras_plan(&x, caps, c, o, batch * seq, rows, train);
	sizes_of(&z, c, batch, seq, rows, 0);
	*head = z.logits + z.table * (train ? 2 : 1) + x.floats;
	return total_floats(c, o->pipeline, batch, seq, rows, &many) + x.floats;
}

/* --- cutting --- */

static void align(float **at)
{
	*at = (float *)(((uintptr_t)*at + 63) / 64 * 64);
}

static float *cut(float **at, uint64_t n)
{
	align(at);
	float *r = *at;
	*at += n;
	return r;
}

/* The places of one owner (a layer, a set or all) and phase. */
static void cut_places(struct model *m, const struct counts *many, float **at, enum share share, enum phase phase, float *place[PLACE_N])
{
	const struct place_row *row;
	int n = rows_of(m->o.pipeline, &row);
	for (int i = 0; i < n; i++) {
		if (whose(&row[i], many) != share || phase_of(row[i].place) != phase || !copies(&row[i], many))
			continue;
		if (row[i].begins)
			align(at);
		place[row[i].place] = *at;
		*at += width_of(m->c, m->B, m->S, row[i].width);
	}
}

static void cut_head(struct model *m, const struct sizes *z, float **at)
{
	m->xf = cut(at, z->dt);
	m->logits = cut(at, z->logits);
	if (m->train)
		m->dxf = cut(at, z->dt);
}

static void cut_layers(struct model *m, const struct counts *many, const struct sizes *z, float **at)
{
	float *set[SCRATCH_SETS][PLACE_N] = {{NULL}}, *all[PLACE_N] = {NULL}, *begin = NULL, *end = *at;
	for (enum phase phase = 0; phase < PHASE_N; phase++) {
		cut_places(m, many, at, ALL, phase, all);
		for (int i = 0; i < m->nset; i++)
			cut_places(m, many, at, SET, phase, set[i]);
		if (phase == PHASE_HEAD)
			cut_head(m, z, at);
		end = MAX(end, *at);
		if (!begin || many->sets > 1)
			begin = *at;
		*at = begin;
	}
	*at = end;
	for (int l = 0; l < m->c->layers; l++) {
		float **place = m->layer[l].place;
		cut_places(m, many, at, LAYER, PHASE_ALWAYS, place);
		for (int i = 0; i < PLACE_N; i++)
			if (!place[i])
				place[i] = all[i] ? all[i] : set[l % m->nset][i];
	}
}

static void cut_inputs(struct model *m, float **at)
{
	m->layer[0].input = m->x0;
	for (int l = 1; l < m->c->layers; l++)
		m->layer[l].input = m->recompute ? cut(at, width_of(m->c, m->B, m->S, WIDE_D)) : m->layer[l - 1].place[PLACE_Y];
}

/* The weight files that are no parameters: programs.h says what is in them. */
static void fill_constants(struct model *m)
{
	int64_t S = m->S, rows = S * (m->c->heads / m->c->kv_heads), half = m->c->head_dim / 2;
	for (int64_t r = 0; r < rows; r++)
		for (int64_t k = 0; k < S; k++)
			m->mask[r * S + k] = k <= r % S ? 0 : -1e4f;
	for (int64_t i = 0; i < half; i++) {
		double step = pow(m->c->rope_theta, -2.0 * (double)i / m->c->head_dim);
		for (int64_t t = 0; t < m->T; t++) {
			m->rope_cos[i * m->T + t] = (float)cos((double)(t % S) * step);
			m->rope_sin[i * m->T + t] = (float)sin((double)(t % S) * step);
		}
	}
	m->numbers[0] = m->c->norm_eps;
	m->numbers[1] = (float)(1 / sqrt((double)m->c->head_dim));
	m->numbers[2] = m->c->alpha;
}

static void cut_precise(struct model *m, const struct sizes *z, float **at)
{
	for (int i = 0; i < 4; i++)
		m->turn[i] = cut(at, z->turn);
	m->minus_q = cut(at, z->minus_q);
	m->minus_k = cut(at, z->minus_k);
	m->less = cut(at, z->less);
}

/* Memory is zero to begin with. The coarse tables have so few digits that their products with whole numbers below 32 are exact in fp16, and the sum of two such. */
static void fill_precise(struct model *m)
{
	int64_t Q = model_q_dim(m->c), K = model_kv_dim(m->c), S = m->S, pad = program_score_pad(m->c);
	for (int64_t i = 0; i < m->c->head_dim / 2; i++) {
		double step = pow(m->c->rope_theta, -2.0 * (double)i / m->c->head_dim);
		for (int64_t t = 0; t < m->T; t++) {
			double angle = (double)(t % S) * step, v[2] = {cos(angle), sin(angle)};
			for (int k = 0; k < 2; k++) {
				double coarse = rint(32 * v[k]) / 32;
				m->turn[k][i * m->T + t] = (float)coarse;
				m->turn[2 + k][i * m->T + t] = (float)(v[k] - coarse);
			}
		}
	}
	for (int64_t i = 0; i < Q; i++)
		m->minus_q[i * Q + i] = -1;
	for (int64_t i = 0; i < K; i++)
		m->minus_k[i * K + i] = -1;
	for (int64_t i = 0; i < m->c->kv_heads * m->T; i++)
		m->less[i / m->T * pad * m->T + i % m->T] = -1;
}

/* Weights in surfaces of a device's own, dynamic programs only: each matrix forward, and once more backward. The device makes them. */
static uint64_t staged_floats(const struct model *m)
{
	const struct model_config *c = m->c;
	uint64_t Q = (uint64_t)model_q_dim(c), K = (uint64_t)model_kv_dim(c), D = (uint64_t)c->dim, F = (uint64_t)c->hidden;
	if (m->o.pipeline == PIPELINE_STATIC || device_caps(m->device)->host_memory)
		return 0;
	return (uint64_t)c->layers * (D * (2 * Q + 2 * K + 3 * F) + (c->qk_norm ? 2 * (uint64_t)c->head_dim : 0)) * (m->train ? 2 : 1);
}

int model_make_memory(struct model *m, struct err *e)
{
	struct sizes z;
	const struct counts many = {m->c->layers, m->nset, m->train, m->recompute, m->c->qk_norm, m->o.precise == PRECISE_ON};
	sizes_of(&z, m->c, m->B, m->S, m->rows, many.precise);
	uint64_t n = total_floats(m->c, m->o.pipeline, m->B, m->S, m->rows, &many), have = mem_available();
	uint64_t all = n + staged_floats(m);
	if (all > SIZE_MAX / sizeof(float) / 4 || (have && all * sizeof(float) > have)) {
		char a[16], b[16];
		return err_set(e, ERR_NOMEM, "model: %s: batch %d, seq %d: %s needed for activations%s, %s free (choose a smaller batch or seq)",
			       m->c->name, m->B, m->S, str_bytes(a, all * sizeof(float)), all > n ? " and weights in the device's surfaces" : "",
			       str_bytes(b, have));
	}
	m->memory_bytes = n * sizeof(float);
	float *at = m->memory = pages_new(m->memory_bytes);
	m->loss = mem_zalloc((size_t)m->T, sizeof *m->loss);
	m->target = mem_zalloc((size_t)m->T, sizeof *m->target);
	if (!at || !m->loss || !m->target)
		return err_nomem(e, "model: activations", n * sizeof(float));
	cut_layers(m, &many, &z, &at);
	m->x0 = cut(&at, z.dt);
	cut_inputs(m, &at);
	if (z.table)
		m->table = cut(&at, z.table);
	m->mask = cut(&at, z.mask);
	m->rope_cos = cut(&at, z.rope);
	m->rope_sin = cut(&at, z.rope);
	m->numbers = cut(&at, 16);
	if (many.precise)
		cut_precise(m, &z, &at);
	if (m->train) {
		m->norm_part = cut(&at, z.norm_part);
		if (z.table)
			m->table_grad = cut(&at, z.table);
	}
	m->logit_rows = head_block(m->rows, m->T);
	fill_constants(m);
	if (many.precise)
		fill_precise(m);
	return 0;
}
