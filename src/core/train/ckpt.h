/* ckpt.h: checkpoints: one safetensors file with weights, moments and all else that resuming needs. No policy: run.h decides when.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TRAIN_CKPT_H
#define ANETUI_TRAIN_CKPT_H

#include "base/err.h"
#include "model/params.h"
#include "text/data.h"
#include "text/tokenizer.h"
#include "train/settings.h"

/* What a checkpoint holds beside the tensors: a plain value, written to __metadata__ as text (64-bit numbers in hexadecimal, exactly). */
struct train_state {
	uint64_t step;               /* updates done */
	uint64_t tokens;             /* tokens seen */
	double seconds;              /* training time so far */
	double best_loss;            /* lowest validation loss; NAN before the first */
	uint64_t best_step;
	struct data_cursor cursor;
	uint64_t sample_count;       /* samples taken: seeds of the next */
	struct settings settings;
	char data_name[256];         /* as the user named it */
	uint64_t data_hash;
	char blas[96];               /* library, kernels, threads: other ones give other bytes */
};

/* Tensors by Hugging Face names, adam.m.NAME, adam.v.NAME, tokenizer (U8), and last anetui.crc. Saved by base/save.h, read back and checked (below 1 GiB) before it counts. */
int ckpt_save(const char *path, const struct params *p, const struct train_state *s, const struct tokenizer *t,
	      uint64_t *bytes, struct err *e);
/* Reads everything anew: params with moments (when the file has them) and the tokenizer (NULL when it has none). Checks CRCs, shapes, config. */
int ckpt_load(const char *path, struct params **p, struct train_state *s, struct tokenizer **t, struct err *e);
/* Only the checks. */
int ckpt_verify(const char *path, struct err *e);

#endif
