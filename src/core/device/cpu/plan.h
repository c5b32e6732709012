/* plan.h: a program on its way from the MIL graph to the list of steps that run. For the files of device/cpu only.
 *
 *   graph --lower--> nodes and values --attention, place--> homes --fuse--> clusters --emit--> steps --memory--> offsets
 *
 * A *value* is a tensor; a *node* makes one value from others. A value's *home* is where its reader wants it written: a slice
 * of a concat, an output surface. A *cluster* is a set of nodes that runs as one fused loop. SPDX-License-Identifier: MIT */
#ifndef ANETUI_DEVICE_CPU_PLAN_H
#define ANETUI_DEVICE_CPU_PLAN_H

#include "base/pages.h"
#include "device/cpu/numerics.h"
#include "device/cpu/steps.h"
#include "device/cpu/view.h"
#include "device/device.h"
#include "mil/mil.h"

enum buf_kind {
	BUF_SCRATCH, /* in the device's arena; contents do not outlive a run */
	BUF_INPUT, BUF_OUTPUT,
	BUF_PART,    /* of an input: the caller's memory, known when bound */
	BUF_WEIGHT,  /* the caller's memory, live */
	BUF_CONST,   /* filled when the program is compiled: numbers of its text, the plan's; copies of weights, the kernel's */
};

struct buf {
	enum buf_kind kind;
	int index;          /* of the input, output or part */
	int64_t reach;      /* BUF_PART: floats from its first element to behind its last */
	float *mem;         /* BUF_WEIGHT, BUF_CONST; NULL when each kernel of the plan has its own: weights, and what is folded from them */
	int shared;         /* BUF_CONST: literal numbers, the same for all kernels of the plan */
	int64_t count;
	int first, last;    /* steps that write and read it; -1: none */
	size_t offset;      /* BUF_SCRATCH: floats from the arena's start */
};

/* A weight that the plan holds a copy of. */
struct frozen {
	char *path;             /* owned */
	uint64_t offset;
	struct mil_value value; /* type and line of the constant that names it */
	int buf;
	int64_t stride[MIL_MAX_RANK]; /* of the copy */
};

enum node_kind {
	NODE_VIEW,    /* the same elements seen another way */
	NODE_EW,      /* element by element, operands broadcast */
	NODE_REDUCE,  /* one axis becomes 1; op is REDUCE_SUM or REDUCE_MAX */
	NODE_SOFTMAX, /* along the last axis */
	NODE_GEMM,    /* [.., m, k] x [.., k, n], leading dims broadcast */
	NODE_ATTENTION, /* q, k^T, v, mask, scale?: made of a softmax between two products */
	NODE_SCORES,    /* the way back, in the order of SCORES_P..: made of a softmax, or of its gradient, and the products that read it; two results */
	NODE_CONCAT,
	NODE_GATHER,
	NODE_IM2COL,
};

enum view_how { HOW_RESHAPE, HOW_TRANSPOSE, HOW_SLICE, HOW_BROADCAST };

struct node {
	enum node_kind kind;
	enum ew_op op;
	enum reduce_op reduce;
	enum view_how how;
	int axis;                 /* reduce, concat, gather, slice */
	int nin, *in, out;
	int also;                 /* NODE_SCORES: the second result */
	int slot[3];              /* room for `in` where it is small */
	float p, q;
	int perm[VIEW_RANK];
	int64_t begin, size, step; /* slice */
	int batch_dims;           /* gather */
	struct im2col_shape conv;
	unsigned half;            /* enum half_how: it ends a MIL op, whose result is rounded; 0: it does not */
	unsigned narrow;          /* enum half_how: a sum that is rounded after each addition */
	enum scores_how scores;
	int64_t groups, rows, inner; /* NODE_SCORES: see struct scores_step */
	struct view mask;         /* attention: the mask stretched to the scores */
	int live, cluster, konst;
	int line, col;            /* of the op that it comes from */
};

struct value {
	int rank;
	int64_t dim[VIEW_RANK];
	int node;                 /* -1: input, constant or weight */
	int nuse;                 /* readers among live nodes, outputs counted */
	int konst;                /* known when compiled */
	int has_number;           /* one literal number */
	float number;
	int has_view, has_home;
	int slot;                 /* while its cluster is emitted: operand or register number, or -1 */
	struct view view, home;
};

enum cluster_kind { CLUSTER_NONE, CLUSTER_ONE, CLUSTER_EW, CLUSTER_COLUMN };

struct cluster {
	enum cluster_kind kind;
	int rank;
	int64_t dim[VIEW_RANK];   /* of the elements it walks over */
	int rowop;                /* it reduces along the last axis, or holds numbers per row */
	int axis;                 /* CLUSTER_COLUMN: the reduced axis */
	int size, done;
};

/* Made once for a program; kernels with other weights of the same shapes share it. */
struct plan {
	int users;                /* kernels */
	struct pages_pool *memory; /* of the device: constants */
	const struct simd *simd;
	const struct dev_part *part; /* until plan_lower is through */
	int npart;
	struct numerics numerics;
	struct pool *pool;        /* copies weights */
	int nbuf, nnode, nvalue, ncluster, nstep, nonce, nfrozen;
	size_t cbuf, cnode, cvalue, cstep, conce, cfrozen;
	struct frozen *frozen;
	struct buf *buf;
	struct node *node, spare; /* spare: written to when memory ran out */
	struct value *value;
	struct cluster *cluster;
	struct step *step;        /* every run */
	struct step *once;        /* when compiled: constants */
	int noutput, *output;     /* values */
	int ncopy, nop;
	size_t scratch;           /* floats */
	size_t lane;              /* floats a thread needs for tiles */
	int failed;               /* memory ran out: checked at the end of each stage */
	struct err *err;
};

/* Each returns 0 or a code, the message in p->err. */
int plan_lower(struct plan *p, const struct mil_graph *g, const struct dev_weight *w, int nw);
int plan_prune(struct plan *p);
int plan_attention(struct plan *p);
int plan_place(struct plan *p);
int plan_fuse(struct plan *p);
int plan_emit(struct plan *p);
int plan_memory(struct plan *p);
/* The last stage: nodes, values and clusters have served, steps and buffers stay. Kernels of live weights have a plan for each layer. */
void plan_settle(struct plan *p);
void plan_done(struct plan *p);

int plan_buf(struct plan *p, enum buf_kind kind, int64_t count);
int plan_value(struct plan *p, int rank, const int64_t *dim);
struct node *plan_node(struct plan *p, enum node_kind kind, int nin);
/* Does node `n` read value `v`? */
int plan_reads(const struct node *n, int v);

/* Copies weight w into buffer `buf` and remembers it. NULL when memory is out. */
const struct frozen *plan_freeze(struct plan *p, const struct mil_value *m, const struct dev_weight *w, int buf);
/* Copies all of them to mem[buffer]; nothing has changed when one is missing. What is folded from them is the caller's to fold again. */
int plan_refreeze(const struct plan *p, float *const *mem, const struct dev_weight *w, int nw, struct err *e);
/* Would copies of these weights lie as the plan expects its own? */
int plan_weights_alike(const struct plan *p, const struct dev_weight *w, int nw);
/* The caller's stride for each axis of t; those of size 1, which may be missing there, stay as they are. */
void plan_weight_strides(const struct mil_type *t, const struct dev_weight *w, int64_t *stride);

/* --- the parts of emission --- */
const struct view *plan_view(struct plan *p, int value);
/* Where a node writes its value: its home, or fresh scratch (constants: fresh memory of the plan's own). */
const struct view *plan_target(struct plan *p, int value);
/* The same, fresh memory being laid out in the order of `like` (same dims) instead of row-major. */
const struct view *plan_target_like(struct plan *p, int value, const struct view *like);
struct step *plan_step(struct plan *p, enum step_kind kind, int once);
/* Rows and columns of the last two axes as BLAS wants them; -1 when it can not read them. */
int plan_matrix(const struct view *v, int *turned, int64_t *ld);
/* An operand that BLAS can not read is laid out row-major first. */
void plan_operand(struct plan *p, struct view *v, int konst, int *turned, int64_t *ld);
/* Fresh row-major scratch of v's dims. */
void plan_scratch_like(struct plan *p, struct view *out, const struct view *v, int konst);
void plan_emit_attention(struct plan *p, const struct node *n);
void plan_emit_scores(struct plan *p, const struct node *n);
/* The newest step reads or writes v: keeps its memory alive. */
void plan_touch(struct plan *p, int once, const struct view *v);
/* A step that copies src to dst (equal dims); counted unless `once`. */
void plan_copy(struct plan *p, int once, const struct view *dst, const struct view *src);
int plan_emit_loop(struct plan *p, int cluster);

#endif
