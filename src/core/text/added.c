/* added.c: ids that are found whole in a text, before it is cut and merged: a tokenizer's control and user pieces. The longest wins.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "text/vocab.h"

struct entry {
	const char *s;
	size_t n;
	int id;
};

static int by_first_and_length(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	unsigned char cx = (unsigned char)x->s[0], cy = (unsigned char)y->s[0];
	if (cx != cy)
		return cx < cy ? -1 : 1;
	return x->n != y->n ? (x->n > y->n ? -1 : 1) : x->id < y->id ? -1 : x->id > y->id;
}

int added_init(struct added *a, const struct tokenizer *t)
{
	struct entry *list = mem_zalloc((size_t)t->info.vocab, sizeof *list);
	if (!list)
		return -1;
	int n = 0;
	for (int id = 0; id < t->info.vocab; id++) {
		size_t len = t->off[id + 1] - t->off[id];
		if (len && (t->type[id] == TOKENIZER_CONTROL || t->type[id] == TOKENIZER_USER))
			list[n++] = (struct entry){t->bytes + t->off[id], len, id};
	}
	qsort(list, (size_t)n, sizeof *list, by_first_and_length);
	a->id = malloc(((size_t)n + 1) * sizeof *a->id);
	a->n = n;
	for (int i = 0, b = 0; a->id && b <= 256; b++) {
		for (; i < n && (unsigned char)list[i].s[0] < b; i++) {
			a->id[i] = list[i].id;
			a->longest = MAX(a->longest, list[i].n);
		}
		a->from[b] = i;
	}
	free(list);
	return a->id ? 0 : -1;
}

int added_at(const struct tokenizer *t, const char *s, size_t n, int special)
{
	const struct added *a = &t->added;
	unsigned char b = (unsigned char)*s;
	for (int i = a->from[b]; i < a->from[b + 1]; i++) {
		int id = a->id[i];
		size_t k = t->off[id + 1] - t->off[id];
		if (k <= n && (special || t->type[id] == TOKENIZER_USER) && !memcmp(s, t->bytes + t->off[id], k))
			return id;
	}
	return -1;
}

size_t added_find(const struct tokenizer *t, const char *s, size_t to, size_t n, int special)
{
	const struct added *a = &t->added;
	if (!a->n)
		return to;
	for (size_t i = 0; i < to; i++) {
		unsigned char b = (unsigned char)s[i];
		if (a->from[b] < a->from[b + 1] && added_at(t, s + i, n - i, special) >= 0)
			return i;
	}
	return to;
}
