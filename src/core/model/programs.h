/* programs.h: the text of the static kernels, for any model shape, and the table of their packed channels. Runs nothing.
 *
 * The host knows no offset: it asks program_channel by name. Batch is in the last axis: [1, C, 1, B*S], token t of sequence b
 * at b*S+t; score taps are [1, B*H*S, 1, S]. SPDX-License-Identifier: MIT */
#ifndef ANETUI_MODEL_PROGRAMS_H
#define ANETUI_MODEL_PROGRAMS_H

#include "base/err.h"
#include "base/str.h"
#include "mil/build.h"
#include "model/config.h"

enum program_id {
	PROGRAM_FWD_ATTN,  /* x -> x2 = x + alpha*Wo(attn), taps q k v attn xnorm */
	PROGRAM_FWD_FFN,   /* x2 -> y = x2 + alpha*ffn, taps h1 h3 gate xnorm */
	PROGRAM_FFN_BWD,   /* dy, h1, h3 -> dx (before the norm), dh1, dh3 */
	PROGRAM_SDPA_BWD1, /* dx2, q, k, v -> dv, probs, dp */
	PROGRAM_SDPA_BWD2, /* probs, dp, q, k -> dq, dk (before RoPE: rotated back) */
	PROGRAM_QKV_BWD,   /* dq, dk, dv -> dx (before the norm) */
	PROGRAM_N
};

/* Channels [offset, offset + count) of the surface `surface` (an input or output of the program) are `name`. */
struct program_channel {
	char name[16];
	char surface[16];
	int offset, count;
};

enum { PROGRAM_CHANNELS = 24, PROGRAM_WEIGHTS = 12 };

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
 *   eps scale alpha    one number each, only where fp16 text can not say it exactly: norm_eps, 1/sqrt(HD), the residual scale
 * wqt wkt wvt wot w1t w2t w3t are the matrices seen transposed. */

const char *program_name(enum program_id id);
int program_by_name(const char *name);   /* or -1 */
const char *program_about(enum program_id id); /* one line for `mil list` */
/* Generates. `program_done` frees. */
int program_build(struct program *p, enum program_id id, const struct model_config *c, int batch, int seq,
		  enum mil_dialect dialect, struct err *e);
void program_done(struct program *p);
/* NULL when there is no such channel on that side ('i' input, 'o' output). */
const struct program_channel *program_channel(const struct program *p, const char *surface, const char *name);

#endif
