/* extras.c: see extras.h: programs, kernels, bindings, and in which order they run. Host loops are in host.c.
 *
 * With one block of tokens and host memory nothing is copied: the norm's output is the classifier's input, parts of the vocabulary are windows of
 * one [rows, N], and the gradient stands in the place of the probabilities. SPDX-License-Identifier: MIT */
#include "model/extras.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/pages.h"
#include "model/host.h"
#include "model/model_state.h"

/* A program with its kernel, and its tensors where they are. */
struct unit {
	struct program program;
	struct kernel *kernel;
	const float *weight;
	struct call call;
	int borrowed; /* the kernel is another unit's */
};

struct extras {
	struct extras_plan plan;
	int64_t N;
	int *first;                              /* [parts + 1] rows where parts begin */
	struct unit norm, *classifier, *softmax, *back; /* [parts] */
	struct unit *norm_back;                  /* [2L + 1]: NORM_ATT and NORM_FFN of each layer, NORM_OUT */
	int nnorm_back;
	float *memory;
	size_t memory_bytes;
	float *xf, *dxf;   /* [D, N]: m's own when there is one block */
	float *probs;      /* [rows, N] */
	float *part;       /* [D, N] what a part of the vocabulary adds to dxf */
	float *dx;         /* [D, T] a norm's gradient */
	float *factor;     /* [N] */
	int *target;       /* [N] */
	double *sum;       /* [parts + 1, N], the last row for the whole */
	uint64_t ticket;   /* the product that reads probs and xf */
};

/* --- the plan --- */

void extras_plan(struct extras_plan *x, const struct device_caps *caps, const struct model_config *c, const struct model_options *o, int tokens,
		 int rows, int train)
{
	int most = head_block(rows, tokens), norms = 2 * c->layers + 1;
	*x = (struct extras_plan){.nblock = (tokens + most - 1) / most};
	x->block = (tokens + x->nblock - 1) / x->nblock;
	int dynamic = o->pipeline == PIPELINE_DYNAMIC, limit = caps->max_channels;
	/* Packed, the rows of a part stand behind a block of tokens in the columns. */
	int columns = caps->max_width - (o->separate ? 0 : x->block);
	if (dynamic && caps->max_width && (!limit || columns < limit))
		limit = MAX(columns, 1);
	x->parts = limit ? (rows + limit - 1) / limit : 1;
	int weighted = 1 + x->parts * (train ? 2 : 1); /* programs that have weights, but for the norms' gradients */
	x->compiles = weighted + x->parts + (train ? (dynamic ? 1 : norms) : 0);
	x->recompiles = dynamic ? 0 : weighted + (train ? norms : 0);
	uint64_t N = (uint64_t)x->block, D = (uint64_t)c->dim;
	x->floats = (uint64_t)rows * N + 3 * D * N + (uint64_t)tokens * D + 2 * N + 2 * ((uint64_t)x->parts + 1) * N + 8 * 16;
}

void extras_shape(struct program_shape *s, const struct extras_plan *x, const struct device_caps *caps, const struct model_options *o, int rows)
{
	s->dynamic = o->pipeline == PIPELINE_DYNAMIC;
	s->rows = (rows + x->parts - 1) / x->parts;
	s->tokens = x->block;
	s->conv_in = caps->max_conv_in;
}

/* --- programs and kernels --- */

/* Of the axes of a weight as its name sees them: cls is [rows, D] as it is stored, clst [D, rows], the others [D, 1]. */
static void weight_strides(const struct model *m, const char *name, int64_t stride[2])
{
	stride[0] = strcmp(name, "cls") ? 1 : m->c->dim;
	stride[1] = strcmp(name, "clst") ? 1 : m->c->dim;
}

static int unit_weights(const struct model *m, const struct unit *u, struct dev_weight *w, char path[][64])
{
	for (int i = 0; i < u->program.nweight; i++) {
		const struct mil_type *t = &u->program.weight_type[i];
		const char *name = u->program.weight[i];
		snprintf(path[i], 64, "@model_path/weights/%s.bin", name);
		w[i] = (struct dev_weight){.path = path[i], .dtype = MIL_FP32, .rank = t->rank,
					   .data = strcmp(name, "eps") ? u->weight : m->numbers};
		int64_t step = 1;
		for (int a = t->rank; a-- > 0;) {
			w[i].dim[a] = t->dim[a];
			w[i].stride[a] = step;
			step *= t->dim[a];
		}
		if (!strcmp(name, "clst")) /* [D, rows], or [1, 1, D, rows] */
			weight_strides(m, name, w[i].stride + (t->dim[0] == 1 ? 2 : 0));
	}
	return u->program.nweight;
}

/* On a device with host_memory: the columns of inputs, which are no surfaces then. */
static int unit_parts(const struct model *m, const struct unit *u, struct dev_part *part)
{
	int n = 0;
	for (int i = 0; device_caps(m->device)->host_memory && i < u->program.nchannel; i++) {
		const struct program_channel *c = &u->program.channel[i];
		if (c->axis != 3)
			continue;
		part[n] = (struct dev_part){c->surface, c->offset, c->count, {c->count, 1}};
		if (c->weight)
			weight_strides(m, c->name, part[n].stride);
		n++;
	}
	return n;
}

/* `weight`: what stands behind the one weight that is a parameter, or NULL. `same`: a kernel of this program, taken where weights are inputs. */
static int unit_compile(struct model *m, struct unit *u, enum program_id id, int rows, int tokens, const float *weight, struct kernel *same,
			struct err *e)
{
	struct dev_weight w[PROGRAM_WEIGHTS];
	char path[PROGRAM_WEIGHTS][64];
	struct program_shape shape = {.batch = m->B, .seq = m->S, .rows = rows, .tokens = tokens,
				      .conv_in = device_caps(m->device)->max_conv_in, .separate = m->o.separate,
				      .dynamic = m->o.pipeline == PIPELINE_DYNAMIC};
	struct dev_part part[CALL_PIECES];
	int r = program_build(&u->program, id, m->c, &shape, MIL_BARE, e);
	if (r)
		return r;
	u->weight = weight;
	u->borrowed = same && shape.dynamic;
	if (u->borrowed) {
		u->kernel = same;
		return 0;
	}
	u->kernel = device_compile_parts(m->device, u->program.text.s, u->program.text.len, w, unit_weights(m, u, w, path), part,
					 unit_parts(m, u, part), e);
	if (u->kernel)
		return 0;
	err_prefix(e, "model: %s", u->program.name);
	return err_code_or(e, ERR_DEVICE);
}

static int unit_refreeze(const struct model *m, const struct unit *u, struct err *e)
{
	struct dev_weight w[PROGRAM_WEIGHTS];
	char path[PROGRAM_WEIGHTS][64];
	int r = kernel_refreeze(u->kernel, w, unit_weights(m, u, w, path), e);
	return r ? err_prefix(e, "model: %s", u->program.name), r : 0;
}

/* --- bindings --- */

/* Where a tensor of a unit is: host memory, and (where surfaces are the device's own) whose surface to use; NULL: one of its own. */
struct home {
	const char *name;
	float *host;
	struct surface *surface;
};

static const struct home *home_of(const struct home *p, int n, const char *name)
{
	for (int i = 0; i < n; i++)
		if (!strcmp(p[i].name, name))
			return &p[i];
	return NULL;
}

/* What stands in the columns of an input. A norm's weight is put there with the activations: it is small, and surfaces can be shared so. */
static void unit_pieces(const struct model *m, const struct unit *u, struct call_tensor *t, const char *surface, const struct home *p, int n)
{
	for (int i = 0; i < u->program.nchannel && t->npiece < CALL_PIECES; i++) {
		const struct program_channel *c = &u->program.channel[i];
		const struct home *h = home_of(p, n, c->name);
		if (strcmp(c->surface, surface))
			continue;
		struct piece *k = &t->piece[t->npiece++];
		*k = (struct piece){.begin = c->offset, .count = c->count, .weight = c->weight && strncmp(c->name, "rms", 3),
				    .host = c->weight ? u->weight : h ? h->host : NULL, .stride = {c->count, 1}};
		if (c->weight)
			weight_strides(m, c->name, k->stride);
	}
}

static int unit_tensor(struct model *m, struct unit *u, const struct kernel_io *io, int is_output, const struct home *p, int n, struct err *e)
{
	const struct home *all = p;
	int nall = n;
	struct call_tensor *t = &u->call.tensor[u->call.n];
	int columns = 0;
	for (int i = 0; i < u->program.nchannel; i++)
		columns |= u->program.channel[i].axis == 3 && !strcmp(u->program.channel[i].surface, io->name);
	p = columns ? NULL : home_of(p, n, io->name);
	if ((!p && !columns) || u->call.n == CALL_SURFACES)
		return err_set(e, ERR_DEVICE, "model: %s: no place for %s", u->program.name, io->name);
	*t = (struct call_tensor){.host = p ? p->host : NULL, .channels = io->type.dim[1], .cols = io->type.dim[3], .is_output = is_output,
				  .is_gradient = is_output && program_is_backward(u->program.id), .shared = p && p->surface};
	if (device_caps(m->device)->host_memory)
		t->surface = device_surface_over(m->device, &io->type, p->host, e);
	else
		t->surface = t->shared ? p->surface : device_surface(m->device, &io->type, e);
	if (columns)
		unit_pieces(m, u, t, io->name, all, nall);
	if (!t->surface)
		return err_code_or(e, ERR_DEVICE);
	u->call.n++;
	return 0;
}

static int unit_bind(struct model *m, struct unit *u, const struct home *p, int n, struct err *e)
{
	const struct kernel_io *io[2];
	int count[2] = {kernel_inputs(u->kernel, &io[0]), kernel_outputs(u->kernel, &io[1])}, r;
	const char *names[CALL_SURFACES];
	struct surface *surfaces[CALL_SURFACES];
	const float *mem[CALL_PIECES];
	int parts = 0;
	for (int i = 0; i < u->program.nchannel; i++) {
		const struct program_channel *c = &u->program.channel[i];
		const struct home *h = home_of(p, n, c->name);
		if (c->axis == 3)
			mem[parts++] = c->weight ? u->weight : h ? h->host : NULL;
	}
	for (int side = 0; side < 2; side++)
		for (int i = 0; i < count[side]; i++) {
			if (io[side][i].nparts)
				continue;
			if ((r = unit_tensor(m, u, &io[side][i], side, p, n, e)))
				return r;
			names[u->call.n - 1] = io[side][i].name;
			surfaces[u->call.n - 1] = u->call.tensor[u->call.n - 1].surface;
		}
	u->call.binding = device_bind_parts(u->kernel, names, surfaces, u->call.n, mem, e);
	if (u->call.binding)
		return 0;
	err_prefix(e, "model: %s", u->program.name);
	return err_code_or(e, ERR_DEVICE);
}

static void unit_done(struct unit *u)
{
	binding_free(u->call.binding);
	for (int i = 0; i < u->call.n; i++)
		if (!u->call.tensor[i].shared)
			surface_free(u->call.tensor[i].surface);
	if (!u->borrowed)
		kernel_free(u->kernel);
	program_done(&u->program);
}

/* The surface of the tensor of that name, to be shared; NULL on host memory. */
static struct surface *unit_surface(const struct model *m, const struct unit *u, const char *name)
{
	const struct kernel_io *io[2];
	int count[2] = {kernel_inputs(u->kernel, &io[0]), kernel_outputs(u->kernel, &io[1])}, at = 0;
	for (int side = 0; side < 2 && !device_caps(m->device)->host_memory; side++)
		for (int i = 0; i < count[side]; i++, at++)
			if (!strcmp(io[side][i].name, name))
				return u->call.tensor[at].surface;
	return NULL;
}

/* --- making --- */

static float *cut(float **at, uint64_t n)
{
	float *r = *at;
	*at += (n + 15) / 16 * 16;
	return r;
}

static int make_memory(struct model *m, struct extras *x, struct err *e)
{
	uint64_t N = (uint64_t)x->N, D = (uint64_t)m->c->dim, parts = (uint64_t)x->plan.parts;
	x->memory_bytes = x->plan.floats * sizeof(float);
	float *at = x->memory = pages_new(x->memory_bytes);
	x->first = mem_zalloc(parts + 1, sizeof *x->first);
	x->classifier = mem_zalloc(parts, sizeof *x->classifier);
	x->softmax = mem_zalloc(parts, sizeof *x->softmax);
	x->back = mem_zalloc(parts, sizeof *x->back);
	x->norm_back = mem_zalloc((size_t)x->nnorm_back + 1, sizeof *x->norm_back);
	if (!at || !x->first || !x->classifier || !x->softmax || !x->back || !x->norm_back)
		return err_nomem(e, "model: extras", x->memory_bytes);
	x->sum = (double *)(void *)cut(&at, 2 * (parts + 1) * N); /* first: the block begins on a page */
	x->probs = cut(&at, (uint64_t)m->rows * N);
	x->part = cut(&at, D * N);
	x->dx = cut(&at, D * (uint64_t)m->T);
	x->factor = cut(&at, N);
	x->target = (int *)(void *)cut(&at, N);
	x->xf = x->plan.nblock > 1 ? cut(&at, D * N) : m->xf;
	x->dxf = x->plan.nblock > 1 ? cut(&at, D * N) : m->dxf;
	int each = (m->rows + x->plan.parts - 1) / x->plan.parts;
	for (int i = 0; i <= x->plan.parts; i++)
		x->first[i] = MIN(i * each, m->rows);
	return 0;
}

static int make_part(struct model *m, struct extras *x, int i, struct err *e)
{
	int rows = x->first[i + 1] - x->first[i], N = (int)x->N, r;
	size_t at = (size_t)x->first[i] * (size_t)x->N;
	const float *w = head_weights(m) + (size_t)x->first[i] * (size_t)m->c->dim;
	struct unit *c = &x->classifier[i], *s = &x->softmax[i], *b = &x->back[i];
	const struct home to_logits[] = {{"xf", x->xf, i ? unit_surface(m, &x->classifier[0], "xf") : NULL}, {"logits", m->logits + at, NULL}};
	if ((r = unit_compile(m, c, PROGRAM_CLASSIFIER, rows, N, w, NULL, e)) || (r = unit_bind(m, c, to_logits, ARRAY_LEN(to_logits), e)))
		return r;
	/* Where surfaces are the device's own the logits are there already. */
	struct surface *there = unit_surface(m, c, "logits");
	const struct home to_probs[] = {{"logits", there ? NULL : m->logits + at, there}, {"probs", x->probs + at, NULL}};
	if ((r = unit_compile(m, s, PROGRAM_SOFTMAX, rows, N, NULL, NULL, e)) || (r = unit_bind(m, s, to_probs, ARRAY_LEN(to_probs), e)) || !m->train)
		return r;
	const struct home back[] = {{"dlogits", x->probs + at, NULL}, {"dxf", i ? x->part : x->dxf, NULL}};
	r = unit_compile(m, b, PROGRAM_CLASSIFIER_BWD, rows, N, w, NULL, e);
	return r ? r : unit_bind(m, b, back, ARRAY_LEN(back), e);
}

static int norm_back_index(const struct model *m, enum param_kind kind, int layer)
{
	return kind == PARAM_NORM_OUT ? 2 * m->c->layers : 2 * layer + (kind == PARAM_NORM_FFN);
}

/* Where the operands are is the pass's business: a norm's gradient is bound when it is first run. All share one set of surfaces where these are
 * the device's own. */
static int bind_norm_back(struct model *m, struct extras *x, struct unit *u, const float *dn, const float *in, struct err *e)
{
	const struct unit *like = x->norm_back[0].call.binding ? &x->norm_back[0] : NULL;
	float *dy = (float *)(uintptr_t)dn, *from = (float *)(uintptr_t)in; /* only read */
	const struct home place[] = {
		{"dy", dy, like ? unit_surface(m, like, "dy") : NULL}, {"x", from, like ? unit_surface(m, like, "x") : NULL},
		{"dx", x->dx, like ? unit_surface(m, like, "dx") : NULL},
	};
	return u->call.binding ? 0 : unit_bind(m, u, place, ARRAY_LEN(place), e);
}

static int make_norms(struct model *m, struct extras *x, struct err *e)
{
	const struct home place[] = {{"x", m->layer[m->c->layers - 1].place[PLACE_Y], NULL}, {"xf", m->xf, NULL}};
	int r = unit_compile(m, &x->norm, PROGRAM_FINAL_NORM, 0, 0, params_w(m->p, PARAM_NORM_OUT, -1), NULL, e);
	if (!r)
		r = unit_bind(m, &x->norm, place, ARRAY_LEN(place), e);
	static const enum param_kind kinds[] = {PARAM_NORM_ATT, PARAM_NORM_FFN};
	for (int i = 0; i < x->nnorm_back && !r; i++) {
		int last = i == 2 * m->c->layers;
		const float *w = params_w(m->p, last ? PARAM_NORM_OUT : kinds[i % 2], last ? -1 : i / 2);
		r = unit_compile(m, &x->norm_back[i], PROGRAM_NORM_BWD, 0, 0, w, i ? x->norm_back[0].kernel : NULL, e);
	}
	return r;
}

static void stage_unit(const struct unit *u)
{
	for (int i = 0; i < u->call.n; i++) {
		const struct call_tensor *t = &u->call.tensor[i];
		for (int k = 0; k < t->npiece; k++)
			if (t->piece[k].weight)
				surface_put(t->surface, t->piece[k].begin, t->piece[k].count, t->piece[k].host, t->piece[k].stride);
	}
}

/* Dynamic, on a device with surfaces of its own: the classifier's weights stand in them. */
static void stage(const struct model *m, const struct extras *x)
{
	for (int i = 0; m->o.pipeline == PIPELINE_DYNAMIC && i < x->plan.parts && x->classifier && x->back; i++) {
		stage_unit(&x->classifier[i]);
		stage_unit(&x->back[i]);
	}
}

struct extras *extras_new(struct model *m, struct err *e)
{
	struct extras *x = mem_zalloc(1, sizeof *x);
	if (!x) {
		err_nomem(e, "model: extras", sizeof *x);
		return NULL;
	}
	extras_plan(&x->plan, device_caps(m->device), m->c, &m->o, m->T, m->rows, m->train);
	x->N = x->plan.block;
	x->nnorm_back = m->train ? 2 * m->c->layers + 1 : 0;
	int r = make_memory(m, x, e);
	if (!r)
		r = make_norms(m, x, e);
	for (int i = 0; i < x->plan.parts && !r; i++)
		r = make_part(m, x, i, e);
	stage(m, x);
	if (!r)
		return x;
	extras_free(x);
	return NULL;
}

void extras_free(struct extras *x)
{
	if (!x)
		return;
	/* Those that borrow go first. */
	for (int i = x->nnorm_back; x->norm_back && i-- > 0;)
		unit_done(&x->norm_back[i]);
	for (int i = x->plan.parts; i-- > 0;) {
		if (x->back)
			unit_done(&x->back[i]);
		if (x->softmax)
			unit_done(&x->softmax[i]);
		if (x->classifier)
			unit_done(&x->classifier[i]);
	}
	unit_done(&x->norm);
	free(x->first);
	free(x->classifier);
	free(x->softmax);
	free(x->back);
	free(x->norm_back);
	pages_free(x->memory, x->memory_bytes);
	free(x);
}

int extras_update(struct model *m, struct err *e)
{
	struct extras *x = m->extras;
	stage(m, x);
	if (device_caps(m->device)->weights_live || m->o.pipeline == PIPELINE_DYNAMIC)
		return 0;
	int r = unit_refreeze(m, &x->norm, e);
	for (int i = 0; i < x->plan.parts && !r; i++)
		if (!(r = unit_refreeze(m, &x->classifier[i], e)) && m->train)
			r = unit_refreeze(m, &x->back[i], e);
	for (int i = 0; i < x->nnorm_back && !r; i++)
		r = unit_refreeze(m, &x->norm_back[i], e);
	return r;
}

static const struct unit *unit_of(const struct extras *x, enum program_id id)
{
	return id == PROGRAM_FINAL_NORM ? &x->norm : id == PROGRAM_CLASSIFIER ? &x->classifier[0]
		: id == PROGRAM_SOFTMAX ? &x->softmax[0] : id == PROGRAM_CLASSIFIER_BWD ? &x->back[0] : &x->norm_back[0];
}

const struct program *extras_program(const struct extras *x, enum program_id id)
{
	return unit_of(x, id)->kernel ? &unit_of(x, id)->program : NULL;
}

const struct kernel *extras_kernel(const struct extras *x, enum program_id id)
{
	return unit_of(x, id)->kernel;
}

/* --- running --- */

static int run(struct model *m, const struct unit *u, int layer, struct err *e)
{
	return pass_call(m, &u->call, u->program.id, layer, e);
}

/* Columns [t0, t0 + n) of a [D, T] to or from the first n of a [D, N]; what is left of a block is zero. */
static void to_block(const struct model *m, const struct extras *x, int t0, int n)
{
	for (int c = 0; c < m->c->dim; c++) {
		float *out = x->xf + (size_t)c * (size_t)x->N;
		memcpy(out, m->xf + (size_t)c * (size_t)m->T + t0, (size_t)n * sizeof *out);
		memset(out + n, 0, (size_t)(x->N - n) * sizeof *out);
	}
}

static void from_block(const struct model *m, const struct extras *x, int t0, int n)
{
	for (int c = 0; c < m->c->dim; c++)
		memcpy(m->dxf + (size_t)c * (size_t)m->T + t0, x->dxf + (size_t)c * (size_t)x->N, (size_t)n * sizeof(float));
}

/* Tokens [t0, t0 + n): total[t] = log of the sum over the whole vocabulary, and the losses. */
static void block_losses(struct model *m, struct extras *x, const int *target, int t0, int n, double *total)
{
	for (int p = 0; p < x->plan.parts; p++) {
		size_t at = (size_t)x->first[p] * (size_t)x->N;
		host_log_sums(m->pool, x->sum + (size_t)p * (size_t)x->N, m->logits + at, x->probs + at, x->first[p + 1] - x->first[p], (int)x->N);
	}
	for (int t = 0; t < n; t++) {
		double most = x->sum[t], sum = 0;
		for (int p = 1; p < x->plan.parts; p++)
			most = fmax(most, x->sum[(size_t)p * (size_t)x->N + (size_t)t]);
		for (int p = 0; p < x->plan.parts; p++)
			sum += exp(x->sum[(size_t)p * (size_t)x->N + (size_t)t] - most);
		total[t] = most + log(sum);
		int y = target[t0 + t];
		m->loss[t0 + t] = y < 0 ? 0 : total[t] - (double)m->logits[(size_t)y * (size_t)x->N + (size_t)t];
	}
}

/* The probabilities become each * (p - onehot). */
static void block_gradient(struct model *m, struct extras *x, const double *total, float each, int n)
{
	for (int p = 0; p < x->plan.parts; p++) {
		size_t at = (size_t)x->first[p] * (size_t)x->N;
		for (int t = 0; t < (int)x->N; t++)
			x->factor[t] = t < n && x->target[t] >= 0
				? each * (float)exp(x->sum[(size_t)p * (size_t)x->N + (size_t)t] - total[t]) : 0;
		host_softmax_grad(m->pool, x->probs + at, x->factor, x->target, each, x->first[p], x->first[p + 1] - x->first[p], (int)x->N);
	}
}

/* dxf[D, N] = W^T dlogits, part by part. */
static int block_back(struct model *m, struct extras *x, struct err *e)
{
	size_t n = (size_t)m->c->dim * (size_t)x->N;
	for (int p = 0; p < x->plan.parts; p++) {
		int r = run(m, &x->back[p], -1, e);
		if (r)
			return r;
		for (size_t i = 0; p > 0 && i < n; i++)
			x->dxf[i] += x->part[i];
	}
	return 0;
}

/* Tokens [t0, t0 + n), whose normed outputs stand in x->xf. g: NULL for the losses alone. */
static int block(struct model *m, struct extras *x, const int *target, int t0, int n, float each, float *g, struct err *e)
{
	double *total = x->sum + (size_t)x->plan.parts * (size_t)x->N;
	int r;
	for (int p = 0; p < x->plan.parts; p++)
		if ((r = run(m, &x->classifier[p], -1, e)) || (r = run(m, &x->softmax[p], -1, e)))
			return r;
	uint64_t t = clock_ns();
	block_losses(m, x, target, t0, n, total);
	if (g) {
		for (int i = 0; i < (int)x->N; i++)
			x->target[i] = i < n ? target[t0 + i] : -1;
		block_gradient(m, x, total, each, n);
	}
	timing_add(m->timing, m->row[ROW_LOSS], clock_ns() - t, 0);
	if (!g)
		return 0;
	x->ticket = dw_add(m->dw, m->rows, m->c->dim, x->N, 1, x->probs, x->xf, g);
	return block_back(m, x, e);
}

int extras_head(struct model *m, const int *target, float each, float *g, struct err *e)
{
	struct extras *x = m->extras;
	int r = run(m, &x->norm, -1, e);
	if (g && m->active) /* a copy's gradient begins anew with each micro-step */
		memset(g, 0, (size_t)m->rows * (size_t)m->c->dim * sizeof *g);
	for (int t0 = 0; t0 < m->T && !r; t0 += x->plan.block) {
		int n = MIN(x->plan.block, m->T - t0);
		if (x->plan.nblock > 1) {
			dw_wait(m->dw, x->ticket);
			to_block(m, x, t0, n);
		}
		r = block(m, x, target, t0, n, each, g, e);
		if (!r && g && x->plan.nblock > 1)
			from_block(m, x, t0, n);
	}
	return r;
}

int extras_norm_back(struct model *m, enum param_kind kind, int layer, float *out, const float *dn, const float *x, const float *res,
		     struct err *e)
{
	struct extras *ex = m->extras;
	struct unit *u = &ex->norm_back[norm_back_index(m, kind, layer)];
	int r = bind_norm_back(m, ex, u, dn, x, e);
	if (r || (r = run(m, u, layer, e)))
		return r;
	uint64_t t0 = clock_ns();
	host_norm_rest(m->pool, out, params_g(m->p, kind, layer), dn, x, ex->dx, res, m->norm_part, m->T, m->c->dim, m->c->norm_eps);
	timing_add(m->timing, m->row[ROW_NORM_BWD], clock_ns() - t0, 0);
	return 0;
}
