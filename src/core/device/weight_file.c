/* weight_file.c: gathers each weight that a program names into the file that the program expects. Opens nothing.
 * SPDX-License-Identifier: MIT */
#include "device/weight_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fp16.h"
#include "base/mem.h"

/* --- elements --- */

/* A weight as rows of its last axis that is longer than 1 (a 1x1 convolution's two last axes are 1), whatever its strides are. */
struct walk {
	int rank;
	int64_t dim[MIL_MAX_RANK], stride[MIL_MAX_RANK], at[MIL_MAX_RANK];
	int64_t offset, row, step; /* of the present row: its first element; elements; distance between them */
};

static void walk_begin(struct walk *k, const struct dev_weight *w)
{
	*k = (struct walk){.row = 1, .step = 1};
	for (int a = 0; a < w->rank; a++) {
		if (w->dim[a] == 1)
			continue;
		k->dim[k->rank] = w->dim[a];
		k->stride[k->rank++] = w->stride[a];
	}
	if (k->rank) {
		k->row = k->dim[--k->rank];
		k->step = k->stride[k->rank];
	}
}

static void walk_next(struct walk *k)
{
	for (int a = k->rank - 1; a >= 0; a--) {
		k->offset += k->stride[a];
		if (++k->at[a] < k->dim[a])
			return;
		k->offset -= k->at[a] * k->stride[a];
		k->at[a] = 0;
	}
}

/* 0, or what in the row does not fit: beyond the largest fp16, or NaN. */
static float half_row(uint16_t *d, const float *s, int64_t n, int64_t step)
{
	float worst = 0;
	for (int64_t i = 0; i < n; i++) {
		float v = s[i * step];
		if (!(fabsf(v) < 65520)) /* from there on it rounds to infinity */
			worst = v;
		d[i] = fp16_from_f32(v);
	}
	return worst;
}

static void wide_row(float *d, const uint16_t *s, int64_t n, int64_t step)
{
	for (int64_t i = 0; i < n; i++)
		d[i] = fp16_to_f32(s[i * step]);
}

static void copy_row(char *d, const char *s, int64_t n, int64_t step, size_t size)
{
	for (int64_t i = 0; i < n; i++)
		memcpy(d + (size_t)i * size, s + i * step * (int64_t)size, size);
}

static int fill(void *to, const struct mil_value *v, const struct dev_weight *w, struct err *e)
{
	size_t size = mil_dtype_size(w->dtype), made = mil_dtype_size(v->type.dtype);
	int to_half = w->dtype == MIL_FP32 && v->type.dtype == MIL_FP16, widen = w->dtype == MIL_FP16 && v->type.dtype == MIL_FP32;
	if (!to_half && !widen && w->dtype != v->type.dtype)
		return err_set(e, ERR_DEVICE, "weights: %s: given as %s, the program (line %d) wants %s", w->path, mil_dtype_name(w->dtype),
			       v->line, mil_dtype_name(v->type.dtype));
	struct walk k;
	walk_begin(&k, w);
	int64_t n = mil_count(&v->type);
	for (int64_t done = 0; done < n; done += k.row, walk_next(&k)) {
		void *d = (char *)to + (size_t)done * made;
		const void *s = (const char *)w->data + k.offset * (int64_t)size;
		float worst = 0;
		if (to_half)
			worst = half_row(d, s, k.row, k.step);
		else if (widen)
			wide_row(d, s, k.row, k.step);
		else
			copy_row(d, s, k.row, k.step, size);
		if (!(worst == 0))
			return err_set(e, ERR_DEVICE, "weights: %s: %g in it: fp16 ends at 65504", w->path, (double)worst);
	}
	return 0;
}

/* --- files --- */

/* Below the model's folder: one file, or one folder and a file, of plain characters. */
static const char *local_name(const struct mil_value *v, struct err *e)
{
	static const char prefix[] = "@model_path/";
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
	const char *p = v->konst->blob, *s = p + sizeof prefix - 1, *name = s;
	if (!strncmp(p, prefix, sizeof prefix - 1)) {
		size_t n = strspn(s, plain);
		if (s[n] == '/' && s[0] != '.' && n)
			name = s + n + 1;
		n = strspn(name, plain);
		if (n && !name[n] && name[0] != '.' && strlen(s) < 200)
			return s;
	}
	err_set(e, ERR_DEVICE, "weights: %.100s (line %d): a weight file is called @model_path/weights/NAME", p, v->line);
	return NULL;
}

static int by_place(const void *a, const void *b)
{
	const struct mil_value *x = *(const struct mil_value *const *)a, *y = *(const struct mil_value *const *)b;
	int r = strcmp(x->konst->blob, y->konst->blob);
	return r ? r : (x->konst->blob_offset > y->konst->blob_offset) - (x->konst->blob_offset < y->konst->blob_offset);
}

static int add_record(struct weight_file *f, const struct mil_value *v, const struct dev_weight *w, struct err *e)
{
	uint64_t offset = v->konst->blob_offset, end = MAX(f->file.bytes.len, 64);
	size_t bytes = (size_t)mil_count(&v->type) * mil_dtype_size(v->type.dtype);
	if (offset % 64 || offset < end || offset - end > (1u << 30))
		return err_set(e, ERR_DEVICE, "weights: %s (line %d): no room for a record at offset %llu (multiples of 64 from %llu on)", v->konst->blob,
			       v->line, (unsigned long long)offset, (unsigned long long)end);
	uint64_t at = mil_blob_reserve_at(&f->file, offset, v->type.dtype, bytes);
	if (!at)
		return f->file.bytes.failed ? err_nomem(e, "weights", bytes)
			: err_set(e, ERR_DEVICE, "weights: %s (line %d): %s has no place in a weight file", v->konst->blob, v->line,
				  mil_dtype_name(v->type.dtype));
	return fill(f->file.bytes.s + at + 64, v, w, e);
}

static int add_value(struct weight_files *out, const struct mil_value *v, const struct mil_value *before, const struct dev_weight *w,
		     int nw, struct err *e)
{
	const char *name = local_name(v, e);
	const struct dev_weight *found = name ? device_weight(w, nw, v, e) : NULL;
	if (!found)
		return err_code_or(e, ERR_DEVICE);
	if (!before || strcmp(before->konst->blob, v->konst->blob)) {
		struct weight_file *f = &out->file[out->n++];
		if (!(f->path = mem_strdup(v->konst->blob)))
			return err_nomem(e, "weights", strlen(v->konst->blob));
		f->name = f->path + (name - v->konst->blob);
	} else if (before->konst->blob_offset == v->konst->blob_offset) {
		return mil_same_type(&before->type, &v->type) ? 0
			: err_set(e, ERR_DEVICE, "weights: %s: lines %d and %d declare it differently", v->konst->blob, before->line, v->line);
	}
	return add_record(&out->file[out->n - 1], v, found, e);
}

int weight_files_make(struct weight_files *out, const struct mil_graph *g, const struct dev_weight *w, int nw, struct err *e)
{
	const struct mil_value **v = mem_zalloc((size_t)MAX(g->nvalue, 1), sizeof *v);
	int n = 0, r = 0;
	*out = (struct weight_files){.file = mem_zalloc((size_t)MAX(g->nvalue, 1), sizeof *out->file)};
	if (!v || !out->file)
		r = err_nomem(e, "weights", (uint64_t)g->nvalue * sizeof *out->file);
	for (int i = 0; !r && i < g->nvalue; i++)
		if (g->value[i].konst && g->value[i].konst->blob)
			v[n++] = &g->value[i];
	if (n)
		qsort(v, (size_t)n, sizeof *v, by_place);
	for (int i = 0; !r && i < n; i++)
		r = add_value(out, v[i], i ? v[i - 1] : NULL, w, nw, e);
	free(v);
	if (r)
		weight_files_done(out);
	return r;
}

void weight_files_done(struct weight_files *f)
{
	for (int i = 0; i < f->n; i++) {
		free(f->file[i].path);
		mil_blob_done(&f->file[i].file);
	}
	free(f->file);
	*f = (struct weight_files){0};
}
