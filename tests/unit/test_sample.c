/* test_sample.c: prefill and decode against the plain reference at every position, the window, and a known greedy text.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/llama2c.h"
#include "model/plain.h"
#include "sample/rows.h"
#include "sample/sample.h"
#include "support/testdata.h"
#include "support/tiny.h"
#include "text/tokenizer.h"

enum { S = 45 };

static const struct tiny shapes[] = {
	{"mha tied", 24, 40, 2, 3, 3, 8, 37, 1, ROPE_INTERLEAVED, 1, 1, S},
	{"gqa untied half", 24, 36, 3, 6, 2, 4, 50, 0, ROPE_HALF, 1, 1, S},
	{"mqa alpha", 20, 33, 2, 5, 1, 10, 41, 1, ROPE_INTERLEAVED, 0.3f, 1, S},
	{"wide heads", 16, 24, 2, 2, 1, 34, 19, 0, ROPE_HALF, 1, 1, S},
	{"norms of q and k, grouped by 2", 24, 36, 3, 6, 3, 10, 50, 1, ROPE_HALF + TINY_QK_NORM, 1, 1, S},
	{"norms of q and k, one kv head, alpha", 13, 21, 2, 3, 1, 6, 31, 0, ROPE_INTERLEAVED + TINY_QK_NORM, 0.3f, 1, S},
	{"one of all", 2, 1, 1, 1, 1, 2, 2, 1, ROPE_INTERLEAVED, 1, 1, S},
	{"large enough for the pool", 192, 512, 2, 4, 2, 48, 3000, 1, ROPE_INTERLEAVED, 1, 1, S},
};

/* The plain reference's logits for x [n], in double. */
static double *plain_logits(const struct params *p, const int *x, int n)
{
	struct err e = {0};
	double loss, *w = malloc(p->total * sizeof *w), *out = malloc((size_t)n * (size_t)p->config.vocab * sizeof *out);
	int *y = malloc((size_t)n * sizeof *y);
	assert_true(w && out && y);
	for (size_t i = 0; i < p->total; i++)
		w[i] = p->w[i];
	for (int i = 0; i < n; i++)
		y[i] = 0;
	if (plain_loss(p, w, NULL, x, y, 1, n, &loss, out, &e))
		fail_msg("%s", e.msg);
	free(w);
	free(y);
	return out;
}

static void assert_near(const char *what, int pos, const float *got, const double *want, int n)
{
	double diff = 0, norm = 0;
	for (int i = 0; i < n; i++) {
		diff += (got[i] - want[i]) * (got[i] - want[i]);
		norm += want[i] * want[i];
	}
	if (!(sqrt(diff) <= 1e-5 * sqrt(norm)))
		fail_msg("%s: position %d: relative error %.3g", what, pos, sqrt(diff / norm));
}

static struct decoder *decoder(const struct params *p, struct pool *pool)
{
	struct err e = {0};
	struct decoder *d = decoder_new(p, pool, &e);
	if (!d)
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

static void test_every_position(void **state)
{
	(void)state;
	struct pool *pool = pool_new(2, NULL);
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
		const struct tiny *t = &shapes[i];
		struct params *p = tiny_params(t, 7 + i, 0);
		int x[S], y[S];
		tiny_tokens(t, 70 + i, 0, x, y);
		double *want = plain_logits(p, x, S);
		struct decoder *d = decoder(p, pool);
		for (int n = 0; n < S; n++) /* one by one */
			assert_near(t->what, n, next(d, x + n, 1), want + n * t->vocab, t->vocab);
		for (int n = 1; n <= S; n++) { /* all at once */
			decoder_reset(d);
			assert_near(t->what, n - 1, next(d, x, n), want + (n - 1) * t->vocab, t->vocab);
		}
		for (int n = 1; n < S - 9; n += 5) { /* a prompt, some at once, then one by one */
			decoder_reset(d);
			assert_near(t->what, n - 1, next(d, x, n), want + (n - 1) * t->vocab, t->vocab);
			assert_near(t->what, n + 6, next(d, x + n, 7), want + (n + 6) * t->vocab, t->vocab);
			assert_near(t->what, n + 7, next(d, x + n + 7, 1), want + (n + 7) * t->vocab, t->vocab);
		}
		free(want);
		decoder_free(d);
		params_free(p);
	}
	pool_free(pool);
	decoder_free(NULL);
}

/* Longer than a chunk: the second one sees the first through the cache. */
static void test_many_chunks(void **state)
{
	(void)state;
	const struct tiny t = {"long", 16, 20, 2, 4, 2, 4, 29, 1, ROPE_HALF, 1, 1, 300};
	struct params *p = tiny_params(&t, 3, 0);
	int x[300], y[300];
	tiny_tokens(&t, 4, 0, x, y);
	double *want = plain_logits(p, x, 300);
	struct decoder *d = decoder(p, NULL);
	const int len[] = {127, 128, 129, 130, 255, 257, 300};
	for (size_t i = 0; i < sizeof len / sizeof *len; i++) {
		decoder_reset(d);
		assert_near("long", len[i] - 1, next(d, x, len[i]), want + (len[i] - 1) * t.vocab, t.vocab);
	}
	free(want);
	decoder_free(d);
	params_free(p);
}

static void test_bytes_do_not_depend_on_threads(void **state)
{
	(void)state;
	const struct tiny *t = &shapes[5];
	struct params *p = tiny_params(t, 11, 0);
	int x[S], y[S];
	tiny_tokens(t, 12, 0, x, y);
	struct decoder *one = decoder(p, NULL);
	for (int threads = 2; threads <= 3; threads++) {
		struct pool *pool = pool_new(threads, NULL);
		struct decoder *more = decoder(p, pool);
		decoder_reset(one);
		for (int n = 0; n < S; n += 9) {
			float *a = next(one, x + n, 8), *b = next(more, x + n, 8);
			assert_memory_equal(a, b, (size_t)t->vocab * sizeof *a);
			a = next(one, x + n + 8, 1);
			b = next(more, x + n + 8, 1);
			assert_memory_equal(a, b, (size_t)t->vocab * sizeof *a);
		}
		decoder_free(more);
		pool_free(pool);
	}
	decoder_free(one);
	params_free(p);
}

static void test_sliding_window(void **state)
{
	(void)state;
	for (int context = 1; context <= 11; context += 5) {
		const struct tiny t = {"window", 12, 16, 2, 2, 1, 6, 23, 1, ROPE_INTERLEAVED, 1, 1, 11};
		struct params *p = tiny_params(&t, 5, 0);
		p->config.context = context;
		int x[60], window[16], len = 0, slides = 0;
		for (int i = 0; i < 60; i++)
			x[i] = (i * 7 + i / 3) % t.vocab;
		struct decoder *d = decoder(p, NULL), *all = decoder(p, NULL);
		for (int i = 0; i < 60; i++) {
			if (len == context) {
				memmove(window, window + context - context / 2, (size_t)(context / 2) * sizeof *window);
				len = context / 2;
				slides++;
			}
			window[len++] = x[i];
			double *want = plain_logits(p, window, len);
			assert_near("window", i, next(d, x + i, 1), want + (len - 1) * t.vocab, t.vocab);
			assert_int_equal(decoder_slides(d), slides);
			assert_int_equal(decoder_position(d), len);
			decoder_reset(all); /* the same from one long prompt */
			assert_near("window at once", i, next(all, x, i + 1), want + (len - 1) * t.vocab, t.vocab);
			assert_int_equal(decoder_slides(all), slides);
			free(want);
		}
		decoder_reset(d);
		assert_int_equal(decoder_slides(d), 0);
		assert_int_equal(decoder_position(d), 0);
		decoder_free(d);
		decoder_free(all);
		params_free(p);
	}
}

static void test_bad_ids(void **state)
{
	(void)state;
	struct params *p = tiny_params(&shapes[0], 1, 0);
	struct decoder *d = decoder(p, NULL);
	struct err e = {0};
	float *logits;
	assert_int_equal(decoder_next(d, NULL, 0, &logits, NULL, &e), ERR_STATE);
	assert_int_equal(decoder_next(d, (int[]){1, 37}, 2, &logits, NULL, &e), ERR_RANGE);
	assert_string_equal(e.msg, "sample: id 37: outside the model's vocabulary of 37");
	assert_int_equal(decoder_next(d, (int[]){-1}, 1, &logits, NULL, &e), ERR_RANGE);
	assert_int_equal(decoder_position(d), 0);
	assert_int_equal(decoder_next(d, (int[]){1, 36}, 2, NULL, NULL, &e), 0);
	assert_int_equal(decoder_position(d), 2);
	decoder_free(d);
	p->config.context = 0;
	assert_null(decoder_new(p, NULL, &e));
	params_free(p);
	const struct tiny large = {"large", 2, 2, 64, 1, 1, 4096, 5, 1, ROPE_HALF, 1, 1, 4};
	p = tiny_params(&large, 1, 0);
	p->config.context = 1 << 20; /* 2 TiB of keys and values */
	assert_null(decoder_new(p, NULL, &e));
	assert_non_null(strstr(e.msg, "sample: KV cache for a context of 1048576: "));
	assert_int_equal(e.code, ERR_NOMEM);
	params_free(p);
}

static void test_cancel_and_go_on(void **state)
{
	(void)state;
	const struct tiny *t = &shapes[1];
	struct params *p = tiny_params(t, 2, 0);
	int x[S], y[S];
	tiny_tokens(t, 9, 0, x, y);
	double *want = plain_logits(p, x, S);
	struct decoder *d = decoder(p, NULL);
	struct err e = {0};
	float *logits = NULL;
	atomic_int cancel = 0;
	assert_int_equal(decoder_next(d, x, 20, &logits, &cancel, &e), 0);
	cancel = 1;
	assert_int_equal(decoder_next(d, x + 20, 10, &logits, &cancel, &e), ERR_CANCEL);
	assert_string_equal(e.msg, "sample: interrupted");
	cancel = 0;
	assert_int_equal(decoder_next(d, NULL, 0, &logits, &cancel, &e), 0); /* feeds what is missing */
	assert_near("after cancel", 29, logits, want + 29 * t->vocab, t->vocab);
	free(want);
	decoder_free(d);
	params_free(p);
}

/* New weights in the same place: a reset forgets everything of the old ones. */
static void test_reset_forgets(void **state)
{
	(void)state;
	const struct tiny *t = &shapes[0];
	struct params *p = tiny_params(t, 1, 0), *other = tiny_params(t, 2, 0);
	int x[S], y[S];
	tiny_tokens(t, 9, 0, x, y);
	struct decoder *d = decoder(p, NULL), *fresh = decoder(other, NULL);
	next(d, x, S);
	memcpy(p->w, other->w, p->total * sizeof *p->w);
	decoder_reset(d);
	assert_memory_equal(next(d, x, 9), next(fresh, x, 9), (size_t)t->vocab * sizeof(float));
	decoder_free(d);
	decoder_free(fresh);
	params_free(p);
	params_free(other);
}

/* A model that training has broken: no id, no endless loop. */
static void test_poisoned_weights(void **state)
{
	(void)state;
	struct params *p = tiny_params(&shapes[0], 1, 0);
	p->w[params_find(p, PARAM_W2, 1)->offset] = NAN;
	struct decoder *d = decoder(p, NULL);
	struct sampler s;
	assert_int_equal(sampler_init(&s, &(struct sampler_settings){1, 0, 0.9f, 0, 1}, 37, 1, NULL), 0);
	assert_int_equal(sampler_pick(&s, next(d, (int[]){1, 2, 3}, 3), 0), -1);
	assert_int_equal(sampler_pick(&s, next(d, (int[]){4}, 1), 0), -1);
	sampler_done(&s);
	decoder_free(d);
	params_free(p);
}

static void fill(float *a, size_t n, struct rng *r)
{
	for (size_t i = 0; i < n; i++)
		a[i] = (float)(rng_double(r) - 0.5);
}

/* Every processor class: the same bytes, right sums, nothing written outside. */
static void test_rows(void **state)
{
	(void)state;
	enum { M = 21, N = 150, LDA = 160 };
	static float a[M * LDA], x[N], w[M], y[M + 2], z[N + 2], first_y[M], first_z[N];
	struct rng r;
	rng_seed(&r, 1);
	fill(x, N, &r);
	fill(w, M, &r);
	for (int m = 0; m <= M; m++)
		for (int n = 1; n <= N; n += n < 70 ? 1 : 13)
			for (int k = 0; rows_nth(k); k++) {
				const struct rows *rows = rows_nth(k);
				struct rng same;
				rng_seed(&same, (uint64_t)(m * 1000 + n));
				for (int i = 0; i < M * LDA; i++)
					a[i] = NAN; /* what lies between the rows must not be read */
				for (int i = 0; i < m; i++)
					fill(a + i * LDA, (size_t)n, &same);
				for (int i = 0; i < M + 2; i++)
					y[i] = 77;
				for (int i = 0; i < N + 2; i++)
					z[i] = 77;
				rows->times(y + 1, a, LDA, x, m, n);
				rows->weigh(z + 1, w, a, LDA, m, n);
				assert_true(y[0] == 77 && y[m + 1] == 77 && z[0] == 77 && z[n + 1] == 77);
				for (int i = 0; i < m; i++) {
					double want = 0, size = 0;
					for (int j = 0; j < n; j++) {
						want += (double)a[i * LDA + j] * x[j];
						size += fabs((double)a[i * LDA + j] * x[j]);
					}
					if (!(fabs(y[1 + i] - want) <= 1e-6 * size + 1e-12))
						fail_msg("%s: times %dx%d row %d", rows->name, m, n, i);
				}
				for (int j = 0; j < n; j++) {
					double want = 0, size = 0;
					for (int i = 0; i < m; i++) {
						want += (double)a[i * LDA + j] * w[i];
						size += fabs((double)a[i * LDA + j] * w[i]);
					}
					if (!(fabs(z[1 + j] - want) <= 1e-6 * size + 1e-12))
						fail_msg("%s: weigh %dx%d column %d", rows->name, m, n, j);
				}
				if (!k) {
					memcpy(first_y, y + 1, (size_t)m * sizeof *y);
					memcpy(first_z, z + 1, (size_t)n * sizeof *z);
				}
				assert_memory_equal(first_y, y + 1, (size_t)m * sizeof *y);
				assert_memory_equal(first_z, z + 1, (size_t)n * sizeof *z);
			}
}

/* Greedy text: `prompt` after the start token, then `n` ids. */
static void greedy_text(struct str *out, const struct params *p, const struct tokenizer *t, const char *prompt, int n)
{
	struct err e = {0};
	struct ids ids = {0};
	struct sampler s;
	int prev = tokenizer_info(t)->bos;
	if (tokenizer_encode(t, prompt, strlen(prompt), 1, &ids, &e) ||
	    sampler_init(&s, &(struct sampler_settings){.top_p = 1, .repeat = 1}, p->config.vocab, 1, &e))
		fail_msg("%s", e.msg);
	struct pool *pool = pool_new(2, NULL);
	struct decoder *d = decoder(p, pool);
	str_puts(out, prompt);
	next(d, &prev, 1);
	float *logits = next(d, ids.id, (int)ids.n);
	prev = ids.id[ids.n - 1];
	while (n-- > 0) {
		size_t len;
		int id = sampler_pick(&s, logits, tokenizer_info(t)->vocab);
		assert_true(id >= 0);
		const char *piece = tokenizer_piece(t, prev, id, &len);
		str_add(out, piece, len);
		logits = next(d, &id, 1);
		prev = id;
	}
	sampler_done(&s);
	ids_done(&ids);
	decoder_free(d);
	pool_free(pool);
}

/* A trained model, greedy from the start token: its first 200 positions are known to the byte. */
static void test_golden_text(void **state)
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
	struct decoder *d = decoder(p, NULL);
	int id = tokenizer_info(t)->bos;
	for (int pos = 0; pos < 200; pos++) { /* fed: the start token and 199 more; picked: 200 */
		int prev = id;
		size_t n;
		id = sampler_pick(&s, next(d, &id, 1), tokenizer_info(t)->vocab);
		assert_true(id >= 0);
		const char *piece = tokenizer_piece(t, prev, id, &n);
		str_add(&got, piece, n);
	}
	if (want.len && want.s[want.len - 1] == '\n') /* the line's end is the reference program's, not the model's */
		want.s[--want.len] = 0;
	assert_string_equal(got.s, want.s);
	/* The same story when its beginning is given: the prompt goes through the matrix products. */
	str_clear(&got);
	greedy_text(&got, p, t, "Once upon a time, there was a little girl named Lily.", 120);
	assert_true(got.len > 200);
	assert_memory_equal(got.s, want.s, got.len < want.len ? got.len : want.len);
	sampler_done(&s);
	decoder_free(d);
	tokenizer_free(t);
	params_free(p);
	str_done(&want);
	str_done(&got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_every_position),
		cmocka_unit_test(test_many_chunks),
		cmocka_unit_test(test_bytes_do_not_depend_on_threads),
		cmocka_unit_test(test_sliding_window),
		cmocka_unit_test(test_bad_ids),
		cmocka_unit_test(test_cancel_and_go_on),
		cmocka_unit_test(test_reset_forgets),
		cmocka_unit_test(test_poisoned_weights),
		cmocka_unit_test(test_golden_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
