/* test_safetensors.c: good files, every rule of the header broken one at a time, every length of a cut file.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rng.h"
#include "io/safetensors.h"

static void put_file(const char *path, const void *data, size_t n)
{
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

/* Length, header, `body` bytes of 0, 1, 2, ... */
static size_t make(unsigned char *out, const char *header, size_t header_len, size_t body)
{
	for (int i = 0; i < 8; i++)
		out[i] = (unsigned char)((uint64_t)header_len >> 8 * i);
	memcpy(out + 8, header, header_len);
	for (size_t i = 0; i < body; i++)
		out[8 + header_len + i] = (unsigned char)i;
	return 8 + header_len + body;
}

static int open_text(struct st_file *f, const char *header, size_t body, struct err *e)
{
	static unsigned char buf[1 << 16];
	put_file("t.safetensors", buf, make(buf, header, strlen(header), body));
	return st_open(f, "t.safetensors", e);
}

static void good(void **state)
{
	(void)state;
	struct st_file f;
	struct err e;
	int rc = open_text(&f, "{\"__metadata__\":{\"format\":\"pt\",\"k\":\"\\u00e4\"},"
			   "\"b\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[4,28]},"
			   "\"empty\":{\"dtype\":\"F16\",\"shape\":[3,0],\"data_offsets\":[4,4]},"
			   "\"a\":{\"dtype\":\"I32\",\"shape\":[],\"data_offsets\":[0,4],\"other\":1},"
			   "\"q\":{\"dtype\":\"F4\",\"shape\":[6],\"data_offsets\":[28,31]},"
			   "\"z\":{\"dtype\":\"F8_E4M3FNUZ\",\"shape\":[1,1,1,1,1,1,1,1],\"data_offsets\":[31,32]}}   ", 32, &e);
	if (rc)
		fail_msg("%s", e.msg);
	assert_int_equal(f.n, 5);
	assert_string_equal(f.tensor[0].name, "a");
	assert_string_equal(f.tensor[1].name, "empty");
	assert_string_equal(f.tensor[4].dtype, "F8_E4M3FNUZ");
	const struct st_tensor *b = st_find(&f, "b");
	assert_non_null(b);
	assert_int_equal(b->rank, 2);
	assert_int_equal(b->dim[1], 3);
	assert_int_equal(f.buffer[b->begin], 4);
	assert_int_equal(f.buffer_bytes, 32);
	assert_null(st_find(&f, "__metadata__"));
	assert_string_equal(st_meta(&f, "k"), "\xc3\xa4");
	assert_null(st_meta(&f, "none"));
	st_close(&f);
	st_close(&f);
	assert_int_equal(open_text(&f, "{}", 0, &e), 0);
	assert_int_equal(f.n, 0);
	st_close(&f);
}

#define T(dtype, shape, off) "{\"a\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" off "}}"

static void bad(void **state)
{
	(void)state;
	static const struct { const char *header; size_t body; const char *want; } row[] = {
		{"", 8, "does not begin with {"},
		{" {}", 0, "does not begin with {"},
		{"[1]", 0, "does not begin with {"},
		{"{", 0, "header, byte"},
		{"{}x", 0, "header, byte"},
		{"{\"a\":1}", 0, "tensor a: its entry is no object"},
		{"{\"a\":{}}", 0, "tensor a: dtype is missing"},
		{"{\"a\":{\"dtype\":\"F32\"}}", 0, "tensor a: shape is missing"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "tensor a: data_offsets"},
		{T("\"F33\"", "[1]", "[0,4]"), 4, "tensor a: dtype F33 is unknown"},
		{T("7", "[1]", "[0,4]"), 4, "tensor a: dtype is missing or no string"},
		{T("\"F32\"", "1", "[0,4]"), 4, "tensor a: shape is missing or no array"},
		{T("\"F32\"", "[-1]", "[0,4]"), 4, "tensor a: shape[0] is no whole number"},
		{T("\"F32\"", "[1,1.5]", "[0,4]"), 4, "tensor a: shape[1] is no whole number"},
		{T("\"F32\"", "[18446744073709551616]", "[0,4]"), 4, "header, byte"},
		{T("\"F32\"", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4, "tensor a: rank 9: at most 8"},
		{T("\"F32\"", "[4294967296,4294967296]", "[0,4]"), 4, "tensor a: shape overflows"},
		{T("\"F32\"", "[2305843009213693952]", "[0,0]"), 0, "tensor a: shape overflows"},
		{T("\"F4\"", "[3]", "[0,1]"), 1, "tensor a: 12 bits"},
		{T("\"F32\"", "[1]", "[0,4,8]"), 4, "tensor a: data_offsets"},
		{T("\"F32\"", "[1]", "[0,-4]"), 4, "tensor a: data_offsets"},
		{T("\"F32\"", "[1]", "[4,0]"), 4, "tensor a: ends at 0, before its begin at 4"},
		{T("\"F32\"", "[2]", "[0,4]"), 4, "tensor a: dtype and shape make 8 bytes, its offsets hold 4"},
		{T("\"F32\"", "[1]", "[4,8]"), 8, "tensor a: begins at 4, 4 bytes before it belong to none"},
		{T("\"F32\"", "[2]", "[0,8]"), 4, "4 bytes short (interrupted copy?): tensor a: expected 8 bytes, found 4"},
		{"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[4,8]}}", 2,
		 "6 bytes short (interrupted copy?): tensor a: expected 4 bytes, found 2"},
		{"{\"a\\nb\\u001b[31m\\u009b\":{\"dtype\":\"F9\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "tensor a?b?[31m??: dtype F9 is unknown"},
		{T("\"F32\"", "[1]", "[0,4]"), 7, "3 bytes too many behind the last tensor"},
		{"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[2,6]}}", 6,
		 "tensor b: begins at 2, inside the one before it (ends at 4)"},
		{"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[4,8]}}", 8,
		 "duplicate object key"},
		{"{\"__metadata__\":[]}", 0, "__metadata__ is no object"},
		{"{\"__metadata__\":{\"a\":1}}", 0, "__metadata__: a: value is no string"},
		{"{\"\xff\":{}}", 0, "header, byte"},
		{"{\"a\\u0000b\":{}}", 0, "header, byte"},
	};
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct st_file f;
		struct err e = {0};
		assert_int_equal(open_text(&f, row[i].header, row[i].body, &e), ERR_FORMAT);
		if (strncmp(e.msg, "safetensors: t.safetensors: ", 28) || !strstr(e.msg, row[i].want))
			fail_msg("row %zu: \"%s\" has no \"%s\"", i, e.msg, row[i].want);
		assert_null(strchr(e.msg, '\n'));
		assert_null(f.map.data);
	}
}

static void bad_lengths(void **state)
{
	(void)state;
	struct st_file f;
	struct err e;
	static const unsigned char huge[16] = {255, 255, 255, 255, 255, 255, 255, 255, '{', '}'};
	static const unsigned char over[16] = {1, 0xe1, 0xf5, 5, 0, 0, 0, 0, '{', '}'}; /* 100,000,001 */
	static const unsigned char limit[16] = {0, 0xe1, 0xf5, 5, 0, 0, 0, 0, '{', '}'};
	put_file("t.safetensors", huge, sizeof huge);
	assert_int_equal(st_open(&f, "t.safetensors", &e), ERR_FORMAT);
	assert_non_null(strstr(e.msg, "header of 18446744073709551615 bytes: at most 100000000"));
	put_file("t.safetensors", over, sizeof over);
	assert_int_equal(st_open(&f, "t.safetensors", &e), ERR_FORMAT);
	assert_non_null(strstr(e.msg, "at most 100000000"));
	put_file("t.safetensors", limit, sizeof limit);
	assert_int_equal(st_open(&f, "t.safetensors", &e), ERR_FORMAT);
	assert_non_null(strstr(e.msg, "at least 99999992 bytes short"));
	put_file("t.safetensors", "", 0);
	assert_int_equal(st_open(&f, "t.safetensors", &e), ERR_FORMAT);
	assert_non_null(strstr(e.msg, "0 bytes: too short"));
	assert_int_equal(st_open(&f, "missing.safetensors", &e), ERR_IO);
	assert_string_equal(e.msg, "safetensors: missing.safetensors: No such file or directory");
	assert_int_equal(st_open(&f, ".", &e), ERR_IO);
}

static struct st_tensor sample[4];
static char names[4][16] = {"w\"1", "v", "t", "c"};

static void make_sample(struct str *out)
{
	static const struct { const char *dtype; int rank; uint64_t a, b; } row[4] = {
		{"F32", 2, 3, 5}, {"F32", 1, 7, 0}, {"U8", 1, 12, 0}, {"U32", 1, 4, 0}};
	static const struct st_meta meta[2] = {{"format", "pt"}, {"a\"b", "line\nbreak"}};
	struct err e;
	for (int i = 0; i < 4; i++) {
		sample[i] = (struct st_tensor){.name = names[i], .rank = row[i].rank, .dim = {row[i].a, row[i].b}};
		snprintf(sample[i].dtype, sizeof sample[i].dtype, "%s", row[i].dtype);
	}
	assert_int_equal(st_header(out, sample, 4, meta, 2, &e), 0);
	assert_int_equal(out->len % 8, 0);
	for (uint64_t i = 0; i < sample[3].end; i++)
		str_putc(out, (char)i);
}

static void round_trip(void **state)
{
	(void)state;
	struct str s = {0};
	struct st_file f;
	struct err e;
	make_sample(&s);
	put_file("r.safetensors", s.s, s.len);
	if (st_open(&f, "r.safetensors", &e))
		fail_msg("%s", e.msg);
	assert_int_equal(f.n, 4);
	for (int i = 0; i < 4; i++) {
		assert_string_equal(f.tensor[i].name, names[i]); /* order as given */
		assert_int_equal(f.tensor[i].begin, sample[i].begin);
		assert_memory_equal(f.tensor[i].dim, sample[i].dim, sizeof *sample[i].dim * (size_t)sample[i].rank);
	}
	assert_string_equal(st_meta(&f, "a\"b"), "line\nbreak");
	st_close(&f);
	str_done(&s);
}

static void every_truncation(void **state)
{
	(void)state;
	struct str s = {0};
	struct st_file f;
	struct err e;
	make_sample(&s);
	for (size_t n = 0; n < s.len; n++) {
		put_file("r.safetensors", s.s, n);
		assert_int_equal(st_open(&f, "r.safetensors", &e), ERR_FORMAT);
		assert_non_null(strstr(e.msg, "short"));
	}
	str_done(&s);
}

/* No rule about contents can be broken by a flipped bit: opening must answer, never crash. */
static void random_damage(void **state)
{
	(void)state;
	struct str s = {0};
	struct st_file f;
	struct err e;
	struct rng r;
	rng_seed(&r, 11);
	make_sample(&s);
	for (size_t bit = 0; bit < 8 * s.len; bit++) {
		s.s[bit / 8] ^= (char)(1 << bit % 8);
		put_file("r.safetensors", s.s, s.len);
		if (!st_open(&f, "r.safetensors", &e)) {
			assert_int_equal(f.tensor[f.n - 1].end, f.buffer_bytes);
			st_close(&f);
		}
		s.s[bit / 8] ^= (char)(1 << bit % 8);
	}
	str_done(&s);
}

static void writer_refuses(void **state)
{
	(void)state;
	struct str s = {0};
	struct err e;
	struct st_tensor t[2] = {{.name = names[1], .dtype = "U8", .rank = 1, .dim = {3}}, {.name = names[2], .dtype = "F32", .rank = 1, .dim = {1}}};
	assert_int_equal(st_header(&s, t, 2, NULL, 0, &e), ERR_FORMAT);
	assert_string_equal(e.msg, "safetensors: tensor t: would begin at byte 3, no multiple of 4 (larger elements first)");
	t[0].dim[0] = UINT64_MAX / 8;
	t[1].dim[0] = UINT64_MAX / 32;
	t[0].dim[0] -= t[0].dim[0] % 4;
	assert_int_equal(st_header(&s, t, 2, NULL, 0, &e), 0); /* lays out only */
	t[1].dim[0] = UINT64_MAX / 4;
	assert_int_equal(st_header(&s, t, 2, NULL, 0, &e), ERR_FORMAT);
	assert_non_null(strstr(e.msg, "overflows"));
	strcpy(t[1].dtype, "X");
	assert_int_equal(st_header(&s, t, 2, NULL, 0, &e), ERR_FORMAT);
	str_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good), cmocka_unit_test(bad), cmocka_unit_test(bad_lengths), cmocka_unit_test(round_trip),
		cmocka_unit_test(every_truncation), cmocka_unit_test(random_damage), cmocka_unit_test(writer_refuses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
