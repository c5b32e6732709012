/* stories.c: the built-in corpus. The words are in assets/stories/, how they are put together in grammar.c.
 * SPDX-License-Identifier: MIT */
#include "text/stories.h"

#include <ctype.h>
#include <stdio.h>

#include "base/file.h"
#include "base/mem.h"
#include "text/grammar.h"
#include "text/hash.h"

static const char *const files[] = {"stories/grammar.txt", "stories/lexicon.txt"};
enum { FILE_MAX = 4 << 20, WORDS_MIN = 80, WORDS_MAX = 250, TRIES_MAX = 200 };

static int read_grammar(struct grammar *g, uint64_t *hash, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		char path[4096];
		struct str text = {0};
		int rc = file_asset(path, sizeof path, files[i], e);
		if (!rc)
			rc = file_read(&text, path, "stories", FILE_MAX, e);
		if (!rc && g)
			rc = grammar_add(g, text.s, text.len, files[i], e);
		if (!rc && hash)
			*hash = text_hash(*hash, text.s, text.len);
		str_done(&text);
		if (rc)
			return rc;
	}
	return g ? grammar_link(g, e) : 0;
}

int stories_hash(uint64_t *hash, struct err *e)
{
	*hash = 3;
	return read_grammar(NULL, hash, e);
}

static int count_words(const char *s, size_t n)
{
	int words = 0, in = 0;
	for (size_t i = 0; i < n; i++) {
		int now = !isspace((unsigned char)s[i]);
		words += now && !in;
		in = now;
	}
	return words;
}

/* A story of a length that was promised; one that is not is told anew. */
static int add_story(struct grammar *g, struct rng *r, struct str *out, struct err *e)
{
	size_t begin = out->len;
	for (int i = 0; i < TRIES_MAX; i++) {
		int rc = grammar_expand(g, "story", r, out, e);
		if (rc)
			return rc;
		int words = count_words(out->s + begin, out->len - begin);
		if (words >= WORDS_MIN && words <= WORDS_MAX)
			return 0;
		out->len = begin;
	}
	return err_set(e, ERR_FORMAT, "stories: no story of %d to %d words in %d tries", WORDS_MIN, WORDS_MAX, TRIES_MAX);
}

int stories_generate(struct str *out, size_t bytes, uint64_t seed, struct err *e)
{
	struct grammar *g = grammar_new();
	struct rng r;
	rng_seed(&r, rng_mix(seed, 0x73746f72));
	int rc = g ? read_grammar(g, NULL, e) : err_nomem(e, "stories", bytes);
	size_t begin = out->len;
	while (!rc && out->len - begin < bytes) {
		if (out->len > begin)
			str_puts(out, "\n\n");
		rc = add_story(g, &r, out, e);
	}
	if (!rc)
		str_putc(out, '\n');
	if (!rc && out->failed)
		rc = err_nomem(e, "stories", bytes);
	grammar_free(g);
	return rc;
}
