/* config.h: the shape of a model, and the presets. No weights.
 *
 * Letters used everywhere: B sequences of a micro-step, S tokens of one sequence, D dim, H query heads, KV key/value heads,
 * HD head size, F hidden size of the feed-forward, V vocabulary, L layers.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_MODEL_CONFIG_H
#define ANETUI_MODEL_CONFIG_H

#include <stdint.h>

#include "base/err.h"

enum rope_layout {
	ROPE_INTERLEAVED, /* pairs (2i, 2i+1): llama2.c, GGUF llama */
	ROPE_HALF,        /* pairs (i, i + HD/2): Hugging Face, Qwen3 */
};

struct model_config {
	char name[64];       /* "demo"; also the run folder's name */
	int dim, hidden, layers, heads, kv_heads, head_dim, vocab;
	int head_dim_follows; /* 1: head_dim was not given and is dim / heads, also after an override of either */
	int context;         /* tokens that a sequence may have: at least 256 for presets */
	int tied;            /* 1: the classifier is the embedding */
	enum rope_layout rope;
	float rope_theta;    /* 10000 */
	float norm_eps;      /* 1e-5 */
	float alpha;         /* residual scale: x + alpha * f(x); 1 but for upstream's variant */
	int qk_norm;         /* 1: each head of q and of k goes through an RMSNorm before RoPE (Qwen3) */
	/* Defaults of a preset for the settings (0: the setting's own default stays). */
	int seq, batch, accum;
	double lr_max, lr_min, lr_warmup, lr_steps, temperature;
};

/* q_dim = heads * head_dim, kv_dim = kv_heads * head_dim. */
static inline int model_q_dim(const struct model_config *c) { return c->heads * c->head_dim; }
static inline int model_kv_dim(const struct model_config *c) { return c->kv_heads * c->head_dim; }

/* Reads assets/presets.conf. Unknown name: ERR_USAGE that names the nearest. */
int model_preset(struct model_config *c, const char *name, struct err *e);
/* Names of all presets, NULL-terminated, static storage after the first call; NULL and an error when the file is bad. */
const char *const *model_preset_names(struct err *e);
/* KEY=VALUE overrides of `new`: dim hidden layers heads kv_heads head_dim vocab context tied rope theta eps alpha qk_norm. */
int model_config_set(struct model_config *c, const char *key, const char *value, struct err *e);
/* Are the numbers a model? Divisibility, ranges, overflow. */
int model_config_check(const struct model_config *c, struct err *e);
/* Number of parameters, and of those that stand in matrices (6 * matrix * tokens is the FLOP count); a tied classifier once. */
uint64_t model_params(const struct model_config *c);
uint64_t model_matrix_params(const struct model_config *c);
/* FLOPs of one micro-step of B sequences of S tokens: 6 * matrix parameters * tokens + the causal half of attention. */
double model_flops(const struct model_config *c, int batch, int seq);

#endif
