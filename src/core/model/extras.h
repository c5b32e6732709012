/* extras.h: `extras on`: final norm, classifier, softmax over the vocabulary and the norms' gradients as programs of the device. The loss, the
 * sums over tokens of the norms' weight gradients and the classifier's weight gradient stay the host's.
 *
 * The vocabulary is cut into parts below the device's limits; each part's softmax is over its own rows, and the host weighs the parts by
 * their share of the whole sum. In the dynamic pipeline weights are inputs here too: no compile after an update. All but the plan is for model.c, head.c and pass.c only. SPDX-License-Identifier: MIT */
#ifndef ANETUI_MODEL_EXTRAS_H
#define ANETUI_MODEL_EXTRAS_H

#include "model/model.h"
#include "model/programs.h"

/* What the extras take, worked out before anything is made. */
struct extras_plan {
	int block, nblock; /* tokens at once, and how often: the last block may hold fewer */
	int parts;         /* of the vocabulary */
	int compiles;      /* to make them */
	int recompiles;    /* when the weights have changed and the device freezes them */
	uint64_t floats;   /* of host memory */
};

void extras_plan(struct extras_plan *x, const struct device_caps *caps, const struct model_config *c, const struct model_options *o, int tokens,
		 int rows, int train);

/* The shape of the first part's programs of that plan, for program_build. */
void extras_shape(struct program_shape *s, const struct extras_plan *x, const struct device_caps *caps, const struct model_options *o, int rows);

/* With m's taps, classifier rows and queue there. NULL and an error. */
struct extras *extras_new(struct model *m, struct err *e);
void extras_free(struct extras *x);
/* Freezes the weights anew where the device does so; dynamic: puts them into the inputs. */
int extras_update(struct model *m, struct err *e);

/* Final norm, classifier and loss: m->loss[t]. With g (else NULL) the classifier's gradient is added to g[rows, D], and m->dxf is made. `target`
 * are rows of the classifier; each = scale / targets. Products may still be in m's queue. */
int extras_head(struct model *m, const int *target, float each, float *g, struct err *e);
/* host_norm_back for the norm `kind` of a layer, whose operands are where the pass has them. */
int extras_norm_back(struct model *m, enum param_kind kind, int layer, float *out, const float *dn, const float *x, const float *res,
		     struct err *e);

/* For `mil` and tests: the program, NULL when there is none, and a kernel of it. */
const struct program *extras_program(const struct extras *x, enum program_id id);
const struct kernel *extras_kernel(const struct extras *x, enum program_id id);

#endif
