/* tokenizer_parts.h: what a tokenizer is made of, for files that carry one in a form of their own (GGUF, tokenizer.json, SentencePiece). No encoding.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TEXT_TOKENIZER_PARTS_H
#define ANETUI_TEXT_TOKENIZER_PARTS_H

#include "base/err.h"
#include "base/str.h"
#include "text/tokenizer.h"

enum tokenizer_algorithm {
	TOKENIZER_BY_SCORE,  /* SentencePiece's BPE: the neighbours whose joined piece has the highest score; GGUF's model "llama" */
	TOKENIZER_BY_MERGES, /* byte-level BPE: the pair that stands first in the list of merges; GGUF's model "gpt2" */
};

/* How text is cut before merges (by merges only). Names: tokenizer_split_name. */
enum tokenizer_split {
	TOKENIZER_SPLIT_NONE, /* not at all */
	TOKENIZER_SPLIT_OURS, /* split.h; only with the ids of tokenizer_train's tokenizers */
	TOKENIZER_SPLIT_GPT2,
	TOKENIZER_SPLIT_QWEN2,
	TOKENIZER_SPLIT_LLAMA3,
	TOKENIZER_NSPLIT,
};

/* GGUF's numbers. */
enum tokenizer_type {
	TOKENIZER_NORMAL = 1,
	TOKENIZER_UNKNOWN,  /* found in no text */
	TOKENIZER_CONTROL,  /* found in a text only when asked for; gives no text */
	TOKENIZER_USER,     /* always found in a text, whole, the longest first */
	TOKENIZER_UNUSED,   /* found in no text */
	TOKENIZER_BYTE,     /* "<0xHH>": a byte that no piece has (by score only) */
};

enum { TOKENIZER_ENDS = 8, TOKENIZER_VOCAB_MAX = 1 << 22, TOKENIZER_PIECE_MAX = 1 << 16 };

struct tokenizer_parts {
	enum tokenizer_algorithm algorithm; /* set it before pieces are added as text */
	enum tokenizer_split split;
	int nfc;              /* text is brought into Unicode's form NFC first */
	int ignore_merges;    /* what is a piece as a whole stays one, whatever the merges say */
	int add_bos, add_eos;
	int blank;            /* GGUF's add_space_prefix */
	int bos, eos, unk, pad; /* -1: none */
	int end[TOKENIZER_ENDS], nend; /* ids that end a text, beside bos and eos */
	int vocab;
	/* Each [vocab]. Pieces are the bytes that they stand for: by score a blank is a blank (not U+2581); bytes, control and user pieces as they are written. */
	struct str bytes;
	size_t *off;          /* piece i: bytes.s + off[i], off[i + 1] - off[i] of them */
	float *score;
	unsigned char *type;  /* enum tokenizer_type */
	int (*merge)[2];      /* [nmerge], first merged first: ids of the halves. The id of the whole is that of their joined bytes */
	int nmerge;
	char name[64];        /* for people; may be empty */
	size_t cap_off, cap_score, cap_type, cap_merge;
	struct idmap *index;
	struct str aside;
};

void tokenizer_parts_init(struct tokenizer_parts *p); /* empty, special ids -1 */
void tokenizer_parts_done(struct tokenizer_parts *p);

/* The next id, as bytes. */
int tokenizer_parts_add(struct tokenizer_parts *p, const char *s, size_t n, float score, enum tokenizer_type type, struct err *e);
/* The next id as files write it. By merges: the alphabet of printable characters for bytes ("\u0120the"), but for other than normal pieces and for those
 * with characters outside that alphabet, which are taken as they are. By score: U+2581 is a blank in normal and user pieces. */
int tokenizer_parts_add_text(struct tokenizer_parts *p, const char *s, size_t n, float score, enum tokenizer_type type, struct err *e);
/* The next merge as files write it: both halves in the text form of pieces that were added before. */
int tokenizer_parts_merge(struct tokenizer_parts *p, const char *a, size_t na, const char *b, size_t nb, struct err *e);
/* The same as one string, the halves divided by a blank. */
int tokenizer_parts_merge_line(struct tokenizer_parts *p, const char *s, size_t n, struct err *e);
/* Appends the text form of a piece. Reads back as the same bytes. */
void tokenizer_parts_text(const struct tokenizer_parts *p, int id, struct str *out);
/* The normal or user piece of these bytes, or -1. */
int tokenizer_parts_find(const struct tokenizer_parts *p, const char *s, size_t n);

/* Checks all of it and makes a tokenizer; takes nothing over. Unused ids at the end are left out (files pad their vocabulary). Where another kind says all
 * that there is to say (the ids of a llama2.c file, those of tokenizer_train), the tokenizer is of that kind and has its hash. Messages are "tokenizer: NAME: why". */
struct tokenizer *tokenizer_new(const struct tokenizer_parts *p, const char *name, struct err *e);
/* Fills *p (no init needed) from any tokenizer. Our own: id 0 is "<|endoftext|>". llama2.c's: ids 1 and 2 are "<s>" and "</s>". */
int tokenizer_parts_of(const struct tokenizer *t, struct tokenizer_parts *p, struct err *e);

/* GGUF's names of pre-tokenizers: "gpt-2", "qwen2", "llama-bpe", and "anetui" for ours, "none"; -1: unknown. */
const char *tokenizer_split_name(enum tokenizer_split split);
int tokenizer_split_find(const char *name);

#endif
