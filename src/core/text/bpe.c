/* bpe.c: our own byte-level BPE from its list of merges, and the encoding of one piece. Training is in bpe_train.c.
 *
 * Ids: 0 the separator (no bytes), 1..256 the bytes 0..255, then one id for each merge, in the order in which they were learned. Encoding
 * merges the pair that was learned first, again and again; pieces are at most SPLIT_MAX bytes long.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "text/hash.h"
#include "text/split.h"
#include "text/vocab.h"

static int add_bytes(struct tokenizer *t)
{
	if (vocab_add_piece(t, "", 0, TOKENIZER_CONTROL))
		return -1;
	for (int b = 0; b < 256; b++) {
		char c = (char)b;
		if (vocab_add_piece(t, &c, 1, TOKENIZER_NORMAL))
			return -1;
	}
	return 0;
}

static int add_merge(struct tokenizer *t, int a, int b, struct err *e)
{
	int id = (int)t->noff;
	if (a < 1 || b < 1 || a >= id || b >= id)
		return err_set(e, ERR_FORMAT, "tokenizer: merge %d: joins ids %d and %d, ids 1 to %d are there", id - 257, a, b, id - 1);
	size_t na = t->off[a + 1] - t->off[a], nb = t->off[b + 1] - t->off[b];
	if (na + nb > SPLIT_MAX)
		return err_set(e, ERR_FORMAT, "tokenizer: merge %d: %zu bytes long, at most %d can be", id - 257, na + nb, SPLIT_MAX);
	if (idmap_get(&t->pair, pair_key(a, b)) >= 0)
		return err_set(e, ERR_FORMAT, "tokenizer: merge %d: joins ids %d and %d a second time", id - 257, a, b);
	char s[SPLIT_MAX];
	memcpy(s, t->bytes + t->off[a], na);
	memcpy(s + na, t->bytes + t->off[b], nb);
	t->merge[id - 257][0] = a;
	t->merge[id - 257][1] = b;
	if (idmap_put(&t->pair, pair_key(a, b), id) || vocab_add_piece(t, s, na + nb, TOKENIZER_NORMAL))
		return err_nomem(e, "tokenizer", t->nbytes);
	return 0;
}

struct tokenizer *bpe_new(const int (*merge)[2], int nmerge, struct err *e)
{
	struct tokenizer *t = mem_zalloc(1, sizeof *t);
	if (!t || !(t->merge = mem_zalloc((size_t)nmerge, sizeof *t->merge)) || add_bytes(t)) {
		err_nomem(e, "tokenizer", (unsigned long long)nmerge * sizeof *merge);
		tokenizer_free(t);
		return NULL;
	}
	for (int i = 0; i < nmerge; i++)
		if (add_merge(t, merge[i][0], merge[i][1], e)) {
			tokenizer_free(t);
			return NULL;
		}
	t->info = (struct tokenizer_info){.kind = TOKENIZER_BPE, .vocab = 257 + nmerge, .add_bos = 1};
	t->algorithm = TOKENIZER_BY_MERGES;
	t->split = TOKENIZER_SPLIT_OURS;
	t->nmerge = nmerge;
	t->unk = t->pad = -1;
	uint64_t h = text_hash(1, &t->info.vocab, sizeof t->info.vocab);
	t->info.hash = text_hash(h, t->merge, (size_t)nmerge * sizeof *t->merge);
	snprintf(t->info.name, sizeof t->info.name, "bpe %d", t->info.vocab);
	return t;
}

int bpe_piece_ids(const struct tokenizer *t, const char *s, size_t n, int *id)
{
	int len = (int)n, next[SPLIT_MAX];
	for (int i = 0; i < len; i++)
		id[i] = (unsigned char)s[i] + 1;
	for (int i = 0; i + 1 < len; i++)
		next[i] = idmap_get(&t->pair, pair_key(id[i], id[i + 1]));
	for (;;) {
		int best = -1;
		for (int i = 0; i + 1 < len; i++)
			if (next[i] >= 0 && (best < 0 || next[i] < next[best]))
				best = i;
		if (best < 0)
			return len;
		id[best] = next[best];
		len--;
		memmove(id + best + 1, id + best + 2, (size_t)(len - best - 1) * sizeof *id);
		memmove(next + best, next + best + 1, (size_t)(len - best) * sizeof *next);
		if (best > 0)
			next[best - 1] = idmap_get(&t->pair, pair_key(id[best - 1], id[best]));
		if (best + 1 < len)
			next[best] = idmap_get(&t->pair, pair_key(id[best], id[best + 1]));
	}
}
