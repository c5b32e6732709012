/* stdlib.h: hand-written stub, see stdio.h. SPDX-License-Identifier: MIT */
#ifndef DARWIN_STDLIB_H
#define DARWIN_STDLIB_H

#include <stddef.h>

void *malloc(size_t n);
void *calloc(size_t n, size_t size);
void *realloc(void *p, size_t n);
void free(void *p);
void qsort(void *base, size_t n, size_t size, int (*compare)(const void *, const void *));
char *getenv(const char *name);
int atoi(const char *s);
long long llabs(long long v);
unsigned long strtoul(const char *s, char **end, int base);
long strtol(const char *s, char **end, int base);
unsigned long long strtoull(const char *s, char **end, int base);
double strtod(const char *s, char **end);
float strtof(const char *s, char **end);

#endif
