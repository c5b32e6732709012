/* active.h: which rows of the vocabulary the classifier has, and moving them to a compact table and back. Scans no data.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_MODEL_ACTIVE_H
#define ANETUI_MODEL_ACTIVE_H

#include "base/err.h"
#include "base/pool.h"

struct active_rows {
	int vocab, n;
	int *id; /* [n] the ids that take part, increasing: row i of a compact table is row id[i] of the full one */
	int *at; /* [vocab] the compact row of an id, or -1 */
};

/* seen: [vocab], not 0 where an id takes part; at least one. ERR_NOMEM, ERR_RANGE. */
int active_init(struct active_rows *a, const unsigned char *seen, int vocab, struct err *e);
void active_done(struct active_rows *a);

/* out[n, D] = the active rows of table[V, D] */
void active_gather(struct pool *pool, float *out, const float *table, const struct active_rows *a, int D);
/* The active rows of table[V, D] += in[n, D] */
void active_scatter_add(struct pool *pool, float *table, const float *in, const struct active_rows *a, int D);

#endif
