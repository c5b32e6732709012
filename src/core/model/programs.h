/* programs.h: the text of the static and the dynamic kernels, for any model shape, and the table of what is packed where. Runs nothing.
 *
 * The host knows no offset: it asks program_channel by name. Batch is in the last axis: [1, C, 1, B*S], token t of sequence b
 * at b*S+t; score taps are [1, B*H*S, 1, S]. In dynamic programs an input's last axis goes on behind the tokens with the weights:
 * row c of a matrix [C, out] stands beside channel c. SPDX-License-Identifier: MIT */
#ifndef ANETUI_MODEL_PROGRAMS_H
#define ANETUI_MODEL_PROGRAMS_H

#include "base/err.h"
#include "base/str.h"
#include "mil/build.h"
#include "model/config.h"

enum program_id {
	PROGRAM_FWD_ATTN,  /* x -> x2 = x + alpha*Wo(attn), taps q k v attn xnorm; qk_norm: and q_raw k_raw, before the norms of q and k; precise: and q_low k_low, what fp16 does not hold of q and k */
	PROGRAM_FWD_FFN,   /* x2 -> y = x2 + alpha*ffn, taps h1 h3 gate xnorm */
	PROGRAM_FFN_BWD,   /* dy, h1, h3 -> dx2norm (gradient of the norm's output), dh1, dh3 */
	PROGRAM_SDPA_BWD1, /* dx2, q, k, v -> dv, probs, dp; precise: and q_low, k_low in */
	PROGRAM_SDPA_BWD2, /* probs, dp, q, k -> dq, dk (before RoPE: rotated back); qk_norm: and q_raw, k_raw -> through the norms too, and dqnorm, dknorm: of their weights, [HD, T], summed over heads */
	PROGRAM_QKV_BWD,   /* dq, dk, dv -> dxnorm (gradient of the norm's output) */
	/* The dynamic set. Norms, the first residual and SwiGLU's gradient are the host's. */
	PROGRAM_DYN_SDPA_FWD,  /* xnorm -> attn, q, k, v; qk_norm: and q_raw, k_raw */
	PROGRAM_DYN_WO_FWD,    /* attn -> o */
	PROGRAM_DYN_FFN,       /* x2norm, x2 -> y = x2 + alpha*ffn, h1, h3, gate */
	PROGRAM_DYN_W2T_BWD,   /* dy -> dgate */
	PROGRAM_DYN_W13T_BWD,  /* dh1, dh3 -> dx2norm */
	PROGRAM_DYN_WOT_BWD,   /* dx2 -> da */
	PROGRAM_DYN_SDPA_BWD1, /* q, k, v, da -> dv, probs, dp */
	PROGRAM_DYN_SDPA_BWD2, /* probs, dp, q, k -> dq, dk: the static one */
	PROGRAM_DYN_Q_BWD,     /* dq -> dxq: its part of dxnorm */
	PROGRAM_DYN_KV_BWD,    /* dk, dv -> dxkv: the rest */
	/* The extras, beside either set: what the host does when `extras` is off. */
	PROGRAM_FINAL_NORM,     /* x -> xf */
	PROGRAM_CLASSIFIER,     /* xf -> logits of a part of the vocabulary, for a block of tokens */
	PROGRAM_SOFTMAX,        /* logits -> probs over that part */
	PROGRAM_CLASSIFIER_BWD, /* dlogits -> dxf: what comes from that part */
	PROGRAM_NORM_BWD,       /* dy, x -> dx */
	PROGRAM_N,
	PROGRAM_STATIC_N = PROGRAM_DYN_SDPA_FWD, /* [0, here) */
	PROGRAM_EXTRAS = PROGRAM_FINAL_NORM      /* [here, PROGRAM_N) */
};

static inline int program_is_backward(enum program_id id)
{
	return (id > PROGRAM_FWD_FFN && id < PROGRAM_STATIC_N) || (id > PROGRAM_DYN_FFN && id < PROGRAM_EXTRAS) || id >= PROGRAM_CLASSIFIER_BWD;
}

/* Elements [offset, offset + count) along an axis of the surface `surface` (an input or output of the program) are `name`. */
struct program_channel {
	char name[16];
	char surface[16];
	int axis; /* 1: channels, 3: columns (inputs of dynamic programs) */
	int offset, count;
	int weight; /* a parameter: one of the matrices below, seen as [C, count] */
};

enum { PROGRAM_CHANNELS = 24, PROGRAM_WEIGHTS = 16 };

struct program_shape {
	int batch, seq;
	int separate; /* dynamic: every weight is an input of its own, called like the weight */
	/* Of the extras. */
	int rows, tokens; /* of the vocabulary, of a block; 0: all */
	int conv_in;      /* the device's limit of a convolution's input channels, 0: none */
	int dynamic;      /* weights are inputs */
	int precise;      /* q, k and the scores to more digits than fp16 has (program_precise.c); of no effect with qk_norm */
};

/* Precise: the channels behind a head's q and k that take a row's largest score off. More than one where that keeps the width a multiple of 32. */
static inline int program_score_pad(const struct model_config *c)
{
	return c->head_dim % 32 ? 1 : 32;
}

struct program {
	enum program_id id;
	const char *name;            /* "fwdAttn" */
	struct str text;
	int nchannel;
	struct program_channel channel[PROGRAM_CHANNELS];
	int nweight;
	char weight[PROGRAM_WEIGHTS][16]; /* file names below @model_path/weights/, without ".bin": "wq", "w2t", "mask" */
	struct mil_type weight_type[PROGRAM_WEIGHTS];
};

/* Weight files that are no parameters, and what the host puts into them:
 *   mask               [1, 1, R*S, S], R = heads / kv_heads: 0 where key <= row mod S, else -1e4
 *   rope_cos rope_sin  HD/2 rows of B*S columns: cos and sin of (t mod S) * theta^(-2i/HD)
 *   cos_coarse sin_coarse cos_fine sin_fine   precise, like rope_cos: the nearest multiple of 1/32, and the rest
 *   minus_q minus_k    precise: [1, 1, n, n], -1 on the diagonal
 *   less               precise: [1, KV*pad, 1, B*S], of every pad channels the first -1, the others 0 (program_score_pad)
 *   eps scale alpha    one number each, only where fp16 text can not say it exactly: norm_eps, 1/sqrt(HD), the residual scale
 *   rms                whichever norm's weight it is the gradient of
 * wqt wkt wvt wot w1t w2t w3t are the matrices seen transposed; rmsq and rmsk the weights of the norms of q and k, in dynamic programs in the
 * columns of an input "norms" of their own: they are shorter than the matrices; rmsf is the last norm's weight, cls [rows, D] some rows of the classifier,
 * clst the same seen transposed. */

const char *program_name(enum program_id id);
/* The program of that name, or -1. Two names are in both sets: the one in the set of `like` is taken then. */
int program_by_name(const char *name, enum program_id like);
const char *program_about(enum program_id id); /* one line for `mil list` */
/* Generates. `program_done` frees. */
int program_build(struct program *p, enum program_id id, const struct model_config *c, const struct program_shape *shape,
		  enum mil_dialect dialect, struct err *e);
void program_done(struct program *p);
/* NULL when that surface holds nothing of this name. */
const struct program_channel *program_channel(const struct program *p, const char *surface, const char *name);

#endif
