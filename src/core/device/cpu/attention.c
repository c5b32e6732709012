/* attention.c: finds softmax(scale q k^T + mask) v in a plan and makes one node of it. Runs nothing: run_attention.c does.
 *
 * Only when nobody else reads the scores or the probabilities: then they need not exist outside of a cache, and what the mask
 * hides need not be computed. SPDX-License-Identifier: MIT */
#include "device/cpu/plan.h"

#include <string.h>

#include "base/mem.h"

/* What was found on the way from the product with v back to the product of q and k. */
struct found {
	int node[8], n;      /* what the new node replaces */
	int scores;          /* the node of q k^T */
	int mask, scale;     /* values; scale may be -1 */
	int added;           /* the value scale q k^T + mask: the mask's shape is stretched to it */
};

/* The maker of v when it is of this kind and v has this one reader. */
static const struct node *only_maker(struct plan *p, int v, enum node_kind kind, struct found *f)
{
	int i = p->value[v].node;
	if (i < 0 || p->node[i].kind != kind || p->value[v].nuse != 1 || f->n == (int)ARRAY_LEN(f->node))
		return NULL;
	f->node[f->n++] = i;
	return &p->node[i];
}

static int through_reshapes(struct plan *p, int v, struct found *f)
{
	const struct node *n;
	while (p->value[v].node >= 0 && p->node[p->value[v].node].how == HOW_RESHAPE &&
	       (n = only_maker(p, v, NODE_VIEW, f)))
		v = n->in[0];
	return v;
}

static int is_source(const struct plan *p, int v)
{
	return p->value[v].node < 0 && p->value[v].has_view;
}

/* softmax <- add(.., mask) <- mul(.., scale)? <- q k^T, reshapes anywhere between. */
static int find(struct plan *p, int probs, struct found *f)
{
	const struct node *n = only_maker(p, through_reshapes(p, probs, f), NODE_SOFTMAX, f);
	if (!n || !(n = only_maker(p, f->added = through_reshapes(p, n->in[0], f), NODE_EW, f)) || n->op != EW_ADD)
		return 0;
	int side = is_source(p, n->in[1]) ? 1 : 0;
	f->mask = n->in[side];
	if (!is_source(p, f->mask))
		return 0;
	int v = through_reshapes(p, n->in[!side], f);
	f->scale = -1;
	if (p->value[v].node >= 0 && p->node[p->value[v].node].kind == NODE_EW) {
		if (!(n = only_maker(p, v, NODE_EW, f)) || n->op != EW_MUL)
			return 0;
		side = is_source(p, n->in[1]) ? 1 : 0;
		f->scale = n->in[side];
		if (!is_source(p, f->scale) || view_count(&p->value[f->scale].view) != 1)
			return 0;
		v = through_reshapes(p, n->in[!side], f);
	}
	if (!(n = only_maker(p, v, NODE_GEMM, f)))
		return 0;
	f->scores = (int)(n - p->node);
	return 1;
}

static int same_shape(const struct value *a, const struct value *b)
{
	return a->rank == b->rank && !memcmp(a->dim, b->dim, (size_t)a->rank * sizeof *a->dim);
}

/* The mask as it stands to the scores' shape; -1 when that is no view whose rows lie in memory. */
static int mask_view(const struct plan *p, const struct found *f, const struct value *scores, struct view *out)
{
	struct view whole;
	const struct value *added = &p->value[f->added];
	if (view_broadcast(&whole, &p->value[f->mask].view, added->rank, added->dim))
		return -1;
	if (view_reshape(out, &whole, scores->rank, scores->dim))
		return -1;
	return out->stride[out->rank - 1] == 1 && out->dim[out->rank - 1] > 1 ? 0 : -1;
}

static void replace(struct plan *p, int product, const struct found *f, const struct view *mask)
{
	struct node *n = &p->node[product];
	int *in = mem_zalloc(5, sizeof *in);
	if (!in) {
		p->failed = 1;
		return;
	}
	in[0] = p->node[f->scores].in[0];
	in[1] = p->node[f->scores].in[1];
	in[2] = n->in[1];
	in[3] = f->mask;
	in[4] = f->scale;
	n->kind = NODE_ATTENTION;
	n->in = in;
	n->nin = f->scale < 0 ? 4 : 5;
	n->mask = *mask;
	for (int i = 0; i < f->n; i++)
		p->node[f->node[i]].live = 0;
}

int plan_attention(struct plan *p)
{
	/* Where every op rounds, its scores are four tensors that exist: no product is left out, no row is summed in another order. */
	if (p->numerics.op)
		return 0;
	for (int i = 0; i < p->nnode && !p->failed; i++) {
		const struct node *n = &p->node[i];
		struct found f = {.n = 0};
		struct view mask;
		if (!n->live || n->kind != NODE_GEMM || n->konst || !find(p, n->in[0], &f))
			continue;
		const struct value *probs = &p->value[n->in[0]], *scores = &p->value[p->node[f.scores].out];
		if (same_shape(probs, scores) && !mask_view(p, &f, scores, &mask))
			replace(p, i, &f, &mask);
	}
	return p->failed ? err_nomem(p->err, "cpu: plan", 64) : 0;
}
