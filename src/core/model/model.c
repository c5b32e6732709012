/* model.c: compiling the programs, cutting up the memory, binding every program of every layer. Runs nothing: pass.c does.
 *
 * Surfaces are laid out so that a device with host_memory copies nothing: a program's input is a window of what an earlier program
 * left (programs_fit says whether the packings agree), with a gradient written over the part that is used up.
 * Without gradients all layers share one set of taps. SPDX-License-Identifier: MIT */
#include "model/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "model/host.h"
#include "model/model_state.h"
#include "model/pages.h"

/* --- sizes --- */

/* Floats of each part; uint64_t because nothing is checked against memory yet. */
struct sizes {
	uint64_t attn, ffn, ffn_grad, qkv_grad, dt, scores, logits, table, norm_part, mask, rope;
};

static void sizes_of(struct sizes *z, const struct model_config *c, int batch, int seq, int rows)
{
	uint64_t T = (uint64_t)batch * (uint64_t)seq, D = (uint64_t)c->dim, F = (uint64_t)c->hidden, S = (uint64_t)seq;
	uint64_t Q = (uint64_t)model_q_dim(c), KV = (uint64_t)model_kv_dim(c);
	*z = (struct sizes){
		.attn = T * (2 * D + 2 * Q + 2 * KV), .ffn = T * (2 * D + 3 * F), .ffn_grad = T * (D + 2 * F),
		.qkv_grad = T * (Q + 2 * KV), .dt = T * D, .scores = 2 * (uint64_t)batch * (uint64_t)c->heads * S * S,
		.logits = (uint64_t)head_block(rows, (int)T) * (uint64_t)rows,
		.table = rows < c->vocab ? (uint64_t)rows * D : 0, .norm_part = host_norm_scratch((int)T, c->dim),
		.mask = (uint64_t)(c->heads / c->kv_heads) * S * S, .rope = T * (uint64_t)c->head_dim / 2,
	};
}

static uint64_t total_floats(const struct sizes *z, int layers, int sets, int train)
{
	uint64_t n = z->logits + z->table + z->mask + 2 * z->rope + 2 * z->dt + 16;
	n += (z->attn + z->ffn) * (uint64_t)(train ? layers : 1);
	if (train)
		n += (z->ffn_grad + z->qkv_grad) * (uint64_t)sets + 2 * z->dt + z->scores + z->table + z->norm_part;
	return n + 64 * 16; /* every part begins on a cache line */
}

uint64_t model_bytes(const struct model_config *c, int batch, int seq, int rows)
{
	struct sizes z;
	if (batch < 1 || seq < 1 || (double)batch * seq > INT32_MAX)
		return UINT64_MAX;
	sizes_of(&z, c, batch, seq, rows ? rows : c->vocab);
	return total_floats(&z, c->layers, 1, 1) * sizeof(float);
}

/* --- memory --- */

static float *cut(float **at, uint64_t n)
{
	float *r = *at;
	*at += (n + 15) / 16 * 16;
	return r;
}

static int make_memory(struct model *m, struct err *e)
{
	struct sizes z;
	sizes_of(&z, m->c, m->B, m->S, m->rows);
	uint64_t n = total_floats(&z, m->c->layers, m->nset, m->train), have = mem_available();
	if (n > SIZE_MAX / sizeof(float) / 4 || (have && n * sizeof(float) > have)) {
		char a[16], b[16];
		return err_set(e, ERR_NOMEM, "model: %s: batch %d, seq %d: %s needed for activations, %s free (choose a smaller batch or seq)",
			       m->c->name, m->B, m->S, str_bytes(a, n * sizeof(float)), str_bytes(b, have));
	}
	m->memory_bytes = (n + (uint64_t)m->c->layers * 32) * sizeof(float);
	float *at = m->memory = pages_new(m->memory_bytes);
	m->loss = mem_zalloc((size_t)m->T, sizeof *m->loss);
	m->target = mem_zalloc((size_t)m->T, sizeof *m->target);
	if (!at || !m->loss || !m->target)
		return err_nomem(e, "model: activations", n * sizeof(float));
	for (int l = 0; l < m->c->layers; l++) {
		int own = m->train || l == 0;
		m->layer[l].attn = own ? cut(&at, z.attn) : m->layer[0].attn;
		m->layer[l].ffn = own ? cut(&at, z.ffn) : m->layer[0].ffn;
	}
	m->x0 = cut(&at, z.dt);
	m->xf = cut(&at, z.dt);
	m->logits = cut(&at, z.logits);
	if (z.table)
		m->table = cut(&at, z.table);
	m->mask = cut(&at, z.mask);
	m->rope_cos = cut(&at, z.rope);
	m->rope_sin = cut(&at, z.rope);
	m->numbers = cut(&at, 16);
	for (int i = 0; m->train && i < m->nset; i++) {
		m->set[i].ffn_grad = cut(&at, z.ffn_grad);
		m->set[i].qkv_grad = cut(&at, z.qkv_grad);
	}
	if (m->train) {
		m->dxf = cut(&at, z.dt);
		m->dnorm = cut(&at, z.dt);
		m->scores = cut(&at, z.scores);
		m->norm_part = cut(&at, z.norm_part);
		if (z.table)
			m->table_grad = cut(&at, z.table);
	}
	m->logit_rows = head_block(m->rows, m->T);
	return 0;
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

/* --- programs, weights, kernels --- */

static int build_programs(struct model *m, struct err *e)
{
	m->nprogram = m->train ? PROGRAM_STATIC_N : PROGRAM_FWD_FFN + 1;
	for (int i = 0; i < m->nprogram; i++) {
		int r = program_build(&m->program[i], (enum program_id)i, m->c, &(struct program_shape){m->B, m->S, m->o.separate}, MIL_BARE, e);
		if (r)
			return r;
	}
	return 0;
}

/* Are the channels of surface `sb` of b the same, in count and order, as those of surface `sa` of a that begin at `first`? */
static int same_run(const struct program *a, const char *sa, const char *first, const struct program *b, const char *sb)
{
	const struct program_channel *from = program_channel(a, sa, first), *end = a->channel + a->nchannel;
	for (int i = 0; i < b->nchannel; i++) {
		if (strcmp(b->channel[i].surface, sb))
			continue;
		if (!from || from >= end || strcmp(from->surface, sa) || from->count != b->channel[i].count)
			return 0;
		from++;
	}
	return 1;
}

static int programs_fit(const struct program *p)
{
	return same_run(&p[PROGRAM_FWD_FFN], "out", "y", &p[PROGRAM_FFN_BWD], "x") &&
	       same_run(&p[PROGRAM_FWD_ATTN], "out", "x2", &p[PROGRAM_SDPA_BWD1], "x") &&
	       same_run(&p[PROGRAM_FWD_ATTN], "out", "q", &p[PROGRAM_SDPA_BWD2], "qk") &&
	       same_run(&p[PROGRAM_SDPA_BWD1], "ps", "probs", &p[PROGRAM_SDPA_BWD2], "ps") &&
	       same_run(&p[PROGRAM_QKV_BWD], "x", "dq", &p[PROGRAM_SDPA_BWD2], "out");
}

static const struct {
	const char *name;
	enum param_kind kind;
	int transposed;
} weight_files[] = {
	{"rms1", PARAM_NORM_ATT, 0}, {"wq", PARAM_WQ, 0}, {"wk", PARAM_WK, 0}, {"wv", PARAM_WV, 0}, {"wo", PARAM_WO, 0},
	{"rms2", PARAM_NORM_FFN, 0}, {"w1", PARAM_W1, 0}, {"w2", PARAM_W2, 0}, {"w3", PARAM_W3, 0},
	{"wqt", PARAM_WQ, 1}, {"wkt", PARAM_WK, 1}, {"wvt", PARAM_WV, 1}, {"wot", PARAM_WO, 1},
	{"w1t", PARAM_W1, 1}, {"w2t", PARAM_W2, 1}, {"w3t", PARAM_W3, 1},
};

/* What stands behind a weight's name, for one layer. 1 when it belongs to the layer, 0 when it is the same for all. */
static int find_weight(const struct model *m, int layer, const char *name, struct dev_weight *w)
{
	for (size_t i = 0; i < ARRAY_LEN(weight_files); i++) {
		if (strcmp(weight_files[i].name, name))
			continue;
		const struct param *t = params_find(m->p, weight_files[i].kind, layer);
		w->data = m->p->w + t->offset;
		if (weight_files[i].transposed) { /* [in, out] seen in [out, in] */
			w->stride[0] = 1;
			w->stride[1] = t->dim[1];
		}
		return 1;
	}
	const struct { const char *name; const float *data; } fixed[] = {
		{"mask", m->mask}, {"rope_cos", m->rope_cos}, {"rope_sin", m->rope_sin}, {"eps", m->numbers},
		{"scale", m->numbers + 1}, {"alpha", m->numbers + 2},
	};
	for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
		if (!strcmp(fixed[i].name, name))
			w->data = fixed[i].data;
	return 0;
}

int model_layer_weights(const struct model *m, int layer, const struct program *p, struct dev_weight *w,
			 char path[][64])
{
	int own = 0;
	for (int i = 0; i < p->nweight; i++) {
		const struct mil_type *t = &p->weight_type[i];
		snprintf(path[i], 64, "@model_path/weights/%s.bin", p->weight[i]);
		w[i] = (struct dev_weight){.path = path[i], .dtype = MIL_FP32, .rank = t->rank};
		int64_t step = 1;
		for (int a = t->rank; a-- > 0;) {
			w[i].dim[a] = t->dim[a];
			w[i].stride[a] = step;
			step *= t->dim[a];
		}
		own |= find_weight(m, layer, p->weight[i], &w[i]);
	}
	return own;
}

int model_own_weights(const struct program *p)
{
	for (int i = 0; i < p->nweight; i++)
		for (size_t k = 0; k < ARRAY_LEN(weight_files); k++)
			if (!strcmp(weight_files[k].name, p->weight[i]))
				return 1;
	return 0;
}

static int compile(struct model *m, int l, enum program_id id, struct err *e)
{
	const struct program *p = &m->program[id];
	struct dev_weight w[PROGRAM_WEIGHTS];
	char path[PROGRAM_WEIGHTS][64];
	if (!model_layer_weights(m, l, p, w, path) && l > 0) {
		m->layer[l].kernel[id] = m->layer[0].kernel[id];
		return 0;
	}
	m->layer[l].kernel[id] = device_compile(m->device, p->text.s, p->text.len, w, p->nweight, e);
	if (!m->layer[l].kernel[id]) {
		err_prefix(e, "model: %s: layer %d", p->name, l);
		return e ? e->code : ERR_DEVICE;
	}
	return 0;
}

/* --- weights that have changed --- */

/* Programs whose kernels hold weights of a layer. */
static int own_programs(const struct model *m)
{
	int n = 0;
	for (int id = 0; id < m->nprogram; id++)
		n += model_own_weights(&m->program[id]);
	return n;
}

int model_compiles(const struct model *m)
{
	return device_caps(m->device)->weights_live ? 0 : m->c->layers * own_programs(m);
}

static int check_budget(const struct model *m, int want, struct err *e)
{
	int left = device_caps(m->device)->compiles_left;
	if (left < 0 || want <= left)
		return 0;
	return err_set(e, ERR_BUDGET, "model: %s: %d compiles needed, the device %s has %d left in this process", m->c->name, want,
		       device_caps(m->device)->name, left);
}

static int refreeze(struct model *m, int l, enum program_id id, struct err *e)
{
	const struct program *p = &m->program[id];
	struct dev_weight w[PROGRAM_WEIGHTS];
	char path[PROGRAM_WEIGHTS][64];
	if (!model_layer_weights(m, l, p, w, path))
		return 0;
	int r = kernel_refreeze(m->layer[l].kernel[id], w, p->nweight, e);
	if (r)
		err_prefix(e, "model: %s: layer %d", p->name, l);
	return r;
}

int model_update(struct model *m, struct err *e)
{
	int want = model_compiles(m), r = check_budget(m, want, e);
	uint64_t t0 = clock_ns();
	if (r)
		return r;
	head_gather(m);
	if (!want)
		return 0;
	for (int l = 0; l < m->c->layers && !r; l++)
		for (int id = 0; id < m->nprogram && !r; id++)
			r = refreeze(m, l, (enum program_id)id, e);
	timing_add(m->timing, m->row[ROW_UPDATE], clock_ns() - t0, 0);
	return r;
}

/* --- surfaces and bindings --- */

/* Where on the host a tensor of a program lives; outputs are in `scratch` or the layer's taps. */
static float *home(const struct model *m, int l, enum program_id id, const char *surface, const struct scratch *s)
{
	const struct layer *y = &m->layer[l];
	size_t T = (size_t)m->T;
	switch (id) {
	case PROGRAM_FWD_ATTN:
		return strcmp(surface, "x") ? y->attn : l ? ffn_tap(m, l - 1, "y") : m->x0;
	case PROGRAM_FWD_FFN:
		return strcmp(surface, "x") ? y->ffn : attn_tap(m, l, "x2");
	case PROGRAM_FFN_BWD:
		return strcmp(surface, "x") ? s->ffn_grad : ffn_tap(m, l, "y");
	case PROGRAM_SDPA_BWD1:
		if (!strcmp(surface, "dv"))
			return s->qkv_grad + (size_t)program_channel(&m->program[PROGRAM_QKV_BWD], "x", "dv")->offset * T;
		return strcmp(surface, "x") ? m->scores : attn_tap(m, l, "x2");
	case PROGRAM_SDPA_BWD2:
		if (!strcmp(surface, "qk"))
			return attn_tap(m, l, "q");
		return strcmp(surface, "out") ? m->scores : s->qkv_grad;
	case PROGRAM_QKV_BWD:
		return strcmp(surface, "x") ? m->dnorm : s->qkv_grad;
	default:
		break;
	}
	return NULL;
}

static int add_tensor(struct model *m, int l, enum program_id id, const struct kernel_io *io, int is_output, struct err *e)
{
	struct call *c = &m->layer[l].call[id];
	struct call_tensor *t = &c->tensor[c->n];
	*t = (struct call_tensor){.host = home(m, l, id, io->name, &m->set[l % m->nset]), .channels = io->type.dim[1],
				  .cols = io->type.dim[3], .is_output = is_output,
				  /* of the scores most entries are masked: their zeros say nothing */
				  .is_gradient = is_output && id > PROGRAM_FWD_FFN && strcmp(io->name, "ps")};
	if (device_caps(m->device)->host_memory)
		t->surface = device_surface_over(m->device, &io->type, t->host, e);
	else if (m->shared[id][c->n] || (m->shared[id][c->n] = device_surface(m->device, &io->type, e)))
		t->surface = m->shared[id][c->n];
	if (!t->surface)
		return e ? e->code : ERR_DEVICE;
	c->n++;
	return 0;
}

static int bind(struct model *m, int l, enum program_id id, struct err *e)
{
	struct call *c = &m->layer[l].call[id];
	struct kernel *k = m->layer[l].kernel[id];
	const struct kernel_io *io[2];
	int n[2] = {kernel_inputs(k, &io[0]), kernel_outputs(k, &io[1])}, r;
	const char *names[CALL_SURFACES];
	struct surface *surfaces[CALL_SURFACES];
	if (n[0] + n[1] > CALL_SURFACES)
		return err_set(e, ERR_DEVICE, "model: %s: %d surfaces are more than expected", program_name(id), n[0] + n[1]);
	for (int side = 0; side < 2; side++)
		for (int i = 0; i < n[side]; i++) {
			names[c->n] = io[side][i].name;
			if ((r = add_tensor(m, l, id, &io[side][i], side, e)))
				return r;
			surfaces[c->n - 1] = c->tensor[c->n - 1].surface;
		}
	c->binding = device_bind(k, names, surfaces, c->n, e);
	if (c->binding)
		return 0;
	err_prefix(e, "model: %s: layer %d", program_name(id), l);
	return e ? e->code : ERR_DEVICE;
}

static int make_calls(struct model *m, struct err *e)
{
	int own = own_programs(m), once = m->nprogram - own, rc = check_budget(m, m->c->layers * own + once, e);
	if (rc)
		return rc;
	for (int l = 0; l < m->c->layers; l++)
		for (int id = 0; id < m->nprogram; id++) {
			int r = compile(m, l, (enum program_id)id, e);
			if (r || (r = bind(m, l, (enum program_id)id, e)))
				return r;
		}
	return 0;
}

static void make_rows(struct model *m)
{
	static const char *const names[ROW_N] = {
		[ROW_EMBED] = "embed", [ROW_NORM] = "final norm", [ROW_CLASSIFIER] = "classifier", [ROW_LOSS] = "loss",
		[ROW_NORM_BWD] = "norm bwd", [ROW_EMBED_BWD] = "embed bwd", [ROW_COPY] = "copy", [ROW_UPDATE] = "refreeze",
		[ROW_ROWS] = "compact rows",
	};
	for (int i = 0; i < m->nprogram; i++)
		m->program_row[i] = timing_row(m->timing, program_name((enum program_id)i), TIMING_PROGRAM);
	const struct device_caps *caps = device_caps(m->device);
	const int used[ROW_N] = {
		[ROW_EMBED] = 1, [ROW_NORM] = 1, [ROW_CLASSIFIER] = 1, [ROW_LOSS] = 1, [ROW_NORM_BWD] = m->train,
		[ROW_EMBED_BWD] = m->train, [ROW_COPY] = !caps->host_memory || caps->fp16, [ROW_UPDATE] = !caps->weights_live,
		[ROW_ROWS] = m->train && m->active,
	};
	for (int i = 0; i < ROW_N; i++)
		if (used[i])
			m->row[i] = timing_row(m->timing, names[i], TIMING_HOST);
}

/* --- the door --- */

static int check(const struct device *d, const struct params *p, int batch, int seq, const struct model_options *o, struct err *e)
{
	const struct model_config *c = &p->config;
	if (o && o->pipeline != PIPELINE_STATIC)
		return err_set(e, ERR_STATE, "model: %s: dynamic programs come with later work", c->name);
	if (batch < 1 || seq < 1 || (double)batch * seq > INT32_MAX / 64)
		return err_set(e, ERR_RANGE, "model: %s: batch %d, seq %d: must be at least 1 and smaller together", c->name, batch, seq);
	if (seq > c->context)
		return err_set(e, ERR_RANGE, "model: %s: seq %d: longer than the context of %d", c->name, seq, c->context);
	if (o && o->active && o->active->vocab != c->vocab)
		return err_set(e, ERR_STATE, "model: %s: rows of a vocabulary of %d, the model has %d", c->name, o->active->vocab, c->vocab);
	if (batch > 1 && !device_caps(d)->batch)
		return err_set(e, ERR_DEVICE, "model: %s: batch %d: the device %s takes one sequence (set batch 1 and accum %d)",
			       c->name, batch, device_caps(d)->name, batch);
	return 0;
}

static int fill(struct model *m, struct err *e)
{
	int r = build_programs(m, e);
	if (r)
		return r;
	if (m->train && !programs_fit(m->program))
		return err_set(e, ERR_STATE, "model: the packings of the programs do not fit each other");
	m->layer = mem_zalloc((size_t)m->c->layers, sizeof *m->layer);
	if (!m->layer)
		return err_nomem(e, "model: layers", (uint64_t)m->c->layers * sizeof *m->layer);
	if ((r = make_memory(m, e)))
		return r;
	fill_constants(m);
	head_gather(m);
	if (m->train && !(m->dw = dw_new(m->pool, device_caps(m->device)->overlaps, m->timing, e)))
		return e ? e->code : ERR_NOMEM;
	make_rows(m);
	return make_calls(m, e);
}

struct model *model_new(struct device *d, struct params *p, struct pool *pool, int batch, int seq, const struct model_options *o,
			struct timing *t, const atomic_int *cancel, struct err *e)
{
	if (check(d, p, batch, seq, o, e))
		return NULL;
	struct model *m = mem_zalloc(1, sizeof *m);
	if (!m) {
		err_nomem(e, "model", sizeof *m);
		return NULL;
	}
	m->device = d;
	m->o = o ? *o : (struct model_options){0};
	m->p = p;
	m->c = &p->config;
	m->pool = pool;
	m->timing = t;
	m->cancel = cancel;
	m->B = batch;
	m->S = seq;
	m->T = batch * seq;
	/* All rows that there are need no copy. */
	m->active = m->o.active && m->o.active->n < m->c->vocab ? m->o.active : NULL;
	m->rows = m->active ? m->active->n : m->c->vocab;
	m->train = p->g != NULL;
	m->nset = device_caps(d)->overlaps ? SCRATCH_SETS : 1;
	for (int i = 0; i < ROW_N; i++)
		m->row[i] = -1;
	if (fill(m, e)) {
		model_free(m);
		return NULL;
	}
	return m;
}

static void layer_done(struct model *m, int l)
{
	struct layer *y = &m->layer[l];
	for (int id = 0; id < PROGRAM_N; id++) {
		binding_free(y->call[id].binding);
		if (device_caps(m->device)->host_memory)
			for (int i = 0; i < CALL_SURFACES; i++)
				surface_free(y->call[id].tensor[i].surface);
		if (l == 0 || y->kernel[id] != m->layer[0].kernel[id])
			kernel_free(y->kernel[id]);
	}
}

void model_free(struct model *m)
{
	if (!m)
		return;
	dw_free(m->dw);
	for (int l = m->layer ? m->c->layers : 0; l-- > 0;)
		layer_done(m, l);
	for (int id = 0; id < PROGRAM_N; id++) {
		for (int i = 0; i < CALL_SURFACES; i++)
			surface_free(m->shared[id][i]);
		program_done(&m->program[id]);
	}
	free(m->layer);
	pages_free(m->memory, m->memory_bytes);
	free(m->loss);
	free(m->target);
	free(m);
}

const struct program *model_program(const struct model *m, int id)
{
	return id >= 0 && id < m->nprogram ? &m->program[id] : NULL;
}

const struct kernel *model_kernel(const struct model *m, int id)
{
	return id >= 0 && id < m->nprogram ? m->layer[0].kernel[id] : NULL;
}
