/* nomem.h: memory that runs out at the N-th request, and a watch over what was not given back. Works in test programs that the Makefile links with NOMEM_WRAP;
 * in others nothing calls it.
 *
 * Requests are what our own code asks of malloc, calloc, realloc, posix_memalign, mmap, memfd_create, fopen, fdopen, opendir, open_memstream and
 * pthread_create, in all threads. Libraries get what they ask for: jansson 2.14 does not look whether its text buffer has grown, and reads and writes beyond it then.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TESTS_NOMEM_H
#define ANETUI_TESTS_NOMEM_H

#include <stddef.h>

/* Counts from now on, and keeps watch. The at-th request fails, `forever`: and all after it; at 0: none does. */
void nomem_begin(long at, int forever);
/* How many requests there were; none fails any more. */
long nomem_end(void);
/* Blocks and mappings asked for since nomem_begin that are still there, and what the first of them is: the number of its request, and where it was asked for. Ends the watch. */
long nomem_left(char *what, size_t n);
/* 1: what this thread asks for is none of all this, until it is 0 again. */
void nomem_exempt(int on);
/* Open descriptors of this process. */
int nomem_descriptors(void);

#endif
