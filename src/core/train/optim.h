/* optim.h: AdamW with decay groups, clipping by the global norm, and the learning-rate schedule. No gradients are made here.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TRAIN_OPTIM_H
#define ANETUI_TRAIN_OPTIM_H

#include <stdint.h>

#include "base/pool.h"
#include "model/params.h"
#include "train/settings.h"

/* Learning rate of update `step` (0 is the first): linear warm-up lr.max*(step+1)/warmup, then by lr.shape from lr.max to lr.min*lr.max at lr.steps,
 * and lr.min*lr.max after; wsd: stays at lr.max until 80 % of lr.steps, then falls by 1 - sqrt. */
double optim_lr(const struct settings *s, uint64_t step);

/* L2 norm of all gradients, in double; blocks of fixed size in fixed order: the same for every number of threads. NaN and infinity come through. */
double optim_grad_norm(const struct params *p, struct pool *pool);

/* One AdamW update (Loshchilov, Hutter 2019), t = 1 for the first: with g' = g * grad_scale
 *   m = b1 m + (1-b1) g';  v = b2 v + (1-b2) g'^2;  w -= lr * (m/(1-b1^t) / (sqrt(v/(1-b2^t)) + eps) + decay * w)
 * decay only where params' table says so. Gradients are zeroed in the same pass. A frozen tensor is passed over, and one that was is corrected with the
 * number of updates that it has taken part in. Returns a bound for the magnitudes of the weights and moments that were written, as the bits of a float
 * (those of infinity or more: one of them is not finite, or the bound is too large to tell). */
uint32_t optim_adamw(struct params *p, struct pool *pool, const struct settings *s, double lr, double grad_scale, uint64_t t);

/* Would that update leave only finite numbers? The first row of p's table where it would not, or -1. Changes nothing; reads all of w, m, v and g. */
int optim_check(const struct params *p, struct pool *pool, const struct settings *s, double lr, double grad_scale, uint64_t t);
/* 1: it would, because numbers no larger than `top` (what the update before has returned) and gradients of that norm can not do otherwise. 0: who knows. */
int optim_is_safe(const struct settings *s, double lr, double norm, uint32_t top);

/* An update that had nothing to do with these tensors. */
void optim_missed(struct params *p);

/* One step of the moving average: p->ema += (1 - decay) (w - p->ema). */
void optim_ema(struct params *p, struct pool *pool, double decay);

#endif
