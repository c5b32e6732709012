/* gguf_model.h: models and tokenizers from and to GGUF files, of the architectures llama and qwen3. The container is gguf.h's.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_IO_GGUF_MODEL_H
#define ANETUI_IO_GGUF_MODEL_H

#include "base/err.h"
#include "io/gguf.h"
#include "io/model_file.h"

/* Does the file begin as one? */
int gguf_probe(const char *path);
/* Weights in F32, F16, BF16 and Q8_0; llama has interleaved RoPE, qwen3 half-split and norms of q and k. Every tensor must be there with the shape that
 * the keys say, and no other. The name is the file's without its ending. Nothing is allocated for weights before all that is checked. */
struct params *gguf_load(const char *path, struct err *e);
/* The tokenizer in the file. *out is NULL when it holds none. */
int gguf_load_tokenizer(struct tokenizer **out, const char *path, struct err *e);

/* `type`: of the matrices (enum gguf_type); norms are always F32. Q8_0 takes rows that are a multiple of 32; others are written in F16 and counted in the report. */
int gguf_save(const struct model_source *s, const char *path, int type, struct str *report, struct err *e);

/* gguf_tokenizer.c. Pieces are added up to `vocab`, since readers want as many as the embedding has rows. t may be NULL. */
int gguf_tokenizer_read(const struct gguf_file *f, struct tokenizer **out, struct err *e);
int gguf_tokenizer_write(struct gguf_head *h, const struct tokenizer *t, int vocab, const char *path, struct str *report, struct err *e);

/* gguf_model.c: the name of a parameter in such files, and its shape as written there. */
void gguf_param_name(char out[GGUF_NAME_MAX], enum param_kind kind, int layer);

#endif
