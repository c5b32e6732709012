/* blob.c: records of MIL weight files. Every number in a file is doubted.
 * SPDX-License-Identifier: MIT */
#include "mil/blob.h"

#include <string.h>

#include "base/mem.h"

enum { BLOB_ALIGN = 64, BLOB_VERSION = 2 };
static const uint32_t sentinel = 0xDEADBEEF;

/* The numbers of the format; those without a dtype of ours are there for the message. */
static const struct {
	const char *name;
	int dtype; /* enum mil_dtype, or -1 */
} blob_type[] = {
	[1] = {"fp16", MIL_FP16},   [2] = {"fp32", MIL_FP32},     [3] = {"uint8", MIL_UINT8}, [4] = {"int8", MIL_INT8},
	[5] = {"bf16", -1},         [6] = {"int16", MIL_INT16},   [7] = {"uint16", MIL_UINT16}, [8] = {"int4", -1},
	[9] = {"uint1", -1},        [10] = {"uint2", -1},         [11] = {"uint4", -1},       [12] = {"uint3", -1},
	[13] = {"uint6", -1},       [14] = {"int32", MIL_INT32},  [15] = {"uint32", MIL_UINT32},
	[16] = {"fp8e4m3fn", -1},   [17] = {"fp8e5m2", -1},
};

static uint64_t little(const unsigned char *p, int n)
{
	uint64_t v = 0;
	for (int i = n - 1; i >= 0; i--)
		v = v << 8 | p[i];
	return v;
}

static int check_header(const unsigned char *f, size_t size, const char *what, struct err *e)
{
	if (size < BLOB_ALIGN)
		return err_set(e, ERR_FORMAT, "blob: %s: %zu bytes: too short for a MIL weight file (header of 64 bytes)", what, size);
	uint64_t version = little(f + 4, 4);
	if (version != BLOB_VERSION)
		return err_set(e, ERR_FORMAT, "blob: %s: version %llu: only version 2 is known%s", what, (unsigned long long)version,
			       version == 1 ? " (1 is the older Espresso format)" : " (is this a MIL weight file?)");
	return 0;
}

static int check_type(uint64_t type, const char *what, uint64_t offset, struct err *e)
{
	if (type == 0 || type >= ARRAY_LEN(blob_type))
		return err_set(e, ERR_FORMAT, "blob: %s: record at %llu: unknown element type %llu", what, (unsigned long long)offset,
			       (unsigned long long)type);
	if (blob_type[type].dtype < 0)
		return err_set(e, ERR_FORMAT, "blob: %s: record at %llu: %s elements are not supported", what, (unsigned long long)offset,
			       blob_type[type].name);
	return 0;
}

static int check_extent(uint64_t data, uint64_t bytes, uint64_t unit, size_t size, const char *what, uint64_t offset,
			struct err *e)
{
	unsigned long long o = offset, d = data, b = bytes;
	/* Benchmark programs in the wild write one byte in the middle of the size, and no offset: 512 x 512 fp16 or nothing. */
	if (data == 0)
		return err_set(e, ERR_FORMAT, "blob: %s: record at %llu: malformed: the offset of its data was never written (0), and the size "
			       "says %llu bytes whatever the tensor is (write the record anew: u64 bytes at 8, u64 offset at 16)", what, o, b);
	if (data < BLOB_ALIGN)
		return err_set(e, ERR_FORMAT, "blob: %s: record at %llu: malformed: its data would lie at %llu, inside the header of the file",
			       what, o, d);
	if (data > size || bytes > size - data)
		return err_set(e, ERR_FORMAT, "blob: %s: record at %llu: %llu bytes at %llu reach beyond the end of the file, %zu "
			       "(interrupted copy?)", what, o, b, d, size);
	if (bytes % unit || data % unit)
		return err_set(e, ERR_FORMAT, "blob: %s: record at %llu: %llu bytes at %llu do not fit elements of %llu bytes", what, o, b, d,
			       (unsigned long long)unit);
	return 0;
}

static int is_record(const unsigned char *f, size_t size, uint64_t at)
{
	return at <= size && size - at >= BLOB_ALIGN && little(f + at, 4) == sentinel;
}

/* How many records begin before `offset`, each after the data of the one before, on a multiple of 64 or not. */
static uint64_t records_before(const unsigned char *f, size_t size, uint64_t offset)
{
	uint64_t n = 0, at = BLOB_ALIGN;
	while (at < offset && is_record(f, size, at)) {
		uint64_t bytes = little(f + at + 8, 8), data = little(f + at + 16, 8);
		if (data < at + BLOB_ALIGN || data > size || bytes > size - data)
			break;
		n++;
		at = data + bytes;
		if (!is_record(f, size, at))
			at = (at + BLOB_ALIGN - 1) / BLOB_ALIGN * BLOB_ALIGN;
	}
	return n;
}

static const char *forgiven(const unsigned char *f, size_t size, uint64_t offset, uint64_t data)
{
	if (records_before(f, size, offset) >= little(f, 4))
		return "the header counts fewer tensors than there are";
	if (offset % BLOB_ALIGN || data % BLOB_ALIGN)
		return "a record that does not begin on a multiple of 64";
	return NULL;
}

int mil_blob_find(struct mil_blob *out, const void *file, size_t size, uint64_t offset, const char *what, struct err *e)
{
	const unsigned char *f = file;
	int r = check_header(f, size, what, e);
	if (r)
		return r;
	if (offset < BLOB_ALIGN || offset > size || size - offset < BLOB_ALIGN)
		return err_set(e, ERR_FORMAT, "blob: %s: no record at offset %llu (the file has %zu bytes, the first record is at 64)", what,
			       (unsigned long long)offset, size);
	const unsigned char *p = f + offset;
	if (little(p, 4) != sentinel)
		return err_set(e, ERR_FORMAT, "blob: %s: no record at offset %llu: it should begin with 0xDEADBEEF (the offset is that of the "
			       "record, not of the data)", what, (unsigned long long)offset);
	uint64_t type = little(p + 4, 4), bytes = little(p + 8, 8), data = little(p + 16, 8), padding = little(p + 24, 8);
	if ((r = check_type(type, what, offset, e)))
		return r;
	enum mil_dtype d = (enum mil_dtype)blob_type[type].dtype;
	if ((r = check_extent(data, bytes, mil_dtype_size(d), size, what, offset, e)))
		return r;
	if (padding)
		return err_set(e, ERR_FORMAT, "blob: %s: record at %llu: %llu bits of padding make no sense for %s", what,
			       (unsigned long long)offset, (unsigned long long)padding, blob_type[type].name);
	*out = (struct mil_blob){d, f + data, bytes, forgiven(f, size, offset, data)};
	return 0;
}

int mil_blob_fits(const struct mil_blob *b, const struct mil_type *t, const char *what, struct err *e)
{
	char text[96];
	uint64_t need = (uint64_t)mil_count(t) * mil_dtype_size(t->dtype);
	if (b->dtype == t->dtype && b->bytes == need)
		return 0;
	return err_set(e, ERR_FORMAT, "blob: %s: the program declares %s (%llu bytes), the file has %llu bytes of %s", what,
		       mil_type_text(text, t), (unsigned long long)need, (unsigned long long)b->bytes, mil_dtype_name(b->dtype));
}

/* --- writing --- */

static void put_little(unsigned char *p, uint64_t v, int n)
{
	for (int i = 0; i < n; i++, v >>= 8)
		p[i] = (unsigned char)v;
}

static int type_of(enum mil_dtype d)
{
	for (size_t i = 1; i < ARRAY_LEN(blob_type); i++)
		if (blob_type[i].dtype == (int)d)
			return (int)i;
	return 0;
}

uint64_t mil_blob_reserve_at(struct mil_blob_file *f, uint64_t offset, enum mil_dtype d, size_t bytes)
{
	unsigned char rec[BLOB_ALIGN] = {0};
	int type = type_of(d);
	if (!type || bytes > SIZE_MAX / 4 || offset % BLOB_ALIGN || offset < MAX(f->bytes.len, BLOB_ALIGN))
		return 0;
	if (!f->bytes.len) {
		put_little(rec + 4, BLOB_VERSION, 4);
		str_add(&f->bytes, rec, sizeof rec);
		put_little(rec + 4, 0, 4);
	}
	str_zeros(&f->bytes, offset - f->bytes.len);
	put_little(rec, sentinel, 4);
	put_little(rec + 4, (uint64_t)type, 4);
	put_little(rec + 8, bytes, 8);
	put_little(rec + 16, offset + BLOB_ALIGN, 8);
	str_add(&f->bytes, rec, sizeof rec);
	str_zeros(&f->bytes, (bytes + BLOB_ALIGN - 1) / BLOB_ALIGN * BLOB_ALIGN);
	if (f->bytes.failed)
		return 0;
	unsigned char *count = (unsigned char *)f->bytes.s;
	put_little(count, little(count, 4) + 1, 4);
	return offset;
}

uint64_t mil_blob_reserve(struct mil_blob_file *f, enum mil_dtype d, size_t bytes)
{
	return mil_blob_reserve_at(f, MAX(f->bytes.len, BLOB_ALIGN), d, bytes);
}

uint64_t mil_blob_add(struct mil_blob_file *f, enum mil_dtype d, const void *data, size_t bytes)
{
	uint64_t at = mil_blob_reserve(f, d, bytes);
	if (at && bytes)
		memcpy(f->bytes.s + at + BLOB_ALIGN, data, bytes);
	return at;
}

void mil_blob_done(struct mil_blob_file *f)
{
	str_done(&f->bytes);
}
