/* shard_check.c: is every id of a token file below the vocabulary? At the speed of memory, by all threads; what a sparse file does not hold is not read.
 * SPDX-License-Identifier: MIT */
#include <unistd.h>

#include "base/mem.h"
#include "text/shard.h"

/* A round is what lies between two looks at cancel; its tasks are blocks of fixed size. Only the greatest id of a block is made: a loop that the compiler
 * turns into vectors. */
enum { BLOCK = 4096, TASK = 1 << 20, ROUND = 64 };

static uint32_t greatest2(const uint16_t *p, size_t n)
{
	uint16_t m = 0;
	for (; n >= BLOCK; n -= BLOCK, p += BLOCK)
		for (int i = 0; i < BLOCK; i++)
			m = p[i] > m ? p[i] : m;
	for (size_t i = 0; i < n; i++)
		m = p[i] > m ? p[i] : m;
	return m;
}

static uint32_t greatest4(const uint32_t *p, size_t n)
{
	uint32_t m = 0;
	for (; n >= BLOCK; n -= BLOCK, p += BLOCK)
		for (int i = 0; i < BLOCK; i++)
			m = p[i] > m ? p[i] : m;
	for (size_t i = 0; i < n; i++)
		m = p[i] > m ? p[i] : m;
	return m;
}

struct round {
	const struct data_file *f;
	uint64_t from, n;          /* ids */
	uint32_t greatest[ROUND];
};

static void look(void *arg, int task, int thread)
{
	struct round *r = arg;
	uint64_t at = r->from + (uint64_t)task * TASK;
	size_t n = (size_t)MIN(r->from + r->n - at, TASK);
	const void *p = r->f->map.data + r->f->start;
	(void)thread;
	r->greatest[task] = r->f->width == 2 ? greatest2((const uint16_t *)p + at, n) : greatest4((const uint32_t *)p + at, n);
}

static uint64_t first_foreign(const struct data_file *f, uint64_t at, uint32_t vocab)
{
	const void *p = f->map.data + f->start;
	while (at < f->n && (f->width == 2 ? ((const uint16_t *)p)[at] : ((const uint32_t *)p)[at]) < vocab)
		at++;
	return at;
}

/* The next id at or after i that the file really holds: what lies before it is a hole, zeros. Where that can not be told, i. */
static uint64_t next_held(const struct data_file *f, uint64_t i)
{
#ifdef SEEK_DATA
	off_t at = f->map.fd ? lseek(f->map.fd, (off_t)(f->start + i * (uint64_t)f->width), SEEK_DATA) : -1;
	if (at >= 0)
		return MAX(((uint64_t)at - f->start) / (uint64_t)f->width, i);
	/* No data behind: a hole up to the end, if that is what it says. */
	off_t hole = f->map.fd ? lseek(f->map.fd, (off_t)(f->start + i * (uint64_t)f->width), SEEK_HOLE) : -1;
	if (hole >= 0 && (uint64_t)hole <= f->start + i * (uint64_t)f->width)
		return f->n;
#else
	(void)f;
#endif
	return i;
}

int shard_find_foreign(const struct data_file *f, uint32_t vocab, const struct data_work *w, double done, double part, uint64_t *at, struct err *e)
{
	struct round r = {.f = f};
	*at = f->n;
	if (f->width == 2 && vocab > UINT16_MAX)
		return 0; /* it can not hold another id */
	for (uint64_t i = next_held(f, 0); i < f->n; i = next_held(f, i + r.n)) {
		r.from = i;
		r.n = MIN(f->n - i, (uint64_t)TASK * ROUND);
		int tasks = (int)((r.n + TASK - 1) / TASK);
		pool_run(w ? w->pool : NULL, tasks, look, &r);
		for (int t = 0; t < tasks; t++)
			if (r.greatest[t] >= vocab) {
				*at = first_foreign(f, i + (uint64_t)t * TASK, vocab);
				return 0;
			}
		file_forget(&f->map, (size_t)(f->start + i * (uint64_t)f->width), (size_t)(r.n * (uint64_t)f->width));
		if (w && w->progress)
			*w->progress = (float)(done + part * ((double)(i + r.n) / (double)f->n));
		if (w && w->cancel && *w->cancel)
			return err_set(e, ERR_CANCEL, "data: interrupted");
	}
	return 0;
}
