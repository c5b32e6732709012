/* freeze.c: a plan's own copies of the weights: made when the program is compiled, made again by a refreeze. Computes nothing.
 *
 * A copy keeps the order in which the caller's matrix lies in memory, so a transposed weight stays one that is seen transposed:
 * products read it as they would read the original. SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/fp16.h"
#include "base/mem.h"
#include "device/cpu/plan.h"

static float weight_at(const struct dev_weight *w, int64_t i)
{
	switch (w->dtype) {
	case MIL_FP16: return fp16_to_f32(((const uint16_t *)w->data)[i]);
	case MIL_INT8: return ((const int8_t *)w->data)[i];
	case MIL_UINT8: case MIL_BOOL: return ((const uint8_t *)w->data)[i];
	case MIL_INT16: return ((const int16_t *)w->data)[i];
	case MIL_UINT16: return ((const uint16_t *)w->data)[i];
	case MIL_INT32: return (float)((const int32_t *)w->data)[i];
	default: return ((const float *)w->data)[i];
	}
}

void plan_weight_strides(const struct mil_type *t, const struct dev_weight *w, int64_t *stride)
{
	int a = 0;
	for (int i = 0; i < t->rank; i++) {
		if (t->dim[i] == 1)
			continue;
		while (a < w->rank && w->dim[a] == 1)
			a++;
		stride[i] = w->stride[a++];
	}
}

/* --- one copy --- */

enum { PART = 16384 }; /* elements that make a task worth handing out */

/* Axes in the order of the copy's memory, the last one with stride 1; both sides' strides. */
struct copy {
	const struct dev_weight *w;
	const struct simd *simd;
	unsigned how;
	float *to;
	int rank;
	int64_t dim[MIL_MAX_RANK], from[MIL_MAX_RANK], into[MIL_MAX_RANK], rows, per_task;
};

static void copy_row(const struct copy *c, int64_t row)
{
	int64_t off = 0, at = 0, n = c->dim[c->rank - 1], step = c->from[c->rank - 1];
	for (int a = c->rank - 2; a >= 0; a--) {
		off += row % c->dim[a] * c->from[a];
		at += row % c->dim[a] * c->into[a];
		row /= c->dim[a];
	}
	float *to = c->to + at;
	if (c->w->dtype == MIL_FP32 && step == 1) {
		memcpy(to, (const float *)c->w->data + off, (size_t)n * sizeof *to);
	} else {
		for (int64_t i = 0; i < n; i++)
			to[i] = weight_at(c->w, off + i * step);
	}
	if (c->how)
		c->simd->half(to, to, n, c->how);
}

static void copy_task(void *arg, int task, int thread)
{
	const struct copy *c = arg;
	int64_t end = MIN((task + 1) * c->per_task, c->rows);
	(void)thread;
	for (int64_t r = task * c->per_task; r < end; r++)
		copy_row(c, r);
}

static void copy_weight(const struct plan *p, const struct frozen *f, const struct dev_weight *w, float *to)
{
	const struct mil_type *t = &f->value.type;
	struct copy c = {.w = w, .simd = p->simd, .to = to, .rows = 1};
	int64_t from[MIL_MAX_RANK] = {0};
	if (t->dtype == MIL_FP16 || t->dtype == MIL_FP32)
		c.how = p->numerics.outside;
	plan_weight_strides(t, w, from);
	for (int a = 0; a < t->rank; a++) {
		if (t->dim[a] == 1)
			continue;
		int k = c.rank++;
		for (; k > 0 && c.into[k - 1] < f->stride[a]; k--) {
			c.dim[k] = c.dim[k - 1];
			c.from[k] = c.from[k - 1];
			c.into[k] = c.into[k - 1];
		}
		c.dim[k] = t->dim[a];
		c.from[k] = from[a];
		c.into[k] = f->stride[a];
	}
	if (c.rank == 0) {
		c.rank = 1;
		c.dim[0] = 1;
	}
	for (int a = 0; a + 1 < c.rank; a++)
		c.rows *= c.dim[a];
	c.per_task = MAX(1, PART / c.dim[c.rank - 1]);
	pool_run(p->pool, (int)((c.rows + c.per_task - 1) / c.per_task), copy_task, &c);
}

/* --- the plan's list --- */

/* Packed, in the order of the caller's memory. */
static void lay_out(const struct mil_type *t, const struct dev_weight *w, int64_t *stride)
{
	int64_t from[MIL_MAX_RANK] = {0}, step = 1;
	char used[MIL_MAX_RANK] = {0};
	plan_weight_strides(t, w, from);
	for (int k = 0; k < t->rank; k++) {
		int best = -1;
		for (int a = t->rank - 1; a >= 0; a--)
			if (!used[a] && (best < 0 || from[a] < from[best]))
				best = a;
		used[best] = 1;
		stride[best] = step;
		step *= t->dim[best];
	}
}

const struct frozen *plan_freeze(struct plan *p, const struct mil_value *m, const struct dev_weight *w, int buf)
{
	if (p->failed || mem_grow(&p->frozen, &p->cfrozen, (size_t)p->nfrozen + 1, sizeof *p->frozen)) {
		p->failed = 1;
		return NULL;
	}
	struct frozen *f = &p->frozen[p->nfrozen];
	*f = (struct frozen){.value = *m, .offset = m->konst->blob_offset, .buf = buf};
	f->value.konst = NULL;
	f->value.name = NULL;
	if (!(f->path = mem_strdup(m->konst->blob))) {
		p->failed = 1;
		return NULL;
	}
	p->nfrozen++;
	lay_out(&m->type, w, f->stride);
	copy_weight(p, f, w, p->buf[buf].mem);
	return f;
}

static const struct dev_weight *find(const struct frozen *f, const struct dev_weight *w, int nw, struct err *e)
{
	struct mil_const konst = {.blob = f->path, .blob_offset = f->offset};
	struct mil_value v = f->value;
	v.konst = &konst;
	return device_weight(w, nw, &v, e);
}

int plan_weights_alike(const struct plan *p, const struct dev_weight *w, int nw)
{
	for (int i = 0; i < p->nfrozen; i++) {
		const struct frozen *f = &p->frozen[i];
		const struct dev_weight *found = find(f, w, nw, NULL);
		int64_t stride[MIL_MAX_RANK] = {0};
		if (!found)
			return 0;
		lay_out(&f->value.type, found, stride);
		if (memcmp(stride, f->stride, sizeof stride))
			return 0;
	}
	return 1;
}

int plan_refreeze(const struct plan *p, float *const *mem, const struct dev_weight *w, int nw, struct err *e)
{
	for (int i = 0; i < p->nfrozen; i++)
		if (!find(&p->frozen[i], w, nw, e))
			return err_code_or(e, ERR_DEVICE);
	for (int i = 0; i < p->nfrozen; i++)
		copy_weight(p, &p->frozen[i], find(&p->frozen[i], w, nw, e), mem[p->frozen[i].buf]);
	return 0;
}
