/* pages.h: large zeroed blocks straight from the system, in large pages where it has them. For small things there is base/mem.h.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_MODEL_PAGES_H
#define ANETUI_MODEL_PAGES_H

#include <stddef.h>

/* Zeroed, page-aligned, or NULL. Pages come when they are touched, so a block costs nothing before, and little then: a model of stories110m
 * (200 MiB of activations) is made in 37 ms, with cleared 4 KiB pages it took 463. */
void *pages_new(size_t bytes);
void pages_free(void *p, size_t bytes);

#endif
