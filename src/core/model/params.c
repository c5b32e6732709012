/* params.c: laying out and mapping a model's tensors. No arithmetic but the random start.
 *
 * The arena is one file in memory that is as long as w, m and v together from the beginning and is mapped once: pages that are
 * never touched cost nothing, so a model that only samples pays for its weights alone, and w never moves. Gradients are no
 * part of it: a restarted process makes them anew. SPDX-License-Identifier: MIT */
#include "model/params.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/pages.h"
#include "model/ema.h"
#include "model/lora.h"
#include "base/str.h"

enum { ALIGN_FLOATS = 16, PLAIN_KINDS = PARAM_NORM_OUT - PARAM_NORM_ATT /* of a layer without norms of q and k */ };

static const struct {
	const char *name; /* with %d for the layer */
	int rank;
} kinds[] = {
	[PARAM_EMBED] = {"model.embed_tokens.weight", 2},
	[PARAM_NORM_ATT] = {"model.layers.%d.input_layernorm.weight", 1},
	[PARAM_WQ] = {"model.layers.%d.self_attn.q_proj.weight", 2},
	[PARAM_WK] = {"model.layers.%d.self_attn.k_proj.weight", 2},
	[PARAM_WV] = {"model.layers.%d.self_attn.v_proj.weight", 2},
	[PARAM_WO] = {"model.layers.%d.self_attn.o_proj.weight", 2},
	[PARAM_NORM_FFN] = {"model.layers.%d.post_attention_layernorm.weight", 1},
	[PARAM_W1] = {"model.layers.%d.mlp.gate_proj.weight", 2},
	[PARAM_W2] = {"model.layers.%d.mlp.down_proj.weight", 2},
	[PARAM_W3] = {"model.layers.%d.mlp.up_proj.weight", 2},
	[PARAM_NORM_OUT] = {"model.norm.weight", 1},
	[PARAM_HEAD] = {"lm_head.weight", 2},
	[PARAM_NORM_Q] = {"model.layers.%d.self_attn.q_norm.weight", 1},
	[PARAM_NORM_K] = {"model.layers.%d.self_attn.k_norm.weight", 1},
};

void params_kind_shape(const struct model_config *c, enum param_kind kind, int64_t dim[2])
{
	int64_t d = c->dim, q = model_q_dim(c), kv = model_kv_dim(c);
	int64_t out = kind == PARAM_EMBED || kind == PARAM_HEAD ? c->vocab :
		      kind == PARAM_WQ ? q : kind == PARAM_WK || kind == PARAM_WV ? kv :
		      kind == PARAM_W1 || kind == PARAM_W3 ? c->hidden :
		      kind == PARAM_NORM_Q || kind == PARAM_NORM_K ? c->head_dim : d;
	dim[0] = out;
	dim[1] = kind == PARAM_WO ? q : kind == PARAM_W2 ? c->hidden : d;
	if (kinds[kind].rank == 1)
		dim[1] = 1;
}

static int layer_kinds(const struct model_config *c)
{
	return PLAIN_KINDS + (c->qk_norm ? 2 : 0);
}

/* The i-th of a layer's. */
static enum param_kind layer_kind(int i)
{
	return i < PLAIN_KINDS ? (enum param_kind)(PARAM_NORM_ATT + i) : (enum param_kind)(PARAM_NORM_Q + i - PLAIN_KINDS);
}

static int table_rows(const struct model_config *c)
{
	return 2 + layer_kinds(c) * c->layers + !c->tied;
}

static size_t padded(size_t n)
{
	return (n + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
}

/* Name, rank and shape are there. */
static void row_place(struct param *r, size_t *offset)
{
	r->offset = *offset;
	r->count = (size_t)(r->dim[0] * r->dim[1]);
	r->decay = r->rank == 2;
	*offset += padded(r->count);
}

/* Writes row `i` of the table at *offset and moves the offset on. */
static void row_fill(const struct model_config *c, struct param *r, enum param_kind kind, int layer, size_t *offset)
{
	*r = (struct param){.kind = kind, .layer = layer, .rank = kinds[kind].rank};
	if (layer >= 0)
		/* The format comes from the table above. */
		snprintf(r->name, sizeof r->name, "model.layers.%d.%s", layer, strstr(kinds[kind].name, "%d.") + 3);
	else
		snprintf(r->name, sizeof r->name, "%s", kinds[kind].name);
	params_kind_shape(c, kind, r->dim);
	row_place(r, offset);
}

static size_t table_fill(const struct model_config *c, struct param *t)
{
	size_t offset = 0;
	row_fill(c, t++, PARAM_EMBED, -1, &offset);
	for (int l = 0; l < c->layers; l++)
		for (int i = 0; i < layer_kinds(c); i++)
			row_fill(c, t++, layer_kind(i), l, &offset);
	row_fill(c, t++, PARAM_NORM_OUT, -1, &offset);
	if (!c->tied)
		row_fill(c, t++, PARAM_HEAD, -1, &offset);
	return offset;
}

/* Floats of one block. With the ranges of model_config_check this stays far below 2^63. */
static uint64_t block_floats(const struct model_config *c)
{
	uint64_t total = 0;
	int64_t dim[2];
	for (int k = 0; k < PARAM_N; k++) {
		if ((k == PARAM_HEAD && c->tied) || (k > PARAM_HEAD && !c->qk_norm))
			continue;
		params_kind_shape(c, (enum param_kind)k, dim);
		uint64_t n = ((uint64_t)dim[0] * (uint64_t)dim[1] + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
		total += param_in_layer((enum param_kind)k) ? n * (uint64_t)c->layers : n;
	}
	return total;
}

uint64_t params_bytes(const struct model_config *c, int train)
{
	return block_floats(c) * sizeof(float) * (train ? 4 : 1);
}

static int check_memory(const struct model_config *c, uint64_t need, struct err *e)
{
	char a[16], b[16];
	uint64_t have = mem_available();
	if (need > SIZE_MAX / 8 || (have && need > have))
		return err_set(e, ERR_NOMEM, "model: %s: %s needed, %s free (choose a smaller preset, fewer layers or a smaller dim)",
			       c->name, str_bytes(a, need), str_bytes(b, have));
	return 0;
}

static const char arena_name[] = "anetui-weights";

/* fd: an arena that is there, or -1. Its pages are large where the system has such: with small ones touching 1.3 GB for the first time took 9 s of processor time in a virtual machine, and
 * an update has to look up 330,000 of them. */
static int arena_map(struct params *p, int fd, struct err *e)
{
	p->map_bytes = p->total * sizeof(float) * 3;
	p->fd = fd;
	p->pages = fd < 0;
	p->map = p->pages ? pages_new(p->map_bytes) : file_memory(arena_name, p->map_bytes, &p->fd);
	if (!p->map)
		return err_set(e, ERR_NOMEM, "model: %s: mapping weights: %s", p->config.name, strerror(errno));
	p->w = p->map;
	return 0;
}

/* Gradients, and the moments' place in the arena. */
static int gradients(struct params *p, struct err *e)
{
	size_t bytes = p->total * sizeof(float);
	p->g = pages_new(bytes);
	if (!p->g)
		return err_nomem(e, "model: gradients", bytes);
	p->m = p->w + p->total;
	p->v = p->m + p->total;
	return 0;
}

static struct params *make(const struct model_config *c, int fd, struct err *e)
{
	struct params *p = mem_zalloc(1, sizeof *p);
	if (!p || !(p->table = mem_zalloc((size_t)table_rows(c), sizeof *p->table))) {
		free(p);
		err_nomem(e, "model: table of tensors", (unsigned long long)table_rows(c) * sizeof *p->table);
		return NULL;
	}
	p->config = *c;
	p->n = table_rows(c);
	p->total = table_fill(c, p->table);
	p->fd = -1;
	if (arena_map(p, fd, e)) {
		params_free(p);
		return NULL;
	}
	return p;
}

struct params *params_new(const struct model_config *c, struct err *e)
{
	if (model_config_check(c, e) || check_memory(c, params_bytes(c, 0), e))
		return NULL;
	return make(c, -1, e);
}

/* Only the gradients are made anew. */
struct params *params_adopt(const struct model_config *c, int fd, int train, struct err *e)
{
	struct stat st;
	if (model_config_check(c, e))
		return NULL;
	if (fstat(fd, &st) || (uint64_t)st.st_size != block_floats(c) * sizeof(float) * 3) {
		err_set(e, ERR_FORMAT, "model: %s: %lld bytes of weights and moments are no arena of its size", c->name, (long long)st.st_size);
		return NULL;
	}
	struct params *p = make(c, fd, e);
	if (p && train && gradients(p, e)) {
		params_free(p);
		return NULL;
	}
	if (p && train)
		pages_touch(p->map, p->map_bytes); /* the next update goes through all of it */
	return p;
}

struct params *params_of_table(const struct model_config *c, struct param *table, int n, int fd, struct err *e)
{
	struct stat st;
	uint64_t need = 0;
	struct params *p = mem_zalloc(1, sizeof *p);
	if (!p) {
		free(table);
		err_nomem(e, "model: table of tensors", sizeof *p);
		return NULL;
	}
	*p = (struct params){.config = *c, .n = n, .table = table, .fd = -1};
	for (int i = 0; i < n; i++) {
		row_place(&table[i], &p->total);
		need += table[i].count * sizeof(float) * (table[i].frozen ? 1 : 4);
	}
	int rc = fd < 0 ? check_memory(c, need, e) : 0;
	if (fd >= 0 && (fstat(fd, &st) || (uint64_t)st.st_size != 3 * p->total * sizeof(float)))
		rc = err_set(e, ERR_FORMAT, "model: %s: %lld bytes are no arena of %s", c->name, (long long)st.st_size, table[0].name);
	if (rc || arena_map(p, fd, e) || gradients(p, e)) {
		params_free(p);
		return NULL;
	}
	return p;
}

int params_move(struct params *p)
{
	if (p->fd < 0)
		p->fd = file_memory_move(arena_name, p->map, p->map_bytes);
	if (p->fd < 0 || (p->ema && p->ema->fd < 0))
		return -1;
	return p->lora ? params_move(p->lora->low) : 0;
}

void params_free(struct params *p)
{
	if (!p)
		return;
	lora_free(p->lora);
	ema_end(p);
	pages_free(p->g, p->total * sizeof(float));
	if (p->map && p->pages)
		pages_free(p->map, p->map_bytes);
	else if (p->map)
		munmap(p->map, p->map_bytes);
	if (p->fd >= 0)
		close(p->fd);
	free(p->table);
	free(p);
}

int params_train(struct params *p, struct err *e)
{
	if (p->g)
		return 0;
	int r = check_memory(&p->config, 3 * (uint64_t)p->total * sizeof(float), e);
	return r ? r : gradients(p, e);
}

/* Two independent standard normals from one draw (Box and Muller 1958); the tail ends at 6.7 sigma. */
static void normal_pair(struct rng *r, float *a, float *b)
{
	uint64_t u = rng_u64(r);
	float radius = sqrtf(-2 * logf(((float)(u >> 32) + 0.5f) * 0x1p-32f));
	float angle = (float)(uint32_t)u * (6.2831853f * 0x1p-32f);
	*a = radius * cosf(angle);
	*b = radius * sinf(angle);
}

static void fill_normal(float *w, size_t n, float std, struct rng *r)
{
	size_t i;
	float a, b;
	for (i = 0; i + 1 < n; i += 2) {
		normal_pair(r, &a, &b);
		w[i] = std * a;
		w[i + 1] = std * b;
	}
	if (i < n) {
		normal_pair(r, &a, &b);
		w[i] = std * a;
	}
}

void params_init(struct params *p, uint64_t seed)
{
	float residual = 1 / sqrtf(2.0f * (float)p->config.layers);
	for (int i = 0; i < p->n; i++) {
		const struct param *t = &p->table[i];
		float *w = p->w + t->offset;
		if (t->rank == 1) {
			for (size_t j = 0; j < t->count; j++)
				w[j] = 1;
			continue;
		}
		struct rng r; /* one a tensor: another layer count or vocabulary leaves the rest as it was */
		rng_seed(&r, rng_mix(rng_mix(seed, (uint64_t)t->kind), (uint64_t)(t->layer + 1)));
		fill_normal(w, t->count, t->kind == PARAM_WO || t->kind == PARAM_W2 ? 0.02f * residual : 0.02f, &r);
	}
}

const struct param *params_find(const struct params *p, enum param_kind kind, int layer)
{
	int each = layer_kinds(&p->config), i = kind == PARAM_EMBED ? 0 : 1 + each * p->config.layers + (kind == PARAM_HEAD);
	if (param_in_layer(kind))
		i = 1 + each * layer + (kind < PARAM_NORM_OUT ? (int)kind - PARAM_NORM_ATT : PLAIN_KINDS + (int)kind - PARAM_NORM_Q);
	return &p->table[i];
}

const struct param *params_named(const struct params *p, const char *name)
{
	for (int i = 0; i < p->n; i++)
		if (!strcmp(p->table[i].name, name))
			return &p->table[i];
	return NULL;
}

const struct param *params_head(const struct params *p)
{
	return params_find(p, p->config.tied ? PARAM_EMBED : PARAM_HEAD, -1);
}
