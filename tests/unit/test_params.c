/* test_params.c: the table of tensors, the arena, the random start, refusals.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "model/params.h"

static const struct model_config small = {
	.name = "small", .dim = 96, .hidden = 100, .layers = 3, .heads = 4, .kv_heads = 2, .head_dim = 30, .vocab = 301,
	.context = 32, .tied = 1, .rope_theta = 10000, .norm_eps = 1e-5f, .alpha = 1,
};

static void table(void **state)
{
	(void)state;
	struct err e = {0};
	for (int how = 0; how < 4; how++) {
		struct model_config c = small;
		int tied = c.tied = how % 2, norms = c.qk_norm = how / 2;
		struct params *p = params_new(&c, &e);
		assert_non_null(p);
		assert_int_equal(p->n, 1 + 3 * (9 + 2 * norms) + 1 + !tied);
		size_t at = 0;
		uint64_t count = 0;
		for (int i = 0; i < p->n; i++) {
			const struct param *t = &p->table[i];
			assert_int_equal(t->offset % 16, 0);
			assert_true(t->offset >= at);
			at = t->offset + t->count;
			count += t->count;
			assert_ptr_equal(params_find(p, t->kind, t->layer), t);
			assert_ptr_equal(params_named(p, t->name), t);
			assert_int_equal(t->count, t->dim[0] * (t->rank == 2 ? t->dim[1] : 1));
			assert_int_equal(t->decay, t->rank == 2);
		}
		assert_true(p->total >= at);
		assert_int_equal(count, model_params(&c));
		assert_int_equal(params_bytes(&c, 0), p->total * 4);
		assert_int_equal(params_bytes(&c, 1), p->total * 16);
		const struct param *wo = params_named(p, "model.layers.2.self_attn.o_proj.weight");
		assert_non_null(wo);
		assert_int_equal(wo->dim[0], 96);
		assert_int_equal(wo->dim[1], 120);
		assert_int_equal(params_find(p, PARAM_WK, 0)->dim[0], 60);
		assert_int_equal(params_find(p, PARAM_W2, 1)->dim[1], 100);
		assert_null(params_named(p, "model.layers.3.mlp.up_proj.weight"));
		const struct param *kn = params_named(p, "model.layers.1.self_attn.k_norm.weight");
		assert_int_equal(kn != NULL, norms);
		if (kn)
			assert_true(kn->rank == 1 && kn->dim[0] == 30 && kn->kind == PARAM_NORM_K && kn->layer == 1);
		assert_int_equal(params_head(p)->kind, tied ? PARAM_EMBED : PARAM_HEAD);
		params_free(p);
	}
}

/* Under `ulimit -f` the file in memory is refused; the weights have their place all the same. */
static void arena_without_file(void **state)
{
	(void)state;
	struct err e = {0};
	struct rlimit was, few;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	few = was;
	few.rlim_cur = 4096;
	signal(SIGXFSZ, SIG_IGN); /* as main does */
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &few), 0);
	struct params *p = params_new(&small, &e);
	setrlimit(RLIMIT_FSIZE, &was);
	assert_non_null(p);
	params_init(p, 7);
	setrlimit(RLIMIT_FSIZE, &few);
	assert_int_equal(params_move(p), -1);
	setrlimit(RLIMIT_FSIZE, &was);
	assert_int_equal(p->fd, -1);
	assert_int_equal(params_train(p, &e), 0);
	struct params *q = params_new(&small, &e);
	assert_non_null(q);
	params_init(q, 7);
	assert_int_equal(params_move(q), 0);
	assert_true(q->fd >= 0);
	assert_memory_equal(p->w, q->w, p->total * sizeof(float));
	for (size_t i = 0; i < p->total; i++)
		assert_true(p->m[i] == 0 && p->v[i] == 0);
	params_free(p);
	params_free(q);
}

static void arena(void **state)
{
	(void)state;
	struct err e = {0};
	struct params *p = params_new(&small, &e);
	assert_non_null(p);
	assert_null(p->g);
	float *w = p->w;
	for (size_t i = 0; i < p->total; i++)
		assert_true(w[i] == 0);
	params_init(p, 7);
	float first = w[0];
	assert_int_equal(params_train(p, &e), 0);
	assert_int_equal(params_train(p, &e), 0);
	assert_ptr_equal(p->w, w);
	assert_true(w[0] == first);
	for (size_t i = 0; i < p->total; i++)
		assert_true(p->g[i] == 0 && p->m[i] == 0 && p->v[i] == 0);
	p->m[p->total - 1] = 3;
	p->v[p->total - 1] = 5;
	/* Whoever inherits the descriptor sees the same memory, and it is where it was. */
	assert_int_equal(p->fd, -1);
	assert_int_equal(params_move(p), 0);
	int fd = p->fd;
	assert_int_equal(params_move(p), 0);
	assert_int_equal(p->fd, fd);
	assert_ptr_equal(p->w, w);
	assert_true(w[0] == first && p->m[p->total - 1] == 3);
	float *again = mmap(NULL, p->map_bytes, PROT_READ, MAP_SHARED, p->fd, 0);
	assert_true(again != MAP_FAILED);
	assert_true(again[0] == first && again[2 * p->total - 1] == 3 && again[3 * p->total - 1] == 5);
	w[0] = 17;
	p->v[0] = 19;
	assert_true(again[0] == 17 && again[2 * p->total] == 19);
	munmap(again, p->map_bytes);
	params_free(p);
	params_free(NULL);
}

static void stats(const float *w, size_t n, double *mean, double *std)
{
	double s = 0, q = 0;
	for (size_t i = 0; i < n; i++) {
		s += w[i];
		q += (double)w[i] * w[i];
	}
	*mean = s / (double)n;
	*std = sqrt(q / (double)n - *mean * *mean);
}

static void random_start(void **state)
{
	(void)state;
	struct err e = {0};
	struct params *p = params_new(&small, &e), *q = params_new(&small, &e);
	assert_true(p && q);
	params_init(p, 1337);
	params_init(q, 1337);
	assert_memory_equal(p->w, q->w, p->total * sizeof(float));
	for (int i = 0; i < p->n; i++) {
		const struct param *t = &p->table[i];
		const float *w = p->w + t->offset;
		if (t->rank == 1) {
			for (size_t j = 0; j < t->count; j++)
				assert_true(w[j] == 1);
			continue;
		}
		double mean, std, want = t->kind == PARAM_WO || t->kind == PARAM_W2 ? 0.02 / sqrt(6) : 0.02;
		double n = (double)t->count;
		stats(w, t->count, &mean, &std);
		/* Five sigma of both estimates. */
		if (!(fabs(mean) < 5 * want / sqrt(n) && fabs(std - want) < 5 * want / sqrt(2 * n)))
			fail_msg("%s: mean %g std %g", t->name, mean, std);
		for (size_t j = t->count; (t->offset + j) % 16; j++)
			assert_true(w[j] == 0);
	}
	params_init(q, 1338);
	assert_true(memcmp(p->w, q->w, p->total * sizeof(float)) != 0);
	params_free(p);
	params_free(q);
}

static void refusals(void **state)
{
	(void)state;
	struct err e = {0};
	struct model_config c = small;
	c.dim = 65536;
	c.hidden = 1 << 20;
	c.layers = 1024;
	assert_null(params_new(&c, &e));
	assert_int_equal(e.code, ERR_NOMEM);
	assert_non_null(strstr(e.msg, "model: small: "));
	assert_non_null(strstr(e.msg, "iB needed"));
	assert_non_null(strstr(e.msg, "free"));
	c = small;
	c.vocab = -1;
	assert_null(params_new(&c, &e));
	assert_int_equal(e.code, ERR_RANGE);
	c = small;
	c.norm_eps = NAN;
	assert_null(params_new(&c, &e));
	assert_int_equal(e.code, ERR_RANGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table), cmocka_unit_test(arena), cmocka_unit_test(arena_without_file), cmocka_unit_test(random_start), cmocka_unit_test(refusals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
