/* compact.h: `vocab.compact`: which rows of the vocabulary occur in the data. Moves no weights: model/active.h.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TRAIN_COMPACT_H
#define ANETUI_TRAIN_COMPACT_H

#include "model/active.h"
#include "text/data.h"

/* The ids of [0, vocab) that occur in the training or validation part. active_done frees. ERR_NOMEM, ERR_RANGE (none does). */
int compact_rows(struct active_rows *a, const struct data *d, int vocab, struct err *e);

#endif
