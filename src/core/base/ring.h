/* ring.h: fixed-size records from one thread to one other, without a lock. Never waits.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_BASE_RING_H
#define ANETUI_BASE_RING_H

#include <stddef.h>

struct ring;

/* `count` records (rounded up to a power of two) of `size` bytes. NULL when memory is out. */
struct ring *ring_new(size_t count, size_t size);
void ring_free(struct ring *r);
/* Producer only: copies one record in; 0, or -1 when full. */
int ring_push(struct ring *r, const void *rec);
/* Consumer only: copies one record out; 1, or 0 when empty. */
int ring_pop(struct ring *r, void *rec);

#endif
