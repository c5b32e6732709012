/* mem.h: allocation with overflow checks, and aligned float arrays. No arena.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_BASE_MEM_H
#define ANETUI_BASE_MEM_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* Zeroed n*size bytes, or NULL (also when n*size overflows). Free with free(). */
void *mem_zalloc(size_t n, size_t size);

/* Zeroed, 64-byte aligned, n*size bytes; NULL on failure. Free with free(). */
void *mem_aligned(size_t n, size_t size);

/* Grows *p (elements of `size`) to hold at least `need` of them, doubling; *cap is updated. 0 or -1. */
int mem_grow(void *p, size_t *cap, size_t need, size_t size);

/* a*b*... into *out; -1 when it does not fit in size_t. Zero factors are allowed. */
int mem_mul(size_t *out, size_t a, size_t b);

char *mem_strdup(const char *s);

/* Physical memory of this machine and what a new process could still take, in bytes; 0 when unknown. */
uint64_t mem_total(void);
uint64_t mem_available(void);
/* 1: this process may not take what the machine has (ulimit -v, -d): asking for memory fails then, where the system gives else what it does not have. mem_available counts it. */
int mem_limited(void);
/* Before a large block is filled: 0, or ERR_NOMEM with what is needed and what there is. The system gives more than it has and ends us later. */
int mem_check(const char *what, uint64_t need, struct err *e);

#endif
