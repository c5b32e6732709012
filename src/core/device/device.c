/* device.c: what every device shares: opening by name, checks before compile and bind, the clock around a run. Runs nothing.
 * SPDX-License-Identifier: MIT */
#include "device/device.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "device/sim/cost.h"

static const struct device_ops *const devices[] = {&device_cpu, &device_sim, &device_ane};

struct device *device_open(const char *spec, struct pool *pool, struct err *e)
{
	size_t n = strcspn(spec, " :");
	const char *args = spec + n + strspn(spec + n, " :");
	for (size_t i = 0; i < ARRAY_LEN(devices); i++)
		if (strlen(devices[i]->name) == n && !strncmp(devices[i]->name, spec, n))
			return devices[i]->open(args, pool, e);
	char known[128] = "";
	for (size_t i = 0, at = 0; i < ARRAY_LEN(devices) && at < sizeof known; i++)
		at += (size_t)snprintf(known + at, sizeof known - at, "%s%s", i ? ", " : "", devices[i]->name);
	err_set(e, ERR_USAGE, "device: %.*s: no such device (%s)", (int)MIN(n, 40), spec, known);
	return NULL;
}

void device_close(struct device *d)
{
	if (!d)
		return;
	str_done(&d->notes);
	d->ops->close(d);
}

const struct device_caps *device_caps(const struct device *d)
{
	return &d->caps;
}

/* --- notes: texts that end in NUL, one after the other; those before `told` have been given away --- */

void device_say(struct device *d, const char *fmt, ...)
{
	char text[ERR_MSG_MAX];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	for (size_t at = 0; at < d->notes.len; at += strlen(d->notes.s + at) + 1)
		if (!strcmp(d->notes.s + at, text))
			return;
	str_add(&d->notes, text, strlen(text) + 1);
}

const char *device_note(struct device *d)
{
	if (d->told >= d->notes.len)
		return NULL;
	const char *text = d->notes.s + d->told;
	d->told += strlen(text) + 1;
	return text;
}

/* --- weights --- */

static int fits(const struct dev_weight *w, const struct mil_type *t)
{
	int a = 0;
	for (int i = 0; i < t->rank; i++) {
		if (t->dim[i] == 1)
			continue;
		while (a < w->rank && w->dim[a] == 1)
			a++;
		if (a == w->rank || w->dim[a++] != t->dim[i])
			return 0;
	}
	while (a < w->rank && w->dim[a] == 1)
		a++;
	return a == w->rank;
}

int dev_weight_is(const struct dev_weight *w, const struct mil_value *v)
{
	return !strcmp(w->path, v->konst->blob) && (!w->offset || w->offset == v->konst->blob_offset);
}

const struct dev_weight *device_weight(const struct dev_weight *w, int nw, const struct mil_value *v, struct err *e)
{
	for (int i = 0; i < nw; i++) {
		if (!dev_weight_is(&w[i], v))
			continue;
		if (fits(&w[i], &v->type))
			return &w[i];
		struct mil_type have = {.dtype = w[i].dtype, .rank = w[i].rank};
		char a[96], b[96];
		memcpy(have.dim, w[i].dim, sizeof have.dim);
		err_set(e, ERR_DEVICE, "device: %s: given as %s, the program wants %s (line %d)", w[i].path, mil_type_text(a, &have),
			mil_type_text(b, &v->type), v->line);
		return NULL;
	}
	err_set(e, ERR_DEVICE, "device: %s: the program (line %d) names this weight, none was given", v->konst->blob, v->line);
	return NULL;
}

/* --- kernels --- */

/* Inputs, outputs and weights once each; where the host's memory is used they are fp32. And what the chip would take. */
static void measure(struct kernel *k, const struct mil_graph *g)
{
	int wide = k->dev->caps.host_memory;
	for (int i = 0; i < g->nop; i++)
		k->flops += mil_op_flops(g, &g->op[i]);
	for (int i = 0; i < g->nvalue; i++) {
		const struct mil_value *v = &g->value[i];
		int counts = v->konst && v->konst->blob;
		for (int j = 0; j < g->ninput; j++)
			counts |= g->input[j] == i;
		for (int j = 0; j < g->noutput; j++)
			counts |= g->output[j] == i;
		if (counts)
			k->bytes += (double)mil_count(&v->type) * (wide ? 4.0 : (double)mil_dtype_size(v->type.dtype));
	}
	const struct chip *chip = k->dev->caps.chip ? chip_find(k->dev->caps.chip, NULL) : NULL;
	struct cost c;
	if (chip) {
		cost_of_graph(&c, chip, g);
		k->model_ns = c.ns;
	}
}

static struct kernel_io *io_table(const struct mil_graph *g, const int *value, int n)
{
	struct kernel_io *io = mem_zalloc((size_t)MAX(n, 1), sizeof *io);
	for (int i = 0; io && i < n; i++) {
		snprintf(io[i].name, sizeof io[i].name, "%s", g->value[value[i]].name);
		io[i].type = g->value[value[i]].type;
	}
	return io;
}

static int names_fit(const struct mil_graph *g, const int *value, int n, struct err *e)
{
	for (int i = 0; i < n; i++)
		if (strlen(g->value[value[i]].name) >= sizeof ((struct kernel_io *)0)->name)
			return err_set(e, ERR_DEVICE, "device: %.80s...: an input's or output's name may have 63 bytes",
				       g->value[value[i]].name);
	return 0;
}

/* Counts the parts of each input in io, and sees that they cover it. */
static int parts_fit(const struct device *d, struct kernel_io *io, int nio, const struct dev_part *part, int npart, struct err *e)
{
	int known = 0;
	if (npart && !d->ops->compile_parts)
		return err_set(e, ERR_DEVICE, "device: %s: inputs over the host's memory are not possible here", d->caps.name);
	for (int i = 0; i < nio; i++) {
		const struct mil_type *t = &io[i].type;
		int64_t at = 0;
		for (int k = 0; k < npart; k++) {
			if (strcmp(part[k].input, io[i].name))
				continue;
			if (t->rank != 4 || t->dim[0] != 1 || t->dim[2] != 1)
				return err_set(e, ERR_DEVICE, "device: %s: parts need an input [1, C, 1, S]", io[i].name);
			if (part[k].begin != at || part[k].count < 1 || part[k].stride[0] < 1 || part[k].stride[1] < 1)
				return err_set(e, ERR_DEVICE, "device: %s: part %d does not go on at column %lld", io[i].name, k, (long long)at);
			at += part[k].count;
			io[i].nparts++;
		}
		if (io[i].nparts && at != t->dim[3])
			return err_set(e, ERR_DEVICE, "device: %s: parts cover %lld of %lld columns", io[i].name, (long long)at,
				       (long long)t->dim[3]);
		known += io[i].nparts;
	}
	return known == npart ? 0 : err_set(e, ERR_DEVICE, "device: a part names no input of the program");
}

struct kernel *device_compile(struct device *d, const char *text, size_t n, const struct dev_weight *w, int nw, struct err *e)
{
	return device_compile_parts(d, text, n, w, nw, NULL, 0, e);
}

int device_inspect(struct device *d, const char *text, size_t n, struct err *e)
{
	return d->ops->inspect ? d->ops->inspect(d, text, n, e) : 0;
}

/* --- programs that are compiled once for each layer: parsed, checked and planned once --- */

static struct kernel *same_text(const struct device *d, const char *text, size_t n)
{
	for (struct kernel *k = d->texts; k; k = k->next)
		if (k->ntext == n && !memcmp(k->text, text, n))
			return k;
	return NULL;
}

/* Without memory for it the next of this text is made like the first. */
static void remember(struct kernel *k, const char *text, size_t n)
{
	struct device *d = k->dev;
	if (!d->ops->again || k->npart || !(k->text = malloc(n)))
		return;
	memcpy(k->text, text, n);
	k->ntext = n;
	k->next = d->texts;
	d->texts = k;
}

static void forget(struct kernel *k)
{
	for (struct kernel **at = &k->dev->texts; k->text && *at; at = &(*at)->next)
		if (*at == k) {
			*at = k->next;
			break;
		}
	free(k->text);
}

static struct kernel_io *io_copy(const struct kernel_io *io, int n)
{
	struct kernel_io *copy = mem_zalloc((size_t)MAX(n, 1), sizeof *copy);
	return copy ? memcpy(copy, io, (size_t)n * sizeof *copy) : NULL;
}

static struct kernel *compile_again(struct kernel *like, const struct dev_weight *w, int nw, struct err *e)
{
	struct kernel_io *in = io_copy(like->in, like->nin), *out = io_copy(like->out, like->nout);
	struct kernel *k = NULL;
	if (!in || !out)
		err_nomem(e, "device: kernel", sizeof *in * (size_t)(like->nin + like->nout));
	else
		k = like->dev->ops->again(like, w, nw, e);
	if (!k) {
		free(in);
		free(out);
		return NULL;
	}
	k->dev = like->dev;
	k->nin = like->nin;
	k->nout = like->nout;
	k->in = in;
	k->out = out;
	k->flops = like->flops;
	k->bytes = like->bytes;
	k->model_ns = like->model_ns;
	return k;
}

struct kernel *device_compile_parts(struct device *d, const char *text, size_t n, const struct dev_weight *w, int nw,
				    const struct dev_part *part, int npart, struct err *e)
{
	struct mil_graph *g = NULL;
	struct kernel *k = npart ? NULL : same_text(d, text, n);
	if (k && d->ops->alike(k, w, nw))
		return compile_again(k, w, nw, e);
	k = NULL;
	if (device_inspect(d, text, n, e) || mil_parse(&g, text, n, e))
		return NULL;
	struct kernel_io *in = io_table(g, g->input, g->ninput), *out = io_table(g, g->output, g->noutput);
	if (!in || !out)
		err_nomem(e, "device: kernel", sizeof *in * (size_t)(g->ninput + g->noutput));
	else if (!names_fit(g, g->input, g->ninput, e) && !names_fit(g, g->output, g->noutput, e) &&
		 !parts_fit(d, in, g->ninput, part, npart, e))
		k = npart ? d->ops->compile_parts(d, g, w, nw, part, npart, e) : d->ops->compile(d, g, w, nw, e);
	if (k) {
		k->dev = d;
		k->npart = npart;
		k->nin = g->ninput;
		k->nout = g->noutput;
		k->in = in;
		k->out = out;
		measure(k, g);
		remember(k, text, n);
	} else {
		free(in);
		free(out);
	}
	mil_free(g);
	return k;
}

void kernel_free(struct kernel *k)
{
	if (!k)
		return;
	forget(k);
	free(k->in);
	free(k->out);
	k->dev->ops->kernel_free(k);
}

int kernel_refreeze(struct kernel *k, const struct dev_weight *w, int nw, struct err *e)
{
	return k->dev->ops->refreeze ? k->dev->ops->refreeze(k, w, nw, e) : 0;
}

int kernel_inputs(const struct kernel *k, const struct kernel_io **io)
{
	*io = k->in;
	return k->nin;
}

int kernel_outputs(const struct kernel *k, const struct kernel_io **io)
{
	*io = k->out;
	return k->nout;
}

void kernel_plan(const struct kernel *k, struct kernel_plan_info *out)
{
	*out = (struct kernel_plan_info){0};
	k->dev->ops->plan(k, out);
	out->flops = k->flops;
}

/* --- surfaces --- */

struct surface *device_surface(struct device *d, const struct mil_type *t, struct err *e)
{
	return d->ops->surface(d, t, NULL, e);
}

struct surface *device_surface_over(struct device *d, const struct mil_type *t, float *mem, struct err *e)
{
	if (d->caps.host_memory && mem)
		return d->ops->surface(d, t, mem, e);
	err_set(e, ERR_DEVICE, "device: %s: surfaces over the host's memory are not possible here", d->caps.name);
	return NULL;
}

void surface_free(struct surface *s)
{
	if (s)
		s->dev->ops->surface_free(s);
}

float *surface_window(struct surface *s, int64_t c0, int64_t n, enum surface_access how)
{
	return s->dev->ops->window(s, c0, n, how);
}

void surface_release(struct surface *s)
{
	s->dev->ops->release(s);
}

/* --- columns --- */

enum { PUT_BLOCK = 32 }; /* channels of a task: a transposed matrix is read by lines of the cache */

struct put {
	float *to;
	const float *from;
	int64_t channels, row, count;
	const int64_t *stride;
};

static void put_task(void *arg, int task, int thread)
{
	const struct put *p = arg;
	int64_t c0 = (int64_t)task * PUT_BLOCK, c1 = MIN(c0 + PUT_BLOCK, p->channels);
	(void)thread;
	for (int64_t c = c0; p->stride[1] == 1 && c < c1; c++)
		memcpy(p->to + c * p->row, p->from + c * p->stride[0], (size_t)p->count * sizeof *p->to);
	for (int64_t k = 0; p->stride[1] != 1 && k < p->count; k++)
		for (int64_t c = c0; c < c1; c++)
			p->to[c * p->row + k] = p->from[c * p->stride[0] + k * p->stride[1]];
}

void surface_put(struct surface *s, int64_t begin, int64_t count, const float *from, const int64_t stride[2])
{
	const struct mil_type *t = &s->type;
	int whole = s->dev->ops->written != NULL;
	struct put p = {surface_window(s, 0, t->dim[1], whole ? SURFACE_READ : SURFACE_RW) + begin, from, t->dim[1], t->dim[3], count, stride};
	pool_run(s->dev->pool, (int)((p.channels + PUT_BLOCK - 1) / PUT_BLOCK), put_task, &p);
	surface_release(s);
	if (whole)
		s->dev->ops->written(s, begin, count);
}

/* --- bindings --- */

static int same_shape(const struct mil_type *a, const struct mil_type *b)
{
	if (a->rank != b->rank)
		return 0;
	for (int i = 0; i < a->rank; i++)
		if (a->dim[i] != b->dim[i])
			return 0;
	return 1;
}

static int find(const char *const *names, int n, const char *name)
{
	for (int i = 0; i < n; i++)
		if (!strcmp(names[i], name))
			return i;
	return -1;
}

static int pick(const struct kernel *k, const struct kernel_io *io, int nio, const char *what, const char *const *names,
		struct surface *const *surfaces, int n, struct surface **out, struct err *e)
{
	for (int i = 0; i < nio; i++) {
		char a[96], b[96];
		int at = find(names, n, io[i].name);
		if (io[i].nparts && at >= 0)
			return err_set(e, ERR_DEVICE, "bind: %s: is made of parts and has no surface", io[i].name);
		if (io[i].nparts)
			continue;
		if (at < 0 || !surfaces[at])
			return err_set(e, ERR_DEVICE, "bind: %s: no surface given for this %s (%s)", io[i].name, what,
				       mil_type_text(a, &io[i].type));
		struct surface *s = surfaces[at];
		if (s->dev != k->dev)
			return err_set(e, ERR_DEVICE, "bind: %s: the surface belongs to another device", io[i].name);
		if (!same_shape(&s->type, &io[i].type))
			return err_set(e, ERR_DEVICE, "bind: %s: the surface is %s, the program's %s is %s", io[i].name,
				       mil_type_text(a, &s->type), what, mil_type_text(b, &io[i].type));
		out[i] = s;
	}
	return 0;
}

static int no_strangers(const struct kernel *k, const char *const *names, int n, struct err *e)
{
	for (int i = 0; i < n; i++) {
		int known = 0;
		for (int j = 0; j < k->nin; j++)
			known |= !strcmp(k->in[j].name, names[i]);
		for (int j = 0; j < k->nout; j++)
			known |= !strcmp(k->out[j].name, names[i]);
		if (!known)
			return err_set(e, ERR_DEVICE, "bind: %s: the program has no input or output of this name", names[i]);
		if (find(names, i, names[i]) >= 0)
			return err_set(e, ERR_DEVICE, "bind: %s: given twice", names[i]);
	}
	return 0;
}

struct binding *device_bind(struct kernel *k, const char *const *names, struct surface *const *surfaces, int n, struct err *e)
{
	return device_bind_parts(k, names, surfaces, n, NULL, e);
}

struct binding *device_bind_parts(struct kernel *k, const char *const *names, struct surface *const *surfaces, int n,
				  const float *const *part, struct err *e)
{
	struct surface **s = mem_zalloc((size_t)(k->nin + k->nout) + 1, sizeof *s);
	struct binding *b = NULL;
	if (!s)
		err_nomem(e, "bind", sizeof *s * (size_t)(k->nin + k->nout));
	else if (k->npart && !part)
		err_set(e, ERR_DEVICE, "bind: the kernel's inputs are made of %d parts, no memory was given", k->npart);
	else if (!no_strangers(k, names, n, e) && !pick(k, k->in, k->nin, "input", names, surfaces, n, s, e) &&
		 !pick(k, k->out, k->nout, "output", names, surfaces, n, s + k->nin, e))
		b = k->npart ? k->dev->ops->bind_parts(k, s, s + k->nin, part, e) : k->dev->ops->bind(k, s, s + k->nin, e);
	if (b) {
		b->kernel = k;
		b->perf = (struct binding_perf){.flops = k->flops, .bytes = k->bytes, .model_ns = k->model_ns};
	}
	free(s);
	return b;
}

void binding_free(struct binding *b)
{
	if (b)
		b->kernel->dev->ops->binding_free(b);
}

int binding_run(struct binding *b, struct err *e)
{
	uint64_t begin = clock_ns();
	int r = b->kernel->dev->ops->run(b, e);
	b->perf.ns += clock_ns() - begin;
	b->perf.calls++;
	return r;
}

const struct binding_perf *binding_perf(const struct binding *b)
{
	return &b->perf;
}
