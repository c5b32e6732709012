/* data.h: token sources: mapped shards of ids with a training and a validation part, and the order in which a run reads them. No text.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TEXT_DATA_H
#define ANETUI_TEXT_DATA_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/err.h"
#include "base/file.h"
#include "base/handover.h"
#include "base/pool.h"
#include "base/rng.h"
#include "base/str.h"
#include "text/tokenizer.h"

enum data_order { DATA_SEQUENTIAL, DATA_RANDOM, DATA_SHUFFLE };
/* Of one folder; each stays open. */
enum { DATA_FILES_MAX = 512 };

/* One mapped file of ids. */
struct data_file {
	char name[128];          /* the end of its path, for people */
	struct file_map map;
	int width;               /* bytes an id: 2 or 4, little-endian */
	uint64_t start;          /* of the first id, in bytes */
	uint64_t first, n;       /* its ids are [first, first + n) of all */
};

struct data {
	char name[256];          /* as the user named it: "builtin", "../x.txt", a folder */
	struct data_file *file;  /* those that train come first */
	int nfile;
	uint64_t ntoken;         /* all */
	uint64_t ntrain;         /* [0, ntrain) trains, [ntrain, ntoken) validates: they can not overlap */
	double val_bytes;        /* text bytes of the validation part (for bits per byte); 0 when unknown */
	uint64_t tokenizer_hash; /* 0: unknown (a shard of another program) */
	uint64_t hash;           /* of name-independent contents: lengths, first and last MiB of each file */
	char about[64];          /* what was found: "50 files, 2-byte ids" */
};

/* What long work gets from whoever asked for it; each may be NULL. Results depend on none of them. */
struct data_work {
	struct pool *pool;
	_Atomic float *progress;   /* 0..1 */
	const atomic_int *cancel;
};

/* How token files are to be opened. */
struct data_how {
	int vocab;               /* ids must be below */
	double val;              /* fraction that is held out, 0 to 0.9 */
	int own_split;           /* 1: a file of ours that tells where its validation part begins is believed, and val counts only where none does */
	int width;               /* of headerless files: 2, 4; 0: find out */
	uint64_t tokenizer_hash; /* the model's tokenizer; 0: it has none, any will do */
	const char *tokenizer;   /* its name */
	struct data_work work;
};

/* A token file, or a folder of such, read in the order of their names:
 *   ours (shard.h; by the name .tok always, unless `width` says otherwise), llm.c's (20240520: 2-byte ids, 20240801 version 7: 4-byte ids), headerless 2-byte (llama2.c) or 4-byte ids. Which one, the contents tell.
 * Headerless: 4 bytes when `width` or the name (.u32) says so, when the vocabulary is above 65,536, or when every upper half is zero; else 2.
 * Refused, in one line: lengths that do not fit, ids >= vocab (all are looked at, holes of sparse files excepted: they are zeros), a damaged file of ours or one
 * made with another tokenizer, a folder of several kinds, less than two ids.
 * Held out: of one file the last `val` of its ids. Of a folder whole files: those called val, valid or validation (a word of the name), else the first when
 * val > 0, as llama2.c does. A sequence never straddles two files. */
int data_open_tokens(struct data *d, const char *path, const struct data_how *how, struct err *e);
/* The same for a model without tokenizer. */
int data_open_shard(struct data *d, const char *path, int vocab, double val_fraction, struct err *e);
/* Is this a token file, or a folder of such, rather than text? Told by our tail, llm.c's header, the name (.bin .tok .u16 .u32), NUL bytes in the first 64 KiB
 * of what is not called a text. */
int data_is_shard(const char *path);

/* A text (source.h: a file, JSON lines, a folder of texts, "builtin"): encoded once with `t` into a cached shard ($XDG_CACHE_HOME/anetui/<hash>.tok). Held out
 * are the files that are called so, else the last val_fraction, from the next line or document on. The tokenizer's separator stands before each document.
 * "builtin" is the story corpus (5.5 MB, seed 1): there the separator stands before each story, in place of the empty line; a plain text has none.
 * Where nothing can be cached (no home, disk full) the ids are kept in memory. */
int data_open_source(struct data *d, const char *path, const struct tokenizer *t, double val_fraction, const struct data_work *w, struct err *e);
/* The same on one thread. */
int data_open_text(struct data *d, const char *path, const struct tokenizer *t, double val_fraction, _Atomic float *progress,
		   const atomic_int *cancel, struct err *e);

void data_close(struct data *d);
/* For a restarted process: the same files go on to be mapped, whatever has become of their names. 0: one of them has no descriptor to be handed on. */
int data_can_hand_over(const struct data *d);
void data_hand_over(const struct data *d, struct handover *h);
int data_take_over(struct data *d, const struct handover *h, struct err *e);
uint32_t data_id(const struct data *d, uint64_t i);
/* Ids [at, at + n), all of one file. */
void data_ids(const struct data *d, uint64_t at, size_t n, int *id);
/* seen[id] = 1 for every id of [0, vocab) that occurs, in the training part or the validation part. */
void data_mark(const struct data *d, unsigned char *seen, int vocab);

/* The text of `path` ("builtin" too) for training a tokenizer: made, or read; of a file over 64 MiB 16 MiB of lines from all over it.
 * Caller frees with str_done. */
int data_text(struct str *out, const char *path, struct err *e);
/* The tokenizer of at most `vocab` ids that data_text's text gives: trained once, then from the cache (a few milliseconds). */
struct tokenizer *data_tokenizer(const char *path, int vocab, const atomic_int *cancel, struct err *e);
/* What was written. */
struct data_made {
	uint64_t ntoken, nval;   /* ids; of them at the end, of files that are called validation */
	uint64_t bytes;          /* of text */
	int width;               /* bytes an id */
};
/* Writes the ids of a text: to OUT.tok in our own form, else headerless: 2-byte ids, 4-byte where the vocabulary needs it or the name is .u32. Refused before
 * the start when the disk has no room for what is expected. made may be NULL. Memory as of encode_source. */
int data_tokenize(const char *path, const struct tokenizer *t, const char *out, const struct data_work *work, struct data_made *made, struct err *e);
/* And back: the text of a token file, or of a folder of them. A separator becomes an empty line (none before the first document); in OUT.jsonl each document is a line,
 * {"text": ...}. width: of a headerless file, 0: find out. */
int data_detokenize(const char *path, const struct tokenizer *t, const char *out, int width, const struct data_work *work, struct data_made *made, struct err *e);

/* Where a run stands in its data: everything that resuming needs. */
struct data_cursor {
	enum data_order order;
	uint64_t seed;
	struct rng rng;      /* random: the next start */
	uint64_t index;      /* sequential, shuffle: sequences taken in this epoch; random: all */
	uint64_t epoch;
};

/* ERR_IO when a file has been cut since it was opened. */
int data_check(const struct data *d, struct err *e);

void data_cursor_init(struct data_cursor *c, enum data_order order, uint64_t seed);
/* The next `batch` sequences of the training part: x and y [batch * seq], y one later. Each file has (ids - 1) / seq windows that follow one another; what is
 * left at its end is passed over. Sequential: the windows in order, so that of one file micro-step i takes ids [i*seq*batch, ...); an epoch has as many whole
 * batches as there are (single sequences, when there is not one), then the first comes again. Shuffle: a seeded permutation of the windows, new each epoch.
 * Random: any start from which seq + 1 ids of one file follow. Refuses when no file has seq + 1 ids. */
int data_next(const struct data *d, struct data_cursor *c, int batch, int seq, int *x, int *y, struct err *e);
/* Fraction of the epoch done, plus the epochs before. */
double data_epoch(const struct data *d, const struct data_cursor *c, int batch, int seq);
/* Sequences of one epoch; 0 when none fits. */
uint64_t data_sequences(const struct data *d, enum data_order order, int batch, int seq);
/* Of all sequences of seq ids the longest that the training part has room for: ids of its longest file less one. */
uint64_t data_longest(const struct data *d);

/* Validation batch k of a fixed set of at most nbatch, evenly spread over the held-out part, the same at every call; returns 0, or 1 when there is no batch k.
 * Targets that would lie outside the part, and rows that are not there, are -1 (their inputs id 0). */
int data_val(const struct data *d, int k, int nbatch, int batch, int seq, int *x, int *y);
/* Text bytes per validation token (0 when unknown): bits per byte = loss / ln 2 / this. */
double data_bytes_per_token(const struct data *d);

#endif
