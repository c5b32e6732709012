/* shard.h: our token files: ids, then a tail that tells what they are. Also llama2.c's headerless ones. No text, no order.
 *
 * Little-endian: the ids (2 or 4 bytes each), zeros to a multiple of 8, then 80 bytes: "ANETSHRD", u32 version 1, u32 width, u64 ids, u64 ids that train,
 * f64 bytes of text of the rest, f64 bytes of all text, u64 hash of the tokenizer, u32 vocabulary, u32 0, u64 0, u32 CRC-32C of all before it, u32 0. The
 * tail comes last because the numbers are known last: so a shard is written in one go, whatever its size.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TEXT_SHARD_H
#define ANETUI_TEXT_SHARD_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/save.h"
#include "base/str.h"
#include "text/data.h"

enum { SHARD_TAIL = 80 };

/* Where ids go: a file, or memory when `save` is NULL. */
struct shard_writer {
	struct save *save;
	struct str memory;
	int width;
	uint64_t ntoken, ntrain, bytes;
	double text_bytes, val_bytes;
	uint32_t crc;
};

int shard_write_ids(struct shard_writer *w, const int *id, size_t n, struct err *e);
int shard_write_tail(struct shard_writer *w, const struct tokenizer *t, struct err *e);

/* Does the map end in our tail? */
int shard_is_ours(const struct file_map *m);
/* Fills d from d->map, which ends in our tail: looks at the sizes and the checksum. Returns 0 or an error (the map stays open). */
int shard_read_tail(struct data *d, const char *path, uint32_t *vocab, double *text_bytes, struct err *e);
/* The first id >= vocab: its position, or d->ntoken when all are below. */
uint64_t shard_find_foreign(const struct data *d, uint32_t vocab);
/* d->hash from its ids. */
void shard_hash(struct data *d);

#endif
