/* tokenizer.h: text to ids and back. Knows our own byte-level BPE and llama2.c's tokenizer files.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TEXT_TOKENIZER_H
#define ANETUI_TEXT_TOKENIZER_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct tokenizer;

enum tokenizer_kind {
	TOKENIZER_BPE,     /* our own: byte-level BPE, trained by tokenizer_train */
	TOKENIZER_LLAMA2C, /* llama2.c's tokenizer.bin: SentencePiece BPE by score, byte fallback */
};

struct tokenizer_info {
	enum tokenizer_kind kind;
	int vocab;
	int bos, eos;       /* -1 when there is none. Our own: id 0 is the document separator, both bos and eos */
	uint64_t hash;      /* of the contents: kept in shards and checkpoints */
	char name[64];
};

/* A growing list of ids. */
struct ids {
	int *id;
	size_t n, cap;
};
void ids_done(struct ids *v);

/* Reads a llama2.c tokenizer.bin (ids until the end of the file) or our own file; which one, the contents tell. */
struct tokenizer *tokenizer_load(const char *path, struct err *e);
/* As tokenizer_load, from memory (a checkpoint carries its tokenizer). */
struct tokenizer *tokenizer_parse(const void *data, size_t n, const char *name, struct err *e);
/* The whole tokenizer as bytes that tokenizer_parse reads: for checkpoints and caches. Caller frees *out. */
int tokenizer_pack(const struct tokenizer *t, unsigned char **out, size_t *n, struct err *e);
int tokenizer_save(const struct tokenizer *t, const char *path, struct err *e);
void tokenizer_free(struct tokenizer *t);
const struct tokenizer_info *tokenizer_info(const struct tokenizer *t);

/* Trains a byte-level BPE of at most `vocab` ids (257 at least: the separator and the bytes) on a text; pieces never cross white space but for
 * one leading blank. Text longer than 16 MiB is sampled at even distances (bounded memory). Deterministic. `cancel` (may be NULL) is looked at. */
struct tokenizer *tokenizer_train(const char *text, size_t n, int vocab, const atomic_int *cancel, struct err *e);

/* Appends the ids of n bytes of text. No separator is added, and none is found in the text; any bytes are encoded.
 * llama2.c: with `start` the dummy blank goes in front (as its run does for a prompt), without BOS. */
int tokenizer_encode(const struct tokenizer *t, const char *text, size_t n, int start, struct ids *out, struct err *e);

/* The bytes of one id (may be part of a character), *n of them. prev is the id before it (llama2.c strips one blank after BOS), or -1.
 * Separators give no bytes. An id outside the vocabulary gives none. Static for the tokenizer's life. */
const char *tokenizer_piece(const struct tokenizer *t, int prev, int id, size_t *n);

#endif
