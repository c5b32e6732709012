/* utf8.h: strict UTF-8, one code point at a time. Display width is the screen's business.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_BASE_UTF8_H
#define ANETUI_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of the code point at s (1..4), stored in *cp; -1 when the bytes are no UTF-8 (also overlong forms and
 * surrogates); -2 when the n bytes are a proper beginning that needs more (a token may end inside a character). */
int utf8_decode(const char *s, size_t n, uint32_t *cp);
/* Writes cp to out, returns the number of bytes; 0 for surrogates and beyond U+10FFFF. */
int utf8_encode(uint32_t cp, char out[4]);

/* Makes s one line that steers no terminal: `?` in the place of each byte of control characters (also line ends and tabs) and of what is no UTF-8.
 * For messages that quote names and contents of files. */
void utf8_one_line(char *s);

/* How many of the n bytes at s go into a chunk of at most max bytes (max >= 4) without cutting a character. Bytes that are no UTF-8 are cut anywhere. */
size_t utf8_chunk(const char *s, size_t n, size_t max);

#endif
