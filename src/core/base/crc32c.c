/* crc32c.c: by instruction or by table.
 * SPDX-License-Identifier: MIT */
#include "base/crc32c.h"

#include <string.h>
#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

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

static int have_instruction(void)
{
	return __builtin_cpu_supports("sse4.2") != 0;
}
#elif defined(__aarch64__)
static uint32_t by_instruction(uint32_t c, const unsigned char *p, size_t n)
{
	uint64_t v;
	for (; n >= 8; n -= 8, p += 8) {
		memcpy(&v, p, 8);
		__asm__(".arch_extension crc\n\tcrc32cx %w0, %w0, %x1" : "+r"(c) : "r"(v));
	}
	for (; n; n--, p++)
		__asm__(".arch_extension crc\n\tcrc32cb %w0, %w0, %w1" : "+r"(c) : "r"((uint32_t)*p));
	return c;
}

static int have_instruction(void)
{
#if defined(__linux__)
	return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0;
#else
	return 1; /* every Mac has it */
#endif
}
#else
static uint32_t by_instruction(uint32_t c, const unsigned char *p, size_t n)
{
	return by_table(c, p, n);
}

static int have_instruction(void)
{
	return 0;
}
#endif

uint32_t crc32c(uint32_t crc, const void *data, size_t n)
{
	return ~(have_instruction() ? by_instruction : by_table)(~crc, data, n);
}
