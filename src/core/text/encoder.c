/* encoder.c: text to ids, piece by piece, remembering the ids of short pieces. All kinds of tokenizer.
 *
 * Text of a tokenizer made from parts goes through a window: up to the next control or user piece, to bytes that are no UTF-8, or to the window's end; there it is
 * brought into normal form and cut. A cut near the window's end could fall elsewhere if the text behind it were seen, so what is not certain is left for the next window.
 * Bytes that are no UTF-8 are pieces of their own: a run of them ends the piece before it, and the text behind it begins as a new text does.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "text/hash.h"
#include "text/nfc.h"
#include "text/split.h"
#include "text/splitter.h"
#include "text/vocab.h"

enum {
	MEMO_SLOTS = 1 << 13, MEMO_KEY = 22, MEMO_IDS = 10,
	WINDOW = 16 << 10,
	WINDOW_MAX = 4 << 20, /* what has no certain cut in so many bytes is cut at its end: memory stays bounded */
	BROKEN_MAX = 64,      /* bytes that are no UTF-8 in one piece */
};

/* One cache line. A later piece of the same slot takes its place. */
struct memo {
	unsigned char len, n; /* len 0: empty */
	char key[MEMO_KEY];
	int id[MEMO_IDS];
};

struct encoder {
	const struct tokenizer *t;
	struct split_state *split;
	struct nfc nfc;
	int special;
	struct memo memo[MEMO_SLOTS];
};

struct encoder *encoder_new(const struct tokenizer *t)
{
	struct encoder *c = mem_zalloc(1, sizeof *c);
	if (!c)
		return NULL;
	c->t = t;
	c->split = split_state_new(t->splitter);
	if (!c->split) {
		free(c);
		return NULL;
	}
	return c;
}

void encoder_free(struct encoder *c)
{
	if (!c)
		return;
	split_state_free(c->split);
	nfc_done(&c->nfc);
	free(c);
}

void encoder_take_special(struct encoder *c)
{
	c->special = 1;
}

static struct memo *memo_slot(struct encoder *c, const char *s, size_t n)
{
	return &c->memo[word_hash(s, n) & (MEMO_SLOTS - 1)];
}

static int encode_piece(const struct tokenizer *t, const char *s, size_t n, struct ids *out, struct err *e)
{
	if (t->algorithm == TOKENIZER_BY_SCORE)
		return spm_part_ids(t, s, n, out, e);
	if (t->info.kind == TOKENIZER_PARTS)
		return merges_word_ids(t, s, n, out, e);
	if (mem_grow(&out->id, &out->cap, out->n + n, sizeof *out->id))
		return err_nomem(e, "tokenizer", (out->n + n) * sizeof *out->id);
	out->n += (size_t)bpe_piece_ids(t, s, n, out->id + out->n);
	return 0;
}

static int encode_known(struct encoder *c, const char *s, size_t n, struct ids *out, struct err *e)
{
	if (n > MEMO_KEY)
		return encode_piece(c->t, s, n, out, e);
	struct memo *m = memo_slot(c, s, n);
	if (m->len != n || memcmp(m->key, s, n)) {
		size_t before = out->n;
		int rc = encode_piece(c->t, s, n, out, e);
		if (rc || out->n - before > MEMO_IDS)
			return rc;
		m->len = (unsigned char)n;
		m->n = (unsigned char)(out->n - before);
		memcpy(m->key, s, n);
		memcpy(m->id, out->id + before, m->n * sizeof *m->id);
		return 0;
	}
	if (mem_grow(&out->id, &out->cap, out->n + m->n, sizeof *out->id))
		return err_nomem(e, "tokenizer", (out->n + m->n) * sizeof *out->id);
	memcpy(out->id + out->n, m->id, m->n * sizeof *m->id);
	out->n += m->n;
	return 0;
}

/* --- the window --- */

/* How many of n bytes (more follow when `more`) are whole characters. */
static size_t valid_length(const char *s, size_t n)
{
	uint32_t cp;
	size_t i = 0;
	for (int k; i < n; i += (size_t)k) {
		k = (unsigned char)s[i] < 0x80 ? 1 : utf8_decode(s + i, n - i, &cp);
		if (k <= 0)
			break;
	}
	return i;
}

static size_t broken_length(const char *s, size_t n)
{
	uint32_t cp;
	size_t i = 1;
	while (i < n && i < BROKEN_MAX && utf8_decode(s + i, n - i, &cp) <= 0)
		i++;
	return i;
}

/* Where the last character of s begins that is a start for the normal form (`starts`), or no blank. 0: nowhere behind the first. */
static size_t last_character(const char *s, size_t n, int starts)
{
	for (size_t i = n; i > 0;) {
		uint32_t cp = ' ';
		for (i--; i > 0 && ((unsigned char)s[i] & 0xc0) == 0x80;)
			i--;
		utf8_decode(s + i, n - i, &cp);
		if (starts ? nfc_is_start(cp) : !split_is_space(cp))
			return i;
	}
	return 0;
}

/* The stretch at s that a window takes: *hard when its end is one for cuts too. */
static size_t stretch(const struct encoder *c, const char *s, size_t n, size_t size, int *hard)
{
	size_t k = MIN(n, size), valid;
	*hard = k == n;
	valid = added_find(c->t, s, k, n, c->special);
	*hard |= valid < k;
	k = valid;
	valid = valid_length(s, k);
	if (valid < k) {
		uint32_t cp;
		if (*hard || utf8_decode(s + valid, n - valid, &cp) <= 0)
			*hard = 1; /* no UTF-8; else a character that the window cuts */
		k = valid;
	}
	if (!*hard && c->t->nfc)
		k = last_character(s, k, 1);
	return k;
}

/* Encodes what is certain of the n bytes at s, which is what the window holds; how many bytes of the text that was, 0: nothing is. */
static int cut_window(struct encoder *c, const char *s, size_t n, int hard, size_t *used, struct ids *out, struct err *e)
{
	*used = 0;
	c->nfc.s = s;
	c->nfc.n = n;
	c->nfc.nchange = 0;
	if (c->t->nfc && nfc_run(&c->nfc, s, n))
		return err_nomem(e, "tokenizer", n * 8);
	s = c->nfc.s;
	n = c->nfc.n;
	/* No expression looks past the first character behind a run of one class, and no run goes over both a blank and something else but in its first and last
	 * characters: a piece that ends before the last character that is no blank would end there whatever follows. */
	size_t certain = hard ? n : last_character(s, n, 0), kept = out->n;
	for (size_t at = 0, end; at < n; at = end) {
		end = split_state_next(c->split, s, n, at);
		if (end > certain)
			break;
		int rc = encode_known(c, s + at, end - at, out, e);
		if (rc)
			return rc;
		long long back = nfc_back(&c->nfc, end);
		if (back >= 0) { /* else the text can not be taken up again here */
			*used = (size_t)back;
			kept = out->n;
		}
	}
	out->n = kept;
	return 0;
}

static int run_window(struct encoder *c, const char *s, size_t n, size_t *used, struct ids *out, struct err *e)
{
	for (size_t size = WINDOW;; size *= 4) {
		int hard, last = size >= WINDOW_MAX;
		size_t k = stretch(c, s, n, size, &hard);
		int rc = k ? cut_window(c, s, k, hard || last, used, out, e) : 0;
		if (rc || (k && *used))
			return rc;
		if (!k && (hard || last)) { /* nothing that is text: a run of other bytes, or marks without end */
			*used = hard ? broken_length(s, n) : valid_length(s, size);
			return encode_known(c, s, *used, out, e);
		}
	}
}

static int run_parts(struct encoder *c, const char *s, size_t n, size_t *used, struct ids *out, struct err *e)
{
	int id = c->t->added.n ? added_at(c->t, s, n, c->special) : -1;
	if (id >= 0) {
		*used = c->t->off[id + 1] - c->t->off[id];
		if (mem_grow(&out->id, &out->cap, out->n + 1, sizeof *out->id))
			return err_nomem(e, "tokenizer", out->n * sizeof *out->id);
		out->id[out->n++] = id;
		return 0;
	}
	if (c->t->algorithm == TOKENIZER_BY_MERGES)
		return run_window(c, s, n, used, out, e);
	size_t k = spm_next(c->t, s, n), free_of = added_find(c->t, s, k, n, c->special);
	*used = free_of < k ? spm_next(c->t, s, free_of) : k;
	return encode_known(c, s, *used, out, e);
}

int encoder_run(struct encoder *c, const char *text, size_t n, size_t *pos, size_t want, struct ids *out, struct err *e)
{
	const struct tokenizer *t = c->t;
	for (size_t end = want < n - *pos ? *pos + want : n; *pos < end;) {
		const char *s = text + *pos;
		size_t k = 0;
		int rc;
		if (t->info.kind == TOKENIZER_PARTS) {
			rc = run_parts(c, s, n - *pos, &k, out, e);
		} else {
			k = t->algorithm == TOKENIZER_BY_MERGES ? split_next(s, n - *pos) : spm_next(t, s, n - *pos);
			rc = encode_known(c, s, k, out, e);
		}
		if (rc)
			return rc;
		*pos += k;
	}
	return 0;
}

/* Something that is no blank in any way of cutting, and no mark on what stands before it. */
static int begins_line(const char *s, size_t n)
{
	uint32_t cp = (unsigned char)*s;
	if (cp >= 0x80 && utf8_decode(s, n, &cp) <= 0)
		return 0;
	return cp > ' ' && !split_is_space(cp) && (cp < 0x80 || nfc_is_start(cp));
}

size_t encoder_cut(const struct tokenizer *t, const char *text, size_t n, size_t at, size_t within)
{
	int merges = t->info.kind == TOKENIZER_PARTS && t->algorithm == TOKENIZER_BY_MERGES;
	if (merges && t->split == TOKENIZER_SPLIT_NONE)
		return 0;
	for (size_t p = MAX(at, 1), end = at + MIN(within, n - at); p < end; p++) {
		const char *nl = memchr(text + p - 1, '\n', end - p);
		if (!nl)
			break;
		p = (size_t)(nl - text) + 1;
		/* GPT-2 takes the last of several blanks for itself, if a word follows; at the end of a text it does not. */
		if (merges && t->split == TOKENIZER_SPLIT_GPT2 && (nl == text || (unsigned char)nl[-1] <= ' ' || (unsigned char)nl[-1] >= 0x80))
			continue;
		if (begins_line(nl + 1, n - p) && (t->algorithm != TOKENIZER_BY_SCORE || spm_next(t, nl, n - p + 1) == 1))
			return p;
	}
	return 0;
}
