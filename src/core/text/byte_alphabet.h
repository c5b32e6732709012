/* byte_alphabet.h: the printable characters that files of byte-level BPE write for bytes. GPT-2's table: bytes that print in Latin-1 stand for themselves, the
 * other 68 are U+0100 and on, in order.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TEXT_BYTE_ALPHABET_H
#define ANETUI_TEXT_BYTE_ALPHABET_H

#include <stddef.h>

#include "base/str.h"

/* The bytes that n bytes of such text stand for, appended; -1 (out as it was) when a character is not of the alphabet. */
int byte_alphabet_read(const char *s, size_t n, struct str *out);
void byte_alphabet_write(const char *s, size_t n, struct str *out);

#endif
