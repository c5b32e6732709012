/* shard.c: what is a token file, ours written and read, the headers of others. The ids themselves are looked at in shard_check.c.
 * SPDX-License-Identifier: MIT */
#include "text/shard.h"

#include <string.h>
#include <strings.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "text/hash.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "shards are mapped as they are: this needs a little-endian machine"
#endif

static const char magic[8] = {'A', 'N', 'E', 'T', 'S', 'H', 'R', 'D'};
enum { LLMC_HEAD = 1024, LLMC_U16 = 20240520, LLMC_U32 = 20240801, CRC_BLOCK = 16 << 20, LOOK = 1 << 16 };

struct tail {
	char magic[8];
	uint32_t version, width;
	uint64_t ntoken, ntrain;
	double val_bytes, text_bytes;
	uint64_t tokenizer_hash;
	uint32_t vocab, zero;
	uint64_t zero2;
	uint32_t crc, zero3;
};
_Static_assert(sizeof(struct tail) == SHARD_TAIL, "the tail has no gaps");

/* --- writing ------------------------------------------------------------------------------------------------------ */

static int put(struct shard_writer *w, const void *p, size_t n, struct err *e)
{
	w->crc = crc32c(w->crc, p, n);
	w->bytes += n;
	if (w->save)
		return save_write(w->save, p, n, e);
	str_add(&w->memory, p, n);
	return w->memory.failed ? err_nomem(e, "data", w->bytes) : 0;
}

int shard_write_ids(struct shard_writer *w, const int *id, size_t n, struct err *e)
{
	uint16_t two[4096];
	w->ntoken += n;
	if (w->width == 4)
		return put(w, id, n * sizeof *id, e);
	for (size_t i = 0; i < n; i += ARRAY_LEN(two)) {
		size_t k = MIN(n - i, ARRAY_LEN(two));
		for (size_t j = 0; j < k; j++)
			two[j] = (uint16_t)id[i + j];
		int rc = put(w, two, k * sizeof *two, e);
		if (rc)
			return rc;
	}
	return 0;
}

int shard_write_tail(struct shard_writer *w, const struct tokenizer *t, struct err *e)
{
	static const char zeros[8];
	struct tail x = {.version = 1, .width = (uint32_t)w->width, .ntoken = w->ntoken, .ntrain = w->ntrain, .val_bytes = w->val_bytes,
			 .text_bytes = w->text_bytes, .tokenizer_hash = tokenizer_info(t)->hash, .vocab = (uint32_t)tokenizer_info(t)->vocab};
	memcpy(x.magic, magic, sizeof magic);
	int rc = w->bytes % 8 ? put(w, zeros, 8 - (size_t)(w->bytes % 8), e) : 0;
	if (!rc)
		rc = put(w, &x, offsetof(struct tail, crc), e);
	x.crc = w->crc;
	return rc ? rc : put(w, &x.crc, sizeof x - offsetof(struct tail, crc), e);
}

/* --- recognising -------------------------------------------------------------------------------------------------- */

static int ends_in(const char *path, const char *const *end, size_t n)
{
	size_t len = strlen(path);
	for (size_t i = 0; i < n; i++) {
		size_t k = strlen(end[i]);
		if (len > k && path[len - k - 1] != '/' && !strcasecmp(path + len - k, end[i]))
			return 1;
	}
	return 0;
}

int shard_name(const char *path)
{
	static const char *const end[] = {".bin", ".tok", ".u16", ".u32"};
	return ends_in(path, end, ARRAY_LEN(end));
}

int shard_text_name(const char *path)
{
	static const char *const end[] = {".txt", ".text", ".jsonl", ".ndjson", ".md"};
	return ends_in(path, end, ARRAY_LEN(end));
}

static uint32_t u32_at(const struct file_map *m, size_t at)
{
	uint32_t v = 0;
	if (m->size >= at + sizeof v)
		memcpy(&v, m->data + at, sizeof v);
	return v;
}

int shard_is_ours(const struct file_map *m)
{
	return m->size >= SHARD_TAIL && !memcmp(m->data + m->size - SHARD_TAIL, magic, sizeof magic);
}

static int is_llmc(const struct file_map *m)
{
	return u32_at(m, 0) == LLMC_U16 || u32_at(m, 0) == LLMC_U32;
}

const char *shard_other(const struct file_map *m)
{
	static const struct { const char *bytes; size_t n; const char *what; } other[] = {
		{"GGUF", 4, "a GGUF model"},		    {"\x1f\x8b", 2, "packed by gzip (unpack it first)"},
		{"PK\3\4", 4, "a zip archive (unpack it first)"},   {"\xfd" "7zXZ", 5, "packed by xz (unpack it first)"},
		{"\x28\xb5\x2f\xfd", 4, "packed by zstd (unpack it first)"}, {"PAR1", 4, "a parquet file"},
		{"\x93NUMPY", 6, "a numpy file (its ids alone are needed: tofile)"}, {"24ka", 4, "a llama2.c model"},
		{"ANETOKEN", 8, "a tokenizer"},
	};
	for (size_t i = 0; i < ARRAY_LEN(other); i++)
		if (m->size >= other[i].n && !memcmp(m->data, other[i].bytes, other[i].n))
			return other[i].what;
	switch (u32_at(m, 0)) {
	case 20240326: return "an llm.c model";
	case 20240328: return "an llm.c tokenizer";
	case 20240522: return "an llm.c evaluation set";
	case 20240527: return "an llm.c optimizer state";
	}
	return NULL;
}

enum shard_kind shard_kind_of(const struct file_map *m, const char *path)
{
	if (!m->data)
		return shard_name(path) ? SHARD_BARE : SHARD_NONE;
	if (shard_is_ours(m))
		return SHARD_OURS;
	if (is_llmc(m))
		return SHARD_LLMC;
	if (shard_name(path))
		return SHARD_BARE;
	return !shard_text_name(path) && !shard_other(m) && memchr(m->data, 0, MIN(m->size, LOOK)) ? SHARD_BARE : SHARD_NONE;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

/* By blocks, so that it can be interrupted. */
static int checksum(const struct file_map *m, size_t n, uint32_t *crc, const struct data_work *w, struct err *e)
{
	*crc = 0;
	for (size_t at = 0; at < n; at += CRC_BLOCK) {
		*crc = crc32c(*crc, m->data + at, MIN(n - at, CRC_BLOCK));
		file_forget(m, at, MIN(n - at, CRC_BLOCK));
		if (w && w->cancel && *w->cancel)
			return err_set(e, ERR_CANCEL, "data: interrupted");
	}
	return 0;
}

int shard_read_tail(struct data_file *f, const char *path, struct shard_about *a, const struct data_work *w, struct err *e)
{
	struct tail x;
	uint32_t crc;
	size_t before = f->map.size - SHARD_TAIL;
	memcpy(&x, f->map.data + before, sizeof x);
	if (x.version != 1)
		return err_set(e, ERR_FORMAT, "data: %s: token file version %u, this program reads 1", path, x.version);
	if ((x.width != 2 && x.width != 4) || x.ntoken > before / x.width || (x.ntoken * x.width + 7) / 8 * 8 != before || x.ntrain > x.ntoken)
		return err_set(e, ERR_FORMAT, "data: %s: %llu ids of %u bytes do not fit its %zu bytes (damaged)", path,
			       (unsigned long long)x.ntoken, x.width, f->map.size);
	int rc = checksum(&f->map, before + offsetof(struct tail, crc), &crc, w, e);
	if (rc)
		return rc;
	if (crc != x.crc)
		return err_set(e, ERR_FORMAT, "data: %s: checksum does not match (damaged)", path);
	f->width = (int)x.width;
	f->start = 0;
	f->n = x.ntoken;
	*a = (struct shard_about){x.ntrain, x.tokenizer_hash, x.vocab, x.val_bytes, x.text_bytes};
	return 0;
}

int shard_read_llmc(struct data_file *f, const char *path, struct err *e)
{
	uint32_t kind = u32_at(&f->map, 0), version = u32_at(&f->map, 4), n = u32_at(&f->map, 8), want = kind == LLMC_U16 ? 1 : 7;
	if (f->map.size < LLMC_HEAD)
		return err_set(e, ERR_FORMAT, "data: %s: %zu bytes, the header of an llm.c token file alone has %d (truncated?)", path, f->map.size, LLMC_HEAD);
	if (version != want)
		return err_set(e, ERR_FORMAT, "data: %s: llm.c token file %u of version %u, %u is read here", path, kind, version, want);
	f->width = kind == LLMC_U16 ? 2 : 4;
	f->start = LLMC_HEAD;
	f->n = n;
	uint64_t need = LLMC_HEAD + (uint64_t)n * (uint64_t)f->width;
	if (need != f->map.size)
		return err_set(e, ERR_FORMAT, "data: %s: its llm.c header tells of %u ids of %d bytes, %llu bytes in all: the file has %zu (%s)", path, n, f->width,
			       (unsigned long long)need, f->map.size, f->map.size < need ? "truncated?" : "more was written than the header knows of");
	return 0;
}

/* Upper halves that are all zero, and lower ones that mostly are not: these are 4-byte ids. */
static int looks_wide(const struct file_map *m)
{
	size_t n = MIN(m->size, LOOK) / 4, low = 0;
	for (size_t i = 0; i < n; i++) {
		uint32_t v = u32_at(m, 4 * i);
		if (v >> 16)
			return 0;
		low += v != 0;
	}
	return m->size % 4 == 0 && n >= 16 && low > n / 4 * 3;
}

int shard_read_bare(struct data_file *f, const char *path, int width, int vocab, struct err *e)
{
	static const char *const two[] = {".u16"}, *const four[] = {".u32"}, *const ours[] = {".tok"};
	size_t size = f->map.size;
	if (!width && ends_in(path, ours, 1))
		return err_set(e, ERR_FORMAT, "data: %s: %zu bytes without the tail that a .tok file ends with (truncated? ids alone: width=2 or width=4)", path, size);
	if (!width)
		width = ends_in(path, four, 1) ? 4 : ends_in(path, two, 1) ? 2 : vocab > 1 << 16 || looks_wide(&f->map) ? 4 : 2;
	if (width == 2 && size % 2)
		return err_set(e, ERR_FORMAT, "data: %s: %zu bytes: odd, so these are no 2-byte ids (truncated?)", path, size);
	if (size % (size_t)width)
		return err_set(e, ERR_FORMAT, "data: %s: %zu bytes: no multiple of 4, so these are no 4-byte ids (truncated? 2-byte ids: width=2)", path, size);
	f->width = width;
	f->start = 0;
	f->n = size / (size_t)width;
	return 0;
}

void shard_hash(struct data *d)
{
	enum { END = 1 << 20 };
	d->hash = 0;
	for (int i = 0; i < d->nfile; i++) {
		const struct data_file *f = &d->file[i];
		const unsigned char *p = f->map.data + f->start;
		uint64_t n = f->n * (uint64_t)f->width, head = MIN(n, END);
		uint64_t h = text_hash(text_hash(n, p, (size_t)head), p + (n - head), (size_t)head);
		d->hash = i ? text_hash(d->hash, &h, sizeof h) : h;
	}
}
