/* blas_memory.h: the file in which a choice is remembered: one JSON object in the cache folder, named by processor, count of processors and list of libraries.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_DEVICE_BLAS_MEMORY_H
#define ANETUI_DEVICE_BLAS_MEMORY_H

#include "device/blas_choice.h"

/* 1: *old is what the file for `now`'s machine holds, whole and within bounds; 0: there is no file, or one of another version of this program; else one line that names the
 * file. */
int blas_memory_read(struct blas_choice *old, const struct blas_choice *now, const struct blas_choice_how *how, struct err *e);
int blas_memory_write(const struct blas_choice *c, const struct blas_choice_how *how, struct err *e);

#endif
