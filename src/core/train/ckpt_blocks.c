/* ckpt_blocks.c: see ckpt_blocks.h. Which bytes are right is ckpt_read.c's business.
 *
 * A block is read by pread straight to where it belongs, whose pages are had at once before that: through a map every 4 KiB page of the file and of the arena comes by a fault of its own, which in a
 * virtual machine is dearer than the bytes (measured there: 1.3 GB through a map 9.5 s of processor time, by blocks 1.0). It is summed while it lies in the second cache; the sums of a tensor's blocks
 * are then put together. SPDX-License-Identifier: MIT */
#include "train/ckpt_blocks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "base/pages.h"

enum { BLOCK = 1 << 20 };

struct block {
	int want;
	uint32_t crc;
	int failed; /* errno; -1: the file ends */
	uint64_t at;
};

struct work {
	const struct st_file *f;
	const struct ckpt_want *want;
	struct block *block;
	unsigned char *scratch; /* a block for each thread, for what is only summed */
};

static size_t block_bytes(const struct work *w, const struct block *b)
{
	const struct st_tensor *t = w->want[b->want].t;
	return (size_t)MIN(t->end - t->begin - b->at, (uint64_t)BLOCK);
}

static void touch(unsigned char *to, size_t n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), before = (uintptr_t)to % page;
	pages_touch(to - before, before + n);
}

static int read_at(int fd, unsigned char *to, size_t n, uint64_t at)
{
	while (n) {
		ssize_t k = pread(fd, to, n, (off_t)at);
		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return k < 0 ? errno : -1;
		to += k;
		n -= (size_t)k;
		at += (uint64_t)k;
	}
	return 0;
}

static void one_block(void *arg, int task, int thread)
{
	const struct work *w = arg;
	struct block *b = &w->block[task];
	const struct ckpt_want *k = &w->want[b->want];
	const unsigned char *in_map = w->f->buffer + k->t->begin + b->at;
	size_t n = block_bytes(w, b);
	unsigned char *to = k->to ? (unsigned char *)k->to + b->at : w->scratch + (size_t)thread * BLOCK;
	if (k->to)
		touch(to, n);
	if (w->f->map.fd)
		b->failed = read_at(w->f->map.fd, to, n, (uint64_t)(in_map - w->f->map.data));
	else
		memcpy(to, in_map, n);
	if (!b->failed)
		b->crc = crc32c(0, to, n);
}

static int put_together(const struct work *w, const char *shown, struct ckpt_want *want, size_t blocks, struct err *e)
{
	for (size_t i = 0; i < blocks; i++) {
		const struct block *b = &w->block[i];
		struct ckpt_want *k = &want[b->want];
		if (b->failed < 0)
			return err_set(e, ERR_FORMAT, "ckpt: %s: tensor %s: the file ends before it does (cut while it was read?)", shown, k->t->name);
		if (b->failed)
			return err_set(e, ERR_IO, "ckpt: %s: tensor %s: reading: %s", shown, k->t->name, strerror(b->failed));
		k->crc = b->at ? crc32c_join(k->crc, b->crc, block_bytes(w, b)) : b->crc;
	}
	return 0;
}

int ckpt_read_blocks(struct pool *p, const struct st_file *f, const char *shown, struct ckpt_want *want, int n, struct err *e)
{
	size_t blocks = 0, at = 0;
	for (int i = 0; i < n; i++) {
		blocks += (size_t)((want[i].t->end - want[i].t->begin + BLOCK - 1) / BLOCK);
		want[i].crc = 0; /* of no bytes */
	}
	struct work w = {.f = f, .want = want, .block = mem_zalloc(MAX(blocks, 1), sizeof *w.block), .scratch = mem_zalloc((size_t)pool_threads(p), BLOCK)};
	if (!w.block || !w.scratch || blocks > INT32_MAX) {
		free(w.block);
		free(w.scratch);
		return err_nomem(e, "ckpt: tables", blocks * sizeof *w.block);
	}
	for (int i = 0; i < n; i++)
		for (uint64_t b = 0; b < want[i].t->end - want[i].t->begin; b += BLOCK)
			w.block[at++] = (struct block){.want = i, .at = b};
	pool_run(p, (int)blocks, one_block, &w);
	int rc = put_together(&w, shown, want, blocks, e);
	free(w.block);
	free(w.scratch);
	return rc;
}
