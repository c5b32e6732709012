/* fuzz_safetensors.c: safetensors files: tensors that are accepted lie inside the file, as long as their shape says. SPDX-License-Identifier: MIT */
#include "fuzz/fuzz.h"
#include "io/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct st_file f = {0};
	struct err e = {0};
	int rc = st_open(&f, fuzz_file("model.safetensors", data, n), &e);
	fuzz_said(rc, &e);
	for (int i = 0; !rc && i < f.n; i++) {
		uint64_t bytes = 0;
		const struct st_tensor *t = &f.tensor[i];
		FUZZ_CHECK(!st_tensor_bytes(t, &bytes, &e));
		FUZZ_CHECK(t->begin <= t->end && t->end <= f.buffer_bytes && t->end - t->begin == bytes);
		FUZZ_CHECK(st_find(&f, t->name) == t);
	}
	if (!rc) {
		fuzz_accepted++;
		st_close(&f);
	}
	return 0;
}
