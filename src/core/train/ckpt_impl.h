/* ckpt_impl.h: what writing and reading checkpoints share: names. For ckpt*.c only.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TRAIN_CKPT_IMPL_H
#define ANETUI_TRAIN_CKPT_IMPL_H

#include "model/params.h"

enum { CKPT_NAME = 96 };

static const char ckpt_crc[] = "anetui.crc", ckpt_tokenizer[] = "tokenizer", ckpt_late[] = "adam.late";
static const char *const ckpt_moments[] = {"adam.m.", "adam.v."};

/* A tensor that has missed every update has moments of zero, which are not in the file. */
static inline int ckpt_no_moments(const struct param *r, uint64_t step)
{
	return r->late && r->late >= step;
}

/* The checks of ckpt_verify; messages name the file `shown`. */
int ckpt_verify_as(const char *path, const char *shown, struct err *e);

#endif
