/* attention.c: finds attention in a plan, forward and back, and makes one node of it. Runs nothing: run_attention.c and run_scores.c do.
 *
 * Forward is softmax(scale q k^T + mask) v, when nobody else reads the scores or the probabilities: then they need not exist outside of a
 * cache, and what the mask hides need not be computed. The way back comes in two pieces, by what may have a program of its own:
 *   the probabilities, which others read, with the product probs^T da;
 *   ds = probs (dp - sum(probs dp)) scale, which nobody else reads, with the products ds k and ds^T q.
 * SPDX-License-Identifier: MIT */
#include "device/cpu/plan.h"

#include <string.h>

#include "base/mem.h"

/* What was found on the way from the product with v back to the product of q and k. */
struct found {
	int node[12], n;     /* what the new node replaces */
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

/* v <- add(.., mask) <- mul(.., scale)? <- q k^T, reshapes anywhere between; v is what a softmax reads. */
static int find_scores(struct plan *p, int v, struct found *f)
{
	const struct node *n = only_maker(p, f->added = through_reshapes(p, v, f), NODE_EW, f);
	if (!n || n->op != EW_ADD)
		return 0;
	int side = is_source(p, n->in[1]) ? 1 : 0;
	f->mask = n->in[side];
	if (!is_source(p, f->mask))
		return 0;
	v = through_reshapes(p, n->in[!side], f);
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

static int find(struct plan *p, int probs, struct found *f)
{
	const struct node *n = only_maker(p, through_reshapes(p, probs, f), NODE_SOFTMAX, f);
	return n && find_scores(p, n->in[0], f);
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

/* --- the way back --- */

/* The value that v is the transpose of (its last two axes), v having one reader; -1 when it is none. */
static int turned_from(struct plan *p, int v, struct found *f)
{
	const struct node *n = only_maker(p, v, NODE_VIEW, f);
	int rank = p->value[v].rank;
	if (!n || n->how != HOW_TRANSPOSE || rank < 2 || n->perm[rank - 1] != rank - 2 || n->perm[rank - 2] != rank - 1)
		return -1;
	return n->in[0];
}

static int64_t count(const struct value *v, int from, int to)
{
	int64_t n = 1;
	for (int i = from; i < to; i++)
		n *= v->dim[i];
	return n;
}

/* Leading dims as those of `sum`, then [rows, cols] with one axis of groups before them, or none: their number, or 0. */
static int64_t groups_of(const struct value *v, const struct value *sum)
{
	int lead = sum->rank - 2, more = v->rank - sum->rank;
	if (sum->rank < 2 || more < 0 || more > 1 || memcmp(v->dim, sum->dim, (size_t)lead * sizeof *v->dim))
		return 0;
	return more ? v->dim[lead] : 1;
}

/* All elements of one product of the batch, none of it stretched? */
static int is_whole(const struct plan *p, int v, const struct value *sum, int64_t each)
{
	const struct value *x = &p->value[v];
	return count(x, 0, x->rank) == count(sum, 0, sum->rank - 2) * each;
}

static int made_before(const struct plan *p, const int *in, int n, int node)
{
	for (int i = 0; i < n; i++)
		if (p->value[in[i]].node >= node)
			return 0;
	return 1;
}

/* Node `at` becomes as `like`, which holds all that the new one is; its place, and where it comes from, stay. It stands behind what makes its operands and before what reads its results. */
static void replace_scores(struct plan *p, int at, const struct node *like, const int *in, const struct found *f)
{
	struct node *n = &p->node[at], was = *n;
	int *own = mem_zalloc(SCORES_N + 1, sizeof *own);
	if (!own) {
		p->failed = 1;
		return;
	}
	memcpy(own, in, (SCORES_N + 1) * sizeof *own);
	for (int i = 0; i < f->n; i++)
		p->node[f->node[i]].live = 0;
	*n = *like;
	n->live = 1;
	n->kind = NODE_SCORES;
	n->in = own;
	n->nin = f->scale < 0 ? SCORES_N : SCORES_N + 1;
	n->cluster = was.cluster;
	n->konst = was.konst;
	n->line = was.line;
	n->col = was.col;
	p->value[n->out].node = p->value[n->also].node = at;
}

/* Product i is probs^T da, and probs a softmax over masked scores. What is not read stands for itself in `in`: an operand that is a result. */
static void probs_back(struct plan *p, int i)
{
	struct found f = {.n = 0};
	const struct node *product = &p->node[i];
	int probs = turned_from(p, product->in[0], &f), at = probs < 0 ? -1 : p->value[probs].node;
	if (at < 0 || p->node[at].kind != NODE_SOFTMAX || p->node[at].half || !find_scores(p, p->node[at].in[0], &f))
		return;
	const struct value *sum = &p->value[product->out], *scores = &p->value[p->node[f.scores].out];
	int q = p->node[f.scores].in[0], k = p->node[f.scores].in[1];
	struct node like = {.scores = SCORES_PROBS, .out = probs, .also = product->out, .groups = groups_of(scores, sum), .rows = scores->dim[scores->rank - 2],
			    .inner = p->value[q].dim[p->value[q].rank - 1]};
	int in[SCORES_N + 1] = {f.mask, product->in[1], f.mask, q, k, f.mask, f.scale};
	int64_t cols = scores->dim[scores->rank - 1], m = like.groups * like.rows;
	if (f.n == (int)ARRAY_LEN(f.node) || !like.groups || sum->dim[sum->rank - 2] != cols || p->value[probs].rank != sum->rank || p->value[probs].dim[sum->rank - 2] != m ||
	    !is_whole(p, probs, sum, m * cols) || !is_whole(p, in[SCORES_SIDE], sum, m * sum->dim[sum->rank - 1]) || !is_whole(p, q, sum, m * like.inner) ||
	    !is_whole(p, k, sum, cols * like.inner) || mask_view(p, &f, scores, &like.mask) || !made_before(p, in, f.scale < 0 ? SCORES_N : SCORES_N + 1, at))
		return;
	f.node[f.n++] = i;
	replace_scores(p, at, &like, in, &f);
}

/* The other operand of a multiplication whose one operand is a single number; that number to *scale. */
static int scaled_by(const struct plan *p, const struct node *n, int *scale)
{
	for (int side = 0; side < 2; side++)
		if (is_source(p, n->in[side]) && view_count(&p->value[n->in[side]].view) == 1) {
			*scale = n->in[side];
			return n->in[!side];
		}
	return -1;
}

static const struct node *only_op(struct plan *p, int v, enum ew_op op, struct found *f)
{
	const struct node *n = only_maker(p, v, NODE_EW, f);
	return n && n->op == op ? n : NULL;
}

static int is_pair(const struct node *n, int a, int b)
{
	return (n->in[0] == a && n->in[1] == b) || (n->in[0] == b && n->in[1] == a);
}

/* n = probs (dp - sum(probs dp)): its operands. */
static int find_softmax_back(struct plan *p, const struct node *n, int *probs, int *dp, struct found *f)
{
	for (int side = 0; side < 2; side++) {
		struct found tried = *f;
		int a = n->in[side];
		const struct node *centred = only_op(p, n->in[!side], EW_SUB, &tried);
		const struct node *sum = centred ? only_maker(p, centred->in[1], NODE_REDUCE, &tried) : NULL;
		const struct node *pdp = sum && sum->reduce == REDUCE_SUM && sum->axis == p->value[sum->in[0]].rank - 1 ? only_op(p, sum->in[0], EW_MUL, &tried) : NULL;
		if (!pdp || !is_pair(pdp, a, centred->in[0]) || !same_shape(&p->value[a], &p->value[centred->in[0]]))
			continue;
		*probs = a;
		*dp = centred->in[0];
		*f = tried;
		return 1;
	}
	return 0;
}

/* The product whose left factor is ds as it stands. */
static int reader_of(struct plan *p, int ds, struct found *f)
{
	for (int i = 0; i < p->nnode; i++) {
		struct found tried = *f;
		if (!p->node[i].live || p->node[i].kind != NODE_GEMM || through_reshapes(p, p->node[i].in[0], &tried) != ds)
			continue;
		*f = tried;
		return i;
	}
	return -1;
}

/* Product i is ds^T q. */
static void scores_back(struct plan *p, int i)
{
	struct found f = {.n = 0, .scale = -1};
	const struct node *product = &p->node[i];
	int ds = turned_from(p, product->in[0], &f), probs, dp;
	const struct node *n = ds < 0 || p->value[ds].nuse != 2 || p->value[ds].node < 0 ? NULL : &p->node[p->value[ds].node];
	if (!n || n->kind != NODE_EW || n->op != EW_MUL || f.n + 2 > (int)ARRAY_LEN(f.node))
		return;
	f.node[f.n++] = p->value[ds].node;
	int inner = scaled_by(p, n, &f.scale);
	if (inner >= 0 && !(n = only_op(p, inner, EW_MUL, &f)))
		return;
	int other = find_softmax_back(p, n, &probs, &dp, &f) ? reader_of(p, ds, &f) : -1;
	if (other < 0 || f.n + 2 > (int)ARRAY_LEN(f.node) || p->node[other].half || product->half)
		return;
	const struct value *sum = &p->value[product->out], *dq = &p->value[p->node[other].out];
	int k = p->node[other].in[1];
	struct node like = {.scores = SCORES_BACK, .out = p->node[other].out, .also = product->out, .groups = groups_of(dq, sum), .rows = dq->dim[dq->rank - 2],
			    .inner = dq->dim[dq->rank - 1]};
	int in[SCORES_N + 1] = {probs, product->in[1], probs, dp, k, probs, f.scale};
	int64_t cols = sum->dim[sum->rank - 2], m = like.groups * like.rows;
	int at = MIN(i, other);
	if (!like.groups || p->value[ds].rank != sum->rank || !is_whole(p, ds, sum, m * cols) || !same_shape(&p->value[probs], &p->value[ds]) ||
	    !is_whole(p, k, sum, cols * like.inner) || !is_whole(p, in[SCORES_SIDE], sum, m * sum->dim[sum->rank - 1]) ||
	    !made_before(p, in, f.scale < 0 ? SCORES_N : SCORES_N + 1, at))
		return;
	f.node[f.n++] = i;
	f.node[f.n++] = other;
	replace_scores(p, at, &like, in, &f);
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
		if (!n->live || n->kind != NODE_GEMM || n->konst)
			continue;
		if (find(p, n->in[0], &f)) {
			const struct value *probs = &p->value[n->in[0]], *scores = &p->value[p->node[f.scores].out];
			if (same_shape(probs, scores) && !mask_view(p, &f, scores, &mask))
				replace(p, i, &f, &mask);
			continue;
		}
		probs_back(p, i);
		if (n->live && n->kind == NODE_GEMM)
			scores_back(p, i);
	}
	return p->failed ? err_nomem(p->err, "cpu: plan", 64) : 0;
}
