/* sample.h: text from a model: prefill and decode with a KV cache, and picking the next id. Host code in fp32, on request over 8-bit weights, the same on every device.
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
/* Bytes that a decoder takes for a window of n ids: the cache's part of it, and scratch for that many threads. */
void decoder_bytes(uint64_t *cache, uint64_t *scratch, const struct model_config *c, int threads, int n);
struct decoder *decoder_new(const struct params *p, struct pool *pool, struct err *e);
void decoder_free(struct decoder *d);
/* on: makes an 8-bit copy of the matrices as they are now (int8.h), or makes it anew; ids that are fed one by one then go through it, until the next call. Weights that are not
 * finite make all sums of theirs NaN. off: lets the copy go. ERR_NOMEM: there is no room for it, nothing has changed. */
int decoder_int8(struct decoder *d, int on, struct err *e);
uint64_t decoder_int8_bytes(const struct model_config *c);
void decoder_reset(struct decoder *d);
/* Feeds n ids (several at once as matrix products) and points *logits at [V] for the position after the last; NULL is allowed. The logits are the caller's
 * to change until the next call. Past the end of the context the window slides by half: the kept half is fed anew, and decoder_slides counts. cancel may
 * be NULL; it is looked at before every layer of every chunk (128 positions). ERR_NOMEM: there is no memory for so long a window. ERR_RANGE: an id outside the vocabulary, nothing is fed. ERR_CANCEL: the ids are in the
 * window; a call with n = 0 feeds what is missing. */
int decoder_next(struct decoder *d, const int *id, int n, float **logits, const atomic_int *cancel, struct err *e);
int decoder_slides(const struct decoder *d);
/* Ids in the window now: 0..context. */
int decoder_position(const struct decoder *d);

/* Applied in this order: repeat, temperature, top_k, top_p (of what top_k left), min_p; the rest is renormalised and drawn from. */
struct sampler_settings {
	float temperature;  /* 0: greedy, the lowest id on ties */
	int top_k;          /* 0: off */
	float top_p;        /* 1: off */
	float min_p;        /* 0: off; a fraction of the likeliest id's probability */
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

/* ERR_RANGE names the key of a setting that is out of its range. */
int sampler_init(struct sampler *s, const struct sampler_settings *set, int vocab, uint64_t seed, struct err *e);
void sampler_done(struct sampler *s);
/* Remembers an id that was not picked here (the prompt's), for `repeat`. */
void sampler_note(struct sampler *s, int id);
/* Picks from logits [V], which are changed. Ids with logits NaN or -inf are never picked; none left: -1. Ids >= limit (the tokenizer's size; 0: none) are never picked.
 * The result is remembered for `repeat`. */
int sampler_pick(struct sampler *s, float *logits, int limit);

#endif
