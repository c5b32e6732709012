/* hf.h: model folders as Hugging Face lays them out: config.json and safetensors files, of the families llama and qwen3. Tokenizers are the text room's.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_IO_HF_H
#define ANETUI_IO_HF_H

#include "base/err.h"
#include "base/str.h"
#include "io/model_file.h"
#include "model/params.h"

/* Does the folder hold a config.json? */
int hf_probe(const char *path);
/* config.json alone: the shape of the model. RoPE is half-split; what this program can not compute (biases, scaled RoPE, sliding windows, another
 * activation) is refused by its key. The name is the folder's. */
int hf_config(struct model_config *c, const char *path, struct err *e);
/* Configuration and weights: model.safetensors, or the files that model.safetensors.index.json names; F32, F16, BF16 or F64, converted tensor by tensor.
 * Every tensor must be there with the shape that the configuration says, and no other but rotary_emb.inv_freq; lm_head.weight may be stored
 * beside a tied embedding if it is equal to it. */
struct params *hf_load(const char *path, struct err *e);

enum { HF_F32, HF_F16, HF_BF16 };
/* Writes config.json, model.safetensors (RoPE half-split: rows of q and k change places where the model is interleaved; no lm_head when tied) and the
 * tokenizer. A folder that is there must be one of ours: config.json says so (key anetui_version). Residual scales and a weight that the dtype can not hold are refused. */
int hf_save(const struct model_source *s, const char *path, int dtype, struct str *report, struct err *e);

#endif
