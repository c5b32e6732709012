/* encoder.c: text to ids, piece by piece, remembering the ids of short pieces. Both kinds of tokenizer.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "text/hash.h"
#include "text/split.h"
#include "text/vocab.h"

enum { MEMO_SLOTS = 1 << 13, MEMO_KEY = 22, MEMO_IDS = 10 };

/* One cache line. A later piece of the same slot takes its place. */
struct memo {
	unsigned char len, n; /* len 0: empty */
	char key[MEMO_KEY];
	int id[MEMO_IDS];
};

struct encoder {
	const struct tokenizer *t;
	struct memo memo[MEMO_SLOTS];
};

struct encoder *encoder_new(const struct tokenizer *t)
{
	struct encoder *c = mem_zalloc(1, sizeof *c);
	if (c)
		c->t = t;
	return c;
}

void encoder_free(struct encoder *c)
{
	free(c);
}

static struct memo *memo_slot(struct encoder *c, const char *s, size_t n)
{
	return &c->memo[word_hash(s, n) & (MEMO_SLOTS - 1)];
}

static int encode_piece(const struct tokenizer *t, const char *s, size_t n, struct ids *out, struct err *e)
{
	if (t->info.kind == TOKENIZER_LLAMA2C)
		return spm_part_ids(t, s, n, out, e);
	if (mem_grow(&out->id, &out->cap, out->n + n, sizeof *out->id))
		return err_nomem(e, "tokenizer", (out->n + n) * sizeof *out->id);
	out->n += (size_t)bpe_piece_ids(t, s, n, out->id + out->n);
	return 0;
}

static int encode_known(struct encoder *c, const char *s, size_t n, struct ids *out, struct err *e)
{
	if (n > MEMO_KEY)
		return encode_piece(c->t, s, n, out, e);
	struct memo *m = memo_slot(c, s, n);
	if (m->len != n || memcmp(m->key, s, n)) {
		size_t before = out->n;
		int rc = encode_piece(c->t, s, n, out, e);
		if (rc || out->n - before > MEMO_IDS)
			return rc;
		m->len = (unsigned char)n;
		m->n = (unsigned char)(out->n - before);
		memcpy(m->key, s, n);
		memcpy(m->id, out->id + before, m->n * sizeof *m->id);
		return 0;
	}
	if (mem_grow(&out->id, &out->cap, out->n + m->n, sizeof *out->id))
		return err_nomem(e, "tokenizer", (out->n + m->n) * sizeof *out->id);
	memcpy(out->id + out->n, m->id, m->n * sizeof *m->id);
	out->n += m->n;
	return 0;
}

int encoder_run(struct encoder *c, const char *text, size_t n, size_t *pos, size_t want, struct ids *out, struct err *e)
{
	int ours = c->t->info.kind == TOKENIZER_BPE;
	for (size_t end = want < n - *pos ? *pos + want : n; *pos < end;) {
		const char *s = text + *pos;
		size_t k = ours ? split_next(s, n - *pos) : spm_next(c->t, s, n - *pos);
		int rc = encode_known(c, s, k, out, e);
		if (rc)
			return rc;
		*pos += k;
	}
	return 0;
}
