/* lora.c: see lora.h. SPDX-License-Identifier: MIT */
#include "model/lora.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "device/gemm.h"

static float scale(const struct lora *l)
{
	return (float)(l->alpha / l->rank);
}

/* A or B of the k-th adapter. */
static struct param *low_row(const struct lora *l, int k, int which)
{
	return &l->low->table[LORA_ROWS * k + which];
}

/* --- making --- */

/* "model.layers.0.self_attn.q_proj.weight" is adapted by "model.layers.0.self_attn.q_proj.lora_A.weight". */
static void low_name(char *out, size_t n, const struct param *t, int which)
{
	static const char ending[] = ".weight";
	size_t len = strlen(t->name), k = sizeof ending - 1;
	if (which == LORA_BASE)
		snprintf(out, n, "lora.base.%.50s", t->name);
	else
		snprintf(out, n, "%.*s.lora_%c.weight", (int)(len > k && !strcmp(t->name + len - k, ending) ? len - k : len), t->name, which == LORA_A ? 'A' : 'B');
}

static void fill_rows(struct param *out, const struct param *t, int rank)
{
	for (int which = 0; which < LORA_ROWS; which++) {
		struct param *r = &out[which];
		*r = (struct param){.kind = t->kind, .layer = t->layer, .rank = 2, .frozen = which == LORA_BASE};
		low_name(r->name, sizeof r->name, t, which);
		r->dim[0] = which == LORA_A ? rank : t->dim[0];
		r->dim[1] = which == LORA_B ? rank : t->dim[1];
	}
}

static int count_hits(const struct params *p, const unsigned char *hit)
{
	int n = 0;
	for (int i = 0; i < p->n; i++)
		n += hit[i] && p->table[i].rank == 2;
	return n;
}

int lora_adopt(struct params *p, const unsigned char *hit, int rank, double alpha, int fd, struct err *e)
{
	int n = count_hits(p, hit);
	if (!n)
		return err_set(e, ERR_STATE, "lora: %s: no matrix to adapt", p->config.name);
	struct lora *l = mem_zalloc(1, sizeof *l);
	struct param *table = mem_zalloc((size_t)n * LORA_ROWS, sizeof *table);
	if (!l || !table || !(l->row = mem_zalloc((size_t)n, sizeof *l->row))) {
		free(table);
		lora_free(l);
		return err_nomem(e, "lora: tables", (uint64_t)n * LORA_ROWS * sizeof *table);
	}
	l->rank = rank;
	l->alpha = alpha;
	for (int i = 0; i < p->n; i++)
		if (hit[i] && p->table[i].rank == 2) {
			l->row[l->n] = i;
			fill_rows(table + LORA_ROWS * l->n++, &p->table[i], rank);
		}
	l->low = params_of_table(&p->config, table, n * LORA_ROWS, fd, e);
	if (!l->low) {
		lora_free(l);
		return err_code_or(e, ERR_NOMEM);
	}
	p->lora = l;
	return 0;
}

/* As the reference code of the paper draws A: Kaiming's uniform distribution with a = sqrt(5), which is +-1/sqrt(in). One random state a matrix. */
static void fill_a(const struct lora *l, int k, uint64_t seed)
{
	enum { OF_LORA = 0x6c6f7261 };
	const struct param *a = low_row(l, k, LORA_A);
	float *x = l->low->w + a->offset, bound = 1 / sqrtf((float)a->dim[1]);
	struct rng r;
	rng_seed(&r, rng_mix(rng_mix(seed, OF_LORA + (uint64_t)a->kind), (uint64_t)(a->layer + 1)));
	for (size_t i = 0; i < a->count; i++)
		x[i] = bound * (float)(2 * rng_double(&r) - 1);
}

int lora_begin(struct params *p, const unsigned char *hit, int rank, double alpha, uint64_t seed, uint64_t late, struct err *e)
{
	int rc = lora_adopt(p, hit, rank, alpha, -1, e);
	if (rc)
		return rc;
	struct lora *l = p->lora;
	for (int k = 0; k < l->n; k++) {
		const struct param *t = &p->table[l->row[k]];
		memcpy(l->low->w + low_row(l, k, LORA_BASE)->offset, p->w + t->offset, t->count * sizeof *p->w);
		fill_a(l, k, seed);
	}
	for (int i = 0; i < l->low->n; i++)
		l->low->table[i].late = late;
	return 0;
}

void lora_free(struct lora *l)
{
	if (!l)
		return;
	params_free(l->low);
	free(l->row);
	free(l);
}

void lora_end(struct params *p)
{
	lora_free(p->lora);
	p->lora = NULL;
}

int lora_same(const struct params *p, const unsigned char *hit, int rank, double alpha)
{
	const struct lora *l = p->lora;
	if (!l || l->rank != rank || l->alpha != alpha || l->n != count_hits(p, hit))
		return 0;
	for (int k = 0; k < l->n; k++)
		if (!hit[l->row[k]])
			return 0;
	return 1;
}

uint64_t lora_bytes(const struct params *p, const unsigned char *hit, int rank)
{
	uint64_t floats = 0;
	for (int i = 0; i < p->n; i++)
		if (hit[i] && p->table[i].rank == 2)
			floats += p->table[i].count + 4 * (uint64_t)rank * (uint64_t)(p->table[i].dim[0] + p->table[i].dim[1]);
	return floats * sizeof(float);
}

/* --- at work --- */

void lora_gradients(struct params *p, struct pool *pool)
{
	const struct lora *l = p->lora;
	const float *w = l->low->w;
	for (int k = 0; k < l->n; k++) {
		const struct param *t = &p->table[l->row[k]], *a = low_row(l, k, LORA_A), *b = low_row(l, k, LORA_B);
		int64_t out = t->dim[0], in = t->dim[1], r = l->rank;
		float *dw = p->g + t->offset;
		gemm(pool, 0, 1, out, r, in, scale(l), dw, in, w + a->offset, in, 0, l->low->g + b->offset, r);
		gemm(pool, 1, 0, r, in, out, scale(l), w + b->offset, r, dw, in, 0, l->low->g + a->offset, in);
		memset(dw, 0, t->count * sizeof *dw);
	}
}

void lora_merge(struct params *p, struct pool *pool)
{
	const struct lora *l = p->lora;
	const float *w = l->low->w;
	for (int k = 0; k < l->n; k++) {
		const struct param *t = &p->table[l->row[k]], *a = low_row(l, k, LORA_A), *b = low_row(l, k, LORA_B);
		memcpy(p->w + t->offset, w + low_row(l, k, LORA_BASE)->offset, t->count * sizeof *w);
		gemm(pool, 0, 0, t->dim[0], t->dim[1], l->rank, scale(l), w + b->offset, l->rank, w + a->offset, t->dim[1], 1, p->w + t->offset, t->dim[1]);
	}
}
