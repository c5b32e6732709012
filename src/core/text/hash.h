/* hash.h: a 64-bit hash of bytes, for naming cache files and telling tokenizers apart. Not for secrets.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TEXT_HASH_H
#define ANETUI_TEXT_HASH_H

#include <stddef.h>
#include <stdint.h>

/* The same on every machine. Several GB/s. `seed` chains: text_hash(text_hash(0, a), b) tells (a, b) from (b, a). */
uint64_t text_hash(uint64_t seed, const void *data, size_t n);

/* FNV-1a, for tables of words: a few bytes cost less than text_hash takes to begin. */
static inline uint32_t word_hash(const char *s, size_t n)
{
	uint32_t h = 2166136261u;
	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)s[i]) * 16777619u;
	return h ^ h >> 15;
}

#endif
