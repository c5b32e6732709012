/* view.c: arithmetic on strided descriptors.
 * SPDX-License-Identifier: MIT */
#include "device/cpu/view.h"

int64_t view_count(const struct view *v)
{
	int64_t n = 1;
	for (int i = 0; i < v->rank; i++)
		n *= v->dim[i];
	return n;
}

void view_rows(struct view *v, int buf, int rank, const int64_t *dim)
{
	int64_t step = 1;
	v->buf = buf;
	v->rank = rank;
	v->off = 0;
	for (int i = rank - 1; i >= 0; i--) {
		v->dim[i] = dim[i];
		v->stride[i] = step;
		step *= dim[i];
	}
}

int view_same(const struct view *a, const struct view *b)
{
	if (a->buf != b->buf || a->off != b->off || a->rank != b->rank)
		return 0;
	for (int i = 0; i < a->rank; i++)
		if (a->dim[i] != b->dim[i] || (a->dim[i] != 1 && a->stride[i] != b->stride[i]))
			return 0;
	return 1;
}

int view_is_rows(const struct view *v)
{
	int64_t step = 1;
	for (int i = v->rank - 1; i >= 0; i--) {
		if (v->dim[i] != 1 && v->stride[i] != step)
			return 0;
		step *= v->dim[i];
	}
	return 1;
}

/* Walks both shapes from the left in groups of equal size; inside a group the old axes must lie one after the other. */
int view_reshape(struct view *out, const struct view *in, int rank, const int64_t *dim)
{
	int64_t od[VIEW_RANK], os[VIEW_RANK];
	int on = 0, oi = 0, ni = 0;
	for (int i = 0; i < in->rank; i++) {
		if (in->dim[i] == 1)
			continue;
		od[on] = in->dim[i];
		os[on++] = in->stride[i];
	}
	struct view r = {.buf = in->buf, .rank = rank, .off = in->off};
	for (int i = 0; i < rank; i++) {
		r.dim[i] = dim[i];
		r.stride[i] = 1;
	}
	while (ni < rank && oi < on) {
		if (dim[ni] == 1) {
			ni++;
			continue;
		}
		int nj = ni + 1, oj = oi + 1;
		int64_t np = dim[ni], op = od[oi];
		while (np != op) {
			if (np < op && nj < rank)
				np *= dim[nj++];
			else if (np > op && oj < on)
				op *= od[oj++];
			else
				return -1;
		}
		for (int k = oi; k + 1 < oj; k++)
			if (os[k] != od[k + 1] * os[k + 1])
				return -1;
		r.stride[nj - 1] = os[oj - 1];
		for (int k = nj - 1; k > ni; k--)
			r.stride[k - 1] = r.stride[k] * dim[k];
		ni = nj;
		oi = oj;
	}
	*out = r;
	return 0;
}

void view_transpose(struct view *out, const struct view *in, const int *perm)
{
	struct view r = *in;
	for (int i = 0; i < in->rank; i++) {
		r.dim[i] = in->dim[perm[i]];
		r.stride[i] = in->stride[perm[i]];
	}
	*out = r;
}

void view_slice(struct view *v, int axis, int64_t begin, int64_t n, int64_t step)
{
	v->off += begin * v->stride[axis];
	v->dim[axis] = n;
	v->stride[axis] *= step;
}

int view_broadcast(struct view *out, const struct view *in, int rank, const int64_t *dim)
{
	int lead = rank - in->rank;
	struct view r = {.buf = in->buf, .rank = rank, .off = in->off};
	if (lead < 0)
		return -1;
	for (int i = 0; i < rank; i++) {
		int64_t d = i < lead ? 1 : in->dim[i - lead];
		if (d != 1 && d != dim[i])
			return -1;
		r.dim[i] = dim[i];
		r.stride[i] = d == 1 ? 0 : in->stride[i - lead];
	}
	*out = r;
	return 0;
}
