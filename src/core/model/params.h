/* params.h: weights, gradients and moments, each one block of floats, and the table of the tensors in them. No arithmetic.
 *
 * Weights and moments live in one mapped arena, so that a restarted process can take them over. All tensors are row-major
 * [out, in]; norms are [D], those of q and k [HD]. SPDX-License-Identifier: MIT */
#ifndef ANETUI_MODEL_PARAMS_H
#define ANETUI_MODEL_PARAMS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/rng.h"
#include "model/config.h"

enum param_kind {
	PARAM_EMBED,    /* [V, D] */
	PARAM_NORM_ATT, /* [D] */
	PARAM_WQ,       /* [H*HD, D] */
	PARAM_WK,       /* [KV*HD, D] */
	PARAM_WV,       /* [KV*HD, D] */
	PARAM_WO,       /* [D, H*HD] */
	PARAM_NORM_FFN, /* [D] */
	PARAM_W1,       /* [F, D] gate */
	PARAM_W2,       /* [D, F] down */
	PARAM_W3,       /* [F, D] up */
	PARAM_NORM_OUT, /* [D] */
	PARAM_HEAD,     /* [V, D], only when not tied */
	PARAM_NORM_Q,   /* [HD], of every head of q before RoPE; in layers, only with qk_norm. Last here: the random start of the others hangs on their numbers */
	PARAM_NORM_K,   /* [HD], of k */
	PARAM_N,
};

struct param {
	char name[64];       /* Hugging Face's: "model.layers.3.self_attn.q_proj.weight" */
	enum param_kind kind;
	int layer;           /* -1 outside layers */
	int rank;
	int64_t dim[2];      /* [out, in], or [D] or [HD] and 1 */
	size_t offset;       /* in floats, from the start of each block; 16-float aligned */
	size_t count;
	int decay;           /* weight decay applies: rank 2 */
	int frozen;          /* takes no part in training: no gradient is made, which then stays zero, and no update */
	uint64_t late;       /* updates that it has missed so: those that it has taken part in count for the bias correction. All of them: its moments are zero */
};

struct lora;

struct params {
	struct model_config config;
	int n;
	struct param *table; /* embed, then by layer in the order of enum param_kind (norms of q and k last), then norm_out, head */
	size_t total;        /* floats of one block, padding included (padding is 0 and stays 0) */
	float *w;            /* weights */
	float *g;            /* gradients: NULL until params_train */
	float *m, *v;        /* first and second moments: NULL until params_train */
	/* The arena behind w, m, v: memory without a name, in large pages; after params_move one file in memory, which has small ones only. -1: no file. */
	int fd;
	int pages;           /* 1: map is pages_new's */
	void *map;
	size_t map_bytes;
	struct lora *lora;   /* adapters (lora.h): they are trained, all of this is frozen; NULL: there are none. Owned */
	struct params *ema;  /* the average of the weights (ema.h); NULL: none is kept. Owned */
};

/* Does a layer have one? */
static inline int param_in_layer(enum param_kind kind)
{
	return (kind >= PARAM_NORM_ATT && kind < PARAM_NORM_OUT) || kind == PARAM_NORM_Q || kind == PARAM_NORM_K;
}

/* Lays out and maps; weights are zero. Refuses what does not fit in memory, saying how much is needed and there is. */
struct params *params_new(const struct model_config *c, struct err *e);
/* Over an arena that another process has left open (its params->fd), with the moments in it when `train`; takes over the descriptor when it succeeds. */
struct params *params_adopt(const struct model_config *c, int fd, int train, struct err *e);
/* Tensors of any other table, with gradients and moments: names, ranks and shapes are given, the rest is filled in. Takes over the table, always. fd: -1, or an arena as above. */
struct params *params_of_table(const struct model_config *c, struct param *table, int n, int fd, struct err *e);
/* Weights and moments, the adapters' and the average's too, get descriptors that another process can take over; nothing changes its place, and others may read meanwhile. -1: such a file may not be
 * (ulimit -f), and all is as it was. */
int params_move(struct params *p);
void params_free(struct params *p);
/* Gradients (separate memory) and moments (in the arena, zero). */
int params_train(struct params *p, struct err *e);
/* N(0, 0.02) from the seed; wo and w2 are scaled by 1/sqrt(2L); norms are 1. */
void params_init(struct params *p, uint64_t seed);
/* The shape of a tensor of that kind, whether the model has one or not: [out, in], or [D, 1]. */
void params_kind_shape(const struct model_config *c, enum param_kind kind, int64_t dim[2]);
/* Bytes that training this model takes: weights, gradients, moments. */
uint64_t params_bytes(const struct model_config *c, int train);

/* The table row; never NULL for kinds that the config has. */
const struct param *params_find(const struct params *p, enum param_kind kind, int layer);
const struct param *params_named(const struct params *p, const char *name);
static inline float *params_w(const struct params *p, enum param_kind kind, int layer)
{
	return p->w + params_find(p, kind, layer)->offset;
}
static inline float *params_g(const struct params *p, enum param_kind kind, int layer)
{
	return p->g + params_find(p, kind, layer)->offset;
}
/* The classifier's table row: the embedding when tied. */
const struct param *params_head(const struct params *p);

#endif
