/* merges.c: byte-level BPE from any list of merges, and the encoding of one piece of the split. Our own tokenizers, which need less, are in bpe.c.
 *
 * The pair that stands first in the list is merged, the leftmost of equals first, until no pair of neighbours is in it. Short pieces are searched from end to
 * end for each merge; long ones keep their pairs in a heap, so that a line without a blank costs n log n.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "text/vocab.h"

enum { SHORT = 64 };

static int add_pieces(struct tokenizer *t, const struct tokenizer_parts *p, const char *name, struct err *e)
{
	for (int id = 0; id < p->vocab; id++) {
		const char *s = p->bytes.s + p->off[id];
		size_t n = p->off[id + 1] - p->off[id];
		if (p->type[id] == TOKENIZER_BYTE)
			return err_set(e, ERR_FORMAT, "tokenizer: %s: id %d: a byte's piece beside merges of bytes", name, id);
		if (vocab_add_piece(t, s, n, p->type[id]) || (p->type[id] == TOKENIZER_NORMAL && n && vocab_index(t, id)))
			return err_nomem(e, "tokenizer", p->bytes.len);
	}
	for (int b = 0; b < 256; b++) {
		char c = (char)b;
		if ((t->byte_id[b] = vocab_find(t, &c, 1)) < 0)
			return err_set(e, ERR_FORMAT, "tokenizer: %s: byte 0x%02x has no piece: not all text could be encoded", name, b);
	}
	return 0;
}

/* The id that a merge makes, or -1. */
static int whole(const struct tokenizer *t, int a, int b, struct str *aside)
{
	str_clear(aside);
	str_add(aside, t->bytes + t->off[a], t->off[a + 1] - t->off[a]);
	str_add(aside, t->bytes + t->off[b], t->off[b + 1] - t->off[b]);
	return aside->failed ? -1 : vocab_find(t, aside->s, aside->len);
}

static int add_merges(struct tokenizer *t, const struct tokenizer_parts *p, const char *name, struct err *e)
{
	struct str aside = {0};
	int rc = 0;
	t->nmerge = p->nmerge;
	t->merge = mem_zalloc((size_t)p->nmerge + 1, sizeof *t->merge);
	t->made = mem_zalloc((size_t)p->nmerge + 1, sizeof *t->made);
	if (!t->merge || !t->made)
		return err_nomem(e, "tokenizer", (unsigned long long)p->nmerge * 12);
	for (int i = 0; i < p->nmerge && !rc; i++) {
		int a = p->merge[i][0], b = p->merge[i][1];
		t->merge[i][0] = a;
		t->merge[i][1] = b;
		t->made[i] = whole(t, a, b, &aside);
		if (t->made[i] < 0)
			rc = err_set(e, ERR_FORMAT, "tokenizer: %s: merge %d: ids %d and %d together are no piece of the vocabulary", name, i, a, b);
		else if (idmap_get(&t->pair, pair_key(a, b)) >= 0)
			rc = err_set(e, ERR_FORMAT, "tokenizer: %s: merge %d: joins ids %d and %d a second time", name, i, a, b);
		else if (idmap_put(&t->pair, pair_key(a, b), i))
			rc = err_nomem(e, "tokenizer", t->pair.n * 24);
	}
	str_done(&aside);
	return rc;
}

struct tokenizer *merges_new(const struct tokenizer_parts *p, const char *name, struct err *e)
{
	struct tokenizer *t = mem_zalloc(1, sizeof *t);
	int rc = t ? add_pieces(t, p, name, e) : err_nomem(e, "tokenizer", sizeof *t);
	if (!rc)
		rc = add_merges(t, p, name, e);
	if (rc) {
		tokenizer_free(t);
		return NULL;
	}
	t->algorithm = TOKENIZER_BY_MERGES;
	return t;
}

/* --- encoding --- */

/* n <= SHORT; the ids into id, how many. */
static int short_ids(const struct tokenizer *t, const char *s, size_t n, int *id)
{
	int len = (int)n, next[SHORT];
	for (int i = 0; i < len; i++)
		id[i] = t->byte_id[(unsigned char)s[i]];
	for (int i = 0; i + 1 < len; i++)
		next[i] = idmap_get(&t->pair, pair_key(id[i], id[i + 1]));
	for (;;) {
		int best = -1;
		for (int i = 0; i + 1 < len; i++)
			if (next[i] >= 0 && (best < 0 || next[i] < next[best]))
				best = i;
		if (best < 0)
			return len;
		id[best] = t->made[next[best]];
		len--;
		memmove(id + best + 1, id + best + 2, (size_t)(len - best - 1) * sizeof *id);
		memmove(next + best, next + best + 1, (size_t)(len - best) * sizeof *next);
		if (best > 0)
			next[best - 1] = idmap_get(&t->pair, pair_key(id[best - 1], id[best]));
		if (best + 1 < len)
			next[best] = idmap_get(&t->pair, pair_key(id[best], id[best + 1]));
	}
}

struct chance {
	int rank, left;
};

struct merger {
	const struct tokenizer *t;
	int *id, *prev, *next; /* symbols by the byte that they begin with; id -1: swallowed; next n, prev -1 at the ends */
	int n;
	struct chance *heap;
	size_t nheap, cap;
	int failed;
};

static int before(const struct chance *a, const struct chance *b)
{
	return a->rank != b->rank ? a->rank < b->rank : a->left < b->left;
}

static void offer(struct merger *m, int left)
{
	if (left < 0 || m->next[left] >= m->n)
		return;
	struct chance x = {idmap_get(&m->t->pair, pair_key(m->id[left], m->id[m->next[left]])), left};
	if (x.rank < 0)
		return;
	if (mem_grow(&m->heap, &m->cap, m->nheap + 1, sizeof *m->heap)) {
		m->failed = 1;
		return;
	}
	size_t i = m->nheap++;
	for (; i && before(&x, &m->heap[(i - 1) / 2]); i = (i - 1) / 2)
		m->heap[i] = m->heap[(i - 1) / 2];
	m->heap[i] = x;
}

static struct chance take(struct merger *m)
{
	struct chance top = m->heap[0], x = m->heap[--m->nheap];
	size_t i = 0;
	for (size_t c; (c = 2 * i + 1) < m->nheap; i = c) {
		c += c + 1 < m->nheap && before(&m->heap[c + 1], &m->heap[c]);
		if (!before(&m->heap[c], &x))
			break;
		m->heap[i] = m->heap[c];
	}
	m->heap[i] = x;
	return top;
}

/* An entry whose neighbours have changed since is left where it is and known by that. */
static int still_there(const struct merger *m, struct chance x)
{
	const int *pair = m->t->merge[x.rank];
	return m->id[x.left] == pair[0] && m->next[x.left] < m->n && m->id[m->next[x.left]] == pair[1];
}

static void merge_all(struct merger *m)
{
	while (m->nheap && !m->failed) {
		struct chance x = take(m);
		if (!still_there(m, x))
			continue;
		int right = m->next[x.left];
		m->id[x.left] = m->t->made[x.rank];
		m->id[right] = -1;
		m->next[x.left] = m->next[right];
		if (m->next[right] < m->n)
			m->prev[m->next[right]] = x.left;
		offer(m, m->prev[x.left]);
		offer(m, x.left);
	}
}

static int long_ids(const struct tokenizer *t, const char *s, size_t n, struct ids *out, struct err *e)
{
	struct merger m = {.t = t, .n = (int)n};
	m.id = mem_zalloc(n * 3, sizeof *m.id);
	if (!m.id)
		return err_nomem(e, "tokenizer", n * 3 * sizeof *m.id);
	m.prev = m.id + n;
	m.next = m.prev + n;
	for (int i = 0; i < m.n; i++) {
		m.id[i] = t->byte_id[(unsigned char)s[i]];
		m.prev[i] = i - 1;
		m.next[i] = i + 1;
	}
	for (int i = 0; i + 1 < m.n; i++)
		offer(&m, i);
	merge_all(&m);
	int rc = m.failed || mem_grow(&out->id, &out->cap, out->n + n, sizeof *out->id) ? err_nomem(e, "tokenizer", n * 32) : 0;
	for (int i = 0; i < m.n && !rc; i = m.next[i])
		out->id[out->n++] = m.id[i];
	free(m.id);
	free(m.heap);
	return rc;
}

int merges_word_ids(const struct tokenizer *t, const char *s, size_t n, struct ids *out, struct err *e)
{
	int id = t->ignore_merges ? vocab_find(t, s, n) : -1;
	if (id < 0 && n > SHORT)
		return long_ids(t, s, n, out, e);
	if (mem_grow(&out->id, &out->cap, out->n + n, sizeof *out->id))
		return err_nomem(e, "tokenizer", (out->n + n) * sizeof *out->id);
	if (id >= 0)
		out->id[out->n++] = id;
	else
		out->n += (size_t)short_ids(t, s, n, out->id + out->n);
	return 0;
}
