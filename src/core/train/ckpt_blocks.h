/* ckpt_blocks.h: the bytes of a checkpoint's tensors, block by block, on all threads: read into place and summed while they are in a cache. For ckpt_read.c only.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TRAIN_CKPT_BLOCKS_H
#define ANETUI_TRAIN_CKPT_BLOCKS_H

#include "base/pool.h"
#include "io/safetensors.h"

/* One tensor. to NULL: it is only summed. */
struct ckpt_want {
	const struct st_tensor *t;
	void *to;
	uint32_t crc; /* found */
};

/* Reads want[0..n) and fills in their sums. A file that was cut meanwhile, or that can not be read: ERR_IO or ERR_FORMAT naming the tensor; messages begin with `shown`. */
int ckpt_read_blocks(struct pool *p, const struct st_file *f, const char *shown, struct ckpt_want *want, int n, struct err *e);

#endif
