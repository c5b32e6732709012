/* vocab.h: what is inside a tokenizer, for the files of this folder. The outside uses tokenizer.h.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TEXT_VOCAB_H
#define ANETUI_TEXT_VOCAB_H

#include "base/err.h"
#include "text/tokenizer.h"

/* 64-bit key to 32-bit value, open addressing; key 0 is not allowed. */
struct idmap {
	uint64_t *key;
	int *value;
	size_t n, cap; /* cap: a power of two */
};
int idmap_put(struct idmap *m, uint64_t key, int value); /* -1: memory */
int idmap_get(const struct idmap *m, uint64_t key);      /* -1: not there */
void idmap_done(struct idmap *m);

struct tokenizer {
	struct tokenizer_info info;
	char *bytes;     /* all pieces, one after the other */
	size_t *off;     /* [vocab + 1] */
	size_t noff;     /* pieces so far, while it is built */
	size_t nbytes, cap_bytes, cap_off;
	/* our own: */
	int (*merge)[2]; /* [vocab - 257]: id 257 + i is made of these two */
	struct idmap pair;    /* (a << 32 | b) + 1 to the merged id */
	/* llama2.c: */
	float *score;    /* [vocab] */
	struct idmap text;    /* hash of a piece to its id */
	struct idmap joint;   /* pairs of code points that stand side by side in some piece */
	uint64_t joint_ascii[128][2]; /* the same for ASCII: bit b of row a */
	int byte_id[256];     /* of <0xHH>; -1 when there is none */
	unsigned char *raw;   /* the file as it was */
	size_t nraw;
};

int vocab_add_piece(struct tokenizer *t, const char *s, size_t n); /* -1: memory */

static inline uint64_t pair_key(int a, int b)
{
	return ((uint64_t)(uint32_t)a << 32 | (uint32_t)b) + 1;
}

/* bpe.c: ours, from its merges (checked: each part was there before, no piece longer than SPLIT_MAX, none twice). Takes nothing over. */
struct tokenizer *bpe_new(const int (*merge)[2], int nmerge, struct err *e);
/* The ids of one piece of at most SPLIT_MAX bytes into id (room for n); how many. */
int bpe_piece_ids(const struct tokenizer *t, const char *s, size_t n, int *id);

/* spm.c: llama2.c's file. */
struct tokenizer *spm_parse(const unsigned char *data, size_t n, const char *name, struct err *e);
/* The byte that a piece <0xHH> stands for, or -1. */
int spm_byte_of_piece(const char *s, size_t n);
/* The length of the next part of s across whose end nothing can merge. */
size_t spm_next(const struct tokenizer *t, const char *s, size_t n);
/* Appends the ids of such a part. */
int spm_part_ids(const struct tokenizer *t, const char *s, size_t n, struct ids *out, struct err *e);

/* encoder.c: encoding with a memory for words seen. One thread at a time. */
struct encoder;
struct encoder *encoder_new(const struct tokenizer *t);
void encoder_free(struct encoder *c);
/* Encodes from text[*pos] on, at least `want` bytes or to the end, and moves *pos: called again and again it gives the same
 * ids as one call for everything. */
int encoder_run(struct encoder *c, const char *text, size_t n, size_t *pos, size_t want, struct ids *out, struct err *e);

#endif
