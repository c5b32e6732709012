/* nomem.c: see nomem.h. The linker's --wrap leads the calls here; what is live is a table of addresses under one lock. SPDX-License-Identifier: MIT */
#include "support/nomem.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef __linux__

/* A program without --wrap has none of the real ones, and calls none of ours. */
#define WRAPPED(type, name, ...) \
	type __real_##name(__VA_ARGS__) __attribute__((weak)); \
	type __wrap_##name(__VA_ARGS__); \
	type __wrap_##name(__VA_ARGS__)

enum { TABLE = 1 << 18 };

/* A block: bytes 0; a mapping: its bytes. p NULL: free; at GONE: it was here. */
struct block { void *p; size_t bytes; long number; void *from; };

static struct {
	pthread_mutex_t lock;
	int watching, failing, forever;
	long count, at, used, left;
	struct block block[TABLE];
} all = {.lock = PTHREAD_MUTEX_INITIALIZER};

static char gone;
static _Thread_local int exempt;

static size_t slot(const void *p)
{
	uint64_t h = (uint64_t)(uintptr_t)p * 0x9e3779b97f4a7c15u;
	return (size_t)(h >> 46);
}

static struct block *find(const void *p)
{
	for (size_t i = slot(p), k = 0; k < TABLE && all.block[i].p; i = (i + 1) % TABLE, k++)
		if (all.block[i].p == p)
			return &all.block[i];
	return NULL;
}

/* 1: this request fails. *number: which it is. */
static int fails(long *number)
{
	*number = 0;
	if (exempt || !all.watching)
		return 0;
	pthread_mutex_lock(&all.lock);
	int bad = 0;
	if (all.failing) {
		*number = ++all.count;
		bad = all.at && (all.forever ? all.count >= all.at : all.count == all.at);
	}
	pthread_mutex_unlock(&all.lock);
	if (bad)
		errno = ENOMEM;
	return bad;
}

static void *note(void *p, size_t bytes, long number, void *from)
{
	if (!p || exempt || !all.watching)
		return p;
	pthread_mutex_lock(&all.lock);
	size_t i = slot(p);
	while (all.block[i].p && all.block[i].p != &gone)
		i = (i + 1) % TABLE;
	all.used += !all.block[i].p;
	all.left++;
	all.block[i] = (struct block){p, bytes, number, from};
	if (all.used > TABLE / 2)
		abort();
	pthread_mutex_unlock(&all.lock);
	return p;
}

/* Before it is given back: another thread may get the same address at once. */
static struct block forget(const void *p)
{
	struct block b = {0};
	if (!p || !all.watching)
		return b;
	pthread_mutex_lock(&all.lock);
	struct block *f = find(p);
	if (f) {
		b = *f;
		f->p = &gone;
		all.left--;
	}
	pthread_mutex_unlock(&all.lock);
	return b;
}

#define FROM __builtin_return_address(0)

WRAPPED(void *, malloc, size_t n)
{
	long k;
	return fails(&k) ? NULL : note(__real_malloc(n), 0, k, FROM);
}

WRAPPED(void *, calloc, size_t n, size_t size)
{
	long k;
	return fails(&k) ? NULL : note(__real_calloc(n, size), 0, k, FROM);
}

WRAPPED(void *, realloc, void *p, size_t n)
{
	long k;
	if (fails(&k))
		return NULL;
	struct block b = forget(p);
	void *q = __real_realloc(p, n);
	if (!q && b.p)
		note(p, 0, b.number, b.from);
	return note(q, 0, k, FROM);
}

WRAPPED(void, free, void *p)
{
	forget(p);
	__real_free(p);
}

WRAPPED(int, posix_memalign, void **out, size_t align, size_t n)
{
	long k;
	if (fails(&k))
		return ENOMEM;
	int rc = __real_posix_memalign(out, align, n);
	if (!rc)
		note(*out, 0, k, FROM);
	return rc;
}

/* Over an address that is mapped already: no new mapping. */
WRAPPED(void *, mmap, void *p, size_t n, int prot, int flags, int fd, off_t at)
{
	long k;
	if (fails(&k))
		return MAP_FAILED;
	void *q = __real_mmap(p, n, prot, flags, fd, at);
	if (q != MAP_FAILED && !(flags & MAP_FIXED))
		note(q, n, k, FROM);
	return q;
}

/* A mapping may be cut at both ends: what is left of it goes on under its new address. */
WRAPPED(int, munmap, void *p, size_t n)
{
	struct block b = forget(p);
	if (b.p && b.bytes > n) {
		note((char *)p + n, b.bytes - n, b.number, b.from);
	} else if (!b.p && all.watching) {
		pthread_mutex_lock(&all.lock);
		for (size_t i = 0; i < TABLE; i++) {
			struct block *f = &all.block[i];
			if (f->bytes && f->p != &gone && (char *)f->p < (char *)p && (char *)f->p + f->bytes == (char *)p + n)
				f->bytes -= n;
		}
		pthread_mutex_unlock(&all.lock);
	}
	return __real_munmap(p, n);
}

WRAPPED(int, memfd_create, const char *name, unsigned flags)
{
	long k;
	return fails(&k) ? -1 : __real_memfd_create(name, flags);
}

WRAPPED(FILE *, fopen, const char *path, const char *mode)
{
	long k;
	return fails(&k) ? NULL : __real_fopen(path, mode);
}

WRAPPED(FILE *, fdopen, int fd, const char *mode)
{
	long k;
	return fails(&k) ? NULL : __real_fdopen(fd, mode);
}

WRAPPED(DIR *, opendir, const char *path)
{
	long k;
	return fails(&k) ? NULL : __real_opendir(path);
}

WRAPPED(FILE *, open_memstream, char **p, size_t *n)
{
	long k;
	return fails(&k) ? NULL : __real_open_memstream(p, n);
}

WRAPPED(int, pthread_create, pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *), void *arg)
{
	long k;
	return fails(&k) ? EAGAIN : __real_pthread_create(t, a, fn, arg);
}

void nomem_begin(long at, int forever)
{
	pthread_mutex_lock(&all.lock);
	if (all.used)
		memset(all.block, 0, sizeof all.block);
	all.used = all.left = all.count = 0;
	all.at = at;
	all.forever = forever;
	all.failing = all.watching = 1;
	pthread_mutex_unlock(&all.lock);
}

long nomem_end(void)
{
	pthread_mutex_lock(&all.lock);
	all.failing = 0;
	long n = all.count;
	pthread_mutex_unlock(&all.lock);
	return n;
}

long nomem_left(char *what, size_t n)
{
	const struct block *first = NULL;
	all.watching = 0;
	for (size_t i = 0; all.left && i < TABLE; i++)
		if (all.block[i].p && all.block[i].p != &gone && (!first || all.block[i].number < first->number))
			first = &all.block[i];
	snprintf(what, n, "%s of request %ld from %p", first && first->bytes ? "mapping" : "block", first ? first->number : 0, first ? first->from : NULL);
	return all.left;
}

void nomem_exempt(int on) { exempt = on; }

int nomem_descriptors(void)
{
	int n = 0;
	DIR *d = __real_opendir ? __real_opendir("/proc/self/fd") : NULL;
	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

#endif
