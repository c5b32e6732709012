/* pages.c: mmap and a wish; chunks of several large pages from which blocks are cut one after the other.
 * SPDX-License-Identifier: MIT */
#include "base/pages.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/mem.h"

/* LARGE: of a page on x86-64 and, with 4 KiB pages, on aarch64. Of any other size, it is only an alignment. */
enum { LARGE = 2 << 20, CHUNK = 2 * LARGE, ALIGN = 64 };

/* What is asked of the system: a large block ends with a page, so that its last bytes stand in a large one, too. 0: too much. */
static size_t rounded(size_t bytes)
{
	if (bytes < LARGE)
		return bytes ? bytes : 1;
	return bytes > SIZE_MAX - 2 * (size_t)LARGE ? 0 : (bytes + LARGE - 1) / LARGE * LARGE;
}

/* [p, p + bytes) of a longer mapping stays. */
static void trim(char *map, size_t all, char *p, size_t bytes)
{
	size_t before = (size_t)(p - map), after = all - before - bytes;
	if (before)
		munmap(map, before);
	if (after)
		munmap(p + bytes, after);
}

void *pages_new(size_t bytes)
{
	size_t n = rounded(bytes), spare = n < LARGE ? 0 : LARGE;
	if (!n)
		return NULL;
	char *map = mmap(NULL, n + spare, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
	if (map == MAP_FAILED)
		return NULL;
	char *p = spare ? map + (LARGE - (uintptr_t)map % LARGE) % LARGE : map;
	if (spare)
		trim(map, n + spare, p, n);
#ifdef MADV_HUGEPAGE
	madvise(p, n, MADV_HUGEPAGE); /* when it is refused, small pages do */
#endif
	return p;
}

void pages_free(void *p, size_t bytes)
{
	if (p)
		munmap(p, rounded(bytes));
}

void pages_touch(void *p, size_t bytes)
{
#ifdef MADV_POPULATE_WRITE
	madvise(p, bytes, MADV_POPULATE_WRITE);
#else
	(void)p;
	(void)bytes;
#endif
}

/* --- blocks --- */

/* The first of the list is the one that is cut. */
struct pages_chunk {
	struct pages_chunk *next;
	char *mem;
	size_t bytes, used;
	size_t touched; /* the most that was ever used: no longer zero */
	int blocks;
};

#if defined(__SANITIZE_ADDRESS__)
#define ONE_BY_ONE 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ONE_BY_ONE 1
#endif
#endif
#ifndef ONE_BY_ONE
#define ONE_BY_ONE 0 /* 1: blocks are malloc's, whose ends are watched */
#endif

/* A block that fills a chunk alone stands behind the first, which is cut on. */
static struct pages_chunk *chunk_new(struct pages_pool *p, size_t bytes)
{
	struct pages_chunk *c = mem_zalloc(1, sizeof *c);
	size_t n = MAX(bytes, CHUNK);
	if (!c || !(c->mem = pages_new(n))) {
		free(c);
		return NULL;
	}
	c->bytes = n;
	struct pages_chunk **at = p->chunk && bytes >= CHUNK ? &p->chunk->next : &p->chunk;
	c->next = *at;
	*at = c;
	return c;
}

static void chunk_free(struct pages_chunk *c)
{
	pages_free(c->mem, c->bytes);
	free(c);
}

void *pages_cut(struct pages_pool *p, size_t n, size_t size)
{
	size_t bytes;
	if (mem_mul(&bytes, n, size) || bytes > SIZE_MAX / 2)
		return NULL;
	if (ONE_BY_ONE)
		return mem_aligned(n, size);
	bytes = (MAX(bytes, 1) + ALIGN - 1) / ALIGN * ALIGN;
	struct pages_chunk *c = p->chunk;
	if ((!c || bytes > c->bytes - c->used) && !(c = chunk_new(p, bytes)))
		return NULL;
	char *block = c->mem + c->used;
	if (c->used < c->touched)
		memset(block, 0, MIN(bytes, c->touched - c->used));
	c->used += bytes;
	c->touched = MAX(c->touched, c->used);
	c->blocks++;
	return block;
}

void pages_return(struct pages_pool *p, void *block)
{
	if (ONE_BY_ONE) {
		free(block);
		return;
	}
	for (struct pages_chunk **at = &p->chunk; block && *at; at = &(*at)->next) {
		struct pages_chunk *c = *at;
		if ((uintptr_t)block - (uintptr_t)c->mem >= c->bytes)
			continue;
		if (--c->blocks)
			return;
		c->used = 0;
		if (at != &p->chunk || c->bytes > CHUNK) {
			*at = c->next;
			chunk_free(c);
		}
		return;
	}
}

void pages_pool_done(struct pages_pool *p)
{
	while (p->chunk) {
		struct pages_chunk *next = p->chunk->next;
		chunk_free(p->chunk);
		p->chunk = next;
	}
}
