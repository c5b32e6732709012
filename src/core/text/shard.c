/* shard.c: writing and checking token files.
 * SPDX-License-Identifier: MIT */
#include "text/shard.h"

#include <string.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "text/hash.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "shards are mapped as they are: this needs a little-endian machine"
#endif

static const char magic[8] = {'A', 'N', 'E', 'T', 'S', 'H', 'R', 'D'};

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

int shard_is_ours(const struct file_map *m)
{
	return m->size >= SHARD_TAIL && !memcmp(m->data + m->size - SHARD_TAIL, magic, sizeof magic);
}

int shard_read_tail(struct data *d, const char *path, uint32_t *vocab, double *text_bytes, struct err *e)
{
	struct tail x;
	size_t before = d->map.size - SHARD_TAIL;
	memcpy(&x, d->map.data + before, sizeof x);
	if (x.version != 1)
		return err_set(e, ERR_FORMAT, "data: %s: token file version %u, this program reads 1", path, x.version);
	if ((x.width != 2 && x.width != 4) || x.ntoken > before / x.width || (x.ntoken * x.width + 7) / 8 * 8 != before || x.ntrain > x.ntoken)
		return err_set(e, ERR_FORMAT, "data: %s: %llu ids of %u bytes do not fit its %zu bytes (damaged)", path,
			       (unsigned long long)x.ntoken, x.width, d->map.size);
	if (crc32c(0, d->map.data, before + offsetof(struct tail, crc)) != x.crc)
		return err_set(e, ERR_FORMAT, "data: %s: checksum does not match (damaged)", path);
	d->width = (int)x.width;
	d->start = 0;
	d->ntoken = x.ntoken;
	d->ntrain = x.ntrain;
	d->val_bytes = x.val_bytes;
	d->tokenizer_hash = x.tokenizer_hash;
	*vocab = x.vocab;
	*text_bytes = x.text_bytes;
	return 0;
}

/* Blocks of fixed size, only the greatest id of each is made: a loop that the compiler turns into vectors. */
enum { BLOCK = 4096 };

static uint32_t greatest2(const uint16_t *p)
{
	uint16_t m = 0;
	for (int i = 0; i < BLOCK; i++)
		m = p[i] > m ? p[i] : m;
	return m;
}

static uint32_t greatest4(const uint32_t *p)
{
	uint32_t m = 0;
	for (int i = 0; i < BLOCK; i++)
		m = p[i] > m ? p[i] : m;
	return m;
}

uint64_t shard_find_foreign(const struct data *d, uint32_t vocab)
{
	const void *p = d->map.data + d->start;
	uint64_t i = 0;
	for (; i + BLOCK <= d->ntoken; i += BLOCK)
		if ((d->width == 2 ? greatest2((const uint16_t *)p + i) : greatest4((const uint32_t *)p + i)) >= vocab)
			break;
	for (; i < d->ntoken; i++)
		if ((d->width == 2 ? ((const uint16_t *)p)[i] : ((const uint32_t *)p)[i]) >= vocab)
			break;
	return i;
}

void shard_hash(struct data *d)
{
	enum { END = 1 << 20 };
	const unsigned char *p = d->map.data + d->start;
	uint64_t n = d->ntoken * (uint64_t)d->width, head = MIN(n, END);
	d->hash = text_hash(text_hash(n, p, (size_t)head), p + (n - head), (size_t)head);
}
