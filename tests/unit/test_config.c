/* test_config.c: presets, overrides, refusals, counts.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/config.h"

static void presets_are_models(void **state)
{
	(void)state;
	struct err e = {0};
	const char *const *names = model_preset_names(&e);
	assert_non_null(names);
	static const char *const wanted[] = {"demo", "stories260k", "stories15m", "stories42m", "stories110m", "qwen3-0.6b", "qwen3-0.6b-ane"};
	for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
		int found = 0;
		for (const char *const *n = names; *n; n++)
			found |= !strcmp(*n, wanted[i]);
		assert_true(found);
	}
	for (; *names; names++) {
		struct model_config c;
		assert_int_equal(model_preset(&c, *names, &e), 0);
		assert_string_equal(c.name, *names);
		assert_int_equal(model_config_check(&c, &e), 0);
		assert_true(c.context >= 256);
		assert_true(c.seq >= 1 && c.seq <= c.context && c.batch >= 1);
	}
}

static void published_shapes(void **state)
{
	(void)state;
	struct err e = {0};
	struct model_config c;
	assert_int_equal(model_preset(&c, "stories110m", &e), 0);
	/* 12 layers of 7,077,888 in matrices and 2 * 768 in norms, a final norm, a table of 24,576,000. */
	assert_int_equal(model_params(&c), 109529856);
	assert_int_equal(model_matrix_params(&c), 12 * 7077888 + 24576000);
	assert_int_equal(c.head_dim, 64);
	assert_int_equal(c.batch, 1);
	assert_int_equal(c.seq, 256);
	assert_true(c.tied && c.rope == ROPE_INTERLEAVED && c.alpha == 1 && c.rope_theta == 10000 && c.norm_eps == 1e-5f);
	double flops = model_flops(&c, 1, 256);
	double want = 6.0 * 109510656.0 * 256 + 12 * 6.0 * 256 * 256 * 768;
	assert_true(flops > want * 0.999999 && flops < want * 1.000001);
	assert_int_equal(model_preset(&c, "stories260k", &e), 0);
	assert_int_equal(c.vocab, 512);
	assert_int_equal(c.head_dim, 8);
	assert_int_equal(model_preset(&c, "demo", &e), 0);
	assert_true(c.vocab <= 2048);
}

/* Counts as they are published: 8 layers of 3,162,112 in matrices and 2 * 512 in norms; 28 of 15,728,640, 2 * 1024, and 2 * 128 with norms
 * of q and k; a final norm, a table. */
static void larger_shapes(void **state)
{
	(void)state;
	struct err e = {0};
	struct model_config c;
	assert_int_equal(model_preset(&c, "stories42m", &e), 0);
	assert_int_equal(model_params(&c), 8 * (3162112 + 1024) + 512 + 32000 * 512);
	assert_int_equal(model_preset(&c, "qwen3-0.6b", &e), 0);
	assert_int_equal(model_params(&c), 596049920);
	assert_int_equal(model_matrix_params(&c), 28ull * 15728640 + 151936ull * 1024);
	assert_true(c.qk_norm && c.tied && c.rope == ROPE_HALF && c.rope_theta == 1e6f && c.norm_eps == 1e-6f && c.alpha == 1);
	assert_true(model_q_dim(&c) == 2048 && model_kv_dim(&c) == 1024 && !c.head_dim_follows);
	assert_int_equal(model_preset(&c, "qwen3-0.6b-ane", &e), 0);
	assert_int_equal(model_params(&c), 596042752);
	assert_true(!c.qk_norm && c.tied && c.rope == ROPE_INTERLEAVED && c.rope_theta == 10000 && c.norm_eps == 1e-5f);
	assert_true(c.alpha > 0.1336306f - 1e-7f && c.alpha < 0.1336306f + 1e-7f);
}

static void unknown_preset(void **state)
{
	(void)state;
	struct err e = {0};
	struct model_config c;
	assert_int_equal(model_preset(&c, "stories15n", &e), ERR_USAGE);
	assert_non_null(strstr(e.msg, "stories15m"));
}

static void overrides(void **state)
{
	(void)state;
	struct err e = {0};
	struct model_config c;
	assert_int_equal(model_preset(&c, "demo", &e), 0);
	assert_int_equal(model_config_set(&c, "dim", "96", &e), 0);
	assert_int_equal(model_config_set(&c, "heads", "6", &e), 0);
	assert_int_equal(c.head_dim, 16);
	assert_int_equal(model_config_set(&c, "rope", "half", &e), 0);
	assert_int_equal(c.rope, ROPE_HALF);
	uint64_t without = model_params(&c);
	assert_int_equal(c.qk_norm, 0);
	assert_int_equal(model_config_set(&c, "qk_norm", "on", &e), 0);
	assert_int_equal(c.qk_norm, 1);
	assert_int_equal(model_params(&c), without + 4 * 2 * 16);
	assert_int_equal(model_config_set(&c, "tied", "off", &e), 0);
	assert_int_equal(c.tied, 0);
	assert_int_equal(model_config_set(&c, "alpha", "0.5", &e), 0);
	assert_true(c.alpha == 0.5f);
	assert_int_equal(model_config_check(&c, &e), 0);
	assert_int_equal(model_config_set(&c, "heads", "7", &e), 0);
	assert_int_equal(model_config_check(&c, &e), ERR_RANGE);
	assert_non_null(strstr(e.msg, "not divisible"));
	assert_int_equal(model_config_set(&c, "head_dim", "10", &e), 0);
	assert_int_equal(model_config_set(&c, "kv_heads", "1", &e), 0);
	assert_int_equal(model_config_check(&c, &e), 0);
	assert_int_equal(model_q_dim(&c), 70);
	assert_int_equal(model_kv_dim(&c), 10);
	assert_int_equal(model_config_set(&c, "context", "64", &e), 0);
	assert_int_equal(c.seq, 64);
	assert_int_equal(model_config_check(&c, &e), 0);
	assert_int_equal(model_config_set(&c, "head_dim", "9", &e), 0);
	assert_int_equal(model_config_check(&c, &e), ERR_RANGE);
	assert_non_null(strstr(e.msg, "even"));
}

static void bad_overrides(void **state)
{
	(void)state;
	static const struct { const char *key, *value; int code; const char *says; } bad[] = {
		{"dims", "64", ERR_USAGE, "did you mean dim"},
		{"seq", "64", ERR_USAGE, "no such key"},
		{"zzzzzzzzzz", "64", ERR_USAGE, "kv_heads"},
		{"dim", "", ERR_RANGE, "1 to 65536"},
		{"dim", "0", ERR_RANGE, "1 to 65536"},
		{"dim", "-4", ERR_RANGE, "1 to 65536"},
		{"dim", "64x", ERR_RANGE, "64x"},
		{"dim", "64.5", ERR_RANGE, "whole number"},
		{"dim", "nan", ERR_RANGE, "1 to 65536"},
		{"dim", "99999999999999999999", ERR_RANGE, "1 to 65536"},
		{"eps", "inf", ERR_RANGE, "eps"},
		{"rope", "spiral", ERR_RANGE, "interleaved or half"},
		{"tied", "maybe", ERR_RANGE, "on or off"},
	};
	struct model_config c;
	struct err e = {0};
	assert_int_equal(model_preset(&c, "demo", &e), 0);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		err_clear(&e);
		assert_int_equal(model_config_set(&c, bad[i].key, bad[i].value, &e), bad[i].code);
		if (!strstr(e.msg, bad[i].says))
			fail_msg("%s=%s: %s", bad[i].key, bad[i].value, e.msg);
	}
}

/* A bad file is refused with its line; $ANETUI_ASSETS points at it. */
static void bad_files(void **state)
{
	(void)state;
	static const struct { const char *text, *says; } bad[] = {
		{"", "no presets"},
		{"# only words\n", "no presets"},
		{"dim = 4\n", "1: dim: stands before"},
		{"[a]\n\nwidth = 4\n", "3: model: width: no such key"},
		{"[a]\ndim 4\n", "2: dim 4: expected key = value"},
		{"[a\n", "1: [a: expected [name]"},
		{"[]\n", "expected [name]"},
		{"[a]\ndim = four\n", "2: model: dim: four"},
		{"[a]\ndim = 8\n", "hidden 0: must be 1"},
		{"[a]\ndim=8\nhidden=8\nlayers=1\nheads=2\nkv_heads=2\nvocab=8\ncontext=8\nseq=9\n", "seq 9: longer"},
		{"[a]\ndim=8\nhidden=8\nlayers=1\nheads=2\nvocab=8\ncontext=8\n[a]\n", "8: [a]: stands there twice"},
	};
	char dir[] = "presets.XXXXXX", path[64];
	assert_non_null(mkdtemp(dir));
	char *was = getenv("ANETUI_ASSETS") ? strdup(getenv("ANETUI_ASSETS")) : NULL;
	snprintf(path, sizeof path, "%s/presets.conf", dir);
	setenv("ANETUI_ASSETS", dir, 1);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		FILE *f = fopen(path, "w");
		assert_non_null(f);
		fputs(bad[i].text, f);
		fclose(f);
		struct err e = {0};
		struct model_config c;
		assert_true(model_preset(&c, "a", &e) < 0);
		if (!strstr(e.msg, bad[i].says))
			fail_msg("case %zu: %s", i, e.msg);
	}
	unlink(path);
	rmdir(dir);
	if (was)
		setenv("ANETUI_ASSETS", was, 1);
	else
		unsetenv("ANETUI_ASSETS");
	free(was);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(presets_are_models), cmocka_unit_test(published_shapes), cmocka_unit_test(larger_shapes), cmocka_unit_test(unknown_preset),
		cmocka_unit_test(overrides), cmocka_unit_test(bad_overrides), cmocka_unit_test(bad_files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
