/* lora.h: low-rank adapters (Hu et al. 2021, arXiv:2106.09685): a matrix W [out, in] is W0 + (alpha / rank) B A, with A [rank, in] and B [out, rank] trained.
 *
 * The model's own block always holds the sum, so programs, decoder and files know nothing of adapters. W0 is kept beside it and the sum is made anew from it
 * after each update: no rounding adds up. No optimizer here. SPDX-License-Identifier: MIT */
#ifndef ANETUI_MODEL_LORA_H
#define ANETUI_MODEL_LORA_H

#include "base/pool.h"
#include "model/params.h"

struct lora {
	int rank;
	double alpha;
	int n;              /* matrices that have an adapter */
	int *row;           /* [n] their rows in the model's table */
	/* Three rows for each: W0 ("lora.base.NAME", frozen), A ("....lora_A.weight"), B ("....lora_B.weight"); gradients and moments as in any params. */
	struct params *low;
};

enum { LORA_BASE, LORA_A, LORA_B, LORA_ROWS };

/* Adapters for the rows with hit[i] != 0 (of matrices), into p->lora, which must be NULL: A from the uniform distribution over +-1/sqrt(in), B zero, so that W stays
 * as it is. `late` updates have been made before. ERR_NOMEM; ERR_STATE when there is nothing to adapt. */
int lora_begin(struct params *p, const unsigned char *hit, int rank, double alpha, uint64_t seed, uint64_t late, struct err *e);
/* The same with all of it zero, or over an arena that another process has left open (fd >= 0, taken over when it succeeds). */
int lora_adopt(struct params *p, const unsigned char *hit, int rank, double alpha, int fd, struct err *e);
/* The adapters go, what they have added stays. */
void lora_end(struct params *p);
void lora_free(struct lora *l);
/* 1: p has adapters of just this rank and alpha on just these rows. */
int lora_same(const struct params *p, const unsigned char *hit, int rank, double alpha);
/* dB = (alpha / rank) dW A^T and dA = (alpha / rank) B^T dW from the gradients of the model, which become zero. */
void lora_gradients(struct params *p, struct pool *pool);
/* W = W0 + (alpha / rank) B A. */
void lora_merge(struct params *p, struct pool *pool);
/* Bytes that adapters of this rank on these rows take: W0, and A and B with gradients and moments. */
uint64_t lora_bytes(const struct params *p, const unsigned char *hit, int rank);

#endif
