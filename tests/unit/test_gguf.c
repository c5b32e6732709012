/* test_gguf.c: GGUF's container and tokenizers: a published file and its 47 cases, tokenizers there and back, files that lie, and a file cut at every length.
 * That models keep their logits is in test_formats.c. SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/gguf_model.h"
#include "support/testdata.h"
#include "support/tiny.h"

static const struct tiny shape = {"gqa", 32, 64, 2, 4, 2, 8, 300, 1, ROPE_HALF, 1, 1, 16};
static const char poem[] = "The cat sat on the mat. The cat didn't see the other cat, but the other cat saw the mat.\n\nK\xc3\xa4" "fer 1234 99 \t x\n";

static void cases_of_a_published_file(void **state)
{
	struct str in = {0}, out = {0};
	struct err e = {0};
	struct tokenizer *t;
	(void)state;
	if (testdata_read(&in, "ggml-vocab-llama-spm.inp") || testdata_read(&out, "ggml-vocab-llama-spm.out"))
		skip();
	const char *path = testdata_path("ggml-vocab-llama-spm.gguf"); /* last: the buffer is shared */
	if (!path)
		skip();
	if (gguf_load_tokenizer(&t, path, &e))
		fail_msg("%s", e.msg);
	assert_null(gguf_load(path, &e));
	assert_non_null(strstr(e.msg, "expected tensors, found none"));
	static const char mark[] = "\n__ggml_vocab_test__\n";
	const char *s = in.s, *line = out.s;
	int n = 0;
	for (; s; n++) {
		const char *end = strstr(s, mark);
		size_t len = end ? (size_t)(end - s) : strlen(s);
		struct ids ids = {0};
		assert_int_equal(tokenizer_encode(t, s, len, TOKENIZE_START, &ids, &e), 0);
		const char *stop = strchr(line, '\n');
		size_t k = 0;
		for (char *next; line < stop; line = next) {
			long want = strtol(line, &next, 10);
			if (next == line || next > stop)
				break;
			if (k >= ids.n || ids.id[k] != want)
				fail_msg("case %d: id %zu is %d, must be %ld", n, k, k < ids.n ? ids.id[k] : -1, want);
			k++;
		}
		assert_int_equal(k, ids.n);
		ids_done(&ids);
		line = stop + 1;
		s = end ? end + sizeof mark - 1 : NULL;
	}
	assert_int_equal(n, 47);
	tokenizer_free(t);
	str_done(&in);
	str_done(&out);
}

static void save(const char *path, const struct tokenizer *t)
{
	struct err e = {0};
	struct str report = {0};
	struct params *p = tiny_params(&shape, 5, 0);
	struct model_source s = {p, p->w, t};
	if (gguf_save(&s, path, GGUF_F32, &report, &e))
		fail_msg("%s", e.msg);
	params_free(p);
	str_done(&report);
}

static void tokenizers_survive(void **state)
{
	struct err e = {0};
	struct tokenizer *t = tokenizer_train(poem, sizeof poem - 1, 280, NULL, &e), *u;
	(void)state;
	assert_non_null(t);
	save("ours.gguf", t);
	if (gguf_load_tokenizer(&u, "ours.gguf", &e))
		fail_msg("%s", e.msg);
	assert_int_equal(tokenizer_info(u)->kind, TOKENIZER_BPE);
	assert_int_equal(tokenizer_info(u)->vocab, tokenizer_info(t)->vocab); /* the padding to 300 is gone */
	assert_true(tokenizer_info(u)->hash == tokenizer_info(t)->hash);
	tokenizer_free(t);
	tokenizer_free(u);
	save("none.gguf", NULL);
	assert_int_equal(gguf_load_tokenizer(&u, "none.gguf", &e), 0);
	assert_null(u);
}

static int refused(const char *path)
{
	struct err e = {0};
	struct model_import in;
	int rc = model_file_load(&in, path, &e);
	params_free(in.params);
	tokenizer_free(in.tok);
	return rc && e.msg[0] && !strchr(e.msg, '\n');
}

static char *read_all(const char *path, size_t *n)
{
	struct str b = {0};
	struct err e = {0};
	assert_int_equal(file_read(&b, path, "test", 1 << 24, &e), 0);
	*n = b.len;
	return b.s;
}

static void cut_anywhere(void **state)
{
	struct err e = {0};
	struct gguf_file f;
	size_t n;
	(void)state;
	struct tokenizer *t = tokenizer_train(poem, sizeof poem - 1, 280, NULL, &e);
	save("whole.gguf", t);
	tokenizer_free(t);
	char *b = read_all("whole.gguf", &n);
	assert_int_equal(gguf_open(&f, "whole.gguf", &e), 0);
	size_t head = (size_t)(f.tensor[0].data - f.map.data);
	gguf_close(&f);
	assert_false(refused("whole.gguf"));
	for (size_t k = 0; k < n; k += k < head + 40 ? 1 : 4099)
		if (!refused(scratch_write("cut.gguf", b, k)))
			fail_msg("cut to %zu of %zu bytes: taken", k, n);
	free(b);
}

static char *find(char *b, size_t n, const char *s)
{
	for (size_t i = 0; i + strlen(s) <= n; i++)
		if (!memcmp(b + i, s, strlen(s)))
			return b + i;
	fail_msg("%s is not there", s);
	return NULL;
}

static void lies(void **state)
{
	/* Behind the first place where `at` stands, `skip` bytes on, `n` bytes become `with`. */
	static const struct { const char *at; int skip, n; const char *with, *want; } cases[] = {
		{"GGUF", 4, 4, "\1\0\0\0", "version: expected 2 or 3, found 1"},
		{"GGUF", 8, 8, "\377\377\377\377\377\377\377\377", "number of tensors: 18446744073709551615: the"},
		{"GGUF", 16, 8, "\0\0\0\0\1\0\0\0", "number of keys: 4294967296: the"},
		{"tokenizer.ggml.bos_token_id", 15, 1, "e", "key tokenizer.ggml.eos_token_id: is there twice"},
		{"general.architecture", 20, 4, "\15\0\0\0", "key general.architecture: type 13: expected 0 to 12"},
		{"general.architecture", 32, 5, "gemma", "key general.architecture: expected llama or qwen3, found gemma"},
		{"llama.block_count", 21, 4, "\3\0\0\0", "tensor blk.2.attn_norm.weight: expected [32], found none"},
		{"llama.block_count", 21, 4, "\1\0\0\0", "tensor blk.1.attn_norm.weight: architecture llama expects no such tensor"},
		{"llama.block_count", 17, 4, "\6\0\0\0", "key llama.block_count: expected a whole number, found f32"},
		{"llama.block_count", 21, 4, "\0\0\0\0", "key llama.block_count: expected 1 to 1073741824, found 0"},
		{"llama.embedding_length", 0, 22, "llama.embeddinh_length", "key llama.embedding_length: expected a whole number, found none"},
		{"llama.vocab_size", 20, 4, "\53\1\0\0", "key llama.vocab_size: expected 300 as token_embd.weight has, found 299"},
		{"llama.feed_forward_length", 29, 4, "\101\0\0\0", "tensor blk.0.ffn_gate.weight: expected shape [32, 65] (by the keys), found [32, 64]"},
		{"llama.rope.dimension_count", 30, 4, "\4\0\0\0", "rope.dimension_count: expected the head's 8, found 4"},
		{"blk.1.attn_q.weight", 0, 19, "blk.0.attn_q.weight", "tensor blk.0.attn_q.weight: is there twice"},
		{"blk.1.attn_q.weight", 19, 4, "\5\0\0\0", "tensor blk.1.attn_q.weight: expected at most 4 dimensions, found 5"},
		{"blk.1.attn_q.weight", 23, 8, "\0\0\0\0\0\0\0\0", "tensor blk.1.attn_q.weight: dimension 0 is 0"},
		{"blk.1.attn_q.weight", 23, 8, "\0\0\0\0\0\0\0\100", "tensor blk.1.attn_q.weight: dimension 1 is 32: expected at least 1, and less than 2^63"},
		{"blk.1.attn_q.weight", 39, 4, "\143\0\0\0", "tensor blk.1.attn_q.weight: type 99 is unknown (F32, F16, BF16 and Q8_0 are read)"},
		{"blk.1.attn_q.weight", 39, 4, "\16\0\0\0", "tensor blk.1.attn_q.weight: rows of 32: expected a multiple of 256 for Q6_K"},
		{"output_norm.weight", 30, 4, "\32\0\0\0", "tensor output_norm.weight: expected F32, F16, BF16 or Q8_0, found I32"},
		{"blk.1.attn_q.weight", 43, 1, "\1", "tensor blk.1.attn_q.weight: expected offset"},
		{"tokenizer.ggml.model", 32, 4, "bert", "key tokenizer.ggml.model: expected llama or gpt2, found bert"},
		{"anetui.tokenizer.split", 34, 6, "nobody", "tokenizer.ggml.pre: expected gpt-2, qwen2, llama-bpe or default, found nobody"},
		{"tokenizer.ggml.token_type", 29, 4, "\6\0\0\0", "key tokenizer.ggml.token_type: expected an array of i32, found an array of f32"},
		{"tokenizer.ggml.token_type", 41, 4, "\7\0\0\0", "key tokenizer.ggml.token_type: id 0: expected 1 to 6, found 7"},
		{"tokenizer.ggml.bos_token_id", 31, 4, "\0\0\0\1", "key tokenizer.ggml.bos_token_id: expected 0 to"},
		{"tokenizer.ggml.add_bos_token", 32, 1, "\2", "key tokenizer.ggml.add_bos_token: expected 0 or 1 for a bool, found 2"},
	};
	struct err e = {0};
	size_t n;
	(void)state;
	struct tokenizer *t = tokenizer_train(poem, sizeof poem - 1, 280, NULL, &e);
	save("true.gguf", t);
	tokenizer_free(t);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct model_import in;
		char *b = read_all("true.gguf", &n);
		memcpy(find(b, n, cases[i].at) + cases[i].skip, cases[i].with, (size_t)cases[i].n);
		memset(&e, 0, sizeof e);
		int rc = model_file_load(&in, scratch_write("lie.gguf", b, n), &e);
		params_free(in.params);
		tokenizer_free(in.tok);
		free(b);
		if (!rc || !strstr(e.msg, cases[i].want) || !strstr(e.msg, "lie.gguf") || strchr(e.msg, '\n'))
			fail_msg("%s at %d: %s", cases[i].at, cases[i].skip, rc ? e.msg : "taken");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cases_of_a_published_file), cmocka_unit_test(tokenizers_survive), cmocka_unit_test(cut_anywhere), cmocka_unit_test(lies),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
