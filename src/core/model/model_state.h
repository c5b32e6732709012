/* model_state.h: what a model holds, for model.c (making it), pass.c (forward and backward) and head.c (classifier and loss) only.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_MODEL_MODEL_STATE_H
#define ANETUI_MODEL_MODEL_STATE_H

#include "model/dw.h"
#include "model/model.h"
#include "model/programs.h"

enum { CALL_SURFACES = 4, SCRATCH_SETS = 2 };

/* A binding, and where its tensors live on the host. On a device with host_memory the surface is that memory; else it is the
 * device's own, and is copied before and after the run. */
struct call {
	struct binding *binding;
	int n;
	struct call_tensor {
		struct surface *surface; /* owned unless shared */
		float *host;
		int64_t channels, cols;
		int is_output, is_gradient;
	} tensor[CALL_SURFACES];
};

/* Taps of one layer; all [channels, T], contiguous. Rows are named by the tables of fwdAttn and fwdFFN. */
struct layer {
	float *attn; /* fwdAttn's output. Backward writes dx2 over x2 */
	float *ffn;  /* fwdFFN's output. Backward writes dy over y */
	struct call call[PROGRAM_N];
	struct kernel *kernel[PROGRAM_N]; /* owned, but for those that need no weights of a layer: layer 0 owns them */
};

/* What one layer's backward pass leaves for the weight gradients; two sets when they are made beside the device. */
struct scratch {
	float *ffn_grad; /* ffnBwd's output: dx dh1 dh3 */
	float *qkv_grad; /* qkvBwd's input: dq dk dv; sdpaBwd2 and sdpaBwd1 write into it */
	uint64_t ticket; /* the last product that reads it */
};

enum model_row { ROW_EMBED, ROW_NORM, ROW_CLASSIFIER, ROW_LOSS, ROW_NORM_BWD, ROW_ROWS, ROW_EMBED_BWD, ROW_COPY, ROW_UPDATE, ROW_N };

struct model {
	struct device *device;
	struct model_options o;
	struct params *p;
	const struct model_config *c;
	struct pool *pool;
	struct timing *timing;
	const atomic_int *cancel;
	int B, S, T, train;
	int row[ROW_N], program_row[PROGRAM_N];

	struct program program[PROGRAM_N]; /* without gradients only the first two are built */
	int nprogram;
	struct layer *layer;
	struct scratch set[SCRATCH_SETS];
	int nset;
	struct dw *dw;
	struct model_seen seen;
	struct surface *shared[PROGRAM_N][CALL_SURFACES]; /* the device's own surfaces, one set for all layers */

	/* One block of host memory, cut up by model.c. */
	float *memory;
	size_t memory_bytes;
	float *x0;         /* [D, T] embeddings, then their gradient */
	float *xf, *dxf;   /* after the final norm [T, D], and its gradient [D, T] */
	float *dnorm;      /* [D, T] qkvBwd's output */
	float *scores;     /* [2*B*H*S, S] probs and dp */
	float *logits;     /* [block, rows] */
	float *table;      /* [rows, D] copy of the rows that take part, and the gradient of one micro-step; NULL: the parameters themselves */
	float *table_grad;
	int *target;       /* [T] targets as rows of that copy */
	float *norm_part;  /* partial sums of host_norm_back */
	float *mask, *rope_cos, *rope_sin, *numbers; /* weight files that are no parameters */
	double *loss;      /* [T] */
	int logit_rows;    /* tokens of one classifier block */
	int rows;          /* of the classifier: V, or those that take part */
	const struct active_rows *active; /* NULL: all */
};

/* Tokens whose logits are held at once: at most 64 MiB of them, at least 16. */
int head_block(int rows, int tokens);
/* The classifier's rows as the weights are now, where they are a copy. */
void head_gather(struct model *m);

/* Final norm, classifier, loss; with `grad` also the gradient: of the classifier's matrix into p->g, of the last layer's output over that
 * output (m->layer[last].ffn's y). scale multiplies the gradient. */
int head_run(struct model *m, const int *y, float scale, int grad, double *loss, struct err *e);

/* Fills in the weights of a program for a layer, path[i] being the memory of w[i].path; 1 when any belongs to the layer. */
int model_layer_weights(const struct model *m, int layer, const struct program *p, struct dev_weight *w, char path[][64]);
/* Does the program read weights of a layer? */
int model_own_weights(const struct program *p);

/* ERR_CANCEL when interrupted. */
int model_cancelled(const struct model *m, struct err *e);

/* Rows of the taps. */
static inline float *layer_tap(const struct model *m, const float *base, enum program_id id, const char *name)
{
	return (float *)(uintptr_t)base + (size_t)program_channel(&m->program[id], "out", name)->offset * (size_t)m->T;
}
static inline float *attn_tap(const struct model *m, int layer, const char *name)
{
	return layer_tap(m, m->layer[layer].attn, PROGRAM_FWD_ATTN, name);
}
static inline float *ffn_tap(const struct model *m, int layer, const char *name)
{
	return layer_tap(m, m->layer[layer].ffn, PROGRAM_FWD_FFN, name);
}

#endif
