/* peft.h: the adapters of a model as a folder for Hugging Face's PEFT. Reads none.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_IO_PEFT_H
#define ANETUI_IO_PEFT_H

#include "io/model_file.h"

/* Writes adapter_model.safetensors, F32 (rows of B of q and k change places where the model's RoPE is interleaved, as those of the matrices do), then
 * adapter_config.json. The folder must be new or empty. ERR_STATE: there are no adapters, or one is on the embedding, for which the format has another form. */
int peft_save(const struct model_source *s, const char *path, int variant, struct str *report, struct err *e);

#endif
