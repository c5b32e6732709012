/* ckpt_impl.h: what writing and reading checkpoints share: names. For ckpt*.c only.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TRAIN_CKPT_IMPL_H
#define ANETUI_TRAIN_CKPT_IMPL_H

#include "model/params.h"

enum { CKPT_NAME = 96 };

static const char ckpt_crc[] = "anetui.crc", ckpt_tokenizer[] = "tokenizer", ckpt_ema_prefix[] = "ema.";
/* Updates missed, of the model's tensors and of the adapters'. */
static const char *const ckpt_late[] = {"adam.late", "lora.late"};
/* In the metadata. */
static const char ckpt_lora_rank[] = "lora.rank", ckpt_lora_alpha[] = "lora.alpha", ckpt_ema[] = "ema";
static const char *const ckpt_moments[] = {"adam.m.", "adam.v."};

/* A tensor that has missed every update has moments of zero, which are not in the file; what adapters are added to never had any. */
static inline int ckpt_no_moments(const struct param *r, int adapters, uint64_t step)
{
	return (adapters && r->frozen) || (r->late && r->late >= step);
}

/* The checks of ckpt_verify; messages name the file `shown`. */
int ckpt_verify_as(const char *path, const char *shown, struct err *e);

#endif
