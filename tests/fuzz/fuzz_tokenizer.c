/* fuzz_tokenizer.c: tokenizer files of every form; one that is accepted encodes, decodes, and packs into bytes that read back. SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "text/tokenizer.h"

static void use(const struct tokenizer *t)
{
	static const char text[] = "Once upon a time 12 \xe3\x81\x82\xff\n<|im_start|> the end";
	const struct tokenizer_info *i = tokenizer_info(t);
	struct ids v = {0};
	struct err e = {0};
	int rc = tokenizer_encode(t, text, sizeof text - 1, TOKENIZE_START | TOKENIZE_SPECIAL, &v, &e);
	fuzz_said(rc, &e);
	for (size_t k = 0; !rc && k < v.n; k++) {
		size_t n = 0;
		FUZZ_CHECK(v.id[k] >= 0 && v.id[k] < i->vocab);
		FUZZ_CHECK(tokenizer_piece(t, k ? v.id[k - 1] : -1, v.id[k], &n) || !n);
		tokenizer_is_end(t, v.id[k]);
	}
	ids_done(&v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct err e = {0};
	struct tokenizer *t = tokenizer_parse(data, n, "input", &e);
	fuzz_said(!t, &e);
	if (!t)
		return 0;
	fuzz_accepted++;
	use(t);
	unsigned char *packed = NULL;
	size_t bytes = 0;
	if (!tokenizer_pack(t, &packed, &bytes, &e)) {
		struct tokenizer *u = tokenizer_parse(packed, bytes, "packed", &e);
		FUZZ_CHECK(u && tokenizer_info(u)->vocab == tokenizer_info(t)->vocab && tokenizer_info(u)->hash == tokenizer_info(t)->hash);
		tokenizer_free(u);
	}
	free(packed);
	tokenizer_free(t);
	return 0;
}
