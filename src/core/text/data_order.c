/* data_order.c: in which order a run reads its ids, and the fixed validation batches. All of it follows from the cursor and the lengths.
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/mem.h"
#include "text/data.h"

void data_cursor_init(struct data_cursor *c, enum data_order order, uint64_t seed)
{
	*c = (struct data_cursor){.order = order, .seed = seed};
	rng_seed(&c->rng, rng_mix(seed, 0x64617461));
}

/* Ids [at, at + seq] as one row of inputs and targets. */
static void copy_row(const struct data *d, uint64_t at, int seq, int *x, int *y)
{
	data_ids(d, at, (size_t)seq, x);
	memcpy(y, x + 1, (size_t)(seq - 1) * sizeof *y);
	data_ids(d, at + (uint64_t)seq, 1, y + seq - 1);
}

/* --- windows ------------------------------------------------------------------------------------------------------ */

/* The part of file k that lies in [from, to): its first id, and how many; 0 when none does. */
static uint64_t stretch(const struct data *d, int k, uint64_t from, uint64_t to, uint64_t *at)
{
	const struct data_file *f = &d->file[k];
	uint64_t lo = MAX(f->first, from), hi = MIN(f->first + f->n, to);
	*at = lo;
	return hi > lo ? hi - lo : 0;
}

/* A stretch of n ids has (n - 1) / seq windows side by side, or n - seq starts of any. */
static uint64_t places(uint64_t n, uint64_t seq, int any)
{
	if (n < seq + 1)
		return 0;
	return any ? n - seq : (n - 1) / seq;
}

static uint64_t all_places(const struct data *d, uint64_t from, uint64_t to, int seq, int any)
{
	uint64_t sum = 0, at;
	for (int k = 0; k < d->nfile; k++)
		sum += places(stretch(d, k, from, to, &at), (uint64_t)seq, any);
	return sum;
}

/* The id at which place i begins; i is below all_places. */
static uint64_t place(const struct data *d, uint64_t from, uint64_t to, int seq, int any, uint64_t i)
{
	uint64_t at = from;
	for (int k = 0; k < d->nfile; k++) {
		uint64_t n = places(stretch(d, k, from, to, &at), (uint64_t)seq, any);
		if (i < n)
			break;
		i -= n;
	}
	return at + i * (any ? 1 : (uint64_t)seq);
}

/* --- training ----------------------------------------------------------------------------------------------------- */

/* A permutation of 0..n-1 without a table: a Feistel network over the next even number of bits, walked until it falls inside. */
static uint64_t permute(uint64_t i, uint64_t n, uint64_t key)
{
	int half = 1;
	while (half < 32 && n > 1ull << 2 * half)
		half++;
	uint64_t mask = half == 32 ? 0xffffffffu : (1ull << half) - 1;
	do {
		uint64_t l = i >> half, r = i & mask;
		for (uint64_t round = 0; round < 4; round++) {
			uint64_t f = rng_mix(key + round, r) & mask, old = l;
			l = r;
			r = old ^ f;
		}
		i = l << half | r;
	} while (i >= n);
	return i;
}

static void next_epoch(struct data_cursor *c)
{
	c->index = 0;
	c->epoch++;
}

uint64_t data_sequences(const struct data *d, enum data_order order, int batch, int seq)
{
	if (batch < 1 || seq < 1)
		return 0;
	uint64_t windows = all_places(d, 0, d->ntrain, seq, 0), b = (uint64_t)batch;
	return order == DATA_SEQUENTIAL && windows >= b ? windows / b * b : windows;
}

uint64_t data_longest(const struct data *d)
{
	uint64_t most = 0, at;
	for (int k = 0; k < d->nfile; k++)
		most = MAX(most, stretch(d, k, 0, d->ntrain, &at));
	return most ? most - 1 : 0;
}

int data_check(const struct data *d, struct err *e)
{
	for (int i = 0; i < d->nfile; i++) {
		const struct data_file *f = &d->file[i];
		size_t is = file_still(&f->map);
		if (is < f->map.size)
			return err_set(e, ERR_IO, "data: %s: expected %zu bytes as when it was opened, found %zu (cut while it is in use; `data` opens it again)",
				       f->name[0] ? f->name : d->name, f->map.size, is);
	}
	return 0;
}

int data_next(const struct data *d, struct data_cursor *c, int batch, int seq, int *x, int *y, struct err *e)
{
	if (batch < 1 || seq < 1)
		return err_set(e, ERR_RANGE, "data: batch %d, seq %d: both must be 1 or more", batch, seq);
	uint64_t starts = all_places(d, 0, d->ntrain, seq, 1);
	if (!starts)
		return err_set(e, ERR_RANGE, "data: %s: %llu ids for training%s, seq %d needs %d (a longer text or a smaller seq)", d->name,
			       (unsigned long long)(d->nfile > 1 ? data_longest(d) + 1 : d->ntrain), d->nfile > 1 ? " in the longest file" : "", seq, seq + 1);
	uint64_t length = data_sequences(d, c->order, batch, seq);
	int whole = length >= (uint64_t)batch;
	for (int b = 0; b < batch; b++) {
		uint64_t i = c->index;
		if (c->order == DATA_RANDOM) {
			i = rng_below(&c->rng, starts);
		} else if (c->order == DATA_SHUFFLE) {
			if (c->index >= length)
				next_epoch(c);
			i = permute(c->index, length, rng_mix(c->seed, c->epoch));
		} else {
			/* A batch stays together: what is left when another batch size came in between is dropped. */
			if (b == 0 && whole ? c->index + (uint64_t)batch > length : c->index >= length)
				next_epoch(c);
			i = c->index;
		}
		copy_row(d, place(d, 0, d->ntrain, seq, c->order == DATA_RANDOM, i), seq, x + (size_t)b * (size_t)seq, y + (size_t)b * (size_t)seq);
		c->index++;
	}
	return 0;
}

double data_epoch(const struct data *d, const struct data_cursor *c, int batch, int seq)
{
	uint64_t n = data_sequences(d, c->order, batch, seq);
	return n ? (double)c->epoch + (double)c->index / (double)n : 0;
}

/* --- validation --------------------------------------------------------------------------------------------------- */

/* `n` ids at `at` are there: less than a whole row where the part has not one. */
static void val_row(const struct data *d, uint64_t at, uint64_t n, int seq, int *x, int *y)
{
	for (uint64_t i = 0; i < (uint64_t)seq; i++) {
		x[i] = i < n ? (int)data_id(d, at + i) : 0;
		y[i] = i + 1 < n ? (int)data_id(d, at + i + 1) : -1;
	}
}

/* The longest held-out stretch. */
static uint64_t longest_held(const struct data *d, uint64_t *at)
{
	uint64_t most = 0, from;
	for (int k = 0; k < d->nfile; k++) {
		uint64_t n = stretch(d, k, d->ntrain, d->ntoken, &from);
		if (n > most) {
			most = n;
			*at = from;
		}
	}
	return most;
}

int data_val(const struct data *d, int k, int nbatch, int batch, int seq, int *x, int *y)
{
	uint64_t longest_at = d->ntrain, longest = longest_held(d, &longest_at);
	if (longest < 2 || k < 0 || batch < 1 || seq < 1 || nbatch < 1)
		return 1;
	/* Rows: disjoint windows of seq targets; one that is shorter only when there is no other. */
	uint64_t whole = all_places(d, d->ntrain, d->ntoken, seq, 0), windows = MAX(whole, 1);
	uint64_t batches = MIN((uint64_t)nbatch, MAX(windows / (uint64_t)batch, 1)), rows = batches * (uint64_t)batch;
	if ((uint64_t)k >= batches)
		return 1;
	for (int b = 0; b < batch; b++) {
		uint64_t row = (uint64_t)k * (uint64_t)batch + (uint64_t)b;
		/* row * windows / rows, without overflow for any length of data */
		uint64_t w = rows <= windows ? windows / rows * row + windows % rows * row / rows : row;
		uint64_t at = whole && w < whole ? place(d, d->ntrain, d->ntoken, seq, 0, w) : longest_at;
		uint64_t n = w >= windows ? 0 : whole ? (uint64_t)seq + 1 : longest;
		val_row(d, at, n, seq, x + (size_t)b * (size_t)seq, y + (size_t)b * (size_t)seq);
	}
	return 0;
}

double data_bytes_per_token(const struct data *d)
{
	uint64_t held = d->ntoken - d->ntrain;
	return held ? d->val_bytes / (double)held : 0;
}
