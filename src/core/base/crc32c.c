/* crc32c.c: by instruction or by table.
 *
 * The instruction gives a result every cycle and takes three until it is there, so three stretches are summed side by side and joined: 7 GB/s become 20 (one core, in a cache).
 * Joining: appending bytes multiplies the remainder by x to the power of their bits, modulo the polynomial.
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

/* --- joining --- */

/* Bit 31 is the coefficient of x^0, as in the sums themselves. */
static uint32_t times(uint32_t a, uint32_t b)
{
	uint32_t p = 0;
	for (uint32_t m = 1u << 31; m; m >>= 1) {
		if (a & m)
			p ^= b;
		b = b >> 1 ^ (b & 1 ? 0x82f63b78u : 0);
	}
	return p;
}

/* x^(8 n) */
static uint32_t power(uint64_t n)
{
	uint32_t p = 1u << 31, square = 1u << 23; /* 1, x^8 */
	for (; n; n >>= 1) {
		if (n & 1)
			p = times(square, p);
		square = times(square, square);
	}
	return p;
}

uint32_t crc32c_join(uint32_t a, uint32_t b, uint64_t bytes)
{
	return times(power(bytes), a) ^ b;
}

/* --- by instruction --- */

enum { STRETCH = 16384 };

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static void three(uint32_t c[3], const unsigned char *p)
{
	uint64_t v[3] = {c[0], c[1], c[2]}, w[3];
	for (size_t i = 0; i < STRETCH; i += 8) {
		memcpy(&w[0], p + i, 8);
		memcpy(&w[1], p + STRETCH + i, 8);
		memcpy(&w[2], p + 2 * STRETCH + i, 8);
		v[0] = __builtin_ia32_crc32di(v[0], w[0]);
		v[1] = __builtin_ia32_crc32di(v[1], w[1]);
		v[2] = __builtin_ia32_crc32di(v[2], w[2]);
	}
	for (int k = 0; k < 3; k++)
		c[k] = (uint32_t)v[k];
}

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
static void three(uint32_t c[3], const unsigned char *p)
{
	uint64_t w[3];
	for (size_t i = 0; i < STRETCH; i += 8) {
		memcpy(&w[0], p + i, 8);
		memcpy(&w[1], p + STRETCH + i, 8);
		memcpy(&w[2], p + 2 * STRETCH + i, 8);
		for (int k = 0; k < 3; k++)
			__asm__(".arch_extension crc\n\tcrc32cx %w0, %w0, %x1" : "+r"(c[k]) : "r"(w[k]));
	}
}

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

static void three(uint32_t c[3], const unsigned char *p)
{
	for (size_t k = 0; k < 3; k++)
		c[k] = by_table(c[k], p + k * STRETCH, STRETCH);
}

static int have_instruction(void)
{
	return 0;
}
#endif

/* The sums here are without the final complement: then the first stretch takes what came before, and the others begin at zero. */
static uint32_t by_threes(uint32_t c, const unsigned char *p, size_t n)
{
	uint32_t over = n >= 3 * STRETCH ? power(STRETCH) : 0;
	for (; n >= 3 * STRETCH; n -= 3 * STRETCH, p += 3 * STRETCH) {
		uint32_t part[3] = {c, 0, 0};
		three(part, p);
		c = times(over, times(over, part[0]) ^ part[1]) ^ part[2];
	}
	return by_instruction(c, p, n);
}

uint32_t crc32c(uint32_t crc, const void *data, size_t n)
{
	return ~(have_instruction() ? by_threes : by_table)(~crc, data, n);
}
