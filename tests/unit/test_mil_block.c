/* test_mil_block.c: one whole block (layer norm, attention, GELU, two residuals) as a single program, against loops
 * written here that share nothing with the reference's ops. SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/ref.h"
#include "support/op_cases.h"

/* Sizes of the case "block.ln.attention.gelu": tokens, width, heads, head size, hidden. */
enum { S = 17, D = 12, H = 3, HD = 4, F = 33 };

static const float *weight(const struct op_data *d, const char *name)
{
	char path[64];
	snprintf(path, sizeof path, "@model_path/weights/%s.bin", name);
	for (int i = 0; i < d->nw; i++)
		if (!strcmp(d->w[i].path, path))
			return d->w[i].data;
	fail_msg("no weight %s", name);
	return NULL;
}

static void norm(double *out, const double *x, const float *g, const float *b)
{
	for (int t = 0; t < S; t++) {
		double m = 0, v = 0;
		for (int i = 0; i < D; i++)
			m += x[t * D + i] / D;
		for (int i = 0; i < D; i++)
			v += (x[t * D + i] - m) * (x[t * D + i] - m) / D;
		for (int i = 0; i < D; i++)
			out[t * D + i] = (x[t * D + i] - m) / sqrt(v + 0x1.5p-17) * (double)g[i] + (double)b[i]; /* 0.00001 as fp16 */
	}
}

static void project(double *out, const double *x, const float *w, const float *b, int nin, int nout)
{
	for (int t = 0; t < S; t++)
		for (int o = 0; o < nout; o++) {
			out[t * nout + o] = b ? (double)b[o] : 0;
			for (int i = 0; i < nin; i++)
				out[t * nout + o] += x[t * nin + i] * (double)w[o * nin + i];
		}
}

/* Causal, head h in columns h*HD..; the exponentials are summed without a maximum: the scores are small. */
static void attend(double *out, const double *q, const double *k, const double *v)
{
	for (int h = 0; h < H; h++)
		for (int t = 0; t < S; t++) {
			double e[S], sum = 0;
			for (int s = 0; s <= t; s++) {
				double dot = 0;
				for (int i = h * HD; i < (h + 1) * HD; i++)
					dot += q[t * D + i] * k[s * D + i];
				sum += e[s] = exp(dot / sqrt(HD));
			}
			for (int i = h * HD; i < (h + 1) * HD; i++) {
				out[t * D + i] = 0;
				for (int s = 0; s <= t; s++)
					out[t * D + i] += e[s] / sum * v[s * D + i];
			}
		}
}

static void block(double *y, const double *x, const struct op_data *d)
{
	static double n[S * D], q[S * D], k[S * D], v[S * D], a[S * D], o[S * D], up[S * F];
	norm(n, x, weight(d, "g1"), weight(d, "b1"));
	project(q, n, weight(d, "wq"), weight(d, "cq"), D, D);
	project(k, n, weight(d, "wk"), weight(d, "ck"), D, D);
	project(v, n, weight(d, "wv"), weight(d, "cv"), D, D);
	attend(a, q, k, v);
	project(o, a, weight(d, "wo"), NULL, D, D);
	for (int i = 0; i < S * D; i++)
		o[i] += x[i];
	norm(n, o, weight(d, "g2"), weight(d, "b2"));
	project(up, n, weight(d, "wu"), NULL, D, F);
	for (int i = 0; i < S * F; i++) {
		double u = up[i];
		up[i] = u / 2 * (1 + tanh(0.7978845608028654 * (u + 0.044715 * u * u * u)));
	}
	project(y, up, weight(d, "wd"), NULL, F, D);
	for (int i = 0; i < S * D; i++)
		y[i] += o[i];
}

static void whole_block(void **state)
{
	int n;
	const struct op_case *c = op_cases(&n), *end = c + n;
	struct mil_graph *g;
	struct op_data d;
	struct err e = {0};
	double *out[1], want[S * D];
	(void)state;
	while (c < end && strcmp(c->name, "block.ln.attention.gelu"))
		c++;
	assert_true(c < end);
	assert_int_equal(mil_parse(&g, c->text, strlen(c->text), &e), 0);
	for (uint64_t seed = 0; seed < 5; seed++) {
		assert_int_equal(op_data_fill(&d, g, seed), 0);
		assert_int_equal(ref_run(g, d.w, d.nw, (const double *const *)d.in, out, 0, &e), 0);
		block(want, d.in[0], &d);
		for (int i = 0; i < S * D; i++)
			if (!(fabs(out[0][i] - want[i]) <= 1e-11))
				fail_msg("seed %d element %d: %.15g, by loops %.15g", (int)seed, i, out[0][i], want[i]);
		free(out[0]);
		op_data_done(&d);
	}
	mil_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(whole_block)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
