/* test_mil_blob.c: weight files: written and read again, several records under a count of 1, and malformed ones.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "mil/blob.h"

static const uint16_t halves[5] = {0x3c00, 0x4000, 0xbc00, 0x0001, 0x7bff};
static const float floats[3] = {1.5f, -2, 3e30f};

static void written_and_read(void **state)
{
	struct mil_blob_file f = {0};
	struct mil_blob b;
	struct err e = {0};
	(void)state;
	uint64_t a = mil_blob_add(&f, MIL_FP16, halves, sizeof halves), c = mil_blob_add(&f, MIL_FP32, floats, sizeof floats);
	assert_int_equal(a, 64);
	assert_int_equal(c, 192);
	assert_int_equal(f.bytes.s[0], 2);
	assert_int_equal(f.bytes.s[4], 2);
	assert_int_equal(mil_blob_find(&b, f.bytes.s, f.bytes.len, a, "w.bin", &e), 0);
	assert_int_equal(b.dtype, MIL_FP16);
	assert_int_equal(b.bytes, sizeof halves);
	assert_memory_equal(b.data, halves, sizeof halves);
	assert_int_equal(mil_blob_find(&b, f.bytes.s, f.bytes.len, c, "w.bin", &e), 0);
	assert_memory_equal(b.data, floats, sizeof floats);
	assert_int_equal(mil_blob_fits(&b, &(struct mil_type){MIL_FP32, 2, {3, 1}}, "w.bin", &e), 0);
	assert_int_equal(mil_blob_fits(&b, &(struct mil_type){MIL_FP32, 1, {4}}, "w.bin", &e), ERR_FORMAT);
	assert_string_equal(e.msg, "blob: w.bin: the program declares fp32[4] (16 bytes), the file has 12 bytes of fp32");
	assert_int_equal(mil_blob_fits(&b, &(struct mil_type){MIL_FP16, 1, {6}}, "w.bin", &e), ERR_FORMAT);
	assert_int_equal(mil_blob_add(&f, MIL_STRING, "x", 1), 0);
	mil_blob_done(&f);
}

/* As files in the wild are: count 1, records straight after the data of the one before. */
static void packed_records(void **state)
{
	unsigned char f[64 + 64 + 10 + 64 + 4] = {1, 0, 0, 0, 2};
	static const unsigned char rec1[24] = {0xef, 0xbe, 0xad, 0xde, 1, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 128};
	static const unsigned char rec2[24] = {0xef, 0xbe, 0xad, 0xde, 4, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 202};
	struct mil_blob b;
	struct err e = {0};
	(void)state;
	memcpy(f + 64, rec1, sizeof rec1);
	memcpy(f + 138, rec2, sizeof rec2);
	f[202] = 0x80;
	assert_int_equal(mil_blob_find(&b, f, sizeof f, 64, "w.bin", &e), 0);
	assert_null(b.note);
	assert_int_equal(mil_blob_find(&b, f, sizeof f, 138, "w.bin", &e), 0);
	assert_string_equal(b.note, "the header counts fewer tensors than there are");
	assert_int_equal(b.dtype, MIL_INT8);
	f[0] = 2;
	assert_int_equal(mil_blob_find(&b, f, sizeof f, 138, "w.bin", &e), 0);
	assert_string_equal(b.note, "a record that does not begin on a multiple of 64");
	assert_int_equal(*(const int8_t *)b.data, -128);
	for (size_t n = 0; n < sizeof f; n++) { /* cut anywhere: an error, no read beyond */
		unsigned char *part = malloc(n + 1);
		memcpy(part, f, n);
		assert_int_equal(mil_blob_find(&b, part, n, 138, "w.bin", &e), ERR_FORMAT);
		free(part);
	}
}

static void malformed(void **state)
{
	static const struct {
		int at;
		unsigned char byte;
		uint64_t offset;
		const char *says;
	} bad[] = {
		{4, 1, 64, "version 1"},
		{4, 9, 64, "is this a MIL weight file?"},
		{0, 1, 128, "the offset is that of the record, not of the data"},
		{0, 1, 63, "no record at offset 63"},
		{0, 1, 192, "no record at offset 192"},
		{0, 1, UINT64_MAX, "no record at offset"},
		{64, 0, 64, "0xDEADBEEF"},
		{68, 0, 64, "unknown element type 0"},
		{68, 77, 64, "unknown element type 77"},
		{68, 5, 64, "bf16 elements are not supported"},
		{68, 8, 64, "int4 elements"},
		{80, 0, 64, "the offset of its data was never written (0), and the size says 8 bytes"},
		{80, 63, 64, "its data would lie at 63, inside the header"},
		{74, 8, 64, "beyond the end of the file"},
		{79, 255, 64, "beyond the end of the file"},
		{87, 255, 64, "beyond the end of the file"},
		{72, 7, 64, "do not fit elements of 2 bytes"},
		{80, 129, 64, "do not fit elements of 2 bytes"},
		{88, 3, 64, "3 bits of padding"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct mil_blob_file f = {0};
		struct mil_blob b;
		struct err e = {0};
		mil_blob_add(&f, MIL_FP16, halves, 8);
		f.bytes.s[bad[i].at] = (char)bad[i].byte;
		assert_int_equal(mil_blob_find(&b, f.bytes.s, f.bytes.len, bad[i].offset, "w.bin", &e), ERR_FORMAT);
		if (!strstr(e.msg, bad[i].says))
			fail_msg("case %zu: \"%s\" should say \"%s\"", i, e.msg, bad[i].says);
		assert_true(!strncmp(e.msg, "blob: w.bin: ", 13));
		mil_blob_done(&f);
	}
	/* an end that wraps round to 0 */
	static const unsigned char huge[8] = {0x80, 255, 255, 255, 255, 255, 255, 255};
	struct mil_blob_file f = {0};
	struct mil_blob b;
	struct err e = {0};
	mil_blob_add(&f, MIL_FP16, halves, 8);
	memcpy(f.bytes.s + 72, huge, 8);
	assert_int_equal(mil_blob_find(&b, f.bytes.s, f.bytes.len, 64, "w.bin", &e), ERR_FORMAT);
	mil_blob_done(&f);
}

/* What three benchmark programs write: of the record only the sentinel, the type and byte 10. */
static void benchmark_record(void **state)
{
	static const struct {
		unsigned char byte;
		const char *size;
	} seen[] = {{0x08, "524288"}, {0x10, "1048576"}};
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		size_t n = 128 + 512 * 512 * 2;
		unsigned char *f = calloc(1, n);
		struct mil_blob b;
		struct err e = {0};
		f[0] = 1, f[4] = 2, f[68] = 1, f[74] = seen[i].byte;
		memcpy(f + 64, "\xef\xbe\xad\xde", 4);
		assert_int_equal(mil_blob_find(&b, f, n, 64, "weight.bin", &e), ERR_FORMAT);
		assert_non_null(strstr(e.msg, "record at 64: malformed: the offset of its data was never written (0)"));
		assert_non_null(strstr(e.msg, seen[i].size));
		assert_null(strchr(e.msg, '\n'));
		free(f);
	}
}

/* Three tensors of three types, one after the other: aligned, counted, no note on any; and int8 that is read as it was written. */
static void several_types(void **state)
{
	static const int8_t bytes[70] = {-128, -1, 0, 1, 127};
	struct mil_blob_file f = {0};
	struct mil_blob b[3];
	struct err e = {0};
	uint64_t at[3];
	(void)state;
	at[0] = mil_blob_add(&f, MIL_INT8, bytes, sizeof bytes);
	at[1] = mil_blob_reserve(&f, MIL_FP16, sizeof halves);
	memcpy(f.bytes.s + at[1] + 64, halves, sizeof halves);
	at[2] = mil_blob_add(&f, MIL_FP32, floats, sizeof floats);
	assert_int_equal(f.bytes.s[0], 3);
	assert_int_equal(f.bytes.len % 64, 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(at[i] % 64, 0);
		assert_int_equal(mil_blob_find(&b[i], f.bytes.s, f.bytes.len, at[i], "w.bin", &e), 0);
		assert_null(b[i].note);
	}
	assert_memory_equal(b[0].data, bytes, sizeof bytes);
	assert_memory_equal(b[1].data, halves, sizeof halves);
	assert_memory_equal(b[2].data, floats, sizeof floats);
	assert_int_equal(mil_blob_reserve(&f, MIL_FP16, SIZE_MAX - 7), 0);
	mil_blob_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(written_and_read), cmocka_unit_test(packed_records),
					   cmocka_unit_test(malformed), cmocka_unit_test(benchmark_record),
					   cmocka_unit_test(several_types)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
