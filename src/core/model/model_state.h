/* model_state.h: what a model holds, for model*.c (making it), pass*.c (forward and backward) and head.c (classifier and loss) only.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_MODEL_MODEL_STATE_H
#define ANETUI_MODEL_MODEL_STATE_H

#include "model/dw.h"
#include "model/model.h"
#include "model/programs.h"

enum { CALL_SURFACES = 8, CALL_PIECES = 8, SCRATCH_SETS = 2 };

/* Columns of a tensor and where they live on the host: element (c, begin + k) at host[stride[0] * c + stride[1] * k]. */
struct piece {
	const float *host;
	int64_t begin, count, stride[2];
	int weight; /* a parameter: put there when it has changed; else before each run */
};

/* A binding, and where its tensors live on the host. On a device with host_memory surfaces and parts are that memory; else surfaces
 * are the device's own, and are copied before and after the run. */
struct call {
	struct binding *binding;
	int n;
	struct call_tensor {
		struct surface *surface; /* owned unless shared */
		float *host;             /* of all of it: [channels, cols], contiguous; NULL: it consists of pieces */
		int64_t channels, cols;
		int is_output, is_gradient, npiece, shared;
		struct piece piece[CALL_PIECES];
	} tensor[CALL_SURFACES];
};

/* What stands in host memory between programs, [channels, T] each but for the scores. Which of them there are, whether a layer has its
 * own, and which lie side by side is a table for each pipeline (model_memory.c). */
enum place {
	PLACE_X2, PLACE_XNORM, PLACE_Q, PLACE_K, PLACE_V, PLACE_ATTN, PLACE_DA, PLACE_O,
	PLACE_Y, PLACE_X2NORM, PLACE_H1, PLACE_H3, PLACE_GATE,
	PLACE_DGATE, PLACE_DH1, PLACE_DH3, PLACE_DX2NORM, PLACE_DQ, PLACE_DK, PLACE_DV, PLACE_DXNORM, PLACE_DXKV,
	PLACE_Q_RAW, PLACE_K_RAW, PLACE_DQNORM, PLACE_DKNORM, /* qk_norm; the last two [HD, T] */
	PLACE_Q_LOW, PLACE_K_LOW, /* precise */
	PLACE_PROBS, PLACE_DP, /* [B*H*S, S] */
	PLACE_N
};

/* One layer. Backward writes dx2 over x2, dy over y, and the gradient of the input over the input. With `recompute` places are shared by all
 * layers and the input is a copy: of the y below, and then of its gradient. */
struct layer {
	float *input; /* the y below, or that copy; x0 */
	float *place[PLACE_N];
	struct call call[PROGRAM_N];
	struct kernel *kernel[PROGRAM_N]; /* owned, but for those that need no weights of a layer: layer 0 owns them */
};

enum model_row { ROW_EMBED, ROW_NORM_FWD, ROW_SWIGLU, ROW_NORM, ROW_CLASSIFIER, ROW_LOSS, ROW_NORM_BWD, ROW_ROWS, ROW_EMBED_BWD, ROW_COPY, ROW_UPDATE, ROW_KEEP, ROW_N };

struct model {
	struct device *device;
	struct model_options o;
	struct params *p;
	const struct model_config *c;
	struct pool *pool;
	struct timing *timing;
	const atomic_int *cancel;
	int B, S, T, train, recompute;
	int row[ROW_N], program_row[PROGRAM_N];

	struct program program[PROGRAM_N];
	int first, end;            /* programs [first, end) are in use */
	struct layer *layer;
	uint64_t ticket[SCRATCH_SETS]; /* of the last product that reads what a layer's backward pass left in a set of scratch */
	int nset;                  /* two sets when weight gradients are made beside the device */
	struct dw *dw;
	struct extras *extras; /* NULL: the host does it */
	struct model_seen seen;
	struct surface *shared[PROGRAM_N][CALL_SURFACES]; /* the device's own surfaces, one set for all layers */

	/* One block of host memory, cut up by model_memory.c. */
	float *memory;
	size_t memory_bytes;
	float *x0;         /* [D, T] embeddings, then their gradient */
	float *xf, *dxf;   /* after the final norm [T, D], and its gradient [D, T] */
	float *logits;     /* [block, rows] */
	float *table;      /* [rows, D] copy of the rows that take part, and the gradient of one micro-step; NULL: the parameters themselves */
	float *table_grad;
	int *target;       /* [T] targets as rows of that copy */
	float *norm_part;  /* partial sums of host_norm_back */
	float *mask, *rope_cos, *rope_sin, *numbers; /* weight files that are no parameters */
	float *turn[4], *minus_q, *minus_k, *less; /* the same, precise: coarse cos and sin, fine cos and sin */
	double *loss;      /* [T] */
	int logit_rows;    /* tokens of one classifier block */
	int rows;          /* of the classifier: V, or those that take part */
	const struct active_rows *active; /* NULL: all */
};

/* find.c: the first activation of the latest forward pass that is not finite, into s->bad. */
void model_find_bad(const struct model *m, struct model_seen *s);

/* Tokens whose logits are held at once: at most 80 MiB of them, at least 16. Of the shape alone. */
int head_block(int rows, int tokens);
/* The classifier's rows as the weights are now, where they are a copy. */
void head_gather(struct model *m);
/* The classifier's matrix [rows, D], and where its gradient goes: the parameters, or the copy of the rows that take part. */
const float *head_weights(const struct model *m);
float *head_grad(const struct model *m);
/* When all products are done: a copy's gradient goes to the parameters'. */
void head_finish(struct model *m);

/* Final norm, classifier, loss; with `grad` also the gradient: of the classifier's matrix into p->g, of the last layer's output over that
 * output (PLACE_Y of the last layer). scale multiplies the gradient. */
int head_run(struct model *m, const int *y, float scale, int grad, double *loss, struct err *e);

/* The programs [*first, *end) of a pipeline. */
void model_programs(enum model_pipeline pipeline, int train, int *first, int *end);

/* ERR_CANCEL when interrupted. */
int model_cancelled(const struct model *m, struct err *e);

/* --- model_memory.c --- */
/* Floats of host memory, the extras' included; *head: those of them that are the classifier's. */
uint64_t model_floats(const struct device_caps *caps, const struct model_config *c, int batch, int seq, int rows, const struct model_options *o,
		      int train, uint64_t *head);
int model_make_memory(struct model *m, struct err *e);
/* The place that a program's table calls `name`, for a layer ("x": what the layer begins with); NULL: there is none. */
float *model_place(const struct model *m, int layer, const char *name);
static inline float *layer_input(const struct model *m, int layer)
{
	return m->layer[layer].input;
}

/* --- model_bind.c --- */
int model_make_calls(struct model *m, struct err *e);
void model_free_calls(struct model *m);
/* Fills in the weights of a program for a layer, path[i] being the memory of w[i].path; 1 when any belongs to the layer. */
int model_layer_weights(const struct model *m, int layer, const struct program *p, struct dev_weight *w, char path[][64]);
/* Does the program hold weights of a layer? */
int model_own_weights(const struct program *p);

/* --- pass.c, and the two ways through a layer: pass_static.c, pass_dynamic.c --- */
int pass_run(struct model *m, int layer, enum program_id id, struct err *e);
/* Runs a program: copies where surfaces are the device's own, times it. layer: for messages, -1 outside layers. */
int pass_call(struct model *m, const struct call *c, enum program_id id, int layer, struct err *e);
/* dW[out, in] += scale * grad[out, T] * input[in, T]^T for one matrix. A ticket for dw_wait. */
uint64_t pass_weight_grad(struct model *m, enum param_kind kind, int layer, float scale, const float *grad, const float *input);
uint64_t pass_qkv_grads(struct model *m, int layer);
/* qk_norm: the gradients of the weights of the norms of q and k, from what sdpaBwd2 left. */
void pass_head_norm_grads(struct model *m, int layer);
/* out = gradient through the norm `kind` of a layer, of dn, at x, + res (may be NULL); x is overwritten when out is x. */
int pass_norm_back(struct model *m, enum param_kind kind, int layer, float *out, const float *dn, const float *x, const float *res,
		   struct err *e);
int static_forward(struct model *m, int layer, struct err *e);
int static_backward(struct model *m, int layer, struct err *e);
int dynamic_forward(struct model *m, int layer, struct err *e);
int dynamic_backward(struct model *m, int layer, struct err *e);

#endif
