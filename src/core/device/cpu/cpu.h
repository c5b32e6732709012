/* cpu.h: the executor of planned programs: the cpu device, and what the simulator is built on. Programs use device.h.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_DEVICE_CPU_CPU_H
#define ANETUI_DEVICE_CPU_CPU_H

#include "base/pages.h"
#include "device/cpu/numerics.h"
#include "device/device.h"

/* One arena for the scratch memory of all kernels, since one binding runs at a time; grown when a kernel is compiled. memory: all that is large. */
struct cpu {
	struct device base;
	const struct simd *simd;
	struct numerics numerics;
	struct pages_pool memory;
	float *arena, *lanes;
	size_t arena_floats, lane_floats;
	int poison;
};

/* fp32 memory; window: channels [c0, c0 + n) that the host holds. */
struct cpu_surface {
	struct surface base;
	float *mem, *own;     /* own: to be freed */
	float *copy;          /* for windows that are not contiguous; NULL else */
	int64_t c0, n;
	enum surface_access how;
};

/* ops, pool, executor and numbers of a device that begins with a struct cpu; the caps are the caller's to fill in. */
void cpu_init(struct cpu *c, const struct device_ops *ops, const struct numerics *numerics, struct pool *pool);
void cpu_done(struct cpu *c);

/* The rows of struct device_ops. */
struct kernel *cpu_compile(struct device *d, struct mil_graph *g, const struct dev_weight *w, int nw, struct err *e);
int cpu_alike(const struct kernel *like, const struct dev_weight *w, int nw);
struct kernel *cpu_again(struct kernel *like, const struct dev_weight *w, int nw, struct err *e);
void cpu_kernel_free(struct kernel *k);
int cpu_refreeze(struct kernel *k, const struct dev_weight *w, int nw, struct err *e);
void cpu_plan(const struct kernel *k, struct kernel_plan_info *out);
struct surface *cpu_surface(struct device *d, const struct mil_type *t, float *mem, struct err *e);
void cpu_surface_free(struct surface *s);
float *cpu_window(struct surface *s, int64_t c0, int64_t n, enum surface_access how);
void cpu_release(struct surface *s);
struct binding *cpu_bind(struct kernel *k, struct surface *const *in, struct surface *const *out, struct err *e);
void cpu_binding_free(struct binding *b);
int cpu_run(struct binding *b, struct err *e);

/* From now on scratch memory is filled with NaN before each run: who reads what was not written shows it. */
void cpu_poison(struct device *d, int on);

#endif
