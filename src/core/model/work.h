/* work.h: the host's share of a micro-step in figures that no machine enters: what a chip's clock needs beside its programs. Measures nothing.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_MODEL_WORK_H
#define ANETUI_MODEL_WORK_H

#include "device/sim/cost.h"
#include "model/model.h"

/* Bytes that loops of ours go over, FLOP and bytes of our products, for B sequences of S tokens and a classifier of `rows` rows, on a device that
 * has its own memory (fp16 surfaces are written from and read into fp32). The programs' times in *w stay as they are. */
void model_host_work(struct step_work *w, const struct model_config *c, int batch, int seq, const struct model_options *o, int rows);

#endif
