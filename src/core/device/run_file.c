/* run_file.c: `mil run`: one program text on files.
 * SPDX-License-Identifier: MIT */
#include "device/run_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/save.h"
#include "mil/blob.h"

enum { MAX_IO = 64, MAX_WEIGHT = 256 };

struct job {
	struct device *dev;
	int argc;
	char **argv;
	struct str *report;
	struct str text;
	struct mil_graph *g;
	const char *dir;
	struct dev_weight weight[MAX_WEIGHT];
	struct file_map map[MAX_WEIGHT];
	int nweight;
	struct kernel *k;
	struct surface *io[2 * MAX_IO];
	const char *name[2 * MAX_IO];
	int nio;
	struct binding *b;
};

static void job_done(struct job *j)
{
	binding_free(j->b);
	for (int i = 0; i < j->nio; i++)
		surface_free(j->io[i]);
	kernel_free(j->k);
	for (int i = 0; i < j->nweight; i++)
		file_unmap(&j->map[i]);
	mil_free(j->g);
	str_done(&j->text);
}

static const char *value_of(const struct job *j, const char *key)
{
	size_t n = strlen(key);
	for (int i = 0; i < j->argc; i++)
		if (!strncmp(j->argv[i], key, n) && j->argv[i][n] == '=')
			return j->argv[i] + n + 1;
	return NULL;
}

static int find_weight_file(const struct job *j, const char *blob, char *out, size_t n, struct err *e)
{
	static const char prefix[] = "@model_path/";
	const char *rest = strncmp(blob, prefix, sizeof prefix - 1) ? blob : blob + sizeof prefix - 1;
	const char *base = strrchr(rest, '/') ? strrchr(rest, '/') + 1 : rest;
	if (!j->dir)
		return err_set(e, ERR_USAGE, "mil: %s: the program reads weights (weights=DIR)", blob);
	if (strstr(rest, ".."))
		return err_set(e, ERR_FORMAT, "mil: %s: a path that leaves its folder", blob);
	const char *dot = strrchr(base, '.');
	int stem = dot ? (int)(dot - base) : (int)strlen(base);
	snprintf(out, n, "%s/%s", j->dir, rest);
	if (!access(out, F_OK))
		return 0;
	snprintf(out, n, "%s/%s", j->dir, base);
	if (!access(out, F_OK))
		return 0;
	snprintf(out, n, "%s/%.*s.f32", j->dir, stem, base);
	if (!access(out, F_OK))
		return 0;
	return err_set(e, ERR_IO, "mil: %s: not in %s (%s, or %.*s.f32)", blob, j->dir, base, stem, base);
}

/* A MIL weight file, or raw fp32 of exactly the tensor's size. */
static int load_weight(struct job *j, const struct mil_value *v, struct err *e)
{
	char path[4096];
	const struct mil_const *c = v->konst;
	struct dev_weight *w = &j->weight[j->nweight];
	struct file_map *m = &j->map[j->nweight];
	int rc = find_weight_file(j, c->blob, path, sizeof path, e);
	if (!rc)
		rc = file_map(m, path, "mil", e);
	if (rc)
		return rc;
	j->nweight++;
	*w = (struct dev_weight){.path = c->blob, .dtype = MIL_FP32, .rank = v->type.rank, .data = m->data};
	memcpy(w->dim, v->type.dim, sizeof w->dim);
	int64_t stride = 1;
	for (int d = w->rank - 1; d >= 0; d--) {
		w->stride[d] = stride;
		stride *= w->dim[d];
	}
	/* A weight file first: with 64 fp16 values it is as long as the raw form. */
	struct mil_blob blob;
	rc = mil_blob_find(&blob, m->data, m->size, c->blob_offset, path, e);
	if (rc && m->size == (size_t)mil_count(&v->type) * 4) {
		*e = (struct err){0};
		return 0;
	}
	if (!rc)
		rc = mil_blob_fits(&blob, &v->type, path, e);
	if (rc)
		return rc;
	if (blob.note)
		str_printf(j->report, "note: %s: record at %llu: %s\n", path, (unsigned long long)c->blob_offset, blob.note);
	w->dtype = blob.dtype;
	w->offset = c->blob_offset;
	w->data = blob.data;
	return 0;
}

static int load_weights(struct job *j, struct err *e)
{
	for (int i = 0; i < j->g->nvalue; i++) {
		const struct mil_value *v = &j->g->value[i];
		if (!v->konst || !v->konst->blob)
			continue;
		if (j->nweight == MAX_WEIGHT)
			return err_set(e, ERR_RANGE, "mil: more than %d weights", MAX_WEIGHT);
		int rc = load_weight(j, v, e);
		if (rc)
			return rc;
	}
	return 0;
}

/* Arguments that name nothing are mistakes, not to be passed over. */
static int check_arguments(const struct job *j, struct err *e)
{
	const struct mil_graph *g = j->g;
	for (int i = 0; i < j->argc; i++) {
		const char *word = j->argv[i], *eq = strchr(word, '=');
		size_t n = eq ? (size_t)(eq - word) : 0;
		int known = (n == 7 && !strncmp(word, "weights", n)) || (n == 3 && !strncmp(word, "out", n) && g->noutput == 1);
		for (int k = 0; k < g->ninput; k++) {
			const char *name = g->value[g->input[k]].name;
			known |= strlen(name) == n && !strncmp(word, name, n);
		}
		for (int k = 0; k < g->noutput; k++) {
			const char *name = g->value[g->output[k]].name;
			known |= n > 4 && !strncmp(word, "out.", 4) && strlen(name) == n - 4 && !strncmp(word + 4, name, n - 4);
		}
		if (!known)
			return err_set(e, ERR_USAGE, "mil: %s: the program has no such input or output", word);
	}
	return 0;
}

/* Inputs are looked at before memory is taken for anything: a program may well declare more than there is. */
static int check_inputs(const struct job *j, struct err *e)
{
	for (int i = 0; i < j->g->ninput; i++) {
		const struct mil_value *v = &j->g->value[j->g->input[i]];
		const char *path = value_of(j, v->name);
		char t[96];
		struct file_map m;
		size_t want = (size_t)mil_count(&v->type) * 4;
		mil_type_text(t, &v->type);
		if (!path)
			return err_set(e, ERR_USAGE, "mil: input %s (%s) is not given (%s=FILE.f32)", v->name, t, v->name);
		int rc = file_map(&m, path, "mil", e);
		if (!rc && m.size != want)
			rc = err_set(e, ERR_FORMAT, "mil: %s: %zu bytes, input %s is %s: %zu bytes of fp32 wanted", path, m.size, v->name, t, want);
		file_unmap(&m);
		if (rc)
			return rc;
	}
	return 0;
}

/* Inputs, outputs and the largest value in between: the least that is needed at one time. */
static int check_memory(const struct mil_graph *g, struct err *e)
{
	uint64_t need = 0, largest = 0, have = mem_available(); /* a value has less than 2^31 elements, and there are not many */
	char a[16], b[16];
	for (int i = 0; i < g->ninput; i++)
		need += (uint64_t)mil_count(&g->value[g->input[i]].type) * 4;
	for (int i = 0; i < g->noutput; i++)
		need += (uint64_t)mil_count(&g->value[g->output[i]].type) * 4;
	for (int i = 0; i < g->nvalue; i++)
		largest = MAX(largest, (uint64_t)mil_count(&g->value[i].type) * 4);
	if (!have || need + largest <= have)
		return 0;
	return err_set(e, ERR_NOMEM, "mil: the program's tensors need %s at least, there are %s", str_bytes(a, need + largest), str_bytes(b, have));
}

static int fill_input(struct surface *s, const struct kernel_io *io, const char *path, struct err *e)
{
	struct file_map m;
	size_t want = (size_t)mil_count(&io->type) * 4;
	int rc = file_map(&m, path, "mil", e);
	if (rc)
		return rc;
	if (m.size != want)
		rc = err_set(e, ERR_FORMAT, "mil: %s: its length has changed", path);
	else if (want) {
		memcpy(surface_window(s, 0, io->type.rank > 1 ? io->type.dim[1] : io->type.rank ? io->type.dim[0] : 1, SURFACE_WRITE), m.data, want);
		surface_release(s);
	}
	file_unmap(&m);
	return rc;
}

static int make_surfaces(struct job *j, const struct kernel_io *io, int n, int input, struct err *e)
{
	for (int i = 0; i < n; i++) {
		const char *file = input ? value_of(j, io[i].name) : NULL;
		if (j->nio == 2 * MAX_IO)
			return err_set(e, ERR_RANGE, "mil: more than %d inputs and outputs", 2 * MAX_IO);
		struct surface *s = device_surface(j->dev, &io[i].type, e);
		if (!s)
			return e->code;
		j->name[j->nio] = io[i].name;
		j->io[j->nio++] = s;
		int rc = input ? fill_input(s, &io[i], file, e) : 0;
		if (rc)
			return rc;
	}
	return 0;
}

static int write_output(const struct job *j, struct surface *s, const struct kernel_io *io, int only, struct err *e)
{
	char key[80], t[96];
	snprintf(key, sizeof key, "out.%s", io->name);
	const char *file = value_of(j, key);
	if (!file && only)
		file = value_of(j, "out");
	if (!file) {
		str_printf(j->report, "%s %s (not written: %s=FILE)\n", io->name, mil_type_text(t, &io->type), only ? "out" : "out.NAME");
		return 0;
	}
	float *v = surface_window(s, 0, io->type.rank > 1 ? io->type.dim[1] : io->type.rank ? io->type.dim[0] : 1, SURFACE_READ);
	int rc = save_file(file, v, (size_t)mil_count(&io->type) * 4, e);
	surface_release(s);
	if (!rc)
		str_printf(j->report, "%s %s -> %s\n", io->name, mil_type_text(t, &io->type), file);
	return rc;
}

static int run_job(struct job *j, const char *path, struct err *e)
{
	struct str *report = j->report;
	const struct kernel_io *in, *out;
	char t[96];
	struct err why = {0};
	int rc = file_read(&j->text, path, "mil", 64u << 20, e);
	if (!rc && (rc = device_inspect(j->dev, j->text.s ? j->text.s : "", j->text.len, e)))
		return err_prefix(e, "mil: %s", path);
	if (!rc && (rc = mil_parse(&j->g, j->text.s ? j->text.s : "", j->text.len, &why))) {
		size_t named = strncmp(why.msg, "mil: ", 5) ? 0 : 5;
		err_set(e, (enum err_code)rc, "mil: %s:%s", path, why.msg + named); /* file:line:column: what */
	}
	if (!rc)
		rc = check_arguments(j, e);
	if (!rc)
		rc = check_inputs(j, e);
	if (!rc)
		rc = check_memory(j->g, e);
	if (!rc)
		rc = load_weights(j, e);
	if (rc)
		return rc;
	uint64_t t0 = clock_ns();
	j->k = device_compile(j->dev, j->text.s, j->text.len, j->weight, j->nweight, e);
	uint64_t t1 = clock_ns();
	if (!j->k)
		return err_prefix(e, "mil: %s", path);
	int nin = kernel_inputs(j->k, &in), nout = kernel_outputs(j->k, &out);
	rc = make_surfaces(j, in, nin, 1, e);
	if (!rc)
		rc = make_surfaces(j, out, nout, 0, e);
	if (rc)
		return rc;
	j->b = device_bind(j->k, j->name, j->io, j->nio, e);
	rc = j->b ? binding_run(j->b, e) : e->code;
	for (int i = 0; i < nin && !rc; i++)
		str_printf(report, "%s %s\n", in[i].name, mil_type_text(t, &in[i].type));
	for (int i = 0; i < nout && !rc; i++)
		rc = write_output(j, j->io[nin + i], &out[i], nout == 1, e);
	if (rc)
		return rc;
	const struct binding_perf *p = binding_perf(j->b);
	double ms = (double)p->ns / 1e6;
	str_printf(report, "compile %.3f ms, run %.3f ms, %.3f GFLOP, %.1f GFLOP/s\n", (double)(t1 - t0) / 1e6, ms, p->flops / 1e9,
		   ms > 0 ? p->flops / ms / 1e6 : 0);
	return 0;
}

int mil_run_file(struct device *d, const char *path, int argc, char **argv, struct str *report, struct err *e)
{
	struct job *j = mem_zalloc(1, sizeof *j);
	if (!j)
		return err_nomem(e, "mil", sizeof *j);
	j->dev = d;
	j->argc = argc;
	j->argv = argv;
	j->report = report;
	j->dir = value_of(j, "weights");
	int rc = run_job(j, path, e);
	job_done(j);
	free(j);
	return rc;
}
