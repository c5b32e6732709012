/* utf8.c: strict UTF-8 (RFC 3629).
 * SPDX-License-Identifier: MIT */
#include "base/utf8.h"

#include <string.h>

int utf8_decode(const char *str, size_t n, uint32_t *cp)
{
	const unsigned char *s = (const unsigned char *)str;
	if (n == 0)
		return -2;
	if (s[0] < 0x80) {
		*cp = s[0];
		return 1;
	}
	int len = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return -1;
	uint32_t v = s[0] & (0xffu >> (len + 1));
	for (int i = 1; i < len; i++) {
		if ((size_t)i >= n)
			return -2;
		unsigned lo = 0x80, hi = 0xbf;
		if (i == 1) {
			lo = s[0] == 0xe0 ? 0xa0 : s[0] == 0xf0 ? 0x90 : lo;
			hi = s[0] == 0xed ? 0x9f : s[0] == 0xf4 ? 0x8f : hi;
		}
		if (s[i] < lo || s[i] > hi)
			return -1;
		v = v << 6 | (s[i] & 0x3f);
	}
	*cp = v;
	return len;
}

int utf8_encode(uint32_t cp, char out[4])
{
	if (cp < 0x80) {
		out[0] = (char)cp;
		return 1;
	}
	if (cp < 0x800) {
		out[0] = (char)(0xc0 | cp >> 6);
		out[1] = (char)(0x80 | (cp & 0x3f));
		return 2;
	}
	if (cp < 0x10000) {
		if (cp >= 0xd800 && cp < 0xe000)
			return 0;
		out[0] = (char)(0xe0 | cp >> 12);
		out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
		out[2] = (char)(0x80 | (cp & 0x3f));
		return 3;
	}
	if (cp > 0x10ffff)
		return 0;
	out[0] = (char)(0xf0 | cp >> 18);
	out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
	out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
	out[3] = (char)(0x80 | (cp & 0x3f));
	return 4;
}

size_t utf8_chunk(const char *s, size_t n, size_t max)
{
	if (n <= max)
		return n;
	/* A character has at most three bytes behind its first. */
	for (size_t k = max; k + 3 >= max; k--)
		if (((unsigned char)s[k] & 0xc0) != 0x80)
			return k;
	return max;
}

void utf8_one_line(char *s)
{
	for (size_t n = strlen(s); n;) {
		uint32_t cp = 0;
		int k = utf8_decode(s, n, &cp), bad = k < 0 || cp < 32 || (cp >= 127 && cp < 160);
		size_t len = k < 0 ? 1 : (size_t)k;
		if (bad)
			memset(s, '?', len);
		s += len;
		n -= len;
	}
}
