/* memory.c: where each intermediate lies in the scratch arena: two that are never alive together may share a place.
 * SPDX-License-Identifier: MIT */
#include "device/cpu/plan.h"

#include <stdlib.h>

#include "base/mem.h"

enum { ALIGN = 16 }; /* floats: one cache line */

static size_t size_of(const struct buf *b)
{
	return ((size_t)b->count + ALIGN - 1) / ALIGN * ALIGN;
}

static int together(const struct buf *a, const struct buf *b)
{
	return a->first <= b->last && b->first <= a->last;
}

/* The lowest offset where `b` does not touch anything placed that lives at the same time. */
static size_t lowest(const struct plan *p, int *const placed, int n, const struct buf *b)
{
	size_t at = 0;
	for (int moved = 1; moved;) {
		moved = 0;
		for (int i = 0; i < n; i++) {
			const struct buf *o = &p->buf[placed[i]];
			if (!together(o, b) || at >= o->offset + size_of(o) || o->offset >= at + size_of(b))
				continue;
			at = o->offset + size_of(o);
			moved = 1;
		}
	}
	return at;
}

/* Largest first. */
int plan_memory(struct plan *p)
{
	int *placed = mem_zalloc((size_t)MAX(p->nbuf, 1), sizeof *placed), n = 0;
	char *done = mem_zalloc((size_t)MAX(p->nbuf, 1), 1);
	if (!placed || !done) {
		free(placed);
		free(done);
		return err_nomem(p->err, "cpu: plan", sizeof *placed * (size_t)p->nbuf);
	}
	for (;;) {
		int best = -1;
		for (int i = 0; i < p->nbuf; i++) {
			const struct buf *b = &p->buf[i];
			if (b->kind == BUF_SCRATCH && b->first >= 0 && !done[i] && (best < 0 || b->count > p->buf[best].count))
				best = i;
		}
		if (best < 0)
			break;
		p->buf[best].offset = lowest(p, placed, n, &p->buf[best]);
		p->scratch = MAX(p->scratch, p->buf[best].offset + size_of(&p->buf[best]));
		placed[n++] = best;
		done[best] = 1;
	}
	free(placed);
	free(done);
	return 0;
}

/* What only served the making of it. */
static void drop_tables(struct plan *p)
{
	for (int i = 0; i < p->nnode; i++)
		if (p->node[i].in && p->node[i].in != p->node[i].slot)
			free(p->node[i].in);
	free(p->node);
	free(p->value);
	free(p->cluster);
	free(p->output);
	p->node = NULL;
	p->value = NULL;
	p->cluster = NULL;
	p->output = NULL;
	p->cnode = p->cvalue = 0;
	p->nnode = p->nvalue = p->ncluster = p->noutput = 0;
}

static void fit(void *pp, size_t *cap, int n, size_t size)
{
	void **p = pp, *q = n ? realloc(*p, (size_t)n * size) : NULL;
	if (!q)
		return; /* it stays as large as it is */
	*p = q;
	*cap = (size_t)n;
}

void plan_settle(struct plan *p)
{
	drop_tables(p);
	fit(&p->step, &p->cstep, p->nstep, sizeof *p->step);
	fit(&p->once, &p->conce, p->nonce, sizeof *p->once);
	fit(&p->buf, &p->cbuf, p->nbuf, sizeof *p->buf);
	fit(&p->frozen, &p->cfrozen, p->nfrozen, sizeof *p->frozen);
}

void plan_done(struct plan *p)
{
	for (int i = 0; i < p->nbuf; i++)
		if (p->buf[i].kind == BUF_CONST)
			pages_return(p->memory, p->buf[i].mem);
	drop_tables(p);
	for (int i = 0; i < p->nstep; i++)
		step_done(&p->step[i]);
	for (int i = 0; i < p->nonce; i++)
		step_done(&p->once[i]);
	for (int i = 0; i < p->nfrozen; i++)
		free(p->frozen[i].path);
	free(p->frozen);
	free(p->buf);
	free(p->step);
	free(p->once);
}
