/* test_llama2c.c: reading llama2.c's files: made here by hand, real ones where they are at hand, and hostile ones.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/str.h"
#include "io/llama2c.h"
#include "support/testdata.h"

struct shape { int32_t dim, hidden, layers, heads, kv, vocab, context; };
static const struct shape odd = {12, 20, 3, 3, 1, 17, 9};

static void add_u32(struct str *b, uint32_t v)
{
	unsigned char raw[4] = {(unsigned char)v, (unsigned char)(v >> 8), (unsigned char)(v >> 16), (unsigned char)(v >> 24)};
	str_add(b, raw, 4);
}

static void add_shape(struct str *b, const struct shape *s, int32_t vocab)
{
	const int32_t v[7] = {s->dim, s->hidden, s->layers, s->heads, s->kv, vocab, s->context};
	for (int i = 0; i < 7; i++)
		add_u32(b, (uint32_t)v[i]);
}

/* The value of element i of a tensor: tells tensor, layer and place apart. */
static float value(int kind, int layer, int64_t i)
{
	return (float)(kind * 100000 + (layer + 1) * 10000) + (float)(i % 8191);
}

static void add_tensor(struct str *b, int kind, int layer, int64_t n)
{
	for (int64_t i = 0; i < n; i++) {
		float f = value(kind, layer, i);
		str_add(b, &f, 4);
	}
}

static int64_t count(const struct shape *s, int kind)
{
	int64_t d = s->dim, kv = d / s->heads * s->kv;
	switch (kind) {
	case PARAM_EMBED: case PARAM_HEAD: return d * s->vocab;
	case PARAM_WQ: case PARAM_WO: return d * d;
	case PARAM_WK: case PARAM_WV: return d * kv;
	case PARAM_W1: case PARAM_W2: case PARAM_W3: return d * s->hidden;
	default: return d;
	}
}

static void add_layers(struct str *b, const struct shape *s, int kind)
{
	for (int l = 0; l < s->layers; l++)
		add_tensor(b, kind, l, count(s, kind));
}

static void make_v0(struct str *b, const struct shape *s, int tied)
{
	add_shape(b, s, tied ? s->vocab : -s->vocab);
	add_tensor(b, PARAM_EMBED, -1, count(s, PARAM_EMBED));
	for (int k = PARAM_NORM_ATT; k < PARAM_NORM_OUT; k++)
		add_layers(b, s, k);
	add_tensor(b, PARAM_NORM_OUT, -1, s->dim);
	add_tensor(b, 99, -1, (int64_t)s->context * (s->dim / s->heads)); /* the angles */
	if (!tied)
		add_tensor(b, PARAM_HEAD, -1, count(s, PARAM_HEAD));
}

static void make_v1(struct str *b, const struct shape *s, int tied, uint32_t version)
{
	static const int order[] = {PARAM_WQ, PARAM_WK, PARAM_WV, PARAM_WO, PARAM_W1, PARAM_W2, PARAM_W3};
	char zero[256] = {0};
	add_u32(b, 0x616b3432);
	add_u32(b, version);
	add_shape(b, s, s->vocab);
	str_putc(b, (char)tied);
	str_add(b, zero, 256 - b->len);
	add_layers(b, s, PARAM_NORM_ATT);
	add_layers(b, s, PARAM_NORM_FFN);
	add_tensor(b, PARAM_NORM_OUT, -1, s->dim);
	add_tensor(b, PARAM_EMBED, -1, count(s, PARAM_EMBED));
	for (int i = 0; i < 7; i++)
		add_layers(b, s, order[i]);
	if (!tied)
		add_tensor(b, PARAM_HEAD, -1, count(s, PARAM_HEAD));
}

static const char *write_file(const char *name, const void *data, size_t n)
{
	FILE *f = fopen(name, "wb");
	assert_non_null(f);
	assert_true(fwrite(data, 1, n, f) == n);
	fclose(f);
	return name;
}

static void check_values(const struct params *p)
{
	for (int i = 0; i < p->n; i++)
		for (size_t j = 0; j < p->table[i].count; j++)
			if (p->w[p->table[i].offset + j] != value((int)p->table[i].kind, p->table[i].layer, (int64_t)j))
				fail_msg("%s[%zu] is %g", p->table[i].name, j, (double)p->w[p->table[i].offset + j]);
}

static void test_made_by_hand(void **state)
{
	(void)state;
	for (int v = 0; v < 2; v++)
		for (int tied = 0; tied < 2; tied++) {
			struct str b = {0};
			struct err e = {0};
			if (v)
				make_v1(&b, &odd, tied, 1);
			else
				make_v0(&b, &odd, tied);
			write_file("made.v0.bin", b.s, b.len);
			assert_int_equal(llama2c_probe("made.v0.bin"), 1);
			struct params *p = llama2c_load("made.v0.bin", &e);
			if (!p)
				fail_msg("%s", e.msg);
			const struct model_config *c = &p->config;
			assert_string_equal(c->name, "made.v0");
			assert_int_equal(c->dim, 12);
			assert_int_equal(c->head_dim, 4);
			assert_int_equal(c->kv_heads, 1);
			assert_int_equal(c->vocab, 17);
			assert_int_equal(c->context, 9);
			assert_int_equal(c->tied, tied);
			assert_int_equal(c->rope, ROPE_INTERLEAVED);
			assert_true(c->rope_theta == 10000 && c->norm_eps == 1e-5f && c->alpha == 1);
			check_values(p);
			params_free(p);
			str_done(&b);
		}
}

static void test_real_v0_equals_v1(void **state)
{
	(void)state;
	struct err e = {0};
	char v0[1024];
	const char *path = testdata_path("stories260K.v0.bin"), *v1;
	if (!path)
		skip();
	snprintf(v0, sizeof v0, "%s", path);
	if (!(v1 = testdata_path("stories260K.v1.bin")))
		skip();
	struct params *a = llama2c_load(v0, &e), *b = llama2c_load(v1, &e);
	if (!a || !b)
		fail_msg("%s", e.msg);
	assert_int_equal(llama2c_probe(v0) && llama2c_probe(v1), 1);
	assert_string_equal(a->config.name, "stories260K.v0");
	assert_int_equal(a->config.dim, 64);
	assert_int_equal(a->config.hidden, 172);
	assert_int_equal(a->config.heads, 8);
	assert_int_equal(a->config.kv_heads, 4);
	assert_int_equal(a->config.vocab, 512);
	assert_int_equal(a->n, b->n);
	for (int i = 0; i < a->n; i++) {
		assert_string_equal(a->table[i].name, b->table[i].name);
		assert_memory_equal(a->w + a->table[i].offset, b->w + b->table[i].offset, a->table[i].count * sizeof(float));
	}
	params_free(a);
	params_free(b);
}

static void refused(const char *path, const char *part)
{
	struct err e = {0};
	struct params *p = llama2c_load(path, &e);
	assert_null(p);
	assert_true(e.code < 0);
	assert_null(strchr(e.msg, '\n'));
	if (!strstr(e.msg, part))
		fail_msg("\"%s\" lacks \"%s\"", e.msg, part);
	assert_null(llama2c_load(path, NULL));
}

static void test_every_length(void **state)
{
	(void)state;
	for (int v = 0; v < 2; v++) {
		struct str b = {0};
		char want[64];
		if (v)
			make_v1(&b, &odd, 0, 1);
		else
			make_v0(&b, &odd, 0);
		str_puts(&b, "tail");
		size_t right = b.len - 4;
		for (size_t n = 0; n <= b.len; n += n < 300 || n + 20 > right ? 1 : 397) {
			if (n == right)
				continue;
			write_file("cut.bin", b.s, n);
			struct err e = {0};
			if (llama2c_load("cut.bin", &e))
				fail_msg("%zu of %zu bytes were taken", n, right);
			assert_int_equal(e.code, ERR_FORMAT);
			if (!v)
				assert_int_equal(llama2c_probe("cut.bin"), 0);
			if (n >= 256) {
				snprintf(want, sizeof want, "expected %zu bytes, found %zu", right, n);
				assert_non_null(strstr(e.msg, want));
			}
		}
		str_done(&b);
	}
}

static void test_wrong_kinds(void **state)
{
	(void)state;
	refused("no such file.bin", "No such file or directory");
	refused(".", "is a folder");
	refused(write_file("empty.bin", "", 0), "empty: expected a llama2.c model, at least 28 bytes, found 0");
	refused(write_file("short.bin", "12345", 5), "too short: expected a llama2.c model, at least 28 bytes, found 5");
	refused(write_file("text.bin", "Once upon a time there was a file that was no model at all.", 59), "no llama2.c model: its header as v0 says dim");
	refused(write_file("x.gguf", "GGUF\3\0\0\0aaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 36), "GGUF");
	refused(write_file("x.safetensors", "\x40\0\0\0\0\0\0\0{\"__metadata__\":{\"a\":\"b\"}}     ", 40), "safetensors");
	refused(write_file("x.pt", "PK\3\4aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 36), "PyTorch");
	assert_int_equal(llama2c_probe("text.bin"), 0);
	assert_int_equal(llama2c_probe("no such file.bin"), 0);
	struct str b = {0};
	make_v1(&b, &odd, 1, 2);
	refused(write_file("v2.bin", b.s, b.len), "group size 0: expected a divisor of dim 12");
	b.s[37] = 4;
	refused(write_file("v2.bin", b.s, b.len), "llama2.c v2, dim 12, 3 layers, vocabulary 17: expected ");
	assert_int_equal(llama2c_probe("v2.bin"), 1);
	str_clear(&b);
	make_v1(&b, &odd, 1, 77);
	refused(write_file("v77.bin", b.s, b.len), "version 77: unknown");
	refused(write_file("head.bin", "24ka\1\0\0\0aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 40), "cut in its header");
	str_clear(&b);
	make_v1(&b, &odd, 3, 1);
	refused(write_file("flag.bin", b.s, b.len), "shared_classifier is 3");
	str_done(&b);
}

/* Every field of both headers with hostile numbers: refused in one line, nothing allocated by its word. */
static void test_hostile_headers(void **state)
{
	(void)state;
	static const int32_t evil[] = {0, -1, 1, 3, 7, INT32_MAX, INT32_MIN, INT32_MIN + 1, 65536, 65537, 1 << 20, 1 << 24, -12, 1000003};
	for (int v = 0; v < 2; v++) {
		struct str b = {0};
		if (v)
			make_v1(&b, &odd, 1, 1);
		else
			make_v0(&b, &odd, 1);
		for (int field = 0; field < 7; field++)
			for (size_t i = 0; i < sizeof evil / sizeof *evil; i++) {
				size_t at = (size_t)(v ? 8 : 0) + (size_t)field * 4;
				char keep[4];
				memcpy(keep, b.s + at, 4);
				memcpy(b.s + at, &evil[i], 4);
				/* v1 holds nothing that depends on the context: any legal one is as good as another. */
				int same = !memcmp(keep, b.s + at, 4) || (v && field == 6 && evil[i] > 0 && evil[i] <= 1 << 20);
				write_file("evil.bin", b.s, b.len);
				if (!same)
					refused("evil.bin", "model: evil.bin: ");
				memcpy(b.s + at, keep, 4);
			}
		str_done(&b);
	}
	/* All of them as large as the ranges allow: far more than there is. */
	struct str b = {0};
	add_shape(&b, &(struct shape){65536, 1 << 20, 1024, 1024, 1024, 1 << 24, 1 << 20}, -(1 << 24));
	refused(write_file("huge.bin", b.s, b.len), "found 28");
	str_done(&b);
}

static void test_random_bytes(void **state)
{
	(void)state;
	struct rng r;
	unsigned char raw[400];
	rng_seed(&r, 5);
	for (int i = 0; i < 300; i++) {
		size_t n = (size_t)rng_below(&r, sizeof raw);
		for (size_t j = 0; j < n; j++)
			raw[j] = (unsigned char)(rng_below(&r, 3) ? rng_below(&r, 4) : rng_below(&r, 256));
		if (n >= 8 && i % 3 == 0)
			memcpy(raw, "24ka\1\0\0\0", 8);
		write_file("random.bin", raw, n);
		struct err e = {0};
		struct params *p = llama2c_load("random.bin", &e);
		assert_true(p ? e.code == 0 : e.code < 0 && e.msg[0]);
		params_free(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_made_by_hand),
		cmocka_unit_test(test_real_v0_equals_v1),
		cmocka_unit_test(test_every_length),
		cmocka_unit_test(test_wrong_kinds),
		cmocka_unit_test(test_hostile_headers),
		cmocka_unit_test(test_random_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
