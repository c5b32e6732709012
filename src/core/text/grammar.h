/* grammar.h: text from a grammar: rules with weighted alternatives, and words that are remembered within one text. Knows no story.
 *
 * The format is explained at the head of assets/stories/grammar.txt.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TEXT_GRAMMAR_H
#define ANETUI_TEXT_GRAMMAR_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/rng.h"
#include "base/str.h"

struct grammar;

struct grammar *grammar_new(void);
void grammar_free(struct grammar *g);
/* Adds the rules of one file. Errors name it and the line. */
int grammar_add(struct grammar *g, const char *text, size_t n, const char *file, struct err *e);
/* After all files: every name that is used must be there. */
int grammar_link(struct grammar *g, struct err *e);
/* Appends one text from `rule`. Articles are chosen, blanks tidied. A word that is asked for before it was chosen is an error. */
int grammar_expand(struct grammar *g, const char *rule, struct rng *r, struct str *out, struct err *e);

#endif
