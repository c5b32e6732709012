/* tokenizer.c: the outward side of tokenizers: files, bytes, encoding, pieces. Training is in bpe_train.c, the kinds in bpe.c and spm.c.
 *
 * Our file, little-endian: "ANETOKEN", u32 version 1, u32 kind, u64 bytes of payload, payload, u32 CRC-32C of all before it. Payload of our BPE: u32
 * number of merges, then u32 a, u32 b for each; of a llama2.c tokenizer: its file as it was.
 * SPDX-License-Identifier: MIT */
#include "text/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/save.h"
#include "text/split.h"
#include "text/vocab.h"

static const char magic[8] = {'A', 'N', 'E', 'T', 'O', 'K', 'E', 'N'};
enum { PACK_VERSION = 1, PACK_HEAD = 24 };

void ids_done(struct ids *v)
{
	free(v->id);
	*v = (struct ids){0};
}

void tokenizer_free(struct tokenizer *t)
{
	if (!t)
		return;
	free(t->bytes);
	free(t->off);
	free(t->merge);
	idmap_done(&t->pair);
	free(t->score);
	idmap_done(&t->text);
	idmap_done(&t->joint);
	free(t->raw);
	free(t);
}

const struct tokenizer_info *tokenizer_info(const struct tokenizer *t)
{
	return &t->info;
}

static void put_u32(unsigned char *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (unsigned char)(v >> 8 * i);
}

static uint32_t get_u32(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

int tokenizer_pack(const struct tokenizer *t, unsigned char **out, size_t *n, struct err *e)
{
	int ours = t->info.kind == TOKENIZER_BPE, nmerge = ours ? t->info.vocab - 257 : 0;
	size_t body = ours ? 4 + (size_t)nmerge * 8 : t->nraw;
	unsigned char *p = *out = malloc(PACK_HEAD + body + 4);
	if (!p)
		return err_nomem(e, "tokenizer", PACK_HEAD + body + 4);
	memcpy(p, magic, sizeof magic);
	put_u32(p + 8, PACK_VERSION);
	put_u32(p + 12, (uint32_t)t->info.kind);
	put_u32(p + 16, (uint32_t)body);
	put_u32(p + 20, (uint32_t)((uint64_t)body >> 32));
	if (ours) {
		put_u32(p + PACK_HEAD, (uint32_t)nmerge);
		for (int i = 0; i < nmerge; i++) {
			put_u32(p + PACK_HEAD + 4 + 8 * i, (uint32_t)t->merge[i][0]);
			put_u32(p + PACK_HEAD + 8 + 8 * i, (uint32_t)t->merge[i][1]);
		}
	} else {
		memcpy(p + PACK_HEAD, t->raw, t->nraw);
	}
	put_u32(p + PACK_HEAD + body, crc32c(0, p, PACK_HEAD + body));
	*n = PACK_HEAD + body + 4;
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

static struct tokenizer *parse_ours(const unsigned char *p, size_t n, const char *name, struct err *e)
{
	uint64_t body = n >= PACK_HEAD + 4 ? get_u32(p + 16) | (uint64_t)get_u32(p + 20) << 32 : 0;
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
		return spm_parse(p + PACK_HEAD, (size_t)body, name, e);
	else
		err_set(e, ERR_FORMAT, "tokenizer: %s: kind %u is unknown", name, kind);
	return NULL;
}

struct tokenizer *tokenizer_parse(const void *data, size_t n, const char *name, struct err *e)
{
	if (n >= sizeof magic && !memcmp(data, magic, sizeof magic))
		return parse_ours(data, n, name, e);
	return spm_parse(data, n, name, e);
}

struct tokenizer *tokenizer_load(const char *path, struct err *e)
{
	struct file_map m;
	if (file_map(&m, path, "tokenizer", e))
		return NULL;
	struct tokenizer *t = tokenizer_parse(m.data ? m.data : (const unsigned char *)"", m.size, path, e);
	file_unmap(&m);
	const char *slash = strrchr(path, '/');
	if (t && t->info.kind == TOKENIZER_LLAMA2C)
		snprintf(t->info.name, sizeof t->info.name, "%.60s", slash ? slash + 1 : path);
	return t;
}

int tokenizer_save(const struct tokenizer *t, const char *path, struct err *e)
{
	if (t->info.kind == TOKENIZER_LLAMA2C) /* other programs read it too: as it was */
		return save_file(path, t->raw, t->nraw, e);
	unsigned char *p;
	size_t n;
	int rc = tokenizer_pack(t, &p, &n, e);
	if (!rc)
		rc = save_file(path, p, n, e);
	free(p);
	return rc;
}

/* A prompt is short: a memory for words would cost more than it saves. */
static int encode_short(const struct tokenizer *t, const char *s, size_t n, struct ids *out, struct err *e)
{
	for (size_t i = 0, k; i < n; i += k) {
		int rc = 0;
		if (t->info.kind == TOKENIZER_LLAMA2C) {
			k = spm_next(t, s + i, n - i);
			rc = spm_part_ids(t, s + i, k, out, e);
		} else {
			k = split_next(s + i, n - i);
			if (mem_grow(&out->id, &out->cap, out->n + k, sizeof *out->id))
				rc = err_nomem(e, "tokenizer", (out->n + k) * sizeof *out->id);
			else
				out->n += (size_t)bpe_piece_ids(t, s + i, k, out->id + out->n);
		}
		if (rc)
			return rc;
	}
	return 0;
}

int tokenizer_encode(const struct tokenizer *t, const char *text, size_t n, int start, struct ids *out, struct err *e)
{
	char *own = NULL;
	int rc = 0;
	if (start && n && t->info.kind == TOKENIZER_LLAMA2C) {
		if (!(own = malloc(n + 1)))
			return err_nomem(e, "tokenizer", n + 1);
		own[0] = ' ';
		memcpy(own + 1, text, n++);
		text = own;
	}
	if (n < 4096) {
		rc = encode_short(t, text, n, out, e);
	} else {
		struct encoder *c = encoder_new(t);
		size_t pos = 0;
		rc = c ? encoder_run(c, text, n, &pos, n, out, e) : err_nomem(e, "tokenizer", 1 << 20);
		encoder_free(c);
	}
	free(own);
	return rc;
}

const char *tokenizer_piece(const struct tokenizer *t, int prev, int id, size_t *n)
{
	static const char every[256] = {
#define ROW(h) h, h + 1, h + 2, h + 3, h + 4, h + 5, h + 6, h + 7, h + 8, h + 9, h + 10, h + 11, h + 12, h + 13, h + 14, h + 15
		ROW(0),	   ROW(16),  ROW(32),  ROW(48),	 ROW(64),  ROW(80),  ROW(96),  ROW(112),
		ROW(-128), ROW(-112), ROW(-96), ROW(-80), ROW(-64), ROW(-48), ROW(-32), ROW(-16),
#undef ROW
	};
	*n = 0;
	if (id < 0 || id >= t->info.vocab || id == t->info.bos || id == t->info.eos)
		return "";
	const char *s = t->bytes + t->off[id];
	*n = t->off[id + 1] - t->off[id];
	if (t->info.kind != TOKENIZER_LLAMA2C)
		return s;
	int byte = spm_byte_of_piece(s, *n);
	if (byte >= 0) {
		*n = 1;
		return &every[byte];
	}
	if (prev == t->info.bos && *n && s[0] == ' ') {
		s++;
		--*n;
	}
	return s;
}
