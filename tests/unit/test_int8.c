/* test_int8.c: 8-bit matrices: packing, every processor's product against sums written down from the definition, and decoding through them against fp32.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/llama2c.h"
#include "sample/int8.h"
#include "sample/sample.h"
#include "support/testdata.h"
#include "support/tiny.h"
#include "text/tokenizer.h"

enum { M_MAX = 70, N_MAX = 200, GROUPS_MAX = 4, GUARD = 16 };

/* A group as int8.h says it is, by other means. */
struct group { int q[INT8_GROUP]; float scale; };

static struct group expected(const float *v, int64_t n)
{
	struct group g = {.scale = 0};
	float max = 0;
	for (int64_t i = 0; i < n; i++) {
		if (!isfinite(v[i])) {
			g.scale = NAN;
			return g;
		}
		max = fmaxf(max, fabsf(v[i]));
	}
	if (max < 1e-36f)
		return g;
	g.scale = max / 127;
	float inverse = 127 / max;
	for (int64_t i = 0; i < n; i++)
		g.q[i] = (int)lrintf(v[i] * inverse);
	return g;
}

static struct group at(const float *row, int64_t n, int64_t g)
{
	int64_t from = g * INT8_GROUP;
	return expected(row + from, n - from < INT8_GROUP ? n - from : INT8_GROUP);
}

static int same_float(float a, float b)
{
	return isnan(a) ? isnan(b) : !memcmp(&a, &b, sizeof a);
}

/* Values of very different sizes, so that rounding and small scales matter; kind 1: all of the largest size, both signs. */
static void fill(float *a, size_t n, struct rng *r, int kind)
{
	for (size_t i = 0; i < n; i++) {
		double u = rng_double(r) - 0.5;
		a[i] = kind ? (u < 0 ? -3.0f : 3.0f) : (float)(u * exp(6 * (rng_double(r) - 0.5)));
	}
}

struct packed { struct int8_block *block; struct int8_group *x; };

static struct packed pack_with(const struct int8_rows *k, const float *a, const float *x, int64_t m, int64_t n)
{
	size_t blocks = (size_t)(int8_tiles(m) * int8_groups(n));
	struct packed p = {malloc((blocks + 1) * sizeof *p.block), malloc((size_t)(int8_groups(n) + 1) * sizeof *p.x)};
	assert_true(p.block && p.x);
	memset(p.block, 0x55, (blocks + 1) * sizeof *p.block);
	memset(p.x, 0x55, (size_t)(int8_groups(n) + 1) * sizeof *p.x);
	for (int64_t r = 0; r < m; r += 32) /* in pieces, as threads do it */
		k->pack(p.block, a, m, n, r, r + 32 < m ? r + 32 : m);
	k->vector(p.x, x, n);
	assert_int_equal(p.block[blocks].q[0][0][0], 0x55);
	assert_int_equal(p.x[int8_groups(n)].q[0], 0x55);
	return p;
}

static void drop(struct packed *p)
{
	free(p->block);
	free(p->x);
}

static void check_packed(const struct packed *p, const float *a, const float *x, int64_t m, int64_t n);

/* By each processor class, checked; what the last (the plain one) made is the caller's. */
static struct packed pack(const float *a, const float *x, int64_t m, int64_t n)
{
	struct packed p = pack_with(int8_nth(0), a, x, m, n);
	check_packed(&p, a, x, m, n);
	for (int k = 1; int8_nth(k); k++) {
		drop(&p);
		p = pack_with(int8_nth(k), a, x, m, n);
		check_packed(&p, a, x, m, n);
	}
	return p;
}

/* Every byte and scale of matrix and vector. */
static void check_packed(const struct packed *p, const float *a, const float *x, int64_t m, int64_t n)
{
	int64_t groups = int8_groups(n);
	for (int64_t r = 0; r < int8_tiles(m) * INT8_TILE; r++)
		for (int64_t g = 0; g < groups; g++) {
			const struct int8_block *b = p->block + r / INT8_TILE * groups + g;
			struct group want = r < m ? at(a + r * n, n, g) : (struct group){.scale = 0};
			if (!same_float(b->scale[r % INT8_TILE], want.scale))
				fail_msg("%dx%d: scale of row %d, group %d", (int)m, (int)n, (int)r, (int)g);
			for (int i = 0; i < INT8_GROUP; i++)
				if (b->q[i / 4][r % INT8_TILE][i % 4] - INT8_ZERO != want.q[i])
					fail_msg("%dx%d: row %d, group %d, element %d", (int)m, (int)n, (int)r, (int)g, i);
		}
	for (int64_t g = 0; g < groups; g++) {
		struct group want = at(x, n, g);
		int sum = 0;
		assert_true(same_float(p->x[g].scale, want.scale));
		for (int i = 0; i < INT8_GROUP; i++) {
			assert_int_equal(p->x[g].q[i], want.q[i]);
			sum += want.q[i];
		}
		assert_int_equal(p->x[g].sum, sum);
	}
}

/* Every processor class gives what the definition gives, to the bit, and writes nothing else. */
static void check_times(const struct packed *p, const float *a, const float *x, int64_t m, int64_t n)
{
	float y[M_MAX + 2 * GUARD], want[M_MAX];
	for (int64_t r = 0; r < m; r++) {
		want[r] = 0;
		for (int64_t g = 0; g < int8_groups(n); g++) {
			struct group w = at(a + r * n, n, g), v = at(x, n, g);
			int sum = 0;
			for (int i = 0; i < INT8_GROUP; i++)
				sum += w.q[i] * v.q[i];
			float scale = w.scale * v.scale, part = (float)sum * scale;
			want[r] += part;
		}
	}
	for (int k = 0; int8_nth(k); k++) {
		for (int i = 0; i < M_MAX + 2 * GUARD; i++)
			y[i] = 77;
		int8_nth(k)->times(y + GUARD, p->block, p->x, m, int8_groups(n));
		for (int64_t i = 0; i < GUARD; i++)
			assert_true(y[i] == 77 && y[GUARD + m + i] == 77);
		for (int64_t r = 0; r < m; r++)
			if (!same_float(y[GUARD + r], want[r]))
				fail_msg("%s: %dx%d, row %d: %.9g, %.9g expected", int8_nth(k)->name, (int)m, (int)n, (int)r, (double)y[GUARD + r], (double)want[r]);
	}
}

static void test_products(void **state)
{
	(void)state;
	static const int rows[] = {1, 2, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 70}, inner[] = {1, 2, 3, 7, 63, 64, 65, 96, 127, 128, 129, 172, 192, 200};
	static float a[M_MAX * N_MAX], x[N_MAX];
	struct rng r;
	rng_seed(&r, 1);
	for (int i = 0; int8_nth(i); i++)
		print_message("kernel: %s\n", int8_nth(i)->name);
	assert_null(int8_nth(-1));
	assert_ptr_equal(int8_best(), int8_nth(0));
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		for (size_t j = 0; j < sizeof inner / sizeof *inner; j++)
			for (int kind = 0; kind < 2; kind++) {
				int m = rows[i], n = inner[j];
				fill(a, (size_t)(m * n), &r, kind);
				fill(x, (size_t)n, &r, kind);
				struct packed p = pack(a, x, m, n);
				check_times(&p, a, x, m, n);
				drop(&p);
			}
}

/* The largest sums there are: all of one sign, where 16 bits would not do. */
static void test_largest_sums(void **state)
{
	(void)state;
	static float a[33 * 128], x[128];
	for (int sign = 0; sign < 4; sign++) {
		for (int i = 0; i < 33 * 128; i++)
			a[i] = sign & 1 ? -2.5f : 2.5f;
		for (int i = 0; i < 128; i++)
			x[i] = sign & 2 ? -0.5f : 0.5f;
		struct packed p = pack(a, x, 33, 128);
		check_times(&p, a, x, 33, 128);
		assert_int_equal(p.block->q[0][0][0], sign & 1 ? 1 : 255);
		drop(&p);
	}
}

static const float odd[] = {NAN, INFINITY, -INFINITY, 0, -0.0f, FLT_MAX, -FLT_MAX, FLT_MIN, FLT_TRUE_MIN, 9e-37f, 1e-36f, 1.1e-36f};

static void test_poisoned(void **state)
{
	(void)state;
	enum { M = 35, N = 150 };
	static float a[M * N], x[N];
	struct rng r;
	for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
		for (int where = 0; where < 3; where++) { /* a weight, the last weight of a row, the vector */
			rng_seed(&r, i);
			fill(a, M * N, &r, 0);
			fill(x, N, &r, 0);
			*(where == 0 ? &a[17 * N + 70] : where == 1 ? &a[34 * N + N - 1] : &x[3]) = odd[i];
			struct packed p = pack(a, x, M, N);
			float y[M];
			check_times(&p, a, x, M, N);
			for (int k = 0; int8_nth(k) && !isfinite(odd[i]); k++) {
				int8_nth(k)->times(y, p.block, p.x, M, int8_groups(N));
				for (int row = 0; row < M; row++)
					assert_int_equal(!!isnan(y[row]), where == 2 || row == (where ? 34 : 17));
			}
			drop(&p);
		}
	/* All of a group: nothing, and next to nothing. */
	for (size_t i = 3; i < sizeof odd / sizeof *odd; i++) {
		for (int j = 0; j < M * N; j++)
			a[j] = odd[i];
		struct packed p = pack(a, x, M, N);
		check_times(&p, a, x, M, N);
		drop(&p);
	}
}

/* --- decoding --- */

enum { S = 45 };

static const struct tiny shapes[] = {
	{"mha tied", 24, 40, 2, 3, 3, 8, 37, 1, ROPE_INTERLEAVED, 1, 1, S},
	{"groups that end early", 96, 172, 2, 6, 2, 16, 50, 0, ROPE_HALF, 1, 1, S},
	{"norms of q and k, one kv head, alpha", 13, 21, 2, 3, 1, 6, 31, 0, ROPE_INTERLEAVED + TINY_QK_NORM, 0.3f, 1, S},
	{"one of all", 2, 1, 1, 1, 1, 2, 2, 1, ROPE_INTERLEAVED, 1, 1, S},
	{"large enough for the pool", 192, 512, 2, 4, 2, 48, 3000, 1, ROPE_INTERLEAVED, 1, 1, S},
};

static struct decoder *decoder(const struct params *p, struct pool *pool, int int8)
{
	struct err e = {0};
	struct decoder *d = decoder_new(p, pool, &e);
	if (!d || decoder_int8(d, int8, &e))
		fail_msg("%s", e.msg);
	return d;
}

static float *next(struct decoder *d, const int *id, int n)
{
	struct err e = {0};
	float *logits = NULL;
	if (decoder_next(d, id, n, &logits, NULL, &e))
		fail_msg("%s", e.msg);
	return logits;
}

static double distance(const float *a, const float *b, int n)
{
	double diff = 0, norm = 0;
	for (int i = 0; i < n; i++) {
		diff += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
		norm += (double)b[i] * b[i];
	}
	return sqrt(diff / norm);
}

/* How far logits may be from fp32's. Rounding to 127 steps of the largest of 64 values moves a product by (largest / typical) / 127 / sqrt(12) of itself: 0.6 % for weights
 * (2.7 times), 1.2 % for activations (5 times), together 1.4 %. Four products in a row in each layer, and the classifier, each with errors of its own. */
static double tolerance(const struct model_config *c)
{
	return 0.014 * sqrt(4 * c->layers + 1);
}

struct errors { double sum, worst; int n; };

static void count(struct errors *e, const float *got, const float *want, int n)
{
	double d = distance(got, want, n);
	e->sum += d;
	e->worst = d <= e->worst ? e->worst : d;
	e->n++;
}

static void check_errors(const char *what, const struct errors *e, double tol)
{
	print_message("%s: relative error %.3g in the mean, %.3g at worst; %.3g and twice that may be\n", what, e->sum / e->n, e->worst, tol);
	if (!(e->sum <= tol * e->n) || !(e->worst <= 2 * tol))
		fail_msg("%s: too far from fp32", what);
}

static void test_near_fp32(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
		const struct tiny *t = &shapes[i];
		if (t->vocab < 10) /* two logits may be next to nothing, and any error is large then */
			continue;
		struct params *p = tiny_params(t, 7 + i, 0);
		struct errors all = {0, 0, 0};
		int x[S], y[S];
		tiny_tokens(t, 70 + i, 0, x, y);
		struct decoder *exact = decoder(p, NULL, 0), *d = decoder(p, NULL, 1);
		for (int n = 0; n < S; n++)
			count(&all, next(d, x + n, 1), next(exact, x + n, 1), t->vocab);
		check_errors(t->what, &all, tolerance(&p->config));
		decoder_free(d);
		decoder_free(exact);
		params_free(p);
	}
}

/* Long prompts go through the weights themselves: only the classifier differs. */
static void test_prefill_is_fp32(void **state)
{
	(void)state;
	const struct tiny *t = &shapes[1];
	struct params *p = tiny_params(t, 3, 0);
	int x[S], y[S];
	tiny_tokens(t, 9, 0, x, y);
	struct decoder *exact = decoder(p, NULL, 0), *d = decoder(p, NULL, 1);
	assert_true(distance(next(d, x, S), next(exact, x, S), t->vocab) <= 0.02);
	/* The cache holds the same keys and values: the decoder that goes on without its copy says the same, to the bit. */
	assert_int_equal(decoder_int8(d, 0, NULL), 0);
	assert_memory_equal(next(d, x, 1), next(exact, x, 1), (size_t)t->vocab * sizeof(float));
	decoder_free(d);
	decoder_free(exact);
	params_free(p);
}

static void test_bytes_do_not_depend_on_threads(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
		const struct tiny *t = &shapes[i];
		struct params *p = tiny_params(t, 11, 0);
		int x[S], y[S];
		tiny_tokens(t, 12, 0, x, y);
		struct decoder *one = decoder(p, NULL, 1);
		for (int threads = 2; threads <= 3; threads++) {
			struct pool *pool = pool_new(threads, NULL);
			struct decoder *more = decoder(p, pool, 1);
			decoder_reset(one);
			for (int n = 0; n < S; n += n % 9 ? 8 : 1) {
				float *a = next(one, x + n, n % 9 ? 8 : 1), *b = next(more, x + n, n % 9 ? 8 : 1);
				assert_memory_equal(a, b, (size_t)t->vocab * sizeof *a);
			}
			decoder_free(more);
			pool_free(pool);
		}
		decoder_free(one);
		params_free(p);
	}
}

/* The copy is of the weights as they were; asked for anew it is of those that are there now. */
static void test_copy_is_of_its_time(void **state)
{
	(void)state;
	const struct tiny *t = &shapes[0];
	struct params *p = tiny_params(t, 1, 0), *other = tiny_params(t, 2, 0);
	size_t bytes = (size_t)t->vocab * sizeof(float);
	int id = 5;
	struct decoder *d = decoder(p, NULL, 1), *fresh = decoder(other, NULL, 1);
	float before[37];
	memcpy(before, next(d, &id, 1), bytes);
	decoder_reset(d);
	const struct param *row = params_find(p, PARAM_W1, 0);
	memcpy(p->w + row->offset, other->w + row->offset, row->count * sizeof *p->w);
	assert_memory_equal(next(d, &id, 1), before, bytes);
	memcpy(p->w, other->w, p->total * sizeof *p->w);
	decoder_reset(d);
	assert_int_equal(decoder_int8(d, 1, NULL), 0);
	assert_memory_equal(next(d, &id, 1), next(fresh, &id, 1), bytes);
	decoder_free(d);
	decoder_free(fresh);
	params_free(p);
	params_free(other);
}

/* A model that training has broken: no id to go on with. */
static void test_broken_model(void **state)
{
	(void)state;
	static const enum param_kind where[] = {PARAM_W2, PARAM_WV, PARAM_EMBED, PARAM_NORM_OUT};
	for (size_t i = 0; i < 2 * sizeof where / sizeof *where; i++) {
		struct params *p = tiny_params(&shapes[0], 1, 0);
		struct sampler s;
		const struct param *row = params_find(p, where[i / 2], p->table[0].kind == where[i / 2] || where[i / 2] == PARAM_NORM_OUT ? -1 : 1);
		for (size_t k = 0; k < row->count; k += 24) /* one in each row */
			p->w[row->offset + k] = i % 2 ? INFINITY : NAN;
		struct decoder *d = decoder(p, NULL, 1);
		assert_int_equal(sampler_init(&s, &(struct sampler_settings){1, 0, 0.9f, 0, 1}, 37, 1, NULL), 0);
		assert_int_equal(sampler_pick(&s, next(d, (int[]){1}, 1), 0), -1);
		sampler_done(&s);
		decoder_free(d);
		params_free(p);
	}
}

static void test_bytes(void **state)
{
	(void)state;
	struct model_config c;
	struct err e = {0};
	assert_int_equal(model_preset(&c, "stories110m", &e), 0);
	/* 17/16 bytes a weight: a scale for each 64. */
	double want = 17.0 / 16 * (double)model_matrix_params(&c);
	assert_true(fabs((double)decoder_int8_bytes(&c) - want) <= 1e4);
}

/* A trained model: close logits on its own text, nearly the same picks there, and alone the same greedy story for 150 bytes (175 were found: then two words are as
 * likely as each other, and another story follows). */
static void test_stories(void **state)
{
	(void)state;
	struct err e = {0};
	struct str want = {0}, got = {0};
	if (testdata_read(&want, "stories260K.greedy200.txt"))
		skip();
	struct params *p = llama2c_load(testdata_path("stories260K.v0.bin"), &e);
	struct tokenizer *t = p ? tokenizer_load(testdata_path("tok512.bin"), &e) : NULL;
	struct sampler s;
	if (!t || sampler_init(&s, &(struct sampler_settings){.top_p = 1, .repeat = 1}, p->config.vocab, 1, &e))
		fail_msg("%s", e.msg);
	struct decoder *exact = decoder(p, NULL, 0), *d = decoder(p, NULL, 1), *alone = decoder(p, NULL, 1);
	int id = tokenizer_info(t)->bos, own = id, same = 0, agree = 0;
	struct errors all = {0, 0, 0};
	for (int pos = 0; pos < 200; pos++) {
		/* On fp32's text ... */
		float *a = next(d, &id, 1), *b = next(exact, &id, 1);
		count(&all, a, b, p->config.vocab);
		int prev = own, best = sampler_pick(&s, a, 0);
		id = sampler_pick(&s, b, 0);
		agree += best == id;
		/* ... and on its own. */
		size_t n;
		own = sampler_pick(&s, next(alone, &own, 1), 0);
		assert_true(own >= 0);
		const char *piece = tokenizer_piece(t, prev, own, &n);
		str_add(&got, piece, n);
	}
	while (same < (int)got.len && same < (int)want.len && got.s[same] == want.s[same])
		same++;
	print_message("%d of 200 picks agree, own text the same for %d bytes\n", agree, same);
	check_errors("stories260k", &all, tolerance(&p->config));
	assert_true(agree >= 194);
	assert_true(same >= 150);
	sampler_done(&s);
	decoder_free(exact);
	decoder_free(d);
	decoder_free(alone);
	tokenizer_free(t);
	params_free(p);
	str_done(&want);
	str_done(&got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_products), cmocka_unit_test(test_largest_sums), cmocka_unit_test(test_poisoned), cmocka_unit_test(test_near_fp32),
		cmocka_unit_test(test_prefill_is_fp32), cmocka_unit_test(test_bytes_do_not_depend_on_threads), cmocka_unit_test(test_copy_is_of_its_time),
		cmocka_unit_test(test_broken_model), cmocka_unit_test(test_bytes), cmocka_unit_test(test_stories),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
