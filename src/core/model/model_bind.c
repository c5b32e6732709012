/* model_bind.c: kernels, surfaces and bindings of every program of every layer, and how changed weights reach them. Runs nothing.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "model/extras.h"
#include "model/model_state.h"

/* --- weights --- */

static const struct {
	const char *name;
	enum param_kind kind;
	int transposed;
} weight_files[] = {
	{"rms1", PARAM_NORM_ATT, 0}, {"wq", PARAM_WQ, 0}, {"wk", PARAM_WK, 0}, {"wv", PARAM_WV, 0}, {"wo", PARAM_WO, 0},
	{"rms2", PARAM_NORM_FFN, 0}, {"w1", PARAM_W1, 0}, {"w2", PARAM_W2, 0}, {"w3", PARAM_W3, 0},
	{"wqt", PARAM_WQ, 1}, {"wkt", PARAM_WK, 1}, {"wvt", PARAM_WV, 1}, {"wot", PARAM_WO, 1},
	{"w1t", PARAM_W1, 1}, {"w2t", PARAM_W2, 1}, {"w3t", PARAM_W3, 1},
	{"rmsq", PARAM_NORM_Q, 0}, {"rmsk", PARAM_NORM_K, 0},
};

static int is_parameter(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(weight_files); i++)
		if (!strcmp(weight_files[i].name, name))
			return 1;
	return 0;
}

/* A layer's parameter by a weight's name, NULL: it is none. For matrices the strides of the two axes that the name sees. */
static const float *parameter(const struct model *m, int layer, const char *name, int64_t stride[2])
{
	for (size_t i = 0; i < ARRAY_LEN(weight_files); i++) {
		if (strcmp(weight_files[i].name, name))
			continue;
		const struct param *t = params_find(m->p, weight_files[i].kind, layer);
		int64_t row = t->rank == 2 ? t->dim[1] : 1;
		stride[0] = weight_files[i].transposed ? 1 : row; /* [in, out] seen in [out, in] */
		stride[1] = weight_files[i].transposed ? row : 1;
		return m->p->w + t->offset;
	}
	return NULL;
}

static const float *constant(const struct model *m, const char *name)
{
	const struct { const char *name; const float *data; } fixed[] = {
		{"mask", m->mask}, {"rope_cos", m->rope_cos}, {"rope_sin", m->rope_sin}, {"eps", m->numbers},
		{"scale", m->numbers + 1}, {"alpha", m->numbers + 2},
		{"cos_coarse", m->turn[0]}, {"sin_coarse", m->turn[1]}, {"cos_fine", m->turn[2]}, {"sin_fine", m->turn[3]},
		{"minus_q", m->minus_q}, {"minus_k", m->minus_k}, {"less", m->less},
	};
	for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
		if (!strcmp(fixed[i].name, name))
			return fixed[i].data;
	return NULL;
}

/* What stands behind a weight's name, for one layer. 1 when it belongs to the layer, 0 when it is the same for all. */
static int find_weight(const struct model *m, int layer, const char *name, struct dev_weight *w)
{
	int64_t stride[2];
	if (!(w->data = parameter(m, layer, name, stride))) {
		w->data = constant(m, name);
		return 0;
	}
	if (w->rank == 4 && w->dim[1] > 1 && w->dim[0] > 1) {
		w->stride[0] = stride[0];
		w->stride[1] = stride[1];
	}
	return 1;
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
		if (is_parameter(p->weight[i]))
			return 1;
	return 0;
}

/* --- kernels --- */

/* The columns of an input that stand at `c` of the table. -1: nobody has told where that lives. */
static int piece_of(const struct model *m, int l, const struct program_channel *c, struct piece *out)
{
	*out = (struct piece){.begin = c->offset, .count = c->count, .weight = c->weight, .stride = {m->T, 1}};
	out->host = c->weight ? parameter(m, l, c->name, out->stride) : model_place(m, l, c->name);
	return out->host ? 0 : -1;
}

static int no_place(const struct program *p, const char *name, struct err *e)
{
	return err_set(e, ERR_STATE, "model: %s: %s: has no place in host memory, or not beside what it is packed with", p->name, name);
}

/* On a device with host_memory: inputs that are packed in columns, or are weights, are no surfaces. */
static int parts_of(const struct model *m, int l, const struct program *p, struct dev_part *part, const float **mem, struct err *e)
{
	int n = 0;
	for (int i = 0; device_caps(m->device)->host_memory && i < p->nchannel; i++) {
		const struct program_channel *c = &p->channel[i];
		struct piece at;
		if (c->axis != 3)
			continue;
		if (piece_of(m, l, c, &at))
			return no_place(p, c->name, e);
		part[n] = (struct dev_part){c->surface, at.begin, at.count, {at.stride[0], at.stride[1]}};
		mem[n++] = at.host;
	}
	return n;
}

static int compile(struct model *m, int l, enum program_id id, struct err *e)
{
	const struct program *p = &m->program[id];
	struct dev_weight w[PROGRAM_WEIGHTS];
	struct dev_part part[PROGRAM_CHANNELS];
	const float *mem[PROGRAM_CHANNELS];
	char path[PROGRAM_WEIGHTS][64];
	if (!model_layer_weights(m, l, p, w, path) && l > 0) {
		m->layer[l].kernel[id] = m->layer[0].kernel[id];
		return 0;
	}
	int n = parts_of(m, l, p, part, mem, e);
	if (n < 0)
		return n;
	m->layer[l].kernel[id] = device_compile_parts(m->device, p->text.s, p->text.len, w, p->nweight, part, n, e);
	if (!m->layer[l].kernel[id]) {
		err_prefix(e, "model: %s: layer %d", p->name, l);
		return err_code_or(e, ERR_DEVICE);
	}
	return 0;
}

/* --- weights that have changed --- */

/* Programs whose kernels hold weights of a layer. */
static int own_programs(const struct model *m)
{
	int n = 0;
	for (int id = m->first; id < m->end; id++)
		n += model_own_weights(&m->program[id]);
	return n;
}

int model_compiles(const struct model *m)
{
	struct extras_plan x = {0};
	if (m->o.extras)
		extras_plan(&x, device_caps(m->device), m->c, &m->o, m->T, m->rows, m->train);
	return device_caps(m->device)->weights_live ? 0 : m->c->layers * own_programs(m) + x.recompiles;
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

/* Dynamic programs on a device with surfaces of its own: the weights of a layer stand in that layer's surfaces. */
static void stage(struct model *m)
{
	for (int l = 0; l < m->c->layers; l++)
		for (int id = m->first; id < m->end; id++)
			for (int i = 0; i < m->layer[l].call[id].n; i++) {
				const struct call_tensor *t = &m->layer[l].call[id].tensor[i];
				for (int k = 0; k < t->npiece; k++)
					if (t->piece[k].weight)
						surface_put(t->surface, t->piece[k].begin, t->piece[k].count, t->piece[k].host, t->piece[k].stride);
			}
}

int model_update(struct model *m, struct err *e)
{
	int want = model_compiles(m), r = check_budget(m, want, e);
	uint64_t t0 = clock_ns();
	if (r)
		return r;
	head_gather(m);
	if (m->o.pipeline == PIPELINE_DYNAMIC)
		stage(m);
	for (int l = 0; want && l < m->c->layers && !r; l++)
		for (int id = m->first; id < m->end && !r; id++)
			r = refreeze(m, l, (enum program_id)id, e);
	if (!r && m->extras)
		r = extras_update(m, e);
	timing_add(m->timing, m->row[ROW_UPDATE], clock_ns() - t0, 0);
	return r;
}

/* --- surfaces and bindings --- */

/* What surface `io` of a program holds and where that lives: pieces beside each other, or one window of the layer's memory. */
static int place_tensor(struct model *m, int l, const struct program *p, const char *name, struct call_tensor *t, struct err *e)
{
	for (int i = 0; i < p->nchannel; i++) {
		const struct program_channel *c = &p->channel[i];
		if (strcmp(c->surface, name))
			continue;
		float *at = c->axis == 3 ? NULL : model_place(m, l, c->name);
		if (c->axis == 3) {
			if (t->npiece == CALL_PIECES || piece_of(m, l, c, &t->piece[t->npiece++]))
				return no_place(p, c->name, e);
			continue;
		}
		if (!at || (t->host && at != t->host + c->offset * t->cols))
			return no_place(p, c->name, e);
		if (c->offset == 0)
			t->host = at;
	}
	return t->host || t->npiece ? 0 : no_place(p, name, e);
}

static int has_weight(const struct call_tensor *t)
{
	for (int i = 0; i < t->npiece; i++)
		if (t->piece[i].weight)
			return 1;
	return 0;
}

static int add_tensor(struct model *m, int l, enum program_id id, const struct kernel_io *io, int is_output, struct err *e)
{
	struct call *c = &m->layer[l].call[id];
	struct call_tensor *t = &c->tensor[c->n];
	int own = device_caps(m->device)->host_memory, r;
	*t = (struct call_tensor){.channels = io->type.dim[1], .cols = io->type.dim[3], .is_output = is_output,
				  /* of the scores most entries are masked: their zeros say nothing */
				  .is_gradient = is_output && program_is_backward(id) && strcmp(io->name, "ps")};
	if ((r = place_tensor(m, l, &m->program[id], io->name, t, e)))
		return r;
	t->shared = !own && !has_weight(t);
	if (own)
		t->surface = device_surface_over(m->device, &io->type, t->host, e);
	else if (!t->shared)
		t->surface = device_surface(m->device, &io->type, e);
	else if (m->shared[id][c->n] || (m->shared[id][c->n] = device_surface(m->device, &io->type, e)))
		t->surface = m->shared[id][c->n];
	if (!t->surface)
		return err_code_or(e, ERR_DEVICE);
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
	struct dev_part part[PROGRAM_CHANNELS];
	const float *mem[PROGRAM_CHANNELS];
	if (n[0] + n[1] > CALL_SURFACES)
		return err_set(e, ERR_DEVICE, "model: %s: %d surfaces are more than expected", program_name(id), n[0] + n[1]);
	for (int side = 0; side < 2; side++)
		for (int i = 0; i < n[side]; i++) {
			if (io[side][i].nparts)
				continue;
			names[c->n] = io[side][i].name;
			if ((r = add_tensor(m, l, id, &io[side][i], side, e)))
				return r;
			surfaces[c->n - 1] = c->tensor[c->n - 1].surface;
		}
	if ((r = parts_of(m, l, &m->program[id], part, mem, e)) < 0)
		return r;
	c->binding = device_bind_parts(k, names, surfaces, c->n, mem, e);
	if (c->binding)
		return 0;
	err_prefix(e, "model: %s: layer %d", program_name(id), l);
	return err_code_or(e, ERR_DEVICE);
}

int model_make_calls(struct model *m, struct err *e)
{
	struct extras_plan x = {0};
	if (m->o.extras)
		extras_plan(&x, device_caps(m->device), m->c, &m->o, m->T, m->rows, m->train);
	int own = own_programs(m), once = m->end - m->first - own, rc = check_budget(m, m->c->layers * own + once + x.compiles, e);
	if (rc)
		return rc;
	for (int l = 0; l < m->c->layers; l++)
		for (int id = m->first; id < m->end; id++) {
			int r = compile(m, l, (enum program_id)id, e);
			if (r || (r = bind(m, l, (enum program_id)id, e)))
				return r;
		}
	stage(m);
	return 0;
}

static void layer_done(struct model *m, int l)
{
	struct layer *y = &m->layer[l];
	for (int id = m->first; id < m->end; id++) {
		binding_free(y->call[id].binding);
		for (int i = 0; i < CALL_SURFACES; i++)
			if (!y->call[id].tensor[i].shared)
				surface_free(y->call[id].tensor[i].surface);
		if (l == 0 || y->kernel[id] != m->layer[0].kernel[id])
			kernel_free(y->kernel[id]);
	}
}

void model_free_calls(struct model *m)
{
	for (int l = m->layer ? m->c->layers : 0; l-- > 0;)
		layer_done(m, l);
	for (int id = 0; id < PROGRAM_N; id++)
		for (int i = 0; i < CALL_SURFACES; i++)
			surface_free(m->shared[id][i]);
}
