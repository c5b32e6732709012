/* crc32c.c: by instruction or by table.
 * SPDX-License-Identifier: MIT */
#include "base/crc32c.h"

#include <string.h>

static uint32_t by_table(uint32_t c, const unsigned char *p, size_t n)
{
	static uint32_t table[256];
	static int ready; /* a race writes the same values twice */
	if (!__atomic_load_n(&ready, __ATOMIC_ACQUIRE)) {
		for (uint32_t i = 0; i < 256; i++) {
			uint32_t v = i;
			for (int k = 0; k < 8; k++)
				v = v >> 1 ^ (v & 1 ? 0x82f63b78u : 0);
			__atomic_store_n(&table[i], v, __ATOMIC_RELAXED);
		}
		__atomic_store_n(&ready, 1, __ATOMIC_RELEASE);
	}
	for (size_t i = 0; i < n; i++)
		c = c >> 8 ^ table[(c ^ p[i]) & 255];
	return c;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t c, const unsigned char *p, size_t n)
{
	uint64_t v = c, w;
	for (; n >= 8; n -= 8, p += 8) {
		memcpy(&w, p, 8);
		v = __builtin_ia32_crc32di(v, w);
	}
	c = (uint32_t)v;
	for (; n; n--, p++)
		c = __builtin_ia32_crc32qi(c, *p);
	return c;
}
#endif

uint32_t crc32c(uint32_t crc, const void *data, size_t n)
{
	uint32_t c = ~crc;
#if defined(__x86_64__)
	if (__builtin_cpu_supports("sse4.2"))
		return ~by_instruction(c, data, n);
#endif
	return ~by_table(c, data, n);
}
