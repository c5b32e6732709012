/* steps.h: what a compiled program is made of when it runs: fused loops, products, and three rare kinds. Knows no MIL.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_DEVICE_CPU_STEPS_H
#define ANETUI_DEVICE_CPU_STEPS_H

#include <stddef.h>

#include "base/err.h"
#include "base/pool.h"
#include "device/cpu/simd.h"
#include "device/cpu/view.h"
#include "device/gemm.h"

enum { EW_LOADS = 44, EW_INS = 48, EW_SLOTS = EW_LOADS + EW_INS };

enum reduce_op { REDUCE_SUM, REDUCE_MAX };

/* What one instruction of a fused loop does. */
enum ew_kind {
	INS_BIN, INS_UN, INS_SELECT,
	INS_ROW_SUM, INS_ROW_MAX, INS_SOFTMAX, /* a whole row at once */
	INS_ACC,                               /* into the column accumulator */
};

/* A slot is a row of a tile, or (scalar) one number for the whole row. Slots [0, nload) are operands in memory. */
struct ew_ins {
	enum ew_kind kind;
	enum ew_op op;
	enum reduce_op reduce;
	int dst, src[3];
	int fill;        /* numbers in, a row out */
	int acc;         /* INS_ACC: which accumulator */
	float p, q;
	unsigned half;   /* enum half_how for the result; 0: as it is */
	unsigned narrow; /* ... after each addition of a sum */
	simd_bin *bin;
	simd_un *un;
};

struct ew_ref {
	int buf;
	int64_t off, stride[VIEW_RANK];
};

/* A fused loop over dim[0..rank). The last axis is the row. A slot of tile -1 has no memory of its own. */
struct ew {
	const struct simd *simd;
	int rank, nload, nins, nstore, nslot;
	int64_t dim[VIEW_RANK];
	int whole_rows;              /* a row must not be cut */
	int64_t chunk;               /* elements of a row that are worked on at once */
	int64_t nchunk, rows, per_task, ntask;
	struct ew_ref load[EW_LOADS];
	struct ew_ins ins[EW_INS];
	struct { int slot; struct ew_ref to; } store[EW_INS];
	int scalar[EW_SLOTS], tile[EW_SLOTS], direct[EW_SLOTS]; /* direct: number of the store that the slot is written to, or -1 */
	int ntile;
	/* Column reduction: axis `axis` of dim is summed over, in nblock fixed blocks. */
	int column, axis, nacc;
	int64_t nblock, block;
	int partial;                 /* scratch buffer: [acc][outer][nblock][row] */
	struct { enum reduce_op op; unsigned half, narrow; struct ew_ref to; } acc[4];
	int fixed_blocks;            /* blocks that do not depend on what else the loop does */
};

/* C[b.., m, n] = alpha A B + beta C. Strides of the batch axes may be 0. */
struct gemm_step {
	int nbatch;
	int64_t batch[VIEW_RANK], abatch[VIEW_RANK], bbatch[VIEW_RANK], cbatch[VIEW_RANK];
	int64_t m, n, k, lda, ldb, ldc, aoff, boff, coff;
	int a, b, c, ta, tb;
	float beta;
	unsigned half; /* enum half_how for C */
};

/* Products that do not need each other's results. */
struct gemm_group {
	int n;
	struct gemm_step *step;
	int ncall;
	struct gemm_call *call; /* one for each product of each batch; addresses are filled in at each run */
};

struct gather_step {
	struct view x, index, out;
	int axis, batch_dims;
};

/* Columns of a general convolution: x [N, Cin, d..] to [N, G, Cin/G * K.., out..]. */
struct im2col_shape {
	int nspatial;
	int64_t kernel[3], stride[3], before[3], dilation[3], out[3], groups;
};

struct im2col_step {
	struct view x, out; /* out [N, Cin, K.., out..] */
	struct im2col_shape s;
};

/* out[b.., m, ev] = softmax(scale q[b.., m, e] k[b.., e, n] + mask[b.., m, n]) v[b.., n, ev], by blocks of rows. */
enum { ATTENTION_ROWS = 64 };
enum { ATT_Q, ATT_K, ATT_V, ATT_MASK, ATT_OUT, ATT_N };
struct attention_step {
	const struct simd *simd;
	int nbatch;
	int64_t batch[VIEW_RANK], stride[ATT_N][VIEW_RANK], off[ATT_N];
	int buf[ATT_N], scale;      /* scale: the buffer of one number, or -1 */
	int64_t scale_off, m, n, e, ev, ldq, ldk, ldv, ldo, mask_row;
	int tq, tk, tv, turned;     /* turned: out is stored [ev, m] */
};

/* The way back through the scores, block by block of rows, R groups of m rows for each product of the batch:
 *   SCORES_PROBS   probs[b.., R, m, n] = softmax(scale in[b.., R, m, e] k[b.., e, n] + mask[b.., R, m, n])
 *   SCORES_BACK    ds = probs (in - sum over n of probs in) scale, in: dp[b.., R, m, n]; other[b.., R, m, e] = ds k[b.., n, e]
 * and sum[b.., n, ev] = X^T side[b.., R m, ev], X being probs or ds. What is 0 in a row of X from some column on takes no part in the products. */
enum scores_how { SCORES_PROBS, SCORES_BACK };
enum { SCORES_P, SCORES_SIDE, SCORES_SUM, SCORES_IN, SCORES_K, SCORES_OTHER, SCORES_N }; /* SCORES_OTHER: the mask, or dq */
struct scores_operand {
	int buf, turned;            /* turned: the last two axes are stored the other way round */
	int64_t off, ld, group, stride[VIEW_RANK];
};
struct scores_step {
	const struct simd *simd;
	enum scores_how how;
	int nbatch;
	int64_t batch[VIEW_RANK], groups, m, n, e, ev;
	struct scores_operand op[SCORES_N];
	int scale;                  /* the buffer of one number, or -1 */
	int64_t scale_off;
};

enum step_kind { STEP_EW, STEP_GEMM, STEP_GATHER, STEP_IM2COL, STEP_ATTENTION, STEP_SCORES };

struct step {
	enum step_kind kind;
	union {
		struct ew *ew; /* owned */
		struct gemm_group gemm; /* owns its arrays */
		struct gather_step gather;
		struct im2col_step im2col;
		struct attention_step attention;
		struct scores_step scores;
	} u;
};

/* base[b] is where buffer b starts; lane holds `lane_floats` floats for each thread. */
struct run_env {
	struct pool *pool;
	float *const *base;
	float *lane;
	size_t lane_floats;
	struct err *err;
};

void ew_run(const struct ew *w, const struct run_env *env);
/* Fills in what follows from dims and slots (chunks, tasks, tiles). */
void ew_finish(struct ew *w);
/* Floats of tile memory that a thread needs. */
size_t ew_lane(const struct ew *w);
void attention_run(const struct attention_step *s, const struct run_env *env);
size_t attention_lane(const struct attention_step *s);
/* Keys [result, n) are hidden from a row by its mask; `guess` is tried first: in a causal mask it is one more than the row before had. */
int64_t attention_visible(const struct simd *simd, const float *mask, int64_t n, int64_t guess);
/* A row of scores becomes probabilities over its first `seen` keys, and 0 up to `width`. scale: NULL where there is none. */
void attention_probabilities(const struct simd *simd, float *row, const float *mask, const float *scale, int64_t seen, int64_t width);
void scores_run(const struct scores_step *s, const struct run_env *env);
size_t scores_lane(const struct scores_step *s);
/* 0, or -1 when memory is out. */
int gemm_group_add(struct gemm_group *all, const struct gemm_step *g);
int step_run(const struct step *s, const struct run_env *env);
void step_done(struct step *s);

#endif
