/* program_extras.c: the text of the extras: final norm, classifier, softmax over the vocabulary, gradient of a norm. No loss: the host's.
 *
 * The classifier and the softmax may be of a part of the vocabulary's rows, and of a block of the tokens: [1, D, 1, N], [1, rows, 1, N]. In the
 * dynamic pipeline weights stand in columns of the input, as program_dynamic.c has them.
 * SPDX-License-Identifier: MIT */
#include "base/mem.h"
#include "model/program_gen.h"

static struct mb_value begin_one(struct gen *g, const char *name, int64_t channels, int64_t last)
{
	struct mb_value x = gen_surface(g, name, (struct gen_channel[]){{name, channels}}, 1, last);
	mb_begin(&g->b, g->dialect, &x, 1);
	return x;
}

/* x [C, N], w [C, out], both in columns of one input -> name = w^T x. */
static void column_product(struct gen *g, const char *x, int64_t channels, const char *w, int64_t out, const char *name)
{
	gen_begin_packed(g, channels, (struct gen_column[]){{x, g->N, 0}, {w, out, 1}}, 2);
	struct mb_value act = gen_column_of(g, x), y = gen_product(g, act, gen_matrix(g, gen_column_of(g, w)));
	gen_output(g, name, gen_unproduct(g, name, y));
}

/* x -> xf */
void gen_final_norm(struct gen *g)
{
	if (g->dynamic) {
		gen_begin_packed(g, g->D, (struct gen_column[]){{"x", g->T, 0}, {"rmsf", 1, 1}}, 2);
		struct mb_value in = gen_column_of(g, "x");
		gen_output(g, "xf", gen_norm_by(g, "xf", in, gen_column_of(g, "rmsf")));
		return;
	}
	struct mb_value x = begin_one(g, "x", g->D, g->T);
	gen_output(g, "xf", gen_norm(g, "xf", x, "rmsf"));
}

/* xf -> logits */
void gen_classifier(struct gen *g)
{
	if (g->dynamic) {
		column_product(g, "xf", g->D, "clst", g->rows, "logits");
		return;
	}
	struct mb_value x = begin_one(g, "xf", g->D, g->N);
	gen_output(g, "logits", gen_conv(g, "logits", x, "cls", g->rows));
}

/* logits -> probs, over the rows that are there */
void gen_softmax(struct gen *g)
{
	struct mb_value x = begin_one(g, "logits", g->rows, g->N);
	gen_output(g, "probs", mb_softmax(&g->b, "probs", x, 1));
}

/* dlogits -> dxf: W^T dlogits. A convolution where the device takes so many input channels, else a product. */
void gen_classifier_bwd(struct gen *g)
{
	struct mil_builder *b = &g->b;
	if (g->dynamic) {
		column_product(g, "dlogits", g->rows, "cls", g->D, "dxf");
		return;
	}
	struct mb_value x = begin_one(g, "dlogits", g->rows, g->N);
	if (g->conv_in == 0 || g->rows <= g->conv_in) {
		gen_output(g, "dxf", gen_conv(g, "dxf", x, "clst", g->D));
		return;
	}
	struct mb_value w = gen_weight(g, "clst", mb_t4(MIL_FP16, 1, 1, g->D, g->rows));
	struct mb_value rows = mb_reshape(b, NULL, x, 4, (int64_t[]){1, 1, g->rows, g->N});
	struct mb_value dx = mb_matmul(b, "dx", w, rows, 0, 0);
	gen_output(g, "dxf", mb_reshape(b, "dxf", dx, 4, (int64_t[]){1, g->D, 1, g->N}));
}

/* dy, x -> dx = r (u - xhat mean(u xhat)), with r = 1 / sqrt(mean(x^2) + eps), xhat = r x, u = w dy: every step of it is of the size
 * of its operands, which r^2 and sums over channels are not. */
static void norm_bwd(struct gen *g, struct mb_value dy, struct mb_value x, struct mb_value w)
{
	struct mil_builder *b = &g->b;
	struct mb_value r = gen_inverse_rms(g, x);
	struct mb_value xhat = mb_binary(b, "mul", "xhat", x, r), u = mb_binary(b, "mul", "u", dy, w);
	gen_output(g, "dx", gen_norm_slope(g, "dx", xhat, r, u));
}

void gen_norm_bwd(struct gen *g)
{
	if (g->dynamic) {
		gen_begin_packed(g, g->D, (struct gen_column[]){{"dy", g->T, 0}, {"x", g->T, 0}, {"rms", 1, 1}}, 3);
		struct mb_value dy = gen_column_of(g, "dy"), x = gen_column_of(g, "x");
		norm_bwd(g, dy, x, gen_column_of(g, "rms"));
		return;
	}
	struct mb_value in[] = {
		gen_surface(g, "dy", (struct gen_channel[]){{"dy", g->D}}, 1, g->T),
		gen_surface(g, "x", (struct gen_channel[]){{"x", g->D}}, 1, g->T),
	};
	mb_begin(&g->b, g->dialect, in, ARRAY_LEN(in));
	norm_bwd(g, in[0], in[1], gen_weight(g, "rms", mb_t4(MIL_FP16, 1, g->D, 1, 1)));
}
