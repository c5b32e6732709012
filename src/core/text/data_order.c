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
	for (int i = 0; i < seq; i++)
		x[i] = data_id(d, at + (uint64_t)i);
	memcpy(y, x + 1, (size_t)(seq - 1) * sizeof *y);
	y[seq - 1] = data_id(d, at + (uint64_t)seq);
}

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

/* Sequences of one sequential epoch: whole batches when one fits, else single sequences. */
static uint64_t sequential_length(const struct data *d, int batch, int seq)
{
	uint64_t ids = (uint64_t)seq * (uint64_t)batch, usable = d->ntrain - 1;
	return usable >= ids ? usable / ids * (uint64_t)batch : usable / (uint64_t)seq;
}

int data_next(const struct data *d, struct data_cursor *c, int batch, int seq, int *x, int *y, struct err *e)
{
	if (batch < 1 || seq < 1)
		return err_set(e, ERR_RANGE, "data: batch %d, seq %d: both must be 1 or more", batch, seq);
	if (d->ntrain < (uint64_t)seq + 1)
		return err_set(e, ERR_RANGE, "data: %s: %llu ids for training, seq %d needs %d (a longer text or a smaller seq)", d->name,
			       (unsigned long long)d->ntrain, seq, seq + 1);
	uint64_t length = sequential_length(d, batch, seq), windows = (d->ntrain - 1) / (uint64_t)seq;
	int whole = length >= (uint64_t)batch;
	for (int b = 0; b < batch; b++) {
		uint64_t at;
		if (c->order == DATA_RANDOM) {
			at = rng_below(&c->rng, d->ntrain - (uint64_t)seq);
		} else if (c->order == DATA_SHUFFLE) {
			if (c->index >= windows)
				next_epoch(c);
			at = permute(c->index, windows, rng_mix(c->seed, c->epoch)) * (uint64_t)seq;
		} else {
			/* A batch stays together: what is left when another batch size came in between is dropped. */
			if (b == 0 && whole ? c->index + (uint64_t)batch > length : c->index >= length)
				next_epoch(c);
			at = c->index * (uint64_t)seq;
		}
		copy_row(d, at, seq, x + (size_t)b * (size_t)seq, y + (size_t)b * (size_t)seq);
		c->index++;
	}
	return 0;
}

double data_epoch(const struct data *d, const struct data_cursor *c, int batch, int seq)
{
	if (batch < 1 || seq < 1 || d->ntrain < (uint64_t)seq + 1)
		return 0;
	uint64_t n = (d->ntrain - 1) / (uint64_t)seq;
	if (c->order == DATA_SEQUENTIAL)
		n = sequential_length(d, batch, seq);
	return (double)c->epoch + (double)c->index / (double)n;
}

static void val_row(const struct data *d, uint64_t at, int seq, int *x, int *y)
{
	for (int i = 0; i < seq; i++, at++) {
		x[i] = at < d->ntoken ? data_id(d, at) : 0;
		y[i] = at + 1 < d->ntoken ? data_id(d, at + 1) : -1;
	}
}

int data_val(const struct data *d, int k, int nbatch, int batch, int seq, int *x, int *y)
{
	uint64_t held = d->ntoken - d->ntrain;
	if (held < 2 || k < 0 || batch < 1 || seq < 1 || nbatch < 1)
		return 1;
	/* Rows: disjoint windows of seq targets; the last may be short only when it is the only one. */
	uint64_t windows = MAX((held - 1) / (uint64_t)seq, 1);
	uint64_t batches = MIN((uint64_t)nbatch, MAX(windows / (uint64_t)batch, 1)), rows = batches * (uint64_t)batch;
	if ((uint64_t)k >= batches)
		return 1;
	for (int b = 0; b < batch; b++) {
		uint64_t row = (uint64_t)k * (uint64_t)batch + (uint64_t)b;
		/* row * windows / rows, without overflow for any length of data */
		uint64_t w = rows <= windows ? windows / rows * row + windows % rows * row / rows : row;
		uint64_t at = w < windows ? d->ntrain + w * (uint64_t)seq : d->ntoken;
		val_row(d, at, seq, x + (size_t)b * (size_t)seq, y + (size_t)b * (size_t)seq);
	}
	return 0;
}

double data_bytes_per_token(const struct data *d)
{
	uint64_t held = d->ntoken - d->ntrain;
	return held ? d->val_bytes / (double)held : 0;
}
