/* split.c: the pre-split of byte-level BPE.
 * SPDX-License-Identifier: MIT */
#include "text/split.h"

#include <stdint.h>

#include "base/utf8.h"

enum sign { SIGN_LETTER, SIGN_DIGIT, SIGN_OTHER, SIGN_SPACE, SIGN_HIRAGANA, SIGN_KATAKANA, SIGN_HAN };

static enum sign ascii_sign(unsigned char c)
{
	if ((c | 32) >= 'a' && (c | 32) <= 'z')
		return SIGN_LETTER;
	if (c >= '0' && c <= '9')
		return SIGN_DIGIT;
	return c == ' ' || (c >= '\t' && c <= '\r') ? SIGN_SPACE : SIGN_OTHER;
}

static enum sign wide_sign(uint32_t cp)
{
	if (cp >= 0x3041 && cp <= 0x309f)
		return SIGN_HIRAGANA;
	if ((cp >= 0x30a1 && cp <= 0x30ff && cp != 0x30fb) || (cp >= 0xff66 && cp <= 0xff9f))
		return SIGN_KATAKANA;
	if (cp == 0x3005 || (cp >= 0x3400 && cp <= 0x9fff) || (cp >= 0xf900 && cp <= 0xfaff) || (cp >= 0x20000 && cp <= 0x3ffff))
		return SIGN_HAN;
	if ((cp >= 0x2000 && cp <= 0x206f) || (cp >= 0x3000 && cp <= 0x303f) || cp == 0x30fb || (cp >= 0xff01 && cp <= 0xff0f))
		return SIGN_OTHER;
	return SIGN_LETTER;
}

static enum sign sign_at(const char *s, size_t n, size_t *len)
{
	*len = 1;
	if ((unsigned char)*s < 0x80)
		return ascii_sign((unsigned char)*s);
	uint32_t cp;
	int k = utf8_decode(s, n, &cp);
	if (k < 0)
		return SIGN_LETTER;
	*len = (size_t)k;
	return wide_sign(cp);
}

static int is_space(char c)
{
	return (unsigned char)c < 0x80 && ascii_sign((unsigned char)c) == SIGN_SPACE;
}

static size_t space_run(const char *s, size_t n)
{
	size_t i = 1;
	while (i < n && i < SPLIT_MAX && is_space(s[i]))
		i++;
	if (i > 1 && i < n && s[i - 1] == ' ' && !is_space(s[i]))
		i--;
	return i;
}

/* "don't" is one word: an apostrophe between ASCII letters. */
static int inner_apostrophe(const char *s, size_t n, size_t i)
{
	return s[i] == '\'' && i + 1 < n && (unsigned char)s[i + 1] < 0x80 && ascii_sign((unsigned char)s[i + 1]) == SIGN_LETTER;
}

size_t split_next(const char *s, size_t n)
{
	size_t i = 0, len;
	if (is_space(*s)) {
		if (*s != ' ' || n == 1 || is_space(s[1]))
			return space_run(s, n);
		i = 1;
	}
	enum sign first = sign_at(s + i, n - i, &len);
	for (i += len; i < n; i += len) {
		enum sign g = sign_at(s + i, n - i, &len);
		if (g != first && !(first == SIGN_LETTER && inner_apostrophe(s, n, i)))
			break;
		if (i + len > SPLIT_MAX)
			break;
	}
	return i;
}
