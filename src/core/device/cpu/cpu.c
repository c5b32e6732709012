/* cpu.c: the cpu device's row in the table: kernels are plans, surfaces are fp32 memory, a binding is a table of addresses.
 * SPDX-License-Identifier: MIT */
#include "device/cpu/cpu.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "device/cpu/plan.h"
#include "device/gemm.h"
#include "device/sim/chip.h"

struct cpu_kernel {
	struct kernel base;
	struct plan *plan;    /* shared by kernels of the same text */
	float **mem;          /* of each buffer of the plan that is a constant or weight */
};

struct cpu_binding {
	struct binding base;
	float **at;           /* of each buffer of the plan */
};

void cpu_init(struct cpu *c, const struct device_ops *ops, const struct numerics *numerics, struct pool *pool)
{
	blas_open();
	c->simd = simd_best();
	c->numerics = *numerics;
	c->base.ops = ops;
	c->base.pool = pool;
}

void cpu_done(struct cpu *c)
{
	pages_return(&c->memory, c->arena);
	pages_return(&c->memory, c->lanes);
	pages_pool_done(&c->memory);
}

static struct device *cpu_open(const char *args, struct pool *pool, struct err *e)
{
	const struct chip *chip = NULL;
	if (*args && strncmp(args, "chip=", 5)) {
		err_set(e, ERR_USAGE, "device: cpu: %.40s: no such option (chip=NAME: whose time to tell beside ours)", args);
		return NULL;
	}
	if (*args && !(chip = chip_find(args + 5, e))) {
		err_prefix(e, "device: cpu");
		return NULL;
	}
	struct cpu *c = mem_zalloc(1, sizeof *c);
	if (!c) {
		err_nomem(e, "device: cpu", sizeof *c);
		return NULL;
	}
	cpu_init(c, &device_cpu, &(struct numerics){0}, pool);
	const struct blas_info *b = blas_open();
	c->base.caps = (struct device_caps){.name = "cpu", .weights_live = 1, .host_memory = 1, .batch = 1, .compiles_left = -1,
					      .chip = chip ? chip->name : NULL};
	int threads = pool_threads(pool);
	snprintf(c->base.caps.about, sizeof c->base.caps.about, "fp32, %s (%s kernels), %s, %d thread%s", b->library, b->kernels,
		 c->simd->name, threads, threads == 1 ? "" : "s");
	return &c->base;
}

static void cpu_close(struct device *d)
{
	cpu_done((struct cpu *)d);
	free(d);
}

void cpu_poison(struct device *d, int on)
{
	((struct cpu *)d)->poison = on;
}

/* --- kernels --- */

static int reserve(struct pages_pool *pool, float **mem, size_t *have, size_t want, size_t times, struct err *e)
{
	size_t n;
	if (want <= *have)
		return 0;
	if (mem_mul(&n, want, times) || n > SIZE_MAX / 8)
		return err_nomem(e, "cpu: scratch", (unsigned long long)want);
	int r = mem_check("cpu: the program's intermediate values", n * sizeof **mem, e);
	if (r)
		return r;
	float *m = pages_cut(pool, n, sizeof *m);
	if (!m)
		return err_nomem(e, "cpu: scratch", (unsigned long long)n * sizeof *m);
	pages_return(pool, *mem);
	*mem = m;
	*have = want;
	return 0;
}

static struct run_env environment(struct cpu *c, float *const *at, struct err *e)
{
	return (struct run_env){c->base.pool, at, c->lanes, c->lane_floats, e};
}

/* Folds constants: their steps run once, now. */
static int fold(struct cpu *c, struct cpu_kernel *k, struct err *e)
{
	const struct plan *p = k->plan;
	struct run_env env = environment(c, k->mem, e);
	int r = 0;
	for (int i = 0; i < p->nonce && !r; i++)
		r = step_run(&p->once[i], &env);
	return r;
}

static int is_own(const struct buf *b)
{
	return b->kind == BUF_CONST && !b->shared;
}

/* What is made of weights goes over to the kernel that it was planned for. */
static int take_constants(struct cpu_kernel *k, struct err *e)
{
	struct plan *p = k->plan;
	if (!(k->mem = mem_zalloc((size_t)MAX(p->nbuf, 1), sizeof *k->mem)))
		return err_nomem(e, "cpu: kernel", sizeof *k->mem * (size_t)p->nbuf);
	for (int i = 0; i < p->nbuf; i++) {
		k->mem[i] = p->buf[i].mem;
		if (is_own(&p->buf[i]))
			p->buf[i].mem = NULL;
	}
	return 0;
}

/* Fresh memory for it, for one more kernel of the plan. */
static int make_constants(struct cpu *c, struct cpu_kernel *k, struct err *e)
{
	const struct plan *p = k->plan;
	uint64_t all = 0;
	for (int i = 0; i < p->nbuf; i++)
		all += is_own(&p->buf[i]) ? (uint64_t)p->buf[i].count * sizeof(float) : 0;
	int r = mem_check("cpu: constants of the program", all, e);
	if (r)
		return r;
	if (!(k->mem = mem_zalloc((size_t)MAX(p->nbuf, 1), sizeof *k->mem)))
		return err_nomem(e, "cpu: kernel", sizeof *k->mem * (size_t)p->nbuf);
	for (int i = 0; i < p->nbuf; i++) {
		const struct buf *b = &p->buf[i];
		k->mem[i] = is_own(b) ? pages_cut(&c->memory, (size_t)MAX(b->count, 1), sizeof **k->mem) : b->mem;
		if (is_own(b) && !k->mem[i])
			return err_nomem(e, "cpu: constants of the program", all);
	}
	return 0;
}

static void kernel_done(struct cpu_kernel *k, struct cpu *c)
{
	struct plan *p = k->plan;
	for (int i = 0; k->mem && i < p->nbuf; i++)
		if (is_own(&p->buf[i]))
			pages_return(&c->memory, k->mem[i]);
	free(k->mem);
	if (!--p->users) {
		plan_done(p);
		free(p);
	}
	free(k);
}

static int plan_make(struct cpu *c, struct plan *p, const struct mil_graph *g, const struct dev_weight *w, int nw, struct err *e)
{
	int r;
	if ((r = plan_lower(p, g, w, nw)) || (r = plan_prune(p)) || (r = plan_attention(p)) || (r = plan_place(p)) || (r = plan_fuse(p)) ||
	    (r = plan_emit(p)) || (r = plan_memory(p)))
		return r;
	plan_settle(p);
	if ((r = reserve(&c->memory, &c->arena, &c->arena_floats, p->scratch, 1, e)))
		return r;
	size_t lane = (p->lane + 15) / 16 * 16;
	return reserve(&c->memory, &c->lanes, &c->lane_floats, lane, (size_t)pool_threads(c->base.pool), e);
}

/* A kernel without constants yet, of plan p or, when it is NULL, of an empty one. */
static struct cpu_kernel *kernel_new(struct cpu *c, struct plan *p, struct err *e)
{
	struct cpu_kernel *k = mem_zalloc(1, sizeof *k);
	if (!k || !(k->plan = p ? p : mem_zalloc(1, sizeof *p))) {
		free(k);
		err_nomem(e, "cpu: kernel", sizeof *k + sizeof *p);
		return NULL;
	}
	k->plan->users++;
	if (!p) {
		k->plan->memory = &c->memory;
		k->plan->simd = c->simd;
		k->plan->numerics = c->numerics;
		k->plan->pool = c->base.pool;
	}
	return k;
}

static struct kernel *cpu_compile_parts(struct device *d, struct mil_graph *g, const struct dev_weight *w, int nw,
					const struct dev_part *part, int npart, struct err *e)
{
	struct cpu *c = (struct cpu *)d;
	struct cpu_kernel *k = kernel_new(c, NULL, e);
	struct err own = {0};
	if (!k)
		return NULL;
	k->plan->err = e ? e : &own;
	k->plan->part = part;
	k->plan->npart = npart;
	int r = plan_make(c, k->plan, g, w, nw, k->plan->err);
	k->plan->err = NULL;
	k->plan->part = NULL;
	if (!r && !take_constants(k, e) && !fold(c, k, e))
		return &k->base;
	kernel_done(k, c);
	return NULL;
}

struct kernel *cpu_compile(struct device *d, struct mil_graph *g, const struct dev_weight *w, int nw, struct err *e)
{
	return cpu_compile_parts(d, g, w, nw, NULL, 0, e);
}

int cpu_alike(const struct kernel *like, const struct dev_weight *w, int nw)
{
	return plan_weights_alike(((const struct cpu_kernel *)like)->plan, w, nw);
}

/* Where weights are frozen only: of live ones the plan knows the addresses. */
struct kernel *cpu_again(struct kernel *like, const struct dev_weight *w, int nw, struct err *e)
{
	struct cpu *c = (struct cpu *)like->dev;
	struct cpu_kernel *k = kernel_new(c, ((struct cpu_kernel *)like)->plan, e);
	if (!k)
		return NULL;
	if (!make_constants(c, k, e) && !plan_refreeze(k->plan, k->mem, w, nw, e) && !fold(c, k, e))
		return &k->base;
	kernel_done(k, c);
	return NULL;
}

void cpu_kernel_free(struct kernel *k)
{
	kernel_done((struct cpu_kernel *)k, (struct cpu *)k->dev);
}

int cpu_refreeze(struct kernel *k, const struct dev_weight *w, int nw, struct err *e)
{
	struct cpu_kernel *ck = (struct cpu_kernel *)k;
	int r = plan_refreeze(ck->plan, ck->mem, w, nw, e);
	return r ? r : fold((struct cpu *)k->dev, ck, e);
}

void cpu_plan(const struct kernel *k, struct kernel_plan_info *out)
{
	const struct plan *p = ((const struct cpu_kernel *)k)->plan;
	out->nop = p->nop;
	out->nstep = p->nstep;
	out->ncopy = p->ncopy;
	out->scratch = p->scratch * sizeof(float);
}

/* --- surfaces --- */

struct surface *cpu_surface(struct device *d, const struct mil_type *t, float *mem, struct err *e)
{
	struct cpu_surface *s;
	size_t n = (size_t)mil_count(t);
	if (!mem && mem_check("cpu: surface", (uint64_t)n * sizeof(float), e))
		return NULL;
	s = mem_zalloc(1, sizeof *s);
	if (s && !mem)
		s->own = pages_cut(&((struct cpu *)d)->memory, MAX(n, 1), sizeof(float));
	if (!s || (!mem && !s->own)) {
		free(s);
		err_nomem(e, "cpu: surface", (unsigned long long)n * sizeof(float));
		return NULL;
	}
	s->base.dev = d;
	s->base.type = *t;
	s->mem = mem ? mem : s->own;
	return &s->base;
}

void cpu_surface_free(struct surface *s)
{
	struct cpu_surface *cs = (struct cpu_surface *)s;
	pages_return(&((struct cpu *)s->dev)->memory, cs->own);
	free(cs->copy);
	free(cs);
}

static int64_t plane(const struct mil_type *t)
{
	int64_t n = 1;
	for (int i = 2; i < t->rank; i++)
		n *= t->dim[i];
	return n;
}

/* Channels of several images do not lie together: they go through a copy. */
static void exchange(struct cpu_surface *s, int store)
{
	const struct mil_type *t = &s->base.type;
	int64_t inner = plane(t);
	size_t bytes = (size_t)(s->n * inner) * sizeof(float);
	for (int64_t b = 0; b < t->dim[0]; b++) {
		float *mem = s->mem + (b * t->dim[1] + s->c0) * inner, *copy = s->copy + b * s->n * inner;
		memcpy(store ? mem : copy, store ? copy : mem, bytes);
	}
}

float *cpu_window(struct surface *s, int64_t c0, int64_t n, enum surface_access how)
{
	struct cpu_surface *cs = (struct cpu_surface *)s;
	const struct mil_type *t = &s->type;
	if (t->rank >= 2 && (c0 < 0 || n < 0 || n > t->dim[1] - c0))
		return NULL;
	cs->c0 = c0;
	cs->n = n;
	cs->how = how;
	if (t->rank < 2)
		return cs->mem;
	if (t->dim[0] == 1 || n == t->dim[1])
		return cs->mem + c0 * plane(t);
	if (!(cs->copy = mem_aligned((size_t)MAX(t->dim[0] * n * plane(t), 1), sizeof(float))))
		return NULL;
	exchange(cs, 0);
	return cs->copy;
}

void cpu_release(struct surface *s)
{
	struct cpu_surface *cs = (struct cpu_surface *)s;
	if (cs->copy && (cs->how & SURFACE_WRITE))
		exchange(cs, 1);
	free(cs->copy);
	cs->copy = NULL;
}

/* --- bindings --- */

static int overlap(const struct surface *a, const float *y, int64_t n)
{
	const float *x = ((const struct cpu_surface *)a)->mem;
	return x < y + n && y < x + mil_count(&a->type);
}

static int overlaps(const struct surface *a, const struct surface *b)
{
	return overlap(a, ((const struct cpu_surface *)b)->mem, mil_count(&b->type));
}

/* Outputs are written while inputs are still read. */
static int check_overlap(const struct kernel *k, struct surface *const *in, struct surface *const *out, struct err *e)
{
	for (int o = 0; o < k->nout; o++) {
		for (int i = 0; i < k->nin; i++)
			if (in[i] && overlaps(in[i], out[o]))
				return err_set(e, ERR_DEVICE, "bind: %s: shares memory with input %s", k->out[o].name, k->in[i].name);
		for (int i = 0; i < o; i++)
			if (overlaps(out[i], out[o]))
				return err_set(e, ERR_DEVICE, "bind: %s: shares memory with output %s", k->out[o].name, k->out[i].name);
	}
	return 0;
}

static int check_parts(const struct kernel *k, const struct plan *p, struct surface *const *out, const float *const *part, struct err *e)
{
	for (int i = 0; i < p->nbuf; i++)
		for (int o = 0; p->buf[i].kind == BUF_PART && o < k->nout; o++)
			if (overlap(out[o], part[p->buf[i].index], p->buf[i].reach))
				return err_set(e, ERR_DEVICE, "bind: %s: shares memory with part %d of the inputs", k->out[o].name, p->buf[i].index);
	return 0;
}

static float *address(const struct cpu_kernel *k, int i, struct surface *const *in, struct surface *const *out, const float *const *part)
{
	const struct buf *f = &k->plan->buf[i];
	switch (f->kind) {
	case BUF_INPUT: return ((struct cpu_surface *)in[f->index])->mem;
	case BUF_OUTPUT: return ((struct cpu_surface *)out[f->index])->mem;
	case BUF_PART: return (float *)(uintptr_t)part[f->index]; /* only ever read */
	default: return k->mem[i];
	}
}

static struct binding *cpu_bind_parts(struct kernel *k, struct surface *const *in, struct surface *const *out,
				      const float *const *part, struct err *e)
{
	const struct cpu_kernel *ck = (struct cpu_kernel *)k;
	const struct plan *p = ck->plan;
	if (check_overlap(k, in, out, e) || check_parts(k, p, out, part, e))
		return NULL;
	struct cpu_binding *b = mem_zalloc(1, sizeof *b);
	if (!b || !(b->at = mem_zalloc((size_t)MAX(p->nbuf, 1), sizeof *b->at))) {
		free(b);
		err_nomem(e, "bind", sizeof *b->at * (size_t)p->nbuf);
		return NULL;
	}
	for (int i = 0; i < p->nbuf; i++)
		b->at[i] = address(ck, i, in, out, part);
	return &b->base;
}

struct binding *cpu_bind(struct kernel *k, struct surface *const *in, struct surface *const *out, struct err *e)
{
	return cpu_bind_parts(k, in, out, NULL, e);
}

void cpu_binding_free(struct binding *b)
{
	free(((struct cpu_binding *)b)->at);
	free(b);
}

static void poison(struct cpu *c)
{
	for (size_t i = 0; i < c->arena_floats; i++)
		c->arena[i] = NAN;
	for (size_t i = 0; i < c->lane_floats * (size_t)pool_threads(c->base.pool); i++)
		c->lanes[i] = NAN;
}

int cpu_run(struct binding *b, struct err *e)
{
	struct cpu_binding *cb = (struct cpu_binding *)b;
	const struct plan *p = ((struct cpu_kernel *)b->kernel)->plan;
	struct cpu *c = (struct cpu *)b->kernel->dev;
	if (c->poison)
		poison(c);
	/* The arena may have moved since the binding was made. */
	for (int i = 0; i < p->nbuf; i++)
		if (p->buf[i].kind == BUF_SCRATCH)
			cb->at[i] = c->arena + p->buf[i].offset;
	struct run_env env = environment(c, cb->at, e);
	int r = 0;
	for (int i = 0; i < p->nstep && !r; i++)
		r = step_run(&p->step[i], &env);
	return r;
}

const struct device_ops device_cpu = {
	.name = "cpu",
	.open = cpu_open,
	.close = cpu_close,
	.compile = cpu_compile,
	.kernel_free = cpu_kernel_free,
	.plan = cpu_plan,
	.surface = cpu_surface,
	.surface_free = cpu_surface_free,
	.window = cpu_window,
	.release = cpu_release,
	.bind = cpu_bind,
	.compile_parts = cpu_compile_parts,
	.bind_parts = cpu_bind_parts,
	.binding_free = cpu_binding_free,
	.run = cpu_run,
};
