/* model.h: forward and backward of a whole model on a device: programs, surfaces, host work between them. No optimizer.
 *
 * Host work: embedding, RMSNorm backward, final norm, classifier and loss, weight gradients (on a queue that overlaps where the
 * device leaves the processor free). SPDX-License-Identifier: MIT */
#ifndef ANETUI_MODEL_MODEL_H
#define ANETUI_MODEL_MODEL_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/err.h"
#include "base/pool.h"
#include "device/device.h"
#include "meter/timing.h"
#include "model/active.h"
#include "model/params.h"

struct model;

enum model_pipeline {
	PIPELINE_STATIC,  /* weights stand in the programs: one kernel a layer */
	PIPELINE_DYNAMIC, /* weights are inputs: one kernel for all layers, compiled once */
};

/* q, k and the scores to more digits than fp16 has: larger programs (program_precise.c). */
enum model_precise {
	PRECISE_AUTO, /* where the device computes in fp16 and a head is at most 32 wide: there it costs little beside the rest */
	PRECISE_ON,
	PRECISE_OFF,
};

struct model_options {
	enum model_pipeline pipeline;
	int separate; /* dynamic: every weight is an input of its own, not packed beside the activations */
	int extras;   /* final norm, classifier, softmax and the norms' gradients run on the device too */
	int recompute; /* a layer's input alone is kept; its taps are made again before its backward pass (Chen et al. 2016, arXiv:1604.06174). Same bytes */
	enum model_precise precise;
	const struct active_rows *active; /* the classifier has only these rows, targets must be among them; NULL: all. The caller's, must stay */
};

/* Compiles the programs for B sequences of S tokens and binds them for every layer, with the weights as they are now. `p` must
 * have gradients for training (params_train); without, only model_loss works. Keeps d, p, pool, t (may be NULL) and cancel (may
 * be NULL): looked at between programs; `o` is copied, NULL is all zero. Refuses what does not fit in memory. */
struct model *model_new(struct device *d, struct params *p, struct pool *pool, int batch, int seq, const struct model_options *o,
			struct timing *t, const atomic_int *cancel, struct err *e);
void model_free(struct model *m);

/* Whether the options come to precise programs: not with qk_norm, which keeps scores small. */
static inline int model_is_precise(const struct device_caps *caps, const struct model_config *c, const struct model_options *o)
{
	return !c->qk_norm && (o->precise == PRECISE_ON || (o->precise == PRECISE_AUTO && caps->fp16 && c->head_dim <= 32));
}

/* After weights have changed, before the next model_loss or model_micro_step: static programs on a device that freezes weights
 * are compiled again (those that have weights of a layer), dynamic ones get the weights into their surfaces, live weights need
 * nothing; the classifier's copy of its active rows is made anew. ERR_BUDGET when the device has not the compiles left that this takes: nothing was changed then. */
int model_update(struct model *m, struct err *e);
/* Compiles that one model_update costs: 0 where weights are live, and in the dynamic pipeline. */
int model_compiles(const struct model *m);

/* Forward only: mean cross-entropy in nats over the B*S targets. x, y: [B*S] ids, checked against V by the data layer.
 * A target of -1 does not count. ERR_CANCEL when interrupted. */
int model_loss(struct model *m, const int *x, const int *y, double *loss, struct err *e);

/* One micro-step: forward, loss, backward; adds `scale` * d(loss)/dw to p->g (scale = 1/accum). When interrupted the
 * gradients are undefined and must be zeroed. */
int model_micro_step(struct model *m, const int *x, const int *y, float scale, double *loss, struct err *e);

/* What was seen during the latest model_micro_step: of the tensors that came back from a device with caps.fp16 (elsewhere these fields are zero), and of a loss that is not
 * finite: then the way back was not gone, and the gradients are undefined. */
enum { OVERFLOW_NONE, OVERFLOW_BACKWARD, OVERFLOW_FORWARD };
struct model_seen {
	int overflow;             /* a value that is not finite, or |x| >= 32752: the device saturates and makes no NaN */
	char where[40];           /* the first program that had one: "ffnBwd of layer 3" */
	char bad[32];             /* the loss is not finite: the first activation that is not, "h1 of layer 3"; empty: it is */
	int bad_token;            /* ... of the B*S */
	uint64_t entries, zeros;  /* of gradients of activations: all, and those that are zero (some are by nature: dq of a sequence's first token) */
};
const struct model_seen *model_seen(const struct model *m);
static inline int model_overflowed(const struct model *m) { return model_seen(m)->overflow; }

/* The programs in use, for `mil list` and `mil show`, and the compiled kernel of each. */
const struct program *model_program(const struct model *m, int id);
const struct kernel *model_kernel(const struct model *m, int id);
/* How it was made. */
const struct model_options *model_how(const struct model *m);
/* Bytes of activations and scratch; `rows` of the vocabulary in the classifier, 0: all; `o` as at model_new. */
uint64_t model_bytes(const struct model_config *c, int batch, int seq, int rows, const struct model_options *o);

#endif
