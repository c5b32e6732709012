/* test_saver.c: checkpoints by a thread of their own: the lease, the order, what fails. SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/file.h"
#include "support/tiny.h"
#include "support/train_rig.h"
#include "train/saver.h"

static const struct tiny shape = {.dim = 64, .hidden = 256, .layers = 4, .heads = 4, .kv_heads = 4, .head_dim = 16, .vocab = 2000, .tied = 1, .alpha = 1, .batch = 1, .seq = 32};

static void fill(struct params *p, float x)
{
	for (size_t i = 0; i < p->total; i++)
		p->w[i] = p->m[i] = p->v[i] = x;
}

static struct train_state state_of(uint64_t step)
{
	struct train_state s = {.step = step};
	settings_init(&s.settings);
	return s;
}

/* Every float of file `path` is x: a save sees one set of weights, whatever is done after the lease. */
static void expect_all(const char *path, uint64_t step, float x)
{
	struct params *p = NULL;
	struct train_state s;
	struct tokenizer *t = NULL;
	struct err e;
	must(ckpt_load(path, &p, &s, &t, &e), &e);
	assert_true(s.step == step);
	for (int i = 0; i < p->n; i++)
		for (size_t k = 0; k < p->table[i].count; k++)
			if (p->w[p->table[i].offset + k] != x || p->m[p->table[i].offset + k] != x || p->v[p->table[i].offset + k] != x)
				fail_msg("%s: %s is of another step", path, p->table[i].name);
	params_free(p);
	tokenizer_free(t);
}

static void one_set_of_weights(void **unused)
{
	(void)unused;
	struct err e;
	struct params *p = tiny_params(&shape, 1, 1);
	struct saver *sv = saver_new(NULL, &e);
	struct save_result r;
	uint64_t id;
	char path[40];
	assert_non_null(sv);
	assert_int_equal(saver_take(sv, 1, &r), 0);
	for (int k = 1; k <= 12; k++) {
		saver_wait_read(sv, k % 2 ? 0 : UINT64_MAX);
		fill(p, (float)k);
		struct train_state s = state_of((uint64_t)k);
		snprintf(path, sizeof path, "lease-%d.ckpt", k);
		must(saver_begin(sv, path, p, &s, NULL, &id, &e), &e);
		assert_true(id == (uint64_t)k);
		memset(&s, 0x5a, sizeof s); /* the state is the caller's again at once */
	}
	saver_wait_read(sv, 0);
	assert_false(saver_reads(sv));
	params_free(p); /* and now the model is */
	for (int k = 1; k <= 12; k++) {
		assert_int_equal(saver_take(sv, 1, &r), 1);
		assert_true(r.id == (uint64_t)k && r.step == (uint64_t)k && !r.err.code && r.stall_ns <= r.ns);
		snprintf(path, sizeof path, "lease-%d.ckpt", k);
		assert_string_equal(r.path, path);
		expect_all(path, (uint64_t)k, (float)k);
		unlink(path);
	}
	assert_int_equal(saver_take(sv, 1, &r), 0);
	saver_free(sv);
}

/* One that fails is told as that, and the next is made. */
static void failures_are_told(void **unused)
{
	(void)unused;
	struct err e;
	struct params *p = tiny_params(&shape, 1, 1);
	struct saver *sv = saver_new(NULL, &e);
	struct train_state s = state_of(3);
	struct save_result r;
	uint64_t id;
	fill(p, 2);
	must(saver_begin(sv, "no/such/folder.ckpt", p, &s, NULL, &id, &e), &e);
	must(saver_begin(sv, "after.ckpt", p, &s, NULL, &id, &e), &e);
	saver_wait_read(sv, 0);
	p->w[p->table[1].offset] = (float)NAN;
	must(saver_begin(sv, "nan.ckpt", p, &s, NULL, &id, &e), &e);
	assert_int_equal(saver_take(sv, 1, &r), 1);
	assert_int_equal(r.err.code, ERR_IO);
	assert_non_null(strstr(r.err.msg, "no/such: "));
	assert_int_equal(saver_take(sv, 1, &r), 1);
	assert_int_equal(r.err.code, 0);
	assert_int_equal(saver_take(sv, 1, &r), 1);
	assert_int_equal(r.err.code, ERR_STATE);
	assert_int_equal(access("nan.ckpt", F_OK), -1);
	expect_all("after.ckpt", 3, 2);
	must(saver_begin(sv, "left.ckpt", p, &s, NULL, &id, &e), &e);
	saver_free(sv); /* waits */
	params_free(p);
	assert_int_equal(saver_begin(NULL, "x.ckpt", NULL, &s, NULL, &id, &e), ERR_NOMEM);
	assert_int_equal(saver_wait_read(NULL, 1) + (uint64_t)saver_reads(NULL), 0);
}

/* Between two blocks of a file the rest is copied, and the owner writes over the model as soon as it hears that all was read: the file is as if nobody had. */
static const struct tiny flat = {.dim = 16, .hidden = 32, .layers = 1, .heads = 1, .kv_heads = 1, .head_dim = 16, .vocab = 20000, .tied = 1, .alpha = 1, .batch = 1, .seq = 8};
static struct ckpt_file *copied;
static struct params *model;
static long blocks, copy_at, read_at;

uint32_t __real_crc32c(uint32_t crc, const void *data, size_t n);
uint32_t __wrap_crc32c(uint32_t crc, const void *data, size_t n);

uint32_t __wrap_crc32c(uint32_t crc, const void *data, size_t n)
{
	if (copied && ++blocks == copy_at)
		assert_int_equal(ckpt_copy(copied, UINT64_MAX), 0);
	return __real_crc32c(crc, data, n);
}

static void now_write(void *unused)
{
	(void)unused;
	read_at = blocks;
	fill(model, -1);
}

static void a_copy_from_any_block_on(void **unused)
{
	(void)unused;
#ifdef __linux__
	struct err e;
	struct train_state s = state_of(3);
	long all = 0;
	model = tiny_params(&flat, 1, 1);
	for (copy_at = 0; copy_at <= all; copy_at += 1 + copy_at / 8) {
		fill(model, 2);
		copied = ckpt_begin("copied.ckpt", model, &s, NULL, &e);
		assert_non_null(copied);
		blocks = 0;
		read_at = -1;
		if (!copy_at)
			must(ckpt_copy(copied, UINT64_MAX), &e);
		assert_int_equal(ckpt_copy(copied, 1000), ERR_NOMEM); /* no room, or there is one */
		struct ckpt_file *f = copied;
		must(ckpt_write(f, NULL, now_write, NULL, &e), &e);
		copied = NULL;
		ckpt_end(f);
		assert_true(model->w[0] == -1 && read_at >= copy_at && (read_at <= copy_at + 2 || read_at >= all));
		expect_all("copied.ckpt", 3, 2);
		if (!all) /* header and blocks; behind them the file is read back */
			for (int i = 0; i < model->n; i++)
				all += 3 * (long)((model->table[i].count * sizeof(float) + (1 << 20) - 1) >> 20);
		unlink("copied.ckpt");
	}
	assert_true(all > 30);
	params_free(model);
#else
	skip();
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(one_set_of_weights), cmocka_unit_test(a_copy_from_any_block_on), cmocka_unit_test(failures_are_told)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
