/* gguf_save.c: a model into a GGUF v3 file. Reading is in gguf_model.c.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fp16.h"
#include "base/mem.h"
#include "base/save.h"
#include "io/gguf_model.h"

enum { CHUNK = 1 << 14, BLOCK = 32, BLOCK_BYTES = 34 };

struct writer {
	const struct model_source *s;
	const char *path;
	enum gguf_type type;
	int not_q8;   /* matrices whose rows are no multiple of a block */
	float *scratch;
	struct save file;
	struct err *e;
};

static enum gguf_type type_of(const struct writer *w, const struct param *t)
{
	if (t->rank == 1)
		return GGUF_F32;
	return w->type == GGUF_Q8_0 && t->dim[1] % BLOCK ? GGUF_F16 : w->type;
}

static void put_keys(struct gguf_head *h, const struct writer *w)
{
	const struct model_config *c = &w->s->params->config;
	const char *arch = c->qk_norm ? "qwen3" : "llama";
	const struct { const char *key; int value; } ints[] = {
		{"context_length", c->context}, {"embedding_length", c->dim}, {"block_count", c->layers}, {"feed_forward_length", c->hidden},
		{"attention.head_count", c->heads}, {"attention.head_count_kv", c->kv_heads}, {"attention.key_length", c->head_dim},
		{"attention.value_length", c->head_dim}, {"rope.dimension_count", c->head_dim}, {"vocab_size", c->vocab},
	};
	static const struct { enum gguf_type type; uint32_t number; } file_type[] = {{GGUF_F32, 0}, {GGUF_F16, 1}, {GGUF_Q8_0, 7}, {GGUF_BF16, 32}};
	char name[80];
	gguf_put_string(h, "general.architecture", arch, strlen(arch));
	gguf_put_string(h, "general.name", c->name, strlen(c->name));
	for (size_t i = 0; i < ARRAY_LEN(file_type); i++)
		if (file_type[i].type == w->type)
			gguf_put_u32(h, "general.file_type", file_type[i].number);
	if (w->type == GGUF_Q8_0)
		gguf_put_u32(h, "general.quantization_version", 2);
	for (size_t i = 0; i < ARRAY_LEN(ints); i++) {
		snprintf(name, sizeof name, "%s.%s", arch, ints[i].key);
		gguf_put_u32(h, name, (uint32_t)ints[i].value);
	}
	snprintf(name, sizeof name, "%s.attention.layer_norm_rms_epsilon", arch);
	gguf_put_float(h, name, c->norm_eps);
	snprintf(name, sizeof name, "%s.rope.freq_base", arch);
	gguf_put_float(h, name, c->rope_theta);
}

static uint64_t put_infos(struct gguf_head *h, struct writer *w)
{
	uint64_t bytes = 0;
	for (int i = 0; i < w->s->params->n; i++) {
		const struct param *t = &w->s->params->table[i];
		char name[GGUF_NAME_MAX];
		const uint64_t dim[2] = {(uint64_t)t->dim[t->rank - 1], (uint64_t)t->dim[0]};
		gguf_param_name(name, t->kind, t->layer);
		bytes += gguf_put_tensor(h, name, t->rank, dim, type_of(w, t));
		w->not_q8 += t->rank == 2 && type_of(w, t) != w->type;
	}
	return bytes;
}

static void put16(unsigned char *p, uint16_t v)
{
	p[0] = (unsigned char)v;
	p[1] = (unsigned char)(v >> 8);
}

static int too_large(const struct writer *w, const struct param *t, float v, const char *type)
{
	return err_set(w->e, ERR_RANGE, "export: %s: tensor %s: %g is too large for %s (export gguf)", w->path, t->name, (double)v, type);
}

/* The numbers are rounded by the scale as it is stored, so that what is read back is written again as the same bytes. */
static int put_q8(struct writer *w, const struct param *t, const float *x)
{
	unsigned char out[CHUNK / BLOCK * BLOCK_BYTES];
	int rc = 0;
	for (size_t at = 0; at < t->count && !rc;) {
		size_t n = MIN(t->count - at, (size_t)CHUNK), blocks = n / BLOCK;
		for (size_t b = 0; b < blocks; b++, at += BLOCK) {
			unsigned char *o = out + b * BLOCK_BYTES;
			float top = 0;
			for (int i = 0; i < BLOCK; i++)
				top = fmaxf(top, fabsf(x[at + (size_t)i]));
			uint16_t h = fp16_from_f32(top / 127);
			if (h >= 0x7c00)
				return too_large(w, t, top, "Q8_0");
			float scale = fp16_to_f32(h);
			put16(o, h);
			for (int i = 0; i < BLOCK; i++)
				o[2 + i] = scale > 0 ? (unsigned char)(signed char)fmaxf(-127, fminf(127, roundf(x[at + (size_t)i] / scale))) : 0;
		}
		rc = save_write(&w->file, out, blocks * BLOCK_BYTES, w->e);
	}
	return rc;
}

static int put_half(struct writer *w, const struct param *t, const float *x, int bf16)
{
	unsigned char out[CHUNK * 2];
	int rc = 0;
	for (size_t at = 0; at < t->count && !rc; at += CHUNK) {
		size_t n = MIN(t->count - at, (size_t)CHUNK);
		for (size_t i = 0; i < n; i++) {
			uint16_t h = bf16 ? bf16_from_f32(x[at + i]) : fp16_from_f32(x[at + i]);
			if ((h & 0x7fff) >= (bf16 ? 0x7f80 : 0x7c00))
				return too_large(w, t, x[at + i], bf16 ? "BF16" : "F16");
			put16(out + 2 * i, h);
		}
		rc = save_write(&w->file, out, 2 * n, w->e);
	}
	return rc;
}

static int put_tensor(struct writer *w, const struct param *t, enum rope_layout rope)
{
	static const unsigned char zeros[GGUF_ALIGNMENT];
	const float *x = model_source_tensor(w->s, t, rope, w->scratch);
	enum gguf_type type = type_of(w, t);
	unsigned long long from = w->file.bytes;
	int rc = type == GGUF_F32 ? save_write(&w->file, x, t->count * sizeof *x, w->e) : type == GGUF_Q8_0 ? put_q8(w, t, x) : put_half(w, t, x, type == GGUF_BF16);
	return rc ? rc : save_write(&w->file, zeros, (size_t)gguf_padding(w->file.bytes - from), w->e);
}

static int put_all(struct writer *w, const struct str *head, uint64_t bytes)
{
	const struct params *p = w->s->params;
	int rc = save_begin(&w->file, w->path, head->len + bytes, w->e);
	if (rc)
		return rc;
	rc = save_write(&w->file, head->s, head->len, w->e);
	for (int i = 0; i < p->n && !rc; i++)
		rc = put_tensor(w, &p->table[i], p->config.qk_norm ? ROPE_HALF : ROPE_INTERLEAVED);
	if (!rc)
		return save_commit(&w->file, w->e);
	save_abort(&w->file);
	return rc;
}

int gguf_save(const struct model_source *s, const char *path, int type, struct str *report, struct err *e)
{
	struct writer w = {.s = s, .path = path, .type = (enum gguf_type)type, .e = e};
	const struct model_config *c = &s->params->config;
	struct gguf_head h = {0};
	struct str head = {0}, said = {0};
	unsigned block, each;
	char size[16];
	if (c->alpha != 1)
		return err_set(e, ERR_STATE, "export: %s: the architectures llama and qwen3 have no residual scale, the model has %g", path, (double)c->alpha);
	w.scratch = mem_aligned(model_source_scratch(s), sizeof(float));
	int rc = w.scratch ? 0 : err_nomem(e, "export", model_source_scratch(s) * sizeof(float));
	put_keys(&h, &w);
	if (!rc)
		rc = gguf_tokenizer_write(&h, s->tok, c->vocab, path, &said, e);
	uint64_t bytes = put_infos(&h, &w);
	if (!rc)
		rc = gguf_finish(&h, &head, e);
	if (!rc)
		rc = put_all(&w, &head, bytes);
	if (!rc) {
		str_printf(report, "%s: GGUF v3, architecture %s, %s, %s%s\n", path, c->qk_norm ? "qwen3" : "llama", gguf_type_name((uint32_t)type, &block, &each),
			   str_bytes(size, w.file.bytes), c->tied ? ", the classifier is the embedding" : "");
		if (w.not_q8)
			str_printf(report, "%s: %d matrices have rows that are no multiple of %d: written in F16\n", path, w.not_q8, BLOCK);
		if (said.s)
			str_puts(report, said.s);
	}
	gguf_head_done(&h);
	str_done(&head);
	str_done(&said);
	free(w.scratch);
	return rc;
}
