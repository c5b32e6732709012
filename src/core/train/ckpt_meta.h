/* ckpt_meta.h: the words of a checkpoint's __metadata__: model and training state to text and back, exactly. No files.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TRAIN_CKPT_META_H
#define ANETUI_TRAIN_CKPT_META_H

#include "base/err.h"
#include "io/safetensors.h"
#include "model/config.h"
#include "train/ckpt.h"

enum { CKPT_META_MAX = 256, CKPT_META_KEY = 40, CKPT_META_VALUE = 272 };

struct ckpt_meta {
	int n;
	struct st_meta row[CKPT_META_MAX]; /* points into the two below */
	char key[CKPT_META_MAX][CKPT_META_KEY];
	char value[CKPT_META_MAX][CKPT_META_VALUE];
};

/* Appends; a pair beyond the maximum is a mistake of ours and makes ckpt_meta_full true. */
void ckpt_meta_put(struct ckpt_meta *m, const char *key, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int ckpt_meta_full(const struct ckpt_meta *m);
void ckpt_meta_write(struct ckpt_meta *m, const struct model_config *c, const struct train_state *s);
/* Messages: "metadata: state.step: 0xzz is no number". The config is not checked beyond its types. */
int ckpt_meta_read(const struct st_file *f, struct model_config *c, struct train_state *s, struct err *e);
int ckpt_meta_u64(const struct st_file *f, const char *key, uint64_t *out, struct err *e);

#endif
