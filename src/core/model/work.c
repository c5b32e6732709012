/* work.c: adding up what pass.c, head.c and dw.c do between programs. A conversion between fp32 and a surface reads and writes 6 bytes an element, a
 * loop over fp32 8, a sum of two 12. SPDX-License-Identifier: MIT */
#include "model/work.h"

/* Sizes of one token, in elements. */
struct per_token { double D, Q, K, F, scores, raw, norms /* of q and k before their norms, and what comes of those backward; or 0 */, low /* of q and k, or 0 */; };

/* Elements that go into and come out of the surfaces of one layer: the tables of the programs, without weights. */
static double static_forward_io(const struct per_token *t)
{
	return 6 * t->D + 2 * t->Q + 2 * t->K + 3 * t->F + t->raw + t->low;
}

static double static_backward_io(const struct per_token *t)
{
	return 4 * t->D + 4 * t->Q + 7 * t->K + 4 * t->F + 2 * t->scores + t->raw + t->norms + t->low;
}

static double dynamic_forward_io(const struct per_token *t)
{
	return 5 * t->D + 3 * t->Q + 2 * t->K + 3 * t->F + t->raw + t->low;
}

static double dynamic_backward_io(const struct per_token *t)
{
	return 5 * t->D + 6 * t->Q + 7 * t->K + 3 * t->F + 2 * t->scores + t->raw + t->norms + t->low;
}

/* Norms back, classifier and loss on the host. */
static void plain_work(struct step_work *w, const struct per_token *t, double layers, double T, double V)
{
	w->pass_backward += layers * 2 * 16 * t->D; /* two norms: x, dn and the residual read, the result written */
	w->pass_forward += T * (V * 16 + 8 * t->D * 3); /* the loss goes over the logits twice; embedding, final norm and its gradient */
	w->product = 2 * V * t->D * T;
	w->product_bytes = 4 * (V * t->D + V * T);
}

/* The same on the device: logits go in and out of its surfaces instead, the host takes their gradient and the norms' weights' from what comes back. */
static void extras_work(struct step_work *w, const struct per_token *t, double layers, double T, double V)
{
	w->pass_backward += layers * 2 * (6 * 3 + 8 + 12) * t->D; /* dy and x in, dx out; the weight's gradient; the residual */
	w->pass_forward += T * (V * (6 * 4 + 8) + t->D * (8 + 6 * 4));
	w->product = w->product_bytes = 0;
}

/* All layers but the last go forward a second time; what stands between two layers is put aside, and its gradient fetched. */
static void recompute_work(struct step_work *w, const struct per_token *t, int layers, double T)
{
	double again = layers - 1, kept = again * T * 8 * t->D;
	w->pass_backward += w->pass_forward * again / layers + kept;
	w->pass_forward += kept;
}

void model_host_work(struct step_work *w, const struct model_config *c, int batch, int seq, const struct model_options *o, int rows)
{
	const struct per_token t = {c->dim, model_q_dim(c), model_kv_dim(c), c->hidden, 2.0 * c->heads * seq,
				    c->qk_norm ? model_q_dim(c) + model_kv_dim(c) : 0, c->qk_norm ? 2 * c->head_dim : 0,
				    o && o->precise == PRECISE_ON ? model_q_dim(c) + model_kv_dim(c) : 0};
	double T = (double)batch * seq, layers = c->layers * T, V = rows;
	double matrices = c->layers * (2 * t.D * t.Q + 2 * t.D * t.K + 3 * t.D * t.F);
	int dynamic = o && o->pipeline == PIPELINE_DYNAMIC;
	w->pass_forward = layers * 6 * (dynamic ? dynamic_forward_io(&t) : static_forward_io(&t));
	w->pass_backward = layers * 6 * (dynamic ? dynamic_backward_io(&t) : static_backward_io(&t));
	if (dynamic) {
		w->pass_forward += layers * (2 * 8 + 12) * t.D; /* two norms, the first residual */
		w->pass_backward += layers * (28 * t.F + 12 * t.D); /* SwiGLU back, the two parts of dxnorm */
	}
	w->pass_backward += layers * 4 * t.norms; /* their sums over tokens */
	if (o && o->recompute)
		recompute_work(w, &t, c->layers, T);
	if (o && o->extras)
		extras_work(w, &t, layers, T, V);
	else
		plain_work(w, &t, layers, T, V);
	w->beside = 2 * T * (matrices + V * t.D);
	w->beside_bytes = 8 * (matrices + V * t.D);
}
