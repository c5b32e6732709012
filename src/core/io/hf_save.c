/* hf_save.c: params into a Hugging Face folder: model.safetensors first, config.json last, so that a folder is a model only when it is whole.
 * SPDX-License-Identifier: MIT */
#include "io/hf.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/fp16.h"
#include "base/mem.h"
#include "base/save.h"
#include "io/safetensors.h"

enum { CONFIG_MAX = 4 << 20, CHUNK = 1 << 16 };
static const char our_mark[] = "anetui_version";
static const struct { const char *name, *torch; size_t bytes; } dtypes[] = {
	[HF_F32] = {"F32", "float32", 4}, [HF_F16] = {"F16", "float16", 2}, [HF_BF16] = {"BF16", "bfloat16", 2},
};

/* A config.json that we did not write belongs to somebody. */
static int is_ours(const char *config, struct err *e)
{
	struct str text = {0};
	json_error_t je;
	if (file_is_dir(config) < 0)
		return 0;
	int rc = file_read(&text, config, "export", CONFIG_MAX, e);
	json_t *root = rc ? NULL : json_loadb(text.len ? text.s : "", text.len, 0, &je);
	if (!rc && !json_object_get(root, our_mark))
		rc = err_set(e, ERR_STATE, "export: %s: is there, and this program did not write it (choose another folder)", config);
	json_decref(root);
	str_done(&text);
	return rc;
}

static int can_say(const struct model_config *c, const char *path, struct err *e)
{
	if (c->alpha != 1)
		return err_set(e, ERR_STATE, "export: %s: the families llama and qwen3 have no residual scale, the model has %g (export upstream can)", path, c->alpha);
	return 0;
}

/* Shortest decimal that reads back as the same float: 1e-6 and not 9.99999997e-07. */
static json_t *real(float v)
{
	char buf[32];
	for (int digits = 1; digits < 10; digits++) {
		snprintf(buf, sizeof buf, "%.*g", digits, (double)v);
		if (strtof(buf, NULL) == v)
			break;
	}
	return json_real(strtod(buf, NULL));
}

static int put_config(const struct model_source *s, const char *config, int dtype, struct err *e)
{
	const struct model_config *c = &s->params->config;
	const struct tokenizer_info *t = s->tok ? tokenizer_info(s->tok) : NULL;
	json_t *root = json_pack("{s:[s], s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:o, s:o, s:b, s:s, s:b, s:s, s:s}",
				 "architectures", c->qk_norm ? "Qwen3ForCausalLM" : "LlamaForCausalLM", "model_type", c->qk_norm ? "qwen3" : "llama",
				 "hidden_size", c->dim, "intermediate_size", c->hidden, "num_hidden_layers", c->layers, "num_attention_heads", c->heads,
				 "num_key_value_heads", c->kv_heads, "head_dim", c->head_dim, "vocab_size", c->vocab, "max_position_embeddings", c->context,
				 "rms_norm_eps", real(c->norm_eps), "rope_theta", real(c->rope_theta), "tie_word_embeddings", c->tied, "hidden_act", "silu",
				 "attention_bias", 0, "torch_dtype", dtypes[dtype].torch, our_mark, ANETUI_VERSION);
	if (root && t && t->bos >= 0)
		json_object_set_new(root, "bos_token_id", json_integer(t->bos));
	if (root && t && t->eos >= 0)
		json_object_set_new(root, "eos_token_id", json_integer(t->eos));
	char *text = root ? json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) : NULL;
	int rc = text ? save_file(config, text, strlen(text), e) : err_nomem(e, "export: config.json", 4096);
	free(text);
	json_decref(root);
	return rc;
}

/* --- weights --- */

static int put_half(struct save *f, const struct param *t, const float *x, int dtype, const char *path, struct err *e)
{
	uint16_t out[CHUNK];
	int rc = 0;
	for (size_t at = 0; at < t->count && !rc; at += CHUNK) {
		size_t n = MIN(t->count - at, (size_t)CHUNK);
		for (size_t i = 0; i < n; i++) {
			out[i] = dtype == HF_F16 ? fp16_from_f32(x[at + i]) : bf16_from_f32(x[at + i]);
			if ((out[i] & 0x7fff) >= (dtype == HF_F16 ? 0x7c00 : 0x7f80))
				return err_set(e, ERR_RANGE, "export: %s: tensor %s: %g is too large for %s (export safetensors)", path, t->name, (double)x[at + i],
					       dtypes[dtype].name);
		}
		rc = save_write(f, out, n * sizeof *out, e);
	}
	return rc;
}

static int header_of(struct str *out, const struct params *p, int dtype, struct err *e)
{
	static const struct st_meta meta = {"format", "pt"};
	struct st_tensor *t = mem_zalloc((size_t)p->n, sizeof *t);
	if (!t)
		return err_nomem(e, "export: table of tensors", (unsigned long long)p->n * sizeof *t);
	for (int i = 0; i < p->n; i++) {
		t[i].name = (char *)p->table[i].name; /* only read */
		snprintf(t[i].dtype, sizeof t[i].dtype, "%s", dtypes[dtype].name);
		t[i].rank = p->table[i].rank;
		for (int k = 0; k < t[i].rank; k++)
			t[i].dim[k] = (uint64_t)p->table[i].dim[k];
	}
	int rc = st_header(out, t, p->n, &meta, 1, e);
	free(t);
	return rc;
}

static int put_weights(const struct model_source *s, const char *path, int dtype, unsigned long long *bytes, struct err *e)
{
	const struct params *p = s->params;
	struct str head = {0};
	struct save f;
	float *scratch = mem_aligned(model_source_scratch(s), sizeof *scratch);
	int rc = scratch ? header_of(&head, p, dtype, e) : err_nomem(e, "export", model_source_scratch(s) * sizeof *scratch);
	if (!rc && !(rc = save_begin(&f, path, (unsigned long long)p->total * dtypes[dtype].bytes, e))) {
		rc = save_write(&f, head.s, head.len, e);
		for (int i = 0; i < p->n && !rc; i++) {
			const struct param *t = &p->table[i];
			const float *x = model_source_tensor(s, t, ROPE_HALF, scratch);
			rc = dtype == HF_F32 ? save_write(&f, x, t->count * sizeof *x, e) : put_half(&f, t, x, dtype, path, e);
		}
		*bytes = f.bytes;
		if (!rc)
			rc = save_commit(&f, e);
		else
			save_abort(&f);
	}
	str_done(&head);
	free(scratch);
	return rc;
}

int hf_save(const struct model_source *s, const char *path, int dtype, struct str *report, struct err *e)
{
	char config[4352], weights[4352], size[16];
	unsigned long long bytes = 0;
	if ((size_t)snprintf(config, sizeof config, "%s/config.json", path) >= sizeof config ||
	    (size_t)snprintf(weights, sizeof weights, "%s/model.safetensors", path) >= sizeof weights)
		return err_set(e, ERR_RANGE, "export: %.200s...: path too long", path);
	int rc = can_say(&s->params->config, path, e);
	if (!rc)
		rc = is_ours(config, e);
	if (!rc)
		rc = file_mkdirs(path, e);
	if (!rc)
		rc = put_weights(s, weights, dtype, &bytes, e);
	if (!rc && s->tok)
		rc = tokenizer_save_folder(s->tok, path, e);
	if (!rc)
		rc = put_config(s, config, dtype, e);
	if (!rc)
		str_printf(report, "%s: Hugging Face folder, family %s, %s, %s%s\n", path, s->params->config.qk_norm ? "qwen3" : "llama", dtypes[dtype].name,
			   str_bytes(size, bytes), s->params->config.tied ? ", the classifier is the embedding" : "");
	return rc;
}
