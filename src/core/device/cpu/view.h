/* view.h: strided descriptors: a tensor is a buffer, an offset, dims and strides. Owns no memory.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_DEVICE_CPU_VIEW_H
#define ANETUI_DEVICE_CPU_VIEW_H

#include <stdint.h>

/* MIL stops at 5; tile and grouped convolutions need a few more on the way. */
enum { VIEW_RANK = 10 };

/* Offset and strides in elements; a stride may be 0 (repeats) or negative. */
struct view {
	int buf, rank;
	int64_t off, dim[VIEW_RANK], stride[VIEW_RANK];
};

int64_t view_count(const struct view *v);
/* The whole of a buffer, row-major. */
void view_rows(struct view *v, int buf, int rank, const int64_t *dim);
/* Same elements at the same places (strides of dims of size 1 do not matter). */
int view_same(const struct view *a, const struct view *b);
int view_is_rows(const struct view *v);
/* 0, or -1 when no strides can express it and a copy is needed. */
int view_reshape(struct view *out, const struct view *in, int rank, const int64_t *dim);
void view_transpose(struct view *out, const struct view *in, const int *perm);
/* n elements of one axis: begin, begin + step, ... */
void view_slice(struct view *v, int axis, int64_t begin, int64_t n, int64_t step);
/* Stretched to `dim` by numpy's rule (aligned at the right; 1 repeats). -1 when it does not fit. */
int view_broadcast(struct view *out, const struct view *in, int rank, const int64_t *dim);

#endif
