/* test_tokenizer_files.c: SentencePiece's .model and Hugging Face's tokenizer.json: known ids, there and back, the files beside them, faults of each kind.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/utf8.h"
#include "support/testdata.h"
#include "text/nfc.h"
#include "text/tokenizer_parts.h"
#include "text/vocab.h"

static struct tokenizer *load(const char *path)
{
	struct err e = {0};
	struct tokenizer *t = tokenizer_load(path, &e);
	if (!t)
		fail_msg("%s", e.msg);
	return t;
}

static void assert_ids(const struct tokenizer *t, const char *s, size_t n, int how, const char *want)
{
	struct err e = {0};
	struct ids ids = {0};
	struct str got = {0};
	assert_int_equal(tokenizer_encode(t, s, n, how, &ids, &e), 0);
	str_puts(&got, "");
	for (size_t i = 0; i < ids.n; i++)
		str_printf(&got, " %d", ids.id[i]);
	assert_string_equal(got.s, want);
	str_done(&got);
	ids_done(&ids);
}

/* The 47 cases: texts divided by a mark, ids a line each. */
static void known_cases(const struct tokenizer *t, const char *inp, const char *outp)
{
	struct str in = {0}, out = {0};
	if (testdata_read(&in, inp) || testdata_read(&out, outp))
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
		assert_ids(t, s, end ? (size_t)(end - s) : strlen(s), TOKENIZE_START, line);
		s = end ? end + sizeof mark - 1 : NULL;
		line = eol ? eol + 1 : "";
		n++;
	}
	assert_int_equal(n, 47);
	str_done(&in);
	str_done(&out);
}

/* --- SentencePiece --- */

static void llama_model(void **state)
{
	(void)state;
	const char *path = testdata_path("tok32000.model");
	if (!path)
		skip();
	struct tokenizer *t = load(path);
	known_cases(t, "ggml-vocab-llama-spm.inp", "ggml-vocab-llama-spm.out");
	assert_int_equal(tokenizer_info(t)->bos, 1);
	assert_int_equal(tokenizer_info(t)->eos, 2);
	assert_true(tokenizer_info(t)->add_bos && tokenizer_info(t)->blank);
	/* The same vocabulary as llama2.c's file, so the same hash: shards of one serve the other. */
	path = testdata_path("tok32000.bin");
	struct tokenizer *bin = path ? load(path) : NULL;
	if (bin)
		assert_true(tokenizer_info(bin)->hash == tokenizer_info(t)->hash);
	tokenizer_free(bin);
	tokenizer_free(t);
}

static void put_varint(struct str *b, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		str_putc(b, (char)(v | 0x80));
	str_putc(b, (char)v);
}

static void put_bytes(struct str *b, int field, const void *s, size_t n)
{
	put_varint(b, (uint64_t)field << 3 | 2);
	put_varint(b, n);
	str_add(b, s, n);
}

static void put_number(struct str *b, int field, uint64_t v)
{
	put_varint(b, (uint64_t)field << 3);
	put_varint(b, v);
}

struct model {
	int type, suffix, extra, escape, blank, unk; /* as the file says them */
	const char *map, *byte;
};

static void put_model(struct str *out, const struct model *m)
{
	static const struct { const char *s; float score; int type; } piece[] = {
		{"<unk>", 0, 2}, {"<s>", 0, 3}, {"</s>", 0, 3}, {"a", -1, 1}, {"b", -2, 1}, {"\xe2\x96\x81", -3, 1}, {"ab", -4, 1}, {"\xe2\x96\x81" "ab", -5, 1}, {"<sep>", 0, 4},
	};
	struct str one = {0};
	for (size_t i = 0; i <= ARRAY_LEN(piece); i++) {
		int last = i == ARRAY_LEN(piece);
		str_clear(&one);
		put_bytes(&one, 1, last ? m->byte : piece[i].s, strlen(last ? m->byte : piece[i].s));
		if (!last) {
			str_putc(&one, 2 << 3 | 5);
			str_add(&one, &piece[i].score, 4); /* little-endian, as this machine is */
		}
		put_number(&one, 3, last ? 6 : (uint64_t)piece[i].type);
		put_bytes(out, 1, one.s, one.len);
	}
	str_clear(&one);
	put_number(&one, 3, (uint64_t)m->type);
	put_number(&one, 24, (uint64_t)m->suffix);
	put_number(&one, 40, (uint64_t)(int64_t)m->unk);
	put_number(&one, 43, (uint64_t)-1);
	put_bytes(out, 2, one.s, one.len);
	str_clear(&one);
	put_bytes(&one, 1, "nmt_nfkc", 8);
	put_bytes(&one, 2, m->map, strlen(m->map));
	put_number(&one, 3, (uint64_t)m->blank);
	put_number(&one, 4, (uint64_t)m->extra);
	put_number(&one, 5, (uint64_t)m->escape);
	put_bytes(out, 3, one.s, one.len);
	str_done(&one);
}

static void model_refused(struct model m, const char *why)
{
	struct str s = {0};
	struct err e = {0};
	put_model(&s, &m);
	assert_null(tokenizer_parse(s.s, s.len, "x.model", &e));
	assert_string_equal(e.msg, why);
	str_done(&s);
}

static const struct model good = {2, 0, 0, 1, 1, 0, "", "<0x41>"};

static void small_model(void **state)
{
	(void)state;
	struct str s = {0};
	struct err e = {0};
	put_model(&s, &good);
	struct tokenizer *t = tokenizer_parse(s.s, s.len, "x.model", &e);
	assert_non_null(t);
	assert_int_equal(tokenizer_info(t)->kind, TOKENIZER_PARTS); /* a user piece: no llama2.c file can say that */
	assert_ids(t, "ab ab<sep>abA", 13, TOKENIZE_START, " 7 7 8 6 9");
	struct model m = good;
	m.blank = 0;
	str_clear(&s);
	put_model(&s, &m);
	tokenizer_free(t);
	t = tokenizer_parse(s.s, s.len, "x.model", &e);
	assert_ids(t, "ab ab", 5, TOKENIZE_START, " 6 7");
	tokenizer_free(t);
	/* Cut anywhere, or with a byte changed: refused with the file's name, or a tokenizer that works. */
	struct rng r;
	rng_seed(&r, 9);
	for (size_t i = 0; i < s.len + 2000; i++) {
		size_t at = (size_t)rng_below(&r, s.len), n = i < s.len ? i : s.len;
		char old = s.s[at];
		if (i >= s.len)
			s.s[at] = (char)rng_u64(&r);
		t = tokenizer_parse(s.s, n, "cut.model", &e);
		if (!t) {
			assert_non_null(strstr(e.msg, "cut.model"));
			assert_null(strchr(e.msg, '\n'));
		} else {
			struct ids ids = {0};
			assert_int_equal(tokenizer_encode(t, "abba <sep> ab", 13, TOKENIZE_START, &ids, &e), 0);
			ids_done(&ids);
		}
		tokenizer_free(t);
		s.s[at] = old;
	}
	str_done(&s);
}

static void models_refused(void **state)
{
	(void)state;
	struct model m = good;
	m.type = 1;
	model_refused(m, "tokenizer: x.model: model_type: unigram, only BPE is read");
	m = good;
	m.suffix = 1;
	model_refused(m, "tokenizer: x.model: treat_whitespace_as_suffix: true, only false is read");
	m = good;
	m.map = "map";
	model_refused(m, "tokenizer: x.model: normalizer_spec: nmt_nfkc, a map of 3 bytes; only identity is read");
	m = good;
	m.extra = 1;
	model_refused(m, "tokenizer: x.model: remove_extra_whitespaces: true, only false is read (text would not come back as it was)");
	m = good;
	m.escape = 0;
	model_refused(m, "tokenizer: x.model: escape_whitespaces: false, only true is read");
	m = good;
	m.unk = 10;
	model_refused(m, "tokenizer: x.model: unk: id 10, the vocabulary has 10");
	m = good;
	m.byte = "<0x4>";
	model_refused(m, "tokenizer: x.model: id 9, \"<0x4>\": a byte's piece must be <0x00> to <0xFF>");
}

/* --- tokenizer.json --- */

static const char *reference(const char *name)
{
	static char path[4096];
	const char *root = getenv("ANETUI_ROOT");
	snprintf(path, sizeof path, "%s/tests/reference/%s", root ? root : ".", name);
	return path;
}

/* Texts as hexadecimal, "0" or "1" whether control tokens count, and the ids that bpe.py computed. */
static void reference_cases(const struct tokenizer *t)
{
	struct str s = {0};
	struct err e = {0};
	int n = 0;
	static char text[4096];
	if (file_read(&s, reference("bpe.cases"), "test", 1 << 20, &e))
		fail_msg("%s", e.msg);
	for (char *line = s.s, *eol; (eol = strchr(line, '\n')); line = eol + 1, n++) {
		*eol = 0;
		char *hex = line + 2, *ids = strchr(line, ':');
		size_t len = *hex == '-' ? 0 : (size_t)(ids - hex) / 2;
		assert_in_range(len, 0, sizeof text);
		for (size_t i = 0; i < len; i++) {
			unsigned b;
			assert_int_equal(sscanf(hex + 2 * i, "%2x", &b), 1);
			text[i] = (char)b;
		}
		assert_ids(t, text, len, *line == '1' ? TOKENIZE_SPECIAL : 0, ids[2] ? ids + 1 : "");
	}
	assert_in_range(n, 200, 1000);
	str_done(&s);
}

static void same_ids(const struct tokenizer *a, const struct tokenizer *b)
{
	assert_true(tokenizer_info(a)->hash == tokenizer_info(b)->hash);
	assert_int_equal(tokenizer_info(a)->vocab, tokenizer_info(b)->vocab);
}

static void small_json(void **state)
{
	(void)state;
	struct err e = {0};
	struct tokenizer *t = load(reference("bpe.json"));
	reference_cases(t);
	/* Written by us and read back; packed and unpacked. */
	assert_int_equal(tokenizer_save(t, "again.json", &e), 0);
	struct tokenizer *again = load("again.json");
	same_ids(t, again);
	reference_cases(again);
	tokenizer_free(again);
	unsigned char *p;
	size_t n;
	assert_int_equal(tokenizer_pack(t, &p, &n, &e), 0);
	again = tokenizer_parse(p, n, "packed", &e);
	same_ids(t, again);
	reference_cases(again);
	tokenizer_free(again);
	free(p);
	tokenizer_free(t);
}

/* What comes back is the normal form of what went in; what is in that form, and any bytes, come back as they were. */
static void normal_form_round_trips(void **state)
{
	(void)state;
	static const char *const bit[] = {"a", " ", "e\xcc\x81", "\xcc\x81", "\xcc\xa7", "\xe2\x84\xab", "\xff", "\xe3\x81\x8b\xe3\x82\x99", "<think>", "\xe1\x84\x92\xe1\x85\xa1", "\n", "\xcc", "\xc3\xa9"};
	struct tokenizer *t = load(reference("bpe.json"));
	struct rng r;
	rng_seed(&r, 14);
	for (int i = 0; i < 4000; i++) {
		struct str s = {0}, got = {0}, want = {0};
		struct ids ids = {0};
		struct err e = {0};
		str_puts(&got, "");
		str_puts(&want, "");
		for (int k = (int)rng_below(&r, 30); k >= 0; k--)
			str_puts(&s, bit[rng_below(&r, ARRAY_LEN(bit))]);
		assert_int_equal(tokenizer_encode(t, s.s, s.len, 0, &ids, &e), 0);
		for (size_t k = 0; k < ids.n; k++) {
			size_t n;
			const char *p = tokenizer_piece(t, -1, ids.id[k], &n);
			str_add(&got, p, n);
		}
		/* The normal form of each stretch of valid text between user pieces and other bytes. */
		struct nfc x = {0};
		for (size_t at = 0, end; at < s.len; at = end) {
			size_t k = added_find(t, s.s + at, s.len - at, s.len - at, 0), valid = 0;
			uint32_t cp;
			for (int d; valid < k && (d = utf8_decode(s.s + at + valid, k - valid, &cp)) > 0;)
				valid += (size_t)d;
			end = at + (valid ? valid : k ? 1 : 7);
			if (valid) {
				assert_int_equal(nfc_run(&x, s.s + at, valid), 0);
				str_add(&want, x.s, x.n);
			} else {
				str_add(&want, s.s + at, end - at);
			}
		}
		nfc_done(&x);
		assert_string_equal(got.s, want.s);
		str_done(&s);
		str_done(&got);
		str_done(&want);
		ids_done(&ids);
	}
	tokenizer_free(t);
}

static void ours_as_json(void **state)
{
	(void)state;
	static const char text[] = "The cat didn't sit on the mat, the other cats didn't either. 吾輩は猫である。\n\n  The end\n";
	struct err e = {0};
	struct tokenizer *t = tokenizer_train(text, sizeof text - 1, 300, NULL, &e);
	assert_int_equal(tokenizer_save(t, "ours.json", &e), 0);
	struct tokenizer *back = load("ours.json");
	same_ids(t, back);
	assert_int_equal(tokenizer_info(back)->kind, TOKENIZER_BPE);
	assert_int_equal(tokenizer_info(back)->bos, 0);
	tokenizer_free(back);
	mkdir("folder", 0777);
	assert_int_equal(tokenizer_in_folder("folder"), 0);
	assert_null(tokenizer_load("folder", &e));
	assert_string_equal(e.msg, "tokenizer: folder: no tokenizer.json, tokenizer.model or tokenizer.bin in it");
	assert_int_equal(tokenizer_save_folder(t, "folder", &e), 0);
	assert_int_equal(tokenizer_in_folder("folder"), 1);
	back = load("folder/");
	same_ids(t, back);
	tokenizer_free(back);
	tokenizer_free(t);
}

static void files_beside(void **state)
{
	(void)state;
	struct str s = {0};
	struct err e = {0};
	struct tokenizer *t;
	assert_int_equal(file_read(&s, reference("bpe.json"), "test", 1 << 20, &e), 0);
	mkdir("beside", 0777);
	scratch_write("beside/tokenizer.json", s.s, s.len);
	t = load("beside");
	int end = tokenizer_info(t)->vocab - 5, start = end + 1;
	assert_int_equal(tokenizer_info(t)->eos, -1);
	assert_int_equal(tokenizer_info(t)->separator, -1);
	uint64_t hash = tokenizer_info(t)->hash;
	tokenizer_free(t);
	str_clear(&s);
	str_printf(&s, "{\"eos_token_id\": [%d, %d], \"bos_token_id\": %d}", start, end, end);
	scratch_write("beside/generation_config.json", s.s, s.len);
	t = load("beside");
	assert_int_equal(tokenizer_info(t)->eos, start);
	assert_true(tokenizer_is_end(t, end));
	tokenizer_free(t);
	const char *config = "{\"bos_token\": {\"content\": \"<|start|>\"}, \"eos_token\": \"<|end|>\", \"add_bos_token\": true, \"pad_token\": null}";
	scratch_write("beside/tokenizer_config.json", config, strlen(config));
	t = load("beside/tokenizer.json");
	assert_int_equal(tokenizer_info(t)->eos, end);
	assert_int_equal(tokenizer_info(t)->bos, start);
	assert_int_equal(tokenizer_info(t)->add_bos, 1);
	assert_int_equal(tokenizer_info(t)->separator, start);
	assert_true(tokenizer_info(t)->hash == hash); /* special ids give no text other ids */
	tokenizer_free(t);
	config = "{\"eos_token\": \"<|stop|>\"}";
	scratch_write("beside/tokenizer_config.json", config, strlen(config));
	assert_null(tokenizer_load("beside", &e));
	assert_string_equal(e.msg, "tokenizer: beside/tokenizer_config.json: eos_token: \"<|stop|>\" is no token of the vocabulary");
	scratch_write("beside/tokenizer_config.json", "{", 1);
	assert_null(tokenizer_load("beside", &e));
	assert_non_null(strstr(e.msg, "tokenizer: beside/tokenizer_config.json: line 1, column 1: "));
	scratch_write("beside/tokenizer_config.json", "{}", 2);
	scratch_write("beside/generation_config.json", "{\"eos_token_id\": 99999}", 23);
	assert_null(tokenizer_load("beside", &e));
	assert_non_null(strstr(e.msg, "beside/generation_config.json: eos_token_id: 99999, the vocabulary has "));
	str_done(&s);
}

/* bpe.json with one stretch of its text replaced. */
static void json_refused(const char *old, const char *with, const char *why)
{
	struct str s = {0}, bad = {0};
	struct err e = {0};
	assert_int_equal(file_read(&s, reference("bpe.json"), "test", 1 << 20, &e), 0);
	char *at = strstr(s.s, old);
	assert_non_null(at);
	str_add(&bad, s.s, (size_t)(at - s.s));
	str_puts(&bad, with);
	str_puts(&bad, at + strlen(old));
	struct tokenizer *t = tokenizer_parse(bad.s, bad.len, "x.json", &e);
	assert_null(t);
	assert_string_equal(e.msg, why);
	str_done(&s);
	str_done(&bad);
}

static void json_faults(void **state)
{
	(void)state;
	json_refused("\"type\": \"BPE\"", "\"type\": \"Unigram\"", "tokenizer: x.json: model.type: Unigram, only BPE is read");
	json_refused("\"unk_token\": null", "\"unk_token\": 7", "tokenizer: x.json: model.unk_token: a number, a string wanted");
	json_refused("\"added_tokens\": [", "\"added_tokens\": 5, \"others\": [", "tokenizer: x.json: added_tokens: a number, a list wanted");
	json_refused("\"!\": 0,", "\"!\": 0, \"!\": 0,", "tokenizer: x.json: line 96, column 11: duplicate object key near '\"!\"'");
	json_refused("\"type\": \"NFC\"", "\"type\": \"NFKC\"", "tokenizer: x.json: normalizer: NFKC, only NFC is read");
	json_refused("\"type\": \"Split\"", "\"type\": \"Digits\"", "tokenizer: x.json: pre_tokenizer: Digits, Split or ByteLevel wanted");
	json_refused("\"Regex\"", "\"String\"", "tokenizer: x.json: pre_tokenizer.pattern: missing, GPT-2's, Qwen2's or Llama 3's expression wanted");
	json_refused("\"Isolated\"", "\"Removed\"", "tokenizer: x.json: pre_tokenizer.behavior: Removed, only Isolated is read");
	json_refused("\"dropout\": null", "\"dropout\": 0.1", "tokenizer: x.json: model.dropout: a number, only none is read");
	json_refused("\"end_of_word_suffix\": \"\"", "\"end_of_word_suffix\": \"</w>\"", "tokenizer: x.json: model.end_of_word_suffix: </w>, only none is read");
	json_refused("\"byte_fallback\": false", "\"byte_fallback\": true",
		     "tokenizer: x.json: model.byte_fallback: true, only byte-level BPE is read (is there a tokenizer.model?)");
	json_refused("\"lstrip\": false", "\"lstrip\": true", "tokenizer: x.json: added_tokens: \"<|end|>\": lstrip: true, only false is read");
	json_refused("\"!\": 0", "\"!\": -1", "tokenizer: x.json: vocab: \"!\": id -1, must be 0 to 605");
	json_refused("\"!\": 0", "\"!\": 1", "tokenizer: x.json: id 1: both \"!\" and \"\"\"");
	json_refused("\"!\": 0", "\"!\": 99999999999", "tokenizer: x.json: model.vocab: ids up to 99999999999, but 606 pieces");
	json_refused("\"!\": 0,", "", "tokenizer: x.json: merge 104, \"! \xc4\x8a\": its first half is no piece of the vocabulary");
	json_refused("\"$\": 3,", "", "tokenizer: x.json: byte 0x24 has no piece: not all text could be encoded");
	json_refused("\"merges\"", "\"rules\"", "tokenizer: x.json: model.merges: missing, a list wanted");
	json_refused("\"model\"", "\"mode\"", "tokenizer: x.json: model: missing, an object wanted (no tokenizer.json?)");
	json_refused("\"unk_token\": null", "\"unk_token\": \"<unk>\"", "tokenizer: x.json: model.unk_token: <unk>, is no token of the vocabulary");
}

/* Cut anywhere and with a byte changed: one line that names the file, or a tokenizer that works. */
static void json_damaged(void **state)
{
	(void)state;
	struct str s = {0};
	struct err e = {0};
	struct rng r;
	rng_seed(&r, 12);
	assert_int_equal(file_read(&s, reference("bpe.json"), "test", 1 << 20, &e), 0);
	while (s.len && s.s[s.len - 1] != '}')
		s.len--;
	for (int i = 0; i < 1200; i++) {
		size_t at = (size_t)rng_below(&r, s.len), n = i < 500 ? at : s.len;
		char old = s.s[at];
		if (i >= 500)
			s.s[at] = i % 3 ? (char)(32 + rng_below(&r, 96)) : (char)rng_u64(&r);
		struct tokenizer *t = tokenizer_parse(s.s, n, "cut.json", &e);
		assert_false(i < 500 && t);
		if (!t && n) {
			assert_non_null(strstr(e.msg, "cut.json"));
			assert_null(strchr(e.msg, '\n'));
		} else if (t) {
			struct ids ids = {0};
			assert_int_equal(tokenizer_encode(t, "The boat <think> 1\xff", 18, TOKENIZE_SPECIAL, &ids, &e), 0);
			ids_done(&ids);
		}
		tokenizer_free(t);
		s.s[at] = old;
	}
	str_done(&s);
}

/* By score, written as Llama's files are, which we do not read: the scores are in tokenizer.model beside it. */
static void by_score_as_json(void **state)
{
	(void)state;
	struct str s = {0}, out = {0};
	struct err e = {0};
	put_model(&s, &good);
	struct tokenizer *t = tokenizer_parse(s.s, s.len, "x.model", &e);
	assert_int_equal(tokenizer_json(t, &out, &e), 0);
	assert_non_null(strstr(out.s, "\"merges\": [\n      [\"a\", \"b\"],\n      [\"\xe2\x96\x81\", \"ab\"]\n    ]"));
	assert_non_null(strstr(out.s, "{\"type\": \"Prepend\", \"prepend\": \"\xe2\x96\x81\"}"));
	/* A folder holds its scores too, and loads as what it was. */
	mkdir("scores", 0777);
	assert_int_equal(tokenizer_save_folder(t, "scores", &e), 0);
	struct tokenizer *back = load("scores");
	same_ids(t, back);
	assert_int_equal(tokenizer_info(back)->bos, 1);
	assert_ids(back, "ab ab<sep>abA", 13, TOKENIZE_START, " 7 7 8 6 9");
	tokenizer_free(back);
	str_done(&s);
	str_done(&out);
	tokenizer_free(t);
	const char *path = testdata_path("tok512.bin");
	if (!path)
		skip();
	t = load(path);
	assert_int_equal(tokenizer_save_folder(t, "scores", &e), 0);
	back = load("scores");
	same_ids(t, back);
	assert_int_equal(tokenizer_info(back)->kind, TOKENIZER_LLAMA2C);
	tokenizer_free(back);
	tokenizer_free(t);
}

/* The real Qwen tokenizer.json (or a folder with it), when it is at hand: too large to be shipped. */
static void qwen_cases(void **state)
{
	(void)state;
	struct tokenizer *t = load(getenv("ANETUI_QWEN_TOKENIZER"));
	known_cases(t, "ggml-vocab-qwen2.inp", "ggml-vocab-qwen2.out");
	assert_int_equal(tokenizer_info(t)->vocab, 151669);
	assert_ids(t, "<think>\n<|im_end|>", 18, TOKENIZE_SPECIAL, " 151667 198 151645");
	assert_ids(t, "<|im_end|>", 10, 0, " 27 91 318 6213 91 29");
	tokenizer_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(llama_model),
		cmocka_unit_test(small_model),
		cmocka_unit_test(models_refused),
		cmocka_unit_test(small_json),
		cmocka_unit_test(normal_form_round_trips),
		cmocka_unit_test(ours_as_json),
		cmocka_unit_test(files_beside),
		cmocka_unit_test(json_faults),
		cmocka_unit_test(json_damaged),
		cmocka_unit_test(by_score_as_json),
	};
	const struct CMUnitTest real[] = {cmocka_unit_test(qwen_cases)};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return getenv("ANETUI_QWEN_TOKENIZER") ? failed + cmocka_run_group_tests(real, NULL, NULL) : failed;
}
