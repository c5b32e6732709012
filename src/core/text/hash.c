/* hash.c: multiply and fold, two lanes of eight bytes, so that the processor has two chains to work on.
 * SPDX-License-Identifier: MIT */
#include "text/hash.h"

#include <string.h>

#include "base/rng.h"

static uint64_t word_at(const unsigned char *p, size_t n)
{
	uint64_t w = 0;
	for (size_t i = 0; i < n; i++)
		w |= (uint64_t)p[i] << 8 * i;
	return w;
}

static uint64_t fold(uint64_t h, uint64_t w)
{
	h = (h ^ w) * 0x9fb21c651e98df25u;
	return h ^ h >> 29;
}

uint64_t text_hash(uint64_t seed, const void *data, size_t n)
{
	const unsigned char *p = data;
	uint64_t a = rng_mix(seed, n), b = rng_mix(a, 1);
	size_t i = 0;
	for (; i + 16 <= n; i += 16) {
		a = fold(a, word_at(p + i, 8));
		b = fold(b, word_at(p + i + 8, 8));
	}
	for (; i < n; i += 8)
		a = fold(a, word_at(p + i, n - i < 8 ? n - i : 8));
	return rng_mix(a, b);
}
