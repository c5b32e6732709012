/* gguf_model.c: a model's shape and weights out of a GGUF file. Writing is in gguf_save.c, tokenizers are in gguf_tokenizer.c.
 * SPDX-License-Identifier: MIT */
#include "io/gguf_model.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fp16.h"
#include "base/mem.h"

static const char *const param_name[PARAM_N] = {
	[PARAM_EMBED] = "token_embd", [PARAM_NORM_ATT] = "attn_norm", [PARAM_WQ] = "attn_q", [PARAM_WK] = "attn_k", [PARAM_WV] = "attn_v",
	[PARAM_WO] = "attn_output", [PARAM_NORM_FFN] = "ffn_norm", [PARAM_W1] = "ffn_gate", [PARAM_W2] = "ffn_down", [PARAM_W3] = "ffn_up",
	[PARAM_NORM_OUT] = "output_norm", [PARAM_HEAD] = "output", [PARAM_NORM_Q] = "attn_q_norm", [PARAM_NORM_K] = "attn_k_norm",
};

void gguf_param_name(char out[GGUF_NAME_MAX], enum param_kind kind, int layer)
{
	if (param_in_layer(kind))
		snprintf(out, GGUF_NAME_MAX, "blk.%d.%s.weight", layer, param_name[kind]);
	else
		snprintf(out, GGUF_NAME_MAX, "%s.weight", param_name[kind]);
}

int gguf_probe(const char *path)
{
	struct file_map m;
	if (file_map(&m, path, "model", NULL))
		return 0;
	int yes = m.size >= 4 && !memcmp(m.data, "GGUF", 4);
	file_unmap(&m);
	return yes;
}

/* --- the shape --- */

struct source {
	const struct gguf_file *f;
	char arch[16];
	struct err *e;
};

static const char *key_of(char buf[80], const struct source *s, const char *key)
{
	snprintf(buf, 80, "%s.%s", s->arch, key);
	return buf;
}

enum { NEEDED = -1, MAX_INT = 1 << 30 };

/* `missing`: what it is when there is no such key; NEEDED: an error. */
static int get_int(const struct source *s, const char *key, int missing, int *out)
{
	char name[80];
	int64_t v = missing;
	int rc = gguf_get_int(s->f, key_of(name, s, key), 1, MAX_INT, &v, s->e);
	if (rc < 0)
		return rc;
	if (!rc && missing == NEEDED)
		return err_set(s->e, ERR_FORMAT, "model: %s: key %s: expected a whole number, found none", s->f->path, name);
	*out = (int)v;
	return 0;
}

static int get_float(const struct source *s, const char *key, double missing, float *out)
{
	char name[80];
	double v = missing;
	int rc = gguf_get_float(s->f, key_of(name, s, key), &v, s->e);
	if (rc < 0)
		return rc;
	*out = (float)v;
	if (!(*out > 0))
		return err_set(s->e, ERR_FORMAT, "model: %s: key %s: expected a number above 0, found %s", s->f->path, name, rc ? "one that is not" : "none");
	return 0;
}

static int read_arch(struct source *s)
{
	const char *p = "none";
	char shown[64];
	size_t n = 4;
	int rc = gguf_get_string(s->f, "general.architecture", &p, &n, s->e);
	if (rc < 0)
		return rc;
	if (rc && ((n == 5 && !memcmp(p, "llama", 5)) || (n == 5 && !memcmp(p, "qwen3", 5)))) {
		snprintf(s->arch, sizeof s->arch, "%.5s", p);
		return 0;
	}
	return err_set(s->e, ERR_FORMAT, "model: %s: key general.architecture: expected llama or qwen3, found %s", s->f->path, gguf_shown(shown, p, n));
}

/* What this program can not compute. */
static int check_rope(const struct source *s)
{
	char name[80];
	const char *p;
	size_t n;
	int rc = gguf_get_string(s->f, key_of(name, s, "rope.scaling.type"), &p, &n, s->e);
	if (rc > 0 && !(n == 4 && !memcmp(p, "none", 4))) {
		char shown[64];
		return err_set(s->e, ERR_FORMAT, "model: %s: key %s: expected none, found %s (can not be computed)", s->f->path, name, gguf_shown(shown, p, n));
	}
	if (rc >= 0 && gguf_key(s->f, key_of(name, s, "rope.scale_linear")))
		return err_set(s->e, ERR_FORMAT, "model: %s: key %s: expected no such key (can not be computed)", s->f->path, name);
	if (rc >= 0 && gguf_key(s->f, key_of(name, s, "expert_count"))) {
		int64_t experts = 0;
		rc = gguf_get_int(s->f, name, 0, 0, &experts, s->e); /* a model without experts may say so */
	}
	return rc < 0 ? rc : 0;
}

static int read_head_dim(const struct source *s, struct model_config *c)
{
	int rope, value, rc = get_int(s, "attention.key_length", 0, &c->head_dim);
	if (!rc)
		rc = get_int(s, "rope.dimension_count", 0, &rope);
	if (!rc && !c->head_dim && rope)
		c->head_dim = rope;
	if (!rc && !c->head_dim && c->dim % c->heads)
		return err_set(s->e, ERR_FORMAT, "model: %s: key %s.embedding_length: expected a multiple of the %d heads, or a key_length; found %d", s->f->path,
			       s->arch, c->heads, c->dim);
	if (!rc && !c->head_dim)
		c->head_dim = c->dim / c->heads;
	if (!rc && rope && rope != c->head_dim)
		return err_set(s->e, ERR_FORMAT, "model: %s: key %s.rope.dimension_count: expected the head's %d, found %d", s->f->path, s->arch, c->head_dim, rope);
	if (!rc)
		rc = get_int(s, "attention.value_length", c->head_dim, &value);
	if (!rc && value != c->head_dim)
		return err_set(s->e, ERR_FORMAT, "model: %s: key %s.attention.value_length: expected the key's %d, found %d", s->f->path, s->arch, c->head_dim, value);
	return rc;
}

static int read_vocab(const struct source *s, struct model_config *c)
{
	const struct gguf_tensor *embed = gguf_tensor(s->f, "token_embd.weight");
	if (!s->f->n)
		return err_set(s->e, ERR_FORMAT, "model: %s: expected tensors, found none (a file that holds a tokenizer alone?)", s->f->path);
	if (!embed || embed->rank != 2 || embed->dim[1] > MAX_INT)
		return err_set(s->e, ERR_FORMAT, "model: %s: tensor token_embd.weight: expected a matrix, found %s", s->f->path, embed ? "another shape" : "none");
	c->vocab = (int)embed->dim[1];
	int vocab, rc = get_int(s, "vocab_size", c->vocab, &vocab);
	if (!rc && vocab != c->vocab)
		rc = err_set(s->e, ERR_FORMAT, "model: %s: key %s.vocab_size: expected %d as token_embd.weight has, found %d", s->f->path, s->arch, c->vocab, vocab);
	return rc;
}

static int read_config(struct source *s, struct model_config *c)
{
	const struct { const char *key; int *to; int missing; } ints[] = {
		{"embedding_length", &c->dim, NEEDED}, {"feed_forward_length", &c->hidden, NEEDED}, {"block_count", &c->layers, NEEDED},
		{"attention.head_count", &c->heads, NEEDED}, {"attention.head_count_kv", &c->kv_heads, 0}, {"context_length", &c->context, NEEDED},
	};
	*c = (struct model_config){.alpha = 1};
	int rc = read_arch(s);
	if (!rc)
		rc = check_rope(s);
	for (size_t i = 0; i < ARRAY_LEN(ints) && !rc; i++)
		rc = get_int(s, ints[i].key, ints[i].missing, ints[i].to);
	if (!rc && !c->kv_heads)
		c->kv_heads = c->heads;
	if (!rc)
		rc = get_float(s, "attention.layer_norm_rms_epsilon", 0, &c->norm_eps);
	if (!rc)
		rc = get_float(s, "rope.freq_base", 10000, &c->rope_theta);
	if (!rc)
		rc = read_head_dim(s, c);
	if (!rc)
		rc = read_vocab(s, c);
	if (rc)
		return rc;
	c->tied = !gguf_tensor(s->f, "output.weight");
	c->qk_norm = !strcmp(s->arch, "qwen3");
	c->rope = c->qk_norm ? ROPE_HALF : ROPE_INTERLEAVED;
	model_file_name(c->name, sizeof c->name, s->f->path);
	char *dot = strrchr(c->name, '.');
	if (dot && dot != c->name)
		*dot = 0;
	return model_file_config(c, s->f->path, s->e);
}

/* --- weights --- */

/* [rows, cols]; cols 0: a vector of `rows`. */
static void shape_of(const struct model_config *c, enum param_kind kind, int64_t *rows, int64_t *cols)
{
	*rows = c->dim;
	*cols = c->dim;
	switch (kind) {
	case PARAM_EMBED:
	case PARAM_HEAD: *rows = c->vocab; break;
	case PARAM_WQ: *rows = model_q_dim(c); break;
	case PARAM_WK:
	case PARAM_WV: *rows = model_kv_dim(c); break;
	case PARAM_WO: *cols = model_q_dim(c); break;
	case PARAM_W1:
	case PARAM_W3: *rows = c->hidden; break;
	case PARAM_W2: *cols = c->hidden; break;
	case PARAM_NORM_Q:
	case PARAM_NORM_K: *rows = c->head_dim; *cols = 0; break;
	default: *cols = 0; break;
	}
}

static const char *shape_text(char buf[96], int rank, const uint64_t *dim)
{
	size_t n = (size_t)snprintf(buf, 96, "[");
	for (int i = 0; i < rank; i++)
		n += (size_t)snprintf(buf + n, 96 - n, "%s%" PRIu64, i ? ", " : "", dim[i]);
	snprintf(buf + n, 96 - n, "]");
	return buf;
}

static int check_tensor(const struct source *s, const struct model_config *c, enum param_kind kind, int layer)
{
	char name[GGUF_NAME_MAX], a[96], b[96];
	int64_t rows, cols;
	unsigned block, bytes;
	gguf_param_name(name, kind, layer);
	shape_of(c, kind, &rows, &cols);
	const struct gguf_tensor *t = gguf_tensor(s->f, name);
	const uint64_t dim[2] = {(uint64_t)(cols ? cols : rows), (uint64_t)rows};
	int rank = cols ? 2 : 1;
	if (!t)
		return err_set(s->e, ERR_FORMAT, "model: %s: tensor %s: expected %s, found none", s->f->path, name, shape_text(a, rank, dim));
	if (t->rank != rank || memcmp(t->dim, dim, (size_t)rank * sizeof *dim))
		return err_set(s->e, ERR_FORMAT, "model: %s: tensor %s: expected shape %s (by the keys), found %s", s->f->path, name, shape_text(a, rank, dim),
			       shape_text(b, t->rank, t->dim));
	if (t->type != GGUF_F32 && t->type != GGUF_F16 && t->type != GGUF_BF16 && t->type != GGUF_Q8_0)
		return err_set(s->e, ERR_FORMAT, "model: %s: tensor %s: expected F32, F16, BF16 or Q8_0, found %s", s->f->path, name, gguf_type_name(t->type, &block, &bytes));
	return 0;
}

static int has(const struct model_config *c, enum param_kind kind)
{
	return kind == PARAM_HEAD ? !c->tied : kind == PARAM_NORM_Q || kind == PARAM_NORM_K ? c->qk_norm : 1;
}

/* The first tensor in the file that is none of the model's. */
static int check_left_over(const struct source *s, const struct model_config *c, uint64_t wanted)
{
	char name[GGUF_NAME_MAX], shown[64];
	for (uint64_t i = 0; i < s->f->n && s->f->n != wanted; i++) {
		int known = 0, layer = -1;
		const char *have = s->f->tensor[i].name;
		if (sscanf(have, "blk.%9d.", &layer) != 1 || layer < 0 || layer >= c->layers)
			layer = 0;
		for (int k = 0; k < PARAM_N && !known; k++) {
			gguf_param_name(name, (enum param_kind)k, layer);
			known = has(c, (enum param_kind)k) && !strcmp(name, have);
		}
		if (!known)
			return err_set(s->e, ERR_FORMAT, "model: %s: tensor %s: architecture %s expects no such tensor (can not be computed)", s->f->path,
				       gguf_shown(shown, have, strlen(have)), s->arch);
	}
	return 0;
}

static int check_tensors(const struct source *s, const struct model_config *c)
{
	uint64_t wanted = 0;
	int rc = 0;
	for (int k = 0; k < PARAM_N && !rc; k++)
		for (int l = 0; l < (param_in_layer((enum param_kind)k) ? c->layers : 1) && has(c, (enum param_kind)k) && !rc; l++, wanted++)
			rc = check_tensor(s, c, (enum param_kind)k, l);
	return rc ? rc : check_left_over(s, c, wanted);
}

static uint16_t half_at(const unsigned char *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static void take(float *w, const struct gguf_tensor *t)
{
	size_t n = (size_t)t->elements;
	for (size_t i = 0; i < n; i++) {
		const unsigned char *block = t->data + i / 32 * 34;
		switch (t->type) {
		case GGUF_F32: w[i] = gguf_f32(t->data + 4 * i); break;
		case GGUF_F16: w[i] = fp16_to_f32(half_at(t->data + 2 * i)); break;
		case GGUF_BF16: w[i] = bf16_to_f32(half_at(t->data + 2 * i)); break;
		default: w[i] = fp16_to_f32(half_at(block)) * (float)(signed char)block[2 + i % 32]; break;
		}
	}
}

struct params *gguf_load(const char *path, struct err *e)
{
	struct gguf_file f;
	struct model_config c;
	struct params *p = NULL;
	if (gguf_open(&f, path, e))
		return NULL;
	struct source s = {.f = &f, .e = e};
	if (!read_config(&s, &c) && !check_tensors(&s, &c))
		p = params_new(&c, e);
	for (int i = 0; p && i < p->n; i++) {
		char name[GGUF_NAME_MAX];
		gguf_param_name(name, p->table[i].kind, p->table[i].layer);
		take(p->w + p->table[i].offset, gguf_tensor(&f, name));
	}
	gguf_close(&f);
	return p;
}

int gguf_load_tokenizer(struct tokenizer **out, const char *path, struct err *e)
{
	struct gguf_file f;
	*out = NULL;
	int rc = gguf_open(&f, path, e);
	if (rc)
		return rc;
	rc = gguf_tokenizer_read(&f, out, e);
	gguf_close(&f);
	return rc;
}
