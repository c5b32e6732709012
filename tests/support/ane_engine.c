/* ane_engine.c: programs of the stand-in on one of our own devices. SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fp16.h"
#include "base/mem.h"
#include "device/ane/ane.h"
#include "mil/blob.h"
#include "support/ane_engine.h"

enum { IO = 32, WEIGHTS = 256 };

/* A loaded program; sides 0 and 1: inputs and outputs in the order of their names. */
struct loaded {
	struct kernel *k;
	struct binding *b;
	int n[2];
	const struct kernel_io *io[2][IO];
	struct surface *s[2][IO];
};

static struct device *inner;

/* --- loading --- */

static int find_weights(const struct mil_graph *g, int nfile, char *const *path, const void *const *data, const size_t *size,
			struct dev_weight *w, struct err *e)
{
	int n = 0;
	for (int i = 0; i < g->nvalue; i++) {
		const struct mil_value *v = &g->value[i];
		struct mil_blob b;
		int at = 0;
		if (!v->konst || !v->konst->blob)
			continue;
		while (at < nfile && strcmp(path[at], v->konst->blob))
			at++;
		if (at == nfile || n == WEIGHTS)
			return err_set(e, ERR_FORMAT, "no file %s", v->konst->blob);
		if (mil_blob_find(&b, data[at], size[at], v->konst->blob_offset, path[at], e) || mil_blob_fits(&b, &v->type, path[at], e))
			return e->code;
		if (b.note)
			return err_set(e, ERR_FORMAT, "%s: %s", path[at], b.note);
		struct dev_weight *d = &w[n++];
		*d = (struct dev_weight){.path = path[at], .dtype = b.dtype, .rank = v->type.rank, .data = b.data, .offset = v->konst->blob_offset};
		int64_t step = 1;
		for (int a = d->rank; a-- > 0;) {
			d->dim[a] = v->type.dim[a];
			d->stride[a] = step;
			step *= d->dim[a];
		}
	}
	return n;
}

static void side(struct loaded *l, int which, const struct kernel_io *io, int n)
{
	l->n[which] = n;
	for (int i = 0; i < n; i++) {
		int k = i;
		for (; k > 0 && strcmp(l->io[which][k - 1]->name, io[i].name) > 0; k--)
			l->io[which][k] = l->io[which][k - 1];
		l->io[which][k] = &io[i];
	}
}

static void unload(void *program)
{
	struct loaded *l = program;
	binding_free(l->b);
	for (int k = 0; k < 2; k++)
		for (int i = 0; i < l->n[k]; i++)
			surface_free(l->s[k][i]);
	kernel_free(l->k);
	free(l);
}

static int bind(struct loaded *l, struct err *e)
{
	const struct kernel_io *in, *out;
	const char *names[2 * IO];
	struct surface *s[2 * IO];
	int nin = kernel_inputs(l->k, &in), nout = kernel_outputs(l->k, &out), n = 0;
	if (nin > IO || nout > IO)
		return err_set(e, ERR_RANGE, "too many inputs or outputs");
	side(l, 0, in, nin);
	side(l, 1, out, nout);
	for (int k = 0; k < 2; k++)
		for (int i = 0; i < l->n[k]; i++) {
			if (!(l->s[k][i] = device_surface(inner, &l->io[k][i]->type, e)))
				return e->code;
			names[n] = l->io[k][i]->name;
			s[n++] = l->s[k][i];
		}
	l->b = device_bind(l->k, names, s, n, e);
	return l->b ? 0 : e->code;
}

static void *load(const char *text, size_t n, int nfile, char *const *path, const void *const *data, const size_t *size, char *says, size_t room)
{
	struct loaded *l = mem_zalloc(1, sizeof *l);
	struct dev_weight *w = mem_zalloc(WEIGHTS, sizeof *w);
	struct mil_graph *g = NULL;
	struct err e = {0};
	int nw = mil_parse(&g, text, n, &e);
	if (!nw)
		nw = find_weights(g, nfile, path, data, size, w, &e);
	if (nw >= 0)
		l->k = device_compile(inner, text, n, w, nw, &e);
	free(w);
	mil_free(g);
	if (l->k && !bind(l, &e))
		return l;
	snprintf(says, room, "%s", e.msg);
	if (l->k)
		unload(l);
	else
		free(l);
	return NULL;
}

/* --- running --- */

static int count(void *program, int outputs)
{
	return ((struct loaded *)program)->n[outputs];
}

static size_t bytes(void *program, int output, int i)
{
	const struct mil_type *t = &((struct loaded *)program)->io[output][i]->type;
	return (size_t)mil_count(t) * mil_dtype_size(t->dtype);
}

static void exchange(struct loaded *l, int output, int i, void *mem)
{
	const struct mil_type *t = &l->io[output][i]->type;
	size_t n = (size_t)mil_count(t);
	float *w = surface_window(l->s[output][i], 0, t->rank > 1 ? t->dim[1] : 1, output ? SURFACE_READ : SURFACE_WRITE);
	if (t->dtype == MIL_FP32)
		memcpy(output ? mem : (void *)w, output ? (void *)w : mem, n * sizeof *w);
	else if (output)
		fp16_narrow(mem, w, n);
	else
		fp16_widen(w, mem, n);
	surface_release(l->s[output][i]);
}

static int run(void *program, void *const *in, void *const *out, char *says, size_t room)
{
	struct loaded *l = program;
	struct err e = {0};
	for (int i = 0; i < l->n[0]; i++)
		exchange(l, 0, i, in[i]);
	if (binding_run(l->b, &e)) {
		snprintf(says, room, "%s", e.msg);
		return -1;
	}
	for (int i = 0; i < l->n[1]; i++)
		exchange(l, 1, i, out[i]);
	return 0;
}

static const struct standin_engine engine = {load, count, bytes, run, unload};

/* --- the door --- */

struct standin *ane_engine_begin(const char *spec, struct pool *pool, int budget)
{
	static char path[4096];
	static struct standin *(*control)(void);
	struct err e = {0};
	if (!control) {
		ssize_t n = readlink("/proc/self/exe", path, sizeof path - 32);
		assert_true(n > 0);
		path[n] = 0;
		strcpy(strrchr(path, '/') + 1, "libstandin.so");
		void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
		if (!lib)
			fail_msg("%s", dlerror());
		void *p = dlsym(lib, "standin_control");
		assert_non_null(p);
		memcpy(&control, &p, sizeof p);
	}
	const char *const all[ANE_LIBRARIES] = {path, path, path, path, path};
	static const char *lasting[ANE_LIBRARIES];
	memcpy(lasting, all, sizeof all);
	struct standin *s = control();
	*s = (struct standin){.engine = &engine, .brand = "Apple M4", .folder = "/nowhere/", .budget = 1000000, .min_bytes = 49152};
	static char folder[4200];
	assert_non_null(getcwd(folder, sizeof folder - 16));
	static int begun;
	snprintf(strchr(folder, 0), 16, "/t%d/", begun++);
	mkdir(folder, 0700);
	s->folder = folder;
	if (!(inner = device_open(spec, pool, &e)))
		fail_msg("%s", e.msg);
	ane_testing(lasting, budget);
	return s;
}

static int names_in(const char *folder)
{
	DIR *d = opendir(folder);
	int n = 0;
	for (const struct dirent *f; d && (f = readdir(d));)
		n += f->d_name[0] != '.';
	closedir(d);
	return n;
}

void ane_engine_end(struct standin *s)
{
	device_close(inner);
	inner = NULL;
	ane_testing(NULL, 0);
	if (s->misuse)
		fail_msg("%d rules broken, the latest: %s", s->misuse, s->what);
	assert_int_equal(s->live, 0);
	assert_int_equal(s->pools, 0);
	assert_int_equal(s->loaded, 0);
	assert_int_equal(names_in(s->folder), 0);
}
