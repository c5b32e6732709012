/* ckpt.h: checkpoints: one safetensors file with weights, moments and all else that resuming needs. No policy: run.h decides when.
 *
 * Tensors, in this order: the weights by Hugging Face's names (F32), adam.m.NAME and adam.v.NAME likewise (only when there are moments), `tokenizer` (U8,
 * filled up with zeros to a multiple of 4; only when there is one), and last `anetui.crc` (U32, [1 + number of tensors before it]): CRC-32C of the header
 * (its length and its padding included), then of each tensor before it in file order. Padding floats between tensors in memory are not written.
 *
 * Between moments and tokenizer, where they are in use: `adam.late` (U32, [tensors, 2], low word first): the updates that each tensor has missed because it was
 * frozen; one that has missed all has no moments in the file. Adapters: the weights are the sum, `lora.base.NAME` what it was without, and ....lora_A.weight and
 * ....lora_B.weight with their moments and `lora.late`; lora.rank and lora.alpha stand in the metadata. The average: `ema.NAME` where it differs from the weights,
 * "ema" in the metadata.
 *
 * __metadata__, string to string: format "pt" (for other readers), anetui.version "1", config.* (struct model_config), state.* (struct train_state),
 * set.KEY (each setting as `set` takes it), user.KEY "1" (those that the user set), tokenizer.name, tokenizer.bytes (without the fill), tokenizer.hash (of
 * another one the file is refused). 64-bit numbers are
 * hexadecimal; floating-point numbers have as many digits as it takes to read back the same bits. Unknown keys are passed over, and a setting
 * that is not there has its default, so that files go on to be read when keys are added.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TRAIN_CKPT_H
#define ANETUI_TRAIN_CKPT_H

#include <stdatomic.h>

#include "base/err.h"
#include "base/pool.h"
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
	double kept_loss;            /* the best before that one: best_loss again when best.ckpt turns out not to hold it. The same where it was never to be kept; 0: older files */
	uint64_t kept_step;
	struct data_cursor cursor;
	uint64_t sample_count;       /* samples taken: seeds of the next */
	uint64_t skipped;            /* updates left out: an overflow on the device, or a loss or gradient that was not finite (nan = skip) */
	double loss_scale;           /* loss_scale auto: the present one; 0 before the first step on a device with fp16 */
	uint64_t scale_good;         /* updates since it was last changed */
	double patience_loss;        /* eval.patience: the loss to get below; 0: none yet, best_loss then */
	uint64_t patience_used;      /* evaluations since that did not */
	struct settings settings;
	char data_name[256];         /* as the user named it */
	uint64_t data_hash;
	char data_how[64];           /* how they were opened: "val=0.05 own=1 width=0", see struct data_how; empty in older files */
	uint64_t tokenizer_hash;     /* of the tokenizer whose ids the weights have learned; 0: unknown (none, or a shard of another program) */
	char blas[96];               /* library, kernels, threads: other ones give other bytes */
	char device[128];            /* as device_open takes it; empty in older files */
};

/* Saved by base/save.h, straight from the arena (nobody may write to it meanwhile), read back and checked before it counts. A weight or
 * moment that is not finite is refused: "ckpt: PATH: weights are not finite (tensor NAME), not saved". t may be NULL. *bytes (may be NULL): of the file. */
int ckpt_save(const char *path, const struct params *p, const struct train_state *s, const struct tokenizer *t,
	      uint64_t *bytes, struct err *e);
/* The same in two parts. ckpt_begin writes down all but the floats of weights, moments, adapters and average (state, tokenizer and table may change afterwards), and touches no disk; NULL: error.
 * ckpt_write may be another thread's; once *given_up (may be NULL) is not 0 it ends with ERR_CANCEL, as if nothing had been begun, or the file has its name already. Until it calls all_read(ctx) (may be NULL) or returns, nobody may write to those floats or free them. ckpt_end is given NULL or what ckpt_begin gave. */
struct ckpt_file;
struct ckpt_file *ckpt_begin(const char *path, const struct params *p, const struct train_state *s, const struct tokenizer *t, struct err *e);
uint64_t ckpt_bytes(const struct ckpt_file *f);
/* Copies the floats that ckpt_write has not come to, so that it needs the originals no longer than for the block (1 MiB) that it writes at the moment: it calls all_read soon, and the file becomes the same.
 * By who owns the floats, once, before ckpt_write or beside it. 0, or ERR_NOMEM: more than `room` bytes, or no memory, or there is nothing left to copy; all goes on as it was. */
int ckpt_copy(struct ckpt_file *f, uint64_t room);
int ckpt_write(struct ckpt_file *f, const atomic_int *given_up, void (*all_read)(void *), void *ctx, struct err *e);
void ckpt_end(struct ckpt_file *f);
/* Reads everything anew: params with moments (when the file has them) and the tokenizer (NULL when it has none). Checks CRCs, shapes, config. */
int ckpt_load(const char *path, struct params **p, struct train_state *s, struct tokenizer **t, struct err *e);
/* The same by all threads of a pool. */
int ckpt_load_on(struct pool *pool, const char *path, struct params **p, struct train_state *s, struct tokenizer **t, struct err *e);
/* Only what stands in the metadata: structure and the header's sum are checked, the tensors are not looked at. */
int ckpt_peek(const char *path, struct train_state *s, struct err *e);
/* Only the checks: structure, every CRC, metadata. Needs no memory for the model. */
int ckpt_verify(const char *path, struct err *e);

#endif
