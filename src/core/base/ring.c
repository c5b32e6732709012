/* ring.c: single producer, single consumer.
 * SPDX-License-Identifier: MIT */
#include "base/ring.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct ring {
	size_t mask, size;
	unsigned char *rec;
	_Alignas(64) _Atomic size_t head; /* next to write: producer */
	_Alignas(64) _Atomic size_t tail; /* next to read: consumer */
};

struct ring *ring_new(size_t count, size_t size)
{
	size_t n = 1;
	while (n < count)
		n *= 2;
	struct ring *r = mem_aligned(1, sizeof *r);
	if (!r || !(r->rec = mem_zalloc(n, size))) {
		free(r);
		return NULL;
	}
	r->mask = n - 1;
	r->size = size;
	return r;
}

void ring_free(struct ring *r)
{
	if (r)
		free(r->rec);
	free(r);
}

int ring_push(struct ring *r, const void *rec)
{
	size_t h = atomic_load_explicit(&r->head, memory_order_relaxed);
	if (h - atomic_load_explicit(&r->tail, memory_order_acquire) > r->mask)
		return -1;
	memcpy(r->rec + (h & r->mask) * r->size, rec, r->size);
	atomic_store_explicit(&r->head, h + 1, memory_order_release);
	return 0;
}

int ring_pop(struct ring *r, void *rec)
{
	size_t t = atomic_load_explicit(&r->tail, memory_order_relaxed);
	if (t == atomic_load_explicit(&r->head, memory_order_acquire))
		return 0;
	memcpy(rec, r->rec + (t & r->mask) * r->size, r->size);
	atomic_store_explicit(&r->tail, t + 1, memory_order_release);
	return 1;
}
