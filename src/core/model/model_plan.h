/* model_plan.h: what training a model takes in memory, by part, told before anything is allocated. Allocates nothing that stays.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_MODEL_MODEL_PLAN_H
#define ANETUI_MODEL_MODEL_PLAN_H

#include "device/device.h"
#include "model/model.h"

/* Bytes. */
struct model_plan {
	uint64_t weights, gradients, moments;
	uint64_t activations; /* what the layers leave for their backward pass, scratch, constants */
	uint64_t logits;      /* of the classifier's block, copies of its rows, the extras */
	uint64_t device;      /* the device's own: intermediate values, surfaces, weights frozen in programs */
};

/* B sequences of S tokens with `rows` of the vocabulary in the classifier (0: all) on a device like `caps`; o as at model_new, NULL: all zero.
 * train 0: forward alone. Where the device takes one sequence only, B counts as 1. ERR_RANGE: no program can have that shape. */
int model_plan(struct model_plan *p, const struct device_caps *caps, const struct model_config *c, int batch, int seq, int rows,
	       const struct model_options *o, int train, struct err *e);
uint64_t model_plan_sum(const struct model_plan *p);

#endif
