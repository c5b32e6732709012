/* ref_nn.c: convolution, softmax, layer norm and attention of the reference.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "device/ref_ops.h"
#include "mil/shape.h"

/* One output element: every kernel place over every input channel of its group; what lies in the padding is 0. */
static double conv_at(const struct ref_tensor *x, const struct ref_tensor *w, const struct mil_conv_shape *s, const int64_t *at)
{
	int64_t per_group_out = w->type.dim[0] / s->groups, first = at[1] / per_group_out * w->type.dim[1];
	int64_t wat[MIL_MAX_RANK], xat[MIL_MAX_RANK];
	struct mil_type one = w->type; /* the kernel of one output channel */
	one.dim[0] = 1;
	double sum = 0;
	for (int64_t k = 0; k < mil_count(&one); k++) {
		int inside = 1;
		ref_coords(&one, k, wat);
		wat[0] = at[1];
		xat[0] = at[0];
		xat[1] = first + wat[1];
		for (int i = 0; i < s->nd; i++) {
			xat[2 + i] = at[2 + i] * s->stride[i] + wat[2 + i] * s->dilation[i] - s->before[i];
			inside = inside && xat[2 + i] >= 0 && xat[2 + i] < s->in[i];
		}
		if (inside)
			sum += x->v[ref_flat(&x->type, xat)] * w->v[ref_flat(&w->type, wat)];
	}
	return sum;
}

int ref_conv(const struct ref_call *c)
{
	const struct ref_tensor *x = ref_in(c, "x"), *w = ref_in(c, "weight"), *bias = ref_in(c, "bias");
	struct ref_tensor *o = ref_out(c, 0);
	struct mil_conv_shape s;
	int64_t at[MIL_MAX_RANK];
	mil_conv_geometry(c->g, c->op, &s);
	for (int64_t i = 0; i < mil_count(&o->type); i++) {
		ref_coords(&o->type, i, at);
		o->v[i] = conv_at(x, w, &s, at) + (bias ? bias->v[at[1]] : 0);
	}
	return 0;
}

/* n numbers, `step` apart, to probabilities. */
static void softmax(double *out, const double *x, int64_t n, int64_t step)
{
	double max = -INFINITY, sum = 0;
	for (int64_t i = 0; i < n; i++)
		max = x[i * step] > max ? x[i * step] : max;
	for (int64_t i = 0; i < n; i++)
		sum += out[i * step] = exp(x[i * step] - max);
	for (int64_t i = 0; i < n; i++)
		out[i * step] /= sum;
}

int ref_softmax(const struct ref_call *c)
{
	const struct ref_tensor *x = ref_in(c, "x");
	int axis = mil_axis(x->type.rank, mil_arg_int(c->g, c->op, "axis", -1));
	int64_t n = x->type.dim[axis], step = 1, at[MIL_MAX_RANK];
	for (int i = axis + 1; i < x->type.rank; i++)
		step *= x->type.dim[i];
	for (int64_t i = 0; i < mil_count(&x->type); i++) {
		ref_coords(&x->type, i, at);
		if (at[axis] == 0)
			softmax(ref_out(c, 0)->v + i, x->v + i, n, step);
	}
	return 0;
}

/* For each element the mean and variance of its group are worked out anew: the group is all that shares the
 * coordinates outside `axes`. */
int ref_layer_norm(const struct ref_call *c)
{
	const struct ref_tensor *x = ref_in(c, "x"), *gamma = ref_in(c, "gamma"), *beta = ref_in(c, "beta");
	struct ref_tensor *o = ref_out(c, 0);
	int axis[MIL_MAX_RANK], n = mil_axes(c->g, c->op, "axes", x->type.rank, axis);
	double eps = mil_arg_float(c->g, c->op, "epsilon", 1e-5);
	struct mil_type group = {.rank = n};
	int64_t at[MIL_MAX_RANK], in[MIL_MAX_RANK], place[MIL_MAX_RANK];
	for (int i = 0; i < n; i++)
		group.dim[i] = x->type.dim[axis[i]];
	int64_t size = mil_count(&group);
	for (int64_t i = 0; i < mil_count(&x->type); i++) {
		double mean = 0, var = 0;
		ref_coords(&x->type, i, at);
		for (int i2 = 0; i2 < n; i2++)
			place[i2] = at[axis[i2]];
		for (int pass = 0; pass < 2; pass++)
			for (int64_t k = 0; k < size; k++) {
				ref_coords(&group, k, in);
				for (int a = 0; a < n; a++)
					at[axis[a]] = in[a];
				double v = x->v[ref_flat(&x->type, at)];
				if (pass == 0)
					mean += v / (double)size;
				else
					var += (v - mean) * (v - mean) / (double)size;
			}
		int64_t g = ref_flat(&group, place);
		o->v[i] = (x->v[i] - mean) / sqrt(var + eps) * (gamma ? gamma->v[g] : 1) + (beta ? beta->v[g] : 0);
	}
	return 0;
}

/* One row of scores: query row l of batch b against every key, masked. */
static void score_row(double *score, const struct ref_call *c, int64_t b, int64_t l)
{
	const struct ref_tensor *q = ref_in(c, "query"), *k = ref_in(c, "key"), *mask = ref_in(c, "attn_mask");
	int n = q->type.rank;
	int64_t nl = q->type.dim[n - 2], ns = k->type.dim[n - 2], width = q->type.dim[n - 1], at[MIL_MAX_RANK];
	struct mil_type scores = q->type;
	scores.dim[n - 1] = ns;
	for (int64_t s = 0; s < ns; s++) {
		score[s] = 0;
		for (int64_t i = 0; i < width; i++)
			score[s] += q->v[(b * nl + l) * width + i] * k->v[(b * ns + s) * width + i];
		score[s] /= sqrt((double)width);
		ref_coords(&scores, (b * nl + l) * ns + s, at);
		double m = mask ? ref_stretched(mask, n, at) : 0;
		if (mask && mask->type.dtype == MIL_BOOL)
			score[s] = m != 0 ? score[s] : -INFINITY;
		else
			score[s] += m;
	}
}

int ref_sdpa(const struct ref_call *c)
{
	const struct ref_tensor *q = ref_in(c, "query"), *v = ref_in(c, "value");
	struct ref_tensor *o = ref_out(c, 0);
	int n = q->type.rank;
	int64_t nl = q->type.dim[n - 2], ns = v->type.dim[n - 2], width = v->type.dim[n - 1];
	int64_t rows = mil_count(&q->type) / q->type.dim[n - 1];
	double *score = mem_zalloc((size_t)ns, sizeof *score);
	if (!score)
		return err_nomem(c->e, "ref", (unsigned long long)ns * sizeof *score);
	for (int64_t r = 0; r < rows; r++) {
		score_row(score, c, r / nl, r % nl);
		softmax(score, score, ns, 1);
		for (int64_t j = 0; j < width; j++) {
			double sum = 0;
			for (int64_t s = 0; s < ns; s++)
				sum += score[s] * v->v[(r / nl * ns + s) * width + j];
			o->v[r * width + j] = sum;
		}
	}
	free(score);
	return 0;
}
