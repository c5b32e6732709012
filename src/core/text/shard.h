/* shard.h: token files: what is one, what kind it is, and ours written and read. No text, no order.
 *
 * Ours, little-endian: the ids (2 or 4 bytes each), zeros to a multiple of 8, then 80 bytes: "ANETSHRD", u32 version 1, u32 width, u64 ids, u64 ids that train,
 * f64 bytes of text of the rest, f64 bytes of all text, u64 hash of the tokenizer, u32 vocabulary, u32 0, u64 0, u32 CRC-32C of all before it, u32 0. The
 * tail comes last because the numbers are known last: so a shard is written in one go, whatever its size.
 *
 * llm.c's: i32 [256]: 20240520, 1, number of ids; then 2-byte ids. Or 20240801, 7, number of ids; then 4-byte ids.
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
enum shard_kind { SHARD_NONE, SHARD_OURS, SHARD_LLMC, SHARD_BARE };

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

/* What our tail tells. */
struct shard_about {
	uint64_t ntrain, tokenizer_hash;
	uint32_t vocab;
	double val_bytes, text_bytes;
};

/* Does the map end in our tail? */
int shard_is_ours(const struct file_map *m);
/* By contents and the end of the name; SHARD_NONE: a text, or something else altogether. */
enum shard_kind shard_kind_of(const struct file_map *m, const char *path);
/* Does the name say that this is a token file? A text? */
int shard_name(const char *path);
int shard_text_name(const char *path);
/* What a file is that is neither text nor tokens, by its first bytes: "a GGUF file"; NULL: unknown. */
const char *shard_other(const struct file_map *m);

/* Fills width, start and n of f from its map: sizes and checksum are looked at (cancel too), ids are not. The map stays open on an error. */
int shard_read_tail(struct data_file *f, const char *path, struct shard_about *a, const struct data_work *w, struct err *e);
int shard_read_llmc(struct data_file *f, const char *path, struct err *e);
int shard_read_bare(struct data_file *f, const char *path, int width, int vocab, struct err *e);

/* The first id >= vocab into *at (f->n when all are below), by all threads of the pool. Holes of a sparse file are not read: zeros. [done, done + part) is
 * where progress goes. ERR_CANCEL. */
int shard_find_foreign(const struct data_file *f, uint32_t vocab, const struct data_work *w, double done, double part, uint64_t *at, struct err *e);
/* d->hash from its ids. */
void shard_hash(struct data *d);

#endif
