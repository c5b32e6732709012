/* safetensors.c: the header's rules, checked one by one before anything is believed. No tensor's contents are looked at.
 *
 * u64 N (little-endian) | N bytes of JSON, padded with blanks | buffer. The buffer is covered by the tensors exactly: each
 * begins where the one before it ends. Everything read from the file is compared with the file's length first.
 * SPDX-License-Identifier: MIT */
#include "io/safetensors.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define HEADER_MAX 100000000u

struct reader {
	struct st_file *f;
	const char *what, *shown;
	struct err *e;
};

__attribute__((format(printf, 2, 3))) static int bad(const struct reader *r, const char *fmt, ...)
{
	char why[ERR_MSG_MAX];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(why, sizeof why, fmt, ap);
	va_end(ap);
	return err_set(r->e, ERR_FORMAT, "%s: %s: %s", r->what, r->shown, why);
}

int st_dtype_bits(const char *dtype)
{
	static const struct { char name[12]; int bits; } row[] = {
		{"BOOL", 8}, {"F4", 4}, {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8}, {"I8", 8}, {"F8_E5M2", 8},
		{"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16}, {"U16", 16},
		{"F16", 16}, {"BF16", 16}, {"I32", 32}, {"U32", 32}, {"F32", 32}, {"C64", 64}, {"F64", 64},
		{"I64", 64}, {"U64", 64},
	};
	for (size_t i = 0; i < ARRAY_LEN(row); i++)
		if (!strcmp(row[i].name, dtype))
			return row[i].bits;
	return 0;
}

int st_tensor_bytes(const struct st_tensor *t, uint64_t *bytes, struct err *e)
{
	uint64_t bits = (uint64_t)st_dtype_bits(t->dtype);
	if (!bits)
		return err_set(e, ERR_FORMAT, "dtype %s is unknown", t->dtype);
	for (int i = 0; i < t->rank; i++)
		if (__builtin_mul_overflow(bits, t->dim[i], &bits))
			return err_set(e, ERR_FORMAT, "shape overflows");
	if (bits % 8)
		return err_set(e, ERR_FORMAT, "%" PRIu64 " bits are no whole number of bytes", bits);
	*bytes = bits / 8;
	return 0;
}

static int read_u64(const json_t *v, uint64_t *out)
{
	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return -1;
	*out = (uint64_t)json_integer_value(v);
	return 0;
}

static int read_shape(const struct reader *r, struct st_tensor *t, const json_t *shape)
{
	if (!json_is_array(shape))
		return bad(r, "tensor %.100s: shape is missing or no array", t->name);
	if (json_array_size(shape) > ST_MAX_RANK)
		return bad(r, "tensor %.100s: rank %zu: at most %d", t->name, json_array_size(shape), ST_MAX_RANK);
	t->rank = (int)json_array_size(shape);
	for (int i = 0; i < t->rank; i++)
		if (read_u64(json_array_get(shape, (size_t)i), &t->dim[i]))
			return bad(r, "tensor %.100s: shape[%d] is no whole number", t->name, i);
	return 0;
}

static int read_tensor(const struct reader *r, struct st_tensor *t, const char *name, const json_t *v)
{
	if (!(t->name = mem_strdup(name)))
		return err_nomem(r->e, r->shown, strlen(name));
	if (!json_is_object(v))
		return bad(r, "tensor %.100s: its entry is no object", name);
	const char *dtype = json_string_value(json_object_get(v, "dtype"));
	if (!dtype)
		return bad(r, "tensor %.100s: dtype is missing or no string", name);
	if (!st_dtype_bits(dtype))
		return bad(r, "tensor %.100s: dtype %.20s is unknown", name, dtype);
	snprintf(t->dtype, sizeof t->dtype, "%s", dtype);
	int rc = read_shape(r, t, json_object_get(v, "shape"));
	if (rc)
		return rc;
	const json_t *off = json_object_get(v, "data_offsets");
	if (!json_is_array(off) || json_array_size(off) != 2 || read_u64(json_array_get(off, 0), &t->begin) ||
	    read_u64(json_array_get(off, 1), &t->end))
		return bad(r, "tensor %.100s: data_offsets are no two whole numbers", name);
	if (t->end < t->begin)
		return bad(r, "tensor %.100s: ends at %" PRIu64 ", before its begin at %" PRIu64, name, t->end, t->begin);
	uint64_t bytes;
	struct err why;
	if (st_tensor_bytes(t, &bytes, &why))
		return bad(r, "tensor %.100s: %s", name, why.msg);
	if (bytes != t->end - t->begin)
		return bad(r, "tensor %.100s: dtype and shape make %" PRIu64 " bytes, its offsets hold %" PRIu64, name, bytes,
			   t->end - t->begin);
	return 0;
}

static int read_meta(const struct reader *r, const json_t *meta)
{
	struct st_file *f = r->f;
	const char *key;
	json_t *v;
	if (!json_is_object(meta))
		return bad(r, "__metadata__ is no object");
	f->meta = mem_zalloc(json_object_size(meta), sizeof *f->meta);
	if (!f->meta)
		return err_nomem(r->e, r->shown, json_object_size(meta) * sizeof *f->meta);
	json_object_foreach((json_t *)meta, key, v) {
		if (!json_is_string(v))
			return bad(r, "__metadata__: %.100s: value is no string", key);
		f->meta[f->nmeta].key = mem_strdup(key);
		f->meta[f->nmeta].value = mem_strdup(json_string_value(v));
		f->nmeta++;
		if (!f->meta[f->nmeta - 1].key || !f->meta[f->nmeta - 1].value)
			return err_nomem(r->e, r->shown, strlen(key) + json_string_length(v));
	}
	return 0;
}

static int by_offset(const void *a, const void *b)
{
	const struct st_tensor *x = a, *y = b;
	if (x->begin != y->begin)
		return x->begin < y->begin ? -1 : 1;
	if (x->end != y->end)
		return x->end < y->end ? -1 : 1;
	return strcmp(x->name, y->name); /* empty ones at one place: any fixed order */
}

static int read_tensors(const struct reader *r, const json_t *root)
{
	struct st_file *f = r->f;
	const char *key;
	json_t *v;
	f->tensor = mem_zalloc(json_object_size(root), sizeof *f->tensor);
	if (!f->tensor)
		return err_nomem(r->e, r->shown, json_object_size(root) * sizeof *f->tensor);
	json_object_foreach((json_t *)root, key, v) {
		int rc = !strcmp(key, "__metadata__") ? read_meta(r, v) : read_tensor(r, &f->tensor[f->n++], key, v);
		if (rc)
			return rc;
	}
	if (f->n)
		qsort(f->tensor, (size_t)f->n, sizeof *f->tensor, by_offset);
	return 0;
}

/* No hole, no overlap, and the last one ends where the file ends. */
static int check_cover(const struct reader *r)
{
	const struct st_file *f = r->f;
	uint64_t at = 0;
	const struct st_tensor *cut = NULL;
	for (int i = 0; i < f->n; i++) {
		const struct st_tensor *t = &f->tensor[i];
		if (!cut && t->end > f->buffer_bytes)
			cut = t;
		if (t->begin > at)
			return bad(r, "tensor %.100s: begins at %" PRIu64 ", %" PRIu64 " bytes before it belong to none", t->name,
				   t->begin, t->begin - at);
		if (t->begin < at)
			return bad(r, "tensor %.100s: begins at %" PRIu64 ", inside the one before it (ends at %" PRIu64 ")", t->name,
				   t->begin, at);
		at = t->end;
	}
	if (cut)
		return bad(r, "%" PRIu64 " bytes short (interrupted copy?): tensor %.100s: expected %" PRIu64 " bytes, found %" PRIu64, at - f->buffer_bytes, cut->name,
			   cut->end - cut->begin, f->buffer_bytes - MIN(f->buffer_bytes, cut->begin));
	if (at < f->buffer_bytes)
		return bad(r, "%" PRIu64 " bytes too many behind the last tensor", f->buffer_bytes - at);
	return 0;
}

static uint64_t load_u64(const unsigned char *p)
{
	uint64_t v = 0;
	for (int i = 7; i >= 0; i--)
		v = v << 8 | p[i];
	return v;
}

static int read_header(const struct reader *r)
{
	struct st_file *f = r->f;
	if (f->map.size < 8)
		return bad(r, "%zu bytes: too short for a safetensors file", f->map.size);
	uint64_t n = load_u64(f->map.data);
	if (n > HEADER_MAX)
		return bad(r, "header of %" PRIu64 " bytes: at most %u (not a safetensors file?)", n, HEADER_MAX);
	if (n > f->map.size - 8)
		return bad(r, "header of %" PRIu64 " bytes: at least %" PRIu64 " bytes short (interrupted copy?)", n,
			   n - (f->map.size - 8));
	const char *text = (const char *)f->map.data + 8;
	if (!n || text[0] != '{')
		return bad(r, "the header does not begin with { (not a safetensors file?)");
	f->buffer = f->map.data + 8 + n;
	f->buffer_bytes = f->map.size - 8 - n;
	json_error_t je;
	json_t *root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &je);
	if (!root)
		return bad(r, "header, byte %d: %.120s", je.position, *je.text ? je.text : "out of memory");
	int rc = json_is_object(root) ? read_tensors(r, root) : bad(r, "the header is no object");
	json_decref(root);
	return rc ? rc : check_cover(r);
}

int st_open_as(struct st_file *f, const char *path, const char *what, const char *shown, struct err *e)
{
	struct reader r = {f, what, shown, e};
	memset(f, 0, sizeof *f);
	int rc = file_map_keep(&f->map, path, what, e);
	rc = rc ? rc : read_header(&r);
	if (rc)
		st_close(f);
	return rc;
}

int st_open(struct st_file *f, const char *path, struct err *e)
{
	return st_open_as(f, path, "safetensors", path, e);
}

void st_close(struct st_file *f)
{
	for (int i = 0; i < f->n && f->tensor; i++)
		free(f->tensor[i].name);
	for (int i = 0; i < f->nmeta && f->meta; i++) {
		free(f->meta[i].key);
		free(f->meta[i].value);
	}
	free(f->tensor);
	free(f->meta);
	file_unmap(&f->map);
	memset(f, 0, sizeof *f);
}

const struct st_tensor *st_find(const struct st_file *f, const char *name)
{
	for (int i = 0; i < f->n; i++)
		if (!strcmp(f->tensor[i].name, name))
			return &f->tensor[i];
	return NULL;
}

const char *st_meta(const struct st_file *f, const char *key)
{
	for (int i = 0; i < f->nmeta; i++)
		if (!strcmp(f->meta[i].key, key))
			return f->meta[i].value;
	return NULL;
}

/* Readers map elements in place: a tensor must begin at a multiple of its element, and holes are not allowed. */
static int place(struct st_tensor *t, uint64_t at, struct err *e)
{
	uint64_t bytes, size = (uint64_t)st_dtype_bits(t->dtype) / 8;
	struct err why;
	if (st_tensor_bytes(t, &bytes, &why))
		return err_set(e, ERR_FORMAT, "safetensors: tensor %.100s: %s", t->name, why.msg);
	if (size && at % size)
		return err_set(e, ERR_FORMAT, "safetensors: tensor %.100s: would begin at byte %" PRIu64
			       ", no multiple of %" PRIu64 " (larger elements first)", t->name, at, size);
	t->begin = at;
	if (__builtin_add_overflow(at, bytes, &t->end))
		return err_set(e, ERR_FORMAT, "safetensors: tensor %.100s: the file would be too large", t->name);
	return 0;
}

static void put_tensor(struct str *out, const struct st_tensor *t)
{
	str_json(out, t->name, strlen(t->name));
	str_printf(out, ":{\"dtype\":\"%s\",\"shape\":[", t->dtype);
	for (int i = 0; i < t->rank; i++)
		str_printf(out, "%s%" PRIu64, i ? "," : "", t->dim[i]);
	str_printf(out, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", t->begin, t->end);
}

static void put_meta(struct str *out, const struct st_meta *meta, int n)
{
	str_puts(out, "\"__metadata__\":{");
	for (int i = 0; i < n; i++) {
		str_puts(out, i ? "," : "");
		str_json(out, meta[i].key, strlen(meta[i].key));
		str_putc(out, ':');
		str_json(out, meta[i].value, strlen(meta[i].value));
	}
	str_putc(out, '}');
}

int st_header(struct str *out, struct st_tensor *t, int n, const struct st_meta *meta, int nmeta, struct err *e)
{
	uint64_t at = 0;
	str_clear(out);
	str_add(out, "\0\0\0\0\0\0\0\0", 8);
	str_putc(out, '{');
	if (nmeta)
		put_meta(out, meta, nmeta);
	for (int i = 0; i < n; i++) {
		int rc = place(&t[i], at, e);
		if (rc)
			return rc;
		at = t[i].end;
		str_puts(out, i || nmeta ? "," : "");
		put_tensor(out, &t[i]);
	}
	str_putc(out, '}');
	while (!out->failed && out->len % 8)
		str_putc(out, ' ');
	if (out->failed)
		return err_nomem(e, "safetensors: header", out->cap);
	uint64_t len = out->len - 8;
	if (len > HEADER_MAX)
		return err_set(e, ERR_FORMAT, "safetensors: header of %" PRIu64 " bytes: at most %u", len, HEADER_MAX);
	for (int i = 0; i < 8; i++)
		out->s[i] = (char)(len >> 8 * i);
	return 0;
}
