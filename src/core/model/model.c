/* model.c: makes and frees a model. Memory is model_memory.c's, kernels and bindings are model_bind.c's, running is pass.c's.
 * SPDX-License-Identifier: MIT */
#include "model/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/pages.h"
#include "model/extras.h"
#include "model/host.h"
#include "model/model_state.h"

/* --- programs --- */

void model_programs(enum model_pipeline pipeline, int train, int *first, int *end)
{
	int dynamic = pipeline == PIPELINE_DYNAMIC;
	*first = dynamic ? PROGRAM_STATIC_N : 0;
	*end = train ? (dynamic ? PROGRAM_DYN_KV_BWD : PROGRAM_QKV_BWD) + 1 : (dynamic ? PROGRAM_DYN_FFN : PROGRAM_FWD_FFN) + 1;
}

static int build_programs(struct model *m, struct err *e)
{
	model_programs(m->o.pipeline, m->train, &m->first, &m->end);
	for (int i = m->first; i < m->end; i++) {
		int r = program_build(&m->program[i], (enum program_id)i, m->c, &(struct program_shape){.batch = m->B, .seq = m->S, .separate = m->o.separate, .precise = m->o.precise == PRECISE_ON}, MIL_BARE, e);
		if (r)
			return r;
	}
	return 0;
}

static void make_rows(struct model *m)
{
	int dynamic = m->o.pipeline == PIPELINE_DYNAMIC;
	const char *const names[ROW_N] = {
		[ROW_EMBED] = "embed", [ROW_NORM] = "final norm", [ROW_CLASSIFIER] = "classifier", [ROW_LOSS] = "loss",
		[ROW_NORM_BWD] = "norm bwd", [ROW_EMBED_BWD] = "embed bwd", [ROW_COPY] = "copy", [ROW_UPDATE] = dynamic ? "stage weights" : "refreeze",
		[ROW_NORM_FWD] = "norm", [ROW_SWIGLU] = "swiglu bwd",
		[ROW_ROWS] = "compact rows", [ROW_KEEP] = "keep inputs",
	};
	for (int i = m->first; i < m->end; i++)
		m->program_row[i] = timing_row(m->timing, program_name((enum program_id)i), TIMING_PROGRAM);
	for (int i = PROGRAM_EXTRAS; m->o.extras && i < PROGRAM_N; i++)
		m->program_row[i] = timing_row(m->timing, program_name((enum program_id)i), TIMING_PROGRAM);
	const struct device_caps *caps = device_caps(m->device);
	const int used[ROW_N] = {
		[ROW_EMBED] = 1, [ROW_NORM] = !m->o.extras, [ROW_CLASSIFIER] = !m->o.extras, [ROW_LOSS] = 1, [ROW_NORM_BWD] = m->train,
		[ROW_EMBED_BWD] = m->train, [ROW_COPY] = !caps->host_memory || caps->fp16, [ROW_UPDATE] = dynamic ? !caps->host_memory : !caps->weights_live,
		[ROW_NORM_FWD] = dynamic, [ROW_SWIGLU] = dynamic && m->train,
		[ROW_ROWS] = m->train && m->active, [ROW_KEEP] = m->recompute,
	};
	for (int i = 0; i < ROW_N; i++)
		if (used[i])
			m->row[i] = timing_row(m->timing, names[i], TIMING_HOST);
}

/* --- the door --- */

static int check(const struct device *d, const struct params *p, int batch, int seq, const struct model_options *o, struct err *e)
{
	const struct model_config *c = &p->config;
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
	m->layer = mem_zalloc((size_t)m->c->layers, sizeof *m->layer);
	if (!m->layer)
		return err_nomem(e, "model: layers", (uint64_t)m->c->layers * sizeof *m->layer);
	if ((r = model_make_memory(m, e)))
		return r;
	head_gather(m);
	if (m->train && !(m->dw = dw_new(m->pool, device_caps(m->device)->overlaps, m->timing, e)))
		return err_code_or(e, ERR_NOMEM);
	make_rows(m);
	if ((r = model_make_calls(m, e)) || !m->o.extras)
		return r;
	m->extras = extras_new(m, e);
	return m->extras ? 0 : err_code_or(e, ERR_NOMEM);
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
	m->o.precise = model_is_precise(device_caps(d), &p->config, &m->o) ? PRECISE_ON : PRECISE_OFF;
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
	m->recompute = m->o.recompute && m->train; /* else one layer's taps are all there are anyway */
	m->nset = device_caps(d)->overlaps ? SCRATCH_SETS : 1;
	for (int i = 0; i < ROW_N; i++)
		m->row[i] = -1;
	if (fill(m, e)) {
		model_free(m);
		return NULL;
	}
	return m;
}

void model_free(struct model *m)
{
	if (!m)
		return;
	dw_free(m->dw);
	extras_free(m->extras);
	model_free_calls(m);
	for (int id = 0; id < PROGRAM_N; id++)
		program_done(&m->program[id]);
	free(m->layer);
	pages_free(m->memory, m->memory_bytes);
	free(m->loss);
	free(m->target);
	free(m);
}

const struct program *model_program(const struct model *m, int id)
{
	if (id >= PROGRAM_EXTRAS && id < PROGRAM_N)
		return m->extras ? extras_program(m->extras, (enum program_id)id) : NULL;
	return id >= m->first && id < m->end ? &m->program[id] : NULL;
}

const struct model_options *model_how(const struct model *m)
{
	return &m->o;
}

const struct kernel *model_kernel(const struct model *m, int id)
{
	if (id >= PROGRAM_EXTRAS && id < PROGRAM_N)
		return m->extras ? extras_kernel(m->extras, (enum program_id)id) : NULL;
	return id >= m->first && id < m->end ? m->layer[0].kernel[id] : NULL;
}
