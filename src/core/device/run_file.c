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
	snprintf(out, n, "%s/%s", j->dir, rest);
	if (access(out, R_OK))
		snprintf(out, n, "%s/%s", j->dir, base);
	if (access(out, R_OK))
		return err_set(e, ERR_IO, "mil: %s: not in %s", blob, j->dir);
	return 0;
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

static int fill_input(struct surface *s, const struct kernel_io *io, const char *path, struct err *e)
{
	char t[96];
	struct file_map m;
	size_t want = (size_t)mil_count(&io->type) * 4;
	int rc = file_map(&m, path, "mil", e);
	if (rc)
		return rc;
	if (m.size != want)
		rc = err_set(e, ERR_FORMAT, "mil: %s: %zu bytes, input %s is %s: %zu bytes of fp32 wanted", path, m.size, io->name,
			     mil_type_text(t, &io->type), want);
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
		char t[96];
		if (input && !file)
			return err_set(e, ERR_USAGE, "mil: input %s (%s) is not given (%s=FILE.f32)", io[i].name, mil_type_text(t, &io[i].type), io[i].name);
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

static int write_output(struct job *j, struct surface *s, const struct kernel_io *io, int only, struct str *report, struct err *e)
{
	char key[80], t[96];
	snprintf(key, sizeof key, "out.%s", io->name);
	const char *file = value_of(j, key);
	if (!file && only)
		file = value_of(j, "out");
	str_printf(report, "%s %s%s%s\n", io->name, mil_type_text(t, &io->type), file ? " -> " : " (not written: ", file ? file : only ? "out=FILE)" : "out.NAME=FILE)");
	if (!file)
		return 0;
	float *v = surface_window(s, 0, io->type.rank > 1 ? io->type.dim[1] : io->type.rank ? io->type.dim[0] : 1, SURFACE_READ);
	int rc = save_file(file, v, (size_t)mil_count(&io->type) * 4, e);
	surface_release(s);
	return rc;
}

/* Arguments that name nothing are mistakes, not to be passed over. */
static int check_arguments(const struct job *j, const struct kernel_io *in, int nin, const struct kernel_io *out, int nout, struct err *e)
{
	for (int i = 0; i < j->argc; i++) {
		const char *eq = strchr(j->argv[i], '=');
		size_t n = eq ? (size_t)(eq - j->argv[i]) : 0;
		int known = (n == 7 && !strncmp(j->argv[i], "weights", n)) || (n == 3 && !strncmp(j->argv[i], "out", n) && nout == 1);
		for (int k = 0; k < nin; k++)
			known |= strlen(in[k].name) == n && !strncmp(j->argv[i], in[k].name, n);
		for (int k = 0; k < nout; k++)
			known |= n > 4 && !strncmp(j->argv[i], "out.", 4) && strlen(out[k].name) == n - 4 && !strncmp(j->argv[i] + 4, out[k].name, n - 4);
		if (!known)
			return err_set(e, ERR_USAGE, "mil: %s: the program has no such input or output", j->argv[i]);
	}
	return 0;
}

static int run_job(struct job *j, const char *path, struct str *report, struct err *e)
{
	const struct kernel_io *in, *out;
	char t[96];
	struct err why = {0};
	int rc = file_read(&j->text, path, "mil", 64u << 20, e);
	if (!rc && (rc = mil_parse(&j->g, j->text.s ? j->text.s : "", j->text.len, &why))) {
		size_t named = strncmp(why.msg, "mil: ", 5) ? 0 : 5;
		err_set(e, (enum err_code)rc, "mil: %s:%s", path, why.msg + named); /* file:line:column: what */
	}
	if (!rc)
		rc = load_weights(j, e);
	if (rc)
		return rc;
	uint64_t t0 = clock_ns();
	j->k = device_compile(j->dev, j->text.s, j->text.len, j->weight, j->nweight, e);
	uint64_t t1 = clock_ns();
	if (!j->k)
		return e->code;
	int nin = kernel_inputs(j->k, &in), nout = kernel_outputs(j->k, &out);
	rc = check_arguments(j, in, nin, out, nout, e);
	if (!rc)
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
		rc = write_output(j, j->io[nin + i], &out[i], nout == 1, report, e);
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
	j->dir = value_of(j, "weights");
	int rc = run_job(j, path, report, e);
	job_done(j);
	free(j);
	return rc;
}
