/* split.h: cuts text into the pieces that byte-level BPE never merges across. Knows no vocabulary.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TEXT_SPLIT_H
#define ANETUI_TEXT_SPLIT_H

#include <stddef.h>

/* No piece is longer, whatever the text: so nothing that works on one piece can become slow. */
enum { SPLIT_MAX = 64 };

/* The length of the piece at s (n > 0 bytes of text follow, up to the text's end): at most one leading blank and then a run of letters (with
 * apostrophes inside: "don't"), of digits, or of other signs; or a run of white space, without the blank that belongs to what
 * follows it. Beyond ASCII: hiragana, katakana and Chinese characters are runs of their own, general and CJK punctuation are signs, everything
 * else, also bytes that are no UTF-8, counts as letters. Depends only on the bytes from s on. */
size_t split_next(const char *s, size_t n);

#endif
