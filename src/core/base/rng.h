/* rng.h: seeded random numbers with a state that can be saved. Not for secrets.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_BASE_RNG_H
#define ANETUI_BASE_RNG_H

#include <stdint.h>

/* xoshiro256** 1.0 (Blackman, Vigna 2018), seeded through splitmix64. The four words are all there is to save. */
struct rng {
	uint64_t s[4];
};

void rng_seed(struct rng *r, uint64_t seed);
uint64_t rng_u64(struct rng *r);
/* Uniform in 0..n-1, without bias (Lemire 2019); n > 0. */
uint64_t rng_below(struct rng *r, uint64_t n);
/* Uniform in [0, 1): 53 bits. */
double rng_double(struct rng *r);
/* Standard normal (Box-Muller, the second value is not kept so that the state stays four words). */
double rng_normal(struct rng *r);
/* A well mixed hash of two words: for states derived from (seed, purpose). */
uint64_t rng_mix(uint64_t a, uint64_t b);

#endif
