/* train_rig.h: a trainer with all that it works on: a small model, a shard of ids, a device. For tests of training.
 * SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_TRAIN_RIG_H
#define TESTS_SUPPORT_TRAIN_RIG_H

#include <stdatomic.h>

#include "support/tiny.h"
#include "train/trainer.h"

enum { RIG_VOCAB = 61 };
extern const struct tiny rig_shape;
extern int rig_gaps; /* 1: ids 2, 6, 10 ... do not occur in the data */

/* Everything that one training session is made of. */
struct rig {
	struct pool *pool;
	struct device *dev;
	struct params *p;
	struct data data;
	struct settings set;
	struct train_state state;
	struct timing timing;
	atomic_int cancel;
	struct active_rows active;
	struct trainer *t;
};

void must(int rc, const struct err *e);
/* p: taken over; NULL: a fresh model. `tokens` ids are written to train.bin. */
void rig_start(struct rig *g, struct params *p, int threads, int tokens, double val);
void rig_trainer(struct rig *g);
void rig_stop(struct rig *g);
/* Micro-steps until an update is made or left out. */
struct trainer_step one_step(struct rig *g);
void same_params(const struct params *a, const struct params *b);
void no_gradients(const struct params *p);

#endif
