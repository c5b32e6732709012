/* spm.c: llama2.c's tokenizer.bin: SentencePiece BPE by score with byte fallback. Reading the file, and the encoding of a part of text.
 *
 * Format: u32 longest piece, then for each id f32 score, i32 length, bytes; no count. Ids 0, 1, 2 are <unk>, <s>, </s>; <0xHH> are the bytes.
 * Encoding: each code point is looked up, or becomes byte ids; then the neighbours whose joined text is the piece of highest score are merged, the
 * leftmost of equals first, until nothing merges. That rule looks at the whole text; what makes it fast and still exact: two code points that stand side by
 * side in no piece of the vocabulary can never come into one id, so the text falls into parts between which nothing happens. Inside a part
 * a heap finds the next merge. Control and byte pieces are never found in text.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "text/hash.h"
#include "text/vocab.h"

enum { FIRST_ORDINARY = 3, PART_MAX = 1 << 27 };

/* A code point, or one byte that is no UTF-8 (told apart by its value: 0x110000 + byte). */
static size_t point_at(const char *s, size_t n, uint32_t *cp)
{
	int k = utf8_decode(s, n, cp);
	if (k > 0)
		return (size_t)k;
	*cp = 0x110000u + (unsigned char)*s;
	return 1;
}

static uint32_t u32_at(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t piece_key(const char *s, size_t n)
{
	uint64_t h = text_hash(7, s, n);
	return h ? h : 1;
}

static int find_piece(const struct tokenizer *t, const char *s, size_t n)
{
	int id = idmap_get(&t->text, piece_key(s, n));
	return id >= 0 && t->off[id + 1] - t->off[id] == n && !memcmp(t->bytes + t->off[id], s, n) ? id : -1;
}

int spm_byte_of_piece(const char *s, size_t n)
{
	if (n != 6 || memcmp(s, "<0x", 3) || s[5] != '>')
		return -1;
	int v = 0;
	for (int i = 3; i < 5; i++) {
		const char *hex = "0123456789ABCDEF", *at = memchr(hex, s[i], 16);
		if (!at)
			return -1;
		v = v * 16 + (int)(at - hex);
	}
	return v;
}

static int add_joints(struct tokenizer *t, const char *s, size_t n)
{
	uint32_t a, b;
	for (size_t i = point_at(s, n, &a), k; i < n; i += k, a = b) {
		k = point_at(s + i, n - i, &b);
		if (a < 128 && b < 128)
			t->joint_ascii[a][b / 64] |= 1ull << b % 64;
		else if (idmap_put(&t->joint, pair_key((int)a, (int)b), 1))
			return -1;
	}
	return 0;
}

static int joined(const struct tokenizer *t, uint32_t a, uint32_t b)
{
	if (a < 128 && b < 128)
		return (int)(t->joint_ascii[a][b / 64] >> b % 64 & 1);
	return idmap_get(&t->joint, pair_key((int)a, (int)b)) >= 0;
}

static int add_piece(struct tokenizer *t, const char *s, size_t n, float score)
{
	int id = (int)t->noff, byte = spm_byte_of_piece(s, n);
	size_t cap = (size_t)id;
	if (cap % 4096 == 0) {
		float *more = realloc(t->score, (cap + 4096) * sizeof *more);
		if (!more)
			return -1;
		t->score = more;
	}
	t->score[id] = score;
	if (vocab_add_piece(t, s, n))
		return -1;
	if (id < FIRST_ORDINARY || n == 0)
		return 0;
	if (byte >= 0) {
		if (t->byte_id[byte] < 0)
			t->byte_id[byte] = id;
		return 0;
	}
	uint64_t key = piece_key(s, n);
	if (idmap_get(&t->text, key) < 0 && idmap_put(&t->text, key, id))
		return -1;
	return add_joints(t, s, n);
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
	if (id >= 1u << 24)
		return err_set(e, ERR_FORMAT, "tokenizer: %s: more than %u ids", name, 1u << 24);
	if (add_piece(t, (const char *)d + *at, len, score))
		return err_nomem(e, "tokenizer", n);
	*at += len;
	return 0;
}

static int parse(struct tokenizer *t, const unsigned char *d, size_t n, const char *name, struct err *e)
{
	uint32_t longest = n >= 4 ? u32_at(d) : 0;
	if (n < 4 || longest < 1 || longest > 1u << 16)
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

struct tokenizer *spm_parse(const unsigned char *data, size_t n, const char *name, struct err *e)
{
	struct tokenizer *t = mem_zalloc(1, sizeof *t);
	if (!t) {
		err_nomem(e, "tokenizer", sizeof *t);
		return NULL;
	}
	for (int b = 0; b < 256; b++)
		t->byte_id[b] = -1;
	t->info.kind = TOKENIZER_LLAMA2C; /* before parse: free looks at it */
	if (parse(t, data, n, name, e)) {
		tokenizer_free(t);
		return NULL;
	}
	t->info.vocab = (int)t->noff;
	t->info.bos = 1;
	t->info.eos = 2;
	t->info.hash = text_hash(2, data, n);
	snprintf(t->info.name, sizeof t->info.name, "llama2c %d", t->info.vocab);
	return t;
}

size_t spm_next(const struct tokenizer *t, const char *s, size_t n)
{
	uint32_t a, b;
	size_t i = point_at(s, n, &a);
	while (i < n) {
		size_t k = point_at(s + i, n - i, &b);
		if (!joined(t, a, b))
			break;
		a = b;
		i += k;
	}
	return i;
}

/* --- merging inside a part --- */

struct symbol {
	int id;             /* -1: swallowed by the one before it */
	int left, right;    /* neighbours, -1 at the ends */
	uint32_t at, len;   /* bytes of the part */
};

struct chance {
	float score;
	int left, right;
	int id;             /* of the merged piece */
	uint32_t len;       /* of it: differs from what is there now when the chance is gone */
};

struct merger {
	const struct tokenizer *t;
	const char *s;
	struct symbol *sym;
	struct chance *heap;
	size_t n, cap;
	int failed;
};

static int better(const struct chance *a, const struct chance *b)
{
	return a->score != b->score ? a->score > b->score : a->left < b->left;
}

static void push(struct merger *m, struct chance x)
{
	if (mem_grow(&m->heap, &m->cap, m->n + 1, sizeof *m->heap)) {
		m->failed = 1;
		return;
	}
	size_t i = m->n++;
	for (; i && better(&x, &m->heap[(i - 1) / 2]); i = (i - 1) / 2)
		m->heap[i] = m->heap[(i - 1) / 2];
	m->heap[i] = x;
}

static struct chance pop(struct merger *m)
{
	struct chance top = m->heap[0], x = m->heap[--m->n];
	size_t i = 0;
	for (size_t c; (c = 2 * i + 1) < m->n; i = c) {
		c += c + 1 < m->n && better(&m->heap[c + 1], &m->heap[c]);
		if (!better(&m->heap[c], &x))
			break;
		m->heap[i] = m->heap[c];
	}
	m->heap[i] = x;
	return top;
}

static void try_pair(struct merger *m, int left, int right)
{
	if (left < 0 || right < 0 || !m->sym[left].len || !m->sym[right].len)
		return;
	uint32_t len = m->sym[left].len + m->sym[right].len;
	int id = find_piece(m->t, m->s + m->sym[left].at, len);
	if (id >= 0 && m->t->score[id] > -1e10f)
		push(m, (struct chance){m->t->score[id], left, right, id, len});
}

static void merge_all(struct merger *m)
{
	while (m->n && !m->failed) {
		struct chance x = pop(m);
		struct symbol *l = &m->sym[x.left], *r = &m->sym[x.right];
		if (l->id < 0 || r->id < 0 || l->len + r->len != x.len)
			continue;
		l->id = x.id;
		l->len = x.len;
		l->right = r->right;
		r->id = -1;
		if (l->right >= 0)
			m->sym[l->right].left = x.left;
		try_pair(m, l->left, x.left);
		try_pair(m, x.left, l->right);
	}
}

static int add_id(struct ids *out, int id)
{
	if (mem_grow(&out->id, &out->cap, out->n + 1, sizeof *out->id))
		return -1;
	out->id[out->n++] = id;
	return 0;
}

static int add_bytes(const struct tokenizer *t, const char *s, size_t n, struct ids *out)
{
	for (size_t i = 0; i < n; i++) {
		int id = t->byte_id[(unsigned char)s[i]];
		if (add_id(out, id < 0 ? 0 : id)) /* without byte ids: <unk> */
			return -1;
	}
	return 0;
}

int spm_part_ids(const struct tokenizer *t, const char *s, size_t n, struct ids *out, struct err *e)
{
	uint32_t cp;
	size_t len = point_at(s, n, &cp);
	int id = find_piece(t, s, n);
	if (len == n) /* one code point: nothing to merge */
		return (id >= 0 ? add_id(out, id) : add_bytes(t, s, n, out)) ? err_nomem(e, "tokenizer", out->n * sizeof *out->id) : 0;
	if (n > PART_MAX)
		return err_set(e, ERR_RANGE, "tokenizer: %zu bytes of text that this vocabulary can not divide: at most %d", n, PART_MAX);
	struct merger m = {.t = t, .s = s, .sym = mem_zalloc(n, sizeof *m.sym)};
	int nsym = 0, bad = !m.sym;
	for (size_t i = 0; i < n && !bad; i += len, nsym++) {
		len = point_at(s + i, n - i, &cp);
		id = find_piece(t, s + i, len);
		m.sym[nsym] = (struct symbol){id < 0 ? 0 : id, nsym - 1, i + len < n ? nsym + 1 : -1, (uint32_t)i, (uint32_t)len};
		if (id < 0)
			m.sym[nsym].len = 0; /* byte ids join with nothing */
	}
	for (int i = 0; i + 1 < nsym; i++)
		try_pair(&m, i, i + 1);
	merge_all(&m);
	for (int i = 0; i >= 0 && nsym && !bad; i = m.sym[i].right)
		if (m.sym[i].len) {
			bad = add_id(out, m.sym[i].id);
		} else {
			len = point_at(s + m.sym[i].at, n - m.sym[i].at, &cp);
			bad = add_bytes(t, s + m.sym[i].at, len, out);
		}
	bad |= m.failed;
	free(m.sym);
	free(m.heap);
	return bad ? err_nomem(e, "tokenizer", n * sizeof *m.sym) : 0;
}
