/* sim.c: the simulator's row in the device table: opening, freezing, the compile budget, faults on demand. The numbers are the cpu executor's.
 *
 * Everything runs on the caller's pool. The hardware leaves the processor free while a program runs; here that processor is what
 * runs it, so caps.overlaps is 0: a second thread for weight gradients would only take turns with the pool.
 * SPDX-License-Identifier: MIT */
#include "device/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "device/blas.h"
#include "device/gemm.h"
#include "device/sim/chip.h"

/* The hardware counts compiles by process, whatever is freed: so does this. A new budget begins a new count. */
static int compiles;

static void count_compiles(struct sim *s)
{
	struct device_caps *caps = &s->cpu.base.caps;
	caps->compiles_used = compiles;
	caps->compiles_left = MAX(0, s->opt.budget - compiles);
}

/* --- opening --- */

/* Measured by others on hardware: everything is binary16 after every op; products add up in fp32 and leave through a port that takes less than
 * 32768; NaN comes in as infinity and is never made. How sums are added up is contested: wide, unless sums=narrow. */
static struct numerics numerics_of(const struct sim_options *o)
{
	unsigned quirks = o->quirks ? o->chip->flags : 0, made = HALF_ROUND | (o->quirks ? HALF_NAN_ZERO : 0);
	unsigned flush = quirks & CHIP_MAC_FLUSH ? HALF_FLUSH : 0;
	return (struct numerics){
		.frozen = 1,
		.outside = HALF_ROUND | (o->quirks ? HALF_NAN_INF : 0),
		.op = made,
		.log = made | (o->quirks ? HALF_LN : 0),
		.product = made | HALF_MAC | flush,
		.factor = flush ? HALF_ROUND | flush : 0,
		.slice = quirks & CHIP_SLICE_GAIN ? HALF_ROUND | HALF_GAIN : 0,
		.sum = o->narrow_sums ? made : 0,
	};
}

static void describe(struct sim *s)
{
	const struct blas_info *b = blas_open();
	struct device_caps *caps = &s->cpu.base.caps;
	int threads = pool_threads(s->cpu.base.pool);
	*caps = (struct device_caps){.name = "sim", .batch = 1, .fp16 = 1, .chip = s->opt.chip->name,
				     .max_channels = CHIP_CHANNELS, .max_width = (int)s->opt.chip->side, .max_conv_in = CHIP_CONV_IN};
	snprintf(caps->about, sizeof caps->about, "%s simulated, fp16, weights frozen; on %s (%s kernels), %s, %d thread%s", s->opt.chip->name,
		 b->library, b->kernels, s->cpu.simd->name, threads, threads == 1 ? "" : "s");
	count_compiles(s);
}

static struct device *sim_open(const char *args, struct pool *pool, struct err *e)
{
	struct sim *s = mem_zalloc(1, sizeof *s);
	if (!s) {
		err_nomem(e, "device: sim", sizeof *s);
		return NULL;
	}
	if (sim_options_parse(&s->opt, args, e)) {
		free(s);
		return NULL;
	}
	if (s->opt.budget < 0)
		s->opt.budget = SIM_BUDGET;
	else
		compiles = 0;
	struct numerics n = numerics_of(&s->opt);
	cpu_init(&s->cpu, &device_sim, &n, pool);
	describe(s);
	return &s->cpu.base;
}

static void sim_close(struct device *d)
{
	cpu_done((struct cpu *)d);
	free(d);
}

/* --- stages --- */

/* The fault that was asked for, in the words of the system where they are known. */
static int stage(struct sim *s, enum sim_stage which, struct err *e)
{
	static const char *const text[SIM_STAGES] = {
		"compile: _ANECompiler : ANECCompile() FAILED", "load: loadWithQoS: failed", "bind: requestWithInputs: gave no request",
		"run: ANEProgramProcessRequestDirect() Failed with status=0x1d : Program Inference error",
	};
	static const char *const word[SIM_STAGES] = {"compile", "load", "bind", "run"};
	if (++s->calls[which] != s->opt.fail[which])
		return 0;
	return err_set(e, ERR_DEVICE, "sim: %s (asked for by fail=%s:%d)", text[which], word[which], s->opt.fail[which]);
}

static int may_compile(struct sim *s, struct err *e)
{
	if (compiles >= s->opt.budget)
		return err_set(e, ERR_BUDGET, "sim: compile: _ANECompiler : ANECCompile() FAILED: all %d compiles of this process are used (a new "
			       "process has new ones; pipeline dynamic compiles once)", s->opt.budget);
	compiles++;
	count_compiles(s);
	int r = stage(s, SIM_COMPILE, e);
	return r ? r : stage(s, SIM_LOAD, e);
}

static void tell(void *arg, const char *line)
{
	device_say(arg, "%s", line);
}

static struct rules_options rules_of(struct sim *s)
{
	return (struct rules_options){.chip = s->opt.chip, .strict = s->opt.strict, .pad = s->opt.pad, .quirks = s->opt.quirks, .note = tell,
				      .note_arg = s, .told = &s->told};
}

static int sim_inspect(struct device *d, const char *text, size_t n, struct err *e)
{
	struct rules_options o = rules_of((struct sim *)d);
	return rules_text(&o, text, n, e);
}

/* What the rules refuse is no compile: the hardware's count goes on when a program has been loaded. */
static struct kernel *sim_compile(struct device *d, struct mil_graph *g, const struct dev_weight *w, int nw, struct err *e)
{
	struct sim *s = (struct sim *)d;
	struct rules_options o = rules_of(s);
	if (rules_check(&o, g, e) || rules_loaded(&o, s->loaded + 1, e) || may_compile(s, e))
		return NULL;
	rules_apply(&o, g);
	struct kernel *k = cpu_compile(d, g, w, nw, e);
	s->loaded += k != NULL;
	return k;
}

/* The text has passed the rules. */
static struct kernel *sim_again(struct kernel *like, const struct dev_weight *w, int nw, struct err *e)
{
	struct sim *s = (struct sim *)like->dev;
	struct rules_options o = rules_of(s);
	if (rules_loaded(&o, s->loaded + 1, e) || may_compile(s, e))
		return NULL;
	struct kernel *k = cpu_again(like, w, nw, e);
	s->loaded += k != NULL;
	return k;
}

static void sim_kernel_free(struct kernel *k)
{
	((struct sim *)k->dev)->loaded--;
	cpu_kernel_free(k);
}

static int sim_refreeze(struct kernel *k, const struct dev_weight *w, int nw, struct err *e)
{
	int r = may_compile((struct sim *)k->dev, e);
	return r ? r : cpu_refreeze(k, w, nw, e);
}

static struct binding *sim_bind(struct kernel *k, struct surface *const *in, struct surface *const *out, struct err *e)
{
	struct sim *s = (struct sim *)k->dev;
	struct rules_options o = rules_of(s);
	return rules_bind(&o, k->in, k->nin, k->out, k->nout, e) || stage(s, SIM_BIND, e) ? NULL : cpu_bind(k, in, out, e);
}

static int sim_run(struct binding *b, struct err *e)
{
	int r = stage((struct sim *)b->kernel->dev, SIM_RUN, e);
	return r ? r : cpu_run(b, e);
}

/* --- surfaces --- */

struct rounding {
	const struct simd *simd;
	unsigned how;
	float *mem;
	int64_t n;
};

enum { PART = 65536 };

static void round_task(void *arg, int task, int thread)
{
	const struct rounding *r = arg;
	int64_t at = (int64_t)task * PART;
	(void)thread;
	r->simd->half(r->mem + at, r->mem + at, MIN(PART, r->n - at), r->how);
}

/* What the host wrote becomes what fp16 holds of it. */
static void sim_release(struct surface *s)
{
	struct cpu_surface *cs = (struct cpu_surface *)s;
	const struct cpu *c = (const struct cpu *)s->dev;
	int64_t n = mil_count(&s->type), per = s->type.rank < 2 ? 1 : n / MAX(s->type.dim[1], 1);
	if ((cs->how & SURFACE_WRITE) && (s->type.dtype == MIL_FP16 || s->type.dtype == MIL_FP32)) {
		int64_t inner = s->type.rank < 2 ? 0 : per / MAX(s->type.dim[0], 1);
		struct rounding r = {c->simd, c->numerics.outside, cs->copy ? cs->copy : cs->mem + cs->c0 * inner,
				     s->type.rank < 2 ? n : cs->n * per};
		pool_run(r.n > PART ? c->base.pool : NULL, (int)((r.n + PART - 1) / PART), round_task, &r);
	}
	cpu_release(s);
}

struct column_rounding {
	const struct cpu *c;
	float *mem;
	int64_t row, count;
};

static void round_row(void *arg, int task, int thread)
{
	const struct column_rounding *r = arg;
	float *at = r->mem + task * r->row;
	(void)thread;
	r->c->simd->half(at, at, r->count, r->c->numerics.outside);
}

static void sim_written(struct surface *s, int64_t begin, int64_t count)
{
	const struct mil_type *t = &s->type;
	struct column_rounding r = {(const struct cpu *)s->dev, ((struct cpu_surface *)s)->mem + begin, t->dim[3], count};
	pool_run(count * t->dim[1] > PART ? r.c->base.pool : NULL, (int)t->dim[1], round_row, &r);
}

const struct device_ops device_sim = {
	.name = "sim",
	.open = sim_open,
	.close = sim_close,
	.inspect = sim_inspect,
	.compile = sim_compile,
	.alike = cpu_alike,
	.again = sim_again,
	.kernel_free = sim_kernel_free,
	.refreeze = sim_refreeze,
	.plan = cpu_plan,
	.surface = cpu_surface,
	.surface_free = cpu_surface_free,
	.window = cpu_window,
	.release = sim_release,
	.written = sim_written,
	.bind = sim_bind,
	.binding_free = cpu_binding_free,
	.run = sim_run,
};
