/* ane.c: the ane device's row in the table: kernels are programs that the framework has loaded, bindings are its requests. What is computed, the
 * Neural Engine computes. Never run on a Mac by us; the tests run it on a stand-in for the libraries.
 *
 * caps.batch is 0: all that is known to have run there has one sequence in the last axis. SPDX-License-Identifier: MIT */
#include "device/ane/ane.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mil/print.h"

struct ane_kernel {
	struct kernel base;
	struct ane_model model;
	struct str text;         /* as it is compiled, in the chip's dialect; a refreeze compiles it again */
	int *order;              /* of the inputs, then of the outputs, by name: surfaces are handed over so, whatever the text says */
	int nin, nout;
};

struct ane_binding {
	struct binding base;
	struct ane_surface **surface; /* inputs, then outputs, each by name */
	unsigned *generation;         /* of each surface when the request was made */
	void *request;
};

/* --- opening --- */

/* "Apple M4 Max" to "m4max". M1 and M2 take only the older way of writing programs. */
static void know_chip(struct ane *a, char *brand, size_t size)
{
	size_t n = size;
	if (a->api.sysctlbyname("machdep.cpu.brand_string", brand, &n, NULL, 0) || !n)
		snprintf(brand, size, "unknown processor");
	brand[size - 1] = 0;
	const char *m = strncmp(brand, "Apple M", 7) ? NULL : brand + 6;
	a->dialect = m && (m[1] == '1' || m[1] == '2') && (m[2] < '0' || m[2] > '9') ? MIL_VERBOSE : MIL_BARE;
	for (size_t at = 0; m && *m && at + 1 < sizeof a->chip; m++)
		if (*m != ' ')
			a->chip[at++] = *m >= 'A' && *m <= 'Z' ? (char)(*m + 32) : *m;
}

static int take_option(struct ane *a, const char *args, struct err *e)
{
	if (!*args)
		return 0;
	if (!strcmp(args, "dialect=verbose"))
		a->dialect = MIL_VERBOSE;
	else if (!strcmp(args, "dialect=bare"))
		a->dialect = MIL_BARE;
	else
		return err_set(e, ERR_USAGE, "device: ane: %.60s: no such option (dialect=bare, dialect=verbose)", args);
	return 0;
}

static int begin(struct ane *a, const char *args, struct err *e)
{
	char brand[64] = "";
	int r = ane_api_open(&a->api, e);
	if (r)
		return r;
	know_chip(a, brand, sizeof brand);
	if ((r = take_option(a, args, e)))
		return r;
	if (!(a->no_options = ane_dictionary(&a->api, NULL, NULL, 0)))
		return err_nomem(e, "device: ane", 64);
	struct device_caps *c = &a->base.caps;
	*c = (struct device_caps){.name = "ane", .overlaps = 1, .fp16 = 1, .min_surface = ANE_SURFACE_MIN};
	snprintf(c->about, sizeof c->about, "%s, fp16, weights frozen, programs %s", brand,
		 a->dialect == MIL_BARE ? "bare (1.3, ios18)" : "verbose (1.0, ios16)");
	ane_count(a);
	return 0;
}

static void ane_close(struct device *d)
{
	struct ane *a = (struct ane *)d;
	if (a->no_options)
		ane_release(&a->api, a->no_options);
	for (int i = 0; i < ANE_COPIES; i++)
		free(a->copy[i].mem);
	ane_api_close(&a->api);
	free(a);
}

static struct device *ane_open(const char *args, struct pool *pool, struct err *e)
{
	struct ane *a = mem_zalloc(1, sizeof *a);
	if (!a) {
		err_nomem(e, "device: ane", sizeof *a);
		return NULL;
	}
	a->base.ops = &device_ane;
	a->base.pool = pool;
	if (!begin(a, args, e))
		return &a->base;
	ane_close(&a->base);
	return NULL;
}

/* --- kernels --- */

static int check_io(const struct ane *a, const struct mil_graph *g, const int *value, int n, const char *what, struct err *e)
{
	for (int i = 0; i < n; i++) {
		const struct mil_value *v = &g->value[value[i]];
		if (v->type.dtype == MIL_FP16 || (v->type.dtype == MIL_FP32 && a->dialect == MIL_BARE))
			continue;
		return err_set(e, ERR_DEVICE, "ane: compile: line %d: %s %s is %s: %s", v->line, what, v->name, mil_dtype_name(v->type.dtype),
			       a->dialect == MIL_BARE ? "fp16 (or fp32) is possible" : "this chip takes only fp16");
	}
	return 0;
}

/* Insertion sort: few. */
static void sort_names(const struct mil_graph *g, const int *value, int n, int *order)
{
	for (int i = 0; i < n; i++) {
		int k = i;
		for (; k > 0 && strcmp(g->value[value[order[k - 1]]].name, g->value[value[i]].name) > 0; k--)
			order[k] = order[k - 1];
		order[k] = i;
	}
}

static int build(struct ane *a, struct ane_kernel *k, struct ane_model *m, const struct mil_graph *g, const struct dev_weight *w, int nw,
		 struct err *e)
{
	struct weight_files f;
	int r = weight_files_make(&f, g, w, nw, e);
	if (r)
		return r;
	r = ane_model_make(a, m, &k->text, &f, e);
	weight_files_done(&f);
	return r;
}

static void ane_kernel_free(struct kernel *kernel)
{
	struct ane_kernel *k = (struct ane_kernel *)kernel;
	ane_model_done((struct ane *)k->base.dev, &k->model);
	str_done(&k->text);
	free(k->order);
	free(k);
}

static struct kernel *ane_compile(struct device *d, struct mil_graph *g, const struct dev_weight *w, int nw, struct err *e)
{
	struct ane *a = (struct ane *)d;
	if (check_io(a, g, g->input, g->ninput, "input", e) || check_io(a, g, g->output, g->noutput, "output", e))
		return NULL;
	struct ane_kernel *k = mem_zalloc(1, sizeof *k);
	if (!k || !(k->order = mem_zalloc((size_t)(g->ninput + g->noutput) + 1, sizeof *k->order))) {
		free(k);
		err_nomem(e, "ane: kernel", sizeof *k);
		return NULL;
	}
	k->base.dev = d;
	k->nin = g->ninput;
	k->nout = g->noutput;
	sort_names(g, g->input, g->ninput, k->order);
	sort_names(g, g->output, g->noutput, k->order + g->ninput);
	mil_print(&k->text, g, a->dialect);
	if (k->text.failed)
		err_nomem(e, "ane: kernel", k->text.len);
	else if (!build(a, k, &k->model, g, w, nw, e))
		return &k->base;
	ane_kernel_free(&k->base);
	return NULL;
}

/* The new one stands before the old one goes: a failure changes nothing. Requests name surfaces only and stay good. */
static int ane_refreeze(struct kernel *kernel, const struct dev_weight *w, int nw, struct err *e)
{
	struct ane_kernel *k = (struct ane_kernel *)kernel;
	struct ane *a = (struct ane *)kernel->dev;
	struct ane_model fresh;
	struct mil_graph *g;
	int r = mil_parse(&g, k->text.s, k->text.len, e);
	if (r)
		return r;
	if (!(r = build(a, k, &fresh, g, w, nw, e))) {
		ane_model_done(a, &k->model);
		k->model = fresh;
	}
	mil_free(g);
	return r;
}

static void ane_plan(const struct kernel *kernel, struct kernel_plan_info *out)
{
	(void)kernel; /* the framework's own business */
	out->nstep = 1;
}

/* --- bindings --- */

/* Of each side, the size of the largest surface, for all. They only ever grow, so that bindings which share surfaces come to rest. */
static int equal_sizes(struct ane_surface **s, int n, struct err *e)
{
	size_t most = 0;
	int r = 0, uneven = 0;
	for (int i = 0; i < n; i++) {
		uneven |= i && s[i]->alloc != s[0]->alloc;
		most = MAX(most, s[i]->alloc);
	}
	if (uneven)
		device_say(s[0]->base.dev, "ane: surfaces of one program are padded to the same size and handed over by name");
	for (int i = 0; i < n && !r; i++)
		r = ane_surface_grow(s[i], most, e);
	return r;
}

static void *make_request(const struct ane_api *p, struct ane_surface **s, int nin, int nout)
{
	void *(*ask)(void *, void *, void *, void *, void *, void *, void *, void *, void *) =
		(void *(*)(void *, void *, void *, void *, void *, void *, void *, void *, void *))p->objc_msgSend;
	int n = nin + nout, whole;
	void **object = mem_zalloc((size_t)n + 1, 2 * sizeof *object), **index = object ? object + n : NULL;
	void *list[4] = {0}, *zero = ane_number(p, 0), *request = NULL;
	whole = object && zero;
	for (int i = 0; whole && i < n; i++) {
		object[i] = s[i]->object;
		whole = (index[i] = ane_number(p, i < nin ? i : i - nin)) != NULL;
	}
	if (whole) {
		list[0] = ane_array(p, object, nin);
		list[1] = ane_array(p, index, nin);
		list[2] = ane_array(p, object + nin, nout);
		list[3] = ane_array(p, index + nin, nout);
	}
	if (list[0] && list[1] && list[2] && list[3])
		request = ask(p->class[ANE_CLASS_REQUEST], p->selector[ANE_METHOD_ASK], list[0], list[1], list[2], list[3], NULL, NULL, zero);
	if (request)
		p->CFRetain(request);
	for (int i = 0; i < 4; i++)
		ane_release(p, list[i]);
	for (int i = 0; index && i < n; i++)
		ane_release(p, index[i]);
	ane_release(p, zero);
	free(object);
	return request;
}

/* The request for the surfaces as they are; made anew when one of them has grown since. */
static int renew(struct ane_binding *b, const struct ane_kernel *k, struct err *e)
{
	const struct ane_api *p = &((struct ane *)k->base.dev)->api;
	int n = k->nin + k->nout, fresh = b->request != NULL;
	int r = equal_sizes(b->surface, k->nin, e);
	if (!r)
		r = equal_sizes(b->surface + k->nin, k->nout, e);
	for (int i = 0; i < n; i++)
		fresh &= b->generation[i] == b->surface[i]->generation;
	if (r || fresh)
		return r;
	void *pool = p->objc_autoreleasePoolPush(), *request = make_request(p, b->surface, k->nin, k->nout);
	p->objc_autoreleasePoolPop(pool);
	if (!request)
		return err_set(e, ERR_DEVICE, "ane: bind: the framework gives no request for these surfaces");
	ane_release(p, b->request);
	b->request = request;
	for (int i = 0; i < n; i++)
		b->generation[i] = b->surface[i]->generation;
	return 0;
}

static void ane_binding_free(struct binding *binding)
{
	struct ane_binding *b = (struct ane_binding *)binding;
	ane_release(&((struct ane *)binding->kernel->dev)->api, b->request);
	free(b->surface);
	free(b->generation);
	free(b);
}

static int distinct(struct surface *const *in, struct surface *const *out, const struct ane_kernel *k, struct err *e)
{
	for (int o = 0; o < k->nout; o++) {
		int same = 0;
		for (int i = 0; i < k->nin; i++)
			same |= in[i] == out[o];
		for (int i = 0; i < o; i++)
			same |= out[i] == out[o];
		if (same)
			return err_set(e, ERR_DEVICE, "bind: output %d has the surface of another input or output", o);
	}
	return 0;
}

static struct binding *ane_bind(struct kernel *kernel, struct surface *const *in, struct surface *const *out, struct err *e)
{
	const struct ane_kernel *k = (const struct ane_kernel *)kernel;
	size_t n = (size_t)(k->nin + k->nout) + 1;
	if (distinct(in, out, k, e))
		return NULL;
	struct ane_binding *b = mem_zalloc(1, sizeof *b);
	if (b) {
		b->base.kernel = kernel;
		b->surface = mem_zalloc(n, sizeof(struct ane_surface *));
		b->generation = mem_zalloc(n, sizeof *b->generation);
	}
	if (!b || !b->surface || !b->generation) {
		err_nomem(e, "ane: bind", n * sizeof(struct ane_surface *));
	} else {
		for (int i = 0; i < k->nin + k->nout; i++)
			b->surface[i] = (struct ane_surface *)(i < k->nin ? in[k->order[i]] : out[k->order[i]]);
		if (!renew(b, k, e))
			return &b->base;
	}
	if (b)
		ane_binding_free(&b->base);
	return NULL;
}

static int ane_run(struct binding *binding, struct err *e)
{
	struct ane_binding *b = (struct ane_binding *)binding;
	struct ane_kernel *k = (struct ane_kernel *)binding->kernel;
	int r = renew(b, k, e);
	for (int i = 0; i < k->nin + k->nout && !r; i++) {
		if (b->surface[i]->broken)
			r = err_set(e, ERR_DEVICE, "ane: run: an %s could not be %s: IOSurfaceLock failed", i < k->nin ? "input" : "output",
				    i < k->nin ? "written" : "read");
		b->surface[i]->broken = 0;
	}
	return r ? r : ane_model_run((struct ane *)k->base.dev, &k->model, b->request, e);
}

const struct device_ops device_ane = {
	.name = "ane",
	.open = ane_open,
	.close = ane_close,
	.compile = ane_compile,
	.kernel_free = ane_kernel_free,
	.refreeze = ane_refreeze,
	.plan = ane_plan,
	.surface = ane_surface,
	.surface_free = ane_surface_free,
	.window = ane_window,
	.release = ane_window_release,
	.bind = ane_bind,
	.binding_free = ane_binding_free,
	.run = ane_run,
};
