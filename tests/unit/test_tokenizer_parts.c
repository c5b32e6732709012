/* test_tokenizer_parts.c: tokenizers from parts and parts from tokenizers: the same ids and hash again, packed too; the plain rule of merges; parts that lie.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "base/utf8.h"
#include "support/testdata.h"
#include "text/byte_alphabet.h"
#include "text/split.h"
#include "text/splitter.h"
#include "text/tokenizer_parts.h"
#include "text/vocab.h"

static const char poem[] = "The cat sat on the mat. The cat didn't see the other cat, but the other cat saw the mat.\n\n"
			   "Ein Käfer fährt über Äste.  1234 99 \t x\n吾輩は猫である。名前はまだ無い。\n吾輩は猫である。\n";

static struct tokenizer *trained(void)
{
	struct err e = {0};
	struct tokenizer *t = tokenizer_train(poem, sizeof poem - 1, 400, NULL, &e);
	assert_non_null(t);
	return t;
}

/* Byte-level BPE with the merges of our own, a control and two user pieces, one the beginning of the other. */
static void byte_level(struct tokenizer_parts *p, enum tokenizer_split split)
{
	struct err e = {0};
	struct tokenizer *t = trained();
	assert_int_equal(tokenizer_parts_of(t, p, &e), 0);
	p->split = split;
	p->type[0] = TOKENIZER_UNUSED;
	p->bos = p->eos = -1;
	p->add_bos = 0;
	assert_int_equal(tokenizer_parts_add(p, "<|end|>", 7, 0, TOKENIZER_CONTROL, &e), 0);
	assert_int_equal(tokenizer_parts_add(p, "<think", 6, 0, TOKENIZER_USER, &e), 0);
	assert_int_equal(tokenizer_parts_add(p, "<think>", 7, 0, TOKENIZER_USER, &e), 0);
	p->eos = p->vocab - 3;
	tokenizer_free(t);
}

static struct tokenizer *made(const struct tokenizer_parts *p)
{
	struct err e = {0};
	struct tokenizer *t = tokenizer_new(p, "test", &e);
	if (!t)
		fail_msg("%s", e.msg);
	return t;
}

static void same_tokenizer(const struct tokenizer *a, const struct tokenizer *b)
{
	const struct tokenizer_info *x = tokenizer_info(a), *y = tokenizer_info(b);
	assert_int_equal(x->kind, y->kind);
	assert_int_equal(x->vocab, y->vocab);
	assert_int_equal(x->bos, y->bos);
	assert_int_equal(x->eos, y->eos);
	assert_int_equal(x->add_bos, y->add_bos);
	assert_int_equal(x->blank, y->blank);
	assert_int_equal(x->separator, y->separator);
	assert_true(x->hash == y->hash);
	for (int id = 0; id < x->vocab; id++) {
		size_t n, m;
		const char *s = tokenizer_piece(a, -1, id, &n), *r = tokenizer_piece(b, -1, id, &m);
		assert_true(n == m && !memcmp(s, r, n));
		assert_int_equal(tokenizer_is_end(a, id), tokenizer_is_end(b, id));
	}
}

static void there_and_back(const struct tokenizer *t)
{
	struct err e = {0};
	struct tokenizer_parts p;
	assert_int_equal(tokenizer_parts_of(t, &p, &e), 0);
	struct tokenizer *back = made(&p);
	same_tokenizer(t, back);
	tokenizer_free(back);
	/* The text form of each piece and merge, as a file carries it. */
	struct tokenizer_parts q;
	struct str s = {0}, r = {0};
	tokenizer_parts_init(&q);
	q.algorithm = p.algorithm;
	for (int id = 0; id < p.vocab; id++) {
		str_clear(&s);
		tokenizer_parts_text(&p, id, &s);
		assert_int_equal(tokenizer_parts_add_text(&q, s.s ? s.s : "", s.len, p.score[id], p.type[id], &e), 0);
	}
	for (int i = 0; i < p.nmerge; i++) {
		str_clear(&s);
		tokenizer_parts_text(&p, p.merge[i][0], &s);
		str_putc(&s, ' ');
		tokenizer_parts_text(&p, p.merge[i][1], &s);
		assert_int_equal(tokenizer_parts_merge_line(&q, s.s, s.len, &e), 0);
	}
	assert_memory_equal(p.bytes.s, q.bytes.s, p.bytes.len);
	assert_memory_equal(p.off, q.off, ((size_t)p.vocab + 1) * sizeof *p.off);
	assert_int_equal(p.nmerge, q.nmerge);
	if (p.nmerge)
		assert_memory_equal(p.merge, q.merge, (size_t)p.nmerge * sizeof *p.merge);
	str_done(&s);
	str_done(&r);
	tokenizer_parts_done(&p);
	tokenizer_parts_done(&q);
	unsigned char *packed;
	size_t n;
	assert_int_equal(tokenizer_pack(t, &packed, &n, &e), 0);
	back = tokenizer_parse(packed, n, "packed", &e);
	assert_non_null(back);
	same_tokenizer(t, back);
	tokenizer_free(back);
	free(packed);
}

static void every_kind_there_and_back(void **state)
{
	(void)state;
	struct tokenizer *t = trained();
	there_and_back(t);
	tokenizer_free(t);
	for (int split = 0; split < TOKENIZER_NSPLIT; split++) {
		if (split == TOKENIZER_SPLIT_OURS)
			continue;
		struct tokenizer_parts p;
		byte_level(&p, (enum tokenizer_split)split);
		p.nfc = split == TOKENIZER_SPLIT_QWEN2;
		p.ignore_merges = split == TOKENIZER_SPLIT_LLAMA3;
		p.end[p.nend++] = 280;
		p.pad = 281;
		t = made(&p);
		assert_int_equal(tokenizer_info(t)->kind, TOKENIZER_PARTS);
		there_and_back(t);
		tokenizer_free(t);
		tokenizer_parts_done(&p);
	}
}

static void llama2c_from_parts(void **state)
{
	(void)state;
	static const char *const files[] = {"tok512.bin", "tok32000.bin"};
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct err e = {0};
		const char *path = testdata_path(files[i]);
		if (!path)
			skip();
		struct tokenizer *t = tokenizer_load(path, &e);
		assert_non_null(t);
		there_and_back(t);
		struct tokenizer_parts p;
		assert_int_equal(tokenizer_parts_of(t, &p, &e), 0);
		/* Without bos in front it is no llama2.c file any more; text has the same ids. */
		p.add_bos = 0;
		struct tokenizer *other = made(&p);
		assert_int_equal(tokenizer_info(other)->kind, TOKENIZER_PARTS);
		assert_true(tokenizer_info(other)->hash == tokenizer_info(t)->hash);
		there_and_back(other);
		/* Unused ids at the end are left out. */
		p.add_bos = 1;
		assert_int_equal(tokenizer_parts_add(&p, "[PAD]", 5, 0, TOKENIZER_UNUSED, &e), 0);
		struct tokenizer *padded = made(&p);
		same_tokenizer(t, padded);
		tokenizer_free(padded);
		p.blank = 0;
		padded = made(&p);
		assert_true(tokenizer_info(padded)->hash != tokenizer_info(t)->hash);
		tokenizer_free(padded);
		tokenizer_free(other);
		tokenizer_free(t);
		tokenizer_parts_done(&p);
	}
}

/* --- encoding --- */

static void encode(const struct tokenizer *t, const char *s, size_t n, int how, struct ids *out)
{
	struct err e = {0};
	out->n = 0;
	if (tokenizer_encode(t, s, n, how, out, &e))
		fail_msg("%s", e.msg);
}

static void assert_round(const struct tokenizer *t, const char *s, size_t n)
{
	struct ids ids = {0};
	size_t at = 0;
	encode(t, s, n, 0, &ids);
	for (size_t i = 0; i < ids.n; i++) {
		size_t k;
		const char *p = tokenizer_piece(t, -1, ids.id[i], &k);
		assert_true(at + k <= n && !memcmp(p, s + at, k));
		at += k;
	}
	assert_int_equal(at, n);
	ids_done(&ids);
}

static size_t random_text(struct rng *r, char *s, size_t n, int kind)
{
	static const uint32_t top[] = {0x80, 0x80, 0x80, 0x250, 0x3100, 0xa000, 0x20000, 0x110000};
	static const char *const bit[] = {"a", "the", " ", "  ", "\n", "\r\n", "'s", "'LL", "1", "23", "\xc2\xa0", "\xe2\x80\x83", "ä", "猫", "。", "!", "?!", "<think", ">", "<|end|>",
					  "\xff", "\xe7\x8c", "\t", "e\xcc\x81", "\xcc\x81", "\xe1\xa0\x8e"};
	size_t at = 0;
	while (at + 8 <= n)
		if (kind == 0) {
			s[at++] = (char)rng_u64(r);
		} else if (kind == 1) {
			at += (size_t)utf8_encode((uint32_t)rng_below(r, top[rng_below(r, ARRAY_LEN(top))]), s + at);
		} else {
			const char *b = bit[rng_below(r, kind == 2 ? ARRAY_LEN(bit) : 17)]; /* 3: nothing that ends a window early */
			memcpy(s + at, b, strlen(b));
			at += strlen(b);
		}
	return at;
}

static void round_trips(void **state)
{
	(void)state;
	static char s[70000];
	struct rng r;
	rng_seed(&r, 5);
	for (int split = 0; split < TOKENIZER_NSPLIT; split++) {
		if (split == TOKENIZER_SPLIT_OURS)
			continue;
		struct tokenizer_parts p;
		byte_level(&p, (enum tokenizer_split)split);
		struct tokenizer *t = made(&p);
		for (int i = 0; i < 1200; i++)
			assert_round(t, s, random_text(&r, s, 8 + (size_t)rng_below(&r, i < 1190 ? 200 : sizeof s - 8), i % 3));
		memset(s, 'a', sizeof s);
		assert_round(t, s, sizeof s);
		memset(s, ' ', sizeof s);
		assert_round(t, s, sizeof s);
		tokenizer_free(t);
		tokenizer_parts_done(&p);
	}
}

/* The rule as it stands, on one piece: the first pair of the list that is there, the leftmost of equals. */
static void plain_merges(const struct tokenizer_parts *p, const char *s, size_t n, struct ids *out)
{
	size_t from = out->n;
	assert_int_equal(mem_grow(&out->id, &out->cap, from + n, sizeof *out->id), 0);
	for (size_t i = 0; i < n; i++)
		out->id[out->n++] = 1 + (unsigned char)s[i];
	for (int i = 0; i < p->nmerge;) {
		size_t k = from;
		while (k + 1 < out->n && (out->id[k] != p->merge[i][0] || out->id[k + 1] != p->merge[i][1]))
			k++;
		if (k + 1 >= out->n) {
			i++;
			continue;
		}
		out->id[k] = 257 + i;
		memmove(out->id + k + 1, out->id + k + 2, (out->n - k - 2) * sizeof *out->id);
		out->n--;
		i = 0;
	}
}

static void merges_plain_rule(void **state)
{
	(void)state;
	struct tokenizer_parts p;
	byte_level(&p, TOKENIZER_SPLIT_NONE);
	struct tokenizer *t = made(&p);
	struct ids got = {0}, want = {0};
	struct rng r;
	rng_seed(&r, 31);
	for (int i = 0; i < 400; i++) {
		char s[300];
		size_t n = 1 + (size_t)rng_below(&r, i % 2 ? 64 : sizeof s);
		for (size_t k = 0; k < n; k++)
			s[k] = i % 4 == 3 ? poem[(k + (size_t)i) % (sizeof poem - 1)] : "the catsond  ."[rng_below(&r, 14)];
		for (size_t k = 0; k < n; k++) /* valid UTF-8: other bytes are pieces of their own */
			s[k] &= 0x7f;
		want.n = 0;
		plain_merges(&p, s, n, &want);
		encode(t, s, n, 0, &got);
		assert_int_equal(got.n, want.n);
		assert_memory_equal(got.id, want.id, got.n * sizeof *got.id);
	}
	ids_done(&got);
	ids_done(&want);
	tokenizer_free(t);
	tokenizer_parts_done(&p);
}

/* The same ids whatever the size of the parts in which a text is encoded: cuts near a window's end fall where they would. */
static void windows_do_not_show(void **state)
{
	(void)state;
	enum { N = 90000 };
	static char s[N];
	struct rng r;
	rng_seed(&r, 77);
	for (int split = TOKENIZER_SPLIT_GPT2; split < TOKENIZER_NSPLIT; split++) {
		struct tokenizer_parts p;
		byte_level(&p, (enum tokenizer_split)split);
		struct tokenizer *t = made(&p);
		for (int round = 0; round < 12; round++) {
			struct ids got = {0}, want = {0};
			size_t n = random_text(&r, s, N, round % 2 ? 3 : 2), pos = 0;
			if (round == 5)
				memset(s + 1000, ' ', 70000);
			if (round == 4)
				memset(s + 1000, 'a', 70000);
			encode(t, s, n, 0, &got);
			/* Piece by piece, with the whole text in sight. */
			struct split_state *m = split_state_new(t->splitter);
			while (pos < n) {
				struct err e = {0};
				size_t end = pos, stop;
				int id = added_at(t, s + pos, n - pos, 0);
				if (id >= 0) {
					assert_int_equal(mem_grow(&want.id, &want.cap, want.n + 1, sizeof *want.id), 0);
					want.id[want.n++] = id;
					pos += t->off[id + 1] - t->off[id];
					continue;
				}
				for (stop = pos; stop < n && added_at(t, s + stop, n - stop, 0) < 0;) {
					uint32_t cp;
					int k = utf8_decode(s + stop, n - stop, &cp);
					if (k <= 0)
						break;
					stop += (size_t)k;
				}
				if (stop == pos) {
					uint32_t cp;
					for (end = pos + 1; end < n && end - pos < 64 && utf8_decode(s + end, n - end, &cp) <= 0; end++)
						;
					assert_int_equal(merges_word_ids(t, s + pos, end - pos, &want, &e), 0);
					pos = end;
					continue;
				}
				for (size_t at = 0; at < stop - pos; at = end) {
					end = split_state_next(m, s + pos, stop - pos, at);
					assert_int_equal(merges_word_ids(t, s + pos + at, end - at, &want, &e), 0);
				}
				pos = stop;
			}
			split_state_free(m);
			assert_int_equal(got.n, want.n);
			assert_memory_equal(got.id, want.id, got.n * sizeof *got.id);
			ids_done(&got);
			ids_done(&want);
		}
		tokenizer_free(t);
		tokenizer_parts_done(&p);
	}
}

static void added_pieces(void **state)
{
	(void)state;
	struct tokenizer_parts p;
	byte_level(&p, TOKENIZER_SPLIT_QWEN2);
	struct tokenizer *t = made(&p);
	struct ids ids = {0};
	int end = p.eos;
	size_t n;
	encode(t, "a<think>b<think<|end|>", 22, 0, &ids);
	assert_int_equal(ids.id[0], 1 + 'a');
	assert_int_equal(ids.id[1], end + 2);
	assert_int_equal(ids.id[2], 1 + 'b');
	assert_int_equal(ids.id[3], end + 1);
	for (size_t i = 0; i < ids.n; i++)
		assert_int_not_equal(ids.id[i], end);
	assert_round(t, "a<think>b<think<|end|>", 22);
	encode(t, "a<think>b<think<|end|>", 22, TOKENIZE_SPECIAL, &ids);
	assert_int_equal(ids.n, 5);
	assert_int_equal(ids.id[4], end);
	assert_string_equal(tokenizer_piece(t, -1, end, &n), "");
	assert_int_equal(n, 0);
	tokenizer_piece(t, -1, end + 2, &n);
	assert_int_equal(n, 7);
	assert_true(tokenizer_is_end(t, end) && !tokenizer_is_end(t, end + 1) && !tokenizer_is_end(t, -1));
	assert_int_equal(tokenizer_info(t)->separator, end);
	ids_done(&ids);
	tokenizer_free(t);
	tokenizer_parts_done(&p);
}

static void cuts(const char *text, const char *want, enum tokenizer_split split)
{
	struct err e = {0};
	struct splitter *x;
	struct str got = {0};
	assert_int_equal(splitter_new(&x, split, &e), 0);
	struct split_state *m = split_state_new(x);
	size_t n = strlen(text);
	for (size_t at = 0, end; at < n; at = end) {
		end = split_state_next(m, text, n, at);
		str_puts(&got, at ? "|" : "");
		str_add(&got, text + at, end - at);
	}
	assert_string_equal(got.s, want);
	str_done(&got);
	split_state_free(m);
	splitter_free(x);
}

static void splits(void **state)
{
	(void)state;
	cuts("It's 1234 o'Clock!\n\n  Go\r\n x ", "It|'s| 1234| o|'|Clock|!|\n\n | Go|\r\n| x| ", TOKENIZER_SPLIT_GPT2);
	cuts("It's 1234 o'Clock!\n\n  Go\r\n x ", "It|'s| |1|2|3|4| o|'Clock|!\n\n| | Go|\r\n| x| ", TOKENIZER_SPLIT_QWEN2);
	cuts("IT'S 1234 (x)", "IT|'S| |123|4| (|x|)", TOKENIZER_SPLIT_LLAMA3);
	cuts("a\xe1\xa0\x8e" "b\xe3\x80\x80\xe3\x80\x80" "c\xc2\x85" "d", "a|\xe1\xa0\x8e" "b|\xe3\x80\x80|\xe3\x80\x80" "c|\xc2\x85" "d", TOKENIZER_SPLIT_QWEN2); /* U+180E is no blank */
	for (int i = TOKENIZER_SPLIT_GPT2; i < TOKENIZER_NSPLIT; i++)
		assert_int_equal(splitter_find(splitter_pattern((enum tokenizer_split)i)), i);
	assert_int_equal(splitter_find("\\w+"), -1);
	assert_int_equal(tokenizer_split_find("llama-bpe"), TOKENIZER_SPLIT_LLAMA3);
	assert_int_equal(tokenizer_split_find("deepseek-llm"), -1);
}

static void byte_alphabet(void **state)
{
	(void)state;
	struct str all = {0}, text = {0};
	for (int b = 0; b < 256; b++) {
		char c = (char)b;
		str_clear(&text);
		byte_alphabet_write(&c, 1, &text);
		assert_int_equal(byte_alphabet_read(text.s, text.len, &all), 0);
		assert_int_equal((unsigned char)all.s[b], b);
	}
	str_clear(&text);
	byte_alphabet_write(" a\n\xad\xff", 5, &text);
	assert_string_equal(text.s, "\xc4\xa0" "a\xc4\x8a\xc5\x83\xc3\xbf");
	assert_int_equal(byte_alphabet_read("a\xc5\x84", 3, &all), -1);
	assert_int_equal(byte_alphabet_read("a b", 3, &all), -1);
	assert_int_equal(byte_alphabet_read("a\xff", 2, &all), -1);
	assert_int_equal(all.len, 256);
	str_done(&all);
	str_done(&text);
}

/* --- by score, with user pieces --- */

static void score_with_user_pieces(void **state)
{
	(void)state;
	struct tokenizer_parts p;
	struct err e = {0};
	static const struct { const char *s; float score; enum tokenizer_type type; } piece[] = {
		{"<unk>", 0, TOKENIZER_UNKNOWN}, {"<s>", 0, TOKENIZER_CONTROL}, {"</s>", 0, TOKENIZER_CONTROL}, {"<sep>", 0, TOKENIZER_USER}, {"a", -1, TOKENIZER_NORMAL},
		{"b", -2, TOKENIZER_NORMAL}, {"\xe2\x96\x81", -3, TOKENIZER_NORMAL}, {"ab", -4, TOKENIZER_NORMAL}, {"<", -5, TOKENIZER_NORMAL}, {"\xe2\x96\x81" "ab", -1.5f, TOKENIZER_NORMAL},
	};
	tokenizer_parts_init(&p);
	p.algorithm = TOKENIZER_BY_SCORE;
	for (size_t i = 0; i < ARRAY_LEN(piece); i++)
		assert_int_equal(tokenizer_parts_add_text(&p, piece[i].s, strlen(piece[i].s), piece[i].score, piece[i].type, &e), 0);
	p.bos = 1;
	p.eos = 2;
	assert_null(tokenizer_new(&p, "x.model", &e));
	assert_string_equal(e.msg, "tokenizer: x.model: 0 of the 256 bytes have a piece and there is no unknown piece: not all text could be encoded");
	p.unk = 0;
	p.blank = p.add_bos = 1;
	struct tokenizer *t = made(&p);
	there_and_back(t);
	struct ids ids = {0};
	encode(t, "ab<sep>ab<s>z", 13, TOKENIZE_START, &ids);
	static const int want[] = {9, 3, 7, 8, 0, 0, 0};
	assert_int_equal(ids.n, ARRAY_LEN(want));
	assert_memory_equal(ids.id, want, sizeof want);
	encode(t, "ab<sep>ab<s>z", 13, TOKENIZE_SPECIAL, &ids);
	static const int with[] = {7, 3, 7, 1, 0};
	assert_int_equal(ids.n, ARRAY_LEN(with));
	assert_memory_equal(ids.id, with, sizeof with);
	ids_done(&ids);
	tokenizer_free(t);
	p.score[5] = NAN;
	assert_null(tokenizer_new(&p, "x.model", &e));
	assert_string_equal(e.msg, "tokenizer: x.model: id 5 has no score");
	tokenizer_parts_done(&p);
}

/* --- faults --- */

static void refused(const struct tokenizer_parts *p, const char *why)
{
	struct err e = {0};
	struct tokenizer *t = tokenizer_new(p, "x", &e);
	assert_null(t);
	assert_string_equal(e.msg, why);
}

static void parts_that_lie(void **state)
{
	(void)state;
	struct tokenizer_parts p;
	struct err e = {0};
	tokenizer_parts_init(&p);
	refused(&p, "tokenizer: x: no ids");
	byte_level(&p, TOKENIZER_SPLIT_QWEN2);
	p.eos = p.vocab;
	refused(&p, "tokenizer: x: eos: id 293, the vocabulary has 293");
	p.eos = -1;
	p.add_bos = 1;
	refused(&p, "tokenizer: x: bos: texts are to begin with it, but there is none");
	p.add_bos = 0;
	p.merge[3][1] = 1 << 30;
	refused(&p, "tokenizer: x: merge 3: id 1073741824, the vocabulary has 293");
	p.merge[3][0] = p.merge[2][0];
	p.merge[3][1] = p.merge[2][1];
	refused(&p, "tokenizer: x: merge 3: joins ids 98 and 117 a second time");
	p.merge[3][0] = p.merge[3][1] = 1;
	refused(&p, "tokenizer: x: merge 3: ids 1 and 1 together are no piece of the vocabulary");
	p.type[66] = TOKENIZER_UNUSED;
	refused(&p, "tokenizer: x: byte 0x41 has no piece: not all text could be encoded");
	p.type[66] = 9;
	refused(&p, "tokenizer: x: id 66: type 9, must be 1 to 6");
	p.type[66] = TOKENIZER_BYTE;
	refused(&p, "tokenizer: x: id 66: a byte's piece beside merges of bytes");
	p.split = TOKENIZER_NSPLIT;
	refused(&p, "tokenizer: x: algorithm 1, split 5: unknown");
	p.split = TOKENIZER_SPLIT_OURS;
	refused(&p, "tokenizer: x: 293 ids and 33 merges with our own split: 257 ids more than merges wanted");
	assert_int_equal(tokenizer_parts_merge_line(&p, "the", 3, &e), ERR_FORMAT);
	assert_string_equal(e.msg, "tokenizer: merge 33, \"the\": two pieces with a blank between them wanted");
	assert_int_equal(tokenizer_parts_merge_line(&p, "the zebra", 9, &e), ERR_FORMAT);
	assert_string_equal(e.msg, "tokenizer: merge 33, \"the zebra\": its second half is no piece of the vocabulary");
	tokenizer_parts_done(&p);
}

/* Cut anywhere and with any byte changed (the checksum made good again): refused with the name, or a tokenizer that works. */
static void packed_parts_that_lie(void **state)
{
	(void)state;
	struct tokenizer_parts p;
	struct err e = {0};
	byte_level(&p, TOKENIZER_SPLIT_GPT2);
	struct tokenizer *t = made(&p), *back;
	struct str s = {0};
	parts_write(&p, &s);
	for (size_t k = 0; k < s.len; k++) {
		struct tokenizer_parts q;
		tokenizer_parts_init(&q);
		assert_true(parts_read(&q, (const unsigned char *)s.s, k, "cut.tok", &e) < 0);
		assert_non_null(strstr(e.msg, "cut.tok"));
		tokenizer_parts_done(&q);
	}
	struct rng r;
	rng_seed(&r, 6);
	for (int i = 0; i < 1500; i++) {
		struct tokenizer_parts q;
		size_t at = (size_t)rng_below(&r, i < 700 ? 80 : s.len);
		char old = s.s[at];
		s.s[at] = (char)rng_u64(&r);
		tokenizer_parts_init(&q);
		if (!parts_read(&q, (const unsigned char *)s.s, s.len, "noise", &e) && (back = tokenizer_new(&q, "noise", &e))) {
			struct ids ids = {0};
			encode(back, poem, sizeof poem - 1, TOKENIZE_START, &ids);
			ids_done(&ids);
			tokenizer_free(back);
		}
		tokenizer_parts_done(&q);
		s.s[at] = old;
	}
	str_done(&s);
	tokenizer_free(t);
	tokenizer_parts_done(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_there_and_back),
		cmocka_unit_test(llama2c_from_parts),
		cmocka_unit_test(round_trips),
		cmocka_unit_test(merges_plain_rule),
		cmocka_unit_test(windows_do_not_show),
		cmocka_unit_test(added_pieces),
		cmocka_unit_test(splits),
		cmocka_unit_test(byte_alphabet),
		cmocka_unit_test(score_with_user_pieces),
		cmocka_unit_test(parts_that_lie),
		cmocka_unit_test(packed_parts_that_lie),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
