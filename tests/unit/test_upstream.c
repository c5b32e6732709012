/* test_upstream.c: checkpoints of maderix/ANE that are cut, grown or lie in their headers. Contents are looked at in test_formats.c and formats.sh.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "io/upstream.h"
#include "support/tiny.h"

static const struct tiny mha = {"mha tied", 12, 20, 2, 3, 3, 4, 17, 1, ROPE_INTERLEAVED, 1, 1, 9};
static const struct tiny wide = {"wide heads", 12, 20, 2, 2, 1, 10, 17, 1, ROPE_INTERLEAVED, 0.5f, 1, 9};

static void write_file(const char *name, const char *data, size_t n)
{
	FILE *f = fopen(name, "wb");
	assert_non_null(f);
	assert_true(fwrite(data, 1, n, f) == n);
	fclose(f);
}

/* The bytes of a good file. */
static void good(struct str *out, int version)
{
	struct err e = {0};
	struct str report = {0};
	struct params *p = tiny_params(version == 4 ? &wide : &mha, 3, 0);
	struct model_source s = {p, p->w, NULL};
	p->config.rope_theta = 10000;
	p->config.norm_eps = 1e-5f;
	if (upstream_save(&s, "good.ckpt", version, &report, &e) || file_read(out, "good.ckpt", "test", 1 << 20, &e))
		fail_msg("%s", e.msg);
	assert_int_equal(out->len, 96 + 12 * model_params(&p->config));
	params_free(p);
	str_done(&report);
}

static void refused(const char *data, size_t n, const char *part)
{
	struct err e = {0};
	write_file("bad.ckpt", data, n);
	struct params *p = upstream_load("bad.ckpt", &e);
	if (p)
		fail_msg("taken, but: %s", part);
	assert_int_equal(e.code, ERR_FORMAT);
	assert_null(strchr(e.msg, '\n'));
	if (!strstr(e.msg, part) || !strstr(e.msg, "bad.ckpt"))
		fail_msg("\"%s\" lacks \"%s\"", e.msg, part);
	assert_null(upstream_load("bad.ckpt", NULL));
}

static void every_length(void **state)
{
	(void)state;
	for (int version = 2; version <= 4; version += 2) {
		struct str b = {0};
		char want[64];
		good(&b, version);
		size_t right = b.len;
		str_puts(&b, "tail");
		for (size_t n = 0; n <= b.len; n += n < 100 || n + 20 > right ? 1 : 97) {
			if (n == right)
				continue;
			snprintf(want, sizeof want, n < 96 ? "expected at least 96 bytes, found %zu" : "expected %zu bytes, found %zu", n < 96 ? n : right, n);
			refused(b.s, n, want);
		}
		str_done(&b);
	}
}

static void set_int(struct str *b, size_t at, int32_t v)
{
	memcpy(b->s + at, &v, sizeof v);
}

/* Every size of the header with hostile numbers: refused in one line, nothing allocated by its word. */
static void lying_headers(void **state)
{
	static const int32_t evil[] = {0, -1, 7, INT32_MAX, INT32_MIN, 65536, 1 << 20, 1 << 24, 1000003};
	static const size_t field[] = {16, 20, 24, 28, 32, 84, 88, 92};
	(void)state;
	for (int version = 2; version <= 4; version += 2) {
		struct str b = {0};
		good(&b, version);
		for (size_t f = 0; f < (version == 4 ? ARRAY_LEN(field) : 5); f++)
			for (size_t i = 0; i < ARRAY_LEN(evil); i++) {
				int32_t was;
				memcpy(&was, b.s + field[f], sizeof was);
				set_int(&b, field[f], evil[i]);
				refused(b.s, b.len, "model: bad.ckpt: ");
				set_int(&b, field[f], was);
			}
		set_int(&b, 4, 3);
		refused(b.s, b.len, "expected version 2 or 4, found 3");
		set_int(&b, 4, version);
		set_int(&b, 36, -5);
		refused(b.s, b.len, "its header says");
		if (version == 4) {
			set_int(&b, 36, 9);
			set_int(&b, 92, 12);
			refused(b.s, b.len, "q_dim: expected 20 (2 heads of 10), found 12");
		}
		str_done(&b);
	}
}

static void moments_are_zero(void **state)
{
	struct str b = {0};
	size_t layer = 4 * 12 * 12 + 3 * 12 * 20 + 2 * 12, zero = 0;
	float x;
	(void)state;
	good(&b, 2);
	for (size_t i = 0; i < 2 * layer; i++) {
		memcpy(&x, b.s + 96 + 4 * (layer + i), sizeof x);
		zero += x == 0;
	}
	assert_int_equal(zero, 2 * layer);
	memcpy(&x, b.s + 96 + 4 * 3 * layer, sizeof x); /* the next layer's first weight */
	assert_true(x != 0);
	str_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_length), cmocka_unit_test(lying_headers), cmocka_unit_test(moments_are_zero),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
