/* test_data_texts.c: texts of every kind into ids and back: documents, JSON lines, folders, threads, what is wrong in them.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "support/testdata.h"
#include "text/data.h"
#include "text/encode.h"
#include "text/source.h"
#include "text/tokenizer_parts.h"

static const struct data_work alone;

static struct tokenizer *bytes_only(void)
{
	struct err e = {0};
	struct tokenizer *t = tokenizer_train("", 0, 257, NULL, &e);
	assert_non_null(t);
	return t;
}

static const char *file(const char *name, const char *text)
{
	return scratch_write(name, text, strlen(text));
}

/* Ids [from, to) as text: the separator of bytes_only is shown as |. */
static void is_text(const struct data *d, uint64_t from, uint64_t to, const char *want)
{
	char have[400];
	assert_true(to - from < sizeof have);
	for (uint64_t i = from; i < to; i++)
		have[i - from] = data_id(d, i) ? (char)(data_id(d, i) - 1) : '|';
	have[to - from] = 0;
	assert_string_equal(have, want);
}

static void opens(const char *path, double val, const char *train, const char *held)
{
	struct tokenizer *t = bytes_only();
	struct data d;
	struct err e = {0};
	if (data_open_text(&d, path, t, val, NULL, NULL, &e))
		fail_msg("%s", e.msg);
	is_text(&d, 0, d.ntrain, train);
	is_text(&d, d.ntrain, d.ntoken, held);
	size_t text = strlen(held);
	for (const char *c = held; *c; c++)
		text -= *c == '|';
	assert_true(d.val_bytes == (double)text);
	data_close(&d);
	tokenizer_free(t);
}

static void refused(const char *path, const char *message)
{
	struct tokenizer *t = bytes_only();
	struct data d;
	struct err e = {0};
	assert_true(data_open_text(&d, path, t, 0.1, NULL, NULL, &e) < 0);
	assert_string_equal(e.msg, message);
	assert_null(d.file);
	assert_true(data_tokenize(path, t, "never.tok", &alone, NULL, &e) < 0);
	assert_string_equal(e.msg, message);
	assert_int_equal(access("never.tok", F_OK), -1);
	tokenizer_free(t);
}

static void documents(void **state)
{
	(void)state;
	opens(file("plain.txt", "one\n\ntwo\n"), 0, "one\n\ntwo\n", "");
	opens(file("marked.txt", "\nonce\nupon\n<|endoftext|>\na time\n\n<|endoftext|>\r\n\n<|endoftext|>\nlast <|endoftext|>\n<|endoftext|> not\n"), 0,
	      "|once\nupon|a time|last <|endoftext|>\n<|endoftext|> not", "");
	opens(file("mark.txt", "a\n<|endoftext|>"), 0, "|a", "");
	opens(file("half.txt", "aaaa\n<|endoftext|>\nbbbb\n<|endoftext|>\ncccc\n"), 0.5, "|aaaa|bbbb", "|cccc");
	opens(file("a.jsonl", "{\"text\": \"one\\ntwo\", \"id\": 3}\n\n{\"id\":1,\"story\":\"\\u00e4\\u0000\"}\r\n{\"text\":\"\"}\n  {\"text\":\"end\"}"), 0,
	      "|one\ntwo|\xc3\xa4", ""); /* a zero byte ends what is compared here */
	opens(file("json-lines", "{\"story\":\"by contents\"}\n{\"text\":7,\"story\":\"b\"}\n"), 0, "|by contents|b", "");
	opens(file("bom.jsonl", "\xef\xbb\xbf{\"text\":\"marked\"}\n"), 0, "|marked", "");
	opens(file("held.jsonl", "{\"text\":\"aaaa\"}\n{\"text\":\"bbbb\"}\n{\"text\":\"cccc\"}\n{\"text\":\"dddd\"}\n"), 0.3, "|aaaa|bbbb|cccc", "|dddd");
	opens(file("brace.txt", "{ this is no JSON\n"), 0, "{ this is no JSON\n", "");
}

static void wrong_lines(void **state)
{
	(void)state;
	refused(file("bad.jsonl", "{\"text\":\"one\"}\n\n{\"text\":\"two\"\n{\"text\":\"three\"}\n"),
		"data: bad.jsonl:3: column 13: '}' expected near end of file (one JSON object a line is wanted)");
	refused(file("key.jsonl", "{\"text\":\"one\"}\n{\"content\":\"two\"}\n"), "data: key.jsonl:2: neither \"text\" nor \"story\" is a string in it");
	refused(file("list.jsonl", "[\"text\"]\n"), "data: list.jsonl:1: is no JSON object");
	refused(file("utf8.jsonl", "{\"text\":\"\xff\"}\n"), "data: utf8.jsonl:1: column 9: unable to decode byte 0xff near '\"' (one JSON object a line is wanted)");
	struct tokenizer *t = bytes_only();
	struct data d;
	struct err e = {0};
	assert_int_equal(data_open_text(&d, file("none.jsonl", "\n\n"), t, 0.1, NULL, NULL, &e), ERR_FORMAT);
	assert_string_equal(e.msg, "data: none.jsonl: 0 ids, at least 2 are needed");
	assert_int_equal(data_tokenize("none.jsonl", t, "never.tok", &alone, NULL, &e), ERR_FORMAT);
	assert_string_equal(e.msg, "tokenize: none.jsonl: there is no text in it");
	tokenizer_free(t);
}

static void folders(void **state)
{
	(void)state;
	mkdir("texts", 0777);
	file("texts/b.txt", "bbb\nbb\n");
	file("texts/a.txt", "aaa\n");
	file("texts/c.jsonl", "{\"text\":\"ccc\"}\n{\"text\":\"dd\"}\n");
	file("texts/notes.pdf", "no");
	opens("texts", 0, "|aaa\n|bbb\nbb\n|ccc|dd", "");
	opens("texts", 0.6, "|aaa\n|bbb\nbb\n|ccc", "|dd");
	opens("texts", 0.8, "|aaa\n|bbb\n", "bb\n|ccc|dd");
	file("texts/Set-Validation.txt", "vvv");
	opens("texts", 0, "|aaa\n|bbb\nbb\n|ccc|dd", "|vvv");
	assert_false(data_is_shard("texts"));
	struct data d;
	struct err e = {0};
	struct data_how how = {.vocab = 300};
	assert_int_equal(data_open_tokens(&d, "texts", &how, &e), ERR_FORMAT);
	assert_string_equal(e.msg, "data: texts: is a folder of texts, token files are needed");
	/* What is held out stays so in our own form. */
	struct tokenizer *t = bytes_only();
	struct data_made made;
	assert_int_equal(data_tokenize("texts", t, "all.tok", &alone, &made, &e), 0);
	assert_int_equal(made.nval, 4);
	how.own_split = 1;
	how.val = 0.5;
	assert_int_equal(data_open_tokens(&d, "all.tok", &how, &e), 0);
	is_text(&d, d.ntrain, d.ntoken, "|vvv");
	assert_true(d.val_bytes == 3);
	data_close(&d);
	how.own_split = 0;
	assert_int_equal(data_open_tokens(&d, "all.tok", &how, &e), 0);
	assert_int_equal(d.ntrain, d.ntoken - d.ntoken / 2);
	data_close(&d);
	scratch_write("texts/zero.txt", "a\0b", 3);
	refused("texts", "data: texts/zero.txt: NUL byte at 1: this is no text (token files end in .bin, .tok, .u16 or .u32)");
	file("texts/zero.txt", "");
	refused("texts", "data: texts/zero.txt: is empty");
	unlink("texts/zero.txt");
	file("texts/x.jsonl", "{\"text\":\"x\"}\n{}\n");
	refused("texts", "data: texts/x.jsonl:2: neither \"text\" nor \"story\" is a string in it");
	/* A tokenizer learns from the text alone, not from the JSON around it. */
	unlink("texts/x.jsonl");
	struct str s;
	assert_int_equal(data_text(&s, "texts", &e), 0);
	assert_string_equal(s.s, "aaa\nbbb\nbb\nccc\ndd\nvvv");
	str_done(&s);
	tokenizer_free(t);
}

/* --- threads ------------------------------------------------------------------------------------------------------ */

/* Lines, long and short, of words, other signs and bytes that are no UTF-8. Kind 0: plain, 1: one line without end, 2: JSON lines, 3: marked documents. */
static size_t make_text(char *out, size_t max, int kind)
{
	static const char *const words[] = {" the", " fox", " and", " hens", "  ", "\t", " \xc3\xa4", "\xe7\x8c\xab", "!", " 1234", "don't", "\xf0\x9f\x8e\x89"};
	struct rng r;
	size_t n = 0;
	rng_seed(&r, 40 + (uint64_t)kind);
	while (n + 100 < max) {
		if (kind == 2)
			n += (size_t)sprintf(out + n, "{\"text\":\"");
		for (uint64_t k = rng_below(&r, rng_below(&r, 30) ? 12 : 30000); n + 100 < max; k--) {
			const char *w = words[rng_below(&r, ARRAY_LEN(words))];
			if (kind != 2 || w[0] != '\t')
				n += (size_t)sprintf(out + n, "%s", w);
			if (kind == 0 && !rng_below(&r, 40))
				out[n++] = (char)0xfe;
			if (kind != 1 && !k)
				break;
		}
		n += (size_t)sprintf(out + n, kind == 2 ? "\"}\n" : kind == 1 ? "" : kind == 3 && !rng_below(&r, 4) ? "\n<|endoftext|>\n" : rng_below(&r, 3) ? "\n" : "\n\n  \n");
	}
	return n;
}

static struct str ids_of(const char *path, const struct tokenizer *t, const struct data_work *work)
{
	struct str s = {0};
	struct err e = {0};
	struct data_made made;
	if (data_tokenize(path, t, "ids.tok", work, &made, &e) || file_read(&s, "ids.tok", "test", 64 << 20, &e))
		fail_msg("%s", e.msg);
	return s;
}

/* The vocabulary of ours, with another way of cutting. */
static struct tokenizer *cut_otherwise(struct tokenizer *t, enum tokenizer_split split)
{
	struct tokenizer_parts p;
	struct err e = {0};
	assert_int_equal(tokenizer_parts_of(t, &p, &e), 0);
	p.split = split;
	p.nfc = split == TOKENIZER_SPLIT_QWEN2;
	struct tokenizer *other = tokenizer_new(&p, "other", &e);
	tokenizer_parts_done(&p);
	tokenizer_free(t);
	if (!other)
		fail_msg("%s", e.msg);
	return other;
}

/* The same bytes from one thread and from three; a plain text as if it had been encoded in one go. */
static void threads_change_nothing(void **state)
{
	(void)state;
	enum { MAX_TEXT = 5 << 19 };
	struct err e = {0};
	struct pool *pool = pool_new(3, &e);
	struct data_work three = {.pool = pool};
	char *text = malloc(MAX_TEXT);
	const char *llama = testdata_path("tok32000.bin");
	static const enum tokenizer_split splits[] = {TOKENIZER_SPLIT_GPT2, TOKENIZER_SPLIT_QWEN2, TOKENIZER_SPLIT_LLAMA3};
	for (int k = 0; k < 11; k++) {
		int kind = k < 8 ? k % 4 : 0;
		if (k >= 4 && k < 8 && (!llama || kind == 3))
			continue;
		size_t n = make_text(text, MAX_TEXT, kind);
		const char *path = kind == 2 ? "long.jsonl" : "long.txt";
		scratch_write(path, text, n);
		struct tokenizer *t = k < 4 || k >= 8 ? tokenizer_train(text, 40000, 350, NULL, &e) : tokenizer_load(llama, &e);
		assert_non_null(t);
		if (k >= 8)
			t = cut_otherwise(t, splits[k - 8]);
		struct str a = ids_of(path, t, &alone), b = ids_of(path, t, &three);
		assert_int_equal(a.len, b.len);
		assert_memory_equal(a.s, b.s, a.len);
		if (kind < 2) {
			struct ids ids = {0};
			assert_int_equal(tokenizer_encode(t, text, n, 0, &ids, &e), 0);
			assert_true(a.len >= 2 * ids.n);
			for (size_t i = 0; i < ids.n; i++)
				if (((const uint16_t *)(const void *)a.s)[i] != ids.id[i])
					fail_msg("kind %d: id %zu is another", k, i);
			ids_done(&ids);
		}
		str_done(&a);
		str_done(&b);
		tokenizer_free(t);
	}
	/* Of several lines that are wrong the first is told. */
	size_t n = make_text(text, MAX_TEXT, 2), lines = 0;
	for (size_t i = 0; i < n; i++)
		if (text[i] == '\n' && (++lines % 500) == 499 && lines > 1000)
			text[i + 1] = '?';
	scratch_write("wrong.jsonl", text, n);
	struct tokenizer *t = bytes_only();
	for (int k = 0; k < 2; k++) {
		assert_int_equal(data_tokenize("wrong.jsonl", t, "never.bin", k ? &three : &alone, NULL, &e), ERR_FORMAT);
		assert_non_null(strstr(e.msg, "data: wrong.jsonl:1500: column 1: "));
	}
	tokenizer_free(t);
	free(text);
	pool_free(pool);
}

/* --- there and back ----------------------------------------------------------------------------------------------- */

static void same_file(const char *a, const char *b)
{
	struct str x = {0}, y = {0};
	struct err e = {0};
	assert_int_equal(file_read(&x, a, "test", 64 << 20, &e), 0);
	assert_int_equal(file_read(&y, b, "test", 64 << 20, &e), 0);
	assert_int_equal(x.len, y.len);
	assert_memory_equal(x.s, y.s, x.len);
	str_done(&x);
	str_done(&y);
}

static void back(const char *from, const struct tokenizer *t, const char *ids, const char *to, const char *want)
{
	struct err e = {0};
	struct data_made made, again;
	if (data_tokenize(from, t, ids, &alone, &made, &e) || data_detokenize(ids, t, to, 0, &alone, &again, &e))
		fail_msg("%s", e.msg);
	assert_int_equal(made.ntoken, again.ntoken);
	assert_int_equal(made.width, again.width);
	if (want)
		same_file(to, want);
}

static void there_and_back(void **state)
{
	(void)state;
	enum { MAX_TEXT = 3 << 20 };
	struct err e = {0};
	char *text = malloc(MAX_TEXT);
	size_t n = make_text(text, MAX_TEXT, 0);
	const char *llama = testdata_path("tok32000.bin");
	scratch_write("plain.txt", text, n);
	file("docs.jsonl", "{\"text\":\"one\\n\\ntwo\"}\n{\"text\":\"\"}\n{\"text\":\"\xc3\xa4 three\"}\n{\"text\":\" four\"}\n");
	file("docs.txt", "one\n\ntwo\n<|endoftext|>\nthree\n");
	for (int k = 0; k < 2 && (!k || llama); k++) {
		struct tokenizer *t = k ? tokenizer_load(llama, &e) : tokenizer_train(text, 100000, 300, NULL, &e);
		back("plain.txt", t, "plain.bin", "plain.back", "plain.txt");
		back("plain.txt", t, "plain.u32", "plain.back", "plain.txt");
		back("plain.txt", t, "plain.tok", "plain.back", "plain.txt");
		back("docs.jsonl", t, "docs.tok", "docs.back.jsonl", "docs.jsonl");
		back("docs.txt", t, "docs.tok", "docs.back", file("docs.want", "one\n\ntwo\n\nthree"));
		back("docs.txt", t, "docs.bin", "docs.back.jsonl", file("docs.want", "{\"text\":\"one\\n\\ntwo\"}\n{\"text\":\"three\"}\n"));
		tokenizer_free(t);
	}
	struct tokenizer *t = bytes_only();
	struct data_made made;
	uint16_t id[] = {1, 2, 256, 257, 3};
	scratch_write("foreign.bin", id, sizeof id);
	assert_int_equal(data_detokenize("foreign.bin", t, "never.txt", 0, &alone, &made, &e), ERR_FORMAT);
	assert_string_equal(e.msg, "data: foreign.bin: id 257 at position 3: the vocabulary has 257 ids (another tokenizer's shard?)");
	assert_int_equal(data_detokenize("docs.tok", t, "never.txt", 0, &alone, &made, &e), ERR_FORMAT);
	assert_non_null(strstr(e.msg, "data: docs.tok: its ids are of tokenizer "));
	assert_int_equal(access("never.txt", F_OK), -1);
	tokenizer_free(t);
	free(text);
}

#if defined(__SANITIZE_THREAD__)
enum { HUGE_FITS = 0 }; /* its own tables leave no 12 TiB of addresses */
#else
enum { HUGE_FITS = 1 };
#endif

/* A disk that can not hold what is expected is told before anything is written. Inputs of a size that no disk here has: sparse. */
static void no_room(void **state)
{
	(void)state;
	const off_t size = (off_t)12 << 40;
	struct tokenizer *t = bytes_only();
	struct err e = {0};
	struct data_made made;
	char text[1 << 17];
	uint16_t id[1 << 16];
	memset(text, 'x', sizeof text);
	for (size_t i = 0; i < ARRAY_LEN(id); i++)
		id[i] = 'x' + 1;
	int a = open("huge.txt", O_WRONLY | O_CREAT | O_TRUNC, 0666), b = open("huge.bin", O_WRONLY | O_CREAT | O_TRUNC, 0666);
	int made_it = HUGE_FITS && a >= 0 && b >= 0 && write(a, text, sizeof text) == sizeof text && write(b, id, sizeof id) == sizeof id && !ftruncate(a, size) && !ftruncate(b, size) &&
		lseek(b, 1 << 20, SEEK_DATA) < 0;
	close(a);
	close(b);
	if (made_it) {
		assert_int_equal(data_tokenize("huge.txt", t, "out.bin", &alone, &made, &e), ERR_IO);
		assert_non_null(strstr(e.msg, "disk: out.bin: 2"));
		assert_non_null(strstr(e.msg, " needed, "));
		assert_int_equal(data_detokenize("huge.bin", t, "out.txt", 0, &alone, &made, &e), ERR_IO);
		assert_non_null(strstr(e.msg, "disk: out.txt: 6"));
		assert_int_equal(access("out.bin", F_OK), -1);
		assert_int_equal(access("out.txt", F_OK), -1);
	}
	unlink("huge.txt");
	unlink("huge.bin");
	tokenizer_free(t);
	if (!made_it) {
		print_message("skipped: no sparse file of 12 TiB can be made here\n");
		skip();
	}
}

static void interrupted(void **state)
{
	(void)state;
	struct tokenizer *t = bytes_only();
	struct err e = {0};
	struct data_made made;
	atomic_int stop = 0;
	struct data_work w = {.cancel = &stop};
	file("some.txt", "some text\n");
	file("kept.tok", "old");
	assert_int_equal(data_tokenize("some.txt", t, "some.tok", &w, NULL, &e), 0);
	stop = 1;
	assert_int_equal(data_tokenize("some.txt", t, "kept.tok", &w, NULL, &e), ERR_CANCEL);
	assert_int_equal(data_detokenize("some.tok", t, "kept.tok", 0, &w, &made, &e), ERR_CANCEL);
	same_file("kept.tok", file("want", "old"));
	tokenizer_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(documents), cmocka_unit_test(wrong_lines), cmocka_unit_test(folders), cmocka_unit_test(threads_change_nothing),
		cmocka_unit_test(there_and_back), cmocka_unit_test(no_room), cmocka_unit_test(interrupted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
