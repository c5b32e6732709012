/* upstream.c: maderix/ANE's checkpoints, read and written: one file because both are one table of the header and one order of tensors.
 *
 * Header, little-endian, 96 bytes: see at[]. Then for each layer the nine tensors of layer_order, then the first and second moments of each, one pair after
 * the other; then the last norm with its two moments, the embedding with its two. The header is a stranger's: nothing is allocated before the sizes that
 * follow from it are the file's. SPDX-License-Identifier: MIT */
#include "io/upstream.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/save.h"

#define MAGIC 0x424C5A54u

enum { HEADER = 96, MOMENTS = 2 };
enum field { F_MAGIC, F_VERSION, F_STEP, F_TOTAL, F_LAYERS, F_VOCAB, F_DIM, F_HIDDEN, F_HEADS, F_SEQ, F_LR, F_LOSS, F_KV_HEADS, F_HEAD_DIM, F_Q_DIM };
static const int at[] = {[F_MAGIC] = 0, [F_VERSION] = 4, [F_STEP] = 8, [F_TOTAL] = 12, [F_LAYERS] = 16, [F_VOCAB] = 20, [F_DIM] = 24, [F_HIDDEN] = 28,
			 [F_HEADS] = 32, [F_SEQ] = 36, [F_LR] = 40, [F_LOSS] = 44, [F_KV_HEADS] = 84, [F_HEAD_DIM] = 88, [F_Q_DIM] = 92};
static const enum param_kind layer_order[] = {PARAM_WQ, PARAM_WK, PARAM_WV, PARAM_WO, PARAM_W1, PARAM_W2, PARAM_W3, PARAM_NORM_ATT, PARAM_NORM_FFN};
static const enum param_kind last_order[] = {PARAM_NORM_OUT, PARAM_EMBED};

static uint32_t get(const unsigned char *head, enum field f)
{
	const unsigned char *p = head + at[f];
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put(unsigned char *head, enum field f, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		head[at[f] + i] = (unsigned char)(v >> 8 * i);
}

static void put_float(unsigned char *head, enum field f, float v)
{
	uint32_t u;
	memcpy(&u, &v, sizeof u);
	put(head, f, u);
}

/* What the dynamic pipeline scales residuals by. */
static float alpha_of(int layers)
{
	return 1 / sqrtf(2 * (float)layers);
}

/* --- reading --- */

static int read_config(struct model_config *c, const struct file_map *m, const char *path, struct err *e)
{
	struct err why = {0};
	char prefix[sizeof c->name + 16];
	if (m->size < HEADER)
		return err_set(e, ERR_FORMAT, "model: %s: cut in its header: expected at least %d bytes, found %zu", path, HEADER, m->size);
	int version = (int)get(m->data, F_VERSION);
	if (version != 2 && version != 4)
		return err_set(e, ERR_FORMAT, "model: %s: upstream checkpoint: expected version 2 or 4, found %d", path, version);
	*c = (struct model_config){.dim = (int)get(m->data, F_DIM), .hidden = (int)get(m->data, F_HIDDEN), .layers = (int)get(m->data, F_LAYERS),
				   .heads = (int)get(m->data, F_HEADS), .vocab = (int)get(m->data, F_VOCAB), .context = (int)get(m->data, F_SEQ),
				   .tied = 1, .rope = ROPE_INTERLEAVED, .rope_theta = 10000, .norm_eps = 1e-5f, .alpha = 1};
	model_file_name(c->name, sizeof c->name, path);
	char *dot = strrchr(c->name, '.');
	if (dot && dot != c->name)
		*dot = 0;
	if (version == 2 && (c->heads < 1 || c->dim % c->heads))
		return err_set(e, ERR_FORMAT, "model: %s: n_heads: expected a divisor of dim %d, found %d", path, c->dim, c->heads);
	c->kv_heads = version == 2 ? c->heads : (int)get(m->data, F_KV_HEADS);
	c->head_dim = version == 2 ? c->dim / c->heads : (int)get(m->data, F_HEAD_DIM);
	if (version == 4 && c->layers > 0)
		c->alpha = alpha_of(c->layers);
	if (model_config_check(c, &why)) {
		size_t named = (size_t)snprintf(prefix, sizeof prefix, "model: %s: ", c->name); /* the path says more than the name */
		return err_set(e, ERR_FORMAT, "model: %s: upstream checkpoint v%d: its header says %s", path, version,
			       why.msg + (strncmp(why.msg, prefix, named) ? 0 : named));
	}
	if (version == 4 && (int)get(m->data, F_Q_DIM) != model_q_dim(c))
		return err_set(e, ERR_FORMAT, "model: %s: q_dim: expected %d (%d heads of %d), found %d", path, model_q_dim(c), c->heads, c->head_dim,
			       (int)get(m->data, F_Q_DIM));
	return 0;
}

/* Floats of a tensor; the ranges of model_config_check keep this below 2^61. */
static size_t floats_of(const struct model_config *c, enum param_kind kind)
{
	int64_t dim[2];
	params_kind_shape(c, kind, dim);
	return (size_t)dim[0] * (size_t)dim[1];
}

/* The length of the file: 0, or -1 when it does not fit in size_t. */
static int expected_bytes(size_t *out, const struct model_config *c)
{
	size_t layer = 0, all;
	for (size_t i = 0; i < ARRAY_LEN(layer_order); i++)
		if (__builtin_add_overflow(layer, floats_of(c, layer_order[i]), &layer))
			return -1;
	if (mem_mul(&all, layer, (size_t)c->layers))
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(last_order); i++)
		if (__builtin_add_overflow(all, floats_of(c, last_order[i]), &all))
			return -1;
	return mem_mul(&all, all, (1 + MOMENTS) * sizeof(float)) || __builtin_add_overflow(all, (size_t)HEADER, out) ? -1 : 0;
}

static const char *take(struct params *p, enum param_kind kind, int layer, const char *from)
{
	const struct param *t = params_find(p, kind, layer);
	memcpy(p->w + t->offset, from, t->count * sizeof(float));
	return from + t->count * sizeof(float);
}

static void take_all(struct params *p, const char *from)
{
	for (int l = 0; l < p->config.layers; l++) {
		const char *layer = from;
		for (size_t i = 0; i < ARRAY_LEN(layer_order); i++)
			from = take(p, layer_order[i], l, from);
		from += MOMENTS * (from - layer);
	}
	for (size_t i = 0; i < ARRAY_LEN(last_order); i++) {
		const char *tensor = from;
		from = take(p, last_order[i], -1, from);
		from += MOMENTS * (from - tensor);
	}
}

int upstream_probe(const char *path)
{
	struct file_map m;
	if (file_map(&m, path, "model", NULL))
		return 0;
	int yes = m.size >= 4 && get(m.data, F_MAGIC) == MAGIC;
	file_unmap(&m);
	return yes;
}

struct params *upstream_load(const char *path, struct err *e)
{
	struct file_map m;
	struct model_config c;
	struct params *p = NULL;
	size_t want;
	if (file_map(&m, path, "model", e))
		return NULL;
	int rc = read_config(&c, &m, path, e);
	if (!rc && expected_bytes(&want, &c))
		rc = err_set(e, ERR_FORMAT, "model: %s: upstream checkpoint: its header asks for more bytes than there can be", path);
	else if (!rc && want != m.size)
		rc = err_set(e, ERR_FORMAT, "model: %s: upstream checkpoint v%d, dim %d, %d layers, vocabulary %d: expected %zu bytes, found %zu (%s)", path,
			     (int)get(m.data, F_VERSION), c.dim, c.layers, c.vocab, want, m.size, m.size < want ? "cut while copying?" : "something follows");
	if (!rc && (p = params_new(&c, e)))
		take_all(p, (const char *)m.data + HEADER);
	file_unmap(&m);
	return p;
}

/* --- writing --- */

struct writer {
	const struct model_source *s;
	struct save file;
	float *scratch; /* the largest tensor, for q and k that change layout */
	struct err *e;
};

/* What the version has no words for. */
static int can_say(const struct model_config *c, const char *path, int version, struct err *e)
{
	float alpha = version == 4 ? alpha_of(c->layers) : 1;
	if (c->qk_norm)
		return err_set(e, ERR_STATE, "export: %s: upstream's checkpoints have no place for norms of q and k (export safetensors can)", path);
	if (!c->tied)
		return err_set(e, ERR_STATE, "export: %s: upstream's classifier is the embedding, the model has one of its own (export safetensors can)", path);
	if (c->rope_theta != 10000 || !(fabsf(c->norm_eps - 1e-5f) <= 1e-9f))
		return err_set(e, ERR_STATE, "export: %s: upstream's programs take RoPE theta 10000 and norm eps 1e-5, the model has %g and %g (export safetensors can)",
			       path, c->rope_theta, c->norm_eps);
	if (!(fabsf(c->alpha - alpha) <= 1e-5f * alpha))
		return err_set(e, ERR_STATE, "export: %s: upstream v%d scales residuals by %g, the model by %g%s", path, version, alpha, c->alpha,
			       version == 4 && c->alpha == 1 ? " (export upstream-v2 or safetensors can)" : "");
	if (version == 2 && (c->kv_heads != c->heads || c->head_dim * c->heads != c->dim))
		return err_set(e, ERR_STATE, "export: %s: upstream v2 needs kv_heads = heads and head_dim = dim / heads, the model has %d heads, %d kv_heads, head_dim %d, dim %d (export safetensors can)",
			       path, c->heads, c->kv_heads, c->head_dim, c->dim);
	return 0;
}

/* A run before its first step. The best loss so far is infinite, so that the first one that is measured is better; the length and the rate of a
 * run that goes on are taken from here. */
static int put_header(struct writer *w, int version)
{
	const struct model_config *c = &w->s->params->config;
	unsigned char head[HEADER] = {0};
	const struct { enum field f; int v; } ints[] = {
		{F_VERSION, version}, {F_TOTAL, c->lr_steps > 0 ? (int)c->lr_steps : 10000}, {F_LAYERS, c->layers}, {F_VOCAB, c->vocab}, {F_DIM, c->dim},
		{F_HIDDEN, c->hidden}, {F_HEADS, c->heads}, {F_SEQ, c->context},
	};
	put(head, F_MAGIC, MAGIC);
	for (size_t i = 0; i < ARRAY_LEN(ints); i++)
		put(head, ints[i].f, (uint32_t)ints[i].v);
	put_float(head, F_LR, c->lr_max > 0 ? (float)c->lr_max : 3e-4f);
	put_float(head, F_LOSS, INFINITY);
	if (version == 4) {
		put(head, F_KV_HEADS, (uint32_t)c->kv_heads);
		put(head, F_HEAD_DIM, (uint32_t)c->head_dim);
		put(head, F_Q_DIM, (uint32_t)model_q_dim(c));
	}
	return save_write(&w->file, head, sizeof head, w->e);
}

static int put_zeros(struct writer *w, size_t floats)
{
	static const float zeros[16384];
	int rc = 0;
	for (size_t n; floats && !rc; floats -= n) {
		n = MIN(floats, ARRAY_LEN(zeros));
		rc = save_write(&w->file, zeros, n * sizeof *zeros, w->e);
	}
	return rc;
}

/* Tensors of a layer (or of none), then their moments. */
static int put_block(struct writer *w, const enum param_kind *order, size_t n, int layer)
{
	size_t floats = 0;
	int rc = 0;
	for (size_t i = 0; i < n && !rc; i++) {
		const struct param *t = params_find(w->s->params, order[i], layer);
		rc = save_write(&w->file, model_source_tensor(w->s, t, ROPE_INTERLEAVED, w->scratch), t->count * sizeof(float), w->e);
		floats += t->count;
	}
	return rc ? rc : put_zeros(w, MOMENTS * floats);
}

static int put_all(struct writer *w, int version)
{
	int rc = put_header(w, version);
	for (int l = 0; l < w->s->params->config.layers && !rc; l++)
		rc = put_block(w, layer_order, ARRAY_LEN(layer_order), l);
	for (size_t i = 0; i < ARRAY_LEN(last_order) && !rc; i++)
		rc = put_block(w, &last_order[i], 1, -1);
	return rc;
}

int upstream_save(const struct model_source *s, const char *path, int version, struct str *report, struct err *e)
{
	struct writer w = {.s = s, .e = e};
	char bytes[16];
	size_t want;
	int rc = can_say(&s->params->config, path, version, e);
	if (rc)
		return rc;
	if (expected_bytes(&want, &s->params->config))
		return err_set(e, ERR_RANGE, "export: %s: larger than a file can be", path);
	if (!(w.scratch = mem_aligned(model_source_scratch(s), sizeof(float))))
		return err_nomem(e, "export", model_source_scratch(s) * sizeof(float));
	if (!(rc = save_begin(&w.file, path, want, e))) {
		rc = put_all(&w, version);
		if (!rc)
			rc = save_commit(&w.file, e);
		else
			save_abort(&w.file);
	}
	if (!rc)
		str_printf(report, "%s: upstream checkpoint v%d, %s, step 0, moments zero\n", path, version, str_bytes(bytes, w.file.bytes));
	free(w.scratch);
	return rc;
}
