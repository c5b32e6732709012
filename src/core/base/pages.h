/* pages.h: large zeroed memory straight from the system, in large pages where it has them. For small things there is base/mem.h.
 *
 * A page that is touched for the first time costs 0.2 us where the system runs on the processor itself, and up to 14 us in a virtual machine
 * (measured: 32 MiB in small pages 118 ms, in large ones 2 to 15), so a process that lives for five steps pays more for touching than for training.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_BASE_PAGES_H
#define ANETUI_BASE_PAGES_H

#include <stddef.h>

/* Zeroed, page-aligned, or NULL. Pages come when they are touched, so a block costs nothing before, and little then: a model of stories110m
 * (200 MiB of activations) is made in 37 ms, with cleared 4 KiB pages it took 463. */
void *pages_new(size_t bytes);
void pages_free(void *p, size_t bytes);

/* All pages of memory that is mapped, at once instead of one by one when they are touched. A wish: where the system does not know it, nothing happens. */
void pages_touch(void *p, size_t bytes);

/* Blocks cut out of large pages, for many that are smaller than such a page each. Not for two threads at once. */
struct pages_chunk;
struct pages_pool { struct pages_chunk *chunk; };

/* Zeroed n * size bytes, 64-byte aligned; NULL on failure. To be given back to the same pool: memory goes back to the system by chunks. */
void *pages_cut(struct pages_pool *p, size_t n, size_t size);
void pages_return(struct pages_pool *p, void *block);
/* What has not been given back is gone, too. */
void pages_pool_done(struct pages_pool *p);

#endif
