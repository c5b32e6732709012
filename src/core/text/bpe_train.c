/* bpe_train.c: learns the merges of a byte-level BPE from a text. Not the encoder.
 *
 * The text is cut into pieces (split.h) and equal pieces are counted once. Then the pair of neighbours that occurs most often becomes one id,
 * again and again; ties go to the pair of smallest ids. Each pair keeps its count and the words it was seen in, so that a merge looks only at those;
 * a heap gives the most frequent pair. Heap entries are not taken back when a count falls: an entry that tells too much is put back with the
 * true count when it comes up.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "text/hash.h"
#include "text/split.h"
#include "text/vocab.h"

enum {
	SAMPLE_BYTES = 16 << 20, /* longer texts are sampled */
	SLICE_BYTES = 64 << 10,
	WORDS_MAX = 1 << 19,     /* different pieces kept: when there are more, the rarest go */
	CANCEL_EVERY = 1 << 14,
};

struct word {
	const char *s;
	uint32_t n, hash;
	uint64_t count; /* 0: empty slot */
};

struct words {
	struct word *slot; /* [WORDS_MAX * 2] */
	size_t n;
};

static struct word *word_slot(struct words *w, const char *s, size_t n, uint32_t h)
{
	size_t mask = (size_t)WORDS_MAX * 2 - 1, i = h & mask;
	while (w->slot[i].count && (w->slot[i].hash != h || w->slot[i].n != n || memcmp(w->slot[i].s, s, n)))
		i = (i + 1) & mask;
	return &w->slot[i];
}

/* Drops the rarest words until at most half of the room is taken. */
static int prune(struct words *w)
{
	for (uint64_t least = 2; w->n > WORDS_MAX / 2; least *= 2) {
		struct words kept = {mem_zalloc((size_t)WORDS_MAX * 2, sizeof *kept.slot), 0};
		if (!kept.slot)
			return -1;
		for (size_t i = 0; i < (size_t)WORDS_MAX * 2; i++) {
			struct word *x = &w->slot[i];
			if (x->count < least)
				continue;
			*word_slot(&kept, x->s, x->n, x->hash) = *x;
			kept.n++;
		}
		free(w->slot);
		*w = kept;
	}
	return 0;
}

static int count_slice(struct words *w, const char *s, size_t n, const atomic_int *cancel)
{
	size_t seen = 0;
	for (size_t i = 0; i < n;) {
		size_t k = split_next(s + i, n - i);
		uint32_t h = word_hash(s + i, k);
		struct word *x = word_slot(w, s + i, k, h);
		if (!x->count) {
			*x = (struct word){s + i, (uint32_t)k, h, 0};
			w->n++;
		}
		x->count++;
		i += k;
		if (w->n >= WORDS_MAX && prune(w))
			return ERR_NOMEM;
		if (++seen % CANCEL_EVERY == 0 && cancel && *cancel)
			return ERR_CANCEL;
	}
	return 0;
}

/* A slice from inside the text begins after a white space, so that no word is cut. */
static int count_words(struct words *w, const char *text, size_t n, const atomic_int *cancel)
{
	if (n <= SAMPLE_BYTES)
		return count_slice(w, text, n, cancel);
	size_t nslice = SAMPLE_BYTES / SLICE_BYTES;
	for (size_t k = 0; k < nslice; k++) {
		const char *s = text + (n - SLICE_BYTES) / (nslice - 1) * k;
		size_t skip = 0;
		while (k && skip < 256 && s[skip] != ' ' && s[skip] != '\n')
			skip++;
		int rc = count_slice(w, s + skip, SLICE_BYTES - skip, cancel);
		if (rc)
			return rc;
	}
	return 0;
}

struct seq {
	size_t at;      /* of its symbols */
	int len;
	uint64_t count;
};

struct pair {
	uint64_t key;   /* a << 32 | b */
	uint64_t count;
	uint32_t *in;   /* the words it was seen in; may name one that has lost it */
	size_t nin, cap;
	int touched;    /* number of the merge that last raised it */
};

struct entry {
	uint64_t count, key;
	int pair;
};

struct learner {
	struct seq *seq;
	size_t nseq;
	int *sym;
	struct idmap index; /* key + 1 to the number in pair */
	struct pair *pair;
	size_t npair, cap_pair;
	struct entry *heap;
	size_t nheap, cap_heap;
	int *raised;        /* pairs raised by the merge at work */
	size_t nraised, cap_raised;
	int round, failed;
};

static int before(const struct entry *a, const struct entry *b)
{
	return a->count != b->count ? a->count > b->count : a->key < b->key;
}

static void heap_push(struct learner *l, int pair)
{
	if (mem_grow(&l->heap, &l->cap_heap, l->nheap + 1, sizeof *l->heap)) {
		l->failed = 1;
		return;
	}
	struct entry x = {l->pair[pair].count, l->pair[pair].key, pair};
	size_t i = l->nheap++;
	for (; i && before(&x, &l->heap[(i - 1) / 2]); i = (i - 1) / 2)
		l->heap[i] = l->heap[(i - 1) / 2];
	l->heap[i] = x;
}

static struct entry heap_pop(struct learner *l)
{
	struct entry top = l->heap[0], x = l->heap[--l->nheap];
	size_t i = 0;
	for (size_t c; (c = 2 * i + 1) < l->nheap; i = c) {
		c += c + 1 < l->nheap && before(&l->heap[c + 1], &l->heap[c]);
		if (!before(&l->heap[c], &x))
			break;
		l->heap[i] = l->heap[c];
	}
	l->heap[i] = x;
	return top;
}

static int pair_number(struct learner *l, int a, int b)
{
	uint64_t key = pair_key(a, b);
	int p = idmap_get(&l->index, key);
	if (p >= 0)
		return p;
	p = (int)l->npair;
	if (mem_grow(&l->pair, &l->cap_pair, l->npair + 1, sizeof *l->pair) || idmap_put(&l->index, key, p)) {
		l->failed = 1;
		return -1;
	}
	l->pair[l->npair++] = (struct pair){.key = key - 1, .touched = -1};
	return p;
}

static void pair_raise(struct learner *l, int a, int b, uint32_t word)
{
	int p = pair_number(l, a, b);
	if (p < 0)
		return;
	struct pair *x = &l->pair[p];
	x->count += l->seq[word].count;
	if (!x->nin || x->in[x->nin - 1] != word) {
		if (mem_grow(&x->in, &x->cap, x->nin + 1, sizeof *x->in)) {
			l->failed = 1;
			return;
		}
		x->in[x->nin++] = word;
	}
	if (x->touched != l->round) {
		x->touched = l->round;
		if (mem_grow(&l->raised, &l->cap_raised, l->nraised + 1, sizeof *l->raised))
			l->failed = 1;
		else
			l->raised[l->nraised++] = p;
	}
}

static void pair_lower(struct learner *l, int a, int b, uint64_t count)
{
	int p = idmap_get(&l->index, pair_key(a, b));
	if (p >= 0)
		l->pair[p].count -= MIN(count, l->pair[p].count);
}

static void push_raised(struct learner *l)
{
	for (size_t i = 0; i < l->nraised; i++)
		heap_push(l, l->raised[i]);
	l->nraised = 0;
	l->round++;
}

static int learner_init(struct learner *l, const struct words *w)
{
	size_t nsym = 0;
	for (size_t i = 0; i < (size_t)WORDS_MAX * 2; i++)
		nsym += w->slot[i].count ? w->slot[i].n : 0;
	l->seq = mem_zalloc(w->n, sizeof *l->seq);
	l->sym = mem_zalloc(nsym, sizeof *l->sym);
	if (!l->seq || !l->sym)
		return -1;
	nsym = 0;
	for (size_t i = 0; i < (size_t)WORDS_MAX * 2; i++) {
		const struct word *x = &w->slot[i];
		if (!x->count)
			continue;
		l->seq[l->nseq] = (struct seq){nsym, (int)x->n, x->count};
		for (uint32_t k = 0; k < x->n; k++)
			l->sym[nsym++] = (unsigned char)x->s[k] + 1;
		for (int k = 0; k + 1 < (int)x->n; k++)
			pair_raise(l, l->sym[nsym - x->n + (size_t)k], l->sym[nsym - x->n + (size_t)k + 1], (uint32_t)l->nseq);
		l->nseq++;
	}
	push_raised(l);
	return l->failed ? -1 : 0;
}

static void merge_in_word(struct learner *l, uint32_t word, int a, int b, int c)
{
	struct seq *q = &l->seq[word];
	int *s = l->sym + q->at, out = 0;
	for (int i = 0; i < q->len; i++) {
		if (s[i] != a || i + 1 >= q->len || s[i + 1] != b) {
			s[out++] = s[i];
			continue;
		}
		if (out > 0) {
			pair_lower(l, s[out - 1], a, q->count);
			pair_raise(l, s[out - 1], c, word);
		}
		if (i + 2 < q->len) {
			pair_lower(l, b, s[i + 2], q->count);
			pair_raise(l, c, s[i + 2], word);
		}
		s[out++] = c;
		i++;
	}
	q->len = out;
}

/* The most frequent pair, or -1 when none occurs twice. */
static int best_pair(struct learner *l)
{
	while (l->nheap) {
		struct entry x = heap_pop(l);
		uint64_t now = l->pair[x.pair].count;
		if (now == x.count)
			return now >= 2 ? x.pair : -1;
		if (now)
			heap_push(l, x.pair);
	}
	return -1;
}

static int learn(struct learner *l, int (*merge)[2], int max, const atomic_int *cancel)
{
	int n = 0;
	for (; n < max && !l->failed; n++) {
		if (cancel && *cancel)
			return ERR_CANCEL;
		int p = best_pair(l);
		if (p < 0)
			break;
		struct pair *x = &l->pair[p];
		uint32_t *in = x->in;
		size_t nin = x->nin;
		int a = (int)(x->key >> 32), b = (int)(x->key & 0xffffffffu);
		x->in = NULL; /* l->pair may move, and this pair is done with */
		x->nin = x->cap = 0;
		for (size_t i = 0; i < nin; i++)
			merge_in_word(l, in[i], a, b, 257 + n);
		free(in);
		l->pair[p].count = 0;
		push_raised(l);
		merge[n][0] = a;
		merge[n][1] = b;
	}
	return l->failed ? ERR_NOMEM : n;
}

static void learner_done(struct learner *l)
{
	for (size_t i = 0; i < l->npair; i++)
		free(l->pair[i].in);
	idmap_done(&l->index);
	free(l->pair);
	free(l->seq);
	free(l->sym);
	free(l->heap);
	free(l->raised);
}

struct tokenizer *tokenizer_train(const char *text, size_t n, int vocab, const atomic_int *cancel, struct err *e)
{
	if (vocab < 257 || vocab > 1 << 20) {
		err_set(e, ERR_RANGE, "tokenizer: vocabulary of %d: must be 257 to %d", vocab, 1 << 20);
		return NULL;
	}
	struct tokenizer *t = NULL;
	struct learner l = {0};
	struct words w = {mem_zalloc((size_t)WORDS_MAX * 2, sizeof *w.slot), 0};
	int (*merge)[2] = mem_zalloc((size_t)(vocab - 257), sizeof *merge);
	int rc = w.slot && merge ? count_words(&w, text, n, cancel) : ERR_NOMEM;
	if (!rc)
		rc = learner_init(&l, &w) ? ERR_NOMEM : learn(&l, merge, vocab - 257, cancel);
	if (rc >= 0)
		t = bpe_new((const int(*)[2])merge, rc, e);
	else if (rc == ERR_CANCEL)
		err_set(e, ERR_CANCEL, "tokenizer: interrupted");
	else
		err_nomem(e, "tokenizer", (unsigned long long)WORDS_MAX * 2 * sizeof *w.slot + l.npair * sizeof *l.pair);
	learner_done(&l);
	free(w.slot);
	free(merge);
	return t;
}
