/* fuzz_llama2c.c: llama2.c's model files, all versions, and maderix/ANE's checkpoints: formats without names inside. SPDX-License-Identifier: MIT */
#include "fuzz/fuzz.h"
#include "io/llama2c.h"
#include "io/upstream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *path = fuzz_file("model.bin", data, n);
	struct err e = {0};
	llama2c_probe(path);
	struct params *p = llama2c_load(path, &e);
	fuzz_said(!p, &e);
	fuzz_accepted += !!p;
	params_free(p);
	if (!upstream_probe(path))
		return 0;
	p = upstream_load(path, &e);
	fuzz_said(!p, &e);
	fuzz_accepted += !!p;
	params_free(p);
	return 0;
}
