/* gguf.c: reads the head of a GGUF file, checked before it is believed. What the keys mean is in gguf_model.c and gguf_tokenizer.c; writing is in gguf_write.c.
 *
 * "GGUF" | u32 version | u64 tensors | u64 keys | keys | tensor entries | zeros up to the alignment | tensors. All little-endian. A count is compared with the
 * bytes that are left, divided by what the smallest entry takes, so that a short file can ask for little memory.
 * SPDX-License-Identifier: MIT */
#include "io/gguf.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { KEY_MIN = 8 + 1 + 4 + 1, TENSOR_MIN = 8 + 1 + 4 + 4 + 8, KEY_MAX = 65535, ALIGNMENT_MAX = 1 << 20 };

static const char *const value_name[] = {"u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "string", "array", "u64", "i64", "f64"};
static const unsigned char value_bytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

static const struct { const char *name; unsigned number, block, bytes; } types[] = {
	{"F32", 0, 1, 4}, {"F16", 1, 1, 2}, {"Q4_0", 2, 32, 18}, {"Q4_1", 3, 32, 20}, {"Q5_0", 6, 32, 22}, {"Q5_1", 7, 32, 24}, {"Q8_0", 8, 32, 34},
	{"Q8_1", 9, 32, 36}, {"Q2_K", 10, 256, 84}, {"Q3_K", 11, 256, 110}, {"Q4_K", 12, 256, 144}, {"Q5_K", 13, 256, 176}, {"Q6_K", 14, 256, 210},
	{"Q8_K", 15, 256, 292}, {"IQ2_XXS", 16, 256, 66}, {"IQ2_XS", 17, 256, 74}, {"IQ3_XXS", 18, 256, 98}, {"IQ1_S", 19, 256, 50},
	{"IQ4_NL", 20, 32, 18}, {"IQ3_S", 21, 256, 110}, {"IQ2_S", 22, 256, 82}, {"IQ4_XS", 23, 256, 136}, {"I8", 24, 1, 1}, {"I16", 25, 1, 2},
	{"I32", 26, 1, 4}, {"I64", 27, 1, 8}, {"F64", 28, 1, 8}, {"IQ1_M", 29, 256, 56}, {"BF16", 30, 1, 2}, {"TQ1_0", 34, 256, 54},
	{"TQ2_0", 35, 256, 66}, {"MXFP4", 39, 32, 17},
};

struct reader {
	struct gguf_file *f;
	size_t at;
	struct err *e;
};

__attribute__((format(printf, 2, 3))) static int bad(const struct reader *r, const char *fmt, ...)
{
	char why[ERR_MSG_MAX];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(why, sizeof why, fmt, ap);
	va_end(ap);
	return err_set(r->e, ERR_FORMAT, "model: %s: %s", r->f->path, why);
}

const char *gguf_type_name(uint32_t type, unsigned *block, unsigned *bytes)
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (types[i].number == type) {
			*block = types[i].block;
			*bytes = types[i].bytes;
			return types[i].name;
		}
	return NULL;
}

const char *gguf_shown(char buf[64], const char *s, size_t n)
{
	size_t k = MIN(n, (size_t)60);
	for (size_t i = 0; i < k; i++)
		buf[i] = (unsigned char)s[i] < 32 || s[i] == 127 ? '?' : s[i];
	buf[k] = 0;
	return buf;
}

static uint64_t load(const unsigned char *p, size_t n)
{
	uint64_t v = 0;
	for (size_t i = n; i-- > 0;)
		v = v << 8 | p[i];
	return v;
}

uint32_t gguf_u32(const unsigned char *p)
{
	return (uint32_t)load(p, 4);
}

float gguf_f32(const unsigned char *p)
{
	uint32_t u = gguf_u32(p);
	float f;
	memcpy(&f, &u, sizeof f);
	return f;
}

static size_t left(const struct reader *r)
{
	return r->f->map.size - r->at;
}

/* n bytes at the place, which moves on; NULL: the file ends before. */
static const unsigned char *take(struct reader *r, uint64_t n)
{
	if (n > left(r))
		return NULL;
	r->at += (size_t)n;
	return r->f->map.data + r->at - n;
}

static int number(struct reader *r, size_t n, uint64_t *out, const char *what)
{
	const unsigned char *p = take(r, n);
	if (!p)
		return bad(r, "%s: expected %zu bytes at %zu, found the end of the file after %zu (interrupted copy?)", what, n, r->at, left(r));
	*out = load(p, n);
	return 0;
}

static int string(struct reader *r, uint64_t max, const char **s, uint64_t *n, const char *what)
{
	int rc = number(r, 8, n, what);
	if (rc)
		return rc;
	if (*n > max)
		return bad(r, "%s: expected at most %" PRIu64 " bytes, found a length of %" PRIu64, what, max, *n);
	*s = (const char *)take(r, *n);
	return *s ? 0 : bad(r, "%s: expected %" PRIu64 " bytes at %zu, found the end of the file after %zu (interrupted copy?)", what, *n, r->at, left(r));
}

/* --- keys --- */

static int read_array(struct reader *r, struct gguf_key *k, const char *what)
{
	uint64_t element = 0, n;
	int rc = number(r, 4, &element, what);
	if (!rc)
		rc = number(r, 8, &k->n, what);
	if (rc)
		return rc;
	if (element >= ARRAY_LEN(value_bytes) || element == GGUF_ARRAY)
		return bad(r, "%s: array of type %" PRIu64 ": expected a type of 0 to 12 other than an array", what, element);
	k->element = (uint32_t)element;
	uint64_t each = element == GGUF_STRING ? 8 : value_bytes[element];
	if (k->n > left(r) / each)
		return bad(r, "%s: array of %" PRIu64 " elements: the %zu bytes that follow hold at most %" PRIu64, what, k->n, left(r), left(r) / each);
	k->data = r->f->map.data + r->at;
	if (element != GGUF_STRING)
		return take(r, k->n * each) ? 0 : -1;
	const char *s;
	for (uint64_t i = 0; i < k->n && !rc; i++)
		rc = string(r, UINT64_MAX, &s, &n, what);
	return rc;
}

static int read_key(struct reader *r, struct gguf_key *k, uint64_t i)
{
	char what[96], name[64];
	const char *s;
	uint64_t n, type = 0;
	snprintf(what, sizeof what, "key %" PRIu64, i);
	int rc = string(r, KEY_MAX, &k->name, &n, what);
	if (rc)
		return rc;
	if (!n)
		return bad(r, "%s: expected a name, found none", what);
	k->name_len = (size_t)n;
	snprintf(what, sizeof what, "key %s", gguf_shown(name, k->name, k->name_len));
	if ((rc = number(r, 4, &type, what)))
		return rc;
	k->type = (uint32_t)type;
	if (type >= ARRAY_LEN(value_bytes))
		return bad(r, "%s: type %" PRIu64 ": expected 0 to 12", what, type);
	if (type == GGUF_ARRAY)
		return read_array(r, k, what);
	if (type == GGUF_STRING) {
		rc = string(r, UINT64_MAX, &s, &k->n, what);
		k->data = rc ? NULL : (const unsigned char *)s;
		return rc;
	}
	rc = number(r, value_bytes[type], &n, what);
	k->data = rc ? NULL : r->f->map.data + r->at - value_bytes[type];
	return !rc && type == GGUF_BOOL && n > 1 ? bad(r, "%s: expected 0 or 1 for a bool, found %" PRIu64, what, n) : rc;
}

static int compare(const char *a, size_t na, const char *b, size_t nb)
{
	int c = memcmp(a, b, MIN(na, nb));
	return c ? c : (na > nb) - (na < nb);
}

static int key_order(const void *a, const void *b)
{
	const struct gguf_key *x = *(struct gguf_key *const *)a, *y = *(struct gguf_key *const *)b;
	return compare(x->name, x->name_len, y->name, y->name_len);
}

static int read_keys(struct reader *r)
{
	struct gguf_file *f = r->f;
	char name[64];
	int rc = 0;
	f->key = mem_zalloc((size_t)f->nkey + 1, sizeof *f->key);
	f->key_by_name = mem_zalloc((size_t)f->nkey + 1, sizeof *f->key_by_name);
	if (!f->key || !f->key_by_name)
		return err_nomem(r->e, "model: keys", f->nkey * sizeof *f->key);
	for (uint64_t i = 0; i < f->nkey && !rc; i++) {
		rc = read_key(r, &f->key[i], i);
		f->key_by_name[i] = &f->key[i];
	}
	if (rc)
		return rc;
	qsort(f->key_by_name, (size_t)f->nkey, sizeof *f->key_by_name, key_order);
	for (uint64_t i = 1; i < f->nkey; i++)
		if (!key_order(&f->key_by_name[i - 1], &f->key_by_name[i]))
			return bad(r, "key %s: is there twice", gguf_shown(name, f->key_by_name[i]->name, f->key_by_name[i]->name_len));
	return 0;
}

/* --- tensors --- */

static int read_shape(struct reader *r, struct gguf_tensor *t, const char *what)
{
	uint64_t rank = 0;
	int rc = number(r, 4, &rank, what);
	if (!rc && rank > GGUF_RANK_MAX)
		rc = bad(r, "%s: expected at most %d dimensions, found %" PRIu64, what, GGUF_RANK_MAX, rank);
	if (rc)
		return rc;
	t->rank = (int)rank;
	t->elements = 1;
	for (int i = 0; i < t->rank; i++) {
		if ((rc = number(r, 8, &t->dim[i], what)))
			return rc;
		if (!t->dim[i] || __builtin_mul_overflow(t->elements, t->dim[i], &t->elements) || t->elements > INT64_MAX)
			return bad(r, "%s: dimension %d is %" PRIu64 ": expected at least 1, and less than 2^63 elements in all", what, i, t->dim[i]);
	}
	return 0;
}

static int read_tensor(struct reader *r, struct gguf_tensor *t, uint64_t i)
{
	char what[96], name[64];
	const char *s;
	uint64_t n, type = 0;
	unsigned block, bytes;
	snprintf(what, sizeof what, "tensor %" PRIu64, i);
	int rc = string(r, GGUF_NAME_MAX - 1, &s, &n, what);
	if (rc)
		return rc;
	if (!n || memchr(s, 0, (size_t)n))
		return bad(r, "%s: expected a name, found %s", what, n ? "one with a zero byte" : "none");
	memcpy(t->name, s, (size_t)n);
	snprintf(what, sizeof what, "tensor %s", gguf_shown(name, s, (size_t)n));
	rc = read_shape(r, t, what);
	if (!rc)
		rc = number(r, 4, &type, what);
	if (!rc)
		rc = number(r, 8, &t->offset, what);
	if (rc)
		return rc;
	t->type = (uint32_t)type;
	if (!gguf_type_name(t->type, &block, &bytes))
		return bad(r, "%s: type %" PRIu64 " is unknown (F32, F16, BF16 and Q8_0 are read)", what, type);
	if ((t->rank ? t->dim[0] : 1) % block)
		return bad(r, "%s: rows of %" PRIu64 ": expected a multiple of %u for %s", what, t->rank ? t->dim[0] : 1, block, gguf_type_name(t->type, &block, &bytes));
	if (__builtin_mul_overflow(t->elements / block, (uint64_t)bytes, &t->bytes) || t->bytes > INT64_MAX)
		return bad(r, "%s: %" PRIu64 " elements are more bytes than there can be", what, t->elements);
	return 0;
}

static int tensor_order(const void *a, const void *b)
{
	const struct gguf_tensor *x = *(struct gguf_tensor *const *)a, *y = *(struct gguf_tensor *const *)b;
	return strcmp(x->name, y->name);
}

static int read_tensors(struct reader *r)
{
	struct gguf_file *f = r->f;
	char name[64];
	int rc = 0;
	f->tensor = mem_zalloc((size_t)f->n + 1, sizeof *f->tensor);
	f->tensor_by_name = mem_zalloc((size_t)f->n + 1, sizeof *f->tensor_by_name);
	if (!f->tensor || !f->tensor_by_name)
		return err_nomem(r->e, "model: tensors", f->n * sizeof *f->tensor);
	for (uint64_t i = 0; i < f->n && !rc; i++) {
		rc = read_tensor(r, &f->tensor[i], i);
		f->tensor_by_name[i] = &f->tensor[i];
	}
	if (rc)
		return rc;
	qsort(f->tensor_by_name, (size_t)f->n, sizeof *f->tensor_by_name, tensor_order);
	for (uint64_t i = 1; i < f->n; i++)
		if (!tensor_order(&f->tensor_by_name[i - 1], &f->tensor_by_name[i]))
			return bad(r, "tensor %s: is there twice", gguf_shown(name, f->tensor_by_name[i]->name, strlen(f->tensor_by_name[i]->name)));
	return 0;
}

/* Each where the one before it ends, rounded up; all inside the file, and nothing but padding behind the last. */
static int place(struct reader *r)
{
	struct gguf_file *f = r->f;
	char name[64];
	uint64_t a = f->alignment, at = 0, end = 0, start = (r->at + a - 1) / a * a;
	if (!f->n)
		return 0;
	for (uint64_t i = 0; i < f->n; i++) {
		struct gguf_tensor *t = &f->tensor[i];
		gguf_shown(name, t->name, strlen(t->name));
		if (t->offset != at)
			return bad(r, "tensor %s: expected offset %" PRIu64 " (where the one before it ends, aligned to %" PRIu64 "), found %" PRIu64, name, at, a, t->offset);
		if (start > f->map.size || t->bytes > f->map.size - start || at > f->map.size - start - t->bytes)
			return bad(r, "tensor %s: expected %" PRIu64 " bytes at %" PRIu64 ", found a file of %zu bytes (interrupted copy?)", name, t->bytes, start + at, f->map.size);
		t->data = f->map.data + start + at;
		end = at + t->bytes;
		at = (end + a - 1) / a * a;
	}
	if (f->map.size - start > at)
		return bad(r, "%" PRIu64 " bytes too many behind the last tensor, %s", f->map.size - start - end, name);
	return 0;
}

static int read_counts(struct reader *r)
{
	struct gguf_file *f = r->f;
	uint64_t version = 0;
	if (f->map.size < 4 || memcmp(f->map.data, "GGUF", 4))
		return bad(r, "expected a file that begins with GGUF, found another or %zu bytes", f->map.size);
	r->at = 4;
	int rc = number(r, 4, &version, "version");
	if (!rc && version != 2 && version != 3)
		rc = bad(r, "version: expected 2 or 3, found %" PRIu64 "%s", version, version && !(version & 0xffff) ? " (a big-endian file?)" : "");
	if (!rc)
		rc = number(r, 8, &f->n, "number of tensors");
	if (!rc)
		rc = number(r, 8, &f->nkey, "number of keys");
	if (rc)
		return rc;
	if (f->nkey > left(r) / KEY_MIN)
		return bad(r, "number of keys: %" PRIu64 ": the %zu bytes that follow hold at most %zu", f->nkey, left(r), left(r) / KEY_MIN);
	if (f->n > left(r) / TENSOR_MIN)
		return bad(r, "number of tensors: %" PRIu64 ": the %zu bytes that follow hold at most %zu", f->n, left(r), left(r) / TENSOR_MIN);
	return 0;
}

static int read_alignment(struct reader *r)
{
	int64_t a = GGUF_ALIGNMENT;
	int rc = gguf_get_int(r->f, "general.alignment", 1, ALIGNMENT_MAX, &a, r->e);
	if (rc < 0)
		return rc;
	if (a & (a - 1))
		return bad(r, "key general.alignment: expected a power of two, found %" PRId64, a);
	r->f->alignment = (uint64_t)a;
	return 0;
}

int gguf_open(struct gguf_file *f, const char *path, struct err *e)
{
	struct reader r = {f, 0, e};
	memset(f, 0, sizeof *f);
	f->path = path;
	int rc = file_map(&f->map, path, "model", e);
	if (!rc)
		rc = read_counts(&r);
	if (!rc)
		rc = read_keys(&r);
	if (!rc)
		rc = read_alignment(&r);
	if (!rc)
		rc = read_tensors(&r);
	if (!rc)
		rc = place(&r);
	if (rc)
		gguf_close(f);
	return rc;
}

void gguf_close(struct gguf_file *f)
{
	free(f->key);
	free(f->key_by_name);
	free(f->tensor);
	free(f->tensor_by_name);
	file_unmap(&f->map);
	memset(f, 0, sizeof *f);
}

/* --- looking up --- */

const struct gguf_key *gguf_key(const struct gguf_file *f, const char *name)
{
	struct gguf_key want = {.name = name, .name_len = strlen(name)}, *w = &want;
	struct gguf_key **at = f->nkey ? bsearch(&w, f->key_by_name, (size_t)f->nkey, sizeof w, key_order) : NULL;
	return at ? *at : NULL;
}

const struct gguf_tensor *gguf_tensor(const struct gguf_file *f, const char *name)
{
	struct gguf_tensor want, *w = &want;
	snprintf(want.name, sizeof want.name, "%s", name);
	struct gguf_tensor **at = f->n ? bsearch(&w, f->tensor_by_name, (size_t)f->n, sizeof w, tensor_order) : NULL;
	return at ? *at : NULL;
}

static int other_type(const struct gguf_file *f, const struct gguf_key *k, const char *want, struct err *e)
{
	char name[64];
	return err_set(e, ERR_FORMAT, "model: %s: key %s: expected %s, found %s%s", f->path, gguf_shown(name, k->name, k->name_len), want,
		       k->type == GGUF_ARRAY ? "an array of " : "", value_name[k->type == GGUF_ARRAY ? k->element : k->type]);
}

int gguf_get_int(const struct gguf_file *f, const char *name, int64_t min, int64_t max, int64_t *out, struct err *e)
{
	const struct gguf_key *k = gguf_key(f, name);
	if (!k)
		return 0;
	int is_signed = k->type == GGUF_I8 || k->type == GGUF_I16 || k->type == GGUF_I32 || k->type == GGUF_I64;
	if (!is_signed && k->type != GGUF_U8 && k->type != GGUF_U16 && k->type != GGUF_U32 && k->type != GGUF_U64)
		return other_type(f, k, "a whole number", e);
	int bits = 8 * value_bytes[k->type];
	uint64_t u = load(k->data, value_bytes[k->type]);
	if (is_signed && bits < 64 && u >> (bits - 1))
		u |= ~0ull << bits;
	int64_t v = u > INT64_MAX && !is_signed ? INT64_MAX : (int64_t)u;
	if (v < min || v > max)
		return err_set(e, ERR_FORMAT, "model: %s: key %s: expected %" PRId64 " to %" PRId64 ", found %" PRId64, f->path, name, min, max, v);
	*out = v;
	return 1;
}

int gguf_get_float(const struct gguf_file *f, const char *name, double *out, struct err *e)
{
	const struct gguf_key *k = gguf_key(f, name);
	if (!k)
		return 0;
	if (k->type == GGUF_FLOAT32) {
		*out = (double)gguf_f32(k->data);
	} else if (k->type == GGUF_FLOAT64) {
		uint64_t u = load(k->data, 8);
		memcpy(out, &u, 8);
	} else {
		return other_type(f, k, "f32", e);
	}
	return 1;
}

int gguf_get_bool(const struct gguf_file *f, const char *name, int *out, struct err *e)
{
	const struct gguf_key *k = gguf_key(f, name);
	if (!k)
		return 0;
	if (k->type != GGUF_BOOL)
		return other_type(f, k, "bool", e);
	*out = k->data[0];
	return 1;
}

int gguf_get_string(const struct gguf_file *f, const char *name, const char **s, size_t *n, struct err *e)
{
	const struct gguf_key *k = gguf_key(f, name);
	if (!k)
		return 0;
	if (k->type != GGUF_STRING)
		return other_type(f, k, "string", e);
	*s = (const char *)k->data;
	*n = (size_t)k->n;
	return 1;
}

int gguf_get_array(const struct gguf_file *f, const char *name, enum gguf_value element, const struct gguf_key **out, struct err *e)
{
	char want[40];
	const struct gguf_key *k = gguf_key(f, name);
	if (!k)
		return 0;
	snprintf(want, sizeof want, "an array of %s", value_name[element]);
	if (k->type != GGUF_ARRAY || k->element != element)
		return other_type(f, k, want, e);
	*out = k;
	return 1;
}

const char *gguf_next_string(const unsigned char **at, size_t *n)
{
	*n = (size_t)load(*at, 8);
	const char *s = (const char *)*at + 8;
	*at += 8 + *n;
	return s;
}
