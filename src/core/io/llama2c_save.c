/* llama2c_save.c: params into llama2.c's files, v0, v1 and v2. Reading is in llama2c.c, where the orders of tensors stand.
 * SPDX-License-Identifier: MIT */
#include "io/llama2c.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/save.h"

struct writer {
	const struct model_source *s;
	struct save file;
	int version, group;
	float *scratch;          /* the largest tensor, for q and k that change layout */
	signed char *q;          /* v2: of one tensor */
	float *scale;
	struct err *e;
};

/* What the format has no words for. */
static int can_say(const struct model_config *c, const char *path, struct err *e)
{
	static const char hint[] = "(export safetensors or gguf can)";
	if (c->qk_norm)
		return err_set(e, ERR_STATE, "export: %s: llama2.c's files have no place for norms of q and k %s", path, hint);
	if (c->head_dim * c->heads != c->dim)
		return err_set(e, ERR_STATE, "export: %s: llama2.c's files need head_dim = dim / heads, the model has %d instead of %d / %d %s", path, c->head_dim,
			       c->dim, c->heads, hint);
	if (c->rope_theta != 10000 || fabsf(c->norm_eps - 1e-5f) > 1e-9f)
		return err_set(e, ERR_STATE, "export: %s: llama2.c's programs take RoPE theta 10000 and norm eps 1e-5, the model has %g and %g %s", path,
			       c->rope_theta, c->norm_eps, hint);
	if (c->alpha != 1)
		return err_set(e, ERR_STATE, "export: %s: llama2.c's files have no place for residual scale %g (export upstream can)", path, c->alpha);
	return 0;
}

static void put_u32(unsigned char *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (unsigned char)(v >> 8 * i);
}

static int put_header(struct writer *w)
{
	const struct model_config *c = &w->s->params->config;
	unsigned char head[LLAMA2C_HEADER] = {0};
	int v0 = !w->version;
	const int32_t sizes[] = {c->dim, c->hidden, c->layers, c->heads, c->kv_heads, v0 && !c->tied ? -c->vocab : c->vocab, c->context};
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		put_u32(head + (v0 ? 0 : 8) + 4 * i, (uint32_t)sizes[i]);
	if (v0)
		return save_write(&w->file, head, LLAMA2C_V0_HEADER, w->e);
	put_u32(head, LLAMA2C_MAGIC);
	put_u32(head + 4, (uint32_t)w->version);
	head[LLAMA2C_SHARED] = (unsigned char)c->tied;
	if (w->version == 2)
		put_u32(head + LLAMA2C_GROUP, (uint32_t)w->group);
	return save_write(&w->file, head, sizeof head, w->e);
}

static int put_angles(struct writer *w)
{
	static const unsigned char zeros[65536];
	const struct model_config *c = &w->s->params->config;
	size_t left = (size_t)c->context * (size_t)(c->head_dim / 2) * 2 * sizeof(float);
	int rc = 0;
	for (size_t n; left && !rc; left -= n) {
		n = MIN(left, sizeof zeros);
		rc = save_write(&w->file, zeros, n, w->e);
	}
	return rc;
}

/* Symmetric int8 with one scale a group. */
static void quantise(struct writer *w, const float *x, size_t n)
{
	for (size_t g = 0; g * (size_t)w->group < n; g++) {
		const float *from = x + g * (size_t)w->group;
		float top = 0;
		for (int i = 0; i < w->group; i++)
			top = fmaxf(top, fabsf(from[i]));
		float scale = top / 127, by = scale > 0 ? 1 / scale : 0;
		w->scale[g] = scale;
		for (int i = 0; i < w->group; i++)
			w->q[g * (size_t)w->group + (size_t)i] = (signed char)fmaxf(-127, fminf(127, roundf(from[i] * by)));
	}
}

static int put_tensor(struct writer *w, int kind, int layer)
{
	const struct param *t = params_find(w->s->params, (enum param_kind)kind, layer);
	const float *x = model_source_tensor(w->s, t, ROPE_INTERLEAVED, w->scratch);
	if (w->version != 2 || t->rank == 1)
		return save_write(&w->file, x, t->count * sizeof *x, w->e);
	quantise(w, x, t->count);
	int rc = save_write(&w->file, w->q, t->count, w->e);
	return rc ? rc : save_write(&w->file, w->scale, t->count / (size_t)w->group * sizeof *w->scale, w->e);
}

static int put_all(struct writer *w)
{
	const struct model_config *c = &w->s->params->config;
	int rc = put_header(w);
	for (const int *k = llama2c_order(w->version); *k != LLAMA2C_END && !rc; k++) {
		if (*k == LLAMA2C_ANGLES)
			rc = put_angles(w);
		else if (*k >= PARAM_NORM_ATT && *k < PARAM_NORM_OUT)
			for (int l = 0; l < c->layers && !rc; l++)
				rc = put_tensor(w, *k, l);
		else if (*k != PARAM_HEAD || !c->tied)
			rc = put_tensor(w, *k, -1);
	}
	return rc;
}

/* A group must divide every matrix: rows are dim or hidden wide, and llama2.c itself only looks at dim. */
static int choose_group(struct writer *w, const char *path)
{
	const struct model_config *c = &w->s->params->config;
	for (w->group = LLAMA2C_GROUP_MAX; c->dim % w->group || c->hidden % w->group; w->group /= 2)
		if (w->group == 1)
			return err_set(w->e, ERR_STATE, "export: %s: no group size divides dim %d and hidden %d", path, c->dim, c->hidden);
	return 0;
}

int llama2c_save(const struct model_source *s, const char *path, int version, struct str *report, struct err *e)
{
	struct writer w = {.s = s, .version = version, .e = e};
	size_t n = model_source_scratch(s);
	char bytes[16];
	int rc = can_say(&s->params->config, path, e);
	if (!rc && version == 2)
		rc = choose_group(&w, path);
	if (rc)
		return rc;
	w.scratch = mem_aligned(n, sizeof(float));
	w.q = version == 2 ? mem_zalloc(n, 1) : NULL;
	w.scale = version == 2 ? mem_zalloc(n, sizeof(float)) : NULL;
	if (!w.scratch || (version == 2 && (!w.q || !w.scale)))
		rc = err_nomem(e, "export", n * 9);
	if (!rc && !(rc = save_begin(&w.file, path, (unsigned long long)s->params->total * (version == 2 ? 1 : 4), e))) {
		rc = put_all(&w);
		if (!rc)
			rc = save_commit(&w.file, e);
		else
			save_abort(&w.file);
	}
	if (!rc && version == 2)
		str_printf(report, "%s: llama2.c v2, %s, int8 in groups of %d\n", path, str_bytes(bytes, w.file.bytes), w.group);
	else if (!rc)
		str_printf(report, "%s: llama2.c v%d, %s\n", path, version, str_bytes(bytes, w.file.bytes));
	free(w.scratch);
	free(w.q);
	free(w.scale);
	return rc;
}
