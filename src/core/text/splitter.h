/* splitter.h: cuts valid UTF-8 by the regular expressions that byte-level BPE vocabularies were trained with (PCRE2). Our own split is split.h.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TEXT_SPLITTER_H
#define ANETUI_TEXT_SPLITTER_H

#include <stddef.h>

#include "base/err.h"
#include "text/tokenizer_parts.h"

/* A compiled expression: shared by all threads. NONE: *out is NULL. */
struct splitter;
int splitter_new(struct splitter **out, enum tokenizer_split split, struct err *e);
void splitter_free(struct splitter *s);

/* What one thread needs to match. */
struct split_state;
struct split_state *split_state_new(const struct splitter *s); /* NULL: memory */
void split_state_free(struct split_state *m);
/* Where the piece that begins at s[from] ends. Only bytes in front of s[n] are looked at; s[n] counts as the end of the text. s without a splitter: n. */
size_t split_state_next(struct split_state *m, const char *s, size_t n, size_t from);

/* Unicode's White_Space, which is what \s means in these expressions. */
int split_is_space(unsigned cp);

/* The expression as tokenizer.json files write it, and which one such a text is; NULL, -1: none. */
const char *splitter_pattern(enum tokenizer_split split);
int splitter_find(const char *pattern);

#endif
