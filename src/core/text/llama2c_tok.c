/* llama2c_tok.c: llama2.c's tokenizer.bin, read and written. The encoding is in spm.c.
 *
 * Format: u32 longest piece, then for each id f32 score, i32 length, bytes; no count. Ids 0, 1, 2 are <unk>, <s>, </s>; <0xHH> are the bytes. Blanks are
 * blanks (SentencePiece has U+2581), <s> and </s> stand between line ends.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "text/hash.h"
#include "text/vocab.h"

enum { FIRST_ORDINARY = 3 };

static const char *const special[FIRST_ORDINARY] = {NULL, "\n<s>\n", "\n</s>\n"};

static uint32_t u32_at(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static enum tokenizer_type type_of(size_t id, const char *s, size_t n)
{
	if (id < FIRST_ORDINARY)
		return id ? TOKENIZER_CONTROL : TOKENIZER_UNKNOWN;
	return spm_byte_of_piece(s, n) >= 0 ? TOKENIZER_BYTE : TOKENIZER_NORMAL;
}

static int parse_piece(struct tokenizer *t, const unsigned char *d, size_t n, size_t *at, uint32_t longest, const char *name, struct err *e)
{
	size_t id = t->noff;
	if (n - *at < 8)
		return err_set(e, ERR_FORMAT, "tokenizer: %s: ends inside id %zu (truncated?)", name, id);
	uint32_t bits = u32_at(d + *at), len = u32_at(d + *at + 4);
	float score;
	memcpy(&score, &bits, sizeof score);
	*at += 8;
	if (len > longest)
		return err_set(e, ERR_FORMAT, "tokenizer: %s: id %zu is %u bytes long, the file allows %u (not a llama2.c tokenizer?)", name, id,
			       len, longest);
	if (len > n - *at)
		return err_set(e, ERR_FORMAT, "tokenizer: %s: id %zu is %u bytes long, %zu are left (truncated?)", name, id, len, n - *at);
	if (isnan(score))
		return err_set(e, ERR_FORMAT, "tokenizer: %s: id %zu has no score", name, id);
	if (id >= TOKENIZER_VOCAB_MAX)
		return err_set(e, ERR_FORMAT, "tokenizer: %s: more than %d ids", name, TOKENIZER_VOCAB_MAX);
	const char *s = (const char *)d + *at;
	if (spm_add_piece(t, s, len, score, type_of(id, s, len)))
		return err_nomem(e, "tokenizer", n);
	*at += len;
	return 0;
}

static int parse(struct tokenizer *t, const unsigned char *d, size_t n, const char *name, struct err *e)
{
	uint32_t longest = n >= 4 ? u32_at(d) : 0;
	if (n < 4 || longest < 1 || longest > TOKENIZER_PIECE_MAX)
		return err_set(e, ERR_FORMAT, "tokenizer: %s: neither a llama2.c tokenizer nor one of ours", name);
	for (size_t at = 4; at < n;) {
		int rc = parse_piece(t, d, n, &at, longest, name, e);
		if (rc)
			return rc;
	}
	if (t->noff <= FIRST_ORDINARY)
		return err_set(e, ERR_FORMAT, "tokenizer: %s: %zu ids, more than 3 are needed", name, t->noff);
	t->raw = malloc(n);
	if (!t->raw)
		return err_nomem(e, "tokenizer", n);
	memcpy(t->raw, d, n);
	t->nraw = n;
	return 0;
}

struct tokenizer *llama2c_tok_parse(const unsigned char *data, size_t n, const char *name, struct err *e)
{
	struct tokenizer *t = mem_zalloc(1, sizeof *t);
	if (!t) {
		err_nomem(e, "tokenizer", sizeof *t);
		return NULL;
	}
	for (int b = 0; b < 256; b++)
		t->byte_id[b] = -1;
	t->algorithm = TOKENIZER_BY_SCORE;
	t->pad = -1;
	if (parse(t, data, n, name, e)) {
		tokenizer_free(t);
		return NULL;
	}
	t->info = (struct tokenizer_info){TOKENIZER_LLAMA2C, (int)t->noff, 1, 2, 1, 1, 1, text_hash(2, data, n), ""};
	snprintf(t->info.name, sizeof t->info.name, "llama2c %d", t->info.vocab);
	return t;
}

int llama2c_tok_suits(const struct tokenizer_parts *p)
{
	if (p->algorithm != TOKENIZER_BY_SCORE || p->vocab <= FIRST_ORDINARY || !p->blank || p->nfc)
		return 0;
	for (int id = 0; id < p->vocab; id++) {
		size_t n = p->off[id + 1] - p->off[id];
		if (isnan(p->score[id]) || n > TOKENIZER_PIECE_MAX || p->type[id] != type_of((size_t)id, p->bytes.s + p->off[id], n))
			return 0;
	}
	return 1;
}

static void put_u32(struct str *out, uint32_t v)
{
	const unsigned char b[4] = {(unsigned char)v, (unsigned char)(v >> 8), (unsigned char)(v >> 16), (unsigned char)(v >> 24)};
	str_add(out, b, sizeof b);
}

void llama2c_tok_write(const struct tokenizer_parts *p, struct str *out)
{
	size_t longest = 1;
	for (int id = 0; id < p->vocab; id++)
		longest = MAX(longest, id == 1 || id == 2 ? strlen(special[id]) : p->off[id + 1] - p->off[id]);
	put_u32(out, (uint32_t)longest);
	for (int id = 0; id < p->vocab; id++) {
		const char *s = p->bytes.s + p->off[id];
		size_t n = p->off[id + 1] - p->off[id];
		if (id == 1 || id == 2)
			n = strlen(s = special[id]);
		uint32_t bits;
		memcpy(&bits, &p->score[id], sizeof bits);
		put_u32(out, bits);
		put_u32(out, (uint32_t)n);
		str_add(out, s, n);
	}
}
