/* choose.h: what of a model is trained, from the settings: `freeze`, lora.* and ema.decay. No arithmetic.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TRAIN_CHOOSE_H
#define ANETUI_TRAIN_CHOOSE_H

#include "model/params.h"
#include "train/settings.h"

/* Marks what is frozen, begins or ends adapters and the average, so that p is as `s` wants it; `step` updates have been made. With adapters all is frozen but the
 * matrices that have one. What has begun or ended is added to `note`, for the log. ERR_STATE: nothing would be trained. Only at a step boundary. */
int choose_trained(struct params *p, const struct settings *s, uint64_t step, char *note, size_t n, struct err *e);
/* 1: these settings choose the same. */
int choose_same(const struct settings *a, const struct settings *b);
/* Bytes that adapters and the average take beside the model's own weights, gradients and moments. */
uint64_t choose_bytes(const struct params *p, const struct settings *s);

#endif
