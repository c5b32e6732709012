/* fuse.c: which nodes run as one loop. Makes no steps.
 *
 * Nodes are visited in order; a node joins the clusters that make its operands when all walk over the same elements and the
 * union does not come between a value and its way through a third cluster. Reductions and softmax along the last axis
 * join too: the row stays in the first-level cache from the first to the last of them. A reduction along another axis
 * ends its cluster: what is made from its result starts a new one. SPDX-License-Identifier: MIT */
#include "device/cpu/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { MOST = 20 }; /* nodes in a cluster: keeps operands and instructions within EW_LOADS and EW_INS */

static int same_dims(int rank, const int64_t *a, const int64_t *b)
{
	return !memcmp(a, b, (size_t)rank * sizeof *a);
}

/* b are one number for each row of a? */
static int are_row_numbers(int rank, const int64_t *a, const int64_t *b)
{
	return rank > 0 && same_dims(rank - 1, a, b) && b[rank - 1] == 1 && a[rank - 1] != 1;
}

static int is_column_reduce(const struct plan *p, const struct node *n)
{
	return n->kind == NODE_REDUCE && n->axis != p->value[n->out].rank - 1;
}

static void start(struct plan *p, int i)
{
	struct node *n = &p->node[i];
	struct cluster *c = &p->cluster[i];
	int over = n->kind == NODE_REDUCE ? n->in[0] : n->out;
	n->cluster = i;
	*c = (struct cluster){.kind = CLUSTER_ONE, .rank = p->value[over].rank, .size = 1, .axis = -1};
	memcpy(c->dim, p->value[over].dim, sizeof c->dim);
	if (n->kind == NODE_EW)
		c->kind = CLUSTER_EW;
	else if (n->kind == NODE_SOFTMAX || (n->kind == NODE_REDUCE && !is_column_reduce(p, n))) {
		c->kind = CLUSTER_EW;
		c->rowop = 1;
	} else if (n->kind == NODE_REDUCE) {
		c->kind = CLUSTER_COLUMN;
		c->axis = n->axis;
	}
}

/* Can a value leave `from`, pass through other clusters, and come back into `to`? */
static int detour(const struct plan *p, int from, int to, char *mark)
{
	memset(mark, 0, (size_t)p->ncluster);
	for (int changed = 1; changed;) {
		changed = 0;
		for (int i = 0; i < p->nnode; i++) {
			const struct node *n = &p->node[i];
			if (!n->live || n->cluster < 0 || n->cluster == from)
				continue;
			for (int k = 0; k < n->nin; k++) {
				int maker = p->value[n->in[k]].node;
				int c = maker < 0 ? -1 : p->node[maker].cluster;
				if (c < 0)
					continue;
				if (mark[c] && n->cluster == to)
					return 1;
				if ((c == from || mark[c]) && n->cluster != to && !mark[n->cluster])
					mark[n->cluster] = 1, changed = 1;
			}
		}
	}
	return 0;
}

/* A reader of a column reduction may not stand in the loop that makes it. */
static int reads_column(const struct plan *p, int a, int b)
{
	for (int i = 0; i < p->nnode; i++) {
		const struct node *n = &p->node[i];
		for (int k = 0; n->live && n->cluster == a && k < n->nin; k++) {
			int maker = p->value[n->in[k]].node;
			if (maker >= 0 && p->node[maker].cluster == b && is_column_reduce(p, &p->node[maker]))
				return 1;
		}
	}
	return 0;
}

/* The cluster whose elements the union would walk over, or -1. */
static int wider(const struct cluster *a, const struct cluster *b)
{
	if (a->rank != b->rank)
		return -1;
	if (same_dims(a->rank, a->dim, b->dim))
		return 0;
	if (are_row_numbers(a->rank, a->dim, b->dim) && b->kind == CLUSTER_EW && !b->rowop)
		return 1;
	if (are_row_numbers(a->rank, b->dim, a->dim) && a->kind == CLUSTER_EW && !a->rowop)
		return 2;
	return -1;
}

static int fits(const struct plan *p, int ia, int ib, char *mark)
{
	const struct cluster *a = &p->cluster[ia], *b = &p->cluster[ib];
	int w = wider(a, b), columns = (a->kind == CLUSTER_COLUMN) + (b->kind == CLUSTER_COLUMN);
	if (a->kind <= CLUSTER_ONE || b->kind <= CLUSTER_ONE || w < 0 || a->size + b->size > MOST)
		return 0;
	if (columns && (a->rowop || b->rowop || w > 0))
		return 0;
	if (columns == 2 && a->axis != b->axis)
		return 0;
	if (columns && (reads_column(p, ia, ib) || reads_column(p, ib, ia)))
		return 0;
	return !detour(p, ia, ib, mark) && !detour(p, ib, ia, mark);
}

/* b melts into a. */
static void merge(struct plan *p, int ia, int ib)
{
	struct cluster *a = &p->cluster[ia], *b = &p->cluster[ib];
	int w = wider(a, b);
	if (w == 2)
		memcpy(a->dim, b->dim, sizeof a->dim);
	a->rowop |= b->rowop || w > 0;
	if (b->kind == CLUSTER_COLUMN) {
		a->kind = CLUSTER_COLUMN;
		a->axis = b->axis;
	}
	a->size += b->size;
	b->kind = CLUSTER_NONE;
	for (int i = 0; i < p->nnode; i++)
		if (p->node[i].cluster == ib)
			p->node[i].cluster = ia;
}

static int is_plain_loop(const struct plan *p, int c)
{
	return c >= 0 && p->cluster[c].kind == CLUSTER_EW && !p->cluster[c].rowop;
}

/* Loops side by side over the same operand (the two halves of RoPE) read it once. */
static void fuse_readers(struct plan *p, int value, int first, char *mark)
{
	const struct value *v = &p->value[value];
	for (int j = first + 1; j < p->nnode; j++) {
		int a = p->node[first].cluster, b = p->node[j].cluster;
		if (a == b || !is_plain_loop(p, a) || !is_plain_loop(p, b) || p->node[first].konst != p->node[j].konst ||
		    !plan_reads(&p->node[j], value) || wider(&p->cluster[a], &p->cluster[b]) != 0)
			continue;
		if (v->rank == p->cluster[a].rank && same_dims(v->rank, v->dim, p->cluster[a].dim) && fits(p, a, b, mark))
			merge(p, a, b);
	}
}

int plan_fuse(struct plan *p)
{
	char *mark = mem_zalloc((size_t)MAX(p->nnode, 1), 1);
	p->ncluster = p->nnode;
	p->cluster = mem_zalloc((size_t)MAX(p->nnode, 1), sizeof *p->cluster);
	if (!mark || !p->cluster) {
		free(mark);
		return err_nomem(p->err, "cpu: plan", sizeof *p->cluster * (size_t)p->nnode);
	}
	for (int i = 0; i < p->nnode; i++) {
		struct node *n = &p->node[i];
		if (!n->live)
			continue;
		start(p, i);
		for (int k = 0; k < n->nin && !p->numerics.unfused; k++) {
			int maker = p->value[n->in[k]].node;
			if (maker < 0 || !p->node[maker].live || p->node[maker].konst != n->konst)
				continue;
			int c = p->node[maker].cluster;
			if (c != n->cluster && fits(p, c, n->cluster, mark))
				merge(p, c, n->cluster);
		}
	}
	for (int i = 0; i < p->nnode && !p->numerics.unfused; i++)
		for (int k = 0; is_plain_loop(p, p->node[i].cluster) && k < p->node[i].nin; k++)
			fuse_readers(p, p->node[i].in[k], i, mark);
	free(mark);
	return 0;
}
