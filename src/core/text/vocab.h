/* vocab.h: what is inside a tokenizer, for the files of this folder. The outside uses tokenizer.h.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TEXT_VOCAB_H
#define ANETUI_TEXT_VOCAB_H

#include "base/err.h"
#include "text/tokenizer.h"
#include "text/tokenizer_parts.h"

/* 64-bit key to 32-bit value, open addressing; key 0 is not allowed. */
struct idmap {
	uint64_t *key;
	int *value;
	size_t n, cap; /* cap: a power of two */
};
int idmap_put(struct idmap *m, uint64_t key, int value); /* -1: memory */
int idmap_get(const struct idmap *m, uint64_t key);      /* -1: not there */
void idmap_done(struct idmap *m);

/* added.c: the ids that are found whole in a text before anything else, longest first. */
struct added {
	int *id;             /* sorted: by first byte, then the longest first */
	int n;
	int from[257];       /* those that begin with byte b: id[from[b]] to id[from[b + 1] - 1] */
	size_t longest;      /* bytes */
};

struct splitter;

struct tokenizer {
	struct tokenizer_info info;
	enum tokenizer_algorithm algorithm;
	char *bytes;     /* all pieces, one after the other */
	size_t *off;     /* [vocab + 1] */
	unsigned char *type;  /* [vocab] enum tokenizer_type */
	size_t noff;     /* pieces so far, while it is built */
	size_t nbytes, cap_bytes, cap_off, cap_type;
	int end[TOKENIZER_ENDS], nend, unk, pad, add_eos;
	struct added added;   /* control and user pieces */
	/* by merges: */
	int (*merge)[2];      /* [nmerge]; our own: id 257 + i is made of these two */
	int nmerge;
	struct idmap pair;    /* pair_key(a, b): our own to the merged id, others to the number of the merge */
	int *made;            /* [nmerge]: the merged id; not our own */
	enum tokenizer_split split;
	struct splitter *splitter;
	int nfc, ignore_merges;
	/* by score: */
	float *score;         /* [vocab] */
	size_t cap_score;
	struct idmap joint;   /* pairs of code points that stand side by side in some piece */
	uint64_t joint_ascii[128][2]; /* the same for ASCII: bit b of row a */
	/* both, but our own: */
	struct idmap text;    /* hash of a piece that text can become to its id */
	int byte_id[256];     /* the piece of a single byte (by score: <0xHH>); -1 when there is none */
	unsigned char *raw;   /* llama2.c: the file as it was */
	size_t nraw;
};

int vocab_add_piece(struct tokenizer *t, const char *s, size_t n, enum tokenizer_type type); /* -1: memory */
/* The piece of these bytes in t->text, or -1. */
int vocab_find(const struct tokenizer *t, const char *s, size_t n);
int vocab_index(struct tokenizer *t, int id); /* into t->text, unless an equal piece is there; -1: memory */
uint64_t vocab_key(const char *s, size_t n); /* of t->text; never 0 */

static inline uint64_t pair_key(int a, int b)
{
	return ((uint64_t)(uint32_t)a << 32 | (uint32_t)b) + 1;
}

/* bpe.c: ours, from its merges (checked: each part was there before, no piece longer than SPLIT_MAX, none twice). Takes nothing over. */
struct tokenizer *bpe_new(const int (*merge)[2], int nmerge, struct err *e);
/* The ids of one piece of at most SPLIT_MAX bytes into id (room for n); how many. */
int bpe_piece_ids(const struct tokenizer *t, const char *s, size_t n, int *id);

/* merges.c: byte-level BPE from any list of merges. Takes nothing over. */
struct tokenizer *merges_new(const struct tokenizer_parts *p, const char *name, struct err *e);
/* Appends the ids of one piece of the split. */
int merges_word_ids(const struct tokenizer *t, const char *s, size_t n, struct ids *out, struct err *e);

/* llama2c_tok.c: llama2.c's file. */
struct tokenizer *llama2c_tok_parse(const unsigned char *data, size_t n, const char *name, struct err *e);
/* Whether such a file says all that these parts say; then it is written to out. */
int llama2c_tok_suits(const struct tokenizer_parts *p);
void llama2c_tok_write(const struct tokenizer_parts *p, struct str *out);

/* spm.c: BPE by score. */
struct tokenizer *spm_new(const struct tokenizer_parts *p, const char *name, struct err *e);
/* For those who build one: the next id. -1: memory. */
int spm_add_piece(struct tokenizer *t, const char *s, size_t n, float score, enum tokenizer_type type);
/* The byte that a piece <0xHH> stands for, or -1. */
int spm_byte_of_piece(const char *s, size_t n);
/* The length of the next part of s across whose end nothing can merge. */
size_t spm_next(const struct tokenizer *t, const char *s, size_t n);
/* Appends the ids of such a part. */
int spm_part_ids(const struct tokenizer *t, const char *s, size_t n, struct ids *out, struct err *e);

/* spm_model.c, tokenizer_json.c: files of others, told by their first bytes, into parts that were just made. */
int spm_model_is(const unsigned char *data, size_t n);
int spm_model_read(struct tokenizer_parts *p, const unsigned char *data, size_t n, const char *name, struct err *e);
void spm_model_write(const struct tokenizer_parts *p, struct str *out); /* by score only */
int tokenizer_json_is(const unsigned char *data, size_t n);
int tokenizer_json_read(struct tokenizer_parts *p, const unsigned char *data, size_t n, const char *name, struct err *e);
/* tokenizer_pack.c: our own file, or llama2.c's. */
struct tokenizer *tokenizer_unpack(const unsigned char *data, size_t n, const char *name, struct err *e);
/* Puts the name into a message about parts that lacks it; gives the code. */
int vocab_err_name(struct err *e, const char *name);
/* tokenizer_folder.c: what the files beside one of those say of its special ids. */
int tokenizer_folder_read(struct tokenizer_parts *p, const char *path, struct err *e);
struct tokenizer *tokenizer_load_folder(const char *dir, struct err *e);

int added_init(struct added *a, const struct tokenizer *t); /* -1: memory */
/* The id that stands at s, or -1; control pieces only with `special`. */
int added_at(const struct tokenizer *t, const char *s, size_t n, int special);
/* Where the first one begins in the first `to` of n bytes (it may end after them); `to` when there is none. */
size_t added_find(const struct tokenizer *t, const char *s, size_t to, size_t n, int special);

/* tokenizer_pack.c: parts as bytes, for packing and for the hash. */
void parts_write(const struct tokenizer_parts *p, struct str *out);
int parts_read(struct tokenizer_parts *p, const unsigned char *data, size_t n, const char *name, struct err *e);
/* Of what gives a text its ids. */
uint64_t parts_hash(const struct tokenizer_parts *p);

/* encoder.c: encoding with a memory for words seen. One thread at a time. */
struct encoder;
struct encoder *encoder_new(const struct tokenizer *t);
void encoder_free(struct encoder *c);
/* From now on control pieces in the text become their ids. */
void encoder_take_special(struct encoder *c);
/* Encodes from text[*pos] on, at least `want` bytes or to the end, and moves *pos: called again and again it gives the same
 * ids as one call for everything. */
int encoder_run(struct encoder *c, const char *text, size_t n, size_t *pos, size_t want, struct ids *out, struct err *e);
/* The first place in [at, at + within) where a line begins with something that is no blank and no piece of the tokenizer goes across: what stands before it and
 * what follows have the same ids apart as together. 0: there is none. Needs text[at - 1]. */
size_t encoder_cut(const struct tokenizer *t, const char *text, size_t n, size_t at, size_t within);

#endif
