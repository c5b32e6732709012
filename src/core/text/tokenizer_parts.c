/* tokenizer_parts.c: the parts of a tokenizer: gathering them, their text form, a tokenizer from them and they from a tokenizer.
 * SPDX-License-Identifier: MIT */
#include "text/tokenizer_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "text/byte_alphabet.h"
#include "text/hash.h"
#include "text/split.h"
#include "text/splitter.h"
#include "text/vocab.h"

static const char *const split_name[TOKENIZER_NSPLIT] = {"none", "anetui", "gpt-2", "qwen2", "llama-bpe"};
static const char dash[] = "\xe2\x96\x81"; /* U+2581, SentencePiece's blank */

const char *tokenizer_split_name(enum tokenizer_split split)
{
	return (unsigned)split < TOKENIZER_NSPLIT ? split_name[split] : "unknown";
}

int tokenizer_split_find(const char *name)
{
	for (int i = 0; i < TOKENIZER_NSPLIT; i++)
		if (!strcmp(split_name[i], name))
			return i;
	return -1;
}

void tokenizer_parts_init(struct tokenizer_parts *p)
{
	*p = (struct tokenizer_parts){.bos = -1, .eos = -1, .unk = -1, .pad = -1};
}

void tokenizer_parts_done(struct tokenizer_parts *p)
{
	str_done(&p->bytes);
	str_done(&p->aside);
	free(p->off);
	free(p->score);
	free(p->type);
	free(p->merge);
	if (p->index)
		idmap_done(p->index);
	free(p->index);
	tokenizer_parts_init(p);
}

int tokenizer_parts_find(const struct tokenizer_parts *p, const char *s, size_t n)
{
	int id = p->index ? idmap_get(p->index, vocab_key(s, n)) : -1;
	return id >= 0 && p->off[id + 1] - p->off[id] == n && !memcmp(p->bytes.s + p->off[id], s, n) ? id : -1;
}

static int index_piece(struct tokenizer_parts *p, const char *s, size_t n, int id)
{
	if (!p->index && !(p->index = mem_zalloc(1, sizeof *p->index)))
		return -1;
	uint64_t key = vocab_key(s, n);
	return idmap_get(p->index, key) < 0 ? idmap_put(p->index, key, id) : 0;
}

int tokenizer_parts_add(struct tokenizer_parts *p, const char *s, size_t n, float score, enum tokenizer_type type, struct err *e)
{
	if (p->vocab >= TOKENIZER_VOCAB_MAX)
		return err_set(e, ERR_FORMAT, "tokenizer: more than %d ids", TOKENIZER_VOCAB_MAX);
	if (n > TOKENIZER_PIECE_MAX)
		return err_set(e, ERR_FORMAT, "tokenizer: id %d is %zu bytes long, at most %d can be", p->vocab, n, TOKENIZER_PIECE_MAX);
	size_t id = (size_t)p->vocab;
	str_add(&p->bytes, s, n);
	if (p->bytes.failed || mem_grow(&p->off, &p->cap_off, id + 2, sizeof *p->off) || mem_grow(&p->score, &p->cap_score, id + 1, sizeof *p->score) ||
	    mem_grow(&p->type, &p->cap_type, id + 1, 1))
		return err_nomem(e, "tokenizer", p->bytes.len);
	p->off[id] = p->bytes.len - n;
	p->off[id + 1] = p->bytes.len;
	p->score[id] = score;
	p->type[id] = (unsigned char)type;
	if ((type == TOKENIZER_NORMAL || type == TOKENIZER_USER) && index_piece(p, s, n, (int)id))
		return err_nomem(e, "tokenizer", p->bytes.len);
	p->vocab++;
	return 0;
}

/* U+2581 to a blank. */
static void read_dashes(const char *s, size_t n, struct str *out)
{
	for (size_t i = 0; i < n;) {
		int is = n - i >= 3 && !memcmp(s + i, dash, 3);
		str_putc(out, is ? ' ' : s[i]);
		i += is ? 3 : 1;
	}
}

/* The bytes of a piece in its text form. */
static void read_text(const struct tokenizer_parts *p, const char *s, size_t n, enum tokenizer_type type, struct str *out)
{
	if (p->algorithm == TOKENIZER_BY_SCORE) {
		if (type == TOKENIZER_NORMAL || type == TOKENIZER_USER)
			read_dashes(s, n, out);
		else
			str_add(out, s, n);
	} else if (type != TOKENIZER_NORMAL || byte_alphabet_read(s, n, out)) {
		str_add(out, s, n);
	}
}

int tokenizer_parts_add_text(struct tokenizer_parts *p, const char *s, size_t n, float score, enum tokenizer_type type, struct err *e)
{
	struct str *b = &p->aside;
	str_clear(b);
	read_text(p, s, n, type, b);
	return b->failed ? err_nomem(e, "tokenizer", n) : tokenizer_parts_add(p, b->s ? b->s : "", b->len, score, type, e);
}

static int half(struct tokenizer_parts *p, const char *s, size_t n)
{
	str_clear(&p->aside);
	read_text(p, s, n, TOKENIZER_NORMAL, &p->aside);
	return p->aside.s ? tokenizer_parts_find(p, p->aside.s, p->aside.len) : -1;
}

int tokenizer_parts_merge(struct tokenizer_parts *p, const char *a, size_t na, const char *b, size_t nb, struct err *e)
{
	int ia = half(p, a, na), ib = half(p, b, nb);
	if (ia < 0 || ib < 0)
		return err_set(e, ERR_FORMAT, "tokenizer: merge %d, \"%.*s %.*s\": %s half is no piece of the vocabulary", p->nmerge, (int)MIN(na, 40), a,
			       (int)MIN(nb, 40), b, ia < 0 ? "its first" : "its second");
	if (p->nmerge >= TOKENIZER_VOCAB_MAX)
		return err_set(e, ERR_FORMAT, "tokenizer: more than %d merges", TOKENIZER_VOCAB_MAX);
	if (mem_grow(&p->merge, &p->cap_merge, (size_t)p->nmerge + 1, sizeof *p->merge))
		return err_nomem(e, "tokenizer", (size_t)p->nmerge * sizeof *p->merge);
	p->merge[p->nmerge][0] = ia;
	p->merge[p->nmerge++][1] = ib;
	return 0;
}

int tokenizer_parts_merge_line(struct tokenizer_parts *p, const char *s, size_t n, struct err *e)
{
	const char *gap = n > 2 ? memchr(s + 1, ' ', n - 1) : NULL; /* a half is one byte long at least */
	if (!gap || gap == s + n - 1)
		return err_set(e, ERR_FORMAT, "tokenizer: merge %d, \"%.*s\": two pieces with a blank between them wanted", p->nmerge, (int)MIN(n, 40), s);
	return tokenizer_parts_merge(p, s, (size_t)(gap - s), gap + 1, n - (size_t)(gap + 1 - s), e);
}

void tokenizer_parts_text(const struct tokenizer_parts *p, int id, struct str *out)
{
	const char *s = p->bytes.s + p->off[id];
	size_t n = p->off[id + 1] - p->off[id];
	enum tokenizer_type type = p->type[id];
	if (p->algorithm == TOKENIZER_BY_MERGES && type == TOKENIZER_NORMAL) {
		byte_alphabet_write(s, n, out);
	} else if (p->algorithm == TOKENIZER_BY_SCORE && (type == TOKENIZER_NORMAL || type == TOKENIZER_USER)) {
		for (size_t i = 0; i < n; i++)
			str_add(out, s[i] == ' ' ? dash : s + i, s[i] == ' ' ? 3 : 1);
	} else {
		str_add(out, s, n);
	}
}

/* --- a tokenizer from parts --- */

static int check_special(const struct tokenizer_parts *p, const char *name, struct err *e)
{
	const struct { const char *what; int id; } special[] = {{"bos", p->bos}, {"eos", p->eos}, {"unk", p->unk}, {"pad", p->pad}};
	for (size_t i = 0; i < ARRAY_LEN(special); i++)
		if (special[i].id < -1 || special[i].id >= p->vocab)
			return err_set(e, ERR_FORMAT, "tokenizer: %s: %s: id %d, the vocabulary has %d", name, special[i].what, special[i].id, p->vocab);
	for (int i = 0; i < p->nend; i++)
		if (p->nend > TOKENIZER_ENDS || p->end[i] < 0 || p->end[i] >= p->vocab)
			return err_set(e, ERR_FORMAT, "tokenizer: %s: end: id %d, the vocabulary has %d", name, p->end[i], p->vocab);
	if (p->add_bos && p->bos < 0)
		return err_set(e, ERR_FORMAT, "tokenizer: %s: bos: texts are to begin with it, but there is none", name);
	return 0;
}

static int check(const struct tokenizer_parts *p, const char *name, struct err *e)
{
	if (p->vocab < 1)
		return err_set(e, ERR_FORMAT, "tokenizer: %s: no ids", name);
	if ((unsigned)p->algorithm > TOKENIZER_BY_MERGES || (unsigned)p->split >= TOKENIZER_NSPLIT)
		return err_set(e, ERR_FORMAT, "tokenizer: %s: algorithm %d, split %d: unknown", name, (int)p->algorithm, (int)p->split);
	for (int i = 0; i < p->vocab; i++)
		if (p->type[i] < TOKENIZER_NORMAL || p->type[i] > TOKENIZER_BYTE)
			return err_set(e, ERR_FORMAT, "tokenizer: %s: id %d: type %d, must be %d to %d", name, i, p->type[i], TOKENIZER_NORMAL, TOKENIZER_BYTE);
	for (int i = 0; i < p->nmerge; i++)
		for (int k = 0; k < 2; k++)
			if (p->merge[i][k] < 0 || p->merge[i][k] >= p->vocab)
				return err_set(e, ERR_FORMAT, "tokenizer: %s: merge %d: id %d, the vocabulary has %d", name, i, p->merge[i][k], p->vocab);
	return check_special(p, name, e);
}

/* The ids of tokenizer_train: a separator, the bytes, then what each merge makes. */
static struct tokenizer *ours_new(const struct tokenizer_parts *p, const char *name, struct err *e)
{
	struct tokenizer *t = NULL;
	if (p->algorithm != TOKENIZER_BY_MERGES || p->vocab < 257 || p->vocab - 257 != p->nmerge || p->type[0] != TOKENIZER_CONTROL || p->nfc)
		err_set(e, ERR_FORMAT, "tokenizer: %s: %d ids and %d merges with our own split: 257 ids more than merges wanted", name, p->vocab, p->nmerge);
	else
		t = bpe_new((const int(*)[2])p->merge, p->nmerge, e);
	for (int id = 1; t && id < p->vocab; id++)
		if (p->off[id + 1] - p->off[id] != t->off[id + 1] - t->off[id] ||
		    memcmp(p->bytes.s + p->off[id], t->bytes + t->off[id], t->off[id + 1] - t->off[id])) {
			err_set(e, ERR_FORMAT, "tokenizer: %s: id %d: its piece is not what its merge makes", name, id);
			tokenizer_free(t);
			t = NULL;
		}
	return t;
}

static struct tokenizer *llama2c_new(const struct tokenizer_parts *p, const char *name, struct err *e)
{
	struct str b = {0};
	llama2c_tok_write(p, &b);
	struct tokenizer *t = NULL;
	if (b.failed)
		err_nomem(e, "tokenizer", p->bytes.len);
	else
		t = llama2c_tok_parse((const unsigned char *)b.s, b.len, name, e);
	str_done(&b);
	return t;
}

/* What both algorithms have in common. */
static int finish(struct tokenizer *t, const struct tokenizer_parts *p, struct err *e)
{
	t->info = (struct tokenizer_info){.kind = TOKENIZER_PARTS, .vocab = p->vocab, .bos = p->bos, .eos = p->eos, .add_bos = p->add_bos, .blank = p->blank};
	t->info.separator = p->add_bos ? p->bos : p->eos >= 0 ? p->eos : p->bos;
	t->info.hash = parts_hash(p);
	t->split = p->split;
	t->nfc = p->nfc;
	t->ignore_merges = p->ignore_merges;
	t->unk = p->unk;
	t->pad = p->pad;
	t->add_eos = p->add_eos;
	t->nend = p->nend;
	memcpy(t->end, p->end, sizeof t->end);
	if (p->name[0])
		memcpy(t->info.name, p->name, sizeof t->info.name);
	else if (p->algorithm == TOKENIZER_BY_SCORE)
		snprintf(t->info.name, sizeof t->info.name, "sentencepiece %d", p->vocab);
	else
		snprintf(t->info.name, sizeof t->info.name, "bpe %s %d", tokenizer_split_name(p->split), p->vocab);
	if (added_init(&t->added, t))
		return err_nomem(e, "tokenizer", p->bytes.len);
	return t->algorithm == TOKENIZER_BY_MERGES ? splitter_new(&t->splitter, p->split, e) : 0;
}

struct tokenizer *tokenizer_new(const struct tokenizer_parts *parts, const char *name, struct err *e)
{
	struct tokenizer_parts cut = *parts, *p = &cut;
	if (check(p, name, e))
		return NULL;
	while (p->vocab > 1 && p->type[p->vocab - 1] == TOKENIZER_UNUSED)
		p->vocab--;
	if (check(p, name, e)) /* a special id may have been among those */
		return NULL;
	if (p->split == TOKENIZER_SPLIT_OURS)
		return ours_new(p, name, e);
	if (llama2c_tok_suits(p) && p->add_bos && !p->add_eos && p->bos == 1 && p->eos == 2 && p->unk == 0 && !p->nend)
		return llama2c_new(p, name, e);
	struct tokenizer *t = p->algorithm == TOKENIZER_BY_MERGES ? merges_new(p, name, e) : spm_new(p, name, e);
	if (t && finish(t, p, e)) {
		tokenizer_free(t);
		return NULL;
	}
	return t;
}

/* --- and back --- */

static const char *shown(const struct tokenizer *t, int id, size_t *n)
{
	static const char end_of_text[] = "<|endoftext|>", begin[] = "<s>", end[] = "</s>";
	const char *s = t->bytes + t->off[id];
	*n = t->off[id + 1] - t->off[id];
	if (t->info.kind == TOKENIZER_BPE && id == 0)
		s = end_of_text;
	else if (t->info.kind == TOKENIZER_LLAMA2C && (id == 1 || id == 2))
		s = id == 1 ? begin : end;
	else
		return s;
	*n = strlen(s);
	return s;
}

int tokenizer_parts_of(const struct tokenizer *t, struct tokenizer_parts *p, struct err *e)
{
	tokenizer_parts_init(p);
	p->algorithm = t->algorithm;
	p->split = t->split;
	p->nfc = t->nfc;
	p->ignore_merges = t->ignore_merges;
	p->add_bos = t->info.add_bos;
	p->add_eos = t->add_eos;
	p->blank = t->info.blank;
	p->bos = t->info.bos;
	p->eos = t->info.eos;
	p->unk = t->unk;
	p->pad = t->pad;
	p->nend = t->nend;
	memcpy(p->end, t->end, sizeof p->end);
	memcpy(p->name, t->info.name, sizeof p->name);
	int rc = 0;
	for (int id = 0; id < t->info.vocab && !rc; id++) {
		size_t n;
		const char *s = shown(t, id, &n);
		rc = tokenizer_parts_add(p, s, n, t->score ? t->score[id] : 0, t->type[id], e);
	}
	if (!rc && t->nmerge) {
		if (mem_grow(&p->merge, &p->cap_merge, (size_t)t->nmerge, sizeof *p->merge)) {
			rc = err_nomem(e, "tokenizer", (size_t)t->nmerge * sizeof *p->merge);
		} else {
			memcpy(p->merge, t->merge, (size_t)t->nmerge * sizeof *p->merge);
			p->nmerge = t->nmerge;
		}
	}
	if (rc)
		tokenizer_parts_done(p);
	return rc;
}
