/* pages.c: mmap and a wish. SPDX-License-Identifier: MIT */
#include "model/pages.h"

#include <sys/mman.h>

void *pages_new(size_t bytes)
{
	void *p = mmap(NULL, bytes ? bytes : 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
#ifdef MADV_HUGEPAGE
	madvise(p, bytes, MADV_HUGEPAGE); /* when it is refused, small pages do */
#endif
	return p;
}

void pages_free(void *p, size_t bytes)
{
	if (p)
		munmap(p, bytes ? bytes : 1);
}
