/* byte_alphabet.c: bytes as printable characters and back.
 * SPDX-License-Identifier: MIT */
#include "text/byte_alphabet.h"

#include <stdint.h>

#include "base/utf8.h"

enum { FIRST_OTHER = 0x100, NOTHER = 68 };

static int prints(int b)
{
	return (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
}

/* The bytes that do not print are 0..0x20, 0x7f..0xa0 and 0xad. */
static int other_byte(uint32_t k)
{
	return (int)(k <= 0x20 ? k : k <= 0x42 ? k - 0x21 + 0x7f : 0xad);
}

static uint32_t other_number(int b)
{
	return (uint32_t)(b <= 0x20 ? b : b <= 0xa0 ? b - 0x7f + 0x21 : 0x43);
}

int byte_alphabet_read(const char *s, size_t n, struct str *out)
{
	size_t before = out->len;
	for (size_t i = 0; i < n;) {
		uint32_t cp;
		int k = utf8_decode(s + i, n - i, &cp);
		int b = k <= 0 ? -1 : cp < FIRST_OTHER ? (prints((int)cp) ? (int)cp : -1) : cp < FIRST_OTHER + NOTHER ? other_byte(cp - FIRST_OTHER) : -1;
		if (b < 0) {
			if (!out->failed && out->s)
				out->s[out->len = before] = 0;
			return -1;
		}
		str_putc(out, (char)b);
		i += (size_t)k;
	}
	return 0;
}

void byte_alphabet_write(const char *s, size_t n, struct str *out)
{
	for (size_t i = 0; i < n; i++) {
		char c[4];
		int b = (unsigned char)s[i];
		str_add(out, c, (size_t)utf8_encode(prints(b) ? (uint32_t)b : FIRST_OTHER + other_number(b), c));
	}
}
