/* test_formats.c: every format of model files, there and back: logits of the model that comes out against those of the one that went in,
 * and what a format can not say, or what is somebody else's, refused. SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/model_file.h"
#include "sample/sample.h"
#include "support/tiny.h"

enum { S = 20 };

static const struct tiny shapes[] = {
	{"mha tied", 24, 40, 2, 3, 3, 8, 37, 1, ROPE_INTERLEAVED, 1, 1, S},
	{"gqa untied", 24, 36, 3, 6, 2, 4, 50, 0, ROPE_INTERLEAVED, 1, 1, S},
	{"gqa tied half", 24, 36, 3, 6, 2, 4, 50, 1, ROPE_HALF, 1, 1, S},
	{"untied half", 32, 64, 2, 2, 1, 16, 41, 0, ROPE_HALF, 1, 1, S},
	{"large enough for groups of 32", 64, 128, 2, 4, 2, 16, 96, 0, ROPE_HALF, 1, 1, S},
	{"wide heads", 16, 24, 2, 2, 1, 34, 19, 0, ROPE_HALF, 1, 1, S},
	{"norms of q and k", 24, 36, 3, 6, 3, 10, 50, 1, ROPE_HALF + TINY_QK_NORM, 1, 1, S},
	{"norms of q and k, untied, large", 64, 96, 2, 4, 2, 32, 64, 0, ROPE_HALF + TINY_QK_NORM, 1, 1, S},
	{"norms of q and k, interleaved", 24, 36, 2, 3, 1, 6, 31, 0, ROPE_INTERLEAVED + TINY_QK_NORM, 1, 1, S},
	{"wide heads, tied", 16, 24, 2, 2, 1, 12, 23, 1, ROPE_HALF, 1, 1, S},
};

/* How many of the shapes a format has words for. llama2.c's has none for wide heads and norms of q and k; upstream's has none for norms
 * and for a classifier of its own, and its v2 only for heads with k and v of their own; peft holds adapters, of which these models have none. */
static int sayable(const char *format)
{
	if (!strcmp(format, "peft"))
		return 0;
	return !strcmp(format, "upstream-v2") ? 1 : !strcmp(format, "upstream") ? 3 : !strncmp(format, "llama2c", 7) ? 5 : (int)ARRAY_LEN(shapes);
}

/* How far logits may be away, relative to their size: the rounding of a weight, a few layers on. */
static double step_of(const char *format)
{
	return strstr(format, "bf16") ? 4e-2 : strstr(format, "f16") ? 5e-3 : strstr(format, "v2") || strstr(format, "q8") ? 5e-2 : 1e-6;
}

/* [S, V] */
static float *logits_of(const struct params *p)
{
	struct err e = {0};
	size_t V = (size_t)p->config.vocab;
	struct decoder *d = decoder_new(p, NULL, &e);
	float *out = mem_zalloc(S * V, sizeof *out), *row;
	assert_true(d && out);
	for (int i = 0; i < S; i++) {
		int id = i * 7 % p->config.vocab;
		assert_int_equal(decoder_next(d, &id, 1, &row, NULL, &e), 0);
		memcpy(out + (size_t)i * V, row, V * sizeof *out);
	}
	decoder_free(d);
	return out;
}

static double distance(const float *a, const float *b, size_t n)
{
	double diff = 0, size = 0;
	for (size_t i = 0; i < n; i++) {
		diff += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
		size += (double)b[i] * b[i];
	}
	return sqrt(diff / size);
}

static struct params *read_back(const char *path)
{
	struct err e = {0};
	struct model_import in;
	if (model_file_load(&in, path, &e))
		fail_msg("%s", e.msg);
	tokenizer_free(in.tok);
	return in.params;
}

/* One format, one shape: model -> file -> model -> file -> model. 1: the format can not say it (and said so). */
static int there_and_back(const char *format, const struct tiny *t)
{
	struct err e = {0};
	struct str report = {0};
	struct params *p = tiny_params(t, 5, 0), *q, *r;
	size_t n = (size_t)S * (size_t)t->vocab;
	p->config.rope_theta = 10000;
	p->config.norm_eps = 1e-5f;
	if (!strcmp(format, "upstream"))
		p->config.alpha = 1 / sqrtf(2 * (float)t->layers);
	struct model_source s = {p, p->w, NULL};
	unlink("a.model");
	(void)!system("rm -rf a.model b.model");
	int rc = model_file_save(format, "a.model", &s, &report, &e);
	if (rc) {
		assert_int_equal(rc, ERR_STATE);
		assert_true(access("a.model", F_OK) != 0);
		params_free(p);
		str_done(&report);
		return 1;
	}
	q = read_back("a.model");
	s = (struct model_source){q, q->w, NULL};
	if (model_file_save(format, "b.model", &s, &report, &e))
		fail_msg("%s: %s: again: %s", format, t->what, e.msg);
	r = read_back("b.model");
	float *was = logits_of(p), *is = logits_of(q), *again = logits_of(r);
	double d = distance(is, was, n), d2 = distance(again, is, n);
	if (!(d <= step_of(format)) || !(d2 <= 1e-6))
		fail_msg("%s: %s: logits are off by %g, the second time by %g", format, t->what, d, d2);
	assert_int_equal(q->config.tied, p->config.tied);
	assert_int_equal(q->config.context, p->config.context);
	assert_true(q->config.alpha == p->config.alpha);
	assert_true(q->config.norm_eps == p->config.norm_eps && q->config.rope_theta == p->config.rope_theta);
	free(was);
	free(is);
	free(again);
	params_free(p);
	params_free(q);
	params_free(r);
	str_done(&report);
	return 0;
}

static void logits_survive(void **state)
{
	const char *format;
	(void)state;
	for (int i = 0; (format = model_format(i, NULL)); i++) {
		int said = 0;
		for (size_t k = 0; k < ARRAY_LEN(shapes); k++)
			said += !there_and_back(format, &shapes[k]);
		if (said != sayable(format))
			fail_msg("%s: only %d of the shapes", format, said);
	}
}

static void what_it_can_not_say(void **state)
{
	static const struct { const char *format, *want; float theta, eps, alpha; } cases[] = {
		{"llama2c", "theta 10000 and norm eps 1e-5, the model has 500000", 500000, 1e-5f, 1},
		{"llama2c-v2", "norm eps 1e-5, the model has 10000 and 1e-06", 10000, 1e-6f, 1},
		{"llama2c", "residual scale 0.3", 10000, 1e-5f, 0.3f},
		{"safetensors", "no residual scale, the model has 0.3", 10000, 1e-5f, 0.3f},
		{"upstream", "upstream v4 scales residuals by 0.5, the model by 1 (export upstream-v2", 10000, 1e-5f, 1},
		{"upstream-v2", "upstream v2 scales residuals by 1, the model by 0.3", 10000, 1e-5f, 0.3f},
		{"upstream-v2", "theta 10000 and norm eps 1e-5, the model has 500000", 500000, 1e-5f, 1},
	};
	struct str report = {0};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = {0};
		struct params *p = tiny_params(&shapes[0], 5, 0);
		p->config.rope_theta = cases[i].theta;
		p->config.norm_eps = cases[i].eps;
		p->config.alpha = cases[i].alpha;
		struct model_source s = {p, p->w, NULL};
		assert_int_equal(model_file_save(cases[i].format, "no.model", &s, &report, &e), ERR_STATE);
		if (!strstr(e.msg, cases[i].want))
			fail_msg("%s", e.msg);
		assert_true(access("no.model", F_OK) != 0);
		params_free(p);
	}
	str_done(&report);
}

static void bad_weights_stay_here(void **state)
{
	struct err e = {0};
	struct str report = {0};
	struct params *p = tiny_params(&shapes[0], 5, 0);
	struct model_source s = {p, p->w, NULL};
	(void)state;
	p->config.norm_eps = 1e-5f;
	float *w = params_w(p, PARAM_W2, 1);
	w[7] = NAN;
	assert_int_equal(model_file_save("llama2c", "nan.model", &s, &report, &e), ERR_STATE);
	assert_non_null(strstr(e.msg, "not finite (tensor model.layers.1.mlp.down_proj.weight)"));
	w[7] = 1e6f;
	assert_int_equal(model_file_save("safetensors-f16", "nan.model", &s, &report, &e), ERR_RANGE);
	assert_non_null(strstr(e.msg, "tensor model.layers.1.mlp.down_proj.weight: 1e+06 is too large for F16"));
	assert_true(access("nan.model/config.json", F_OK) != 0 && access("nan.model/model.safetensors", F_OK) != 0);
	assert_int_equal(model_file_save("safetensors-bf16", "nan.model", &s, &report, &e), 0);
	params_free(p);
	str_done(&report);
}

static void others_files_stay(void **state)
{
	struct err e = {0};
	struct str report = {0};
	struct params *p = tiny_params(&shapes[0], 5, 0);
	struct model_source s = {p, p->w, NULL};
	(void)state;
	p->config.norm_eps = 1e-5f;
	(void)!system("echo text >notes; mkdir -p theirs full; echo '{\"model_type\": \"llama\"}' >theirs/config.json; echo x >full/x");
	assert_int_equal(model_file_save("llama2c", "notes", &s, &report, &e), ERR_STATE);
	assert_non_null(strstr(e.msg, "export: notes: is there and no model of this format"));
	assert_int_equal(model_file_save("llama2c", "theirs", &s, &report, &e), ERR_STATE);
	assert_int_equal(model_file_save("safetensors", "notes", &s, &report, &e), ERR_STATE);
	assert_int_equal(model_file_save("safetensors", "full", &s, &report, &e), ERR_STATE);
	assert_int_equal(model_file_save("safetensors", "theirs", &s, &report, &e), ERR_STATE);
	assert_non_null(strstr(e.msg, "theirs/config.json: is there, and this program did not write it"));
	/* Our own are replaced, files by any version of their format. */
	assert_int_equal(model_file_save("llama2c", "ours.bin", &s, &report, &e), 0);
	assert_int_equal(model_file_save("llama2c-v2", "ours.bin", &s, &report, &e), 0);
	assert_int_equal(model_file_save("safetensors", "ours", &s, &report, &e), 0);
	assert_int_equal(model_file_save("safetensors-f16", "ours", &s, &report, &e), 0);
	assert_int_equal(model_file_save("ggml", "x", &s, &report, &e), ERR_USAGE);
	assert_non_null(strstr(e.msg, "export: ggml: no such format (there are: safetensors "));
	params_free(p);
	str_done(&report);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(logits_survive), cmocka_unit_test(what_it_can_not_say), cmocka_unit_test(bad_weights_stay_here),
		cmocka_unit_test(others_files_stay),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
