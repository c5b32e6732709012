/* saver.h: checkpoints written by a thread of their own, one after the other, and the lease under which it reads the model in place. No policy: which
 * file and when is the engine's.
 *
 * The lease. Who owns the model (the worker) begins a save; from then on the saver reads weights, moments, adapters and average where they lie, and the
 * owner may read them too, but neither write nor free them until saver_wait_read has returned. That is the whole agreement. A save goes through these states,
 * forwards only:
 *
 *     SAVE_WAITS    begun, the saver has not come to it   | the lease is held, unless the owner has made a copy
 *     SAVE_READS    its tensors are summed and written    | the lease is held, until the saver goes on with that copy
 *     SAVE_SETTLES  fsync, reading back, rename, folder   | free: nothing of the model is looked at any more
 *     SAVE_DONE     written or failed                     | free; the owner takes it with saver_take
 *
 * The owner alone begins, waits and takes; all states are under one lock. Where no thread is to be had, a save is made by saver_begin itself.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TRAIN_SAVER_H
#define ANETUI_TRAIN_SAVER_H

#include <stdint.h>

#include "base/err.h"
#include "train/ckpt.h"

struct saver;

/* One save that has come to its end. */
struct save_result {
	uint64_t id;              /* as saver_begin gave it */
	char path[4096];
	uint64_t step, bytes;
	uint64_t ns;              /* from its beginning to its end */
	uint64_t stall_ns;        /* of that, what the owner has spent with it: preparing, and in saver_wait_read */
	struct err err;           /* code 0: it is whole, read back, and on the disk under its name */
};

/* Once *given_up (may be NULL; stays until saver_free) is not 0, saves end as soon as they can, with ERR_CANCEL, older files as they were. */
struct saver *saver_new(const atomic_int *given_up, struct err *e);
/* Waits until all is written. */
void saver_free(struct saver *s);

/* Begins a save of the state `st` (of its step). *id numbers it, from 1. An error: nothing was begun. `s` NULL is an error. */
int saver_begin(struct saver *s, const char *path, const struct params *p, const struct train_state *st, const struct tokenizer *t, uint64_t *id, struct err *e);
/* Returns when no save holds the lease; the nanoseconds that this took. What has not been read yet is copied where that takes no more than `room` bytes, which is faster than any disk; 0: nothing is. `s` may be NULL. */
uint64_t saver_wait_read(struct saver *s, uint64_t room);
/* 1: does a save hold the lease? (For those who would rather do something else.) */
int saver_reads(struct saver *s);
/* 1: the oldest save that is done, in their order; 0: there is none. `wait`: if one was begun its end is waited for. */
int saver_take(struct saver *s, int wait, struct save_result *out);

#endif
