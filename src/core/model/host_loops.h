/* host_loops.h: the inner loops of host.c, compiled once for each instruction set by a file that defines HOST_LOOPS and includes this.
 *
 * Sixteen lanes everywhere (GCC's and clang's vector types; the compiler splits them where registers are narrower), no contraction of
 * a*b+c (-std=c11), so every build gives the same bits. SPDX-License-Identifier: MIT */
#ifndef HOST_LOOPS_H
#define HOST_LOOPS_H

#include <math.h>
#include <stdint.h>
#include <string.h>

enum { LANES = 16, BLOCK = 64 }; /* BLOCK tokens are one task of the norms */

struct host_loops {
	const char *name;
	void (*norm)(float *out, const float *x, const float *w, int T, int D, int t0, int n, float eps);
	void (*norm_back)(float *out, float *partial, const float *dn, const float *x, const float *w, const float *res, int T, int D,
			  int t0, int n, float eps);
	void (*norm_rest)(float *out, float *partial, const float *dn, const float *x, const float *dx, const float *res, int T, int D,
			  int t0, int n, float eps);
	double (*cross_entropy)(float *row, int target, int V, float each, int grad);
	void (*add_norm)(float *sum, float *out, const float *x, const float *o, float alpha, const float *w, int T, int D, int t0, int n,
			 float eps);
	void (*swiglu_back)(float *dh1, float *dh3, const float *dgate, const float *h1, const float *h3, int n);
	void (*scan)(const float *x, size_t n, uint32_t *top, uint64_t *zeros);
	void (*log_sums)(double *sum, const float *logits, const float *probs, int V, int N, int t0, int n);
	void (*softmax_grad)(float *row, const float *factor, int N);
};

#endif

#ifdef HOST_LOOPS

typedef float vf __attribute__((vector_size(64)));
typedef float v8 __attribute__((vector_size(32)));
typedef float v4 __attribute__((vector_size(16)));
typedef int32_t vi __attribute__((vector_size(64)));
typedef uint32_t vu __attribute__((vector_size(64)));
typedef float vfu __attribute__((vector_size(64), aligned(4), may_alias)); /* anywhere in memory */

/* Lanes n.. keep what they had: callers give zeroed vectors. n == LANES is one load. */
static inline __attribute__((always_inline)) void load(vf *v, const float *p, int n)
{
	if (n == LANES)
		*v = *(const vfu *)p;
	else
		memcpy(v, p, (size_t)n * sizeof *p);
}

static inline __attribute__((always_inline)) void store(float *p, const vf *v, int n)
{
	if (n == LANES)
		*(vfu *)p = *v;
	else
		memcpy(p, v, (size_t)n * sizeof *p);
}

/* Tokens of vector j in a block of n. */
static inline int width(int n, int j)
{
	return n - j * LANES < LANES ? n - j * LANES : LANES;
}

/* The same tree of additions on every processor: halves of the vector onto each other. */
static inline __attribute__((always_inline)) float lanes_sum(const vf *v)
{
	v8 a, b;
	v4 c, d;
	memcpy(&a, v, sizeof a);
	memcpy(&b, (const char *)v + sizeof a, sizeof b);
	a += b;
	memcpy(&c, &a, sizeof c);
	memcpy(&d, (const char *)&a + sizeof c, sizeof d);
	c += d;
	return (c[0] + c[2]) + (c[1] + c[3]);
}

static inline __attribute__((always_inline)) void inverse_root(vf *r, const vf *sum_squares, int D, float eps)
{
	for (int i = 0; i < LANES; i++)
		(*r)[i] = 1 / sqrtf((*sum_squares)[i] / (float)D + eps);
}

/* A block is at most BLOCK tokens wide and is walked channel by channel, all of its vectors side by side. out is [T, D]. */
static void norm(float *out, const float *x, const float *w, int T, int D, int t0, int n, float eps)
{
	vf ss[BLOCK / LANES] = {{0}}, r[BLOCK / LANES];
	for (int c = 0; c < D; c++) {
		const float *row = x + (size_t)c * T + t0;
		for (int j = 0; j * LANES < n; j++) {
			vf v = {0};
			load(&v, row + j * LANES, width(n, j));
			ss[j] += v * v;
		}
	}
	for (int j = 0; j * LANES < n; j++)
		inverse_root(&r[j], &ss[j], D, eps);
	for (int c = 0; c < D; c++) {
		size_t at = (size_t)c * T + t0;
		for (int j = 0; j * LANES < n; j++) {
			vf v = {0};
			load(&v, x + at + j * LANES, width(n, j));
			v = v * r[j] * w[c];
			for (int i = 0; i < width(n, j); i++)
				out[(size_t)(t0 + j * LANES + i) * D + c] = v[i];
		}
	}
}

/* sum = x + alpha * o where there is an o; out [D, T] is the norm of that, or of x. */
static void add_norm(float *sum, float *out, const float *x, const float *o, float alpha, const float *w, int T, int D, int t0, int n,
		     float eps)
{
	vf ss[BLOCK / LANES] = {{0}}, r[BLOCK / LANES];
	for (int c = 0; c < D; c++) {
		size_t at = (size_t)c * T + t0;
		for (int j = 0; j * LANES < n; j++) {
			vf v = {0}, d = {0};
			load(&v, x + at + j * LANES, width(n, j));
			if (o) {
				load(&d, o + at + j * LANES, width(n, j));
				v += alpha * d;
				store(sum + at + j * LANES, &v, width(n, j));
			}
			ss[j] += v * v;
		}
	}
	for (int j = 0; j * LANES < n; j++)
		inverse_root(&r[j], &ss[j], D, eps);
	for (int c = 0; c < D; c++) {
		size_t at = (size_t)c * T + t0;
		for (int j = 0; j * LANES < n; j++) {
			vf v = {0};
			load(&v, (o ? sum : x) + at + j * LANES, width(n, j));
			v = v * r[j] * w[c];
			store(out + at + j * LANES, &v, width(n, j));
		}
	}
}

static inline __attribute__((always_inline)) void norm_back_n(float *out, float *partial, const float *dn, const float *x,
							       const float *w, const float *res, int T, int D, int t0, int n, float eps)
{
	vf ss[BLOCK / LANES] = {{0}}, ux[BLOCK / LANES] = {{0}}, r[BLOCK / LANES], back[BLOCK / LANES];
	for (int c = 0; c < D; c++) {
		size_t at = (size_t)c * T + t0;
		for (int j = 0; j * LANES < n; j++) {
			vf v = {0}, d = {0};
			load(&v, x + at + j * LANES, width(n, j));
			load(&d, dn + at + j * LANES, width(n, j));
			ss[j] += v * v;
			ux[j] += d * v * w[c];
		}
	}
	for (int j = 0; j * LANES < n; j++) {
		inverse_root(&r[j], &ss[j], D, eps);
		back[j] = ux[j] * r[j] * r[j] * r[j] / (float)D;
	}
	for (int c = 0; c < D; c++) {
		size_t at = (size_t)c * T + t0;
		vf sum = {0};
		for (int j = 0; j * LANES < n; j++) {
			vf v = {0}, d = {0}, z = {0};
			load(&v, x + at + j * LANES, width(n, j));
			load(&d, dn + at + j * LANES, width(n, j));
			if (res)
				load(&z, res + at + j * LANES, width(n, j));
			sum += d * v * r[j];
			z += d * r[j] * w[c] - v * back[j];
			store(out + at + j * LANES, &z, width(n, j));
		}
		partial[c] = lanes_sum(&sum);
	}
}

/* partial[D] receives this block's part of dw. A whole block has its own copy of the loops, in registers. */
static void norm_back(float *out, float *partial, const float *dn, const float *x, const float *w, const float *res, int T, int D,
		      int t0, int n, float eps)
{
	if (n == BLOCK)
		norm_back_n(out, partial, dn, x, w, res, T, D, t0, BLOCK, eps);
	else
		norm_back_n(out, partial, dn, x, w, res, T, D, t0, n, eps);
}

static void norm_rest(float *out, float *partial, const float *dn, const float *x, const float *dx, const float *res, int T, int D,
		      int t0, int n, float eps)
{
	vf ss[BLOCK / LANES] = {{0}}, r[BLOCK / LANES];
	for (int c = 0; c < D; c++)
		for (int j = 0; j * LANES < n; j++) {
			vf v = {0};
			load(&v, x + (size_t)c * T + t0 + j * LANES, width(n, j));
			ss[j] += v * v;
		}
	for (int j = 0; j * LANES < n; j++)
		inverse_root(&r[j], &ss[j], D, eps);
	for (int c = 0; c < D; c++) {
		size_t at = (size_t)c * T + t0;
		vf sum = {0};
		for (int j = 0; j * LANES < n; j++) {
			vf v = {0}, d = {0}, z = {0}, y = {0};
			load(&v, x + at + j * LANES, width(n, j));
			load(&d, dn + at + j * LANES, width(n, j));
			load(&y, dx + at + j * LANES, width(n, j));
			if (res)
				load(&z, res + at + j * LANES, width(n, j));
			sum += d * v * r[j];
			z += y;
			store(out + at + j * LANES, &z, width(n, j));
		}
		partial[c] = lanes_sum(&sum);
	}
}

/* exp for x <= 0, below -87 zero, NaN stays NaN: 2^n * p(x - n ln 2), Cephes' polynomial, within 2 ulp. */
static inline __attribute__((always_inline)) void exp_lanes(vf *px)
{
	vf x = *px, z = x * 1.44269504f + 12582912.0f, n = z - 12582912.0f;
	vi tiny = x < -87.0f;
	vf r = x - n * 0.693359375f + n * 2.12194440e-4f, p;
	p = r * 1.9875691500e-4f + 1.3981999507e-3f;
	p = p * r + 8.3334519073e-3f;
	p = p * r + 4.1665795894e-2f;
	p = p * r + 1.6666665459e-1f;
	p = p * r + 5.0000001201e-1f;
	p = p * r * r + r + 1.0f;
	vf two_n = (vf)(((vu)z << 23) + (127u << 23)); /* z's low bits are n */
	*px = (vf)((vi)(p * two_n) & ~tiny);
}

static inline __attribute__((always_inline)) void choose(vf *out, const vi *mask, const vf *yes, const vf *no)
{
	*out = (vf)((*mask & (vi)*yes) | (~*mask & (vi)*no));
}

/* s = sigmoid(h1), 1 - s without cancellation: exp is taken of -|h1|. */
static void swiglu_back(float *dh1, float *dh3, const float *dgate, const float *h1, const float *h3, int n)
{
	for (int i = 0; i < n; i += LANES) {
		int k = n - i < LANES ? n - i : LANES;
		vf g = {0}, a = {0}, b = {0};
		load(&g, dgate + i, k);
		load(&a, h1 + i, k);
		load(&b, h3 + i, k);
		vi negative = a < 0;
		vf e = -a, s, rest;
		choose(&e, &negative, &a, &e);
		exp_lanes(&e);
		vf big = 1 / (1 + e), small = e * big;
		choose(&s, &negative, &small, &big);
		choose(&rest, &negative, &big, &small);
		vf da = g * b * s * (1 + a * rest), db = g * a * s;
		store(dh1 + i, &da, k);
		store(dh3 + i, &db, k);
	}
}

static float row_max(const float *row, int V)
{
	vf m, v;
	for (int i = 0; i < LANES; i++)
		m[i] = row[0];
	v = m;
	for (int i = 0; i < V; i += LANES) {
		load(&v, row + i, V - i < LANES ? V - i : LANES);
		vi more = v > m;
		m = (vf)((more & (vi)v) | (~more & (vi)m));
	}
	float max = m[0];
	for (int i = 1; i < LANES; i++)
		max = m[i] > max ? m[i] : max;
	return max;
}

/* The row becomes exp(row - max) when `keep`; the sum is taken in doubles every 256 terms. */
static double row_exp(float *row, int V, float max, int keep)
{
	double sum = 0;
	for (int i = 0; i < V;) {
		vf part = {0};
		for (int end = i + 16 * LANES; i < end && i < V; i += LANES) {
			int k = V - i < LANES ? V - i : LANES;
			vf v;
			for (int j = 0; k < LANES && j < LANES; j++)
				v[j] = -INFINITY;
			load(&v, row + i, k);
			v = v - max;
			exp_lanes(&v);
			part += v;
			if (keep)
				store(row + i, &v, k);
		}
		sum += lanes_sum(&part);
	}
	return sum;
}

static double cross_entropy(float *row, int target, int V, float each, int grad)
{
	if (target < 0) {
		if (grad)
			memset(row, 0, (size_t)V * sizeof *row);
		return 0;
	}
	float max = row_max(row, V), hit = row[target];
	double sum = row_exp(row, V, max, grad);
	if (grad) {
		float scale = (float)(each / sum);
		int i = 0;
		for (; i + LANES <= V; i += LANES)
			*(vfu *)(row + i) *= scale;
		for (; i < V; i++)
			row[i] *= scale;
		row[target] -= each;
	}
	return log(sum) + ((double)max - hit);
}

/* Signed comparisons: with the sign bit gone magnitudes are positive numbers in the order of the floats. n < 2^31. */
static void scan(const float *x, size_t n, uint32_t *top, uint64_t *zeros)
{
	vi most = {0}, none = {0};
	for (size_t i = 0; i < n; i += LANES) {
		vf v;
		for (int j = 0; n - i < LANES && j < LANES; j++)
			v[j] = 1e-45f; /* what is beyond the end is no zero, and no maximum unless all is zero */
		load(&v, x + i, n - i < LANES ? (int)(n - i) : LANES);
		vi m = (vi)v & 0x7fffffff, more = m > most;
		most = (more & m) | (~more & most);
		none -= m == 0;
	}
	*top = 0;
	*zeros = 0;
	for (int j = 0; j < LANES; j++) {
		*top = (uint32_t)most[j] > *top ? (uint32_t)most[j] : *top;
		*zeros += (uint64_t)none[j];
	}
}

/* Columns [t0, t0 + n), n <= LANES. A NaN in the first row stays; one elsewhere has made the whole column NaN. */
static void log_sums(double *sum, const float *logits, const float *probs, int V, int N, int t0, int n)
{
	vf p = {0}, z = {0}, best = {0}, at = {0};
	load(&best, probs + t0, n);
	load(&at, logits + t0, n);
	for (int v = 1; v < V; v++) {
		size_t i = (size_t)v * (size_t)N + (size_t)t0;
		load(&p, probs + i, n);
		load(&z, logits + i, n);
		vi more = p > best;
		best = (vf)((more & (vi)p) | (~more & (vi)best));
		at = (vf)((more & (vi)z) | (~more & (vi)at));
	}
	for (int j = 0; j < n; j++)
		sum[t0 + j] = (double)at[j] - log((double)best[j]);
}

static void softmax_grad(float *row, const float *factor, int N)
{
	for (int i = 0; i < N; i += LANES) {
		int k = N - i < LANES ? N - i : LANES;
		vf p = {0}, f = {0};
		load(&p, row + i, k);
		load(&f, factor + i, k);
		vi none = f == 0;
		p = (vf)((vi)(p * f) & ~none);
		store(row + i, &p, k);
	}
}

const struct host_loops HOST_LOOPS = {
	HOST_LOOPS_NAME, norm, norm_back, norm_rest, cross_entropy, add_norm, swiglu_back, scan, log_sums, softmax_grad,
};

#endif
