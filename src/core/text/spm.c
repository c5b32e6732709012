/* spm.c: SentencePiece's BPE by score with byte fallback: the encoding of a part of text. Files are read elsewhere (llama2c_tok.c, spm_model.c).
 *
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

enum { PART_MAX = 1 << 27 };

/* A code point, or one byte that is no UTF-8 (told apart by its value: 0x110000 + byte). */
static size_t point_at(const char *s, size_t n, uint32_t *cp)
{
	int k = utf8_decode(s, n, cp);
	if (k > 0)
		return (size_t)k;
	*cp = 0x110000u + (unsigned char)*s;
	return 1;
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

int spm_add_piece(struct tokenizer *t, const char *s, size_t n, float score, enum tokenizer_type type)
{
	int id = (int)t->noff;
	if (mem_grow(&t->score, &t->cap_score, (size_t)id + 1, sizeof *t->score))
		return -1;
	t->score[id] = score;
	if (vocab_add_piece(t, s, n, type))
		return -1;
	if (type == TOKENIZER_BYTE) {
		int byte = spm_byte_of_piece(s, n);
		if (byte >= 0 && t->byte_id[byte] < 0)
			t->byte_id[byte] = id;
		return 0;
	}
	if (type != TOKENIZER_NORMAL || n == 0)
		return 0;
	return vocab_index(t, id) || add_joints(t, s, n) ? -1 : 0;
}

static int check_piece(const struct tokenizer_parts *p, int id, const char *name, struct err *e)
{
	const char *s = p->bytes.s + p->off[id];
	size_t n = p->off[id + 1] - p->off[id];
	if (isnan(p->score[id]))
		return err_set(e, ERR_FORMAT, "tokenizer: %s: id %d has no score", name, id);
	if (p->type[id] == TOKENIZER_BYTE && spm_byte_of_piece(s, n) < 0)
		return err_set(e, ERR_FORMAT, "tokenizer: %s: id %d, \"%.*s\": a byte's piece must be <0x00> to <0xFF>", name, id, (int)MIN(n, 40), s);
	return 0;
}

struct tokenizer *spm_new(const struct tokenizer_parts *p, const char *name, struct err *e)
{
	struct tokenizer *t = mem_zalloc(1, sizeof *t);
	int rc = t ? 0 : err_nomem(e, "tokenizer", sizeof *t), nbyte = 0;
	for (int b = 0; t && b < 256; b++)
		t->byte_id[b] = -1;
	for (int id = 0; id < p->vocab && !rc; id++) {
		rc = check_piece(p, id, name, e);
		if (!rc && spm_add_piece(t, p->bytes.s + p->off[id], p->off[id + 1] - p->off[id], p->score[id], p->type[id]))
			rc = err_nomem(e, "tokenizer", p->bytes.len);
	}
	for (int b = 0; !rc && b < 256; b++)
		nbyte += t->byte_id[b] >= 0;
	if (!rc && nbyte < 256 && p->unk < 0)
		rc = err_set(e, ERR_FORMAT, "tokenizer: %s: %d of the 256 bytes have a piece and there is no unknown piece: not all text could be encoded", name, nbyte);
	if (rc) {
		tokenizer_free(t);
		return NULL;
	}
	t->algorithm = TOKENIZER_BY_SCORE;
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
	int id = vocab_find(m->t, m->s + m->sym[left].at, len);
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
		if (add_id(out, id < 0 ? t->unk : id)) /* without byte ids: <unk> */
			return -1;
	}
	return 0;
}

int spm_part_ids(const struct tokenizer *t, const char *s, size_t n, struct ids *out, struct err *e)
{
	uint32_t cp;
	size_t len = point_at(s, n, &cp);
	int id = vocab_find(t, s, n);
	if (len == n) /* one code point: nothing to merge */
		return (id >= 0 ? add_id(out, id) : add_bytes(t, s, n, out)) ? err_nomem(e, "tokenizer", out->n * sizeof *out->id) : 0;
	if (n > PART_MAX)
		return err_set(e, ERR_RANGE, "tokenizer: %zu bytes of text that this vocabulary can not divide: at most %d", n, PART_MAX);
	struct merger m = {.t = t, .s = s, .sym = mem_zalloc(n, sizeof *m.sym)};
	int nsym = 0, bad = !m.sym;
	for (size_t i = 0; i < n && !bad; i += len, nsym++) {
		len = point_at(s + i, n - i, &cp);
		id = vocab_find(t, s + i, len);
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
