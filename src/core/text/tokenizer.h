/* tokenizer.h: text to ids and back, for every kind of tokenizer. What one is made of is in tokenizer_parts.h.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TEXT_TOKENIZER_H
#define ANETUI_TEXT_TOKENIZER_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct tokenizer;

enum tokenizer_kind {
	TOKENIZER_BPE,     /* our own: byte-level BPE, trained by tokenizer_train */
	TOKENIZER_LLAMA2C, /* llama2.c's tokenizer.bin: SentencePiece BPE by score, byte fallback */
	TOKENIZER_PARTS,   /* any other: made by tokenizer_new from the parts that a file of another form holds */
};

struct tokenizer_info {
	enum tokenizer_kind kind;
	int vocab;
	int bos, eos;       /* -1 when there is none. Our own: id 0 is the document separator, both bos and eos */
	int add_bos;        /* a text begins with bos */
	int blank;          /* the beginning of a text gets a blank in front (SentencePiece's dummy prefix): see tokenizer_encode's `start` */
	int separator;      /* the id that stands between documents: bos where texts begin with it, else eos, else bos; -1: none */
	uint64_t hash;      /* of what gives a text its ids: kept in shards and checkpoints. Special ids are no part of it */
	char name[64];
};

/* A growing list of ids. */
struct ids {
	int *id;
	size_t n, cap;
};
void ids_done(struct ids *v);

/* Reads a llama2.c tokenizer.bin (ids until the end of the file), a SentencePiece .model (BPE), Hugging Face's tokenizer.json (byte-level BPE), or our own file;
 * which one, the contents tell. Of a folder: tokenizer.json, else tokenizer.model, else tokenizer.bin. What tokenizer_config.json, generation_config.json
 * and config.json beside a tokenizer.json or .model say of bos and eos is used. */
struct tokenizer *tokenizer_load(const char *path, struct err *e);
/* Whether there is one in a folder. */
int tokenizer_in_folder(const char *dir);
/* As tokenizer_load, from memory (a checkpoint carries its tokenizer). */
struct tokenizer *tokenizer_parse(const void *data, size_t n, const char *name, struct err *e);
/* The whole tokenizer as bytes that tokenizer_parse reads: for checkpoints and caches. Caller frees *out. */
int tokenizer_pack(const struct tokenizer *t, unsigned char **out, size_t *n, struct err *e);
/* By the file's name: NAME.json as Hugging Face's tokenizer.json; else llama2.c's as it was, others in our own form. */
int tokenizer_save(const struct tokenizer *t, const char *path, struct err *e);
/* tokenizer.json, appended. The same ids when it is read back; Hugging Face's program gives the same but for words over 64 bytes beyond ASCII with our own split. */
int tokenizer_json(const struct tokenizer *t, struct str *out, struct err *e);
/* tokenizer.json, tokenizer_config.json (the special ids) and, by score, tokenizer.model, whose scores tokenizer.json can not say and which tokenizer_load then takes, into
 * a folder that is there. Loaded from it the tokenizer has the same hash. */
int tokenizer_save_folder(const struct tokenizer *t, const char *dir, struct err *e);
void tokenizer_free(struct tokenizer *t);
const struct tokenizer_info *tokenizer_info(const struct tokenizer *t);

/* Trains a byte-level BPE of at most `vocab` ids (257 at least: the separator and the bytes) on a text; pieces never cross white space but for
 * one leading blank. Text longer than 16 MiB is sampled at even distances (bounded memory). Deterministic. `cancel` (may be NULL) is looked at. */
struct tokenizer *tokenizer_train(const char *text, size_t n, int vocab, const atomic_int *cancel, struct err *e);

enum tokenizer_how {
	TOKENIZE_START = 1,   /* the text's beginning: the blank goes in front where the tokenizer wants one (no bos is added) */
	TOKENIZE_SPECIAL = 2, /* control tokens that stand in the text ("<|im_start|>") become their ids; else they are text like any other */
};

/* Appends the ids of n bytes of text. No separator is added; any bytes are encoded. `how`: bits of enum tokenizer_how. Without TOKENIZE_SPECIAL no text
 * can bring a control token in; tokens that a tokenizer adds without calling them special (Qwen's "<think>") are always found. */
int tokenizer_encode(const struct tokenizer *t, const char *text, size_t n, int how, struct ids *out, struct err *e);

/* Whether the id ends a text: eos, bos, and the other ids that a model's files name as ends. */
int tokenizer_is_end(const struct tokenizer *t, int id);

/* The bytes of one id (may be part of a character), *n of them. prev is the id before it (the blank in front is taken off after bos), or -1.
 * Control tokens give no bytes. An id outside the vocabulary gives none. Static for the tokenizer's life. */
const char *tokenizer_piece(const struct tokenizer *t, int prev, int id, size_t *n);

#endif
