/* sample.h: text from a model: prefill and decode with a KV cache, and picking the next id. Host code in fp32, the same on every device.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_SAMPLE_SAMPLE_H
#define ANETUI_SAMPLE_SAMPLE_H

#include <stdatomic.h>

#include "base/err.h"
#include "base/pool.h"
#include "base/rng.h"
#include "model/params.h"

struct decoder;

/* A decoder reads `p`'s weights in place: they must not change between decoder_reset and the last decoder_next of one sample. */
struct decoder *decoder_new(const struct params *p, struct pool *pool, struct err *e);
void decoder_free(struct decoder *d);
void decoder_reset(struct decoder *d);
/* Feeds n ids (several at once as matrix products) and points *logits at [V] for the position after the last; NULL is allowed. Past the end of the context
 * the window slides by half: the kept half is fed anew, and decoder_slides counts. cancel may be NULL. */
int decoder_next(struct decoder *d, const int *id, int n, float **logits, const atomic_int *cancel, struct err *e);
int decoder_slides(const struct decoder *d);
int decoder_position(const struct decoder *d);

struct sampler_settings {
	float temperature;  /* 0: greedy */
	int top_k;          /* 0: off */
	float top_p;        /* 1: off */
	float min_p;        /* 0: off */
	float repeat;       /* 1: off; divides (or multiplies when negative) logits of the last 64 ids */
};

struct sampler {
	struct sampler_settings set;
	struct rng rng;       /* its own: training's random state is never touched */
	int recent[64], nrecent;
	/* Scratch of V entries, owned. */
	void *scratch;
	int vocab;
};

int sampler_init(struct sampler *s, const struct sampler_settings *set, int vocab, uint64_t seed, struct err *e);
void sampler_done(struct sampler *s);
/* Picks from logits [V], which are changed. Ids with NaN logits are never picked; all NaN: -1. Ids >= limit (the tokenizer's size; 0: none) are never picked.
 * The result is remembered for `repeat`. */
int sampler_pick(struct sampler *s, float *logits, int limit);

#endif
