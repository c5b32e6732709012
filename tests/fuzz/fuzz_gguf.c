/* fuzz_gguf.c: GGUF files: container, model and tokenizer. SPDX-License-Identifier: MIT */
#include "fuzz/fuzz.h"
#include "io/gguf_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *path = fuzz_file("model.gguf", data, n);
	struct gguf_file f = {0};
	struct err e = {0};
	int rc = gguf_open(&f, path, &e);
	fuzz_said(rc, &e);
	if (rc)
		return 0;
	for (uint64_t i = 0; i < f.n; i++)
		FUZZ_CHECK(f.tensor[i].data >= f.map.data && f.tensor[i].bytes <= (uint64_t)(f.map.data + f.map.size - f.tensor[i].data));
	gguf_close(&f);
	struct tokenizer *t = NULL;
	fuzz_said(gguf_load_tokenizer(&t, path, &e), &e);
	tokenizer_free(t);
	struct params *p = gguf_load(path, &e);
	fuzz_said(!p, &e);
	fuzz_accepted += !!p;
	params_free(p);
	return 0;
}
