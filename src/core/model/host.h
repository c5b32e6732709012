/* host.h: the work of a micro-step that no program does: embedding, norms backward, softmax and loss. No matrix products.
 *
 * Activations are [C, T], channel by channel, T tokens contiguous. Work is cut by shape, sums are taken in a fixed order: the bytes
 * depend neither on the number of threads nor on the width of the processor's vectors. SPDX-License-Identifier: MIT */
#ifndef ANETUI_MODEL_HOST_H
#define ANETUI_MODEL_HOST_H

#include <stddef.h>
#include <stdint.h>

#include "base/pool.h"

/* x[D, T]: column t is row id[t] of table[V, D]. */
void host_embed(struct pool *pool, float *x, const float *table, const int *id, int T, int D);
/* Row id[t] of g[V, D] += column t of dx[D, T], tokens in order. */
void host_embed_back(struct pool *pool, float *g, const float *dx, const int *id, int T, int D);

/* out[T, D] = w * x / sqrt(mean over channels of x^2 + eps), turned to token by token: the classifier's products want it so. */
void host_norm(struct pool *pool, float *out, const float *x, const float *w, int T, int D, float eps);

/* out[D, T], its first n columns: column t is row t of in[n, D]. */
void host_turn(struct pool *pool, float *out, const float *in, int n, int D, int T);

/* sum[D, T] = x + alpha * o, out[D, T] = w * sum / sqrt(mean over channels of sum^2 + eps); with o NULL of x itself, and sum is not
 * touched. */
void host_add_norm(struct pool *pool, float *sum, float *out, const float *x, const float *o, float alpha, const float *w, int T, int D,
		   float eps);
/* With s = sigmoid(h1), for n elements: dh3 = dgate * h1 * s, dh1 = dgate * h3 * s * (1 + h1 * (1 - s)). dh1 may be h1, and dh3 h3. */
void host_swiglu_back(struct pool *pool, float *dh1, float *dh3, const float *dgate, const float *h1, const float *h3, size_t n);
/* out += x, n elements. */
void host_add(struct pool *pool, float *out, const float *x, size_t n);

/* Floats of scratch that host_norm_back needs. */
size_t host_norm_scratch(int T, int D);
/* With r = 1/sqrt(mean(x^2) + eps) and u = dn * w, for each token:
 *   out[D, T] = r * (u - x * sum(u * x) * r^2 / D) + res        dw[D] += sum over tokens of dn * x * r
 * out may be x (and is then overwritten); res may be NULL. */
void host_norm_back(struct pool *pool, float *out, float *dw, const float *dn, const float *x, const float *w, const float *res,
		    float *scratch, int T, int D, float eps);

/* out[D] += the sums of the rows of x[D, T]. */
void host_add_rows(struct pool *pool, float *out, const float *x, int T, int D);

/* For n rows of logits[n, V]: loss[i] = -log softmax(row)[target[i]] in nats, 0 for target -1. With `grad` the rows become
 * each * (softmax(row) - onehot(target)), zero for target -1. */
void host_cross_entropy(struct pool *pool, double *loss, float *logits, const int *target, int n, int V, float each, int grad);

/* Of n floats: the largest magnitude as the bits of a float (above those of infinity: a NaN is among them), and how many are zero. */
struct host_scan { uint32_t top; uint64_t zeros; };
struct host_scan host_scan(struct pool *pool, const float *x, size_t n);

/* The rest of host_norm_back when a program has made dx: out = dx + res (res may be NULL, out may be x), dw[D] += sum over tokens of
 * dn * x * r. */
void host_norm_rest(struct pool *pool, float *out, float *dw, const float *dn, const float *x, const float *dx, const float *res,
		    float *scratch, int T, int D, float eps);

/* logits[V, N] and probs[V, N], their softmax over V: sum[t] = log sum exp(logits) of column t. Told by the likeliest row alone, as z - log p:
 * that is as exact as z and p are, however small other probabilities have become. */
void host_log_sums(struct pool *pool, double *sum, const float *logits, const float *probs, int V, int N);
/* probs[V, N], rows from `first` of the vocabulary: column t becomes factor[t] * probs, zero where the factor is 0, and less `each` at
 * row target[t] (-1: none). */
void host_softmax_grad(struct pool *pool, float *probs, const float *factor, const int *target, float each, int first, int V, int N);

/* "AVX-512", "AVX2", "base": which of the compiled loops are in use. */
const char *host_loops_name(void);

#endif
