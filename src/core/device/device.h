/* device.h: the one table of functions behind which programs run: device, kernel, surface, binding. Not a scheduler.
 *
 * A device is opened once; a kernel is a compiled program; a surface is memory for one tensor; a binding is a kernel with a
 * surface for each of its inputs and outputs, by name. Compile once, bind once a layer, run every micro-step.
 * The host sees fp32 windows of channels; how a surface is kept is the device's business.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_DEVICE_DEVICE_H
#define ANETUI_DEVICE_DEVICE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/pool.h"
#include "base/str.h"
#include "mil/mil.h"

struct device;
struct kernel;
struct surface;
struct binding;

/* What a device can do. Asked, never assumed. */
struct device_caps {
	const char *name;       /* "cpu" */
	char about[160];        /* one line for `device`: BLAS, kernels, threads ... */
	int weights_live;       /* 1: a changed weight counts at the next run; 0: frozen when the kernel is compiled */
	int host_memory;        /* 1: surfaces over the trainer's memory, windows are pointers, nothing is copied */
	int batch;              /* 1: B > 1 in the last axis is allowed */
	int overlaps;           /* 1: the processor is free while a binding runs (weight gradients overlap) */
	int compiles_left;      /* -1: no limit. Kept up to date: a refreeze counts as a compile */
	int compiles_used;
	int fp16;               /* 1: every tensor that comes back is fp16, and |x| >= 32752 in one of them means overflow */
	size_t min_surface;     /* bytes; 0: none */
	int max_channels;       /* of a surface; 0: none */
	int max_width;          /* of its last axis; 0: none */
	int max_conv_in;        /* input channels of a convolution; 0: none */
	const char *chip;       /* "m4": whose time binding_perf.model_ns tells; NULL: none */
};

/* A weight by the name that the program text gives it. Shape and strides are in elements; on `cpu` a transposed weight is the
 * same memory seen with other strides. Live weights must stay where they are as long as the kernel lives. */
struct dev_weight {
	const char *path;       /* "@model_path/weights/wq.bin" */
	enum mil_dtype dtype;   /* MIL_FP32 from the trainer; also MIL_FP16, MIL_INT8 from files */
	int rank;
	int64_t dim[MIL_MAX_RANK], stride[MIL_MAX_RANK];
	const void *data;
	uint64_t offset;        /* of the record in a file that holds several; 0: the path names one tensor */
};

/* Columns [begin, begin + count) of a [1, C, 1, S] input that lie in memory of the caller's own, where caps.host_memory: element
 * (c, begin + k) stands stride[0] * c + stride[1] * k floats from where device_bind_parts says. Parts cover their input from left
 * to right without holes; it has no surface then. A slice within a part is a view of that memory; one across parts is copied. */
struct dev_part {
	const char *input;
	int64_t begin, count, stride[2];
};

/* Is this the weight that the constant v names? */
int dev_weight_is(const struct dev_weight *w, const struct mil_value *v);

struct kernel_io {
	char name[64];
	struct mil_type type;
	int nparts; /* > 0: an input made of parts */
};

/* What one run cost, added up in the binding since it was bound. */
struct binding_perf {
	uint64_t calls, ns;     /* ns: of all calls, measured around the run itself */
	double flops;           /* of one call, as the program asks for (a masked half that was skipped still counts as asked) */
	double bytes;           /* of one call: inputs, outputs and weights once each */
	double model_ns;        /* of one call on caps.chip, predicted; 0: no prediction */
};

enum surface_access { SURFACE_READ = 1, SURFACE_WRITE = 2, SURFACE_RW = 3 };

/* --- the door --- */
/* spec: "cpu", "sim chip=m4 budget=20 ...". The pool is shared with the caller, who must not be inside pool_run when a binding runs. */
struct device *device_open(const char *spec, struct pool *pool, struct err *e);
void device_close(struct device *d);
const struct device_caps *device_caps(const struct device *d);
/* The next thing that the device has to tell, or NULL; good until the next call of anything of this device. */
const char *device_note(struct device *d);

/* Compiles n bytes of program text. Everything in `w` must be found by name, and its shape fit; the text is not kept. */
struct kernel *device_compile(struct device *d, const char *text, size_t n, const struct dev_weight *w, int nw,
			      struct err *e);
/* The same for a program whose inputs are, some or all, made of parts: ERR_DEVICE without caps.host_memory. */
struct kernel *device_compile_parts(struct device *d, const char *text, size_t n, const struct dev_weight *w, int nw,
				    const struct dev_part *part, int npart, struct err *e);
/* What device_compile does first: does the device refuse the text for words that the parser need not even know? 0, or ERR_DEVICE. */
int device_inspect(struct device *d, const char *text, size_t n, struct err *e);
void kernel_free(struct kernel *k);
/* Where weights are frozen: compiles the kernel again with the weights as they are now (counted as a compile); bindings stay
 * good. Where they are live: nothing to do. `w` as at device_compile. */
int kernel_refreeze(struct kernel *k, const struct dev_weight *w, int nw, struct err *e);
int kernel_inputs(const struct kernel *k, const struct kernel_io **io);  /* count; table owned by the kernel */
int kernel_outputs(const struct kernel *k, const struct kernel_io **io);
/* Words about the plan: ops, fused groups, copies, scratch bytes. For `mil show NAME` and tests. */
struct kernel_plan_info { int nop, nstep, ncopy; size_t scratch; double flops; };
void kernel_plan(const struct kernel *k, struct kernel_plan_info *out);

/* A surface of the device's own, zeroed. */
struct surface *device_surface(struct device *d, const struct mil_type *t, struct err *e);
/* A surface over the caller's fp32 memory (caps.host_memory only): row-major, contiguous. The caller keeps it alive. */
struct surface *device_surface_over(struct device *d, const struct mil_type *t, float *mem, struct err *e);
void surface_free(struct surface *s);
/* Channels [c0, c0 + n) of a [1, C, 1, S] (or any rank >= 2: axis 1) surface as fp32, row-major, contiguous. With WRITE
 * the window must be released for the device to see it. One window at a time a surface. */
float *surface_window(struct surface *s, int64_t c0, int64_t n, enum surface_access how);
void surface_release(struct surface *s);
/* Columns [begin, begin + count) of all channels of a [1, C, 1, S] surface: (c, begin + k) becomes from[stride[0] * c + stride[1] * k]. */
void surface_put(struct surface *s, int64_t begin, int64_t count, const float *from, const int64_t stride[2]);

/* One surface for each input and output, by name; shapes must be equal. */
struct binding *device_bind(struct kernel *k, const char *const *names, struct surface *const *surfaces, int n,
			    struct err *e);
/* part[i]: the memory of the i-th part that the kernel was compiled with; live, and only read. */
struct binding *device_bind_parts(struct kernel *k, const char *const *names, struct surface *const *surfaces, int n,
				  const float *const *part, struct err *e);
void binding_free(struct binding *b);
int binding_run(struct binding *b, struct err *e);
const struct binding_perf *binding_perf(const struct binding *b);

/* --- the table that a device fills in (device/cpu, device/sim, device/ane) --- */
struct device_ops {
	const char *name;
	struct device *(*open)(const char *args, struct pool *pool, struct err *e);
	void (*close)(struct device *d);
	/* Looks at a text before it is parsed; NULL: has nothing to say then. */
	int (*inspect)(struct device *d, const char *text, size_t n, struct err *e);
	/* The graph stays the caller's and is gone after the call. io, flops and bytes are filled in by the caller. */
	struct kernel *(*compile)(struct device *d, struct mil_graph *g, const struct dev_weight *w, int nw, struct err *e);
	/* Where weights are frozen; NULL else. One more kernel of the text that `like` was compiled from, with weights that are alike: those that
	 * differ in nothing but their numbers. It counts as compile does; flops, bytes and tables are filled in by the caller. */
	int (*alike)(const struct kernel *like, const struct dev_weight *w, int nw);
	struct kernel *(*again)(struct kernel *like, const struct dev_weight *w, int nw, struct err *e);
	void (*kernel_free)(struct kernel *k);
	int (*refreeze)(struct kernel *k, const struct dev_weight *w, int nw, struct err *e); /* NULL: weights are live */
	void (*plan)(const struct kernel *k, struct kernel_plan_info *out);
	struct surface *(*surface)(struct device *d, const struct mil_type *t, float *mem, struct err *e);
	void (*surface_free)(struct surface *s);
	float *(*window)(struct surface *s, int64_t c0, int64_t n, enum surface_access how);
	void (*release)(struct surface *s);
	/* A window over all channels is the surface itself, and after columns of it were written this alone is to be done. NULL: such a
	 * window must be asked for and released for reading and writing. */
	void (*written)(struct surface *s, int64_t begin, int64_t count);
	/* in and out in the kernel's order; names and shapes have been compared. */
	struct binding *(*bind)(struct kernel *k, struct surface *const *in, struct surface *const *out, struct err *e);
	/* With caps.host_memory only; NULL else. in[i] is NULL for an input made of parts. */
	struct kernel *(*compile_parts)(struct device *d, struct mil_graph *g, const struct dev_weight *w, int nw,
					const struct dev_part *part, int npart, struct err *e);
	struct binding *(*bind_parts)(struct kernel *k, struct surface *const *in, struct surface *const *out,
				      const float *const *part, struct err *e);
	void (*binding_free)(struct binding *b);
	int (*run)(struct binding *b, struct err *e);
};

/* Devices put these at the head of their own structs. */
struct device {
	const struct device_ops *ops;
	struct device_caps caps;
	struct pool *pool;
	struct str notes;
	size_t told;
	struct kernel *texts;  /* one kernel of each text that is in use, where the device has `again` */
};
struct kernel {
	struct device *dev;
	int nin, nout, npart;
	struct kernel_io *in, *out;
	double flops, bytes, model_ns;
	char *text;            /* of a kernel in dev->texts; NULL: of another */
	size_t ntext;
	struct kernel *next;
};
struct surface { struct device *dev; struct mil_type type; };
struct binding { struct kernel *kernel; struct binding_perf perf; };

extern const struct device_ops device_cpu, device_sim, device_ane;

/* For devices: something that the user should know and that stops nothing. The same text is kept once. */
void device_say(struct device *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The weight that constant `v` names, its shape compared (axes of size 1 may be missing or more); else NULL and a message. */
const struct dev_weight *device_weight(const struct dev_weight *w, int nw, const struct mil_value *v, struct err *e);

#endif
