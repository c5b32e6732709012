/* test_tokenizer.c: both kinds of tokenizer: known ids, round trips, training, files that are damaged.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/utf8.h"
#include "support/testdata.h"
#include "text/split.h"
#include "text/vocab.h"

static const char poem[] = "The cat sat on the mat. The cat didn't see the other cat, but the other cat saw the mat.\n\n"
			   "Ein Käfer fährt über Äste.  1234 99 \t x\n吾輩は猫である。名前はまだ無い。\n吾輩は猫である。\n";

static struct tokenizer *trained(int vocab)
{
	struct err e = {0};
	struct tokenizer *t = tokenizer_train(poem, sizeof poem - 1, vocab, NULL, &e);
	assert_non_null(t);
	return t;
}

static void assert_round(const struct tokenizer *t, const char *s, size_t n)
{
	struct err e = {0};
	struct ids ids = {0};
	assert_int_equal(tokenizer_encode(t, s, n, 0, &ids, &e), 0);
	size_t at = 0;
	for (size_t i = 0; i < ids.n; i++) {
		size_t k;
		assert_in_range(ids.id[i], 0, (uintmax_t)tokenizer_info(t)->vocab - 1);
		const char *p = tokenizer_piece(t, -1, ids.id[i], &k);
		assert_true(at + k <= n && !memcmp(p, s + at, k));
		at += k;
	}
	assert_int_equal(at, n);
	ids_done(&ids);
}

static size_t random_utf8(struct rng *r, char *s, size_t n)
{
	static const uint32_t top[] = {0x80, 0x80, 0x80, 0x250, 0x3100, 0xa000, 0x20000, 0x110000};
	size_t at = 0;
	while (at + 4 <= n)
		at += (size_t)utf8_encode((uint32_t)rng_below(r, top[rng_below(r, ARRAY_LEN(top))]), s + at);
	return at;
}

static void round_trips(const struct tokenizer *t)
{
	struct rng r;
	rng_seed(&r, 5);
	static char s[9000];
	for (int i = 0; i < 60; i++) {
		size_t n = i < 30 ? (size_t)i : (size_t)rng_below(&r, sizeof s);
		for (size_t k = 0; k < n; k++)
			s[k] = (char)rng_u64(&r);
		assert_round(t, s, n);
		assert_round(t, s, random_utf8(&r, s, n));
		for (size_t k = 0; k < n; k++) /* letters and blanks: long merges */
			s[k] = "aehnt  he\n"[rng_below(&r, 10)];
		assert_round(t, s, n);
	}
	memset(s, 'a', sizeof s);
	assert_round(t, s, sizeof s);
	memset(s, ' ', sizeof s);
	assert_round(t, s, sizeof s);
}

static void bpe_round_trips(void **state)
{
	(void)state;
	for (int vocab = 257; vocab <= 400; vocab += 143) {
		struct tokenizer *t = trained(vocab);
		round_trips(t);
		assert_round(t, poem, sizeof poem - 1);
		tokenizer_free(t);
	}
}

static void split_rules(void **state)
{
	(void)state;
	static const char *const parts[] = {"It", " didn't", " work", ",", " '", "ok", "'", "  ", " 42", "\n\t\n", "吾輩", "は", "猫", "である", "。“",
					    "カッコウ", "Käfer", "...", " "};
	char text[256] = "";
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		strcat(text, parts[i]);
	size_t n = strlen(text), at = 0;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		size_t k = split_next(text + at, n - at);
		assert_int_equal(k, strlen(parts[i]));
		assert_memory_equal(text + at, parts[i], k);
		at += k;
	}
	assert_int_equal(at, n);
}

/* The plain way: count every pair anew for each merge. */
static int plain_merges(const char *s, size_t n, int (*merge)[2], int max)
{
	int *id = mem_zalloc(n, sizeof *id), *first = mem_zalloc(n, sizeof *first), made = 0;
	for (size_t i = 0, k; i < n; i += k) {
		k = split_next(s + i, n - i);
		for (size_t j = i; j < i + k; j++)
			id[j] = (unsigned char)s[j] + 1;
		first[i] = 1;
	}
	static unsigned count[512][512];
	for (; made < max; made++) {
		memset(count, 0, sizeof count);
		for (size_t i = 0; i + 1 < n; i++)
			if (!first[i + 1])
				count[id[i]][id[i + 1]]++;
		int a = 0, b = 0;
		for (int x = 0; x < 512; x++)
			for (int y = 0; y < 512; y++)
				if (count[x][y] > count[a][b])
					a = x, b = y;
		if (count[a][b] < 2)
			break;
		merge[made][0] = a;
		merge[made][1] = b;
		size_t out = 0;
		for (size_t i = 0; i < n; i++, out++) {
			int both = i + 1 < n && !first[i + 1] && id[i] == a && id[i + 1] == b;
			first[out] = first[i];
			id[out] = both ? 257 + made : id[i];
			i += (size_t)both;
		}
		n = out;
	}
	free(id);
	free(first);
	return made;
}

static void training_is_the_plain_rule(void **state)
{
	(void)state;
	struct rng r;
	rng_seed(&r, 11);
	for (int round = 0; round < 12; round++) {
		char s[1500];
		size_t n = round ? 200 + (size_t)rng_below(&r, 1300) : sizeof poem - 1;
		for (size_t i = 0; i < n; i++)
			s[i] = round ? "aaab c\n'"[rng_below(&r, 2 + (uint64_t)round % 7)] : poem[i];
		int want[200][2];
		int nwant = plain_merges(s, n, want, 200);
		struct err e = {0};
		struct tokenizer *t = tokenizer_train(s, n, 457, NULL, &e);
		assert_non_null(t);
		assert_int_equal(tokenizer_info(t)->vocab, 257 + nwant);
		assert_memory_equal(t->merge, want, (size_t)nwant * sizeof *want);
		tokenizer_free(t);
	}
}

static void training_limits(void **state)
{
	(void)state;
	struct err e = {0};
	assert_null(tokenizer_train("abc", 3, 256, NULL, &e));
	assert_string_equal(e.msg, "tokenizer: vocabulary of 256: must be 257 to 1048576");
	atomic_int stop = 1;
	assert_null(tokenizer_train("abab abab", 9, 300, &stop, &e));
	assert_int_equal(e.code, ERR_CANCEL);
	struct tokenizer *t = tokenizer_train("", 0, 300, NULL, &e);
	assert_non_null(t);
	assert_int_equal(tokenizer_info(t)->vocab, 257);
	tokenizer_free(t);
}

/* More different words than are kept, and more text than is read: still bounded, still the same each time. */
static void training_much_text(void **state)
{
	(void)state;
	size_t n = 20u << 20;
	char *s = malloc(n);
	struct rng r;
	rng_seed(&r, 3);
	for (size_t i = 0; i < n; i++)
		s[i] = rng_below(&r, 6) ? (char)('a' + rng_below(&r, 26)) : ' ';
	struct err e = {0};
	struct tokenizer *a = tokenizer_train(s, n, 300, NULL, &e), *b = tokenizer_train(s, n, 300, NULL, &e);
	assert_non_null(a);
	assert_non_null(b);
	assert_int_equal(tokenizer_info(a)->vocab, 300);
	assert_true(tokenizer_info(a)->hash == tokenizer_info(b)->hash);
	tokenizer_free(a);
	tokenizer_free(b);
	free(s);
}

static void same_ids_in_parts(const struct tokenizer *t, const char *s, size_t n, size_t want)
{
	struct err e = {0};
	struct ids whole = {0}, parts = {0};
	assert_int_equal(tokenizer_encode(t, s, n, 0, &whole, &e), 0);
	struct encoder *c = encoder_new(t);
	for (size_t pos = 0; pos < n;)
		assert_int_equal(encoder_run(c, s, n, &pos, want, &parts, &e), 0);
	assert_int_equal(parts.n, whole.n);
	assert_memory_equal(parts.id, whole.id, whole.n * sizeof *whole.id);
	encoder_free(c);
	ids_done(&whole);
	ids_done(&parts);
}

static void parts_give_the_same_ids(void **state)
{
	(void)state;
	struct tokenizer *t = trained(350);
	struct rng r;
	rng_seed(&r, 8);
	static char s[6000];
	for (int i = 0; i < 10; i++) {
		for (size_t k = 0; k < sizeof s; k++)
			s[k] = "the cat.  \n\xe7\x8c\xab"[rng_below(&r, 14)];
		same_ids_in_parts(t, s, sizeof s, 1 + (size_t)rng_below(&r, 50));
	}
	tokenizer_free(t);
}

static void files_of_ours(void **state)
{
	(void)state;
	struct err e = {0};
	struct tokenizer *t = trained(350), *back;
	assert_int_equal(tokenizer_save(t, "t.tokenizer", &e), 0);
	back = tokenizer_load("t.tokenizer", &e);
	assert_non_null(back);
	assert_true(tokenizer_info(t)->hash == tokenizer_info(back)->hash);
	assert_int_equal(tokenizer_info(back)->vocab, tokenizer_info(t)->vocab);
	assert_round(back, poem, sizeof poem - 1);
	tokenizer_free(back);
	unsigned char *p;
	size_t n;
	assert_int_equal(tokenizer_pack(t, &p, &n, &e), 0);
	for (size_t k = 0; k < n; k++)
		assert_null(tokenizer_parse(p, k, "cut", &e));
	for (size_t k = 0; k < n; k++) {
		p[k] ^= 0x10;
		assert_null(tokenizer_parse(p, n, "flipped", &e));
		assert_non_null(strstr(e.msg, "flipped"));
		p[k] ^= 0x10;
	}
	free(p);
	tokenizer_free(t);
}

static void merges_that_lie(void **state)
{
	(void)state;
	struct err e = {0};
	static const int ahead[][2] = {{300, 1}}, twice[][2] = {{1, 2}, {1, 2}}, zero[][2] = {{0, 2}};
	assert_null(bpe_new(ahead, 1, &e));
	assert_string_equal(e.msg, "tokenizer: merge 0: joins ids 300 and 1, ids 1 to 256 are there");
	assert_null(bpe_new(twice, 2, &e));
	assert_string_equal(e.msg, "tokenizer: merge 1: joins ids 1 and 2 a second time");
	assert_null(bpe_new(zero, 1, &e));
	int doubling[8][2];
	for (int i = 0; i < 8; i++)
		doubling[i][0] = doubling[i][1] = i ? 256 + i : 1;
	assert_null(bpe_new((const int(*)[2])doubling, 8, &e));
	assert_string_equal(e.msg, "tokenizer: merge 6: 128 bytes long, at most 64 can be");
}

/* --- llama2.c --- */

static struct tokenizer *load(const char *name)
{
	struct err e = {0};
	const char *path = testdata_path(name);
	struct tokenizer *t = path ? tokenizer_load(path, &e) : NULL;
	if (path && !t)
		fail_msg("%s", e.msg);
	return t;
}

static void assert_ids(const struct tokenizer *t, const char *s, size_t n, const char *want)
{
	struct err e = {0};
	struct ids ids = {0};
	struct str got = {0};
	assert_int_equal(tokenizer_encode(t, s, n, 1, &ids, &e), 0);
	str_puts(&got, "");
	for (size_t i = 0; i < ids.n; i++)
		str_printf(&got, " %d", ids.id[i]);
	assert_string_equal(got.s, want);
	str_done(&got);
	ids_done(&ids);
}

static void llama_cases(void **state)
{
	(void)state;
	struct tokenizer *t = load("tok32000.bin");
	struct str in = {0}, out = {0};
	if (!t || testdata_read(&in, "ggml-vocab-llama-spm.inp") || testdata_read(&out, "ggml-vocab-llama-spm.out"))
		skip();
	static const char mark[] = "\n__ggml_vocab_test__\n";
	int n = 0;
	char *line = out.s, *s = in.s;
	while (s) {
		char *end = strstr(s, mark), *eol = strchr(line, '\n');
		if (eol)
			*eol = 0;
		size_t len = strlen(line);
		while (len && line[len - 1] == ' ')
			line[--len] = 0;
		assert_ids(t, s, end ? (size_t)(end - s) : strlen(s), line);
		s = end ? end + sizeof mark - 1 : NULL;
		line = eol ? eol + 1 : "";
		n++;
	}
	assert_int_equal(n, 47);
	str_done(&in);
	str_done(&out);
	tokenizer_free(t);
}

/* The rule as it stands: among all neighbours the highest score, the leftmost of equals; quadratic. */
static void plain_spm(const struct tokenizer *t, const char *s, size_t n, struct ids *out)
{
	struct err e = {0};
	for (size_t i = 0, k; i < n; i += k) { /* code points one by one */
		uint32_t cp;
		int d = utf8_decode(s + i, n - i, &cp);
		k = d > 0 ? (size_t)d : 1;
		assert_int_equal(spm_part_ids(t, s + i, k, out, &e), 0);
	}
	for (;;) {
		int best = -1, at = 0;
		for (size_t i = 0; i + 1 < out->n; i++) {
			int a = out->id[i], b = out->id[i + 1];
			size_t na = t->off[a + 1] - t->off[a], nb = t->off[b + 1] - t->off[b];
			if (na == 6 && t->bytes[t->off[a]] == '<')
				continue;
			for (int id = 259; id < t->info.vocab; id++)
				if (t->off[id + 1] - t->off[id] == na + nb && !memcmp(t->bytes + t->off[id], t->bytes + t->off[a], na) &&
				    !memcmp(t->bytes + t->off[id] + na, t->bytes + t->off[b], nb) && (best < 0 || t->score[id] > t->score[best])) {
					best = id;
					at = (int)i;
				}
		}
		if (best < 0)
			return;
		out->id[at] = best;
		memmove(out->id + at + 1, out->id + at + 2, (out->n - (size_t)at - 2) * sizeof *out->id);
		out->n--;
	}
}

static void llama_plain_rule(void **state)
{
	(void)state;
	struct tokenizer *t = load("tok512.bin");
	if (!t)
		skip();
	struct rng r;
	rng_seed(&r, 21);
	for (int i = 0; i < 150; i++) {
		char s[90];
		size_t n = (size_t)rng_below(&r, sizeof s);
		for (size_t k = 0; k < n; k++)
			s[k] = "the and   wasdlyi.\xc3\xa4\n"[rng_below(&r, 21)];
		struct ids want = {0}, got = {0};
		struct err e = {0};
		plain_spm(t, s, n, &want);
		assert_int_equal(tokenizer_encode(t, s, n, 0, &got, &e), 0);
		assert_int_equal(got.n, want.n);
		for (size_t k = 0; k < got.n; k++)
			assert_int_equal(got.id[k], want.id[k]);
		ids_done(&want);
		ids_done(&got);
	}
	tokenizer_free(t);
}

static void llama_round_trips(void **state)
{
	(void)state;
	static const char *const files[] = {"tok512.bin", "tok32000.bin"};
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct tokenizer *t = load(files[i]);
		if (!t)
			skip();
		const struct tokenizer_info *info = tokenizer_info(t);
		assert_int_equal(info->vocab, i ? 32000 : 512);
		assert_int_equal(info->bos, 1);
		assert_int_equal(info->eos, 2);
		round_trips(t);
		static char s[6000];
		struct rng r;
		rng_seed(&r, 8);
		for (size_t k = 0; k < sizeof s; k++)
			s[k] = "the cat.  \n\xe7\x8c\xab"[rng_below(&r, 14)];
		same_ids_in_parts(t, s, sizeof s, 17);
		tokenizer_free(t);
	}
}

static void put_piece(struct str *b, const char *s)
{
	const uint32_t score = 0;
	uint32_t len = (uint32_t)strlen(s); /* little-endian, as this machine is */
	str_add(b, &score, 4);
	str_add(b, &len, 4);
	str_add(b, s, len);
}

/* The last piece ends where the bytes end: nothing behind it may be looked at. Only <0xHH> in capitals is a byte. */
static void byte_pieces(void **state)
{
	(void)state;
	static const char *const piece[] = {"<unk>", "<s>", "</s>", "a", "<0xfe>", "<0x4>>", "<0xC3>"};
	struct str file = {0};
	struct err e = {0};
	const uint32_t longest = 6;
	size_t n;
	str_add(&file, &longest, 4);
	for (size_t i = 0; i < ARRAY_LEN(piece); i++)
		put_piece(&file, piece[i]);
	struct tokenizer *t = tokenizer_parse(file.s, file.len, "bytes.bin", &e);
	assert_non_null(t);
	const char *p = tokenizer_piece(t, -1, 6, &n);
	assert_true(n == 1 && (unsigned char)*p == 0xc3);
	for (int i = 4; i < 6; i++) {
		p = tokenizer_piece(t, -1, i, &n);
		assert_int_equal(n, 6);
		assert_memory_equal(p, piece[i], 6);
	}
	tokenizer_free(t);
	str_done(&file);
}

static void llama_pieces(void **state)
{
	(void)state;
	struct tokenizer *t = load("tok512.bin");
	if (!t)
		skip();
	struct err e = {0};
	struct ids ids = {0};
	size_t n;
	assert_int_equal(tokenizer_encode(t, "Once", 4, 1, &ids, &e), 0);
	const char *p = tokenizer_piece(t, 1, ids.id[0], &n);
	assert_true(n > 0 && p[0] == 'O');
	p = tokenizer_piece(t, -1, ids.id[0], &n);
	assert_true(n > 1 && p[0] == ' ');
	p = tokenizer_piece(t, -1, 3 + 0xe3, &n);
	assert_true(n == 1 && (unsigned char)*p == 0xe3);
	static const int none[] = {1, 2, -1, 512, 1 << 30};
	for (size_t i = 0; i < ARRAY_LEN(none); i++) {
		tokenizer_piece(t, -1, none[i], &n);
		assert_int_equal(n, 0);
	}
	ids_done(&ids);
	assert_int_equal(tokenizer_encode(t, "", 0, 1, &ids, &e), 0);
	assert_int_equal(ids.n, 0);
	tokenizer_free(t);
}

static void llama_packs(void **state)
{
	(void)state;
	struct tokenizer *t = load("tok512.bin");
	struct str raw = {0};
	if (!t || testdata_read(&raw, "tok512.bin"))
		skip();
	struct err e = {0};
	unsigned char *p;
	size_t n;
	assert_int_equal(tokenizer_pack(t, &p, &n, &e), 0);
	struct tokenizer *back = tokenizer_parse(p, n, "packed", &e);
	assert_non_null(back);
	assert_true(tokenizer_info(back)->hash == tokenizer_info(t)->hash);
	tokenizer_free(back);
	assert_int_equal(tokenizer_save(t, "saved.bin", &e), 0);
	struct str again = {0};
	assert_int_equal(file_read(&again, "saved.bin", "test", 1 << 20, &e), 0);
	assert_int_equal(again.len, raw.len);
	assert_memory_equal(again.s, raw.s, raw.len);
	str_done(&again);
	/* Every cut: an error, or a shorter vocabulary when it falls between two ids. */
	for (size_t k = 0; k < raw.len; k++) {
		back = tokenizer_parse(raw.s, k, "cut.bin", &e);
		if (back)
			assert_in_range(tokenizer_info(back)->vocab, 4, 511);
		else
			assert_non_null(strstr(e.msg, "cut.bin"));
		tokenizer_free(back);
	}
	struct rng r;
	rng_seed(&r, 2);
	for (int i = 0; i < 400; i++) {
		size_t at = (size_t)rng_below(&r, raw.len);
		char old = raw.s[at];
		raw.s[at] = (char)rng_u64(&r);
		back = tokenizer_parse(raw.s, raw.len, "noise.bin", &e);
		if (back)
			assert_round(back, poem, 40);
		tokenizer_free(back);
		raw.s[at] = old;
	}
	free(p);
	str_done(&raw);
	tokenizer_free(t);
}

static void wrong_files(void **state)
{
	(void)state;
	struct err e = {0};
	assert_null(tokenizer_load("absent.bin", &e));
	assert_string_equal(e.msg, "tokenizer: absent.bin: No such file or directory");
	assert_null(tokenizer_load(".", &e));
	assert_null(tokenizer_load(scratch_write("empty.bin", "", 0), &e));
	assert_string_equal(e.msg, "tokenizer: empty.bin: neither a llama2.c tokenizer nor one of ours");
	assert_null(tokenizer_load(scratch_write("text.bin", poem, sizeof poem - 1), &e));
	assert_string_equal(e.msg, "tokenizer: text.bin: neither a llama2.c tokenizer nor one of ours");
	static const unsigned char huge[] = {7, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 127, 'a'}, past[] = {7, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 'a'};
	assert_null(tokenizer_parse(huge, sizeof huge, "huge.bin", &e));
	assert_string_equal(e.msg, "tokenizer: huge.bin: id 0 is 2147483647 bytes long, the file allows 7 (not a llama2.c tokenizer?)");
	assert_null(tokenizer_parse(past, sizeof past, "past.bin", &e));
	assert_string_equal(e.msg, "tokenizer: past.bin: id 0 is 5 bytes long, 1 are left (truncated?)");
	tokenizer_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(split_rules),
		cmocka_unit_test(bpe_round_trips),
		cmocka_unit_test(training_is_the_plain_rule),
		cmocka_unit_test(training_limits),
		cmocka_unit_test(training_much_text),
		cmocka_unit_test(parts_give_the_same_ids),
		cmocka_unit_test(files_of_ours),
		cmocka_unit_test(merges_that_lie),
		cmocka_unit_test(llama_cases),
		cmocka_unit_test(llama_plain_rule),
		cmocka_unit_test(llama_round_trips),
		cmocka_unit_test(llama_pieces), cmocka_unit_test(byte_pieces),
		cmocka_unit_test(llama_packs),
		cmocka_unit_test(wrong_files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
