/* dw.h: weight gradients: products that nobody waits for until the update. Drained at once by the pool, or, beside a device that leaves
 * the processor free, by one thread of its own. Bytes are the same either way. SPDX-License-Identifier: MIT */
#ifndef ANETUI_MODEL_DW_H
#define ANETUI_MODEL_DW_H

#include <stdint.h>

#include "base/err.h"
#include "base/pool.h"
#include "meter/timing.h"

struct dw;

/* overlap: 1 for a thread of its own (row "dW" of kind TIMING_OVERLAP, waiting in "dW wait"); 0: dw_add does the work itself with the
 * pool (row "dW", TIMING_HOST). When no thread is to be had it is 0 after all. */
struct dw *dw_new(struct pool *pool, int overlap, struct timing *t, struct err *e);
void dw_free(struct dw *q);

/* c[m, n] += alpha * a[m, T] * b[n, T]^T. Operands must stay as they are until dw_wait. Returns a ticket. */
uint64_t dw_add(struct dw *q, int64_t m, int64_t n, int64_t T, float alpha, const float *a, const float *b, float *c);
/* Returns when the product with that ticket, and all before it, are done. */
void dw_wait(struct dw *q, uint64_t ticket);
void dw_wait_all(struct dw *q);
/* The ticket of the product that was added last; 0: none was. */
uint64_t dw_latest(const struct dw *q);

#endif
