/* ema.h: the exponential moving average of a model's weights: a second block of them, kept beside. The update is train/optim's.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_MODEL_EMA_H
#define ANETUI_MODEL_EMA_H

#include "model/params.h"

/* p->ema, which must be NULL: as the weights are now. It is weights alone, with p's table: whoever reads a struct params's weights can read it. */
int ema_begin(struct params *p, struct err *e);
/* Over a block that another process has left open; the descriptor is taken over when it succeeds. */
int ema_adopt(struct params *p, int fd, struct err *e);
void ema_end(struct params *p);
/* Weights and average change places: what runs on the model's weights then runs on the average. */
void ema_swap(struct params *p);

#endif
