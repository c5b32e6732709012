/* plain.h: the whole model, forward and backward, in double precision and straight loops. Slow on purpose; shares nothing with
 * MIL, devices or BLAS: everything fast is proved against it. SPDX-License-Identifier: MIT */
#ifndef ANETUI_MODEL_PLAIN_H
#define ANETUI_MODEL_PLAIN_H

#include "base/err.h"
#include "model/params.h"

/* Mean cross-entropy (nats) over B*S targets (-1: does not count), weights w laid out by `p`'s table, in double. With g not
 * NULL the gradient d(loss)/dw is added to it. logits, when not NULL, receives [B*S, V]. */
int plain_loss(const struct params *p, const double *w, double *g, const int *x, const int *y, int batch, int seq,
	       double *loss, double *logits, struct err *e);

#endif
