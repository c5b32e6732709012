/* tokenizer_pack.c: a tokenizer as bytes and back: for checkpoints, caches, a process that takes over, and our own file. Forms of others are elsewhere.
 *
 * Little-endian: "ANETOKEN", u32 version 1, u32 kind, u64 bytes of payload, payload, u32 CRC-32C of all before it. Payload of our BPE: u32 number of
 * merges, then u32 a, u32 b for each; of a llama2.c tokenizer: its file as it was; of parts: u32 algorithm, u32 split, u32 flags (1 NFC, 2 whole pieces
 * before merges, 4 blank in front), u32 ids, u32 merges, u32 unknown id (by score; else 2^32 - 1), u64 bytes of all pieces, u8 type of each, u32 length of
 * each, f32 score of each (by score only), u32 a, u32 b of each merge, the pieces: all that gives a text its ids, which is what is hashed; then i32 bos, eos,
 * unk, pad, u32 flags (1 add bos, 2 add eos), u32 number of other ends, i32 each.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "text/hash.h"
#include "text/vocab.h"

static const char magic[8] = {'A', 'N', 'E', 'T', 'O', 'K', 'E', 'N'};
enum { PACK_VERSION = 1, PACK_HEAD = 24, PARTS_HEAD = 32 };
enum { FLAG_NFC = 1, FLAG_WHOLE = 2, FLAG_BLANK = 4, FLAG_BOS = 1, FLAG_EOS = 2 };

static void put_u32(struct str *out, uint32_t v)
{
	const unsigned char b[4] = {(unsigned char)v, (unsigned char)(v >> 8), (unsigned char)(v >> 16), (unsigned char)(v >> 24)};
	str_add(out, b, sizeof b);
}

static void put_u64(struct str *out, uint64_t v)
{
	put_u32(out, (uint32_t)v);
	put_u32(out, (uint32_t)(v >> 32));
}

static uint32_t get_u32(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t get_u64(const unsigned char *p)
{
	return get_u32(p) | (uint64_t)get_u32(p + 4) << 32;
}

/* --- parts --- */

static void write_text_part(const struct tokenizer_parts *p, struct str *out)
{
	int by_score = p->algorithm == TOKENIZER_BY_SCORE;
	size_t nbytes = p->off[p->vocab];
	put_u32(out, (uint32_t)p->algorithm);
	put_u32(out, (uint32_t)p->split);
	put_u32(out, (p->nfc ? FLAG_NFC : 0u) | (p->ignore_merges ? FLAG_WHOLE : 0u) | (p->blank ? FLAG_BLANK : 0u));
	put_u32(out, (uint32_t)p->vocab);
	put_u32(out, (uint32_t)p->nmerge);
	put_u32(out, (uint32_t)(by_score ? p->unk : -1));
	put_u64(out, nbytes);
	str_add(out, p->type, (size_t)p->vocab);
	for (int i = 0; i < p->vocab; i++)
		put_u32(out, (uint32_t)(p->off[i + 1] - p->off[i]));
	for (int i = 0; by_score && i < p->vocab; i++) {
		uint32_t bits;
		memcpy(&bits, &p->score[i], sizeof bits);
		put_u32(out, bits);
	}
	for (int i = 0; i < p->nmerge; i++) {
		put_u32(out, (uint32_t)p->merge[i][0]);
		put_u32(out, (uint32_t)p->merge[i][1]);
	}
	str_add(out, p->bytes.s, nbytes);
}

void parts_write(const struct tokenizer_parts *p, struct str *out)
{
	write_text_part(p, out);
	const int id[] = {p->bos, p->eos, p->unk, p->pad};
	for (size_t i = 0; i < ARRAY_LEN(id); i++)
		put_u32(out, (uint32_t)id[i]);
	put_u32(out, (p->add_bos ? FLAG_BOS : 0u) | (p->add_eos ? FLAG_EOS : 0u));
	put_u32(out, (uint32_t)p->nend);
	for (int i = 0; i < p->nend; i++)
		put_u32(out, (uint32_t)p->end[i]);
}

uint64_t parts_hash(const struct tokenizer_parts *p)
{
	struct str b = {0};
	int suits = llama2c_tok_suits(p); /* the same ids as such a file gives: the same hash */
	if (suits)
		llama2c_tok_write(p, &b);
	else
		write_text_part(p, &b);
	uint64_t h = b.failed ? 0 : text_hash(suits ? 2 : 3, b.s, b.len);
	str_done(&b);
	return h;
}

struct reader {
	const unsigned char *p;
	size_t n, at;
	const char *name;
	struct err *e;
};

static int need(struct reader *r, uint64_t n, const char *what)
{
	if (n <= r->n - r->at)
		return 0;
	return err_set(r->e, ERR_FORMAT, "tokenizer: %s: %s: %llu bytes are needed, %zu are left (truncated?)", r->name, what, (unsigned long long)n, r->n - r->at);
}

static int read_pieces(struct tokenizer_parts *p, struct reader *r, uint32_t vocab, uint32_t nmerge, uint64_t nbytes)
{
	int by_score = p->algorithm == TOKENIZER_BY_SCORE;
	if (vocab > TOKENIZER_VOCAB_MAX || nmerge > TOKENIZER_VOCAB_MAX)
		return err_set(r->e, ERR_FORMAT, "tokenizer: %s: %u ids and %u merges, at most %d can be", r->name, vocab, nmerge, TOKENIZER_VOCAB_MAX);
	uint64_t fixed = (uint64_t)vocab * (by_score ? 9 : 5) + (uint64_t)nmerge * 8;
	if (need(r, fixed, "ids") || need(r, nbytes, "pieces") || need(r, fixed + nbytes, "pieces"))
		return ERR_FORMAT;
	const unsigned char *type = r->p + r->at, *len = type + vocab, *score = len + 4 * (size_t)vocab;
	const unsigned char *merge = by_score ? score + 4 * (size_t)vocab : score, *s = merge + 8 * (size_t)nmerge;
	int rc = 0;
	for (uint32_t i = 0; i < vocab && !rc; i++) {
		uint32_t k = get_u32(len + 4 * (size_t)i), bits = by_score ? get_u32(score + 4 * (size_t)i) : 0;
		float x;
		memcpy(&x, &bits, sizeof x);
		if (k > nbytes)
			return err_set(r->e, ERR_FORMAT, "tokenizer: %s: id %u is %u bytes long, %llu are left", r->name, i, k, (unsigned long long)nbytes);
		rc = tokenizer_parts_add(p, (const char *)s, k, x, type[i], r->e);
		s += k;
		nbytes -= k;
	}
	if (!rc && nbytes)
		return err_set(r->e, ERR_FORMAT, "tokenizer: %s: %llu bytes of pieces belong to no id", r->name, (unsigned long long)nbytes);
	if (!rc && mem_grow(&p->merge, &p->cap_merge, (size_t)nmerge + 1, sizeof *p->merge))
		rc = err_nomem(r->e, "tokenizer", (size_t)nmerge * sizeof *p->merge);
	for (uint32_t i = 0; i < nmerge && !rc; i++)
		for (int k = 0; k < 2; k++)
			p->merge[i][k] = (int)MIN(get_u32(merge + 8 * (size_t)i + 4 * k), (uint32_t)INT32_MAX);
	p->nmerge = (int)nmerge;
	r->at = (size_t)(s - r->p);
	return rc;
}

static int read_special(struct tokenizer_parts *p, struct reader *r)
{
	if (need(r, 24, "special ids"))
		return ERR_FORMAT;
	const unsigned char *s = r->p + r->at;
	p->bos = (int)get_u32(s);
	p->eos = (int)get_u32(s + 4);
	p->unk = (int)get_u32(s + 8);
	p->pad = (int)get_u32(s + 12);
	p->add_bos = (get_u32(s + 16) & FLAG_BOS) != 0;
	p->add_eos = (get_u32(s + 16) & FLAG_EOS) != 0;
	uint32_t nend = get_u32(s + 20);
	r->at += 24;
	if (nend > TOKENIZER_ENDS || r->n - r->at != 4 * (size_t)nend)
		return err_set(r->e, ERR_FORMAT, "tokenizer: %s: ends: %u ids (at most %d) do not fit its last %zu bytes", r->name, nend, TOKENIZER_ENDS, r->n - r->at);
	for (p->nend = 0; p->nend < (int)nend; p->nend++)
		p->end[p->nend] = (int)get_u32(r->p + r->at + 4 * (size_t)p->nend);
	return 0;
}

int parts_read(struct tokenizer_parts *p, const unsigned char *data, size_t n, const char *name, struct err *e)
{
	struct reader r = {data, n, PARTS_HEAD, name, e};
	if (n < PARTS_HEAD)
		return err_set(e, ERR_FORMAT, "tokenizer: %s: %zu bytes of parts, at least %d are needed (truncated?)", name, n, PARTS_HEAD);
	if (get_u32(data) > TOKENIZER_BY_MERGES || get_u32(data + 4) >= TOKENIZER_NSPLIT)
		return err_set(e, ERR_FORMAT, "tokenizer: %s: algorithm %u, split %u: unknown (a newer program's?)", name, get_u32(data), get_u32(data + 4));
	p->algorithm = (enum tokenizer_algorithm)get_u32(data);
	p->split = (enum tokenizer_split)get_u32(data + 4);
	p->nfc = (get_u32(data + 8) & FLAG_NFC) != 0;
	p->ignore_merges = (get_u32(data + 8) & FLAG_WHOLE) != 0;
	p->blank = (get_u32(data + 8) & FLAG_BLANK) != 0;
	int rc = read_pieces(p, &r, get_u32(data + 12), get_u32(data + 16), get_u64(data + 24));
	rc = rc ? rc : read_special(p, &r);
	return rc ? vocab_err_name(e, name) : 0;
}

/* --- the whole --- */

static int write_body(const struct tokenizer *t, struct str *out, struct err *e)
{
	if (t->info.kind == TOKENIZER_LLAMA2C) {
		str_add(out, t->raw, t->nraw);
		return 0;
	}
	if (t->info.kind == TOKENIZER_BPE) {
		put_u32(out, (uint32_t)t->nmerge);
		for (int i = 0; i < t->nmerge; i++) {
			put_u32(out, (uint32_t)t->merge[i][0]);
			put_u32(out, (uint32_t)t->merge[i][1]);
		}
		return 0;
	}
	struct tokenizer_parts p;
	int rc = tokenizer_parts_of(t, &p, e);
	if (!rc)
		parts_write(&p, out);
	tokenizer_parts_done(&p);
	return rc;
}

int tokenizer_pack(const struct tokenizer *t, unsigned char **out, size_t *n, struct err *e)
{
	struct str body = {0}, all = {0};
	*out = NULL;
	*n = 0;
	int rc = write_body(t, &body, e);
	if (!rc) {
		str_add(&all, magic, sizeof magic);
		put_u32(&all, PACK_VERSION);
		put_u32(&all, (uint32_t)t->info.kind);
		put_u64(&all, body.len);
		str_add(&all, body.s, body.len);
		if (!all.failed)
			put_u32(&all, crc32c(0, all.s, all.len));
		if (body.failed || all.failed)
			rc = err_nomem(e, "tokenizer", PACK_HEAD + body.len);
	}
	str_done(&body);
	if (rc) {
		str_done(&all);
		return rc;
	}
	*out = (unsigned char *)all.s;
	*n = all.len;
	return 0;
}

static struct tokenizer *parse_merges(const unsigned char *p, size_t n, const char *name, struct err *e)
{
	uint32_t count = n >= 4 ? get_u32(p) : 0;
	if (n < 4 || count > 1u << 20 || n != 4 + (size_t)count * 8) {
		err_set(e, ERR_FORMAT, "tokenizer: %s: %u merges do not fit its %zu bytes", name, count, n);
		return NULL;
	}
	int (*merge)[2] = mem_zalloc(count, sizeof *merge);
	struct tokenizer *t = NULL;
	if (!merge)
		err_nomem(e, "tokenizer", (unsigned long long)count * sizeof *merge);
	else {
		for (uint32_t i = 0; i < count; i++) {
			uint32_t a = get_u32(p + 4 + 8 * (size_t)i), b = get_u32(p + 8 + 8 * (size_t)i);
			merge[i][0] = a > INT32_MAX ? -1 : (int)a;
			merge[i][1] = b > INT32_MAX ? -1 : (int)b;
		}
		t = bpe_new((const int(*)[2])merge, (int)count, e);
	}
	free(merge);
	return t;
}

static struct tokenizer *parse_parts(const unsigned char *p, size_t n, const char *name, struct err *e)
{
	struct tokenizer_parts parts;
	tokenizer_parts_init(&parts);
	struct tokenizer *t = parts_read(&parts, p, n, name, e) ? NULL : tokenizer_new(&parts, name, e);
	tokenizer_parts_done(&parts);
	return t;
}

static struct tokenizer *parse_ours(const unsigned char *p, size_t n, const char *name, struct err *e)
{
	uint64_t body = n >= PACK_HEAD + 4 ? get_u64(p + 16) : 0;
	uint32_t version = n >= PACK_HEAD ? get_u32(p + 8) : 0, kind = n >= PACK_HEAD ? get_u32(p + 12) : 0;
	if (n < PACK_HEAD + 4 || body != n - PACK_HEAD - 4)
		err_set(e, ERR_FORMAT, "tokenizer: %s: %zu bytes, its header promises another length (truncated?)", name, n);
	else if (version != PACK_VERSION)
		err_set(e, ERR_FORMAT, "tokenizer: %s: version %u, this program reads %d", name, version, PACK_VERSION);
	else if (crc32c(0, p, n - 4) != get_u32(p + n - 4))
		err_set(e, ERR_FORMAT, "tokenizer: %s: checksum does not match (damaged)", name);
	else if (kind == TOKENIZER_BPE)
		return parse_merges(p + PACK_HEAD, (size_t)body, name, e);
	else if (kind == TOKENIZER_LLAMA2C)
		return llama2c_tok_parse(p + PACK_HEAD, (size_t)body, name, e);
	else if (kind == TOKENIZER_PARTS)
		return parse_parts(p + PACK_HEAD, (size_t)body, name, e);
	else
		err_set(e, ERR_FORMAT, "tokenizer: %s: kind %u is unknown", name, kind);
	return NULL;
}

struct tokenizer *tokenizer_unpack(const unsigned char *data, size_t n, const char *name, struct err *e)
{
	if (n >= sizeof magic && !memcmp(data, magic, sizeof magic))
		return parse_ours(data, n, name, e);
	return llama2c_tok_parse(data, n, name, e);
}
