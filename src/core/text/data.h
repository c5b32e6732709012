/* data.h: token sources: a mapped shard of ids with a training and a validation part, and the order in which a run reads it. No text.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TEXT_DATA_H
#define ANETUI_TEXT_DATA_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/err.h"
#include "base/file.h"
#include "base/handover.h"
#include "base/rng.h"
#include "base/str.h"
#include "text/tokenizer.h"

enum data_order { DATA_SEQUENTIAL, DATA_RANDOM, DATA_SHUFFLE };

struct data {
	char name[256];          /* as the user named it: "builtin", "../x.txt" */
	struct file_map map;     /* the shard */
	int width;               /* bytes an id: 2 or 4, little-endian */
	uint64_t start;          /* first id in the map, in bytes */
	uint64_t ntoken;         /* all */
	uint64_t ntrain;         /* [0, ntrain) trains, [ntrain, ntoken) validates: they can not overlap */
	double val_bytes;        /* text bytes of the validation part (for bits per byte); 0 when unknown */
	uint64_t tokenizer_hash; /* 0: unknown (a headerless shard) */
	uint64_t hash;           /* of name-independent contents: length, first and last MiB */
};

/* A text file: encoded once with `t` into a cached shard ($XDG_CACHE_HOME/anetui/<hash>.tok), the last val_fraction held out (at a line end).
 * "builtin" is the story corpus (5.5 MB, seed 1): there the separator (bos) stands before each story, in place of the empty line; other texts get none.
 * Where nothing can be cached (no home, disk full) the ids are kept in memory. Progress (0..1) goes to *progress when not NULL. */
int data_open_text(struct data *d, const char *path, const struct tokenizer *t, double val_fraction, _Atomic float *progress,
		   const atomic_int *cancel, struct err *e);
/* A shard: our own (shard.h) or headerless uint16 (llama2.c). Refuses odd lengths, ids >= vocab (all are looked at; names the first and where),
 * less than two ids. The last val_fraction of the ids is held out. */
int data_open_shard(struct data *d, const char *path, int vocab, double val_fraction, struct err *e);
/* Is this file a shard (ends in .bin or .tok) rather than text? Text has no NUL bytes in its first 64 KiB. */
int data_is_shard(const char *path);
void data_close(struct data *d);
/* For a restarted process: the same file goes on to be mapped, whatever has become of its name. */
void data_hand_over(const struct data *d, struct handover *h);
int data_take_over(struct data *d, const struct handover *h, struct err *e);
int data_id(const struct data *d, uint64_t i);
/* seen[id] = 1 for every id of [0, vocab) that occurs, in the training part or the validation part. */
void data_mark(const struct data *d, unsigned char *seen, int vocab);

/* The text of `path` ("builtin" too) for training a tokenizer: made, or read; of a file over 64 MiB 16 MiB of lines from all over it.
 * Caller frees with str_done. */
int data_text(struct str *out, const char *path, struct err *e);
/* The tokenizer of at most `vocab` ids that data_text's text gives: trained once, then from the cache (a few milliseconds). */
struct tokenizer *data_tokenizer(const char *path, int vocab, const atomic_int *cancel, struct err *e);
/* Writes the ids of a text: to OUT.tok in our own form, else headerless uint16 (refused when the vocabulary does not fit). *ntoken may be NULL. */
int data_tokenize(const char *path, const struct tokenizer *t, const char *out, uint64_t *ntoken, _Atomic float *progress,
		  const atomic_int *cancel, struct err *e);

/* Where a run stands in its data: everything that resuming needs. */
struct data_cursor {
	enum data_order order;
	uint64_t seed;
	struct rng rng;      /* random: the next start */
	uint64_t index;      /* sequential, shuffle: sequences taken in this epoch */
	uint64_t epoch;
};

void data_cursor_init(struct data_cursor *c, enum data_order order, uint64_t seed);
/* The next `batch` sequences of the training part: x and y [batch * seq], y one later. Sequential: micro-step i takes ids [i*seq*batch, ...),
 * wrapping at the end (the tail shorter than seq*batch + 1 is dropped, the epoch counts). Shuffle: a seeded permutation of windows, new each epoch.
 * Refuses when the part is shorter than seq + 1. */
int data_next(const struct data *d, struct data_cursor *c, int batch, int seq, int *x, int *y, struct err *e);
/* Fraction of the epoch done, plus the epochs before. */
double data_epoch(const struct data *d, const struct data_cursor *c, int batch, int seq);

/* Validation batch k of a fixed set of at most nbatch, evenly spread over the held-out part, the same at every call; returns 0, or 1 when there is no batch k.
 * Targets that would lie outside the part, and rows that are not there, are -1 (their inputs id 0). */
int data_val(const struct data *d, int k, int nbatch, int batch, int seq, int *x, int *y);
/* Text bytes per validation token (0 when unknown): bits per byte = loss / ln 2 / this. */
double data_bytes_per_token(const struct data *d);

#endif
