/* stories.h: the built-in corpus: a seeded generator of short children's stories from the grammar and lexicon in assets/. Deterministic.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TEXT_STORIES_H
#define ANETUI_TEXT_STORIES_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

/* At least `bytes` of stories from `seed`, one after the other; between two stories stands one empty line ("\n\n"), never inside one. */
int stories_generate(struct str *out, size_t bytes, uint64_t seed, struct err *e);

/* What the corpus depends on beside seed and size: the contents of the grammar files. Names cached corpora. */
int stories_hash(uint64_t *hash, struct err *e);

#endif
